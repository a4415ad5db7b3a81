# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the chains do to packets: a client, a director and a real server, each a namespace."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from harness import run_module, sh

pytestmark = pytest.mark.ip_vs

VIP = "169.254.2.100"
SETUP = """
set -e
modprobe ip_vs
ip netns add {c} && ip netns add {d} && ip netns add {s}
for n in {c} {d} {s}; do ip -n $n link set lo up; done
ip -n {d} link add c0 type veth peer name eth0 netns {c}
ip -n {d} link add s0 type veth peer name eth0 netns {s}
ip -n {d} address add 10.1.0.1/24 dev c0 && ip -n {d} address add 10.2.0.1/24 dev s0
ip -n {c} address add 10.1.0.2/24 dev eth0 && ip -n {s} address add 10.2.0.2/24 dev eth0
for l in c0 s0; do ip -n {d} link set $l up; done
for n in {c} {s}; do ip -n $n link set eth0 up; done
ip -n {c} route add default via 10.1.0.1 && ip -n {s} route add default via 10.2.0.1
ip -n {d} address add 169.254.2.100/32 dev lo
ip netns exec {d} sysctl -qw net.ipv4.ip_forward=1 net.ipv4.vs.conntrack=1
ip netns exec {d} ipvsadm -A -t 169.254.2.100:80 -s rr
ip netns exec {d} ipvsadm -a -t 169.254.2.100:80 -r 10.2.0.2:8888 -m
ip netns exec {d} ipset create LU-SERVICE-IP hash:ip,port
ip netns exec {d} ipset add LU-SERVICE-IP 169.254.2.100,tcp:80
"""


def listener(netns, port):
    """A server that answers each connection with its client's address, as it sees it."""
    with inside(netns):
        server = socket.create_server(("0.0.0.0", port))

    def serve():
        while True:
            try:
                connection, peer = server.accept()
            except OSError:
                return
            with connection:
                connection.sendall(peer[0].encode())

    threading.Thread(target=serve, daemon=True).start()
    return server


class Net:
    def __init__(self, names):
        self.client, self.director, self.server = names

    def ask(self, port=80, source=None):
        """The client's address as the server sees it; None when nothing comes back."""
        with inside(source or self.client):
            try:
                with socket.create_connection((VIP, port), timeout=2) as connection:
                    return connection.recv(64).decode()
            except OSError:
                return None

    def lay(self, **options):
        result = run_module("lu_chains", netns=self.director, **options)
        assert not result["failed"], result
        return result


@pytest.fixture
def net():
    names = ["lvs-%s-%d" % (letter, os.getpid()) for letter in "cds"]
    servers = []
    try:
        sh(SETUP.format(**dict(zip("cds", names))))
        servers = [listener(names[2], 8888), listener(names[1], 9000)]
        yield Net(names)
    finally:
        for server in servers:
            server.shutdown(socket.SHUT_RDWR)
            server.close()
        for name in names:
            sh("ip netns delete %s" % name, check=False)


MATCH = [{"name": "LU-SERVICE-IP"}]


def test_the_server_sees_the_director(net):
    assert net.ask() == "10.1.0.2"
    net.lay(match_sets=MATCH)
    assert net.ask() == "10.2.0.1"
    net.lay(match_sets=MATCH, kube_proxy=True)
    assert net.ask() == "10.2.0.1"
    net.lay(state="absent")
    assert net.ask() == "10.1.0.2"


def test_so_it_does_by_the_rule_of_experiment_1(net):
    net.lay(ipvs_rules=[{"address": VIP, "port": 80}])
    assert net.ask() == "10.2.0.1"


def test_whose_address_is_masked_can_be_chosen(net):
    net.lay(match_sets=MATCH, masquerade="outside", outside=["10.1.0.0/24"])
    assert net.ask() == "10.1.0.2"
    net.lay(match_sets=MATCH, masquerade="outside", outside=["10.3.0.0/24", "10.4.0.0/24"])
    assert net.ask() == "10.2.0.1"
    net.lay(match_sets=MATCH, masquerade="host")
    assert net.ask() == "10.1.0.2"
    assert net.ask(source=net.director) == "10.2.0.1"


def test_where_forward_drops_answers_are_lost_unless_accepted(net):
    sh("ip netns exec %s iptables -P FORWARD DROP" % net.director)
    assert "warnings" in net.lay(match_sets=MATCH)
    assert net.ask() is None
    net.lay(match_sets=MATCH, forward_accept=True)
    assert net.ask() == "10.2.0.1"


def test_the_shield_leaves_only_the_services_open(net):
    net.lay(match_sets=MATCH)
    assert net.ask(9000) == "10.1.0.2"
    for shield in (
        {"addresses": [VIP], "service_sets": ["LU-SERVICE-IP"]},
        {"services": [{"address": VIP, "port": 80}]},
    ):
        net.lay(match_sets=MATCH, shield=shield)
        assert net.ask(9000) is None
        assert net.ask() == "10.2.0.1"
        assert net.ask(source=net.director) == "10.2.0.1"
    net.lay(match_sets=MATCH, shield={})
    assert net.ask(9000) == "10.1.0.2"
