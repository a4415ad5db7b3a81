# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The port part of an entry: protocols, ports, ICMP types, by number and by name."""

from __future__ import annotations

import re
import socket
from typing import Dict, List, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_types import INET, INET6, Wrong

# Protocol names are written so that they do not depend on the target having /etc/protocols.
PROTOCOLS: Dict[str, int] = {
    "icmp": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "ipv6-icmp": 58,
    "ospf": 89,
    "ipip": 94,
    "vrrp": 112,
    "sctp": 132,
    "udplite": 136,
}
_PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()}
_PROTOCOL_ALIASES = {"icmpv6": "ipv6-icmp"}
ICMP = {"icmp": INET, "ipv6-icmp": INET6}
PORT_PROTOCOLS = frozenset({"tcp", "udp", "sctp", "udplite"})

# As ipset names them; where it knows two names for one pair the first is what it prints.
_ICMP_NAMES: Dict[str, Tuple[Tuple[str, int, int], ...]] = {
    "icmp": (
        ("echo-reply", 0, 0),
        ("pong", 0, 0),
        ("network-unreachable", 3, 0),
        ("host-unreachable", 3, 1),
        ("protocol-unreachable", 3, 2),
        ("port-unreachable", 3, 3),
        ("fragmentation-needed", 3, 4),
        ("source-route-failed", 3, 5),
        ("network-unknown", 3, 6),
        ("host-unknown", 3, 7),
        ("network-prohibited", 3, 9),
        ("host-prohibited", 3, 10),
        ("TOS-network-unreachable", 3, 11),
        ("TOS-host-unreachable", 3, 12),
        ("communication-prohibited", 3, 13),
        ("host-precedence-violation", 3, 14),
        ("precedence-cutoff", 3, 15),
        ("source-quench", 4, 0),
        ("network-redirect", 5, 0),
        ("host-redirect", 5, 1),
        ("TOS-network-redirect", 5, 2),
        ("TOS-host-redirect", 5, 3),
        ("echo-request", 8, 0),
        ("ping", 8, 0),
        ("router-advertisement", 9, 0),
        ("router-solicitation", 10, 0),
        ("ttl-zero-during-transit", 11, 0),
        ("ttl-zero-during-reassembly", 11, 1),
        ("ip-header-bad", 12, 0),
        ("required-option-missing", 12, 1),
        ("timestamp-request", 13, 0),
        ("timestamp-reply", 14, 0),
        ("address-mask-request", 17, 0),
        ("address-mask-reply", 18, 0),
    ),
    "ipv6-icmp": (
        ("no-route", 1, 0),
        ("communication-prohibited", 1, 1),
        ("address-unreachable", 1, 3),
        ("port-unreachable", 1, 4),
        ("packet-too-big", 2, 0),
        ("ttl-zero-during-transit", 3, 0),
        ("ttl-zero-during-reassembly", 3, 1),
        ("bad-header", 4, 0),
        ("unknown-header-type", 4, 1),
        ("unknown-option", 4, 2),
        ("echo-request", 128, 0),
        ("ping", 128, 0),
        ("echo-reply", 129, 0),
        ("pong", 129, 0),
        ("router-solicitation", 133, 0),
        ("router-advertisement", 134, 0),
        ("neighbour-solicitation", 135, 0),
        ("neigbour-solicitation", 135, 0),
        ("neighbour-advertisement", 136, 0),
        ("neigbour-advertisement", 136, 0),
        ("redirect", 137, 0),
    ),
}
_ICMP_NUMBER = {
    (protocol, name.lower()): kind << 8 | code for protocol, rows in _ICMP_NAMES.items() for name, kind, code in rows
}
_ICMP_TEXT: Dict[Tuple[str, int], str] = {}
for _protocol, _rows in _ICMP_NAMES.items():
    for _name, _kind, _code in _rows:
        _ICMP_TEXT.setdefault((_protocol, _kind << 8 | _code), _name)


def protocol_text(number: int) -> str:
    """The protocol as C(ipset save) prints it: by name when it has one."""
    known = _PROTOCOL_NAMES.get(number)
    return known or str(number)


def protocol_number(text: str) -> int:
    lower = text.lower()
    known = PROTOCOLS.get(_PROTOCOL_ALIASES.get(lower, lower))
    if known is not None:
        return known
    if text.isascii() and text.isdigit() and 0 < int(text) < 256:
        return int(text)
    try:
        return socket.getprotobyname(lower)
    except OSError:
        raise Wrong("%r is no protocol; expected a name such as tcp or a number from 1 to 255" % text) from None


def port_text(protocol: int, port: int) -> str:
    """``tcp:80``, ``icmp:echo-request``, ``icmp:77/1``, ``gre:0``."""
    name = protocol_text(protocol)
    if name in ICMP:
        return "%s:%s" % (name, _ICMP_TEXT.get((name, port)) or "%d/%d" % (port >> 8, port & 255))
    return "%s:%d" % (name, port)


def port_numbers(text: str) -> Tuple[int, int]:
    """(protocol, port) of a canonical port part: what ``port_text`` gave."""
    name, _colon, rest = text.partition(":")
    protocol = protocol_number(name)
    if name in ICMP:
        return protocol, _icmp(name, rest)
    return protocol, int(rest)


def _icmp(protocol: str, text: str) -> int:
    number = _ICMP_NUMBER.get((protocol, text.lower()))
    if number is not None:
        return number
    kind, slash, code = text.partition("/")
    fields = (kind, code)
    if slash and all(each.isascii() and each.isdigit() and int(each) < 256 for each in fields):
        return int(kind) << 8 | int(code)
    raise Wrong("expected an ICMP name such as echo-request or TYPE/CODE, not %r" % text)


_SIDE = r"\[[^\]]+\]|[^-\[\]]+"
_PORTS = re.compile(r"(%s)(?:-(%s))?\Z" % (_SIDE, _SIDE))


def _service(text: str, protocol: str) -> int:
    text = text.strip("[]")
    if text.isascii() and text.isdigit():
        if int(text) > 65535:
            raise Wrong("a port is a number from 0 to 65535, not %s" % text)
        return int(text)
    try:
        return socket.getservbyname(text, protocol)
    except OSError:
        raise Wrong("%r is no service that this host knows for %s (/etc/services)" % (text, protocol)) from None


def _port_span(text: str, protocol: str) -> range:
    # A service name may hold a dash of its own (ftp-data); ipset wants such names in brackets.
    match = _PORTS.match(text)
    if match is None:
        raise Wrong("expected a port, a service name or a range of them, not %r" % text)
    first = _service(match.group(1), protocol)
    last = _service(match.group(2), protocol) if match.group(2) else first
    if last < first:
        raise Wrong("the port range %s ends before it begins" % text)
    return range(first, last + 1)


def ports(text: str, family: str) -> List[str]:
    name, colon, rest = text.partition(":")
    if not colon:
        name, rest = "tcp", text
    protocol = protocol_number(name)
    name = protocol_text(protocol)
    if name in ICMP:
        if ICMP[name] != family:
            raise Wrong("%s does not go with the family %s" % (name, family))
        return [port_text(protocol, _icmp(name, rest))]
    if name not in PORT_PROTOCOLS:
        if rest != "0":
            raise Wrong("%s has no ports: write %s:0" % (name, name))
        return ["%s:0" % name]
    return ["%s:%d" % (name, port) for port in _port_span(rest, name)]


def bare_ports(text: str) -> List[str]:
    name, colon, rest = text.partition(":")
    if not colon:
        name, rest = "tcp", text
    protocol = protocol_text(protocol_number(name))
    if protocol not in PORT_PROTOCOLS:
        raise Wrong("%s has no ports" % protocol)
    return [str(port) for port in _port_span(rest, protocol)]
