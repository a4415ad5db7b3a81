# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts over what a probe saw. Pure: answers, conntrack's and tracepath's listings in, findings out."""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
from collections import Counter
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Optional, Sequence, Union

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


@dataclass(frozen=True)
class RealServer:
    """``answer`` is the first word that this server, and no other, answers with; None when that is not known."""

    address: str
    port: int
    answer: Optional[str]


@dataclass(frozen=True)
class Finding:
    """One hop's verdict: what was seen there and, when it is not ``ok``, what to look at."""

    hop: str
    ok: bool
    saw: str
    look_at: str = ""

    def line(self) -> str:
        remedy = "" if self.ok else "; look at: " + self.look_at
        return "%s %s: %s%s" % ("ok  " if self.ok else "FAIL", self.hop, self.saw, remedy)


@dataclass(frozen=True)
class Flow:
    """One connection as conntrack keeps it: the client's port, who answers, and to which address."""

    client_port: int
    server: str
    answered_to: str


def parse_servers(given: Sequence[Mapping[str, Any]]) -> tuple[RealServer, ...]:
    servers = tuple(RealServer(one["address"], one["port"], one["answer"]) for one in given)
    told = Counter(server.answer for server in servers if server.answer is not None)
    twins = [answer for answer, count in told.items() if count > 1]
    if twins:
        raise BadInput("real_servers", twins[0], "two real servers with one answer cannot be told apart")
    return servers


def checked_address(parameter: str, value: object) -> str:
    try:
        return str(ipaddress.ip_address(str(value)))
    except ValueError:
        raise BadInput(parameter, value, "give an address, without a prefix length") from None


def checked_addresses(parameter: str, values: Sequence[object]) -> tuple[str, ...]:
    return tuple(checked_address("%s[%d]" % (parameter, place), value) for place, value in enumerate(values))


def checked_traces(traces: Sequence[Sequence[object]]) -> tuple[tuple[str, ...], ...]:
    for place, hops in enumerate(traces):
        if not hops:
            raise BadInput("traces[%d]" % place, hops, "name at least one hop, the path's end")
    return tuple(checked_addresses("traces[%d]" % place, hops) for place, hops in enumerate(traces))


def server_remedy(server: RealServer, error: OSError) -> str:
    """What to look at when ``server`` does not answer; one that says nothing or has others say no may be walled off."""
    look = [
        "'systemctl status lulab-backend' on the host of %s" % (server.answer or server.address),
        "'ip route get %s' here" % server.address,
    ]
    if isinstance(error, socket.timeout) or error.errno in (errno.EHOSTUNREACH, errno.ETIMEDOUT):
        look.append("a firewall on that host (firewall-cmd --list-all, nft list ruleset)")
    return "; ".join(look)


def parse_networks(parameter: str, given: Sequence[str]) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(text) for text in given)
    except ValueError as error:
        raise BadInput(parameter, list(given), "%s" % error) from None


def share_finding(answers: Sequence[str], servers: Sequence[RealServer], even: bool) -> Finding:
    """Whether ``answers`` are shared as they should be: nobody undeclared and, when ``even``, within one request."""
    shares = Counter(answers)
    names = names_of(servers)
    saw = ", ".join("%s %d" % (name, shares[name]) for name in names)
    strangers = sorted(set(answers) - set(names))
    if strangers:
        return Finding("shares", False, "answers of %s, which is not declared" % ", ".join(strangers), "ipvsadm -ln")
    counts = [shares[name] for name in names]
    if even and len(names) == len(servers) and max(counts) - min(counts) > 1:
        return Finding("shares", False, "%s of %d requests: not even" % (saw, len(answers)), "ipvsadm -ln --stats")
    return Finding("shares", True, saw)


def names_of(servers: Iterable[RealServer]) -> list[str]:
    """What the servers answer with, each answer once: nobody says that servers of others can be told apart."""
    return list(dict.fromkeys(server.answer or "?" for server in servers))


def bars(answers: Iterable[str], servers: Sequence[RealServer]) -> list[str]:
    """A line a server: its answer, its count, and a bar of that length."""
    shares = Counter(answers)
    return ["%-16s %3d  %s" % (name, shares[name], "#" * shares[name]) for name in names_of(servers)]


def parse_flows(listing: str) -> list[Flow]:
    """The flows in what ``conntrack -L`` prints: each has two tuples, the second as the answer travels."""
    flows = []
    for line in listing.splitlines():
        fields: dict[str, list[str]] = {}
        for name, value in re.findall(r"\b(src|dst|sport|dport)=(\S+)", line):
            fields.setdefault(name, []).append(value)
        if all(len(fields.get(name, ())) == 2 for name in ("src", "dst", "sport", "dport")):
            flows.append(Flow(int(fields["sport"][0]), fields["src"][1], fields["dst"][1]))
    return flows


def is_kept(source: str, keeps: Iterable[Network]) -> bool:
    """Whether what ``source`` sends keeps it, as one of the networks ``keeps`` does."""
    return any(ipaddress.ip_address(source) in network for network in keeps)


def unanswered_finding(vip: str, port: int, source: str) -> Finding:
    """A server that keeps its source and is sent to itself sees a stranger's answer: asking would fail at random."""
    saw = "not asked from %s, which keeps its address and gets no answer when its turn is its own" % source
    return Finding("virtual service %s:%d" % (vip, port), True, saw)


def snat_finding(flows: Sequence[Flow], ports: Sequence[int], servers: Sequence[RealServer], node: str) -> Finding:
    """Whether each of our connections, by its client port, is answered to ``node``, the address that it should show."""
    remedy = "iptables -t nat -S; ipset list; sysctl net.ipv4.vs.conntrack; conntrack -L"
    ours = {flow.client_port: flow for flow in flows if flow.client_port in ports}
    missing = [port for port in ports if port not in ours]
    if missing:
        return Finding("SNAT", False, "conntrack knows %d of %d connections" % (len(ours), len(ports)), remedy)
    declared = {server.address for server in servers}
    wrong = [flow for flow in ours.values() if flow.answered_to != node or flow.server not in declared]
    if wrong:
        saw = "%s answers to %s instead of %s" % (wrong[0].server, wrong[0].answered_to, node)
        return Finding("SNAT", False, saw, remedy)
    return Finding("SNAT", True, "all %d connections are answered to %s" % (len(ports), node))


def masqueraded(listing: str) -> int:
    """Packets counted by all MASQUERADE rules in what ``iptables-save -c`` prints."""
    return sum(int(count) for count in re.findall(r"^\[(\d+):\d+\] .*-j MASQUERADE\b", listing, re.MULTILINE))


def counter_finding(before: int, after: int, requests: int) -> Finding:
    saw = "the MASQUERADE rules' counters rose by %d for %d requests" % (after - before, requests)
    return Finding("SNAT rule", after - before >= requests, saw, "iptables -t nat -L -v -n")


def parse_hops(listing: str) -> dict[int, str]:
    """Hop number to address, of what ``tracepath -n`` prints; a hop that did not answer is not there."""
    hops = {}
    for number, address in re.findall(r"^\s*(\d+):\s+([0-9a-fA-F.:]+)\s", listing, re.MULTILINE):
        hops[int(number)] = address
    return hops


def path_finding(listing: str, expected: Sequence[str]) -> Finding:
    hops = parse_hops(listing)
    seen: list[Optional[str]] = [hops.get(number) for number in range(1, len(expected) + 1)]
    saw = " -> ".join(hop or "no answer" for hop in seen)
    hop = "path to %s" % expected[-1]
    if seen == list(expected) and "reached" in listing:
        return Finding(hop, True, saw)
    at = next((place for place, (one, other) in enumerate(zip(seen, expected)) if one != other), len(expected) - 1)
    remedy = "'ip route' on hop %d (%s), 'ip neigh' in the namespace" % (at + 1, expected[at])
    return Finding(hop, False, "%s; expected %s" % (saw, " -> ".join(expected)), remedy)
