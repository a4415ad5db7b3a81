# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets and entries as nfnetlink attributes. No socket here: bytes in, values out, and back.

Source: include/uapi/linux/netfilter/ipset/ip_set.h. Numbers are in network byte order unless said otherwise.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, Callable, Dict, Mapping, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import (
    NLA_F_NET_BYTEORDER,
    Malformed,
    attribute,
    attributes,
    be16,
    be32,
    integer,
    nested,
    net_integer,
    parsed,
    string,
    text,
    u8,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset import Set
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_entries import (
    PLAIN,
    Options,
    ordered,
    pieces_of,
    skbmark_text,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_parts import (
    ADDRESS_FAMILY,
    mark_number,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_ports import port_numbers, port_text
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_types import (
    BUCKETSIZE_DEFAULT,
    HOST_BITS,
    INET,
    INET6,
    TYPES,
    Type,
)

# Message level.
PROTOCOL, SETNAME, TYPENAME, REVISION, FAMILY, FLAGS, DATA, ADT, LINENO, REVISION_MIN = range(1, 11)
SETNAME2 = TYPENAME

# In DATA, of sets and of entries.
IP, IP_TO, CIDR, PORT, PORT_TO, TIMEOUT, PROTO, CADT_FLAGS, _LINENO, MARK, MARKMASK, BITMASK = range(1, 13)
# Of sets.
INITVAL, HASHSIZE, MAXELEM, NETMASK, BUCKETSIZE, _RESIZE, SIZE, ELEMENTS, REFERENCES, MEMSIZE = range(17, 27)
# Of entries.
ETHER, NAME, NAMEREF, IP2, CIDR2, _IP2_TO, IFACE, BYTES, PACKETS, COMMENT, SKBMARK, SKBPRIO, SKBQUEUE = range(17, 30)

# Where the error numbers of the types begin: what they mean depends on the type.
TYPE_SPECIFIC = 4352

FLAG_BEFORE = 1
FLAG_PHYSDEV = 2
FLAG_NOMATCH = 4
FLAG_WILDCARD = 128
SET_FLAGS = {"counters": 8, "comment": 16, "forceadd": 32, "skbinfo": 64}

IPADDR = {INET: 1, INET6: 2}
# Families as the kernel numbers them (NFPROTO_*); types without one go as unspecified.
FAMILY_NUMBER = {INET: 2, INET6: 10, "": 0}
FAMILY_NAME = {number: name for name, number in FAMILY_NUMBER.items()}

Attributes = Mapping[int, bytes]


def be64(kind: int, value: int) -> bytes:
    return attribute(kind | NLA_F_NET_BYTEORDER, struct.pack("!Q", value))


def _ip(kind: int, address: str, family: str) -> bytes:
    packed = socket.inet_pton(ADDRESS_FAMILY[family], address)
    return nested(kind, attribute(IPADDR[family] | NLA_F_NET_BYTEORDER, packed))


def _ip_text(payload: bytes) -> str:
    for kind, packed in attributes(payload):
        for family, number in IPADDR.items():
            if kind == number and len(packed) * 8 == HOST_BITS[family]:
                return socket.inet_ntop(ADDRESS_FAMILY[family], packed)
    raise Malformed("an address without a usable value")


# --- parts of an entry: text to attributes ------------------------------------------------------------------------


def _put_net(kind: int, cidr_kind: int) -> Callable[[str, str], bytes]:
    def put(part: str, family: str) -> bytes:
        host, _slash, length = part.partition("/")
        return _ip(kind, host, family) + u8(cidr_kind, int(length) if length else HOST_BITS[family])

    return put


def _put_port(part: str, _family: str) -> bytes:
    protocol, port = port_numbers(part)
    return be16(PORT, port) + u8(PROTO, protocol)


def _put_mac(part: str, _family: str) -> bytes:
    return attribute(ETHER, bytes.fromhex(part.replace(":", "")))


def _put_iface(part: str, _family: str) -> bytes:
    # The flag that goes with "physdev:" is put together with the other flags.
    return text(IFACE, part[len("physdev:") :] if part.startswith("physdev:") else part)


_PUT: Dict[str, Callable[[str, str], bytes]] = {
    "ip": lambda part, family: _ip(IP, part, family),
    "second ip": lambda part, family: _ip(IP2, part, family),
    "net": _put_net(IP, CIDR),
    "second net": _put_net(IP2, CIDR2),
    "port": _put_port,
    "bare port": lambda part, _family: be16(PORT, int(part)),
    "mac": _put_mac,
    "optional mac": _put_mac,
    "mark": lambda part, _family: be32(MARK, mark_number(part)),
    "iface": _put_iface,
    "set": lambda part, _family: text(NAME, part),
}


def _put_options(options: Options) -> Tuple[bytes, int]:
    """The attributes of an entry's options, and the flags among them."""
    data, flags = [], 0
    for name, value in options:
        if name == "nomatch":
            flags |= FLAG_NOMATCH
        elif name == "wildcard":
            flags |= FLAG_WILDCARD
        elif name in ("before", "after"):
            flags |= FLAG_BEFORE if name == "before" else 0
            data.append(text(NAMEREF, str(value)))
        else:
            data.append(_PUT_OPTION[name](value))
    return b"".join(data), flags


def _put_skbmark(value: Any) -> bytes:
    mark, slash, mask = str(value).partition("/")
    return be64(SKBMARK, mark_number(mark) << 32 | (mark_number(mask) if slash else 0xFFFFFFFF))


def _put_skbprio(value: Any) -> bytes:
    major, _colon, minor = str(value).partition(":")
    return be32(SKBPRIO, int(major, 16) << 16 | int(minor, 16))


_PUT_OPTION: Dict[str, Callable[[Any], bytes]] = {
    "timeout": lambda value: be32(TIMEOUT, value),
    "packets": lambda value: be64(PACKETS, value),
    "bytes": lambda value: be64(BYTES, value),
    "comment": lambda value: text(COMMENT, value),
    "skbmark": _put_skbmark,
    "skbprio": _put_skbprio,
    "skbqueue": lambda value: be16(SKBQUEUE, value),
}


# --- parts of an entry: attributes to text ------------------------------------------------------------------------


def _of(found: Attributes, kind: int) -> bytes:
    try:
        return found[kind]
    except KeyError:
        raise Malformed("an entry without its attribute %d" % kind) from None


def _cidr_text(found: Attributes, kind: int, family: str) -> str:
    bits = HOST_BITS[family]
    length = net_integer(found[kind]) if kind in found else bits
    if length > bits:
        raise Malformed("a prefix length of %d" % length)
    return "" if length == bits else "/%d" % length


def _get_port(found: Attributes, _family: str) -> str:
    protocol, port = net_integer(_of(found, PROTO)), net_integer(_of(found, PORT))
    if not (0 < protocol < 256 and port < 65536):
        raise Malformed("port %d of protocol %d" % (port, protocol))
    return port_text(protocol, port)


def _get_mac(found: Attributes, _family: str) -> str:
    packed = _of(found, ETHER)
    if len(packed) != 6:
        raise Malformed("a MAC address of %d bytes" % len(packed))
    return ":".join("%02X" % each for each in packed)


def _get_iface(found: Attributes, _family: str) -> str:
    prefix = "physdev:" if _flags(found) & FLAG_PHYSDEV else ""
    return prefix + _name(_of(found, IFACE))


def _name(payload: bytes) -> str:
    name = string(payload)
    if not name:
        raise Malformed("a name without a letter")
    return name


def _flags(found: Attributes) -> int:
    return net_integer(found[CADT_FLAGS]) if CADT_FLAGS in found else 0


_GET: Dict[str, Callable[[Attributes, str], str]] = {
    "ip": lambda found, _family: _ip_text(_of(found, IP)),
    "second ip": lambda found, _family: _ip_text(_of(found, IP2)),
    "net": lambda found, family: _ip_text(_of(found, IP)) + _cidr_text(found, CIDR, family),
    "second net": lambda found, family: _ip_text(_of(found, IP2)) + _cidr_text(found, CIDR2, family),
    "port": _get_port,
    "bare port": lambda found, _family: str(net_integer(_of(found, PORT))),
    "mac": _get_mac,
    "optional mac": lambda found, family: _get_mac(found, family) if ETHER in found else "",
    "mark": lambda found, _family: "0x%08x" % net_integer(_of(found, MARK)),
    "iface": _get_iface,
    "set": lambda found, _family: _name(_of(found, NAME)),
}


def _get_skbmark(payload: bytes) -> str:
    both = net_integer(payload)
    return skbmark_text(both >> 32, both & 0xFFFFFFFF)


def _get_skbprio(payload: bytes) -> str:
    both = net_integer(payload)
    return "%x:%x" % (both >> 16, both & 0xFFFF)


_GET_OPTION: Dict[int, Tuple[str, Callable[[bytes], Any]]] = {
    TIMEOUT: ("timeout", net_integer),
    PACKETS: ("packets", net_integer),
    BYTES: ("bytes", net_integer),
    COMMENT: ("comment", string),
    SKBMARK: ("skbmark", _get_skbmark),
    SKBPRIO: ("skbprio", _get_skbprio),
    SKBQUEUE: ("skbqueue", net_integer),
}


def _get_options(found: Attributes, row: Type) -> Options:
    options: Dict[str, Any] = {}
    for kind, (name, get) in _GET_OPTION.items():
        if kind in found:
            options[name] = get(found[kind])
    flags = _flags(found)
    if flags & FLAG_NOMATCH:
        options["nomatch"] = True
    if flags & FLAG_WILDCARD and "iface" in row.parts:
        options["wildcard"] = True
    return ordered(options) if options else PLAIN


# --- whole entries ------------------------------------------------------------------------------------------------


def encode_entry(row: Type, family: str, key: str, options: Options) -> bytes:
    """An entry as one DATA attribute."""
    pieces = pieces_of(key, row)
    data = b"".join(_PUT[part](piece, family) for part, piece in zip(row.parts, pieces))
    more, flags = _put_options(options)
    if "iface" in row.parts and pieces[1].startswith("physdev:"):
        flags |= FLAG_PHYSDEV
    return nested(DATA, data + more + (be32(CADT_FLAGS, flags) if flags else b""))


def decode_entry(row: Type, family: str, payload: bytes) -> Tuple[str, Options]:
    """The key and options in a DATA attribute's payload. Raises ``Malformed``."""
    found = parsed(payload)
    pieces = [_GET[part](found, family) for part in row.parts]
    return ",".join(piece for piece in pieces if piece), _get_options(found, row)


def decode_behind_address(row: Type, family: str, payload: bytes) -> Tuple[str, Options]:
    """What the attributes behind an entry's first address add to the key, and the options among them."""
    found = parsed(payload)
    if IP in found:
        raise Malformed("an entry with two first addresses")
    first = _cidr_text(found, CIDR, family) if row.parts[0] == "net" else ""
    others = (_GET[part](found, family) for part in row.parts[1:])
    return first + "".join("," + piece for piece in others if piece), _get_options(found, row)


# --- sets ---------------------------------------------------------------------------------------------------------


def encode_set(header: Set) -> bytes:
    """The DATA attribute that creates such a set."""
    data = []
    if header.type == "bitmap:port":
        first, _dash, last = header.range.partition("-")
        data += [be16(PORT, int(first)), be16(PORT_TO, int(last))]
    elif header.range:
        low, _dash, high = header.range.partition("-")
        data += [_ip(IP, low, INET), _ip(IP_TO, high, INET)]
    for name, put in _PUT_CREATE.items():
        value = getattr(header, name)
        if value:
            data.append(put(value, header.family))
    if header.timeout is not None:
        data.append(be32(TIMEOUT, header.timeout))
    flags = sum(flag for name, flag in SET_FLAGS.items() if getattr(header, name))
    if flags:
        data.append(be32(CADT_FLAGS, flags))
    return nested(DATA, *data)


_PUT_CREATE: Dict[str, Callable[[Any, str], bytes]] = {
    "hashsize": lambda value, _family: be32(HASHSIZE, value),
    "maxelem": lambda value, _family: be32(MAXELEM, value),
    "netmask": lambda value, _family: u8(NETMASK, value),
    "bitmask": lambda value, family: _ip(BITMASK, value, family),
    "markmask": lambda value, _family: be32(MARKMASK, value),
    "size": lambda value, _family: be32(SIZE, value),
    # Kernels before 5.11 know no bucketsize; at its default it need not be said.
    "bucketsize": lambda value, _family: u8(BUCKETSIZE, value) if value != BUCKETSIZE_DEFAULT else b"",
}


def decode_set(message: Attributes) -> Set:
    """The header that a LIST reply's first message carries. Raises ``Malformed``."""
    type_name = string(_of(message, TYPENAME))
    if type_name not in TYPES:
        raise Malformed("a set of the unknown type %s" % type_name)
    row = TYPES[type_name]
    found = parsed(_of(message, DATA))
    family = FAMILY_NAME.get(net_integer(message[FAMILY]), "") if FAMILY in message else ""
    values: Dict[str, Any] = {
        name: get(found[kind]) for name, (kind, get) in _GET_CREATE.items() if kind in found and name in row.options
    }
    flags = _flags(found)
    values.update({name: bool(flags & flag) for name, flag in SET_FLAGS.items()})
    values["range"] = _range(type_name, found)
    if row.hashed:
        values.setdefault("bucketsize", BUCKETSIZE_DEFAULT)  # kernels before 5.11 have that one only, and do not say so
    return Set(type_name, family if family in row.families else row.families[0], **values)


def references(message: Attributes) -> int:
    """How many rules and lists refer to the set of a LIST reply's first message; 0 in the others."""
    count = parsed(message[DATA]).get(REFERENCES) if DATA in message else None
    return net_integer(count) if count else 0


_GET_CREATE: Dict[str, Tuple[int, Callable[[bytes], Any]]] = {
    "hashsize": (HASHSIZE, net_integer),
    "maxelem": (MAXELEM, net_integer),
    "netmask": (NETMASK, net_integer),
    "bitmask": (BITMASK, _ip_text),
    # The kernel takes this one in network order and gives it back in the machine's.
    "markmask": (MARKMASK, integer),
    "size": (SIZE, net_integer),
    "bucketsize": (BUCKETSIZE, net_integer),
    "timeout": (TIMEOUT, net_integer),
}


def _range(type_name: str, found: Attributes) -> str:
    if type_name == "bitmap:port":
        return "%d-%d" % (net_integer(_of(found, PORT)), net_integer(_of(found, PORT_TO)))
    if type_name.startswith("bitmap:"):
        return "%s-%s" % (_ip_text(_of(found, IP)), _ip_text(_of(found, IP_TO)))
    return ""
