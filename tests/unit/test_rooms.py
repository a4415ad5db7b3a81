# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The house plan of CONTRIBUTING.md holds: who may use whom, and who may touch the host."""

from __future__ import annotations

import ast

import pytest

from pages import CHECKOUT, read

PLUGINS = CHECKOUT / "plugins"
BASE = "ansible_collections.lulab.lvs.plugins"
CORE = {"module_utils/errors", "module_utils/plan"}
# The arrows: what each room may use.
MAY_USE = {
    "modules": {"module_utils/concern", "module_utils/steps", "module_utils/run", "module_utils/module"}
    | {"module_utils/kernel", "module_utils/model", *CORE},
    "module_utils/steps": {"module_utils/concern", "module_utils/run", "module_utils/errors"},
    "module_utils/concern": {"module_utils/run", "module_utils/kernel", "module_utils/model", *CORE},
    "module_utils/run": {"module_utils/kernel", "module_utils/module", *CORE},
    "module_utils/kernel": {"module_utils/model", *CORE},
    "module_utils/model": CORE,
    "module_utils/module": set(),
    "module_utils/errors": {"module_utils/plan"},
    "module_utils/plan": set(),
    "filter": {"plugin_utils"},
    "plugin_utils": set(),
    "doc_fragments": set(),
}
# By these one reaches the host, its files and other programs. The module socket is not among them, as it reads and
# writes addresses too: no socket is to be opened.
HANDS = {"os", "subprocess", "ctypes", "fcntl", "shutil", "pathlib", "tempfile", "time"}


def room_of(parts):
    return "/".join(parts[:2]) if parts[0] == "module_utils" else parts[0]


def imports(text):
    """Full names of what the source ``text`` imports: modules, and what it takes from them."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ("%s.%s" % (node.module, one.name) for one in node.names)
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names)


def strangers(room, text):
    """What a file in ``room`` uses that it may not."""
    used = set()
    for name in imports(text):
        if name.startswith(BASE + "."):
            used.add(room_of(name[len(BASE) + 1 :].split(".")))
        elif name.partition(".")[0] in HANDS and room in ("module_utils/model", "module_utils/plan"):
            used.add(name.partition(".")[0])
    if room == "module_utils/model" and "socket.socket(" in text:
        used.add("socket")
    return used - MAY_USE[room] - {room}


FILES = sorted(path for path in PLUGINS.rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_arrows_point_one_way(path):
    room = room_of(path.relative_to(PLUGINS).with_suffix("").parts)
    assert not strangers(room, path.read_text(encoding="utf-8"))


def test_an_arrow_that_points_back_is_found():
    kernel = "from %s.module_utils.kernel.netlink import Socket\n" % BASE
    assert strangers("module_utils/model", kernel) == {"module_utils/kernel"}
    assert strangers("module_utils/plan", "import subprocess\n") == {"subprocess"}
    assert strangers("module_utils/model", "import socket\nsocket.socket()\n") == {"socket"}
    assert strangers("module_utils/model", "from os import path\n") == {"os"}
    assert not strangers("module_utils/concern", kernel)


def test_each_room_is_in_the_plan():
    plan = read("CONTRIBUTING.md")
    assert not [room for room in MAY_USE if "plugins/%s" % room not in plan]
