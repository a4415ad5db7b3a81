# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""calico_veth among what others have on the same host: routes, addresses and interfaces that stay as they are."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import endpoint as kernel
from harness import run_module, sh
from workloads import HOST, NEIGHBOUR, PEERS, endpoint, everything, here, refuse, stop_at, works

PEER6 = {"to": "fd00:16:1::/64", "via": "fd00:17::31"}
POD6 = {"addresses": ["fd00:16::10"]}


def kept(host: str) -> tuple[Any, str]:
    """All that calico_veth might touch, and the whole main table, of whatever kind its routes are."""
    return everything(host), "".join(sh("ip -n %s %s route show table main" % (host, six)) for six in ("-4", "-6"))


def is_refused(host: str, words: str, **options: Any) -> None:
    before = kept(host)
    for check in (True, False):
        result = run_module("calico_veth", check=check, **endpoint(host, **options))
        assert result["failed"]
        assert words in result["msg"]
        assert "undone" not in result
        assert kept(host) == before


@pytest.mark.parametrize(
    ("route", "options", "words"),
    [
        ("blackhole 172.16.1.0/24 proto 80", {"routes": PEERS}, "'blackhole 172.16.1.0/24 proto 80'"),
        ("blackhole 172.16.1.0/24 proto 96", {"routes": PEERS}, "'blackhole 172.16.1.0/24 proto 96'"),
        ("unreachable 172.16.1.0/24 metric 9", {"routes": PEERS}, "'unreachable 172.16.1.0/24 metric 9'"),
        ("blackhole 172.16.0.10", {}, "'blackhole 172.16.0.10/32'"),
        ("172.16.0.10 dev e0 metric 100", {}, "'172.16.0.10/32 dev e0 metric 100'"),
        (
            "172.16.1.0/24 nexthop via 10.130.17.31 dev e0 nexthop via 10.130.17.77 dev e0",
            {"routes": PEERS},
            "'172.16.1.0/24 by several next hops'",
        ),
        (
            "172.16.1.0/24 via 10.130.17.77 dev e0 proto static metric 100",
            {"routes": PEERS},
            "'172.16.1.0/24 via 10.130.17.77 dev e0 proto static metric 100'",
        ),
        ("172.16.1.0/24 dev e1 proto kernel scope link", {"routes": PEERS}, "'172.16.1.0/24 dev e1 proto kernel'"),
        (
            "blackhole 192.0.2.0/24",
            {"routes": [{"to": "10.130.17.0/24", "via": NEIGHBOUR}]},
            "'10.130.17.0/24 dev e0 proto kernel'",
        ),
        ("unreachable fd00:16:1::/64", {"routes": [PEER6]}, "'unreachable fd00:16:1::/64'"),
        ("fd00:16:1::/64 via fd00:17::77 dev e0 proto ra", {"routes": [PEER6]}, "dev e0 proto ra'"),
        ("unreachable fd00:16::10", POD6, "'unreachable fd00:16::10/128'"),
    ],
)
def test_a_route_of_somebody_else_is_refused_whatever_its_kind(
    host: str, route: str, options: dict[str, Any], words: str
) -> None:
    sh("ip -n %s %s route add %s" % (host, "-6" if "fd00" in route else "", route))
    is_refused(host, words, **options)


def test_a_route_of_somebody_else_in_the_workloads_namespace_is_refused(host: str) -> None:
    pod = host + "-ns0"
    for route, words in (
        ("blackhole default", "it has a default route already, 'blackhole 0.0.0.0/0'"),
        ("blackhole 169.254.1.1", "it has a route to the gateway already, 'blackhole 169.254.1.1/32'"),
    ):
        sh("ip netns add {0} && ip -n {0} link set lo up && ip -n {0} route add {1}".format(pod, route))  # noqa: UP032
        is_refused(host, words)
        sh("ip netns delete " + pod)


def test_a_route_of_somebody_else_that_leads_the_same_way_satisfies_whatever_its_metric(host: str) -> None:
    sh("ip -n %s route add 172.16.1.0/24 via %s dev e0 proto static metric 100" % (host, NEIGHBOUR))
    routes = sh("ip -n %s route show 172.16.1.0/24" % host)
    works(run_module("calico_veth", **endpoint(host, routes=PEERS)), True)
    works(run_module("calico_veth", **endpoint(host, routes=PEERS)), False)
    assert sh("ip -n %s route show 172.16.1.0/24" % host) == routes
    works(run_module("calico_veth", **endpoint(host, routes=PEERS, state="absent")), True)
    assert sh("ip -n %s route show 172.16.1.0/24" % host) == routes


def test_the_hosts_own_address_is_no_workloads_whatever_the_container_interface_is_called(host: str) -> None:
    is_refused(host, "the host's own interface e0 has this address", addresses=[HOST], container_interface="e0")


# Pairs that are half built, or nobody's endpoint


def test_an_end_that_is_still_on_the_host_is_as_it_was_after_a_way_back(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sh("ip -n %s link add cali0 type veth peer name veth0" % host)
    for line in (
        "link set veth0 mtu 1400 up",
        "address add 172.16.0.10/24 dev veth0",
        "address add fd00:16::9 dev veth0",
    ):
        sh("ip -n %s %s" % (host, line))
    before = everything(host)
    assert before[""]["links"]["veth0"] == ("veth", True, 1400, None, [("172.16.0.10", 24), ("fd00:16::9", 128)])
    options = endpoint(host, routes=PEERS)
    count = len(here(check=True, **options)["commands"])
    for refused in range(count):
        with monkeypatch.context() as patch:
            stop_at(patch, refused, refuse)
            with pytest.raises(Exception, match="ENOBUFS") as caught:
                here(**options)
        assert caught.value.details["standing"] == []
        assert everything(host) == before
    works(here(**options), True)
    works(here(**options), False)


def test_a_refused_removal_puts_all_back(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = endpoint(host, routes=PEERS)
    works(here(**options), True)
    before = everything(host)
    for refused in range(3):
        with monkeypatch.context() as patch:
            stop_at(patch, refused, refuse)
            with pytest.raises(Exception, match="ENOBUFS") as caught:
                here(**{**options, "state": "absent"})
        assert caught.value.details["standing"] == []
        assert everything(host) == before


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("ip -n {host} link set e0 up", "its other end is e1, on the host: if it shall go, 'ip link delete e0'"),
        ("ip netns add {host}-x; ip -n {host} link set e1 netns {host}-x", "is in another network namespace"),
    ],
)
def test_a_pair_that_is_nobodys_endpoint_is_not_removed(
    host: str, pair: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "_CLEARING_SECONDS", 0.2)
    sh(pair.format(host=host))
    is_refused(host, words, name="e0", state="absent")


def test_a_half_built_pair_is_removed(host: str) -> None:
    before = everything(host)
    sh("ip -n %s link add cali0 type veth peer name veth0" % host)
    works(run_module("calico_veth", **endpoint(host, state="absent")), True)
    assert everything(host) == before


def test_a_delay_that_the_kernel_rounds_is_as_asked_for(host: str) -> None:
    for delay in (1, 3, 5, 80):
        run_module("calico_veth", **endpoint(host, proxy_delay=delay))
        works(run_module("calico_veth", **endpoint(host, proxy_delay=delay)), False)
