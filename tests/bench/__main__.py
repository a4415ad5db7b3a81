# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print the table of ratios: `python tests/bench [PART ...]`, as root, with no argument for all parts."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / ".venv/collections")]

from pairs import table  # noqa: E402

PARTS = ("ipset", "ipvs", "experiment4")


def main(names: list[str]) -> None:
    rows = []
    for name in names or PARTS:
        print("measuring %s ..." % name, file=sys.stderr)
        rows += importlib.import_module(name).rows()
    print(table(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
