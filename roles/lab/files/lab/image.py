# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The lulab.lvs founders
"""The guests' image: what goes in, where it is cached, how it is built. Never a half one."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from errors import LabError

GUEST_FILES = Path(__file__).resolve().parent / "guest"
SUITE = "trixie"
KERNEL = "6.12"
MIRROR = "http://deb.debian.org/debian"
SIZE = "2G"
PACKAGES = (
    f"user-mode-linux={KERNEL}*",
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "python3",
    "sudo",
    "iproute2",
    "iptables",
    "ipset",
    "ipvsadm",
    "conntrack",
    "curl",
    "ethtool",
    "iputils-ping",
    "iputils-tracepath",
    "tcpdump",
    "procps",
    "kmod",
)
# Those of mmdebstrap's lines that tell a person how far it is.
PROGRESS = ("I: running apt-get", "I: downloading", "I: extracting", "I: installing", "E: ")
NOT_INSTALLED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
# e2fsprogs runs outside the new root. A second view of that root hides what is mounted in it (/proc);
# in fakechroot mode nothing is mounted, nor could be. The file is moved inside because mmdebstrap's
# `download` brings out only what lies there, and packed because it would write each hole as zeroes.
MAKE_FILESYSTEM = f"""set -eu
PATH="$PATH:/usr/sbin:/sbin"; image="$1.ext4"; bare="$1.bare"
trap 'rm -f "$image"' EXIT
mkdir "$bare"
mount --bind "$1" "$bare" 2>/dev/null || {{ rmdir "$bare"; bare="$1"; }}
truncate -s {SIZE} "$image"
mke2fs -q -t ext4 -O ^has_journal -m 0 -d "$bare" "$image"
[ "$bare" = "$1" ] || {{ umount "$bare"; rmdir "$bare"; }}
cd "$1" && mv "$image" root.ext4 && tar --sparse -cf root.tar root.ext4
"""


def cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lulab-lvs"


def recipe() -> str:
    """A name for all that the image is made of: another recipe is another image."""
    digest = hashlib.sha256(repr((SUITE, KERNEL, SIZE, PACKAGES, NOT_INSTALLED, MAKE_FILESYSTEM)).encode())
    for path in sorted(GUEST_FILES.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def image_dir() -> Path:
    return cache_dir() / f"image-{recipe()}"


def is_built() -> bool:
    """The folder appears under its name only when it is whole (see build)."""
    return image_dir().is_dir()


def ensure() -> Path:
    """The image's folder, built first when there is none."""
    if is_built():
        return image_dir()
    cache_dir().mkdir(parents=True, exist_ok=True)
    with _build_lock() as lock:
        if not is_built():
            _build(lock)
    return image_dir()


@contextmanager
def _build_lock() -> Iterator[int]:
    fd = os.open(cache_dir() / "build.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build of the image is under way: waiting for it")
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


def _build(lock: int) -> None:
    """Under the lock, so that whatever looks temporary is left over from a build that was cut off."""
    scratch = Path(f"/tmp/lulab-lvs-build-{os.getuid()}-{hashlib.sha256(bytes(cache_dir())).hexdigest()[:8]}")
    part = cache_dir() / f".part-{recipe()}"
    _remove_leftovers(scratch)
    part.mkdir(mode=0o755)
    # In a user namespace mmdebstrap has another uid, which may neither see into this user's home nor write to what
    # is this user's.
    scratch.mkdir()
    scratch.chmod(0o1777)
    started = time.monotonic()
    say(f"building the guests' image: Debian {SUITE} with user-mode Linux {KERNEL}, once, about a minute")
    try:
        _run_mmdebstrap(part, scratch, lock)
        _unpack(part)
        part.rename(image_dir())
    finally:
        _remove_leftovers(scratch)
    say(f"the image is built: {image_dir()} ({time.monotonic() - started:.0f} s)")


def _remove_leftovers(scratch: Path) -> None:
    for path in cache_dir().glob(".part-*"):
        shutil.rmtree(path)
    if not scratch.exists():
        return
    shutil.rmtree(scratch, ignore_errors=True)
    if scratch.exists():
        # What an ordinary user's build left belongs to that user's subordinate ids.
        subprocess.run(["mmdebstrap", "--unshare-helper", "rm", "-rf", *scratch.iterdir()], check=False)
        shutil.rmtree(scratch)


def command_line(part: Path) -> list[str]:
    """The mmdebstrap call that leaves root.tar, uml.tar and host_key.pub in `part`."""
    hooks = [
        'mkdir -p "$1/lab-build"',
        *[f"upload {_word(path)} /lab-build/{path.name}" for path in sorted(GUEST_FILES.iterdir())],
        f'LAB_KERNEL={KERNEL} chroot "$1" sh /lab-build/setup',
        f"tar-out /lab-uml {_word(part / 'uml.tar')}",
        f"download /etc/ssh/ssh_host_ed25519_key.pub {_word(part / 'host_key.pub')}",
        'rm -rf "$1/lab-uml"',
        MAKE_FILESYSTEM,
        f"download /root.tar {_word(part / 'root.tar')}",
    ]
    return [
        "setpriv",
        "--pdeathsig",
        "TERM",
        "mmdebstrap",
        "--variant=minbase",
        "--format=null",
        "--skip=cleanup",
        *[f"--dpkgopt=path-exclude={pattern}" for pattern in NOT_INSTALLED],
        f"--include={','.join(PACKAGES)}",
        *[f"--customize-hook={hook}" for hook in hooks],
        SUITE,
        "/dev/null",
        os.environ.get("LULAB_MIRROR", MIRROR),
    ]


def _word(path: Path) -> str:
    """mmdebstrap takes its hooks apart as a shell does."""
    return shlex.quote(str(path))


def _run_mmdebstrap(part: Path, scratch: Path, lock: int) -> None:
    """The child keeps the lock: were this process killed, no second build starts beside the first one's rest."""
    log = cache_dir() / "build.log"
    environment = {**os.environ, "TMPDIR": str(scratch), "LC_ALL": "C"}
    environment["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    with (
        log.open("w", encoding="utf-8") as out,
        subprocess.Popen(
            command_line(part),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd="/",
            env=environment,
            pass_fds=(lock,),
        ) as process,
    ):
        for line in process.stdout or ():
            out.write(line)
            out.flush()
            if line.startswith(PROGRESS):
                say("  " + line[3:].rstrip())
    if process.returncode:
        tail = log.read_text(encoding="utf-8").splitlines()[-15:]
        raise LabError("\n".join([f"building the image failed: see the end of {log}:", *tail]))


def _unpack(part: Path) -> None:
    """root.ext4 never changes its size or time from here on: every copy of it depends on them."""
    root = part / "uml"
    root.mkdir()
    for archive, where, strip in (("root.tar", part, "0"), ("uml.tar", root, "1")):
        command = ["tar", "-xf", str(part / archive), "-C", str(where), f"--strip-components={strip}"]
        subprocess.run([*command, "--no-same-owner"], check=True)
        (part / archive).unlink()
    (part / "root.ext4").chmod(0o444)


def say(text: str) -> None:
    print(f"lab: {text}", file=sys.stderr, flush=True)
