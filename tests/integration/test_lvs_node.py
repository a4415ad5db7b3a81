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
    for owner in ("node", "other"):
        run_module("lvs_node", netns=netns, owner=owner, state="absent")


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


def test_what_another_owner_wants_stays(netns):
    run_module("lvs_node", netns=netns, sysctls=FORWARD)
    run_module("lvs_node", netns=netns, owner="other", sysctls=FORWARD, record={"experiment": "exp1"})
    first = run_module("lvs_node", netns=netns, owner="other", state="absent")
    assert first["changed"] and first["commands"] == []
    assert forwarding(netns) == "1"
    assert not run_module("lvs_node", netns=netns, owner="other", state="absent")["changed"]
    run_module("lvs_node", netns=netns, state="absent")
    assert forwarding(netns) == "0"


def test_the_records_of_another_owner_stay(netns):
    run_module("lvs_node", netns=netns, owner="other", record={"experiment": "exp1"}, sysctls=FORWARD)
    assert not run_module("lvs_node", netns=netns, state="absent")["changed"]
    assert run_module("lvs_node", netns=netns)["records"] == []
    assert run_module("lvs_node", netns=netns, owner="other")["records"] == [{"experiment": "exp1"}]
    assert forwarding(netns) == "1"


def test_a_sysctl_that_has_gone_with_its_interface_is_forgotten(netns):
    sh("ip -n %s link add gone0 type veth peer gone1" % netns)
    sysctls = {"net.ipv4.conf.gone0.rp_filter": 2, **FORWARD}
    run_module("lvs_node", netns=netns, sysctls=sysctls)
    sh("ip -n %s link delete gone0" % netns)
    assert run_module("lvs_node", netns=netns, state="absent")["changed"]
    assert forwarding(netns) == "0"
    assert not run_module("lvs_node", netns=netns, state="absent")["changed"]


def test_true_is_one(netns):
    assert run_module("lvs_node", netns=netns, sysctls={"net.ipv4.ip_forward": True})["changed"]
    assert forwarding(netns) == "1"
    assert not run_module("lvs_node", netns=netns, sysctls={"net.ipv4.ip_forward": True})["changed"]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("net.ipv4.no_such_thing", "this kernel has no such sysctl"),
        ("net.ipv4.ip_forward.deeper", "this kernel has no such sysctl"),
        ("net.ipv4.conf.all", "it is a folder of sysctls"),
        ("net.ipv4.route.flush", "it can only be written"),
        ("net.ipv6.conf.all.stable_secret", "cannot be read: EIO"),
    ],
)
def test_a_sysctl_that_cannot_be_set_is_refused_in_words(netns, check, name, words):
    refused = run_module("lvs_node", check=check, netns=netns, sysctls={**FORWARD, name: 1})
    assert refused["failed"]
    assert name in refused["msg"] and words in refused["msg"]
    assert forwarding(netns) == "0"


def test_a_value_that_the_kernel_refuses_is_named_and_the_rest_taken_back(netns):
    refused = run_module("lvs_node", netns=netns, sysctls={**FORWARD, "net.ipv4.ip_default_ttl": 999})
    assert refused["failed"]
    assert "sysctl net.ipv4.ip_default_ttl = '999': EINVAL" in refused["msg"]
    assert forwarding(netns) == "0"
    assert run_module("lvs_node", netns=netns)["records"] == []


def test_hold_looks_and_changes_nothing(netns):
    """What is not noted yet holds up what comes after, so that all hosts are looked at before one is changed."""
    wanted = {"netns": netns, "sysctls": FORWARD, "record": {"experiment": "exp1"}}
    held = run_module("lvs_node", hold=True, **wanted)
    assert held["held_up"] and not held["changed"] and held["records"] == []
    assert forwarding(netns) == "0"
    run_module("lvs_node", **wanted)
    assert not run_module("lvs_node", hold=True, **wanted)["held_up"]


@pytest.mark.parametrize("more", [{"state": "absent"}, {"boot_script": "/tmp/10.sh"}, {"forget_others": True}])
def test_hold_goes_with_nothing_that_changes_the_host(more):
    assert "leave it out together with hold" in run_module("lvs_node", hold=True, **more)["msg"]


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
