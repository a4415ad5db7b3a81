# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node made ready, as values: kernel modules loaded, sysctls set, and what was there before written down.

The ledger is what the host remembers of us: each sysctl's value from before our first change,
and the records of the experiments whose objects stand on it.
"""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Optional, Sequence

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, State

ORDER = ("module", "ledger", "sysctl")
LEDGER = ("ledger", "")

_MODULE_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
_SYSCTL_NAME = re.compile(r"[A-Za-z0-9_-]+([./][A-Za-z0-9_@:-]+)+\Z")


@dataclass(frozen=True)
class Ledger:
    """``sysctls``: (name, value before our first change) pairs; ``records``: JSON texts, oldest first."""

    sysctls: tuple[tuple[str, Optional[str]], ...] = ()
    records: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sysctls or self.records)


@dataclass(frozen=True)
class Node:
    """What the options ask for, and what must be true of the host before anything is changed."""

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
    for name in params["sysctls"]:
        if not _SYSCTL_NAME.match(name) or ".." in name:
            raise BadInput("sysctls", name, "give a sysctl's dotted name, such as net.ipv4.ip_forward")
    for option in ("holds", "reaches", "free"):
        for place, address in enumerate(params[option]):
            check_address("%s[%d]" % (option, place), address)
    return Node(
        kernel_modules=tuple(params["kernel_modules"]),
        sysctls={name: " ".join(str(value).split()) for name, value in params["sysctls"].items()},
        holds=tuple(params["holds"]),
        reaches=tuple(params["reaches"]),
        free=tuple(params["free"]),
        tools=tuple(params["tools"]),
        record=json.dumps(params["record"], sort_keys=True) if params["record"] else None,
        forget_others=params["forget_others"],
    )


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
    before = dict(ledger.sysctls)
    for name, value in node.sysctls.items():
        now = have.get(("sysctl", name))
        if name not in before and now != value:
            before[name] = now
    records = [text for text in ledger.records if not (node.forget_others and text != node.record)]
    if node.record and node.record not in records:
        records.append(node.record)
    return _with_ledger(want, Ledger(tuple(sorted(before.items())), tuple(records)))


def restored(have: State) -> dict[Any, Any]:
    """The state before our first change, as far as the ledger knows it; modules stay, others may use them."""
    want = dict(have)
    want.update({("sysctl", name): value for name, value in ledger_of(have).sysctls if value is not None})
    return _with_ledger(want, Ledger())


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
    """Modules and sysctls a line each, as ``lsmod`` and ``sysctl`` name them, then the records."""
    lines = ["module %s" % key for kind, key in state if kind == "module"]
    lines += ["%s = %s" % (key, value) for (kind, key), value in state.items() if kind == "sysctl"]
    lines += ["record %s" % text for text in ledger_of(state).records]
    return "".join("%s\n" % line for line in sorted(lines))


def to_json(ledger: Ledger) -> str:
    records = [json.loads(text) for text in ledger.records]
    return json.dumps({"sysctls": dict(ledger.sysctls), "records": records}, indent=1, sort_keys=True) + "\n"


def from_json(text: str) -> Ledger:
    """The ledger in ``text``; raises ``ValueError`` for anything else."""
    try:
        found = json.loads(text)
        records = tuple(json.dumps(record, sort_keys=True) for record in found["records"])
        return Ledger(tuple(sorted(found["sysctls"].items())), records)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a ledger: %s" % error) from error
