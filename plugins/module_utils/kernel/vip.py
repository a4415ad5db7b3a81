# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what the kernel has of an interface that virtual addresses are for, and refuses what would harm."""

from __future__ import annotations

import errno
import os
from typing import Any, List, Optional, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput, LvsError, Unsupported
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import rtnetlink as rt
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import vip_note
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.link import (
    InterfaceAddress,
    addresses,
    link_rows,
)
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import NETLINK_ROUTE, Netlink
from ansible_collections.lulab.lvs.plugins.module_utils.model.network import HERE, Note
from ansible_collections.lulab.lvs.plugins.module_utils.model.vip import (
    ARP_EXCLUSIVE,
    CALICO_GATEWAY,
    DUMMY_DRIVER,
    Wish,
    described,
    exclusive,
)


def read(wish: Wish) -> Tuple[dict[Any, Any], Optional[str]]:
    """The state of the wished interface and its name; the name is None when nothing is to be done on it."""
    held = addresses()
    interface = _resolved(wish, held)
    row = next((row for row in _links() if row.name == interface), None)
    if interface is None or (row is None and not wish.present):
        return {}, None
    _check_kind(wish, interface, row)
    if wish.present:
        _check_addresses(wish, interface, held)
    state: dict[Any, Any] = {}
    if wish.dummy and row is not None:
        state[("dummy", interface)] = True
    elif wish.dummy and _dummy_driver():
        state[DUMMY_DRIVER] = True
    if row is not None:
        state.update(_noted(wish, interface, row.index, held))
    named = {vip.address for vip in wish.vips} | set(state.get(("note", interface), Note()).vips)
    anywhere = wish.interface_of is not None and _holder(wish.interface_of, held) is None
    for one in held:
        ours = wish.dummy and not one.address.is_link_local if one.address.version == 6 else wish.dummy
        wanted = ours or (str(one.address) in named and (_whole(one) or not anywhere))
        if one.interface == interface and wanted:
            state[("address", (HERE, interface, str(one.address)))] = one.prefix
    return state, interface


def _noted(wish: Wish, interface: str, index: int, held: List[InterfaceAddress]) -> dict[Any, Any]:
    """The note of the interface, and the settings that it or the wish speaks of."""
    note = vip_note.read(interface, index, {str(one.address) for one in held if one.interface == interface})
    state: dict[Any, Any] = {} if note is None else {("note", interface): note}
    return {**state, **_sysctls(interface)} if wish.arp_exclusive or (note and note.sysctls) else state


def found() -> List[dict[str, Any]]:
    """What may be virtual addresses, by interface, as the module would be asked for them."""
    held = addresses()
    told = []
    for row in _links():
        dummy = row.kind == "dummy"
        texts = [
            "%s/%d" % (one.address, one.prefix) for one in held if one.interface == row.name and _virtual(one, dummy)
        ]
        if texts or dummy:
            alone = list(_sysctls(row.name).values()) == list(ARP_EXCLUSIVE.values())
            told.append(described(row.name, dummy, texts, alone))
    return told


def _virtual(one: InterfaceAddress, dummy: bool) -> bool:
    """Any address of a dummy, and those of others that are no part of a network, but the kernel's own and Calico's."""
    own = one.address.is_loopback or (one.address.version == 6 and one.address.is_link_local)
    if own or str(one.address) == CALICO_GATEWAY:
        return False
    return dummy or _whole(one)


def _whole(one: InterfaceAddress) -> bool:
    """Whether it is an address alone (/32, /128), no part of a network."""
    return one.prefix == one.address.max_prefixlen


def _links() -> List[rt.LinkRow]:
    with Netlink(NETLINK_ROUTE) as socket_:
        return link_rows(socket_)


def _resolved(wish: Wish, held: List[InterfaceAddress]) -> Optional[str]:
    if wish.interface_of is None:
        return wish.interface
    interface = _holder(wish.interface_of, held)
    if interface is None and wish.present:
        raise BadInput("interface_of", wish.interface_of, "no interface has this address; 'ip address' shows all")
    # The host may have got another address since: what is to go is wherever it is, as we put it there.
    whole = [one for one in held if _whole(one)]
    return interface or next((found for vip in wish.vips if (found := _holder(vip.address, whole))), None)


def _holder(address: str, held: List[InterfaceAddress]) -> Optional[str]:
    return next((one.interface for one in held if str(one.address) == address), None)


def _check_kind(wish: Wish, interface: str, row: Optional[rt.LinkRow]) -> None:
    if row is None and not wish.dummy:
        raise BadInput("interface", interface, "there is no interface of that name; 'ip link' shows those there are")
    if row is not None and wish.dummy and row.kind != "dummy":
        kind = "of kind " + row.kind if row.kind else "a real one"
        raise BadInput("interface", interface, "the interface of that name is no dummy, it is %s" % kind)


def _check_addresses(wish: Wish, interface: str, held: List[InterfaceAddress]) -> None:
    for place, vip in enumerate(wish.vips):
        name = "addresses[%d]" % place
        for one in held:
            if str(one.address) != vip.address:
                continue
            if one.interface != interface:
                raise BadInput(name, vip.address, "the interface %s has this address already" % one.interface)
            if one.prefix != vip.length and not wish.dummy:
                raise BadInput(
                    name,
                    vip.address,
                    "it is %s's own address, as %s/%d" % (interface, vip.address, one.prefix),
                )


def _sysctls(interface: str) -> dict[Any, str]:
    values = {}
    for path in exclusive(interface):
        with open(os.path.join("/proc/sys", path), encoding="ascii") as file:
            values[("sysctl", (HERE, path))] = file.read().strip()
    return values


def _dummy_driver() -> bool:
    """Whether the driver is there (True) or can be loaded (False); raises ``Unsupported`` when neither."""
    if os.path.exists("/sys/module/dummy"):
        return True
    folder = os.path.join("/lib/modules", os.uname().release)
    if _mentions(os.path.join(folder, "modules.builtin")):
        return True
    if _mentions(os.path.join(folder, "modules.dep")):
        return False
    with Netlink(NETLINK_ROUTE) as socket_:
        refusal = socket_.transact([rt.link_probe("dummy")])[0]
    if refusal is not None and refusal.errno == errno.EOPNOTSUPP:
        raise Unsupported(
            "this kernel (%s) has no dummy driver: boot one that has it (CONFIG_DUMMY), or put the address on an "
            "existing interface ('kind: existing')" % os.uname().release
        )
    if refusal is None:
        raise LvsError("the kernel made an interface lvs-probe that it should have refused; remove it by 'ip link'")
    return True


def _mentions(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return any("/dummy.ko" in line.partition(":")[0] for line in file)
    except FileNotFoundError:
        return False
