# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Any number of hosts: three guests, and what happens when one leaves the inventory."""

from __future__ import annotations

import json

import pytest

from labs import CHECKOUT, HOSTS, Lab, start, stop

THIRD = {"host_ip": "10.130.17.32", "pod_cidr": "172.16.2.0/24", "pod_ip": "172.16.2.12"}


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    directory = tmp_path_factory.mktemp("three")
    inventory = directory / "third.yml"
    inventory.write_text(json.dumps({"lvs": {"hosts": {"Host2": THIRD}}}), encoding="utf-8")
    lab_directory = directory / "lab"
    try:
        start(lab_directory, {**HOSTS, "Host2": THIRD["host_ip"]})
        yield Lab(lab_directory, (CHECKOUT / "inventory/lab", inventory))
    finally:
        stop(lab_directory)


def test_three_hosts_share_a_service_and_reach_each_others_pods(three):
    three.play("exp4", "verify")
    for host in (*HOSTS, "Host2"):
        assert three.on(host, "ipvsadm -ln").count("Masq") == 3
        assert three.on(host, "ip route show proto 96").count(" via ") == 2
    assert three.play("exp4").changed() == 0


def test_a_host_that_leaves_the_inventory_loses_its_routes_on_the_others(three):
    two = Lab(three.directory, three.inventories[:1])
    two.play("exp4", "verify")
    for host in HOSTS:
        assert "172.16.2.0/24" not in two.on(host, "ip route")
        assert "172.16.2.12" not in two.on(host, "ipvsadm -ln")
    assert two.play("exp4").changed() == 0
