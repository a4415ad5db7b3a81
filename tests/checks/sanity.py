# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-test sanity, or the unit tests, on one of the ansible-cores that the collection supports.

    python tests/checks/sanity.py sanity 2.19 [TEST ...]
    python tests/checks/sanity.py units 2.17

Each ansible-core has a virtual environment of its own under .sanity. What ansible-test installs for its tests stays
there, too, so that only the first time takes long.
"""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import tree

CORES = {"2.17": "2.17.14", "2.18": "2.18.19", "2.19": "2.19.14"}
# What the unit tests and the filters import.
BESIDES = ("hypothesis==6.152.0", "netaddr==1.3.0", "pyroute2==0.9.7", "pytest==8.4.2")
# Further Pythons for the compile and import tests: the targets' floor, and Debian 13's own.
PYTHONS = ("3.9", "3.13")

# ansible-test downloads a script that installs pip, from a host of its own, unless it finds it in its cache. Python
# brings a pip with it, so nothing is downloaded from anywhere but the package index.
BOOTSTRAP = """\
import ensurepip
ensurepip.bootstrap(default_pip=True)
"""
BOOTSTRAPS = ("get_pip_23_1_2.py", "get_pip_24_2.py")


def interpreters() -> Path:
    """A folder with those of PYTHONS that pyenv has. What is in the system's own folders is used, too."""
    folder = tree.FOLDER / "pythons"
    folder.mkdir(parents=True, exist_ok=True)
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for version in PYTHONS:
        found, link = sorted(root.glob("versions/%s.*/bin/python" % version)), folder / ("python" + version)
        if found and not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(found[-1])
    return folder


def pip_settings(home: Path) -> None:
    """ansible-test takes PIP_ variables from pip, and ``home`` the user's own settings: both in a file of its own."""
    settings = configparser.RawConfigParser()
    settings.read(Path.home() / ".config/pip/pip.conf")
    if not settings.has_section("global"):
        settings.add_section("global")
    settings["global"].setdefault("cache-dir", str(Path.home() / ".cache/pip"))
    for name, value in os.environ.items():
        if name.startswith("PIP_"):
            settings["global"][name[4:].lower().replace("_", "-")] = value
    settings["global"]["quiet"] = "2"
    file = home / ".config/pip/pip.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w", encoding="utf-8") as opened:
        settings.write(opened)
    # An index may want a password.
    file.chmod(0o600)


def environment(core: str) -> Dict[str, str]:
    """A home of its own keeps what ansible-test installs out of the user's, and one core's from another's."""
    home = tree.FOLDER / core / "home"
    cache = home / ".ansible/test/cache"
    cache.mkdir(parents=True, exist_ok=True)
    pip_settings(home)
    for name in BOOTSTRAPS:
        (cache / name).write_text(BOOTSTRAP, encoding="utf-8")
    # Not the PATH one has: pyenv's shims are there for Pythons that then refuse to run.
    path = [str(tree.FOLDER / core / "venv/bin"), "/usr/local/bin", "/usr/bin", "/bin", str(interpreters())]
    return tree.environment(HOME=str(home), PATH=os.pathsep.join(path))


def prepare(core: str) -> None:
    """The virtual environment, made whole or made again; its sanity and its units may ask for it at once."""
    folder = tree.FOLDER / core
    wanted = "\n".join(("ansible-core==" + CORES[core], *BESIDES))
    marker = folder / "venv/.ready"
    with tree.alone(folder):
        if marker.exists() and marker.read_text(encoding="utf-8") == wanted:
            return
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder / "venv"], check=True)
        pip = [folder / "venv/bin/python", "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted.split("\n")], check=True)
        marker.write_text(wanted, encoding="utf-8")


def words_of(what: str, tests: List[str]) -> List[str]:
    if what == "units":
        # As pyproject.toml would have it, but for the folder that is named for Ansible, and quieter.
        options = ("pythonpath=tests ../../..", "addopts=-p no:cacheprovider --import-mode=importlib")
        return ["python", "-m", "pytest", "-q", *(word for option in options for word in ("-o", option)), "tests/unit"]
    return ["ansible-test", "sanity", "--color", "no", *(word for test in tests for word in ("--test", test))]


def main(what: str, core: str, tests: List[str]) -> int:
    prepare(core)
    root = tree.FOLDER / core / what
    words = words_of(what, tests)
    with tree.alone(root):
        process = subprocess.run(
            words,
            cwd=tree.copy(root),
            env=environment(core),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    print(process.stdout, end="")
    if "All targets skipped" in process.stdout:
        print("%s tested nothing" % words[0])
        return 1
    return process.returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
