# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Namespaces, links, addresses, routes and their sysctls as values, and the ``ip`` commands that change them.

What vip_address and calico_veth have in common. The kinds of a state, and their keys:

=========== ============================== ==================================================
kind        key                            value
=========== ============================== ==================================================
module      name                           True: the kernel module is there
namespace   name                           Namespace
veth        host side's name               Veth
dummy       name                           True: it exists, as a dummy
link        (namespace, name)              Link
note        interface's name               Note, of what was there before us
sysctl      (namespace, path)              its text, path as under /proc/sys
address     (namespace, interface, text)   prefix length
route       (namespace, destination)       Route, of the main table
=========== ============================== ==================================================

The namespace "" is the one that the module acts in.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State

ORDER = ("module", "namespace", "veth", "dummy", "link", "note", "sysctl", "address", "route")
HERE = ""

PROTOCOL_BOOT = 3
# The kernel's names of route protocols that `ip route` prints, of those that it prints on most systems.
PROTOCOL_NAMES = {PROTOCOL_BOOT: "", 2: "kernel", 4: "static", 9: "ra", 16: "dhcp"}

_NAME = re.compile(r"[^\s/:%]{1,15}\Z")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")


@dataclass(frozen=True)
class Namespace:
    """``ours``: this collection made it. ``stale``: the name is there, the namespace is gone."""

    ours: bool = False
    stale: bool = False


@dataclass(frozen=True)
class Veth:
    """A veth pair: its other end's name, and the namespace that this is in."""

    peer: str
    namespace: str


@dataclass(frozen=True)
class Link:
    """What is settable of a link; None stands for whatever the kernel chose."""

    up: bool
    mtu: Optional[int] = None
    mac: Optional[str] = None


@dataclass(frozen=True)
class Route:
    via: Optional[str]
    interface: str
    protocol: int = PROTOCOL_BOOT


@dataclass(frozen=True)
class Note:
    """What we have to know of an interface to leave it as it was.

    ``made``: the dummy is ours. ``sysctls``: what those were, (path, text), that were changed for the sake of the
    addresses ``vips``; None stands for what is found when they are changed.
    """

    made: bool = False
    sysctls: Tuple[Tuple[str, Optional[str]], ...] = ()
    vips: Tuple[str, ...] = ()


def checked_name(parameter: str, name: str) -> str:
    """An interface's name that the kernel takes, and that no command line mistakes for something else."""
    if not _NAME.match(name) or name in (".", "..") or name.startswith("-"):
        raise BadInput(parameter, name, "an interface name has 1 to 15 characters, no blanks, '/', ':' or '%'")
    return name


def checked_namespace(parameter: str, name: str) -> str:
    if not re.match(r"[A-Za-z0-9_.][A-Za-z0-9_.@+-]{0,254}\Z", name) or name in (".", ".."):
        raise BadInput(parameter, name, "a namespace's name is made of letters, digits and _ . @ + -")
    return name


def checked_mac(parameter: str, value: str) -> str:
    mac = value.strip().lower().replace("-", ":")
    if not _MAC.match(mac):
        raise BadInput(parameter, value, "six pairs of hexadecimal digits, such as ee:ee:ee:ee:ee:ee")
    if int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00":
        raise BadInput(parameter, value, "a multicast or zero address is no interface's own")
    return mac


def checked_interface_address(parameter: str, value: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    """ADDRESS or ADDRESS/PREFIX, of a kind that an interface can own."""
    try:
        if "%" in value:
            raise ValueError
        result = ipaddress.ip_interface(value.strip())
    except ValueError:
        raise BadInput(parameter, value, "an IPv4 or IPv6 address, or ADDRESS/PREFIX, is needed") from None
    address = result.ip
    if address.is_multicast or address.is_unspecified or address.is_loopback or str(address) == "255.255.255.255":
        raise BadInput(parameter, value, "a multicast, loopback, broadcast or zero address cannot be given out")
    return result


# Commands


def commands(changes: Sequence[Change]) -> List[str]:
    """What one would have typed for ``changes``, in order."""
    along = going_along(changes)
    return [line for change in changes if change not in along for line in _COMMANDS[change.kind](change)]


def going_along(changes: Sequence[Change]) -> Set[Change]:
    """The removals that need no step of their own, because their interface or namespace goes too.

    A pair's other end goes with it, with whatever is on it; an end that moves to another namespace loses what it had.
    """
    links: Set[Tuple[str, str]] = set()
    namespaces: Set[str] = set()
    for change in changes:
        key = _key(change)
        if change.removes and change.kind == "veth":
            links |= {(HERE, key), (change.before.namespace, change.before.peer)}
        elif change.kind == "veth" and not change.creates:
            links.add((change.before.namespace, change.before.peer))
        elif change.removes and change.kind == "dummy":
            links.add((HERE, key))
        elif change.removes and change.kind == "namespace":
            namespaces.add(key)
    return {
        change
        for change in changes
        if change.removes and any(name in links or name[0] in namespaces for name in _interfaces(change))
    }


def _interfaces(change: Change) -> List[Tuple[str, str]]:
    key = _key(change)
    if change.kind == "link":
        return [key]
    if change.kind == "address":
        return [key[:2]]
    if change.kind == "route":
        return [(key[0], change.before.interface)]
    if change.kind == "sysctl":
        return [(key[0], part) for part in key[1].split("/")]
    return []


def ip(namespace: str, destination: str = "") -> str:
    """``ip``, with the options for a namespace and for the family of ``destination``."""
    return "ip" + (" -n " + namespace if namespace else "") + (" -6" if ":" in destination else "")


def route_words(destination: str, route: Route) -> str:
    """A route as ``ip route`` takes and prints it, but for its protocol."""
    name = "default" if destination in ("0.0.0.0/0", "::/0") else short(destination)
    via = " via " + route.via if route.via else ""
    scope = " scope link" if not route.via and ":" not in destination else ""
    return "%s%s dev %s%s" % (name, via, route.interface, scope)


def short(destination: str) -> str:
    """A host's route is printed without its prefix length."""
    address, prefix = destination.split("/")
    return address if prefix == ("128" if ":" in address else "32") else destination


def protocol_words(route: Route) -> str:
    return "" if route.protocol == PROTOCOL_BOOT else " proto %s" % PROTOCOL_NAMES.get(route.protocol, route.protocol)


def _key(change: Change) -> Any:
    return change.key


def _module(change: Change) -> List[str]:
    return [] if change.removes else ["modprobe dummy numdummies=0"]


def _namespace(change: Change) -> List[str]:
    stale = change.before is not None and change.before.stale
    removal = ["ip netns delete %s" % change.key] if change.removes or stale else []
    return removal + ([] if change.removes else ["ip netns add %s" % change.key])


def _veth(change: Change) -> List[str]:
    if change.removes:
        return ["ip link delete %s" % change.key]
    after: Veth = change.after
    inside = " netns " + after.namespace
    if change.creates:
        return ["ip link add %s type veth peer name %s%s" % (change.key, after.peer, inside if after.namespace else "")]
    return ["%s link set %s%s" % (ip(change.before.namespace), after.peer, inside if after.namespace else " netns 1")]


def _dummy(change: Change) -> List[str]:
    return ["ip link delete %s" % change.key] if change.removes else ["ip link add %s type dummy" % change.key]


def _link(change: Change) -> List[str]:
    if change.removes:
        return []
    namespace, name = _key(change)
    settings = link_settings(change)
    words = [" %s %s" % (word, settings[key]) for key, word in _SETTING_WORDS if key in settings]
    if "up" in settings:
        words.append(" up" if settings["up"] else " down")
    return ["%s link set %s%s" % (ip(namespace), name, "".join(words))] if words else []


_SETTING_WORDS = (("mac", "address"), ("mtu", "mtu"))


def link_settings(change: Change) -> Dict[str, Any]:
    """What a link's change sets: field by field what differs; a fresh link is down."""
    before = change.before or Link(up=False)
    after = change.after
    return {
        field: getattr(after, field)
        for field in ("up", "mtu", "mac")
        if getattr(after, field) is not None and getattr(after, field) != getattr(before, field)
    }


def _sysctl(change: Change) -> List[str]:
    if change.removes:
        return []
    namespace, path = _key(change)
    # An interface's own name may hold dots; then only the form with slashes is clear.
    name = path if "." in path else path.replace("/", ".")
    enter = "ip netns exec %s " % namespace if namespace else ""
    return ["%ssysctl -w %s=%s" % (enter, name, change.after)]


def _address(change: Change) -> List[str]:
    namespace, interface, address = _key(change)
    start = "%s address" % ip(namespace)
    six = ":" in address
    lines = []
    if change.after is not None:
        verb, flag = ("replace", " nodad") if six else ("add", "")
        lines.append("%s %s %s/%d dev %s%s" % (start, verb, address, change.after, interface, flag))
    if change.before is not None:
        lines.append("%s delete %s/%d dev %s" % (start, address, change.before, interface))
    return lines[::-1] if six else lines


def _route(change: Change) -> List[str]:
    namespace, destination = _key(change)
    verb = "delete" if change.removes else "add" if change.creates else "replace"
    route = change.before if change.removes else change.after
    words = route_words(destination, route) + protocol_words(route)
    return ["%s route %s %s" % (ip(namespace, destination), verb, words)]


_COMMANDS: Dict[str, Callable[[Change], List[str]]] = {
    "module": _module,
    "namespace": _namespace,
    "veth": _veth,
    "dummy": _dummy,
    "link": _link,
    "note": lambda change: [],
    "sysctl": _sysctl,
    "address": _address,
    "route": _route,
}

# Listing


def listing(state: State) -> str:
    """The state as ``ip`` lists it, a line an object, what is in a namespace under its name."""
    lines = []
    for (kind, key), value in sorted(state.items(), key=lambda item: (ORDER.index(item[0][0]), str(item[0][1]))):
        line = _LINES[kind](key, value)
        if line:
            namespace = key[0] if isinstance(key, tuple) else HERE
            lines.append(("[%s] " % namespace if namespace else "") + line)
    return "".join(line + "\n" for line in lines)


def _link_line(key: Any, link: Link) -> str:
    words = ["link", key[1], "UP" if link.up else "DOWN"]
    words += ["mtu %d" % link.mtu] if link.mtu else []
    words += ["link/ether " + link.mac] if link.mac and link.mac != "00:00:00:00:00:00" else []
    return " ".join(words)


def _address_line(key: Any, prefix: int) -> str:
    return "%s %s/%d dev %s" % ("inet6" if ":" in key[2] else "inet", key[2], prefix, key[1])


_LINES: Dict[str, Callable[[Any, Any], str]] = {
    "module": lambda key, value: "",
    "namespace": lambda key, value: "" if value.stale else "netns %s" % key,
    "veth": lambda key, value: "veth %s peer %s netns %s" % (key, value.peer, value.namespace or "-"),
    "dummy": lambda key, value: "dummy %s" % key,
    "link": _link_line,
    "note": lambda key, value: "",
    "sysctl": lambda key, value: "%s = %s" % (key[1] if "." in key[1] else key[1].replace("/", "."), value),
    "address": _address_line,
    "route": lambda key, value: "route " + route_words(key[1], value) + protocol_words(value),
}
