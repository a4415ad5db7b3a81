# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Before the experiment is built: check mode tells what will be done and touches nothing."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from labs import HOSTS


def snapshots(lab):
    with ThreadPoolExecutor() as pool:
        return dict(zip(HOSTS, pool.map(lab.snapshot, HOSTS)))


def test_check_mode_tells_of_changes_on_every_host_and_touches_none(lab):
    before = snapshots(lab)
    told = lab.play(os.environ["MOLECULE_SCENARIO_NAME"], options=("--check", "--diff"))
    assert all(told.recap[host]["changed"] > 0 for host in HOSTS), told.output
    assert snapshots(lab) == before


def test_what_the_experiment_will_build_is_not_there_yet(state, article):
    """The negative twin of the comparisons that follow it: on this host they fail."""
    built = {part for part in state if article[part]}
    assert built
    assert not {part for part in built if state[part] == article[part]}
