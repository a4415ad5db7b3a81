# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: topology
short_description: The hosts of a group as a checked topology
version_added: 0.1.0
description:
  - Reads C(host_ip), C(pod_cidr) and C(pod_ip) of every host and checks them against each other.
  - Malformed or overlapping networks, two hosts with one address, and a virtual address or port that cannot work
    are one clear error, raised on the controller before any host is touched.
author: The lulab.lvs founders (@lulab)
positional: hostvars
requirements: [netaddr]
options:
  _input:
    description: Names of the hosts, as in C(groups.lvs).
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of the hosts.
    type: dict
    required: true
  needs:
    description: Variables that every host must have.
    type: list
    elements: str
    default: [host_ip]
  vip:
    description: A virtual address to check against the hosts' addresses.
    type: str
  ports:
    description: Ports to check, by the name of the variable that gives each.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show the topology
  ansible.builtin.debug:
    msg: "{{ groups.lvs | lulab.lvs.topology(hostvars, vip='169.254.2.100') }}"
"""

RETURN = r"""
_value:
  description: A dictionary a host, with RV(ignore:name), RV(ignore:host_ip), RV(ignore:pod_cidr) and RV(ignore:pod_ip).
  type: list
  elements: dict
"""

from typing import Any, Callable, Mapping, Optional, Sequence

from ansible.errors import AnsibleFilterError

from ansible_collections.lulab.lvs.plugins.plugin_utils import topology as model


def topology(
    names: Sequence[str],
    hostvars: Mapping[str, Any],
    needs: Sequence[str] = ("host_ip",),
    vip: Optional[str] = None,
    ports: Optional[Mapping[str, Any]] = None,
) -> list[dict[str, Optional[str]]]:
    try:
        hosts = model.topology(names, hostvars, needs)
        if vip is not None:
            model.check_vip(hosts, vip)
        for variable, port in (ports or {}).items():
            model.check_port(variable, port)
    except model.TopologyError as error:
        raise AnsibleFilterError(str(error)) from error
    return model.as_plain(hosts)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"topology": topology}
