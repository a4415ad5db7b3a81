# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The chains that have traffic masqueraded: the options of C(lu_chains), and the concern that they make."""

from __future__ import annotations

from functools import partial
from typing import Any

from ansible.module_utils.common.warnings import warn

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import iptables as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.model import chains as model
from ansible_collections.lulab.lvs.plugins.module_utils.model.chains_options import parse
from ansible_collections.lulab.lvs.plugins.module_utils.model.ruleset import commands, listing
from ansible_collections.lulab.lvs.plugins.module_utils.plan import State
from ansible_collections.lulab.lvs.plugins.module_utils.run import COMMON_OPTIONS, Concern

FAMILY = {"type": "str", "choices": ["ipv4", "ipv6"]}
PROTOCOL = {"type": "str", "choices": ["tcp", "udp", "sctp"]}
NAMES = {"type": "list", "elements": "str"}
SERVICE: dict[str, Any] = {
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "protocol": PROTOCOL,
}
MATCH_SET = {
    "name": {"type": "str", "required": True},
    "flags": {"type": "str", "default": "dst,dst"},
    "comment": {"type": "str", "default": model.MATCH_COMMENT},
    "family": FAMILY,
}
SHIELD = {
    "addresses": NAMES,
    "address_sets": NAMES,
    "services": {
        "type": "list",
        "elements": "dict",
        "options": {**SERVICE, "protocol": {**PROTOCOL, "default": "tcp"}},
    },
    "service_sets": NAMES,
}
OPTIONS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "layout": {"type": "bool", "default": False},
    "chains": {"type": "dict", "options": {kind: {"type": "str"} for kind in model.CHAINS}},
    "mark": {"type": "str", "default": "0x2000/0x2000"},
    "match_sets": {"type": "list", "elements": "dict", "options": MATCH_SET},
    "comments": {"type": "dict", "options": {kind: {"type": "str"} for kind in model.COMMENTS}},
    "position": {"type": "str", "choices": ["append", "first"], "default": "append"},
    "masquerade": {"type": "str", "choices": ["all", "outside", "host"], "default": "all"},
    "outside": NAMES,
    "kube_proxy": {"type": "bool", "default": False},
    "ipvs_rules": {"type": "list", "elements": "dict", "options": SERVICE},
    "forward_accept": {"type": "bool", "default": False},
    "shield": {"type": "dict", "options": SHIELD},
    "family": {"type": "str", "choices": ["ipv4", "ipv6", "both"], "default": "ipv4"},
    "variant": {"type": "str", "choices": ["auto", "legacy", "nft"], "default": "auto"},
    **COMMON_OPTIONS,
}


def build(params: dict[str, Any]) -> Concern:
    layout = parse(params)
    variant = params["variant"]

    def report(state: State) -> dict[str, Any]:
        for caution in model.cautions(layout, state):
            warn(caution)
        return {"forward_policy": model.forward_policies(state), "variant": kernel.variant_of(variant)}

    return Concern(
        read=partial(kernel.read, layout, variant),
        plan=partial(model.towards, layout),
        apply=partial(kernel.apply, sets=layout.sets(), variant=variant),
        commands=partial(commands, suffix=kernel.SUFFIX[variant]),
        listing=listing,
        report=report,
    )
