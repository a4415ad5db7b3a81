#!/usr/bin/python
# SPDX-FileCopyrightText: The lulab.lvs founders
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_apply
short_description: Several modules of this collection in one trip, all or nothing
version_added: 0.1.0
description:
  - Takes steps in order, each of which is one module of this collection with its options.
  - When a step fails, the steps before it are taken back, last one first, so that the host is as it was.
  - The options of all steps are checked before the first step is taken, as far as that needs no look at the host.
  - A task costs a trip to the host and the start of Python there, which is many times the work of these modules. Ten
    steps take little longer than one.
  - In check mode each step is foretold from the host as it is now, and a network namespace that a step before it would
    make is taken for empty.
author: The lulab.lvs founders (@lulab)
extends_documentation_fragment:
  - lulab.lvs.common.attributes
options:
  steps:
    description:
      - A list of dictionaries. Each has one key that names a module, with or without C(lulab.lvs.) before it, and
        whose value is a dictionary of that module's options.
      - The modules are M(lulab.lvs.calico_veth), M(lulab.lvs.ipset_entry), M(lulab.lvs.ipvs_config),
        M(lulab.lvs.ipvs_service), M(lulab.lvs.lu_chains), M(lulab.lvs.lvs_node), M(lulab.lvs.systemd_unit) and
        M(lulab.lvs.vip_address).
      - Beside it may stand C(name), what a reader is told of the step, and C(when), a boolean; a step for which it is
        false is left out.
    type: list
    elements: dict
    required: true
requirements:
  - The privilege to configure the network (C(CAP_NET_ADMIN)), in most cases C(become=true).
"""

EXAMPLES = r"""
- name: A virtual service with its address, all or nothing
  lulab.lvs.lvs_apply:
    steps:
      - name: Put the virtual address on a dummy interface
        vip_address:
          interface: dummy-ipvs0
          kind: dummy
          addresses: [169.254.2.100]
      - name: Balance it over two real servers
        ipvs_service:
          address: 169.254.2.100
          port: 80
          servers:
            - {address: 10.130.17.30, port: 8888}
            - {address: 10.130.17.31, port: 8888}

- name: Take both back
  lulab.lvs.lvs_apply:
    steps:
      - ipvs_service: {address: 169.254.2.100, port: 80, state: absent}
      - vip_address: {interface: dummy-ipvs0, kind: dummy, addresses: [169.254.2.100], state: absent}
"""

RETURN = r"""
commands:
  description: What one would have typed, for all steps in order.
  type: list
  elements: str
  returned: success
  sample: [ip link add dummy-ipvs0 type dummy, ip address add 169.254.2.100/32 dev dummy-ipvs0]
steps:
  description: The steps that were taken, in order. Each has what its module returns beside these.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: Its name; that of the module where it has none.
      type: str
      sample: Put the virtual address on a dummy interface
    module:
      description: The module's name.
      type: str
      sample: vip_address
    changed:
      description: Whether this step changed something.
      type: bool
held_up:
  description:
    - Whether M(lulab.lvs.lvs_node) with its option C(hold) was a step and found something to do before the steps
      after it, which were left out.
  type: bool
  returned: success
diff:
  description: What each step that changes something shows, headed by its name.
  type: list
  elements: dict
  returned: in diff mode
undone:
  description: The commands of the changes that were taken back.
  type: list
  elements: str
  returned: when a step failed
standing:
  description: The commands of the changes that could not be taken back; empty unless undoing failed too.
  type: list
  elements: str
  returned: when a step failed
"""

from typing import Any

from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import locked, require_net_admin
from ansible_collections.lulab.lvs.plugins.module_utils.module import LvsModule
from ansible_collections.lulab.lvs.plugins.module_utils.run import finish
from ansible_collections.lulab.lvs.plugins.module_utils.steps import parse, take

OPTIONS: dict[str, Any] = {"steps": {"type": "list", "elements": "dict", "required": True}}


def main() -> None:
    module = LvsModule(OPTIONS, supports_check_mode=True)

    def work() -> dict[str, Any]:
        steps = parse(module.params["steps"])
        require_net_admin()
        with locked():
            return take(steps, module.check_mode, module._diff)

    finish(module, work)


if __name__ == "__main__":
    main()
