# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the rules of a host back to the options that lay them: chains.py the other way round. Pure.

What is told are guesses that the caller puts to the test: laid again, the right one changes nothing.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional

from ansible_collections.lulab.lvs.plugins.module_utils.model.chains import CHAINS, COMMENTS, MATCH_COMMENT
from ansible_collections.lulab.lvs.plugins.module_utils.model.rules import PROTOCOL_NUMBERS, Rule, Words
from ansible_collections.lulab.lvs.plugins.module_utils.model.ruleset import IPV4, Rules, Table

_PROTOCOLS = {number: name for name, number in PROTOCOL_NUMBERS.items()}
_SNAT_HOOKS = ("PREROUTING", "OUTPUT", "POSTROUTING")


def guesses(tables: Mapping[str, Table], family: str, names: Mapping[str, str]) -> List[Dict[str, Any]]:
    """Options of C(lu_chains) under which chains of these ``names`` may be as they are; none where none is there."""
    told = _options_of(tables, family, names)
    if told is None:
        return []
    # A jump that was put first stays there when later ones are appended.
    first = any(_leads(tables, builtin, names) for builtin in _SNAT_HOOKS)
    return [{**told, "position": "first"}, told] if first else [told]


def _options_of(tables: Mapping[str, Table], family: str, names: Mapping[str, str]) -> Optional[Dict[str, Any]]:
    there = {
        kind: tables[table].rules(names[kind])
        for kind, (table, _default) in CHAINS.items()
        if table in tables and names[kind] in tables[table].policies
    }
    jumps = _jumps(tables, names)
    ipvs_rules = [_ipvs_rule(rule) for rule in _builtin(tables, "nat", "POSTROUTING") if _is_ipvs_rule(rule)]
    if not there and not ipvs_rules:
        return None
    told: Dict[str, Any] = {"family": family} if family != IPV4 else {}
    if any(name != CHAINS[kind][1] for kind, name in names.items()):
        told["chains"] = {kind: name for kind, name in names.items() if kind in there or name != CHAINS[kind][1]}
    for kind, rules in there.items():
        told = {**_TELLING[kind](rules), **told}
    if "services" in there and "match_sets" not in told:
        told["layout"] = True
    if jumps and "services" in there and ("nat", "PREROUTING", "services") not in jumps:
        told["masquerade"] = "host"
    comments = {**told.pop("comments", {}), **{kind: _comment(rule) for (_table, _chain, kind), rule in jumps.items()}}
    changed = {kind: text for kind, text in comments.items() if text != COMMENTS[kind]}
    told.update({"comments": changed} if changed else {})
    told.update({"ipvs_rules": ipvs_rules} if ipvs_rules else {})
    return told


def _builtin(tables: Mapping[str, Table], table: str, chain: str) -> Rules:
    return tables[table].rules(chain) if table in tables else ()


def _jumps(tables: Mapping[str, Table], names: Mapping[str, str]) -> Dict[Any, Rule]:
    """The rules of builtin chains that jump to ours, by (table, builtin chain, kind of chain)."""
    found = {}
    for kind, (table, _default) in CHAINS.items():
        lines = tables[table].lines if table in tables else {}
        for builtin in (chain for chain in lines if tables[table].policies[chain] != "-"):
            for rule in _builtin(tables, table, builtin):
                if rule.target == names[kind]:
                    found[table, builtin, kind] = rule
    return found


def _leads(tables: Mapping[str, Table], builtin: str, names: Mapping[str, str]) -> bool:
    """Whether our jump stands before others' rules."""
    rules = _builtin(tables, "nat", builtin)
    return len(rules) > 1 and rules[0].target in (names["services"], names["postrouting"])


def _values(rule: Rule, option: str, count: int = 1) -> Words:
    """The words that follow ``option``; none when it is not there."""
    if option not in rule.words:
        return ()
    start = rule.words.index(option) + 1
    return rule.words[start : start + count]


def _value(rule: Rule, option: str) -> str:
    return "".join(_values(rule, option))


def _comment(rule: Rule) -> str:
    return _value(rule, "--comment")


def _services(rules: Rules) -> Dict[str, Any]:
    told: Dict[str, Any] = {}
    outside = [_value(rule, "-s") for rule in rules if "-s" in rule.words]
    if outside:
        # A single network is excluded in each of the rules.
        told.update(masquerade="outside", outside=list(dict.fromkeys(outside)))
    match_sets: List[Dict[str, Any]] = []
    for rule in (rule for rule in rules if "--match-set" in rule.words):
        name, flags = _values(rule, "--match-set", 2)
        comment = _comment(rule)
        match_sets.append({"name": name, "flags": flags})
        if comment != MATCH_COMMENT:
            match_sets[-1]["comment"] = comment
    told.update({"match_sets": match_sets} if match_sets else {})
    return told


def _mark_masq(rules: Rules) -> Dict[str, Any]:
    marks = [_value(rule, "--set-xmark") for rule in rules]
    return {"mark": marks[0]} if marks and marks[0] else {}


def _postrouting(rules: Rules) -> Dict[str, Any]:
    told: Dict[str, Any] = {}
    if any(rule.target == "RETURN" for rule in rules):
        told["kube_proxy"] = True
    comments = [_comment(rule) for rule in rules if rule.target == "MASQUERADE"]
    if comments:
        told["comments"] = {"masquerade": comments[0]}
    return told


def _forward(rules: Rules) -> Dict[str, Any]:
    marks = [_value(rule, "--mark") for rule in rules if "--mark" in rule.words]
    networks = dict.fromkeys(_value(rule, "-s") for rule in rules if "-s" in rule.words)
    told: Dict[str, Any] = {"forward_accept": True, **({"forward_networks": list(networks)} if networks else {})}
    # Matched, a mark of all bits is printed without them; as an option that would be a mask of its own bits.
    return {**told, "mark": marks[0] if "/" in marks[0] else marks[0] + "/0xffffffff"} if marks else told


def _shield(rules: Rules) -> Dict[str, Any]:
    shield: Dict[str, List[Any]] = {"addresses": [], "address_sets": [], "services": [], "service_sets": []}
    for rule in rules:
        passes, name = rule.target == "RETURN", _values(rule, "--match-set")
        address = _value(rule, "-d").partition("/")[0]
        if name:
            shield["service_sets" if passes else "address_sets"] += name
        elif passes:
            port = int(_value(rule, "--dport") or 0)
            shield["services"].append({"address": address, "port": port, "protocol": _value(rule, "-p")})
        else:
            shield["addresses"].append(address)
    return {"shield": {option: values for option, values in shield.items() if values}}


_TELLING: Dict[str, Callable[[Rules], Dict[str, Any]]] = {
    "services": _services,
    "mark_masq": _mark_masq,
    "postrouting": _postrouting,
    "forward": _forward,
    "shield": _shield,
}


def _is_ipvs_rule(rule: Rule) -> bool:
    return rule.target == "MASQUERADE" and "--vaddr" in rule.words and "--vport" in rule.words


def _ipvs_rule(rule: Rule) -> Dict[str, Any]:
    told: Dict[str, Any] = {
        "address": _value(rule, "--vaddr").partition("/")[0],
        "port": int(_value(rule, "--vport")),
    }
    protocol = _value(rule, "--vproto")
    return {**told, "protocol": _PROTOCOLS.get(protocol, protocol)} if protocol else told
