# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The integration tests once more, on a guest's kernel: it has ip_vs, dummy and all set types."""

from __future__ import annotations

import re
import subprocess
import sys

from labs import CHECKOUT


def test_the_integration_tests_pass_on_a_guests_kernel(lab):
    words = [sys.executable, str(CHECKOUT / "tests/guest.py"), "--ssh-config", str(lab.directory / "ssh_config")]
    words += ["--host", "Host0", "tests/integration", "-q"]
    process = subprocess.run(words, capture_output=True, text=True, timeout=1200, check=False)
    print(process.stdout[-20000:], process.stderr[-5000:])
    assert process.returncode == 0
    assert int(re.findall(r"(\d+) passed", process.stdout)[-1]) > 0
    assert "needs a kernel with ip_vs" not in process.stdout
