# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory as a topology: what is computed from it, and what is refused before any host is touched."""

from __future__ import annotations

import pytest

from ansible_collections.lulab.lvs.plugins.plugin_utils import topology as model

HOST0 = {"host_ip": "10.130.17.30", "pod_cidr": "172.16.0.0/24", "pod_ip": "172.16.0.10"}
HOST1 = {"host_ip": "10.130.17.31", "pod_cidr": "172.16.1.0/24", "pod_ip": "172.16.1.11"}
HOST2 = {"host_ip": "10.130.17.32", "pod_cidr": "172.16.2.0/24", "pod_ip": "172.16.2.12"}


def hosts(**variables):
    return model.topology(list(variables), variables)


def test_every_host_gets_a_route_to_every_other_hosts_pods():
    assert model.peer_routes(hosts(Host0=HOST0, Host1=HOST1, Host2=HOST2), "Host1") == [
        {"to": "172.16.0.0/24", "via": "10.130.17.30"},
        {"to": "172.16.2.0/24", "via": "10.130.17.32"},
    ]


def test_a_host_that_the_topology_has_not_is_refused():
    with pytest.raises(model.TopologyError, match="'host1' is no host of the topology: give one of Host0, Host1"):
        model.peer_routes(hosts(Host0=HOST0, Host1=HOST1), "host1")


@pytest.mark.parametrize(
    "more",
    [
        {"host_ip": "fd00::31", "pod_cidr": "fd00:1::/64", "pod_ip": "fd00:1::11"},
        {"pod_cidr": "172.16.1.10/31", "pod_ip": "172.16.1.10"},
        {"pod_cidr": "172.16.1.11/32", "pod_ip": "172.16.1.11"},
        {"pod_cidr": None, "pod_ip": None},
    ],
)
def test_what_can_be_meant_passes(more):
    assert hosts(Host0=HOST0, Host1={**HOST1, **more})[1].host_ip


def test_real_servers_are_the_hosts_or_their_pods():
    found = hosts(Host0=HOST0, Host1=HOST1)
    assert [one["address"] for one in model.real_servers(found, "host_ip", 8888)] == ["10.130.17.30", "10.130.17.31"]
    assert [one["address"] for one in model.real_servers(found, "pod_ip", 8888)] == ["172.16.0.10", "172.16.1.11"]
    assert [one["answer"] for one in model.real_servers(found, "pod_ip", 8888, True)] == [
        "10.130.17.30",
        "10.130.17.31",
    ]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"host_ip": "10.130.17"}, "Host1: host_ip: '10.130.17' is no address"),
        ({"host_ip": "10.130.17.31/24"}, "Host1: host_ip: '10.130.17.31/24' is no address"),
        ({"host_ip": None}, "Host1: host_ip is not set"),
        ({"host_ip": "10.130.17.30"}, "Host1: host_ip: 10.130.17.30 is also that of Host0"),
        ({"pod_cidr": "172.16.0.0/16"}, "Host1: pod_cidr: 172.16.0.0/16 overlaps 172.16.0.0/24 of Host0"),
        ({"pod_cidr": "172.16.1.0/33"}, "Host1: pod_cidr: '172.16.1.0/33' is no network"),
        (
            {"pod_cidr": "172.16.1.11/24"},
            "Host1: pod_cidr: 172.16.1.11/24 has host bits set: did you mean 172.16.1.0/24",
        ),
        ({"pod_cidr": "10.130.17.0/24", "pod_ip": None}, "pod_cidr: 10.130.17.0/24 covers the host's own host_ip"),
        ({"pod_cidr": None, "pod_ip": "172.16.0.10"}, "Host1: pod_ip: 172.16.0.10 is also that of Host0"),
        ({"host_ip": "010.130.17.31"}, "Host1: host_ip: '010.130.17.31' is no address"),
        ({"host_ip": "127.0.0.1"}, "Host1: host_ip: 127.0.0.1 is a loopback, multicast or zero address"),
        ({"host_ip": "0.0.0.0"}, "Host1: host_ip: 0.0.0.0 is a loopback, multicast or zero address"),
        ({"host_ip": "224.0.0.9"}, "Host1: host_ip: 224.0.0.9 is a loopback, multicast or zero address"),
        ({"host_ip": "::"}, "Host1: host_ip: :: is a loopback, multicast or zero address"),
        ({"host_ip": "169.254.1.1"}, "or the pods' gateway"),
        ({"pod_cidr": "172.16.1.0"}, "Host1: pod_cidr: '172.16.1.0' is no network"),
        ({"pod_cidr": "172.16/16"}, "Host1: pod_cidr: '172.16/16' is no network"),
        ({"pod_cidr": "172.016.1.0/24"}, "Host1: pod_cidr: '172.016.1.0/24' is no network"),
        (
            {"pod_cidr": "169.254.0.0/16", "pod_ip": None},
            "pod_cidr: 169.254.0.0/16 covers 169.254.1.1, the pods' gateway",
        ),
        ({"pod_cidr": "fd00:1::/64", "pod_ip": "fd00:1::9"}, "pod_cidr: fd00:1::/64 is IPv6, but host_ip is IPv4"),
        ({"pod_ip": "172.16.1.0"}, "pod_ip: 172.16.1.0 is the address of pod_cidr 172.16.1.0/24 itself"),
        ({"pod_ip": "172.16.1.255"}, "or its broadcast address"),
        ({"pod_cidr": None, "pod_ip": "10.130.17.31"}, "Host1: pod_ip: 10.130.17.31 is the host's own host_ip"),
        ({"pod_cidr": None, "pod_ip": "10.130.17.30"}, "Host1: pod_ip: 10.130.17.30 is also that of Host0"),
        (
            {"pod_cidr": None, "pod_ip": "172.16.0.99"},
            "Host0: pod_cidr: 172.16.0.0/24 covers pod_ip 172.16.0.99 of Host1",
        ),
        ({"pod_ip": "172.16.9.9"}, "Host1: pod_ip: 172.16.9.9 is not inside pod_cidr 172.16.1.0/24"),
    ],
)
def test_what_cannot_be_meant_is_one_error_that_names_host_and_variable(changed, words):
    with pytest.raises(model.TopologyError) as refused:
        hosts(Host0=HOST0, Host1={**HOST1, **changed})
    assert words in str(refused.value)


def test_declared_servers_have_the_answers_of_those_that_are_ours():
    own = model.real_servers(hosts(Host0=HOST0, Host1=HOST1), "host_ip", 8888, answers=True)
    declared = [
        {"address": "10.130.17.30", "port": "8888", "weight": 3},
        {"address": "10.130.17.31", "port": 8888, "weight": 0},
        {"address": "10.130.17.31", "port": 9000},
    ]
    assert model.declared_servers(declared, own) == [
        {"address": "10.130.17.30", "port": 8888, "answer": "10.130.17.30"},
        {"address": "10.130.17.31", "port": 9000},
    ]


def test_a_group_without_hosts_is_refused():
    with pytest.raises(model.TopologyError, match="no hosts"):
        model.topology([], {})


@pytest.mark.parametrize(
    ("vip", "words"),
    [
        ("169.254.1.1", "Calico's gateway"),
        ("10.130.17.31", "is an address of Host1"),
        ("172.16.0.10", "is an address of Host0"),
        ("172.16.0.77", "is inside pod_cidr 172.16.0.0/24 of Host0"),
        ("169.254.2.100/32", "is no address"),
    ],
)
def test_a_virtual_address_must_be_nobodys_own(vip, words):
    with pytest.raises(model.TopologyError, match=words):
        model.check_vip(hosts(Host0=HOST0, Host1=HOST1), vip)


def test_the_articles_virtual_addresses_pass():
    for vip in ("169.254.1.100", "169.254.2.100"):
        model.check_vip(hosts(Host0=HOST0, Host1=HOST1), vip)


@pytest.mark.parametrize("port", [0, 65536, -1, "http", True, None])
def test_a_port_out_of_range_is_refused(port):
    with pytest.raises(model.TopologyError, match="from 1 to 65535"):
        model.check_port("vip_port", port)


def test_a_port_may_be_a_number_or_its_digits():
    assert model.check_port("vip_port", "80") == model.check_port("vip_port", 80) == 80


def test_without_netaddr_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(model, "HAS_NETADDR", False)
    with pytest.raises(model.TopologyError, match="netaddr"):
        hosts(Host0=HOST0)
