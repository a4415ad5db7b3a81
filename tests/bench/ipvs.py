# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""ipvs_service beside ipvsadm and beside a loop of ipvsadm commands, on a guest of a lab of this run's own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator

from labs import CHECKOUT, HOSTS, Lab, start, stop
from pairs import Row, timed

HOST = "Host0"
LOOPED = 100
LOOP_RUNS = 3
LOOP_SECONDS = 900.0


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as directory:
        lab = Lab(Path(directory) / "lab", (CHECKOUT / "inventory/lab",))
        start(lab.directory, {HOST: HOSTS[HOST]}, memory="1G")
        try:
            lab.on(HOST, "modprobe -a ip_vs ip_vs_rr")
            yield loop(lab, Path(directory))
            yield from in_guest(lab)
        finally:
            stop(lab.directory)


def in_guest(lab: Lab) -> Iterator[Row]:
    words = [sys.executable, str(CHECKOUT / "tests/guest.py"), "--ssh-config", str(lab.directory / "ssh_config")]
    words += ["--host", HOST, "--program", "tests/bench/ipvs_in_guest.py"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield Row(**json.loads(line))
    assert process.returncode == 0


def playbook(path: Path, task: dict[str, Any]) -> str:
    """The name of a playbook of one task."""
    path.with_suffix(".yml").write_text(
        json.dumps([{"hosts": HOST, "become": True, "gather_facts": False, "tasks": [task]}]), encoding="ascii"
    )
    return str(path)


def loop(lab: Lab, folder: Path) -> Row:
    """A playbook's run with one task of either kind; the services have no servers, so that each is one command."""
    addresses = ["10.0.0.%d" % number for number in range(1, LOOPED + 1)]
    commands = {
        "ansible.builtin.command": "ipvsadm -A -t {{ item }}:80 -s rr",
        "loop": addresses,
        "loop_control": {"label": ""},
    }
    services = [{"address": address, "port": 80, "scheduler": "rr"} for address in addresses]
    looped = playbook(folder / "looped", commands)
    whole = playbook(folder / "whole", {"lulab.lvs.ipvs_service": {"services": services}})
    return timed(
        "%d services by one ipvs_service task" % LOOPED,
        "a loop of ansible.builtin.command: ipvsadm",
        lambda: lab.play(whole),
        lambda: lab.play(looped, timeout=LOOP_SECONDS),
        before=lambda: lab.on(HOST, "ipvsadm -C"),
        runs=LOOP_RUNS,
    )
