# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The molecule scenarios, as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from labs import CHECKOUT


@pytest.mark.parametrize("scenario", ["exp1", "exp2", "exp3", "exp4"])
def test_a_molecule_scenario_passes(scenario):
    environment = {**os.environ, "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]}
    environment.pop("ANSIBLE_CONFIG", None)
    process = subprocess.run(
        ["molecule", "test", "-s", scenario],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    print(process.stdout[-20000:], process.stderr[-20000:])
    assert process.returncode == 0
