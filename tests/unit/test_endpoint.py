# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workload endpoints: options, and the way from any state to the wished one."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model import endpoint as model
from ansible_collections.lulab.lvs.plugins.module_utils.model import network
from ansible_collections.lulab.lvs.plugins.module_utils.model.network import Link, Namespace, Route, Veth
from ansible_collections.lulab.lvs.plugins.module_utils.plan import applied, undone

COMMON = {"route_protocol": 96, "prune_routes": True, "state": "present"}
PEER = {"to": "172.16.1.0/24", "via": "10.130.17.31"}
FACTS = model.Facts({"cali0": 1450}, {"172.16.1.0/24": "eth0"})
PEER_ROUTE = ("route", ("", "172.16.1.0/24"))


def wish(**given: Any) -> model.Wish:
    if "endpoints" not in given:
        given.setdefault("addresses", ["172.16.0.10/24"])
    return model.parse({**COMMON, **given})


def commands(have: dict[Any, Any], facts: model.Facts = FACTS, **given: Any) -> list[str]:
    return network.commands(model.towards(wish(**given), facts, have))


def built(**given: Any) -> dict[Any, Any]:
    return applied({}, model.towards(wish(**given), FACTS, {}))


def test_experiment_4_is_built_in_the_fields_own_commands() -> None:
    assert commands({}, routes=[PEER]) == [
        "ip netns add ns0",
        "ip link add cali0 type veth peer name veth0 netns ns0",
        "ip -n ns0 link set veth0 mtu 1450 up",
        "ip -n ns0 link set lo up",
        "ip link set cali0 mtu 1450 up",
        "sysctl -w net.ipv4.conf.cali0.proxy_arp=1",
        "sysctl -w net.ipv4.neigh.cali0.proxy_delay=0",
        "ip -n ns0 address add 172.16.0.10/24 dev veth0",
        "ip -n ns0 route add 169.254.1.1 dev veth0 scope link",
        "ip -n ns0 route add default via 169.254.1.1 dev veth0",
        "ip route add 172.16.0.10 dev cali0 scope link",
        "ip route add 172.16.1.0/24 via 10.130.17.31 dev eth0 proto 96",
    ]


def test_without_a_prefix_the_address_is_calicos_own_form() -> None:
    assert "ip -n ns0 address add 172.16.0.10/32 dev veth0" in commands({}, addresses=["172.16.0.10"])


def test_ipv6_goes_by_the_host_sides_link_local_address() -> None:
    lines = commands({}, addresses=["fd00:16::10"])
    assert "ip address replace fe80::ecee:eeff:feee:eeee/64 dev cali0 nodad" in lines
    assert "ip -n ns0 -6 route add default via fe80::ecee:eeff:feee:eeee dev veth0" in lines
    assert "ip -6 route add fd00:16::10 dev cali0" in lines
    assert "sysctl -w net.ipv6.conf.cali0.proxy_ndp=1" in lines
    assert not [line for line in lines if "169.254" in line or "proxy_arp" in line]


def test_a_peer_that_was_never_moved_is_moved() -> None:
    have = {("veth", "cali0"): Veth("veth0", ""), ("namespace", "ns0"): Namespace()}
    assert commands(have)[0] == "ip link set veth0 netns ns0"


def test_what_an_interface_has_is_kept_where_nothing_else_is_asked_for() -> None:
    facts = model.Facts({"cali0": None}, {})
    have = built()
    have[("link", ("", "cali0"))] = Link(False, 1400, "02:00:00:00:00:01")
    assert commands(have, facts) == ["ip link set cali0 up"]


def test_a_namespace_that_only_left_its_name_behind_is_made_anew() -> None:
    have = {("namespace", "ns0"): Namespace(ours=True, stale=True)}
    assert commands(have)[:2] == ["ip netns delete ns0", "ip netns add ns0"]


def test_an_endpoint_made_by_hand_needs_no_change() -> None:
    have = built(routes=[PEER])
    have[PEER_ROUTE] = Route("10.130.17.31", "eth0", network.PROTOCOL_BOOT)
    assert commands(have, routes=[PEER]) == []


def test_a_new_address_comes_before_the_old_one_goes_and_survives_it() -> None:
    lines = commands(built(), addresses=["172.16.0.11/24"])
    assert lines == [
        "ip netns exec ns0 sysctl -w net.ipv4.conf.veth0.promote_secondaries=1",
        "ip -n ns0 address add 172.16.0.11/24 dev veth0",
        "ip route add 172.16.0.11 dev cali0 scope link",
        "ip route delete 172.16.0.10 dev cali0 scope link",
        "ip -n ns0 address delete 172.16.0.10/24 dev veth0",
    ]


def test_a_new_gateway_stands_before_the_default_route_turns_to_it() -> None:
    assert commands(built(), gateway="169.254.1.9") == [
        "ip -n ns0 route add 169.254.1.9 dev veth0 scope link",
        "ip -n ns0 route replace default via 169.254.1.9 dev veth0",
        "ip -n ns0 route delete 169.254.1.1 dev veth0 scope link",
    ]


def test_a_route_of_ours_that_is_not_declared_is_removed() -> None:
    have = {**built(routes=[PEER]), ("route", ("", "172.16.2.0/24")): Route("10.130.17.32", "eth0", 96)}
    line = "ip route delete 172.16.2.0/24 via 10.130.17.32 dev eth0 proto 96"
    assert commands(have, routes=[PEER]) == [line]


def test_a_route_of_ours_that_leads_elsewhere_is_replaced() -> None:
    have = {**built(), PEER_ROUTE: Route("10.130.17.99", "eth0", 96)}
    line = "ip route replace 172.16.1.0/24 via 10.130.17.31 dev eth0 proto 96"
    assert commands(have, routes=[PEER]) == [line]


def test_absent_removes_the_pair_the_routes_and_the_namespace_that_we_made() -> None:
    assert commands(built(routes=[PEER]), state="absent") == [
        "ip route delete 172.16.1.0/24 via 10.130.17.31 dev eth0 proto 96",
        "ip link delete cali0",
        "ip netns delete ns0",
    ]


def test_absent_leaves_a_namespace_that_others_made_or_use() -> None:
    ours = built()
    theirs = {**ours, ("namespace", "ns0"): Namespace(ours=False)}
    shared = model.Facts({}, {}, frozenset({"ns0"}))
    assert commands(theirs, state="absent") == ["ip link delete cali0"]
    assert commands(ours, shared, state="absent") == ["ip link delete cali0"]


def test_absent_leaves_a_declared_route_that_somebody_else_made() -> None:
    have = {**built(), PEER_ROUTE: Route("10.130.17.31", "eth0", 4)}
    assert commands(have, state="absent", routes=[PEER]) == ["ip link delete cali0", "ip netns delete ns0"]


def test_peer_routes_are_pruned_only_when_routes_are_spoken_of() -> None:
    assert not wish().prunes
    assert wish(routes=[]).prunes
    assert not wish(routes=[], prune_routes=False).prunes
    assert wish(state="absent").prunes


def one(**given: Any) -> dict[str, Any]:
    return {"addresses": ["172.16.0.10"], **given}


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"addresses": []}, "addresses"),
        ({"addresses": ["172.16.0.300"]}, "addresses[0]"),
        ({"addresses": ["172.16.0.0/24"]}, "addresses[0]"),
        ({"addresses": ["172.16.0.1", "172.16.0.1/24"]}, "addresses"),
        ({"addresses": ["169.254.1.1"]}, "addresses"),
        ({"addresses": ["fe80::5"]}, "addresses[0]"),
        ({"addresses": ["127.0.0.1"]}, "addresses[0]"),
        ({"gateway": "fe80::1"}, "gateway"),
        ({"gateway": "169.254.1.1/32"}, "gateway"),
        ({"gateway6": "fd00::1"}, "gateway6"),
        ({"mtu": 60}, "mtu"),
        ({"mtu": 70000}, "mtu"),
        ({"mtu": 1000, "addresses": ["fd00::1"]}, "mtu"),
        ({"mac": "ee:ee:ee"}, "mac"),
        ({"mac": "01:00:5e:00:00:01"}, "mac"),
        ({"name": "much-too-long-a-name"}, "name"),
        ({"namespace": "../evil"}, "namespace"),
        ({"namespace": "a b"}, "namespace"),
        ({"container_interface": "lo"}, "container_interface"),
        ({"proxy_delay": -1}, "proxy_delay"),
        ({"route_protocol": 4}, "route_protocol"),
        ({"routes": [{"to": "172.16.1.5/24", "via": "10.0.0.1"}]}, "routes[0].to"),
        ({"routes": [{"to": "172.16.1.0/24", "via": "fd00::1"}]}, "routes[0].via"),
        ({"routes": [{"to": "172.16.1.0/24", "via": "10.0.0.1/24"}]}, "routes[0].via"),
        ({"routes": [PEER, PEER]}, "routes[1].to"),
        ({"routes": [PEER, {"to": "172.16.0.10/32", "via": "10.0.0.1"}]}, "routes[1].to"),
        ({"routes": [{**PEER, "interface": "a/b"}]}, "routes[0].interface"),
        ({"endpoints": [one()], "mtu": 1400}, "endpoints"),
        ({"endpoints": [one(), one(name="cali1", addresses=["172.16.0.11"])]}, "endpoints[1].namespace"),
        ({"endpoints": [one(), one(namespace="ns1", addresses=["172.16.0.11"])]}, "endpoints[1].name"),
        ({"endpoints": [one(), one(name="cali1", namespace="ns1")]}, "endpoints[1].addresses"),
        ({"endpoints": [one(), {"name": "cali1", "namespace": "ns1"}]}, "endpoints[1].addresses"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(given: dict[str, Any], parameter: str) -> None:
    with pytest.raises(BadInput) as caught:
        wish(**given)
    assert caught.value.details["parameter"] == parameter


@pytest.mark.parametrize("mac", ["EE-EE-EE-EE-EE-EE", "ee:ee:ee:ee:ee:ee", "EE:ee:EE:ee:EE:ee"])
def test_a_mac_address_has_one_form(mac: str) -> None:
    assert wish(mac=mac).endpoints[0].mac == "ee:ee:ee:ee:ee:ee"


IPV4 = st.integers(1, 9).map("172.16.0.{}/24".format) | st.integers(10, 19).map("172.16.0.{}/32".format)
IPV6 = st.integers(1, 9).map("fd00::{}/128".format)


@st.composite
def options(draw: st.DrawFn) -> dict[str, Any]:
    """Options of one or two endpoints and of peer routes."""
    texts = draw(st.lists(IPV4 | IPV6, min_size=2, max_size=5, unique=True))
    cut = draw(st.integers(1, len(texts) - 1))
    endpoints = [
        {"name": "cali%d" % place, "namespace": "ns%d" % place, "addresses": part, "mtu": draw(mtus), "mac": draw(macs)}
        for place, part in enumerate((texts[:cut], texts[cut:]))
    ]
    routes = draw(st.none() | st.sets(st.integers(1, 4)))
    peers = None if routes is None else [{"to": "172.16.%d.0/24" % n, "via": "10.0.0.%d" % n} for n in sorted(routes)]
    return {"endpoints": endpoints[: draw(st.integers(1, 2))], "routes": peers, "state": draw(states)}


mtus = st.none() | st.integers(1280, 1500)
macs = st.sampled_from((None, "ee:ee:ee:ee:ee:ee"))
states = st.sampled_from(("present", "present", "absent"))
EVERYTHING = model.Facts({"cali0": 1500, "cali1": 1500}, {"172.16.%d.0/24" % n: "eth0" for n in range(5)})


def seen(state: dict[Any, Any], asked: model.Wish) -> dict[Any, Any]:
    """What a survey would show of ``state`` to another wish: only what it names."""
    names = {(network.HERE, e.name) for e in asked.endpoints}
    spaces = {e.namespace for e in asked.endpoints}
    pairs = {e.name for e in asked.endpoints}
    declared = {route.to for route in asked.routes or ()}

    def shown(kind: str, key: Any, value: Any) -> bool:
        if kind in ("namespace", "veth"):
            return key in spaces | pairs
        if key[0] in spaces:
            return True
        if kind == "route":
            return value.interface in pairs or key[1] in declared or asked.prunes
        return kind == "sysctl" and key[1].split("/")[3] in pairs or key[:2] in names

    return {(kind, key): value for (kind, key), value in state.items() if shown(kind, key, value)}


@given(first=options(), second=options(), seed=st.randoms(use_true_random=False))
def test_the_laws_of_plan_hold_from_any_half_built_state(
    first: dict[str, Any], second: dict[str, Any], seed: random.Random
) -> None:
    start = model.parse({**COMMON, **first})
    changes = model.towards(start, EVERYTHING, {})
    asked = model.parse({**COMMON, **second})
    have = seen(applied({}, changes[: seed.randint(0, len(changes))]), asked)
    steps = model.towards(asked, EVERYTHING, have)
    after = applied(have, steps)
    assert model.towards(asked, EVERYTHING, after) == []
    assert applied(after, undone(steps)) == have
    for line in network.commands(steps):
        assert "None" not in line
    network.commands(undone(steps))
    network.listing(after)
