# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chains of iptables as a state, and the lines that change them. Pure; knows nothing of what the chains are for.

======= ============================ =======================================================================
kind    key                          value
======= ============================ =======================================================================
chain   (family, table, name)        tuple of its rules: a chain of ours
hook    (family, table, builtin)     tuple of Place: all its rules, ours and others', in order; never absent
policy  (family, builtin)            policy of a builtin chain of the filter table: told, never changed
users   (family, table, name)        rules in others' chains that jump to ours: told, never changed
======= ============================ =======================================================================

A hook's two values of one change hold the same rules of others in the same order; only ours come, go and move.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError, Unsupported
from ansible_collections.lulab.lvs.plugins.module_utils.model.rules import Rule, Words, saved, split, typed
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State

IPV4 = "ipv4"
IPV6 = "ipv6"
FAMILIES = (IPV4, IPV6)
TABLES = ("nat", "filter")
ORDER = ("policy", "users", "chain", "hook")
BUILTINS = {"nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), "filter": ("INPUT", "FORWARD", "OUTPUT")}
PROGRAM = {IPV4: "iptables", IPV6: "ip6tables"}

# How long to wait for the lock that all users of legacy iptables share; the nft variant has none.
LOCK_SECONDS = 60

Rules = Tuple[Rule, ...]


@dataclass(frozen=True)
class Place:
    """A rule in a builtin chain, and whether it is ours to move.

    ``leads``: others' rule among those at the chain's start that do no more than jump to a chain of theirs.
    ``head``: ours, to be put before all others' rules wherever those are.
    """

    rule: Rule
    ours: bool
    leads: bool = field(default=False, compare=False)
    head: bool = field(default=False, compare=False)


Hook = Tuple[Place, ...]
Own = Callable[[str, Rule], bool]  # (table, rule in a builtin chain) -> is it ours


# Reading


@dataclass(frozen=True)
class Table:
    """One table of an ``iptables-save``: chains with their policies ("-" for no builtin), and its ``-A`` lines."""

    policies: Dict[str, str]
    lines: Dict[str, List[str]]

    def rules(self, chain: str) -> Rules:
        return tuple(Rule(split(line)) for line in self.lines.get(chain, ()))


_HIDDEN = re.compile(r"# Table `(\S+)' is incompatible")
_ESCAPE = re.compile(r"\\.", re.S)


def parse_save(text: str) -> Dict[str, Table]:
    """The nat and filter tables that ``iptables-save`` printed; raises ``LvsError`` for what it would not print."""
    tables: Dict[str, Table] = {}
    name = current = None
    for line in _lines(text):
        if not line or line.startswith("#"):
            _refuse_hidden(line)
        elif name is None and line.startswith("*"):
            name = line[1:].strip()
            current = tables.setdefault(name, Table({}, {})) if name in TABLES else None
        elif name is not None and line == "COMMIT":
            name = current = None
        elif current is not None:
            _read_line(current, line)
        elif name is None:
            raise LvsError("iptables-save printed a line that cannot be read: %r" % line)
    if name is not None:
        raise LvsError("the listing of iptables-save ended early: its last table has no COMMIT")
    return tables


def _lines(text: str) -> Iterator[str]:
    """The lines of a listing; a comment may hold the end of a line, and what else splitlines() takes for one."""
    begun = ""
    for line in text.split("\n"):
        line = begun + line
        begun = line + "\n" if _ESCAPE.sub("", line).count('"') % 2 else ""
        if not begun:
            yield line
    if begun:
        raise LvsError("the listing of iptables-save ended early: a quoted text has no end")


def _refuse_hidden(line: str) -> None:
    """iptables of nf_tables prints a remark in place of a table whose rules it cannot put into its own words."""
    hidden = _HIDDEN.match(line)
    if hidden and hidden.group(1) in TABLES:
        words = "table %s holds rules that iptables cannot show, made by another tool ('nft list ruleset' shows them), "
        remedy = "so that nobody can say what stands there: move those rules to a table of another name, then try again"
        raise Unsupported(words % hidden.group(1) + remedy)


def _read_line(table: Table, line: str) -> None:
    if line.startswith(":") and len(line.split()) >= 2:
        name, policy = line[1:].split()[:2]
        table.policies[name] = policy
    elif line.startswith("-A "):
        name, _blank, rest = line[3:].partition(" ")
        if name not in table.policies:
            raise LvsError("iptables-save lists a rule of %s, a chain that it does not list: %r" % (name, line))
        table.lines.setdefault(name, []).append(rest)
    else:
        raise LvsError("iptables-save printed a line that cannot be read: %r" % line)


def state_of(
    tables: Mapping[str, Table],
    family: str,
    own_chains: Mapping[str, Sequence[str]],
    hooks: Iterable[Tuple[str, str]],
    own: Own,
) -> Dict[Tuple[str, Tuple[str, ...]], object]:
    """What ``tables`` hold of ours: ``own_chains`` by table, ``hooks``, and every other hook with a rule of ours."""
    state: Dict[Tuple[str, Tuple[str, ...]], object] = {}
    wanted = set(hooks)
    for table in TABLES:
        there = tables.get(table, Table({}, {}))
        names = [name for name in own_chains.get(table, ()) if name in there.policies]
        for name in names:
            state[("chain", (family, table, name))] = there.rules(name)
        for builtin in BUILTINS[table]:
            hook = _hook_of(there, table, builtin, own)
            if (table, builtin) in wanted or any(place.ours for place in hook):
                state[("hook", (family, table, builtin))] = hook
        state.update(_users(there, family, table, names, own_chains.get(table, ())))
    for builtin in BUILTINS["filter"] if "filter" in tables else ():
        policy = tables["filter"].policies.get(builtin)
        if policy:
            state[("policy", (family, builtin))] = policy
    return state


def _hook_of(there: Table, table: str, builtin: str, own: Own) -> Hook:
    places = []
    leads = True
    for rule in there.rules(builtin):
        ours = own(table, rule)
        leads = leads and (ours or (rule.is_bare and rule.target in there.policies))
        places.append(Place(rule, ours, leads=leads and not ours))
    return tuple(places)


def _users(
    table: Table, family: str, name: str, chains: Sequence[str], own: Sequence[str]
) -> Iterator[Tuple[Tuple[str, Tuple[str, ...]], object]]:
    lines = [
        (chain, line)
        for chain, found in table.lines.items()
        if chain not in BUILTINS[name] and chain not in own
        for line in found
    ]
    for chain in chains:
        users = tuple("-A %s %s" % (user, line) for user, line in lines if chain in line and _jumps(line, chain))
        if users:
            yield ("users", (family, name, chain)), users


def _jumps(line: str, chain: str) -> bool:
    return Rule(split(line)).target == chain


# Changing


@dataclass(frozen=True)
class Step:
    """One line of a transaction: what is done to which chain. ``words`` are those after the chain's name."""

    verb: str
    chain: str
    words: Words = ()

    def all_words(self) -> Words:
        return (self.verb, self.chain, *self.words)


def hook_steps(chain: str, before: Hook, after: Hook) -> List[Step]:
    """The lines that turn a builtin chain from ``before`` to ``after``: none of them touches a rule of others.

    A rule is deleted by what it says, never by its number, as others may change the chain at the same moment. That
    deletes the first of equal ones, so of equal rules the last are kept where that gives the right order.
    """
    steps = _steps(chain, before, after, _settled(before, after))
    if simulated(before, steps) != ours(after):
        steps = _steps(chain, before, after, Counter())
    return steps


def _gaps(hook: Hook) -> Dict[Rule, List[int]]:
    """For each rule of ours the places where it stands, counted in rules of others before it."""
    gaps: Dict[Rule, List[int]] = {}
    others = 0
    for place in hook:
        if place.ours:
            gaps.setdefault(place.rule, []).append(others)
        else:
            others += 1
    return gaps


def _settled(before: Hook, after: Hook) -> Counter[Rule]:
    """How many of each rule of ours may stay, counted from the end."""
    old, new = _gaps(before), _gaps(after)
    return Counter({rule: _common_end(places, new.get(rule, [])) for rule, places in old.items()})


def _common_end(one: Sequence[int], other: Sequence[int]) -> int:
    pairs = zip(reversed(one), reversed(other))
    return next((count for count, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _steps(chain: str, before: Hook, after: Hook, settled: Counter[Rule]) -> List[Step]:
    surplus = Counter(place.rule for place in before if place.ours)
    missing = Counter(place.rule for place in after if place.ours)
    surplus.subtract(settled)
    missing.subtract(settled)
    steps = []
    length = len(before)
    for place in before:
        if place.ours and surplus[place.rule] > 0:
            surplus[place.rule] -= 1
            length -= 1
            steps.append(Step("-D", chain, place.rule.words))
    for number, place in enumerate(after, 1):
        if place.ours and missing[place.rule] > 0:
            missing[place.rule] -= 1
            # A script of the boot finds others' rules where none were when it was written.
            append = length < number and not place.head
            length += 1
            steps.append(Step("-A" if append else "-I", chain, (() if append else (str(number),)) + place.rule.words))
    return steps


def ours(hook: Hook) -> List[Optional[Rule]]:
    """The rules of a builtin chain in order, None for each of others."""
    return [place.rule if place.ours else None for place in hook]


def simulated(before: Hook, steps: Iterable[Step]) -> List[Optional[Rule]]:
    """What ``ours`` gives after ``steps``, as the kernel would have it."""
    rules = ours(before)
    for step in steps:
        if step.verb == "-D":
            rules.remove(Rule(step.words))
        elif step.verb == "-I":
            rules.insert(int(step.words[0]) - 1, Rule(step.words[1:]))
        else:
            rules.append(Rule(step.words))
    return rules


# The order in which lines can be carried out one by one: a chain is there before it is jumped to, filled before it is
# hooked in, and unused before it is deleted.
_PHASES = ("-N", "-D", "-F", "-A", "hook", "-X")


def transactions(changes: Sequence[Change]) -> Dict[Tuple[str, str], List[Step]]:
    """Per (family, table) the lines that carry its ``changes`` out."""
    result: Dict[Tuple[str, str], List[Step]] = {}
    for family in FAMILIES:
        for table in TABLES:
            own = [change for change in changes if change.kind in _STEPS and tuple(change.key)[:2] == (family, table)]  # type: ignore[arg-type]
            phased = [item for change in own for item in _STEPS[change.kind](change)]
            if phased:
                phased.sort(key=lambda item: _PHASES.index(item[0]))
                result[(family, table)] = [step for _phase, step in phased]
    return result


def _chain(change: Change) -> Iterator[Tuple[str, Step]]:
    name = change.key[2]  # type: ignore[index]
    yield ("-N", Step("-N", name)) if change.creates else ("-F", Step("-F", name))
    for rule in change.after or ():
        yield "-A", Step("-A", name, rule.words)
    if change.removes:
        yield "-X", Step("-X", name)


def _hook(change: Change) -> Iterator[Tuple[str, Step]]:
    for step in hook_steps(change.key[2], change.before, change.after):  # type: ignore[index]
        yield ("-D" if step.verb == "-D" else "hook"), step


_STEPS: Dict[str, Callable[[Change], Iterator[Tuple[str, Step]]]] = {"chain": _chain, "hook": _hook}


def restore_text(table: str, steps: Sequence[Step]) -> str:
    """One transaction for ``iptables-restore --noflush``.

    ``:CHAIN`` makes a chain or empties it, whichever it takes, so that a chain that came or went meanwhile is no error.
    """
    declared = [":%s - [0:0]" % step.chain for step in steps if step.verb in ("-N", "-F")]
    lines = [saved(step.all_words()) for step in steps if step.verb not in ("-N", "-F")]
    return "\n".join(["*" + table, *declared, *lines, "COMMIT", ""])


def commands(changes: Sequence[Change], suffix: str = "") -> List[str]:
    """What one would have typed; ``suffix`` names the variant, as in ``iptables-legacy``."""
    return [
        "%s%s -t %s %s" % (PROGRAM[family], suffix, table, typed(step.all_words()))
        for (family, table), steps in transactions(changes).items()
        for step in steps
    ]


def boot_lines(changes: Sequence[Change], suffix: str = "") -> List[str]:
    """Commands that build what ``changes`` create on top of any rules of others, and of what an earlier run built."""
    lines = []
    for (family, table), steps in transactions(changes).items():
        front = "%s%s -w %d -t %s " % (PROGRAM[family], suffix, LOCK_SECONDS, table)
        for step in steps:
            verb = "jump" if step.verb == "-A" and step.chain in BUILTINS[table] else step.verb
            lines += [
                front + line.format(chain=step.chain, all=typed(step.words), rule=typed(step.words[1:]), front=front)
                for line in _BOOT[verb]
            ]
    return lines


# What a step is in a script of the boot; ``rule`` is what follows the number of an insertion.
_BOOT = {
    "-N": ("-N {chain} 2>/dev/null || {front}-F {chain}",),
    "-A": ("-A {chain} {all}",),
    "jump": ("-C {chain} {all} 2>/dev/null || {front}-A {chain} {all}",),
    "-I": ("-D {chain} {rule} 2>/dev/null || true", "-I {chain} {all}"),
}


def listing(state: State) -> str:
    """Our lines as ``iptables-save`` prints them; others' rules before ours are counted, so that a move is seen."""
    lines: List[str] = []
    for family in FAMILIES:
        for table in TABLES:
            found = [*_chain_lines(state, family, table), *_rule_lines(state, family, table)]
            if found:
                lines += ["# ip6tables"] * (family == IPV6) + ["*" + table, *found, "COMMIT"]
    return "".join(line + "\n" for line in lines)


def _names(state: State, family: str, table: str) -> List[str]:
    return sorted(key[2] for kind, key in state if kind == "chain" and key[:2] == (family, table))  # type: ignore[index]


def _chain_lines(state: State, family: str, table: str) -> List[str]:
    return [":%s - [0:0]" % name for name in _names(state, family, table)]


def _rule_lines(state: State, family: str, table: str) -> List[str]:
    lines = []
    for builtin in BUILTINS[table]:
        others = 0
        for place in state.get(("hook", (family, table, builtin)), ()):
            if not place.ours:
                others += 1
                continue
            lines += ["# %d of others in %s" % (others, builtin)] * bool(others)
            lines.append("-A %s %s" % (builtin, place.rule))
            others = 0
    for name in _names(state, family, table):
        lines += ["-A %s %s" % (name, rule) for rule in state[("chain", (family, table, name))]]
    return lines
