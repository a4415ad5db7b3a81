# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user should know of a host whose other rules may undo what the chains are for. Pure.

========= ================= ===============================================================
kind      key               value: told, never changed
========= ================= ===============================================================
drops     (family,)         how filter FORWARD ends, when that drops what no rule accepts
elsewhere (family, variant) Elsewhere: what the other variant of iptables has
========= ================= ===============================================================
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.model.chains import CHAINS, Layout
from ansible_collections.lulab.lvs.plugins.module_utils.model.rules import Rule, split
from ansible_collections.lulab.lvs.plugins.module_utils.model.ruleset import Table
from ansible_collections.lulab.lvs.plugins.module_utils.plan import State

_POLICY = "the policy of FORWARD is %s, as Docker sets it"
_LAST_RULE = "the last rule of FORWARD is %s for all"


class Elsewhere(NamedTuple):
    chains: Tuple[str, ...]
    drops: Optional[str]


def drops(layout: Layout, family: str, tables: Mapping[str, Table]) -> Dict[Any, Any]:
    """How FORWARD ends where it drops, unless another call has laid the chain that accepts."""
    end = _end(tables)
    name = layout.names["forward"]
    lines = tables["filter"].lines.get("FORWARD", []) if end and "forward" not in layout.managed else []
    if end is None or any(name in line and Rule(split(line)).target == name for line in lines):
        return {}
    return {("drops", (family,)): end}


def elsewhere(layout: Layout, family: str, variant: str, tables: Mapping[str, Table]) -> Dict[Any, Any]:
    """What the other ``variant`` has of our chains, and how its FORWARD ends where it drops."""
    chains = tuple(
        layout.names[kind]
        for kind, (table, _default) in CHAINS.items()
        if table in tables and layout.names[kind] in tables[table].policies
    )
    found = Elsewhere(chains, _end(tables))
    return {("elsewhere", (family, variant)): found} if any(found) else {}


def _end(tables: Mapping[str, Table]) -> Optional[str]:
    table = tables.get("filter", Table({}, {}))
    for last in table.lines.get("FORWARD", [])[-1:]:
        rule = Rule(split(last))
        if rule.is_bare and rule.target in ("ACCEPT", "DROP", "REJECT"):
            return None if rule.target == "ACCEPT" else _LAST_RULE % rule.target
    return _POLICY % "DROP" if table.policies.get("FORWARD") == "DROP" else None


def forward_policies(state: State) -> Dict[str, str]:
    """The policy of filter FORWARD by family, where that table is in use."""
    return {key[0]: policy for (kind, key), policy in state.items() if kind == "policy" and key[1] == "FORWARD"}  # type: ignore[index]


def cautions(layout: Layout, state: State) -> List[str]:
    lays = layout.present and bool("services" in layout.managed or layout.ipvs_rules)
    told: List[str] = []
    for (kind, key), value in sorted(state.items(), key=lambda item: str(item[0])):
        if kind == "drops" and lays and not layout.forward_accept:
            lost = (
                "%s: %s, so that what passes through this host to clients elsewhere is lost unless a rule accepts it; "
            )
            told.append((lost + "'forward_accept: true' adds one") % (*key, value))  # type: ignore[misc]
        elif kind == "elsewhere":
            told += _of_the_other(key, value, lays)
    return told


def _of_the_other(where: Any, found: Elsewhere, lays: bool) -> Iterator[str]:
    family, variant = where
    if found.chains:
        words = "%s: iptables of the variant %s has %s as well, and packets pass both; 'variant: %s' acts on these"
        yield words % (family, variant, ", ".join(found.chains), variant)
    if found.drops and lays:
        words = "%s: in iptables of the variant %s %s; what is accepted here is dropped there"
        yield words % (family, variant, found.drops)
