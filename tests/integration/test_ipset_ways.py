# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""ipset_entry where the kernel goes its own ways with options and entries, and what other programs make of names."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any, List

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.concern import ipset_entry
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipset as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from harness import run_module, sh
from ipset_calls import NAME, entry, good, refused, saved, typed

# As the kernel keeps them: sizes are raised, ranges widened to whole networks.
OTHERWISE_KEPT: list[dict[str, Any]] = [
    {"type": "list:set", "size": 2},
    {"type": "bitmap:ip", "range": "10.0.0.5-10.0.0.250", "netmask": 28},
    {"type": "bitmap:ip", "range": "10.0.0.0-10.0.2.255", "netmask": 24},
    {"type": "bitmap:ip", "range": "0.0.0.0/0", "netmask": 16},
    {"type": "bitmap:ip", "range": "10.0.0.0-10.0.0.3"},
]


@pytest.mark.parametrize("options", OTHERWISE_KEPT, ids=str)
def test_what_the_kernel_makes_of_an_option_is_no_change(netns: str, twin: str, options: dict[str, Any]) -> None:
    made = good(netns, **options)
    typed(twin, made["commands"])
    assert saved(netns) == saved(twin)
    assert made["diff"]["after"].split(" initval")[0].strip() == saved(netns)[0].strip()
    assert not good(netns, **options)["changed"]
    assert not good(netns, exact=True, entries=[], **options)["changed"]


def test_a_new_netmask_widens_the_range(netns: str) -> None:
    good(netns, type="bitmap:ip", range="10.0.0.5-10.0.0.250")
    assert good(netns, exact=True, entries=["10.0.0.7"], netmask=28)["changed"]
    assert "range 10.0.0.0-10.0.0.255 netmask 28" in saved(netns)[0]
    assert not good(netns, exact=True, entries=["10.0.0.7"], netmask=28)["changed"]


@pytest.mark.parametrize(
    "extension, words",
    [
        ("counters", "packets 3 bytes 4"),
        ("comment", 'comment "x"'),
        ("skbinfo", "skbmark 0x1 skbprio 1:a skbqueue 3"),
    ],
)
def test_an_extension_is_switched_off_when_exact(netns: str, twin: str, extension: str, words: str) -> None:
    for where in (netns, twin):
        typed(where, ["ipset create %s hash:ip %s" % (NAME, extension), "ipset add %s 10.0.0.1 %s" % (NAME, words)])
    wish = {extension: False, "exact": True, "entries": ["10.0.0.1", "10.0.0.2"]}
    checked = entry(netns, check=True, **wish)
    made = good(netns, **wish)
    assert made["diff"] == checked["diff"]
    typed(twin, made["commands"])
    assert saved(netns) == saved(twin)
    assert saved(netns)[1:] == ["add %s 10.0.0.1" % NAME, "add %s 10.0.0.2" % NAME]
    assert not good(netns, **wish)["changed"]


def test_a_netmask_takes_the_place_of_a_bitmask_and_the_reverse(netns: str) -> None:
    good(netns, type="hash:ip", bitmask="255.255.0.255", entries=["10.0.9.1"])
    assert "with no netmask; exact=true" in refused(netns, netmask=24, entries=["10.0.9.1"])
    assert good(netns, netmask=24, exact=True, entries=["10.0.9.1"])["changed"]
    assert saved(netns)[1:] == ["add %s 10.0.9.0" % NAME]
    assert "netmask 24" in saved(netns)[0] and "bitmask" not in saved(netns)[0]
    assert good(netns, bitmask="255.0.0.255", exact=True, entries=["10.0.9.1"])["changed"]
    assert saved(netns)[1:] == ["add %s 10.0.0.1" % NAME]
    assert "bitmask 255.0.0.255" in saved(netns)[0] and "netmask" not in saved(netns)[0]


def test_what_is_declared_is_not_dropped_from_a_set_with_forceadd(netns: str) -> None:
    foreign = ["10.9.0.%d" % number for number in range(4)]
    typed(
        netns,
        ["ipset create %s hash:ip maxelem 4 forceadd" % NAME, *("ipset add %s %s" % (NAME, each) for each in foreign)],
    )
    assert "5 do not fit" in refused(netns, maxelem=4, entries=["10.0.0.1-10.0.0.5"])
    good(netns, entries=["10.0.0.1-10.0.0.5"])
    assert len(saved(netns)) == 10
    with inside(netns):  # ipset 7.17 does not print it
        assert kernel.header(NAME).forceadd


def test_zeros_and_an_empty_comment_take_away_what_was(netns: str, twin: str) -> None:
    nothing = '10.0.0.1 comment "" skbmark 0x0/0x0 skbprio 0:0 skbqueue 0'
    options = {"type": "hash:ip", "comment": True, "skbinfo": True}
    made = good(netns, entries=[nothing], **options)
    assert made["diff"]["after"].splitlines()[1:] == saved(netns)[1:] == ["add %s 10.0.0.1" % NAME]
    assert not good(netns, entries=[nothing])["changed"]
    typed(twin, made["commands"])
    for where in (netns, twin):
        typed(where, ["ipset -exist add %s 10.0.0.1 comment x skbmark 0x1 skbprio 1:2 skbqueue 3" % NAME])
    typed(twin, good(netns, entries=[nothing])["commands"])
    assert saved(netns) == saved(twin) and saved(netns)[1:] == ["add %s 10.0.0.1" % NAME]
    assert not good(netns, entries=[nothing])["changed"]


def test_a_script_of_the_boot_builds_the_set_or_goes_with_it(tmp_path: Path) -> None:
    script = tmp_path / "set.sh"
    name = "lvs-script-%d" % os.getpid()

    def run(**options: Any) -> dict[str, Any]:
        return run_module("ipset_entry", name=name, boot_script=str(script), **options)

    try:
        assert run(type="hash:ip", entries=["10.0.0.1", "10.0.0.2"])["changed"]
        kept = script.read_text()
        assert "ipset create %s hash:ip" % name in kept and "ipset add %s 10.0.0.2" % name in kept
        for options in ({"entries": ["10.0.0.3"]}, {"state": "absent", "entries": ["10.0.0.1"]}):
            result = run(**options)
            assert result["failed"] and result["parameter"] == "boot_script"
            assert script.read_text() == kept and sh("ipset save %s" % name).count("\nadd ") == 2
        assert run(state="absent")["changed"] and not script.exists()
    finally:
        sh("ipset destroy %s" % name, check=False)


def test_odd_characters_reach_the_tool_as_they_are(netns: str, twin: str) -> None:
    odd = "$(id);a|b*"
    wishes: list[dict[str, Any]] = [
        {"name": odd, "type": "hash:net,iface", "entries": ["10.0.0.0/8,e`t&h"], "comment": True},
        {"name": odd, "entries": ['10.0.0.0/8,e`t&h comment "$HOME\udcff"'], "exact": True, "counters": True},
        {"name": "all", "type": "list:set", "entries": [odd]},
        {"name": "b&b", "type": "hash:ip", "entries": []},
        {"name": "all", "entries": ["b&b before " + odd]},
        {"name": "all", "entries": ["b&b"], "state": "absent"},
    ]
    for wish in wishes:
        made = [os.fsencode(each) for each in good(netns, **wish)["commands"]]
        script = b"set -e\n" + b"\n".join(made)
        subprocess.run([b"ip", b"netns", b"exec", twin.encode(), b"sh", b"-c", script], check=True, timeout=60)
        both = [
            subprocess.run(["ip", "netns", "exec", where, "ipset", "save", "-sorted"], capture_output=True, check=True)
            for where in (netns, twin)
        ]
        ours, theirs = (re.sub(rb" initval \S+", b"", each.stdout) for each in both)
        assert ours == theirs and odd.encode() in ours
        assert not good(netns, **wish)["changed"]


def warned_of(monkeypatch: pytest.MonkeyPatch, netns: str, **options: Any) -> List[str]:
    """What check mode warns of when it says that there is something to change."""
    warnings: List[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(ipset_entry, "warn", warnings.append)
        result = entry(netns, check=True, **options)
        assert not result["failed"] and result["changed"]
    return warnings


def test_check_mode_warns_of_what_another_task_has_to_do_first(netns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(netns, ["ipset create a hash:ip", "ipset create all list:set", "ipset add all a"])
    assert warned_of(monkeypatch, netns, name="all", state="absent") == []
    (used,) = warned_of(monkeypatch, netns, name="a", state="absent")
    assert "the set a is in use" in used
    assert warned_of(monkeypatch, netns, name="new", type="list:set", entries=["a"]) == []
    (missing,) = warned_of(monkeypatch, netns, name="new", type="list:set", entries=["b", "a", "c"])
    assert missing.endswith("have to come first: b, c")


def test_an_address_without_its_mac_names_it_when_it_is_to_go(netns: str) -> None:
    options = {"type": "bitmap:ip,mac", "range": "10.0.0.0/24"}
    good(netns, entries=["10.0.0.1,02:00:00:00:00:01", "10.0.0.2", "10.0.0.3,02:00:00:00:00:03"], **options)
    assert not good(netns, entries=["10.0.0.3,02:00:00:00:00:04"], state="absent")["changed"]
    assert good(netns, entries=["10.0.0.1", "10.0.0.2"], state="absent")["changed"]
    assert saved(netns)[1:] == ["add %s 10.0.0.3,02:00:00:00:00:03" % NAME]
    assert not good(netns, entries=["10.0.0.1", "10.0.0.2"], state="absent")["changed"]


def test_options_of_what_is_to_go_may_contradict_each_other(netns: str) -> None:
    twice = ["10.0.0.1 timeout 5", "10.0.0.1 timeout 6"]
    assert not good(netns, type="hash:ip", entries=twice, state="absent")["changed"]
    good(netns, type="hash:ip", entries=["10.0.0.1", "10.0.0.2"])
    assert good(netns, entries=twice, state="absent")["commands"] == ["ipset del %s 10.0.0.1" % NAME]


def test_a_wildcard_and_what_it_covers(netns: str, twin: str) -> None:
    entries = ["10.0.0.0/8,e wildcard", "10.0.0.0/8,eth wildcard", "10.0.0.0/8,eth0", "10.0.0.0/8,physdev:eth0"]
    options = {"type": "hash:net,iface", "entries": entries}
    typed(twin, good(netns, **options)["commands"])
    assert saved(netns) == saved(twin) and len(saved(netns)) == 5
    assert not good(netns, **options)["changed"]
    assert not good(netns, exact=True, **options)["changed"]
    assert good(netns, exact=True, counters=True, **options)["changed"]
    assert good(netns, exact=True, counters=False, **options)["changed"]
    assert saved(netns) == saved(twin)
    assert "holds 10.0.0.0/8,eth wildcard, which covers it" in refused(netns, entries=["10.0.0.0/8,eth1"])
    assert good(netns, entries=["10.0.0.0/8,physdev:eth1", "11.0.0.0/8,eth1"])["changed"]
    good(netns, entries=["10.0.0.0/8,eth1"], exact=True)
    assert saved(netns)[1:] == ["add %s 10.0.0.0/8,eth1" % NAME]
