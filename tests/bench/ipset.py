# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""ipset_entry beside ipset, in a network namespace of this machine's kernel."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Iterator

from harness import sh
from pairs import Row, seconds, timed
from process import parameters, run

FEW, MANY = 65_000, 250_000
DIFFERING = 100
RUNS = 15  # half a second each, of which a busy machine takes and gives a tenth
MANY_RUNS = 3
NAME = "LU-CLUSTER-IP"
NETNS = "lvs-bench-%d" % os.getpid()


def entries(number: int, first: int = 0) -> list[str]:
    return [
        "10.%d.%d.%d,tcp:%d" % (place >> 16 & 255, place >> 8 & 255, place & 255, 1024 + place % 60000)
        for place in range(first, first + number)
    ]


def restoring(name: str, members: list[str]) -> list[str]:
    """What ``ipset save`` prints of such a set."""
    head = "create %s hash:ip,port family inet hashsize 32768 maxelem %d" % (name, max(65536, len(members)))
    return [head, *("add %s %s" % (name, member) for member in members)]


class Work:
    """A set of so many entries, to be made by the module and by the tool; ``others`` differs in some of them."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number
        self.peak = 0  # of the module's memory, in MB
        members = entries(number)
        others = members[DIFFERING:] + entries(DIFFERING, number)
        self.calls = {
            name: parameters(folder / ("%s-%d.json" % (name, number)), self._options(listed))
            for name, listed in (("these", members), ("others", others))
        }
        lines = {
            "these": restoring(NAME, members),
            "swap": [*restoring("swap", members), "swap swap %s" % NAME, "destroy swap"],
            "others": restoring(NAME, others),
        }
        for name, text in lines.items():
            self._file(name).write_text("".join(line + "\n" for line in text), encoding="ascii")

    def _options(self, members: list[str]) -> dict[str, object]:
        return {"name": NAME, "type": "hash:ip,port", "entries": members, "exact": True, "netns": NETNS}

    def _file(self, name: str) -> Path:
        return self.folder / ("%s-%d" % (name, self.number))

    def module(self) -> None:
        self.peak = max(self.peak, run("ipset_entry", self.calls["these"]))

    def restore(self, name: str = "these", more: str = "") -> None:
        sh("ip netns exec %s ipset restore %s < %s" % (NETNS, more, self._file(name)))

    def save_and_restore(self) -> None:
        sh("ip netns exec %s ipset save > /dev/null" % NETNS)
        self.restore(more="-exist")

    def differ(self) -> None:
        """Have the set hold other entries in some places."""
        empty()
        self.restore("others")

    def check(self) -> None:
        """What is to be there is there, whoever made it."""
        there = sorted(sh("ip netns exec %s ipset save | grep ^add" % NETNS).splitlines())
        assert there == sorted(self._file("these").read_text().splitlines()[1:])


def empty() -> None:
    sh("ip netns exec %s ipset destroy" % NETNS)


def rows() -> Iterator[Row]:
    sh("ip netns add %s" % NETNS)
    try:
        with tempfile.TemporaryDirectory() as folder:
            few = Work(Path(folder), FEW)
            few.module()  # The first run compiles what it imports.
            few.check()
            yield from beside_the_tool(few)
            yield from growth(few, Work(Path(folder), MANY))
    finally:
        sh("ip netns delete %s" % NETNS)


def beside_the_tool(few: Work) -> Iterator[Row]:
    what = "create a hash:ip,port set of %d entries" % FEW
    yield timed(what, "ipset restore", few.module, few.restore, 0.6, empty, RUNS)
    few.check()
    against = "ipset save + ipset restore -exist"
    yield timed("the same again, nothing to do", against, few.module, few.save_and_restore, 0.6, runs=RUNS)
    what, against = "%d entries differ of %d" % (DIFFERING, FEW), "a full ipset restore + swap"
    yield timed(what, against, few.module, lambda: few.restore("swap"), 0.5, few.differ, RUNS)
    few.check()


def growth(few: Work, many: Work) -> Iterator[Row]:
    """Microseconds an entry, so that a ratio of 1 means linear; and the peaks of memory."""
    making: dict[Work, list[float]] = {few: [], many: []}
    finding: dict[Work, list[float]] = {few: [], many: []}
    for _run in range(MANY_RUNS):
        for work in (few, many):
            empty()
            for figures in (making, finding):
                figures[work].append(seconds(work.module) / work.number * 1e6)
    yield Row("create %d entries, for each" % MANY, "for each of %d" % FEW, making[many], making[few], unit="us")
    yield Row("find %d unchanged, for each" % MANY, "for each of %d" % FEW, finding[many], finding[few], unit="us")
    yield Row("peak of memory at %d entries" % FEW, "", [few.peak], reach=150, unit="MB")
    yield Row("peak of memory at %d entries" % MANY, "", [many.peak], unit="MB")
