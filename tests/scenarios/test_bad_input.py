# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cannot be meant is one clear error, and no host is touched."""

from __future__ import annotations

import pytest

from labs import differences

ON_THE_CONTROLLER = {
    "a virtual address that is the pods' gateway": ({"exp3_dummy_vip": "169.254.1.1"}, "Calico's gateway address"),
    "a virtual address that is a host's": ({"exp3_dummy_vip": "10.130.17.31"}, "is an address of Host1"),
    "no address at all": ({"exp3_dummy_vip": "169.254.2"}, "vip: '169.254.2' is no address"),
    "a port out of range": ({"exp3_dummy_port": 70000}, "exp3_dummy_port: 70000 is no port"),
    "a real server's port out of range": ({"exp3_dummy_backend_port": 0}, "exp3_dummy_backend_port: 0 is no port"),
}
IN_THE_INVENTORY = {
    "overlapping networks": ({"pod_cidr": "172.16.0.0/23", "pod_ip": "172.16.1.11"}, "overlaps"),
    "a malformed network": ({"pod_cidr": "172.16.1.0/240"}, "is no network"),
    "two hosts with one pod_ip": ({"pod_cidr": None, "pod_ip": "172.16.0.10"}, "is also that of Host0"),
    "a host without a pod": ({"pod_ip": None}, "Host1: pod_ip is not set"),
    "a host_ip that is on no interface": ({"host_ip": "10.130.17.77"}, "no interface of this host has that address"),
}


@pytest.fixture(scope="module")
def untouched(lab):
    return lab.snapshots()


@pytest.mark.parametrize(("extra", "words"), ON_THE_CONTROLLER.values(), ids=ON_THE_CONTROLLER)
def test_a_variable_that_cannot_be_meant(lab, untouched, extra, words):
    played = lab.play("exp3", extra=extra, fails=True)
    assert words in played.output
    assert played.changed() == 0
    assert not differences(untouched, lab.snapshots())


@pytest.mark.parametrize(("variables", "words"), IN_THE_INVENTORY.values(), ids=IN_THE_INVENTORY)
def test_an_inventory_that_cannot_be_meant(lab, untouched, tmp_path, variables, words):
    played = lab.with_inventory(tmp_path / "wrong.yml", {"Host1": variables}).play("exp4", fails=True)
    assert words in played.output
    assert lab.snapshot("Host1") == untouched["Host1"]


def test_a_host_without_a_route_that_covers_the_gateway(lab, untouched):
    lab.on("Host1", "ip route del default")
    try:
        played = lab.play("exp4", fails=True)
        assert "no route of this host covers it" in played.output
        assert played.recap["Host1"]["changed"] == 0
    finally:
        lab.on("Host1", "ip route add default via 10.130.17.1")
        lab.play("clean")


def test_a_user_without_the_privilege(lab):
    before = lab.snapshots()
    played = lab.play("exp3", extra={"ansible_become": False}, fails=True)
    assert "become: true" in played.output
    assert not differences(before, lab.snapshots())


def test_a_kernel_without_ip_vs(lab, untouched):
    hide = (
        "rmmod ip_vs_rr ip_vs 2>/dev/null; cd /lib/modules/$(uname -r) && mv kernel/net/netfilter/ipvs /root/ && depmod"
    )
    lab.on("Host1", hide)
    try:
        played = lab.play("exp3", fails=True)
        assert "has no module ip_vs" in played.output
        assert played.recap["Host1"]["changed"] == 0
    finally:
        lab.on("Host1", "mv /root/ipvs /lib/modules/$(uname -r)/kernel/net/netfilter/ && depmod")
