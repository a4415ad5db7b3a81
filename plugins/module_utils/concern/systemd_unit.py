# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""A systemd unit: the options of C(systemd_unit), and the concern that they make."""

from __future__ import annotations

from typing import Any

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import unit as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.model import unit as model
from ansible_collections.lulab.lvs.plugins.module_utils.plan import State, plan
from ansible_collections.lulab.lvs.plugins.module_utils.run import Concern

OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "content": {"type": "str"},
    "enabled": {"type": "bool", "default": False},
    "started": {"type": "bool", "default": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def build(params: dict[str, Any]) -> Concern:
    wish = model.parse(params)
    known = False

    def read() -> State:
        nonlocal known
        have = kernel.read(wish.name)
        known = wish.text is not None and not have and kernel.is_known(wish.name)
        return model.seen(wish, have)

    return Concern(
        read=read,
        plan=lambda have: plan(have, model.want_of(wish, known), [model.KIND]),
        apply=kernel.apply,
        commands=model.commands,
        listing=model.listing,
    )
