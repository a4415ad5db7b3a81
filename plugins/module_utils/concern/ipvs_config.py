# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of the whole IPVS table: the options of C(ipvs_config), and the concern that they make."""

from __future__ import annotations

from typing import Any

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipvs_config as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.ipvs import require_ip_vs
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_config import (
    changes_towards,
    commands,
    declared,
    described,
    listing,
    want_of,
)
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State
from ansible_collections.lulab.lvs.plugins.module_utils.run import COMMON_OPTIONS, Concern

DAEMON = {
    "state": {"type": "str", "choices": ["present", "absent"]},
    "interface": {"type": "str"},
    "syncid": {"type": "int"},
    "sync_maxlen": {"type": "int"},
    "mcast_group": {"type": "str"},
    "mcast_port": {"type": "int"},
    "mcast_ttl": {"type": "int"},
}
OPTIONS = {
    **COMMON_OPTIONS,
    "tcp_timeout": {"type": "int"},
    "tcp_fin_timeout": {"type": "int"},
    "udp_timeout": {"type": "int"},
    "master": {"type": "dict", "options": DAEMON},
    "backup": {"type": "dict", "options": DAEMON},
}


def build(params: dict[str, Any]) -> Concern:
    wanted = declared(params)

    def towards(have: State) -> list[Change]:
        return changes_towards(have, want_of(have, wanted, kernel.mtu_of))

    def read() -> State:
        have = kernel.read()
        if towards(have):
            require_ip_vs()
        return have

    return Concern(read=read, plan=towards, apply=kernel.apply, commands=commands, listing=listing)


def told(params: dict[str, Any]) -> dict[str, Any]:
    """The settings of this host, as the options take them."""
    return described(kernel.read())
