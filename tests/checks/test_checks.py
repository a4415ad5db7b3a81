# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make lint`, which is all checks but these tests, finds nothing."""

from __future__ import annotations

import re

from programs import run


def test_the_checks_find_nothing():
    code, output = run(["make", "lint"], seconds=2400)
    print(output)
    # Each check's own last lines say what it found; before them are those of all the tools that it installed.
    found = re.findall(r"^--- .*\n(?:(?!^--- ).*\n)*", output, re.MULTILINE)
    tails = "\n".join("\n".join(text.rstrip().splitlines()[-25:]) for text in found)
    assert code == 0, tails or output
    ended = re.search(r"^(\d+) checks, 0 failed", output, re.MULTILINE)
    assert ended and len(re.findall(r"^ok ", output, re.MULTILINE)) == int(ended.group(1))
