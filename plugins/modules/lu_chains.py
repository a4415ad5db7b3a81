#!/usr/bin/python
# SPDX-FileCopyrightText: The lulab.lvs founders
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lu_chains
short_description: The iptables chains that give traffic to virtual services the node's own address
version_added: 0.1.0
description:
  - Declares the SNAT layout as one object. Traffic that a set selects is marked in nat C(PREROUTING) and C(OUTPUT), and
    masqueraded in nat C(POSTROUTING), so that real servers answer through this node.
  - Without SNAT the answer of a real server has to come back through this node by routing.
  - Each run repairs what it finds changed in these chains - a rule of others, another order, a jump that is missing or
    there twice. Rules of others in the builtin chains are left as they are, with their counters.
  - All changes to one table are one transaction of C(iptables-restore). Nothing of this survives a reboot.
author: The lulab.lvs founders (@lulab)
requirements:
  - The command C(iptables), from the package C(iptables) or C(iptables-nft); the C(ipvs) match for O(ipvs_rules).
extends_documentation_fragment:
  - lulab.lvs.common
  - lulab.lvs.common.way_back
  - lulab.lvs.common.attributes
options:
  state:
    description:
      - V(present) makes the chains, jumps and rules that are asked for what they should be.
      - V(absent) removes every rule of a builtin chain that jumps to one of O(chains), the chains, and O(ipvs_rules).
      - Where options say what is meant, V(absent) removes only that. O(ipvs_rules) means those rules, O(forward_accept)
        and O(shield) their chain, O(chains) the chains that it names. O(match_sets) and O(layout) mean the whole
        layout, as naming nothing does.
    type: str
    choices: [present, absent]
    default: present
  layout:
    description: Lay the three chains of the nat table even when O(match_sets) is empty.
    type: bool
    default: false
  chains:
    description:
      - Names of the chains, 28 characters at most.
      - When this is given, the chains of the filter table that it leaves out are not removed, as they may be those of
        another layout. For the same reason O(forward_accept) and O(shield) need theirs to be named then.
    type: dict
    suboptions:
      services:
        description: The chain that marks what the sets select; the default is C(LU-SERVICES).
        type: str
      mark_masq:
        description: The chain that sets the mark; the default is C(LU-MARK-MASQ).
        type: str
      postrouting:
        description: The chain that masquerades what is marked; the default is C(LU-POSTROUTING).
        type: str
      forward:
        description: The chain of O(forward_accept) in the filter table; the default is C(LU-FORWARD).
        type: str
      shield:
        description: The chain of O(shield) in the filter table; the default is C(LU-SHIELD).
        type: str
  mark:
    description: The mark as C(VALUE/MASK), or a value that is its own mask. It is not 0 and lies within its mask.
    type: str
    default: "0x2000/0x2000"
  match_sets:
    description:
      - The sets whose entries select traffic. They have to exist, but for check mode.
      - The chains are laid when this is not empty.
    type: list
    elements: dict
    suboptions:
      name:
        description: The set's name.
        type: str
        required: true
      flags:
        description:
          - Whether V(src) or V(dst) of a packet is looked up, for each part of the set's type.
          - C(hash:ip,port) takes two, C(hash:ip) one, C(hash:ip,port,net) three. A C(list:set) takes as many as that of
            its members which takes most, or more.
        type: str
        default: "dst,dst"
      comment:
        description: The rule's comment; empty for none.
        type: str
        default: lu service cluster ip + port for masquerade purpose
      family:
        description: With O(family=both), the family of this set; the default is both, for sets without a family.
        type: str
        choices: [ipv4, ipv6]
  comments:
    description: Comments of the jumps, and of the rule that masquerades; empty for none.
    type: dict
    suboptions:
      services:
        description: Of the jumps to the chain that marks; the default is C(lu service portals).
        type: str
      postrouting:
        description: Of the jump to the chain that masquerades; the default is C(lu postrouting rules).
        type: str
      masquerade:
        description: Of the rule that masquerades; the default is C(lu service traffic requiring SNAT).
        type: str
      forward:
        description: Of the jump that O(forward_accept) makes; the default is C(lu forwarding rules).
        type: str
      shield:
        description: Of the jump that O(shield) makes; the default is C(lu virtual address filter).
        type: str
  position:
    description:
      - Where the jumps of the nat table stand. V(append) adds a missing one at the end, and leaves one that is there in
        its place. V(first) keeps them at the head of their chain.
      - The jumps of the filter table are always kept at the head.
      - At the head, only rules of others that jump to a chain without any condition may stand before ours, so that two
        layouts, or another program that wants to be first, do not move each other for ever.
    type: str
    choices: [append, first]
    default: append
  masquerade:
    description:
      - Whose traffic gets the node's address. V(all) is everyone's.
      - V(outside) leaves the source as it is for the networks in O(outside).
      - V(host) is that of the host itself only; there is no jump in C(PREROUTING) then.
    type: str
    choices: [all, outside, host]
    default: all
  outside:
    description: With O(masquerade=outside), networks whose traffic keeps its source, such as those of the pods.
    type: list
    elements: str
  kube_proxy:
    description:
      - The form that kube-proxy gives the chain that masquerades. It returns early without the mark, takes the mark
        off, and chooses source ports at random (C(--random-fully)).
    type: bool
    default: false
  ipvs_rules:
    description:
      - Virtual services that get a rule of their own in nat C(POSTROUTING), which asks IPVS, not a set and a mark.
      - Only those named are added or removed. They need the kernel's match C(xt_ipvs).
    type: list
    elements: dict
    suboptions:
      address:
        description: The virtual address.
        type: str
        required: true
      port:
        description: The port of the virtual service.
        type: int
        required: true
      protocol:
        description: The protocol of the virtual service; without it the rule matches all.
        type: str
        choices: [tcp, udp, sctp]
  forward_accept:
    description:
      - Accept marked traffic, and answers of known connections, at the head of filter C(FORWARD), where the policy is
        to drop, as Docker sets it.
      - A request carries the mark on the host that balances it only. A host that passes it on from there, to a pod of
        its own, needs O(forward_networks) as well.
      - Without it, a task that lays the chains that masquerade, or O(ipvs_rules), warns where C(FORWARD) drops what no
        rule accepts.
    type: bool
    default: false
  forward_networks:
    description:
      - With O(forward_accept), networks to which and from which everything is accepted, marked or not, such as those of
        the pods of all hosts.
    type: list
    elements: str
  shield:
    description:
      - Refuse connections to virtual addresses that are not for a service. A virtual address is one of the host's own,
        so that everything that listens on the host is reached by it otherwise.
      - This refuses C(ping) too. Empty removes what an earlier run laid; when it is left out nothing is changed.
    type: dict
    suboptions:
      addresses:
        description: The virtual addresses; by default those of O(shield.services).
        type: list
        elements: str
      address_sets:
        description: Sets of one dimension (such as C(hash:ip)) that hold virtual addresses, each of its own family.
        type: list
        elements: str
      services:
        description: The virtual services that stay open.
        type: list
        elements: dict
        suboptions:
          address:
            description: The virtual address.
            type: str
            required: true
          port:
            description: The port of the virtual service.
            type: int
            required: true
          protocol:
            description: The protocol of the virtual service.
            type: str
            choices: [tcp, udp, sctp]
            default: tcp
      service_sets:
        description: Sets of address and port (C(hash:ip,port)) that hold the virtual services that stay open.
        type: list
        elements: str
  family:
    description: Whether to act on C(iptables), C(ip6tables) or both.
    type: str
    choices: [ipv4, ipv6, both]
    default: ipv4
  variant:
    description:
      - Which implementation of iptables to use, V(legacy) for C(iptables-legacy), V(nft) for C(iptables-nft).
      - V(auto) is the one that the command C(iptables) is.
      - Packets pass the rules of both. Where the other one has chains of these names, or a C(FORWARD) that drops, a
        warning says so.
    type: str
    choices: [auto, legacy, nft]
    default: auto
"""

EXAMPLES = r"""
- name: The set that selects traffic
  lulab.lvs.ipset_entry:
    name: LU-SERVICE-IP
    type: hash:ip,port
    entries: ["169.254.1.100,tcp:80"]

- name: Masquerade what the set selects (experiment 2)
  lulab.lvs.lu_chains:
    match_sets:
      - name: LU-SERVICE-IP

- name: As kube-proxy does it, and only for what does not come from pods
  lulab.lvs.lu_chains:
    match_sets:
      - name: LU-SERVICE-IP
    masquerade: outside
    outside: [172.16.0.0/16]
    kube_proxy: true
    forward_accept: true
    forward_networks: [172.16.0.0/16]

- name: Refuse connections to other ports of the virtual address
  lulab.lvs.lu_chains:
    shield:
      addresses: [169.254.1.100]
      service_sets: [LU-SERVICE-IP]

- name: Remove the chains and their jumps
  lulab.lvs.lu_chains:
    state: absent

- name: No set and no mark - one rule for one service (experiment 1)
  lulab.lvs.lu_chains:
    ipvs_rules:
      - address: 169.254.1.100
        port: 80
"""

RETURN = r"""
commands:
  description: What one would have typed to make the changes, in order; empty when there was nothing to do.
  type: list
  elements: str
  returned: success
  sample:
    - iptables -t nat -N LU-SERVICES
    - iptables -t nat -A PREROUTING -m comment --comment "lu service portals" -j LU-SERVICES
diff:
  description: The chains, jumps and rules that are ours before and after, as C(iptables-save) prints them.
  type: dict
  returned: in diff mode
  sample:
    before: ""
    after: |
      *nat
      :LU-SERVICES - [0:0]
      -A PREROUTING -m comment --comment "lu service portals" -j LU-SERVICES
      COMMIT
forward_policy:
  description: The policy of filter C(FORWARD) by family, of those families whose filter table is in use.
  type: dict
  returned: success
  sample:
    ipv4: DROP
variant:
  description: The implementation of iptables that was used.
  type: str
  returned: success
  sample: nft
"""

from ansible_collections.lulab.lvs.plugins.module_utils.concern.lu_chains import OPTIONS, build
from ansible_collections.lulab.lvs.plugins.module_utils.module import LvsModule
from ansible_collections.lulab.lvs.plugins.module_utils.run import run


def main() -> None:
    run(LvsModule(OPTIONS, supports_check_mode=True), build)


if __name__ == "__main__":
    main()
