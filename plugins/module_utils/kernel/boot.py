# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that build a state from nothing, kept in a file for the boot: nothing of the kernel's survives one."""

from __future__ import annotations

import os
from typing import Optional, Sequence

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput, LvsError

HEADER = "#!/bin/sh\n# Written by lulab.lvs, which keeps it equal to what it declares.\nset -e\n"
SEARCH = "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin\n"


def check_path(path: Optional[str], netns: Optional[str]) -> None:
    """Raise ``BadInput`` for a place where no script of the boot can be."""
    if path is None:
        return
    if not os.path.isabs(path):
        raise BadInput("boot_script", path, "give an absolute path, such as /etc/lulab-lvs/boot/50-set.sh")
    if netns is not None:
        raise BadInput("boot_script", path, "leave it out together with netns: that namespace is gone after a boot")


def script_of(commands: Sequence[str]) -> str:
    """The script's text; empty when there is nothing to build, and so no script."""
    return HEADER + SEARCH + "".join("%s\n" % command for command in commands) if commands else ""


def read(path: str) -> str:
    """The script that is there; empty when there is none. Raises ``BadInput`` for what is not ours to replace."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise BadInput("boot_script", path, "give a file of its own for the script: %s" % error.strerror) from error
    if text and not text.startswith(HEADER):
        raise BadInput("boot_script", path, "a file that lulab.lvs has not written is there; give one of its own")
    return text


def write(path: str, text: str) -> None:
    """Put ``text`` in place in one step; an empty text takes the script away."""
    try:
        if not text:
            os.unlink(path)
            return
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o755)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        os.replace(path + ".new", path)
    except OSError as error:
        raise LvsError("boot_script: %s cannot be written: %s" % (path, error.strerror)) from error
