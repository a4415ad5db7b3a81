# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The SNAT layout without a kernel: what it asks for, the way there, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput, LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.model import chains
from ansible_collections.lulab.lvs.plugins.module_utils.model.chains_options import FoundSet, parse, parse_mark, suited
from ansible_collections.lulab.lvs.plugins.module_utils.model.chains_told import guesses
from ansible_collections.lulab.lvs.plugins.module_utils.model.ruleset import boot_lines, commands, listing, parse_save
from ansible_collections.lulab.lvs.plugins.module_utils.plan import applied, undone

DEFAULTS: dict[str, Any] = {
    "state": "present",
    "layout": False,
    "chains": None,
    "mark": "0x2000/0x2000",
    "match_sets": None,
    "comments": None,
    "position": "append",
    "masquerade": "all",
    "outside": None,
    "kube_proxy": False,
    "ipvs_rules": None,
    "forward_accept": False,
    "forward_networks": None,
    "shield": None,
    "family": "ipv4",
}
A_SET = {"name": "LU-SERVICE-IP", "flags": "dst,dst", "comment": chains.MATCH_COMMENT, "family": None}
EXPERIMENT_2 = {"match_sets": [A_SET]}
# The article's listing of experiment 2, but for the policies and with -N as iptables-save writes it.
ARTICLE = """\
*nat
:LU-MARK-MASQ - [0:0]
:LU-POSTROUTING - [0:0]
:LU-SERVICES - [0:0]
-A PREROUTING -m comment --comment "lu service portals" -j LU-SERVICES
-A OUTPUT -m comment --comment "lu service portals" -j LU-SERVICES
-A POSTROUTING -m comment --comment "lu postrouting rules" -j LU-POSTROUTING
-A LU-MARK-MASQ -j MARK --set-xmark 0x2000/0x2000
-A LU-POSTROUTING -m comment --comment "lu service traffic requiring SNAT" \
-m mark --mark 0x2000/0x2000 -j MASQUERADE
-A LU-SERVICES -m comment --comment "lu service cluster ip + port for masquerade purpose" \
-m set --match-set LU-SERVICE-IP dst,dst -j LU-MARK-MASQ
COMMIT
"""


def layout_of(**options: Any) -> chains.Layout:
    return parse({**DEFAULTS, **options})


def have_of(layout: chains.Layout, text: str = "") -> dict[Any, Any]:
    return {
        key: value
        for family in layout.families
        for key, value in chains.state_from(layout, family, parse_save(text)).items()
    }


def after(layout: chains.Layout, have: dict[Any, Any]) -> dict[Any, Any]:
    return applied(have, chains.towards(layout, have))


def told(**options: Any) -> list[str]:
    layout = layout_of(**options)
    return commands(chains.towards(layout, have_of(layout)))


def test_the_default_is_the_articles_listing():
    layout = layout_of(**EXPERIMENT_2)
    assert listing(after(layout, have_of(layout))) == ARTICLE


def test_what_iptables_save_prints_back_is_no_change():
    layout = layout_of(**EXPERIMENT_2)
    builtins = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
    assert chains.towards(layout, have_of(layout, ARTICLE.replace("*nat\n", builtins))) == []


def test_the_commands_are_those_of_the_article():
    assert told(**EXPERIMENT_2) == [
        "iptables -t nat -N LU-SERVICES",
        "iptables -t nat -N LU-MARK-MASQ",
        "iptables -t nat -N LU-POSTROUTING",
        'iptables -t nat -A LU-SERVICES -m comment --comment "lu service cluster ip + port for masquerade purpose" '
        "-m set --match-set LU-SERVICE-IP dst,dst -j LU-MARK-MASQ",
        "iptables -t nat -A LU-MARK-MASQ -j MARK --set-xmark 0x2000/0x2000",
        'iptables -t nat -A LU-POSTROUTING -m comment --comment "lu service traffic requiring SNAT" '
        "-m mark --mark 0x2000/0x2000 -j MASQUERADE",
        'iptables -t nat -A PREROUTING -m comment --comment "lu service portals" -j LU-SERVICES',
        'iptables -t nat -A OUTPUT -m comment --comment "lu service portals" -j LU-SERVICES',
        'iptables -t nat -A POSTROUTING -m comment --comment "lu postrouting rules" -j LU-POSTROUTING',
    ]


def test_from_nothing_read_the_commands_are_the_same():
    layout = layout_of(**EXPERIMENT_2)
    assert commands(chains.towards(layout, {})) == told(**EXPERIMENT_2)


def test_the_script_of_the_boot_bears_what_is_there_already():
    layout = layout_of(layout=True, forward_accept=True)
    lines = boot_lines(chains.towards(layout, {}), "-nft")
    portals = '-m comment --comment "lu service portals" -j LU-SERVICES'
    forward = '-m comment --comment "lu forwarding rules" -j LU-FORWARD'
    nat, table = "iptables-nft -w 60 -t nat ", "iptables-nft -w 60 -t filter "
    assert lines[0] == nat + "-N LU-SERVICES 2>/dev/null || " + nat + "-F LU-SERVICES"
    assert nat + "-A LU-MARK-MASQ -j MARK --set-xmark 0x2000/0x2000" in lines
    assert "%s-C OUTPUT %s 2>/dev/null || %s-A OUTPUT %s" % (nat, portals, nat, portals) in lines
    assert lines[-2:] == [
        "%s-D FORWARD %s 2>/dev/null || true" % (table, forward),
        "%s-I FORWARD 1 %s" % (table, forward),
    ]


def hook_of(*lines: str) -> Any:
    text = ["*filter", ":A - [0:0]", ":B - [0:0]", ":FORWARD DROP [0:0]", *("-A FORWARD " + line for line in lines)]
    return have_of(layout_of(forward_accept=True), "\n".join([*text, ":LU-FORWARD - [0:0]", "COMMIT\n"]))


OWN_JUMP = '-m comment --comment "lu forwarding rules" -j LU-FORWARD'


@pytest.mark.parametrize(
    ("lines", "goal"),
    [
        (["-j A", OWN_JUMP, "-p tcp -j DROP"], ["A", "LU-FORWARD", "DROP"]),
        (["-m comment --comment x -j A", "-j B", OWN_JUMP], ["A", "B", "LU-FORWARD"]),
        (["-j A"], ["LU-FORWARD", "A"]),
        (["-p tcp -j A", OWN_JUMP], ["LU-FORWARD", "A"]),
        (["-j ACCEPT", OWN_JUMP], ["LU-FORWARD", "ACCEPT"]),
        (["-g A", OWN_JUMP], ["LU-FORWARD", "A"]),
        (["-j A", "-p udp -j DROP", OWN_JUMP], ["LU-FORWARD", "A", "DROP"]),
        ([OWN_JUMP, "-j A", OWN_JUMP], ["A", "LU-FORWARD"]),
        ([OWN_JUMP, "-j DROP", OWN_JUMP], ["LU-FORWARD", "DROP"]),
        (["-j LU-FORWARD", "-j A", OWN_JUMP], ["A", "LU-FORWARD"]),
    ],
)
def test_only_bare_jumps_of_others_may_stand_before_the_head(lines, goal):
    have = hook_of(*lines)
    want = after(layout_of(forward_accept=True), have)
    assert [place.rule.target for place in want[("hook", ("ipv4", "filter", "FORWARD"))]] == goal
    assert chains.towards(layout_of(forward_accept=True), want) == []


def test_experiment_1_has_one_rule_and_no_chain():
    rule = {"address": "169.254.1.100", "port": 80, "protocol": None}
    assert told(ipvs_rules=[rule]) == [
        "iptables -t nat -A POSTROUTING -m ipvs --vaddr 169.254.1.100 --vport 80 -j MASQUERADE"
    ]
    assert told(ipvs_rules=[{**rule, "protocol": "udp"}]) == [
        "iptables -t nat -A POSTROUTING -m ipvs --vproto udp --vaddr 169.254.1.100 --vport 80 -j MASQUERADE"
    ]


def test_the_ipvs_rule_is_known_as_iptables_save_prints_it():
    layout = layout_of(ipvs_rules=[{"address": "169.254.1.100", "port": 80, "protocol": "udp"}])
    text = (
        "*nat\n:POSTROUTING ACCEPT [0:0]\n"
        "-A POSTROUTING -m ipvs --vproto 17 --vaddr 169.254.1.100/32 --vport 80 -j MASQUERADE\nCOMMIT\n"
    )
    assert chains.towards(layout, have_of(layout, text)) == []


def test_only_the_named_ipvs_rules_are_removed_when_no_chain_is_named():
    layout = layout_of(state="absent", ipvs_rules=[{"address": "169.254.1.100", "port": 80, "protocol": None}])
    assert layout.managed == ()
    rule = "-A POSTROUTING -m ipvs --vaddr 169.254.1.100 --vport %d -j MASQUERADE\n"
    text = "*nat\n:POSTROUTING ACCEPT [0:0]\n" + rule % 80 + rule % 81 + "COMMIT\n"
    assert commands(chains.towards(layout, have_of(layout, text))) == [
        "iptables -t nat -D POSTROUTING -m ipvs --vaddr 169.254.1.100 --vport 80 -j MASQUERADE"
    ]


def test_kube_proxys_form_returns_early_and_takes_the_mark_off():
    assert [line for line in told(**EXPERIMENT_2, kube_proxy=True) if "-A LU-POSTROUTING" in line] == [
        "iptables -t nat -A LU-POSTROUTING -m mark ! --mark 0x2000/0x2000 -j RETURN",
        "iptables -t nat -A LU-POSTROUTING -j MARK --set-xmark 0x2000/0x0",
        'iptables -t nat -A LU-POSTROUTING -m comment --comment "lu service traffic requiring SNAT" '
        "-j MASQUERADE --random-fully",
    ]


def test_one_network_is_excluded_in_the_rule_and_more_by_returns():
    lines = told(**EXPERIMENT_2, masquerade="outside", outside=["10.0.0.0/8"])
    assert any("-A LU-SERVICES ! -s 10.0.0.0/8 -m comment" in line for line in lines)
    lines = told(**EXPERIMENT_2, masquerade="outside", outside=["10.0.0.0/8", "172.16.0.0/12"])
    inside = [line.split("-A LU-SERVICES ")[1] for line in lines if "-A LU-SERVICES" in line]
    assert inside[:2] == ["-s 10.0.0.0/8 -j RETURN", "-s 172.16.0.0/12 -j RETURN"]
    assert inside[2].startswith("-m comment")


def test_the_hosts_own_traffic_only_means_no_jump_in_prerouting():
    assert not [line for line in told(**EXPERIMENT_2, masquerade="host") if "PREROUTING" in line]


def test_networks_are_accepted_both_ways_each_in_its_family():
    networks = ["172.16.0.0/24", "fd00::/64", "172.16.1.0/24"]
    lines = told(forward_accept=True, forward_networks=networks, family="both")
    comment = ' -m comment --comment "lu forwarding of networks" -j ACCEPT'
    assert [line for line in lines if line.endswith(comment)] == [
        program + " -t filter -A LU-FORWARD %s %s" % (way, network) + comment
        for program, network in zip(("iptables", "iptables", "ip6tables"), sorted(networks))
        for way in ("-s", "-d")
    ]


def test_the_shield_lets_services_pass_before_it_refuses():
    shield = {
        "addresses": None,
        "address_sets": None,
        "service_sets": ["LU-SERVICE-IP"],
        "services": [{"address": "192.0.2.1", "port": 53, "protocol": "udp"}],
    }
    assert told(shield=shield) == [
        "iptables -t filter -N LU-SHIELD",
        "iptables -t filter -A LU-SHIELD -m set --match-set LU-SERVICE-IP dst,dst -j RETURN",
        "iptables -t filter -A LU-SHIELD -d 192.0.2.1/32 -p udp -m udp --dport 53 -j RETURN",
        "iptables -t filter -A LU-SHIELD -d 192.0.2.1/32 -m conntrack --ctstate NEW "
        "-j REJECT --reject-with icmp-port-unreachable",
        'iptables -t filter -I INPUT 1 -m comment --comment "lu virtual address filter" -j LU-SHIELD',
    ]


def test_ipv6_goes_to_ip6tables():
    lines = told(**EXPERIMENT_2, family="both")
    assert len([line for line in lines if line.startswith("ip6tables ")]) == len(lines) / 2


# What a host may have: our rules anywhere, twice or missing, among those of others.
OURS = ["-m comment --comment %s -j LU-SERVICES" % text for text in ('"lu service portals"', "old")] + [
    "-j LU-POSTROUTING"
]
OTHERS = ["-p tcp -m tcp --dport 80 -j ACCEPT", "-j OTHER", "-m comment --comment LU-SERVICES -j RETURN"]
a_hook = st.lists(st.sampled_from(OURS + OTHERS), max_size=6)
a_chain = st.none() | st.lists(st.sampled_from([*OTHERS, "-j MARK --set-xmark 0x2000/0x2000"]), max_size=3)
a_table = st.tuples(
    st.fixed_dictionaries(dict.fromkeys(("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), a_hook)),
    st.fixed_dictionaries(dict.fromkeys(("LU-SERVICES", "LU-MARK-MASQ", "LU-POSTROUTING"), a_chain)),
)
some_options = st.fixed_dictionaries(
    {
        "state": st.sampled_from(["present", "absent"]),
        "position": st.sampled_from(["append", "first"]),
        "masquerade": st.sampled_from(["all", "host"]),
        "kube_proxy": st.booleans(),
        "forward_accept": st.booleans(),
        "ipvs_rules": st.sampled_from([None, [{"address": "192.0.2.1", "port": 80, "protocol": None}]]),
    }
)


def save_text(table: Any) -> str:
    hooks, own = table
    lines = ["*nat", ":OTHER - [0:0]", *(":%s ACCEPT [0:0]" % name for name in hooks)]
    lines += [":%s - [0:0]" % name for name, rules in own.items() if rules is not None]
    lines += ["-A %s %s" % (name, rule) for name, rules in [*hooks.items(), *own.items()] for rule in rules or ()]
    return "\n".join([*lines, "COMMIT", ""])


def others_of(state: dict[Any, Any]) -> dict[Any, Any]:
    return {
        key: [place.rule.words for place in hook if not place.ours] for key, hook in state.items() if key[0] == "hook"
    }


@settings(max_examples=100, deadline=None)
@given(a_table, some_options)
def test_the_laws_of_plan_hold_from_any_state(table, options):
    layout = layout_of(**EXPERIMENT_2, **options)
    have = have_of(layout, save_text(table))
    changes = chains.towards(layout, have)
    want = applied(have, changes)
    assert chains.towards(layout, want) == []
    assert applied(want, undone(changes)) == have
    assert others_of(want) == others_of(have)
    if options["state"] == "present":
        assert want[("chain", ("ipv4", "nat", "LU-MARK-MASQ"))] == chains._mark_masq(layout, "ipv4")
    else:
        assert not [key for key in want if key[0] == "chain"]


def test_a_chain_that_others_use_is_not_removed():
    layout = layout_of(state="absent")
    text = "*nat\n:X - [0:0]\n:LU-SERVICES - [0:0]\n-A X -j LU-SERVICES\nCOMMIT\n"
    with pytest.raises(LvsError, match="LU-SERVICES of table nat cannot be removed.*-A X -j LU-SERVICES"):
        chains.towards(layout, have_of(layout, text))


def test_another_layouts_filter_chain_is_left_when_chains_are_named():
    assert "forward" in layout_of(**EXPERIMENT_2).managed
    assert "forward" not in layout_of(**EXPERIMENT_2, chains={"services": "X"}).managed
    assert "forward" in layout_of(state="absent").managed
    assert "shield" not in layout_of(**EXPERIMENT_2).managed


SNAT = {"services", "mark_masq", "postrouting"}
SHIELDED = {"addresses": ["192.0.2.1"], "address_sets": None, "services": None, "service_sets": None}


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


def test_a_policy_that_drops_is_told_unless_it_is_answered():
    text = "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n"
    for accept, count in ((False, 1), (True, 0)):
        layout = layout_of(**EXPERIMENT_2, forward_accept=accept)
        have = have_of(layout, text)
        assert chains.forward_policies(have) == {"ipv4": "DROP"}
        assert len(chains.cautions(layout, have)) == count


def test_what_is_told_names_the_chains_that_have_to_be_named():
    names = {"services": "X", "forward": "LU-FORWARD"}
    layout = layout_of(**EXPERIMENT_2, chains=names, forward_accept=True, forward_networks=["172.16.0.0/16"])
    text = listing(after(layout, have_of(layout)))
    text = text.replace("*nat\n", "*nat\n:PREROUTING - [0:0]\n:OUTPUT - [0:0]\n:POSTROUTING - [0:0]\n")
    tables = parse_save(text.replace("*filter\n", "*filter\n:FORWARD ACCEPT [0:0]\n"))
    [told_of_it] = guesses(tables, "ipv4", layout.names)
    assert told_of_it["forward_networks"] == ["172.16.0.0/16"]
    match_sets = [{**A_SET, **match} for match in told_of_it["match_sets"]]
    assert layout_of(**{**told_of_it, "match_sets": match_sets}).managed == layout.managed


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
