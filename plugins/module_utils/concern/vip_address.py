# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual addresses: the options of C(vip_address), and the concern that they make."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import network, vip_note
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import vip as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.link import reading
from ansible_collections.lulab.lvs.plugins.module_utils.model import vip as model
from ansible_collections.lulab.lvs.plugins.module_utils.model.network import commands, listing
from ansible_collections.lulab.lvs.plugins.module_utils.plan import State
from ansible_collections.lulab.lvs.plugins.module_utils.run import COMMON_OPTIONS, Concern

OPTIONS: dict[str, Any] = {
    "addresses": {"type": "list", "elements": "str", "required": True},
    "interface": {"type": "str"},
    "interface_of": {"type": "str"},
    "kind": {"type": "str", "choices": ["existing", "dummy"], "default": "existing"},
    "exact": {"type": "bool", "default": False},
    "remove_interface": {"type": "bool"},
    "arp_exclusive": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    **COMMON_OPTIONS,
}


def build(params: dict[str, Any]) -> Concern:
    wish = model.parse(params)
    interface: Optional[str] = None

    def read() -> State:
        nonlocal interface
        with reading():
            state, interface = kernel.read(wish)
        return state

    return Concern(
        read=read,
        plan=lambda have: model.towards(wish, have, interface),
        apply=network.apply,
        commands=commands,
        listing=listing,
        report=lambda state: model.report(wish, state, interface),
        notes=vip_note.note_commands,
    )


def told(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Virtual addresses of this host, interface by interface, as the options take them."""
    with reading():
        return kernel.found()
