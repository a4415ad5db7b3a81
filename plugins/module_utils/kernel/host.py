# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host around the kernel interfaces: privileges, network namespaces, the lock between two runs."""

from __future__ import annotations

import ctypes
import fcntl
import os
import time
from contextlib import contextmanager
from typing import Iterator, Optional

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput, LvsError, Unsupported, errno_words

NAMESPACES = "/run/netns"
RUN_DIRECTORY = "/run/lulab-lvs"
CAP_NET_ADMIN = 12
CLONE_NEWNET = 0x40000000
LOCK_SECONDS = 60.0
LOCK_POLL_SECONDS = 0.05


def require_net_admin() -> None:
    """Raise ``Unsupported`` unless this process may configure the network."""
    with open("/proc/self/status", encoding="ascii") as status:
        capabilities = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    if not capabilities & 1 << CAP_NET_ADMIN:
        raise Unsupported(
            "this needs the privilege to configure the network (CAP_NET_ADMIN), which user %d lacks here: "
            "run the task with 'become: true'" % os.geteuid()
        )


def enter(descriptor: int) -> None:
    """Move this thread into the network namespace behind ``descriptor``."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        raise Unsupported("cannot enter the network namespace: %s" % errno_words(ctypes.get_errno()))


@contextmanager
def inside(netns: Optional[str], parameter: str = "netns") -> Iterator[None]:
    """Run the body inside the named network namespace; None is the one we are in.

    Child processes and sockets opened inside belong to that namespace, also after the body has ended.
    """
    if netns is None:
        yield
        return
    path = os.path.join(NAMESPACES, netns)
    if "/" in netns or not os.path.exists(path):
        raise BadInput(parameter, netns, "no network namespace of that name; 'ip netns list' shows those there are")
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(target)
        finally:
            os.close(target)
        try:
            yield
        finally:
            enter(home)
    finally:
        os.close(home)


@contextmanager
def locked(seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the host-wide lock, so that reading, planning and applying are one step to another run.

    Waits ``seconds`` at most. The kernel frees the lock when its holder ends, however it ends.
    """
    path = os.path.join(RUN_DIRECTORY, "lock")
    try:
        os.makedirs(RUN_DIRECTORY, mode=0o755, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        words = "the lock that keeps two runs apart, %s, cannot be opened (%s): run the task as root of this host"
        raise Unsupported(words % (path, error.strerror)) from error
    try:
        deadline = time.monotonic() + seconds
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise LvsError("another run has held %s for %g s: wait for it to end, then try again" % (path, seconds))
            time.sleep(LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
