#!/usr/bin/python
# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_node
short_description: Make a host ready to be a node, and remember what it was before
version_added: 0.1.0
description:
  - Checks that the host can do what is asked of it, loads kernel modules, then sets sysctls, in this order,
    because C(net.ipv4.vs.conntrack) exists only once C(ip_vs) is loaded.
  - Writes each sysctl's value from before the first change to C(/var/lib/lulab-lvs/node.json), so that O(state=absent)
    puts it back. The values do not survive a reboot, the file does.
  - Nothing is changed unless all checks pass.
author: The lulab.lvs founders (@lulab)
extends_documentation_fragment:
  - lulab.lvs.common
  - lulab.lvs.common.attributes
options:
  state:
    description:
      - V(present) makes the host ready.
      - V(absent) puts back the sysctls that were changed and forgets all records. Kernel modules stay loaded, as
        others may use them by now.
    type: str
    choices: [present, absent]
    default: present
  kernel_modules:
    description: Kernel modules to load.
    type: list
    elements: str
    default: []
  sysctls:
    description: Sysctls to set, by dotted name.
    type: dict
    default: {}
  holds:
    description: Addresses that an interface of this host must have.
    type: list
    elements: str
    default: []
  reaches:
    description: Addresses that a route of this host must cover.
    type: list
    elements: str
    default: []
  free:
    description: Addresses that no interface of this host may have, checked as long as the host has no records.
    type: list
    elements: str
    default: []
  tools:
    description: Commands to look for. What is not found is returned as RV(missing_tools), it is no error.
    type: list
    elements: str
    default: []
  record:
    description:
      - A description of what is going to be built on this host, kept until it is forgotten.
      - Records that differ from it are returned as RV(stale), so that what they describe can be removed.
    type: dict
  forget_others:
    description: Forget every record but O(record).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Make the host ready for IPVS with SNAT
  lulab.lvs.lvs_node:
    kernel_modules: [ip_vs, ip_vs_rr]
    sysctls:
      net.ipv4.ip_forward: 1
      net.ipv4.vs.conntrack: 1

- name: Put back what was changed
  lulab.lvs.lvs_node:
    state: absent
"""

RETURN = r"""
commands:
  description: What one would have typed.
  type: list
  elements: str
  returned: success
  sample: [modprobe ip_vs, "sysctl -w net.ipv4.vs.conntrack='1'"]
missing_tools:
  description: Those of O(tools) that the host does not have.
  type: list
  elements: str
  returned: success
records:
  description: All records on the host, oldest first, after this task.
  type: list
  elements: dict
  returned: success
stale:
  description: Those of RV(records) that are not O(record).
  type: list
  elements: dict
  returned: success
"""

import json
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import node as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.model import node as model
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State, plan
from ansible_collections.lulab.lvs.plugins.module_utils.run import COMMON_OPTIONS, Concern, run

OPTIONS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "kernel_modules": {"type": "list", "elements": "str", "default": []},
    "sysctls": {"type": "dict", "default": {}},
    "holds": {"type": "list", "elements": "str", "default": []},
    "reaches": {"type": "list", "elements": "str", "default": []},
    "free": {"type": "list", "elements": "str", "default": []},
    "tools": {"type": "list", "elements": "str", "default": []},
    "record": {"type": "dict"},
    "forget_others": {"type": "bool", "default": False},
    **COMMON_OPTIONS,
}


def build(params: dict[str, Any]) -> Concern:
    node = model.parse(params)
    present = params["state"] == "present"
    ledger = kernel.ledger_file(params["netns"])

    def read() -> State:
        if present:
            kernel.check_host(node, ledger)
        return kernel.read(node, ledger)

    def towards(have: State) -> list[Change]:
        want = model.prepared(node, have) if present else model.restored(have)
        return plan(have, want, model.ORDER, removals_first=False)

    def report(state: State) -> dict[str, Any]:
        records = model.ledger_of(state).records
        return {
            "missing_tools": kernel.missing_tools(node),
            "records": [json.loads(text) for text in records],
            "stale": [json.loads(text) for text in records if text != node.record],
        }

    return Concern(read, towards, partial(kernel.apply, path=ledger), model.commands, model.listing, report)


def main() -> None:
    run(AnsibleModule(OPTIONS, supports_check_mode=True), build)


if __name__ == "__main__":
    main()
