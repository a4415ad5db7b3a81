#!/usr/bin/python
# SPDX-FileCopyrightText: The lulab.lvs founders
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vip_address
short_description: Virtual addresses on an interface, which is created when it is a dummy
version_added: 0.1.0
description:
  - Puts the virtual addresses of services on an interface, or takes them off.
  - A dummy interface is created when it is absent and is left down, as kube-proxy does. The kernel serves the addresses
    of an interface that is down all the same.
  - An address that another interface has is refused, and so is C(169.254.1.1), the gateway of Calico's workloads.
  - Nothing of this survives a reboot.
author: The lulab.lvs founders (@lulab)
extends_documentation_fragment:
  - lulab.lvs.common
  - lulab.lvs.common.way_back
  - lulab.lvs.common.attributes
options:
  addresses:
    description:
      - Addresses, or addresses with a prefix length (C(192.0.2.10/24)).
      - Without one an address is added as C(/32) or C(/128), and removed whatever its prefix length is.
    type: list
    elements: str
    required: true
  interface:
    description:
      - Name of the interface.
      - Either this or O(interface_of) is required.
    type: str
  interface_of:
    description:
      - Use the interface that has this address. Only with O(kind=existing).
      - If none has it by now, O(state=absent) takes the addresses from where they are, as C(/32) or C(/128).
    type: str
  kind:
    description:
      - V(existing) is an interface that must be there.
      - V(dummy) is created when it is absent. An interface of that name that is no dummy is refused.
    type: str
    choices: [existing, dummy]
    default: existing
  exact:
    description: Remove all other addresses of the dummy interface.
    type: bool
    default: false
  remove_interface:
    description:
      - With O(state=absent) and O(kind=dummy), remove the interface too when it has no address left.
      - The default is V(true) for a dummy that this module has made and V(false) for one that was there before.
        Other interfaces are never removed.
    type: bool
  arp_exclusive:
    description:
      - Answer ARP only for addresses of the interface that was asked (C(arp_ignore=1)), and ask in the name of no other
        (C(arp_announce=2)). Use it where several hosts of one network have the same address.
      - When the last of the addresses goes that this was set for, both are set back to what they were.
    type: bool
    default: false
  state:
    description: Whether the addresses are there.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: The virtual address on the interface that has the host's own (experiment 1)
  lulab.lvs.vip_address:
    addresses: [169.254.1.100]
    interface_of: 10.130.17.30

- name: Virtual addresses on a dummy, and no others on it (experiment 3)
  lulab.lvs.vip_address:
    interface: dummy-ipvs0
    kind: dummy
    addresses: [169.254.2.100, "2001:db8::100"]
    exact: true

- name: Take one off; the dummy goes with its last address
  lulab.lvs.vip_address:
    interface: dummy-ipvs0
    kind: dummy
    addresses: [169.254.2.100]
    state: absent
"""

RETURN = r"""
commands:
  description: What one would have typed.
  type: list
  elements: str
  returned: success
  sample: [ip link add dummy-ipvs0 type dummy, ip address add 169.254.2.100/32 dev dummy-ipvs0]
interface:
  description: The interface; empty when there is none.
  type: str
  returned: success
  sample: dummy-ipvs0
addresses:
  description: Those of O(addresses) that the interface has after this task; of a dummy, all that it has.
  type: list
  elements: str
  returned: success
  sample: [169.254.2.100/32]
"""

from ansible_collections.lulab.lvs.plugins.module_utils.concern.vip_address import OPTIONS, build
from ansible_collections.lulab.lvs.plugins.module_utils.module import LvsModule
from ansible_collections.lulab.lvs.plugins.module_utils.run import run


def main() -> None:
    run(LvsModule(OPTIONS, supports_check_mode=True), build)


if __name__ == "__main__":
    main()
