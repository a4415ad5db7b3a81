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


# Made so, and put right again, on Host1: Host0 is as fit as ever.
ON_A_HOST = {
    "no route that covers the gateway": (
        "exp4",
        "ip route del default",
        "ip route add default via 10.130.17.1",
        "no route of this host covers it",
    ),
    "a virtual address that is there already": (
        "exp3",
        "ip address add 169.254.2.100/32 dev lo",
        "ip address del 169.254.2.100/32 dev lo",
        "interface lo of this host has that address already",
    ),
    "a kernel without ip_vs": (
        "exp3",
        "rmmod ip_vs_rr ip_vs; cd /lib/modules/$(uname -r) && mv kernel/net/netfilter/ipvs /root/ && depmod",
        "mv /root/ipvs /lib/modules/$(uname -r)/kernel/net/netfilter/ && depmod",
        "has no module ip_vs",
    ),
}


@pytest.fixture(scope="module")
def untouched(lab):
    return lab.snapshots()


@pytest.fixture(autouse=True)
def nothing_is_left(lab):
    """Whatever a test has built by mistake is no business of the next one."""
    yield
    lab.play("clean")


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
    assert not differences(untouched, lab.snapshots())


@pytest.mark.parametrize(("experiment", "unfit", "fit", "words"), ON_A_HOST.values(), ids=ON_A_HOST)
def test_a_host_that_is_not_fit(lab, untouched, experiment, unfit, fit, words):
    """The other one is, and yet nothing is built there."""
    lab.on("Host1", unfit)
    try:
        before = lab.snapshots()
        played = lab.play(experiment, fails=True)
        assert words in " ".join(played.output.split())
        assert played.changed() == 0
        assert not differences(before, lab.snapshots())
    finally:
        lab.on("Host1", fit)
    assert not differences(untouched, lab.snapshots())


def test_a_user_without_the_privilege(lab, untouched):
    played = lab.play("exp3", extra={"ansible_become": False}, fails=True)
    assert "become: true" in played.output
    assert not differences(untouched, lab.snapshots())
