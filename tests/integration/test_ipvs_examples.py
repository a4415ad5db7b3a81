# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example in the documentation of the IPVS modules runs, and runs again without a change."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.lulab.lvs.plugins.modules import ipvs_config, ipvs_service
from harness import run_module, sh

pytestmark = pytest.mark.ip_vs

EXAMPLES = [task for module in (ipvs_service, ipvs_config) for task in yaml.safe_load(module.EXAMPLES)]


@pytest.mark.parametrize("task", EXAMPLES, ids=lambda task: task["name"])
def test_the_example_runs_and_the_second_time_changes_nothing(netns: str, task: dict[str, Any]) -> None:
    sh("ip -n %s address add 10.9.0.1/32 dev lo" % netns)
    ((name, options),) = ((key, value) for key, value in task.items() if key != "name")
    for expected in (None, False):
        result = run_module(name.rsplit(".", 1)[1], netns=netns, **options)
        assert not result["failed"], result["msg"]
        assert expected is None or result["changed"] is expected
