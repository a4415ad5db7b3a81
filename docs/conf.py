# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Sphinx builds the site. `make docs` runs it through __main__.py, which puts the reference beside these pages."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from pygments.lexers.shell import BashSessionLexer

project = "lulab.lvs"
author = "The lulab.lvs founders"
# Sphinx reads it by this name.
copyright = author
language = "en"

extensions = ["myst_parser", "sphinx_antsibull_ext"]
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["recipes/*"]

html_theme = "furo"
html_title = "lulab.lvs"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
# What the reference's option tables are drawn with.
pygments_style = "ansible"
pygments_dark_style = "github-dark"
highlight_language = "text"

# What the reference names of Ansible's own documentation. A table, so that the site builds without the network.
ANSIBLE = "https://docs.ansible.com/ansible/latest/"
ELSEWHERE = {
    r"common_return_values": ("reference_appendices/common_return_values.html", "Return Values"),
    r"ansible_configuration_settings": ("reference_appendices/config.html", "Ansible Configuration Settings"),
    r"ansible_collections\.ansible\.builtin\.(\w+)_module": (
        r"collections/ansible/builtin/\1_module.html",
        r"ansible.builtin.\1",
    ),
}


class Console(BashSessionLexer):
    """Commands behind ``$`` and behind ``Host0$``, which Pygments' own takes for output."""

    _ps1rgx = re.compile(r"^((?:Host\d)?\$ )(.*\n?)")


def _resolve(_app: Any, _environment: Any, node: Any, content: Any) -> Any:
    """A link into Ansible's documentation for a label that ``ELSEWHERE`` knows, else None: Sphinx then warns."""
    for pattern, (page, title) in ELSEWHERE.items():
        known = re.fullmatch(pattern, node.get("reftarget", ""))
        if known:
            text = content if node.get("refexplicit") else nodes.inline(text=known.expand(title))
            return nodes.reference("", "", text, internal=False, refuri=ANSIBLE + known.expand(page))
    return None


def _without_contents(_app: Any, tree: Any) -> None:
    """Take lists of contents off a page: the theme has its own beside it, and warns of any other in red."""
    for topic in [node for node in tree.findall(nodes.topic) if "contents" in node["classes"]]:
        topic.parent.remove(topic)


def _tell_language(_app: Any, page: str, _template: str, context: dict[str, Any], _tree: Any) -> None:
    """Say in the HTML of pages under zh/ that they are Chinese, for browsers and screen readers."""
    if page.startswith("zh/"):
        context["language"] = "zh-CN"


def setup(app: Any) -> dict[str, bool]:
    app.add_lexer("console", Console)
    app.connect("missing-reference", _resolve)
    app.connect("doctree-read", _without_contents)
    app.connect("html-page-context", _tell_language)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
