# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual services and real servers: what they are, and how ipvsadm writes them.

A state holds two kinds::

    ("service", ServiceKey)                          -> Service
    ("server", (ServiceKey, address, port))          -> Server

Addresses are text as inet_ntop writes it, so that equal addresses are equal keys. Named tuples, not
dataclasses: tens of thousands are made and compared in one run, which tuples do several times faster.
"""

from __future__ import annotations

import socket
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State

ORDER = ("service", "server")

FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
DEFAULT_PROTOCOL = "tcp"
DEFAULT_SCHEDULER = "wlc"
DEFAULT_TIMEOUT = 300
WHOLE_ADDRESS = {"ipv4": "255.255.255.255", "ipv6": "128"}

# ipvsadm's switches.
PROTOCOL_SWITCH = {"tcp": "-t", "udp": "-u", "sctp": "--sctp-service"}
FORWARD_SWITCH = {"masquerading": "-m", "tunneling": "-i", "direct": "-g", "local": "-g", "bypass": "-g"}
CHECKSUM_SWITCH = {"none": "--tun-nocsum", "csum": "--tun-csum", "remcsum": "--tun-remcsum"}

# What the scheduler-specific bits of a service's flags are called; other bits go by number.
FLAG_BITS = {"flag-1": 0x08, "flag-2": 0x10, "flag-3": 0x20}
SCHEDULER_FLAG_BITS: Dict[str, Dict[str, int]] = {
    "sh": {"sh-fallback": 0x08, "sh-port": 0x10, "flag-3": 0x20},
    "mh": {"mh-fallback": 0x08, "mh-port": 0x10, "flag-3": 0x20},
}


class ServiceKey(NamedTuple):
    """What tells one virtual service from another: a firewall mark, or protocol, address and port."""

    family: str
    fwmark: int = 0
    protocol: str = ""
    address: str = ""
    port: int = 0


class Service(NamedTuple):
    """A virtual service without its servers.

    ``flags`` are the scheduler's bits; ``timeout`` is the persistence in seconds, 0 for none. ``netmask``
    groups the clients of a persistent service: dotted for IPv4, a prefix length for IPv6.
    """

    scheduler: str = DEFAULT_SCHEDULER
    flags: int = 0
    timeout: int = 0
    netmask: str = ""
    engine: str = ""
    one_packet: bool = False


class Server(NamedTuple):
    """A real server as its service sees it; thresholds are connections, 0 for none."""

    forward: str = "masquerading"
    weight: int = 1
    upper: int = 0
    lower: int = 0
    tunnel: str = "ipip"
    tunnel_port: int = 0
    checksum: str = "none"


ServerKey = Tuple[ServiceKey, str, int]
Servers = Mapping[Tuple[str, int], Server]


def address_family(address: str) -> str:
    return "ipv6" if ":" in address else "ipv4"


def host_port(address: str, port: int) -> str:
    return ("[%s]:%d" if ":" in address else "%s:%d") % (address, port)


def service_words(key: ServiceKey) -> str:
    """The service in a sentence: ``tcp 169.254.2.100:80`` or ``fwmark 7 (ipv6)``."""
    if key.fwmark:
        return "fwmark %d (%s)" % (key.fwmark, key.family)
    return "%s %s" % (key.protocol, host_port(key.address, key.port))


def service_switches(key: ServiceKey) -> str:
    if key.fwmark:
        return "-f %d%s" % (key.fwmark, " -6" if key.family == "ipv6" else "")
    return "%s %s" % (PROTOCOL_SWITCH[key.protocol], host_port(key.address, key.port))


def flag_bits(scheduler: str) -> Dict[str, int]:
    """The names of ``scheduler``'s own flags, in the order ipvsadm prints them."""
    return SCHEDULER_FLAG_BITS.get(scheduler, FLAG_BITS)


def flag_names(service: Service) -> List[str]:
    return [name for name, bit in flag_bits(service.scheduler).items() if service.flags & bit]


def service_settings(key: ServiceKey, service: Service) -> str:
    """What follows the service's name in ``ipvsadm -A`` and in ``ipvsadm -Sn``."""
    words = ["-s", service.scheduler]
    if service.timeout:
        words += ["-p", str(service.timeout)]
        if service.netmask != WHOLE_ADDRESS[key.family]:
            words += ["-M", service.netmask]
    if service.engine:
        words += ["--pe", service.engine]
    if service.one_packet:
        words.append("-o")
    if service.flags:
        words += ["-b", ",".join(flag_names(service))]
    return " ".join(words)


def tunnel_settings(server: Server) -> str:
    words = " --tun-type %s" % server.tunnel
    if server.tunnel == "gue":
        words += " --tun-port %d" % server.tunnel_port
    if server.tunnel != "ipip":
        words += " " + CHECKSUM_SWITCH[server.checksum]
    return words


def server_settings(server: Server, saved: bool = False) -> str:
    """What follows the server's name in a command; ``saved`` leaves out what ``ipvsadm -Sn`` does not print."""
    words = "%s -w %d" % (FORWARD_SWITCH[server.forward], server.weight)
    if not saved and server.upper:
        words += " -x %d" % server.upper
    if not saved and server.lower:
        words += " -y %d" % server.lower
    # A saved tunnel always names its type; a typed one needs it only where it is not the default.
    if server.forward == "tunneling" and (saved or server.tunnel != "ipip"):
        words += tunnel_settings(server)
    return words


def commands(changes: Sequence[Change]) -> List[str]:
    """What one would have typed, in order."""
    write = {"service": service_command, "server": server_command}
    return [write[change.kind](change) for change in changes]


def service_command(change: Change) -> str:
    key: ServiceKey = change.key  # type: ignore[assignment]
    if change.removes:
        return "ipvsadm -D %s" % service_switches(key)
    verb = "-A" if change.creates else "-E"
    return "ipvsadm %s %s %s" % (verb, service_switches(key), service_settings(key, change.after))


def server_command(change: Change) -> str:
    server_key: Any = change.key
    service, address, port = server_key
    names = "%s -r %s" % (service_switches(service), host_port(address, port))
    if change.removes:
        return "ipvsadm -d %s" % names
    verb = "-a" if change.creates else "-e"
    return "ipvsadm %s %s %s" % (verb, names, server_settings(change.after))


def packed(address: str) -> bytes:
    if not address:
        return b""
    return socket.inet_pton(FAMILIES[address_family(address)], address)


def in_order(key: ServiceKey) -> Tuple[int, str, int, bytes, int]:
    """Sorts services as ipvsadm lists them."""
    return (key.fwmark, key.family, PROTOCOLS.get(key.protocol, 0), packed(key.address), key.port)


def grouped(state: State) -> Dict[ServiceKey, Tuple[Service, Dict[Tuple[str, int], Server]]]:
    """Each service of ``state`` with its servers, services and servers in ipvsadm's order."""
    keys: List[ServiceKey] = sorted(
        (key for kind, key in state if kind == "service"),  # type: ignore[misc]
        key=in_order,
    )
    result: Dict[ServiceKey, Tuple[Service, Dict[Tuple[str, int], Server]]] = {
        key: (state["service", key], {}) for key in keys
    }
    server_keys: List[ServerKey] = [key for kind, key in state if kind == "server"]  # type: ignore[misc]
    for service, address, port in sorted(server_keys, key=lambda key: (packed(key[1]), key[2])):
        result[service][1][address, port] = state["server", (service, address, port)]
    return result


def listing(state: State) -> str:
    """The state as ``ipvsadm -Sn`` prints it; thresholds, which that leaves out, as one would type them."""
    lines = []
    for key, (service, servers) in grouped(state).items():
        name = service_switches(key)
        lines.append("-A %s %s" % (name, service_settings(key, service)))
        for (address, port), server in servers.items():
            line = "-a %s -r %s %s" % (name, host_port(address, port), server_settings(server, saved=True))
            line += " -x %d" % server.upper if server.upper else ""
            line += " -y %d" % server.lower if server.lower else ""
            lines.append(line)
    return "".join(line + "\n" for line in lines)


def described(state: State) -> List[Dict[str, Any]]:
    """The services of ``state`` in the shape that the module's C(services) option takes."""
    return [describe(key, service, servers) for key, (service, servers) in grouped(state).items()]


def describe(key: ServiceKey, service: Service, servers: Servers) -> Dict[str, Any]:
    if key.fwmark:
        result: Dict[str, Any] = {"fwmark": key.fwmark, "family": key.family}
    else:
        result = {"address": key.address, "port": key.port, "protocol": key.protocol}
    result["scheduler"] = service.scheduler
    if service.flags:
        result["scheduler_flags"] = flag_names(service)
    if service.timeout:
        result["persistence"] = {"timeout": service.timeout, "netmask": service.netmask}
        if service.engine:
            result["persistence"]["engine"] = service.engine
    if service.one_packet:
        result["one_packet"] = True
    result["servers"] = [describe_server(address, port, server) for (address, port), server in servers.items()]
    return result


def describe_server(address: str, port: int, server: Server) -> Dict[str, Any]:
    result: Dict[str, Any] = {"address": address, "port": port, "weight": server.weight, "forward": server.forward}
    if server.upper:
        result["upper_threshold"] = server.upper
    if server.lower:
        result["lower_threshold"] = server.lower
    if server.forward == "tunneling":
        result["tunnel"] = {"type": server.tunnel}
        if server.tunnel == "gue":
            result["tunnel"]["port"] = server.tunnel_port
        if server.tunnel != "ipip":
            result["tunnel"]["checksum"] = server.checksum
    return result
