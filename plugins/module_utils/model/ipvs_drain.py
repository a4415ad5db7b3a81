# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking real servers out without cutting connections off: weight 0 first, removal when they are idle."""

from __future__ import annotations

from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs import ServerKey
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_options import whole
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change

MAX_SECONDS = 86400


class Drain(NamedTuple):
    """How long to wait for a server to become idle, and how often to look, in seconds."""

    timeout: int
    poll: float


def parse_drain(options: Optional[Mapping[str, Any]]) -> Optional[Drain]:
    """The options are complete and numbers already: they are few, so that their specification sees to it."""
    if options is None:
        return None
    timeout = whole(options["timeout"], "drain.timeout", 0, MAX_SECONDS)
    if not 0.01 <= options["poll"] <= MAX_SECONDS:
        raise BadInput("drain.poll", options["poll"], "a number of seconds from 0.01 to %d is needed" % MAX_SECONDS)
    return Drain(timeout, options["poll"])


def drainable(change: Change) -> bool:
    """Whether the change removes a server that may hold connections; to UDP nothing is lost by removing at once."""
    key: Any = change.key
    return change.kind == "server" and change.removes and key[0].protocol != "udp"


def gently(changes: Sequence[Change]) -> List[Change]:
    """The same changes: what need not wait, then each server that goes loses its weight, then what waits for them.

    A server whose weight is 0 already, because an earlier run was cut off, is only waited for.
    """
    keys = leaving(changes)
    serving = {service for service, _address, _port in keys}
    at_once: List[Change] = []
    lowering: List[Change] = []
    waiting: List[Change] = []
    for change in changes:
        if not drainable(change):
            # A service stands until the last of its servers is gone.
            (waiting if change.removes and change.key in serving else at_once).append(change)
            continue
        idle = change.before._replace(weight=0)
        if change.before != idle:
            lowering.append(Change(change.kind, change.key, change.before, idle))
        waiting.append(Change(change.kind, change.key, idle, None))
    return at_once + lowering + waiting


def split_place(changes: Sequence[Change]) -> int:
    """Where the changes begin that wait for idle servers."""
    return next((place for place, change in enumerate(changes) if drainable(change)), len(changes))


def leaving(changes: Sequence[Change]) -> List[ServerKey]:
    keys: List[Any] = [change.key for change in changes if drainable(change)]
    return keys


Report = List[Tuple[ServerKey, float, int]]  # server, seconds waited, connections left
