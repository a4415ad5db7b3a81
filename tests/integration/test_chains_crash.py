# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""lu_chains cut off or refused at each of its transactions: two families with two tables each are four."""

from __future__ import annotations

import os
import re

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import iptables
from harness import run_module, sh

VARIANT = "legacy"
TRANSACTIONS = 4
# Stands before the real iptables-restore; counts the calls of both families and acts at the one that is due.
WRAPPER = """#!/bin/sh
n=$(($(cat {folder}/count) + 1))
echo $n > {folder}/count
if [ $n -eq {due} ] && [ {action} = refuse ]; then cat > /dev/null; echo 'no, I will not' >&2; exit 1; fi
if [ $n -eq {due} ] && [ {action} = before ]; then kill -9 $PPID; exit 1; fi
if [ $n -eq {due} ] && [ {action} = hang ]; then exec sleep 60; fi
{real} "$@"
status=$?
if [ $n -eq {due} ] && [ {action} = late ]; then exec sleep 60; fi
if [ $n -eq {due} ] && [ {action} = after ]; then kill -9 $PPID; fi
exit $status
"""
OPTIONS = {
    "family": "both",
    "variant": VARIANT,
    "layout": True,
    "forward_accept": True,
    "shield": {"addresses": ["192.0.2.1", "2001:db8::1"]},
}


def saved(netns):
    text = "".join(sh("ip netns exec %s %s-%s-save" % (netns, name, VARIANT)) for name in ("iptables", "ip6tables"))
    return re.sub(r"^#.*\n|\[\d+:\d+\]", "", text, flags=re.M)


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A function that makes the transaction number ``due`` of the next run fail in one of these ways; 0 mends it."""
    path = os.environ["PATH"]

    def breaks(due, action):
        (tmp_path / "count").write_text("0\n")
        for name in ("iptables", "ip6tables"):
            command = "%s-%s-restore" % (name, VARIANT)
            wrapper = tmp_path / command
            real = sh("PATH=%s:/usr/sbin:/sbin command -v %s" % (path, command)).strip()
            wrapper.write_text(WRAPPER.format(folder=tmp_path, due=due, action=action, real=real))
            wrapper.chmod(0o755)
        monkeypatch.setenv("PATH", "%s:%s" % (tmp_path, path) if due else path)

    return breaks


def start(netns):
    sh("ip netns exec %s iptables-%s -t nat -A OUTPUT -p icmp -j RETURN" % (netns, VARIANT))
    run_module("lu_chains", netns=netns, **{**OPTIONS, "mark": "0x1", "comments": {"shield": "old", "forward": "old"}})
    return saved(netns)


def test_a_refusal_leaves_what_was_before(netns, broken):
    before = start(netns)
    for due in range(1, TRANSACTIONS + 1):
        broken(due, "refuse")
        refused = run_module("lu_chains", netns=netns, **OPTIONS)
        assert "no, I will not" in refused["msg"], due
        assert refused["standing"] == []
        assert bool(refused["undone"]) == (due > 1)
        assert saved(netns) == before, due


@pytest.mark.parametrize("action", ["hang", "late"])
def test_a_call_that_does_not_end_leaves_what_was_before(netns, broken, monkeypatch, action):
    before = start(netns)
    monkeypatch.setattr(iptables, "CALL_SECONDS", 1.5)
    for due in range(1, TRANSACTIONS + 1):
        broken(due, action)
        refused = run_module("lu_chains", netns=netns, **OPTIONS)
        assert "has not ended within" in refused["msg"], due
        assert refused["standing"] == []
        assert bool(refused["undone"]) == (due > 1 or action == "late")
        assert saved(netns) == before, due


def test_a_tool_that_goes_missing_half_way_leaves_what_was_before(netns, broken, monkeypatch):
    before = start(netns)
    find = iptables.find

    def found(name):
        if name == "ip6tables-legacy-restore":
            raise iptables.MissingTool("it is gone")
        return find(name)

    monkeypatch.setattr(iptables, "find", found)
    refused = run_module("lu_chains", netns=netns, **OPTIONS)
    assert "it is gone" in refused["msg"]
    assert refused["standing"] == [] and refused["undone"]
    assert saved(netns) == before


@pytest.mark.parametrize("action", ["before", "after"])
def test_a_run_that_is_killed_is_completed_by_the_next(netns, broken, action):
    start(netns)
    run_module("lu_chains", netns=netns, **OPTIONS)
    goal = saved(netns)
    old = {**OPTIONS, "mark": "0x1", "comments": {"shield": "old", "forward": "old"}}
    for due in range(1, TRANSACTIONS + 1):
        broken(0, "none")
        run_module("lu_chains", netns=netns, **old)
        broken(due, action)
        with pytest.raises(AssertionError, match="printed no JSON"):
            run_module("lu_chains", netns=netns, **OPTIONS)
        broken(0, "none")
        assert not run_module("lu_chains", netns=netns, **OPTIONS)["failed"]
        assert saved(netns) == goal, due
