# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""lvs_node on a real kernel: sysctls of a namespace of the test's own, read back from /proc."""

from __future__ import annotations

import sys

import pytest

from harness import run_module, sh

FORWARD = {"net.ipv4.ip_forward": 1}


def forwarding(netns):
    return sh("ip netns exec %s cat /proc/sys/net/ipv4/ip_forward" % netns).strip()


@pytest.fixture(autouse=True)
def forgotten(netns):
    sh("ip netns exec %s sysctl -qw net.ipv4.ip_forward=0" % netns)
    yield
    run_module("lvs_node", netns=netns, state="absent")


def test_a_sysctl_is_set_once_and_put_back(netns):
    assert run_module("lvs_node", netns=netns, sysctls=FORWARD)["commands"] == ["sysctl -w net.ipv4.ip_forward='1'"]
    assert forwarding(netns) == "1"
    assert not run_module("lvs_node", netns=netns, sysctls=FORWARD)["changed"]
    assert run_module("lvs_node", netns=netns, state="absent")["changed"]
    assert forwarding(netns) == "0"
    assert not run_module("lvs_node", netns=netns, state="absent")["changed"]


def test_check_mode_tells_and_touches_nothing(netns):
    told = run_module("lvs_node", check=True, netns=netns, sysctls=FORWARD)
    assert told["changed"]
    assert told["diff"]["after"] == "net.ipv4.ip_forward = 1\n"
    assert forwarding(netns) == "0"
    assert run_module("lvs_node", netns=netns, sysctls=FORWARD)["commands"] == told["commands"]


def test_records_are_kept_and_others_are_named(netns):
    run_module("lvs_node", netns=netns, record={"experiment": "exp1"})
    second = run_module("lvs_node", netns=netns, record={"experiment": "exp2"})
    assert second["stale"] == [{"experiment": "exp1"}]
    third = run_module("lvs_node", netns=netns, record={"experiment": "exp2"}, forget_others=True)
    assert third["records"] == [{"experiment": "exp2"}]
    assert third["stale"] == []


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"kernel_modules": ["no_such_module"]}, "has no module no_such_module"),
        ({"holds": ["192.0.2.7"]}, "no interface of this host has that address"),
        ({"free": ["127.0.0.1"]}, "interface lo of this host has that address already"),
        ({"reaches": ["169.254.1.1"]}, "no route of this host covers it"),
    ],
)
def test_an_unfit_host_is_refused_before_anything_is_changed(netns, parameters, words):
    refused = run_module("lvs_node", netns=netns, sysctls=FORWARD, **parameters)
    assert refused["failed"]
    assert words in refused["msg"]
    assert forwarding(netns) == "0"


def test_a_default_route_covers_the_gateway(netns):
    sh(f"ip -n {netns} link add veth0 type veth peer veth1 && ip -n {netns} link set veth0 up")
    sh(f"ip -n {netns} address add 192.0.2.1/24 dev veth0 && ip -n {netns} link set veth1 up")
    sh("ip -n %s route add default via 192.0.2.2" % netns)
    assert not run_module("lvs_node", netns=netns, reaches=["169.254.1.1"])["failed"]


def test_missing_tools_are_named(netns):
    assert run_module("lvs_node", netns=netns, tools=["sh", "no-such-tool"])["missing_tools"] == ["no-such-tool"]


SCRIPT = """python3 - <<'EOF'
import sys
sys.path[:0] = %r
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import require_net_admin
try:
    require_net_admin()
except Exception as error:
    print(error)
EOF""" % [path for path in sys.path if path]


def test_without_the_privilege_it_says_so():
    words = "this needs the privilege to configure the network"
    assert words in sh("setpriv --bounding-set -all --inh-caps -all %s" % SCRIPT)
