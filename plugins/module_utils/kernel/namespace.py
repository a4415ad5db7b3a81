# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Named network namespaces, made and removed as ``ip netns`` does, and a note of those that we made.

The note is a file that says which namespace it was; it is written empty before the namespace is made, so that a run cut
off in between is still known to have been ours.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from contextlib import suppress
from typing import Sequence

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError, errno_words
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import (
    CLONE_NEWNET,
    NAMESPACES,
    RUN_DIRECTORY,
    enter,
    inside,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.network import Namespace
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change

NOTES = os.path.join(RUN_DIRECTORY, "netns")

_MS_BIND, _MS_REC, _MS_SHARED, _MNT_DETACH = 0x1000, 0x4000, 1 << 20, 2
_EINVAL = 22
_SO_NETNS_COOKIE = 71
_libc = ctypes.CDLL(None, use_errno=True)


def path_of(name: str) -> str:
    return os.path.join(NAMESPACES, name)


def alive(name: str) -> bool:
    """Whether a namespace is mounted at its name; a bare file there is what a cut-off run left."""
    try:
        return os.stat(path_of(name)).st_dev == os.stat("/proc/self/ns/net").st_dev
    except FileNotFoundError:
        return False


def found(name: str) -> Namespace | None:
    if not os.path.lexists(path_of(name)):
        return None
    return Namespace(ours=_ours(name)) if alive(name) else Namespace(ours=True, stale=True)


def _ours(name: str) -> bool:
    try:
        with open(os.path.join(NOTES, name), encoding="ascii") as note:
            noted = note.read().strip()
    except FileNotFoundError:
        return False
    return noted in ("", _identity(name))


def _identity(name: str) -> str:
    with inside(name, "namespace"):
        return identity_here()


def identity_here() -> str:
    """Which namespace we are in: its inode number, which the kernel gives out anew once it is free, and its cookie,
    which it does not. Kernels before 5.14 have no cookies."""
    inode = os.stat("/proc/thread-self/ns/net").st_ino
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as socket_:
        try:
            cookie = socket_.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
        except OSError:
            return str(inode)
    return "%d %d" % (inode, int.from_bytes(cookie, sys.byteorder))


def _note(name: str, identity: str) -> None:
    """Write it in one step: one that a run cut off has left empty would be believed of any namespace."""
    os.makedirs(NOTES, mode=0o755, exist_ok=True)
    path = os.path.join(NOTES, name)
    temporary = path + "~"  # what no namespace is called
    with open(temporary, "w", encoding="ascii") as note:
        note.write(identity)
    os.replace(temporary, path)


def complete_note(name: str) -> None:
    """Say in an empty note, as a script of the boot leaves one, which namespace is meant, before it is another one."""
    try:
        empty = not os.path.getsize(os.path.join(NOTES, name))
    except FileNotFoundError:
        return
    if empty and alive(name):
        _note(name, _identity(name))


def note_commands(changes: Sequence[Change]) -> list[str]:
    """What notes, at boot, that the namespaces which ``ip netns add`` is going to make are ours."""
    names = [str(change.key) for change in changes if change.kind == "namespace" and change.creates]
    note = "mkdir -p %s && { test -e %s || : > %s; }"
    return [note % (NOTES, path_of(name), os.path.join(NOTES, name)) for name in names]


def create(name: str) -> None:
    """``ip netns add``: the namespace is held by a mount at its name, which all mount namespaces see."""
    _share_directory()
    _note(name, "")
    try:
        _make(name)
    except BaseException:
        _forget(name)
        raise
    _note(name, _identity(name))


def _make(name: str) -> None:
    path = path_of(name)
    with suppress(FileNotFoundError):
        if not alive(name):
            os.unlink(path)
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0))
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("make a network namespace", _libc.unshare(CLONE_NEWNET))
        try:
            _mount("/proc/thread-self/ns/net", path, _MS_BIND)
        finally:
            enter(home)
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(home)


def delete(name: str) -> None:
    _libc.umount2(path_of(name).encode(), _MNT_DETACH)
    with suppress(FileNotFoundError):
        os.unlink(path_of(name))
    _forget(name)


def _forget(name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(NOTES, name))


def _share_directory() -> None:
    os.makedirs(NAMESPACES, mode=0o755, exist_ok=True)
    directory = NAMESPACES.encode()
    if _libc.mount(b"", directory, b"none", ctypes.c_ulong(_MS_SHARED | _MS_REC), None):
        if ctypes.get_errno() != _EINVAL:  # EINVAL: the folder is no mount point yet
            _call("share %s" % NAMESPACES, -1)
        _mount(NAMESPACES, NAMESPACES, _MS_BIND | _MS_REC)
        _call(
            "share %s" % NAMESPACES,
            _libc.mount(b"", directory, b"none", ctypes.c_ulong(_MS_SHARED | _MS_REC), None),
        )


def _mount(source: str, target: str, flags: int) -> None:
    result = _libc.mount(source.encode(), target.encode(), b"none", ctypes.c_ulong(flags), None)
    _call("mount a namespace at %s" % target, result)


def _call(what: str, result: int) -> None:
    if result:
        said = errno_words(ctypes.get_errno())
        raise LvsError("cannot %s: %s; this needs root's privilege to mount (CAP_SYS_ADMIN)" % (what, said))
