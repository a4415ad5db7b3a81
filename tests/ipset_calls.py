# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ipset_entry and the tool ipset, called in a network namespace, and what they leave."""

from __future__ import annotations

import re
import subprocess
from typing import Any, List

from ansible_collections.lulab.lvs.plugins.module_utils.concern import ipset_entry
from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from harness import converge, sh

NAME = "LU-SERVICE-IP"


def entry(netns: str, check: bool = False, **parameters: Any) -> dict[str, Any]:
    """What the module would return, without the cost of a process of its own for each of hundreds of calls."""
    params = {name: option.get("default") for name, option in ipset_entry.OPTIONS.items()}
    params.update({"name": NAME, **parameters})
    try:
        with inside(netns):
            return {"failed": False, **converge(ipset_entry.build(params), check_mode=check, with_diff=True)}
    except LvsError as error:
        return {"failed": True, "msg": str(error), **error.details}


def good(netns: str, **parameters: Any) -> dict[str, Any]:
    result = entry(netns, **parameters)
    assert not result["failed"], result["msg"]
    return result


def refused(netns: str, **parameters: Any) -> str:
    before = saved(netns)
    result = entry(netns, **parameters)
    assert result["failed"], result
    assert saved(netns) == before
    return result["msg"]


def saved(netns: str) -> List[str]:
    """What C(ipset save -sorted) prints, without what is random (initval) and what runs (timeouts)."""
    text = sh("ip netns exec %s ipset save -sorted" % netns)
    return [re.sub(r" initval \S+| hashsize \S+| bucketsize (64|12)", "", line) for line in text.splitlines()]


def typed(netns: str, commands: List[str]) -> None:
    """The module's commands, run by the tool."""
    script = "set -e\n" + "\n".join(commands)
    subprocess.run(["ip", "netns", "exec", netns, "sh", "-c", script], check=True, timeout=60)
