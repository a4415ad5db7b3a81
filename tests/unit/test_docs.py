# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each command that the documentation shows is run by a test or says that it is an illustration; links lead on."""

from __future__ import annotations

import re

import pytest

from pages import BESIDES, CHECKOUT, EXPERIMENTS, WALKED, Typed, missing, pages, read, shown, typed

# What runs a command that no walked page has: the file, and a word of it that shows that it does.
RUN_BY = {
    r"make test": (".ci/run", "make test"),
    r"make ssh HOST=Host0": ("tests/scenarios/test_pages.py", "make ssh HOST=Host0"),
    r"make show": ("tests/scenarios/test_pages.py", "make show"),
    r"make lab-up": ("tests/scenarios/test_pages.py", "make lab-up"),
    r"make lint": ("tests/checks/test_checks.py", "checks"),
    r"make docs": ("tests/checks/test_site.py", "docs"),
    r"make exp[124]": ("tests/scenarios/test_experiments.py", "exp4"),
    r"molecule test -s exp3": ("tests/scenarios/test_molecule.py", "molecule"),
    r"python tests/guest.py .*": ("tests/scenarios/test_guest_suite.py", "guest"),
}
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
DIRECTIVE = re.compile(r"^```\{(?:image|figure|literalinclude)\} (\S+)", re.MULTILINE)


def unknown(commands: list[Typed], walked: set[str]) -> list[str]:
    """The commands that nothing runs and that do not say so."""
    return [one.command for one in commands if not _is_known(one, walked)]


def _is_known(one: Typed, walked: set[str]) -> bool:
    kind, _colon, words = one.mark.partition(": ")
    if kind == "illustration":
        return len(words) > 10
    if kind == "run by":
        return (CHECKOUT / words).exists()
    if one.page in WALKED or one.command in walked:
        return True
    if EXPERIMENTS.fullmatch(one.page):
        return (CHECKOUT / "tests/scenarios/test_experiment_pages.py").exists()
    for pattern, (file, word) in RUN_BY.items():
        if re.fullmatch(pattern, one.command):
            return word in (CHECKOUT / file).read_text(encoding="utf-8")
    return False


@pytest.fixture(scope="module")
def walked():
    return {one.command for page in WALKED for one in typed(page, read(page))} | set(BESIDES)


@pytest.mark.parametrize("page", pages())
def test_each_command_is_run_or_an_illustration(page, walked):
    assert not unknown(typed(page, read(page)), walked)


def test_a_command_that_nothing_runs_is_found(walked):
    text = "```console\n$ make exp3\n$ ipvsadm --clear\n```\n\n```sh\nfor x in y; do\n    make exp9\ndone  # why\n```\n"
    assert unknown(typed("README.md", text), walked) == ["ipvsadm --clear", "for x in y; do\n    make exp9\ndone"]
    for mark in ("illustration: ", "illustration", "run by: tests/nowhere.py", "fails"):
        assert unknown(typed("README.md", "<!-- %s -->\n```sh\nrm -rf /\n```\n" % mark), walked)
    assert not unknown(typed("README.md", "<!-- illustration: do not do this -->\n```sh\nrm -rf /\n```\n"), walked)


def test_both_languages_of_readme_show_the_same():
    texts = [read(page) for page in ("README.md", "README.zh-CN.md")]
    english, chinese = ([(one.command, one.mark) for one in typed("", text)] for text in texts)
    assert english == chinese and len(english) > 10
    assert shown(texts[0]) == shown(texts[1])


def test_readme_names_whatever_the_collection_has():
    modules = {path.stem for path in (CHECKOUT / "plugins/modules").glob("*.py")}
    playbooks = {path.stem for path in (CHECKOUT / "playbooks").glob("*.yml")} - {"exp2", "exp3"}
    for text in map(read, ("README.md", "README.zh-CN.md")):
        assert set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)) == modules
        assert not [name for name in playbooks if "`lulab.lvs.%s`" % name not in text]
        assert not [
            path.name for path in (CHECKOUT / "roles").iterdir() if "[`%s`](roles/%s/" % (2 * (path.name,)) not in text
        ]
        assert not [path.stem for path in (CHECKOUT / "plugins/filter").glob("*.py") if "`%s`" % path.stem not in text]


@pytest.mark.parametrize("page", pages())
def test_the_archive_has_the_collections_version(page):
    (version,) = re.findall(r"^version: (\S+)$", read("galaxy.yml"), flags=re.MULTILINE)
    assert set(re.findall(r"lulab-lvs-(.+?)\.tar\.gz", read(page))) <= {version}


def test_what_a_page_shows_is_compared():
    shown = ("  -> 10.0.0.1:80    Masq    1      0          2", "answers  b  a", "...")
    assert not missing(shown, "answers a b\n  -> 10.0.0.1:80  Masq  1  3  4\nmore\n")
    assert missing(shown, "answers a c\n  -> 10.0.0.1:80  Masq  2  3  4\n") == ["-> 10.0.0.1:80 Masq 1", "a answers b"]
    assert missing(("a", "a"), "a\n") == ["a"]


@pytest.mark.parametrize("page", pages())
def test_each_target_of_make_is_there(page):
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), flags=re.MULTILINE)) | {"exp1", "exp2", "exp3", "exp4"}
    named = set(re.findall(r"(?:`|^\$? ?|^ {4})make ([a-z][\w-]*)", read(page), flags=re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("page", pages())
def test_each_link_leads_somewhere(page):
    """Links into the reference, which is made with the site, are left to Sphinx."""
    text = re.sub(r"^```\w*\n.*?^```$", "", read(page), flags=re.MULTILINE | re.DOTALL)
    targets = [one for one in LINK.findall(text) + DIRECTIVE.findall(text) if not re.match(r"https?:|mailto:", one)]
    here = (CHECKOUT / page).parent
    places = {one: (here / one) for one in targets if not re.search(r"(^|/)(reference|inventory)/", one)}
    assert not [one for one, place in places.items() if not place.exists()]
