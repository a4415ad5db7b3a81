# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of one set, without the weight of 65,000 identities that nobody asks for."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Hashable, Iterable, Iterator, List, Mapping, NamedTuple, Optional

from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset import ENTRY, FAMILY_NAMES, SET, Set
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_list import Entries, put
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, Identity, State


class Contents(NamedTuple):
    """A set (None: there is none), its entries by key, and other sets by name.

    ``references`` is how many rules and lists refer to the set, ``names`` those of all sets there are, if known.
    """

    header: Optional[Set]
    members: Entries
    others: Dict[str, Set]
    references: int = 0
    names: Optional[FrozenSet[str]] = None


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
                elif not after:
                    members[entry] = after
                else:
                    members = put(members, entry, after)
            elif key == self.name:
                header = after
            elif after is None:
                others.pop(str(key), None)
            else:
                others[str(key)] = after
        return SetState(self.name, self.contents._replace(header=header, members=members, others=others))


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
    header, members, *_others = contents_of(state, name)
    if header is None:
        return {"set": {}}
    family = FAMILY_NAMES.get(header.family, "")
    return {"set": {"type": header.type, "family": family, "maxelem": header.maxelem, "entries": len(members)}}


def cautions(name: str, state: State) -> List[str]:
    """What stands in the way of ``state``, unless a rule or a set is to go or come first: words for check mode.

    After a real run nothing does. In check mode a task or step before this one may have said that it removes the rules,
    or that it makes the sets, so that this is no error.
    """
    contents = contents_of(state, name)
    words = []
    if contents.header is None and contents.references:
        words.append("the set %s is in use: rules or lists of sets refer to it, and have to go first" % name)
    if contents.header is not None and contents.header.type == "list:set" and contents.names is not None:
        missing = ", ".join(key for key in contents.members if key not in contents.names)
        if missing:
            words.append("the list %s is to hold sets that do not exist, and have to come first: %s" % (name, missing))
    return words
