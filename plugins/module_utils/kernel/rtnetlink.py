# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""rtnetlink: links, addresses and routes to bytes and back. Encodes and decodes only; sends nothing.

Sources: include/uapi/linux/rtnetlink.h, if_link.h, if_addr.h, veth.h.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass
from typing import List, Optional, Union

from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Malformed,
    Message,
    attribute,
    integer,
    nested,
    parsed,
    string,
    text,
    u32,
)

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_GETNSID = 90
NETNSA_NSID, NETNSA_FD = 1, 3

IFF_UP = 0x1
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK = 1, 3, 4, 5
IFLA_LINKINFO, IFLA_NET_NS_FD, IFLA_LINK_NETNSID, IFLA_NUM_TX_QUEUES = 18, 28, 37, 31
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
VETH_INFO_PEER = 1

IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS = 1, 2, 8
IFA_F_SECONDARY, IFA_F_NODAD = 0x1, 0x2

RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_MULTIPATH = 1, 4, 5, 6, 9
RTA_TABLE, RTA_VIA = 15, 18
RT_TABLE_MAIN = 254
RTN_UNSPEC, RTN_UNICAST = 0, 1
RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT, RTN_THROW = 6, 7, 8, 9
RTPROT_KERNEL, RTPROT_BOOT, RTPROT_RA = 2, 3, 9
SCOPE_UNIVERSE, SCOPE_LINK, SCOPE_NOWHERE = 0, 253, 255
IP6_RT_PRIO_USER = 1024

_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change mask
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst len, src len, tos, table, protocol, scope, type, flags
_NEXTHOP = struct.Struct("=HBBi")  # length, flags, hops, index


@dataclass(frozen=True)
class LinkRow:
    """An interface as the kernel prints it.

    ``peer`` is a veth's other end: its index, and the number (for this namespace) of the one that it is in;
    None for this one.
    """

    index: int
    name: str
    kind: str
    up: bool
    mtu: int
    mac: str
    peer: Optional[int] = None
    peer_namespace: Optional[int] = None


@dataclass(frozen=True)
class AddressRow:
    index: int
    address: Address
    prefix: int
    scope: int
    secondary: bool = False


@dataclass(frozen=True)
class RouteRow:
    """A route. ``output`` is the first of several next hops; None where there is none (an IPv4 blackhole)."""

    destination: Network
    via: Optional[Address]
    output: Optional[int]
    table: int
    protocol: int
    scope: int
    kind: int
    metric: int = 0
    multipath: bool = False
    tos: int = 0


def family_of(address: Union[Address, Network]) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def packed_mac(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


# Links


def link_dump() -> bytes:
    return _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)


def link_add(name: str, kind: str, data: bytes = b"") -> Message:
    information = [text(IFLA_INFO_KIND, kind)] + ([nested(IFLA_INFO_DATA, data)] if data else [])
    body = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + text(IFLA_IFNAME, name) + nested(IFLA_LINKINFO, *information)
    return RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body


def dummy_add(name: str) -> Message:
    return link_add(name, "dummy")


def veth_add(name: str, peer: str, peer_namespace: Optional[int] = None) -> Message:
    """A veth pair; its peer is made in the namespace behind the descriptor ``peer_namespace``, else beside it."""
    description = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + text(IFLA_IFNAME, peer)
    if peer_namespace is not None:
        description += u32(IFLA_NET_NS_FD, peer_namespace)
    return link_add(name, "veth", attribute(VETH_INFO_PEER | 0x8000, description))


def link_set(
    index: int, up: Optional[bool] = None, mtu: Optional[int] = None, mac: Optional[str] = None,
    namespace: Optional[int] = None,
) -> Message:  # fmt: skip
    """Change what is given of an interface; ``namespace`` is the descriptor of the one to move it to."""
    body = _LINK.pack(socket.AF_UNSPEC, 0, index, IFF_UP if up else 0, 0 if up is None else IFF_UP)
    if mac is not None:
        body += attribute(IFLA_ADDRESS, packed_mac(mac))
    if mtu is not None:
        body += u32(IFLA_MTU, mtu)
    if namespace is not None:
        body += u32(IFLA_NET_NS_FD, namespace)
    return RTM_NEWLINK, 0, body


def link_delete(index: int) -> Message:
    return RTM_DELLINK, 0, _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0)


def link_row(body: bytes) -> LinkRow:
    _family, _type, index, flags, _change = _unpacked(_LINK, body)
    found = parsed(body, _LINK.size)
    information = parsed(found.get(IFLA_LINKINFO, b""))
    peer = found.get(IFLA_LINK)
    return LinkRow(
        index=index,
        name=string(found.get(IFLA_IFNAME, b"")),
        kind=string(information.get(IFLA_INFO_KIND, b"")),
        up=bool(flags & IFF_UP),
        mtu=integer(found[IFLA_MTU]) if IFLA_MTU in found else 0,
        mac=found.get(IFLA_ADDRESS, b"").hex(":"),
        peer=integer(peer) if peer is not None else None,
        peer_namespace=_signed(found[IFLA_LINK_NETNSID]) if IFLA_LINK_NETNSID in found else None,
    )


def link_get(name: str) -> bytes:
    return link_dump() + text(IFLA_IFNAME, name)


def link_probe(kind: str) -> Message:
    """A request to make a link that is refused in any case: EOPNOTSUPP when the kernel knows no such kind."""
    kind_, flags, body = link_add("lvs-probe", kind)
    return kind_, flags, body + u32(IFLA_NUM_TX_QUEUES, 0)


def namespace_get(descriptor: int) -> bytes:
    return struct.pack("=Bxxx", socket.AF_UNSPEC) + u32(NETNSA_FD, descriptor)


def namespace_number(body: bytes) -> Optional[int]:
    """This namespace's number for the one that was asked for; None when it has none yet."""
    number = _signed(parsed(body, 4)[NETNSA_NSID])
    return None if number < 0 else number


def _signed(payload: bytes) -> int:
    if len(payload) != 4:
        raise Malformed("a namespace number of %d bytes" % len(payload))
    return int(struct.unpack("=i", payload)[0])


# Addresses


def address_dump(family: int = socket.AF_UNSPEC) -> bytes:
    return _ADDRESS.pack(family, 0, 0, 0, 0)


def address_add(index: int, address: Address, prefix: int) -> Message:
    """Adding what is there already succeeds; IPv6 skips the search for duplicates, as the address is ours to give."""
    return RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, _address_body(index, address, prefix)


def address_delete(index: int, address: Address, prefix: int) -> Message:
    return RTM_DELADDR, 0, _address_body(index, address, prefix)


def address_scope(address: Address) -> int:
    """The scope that ``ip address add`` gives: only IPv6 has one by the address itself, and the kernel sets that."""
    return SCOPE_LINK if address.version == 6 and address.is_link_local else SCOPE_UNIVERSE


def _address_body(index: int, address: Address, prefix: int) -> bytes:
    flags = IFA_F_NODAD if address.version == 6 else 0
    header = _ADDRESS.pack(family_of(address), prefix, flags, address_scope(address), index)
    return header + attribute(IFA_LOCAL, address.packed) + attribute(IFA_ADDRESS, address.packed)


def address_row(body: bytes) -> AddressRow:
    family, prefix, flags, scope, index = _unpacked(_ADDRESS, body)
    found = parsed(body, _ADDRESS.size)
    # On a point-to-point interface ADDRESS is the other side's, LOCAL is ours; IPv6 mostly has ADDRESS alone.
    raw = found.get(IFA_LOCAL) or found.get(IFA_ADDRESS)
    if raw is None:
        raise Malformed("an address message without an address")
    if IFA_FLAGS in found:
        flags = integer(found[IFA_FLAGS])
    secondary = family == socket.AF_INET and bool(flags & IFA_F_SECONDARY)
    return AddressRow(index, _address(family, raw), prefix, scope, secondary)


# Routes


def route_dump(family: int) -> bytes:
    return _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)


def route_get(address: Address) -> bytes:
    """Ask which route the kernel would take to ``address``."""
    length = address.max_prefixlen
    header = _ROUTE.pack(family_of(address), length, 0, 0, 0, 0, SCOPE_UNIVERSE, RTN_UNSPEC, 0)
    return header + attribute(RTA_DST, address.packed)


def route_add(destination: Network, via: Optional[Address], output: int, protocol: int, scope: int) -> Message:
    """Fails (EEXIST) when there is a route of that destination and metric."""
    return RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, _route_body(destination, via, output, protocol, scope)


def route_replace(destination: Network, via: Optional[Address], output: int, protocol: int, scope: int) -> Message:
    return RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, _route_body(destination, via, output, protocol, scope)


def route_delete(destination: Network, via: Optional[Address], output: int, protocol: int, scope: int) -> Message:
    return RTM_DELROUTE, 0, _route_body(destination, via, output, protocol, scope)


def _route_body(destination: Network, via: Optional[Address], output: int, protocol: int, scope: int) -> bytes:
    header = _ROUTE.pack(
        family_of(destination), destination.prefixlen, 0, 0, RT_TABLE_MAIN, protocol, scope, RTN_UNICAST, 0
    )
    body = header + u32(RTA_OIF, output)
    if destination.prefixlen:
        body += attribute(RTA_DST, destination.network_address.packed)
    if via is not None:
        body += attribute(RTA_GATEWAY, via.packed)
    return body


def route_row(body: bytes) -> RouteRow:
    family, length, _source, tos, table, protocol, scope, kind, _flags = _unpacked(_ROUTE, body)
    found = parsed(body, _ROUTE.size)
    zero = bytes(4 if family == socket.AF_INET else 16)
    destination = _network(_address(family, found.get(RTA_DST, zero)), length)
    hops = _outputs(found[RTA_MULTIPATH]) if RTA_MULTIPATH in found else []
    output = integer(found[RTA_OIF]) if RTA_OIF in found else (hops[0] if hops else None)
    return RouteRow(
        destination=destination,
        via=_gateway(family, found),
        output=output,
        table=integer(found[RTA_TABLE]) if RTA_TABLE in found else table,
        protocol=protocol,
        scope=scope,
        kind=kind,
        metric=integer(found[RTA_PRIORITY]) if RTA_PRIORITY in found else 0,
        multipath=bool(hops),
        tos=tos,
    )


def _network(address: Address, length: int) -> Network:
    if length > address.max_prefixlen:
        raise Malformed("a prefix length of %d for %s" % (length, address))
    return ipaddress.ip_network((address, length), strict=False)


def _gateway(family: int, found: dict[int, bytes]) -> Optional[Address]:
    if RTA_GATEWAY in found:
        return _address(family, found[RTA_GATEWAY])
    if RTA_VIA in found and len(found[RTA_VIA]) > 2:  # an IPv4 route through an IPv6 neighbour
        return _address(struct.unpack_from("=H", found[RTA_VIA])[0], found[RTA_VIA][2:])
    return None


def _outputs(payload: bytes) -> List[int]:
    indexes, offset = [], 0
    while offset < len(payload):
        if len(payload) - offset < _NEXTHOP.size:
            raise Malformed("%d bytes are no next hop" % (len(payload) - offset))
        length, _flags, _hops, index = _NEXTHOP.unpack_from(payload, offset)
        if length < _NEXTHOP.size or offset + length > len(payload):
            raise Malformed("a next hop of %d bytes where %d are left" % (length, len(payload) - offset))
        indexes.append(index)
        offset += length + 3 & ~3
    return indexes


def _unpacked(header: struct.Struct, body: bytes) -> tuple[int, ...]:
    if len(body) < header.size:
        raise Malformed("a message of %d bytes, its header has %d" % (len(body), header.size))
    return header.unpack_from(body)


def _address(family: int, raw: bytes) -> Address:
    if family == socket.AF_INET and len(raw) == 4:
        return ipaddress.IPv4Address(raw)
    if family == socket.AF_INET6 and len(raw) == 16:
        return ipaddress.IPv6Address(raw)
    raise Malformed("an address of family %d with %d bytes" % (family, len(raw)))
