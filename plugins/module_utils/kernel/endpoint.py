# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what the host has of workload endpoints, and what else the plan needs to know."""

from __future__ import annotations

import ipaddress
import os
import time
from typing import Any, Dict, Optional, Set, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput, LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import namespace
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import rtnetlink as rt
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.endpoint_obstacles import (
    check,
    check_gone,
    check_peer_route,
)
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.endpoint_view import View, number_of, plain, view_of
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.link import route_to
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import NETLINK_ROUTE, Netlink
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.network import SYSCTLS, within
from ansible_collections.lulab.lvs.plugins.module_utils.model.endpoint import (
    MTU_MAX,
    Endpoint,
    Facts,
    Wish,
    host_route,
    sysctls,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.network import HERE, Link, Namespace, Route, Veth

# Any address of the wide world: which interface leads there tells the uplink of a host that has IPv6 only.
_FAR_AWAY = "2000::"
# How long the kernel may take to clear a namespace away after its name is gone.
_CLEARING_SECONDS = 5.0


def survey(wish: Wish) -> Tuple[Dict[Any, Any], Facts]:
    """The state of everything that ``wish`` names, and what else the plan needs to know."""
    with Netlink(NETLINK_ROUTE) as socket_:
        here = _once_settled(socket_, wish)
        uplink = _uplinks(wish, here, socket_) if wish.present else {}
        outputs = _outputs(wish, here, socket_) if wish.present else {}
        state: Dict[Any, Any] = {}
        shared: Set[str] = set()
        ours = {endpoint.name for endpoint in wish.endpoints}
        for endpoint in wish.endpoints:
            inside = _inside(endpoint)
            pair = _pair(endpoint, here, inside, number_of(socket_, endpoint.namespace))
            if wish.present:
                namespace.complete_note(endpoint.namespace)
                check(endpoint, here, inside, pair, ours)
            else:
                check_gone(endpoint, pair)
            state.update(_endpoint_state(endpoint, here, inside, pair))
            if _used_by_others(endpoint, inside):
                shared.add(endpoint.namespace)
    state.update(_peer_state(wish, here, outputs))
    return state, Facts(uplink, outputs, frozenset(shared))


def _once_settled(socket_: Netlink, wish: Wish) -> View:
    """What is here, without the pairs of namespaces that were removed a moment ago: the kernel clears up later."""
    end = time.monotonic() + _CLEARING_SECONDS
    while True:
        here = view_of(socket_)
        strayed = [endpoint for endpoint in wish.endpoints if _leads_elsewhere(socket_, here, endpoint)]
        if not strayed or time.monotonic() > end:
            return here
        time.sleep(0.05)


def _leads_elsewhere(socket_: Netlink, here: View, endpoint: Endpoint) -> bool:
    row = here.links.get(endpoint.name)
    if row is None or row.kind != "veth" or row.peer_namespace is None:
        return False
    return row.peer_namespace != number_of(socket_, endpoint.namespace)


def _inside(endpoint: Endpoint) -> View:
    if not namespace.alive(endpoint.namespace):
        return View()
    with within(endpoint.namespace), Netlink(NETLINK_ROUTE) as socket_:
        return view_of(socket_)


def _pair(endpoint: Endpoint, here: View, inside: View, number: Optional[int]) -> Optional[Veth]:
    """The pair that the host side belongs to; None when there is no such interface or it is no veth.

    An empty peer name stands for one in a namespace that is not the endpoint's.
    """
    row = here.links.get(endpoint.name)
    if row is None or row.kind != "veth":
        return None
    if row.peer_namespace is None:
        return Veth(here.name(row.peer), HERE)
    if number is not None and row.peer_namespace == number:
        return Veth(inside.name(row.peer), endpoint.namespace)
    return Veth("", endpoint.namespace)


# State


def _endpoint_state(endpoint: Endpoint, here: View, inside: View, pair: Optional[Veth]) -> Dict[Any, Any]:
    state: Dict[Any, Any] = {}
    standing: Optional[Namespace] = namespace.found(endpoint.namespace)
    if standing is not None:
        state[("namespace", endpoint.namespace)] = standing
    if "lo" in inside.links:
        state[("link", (endpoint.namespace, "lo"))] = _settings(inside.links["lo"])
    if pair is None:
        return state
    state[("veth", endpoint.name)] = pair
    state[("link", (HERE, endpoint.name))] = _settings(here.links[endpoint.name])
    state.update(_sysctl_state(endpoint))
    state.update(_routes_by(here, HERE, endpoint.name, hosts_only=True))
    if endpoint.has_ipv6:  # else it is the kernel's own, which Calico's MAC address brings about
        state.update(_addresses_on(here, HERE, endpoint.name, only=endpoint.gateway6))
    # The other end may still be on the host, up and with addresses: what it loses by moving is known here, too.
    view = inside if pair.namespace else here
    if pair.peer in view.links:
        state[("link", (pair.namespace, pair.peer))] = _settings(view.links[pair.peer])
        state.update(_addresses_on(view, pair.namespace, pair.peer))
    if pair == Veth(endpoint.interface, endpoint.namespace):
        state.update(_default_routes(endpoint, inside))
    return state


def _settings(row: rt.LinkRow) -> Link:
    return Link(row.up, row.mtu, row.mac)


def _sysctl_state(endpoint: Endpoint) -> Dict[Any, str]:
    values = {}
    for path, _value in sysctls(endpoint):
        try:
            with open(os.path.join(SYSCTLS, path), encoding="ascii") as file:
                values[("sysctl", (HERE, path))] = file.read().strip()
        except FileNotFoundError:  # IPv6 may be off; the attempt to write it tells
            continue
    return values


def _addresses_on(view: View, where: str, interface: str, only: Optional[str] = None) -> Dict[Any, int]:
    """What others can reach: addresses that the kernel makes for the link alone are left out."""
    index = view.links[interface].index
    return {
        ("address", (where, interface, str(row.address))): row.prefix
        for row in view.addresses
        if row.index == index and (str(row.address) == only if only else row.scope != rt.SCOPE_LINK)
    }


def _routes_by(view: View, where: str, interface: str, hosts_only: bool) -> Dict[Any, Route]:
    index = view.links[interface].index
    return {
        ("route", (where, str(row.destination))): view.route(row)
        for row in view.routes
        if row.output == index
        and plain(row)
        and (not hosts_only or (row.destination.num_addresses == 1 and row.via is None))
    }


def _default_routes(endpoint: Endpoint, inside: View) -> Dict[Any, Route]:
    """The namespace's default routes by the endpoint, and the routes to their gateways."""
    routes = _routes_by(inside, endpoint.namespace, endpoint.interface, hosts_only=False)
    defaults = {key: route for key, route in routes.items() if key[1][1] in ("0.0.0.0/0", "::/0")}
    gateways = {route.via for route in defaults.values()} | {endpoint.gateway}
    wanted = {("route", (endpoint.namespace, host_route(gateway))) for gateway in gateways if gateway}
    return {key: route for key, route in routes.items() if key in wanted or key in defaults}


def _peer_state(wish: Wish, here: View, outputs: Dict[str, str]) -> Dict[Any, Route]:
    """Of the declared routes those that are ours or lead the same way; and what of ours shall go."""
    declared = {route.to: (place, route) for place, route in enumerate(wish.routes or ())}
    state: Dict[Any, Route] = {}
    for row in here.routes:
        to = str(row.destination)
        if plain(row) and row.protocol == wish.protocol and (to in declared or wish.prunes):
            state[("route", (HERE, to))] = here.route(row)
    for to, (place, asked) in declared.items() if wish.present else ():
        rows = here.routes_to(to)
        check_peer_route(place, asked, outputs[to], here, wish.protocol)
        if rows:
            state.setdefault(("route", (HERE, to)), here.route(rows[0]))
    return state


# Facts


def _uplinks(wish: Wish, here: View, socket_: Netlink) -> Dict[str, Optional[int]]:
    """The MTU of each endpoint's uplink; fails where no route covers the IPv4 gateway.

    The host side answers for the gateway (proxy ARP) only while the host itself would route there by another
    interface; without such a route all that the workload sends is lost.
    """
    held = {str(row.address) for row in here.addresses}
    mtu: Dict[str, Optional[int]] = {}
    for endpoint in wish.endpoints:
        row = route_to(socket_, ipaddress.ip_address(endpoint.gateway))
        through = here.name(row.output) if row else None
        if endpoint.has_ipv4 and endpoint.gateway not in held and through in (None, endpoint.name):
            raise LvsError(
                "%s: no route of this host covers the gateway %s, so %s would never answer for it and all that the "
                "workload sends would be lost: give the host a default route first ('ip route add default via ...')"
                % (endpoint.where + "gateway", endpoint.gateway, endpoint.name)
            )
        if not endpoint.has_ipv4 or through is None:
            far = route_to(socket_, ipaddress.ip_address(_FAR_AWAY))
            through = here.name(far.output) if far else through
        link = here.links.get(through or "")
        mtu[endpoint.name] = min(link.mtu, MTU_MAX) if link and link.name != endpoint.name else None
    return mtu


def _outputs(wish: Wish, here: View, socket_: Netlink) -> Dict[str, str]:
    """The interface of each peer route, by its destination."""
    outputs = {}
    for place, route in enumerate(wish.routes or ()):
        where = "routes[%d]." % place
        if route.interface is not None:
            if route.interface not in here.links:
                raise BadInput(where + "interface", route.interface, "there is no interface of that name")
            outputs[route.to] = route.interface
            continue
        row = route_to(socket_, ipaddress.ip_address(route.via))
        if row is None:
            raise BadInput(where + "via", route.via, "no route of this host leads to it, or it is the host's own")
        if row.via is not None:
            raise BadInput(where + "via", route.via, "it is no neighbour: this host reaches it through %s" % row.via)
        outputs[route.to] = here.name(row.output)
    return outputs


def _used_by_others(endpoint: Endpoint, inside: View) -> bool:
    """Whether something in the namespace is up that is not the endpoint's."""
    return any(row.up for row in inside.links.values() if row.name not in ("lo", endpoint.interface))
