# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make lint`, which is all checks but these tests, finds nothing."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def test_the_checks_find_nothing():
    # Another make's flags are none of this one's business.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    process = subprocess.run(
        ["make", "lint"],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=2400,
        check=False,
    )
    print(process.stdout)
    # Each check's own last lines say what it found; before them are those of all the tools that it installed.
    found = re.findall(r"^--- .*\n(?:(?!^--- ).*\n)*", process.stdout, re.MULTILINE)
    tails = "\n".join("\n".join(text.rstrip().splitlines()[-25:]) for text in found)
    assert process.returncode == 0, tails or process.stdout
    ended = re.search(r"^(\d+) checks, 0 failed", process.stdout, re.MULTILINE)
    assert ended and len(re.findall(r"^ok ", process.stdout, re.MULTILINE)) == int(ended.group(1))
