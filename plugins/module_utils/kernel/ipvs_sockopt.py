# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The real servers of many services at a third of the price: ip_vs's older interface, by getsockopt.

It answers in one system call where a netlink dump takes three, and in a quarter of the bytes. But it knows IPv4
only, tells nothing of tunnels, and passes over servers of another address family. So it is asked how many servers a
service has, and where it cannot tell all of them, nothing is told: the caller then asks by netlink.

Source: include/uapi/linux/ip_vs.h; sizes are those of this process's own integers, and a kernel of other sizes refuses.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from functools import lru_cache
from typing import Dict, List, Optional, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.kernel.ipvs_codec import (
    FORWARD_MASK,
    FORWARD_NAMES,
    TUNNELING,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs import PROTOCOLS, Server, ServiceKey

GET_INFO, GET_SERVICES, GET_DESTS = 1153, 1154, 1156

_STATISTICS = "0QIIIQQIIIII0Q"
_INFO = struct.Struct("@III")  # version, size of the table, services
_NAME = struct.Struct("@H2x4sHI")  # protocol, address, port, mark: what each request and each service begins with
_SERVICES = struct.Struct("@I0Q")
_SERVICE = struct.Struct("@16s28xI%dx" % (struct.calcsize("@H2x4sHI16sIIII" + _STATISTICS) - 48))  # name, servers
_DESTS = struct.Struct("@16sI0Q")
_DEST_SIZE = struct.calcsize("@4sHIiIIIII" + _STATISTICS)
_DEST = struct.Struct("@4sHIiII%dx" % (_DEST_SIZE - 24))  # address, port, flags, weight, thresholds

# No weight is negative: a server that still has this one was not written by the kernel.
UNWRITTEN = b"\xff" * _DEST_SIZE
# More services than were counted may have come meanwhile.
SLACK = 64

Servers = List[Tuple[Tuple[str, int], Server]]


class Glance:
    """A look at the table of the network namespace that the process is in when it begins."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_RAW)
        self._counts = self._servers_of_services()

    def __enter__(self) -> Glance:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._socket.close()

    def _ask(self, option: int, buffer: ctypes.Array[ctypes.c_char]) -> bool:
        """Whether the kernel filled ``buffer``, which holds the question."""
        length = ctypes.c_uint(len(buffer))
        descriptor = self._socket.fileno()
        return not self._libc.getsockopt(descriptor, socket.IPPROTO_IP, option, buffer, ctypes.byref(length))

    def _servers_of_services(self) -> Dict[bytes, int]:
        """Of each IPv4 service, by name, how many servers it has, of either family."""
        info = ctypes.create_string_buffer(_INFO.size)
        if not self._ask(GET_INFO, info):
            return {}
        number = _INFO.unpack(info.raw)[2] + SLACK
        buffer = ctypes.create_string_buffer(_SERVICES.size + number * _SERVICE.size)
        _SERVICES.pack_into(buffer, 0, number)
        if not self._ask(GET_SERVICES, buffer):
            return {}
        return {_own(name): count for name, count in _SERVICE.iter_unpack(buffer.raw[_SERVICES.size :]) if any(name)}

    def servers(self, key: ServiceKey) -> Optional[Servers]:
        """The servers of the service; None when this interface may not know all of them."""
        if key.family != "ipv4":
            return None
        name = name_of(key)
        count = self._counts.get(name)
        if not count:
            return None if count is None else []
        question = _DESTS.pack(name, count)
        buffer = ctypes.create_string_buffer(question + UNWRITTEN * count, _DESTS.size + _DEST_SIZE * count)
        return decoded(buffer.raw[_DESTS.size :]) if self._ask(GET_DESTS, buffer) else None


def name_of(key: ServiceKey) -> bytes:
    if key.fwmark:
        return _NAME.pack(0, b"", 0, key.fwmark)
    return _NAME.pack(PROTOCOLS[key.protocol], socket.inet_aton(key.address), socket.htons(key.port), 0)


def _own(name: bytes) -> bytes:
    """A service of a mark may be said to have a protocol, which depends on the tool that made it."""
    mark = _NAME.unpack(name)[3]
    return _NAME.pack(0, b"", 0, mark) if mark else name


def decoded(answer: bytes) -> Optional[Servers]:
    """The servers in the kernel's answer; None when one is not told, or not told whole."""
    result: Servers = []
    for address, port, flags, weight, upper, lower in _DEST.iter_unpack(answer):
        method = flags & FORWARD_MASK
        if weight < 0 or method == TUNNELING or method not in FORWARD_NAMES:
            return None
        server = _server(method, weight, upper, lower)
        result.append(((socket.inet_ntoa(address), socket.ntohs(port)), server))
    return result


# Most servers of a table are alike.
@lru_cache(maxsize=1024)
def _server(method: int, weight: int, upper: int, lower: int) -> Server:
    return Server(FORWARD_NAMES[method], weight, upper, lower)
