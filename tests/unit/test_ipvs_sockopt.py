# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bytes of ip_vs's older interface, as include/uapi/linux/ip_vs.h lays them out on a machine of 64 bits."""

from __future__ import annotations

import struct
import sys

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipvs_sockopt as sockopt
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs import Server, ServiceKey

pytestmark = pytest.mark.skipif(
    sys.byteorder != "little" or struct.calcsize("P") != 8, reason="the bytes are those of another machine"
)

# ipvsadm -a -t 169.254.2.100:80 -r 10.130.17.30:8888 -g -w 2 -x 9 -y 4; the flags say direct, no output, hashed.
SERVER = bytes.fromhex(
    "0a82111e 22b80000 03010000 02000000 09000000 04000000 00000000 00000000 00000000 00000000" + "00" * 56
)


def changed(place: int, replacement: str) -> bytes:
    new = bytes.fromhex(replacement)
    return SERVER[:place] + new + SERVER[place + len(new) :]


def test_a_server_is_read() -> None:
    assert sockopt.decoded(SERVER * 2) == [(("10.130.17.30", 8888), Server("direct", 2, 9, 4))] * 2
    assert sockopt.decoded(b"") == []


@pytest.mark.parametrize(
    "entry",
    [changed(8, "02000000"), changed(8, "05000000"), sockopt.UNWRITTEN],
    ids=["a tunnel", "an unknown way of forwarding", "not written by the kernel"],
)
def test_what_is_not_told_whole_is_not_told(entry: bytes) -> None:
    assert sockopt.decoded(SERVER + entry) is None


def test_services_are_named() -> None:
    named = sockopt.name_of(ServiceKey("ipv4", 0, "udp", "169.254.2.100", 80))
    assert named.hex(" ", 4) == "11000000 a9fe0264 00500000 00000000"
    assert sockopt.name_of(ServiceKey("ipv4", 7)).hex(" ", 4) == "00000000 00000000 00000000 07000000"


def test_sizes_are_those_of_the_kernel() -> None:
    sizes = (sockopt._SERVICES.size, sockopt._SERVICE.size, sockopt._DESTS.size, sockopt._DEST.size)
    assert sizes == (8, 104, 24, 96)
