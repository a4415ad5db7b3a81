# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one piece of glue between Ansible and model, plan and kernel.

Check mode, diff, ``changed``, ``commands``, errors, the lock and the way back are written here once, so that
check mode cannot drift from the real one: both take the same path up to the last step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Sequence

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError, Refused
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import boot
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside, locked, require_net_admin
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State, applied, undone

ECHOED_ITEMS = 100
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


def run(module: AnsibleModule, build: Callable[[dict[str, Any]], Concern]) -> None:
    """Bring the host to what the module's parameters ask for, and exit the module.

    ``build`` turns the parameters into a ``Concern``; it validates them, without touching the host, and
    raises ``BadInput`` for what cannot be meant.
    """
    try:
        concern = build(module.params)
        netns, script = module.params["netns"], module.params["boot_script"]
        boot.check_path(script, netns)
        require_net_admin()
        with inside(netns), locked():
            result = converge(concern, check_mode=module.check_mode, with_diff=module._diff)
            if script:
                keep_for_boot(script, concern, result, module.check_mode)
    except LvsError as error:
        module.fail_json(msg=str(error), invocation=invocation(module.params), **error.details)
    module.exit_json(invocation=invocation(module.params), **result)


def invocation(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters as the result repeats them, long lists cut: Ansible walks and prints every item of them,
    which for tens of thousands takes longer than the module's own work."""
    return {"module_args": {name: shortened(value) for name, value in params.items()}}


def shortened(value: Any) -> Any:
    if not isinstance(value, list) or len(value) <= ECHOED_ITEMS:
        return value
    return value[:ECHOED_ITEMS] + ["... and %d more" % (len(value) - ECHOED_ITEMS)]


def converge(concern: Concern, check_mode: bool, with_diff: bool) -> dict[str, Any]:
    have = concern.read()
    changes = concern.plan(have)
    after = applied(have, changes) if changes else have
    result: dict[str, Any] = {"changed": bool(changes), "commands": concern.commands(changes)}
    if with_diff:
        result["diff"] = {"before": concern.listing(have), "after": concern.listing(after)}
    if changes and not check_mode:
        carry_out(concern, changes)
    result.update(concern.report(after))
    return result


def keep_for_boot(path: str, concern: Concern, result: dict[str, Any], check_mode: bool) -> None:
    """Make the script at ``path`` what builds the wanted state from nothing; ``result`` tells of it."""
    changes = concern.plan({})
    before, after = boot.read(path), boot.script_of(concern.notes(changes) + concern.commands(changes))
    if before == after:
        return
    result["changed"] = True
    if "diff" in result:
        result["diff"] = [
            result["diff"],
            {"before": before, "after": after, "before_header": path, "after_header": path},
        ]
    if not check_mode:
        boot.write(path, after)


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
        taken = {change.undone() for change in second.done}
        standing = [change for change in refusal.done if change not in taken]
        failed = LvsError("%s; undoing what was done before it failed too: %s" % (refusal.reason, second.reason))
        failed.details = {
            "undone": concern.commands([change for change in refusal.done if change in taken]),
            "standing": concern.commands(standing),
        }
    return failed
