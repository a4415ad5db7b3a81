# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The integration tests once more, on a guest's kernel: it has ip_vs, dummy and all set types."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Iterator

import pytest

from labs import CHECKOUT, HOSTS, Lab, start, stop

SECONDS = 1200


@pytest.fixture
def roomy_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Guests with room for pytest, hypothesis and sets of 65,000 entries beside each other."""
    directory = tmp_path_factory.mktemp("lab")
    try:
        start(directory, HOSTS, memory="1G")
        yield Lab(directory, ())
    finally:
        stop(directory)


def run_on_guest(lab: Lab, host: str, file: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(CHECKOUT / "tests/guest.py"), "--ssh-config", str(lab.directory / "ssh_config")]
    words += ["--host", host, str(file.relative_to(CHECKOUT)), "--quiet", "--durations=5"]
    return subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)


def test_the_integration_tests_pass_on_a_guests_kernel(roomy_lab):
    idle: Queue[str] = Queue()
    for host in HOSTS:
        idle.put(host)

    def run_where_there_is_room(file: Path) -> subprocess.CompletedProcess[str]:
        host = idle.get()
        try:
            return run_on_guest(roomy_lab, host, file)
        finally:
            idle.put(host)

    files = sorted(CHECKOUT.glob("tests/integration/test_*.py"))
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        runs = list(pool.map(run_where_there_is_room, files))
    for file, run in zip(files, runs):
        print(file.name, run.stdout[-20000:], run.stderr[-5000:])
    assert files
    for run in runs:
        assert run.returncode == 0
        assert int(re.findall(r"(\d+) passed", run.stdout)[-1]) > 0
        assert "this host has no" not in run.stdout
