# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The experiments' pages: both languages show the same, and what they show is held to what one sees, no less."""

from __future__ import annotations

import re

import pytest

from console import Command, blocks, commands, same
from pages import CHECKOUT

PAGES = sorted((CHECKOUT / "docs/experiments").glob("exp*.md"))

SERVICE = (
    "TCP  169.254.2.100:80 rr",
    "  -> 10.130.17.30:8888            Masq    1      0          2",
    "  -> 10.130.17.31:8888            Masq    1      0          2",
)
CONNECTION = (
    "tcp      6 119 TIME_WAIT src=169.254.2.100 dst=169.254.2.100 sport=46906 dport=80 "
    "src=10.130.17.31 dst=10.130.17.30 sport=8888 dport=46906 [ASSURED] mark=0 use=1"
)


def shows(text, *output):
    return Command("Host0", text, output)


def test_there_is_a_page_for_each_experiment():
    assert [page.stem for page in PAGES] == ["exp1", "exp2", "exp3", "exp4"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_both_languages_show_the_same(page):
    chinese = CHECKOUT / "docs/zh" / page.name
    assert blocks(page) and blocks(chinese) == blocks(page)
    pictures = [re.findall(r"\]\((\S+\.svg)\)", one.read_text(encoding="utf-8")) for one in (page, chinese)]
    assert pictures[0] == pictures[1] == ["../pictures/%s.svg" % page.stem]
    assert (page.parent / pictures[0][0]).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_builds_its_experiment_first_and_leaves_it_whole(page):
    typed = commands(page)
    assert (typed[0].host, typed[0].text) == ("", "make " + page.stem)
    made = [number for number, command in enumerate(typed) if not command.host]
    assert len(made) == 3, "built once, mended by itself twice; what is mended by hand is typed"
    assert made[-1] < len(typed) - 1, "what was mended last is not looked at"


def test_what_varies_may_vary():
    later = [re.sub(r"0          2$", "1          17         ", line) for line in SERVICE]
    assert later != list(SERVICE) and same(shows("sudo ipvsadm -ln", *SERVICE), later)
    command = shows("sudo conntrack -L", CONNECTION, "2 flow entries have been shown.")
    other = CONNECTION.replace("46906", "33000").replace(" 119 ", " 7 ")
    assert same(command, ["2 flow entries have been shown.", other])
    turns = shows("for i in 1 2 3; do curl -s x; done", "a", "b", "a")
    assert same(shows("for i in 1 2; do curl -s x; done", "a", "b"), ["b", "a"])
    assert same(turns, ["a", "b", "a"]) and not same(turns, ["a", "b", "b"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("src=10.130.17.31 dst=10.130.17.30", "src=10.130.17.31 dst=169.254.2.100"),
        ("sport=8888", "sport=8080"),
        ("TIME_WAIT", "SYN_SENT"),
        ("[ASSURED] ", ""),
    ],
)
def test_a_connection_that_is_another_is_seen(before, after):
    assert before in CONNECTION
    assert not same(shows("sudo conntrack -L", CONNECTION), [CONNECTION.replace(before, after)])


@pytest.mark.parametrize("change", ["Masq>Route", "17.31>17.32", "rr>wrr", "Masq    1>Masq    0"])
def test_a_service_that_is_another_is_seen(change):
    before, after = change.split(">")
    command = shows("sudo ipvsadm -ln", *SERVICE)
    assert not same(command, [line.replace(before, after) for line in SERVICE])
    assert not same(command, list(SERVICE[:2])) and not same(command, [*SERVICE, SERVICE[2]])


def test_no_answer_is_not_an_answer():
    command = shows("for i in 1 2; do curl -s -m 1 x || echo no answer; done", "10.130.17.31", "no answer")
    assert same(command, ["no answer", "10.130.17.31"])
    assert not same(command, ["10.130.17.30", "10.130.17.31"]) and not same(command, ["10.130.17.31"])
