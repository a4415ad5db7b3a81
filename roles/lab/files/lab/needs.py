# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The lulab.lvs founders
"""What the machine must have, as a table, and the doctor that compares the machine with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable

import image
from errors import LabError, how_to_own, is_own, owner

PURPOSES = {
    "lab": "start the guests",
    "venv": "make the project's virtual environment",
    "test": "run the tests on this machine's own kernel",
}


@dataclass(frozen=True)
class Tool:
    """A command, the Debian package that brings it, and what for."""

    command: str
    package: str
    why: str
    purposes: tuple[str, ...]


# A guest's disk keeps only what differs from the image: 1 MB after its start, and what one writes in it.
GUEST_MEGABYTES = 50

TOOLS = (
    Tool("mmdebstrap", "mmdebstrap", "builds the guests' image", ("lab",)),
    Tool("mke2fs", "e2fsprogs", "makes the guests' file system", ("lab",)),
    Tool("unshare", "util-linux", "gives the lab namespaces of its own", ("lab", "test")),
    Tool("mount", "mount", "arranges the folders inside those namespaces", ("lab",)),
    Tool("ip", "iproute2", "cables the guests", ("lab", "test")),
    Tool("socat", "socat", "carries SSH into the lab's namespace", ("lab",)),
    Tool("ssh", "openssh-client", "reaches the guests", ("lab",)),
    Tool("newuidmap", "uidmap", "lets an ordinary user build the image", ("lab",)),
    Tool("ps", "procps", "tells which processes run", ("lab", "test")),
    Tool("make", "make", "runs the project's commands", ("venv",)),
    Tool("git", "git", "tells which files are the project's", ("venv",)),
    Tool("modprobe", "kmod", "loads kernel modules in the tests", ("test",)),
    Tool("ipset", "ipset", "reads and writes sets in the tests", ("test",)),
    Tool("iptables", "iptables", "reads and writes rules in the tests", ("test",)),
    Tool("nft", "nftables", "makes rules in the tests that iptables cannot show", ("test",)),
    Tool("ipvsadm", "ipvsadm", "is what the IPVS code is compared with", ("test",)),
    Tool("conntrack", "conntrack", "shows translated connections in the tests", ("test",)),
)


@dataclass(frozen=True)
class Missing:
    """One line for a person; `package` when installing it is the remedy."""

    what: str
    remedy: str
    package: str = ""

    def __str__(self) -> str:
        return f"missing: {self.what}; remedy: {self.remedy}"


def path() -> str:
    """An ordinary user's PATH often lacks the folders of the system's tools."""
    return os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"


def _find(command: str) -> bool:
    return shutil.which(command, path=path()) is not None


def missing_tools(purposes: Iterable[str], find: Callable[[str], bool] = _find) -> list[Missing]:
    wanted = set(purposes)
    rows = [tool for tool in TOOLS if wanted & set(tool.purposes) and not find(tool.command)]
    return [Missing(f"{row.command}, which {row.why}", f"install {row.package}", row.package) for row in rows]


def missing_keyring() -> list[Missing]:
    """Other distributions have apt, but not Debian's keys."""
    if image.is_built() or Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists():
        return []
    package = "debian-archive-keyring"
    return [Missing("Debian's archive keys, to verify the guests' packages", f"install {package}", package)]


def missing_venv() -> list[Missing]:
    """Debian splits venv from Python; the module `venv` alone is there even then, `ensurepip` is not."""
    probe = subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True, check=False)
    if probe.returncode == 0:
        return []
    return [Missing("Python's venv, which makes the virtual environment", "install python3-venv", "python3-venv")]


def _setting(name: str) -> str:
    try:
        return Path("/proc/sys", *name.split(".")).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


# A kernel setting, the value with which it forbids user namespaces, and the one that allows them.
FORBIDDING = (
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user.max_user_namespaces", "0", "10000"),
    ("user.max_net_namespaces", "0", "10000"),
    ("user.max_pid_namespaces", "0", "10000"),
)


def missing_namespaces(setting: Callable[[str], str] = _setting) -> list[Missing]:
    """Try it: no reading of settings tells as surely."""
    command = ["unshare", "-Urnpf", "--mount-proc", "true"]
    try:
        probe = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": path()})
    except FileNotFoundError:
        return []
    if probe.returncode == 0:
        return []
    for name, forbids, allows in FORBIDDING:
        if setting(name) == forbids:
            return [Missing("the right to make user namespaces", f"as root: sysctl -w {name}={allows}")]
    words = probe.stderr.strip().splitlines()[-1:] or ["unshare failed"]
    return [Missing(f"the right to make user namespaces ({words[0]})", "use a machine or container that allows them")]


def missing_subids() -> list[Missing]:
    """Root needs none; nor does anyone for whom the image is built already."""
    if os.getuid() == 0 or image.is_built():
        return []
    import pwd

    name = pwd.getpwuid(os.getuid()).pw_name
    for file in ("/etc/subuid", "/etc/subgid"):
        text = Path(file).read_text(encoding="utf-8") if Path(file).exists() else ""
        if not re.search(rf"^({re.escape(name)}|{os.getuid()}):", text, re.MULTILINE):
            remedy = f"as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}"
            return [Missing(f"subordinate ids of {name} in {file}, to build the image", remedy)]
    return []


def missing_space(free: Callable[[Path], int] | None = None) -> list[Missing]:
    """What a build needs: the image itself in the cache, and the tree it is made of in /tmp."""
    if image.is_built():
        return []
    found = []
    for folder, megabytes in ((image.cache_dir(), 1000), (Path("/tmp"), 1500)):
        left = (free or _free)(folder) >> 20
        if left < megabytes:
            remedy = f"free some, or set {'XDG_CACHE_HOME' if folder != Path('/tmp') else 'a larger /tmp'}"
            found.append(Missing(f"space in {folder}: {left} MB of {megabytes} MB", remedy))
    return found


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def missing_folder(lab_dir: Path) -> list[Missing]:
    """A lab of one's own, for root too: in the lab's namespaces there is but its own user."""
    if is_own(lab_dir):
        return []
    return [Missing(f"a lab of one's own: {lab_dir} belongs to {owner(lab_dir)}", how_to_own(lab_dir))]


def missing_room(lab_dir: Path, guests: int, free: Callable[[Path], int] | None = None) -> list[Missing]:
    """What the guests that are to be started will write to their disks and consoles."""
    left, needed = (free or _free)(lab_dir) >> 20, guests * GUEST_MEGABYTES
    if left >= needed:
        return []
    return [Missing(f"space in {lab_dir}: {left} MB of {needed} MB", "free some, or name another folder as lab_dir")]


def megabytes_of(memory: str) -> int:
    return int(memory[:-1]) * {"M": 1, "G": 1024}[memory[-1]]


def available(meminfo: str | None = None) -> int:
    """Megabytes that new processes may have."""
    text = meminfo if meminfo is not None else Path("/proc/meminfo").read_text(encoding="utf-8")
    return int(re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE).group(1)) >> 10  # type: ignore[union-attr]


def missing_memory(memory: Iterable[str]) -> list[Missing]:
    left, needed = available(), sum(megabytes_of(size) for size in memory)
    if left >= needed:
        return []
    return [Missing(f"memory: {left} MB of {needed} MB for the guests", "fewer guests, or less lab_memory")]


CHECKS: dict[str, tuple[Callable[[], list[Missing]], ...]] = {
    "lab": (missing_keyring, missing_namespaces, missing_subids, missing_space),
    "venv": (missing_venv,),
    "test": (missing_namespaces,),
}


def missing(purposes: Iterable[str]) -> list[Missing]:
    purposes = list(purposes)
    found = missing_tools(purposes)
    for purpose in purposes:
        found += [row for check in CHECKS[purpose] for row in check() if row not in found]
    return found


def require(found: list[Missing]) -> None:
    """Refuse with all that is missing, if anything is."""
    if found:
        lines = [str(row) for row in found]
        if any(row.package for row in found):
            lines.append(f"to install what is missing: python3 {Path(__file__).parent} doctor --install --for lab")
        raise LabError("\n".join(lines))


def install(found: Iterable[Missing]) -> None:
    """Says what and why before it does anything."""
    packages = sorted({row.package for row in found if row.package})
    if not packages:
        return
    if not _find("apt-get"):
        raise LabError(f"there is no apt-get here: install {', '.join(packages)} with this system's own means")
    if os.getuid() != 0 and not _find("sudo"):
        raise LabError(f"installing needs root: as root, apt-get install {' '.join(packages)}")
    image.say("these packages will be installed:")
    for row in found:
        if row.package:
            image.say(f"  {row.package}: {row.what}")
    apt = ([] if os.getuid() == 0 else ["sudo"]) + ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    if not any(Path("/var/lib/apt/lists").glob("*_Packages*")):
        _apt([*apt, "update"])
    command = [*apt, "install", "--yes", "--no-install-recommends", *packages]
    if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
        # Lists that are too old name files that the mirror has no more.
        _apt([*apt, "update"])
        _apt(command)


def _apt(command: list[str]) -> None:
    image.say(" ".join(command))
    if subprocess.run(command, check=False).returncode:
        raise LabError(f"'{' '.join(command)}' failed: see its words above")
