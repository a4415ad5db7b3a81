# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs as a user types them, and what they print."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Sequence

CHECKOUT = Path(__file__).resolve().parents[1]
# What another make or Ansible has set is none of their business.
DROPPED = ("MAKE", "MFLAGS", "ANSIBLE_")
# With .venv active: the programs beside this process's Python come first.
ACTIVE = {"PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "/usr/bin:/bin")}


def run(
    words: Sequence[str], folder: Path = CHECKOUT, given: str = "", seconds: float = 600, **variables: str
) -> tuple[int, str]:
    """The exit status of ``words`` and all that they print, with ``given`` as their standard input."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
    process = subprocess.run(
        words,
        cwd=folder,
        env={**kept, **variables},
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    return process.returncode, process.stdout
