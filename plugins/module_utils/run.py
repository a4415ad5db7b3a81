# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one piece of glue between Ansible and model, plan and kernel.

Check mode, diff, ``changed``, ``commands``, errors, the lock and the way back are written here once, so that
check mode cannot drift from the real one: both take the same path up to the last step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Optional, Sequence

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError, Refused
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import boot
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside, locked, require_net_admin
from ansible_collections.lulab.lvs.plugins.module_utils.module import LvsModule, shortened
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State, applied, undone

COMMON_OPTIONS: dict[str, Any] = {"netns": {"type": "str"}, "boot_script": {"type": "path"}}


def nothing_more(state: State) -> dict[str, Any]:
    return {}


def no_commands(changes: Sequence[Change]) -> list[str]:
    return []


@dataclass(frozen=True)
class Concern:
    """What a module tells the runner: five functions over states and changes.

    ``read()`` gives the state as the kernel has it, restricted to what the options name.
    ``plan(have)`` gives the changes towards what the options ask for.
    ``apply(changes)`` carries them out in order; raises ``Refused`` with those already made.
    ``commands(changes)`` gives what one would have typed, in the field's own tool.
    ``listing(state)`` prints a state as that tool lists it, for the diff.
    ``report(state)`` gives more return values, from the state that results.
    ``notes(changes)`` gives the commands that leave our own notes of the changes, for a script of the boot.
    """

    read: Callable[[], State]
    plan: Callable[[State], list[Change]]
    apply: Callable[[Sequence[Change]], None]
    commands: Callable[[Sequence[Change]], list[str]]
    listing: Callable[[State], str]
    report: Callable[[State], dict[str, Any]] = nothing_more
    notes: Callable[[Sequence[Change]], list[str]] = no_commands


@dataclass(frozen=True)
class Errand:
    """A concern, and where: in which network namespace, and in which script of the boot its commands are kept."""

    concern: Concern
    netns: Optional[str] = None
    boot_script: Optional[str] = None


@dataclass(frozen=True)
class Done:
    """What an errand has changed; ``script``: the boot's script as it was, None when it was left alone."""

    errand: Errand
    changes: Sequence[Change]
    script: Optional[str] = None


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
    except LvsError as error:
        module.fail_json(msg=str(error), invocation=invocation(module.params), **error.details)
    module.exit_json(invocation=invocation(module.params), **result)


def invocation(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters as the result repeats them: Ansible walks and prints every item, so that long lists are cut."""
    return {"module_args": shortened(params)}


def perform(errand: Errand, check_mode: bool, with_diff: bool) -> tuple[dict[str, Any], Done]:
    """All of an errand or nothing of it; what it has changed is returned beside the module's result."""
    concern = errand.concern
    with inside(errand.netns):
        result, changes = _converged(concern, check_mode, with_diff)
        done = Done(errand, [] if check_mode else changes)
        if not errand.boot_script:
            return result, done
        before, after = boot.read(errand.boot_script), _script_of(concern)
        if before == after:
            return result, done
        result["changed"] = True
        if with_diff:
            headers = {"before_header": errand.boot_script, "after_header": errand.boot_script}
            result["diff"] = [result["diff"], {"before": before, "after": after, **headers}]
        if not check_mode:
            _keep_for_boot(done, after)
            done = replace(done, script=before)
    return result, done


def converge(concern: Concern, check_mode: bool, with_diff: bool) -> dict[str, Any]:
    """Bring the namespace that we are in to what the concern asks for."""
    return _converged(concern, check_mode, with_diff)[0]


def _converged(concern: Concern, check_mode: bool, with_diff: bool) -> tuple[dict[str, Any], Sequence[Change]]:
    have = concern.read()
    changes = concern.plan(have)
    after = applied(have, changes) if changes else have
    result: dict[str, Any] = {"changed": bool(changes), "commands": concern.commands(changes)}
    if with_diff:
        result["diff"] = {"before": concern.listing(have), "after": concern.listing(after)}
    if changes and not check_mode:
        carry_out(concern, changes)
    result.update(concern.report(after))
    return result, changes


def _script_of(concern: Concern) -> str:
    """What builds the wanted state from nothing."""
    changes = concern.plan({})
    return boot.script_of(concern.notes(changes) + concern.commands(changes))


def _keep_for_boot(done: Done, text: str) -> None:
    try:
        boot.write(str(done.errand.boot_script), text)
    except LvsError as error:
        take_back(done)
        raise error


def take_back(done: Done) -> None:
    """Undo an errand, last change first; raises ``Refused`` with the changes that were undone."""
    with inside(done.errand.netns):
        if done.script is not None:
            boot.write(str(done.errand.boot_script), done.script)
        if done.changes:
            done.errand.concern.apply(undone(done.changes))


def carry_out(concern: Concern, changes: Sequence[Change]) -> None:
    """All of ``changes`` or none: what was made before a refusal is taken back, last one first."""
    try:
        concern.apply(changes)
    except Refused as refusal:
        raise taken_back(concern, refusal) from refusal


def taken_back(concern: Concern, refusal: Refused) -> LvsError:
    """Undo what the refused call had done; the error to report says whether that worked."""
    failed = LvsError(refusal.reason)
    failed.details = {"undone": concern.commands(refusal.done), "standing": []}
    if not refusal.done:
        return failed
    try:
        concern.apply(undone(refusal.done))
    except Refused as second:
        failed = LvsError("%s; undoing what was done before it failed too: %s" % (refusal.reason, second.reason))
        failed.details = dict(zip(("undone", "standing"), parted(concern, refusal.done, second)))
    return failed


def parted(concern: Concern, changes: Sequence[Change], refusal: Refused) -> tuple[list[str], list[str]]:
    """The commands of those ``changes`` that were undone before that was refused, and of those that stand."""
    taken = {change.undone() for change in refusal.done}
    gone = [change for change in changes if change in taken]
    standing = [change for change in changes if change not in taken]
    return concern.commands(gone), concern.commands(standing)
