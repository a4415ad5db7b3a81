# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Layouts of lu_chains for tests without a kernel: options as the module hands them on, and what they make."""

from __future__ import annotations

from typing import Any

from ansible_collections.lulab.lvs.plugins.module_utils.model import chains
from ansible_collections.lulab.lvs.plugins.module_utils.model.chains_options import parse
from ansible_collections.lulab.lvs.plugins.module_utils.model.ruleset import parse_save
from ansible_collections.lulab.lvs.plugins.module_utils.plan import applied

DEFAULTS: dict[str, Any] = {
    "state": "present",
    "layout": False,
    "chains": None,
    "mark": "0x2000/0x2000",
    "match_sets": None,
    "comments": None,
    "position": "append",
    "masquerade": "all",
    "outside": None,
    "kube_proxy": False,
    "ipvs_rules": None,
    "forward_accept": False,
    "forward_networks": None,
    "shield": None,
    "family": "ipv4",
}
A_SET = {"name": "LU-SERVICE-IP", "flags": "dst,dst", "comment": chains.MATCH_COMMENT, "family": None}
EXPERIMENT_2 = {"match_sets": [A_SET]}
SHIELDED = {"addresses": ["192.0.2.1"], "address_sets": None, "services": None, "service_sets": None}
OWN_JUMP = '-m comment --comment "lu forwarding rules" -j LU-FORWARD'


def layout_of(**options: Any) -> chains.Layout:
    return parse({**DEFAULTS, **options})


def have_of(layout: chains.Layout, text: str = "") -> dict[Any, Any]:
    return {
        key: value
        for family in layout.families
        for key, value in chains.state_from(layout, family, parse_save(text)).items()
    }


def after(layout: chains.Layout, have: dict[Any, Any]) -> dict[Any, Any]:
    return applied(have, chains.towards(layout, have))
