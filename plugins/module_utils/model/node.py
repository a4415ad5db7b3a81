# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node made ready, as values: kernel modules loaded, sysctls set, and what was there before written down.

The ledger is what the host remembers of us: each sysctl's value from before our first change, who wants which value
of it, and the records of what each owner built. An owner takes back its own; what another wants stays.
"""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Mapping, Optional, Sequence

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State

ORDER = ("module", "ledger", "sysctl")
LEDGER = ("ledger", "")
# The key of a record that may change without what is built being another.
EXPECTS = "expects"

_MODULE_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
_OWNER_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
_SYSCTL_NAME = re.compile(r"[A-Za-z0-9_-]+([./][A-Za-z0-9_@:-]+)+\Z")


@dataclass(frozen=True)
class Share:
    """What one owner has in the ledger. ``sysctls``: the value that it wants; ``records``: JSON texts, oldest first."""

    sysctls: Mapping[str, str] = field(default_factory=dict, hash=False)
    records: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sysctls or self.records)


@dataclass(frozen=True)
class Ledger:
    """``before``: each sysctl's value before our first change; ``shares``: what each owner has, by its name."""

    before: Mapping[str, Optional[str]] = field(default_factory=dict, hash=False)
    shares: Mapping[str, Share] = field(default_factory=dict, hash=False)

    def __bool__(self) -> bool:
        return bool(self.shares)

    def share(self, owner: str) -> Share:
        return self.shares.get(owner, Share())

    def wanted(self, name: str) -> dict[str, str]:
        """The owners that want a value of the sysctl ``name``, and which."""
        return {owner: share.sysctls[name] for owner, share in self.shares.items() if name in share.sysctls}

    def with_share(self, owner: str, share: Share) -> Ledger:
        """The ledger with ``share`` in place of the owner's own; what nobody wants any more is forgotten."""
        shares = {**self.shares, owner: share}
        after = Ledger(self.before, {name: shares[name] for name in sorted(shares) if shares[name]})
        return replace(after, before={name: value for name, value in self.before.items() if after.wanted(name)})


@dataclass(frozen=True)
class Node:
    """What the options ask for, and what must be true of the host before anything is changed."""

    owner: str
    kernel_modules: tuple[str, ...]
    sysctls: Mapping[str, str]
    holds: tuple[str, ...]
    reaches: tuple[str, ...]
    free: tuple[str, ...]
    tools: tuple[str, ...]
    record: Optional[str]
    forget_others: bool


def parse(params: Mapping[str, Any]) -> Node:
    for place, name in enumerate(params["kernel_modules"]):
        if not _MODULE_NAME.match(name):
            raise BadInput("kernel_modules[%d]" % place, name, "give a kernel module's name, such as ip_vs")
    if not _OWNER_NAME.match(params["owner"]):
        raise BadInput("owner", params["owner"], "give letters, digits, '_' and '-', such as node")
    for option in ("holds", "reaches", "free"):
        for place, address in enumerate(params[option]):
            check_address("%s[%d]" % (option, place), address)
    return Node(
        owner=params["owner"],
        kernel_modules=tuple(params["kernel_modules"]),
        sysctls={name: _sysctl(name, value) for name, value in params["sysctls"].items()},
        holds=tuple(params["holds"]),
        reaches=tuple(params["reaches"]),
        free=tuple(params["free"]),
        tools=tuple(params["tools"]),
        record=json.dumps(params["record"], sort_keys=True) if params["record"] else None,
        forget_others=params["forget_others"],
    )


def _sysctl(name: str, value: object) -> str:
    """The value as /proc shows it: what YAML reads as true is 1 there."""
    if not _SYSCTL_NAME.match(name) or ".." in name:
        raise BadInput("sysctls", name, "give a sysctl's dotted name, such as net.ipv4.ip_forward")
    if not isinstance(value, (bool, int, str)):
        raise BadInput("sysctls.%s" % name, value, "give a number, or a text for several")
    return " ".join(str(int(value) if isinstance(value, bool) else value).split())


def check_address(parameter: str, address: str) -> None:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise BadInput(parameter, address, "give an IPv4 or IPv6 address, without a prefix length") from None


def ledger_of(state: State) -> Ledger:
    ledger: Ledger = state.get(LEDGER, Ledger())
    return ledger


def prepared(node: Node, have: State) -> dict[Any, Any]:
    """The state of a node made ready: ``have`` with what the options ask for added to it."""
    want = dict(have)
    want.update({("module", name): True for name in node.kernel_modules})
    want.update({("sysctl", name): value for name, value in node.sysctls.items()})
    ledger = ledger_of(have)
    before = dict(ledger.before)
    for name, value in node.sysctls.items():
        now = have.get(("sysctl", name))
        if now != value:
            before.setdefault(name, now)
    share = ledger.share(node.owner)
    ours = {**share.sysctls, **{name: value for name, value in node.sysctls.items() if name in before}}
    others = [] if node.forget_others else stale(node, have)
    records = [*others, node.record] if node.record else others
    return _with_ledger(want, replace(ledger, before=before).with_share(node.owner, Share(ours, tuple(records))))


def restored(owner: str, have: State) -> dict[Any, Any]:
    """The state without what ``owner`` asked for: each sysctl as another owner wants it, or as it was before all of us.

    A sysctl that is gone, with its interface or its module, is only forgotten. Modules stay, others may use them.
    """
    want = dict(have)
    ledger = ledger_of(have)
    after = ledger.with_share(owner, Share())
    for name in ledger.share(owner).sysctls:
        values = [*after.wanted(name).values(), ledger.before.get(name)]
        if ("sysctl", name) in have and values[0] is not None:
            want[("sysctl", name)] = values[0]
    return _with_ledger(want, after)


def stale(node: Node, have: State) -> list[str]:
    """The owner's records that are not the node's own."""
    records = ledger_of(have).share(node.owner).records
    return [text for text in records if node.record is None or _essence(text) != _essence(node.record)]


def is_noted(node: Node, have: State) -> bool:
    """Whether the host knows of the record already; a node without one has nothing to note."""
    records = ledger_of(have).share(node.owner).records
    return node.record is None or _essence(node.record) in map(_essence, records)


def _essence(record: str) -> Any:
    """A record without what it says of its own looks: with another of these it is still the same record."""
    return {key: value for key, value in json.loads(record).items() if key != EXPECTS}


def _with_ledger(state: dict[Any, Any], ledger: Ledger) -> dict[Any, Any]:
    if ledger:
        state[LEDGER] = ledger
    else:
        state.pop(LEDGER, None)
    return state


_COMMANDS: dict[str, Callable[[Change], list[str]]] = {
    "module": lambda change: ["modprobe %s" % change.key],
    "sysctl": lambda change: ["sysctl -w %s='%s'" % (change.key, change.after)],
    "ledger": lambda change: [],
}


def commands(changes: Sequence[Change]) -> list[str]:
    return [line for change in changes if not change.removes for line in _COMMANDS[change.kind](change)]


def listing(state: State) -> str:
    """Modules and sysctls a line each, as ``lsmod`` and ``sysctl`` name them, then the records.

    A sysctl that several owners want names them: what is taken back of it, and what is not, is told by that.
    """
    ledger = ledger_of(state)
    lines = ["module %s" % key for kind, key in state if kind == "module"]
    for (kind, name), value in state.items():
        if kind == "sysctl":
            owners = list(ledger.wanted(str(name)))
            lines.append("%s = %s%s" % (name, value, "  # for " + ", ".join(owners) if len(owners) > 1 else ""))
    lines += ["record %s" % text for share in ledger.shares.values() for text in share.records]
    return "".join("%s\n" % line for line in sorted(lines))


def to_json(ledger: Ledger) -> str:
    owners = {
        owner: {"sysctls": dict(share.sysctls), "records": [json.loads(text) for text in share.records]}
        for owner, share in ledger.shares.items()
    }
    return json.dumps({"before": dict(ledger.before), "owners": owners}, indent=1, sort_keys=True) + "\n"


def from_json(text: str) -> Ledger:
    """The ledger in ``text``; raises ``ValueError`` for anything else."""
    try:
        found = json.loads(text)
        shares = {owner: _share(share) for owner, share in sorted(found["owners"].items())}
        return Ledger(dict(found["before"].items()), shares)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a ledger: %s" % error) from error


def _share(found: Mapping[str, Any]) -> Share:
    records = tuple(json.dumps(record, sort_keys=True) for record in found["records"])
    return Share(dict(found["sysctls"].items()), records)
