# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: peer_routes
short_description: Routes from one host to the pods of all others
version_added: 0.1.0
description: For every other host of a topology, a route to its C(pod_cidr) via its C(host_ip).
author: The lulab.lvs founders (@lulab)
positional: name
requirements: [netaddr]
options:
  _input:
    description: A topology, as P(lulab.lvs.topology#filter) gives it.
    type: list
    elements: dict
    required: true
  name:
    description: The host that needs the routes, one of the topology.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the routes that this host needs
  ansible.builtin.debug:
    msg: "{{ groups.lvs | lulab.lvs.topology(hostvars) | lulab.lvs.peer_routes(inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: Dictionaries with RV(ignore:to) and RV(ignore:via), as O(lulab.lvs.calico_veth#module:routes) takes them.
  type: list
  elements: dict
"""

from typing import Any, Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError

from ansible_collections.lulab.lvs.plugins.plugin_utils import topology as model


def peer_routes(hosts: Sequence[Mapping[str, Any]], name: str) -> list[dict[str, str]]:
    try:
        return model.peer_routes([model.Host(**host) for host in hosts], name)
    except model.TopologyError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"peer_routes": peer_routes}
