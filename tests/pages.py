# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the documentation has its readers type, and what it says that they will see.

A fenced block of the language `sh` is commands; one of `console` is commands behind `$` (or `Host0$`, on that guest),
each with what it prints; one of `text` is what the last command printed. A comment in the line above a block tells more
of it: `illustration: REASON` (nothing runs it), `run by: FILE` (that test does), `fails` (its commands are to fail).
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Iterator

from console import commands_in

CHECKOUT = Path(__file__).resolve().parents[1]
ROOTS = ("README.md", "README.zh-CN.md", "CONTRIBUTING.md")
# The pages that tests/scenarios/test_pages.py goes through, command by command, in a lab of its own.
WALKED = ("docs/start.md", "roles/lab/README.md")
# Those that another test goes through; the Chinese ones show the same commands, which it holds them to.
EXPERIMENTS = re.compile(r"docs/(experiments|zh)/exp\d\.md")
# What it types besides, with the lab running, as it stands in README.
BESIDES = (
    "python3 roles/lab/files/lab doctor",
    ". .venv/bin/activate",
    "cd playbooks",
    "ansible-playbook exp3.yml -i lab",
)

_BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[^>]*?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Typed:
    """``command`` as it is typed; ``shows``: lines that the page says it prints; ``mark``: the comment above it."""

    page: str
    command: str
    shows: tuple[str, ...] = field(default=())
    mark: str = ""


def pages() -> list[str]:
    """All pages, as paths from the checkout; roles' READMEs too, though only their ends are written by hand."""
    found = [*(CHECKOUT / "docs").rglob("*.md"), *CHECKOUT.glob("roles/*/README.md")]
    written = sorted(str(path.relative_to(CHECKOUT)) for path in found)
    return [*ROOTS, *(name for name in written if not name.startswith("docs/build/"))]


def read(page: str) -> str:
    return (CHECKOUT / page).read_text(encoding="utf-8")


def typed(page: str, text: str) -> list[Typed]:
    """What ``text`` has one type, in its order."""
    found: list[Typed] = []
    for block in _BLOCK.finditer(text):
        mark = block["mark"] or ""
        if block["language"] == "sh":
            found += [Typed(page, command, mark=mark) for command in _commands(block["text"])]
        elif block["language"] == "console":
            found += [Typed(page, one.text, one.output, mark) for one in commands_in(block["text"])]
        elif block["language"] == "text" and found and not mark:
            found[-1] = replace(found[-1], shows=found[-1].shows + tuple(block["text"].splitlines()))
    return found


def shown(text: str) -> tuple[str, ...]:
    """The lines of output that ``text`` shows by themselves, in its blocks of the language `text`."""
    return tuple(
        line for block in _BLOCK.finditer(text) if block["language"] == "text" for line in block["text"].splitlines()
    )


def _commands(text: str) -> Iterator[str]:
    """The commands of a script, one by one, without their comments; one may have several lines."""
    command = ""
    for line in text.splitlines():
        command += re.sub(r"(^|\s+)#\s.*", "", line) + "\n"
        if _is_whole(command):
            if command.strip():
                yield command.strip()
            command = ""
    if command.strip():
        raise ValueError("not a command: %s" % command)


def _is_whole(command: str) -> bool:
    return subprocess.run(["bash", "-n", "-c", command], capture_output=True, check=False).returncode == 0


def missing(shows: tuple[str, ...], output: str) -> list[str]:
    """The lines that were to be shown and are not in ``output``, each as often as it is short."""
    lack = Counter(map(_essence, shows)) - Counter(map(_essence, output.splitlines()))
    return sorted(line for line in lack.elements() if line and line != "...")


def _essence(line: str) -> str:
    """``line`` without what differs from run to run: counts of connections, seeds of hashes, who began."""
    line = re.sub(r"(Masq +\d+) +\d+ +\d+", r"\1", line)
    line = re.sub(r"initval 0x\w+", "initval", line)
    words = line.split()
    return " ".join(sorted(words) if words[:1] == ["answers"] else words)
