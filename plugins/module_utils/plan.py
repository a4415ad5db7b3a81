# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Have and want in, ordered changes out. Pure: knows no kernel, no Ansible.

A state is a mapping from an object's identity, ``(kind, key)``, to its value. A change turns one object's
value into another, ``None`` standing for "not there"; so undoing a change is the same change read backwards.

The laws (tests hold every resource to them)::

    applied(have, plan(have, want)) == want
    plan(want, want) == []
    applied(applied(have, changes), undone(changes)) == have
"""

from __future__ import annotations

from itertools import repeat
from typing import Any, Hashable, Iterable, List, Mapping, NamedTuple, Sequence, Tuple

Identity = Tuple[str, Hashable]
State = Mapping[Identity, Any]


class Change(NamedTuple):
    """One object's step from ``before`` to ``after``; ``None`` means that it is not there.

    A tuple, as a run may make a hundred thousand of them.
    """

    kind: str
    key: Hashable
    before: Any
    after: Any

    @property
    def creates(self) -> bool:
        return self.before is None

    @property
    def removes(self) -> bool:
        return self.after is None

    def undone(self) -> Change:
        return Change(self.kind, self.key, self.after, self.before)


def changes_of(kind: str, keys: Iterable[Hashable], before: Iterable[Any], after: Iterable[Any]) -> List[Change]:
    """One change for each of ``keys``, in a third of the time that as many calls of ``Change`` take."""
    return list(map(tuple.__new__, repeat(Change), zip(repeat(kind), keys, before, after)))


def plan(have: State, want: State, order: Sequence[str], removals_first: bool = True) -> list[Change]:
    """The changes that turn ``have`` into ``want``.

    ``order`` names the kinds, what others rest on first: objects are made in that order and removed in the
    reverse. ``removals_first`` frees what a new object may need (an address, a place in a set); without it
    the new stands before the old goes, which keeps a service served.
    """
    if have == want:
        return []
    rank = {kind: place for place, kind in enumerate(order)}
    removals = [Change(*name, value, None) for name, value in have.items() if name not in want]
    removals.sort(key=lambda change: -rank[change.kind])
    others = [Change(*name, have.get(name), value) for name, value in want.items() if have.get(name) != value]
    others.sort(key=lambda change: rank[change.kind])
    return removals + others if removals_first else others + removals


def applied(state: State, changes: Iterable[Change]) -> State:
    """The state after ``changes``; a state that is no plain mapping may know a cheaper way itself."""
    own = getattr(state, "applied", None)
    if own is not None:
        after: State = own(changes)
        return after
    result = dict(state)
    for change in changes:
        if change.removes:
            result.pop((change.kind, change.key), None)
        else:
            result[(change.kind, change.key)] = change.after
    return result


def undone(changes: Sequence[Change]) -> List[Change]:
    """The changes that take ``changes`` back, last one first."""
    return [change.undone() for change in reversed(changes)]
