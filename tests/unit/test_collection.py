# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's files agree with each other."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.parent for path in (CHECKOUT / "roles").glob("*/meta"))
# Variables of the inventory that a role reads but does not set.
FROM_THE_INVENTORY = {"host_ip", "pod_cidr", "pod_ip"}


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_roles_defaults_and_its_argument_specs_name_the_same_variables(role):
    specs = load(role / "meta/argument_specs.yml")["argument_specs"]
    described = {name for spec in specs.values() for name in spec.get("options", {})}
    assert set(load(role / "defaults/main.yml")) == described - FROM_THE_INVENTORY


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_roles_variables_bear_its_name(role):
    files = [role / "defaults/main.yml", role / "vars/main.yml"]
    names = [name for file in files if file.exists() for name in load(file)]
    assert names
    assert all(name.startswith(role.name + "_") for name in names)


def test_the_action_group_lists_every_module():
    modules = {path.stem for path in (CHECKOUT / "plugins/modules").glob("*.py")}
    assert set(load(CHECKOUT / "meta/runtime.yml")["action_groups"]["lvs"]) == modules


def test_every_playbook_can_be_run_by_its_full_name():
    assert all(path.stem.isidentifier() for path in (CHECKOUT / "playbooks").glob("*.yml"))


@pytest.mark.parametrize("module", sorted((CHECKOUT / "plugins/modules").glob("*.py")), ids=lambda path: path.stem)
def test_a_module_begins_with_the_line_that_ansible_looks_for(module):
    assert module.read_text(encoding="utf-8").startswith("#!/usr/bin/python\n")


@pytest.mark.parametrize(
    ("family", "platform", "beside"), [("Debian", "dpkg", "iproute2"), ("RedHat", "rpm", "iproute")]
)
def test_bindep_names_the_packages_that_the_node_role_installs(family, platform, beside):
    rows = [line.partition(" ") for line in (CHECKOUT / "bindep.txt").read_text(encoding="utf-8").splitlines()]
    named = {name for name, _space, where in rows if where in ("[target]", "[platform:%s target]" % platform)}
    assert named == {*load(CHECKOUT / "roles/node/defaults/main.yml")["node_tools"][family].values(), beside}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_roles_defaults_have_the_types_that_its_argument_specs_say(role):
    kinds = {"str": str, "path": str, "int": int, "float": (int, float), "bool": bool, "list": list, "dict": dict}
    options = load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    for name, value in load(role / "defaults/main.yml").items():
        computed = isinstance(value, str) and value.startswith("{{")
        assert computed or isinstance(value, kinds[options[name].get("type", "str")]), name


def test_a_release_tells_of_everything_in_it():
    releases = load(CHECKOUT / "changelogs/changelog.yaml")["releases"]
    if load(CHECKOUT / "galaxy.yml")["version"] not in releases:
        return  # What is being worked on is told of when it is released.
    told = [row for release in releases.values() for row in release.get("modules", [])]
    for release in releases.values():
        told += [row for kind in ("plugins", "objects") for rows in release.get(kind, {}).values() for row in rows]
    there = [
        path
        for pattern in ("plugins/modules/*.py", "plugins/filter/*.py", "playbooks/*.yml")
        for path in CHECKOUT.glob(pattern)
    ]
    assert {path.stem for path in there} | {role.name for role in ROLES} == {row["name"] for row in told}
