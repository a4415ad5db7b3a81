# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be said about virtual services, and the words for what may not."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs import Server, Service, ServiceKey
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_options import declared, inside_scope, parse_scope

WEB: dict[str, Any] = {"address": "169.254.2.100", "port": 80}
MARK: dict[str, Any] = {"fwmark": 7}
SIX: dict[str, Any] = {"address": "2001:db8::1", "port": 80}


def only(options: dict[str, Any]) -> Any:
    ((key, wanted),) = declared(options, None).items()
    return key, wanted


def test_defaults_are_those_of_ipvsadm() -> None:
    key, wanted = only({**WEB, "servers": [{"address": "10.0.0.1"}]})
    assert key == ServiceKey("ipv4", 0, "tcp", "169.254.2.100", 80)
    assert wanted.service == Service("wlc", 0, 0, "", "", False)
    assert wanted.servers == {("10.0.0.1", 80): Server("masquerading", 1, 0, 0)}


def test_servers_not_given_differ_from_none_given() -> None:
    assert only(WEB)[1].servers is None
    assert only({**WEB, "servers": []})[1].servers == {}


@pytest.mark.parametrize(
    ("given", "netmask"),
    [({}, "255.255.255.255"), ({"netmask": 24}, "255.255.255.0"), ({"netmask": "255.0.0.0"}, "255.0.0.0")],
)
def test_persistence_of_ipv4(given: dict[str, Any], netmask: str) -> None:
    service = only({**WEB, "persistence": given})[1].service
    assert (service.timeout, service.netmask) == (300, netmask)


def test_persistence_of_ipv6_groups_by_prefix_length() -> None:
    assert only({**SIX, "persistence": {"netmask": "64"}})[1].service.netmask == "64"
    assert only({**SIX, "persistence": {}})[1].service.netmask == "128"


def test_one_address_has_one_key_however_it_is_written() -> None:
    assert only({**SIX, "address": "2001:0DB8:0::0:1"})[0] == only(SIX)[0]


def server(**options: Any) -> dict[str, Any]:
    return {**WEB, "servers": [{"address": "10.0.0.1"}, {"address": "10.0.0.2", **options}]}


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "address"),
    ({"address": "169.254.2.100"}, "port"),
    ({**WEB, "port": 65536}, "port"),
    ({**WEB, "port": -1}, "port"),
    ({**WEB, "port": True}, "port"),
    ({**WEB, "port": "http"}, "port"),
    ({**WEB, "port": 0}, "port"),
    ({**WEB, "protocol": "icmp"}, "protocol"),
    ({**WEB, "address": "169.254.2"}, "address"),
    ({**WEB, "address": "169.254.2.100/32"}, "address"),
    ({**WEB, "address": "fe80::1%eth0"}, "address"),
    ({**WEB, "address": "0.0.0.0"}, "address"),
    ({**WEB, "address": "::"}, "address"),
    ({**WEB, "address": "224.0.0.1"}, "address"),
    ({**WEB, "address": "239.255.255.255"}, "address"),
    ({**WEB, "address": "255.255.255.255"}, "address"),
    ({**WEB, "address": "ff02::1"}, "address"),
    ({**WEB, "family": "ipv6"}, "family"),
    ({**WEB, "scheduler": "no such thing"}, "scheduler"),
    ({**WEB, "scheduler": "a" * 16}, "scheduler"),
    ({**WEB, "scheduler": "rr", "scheduler_flags": ["sh-port"]}, "scheduler_flags[0]"),
    ({**WEB, "scheduler": "sh", "scheduler_flags": ["sh-port", "mh-port"]}, "scheduler_flags[1]"),
    ({**WEB, "one_packet": True}, "one_packet"),
    ({**WEB, "persistence": {"timeout": 0}}, "persistence.timeout"),
    ({**WEB, "persistence": {"timeout": 31 * 86400 + 1}}, "persistence.timeout"),
    ({**WEB, "persistence": {"netmask": "255.255"}}, "persistence.netmask"),
    ({**WEB, "persistence": {"netmask": 33}}, "persistence.netmask"),
    ({**SIX, "persistence": {"netmask": "255.255.255.0"}}, "persistence.netmask"),
    ({**WEB, "persistence": {"engine": "S I P"}}, "persistence.engine"),
    ({**MARK, "port": 80}, "port"),
    ({**MARK, "protocol": "tcp"}, "protocol"),
    ({**MARK, "address": "10.0.0.1"}, "address"),
    ({**MARK, "fwmark": 0}, "fwmark"),
    ({**MARK, "fwmark": 2**32}, "fwmark"),
    ({**MARK, "family": "ipx"}, "family"),
    (server(address=None), "servers[1].address"),
    (server(address="10.0.0.2/24"), "servers[1].address"),
    (server(address="2001:db8::2"), "servers[1].address"),
    (server(port=65536), "servers[1].port"),
    (server(weight=-1), "servers[1].weight"),
    (server(weight=65536), "servers[1].weight"),
    (server(upper_threshold=-1), "servers[1].upper_threshold"),
    (server(upper_threshold=3, lower_threshold=4), "servers[1].lower_threshold"),
    (server(lower_threshold=1), "servers[1].lower_threshold"),
    (server(forward="nat"), "servers[1].forward"),
    (server(forward="direct", port=81), "servers[1].port"),
    (server(forward="tunneling", port=81), "servers[1].port"),
    (server(tunnel={}), "servers[1].tunnel"),
    (server(forward="tunneling", tunnel={"type": "gue"}), "servers[1].tunnel.port"),
    (server(forward="tunneling", tunnel={"type": "gre", "port": 4}), "servers[1].tunnel.port"),
    (server(forward="tunneling", tunnel={"type": "vxlan"}), "servers[1].tunnel.type"),
    (server(forward="tunneling", tunnel={"checksum": "csum"}), "servers[1].tunnel.checksum"),
    (server(forward="tunneling", tunnel={"type": "gre", "checksum": "remcsum"}), "servers[1].tunnel.checksum"),
    (server(wieght=2), "servers[1].wieght"),
    ({**WEB, "persistence": 300}, "persistence"),
    ({**WEB, "persistence": {"seconds": 300}}, "persistence.seconds"),
    ({**WEB, "one_packet": "perhaps"}, "one_packet"),
    ({**WEB, "servers": "10.0.0.1"}, "servers"),
    ({**WEB, "servers": ["10.0.0.1"]}, "servers[0]"),
    (server(address="10.0.0.1"), "servers[1]"),
]
# What an argument specification would have refused, had it been asked about what lies inside the list.
WRONG_TYPES: list[tuple[dict[str, Any], str]] = [
    *(({**WEB, "address": value}, "address") for value in (7, "", ["10.0.0.1"], {})),
    *(({**WEB, "port": value}, "port") for value in ("\u00b2", "\u0663", "9" * 5000, "", 80.0, [80])),
    *(({**WEB, "protocol": value}, "protocol") for value in ("", 6, ["tcp"], {})),
    *(({**WEB, "scheduler": value}, "scheduler") for value in ("", 0, 7, False, [], ["rr"], {})),
    *(({**WEB, "scheduler_flags": value}, "scheduler_flags") for value in ("", "flag-1", 8, {})),
    *(({**WEB, "scheduler_flags": [value]}, "scheduler_flags[0]") for value in (["a"], {}, None, 8)),
    *(({**WEB, "persistence": value}, "persistence") for value in (0, "", [])),
    *(({**WEB, "persistence": {"engine": value}}, "persistence.engine") for value in (0, 5, "", ["sip"])),
    *(({**WEB, "persistence": {"netmask": value}}, "persistence.netmask") for value in ("\u00b2", [], "9" * 5000)),
    *(({**WEB, "one_packet": value}, "one_packet") for value in ("", [], 2)),
    *(({**MARK, "family": value}, "family") for value in ("", 4, [])),
    *(({**MARK, "fwmark": value}, "fwmark") for value in ("0x7", [7])),
    *((server(forward=value), "servers[1].forward") for value in ("", 0, ["direct"], {})),
    *((server(forward="tunneling", tunnel=value), "servers[1].tunnel") for value in (0, "", [])),
    *((server(forward="tunneling", tunnel={"type": value}), "servers[1].tunnel.type") for value in ("", 0, [])),
    *((server(forward="tunneling", tunnel={"checksum": value}), "servers[1].tunnel.checksum") for value in ("", [])),
]


@pytest.mark.parametrize(("options", "where"), BAD + WRONG_TYPES)
def test_what_cannot_be_meant_is_named(options: dict[str, Any], where: str) -> None:
    with pytest.raises(BadInput) as single:
        declared(options, None)
    assert single.value.details["parameter"] == where
    with pytest.raises(BadInput) as listed:
        declared({}, [SIX, options])
    assert listed.value.details["parameter"] == "services[1].%s" % where


@pytest.mark.parametrize(
    "entry",
    [
        {**WEB, "port": 0},
        {**WEB, "one_packet": True, "scheduler": "no such thing", "servers": "any", "persistence": 7},
        {**MARK, "family": "ipv6", "servers": [{"address": "10.0.0.1"}]},
    ],
)
def test_of_what_is_to_be_absent_only_the_name_matters(entry: dict[str, Any]) -> None:
    for options, listed in ((entry, None), ({}, [entry])):
        ((key, _wanted),) = declared(options, listed, absent=True).items()
        assert (key.port, key.fwmark) == (entry.get("port", 0), entry.get("fwmark", 0))


@pytest.mark.parametrize(
    ("options", "where"),
    [({"port": 80}, "address"), ({**WEB, "port": 65536}, "port"), ({**WEB, "wieght": 1}, "wieght")],
)
def test_what_is_to_be_absent_is_named_well(options: dict[str, Any], where: str) -> None:
    with pytest.raises(BadInput) as error:
        declared({}, [options], absent=True)
    assert error.value.details["parameter"] == "services[0].%s" % where


@pytest.mark.parametrize("word", [True, "yes", "True", "on", 1])
def test_inside_the_list_booleans_and_numbers_may_be_words(word: Any) -> None:
    entry = {"address": "10.0.0.1", "port": "53", "protocol": "udp", "one_packet": word}
    ((key, wanted),) = declared({}, [entry]).items()
    assert (key.port, wanted.service.one_packet) == (53, True)


def test_a_service_named_twice_is_reported_with_both_places() -> None:
    with pytest.raises(BadInput, match=r"services\[2\].*services\[0\]"):
        declared({}, [WEB, SIX, {**WEB, "scheduler": "rr"}])


def test_a_server_named_twice_is_reported_with_both_places() -> None:
    with pytest.raises(BadInput, match=r"servers\[1\].*servers\[0\]"):
        declared(server(address="10.0.0.1", port=80), None)


def test_options_of_a_single_service_do_not_go_with_the_list() -> None:
    with pytest.raises(BadInput, match="scheduler"):
        declared({"scheduler": "rr"}, [WEB])


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"prune": True}, "scope"),
        ({"prune": True, "scope": []}, "scope"),
        ({"scope": ["10.0.0.0/8"]}, "scope"),
        ({"prune": True, "scope": ["10.0.0.0/8", "10.0.0.1/8"]}, "scope[1]"),
        ({"prune": True, "scope": ["everything"]}, "scope[0]"),
        ({"prune": True, "scope": ["10.0.0.0/8"], "state": "absent"}, "prune"),
    ],
)
def test_prune_needs_a_scope_and_a_scope_needs_prune(options: dict[str, Any], where: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_scope(options)
    assert error.value.details["parameter"] == where


def test_only_addresses_inside_the_scope_are_in_it() -> None:
    scope = parse_scope({"prune": True, "scope": ["169.254.2.0/24", "2001:db8::/64"]})
    assert inside_scope(only(WEB)[0], scope)
    assert inside_scope(only(SIX)[0], scope)
    assert not inside_scope(only({**WEB, "address": "169.254.3.1"})[0], scope)
    assert not inside_scope(only(MARK)[0], scope)
