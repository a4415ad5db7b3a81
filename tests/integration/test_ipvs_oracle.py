# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""ipvsadm as oracle: what the module does in one namespace, its commands, typed in another, do too.

LVS_EXAMPLES=1000 for the long run.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipvs as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipvs_config
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from ansible_collections.lulab.lvs.plugins.module_utils.model import ipvs_config as settings_model
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs import commands, listing
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_want import changes_towards
from ansible_collections.lulab.lvs.plugins.module_utils.plan import undone
from harness import sh
from ipvs_objects import settings_states, states

pytestmark = pytest.mark.ip_vs

SOME = settings(
    max_examples=int(os.environ.get("LVS_EXAMPLES", "10")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def other(netns: str) -> Any:
    name = netns + "-b"
    sh("ip netns add %s && ip -n %s link set lo up" % (name, name))
    yield name
    sh("ip netns delete %s" % name)


def typed(netns: str, lines: list[str]) -> None:
    """Have ipvsadm itself do what it would be told; it reports an error of a line, but goes on."""
    rules = "".join(line.replace("ipvsadm ", "", 1) + "\n" for line in lines)
    process = subprocess.run(
        ["ip", "netns", "exec", netns, "ipvsadm", "-R"], input=rules, text=True, capture_output=True, check=True
    )
    assert process.stderr == "", process.stderr


def shown(netns: str) -> tuple[list[str], str]:
    inside_it = "ip netns exec %s ipvsadm " % netns
    return sorted(sh(inside_it + "-Sn").splitlines()), sh(inside_it + "-Ln --thresholds")


def whole_table(netns: str) -> Any:
    """What is read of a table, which is the same in the way of few services and in that of many."""
    with inside(netns), pytest.MonkeyPatch.context() as patch:
        few = kernel.read((), lambda _key: True)
        patch.setattr(kernel, "ASK_SINGLY", 0)
        assert kernel.read((), lambda _key: True) == few
        return few


def carried_out(netns: str, have: Any, want: Any) -> list[Any]:
    changes = changes_towards(have, want)
    with inside(netns):
        kernel.apply(changes)
    return changes


def expected(state: Any) -> list[str]:
    """The listing as ipvsadm -Sn prints it: no thresholds, marks as signed numbers, unnamed flags unnamed."""
    text = re.sub(r" -[xy] \d+", "", listing(state)).replace("-f 4294967295", "-f -1")
    return sorted(re.sub(r"(-s [sm]h .*-b \S*?),?flag-3", r"\1", text).splitlines())


@SOME
@given(first=states(), second=states())
def test_the_tool_told_the_same_arrives_at_the_same(netns: str, other: str, first: Any, second: Any) -> None:
    for netns_ in (netns, other):
        sh("ip netns exec %s ipvsadm -C" % netns_)
    making = carried_out(netns, {}, first)
    typed(other, commands(making))
    assert shown(netns) == shown(other)
    assert shown(netns)[0] == expected(first)
    # What was made is read back as it was meant, from the module's hands and from the tool's.
    assert whole_table(netns) == whole_table(other) == first
    changing = carried_out(netns, first, second)
    typed(other, commands(changing))
    assert shown(netns) == shown(other)
    assert whole_table(netns) == whole_table(other) == second
    with inside(netns):
        kernel.apply(undone(changing))
    assert whole_table(netns) == first


SETTINGS_BEFORE: Any = {("timeouts", ""): settings_model.INITIAL_TIMEOUTS}


@pytest.fixture
def interfaces(netns: str, other: str) -> None:
    for name in (netns, other):
        for interface, mtu in (("d0", 1400), ("d1", 9000)):
            sh("ip -n %s link add %s mtu %d type dummy" % (name, interface, mtu))
            sh("ip -n %s address add 10.9.0.1/24 dev %s" % (name, interface))
            sh("ip -n %s address add 2001:db8::1/64 nodad dev %s" % (name, interface))
            sh("ip -n %s link set %s up" % (name, interface))


def settings_shown(netns: str) -> str:
    inside_it = "ip netns exec %s ipvsadm -Ln " % netns
    return sh(inside_it + "--timeout") + sh(inside_it + "--daemon")


def as_the_kernel_has_it(state: Any) -> Any:
    """With the lengths that it chooses."""
    return {
        (kind, name): value._replace(
            maxlen=value.maxlen or settings_model.default_maxlen(name, value, ipvs_config.mtu_of)
        )
        if kind == "daemon"
        else value
        for (kind, name), value in state.items()
    }


@pytest.mark.usefixtures("interfaces")
@SOME
@given(first=settings_states(), second=settings_states())
def test_settings_are_what_the_tool_makes_them_too(netns: str, other: str, first: Any, second: Any) -> None:
    for name in (netns, other):
        with inside(name):
            ipvs_config.apply(settings_model.changes_towards(ipvs_config.read(), SETTINGS_BEFORE))
    with inside(netns):
        have = SETTINGS_BEFORE
        for state in (first, second):
            changes = settings_model.changes_towards(have, state)
            ipvs_config.apply(changes)
            for command in settings_model.commands(changes):
                sh("ip netns exec %s %s" % (other, command))
            have = as_the_kernel_has_it(state)
            assert ipvs_config.read() == have
            assert settings_shown(netns) == settings_shown(other) == settings_model.listing(have)
