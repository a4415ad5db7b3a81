#!/usr/bin/python
# SPDX-FileCopyrightText: The lulab.lvs founders
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: systemd_unit
short_description: Keep a systemd unit, written, enabled and running in one call
version_added: 0.1.0
description:
  - Writes a unit's file, has systemd read it, enables it and starts it, as far as that is not so already. A unit that
    runs is started anew when its text changes.
  - A unit that is enabled is kept in C(/etc/systemd/system). One that is not is kept in C(/run/systemd/system), and is
    gone after a reboot as is what it serves; a network namespace, for one.
  - M(ansible.builtin.template) and M(ansible.builtin.systemd_service) do more. This module exists because it takes one
    trip where they take three, and because it can be a step of M(lulab.lvs.lvs_apply).
author: The lulab.lvs founders (@lulab)
extends_documentation_fragment:
  - lulab.lvs.common.way_back
  - lulab.lvs.common.attributes
options:
  name:
    description: The unit's name with its kind, such as V(lulab-backend.service).
    type: str
    required: true
  content:
    description: The whole text of the unit's file. Required with O(state=present).
    type: str
  enabled:
    description: Whether it is started at boot, too. The text needs a section C([Install]) then.
    type: bool
    default: false
  started:
    description: Whether it is to run now. With V(false) it is neither started nor stopped.
    type: bool
    default: true
  state:
    description: V(absent) stops and disables the unit and removes its file.
    type: str
    choices: [present, absent]
    default: present
requirements:
  - systemd as process 1 of the host.
"""

EXAMPLES = r"""
- name: Answer requests until the next boot
  lulab.lvs.systemd_unit:
    name: lulab-example.service
    content: |
      [Service]
      DynamicUser=yes
      ExecStart=/usr/bin/python3 -m http.server 8899 --bind 127.0.0.1 --directory /usr/share

- name: No more
  lulab.lvs.systemd_unit:
    name: lulab-example.service
    state: absent
"""

RETURN = r"""
commands:
  description: What one would have typed.
  type: list
  elements: str
  returned: success
  sample: [systemctl daemon-reload, systemctl restart lulab-example.service]
"""

from ansible_collections.lulab.lvs.plugins.module_utils.concern.systemd_unit import OPTIONS, build
from ansible_collections.lulab.lvs.plugins.module_utils.module import LvsModule
from ansible_collections.lulab.lvs.plugins.module_utils.run import run


def main() -> None:
    run(LvsModule(OPTIONS, supports_check_mode=True), build)


if __name__ == "__main__":
    main()
