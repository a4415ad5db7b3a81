# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of one set, without the weight of 65,000 identities that nobody asks for."""

from __future__ import annotations

from typing import Any, Dict, Hashable, Iterable, Iterator, Mapping, NamedTuple, Optional

from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset import ENTRY, FAMILY_NAMES, SET, Set
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_list import Entries, put
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, Identity, State


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
            kind, key, _before, after = change
            if kind == ENTRY:
                entry = key[1]  # type: ignore[index]
                if after is None:
                    members.pop(entry, None)
                else:
                    members = put(members, entry, after)
            elif key == self.name:
                header = after
            elif after is None:
                others.pop(str(key), None)
            else:
                others[str(key)] = after
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


def report(name: str, state: State) -> Dict[str, Any]:
    """The set as the module returns it."""
    header, members, _others = contents_of(state, name)
    if header is None:
        return {"set": {}}
    family = FAMILY_NAMES.get(header.family, "")
    return {"set": {"type": header.type, "family": family, "maxelem": header.maxelem, "entries": len(members)}}
