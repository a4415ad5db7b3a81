# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""lvs_info and back: what is told of a host, handed to the modules, changes nothing, and builds the same elsewhere."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

from harness import run_module, sh
from workloads import endpoint

SERVICES = [
    {
        "address": "169.254.2.100",
        "port": 80,
        "scheduler": "rr",
        "persistence": {"timeout": 180, "netmask": "255.255.255.0"},
        "servers": [
            {"address": "10.9.0.2", "port": 8888, "weight": 3, "upper_threshold": 100, "lower_threshold": 10},
            {"address": "10.9.0.3", "port": 80, "forward": "direct"},
        ],
    },
    {"fwmark": 7, "family": "ipv6", "scheduler": "mh", "scheduler_flags": ["mh-port"], "one_packet": True},
    {
        "fwmark": 8,
        "servers": [{"address": "10.9.0.2", "forward": "tunneling", "tunnel": {"type": "gue", "port": 6080}}],
    },
]
CONFIG = {"tcp_timeout": 600, "master": {"interface": "lo", "syncid": 7}, "backup": {"state": "absent"}}
SETS = [
    {"name": "LIST", "type": "list:set", "size": 4, "entries": []},
    {
        "name": "ALL",
        "type": "hash:ip,port",
        "timeout": 0,
        "counters": True,
        "comment": True,
        "skbinfo": True,
        "maxelem": 70000,
        "entries": [
            "192.0.2.1,tcp:80 timeout 3000 packets 7 bytes 9",
            '192.0.2.2,udp:53 comment "a b" skbmark 0x10/0xff',
        ],
    },
    {"name": "NETS", "type": "hash:net", "family": "ipv6", "entries": ["2001:db8::/32", "2001:db8:1::/48 nomatch"]},
    {"name": "GROUPS", "type": "hash:ip", "netmask": 24, "forceadd": True, "entries": ["192.0.2.0"]},
    {"name": "PORTS", "type": "bitmap:port", "range": "0-1023", "entries": ["22", "80"]},
]
LAYOUT: dict[str, Any] = {
    "match_sets": [{"name": "ALL"}],
    "mark": "0x4000/0x4000",
    "masquerade": "outside",
    "outside": ["10.0.0.0/8", "192.168.0.0/16"],
    "kube_proxy": True,
    "forward_accept": True,
    "forward_networks": ["172.16.0.0/24", "172.16.1.0/24"],
    "shield": {"addresses": ["169.254.2.100"], "service_sets": ["ALL"]},
}
ADDRESSES = [{"interface": "e0", "addresses": ["169.254.2.101"], "arp_exclusive": True}]
if "LVS_GUEST" in os.environ:  # few other kernels have all of these
    SETS.append({"name": "MARKS", "type": "hash:ip,mark", "markmask": "0xff00", "entries": ["192.0.2.1,0x1100"]})
    LAYOUT["ipvs_rules"] = [{"address": "169.254.2.100", "port": 80, "protocol": "tcp"}]
    ADDRESSES.append({"interface": "d0", "kind": "dummy", "addresses": ["169.254.2.100/32", "10.8.0.1/24"]})
NOTHING = {"services": [], "sets": [], "chains": [], "endpoints": [], "routes": [], "addresses": []}


def done(result: dict[str, Any]) -> dict[str, Any]:
    assert not result["failed"], result["msg"]
    return result


def told(netns: str, *gather: str, **more: Any) -> dict[str, Any]:
    result = done(run_module("lvs_info", netns=netns, **({"gather": list(gather)} if gather else {}), **more))
    assert result["changed"] is False
    return result


def hand_over(netns: str, there: dict[str, Any], changed: bool) -> None:
    """Give each module what was told for it."""
    calls: list[tuple[str, dict[str, Any]]] = []
    calls += [("ipset_entry", {**one, "exact": True}) for one in there.get("sets", [])]
    calls += [("lu_chains", one) for one in there.get("chains", [])]
    calls += [("vip_address", one) for one in there.get("addresses", [])]
    calls += [("ipvs_service", {"services": there["services"]})] if there.get("services") else []
    calls += [("ipvs_config", there["config"])] if there.get("config") else []
    if "endpoints" in there:
        calls += [("calico_veth", {"endpoints": there["endpoints"], "routes": there["routes"]})]
    for name, options in calls:
        result = done(run_module(name, netns=netns, **options))
        assert result["changed"] is changed, (name, result["commands"])


def saved_sets(netns: str) -> list[str]:
    """Each line, whichever set was made first. Hashes have a seed each; a timeout runs; counters are not told."""
    text = sh("ip netns exec %s ipset save -sorted" % netns)
    return sorted(
        re.sub(r" (initval|hashsize) \S+|(?<=timeout )[1-9]\d*| packets \d+ bytes \d+", "", text).splitlines()
    )


def saved_rules(netns: str) -> str:
    text = "".join(sh("ip netns exec %s %s-save" % (netns, name)) for name in ("iptables", "ip6tables"))
    return re.sub(r"^#.*\n|\[\d+:\d+\]", "", text, flags=re.M)


def test_of_a_bare_namespace_nothing_is_told(netns: str) -> None:
    there = told(netns, *NOTHING)
    assert {name: there[name] for name in NOTHING} == NOTHING


def test_sets_and_chains_come_back_as_they_are(netns: str, twin: str) -> None:
    for one in SETS:
        done(run_module("ipset_entry", netns=netns, **one))
    sh("ip netns exec %s ipset add LIST NETS && ip netns exec %s ipset add LIST ALL" % (netns, netns))
    for family in ("ipv4", "ipv6"):
        layout = LAYOUT if family == "ipv4" else {"match_sets": [{"name": "NETS", "flags": "src"}], "position": "first"}
        sh("ip netns exec %s %s -t nat -A OUTPUT -j RETURN" % (netns, {"ipv4": "iptables"}.get(family, "ip6tables")))
        done(run_module("lu_chains", netns=netns, family=family, **layout))
    sh("ip netns exec %s ip6tables -t nat -S" % twin)
    there = told(netns, "sets", "chains")
    assert [one["name"] for one in there["sets"]] == [*sorted(one["name"] for one in SETS[1:]), "LIST"]
    assert [one.get("family") for one in there["chains"]] == [None, "ipv6"]
    hand_over(netns, there, changed=False)
    for program in ("iptables", "ip6tables"):
        sh("ip netns exec %s %s -t nat -A OUTPUT -j RETURN" % (twin, program))
    hand_over(twin, there, changed=True)
    assert saved_sets(twin) == saved_sets(netns)
    assert saved_rules(twin) == saved_rules(netns)


def test_endpoints_routes_and_addresses_come_back_as_they_are(host: str) -> None:
    done(run_module("calico_veth", **endpoint(host, mtu=1400, proxy_delay=5, routes=[
        {"to": "172.16.1.0/24", "via": "10.130.17.31"}])))  # fmt: skip
    for one in ADDRESSES:
        done(run_module("vip_address", netns=host, **one))
    there = told(host, "endpoints", "routes", "addresses")
    assert [(one["name"], one["addresses"], one["mtu"]) for one in there["endpoints"]] == [
        ("cali0", ["172.16.0.10/24"], 1400)
    ]
    assert there["routes"] == [{"to": "172.16.1.0/24", "via": "10.130.17.31", "interface": "e0"}]
    assert {one["interface"]: one["kind"] for one in there["addresses"]} == {
        one["interface"]: one.get("kind", "existing") for one in ADDRESSES
    }
    hand_over(host, there, changed=False)
    done(run_module("calico_veth", netns=host, endpoints=there["endpoints"], state="absent"))
    for one in there["addresses"]:
        done(run_module("vip_address", netns=host, **one, state="absent"))
    assert {name: told(host, name)[name] for name in ("endpoints", "addresses")} == {"endpoints": [], "addresses": []}
    hand_over(host, there, changed=True)
    again = told(host, "endpoints", "routes", "addresses")
    for name in ("endpoints", "routes", "addresses"):
        assert sorted(map(str, again[name])) == sorted(map(str, there[name]))


def test_a_pair_that_is_wired_in_another_way_is_left_out(host: str) -> None:
    other = host + "-other"
    sh("ip netns add %s" % other)
    sh("ip -n %s link add v0 type veth peer name eth0 netns %s" % (host, other))
    sh("ip -n %s address add 10.7.0.2/24 dev eth0 && ip -n %s link set eth0 up" % (other, other))
    assert told(host, "endpoints")["endpoints"] == []


def test_chains_that_stand_in_another_way_are_left_out_with_a_warning(netns: str) -> None:
    done(run_module("lu_chains", netns=netns, layout=True))
    assert told(netns, "chains")["chains"] != []
    sh("ip netns exec %s iptables -t nat -A LU-SERVICES -p tcp -j LU-MARK-MASQ" % netns)
    there = told(netns, "chains")
    assert there["chains"] == []
    assert "not as lu_chains lays them" in str(there["warnings"])


def test_chains_of_other_names_are_told_when_they_are_named(netns: str) -> None:
    names = {"services": "A", "mark_masq": "B", "postrouting": "C"}
    done(run_module("lu_chains", netns=netns, layout=True, chains=names))
    assert told(netns, "chains")["chains"] == []
    there = told(netns, "chains", chains=names)
    assert there["chains"][0]["chains"] == names
    hand_over(netns, there, changed=False)


def test_entries_are_left_out_on_request(netns: str) -> None:
    done(run_module("ipset_entry", netns=netns, name="A", type="hash:ip", entries=["192.0.2.1"]))
    assert told(netns, "sets", entries=False)["sets"] == [{"name": "A", "type": "hash:ip", "family": "ipv4"}]


@pytest.mark.ip_vs
def test_services_and_settings_come_back_as_they_are(netns: str, twin: str) -> None:
    for name in (netns, twin):
        sh("ip -n %s address add 10.9.0.1/32 dev lo" % name)
    done(run_module("ipvs_service", netns=netns, services=SERVICES))
    done(run_module("ipvs_config", netns=netns, **CONFIG))
    there = told(netns, "services", "config")
    assert len(there["services"]) == len(SERVICES)
    assert there["config"]["tcp_timeout"] == 600 and there["config"]["master"]["syncid"] == 7
    hand_over(netns, there, changed=False)
    hand_over(twin, there, changed=True)
    for listing in ("-Sn", "-Ln --thresholds", "-Ln --timeout", "-Ln --daemon"):
        one, other = (sh("ip netns exec %s ipvsadm %s" % (name, listing)) for name in (netns, twin))
        assert one == other
