# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one piece of glue between Ansible and model, plan and kernel.

Check mode, diff, ``changed``, ``commands``, errors, the lock and the way back are written here once, so that
check mode cannot drift from the real one: both take the same path up to the last step.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace
from typing import Any, Callable, Collection, Optional, Sequence

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError, Refused
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import boot
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside, locked, require_net_admin
from ansible_collections.lulab.lvs.plugins.module_utils.module import LvsModule, shortened
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, Identity, State, applied, undone

COMMON_OPTIONS: dict[str, Any] = {"netns": {"type": "str"}, "boot_script": {"type": "path"}}


def nothing_more(state: State) -> dict[str, Any]:
    return {}


def no_commands(changes: Sequence[Change]) -> list[str]:
    return []


@dataclass(frozen=True)
class Concern:
    """What a module tells the runner: five functions over states and changes, and what it has beyond them.

    ``read()`` gives the state as the kernel has it, restricted to what the options name.
    ``plan(have)`` gives the changes towards what the options ask for.
    ``apply(changes)`` carries them out in order; raises ``Refused`` with those already made.
    ``commands(changes)`` gives what one would have typed, in the field's own tool.
    ``listing(state)`` prints a state as that tool lists it, for the diff.
    ``report(state)`` gives more return values, from the state that results.
    ``notes(changes)`` gives the commands that leave our own notes of the changes, for a script of the boot.
    ``script(changes)`` gives the lines of that script where they differ from the commands: what others built before it,
    or an earlier run of it, is no reason for them to fail.
    """

    read: Callable[[], State]
    plan: Callable[[State], list[Change]]
    apply: Callable[[Sequence[Change]], None]
    commands: Callable[[Sequence[Change]], list[str]]
    listing: Callable[[State], str]
    report: Callable[[State], dict[str, Any]] = nothing_more
    notes: Callable[[Sequence[Change]], list[str]] = no_commands
    script: Optional[Callable[[Sequence[Change]], list[str]]] = None


@dataclass(frozen=True)
class Errand:
    """A concern, and where: in which network namespace, and in which script of the boot its commands are kept."""

    concern: Concern
    netns: Optional[str] = None
    boot_script: Optional[str] = None


@dataclass(frozen=True)
class Done:
    """What an errand changes; ``script``: the boot's script as it was, None when it was left alone."""

    errand: Errand
    changes: Sequence[Change]
    script: Optional[str] = None


@dataclass(frozen=True)
class Back:
    """How a way back went: the commands of the changes that were undone, and of those that stand; and why these do."""

    undone: list[str]
    standing: list[str]
    reason: str = ""


def errand_of(params: dict[str, Any], build: Callable[[dict[str, Any]], Concern]) -> Errand:
    """Raises ``BadInput`` for what cannot be meant; the host is not touched."""
    concern = build(params)
    netns, script = params.get("netns"), params.get("boot_script")
    boot.check_path(script, netns)
    return Errand(concern, netns, script)


def run(module: LvsModule, build: Callable[[dict[str, Any]], Concern]) -> None:
    """Bring the host to what the module's parameters ask for, and exit the module.

    ``build`` turns the parameters into a ``Concern``; it validates them, without touching the host, and
    raises ``BadInput`` for what cannot be meant.
    """

    def work() -> dict[str, Any]:
        errand = errand_of(module.params, build)
        module.let_go()
        require_net_admin()
        with locked():
            return perform(errand, module.check_mode, module._diff)[0]

    finish(module, work)


def is_so(build: Callable[[dict[str, Any]], Concern], options: dict[str, Any], given: dict[str, Any]) -> bool:
    """Whether a module of these ``options`` would find nothing to do, when given these."""
    checked = ArgumentSpecValidator(options).validate(given)
    if checked.error_messages or checked.unsupported_parameters:
        return False
    try:
        concern = build(checked.validated_parameters)
        return not concern.plan(concern.read())
    except LvsError:
        return False


def finish(module: LvsModule, work: Callable[[], dict[str, Any]]) -> None:
    """Exit the module with what ``work`` returns, or with the words of its error."""
    try:
        result = work()
    except Exception as raised:
        error = in_words(raised)
        module.fail_json(msg=str(error), invocation=invocation(module.params), **error.details)
    module.exit_json(invocation=invocation(module.params), **result)


def in_words(error: Exception) -> LvsError:
    """``error`` as one to report; of one that nobody foresaw, with the place where it happened."""
    if isinstance(error, LvsError):
        return error
    told = LvsError("%s: %s" % (type(error).__name__, error))
    told.details = {"exception": "".join(traceback.format_exception(type(error), error, error.__traceback__))}
    return told


def invocation(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters as the result repeats them: Ansible walks and prints every item, so that long lists are cut."""
    return {"module_args": shortened(params)}


def perform(
    errand: Errand, check_mode: bool, with_diff: bool, to_come: Collection[str] = ()
) -> tuple[dict[str, Any], Done]:
    """All of an errand or nothing of it; what it changes is returned beside the module's result.

    ``to_come`` are network namespaces that somebody is about to make: in check mode nothing is there yet.
    """
    concern = errand.concern
    is_to_come = check_mode and errand.netns in to_come
    with inside(None if is_to_come else errand.netns):
        have: State = {} if is_to_come else concern.read()
        changes = concern.plan(have)
        after = applied(have, changes) if changes else have
        result: dict[str, Any] = {"changed": bool(changes), "commands": concern.commands(changes)}
        if with_diff:
            result["diff"] = {"before": concern.listing(have), "after": concern.listing(after)}
        done, script = _with_script(Done(errand, changes), result, with_diff)
        if not check_mode:
            _carry_out_all(done, script)
        result.update(concern.report(after))
    return result, done


def _with_script(done: Done, result: dict[str, Any], with_diff: bool) -> tuple[Done, str]:
    """``done`` with the boot's script as it is, where another is due, and that other; told in ``result``."""
    path = done.errand.boot_script
    if not path:
        return done, ""
    before, after = boot.read(path), _script_of(done.errand.concern)
    if before == after:
        return done, after
    result["changed"] = True
    if with_diff:
        headers = {"before_header": path, "after_header": path}
        result["diff"] = [result["diff"], {"before": before, "after": after, **headers}]
    return replace(done, script=before), after


def _script_of(concern: Concern) -> str:
    """What builds the wanted state from nothing."""
    changes = concern.plan({})
    return boot.script_of(concern.notes(changes) + (concern.script or concern.commands)(changes))


def _carry_out_all(done: Done, script: str) -> None:
    """The changes, then the boot's script; both or neither."""
    if done.changes:
        carry_out(done.errand.concern, done.changes)
    if done.script is None:
        return
    try:
        boot.write(str(done.errand.boot_script), script)
    except LvsError as error:
        raise _failed(str(error), undo(done.errand.concern, done.changes)) from error


def carry_out(concern: Concern, changes: Sequence[Change]) -> None:
    """All of ``changes`` or none: what was made before it failed is taken back, last one first."""
    try:
        concern.apply(changes)
    except Exception as error:
        refusal = _refusal(concern, changes, error, at_worst=changes)
        failed = _failed(refusal.reason, undo(concern, refusal.done))
        failed.details.update(in_words(error).details)
        raise failed from error


def _failed(reason: str, back: Back) -> LvsError:
    failed = LvsError(reason)
    if back.reason:
        failed = LvsError("%s; undoing what was done before it failed too: %s" % (reason, back.reason))
    failed.details = {"undone": back.undone, "standing": back.standing}
    return failed


def undo(concern: Concern, changes: Sequence[Change]) -> Back:
    """Take ``changes`` back, last one first. Does not raise: what stands is told."""
    if not changes:
        return Back([], [])
    backwards = undone(changes)
    try:
        concern.apply(backwards)
    except Exception as error:
        refusal = _refusal(concern, backwards, error, at_worst=())
        taken = {change.undone() for change in refusal.done}
        gone = [change for change in changes if change in taken]
        standing = [change for change in changes if change not in taken]
        return Back(concern.commands(gone), concern.commands(standing), refusal.reason)
    return Back(concern.commands(changes), [])


def take_back(done: Done) -> Back:
    """Undo a whole errand. Does not raise: what stands is told."""
    errand = done.errand
    try:
        with inside(errand.netns):
            back = undo(errand.concern, done.changes)
    except LvsError as error:  # the namespace is gone
        back = Back([], errand.concern.commands(done.changes), str(error))
    if done.script is not None:
        try:
            boot.write(str(errand.boot_script), done.script)
        except LvsError as error:
            return replace(back, reason="; ".join(filter(None, (back.reason, str(error)))))
    return back


def _refusal(concern: Concern, changes: Sequence[Change], error: Exception, at_worst: Sequence[Change]) -> Refused:
    """``error`` as a refusal, which knows what was made. Where it does not say so itself, the host is asked; where that
    cannot be, ``at_worst`` was made."""
    if isinstance(error, Refused):
        return error
    try:
        return Refused(None, str(in_words(error)), made(changes, concern.read()))
    except Exception as second:
        words = "%s; and what of it was done cannot be read: %s" % (in_words(error), in_words(second))
        return Refused(None, words, at_worst)


def made(changes: Sequence[Change], found: State) -> list[Change]:
    """Those of ``changes`` that took effect, to judge by the state that was ``found`` after them.

    Several may be of one object, one after the other: with the last that took effect, those before it have, too. What
    is neither as it was nor as it was to be (the kernel may fill in more than it was told) has been changed.
    """
    first = {(change.kind, change.key): change for change in reversed(changes)}
    reached: set[Identity] = set()
    result = []
    for change in reversed(changes):
        name = (change.kind, change.key)
        there = found.get(name)
        if there == change.after or (first[name] is change and there != change.before):
            reached.add(name)
        if name in reached:
            result.append(change)
    return result[::-1]
