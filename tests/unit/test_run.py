# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""All or nothing, on a host that is a dictionary and fails where it is told to."""

from __future__ import annotations

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput, LvsError, Refused
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, plan
from ansible_collections.lulab.lvs.plugins.module_utils.run import Concern, Errand, carry_out, made, perform
from ansible_collections.lulab.lvs.plugins.module_utils.steps import Step, take

HAVE = {("thing", "a"): 1, ("thing", "b"): 2}
WANT = {("thing", "b"): 3, ("thing", "c"): 4, ("thing", "d"): 5}


class Host:
    """``fails``: by the number of the change, counted over all calls, what is raised in its place."""

    def __init__(self, fails=None):
        self.state = dict(HAVE)
        self.fails = fails or {}
        self.asked = 0
        self.readable = True

    def read(self):
        if not self.readable:
            raise OSError("the line is dead")
        return dict(self.state)

    def apply(self, changes):
        done = []
        for change in changes:
            failure = self.fails.get(self.asked)
            self.asked += 1
            if failure is Refused:
                raise Refused(change, "%s is refused" % change.key, done)
            if failure:
                raise failure
            name = (change.kind, change.key)
            if change.removes:
                del self.state[name]
            else:
                self.state[name] = change.after
            done.append(change)

    def concern(self, want=None):
        return Concern(
            read=self.read,
            plan=lambda have: plan(have, WANT if want is None else want, ["thing"]),
            apply=self.apply,
            commands=lambda changes: ["%s %s" % (change.key, change.after) for change in changes],
            listing=lambda state: "".join("%s %s\n" % (name[1], value) for name, value in sorted(state.items())),
        )


def failed(host, **errand):
    with pytest.raises(LvsError) as error:
        perform(Errand(host.concern(), **errand), check_mode=False, with_diff=True)
    return error.value


COMMANDS = ["a None", "b 3", "c 4", "d 5"]
FAILURES = [Refused, OSError("the line broke"), LvsError("no answer"), KeyError("a fault of ours")]


@pytest.mark.parametrize("failure", FAILURES, ids=["refused", "broken off", "no answer", "unforeseen"])
@pytest.mark.parametrize("place", range(len(COMMANDS)))
def test_whatever_goes_wrong_at_any_place_leaves_the_state_before(place, failure):
    host = Host({place: failure})
    error = failed(host)
    assert host.state == HAVE
    assert error.details["undone"] == COMMANDS[:place]
    assert error.details["standing"] == []
    assert ("exception" in error.details) == isinstance(failure, (OSError, KeyError))


@pytest.mark.parametrize("failure", FAILURES[:2], ids=["refused", "broken off"])
def test_when_the_way_back_fails_too_what_stands_is_told(failure):
    host = Host({2: Refused, 3: failure})
    error = failed(host)
    assert "c is refused; undoing what was done before it failed too: " in str(error)
    assert error.details["undone"] == []
    assert error.details["standing"] == COMMANDS[:2]
    assert host.state == {("thing", "b"): 3}


def test_a_host_that_no_longer_answers_is_told_of_as_such():
    host = Host({2: OSError("the line broke"), 3: OSError("still broken")})
    concern = host.concern()
    changes = concern.plan(host.read())
    host.readable = False
    with pytest.raises(LvsError, match="the line broke; and what of it was done cannot be read") as error:
        carry_out(concern, changes)
    assert error.value.details["undone"] == []
    assert error.value.details["standing"] == COMMANDS


def test_what_took_effect_is_judged_by_what_is_found():
    lowered = Change("server", "x", 5, 0)
    removed = Change("server", "x", 0, None)
    grown = Change("set", "s", 4, 8)
    changes = [lowered, grown, removed]
    assert made(changes, {("server", "x"): 5, ("set", "s"): 4}) == []
    assert made(changes, {("server", "x"): 0, ("set", "s"): 4}) == [lowered]
    assert made(changes, {("set", "s"): 16}) == changes


@pytest.mark.parametrize("content", [b"\xff\xfe", b"#!/bin/sh\nreboot\n"], ids=["no text", "another's"])
def test_what_is_no_script_of_ours_is_refused_before_anything_is_changed(tmp_path, content):
    other = tmp_path / "other"
    other.write_bytes(content)
    for place in (tmp_path, other, other / "below"):
        host = Host()
        error = failed(host, boot_script=str(place))
        assert isinstance(error, BadInput)
        assert str(place) in str(error)
        assert host.asked == 0
    assert other.read_bytes() == content


def test_a_script_may_hold_what_is_no_text(tmp_path):
    script = tmp_path / "10.sh"
    host = Host()
    concern = host.concern({("thing", "caf\udce9"): 1})
    for changed in (True, False):
        told = perform(Errand(concern, boot_script=str(script)), check_mode=False, with_diff=True)[0]
        assert told["changed"] is changed
    assert script.read_bytes().endswith(b"caf\xe9 1\n")


def test_a_script_that_cannot_be_written_takes_the_changes_back(tmp_path):
    (tmp_path / "10.sh.new").mkdir()
    host = Host()
    error = failed(host, boot_script=str(tmp_path / "10.sh"))
    assert "boot_script: " in str(error)
    assert error.details == {"undone": COMMANDS, "standing": []}
    assert host.state == HAVE


def test_the_script_is_part_of_what_changes(tmp_path):
    script = tmp_path / "10.sh"
    host = Host()
    errand = Errand(host.concern(), boot_script=str(script))
    told = perform(errand, check_mode=True, with_diff=True)[0]
    assert told["changed"]
    assert not script.exists()
    first = perform(errand, check_mode=False, with_diff=True)[0]
    assert first["diff"] == told["diff"]
    assert script.read_text().endswith("b 3\nc 4\nd 5\n")
    assert not perform(errand, check_mode=False, with_diff=True)[0]["changed"]
    script.unlink()
    assert perform(errand, check_mode=False, with_diff=True)[0]["changed"]
    assert script.exists()


def step(host, want=None, **errand):
    return Step("a step", "ipset_entry", Errand(host.concern(want), **errand))


@pytest.mark.parametrize("failure", FAILURES, ids=["refused", "broken off", "no answer", "unforeseen"])
def test_steps_before_one_that_fails_are_taken_back(tmp_path, failure):
    script = tmp_path / "10.sh"
    first, second = Host(), Host({1: failure})
    with pytest.raises(LvsError) as error:
        take([step(first, boot_script=str(script)), step(second)], check_mode=False, with_diff=False)
    assert first.state == second.state == HAVE
    assert not script.exists()
    assert error.value.details["undone"] == [*COMMANDS, COMMANDS[0]]
    assert error.value.details["standing"] == []


def test_a_step_that_cannot_be_taken_back_is_told_with_all_that_stands():
    first, second = Host({6: Refused}), Host({1: Refused, 2: OSError("the line broke")})
    with pytest.raises(LvsError, match="undoing a step before it failed too: b is refused") as error:
        take([step(first), step(second)], check_mode=False, with_diff=False)
    # What the first had made last is undone; the change that would be undone next is refused.
    assert error.value.details["undone"] == COMMANDS[2:]
    assert error.value.details["standing"] == [*COMMANDS[:2], COMMANDS[0]]


def test_check_mode_tells_of_a_namespace_that_a_step_before_will_make():
    made_first = Host()
    namespace = {("namespace", "lvs-test-to-come"): 1}
    before = Step(
        "make it",
        "calico_veth",
        Errand(
            Concern(
                read=dict,
                plan=lambda have: plan(have, namespace, ["namespace"]),
                apply=made_first.apply,
                commands=lambda changes: [],
                listing=lambda state: "",
            )
        ),
    )
    inside_it = step(Host(), netns="lvs-test-to-come")
    told = take([before, inside_it], check_mode=True, with_diff=True)
    assert told["commands"] == ["b 3", "c 4", "d 5"]
    with pytest.raises(LvsError, match="no network namespace of that name"):
        take([inside_it], check_mode=True, with_diff=True)
    assert made_first.asked == 0
