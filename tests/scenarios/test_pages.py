# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation, typed: in a copy of the checkout, the commands of its pages in order, with what they print."""

from __future__ import annotations

import os
import shutil
import time

import pytest

from labs import CHECKOUT
from pages import BESIDES, WALKED, missing, read, shown, typed
from programs import run

HALF_A_MINUTE = 30
# Other tests use the machine too.
BUSY = 2
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", ".lab", ".sanity", ".hypothesis", ".*_cache", "__pycache__", ".ansible", "build"
)


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Runs commands as one would type them in a clone that `make setup` has been run in; its lab is ended at last.

    The clone's path has a space, which no page warns of.
    """
    clone = tmp_path_factory.mktemp("clone") / "my lvs"
    shutil.copytree(CHECKOUT, clone, ignore=LEFT_OUT, symlinks=True)
    (clone / ".venv").symlink_to(CHECKOUT / ".venv")
    for source in ("requirements.txt", "roles/lab/files/lab/needs.py"):
        # Older than .venv, lest make begins with making that.
        os.utime(clone / source, (0, 0))

    def type_in(*commands, words=""):
        return run(["bash", "-c", "\n".join(commands)], clone, given=words, ANSIBLE_NOCOLOR="1")

    try:
        yield type_in
    finally:
        type_in("make lab-down")


@pytest.fixture(scope="module")
def first(shell):
    """What `make exp3` prints the first time."""
    code, output = shell("make exp3")
    assert code == 0, output
    return output


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_readme_shows_what_its_first_command_prints(first, page):
    assert not missing(shown(read(page)), first)


def test_with_the_lab_running_an_experiment_takes_no_longer_than_readme_says(first, shell):
    began = time.monotonic()
    code, output = shell("make exp3")
    assert code == 0, output
    assert time.monotonic() - began < BUSY * HALF_A_MINUTE


@pytest.mark.parametrize("page", WALKED)
def test_a_page_is_true_to_the_letter(shell, page):
    for one in typed(page, read(page)):
        if one.mark.startswith(("illustration:", "run by:")):
            continue
        code, output = shell(one.command)
        assert bool(code) is (one.mark == "fails"), "%s\n%s" % (one.command, output)
        assert not missing(one.shows, output), "%s\n%s" % (one.command, output)


def test_what_readme_says_besides(shell):
    code, output = shell("make lab-up")
    assert code == 0, output
    assert shell("make ssh HOST=Host0", words="hostname\n") == (0, "Host0\n")
    code, output = shell("set -e", *BESIDES)
    assert code == 0 and "nothing is missing" in output and "failed=0" in output, output
    code, output = shell("make show")
    assert code == 0 and "TCP  169.254.2.100:80 rr" in output, output
