# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""calico_veth and the ip command as each other's oracle: the commands that are returned build the same."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ansible_collections.lulab.lvs.plugins.module_utils.concern import calico_veth
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from harness import sh
from workloads import everything, forget_pods, here, typed, uplink, works

EXAMPLES = int(os.environ.get("LVS_EXAMPLES", "4"))
LAST = st.integers(1, 200)
ADDRESSES = (
    LAST.map("172.16.0.{}/24".format) | LAST.map("172.16.3.{}".format) | LAST.map("fd00:16::{}/128".format)
)  # fmt: skip


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    texts = draw(st.lists(ADDRESSES, min_size=2, max_size=5, unique=True))
    cut = draw(st.integers(1, len(texts) - 1))
    parts = [texts[:cut], texts[cut:]][: draw(st.integers(1, 2))]
    numbers = draw(st.sets(st.integers(1, 9), max_size=3))
    return {
        "endpoints": [
            {
                "name": "cali%d" % place,
                "namespace": "ns%d" % place,
                "container_interface": ("veth0", "eth0")[place],
                "addresses": part,
                "mtu": draw(st.none() | st.integers(1280, 1500)),
                "mac": draw(st.sampled_from((None, "ee:ee:ee:ee:ee:ee"))),
                "proxy_delay": draw(st.sampled_from((None, 0, 3, 10, 81))),
            }
            for place, part in enumerate(parts)
        ],
        "routes": [{"to": "172.17.%d.0/24" % n, "via": "10.130.17.%d" % (40 + n)} for n in sorted(numbers)],
    }


def on(host: str, wish: dict[str, Any], **more: Any) -> dict[str, Any]:
    endpoints = [{**one, "namespace": "%s-%s" % (host, one["namespace"])} for one in wish["endpoints"]]
    return {"netns": host, "endpoints": endpoints, "routes": wish["routes"], **more}


def kept_by_others(first: dict[str, Any], second: dict[str, Any]) -> set[str]:
    """Addresses that the second wish asks for while an endpoint of the first, which it does not name, has them."""
    named = {one["name"] for one in second["endpoints"]}
    kept = {text.split("/")[0] for one in first["endpoints"] if one["name"] not in named for text in one["addresses"]}
    return kept & {text.split("/")[0] for one in second["endpoints"] for text in one["addresses"]}


def told(host: str) -> set[str]:
    with inside(host):
        return {one["name"] for one in calico_veth.told({})}


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(first=wishes(), second=wishes())
def test_the_commands_build_what_the_module_builds(host: str, first: dict[str, Any], second: dict[str, Any]) -> None:
    assume(not kept_by_others(first, second))
    twin = host + "x"
    sh("ip netns add {0} && ip -n {0} link set lo up".format(twin))  # noqa: UP032
    try:
        uplink(twin)
        for wish in (first, second):
            commands = here(check=True, **on(twin, wish))["commands"]
            typed(twin, commands)
            works(here(**on(host, wish)), bool(commands))
            assert everything(host) == everything(twin), commands
            works(here(**on(twin, wish)), False)
            assert {one["name"] for one in wish["endpoints"]} <= told(host)
        here(**on(host, first, state="absent"))
        here(**on(host, second, state="absent"))
        assert list(everything(host)) == [""]
    finally:
        for name in (host, twin):
            forget_pods(name)
            for place in range(2):
                sh("ip -n %s link delete cali%d 2>&1" % (name, place), check=False)
        sh("ip netns delete " + twin)
