# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds what may be workload endpoints on a host, without being told their names. Nothing here writes."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterator, List

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import namespace
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import rtnetlink as rt
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.endpoint_view import (
    View,
    leads_out,
    number_of,
    somebodys,
    view_of,
)
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import NAMESPACES
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import NETLINK_ROUTE, Netlink
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.network import within

GATEWAYS = {"gateway": "0.0.0.0/0", "gateway6": "::/0"}


def endpoints() -> List[Dict[str, Any]]:
    """Each veth pair that leads into a named namespace, as C(calico_veth) would be asked for it.

    Whether it is wired as that module wires one is for the caller to find out.
    """
    with Netlink(NETLINK_ROUTE) as socket_:
        here = view_of(socket_)
        names = {number_of(socket_, name): name for name in _namespaces()}
    found: List[Dict[str, Any]] = []
    for row in sorted(here.links.values(), key=lambda row: row.name):
        if row.kind == "veth" and row.peer_namespace in names and row.peer_namespace is not None:
            found += _endpoint(row, names[row.peer_namespace])
    return found


def _namespaces() -> List[str]:
    try:
        return sorted(name for name in os.listdir(NAMESPACES) if namespace.alive(name))
    except FileNotFoundError:
        return []


def _endpoint(row: rt.LinkRow, inside_name: str) -> Iterator[Dict[str, Any]]:
    with within(inside_name), Netlink(NETLINK_ROUTE) as socket_:
        inside = view_of(socket_)
    interface = inside.name(row.peer)
    addresses = [
        "%s/%d" % (held.address, held.prefix)
        for held in inside.addresses
        if held.index == row.peer and not held.address.is_link_local
    ]
    if addresses and interface in inside.links:
        names = {"name": row.name, "namespace": inside_name, "container_interface": interface}
        more = {"mtu": row.mtu, "mac": row.mac, "proxy_delay": _proxy_delay(row.name, addresses[0])}
        yield {**names, "addresses": addresses, **_gateways(inside, interface), **more}


def _gateways(inside: View, interface: str) -> Dict[str, str]:
    return {
        option: str(route.via)
        for option, destination in GATEWAYS.items()
        for route in inside.routes_to(destination)
        if somebodys(route) and route.via is not None and inside.name(route.output) == interface
    }


def _proxy_delay(name: str, address: str) -> int:
    family = "ipv6" if ":" in address else "ipv4"
    with open("/proc/sys/net/%s/neigh/%s/proxy_delay" % (family, name), encoding="ascii") as file:
        return int(file.read())


def peer_routes(protocol: int) -> List[Dict[str, Any]]:
    """The routes through neighbours that carry ``protocol``, as C(calico_veth) takes them."""
    with Netlink(NETLINK_ROUTE) as socket_:
        here = view_of(socket_)
    return [
        {"to": str(row.destination), "via": str(row.via), "interface": here.name(row.output)}
        for row in here.routes
        if row.protocol == protocol and row.via is not None and leads_out(row)
    ]
