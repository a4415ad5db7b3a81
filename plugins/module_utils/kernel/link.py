# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Links, addresses and routes of the network namespace that we are in: reading them. Nothing here writes."""

from __future__ import annotations

import errno
import ipaddress
import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError, errno_words
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import rtnetlink as rt
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import (
    NETLINK_ROUTE,
    NLM_F_DUMP,
    Interrupted,
    Malformed,
    Netlink,
    NetlinkError,
)

# How often a table is read anew that others change meanwhile.
_READINGS = 10
# How the kernel says that no route leads there: none at all, unreachable, prohibit, blackhole.
_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL, errno.ENETDOWN)


@dataclass(frozen=True)
class InterfaceAddress:
    interface: str
    address: rt.Address
    prefix: int


@contextmanager
def reading() -> Iterator[None]:
    """What goes wrong while the host's state is read, in words."""
    try:
        yield
    except (NetlinkError, Malformed, OSError) as error:
        number = getattr(error, "errno", None)
        said = str(error) if number is None else errno_words(number)
        raise LvsError("cannot read the host's links, addresses and routes: %s" % said) from error


def _dump(socket_: Netlink, kind: int, body: bytes) -> List[bytes]:
    """A whole table, as it was at one time; ``Interrupted`` when others never leave it alone."""
    for _reading in range(_READINGS - 1):
        with suppress(Interrupted):
            return list(socket_.get(kind, body, NLM_F_DUMP))
    return list(socket_.get(kind, body, NLM_F_DUMP))


def link_rows(socket_: Netlink) -> List[rt.LinkRow]:
    return [rt.link_row(body) for body in _dump(socket_, rt.RTM_GETLINK, rt.link_dump())]


def address_rows(socket_: Netlink) -> List[rt.AddressRow]:
    return [rt.address_row(body) for body in _dump(socket_, rt.RTM_GETADDR, rt.address_dump())]


def route_rows(socket_: Netlink) -> List[rt.RouteRow]:
    """The routes of the main table, both families."""
    rows = []
    for family in (socket.AF_INET, socket.AF_INET6):
        rows += [rt.route_row(body) for body in _dump(socket_, rt.RTM_GETROUTE, rt.route_dump(family))]
    return [row for row in rows if row.table == rt.RT_TABLE_MAIN]


def names(rows: List[rt.LinkRow]) -> Dict[int, str]:
    return {row.index: row.name for row in rows}


def route_to(socket_: Netlink, address: rt.Address) -> Optional[rt.RouteRow]:
    """The unicast route that the kernel would take to ``address``; None when none leads out of the host."""
    try:
        rows = [rt.route_row(body) for body in socket_.get(rt.RTM_GETROUTE, rt.route_get(address))]
    except NetlinkError as error:
        if error.errno in _NO_ROUTE:
            return None
        raise
    found = [row for row in rows if row.kind == rt.RTN_UNICAST and row.output is not None]
    return found[0] if found else None


def addresses() -> List[InterfaceAddress]:
    """Every address of every interface, IPv4 and IPv6."""
    with Netlink(NETLINK_ROUTE) as socket_:
        interface = names(link_rows(socket_))
        rows = address_rows(socket_)
    return [InterfaceAddress(interface.get(row.index, "?"), row.address, row.prefix) for row in rows]


def interface_holding(address: str) -> Optional[str]:
    """The interface that has ``address``; None when no interface has it."""
    wanted = ipaddress.ip_address(address)
    return next((held.interface for held in addresses() if held.address == wanted), None)


def route_covering(address: str) -> Optional[str]:
    """The output interface of the route that the kernel would take to ``address``.

    None when there is none, or when it leads nowhere (unreachable, blackhole, prohibit) or to the host itself.
    """
    with Netlink(NETLINK_ROUTE) as socket_:
        row = route_to(socket_, ipaddress.ip_address(address))
        return names(link_rows(socket_)).get(row.output or 0) if row else None
