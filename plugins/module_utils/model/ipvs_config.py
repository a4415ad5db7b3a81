# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of the whole IPVS table: timeouts of connections, and the daemons that share connections with a peer.

A state holds two kinds::

    ("timeouts", "")                        -> Timeouts
    ("daemon", "master" or "backup")        -> Daemon
"""

from __future__ import annotations

import ipaddress
import shlex
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_options import (
    MAX_TIMEOUT,
    canonical_address,
    choice,
    given,
    known_options,
    whole,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.network import checked_name
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State

ROLES = ("master", "backup")
TIMEOUT_OPTIONS = {"tcp": "tcp_timeout", "tcp_fin": "tcp_fin_timeout", "udp": "udp_timeout"}
DAEMON_OPTIONS = frozenset(
    ("state", "interface", "syncid", "sync_maxlen", "mcast_group", "mcast_port", "mcast_ttl"),
)
DEFAULT_GROUP = "224.0.0.81"
ETHERNET_MTU = 1500
MAX_MTU = 65535
# What the kernel raises less to, which then would never be as it was asked for.
MIN_MAXLEN = {"master": 1, "backup": 1024}


class Timeouts(NamedTuple):
    """Seconds after which a silent connection is forgotten; 0, when set, leaves what there is."""

    tcp: int = 0
    tcp_fin: int = 0
    udp: int = 0


# Of ip_vs_proto_tcp.c and ip_vs_proto_udp.c.
INITIAL_TIMEOUTS = Timeouts(900, 120, 300)


class Daemon(NamedTuple):
    """A sync daemon. ``maxlen`` 0 lets the kernel choose."""

    interface: str
    syncid: int = 0
    maxlen: int = 0
    group: str = DEFAULT_GROUP
    port: int = 8848
    ttl: int = 1


class Wanted(NamedTuple):
    """What the options say; what they are silent on stays as it is. A daemon that is None is not to run."""

    timeouts: Dict[str, int]
    daemons: Dict[str, Optional[Dict[str, Any]]]


def declared(options: Mapping[str, Any]) -> Wanted:
    timeouts = {
        field: whole(options[name], name, 1, MAX_TIMEOUT)
        for field, name in TIMEOUT_OPTIONS.items()
        if given(options, name)
    }
    daemons = {role: parse_daemon(options[role], role) for role in ROLES if given(options, role)}
    if not timeouts and not daemons:
        names = ", ".join([*TIMEOUT_OPTIONS.values(), *ROLES])
        raise BadInput("tcp_timeout", None, "nothing is asked for: give one of %s" % names)
    return Wanted(timeouts, daemons)


def parse_daemon(options: Any, role: str) -> Optional[Dict[str, Any]]:
    """The fields of ``Daemon`` that are given; None when it is not to run."""
    known_options(options, role, DAEMON_OPTIONS)
    if choice(options, "state", role, ("present", "absent"), "present") == "absent":
        return None
    if not given(options, "interface"):
        raise BadInput(role + ".interface", None, "the name of the interface to the peer is needed")
    fields: Dict[str, Any] = {"interface": checked_name(role + ".interface", options["interface"])}
    if given(options, "mcast_group"):
        group = canonical_address(options["mcast_group"], role + ".mcast_group")
        if not ipaddress.ip_address(group).is_multicast:
            raise BadInput(role + ".mcast_group", group, "a multicast address is needed, such as %s" % DEFAULT_GROUP)
        fields["group"] = group
    for field, name, low, high in (
        ("syncid", "syncid", 0, 255),
        ("maxlen", "sync_maxlen", MIN_MAXLEN[role], longest(fields.get("group", DEFAULT_GROUP))),
        ("port", "mcast_port", 1, 65535),
        ("ttl", "mcast_ttl", 1, 255),
    ):
        if given(options, name):
            fields[field] = whole(options[name], "%s.%s" % (role, name), low, high)
    return fields


def longest(group: str, mtu: int = MAX_MTU) -> int:
    """The length of the message that fills a packet: what its IP and UDP headers leave of it."""
    return mtu - (40 if ":" in group else 20) - 8


def default_maxlen(role: str, daemon: Daemon, mtu_of: Callable[[str], int]) -> int:
    """What the kernel chooses, in start_sync_thread of ip_vs_sync.c: only who listens goes by the interface."""
    mtu = max(ETHERNET_MTU, mtu_of(daemon.interface)) if role == "backup" else ETHERNET_MTU
    return longest(daemon.group, min(mtu, MAX_MTU))


def want_of(have: State, wanted: Wanted, mtu_of: Callable[[str], int]) -> Dict[Any, Any]:
    """``mtu_of`` tells the MTU of the interface of that name."""
    want = dict(have)
    if wanted.timeouts:
        want["timeouts", ""] = have.get(("timeouts", ""), Timeouts())._replace(**wanted.timeouts)
    for role, fields in wanted.daemons.items():
        name = ("daemon", role)
        if fields is None:
            want.pop(name, None)
        else:
            want[name] = changed(role, have[name], fields, mtu_of) if name in have else Daemon(**fields)
    return want


def changed(role: str, daemon: Daemon, fields: Dict[str, Any], mtu_of: Callable[[str], int]) -> Daemon:
    """The daemon with other ``fields``. A length that was the kernel's own choice is chosen anew elsewhere."""
    after = daemon._replace(**fields)
    moved = (after.interface, after.group) != (daemon.interface, daemon.group)
    if moved and "maxlen" not in fields and daemon.maxlen == default_maxlen(role, daemon, mtu_of):
        after = after._replace(maxlen=0)
    if after.maxlen > longest(after.group):
        words = "with the multicast group %s it is %d at most" % (after.group, longest(after.group))
        raise BadInput("%s.sync_maxlen" % role, after.maxlen, words)
    return after


def changes_towards(have: State, want: State) -> List[Change]:
    """A daemon cannot be altered: it is stopped and started again."""
    seconds, others = have.get(("timeouts", "")), want.get(("timeouts", ""))
    changes = [Change("timeouts", "", seconds, others)] if seconds != others else []
    for role in ROLES:
        before, after = have.get(("daemon", role)), want.get(("daemon", role))
        if before != after:
            changes += [Change("daemon", role, before, None)] if before else []
            changes += [Change("daemon", role, None, after)] if after else []
    return changes


def commands(changes: Sequence[Change]) -> List[str]:
    return [command(change) for change in changes]


def command(change: Change) -> str:
    if change.kind == "timeouts":
        return "ipvsadm --set %d %d %d" % change.after
    if change.removes:
        return "ipvsadm --stop-daemon %s --syncid %d" % (change.key, change.before.syncid)
    daemon: Daemon = change.after
    interface = shlex.quote(daemon.interface)
    words = "ipvsadm --start-daemon %s --mcast-interface %s --syncid %d" % (change.key, interface, daemon.syncid)
    words += " --sync-maxlen %d" % daemon.maxlen if daemon.maxlen else ""
    return words + " --mcast-group %s --mcast-port %d --mcast-ttl %d" % (daemon.group, daemon.port, daemon.ttl)


def listing(state: State) -> str:
    """As C(ipvsadm -Ln --timeout) and C(ipvsadm -Ln --daemon) print it."""
    lines = ["Timeout (tcp tcpfin udp): %d %d %d" % state["timeouts", ""]]
    for role in ROLES:
        daemon = state.get(("daemon", role))
        if daemon:
            maxlen = ", maxlen=%d" % daemon.maxlen if daemon.maxlen else ""
            lines.append(
                "%s sync daemon (mcast=%s, syncid=%d%s, group=%s, port=%d, ttl=%d)"
                % (role, daemon.interface, daemon.syncid, maxlen, daemon.group, daemon.port, daemon.ttl)
            )
    return "".join(line + "\n" for line in lines)


def described(state: State) -> Dict[str, Any]:
    """The settings in the shape that the module's options have."""
    timeouts: Timeouts = state["timeouts", ""]
    # 0: the kernel has no such protocol, so there is nothing to set.
    told: Dict[str, Any] = {name: getattr(timeouts, field) for field, name in TIMEOUT_OPTIONS.items()}
    told = {name: seconds for name, seconds in told.items() if seconds}
    for role in ROLES:
        daemon = state.get(("daemon", role))
        told[role] = describe_daemon(daemon) if daemon else {"state": "absent"}
    return told


def describe_daemon(daemon: Daemon) -> Dict[str, Any]:
    names = {"maxlen": "sync_maxlen", "group": "mcast_group", "port": "mcast_port", "ttl": "mcast_ttl"}
    fields = {names.get(field, field): value for field, value in daemon._asdict().items()}
    return {name: value for name, value in fields.items() if value or name != "sync_maxlen"}
