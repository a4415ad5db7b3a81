# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The lulab.lvs founders
"""How an ordinary shell reaches the guests: a key, a known host key, an ssh_config."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Iterable

from errors import LabError

USER = "lab"
# Every process that enters the lab from outside carries this, so that `down` finds it by whom it serves.
TAG = "LULAB_LVS_LAB"
HEADER = """\
# Written by the lab; it ends with the lab. Use: ssh -F {lab_dir}/ssh_config HOST COMMAND
Host {names}
    User {user}
    HostKeyAlias lab
    UserKnownHostsFile "{lab_dir}/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    IdentityFile "{lab_dir}/key"
    IdentitiesOnly yes
    PreferredAuthentications publickey
    GSSAPIAuthentication no
    ProxyCommand env {tag}={quoted} nsenter -t {pid} -U -n --preserve-credentials socat - TCP:%h:%p
    ControlMaster auto
    ControlPersist 60
    ControlPath {control_dir}/%C
    ServerAliveInterval 15
    ServerAliveCountMax 4
    ConnectTimeout 20
    LogLevel ERROR
"""
ENTRY = """\
Host {name}
    HostName {ip}
"""


def control_dir(lab_dir: Path) -> Path:
    """Short, as a unix socket's path has 108 characters at most; a lab's own, as two may run at once."""
    return Path(f"/tmp/lulab-lvs-{os.getuid()}-{hashlib.sha256(bytes(lab_dir)).hexdigest()[:8]}")


def ssh_config(lab_dir: Path, pid: int, hosts: Iterable[tuple[str, str]]) -> str:
    """The text for (name, ip) pairs; `pid` is a process in the lab's namespaces."""
    hosts = list(hosts)
    head = HEADER.format(
        lab_dir=_percent(str(lab_dir)),
        names=" ".join(host[0] for host in hosts),
        user=USER,
        tag=TAG,
        quoted=_percent(_shell(str(lab_dir))),
        pid=pid,
        control_dir=control_dir(lab_dir),
    )
    return head + "".join(ENTRY.format(name=name, ip=ip) for name, ip in hosts)


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def ensure_control_dir(lab_dir: Path) -> None:
    """In /tmp anyone could have made it first."""
    path = control_dir(lab_dir)
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or path.is_symlink():
        raise LabError(f"{path} is not this user's own folder: remove it")


def ensure_key(lab_dir: Path) -> str:
    """The public key, made once for this lab."""
    key, public = lab_dir / "key", lab_dir / "key.pub"
    if not (key.exists() and public.exists()):
        for path in (key, public):
            path.unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(key)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return public.read_text(encoding="utf-8")


def write(lab_dir: Path, image: Path, pid: int, hosts: Iterable[tuple[str, str]]) -> None:
    host_key = " ".join((image / "host_key.pub").read_text(encoding="utf-8").split()[:2])
    (lab_dir / "known_hosts").write_text(f"lab {host_key}\n", encoding="utf-8")
    ensure_control_dir(lab_dir)
    part = lab_dir / ".ssh_config.part"
    part.write_text(ssh_config(lab_dir, pid, hosts), encoding="utf-8")
    part.replace(lab_dir / "ssh_config")


def greet(lab_dir: Path, name: str) -> subprocess.Popen[bytes]:
    """Log in once. This also opens the shared connection that later commands go through."""
    command = ["ssh", "-F", str(lab_dir / "ssh_config"), "-o", "ConnectTimeout=5", name, "true"]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
