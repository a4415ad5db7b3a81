# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host without one of the tools: what check mode says of it, and what is installed. Guests have no repository."""

from __future__ import annotations

import pytest

from labs import differences

HIDDEN = "/root/tracepath.hidden"
# Stands for the distribution's own module: it is told what to install, and puts the tool back.
STUB = (
    """#!/usr/bin/python
import os
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({"name": {"type": "list", "elements": "str"}, "state": {"type": "str"}})
os.rename("%s", "/usr/bin/tracepath")
module.exit_json(changed=True, msg="installed " + " ".join(module.params["name"]))
"""
    % HIDDEN
)


@pytest.fixture(scope="module")
def bare(lab):
    lab.on("Host1", "mv /usr/bin/tracepath %s" % HIDDEN)
    yield lab
    lab.on("Host1", "mv %s /usr/bin/tracepath" % HIDDEN, check=False)


def test_check_mode_says_what_would_be_installed_and_goes_on_elsewhere(bare):
    before = bare.snapshots()
    told = bare.play("exp3", options=("--check", "--diff"))
    assert "would install iputils-tracepath; what comes after cannot be told before that" in told.output
    assert told.recap["Host0"]["changed"] and not told.recap["Host1"]["changed"]
    assert not differences(before, bare.snapshots())


def test_a_tool_that_is_missing_is_installed_before_anything_is_built(bare, tmp_path, monkeypatch):
    (tmp_path / "stub_packages.py").write_text(STUB, encoding="utf-8")
    monkeypatch.setenv("ANSIBLE_LIBRARY", str(tmp_path))
    extra = {"ansible_package_use": "ansible.legacy.stub_packages"}
    played = bare.play("exp3", "verify", extra=extra, options=("-v",))
    assert "installed iputils-tracepath" in played.output
    assert bare.play("exp3", extra=extra).changed() == 0
    bare.play("clean")
