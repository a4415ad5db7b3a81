# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every concern that keeps a script of the boot can do: plan from nothing, in words that a shell may be given."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.lulab.lvs.plugins.module_utils.steps import CONCERNS

SETTINGS = {"tcp_timeout": 600, "master": {"interface": "e0"}, "backup": {"state": "absent"}}
EXAMPLES: list[tuple[str, dict[str, Any]]] = [
    ("calico_veth", {"name": "cali0", "namespace": "ns0", "addresses": ["172.16.0.10/32"], "mtu": 1400}),
    ("ipset_entry", {"name": "A", "type": "hash:ip", "entries": ["192.0.2.1"]}),
    ("ipvs_config", SETTINGS),
    ("ipvs_config", {"backup": {"interface": "e0"}}),
    ("ipvs_service", {"address": "169.254.2.100", "port": 80, "servers": [{"address": "10.0.0.1"}], "drain": {}}),
    ("lu_chains", {"match_sets": [{"name": "A"}]}),
    ("lvs_node", {"sysctls": {"net.ipv4.ip_forward": "1"}}),
    ("vip_address", {"interface": "d0", "kind": "dummy", "addresses": ["169.254.2.100"]}),
]


def typed(module: str, /, **options: Any) -> list[str]:
    """The commands that build what the options ask for, from nothing."""
    checked = ArgumentSpecValidator(CONCERNS[module].OPTIONS).validate(options)
    assert not checked.error_messages, checked.error_messages
    concern = CONCERNS[module].build(checked.validated_parameters)
    return concern.commands(concern.plan({}))


def test_the_examples_are_of_every_concern_that_keeps_a_script() -> None:
    assert {name for name, _options in EXAMPLES} == {
        name for name, concern in CONCERNS.items() if "boot_script" in concern.OPTIONS
    }


@pytest.mark.parametrize(("module", "options"), EXAMPLES)
def test_all_can_be_planned_from_nothing(module: str, options: dict[str, Any]) -> None:
    assert all(shlex.split(command) for command in typed(module, **options))


def test_timeouts_that_are_not_asked_for_are_left_to_the_kernel() -> None:
    assert typed("ipvs_config", **SETTINGS)[0] == "ipvsadm --set 600 0 0"
    assert not any("--set" in command for command in typed("ipvs_config", master={"interface": "e0"}))


def test_an_interface_is_one_word_to_the_shell() -> None:
    (command,) = typed("ipvs_config", master={"interface": "$(id);x"})
    assert shlex.split(command)[4] == "$(id);x"
