# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a page shows of a terminal: commands with what they print, and how far that may differ on another day.

A block is fenced as ``console``. Its prompt says where a command is typed: ``Host0$ ip route`` on that guest,
``$ make exp3`` in the checkout. The lines up to the next prompt are what it prints; after ``make`` none is shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^(Host\d|)\$ (.+)$")

# What differs from one run to the next, with what stands for it when shown and real output are compared.
VARIES = (
    # What fills up a column.
    (r"[ \t]+$", ""),
    # A client's port: the kernel's ephemeral range is 32768 to 60999.
    (r"(?<=port=)(?:3[2-9]|[45]\d|60)\d{3}\b", "PORT"),
    (r"(?<=\d\.)(?:3[2-9]|[45]\d|60)\d{3}(?= > )", "PORT"),
    (r"(?<=[\d.]:)(?:3[2-9]|[45]\d|60)\d{3}\b", "PORT"),
    # Seconds that conntrack and IPVS still remember a connection.
    (r"^(tcp +6) \d+ ", r"\1 SECONDS "),
    (r"^(TCP) \d\d:\d\d ", r"\1 MM:SS "),
    # How many connections IPVS has and remembers: whoever asked before counts too.
    (r"(?<=Masq    1      )\d+ +\d+", "N N"),
    # What the kernel draws anew for each set, and for interfaces without hardware.
    (r"(?<=initval )0x[0-9a-f]+", "0xINITVAL"),
    (r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", "MAC"),
    (r"\bfe80::[0-9a-f:]+", "LINK-LOCAL"),
    # How many interfaces there have been.
    (r"@if\d+ *", "@ifN "),
    # Time.
    (r"\b\d+ (?:ms|milliseconds)\b", "N ms"),
    (r" *\b\d+\.\d+ ?ms\b", " N ms"),
    (r"(?<=[=/])\d+\.\d+(?=[/ ])", "N"),
    (r"time \d+ms", "time N ms"),
)
# Programs that list in the order of a hash table.
UNORDERED = ("conntrack -L", "ipvsadm -lnc")
# tracepath asks a hop again that is slow to answer.
REPEATS = "tracepath"
# Who is asked first is the round robin's affair; that they take turns is the page's.
TURNS = re.compile(r"for i in [\d ]+; do (?:sudo ip netns exec ns0 )?curl ")


@dataclass(frozen=True)
class Command:
    """``text`` is typed on ``host``, or in the checkout when that is empty, and prints ``output``."""

    host: str
    text: str
    output: tuple[str, ...]


def blocks(page: Path) -> list[str]:
    """What the page shows, as it stands there."""
    return FENCE.findall(page.read_text(encoding="utf-8"))


def commands(page: Path) -> list[Command]:
    return [command for block in blocks(page) for command in commands_in(block)]


def commands_in(block: str) -> list[Command]:
    typed: list[tuple[str, str, list[str]]] = []
    for line in block.splitlines():
        prompt = PROMPT.match(line)
        if prompt:
            typed.append((prompt[1], prompt[2], []))
        else:
            typed[-1][2].append(line)
    return [Command(host, text, tuple(output)) for host, text, output in typed]


def same(command: Command, printed: list[str]) -> bool:
    """Whether ``printed`` is what the page shows, but for what differs from one run to the next."""
    shown, real = (_plain(lines) for lines in (command.output, printed))
    if any(words in command.text for words in UNORDERED):
        return sorted(shown) == sorted(real)
    if TURNS.match(command.text):
        return real in (shown, shown[1:] + shown[:1])
    if REPEATS in command.text:
        return list(dict.fromkeys(shown)) == list(dict.fromkeys(real))
    return shown == real


def _plain(lines: tuple[str, ...] | list[str]) -> list[str]:
    plain = []
    for line in lines:
        for pattern, stands in VARIES:
            line = re.sub(pattern, stands, line)
        plain.append(line)
    return plain
