# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the set types are: one row a type. Everything else about a type is derived from its row.

Sources: ipset(8), include/uapi/linux/netfilter/ipset/ip_set.h, net/netfilter/ipset/ip_set_*.c.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, NamedTuple, Tuple

INET = "inet"
INET6 = "inet6"
NO_FAMILY = ""

HOST_BITS = {INET: 32, INET6: 128}

# Every type takes these when it is created.
COMMON = frozenset({"timeout", "counters", "comment", "skbinfo"})
HASH = COMMON | {"hashsize", "maxelem", "bucketsize", "forceadd"}
BITMAP = COMMON | {"range"}

BOTH = (INET, INET6)


class Wrong(ValueError):
    """What is expected instead, in words that complete "... is not usable: "."""


class Type(NamedTuple):
    """One set type.

    ``parts`` are the kinds of data in one entry, in order; ``revision`` is the newest one whose messages this
    collection knows; ``options`` are the create options it takes; ``zero_net`` says whether a network of
    prefix length 0 can be stored, ``zero_ip`` whether the address of zeros can.
    """

    name: str
    parts: Tuple[str, ...]
    families: Tuple[str, ...]
    revision: int
    options: FrozenSet[str]
    zero_net: bool = False
    zero_ip: bool = True

    @property
    def dimensions(self) -> int:
        """How many src/dst flags a rule needs to match a set of this type."""
        return len(self.parts)

    @property
    def hashed(self) -> bool:
        return "maxelem" in self.options


# A "second" address part is written, numbered and limited differently, so it is a kind of its own.
_ROWS = (
    Type("bitmap:ip", ("ip",), (INET,), 3, BITMAP | {"netmask"}),
    Type("bitmap:ip,mac", ("ip", "optional mac"), (INET,), 3, BITMAP),
    Type("bitmap:port", ("bare port",), (NO_FAMILY,), 3, BITMAP),
    Type("hash:ip", ("ip",), BOTH, 6, HASH | {"netmask", "bitmask"}, zero_ip=False),
    Type("hash:mac", ("mac",), (NO_FAMILY,), 1, HASH),
    Type("hash:ip,mac", ("ip", "mac"), BOTH, 1, HASH),
    Type("hash:ip,mark", ("ip", "mark"), BOTH, 3, HASH | {"markmask"}),
    Type("hash:ip,port", ("ip", "port"), BOTH, 7, HASH | {"netmask", "bitmask"}),
    Type("hash:ip,port,ip", ("ip", "port", "second ip"), BOTH, 6, HASH),
    Type("hash:ip,port,net", ("ip", "port", "second net"), BOTH, 8, HASH),
    Type("hash:net", ("net",), BOTH, 7, HASH),
    Type("hash:net,net", ("net", "second net"), BOTH, 4, HASH | {"netmask", "bitmask"}),
    Type("hash:net,port", ("net", "port"), BOTH, 8, HASH),
    Type("hash:net,port,net", ("net", "port", "second net"), BOTH, 3, HASH, zero_net=True),
    Type("hash:net,iface", ("net", "iface"), BOTH, 8, HASH, zero_net=True),
    Type("list:set", ("set",), (NO_FAMILY,), 3, COMMON | {"size"}),
)

TYPES: Dict[str, Type] = {row.name: row for row in _ROWS}

DIMENSIONS: Dict[str, int] = {row.name: row.dimensions for row in _ROWS}

# The parts that entries of networks have; only these know "nomatch".
NET_PARTS = frozenset({"net", "second net"})

# Limits and defaults of the kernel (ip_set.h, ip_set_hash_gen.h).
NAME_LENGTH = 31
COMMENT_LENGTH = 255
TIMEOUT_MAX = 2147483
HASHSIZE_DEFAULT = 1024
HASHSIZE_LEAST = 64
MAXELEM_DEFAULT = 65536
BUCKETSIZE_DEFAULT = 12
SIZE_DEFAULT = 8
SIZE_LEAST = 4
BITMAP_MOST = 65536
MARKMASK_DEFAULT = 0xFFFFFFFF


def known_entry_options(row: Type) -> FrozenSet[str]:
    """The options that an entry of this type may carry, were the set created with all extensions."""
    known = {"timeout", "packets", "bytes", "comment", "skbmark", "skbprio", "skbqueue"}
    if NET_PARTS.intersection(row.parts):
        known.add("nomatch")
    if "iface" in row.parts:
        known.add("wildcard")
    if "set" in row.parts:
        known |= {"before", "after"}
    return frozenset(known)


# Which create option an entry option rests on.
NEEDS = {
    "timeout": "timeout",
    "packets": "counters",
    "bytes": "counters",
    "comment": "comment",
    "skbmark": "skbinfo",
    "skbprio": "skbinfo",
    "skbqueue": "skbinfo",
}
