# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The integration tests once more, on a guest's kernel: it has ip_vs, dummy and all set types."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Iterator

import pytest

from labs import CHECKOUT, Lab, start, stop


@pytest.fixture
def roomy_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One guest with room for pytest, hypothesis and sets of 65,000 entries beside each other."""
    directory = tmp_path_factory.mktemp("lab")
    try:
        start(directory, {"Host0": "10.130.17.30"}, memory="1G")
        yield Lab(directory, ())
    finally:
        stop(directory)


def test_the_integration_tests_pass_on_a_guests_kernel(roomy_lab):
    words = [sys.executable, str(CHECKOUT / "tests/guest.py"), "--ssh-config", str(roomy_lab.directory / "ssh_config")]
    words += ["--host", "Host0", "tests/integration", "-q"]
    process = subprocess.run(words, capture_output=True, text=True, timeout=1200, check=False)
    print(process.stdout[-20000:], process.stderr[-5000:])
    assert process.returncode == 0
    assert int(re.findall(r"(\d+) passed", process.stdout)[-1]) > 0
    assert "needs a kernel with ip_vs" not in process.stdout
