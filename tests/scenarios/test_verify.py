# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every check of verify.yml has a twin here: broken on purpose, it goes red and names the hop.

And it stays green with every option of the experiments: it judges by what was built.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from labs import HOSTS, differences


@dataclass(frozen=True)
class Break:
    """Something broken on a host, how it is mended, and for each host that sees it a pattern of what verify says."""

    host: str
    broken: str
    mended: str
    red: dict[str, str]


def rule(host: str, where: str, what: str, red: dict[str, str]) -> Break:
    """A rule at the head of a chain; ``where`` ends with the chain's name."""
    *tool, chain = where.split()
    broken, mended = ("%s -%s %s %s" % (" ".join(tool), letter, chain, what) for letter in "ID")
    return Break(host, broken, mended, red)


NOTHING = Break("Host0", "true", "true", {})
SERVICE = "-t 169.254.2.100:80"
IN_EXPERIMENT_1 = {
    "nothing": NOTHING,
    "no rule that masquerades": Break(
        "Host0",
        "iptables-save -t nat > /root/nat && iptables -t nat -F POSTROUTING",
        "iptables-restore < /root/nat",
        {"Host0": "virtual service 169.254.1.100:80: request"},
    ),
}
IN_EXPERIMENT_2 = {
    "nothing": NOTHING,
    "a virtual address that is gone": Break(
        "Host1",
        "ip address del 169.254.1.100/32 dev vec0",
        "ip address add 169.254.1.100/32 dev vec0",
        {"Host1": "virtual address: 169.254.1.100 is on no interface"},
    ),
}
IN_EXPERIMENT_3 = {
    "nothing": NOTHING,
    "a real server that is stopped": Break(
        "Host1",
        "systemctl stop lulab-backend",
        "systemctl start lulab-backend",
        dict.fromkeys(HOSTS, "real server 10.130.17.31:8888: does not answer"),
    ),
    "a real server that answers for another": Break(
        "Host1",
        "echo 10.130.17.30 > /run/lulab-backend/lu",
        "echo 10.130.17.31 > /run/lulab-backend/lu",
        dict.fromkeys(HOSTS, "real server 10.130.17.31:8888: answers 10.130.17.30"),
    ),
    "a virtual address that is gone": Break(
        "Host0",
        "ip address del 169.254.2.100/32 dev dummy-ipvs0",
        "ip address add 169.254.2.100/32 dev dummy-ipvs0",
        {"Host0": "virtual address: 169.254.2.100 is on no interface"},
    ),
    "a virtual service without real servers": Break(
        "Host0",
        "ipvsadm -d %s -r 10.130.17.30:8888; ipvsadm -d %s -r 10.130.17.31:8888" % (SERVICE, SERVICE),
        "ipvsadm -a %s -r 10.130.17.30:8888 -m; ipvsadm -a %s -r 10.130.17.31:8888 -m" % (SERVICE, SERVICE),
        {"Host0": "virtual service 169.254.2.100:80: request 1 of 6 is not answered"},
    ),
    "a real server that gets no turn": Break(
        "Host1",
        "ipvsadm -e %s -r 10.130.17.30:8888 -m -w 0" % SERVICE,
        "ipvsadm -e %s -r 10.130.17.30:8888 -m -w 1" % SERVICE,
        {"Host1": "shares: 10.130.17.30 0, 10.130.17.31 6 of 6 requests: not even"},
    ),
    "a set that has lost its entry": Break(
        "Host0",
        "ipset del LU-SERVICE-IP 169.254.2.100,tcp:80",
        "ipset add LU-SERVICE-IP 169.254.2.100,tcp:80",
        {"Host0": "virtual service 169.254.2.100:80: request"},
    ),
    "IPVS without conntrack": Break(
        "Host0",
        "sysctl -w net.ipv4.vs.conntrack=0",
        "sysctl -w net.ipv4.vs.conntrack=1",
        {"Host0": "virtual service 169.254.2.100:80: request"},
    ),
    # The answers come, the real servers see another of the host's addresses.
    "SNAT to another address": Break(
        "Host0",
        "ip address add 10.130.17.130/24 dev vec0; iptables -t nat -I LU-POSTROUTING -j SNAT --to-source 10.130.17.130",
        "iptables -t nat -D LU-POSTROUTING -j SNAT --to-source 10.130.17.130; ip address del 10.130.17.130/24 dev vec0",
        {"Host0": r"SNAT: \S+ answers to 10.130.17.130 instead of 10.130.17.30"},
    ),
    "SNAT by a rule that is not ours": rule(
        "Host0",
        "iptables -t nat LU-POSTROUTING",
        "-j SNAT --to-source 10.130.17.30",
        {"Host0": "SNAT rule: the MASQUERADE rules' counters rose by 0 for 6 requests"},
    ),
}
# What no option says anything of: an address of the host's own, what a server answers.
NOT_DECLARED = {"SNAT to another address", "a real server that answers for another"}
IN_EXPERIMENT_4 = {
    "nothing": NOTHING,
    "a host without its route to the other's pods": Break(
        "Host0",
        "ip route del 172.16.1.0/24",
        "ip route add 172.16.1.0/24 via 10.130.17.31 proto 96",
        {  # Where the way there is cut, the way back is too.
            "Host0": "real server 172.16.1.11:8888: does not answer",
            "Host1": "real server 172.16.0.10:8888: does not answer",
        },
    ),
    "a gateway that nobody answers for": Break(
        "Host0",
        "echo 0 > /proc/sys/net/ipv4/conf/cali0/proxy_arp; ip -n ns0 neigh flush all",
        "echo 1 > /proc/sys/net/ipv4/conf/cali0/proxy_arp; ip -n ns0 neigh flush all",
        dict.fromkeys(HOSTS, "real server 172.16.0.10:8888: does not answer"),
    ),
    # It does not answer for the gateway either: its own pod is lost as soon as it has to ask.
    "a host that does not forward": Break(
        "Host1",
        "sysctl -w net.ipv4.ip_forward=0; ip -n ns0 neigh flush all",
        "sysctl -w net.ipv4.ip_forward=1; sysctl -w net.ipv4.conf.cali0.proxy_arp=1",
        dict.fromkeys(HOSTS, "real server 172.16.1.11:8888: does not answer"),
    ),
    "pings that are dropped": rule(
        "Host1",
        "iptables FORWARD",
        "-s 172.16.0.0/24 -p icmp --icmp-type echo-request -j DROP",
        {"Host0": "ping 172.16.1.11: does not answer"},
    ),
    "a path that is cut": rule(
        "Host1",
        "iptables FORWARD",
        "-s 172.16.0.0/24 -p udp -j REJECT",
        {"Host0": "path to 172.16.1.11: 10.130.17.30 -> "},
    ),
    "a pod that cannot ask the service": rule(
        "Host1",
        "ip netns exec ns0 iptables OUTPUT",
        "-d 169.254.2.100 -j REJECT",
        {"Host1": "virtual service 169.254.2.100:80: request 1 of 6 is not answered"},
    ),
}

# The options of each experiment, several at a time.
OPTIONS = {
    "exp1, other names and numbers": (
        "exp1",
        {
            "exp1_host_vip_vip": "169.254.1.101",
            "exp1_host_vip_port": 8080,
            "exp1_host_vip_backend_port": 8889,
            "exp1_host_vip_scheduler": "wlc",
            "exp1_host_vip_directors": ["Host0"],
            "exp1_host_vip_arp_exclusive": True,
        },
    ),
    "exp1, on another interface, with other real servers": (
        "exp1",
        {
            "exp1_host_vip_interface": "spare0",
            "exp1_host_vip_real_servers": [
                {"address": "10.130.17.30", "port": 8888},
                {"address": "10.130.17.31", "port": 9000},
            ],
        },
    ),
    "exp2, on another interface, for the host only": (
        "exp2",
        {"exp2_ipset_interface": "spare0", "exp2_ipset_masquerade": "host", "exp2_ipset_shield": True},
    ),
    "exp2, other names, in kube-proxy's form": (
        "exp2",
        {
            "exp2_ipset_set": "OTHER",
            "exp2_ipset_mark": "0x40/0x40",
            "exp2_ipset_chains": {"services": "A", "mark_masq": "B", "postrouting": "C"},
            "exp2_ipset_kube_proxy": True,
            "exp2_ipset_forward_accept": True,
            "exp2_ipset_arp_exclusive": True,
        },
    ),
    "exp3, from outside, with weights": (
        "exp3",
        {
            "exp3_dummy_interface": "other0",
            "exp3_dummy_masquerade": "outside",
            "exp3_dummy_outside": ["10.130.17.0/24"],
            "exp3_dummy_scheduler": "wrr",
            "exp3_dummy_real_servers": [
                {"address": "10.130.17.30", "port": 8888, "weight": 0},
                {"address": "10.130.17.31", "port": 8888, "weight": 2},
            ],
        },
    ),
    "exp4, from outside": (
        "exp4",
        {
            "exp4_pod_masquerade": "outside",
            "exp4_pod_outside": ["172.16.0.0/16"],
            "exp4_pod_kube_proxy": True,
            "exp4_pod_prefix": 32,
            "exp4_pod_mtu": 1400,
        },
    ),
    "exp4, from outside, the pods being it": (
        "exp4",
        {"exp4_pod_masquerade": "outside", "exp4_pod_outside": ["192.0.2.0/24"], "exp4_pod_shield": True},
    ),
    "exp4, for the host only, other names": (
        "exp4",
        {
            "exp4_pod_masquerade": "host",
            "exp4_pod_namespace": "ns7",
            "exp4_pod_host_interface": "cali7",
            "exp4_pod_container_interface": "eth0",
            "exp4_pod_forward_accept": True,
        },
    ),
    "exp4, a pod that is no real server keeps its source": (
        "exp4",
        {
            "exp4_pod_masquerade": "host",
            "exp4_pod_real_servers": [{"address": "172.16.1.11", "port": 8888}],
        },
    ),
}
SEEN = {
    "exp2, on another interface, for the host only": "virtual address: 169.254.1.100 is on spare0",
    "exp1, on another interface, with other real servers": "ok real server 10.130.17.31:9000: answers theirs",
    "exp4, from outside": "not asked from 172.16.0.10, which keeps its address",
    "exp4, from outside, the pods being it": "from the pod on Host0",
    "exp4, a pod that is no real server keeps its source": "all 3 connections are answered to 172.16.0.10",
}


def failures(output: str) -> dict[str, str]:
    """What each host that failed said, in one line."""
    blocks = re.findall(r"^fatal: \[(\w+)\]: FAILED! => *\n((?: .*\n)*)", output, flags=re.MULTILINE)
    return {host: " ".join(block.replace("''", "'").split()) for host, block in blocks}


def verdict(lab, case):
    """verify.yml must pass when nothing is broken, else fail on the hosts that see it, with its words."""
    try:
        lab.on(case.host, case.broken)
        played = lab.play("verify", extra={"verify_patience": 1}, fails=bool(case.red))
    finally:
        lab.on(case.host, case.mended)
    said = failures(played.output)
    assert set(said) == set(case.red)
    for host, pattern in case.red.items():
        assert re.search("msg: ['\"]FAIL " + pattern, said[host])


TWINS = [
    pytest.param(experiment, case, id="%s, %s" % (experiment, name))
    for experiment, cases in (
        ("exp1", IN_EXPERIMENT_1),
        ("exp2", IN_EXPERIMENT_2),
        ("exp3", IN_EXPERIMENT_3),
        ("exp4", IN_EXPERIMENT_4),
    )
    for name, case in cases.items()
]


@pytest.fixture(scope="module")
def experiment(lab, request):
    lab.play(request.param)


@pytest.mark.parametrize(("experiment", "case"), TWINS, indirect=["experiment"], scope="module")
def test_verify_notices(lab, experiment, case):
    verdict(lab, case)


@pytest.mark.parametrize("experiment", ["exp3"], indirect=True, scope="module")
def test_a_second_run_repairs_what_was_broken(lab, experiment):
    for name in IN_EXPERIMENT_3.keys() - NOT_DECLARED:
        lab.on(IN_EXPERIMENT_3[name].host, IN_EXPERIMENT_3[name].broken)
    assert lab.play("exp3").changed() > 0
    lab.play("verify")


@pytest.fixture(scope="module")
def others(lab):
    """A real server that is none of ours, and afterwards hosts as they were."""
    lab.play("clean")
    for host in HOSTS:
        lab.on(host, "ip link add spare0 type dummy && ip link set spare0 up")
        lab.on(host, "modprobe ip_vs; for table in nat filter; do iptables -t $table -S; done")
    lab.on("Host1", "mkdir -p /run/theirs && echo theirs > /run/theirs/lu")
    lab.on("Host1", "systemd-run --quiet --unit=theirs python3 -m http.server 9000 --directory /run/theirs")
    before = lab.snapshots()
    yield
    lab.play("clean")
    assert not differences(before, lab.snapshots())


@pytest.mark.parametrize("name", OPTIONS)
def test_verify_is_green_with_an_option_that_the_roles_have(lab, others, name):
    experiment, extra = OPTIONS[name]
    built = lab.play(experiment, extra=extra)
    # By what was built: nothing says to verify what that was.
    played = lab.play("verify")
    assert built.changed() and SEEN.get(name, "") in " ".join(played.output.split())
    if "exp4_pod_mtu" in extra:
        assert "mtu %d" % extra["exp4_pod_mtu"] in lab.on("Host0", "ip link show cali0")
    assert lab.play(experiment, extra=extra).changed() == 0


def test_verify_where_nothing_is_built_says_so(lab):
    lab.play("clean")
    assert "nothing is built on Host0" in lab.play("verify", fails=True).output
