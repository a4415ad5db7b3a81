# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node made ready and put back: laws of the plan, and the ledger on disk."""

from __future__ import annotations

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model import node as model
from ansible_collections.lulab.lvs.plugins.module_utils.plan import applied, plan, undone

PARAMS = {
    "kernel_modules": ["ip_vs"],
    "sysctls": {"net.ipv4.ip_forward": 1, "net.ipv4.vs.conntrack": 1},
    "holds": [],
    "reaches": [],
    "free": [],
    "tools": [],
    "record": {"experiment": "exp1"},
    "forget_others": False,
}
FRESH = {("sysctl", "net.ipv4.ip_forward"): "0"}


def changes(have, want):
    return plan(have, want, model.ORDER, removals_first=False)


def test_modules_come_before_the_ledger_and_the_ledger_before_the_sysctls():
    steps = changes(FRESH, model.prepared(model.parse(PARAMS), FRESH))
    assert [step.kind for step in steps] == ["module", "ledger", "sysctl", "sysctl"]


def test_preparing_twice_changes_nothing():
    want = model.prepared(model.parse(PARAMS), FRESH)
    assert not changes(want, model.prepared(model.parse(PARAMS), want))


def test_undoing_gives_what_was_there():
    want = model.prepared(model.parse(PARAMS), FRESH)
    steps = changes(FRESH, want)
    assert applied(applied(FRESH, steps), undone(steps)) == FRESH


def test_restoring_gives_the_values_from_before_the_first_change():
    first = model.prepared(model.parse(PARAMS), FRESH)
    again = model.prepared(model.parse({**PARAMS, "sysctls": {"net.ipv4.ip_forward": 2}}), first)
    assert again[("sysctl", "net.ipv4.ip_forward")] == "2"
    assert model.restored(again)[("sysctl", "net.ipv4.ip_forward")] == "0"
    assert model.LEDGER not in model.restored(again)


def test_a_sysctl_that_was_right_already_is_not_ours_to_restore():
    have = {("sysctl", "net.ipv4.ip_forward"): "1"}
    want = model.prepared(model.parse(PARAMS), have)
    assert dict(model.ledger_of(want).sysctls) == {"net.ipv4.vs.conntrack": None}


def test_records_pile_up_until_they_are_forgotten():
    have = model.prepared(model.parse(PARAMS), FRESH)
    other = {**PARAMS, "record": {"experiment": "exp2"}}
    both = model.prepared(model.parse(other), have)
    assert len(model.ledger_of(both).records) == 2
    only = model.prepared(model.parse({**other, "forget_others": True}), both)
    assert model.ledger_of(only).records == ('{"experiment": "exp2"}',)


def test_the_ledger_survives_the_disk():
    ledger = model.ledger_of(model.prepared(model.parse(PARAMS), FRESH))
    assert model.from_json(model.to_json(ledger)) == ledger


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"sysctls": [], "records": []}', '{"sysctls": {}, "records": 3}']
)
def test_a_damaged_ledger_is_refused(text):
    with pytest.raises(ValueError):
        model.from_json(text)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("kernel_modules", ["ip_vs; reboot"], "kernel_modules"),
        ("sysctls", {"net.ipv4/../../etc": 1}, "sysctls"),
        ("holds", ["10.130.17.30/24"], "holds"),
        ("reaches", ["169.254.1"], "reaches"),
    ],
)
def test_what_cannot_be_meant_names_its_option(option, value, words):
    with pytest.raises(BadInput, match=words):
        model.parse({**PARAMS, option: value})
