# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures for tests against a real kernel: a network namespace of the test's own."""

from __future__ import annotations

import itertools
import os
from typing import Iterator

import pytest

from harness import sh
from workloads import forget_pods, uplink

_number = itertools.count()


@pytest.fixture
def netns() -> Iterator[str]:
    """A fresh network namespace with its loopback up; gone when the test ends."""
    name = "lvs-test-%d-%d" % (os.getpid(), next(_number))
    sh("ip netns add %s && ip -n %s link set lo up" % (name, name))
    yield name
    sh("rm -rf /run/lulab-lvs/vip/$(stat -Lc %%i /run/netns/%s)" % name)
    sh("ip netns delete %s" % name)


@pytest.fixture
def twin(netns: str) -> Iterator[str]:
    """A second namespace, for the tool to do in what the module did in the first."""
    name = netns + "-tool"
    sh("ip netns add %s && ip -n %s link set lo up" % (name, name))
    yield name
    sh("ip netns delete %s" % name)


@pytest.fixture
def host(netns: str) -> Iterator[str]:
    """A host with an uplink; its workloads' namespaces, which are named after it, go when the test ends."""
    uplink(netns)
    yield netns
    forget_pods(netns)


def has_ip_vs() -> bool:
    if not os.path.exists("/proc/net/ip_vs"):
        sh("modprobe ip_vs", check=False)
    return os.path.exists("/proc/net/ip_vs")


def has_systemd() -> bool:
    return os.path.isdir("/run/systemd/system")


NEEDS = {"ip_vs": has_ip_vs, "systemd": has_systemd}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a test is marked with and this host has not lets it be skipped; never in a guest, where all are to run."""
    if "LVS_GUEST" in os.environ:
        return
    for name, is_there in NEEDS.items():
        marked = [item for item in items if item.get_closest_marker(name)]
        if marked and not is_there():
            for item in marked:
                item.add_marker(
                    pytest.mark.skip(reason="this host has no %s; tests/guest.py runs it in a guest" % name)
                )
