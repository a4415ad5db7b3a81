# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""A copy of the checkout where Ansible's tools want a collection: in a folder ansible_collections/lulab/lvs."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List

CHECKOUT = Path(__file__).resolve().parents[2]
# All that the checks build: copies, ansible-test's environments, what its tests install. Ignored by git.
FOLDER = CHECKOUT / ".sanity"
INSIDE = "ansible_collections/lulab/lvs"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Waits until no other run of the checks works in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another run of the checks, which works in", folder, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def copy(root: Path) -> Path:
    """All files that git does not ignore, as they are now, and nothing else, below ``root``; where they are."""
    place = root / INSIDE
    shutil.rmtree(place, ignore_errors=True)
    for name in known():
        # A file that is being moved or deleted is still in the index.
        if os.path.lexists(CHECKOUT / name):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, place / name, follow_symlinks=False)
    # The tools ask git for the files. Without a repository of its own they would find the checkout's, which ignores
    # this folder: there would be nothing to check, and that nothing failed would say nothing.
    subprocess.run(["git", "init", "--quiet", place], env=environment(), check=True)
    subprocess.run(["git", "add", "--all"], cwd=place, env=environment(), check=True)
    return place


def known() -> List[str]:
    """The checkout's files that git does not ignore."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=CHECKOUT, env=environment(), capture_output=True, text=True, check=True)
    return list(filter(None, listed.stdout.split("\0")))


def environment(**more: str) -> Dict[str, str]:
    """This process's variables, but the tools of its own Python first, and nothing that leads to another Ansible, or to
    another repository or index, as what git gives to its hooks does."""
    dropped = ("ANSIBLE_", "PYTHON", "VIRTUAL_ENV", "GIT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "/usr/bin:/bin")))
    return {**kept, "PATH": path, **more}
