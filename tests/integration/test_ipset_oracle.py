# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tool as oracle: what the module makes and what its commands make are the same, for generated sets.

``LVS_EXAMPLES=1000 pytest tests/integration/test_ipset_oracle.py`` for the long run.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any, Dict, List

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.lulab.lvs.plugins.module_utils.concern import ipset_entry
from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from ansible_collections.lulab.lvs.plugins.module_utils.plan import undone
from harness import converge, sh

EXAMPLES = int(os.environ.get("LVS_EXAMPLES", "40"))

octet = st.integers(0, 255).map(str)
hosts = st.tuples(octet, octet).map(lambda pair: "10.0.%s.%s" % pair)
hosts6 = st.integers(1, 0xFFFF).map(lambda number: "2001:db8::%x" % number)
nets = st.tuples(hosts, st.integers(1, 32)).map(lambda pair: "%s/%d" % pair)
spans = st.tuples(hosts, st.integers(28, 32)).map(lambda pair: "%s/%d" % pair) | hosts
some_ports = st.integers(0, 65000)
ports = st.one_of(
    some_ports.map(str),
    st.tuples(st.sampled_from(["tcp", "udp", "sctp", "udplite"]), some_ports).map(lambda pair: "%s:%d" % pair),
    st.tuples(some_ports, st.integers(0, 3)).map(lambda pair: "tcp:%d-%d" % (pair[0], pair[0] + pair[1])),
    st.tuples(octet, octet).map(lambda pair: "icmp:%s/%s" % pair),
    st.sampled_from(["http", "udp:domain", "gre:0", "esp:0", "icmp:ping", "vrrp:0", "89:0", "201:0"]),
)
interfaces = st.sampled_from(["eth0", "lo", "physdev:br0", "veth1"])
macs = st.lists(st.integers(1, 255), min_size=6, max_size=6).map(lambda six: ":".join("%x" % each for each in six))

PARTS: Dict[str, Any] = {
    "hash:ip": (spans,),
    "hash:net": (nets,),
    "hash:ip,port": (spans, ports),
    "hash:ip,port,ip": (hosts, ports, hosts),
    "hash:ip,port,net": (hosts, ports, nets),
    "hash:net,port": (nets, ports),
    "hash:net,iface": (nets, interfaces),
    "hash:net,net": (nets, nets),
    "hash:net,port,net": (nets, ports, nets),
    "hash:ip,mark": (spans, st.integers(0, 1 << 31).map(str)),
    "hash:ip,mac": (hosts, macs),
    "hash:mac": (macs,),
    "bitmap:ip": (spans,),
    "bitmap:ip,mac": (hosts, macs),
    "bitmap:port": (some_ports.map(str),),
}
RANGES = {"bitmap:ip": "10.0.0.0/16", "bitmap:ip,mac": "10.0.0.0/16", "bitmap:port": "0-65535"}
SIX = {"hash:ip": (hosts6,), "hash:ip,port,ip": (hosts6, some_ports.map(str), hosts6), "hash:net": (hosts6,)}

words = st.text("abc $`\\'!*~#", max_size=12).map(lambda text: 'comment "%s"' % text)
extras = st.lists(
    st.one_of(
        words,
        st.integers(0, 1 << 40).map(lambda number: "bytes %d" % number),
        st.integers(0, 1 << 40).map(lambda number: "packets %d" % number),
        st.integers(0, 0xFFFFFFFF).map(lambda number: "skbmark 0x%x/0xffff" % number),
        st.sampled_from(["skbmark 0x0/0x0", "skbmark 0", "skbprio 0:0", "skbqueue 0", 'comment ""', "packets 0"]),
        st.integers(1, 0xFFFF).map(lambda number: "skbprio %x:a" % number),
        st.integers(1, 0xFFFF).map(lambda number: "skbqueue %d" % number),
        st.just("timeout 0"),
    ),
    max_size=3,
    unique_by=lambda text: text.split()[0],
).map(" ".join)
CREATE = {"comment": True, "counters": True, "skbinfo": True, "timeout": 0}


@st.composite
def sets(draw: Any, available: List[str]) -> Dict[str, Any]:
    type_name = draw(st.sampled_from(available))
    parts, create = PARTS[type_name], {}
    if type_name in SIX and draw(st.booleans()):
        parts, create = SIX[type_name], {"family": "ipv6"}
    if type_name in RANGES:
        create = {"range": RANGES[type_name]}
    entry = st.tuples(*parts).map(",".join)
    first = draw(st.lists(entry, max_size=6, unique=True))
    second = draw(st.lists(entry, max_size=4, unique=True))
    rich = draw(st.booleans())
    return {
        "create": {"type": type_name, **create, **(CREATE if rich else {})},
        "first": ["%s %s" % (each, draw(extras)) if rich else each for each in first],
        "second": ["%s %s" % (each, draw(extras)) if rich else each for each in second + first[:1]],
        "exact": draw(st.booleans()),
    }


def module(netns: str, **parameters: Any) -> List[str]:
    params = {name: option.get("default") for name, option in ipset_entry.OPTIONS.items()}
    params.update({"name": "S", **parameters})
    with inside(netns):
        commands: List[str] = converge(ipset_entry.build(params), check_mode=False, with_diff=False)["commands"]
    return commands


def told(netns: str) -> List[Dict[str, Any]]:
    with inside(netns):
        return ipset_entry.told({"entries": True})


def typed(netns: str, commands: List[str]) -> None:
    if commands:
        subprocess.run(["ip", "netns", "exec", netns, "sh", "-ec", "\n".join(commands)], check=True, timeout=60)


def saved(netns: str, counted: bool) -> str:
    text = re.sub(r" initval \S+", "", sh("ip netns exec %s ipset save -sorted" % netns))
    return text if counted else re.sub(r" packets \d+ bytes \d+", "", text)


def test_module_and_tool_make_the_same_of_generated_sets(netns: str) -> None:
    twin = netns + "-tool"
    with inside(netns):
        lacking = {name for name in PARTS if not offered(name)}
    available = sorted(set(PARTS) - lacking)
    assert "hash:ip,port" in available

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(sets(available))
    def check(case: Dict[str, Any]) -> None:
        try:
            steps = [
                {**case["create"], "entries": case["first"]},
                {"entries": case["second"], "exact": case["exact"]},
                {"entries": case["first"][:2], "state": "absent"},
            ]
            for place, options in enumerate(steps):
                try:
                    commands = module(netns, **options)
                except LvsError as error:
                    assert "is the same entry" in str(error)
                    break
                typed(twin, commands)
                # An entry that takes the place of one deleted may have its counters from the kernel, when it has none.
                assert saved(netns, place == 0) == saved(twin, place == 0)
                assert module(netns, **options) == []
                assert module(twin, **options) == []
                for one in told(netns):
                    assert module(netns, **one, exact=True) == []
        finally:
            for where in (netns, twin):
                sh("ip netns exec %s ipset destroy" % where)

    sh("ip netns add %s" % twin)
    try:
        check()
    finally:
        sh("ip netns delete %s" % twin)


@st.composite
def wishes_of_lists(draw: Any) -> Dict[str, Any]:
    names = draw(st.permutations("abcdef"))[: draw(st.integers(0, 6))]
    places = st.tuples(st.sampled_from(["before", "after"]), st.sampled_from("abcdef")).map(" ".join)
    entries = ["%s %s" % (name, draw(st.just("") | places)) for name in names]
    return {"entries": entries, "exact": draw(st.booleans()), "counters": draw(st.just(True) | st.none())}


def in_order(netns: str) -> List[str]:
    return re.sub(r" packets 0 bytes 0", "", sh("ip netns exec %s ipset save S" % netns)).splitlines()[1:]


def test_module_and_tool_make_the_same_order_of_generated_lists(netns: str) -> None:
    twin = netns + "-tool"

    def taken_back(options: Dict[str, Any]) -> None:
        """Do it, and undo it as a step of lvs_apply that is followed by one that fails."""
        params = {name: option.get("default") for name, option in ipset_entry.OPTIONS.items()}
        concern = ipset_entry.build({**params, "name": "S", **options})
        with inside(netns):
            changes = concern.plan(concern.read())
            concern.apply(changes)
            concern.apply(undone(changes))

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(wishes_of_lists(), min_size=1, max_size=3))
    def check(wishes: List[Dict[str, Any]]) -> None:
        try:
            for where in (netns, twin):
                sh("for each in a b c d e f; do ip netns exec %s ipset create $each hash:ip; done" % where)
                typed(where, ["ipset create S list:set"])
            for options in wishes:
                options = options if options["exact"] else {**options, "counters": None}
                before = in_order(netns)
                try:
                    taken_back(options)
                    assert in_order(netns) == before
                    taken_back({"state": "absent"})
                    assert in_order(netns) == before
                    commands = module(netns, **options)
                except LvsError as error:
                    assert "by then" in str(error) or "contradict" in str(error)
                    continue
                typed(twin, commands)
                assert in_order(netns) == in_order(twin)
                assert module(netns, **options) == module(twin, **options) == []
        finally:
            for where in (netns, twin):
                sh("ip netns exec %s ipset destroy S; ip netns exec %s ipset destroy" % (where, where))

    sh("ip netns add %s" % twin)
    try:
        check()
    finally:
        sh("ip netns delete %s" % twin)


def offered(type_name: str) -> bool:
    row = ipset_entry.model.TYPES[type_name]
    try:
        ipset_entry.kernel.require_type(ipset_entry.model.Set(type_name, row.families[0]))
    except ipset_entry.kernel.Unsupported:
        return False
    return True
