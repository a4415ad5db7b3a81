# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our bytes for sets and entries beside those that ipset itself sends."""

from __future__ import annotations

from typing import Any, Dict

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipset_codec as codec
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.ipset_bulk import Codec
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import nested, parsed
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_entries import Reader
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_options import header_from
from ipset_captured import CAPTURED, Captured

# What we always say and ipset says only when it is no default; and the line that an entry stands in.
OPTIONAL = {codec.HASHSIZE, codec.MAXELEM}
each_type = pytest.mark.parametrize("one", CAPTURED, ids=lambda one: one.type)


def inside(attribute: bytes) -> Dict[int, bytes]:
    """The attributes in a DATA attribute, whichever comes first."""
    return {kind: payload for kind, payload in parsed(parsed(attribute)[codec.DATA]).items() if kind != codec.LINENO}


def read(one: Captured) -> Any:
    head, _stated = header_from(one.type, one.family, one.create)
    return head, Reader(head.row, head.frame()).read([one.add])


@each_type
def test_a_set_is_created_by_the_bytes_that_ipset_sends(one: Captured) -> None:
    head, _entries = read(one)
    ours, theirs = inside(codec.encode_set(head)), parsed(one.created)
    assert {kind: payload for kind, payload in ours.items() if kind in theirs or kind not in OPTIONAL} == theirs


@each_type
def test_an_entry_is_added_by_the_bytes_that_ipset_sends(one: Captured) -> None:
    head, entries = read(one)
    (ours,) = Codec(head.row, head.family).encode(entries.items())
    assert inside(ours) == inside(nested(codec.DATA, one.added))


@each_type
def test_what_ipset_sends_is_read_as_what_was_typed(one: Captured) -> None:
    head, entries = read(one)
    found: Dict[str, Any] = {}
    Codec(head.row, head.family).decode(nested(codec.DATA, one.added), found)
    assert found == entries
