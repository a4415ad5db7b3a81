# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""All or nothing for sets: what is refused or killed at any write, two runs at once, a kernel that is silent."""

from __future__ import annotations

import errno
import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.concern import ipset_entry
from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipset as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipset_codec as codec
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import netlink
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset import TEMPORARY, temporary_name
from ansible_collections.lulab.lvs.plugins.module_utils.plan import undone
from harness import converge, run_module, sh

NAME = "S"
QUESTIONS = {kernel.LIST, kernel.TYPE, kernel.HEADER}


def addresses(network: int, number: int) -> List[str]:
    return ["10.%d.%d.%d" % (network, place >> 8, place & 255) for place in range(1, number + 1)]


OLD = addresses(0, 8)
# What is there, and what is asked for: by a handful of writes in place, and by a new set that is swapped in.
FEW: Dict[str, Any] = {"entries": [*OLD[2:], "10.9.9.8", '10.9.9.9 comment "x"'], "exact": True}
MANY: Dict[str, Any] = {"entries": addresses(1, 1500), "exact": True}
OTHER_OPTIONS: Dict[str, Any] = {"entries": OLD, "exact": True, "skbinfo": True}
WAYS: Dict[str, Dict[str, Any]] = {"few": FEW, "many": MANY, "other options": OTHER_OPTIONS}


def apply(**parameters: Any) -> Dict[str, Any]:
    params = {name: option.get("default") for name, option in ipset_entry.OPTIONS.items()}
    wanted = ipset_entry.build({**params, "name": NAME, **parameters})
    return converge(wanted, check_mode=False, with_diff=False)


def begin() -> None:
    sh("iptables -F; ipset destroy; ipset create %s hash:ip comment" % NAME)
    sh("for each in %s; do ipset add %s $each; done" % (" ".join(OLD), NAME))
    sh("iptables -A INPUT -m set --match-set %s src -j ACCEPT" % NAME)


def saved() -> List[str]:
    """Each line; a new set has a seed of its own, and starts at its least size again."""
    return sorted(re.sub(r" (hashsize|initval) \S+", "", line) for line in sh("ipset save").splitlines())


def writes(monkeypatch: pytest.MonkeyPatch, at: Callable[[int], bool]) -> List[int]:
    """The commands that are sent from now on and change something; ``at`` says which of them is refused, unsent."""
    sent: List[int] = []
    real = netlink.Netlink.transact

    def transact(link: Any, requests: Any) -> Any:
        answers: List[Any] = []
        for request in requests:
            sent.append(request[0] & 0xFF)
            refused = at(len(sent) - 1)
            answers += [netlink.NetlinkError(errno.ENOMEM)] if refused else real(link, [request])
            if answers[-1]:
                break
        return answers

    monkeypatch.setattr(netlink.Netlink, "transact", transact)
    return sent


@pytest.fixture
def entry_by_entry(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where few entries are written, each is a write of its own."""
    if WAYS[way] is FEW:
        monkeypatch.setattr(kernel, "MESSAGE_BYTES", 1)


@pytest.fixture
def within(netns: str) -> Any:
    with inside(netns):
        yield netns


def test_with_nothing_to_do_nothing_is_sent_but_questions(within: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    pack = netlink.Netlink._pack

    def noted(link: Any, message: Any, flags: int) -> bytes:
        sent.append(message[0] & 0xFF)
        return pack(link, message, flags)

    begin()
    monkeypatch.setattr(netlink.Netlink, "_pack", noted)
    for options in WAYS.values():
        assert apply(**options)["changed"]
        assert set(sent) - QUESTIONS
        sent.clear()
        assert not apply(**options)["changed"]
        assert set(sent) <= QUESTIONS
        sent.clear()


def test_all_sets_are_told_by_one_question_each(within: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sh("for each in $(seq 20); do ipset create set$each hash:ip; done")
    asked = []
    pack = netlink.Netlink._pack
    monkeypatch.setattr(netlink.Netlink, "_pack", lambda *given: asked.append(given) or pack(*given))
    assert len(ipset_entry.told({"entries": True})) == 20
    assert len(asked) == 21


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> List[str]:
    warnings: List[str] = []
    monkeypatch.setattr(kernel, "warn", warnings.append)
    return warnings


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("entry_by_entry")
def test_a_refusal_of_any_write_leaves_what_was_before(
    within: str, way: str, monkeypatch: pytest.MonkeyPatch, warned: List[str]
) -> None:
    place = 0
    while True:
        begin()
        before = saved()
        with monkeypatch.context() as patch:
            sent = writes(patch, lambda number, place=place: number == place)
            refused = ""
            try:
                apply(**WAYS[way])
            except LvsError as error:
                refused = str(error)
                assert error.details["standing"] == []
        if len(sent) <= place:
            break
        if refused:
            assert saved() == before
        else:  # That what was swapped out could not be destroyed is no reason to undo the work, but it is said.
            assert sent[place:] == [kernel.DESTROY]
            (left_over,) = [line.split()[1] for line in saved() if line.startswith("create " + TEMPORARY)]
            assert [left_over in warning for warning in warned] == [True]
            warned.clear()
            assert apply(**WAYS[way])["commands"] == ["ipset destroy " + left_over]
        place += 1
    assert place > 2


@contextmanager
def reading(name: str) -> Iterator[netlink.Netlink]:
    """Another program has begun to read the set, and does not go on."""
    with kernel.conversation() as link:
        kind, flags, body = kernel._message(kernel.LIST, netlink.text(codec.SETNAME, name))
        link._socket.send(link._pack((kind, flags, body), netlink.NLM_F_DUMP))
        yield link


# By a swap, and by taking the set away.
AGAINST_READERS = pytest.mark.parametrize("options", [{**MANY, "entries": addresses(2, 1500)}, {"state": "absent"}])


def begin_read() -> None:
    """A set that takes several messages to be told."""
    sh("ipset destroy")
    apply(type="hash:ip", entries=addresses(1, 3000))


@AGAINST_READERS
def test_a_reader_is_waited_for(within: str, options: Dict[str, Any], warned: List[str]) -> None:
    begin_read()
    with reading(NAME) as link:
        threading.Timer(0.2, link._socket.close).start()
        assert apply(**options)["changed"]
    assert not apply(**options)["changed"]
    assert not warned


@AGAINST_READERS
def test_a_reader_that_does_not_end_is_named(
    within: str, options: Dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "READER_SECONDS", 0.1)
    begin_read()
    before = saved()
    with reading(NAME):
        with pytest.raises(LvsError, match="another program has been reading it"):
            apply(**options)
        assert saved() == before


def test_a_rule_that_refers_to_a_set_is_not_waited_for(within: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begin()
    sent = writes(monkeypatch, lambda _number: False)
    with pytest.raises(LvsError, match="an iptables rule or a list of sets refers to it"):
        apply(state="absent")
    assert sent == [kernel.DESTROY]


def test_what_was_swapped_out_while_it_is_read_is_told_of(
    within: str, monkeypatch: pytest.MonkeyPatch, warned: List[str]
) -> None:
    monkeypatch.setattr(kernel, "READER_SECONDS", 0.1)
    begin_read()
    real, readers = netlink.Netlink.transact, []

    def transact(link: Any, requests: Any) -> Any:
        (request, *more) = requests
        answers = real(link, [request, *more])
        if request[0] & 0xFF == kernel.SWAP:
            readers.append(reading(temporary_name(NAME)))
            readers[0].__enter__()
        return answers

    monkeypatch.setattr(netlink.Netlink, "transact", transact)
    assert apply(exact=True, entries=addresses(2, 1500))["changed"]
    (warning,) = warned
    assert temporary_name(NAME) in warning and "left over" in warning
    readers[0].__exit__(None, None, None)
    assert apply(entries=[])["commands"] == ["ipset destroy " + temporary_name(NAME)]


def refusal_of(work: Callable[[], object]) -> LvsError | None:
    try:
        work()
    except LvsError as error:
        return error
    return None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("entry_by_entry")
def test_when_the_way_back_is_refused_too_what_stands_is_told(
    within: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, stood = 0, 0
    while True:
        begin()
        with monkeypatch.context() as patch:
            writes(patch, lambda number, place=place: number >= place)
            failed = refusal_of(lambda: apply(**WAYS[way]))
        if failed is None:
            break
        standing = failed.details["standing"]
        found = saved()
        begin()
        for command in standing:
            sh(command)
        assert [line for line in found if TEMPORARY not in line] == saved(), place
        stood += bool(standing)
        place += 1
    assert stood or WAYS[way] is not FEW


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("entry_by_entry")
def test_a_kill_at_any_write_is_completed_by_the_next_run(
    within: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin()
    apply(**WAYS[way])
    whole = saved()
    place, status = 0, int(-signal.SIGKILL)
    while status == -signal.SIGKILL:
        begin()
        child = os.fork()
        if child == 0:
            writes(
                monkeypatch, lambda number, place=place: number == place and bool(signal.raise_signal(signal.SIGKILL))
            )
            try:
                apply(**WAYS[way])
                os._exit(0)
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        apply(**WAYS[way])
        assert saved() == whole, place
        assert not apply(**WAYS[way])["changed"]
        place += 1
    assert status == 0 and place > 2


def test_a_left_over_is_not_made_again_when_the_run_is_taken_back(within: str) -> None:
    begin()
    before = saved()
    sh("ipset create %s0badcafe hash:ip" % TEMPORARY)
    params = {name: option.get("default") for name, option in ipset_entry.OPTIONS.items()}
    concern = ipset_entry.build({**params, "name": NAME, **FEW})
    changes = concern.plan(concern.read())
    concern.apply(changes)
    concern.apply(undone(changes))
    assert saved() == before


def test_two_runs_at_once_leave_what_one_of_them_asked_for(netns: str) -> None:
    def wish(place: int) -> Dict[str, Any]:
        return {"netns": netns, "name": NAME, "type": "hash:ip", "exact": True, "entries": addresses(place, 2000)}

    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda place: run_module("ipset_entry", **wish(place)), range(3)))
    assert all(result["changed"] for result in results), results
    text = sh("ip netns exec %s ipset save" % netns)
    assert [text.count("add %s 10.%d." % (NAME, place)) for place in range(3)] in (
        [2000, 0, 0],
        [0, 2000, 0],
        [0, 0, 2000],
    )
    assert text.count("create ") == 1


def test_a_kernel_that_does_not_answer_is_said_in_words(within: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlink, "REPLY_SECONDS", 1)
    # To a question without a destination nobody answers: as good as a kernel that has come to a stop.
    monkeypatch.setattr(netlink.Netlink, "_pack", lambda link, message, flags: netlink._HEADER.pack(16, 2, 0, 0, 0))
    with pytest.raises(LvsError, match="has not answered for 1 s"):
        apply(type="hash:ip", entries=["10.0.0.1"])
