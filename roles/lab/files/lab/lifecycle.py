# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The lulab.lvs founders
"""up, down, status: from an ordinary shell, with the lab's process tree on the other side of its files."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

import image
import needs
import processes
import ssh
from errors import LabError
from guests import Guest, Topology, kernel_arguments, reconcile
from image import say
from supervisor import ANSWERS, DEAD, read_json, write_json

STOP_SECONDS = 15
LOCK_SECONDS = 5
GREET_SECONDS = 20
TAIL = 15
STATE_FILES = ("supervisor.json", "wanted.json", "status.json", "ssh_config", "known_hosts")


def up(topology: Topology, lab_dir: Path, timeout: float) -> bool:
    """Make exactly these guests answer; True when there was something to do."""
    needs.require([*needs.missing(["lab"]), *needs.missing_folder(lab_dir)])
    base = image.ensure()
    for folder in ("consoles", "disks"):
        (lab_dir / folder).mkdir(parents=True, exist_ok=True)
    lab_dir.chmod(0o700)
    with _lock(lab_dir, None):
        return _up(topology, lab_dir, base, time.monotonic() + timeout)


def _up(topology: Topology, lab_dir: Path, base: Path, deadline: float) -> bool:
    wanted = _wanted(topology, ssh.ensure_key(lab_dir))
    pid = _supervisor(lab_dir)
    if pid and read_json(lab_dir / "supervisor.json")["image"] != str(base):
        say("the image's recipe changed: the lab starts anew")
        _end(lab_dir)
        pid = None
    if pid and _is_as_wanted(lab_dir, wanted):
        say("all guests answer already: nothing to do")
        return False
    if not pid:
        _end(lab_dir)
    _require_room(lab_dir, _to_start(lab_dir, topology, wanted))
    started = time.monotonic()
    if not pid:
        pid = _start_supervisor(lab_dir, base)
    ssh.write(lab_dir, base, pid, [(spec["name"], spec["ip"]) for spec in wanted["guests"]])
    write_json(lab_dir / "wanted.json", wanted)
    say(f"starting {', '.join(spec['name'] for spec in wanted['guests'])}: about 10 s")
    _wait_for_answers(lab_dir, wanted, deadline)
    seconds = time.monotonic() - started
    say(f"all guests answer ({seconds:.1f} s): ssh -F {lab_dir}/ssh_config {wanted['guests'][0]['name']}")
    return True


def _wanted(topology: Topology, public_key: str) -> dict[str, Any]:
    """What the supervisor is told; a new generation each time, so that a dead guest is started again."""
    specs = [
        {
            "name": guest.name,
            "ip": str(guest.address.ip),
            "link": guest.link,
            "port": guest.port,
            "arguments": kernel_arguments(guest, topology.gateway, public_key),
        }
        for guest in topology.guests
    ]
    return {"generation": time.time_ns(), "gateway": str(topology.gateway), "guests": specs}


def _to_start(lab_dir: Path, topology: Topology, wanted: dict[str, Any]) -> list[Guest]:
    """Those that do not run as they are wanted."""
    told = (read_json(lab_dir / "wanted.json") or wanted)["guests"]
    states = _states(lab_dir)
    running = {spec["name"]: spec["arguments"] for spec in told if states.get(spec["name"], DEAD) != DEAD}
    _stop, start = reconcile(running, {spec["name"]: spec["arguments"] for spec in wanted["guests"]})
    return [guest for guest in topology.guests if guest.name in start]


def _require_room(lab_dir: Path, guests: Sequence[Guest]) -> None:
    """Memory and space for those to be started: the others have theirs."""
    memory = needs.missing_memory(guest.memory for guest in guests)
    needs.require([*memory, *needs.missing_room(lab_dir, len(guests))])


def _states(lab_dir: Path) -> dict[str, str]:
    """How far each guest is, as the supervisor tells it."""
    return dict((read_json(lab_dir / "status.json") or {}).get("guests", {}))


def _is_as_wanted(lab_dir: Path, wanted: dict[str, Any]) -> bool:
    told = read_json(lab_dir / "wanted.json")
    if not told or told["guests"] != wanted["guests"] or not (lab_dir / "ssh_config").exists():
        return False
    states = _states(lab_dir)
    names = [spec["name"] for spec in wanted["guests"]]
    return all(states.get(name) == ANSWERS for name in names) and not _silent(lab_dir, names)


def _silent(lab_dir: Path, names: list[str]) -> dict[str, str]:
    """Those that let nobody in, with ssh's words; all asked at once."""
    silent = {}
    for name, process in [(name, ssh.greet(lab_dir, name)) for name in names]:
        try:
            _out, words = process.communicate(timeout=GREET_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            # Until it has been waited for it has no exit status, as if all were well.
            process.wait()
            words = f"no answer within {GREET_SECONDS} s".encode()
        if process.returncode:
            silent[name] = words.decode(errors="replace").strip()
    return silent


def _wait_for_answers(lab_dir: Path, wanted: dict[str, Any], deadline: float) -> None:
    names = [spec["name"] for spec in wanted["guests"]]
    greeted: set[str] = set()
    words: dict[str, str] = {}
    while len(greeted) < len(names):
        if not _supervisor(lab_dir):
            raise LabError(_with_tail("the lab ended while its guests booted", lab_dir / "supervisor.log"))
        status = read_json(lab_dir / "status.json") or {}
        if status.get("generation") == wanted["generation"]:
            if status["error"]:
                raise LabError(
                    _with_tail(f"a guest could not be started: {status['error']}", lab_dir / "supervisor.log")
                )
            _refuse_dead(lab_dir, status["guests"])
            ready = [n for n in names if status["guests"].get(n) == ANSWERS and n not in greeted]
            words = _silent(lab_dir, ready)
            greeted |= set(ready) - set(words)
        if time.monotonic() > deadline:
            name = next(name for name in names if name not in greeted)
            what = f"{name} does not answer in time {words.get(name, '')}".rstrip()
            raise LabError(_with_tail(what, lab_dir / "consoles" / f"{name}.log"))
        time.sleep(0.1)


def _refuse_dead(lab_dir: Path, states: dict[str, str]) -> None:
    for name, state in states.items():
        if state == DEAD:
            raise LabError(_with_tail(f"{name} died while it booted", lab_dir / "consoles" / f"{name}.log"))


def _with_tail(what: str, log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return "\n".join([f"{what}; the end of {log}:", *["  " + line for line in text.splitlines()[-TAIL:]]])


def _supervisor(lab_dir: Path) -> int | None:
    """The pid of the living outer process, never that of another one which has its number now."""
    state = read_json(lab_dir / "supervisor.json")
    # One that ended at once has no start time, and what is not there has none either.
    if state and state["started"] is not None and processes.start_time(state["pid"]) == state["started"]:
        return int(state["pid"])
    return None


def _start_supervisor(lab_dir: Path, base: Path) -> int:
    program = str(Path(__file__).resolve().parent)
    # --kill-child: should the outer process end in any way, the inner one, and with it everything, ends too.
    command = ["unshare", "-Urnpf", "--mount-proc", "--kill-child", sys.executable, program]
    command += ["supervise", "--lab-dir", str(lab_dir), "--image", str(base)]
    environment = {**os.environ, ssh.TAG: str(lab_dir)}
    environment["PATH"] = needs.path()
    with (lab_dir / "supervisor.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
    write_json(
        lab_dir / "supervisor.json",
        {"pid": process.pid, "started": processes.start_time(process.pid), "image": str(base)},
    )
    _wait_until(lambda: (lab_dir / "status.json").exists() or process.poll() is not None, 15)
    if process.poll() is not None:
        raise LabError(_with_tail("the lab's first process ended", lab_dir / "supervisor.log"))
    return process.pid


def down(lab_dir: Path) -> bool:
    """End everything that belongs to this lab, within a bound; True when there was something."""
    if not lab_dir.is_dir():
        return False
    with _lock(lab_dir, LOCK_SECONDS):
        return _end(lab_dir)


def _end(lab_dir: Path) -> bool:
    pid = _supervisor(lab_dir)
    found = bool(pid)
    if pid:
        processes.kill(pid)

    def all_gone() -> bool:
        nonlocal found
        rest = processes.with_environment(ssh.TAG, str(lab_dir))
        found = found or bool(rest)
        for left in rest:
            processes.kill(left)
        return not rest and not _supervisor(lab_dir)

    if not _wait_until(all_gone, STOP_SECONDS):
        raise LabError(f"some processes of the lab do not end: see `grep -lz {ssh.TAG}= /proc/*/environ`")
    for name in STATE_FILES:
        (lab_dir / name).unlink(missing_ok=True)
    shutil.rmtree(ssh.control_dir(lab_dir), ignore_errors=True)
    for path in (lab_dir / "disks").glob("*.cow"):
        path.unlink()
    return found


def status(lab_dir: Path) -> tuple[bool, list[str]]:
    """Whether every guest answers, and a line for each."""
    pid = _supervisor(lab_dir)
    wanted = read_json(lab_dir / "wanted.json")
    if not pid or not wanted:
        return False, [f"no lab runs in {lab_dir}"]
    states = _states(lab_dir)
    rows = [(spec["name"], spec["ip"], states.get(spec["name"], DEAD)) for spec in wanted["guests"]]
    width = max(len(row[0]) for row in rows)
    lines = [f"{name:{width}}  {ip:15}  {state}" for name, ip, state in rows]
    return all(row[-1] == ANSWERS for row in rows), lines


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def _lock(lab_dir: Path, seconds: float | None) -> Iterator[None]:
    """One `up` at a time. `down` waits a little only: ending a lab must not depend on who hangs."""
    with (lab_dir / "lock").open("w") as lock:

        def take() -> bool:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if not take():
            say(f"another command is at work on {lab_dir}: waiting")
            _wait_until(take, 600 if seconds is None else seconds)
        yield


def load_topology(path: str) -> Any:
    try:
        return json.loads(sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise LabError(f"the topology {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise LabError(f"the topology {path} is not JSON: {error}") from None
