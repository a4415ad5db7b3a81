# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets: what one is, and how its commands and its listing are written. Pure.

States hold ``("set", name)`` -> ``Set`` and ``("entry", (name, key))`` -> ``Options``; see ipset_entries.
"""

from __future__ import annotations

import shlex
import zlib
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_entries import (
    PLACES,
    PLAIN,
    Options,
    for_shell,
    in_quotes,
    option_words,
    uncounted,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_parts import (
    Frame,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_types import (
    BUCKETSIZE_DEFAULT,
    DIMENSIONS,
    HASHSIZE_DEFAULT,
    MARKMASK_DEFAULT,
    MAXELEM_DEFAULT,
    SIZE_DEFAULT,
    TYPES,
    Type,
)
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State

__all__ = ["DIMENSIONS", "TYPES", "Set", "Step", "commands", "listing", "steps"]

SET = "set"
ENTRY = "entry"
KINDS = (SET, ENTRY)
FAMILY_NAMES = {"inet": "ipv4", "inet6": "ipv6"}

# A new set is filled under such a name, then swapped in. Nobody else's set is called so.
TEMPORARY = "lulab-lvs-tmp-"

# From here on commands are given as one here-document for `ipset restore`: that is what one would type for so
# many, and 65,000 strings in a result cost Ansible more than the kernel needs for the entries.
MANY_COMMANDS = 1000


def temporary_name(name: str) -> str:
    return "%s%08x" % (TEMPORARY, zlib.crc32(name.encode("utf-8", "surrogateescape")))


@dataclass(frozen=True)
class Set:
    """A set's type and create options, in the kernel's terms; 0, "" and None where the type has no such option.

    ``hashsize`` is where the set starts: the kernel lets it grow, so it is never compared.
    """

    type: str
    family: str = ""
    range: str = ""
    hashsize: int = field(default=0, compare=False)
    maxelem: int = 0
    netmask: int = 0
    bitmask: str = ""
    markmask: int = 0
    size: int = 0
    timeout: Optional[int] = None
    counters: bool = False
    comment: bool = False
    skbinfo: bool = False
    forceadd: bool = False
    bucketsize: int = 0

    @property
    def row(self) -> Type:
        return TYPES[self.type]

    @property
    def dimensions(self) -> int:
        return DIMENSIONS[self.type]

    def frame(self) -> Frame:
        row = self.row
        return Frame(
            self.family,
            self.netmask,
            self.bitmask,
            self.markmask or MARKMASK_DEFAULT,
            zero_net=row.zero_net,
            zero_ip=row.zero_ip,
        )

    def has(self, extension: str) -> bool:
        """Whether entries may carry what rests on this create option."""
        value = getattr(self, extension)
        return value is not None and value is not False


DEFAULTS: Dict[str, Any] = {
    "hashsize": HASHSIZE_DEFAULT,
    "maxelem": MAXELEM_DEFAULT,
    "bucketsize": BUCKETSIZE_DEFAULT,
    "size": SIZE_DEFAULT,
    "markmask": MARKMASK_DEFAULT,
}
CREATE_OPTIONS = (
    "range",
    "hashsize",
    "maxelem",
    "netmask",
    "bitmask",
    "markmask",
    "size",
    "timeout",
    "counters",
    "comment",
    "skbinfo",
    "forceadd",
    "bucketsize",
)


# --- what is done at once ---------------------------------------------------------------------------------------


@dataclass
class Step:
    """The changes that concern one set, as the kernel and the tool carry them out.

    ``header`` is the change of the set itself. When it removes the set, its entries go with it; when it turns one
    set into another, the entries in ``removed`` are the old set's, those in ``added`` the new one's, and the new set
    is built beside the old and swapped in.
    """

    name: str
    header: Optional[Change] = None
    removed: List[Change] = field(default_factory=list)
    added: List[Change] = field(default_factory=list)

    @property
    def destroys(self) -> bool:
        return self.header is not None and self.header.removes

    @property
    def creates(self) -> bool:
        return self.header is not None and self.header.creates

    @property
    def rebuilds(self) -> bool:
        return self.header is not None and not self.header.removes and not self.header.creates

    @property
    def changes(self) -> List[Change]:
        """All changes of this step, in an order in which they make sense one by one."""
        header = [self.header] if self.header else []
        return self.removed + header + self.added


def steps(changes: Sequence[Change]) -> List[Step]:
    """``changes`` by set, in the order in which the sets are first named."""
    found: Dict[str, Step] = {}
    for change in changes:
        kind, key, _before, after = change
        if kind == ENTRY:
            name = key[0]  # type: ignore[index]
            step = found.get(name) or found.setdefault(name, Step(name))
            (step.removed if after is None else step.added).append(change)
        else:
            name = str(key)
            step = found.get(name) or found.setdefault(name, Step(name))
            step.header = change
    return list(found.values())


def replaces(change: Change) -> bool:
    """Whether an entry must go before it is added again: the kernel does not move or re-flag one in place."""
    if change.before is None or change.after is None:
        return False
    before, after = dict(change.before), dict(change.after)
    return any(name in after for name in PLACES) or before.get("wildcard") != after.get("wildcard")


# --- in the tool's words ----------------------------------------------------------------------------------------


class Form(NamedTuple):
    """How a comment is written, and how a word: a name or an entry, which a person may have given odd characters."""

    comment: Callable[[str], str]
    word: Callable[[str], str]


FOR_SHELL = Form(for_shell, shlex.quote)
FOR_RESTORE = Form(in_quotes, str)


def create_words(name: str, header: Set, all_options: bool = False) -> str:
    """``create NAME TYPE family inet ...``; ``all_options`` writes also those that are at their defaults."""
    words = ["create %s %s" % (name, header.type)]
    if len(header.row.families) > 1:
        words.append("family " + header.family)
    for option in CREATE_OPTIONS:
        value = getattr(header, option)
        if value is True:
            words.append(option)
        elif option == "timeout":
            if value is not None:
                words.append("timeout %d" % value)
        elif value and (all_options or value != DEFAULTS.get(option)):
            words.append("%s %s" % (option, "0x%08x" % value if option == "markmask" else value))
    return " ".join(words)


def _removing(step: Step, form: Form) -> List[str]:
    head = "del %s " % form.word(step.name)
    return [head + form.word(change.key[1]) for change in step.removed]  # type: ignore[index]


def _adding(name: str, step: Step, form: Form) -> List[str]:
    lines = []
    head = "add %s " % name
    for change in step.added:
        _kind, identity, before, after = change
        key = form.word(_entry(identity)[1])
        line = head + key + option_words(after, *form) if after else head + key
        if before is not None:
            if replaces(change):
                lines.append("del %s %s" % (name, key))
            else:
                line = "-exist " + line
        lines.append(line)
    return lines


def _lines(step: Step, form: Form) -> List[str]:
    own = form.word(step.name)
    if step.header is None:
        return _removing(step, form) + _adding(own, step, form)
    if step.destroys:
        return ["destroy " + own]
    name = own if step.creates else form.word(temporary_name(step.name))
    filling = [create_words(name, step.header.after), *_adding(name, step, form)]
    return filling if step.creates else [*filling, "swap %s %s" % (name, own), "destroy " + name]


def commands(changes: Sequence[Change]) -> List[str]:
    """What one would type; many at once as a here-document for C(ipset restore)."""
    parts = steps(changes)
    if len(changes) < MANY_COMMANDS or all(step.destroys for step in parts):
        return ["ipset " + line for step in parts for line in _lines(step, FOR_SHELL)]
    lines = [line for step in parts for line in _lines(step, FOR_RESTORE)]
    return ["ipset restore <<'END'\n%s\nEND" % "\n".join(lines)]


def _entry(identity: Any) -> Tuple[str, str]:
    """The set's name and the key that identify an entry."""
    owner, key = identity
    return owner, key


def listing(state: State) -> str:
    """The sets as C(ipset save -sorted) prints them, but for the hash's own parameters."""
    members: Dict[str, List[str]] = {}
    for (kind, identity), value in state.items():
        if kind == ENTRY:
            owner, key = _entry(identity)
            words = option_words(value, in_quotes) if value is not PLAIN else ""
            members.setdefault(owner, []).append("add %s %s%s\n" % (owner, key, words))
    blocks: List[str] = []
    for (kind, identity), value in state.items():
        if kind == SET:
            lines = members.get(str(identity), [])
            blocks.append(create_words(str(identity), value, all_options=True) + "\n")
            blocks.extend(lines if value.type == "list:set" else sorted(lines))
    return "".join(blocks)


def described(name: str, header: Set, members: Dict[str, Options], with_entries: bool) -> Dict[str, Any]:
    """A set in the shape of the module's options; what stands at its default is left out."""
    told: Dict[str, Any] = {"name": name, "type": header.type}
    if header.family:
        told["family"] = FAMILY_NAMES[header.family]
    for option in CREATE_OPTIONS:
        value = getattr(header, option)
        said = value is not None if option == "timeout" else value and value != DEFAULTS.get(option)
        if said and option != "hashsize":  # which grows with the set
            told[option] = "0x%08x" % value if option == "markmask" else value
    if with_entries:
        told["entries"] = [key + option_words(uncounted(options), in_quotes) for key, options in members.items()]
    return told
