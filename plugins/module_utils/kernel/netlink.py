# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Netlink: attributes to bytes and back, and a socket that sends many requests at once.

Sources: include/uapi/linux/netlink.h, genetlink.h. All integers in headers are in the machine's byte order.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from typing import Iterable, Iterator, List, NamedTuple, Optional, Tuple

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12
NETLINK_GENERIC = 16

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_ROOT = 0x100
NLM_F_MATCH = 0x200
NLM_F_DUMP = NLM_F_ROOT | NLM_F_MATCH
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_CAPPED = 0x100
NLM_F_ACK_TLVS = 0x200
NLM_F_DUMP_INTR = 0x10

NLMSG_ERROR = 2
NLMSG_DONE = 3
NLMSGERR_ATTR_MSG = 1

NLA_F_NESTED = 0x8000
NLA_F_NET_BYTEORDER = 0x4000
NLA_TYPE_MASK = 0x3FFF

SOL_NETLINK = 270
NETLINK_EXT_ACK = 11
SO_RCVBUFFORCE = 33

RECEIVE_BUFFER = 8 << 20
RECEIVE_BYTES = 1 << 17
# A default receive buffer overflows at some 300 acknowledgements; one that cannot be raised still holds 64.
REQUESTS_PER_SEND = 64
SEND_BYTES = 1 << 17
# A kernel that answers at all answers within moments; a bound keeps a lost reply from hanging a play.
REPLY_SECONDS = 60

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")

Message = Tuple[int, int, bytes]  # type, flags, body


class Malformed(ValueError):
    """Bytes that are not what the kernel would send."""


class NetlinkError(OSError):
    """The kernel's refusal of one request: ``errno``, and its own words where it gave any.

    ``request`` is the request as the kernel sent it back (ipset writes the failing line number into it).
    """

    def __init__(self, number: int, words: str = "", request: bytes = b"") -> None:
        super().__init__(number, words or os.strerror(number))
        self.words = words
        self.request = request


class Interrupted(NetlinkError):
    """The table changed while it was read, so that what was read may lack some of it, or have it twice."""

    def __init__(self) -> None:
        super().__init__(errno.EINTR, "the table changed while it was read")


def attribute(kind: int, payload: bytes) -> bytes:
    length = 4 + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + b"\0" * (-length & 3)


def nested(kind: int, *attributes: bytes) -> bytes:
    return attribute(kind | NLA_F_NESTED, b"".join(attributes))


def u8(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=B", value))


def u16(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=H", value))


def u32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def be16(kind: int, value: int) -> bytes:
    return attribute(kind | NLA_F_NET_BYTEORDER, struct.pack("!H", value))


def be32(kind: int, value: int) -> bytes:
    return attribute(kind | NLA_F_NET_BYTEORDER, struct.pack("!I", value))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode("utf-8", "surrogateescape") + b"\0")


def attributes(buffer: bytes, offset: int = 0) -> Iterator[Tuple[int, bytes]]:
    """Each (type without flag bits, payload) in ``buffer`` from ``offset`` on; raises ``Malformed``."""
    end = len(buffer)
    while offset < end:
        if end - offset < 4:
            if any(buffer[offset:end]):
                raise Malformed("%d stray bytes after the last attribute" % (end - offset))
            return
        length, kind = _ATTRIBUTE.unpack_from(buffer, offset)
        if length < 4 or offset + length > end:
            raise Malformed("an attribute of %d bytes where %d are left" % (length, end - offset))
        yield kind & NLA_TYPE_MASK, buffer[offset + 4 : offset + length]
        offset += length + 3 & ~3


def parsed(buffer: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes of ``buffer`` by type; of a repeated one the last."""
    return dict(attributes(buffer, offset))


def string(payload: bytes) -> str:
    return payload.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def integer(payload: bytes) -> int:
    """An unsigned integer in the machine's byte order, of whatever width the kernel chose."""
    if len(payload) not in (1, 2, 4, 8):
        raise Malformed("an integer of %d bytes" % len(payload))
    return int.from_bytes(payload, sys.byteorder)


def net_integer(payload: bytes) -> int:
    """An unsigned integer in network byte order."""
    if len(payload) not in (1, 2, 4, 8):
        raise Malformed("an integer of %d bytes" % len(payload))
    return int.from_bytes(payload, "big")


class Received(NamedTuple):
    kind: int
    flags: int
    sequence: int
    body: bytes


def messages(buffer: bytes) -> Iterator[Received]:
    """The messages in one datagram; raises ``Malformed``."""
    offset = 0
    while offset < len(buffer):
        if len(buffer) - offset < 16:
            raise Malformed("%d bytes are no message" % (len(buffer) - offset))
        length, kind, flags, sequence, _port = _HEADER.unpack_from(buffer, offset)
        if length < 16 or offset + length > len(buffer):
            raise Malformed("a message of %d bytes where %d are left" % (length, len(buffer) - offset))
        yield Received(kind, flags, sequence, buffer[offset + 16 : offset + length])
        offset += length + 3 & ~3


def error_of(received: Received) -> Optional[NetlinkError]:
    """The refusal that an acknowledgement carries; None when it is a plain yes."""
    if len(received.body) < 4:
        raise Malformed("an acknowledgement of %d bytes" % len(received.body))
    number = -_ERROR.unpack_from(received.body)[0]
    if number == 0:
        return None
    request = received.body[4:]
    words = ""
    if received.kind == NLMSG_ERROR and received.flags & NLM_F_ACK_TLVS and len(request) >= 16:
        kept = 16 if received.flags & NLM_F_CAPPED else _HEADER.unpack_from(request)[0]
        found = parsed(request, kept + 3 & ~3).get(NLMSGERR_ATTR_MSG)
        words = string(found) if found else ""
    return NetlinkError(number, words, request)


class Netlink:
    """A netlink socket in the network namespace that the process is in when it is made."""

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:  # root of a user namespace only
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        # The kernel's own timeout: Python's costs one more system call for each message.
        bound = struct.pack("@ll", REPLY_SECONDS, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, bound)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, bound)
        self._socket.bind((0, 0))
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def _pack(self, message: Message, flags: int) -> bytes:
        kind, more_flags, body = message
        self._sequence += 1
        header = _HEADER.pack(16 + len(body), kind, NLM_F_REQUEST | flags | more_flags, self._sequence, 0)
        return header + body + b"\0" * (-len(body) & 3)

    def transact(self, requests: Iterable[Message]) -> List[Optional[NetlinkError]]:
        """Send all, in order, each acknowledged; per request its refusal or None.

        The kernel goes on after a refusal, so what follows a refused request may have taken effect: within
        one window of requests sent together, never beyond it. The list is as long as what was sent.
        """
        results: List[Optional[NetlinkError]] = []
        for window in _windows(requests):
            first = self._sequence + 1
            self._socket.send(b"".join(self._pack(request, NLM_F_ACK) for request in window))
            answers = self._acknowledgements(first, len(window))
            results.extend(answers)
            if any(answers):
                break
        return results

    def _received(self) -> bytes:
        try:
            return self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            raise TimeoutError("the kernel has not answered for %d s" % REPLY_SECONDS) from None

    def _acknowledgements(self, first: int, count: int) -> List[Optional[NetlinkError]]:
        answers: List[Optional[NetlinkError]] = [None] * count
        missing = count
        while missing:
            for received in messages(self._received()):
                place = received.sequence - first
                if received.kind == NLMSG_ERROR and 0 <= place < count:
                    answers[place] = error_of(received)
                    missing -= 1
        return answers

    def get(self, kind: int, body: bytes, flags: int = 0) -> Iterator[bytes]:
        """The bodies of the replies to one request; with ``NLM_F_DUMP`` in ``flags``, of a whole table.

        A single get asks for an acknowledgement too, so that its end is known. Raises ``NetlinkError``; of a table that
        changed meanwhile ``Interrupted``, once it is read to its end.
        """
        dumping = flags & NLM_F_DUMP == NLM_F_DUMP
        self._socket.send(self._pack((kind, flags, body), 0 if dumping else NLM_F_ACK))
        sequence = self._sequence
        interrupted = False
        while True:
            for received in messages(self._received()):
                if received.sequence != sequence:
                    continue
                interrupted = interrupted or bool(dumping and received.flags & NLM_F_DUMP_INTR)
                if received.kind in (NLMSG_ERROR, NLMSG_DONE):
                    refusal = error_of(received) if len(received.body) >= 4 else None
                    if refusal:
                        raise refusal
                    if interrupted:
                        raise Interrupted
                    return
                yield received.body


def _windows(requests: Iterable[Message]) -> Iterator[List[Message]]:
    """Runs of requests small enough to be sent together and acknowledged without overflow."""
    window: List[Message] = []
    size = 0
    for request in requests:
        length = len(request[2]) + 20
        if window and (len(window) >= REQUESTS_PER_SEND or size + length > SEND_BYTES):
            yield window
            window, size = [], 0
        window.append(request)
        size += length
    if window:
        yield window


GENL_CONTROL = 16
CTRL_CMD_GETFAMILY = 3
CTRL_ATTR_FAMILY_ID = 1
CTRL_ATTR_FAMILY_NAME = 2


def generic_body(command: int, version: int, *attributes_: bytes) -> bytes:
    """The body of a generic netlink message."""
    return struct.pack("=BBxx", command, version) + b"".join(attributes_)


def generic_family(link: Netlink, name: str) -> int:
    """The message type of the generic netlink family ``name``; ``NetlinkError`` (ENOENT) when the kernel has none."""
    body = generic_body(CTRL_CMD_GETFAMILY, 1, text(CTRL_ATTR_FAMILY_NAME, name))
    found = [parsed(reply, 4).get(CTRL_ATTR_FAMILY_ID) for reply in link.get(GENL_CONTROL, body)]
    if not found or found[0] is None:
        raise Malformed("the kernel's answer names no family %s" % name)
    return integer(found[0])
