# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel does not store, though each entry by itself is right. Pure."""

from __future__ import annotations

from typing import Dict, Iterable

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


def wildcards_last(
    declared: Dict[str, Options], members: Dict[str, Options], exact: bool = False
) -> Dict[str, Options]:
    """``declared``, in an order in which all are stored: the kernel takes a network's wildcard for each interface that
    it covers, once it is there. Raises ``BadInput`` for an entry that such a one in ``members`` stands for already;
    ``exact``: those that are not declared have gone by then.
    """
    there = [key for key, options in members.items() if WILDCARD in options and (key in declared or not exact)]
    for key in declared.keys() - members.keys() if there else ():
        for wildcard in there:
            if _covers(wildcard, key):
                raise BadInput(
                    "entries", key, "the set holds %s wildcard, which covers it: remove that first" % wildcard
                )
    wild = sorted((key for key, options in declared.items() if WILDCARD in options), key=len, reverse=True)
    if not wild:
        return declared
    return {**{key: options for key, options in declared.items() if WILDCARD not in options}, **_only(declared, wild)}


def _only(entries: Dict[str, Options], keys: Iterable[str]) -> Dict[str, Options]:
    return {key: entries[key] for key in keys}


def _covers(wildcard: str, key: str) -> bool:
    network, _comma, interface = wildcard.partition(",")
    other_network, _comma, other = key.partition(",")
    alike = interface.startswith(BRIDGE_PORT) == other.startswith(BRIDGE_PORT)
    return network == other_network and alike and other.startswith(interface)
