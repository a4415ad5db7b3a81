#!/usr/bin/python
# SPDX-FileCopyrightText: The lulab.lvs founders
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: calico_veth
short_description: Workload endpoints, wired as Calico does
version_added: 0.1.0
description:
  - An endpoint is a network namespace joined to the host by a veth pair. Inside, all traffic goes to a gateway that
    nobody has (C(169.254.1.1)); the host side of the pair answers for it (proxy ARP) and the host routes the rest.
  - What is half built is completed. What somebody else has in the same place (an interface's name, an address, a route)
    is refused before anything is changed.
  - The trick needs a route of the host that covers the gateway; a default route does. A host without one is refused.
  - Forwarding (C(net.ipv4.ip_forward), C(net.ipv6.conf.all.forwarding)) is the host's business and not touched here.
  - Nothing of this survives a reboot.
author: The lulab.lvs founders (@lulab)
extends_documentation_fragment:
  - lulab.lvs.common
  - lulab.lvs.common.way_back
  - lulab.lvs.common.attributes
options:
  name:
    description: Name of the host side interface. The default is V(cali0).
    type: str
  namespace:
    description:
      - Name of the workload's network namespace, created when it is absent. The default is V(ns0).
      - Names are the host's, as C(ip netns) shows them, also when the host side is in another namespace (O(netns)).
    type: str
  container_interface:
    description: Name of the interface inside the namespace. The default is V(veth0).
    type: str
  addresses:
    description:
      - The workload's addresses, IPv4, IPv6 or both, with the prefix length that they get inside the namespace.
      - Without one it is C(/32) or C(/128), as Calico has it. For IPv6 keep to C(/128), as neighbours
        of a longer network are not reached through the host.
      - They are all that the interface has, others are removed. Required with O(state=present).
    type: list
    elements: str
  gateway:
    description: The IPv4 gateway. The default is V(169.254.1.1).
    type: str
  gateway6:
    description:
      - The IPv6 gateway, a link-local address that the host side gets. The default is V(fe80::ecee:eeff:feee:eeee).
    type: str
  mtu:
    description:
      - MTU of both ends.
      - The default is that of the uplink, the interface by which the host's own route to the gateway leads.
    type: int
  mac:
    description: MAC address of the host side. Calico's is V(ee:ee:ee:ee:ee:ee); the default is the kernel's choice.
    type: str
  proxy_delay:
    description:
      - How long the host side waits before it answers for others, at most, in 1/100 s. The default is V(0).
      - With the kernel's own 80, the first packet waits up to 0.8 s.
      - Many kernels round an odd number down to an even one.
    type: int
  endpoints:
    description: Several endpoints, each with the options above. Then none of these may be given outside the list.
    type: list
    elements: dict
    suboptions:
      name:
        description: As above.
        type: str
      namespace:
        description: As above.
        type: str
      container_interface:
        description: As above.
        type: str
      addresses:
        description: As above.
        type: list
        elements: str
      gateway:
        description: As above.
        type: str
      gateway6:
        description: As above.
        type: str
      mtu:
        description: As above.
        type: int
      mac:
        description: As above.
        type: str
      proxy_delay:
        description: As above.
        type: int
  routes:
    description:
      - Routes to the workloads of other hosts.
      - Where a route of somebody else leads the same way, it stays as it is, whatever its metric.
      - Where it leads another way, nowhere (C(blackhole)), or by several next hops, it is refused.
    type: list
    elements: dict
    suboptions:
      to:
        description: The network of the other host's workloads.
        type: str
        required: true
      via:
        description: The other host's address, which must be a neighbour.
        type: str
        required: true
      interface:
        description: The interface to use. The default is the one by which O(routes[].via) is reached.
        type: str
  route_protocol:
    description:
      - The protocol number that O(routes) carry, so that they can be told from others' routes.
    type: int
    default: 96
  prune_routes:
    description:
      - Remove routes of O(route_protocol) that are not in O(routes).
      - With O(state=present), this is done only if O(routes) is given, be it empty.
      - With O(state=absent), it is done in any case. Set it to V(false) where other endpoints stay on the host.
    type: bool
    default: true
  state:
    description:
      - With V(absent), the pair and the routes go.
      - A pair whose other end is neither in O(namespace) nor, as O(container_interface), on the host is nobody's
        endpoint and is refused.
      - The namespace goes too if this module made it and nothing else in it is up.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: The endpoint of experiment 4, and the way to the other host's
  lulab.lvs.calico_veth:
    name: cali0
    namespace: ns0
    container_interface: veth0
    addresses: [172.16.0.10/24]
    routes:
      - to: 172.16.1.0/24
        via: 10.130.17.31

- name: Two endpoints as Calico makes them, one of them with IPv6 as well
  lulab.lvs.calico_veth:
    endpoints:
      - name: cali1
        namespace: web
        addresses: [172.16.0.11]
        mac: ee:ee:ee:ee:ee:ee
      - name: cali2
        namespace: db
        addresses: [172.16.0.12, "fd00:16::12"]
        mac: ee:ee:ee:ee:ee:ee
        mtu: 1450

- name: Remove an endpoint and all peer routes
  lulab.lvs.calico_veth:
    name: cali0
    namespace: ns0
    state: absent
"""

RETURN = r"""
commands:
  description: What one would have typed.
  type: list
  elements: str
  returned: success
  sample: [ip netns add ns0, ip link add cali0 type veth peer name veth0 netns ns0]
endpoints:
  description: The endpoints that are there after this task.
  type: list
  elements: dict
  returned: success
  sample:
    - name: cali0
      namespace: ns0
      container_interface: veth0
      addresses: [172.16.0.10/24]
      mtu: 1500
      mac: 6a:0d:5b:f1:21:9e
"""

from ansible_collections.lulab.lvs.plugins.module_utils.concern.calico_veth import OPTIONS, build
from ansible_collections.lulab.lvs.plugins.module_utils.module import LvsModule
from ansible_collections.lulab.lvs.plugins.module_utils.run import run


def main() -> None:
    run(LvsModule(OPTIONS, supports_check_mode=True), build)


if __name__ == "__main__":
    main()
