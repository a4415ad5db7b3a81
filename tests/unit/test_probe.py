# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts of the probe: every one has a twin that goes red."""

from __future__ import annotations

import errno

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model import probe as model
from harness import run_module

SERVERS = model.parse_servers(
    [
        {"address": "10.130.17.30", "port": 8888, "answer": "10.130.17.30"},
        {"address": "10.130.17.31", "port": 8888, "answer": "10.130.17.31"},
    ]
)
FLOW = (
    "tcp 6 119 TIME_WAIT src=169.254.2.100 dst=169.254.2.100 sport=%d dport=80 "
    "src=10.130.17.31 dst=%s sport=8888 dport=%d [ASSURED] mark=0 use=1\n"
)
TRACE = """ 1?: [LOCALHOST]                                         pmtu 1500
 1:  10.130.17.30                                          0.122ms
 1:  10.130.17.30                                          0.035ms
 2:  10.130.17.30                                          0.031ms pmtu 1450
 2:  10.130.17.31                                          0.369ms
 3:  172.16.1.11                                           0.303ms reached
     Resume: pmtu 1450 hops 3 back 3
"""
HOPS = ("10.130.17.30", "10.130.17.31", "172.16.1.11")


@pytest.mark.parametrize(
    ("answers", "ok"),
    [
        (["10.130.17.30", "10.130.17.31"] * 3, True),
        (["10.130.17.30", "10.130.17.31", "10.130.17.30"], True),
        (["10.130.17.30"] * 2 + ["10.130.17.31"] * 4, False),
        (["10.130.17.30"] * 6, False),
        (["10.130.17.30", "10.130.17.31", "10.9.9.9"], False),
    ],
)
def test_round_robin_shares_differ_by_at_most_one_and_nobody_else_answers(answers, ok):
    assert model.share_finding(answers, SERVERS, even=True).ok is ok


def test_uneven_shares_pass_where_evenness_is_not_asked_for():
    assert model.share_finding(["10.130.17.30"] * 6, SERVERS, even=False).ok


THEIRS = [{"address": "10.0.0.%d" % n, "port": 80, "answer": None} for n in (1, 2)]


def test_servers_of_whom_nothing_is_known_may_answer_alike():
    servers = [model.RealServer(server.address, server.port, "hello") for server in model.parse_servers(THEIRS)]
    assert model.share_finding(["hello"] * 6, servers, even=True).ok
    assert model.bars(["hello"] * 6, servers) == ["hello              6  ######"]
    assert not model.share_finding(["hello", "who?"], servers, even=True).ok


def test_a_source_is_kept_in_the_networks_that_keep_theirs():
    keeps = model.parse_networks("keeps", ["172.16.0.0/16", "fd00::/8"])
    assert model.is_kept("172.16.0.10", keeps) and model.is_kept("fd00::1", keeps)
    assert not model.is_kept("169.254.2.100", keeps)


def test_a_network_that_is_none_names_its_option():
    with pytest.raises(BadInput, match="keeps"):
        model.parse_networks("keeps", ["172.16.0.0/33"])


def test_snat_is_a_reply_to_the_nodes_own_address():
    flows = model.parse_flows(FLOW % (40000, "10.130.17.30", 40000))
    assert model.snat_finding(flows, [40000], SERVERS, "10.130.17.30").ok


def test_a_reply_to_another_address_is_no_snat():
    flows = model.parse_flows(FLOW % (40000, "169.254.2.100", 40000))
    finding = model.snat_finding(flows, [40000], SERVERS, "10.130.17.30")
    assert not finding.ok
    assert "169.254.2.100 instead of 10.130.17.30" in finding.saw


def test_a_connection_that_conntrack_does_not_know_is_no_snat():
    flows = model.parse_flows(FLOW % (40000, "10.130.17.30", 40000))
    assert not model.snat_finding(flows, [40000, 40001], SERVERS, "10.130.17.30").ok


def test_the_rules_counter_must_rise_by_the_number_of_requests():
    listing = "[3:180] -A LU-POSTROUTING -m mark --mark 0x2000/0x2000 -j MASQUERADE\n[9:9] -A OUTPUT -j LU-SERVICES\n"
    assert model.masqueraded(listing) == 3
    assert model.counter_finding(3, 9, 6).ok
    assert not model.counter_finding(3, 3, 6).ok


def test_the_articles_path_has_three_hops():
    assert model.path_finding(TRACE, HOPS).ok


def test_a_path_that_ends_early_names_the_hop():
    finding = model.path_finding(TRACE.replace(" 2:  10.130.17.31", " 2:  no reply     ").replace("reached", ""), HOPS)
    assert not finding.ok
    assert "hop 2 (10.130.17.31)" in finding.look_at


def test_a_detour_is_no_path():
    assert not model.path_finding(TRACE.replace("10.130.17.31 ", "10.130.17.99 "), HOPS).ok


def test_servers_that_answer_alike_are_refused():
    with pytest.raises(BadInput, match="cannot be told apart"):
        model.parse_servers([{"address": "10.0.0.%d" % n, "port": 80, "answer": "same"} for n in (1, 2)])


ASKED = {
    "vip": "169.254.2.100",
    "real_servers": [{"address": "10.130.17.30", "port": 8888, "answer": "one"}],
}


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"vip": "foo"}, "vip"),
        ({"vip": "169.254.2.100/32"}, "vip"),
        ({"snat": "10.130.17"}, "snat"),
        ({"ping": ["10.130.17.30", "host"]}, "ping[1]"),
        ({"traces": [[]]}, "traces[0]"),
        ({"traces": [["10.130.17.30"], ["10.130.17.30", 7.5]]}, "traces[1][1]"),
        ({"real_servers": []}, "real_servers"),
        ({"rounds": 0}, "rounds"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(given, parameter):
    result = run_module("lvs_probe", **{**ASKED, **given})
    assert result["failed"]
    assert result["parameter"] == parameter


@pytest.mark.parametrize(
    ("error", "walled"),
    [
        (OSError(errno.EHOSTUNREACH, "No route to host"), True),
        (TimeoutError("timed out"), True),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), False),
    ],
)
def test_a_server_that_is_walled_off_has_one_look_at_the_firewall(error, walled):
    assert ("firewall-cmd" in model.server_remedy(SERVERS[0], error)) is walled
