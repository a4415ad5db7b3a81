# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The lulab.lvs founders
"""From a topology to what each guest is started with. Pure: no files, no processes."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Mapping

from errors import LabError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
MEMORY = re.compile(r"[1-9][0-9]*[MG]")
DEFAULT_MEMORY = "256M"
KEYS = {"hosts", "memory"}
HOST_KEYS = {"name", "address", "memory"}


@dataclass(frozen=True)
class Guest:
    """One guest: its name, its address with prefix length, its memory as the kernel wants it."""

    name: str
    address: ipaddress.IPv4Interface
    memory: str = DEFAULT_MEMORY

    @property
    def number(self) -> str:
        """Eight hexadecimal digits that no other guest of this lab has, and that stay when others come."""
        return f"{int(self.address.ip):08x}"

    @property
    def mac(self) -> str:
        return ":".join(["02", "00", *re.findall("..", self.number)])

    @property
    def link(self) -> str:
        """The end of the cable that the guest's kernel holds."""
        return f"g{self.number}"

    @property
    def port(self) -> str:
        """The end of the cable that is in the bridge."""
        return f"p{self.number}"


@dataclass(frozen=True)
class Topology:
    """All guests, and the bridge's address, which is their default gateway."""

    guests: tuple[Guest, ...]
    gateway: ipaddress.IPv4Interface


def parse_topology(data: Any) -> Topology:
    """Read {"hosts": [{"name", "address"[, "memory"]}], "memory"}; refuse with one line what cannot be."""
    _known(data, KEYS, "the topology")
    memory = data.get("memory", DEFAULT_MEMORY)
    hosts = data.get("hosts")
    if not isinstance(hosts, list) or not hosts:
        raise LabError("the topology has no hosts: give 'hosts' a list with at least one {name, address}")
    guests = tuple(_guest(host, memory) for host in hosts)
    _unique("name", [guest.name for guest in guests])
    _unique("address", [str(guest.address.ip) for guest in guests])
    return Topology(guests, _gateway(guests))


def _known(data: Any, known: set[str], what: str) -> None:
    if not isinstance(data, Mapping):
        raise LabError(f"{what} is not a JSON object")
    unknown = sorted(set(data) - known)
    if unknown:
        raise LabError(f"{what} has unknown keys {', '.join(unknown)}: known are {', '.join(sorted(known))}")


def _guest(host: Any, memory: str) -> Guest:
    _known(host, HOST_KEYS, "a host of the topology")
    name, address = str(host.get("name", "")), str(host.get("address", ""))
    memory = str(host.get("memory", memory))
    if not NAME.fullmatch(name):
        raise LabError(f"'{name}' cannot be a host name: use letters, digits, '.', '-' and '_'")
    if not MEMORY.fullmatch(memory):
        raise LabError(f"{name}: memory '{memory}' is not a size: write it like 256M")
    try:
        interface = ipaddress.IPv4Interface(address)
    except ValueError as error:
        raise LabError(f"{name}: address '{address}' is not an IPv4 address with a prefix: {error}") from None
    if interface.network.prefixlen > 29:
        raise LabError(f"{name}: address '{address}' has no prefix length of 29 or less, such as /24")
    if interface.ip in (interface.network.network_address, interface.network.broadcast_address):
        raise LabError(f"{name}: address '{address}' is its network's own or broadcast address: take another")
    return Guest(name, interface, memory)


def _unique(what: str, values: list[str]) -> None:
    for value in values:
        where = [str(index) for index, other in enumerate(values) if other == value]
        if len(where) > 1:
            raise LabError(f"hosts {' and '.join(where)} of the topology have the same {what} {value}")


def _gateway(guests: tuple[Guest, ...]) -> ipaddress.IPv4Interface:
    """The first address that no guest has."""
    networks = sorted({guest.address.network for guest in guests})
    if len(networks) > 1:
        raise LabError(f"the hosts are in different networks ({', '.join(map(str, networks))}): the lab has one bridge")
    taken = {guest.address.ip for guest in guests}
    for address in networks[0].hosts():
        if address not in taken:
            return ipaddress.IPv4Interface(f"{address}/{networks[0].prefixlen}")
    raise LabError(f"no address of {networks[0]} is left for the bridge: take a shorter prefix")


def topology_of_inventory(inventory: Mapping[str, Any], group: str, prefix: int, memory: str) -> dict[str, Any]:
    """The topology in what `ansible-inventory --list` prints: every host of the group, by its host_ip."""
    hostvars = inventory.get("_meta", {}).get("hostvars", {})
    names = _members(inventory, group)
    if not names:
        raise LabError(f"the inventory has no hosts in group '{group}': put the lab's hosts there")
    for name in names:
        if "host_ip" not in hostvars.get(name, {}):
            raise LabError(f"{name} has no host_ip in the inventory: give it one")
    hosts = [{"name": name, "address": f"{hostvars[name]['host_ip']}/{prefix}"} for name in names]
    return {"hosts": hosts, "memory": memory}


def _members(inventory: Mapping[str, Any], group: str) -> list[str]:
    entry = inventory.get(group, {})
    names = list(entry.get("hosts", []))
    for child in entry.get("children", []):
        names += [name for name in _members(inventory, child) if name not in names]
    return names


def kernel_arguments(guest: Guest, gateway: ipaddress.IPv4Interface, public_key: str) -> list[str]:
    """The kernel's command line. The paths are those inside the kernel's own root (see supervisor.py)."""
    machine_id = hashlib.md5(guest.name.encode(), usedforsecurity=False).hexdigest()
    return [
        f"mem={guest.memory}",
        f"ubd0=/lab/disks/{guest.name}.cow,/image/root.ext4",
        "root=/dev/ubda",
        "rootfstype=ext4",
        "rw",
        f"vec0:transport=raw,ifname={guest.link},depth=128,gro=1,mac={guest.mac}",
        "net.ifnames=0",
        # The idle loop can fall asleep on a task that an interrupt has just woken, until the next interrupt: with
        # the tick kept that is 10 ms away, without it it may be 20 s.
        "nohz=off",
        "con=null",
        "con0=null,fd:1",
        f"umid={guest.name}",
        "uml_dir=/tmp/uml",
        "panic=1",
        "noreboot",
        "systemd.show_status=0",
        f"systemd.machine_id={machine_id}",
        f"lab.name={guest.name}",
        f"lab.address={guest.address}",
        f"lab.gateway={gateway.ip}",
        f"lab.mac={guest.mac}",
        f"lab.key={public_key.split()[1]}",
    ]


def reconcile(running: Mapping[str, list[str]], wanted: Mapping[str, list[str]]) -> tuple[list[str], list[str]]:
    """Names to stop and names to start, so that exactly the wanted command lines run."""
    stop = [name for name, arguments in running.items() if wanted.get(name) != arguments]
    start = [name for name, arguments in wanted.items() if running.get(name) != arguments]
    return stop, start
