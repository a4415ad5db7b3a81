# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory as a topology: checked once, on the controller, before any host is touched. Pure.

Every number comes from inventory variables and none from facts, so that C(--limit) gives the same answers.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Iterable, Iterator, Mapping, Optional, Sequence

try:
    from netaddr import INET_PTON, AddrFormatError, IPAddress, IPNetwork
except ImportError:
    HAS_NETADDR = False
else:
    HAS_NETADDR = True

# A pod's gateway.
GATEWAY = "169.254.1.1"


class TopologyError(ValueError):
    """One clear sentence: which host, which variable, which value, what would be right."""


@dataclass(frozen=True)
class Host:
    """One host: its own address, and its pods' network and pod address where it has them."""

    name: str
    host_ip: str
    pod_cidr: Optional[str] = None
    pod_ip: Optional[str] = None


def topology(names: Iterable[str], variables: Mapping[str, Any], needs: Sequence[str] = ("host_ip",)) -> list[Host]:
    """The hosts ``names`` as their inventory ``variables`` describe them; raises ``TopologyError``."""
    if not HAS_NETADDR:
        raise TopologyError(
            "the filters need netaddr on the controller: install it beside Ansible (pip install netaddr)"
        )
    hosts = [_host(name, variables[name], needs) for name in names]
    if not hosts:
        raise TopologyError("the group has no hosts: add them to the inventory's group lvs")
    _refuse_twins(hosts)
    _refuse_overlaps(hosts)
    return hosts


def _host(name: str, variables: Mapping[str, Any], needs: Sequence[str]) -> Host:
    for variable in needs:
        if not variables.get(variable):
            raise TopologyError("%s: %s is not set: give it in the inventory" % (name, variable))
    host_ip = _address(name, "host_ip", variables["host_ip"])
    pod_cidr = _network(name, variables["pod_cidr"]) if variables.get("pod_cidr") else None
    pod_ip = _address(name, "pod_ip", variables["pod_ip"]) if variables.get("pod_ip") else None
    for variable, value, wrong, words in _oddities(host_ip, pod_cidr, pod_ip):
        if wrong:
            raise TopologyError("%s: %s: %s %s" % (name, variable, value, words))
    return Host(name, str(host_ip), str(pod_cidr) if pod_cidr else None, str(pod_ip) if pod_ip else None)


def _oddities(
    host_ip: IPAddress, pod_cidr: Optional[IPNetwork], pod_ip: Optional[IPAddress]
) -> Iterator[tuple[str, object, bool, str]]:
    """What one host's values cannot be: which variable, its value, whether it is so, and in words."""
    unusable = "is a loopback, multicast or zero address, or the pods' gateway: give one that a host can have"
    yield "host_ip", host_ip, _is_unusable(host_ip), unusable
    if pod_ip:
        yield "pod_ip", pod_ip, _is_unusable(pod_ip), unusable
        yield "pod_ip", pod_ip, pod_ip == host_ip, "is the host's own host_ip"
    if pod_cidr:
        yield "pod_cidr", pod_cidr, host_ip in pod_cidr, "covers the host's own host_ip %s" % host_ip
        yield "pod_cidr", pod_cidr, IPAddress(GATEWAY) in pod_cidr, "covers %s, the pods' gateway" % GATEWAY
        families = "is IPv%d, but host_ip is IPv%d: the routes between hosts need one family"
        yield "pod_cidr", pod_cidr, pod_cidr.version != host_ip.version, families % (pod_cidr.version, host_ip.version)
    if pod_cidr and pod_ip:
        yield "pod_ip", pod_ip, pod_ip not in pod_cidr, "is not inside pod_cidr %s" % pod_cidr
        ends = (pod_cidr.network, pod_cidr.broadcast) if pod_cidr.size > 2 else ()
        yield (
            "pod_ip",
            pod_ip,
            pod_ip in ends,
            "is the address of pod_cidr %s itself or its broadcast address" % pod_cidr,
        )


def _is_unusable(address: IPAddress) -> bool:
    return address.is_loopback() or address.is_multicast() or not int(address) or address == IPAddress(GATEWAY)


def _address(name: str, variable: str, value: object) -> IPAddress:
    try:
        return IPAddress(str(value), flags=INET_PTON)
    except (AddrFormatError, ValueError):
        raise TopologyError(
            "%s: %s: %r is no address: give one such as 10.130.17.30, without a prefix length" % (name, variable, value)
        ) from None


def _network(name: str, value: object) -> IPNetwork:
    address, slash, _prefix = str(value).partition("/")
    try:
        # IPNetwork alone takes less than four numbers, and reads those that begin with 0 in its own way.
        IPAddress(address if slash else "", flags=INET_PTON)
        network = IPNetwork(str(value))
    except (AddrFormatError, ValueError):
        raise TopologyError("%s: pod_cidr: %r is no network: give one such as 172.16.0.0/24" % (name, value)) from None
    if network.ip != network.network:
        raise TopologyError("%s: pod_cidr: %s has host bits set: did you mean %s?" % (name, value, network.cidr))
    return network


def _refuse_twins(hosts: Sequence[Host]) -> None:
    seen: dict[str, str] = {}
    for variable in ("host_ip", "pod_ip"):
        for host in hosts:
            value = getattr(host, variable)
            if value in seen:
                raise TopologyError("%s: %s: %s is also that of %s" % (host.name, variable, value, seen[value]))
            if value:
                seen[value] = host.name


def _refuse_overlaps(hosts: Sequence[Host]) -> None:
    networks = [(host.name, IPNetwork(host.pod_cidr)) for host in hosts if host.pod_cidr]
    for place, (name, network) in enumerate(networks):
        for other, earlier in networks[:place]:
            if network in earlier or earlier in network:
                raise TopologyError("%s: pod_cidr: %s overlaps %s of %s" % (name, network, earlier, other))
        for host in hosts:
            for variable in ("host_ip", "pod_ip"):
                value = getattr(host, variable)
                if value and host.name != name and IPAddress(value) in network:
                    raise TopologyError(
                        "%s: pod_cidr: %s covers %s %s of %s" % (name, network, variable, value, host.name)
                    )


def check_vip(hosts: Sequence[Host], vip: str) -> None:
    """Raise ``TopologyError`` for a virtual address that cannot work among ``hosts``."""
    address = _address("all hosts", "vip", vip)
    if address == IPAddress(GATEWAY):
        raise TopologyError("vip: %s is Calico's gateway address in every pod: choose another" % vip)
    for host in hosts:
        if address == IPAddress(host.host_ip) or (host.pod_ip and address == IPAddress(host.pod_ip)):
            raise TopologyError(
                "vip: %s is an address of %s: a virtual address must be nobody's own" % (vip, host.name)
            )
        if host.pod_cidr and address in IPNetwork(host.pod_cidr):
            raise TopologyError("vip: %s is inside pod_cidr %s of %s" % (vip, host.pod_cidr, host.name))


def check_port(variable: str, port: object) -> int:
    if isinstance(port, bool) or not str(port).isdigit() or not 1 <= int(str(port)) <= 65535:
        raise TopologyError("%s: %r is no port: give a number from 1 to 65535" % (variable, port))
    return int(str(port))


def peer_routes(hosts: Sequence[Host], name: str) -> list[dict[str, str]]:
    """A route to every other host's pods, via that host; raises ``TopologyError`` for a ``name`` of none of them."""
    if name not in [host.name for host in hosts]:
        known = ", ".join(host.name for host in hosts)
        raise TopologyError("peer_routes: %r is no host of the topology: give one of %s" % (name, known))
    return [{"to": host.pod_cidr, "via": host.host_ip} for host in hosts if host.name != name and host.pod_cidr]


def real_servers(hosts: Sequence[Host], variable: str, port: int, answers: bool = False) -> list[dict[str, Any]]:
    """Each host's address of the kind ``variable`` names, with ``port``; with ``answers`` what its /lu begins with."""
    for host in hosts:
        if not getattr(host, variable):
            raise TopologyError("%s: %s is not set: give it in the inventory" % (host.name, variable))
    return [
        {"address": getattr(host, variable), "port": port, **({"answer": host.host_ip} if answers else {})}
        for host in hosts
    ]


def declared_servers(declared: Sequence[Mapping[str, Any]], own: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The servers that get a turn: as one of ``own`` where its address and port are declared, else by these only."""
    known = {(IPAddress(server["address"]), server["port"]): server for server in own}
    turns = [server for server in declared if int(server.get("weight", 1))]
    plain: list[dict[str, Any]] = [{"address": str(server["address"]), "port": int(server["port"])} for server in turns]
    return [dict(known.get((IPAddress(server["address"]), server["port"]), server)) for server in plain]


def as_plain(hosts: Sequence[Host]) -> list[dict[str, Optional[str]]]:
    return [asdict(host) for host in hosts]
