# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual services without a kernel: laws of the plan, ipvsadm's syntax, bytes."""

from __future__ import annotations

import contextlib
import errno
import re
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ipvs_captured
from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput, LvsError, Unsupported
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipvs
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipvs_codec as codec
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.ipvs import Ipvs, conversation, reason_of
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import Malformed, NetlinkError, generic_body
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs import (
    Server,
    Service,
    ServiceKey,
    commands,
    described,
    flag_bits,
    listing,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_drain import drainable, gently, parse_drain
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_options import Wanted, declared
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_want import changes_towards, want_of
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change, applied, undone
from ipvs_objects import FEW, states

WEB = ServiceKey("ipv4", 0, "tcp", "169.254.2.100", 80)
ONE = ("10.130.17.30", 8888)


@FEW
@given(states(), states())
def test_the_plan_keeps_its_laws(have: Any, want: Any) -> None:
    changes = changes_towards(have, want)
    after = applied(have, changes)
    assert after == want
    assert changes_towards(want, want) == []
    assert applied(after, undone(changes)) == have


@FEW
@given(states(), states())
def test_no_server_stands_without_its_service_at_any_step(have: Any, want: Any) -> None:
    changes = changes_towards(have, want)
    for way, start in ((changes, have), (undone(changes), want)):
        state = start
        for change in way:
            state = applied(state, [change])
            assert all(kind == "service" or ("service", key[0]) in state for kind, key in state)


@FEW
@given(states())
def test_what_is_described_means_the_same_when_declared(state: Any) -> None:
    assert want_of({}, declared({}, described(state))) == state


@FEW
@given(states())
def test_the_listing_is_what_ipvsadm_would_have_to_be_told(state: Any) -> None:
    """The lines of a saved table are the commands without the tool's name, but for what each leaves out."""
    typed = [
        re.sub(r" --tun-type ipip| -[xy] \d+|^ipvsadm ", "", line) for line in commands(changes_towards({}, state))
    ]
    printed = [re.sub(r" --tun-type ipip| -[xy] \d+", "", line) for line in listing(state).splitlines()]
    assert sorted(typed) == sorted(printed)


@FEW
@given(states(), states())
def test_new_servers_stand_before_old_ones_go(have: Any, want: Any) -> None:
    removing = [change.removes for change in changes_towards(have, want)]
    assert removing == sorted(removing)


def test_kept_weights_are_those_of_servers_that_are_there() -> None:
    have = {("service", WEB): Service(), ("server", (WEB, *ONE)): Server(weight=0)}
    wanted = {WEB: Wanted(Service(), {ONE: Server(weight=5), ("10.0.0.9", 80): Server(weight=7)})}
    want = want_of(have, wanted, keep_weights=True)
    assert want["server", (WEB, *ONE)].weight == 0
    assert want["server", (WEB, "10.0.0.9", 80)].weight == 7
    assert want_of(have, wanted)["server", (WEB, *ONE)].weight == 5


def test_commands_are_those_of_the_article() -> None:
    state = {("service", WEB): Service("rr"), ("server", (WEB, *ONE)): Server()}
    assert commands(changes_towards({}, state)) == [
        "ipvsadm -A -t 169.254.2.100:80 -s rr",
        "ipvsadm -a -t 169.254.2.100:80 -r 10.130.17.30:8888 -m -w 1",
    ]
    assert commands(changes_towards(state, {})) == [
        "ipvsadm -d -t 169.254.2.100:80 -r 10.130.17.30:8888",
        "ipvsadm -D -t 169.254.2.100:80",
    ]


# The kernel's reply and our request carry the same attributes, but for statistics and counters.
COUNTERS = b"".join(codec.u32(kind, 3) for kind in (codec.DEST_ACTIVE_CONNS, 8, 9))


@FEW
@given(states())
def test_what_is_sent_is_what_is_read_back(state: Any) -> None:
    for change in changes_towards({}, state):
        command, *attributes = codec.request(change)
        body = generic_body(command, codec.VERSION, *attributes)
        if change.kind == "service":
            assert codec.decoded_service(body) == (change.key, change.after)
        else:
            service, address, port = change.key
            assert codec.decoded_server(body, service) == ((address, port), change.after)


def test_a_service_in_bytes() -> None:
    """Against include/uapi/linux/ip_vs.h, little endian, by hand."""
    command, attributes = codec.request(Change("service", WEB, None, Service("rr", 0, 300, "255.255.255.0")))
    assert command == 1
    assert attributes.hex(" ", 4) == (
        "54000180 06000100 02000000 06000200 06000000 14000300 a9fe0264 00000000"
        " 00000000 00000000 06000400 00500000 07000600 72720000 0c000700 01000000"
        " ffffffff 08000800 2c010000 08000900 ffffff00"
    )


def test_a_server_in_bytes() -> None:
    command, service, server = codec.request(
        Change("server", (WEB, *ONE), Server(), Server(weight=2, upper=9, lower=4))
    )
    assert command == 6
    assert service.hex(" ", 4) == (
        "30000180 06000100 02000000 06000200 06000000 14000300 a9fe0264 00000000 00000000 00000000 06000400 00500000"
    )
    assert server.hex(" ", 4) == (
        "48000280 06000b00 02000000 14000100 0a82111e 00000000 00000000 00000000 06000200 22b80000"
        " 08000300 00000000 08000400 02000000 08000500 09000000 08000600 04000000"
    )


CAPTURED_SERVICE = Service("sh", 0x10, 300, "255.255.255.0")
CAPTURED_SERVER = Server("tunneling", 2, 9, 4, "gue", 6080, "csum")


def test_we_write_what_ipvsadm_writes() -> None:
    command, attributes = codec.request(Change("service", WEB, None, CAPTURED_SERVICE))
    assert generic_body(command, codec.VERSION, attributes) == ipvs_captured.NEW_SERVICE
    key = (WEB, "10.130.17.30", 80)
    assert codec.request(Change("server", key, None, CAPTURED_SERVER))[2] == ipvs_captured.NEW_SERVER


def test_we_read_what_the_kernel_answered() -> None:
    for _twice in range(2):  # the second time by the remembered layout
        assert codec.decoded_service(ipvs_captured.SERVICE_REPLY) == (WEB, CAPTURED_SERVICE)
        found = codec.decoded_server(ipvs_captured.SERVER_REPLY, WEB)
        assert found == (("10.130.17.30", 80), CAPTURED_SERVER)
        assert codec.decoded_connections(ipvs_captured.SERVER_REPLY, WEB) == (("10.130.17.30", 80), 0)


@pytest.mark.parametrize("reply", [ipvs_captured.SERVICE_REPLY, ipvs_captured.SERVER_REPLY])
def test_a_truncated_reply_is_refused(reply: bytes) -> None:
    """At whatever length: what is lost is never taken for a default that was not sent."""
    decode = (
        codec.decoded_service if reply is ipvs_captured.SERVICE_REPLY else lambda body: codec.decoded_server(body, WEB)
    )
    for length in range(len(reply)):
        with pytest.raises(Malformed):
            decode(reply[:length])


@pytest.mark.skipif(sys.byteorder != "little", reason="pyroute2 reads the machine's own order")
@FEW
@given(states())
def test_pyroute2_reads_what_we_write(state: Any) -> None:
    """Its names for what it gets right: addresses of the service's family, ports, scheduler, weight, thresholds."""
    theirs = pytest.importorskip("pyroute2.netlink.generic.ipvs")
    for change in changes_towards({}, state):
        command, *attributes = codec.request(change)
        body = generic_body(command, codec.VERSION, *attributes)
        header = (16 + len(body)).to_bytes(4, "little") + b"\0" * 12
        message = theirs.ipvsmsg(header + body)
        message.decode()
        read = message.get_attr("IPVS_CMD_ATTR_SERVICE")
        key = change.key if change.kind == "service" else change.key[0]
        if key.fwmark:
            assert read.get_attr("IPVS_SVC_ATTR_FWMARK") == key.fwmark
        else:
            assert read.get_attr("IPVS_SVC_ATTR_PORT") == key.port
        if change.kind == "service":
            assert read.get_attr("IPVS_SVC_ATTR_SCHED_NAME") == change.after.scheduler
            assert read.get_attr("IPVS_SVC_ATTR_TIMEOUT") == change.after.timeout
            continue
        read = message.get_attr("IPVS_CMD_ATTR_DEST")
        assert read.get_attr("IPVS_DEST_ATTR_PORT") == change.key[2]
        assert read.get_attr("IPVS_DEST_ATTR_WEIGHT") == change.after.weight
        assert read.get_attr("IPVS_DEST_ATTR_U_THRESH") == change.after.upper


@FEW
@given(states(), st.data())
def test_damaged_bytes_are_refused_or_read_as_something_well_formed(state: Any, data: Any) -> None:
    changes = changes_towards({}, state)
    if not changes:
        return
    change = data.draw(st.sampled_from(changes))
    command, *attributes = codec.request(change)
    body = bytearray(generic_body(command, codec.VERSION, *attributes) + COUNTERS)
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] = data.draw(st.integers(0, 255))
    damaged = bytes(body[: data.draw(st.integers(0, len(body)))])
    key = change.key if change.kind == "service" else change.key[0]
    for decode in (codec.decoded_service, lambda reply: codec.decoded_server(reply, key)):
        with contextlib.suppress(Malformed):
            decode(damaged)


def test_flags_of_a_scheduler_go_by_its_own_names() -> None:
    assert list(flag_bits("sh")) == ["sh-fallback", "sh-port", "flag-3"]
    assert list(flag_bits("rr")) == ["flag-1", "flag-2", "flag-3"]


@pytest.mark.parametrize(
    ("change", "number", "words"),
    [
        (Change("service", WEB, None, Service("zzz")), 2, "no scheduler 'zzz'; its module is ip_vs_zzz"),
        (Change("service", WEB, None, Service("rr", engine="sip")), 2, "ip_vs_pe_sip"),
        (Change("service", WEB, None, Service()), 17, "add virtual service tcp 169.254.2.100:80: it is there already"),
        (
            Change("server", (WEB, *ONE), Server(), None),
            2,
            "remove real server 10.130.17.30:8888 of virtual service tcp",
        ),
        (Change("server", (WEB, *ONE), None, Server()), 3, "its virtual service is gone"),
        (Change("service", WEB, None, Service()), 1, "initial user namespace"),
    ],
)
def test_a_refusal_is_told_in_words(change: Change, number: int, words: str) -> None:
    assert words in reason_of(change, NetlinkError(number))


class Link:
    """Answers every question with a refusal."""

    def __init__(self, number: int) -> None:
        self.number = number

    def get(self, *_question: Any) -> Any:
        raise NetlinkError(self.number)


@pytest.mark.parametrize("number", [errno.ESRCH, errno.EAFNOSUPPORT])
def test_a_service_of_a_family_that_is_switched_off_is_not_there(number: int) -> None:
    link: Any = Link(number)
    assert Ipvs(link, 1).service(WEB._replace(family="ipv6", address="2001:db8::1")) is None


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (NetlinkError(errno.EPERM), Unsupported, "initial user namespace"),
        (NetlinkError(errno.EINVAL), LvsError, "does not tell what it has: EINVAL"),
        (OSError(errno.ENOBUFS, "no room"), LvsError, "broke off: .*no room"),
        (Malformed("stray bytes"), LvsError, "broke off: stray bytes"),
    ],
)
def test_what_ends_a_conversation_is_told_in_words(
    error: Exception, kind: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipvs, "generic_family", lambda _link, _name: 1)
    with pytest.raises(kind, match=words), conversation():
        raise error


@FEW
@given(states(), states())
def test_a_gentle_plan_keeps_the_laws_and_removes_only_what_takes_no_more(have: Any, want: Any) -> None:
    changes = gently(changes_towards(have, want))
    assert applied(have, changes) == want
    assert applied(want, undone(changes)) == have
    assert all(change.before.weight == 0 for change in changes if drainable(change))


def test_only_what_waits_for_servers_comes_after_the_lowering_of_their_weights() -> None:
    dns, idle = WEB._replace(protocol="udp", port=53), WEB._replace(port=443)
    have = {
        ("service", WEB): Service(),
        ("server", (WEB, *ONE)): Server(weight=3),
        ("service", dns): Service(),
        ("server", (dns, *ONE)): Server(),
        ("service", idle): Service(),
    }
    assert [command.split()[1:4] for command in commands(gently(changes_towards(have, {})))] == [
        ["-d", "-u", "169.254.2.100:53"],
        ["-D", "-u", "169.254.2.100:53"],
        ["-D", "-t", "169.254.2.100:443"],
        ["-e", "-t", "169.254.2.100:80"],
        ["-d", "-t", "169.254.2.100:80"],
        ["-D", "-t", "169.254.2.100:80"],
    ]


@FEW
@given(states(), states())
def test_a_gentle_plan_leaves_no_server_without_its_service(have: Any, want: Any) -> None:
    state = have
    for change in gently(changes_towards(have, want)):
        state = applied(state, [change])
        assert all(kind == "service" or ("service", key[0]) in state for kind, key in state)


@pytest.mark.parametrize(
    ("options", "where"),
    [({"poll": 0}, "poll"), ({"poll": float("nan")}, "poll"), ({"timeout": -1}, "timeout")],
)
def test_drain_needs_numbers_of_seconds(options: dict[str, Any], where: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_drain({"timeout": 60, "poll": 1.0, **options})
    assert error.value.details["parameter"] == "drain.%s" % where
