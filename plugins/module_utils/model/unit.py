# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""A systemd unit that we wrote, as a value: its text, whether it is enabled, whether it runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Mapping, Optional, Sequence

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State

KIND = "unit"
# What is in /run is gone after a reboot, as is all that such a unit serves.
LASTING, FLEETING = "/etc/systemd/system", "/run/systemd/system"

_NAME = re.compile(r"[A-Za-z0-9_.@-]+\.(service|socket|timer|path|target)\Z")


@dataclass(frozen=True)
class Unit:
    """``folder``: where its file is; ``active``: whether it runs, None where that is nobody's concern.

    ``known``: of a unit to make, that systemd has one of that name in mind already: one that failed and lost its file,
    or a package's.
    """

    folder: str
    text: str
    enabled: bool
    active: Optional[bool]
    known: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Wish:
    name: str
    text: Optional[str]
    enabled: bool
    started: bool


def parse(params: Mapping[str, Any]) -> Wish:
    name, content = params["name"], params["content"]
    if not _NAME.match(name):
        raise BadInput("name", name, "give a unit's name with its kind, such as lulab-backend.service")
    if params["state"] == "absent":
        return Wish(name, None, False, False)
    if not content or not content.strip():
        raise BadInput("content", content, "give the unit's text, beginning with [Unit] or [Service]")
    if params["enabled"] and not re.search(r"^\[Install\]\s*$", content, re.MULTILINE):
        raise BadInput("enabled", True, "the content has no section [Install], which says what is to start the unit")
    return Wish(name, content if content.endswith("\n") else content + "\n", params["enabled"], params["started"])


def seen(wish: Wish, have: State) -> State:
    """``have`` as far as it is the wish's concern: whether a unit runs that need not be started is left open."""
    if wish.text is None or wish.started:
        return have
    return {name: replace(unit, active=None) for name, unit in have.items()}


def want_of(wish: Wish, known: bool = False) -> State:
    if wish.text is None:
        return {}
    folder = LASTING if wish.enabled else FLEETING
    return {(KIND, wish.name): Unit(folder, wish.text, wish.enabled, True if wish.started else None, known)}


def file_of(name: str, unit: Unit) -> str:
    return "%s/%s" % (unit.folder, name)


def steps(change: Change) -> list[tuple[str, ...]]:
    """What brings one unit from before to after, in order.

    A step is (C(write), file, text), (C(remove), file), (C(forget), name), or a command.

    systemd is made to read its units again only where it must: that takes longer than all the rest. It looks by itself
    for a unit that it does not know, forgets one that neither runs nor is enabled nor has failed, and C(enable) and
    C(disable) have it read all.
    """
    name = str(change.key)
    before: Optional[Unit] = change.before
    after: Optional[Unit] = change.after
    was_enabled, was_active = bool(before and before.enabled), bool(before and before.active)
    moved = bool(before and after and before.folder != after.folder)
    rewritten = bool(after and (moved or not before or before.text != after.text))
    enabling = bool(after and after.enabled) and (moved or not was_enabled)
    result: list[tuple[str, ...]] = []
    if was_enabled and not (after and after.enabled):
        result.append(("systemctl", "--quiet", "disable", name))
    if was_active and not (after and after.active):
        result.append(("systemctl", "stop", name))
    if before and (moved or not after):
        result.append(("remove", file_of(name, before)))
    if before and not after:
        result.append(("forget", name))
    if after and rewritten:
        result.append(("write", file_of(name, after), after.text))
    if enabling:
        result.append(("systemctl", "--quiet", "enable", name))
    elif after and rewritten and (before or after.known):
        result.append(("systemctl", "daemon-reload"))
    if after and after.active and (rewritten or not was_active):
        result.append(("systemctl", "restart", name))
    return result


def commands(changes: Sequence[Change]) -> list[str]:
    """What one would have typed."""
    lines = []
    for step in (step for change in changes for step in steps(change)):
        if step[0] == "write":
            lines.append("cat > %s <<'EOF'\n%sEOF" % (step[1], step[2]))
        elif step[0] == "remove":
            lines.append("rm %s" % step[1])
        elif step[0] == "forget":
            lines += ["systemctl daemon-reload", "systemctl reset-failed %s || true" % step[1]]
        else:
            lines.append(" ".join(step))
    return lines


def listing(state: State) -> str:
    """Each unit as C(systemctl cat) prints it, and how it stands."""
    return "".join(
        "# %s\n%s# %s\n" % (file_of(str(name), unit), unit.text, ", ".join(_standing(unit)))
        for (_kind, name), unit in state.items()
    )


def _standing(unit: Unit) -> list[str]:
    words = ["enabled" if unit.enabled else "disabled"]
    if unit.active is not None:
        words.append("active" if unit.active else "inactive")
    return words
