# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd_unit where systemd runs: on a guest."""

from __future__ import annotations

import os

import pytest

from harness import run_module, sh

pytestmark = pytest.mark.systemd
NAME = "lulab-test.service"
SLEEP = "[Service]\nExecStart=/bin/sleep %d\n[Install]\nWantedBy=multi-user.target\n"


@pytest.fixture(autouse=True)
def gone_afterwards():
    yield
    run_module("systemd_unit", name=NAME, state="absent")


def shown(name):
    return sh("systemctl show %s --property=%s --value" % (NAME, name)).strip()


def test_a_units_life():
    told = run_module("systemd_unit", check=True, name=NAME, content=SLEEP % 1000)
    assert told["changed"]
    assert shown("LoadState") == "not-found"

    assert run_module("systemd_unit", name=NAME, content=SLEEP % 1000)["changed"]
    assert shown("ActiveState") == "active"
    assert shown("FragmentPath") == "/run/systemd/system/" + NAME
    process = shown("MainPID")
    assert not run_module("systemd_unit", name=NAME, content=SLEEP % 1000)["changed"]
    assert shown("MainPID") == process

    assert run_module("systemd_unit", name=NAME, content=SLEEP % 2000)["changed"]
    assert "2000" in sh("cat /proc/%s/cmdline" % shown("MainPID"))

    sh("systemctl stop " + NAME)
    assert run_module("systemd_unit", name=NAME, content=SLEEP % 2000)["changed"]
    assert shown("ActiveState") == "active"

    assert run_module("systemd_unit", name=NAME, content=SLEEP % 2000, enabled=True)["changed"]
    assert shown("UnitFileState") == "enabled"
    assert shown("FragmentPath") == "/etc/systemd/system/" + NAME
    assert not os.path.exists("/run/systemd/system/" + NAME)
    assert not run_module("systemd_unit", name=NAME, content=SLEEP % 2000, enabled=True)["changed"]

    assert run_module("systemd_unit", name=NAME, state="absent")["changed"]
    assert shown("LoadState") == "not-found"
    assert shown("ActiveState") == "inactive"
    assert not run_module("systemd_unit", name=NAME, state="absent")["changed"]


def test_a_unit_that_does_not_start_leaves_what_was_before():
    run_module("systemd_unit", name=NAME, content=SLEEP % 1000)
    broken = SLEEP.replace("[Service]", "[Service]\nExecStartPre=/bin/false")
    failed = run_module("systemd_unit", name=NAME, content=broken % 1000)
    assert failed["failed"]
    assert NAME in failed["msg"]
    assert shown("ActiveState") == "active"
    assert sh("cat /run/systemd/system/" + NAME) == SLEEP % 1000


FAILING = "[Service]\nType=oneshot\nExecStart=/bin/false\n"


def test_a_unit_that_failed_is_mended_by_its_corrected_text():
    assert run_module("systemd_unit", name=NAME, content=FAILING)["failed"]
    assert shown("LoadState") == "not-found"
    assert run_module("systemd_unit", name=NAME, content=SLEEP % 1000)["changed"]
    assert shown("ActiveState") == "active"


def test_a_unit_that_failed_while_its_file_was_taken_away_is_read_anew():
    run_module("systemd_unit", name=NAME, content=FAILING, started=False)
    sh("systemctl start " + NAME, check=False)
    sh("rm /run/systemd/system/" + NAME)
    assert shown("LoadState") == "loaded"
    told = run_module("systemd_unit", name=NAME, content=SLEEP % 1000)
    assert "systemctl daemon-reload" in told["commands"]
    assert shown("ActiveState") == "active"


def test_nothing_stays_of_a_unit_that_failed():
    run_module("systemd_unit", name=NAME, content=FAILING, started=False)
    sh("systemctl start " + NAME, check=False)
    assert shown("ActiveState") == "failed"
    assert run_module("systemd_unit", name=NAME, state="absent")["changed"]
    assert NAME not in sh("systemctl list-units --all --failed --no-legend")
    assert shown("LoadState") == "not-found"
    assert not run_module("systemd_unit", name=NAME, state="absent")["changed"]


def test_the_commands_do_what_the_module_does():
    commands = run_module("systemd_unit", name=NAME, content=SLEEP % 1000, enabled=True)["commands"]
    run_module("systemd_unit", name=NAME, state="absent")
    for command in commands:
        sh(command)
    assert not run_module("systemd_unit", name=NAME, content=SLEEP % 1000, enabled=True)["changed"]
