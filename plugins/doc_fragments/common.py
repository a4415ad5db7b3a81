# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options and attributes that every module of the collection shares."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  netns:
    description:
      - Name of the network namespace to act in, as C(ip netns list) shows it.
      - The default is the namespace that the module is run in.
    type: str
  boot_script:
    description:
      - An absolute path. Keep the commands that build this from nothing in a shell script there, for a service that
        runs at boot, as nothing that the kernel holds survives one. The role P(lulab.lvs.boot#role) brings such a one.
      - The script is removed where there is nothing to build, with O(ignore:state=absent).
      - It is written after the changes are made; when it cannot be, they are taken back. Another file in its place is
        left as it is, and refused.
    type: path
requirements:
  - The privilege to configure the network (C(CAP_NET_ADMIN)), in most cases C(become=true).
"""

    WAY_BACK = r"""
options: {}
notes:
  - All or nothing. When a change is refused, those made before it are taken back, and the result of the failed task has
    C(undone), the commands of the changes that were taken back, and C(standing), those of the changes that could not
    be; it is empty unless undoing failed too.
  - An option that cannot be meant is refused before anything is changed. The result then has C(parameter) and C(value).
"""

    ATTRIBUTES = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Returns what has changed, or in C(check_mode) would change, when in diff mode.
    support: full
  platform:
    description: Target OS that can be operated against.
    platforms: linux
    support: full
  action_group:
    description: Defaults for all modules of the collection at once, with C(group/lulab.lvs.lvs) in C(module_defaults).
    support: full
    membership: [lulab.lvs.lvs]
requirements:
  - Python 3.9 or later on the target, and no package beside it.
"""
