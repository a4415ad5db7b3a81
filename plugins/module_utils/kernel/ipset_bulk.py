# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries of sets to bytes and back, tens of thousands at a time.

Most entries of a set differ in their first address only, or in that and a port. What stands around these is worked out
once, by ipset_codec, and kept.
"""

from __future__ import annotations

import socket
import struct
from typing import Dict, Iterable, List, Tuple

from ansible_collections.lulab.lvs.plugins.module_utils.kernel.ipset_codec import (
    DATA,
    IP,
    IPADDR,
    PORT,
    decode_behind_address,
    decode_entry,
    encode_entry,
)
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import (
    NLA_F_NESTED,
    NLA_F_NET_BYTEORDER,
    attributes,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_entries import PLAIN, Options
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_parts import ADDRESS_FAMILY
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_ports import PORT_PROTOCOLS
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_types import HOST_BITS, Type

_CACHE_SIZE = 100000
# Headers of DATA, IP and IPADDR stand in front of an entry's address.
_HEAD = 12
_port_bytes = struct.Struct("!H").pack


class Codec:
    """Entries of one kind of set."""

    def __init__(self, row: Type, family: str) -> None:
        self.row = row
        self.family = family
        self._size = HOST_BITS.get(family, 0) // 8
        self._leads = row.parts[0] in ("ip", "net")
        self._ends_in_port = self._leads and row.parts[1:] == ("port",)
        self._encoded: Dict[Tuple[str, Options], Tuple[bytes, bytes]] = {}
        self._around_ports: Dict[Tuple[str, Options], Tuple[bytes, bytes, bytes]] = {}
        self._decoded: Dict[bytes, Tuple[str, Options]] = {}

    # Encoding

    def encode(self, entries: Iterable[Tuple[str, Options]]) -> List[bytes]:
        """One DATA attribute for each (key, options)."""
        if self._ends_in_port:
            return self._encode_ports(entries)
        if not self._leads:
            return [encode_entry(self.row, self.family, key, options) for key, options in entries]
        result = []
        known = self._encoded
        packed, family = socket.inet_pton, ADDRESS_FAMILY[self.family]
        for key, options in entries:
            address, _comma, rest = key.partition(",")
            around = known.get((rest, options))
            if around is None or "/" in address:
                address = address.partition("/")[0]
                around = self._around_address(address, key, options)
            result.append(around[0] + packed(family, address) + around[1])
        return result

    def _around_address(self, address: str, key: str, options: Options) -> Tuple[bytes, bytes]:
        """The bytes before and behind the first address of an entry; kept for all with the same rest."""
        rest = key[len(address) :]
        around = self._encoded.get((rest, options))
        if around is None:
            whole = encode_entry(self.row, self.family, key, options)
            if len(self._encoded) >= _CACHE_SIZE:
                self._encoded.clear()
            around = (whole[:_HEAD], whole[_HEAD + self._size :])
            # What begins with a prefix length keeps its slash, so that it is no other rest's name.
            self._encoded[(rest if rest[:1] == "/" else rest[1:], options)] = around
        return around

    def _encode_ports(self, entries: Iterable[Tuple[str, Options]]) -> List[bytes]:
        result = []
        known = self._around_ports
        packed, family = socket.inet_pton, ADDRESS_FAMILY[self.family]
        of_protocol, of_options = "", PLAIN  # those that the pieces belong to: mostly the last entry's are the next's
        front = middle = back = b""
        for key, options in entries:
            address, _comma, rest = key.partition(",")
            protocol, _colon, port = rest.partition(":")
            if protocol != of_protocol or options is not of_options or "/" in address:
                pieces = known.get((protocol, options))
                if pieces is None or "/" in address:
                    result.append(self._encode_port(address, key, options, protocol))
                    continue
                of_protocol, of_options = protocol, options
                front, middle, back = pieces
            result.append(front + packed(family, address) + middle + _port_bytes(int(port)) + back)
        return result

    def _encode_port(self, address: str, key: str, options: Options, protocol: str) -> bytes:
        """An entry by itself; how its kind looks around its port is kept."""
        host = address.partition("/")[0]
        front, back = self._around_address(host, key, options)
        if protocol in PORT_PROTOCOLS and host == address:
            self._around_ports[protocol, options] = self._around_port(front, back)
        return front + socket.inet_pton(ADDRESS_FAMILY[self.family], host) + back

    def _around_port(self, front: bytes, back: bytes) -> Tuple[bytes, bytes, bytes]:
        """The bytes before an entry's address, between it and its port, and behind that."""
        offset = 0
        for kind, payload in attributes(back):
            if kind == PORT:
                break
            offset += 4 + len(payload) + 3 & ~3
        return front, back[: offset + 4], back[offset + 6 :]

    # Decoding

    def decode(self, adt: bytes, into: Dict[str, Options]) -> None:
        """Put the entries of one ADT attribute's payload ``into`` a mapping. Raises ``Malformed``."""
        if len(adt) >= 4 and self._leads and self._decode_alike(adt, into):
            return
        for kind, payload in attributes(adt):
            if kind == DATA:
                key, options = decode_entry(self.row, self.family, payload)
                into[key] = options

    def _decode_alike(self, adt: bytes, into: Dict[str, Options]) -> bool:
        """The fast way, for entries of equal length whose address comes first; False (and nothing done) otherwise."""
        length = struct.unpack_from("=H", adt)[0]
        if length & 3 or length < _HEAD + self._size or len(adt) % length:
            return False
        # IPADDR's flag bits have changed between kernels, so what the first entry has is taken; it must be sound.
        head = adt[:_HEAD]
        if not self._is_head(head, length):
            return False
        behind = _HEAD + self._size
        if {each for (each,) in struct.iter_unpack("%ds%dx" % (_HEAD, length - _HEAD), adt)} != {head}:
            return False
        if len(self._decoded) >= _CACHE_SIZE:
            self._decoded.clear()
        if self._ends_in_port and length >= behind + 8 and self._is_port(adt[behind : behind + 4]):
            self._decode_ports(adt, length, into)
            return True
        known = self._decoded
        written, family = socket.inet_ntop, ADDRESS_FAMILY[self.family]
        for packed, rest in struct.iter_unpack("%dx%ds%ds" % (_HEAD, self._size, length - behind), adt):
            tail = known.get(rest)
            if tail is None:
                tail = known[rest] = decode_behind_address(self.row, self.family, rest)
            into[written(family, packed) + tail[0]] = tail[1]
        return True

    def _decode_ports(self, adt: bytes, length: int, into: Dict[str, Options]) -> None:
        """Entries whose attribute behind the address is a port, as most of them have it."""
        known = self._decoded
        written, family = socket.inet_ntop, ADDRESS_FAMILY[self.family]
        behind = _HEAD + self._size
        header = adt[behind : behind + 4]
        layout = "!%dx%ds4sH%ds" % (_HEAD, self._size, length - behind - 6)
        for packed, ports, port, rest in struct.iter_unpack(layout, adt):
            tail = known.get(rest) if ports == header else None
            if tail is not None:
                into["%s%s%d" % (written(family, packed), tail[0], port)] = tail[1]
                continue
            text, options = decode_behind_address(self.row, self.family, ports + _port_bytes(port) + rest)
            into[written(family, packed) + text] = options
            number = "%d" % port
            # What ends in its port would end in another's, too; ICMP has types and codes in place of ports.
            if ports == header and text.endswith(":" + number):
                known[rest] = (text[: -len(number)], options)

    def _is_port(self, header: bytes) -> bool:
        length, kind = struct.unpack("=2H", header)
        return (length, kind & ~NLA_F_NET_BYTEORDER) == (6, PORT)

    def _is_head(self, head: bytes, length: int) -> bool:
        data_length, data, ip_length, ip, address_length, address = struct.unpack("=6H", head)
        kinds = (data & ~NLA_F_NESTED, ip & ~NLA_F_NESTED, address & ~NLA_F_NET_BYTEORDER)
        return kinds == (DATA, IP, IPADDR[self.family]) and (data_length, ip_length, address_length) == (
            length,
            8 + self._size,
            4 + self._size,
        )
