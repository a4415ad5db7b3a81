#!/usr/bin/python
# SPDX-FileCopyrightText: The lulab.lvs founders
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host has, in the shape that the modules take."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_info
short_description: What a host has of virtual services, sets, chains and workload endpoints
version_added: 0.1.0
description:
  - Reads what the kernel has, whoever made it, and returns it in the shape that the options of the other modules have.
    What is returned can be edited and handed back. Handed back unedited, it changes nothing.
  - Loads no kernel module. What the kernel has not loaded holds nothing.
author: The lulab.lvs founders (@lulab)
extends_documentation_fragment:
  - lulab.lvs.common.attributes
attributes:
  diff_mode:
    support: N/A
    description: Returns what has changed, or in C(check_mode) would change, when in diff mode.
    details: Nothing is ever changed.
requirements:
  - The privilege to configure the network (C(CAP_NET_ADMIN)), in most cases C(become=true).
options:
  gather:
    description: What to read. The return value of the same name is there for each.
    type: list
    elements: str
    choices: [services, config, sets, chains, endpoints, routes, addresses]
    default: [services, config, sets, chains, endpoints, routes, addresses]
  entries:
    description: Whether the sets are returned with their entries, which may be tens of thousands.
    type: bool
    default: true
  chains:
    description: The names of the chains to look for, as for M(lulab.lvs.lu_chains).
    type: dict
    suboptions:
      services:
        description: Its default is V(LU-SERVICES).
        type: str
      mark_masq:
        description: Its default is V(LU-MARK-MASQ).
        type: str
      postrouting:
        description: Its default is V(LU-POSTROUTING).
        type: str
      forward:
        description: Its default is V(LU-FORWARD).
        type: str
      shield:
        description: Its default is V(LU-SHIELD).
        type: str
  variant:
    description: Which of the two kinds of iptables to look for chains in. V(auto) is the one that C(iptables) is.
    type: str
    choices: [auto, legacy, nft]
    default: auto
  netns:
    description:
      - Name of the network namespace to look into, as C(ip netns list) shows it.
      - The default is the namespace that the module is run in.
    type: str
seealso:
  - module: lulab.lvs.ipvs_service
  - module: lulab.lvs.ipvs_config
  - module: lulab.lvs.ipset_entry
  - module: lulab.lvs.lu_chains
  - module: lulab.lvs.calico_veth
  - module: lulab.lvs.vip_address
"""

EXAMPLES = r"""
- name: What is there
  lulab.lvs.lvs_info:
  register: there

- name: Only the virtual services
  lulab.lvs.lvs_info:
    gather: [services]
  register: table

- name: Give each of them the scheduler wlc, and leave all else as it is
  lulab.lvs.ipvs_service:
    services: "{{ table.services | map('combine', {'scheduler': 'wlc', 'scheduler_flags': []}) }}"

- name: Build the sets that are there once more, in a network namespace to try things in
  lulab.lvs.ipset_entry:
    name: "{{ item.name }}"
    type: "{{ item.type }}"
    family: "{{ item.family | default(omit) }}"
    comment: "{{ item.comment | default(omit) }}"
    timeout: "{{ item.timeout | default(omit) }}"
    entries: "{{ item.entries }}"
    netns: trial
  loop: "{{ there.sets }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
services:
  description: The virtual services, as O(lulab.lvs.ipvs_service#module:services) takes them.
  returned: when O(gather) has V(services)
  type: list
  elements: dict
  sample:
    - address: 169.254.2.100
      port: 80
      protocol: tcp
      scheduler: rr
      servers:
        - {address: 10.130.17.30, port: 8888, weight: 1, forward: masquerading}
config:
  description:
    - The settings of the IPVS table, as M(lulab.lvs.ipvs_config) takes them.
    - Where ip_vs is not loaded no daemon runs, and the timeouts are those that it begins with.
  returned: when O(gather) has V(config)
  type: dict
  sample:
    tcp_timeout: 900
    tcp_fin_timeout: 120
    udp_timeout: 300
    master: {state: absent}
    backup: {state: absent}
sets:
  description:
    - The sets, each as M(lulab.lvs.ipset_entry) takes it. One of type C(list:set) comes after those that it may hold.
    - What stands at its default is left out, and so are counters. A timeout is what is left of it.
  returned: when O(gather) has V(sets)
  type: list
  elements: dict
  sample:
    - name: LU-CLUSTER-IP
      type: hash:ip,port
      family: ipv4
      entries: ["169.254.2.100,tcp:80"]
chains:
  description:
    - The layout of the SNAT and filter chains, each as M(lulab.lvs.lu_chains) takes it, one a family.
    - Chains that stand in another way than that module lays them are left out, with a warning.
  returned: when O(gather) has V(chains)
  type: list
  elements: dict
  sample:
    - mark: 0x2000/0x2000
      match_sets:
        - {name: LU-CLUSTER-IP, flags: "dst,dst"}
endpoints:
  description:
    - The workload endpoints, as O(lulab.lvs.calico_veth#module:endpoints) takes them.
    - Pairs that are wired in another way than that module wires them are left out.
  returned: when O(gather) has V(endpoints)
  type: list
  elements: dict
  sample:
    - name: cali0
      namespace: ns0
      container_interface: veth0
      addresses: [172.16.0.10/24]
      gateway: 169.254.1.1
      mtu: 1500
      mac: ee:ee:ee:ee:ee:ee
      proxy_delay: 0
routes:
  description: The peer routes, as O(lulab.lvs.calico_veth#module:routes) takes them.
  returned: when O(gather) has V(routes)
  type: list
  elements: dict
  sample:
    - {to: 172.16.1.0/24, via: 10.130.17.31, interface: eth0}
addresses:
  description:
    - What may be virtual addresses, interface by interface, each as M(lulab.lvs.vip_address) takes it.
    - These are all addresses of dummies, and those of other interfaces that are no part of a network (/32, /128).
  returned: when O(gather) has V(addresses)
  type: list
  elements: dict
  sample:
    - interface: dummy-ipvs0
      kind: dummy
      addresses: [169.254.2.100/32]
"""

from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lulab.lvs.plugins.module_utils.concern import (
    calico_veth,
    ipset_entry,
    ipvs_config,
    ipvs_service,
    lu_chains,
    vip_address,
)
from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside, require_net_admin

TOLD: dict[str, Callable[[dict[str, Any]], Any]] = {
    "services": ipvs_service.told,
    "config": ipvs_config.told,
    "sets": ipset_entry.told,
    "chains": lu_chains.told,
    "endpoints": calico_veth.told,
    "routes": calico_veth.routes_told,
    "addresses": vip_address.told,
}
OPTIONS: dict[str, Any] = {
    "gather": {"type": "list", "elements": "str", "choices": list(TOLD), "default": list(TOLD)},
    "entries": {"type": "bool", "default": True},
    "chains": lu_chains.CHAINS,
    "variant": lu_chains.VARIANT,
    "netns": {"type": "str"},
}


def main() -> None:
    module = AnsibleModule(OPTIONS, supports_check_mode=True)
    try:
        require_net_admin()
        with inside(module.params["netns"]):
            told = {name: TOLD[name](module.params) for name in module.params["gather"]}
    except LvsError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(changed=False, **told)


if __name__ == "__main__":
    main()
