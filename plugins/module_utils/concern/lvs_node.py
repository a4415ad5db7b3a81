# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host made ready: the options of C(lvs_node), and the concern that they make."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import node as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.model import node as model
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State, plan
from ansible_collections.lulab.lvs.plugins.module_utils.run import COMMON_OPTIONS, Concern

OPTIONS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "owner": {"type": "str", "default": "node"},
    "kernel_modules": {"type": "list", "elements": "str", "default": []},
    "sysctls": {"type": "dict", "default": {}},
    "holds": {"type": "list", "elements": "str", "default": []},
    "reaches": {"type": "list", "elements": "str", "default": []},
    "free": {"type": "list", "elements": "str", "default": []},
    "tools": {"type": "list", "elements": "str", "default": []},
    "record": {"type": "dict"},
    "forget_others": {"type": "bool", "default": False},
    "hold": {"type": "bool", "default": False},
    **COMMON_OPTIONS,
}


def build(params: dict[str, Any]) -> Concern:
    node = model.parse(params)
    _check_hold(params)
    present = params["state"] == "present"
    ledger = kernel.ledger_file(params["netns"])

    def read() -> State:
        if present:
            kernel.check_host(node, ledger)
        return kernel.read(node, ledger)

    def towards(have: State) -> list[Change]:
        if params["hold"]:
            return []
        want = model.prepared(node, have) if present else model.restored(node.owner, have)
        return plan(have, want, model.ORDER, removals_first=False)

    def report(state: State) -> dict[str, Any]:
        records = model.ledger_of(state).share(node.owner).records
        missing = kernel.missing_tools(node)
        stale = [json.loads(text) for text in model.stale(node, state)]
        in_the_way = missing or stale or not model.is_noted(node, state)
        return {
            "missing_tools": missing,
            "records": [json.loads(text) for text in records],
            "stale": stale,
            "held_up": bool(params["hold"] and in_the_way),
        }

    return Concern(read, towards, partial(kernel.apply, path=ledger), model.commands, model.listing, report)


def _check_hold(params: dict[str, Any]) -> None:
    """Raise ``BadInput`` for what would change the host beside ``hold``, which only looks."""
    for option, idle in (("state", "present"), ("boot_script", None), ("forget_others", False)):
        if params["hold"] and params.get(option) != idle:
            raise BadInput(option, params[option], "leave it out together with hold, which changes nothing")
