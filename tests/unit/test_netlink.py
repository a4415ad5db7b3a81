# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The netlink socket against a kernel that is played by the test."""

from __future__ import annotations

import struct

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import link
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import netlink as nl
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import rtnetlink as rt

LINK = rt.link_add("e0", "dummy")[2]


class Kernel:
    """Answers dumps with one link each; the first ``changes`` of them are interrupted."""

    def __init__(self, changes: int) -> None:
        self.changes = changes
        self.asked = 0
        self.answers: list[bytes] = []

    def send(self, request: bytes) -> None:
        sequence = struct.unpack_from("=IHHII", request)[3]
        self.asked += 1
        flags = nl.NLM_F_DUMP_INTR if self.asked <= self.changes else 0
        kinds = ((rt.RTM_NEWLINK, flags, LINK), (rt.RTM_NEWLINK, 0, LINK), (nl.NLMSG_DONE, 0, bytes(4)))
        self.answers += [
            struct.pack("=IHHII", 16 + len(body), kind, flags_, sequence, 0) + body for kind, flags_, body in kinds
        ]

    def recv(self, _size: int) -> bytes:
        return self.answers.pop(0)


def connected(kernel: Kernel) -> nl.Netlink:
    netlink = nl.Netlink.__new__(nl.Netlink)
    netlink.__dict__.update(_socket=kernel, _sequence=0)
    return netlink


def test_a_dump_that_was_interrupted_is_read_to_its_end_and_is_no_answer() -> None:
    kernel = Kernel(changes=1)
    with pytest.raises(nl.Interrupted, match="changed while it was read"):
        list(connected(kernel).get(rt.RTM_GETLINK, rt.link_dump(), nl.NLM_F_DUMP))
    assert kernel.answers == []


def test_a_table_that_changed_meanwhile_is_read_again() -> None:
    kernel = Kernel(changes=3)
    assert [row.name for row in link.link_rows(connected(kernel))] == ["e0", "e0"]
    assert kernel.asked == 4


def test_a_table_that_never_rests_is_an_error_and_no_endless_loop() -> None:
    kernel = Kernel(changes=1000)
    with pytest.raises(nl.Interrupted):
        link.link_rows(connected(kernel))
    assert kernel.asked == 10
