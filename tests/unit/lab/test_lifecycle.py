# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The lulab.lvs founders
"""A lab's files and what is made of them, without a guest; and what goes wrong, in one line."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[3] / "roles/lab/files/lab"
sys.path.insert(0, str(PROGRAM))

import guests  # noqa: E402
import lifecycle  # noqa: E402
import needs  # noqa: E402
import processes  # noqa: E402
import supervisor  # noqa: E402
from errors import LabError, explain  # noqa: E402

HOSTS = [{"name": f"Host{number}", "address": f"10.130.17.{30 + number}/24"} for number in range(3)]


def topology(hosts: int, memory: str = "256M") -> guests.Topology:
    return guests.parse_topology({"hosts": HOSTS[:hosts], "memory": memory})


def describe(lab_dir: Path, of: guests.Topology, states: dict[str, str], image: Path) -> None:
    """What a lab of these guests leaves in its folder; this process stands for its first one."""
    lab_dir.mkdir(exist_ok=True)
    files: dict[str, Any] = {
        "supervisor.json": {"pid": os.getpid(), "started": processes.start_time(os.getpid()), "image": str(image)},
        "wanted.json": lifecycle._wanted(of, lifecycle.ssh.ensure_key(lab_dir)),
        "status.json": {"guests": states},
        "ssh_config": {},
    }
    for name, data in files.items():
        supervisor.write_json(lab_dir / name, data)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The image on a machine that has all but memory; its guests let everyone in."""
    monkeypatch.setattr(needs, "missing", lambda _purposes: [])
    monkeypatch.setattr(needs, "available", lambda: 255)
    monkeypatch.setattr(lifecycle, "_silent", lambda _lab_dir, _names: {})
    monkeypatch.setattr(lifecycle.image, "ensure", lambda: tmp_path / "image")
    return tmp_path / "image"


def test_guests_that_run_have_their_memory_already(full: Path, tmp_path: Path) -> None:
    describe(tmp_path / "lab", topology(2), {"Host0": "answers", "Host1": "answers"}, full)
    assert not lifecycle.up(topology(2), tmp_path / "lab", 1)


@pytest.mark.parametrize(
    ("wanted", "states", "needed"),
    [
        (topology(3), {"Host0": "answers", "Host1": "boots"}, 256),
        (topology(2), {"Host0": "answers", "Host1": "dead"}, 256),
        (topology(2), {}, 512),
        (topology(2, "1G"), {"Host0": "answers", "Host1": "answers"}, 2048),
    ],
)
def test_those_to_be_started_need_theirs(
    full: Path, tmp_path: Path, wanted: guests.Topology, states: dict[str, str], needed: int
) -> None:
    describe(tmp_path / "lab", topology(2), states, full)
    told = (tmp_path / "lab/wanted.json").read_text()
    with pytest.raises(LabError, match=f"memory: 255 MB of {needed} MB"):
        lifecycle.up(wanted, tmp_path / "lab", 1)
    assert (tmp_path / "lab/wanted.json").read_text() == told


def test_too_little_space_for_the_disks_is_named(tmp_path: Path) -> None:
    assert needs.missing_room(tmp_path, 2, lambda _folder: 100 << 20) == []
    assert "99 MB of 100 MB" in str(needs.missing_room(tmp_path, 2, lambda _folder: 99 << 20)[0])


def test_who_does_not_answer_in_time_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = {"Host0": "0", "Host1": "60"}
    monkeypatch.setattr(lifecycle, "GREET_SECONDS", 1)
    monkeypatch.setattr(
        lifecycle.ssh, "greet", lambda _lab_dir, name: subprocess.Popen(["sleep", waits[name]], stderr=subprocess.PIPE)
    )
    assert lifecycle._silent(tmp_path, list(waits)) == {"Host1": "no answer within 1 s"}


def test_a_first_process_that_ended_at_once_is_no_lab(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    (tmp_path / "supervisor.json").write_text(json.dumps({"pid": ended.pid, "started": None, "image": "/"}))
    assert not lifecycle.status(tmp_path)[0]
    assert not lifecycle.down(tmp_path)
    assert not (tmp_path / "supervisor.json").exists()


def test_a_lab_whose_status_cannot_be_written_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = supervisor.Supervisor(tmp_path / "lab", tmp_path)
    one._report()
    assert not (tmp_path / "lab").exists()
    (tmp_path / "lab").mkdir()
    one._report()
    assert json.loads((tmp_path / "lab/status.json").read_text())["guests"] == {}


def test_what_the_system_refuses_is_one_line_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = explain(OSError(errno.ENOSPC, "No space left on device"), [tmp_path])
    assert full == f"{tmp_path}: No space left on device; free some space there"
    denied = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "lock"))
    assert explain(denied, [tmp_path]) == f"{tmp_path}/lock: Permission denied"
    monkeypatch.setattr(os, "getuid", lambda: 61234)
    told = explain(denied, [tmp_path, tmp_path / "other"])
    assert told.startswith(f"{tmp_path}/lock: Permission denied; {tmp_path} belongs to ")
    assert told.endswith(f"sudo chown -R 61234 {tmp_path}")
    assert str(needs.missing_folder(tmp_path)[0]).endswith(f"sudo chown -R 61234 {tmp_path}")
    assert needs.missing_folder(tmp_path / "not there yet") == []


def test_a_folder_that_cannot_be_used_is_named_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab/lock").mkdir()
    words = [sys.executable, str(PROGRAM), "down", "--lab-dir", str(tmp_path / "lab")]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, f"lab: {tmp_path}/lab/lock: Is a directory\n")
