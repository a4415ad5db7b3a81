# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the options of ipset_entry ask for, and the way there from what the kernel has. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import compress, filterfalse, repeat
from operator import ne
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset import (
    DEFAULTS,
    ENTRY,
    SET,
    TEMPORARY,
    Set,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_entries import (
    Reader,
    lasting,
    merged,
    settled,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_limits import (
    check_in_range,
    check_uncovered,
    wildcards_last,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_list import (
    Entries,
    between,
    declared_order,
    unplaced,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_options import (
    check_name,
    header_from,
    power_of_two,
    with_options,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_state import Contents, contents_of
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_types import NEEDS
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State, changes_of

# From this many entries on a new hash is made large enough at once, which saves the kernel growing it over and over.
PRESIZED = 4096
# Exact: from this many changes on, if they are more than the entries wanted, a new set is filled and swapped in.
SWAP_FROM = 1000


@dataclass(frozen=True)
class Wish:
    """The options of one call. ``entries`` None: nothing is said about entries."""

    name: str
    type: Optional[str] = None
    family: str = ""
    entries: Optional[Sequence[str]] = None
    present: bool = True
    exact: bool = False
    stated: Dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raise ``BadInput`` for what can be seen to be wrong before the kernel is asked."""
        check_name(self.name)
        if self.type is not None:
            header_from(self.type, self.family, self.stated)
        if self.exact and self.entries is None and self.present:
            raise BadInput("exact", True, "it needs entries: the set is to hold just those (an empty list empties it)")

    def check_script(self, path: str) -> None:
        """Raise ``BadInput`` unless the script at ``path`` can build the set from nothing but the options."""
        if self.present:
            if self.type is None:
                raise BadInput("boot_script", path, "it needs type, as the script creates the set from nothing")
            _header(self, None)
        elif self.entries is not None:
            raise BadInput(
                "boot_script",
                path,
                "the entries that remain are not known from those to be removed: leave it out, or give those that "
                "remain, with exact=true",
            )


def planned(wish: Wish, have: State) -> List[Change]:
    """The changes towards ``wish``; ``have`` holds the named set, its entries, and left-over temporary sets.

    The same as ``plan(have, want, KINDS)``, but that entries are compared as strings, not as identities, and that
    one set may be turned into another.
    """
    now = contents_of(have, wish.name)
    then = wanted(wish, now)
    left_over = [Change(SET, name, header, None) for name, header in now.others.items() if name not in then.others]
    gone = list(filterfalse(then.members.__contains__, now.members))
    come = list(compress(then.members, map(ne, then.members.values(), map(now.members.get, then.members))))
    rebuilds = _rebuilds(wish, now, then, len(gone) + len(come))
    if rebuilds or then.header is None:
        # All entries of the old set go and all of the new come: the changes then tell the whole story, both ways.
        # The last one goes first, so that the first one comes back first: in a list of sets the order counts.
        removals = _entries(wish.name, _addable(list(now.members), now)[::-1], now.members, {})
        additions = _entries(wish.name, _addable(list(then.members), then), {}, then.members)
    elif then.header.type == "list:set":
        removals, additions = between(wish.name, now.members, then.members)
    else:
        removals = _entries(wish.name, gone, now.members, {})
        additions = _entries(wish.name, _addable(come, then), now.members, then.members)
    header = [Change(SET, wish.name, now.header, then.header)] if rebuilds or now.header != then.header else []
    return left_over + removals + header + additions


def _addable(keys: List[str], contents: Contents) -> List[str]:
    """``keys`` in an order in which the kernel adds them all."""
    has_wildcards = contents.header is not None and "iface" in contents.header.row.parts
    return wildcards_last(keys, contents.members) if has_wildcards else keys


def _entries(name: str, keys: Sequence[str], before: Entries, after: Entries) -> List[Change]:
    return changes_of(ENTRY, zip(repeat(name), keys), map(before.get, keys), map(after.get, keys))


def _rebuilds(wish: Wish, now: Contents, then: Contents, changes: int) -> bool:
    """Whether a new set is to be built beside the old one."""
    if now.header is None or then.header is None:
        return False
    if now.header != then.header:
        return True
    return wish.exact and changes >= SWAP_FROM and changes > len(then.members)


def wanted(wish: Wish, now: Contents) -> Contents:
    """What ``wish`` asks for. Raises ``BadInput`` for what does not fit the set as it is."""
    others = {name: header for name, header in now.others.items() if not name.startswith(TEMPORARY)}
    current = now.header
    if not wish.present:
        if current is None:
            _check_absent_set(wish)
        if current is None or wish.entries is None:
            return Contents(None, {}, others)
        return Contents(current, _without(wish.entries, now.members, current), others)
    header, canonical = _header(wish, current)
    # What the kernel printed need not be read again, if it would be read in the same way.
    known = now.members if current is not None and header.frame() == current.frame() else {}
    declared = Reader(header.row, header.frame()).read(wish.entries or (), known)
    _check_extensions(wish, header, declared)
    if header.range:
        check_in_range(declared, header)
    members = now.members if current is None else _carried(now.members, current, header)
    if "optional mac" in header.row.parts:
        members, declared = _one_mac_each(members, declared)
    if "iface" in header.row.parts:
        check_uncovered(declared, now.members, wish.exact)
    kept = (_listed if header.type == "list:set" else _kept)(wish, members, declared)
    return Contents(_roomy(wish, header, canonical, current, kept), kept, others)


def _one_mac_each(members: Entries, declared: Entries) -> Tuple[Entries, Entries]:
    """In a bitmap:ip,mac the address alone tells entries apart, and the kernel may fill in a MAC that was not given."""
    claimed: Dict[str, str] = {}
    for key in declared:
        other = claimed.setdefault(key.partition(",")[0], key)
        if other != key:
            raise BadInput(
                "entries", key, "%s is the same entry with another MAC: a bitmap:ip,mac holds one an address" % other
            )
    found = {key.partition(",")[0]: key for key in members}
    settled_keys = {found.get(key, key) if "," not in key else key: value for key, value in declared.items()}
    taken = {key.partition(",")[0] for key in settled_keys}
    kept = {key: value for key, value in members.items() if key in settled_keys or key.partition(",")[0] not in taken}
    return kept, settled_keys


def _without(texts: Sequence[str], members: Entries, header: Set) -> Entries:
    """``members`` but for those named; of an entry to be removed its options do not count."""
    named = Reader(header.row, header.frame(), options_matter=False).read(texts, members)
    rest = {key: value for key, value in members.items() if key not in named}
    if "optional mac" not in header.row.parts:
        return rest
    # An address without a MAC names what there is of it.
    return {key: value for key, value in rest.items() if key.partition(",")[0] not in named}


def _check_absent_set(wish: Wish) -> None:
    if wish.type is not None and wish.entries:
        header, _canonical = header_from(wish.type, wish.family, wish.stated)
        Reader(header.row, header.frame(), options_matter=False).read(wish.entries)


def _header(wish: Wish, current: Optional[Set]) -> Tuple[Set, Dict[str, Any]]:
    """The header that the set is to have, and the stated options in the kernel's terms."""
    if current is None:
        if wish.type is None:
            raise BadInput("type", None, "the set %s does not exist, and to create it its type is needed" % wish.name)
        header, canonical = header_from(wish.type, wish.family, wish.stated)
        if "range" in header.row.options and not header.range:
            raise BadInput("range", None, "%s cannot be created without one" % header.type)
        return header, canonical
    if wish.type is not None and wish.type != current.type:
        raise BadInput(
            "type",
            wish.type,
            "the set %s exists and is of type %s; remove it first (state=absent) or take another name"
            % (wish.name, current.type),
        )
    if wish.family and current.family and wish.family != current.family:
        raise BadInput("family", wish.family, "the set %s exists and is of family %s" % (wish.name, current.family))
    _header_then, canonical = with_options(current, wish.stated)
    canonical.pop("hashsize", None)
    if "iface" in current.row.parts and current.bucketsize > canonical.get("bucketsize", current.bucketsize):
        del canonical["bucketsize"]  # of this type the kernel lets it grow
    header = replace(current, **canonical)
    if header != current and not wish.exact:
        option = next(name for name in wish.stated if getattr(header, name) != getattr(current, name))
        raise BadInput(
            option,
            wish.stated[option],
            "the set %s exists with %s; exact=true with the set's whole entries builds it anew and swaps it in"
            % (wish.name, _shown(option, getattr(current, option))),
        )
    return header, canonical


def _shown(option: str, value: Any) -> str:
    if value is None or not value and option != "timeout":
        return "no %s" % option
    return option if value is True else "%s %s" % (option, value)


def _check_extensions(wish: Wish, header: Set, declared: Entries) -> None:
    """Each option of an entry rests on a create option of the set."""
    for options in set(declared.values()):
        for name, value in options:
            if name in NEEDS and not header.has(NEEDS[name]):
                raise BadInput(
                    "entries",
                    "%s %s" % (name, value),
                    "the set %s is one without %s; it needs %s when it is created" % (wish.name, name, NEEDS[name]),
                )


def _carried(members: Entries, current: Set, header: Set) -> Entries:
    """``members`` without what rests on a create option that is switched off."""
    lost = {name for name, option in NEEDS.items() if current.has(option) and not header.has(option)}
    if not lost:
        return members
    return {key: tuple(pair for pair in options if pair[0] not in lost) for key, options in members.items()}


def _kept(wish: Wish, members: Entries, declared: Entries) -> Entries:
    """The entries that the set is to hold, each with all its options as they will be."""
    if wish.exact and not any(declared.values()) and not any(members.values()):
        return declared  # entries without options are as they are declared
    result: Entries = {} if wish.exact else dict(members)
    listed = {options: lasting(options) for options in set(declared.values())}
    for key, stated in declared.items():
        there = members.get(key)
        if there is None:
            result[key] = listed[stated]
        elif there is stated or settled(there, stated):
            result[key] = there
        else:
            result[key] = merged(there, stated)
    return result


def _listed(wish: Wish, members: Entries, declared: Entries) -> Entries:
    """The entries that a list of sets is to hold, in their order."""
    order = declared_order([key for key in members if not wish.exact or key in declared], declared)
    kept = _kept(wish, members, {key: unplaced(options) for key, options in declared.items()})
    return {key: kept[key] for key in order}


def _roomy(wish: Wish, header: Set, canonical: Dict[str, Any], current: Optional[Set], members: Entries) -> Set:
    """``header`` with room for ``members``: maxelem follows need unless it was stated."""
    if not header.row.hashed:
        return header
    need = len(members)
    if need > header.maxelem:
        if "maxelem" in canonical:
            raise BadInput(
                "maxelem",
                wish.stated["maxelem"],
                "the set %s is to hold %d entries: %d do not fit" % (wish.name, need, need - header.maxelem),
            )
        header = replace(header, maxelem=max(power_of_two(need), DEFAULTS["maxelem"]))
    if need > PRESIZED and "hashsize" not in wish.stated and (current is None or header.hashsize < need // 2):
        header = replace(header, hashsize=power_of_two(need // 2))
    return header
