# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of an entry: text as a person writes it to text as C(ipset save) prints it.

Each reader takes one part's text and gives the list of canonical texts it stands for (a range stands for
several). It raises ``Wrong`` with what would be right; the caller knows which parameter it was.
"""

from __future__ import annotations

import re
import socket
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Pattern, Sequence, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_types import HOST_BITS, INET, INET6, NAME_LENGTH

# A typing error such as 10.0.0.0/8 in a set of hosts should not cost the memory of 16 million strings.
MOST_FROM_ONE = 1 << 20

ADDRESS_FAMILY = {INET: socket.AF_INET, INET6: socket.AF_INET6}
_MAC = re.compile(r"[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2}){5}\Z")


class Wrong(ValueError):
    """What is expected instead, in words that complete "... is not usable: "."""


class Frame(NamedTuple):
    """What of the set's header bears on reading an entry."""

    family: str
    netmask: int = 0
    bitmask: str = ""
    markmask: int = 0xFFFFFFFF
    zero_net: bool = False
    zero_ip: bool = True


def address(text: str, family: str) -> int:
    """The address as a number."""
    try:
        return int.from_bytes(socket.inet_pton(ADDRESS_FAMILY[family], text), "big")
    except (OSError, ValueError):
        pass
    other = INET6 if family == INET else INET
    try:
        socket.inet_pton(ADDRESS_FAMILY[other], text)
    except (OSError, ValueError):
        raise Wrong("expected an %s address, %r is none" % (family, text)) from None
    raise Wrong("%s is an %s address, the set holds %s" % (text, other, family))


def address_text(number: int, family: str) -> str:
    return socket.inet_ntop(ADDRESS_FAMILY[family], number.to_bytes(HOST_BITS[family] // 8, "big"))


def prefix_mask(length: int, family: str) -> int:
    bits = HOST_BITS[family]
    return ((1 << length) - 1) << (bits - length)


def _prefix(text: str, family: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= HOST_BITS[family]:
        return int(text)
    raise Wrong("a prefix length is a number from 0 to %d, not %r" % (HOST_BITS[family], text))


def span(text: str, family: str) -> Tuple[int, int]:
    """First and last address of ``A``, ``A-B`` or ``A/LENGTH``."""
    if "/" in text:
        base, _slash, length = text.partition("/")
        mask = prefix_mask(_prefix(length, family), family)
        first = address(base, family) & mask
        return first, first | ~mask & prefix_mask(HOST_BITS[family], family)
    first_text, dash, last_text = text.partition("-")
    first = address(first_text, family)
    last = address(last_text, family) if dash else first
    if last < first:
        raise Wrong("the range %s ends before it begins" % text)
    return first, last


def _hosts(text: str, frame: Frame) -> List[str]:
    family = frame.family
    first, last = span(text, family)
    if family == INET6 and first != last:
        raise Wrong("a set of inet6 addresses takes single addresses, not a range or a network")
    step = 1
    if frame.netmask:
        mask = prefix_mask(frame.netmask, family)
        first, last, step = first & mask, last & mask, 1 << HOST_BITS[family] - frame.netmask
    if (last - first) // step >= MOST_FROM_ONE:
        raise Wrong("%s stands for more than %d addresses; a set of networks holds it as one" % (text, MOST_FROM_ONE))
    numbers: Iterator[int] = iter(range(first, last + 1, step))
    if frame.bitmask:
        bitmask = address(frame.bitmask, family)
        numbers = iter(dict.fromkeys(number & bitmask for number in numbers))
    texts = [address_text(number, family) for number in numbers]
    if not frame.zero_ip and any(not address(each, family) for each in texts[:1]):
        raise Wrong("a set of this type cannot hold the address of zeros")
    return texts


def _single_host(text: str, frame: Frame) -> List[str]:
    first, last = span(text, frame.family)
    if first != last:
        raise Wrong("the second address is a single one, not a range or a network")
    return [address_text(first, frame.family)]


def networks(first: int, last: int, family: str) -> Iterator[Tuple[int, int]]:
    """The fewest (base, prefix length) that cover ``first`` to ``last`` and nothing else."""
    bits = HOST_BITS[family]
    while first <= last:
        size = (first & -first).bit_length() - 1 if first else bits
        while (1 << size) - 1 > last - first:
            size -= 1
        yield first, bits - size
        first += 1 << size


def _nets(text: str, frame: Frame) -> List[str]:
    family, bits = frame.family, HOST_BITS[frame.family]
    if family == INET6 and "-" in text:
        raise Wrong("a set of inet6 networks takes networks, not a range")
    first, last = span(text, family)
    result = []
    for base, length in networks(first, last, family):
        if not length and not frame.zero_net:
            raise Wrong("a set of this type cannot hold a network of prefix length 0; write two of length 1")
        if frame.netmask:
            base &= prefix_mask(frame.netmask, family)
        if frame.bitmask:
            base &= address(frame.bitmask, family)
        host = address_text(base, family)
        result.append(host if length == bits else "%s/%d" % (host, length))
    return result


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

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_ADDRESS = r"(?!0\.0\.0\.0)%s" % r"\.".join([_OCTET] * 4)
_PORT = r"(?:0|[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
# IPv4 parts of an entry that are sure to be in canonical form and to stand for themselves alone.
_CANONICAL = {
    **dict.fromkeys(("ip", "net", "second ip", "second net"), _ADDRESS),
    "port": r"(?:%s):%s" % ("|".join(sorted(PORT_PROTOCOLS, reverse=True)), _PORT),
}


def canonical_entry(parts: Sequence[str], frame: Frame) -> Optional[Pattern[str]]:
    """What matches whole entries that are their own key; None where only reading them tells."""
    if frame.family != INET or frame.netmask or frame.bitmask or not _CANONICAL.keys() >= set(parts):
        return None
    return re.compile(",".join(_CANONICAL[part] for part in parts))


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


def _ports(text: str, frame: Frame) -> List[str]:
    name, colon, rest = text.partition(":")
    if not colon:
        name, rest = "tcp", text
    protocol = protocol_number(name)
    name = protocol_text(protocol)
    if name in ICMP:
        if ICMP[name] != frame.family:
            raise Wrong("%s does not go with the family %s" % (name, frame.family))
        return [port_text(protocol, _icmp(name, rest))]
    if name not in PORT_PROTOCOLS:
        if rest != "0":
            raise Wrong("%s has no ports: write %s:0" % (name, name))
        return ["%s:0" % name]
    return ["%s:%d" % (name, port) for port in _port_span(rest, name)]


def _bare_ports(text: str, _frame: Frame) -> List[str]:
    name, colon, rest = text.partition(":")
    if not colon:
        name, rest = "tcp", text
    protocol = protocol_text(protocol_number(name))
    if protocol not in PORT_PROTOCOLS:
        raise Wrong("%s has no ports" % protocol)
    return [str(port) for port in _port_span(rest, protocol)]


def _macs(text: str, _frame: Frame) -> List[str]:
    if not _MAC.match(text):
        raise Wrong("expected a MAC address such as 02:00:0a:82:11:1e, not %r" % text)
    canonical = ":".join("%02X" % int(each, 16) for each in text.split(":"))
    if canonical == "00:00:00:00:00:00":
        raise Wrong("a set cannot hold the MAC address of zeros")
    return [canonical]


def mark_number(text: str) -> int:
    """An unsigned 32 bit number, decimal, octal or with 0x, as ipset reads marks."""
    try:
        number = int(text, 16 if text[:2].lower() == "0x" else 10)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 32:
        raise Wrong("a mark is a number from 0 to 0xffffffff, not %r" % text)
    return number


def _marks(text: str, frame: Frame) -> List[str]:
    return ["0x%08x" % (mark_number(text) & frame.markmask)]


def _interfaces(text: str, _frame: Frame) -> List[str]:
    name = text[len("physdev:") :] if text.startswith("physdev:") else text
    if not 0 < len(name.encode()) <= 15 or "/" in name or any(each.isspace() for each in name):
        raise Wrong("an interface name has 1 to 15 characters, no space and no slash; %r is none" % name)
    return [text]


def _set_names(text: str, _frame: Frame) -> List[str]:
    if not 0 < len(text.encode()) <= NAME_LENGTH:
        raise Wrong("a set's name has 1 to %d characters" % NAME_LENGTH)
    return [text]


READERS: Dict[str, Callable[[str, Frame], List[str]]] = {
    "ip": _hosts,
    "second ip": _single_host,
    "net": _nets,
    "second net": _nets,
    "port": _ports,
    "bare port": _bare_ports,
    "mac": _macs,
    "optional mac": _macs,
    "mark": _marks,
    "iface": _interfaces,
    "set": _set_names,
}
