# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""One iptables rule: its words, and what they mean. Pure.

What is typed is not what ``iptables-save`` prints back (``/32``, ``--set-mark``, quotes, ``-m tcp``), and two versions
of it differ. So rules are compared by meaning, never by text; the text is kept as it was, to be printed.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from typing import Callable, Dict, FrozenSet, Iterator, List, Optional, Sequence, Tuple

Words = Tuple[str, ...]

GENERAL = ""
_LONG = {
    "--match": "-m",
    "--jump": "-j",
    "--goto": "-g",
    "--source": "-s",
    "--src": "-s",
    "--destination": "-d",
    "--dst": "-d",
    "--protocol": "-p",
    "--proto": "-p",
    "--in-interface": "-i",
    "--out-interface": "-o",
    "--fragment": "-f",
}
# Options whose values may look like options; all others take the words up to the next one that starts with "-".
_VALUES = {"--comment": 1, "--match-set": 2, "-m": 1, "-j": 1, "-g": 1, "--log-prefix": 1}
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp", "132": "sctp", "icmpv6": "ipv6-icmp"}
PROTOCOL_NUMBERS = {"tcp": "6", "udp": "17", "sctp": "132"}
_OWN_MATCH = frozenset({"tcp", "udp", "sctp", "icmp", "ipv6-icmp"})
_ALL_BITS = 0xFFFFFFFF
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_ESCAPED = re.compile(r"\\(.)")
_BARE = re.compile(r"[A-Za-z0-9_./:,@%+=^-]+\Z")
_BARE_COMMENT = re.compile(r"[A-Za-z0-9_-]+\Z")
_PLAIN_IN_DOUBLE_QUOTES = re.compile(r'[^$`"\\!]*\Z')


def split(text: str) -> Words:
    """The words of a line that ``iptables-save`` printed."""
    return tuple(
        found.group(2) if found.group(1) is None else _ESCAPED.sub(r"\1", found.group(1))
        for found in _TOKEN.finditer(text)
    )


def saved_word(word: str, before: str = "") -> str:
    """``word`` as ``iptables-save`` prints it and ``iptables-restore`` reads it; ``before`` is the word before it."""
    bare = _BARE_COMMENT if before == "--comment" else _BARE
    if bare.match(word) or word == "!":
        return word
    return '"%s"' % re.sub(r"([\"\\'])", r"\\\1", word)


def saved(words: Sequence[str]) -> str:
    return " ".join(saved_word(word, before) for word, before in zip(words, ("", *words)))


def typed(words: Sequence[str]) -> str:
    """``words`` as one types them into a shell."""
    return " ".join(_typed_word(word) for word in words)


def _typed_word(word: str) -> str:
    if _BARE.match(word) or word == "!":
        return word
    return '"%s"' % word if word and _PLAIN_IN_DOUBLE_QUOTES.match(word) else shlex.quote(word)


# Meaning

Option = Tuple[bool, str, Words]  # negated, its name, its values
Options = FrozenSet[Option]
# The general options, those of each match, the jump with its target, the target's options.
Meaning = Tuple[Options, Tuple[Tuple[str, Options], ...], Tuple[str, str], Options]


def _options(words: Sequence[str]) -> Iterator[Option]:
    place = 0
    negated = False
    while place < len(words):
        word = _LONG.get(words[place], words[place])
        place += 1
        if word == "!":
            negated = True
            continue
        end = place + _VALUES.get(word, 0)
        if word not in _VALUES:
            while end < len(words) and words[end] != "!" and not words[end].startswith("-"):
                end += 1
        yield negated, word, tuple(words[place:end])
        negated, place = False, end


def _network(values: Words) -> Words:
    try:
        return (str(ipaddress.ip_network(values[0], strict=False)),)
    except (ValueError, IndexError):
        return values


def _host_or_network(values: Words) -> Words:
    """The ipvs match prints a host's address without a prefix length."""
    address, _slash, length = _network(values)[0].partition("/")
    return (address,) if length == ("128" if ":" in address else "32") else (address + "/" + length,)


def _number(text: str) -> int:
    return int(text, 16 if text.lower().startswith("0x") else 10)


def _masked(values: Words) -> Tuple[int, int]:
    value, _slash, mask = values[0].partition("/")
    return _number(value), _number(mask) if mask else _ALL_BITS


def _hex(value: int, mask: int) -> Words:
    return ("0x%x" % value if mask == _ALL_BITS else "0x%x/0x%x" % (value, mask),)


def _mark(values: Words) -> Words:
    return _hex(*_masked(values))


def _xmark(values: Words) -> Words:
    return ("0x%x/0x%x" % _masked(values),)


def _set_mark(values: Words) -> Words:
    value, mask = _masked(values)
    return ("0x%x/0x%x" % (value, mask | value),)


def _sorted_list(values: Words) -> Words:
    return (",".join(sorted(values[0].split(","))),)


def _protocol(values: Words) -> Words:
    return (_PROTOCOLS.get(values[0].lower(), values[0].lower()),)


def _protocol_number(values: Words) -> Words:
    return (PROTOCOL_NUMBERS.get(values[0].lower(), values[0]),)


# (match or target, option as typed) -> (option as printed, what becomes of its values)
_PRINTED: Dict[Tuple[str, str], Tuple[str, Callable[[Words], Words]]] = {
    (GENERAL, "-s"): ("-s", _network),
    (GENERAL, "-d"): ("-d", _network),
    (GENERAL, "-p"): ("-p", _protocol),
    ("mark", "--mark"): ("--mark", _mark),
    ("conntrack", "--ctstate"): ("--ctstate", _sorted_list),
    ("ipvs", "--vaddr"): ("--vaddr", _host_or_network),
    ("ipvs", "--vproto"): ("--vproto", _protocol_number),
    ("MARK", "--set-xmark"): ("--set-xmark", _xmark),
    ("MARK", "--set-mark"): ("--set-xmark", _set_mark),
    ("MARK", "--or-mark"): ("--set-xmark", lambda v: ("0x%x/0x%x" % (_number(v[0]), _number(v[0])),)),
    ("MARK", "--and-mark"): ("--set-xmark", lambda v: ("0x0/0x%x" % (~_number(v[0]) & _ALL_BITS),)),
    ("MARK", "--xor-mark"): ("--set-xmark", lambda v: ("0x%x/0x0" % _number(v[0]),)),
}
# What a target does when nothing is said, which some versions print and some do not.
_IMPLIED = {
    "REJECT": {("--reject-with", ("icmp-port-unreachable",)), ("--reject-with", ("icmp6-port-unreachable",))},
}
_EVERYWHERE = {("-s", ("0.0.0.0/0",)), ("-d", ("0.0.0.0/0",)), ("-s", ("::/0",)), ("-d", ("::/0",)), ("-p", ("all",))}


def _printed(group: str, name: str, values: Words) -> Tuple[str, Words]:
    known = _PRINTED.get((group, name))
    if known is None:
        return name, values
    try:
        return known[0], known[1](values)
    except (ValueError, IndexError):  # not ours to judge: kept as it is
        return name, values


def meaning(words: Sequence[str]) -> Meaning:
    """A value that two rules share exactly when a packet cannot tell them apart, as far as this knows the options."""
    general: List[Option] = []
    matches: List[Tuple[str, List[Option]]] = []
    target: Tuple[str, str, List[Option]] = ("", "", [])
    current, options = GENERAL, general
    for negated, name, values in _options(words):
        if name == "-m":
            current, options = " ".join(values), []
            matches.append((current, options))
        elif name in ("-j", "-g"):
            current, options = " ".join(values), []
            target = (name, current, options)
        else:
            if current == GENERAL and name.startswith("--"):
                current, options = _by_protocol(general), []
                matches.append((current, options))
            options.append((negated, *_printed(current, name, values)))
    plain = frozenset(option for option in general if option[0] or option[1:] not in _EVERYWHERE)
    said = sorted((name, frozenset(found)) for name, found in matches if found or name not in _OWN_MATCH)
    implied = _IMPLIED.get(target[1], set())
    done = frozenset(option for option in target[2] if option[1:] not in implied)
    return plain, tuple(sorted(said, key=lambda match: (match[0], sorted(map(repr, match[1]))))), target[:2], done


def _by_protocol(general: List[Option]) -> str:
    """``-p tcp --dport 80`` loads the match ``tcp`` by itself."""
    return next((values[0] for _negated, name, values in general if name == "-p" and values), GENERAL)


@dataclass(frozen=True, eq=False)
class Rule:
    """A rule without its chain: equal to another when the meaning is; ``words`` are as typed or printed.

    The meaning is found when it is asked for: of the thousands of rules that others may have, it never is.
    """

    words: Words

    @cached_property
    def meaning(self) -> Meaning:
        return meaning(self.words)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rule):
            return NotImplemented
        return self.words == other.words or self.meaning == other.meaning

    def __hash__(self) -> int:
        return hash(self.meaning)

    @property
    def target(self) -> Optional[str]:
        """The chain or target that this jumps to."""
        return self.meaning[2][1] or None

    @property
    def is_bare(self) -> bool:
        """Whether every packet meets it: it has no condition, and jumps or has a target."""
        general, matches, (verb, _name), _options = self.meaning
        return verb == "-j" and not general and all(name == "comment" for name, _said in matches)

    def __str__(self) -> str:
        return saved(printed(self.words))


def printed(words: Sequence[str]) -> Words:
    """``words`` as ``iptables-save`` prints them, in the order given."""
    result: List[str] = []
    current = GENERAL
    for negated, name, values in _options(words):
        shown = _printed(current, name, values)
        if name in ("-m", "-j", "-g"):
            current = " ".join(values)
        result += ["!"] * negated + [shown[0], *shown[1]]
    return tuple(result)


def rule(*words: str) -> Rule:
    return Rule(words)
