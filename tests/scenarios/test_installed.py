# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection as people get it: built, installed into an empty folder, its playbooks run by full name."""

from __future__ import annotations

import os
import re

import pytest

from labs import CHECKOUT, stop
from pages import read, typed
from programs import ACTIVE, run

MARK = "run by: tests/scenarios/test_installed.py"
PAGES = ("docs/start.md", "roles/lab/README.md")


def ran(words, folder, **variables):
    """What ``words`` print; they must not fail."""
    code, output = run(words, folder, **ACTIVE, **variables)
    assert code == 0, output
    return output


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    ran(["ansible-galaxy", "collection", "build", "--output-path", str(folder)], CHECKOUT)
    (archive,) = folder.glob("lulab-lvs-*.tar.gz")
    install = ["ansible-galaxy", "collection", "install", str(archive), "-p", str(folder), "--offline"]
    # Only the folder is looked into: what the machine has elsewhere counts as installed already.
    ran(install, folder, ANSIBLE_COLLECTIONS_PATH=str(folder))
    return folder


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_a_requirements_file_installs_it(installed, tmp_path, page):
    (shown,) = re.findall(r"^```yaml\n(collections:\n.*?)^```$", read(page), re.MULTILINE | re.DOTALL)
    (tmp_path / "requirements.yml").write_text(shown, encoding="utf-8")
    (archive,) = installed.glob("lulab-lvs-*.tar.gz")
    (tmp_path / archive.name).symlink_to(archive)
    words = ["ansible-galaxy", "collection", "install", "-r", "requirements.yml", "-p", str(tmp_path)]
    ran(words, tmp_path, ANSIBLE_COLLECTIONS_PATH=str(tmp_path))
    assert (tmp_path / "ansible_collections/lulab/lvs/MANIFEST.json").exists()


def test_nothing_of_the_workshop_is_in_the_archive(installed):
    names = {path.name for path in (installed / "ansible_collections/lulab/lvs").iterdir()}
    assert not names & {".venv", ".lab", ".git", ".ci"}
    assert {"plugins", "roles", "playbooks", "inventory"} <= names


def test_playbooks_run_by_full_name_from_anywhere(lab, installed, tmp_path):
    words = ["ansible-playbook", "lulab.lvs.exp3", "lulab.lvs.verify", "-i", str(CHECKOUT / "inventory/lab")]
    (tmp_path / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(installed), "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg")}
    output = ran([*words, "-e", "lab_dir=%s" % lab.directory], tmp_path, **environment)
    assert "share    10.130.17.31       3" in output
    assert "failed=0" in output


def test_the_lab_of_those_who_have_no_clone(installed, tmp_path):
    """As docs/start.md has it, in a home of its own; the image is that of other labs."""
    here, role = ([one.command for one in typed(page, read(page)) if one.mark == MARK] for page in PAGES)
    assert set(role) < set(here)
    (archive,) = installed.glob("lulab-lvs-*.tar.gz")
    (tmp_path / archive.name).symlink_to(archive)
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    environment = {"HOME": str(tmp_path), "XDG_CACHE_HOME": cache, "XDG_STATE_HOME": ""}
    try:
        output = ran(["bash", "-ec", "\n".join(here)], tmp_path, **environment)
    finally:
        stop(tmp_path / ".local/state/lulab-lvs/lab")
    assert "share    10.130.17.31       3" in output
    assert "TCP  169.254.2.100:80 rr" in output
    assert not (tmp_path / ".local/state/lulab-lvs/lab/supervisor.json").exists()
    assert not (tmp_path / ".ansible/collections/ansible_collections/lulab/lvs/.lab").exists()
