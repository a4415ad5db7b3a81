# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what the host has of workload endpoints, and refuses, before anything is changed, what cannot work."""

from __future__ import annotations

import ipaddress
import os
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Set, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput, LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import namespace
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import rtnetlink as rt
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.link import (
    address_rows,
    link_rows,
    route_rows,
    route_to,
)
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

# Routes that the kernel and router advertisements make are nobody's to claim.
_AUTOMATIC = (rt.RTPROT_KERNEL, 9)
_METRICS = {4: 0, 6: rt.IP6_RT_PRIO_USER}
# Any address of the wide world: which interface leads there tells the uplink of a host that has IPv6 only.
_FAR_AWAY = "2000::"
# How long the kernel may take to clear a namespace away after its name is gone.
_CLEARING_SECONDS = 5.0


@dataclass
class View:
    """What one namespace holds. ``numbers``: how this namespace numbers others, by name."""

    links: Dict[str, rt.LinkRow] = field(default_factory=dict)
    addresses: List[rt.AddressRow] = field(default_factory=list)
    routes: List[rt.RouteRow] = field(default_factory=list)

    def name(self, index: Optional[int]) -> str:
        return next((row.name for row in self.links.values() if row.index == index), "?")

    def routes_to(self, destination: str) -> List[rt.RouteRow]:
        network = ipaddress.ip_network(destination)
        return [row for row in self.routes if row.destination == network and row.protocol not in _AUTOMATIC]


def survey(wish: Wish) -> Tuple[Dict[Any, Any], Facts]:
    """The state of everything that ``wish`` names, and what else the plan needs to know."""
    with Netlink(NETLINK_ROUTE) as socket_:
        here = _once_settled(socket_, wish) if wish.present else view_of(socket_)
        uplink = _uplinks(wish, here, socket_) if wish.present else {}
        outputs = _outputs(wish, here, socket_) if wish.present else {}
        state: Dict[Any, Any] = {}
        shared: Set[str] = set()
        ours = {endpoint.name for endpoint in wish.endpoints}
        for endpoint in wish.endpoints:
            inside = _inside(endpoint)
            pair = _pair(endpoint, here, inside, number_of(socket_, endpoint.namespace))
            if wish.present:
                _check(endpoint, here, inside, pair, ours)
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


def view_of(socket_: Netlink) -> View:
    links = {row.name: row for row in link_rows(socket_)}
    return View(links, address_rows(socket_), [row for row in route_rows(socket_) if row.kind == rt.RTN_UNICAST])


def _inside(endpoint: Endpoint) -> View:
    if not namespace.alive(endpoint.namespace):
        return View()
    with within(endpoint.namespace), Netlink(NETLINK_ROUTE) as socket_:
        return view_of(socket_)


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
    if pair == Veth(endpoint.interface, endpoint.namespace):
        state[("link", (endpoint.namespace, endpoint.interface))] = _settings(inside.links[endpoint.interface])
        state.update(_addresses_on(inside, endpoint.namespace, endpoint.interface))
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
        ("route", (where, str(row.destination))): _route(view, row)
        for row in view.routes
        if row.output == index
        and _plain(row)
        and (not hosts_only or (row.destination.num_addresses == 1 and row.via is None))
    }


def _default_routes(endpoint: Endpoint, inside: View) -> Dict[Any, Route]:
    """The namespace's default routes by the endpoint, and the routes to their gateways."""
    routes = _routes_by(inside, endpoint.namespace, endpoint.interface, hosts_only=False)
    defaults = {key: route for key, route in routes.items() if key[1][1] in ("0.0.0.0/0", "::/0")}
    gateways = {route.via for route in defaults.values()} | {endpoint.gateway}
    wanted = {("route", (endpoint.namespace, host_route(gateway))) for gateway in gateways if gateway}
    return {key: route for key, route in routes.items() if key in wanted or key in defaults}


def _plain(row: rt.RouteRow) -> bool:
    """Of the form that we make: one next hop, the metric that ``ip route add`` gives, not the kernel's own."""
    metric = _METRICS[row.destination.version]
    return not row.multipath and row.metric == metric and row.protocol not in _AUTOMATIC and row.output is not None


def _route(view: View, row: rt.RouteRow) -> Route:
    return Route(str(row.via) if row.via else None, view.name(row.output), row.protocol)


def _peer_state(wish: Wish, here: View, outputs: Dict[str, str]) -> Dict[Any, Route]:
    """The declared routes, and those of our protocol when what is not declared shall go."""
    declared = {route.to: place for place, route in enumerate(wish.routes or ())}
    state: Dict[Any, Route] = {}
    for row in here.routes:
        to = str(row.destination)
        if not _plain(row) or not (to in declared or (wish.prunes and row.protocol == wish.protocol)):
            continue
        route = _route(here, row)
        if wish.present and to in declared and row.protocol != wish.protocol:
            asked = (wish.routes or ())[declared[to]]
            if (route.via, route.interface) != (asked.via, outputs[to]):
                raise BadInput(
                    "routes[%d].to" % declared[to],
                    to,
                    "somebody else's route leads there, %s: remove it first, or leave this one out"
                    % _route_text(here, row),
                )
        state[("route", (HERE, to))] = route
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


# What stands in the way


def _check(endpoint: Endpoint, here: View, inside: View, pair: Optional[Veth], ours: Set[str]) -> None:
    where = endpoint.where
    row = here.links.get(endpoint.name)
    if row is not None and pair is None:
        kind = "a %s" % row.kind if row.kind else "a real interface"
        raise BadInput(where + "name", endpoint.name, "an interface of that name exists and is no veth but %s" % kind)
    if pair is not None:
        _check_pair(endpoint, pair)
    arrives = pair is None or pair.namespace == HERE
    if arrives and endpoint.interface in inside.links:
        raise BadInput(
            where + "container_interface",
            endpoint.interface,
            "namespace %s has an interface of that name, which is not the other end of %s"
            % (endpoint.namespace, endpoint.name),
        )
    for place, (address, _prefix) in enumerate(endpoint.addresses):
        _check_address("%saddresses[%d]" % (where, place), address, endpoint, here, inside, ours)
    _check_default_routes(endpoint, inside)


def _check_pair(endpoint: Endpoint, pair: Veth) -> None:
    if not pair.peer:
        raise BadInput(
            endpoint.where + "name",
            endpoint.name,
            "its other end is in a network namespace that is not %s: 'state: absent' removes the pair"
            % endpoint.namespace,
        )
    if pair.peer != endpoint.interface:
        place = "in namespace " + pair.namespace if pair.namespace else "on the host"
        raise BadInput(
            endpoint.where + "name",
            endpoint.name,
            "its other end is called %s, %s, not %s: 'state: absent' removes the pair"
            % (pair.peer, place, endpoint.interface),
        )


def _check_address(parameter: str, address: str, endpoint: Endpoint, here: View, inside: View, ours: Set[str]) -> None:
    """``ours`` are all endpoints that are asked for: an address may go from one of them to another."""
    for row in here.addresses:
        if str(row.address) == address and here.name(row.index) != endpoint.interface:
            raise BadInput(parameter, address, "the host's own interface %s has this address" % here.name(row.index))
    for row in inside.addresses:
        if str(row.address) == address and inside.name(row.index) != endpoint.interface:
            holder = inside.name(row.index)
            raise BadInput(parameter, address, "%s in namespace %s has this address" % (holder, endpoint.namespace))
    for route in here.routes_to(host_route(address)):
        if here.name(route.output) not in ours or route.multipath or route.via is not None:
            raise BadInput(parameter, address, "a route leads there by another way, %s" % _route_text(here, route))


def _check_default_routes(endpoint: Endpoint, inside: View) -> None:
    for destination, needed in (("0.0.0.0/0", endpoint.has_ipv4), ("::/0", endpoint.has_ipv6)):
        for row in inside.routes_to(destination) if needed else []:
            if inside.name(row.output) != endpoint.interface:
                raise BadInput(
                    endpoint.where + "namespace",
                    endpoint.namespace,
                    "it has a default route already, %s" % _route_text(inside, row),
                )


def _route_text(view: View, row: rt.RouteRow) -> str:
    via = " via %s" % row.via if row.via else ""
    return "'%s%s dev %s'" % (row.destination, via, view.name(row.output))
