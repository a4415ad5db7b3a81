# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of a list of sets: what ``before`` and ``after`` make of it, and the way from one order to another. Pure.

A state holds the entries of a list in their order and without these words. In a change they say where the entry is put,
and, in its ``before``, where it is put back.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset import ENTRY
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_entries import PLACES, Options, ordered
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change

Entries = Dict[str, Options]
Place = Tuple[str, str]


def place_of(options: Options) -> Optional[Place]:
    """``("before", NAME)``, ``("after", NAME)`` or None; in an entry's options it stands last."""
    return (options[-1][0], str(options[-1][1])) if options and options[-1][0] in PLACES else None


def unplaced(options: Options) -> Options:
    return options if place_of(options) is None else options[:-1]


def _at(options: Options, place: Place) -> Options:
    return ordered({**dict(options), place[0]: place[1]})


def _insert(order: List[str], key: str, place: Place) -> None:
    word, other = place
    order.insert(order.index(other) + (word == "after"), key)


def put(members: Entries, key: str, options: Options) -> Entries:
    """``members`` with an entry added, updated or moved as its ``options`` say."""
    place = place_of(options)
    if place is None:
        members[key] = options
        return members
    order = [each for each in members if each != key]
    _insert(order, key, place)
    return {each: unplaced(options) if each == key else members[each] for each in order}


def declared_order(order: Sequence[str], declared: Mapping[str, Options]) -> List[str]:
    """The order in which a list is settled when the ``declared`` are added to it, one after the other, again and again.

    Once would not do: what is put behind an entry that is moved later stays where it is. Raises ``BadInput``.
    """
    for _time in range(len(declared) + 2):
        before, order = order, _added(order, declared)
        if order == before:
            return order
    places = [each for each in map(place_of, declared.values()) if each]
    raise BadInput("entries", ["%s %s" % place for place in places], "these places contradict each other")


def _added(order: Sequence[str], declared: Mapping[str, Options]) -> List[str]:
    result, there = list(order), set(order)
    for key, options in declared.items():
        place = place_of(options)
        if place is None:
            if key not in there:
                result.append(key)
        else:
            if place[1] not in there or place[1] == key:
                raise BadInput("entries", "%s %s %s" % (key, *place), "%s is not in the list by then" % place[1])
            if key in there:
                result.remove(key)
            _insert(result, key, place)
        there.add(key)
    return result


def between(name: str, have: Entries, want: Entries) -> Tuple[List[Change], List[Change]]:
    """What is to be removed from the list ``name``, and what to be added, changed or moved, for it to be ``want``."""
    return _removals(name, have, want), _additions(name, have, want)


def _removals(name: str, have: Entries, want: Entries) -> List[Change]:
    """From the end, so that what is put back, from the beginning, finds what it stood in front of."""
    changes = []
    follower: Optional[str] = None
    for key in reversed(have):
        if key in want:
            follower = key
        else:
            before = have[key] if follower is None else _at(have[key], ("before", follower))
            changes.append(Change(ENTRY, (name, key), before, None))
    return changes


def _additions(name: str, have: Entries, want: Entries) -> List[Change]:
    order = [key for key in have if key in want]
    staying = _staying(order, want)
    ahead = len(staying)
    first = next((key for key in order if key in staying), None)
    previous: Optional[str] = None
    changes = []
    for key, options in want.items():
        before, after = have.get(key), options
        if key in staying:
            ahead -= 1
        else:
            if before is not None:
                before = _at(before, _neighbour(order, key))
                order.remove(key)
            if previous is None and first is not None:
                after = _at(options, ("before", first))
            elif previous is not None and (ahead or before is not None):
                after = _at(options, ("after", previous))
            _insert_or_append(order, key, after)
        if before != after:
            changes.append(Change(ENTRY, (name, key), before, after))
        previous = key
    return changes


def _insert_or_append(order: List[str], key: str, options: Options) -> None:
    place = place_of(options)
    if place is None:
        order.append(key)
    else:
        _insert(order, key, place)


def _neighbour(order: Sequence[str], key: str) -> Place:
    here = order.index(key)
    return ("before", order[here + 1]) if here + 1 < len(order) else ("after", order[here - 1])


def _staying(order: Sequence[str], want: Iterable[str]) -> Set[str]:
    """The most entries of ``order`` that can be left where they are: the longest run that rises in both orders."""
    number = {key: place for place, key in enumerate(order)}
    least: List[int] = []  # for each length, the least number that a rising run of it ends in
    ends: List[str] = []
    before: Dict[str, Optional[str]] = {}
    for key in filter(number.__contains__, want):
        length = bisect_left(least, number[key])
        before[key] = ends[length - 1] if length else None
        least[length : length + 1] = [number[key]]
        ends[length : length + 1] = [key]
    staying: Set[str] = set()
    key_back = ends[-1] if ends else None
    while key_back is not None:
        staying.add(key_back)
        key_back = before[key_back]
    return staying
