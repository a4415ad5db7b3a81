# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""iptables as oracle: what the module does in one namespace, its commands typed into a shell do in another.

LVS_EXAMPLES sets the number of layouts; the default is small.
"""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.lulab.lvs.plugins.module_utils.concern import lu_chains
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from harness import converge, sh

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

EXAMPLES = int(os.environ.get("LVS_EXAMPLES", "12"))
VARIANTS = ["legacy"] if "LVS_GUEST" in os.environ else ["legacy", "nft"]
# name -> type, flags that suit it, family
SETS = {
    "ONE": ("hash:ip", 1, "ipv4"),
    "TWO": ("hash:ip,port", 2, "ipv4"),
    "THREE": ("hash:ip,port,net", 3, "ipv4"),
    "SIX": ("hash:ip,port", 2, "ipv6"),
    "PORT": ("bitmap:port", 1, None),
}
FOREIGN = """*nat
:MINE - [0:0]
-A PREROUTING -p tcp -m tcp --dport 8080 -j REDIRECT --to-ports 80
-A OUTPUT -j MINE
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -m comment --comment "lu postrouting rules" -j RETURN
COMMIT
*filter
-A FORWARD -m comment --comment "LU-FORWARD" -j DROP
COMMIT
"""

comments = st.none() | st.text(
    st.characters(blacklist_categories=("C", "Z")) | st.sampled_from(" \"'\\$`!-"), max_size=20
)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,5}", fullmatch=True)
flag = st.sampled_from(["src", "dst"])
a_service = st.fixed_dictionaries(
    {"address": st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]), "port": st.integers(1, 65535)},
    optional={"protocol": st.sampled_from(["tcp", "udp", "sctp"])},
)


@st.composite
def a_match_set(draw):
    name = draw(st.sampled_from(sorted(SETS)))
    _kind, dimensions, family = SETS[name]
    flags = ",".join(draw(flag) for _dimension in range(dimensions))
    return {"name": name, "flags": flags, "comment": draw(comments) or "", **({"family": family} if family else {})}


@st.composite
def chain_names(draw):
    kinds = list(lu_chains.OPTIONS["chains"]["options"])
    found = draw(st.lists(names, min_size=5, max_size=5, unique=True))
    return {kind: "L-" + name for kind, name in zip(kinds, found)}


@st.composite
def a_mark(draw):
    mask = draw(st.sampled_from([0xFFFFFFFF, 0x2000, 0xFF, 0xF0000000]))
    value = draw(st.integers(1, mask).filter(lambda number: number & mask)) & mask
    return draw(st.sampled_from(["0x%x/0x%x" % (value, mask), "%d/%d" % (value, mask), "0x%x" % value]))


some_networks = st.lists(
    st.sampled_from(["10.0.0.0/8", "172.16.0.0/12", "192.0.2.7", "fd00::/8"]), min_size=1, max_size=3, unique=True
)


def an_outside():
    return st.builds(lambda networks: {"masquerade": "outside", "outside": networks}, some_networks)


def a_forwarding():
    return st.builds(lambda networks: {"forward_accept": True, "forward_networks": networks}, some_networks)


def meant(service):
    """The same for a service that leaves out the default as for one that spells it."""
    return service["address"], service["port"], service.get("protocol", "tcp")


def by_name(match: dict[str, str]) -> str:
    return match["name"] + match["flags"]


layouts = st.builds(
    lambda plain, scope: {**plain, **scope},
    st.fixed_dictionaries(
        {"match_sets": st.lists(a_match_set(), max_size=3, unique_by=by_name), "layout": st.booleans()},
        optional={
            "mark": a_mark(),
            "comments": st.fixed_dictionaries({}, optional={"services": comments, "masquerade": comments}),
            "position": st.sampled_from(["append", "first"]),
            "kube_proxy": st.booleans(),
            "forward_accept": st.booleans(),
            "shield": st.fixed_dictionaries(
                {
                    "addresses": st.lists(
                        st.sampled_from(["192.0.2.1", "192.0.2.9", "2001:db8::1"]), min_size=1, max_size=2
                    )
                },
                optional={"services": st.lists(a_service, max_size=2, unique_by=meant)},
            ),
        },
    ),
    st.sampled_from([{}, {"masquerade": "host"}]) | an_outside() | a_forwarding(),
)


def run_in(netns, variant, **options):
    """The module's work in this process: thousands of examples would not bear an interpreter's start each."""
    arguments = {"family": "both", **options, "variant": variant}
    checked = ArgumentSpecValidator(lu_chains.OPTIONS).validate(arguments)
    assert not checked.error_messages, checked.error_messages
    concern = lu_chains.build(checked.validated_parameters)
    with inside(netns):
        return converge(concern, check_mode=False, with_diff=True)


def told(netns, variant, chains):
    with inside(netns):
        return lu_chains.told({"variant": variant, "chains": chains})


def type_in(netns, lines):
    subprocess.run(
        ["ip", "netns", "exec", netns, "sh", "-e"], input="\n".join(lines).encode(), check=True, capture_output=True
    )


def saved(netns, variant):
    text = "".join(sh("ip netns exec %s %s-%s-save" % (netns, name, variant)) for name in ("iptables", "ip6tables"))
    # A table that was merely looked at is there, empty; so is one whose rules are gone.
    text = re.sub(r"^#.*\n|\[\d+:\d+\]|^:[A-Z]+ ACCEPT .*\n", "", text, flags=re.M)
    return re.sub(r"^\*\w+\nCOMMIT\n", "", text, flags=re.M)


def reset(netns, variant):
    """What others have, and nothing else; also after an example that failed half way."""
    for name, text in (("iptables", FOREIGN), ("ip6tables", "*nat\nCOMMIT\n*filter\nCOMMIT\n")):
        sh("ip netns exec %s %s-%s-restore <<'EOF'\n%sEOF" % (netns, name, variant, text))


@pytest.fixture(params=VARIANTS)
def two(request):
    variant = request.param
    namespaces = ["lvs-oracle-%d-%d" % (os.getpid(), number) for number in (0, 1)]
    try:
        for netns in namespaces:
            sh("ip netns add %s" % netns)
            for name, (kind, _dimensions, family) in SETS.items():
                more = {"ipv4": "family inet", "ipv6": "family inet6", None: "range 0-1023"}[family]
                sh("ip netns exec %s ipset create %s %s %s" % (netns, name, kind, more))
        yield variant, namespaces
    finally:
        for netns in namespaces:
            sh("ip netns delete %s" % netns, check=False)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(data=st.data())
def test_the_commands_do_what_the_module_does(two, data):
    variant, (one, other) = two
    reset(one, variant)
    reset(other, variant)
    start = saved(one, variant)
    chains = data.draw(chain_names())
    for _step in range(data.draw(st.integers(1, 3))):
        options = {**data.draw(layouts), "chains": chains}
        before = saved(one, variant)
        result = run_in(one, variant, **options)
        assert result["changed"] == (saved(one, variant) != before)
        type_in(other, result["commands"])
        assert saved(one, variant) == saved(other, variant)
        assert not run_in(other, variant, **options)["changed"]
    result = run_in(one, variant, state="absent", chains=chains)
    type_in(other, result["commands"])
    assert saved(one, variant) == saved(other, variant) == start


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(data=st.data())
def test_what_is_told_of_chains_lays_the_same(two, data):
    variant, (one, other) = two
    reset(one, variant)
    reset(other, variant)
    chains = data.draw(chain_names())
    run_in(one, variant, **data.draw(layouts), chains=chains)
    for layout in told(one, variant, chains):
        assert run_in(other, **{"family": "ipv4", **layout})["changed"]
    assert saved(one, variant) == saved(other, variant)
