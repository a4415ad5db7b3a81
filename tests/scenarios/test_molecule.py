# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The molecule scenarios, as a user runs them."""

from __future__ import annotations

import pytest

from programs import ACTIVE, run


def molecule(action: str, scenario: str) -> tuple[int, str]:
    """The exit status of ``molecule ACTION -s SCENARIO``, and what it printed."""
    # Wide enough for a line of pytest to be one of molecule's.
    code, output = run(["molecule", action, "-s", scenario], **ACTIVE, COLUMNS="200")
    print(output[-20000:])
    return code, output


@pytest.mark.parametrize("scenario", ["default", "exp1", "exp2", "exp3", "exp4"])
def test_a_molecule_scenario_passes(scenario):
    code, output = molecule("test", scenario)
    assert code == 0
    assert " passed in " in output


def test_the_default_scenario_is_red_where_something_is_built():
    try:
        assert molecule("converge", "exp2")[0] == 0
        code, output = molecule("verify", "default")
        assert code != 0
        assert "2 failed, 4 passed in " in output
    finally:
        molecule("destroy", "default")
