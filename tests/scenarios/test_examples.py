# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example of the plug-ins' documentation runs as it stands there, and a second time without a change."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import yaml

from labs import CHECKOUT

# A network namespace to be changed at will, with what the examples take for granted of a host.
HOST = "example"
PREPARE = f"""
for name in {HOST} trial; do ip netns add $name; ip -n $name link set lo up; done
ip -n {HOST} link add e0 type veth peer name e1
ip -n {HOST} link set e1 up
ip -n {HOST} link set e0 up
ip -n {HOST} address add 10.130.17.30/24 dev e0
ip -n {HOST} route add default via 10.130.17.1
"""
TIDY = "for name in %s trial web db ns0; do ip netns delete $name; done 2> /dev/null; true" % HOST

# These act on a host, not in a namespace of it. The first asks what experiment 3 has built there, others take it back.
ON_THE_HOST = ("lvs_probe", "lvs_apply", "lvs_node", "systemd_unit")


def examples(plugin: Path) -> list[dict[str, Any]]:
    for node in ast.parse(plugin.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EXAMPLES":
            return yaml.safe_load(ast.literal_eval(node.value))
    raise AssertionError("%s has no examples" % plugin.name)


def twice(place: int, task: dict[str, Any]) -> list[dict[str, Any]]:
    """The task, and once more as one that fails when it changes something."""
    if "register" in task:
        return [task]
    name = "again_%d" % place
    again = {"register": name, "failed_when": "%s is failed or %s is changed" % (name, name)}
    return [task, {**task, **again, "name": "Again: %s" % task["name"]}]


def play(plugin: Path) -> dict[str, Any]:
    own = {} if plugin.stem in ON_THE_HOST else {"group/lulab.lvs.lvs": {"netns": HOST}}
    return {
        "name": plugin.stem,
        "hosts": "Host0",
        "become": True,
        "gather_facts": False,
        "module_defaults": own,
        "tasks": [step for place, task in enumerate(examples(plugin)) for step in twice(place, task)],
    }


def plugins() -> list[Path]:
    found = [path for kind in ("modules", "filter") for path in sorted(CHECKOUT.glob("plugins/%s/[a-z]*.py" % kind))]
    first = ON_THE_HOST[0]
    return sorted(found, key=lambda path: path.stem != first)


def test_every_example_runs_and_the_second_time_changes_nothing(lab, tmp_path):
    plays = [play(plugin) for plugin in plugins()]
    (tmp_path / "examples.yml").write_text(yaml.safe_dump(plays, sort_keys=False), encoding="utf-8")
    lab.on("Host0", PREPARE)
    try:
        # One run for all, as each costs an interpreter's start on both sides.
        played = lab.play("exp3", str(tmp_path / "examples"))
    finally:
        lab.on("Host0", TIDY)
    asked = [task["name"] for one in plays for task in one["tasks"]]
    assert [name for name in asked if "TASK [%s]" % name not in played.output] == []
    assert len(asked) > 60
