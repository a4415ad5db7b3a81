# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module's whole process, from the interpreter's start to its exit, with its parameters as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness import START


def parameters(path: Path, options: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}), encoding="ascii")
    return path


# What wait4() tells of a process counts the one that it was forked from, so that each tells of itself when it ends.
TELL_PEAK = """
import atexit, sys
atexit.register(lambda: sys.stderr.writelines(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def compiled(folder: Path) -> dict[str, str]:
    """An environment whose interpreters keep what they compile in ``folder``, as beside an installed collection."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder)}


def run(name: str, path: Path) -> int:
    """Run the module ``name`` with the parameters in ``path``; the peak of its memory in MB."""
    with open(path, "rb") as arguments:
        process = subprocess.run(
            [sys.executable, "-c", TELL_PEAK + START, name],
            stdin=arguments,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**compiled(path.parent), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=True,
        )
    return int(process.stderr.split()[-2]) >> 10
