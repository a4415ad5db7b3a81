# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual services and real servers as the generic netlink family IPVS writes them.

Source: include/uapi/linux/ip_vs.h. Ports and IPv4 netmasks are in network order, the rest in the machine's.
"""

from __future__ import annotations

import socket
import struct
from functools import lru_cache
from typing import Any, Dict, Optional, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import (
    NLA_TYPE_MASK,
    Malformed,
    attribute,
    integer,
    nested,
    net_integer,
    parsed,
    string,
    text,
    u8,
    u16,
    u32,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs import (
    FAMILIES,
    PROTOCOLS,
    WHOLE_ADDRESS,
    Server,
    Service,
    ServiceKey,
    address_family,
)
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change

FAMILY = "IPVS"
VERSION = 1

NEW_SERVICE, SET_SERVICE, DEL_SERVICE, GET_SERVICE = 1, 2, 3, 4
NEW_DEST, SET_DEST, DEL_DEST, GET_DEST = 5, 6, 7, 8

SERVICE, DEST = 1, 2

SVC_AF, SVC_PROTOCOL, SVC_ADDR, SVC_PORT, SVC_FWMARK = 1, 2, 3, 4, 5
SVC_SCHED_NAME, SVC_FLAGS, SVC_TIMEOUT, SVC_NETMASK, SVC_PE_NAME = 6, 7, 8, 9, 11

DEST_ADDR, DEST_PORT, DEST_FWD_METHOD, DEST_WEIGHT, DEST_U_THRESH, DEST_L_THRESH = 1, 2, 3, 4, 5, 6
DEST_ACTIVE_CONNS, DEST_ADDR_FAMILY = 7, 11
DEST_TUN_TYPE, DEST_TUN_PORT, DEST_TUN_FLAGS = 13, 14, 15

F_PERSISTENT = 0x1
F_ONE_PACKET = 0x4
F_SCHEDULER = 0x38

FORWARD_METHODS = {"masquerading": 0, "local": 1, "tunneling": 2, "direct": 3, "bypass": 4}
FORWARD_MASK = 0x7
TUNNELING = FORWARD_METHODS["tunneling"]
TUNNEL_TYPES = {"ipip": 0, "gue": 1, "gre": 2}
TUNNEL_FLAGS = {"none": 0, "csum": 1, "remcsum": 2}

_HEADER = struct.Struct("=HH")
_FLAGS = struct.Struct("=II")
_PORT = struct.Struct("!H")


def _reverse(table: Dict[str, int]) -> Dict[int, str]:
    return {number: name for name, number in table.items()}


FAMILY_NAMES = {int(number): name for name, number in FAMILIES.items()}
PROTOCOL_NAMES = _reverse(PROTOCOLS)
FORWARD_NAMES = _reverse(FORWARD_METHODS)
TUNNEL_NAMES = _reverse(TUNNEL_TYPES)
CHECKSUM_NAMES = _reverse(TUNNEL_FLAGS)


def address_attribute(kind: int, address: str) -> bytes:
    """The address in the 16 bytes that both families share."""
    return attribute(kind, socket.inet_pton(FAMILIES[address_family(address)], address).ljust(16, b"\0"))


def port_attribute(kind: int, port: int) -> bytes:
    return attribute(kind, _PORT.pack(port))


def key_attributes(key: ServiceKey) -> bytes:
    family = u16(SVC_AF, FAMILIES[key.family])
    if key.fwmark:
        return family + u32(SVC_FWMARK, key.fwmark)
    return (
        family
        + u16(SVC_PROTOCOL, PROTOCOLS[key.protocol])
        + address_attribute(SVC_ADDR, key.address)
        + port_attribute(SVC_PORT, key.port)
    )


# A service's servers follow each other, so that a few remembered names save nearly all the work.
@lru_cache(maxsize=64)
def service_name(key: ServiceKey) -> bytes:
    return nested(SERVICE, key_attributes(key))


def service_attributes(key: ServiceKey, service: Service) -> bytes:
    return nested(SERVICE, key_attributes(key), service_setting_attributes(service, key.family))


# Most objects of a table have the settings of others.
@lru_cache(maxsize=1024)
def service_setting_attributes(service: Service, family: str) -> bytes:
    flags = service.flags | (F_PERSISTENT if service.timeout else 0) | (F_ONE_PACKET if service.one_packet else 0)
    netmask = service.netmask or WHOLE_ADDRESS[family]
    parts = [
        text(SVC_SCHED_NAME, service.scheduler),
        text(SVC_PE_NAME, service.engine) if service.engine else b"",
        attribute(SVC_FLAGS, _FLAGS.pack(flags, 0xFFFFFFFF)),
        u32(SVC_TIMEOUT, service.timeout),
        attribute(SVC_NETMASK, socket.inet_aton(netmask)) if "." in netmask else u32(SVC_NETMASK, int(netmask)),
    ]
    return b"".join(parts)


def server_name_attributes(address: str, port: int) -> bytes:
    return (
        u16(DEST_ADDR_FAMILY, FAMILIES[address_family(address)])
        + address_attribute(DEST_ADDR, address)
        + port_attribute(DEST_PORT, port)
    )


@lru_cache(maxsize=1024)
def server_setting_attributes(server: Server) -> bytes:
    parts = [
        u32(DEST_FWD_METHOD, FORWARD_METHODS[server.forward]),
        u32(DEST_WEIGHT, server.weight),
    ]
    if server.forward == "tunneling":
        parts += [
            u8(DEST_TUN_TYPE, TUNNEL_TYPES[server.tunnel]),
            port_attribute(DEST_TUN_PORT, server.tunnel_port),
            u16(DEST_TUN_FLAGS, TUNNEL_FLAGS[server.checksum]),
        ]
    parts += [u32(DEST_U_THRESH, server.upper), u32(DEST_L_THRESH, server.lower)]
    return b"".join(parts)


def request(change: Change) -> Tuple[Any, ...]:
    """The command and the attributes that carry out one change."""
    key: Any = change.key
    if change.kind == "service":
        if change.removes:
            return DEL_SERVICE, service_name(key)
        return NEW_SERVICE if change.creates else SET_SERVICE, service_attributes(key, change.after)
    service, address, port = key
    if change.removes:
        return DEL_DEST, service_name(service), nested(DEST, server_name_attributes(address, port))
    command = NEW_DEST if change.creates else SET_DEST
    return (
        command,
        service_name(service),
        nested(DEST, server_name_attributes(address, port), server_setting_attributes(change.after)),
    )


def named(table: Dict[int, str], number: int, what: str) -> str:
    try:
        return table[number]
    except KeyError:
        raise Malformed("the kernel speaks of %s %d, which is unknown" % (what, number)) from None


class Layout:
    """How the attributes of an object lie in a reply: the next reply of the same length mostly has the same.

    Taking a reply apart at known places is several times faster than walking it; the places' own headers are
    compared, and a reply that differs is walked.
    """

    def __init__(self, body: bytes, start: int) -> None:
        shape, end = "=%dx" % start, start
        headers = []
        while len(body) - end >= 4:
            length, kind = _HEADER.unpack_from(body, end)
            shape += "HH%ds" % (length - 4)
            headers.append((length, kind))
            padded = min(length + 3 & ~3, len(body) - end)
            shape += "%dx" % (padded - length)
            end += padded
        self.struct = struct.Struct(shape + "%dx" % (len(body) - end))
        self.lengths = tuple(length for length, _kind in headers)
        self.raw_kinds = tuple(kind for _length, kind in headers)
        self.kinds = tuple(kind & NLA_TYPE_MASK for kind in self.raw_kinds)

    def parsed(self, body: bytes) -> Optional[Dict[int, bytes]]:
        fields = self.struct.unpack(body)
        if fields[0::3] != self.lengths or fields[1::3] != self.raw_kinds:
            return None
        return dict(zip(self.kinds, fields[2::3]))


_layouts: Dict[Tuple[int, int], Layout] = {}


def inner(body: bytes, kind: int) -> Dict[int, bytes]:
    """The attributes of the one object that a reply carries, by kind."""
    length, found = _HEADER.unpack_from(body, 4) if len(body) >= 8 else (0, 0)
    if found & NLA_TYPE_MASK != kind or length + 4 != len(body):
        outer = parsed(body, 4)
        if kind not in outer:
            raise Malformed("a reply without its object")
        return parsed(outer[kind])
    layout = _layouts.get((kind, length))
    result = layout.parsed(body) if layout else None
    if result is None:
        result = parsed(body, 8)
        _layouts[kind, length] = Layout(body, 8)
    return result


def required(found: Dict[int, bytes], kind: int) -> bytes:
    try:
        return found[kind]
    except KeyError:
        raise Malformed("a reply lacks its attribute %d" % kind) from None


def address_text(payload: bytes, family: str) -> str:
    length = 4 if family == "ipv4" else 16
    if len(payload) < length:
        raise Malformed("an address of %d bytes" % len(payload))
    return socket.inet_ntop(FAMILIES[family], payload[:length])


def decoded_service(body: bytes) -> Tuple[ServiceKey, Service]:
    """The service in the body of one reply to GET_SERVICE."""
    found = inner(body, SERVICE)
    family = named(FAMILY_NAMES, integer(required(found, SVC_AF)), "address family")
    if SVC_FWMARK in found:
        key = ServiceKey(family, integer(found[SVC_FWMARK]))
    else:
        protocol = named(PROTOCOL_NAMES, integer(required(found, SVC_PROTOCOL)), "protocol")
        address = address_text(required(found, SVC_ADDR), family)
        key = ServiceKey(family, 0, protocol, address, net_integer(required(found, SVC_PORT)))
    raw_flags = required(found, SVC_FLAGS)
    if len(raw_flags) != _FLAGS.size:
        raise Malformed("flags of %d bytes" % len(raw_flags))
    flags = _FLAGS.unpack(raw_flags)[0]
    timeout, netmask = 0, ""
    if flags & F_PERSISTENT:
        timeout = integer(required(found, SVC_TIMEOUT))
        netmask = netmask_text(required(found, SVC_NETMASK), family)
    engine = string(found.get(SVC_PE_NAME, b""))
    scheduler = string(required(found, SVC_SCHED_NAME))
    return key, Service(scheduler, flags & F_SCHEDULER, timeout, netmask, engine, bool(flags & F_ONE_PACKET))


def netmask_text(payload: bytes, family: str) -> str:
    if len(payload) != 4:
        raise Malformed("a netmask of %d bytes" % len(payload))
    return socket.inet_ntoa(payload) if family == "ipv4" else str(integer(payload))


def server_of(found: Dict[int, bytes], key: ServiceKey) -> Tuple[str, int]:
    # Kernels before mixed families give none: then it is the service's.
    number = found.get(DEST_ADDR_FAMILY)
    family = named(FAMILY_NAMES, integer(number), "address family") if number else key.family
    return address_text(required(found, DEST_ADDR), family), net_integer(required(found, DEST_PORT))


def decoded_server(body: bytes, key: ServiceKey) -> Tuple[Tuple[str, int], Server]:
    """A server of ``key`` in the body of one reply to GET_DEST."""
    found = inner(body, DEST)
    forward = named(FORWARD_NAMES, integer(required(found, DEST_FWD_METHOD)) & FORWARD_MASK, "forwarding method")
    tunnel: Tuple[str, int, str] = ("ipip", 0, "none")
    if forward == "tunneling" and DEST_TUN_TYPE in found:
        tunnel = (
            named(TUNNEL_NAMES, integer(found[DEST_TUN_TYPE]), "tunnel type"),
            net_integer(found.get(DEST_TUN_PORT, b"\0\0")),
            named(CHECKSUM_NAMES, integer(found.get(DEST_TUN_FLAGS, b"\0\0")), "tunnel flags"),
        )
    server = Server(
        forward,
        integer(required(found, DEST_WEIGHT)),
        integer(required(found, DEST_U_THRESH)),
        integer(required(found, DEST_L_THRESH)),
        *tunnel,
    )
    return server_of(found, key), server


def decoded_connections(body: bytes, key: ServiceKey) -> Tuple[Tuple[str, int], int]:
    """The active connections of a server of ``key``, in the body of one reply to GET_DEST."""
    found = inner(body, DEST)
    return server_of(found, key), integer(required(found, DEST_ACTIVE_CONNS))
