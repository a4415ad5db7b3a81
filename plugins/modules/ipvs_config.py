#!/usr/bin/python
# SPDX-FileCopyrightText: The lulab.lvs founders
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Timeouts and sync daemons of the Linux Virtual Server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_config
short_description: Timeouts and sync daemons of the Linux Virtual Server
version_added: 0.1.0
description:
  - Sets what holds for the whole IPVS table of a host, or of a network namespace.
  - What is not given is left as it is. But a daemon that moves to another interface or group, and whose
    C(sync_maxlen) was the default there, has the default of its new place.
author:
  - The lulab.lvs founders (@lulab)
extends_documentation_fragment:
  - lulab.lvs.common
  - lulab.lvs.common.way_back
  - lulab.lvs.common.attributes
options:
  tcp_timeout:
    description: Seconds after which a silent TCP connection is forgotten.
    type: int
  tcp_fin_timeout:
    description: Seconds after which a TCP connection is forgotten of which a FIN was seen.
    type: int
  udp_timeout:
    description: Seconds after which a silent UDP connection is forgotten.
    type: int
  master:
    description: The daemon that tells other hosts of this host's connections.
    type: dict
    suboptions: &daemon
      state:
        description: Whether the daemon is to run, V(present) when not given.
        type: str
        choices: [present, absent]
      interface:
        description: The interface to send on, or to listen on. Needed unless the daemon is to be absent.
        type: str
      syncid:
        description: Only daemons of the same number, V(0) to V(255), hear each other. V(0) hears all.
        type: int
      sync_maxlen:
        description:
          - The greatest length of a message, in bytes. V(65507) at most, V(65487) with an IPv6 group; for O(backup),
            V(1024) at least.
          - The default is what fits into a packet of 1500 bytes; for O(backup), of the interface's MTU if that is more.
        type: int
      mcast_group:
        description: The multicast group, IPv4 or IPv6. The default is V(224.0.0.81).
        type: str
      mcast_port:
        description: The UDP port. The default is V(8848).
        type: int
      mcast_ttl:
        description: The number of hops that a message may take. The default is V(1).
        type: int
  backup:
    description: The daemon that hears of other hosts' connections.
    type: dict
    suboptions: *daemon
seealso:
  - module: lulab.lvs.ipvs_service
  - module: lulab.lvs.lvs_info
"""

EXAMPLES = r"""
- name: Forget silent connections sooner
  lulab.lvs.ipvs_config:
    tcp_timeout: 600
    udp_timeout: 60

- name: Share connections with the other director, both ways
  lulab.lvs.ipvs_config:
    master:
      interface: lo
      syncid: 7
    backup:
      interface: lo
      syncid: 7

- name: Share no longer
  lulab.lvs.ipvs_config:
    master:
      state: absent
    backup:
      state: absent
"""

RETURN = r"""
commands:
  description: What one would have typed to make the changes, in order; empty when there was nothing to do.
  returned: success
  type: list
  elements: str
  sample:
    - ipvsadm --set 600 120 60
diff:
  description: The settings before and after, as C(ipvsadm -Ln --timeout) and C(ipvsadm -Ln --daemon) print them.
  returned: in diff mode
  type: dict
  sample:
    before: |
      Timeout (tcp tcpfin udp): 900 120 300
    after: |
      Timeout (tcp tcpfin udp): 600 120 60
"""

from ansible_collections.lulab.lvs.plugins.module_utils.concern.ipvs_config import OPTIONS, build
from ansible_collections.lulab.lvs.plugins.module_utils.module import LvsModule
from ansible_collections.lulab.lvs.plugins.module_utils.run import run


def main() -> None:
    run(LvsModule(OPTIONS, supports_check_mode=True), build)


if __name__ == "__main__":
    main()
