# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lu_chains tells of a host whose other rules may undo what it lays, without a kernel."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.model import chains
from ansible_collections.lulab.lvs.plugins.module_utils.model.chains_cautions import (
    cautions,
    drops,
    elsewhere,
    forward_policies,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ruleset import parse_save
from chain_layouts import EXPERIMENT_2, OWN_JUMP, SHIELDED, after, have_of, layout_of


def filter_table(*lines: str, policy: str = "ACCEPT") -> Any:
    text = ["*filter", ":FORWARD %s [0:0]" % policy, ":LU-FORWARD - [0:0]", *("-A FORWARD " + line for line in lines)]
    return parse_save("\n".join([*text, "COMMIT\n"]))


def cautions_of(tables: Any, **options: Any) -> list[str]:
    layout = layout_of(**options)
    have = {**chains.state_from(layout, "ipv4", tables), **drops(layout, "ipv4", tables)}
    return cautions(layout, after(layout, have))


BESIDE = {"chains": {"services": "B", "mark_masq": "B-M", "postrouting": "B-P"}, **EXPERIMENT_2}
A_RULE = {"ipvs_rules": [{"address": "192.0.2.1", "port": 80, "protocol": None}]}


@pytest.mark.parametrize(
    ("lines", "policy", "options", "words"),
    [
        ([], "DROP", EXPERIMENT_2, "ipv4: the policy of FORWARD is DROP, as Docker sets it"),
        ([], "DROP", A_RULE, "the policy"),
        ([], "DROP", BESIDE, "the policy"),
        (
            ["-j REJECT --reject-with icmp-host-prohibited"],
            "ACCEPT",
            EXPERIMENT_2,
            "the last rule of FORWARD is REJECT",
        ),
        (
            ["-p tcp -j ACCEPT", "-m comment --comment x -j DROP"],
            "DROP",
            EXPERIMENT_2,
            "the last rule of FORWARD is DROP",
        ),
        # The jump goes with this call, which does not ask for it.
        ([OWN_JUMP], "DROP", EXPERIMENT_2, "the policy"),
        ([], "ACCEPT", EXPERIMENT_2, None),
        (["-p tcp -j DROP"], "ACCEPT", EXPERIMENT_2, None),
        (["-j DROP", "-j ACCEPT"], "DROP", EXPERIMENT_2, None),
        ([], "DROP", {**EXPERIMENT_2, "forward_accept": True}, None),
        ([OWN_JUMP], "DROP", BESIDE, None),
        ([OWN_JUMP], "DROP", A_RULE, None),
        ([], "DROP", {"shield": SHIELDED}, None),
        ([], "DROP", {**EXPERIMENT_2, "state": "absent"}, None),
    ],
)
def test_a_forward_that_drops_is_told_where_it_matters(lines, policy, options, words):
    told = cautions_of(filter_table(*lines, policy=policy), **options)
    assert len(told) == (words is not None)
    assert words is None or words in told[0]


def test_the_policy_of_forward_is_told():
    text = "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n"
    assert forward_policies(have_of(layout_of(**EXPERIMENT_2), text)) == {"ipv4": "DROP"}


@pytest.mark.parametrize(
    ("tables", "options", "count"),
    [
        (filter_table(policy="DROP"), EXPERIMENT_2, 2),
        (filter_table(policy="DROP"), {**EXPERIMENT_2, "forward_accept": True}, 2),
        (filter_table(policy="DROP"), {"state": "absent"}, 1),
        (filter_table(), EXPERIMENT_2, 1),
        (parse_save("*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"), EXPERIMENT_2, 0),
    ],
)
def test_what_the_other_variant_has_is_told(tables, options, count):
    layout = layout_of(**options)
    told = cautions(layout, elsewhere(layout, "ipv4", "legacy", tables))
    assert len(told) == count
    assert all("variant legacy" in words for words in told)
