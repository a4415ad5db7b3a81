# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""CHANGELOG.rst and changelogs/changelog.yaml from the fragments and the plug-ins' descriptions.

    python tests/checks/changelog.py            writes them, for the version in galaxy.yml
    python tests/checks/changelog.py --check    lints the fragments, and says what would be written otherwise

A version that has no entry gets one, with today's date; one that has is made again from its fragments, which are kept.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import List

import tree
import yaml

WRITTEN = ("CHANGELOG.rst", "changelogs/changelog.yaml")
# Playbooks are told of by fragments only, and a refresh that removes would take them for gone.
AGAIN = ("generate", "--refresh-fragments", "--refresh-plugins", "prevent-removal", "--reload-plugins")


def has_entry(place: Path, version: str) -> bool:
    file = place / "changelogs/changelog.yaml"
    return file.exists() and version in yaml.safe_load(file.read_text(encoding="utf-8"))["releases"]


def main(arguments: List[str]) -> int:
    root = tree.FOLDER / "changelog"
    with tree.alone(root):
        return made(root, tree.copy(root), arguments)


def made(root: Path, place: Path, arguments: List[str]) -> int:
    environment = tree.environment(ANSIBLE_COLLECTIONS_PATH=str(root), ANSIBLE_HOME=str(root / "home"))

    def run(*words: str) -> int:
        return subprocess.run(words, cwd=place, env=environment, check=False).returncode

    version = yaml.safe_load((place / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    told = has_entry(place, version)
    if "--check" in arguments:
        failed = run("antsibull-changelog", "lint") or run("antsibull-changelog", "lint-changelog-yaml", WRITTEN[1])
        # What is being worked on has no entry yet.
        failed = failed or (told and run("antsibull-changelog", *AGAIN))
        if failed or run("git", "diff", "--exit-code", "--", *WRITTEN):
            print("mend the fragments, or make the changelog again: make changelog")
            return 1
        return 0
    failed = run("antsibull-changelog", *(AGAIN if told else ("release", "--version", version)))
    for name in () if failed else WRITTEN:
        shutil.copy2(place / name, tree.CHECKOUT / name)
    return failed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
