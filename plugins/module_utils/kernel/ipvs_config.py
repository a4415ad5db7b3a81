# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Timeouts and sync daemons of the running kernel's IPVS: read, and changed."""

from __future__ import annotations

import errno
import socket
from typing import Any, Dict, Mapping, Sequence, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import Refused, errno_words
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.ipvs import NO_PRIVILEGE, conversation, is_loaded
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.ipvs_codec import inner, required
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.link import link_rows, reading
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import (
    NETLINK_ROUTE,
    Malformed,
    Netlink,
    NetlinkError,
    attribute,
    generic_body,
    integer,
    nested,
    parsed,
    string,
    text,
    u8,
    u16,
    u32,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_config import INITIAL_TIMEOUTS, Daemon, Timeouts
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change

VERSION = 1
NEW_DAEMON, DEL_DAEMON, GET_DAEMON, SET_CONFIG, GET_CONFIG = 9, 10, 11, 12, 13
DAEMON, TIMEOUT_TCP, TIMEOUT_TCP_FIN, TIMEOUT_UDP = 3, 4, 5, 6
STATE, MCAST_IFN, SYNC_ID, SYNC_MAXLEN, MCAST_GROUP, MCAST_GROUP6, MCAST_PORT, MCAST_TTL = range(1, 9)
NUMBERS = {"maxlen": SYNC_MAXLEN, "port": MCAST_PORT, "ttl": MCAST_TTL}
STATES = {"master": 1, "backup": 2}
STATE_NAMES = {number: name for name, number in STATES.items()}

REASONS: Mapping[int, str] = {
    errno.EPERM: NO_PRIVILEGE,
    errno.EEXIST: "one runs already: another program started it in the meantime; run again",
    errno.ESRCH: "none runs: another program stopped it in the meantime; run again",
    errno.ENODEV: "there is no such interface here",
    errno.EADDRNOTAVAIL: "the interface has no address of the multicast group's family",
    errno.ENETUNREACH: "from that interface no route leads to the multicast group; the loopback has none of IPv6",
    errno.EAFNOSUPPORT: "this kernel's ip_vs has no support for the multicast group's address family",
    errno.EINVAL: "a value is out of the kernel's range, or a service has tunneling servers of another address family",
}


def read() -> Dict[Tuple[str, Any], Any]:
    """The settings there are; where ip_vs is not loaded, which it is not for this, those that it will begin with."""
    state: Dict[Tuple[str, Any], Any] = {("timeouts", ""): INITIAL_TIMEOUTS}
    if not is_loaded():
        return state
    with conversation() as ipvs:
        replies = list(ipvs.link.get(ipvs.family, generic_body(GET_CONFIG, VERSION)))
        state["timeouts", ""] = decoded_timeouts(replies[0] if replies else b"")
        for body in ipvs.dump(GET_DAEMON):
            role, daemon = decoded_daemon(body)
            state["daemon", role] = daemon
    return state


def mtu_of(interface: str) -> int:
    """0 where there is no such interface any more."""
    with reading(), Netlink(NETLINK_ROUTE) as link:
        return next((row.mtu for row in link_rows(link) if row.name == interface), 0)


def decoded_timeouts(body: bytes) -> Timeouts:
    """A protocol that the kernel lacks has no timeout and reads as 0, which also means 'leave it' when sent."""
    found = parsed(body, 4)
    return Timeouts(
        *(integer(found[kind]) if kind in found else 0 for kind in (TIMEOUT_TCP, TIMEOUT_TCP_FIN, TIMEOUT_UDP))
    )


def decoded_daemon(body: bytes) -> Tuple[str, Daemon]:
    found = inner(body, DAEMON)
    number = integer(required(found, STATE))
    if number not in STATE_NAMES:
        raise Malformed("a sync daemon of state %d" % number)
    daemon = Daemon(string(required(found, MCAST_IFN)), integer(required(found, SYNC_ID)))
    numbers: Dict[str, Any] = {field: integer(found[kind]) for field, kind in NUMBERS.items() if kind in found}
    for family, kind, length in ((socket.AF_INET, MCAST_GROUP, 4), (socket.AF_INET6, MCAST_GROUP6, 16)):
        if len(found.get(kind, b"")) == length:
            daemon = daemon._replace(group=socket.inet_ntop(family, found[kind]))
    return STATE_NAMES[number], daemon._replace(**numbers)


def group_attribute(group: str) -> bytes:
    if ":" in group:
        return attribute(MCAST_GROUP6, socket.inet_pton(socket.AF_INET6, group))
    return attribute(MCAST_GROUP, socket.inet_aton(group))


def request(change: Change) -> Tuple[Any, ...]:
    if change.kind == "timeouts":
        tcp, tcp_fin, udp = change.after
        return SET_CONFIG, u32(TIMEOUT_TCP, tcp), u32(TIMEOUT_TCP_FIN, tcp_fin), u32(TIMEOUT_UDP, udp)
    daemon: Daemon = change.before if change.removes else change.after
    name = [
        u32(STATE, STATES[str(change.key)]),
        text(MCAST_IFN, daemon.interface),
        u32(SYNC_ID, daemon.syncid),
    ]
    if change.removes:
        return DEL_DAEMON, nested(DAEMON, *name)
    length = [u16(SYNC_MAXLEN, daemon.maxlen)] if daemon.maxlen else []
    where = [group_attribute(daemon.group), u16(MCAST_PORT, daemon.port), u8(MCAST_TTL, daemon.ttl)]
    return NEW_DAEMON, nested(DAEMON, *name, *length, *where)


def apply(changes: Sequence[Change]) -> None:
    """Carry out ``changes`` one by one: a daemon's start may take a while. Raises ``Refused``."""
    with conversation() as ipvs:
        for place, change in enumerate(changes):
            (answer,) = ipvs.link.transact([ipvs.message(*request(change))])
            if answer:
                raise Refused(change, reason_of(change, answer), changes[:place])


def reason_of(change: Change, refusal: NetlinkError) -> str:
    number = refusal.errno or 0
    if change.kind == "timeouts":
        what = "set the timeouts"
    else:
        daemon: Daemon = change.before if change.removes else change.after
        verb = "stop" if change.removes else "start"
        what = "%s the %s sync daemon on %s" % (verb, change.key, daemon.interface)
    advice = REASONS.get(number, refusal.words or "no further reason was given")
    return "cannot %s: %s (%s)" % (what, advice, errno_words(number))
