# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node made ready and put back: laws of the plan, and the ledger on disk."""

from __future__ import annotations

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model import node as model
from ansible_collections.lulab.lvs.plugins.module_utils.plan import applied, plan, undone

PARAMS = {
    "owner": "node",
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
    assert model.restored("node", again)[("sysctl", "net.ipv4.ip_forward")] == "0"
    assert model.LEDGER not in model.restored("node", again)


def test_an_owner_takes_back_only_what_no_other_wants():
    """Whoever goes first: the sysctl goes back when the last one does, to its value from before the first."""
    both = model.prepared(model.parse({**PARAMS, "owner": "recipe"}), model.prepared(model.parse(PARAMS), FRESH))
    for first, second in (("node", "recipe"), ("recipe", "node")):
        left = model.restored(first, both)
        assert left[("sysctl", "net.ipv4.ip_forward")] == "1"
        assert list(model.ledger_of(left).shares) == [second]
        assert model.restored(second, left)[("sysctl", "net.ipv4.ip_forward")] == "0"
        assert model.LEDGER not in model.restored(second, left)


def test_what_is_left_has_the_value_that_its_owner_wants():
    other = {**PARAMS, "owner": "recipe", "sysctls": {"net.ipv4.ip_forward": 2}}
    both = model.prepared(model.parse(other), model.prepared(model.parse(PARAMS), FRESH))
    assert both[("sysctl", "net.ipv4.ip_forward")] == "2"
    assert model.restored("recipe", both)[("sysctl", "net.ipv4.ip_forward")] == "1"


def test_records_are_their_owners():
    both = model.prepared(model.parse({**PARAMS, "owner": "recipe"}), model.prepared(model.parse(PARAMS), FRESH))
    left = model.restored("recipe", both)
    assert model.ledger_of(left).share("node").records == ('{"experiment": "exp1"}',)


def test_the_diff_tells_who_else_wants_a_sysctl():
    one = model.prepared(model.parse(PARAMS), FRESH)
    two = model.prepared(model.parse({**PARAMS, "owner": "recipe"}), one)
    assert "net.ipv4.ip_forward = 1\n" in model.listing(one)
    assert "net.ipv4.ip_forward = 1  # for node, recipe\n" in model.listing(two)


def test_a_sysctl_that_is_gone_is_only_forgotten():
    have = dict(model.prepared(model.parse(PARAMS), FRESH))
    del have[("sysctl", "net.ipv4.vs.conntrack")]
    steps = changes(have, model.restored("node", have))
    assert [step.key for step in steps if step.kind == "sysctl"] == ["net.ipv4.ip_forward"]
    assert model.LEDGER not in applied(have, steps)


@pytest.mark.parametrize(("value", "text"), [(True, "1"), (False, "0"), (1, "1"), (" 1\t2 ", "1 2")])
def test_a_value_is_what_proc_shows(value, text):
    assert model.parse({**PARAMS, "sysctls": {"a.b": value}}).sysctls == {"a.b": text}


def test_a_sysctl_that_was_right_already_is_not_ours_to_restore():
    have = {("sysctl", "net.ipv4.ip_forward"): "1"}
    want = model.prepared(model.parse(PARAMS), have)
    assert model.ledger_of(want).before == {"net.ipv4.vs.conntrack": None}


def test_records_pile_up_until_they_are_forgotten():
    have = model.prepared(model.parse(PARAMS), FRESH)
    other = {**PARAMS, "record": {"experiment": "exp2"}}
    both = model.prepared(model.parse(other), have)
    assert len(model.ledger_of(both).share("node").records) == 2
    only = model.prepared(model.parse({**other, "forget_others": True}), both)
    assert model.ledger_of(only).share("node").records == ('{"experiment": "exp2"}',)


def test_what_a_record_expects_may_change_without_it_being_another():
    first, second = (model.parse({**PARAMS, "record": {"experiment": "exp1", "expects": {"hosts": n}}}) for n in (2, 3))
    have = model.prepared(first, FRESH)
    assert model.is_noted(second, have) and not model.stale(second, have)
    after = model.prepared(second, have)
    assert model.ledger_of(after).share("node").records == (second.record,)
    assert not model.is_noted(model.parse({**PARAMS, "record": {"experiment": "exp2"}}), after)


def test_the_ledger_survives_the_disk():
    ledger = model.ledger_of(model.prepared(model.parse(PARAMS), FRESH))
    assert model.from_json(model.to_json(ledger)) == ledger


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"before": [], "owners": {}}',
        '{"before": {}, "owners": []}',
        '{"before": {}, "owners": {"node": {"sysctls": [], "records": []}}}',
        '{"before": {}, "owners": {"node": {"sysctls": {}, "records": 3}}}',
    ],
)
def test_a_damaged_ledger_is_refused(text):
    with pytest.raises(ValueError):
        model.from_json(text)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("kernel_modules", ["ip_vs; reboot"], "kernel_modules"),
        ("owner", "../node", "owner"),
        ("sysctls", {"net.ipv4/../../etc": 1}, "sysctls"),
        ("sysctls", {"net.ipv4.ip_forward": None}, "sysctls.net.ipv4.ip_forward: None"),
        ("sysctls", {"net.ipv4.ip_local_port_range": [1024, 2048]}, "sysctls.net.ipv4.ip_local_port_range"),
        ("holds", ["10.130.17.30/24"], "holds"),
        ("reaches", ["169.254.1"], "reaches"),
    ],
)
def test_what_cannot_be_meant_names_its_option(option, value, words):
    with pytest.raises(BadInput, match=words):
        model.parse({**PARAMS, option: value})
