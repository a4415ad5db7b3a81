# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a module of the collection the way Ansible does: a process of its own, parameters in, one JSON object out."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from typing import Any, NoReturn

from ansible.module_utils import basic

from ansible_collections.lulab.lvs.plugins.module_utils.run import Concern, Errand, perform

SECONDS = 120
MODULES = "ansible_collections.lulab.lvs.plugins.modules."

# A program that is a module: its name is the argument, its parameters are the standard input.
# ansible-core 2.19 and later want to be told how the parameters are encoded; earlier versions read them as they are.
START = """
import runpy, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
basic._ANSIBLE_PROFILE = "legacy"
sys.argv = [sys.argv[1]]
runpy.run_module("ansible_collections.lulab.lvs.plugins.modules." + sys.argv[0], run_name="__main__", alter_sys=True)
"""

Ended = tuple[int, bytes, bytes]  # exit status, standard output, standard error


def run_module(module: str, /, check: bool = False, **parameters: Any) -> dict[str, Any]:
    """What ``module`` returns; C(rc) is its exit status, C(failed) is always there."""
    everything = {"ANSIBLE_MODULE_ARGS": {**parameters, "_ansible_check_mode": check, "_ansible_diff": True}}
    arguments = json.dumps(everything).encode()
    # A fork has all imports behind it, which in a guest is most of a module's time; but with threads it may hang.
    status, output, errors = (_forked if threading.active_count() == 1 else _started)(module, arguments)
    try:
        result = json.loads(output)
    except ValueError:
        raise AssertionError("%s printed no JSON: %r %r" % (module, output, errors)) from None
    return {"failed": False, **result, "rc": status}


def _started(name: str, arguments: bytes) -> Ended:
    process = subprocess.run(
        [sys.executable, "-c", START, name],
        input=arguments,
        capture_output=True,
        timeout=SECONDS,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        check=False,
    )
    return process.returncode, process.stdout, process.stderr


def _forked(name: str, arguments: bytes) -> Ended:
    module = importlib.import_module(MODULES + name)
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        child = os.fork()
        if child == 0:
            _become(module, arguments, output.fileno(), errors.fileno())
        status = os.waitpid(child, 0)[1]
        output.seek(0)
        errors.seek(0)
        return os.waitstatus_to_exitcode(status), output.read(), errors.read()


def _become(module: Any, arguments: bytes, output: int, errors: int) -> NoReturn:
    status: Any = 1
    try:
        signal.alarm(SECONDS)
        os.dup2(output, 1)
        os.dup2(errors, 2)
        # Not those of pytest, which keep what is written.
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        basic._ANSIBLE_ARGS = arguments
        basic._ANSIBLE_PROFILE = "legacy"
        module.main()
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def converge(concern: Concern, check_mode: bool, with_diff: bool) -> dict[str, Any]:
    """What a module of this concern does in the namespace that we are in, in this process."""
    return perform(Errand(concern), check_mode, with_diff)[0]


def sh(command: str, check: bool = True) -> str:
    """Standard output of a shell command; standard error is shown when it fails."""
    process = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120, check=False)
    if check and process.returncode:
        raise AssertionError("%s: exit %d: %s" % (command, process.returncode, process.stderr))
    return process.stdout
