# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that drops what it forwards: another host before it, a pod behind it, each a namespace."""

from __future__ import annotations

import os
import socket

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from harness import run_module, sh

VARIANTS = ["legacy"] if "LVS_GUEST" in os.environ else ["legacy", "nft"]
PODS = "172.16.1.0/24"
POD, OTHER_HOST = "172.16.1.2", "10.1.0.1"
SETUP = """
set -e
for n in {o} {h} {p}; do ip netns add $n; ip -n $n link set lo up; done
ip -n {h} link add o0 type veth peer name eth0 netns {o}
ip -n {h} link add p0 type veth peer name eth0 netns {p}
ip -n {h} address add 10.1.0.2/24 dev o0 && ip -n {h} address add 172.16.1.1/24 dev p0
ip -n {o} address add 10.1.0.1/24 dev eth0 && ip -n {p} address add 172.16.1.2/24 dev eth0
for l in o0 p0; do ip -n {h} link set $l up; done
for n in {o} {p}; do ip -n $n link set eth0 up; done
ip -n {o} route add 172.16.1.0/24 via 10.1.0.2 && ip -n {p} route add default via 172.16.1.1
ip netns exec {h} sysctl -qw net.ipv4.ip_forward=1
"""


class Hosts:
    def __init__(self, names, variant):
        self.other, self.host, self.pod = names
        self.variant = variant
        sh("ip netns exec %s iptables-%s -P FORWARD DROP" % (self.host, variant))

    def lay(self, **options):
        result = run_module("lu_chains", netns=self.host, variant=self.variant, layout=True, **options)
        assert not result["failed"], result
        return result

    def both_ways(self):
        """Whether a request of the other host reaches the pod, and one of the pod the other host."""
        return reaches(self.other, POD), reaches(self.pod, OTHER_HOST)


def listener(netns):
    """The kernel answers for it: nobody needs to accept."""
    with inside(netns):
        return socket.create_server(("0.0.0.0", 80))


def reaches(netns, address):
    with inside(netns):
        try:
            socket.create_connection((address, 80), timeout=0.5).close()
        except TimeoutError:
            return False
    return True


@pytest.fixture(params=VARIANTS)
def hosts(request):
    names = ["lvs-%s-%d" % (letter, os.getpid()) for letter in "ohp"]
    try:
        sh(SETUP.format(**dict(zip("ohp", names))))
        with listener(names[0]), listener(names[2]):
            yield Hosts(names, request.param)
    finally:
        for name in names:
            sh("ip netns delete %s" % name, check=False)


def test_a_request_that_another_host_has_balanced_reaches_the_pod(hosts):
    hosts.lay(forward_accept=True, forward_networks=[PODS])
    assert hosts.both_ways() == (True, True)


def test_without_its_network_it_does_not(hosts):
    hosts.lay(forward_accept=True)
    assert hosts.both_ways() == (False, False)
    hosts.lay(forward_accept=True, forward_networks=["172.16.2.0/24"])
    assert hosts.both_ways() == (False, False)
