# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd units as values: what is asked for, and the steps from one state to another."""

from __future__ import annotations

import itertools
import subprocess

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput, LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import unit as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.model import unit as model
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, applied, plan, undone

GIVEN = {"name": "a.service", "content": "[Service]\n", "enabled": False, "started": True, "state": "present"}
UNITS = [None] + [
    model.Unit(folder, text, folder == model.LASTING, active)
    for folder in (model.FLEETING, model.LASTING)
    for text in ("one\n", "two\n")
    for active in (True, False)
]


def words(change):
    return [" ".join(step[:2]) if step[0] in ("write", "remove") else " ".join(step) for step in model.steps(change)]


@pytest.mark.parametrize(
    ("more", "parameter"),
    [
        ({"name": "backend"}, "name"),
        ({"name": "../a.service"}, "name"),
        ({"content": None}, "content"),
        ({"content": " \n"}, "content"),
        ({"enabled": True}, "enabled"),
        ({"enabled": True, "content": "[Service]\n#[Install]\n"}, "enabled"),
    ],
)
def test_what_cannot_be_meant_is_refused(more, parameter):
    with pytest.raises(BadInput) as error:
        model.parse({**GIVEN, **more})
    assert str(error.value).startswith(parameter + ": ")


def test_a_unit_that_is_enabled_lasts_and_another_does_not():
    for enabled, folder in ((True, "/etc/systemd/system"), (False, "/run/systemd/system")):
        [unit] = list(
            model.want_of(model.parse({**GIVEN, "content": "[Service]\n[Install]\n", "enabled": enabled})).values()
        )
        assert (unit.folder, unit.enabled, unit.active) == (folder, enabled, True)


def test_whether_a_unit_runs_is_left_open_when_it_need_not_be_started():
    wish = model.parse({**GIVEN, "started": False})
    have = {(model.KIND, "a.service"): model.Unit(model.FLEETING, "[Service]\n", False, True)}
    assert plan(model.seen(wish, have), model.want_of(wish), [model.KIND]) == []
    changed = {(model.KIND, "a.service"): model.Unit(model.FLEETING, "other\n", False, True)}
    (change,) = plan(model.seen(wish, changed), model.want_of(wish), [model.KIND])
    assert words(change) == ["write /run/systemd/system/a.service", "systemctl daemon-reload"]


def test_a_new_unit_is_written_read_enabled_and_started_in_this_order():
    change = Change(model.KIND, "a.service", None, model.Unit(model.LASTING, "one\n", True, True))
    assert words(change) == [
        "write /etc/systemd/system/a.service",
        "systemctl --quiet enable a.service",
        "systemctl restart a.service",
    ]
    assert words(change.undone()) == [
        "systemctl --quiet disable a.service",
        "systemctl stop a.service",
        "remove /etc/systemd/system/a.service",
        "forget a.service",
    ]


def test_a_unit_that_systemd_has_in_mind_is_read_again_once_it_is_written():
    change = Change(model.KIND, "a.service", None, model.Unit(model.FLEETING, "one\n", False, True, known=True))
    assert words(change) == [
        "write /run/systemd/system/a.service",
        "systemctl daemon-reload",
        "systemctl restart a.service",
    ]


def test_a_systemctl_that_does_not_end_is_a_reason_and_no_traceback(monkeypatch):
    def hangs(words, timeout, **_more):
        raise subprocess.TimeoutExpired(words, timeout)

    monkeypatch.setattr(subprocess, "run", hangs)
    assert (
        kernel._command(("systemctl", "stop", "a.service")) == "'systemctl stop a.service' has not ended within 120 s"
    )
    with pytest.raises(LvsError, match="cannot ask systemd about a.service: .* has not ended"):
        kernel.is_known("a.service")


def test_a_unit_that_runs_is_started_anew_only_when_its_text_changes():
    old = model.Unit(model.FLEETING, "one\n", False, True)
    new = model.Unit(model.FLEETING, "two\n", False, True)
    assert "systemctl restart a.service" in words(Change(model.KIND, "a.service", old, new))
    assert model.steps(Change(model.KIND, "a.service", old, old)) == []


@pytest.mark.parametrize(("before", "after"), list(itertools.product(UNITS, UNITS)))
def test_the_laws_of_plan_hold(before, after):
    have, want = ({(model.KIND, "a.service"): unit} if unit else {} for unit in (before, after))
    changes = plan(have, want, [model.KIND])
    assert applied(have, changes) == want
    assert plan(want, want, [model.KIND]) == []
    assert applied(applied(have, changes), undone(changes)) == have
    files = [step for change in changes for step in model.steps(change) if step[0] in ("write", "remove")]
    assert bool(files) is (
        bool(before) != bool(after) or bool(before and (before.folder, before.text) != (after.folder, after.text))
    )
