# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""vip_address against a real kernel."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.concern import vip_address
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import network
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from ansible_collections.lulab.lvs.plugins.module_utils.model.network import Note
from harness import converge, run_module, sh

HOST = "10.130.17.30"
VIP = "169.254.1.100"


@pytest.fixture
def host(netns: str) -> str:
    """A namespace with an uplink e0 that has HOST/24; e1 is its other end."""
    sh(
        f"ip -n {netns} link add e0 type veth peer name e1 && ip -n {netns} address add {HOST}/24 dev e0 && "
        f"ip -n {netns} link set e0 up && ip -n {netns} link set e1 up"
    )
    return netns


def held(netns: str, interface: str) -> list[str]:
    """Addresses as ``ip`` shows them, without those that the kernel makes for the link."""
    shown = json.loads(sh("ip -n %s -j address show dev %s" % (netns, interface), check=False) or "[]")
    return [
        "%s/%d" % (one["local"], one["prefixlen"])
        for link in shown
        for one in link["addr_info"]
        if one["scope"] != "link" or one["family"] == "inet"
    ]


def works(result: dict[str, Any], changed: bool) -> dict[str, Any]:
    assert not result["failed"], result["msg"]
    assert result["changed"] is changed, result
    return result


def test_a_vip_is_added_to_the_interface_that_holds_the_hosts_address(host: str) -> None:
    result = works(run_module("vip_address", netns=host, addresses=[VIP], interface_of=HOST), True)
    assert result["interface"] == "e0"
    assert result["addresses"] == [VIP + "/32"]
    assert result["commands"] == ["ip address add %s/32 dev e0" % VIP]
    assert result["diff"] == {"before": "", "after": "inet %s/32 dev e0\n" % VIP}
    assert held(host, "e0") == [HOST + "/24", VIP + "/32"]
    works(run_module("vip_address", netns=host, addresses=[VIP], interface_of=HOST), False)


def test_check_mode_says_the_same_and_touches_nothing(host: str) -> None:
    checked = works(run_module("vip_address", check=True, netns=host, addresses=[VIP], interface="e0"), True)
    assert held(host, "e0") == [HOST + "/24"]
    real = works(run_module("vip_address", netns=host, addresses=[VIP], interface="e0"), True)
    assert (checked["commands"], checked["diff"]) == (real["commands"], real["diff"])


def test_absent_removes_the_vip_and_leaves_the_hosts_own_address(host: str) -> None:
    run_module("vip_address", netns=host, addresses=[VIP, "2001:db8::100"], interface="e0")
    assert held(host, "e0") == [HOST + "/24", VIP + "/32", "2001:db8::100/128"]
    options = {"netns": host, "addresses": [VIP, "2001:db8::100"], "interface": "e0", "state": "absent"}
    works(run_module("vip_address", **options), True)
    assert held(host, "e0") == [HOST + "/24"]
    works(run_module("vip_address", **options), False)


def test_the_commands_give_the_same_addresses_as_the_module(host: str) -> None:
    options = {"netns": host, "addresses": [VIP, "192.0.2.7/24", "2001:db8::7/64"], "interface": "e0"}
    commands = run_module("vip_address", check=True, **options)["commands"]
    run_module("vip_address", **options)
    made = held(host, "e0")
    run_module("vip_address", **options, state="absent")
    for command in commands:
        sh("ip netns exec %s %s" % (host, command))
    assert sorted(held(host, "e0")) == sorted(made)
    works(run_module("vip_address", **options), False)


def test_arp_settings_are_made_and_put_back(host: str) -> None:
    options = {"netns": host, "addresses": [VIP], "interface": "e0", "arp_exclusive": True}
    works(run_module("vip_address", **options), True)
    show = "ip netns exec %s sysctl -n net.ipv4.conf.e0.arp_ignore net.ipv4.conf.e0.arp_announce" % host
    assert sh(show).split() == ["1", "2"]
    works(run_module("vip_address", **options), False)
    works(run_module("vip_address", **options, state="absent"), True)
    assert sh(show).split() == ["0", "0"]


def test_arp_settings_outlive_all_but_the_last_address_that_they_are_for(host: str) -> None:
    sh("ip netns exec %s sysctl -qw net.ipv4.conf.e0.arp_ignore=2 net.ipv4.conf.e0.arp_announce=1" % host)
    show = "ip netns exec %s sysctl -n net.ipv4.conf.e0.arp_ignore net.ipv4.conf.e0.arp_announce" % host
    options = {"netns": host, "interface": "e0", "arp_exclusive": True}
    for address in (VIP, "169.254.1.101"):
        works(run_module("vip_address", addresses=[address], **options), True)
        works(run_module("vip_address", addresses=[address], **options), False)
    works(run_module("vip_address", addresses=[VIP], state="absent", **options), True)
    assert sh(show).split() == ["1", "2"]
    works(run_module("vip_address", addresses=["169.254.1.101"], state="absent", **options), True)
    assert sh(show).split() == ["2", "1"]
    works(run_module("vip_address", addresses=["169.254.1.101"], state="absent", **options), False)


def test_a_note_is_not_believed_of_another_interface_of_the_same_name(host: str) -> None:
    options = {"netns": host, "addresses": [VIP], "interface": "e1", "arp_exclusive": True}
    works(run_module("vip_address", **options), True)
    sh("ip -n {0} link delete e1 && ip -n {0} link add e1 type veth peer name e0".format(host))  # noqa: UP032
    settings = "net.ipv4.conf.e1.arp_ignore=2"
    sh("ip netns exec %s sysctl -qw %s && ip -n %s address add %s dev e1" % (host, settings, host, VIP))
    works(run_module("vip_address", **options, state="absent"), True)
    assert sh("ip netns exec %s sysctl -n net.ipv4.conf.e1.arp_ignore" % host).strip() == "2"


def test_what_the_boot_notes_is_what_the_module_notes(host: str) -> None:
    options = {"addresses": [VIP], "interface": "e0", "arp_exclusive": True}
    params = {name: option.get("default") for name, option in vip_address.OPTIONS.items()}
    concern = vip_address.build({**params, **options})
    with inside(host):
        concern.read()
        [noted] = concern.notes(concern.plan({}))
        sh(noted)
        booted = concern.read()[("note", "e0")]
        network.apply(concern.plan(concern.read()))
        assert concern.read()[("note", "e0")] == Note(sysctls=booted.sysctls, vips=(VIP,))


def test_an_interface_may_be_called_in_any_letters(host: str) -> None:
    sh("ip -n %s link add größe type veth peer name x" % host)
    options = {"netns": host, "addresses": [VIP], "interface": "größe", "arp_exclusive": True}
    works(run_module("vip_address", **options), True)
    works(run_module("vip_address", **options), False)
    works(run_module("vip_address", **options, state="absent"), True)


def test_an_address_goes_also_when_the_hosts_own_has_become_another(host: str) -> None:
    options = {"netns": host, "addresses": [VIP], "interface_of": HOST, "arp_exclusive": True}
    works(run_module("vip_address", **options), True)
    sh("ip -n %s address delete %s/24 dev e0" % (host, HOST))
    sh("ip -n %s address add 10.130.17.40/24 dev e0" % host)
    works(run_module("vip_address", check=True, **options, state="absent"), True)
    works(run_module("vip_address", **options, state="absent"), True)
    assert held(host, "e0") == ["10.130.17.40/24"]
    works(run_module("vip_address", **options, state="absent"), False)
    options["addresses"] = ["10.130.17.40"]
    works(run_module("vip_address", **options, state="absent"), False)


def test_an_address_of_somebody_else_in_the_same_network_survives(host: str) -> None:
    """The kernel would drop it along with the one that came first."""
    works(run_module("vip_address", netns=host, addresses=["192.0.2.7/24"], interface="e0"), True)
    sh("ip -n %s address add 192.0.2.8/24 dev e0" % host)
    works(run_module("vip_address", netns=host, addresses=["192.0.2.7/24"], interface="e0", state="absent"), True)
    assert held(host, "e0") == [HOST + "/24", "192.0.2.8/24"]


def test_what_rests_on_another_address_of_the_same_network_stays_as_it_is(host: str) -> None:
    sh("ip -n %s address delete %s/24 dev e0" % (host, HOST))
    works(run_module("vip_address", netns=host, addresses=["192.0.2.7/24"], interface="e0"), True)
    sh("ip -n %s address add 192.0.2.8/24 broadcast 192.0.2.99 label e0:own dev e0" % host)
    sh("ip -n %s route add default via 192.0.2.1 src 192.0.2.8" % host)
    promote = "ip netns exec %s sysctl -n net.ipv4.conf.e0.promote_secondaries" % host
    before = sh(promote)
    works(run_module("vip_address", netns=host, addresses=["192.0.2.7"], interface="e0", state="absent"), True)
    assert "inet 192.0.2.8/24 brd 192.0.2.99 scope global e0:own" in sh("ip -n %s address show dev e0" % host)
    assert "default via 192.0.2.1 dev e0 src 192.0.2.8" in sh("ip -n %s route" % host)
    assert sh(promote) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"addresses": ["169.254.1.1"], "interface": "e0"}, "gateway"),
        ({"addresses": [HOST], "interface": "e0"}, "e0's own address, as 10.130.17.30/24"),
        ({"addresses": [HOST], "interface": "e1"}, "the interface e0 has this address already"),
        ({"addresses": [VIP], "interface": "e7"}, "there is no interface of that name"),
        ({"addresses": [VIP], "interface_of": "10.9.9.9"}, "no interface has this address"),
        ({"addresses": [VIP], "interface": "e0", "kind": "dummy"}, "is no dummy, it is of kind veth"),
        ({"addresses": [VIP], "interface": "e0", "netns": "no-such-namespace"}, "no network namespace of that name"),
    ],
)
@pytest.mark.parametrize("check", [True, False], ids=["check", "real"])
def test_bad_input_is_refused_in_words_and_touches_nothing(
    host: str, options: dict[str, Any], words: str, check: bool
) -> None:
    result = run_module("vip_address", check=check, **{"netns": host, **options})
    assert result["failed"]
    assert words in result["msg"]
    assert held(host, "e0") == [HOST + "/24"]


def test_absent_on_an_interface_that_is_not_there_changes_nothing(host: str) -> None:
    works(run_module("vip_address", netns=host, addresses=[VIP], interface="d0", kind="dummy", state="absent"), False)


def test_a_refused_address_takes_the_others_back(host: str) -> None:
    sh("ip netns exec %s sysctl -qw net.ipv6.conf.e0.disable_ipv6=1" % host)
    result = run_module("vip_address", netns=host, addresses=[VIP, "2001:db8::7"], interface="e0")
    assert result["failed"]
    assert "IPv6 is off on the interface" in result["msg"]
    assert result["undone"] == ["ip address add %s/32 dev e0" % VIP]
    assert held(host, "e0") == [HOST + "/24"]


def test_a_kernel_without_the_dummy_driver_is_named(host: str) -> None:
    if sh("ip -n %s link add probe type dummy 2>&1" % host, check=False) == "":
        pytest.skip("this kernel has the dummy driver")
    for check in (True, False):
        result = run_module("vip_address", check=check, netns=host, addresses=[VIP], interface="d0", kind="dummy")
        assert result["failed"]
        assert "no dummy driver" in result["msg"]


@pytest.mark.ip_vs
def test_a_dummy_is_made_left_down_and_goes_with_its_last_address(host: str) -> None:
    options = {"netns": host, "interface": "dummy-ipvs0", "kind": "dummy"}
    result = works(run_module("vip_address", addresses=["169.254.2.100", "2001:db8::100"], **options), True)
    assert held(host, "dummy-ipvs0") == ["169.254.2.100/32", "2001:db8::100/128"]
    link = json.loads(sh("ip -n %s -d -j link show dummy-ipvs0" % host))[0]
    assert link["linkinfo"]["info_kind"] == "dummy"
    assert "UP" not in link["flags"]
    assert result["commands"][-3] == "ip link add dummy-ipvs0 type dummy"
    works(run_module("vip_address", addresses=["169.254.2.100", "2001:db8::100"], **options), False)
    works(run_module("vip_address", addresses=["169.254.2.100"], exact=True, **options), True)
    assert held(host, "dummy-ipvs0") == ["169.254.2.100/32"]
    works(run_module("vip_address", addresses=["169.254.2.100"], state="absent", **options), True)
    assert sh("ip -n %s link show dummy-ipvs0" % host, check=False) == ""


@pytest.mark.ip_vs
def test_a_dummy_that_the_boot_made_goes_too(host: str) -> None:
    options = {"interface": "d6", "kind": "dummy", "addresses": ["192.0.2.1"], "arp_exclusive": True}
    params = {name: option.get("default") for name, option in vip_address.OPTIONS.items()}
    concern = vip_address.build({**params, **options})
    with inside(host):
        concern.read()
        changes = concern.plan({})
        for command in concern.notes(changes) + concern.commands(changes):
            sh("set -e; " + command)
    works(run_module("vip_address", netns=host, **options), False)
    works(run_module("vip_address", netns=host, **options, state="absent"), True)
    assert sh("ip -n %s link show d6" % host, check=False) == ""


@pytest.mark.ip_vs
@pytest.mark.parametrize("kind", ["note", "address"])
def test_a_dummy_that_a_run_cut_off_has_left_goes_too(host: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wish = {"netns": host, "addresses": [VIP], "interface": "lu-dummy", "kind": "dummy"}

    def cut_off(_hands: Any, _change: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(network._STEPS, kind, cut_off)
        given = {name: option.get("default") for name, option in vip_address.OPTIONS.items()}
        with inside(host), contextlib.suppress(KeyboardInterrupt):
            converge(vip_address.build({**given, **wish}), check_mode=False, with_diff=False)
    assert "lu-dummy" in sh("ip -n %s link" % host)
    works(run_module("vip_address", **wish), True)
    works(run_module("vip_address", **wish), False)
    works(run_module("vip_address", **wish, state="absent"), True)
    assert "lu-dummy" not in sh("ip -n %s link" % host)


@pytest.mark.ip_vs
def test_a_dummy_that_was_there_before_stays(host: str) -> None:
    sh("modprobe dummy numdummies=0; ip -n %s link add d5 type dummy" % host)
    options = {"netns": host, "interface": "d5", "kind": "dummy", "addresses": ["192.0.2.1"]}
    works(run_module("vip_address", **options), True)
    works(run_module("vip_address", **options, state="absent"), True)
    assert held(host, "d5") == []
    works(run_module("vip_address", **options, state="absent"), False)
    assert "d5" in sh("ip -n %s link show d5" % host)


@pytest.mark.ip_vs
def test_the_commands_make_the_same_dummy(host: str) -> None:
    options = {"netns": host, "interface": "d7", "kind": "dummy", "addresses": ["192.0.2.1", "192.0.2.2/24"]}
    for command in run_module("vip_address", check=True, **options)["commands"]:
        sh("ip netns exec %s %s" % (host, command))
    works(run_module("vip_address", **options), False)


@pytest.mark.ip_vs
def test_loading_the_driver_leaves_no_dummy_that_nobody_asked_for(host: str) -> None:
    run_module("vip_address", netns=host, interface="d8", kind="dummy", addresses=["192.0.2.1"])
    assert "dummy0" not in sh("ip -br link")
