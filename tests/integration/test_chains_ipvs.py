# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rule of experiment 1, which needs the kernel's ipvs match."""

from __future__ import annotations

import pytest

from harness import run_module, sh

pytestmark = pytest.mark.ip_vs

RULE = {"address": "169.254.1.100", "port": 80}
SAVED = "-A POSTROUTING -m ipvs --vaddr 169.254.1.100 --vport 80 -j MASQUERADE"


def nat(netns):
    return sh("ip netns exec %s iptables -t nat -S" % netns)


def test_the_articles_rule_is_there_once_and_no_chain(netns):
    sh("modprobe xt_ipvs", check=False)
    told = run_module("lu_chains", check=True, netns=netns, ipvs_rules=[RULE])
    result = run_module("lu_chains", netns=netns, ipvs_rules=[RULE])
    assert result["commands"] == told["commands"]
    assert result["commands"] == [
        "iptables -t nat -A POSTROUTING -m ipvs --vaddr 169.254.1.100 --vport 80 -j MASQUERADE"
    ]
    assert SAVED in nat(netns) and "-N" not in nat(netns)
    assert not run_module("lu_chains", netns=netns, ipvs_rules=[RULE])["changed"]


def test_the_tools_rule_is_the_modules_rule(netns):
    sh("ip netns exec %s iptables -t nat -A POSTROUTING -m ipvs --vaddr 169.254.1.100 --vport 80 -j MASQUERADE" % netns)
    assert not run_module("lu_chains", netns=netns, ipvs_rules=[RULE])["changed"]


def test_only_the_named_rules_go(netns):
    other = {"address": "169.254.1.100", "port": 53, "protocol": "udp"}
    run_module("lu_chains", netns=netns, ipvs_rules=[RULE, other])
    assert "-A POSTROUTING -m ipvs --vproto 17 --vaddr 169.254.1.100 --vport 53 -j MASQUERADE" in nat(netns)
    assert not run_module("lu_chains", netns=netns, ipvs_rules=[RULE, other])["changed"]
    run_module("lu_chains", netns=netns, ipvs_rules=[other], state="absent")
    assert nat(netns).count("-A") == 1 and SAVED in nat(netns)
    run_module("lu_chains", netns=netns, ipvs_rules=[RULE], state="absent")
    assert "-A" not in nat(netns)


def test_the_rule_and_the_chains_do_not_touch_each_other(netns):
    run_module("lu_chains", netns=netns, ipvs_rules=[RULE])
    run_module("lu_chains", netns=netns, layout=True)
    assert SAVED in nat(netns) and "-N LU-SERVICES" in nat(netns)
    run_module("lu_chains", netns=netns, ipvs_rules=[RULE], state="absent")
    assert SAVED not in nat(netns) and "-N LU-SERVICES" in nat(netns)
    run_module("lu_chains", netns=netns, ipvs_rules=[RULE])
    run_module("lu_chains", netns=netns, state="absent")
    assert SAVED in nat(netns) and "-N LU-SERVICES" not in nat(netns)
