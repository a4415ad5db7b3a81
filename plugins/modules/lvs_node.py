#!/usr/bin/python
# SPDX-FileCopyrightText: The lulab.lvs founders
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_node
short_description: Make a host ready to be a node, and remember what it was before
version_added: 0.1.0
description:
  - Checks that the host can do what is asked of it, loads kernel modules, then sets sysctls, in this order,
    because C(net.ipv4.vs.conntrack) exists only once C(ip_vs) is loaded.
  - Writes each sysctl's value from before the first change to C(/var/lib/lulab-lvs/node.json), with who wants which
    value, so that O(state=absent) puts it back. The values do not survive a reboot, the file does.
  - Nothing is changed unless all checks pass.
author: The lulab.lvs founders (@lulab)
extends_documentation_fragment:
  - lulab.lvs.common
  - lulab.lvs.common.way_back
  - lulab.lvs.common.attributes
options:
  state:
    description:
      - V(present) makes the host ready.
      - V(absent) puts back the sysctls that were changed for O(owner) and forgets its records. What another owner wants
        too stays until that one is taken back, and a sysctl that is gone by now is only forgotten.
      - Kernel modules stay loaded, as others may use them by now.
    type: str
    choices: [present, absent]
    default: present
  owner:
    description:
      - On whose behalf it is done. What one owner asked for is not taken back with what another one did.
      - The roles of the experiments are C(experiments).
    type: str
    default: node
  kernel_modules:
    description: Kernel modules to load.
    type: list
    elements: str
    default: []
  sysctls:
    description:
      - Sysctls to set, by dotted name, each to a number or a text; V(true) is V(1) and V(false) is V(0).
      - One that does not exist is refused, unless one of O(kernel_modules) is still to be loaded, which may bring it.
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
    description: Addresses that no interface of this host may have, checked as long as O(owner) has no records here.
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
      - Records that differ from it are returned as RV(stale), so that what they describe can be removed. Its key
        C(expects) does not count, that one is replaced.
    type: dict
  forget_others:
    description: Forget every record of O(owner) but O(record).
    type: bool
    default: false
  hold:
    description:
      - Only check, and change nothing.
      - As a step of M(lulab.lvs.lvs_apply), leave out the steps after this one when there is something to do before
        them, which are RV(missing_tools) to install and what RV(stale) describes to remove.
      - Leave them out too when O(record) is not among RV(records) yet, so that every host of a play can be checked
        before one of them is changed.
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

- name: Let the host forward on behalf of the firewall's playbook, whatever others take back
  lulab.lvs.lvs_node:
    owner: firewall
    sysctls:
      net.ipv4.ip_forward: true
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
  description: All records of O(owner) on the host, oldest first, after this task.
  type: list
  elements: dict
  returned: success
stale:
  description: Those of RV(records) that are not O(record).
  type: list
  elements: dict
  returned: success
held_up:
  description: Whether O(hold) is set and something is to be done first.
  type: bool
  returned: success
"""

from ansible_collections.lulab.lvs.plugins.module_utils.concern.lvs_node import OPTIONS, build
from ansible_collections.lulab.lvs.plugins.module_utils.module import LvsModule
from ansible_collections.lulab.lvs.plugins.module_utils.run import run


def main() -> None:
    run(LvsModule(OPTIONS, supports_check_mode=True), build)


if __name__ == "__main__":
    main()
