# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""lvs_apply on a real kernel: several modules at once, and all or nothing."""

from __future__ import annotations

import pytest

from harness import run_module, sh
from workloads import endpoint


def steps_in(netns):
    """An uplink, an address, a set and the chains that match it."""
    return [
        {"name": "Address", "vip_address": {"interface": "up0", "addresses": ["192.0.2.9"], "netns": netns}},
        {"name": "Set", "ipset_entry": {"name": "A", "type": "hash:ip", "entries": ["192.0.2.9"], "netns": netns}},
        {"name": "Chains", "lu_chains": {"match_sets": [{"name": "A", "flags": "dst"}], "netns": netns}},
    ]


def seen_by_the_tools(netns):
    listings = (
        "ip -o -4 address show up0 | sed 's/^[0-9]*: //'",
        "ipset save | sed 's/ initval .*//'",
        r"iptables-save | sed '/^#/d; s/\[.*//'",
    )
    return "".join(sh("ip netns exec %s %s" % (netns, listing)) for listing in listings)


def with_an_uplink(netns):
    sh("ip -n %s link add up0 type veth peer up1 && ip -n %s link set up0 up" % (netns, netns))


def test_all_steps_are_taken_and_a_second_run_changes_nothing(netns):
    with_an_uplink(netns)
    before = seen_by_the_tools(netns)
    told = run_module("lvs_apply", check=True, steps=steps_in(netns)[:2])
    assert told["changed"]
    assert seen_by_the_tools(netns) == before

    first = run_module("lvs_apply", steps=steps_in(netns))
    assert not first["failed"], first
    assert [(step["name"], step["changed"]) for step in first["steps"]] == [
        ("Address", True),
        ("Set", True),
        ("Chains", True),
    ]
    assert [part["after_header"] for part in first["diff"]] == [
        "Address (vip_address)",
        "Set (ipset_entry)",
        "Chains (lu_chains)",
    ]
    after = seen_by_the_tools(netns)
    assert "192.0.2.9/32" in after
    assert "add A 192.0.2.9" in after
    assert "--match-set A dst" in after

    second = run_module("lvs_apply", steps=steps_in(netns))
    assert not second["changed"]
    assert second["commands"] == second["diff"] == []
    assert seen_by_the_tools(netns) == after


def test_the_commands_do_what_the_steps_do(netns):
    with_an_uplink(netns)
    commands = run_module("lvs_apply", steps=steps_in(netns))["commands"]
    taken = seen_by_the_tools(netns)
    other = netns + "-o"
    sh("ip netns add %s" % other)
    try:
        with_an_uplink(other)
        sh("ip netns exec %s sh -e <<'COMMANDS'\n%s\nCOMMANDS" % (other, "\n".join(commands)))
        assert seen_by_the_tools(other) == taken
    finally:
        sh("ip netns delete %s" % other)


def test_a_step_that_fails_takes_back_those_before_it(netns):
    with_an_uplink(netns)
    sh("ip netns exec %s ipset create A hash:net" % netns)
    before = seen_by_the_tools(netns)
    steps = steps_in(netns)
    steps[2]["lu_chains"]["match_sets"] = [{"name": "MISSING", "flags": "dst"}]
    steps[1]["ipset_entry"]["type"] = "hash:net"
    failed = run_module("lvs_apply", steps=steps)
    assert failed["failed"]
    assert failed["msg"].startswith("Chains (lu_chains): ")
    assert "set MISSING does not exist" in failed["msg"]
    assert any("192.0.2.9" in command for command in failed["undone"])
    assert failed["standing"] == []
    assert seen_by_the_tools(netns) == before


def test_a_script_of_the_boot_is_put_back_too(netns, tmp_path):
    with_an_uplink(netns)
    script = tmp_path / "10-set.sh"
    first = {"ipset_entry": {"name": "LVS-TEST-BOOT", "type": "hash:ip", "boot_script": str(script)}}
    failing = {"ipset_entry": {"name": "LVS-TEST-BOOT", "type": "hash:net"}}
    assert run_module("lvs_apply", steps=[first, failing])["failed"]
    assert not script.exists()
    assert "LVS-TEST-BOOT" not in sh("ipset list -name")


def test_what_cannot_be_meant_stops_it_before_the_first_step(netns):
    with_an_uplink(netns)
    before = seen_by_the_tools(netns)
    steps = steps_in(netns)
    steps[2]["lu_chains"]["mark"] = "red"
    failed = run_module("lvs_apply", steps=steps)
    assert failed["msg"].startswith("steps[2].lu_chains: mark: ")
    assert seen_by_the_tools(netns) == before


def test_a_node_that_is_not_ready_holds_up_the_steps_after_it(netns):
    with_an_uplink(netns)
    before = seen_by_the_tools(netns)
    node = {"lvs_node": {"tools": ["sh", "no-such-tool"], "hold": True, "netns": netns}}
    held = run_module("lvs_apply", steps=[node, *steps_in(netns)])
    assert held["held_up"]
    assert held["steps"][0]["missing_tools"] == ["no-such-tool"]
    assert len(held["steps"]) == 1
    assert seen_by_the_tools(netns) == before

    node["lvs_node"]["tools"] = ["sh"]
    taken = run_module("lvs_apply", steps=[node, *steps_in(netns)])
    assert not taken["held_up"]
    assert [step["module"] for step in taken["steps"]] == ["lvs_node", "vip_address", "ipset_entry", "lu_chains"]


def test_check_mode_foretells_what_is_put_into_a_namespace_that_is_yet_to_be_made(host):
    pod = host + "-ns0"
    steps = [
        {"calico_veth": endpoint(host)},
        {"ipset_entry": {"name": "A", "type": "hash:ip", "entries": ["192.0.2.9"], "netns": pod}},
    ]
    told = run_module("lvs_apply", check=True, steps=steps)
    assert not told["failed"], told
    assert pod not in sh("ip netns list").split()
    done = run_module("lvs_apply", steps=steps)
    assert not done["failed"], done
    assert [step["changed"] for step in told["steps"]] == [step["changed"] for step in done["steps"]] == [True, True]
    assert told["commands"] == done["commands"]
    assert "add A 192.0.2.9" in sh("ip netns exec %s ipset save" % pod)


@pytest.mark.ip_vs
@pytest.mark.parametrize("drain", [None, {"timeout": 5}], ids=["at once", "drained"])
def test_services_and_their_settings_are_taken_back(netns, drain):
    web = {"address": "169.254.2.100", "port": 80, "scheduler": "rr", "netns": netns}
    servers = [{"address": "10.0.0.1", "weight": 3}, {"address": "10.0.0.2"}]
    assert run_module("ipvs_service", **web, servers=servers)["changed"]
    listings = ["ipvsadm -Sn", "ipvsadm -Ln --timeout", "ipvsadm -Ln --daemon"]

    def seen():
        return [sh("ip netns exec %s %s" % (netns, listing)) for listing in listings]

    before = seen()
    wanted = {**web, "servers": servers[1:], **({"drain": drain} if drain else {})}
    steps = [
        {"ipvs_service": wanted},
        {"ipvs_config": {"tcp_timeout": 77, "master": {"interface": "lo"}, "netns": netns}},
    ]
    missing = {"lu_chains": {"match_sets": [{"name": "MISSING"}], "netns": netns}}
    failed = run_module("lvs_apply", steps=[*steps, missing])
    assert failed["failed"]
    assert failed["standing"] == []
    assert len(failed["undone"]) >= 3
    assert seen() == before
    assert run_module("lvs_apply", steps=steps)["changed"]
    assert all(old != new for old, new in zip(before, seen()))
