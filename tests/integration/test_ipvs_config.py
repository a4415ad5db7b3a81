# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""ipvs_config on a real kernel, read back with ipvsadm."""

from __future__ import annotations

from typing import Any

import pytest

from harness import run_module, sh

pytestmark = pytest.mark.ip_vs


def shown(netns: str) -> str:
    inside = "ip netns exec %s ipvsadm -Ln" % netns
    return sh("%s --timeout; %s --daemon" % (inside, inside))


def apply(netns: str, check: bool = False, **options: Any) -> dict[str, Any]:
    result = run_module("ipvs_config", check=check, netns=netns, **options)
    assert not result["failed"], result["msg"]
    return result


def add_interface(netns: str, name: str = "d0", mtu: int = 1500) -> None:
    for command in ("link add %s mtu %d type dummy" % (name, mtu), "address add 10.9.0.1/24 dev %s" % name):
        sh("ip -n %s %s" % (netns, command))
    sh("ip -n %s link set %s up" % (netns, name))


def test_timeouts_are_set_and_those_not_given_left(netns: str) -> None:
    before = shown(netns)
    foretold = apply(netns, check=True, tcp_timeout=600)
    assert shown(netns) == before == foretold["diff"]["before"]
    result = apply(netns, tcp_timeout=600)
    assert result["commands"] == foretold["commands"] == ["ipvsadm --set 600 120 300"]
    assert shown(netns) == result["diff"]["after"] == "Timeout (tcp tcpfin udp): 600 120 300\n"
    assert not apply(netns, tcp_timeout=600)["changed"]


def test_daemons_are_started_changed_and_stopped(netns: str) -> None:
    add_interface(netns)
    both = {"master": {"interface": "d0", "syncid": 7}, "backup": {"interface": "d0", "mcast_group": "224.0.0.99"}}
    assert len(apply(netns, **both)["commands"]) == 2
    assert "master sync daemon (mcast=d0, syncid=7, maxlen=" in shown(netns)
    assert "group=224.0.0.99, port=8848, ttl=1)" in shown(netns)
    assert not apply(netns, **both)["changed"]
    result = apply(netns, master={"interface": "d0", "syncid": 8})
    assert [command.split()[1] for command in result["commands"]] == ["--stop-daemon", "--start-daemon"]
    assert "syncid=8" in shown(netns)
    assert shown(netns) == result["diff"]["after"]
    apply(netns, master={"state": "absent"}, backup={"state": "absent"})
    assert "daemon" not in shown(netns)


def test_a_daemon_that_cannot_start_leaves_the_old_one_running(netns: str) -> None:
    add_interface(netns)
    apply(netns, backup={"interface": "d0"}, tcp_timeout=600)
    before = shown(netns)
    result = run_module("ipvs_config", netns=netns, backup={"interface": "nosuch0"}, tcp_timeout=700)
    assert result["failed"]
    assert "no such interface" in result["msg"]
    assert shown(netns) == before


def test_a_daemon_that_moves_has_the_length_of_its_new_place(netns: str) -> None:
    for name, mtu in (("d0", 1400), ("d1", 9000)):
        add_interface(netns, name, mtu)
    for interface, length in (("d0", 1472), ("d1", 8972), ("d0", 1472)):
        daemon = {"interface": interface}
        assert apply(netns, backup=daemon)["changed"]
        assert "maxlen=%d," % length in shown(netns)
        assert not apply(netns, backup=daemon)["changed"]
    apply(netns, backup={"interface": "d0", "sync_maxlen": 2000})
    apply(netns, backup={"interface": "d1"})
    assert "mcast=d1, syncid=0, maxlen=2000," in shown(netns)
