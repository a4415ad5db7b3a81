# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draining real servers that hold real connections."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, Iterator

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipvs as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.ipvs_drain import Draining
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs import Server, Service, ServiceKey, commands
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_drain import Drain, gently
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_want import changes_towards
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change
from ansible_collections.lulab.lvs.plugins.module_utils.run import carry_out
from harness import START, run_module, sh

pytestmark = pytest.mark.ip_vs

WEB = {"address": "169.254.2.100", "port": 80, "scheduler": "rr"}
SERVER = {"address": "10.9.0.1", "port": 8888}
# Serves one connection and holds it open; the client says when it is through and ends when its input does.
LISTEN = """
import socket
listener = socket.create_server(("10.9.0.1", 8888))
print("ready", flush=True)
held = []
while True:
    held.append(listener.accept()[0])
    held[-1].recv(1)
    held[-1].close()
"""
CONNECT = """
import socket, sys
client = socket.create_connection(("169.254.2.100", 80), timeout=10)
print("ready", flush=True)
sys.stdin.read()
client.close()
"""


@contextlib.contextmanager
def program(netns: str, text: str) -> Iterator[Any]:
    command = ["ip", "netns", "exec", netns, sys.executable, "-c", text]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def client(netns: str) -> Iterator[Any]:
    """A client whose connection through the service is open; closing its input closes the connection."""
    for address in ("169.254.2.100/32", "10.9.0.1/32"):
        sh("ip -n %s address add %s dev lo" % (netns, address))
    # A connection that is cut off is given up at once when its program ends: it would hold the namespace, and ip_vs.
    sh("ip netns exec %s sysctl -qw net.ipv4.tcp_orphan_retries=1" % netns)
    assert not run_module("ipvs_service", netns=netns, **WEB, servers=[SERVER])["failed"]
    with program(netns, LISTEN), program(netns, CONNECT) as process:
        yield process


def saved(netns: str) -> list[str]:
    return sh("ip netns exec %s ipvsadm -Sn" % netns).splitlines()


def wait_for_idle_weight(netns: str) -> None:
    deadline = time.monotonic() + 30
    while not any(line.endswith("-w 0") for line in saved(netns)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def emptied(netns: str, **drain: Any) -> dict[str, Any]:
    result = run_module("ipvs_service", netns=netns, **WEB, servers=[], drain=drain)
    assert not result["failed"], result["msg"]
    return result


def test_a_server_goes_when_its_connections_have_ended(netns: str, client: Any) -> None:
    with ThreadPoolExecutor() as pool:
        running = pool.submit(emptied, netns, timeout=60, poll=0.1)
        wait_for_idle_weight(netns)
        time.sleep(1)
        assert saved(netns)[1:] == ["-a -t 169.254.2.100:80 -r 10.9.0.1:8888 -m -w 0"]
        client.stdin.close()
        result = running.result(timeout=60)
    assert saved(netns) == ["-A -t 169.254.2.100:80 -s rr"]
    assert result["commands"] == [
        "ipvsadm -e -t 169.254.2.100:80 -r 10.9.0.1:8888 -m -w 0",
        "ipvsadm -d -t 169.254.2.100:80 -r 10.9.0.1:8888",
    ]
    (drained,) = result["drained"]
    assert (drained["server"], drained["connections"]) == ("10.9.0.1:8888", 0)
    assert 1 <= drained["seconds"] < 60


def test_what_need_not_wait_is_done_before_the_wait(netns: str, client: Any) -> None:
    dns = {**WEB, "port": 53, "protocol": "udp"}
    assert run_module("ipvs_service", netns=netns, **dns, servers=[SERVER])["changed"]
    wish = {"netns": netns, "services": [WEB, dns], "state": "absent", "drain": {"timeout": 60, "poll": 0.1}}
    with ThreadPoolExecutor() as pool:
        running = pool.submit(run_module, "ipvs_service", **wish)
        wait_for_idle_weight(netns)
        assert saved(netns) == [
            "-A -t 169.254.2.100:80 -s rr",
            "-a -t 169.254.2.100:80 -r 10.9.0.1:8888 -m -w 0",
        ]
        client.stdin.close()
        result = running.result(timeout=60)
    assert saved(netns) == []
    assert [drained["service"] for drained in result["drained"]] == ["tcp 169.254.2.100:80"]


def test_when_the_time_is_up_it_goes_all_the_same_and_is_told(netns: str, client: Any) -> None:
    result = emptied(netns, timeout=1, poll=0.1)
    assert saved(netns) == ["-A -t 169.254.2.100:80 -s rr"]
    assert result["drained"][0]["connections"] == 1


def test_a_run_that_was_cut_off_is_resumed(netns: str, client: Any) -> None:
    arguments = {"netns": netns, **WEB, "servers": [], "drain": {"timeout": 60}}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    words = [sys.executable, "-c", START, "ipvs_service"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
        process.stdin.close()
        wait_for_idle_weight(netns)
        process.kill()
    result = emptied(netns, timeout=1, poll=0.1)
    assert result["commands"] == ["ipvsadm -d -t 169.254.2.100:80 -r 10.9.0.1:8888"]
    assert result["drained"][0]["connections"] == 1


@pytest.fixture
def changes(netns: str) -> Iterator[Any]:
    """Those that drain one service of TCP and change another, in a namespace that has both."""
    key = ServiceKey("ipv4", 0, "tcp", "169.254.2.100", 80)
    have: dict[Any, Any] = {
        ("service", key): Service("rr"),
        ("server", (key, "10.0.0.1", 80)): Server(weight=3),
        ("server", (key, "10.0.0.2", 80)): Server(weight=2),
        ("service", key._replace(port=443)): Service("rr"),
    }
    want: dict[Any, Any] = {
        ("service", key._replace(port=443)): Service("wlc"),
        ("server", (key._replace(port=443), "10.0.0.1", 80)): Server(),
    }
    with inside(netns):
        kernel.apply(changes_towards({}, have))
        yield gently(changes_towards(have, want))
        assert kernel.read((), lambda _key: True) == have


def carried_out(changes: list[Change]) -> LvsError:
    """What is told of changes that are refused; no longer drained than a moment."""
    concern: Any = SimpleNamespace(apply=Draining(Drain(0, 0.01)).apply, commands=commands)
    with pytest.raises(LvsError) as error:
        carry_out(concern, changes)
    assert error.value.details["standing"] == []
    return error.value


def test_a_refusal_at_any_place_takes_the_lowered_weights_back(netns: str, changes: Any) -> None:
    refused = Change("service", ServiceKey("ipv4", 1), None, Service("nosuch"))
    for place in range(len(changes) + 1):
        error = carried_out([*changes[:place], refused, *changes[place:]])
        assert "no scheduler 'nosuch'" in str(error)


def test_a_wait_that_fails_takes_the_lowered_weights_back(
    netns: str, changes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: Any) -> Any:
        raise OSError(errno.ENOBUFS, "no room")

    monkeypatch.setattr(kernel.Ipvs, "connections", broken)
    error = carried_out(changes)
    assert "cannot wait for real servers to become idle" in str(error)
    assert [command.split()[1] for command in error.details["undone"]] == ["-E", "-a", "-e", "-e"]


def test_check_mode_foretells_the_steps_and_waits_for_nothing(netns: str, client: Any) -> None:
    before = saved(netns)
    result = run_module("ipvs_service", check=True, netns=netns, **WEB, state="absent", drain={"timeout": 60})
    assert [command.split()[1] for command in result["commands"]] == ["-e", "-d", "-D"]
    assert saved(netns) == before


def test_an_idle_server_and_one_of_udp_go_at_once(netns: str) -> None:
    services = [{**WEB, "servers": [SERVER]}, {**WEB, "protocol": "udp", "servers": [SERVER]}]
    assert run_module("ipvs_service", netns=netns, services=services)["changed"]
    began = time.monotonic()
    result = run_module("ipvs_service", netns=netns, services=services, state="absent", drain={"timeout": 60})
    assert time.monotonic() - began < 30
    assert saved(netns) == []
    assert [command for command in result["commands"] if "-u" in command] == [
        "ipvsadm -d -u 169.254.2.100:80 -r 10.9.0.1:8888",
        "ipvsadm -D -u 169.254.2.100:80",
    ]
