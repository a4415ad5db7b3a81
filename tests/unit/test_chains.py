# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The SNAT layout without a kernel: what it asks for, and the way there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.model import chains
from ansible_collections.lulab.lvs.plugins.module_utils.model.chains_told import guesses
from ansible_collections.lulab.lvs.plugins.module_utils.model.ruleset import boot_lines, commands, listing, parse_save
from ansible_collections.lulab.lvs.plugins.module_utils.plan import applied, undone
from chain_layouts import A_SET, EXPERIMENT_2, OWN_JUMP, after, have_of, layout_of

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
