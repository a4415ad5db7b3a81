# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The experiments' pages, typed: what they break breaks, what they mend is mended, what they show is what one sees."""

from __future__ import annotations

import itertools
import subprocess

import pytest

from console import Command, commands, same
from labs import CHECKOUT, Lab

PAGES = sorted((CHECKOUT / "docs/experiments").glob("exp*.md"))
# Between the outputs of two commands; no program prints it.
MARK = "\x1e"


def type_on(lab: Lab, host: str, typed: list[Command]) -> list[list[str]]:
    """What each command prints, typed one after another into a shell of the user that one logs in as."""
    # What a program complains of goes past the buffers of what it prints, and would stand in the middle of that.
    one = '{ %s\n} < /dev/null 2> "$complaints"\ncat "$complaints"\necho \'%s\'\n'
    script = "complaints=$(mktemp)\n" + "".join(one % (command.text, MARK) for command in typed)
    words = ["ssh", "-F", str(lab.directory / "ssh_config"), host, "bash"]
    process = subprocess.run(words, input=script, capture_output=True, text=True, timeout=120, check=True)
    printed = process.stdout.split(MARK + "\n")
    assert len(printed) == len(typed) + 1, process.stdout + process.stderr
    return [lines.splitlines() for lines in printed[:-1]]


def make(lab: Lab, typed: list[Command]) -> None:
    """``make exp3`` as far as it changes the hosts; each has something to build or to mend."""
    for command in typed:
        verb, _space, playbook = command.text.partition(" ")
        assert (verb, command.output) == ("make", ()), command
        assert lab.play(playbook).changed() > 0, "%s had nothing to do" % command.text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_what_one_sees(lab, page):
    wrong = []
    for host, group in itertools.groupby(commands(page), key=lambda command: command.host):
        typed = list(group)
        if not host:
            make(lab, typed)
            continue
        for command, printed in zip(typed, type_on(lab, host, typed)):
            if not same(command, printed):
                wrong.append("\n".join((host + "$ " + command.text, *printed, "-- not:", *command.output)))
    assert not wrong, "\n\n".join(wrong)
