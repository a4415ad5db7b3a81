# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of the IPVS table without a kernel: laws of the plan, bytes and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipvs_config as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import generic_body
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_config import (
    Daemon,
    Timeouts,
    changes_towards,
    commands,
    declared,
    listing,
    want_of,
)
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, applied, undone
from ipvs_objects import FEW, settings_states


@FEW
@given(settings_states(), settings_states())
def test_the_plan_keeps_its_laws(have: Any, want: Any) -> None:
    changes = changes_towards(have, want)
    assert applied(have, changes) == want
    assert changes_towards(want, want) == []
    assert applied(want, undone(changes)) == have


@FEW
@given(settings_states(), settings_states())
def test_what_is_sent_is_what_is_read_back(have: Any, want: Any) -> None:
    for change in changes_towards(have, want):
        command, *attributes = kernel.request(change)
        body = generic_body(command, kernel.VERSION, *attributes)
        if change.kind == "timeouts":
            assert kernel.decoded_timeouts(body) == change.after
        elif change.creates:
            assert kernel.decoded_daemon(body) == (change.key, change.after)


def mtu_of(interface: str) -> int:
    return {"eth0": 9000, "lo": 65536, "tiny0": 1280}.get(interface, 0)


def wanted_of(have: Any, **options: Any) -> Any:
    return want_of(have, declared(options), mtu_of)


def test_what_is_not_given_stays() -> None:
    have = {("timeouts", ""): Timeouts(900, 120, 300), ("daemon", "master"): Daemon("eth0", 3, 1400)}
    want = wanted_of(have, udp_timeout=60, master={"interface": "eth1"})
    assert want == {("timeouts", ""): Timeouts(900, 120, 60), ("daemon", "master"): Daemon("eth1", 3, 1400)}
    assert wanted_of(have, master={"state": "absent"}) == {("timeouts", ""): Timeouts(900, 120, 300)}


@pytest.mark.parametrize(
    ("role", "before", "options", "after"),
    [
        ("master", Daemon("eth0", 0, 1472), {"interface": "lo"}, Daemon("lo")),
        ("master", Daemon("eth0", 0, 1472), {"interface": "eth0", "syncid": 7}, Daemon("eth0", 7, 1472)),
        ("master", Daemon("eth0", 0, 1452, "ff02::51"), {"interface": "lo"}, Daemon("lo", 0, 0, "ff02::51")),
        ("master", Daemon("eth0"), {"interface": "eth0", "mcast_group": "ff02::51"}, Daemon("eth0", group="ff02::51")),
        ("master", Daemon("eth0", 0, 8972), {"interface": "lo"}, Daemon("lo", 0, 8972)),
        ("master", Daemon("eth0", 0, 1472), {"interface": "lo", "sync_maxlen": 1472}, Daemon("lo", 0, 1472)),
        ("backup", Daemon("eth0", 0, 8972), {"interface": "lo"}, Daemon("lo")),
        ("backup", Daemon("eth0", 0, 1472), {"interface": "lo"}, Daemon("lo", 0, 1472)),
        ("backup", Daemon("lo", 0, 65507), {"interface": "eth0"}, Daemon("eth0")),
        ("backup", Daemon("tiny0", 0, 1472), {"interface": "eth0"}, Daemon("eth0")),
        ("backup", Daemon("gone0", 0, 1472), {"interface": "eth0"}, Daemon("eth0")),
    ],
)
def test_a_length_that_the_kernel_chose_is_chosen_anew_elsewhere(
    role: str, before: Daemon, options: dict[str, Any], after: Daemon
) -> None:
    assert wanted_of({("daemon", role): before}, **{role: options}) == {("daemon", role): after}


def test_a_length_that_does_not_fit_the_group_of_the_running_daemon_is_refused() -> None:
    have = {("daemon", "master"): Daemon("eth0", 0, 1400, "ff02::51")}
    with pytest.raises(BadInput, match="master.sync_maxlen: 65500.*65487 at most"):
        wanted_of(have, master={"interface": "eth0", "sync_maxlen": 65500})


def test_commands_and_listing_are_ipvsadms() -> None:
    have = {("timeouts", ""): Timeouts(900, 120, 300)}
    want = {("timeouts", ""): Timeouts(900, 120, 60), ("daemon", "backup"): Daemon("eth0", 7, 1472)}
    assert commands(changes_towards(have, want)) == [
        "ipvsadm --set 900 120 60",
        "ipvsadm --start-daemon backup --mcast-interface eth0 --syncid 7 --sync-maxlen 1472"
        " --mcast-group 224.0.0.81 --mcast-port 8848 --mcast-ttl 1",
    ]
    assert commands([Change("daemon", "backup", Daemon("eth0", 7), None)]) == [
        "ipvsadm --stop-daemon backup --syncid 7"
    ]
    assert listing(want).splitlines() == [
        "Timeout (tcp tcpfin udp): 900 120 60",
        "backup sync daemon (mcast=eth0, syncid=7, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)",
    ]


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({}, "tcp_timeout"),
        ({"udp_timeout": 0}, "udp_timeout"),
        ({"master": {}}, "master.interface"),
        ({"master": {"interface": "x" * 16}}, "master.interface"),
        ({"master": {"interface": "lo", "state": "gone"}}, "master.state"),
        ({"master": {"interface": "a b"}}, "master.interface"),
        ({"master": {"interface": "lo", "sync_maxlen": 0}}, "master.sync_maxlen"),
        ({"master": {"interface": "lo", "sync_maxlen": 65508}}, "master.sync_maxlen"),
        ({"master": {"interface": "lo", "sync_maxlen": 65488, "mcast_group": "ff02::51"}}, "master.sync_maxlen"),
        ({"backup": {"interface": "lo", "sync_maxlen": 1023}}, "backup.sync_maxlen"),
        ({"backup": {"interface": "lo", "syncid": 256}}, "backup.syncid"),
        ({"backup": {"interface": "lo", "mcast_group": "10.0.0.1"}}, "backup.mcast_group"),
        ({"backup": {"interface": "lo", "mcast_ttl": 256}}, "backup.mcast_ttl"),
    ],
)
def test_what_cannot_be_meant_is_named(options: dict[str, Any], where: str) -> None:
    with pytest.raises(BadInput) as error:
        declared(options)
    assert error.value.details["parameter"] == where
