# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""All checks but the tests: python tests/checks [NAME ...]

Without names all of them, two at a time; `quick` names those that take seconds. One line a check, as it ends: ok or
failed, and seconds; what failed ones said comes after that. Runs with the Python of .venv-lint: see `make lint`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import List, NamedTuple, Sequence, Tuple

import sanity
import tree

HERE = Path(__file__).resolve().parent
PYTHON = sys.executable
# What runs on targets: no later Python than that of RHEL 9, Debian 12's being 3.11.
FLOOR = "3.9"
SHELL = (".ci/run", "roles/lab/files/lab/guest/lab-guest", "roles/lab/files/lab/guest/setup")


class Check(NamedTuple):
    """``words`` run in the collection's copy, or in the folder ``where`` beside it."""

    name: str
    words: Sequence[str]
    quick: bool = False
    where: str = tree.INSIDE


class Result(NamedTuple):
    check: Check
    code: int
    seconds: float
    output: str


def program(name: str, *arguments: str) -> Tuple[str, ...]:
    return (PYTHON, str(HERE / name), *arguments)


# The longest first, so that none of them is left to the end.
CHECKS = (
    *(Check("sanity-" + core, program("sanity.py", "sanity", core)) for core in reversed(list(sanity.CORES))),
    Check("ansible-lint", ("ansible-lint", "--offline", "--strict", "--format", "pep8")),
    Check("galaxy", program("galaxy.py")),
    # On the ansible-core that .venv has, the unit tests are among all others.
    *(Check("units-" + core, program("sanity.py", "units", core)) for core in list(sanity.CORES)[:-1]),
    Check(
        "docs",
        (
            *("antsibull-docs", "--config-file", "docs/antsibull.cfg"),
            *("lint-collection-docs", "--plugin-docs", "--validate-collection-refs=self", "."),
        ),
    ),
    # The name by which plug-ins import each other begins beside the collection.
    Check(
        "mypy",
        (
            *("mypy", "--config-file", tree.INSIDE + "/pyproject.toml"),
            *("--cache-dir", str(tree.FOLDER / "mypy"), tree.INSIDE + "/plugins"),
        ),
        quick=True,
        where="",
    ),
    Check("ruff", ("ruff", "check", "--no-cache", "--output-format", "concise", "."), quick=True),
    Check("ruff-format", ("ruff", "format", "--no-cache", "--diff", "."), quick=True),
    Check(
        "python-" + FLOOR,
        (
            *("vermin", "--target=%s-" % FLOOR, "--violations", "--no-tips"),
            *("plugins/modules", "plugins/module_utils"),
        ),
        quick=True,
    ),
    Check("yamllint", ("yamllint", "--strict", "."), quick=True),
    Check("shellcheck", ("shellcheck", *SHELL), quick=True),
    Check("licences", ("reuse", "lint", "--lines"), quick=True),
    Check("changelog", program("changelog.py", "--check"), quick=True),
    Check("role-docs", program("role_docs.py", "--check"), quick=True),
    Check("pre-commit", ("pre-commit", "validate-config", ".pre-commit-config.yaml"), quick=True),
)


def run(check: Check, root: Path) -> Result:
    environment = tree.environment(
        ANSIBLE_COLLECTIONS_PATH=str(root),
        ANSIBLE_HOME=str(root / "home"),
        NO_COLOR="1",
    )
    start = time.monotonic()
    process = subprocess.run(
        check.words,
        cwd=root / check.where,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Result(check, process.returncode, time.monotonic() - start, process.stdout)


def chosen(names: List[str]) -> List[Check]:
    """Those named, those whose name begins so (``sanity``), or the quick ones; raises ``SystemExit`` for no check."""
    found = []
    for name in names:
        some = [check for check in CHECKS if check.name.startswith(name) or (name == "quick" and check.quick)]
        if not some:
            raise SystemExit("no check %r; there are: %s" % (name, ", ".join(check.name for check in CHECKS)))
        found += some
    return [check for check in CHECKS if check in found] if names else list(CHECKS)


def main(names: List[str]) -> int:
    checks = chosen(names)
    with tree.alone(tree.FOLDER / "tree"):
        return carried_out(checks, tree.FOLDER / "tree")


def carried_out(checks: List[Check], root: Path) -> int:
    tree.copy(root)
    failed: List[Result] = []
    start = time.monotonic()
    with ThreadPoolExecutor(max_workers=2) as pool:
        for future in as_completed([pool.submit(run, check, root) for check in checks]):
            result = future.result()
            verdict = "failed" if result.code else "ok"
            print("%-7s %6.1f s  %s" % (verdict, result.seconds, result.check.name), flush=True)
            failed += [result] if result.code else []
    for result in failed:
        print("\n--- %s: %s\n%s" % (result.check.name, " ".join(result.check.words), result.output))
    wall = time.monotonic() - start
    print("%d checks, %d failed, in %.0f s" % (len(checks), len(failed), wall))
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
