# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""ipvs_service on a real kernel, read back with ipvsadm."""

from __future__ import annotations

from typing import Any

import pytest

from harness import run_module, sh

pytestmark = pytest.mark.ip_vs

WEB: dict[str, Any] = {
    "address": "169.254.2.100",
    "port": 80,
    "scheduler": "rr",
    "servers": [{"address": "10.130.17.30", "port": 8888}, {"address": "10.130.17.31", "port": 8888}],
}
WEB_SAVED = [
    "-A -t 169.254.2.100:80 -s rr",
    "-a -t 169.254.2.100:80 -r 10.130.17.30:8888 -m -w 1",
    "-a -t 169.254.2.100:80 -r 10.130.17.31:8888 -m -w 1",
]


def saved(netns: str) -> list[str]:
    return sh("ip netns exec %s ipvsadm -Sn" % netns).splitlines()


def ipvsadm(netns: str, *rules: str) -> None:
    for rule in rules:
        sh("ip netns exec %s ipvsadm %s" % (netns, rule))


def apply(netns: str, check: bool = False, **options: Any) -> dict[str, Any]:
    result = run_module("ipvs_service", check=check, netns=netns, **options)
    assert not result["failed"], result["msg"]
    return result


def refused(netns: str, **options: Any) -> dict[str, Any]:
    result = run_module("ipvs_service", netns=netns, **options)
    assert result["failed"], result
    return result


def test_a_service_is_made_as_the_article_has_it(netns: str) -> None:
    result = apply(netns, **WEB)
    assert result["changed"]
    assert result["commands"] == ["ipvsadm %s" % line for line in WEB_SAVED]
    assert result["diff"] == {"before": "", "after": "".join(line + "\n" for line in WEB_SAVED)}
    assert saved(netns) == WEB_SAVED
    assert "TCP  169.254.2.100:80 rr" in sh("ip netns exec %s ipvsadm -ln" % netns)


def test_the_second_run_changes_nothing(netns: str) -> None:
    apply(netns, **WEB)
    again = apply(netns, **WEB)
    assert (again["changed"], again["commands"]) == (False, [])
    assert again["diff"]["before"] == again["diff"]["after"]


def test_check_mode_says_the_same_and_does_nothing(netns: str) -> None:
    foretold = apply(netns, check=True, **WEB)
    assert saved(netns) == []
    assert foretold["commands"] == apply(netns, **WEB)["commands"]


def test_the_given_servers_are_the_whole_list(netns: str) -> None:
    apply(netns, **WEB)
    changed = {**WEB, "servers": [{"address": "10.130.17.31", "port": 8888, "weight": 5}, {"address": "10.0.0.9"}]}
    assert apply(netns, **changed)["commands"] == [
        "ipvsadm -e -t 169.254.2.100:80 -r 10.130.17.31:8888 -m -w 5",
        "ipvsadm -a -t 169.254.2.100:80 -r 10.0.0.9:80 -m -w 1",
        "ipvsadm -d -t 169.254.2.100:80 -r 10.130.17.30:8888",
    ]
    assert not apply(netns, **changed)["changed"]


def test_without_servers_those_there_are_left_alone(netns: str) -> None:
    apply(netns, **WEB)
    result = apply(netns, **{**WEB, "servers": None, "scheduler": "wrr"})
    assert result["commands"] == ["ipvsadm -E -t 169.254.2.100:80 -s wrr"]
    assert saved(netns)[1:] == WEB_SAVED[1:]


def test_absent_removes_the_service_whole_and_no_other(netns: str) -> None:
    ipvsadm(netns, "-A -u 169.254.2.100:80 -s lc")
    apply(netns, **WEB)
    result = apply(netns, address="169.254.2.100", port=80, state="absent")
    assert result["commands"][-1] == "ipvsadm -D -t 169.254.2.100:80"
    assert saved(netns) == ["-A -u 169.254.2.100:80 -s lc"]
    assert not apply(netns, address="169.254.2.100", port=80, state="absent")["changed"]


def test_prune_removes_inside_the_scope_only(netns: str) -> None:
    ipvsadm(netns, "-A -t 169.254.2.7:80", "-a -t 169.254.2.7:80 -r 10.0.0.1:80 -m", "-A -t 169.254.3.7:80", "-A -f 3")
    apply(netns, services=[WEB], prune=True, scope=["169.254.2.0/24"])
    assert saved(netns) == [*WEB_SAVED, "-A -t 169.254.3.7:80 -s wlc", "-A -f 3 -s wlc"]
    apply(netns, services=[], prune=True, scope=["169.254.2.0/24"])
    assert saved(netns) == ["-A -t 169.254.3.7:80 -s wlc", "-A -f 3 -s wlc"]


EVERYTHING: list[dict[str, Any]] = [
    {"fwmark": 4294967295, "scheduler": "dh", "servers": [{"address": "10.0.0.1", "port": 0, "forward": "direct"}]},
    {"fwmark": 7, "family": "ipv6", "one_packet": True, "servers": [{"address": "2001:db8::2"}]},
    {
        "address": "2001:db8::100",
        "port": 443,
        "scheduler": "mh",
        "scheduler_flags": ["mh-port", "mh-fallback"],
        "persistence": {"netmask": 64},
        "servers": [{"address": "2001:db8:0:1::30", "forward": "direct", "upper_threshold": 9, "lower_threshold": 3}],
    },
    {"address": "169.254.2.9", "port": 5060, "protocol": "udp", "persistence": {"engine": "sip"}, "one_packet": True},
    {"address": "169.254.2.9", "port": 0, "persistence": {"timeout": 50, "netmask": "255.255.255.0"}},
    {"address": "169.254.2.9", "port": 9, "protocol": "sctp", "scheduler": "sh", "scheduler_flags": ["sh-port"]},
    {"address": "169.254.2.9", "port": 9, "protocol": "tcp", "scheduler": "rr", "scheduler_flags": ["flag-2"]},
    {
        "address": "169.254.2.10",
        "port": 80,
        "servers": [
            {"address": "10.0.0.1", "forward": "tunneling", "weight": 0},
            {"address": "10.0.0.2", "forward": "tunneling", "tunnel": {"type": "gue", "port": 6080}},
            {
                "address": "10.0.0.3",
                "forward": "tunneling",
                "tunnel": {"type": "gue", "port": 6080, "checksum": "remcsum"},
            },
            {"address": "10.0.0.4", "forward": "tunneling", "tunnel": {"type": "gre", "checksum": "csum"}},
            {"address": "2001:db8::4", "forward": "tunneling"},
            {"address": "10.0.0.5", "forward": "masquerading", "weight": 65535, "port": 1},
        ],
    },
]


def test_all_options_reach_the_kernel_and_come_back_unchanged(netns: str) -> None:
    result = apply(netns, services=EVERYTHING)
    again = apply(netns, services=EVERYTHING)
    assert (again["changed"], again["commands"]) == (False, [])
    assert apply(netns, services=EVERYTHING, state="absent")["changed"]
    assert saved(netns) == []
    # What ipvsadm makes of the returned commands is what the module wants, thresholds included.
    ipvsadm(netns, *(command.replace("ipvsadm ", "", 1) for command in result["commands"]))
    assert not apply(netns, services=EVERYTHING)["changed"]


def test_an_unknown_scheduler_is_named_and_nothing_stands(netns: str) -> None:
    result = refused(netns, services=[WEB, {"address": "169.254.2.101", "port": 80, "scheduler": "zzz"}])
    assert "no scheduler 'zzz'" in result["msg"]
    assert "ip_vs_zzz" in result["msg"]
    assert saved(netns) == []
    assert result["standing"] == []


def test_a_refused_change_of_what_was_there_is_taken_back(netns: str) -> None:
    ipvsadm(netns, *WEB_SAVED)
    before = saved(netns)
    changed = {**WEB, "scheduler": "wlc", "servers": [{"address": "10.0.0.9"}]}
    refused(netns, services=[changed, {"address": "169.254.2.101", "port": 80, "scheduler": "zzz"}])
    assert saved(netns) == before


def test_keep_weights_leaves_live_weights_alone(netns: str) -> None:
    apply(netns, **WEB)
    ipvsadm(netns, "-e -t 169.254.2.100:80 -r 10.130.17.30:8888 -m -w 0")
    assert not apply(netns, **WEB, keep_weights=True)["changed"]
    assert apply(netns, **WEB)["changed"]


def test_what_ipvsadm_made_is_taken_as_it_is(netns: str) -> None:
    ipvsadm(netns, *WEB_SAVED)
    assert not apply(netns, **WEB)["changed"]


def test_ipv6_is_named_in_any_spelling(netns: str) -> None:
    ipvsadm(netns, "-A -t [2001:db8::1]:80 -s rr")
    assert not apply(netns, address="2001:0DB8:0:0::1", port=80, scheduler="rr")["changed"]
