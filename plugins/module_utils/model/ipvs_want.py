# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""From declared services and what there is, to what is wanted."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs import ORDER, ServiceKey
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_options import Wanted
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State, plan


def want_of(have: State, declared: Mapping[ServiceKey, Wanted], keep_weights: bool = False) -> Dict[Any, Any]:
    """The state that ``declared`` asks for.

    ``have`` is restricted to the declared services and to those that may be pruned, so that what is not
    declared is not wanted. Servers that a declaration is silent on, and with ``keep_weights`` the weights
    of servers that are there already, stay as they are.
    """
    state: Dict[Tuple[str, Any], Any] = {}
    silent = {key for key, wanted in declared.items() if wanted.servers is None}
    for key, wanted in declared.items():
        state["service", key] = wanted.service
        for (address, port), server in (wanted.servers or {}).items():
            name = ("server", (key, address, port))
            if keep_weights and name in have:
                server = server._replace(weight=have[name].weight)
            state[name] = server
    if silent:
        state.update(
            (name, value) for name, value in have.items() if name[0] == "server" and service_of(name) in silent
        )
    return state


def service_of(name: Tuple[str, Any]) -> ServiceKey:
    """The service that the server of that name is of."""
    return name[1][0]  # type: ignore[no-any-return]


def changes_towards(have: State, want: State) -> List[Change]:
    """New servers stand before old ones go, so that a service always has someone to serve it."""
    return plan(have, want, ORDER, removals_first=False)
