# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host whose ip_vs is not loaded, or is not there at all, or is not ours: only what makes something needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any, Iterator

import pytest

from harness import START, run_module, sh

WEB: dict[str, Any] = {"address": "169.254.2.100", "port": 80, "servers": [{"address": "10.9.0.1"}]}
NO_DAEMONS = {"master": {"state": "absent"}, "backup": {"state": "absent"}}
MAKING: list[tuple[str, dict[str, Any]]] = [
    ("ipvs_service", WEB),
    ("ipvs_config", {"tcp_timeout": 600}),
    ("ipvs_config", {"master": {"interface": "lo"}}),
]
TAKING: list[tuple[str, dict[str, Any]]] = [
    ("ipvs_service", {**WEB, "state": "absent"}),
    ("ipvs_service", {"services": [], "prune": True, "scope": ["169.254.2.0/24"]}),
    ("ipvs_config", {**NO_DAEMONS, "udp_timeout": 300}),
]


def is_loaded() -> bool:
    return os.path.exists("/proc/net/ip_vs")


def done(netns: str, module: str, check: bool = False, **options: Any) -> dict[str, Any]:
    result = run_module(module, check=check, netns=netns, **options)
    assert not result["failed"], result["msg"]
    return result


def nothing_to_do(netns: str) -> None:
    """Neither to make absent what is not there, nor to be as is told."""
    config = done(netns, "lvs_info", gather=["services", "config"])["config"]
    for module, options in [*TAKING, ("ipvs_config", config)]:
        assert not done(netns, module, **options)["changed"]
    assert not is_loaded()


def is_unloaded() -> bool:
    """A namespace that is just gone may hold it for a moment."""
    modules = "lsmod | awk '/^ip_vs_/ {print $1}'"
    sh("for name in $(%s) $(%s) xt_ipvs ip_vs; do rmmod $name 2> /dev/null; done" % (modules, modules), check=False)
    return not is_loaded()


@pytest.fixture
def unloaded(netns: str) -> Iterator[str]:
    """A namespace; when the test ends, ip_vs is loaded once more, for those that come after."""
    deadline = time.monotonic() + 10
    while not is_unloaded() and time.monotonic() < deadline:
        time.sleep(0.2)
    if is_loaded():
        pytest.skip("something else on this host uses ip_vs")
    yield netns
    sh("modprobe ip_vs")


@pytest.mark.ip_vs
@pytest.mark.parametrize(("module", "options"), MAKING)
def test_check_mode_foretells_without_loading_it(unloaded: str, module: str, options: dict[str, Any]) -> None:
    foretold = done(unloaded, module, check=True, **options)
    assert foretold["changed"]
    assert not is_loaded()
    assert done(unloaded, module, **options)["commands"] == foretold["commands"]
    assert is_loaded()
    assert not done(unloaded, module, **options)["changed"]


@pytest.mark.ip_vs
def test_what_is_asked_for_or_is_to_be_absent_does_not_load_it(unloaded: str) -> None:
    nothing_to_do(unloaded)


@pytest.mark.ip_vs
def test_timeouts_are_told_as_the_kernel_begins_with_them(unloaded: str) -> None:
    before = done(unloaded, "lvs_info", gather=["config"])["config"]
    sh("modprobe ip_vs")
    assert done(unloaded, "lvs_info", gather=["config"])["config"] == before


@pytest.mark.ip_vs
def test_a_daemon_that_is_refused_leaves_the_timeouts_that_it_begins_with(unloaded: str) -> None:
    result = run_module("ipvs_config", netns=unloaded, tcp_timeout=600, master={"interface": "nosuch0"})
    assert "no such interface" in result["msg"]
    assert sh("ip netns exec %s ipvsadm -Ln --timeout" % unloaded) == "Timeout (tcp tcpfin udp): 900 120 300\n"


def refused(netns: str) -> None:
    for module, options in MAKING:
        for check in (True, False):
            result = run_module(module, check=check, netns=netns, **options)
            assert result["failed"]
            assert "this kernel has no ip_vs (modprobe: " in result["msg"]


@pytest.mark.ip_vs
def test_a_kernel_without_the_module_is_named_before_anything_is_changed(unloaded: str) -> None:
    folder = "/lib/modules/%s/kernel/net/netfilter/ipvs" % os.uname().release
    sh("mv %s /root/ipvs && depmod" % folder)
    try:
        refused(unloaded)
        nothing_to_do(unloaded)
    finally:
        sh("mv /root/ipvs %s && depmod" % folder)


@pytest.mark.skipif(is_loaded() or "LVS_GUEST" in os.environ, reason="this kernel has ip_vs")
def test_a_kernel_without_ip_vs_is_named_unless_nothing_is_to_be_there(netns: str) -> None:
    refused(netns)
    nothing_to_do(netns)


@pytest.mark.ip_vs
@pytest.mark.parametrize("options", [WEB, {**WEB, "state": "absent"}])
def test_the_root_of_a_container_is_told_that_it_is_not_the_machines(options: dict[str, Any]) -> None:
    sh("modprobe ip_vs")
    process = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", START, "ipvs_service"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode(),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        check=False,
    )
    assert "initial user namespace" in json.loads(process.stdout)["msg"], process.stderr
