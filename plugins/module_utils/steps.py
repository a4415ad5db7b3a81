# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several concerns of one host in one go: all of them, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.lulab.lvs.plugins.module_utils.concern import (
    calico_veth,
    ipset_entry,
    ipvs_config,
    ipvs_service,
    lu_chains,
    lvs_node,
    systemd_unit,
    vip_address,
)
from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput, LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.run import Done, Errand, errand_of, in_words, perform, take_back

CONCERNS: dict[str, Any] = {
    "calico_veth": calico_veth,
    "ipset_entry": ipset_entry,
    "ipvs_config": ipvs_config,
    "ipvs_service": ipvs_service,
    "lu_chains": lu_chains,
    "lvs_node": lvs_node,
    "systemd_unit": systemd_unit,
    "vip_address": vip_address,
}
PREFIX = "lulab.lvs."


@dataclass(frozen=True)
class Step:
    """``name``: what a reader is told of it."""

    name: str
    module: str
    errand: Errand

    def label(self) -> str:
        return self.module if self.name == self.module else "%s (%s)" % (self.name, self.module)


def parse(steps: Sequence[Mapping[str, Any]]) -> list[Step]:
    """The steps to take. Raises ``BadInput`` or ``LvsError``, which name the step, for what cannot be meant."""
    return [_step(place, step) for place, step in enumerate(steps) if _is_wanted(place, step)]


def _is_wanted(place: int, step: Mapping[str, Any]) -> bool:
    try:
        return bool(boolean(step.get("when", True)))
    except TypeError:
        raise BadInput("steps[%d].when" % place, step["when"], "give true or false") from None


def _step(place: int, step: Mapping[str, Any]) -> Step:
    modules = {key: _short(key) for key in step if key not in ("name", "when")}
    if len(modules) != 1 or not set(modules.values()) <= set(CONCERNS):
        one_of = "give one module of %s, and no other key than name and when" % ", ".join(CONCERNS)
        raise BadInput("steps[%d]" % place, list(step), one_of)
    ((key, module),) = modules.items()
    where = "steps[%d].%s" % (place, key)
    given = {} if step[key] is None else step[key]
    if not isinstance(given, dict):
        raise BadInput(where, given, "give the module's options as a dictionary")
    checked = ArgumentSpecValidator(CONCERNS[module].OPTIONS).validate(given)
    unsupported = sorted(path if isinstance(path, str) else ".".join(path) for path in checked.unsupported_parameters)
    if unsupported:
        raise BadInput(where, unsupported, "%s has no such option" % module)
    if checked.error_messages:
        raise LvsError("%s: %s" % (where, "; ".join(checked.error_messages)))
    try:
        errand = errand_of(checked.validated_parameters, CONCERNS[module].build)
    except LvsError as error:
        raise _retold(where, error) from error
    return Step(str(step.get("name") or module), module, errand)


def _short(key: str) -> str:
    return key[len(PREFIX) :] if key.startswith(PREFIX) else key


def _retold(where: str, error: LvsError) -> LvsError:
    told = LvsError("%s: %s" % (where, error))
    told.details = dict(error.details)
    return told


def take(steps: Sequence[Step], check_mode: bool, with_diff: bool) -> dict[str, Any]:
    """Take the steps in order; when one fails, those before it are taken back. A step may hold up those after it."""
    result: dict[str, Any] = {"changed": False, "commands": [], "steps": [], "held_up": False}
    diffs: list[dict[str, Any]] = []
    taken: list[Done] = []
    for step in steps:
        try:
            own, done = perform(step.errand, check_mode, with_diff, _namespaces_made(taken))
        except Exception as error:
            raise _all_taken_back(step, in_words(error), [] if check_mode else taken) from error
        taken.append(done)
        diffs += _labelled(step, own.pop("diff", []))
        result["changed"] = result["changed"] or own["changed"]
        result["commands"] += own.pop("commands")
        result["steps"].append({"name": step.name, "module": step.module, **own})
        if own.get("held_up"):
            result["held_up"] = True
            break
    if with_diff:
        result["diff"] = diffs
    return result


def _namespaces_made(taken: Sequence[Done]) -> set[str]:
    return {
        str(change.key) for done in taken for change in done.changes if change.kind == "namespace" and change.creates
    }


def _labelled(step: Step, diff: Any) -> list[dict[str, Any]]:
    """The parts of a step's diff that show a difference, each with the step's name above it."""
    parts = diff if isinstance(diff, list) else [diff]
    headers = {"before_header": step.label(), "after_header": step.label()}
    return [{**headers, **part} for part in parts if part["before"] != part["after"]]


def _all_taken_back(step: Step, error: LvsError, taken: Sequence[Done]) -> LvsError:
    """Undo the steps before the one that failed, last one first; the error to report says whether that worked."""
    gone: list[str] = list(error.details.get("undone", []))
    standing: list[str] = list(error.details.get("standing", []))
    words = ["%s: %s" % (step.label(), error)]
    for done in reversed(taken):
        back = take_back(done)
        gone, standing = back.undone + gone, back.standing + standing
        if back.reason:
            words.append("undoing a step before it failed too: %s" % back.reason)
    failed = LvsError("; ".join(words))
    failed.details = {**error.details, "undone": gone, "standing": standing}
    return failed
