# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking real servers out without cutting connections off: weight 0 first, removal when they are idle."""

from __future__ import annotations

from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs import ServerKey
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_options import given, known_options, whole
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change

DEFAULT_SECONDS = 60
MAX_SECONDS = 86400
DEFAULT_POLL = 1.0


class Drain(NamedTuple):
    """How long to wait for a server to become idle, and how often to look, in seconds."""

    timeout: int
    poll: float


def parse_drain(options: Optional[Mapping[str, Any]]) -> Optional[Drain]:
    if options is None:
        return None
    known_options(options, "drain", frozenset(("timeout", "poll")))
    timeout = DEFAULT_SECONDS
    if given(options, "timeout"):
        timeout = whole(options["timeout"], "drain.timeout", 0, MAX_SECONDS)
    poll = options.get("poll")
    try:
        poll = DEFAULT_POLL if poll is None else float(poll)
    except (TypeError, ValueError):
        poll = 0.0
    if not 0.01 <= poll <= MAX_SECONDS:
        raise BadInput("drain.poll", options["poll"], "a number of seconds from 0.01 to %d is needed" % MAX_SECONDS)
    return Drain(timeout, poll)


def drainable(change: Change) -> bool:
    """Whether the change removes a server that may hold connections; to UDP nothing is lost by removing at once."""
    key: Any = change.key
    return change.kind == "server" and change.removes and key[0].protocol != "udp"


def gently(changes: Sequence[Change]) -> List[Change]:
    """The same changes, each server that goes losing its weight before.

    A server whose weight is 0 already, because an earlier run was cut off, is only waited for.
    """
    lowering, result = [], []
    for change in changes:
        if drainable(change) and change.before.weight:
            idle = change.before._replace(weight=0)
            lowering.append(Change(change.kind, change.key, change.before, idle))
            change = Change(change.kind, change.key, idle, None)
        result.append(change)
    place = split_place(result)
    return result[:place] + lowering + result[place:]


def split_place(changes: Sequence[Change]) -> int:
    """Where the changes begin that wait for idle servers."""
    return next((place for place, change in enumerate(changes) if drainable(change)), len(changes))


def leaving(changes: Sequence[Change]) -> List[ServerKey]:
    keys: List[Any] = [change.key for change in changes if drainable(change)]
    return keys


Report = List[Tuple[ServerKey, float, int]]  # server, seconds waited, connections left
