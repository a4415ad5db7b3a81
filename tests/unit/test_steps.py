# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of lvs_apply: what may be asked for, and how a wrong one is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.steps import CONCERNS, parse

CHECKOUT = Path(__file__).resolve().parents[2]
SET = {"ipset_entry": {"name": "A", "type": "hash:ip"}}


def test_names_and_conditions():
    steps = parse(
        [
            {**SET, "name": "Make a set"},
            {"lulab.lvs.ipset_entry": {"name": "B", "type": "hash:ip"}, "when": "yes"},
            {"lu_chains": {"mark": "nonsense"}, "when": False},
        ]
    )
    assert [(step.name, step.module) for step in steps] == [
        ("Make a set", "ipset_entry"),
        ("ipset_entry", "ipset_entry"),
    ]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({}, "give one module of"),
        ({"name": "nothing"}, "give one module of"),
        ({"ipset": {}}, "give one module of"),
        ({**SET, "vip_address": {}}, "give one module of"),
        ({**SET, "register": "x"}, "no other key than name and when"),
        ({**SET, "when": "perhaps"}, "steps[1].when: 'perhaps'"),
        ({"ipset_entry": "A"}, "steps[1].ipset_entry: 'A' is not usable: give the module's options as a dictionary"),
        ({"ipset_entry": {"nam": "A"}}, "steps[1].ipset_entry: ['nam'] is not usable: ipset_entry has no such option"),
        ({"lu_chains": {"shield": {"x": 1}}}, "['shield.x']"),
        ({"ipset_entry": {"type": "hash:ip"}}, "missing required arguments: name"),
        ({"ipset_entry": {"name": "A", "timeout": "soon"}}, "timeout"),
        ({"ipset_entry": {"name": "A" * 40, "type": "hash:ip"}}, "steps[1].ipset_entry: name: "),
    ],
)
def test_a_wrong_step_is_named_before_any_is_taken(step, words):
    with pytest.raises(LvsError) as error:
        parse([SET, step])
    assert words in str(error.value)


def test_the_documentation_names_every_module_that_can_be_a_step():
    source = (CHECKOUT / "plugins/modules/lvs_apply.py").read_text(encoding="utf-8")
    documentation = yaml.safe_load(source.split('DOCUMENTATION = r"""')[1].split('"""')[0])
    text = " ".join(documentation["options"]["steps"]["description"])
    assert all("M(lulab.lvs.%s)" % name in text for name in CONCERNS)


def fragments_of(module):
    source = (CHECKOUT / "plugins/modules" / (module + ".py")).read_text(encoding="utf-8")
    documentation = yaml.safe_load(source.split('DOCUMENTATION = r"""')[1].split('"""')[0])
    return documentation["extends_documentation_fragment"]


@pytest.mark.parametrize("module", CONCERNS)
def test_every_module_that_changes_something_says_how_it_is_taken_back(module):
    assert "lulab.lvs.common.way_back" in fragments_of(module)
