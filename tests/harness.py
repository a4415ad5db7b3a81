# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a module of the collection the way Ansible does: a process of its own, parameters in, one JSON object out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

# ansible-core 2.19 and later want to be told how the parameters are encoded; earlier versions read them as they are.
START = """
import runpy, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
basic._ANSIBLE_PROFILE = "legacy"
sys.argv = [sys.argv[1]]
runpy.run_module("ansible_collections.lulab.lvs.plugins.modules." + sys.argv[0], run_name="__main__", alter_sys=True)
"""


def run_module(name: str, /, check: bool = False, **parameters: Any) -> dict[str, Any]:
    """What the module ``name`` returns; C(rc) is its exit status, C(failed) is always there."""
    arguments = {"ANSIBLE_MODULE_ARGS": {**parameters, "_ansible_check_mode": check, "_ansible_diff": True}}
    process = subprocess.run(
        [sys.executable, "-c", START, name],
        input=json.dumps(arguments).encode(),
        capture_output=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        check=False,
    )
    try:
        result = json.loads(process.stdout)
    except ValueError:
        raise AssertionError("%s printed no JSON: %r %r" % (name, process.stdout, process.stderr)) from None
    return {"failed": False, **result, "rc": process.returncode}


def sh(command: str, check: bool = True) -> str:
    """Standard output of a shell command; standard error is shown when it fails."""
    process = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120, check=False)
    if check and process.returncode:
        raise AssertionError("%s: exit %d: %s" % (command, process.returncode, process.stderr))
    return process.stdout
