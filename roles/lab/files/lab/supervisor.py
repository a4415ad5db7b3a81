# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The lulab.lvs founders
"""The root of the lab's process tree: the bridge, the cables and the guests' kernels.

Runs as process 1 of the lab's own namespaces (see lifecycle.py), so that its end is the end of everything
it started. It is told what is wanted by a file, wanted.json, and tells how things are by another, status.json:
files need no address, no protocol and no path shorter than 108 characters.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from guests import reconcile

BRIDGE = "lab0"
POLL = 0.1
KERNEL_SPEAKS = b"Linux version"
BOOTING, ANSWERS, DEAD = "boots", "answers", "dead"


def write_json(path: Path, data: Any) -> None:
    """Whole or not at all: others read while we write."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(data, indent=1), encoding="utf-8")
    part.replace(path)


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


class Guest:
    """One kernel that was started, and how far it is."""

    def __init__(self, spec: dict[str, Any], root: Path, console: Path) -> None:
        self.spec = spec
        self.state = BOOTING
        self.console = console
        self.runs = False
        with console.open("wb") as log:
            self.process = subprocess.Popen(
                ["chroot", str(root), "/usr/bin/linux.uml", *spec["arguments"]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own, so that the helpers of a killed kernel can be ended with it.
                start_new_session=True,
                env={"TMPDIR": "/tmp", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", "TERM": "linux"},
            )
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """From inside the namespace one connection is enough to see sshd come up."""
        while self.state == BOOTING:
            try:
                with socket.create_connection((self.spec["ip"], 22), timeout=1) as connection:
                    if connection.recv(4) == b"SSH-" and self.state == BOOTING:
                        self.state = ANSWERS
            except OSError:
                time.sleep(POLL)

    def nudge(self) -> None:
        """Let the kernel look for finished input and output.

        On a busy machine the signal that announces it now and then goes astray, and the guest sleeps until the
        next one, which may be half a minute away. A signal that comes before the kernel speaks on its console
        would end it, or find its handlers half built and have it hang for ever.
        """
        if self.state == DEAD:
            return
        self.runs = self.runs or KERNEL_SPEAKS in self.console.read_bytes()
        if self.runs:
            # Not by send_signal: that may wait for the process, and then nobody else learns of its end.
            os.kill(self.process.pid, signal.SIGIO)

    def end(self) -> None:
        self.state = DEAD
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


class Supervisor:
    def __init__(self, lab_dir: Path, image: Path) -> None:
        self.lab_dir = lab_dir
        self.root = image / "uml"
        self.guests: dict[str, Guest] = {}
        self.ports: set[str] = set()
        self.generation = None
        self.error = ""

    def run(self, image: Path) -> None:
        self._mount(image)
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", BRIDGE, "type", "bridge")
        _run("ip", "link", "set", BRIDGE, "up")
        while True:
            self._reap()
            self._obey()
            self._report()
            for guest in self.guests.values():
                guest.nudge()
            time.sleep(POLL)

    def _mount(self, image: Path) -> None:
        """The kernel's root: its libraries are newer than this machine's, so it runs in a root of its own."""
        _run("mount", "--rbind", "/dev", str(self.root / "dev"))
        _run("mount", "--rbind", "/proc", str(self.root / "proc"))
        _run("mount", "-t", "tmpfs", "-o", "size=0,mode=1777", "lab-memory", str(self.root / "tmp"))
        _run("mount", "--bind", str(self.lab_dir), str(self.root / "lab"))
        _run("mount", "--bind", str(image), str(self.root / "image"))

    def _reap(self) -> None:
        """As process 1 we inherit orphans: wait for any child, not only for those we know."""
        while True:
            try:
                pid, _status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for guest in self.guests.values():
                if guest.process.pid == pid:
                    guest.end()

    def _obey(self) -> None:
        wanted = read_json(self.lab_dir / "wanted.json")
        if wanted is None or wanted["generation"] == self.generation:
            return
        specs = {spec["name"]: spec for spec in wanted["guests"]}
        running = {n: g.spec["arguments"] for n, g in self.guests.items() if g.state != DEAD}
        stop, start = reconcile(running, {name: spec["arguments"] for name, spec in specs.items()})
        try:
            for name in stop:
                self._stop(name)
            self._address(wanted["gateway"])
            for name in start:
                self._start(specs[name])
            self.error = ""
        except (OSError, subprocess.CalledProcessError) as error:
            self.error = str(error)
        for name in set(self.guests) - set(specs):
            del self.guests[name]
        self.generation = wanted["generation"]

    def _address(self, gateway: str) -> None:
        _run("ip", "-4", "address", "flush", "dev", BRIDGE)
        _run("ip", "address", "add", gateway, "brd", "+", "dev", BRIDGE)

    def _stop(self, name: str) -> None:
        """A power cut: the disk is thrown away anyway."""
        guest = self.guests[name]
        guest.end()
        guest.process.wait()

    def _start(self, spec: dict[str, Any]) -> None:
        if spec["link"] not in self.ports:
            _run("ip", "link", "add", spec["link"], "type", "veth", "peer", "name", spec["port"])
            _run("ip", "link", "set", spec["port"], "master", BRIDGE, "up")
            _run("ip", "link", "set", spec["link"], "up")
            self.ports.add(spec["link"])
        (self.lab_dir / "disks" / f"{spec['name']}.cow").unlink(missing_ok=True)
        console = self.lab_dir / "consoles" / f"{spec['name']}.log"
        self.guests[spec["name"]] = Guest(spec, self.root, console)

    def _report(self) -> None:
        status = {
            "generation": self.generation,
            "error": self.error,
            "guests": {name: guest.state for name, guest in self.guests.items()},
        }
        if status != getattr(self, "reported", None):
            # A full disk must not end the guests: it is told as soon as it can be.
            with contextlib.suppress(OSError):
                write_json(self.lab_dir / "status.json", status)
                self.reported = status


def main(lab_dir: Path, image: Path) -> None:
    # Process 1 ignores what it has no handler for; the outer process is what others end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Supervisor(lab_dir, image).run(image)
