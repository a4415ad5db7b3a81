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
