# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each role's README from its meta/argument_specs.yml and defaults/main.yml.

    python tests/checks/role_docs.py            writes them
    python tests/checks/role_docs.py --check    says which are not what would be written

What stands between the two marks is made here; what stands after them is written by hand and kept.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import yaml

# The copy is checked, the checkout is written.
CHECKOUT = Path.cwd()
BEGIN = "<!-- Made from meta/argument_specs.yml by `make role-docs`: change that, not this. -->"
END = "<!-- Written by hand from here on. -->"
HEAD = """\
<!--
SPDX-FileCopyrightText: The lulab.lvs founders
SPDX-License-Identifier: GPL-3.0-or-later
-->
"""
# What a role without a README begins with, after the marks.
EXAMPLE = """

## Example

    - hosts: lvs
      become: true
      roles:
        - role: lulab.lvs.%s
"""
# Longer defaults are looked up where they are set.
LONGEST_DEFAULT = 60

Row = Tuple[str, Dict[str, Any]]


def words(markup: str) -> str:
    """Ansible's markup as Markdown: O(lulab.lvs.lu_chains#module:mark) is `mark` of `lulab.lvs.lu_chains`."""
    text = re.sub(r"\bO\(([\w.]+)#\w+:([^)]+)\)", r"`\2` of `\1`", markup)
    return re.sub(r"\b(?:C|E|M|O|RV|V)\(([^)]+)\)", r"`\1`", text)


def paragraphs(given: object) -> List[str]:
    return [words(str(one)) for one in (given if isinstance(given, list) else [given] if given else [])]


def rows(options: Dict[str, Dict[str, Any]], parent: str = "") -> Iterator[Row]:
    for name, option in options.items():
        yield parent + name, option
        yield from rows(option.get("options", {}), parent + name + ".")


def kind(option: Dict[str, Any]) -> str:
    name = option.get("type", "str")
    return "%s of %s" % (name, option["elements"]) if "elements" in option else str(name)


def default(name: str, option: Dict[str, Any], defaults: Dict[str, Any]) -> str:
    if name in defaults:
        value = defaults[name]
        text = value if isinstance(value, str) and value else json.dumps(value)
        return "`%s`" % text if len(text) <= LONGEST_DEFAULT else "see [defaults](defaults/main.yml)"
    return "required" if option.get("required") else ""


def meaning(option: Dict[str, Any]) -> str:
    text = " ".join(paragraphs(option["description"]))
    choices = option.get("choices")
    return text + (" One of %s." % ", ".join("`%s`" % choice for choice in choices) if choices else "")


def made(role: Path) -> str:
    """What stands between the marks."""
    spec = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]["main"]
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text(encoding="utf-8"))
    lines = ["# lulab.lvs." + role.name, "", words(spec["short_description"]) + ".", ""]
    for paragraph in paragraphs(spec.get("description")):
        lines += [paragraph, ""]
    lines += ["| Variable | Type | Default | Meaning |", "|---|---|---|---|"]
    for name, option in rows(spec["options"]):
        cells = ("`%s`" % name, kind(option), default(name, option, defaults), meaning(option))
        lines.append("| %s |" % " | ".join(cell.replace("|", "\\|") for cell in cells))
    return "\n".join(lines)


def wanted(role: Path, present: str) -> str:
    by_hand = present.partition(END)[2] or EXAMPLE % role.name
    return "%s%s\n%s\n\n%s" % (HEAD, BEGIN, made(role), END + by_hand)


def main(arguments: List[str]) -> int:
    drift = 0
    for role in sorted(path.parents[1] for path in CHECKOUT.glob("roles/*/meta/argument_specs.yml")):
        readme = role / "README.md"
        present = readme.read_text(encoding="utf-8") if readme.exists() else ""
        text = wanted(role, present)
        if text == present:
            continue
        drift += 1
        name = str(readme.relative_to(CHECKOUT))
        if "--check" in arguments:
            sys.stdout.writelines(difflib.unified_diff(present.splitlines(True), text.splitlines(True), name, name))
        else:
            readme.write_text(text, encoding="utf-8")
            print("wrote", name)
    if drift and "--check" in arguments:
        print("%d of the roles' READMEs are not what their specs say: make role-docs" % drift)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
