# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for real servers to become idle before they are removed."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Sequence

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError, Refused
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.ipvs import apply, conversation
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs import ServerKey, host_port, service_words
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_drain import Drain, Report, leaving, split_place
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State


class Draining:
    """Carries out changes, and waits between those that lower weights and those that remove.

    Only the first call waits: a second one takes back what the first had done.
    """

    def __init__(self, drain: Drain) -> None:
        self.drain = drain
        self.drained: Report = []
        self.begun = False

    def apply(self, changes: Sequence[Change]) -> None:
        place = len(changes) if self.begun else split_place(changes)
        self.begun = True
        apply(changes[:place])
        if place == len(changes):
            return
        try:
            self.drained = wait_until_idle(leaving(changes), self.drain)
        except LvsError as error:
            raise Refused(None, "cannot wait for real servers to become idle: %s" % error, changes[:place]) from error
        try:
            apply(changes[place:])
        except Refused as refusal:
            raise Refused(refusal.change, refusal.reason, [*changes[:place], *refusal.done]) from refusal

    def report(self, _state: State) -> Dict[str, Any]:
        return {
            "drained": [
                {
                    "service": service_words(service),
                    "server": host_port(address, port),
                    "seconds": round(seconds, 1),
                    "connections": left,
                }
                for (service, address, port), seconds, left in self.drained
            ]
        }


def wait_until_idle(servers: Sequence[ServerKey], drain: Drain) -> Report:
    """Wait for all of ``servers``, at most until the time is up; how long each took and what it had left."""
    began = time.monotonic()
    report: Report = []
    pending = list(servers)
    with conversation() as ipvs:
        while True:
            held = {service: ipvs.connections(service) for service in {key[0] for key in pending}}
            waited = time.monotonic() - began
            busy: List[ServerKey] = []
            for key in pending:
                left = held[key[0]].get((key[1], key[2]), 0)
                if left and waited < drain.timeout:
                    busy.append(key)
                else:
                    report.append((key, waited, left))
            if not busy:
                return report
            pending = busy
            time.sleep(max(0.0, min(drain.poll, drain.timeout - waited)))
