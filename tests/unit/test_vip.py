# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual addresses: options, and the way from any state to the wished one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model import network, vip
from ansible_collections.lulab.lvs.plugins.module_utils.plan import applied, undone

GIVEN = {
    "addresses": ["169.254.2.100"],
    "interface": "dummy-ipvs0",
    "interface_of": None,
    "kind": "dummy",
    "exact": False,
    "remove_interface": None,
    "arp_exclusive": False,
    "state": "present",
}
ADDRESS = ("address", ("", "dummy-ipvs0", "169.254.2.100"))
OTHER = ("address", ("", "dummy-ipvs0", "192.0.2.1"))
DUMMY = ("dummy", "dummy-ipvs0")


def wish(**given: Any) -> vip.Wish:
    return vip.parse({**GIVEN, **given})


def changed(have: dict[Any, Any], **given: Any) -> list[str]:
    return network.commands(vip.towards(wish(**given), have, "dummy-ipvs0"))


def test_a_dummy_is_made_as_the_article_makes_it() -> None:
    assert changed({vip.DUMMY_DRIVER: True}) == [
        "ip link add dummy-ipvs0 type dummy",
        "ip address add 169.254.2.100/32 dev dummy-ipvs0",
    ]


def test_the_driver_is_loaded_without_the_interface_that_it_makes_by_itself() -> None:
    assert changed({})[0] == "modprobe dummy numdummies=0"


def test_an_address_of_somebody_else_on_the_dummy_stays() -> None:
    assert changed({DUMMY: True, OTHER: 32, ADDRESS: 32}) == []


def test_exact_removes_an_address_that_is_not_named() -> None:
    assert changed({DUMMY: True, OTHER: 32, ADDRESS: 32}, exact=True) == [
        "ip address delete 192.0.2.1/32 dev dummy-ipvs0"
    ]


def test_the_dummy_that_we_made_goes_with_its_last_address() -> None:
    made = applied({}, vip.towards(wish(), {}, "dummy-ipvs0"))
    assert changed(made, state="absent") == ["ip link delete dummy-ipvs0"]


def test_a_dummy_that_was_there_before_us_stays_unless_it_is_to_go() -> None:
    for have in ({DUMMY: True}, {DUMMY: True, OTHER: 32}):
        with_ours = applied(have, vip.towards(wish(), have, "dummy-ipvs0"))
        assert changed(with_ours, state="absent") == ["ip address delete 169.254.2.100/32 dev dummy-ipvs0"]
    assert changed({DUMMY: True, ADDRESS: 32}, state="absent", remove_interface=True) == ["ip link delete dummy-ipvs0"]


def test_arp_settings_go_back_to_what_they_were_with_the_last_address_that_they_are_for() -> None:
    have: dict[Any, Any] = {
        ("sysctl", ("", "net/ipv4/conf/e0/arp_" + key)): value for key, value in (("ignore", "0"), ("announce", "1"))
    }
    arp = {"kind": "existing", "interface": "e0", "arp_exclusive": True}
    before = have
    for address in ("10.0.0.1", "10.0.0.2"):
        have = applied(have, vip.towards(wish(addresses=[address], **arp), have, "e0"))
    lines = []
    for address in ("10.0.0.1", "10.0.0.2"):
        changes = vip.towards(wish(addresses=[address], state="absent", **arp), have, "e0")
        have = applied(have, changes)
        lines.append(network.commands(changes))
    assert lines == [
        ["ip address delete 10.0.0.1/32 dev e0"],
        [
            "ip address delete 10.0.0.2/32 dev e0",
            "sysctl -w net.ipv4.conf.e0.arp_ignore=0",
            "sysctl -w net.ipv4.conf.e0.arp_announce=1",
        ],
    ]
    assert have == before


def test_arp_settings_of_somebody_else_stay() -> None:
    have = {("sysctl", ("", path)): value for path, value in vip.exclusive("e0").items()}
    arp = {"kind": "existing", "interface": "e0", "arp_exclusive": True}
    after = applied(have, vip.towards(wish(**arp), have, "e0"))
    assert network.commands(vip.towards(wish(state="absent", **arp), after, "e0")) == [
        "ip address delete 169.254.2.100/32 dev e0"
    ]


def test_the_dummy_stays_while_it_has_another_address() -> None:
    assert changed({DUMMY: True, ADDRESS: 32, OTHER: 32}, state="absent") == [
        "ip address delete 169.254.2.100/32 dev dummy-ipvs0"
    ]


def test_the_dummy_stays_when_it_is_asked_to() -> None:
    assert changed({DUMMY: True, ADDRESS: 32}, state="absent", remove_interface=False) == [
        "ip address delete 169.254.2.100/32 dev dummy-ipvs0"
    ]


def test_an_address_is_removed_whatever_its_prefix_when_none_is_given() -> None:
    have = {("address", ("", "eth0", "169.254.2.100")): 24}
    given = wish(kind="existing", interface="eth0", state="absent")
    assert network.commands(vip.towards(given, have, "eth0")) == ["ip address delete 169.254.2.100/24 dev eth0"]


def test_arp_settings_name_the_interface_also_when_its_name_has_dots() -> None:
    given = wish(kind="existing", interface="eth0.7", arp_exclusive=True)
    assert network.commands(vip.towards(given, {}, "eth0.7"))[0] == "sysctl -w net/ipv4/conf/eth0.7/arp_ignore=1"


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"addresses": ["169.254.1.1"]}, "addresses[0]"),
        ({"addresses": ["169.254.1.1/24"]}, "addresses[0]"),
        ({"addresses": ["10.0.0.1", "10.0.0.1/32"]}, "addresses[1]"),
        ({"addresses": ["2001:db8::1", "2001:DB8:0::1"]}, "addresses[1]"),
        ({"addresses": ["10.0.0.256"]}, "addresses[0]"),
        ({"addresses": ["10.0.0.1/33"]}, "addresses[0]"),
        ({"addresses": ["224.0.0.1"]}, "addresses[0]"),
        ({"addresses": ["0.0.0.0"]}, "addresses[0]"),
        ({"addresses": ["fe80::1"]}, "addresses[0]"),
        ({"addresses": ["fe80::1%eth0"]}, "addresses[0]"),
        ({"interface": None}, "interface"),
        ({"interface_of": "10.0.0.1"}, "interface"),
        ({"interface": None, "interface_of": "10.0.0.1"}, "interface_of"),
        ({"interface": None, "interface_of": "eth0", "kind": "existing"}, "interface_of"),
        ({"interface": "sixteen-letters-"}, "interface"),
        ({"interface": "a b"}, "interface"),
        ({"interface": "-x"}, "interface"),
        ({"interface": ""}, "interface"),
        ({"exact": True, "kind": "existing"}, "exact"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(given: dict[str, Any], parameter: str) -> None:
    with pytest.raises(BadInput) as caught:
        wish(**given)
    assert caught.value.details["parameter"] == parameter


TEXTS = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.1.1", "192.0.2.9", "2001:db8::1", "2001:db8::2"])


@st.composite
def states(draw: st.DrawFn) -> dict[Any, Any]:
    held = {
        ("address", ("", "d0", text)): draw(st.sampled_from((24, 32) if "." in text else (64, 128)))
        for text in draw(st.sets(TEXTS))
    }
    return {("dummy", "d0"): True, **held} if draw(st.booleans()) else {vip.DUMMY_DRIVER: True}


@given(
    have=states(),
    addresses=st.lists(TEXTS, unique=True),
    exact=st.booleans(),
    state=st.sampled_from(("present", "absent")),
    arp=st.booleans(),
)
def test_the_laws_of_plan_hold(have: dict[Any, Any], addresses: list[str], **options: Any) -> None:
    given_ = wish(
        addresses=addresses,
        interface="d0",
        exact=options["exact"],
        state=options["state"],
        arp_exclusive=options["arp"],
    )
    changes = vip.towards(given_, have, "d0")
    after = applied(have, changes)
    assert vip.towards(given_, after, "d0" if ("dummy", "d0") in after else None) == []
    assert applied(after, undone(changes)) == have
    held = {key[2] for kind, key in after if kind == "address"}
    if options["state"] == "present":
        assert held >= set(addresses)
    else:
        assert not held & set(addresses)
    network.commands(undone(changes))
    network.listing(after)
