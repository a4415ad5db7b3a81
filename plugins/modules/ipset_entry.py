#!/usr/bin/python
# SPDX-FileCopyrightText: The lulab.lvs founders
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets of addresses, networks, ports and the like, and their entries."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipset_entry
short_description: Manage an IP set and its entries
version_added: 0.1.0
description:
  - Creates an IP set, adds entries to it, removes entries from it, and removes the set.
  - Entries are written as C(ipset add) takes them. Ranges, networks and service names are understood, and what the
    kernel prints in another way than it was written is not taken for a change.
  - Talks to the kernel itself. Neither the command C(ipset) nor a Python library is needed on the target.
extends_documentation_fragment:
  - lulab.lvs.common
  - lulab.lvs.common.way_back
  - lulab.lvs.common.attributes
options:
  name:
    description: Name of the set, of at most 31 characters.
    type: str
    required: true
  type:
    description:
      - Type of the set. It is needed to create one.
      - A set that exists keeps its type. Another one is an error.
      - A type that the running kernel does not have is an error that names those which it has.
    type: str
    choices:
      - bitmap:ip
      - bitmap:ip,mac
      - bitmap:port
      - hash:ip
      - hash:ip,mac
      - hash:ip,mark
      - hash:ip,port
      - hash:ip,port,ip
      - hash:ip,port,net
      - hash:mac
      - hash:net
      - hash:net,iface
      - hash:net,net
      - hash:net,port
      - hash:net,port,net
      - list:set
  family:
    description:
      - Family of the addresses in the set.
      - A set that is created gets V(ipv4) unless told otherwise. One that exists keeps its own.
    type: str
    choices: [ipv4, ipv6]
  entries:
    description:
      - Entries, each as C(ipset add) takes it, with its options behind it.
      - A range or a network in a set of addresses stands for all of them.
      - A declared entry that is in the set already is left alone when all that is said about it holds. A timeout that
        runs holds as long as there is time left; V(0) stands for ever. Counters (C(packets), C(bytes)) are set when
        an entry is added and not compared later. What is not said about an entry is left as it is.
        An empty C(comment), and zeros for C(skbmark) (C(0x0/0x0)), C(skbprio) and C(skbqueue), take these away.
      - In a C(list:set), C(before) and C(after) put a set right beside another that is in the list by then. The list is
        settled when placing all, in the order in which they are given, leaves it as it is.
    type: list
    elements: str
  state:
    description:
      - V(present) creates the set if need be, and adds the O(entries).
      - V(absent) removes the O(entries) from the set; their options do not matter. In a C(bitmap:ip,mac) an address
        without a MAC address names what there is of it.
      - V(absent) without O(entries) removes the set.
    type: str
    choices: [present, absent]
    default: present
  exact:
    description:
      - The set is to hold the O(entries) and no others.
      - When few entries differ, these are added and removed. When many do, a new set is filled under a temporary name
        and swapped in, so that rules which refer to the set see the old entries or the new ones and nothing in between.
      - Only with this option are create options of an existing set changed, in the same way.
    type: bool
    default: false
  hashsize:
    description:
      - Size that the hash begins with. The kernel lets it grow, so that of an existing set is not compared.
      - The default is 1024, or more when many entries are given.
    type: int
  maxelem:
    description:
      - How many entries the set may hold.
      - When not given, it follows need; a set that has become too small is then built anew and swapped in.
    type: int
  timeout:
    description: Seconds after which an entry without a timeout of its own vanishes. V(0) is never.
    type: int
  counters:
    description: Whether packets and bytes are counted for each entry.
    type: bool
  comment:
    description: Whether entries may carry comments.
    type: bool
  skbinfo:
    description:
      - Whether entries may carry a mark, a priority and a queue for packets
        (C(skbmark), C(skbprio), C(skbqueue)).
    type: bool
  netmask:
    description: Prefix length to which addresses are cut before they are stored.
    type: int
  bitmask:
    description: Mask that is applied to addresses before they are stored. Excludes O(netmask).
    type: str
  markmask:
    description: Mask that is applied to marks before they are stored.
    type: str
  range:
    description:
      - What a bitmap covers. V(10.0.0.0/16), V(10.0.0.0-10.0.7.255) or, for ports, V(0-1023).
      - With O(netmask) it is widened to whole networks of that length.
      - It is needed to create one.
    type: str
  size:
    description: Size of a list of sets, of at least 4. Newer kernels ignore it.
    type: int
  forceadd:
    description:
      - Whether a full set drops an entry for a new one.
      - What is declared here never makes it do so. The set gets room for that, as it does without this option.
    type: bool
  bucketsize:
    description:
      - How many entries share a place of the hash at most, an even number from 2 to 12.
      - Fewer is faster and takes more memory.
    type: int
notes:
  - A set that another program is reading is waited for, for a few seconds, before it is swapped or removed.
  - In check mode a warning says when rules or lists still refer to a set that is to be removed, or when a list is to
    hold a set that does not exist, as a task before this one may be going to change that.
  - Sets do not survive a reboot. The script of O(boot_script) creates the set with the options and the O(entries) that
    are given, so that O(type) has to be among them even where the set exists; and it cannot be kept by a task that
    removes single entries.
  - Left-over temporary sets of a run that was killed are removed by the next run on the same host.
seealso:
  - module: lulab.lvs.ipvs_service
author: "The lulab.lvs founders (@lulab)"
"""

EXAMPLES = r"""
- name: Hold the address and port of a service
  lulab.lvs.ipset_entry:
    name: LU-SERVICE-IP
    type: hash:ip,port
    entries:
      - 169.254.1.100,tcp:80

- name: Hold just these networks, whatever was in the set before
  lulab.lvs.ipset_entry:
    name: allowed
    type: hash:net
    comment: true
    exact: true
    entries:
      - 192.0.2.0/24 comment "the office"
      - 198.51.100.7

- name: Keep an IPv6 address for an hour
  lulab.lvs.ipset_entry:
    name: guests
    type: hash:ip
    family: ipv6
    timeout: 600
    entries:
      - 2001:db8::7 timeout 3600

- name: Remove one entry
  lulab.lvs.ipset_entry:
    name: LU-SERVICE-IP
    entries:
      - 169.254.1.100,tcp:80
    state: absent

- name: Remove the set
  lulab.lvs.ipset_entry:
    name: LU-SERVICE-IP
    state: absent
"""

RETURN = r"""
commands:
  description:
    - What one would have typed to make the same changes.
    - From 1,000 changes on it is one here-document for C(ipset restore).
  returned: success
  type: list
  elements: str
  sample:
    - ipset create LU-SERVICE-IP hash:ip,port family inet
    - ipset add LU-SERVICE-IP 169.254.1.100,tcp:80
diff:
  description: The set before and after, as C(ipset save) prints it.
  returned: in diff mode
  type: dict
  sample:
    before: ""
    after: |
      create LU-SERVICE-IP hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12
      add LU-SERVICE-IP 169.254.1.100,tcp:80
set:
  description: The set after the changes; empty when there is none.
  returned: success
  type: dict
  contains:
    type:
      description: Its type.
      type: str
      sample: hash:ip,port
    family:
      description: Its family, V(ipv4), V(ipv6) or empty.
      type: str
      sample: ipv4
    maxelem:
      description: How many entries it may hold; 0 when its type has no such bound.
      type: int
      sample: 65536
    entries:
      description: How many entries it holds.
      type: int
      sample: 1
"""

from ansible_collections.lulab.lvs.plugins.module_utils.concern.ipset_entry import OPTIONS, build
from ansible_collections.lulab.lvs.plugins.module_utils.module import LvsModule
from ansible_collections.lulab.lvs.plugins.module_utils.run import run


def main() -> None:
    run(LvsModule(OPTIONS, supports_check_mode=True), build)


if __name__ == "__main__":
    main()
