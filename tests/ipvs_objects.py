# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual services, real servers and settings for hypothesis: any that the options can say, of few names so that they
meet."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs import Server, Service, ServiceKey, flag_bits
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_config import (
    MIN_MAXLEN,
    ROLES,
    Daemon,
    Timeouts,
    longest,
)

# Few in CI; LVS_EXAMPLES=10000 for the long run.
FEW = settings(max_examples=int(os.environ.get("LVS_EXAMPLES", "25")), deadline=None)

# Those of the lab's kernel: it has all but twos.
SCHEDULERS = ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf"]
HOSTS = {
    "ipv4": ["10.130.17.30", "10.130.17.31", "172.16.0.10"],
    "ipv6": ["2001:db8::30", "2001:db8:0:1::31"],
}
PORTS = st.sampled_from([1, 80, 443, 8888, 65535])
KEY_PORTS = st.one_of(PORTS, st.just(0))
KEY_PROTOCOLS = st.sampled_from(["tcp", "udp", "sctp"])
THRESHOLDS = st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1)).map(lambda two: (max(two), min(two)))
ADDRESS_KEYS = st.one_of(
    [
        st.builds(ServiceKey, st.just(family), st.just(0), KEY_PROTOCOLS, address, KEY_PORTS)
        for family, address in (
            ("ipv4", st.sampled_from(["169.254.2.100", "169.254.2.101", "192.0.2.1"])),
            ("ipv6", st.sampled_from(["2001:db8::100", "fd00::1"])),
        )
    ]
)
MARK_KEYS = st.tuples(st.sampled_from(["ipv4", "ipv6"]), st.sampled_from([1, 7, 2**32 - 1])).map(
    lambda key: ServiceKey(*key)
)
KEYS = st.one_of(ADDRESS_KEYS, MARK_KEYS)
NETMASKS = {
    "ipv4": st.sampled_from(["255.255.255.255", "255.255.255.0", "255.0.0.0"]),
    "ipv6": st.integers(1, 128).map(str),
}
TUNNELS = st.one_of(
    st.just(("ipip", 0, "none")),
    st.tuples(st.just("gre"), st.just(0), st.sampled_from(["none", "csum"])),
    st.tuples(st.just("gue"), st.integers(1, 65535), st.sampled_from(["none", "csum", "remcsum"])),
)


@st.composite
def services(draw: Any, key: ServiceKey) -> Service:
    scheduler = draw(st.sampled_from(SCHEDULERS))
    flags = sum(draw(st.sets(st.sampled_from(sorted(flag_bits(scheduler).values())))))
    timeout, netmask, engine = 0, "", ""
    on_every_port = not key.fwmark and key.port == 0
    if on_every_port or draw(st.booleans()):
        timeout = draw(st.integers(1, 31 * 86400))
        netmask = draw(NETMASKS[key.family])
        engine = draw(st.sampled_from(["", "sip"]))
    one_packet = bool(key.fwmark or key.protocol == "udp") and draw(st.booleans())
    return Service(scheduler, flags, timeout, netmask, engine, one_packet)


@st.composite
def servers(draw: Any, key: ServiceKey) -> Any:
    forward = draw(st.sampled_from(["masquerading", "direct", "tunneling"]))
    family = draw(st.sampled_from(["ipv4", "ipv6"])) if forward == "tunneling" else key.family
    address = draw(st.sampled_from(HOSTS[family]))
    port = draw(PORTS) if key.fwmark or forward == "masquerading" else key.port
    tunnel = draw(TUNNELS) if forward == "tunneling" else ("ipip", 0, "none")
    weight = draw(st.integers(0, 65535))
    return (address, port), Server(forward, weight, *draw(THRESHOLDS), *tunnel)


@st.composite
def states(draw: Any) -> Any:
    """A state as plan knows it; each server stands under its service."""
    state: dict[Any, Any] = {}
    for key in draw(st.lists(KEYS, max_size=4, unique=True)):
        state["service", key] = draw(services(key))
        for (address, port), server in draw(st.lists(servers(key), max_size=3)):
            state["server", (key, address, port)] = server
    return state


SECONDS = st.integers(1, 31 * 86400)


@st.composite
def daemons(draw: Any, role: str) -> Daemon:
    group = draw(st.sampled_from(["224.0.0.81", "239.1.2.3", "ff02::51"]))
    low, high = MIN_MAXLEN[role], longest(group)
    maxlen = draw(st.one_of(st.sampled_from([0, low, high]), st.integers(low, high)))
    # The loopback has no route to an IPv6 group.
    interface = draw(st.sampled_from(["d0", "d1"] if ":" in group else ["d0", "d1", "lo"]))
    return Daemon(interface, draw(st.integers(0, 255)), maxlen, group, draw(PORTS), draw(st.integers(1, 255)))


@st.composite
def settings_states(draw: Any) -> Any:
    state: dict[Any, Any] = {("timeouts", ""): Timeouts(draw(SECONDS), draw(SECONDS), draw(SECONDS))}
    for role in draw(st.sets(st.sampled_from(ROLES))):
        state["daemon", role] = draw(daemons(role))
    return state
