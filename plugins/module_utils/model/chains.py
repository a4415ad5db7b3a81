# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The SNAT layout: what its chains, jumps and rules are, and the way there from what a host has. Pure.

A packet to a virtual service is marked in nat PREROUTING or OUTPUT, while its destination is still the virtual address,
and masqueraded in nat POSTROUTING, where its destination is the real server already.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.model.rules import Rule, Words
from ansible_collections.lulab.lvs.plugins.module_utils.model.ruleset import (
    IPV4,
    IPV6,
    ORDER,
    TABLES,
    Hook,
    Place,
    Rules,
    Table,
    state_of,
)
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State, plan

# The comments are the article's, but for the filter table's, which it has not.
COMMENTS = {
    "services": "lu service portals",
    "postrouting": "lu postrouting rules",
    "masquerade": "lu service traffic requiring SNAT",
    "forward": "lu forwarding rules",
    "shield": "lu virtual address filter",
}
MATCH_COMMENT = "lu service cluster ip + port for masquerade purpose"
# kind of chain -> its table and default name
CHAINS = {
    "services": ("nat", "LU-SERVICES"),
    "mark_masq": ("nat", "LU-MARK-MASQ"),
    "postrouting": ("nat", "LU-POSTROUTING"),
    "forward": ("filter", "LU-FORWARD"),
    "shield": ("filter", "LU-SHIELD"),
}
SNAT_CHAINS = ("services", "mark_masq", "postrouting")
UNREACHABLE = {IPV4: "icmp-port-unreachable", IPV6: "icmp6-port-unreachable"}


@dataclass(frozen=True)
class Mark:
    value: int
    mask: int

    @property
    def match(self) -> str:
        return "0x%x" % self.value if self.mask == 0xFFFFFFFF else "0x%x/0x%x" % (self.value, self.mask)

    @property
    def set(self) -> str:
        return "0x%x/0x%x" % (self.value, self.mask)

    @property
    def flip(self) -> str:
        """For XOR: takes the mark off a packet that has it."""
        return "0x%x/0x0" % self.value


@dataclass(frozen=True)
class MatchSet:
    """A set whose entries select packets; ``parameter`` is where the user named it.

    ``fixed``: it is named without flags or a family, so that the set has to suit.
    """

    name: str
    flags: Tuple[str, ...]
    families: Tuple[str, ...]
    parameter: str
    comment: str = ""
    fixed: bool = False


@dataclass(frozen=True)
class Service:
    """An address and port of a virtual service, with its protocol where that is given."""

    address: str
    port: int
    protocol: Optional[str] = None

    @property
    def family(self) -> str:
        return family_of(self.address)


@dataclass(frozen=True)
class Shield:
    """What rejects everything but ``services`` at ``addresses``; either may be given by sets."""

    addresses: Tuple[str, ...] = ()
    address_sets: Tuple[MatchSet, ...] = ()
    services: Tuple[Service, ...] = ()
    service_sets: Tuple[MatchSet, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.addresses or self.address_sets)


@dataclass(frozen=True)
class Layout:
    """The options. ``managed`` are the kinds of chain that this call lays or removes."""

    present: bool
    families: Tuple[str, ...]
    names: Dict[str, str]
    managed: Tuple[str, ...]
    mark: Mark
    comments: Dict[str, str]
    match_sets: Tuple[MatchSet, ...] = ()
    ipvs_rules: Tuple[Service, ...] = ()
    first: bool = False
    masquerade: str = "all"
    outside: Tuple[str, ...] = ()
    kube_proxy: bool = False
    forward_accept: bool = False
    forward_networks: Tuple[str, ...] = ()
    shield: Shield = Shield()

    def own_chains(self) -> Dict[str, List[str]]:
        """The names of the managed chains, by table."""
        return {table: [self.names[kind] for kind in self.managed if CHAINS[kind][0] == table] for table in TABLES}

    def sets(self) -> Tuple[MatchSet, ...]:
        """Every set that a rule of this layout names."""
        return self.match_sets + self.shield.address_sets + self.shield.service_sets if self.present else ()


# The rules


def _comment(text: str) -> Words:
    return ("-m", "comment", "--comment", text) if text else ()


def _set_match(match: MatchSet) -> Words:
    return ("-m", "set", "--match-set", match.name, ",".join(match.flags))


def _services(layout: Layout, family: str) -> Rules:
    """Mark what a set selects: all of it, or what comes from outside the networks given."""
    networks = [cidr for cidr in layout.outside if family_of(cidr) == family]
    # One network is excluded in the rule itself, as kube-proxy does with its cluster's; a rule takes no second one.
    source: Words = ("!", "-s", networks[0]) if len(networks) == 1 else ()
    returns = [Rule(("-s", cidr, "-j", "RETURN")) for cidr in networks] if len(networks) > 1 else []
    marks = [
        Rule((*source, *_comment(match.comment), *_set_match(match), "-j", layout.names["mark_masq"]))
        for match in layout.match_sets
        if family in match.families
    ]
    return (*returns, *marks)


def _mark_masq(layout: Layout, family: str) -> Rules:
    return (Rule(("-j", "MARK", "--set-xmark", layout.mark.set)),)


def _postrouting(layout: Layout, family: str) -> Rules:
    comment = _comment(layout.comments["masquerade"])
    if not layout.kube_proxy:
        return (Rule((*comment, "-m", "mark", "--mark", layout.mark.match, "-j", "MASQUERADE")),)
    return (
        Rule(("-m", "mark", "!", "--mark", layout.mark.match, "-j", "RETURN")),
        Rule(("-j", "MARK", "--set-xmark", layout.mark.flip)),
        Rule((*comment, "-j", "MASQUERADE", "--random-fully")),
    )


def _forward(layout: Layout, family: str) -> Optional[Rules]:
    """Requests carry the mark; what comes back passes FORWARD without it, so it is told by its connection.

    Only the host that balances a request marks it. Where that is another one, it is told by its network, as kube-proxy
    does with the cluster's.
    """
    if not layout.forward_accept:
        return None
    networks = [cidr for cidr in layout.forward_networks if family_of(cidr) == family]
    by_mark = ("-m", "mark", "--mark", layout.mark.match)
    known = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
    return (
        Rule((*_comment("lu forwarding of marked traffic"), *by_mark, "-j", "ACCEPT")),
        Rule((*_comment("lu forwarding of replies"), *known, "-j", "ACCEPT")),
        *(
            Rule((way, cidr, *_comment("lu forwarding of networks"), "-j", "ACCEPT"))
            for cidr in networks
            for way in ("-s", "-d")
        ),
    )


def _shield(layout: Layout, family: str) -> Optional[Rules]:
    """IPVS acts after filter INPUT, so the ports of services have to pass here; the rest of an address is refused.

    A family without an address to shield gets no chain.
    """
    shield = layout.shield
    allowed = [Rule((*_set_match(match), "-j", "RETURN")) for match in shield.service_sets if family in match.families]
    for service in shield.services:
        if service.family == family:
            protocol = service.protocol or "tcp"
            port = ("-p", protocol, "-m", protocol, "--dport", str(service.port))
            allowed.append(Rule(("-d", _host(service.address), *port, "-j", "RETURN")))
    refuse = ("-m", "conntrack", "--ctstate", "NEW", "-j", "REJECT", "--reject-with", UNREACHABLE[family])
    refused = [Rule((*_set_match(match), *refuse)) for match in shield.address_sets if family in match.families]
    refused += [Rule(("-d", _host(address), *refuse)) for address in shield.addresses if family_of(address) == family]
    return (*allowed, *refused) if refused else None


def _host(address: str) -> str:
    return str(ipaddress.ip_network(address))


def family_of(text: str) -> str:
    """The family of an address or a network in canonical form."""
    return IPV6 if ":" in text else IPV4


_CONTENT: Dict[str, Callable[[Layout, str], Optional[Rules]]] = {
    "services": _services,
    "mark_masq": _mark_masq,
    "postrouting": _postrouting,
    "forward": _forward,
    "shield": _shield,
}
# kind of chain -> the builtin chains that jump to it. Marking precedes filter INPUT and IPVS, SNAT follows them.
_HOOKED = {
    "services": ("PREROUTING", "OUTPUT"),
    "postrouting": ("POSTROUTING",),
    "forward": ("FORWARD",),
    "shield": ("INPUT",),
}


def _chains(layout: Layout, family: str) -> Dict[str, Rules]:
    """The content of each chain that is to be, by kind."""
    if not layout.present:
        return {}
    content = {kind: _CONTENT[kind](layout, family) for kind in layout.managed}
    return {kind: rules for kind, rules in content.items() if rules is not None}


@dataclass(frozen=True)
class Wanted:
    """What a builtin chain is to have of ours: at its head, and anywhere."""

    head: Tuple[Rule, ...] = ()
    anywhere: Tuple[Rule, ...] = ()


def _wanted(layout: Layout, family: str) -> Dict[Tuple[str, str], Wanted]:
    """By (table, builtin chain)."""
    result: Dict[Tuple[str, str], Wanted] = {}
    for kind in _chains(layout, family):
        for builtin in _HOOKED.get(kind, ()):
            if builtin == "PREROUTING" and layout.masquerade == "host":
                continue
            jump = (Rule((*_comment(layout.comments[kind]), "-j", layout.names[kind])),)
            # What others accept or refuse before us in the filter table would void what these chains are for.
            first = layout.first or CHAINS[kind][0] == "filter"
            result[(CHAINS[kind][0], builtin)] = Wanted(head=jump) if first else Wanted(anywhere=jump)
    rules = ipvs_rules(layout, family)
    if rules and layout.present:
        there = result.get(("nat", "POSTROUTING"), Wanted())
        result[("nat", "POSTROUTING")] = Wanted(there.head, there.anywhere + rules)
    return result


def ipvs_rules(layout: Layout, family: str) -> Rules:
    """The article's rule for one virtual service."""
    rules = []
    for service in layout.ipvs_rules:
        if service.family == family:
            protocol: Words = ("--vproto", service.protocol) if service.protocol else ()
            words = (
                "-m",
                "ipvs",
                *protocol,
                "--vaddr",
                service.address,
                "--vport",
                str(service.port),
                "-j",
                "MASQUERADE",
            )
            rules.append(Rule(words))
    return tuple(rules)


# The way there


def state_from(layout: Layout, family: str, tables: Dict[str, Table]) -> Dict[Any, Any]:
    """What a host has of this layout, from its ``iptables-save``."""
    own_chains = layout.own_chains()
    rules = set(ipvs_rules(layout, family))
    telling = {table: {"ipvs", *names} for table, names in own_chains.items()}

    def own(table: str, rule: Rule) -> bool:
        if telling[table].isdisjoint(rule.words):  # spares the meaning of thousands of rules
            return False
        return rule.target in own_chains[table] or (table == "nat" and rule in rules)

    return dict(state_of(tables, family, own_chains, _wanted(layout, family), own))


def towards(layout: Layout, have: State) -> List[Change]:
    """The changes from ``have``; raises ``LvsError`` when a chain to be removed is used by others."""
    hooks: Dict[Any, Any] = {
        ("hook", (family, *place)): () for family in layout.families for place in _wanted(layout, family)
    }
    have = {**hooks, **have}  # builtin chains are there even where nobody has read them
    want = dict(have)
    for family in layout.families:
        chains = _chains(layout, family)
        for kind in layout.managed:
            key = (family, CHAINS[kind][0], layout.names[kind])
            if kind in chains:
                want[("chain", key)] = chains[kind]
            elif want.pop(("chain", key), None) is not None:
                _unused(have, key)
        wanted = _wanted(layout, family)
        for identity, hook in have.items():
            if identity[0] == "hook" and identity[1][0] == family:  # type: ignore[index]
                want[identity] = arranged(hook, wanted.get(identity[1][1:], Wanted()))  # type: ignore[index]
    return plan(have, want, ORDER)


def _unused(have: State, key: Tuple[str, str, str]) -> None:
    users: Sequence[str] = have.get(("users", key), ())
    if users:
        raise LvsError(
            "chain %s of table %s cannot be removed: a chain of others jumps to it (%s); remove that rule first"
            % (key[2], key[1], users[0])
        )


def arranged(hook: Hook, wanted: Wanted) -> Hook:
    """``hook`` with each wanted rule once, others' rules where they are; of equal rules the last stays.

    At the head is also what stands behind nothing but bare jumps of others: were it not, two layouts of one host, or
    another program that wants to be first, would be moved by each run for ever.
    """
    head = sum(1 for _place in takewhile(lambda place: place.ours or place.leads, hook))
    last = {
        place.rule: number
        for number, place in enumerate(hook)
        if place.ours and (place.rule in wanted.anywhere or (number < head and place.rule in wanted.head))
    }
    rest = [place for number, place in enumerate(hook) if not place.ours or last.get(place.rule) == number]
    first = [Place(rule, True, head=True) for rule in wanted.head if rule not in last]
    added = [Place(rule, True) for rule in wanted.anywhere if rule not in last]
    return (*first, *rest, *added)
