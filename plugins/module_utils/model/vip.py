# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual addresses on an interface: what the options ask for, and the way there. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import Any, List, Mapping, Optional, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model.network import (
    HERE,
    ORDER,
    Note,
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
    """The options. Of ``interface`` and ``interface_of`` one is given.

    ``remove_interface`` None: a dummy goes that we made.
    """

    vips: Tuple[Vip, ...]
    interface: Optional[str]
    interface_of: Optional[str] = None
    dummy: bool = False
    exact: bool = False
    present: bool = True
    remove_interface: Optional[bool] = None
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
    return Wish(
        vips=_vips(params["addresses"]),
        interface=interface,
        interface_of=interface_of,
        dummy=dummy,
        exact=params["exact"],
        present=params["state"] == "present",
        remove_interface=params.get("remove_interface"),
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
    want: dict[Any, Any] = {**kept, **named}
    note = have.get(("note", interface), Note())
    if wish.arp_exclusive:
        want.update({("sysctl", (HERE, path)): value for path, value in exclusive(interface).items()})
        note = _exclusive_for(wish, note, have, interface)
    if wish.dummy:
        want[("dummy", interface)] = True
        if ("dummy", interface) not in have:
            want[DUMMY_DRIVER] = True
            note = replace(note, made=True)
    return _noted(want, note, interface)


def _exclusive_for(wish: Wish, note: Note, have: State, interface: str) -> Note:
    """``note`` with the wish's addresses among those that the interface's ARP settings are for."""
    found = {path: have.get(("sysctl", (HERE, path))) for path in exclusive(interface)}
    if found == exclusive(interface) and not note.sysctls and not note.vips:
        return note  # somebody else's settings, which stay with us and without us
    sysctls = note.sysctls or (() if found == exclusive(interface) else tuple(found.items()))
    vips = dict.fromkeys([*note.vips, *(vip.address for vip in wish.vips)])
    return replace(note, sysctls=sysctls, vips=tuple(vips))


def _absent(wish: Wish, have: State, interface: str) -> dict[Any, Any]:
    want = dict(have)
    note = have.get(("note", interface), Note())
    for vip in wish.vips:
        identity = ("address", (HERE, interface, vip.address))
        if vip.prefix is None or vip.prefix == have.get(identity):
            want.pop(identity, None)
    left = any(kind == "address" for kind, _key in want)
    remove = note.made if wish.remove_interface is None else wish.remove_interface
    if wish.dummy and remove and not left:
        return {}
    return _noted(want, note, interface)


def _noted(want: dict[Any, Any], note: Note, interface: str) -> dict[Any, Any]:
    """``want`` with the note; the settings are what they were once the last address is gone that they are for."""
    vips = tuple(vip for vip in note.vips if ("address", (HERE, interface, vip)) in want)
    if note.sysctls and not vips:
        want.update({("sysctl", (HERE, path)): value for path, value in note.sysctls if value is not None})
    note = replace(note, vips=vips, sysctls=note.sysctls if vips else ())
    want.pop(("note", interface), None)
    return want if note == Note() else {**want, ("note", interface): note}


def exclusive(interface: str) -> dict[str, str]:
    return {"net/ipv4/conf/%s/%s" % (interface, key): value for key, value in ARP_EXCLUSIVE.items()}


def report(wish: Wish, state: State, interface: Optional[str]) -> dict[str, Any]:
    named = {vip.address for vip in wish.vips}
    held = [
        (key[2], prefix)  # type: ignore[index]
        for (kind, key), prefix in state.items()
        if kind == "address" and (wish.dummy or key[2] in named)  # type: ignore[index]
    ]
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
