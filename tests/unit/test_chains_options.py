# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of lu_chains without a kernel: which chains they mean, what they refuse, which sets suit them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model import chains
from ansible_collections.lulab.lvs.plugins.module_utils.model.chains_options import FoundSet, parse_mark, suited
from chain_layouts import A_SET, EXPERIMENT_2, SHIELDED, layout_of


def test_another_layouts_filter_chain_is_left_when_chains_are_named():
    assert "forward" in layout_of(**EXPERIMENT_2).managed
    assert "forward" not in layout_of(**EXPERIMENT_2, chains={"services": "X"}).managed
    assert "forward" in layout_of(state="absent").managed
    assert "shield" not in layout_of(**EXPERIMENT_2).managed


SNAT = {"services", "mark_masq", "postrouting"}


@pytest.mark.parametrize(
    ("options", "managed"),
    [
        ({}, set(chains.CHAINS)),
        ({"layout": True}, set(chains.CHAINS)),
        ({"match_sets": [A_SET]}, set(chains.CHAINS)),
        ({"ipvs_rules": []}, set()),
        ({"shield": SHIELDED}, {"shield"}),
        ({"shield": {}}, {"shield"}),
        ({"forward_accept": True}, {"forward"}),
        ({"forward_accept": True, "shield": {}}, {"forward", "shield"}),
        ({"shield": {}, "layout": True}, set(chains.CHAINS)),
        ({"chains": {"services": "X"}}, SNAT),
        ({"chains": {"services": "X", "forward": "F"}}, SNAT | {"forward"}),
        ({"chains": {"shield": "S"}}, {"shield"}),
        ({"chains": {"shield": "S"}, "shield": {}}, {"shield"}),
        ({"chains": {"forward": "F"}, "ipvs_rules": []}, {"forward"}),
    ],
)
def test_absent_removes_what_the_options_name(options, managed):
    assert set(layout_of(state="absent", **options).managed) == managed


@pytest.mark.parametrize(
    ("text", "value", "mask"),
    [
        ("0x2000/0x2000", 0x2000, 0x2000),
        ("0x2000", 0x2000, 0x2000),
        ("8192/65535", 0x2000, 0xFFFF),
        ("1/0xffffffff", 1, 0xFFFFFFFF),
    ],
)
def test_marks_are_read(text, value, mask):
    assert parse_mark(text) == chains.Mark(value, mask)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "match_sets: None is not usable: nothing is asked for"),
        ({"mark": "x"}, "mark: 'x'"),
        ({"mark": "0x0/0x1"}, "every packet that nobody marked"),
        ({"mark": "0x3/0x1"}, "bits 0x2 of the value are outside the mask"),
        ({"mark": "0x100000000"}, "32 bits"),
        ({"mark": "1/2/3"}, "VALUE/MASK"),
        ({"chains": {"services": "POSTROUTING"}}, "chains.services: 'POSTROUTING'"),
        ({"chains": {"services": "MASQUERADE"}}, "chains.services: 'MASQUERADE'"),
        (
            {"chains": {"services": "A", "mark_masq": "A"}},
            "chains.mark_masq: 'A' is not usable: chains.services has the same",
        ),
        ({"chains": {"services": "A" * 29}}, "29 characters"),
        ({"chains": {"services": "a b"}}, "letters, digits"),
        ({"chains": {"services": ""}}, "letters, digits"),
        (
            {"chains": {"services": "A"}, "forward_accept": True},
            "chains.forward: None is not usable: with 'chains' its",
        ),
        ({"chains": {"services": "A"}, "shield": {}}, "LU-SHIELD may be that of another layout"),
        ({"chains": {"services": "A"}, "shield": {}, "state": "absent"}, "chains.shield: None"),
        ({"match_sets": [{**A_SET, "flags": "dst,up"}]}, "match_sets[0].flags: 'dst,up'"),
        ({"match_sets": [{**A_SET, "flags": "dst,dst,dst,dst"}]}, "match_sets[0].flags"),
        ({"match_sets": [{**A_SET, "name": "x" * 32}]}, "match_sets[0].name"),
        ({"match_sets": [{**A_SET, "comment": "a\nb"}]}, "match_sets[0].comment"),
        ({"match_sets": [A_SET, A_SET]}, "match_sets[1]: 'LU-SERVICE-IP' is not usable: match_sets[0] is the same"),
        ({"match_sets": [{**A_SET, "family": "ipv6"}]}, "match_sets[0].family"),
        ({"comments": {"services": "x" * 256}}, "comments.services"),
        ({"ipvs_rules": [{"address": "x", "port": 80}]}, "ipvs_rules[0].address: 'x'"),
        ({"ipvs_rules": [{"address": "2001:db8::1", "port": 80}]}, "set 'family: ipv6'"),
        ({"ipvs_rules": [{"address": "192.0.2.1", "port": 65536}]}, "ipvs_rules[0].port: 65536"),
        ({"ipvs_rules": [{"address": "192.0.2.1", "port": 80}] * 2}, "ipvs_rules[0] is the same"),
        ({"outside": ["10.0.0.0/8"]}, "outside: ['10.0.0.0/8']"),
        ({"masquerade": "outside"}, "outside: []"),
        ({"masquerade": "outside", "outside": ["10.0.0.1/8"]}, "the network is 10.0.0.0/8"),
        ({"masquerade": "outside", "outside": ["x"]}, "outside[0]: 'x'"),
        ({"masquerade": "outside", "outside": ["0.0.0.0/0"]}, "nothing is outside it"),
        ({"masquerade": "outside", "outside": ["fd00::/8"]}, "it is ipv6"),
        ({"masquerade": "outside", "outside": ["fe80::%eth0/64"], "family": "ipv6"}, "a rule knows no zone"),
        ({"forward_networks": ["10.0.0.0/8"]}, "it goes with 'forward_accept: true'"),
        ({"forward_accept": True, "forward_networks": ["::/0"], "family": "ipv6"}, "forward_networks[0]: '::/0'"),
        ({"forward_accept": True, "forward_networks": ["10.0.0.1/8"]}, "the network is 10.0.0.0/8"),
        ({"shield": {"addresses": ["fe80::1%eth0"]}, "family": "ipv6"}, "shield.addresses[0]: 'fe80::1%eth0'"),
        ({"ipvs_rules": [{"address": "fe80::1%eth0", "port": 80}], "family": "ipv6"}, "ipvs_rules[0].address"),
        ({"shield": {"service_sets": ["S"]}}, "shield.addresses: None"),
        ({"shield": {"addresses": ["169.254.1.300"]}}, "shield.addresses[0]: '169.254.1.300'"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(options, words):
    with pytest.raises(BadInput) as refused:
        layout_of(**options)
    assert words in str(refused.value)


def a_match(*flags: str, families: Any = ("ipv4",), **more: Any) -> chains.MatchSet:
    return chains.MatchSet("S", flags, families, "match_sets[0]", **more)


LIST = FoundSet("list:set", members={"ONE": "hash:ip", "TWO": "hash:ip,port"})


@pytest.mark.parametrize(
    ("match", "found", "words"),
    [
        (
            a_match("dst", "dst"),
            FoundSet("hash:ip", "inet"),
            "match_sets[0].flags: 'dst,dst' is not usable: set S is hash:ip, so it takes 1",
        ),
        (a_match("dst"), FoundSet("hash:ip,port,net", "inet"), "takes 3"),
        (a_match("dst", "dst"), FoundSet("hash:ip,port", "inet6"), "set S holds ipv6 addresses only"),
        (
            a_match("dst"),
            LIST,
            "match_sets[0].flags: 'dst' is not usable: set S has the member TWO, which is hash:ip,port, "
            "so it takes 2 or more of src and dst",
        ),
        (
            a_match("dst", fixed=True),
            FoundSet("hash:ip,port", "inet"),
            "match_sets[0]: 'S' is not usable: set S is hash:ip,port: this needs a set of one dimension",
        ),
        (a_match("dst", fixed=True), LIST, "match_sets[0]: 'S' is not usable: set S has the member TWO"),
        (a_match("dst", "dst", fixed=True), FoundSet("hash:ip", "inet"), "this needs a set such as hash:ip,port"),
        (
            a_match("dst", fixed=True),
            FoundSet("hash:ip", "inet6"),
            "match_sets[0]: 'S' is not usable: set S holds ipv6 addresses only: 'family' of the task leaves them out",
        ),
    ],
)
def test_a_set_that_the_rule_cannot_match_is_refused(match, found, words):
    with pytest.raises(BadInput) as refused:
        suited(match, found)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("match", "found"),
    [
        (a_match("dst"), FoundSet("bitmap:port")),
        (a_match("dst"), FoundSet("list:set")),
        (a_match("dst", "dst"), FoundSet("list:set")),
        (a_match("dst", "dst"), LIST),
        (a_match("dst", "dst", "src"), LIST),
        (a_match("dst", "dst"), FoundSet("of:tomorrow")),
    ],
)
def test_a_set_that_suits_is_taken_as_it_is(match, found):
    assert suited(match, found) == match


def test_a_set_without_a_family_suits_both():
    match = a_match("dst", families=("ipv4", "ipv6"))
    assert suited(match, FoundSet("bitmap:port")) == match


def test_a_set_of_the_shield_is_named_in_its_own_family():
    match = a_match("dst", families=("ipv4", "ipv6"), fixed=True)
    assert suited(match, FoundSet("hash:ip", "inet6")).families == ("ipv6",)
    assert suited(match, FoundSet("hash:ip", "inet")).families == ("ipv4",)
    assert suited(match, FoundSet("list:set")).families == ("ipv4", "ipv6")
