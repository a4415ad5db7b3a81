# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The archive that people would install: built from the checkout, its contents, galaxy-importer, ansible-builder.

What is built is the checkout itself, with everything that lies about in it: build_ignore is what is tested.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import List, Set

import tree

# ansible-lint, flake8 and ansible-test are checks of their own.
IMPORTER = {
    "GALAXY_IMPORTER_CHECK_CHANGELOG": "true",
    "GALAXY_IMPORTER_RUN_ANSIBLE_DOC": "true",
    "GALAXY_IMPORTER_RUN_ANSIBLE_LINT": "false",
    "GALAXY_IMPORTER_RUN_ANSIBLE_TEST": "false",
    "GALAXY_IMPORTER_RUN_FLAKE8": "false",
}
# Tracked, but of no use to those who install the collection.
WORKSHOP = {".ci", ".gitignore", ".pre-commit-config.yaml"}
# Written by ansible-galaxy.
WRITTEN = {"FILES.json", "MANIFEST.json"}
NEEDED = {"README.md", "CHANGELOG.rst", "LICENSES/GPL-3.0-or-later.txt", "meta/runtime.yml", "playbooks/exp3.yml"}


def run(words: List[str], folder: Path, **environment: str) -> str:
    """What ``words`` print; the end of this check where they fail."""
    process = subprocess.run(
        words,
        cwd=folder,
        env=tree.environment(**environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if process.returncode:
        raise SystemExit("%s: exit status %d\n%s" % (" ".join(words), process.returncode, process.stdout))
    return process.stdout


def contents(names: Set[str]) -> List[str]:
    """What is wrong with the names of an archive's files."""
    return [
        *("in the archive, but ignored by git: " + name for name in sorted(names - set(tree.known()) - WRITTEN)),
        *("in the archive, but of the workshop: " + name for name in sorted(names) if name.split("/")[0] in WORKSHOP),
        *("not in the archive: " + name for name in sorted(NEEDED - names)),
    ]


def importer(archive: Path) -> List[str]:
    output = run([sys.executable, "-m", "galaxy_importer.main", archive.name], archive.parent, **IMPORTER)
    return ["galaxy-importer: " + line for line in output.splitlines() if "ERROR" in line]


def execution_environment(folder: Path) -> List[str]:
    """What ansible-builder finds in an installed collection, against what the collection means to say."""
    output = run(["ansible-builder", "introspect", "--sanitize", str(folder)], folder)
    return ["ansible-builder does not find " + name for name in ("netaddr", "openssh-clients") if name not in output]


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(["ansible-galaxy", "collection", "build", "--output-path", name], tree.CHECKOUT)
        (archive,) = folder.glob("lulab-lvs-*.tar.gz")
        with tarfile.open(archive) as opened:
            found = contents({member.name for member in opened if not member.isdir()})
        found += importer(archive)
        place = folder / "installed"
        install = ["ansible-galaxy", "collection", "install", str(archive), "-p", str(place), "--offline"]
        run(install, folder, ANSIBLE_COLLECTIONS_PATH=str(place))
        found += execution_environment(place)
    print("\n".join(found))
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
