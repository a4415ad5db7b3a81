# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""ipset_entry against the kernel, read back with the field's own tool."""

from __future__ import annotations

import itertools
import os
import signal
from typing import Any, List

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipset as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from harness import run_module, sh
from ipset_calls import NAME, entry, good, refused, saved, typed


def test_the_articles_set(netns: str) -> None:
    options = {"name": NAME, "type": "hash:ip,port", "entries": ["169.254.1.100,tcp:80"], "netns": netns}
    expected = ["ipset create LU-SERVICE-IP hash:ip,port family inet", "ipset add LU-SERVICE-IP 169.254.1.100,tcp:80"]
    checked = run_module("ipset_entry", check=True, **options)
    assert (checked["changed"], checked["commands"]) == (True, expected)
    assert saved(netns) == []
    real = run_module("ipset_entry", **options)
    assert {**real, "invocation": 0} == {**checked, "invocation": 0}
    assert real["set"] == {"type": "hash:ip,port", "family": "ipv4", "maxelem": 65536, "entries": 1}
    listing = sh("ip netns exec %s ipset list" % netns).splitlines()
    assert listing[:2] == ["Name: LU-SERVICE-IP", "Type: hash:ip,port"]
    assert listing[-2:] == ["Members:", "169.254.1.100,tcp:80"]
    again = run_module("ipset_entry", **options)
    assert (again["changed"], again["commands"]) == (False, [])


def test_entries_are_added_to_those_there_and_removed_one_by_one(netns: str) -> None:
    good(netns, type="hash:ip", entries=["10.0.0.1", "10.0.0.2"])
    assert good(netns, entries=["10.0.0.2", "10.0.0.3"])["commands"] == ["ipset add LU-SERVICE-IP 10.0.0.3"]
    assert good(netns, entries=["10.0.0.1", "10.9.9.9"], state="absent")["commands"] == [
        "ipset del LU-SERVICE-IP 10.0.0.1"
    ]
    assert saved(netns)[1:] == ["add LU-SERVICE-IP 10.0.0.2", "add LU-SERVICE-IP 10.0.0.3"]
    assert good(netns, state="absent")["commands"] == ["ipset destroy LU-SERVICE-IP"]
    assert saved(netns) == []
    assert not good(netns, state="absent")["changed"]
    assert not good(netns, state="absent", entries=["10.0.0.1"])["changed"]


# One row a case: create options, entries, and entries that say the same in other words.
CASES = {
    "hash:ip": ({}, ["10.0.0.1", "10.0.1.0/30"], ["10.0.1.0-10.0.1.3"]),
    "hash:ip6": ({"family": "ipv6"}, ["2001:db8::1", "2001:DB8:0::2"], ["2001:db8:0:0::2"]),
    "hash:ip netmask": ({"netmask": 24}, ["10.0.0.1", "10.0.2.0/23"], ["10.0.3.77"]),
    "hash:ip bitmask": ({"bitmask": "255.255.0.255"}, ["10.0.9.1", "10.0.8.2"], ["10.0.77.1"]),
    "hash:ip sizes": ({"hashsize": 100, "maxelem": 9, "bucketsize": 3, "forceadd": True}, ["10.0.0.1"], []),
    "hash:ip options": (
        {"timeout": 0, "counters": True, "comment": True, "skbinfo": True},
        [
            '10.0.0.1 packets 3 bytes 4 comment "a $HOME b"',
            "10.0.0.2 skbmark 0x1/0xff skbprio 1:a skbqueue 3 comment plain",
            "10.0.0.3 skbmark 17",
        ],
        ["10.0.0.3 skbmark 0x11/0xffffffff"],
    ),
    "hash:net": ({}, ["10.0.0.0/8", "10.1.2.3", "10.2.0.0/16 nomatch", "10.9.0.0-10.9.2.255"], ["10.7.7.7/8"]),
    "hash:net6": ({"family": "ipv6"}, ["2001:db8::/32", "fe80::1"], ["2001:db8:1::/32"]),
    "hash:ip,port": (
        {},
        ["10.0.0.1,80", "10.0.0.2/31,udp:53-54", "10.0.0.1,gre:0", "10.0.0.1,icmp:ping", "10.0.0.1,icmp:77/1"],
        ["10.0.0.1,tcp:80", "10.0.0.1,icmp:8/0", "10.0.0.1,47:0"],
    ),
    "hash:ip,port 6": ({"family": "ipv6"}, ["fe80::1,icmpv6:ping", "fe80::1,sctp:7"], ["fe80::1,ipv6-icmp:128/0"]),
    "hash:ip,port netmask": ({"netmask": 24}, ["10.0.0.1,tcp:80"], ["10.0.0.9,tcp:80"]),
    "hash:ip,port,ip": ({}, ["10.0.0.1,80,10.0.0.2"], ["10.0.0.1,tcp:80,10.0.0.2/32"]),
    "hash:ip,port,net": (
        {},
        ["10.0.0.1,80,10.0.0.0/24", "10.0.0.1,udp:9,10.3.0.0/16 nomatch"],
        ["10.0.0.1,80,10.0.0.9/24"],
    ),
    "hash:net,port": ({}, ["10.0.0.0/24,25", "10.0.0.1,sctp:1-2"], ["10.0.0.9/24,tcp:25"]),
    "hash:net,iface": ({}, ["10.0.0.0/8,eth0", "10.0.0.0/8,physdev:br0", "0.0.0.0/0,et wildcard"], ["10.1.1.1/8,eth0"]),
    "bitmap:ip": ({"range": "10.0.0.0/16"}, ["10.0.0.7", "10.0.1.0/30"], ["10.0.1.1-10.0.1.2"]),
    "bitmap:ip netmask": ({"range": "10.0.0.0/8", "netmask": 24}, ["10.0.7.7"], ["10.0.7.0/24"]),
    "bitmap:ip,mac": (
        {"range": "10.0.0.0/24"},
        ["10.0.0.1,2:0:a:82:11:1e", "10.0.0.2"],
        ["10.0.0.1,02:00:0A:82:11:1E"],
    ),
    "bitmap:port": ({"range": "0-1023"}, ["80", "udp:53-55"], ["tcp:80", "54"]),
}


def type_of(case: str) -> str:
    return case.split()[0].rstrip("6")


@pytest.mark.parametrize("case", CASES)
def test_module_and_tool_agree_on(case: str, netns: str, twin: str) -> None:
    create, entries, others = CASES[case]
    options = {"type": type_of(case), **create}
    made = good(netns, entries=entries, **options)
    typed(twin, made["commands"])
    assert saved(netns) == saved(twin)
    assert len(saved(netns)) > len(entries) - 1
    for where in (netns, twin):
        assert good(where, entries=entries + others, **options)["commands"] == []
        assert good(where, entries=entries, exact=True, **options)["commands"] == []
    gone = good(netns, entries=entries[:1], exact=True, **options)
    typed(twin, gone["commands"])
    assert saved(netns) == saved(twin)
    left = good(netns, entries=entries[:1], state="absent")
    typed(twin, left["commands"])
    assert saved(netns) == saved(twin) and len(saved(netns)) == 1


def test_the_tools_own_listing_is_never_a_change(netns: str) -> None:
    for case, (create, entries, _others) in CASES.items():
        good(netns, type=type_of(case), entries=entries, **create)
        lines = sh("ip netns exec %s ipset save" % netns).splitlines()
        printed = [line.split(" ", 2)[2] for line in lines if line.startswith("add ")]
        assert good(netns, entries=printed, exact=True)["commands"] == [], case
        good(netns, state="absent")


def test_another_type_is_an_error(netns: str) -> None:
    good(netns, type="hash:ip", entries=["10.0.0.1"])
    assert "is of type hash:ip" in refused(netns, type="hash:net", entries=["10.0.0.0/8"])
    assert "is of family inet" in refused(netns, family="ipv6", entries=["::1"])
    assert "exact=true" in refused(netns, timeout=60, entries=["10.0.0.1"])


def test_other_create_options_are_swapped_in_when_exact(netns: str, twin: str) -> None:
    for where in (netns, twin):
        typed(where, ["ipset create %s hash:ip" % NAME, "ipset add %s 10.0.0.1" % NAME])
        typed(where, ["iptables -A INPUT -m set --match-set %s src -j ACCEPT" % NAME])
    result = good(netns, type="hash:ip", comment=True, exact=True, entries=['10.0.0.1 comment "x"', "10.0.0.2"])
    typed(twin, result["commands"])
    assert saved(netns) == saved(twin)
    assert [line.split()[1] for line in saved(netns)] == [NAME] * 3
    assert NAME in sh("ip netns exec %s iptables -S INPUT" % netns)


def test_maxelem_follows_need(netns: str) -> None:
    typed(netns, ["ipset create %s hash:ip maxelem 4" % NAME])
    good(netns, entries=["10.0.0.1-10.0.0.9"])
    assert len(saved(netns)) == 10
    assert "2 do not fit" in refused(netns, maxelem=8, exact=True, entries=["10.0.0.1-10.0.0.10"])


def test_a_left_over_of_a_killed_run_is_removed_by_the_next(netns: str) -> None:
    good(netns, type="hash:ip", entries=["10.0.0.1"])
    typed(netns, ["ipset create lulab-lvs-tmp-0badcafe hash:ip", "ipset add lulab-lvs-tmp-0badcafe 10.0.0.9"])
    assert good(netns, entries=["10.0.0.1"])["commands"] == ["ipset destroy lulab-lvs-tmp-0badcafe"]
    assert [line.split()[1] for line in saved(netns)] == [NAME, NAME]


def test_a_set_in_use_is_refused_in_words(netns: str) -> None:
    good(netns, type="hash:ip", entries=["10.0.0.1"])
    typed(netns, ["iptables -A INPUT -m set --match-set %s src -j ACCEPT" % NAME])
    assert "refers to it" in refused(netns, state="absent")


def test_a_type_that_the_kernel_lacks_is_named_with_those_it_has(netns: str) -> None:
    if "not supported" not in sh("ip netns exec %s ipset create lacking hash:mac 2>&1" % netns, check=False):
        pytest.skip("this kernel has hash:mac")
    message = refused(netns, type="hash:mac", entries=["02:00:00:00:00:01"])
    assert "no set type hash:mac" in message and "hash:ip,port," in message


def test_timeouts_run_without_being_a_change(netns: str) -> None:
    good(netns, type="hash:ip", timeout=300, entries=["10.0.0.1", "10.0.0.2 timeout 900", "10.0.0.3 timeout 0"])
    assert good(netns, entries=["10.0.0.1", "10.0.0.2 timeout 950", "10.0.0.3 timeout 0"])["commands"] == []
    assert good(netns, entries=["10.0.0.2 timeout 100", "10.0.0.3"])["commands"] == [
        "ipset -exist add LU-SERVICE-IP 10.0.0.2 timeout 100"
    ]


def test_an_entry_keeps_what_is_not_said_about_it(netns: str) -> None:
    good(netns, type="hash:ip", comment=True, skbinfo=True, entries=['10.0.0.1 comment "one" skbqueue 4'])
    good(netns, entries=['10.0.0.1 comment "two"'])
    assert saved(netns)[1:] == ['add LU-SERVICE-IP 10.0.0.1 comment "two" skbqueue 4']


def test_a_flag_that_is_not_said_is_taken_off(netns: str) -> None:
    good(netns, type="hash:net", entries=["10.0.0.0/8 nomatch"])
    assert good(netns, entries=["10.0.0.0/8"])["changed"]
    assert saved(netns)[1:] == ["add LU-SERVICE-IP 10.0.0.0/8"]
    assert not good(netns, entries=["10.0.0.0/8"])["changed"]


def test_a_mac_that_the_kernel_filled_in_is_no_change(netns: str) -> None:
    good(netns, type="bitmap:ip,mac", range="10.0.0.0/24", entries=["10.0.0.1,02:00:00:00:00:01", "10.0.0.2"])
    assert good(netns, entries=["10.0.0.1", "10.0.0.2"], exact=True)["commands"] == []
    good(netns, entries=["10.0.0.1,02:00:00:00:00:02"])
    assert saved(netns)[1:] == ["add LU-SERVICE-IP 10.0.0.1,02:00:00:00:00:02", "add LU-SERVICE-IP 10.0.0.2"]


def order(netns: str, name: str) -> List[str]:
    lines = sh("ip netns exec %s ipset save %s" % (netns, name)).splitlines()
    return [line.split()[2] for line in lines if line.startswith("add ")]


def test_sets_in_a_list_stand_where_before_and_after_want_them(netns: str, twin: str) -> None:
    for where in (netns, twin):
        typed(where, ["ipset create %s hash:ip" % name for name in "abcd"])

    def both(**options: Any) -> List[str]:
        made = good(netns, name="all", **options)["commands"]
        typed(twin, made)
        assert order(netns, "all") == order(twin, "all")
        return made

    both(type="list:set", entries=["a", "b", "c before a"])
    assert order(netns, "all") == ["c", "a", "b"]
    assert not both(entries=["c before a", "b after a"])
    assert both(entries=["b before c"]) == ["ipset del all b", "ipset add all b before c"]
    assert order(netns, "all") == ["b", "c", "a"]
    both(entries=["c", "a"], exact=True)
    assert order(netns, "all") == ["c", "a"]
    assert "no set of that name" in refused(netns, name="all", entries=["d", "nobody"])


def test_a_refusal_half_way_leaves_what_was_before(netns: str) -> None:
    typed(netns, ["ipset create x hash:net,iface"])
    # The kernel holds one network with 64 interfaces at most, which no plan foresees.
    entries = ["10.0.0.0/8,if%d" % number for number in range(80)]
    message = refused(netns, name="x", entries=["192.0.2.0/24,eth0"] + entries)
    assert "64 interfaces" in message and "16 of 81 entries did not fit" in message
    message = refused(netns, name="x", entries=["192.0.2.0/24,eth0"] + entries, exact=True, counters=True)
    assert "did not fit" in message
    assert refused(netns, name="new", type="hash:net,iface", entries=entries)


def test_many_differences_are_swapped_in_and_few_are_not(netns: str, twin: str) -> None:
    first = ["10.0.%d.%d" % (number >> 8, number & 255) for number in range(1, 3001)]
    other = ["10.1.%d.%d" % (number >> 8, number & 255) for number in range(1, 3001)]
    typed(twin, good(netns, type="hash:ip", entries=first)["commands"])
    few = good(netns, entries=first[5:] + ["10.9.9.9"], exact=True)["commands"]
    assert len(few) == 6
    typed(twin, few)
    many = good(netns, entries=other, exact=True)["commands"]
    assert len(many) == 1 and "\nswap lulab-lvs-tmp-" in many[0]
    typed(twin, many)
    assert saved(netns) == saved(twin) and len(saved(netns)) == 3001
    assert good(netns, state="absent")["commands"] == ["ipset destroy LU-SERVICE-IP"]


@pytest.mark.parametrize("place", range(6))
def test_killed_at_any_point_a_second_run_arrives(netns: str, place: int) -> None:
    old = ["10.0.%d.%d" % (number >> 8, number & 255) for number in range(1, 1500)]
    new = ["10.1.%d.%d" % (number >> 8, number & 255) for number in range(1, 1500)]
    good(netns, type="hash:ip", entries=old)
    killed = os.fork()
    if not killed:
        sent = itertools.count()
        real = kernel.Netlink.transact

        def transact(link: Any, requests: Any) -> Any:
            if next(sent) == place:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(link, requests)

        kernel.Netlink.transact = transact  # type: ignore[method-assign]
        entry(netns, entries=new, exact=True)
        os._exit(0)
    os.waitpid(killed, 0)
    members = set(order(netns, NAME))
    assert members in (set(old), set(new))
    good(netns, entries=new, exact=True)
    assert set(order(netns, NAME)) == set(new)
    assert sh("ip netns exec %s ipset list -n" % netns).split() == [NAME]


def test_reading_a_header_tells_the_dimensions(netns: str) -> None:
    good(netns, type="hash:ip,port,net", entries=[])
    with inside(netns):
        found = kernel.header(NAME)
        assert found is not None and found.dimensions == 3
        assert kernel.header("nobody") is None


BAD = [
    ({"entries": ["10.0.0.1"]}, "its type is needed"),
    ({"type": "hash:ip", "entries": ["10.0.0.1", "10.0.0"]}, "entries[1]: '10.0.0'"),
    ({"type": "hash:ip", "entries": ["0.0.0.0"]}, "address of zeros"),
    ({"type": "hash:ip", "entries": ["::1"]}, "inet6 address"),
    ({"type": "hash:ip", "entries": ["10.0.0.0/7"]}, "set of networks"),
    ({"type": "hash:net", "entries": ["0.0.0.0/0"]}, "prefix length 0"),
    ({"type": "hash:ip,port", "entries": ["10.0.0.1"]}, "ip,port"),
    ({"type": "hash:ip,port", "entries": ["10.0.0.1,tcp:70000"]}, "65535"),
    ({"type": "hash:ip,port", "entries": ["10.0.0.1,gre:7"]}, "write gre:0"),
    ({"type": "hash:ip", "entries": ["10.0.0.1 timeout 5"]}, "without timeout"),
    ({"type": "hash:ip", "entries": ["10.0.0.1 colour red"]}, "no option"),
    ({"type": "hash:ip", "range": "1-2"}, "no such option"),
    ({"type": "bitmap:port"}, "cannot be created without"),
    ({"type": "bitmap:ip", "range": "10.0.0.0/8"}, "65536"),
    ({"type": "bitmap:ip", "range": "10.0.0.0/8", "netmask": 25}, "65536"),
    ({"type": "bitmap:ip", "range": "10.0.0.128-10.0.1.127", "netmask": 26}, "larger than those"),
    ({"type": "bitmap:ip", "range": "10.0.0.0/24", "netmask": 24}, "larger than those"),
    ({"type": "bitmap:port", "range": "tcp:\u00b2-100"}, "a range of ports"),
    ({"type": "bitmap:ip", "range": "10.0.0.0/24", "entries": ["10.0.1.0"]}, "covers 10.0.0.0-10.0.0.255 only"),
    ({"type": "bitmap:ip,mac", "range": "10.0.0.0/24", "entries": ["10.0.1.0"]}, "covers 10.0.0.0-10.0.0.255 only"),
    ({"type": "bitmap:port", "range": "7-9", "entries": ["7-10"]}, "covers 7-9 only"),
    ({"type": "hash:ip", "bitmask": "0.0.0.1", "entries": ["10.0.0.1-10.0.0.2"]}, "address of zeros"),
    ({"type": "hash:ip,port", "entries": ["10.0.0.0/16,tcp:1-65535"]}, "more than 1048576 entries"),
    ({"type": "hash:ip", "name": "\ud800"}, "name: '\\ud800' is not usable: it holds half of a character"),
    ({"type": "hash:ip", "comment": True, "entries": ["10.0.0.1 comment \ud800"]}, "half of a character"),
    ({"type": "hash:net,iface", "entries": ["10.0.0.0/8,\ud800"]}, "half of a character"),
    ({"type": "hash:net,iface", "entries": ["10.0.0.0/8,a\0b"]}, "an interface name"),
    ({"type": "list:set", "entries": ["\ud800"]}, "half of a character"),
    ({"type": "list:set", "entries": ["a after b"]}, "b is not in the list by then"),
    ({"type": "hash:ip", "netmask": 33}, "1 to 32"),
    ({"type": "hash:ip", "exact": True}, "exact"),
    ({"type": "hash:ip", "name": "x" * 32}, "31"),
    ({"entries": ["10.0.0.1"], "boot_script": "/S"}, "boot_script: '/S' is not usable: it needs type"),
    ({"type": "bitmap:port", "entries": ["1"], "boot_script": "/S"}, "cannot be created without"),
    ({"state": "absent", "entries": ["10.0.0.1"], "boot_script": "/S"}, "the entries that remain are not known"),
    ({"type": "hash:ip", "comment": True, "entries": ["10.0.0.1 comment a", "10.0.0.1 comment b"]}, "entries[0]"),
]


@pytest.mark.parametrize("options, words", BAD)
def test_bad_input_is_one_clear_error(netns: str, options: dict[str, Any], words: str) -> None:
    assert words in refused(netns, **options)
