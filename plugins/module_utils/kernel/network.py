# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries out changes of namespaces, links, addresses, routes and sysctls, in whichever namespace they are."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import subprocess
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError, Refused, errno_words
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import namespace, vip_note
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import rtnetlink as rt
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.link import address_rows, route_rows
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import (
    NETLINK_ROUTE,
    Message,
    Netlink,
    NetlinkError,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model import network as model
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change

SYSCTLS = "/proc/sys"


def apply(changes: Sequence[Change]) -> None:
    """Carry out ``changes`` in order; raises ``Refused`` with those that took effect."""
    along = model.going_along(changes)
    done: List[Change] = []
    with contextlib.closing(Hands()) as hands:
        for change in changes:
            try:
                if change not in along:
                    _STEPS[change.kind](hands, change)
            except (NetlinkError, OSError, LvsError) as error:
                raise Refused(change, _words(change, error), done) from error
            done.append(change)


def within(name: str) -> contextlib.AbstractContextManager[None]:
    return inside(name or None, "namespace")


class Hands:
    """One rtnetlink socket a namespace, opened when it is first needed, and a way back to where we started."""

    def __init__(self) -> None:
        self._sockets: Dict[str, Netlink] = {}
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        for socket_ in self._sockets.values():
            socket_.close()
        os.close(self.home)

    def socket(self, name: str) -> Netlink:
        if name not in self._sockets:
            with within(name):
                self._sockets[name] = Netlink(NETLINK_ROUTE)
        return self._sockets[name]

    def forget(self, name: str) -> None:
        """An open socket would keep a removed namespace alive."""
        if name in self._sockets:
            self._sockets.pop(name).close()

    @contextlib.contextmanager
    def descriptor(self, name: str) -> Iterator[int]:
        """A descriptor of the namespace ``name``."""
        if not name:
            yield self.home
            return
        opened = os.open(namespace.path_of(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield opened
        finally:
            os.close(opened)

    def send(self, name: str, message: Message) -> None:
        refusal = self.socket(name).transact([message])[0]
        if refusal:
            raise refusal

    @contextlib.contextmanager
    def promoting(self, name: str, interface: str) -> Iterator[None]:
        """While an IPv4 address is removed: unless told to promote them, the kernel drops those of the same network
        that came after it, with their labels and with the routes that rest on them."""
        index = self.index(name, interface)
        if not any(row.secondary and row.index == index for row in address_rows(self.socket(name))):
            yield
            return
        path = os.path.join(SYSCTLS, "net/ipv4/conf/%s/promote_secondaries" % interface)
        before = _exchanged(name, path, "1")
        try:
            yield
        finally:
            _exchanged(name, path, before)

    def has_route(self, name: str, message: Message) -> bool:
        """Whether the very route that ``message`` makes is there."""
        wanted = rt.route_row(message[2])
        return any(
            (row.destination, row.via, row.output, row.protocol, row.kind)
            == (wanted.destination, wanted.via, wanted.output, wanted.protocol, wanted.kind)
            for row in route_rows(self.socket(name))
        )

    def link(self, name: str, interface: str) -> Optional[rt.LinkRow]:
        try:
            return next((rt.link_row(b) for b in self.socket(name).get(rt.RTM_GETLINK, rt.link_get(interface))), None)
        except NetlinkError as error:
            if error.errno == errno.ENODEV:
                return None
            raise

    def index(self, name: str, interface: str) -> int:
        row = self.link(name, interface)
        if row is None:
            raise NetlinkError(errno.ENODEV)
        return row.index


def _key(change: Change) -> Any:
    return change.key


def _module(hands: Hands, change: Change) -> None:
    # Without numdummies=0 loading the driver makes a dummy0 that nobody asked for. Should this fail, the kernel
    # says so when the dummy is made.
    if not change.removes:
        with contextlib.suppress(OSError):
            subprocess.run(["modprobe", "dummy", "numdummies=0"], capture_output=True, check=False)


def _namespace(hands: Hands, change: Change) -> None:
    name = str(change.key)
    if change.removes or change.before is not None:
        hands.forget(name)
        namespace.delete(name)
    if not change.removes:
        namespace.create(name)


def _veth(hands: Hands, change: Change) -> None:
    name = str(change.key)
    before: Optional[model.Veth] = change.before
    after: Optional[model.Veth] = change.after
    if after is None:
        hands.send(model.HERE, rt.link_delete(hands.index(model.HERE, name)))
    elif before is None:
        with hands.descriptor(after.namespace) as target:
            hands.send(model.HERE, rt.veth_add(name, after.peer, target if after.namespace else None))
    else:
        index = hands.index(before.namespace, before.peer)
        with hands.descriptor(after.namespace) as target:
            hands.send(before.namespace, rt.link_set(index, namespace=target))


def _dummy(hands: Hands, change: Change) -> None:
    name = str(change.key)
    if change.removes:
        hands.send(model.HERE, rt.link_delete(hands.index(model.HERE, name)))
        vip_note.forget(name)
        return
    # Noted before it is there: one that a run cut off right then leaves is still known to be ours.
    vip_note.write(name, None, model.Note(made=True))
    try:
        hands.send(model.HERE, rt.dummy_add(name))
    except NetlinkError as error:
        row = hands.link(model.HERE, name) if error.errno == errno.EEXIST else None
        # The kernel may have loaded the driver for this very request, and that makes a dummy0.
        if row is None or row.kind != "dummy":
            vip_note.forget(name)
            raise


def _link(hands: Hands, change: Change) -> None:
    if change.removes:
        return  # what was set stays with the interface, or went with it
    where, interface = _key(change)
    settings = model.link_settings(change)
    if settings:
        hands.send(where, rt.link_set(hands.index(where, interface), **settings))


def _note(hands: Hands, change: Change) -> None:
    interface = str(change.key)
    if change.removes:
        vip_note.forget(interface)
    else:
        vip_note.write(interface, hands.index(model.HERE, interface), change.after)


def _sysctl(hands: Hands, change: Change) -> None:
    if change.removes:
        return
    where, path = _key(change)
    with within(where):
        _write_sysctl(os.path.join(SYSCTLS, path), change.after)


def _write_sysctl(path: str, value: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(value)


def _exchanged(name: str, path: str, value: str) -> str:
    """Set a sysctl in a namespace; what it was before."""
    with within(name):
        with open(path, encoding="ascii") as file:
            before = file.read().strip()
        if before != value:
            _write_sysctl(path, value)
    return before


def _address(hands: Hands, change: Change) -> None:
    where, interface, text = _key(change)
    address = ipaddress.ip_address(text)
    index = hands.index(where, interface)
    messages = []
    if change.after is not None:
        messages.append(rt.address_add(index, address, change.after))
    if change.before is not None:
        messages.append(rt.address_delete(index, address, change.before))
    # An interface that loses its last IPv4 address loses its routes too, so a new prefix length comes before the
    # old one goes; IPv6 allows an address once only, and keeps the routes.
    loses = address.version == 4 and change.before is not None
    with hands.promoting(where, interface) if loses else contextlib.nullcontext():
        for message in messages if address.version == 4 else messages[::-1]:
            hands.send(where, message)


def _route(hands: Hands, change: Change) -> None:
    where, text = _key(change)
    route: model.Route = change.before if change.removes else change.after
    destination = ipaddress.ip_network(text)
    via = ipaddress.ip_address(route.via) if route.via else None
    make = rt.route_delete if change.removes else rt.route_add if change.creates else rt.route_replace
    scope = rt.SCOPE_LINK if destination.version == 4 and via is None else rt.SCOPE_UNIVERSE
    message = make(destination, via, hands.index(where, route.interface), route.protocol, scope)
    try:
        hands.send(where, message)
    except NetlinkError as error:
        # What is put back on the way back may not have gone, where the interface that it was to go with is still there.
        if not (change.creates and error.errno == errno.EEXIST and hands.has_route(where, message)):
            raise


_STEPS: Dict[str, Callable[[Hands, Change], None]] = {
    "module": _module,
    "namespace": _namespace,
    "veth": _veth,
    "dummy": _dummy,
    "link": _link,
    "note": _note,
    "sysctl": _sysctl,
    "address": _address,
    "route": _route,
}

# Errors in words

_REMEDIES: Dict[Any, str] = {
    ("dummy", errno.EOPNOTSUPP): "this kernel has no dummy driver: boot one that has it (CONFIG_DUMMY)",
    ("veth", errno.EOPNOTSUPP): "this kernel has no veth driver: boot one that has it (CONFIG_VETH)",
    ("veth", errno.EEXIST): "an interface of one of the two names exists; 'ip link' shows it",
    ("dummy", errno.EEXIST): "an interface of that name exists; 'ip link' shows it",
    ("link", errno.EINVAL): "the kernel refuses this MTU or MAC address for this kind of interface",
    ("link", errno.EADDRNOTAVAIL): "the MAC address is not usable",
    ("address", errno.EACCES): "IPv6 is off on the interface: set net.ipv6.conf.INTERFACE.disable_ipv6=0",
    ("address", errno.EPERM): "IPv6 is off on this host: net.ipv6.conf.all.disable_ipv6",
    ("route", errno.EEXIST): "another route has that destination; 'ip route' shows it",
    ("route", errno.ENETUNREACH): "its gateway is on no network that the interface is in",
    ("route", errno.EHOSTUNREACH): "its gateway is on no network that the interface is in",
    ("route", errno.EINVAL): "its gateway is not a neighbour on that interface",
    ("route", errno.ENETDOWN): "the interface is down",
    ("sysctl", errno.ENOENT): "the kernel has no such setting; for IPv6, see whether it is enabled at all",
}


def _words(change: Change, error: Exception) -> str:
    """Which object, what the kernel said, what to do."""
    lines = model.commands([change])
    what = "'%s'" % " && ".join(lines) if lines else "%s %s" % (change.kind, change.key)
    if not isinstance(error, OSError):
        return "%s was refused: %s" % (what, error)
    number = error.errno or 0
    said = errno_words(number)
    if isinstance(error, NetlinkError) and error.words:
        said += " (%s)" % error.words
    remedy = _REMEDIES.get((change.kind, number)) or _REMEDIES_OF_ALL.get(number)
    return "%s was refused: the kernel said %s%s" % (what, said, "; " + remedy if remedy else "")


_REMEDIES_OF_ALL = {
    errno.ENODEV: "the interface is gone: was it removed meanwhile?",
    errno.EPERM: "this needs root's privileges: 'become: true'",
    errno.EROFS: "/proc/sys is read-only here, as in a container without privileges",
}
