# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workload endpoints: the options of C(calico_veth), and the concern that they make."""

from __future__ import annotations

from typing import Any

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import endpoint as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import endpoint_found, namespace, network
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.link import reading
from ansible_collections.lulab.lvs.plugins.module_utils.model import endpoint as model
from ansible_collections.lulab.lvs.plugins.module_utils.model.network import commands, listing
from ansible_collections.lulab.lvs.plugins.module_utils.plan import State
from ansible_collections.lulab.lvs.plugins.module_utils.run import COMMON_OPTIONS, Concern, is_so

ENDPOINT: dict[str, Any] = {
    "name": {"type": "str"},
    "namespace": {"type": "str"},
    "container_interface": {"type": "str"},
    "addresses": {"type": "list", "elements": "str"},
    "gateway": {"type": "str"},
    "gateway6": {"type": "str"},
    "mtu": {"type": "int"},
    "mac": {"type": "str"},
    "proxy_delay": {"type": "int"},
}
ROUTE: dict[str, Any] = {
    "to": {"type": "str", "required": True},
    "via": {"type": "str", "required": True},
    "interface": {"type": "str"},
}
OPTIONS: dict[str, Any] = {
    **ENDPOINT,
    "endpoints": {"type": "list", "elements": "dict", "options": ENDPOINT},
    "routes": {"type": "list", "elements": "dict", "options": ROUTE},
    "route_protocol": {"type": "int", "default": model.ROUTE_PROTOCOL},
    "prune_routes": {"type": "bool", "default": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    **COMMON_OPTIONS,
}


def build(params: dict[str, Any]) -> Concern:
    wish = model.parse(params)
    facts = model.Facts({}, {})

    def read() -> State:
        nonlocal facts
        with reading():
            state, facts = kernel.survey(wish)
        return state

    return Concern(
        read=read,
        plan=lambda have: model.towards(wish, facts, have),
        apply=network.apply,
        commands=commands,
        listing=listing,
        report=lambda state: model.report(wish, state),
        notes=namespace.note_commands,
    )


def told(params: dict[str, Any]) -> list[dict[str, Any]]:
    """The endpoints of this host that are wired as this module wires them, as C(endpoints) takes them."""
    with reading():
        found = endpoint_found.endpoints()
    return [endpoint for endpoint in found if is_so(build, OPTIONS, {"endpoints": [endpoint]})]


def routes_told(params: dict[str, Any]) -> list[dict[str, Any]]:
    """The peer routes of this host, as C(routes) takes them."""
    with reading():
        return endpoint_found.peer_routes(model.ROUTE_PROTOCOL)
