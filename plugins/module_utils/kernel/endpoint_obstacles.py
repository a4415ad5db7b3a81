# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in the way of a workload endpoint: refused before anything is changed."""

from __future__ import annotations

from typing import Optional, Set

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.endpoint_view import View, plain, somebodys
from ansible_collections.lulab.lvs.plugins.module_utils.model.endpoint import Endpoint, PeerRoute, host_route
from ansible_collections.lulab.lvs.plugins.module_utils.model.network import HERE, Veth


def check(endpoint: Endpoint, here: View, inside: View, pair: Optional[Veth], ours: Set[str]) -> None:
    """``ours`` are all endpoints that are asked for: an address may go from one of them to another."""
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
    unmoved = endpoint.interface if pair is not None and pair.namespace == HERE else None
    for place, (address, _prefix) in enumerate(endpoint.addresses):
        parameter = "%saddresses[%d]" % (where, place)
        _check_holders(parameter, address, endpoint, here, inside, unmoved)
        _check_host_routes(parameter, address, here, ours)
    _check_routes_inside(endpoint, inside)


def check_gone(endpoint: Endpoint, pair: Optional[Veth]) -> None:
    """Refuse to remove a pair that is nobody's endpoint: a name alone may be that of a host's uplink."""
    if pair is None or (pair.peer and pair.namespace == endpoint.namespace) or pair == Veth(endpoint.interface, HERE):
        return
    raise BadInput(
        endpoint.where + "name",
        endpoint.name,
        "it is no endpoint of namespace %s, as its other end is %s: if it shall go, 'ip link delete %s'"
        % (
            endpoint.namespace,
            "%s, on the host" % pair.peer if pair.peer else "in another network namespace",
            endpoint.name,
        ),
    )


def _check_pair(endpoint: Endpoint, pair: Veth) -> None:
    remedy = "'ip link delete %s' removes the pair" % endpoint.name
    if not pair.peer:
        raise BadInput(
            endpoint.where + "name",
            endpoint.name,
            "its other end is in a network namespace that is not %s: %s" % (endpoint.namespace, remedy),
        )
    if pair.peer != endpoint.interface:
        place = "in namespace " + pair.namespace if pair.namespace else "on the host"
        raise BadInput(
            endpoint.where + "name",
            endpoint.name,
            "its other end is called %s, %s, not %s: %s" % (pair.peer, place, endpoint.interface, remedy),
        )


def _check_holders(
    parameter: str, address: str, endpoint: Endpoint, here: View, inside: View, unmoved: Optional[str]
) -> None:
    """Nobody else may have the address; ``unmoved`` is the pair's other end, as long as that is on the host."""
    for row in here.addresses:
        if str(row.address) == address and here.name(row.index) != unmoved:
            raise BadInput(parameter, address, "the host's own interface %s has this address" % here.name(row.index))
    for row in inside.addresses:
        if str(row.address) == address and inside.name(row.index) != endpoint.interface:
            holder = inside.name(row.index)
            raise BadInput(parameter, address, "%s in namespace %s has this address" % (holder, endpoint.namespace))


def _check_host_routes(parameter: str, address: str, here: View, ours: Set[str]) -> None:
    for row in here.routes_to(host_route(address)):
        if not somebodys(row) or row.via is not None or here.name(row.output) not in ours:
            raise BadInput(parameter, address, "a route leads there by another way, %s" % here.text(row))


def _check_routes_inside(endpoint: Endpoint, inside: View) -> None:
    needed = [host_route(endpoint.gateway), "0.0.0.0/0"] if endpoint.has_ipv4 else []
    needed += ["::/0"] if endpoint.has_ipv6 else []
    for destination in needed:
        for row in inside.routes_to(destination):
            if not plain(row) or inside.name(row.output) != endpoint.interface:
                what = "a default route" if destination.endswith("/0") else "a route to the gateway"
                raise BadInput(
                    endpoint.where + "namespace",
                    endpoint.namespace,
                    "it has %s already, %s" % (what, inside.text(row)),
                )


def check_peer_route(place: int, asked: PeerRoute, output: str, here: View, protocol: int) -> None:
    """Refuse what leads to the same destination, unless it is ours to change or leads the same way.

    It is looked for whatever its kind and metric: what the kernel keeps beside ours may be preferred to it.
    """
    for row in here.routes_to(asked.to):
        route = here.route(row)
        same = somebodys(row) and (route.via, route.interface) == (asked.via, output)
        if not same and not (plain(row) and row.protocol == protocol):
            raise BadInput(
                "routes[%d].to" % place,
                asked.to,
                "somebody else's route leads there, %s: remove it first, or leave this one out" % here.text(row),
            )
