# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd's units read and changed, by C(systemctl)."""

from __future__ import annotations

import os
import subprocess
from typing import Callable, Sequence

from ansible_collections.lulab.lvs.plugins.module_utils.errors import Refused, Unsupported
from ansible_collections.lulab.lvs.plugins.module_utils.model.unit import FLEETING, KIND, LASTING, Unit, steps
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State

SYSTEMCTL_SECONDS = 90


def require_systemd() -> None:
    if not os.path.isdir("/run/systemd/system"):
        raise Unsupported("systemd does not run on this host: its process 1 is another one")


def read(name: str) -> State:
    """The unit of that name that stands in one of the two folders for units of this host's own."""
    require_systemd()
    for folder in (LASTING, FLEETING):
        try:
            with open("%s/%s" % (folder, name), encoding="utf-8") as file:
                text = file.read()
        except FileNotFoundError:
            continue
        shown = _systemctl("show", name, "--property=ActiveState", "--property=UnitFileState").stdout
        properties = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        enabled = properties.get("UnitFileState") in ("enabled", "enabled-runtime")
        active = properties.get("ActiveState") in ("active", "activating", "reloading")
        return {(KIND, name): Unit(folder, text, enabled, active)}
    return {}


def apply(changes: Sequence[Change]) -> None:
    done: list[Change] = []
    for change in changes:
        reason = _take(change)
        if reason:
            for step in steps(change.undone()):
                _ACTIONS.get(step[0], _command)(step)
            raise Refused(change, "%s: %s" % (change.key, reason), done)
        done.append(change)


def _take(change: Change) -> str:
    """Carry out one change as far as it goes; the reason when that is not to its end."""
    for step in steps(change):
        reason = _ACTIONS.get(step[0], _command)(step)
        if reason:
            return reason
    return ""


def _write(step: Sequence[str]) -> str:
    _action, path, text = step
    try:
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path + ".new", 0o644)
        os.replace(path + ".new", path)
    except OSError as error:
        return "%s cannot be written: %s" % (path, error.strerror)
    return ""


def _remove(step: Sequence[str]) -> str:
    try:
        os.unlink(step[1])
    except OSError as error:
        return "%s cannot be removed: %s" % (step[1], error.strerror)
    return ""


def _command(step: Sequence[str]) -> str:
    result = _systemctl(*step[1:])
    return result.stderr.strip() if result.returncode else ""


_ACTIONS: dict[str, Callable[[Sequence[str]], str]] = {"write": _write, "remove": _remove}


def _systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["systemctl", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SYSTEMCTL_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise Unsupported("systemctl is not on this host: install systemd") from None
