# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rtnetlink codec against pyroute2's, which is no part of the product, and against damaged bytes."""

from __future__ import annotations

import contextlib
import ipaddress
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from ansible_collections.lulab.lvs.plugins.module_utils.kernel import rtnetlink as rt
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import Malformed

V4 = st.ip_addresses(v=4)
V6 = st.ip_addresses(v=6)
MACS = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))


def header(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def second_opinion(decoder: Any, message: tuple[int, int, bytes]) -> Any:
    kind, _flags, body = message
    decoded = decoder(header(kind, body))
    decoded.decode()
    return decoded


def encoded(message: Any) -> bytes:
    """The body that pyroute2 encodes."""
    message.encode()
    return bytes(message.data[16:])


def test_pyroute2_reads_our_veth_with_its_peer_in_another_namespace() -> None:
    decoded = second_opinion(ifinfmsg, rt.veth_add("cali0", "veth0", 7))
    assert decoded.get_attr("IFLA_IFNAME") == "cali0"
    information = decoded.get_attr("IFLA_LINKINFO")
    assert information.get_attr("IFLA_INFO_KIND") == "veth"
    peer = information.get_attr("IFLA_INFO_DATA").get_attr("VETH_INFO_PEER")
    assert peer.get_attr("IFLA_IFNAME") == "veth0"
    assert peer.get_attr("IFLA_NET_NS_FD") == 7


def test_pyroute2_reads_our_dummy() -> None:
    decoded = second_opinion(ifinfmsg, rt.dummy_add("dummy-ipvs0"))
    assert decoded.get_attr("IFLA_IFNAME") == "dummy-ipvs0"
    assert decoded.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_KIND") == "dummy"
    assert decoded["flags"] == 0


@given(index=st.integers(1, 2**31 - 1), mtu=st.integers(68, 65535), mac=MACS, up=st.booleans())
def test_pyroute2_reads_our_link_settings(index: int, mtu: int, mac: str, up: bool) -> None:
    decoded = second_opinion(ifinfmsg, rt.link_set(index, up=up, mtu=mtu, mac=mac))
    assert (decoded["index"], decoded["flags"], decoded["change"]) == (index, int(up), 1)
    assert (decoded.get_attr("IFLA_MTU"), decoded.get_attr("IFLA_ADDRESS")) == (mtu, mac)


def test_a_link_setting_that_is_not_given_is_not_sent() -> None:
    decoded = second_opinion(ifinfmsg, rt.link_set(3, mtu=1450))
    assert decoded["change"] == 0
    assert [name for name, _value in decoded["attrs"]] == ["IFLA_MTU"]


@given(address=V4 | V6, index=st.integers(1, 2**31 - 1), data=st.data())
def test_pyroute2_reads_our_addresses(address: Any, index: int, data: st.DataObject) -> None:
    prefix = data.draw(st.integers(0, address.max_prefixlen))
    decoded = second_opinion(ifaddrmsg, rt.address_add(index, address, prefix))
    assert (decoded["index"], decoded["prefixlen"]) == (index, prefix)
    assert ipaddress.ip_address(decoded.get_attr("IFA_LOCAL")) == address


@given(address=V4 | V6, index=st.integers(1, 1000), prefix=st.integers(0, 32))
def test_we_read_back_the_addresses_that_we_write(address: Any, index: int, prefix: int) -> None:
    row = rt.address_row(rt.address_add(index, address, prefix)[2])
    assert (row.index, row.address, row.prefix) == (index, address, prefix)


@st.composite
def routes(draw: st.DrawFn) -> tuple[Any, ...]:
    version = draw(st.sampled_from((4, 6)))
    address = draw(st.ip_addresses(v=version))
    network = ipaddress.ip_network((address, draw(st.integers(0, address.max_prefixlen))), strict=False)
    via = draw(st.none() | st.ip_addresses(v=version))
    return network, via, draw(st.integers(1, 1000)), draw(st.integers(0, 255)), draw(st.sampled_from((0, 253)))


@given(route=routes())
def test_pyroute2_reads_our_routes(route: tuple[Any, ...]) -> None:
    network, via, output, protocol, scope = route
    decoded = second_opinion(rtmsg, rt.route_add(*route))
    assert (decoded["dst_len"], decoded["proto"], decoded["scope"]) == (network.prefixlen, protocol, scope)
    assert decoded.get_attr("RTA_OIF") == output
    assert decoded["table"] == 254
    if network.prefixlen:
        assert ipaddress.ip_address(decoded.get_attr("RTA_DST")) == network.network_address
    gateway = decoded.get_attr("RTA_GATEWAY")
    assert (ipaddress.ip_address(gateway) if gateway else None) == via


@given(route=routes())
def test_we_read_back_the_routes_that_we_write(route: tuple[Any, ...]) -> None:
    row = rt.route_row(rt.route_add(*route)[2])
    assert (row.destination, row.via, row.output, row.protocol, row.scope) == route


def test_we_read_a_link_that_pyroute2_writes() -> None:
    message = ifinfmsg()
    message["index"], message["flags"] = 5, 1
    message["attrs"] = [
        ("IFLA_IFNAME", "cali0"),
        ("IFLA_MTU", 1450),
        ("IFLA_ADDRESS", "ee:ee:ee:ee:ee:ee"),
        ("IFLA_LINK", 2),
        ("IFLA_LINK_NETNSID", 4),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "veth")]}),
    ]
    assert rt.link_row(encoded(message)) == rt.LinkRow(5, "cali0", "veth", True, 1450, "ee:ee:ee:ee:ee:ee", 2, 4)


def test_we_read_a_route_with_several_next_hops_that_pyroute2_writes() -> None:
    message = rtmsg()
    message["family"], message["dst_len"], message["table"], message["type"] = 2, 24, 254, 1
    hops = [{"hops": 0, "oif": oif, "attrs": [("RTA_GATEWAY", "10.0.0.%d" % oif)]} for oif in (3, 4)]
    message["attrs"] = [("RTA_DST", "172.16.1.0"), ("RTA_MULTIPATH", hops)]
    row = rt.route_row(encoded(message))
    assert row.multipath
    assert row.output == 3
    assert str(row.destination) == "172.16.1.0/24"


SAMPLES = {
    rt.link_row: rt.veth_add("cali0", "veth0", 7)[2],
    rt.address_row: rt.address_add(3, ipaddress.ip_address("fd00::1"), 64)[2],
    rt.route_row: rt.route_add(
        ipaddress.ip_network("172.16.1.0/24"), ipaddress.ip_address("10.130.17.31"), 3, 96, 0
    )[2],
}  # fmt: skip


@pytest.mark.parametrize("decoder", SAMPLES, ids=lambda decoder: decoder.__name__)
@given(data=st.data())
def test_a_damaged_message_is_malformed_or_a_row_but_never_anything_else(decoder: Any, data: st.DataObject) -> None:
    body = bytearray(SAMPLES[decoder])
    for _damage in range(data.draw(st.integers(0, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    with contextlib.suppress(Malformed):
        decoder(bytes(body[:cut]))


@pytest.mark.parametrize("decoder", SAMPLES, ids=lambda decoder: decoder.__name__)
def test_a_cut_header_is_malformed(decoder: Any) -> None:
    with pytest.raises(Malformed):
        decoder(SAMPLES[decoder][:7])
