# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""A set's create options: what the user gives, in the kernel's terms. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Callable, Dict, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset import DEFAULTS, TEMPORARY, Set
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_parts import (
    address,
    address_text,
    bytes_in,
    mark_number,
    prefix_mask,
    span,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_types import (
    BITMAP_MOST,
    BUCKETSIZE_DEFAULT,
    HASHSIZE_LEAST,
    HOST_BITS,
    INET,
    NAME_LENGTH,
    SIZE_LEAST,
    TIMEOUT_MAX,
    TYPES,
    Wrong,
)


def power_of_two(least: int) -> int:
    return 1 << max(least - 1, 0).bit_length()


def _bounded(low: int, high: int) -> Callable[[int, Set], int]:
    def check(value: int, _set: Set) -> int:
        if low <= value <= high:
            return value
        raise Wrong("expected a number from %d to %d" % (low, high))

    return check


def _size(value: int, header: Set) -> int:
    return max(_bounded(1, 0xFFFFFFFF)(value, header), SIZE_LEAST)


def _hashsize(value: int, _set: Set) -> int:
    return power_of_two(max(_bounded(1, 1 << 31)(value, _set), HASHSIZE_LEAST))


def _bucketsize(value: int, _set: Set) -> int:
    even = _bounded(1, 14)(value, _set)
    return min(max(even + even % 2, 2), BUCKETSIZE_DEFAULT)


def _netmask(value: int, header: Set) -> int:
    bits = HOST_BITS[header.family]
    # The kernel keeps a mask of all bits as none.
    return _bounded(1, bits)(value, header) % bits


def _bitmask(value: str, header: Set) -> str:
    number = address(value, header.family)
    if not number:
        raise Wrong("a mask of zeros would make all addresses one")
    full = prefix_mask(HOST_BITS[header.family], header.family)
    return "" if number == full else address_text(number, header.family)


def _markmask(value: str, _set: Set) -> int:
    number = mark_number(value)
    if not number:
        raise Wrong("a mask of zeros would make all marks one")
    return number


def _range(value: str, header: Set) -> str:
    if header.type == "bitmap:port":
        match = _PORT_RANGE.match(value)
        if match is None or not int(match.group(1)) <= int(match.group(2)) <= 65535:
            raise Wrong("expected a range of ports such as 0-1023")
        return "%d-%d" % (int(match.group(1)), int(match.group(2)))
    first, last = span(value, INET)
    if header.netmask:
        host_bits = (1 << 32 - header.netmask) - 1
        first, last = first & ~host_bits, last | host_bits
        held = _networks_of(first, last, header.netmask)
    else:
        held = last - first + 1
    if held > BITMAP_MOST:
        raise Wrong("a bitmap holds at most %d addresses or networks; a hash type has no such bound" % BITMAP_MOST)
    return "%s-%s" % (address_text(first, INET), address_text(last, INET))


def _networks_of(first: int, last: int, netmask: int) -> int:
    """How many places the kernel keeps: for all of the network that the range begins, be it smaller."""
    length = next((bits for bits in range(31, 0, -1) if last & prefix_mask(bits, INET) == first), 0)
    if netmask <= length or not length and (first, last) != (0, 0xFFFFFFFF):
        raise Wrong("with netmask %d the range is one network, larger than those that it is to hold" % netmask)
    return 1 << netmask - length


_PORT_RANGE = re.compile(r"(?:.*:)?([0-9]{1,5})-([0-9]{1,5})\Z", re.DOTALL)


# For each create option, what turns the user's value into the kernel's; raises Wrong.
_CANONICAL: Dict[str, Callable[[Any, Set], Any]] = {
    "range": _range,
    "hashsize": _hashsize,
    "maxelem": _bounded(1, 0xFFFFFFFF),
    "netmask": _netmask,
    "bitmask": _bitmask,
    "markmask": _markmask,
    "size": _size,
    "timeout": _bounded(0, TIMEOUT_MAX),
    "bucketsize": _bucketsize,
}


def header_from(type_name: str, family: str, stated: Dict[str, Any]) -> Tuple[Set, Dict[str, Any]]:
    """A new set's header, and the stated create options in the kernel's terms. Raises ``BadInput``.

    ``stated`` are the create options that the user gave; ``family`` may be empty: the type's first.
    """
    row = TYPES.get(type_name)
    if row is None:
        raise BadInput("type", type_name, "expected one of %s" % ", ".join(sorted(TYPES)))
    if family and family not in row.families and row.families != ("",):
        raise BadInput("family", family, "%s holds %s only" % (type_name, " and ".join(row.families)))
    chosen = family if family in row.families else row.families[0]
    defaults = {name: value for name, value in DEFAULTS.items() if name in row.options}
    return with_options(Set(type_name, chosen, **defaults), stated)


def with_options(header: Set, stated: Dict[str, Any]) -> Tuple[Set, Dict[str, Any]]:
    """``header`` with the stated create options, and these in the kernel's terms. Raises ``BadInput``."""
    known = header.row.options
    canonical: Dict[str, Any] = {}
    if "netmask" in stated and header.range:
        stated = {"range": header.range, **stated}  # the kernel widens it to whole networks
    # netmask comes first: what a range may span depends on it.
    for name in sorted(stated, key=lambda each: each != "netmask"):
        value = stated[name]
        if name not in known:
            raise BadInput(name, value, "%s has no such option; it takes %s" % (header.type, ", ".join(sorted(known))))
        try:
            canonical[name] = _CANONICAL[name](value, header) if name in _CANONICAL else value
        except Wrong as wrong:
            raise BadInput(name, value, str(wrong)) from None
        header = replace(header, **{name: canonical[name]})
    if header.netmask and header.bitmask:
        if {"netmask", "bitmask"} <= canonical.keys():
            raise BadInput("bitmask", header.bitmask, "netmask and bitmask exclude each other")
        # The one that is given takes the place of the one that was.
        canonical.update({"bitmask": ""} if "netmask" in canonical else {"netmask": 0})
        header = replace(header, **canonical)
    return header, canonical


def check_name(name: str) -> str:
    try:
        length = bytes_in(name)
    except Wrong as wrong:
        raise BadInput("name", name, str(wrong)) from None
    if not 0 < length <= NAME_LENGTH or any(each.isspace() or each in "\"'\0" for each in name):
        raise BadInput("name", name, "a set's name has 1 to %d characters, no spaces and no quotes" % NAME_LENGTH)
    if name.startswith((TEMPORARY, "-")):
        raise BadInput("name", name, "names that begin with %s or a dash are not for sets of one's own" % TEMPORARY)
    return name
