# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd's units read and changed, by C(systemctl)."""

from __future__ import annotations

import os
import subprocess
from typing import Callable, Sequence

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError, Refused, Unsupported
from ansible_collections.lulab.lvs.plugins.module_utils.model.unit import FLEETING, KIND, LASTING, Unit, steps
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State

# systemd itself gives a unit 90 s to start or to stop; its own words are better than ours.
SYSTEMCTL_SECONDS = 120


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
        properties = _shown(name, "ActiveState", "UnitFileState")
        enabled = properties.get("UnitFileState") in ("enabled", "enabled-runtime")
        active = properties.get("ActiveState") in ("active", "activating", "reloading")
        return {(KIND, name): Unit(folder, text, enabled, active)}
    return {}


def is_known(name: str) -> bool:
    """Whether systemd has a unit of that name in mind, be its file gone; it looks for a file when it has none."""
    properties = _shown(name, "LoadState", "ActiveState")
    return properties.get("LoadState") != "not-found" or properties.get("ActiveState") == "failed"


def _shown(name: str, *properties: str) -> dict[str, str]:
    result = _systemctl("show", name, *("--property=" + one for one in properties))
    if result.returncode:
        raise LvsError("cannot ask systemd about %s: %s" % (name, result.stderr.strip()))
    return dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)


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


def _forget(step: Sequence[str]) -> str:
    """Have systemd forget a unit that it keeps in mind after its file is gone, because it failed."""
    if is_known(step[1]):
        _systemctl("daemon-reload")
        _systemctl("reset-failed", step[1])
    return ""


def _command(step: Sequence[str]) -> str:
    result = _systemctl(*step[1:])
    return result.stderr.strip() if result.returncode else ""


_ACTIONS: dict[str, Callable[[Sequence[str]], str]] = {"write": _write, "remove": _remove, "forget": _forget}


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
    except subprocess.TimeoutExpired as error:
        said = "'systemctl %s' has not ended within %d s" % (" ".join(words), SYSTEMCTL_SECONDS)
        return subprocess.CompletedProcess(error.cmd, 124, "", said)
