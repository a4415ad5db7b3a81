# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""A set and its entries: the options of C(ipset_entry), and the concern that they make."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.common.warnings import warn

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipset as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.model import ipset as model
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_plan import Wish, planned
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_state import cautions, report
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State
from ansible_collections.lulab.lvs.plugins.module_utils.run import COMMON_OPTIONS, Concern

FAMILIES = {"ipv4": "inet", "ipv6": "inet6"}

OPTIONS: dict[str, Any] = {
    **COMMON_OPTIONS,
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "choices": sorted(model.TYPES)},
    "family": {"type": "str", "choices": list(FAMILIES)},
    "entries": {"type": "list", "elements": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "exact": {"type": "bool", "default": False},
    "hashsize": {"type": "int"},
    "maxelem": {"type": "int"},
    "timeout": {"type": "int"},
    "counters": {"type": "bool"},
    "comment": {"type": "bool"},
    "skbinfo": {"type": "bool"},
    "netmask": {"type": "int"},
    "bitmask": {"type": "str"},
    "markmask": {"type": "str"},
    "range": {"type": "str"},
    "size": {"type": "int"},
    "forceadd": {"type": "bool"},
    "bucketsize": {"type": "int"},
}


def build(params: dict[str, Any]) -> Concern:
    wish = Wish(
        name=params["name"],
        type=params["type"],
        family=FAMILIES.get(params["family"] or "", ""),
        entries=params["entries"],
        present=params["state"] == "present",
        exact=params["exact"],
        stated={name: params[name] for name in model.CREATE_OPTIONS if params[name] is not None},
    )
    wish.check()
    if params["boot_script"]:
        wish.check_script(params["boot_script"])

    def plan(have: State) -> list[Change]:
        changes = planned(wish, have)
        for change in changes:
            if change.kind == model.SET and change.after is not None:
                kernel.require_type(change.after)
        return changes

    def reported(state: State) -> dict[str, Any]:
        for caution in cautions(wish.name, state):
            warn(caution)
        return report(wish.name, state)

    return Concern(
        read=lambda: kernel.read(wish.name),
        plan=plan,
        apply=kernel.apply,
        commands=model.commands,
        listing=model.listing,
        report=reported,
    )


def told(params: dict[str, Any]) -> list[dict[str, Any]]:
    """The sets of this host, each as the options take it; a set comes before the C(list:set) that may hold it."""
    sets = []
    for name, (header, members, *_others) in kernel.every() if kernel.is_loaded() else ():
        if header is not None and not name.startswith(model.TEMPORARY):
            sets.append(model.described(name, header, members, params["entries"]))
    return sorted(sets, key=lambda one: (one["type"] == "list:set", one["name"]))
