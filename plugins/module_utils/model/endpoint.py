# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workload endpoints, wired as Calico does: what the options ask for, and the way there. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model.network import (
    HERE,
    ORDER,
    Link,
    Namespace,
    Route,
    Veth,
    checked_interface_address,
    checked_mac,
    checked_name,
    checked_namespace,
    going_along,
)
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, Identity, State, plan

GATEWAY = "169.254.1.1"
GATEWAY6 = "fe80::ecee:eeff:feee:eeee"
# The number that routes of ours carry, so that only those are pruned. The kernel and its daemons use others.
ROUTE_PROTOCOL = 96
MTU_MIN, MTU_MAX = 68, 65535
MTU_MIN_IPV6 = 1280

# What an endpoint's options are when they are not given.
DEFAULTS: Dict[str, Any] = {
    "name": "cali0",
    "namespace": "ns0",
    "container_interface": "veth0",
    "addresses": (),
    "gateway": GATEWAY,
    "gateway6": GATEWAY6,
    "mtu": None,
    "mac": None,
    "proxy_delay": 0,
}


@dataclass(frozen=True)
class Endpoint:
    """``addresses``: (address, prefix length inside the namespace). ``where`` is its place in the options."""

    name: str
    namespace: str
    interface: str
    addresses: Tuple[Tuple[str, int], ...]
    gateway: str = GATEWAY
    gateway6: str = GATEWAY6
    mtu: Optional[int] = None
    mac: Optional[str] = None
    proxy_delay: int = 0
    where: str = ""

    @property
    def has_ipv4(self) -> bool:
        return any(":" not in address for address, _prefix in self.addresses)

    @property
    def has_ipv6(self) -> bool:
        return any(":" in address for address, _prefix in self.addresses)


@dataclass(frozen=True)
class PeerRoute:
    """A route to the pods of another host. ``interface`` None: the one that ``via`` is reached by."""

    to: str
    via: str
    interface: Optional[str] = None


@dataclass(frozen=True)
class Wish:
    """``routes`` None: peer routes were not mentioned."""

    endpoints: Tuple[Endpoint, ...]
    routes: Optional[Tuple[PeerRoute, ...]]
    protocol: int = ROUTE_PROTOCOL
    prune: bool = True
    present: bool = True

    @property
    def prunes(self) -> bool:
        """Whether routes of our protocol that are not declared go."""
        return self.prune and (self.routes is not None or not self.present)


@dataclass(frozen=True)
class Facts:
    """What the want depends on and only the host knows.

    ``mtu``: the uplink's by endpoint name; ``outputs``: the interface of each of the peer routes;
    ``shared``: namespaces that others use too, so that they stay.
    """

    mtu: Mapping[str, Optional[int]]
    outputs: Mapping[str, str]
    shared: frozenset[str] = frozenset()


# Options


def parse(params: Mapping[str, Any]) -> Wish:
    present = params["state"] == "present"
    many = params.get("endpoints")
    single = {key: params[key] for key in DEFAULTS if params.get(key) is not None}
    if many is not None and single:
        raise BadInput("endpoints", many, "'%s' describes one endpoint: put it into the list" % sorted(single)[0])
    given = [("", single)] if many is None else [("endpoints[%d]." % place, entry) for place, entry in enumerate(many)]
    endpoints = tuple(_endpoint(where, entry, present) for where, entry in given)
    _check_unique(endpoints)
    protocol = params["route_protocol"]
    if not 5 <= protocol <= 255:
        raise BadInput("route_protocol", protocol, "a number from 5 to 255; smaller ones are the kernel's")
    routes = None if params.get("routes") is None else _routes(params["routes"])
    _check_own_routes(endpoints, routes or ())
    return Wish(
        endpoints=endpoints,
        routes=routes,
        protocol=protocol,
        prune=params["prune_routes"],
        present=present,
    )


def _endpoint(where: str, given: Mapping[str, Any], present: bool) -> Endpoint:
    options = {key: default if given.get(key) is None else given[key] for key, default in DEFAULTS.items()}
    name = checked_name(where + "name", options["name"])
    interface = checked_name(where + "container_interface", options["container_interface"])
    if interface == "lo":
        raise BadInput(where + "container_interface", interface, "this is the loopback interface's name")
    if present and not options["addresses"]:
        raise BadInput(where + "addresses", [], "an endpoint needs at least one address, such as 172.16.0.10/24")
    addresses = tuple(
        _pod_address("%saddresses[%d]" % (where, place), value) for place, value in enumerate(options["addresses"])
    )
    endpoint = Endpoint(
        name=name,
        namespace=checked_namespace(where + "namespace", options["namespace"]),
        interface=interface,
        addresses=addresses,
        gateway=_gateway(where + "gateway", options["gateway"], 4),
        gateway6=_gateway(where + "gateway6", options["gateway6"], 6),
        mtu=options["mtu"],
        mac=None if options["mac"] is None else checked_mac(where + "mac", options["mac"]),
        proxy_delay=options["proxy_delay"],
        where=where,
    )
    _check_numbers(endpoint)
    return endpoint


def _pod_address(parameter: str, value: str) -> Tuple[str, int]:
    parsed = checked_interface_address(parameter, value)
    if parsed.version == 6 and parsed.ip.is_link_local:
        raise BadInput(parameter, value, "a link-local address cannot be routed to")
    if parsed.network.num_addresses > 2 and parsed.ip == parsed.network.network_address:
        raise BadInput(parameter, value, "this is the network's own address, not a host's")
    return str(parsed.ip), parsed.network.prefixlen


def _gateway(parameter: str, value: str, version: int) -> str:
    address = checked_interface_address(parameter, value).ip
    if "/" in value or address.version != version:
        raise BadInput(parameter, value, "a plain IPv%d address is needed" % version)
    if version == 6 and not address.is_link_local:
        raise BadInput(
            parameter, value, "the host side answers as IPv6 gateway by a link-local address (fe80::/10) only"
        )
    return str(address)


def _check_numbers(endpoint: Endpoint) -> None:
    least = MTU_MIN_IPV6 if endpoint.has_ipv6 else MTU_MIN
    if endpoint.mtu is not None and not least <= endpoint.mtu <= MTU_MAX:
        raise BadInput(endpoint.where + "mtu", endpoint.mtu, "a number from %d to %d" % (least, MTU_MAX))
    if not 0 <= endpoint.proxy_delay <= 10000:
        raise BadInput(endpoint.where + "proxy_delay", endpoint.proxy_delay, "a number of 1/100 s from 0 to 10000")
    for gateway in (endpoint.gateway, endpoint.gateway6):
        if gateway in dict(endpoint.addresses):
            raise BadInput(endpoint.where + "addresses", gateway, "this is the endpoint's gateway")


def _check_unique(endpoints: Sequence[Endpoint]) -> None:
    """No two endpoints may share a host side, a namespace (it has one default route) or an address."""
    seen: Dict[Tuple[str, str], str] = {}
    for endpoint in endpoints:
        texts = [address for address, _prefix in endpoint.addresses]
        if len(set(texts)) < len(texts):
            raise BadInput(endpoint.where + "addresses", texts, "an address is named twice")
        values = [("name", endpoint.name), ("namespace", endpoint.namespace)]
        for key, value in values + [("addresses", text) for text in texts]:
            if (key, value) in seen:
                raise BadInput(endpoint.where + key, value, "%s has the same" % seen[key, value])
            seen[key, value] = endpoint.where + key


def _routes(given: Sequence[Mapping[str, Any]]) -> Tuple[PeerRoute, ...]:
    routes: List[PeerRoute] = []
    places: Dict[str, int] = {}
    for place, entry in enumerate(given):
        where = "routes[%d]." % place
        to = _destination(where + "to", entry["to"])
        via = checked_interface_address(where + "via", entry["via"])
        if "/" in entry["via"] or via.version != (6 if ":" in to else 4):
            raise BadInput(where + "via", entry["via"], "a plain address of the same family as 'to' is needed")
        if to in places:
            raise BadInput(where + "to", entry["to"], "routes[%d].to is the same" % places[to])
        places[to] = place
        interface = entry.get("interface")
        name = None if interface is None else checked_name(where + "interface", interface)
        routes.append(PeerRoute(to, str(via.ip), name))
    return tuple(routes)


def _check_own_routes(endpoints: Sequence[Endpoint], routes: Sequence[PeerRoute]) -> None:
    own = {host_route(address): endpoint.name for endpoint in endpoints for address, _prefix in endpoint.addresses}
    for place, route in enumerate(routes):
        if route.to in own:
            raise BadInput(
                "routes[%d].to" % place, route.to, "this is the way to the endpoint %s itself" % own[route.to]
            )


def _destination(parameter: str, value: str) -> str:
    try:
        return str(ipaddress.ip_network(value.strip()))
    except ValueError as error:
        raise BadInput(parameter, value, "a network such as 172.16.1.0/24 is needed (%s)" % error) from None


# Want


def towards(wish: Wish, facts: Facts, have: State) -> List[Change]:
    want = _present(wish, facts, have) if wish.present else _absent(wish, facts, have)
    # What is new comes first, so that no address is the last to leave an interface: its routes would go along.
    changes = plan(have, want, ORDER, removals_first=False)
    # What goes along with something else comes before that, so that on the way back it comes after it.
    along = going_along(changes)
    return [change for change in changes if change in along] + [change for change in changes if change not in along]


def _present(wish: Wish, facts: Facts, have: State) -> Dict[Identity, Any]:
    want: Dict[Identity, Any] = {}
    for endpoint in wish.endpoints:
        want.update(wired(endpoint, facts.mtu.get(endpoint.name), have))
    want.update(_peer_routes(wish, facts, have))
    return want


def wired(endpoint: Endpoint, uplink_mtu: Optional[int], have: State) -> Dict[Identity, Any]:
    """Everything that one endpoint consists of."""
    name, inside, interface = endpoint.name, endpoint.namespace, endpoint.interface
    mtu = endpoint.mtu or uplink_mtu
    standing = have.get(("namespace", inside))
    want: Dict[Identity, Any] = {
        ("namespace", inside): standing if standing and not standing.stale else Namespace(ours=True),
        ("veth", name): Veth(interface, inside),
        ("link", (inside, interface)): _link(have, (inside, interface), mtu, None),
        ("link", (inside, "lo")): _link(have, (inside, "lo"), None, None),
        ("link", (HERE, name)): _link(have, (HERE, name), mtu, endpoint.mac),
    }
    want.update({("sysctl", (HERE, path)): value for path, value in sysctls(endpoint)})
    want.update({("address", (inside, interface, address)): prefix for address, prefix in endpoint.addresses})
    if endpoint.has_ipv4:
        want[("route", (inside, endpoint.gateway + "/32"))] = Route(None, interface)
        want[("route", (inside, "0.0.0.0/0"))] = Route(endpoint.gateway, interface)
    if endpoint.has_ipv6:
        want[("address", (HERE, name, endpoint.gateway6))] = 64
        want[("route", (inside, "::/0"))] = Route(endpoint.gateway6, interface)
    for address, _prefix in endpoint.addresses:
        want[("route", (HERE, host_route(address)))] = Route(None, name)
    promotion: Identity = ("sysctl", (inside, "net/ipv4/conf/%s/promote_secondaries" % interface))
    if promotion in have or _loses_ipv4_address(endpoint, have):
        # Else the others of the same network would go with an address that is taken off.
        want[promotion] = "1"
    return {identity: _as_it_is(have, identity, value) for identity, value in want.items()}


def sysctls(endpoint: Endpoint) -> List[Tuple[str, str]]:
    """The host side answers for the gateway and all else, at once."""
    name, delay = endpoint.name, str(endpoint.proxy_delay)
    ipv4 = [("net/ipv4/conf/%s/proxy_arp" % name, "1"), ("net/ipv4/neigh/%s/proxy_delay" % name, delay)]
    ipv6 = [("net/ipv6/conf/%s/proxy_ndp" % name, "1"), ("net/ipv6/neigh/%s/proxy_delay" % name, delay)]
    return (ipv4 if endpoint.has_ipv4 else []) + (ipv6 if endpoint.has_ipv6 else [])


def host_route(address: str) -> str:
    return address + ("/128" if ":" in address else "/32")


def _link(have: State, key: Tuple[str, str], mtu: Optional[int], mac: Optional[str]) -> Link:
    standing: Link = have.get(("link", key)) or Link(up=False)
    return Link(up=True, mtu=mtu or standing.mtu, mac=mac or standing.mac)


def _loses_ipv4_address(endpoint: Endpoint, have: State) -> bool:
    return any(
        kind == "address" and key[:2] == (endpoint.namespace, endpoint.interface)  # type: ignore[index]
        and ":" not in key[2] and key[2] not in dict(endpoint.addresses)  # type: ignore[index]
        for kind, key in have
    )  # fmt: skip


def _as_it_is(have: State, identity: Identity, value: Any) -> Any:
    """What does the same satisfies.

    A route that leads the same way is kept, whoever made it, with its maker's protocol number. A delay is kept as a
    kernel of 250 ticks a second rounds it: of an odd number of 1/100 s it gives back one less.
    """
    standing = have.get(identity)
    if not standing:
        return value
    if isinstance(value, Route) and (standing.via, standing.interface) == (value.via, value.interface):
        return standing
    if _is_delay(identity) and int(value) % 2 and int(standing) == int(value) - 1:
        return standing
    return value


def _is_delay(identity: Identity) -> bool:
    kind, key = identity
    return kind == "sysctl" and key[1].endswith("/proxy_delay")  # type: ignore[index]


def _peer_routes(wish: Wish, facts: Facts, have: State) -> Dict[Identity, Any]:
    want = {}
    for route in wish.routes or ():
        identity: Identity = ("route", (HERE, route.to))
        value = Route(route.via, facts.outputs[route.to], wish.protocol)
        want[identity] = _as_it_is(have, identity, value)
    return want


def _absent(wish: Wish, facts: Facts, have: State) -> Dict[Identity, Any]:
    """Namespaces that others made or use stay, with their loopback as it is."""
    stay = {
        key for (kind, key), value in have.items() if kind == "namespace" and (not value.ours or key in facts.shared)
    }
    ours = {endpoint.name for endpoint in wish.endpoints}
    want: Dict[Identity, Any] = {}
    for (kind, key), value in have.items():
        loopback = kind == "link" and key[1] == "lo" and key[0] in stay  # type: ignore[index]
        theirs = kind == "route" and key[0] == HERE and _is_others(value, wish.protocol, ours)  # type: ignore[index]
        if loopback or theirs or (kind == "namespace" and key in stay):
            want[(kind, key)] = value
    return want


def _is_others(route: Route, protocol: int, ours: set[str]) -> bool:
    return route.protocol != protocol and route.interface not in ours


def report(wish: Wish, state: State) -> Dict[str, Any]:
    endpoints = []
    for endpoint in wish.endpoints:
        link: Optional[Link] = state.get(("link", (HERE, endpoint.name)))
        if link is not None:
            texts = ["%s/%d" % pair for pair in endpoint.addresses]
            names = {"name": endpoint.name, "namespace": endpoint.namespace, "container_interface": endpoint.interface}
            endpoints.append({**names, "addresses": texts, "mtu": link.mtu or 0, "mac": link.mac or ""})
    return {"endpoints": endpoints}
