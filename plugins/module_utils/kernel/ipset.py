# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's sets, over nfnetlink: read them, change them.

Source: include/uapi/linux/netfilter/ipset/ip_set.h, net/netfilter/ipset/ip_set_core.c.
"""

from __future__ import annotations

import errno
import os
import struct
import time
from contextlib import contextmanager
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from ansible.module_utils.common.warnings import warn

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError, Refused, Unsupported
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipset_codec as codec
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.ipset_bulk import Codec
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.ipset_words import IN_USE, SET_MISSING, refusal_words
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import (
    NETLINK_NETFILTER,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    Malformed,
    Message,
    Netlink,
    NetlinkError,
    be32,
    nested,
    net_integer,
    parsed,
    string,
    text,
    u8,
    u32,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset import (
    ENTRY,
    TEMPORARY,
    Set,
    Step,
    replaces,
    steps,
    temporary_name,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_entries import Options, settled
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_state import Contents, SetState
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_types import TYPES
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change

SUBSYSTEM = 6 << 8
CREATE, DESTROY, FLUSH, RENAME, SWAP, LIST, SAVE, ADD, DEL, TEST, HEADER, TYPE = range(2, 14)
PROTOCOL_VERSION = 7

LIST_NAMES = 2
LIST_HEADER = 4

# One attribute holds 65,535 bytes at most; half of that leaves the kernel's work in even portions.
MESSAGE_BYTES = 32000

# Who reads a set (ipset save) keeps it from being swapped or destroyed: so long we wait, and try so often.
READER_SECONDS = 5.0
READER_POLL = 0.03


def _message(command: int, *attributes_: bytes, family: int = 0, flags: int = 0) -> Message:
    generic = struct.pack("!BBH", family, 0, 0)
    return SUBSYSTEM | command, flags, generic + u8(codec.PROTOCOL, PROTOCOL_VERSION) + b"".join(attributes_)


def _list(link: Netlink, name: Optional[str], flags: int = 0) -> Iterator[Dict[int, bytes]]:
    """The messages of a LIST dump, as attributes; nothing for a set that does not exist."""
    named = [text(codec.SETNAME, name)] if name is not None else []
    kind, _flags, body = _message(LIST, *named, *([be32(codec.FLAGS, flags)] if flags else []))
    try:
        for reply in link.get(kind, body, NLM_F_DUMP):
            yield parsed(reply, 4)
    except NetlinkError as error:
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT):
            raise Unsupported("this kernel has no ipset: load its module ip_set") from error
        if error.errno not in SET_MISSING:
            raise LvsError("cannot list the sets: %s" % refusal_words(error, None)) from error


def is_loaded() -> bool:
    """Whether the kernel has sets now: who only asks what there is does not have the module loaded."""
    return os.path.exists("/sys/module/ip_set")


@contextmanager
def conversation() -> Iterator[Netlink]:
    """With the kernel about the sets of the network namespace that the process is in."""
    try:
        with Netlink(NETLINK_NETFILTER) as link:
            yield link
    except (Malformed, OSError) as error:
        raise LvsError("the conversation with the kernel about sets broke off: %s; run again" % error) from error


def every() -> Iterator[Tuple[str, Contents]]:
    """All sets in this network namespace, one after the other."""
    with conversation() as link:
        for name in _names(link):
            yield name, contents(link, name)


def _names(link: Netlink) -> List[str]:
    return [string(found[codec.SETNAME]) for found in _list(link, None, LIST_NAMES) if codec.SETNAME in found]


def header(name: str) -> Optional[Set]:
    """The set's type and create options without its entries; None when there is no such set.

    ``header(name).dimensions`` is the number of src/dst flags that a rule needs to match it.
    """
    with conversation() as link:
        return _header(link, name)


def _header(link: Netlink, name: str) -> Optional[Set]:
    headers = [codec.decode_set(found) for found in _list(link, name, LIST_HEADER) if codec.DATA in found]
    return headers[0] if headers else None


def _references(link: Netlink, name: str) -> int:
    """How many rules and lists refer to the set; who reads it is not counted."""
    return sum(codec.references(found) for found in _list(link, name, LIST_HEADER))


def contents(link: Netlink, name: str) -> Contents:
    """A set and its entries; without a header when there is none of that name."""
    head: Optional[Set] = None
    count = 0
    entries: Dict[str, Options] = {}
    coder: Optional[Codec] = None
    for found in _list(link, name):
        if string(found.get(codec.SETNAME, b"")) != name:
            raise Malformed("the kernel listed another set than %s" % name)
        if codec.DATA in found:
            head, count = codec.decode_set(found), codec.references(found)
            coder = Codec(head.row, head.family)
        if codec.ADT in found:
            if coder is None:
                raise Malformed("entries of %s before its header" % name)
            coder.decode(found[codec.ADT], entries)
    return Contents(head, entries, {}, count)


def read(name: str) -> SetState:
    """The state of the set ``name``, and of any temporary set that a killed run has left behind."""
    others: Dict[str, Set] = {}
    with conversation() as link:
        there = _names(link)
        for other in there:
            if other.startswith(TEMPORARY):
                left_over = _header(link, other)
                if left_over is not None:
                    others[other] = left_over
        found = contents(link, name)
    return SetState(name, found._replace(others=others, names=frozenset(there)))


def revision(link: Netlink, head: Set) -> Optional[int]:
    """The newest revision of the set's type that both the kernel and this collection know; None: it has none."""
    number = codec.FAMILY_NUMBER[head.family]
    kind, flags, body = _message(TYPE, text(codec.TYPENAME, head.type), u8(codec.FAMILY, number), family=number)
    try:
        for reply in link.get(kind, body, flags):
            found = parsed(reply, 4)
            return min(net_integer(found[codec.REVISION]), head.row.revision)
    except NetlinkError:
        return None
    return None


def require_type(head: Set) -> None:
    """Raise ``Unsupported`` unless the running kernel has the set's type."""
    with conversation() as link:
        if revision(link, head) is not None:
            return
        offered = [row.name for row in TYPES.values() if revision(link, Set(row.name, row.families[0])) is not None]
    raise Unsupported(
        "the running kernel has no set type %s%s; it offers %s"
        % (head.type, " for " + head.family if head.type in offered else "", ", ".join(offered) or "none")
    )


# --- changes ------------------------------------------------------------------------------------------------------


def apply(changes: Sequence[Change]) -> None:
    """Carry out ``changes``. Raises ``Refused``."""
    with conversation() as link:
        done: List[Change] = []
        for step in steps(changes):
            if step.destroys:
                _destroy(link, step, done)
            elif step.creates:
                _create(link, step, done)
            elif step.rebuilds:
                _rebuild(link, step, done)
            else:
                _change_entries(link, step, done)


def _one(link: Netlink, message: Message) -> Optional[NetlinkError]:
    return link.transact([message])[0]


def _once_unread(link: Netlink, message: Message, name: str) -> Optional[NetlinkError]:
    """Swap or destroy the set ``name`` as soon as nobody reads it; for a rule that refers to it nobody waits."""
    deadline = time.monotonic() + READER_SECONDS
    while True:
        refusal = _one(link, message)
        if refusal is None or refusal.errno not in (errno.EBUSY, IN_USE):
            return refusal
        if refusal.errno == IN_USE and _references(link, name):
            return refusal
        if time.monotonic() > deadline:
            return NetlinkError(errno.EBUSY, refusal.words or "error %d" % refusal.errno)
        time.sleep(READER_POLL)


def _gone(link: Netlink, name: str) -> Optional[NetlinkError]:
    """Destroy the set ``name``; that there is none is fine."""
    refusal = _once_unread(link, _message(DESTROY, text(codec.SETNAME, name)), name)
    return None if refusal is not None and refusal.errno in SET_MISSING else refusal


def _destroy(link: Netlink, step: Step, done: List[Change]) -> None:
    refusal = _gone(link, step.name)
    if refusal is not None:
        raise Refused(
            step.header, "cannot destroy the set %s: %s" % (step.name, refusal_words(refusal, step.header)), done
        )
    if not step.name.startswith(TEMPORARY):
        done.extend(step.changes)


def _new_set(link: Netlink, name: str, head: Set) -> Optional[NetlinkError]:
    number = codec.FAMILY_NUMBER[head.family]
    known = revision(link, head)
    return _one(
        link,
        _message(
            CREATE,
            text(codec.SETNAME, name),
            text(codec.TYPENAME, head.type),
            u8(codec.REVISION, head.row.revision if known is None else known),
            u8(codec.FAMILY, number),
            codec.encode_set(head),
            family=number,
            flags=NLM_F_CREATE | NLM_F_EXCL,
        ),
    )


def _create(link: Netlink, step: Step, done: List[Change]) -> None:
    if step.header is None:
        raise AssertionError("a step that makes a set has the set's change")
    if step.name.startswith(TEMPORARY):
        return  # a left-over that a run has removed: nobody wants it back
    refusal = _new_set(link, step.name, step.header.after)
    if refusal is not None:
        raise Refused(
            step.header, "cannot create the set %s: %s" % (step.name, refusal_words(refusal, step.header)), done
        )
    done.append(step.header)
    _add(link, step.name, step.header.after, step.added, done)


def _rebuild(link: Netlink, step: Step, done: List[Change]) -> None:
    """Fill a new set beside the old one and swap them; the old one serves until then, and nothing is left over."""
    if step.header is None:
        raise AssertionError("a step that makes a set has the set's change")
    beside = temporary_name(step.name)
    swap = _message(SWAP, text(codec.SETNAME, beside), text(codec.SETNAME2, step.name))
    try:
        refusal = _gone(link, beside) or _new_set(link, beside, step.header.after)
        if refusal is None:
            try:
                _add(link, beside, step.header.after, step.added, [])
            except Refused as refused:
                raise Refused(refused.change, refused.reason.replace(beside, step.name), done) from None
            refusal = _once_unread(link, swap, step.name)
        if refusal is not None:
            raise Refused(
                step.header, "cannot build the set %s anew: %s" % (step.name, refusal_words(refusal, step.header)), done
            )
    finally:
        left = _gone(link, beside)
        if left is not None:
            words = "the temporary set %s is left over: %s; the next run on this host removes it"
            warn(words % (beside, refusal_words(left, step.header)))
    done.extend(step.changes)


def _change_entries(link: Netlink, step: Step, done: List[Change]) -> None:
    head = _header(link, step.name)
    if head is None:
        raise Refused(step.changes[0], "the set %s has vanished meanwhile: run again" % step.name, done)
    _delete(link, step.name, head, step.removed, done)
    run: List[Change] = []
    for change in step.added:
        if not replaces(change):
            run.append(change)
            continue
        _add(link, step.name, head, run, done)
        run = []
        _delete(link, step.name, head, [Change(ENTRY, change.key, change.before, None)], done)
        _add(link, step.name, head, [Change(ENTRY, change.key, None, change.after)], done)
    _add(link, step.name, head, run, done)


def _add(link: Netlink, name: str, head: Set, changes: Sequence[Change], done: List[Change]) -> None:
    coder = Codec(head.row, head.family)
    entries = coder.encode((change.key[1], change.after) for change in changes)  # type: ignore[index]
    _send(link, ADD, name, head, changes, entries, done)


def _delete(link: Netlink, name: str, head: Set, changes: Sequence[Change], done: List[Change]) -> None:
    coder = Codec(head.row, head.family)
    entries = coder.encode((change.key[1], ()) for change in changes)  # type: ignore[index]
    _send(link, DEL, name, head, changes, entries, done)


def _send(
    link: Netlink,
    command: int,
    name: str,
    head: Set,
    changes: Sequence[Change],
    entries: Sequence[bytes],
    done: List[Change],
) -> None:
    """Many entries in few messages. On a refusal the kernel is asked which of them took effect."""
    if not changes:
        return
    results = link.transact(list(_batches(command, name, entries)))
    refusal = next((each for each in results if each is not None), None)
    if refusal is None:
        done.extend(changes)
        return
    members = contents(link, name).members
    made = [change for change in changes if _in_effect(change, members)]
    taken = set(map(id, made))
    missing = [change for change in changes if id(change) not in taken]
    done.extend(made)
    raise Refused(missing[0] if missing else None, _why(refusal, command, name, head, changes, missing), done)


def _in_effect(change: Change, members: Dict[str, Options]) -> bool:
    there = members.get(change.key[1])  # type: ignore[index]
    if change.after is None:
        return there is None
    return there is not None and settled(there, change.after)


def _why(
    refusal: NetlinkError, command: int, name: str, head: Set, changes: Sequence[Change], missing: Sequence[Change]
) -> str:
    if not missing:
        return "the set %s: %s" % (name, refusal_words(refusal, changes[0], head))
    if head.row.hashed and refusal.errno == codec.TYPE_SPECIFIC and command == ADD:
        # A hash also has no room for a 65th interface of one network, long before it is full.
        why = "is full (maxelem %d)" % head.maxelem
        if "iface" in head.row.parts:
            why += " or has 64 interfaces for one network"
        return "the set %s %s: %d of %d entries did not fit" % (name, why, len(missing), len(changes))
    verb = "add %s to" if command == ADD else "delete %s from"
    key = missing[0].key[1]  # type: ignore[index]
    return "cannot %s the set %s: %s" % (verb % key, name, refusal_words(refusal, missing[0], head))


def _batches(command: int, name: str, entries: Sequence[bytes]) -> Iterator[Message]:
    front = (text(codec.SETNAME, name), u32(codec.LINENO, 0))
    fit = max(1, MESSAGE_BYTES // max(map(len, entries)))
    for place in range(0, len(entries), fit):
        yield _message(command, *front, nested(codec.ADT, *entries[place : place + fit]))
