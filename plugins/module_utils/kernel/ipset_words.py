# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel's error numbers about sets mean, and what to do. Source: enum ipset_errno in ip_set*.h."""

from __future__ import annotations

import errno
from typing import Dict, Optional

from ansible_collections.lulab.lvs.plugins.module_utils.errors import errno_words
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import NetlinkError
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset import Set
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change

SET_MISSING = (errno.ENOENT, 4103)
# By a rule, a list or a reader.
IN_USE = 4100

_SEEN_FROM_ALL: Dict[int, str] = {
    errno.EPERM: "the kernel does not permit it: run the task with 'become: true'",
    errno.ENOENT: "there is no set of that name",
    errno.EEXIST: "a set of that name exists already, with another type or other options",
    errno.EBUSY: "another program has been reading it for seconds (such as 'ipset save' whose output is held up): run "
    "again when it has ended",
    errno.ENOMEM: "the kernel has no memory left for it",
    errno.ERANGE: "the range holds more elements than the kernel takes at once",
    4097: "the kernel did not understand the request (protocol error): its ipset is older than what was asked for",
    4098: "the kernel does not have this set type in the family and revision asked for",
    4099: "the kernel's limit of sets is reached: remove sets, or load ip_set with a higher max_sets",
    IN_USE: "it is in use: an iptables rule or a list of sets refers to it; remove that first",
    4101: "the other set does not exist",
    4102: "the two sets are of different types or families, which cannot be swapped",
    4103: "the entry exists already, or the one to be changed is missing",
    4104: "the prefix length does not suit the family or the type",
    4105: "the netmask does not suit the family",
    4106: "the family does not suit the set type",
    4107: "the set has no timeouts: create it with timeout",
    4108: "another set or a rule refers to it; remove that first",
    4109: "an IPv4 address was expected",
    4110: "an IPv6 address was expected",
    4111: "the set has no counters: create it with counters",
    4112: "the set has no comments: create it with comment",
    4113: "the markmask is not usable",
    4114: "the set has no skbinfo: create it with skbinfo",
}

_OF_HASHES: Dict[int, str] = {
    4352: "the set is full: raise maxelem",
    4353: "a hash cannot hold an element of zeros",
    4354: "the protocol is not usable",
    4355: "a protocol is missing",
    4356: "this type takes no ranges in that part",
    4357: "the range is not usable",
}
_OF_BITMAPS: Dict[int, str] = {
    4352: "it is outside of the range that the set was created with",
    4353: "the range is larger than the 65536 elements that a bitmap can hold",
}
_OF_LISTS: Dict[int, str] = {
    4352: "there is no set of that name to be put into the list",
    4353: "a list of sets cannot be put into a list of sets",
    4354: "before and after need another set in the list",
    4355: "the set named by before or after is not in the list",
    4356: "the list is full: raise size",
    4357: "the set is in the list already",
}
# What the first of these numbers means when the set itself is created.
_OF_NEW_BITMAPS: Dict[int, str] = {4352: "the range does not suit the netmask: it is one network, larger than those"}
_BY_METHOD = {"hash": _OF_HASHES, "bitmap": _OF_BITMAPS, "list": _OF_LISTS}


def refusal_words(error: NetlinkError, change: Optional[Change], head: Optional[Set] = None) -> str:
    """What the kernel said, in words; ``change`` or ``head`` tell of which type its set is."""
    number = error.errno or 0
    if head is None and change is not None:
        value = change.after if change.after is not None else change.before
        head = value if isinstance(value, Set) else None
    own = _BY_METHOD.get(head.type.partition(":")[0], {}) if head else {}
    if own is _OF_BITMAPS and change is not None and isinstance(change.after, Set):
        own = {**own, **_OF_NEW_BITMAPS}
    words = own.get(number) or _SEEN_FROM_ALL.get(number) or errno_words(number)
    return "%s (the kernel said %s)" % (words, error.words or "error %d" % number)
