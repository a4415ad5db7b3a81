# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every check of verify.yml has a twin here: broken on purpose, it goes red and names the hop."""

from __future__ import annotations

from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Break:
    """Something broken on a host, how it is mended, and what verify must say."""

    host: str
    broken: str
    mended: str
    words: str


SERVICE = "-t 169.254.2.100:80"
IN_EXPERIMENT_3 = {
    "nothing": Break("Host0", "true", "true", ""),
    "a real server that is stopped": Break(
        "Host1",
        "systemctl stop lulab-backend",
        "systemctl start lulab-backend",
        "real server 10.130.17.31:8888: does not answer",
    ),
    "a virtual address that is gone": Break(
        "Host0",
        "ip address del 169.254.2.100/32 dev dummy-ipvs0",
        "ip address add 169.254.2.100/32 dev dummy-ipvs0",
        "virtual address: 169.254.2.100 is on no interface",
    ),
    "a virtual service without real servers": Break(
        "Host0",
        "ipvsadm -d %s -r 10.130.17.30:8888; ipvsadm -d %s -r 10.130.17.31:8888" % (SERVICE, SERVICE),
        "ipvsadm -a %s -r 10.130.17.30:8888 -m; ipvsadm -a %s -r 10.130.17.31:8888 -m" % (SERVICE, SERVICE),
        "virtual service 169.254.2.100:80: request 1 of 6 is not answered",
    ),
    "a real server that gets no turn": Break(
        "Host1",
        "ipvsadm -e %s -r 10.130.17.30:8888 -m -w 0" % SERVICE,
        "ipvsadm -e %s -r 10.130.17.30:8888 -m -w 1" % SERVICE,
        "shares: 10.130.17.30 0, 10.130.17.31 6 of 6 requests: not even",
    ),
    "a set that has lost its entry": Break(
        "Host0",
        "ipset del LU-SERVICE-IP 169.254.2.100,tcp:80",
        "ipset add LU-SERVICE-IP 169.254.2.100,tcp:80",
        "virtual service 169.254.2.100:80",
    ),
    "IPVS without conntrack": Break(
        "Host0",
        "sysctl -w net.ipv4.vs.conntrack=0",
        "sysctl -w net.ipv4.vs.conntrack=1",
        "virtual service 169.254.2.100:80",
    ),
}
IN_EXPERIMENT_4 = {
    "nothing": Break("Host0", "true", "true", ""),
    "a host without its route to the other's pods": Break(
        "Host0",
        "ip route del 172.16.1.0/24",
        "ip route add 172.16.1.0/24 via 10.130.17.31 proto 96",
        "real server 172.16.1.11:8888: does not answer",
    ),
    "a gateway that nobody answers for": Break(
        "Host0",
        "echo 0 > /proc/sys/net/ipv4/conf/cali0/proxy_arp; ip -n ns0 neigh flush all",
        "echo 1 > /proc/sys/net/ipv4/conf/cali0/proxy_arp; ip -n ns0 neigh flush all",
        "real server 172.16.0.10:8888: does not answer",
    ),
    "a host that does not forward": Break(
        "Host1",
        "sysctl -w net.ipv4.ip_forward=0",
        "sysctl -w net.ipv4.ip_forward=1; sysctl -w net.ipv4.conf.cali0.proxy_arp=1",
        "does not answer",
    ),
}


@pytest.fixture(scope="module")
def experiment_3(lab):
    lab.play("exp3")


@pytest.fixture(scope="module")
def experiment_4(lab):
    lab.play("exp4")


def verdict(lab, case):
    """verify.yml must pass when nothing is broken, else fail with the words of the case."""
    try:
        lab.on(case.host, case.broken)
        played = lab.play("verify", extra={"verify_patience": 1}, fails=bool(case.words))
    finally:
        lab.on(case.host, case.mended)
    assert case.words in played.output


@pytest.mark.parametrize("case", IN_EXPERIMENT_3.values(), ids=IN_EXPERIMENT_3)
def test_verify_of_experiment_3_notices(lab, experiment_3, case):
    verdict(lab, case)


def test_a_second_run_repairs_what_was_broken(lab, experiment_3):
    for case in IN_EXPERIMENT_3.values():
        lab.on(case.host, case.broken)
    assert lab.play("exp3").changed() > 0
    lab.play("verify")


@pytest.mark.parametrize("case", IN_EXPERIMENT_4.values(), ids=IN_EXPERIMENT_4)
def test_verify_of_experiment_4_notices(lab, experiment_4, case):
    verdict(lab, case)


def test_verify_where_nothing_is_built_says_so(lab):
    lab.play("clean")
    assert "nothing is built on Host0" in lab.play("verify", fails=True).output
