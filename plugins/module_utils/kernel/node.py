# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel modules, sysctls, the ledger file, and the checks that come before any change."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from typing import Any, Callable, Hashable, Sequence

from ansible_collections.lulab.lvs.plugins.module_utils.errors import (
    BadInput,
    LvsError,
    Refused,
    Unsupported,
    errno_words,
)
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.link import interface_holding, route_covering
from ansible_collections.lulab.lvs.plugins.module_utils.model.node import LEDGER, Ledger, Node, from_json, to_json
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State

# On disk: what boot scripts build again has to be taken back after a reboot, too.
LEDGER_DIRECTORY = "/var/lib/lulab-lvs"


def ledger_file(netns: str | None) -> str:
    """Where the ledger of the namespace ``netns`` is; None is the host's own."""
    return os.path.join(LEDGER_DIRECTORY, "node-%s.json" % netns if netns else "node.json")


def read(node: Node, path: str) -> State:
    """Modules and sysctls that ``node`` names, and the ledger in ``path`` with the sysctls that it names."""
    ledger = read_ledger(path)
    state: dict[tuple[str, Hashable], Any] = {}
    for name in node.kernel_modules:
        if _loaded(name):
            state[("module", name)] = True
    for name in {*node.sysctls, *ledger.share(node.owner).sysctls}:
        value = read_sysctl(name)
        if value is not None:
            state[("sysctl", name)] = value
    if ledger:
        state[LEDGER] = ledger
    return state


def read_ledger(path: str) -> Ledger:
    try:
        with open(path, encoding="utf-8") as file:
            return from_json(file.read())
    except FileNotFoundError:
        return Ledger()
    except ValueError as error:
        raise LvsError("%s is damaged (%s): remove it to start anew" % (path, error)) from error


def sysctl_path(name: str) -> str:
    return "/proc/sys/" + (name if "/" in name else name.replace(".", "/"))


def read_sysctl(name: str) -> str | None:
    """The value of a sysctl; None when this kernel has none of that name."""
    try:
        with open(sysctl_path(name), encoding="utf-8", errors="surrogateescape") as file:
            return " ".join(file.read().split())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        raise BadInput("sysctls", name, "it is a folder of sysctls: name one that is in it") from None
    except PermissionError:
        raise BadInput("sysctls", name, "it can only be written, so that it has no value to keep") from None
    except OSError as error:
        raise LvsError("sysctl %s cannot be read: %s" % (name, errno_words(error.errno or 0))) from error


def _loaded(name: str) -> bool:
    return os.path.isdir("/sys/module/" + name.replace("-", "_"))


def _modprobe(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["modprobe", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Unsupported("modprobe is missing: install the package kmod") from None


def check_host(node: Node, ledger_path: str) -> None:
    """Raise the one clear error for what makes this host unfit, before anything is changed."""
    for name in node.kernel_modules:
        if not _loaded(name) and _modprobe("--dry-run", "--quiet", name).returncode:
            raise Unsupported(
                "this kernel (%s) has no module %s: boot a kernel that has it, or install the package with the "
                "distribution's further modules (linux-modules-extra, kernel-modules-extra)"
                % (os.uname().release, name)
            )
    if all(map(_loaded, node.kernel_modules)):
        _check_sysctls(node)
    for address in node.holds:
        if interface_holding(address) is None:
            raise BadInput(
                "holds", address, "no interface of this host has that address; 'ip addr' lists those there are"
            )
    for address in node.free:
        interface = interface_holding(address)
        if interface is not None and not read_ledger(ledger_path).share(node.owner).records:
            raise BadInput("free", address, "interface %s of this host has that address already" % interface)
    for address in node.reaches:
        if route_covering(address) is None:
            raise BadInput(
                "reaches",
                address,
                "no route of this host covers it; a default route would ('ip route add default via ...')",
            )


def _check_sysctls(node: Node) -> None:
    """Raise ``BadInput`` for a sysctl that is not there, once there is no module left to load that may bring it."""
    for name in node.sysctls:
        if read_sysctl(name) is None:
            raise BadInput("sysctls", name, "this kernel has no such sysctl; if a module brings it, load that too")


def missing_tools(node: Node) -> list[str]:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/bin"])
    return [tool for tool in node.tools if shutil.which(tool, path=path) is None]


def apply(changes: Sequence[Change], path: str) -> None:
    """Carry the changes out; ``path`` is the ledger's."""
    done: list[Change] = []
    for change in changes:
        try:
            _APPLY[change.kind](change, path)
        except OSError as error:
            raise Refused(change, _words(change, error), done) from error
        except Unsupported as error:
            raise Refused(change, str(error), done) from error
        done.append(change)


def _words(change: Change, error: OSError) -> str:
    what = "%s %s" % (change.kind, change.key)
    if change.kind == "sysctl" and not change.removes:
        what = "sysctl %s = %r" % (change.key, change.after)
    return "%s: %s" % (what.rstrip(), errno_words(error.errno or 0))


def _apply_module(change: Change, _path: str) -> None:
    if change.removes:  # undoing a load: the module may be in use by now, and does no harm
        return
    result = _modprobe(str(change.key))
    if result.returncode:
        raise Unsupported("modprobe %s: %s" % (change.key, result.stderr.strip()))


def _apply_ledger(change: Change, path: str) -> None:
    if change.removes:
        os.unlink(path)
        return
    # A sysctl that a module brings along has no value to remember until that module is loaded, just before this.
    before = {name: read_sysctl(name) if value is None else value for name, value in change.after.before.items()}
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    temporary = path + ".new"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(to_json(replace(change.after, before=before)))
    os.replace(temporary, path)


def _apply_sysctl(change: Change, _path: str) -> None:
    if change.removes:  # it came with a module; what it was then is in the ledger
        return
    with open(sysctl_path(str(change.key)), "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(change.after)


_APPLY: dict[str, Callable[[Change, str], None]] = {
    "module": _apply_module,
    "ledger": _apply_ledger,
    "sysctl": _apply_sysctl,
}
