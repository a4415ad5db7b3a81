# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual addresses on an interface: what the options ask for, and the way there. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model.network import (
    HERE,
    ORDER,
    checked_interface_address,
    checked_name,
)
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State, plan

CALICO_GATEWAY = "169.254.1.1"
DUMMY_DRIVER = ("module", "dummy")
# Answer ARP for an address only on the interface that has it, and ask in its name on no other.
ARP_EXCLUSIVE = {"arp_ignore": "1", "arp_announce": "2"}


@dataclass(frozen=True)
class Vip:
    """``prefix`` is None where the user gave none: /32 or /128 when added, any when removed."""

    address: str
    prefix: Optional[int]

    @property
    def length(self) -> int:
        if self.prefix is not None:
            return self.prefix
        return 128 if ":" in self.address else 32


@dataclass(frozen=True)
class Wish:
    """The options. Of ``interface`` and ``interface_of`` one is given."""

    vips: Tuple[Vip, ...]
    interface: Optional[str]
    interface_of: Optional[str] = None
    dummy: bool = False
    exact: bool = False
    present: bool = True
    remove_interface: bool = True
    arp_exclusive: bool = False


def parse(params: Mapping[str, Any]) -> Wish:
    dummy = params["kind"] == "dummy"
    interface, interface_of = params.get("interface"), params.get("interface_of")
    if (interface is None) == (interface_of is None):
        raise BadInput("interface", interface, "give either 'interface' or 'interface_of'")
    if dummy and interface is None:
        raise BadInput("interface_of", interface_of, "a dummy is named by 'interface'")
    if params["exact"] and not dummy:
        raise BadInput("exact", True, "only a dummy's addresses can be all ours: set 'kind: dummy'")
    if interface is not None:
        checked_name("interface", interface)
    if interface_of is not None:
        interface_of = str(checked_interface_address("interface_of", interface_of).ip)
    remove = params.get("remove_interface")
    return Wish(
        vips=_vips(params["addresses"]),
        interface=interface,
        interface_of=interface_of,
        dummy=dummy,
        exact=params["exact"],
        present=params["state"] == "present",
        remove_interface=dummy if remove is None else remove,
        arp_exclusive=params["arp_exclusive"],
    )


def _vips(values: List[str]) -> Tuple[Vip, ...]:
    places: dict[str, int] = {}
    vips = []
    for place, value in enumerate(values):
        name = "addresses[%d]" % place
        parsed = checked_interface_address(name, value)
        address = str(parsed.ip)
        if address == CALICO_GATEWAY:
            raise BadInput(name, value, "this is the gateway of every Calico workload, it cannot be a virtual address")
        if address in places:
            raise BadInput(name, value, "addresses[%d] is the same address" % places[address])
        if parsed.ip.version == 6 and parsed.ip.is_link_local:
            raise BadInput(name, value, "a link-local address reaches nobody beyond the link")
        places[address] = place
        vips.append(Vip(address, parsed.network.prefixlen if "/" in value else None))
    return tuple(vips)


def towards(wish: Wish, have: State, interface: Optional[str]) -> List[Change]:
    """The changes from ``have``, which holds what the kernel has of ``interface``; None: there is no such interface."""
    if interface is None:
        return []
    want = _present(wish, have, interface) if wish.present else _absent(wish, have, interface)
    return plan(have, want, ORDER)


def _present(wish: Wish, have: State, interface: str) -> dict[Any, Any]:
    named = {("address", (HERE, interface, vip.address)): vip.length for vip in wish.vips}
    kept = {
        identity: value
        for identity, value in have.items()
        if not (wish.exact and identity[0] == "address" and identity not in named)
    }
    want: dict[Any, Any] = {**kept, **named, **_arp(wish, interface, ARP_EXCLUSIVE)}
    if wish.dummy:
        want[("dummy", interface)] = True
        if ("dummy", interface) not in have:
            want[DUMMY_DRIVER] = True
    return want


def _absent(wish: Wish, have: State, interface: str) -> dict[Any, Any]:
    want = dict(have)
    for vip in wish.vips:
        identity = ("address", (HERE, interface, vip.address))
        if vip.prefix is None or vip.prefix == have.get(identity):
            want.pop(identity, None)
    left = any(kind == "address" for kind, _key in want)
    if wish.dummy and wish.remove_interface and not left:
        return {}
    standing = any(kind == "sysctl" for kind, _key in have)
    return {**want, **(_arp(wish, interface, dict.fromkeys(ARP_EXCLUSIVE, "0")) if standing else {})}


def _arp(wish: Wish, interface: str, values: Mapping[str, str]) -> dict[Any, Any]:
    if not wish.arp_exclusive:
        return {}
    return {("sysctl", (HERE, "net/ipv4/conf/%s/%s" % (interface, key))): value for key, value in values.items()}


def report(state: State, interface: Optional[str]) -> dict[str, Any]:
    held = [(key[2], prefix) for (kind, key), prefix in state.items() if kind == "address"]  # type: ignore[index]
    held.sort(key=lambda pair: (":" in pair[0], ipaddress.ip_address(pair[0]).packed))
    return {"interface": interface or "", "addresses": ["%s/%d" % pair for pair in held]}


def described(interface: str, dummy: bool, addresses: List[str], arp_exclusive: bool) -> dict[str, Any]:
    """Addresses on an interface, in the shape of the module's options."""
    told: dict[str, Any] = {
        "interface": interface,
        "kind": "dummy" if dummy else "existing",
        "addresses": addresses,
    }
    return {**told, "arp_exclusive": True} if arp_exclusive else told
