# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run tests of this checkout on another host, over ssh: on a guest of the lab, whose kernel has what ours has not.

    python tests/guest.py --ssh-config .lab/ssh_config --host Host0 [pytest arguments]
    python tests/guest.py --program tests/bench/ipvs_in_guest.py [its arguments]

Without pytest arguments, the integration tests that need ip_vs are run. The other host needs Python, tar and a user
who may sudo; pytest and Ansible's module_utils are sent from the environment that this is run in. The output is
streamed, the exit status is pytest's or the program's. Variables named LVS_* are passed on.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import io
import os
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Tuple

CHECKOUT = Path(__file__).resolve().parents[1]
# Packages of pure Python only: the other host's version of Python is its own.
DISTRIBUTIONS = (
    "pytest",
    "pluggy",
    "iniconfig",
    "packaging",
    "pygments",
    "hypothesis",
    "sortedcontainers",
    "attrs",
    "PyYAML",
)
ANSIBLE_PARTS = ("__init__.py", "release.py", "_vendor", "module_utils")
DEFAULT_ARGUMENTS = ("tests/integration", "-m", "ip_vs")
LEFT_OUT = ("__pycache__", ".pyc", ".so", "output")

Named = Tuple[str, Path]  # name on the other host, file here


def files_of(path: Path, name: str) -> Iterator[Named]:
    if path.is_file():
        yield name, path
    elif path.is_dir():
        for child in sorted(path.iterdir()):
            if not child.name.endswith(LEFT_OUT):
                yield from files_of(child, "%s/%s" % (name, child.name))


def package_files() -> Iterator[Named]:
    """What the tests import, from this environment. Raises ``SystemExit`` when something is missing."""
    try:
        for name in DISTRIBUTIONS:
            for file in importlib.metadata.files(name) or ():
                if ".." not in file.parts and not file.name.endswith(LEFT_OUT):
                    yield str(file), Path(str(file.locate()))
        ansible = Path(str(importlib.metadata.distribution("ansible-core").locate_file("ansible")))
    except importlib.metadata.PackageNotFoundError as missing:
        raise SystemExit("%s is not installed for %s" % (missing.name, sys.executable)) from None
    for part in ANSIBLE_PARTS:
        yield from files_of(ansible / part, "ansible/%s" % part)


def checkout_files() -> Iterator[Named]:
    root = "ansible_collections/lulab/lvs"
    for part in ("plugins", "tests", "pyproject.toml"):
        yield from files_of(CHECKOUT / part, "%s/%s" % (root, part))


def archive(files: Sequence[Named]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, path in files:
            tar.add(path, name, recursive=False)
    return buffer.getvalue()


def fingerprint(files: Sequence[Named]) -> str:
    """Changes when one of ``files`` does, so that packages are sent once."""
    digest = hashlib.sha256()
    for name, path in files:
        status = path.stat()
        digest.update(("%s %d %d\n" % (name, status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()[:16]


def ssh(options: argparse.Namespace, command: str, stdin: Optional[bytes] = None) -> int:
    call = ["ssh", "-F", options.ssh_config, options.host, command]
    return subprocess.run(call, input=stdin or b"", check=False).returncode


def send_packages(options: argparse.Namespace) -> str:
    """The folder on the other host that holds the packages."""
    files = list(package_files())
    folder = "/tmp/lvs-packages-%s" % fingerprint(files)
    if ssh(options, "test -e %s" % folder):
        unpack = "d=$(mktemp -d) && tar -xf - -C $d && chmod 755 $d && mv -T $d %s" % folder
        if ssh(options, unpack, archive(files)):
            raise SystemExit("cannot send the packages to %s" % options.host)
    return folder


def run_python(options: argparse.Namespace, packages: str, arguments: Sequence[str]) -> int:
    # LVS_GUEST: here nothing may be skipped for want of ip_vs.
    variables = {name: value for name, value in os.environ.items() if name.startswith("LVS_")}
    variables["LVS_GUEST"] = options.host
    settings = " ".join(shlex.quote("%s=%s" % item) for item in sorted(variables.items()))
    words = " ".join(shlex.quote(argument) for argument in arguments)
    command = (
        "d=$(mktemp -d) && trap 'sudo rm -rf $d' EXIT && chmod 755 $d && tar -xf - -C $d && "
        "cd $d/ansible_collections/lulab/lvs && "
        "sudo env %s PYTHONPATH=%s:$d PYTHONUNBUFFERED=1 python3 %s" % (settings, packages, words)
    )
    return ssh(options, "sh -c %s" % shlex.quote(command), archive(list(checkout_files())))


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="Run tests of this checkout on another host, over ssh.")
    parser.add_argument("--ssh-config", default=str(CHECKOUT / ".lab" / "ssh_config"))
    parser.add_argument("--host", default="Host0")
    parser.add_argument("--program", help="a Python program of this checkout, to run in place of pytest")
    options, rest = parser.parse_known_args(arguments)
    words = [options.program, *rest] if options.program else ["-m", "pytest", *(rest or DEFAULT_ARGUMENTS)]
    return run_python(options, send_packages(options), words)


if __name__ == "__main__":
    sys.exit(main())
