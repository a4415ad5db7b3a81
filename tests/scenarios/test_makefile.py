# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make` in a checkout that lies in an odd place, or has been moved. In one with a space its targets: test_pages.py."""

from __future__ import annotations

import shutil

from programs import CHECKOUT, run

LINK = ".venv/collections/ansible_collections/lulab/lvs"


def test_setup_in_a_folder_with_a_space_and_after_a_move(tmp_path):
    clone = tmp_path / "my clone" / "lvs"
    shutil.copytree(CHECKOUT / "roles/lab", clone / "roles/lab")
    shutil.copy(CHECKOUT / "Makefile", clone)
    # What is to be installed is not what is asked here.
    (clone / "requirements.txt").touch()
    code, output = run(["make", "setup"], clone)
    assert code == 0, output
    assert (clone / LINK).resolve() == clone
    moved = clone.rename(tmp_path / "moved")
    assert (moved / LINK).resolve() == moved
