# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong, each with the words a reader needs to put it right."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Sequence

if TYPE_CHECKING:
    from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change


class LvsError(Exception):
    """Base of all errors that a module reports by C(fail_json) instead of a traceback."""

    details: dict[str, Any] = {}


class BadInput(LvsError):
    """A parameter that cannot be meant: raised before anything is read or changed.

    ``parameter`` is the option's name as the user wrote it (``servers[2].weight``),
    ``expected`` completes the sentence "PARAMETER: VALUE is not usable: ...".
    """

    def __init__(self, parameter: str, value: object, expected: str) -> None:
        super().__init__("%s: %r is not usable: %s" % (parameter, value, expected))
        self.details = {"parameter": parameter, "value": value}


class Unsupported(LvsError):
    """The host lacks something (a kernel module, a command, a privilege); the text names the remedy."""


class Refused(LvsError):
    """The kernel or a tool said no to ``change``.

    ``done`` are the changes of the same call that took effect, in the order they were made;
    the caller undoes them. ``reason`` is what was refused and why, in words.
    """

    def __init__(self, change: Change | None, reason: str, done: Sequence[Change] = ()) -> None:
        super().__init__(reason)
        self.change = change
        self.reason = reason
        self.done = list(done)


def errno_words(number: int) -> str:
    """``ENOENT: No such file or directory`` for 2; the bare number when the C library has no name."""
    import errno

    name = errno.errorcode.get(number)
    return "%s: %s" % (name, os.strerror(number)) if name else "error %d" % number
