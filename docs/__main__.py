# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build the documentation site: python docs [FOLDER]

With the Python of .venv-docs (see `make docs`). FOLDER, docs/build by default, gets `pages` (what is written in docs/,
the guides from the checkout's root, and the reference that antsibull-docs makes of the plug-ins) and `html`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
DOCS = CHECKOUT / "docs"
TOOLS = Path(sys.executable).parent
# What is shown from outside docs/, and where it is put in the site. Links into docs/ are links beside the page there.
FROM_OUTSIDE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.rst": "changelog.rst",
    "inventory/own_hosts/hosts.yml": "inventory/hosts.yml",
}


def gather(pages: Path) -> None:
    """Copy what is written by hand to ``pages``."""
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("build", "__main__.py", "__pycache__"))
    for name, place in FROM_OUTSIDE.items():
        text = (CHECKOUT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        (pages / place).parent.mkdir(exist_ok=True)
        (pages / place).write_text(text, encoding="utf-8")


def refer(pages: Path, collections: Path) -> None:
    """Make the reference of modules, filters and roles in ``pages``/reference, from the checkout as it is."""
    link = collections / "ansible_collections/lulab/lvs"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(CHECKOUT)
    reference = pages / "reference"
    reference.mkdir(mode=0o755)
    _run(
        [
            *(str(TOOLS / "antsibull-docs"), "--config-file", str(DOCS / "antsibull.cfg")),
            *("collection", "--use-current", "--squash-hierarchy", "--fail-on-error"),
            *("--no-add-antsibull-docs-version", "--dest-dir", str(reference), "lulab.lvs"),
        ],
        ANSIBLE_COLLECTIONS_PATH=str(collections),
        ANSIBLE_HOME=str(collections),
    )


def build(pages: Path, html: Path) -> None:
    """Build ``pages`` as ``html``; a warning is an error."""
    shutil.rmtree(html, ignore_errors=True)
    _run([str(TOOLS / "sphinx-build"), "-q", "-E", "-W", "--keep-going", "-b", "html", str(pages), str(html)])


def _run(words: list[str], **more: str) -> None:
    path = os.pathsep.join((str(TOOLS), os.environ["PATH"]))
    subprocess.run(words, env={**os.environ, "PATH": path, **more}, check=True)


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0]).resolve() if arguments else DOCS / "build"
    folder.mkdir(parents=True, exist_ok=True)
    # Two runs in one folder wait for each other.
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            gather(folder / "pages")
            refer(folder / "pages", folder / "collections")
            build(folder / "pages", folder / "html")
        except subprocess.CalledProcessError as error:
            print("docs: %s ended with %d" % (Path(error.cmd[0]).name, error.returncode), file=sys.stderr)
            return 1
    print("docs: %s" % (folder / "html/index.html"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
