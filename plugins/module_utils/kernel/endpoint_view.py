# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one namespace holds of links, addresses and routes, and questions about them. Nothing here writes."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import Dict, List, Optional

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import namespace
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import rtnetlink as rt
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.link import address_rows, link_rows, route_rows
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import Netlink
from ansible_collections.lulab.lvs.plugins.module_utils.model.network import Route, protocol_words

# Routes that the kernel and router advertisements make are nobody's to claim.
_AUTOMATIC = (rt.RTPROT_KERNEL, rt.RTPROT_RA)
_METRICS = {4: 0, 6: rt.IP6_RT_PRIO_USER}
_KINDS = {
    rt.RTN_UNICAST: "",
    rt.RTN_BLACKHOLE: "blackhole ",
    rt.RTN_UNREACHABLE: "unreachable ",
    rt.RTN_PROHIBIT: "prohibit ",
    rt.RTN_THROW: "throw ",
}


@dataclass
class View:
    """What one namespace holds. ``routes``: all of the main table, of whatever kind."""

    links: Dict[str, rt.LinkRow] = field(default_factory=dict)
    addresses: List[rt.AddressRow] = field(default_factory=list)
    routes: List[rt.RouteRow] = field(default_factory=list)

    @cached_property
    def _names(self) -> Dict[int, str]:
        return {row.index: row.name for row in self.links.values()}

    @cached_property
    def _by_destination(self) -> Dict[rt.Network, List[rt.RouteRow]]:
        found: Dict[rt.Network, List[rt.RouteRow]] = {}
        for row in self.routes:
            found.setdefault(row.destination, []).append(row)
        return found

    def name(self, index: Optional[int]) -> str:
        return self._names.get(index or 0, "?")

    def routes_to(self, destination: str) -> List[rt.RouteRow]:
        return self._by_destination.get(ipaddress.ip_network(destination), [])

    def route(self, row: rt.RouteRow) -> Route:
        return Route(str(row.via) if row.via else None, self.name(row.output), row.protocol)

    def text(self, row: rt.RouteRow) -> str:
        """A route as ``ip route`` prints it, in quotes."""
        words = "%s%s" % (_KINDS.get(row.kind, "of kind %d " % row.kind), row.destination)
        if row.multipath:
            words += " by several next hops"
        elif row.kind == rt.RTN_UNICAST:
            words += (" via %s" % row.via if row.via else "") + " dev %s" % self.name(row.output)
        metric = " metric %d" % row.metric if row.metric != _METRICS[row.destination.version] else ""
        return "'%s%s%s%s'" % (words, protocol_words(self.route(row)), metric, " tos %d" % row.tos if row.tos else "")


def view_of(socket_: Netlink) -> View:
    return View({row.name: row for row in link_rows(socket_)}, address_rows(socket_), route_rows(socket_))


def number_of(socket_: Netlink, name: str) -> Optional[int]:
    """Our namespace's number for the namespace ``name``."""
    if not namespace.alive(name):
        return None
    descriptor = os.open(namespace.path_of(name), os.O_RDONLY | os.O_CLOEXEC)
    try:
        replies = list(socket_.get(rt.RTM_GETNSID, rt.namespace_get(descriptor)))
    finally:
        os.close(descriptor)
    return rt.namespace_number(replies[0]) if replies else None


def leads_out(row: rt.RouteRow) -> bool:
    """Whether the route leads all traffic by one next hop."""
    return row.kind == rt.RTN_UNICAST and not row.multipath and row.output is not None and not row.tos


def somebodys(row: rt.RouteRow) -> bool:
    """Whether somebody made the route who may be us, rather than the kernel or a router's advertisement."""
    return leads_out(row) and row.protocol not in _AUTOMATIC


def plain(row: rt.RouteRow) -> bool:
    """Of the form that we make: one next hop, the metric that ``ip route add`` gives, not the kernel's own."""
    return somebodys(row) and row.metric == _METRICS[row.destination.version]
