# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of one set, without the weight of 65,000 identities that nobody asks for."""

from __future__ import annotations

from typing import Any, Dict, Hashable, Iterable, Iterator, Mapping, NamedTuple, Optional

from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset import ENTRY, SET, Set
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_entries import Options
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, Identity, State

Entries = Dict[str, Options]


class Contents(NamedTuple):
    """A set (None: there is none), its entries by key, and other sets by name."""

    header: Optional[Set]
    members: Entries
    others: Dict[str, Set]


class SetState(Mapping[Identity, Any]):
    """A ``plan.State`` that makes an entry's identity when it is asked for.

    Planning reads ``contents`` instead: to find out that nothing is to be done, strings are compared, not tuples.
    """

    def __init__(self, name: str, contents: Contents) -> None:
        self.name = name
        self.contents = contents

    def __len__(self) -> int:
        return (self.contents.header is not None) + len(self.contents.members) + len(self.contents.others)

    def __iter__(self) -> Iterator[Identity]:
        for other in self.contents.others:
            yield SET, other
        if self.contents.header is not None:
            yield SET, self.name
        name = self.name
        for key in self.contents.members:
            yield ENTRY, (name, key)

    def __getitem__(self, identity: Identity) -> Any:
        kind, key = identity
        if kind == ENTRY:
            owner, entry = _pair(key)
            if owner == self.name:
                return self.contents.members[entry]
        elif key == self.name and self.contents.header is not None:
            return self.contents.header
        elif kind == SET:
            return self.contents.others[str(key)]
        raise KeyError(identity)

    def applied(self, changes: Iterable[Change]) -> SetState:
        """What ``plan.applied`` gives."""
        header, members, others = self.contents.header, dict(self.contents.members), dict(self.contents.others)
        for change in changes:
            if change.kind == ENTRY:
                _owner, key = _pair(change.key)
                if change.after is None:
                    members.pop(key, None)
                else:
                    members[key] = change.after
            elif change.key == self.name:
                header = change.after
            elif change.after is None:
                others.pop(str(change.key), None)
            else:
                others[str(change.key)] = change.after
        return SetState(self.name, Contents(header, members, others))


def _pair(key: Hashable) -> Any:
    return key


def contents_of(state: State, name: str) -> Contents:
    """``state`` as the contents of the set ``name``."""
    if isinstance(state, SetState):
        return state.contents
    members = {_pair(key)[1]: value for (kind, key), value in state.items() if kind == ENTRY}
    others = {str(key): value for (kind, key), value in state.items() if kind == SET and key != name}
    return Contents(state.get((SET, name)), members, others)
