#!/usr/bin/python
# SPDX-FileCopyrightText: The lulab.lvs founders
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual services of the Linux Virtual Server and their real servers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_service
short_description: Virtual services of the Linux Virtual Server and their real servers
version_added: 0.1.0
description:
  - Makes the IPVS table of a host hold the declared virtual services, each with exactly the declared real servers.
  - One service is declared by the options of the module itself, many at once by O(services).
  - Changes nothing but the services that are named, unless O(prune) is given.
  - New real servers are added before old ones are removed. When a change is refused, those already made are taken back.
author:
  - The lulab.lvs founders (@lulab)
extends_documentation_fragment:
  - lulab.lvs.common
  - lulab.lvs.common.way_back
  - lulab.lvs.common.attributes
options:
  services:
    description:
      - Many services at once, each with the options of a single one.
      - Not together with O(address), O(fwmark) or any other option of a single service.
    type: list
    elements: dict
    suboptions: &service
      address:
        description:
          - The virtual address, IPv4 or IPv6.
          - Names the service, together with the port and the protocol.
        type: str
      port:
        description:
          - The virtual port.
          - With V(0) the service takes every port of the address; it must then be persistent.
        type: int
      protocol:
        description: The protocol, V(tcp) when not given.
        type: str
        choices: [tcp, udp, sctp]
      fwmark:
        description: The firewall mark that names the service, in place of address, port and protocol.
        type: int
      family:
        description: Address family of a service that a firewall mark names, V(ipv4) when not given.
        type: str
        choices: [ipv4, ipv6]
      scheduler:
        description:
          - How connections are shared out among the real servers, V(wlc) when not given.
          - Any scheduler that the kernel has, such as V(rr), V(wrr), V(lc), V(wlc), V(sh), V(mh), V(dh), V(sed), V(nq),
            V(lblc), V(lblcr), V(fo), V(ovf) or V(twos). Its kernel module is C(ip_vs_<scheduler>).
        type: str
      scheduler_flags:
        description:
          - Flags of the scheduler. V(sh-fallback) and V(sh-port) are those of V(sh), V(mh-fallback) and V(mh-port)
            those of V(mh).
          - V(flag-1), V(flag-2) and V(flag-3) are the same bits by number, for any scheduler.
        type: list
        elements: str
      persistence:
        description:
          - Sends a client's connections to the server that had its earlier ones.
          - V({}) takes all defaults.
        type: dict
        suboptions:
          timeout:
            description: Seconds for which a client is remembered, V(300) when not given.
            type: int
          netmask:
            description:
              - Clients that this mask makes equal share their server. The default is the whole address.
              - A prefix length, or for IPv4 a mask such as V(255.255.255.0).
            type: str
          engine:
            description:
              - The persistence engine, such as V(sip), which reads the client's identity from the packet.
              - Its kernel module is C(ip_vs_pe_<engine>).
            type: str
      one_packet:
        description: Schedules each packet by itself. For V(udp), and for services named by a firewall mark.
        type: bool
      servers:
        description:
          - The real servers, all of them. Others that the service has are removed.
          - When not given, the real servers are left as they are.
        type: list
        elements: dict
        suboptions:
          address:
            description: The server's address.
            type: str
            required: true
          port:
            description:
              - The server's port. The default is the service's.
              - Only a masquerading server, or one of a service named by a firewall mark, may have another.
            type: int
          weight:
            description: The server's share, relative to the others, V(1) when not given. V(0) takes no new connections.
            type: int
          forward:
            description:
              - How packets are forwarded to the server, V(masquerading) when not given.
            type: str
            choices: [masquerading, direct, tunneling]
          upper_threshold:
            description: The number of connections at which the server gets no new ones. The default is no bound.
            type: int
          lower_threshold:
            description: The number of connections below which a server that was full gets new ones again.
            type: int
          tunnel:
            description: The tunnel to a server whose O(ignore:forward) is V(tunneling).
            type: dict
            suboptions:
              type:
                description: The encapsulation, V(ipip) when not given.
                type: str
                choices: [ipip, gue, gre]
              port:
                description: The tunnel's UDP port; V(gue) needs it, the others have none.
                type: int
              checksum:
                description: Checksums of the encapsulation, V(none) when not given. V(remcsum) is for V(gue) only.
                type: str
                choices: [none, csum, remcsum]
  <<: *service
  state:
    description:
      - Whether the named services are to be there.
      - V(absent) removes them with all their real servers; of their options, only those that name them matter.
    type: str
    choices: [present, absent]
    default: present
  prune:
    description: Removes services that are not declared and whose virtual address lies inside O(scope).
    type: bool
    default: false
  scope:
    description:
      - The networks, in CIDR form, inside which O(prune) may remove. Required with O(prune).
      - Services named by a firewall mark have no address and are never removed by O(prune).
    type: list
    elements: str
  keep_weights:
    description:
      - Leaves the weight of a real server that is there already as it is, so that what an operator or a health check
        has set survives. A new server gets the declared weight.
    type: bool
    default: false
  drain:
    description:
      - Removes a real server only when its active connections have ended. Its weight is set to V(0) first, so that it
        gets no new ones.
      - With O(persistence), a client that it had before is sent to it all the same, unless the sysctl
        C(net.ipv4.vs.expire_quiescent_template) is 1.
      - A server of a V(udp) service is removed at once.
      - When the time is up, it is removed all the same; RV(drained) tells how many connections it had left.
      - A run that is cut off leaves the weight at V(0), and the next one goes on from there. One that declares the
        server once more gives it the declared weight back, but not with O(keep_weights).
      - Other modules of this collection wait for up to a minute while one drains.
      - V({}) takes all defaults.
    type: dict
    suboptions:
      timeout:
        description: Seconds to wait at most, for all servers together.
        type: int
        default: 60
      poll:
        description: Seconds between two looks.
        type: float
        default: 1
seealso:
  - module: lulab.lvs.ipvs_config
  - module: lulab.lvs.lvs_info
"""

EXAMPLES = r"""
- name: One virtual service, shared out evenly between two real servers
  lulab.lvs.ipvs_service:
    address: 169.254.2.100
    port: 80
    scheduler: rr
    servers:
      - address: 10.130.17.30
        port: 8888
      - address: 10.130.17.31
        port: 8888

- name: Two services at once; others inside the range are removed
  lulab.lvs.ipvs_service:
    services:
      - address: 169.254.2.100
        port: 53
        protocol: udp
        persistence:
          timeout: 180
        servers:
          - address: 10.130.17.30
          - address: 10.130.17.31
            weight: 3
      - address: 2001:db8::100
        port: 443
        scheduler: mh
        scheduler_flags: [mh-port, mh-fallback]
        servers:
          - address: 2001:db8:1::30
            forward: direct
    prune: true
    scope:
      - 169.254.2.0/24
      - 2001:db8::/64

- name: Whatever bears the firewall mark 7, through GUE tunnels
  lulab.lvs.ipvs_service:
    fwmark: 7
    servers:
      - address: 10.130.17.30
        forward: tunneling
        tunnel:
          type: gue
          port: 6080
          checksum: csum

- name: Take one server out for maintenance, once its connections have ended, or after two minutes
  lulab.lvs.ipvs_service:
    address: 169.254.2.100
    port: 80
    scheduler: rr
    servers:
      - address: 10.130.17.31
        port: 8888
    drain:
      timeout: 120

- name: No such service any more
  lulab.lvs.ipvs_service:
    address: 169.254.2.100
    port: 80
    state: absent
"""

RETURN = r"""
commands:
  description: What one would have typed to make the changes, in order; empty when there was nothing to do.
  returned: success
  type: list
  elements: str
  sample:
    - ipvsadm -A -t 169.254.2.100:80 -s rr
    - ipvsadm -a -t 169.254.2.100:80 -r 10.130.17.30:8888 -m -w 1
diff:
  description:
    - The named services before and after, as C(ipvsadm -Sn) prints them.
    - Thresholds, which that leaves out, are appended as C(-x) and C(-y).
  returned: in diff mode
  type: dict
  sample:
    before: ""
    after: |
      -A -t 169.254.2.100:80 -s rr
      -a -t 169.254.2.100:80 -r 10.130.17.30:8888 -m -w 1
drained:
  description: The real servers that were waited for before they were removed.
  returned: when O(drain) is given
  type: list
  elements: dict
  contains:
    service:
      description: The virtual service.
      type: str
      sample: tcp 169.254.2.100:80
    server:
      description: The real server.
      type: str
      sample: 10.130.17.30:8888
    seconds:
      description: How long it was waited for.
      type: float
      sample: 12.3
    connections:
      description: The active connections that it had left when it was removed; 0 unless the time was up.
      type: int
      sample: 0
"""

from ansible_collections.lulab.lvs.plugins.module_utils.concern.ipvs_service import OPTIONS, build
from ansible_collections.lulab.lvs.plugins.module_utils.module import LvsModule
from ansible_collections.lulab.lvs.plugins.module_utils.run import run


def main() -> None:
    run(LvsModule(OPTIONS, supports_check_mode=True), build)


if __name__ == "__main__":
    main()
