# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""ipvs_service beside ipvsadm, in network namespaces of a kernel that has ip_vs: one line of JSON a row.

What is timed of the module is its whole process, from the interpreter's start to its exit.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Iterator

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import sh
from pairs import Row, seconds, timed
from process import parameters, run

SERVERS = 4
FEW, MANY = 5_000, 20_000
MANY_RUNS = 3
CLONE_NEWNET = 0x40000000
SETTLE_SECONDS = 2


def numbered(network: int, number: int) -> str:
    return "%d.%d.%d.%d" % (network, number >> 16 & 255, number >> 8 & 255, number & 255)


def services(number: int) -> list[dict[str, Any]]:
    return [
        {
            "address": numbered(10, place),
            "port": 80,
            "scheduler": "rr",
            "servers": [
                {"address": numbered(172, place * SERVERS + server), "port": 8080} for server in range(SERVERS)
            ],
        }
        for place in range(number)
    ]


def rules(listed: list[dict[str, Any]]) -> Iterator[str]:
    """What ``ipvsadm -Sn`` prints of the services."""
    for service in listed:
        name = "-t %s:%d" % (service["address"], service["port"])
        yield "-A %s -s rr" % name
        for server in service["servers"]:
            yield "-a %s -r %s:%d -m -w 1" % (name, server["address"], server["port"])


class Work:
    """So many services, to be made by the module and by the tool."""

    def __init__(self, folder: str, number: int) -> None:
        listed = services(number)
        self.peak = 0  # of the module's memory, in MB
        self.rules = os.path.join(folder, "rules-%d" % number)
        Path(self.rules).write_text("".join(rule + "\n" for rule in rules(listed)), encoding="ascii")
        self.arguments = parameters(Path(folder) / ("arguments-%d" % number), {"services": listed})

    def module(self) -> None:
        self.peak = max(self.peak, run("ipvs_service", self.arguments))

    def tool(self) -> None:
        sh("ipvsadm -R < %s" % self.rules)

    def check(self) -> None:
        """What is to be there is there, whoever made it."""
        assert sorted(sh("ipvsadm -Sn").splitlines()) == sorted(Path(self.rules).read_text().splitlines())


def empty() -> None:
    """Go to a new network namespace; the one that is left ends, and its table is taken apart.

    A table that was merely emptied keeps its servers for two minutes more, and looks through all of them for each
    new one: that would cost both ways more than the work itself.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "no new network namespace")
    sh("ip link set lo up")
    time.sleep(SETTLE_SECONDS)


def rows(folder: str) -> Iterator[Row]:
    one, few = Work(folder, 1), Work(folder, FEW)
    empty()
    few.module()  # The first run compiles what it imports.
    few.check()
    yield timed("create %d services of 4 real servers each" % FEW, "ipvsadm -R", few.module, few.tool, 0.25, empty)
    few.check()
    yield timed("the same again, nothing to do", "ipvsadm -Sn", few.module, lambda: sh("ipvsadm -Sn"), 0.5)
    commands = " && ".join("ipvsadm " + rule for rule in Path(one.rules).read_text().splitlines())
    yield timed(
        "one service in an empty table", "its 5 ipvsadm commands", one.module, lambda: sh(commands), None, empty
    )
    yield from growth(few, Work(folder, MANY))


def growth(few: Work, many: Work) -> Iterator[Row]:
    """Milliseconds a service, so that a ratio of 1 means linear; and the peaks of memory."""
    sizes = {few: FEW, many: MANY}
    making: dict[Work, list[float]] = {few: [], many: []}
    finding: dict[Work, list[float]] = {few: [], many: []}
    for _run in range(MANY_RUNS):
        for work, number in sizes.items():
            empty()
            for figures in (making, finding):
                figures[work].append(seconds(work.module) / number * 1000)
    yield Row("create %d services, for each" % MANY, "for each of %d" % FEW, making[many], making[few], unit="ms")
    yield Row("find %d unchanged, for each" % MANY, "for each of %d" % FEW, finding[many], finding[few], unit="ms")
    for work, number in sizes.items():
        yield Row("peak of memory at %d services" % number, "", [work.peak], unit="MB")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(folder):
            print(json.dumps(asdict(row)), flush=True)


if __name__ == "__main__":
    main()
