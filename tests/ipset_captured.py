# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ipset 7.17 sends for sets and entries: the DATA attributes of its requests, captured with strace."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple


class Captured(NamedTuple):
    """``create`` and ``add`` are what is typed, ``created`` and ``added`` what is sent for it."""

    type: str
    family: str
    create: Dict[str, Any]
    created: bytes
    add: str
    added: bytes


CAPTURED: List[Captured] = [
    Captured(
        "hash:ip,port",
        "inet",
        {"comment": True, "timeout": 300, "maxelem": 100},
        bytes.fromhex("080006400000012c 0800084000000010 0800134000000064"),
        '10.0.0.1,udp:53 timeout 60 comment "x y"',
        bytes.fromhex(
            "0c000180080001400a000001 0600044000350000 080006400000003c 0500070011000000 08001a0078207900"
            "0800094000000000"
        ),
    ),
    Captured(
        "hash:net",
        "inet6",
        {"counters": True, "skbinfo": True},
        bytes.fromhex("0800084000000048"),
        "2001:db8::/32 packets 7 bytes 9 skbmark 0x10/0xff skbprio 1:2 skbqueue 3",
        bytes.fromhex(
            "180001801400024020010db8000000000000000000000000 0500030020000000 0c0018400000000000000009"
            "0c0019400000000000000007 0c001b4000000010000000ff 08001c4000010002 06001d4000030000 0800094000000000"
        ),
    ),
    Captured(
        "bitmap:port",
        "",
        {"range": "0-1023"},
        bytes.fromhex("0600044000000000 0600054003ff0000"),
        "80",
        bytes.fromhex("0600044000500000 0800094000000000"),
    ),
    Captured(
        "hash:net,iface",
        "inet",
        {},
        b"",
        "10.0.0.0/8,physdev:eth0 nomatch",
        bytes.fromhex(
            "0c000180080001400a000000 0500030008000000 0800084000000006 090017006574683000000000 0800094000000000"
        ),
    ),
    Captured(
        "hash:ip,port,net",
        "inet",
        {},
        b"",
        "10.0.0.1,tcp:80,10.1.0.0/16",
        bytes.fromhex(
            "0c000180080001400a000001 0600044000500000 0500070006000000 0c001480080001400a010000 0500150010000000"
            "0800094000000000"
        ),
    ),
    Captured(
        "bitmap:ip,mac",
        "inet",
        {"range": "10.0.0.0-10.0.0.255"},
        bytes.fromhex("0c000180080001400a000000 0c000280080001400a0000ff"),
        "10.0.0.1,02:00:0a:82:11:1e",
        bytes.fromhex("0c000180080001400a000001 0a00110002000a82111e0000 0800094000000000"),
    ),
    Captured(
        "list:set",
        "",
        {"size": 4},
        bytes.fromhex("0800174000000004"),
        "A",
        bytes.fromhex("0600120041000000 0800094000000000"),
    ),
]
