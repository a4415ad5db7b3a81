# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries: the text that C(ipset add) takes, to (key, options) and back.

A key is the entry as C(ipset save) prints it, without its options: ``169.254.1.100,tcp:80``. The options are a
tuple of pairs in the order in which C(ipset save) prints them, empty for a plain entry: at 65,000 entries
anything heavier than a string and a shared empty tuple would cost more than the kernel's own work.
"""

from __future__ import annotations

import itertools
import math
import re
import shlex
import socket
from types import MappingProxyType
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_parts import (
    ADDRESS_FAMILY,
    MOST_FROM_ONE,
    READERS,
    Frame,
    bytes_in,
    canonical_entry,
    mark_number,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_types import (
    COMMENT_LENGTH,
    HOST_BITS,
    INET,
    INET6,
    TIMEOUT_MAX,
    Type,
    Wrong,
    known_entry_options,
)

Value = Union[int, str, bool]
Options = Tuple[Tuple[str, Value], ...]

PLAIN: Options = ()
FLAGS = ("nomatch", "wildcard")
# The order in which ipset prints them.
ORDER = (
    "timeout",
    "nomatch",
    "packets",
    "bytes",
    "comment",
    "skbmark",
    "skbprio",
    "skbqueue",
    "wildcard",
    "before",
    "after",
)
_RANK = {name: place for place, name in enumerate(ORDER)}

# What traffic changes: given when an entry is added, never compared afterwards.
COUNTED = frozenset({"packets", "bytes"})
PLACES = ("before", "after")
# What an entry has that is said to have no such thing: the kernel lists none of these.
NOTHING: Mapping[str, Value] = {"comment": "", "skbmark": "0x0/0x0", "skbprio": "0:0", "skbqueue": 0}


def ordered(options: Mapping[str, Value]) -> Options:
    return tuple(sorted(options.items(), key=lambda pair: _RANK[pair[0]]))


def option_words(options: Options, quote: Callable[[str], str], word: Callable[[str], str] = str) -> str:
    """`` timeout 60 comment "x"``, with a space in front; empty for none.

    ``quote`` writes a comment, ``word`` what may hold no space, such as a set's name.
    """
    words = []
    for name, value in options:
        if name in FLAGS:
            words.append(" " + name)
        elif name == "comment":
            words.append(" comment " + quote(str(value)))
        else:
            words.append(" %s %s" % (name, word(str(value))))
    return "".join(words)


def in_quotes(comment: str) -> str:
    """As C(ipset save) and C(ipset restore) write a comment."""
    return '"%s"' % comment


def for_shell(comment: str) -> str:
    """As a shell hands a comment to C(ipset) whole."""
    return shlex.quote(comment) if re.search(r"[$`\\!]", comment) else in_quotes(comment)


_TOKEN = re.compile(r'"([^"]*)"|(\S+)')
_NUMBER_LIMITS = {
    "timeout": TIMEOUT_MAX,
    "packets": (1 << 64) - 1,
    "bytes": (1 << 64) - 1,
    "skbqueue": 0xFFFF,
}


def _number(name: str, text: str) -> int:
    limit = _NUMBER_LIMITS[name]
    if text.isascii() and text.isdigit() and int(text) <= limit:
        return int(text)
    raise Wrong("%s is a number from 0 to %d, not %r" % (name, limit, text))


def skbmark_text(mark: int, mask: int) -> str:
    return "0x%x" % mark if mask == 0xFFFFFFFF else "0x%x/0x%x" % (mark, mask)


def _skbmark(text: str) -> str:
    mark, slash, mask = text.partition("/")
    return skbmark_text(mark_number(mark), mark_number(mask) if slash else 0xFFFFFFFF)


def _skbprio(text: str) -> str:
    match = re.match(r"([0-9A-Fa-f]{1,4}):([0-9A-Fa-f]{1,4})\Z", text)
    if match is None:
        raise Wrong("skbprio is MAJOR:MINOR in hexadecimal digits, such as 1:10, not %r" % text)
    return "%x:%x" % (int(match.group(1), 16), int(match.group(2), 16))


def _comment(text: str) -> str:
    length = bytes_in(text)
    if length > COMMENT_LENGTH:
        raise Wrong("a comment has at most %d bytes, this one %d" % (COMMENT_LENGTH, length))
    if '"' in text or "\n" in text or "\0" in text:
        raise Wrong("a comment cannot hold quotation marks or line ends")
    return text


def _option(name: str, text: str) -> Value:
    if name in _NUMBER_LIMITS:
        return _number(name, text)
    return {"comment": _comment, "skbmark": _skbmark, "skbprio": _skbprio}.get(name, str)(text)


def _options(words: Sequence[str], row: Type) -> Options:
    known = known_entry_options(row)
    found: Dict[str, Value] = {}
    rest = iter(words)
    for name in rest:
        if name not in known:
            raise Wrong("%r is no option of an entry of %s; those are %s" % (name, row.name, ", ".join(sorted(known))))
        if name in found:
            raise Wrong("%s is given twice" % name)
        if name in FLAGS:
            found[name] = True
            continue
        text = next(rest, None)
        if text is None:
            raise Wrong("%s needs a value" % name)
        found[name] = _option(name, text)
    if "before" in found and "after" in found:
        raise Wrong("before and after exclude each other")
    return ordered(found)


def _tokens(text: str) -> List[str]:
    found = [match.group(1) if match.group(1) is not None else match.group(2) for match in _TOKEN.finditer(text)]
    if not found or text.count('"') % 2:
        raise Wrong("expected an entry as 'ipset add' takes it")
    return found


def pieces_of(key: str, row: Type) -> List[str]:
    """The text of each part of an entry; a set's name may have commas of its own."""
    return [key] if row.parts == ("set",) else key.split(",")


def read_one(text: str, row: Type, frame: Frame) -> Tuple[List[str], Options]:
    """The keys that ``text`` stands for (a range stands for several), and their options. Raises ``Wrong``."""
    words = _tokens(text)
    pieces = pieces_of(words[0], row)
    least = len([part for part in row.parts if not part.startswith("optional")])
    if not least <= len(pieces) <= len(row.parts):
        shape = ",".join(part.split()[-1] for part in row.parts)
        raise Wrong("an entry of %s is %s, not %r" % (row.name, shape, words[0]))
    choices = [READERS[part](piece, frame) for part, piece in zip(row.parts, pieces)]
    options = _options(words[1:], row)
    if len(choices) == 1:
        return choices[0], options
    if math.prod(map(len, choices)) > MOST_FROM_ONE:
        raise Wrong("it stands for more than %d entries" % MOST_FROM_ONE)
    return [",".join(each) for each in itertools.product(*choices)], options


# An address that stands for all others when the rest of an entry is read once for many: no zero address, and
# within every network but that of prefix length 0.
_STAND_IN = {INET: "128.0.0.0", INET6: "8000::"}
_CACHE_SIZE = 100000

# For the text behind an entry's first address: the same in canonical form, the options, and the bits that a
# network's address must not have.
_Tail = Tuple[str, Options, int]


class Reader:
    """Reads many entries of one set. Most share what stands behind their first address, so that is read once."""

    def __init__(self, row: Type, frame: Frame, options_matter: bool = True) -> None:
        self.row = row
        self.frame = frame
        self._options_matter = options_matter
        self._tails: Dict[str, Optional[_Tail]] = {}
        self._canonical = canonical_entry(row.parts, frame)
        simple = row.parts[0] in ("ip", "net") and not frame.netmask and not frame.bitmask
        self._simple = ADDRESS_FAMILY[frame.family] if simple else None
        self._stand_in = _STAND_IN[frame.family] if simple else ""

    def read(
        self, texts: Sequence[str], known: Mapping[str, Options] = MappingProxyType({}), parameter: str = "entries"
    ) -> Dict[str, Options]:
        """Key to options of all ``texts``, in their order. Raises ``BadInput`` naming the one at fault.

        ``known`` are keys in canonical form, which need no reading.
        """
        if self._canonical and all(map(self._canonical.fullmatch, set(texts) - known.keys())):
            return dict.fromkeys(texts, PLAIN)
        result: Dict[str, Options] = {}
        for place, text in enumerate(texts):
            if text in known:
                keys: Sequence[str] = (text,)
                options = PLAIN
            else:
                keys, options = self._quickly(text) or self._slowly(texts, place, parameter)
            for key in keys:
                if result.setdefault(key, options) is not options:
                    self._same(key, result[key], options, texts, place, parameter)
        return result

    def _quickly(self, text: str) -> Optional[Tuple[Sequence[str], Options]]:
        """The one entry that ``text`` stands for, when only its first address is new; None when there is more to it."""
        family = self._simple
        if family is None:
            return None
        first = text.partition("/")[0].partition(",")[0]
        rest = text[len(first) :]
        tail = self._tails[rest] if rest in self._tails else self._learn(rest)
        if tail is None:
            return None
        try:
            packed = socket.inet_pton(family, first)
        except (OSError, ValueError):
            return None
        canonical, options, forbidden = tail
        if not any(packed) or forbidden and int.from_bytes(packed, "big") & forbidden:
            return None
        return (socket.inet_ntop(family, packed) + canonical,), options

    def _learn(self, rest: str) -> Optional[_Tail]:
        """What ``rest`` means behind any first address; None when that cannot be said of all alike."""
        stand_in = self._stand_in
        tail: Optional[_Tail] = None
        try:
            keys, options = read_one(stand_in + rest, self.row, self.frame)
        except Wrong:
            keys, options = [], PLAIN
        if len(keys) == 1 and keys[0].startswith(stand_in):
            bits = HOST_BITS[self.frame.family]
            canonical = keys[0][len(stand_in) :]
            length = canonical.partition(",")[0][1:] if canonical.startswith("/") else ""
            tail = (canonical, options or PLAIN, (1 << bits - int(length)) - 1 if length else 0)
        if len(self._tails) >= _CACHE_SIZE:
            self._tails.clear()
        self._tails[rest] = tail
        return tail

    def _slowly(self, texts: Sequence[str], place: int, parameter: str) -> Tuple[Sequence[str], Options]:
        try:
            return read_one(texts[place], self.row, self.frame)
        except Wrong as wrong:
            raise BadInput("%s[%d]" % (parameter, place), texts[place], str(wrong)) from None

    def _same(
        self, key: str, before: Options, options: Options, texts: Sequence[str], place: int, parameter: str
    ) -> None:
        """Two texts may name one entry, unless they say different things about it."""
        if before == options or not self._options_matter:
            return
        earlier = next(other for other in range(place) if key in read_one(texts[other], self.row, self.frame)[0])
        raise BadInput(
            "%s[%d]" % (parameter, place),
            texts[place],
            "%s[%d] is the same entry (%s) with other options" % (parameter, earlier, key),
        )


def settled(have: Options, stated: Options) -> bool:
    """Whether an entry that the kernel has with ``have`` is what was declared with ``stated``.

    What was not stated is left as it is, except the flags, whose absence says something. A timeout runs: an entry
    with time left, at most the stated one, is settled; 0 stands for ever. Counters count.
    """
    if have == stated:
        return True
    present, wanted = dict(have), dict(stated)
    for name in FLAGS:
        if present.get(name, False) != wanted.pop(name, False):
            return False
    for name, value in wanted.items():
        if name in COUNTED or name in PLACES:
            continue
        there = present.get(name, NOTHING.get(name))
        if name == "timeout":
            if not isinstance(there, int) or not isinstance(value, int) or bool(there) != bool(value) or there > value:
                return False
        elif there != value:
            return False
    return True


def uncounted(options: Options) -> Options:
    """What was declared of an entry: its counters are what became of it."""
    return tuple((name, value) for name, value in options if name not in COUNTED)


def lasting(options: Options) -> Options:
    """What the kernel lists of ``options``."""
    return tuple(pair for pair in options if pair[1] != NOTHING.get(pair[0]))


def merged(have: Options, stated: Options) -> Options:
    """The options after adding ``stated`` to an entry that has ``have``: what is not stated stays."""
    kept = {name: value for name, value in have if name not in FLAGS}
    kept.update(stated)
    return lasting(ordered(kept))
