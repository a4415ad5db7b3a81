# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The lulab.lvs founders
"""The lab itself: start, start again, survive kills, leave nothing."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator, Sequence

import pytest

CODE = Path(__file__).resolve().parents[2] / "roles/lab/files/lab"
PROGRAM = (sys.executable, str(CODE))
# Seconds, and how much longer it may take while other tests use the machine.
WARM_START, BUSY = 15, 2
USER = 61234
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lulab-lvs"
# What that user sees: users, the image and Python, where they can be reached. Then the command, run by the user.
AS_USER = f"""
mount --bind "$1/passwd" /etc/passwd && mount --bind "$2" "$1/.cache/lulab-lvs" && mount --bind "$3" "$1/python" || exit
home=$1; shift 3
exec setpriv --reuid {USER} --regid {USER} --clear-groups env -i HOME="$home" PATH=/usr/bin:/bin "$@"
"""
ADDRESSES = {"Host0": "10.130.17.30", "Host1": "10.130.17.31"}


class Lab:
    def __init__(self, folder: Path, prefix: Sequence[str] = (), program: Sequence[str] = PROGRAM) -> None:
        """``prefix``: what commands are run by, when it is not this process's own user."""
        self.folder = folder
        self.prefix = prefix
        self.program = program
        self.topology = folder.with_suffix(".json")
        hosts = [{"name": name, "address": f"{address}/24"} for name, address in ADDRESSES.items()]
        self.topology.write_text(json.dumps({"hosts": hosts}))

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [*self.prefix, *self.program, *words, "--lab-dir", str(self.folder)]
        return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)

    def up(self) -> bool:
        answer = self.call("up", "--topology", str(self.topology))
        assert answer.returncode == 0, answer.stderr
        return bool(json.loads(answer.stdout)["changed"])

    def down(self) -> bool:
        answer = self.call("down")
        assert answer.returncode == 0, answer.stderr
        return bool(json.loads(answer.stdout)["changed"])

    def ssh(self, host: str, command: str) -> str:
        words = [*self.prefix, "ssh", "-F", str(self.folder / "ssh_config"), host, command]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout.strip()

    @property
    def supervisor(self) -> int:
        return int(json.loads((self.folder / "supervisor.json").read_text())["pid"])

    def guest(self, name: str) -> int:
        """The guest's kernel: of its processes the one that is not a child of another of them."""
        inner = children(self.supervisor)[0]
        return next(pid for pid in children(inner) if f"lab.name={name}" in read(pid, "cmdline"))


def read(pid: int, what: str) -> str:
    try:
        return Path(f"/proc/{pid}/{what}").read_text(errors="replace")
    except OSError:
        return ""


def pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def children(parent: int) -> list[int]:
    return [pid for pid in pids() if read(pid, "stat").rpartition(")")[2].split()[1:2] == [str(parent)]]


def inhabitants(namespace: str) -> list[int]:
    def lives_there(pid: int) -> bool:
        try:
            return os.readlink(f"/proc/{pid}/ns/net") == namespace
        except OSError:
            return False

    return [pid for pid in pids() if lives_there(pid)]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    one = Lab(tmp_path / "lab")
    yield one
    one.down()


def build_image() -> None:
    subprocess.run([*PROGRAM, "build"], check=True, capture_output=True)


def test_a_lab_from_start_to_end(lab: Lab) -> None:
    build_image()
    began = time.monotonic()
    assert lab.up()
    assert time.monotonic() - began < BUSY * WARM_START, "SSH answers on both guests"
    assert not lab.up(), "a second up has nothing to do"
    assert lab.ssh("Host1", "id -un; hostname; sudo id -u").split() == ["lab", "Host1", "0"]
    lab.ssh("Host0", "sudo modprobe -a ip_vs xt_ipvs xt_set dummy veth nf_conntrack_netlink iptable_nat")
    lab.ssh("Host0", f"ping -c 1 -W 5 {ADDRESSES['Host1']} && sudo tracepath -n {ADDRESSES['Host1']}")

    namespace = os.readlink(f"/proc/{lab.supervisor}/ns/net")
    assert inhabitants(namespace)
    here = subprocess.run(["ip", "-br", "address"], capture_output=True, text=True, check=True).stdout
    assert "10.130.17." not in here, "the addresses exist in the lab only"
    started = time.monotonic()
    assert lab.down()
    assert time.monotonic() - started < 15
    assert inhabitants(namespace) == []
    assert not lab.down(), "a second down has nothing to do"
    assert lab.call("status").returncode == 1


def test_up_repairs_what_was_killed(lab: Lab) -> None:
    lab.up()
    lab.ssh("Host0", "touch /tmp/untouched")
    os.kill(lab.guest("Host1"), signal.SIGKILL)
    time.sleep(1)
    assert "dead" in lab.call("status").stdout
    assert lab.up()
    assert lab.ssh("Host1", "hostname") == "Host1"
    assert lab.ssh("Host0", "ls /tmp/untouched"), "the other guest was left alone"

    namespace = os.readlink(f"/proc/{lab.supervisor}/ns/net")
    guests = [lab.guest(name) for name in ADDRESSES]
    os.kill(lab.supervisor, signal.SIGKILL)
    time.sleep(1)
    assert not [pid for pid in guests if "linux.uml" in read(pid, "cmdline")], "guests die with their supervisor"
    old = set(inhabitants(namespace))
    assert lab.up(), "left-overs of a killed lab are removed, and a new one starts"
    assert not old & set(pids())
    assert lab.ssh("Host0", "hostname") == "Host0"


def test_two_labs_side_by_side(tmp_path: Path) -> None:
    one, two = Lab(tmp_path / "one"), Lab(tmp_path / "two with a space")
    try:
        one.up()
        two.up()
        one.ssh("Host0", "touch /tmp/one")
        assert two.ssh("Host0", "ls /tmp") == ""
        one.down()
        assert two.ssh("Host0", "hostname") == "Host0"
    finally:
        one.down()
        two.down()


@pytest.fixture
def user() -> Iterator[Callable[[str], Lab]]:
    """The labs of an ordinary user, by their folder's name. Only the user's own commands know that there is one."""
    build_image()
    # Others may not look into pytest's folders, nor perhaps into those of the checkout, the image and Python.
    home = Path(tempfile.mkdtemp(prefix="lulab-lvs-user-"))
    home.chmod(0o755)
    for folder in (".cache/lulab-lvs", "python"):
        (home / folder).mkdir(parents=True)
    shutil.copytree(CODE, home / "program")
    entry = f"somebody:x:{USER}:{USER}::{home}:/bin/sh\n"
    (home / "passwd").write_text(Path("/etc/passwd").read_text() + entry)
    for path in (home, *home.rglob("*")):
        os.chown(path, USER, USER)
    prefix = ["unshare", "--mount", "sh", "-c", AS_USER, "sh", str(home), str(CACHE), sys.base_prefix]
    python = home / "python/bin" / Path(sys.executable).resolve().name
    labs: list[Lab] = []

    def lab(name: str) -> Lab:
        labs.append(Lab(home / name, prefix, [str(python), str(home / "program")]))
        return labs[-1]

    try:
        yield lab
    finally:
        for one in labs:
            Lab(one.folder).down()
        shutil.rmtree(home)


def test_an_ordinary_user_has_a_lab_too(user: Callable[[str], Lab]) -> None:
    lab = user("lab")
    assert lab.up()
    assert not lab.up()
    assert lab.ssh("Host1", "hostname; sudo id -u").split() == ["Host1", "0"]
    namespace = os.readlink(f"/proc/{lab.supervisor}/ns/net")
    assert {os.stat(f"/proc/{pid}").st_uid for pid in inhabitants(namespace)} == {USER}
    assert lab.down()
    assert inhabitants(namespace) == []
    assert not [pid for pid in pids() if f"\nUid:\t{USER}\t" in read(pid, "status") and read(pid, "cmdline")]


def test_the_lab_of_root_is_refused_to_a_user_in_one_line(user: Callable[[str], Lab]) -> None:
    lab = user("lab")
    root = Lab(lab.folder)
    root.up()
    for words in (["down"], ["status"], ["up", "--topology", str(lab.topology)]):
        answer = lab.call(*words)
        assert answer.returncode == 1
        assert re.fullmatch(
            rf"lab: .* {lab.folder} belongs to root.*sudo chown -R somebody {lab.folder}\n", answer.stderr
        )
    assert not root.up(), "it has not suffered"
    root.down()


def wait_until(true: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def nothing_builds(lock: Path) -> bool:
    """All that a build starts holds its lock."""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_a_build_cut_off_leaves_no_half_image_and_the_next_one_clears_its_rest(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    command = [*PROGRAM, "build"]
    cache = tmp_path / "lulab-lvs"
    before = set(Path("/tmp").glob("lulab-lvs-build-*"))

    def scratches() -> set[Path]:
        return set(Path("/tmp").glob("lulab-lvs-build-*")) - before

    def cut_off(once: Callable[[], object]) -> None:
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as build:
            wait_until(once)
            time.sleep(1)
            build.kill()
        wait_until(lambda: nothing_builds(cache / "build.lock"))

    try:
        cut_off(scratches)
        assert list(cache.glob(".part-*"))
        assert not list(cache.glob("image-*"))
        assert subprocess.run([*command, "--check"], env=environment, check=False).returncode == 1
        (scratch,) = scratches()
        rest = [cache / ".part-of-another-recipe", scratch / "rest"]
        for folder in rest:
            folder.mkdir()
        cut_off(lambda: not any(folder.exists() for folder in rest))
        assert not list(cache.glob("image-*"))
    finally:
        for scratch in scratches():
            shutil.rmtree(scratch)
