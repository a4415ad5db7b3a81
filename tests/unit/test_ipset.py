# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets without a kernel: reading entries, the laws of planning, the codec."""

from __future__ import annotations

import struct
from ipaddress import ip_network
from typing import Any, Dict, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipset as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipset_codec as codec
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.ipset_bulk import Codec
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.ipset_words import refusal_words
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import Malformed, NetlinkError, parsed
from ansible_collections.lulab.lvs.plugins.module_utils.model import ipset as model
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_entries import Reader, read_one, settled
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_options import header_from
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_parts import canonical_entry
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_plan import Wish, planned, wanted
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_state import Contents, SetState, contents_of
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipset_types import Wrong
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, applied, plan, undone

# What each type's entries look like when C(ipset save) prints them.
SAMPLES: Dict[str, List[str]] = {
    "bitmap:ip": ["10.0.0.1"],
    "bitmap:ip,mac": ["10.0.0.1,02:00:0A:82:11:1E", "10.0.0.2"],
    "bitmap:port": ["80"],
    "hash:ip": ["10.0.0.1", "255.255.255.255"],
    "hash:ip,mac": ["10.0.0.1,02:00:0A:82:11:1E"],
    "hash:ip,mark": ["10.0.0.1,0x00000063"],
    "hash:ip,port": ["10.0.0.1,tcp:80", "10.0.0.1,icmp:echo-request", "10.0.0.1,icmp:77/1", "10.0.0.1,201:0"],
    "hash:ip,port,ip": ["10.0.0.1,udp:53,10.0.0.2"],
    "hash:ip,port,net": ["10.0.0.1,udp:53,10.0.0.0/24", "10.0.0.1,udp:53,10.0.0.2"],
    "hash:mac": ["02:00:0A:82:11:1E"],
    "hash:net": ["10.0.0.0/8", "10.0.0.1"],
    "hash:net,iface": ["10.0.0.0/8,eth0", "0.0.0.0/0,physdev:br0"],
    "hash:net,net": ["10.0.0.0/8,128.0.0.0/1", "10.0.0.0/8,10.0.0.1"],
    "hash:net,port": ["10.0.0.0/8,sctp:7"],
    "hash:net,port,net": ["0.0.0.0/0,tcp:80,10.0.0.0/8"],
    "list:set": ["other"],
}


def header(type_name: str, **stated: Any) -> model.Set:
    ranges = {"bitmap:port": "0-1023", "bitmap:ip": "10.0.0.0/16", "bitmap:ip,mac": "10.0.0.0/16"}
    family = stated.pop("family", "")
    if type_name in ranges:
        stated.setdefault("range", ranges[type_name])
    return header_from(type_name, family, stated)[0]


def read(type_name: str, *texts: str, **stated: Any) -> Dict[str, Any]:
    head = header(type_name, **stated)
    return Reader(head.row, head.frame()).read(texts)


def test_every_type_has_a_sample_and_its_dimensions() -> None:
    assert set(SAMPLES) == set(model.TYPES)
    assert sorted(name for name, count in model.DIMENSIONS.items() if count == 3) == [
        "hash:ip,port,ip",
        "hash:ip,port,net",
        "hash:net,port,net",
    ]
    assert {name for name, count in model.DIMENSIONS.items() if count == 1} == {
        *("bitmap:ip", "bitmap:port", "hash:ip", "hash:mac", "hash:net", "list:set")
    }


@pytest.mark.parametrize("type_name", SAMPLES)
def test_what_the_kernel_prints_reads_as_itself(type_name: str) -> None:
    assert list(read(type_name, *SAMPLES[type_name])) == SAMPLES[type_name]


@pytest.mark.parametrize("type_name", SAMPLES)
def test_an_entry_survives_the_wire(type_name: str) -> None:
    head = header(type_name)
    coder = Codec(head.row, head.family)
    options = (("timeout", 7), ("packets", 1), ("bytes", 1 << 40), ("comment", "a b"), ("skbmark", "0x1/0xff"))
    options += (("skbprio", "1:a"), ("skbqueue", 3))
    entries = {key: options if place else () for place, key in enumerate(SAMPLES[type_name] * 1)}
    found: Dict[str, Any] = {}
    coder.decode(b"".join(coder.encode(entries.items())), found)
    assert found == entries
    alike: Dict[str, Any] = {}
    coder.decode(b"".join(coder.encode([(SAMPLES[type_name][0], ())] * 3)), alike)
    assert alike == {SAMPLES[type_name][0]: ()}


# An entry as Linux 6.18 listed it: 10.0.251.85,tcp:342. We set the byte order flag of an address, it does not.
GOLDEN_LISTED = bytes.fromhex("200007800c000180080001000a00fb5506000440015600000500070006000000")


def test_the_kernels_own_bytes_are_read() -> None:
    found: Dict[str, Any] = {}
    coder = Codec(model.TYPES["hash:ip,port"], "inet")
    coder.decode(GOLDEN_LISTED, found)
    assert found == {"10.0.251.85,tcp:342": ()}
    written = coder.encode(found.items())[0]
    assert written.replace(b"\x08\x00\x01\x40", b"\x08\x00\x01\x00") == GOLDEN_LISTED


@given(st.binary(max_size=80), st.integers(0, 200), st.sampled_from(sorted(SAMPLES)))
@settings(max_examples=300, deadline=None)
def test_broken_bytes_are_malformed_or_read_nothing_false(noise: bytes, place: int, type_name: str) -> None:
    head = header(type_name)
    coder = Codec(head.row, head.family)
    whole = b"".join(coder.encode([(key, ()) for key in SAMPLES[type_name]] * 2))
    place %= len(whole)
    for broken in (whole[:place], whole[:place] + noise, whole[:place] + noise + whole[place + len(noise) :]):
        found: Dict[str, Any] = {}
        try:
            coder.decode(broken, found)
        except Malformed:
            continue
        for key, options in found.items():  # whatever was read is an entry that can be written again, and is the same
            again: Dict[str, Any] = {}
            Codec(head.row, head.family).decode(codec.encode_entry(head.row, head.family, key, options), again)
            assert again == {key: options}


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_a_broken_header_is_malformed(noise: bytes) -> None:
    body = parsed(codec.text(codec.TYPENAME, "bitmap:ip") + codec.attribute(codec.DATA, noise))
    with pytest.raises(Malformed):
        codec.decode_set(body)


WAYS = [
    ("hash:ip", "10.0.0.0/30", ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
    ("hash:net", "10.0.0.0-10.0.2.255", ["10.0.0.0/23", "10.0.2.0/24"]),
    ("hash:net", "10.1.2.3/8", ["10.0.0.0/8"]),
    ("hash:ip,port", "10.0.0.1,80-82", ["10.0.0.1,tcp:80", "10.0.0.1,tcp:81", "10.0.0.1,tcp:82"]),
    ("hash:ip,port", "10.0.0.1,UDP:53", ["10.0.0.1,udp:53"]),
    ("hash:ip,port", "10.0.0.1,icmp:PING", ["10.0.0.1,icmp:echo-request"]),
    ("hash:ip,port", "10.0.0.1,112:0", ["10.0.0.1,vrrp:0"]),
    ("hash:ip,mark", "10.0.0.1,99", ["10.0.0.1,0x00000063"]),
    ("hash:mac", "2:0:a:82:11:1e", ["02:00:0A:82:11:1E"]),
]


@pytest.mark.parametrize("type_name, text, keys", WAYS)
def test_one_text_may_stand_for_several_entries(type_name: str, text: str, keys: List[str]) -> None:
    if type_name == "hash:ip":
        text = "10.0.0.1-10.0.0.3"
    assert list(read(type_name, text)) == keys


def test_service_names_are_looked_up() -> None:
    assert list(read("hash:ip,port", "10.0.0.1,http", "10.0.0.1,udp:[domain]")) == [
        "10.0.0.1,tcp:80",
        "10.0.0.1,udp:53",
    ]
    with pytest.raises(BadInput, match="no service"):
        read("hash:ip,port", "10.0.0.1,nosuchservice")


def test_ipv6_is_written_as_the_kernel_writes_it() -> None:
    assert list(read("hash:net", "2001:DB8:0:0::1/32", family="inet6")) == ["2001:db8::/32"]


addresses = st.ip_addresses(v=4).map(str).filter(lambda text: text != "0.0.0.0")
ports = st.tuples(st.sampled_from(["tcp", "udp", "sctp"]), st.integers(0, 65535)).map(lambda pair: "%s:%d" % pair)
portless = st.sampled_from(["icmp:echo-request", "icmp:77/1", "icmp:0/77", "gre:0", "udplite:7", "201:0"])
keys_of_entries = st.tuples(addresses, ports | portless).map(",".join)


@given(st.lists(keys_of_entries, max_size=20, unique=True))
@settings(max_examples=100, deadline=None)
def test_the_quick_way_and_the_slow_way_agree(keys: List[str]) -> None:
    head = header("hash:ip,port")
    reader = Reader(head.row, head.frame())
    slow = Reader(head.row, head.frame())
    slow._simple = slow._canonical = None
    assert reader.read(keys) == slow.read(keys) == reader.read(keys, dict.fromkeys(keys, ()))
    coder = Codec(head.row, head.family)
    found: Dict[str, Any] = {}
    coder.decode(b"".join(coder.encode((key, ()) for key in keys)), found)
    assert found == dict.fromkeys(keys, ())


@given(st.lists(st.tuples(addresses, st.integers(1, 31), ports | portless), max_size=20), st.booleans())
@settings(max_examples=100, deadline=None)
def test_networks_with_ports_come_back_from_their_bytes(found: List[Any], hosts: bool) -> None:
    head = header("hash:net,port", comment=True)
    keys = [
        "%s,%s" % (host if hosts else ip_network((host, length), strict=False), port) for host, length, port in found
    ]
    entries = {key: (("comment", "a"),) if "tcp" in key else () for key in keys if not key.startswith("0.0.0.0/")}
    coder = Codec(head.row, head.family)
    back: Dict[str, Any] = {}
    for _twice in range(2):  # the second time by what was kept of the first
        coder.decode(b"".join(coder.encode(entries.items())), back)
        assert back == entries


@given(
    st.tuples(st.lists(st.integers(0, 300), min_size=4, max_size=4), st.integers(0, 99999)), st.sampled_from(["", "0"])
)
def test_what_is_canonical_at_a_glance_is_so_when_read(numbers: Any, zero: str) -> None:
    head = header("hash:ip,port")
    text = "%s,tcp:%s" % (".".join(zero + str(each) for each in numbers[0]), zero + str(numbers[1]))
    pattern = canonical_entry(head.row.parts, head.frame())
    try:
        as_read = read_one(text, head.row, head.frame()) == ([text], ())
    except Wrong:
        as_read = False
    assert bool(pattern and pattern.fullmatch(text)) == (as_read and not text.startswith("0.0.0.0,"))


entries_of_sets = st.dictionaries(
    addresses, st.sampled_from([(), (("comment", "a"),), (("comment", "b"), ("skbqueue", 3))]), max_size=8
)
headers = st.builds(
    lambda comment, maxelem: header("hash:ip", comment=comment, skbinfo=True, maxelem=maxelem),
    st.just(True),
    st.sampled_from([64, 128]),
)


@st.composite
def states(draw: Any) -> SetState:
    if draw(st.booleans()):
        others = {"lulab-lvs-tmp-00000001": header("hash:ip")} if draw(st.booleans()) else {}
        return SetState("S", Contents(draw(headers), draw(entries_of_sets), others))
    return SetState("S", Contents(None, {}, {}))


@st.composite
def wishes(draw: Any) -> Wish:
    declared = draw(entries_of_sets)
    texts = ["%s%s" % (key, model.option_words(value, model.in_quotes)) for key, value in declared.items()]
    present = draw(st.booleans())
    exact = draw(st.booleans()) and present
    stated = {"comment": True, "skbinfo": True}
    if exact and draw(st.booleans()):
        stated["maxelem"] = 128
    entries = texts if present or draw(st.booleans()) else None
    return Wish("S", "hash:ip", entries=entries, present=present, exact=exact, stated=stated)


@given(states(), wishes())
@settings(max_examples=300, deadline=None)
def test_the_laws_of_planning(have: SetState, wish: Wish) -> None:
    changes = planned(wish, have)
    now = contents_of(have, "S")
    want = dict(SetState("S", wanted(wish, now)))
    after = applied(have, changes)
    assert after == want
    assert planned(wish, after) == []
    assert applied(after, undone(changes)) == dict(have)
    if not any(step.rebuilds for step in model.steps(changes)):
        assert set(changes) == set(plan(have, want, model.KINDS))
    for command in model.commands(changes):
        assert command.startswith("ipset ")


names_of_sets = st.permutations("abcdef").flatmap(
    lambda names: st.integers(0, 6).map(lambda number: list(names[:number]))
)


@st.composite
def lists(draw: Any, there: List[str]) -> Wish:
    """What may be asked of a list that holds the sets ``there``: some with a place beside one that is in it by then."""
    entries: List[str] = []
    exact = draw(st.booleans())
    known = [] if exact else list(there)
    for name in draw(names_of_sets):
        others = [each for each in known if each != name]
        word = draw(st.sampled_from(["", "before", "after"])) if others else ""
        entries.append("%s %s %s" % (name, word, draw(st.sampled_from(others))) if word else name)
        known.append(name)
    stated = {"counters": True} if exact and draw(st.booleans()) else {}
    return Wish("S", "list:set", entries=entries, exact=exact, stated=stated)


@given(st.data())
@settings(max_examples=500, deadline=None)
def test_the_laws_of_planning_hold_for_the_order_of_a_list(data: Any) -> None:
    there = data.draw(names_of_sets)
    have = SetState("S", Contents(header("list:set"), dict.fromkeys(there, ()), {}))
    wish = data.draw(lists(there))
    try:
        changes = planned(wish, have)
    except BadInput as error:
        assert "contradict" in str(error)
        return
    want = wanted(wish, have.contents)
    after = applied(have, changes)
    assert list(contents_of(after, "S").members.items()) == list(want.members.items())
    assert planned(wish, after) == []
    assert list(contents_of(applied(after, undone(changes)), "S").members) == there
    assert "before" not in model.listing(after) and "after" not in model.listing(after)
    gone = planned(Wish("S", present=False), have)
    assert list(contents_of(applied(applied(have, gone), undone(gone)), "S").members) == there
    for place, text in enumerate(wish.entries or ()):
        name, word, other = (*text.split(), "", "")[:3]
        later = {each.split()[0] for each in (wish.entries or ())[place + 1 :] if " " in each}
        if word and not later:  # nothing can have come between
            order = list(want.members)
            assert order[order.index(other) + (1 if word == "after" else -1)] == name


ORDERS = [
    ("", ["a", "b after a", "c after a"], "acb"),
    ("", ["a", "b", "c before a"], "cab"),
    ("ybqa", ["x after y", "y before a"], "bqxya"),
    ("abc", ["a after c"], "bca"),
    ("abc", ["x before a", "c"], "xabc"),
]


@pytest.mark.parametrize("there, entries, order", ORDERS)
def test_where_before_and_after_put_a_set(there: str, entries: List[str], order: str) -> None:
    now = Contents(header("list:set"), dict.fromkeys(there, ()), {})
    assert "".join(wanted(Wish("S", "list:set", entries=entries), now).members) == order


def test_places_that_cannot_be_are_refused() -> None:
    now = Contents(header("list:set"), dict.fromkeys("xyz", ()), {})
    with pytest.raises(BadInput, match="contradict each other"):
        wanted(Wish("S", entries=["x after y", "y after z", "z after x"]), now)
    with pytest.raises(BadInput, match="d is not in the list by then"):
        wanted(Wish("S", entries=["x after d", "d"]), now)


def test_what_moves_in_a_list_is_the_least_that_can() -> None:
    now = SetState("S", Contents(header("list:set"), dict.fromkeys("abcdef", ()), {}))
    moved = planned(Wish("S", entries=["a after f"]), now)
    assert model.commands(moved) == ["ipset del S a", "ipset add S a after f"]


def test_a_state_is_the_mapping_that_it_stands_for() -> None:
    state = SetState("S", Contents(header("hash:ip"), {"10.0.0.1": ()}, {"lulab-lvs-tmp-1": header("hash:net")}))
    plain = dict(state)
    assert len(state) == len(plain) == 3
    assert contents_of(plain, "S") == state.contents
    assert ("entry", ("S", "10.0.0.2")) not in state and ("set", "T") not in state


def test_a_timeout_that_runs_is_settled() -> None:
    def timeouts(have: int, stated: int) -> bool:
        return settled((("timeout", have),), (("timeout", stated),))

    assert timeouts(5, 60) and timeouts(60, 60) and timeouts(0, 0)
    assert not timeouts(61, 60) and not timeouts(0, 60) and not timeouts(60, 0)
    assert settled((("timeout", 5),), ())
    assert not settled((), (("timeout", 5),))


def test_duplicates_that_contradict_each_other_are_named() -> None:
    with pytest.raises(BadInput, match=r"entries\[2\].*entries\[0\] is the same entry \(10.0.0.1\)"):
        read("hash:ip", "10.0.0.1 timeout 5", "10.0.0.2", "10.0.0.1 timeout 6")
    assert list(read("hash:ip", "10.0.0.1", "10.0.0.1/32")) == ["10.0.0.1"]


def test_many_commands_are_one_document_for_restore() -> None:
    entries = ['10.0.%d.%d comment "$a"' % (number >> 8, number & 255) for number in range(1, 1200)]
    wish = Wish("S", "hash:ip", entries=entries, stated={"comment": True})
    commands = model.commands(planned(wish, SetState("S", Contents(None, {}, {}))))
    assert len(commands) == 1
    lines = commands[0].splitlines()
    assert lines[:3] == [
        "ipset restore <<'END'",
        "create S hash:ip family inet comment",
        'add S 10.0.0.1 comment "$a"',
    ]
    assert lines[-1] == "END"


def test_maxelem_and_hashsize_follow_need() -> None:
    entries = ["10.%d.%d.%d" % (n >> 16, n >> 8 & 255, n & 255) for n in range(1, 70001)]
    head = wanted(Wish("S", "hash:ip", entries=entries), Contents(None, {}, {})).header
    assert head is not None and (head.maxelem, head.hashsize) == (131072, 65536)
    with pytest.raises(BadInput, match="4464 do not fit"):
        wanted(Wish("S", "hash:ip", entries=entries, stated={"maxelem": 65536}), Contents(None, {}, {}))


def test_error_numbers_mean_what_they_mean_for_the_type() -> None:
    error = NetlinkError(4352)
    assert "full" in refusal_words(error, None, header("hash:ip"))
    assert "outside of the range" in refusal_words(error, None, header("bitmap:port"))
    created = Change(model.SET, "S", None, header("bitmap:ip"))
    assert "does not suit the netmask" in refusal_words(error, created)
    assert "no set" in refusal_words(error, None, header("list:set"))
    assert "4100" in refusal_words(NetlinkError(4100), None)


def test_addresses_are_in_network_order() -> None:
    written = Codec(model.TYPES["hash:ip"], "inet").encode([("10.0.0.1", ())])[0]
    assert struct.unpack("!I", written[12:16])[0] == 0x0A000001


def test_two_macs_for_one_address_are_refused() -> None:
    texts = ["10.0.0.1,02:00:0A:82:11:1E", "10.0.0.1,02:00:0A:82:11:1F"]
    wish = Wish("S", "bitmap:ip,mac", entries=texts, stated={"range": "10.0.0.0/16"})
    with pytest.raises(BadInput, match="the same entry"):
        planned(wish, SetState("S", Contents(None, {}, {})))


def second_opinion(message: Any) -> Any:
    """What pyroute2 reads in a message of ours, by name."""
    ipset_msg = pytest.importorskip("pyroute2.netlink.nfnetlink.ipset").ipset_msg
    kind, _flags, body = message
    decoded = ipset_msg(struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body)
    decoded.decode()
    return decoded


@given(st.lists(st.tuples(addresses, st.sampled_from([6, 17, 132]), st.integers(0, 65535)), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_pyroute2_reads_the_entries_that_we_write(found: List[Any]) -> None:
    head = header("hash:ip,port", comment=True)
    names = {6: "tcp", 17: "udp", 132: "sctp"}
    keys = ["%s,%s:%d" % (address, names[protocol], port) for address, protocol, port in found]
    written = Codec(head.row, head.family).encode((key, (("comment", "why"),)) for key in keys)
    (message,) = kernel._batches(kernel.ADD, "S", written)
    decoded = second_opinion(message)
    assert decoded.get_attr("IPSET_ATTR_SETNAME") == "S"
    read_back = [
        (
            data.get_attr("IPSET_ATTR_IP_FROM").get_attr("IPSET_ATTR_IPADDR_IPV4"),
            data.get_attr("IPSET_ATTR_PROTO"),
            data.get_attr("IPSET_ATTR_PORT_FROM"),
        )
        for data in decoded.get_attr("IPSET_ATTR_ADT").get_attrs("IPSET_ATTR_DATA")
    ]
    assert read_back == found


@given(st.integers(1, 1 << 20), st.integers(0, 1000) | st.none(), st.sampled_from(["inet", "inet6"]))
@settings(max_examples=50, deadline=None)
def test_pyroute2_reads_the_sets_that_we_create(maxelem: int, timeout: Any, family: str) -> None:
    head = header("hash:net", family=family, maxelem=maxelem, **({} if timeout is None else {"timeout": timeout}))
    data = second_opinion(kernel._message(kernel.CREATE, codec.encode_set(head))).get_attr("IPSET_ATTR_DATA")
    assert data.get_attr("IPSET_ATTR_MAXELEM") == maxelem
    assert data.get_attr("IPSET_ATTR_TIMEOUT") == timeout
