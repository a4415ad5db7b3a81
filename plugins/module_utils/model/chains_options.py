# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of lu_chains turned into a Layout; what cannot be meant is refused with its place named. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model.chains import (
    CHAINS,
    COMMENTS,
    MATCH_COMMENT,
    SNAT_CHAINS,
    Layout,
    Mark,
    MatchSet,
    Service,
    Shield,
    family_of,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_types import DIMENSIONS, NAME_LENGTH
from ansible_collections.lulab.lvs.plugins.module_utils.model.ruleset import BUILTINS, FAMILIES, IPV4, IPV6

CHAIN_LENGTH = 28
COMMENT_BYTES = 255
# Names that a rule's -j takes for something else than a chain.
_TAKEN = frozenset(name for names in BUILTINS.values() for name in names) | frozenset(
    [
        "ACCEPT",
        "DROP",
        "QUEUE",
        "RETURN",
        "REJECT",
        "MARK",
        "CONNMARK",
        "MASQUERADE",
        "SNAT",
        "DNAT",
        "REDIRECT",
        "NETMAP",
        "LOG",
        "NFLOG",
        "SET",
        "TPROXY",
        "TRACE",
    ]
)
_CHAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+-]*\Z")
_SET_FAMILY = {IPV4: "inet", IPV6: "inet6"}


def parse(params: Mapping[str, Any]) -> Layout:
    present = params["state"] == "present"
    families = FAMILIES if params["family"] == "both" else (params["family"],)
    shield = _shield(params["shield"], families)
    layout = Layout(
        present=present,
        families=families,
        names=chain_names(params["chains"] or {}),
        managed=_managed(params),
        mark=parse_mark(params["mark"]),
        comments=_comments(params["comments"] or {}),
        match_sets=_match_sets("match_sets", params["match_sets"] or [], families, MATCH_COMMENT),
        ipvs_rules=_services("ipvs_rules", params["ipvs_rules"] or [], families),
        first=params["position"] == "first",
        masquerade=params["masquerade"],
        outside=_outside(params, families),
        kube_proxy=params["kube_proxy"],
        forward_accept=params["forward_accept"],
        forward_networks=_forward_networks(params, families),
        shield=shield or Shield(),
    )
    if present and not layout.managed and params["ipvs_rules"] is None and params["match_sets"] is None:
        raise BadInput(
            "match_sets", None, "nothing is asked for: give 'match_sets', 'ipvs_rules', 'shield' or 'layout: true'"
        )
    return layout


def _managed(params: Mapping[str, Any]) -> Tuple[str, ...]:
    """The kinds of chain that the options name.

    Those of the filter table are optional parts: they are ours to remove unless O(chains) is given and leaves them out,
    as then another layout of this host may have them under their default names.
    """
    chains: Mapping[str, Any] = params["chains"] or {}
    absent = params["state"] == "absent"
    laid = bool(params["match_sets"]) or params["layout"]
    parts = {"forward": params["forward_accept"], "shield": params["shield"] is not None}
    if absent and not laid:
        named = [params["ipvs_rules"], params["match_sets"], params["chains"]]
        everything = all(value is None for value in named) and not any(parts.values())
        laid = everything or any(chains.get(kind) for kind in SNAT_CHAINS)
    for kind, asked in parts.items():
        if asked and chains and not chains.get(kind):
            words = "with 'chains' its name has to be given too: %s may be that of another layout" % CHAINS[kind][1]
            raise BadInput("chains.%s" % kind, None, words)
        # 'forward_accept' is true or false, and false removes the chain from a layout; a shield left out is left alone.
        belongs = laid and (absent or kind == "forward") and (not chains or bool(chains.get(kind)))
        parts[kind] = asked or belongs or (absent and bool(chains.get(kind)))
    return tuple(kind for kind in CHAINS if (laid if kind in SNAT_CHAINS else parts[kind]))


def chain_names(chains: Mapping[str, Optional[str]]) -> Dict[str, str]:
    names: Dict[str, str] = {}
    for kind, (_table, default) in CHAINS.items():
        name = default if chains.get(kind) is None else str(chains[kind])
        parameter = "chains.%s" % kind
        if not _CHAIN.match(name):
            raise BadInput(parameter, name, "a chain's name is made of letters, digits and _ . : @ + -")
        if len(name) > CHAIN_LENGTH:
            raise BadInput(
                parameter, name, "it has %d characters, a chain's name at most %d" % (len(name), CHAIN_LENGTH)
            )
        if name in _TAKEN:
            raise BadInput(parameter, name, "iptables has a chain or target of that name itself")
        for other, taken in names.items():
            if taken == name:
                raise BadInput(parameter, name, "chains.%s has the same name" % other)
        names[kind] = name
    return names


def parse_mark(text: str) -> Mark:
    """``0x2000/0x2000``; without a mask the value is its own."""
    parts = [_number(part) for part in str(text).strip().split("/")]
    if len(parts) > 2 or None in parts:
        raise BadInput("mark", text, "a mark is a number, or VALUE/MASK such as 0x2000/0x2000")
    value, mask = parts[0] or 0, parts[-1] or 0
    if max(value, mask) > 0xFFFFFFFF:
        raise BadInput("mark", text, "a mark has 32 bits")
    if not value:
        raise BadInput("mark", text, "0 is the mark of every packet that nobody marked")
    if value & ~mask:
        raise BadInput("mark", text, "bits 0x%x of the value are outside the mask" % (value & ~mask))
    return Mark(value, mask)


def _number(text: str) -> Optional[int]:
    if re.match(r"0[xX][0-9a-fA-F]+\Z", text):
        return int(text, 16)
    return int(text) if re.match(r"[0-9]{1,10}\Z", text) else None


def _comments(given: Mapping[str, Optional[str]]) -> Dict[str, str]:
    return {
        kind: default if given.get(kind) is None else _comment("comments.%s" % kind, str(given[kind]))
        for kind, default in COMMENTS.items()
    }


def _comment(parameter: str, text: str) -> str:
    if not text.isprintable():
        raise BadInput(parameter, text, "a comment is one line of printable characters")
    if len(text.encode()) > COMMENT_BYTES:
        raise BadInput(parameter, text, "a comment has at most %d bytes" % COMMENT_BYTES)
    return text


def _match_sets(
    parameter: str, given: Sequence[Mapping[str, Any]], families: Tuple[str, ...], comment: str
) -> Tuple[MatchSet, ...]:
    places: Dict[Tuple[str, str], int] = {}
    result: List[MatchSet] = []
    for place, item in enumerate(given):
        where = "%s[%d]" % (parameter, place)
        name = _set_name(where + ".name", item["name"])
        flags = tuple(flag.strip() for flag in (item.get("flags") or "dst,dst").split(","))
        if not 1 <= len(flags) <= 3 or set(flags) - {"src", "dst"}:
            raise BadInput(
                where + ".flags",
                item["flags"],
                "one to three of src and dst, with commas: one per part of the set's type",
            )
        if (name, ",".join(flags)) in places:
            raise BadInput(where, name, "%s[%d] is the same" % (parameter, places[(name, ",".join(flags))]))
        places[(name, ",".join(flags))] = place
        family = item.get("family")
        if family and family not in families:
            raise BadInput(where + ".family", family, "'family' of the task leaves it out")
        said = item.get("comment")
        text = comment if said is None else _comment(where + ".comment", said)
        result.append(MatchSet(name, flags, (family,) if family else families, where, text))
    return tuple(result)


def _set_name(parameter: str, name: str) -> str:
    if not re.match(r"[^\s\"'\\-][^\s\"'\\]*\Z", name) or len(name.encode()) > NAME_LENGTH:
        raise BadInput(parameter, name, "a set's name has 1 to %d characters, no blanks or quotes" % NAME_LENGTH)
    return name


def _without_zone(parameter: str, value: str) -> None:
    if "%" in value:
        raise BadInput(parameter, value, "a rule knows no zone: leave out what begins with %")


def _address(parameter: str, value: str, families: Sequence[str]) -> str:
    _without_zone(parameter, value)
    try:
        address = str(ipaddress.ip_address(value))
    except ValueError:
        raise BadInput(parameter, value, "not an IPv4 or IPv6 address") from None
    if family_of(address) not in families:
        raise BadInput(parameter, value, "it is %s: set 'family: %s' or 'family: both'" % (2 * (family_of(address),)))
    return address


def _services(
    parameter: str, given: Sequence[Mapping[str, Any]], families: Sequence[str], protocol: Optional[str] = None
) -> Tuple[Service, ...]:
    result: List[Service] = []
    for place, item in enumerate(given):
        where = "%s[%d]" % (parameter, place)
        address = _address(where + ".address", item["address"], families)
        if not 1 <= item["port"] <= 65535:
            raise BadInput(where + ".port", item["port"], "a port is 1 to 65535")
        service = Service(address, item["port"], item.get("protocol") or protocol)
        if service in result:
            raise BadInput(where, item["address"], "%s[%d] is the same" % (parameter, result.index(service)))
        result.append(service)
    return tuple(result)


def _outside(params: Mapping[str, Any], families: Sequence[str]) -> Tuple[str, ...]:
    given = params["outside"] or []
    if bool(given) != (params["masquerade"] == "outside"):
        raise BadInput(
            "outside", given, "'masquerade: outside' goes with the networks whose traffic keeps its source in 'outside'"
        )
    return _networks("outside", given, families, "nothing is outside it")


def _forward_networks(params: Mapping[str, Any], families: Sequence[str]) -> Tuple[str, ...]:
    given = params["forward_networks"] or []
    if given and not params["forward_accept"]:
        raise BadInput("forward_networks", given, "it goes with 'forward_accept: true'")
    return _networks("forward_networks", given, families, "it is every network: have the policy of FORWARD accept")


def _networks(parameter: str, given: Sequence[str], families: Sequence[str], whole: str) -> Tuple[str, ...]:
    """Networks in canonical form; ``whole`` says why one of all addresses is not usable."""
    result: List[str] = []
    for place, value in enumerate(given):
        where = "%s[%d]" % (parameter, place)
        _without_zone(where, value)
        try:
            network = ipaddress.ip_network(value, strict=False)
        except ValueError:
            raise BadInput(where, value, "not a network such as 10.0.0.0/8") from None
        if str(network) != str(ipaddress.ip_interface(value)):
            raise BadInput(where, value, "bits are set behind its prefix length: the network is %s" % network)
        if network.prefixlen == 0:
            raise BadInput(where, value, whole)
        if family_of(str(network)) not in families:
            raise BadInput(where, value, "it is %s: set 'family: both'" % family_of(str(network)))
        if str(network) in result:
            raise BadInput(where, value, "%s[%d] is the same" % (parameter, result.index(str(network))))
        result.append(str(network))
    return tuple(result)


def _shield(given: Optional[Mapping[str, Any]], families: Tuple[str, ...]) -> Optional[Shield]:
    if given is None:
        return None
    services = _services("shield.services", given.get("services") or [], families, "tcp")
    addresses = [
        _address("shield.addresses[%d]" % place, value, families)
        for place, value in enumerate(given.get("addresses") or [])
    ]
    shield = Shield(
        addresses=tuple(dict.fromkeys(addresses or [service.address for service in services])),
        address_sets=_named_sets("shield.address_sets", given.get("address_sets"), "dst", families),
        services=services,
        service_sets=_named_sets("shield.service_sets", given.get("service_sets"), "dst,dst", families),
    )
    if shield.service_sets and not shield:
        raise BadInput("shield.addresses", None, "say whose other ports are refused: 'addresses' or 'address_sets'")
    return shield


def _named_sets(
    parameter: str, names: Optional[Sequence[str]], flags: str, families: Tuple[str, ...]
) -> Tuple[MatchSet, ...]:
    named = _match_sets(parameter, [{"name": name, "flags": flags} for name in names or []], families, "")
    return tuple(replace(match, fixed=True) for match in named)


class FoundSet(NamedTuple):
    """What a set of the host is: its type, its family as ipset names it ("" for none); of a list the members' types."""

    kind: str
    family: str = ""
    members: Mapping[str, str] = {}


def suited(match: MatchSet, found: FoundSet) -> MatchSet:
    """``match`` in the families that the set has; raises ``BadInput`` unless a rule that names it can match the set."""
    _check_dimensions(match, found)
    families = tuple(family for family in match.families if found.family in ("", _SET_FAMILY[family]))
    if families == match.families or (match.fixed and families):
        return replace(match, families=families)
    family = next(family for family, name in _SET_FAMILY.items() if name == found.family)
    holds = "set %s holds %s addresses only: " % (match.name, family)
    if match.fixed:
        raise BadInput(match.parameter, match.name, holds + "'family' of the task leaves them out")
    others = [other for other in match.families if other != family]
    raise BadInput(match.parameter + ".family", others[0], holds + "set 'family: %s' there" % family)


def _check_dimensions(match: MatchSet, found: FoundSet) -> None:
    """A list hands a packet on to its members, each of which looks at as many of its parts as it needs."""
    given = len(match.flags)
    types = found.members if found.kind == "list:set" else {match.name: found.kind}
    sizes = {name: DIMENSIONS.get(kind, given) for name, kind in types.items()}
    widest = max(sizes, key=lambda name: sizes[name], default=None)
    if widest is None or sizes[widest] == given or (found.kind == "list:set" and sizes[widest] < given):
        return
    subject, least = "set %s is %s" % (match.name, found.kind), ""
    if found.kind == "list:set":
        subject, least = "set %s has the member %s, which is %s" % (match.name, widest, types[widest]), " or more"
    if match.fixed:
        wanted = "a set of one dimension, such as hash:ip" if given == 1 else "a set such as hash:ip,port"
        raise BadInput(match.parameter, match.name, "%s: this needs %s" % (subject, wanted))
    words = "%s, so it takes %d%s of src and dst" % (subject, sizes[widest], least)
    raise BadInput(match.parameter + ".flags", ",".join(match.flags), words)
