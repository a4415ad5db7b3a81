# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Notes of how interfaces were before virtual addresses came: a file for each, with a line for each thing to know.

``is IDENTITY INDEX`` is the interface: another of the same name is not meant. Before the interface is there nobody can
say it yet, and the line is left out. ``made`` says that the dummy is ours, ``for ADDRESS`` which address had sysctls
changed, and ``/proc/sys/PATH:VALUE`` what one of these was.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Collection, List, Optional, Sequence

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import namespace
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import RUN_DIRECTORY
from ansible_collections.lulab.lvs.plugins.module_utils.model.network import Note
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change

NOTES = os.path.join(RUN_DIRECTORY, "vip")
SYSCTLS = "/proc/sys/"


def read(interface: str, index: int, held: Collection[str]) -> Optional[Note]:
    """The note of the interface of that name and index, as far as the interface still has the addresses ``held``."""
    try:
        with open(_path(interface), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return None
    if any(line.startswith("is ") and line != _identity(index) for line in lines):
        return None
    vips = [line[len("for ") :] for line in lines if line.startswith("for ")]
    values = [line[len(SYSCTLS) :].rpartition(":") for line in lines if line.startswith(SYSCTLS)]
    return Note(
        made="made" in lines,
        sysctls=tuple((path, value) for path, _colon, value in values),
        vips=tuple(vip for vip in vips if vip in held),
    )


def write(interface: str, index: Optional[int], note: Note) -> None:
    """``index`` None: the interface is yet to be made."""
    identity = [] if index is None else [_identity(index)]
    values = ["%s%s:%s" % (SYSCTLS, path, _value(path, value)) for path, value in note.sysctls]
    path = _path(interface)
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path + ":", "w", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in [*identity, *_lines(note), *values]))
    os.replace(path + ":", path)


def forget(interface: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(_path(interface))
    with suppress(OSError):  # others are noted there
        os.rmdir(os.path.dirname(_path(interface)))


def note_commands(changes: Sequence[Change]) -> List[str]:
    """What notes, at boot, how the interfaces are which are going to be changed."""
    return [_command(str(change.key), change.after) for change in changes if change.kind == "note"]


def _command(interface: str, note: Note) -> str:
    folder = os.path.join(NOTES, "$(stat -Lc %i /proc/self/ns/net)")
    words = ["printf '%%s\\n' %s" % " ".join("'%s'" % line for line in _lines(note))]
    # A dummy that the boot is yet to make has none, and needs none to be put back.
    paths = " ".join(SYSCTLS + path for path, _value in note.sysctls)
    words += ["grep -Hs . %s || true" % paths] if paths else []
    return 'mkdir -p "%s" && { %s; } > "%s/%s"' % (folder, "; ".join(words), folder, interface)


def _lines(note: Note) -> List[str]:
    return (["made"] if note.made else []) + ["for " + vip for vip in note.vips]


def _value(path: str, value: Optional[str]) -> str:
    if value is not None:
        return value
    with open(SYSCTLS + path, encoding="utf-8") as file:
        return file.read().strip()


def _path(interface: str) -> str:
    return os.path.join(NOTES, namespace.identity_here().split()[0], interface)


def _identity(index: int) -> str:
    return "is %s %d" % (namespace.identity_here(), index)
