# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: real_servers
short_description: The real servers of a topology
version_added: 0.1.0
description: Every host's address, or its pod's, with a port.
author: The lulab.lvs founders (@lulab)
positional: variable, port
requirements: [netaddr]
options:
  _input:
    description: A topology, as P(lulab.lvs.topology#filter) gives it.
    type: list
    elements: dict
    required: true
  variable:
    description: Which address of a host serves.
    type: str
    choices: [host_ip, pod_ip]
    required: true
  port:
    description: The port that the real servers listen on.
    type: int
    required: true
  answers:
    description:
      - Whether to add what each server's C(/lu) answers, as O(lulab.lvs.lvs_probe#module:real_servers) takes it.
    type: bool
    default: false
  declared:
    description:
      - Take these servers instead, dictionaries with C(address) and C(port), but for those of weight 0.
      - With O(answers), those that are a host's own have its answer.
    type: list
    elements: dict
"""

EXAMPLES = r"""
- name: Show the pods as real servers
  ansible.builtin.debug:
    msg: "{{ groups.lvs | lulab.lvs.topology(hostvars) | lulab.lvs.real_servers('pod_ip', 8888) }}"
"""

RETURN = r"""
_value:
  description:
    - Dictionaries with RV(ignore:address) and RV(ignore:port), as O(lulab.lvs.ipvs_service#module:servers) takes them.
  type: list
  elements: dict
"""

from typing import Any, Callable, Mapping, Optional, Sequence

from ansible.errors import AnsibleFilterError

from ansible_collections.lulab.lvs.plugins.plugin_utils import topology as model


def real_servers(
    hosts: Sequence[Mapping[str, Any]],
    variable: str,
    port: int,
    answers: bool = False,
    declared: Optional[Sequence[Mapping[str, Any]]] = None,
) -> list[dict[str, Any]]:
    try:
        own = model.real_servers([model.Host(**host) for host in hosts], variable, int(port), answers)
        return own if declared is None else model.declared_servers(declared, own)
    except model.TopologyError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"real_servers": real_servers}
