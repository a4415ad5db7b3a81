# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of an entry: text as a person writes it to text as C(ipset save) prints it.

Each reader takes one part's text and gives the list of canonical texts it stands for (a range stands for
several). It raises ``Wrong`` with what would be right; the caller knows which parameter it was.
"""

from __future__ import annotations

import re
import socket
from typing import Callable, Collection, Dict, Iterator, List, NamedTuple, Optional, Pattern, Sequence, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_ports import PORT_PROTOCOLS, bare_ports, ports
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_types import (
    HOST_BITS,
    INET,
    INET6,
    NAME_LENGTH,
    Wrong,
)

# A typing error such as 10.0.0.0/8 in a set of hosts should not cost the memory of 16 million strings.
MOST_FROM_ONE = 1 << 20

ADDRESS_FAMILY = {INET: socket.AF_INET, INET6: socket.AF_INET6}
_MAC = re.compile(r"[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2}){5}\Z")


class Frame(NamedTuple):
    """What of the set's header bears on reading an entry."""

    family: str
    netmask: int = 0
    bitmask: str = ""
    markmask: int = 0xFFFFFFFF
    zero_net: bool = False
    zero_ip: bool = True


def bytes_in(text: str) -> int:
    """The length of a text as the kernel counts it."""
    try:
        return len(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise Wrong("it holds half of a character") from None


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
    numbers: Collection[int] = range(first, last + 1, step)
    if frame.bitmask:
        bitmask = address(frame.bitmask, family)
        numbers = dict.fromkeys(number & bitmask for number in numbers)
    if not frame.zero_ip and 0 in numbers:
        raise Wrong("a set of this type cannot hold the address of zeros")
    return [address_text(number, family) for number in numbers]


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
    if not 0 < bytes_in(name) <= 15 or any(each.isspace() or each in "/\0" for each in name):
        raise Wrong("an interface name has 1 to 15 characters, no space and no slash; %r is none" % name)
    return [text]


def _set_names(text: str, _frame: Frame) -> List[str]:
    if not 0 < bytes_in(text) <= NAME_LENGTH or "\0" in text:
        raise Wrong("a set's name has 1 to %d characters" % NAME_LENGTH)
    return [text]


READERS: Dict[str, Callable[[str, Frame], List[str]]] = {
    "ip": _hosts,
    "second ip": _single_host,
    "net": _nets,
    "second net": _nets,
    "port": lambda text, frame: ports(text, frame.family),
    "bare port": lambda text, _frame: bare_ports(text),
    "mac": _macs,
    "optional mac": _macs,
    "mark": _marks,
    "iface": _interfaces,
    "set": _set_names,
}
