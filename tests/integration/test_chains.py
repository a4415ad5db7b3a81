# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""lu_chains on a real kernel, with both variants of iptables where the kernel has both; read back with iptables."""

from __future__ import annotations

import os
import re
import shutil

import pytest

from harness import run_module, sh

MATCH = [{"name": "LU-SERVICE-IP"}]
ARTICLE = """\
-P PREROUTING ACCEPT
-P INPUT ACCEPT
-P OUTPUT ACCEPT
-P POSTROUTING ACCEPT
-N LU-MARK-MASQ
-N LU-POSTROUTING
-N LU-SERVICES
-A PREROUTING -m comment --comment "lu service portals" -j LU-SERVICES
-A OUTPUT -m comment --comment "lu service portals" -j LU-SERVICES
-A POSTROUTING -m comment --comment "lu postrouting rules" -j LU-POSTROUTING
-A LU-MARK-MASQ -j MARK --set-xmark 0x2000/0x2000
-A LU-POSTROUTING -m comment --comment "lu service traffic requiring SNAT" -m mark --mark 0x2000/0x2000 -j MASQUERADE
-A LU-SERVICES -m comment --comment "lu service cluster ip + port for masquerade purpose" \
-m set --match-set LU-SERVICE-IP dst,dst -j LU-MARK-MASQ
"""
# A guest's kernel has no nat chain of nf_tables.
VARIANTS = ["legacy"] if "LVS_GUEST" in os.environ else ["legacy", "nft"]


class Host:
    """A network namespace with one variant of iptables."""

    def __init__(self, netns: str, variant: str) -> None:
        self.netns = netns
        self.variant = variant

    def sh(self, command: str, check: bool = True) -> str:
        return sh("ip netns exec %s %s" % (self.netns, command), check)

    def iptables(self, command: str) -> str:
        return self.sh("iptables-%s %s" % (self.variant, command))

    def nat(self) -> str:
        return self.iptables("-t nat -S")

    def saved(self) -> str:
        """All rules of both families with their counters, without the lines that name the time."""
        lines = self.sh("iptables-%s-save -c" % self.variant) + self.sh("ip6tables-%s-save -c" % self.variant)
        return re.sub(r"^#.*\n", "", lines, flags=re.M)

    def rules(self) -> str:
        return re.sub(r"\[\d+:\d+\]", "", self.saved())

    def lu_chains(self, check: bool = False, **options: object):
        return run_module("lu_chains", check=check, **{"netns": self.netns, "variant": self.variant, **options})

    def changed(self, **options: object):
        """What a run changes; check mode foretells it, and a second run changes nothing."""
        told = self.lu_chains(check=True, **options)
        result = self.lu_chains(**options)
        assert not result["failed"], result
        assert (told["changed"], told["commands"], told["diff"]) == (
            result["changed"],
            result["commands"],
            result["diff"],
        )
        again = self.lu_chains(**options)
        assert not again["changed"], again["commands"]
        assert again["diff"]["before"] == again["diff"]["after"]
        return result


@pytest.fixture(params=VARIANTS)
def host(netns, request):
    host = Host(netns, request.param)
    host.sh("ipset create LU-SERVICE-IP hash:ip,port")
    return host


def test_the_default_is_the_articles_listing_line_for_line(host):
    host.changed(match_sets=MATCH)
    assert host.nat() == ARTICLE


def test_nothing_of_it_is_left_when_it_is_absent(host):
    host.iptables("-t nat -S")
    before = host.rules()
    host.changed(match_sets=MATCH, kube_proxy=True, forward_accept=True, shield={"addresses": ["192.0.2.1"]})
    assert "LU-" in host.rules()
    host.changed(state="absent")
    assert "LU-" not in host.rules()
    assert before in host.rules()


def test_check_mode_touches_nothing(host):
    before = host.saved()
    assert host.lu_chains(check=True, match_sets=MATCH)["changed"]
    assert host.saved() == before


def test_reading_loads_no_table_of_a_legacy_host(netns):
    host = Host(netns, "legacy")
    assert not host.lu_chains(state="absent")["changed"]
    assert host.saved() == ""


def test_others_rules_keep_their_places_and_counters(host):
    rule = "-t nat -A %s -p icmp -m comment --comment %s -j RETURN"
    host.iptables(rule % ("OUTPUT", "before"))
    host.iptables("-t nat -N DOCKER")
    host.iptables("-t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE")
    host.iptables("-t nat -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER")
    host.iptables("-t nat -A OUTPUT -d 127.0.0.1 -p udp --dport 9 -m comment --comment counted -c 7 700")
    host.sh("sh -c 'echo x > /dev/udp/127.0.0.1/9'", check=False)
    before = host.saved()
    assert "[7:700]" in before
    for position in ("append", "first"):
        host.changed(match_sets=MATCH, position=position)
        kept = [line for line in host.saved().splitlines() if "LU-" not in line]
        assert kept == before.splitlines()
    host.changed(state="absent")
    assert host.saved() == before


def test_a_jump_can_be_kept_first(host):
    host.iptables("-t nat -A PREROUTING -p icmp -j RETURN")
    host.changed(match_sets=MATCH, position="first")
    assert host.iptables("-t nat -S PREROUTING").splitlines()[1].endswith("-j LU-SERVICES")
    host.iptables("-t nat -I PREROUTING -p udp -j RETURN")
    result = host.changed(match_sets=MATCH, position="first")
    assert [command.split()[3] for command in result["commands"]] == ["-D", "-I"]
    assert host.iptables("-t nat -S PREROUTING").splitlines()[1].endswith("-j LU-SERVICES")
    assert result["diff"]["before"] != result["diff"]["after"]


DAMAGE = {
    "a foreign rule in our chain": "-t nat -I LU-SERVICES -p tcp -j RETURN",
    "a rule is gone": "-t nat -F LU-MARK-MASQ",
    "a jump is there twice": '-t nat -I OUTPUT -m comment --comment "lu service portals" -j LU-SERVICES',
    "a jump is missing": '-t nat -D OUTPUT -m comment --comment "lu service portals" -j LU-SERVICES',
    "a jump says something else": "-t nat -A POSTROUTING -p tcp -j LU-POSTROUTING",
    "a jump from a hook that has none": "-t nat -A INPUT -j LU-SERVICES",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_what_is_changed_in_it_is_repaired(host, damage):
    host.changed(match_sets=MATCH)
    host.iptables("-t nat -A POSTROUTING -p icmp -j RETURN")
    before = host.rules()
    host.iptables(damage)
    assert host.rules() != before
    assert host.changed(match_sets=MATCH)["changed"]
    if "is missing" in damage:
        assert sorted(host.rules().splitlines()) == sorted(before.splitlines())
    else:
        assert host.rules() == before


def test_wrong_order_in_a_chain_is_repaired(host):
    host.sh("ipset create SECOND hash:ip")
    match_sets = [*MATCH, {"name": "SECOND", "flags": "dst"}]
    host.changed(match_sets=match_sets)
    before = host.rules()
    lines = host.iptables("-t nat -S LU-SERVICES").splitlines()
    host.iptables("-t nat -D LU-SERVICES 1")
    host.iptables("-t nat " + lines[1])
    assert host.rules() != before
    host.changed(match_sets=match_sets)
    assert host.rules() == before


def test_names_marks_and_comments_are_free(host):
    host.changed(
        match_sets=[{"name": "LU-SERVICE-IP", "comment": 'it\'s "mine" $HOME \\ `x` !'}],
        chains={"services": "A-SERVICES", "mark_masq": "A_MASQ", "postrouting": "A.POST"},
        mark="0x1/0xff",
        comments={"services": "", "postrouting": "-j", "masquerade": "!"},
    )
    saved = host.nat()
    assert "-A PREROUTING -j A-SERVICES" in saved
    assert "-A A_MASQ -j MARK --set-xmark 0x1/0xff" in saved
    host.changed(state="absent", chains={"services": "A-SERVICES", "mark_masq": "A_MASQ", "postrouting": "A.POST"})
    assert "-N" not in host.nat()


def test_two_layouts_live_side_by_side(host):
    host.changed(match_sets=MATCH, forward_accept=True)
    before = host.rules()
    other = {"services": "B-SERVICES", "mark_masq": "B-MARK", "postrouting": "B-POST"}
    host.changed(match_sets=MATCH, chains=other, mark="0x1000")
    host.changed(state="absent", chains=other)
    assert host.rules() == before


def test_two_layouts_at_the_head_do_not_move_each_other(host):
    host.iptables("-A FORWARD -p icmp -j DROP")
    host.iptables("-A INPUT -p icmp -j DROP")
    host.iptables("-t nat -A OUTPUT -p icmp -j RETURN")
    names = {"services": "B", "mark_masq": "B-M", "postrouting": "B-P", "forward": "B-F", "shield": "B-S"}
    head = {"position": "first", "forward_accept": True, "shield": {"addresses": ["192.0.2.1"]}, "match_sets": MATCH}
    host.changed(**head)
    host.changed(**head, chains=names)
    for _run in range(2):
        assert not host.lu_chains(**head)["changed"]
        assert not host.lu_chains(**head, chains=names)["changed"]
    for chain in ("FORWARD", "INPUT"):
        assert "icmp" in host.iptables("-S " + chain).splitlines()[-1]


def test_one_part_can_be_removed_and_the_rest_stays(host):
    host.changed(match_sets=MATCH)
    host.changed(forward_accept=True, shield={"addresses": ["192.0.2.1"]})
    host.changed(state="absent", shield={})
    assert "LU-SHIELD" not in host.rules() and "LU-FORWARD" in host.rules()
    host.changed(state="absent", forward_accept=True)
    assert host.nat() == ARTICLE
    assert "LU-FORWARD" not in host.rules()


def test_a_missing_set_is_an_error_except_in_check_mode(host):
    before = host.saved()
    assert host.lu_chains(check=True, match_sets=[{"name": "NOT-YET"}])["changed"]
    refused = host.lu_chains(match_sets=[{"name": "NOT-YET"}])
    assert refused["failed"]
    assert "match_sets[0]: set NOT-YET does not exist" in refused["msg"]
    assert host.saved() == before


def test_flags_have_to_fit_the_set(host):
    refused = host.lu_chains(check=True, match_sets=[{"name": "LU-SERVICE-IP", "flags": "dst"}])
    assert refused["parameter"] == "match_sets[0].flags"
    assert "hash:ip,port, so it takes 2" in refused["msg"]


def test_flags_have_to_fit_a_lists_members(host):
    host.sh("ipset create LIST list:set")
    host.sh("ipset create ONE hash:ip")
    for member in ("ONE", "LU-SERVICE-IP"):
        host.sh("ipset add LIST " + member)
    refused = host.lu_chains(match_sets=[{"name": "LIST", "flags": "dst"}])
    assert refused["parameter"] == "match_sets[0].flags"
    assert "has the member LU-SERVICE-IP, which is hash:ip,port, so it takes 2 or more" in refused["msg"]
    host.changed(match_sets=[{"name": "LIST", "flags": "dst,dst"}])
    assert "--match-set LIST dst,dst" in host.nat()


def test_the_shields_sets_are_named_each_in_its_family(host):
    host.sh("ipset create ADDRESSES hash:ip")
    host.sh("ipset create SIX hash:ip,port family inet6")
    refused = host.lu_chains(family="both", shield={"address_sets": ["SIX"]})
    assert "shield.address_sets[0]: 'SIX'" in refused["msg"] and "a set of one dimension" in refused["msg"]
    refused = host.lu_chains(shield={"address_sets": ["ADDRESSES"], "service_sets": ["SIX"]})
    assert "shield.service_sets[0]: 'SIX'" in refused["msg"] and "holds ipv6 addresses only" in refused["msg"]
    shield = {"address_sets": ["ADDRESSES"], "addresses": ["2001:db8::1"], "service_sets": ["LU-SERVICE-IP", "SIX"]}
    host.changed(family="both", shield=shield)
    four, six = (host.sh("%s-%s -S LU-SHIELD" % (name, host.variant)) for name in ("iptables", "ip6tables"))
    assert "ADDRESSES" in four and "LU-SERVICE-IP" in four and "SIX" not in four
    assert "2001:db8::1" in six and "SIX" in six and "LU-SERVICE-IP" not in six
    assert not host.lu_chains(family="ipv4", shield={**shield, "addresses": [], "service_sets": ["LU-SERVICE-IP"]})[
        "changed"
    ]
    host.changed(family="both", shield={"address_sets": ["ADDRESSES"]})
    assert "LU-SHIELD" not in host.sh("ip6tables-%s-save" % host.variant)


def test_a_chain_that_others_use_is_not_removed(host):
    host.changed(match_sets=MATCH)
    host.iptables("-t nat -N MINE")
    host.iptables("-t nat -A MINE -j LU-SERVICES")
    before = host.saved()
    assert "-A MINE -j LU-SERVICES" in host.lu_chains(state="absent")["msg"]
    assert host.saved() == before


def test_a_policy_that_drops_is_told(host):
    host.iptables("-P FORWARD DROP")
    result = host.lu_chains(match_sets=MATCH)
    assert result["forward_policy"] == {"ipv4": "DROP"}
    assert "policy of FORWARD is DROP" in str(result["warnings"])
    host.iptables("-A FORWARD -j DROP")
    result = host.changed(match_sets=MATCH, forward_accept=True)
    assert "warnings" not in result
    assert host.iptables("-S FORWARD").splitlines()[1].endswith("-j LU-FORWARD")
    host.changed(match_sets=MATCH)
    assert "LU-FORWARD" not in host.rules()


@pytest.mark.skipif("LVS_GUEST" in os.environ, reason="a guest's kernel has one variant")
@pytest.mark.parametrize(("variant", "other"), [("legacy", "nft"), ("nft", "legacy")])
def test_what_the_other_variant_has_is_told(netns, variant, other):
    here, there = Host(netns, variant), Host(netns, other)
    assert "warnings" not in here.lu_chains(layout=True)
    there.iptables("-P FORWARD DROP")
    there.iptables("-t nat -N LU-SERVICES")
    told = str(here.lu_chains(layout=True, forward_accept=True)["warnings"])
    assert "variant %s has LU-SERVICES as well" % other in told
    assert "variant %s the policy of FORWARD is DROP" % other in told
    there.lu_chains(state="absent", chains={"services": "LU-SERVICES"})
    there.iptables("-P FORWARD ACCEPT")
    assert "warnings" not in here.lu_chains(layout=True)


def test_ipv6_has_its_own_tables(host):
    host.sh("ipset create SIX hash:ip,port family inet6")
    refused = host.lu_chains(family="both", match_sets=MATCH)
    assert "set LU-SERVICE-IP holds ipv4 addresses only: set 'family: ipv4' there" in refused["msg"]
    match_sets = [{"name": "LU-SERVICE-IP", "family": "ipv4"}, {"name": "SIX", "family": "ipv6"}]
    shield = {"services": [{"address": "2001:db8::1", "port": 80}, {"address": "192.0.2.1", "port": 80}]}
    host.changed(family="both", match_sets=match_sets, masquerade="outside", outside=["fd00::/8"], shield=shield)
    six = host.sh("ip6tables-%s -t nat -S LU-SERVICES" % host.variant)
    assert "! -s fd00::/8" in six and "SIX" in six and "LU-SERVICE-IP" not in six
    assert "SIX" not in host.nat()
    host.changed(family="ipv6", state="absent")
    assert "LU-" not in host.sh("ip6tables-%s-save" % host.variant)
    assert "LU-" in host.nat()


def test_of_two_families_both_change_or_none(host):
    """The second family's transaction is refused: the first is taken back."""
    long = "x" * 200
    host.sh("ip6tables-%s -t nat -N HOLDER" % host.variant)
    host.lu_chains(family="both", layout=True)
    before = host.saved()
    # A damaged ip6tables-restore stands for a kernel that refuses.
    folder = "/tmp/lvs-broken-%s" % host.netns
    os.mkdir(folder)
    try:
        name = "%s/ip6tables-%s-restore" % (folder, host.variant)
        with open(name, "w") as script:
            script.write("#!/bin/sh\necho 'no, I will not' >&2; exit 1\n")
        os.chmod(name, 0o755)
        old = os.environ["PATH"]
        os.environ["PATH"] = folder + ":" + old
        try:
            refused = host.lu_chains(family="both", layout=True, comments={"services": long})
        finally:
            os.environ["PATH"] = old
    finally:
        shutil.rmtree(folder)
    assert refused["failed"] and "no, I will not" in refused["msg"]
    assert refused["standing"] == [] and refused["undone"]
    assert host.rules() == re.sub(r"\[\d+:\d+\]", "", before)


@pytest.mark.skipif("LVS_GUEST" in os.environ, reason="a guest has the ipvs match")
def test_a_kernel_without_the_ipvs_match_is_told_in_words(host):
    host.iptables("-t nat -S")
    before = host.saved()
    refused = host.lu_chains(ipvs_rules=[{"address": "169.254.1.100", "port": 80}])
    assert "this kernel has no 'ipvs' match" in refused["msg"]
    assert host.saved() == before


# What iptables has no words for: a set of addresses without a name.
HIDDEN = """table ip nat {
  chain POSTROUTING {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr { 192.0.2.1, 192.0.2.2 } masquerade
  }
}
"""


@pytest.mark.skipif("LVS_GUEST" in os.environ, reason="a guest's kernel has no nat chain of nf_tables")
@pytest.mark.parametrize("state", ["present", "absent"])
def test_rules_that_iptables_cannot_show_are_not_taken_for_none(netns, state):
    host = Host(netns, "nft")
    host.sh("nft -f - <<'EOF'\n%sEOF" % HIDDEN)
    host.iptables("-t nat -A PREROUTING -j RETURN")
    before = host.sh("nft list ruleset")
    refused = host.lu_chains(state=state, layout=True)
    assert "table nat holds rules that iptables cannot show" in refused["msg"]
    told = run_module("lvs_info", netns=netns, gather=["chains"], variant="nft")
    assert told["chains"] == [] and "iptables cannot show" in str(told["warnings"])
    assert host.sh("nft list ruleset") == before
    host.sh("nft delete table ip nat")
    assert not host.lu_chains(state=state, layout=True)["failed"]


def test_a_comment_of_others_may_hold_the_end_of_a_line(host):
    host.iptables("-t nat -A OUTPUT -p icmp -m comment --comment 'two\nlines' -j RETURN")
    before = host.saved()
    host.changed(layout=True)
    host.changed(state="absent")
    assert host.saved() == before
