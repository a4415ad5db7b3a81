# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel does not store, though each entry by itself is right. Pure."""

from __future__ import annotations

from typing import Iterable, List, Mapping, Sequence

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset import Set
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_entries import Options
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_parts import address
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_types import INET

WILDCARD = ("wildcard", True)
BRIDGE_PORT = "physdev:"


def check_in_range(keys: Iterable[str], header: Set) -> None:
    """Raise ``BadInput`` for an entry outside of what the bitmap covers."""
    first, last = (_number(each, header) for each in header.range.split("-"))
    for key in keys:
        if not first <= _number(key.partition(",")[0], header) <= last:
            raise BadInput("entries", key, "the set covers %s only" % header.range)


def _number(text: str, header: Set) -> int:
    return int(text) if header.type == "bitmap:port" else address(text, INET)


def wildcards_last(keys: Sequence[str], entries: Mapping[str, Options]) -> List[str]:
    """``keys`` in an order in which all are stored: once a network's wildcard is there, the kernel takes it for each
    interface that it covers."""
    return sorted(keys, key=lambda key: (1, -len(key)) if WILDCARD in entries[key] else (0, 0))


def check_uncovered(declared: Mapping[str, Options], members: Mapping[str, Options], exact: bool) -> None:
    """Raise ``BadInput`` for a new entry that a wildcard in ``members`` stands for already.

    ``exact``: those that are not declared have gone by then.
    """
    there = [key for key, options in members.items() if WILDCARD in options and (key in declared or not exact)]
    for key in declared.keys() - members.keys() if there else ():
        for wildcard in there:
            if _covers(wildcard, key):
                raise BadInput(
                    "entries", key, "the set holds %s wildcard, which covers it: remove that first" % wildcard
                )


def _covers(wildcard: str, key: str) -> bool:
    network, _comma, interface = wildcard.partition(",")
    other_network, _comma, other = key.partition(",")
    alike = interface.startswith(BRIDGE_PORT) == other.startswith(BRIDGE_PORT)
    return network == other_network and alike and other.startswith(interface)
