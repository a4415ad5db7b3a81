# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make docs` builds the site without a warning, all of it."""

from __future__ import annotations

import re
import shutil

import pytest

from pages import CHECKOUT, pages
from programs import run

DOCS = CHECKOUT / "docs"
HTML = DOCS / "build/html"


@pytest.fixture(scope="module")
def site():
    code, output = run(["make", "docs"], seconds=900)
    assert code == 0, output
    return HTML


def test_each_page_is_in_the_site(site):
    written = [page[len("docs/") : -len(".md")] for page in pages() if page.startswith("docs/")]
    modules = [path.stem for path in (CHECKOUT / "plugins/modules").glob("*.py")]
    roles = [path.name for path in (CHECKOUT / "roles").iterdir() if (path / "meta/argument_specs.yml").exists()]
    wanted = [
        *written,
        *("reference/%s_module" % name for name in modules),
        *("reference/%s_role" % name for name in roles),
    ]
    assert len(written) > 4 and len(modules) > 10 and len(roles) > 8
    assert not [name for name in wanted if not (site / (name + ".html")).exists()]


def test_each_page_is_reached_from_the_first(site):
    first = (site / "index.html").read_text(encoding="utf-8")
    linked = set(re.findall(r'href="([^"#]+)\.html', first))
    assert {page[len("docs/") : -len(".md")] for page in pages() if page.startswith("docs/")} - {"index"} <= linked


def test_the_reference_tells_of_options_and_examples(site):
    text = re.sub(r"<[^>]+>", "", (site / "reference/ipvs_service_module.html").read_text(encoding="utf-8"))
    assert "keep_weights" in text and "Take one server out for maintenance" in text


@pytest.mark.parametrize("wrong", ["[elsewhere](nowhere.md)", "```{literalinclude} nothing.yml\n```"])
def test_a_warning_is_an_error(site, tmp_path, wrong):
    """The same Sphinx with the same settings, and a page that has something wrong with it."""
    pages_ = tmp_path / "pages"
    shutil.copytree(DOCS / "_static", pages_ / "_static")
    shutil.copy(DOCS / "conf.py", pages_)
    code = "import pathlib, runpy; runpy.run_path(%r)['build'](pathlib.Path('pages'), pathlib.Path('html'))"
    code = code % str(DOCS / "__main__.py")
    python = str(CHECKOUT / ".venv-docs/bin/python")
    for text, right in (("# All is well\n", True), ("# A page\n\n%s\n" % wrong, False)):
        (pages_ / "index.md").write_text(text, encoding="utf-8")
        returned, output = run([python, "-c", code], tmp_path)
        assert (returned == 0) is right, output
        assert ("WARNING" in output) is not right
