#!/usr/bin/env python3
# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""ipvs_service beside ipvsadm, on a kernel that has ip_vs and whose table is ours to empty: one line of JSON a row.

What is timed of the module is its whole process, from the interpreter's start to its exit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Iterator

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import START, sh
from pairs import Row, nothing, seconds, timed

SERVERS = 4
FEW, MANY = 5_000, 20_000
MANY_RUNS = 3


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
        self.rules = os.path.join(folder, "rules-%d" % number)
        Path(self.rules).write_text("".join(rule + "\n" for rule in rules(listed)), encoding="ascii")
        self.arguments = os.path.join(folder, "arguments-%d" % number)
        Path(self.arguments).write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {"services": listed}}), encoding="ascii")

    def module(self) -> int:
        """Run the module; its peak of memory, in MB."""
        with open(self.arguments, "rb") as arguments:
            words = [sys.executable, "-c", START, "ipvs_service"]
            with subprocess.Popen(words, stdin=arguments, stdout=subprocess.DEVNULL) as process:
                _process, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return usage.ru_maxrss >> 10

    def tool(self) -> None:
        sh("ipvsadm -R < %s" % self.rules)

    def check(self) -> None:
        """What is to be there is there, whoever made it."""
        assert sorted(sh("ipvsadm -Sn").splitlines()) == sorted(Path(self.rules).read_text().splitlines())


def empty() -> None:
    sh("ipvsadm -C")


def rows(folder: str) -> Iterator[Row]:
    one, few = Work(folder, 1), Work(folder, FEW)
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
    for what, before in (("create", empty), ("find unchanged", nothing)):
        figures: dict[Work, list[float]] = {few: [], many: []}
        peaks = {}
        for work, number in ((few, FEW), (many, MANY)):
            empty()
            work.module()
            for _run in range(MANY_RUNS):
                before()
                figures[work].append(seconds(work.module) / number * 1000)
            before()
            peaks[work] = work.module()
        label = "%s %d services, each" % (what, MANY)
        yield Row(label, "each of %d" % FEW, figures[many], figures[few], unit="ms")
        yield Row("%s %d services, memory" % (what, MANY), "", [peaks[many]], unit="MB")
        yield Row("%s %d services, memory" % (what, FEW), "", [peaks[few]], unit="MB")
    empty()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(folder):
            print(json.dumps(asdict(row)), flush=True)


if __name__ == "__main__":
    main()
