# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""iptables of either variant: what it has, read by ``iptables-save``; changes, by one ``iptables-restore`` a table."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from typing import Any, Dict, List, Sequence, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError, Refused, Unsupported
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.ipset import contents, conversation, header
from ansible_collections.lulab.lvs.plugins.module_utils.model.chains import Layout, MatchSet, state_from
from ansible_collections.lulab.lvs.plugins.module_utils.model.chains_cautions import drops, elsewhere
from ansible_collections.lulab.lvs.plugins.module_utils.model.chains_options import FoundSet, suited
from ansible_collections.lulab.lvs.plugins.module_utils.model.ruleset import (
    LOCK_SECONDS,
    PROGRAM,
    Table,
    parse_save,
    restore_text,
    transactions,
)
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change

SEARCH_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
CALL_SECONDS = 120
SUFFIX = {"auto": "", "legacy": "-legacy", "nft": "-nft"}
PACKAGES = "the package iptables (Debian) or iptables-nft (Red Hat)"

# What is found in the words of iptables-restore -> what to tell.
_REASONS = (
    (
        r"Set (\S+) doesn't exist",
        "set %s does not exist: create it before the rules that name it (lulab.lvs.ipset_entry)",
    ),
    (r"Extension (\S+) revision \d+ not supported", "this kernel has no '%s' match or target (load the module xt_%s)"),
    (r"Couldn't load (?:match|target) `(\S+)'", "this iptables has no '%s'"),
    (r"Chain '(\S+)' does not exist", "chain %s is gone: something else changes the rules at the same time; try again"),
    (r"CHAIN_(?:USER_)?DEL failed.*chain (\S+)", "chain %s is still in use by a rule of others"),
    (
        r"Another app is currently holding the xtables lock",
        "another program has held the lock of iptables for too long",
    ),
    (r"can't initialize ip6?tables table `(\S+)'", "this kernel has no table %s (load the module iptable_%s)"),
)


class MissingTool(Unsupported):
    """iptables is not installed."""


def find(name: str) -> str:
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":" + SEARCH_PATH)
    if path is None:
        raise MissingTool("the command %s is missing: install %s" % (name, PACKAGES))
    return path


def call(name: str, *arguments: str, stdin: str = "") -> Tuple[int, str, str]:
    """Exit status, standard output, standard error: the two never mixed, as warnings are no part of a listing."""
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        process = subprocess.run(
            [find(name), *arguments],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=CALL_SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LvsError("%s has not ended within %d s" % (name, CALL_SECONDS)) from None
    return process.returncode, process.stdout, process.stderr


def variant_of(wanted: str) -> str:
    """``legacy`` or ``nft``: what the command ``iptables`` is, unless a variant is wanted."""
    if wanted != "auto":
        return wanted
    multi = re.search(r"xtables-(legacy|nft)-multi\Z", os.path.realpath(find("iptables")))
    if multi:
        return multi.group(1)
    return "nft" if "nf_tables" in call("iptables", "-V")[1] else "legacy"


def tables(family: str, suffix: str) -> Dict[str, Table]:
    """All tables in use. None is named, because naming one would load it on a legacy host."""
    return parse_save(_saved(family, suffix)[0])


def _saved(family: str, suffix: str) -> Tuple[str, str]:
    """The listing of ``iptables-save``, and what it complained of."""
    name = "%s%s-save" % (PROGRAM[family], suffix)
    status, listing, complaint = call(name)
    if status:
        raise LvsError("%s failed: %s" % (name, complaint.strip() or "exit status %d" % status))
    return listing, complaint


def with_sets(layout: Layout) -> Layout:
    """``layout`` with its sets as the host has them; raises ``BadInput`` for one that its rules cannot match."""
    shield = layout.shield
    return replace(
        layout,
        match_sets=tuple(map(_suited, layout.match_sets)),
        shield=replace(
            shield,
            address_sets=tuple(map(_suited, shield.address_sets)),
            service_sets=tuple(map(_suited, shield.service_sets)),
        ),
    )


def _suited(match: MatchSet) -> MatchSet:
    head = header(match.name)
    if head is None:
        return match
    return suited(match, FoundSet(head.type, head.family, _members(match.name) if head.type == "list:set" else {}))


def _members(name: str) -> Dict[str, str]:
    """The members of a list of sets, and their types."""
    with conversation() as link:
        found = contents(link, name)
    heads = {member: header(member) for member in (found[1] if found else ())}
    return {member: head.type for member, head in heads.items() if head is not None}


def read(layout: Layout, variant: str) -> Dict[Any, Any]:
    """What the host has of ``layout``, and what it has that may undo it."""
    state: Dict[Any, Any] = {}
    for family in layout.families:
        listing, complaint = _saved(family, SUFFIX[variant])
        found = parse_save(listing)
        state.update(state_from(layout, family, found))
        state.update(drops(layout, family, found))
        state.update(_elsewhere(layout, family, variant_of(variant), complaint))
    return state


def _elsewhere(layout: Layout, family: str, variant: str, complaint: str) -> Dict[Any, Any]:
    """What the other variant has, where there is a sign that it has anything: packets pass the rules of both."""
    other = "nft" if variant == "legacy" else "legacy"
    if not (_may_have_nftables() if other == "nft" else "legacy tables present" in complaint):
        return {}
    try:
        return elsewhere(layout, family, other, tables(family, SUFFIX[other]))
    except LvsError:  # nobody has asked for that variant
        return {}


def _may_have_nftables() -> bool:
    """Whether asking would load nothing: nf_tables is loaded, or all of netfilter is built into the kernel."""
    built_in = os.path.exists("/proc/net/ip_tables_names") and not os.path.exists("/sys/module/x_tables")
    return built_in or os.path.exists("/sys/module/nf_tables")


def apply(changes: Sequence[Change], layout: Layout, variant: str) -> None:
    """Carry ``changes`` out: one transaction for each table of a family. The layout's sets have to be there first."""
    missing = next((match for match in layout.sets() if header(match.name) is None), None)
    if missing is not None:
        words = "%s: set %s does not exist: create it before the rules that name it (lulab.lvs.ipset_entry)"
        raise Refused(None, words % (missing.parameter, missing.name))
    done: List[Change] = []
    for (family, table), steps in transactions(changes).items():
        name = "%s%s-restore" % (PROGRAM[family], SUFFIX[variant])
        text = restore_text(table, steps)
        own = [change for change in changes if tuple(change.key)[:2] == (family, table)]  # type: ignore[arg-type]
        try:
            status, _output, complaint = call(name, "--noflush", "-w", str(LOCK_SECONDS), stdin=text)
        except LvsError as error:
            raise Refused(own[0], str(error), done + (own if _stand(own, layout, variant) else [])) from error
        if status:
            raise Refused(own[0], reason(name, text, complaint), done)
        done += own


def _stand(changes: Sequence[Change], layout: Layout, variant: str) -> bool:
    """Whether a transaction took effect although its call has not ended: it does so as a whole, or not at all."""
    try:
        state = read(layout, variant)
    except LvsError:
        return False
    return all(_stands(change, state.get((change.kind, change.key))) for change in changes)


def _stands(change: Change, there: Any) -> bool:
    # A builtin chain without a rule of ours may not have been read.
    unread = there is None and change.kind == "hook" and not any(place.ours for place in change.after)
    return unread or bool(there == change.after)


def reason(name: str, text: str, complaint: str) -> str:
    """Why ``iptables-restore`` refused ``text``, in words: the line, what is wrong, what it said."""
    line = re.search(r"line:? (\d+)", complaint)
    lines = text.splitlines()
    number = int(line.group(1)) if line else 0
    # The legacy variant finds a refusal of the kernel only at COMMIT, so that the line says nothing.
    refused = lines[number - 1] if 0 < number <= len(lines) and lines[number - 1] != "COMMIT" else ""
    words = "%s refused the change" % name + (" at '%s'" % refused if refused else "")
    for pattern, told in _REASONS:
        found = re.search(pattern, complaint)
        if found:
            words += ": " + told.replace("%s", found.group(1) if found.groups() else "")
            break
    said = " ".join(complaint.split())
    return "%s; nothing of it is in effect. It said: %s" % (words, said or "nothing")
