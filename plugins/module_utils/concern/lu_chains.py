# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The chains that have traffic masqueraded: the options of C(lu_chains), and the concern that they make."""

from __future__ import annotations

from functools import partial
from typing import Any

from ansible.module_utils.common.warnings import warn

from ansible_collections.lulab.lvs.plugins.module_utils.errors import Unsupported
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import iptables as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.model import chains as model
from ansible_collections.lulab.lvs.plugins.module_utils.model.chains_cautions import cautions, forward_policies
from ansible_collections.lulab.lvs.plugins.module_utils.model.chains_options import chain_names, parse
from ansible_collections.lulab.lvs.plugins.module_utils.model.chains_told import guesses
from ansible_collections.lulab.lvs.plugins.module_utils.model.ruleset import FAMILIES, boot_lines, commands, listing
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State
from ansible_collections.lulab.lvs.plugins.module_utils.run import COMMON_OPTIONS, Concern, is_so

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
CHAINS: dict[str, Any] = {"type": "dict", "options": {kind: {"type": "str"} for kind in model.CHAINS}}
VARIANT = {"type": "str", "choices": ["auto", "legacy", "nft"], "default": "auto"}
OPTIONS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "layout": {"type": "bool", "default": False},
    "chains": CHAINS,
    "mark": {"type": "str", "default": "0x2000/0x2000"},
    "match_sets": {"type": "list", "elements": "dict", "options": MATCH_SET},
    "comments": {"type": "dict", "options": {kind: {"type": "str"} for kind in model.COMMENTS}},
    "position": {"type": "str", "choices": ["append", "first"], "default": "append"},
    "masquerade": {"type": "str", "choices": ["all", "outside", "host"], "default": "all"},
    "outside": NAMES,
    "kube_proxy": {"type": "bool", "default": False},
    "ipvs_rules": {"type": "list", "elements": "dict", "options": SERVICE},
    "forward_accept": {"type": "bool", "default": False},
    "forward_networks": NAMES,
    "shield": {"type": "dict", "options": SHIELD},
    "family": {"type": "str", "choices": ["ipv4", "ipv6", "both"], "default": "ipv4"},
    "variant": VARIANT,
    **COMMON_OPTIONS,
}


def build(params: dict[str, Any]) -> Concern:
    layout = parse(params)
    variant = params["variant"]

    def report(state: State) -> dict[str, Any]:
        for caution in cautions(layout, state):
            warn(caution)
        return {"forward_policy": forward_policies(state), "variant": kernel.variant_of(variant)}

    def read() -> State:
        return kernel.read(kernel.with_sets(layout), variant)

    def plan(have: State) -> list[Change]:
        return model.towards(kernel.with_sets(layout), have)

    return Concern(
        read=read,
        plan=plan,
        apply=partial(kernel.apply, layout=layout, variant=variant),
        commands=partial(commands, suffix=kernel.SUFFIX[variant]),
        listing=listing,
        report=report,
        script=partial(boot_lines, suffix=kernel.SUFFIX[variant]),
    )


def told(params: dict[str, Any]) -> list[dict[str, Any]]:
    """The layout of this host's chains, one a family, as the options take it."""
    names = chain_names(params["chains"] or {})
    layouts = []
    for family in FAMILIES:
        try:
            tables = kernel.tables(family, kernel.SUFFIX[params["variant"]])
        except kernel.MissingTool:  # without it nobody has laid any
            continue
        except Unsupported as reason:
            warn("the %s chains are left out: %s" % (family, reason))
            continue
        shape = {} if params["variant"] == "auto" else {"variant": params["variant"]}
        guessed = [{**shape, **options} for options in guesses(tables, family, names)]
        right = next((options for options in guessed if is_so(build, OPTIONS, options)), None)
        if right is not None:
            layouts.append(right)
        elif guessed:
            warn(
                "the %s rules of %s are not as lu_chains lays them, and left out" % (family, ", ".join(names.values()))
            )
    return layouts
