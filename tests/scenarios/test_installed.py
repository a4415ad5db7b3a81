# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection as people get it: built, installed into an empty folder, its playbooks run by full name."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from labs import CHECKOUT

BIN = os.path.dirname(sys.executable)


def run(words, cwd, **environment):
    process = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, "PATH": BIN + os.pathsep + os.environ["PATH"], **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    run(["ansible-galaxy", "collection", "build", "--output-path", str(folder)], CHECKOUT)
    (archive,) = folder.glob("lulab-lvs-*.tar.gz")
    install = ["ansible-galaxy", "collection", "install", str(archive), "-p", str(folder), "--offline"]
    # Only the folder is looked into: what the machine has elsewhere counts as installed already.
    run(install, folder, ANSIBLE_COLLECTIONS_PATH=str(folder))
    return folder


def test_nothing_of_the_workshop_is_in_the_archive(installed):
    names = {path.name for path in (installed / "ansible_collections/lulab/lvs").iterdir()}
    assert not names & {".venv", ".lab", ".git", ".ci"}
    assert {"plugins", "roles", "playbooks", "inventory"} <= names


def test_playbooks_run_by_full_name_from_anywhere(lab, installed, tmp_path):
    words = ["ansible-playbook", "lulab.lvs.exp3", "lulab.lvs.verify", "-i", str(CHECKOUT / "inventory/lab")]
    (tmp_path / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(installed), "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg")}
    output = run([*words, "-e", "lab_dir=%s" % lab.directory], tmp_path, **environment)
    assert "share    10.130.17.31       3" in output
    assert "failed=0" in output
