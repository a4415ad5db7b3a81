# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual services and their real servers: the options of C(ipvs_service), and the concern that they make."""

from __future__ import annotations

from typing import Any

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipvs as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.ipvs_drain import Draining
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs import commands, described, listing
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_drain import gently, parse_drain
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_options import declared, inside_scope, parse_scope
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_want import changes_towards, want_of
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State
from ansible_collections.lulab.lvs.plugins.module_utils.run import COMMON_OPTIONS, Concern, nothing_more

# What lies inside services and servers is checked by the model: it names the exact place, and takes a small part
# of the time that an argument specification takes for thousands of dictionaries.
OPTIONS = {
    **COMMON_OPTIONS,
    "address": {"type": "str"},
    "port": {"type": "int"},
    "protocol": {"type": "str", "choices": ["tcp", "udp", "sctp"]},
    "fwmark": {"type": "int"},
    "family": {"type": "str", "choices": ["ipv4", "ipv6"]},
    "scheduler": {"type": "str"},
    "scheduler_flags": {"type": "list", "elements": "str"},
    "persistence": {"type": "dict"},
    "one_packet": {"type": "bool"},
    "servers": {"type": "list", "elements": "dict"},
    "services": {"type": "list", "elements": "dict"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "prune": {"type": "bool", "default": False},
    "scope": {"type": "list", "elements": "str"},
    "keep_weights": {"type": "bool", "default": False},
    "drain": {
        "type": "dict",
        "options": {"timeout": {"type": "int", "default": 60}, "poll": {"type": "float", "default": 1}},
    },
}


def build(params: dict[str, Any]) -> Concern:
    present, keep_weights = params["state"] == "present", params["keep_weights"]
    wanted = declared(params, params["services"], absent=not present)
    scope = parse_scope(params)
    drain = parse_drain(params["drain"])
    hands = Draining(drain) if drain else None

    def read() -> State:
        if wanted and present:
            kernel.require_ip_vs()
        return kernel.read(wanted, (lambda key: inside_scope(key, scope)) if scope else None)

    def planned(have: State) -> list[Change]:
        changes = changes_towards(have, want_of(have, wanted if present else {}, keep_weights))
        return gently(changes) if drain else changes

    return Concern(
        read=read,
        plan=planned,
        apply=hands.apply if hands else kernel.apply,
        commands=commands,
        listing=listing,
        report=hands.report if hands else nothing_more,
    )


def told(params: dict[str, Any]) -> list[dict[str, Any]]:
    """All services of this host, as C(services) takes them."""
    return described(kernel.read((), lambda key: True))
