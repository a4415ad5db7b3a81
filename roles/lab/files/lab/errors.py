# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The lulab.lvs founders
"""What goes wrong, said in one line with its remedy."""

from __future__ import annotations

import errno
import os
import pwd
import shlex
from pathlib import Path
from typing import Sequence

# What the system refuses with, and what helps.
REMEDIES = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some space there, or have the quota raised",
    errno.EROFS: "name a folder that can be written to, with --lab-dir",
}


class LabError(Exception):
    """An error whose text is all that a user needs to read."""


def explain(error: OSError, folders: Sequence[Path]) -> str:
    """What the system refused. An error of a write or of a signal names no file: it is about the first folder then."""
    place = Path(str(error.filename or folders[0]))
    words = f"{place}: {error.strerror or error}"
    remedies = [REMEDIES[number] for number in REMEDIES if number == error.errno]
    if error.errno in (errno.EACCES, errno.EPERM):
        others = [one for one in folders if one in (place, *place.parents) and not is_own(one)]
        remedies = [f"{one} belongs to {owner(one)}: {how_to_own(one)}" for one in others]
    return "; ".join([words, *remedies])


def is_own(folder: Path) -> bool:
    """Also when it is not there."""
    return not os.path.exists(folder) or folder.stat().st_uid == os.getuid()


def owner(folder: Path) -> str:
    return _name(folder.stat().st_uid)


def how_to_own(folder: Path) -> str:
    chown = f"sudo chown -R {_name(os.getuid())} {shlex.quote(str(folder))}"
    return f"end what runs there (sudo make lab-down), then {chown}"


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
