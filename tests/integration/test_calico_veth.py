# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""calico_veth against a real kernel: a namespace stands for the host, others for its workloads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import namespace
from ansible_collections.lulab.lvs.plugins.module_utils.model.network import Namespace
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change
from harness import run_module, sh
from workloads import (
    HOST,
    NEIGHBOUR,
    PEERS,
    endpoint,
    everything,
    forget_pods,
    here,
    looks,
    refuse,
    stop_at,
    typed,
    works,
)


def test_experiment_4s_endpoint_is_built_and_a_second_run_changes_nothing(host: str) -> None:
    result = works(run_module("calico_veth", **endpoint(host, routes=PEERS)), True)
    pod = host + "-ns0"
    assert sh("ip -n %s route" % host).splitlines() == [
        "default via 10.130.17.1 dev e0 ",
        "10.130.17.0/24 dev e0 proto kernel scope link src 10.130.17.30 ",
        "172.16.0.10 dev cali0 scope link ",
        "172.16.1.0/24 via 10.130.17.31 dev e0 proto 96 ",
    ]
    assert sh("ip -n %s route" % pod).splitlines() == [
        "default via 169.254.1.1 dev veth0 ",
        "169.254.1.1 dev veth0 scope link ",
        "172.16.0.0/24 dev veth0 proto kernel scope link src 172.16.0.10 ",
    ]
    assert looks(pod)["links"]["veth0"] == ("veth", True, 1450, None, [("172.16.0.10", 24)])
    assert looks(host)["links"]["cali0"] == ("veth", True, 1450, None, [])
    assert "ipv4/conf/cali0/proxy_arp:1" in looks(host)["sysctls"]
    assert "ipv4/neigh/cali0/proxy_delay:0" in looks(host)["sysctls"]
    assert result["endpoints"][0]["addresses"] == ["172.16.0.10/24"]
    works(run_module("calico_veth", **endpoint(host, routes=PEERS)), False)


def test_check_mode_says_the_same_and_touches_nothing(host: str) -> None:
    before = everything(host)
    checked = works(run_module("calico_veth", check=True, **endpoint(host, routes=PEERS)), True)
    assert everything(host) == before
    real = works(run_module("calico_veth", **endpoint(host, routes=PEERS)), True)
    assert (checked["commands"], checked["diff"]) == (real["commands"], real["diff"])
    checked = works(run_module("calico_veth", check=True, **endpoint(host, state="absent")), True)
    assert "-ns0" in everything(host)
    assert works(run_module("calico_veth", **endpoint(host, state="absent")), True)["commands"] == checked["commands"]
    assert everything(host) == before


def test_absent_takes_back_all_that_present_made(host: str) -> None:
    before = everything(host)
    run_module("calico_veth", **endpoint(host, routes=PEERS))
    works(run_module("calico_veth", **endpoint(host, state="absent")), True)
    assert everything(host) == before
    assert not os.path.exists("/run/lulab-lvs/netns/%s-ns0" % host)
    works(run_module("calico_veth", **endpoint(host, state="absent")), False)


def test_a_namespace_that_was_there_before_stays(host: str) -> None:
    pod = host + "-ns0"
    sh("ip netns add {0} && ip -n {0} link add own0 type veth peer name own1".format(pod))  # noqa: UP032
    before = everything(host)
    works(run_module("calico_veth", **endpoint(host)), True)
    works(run_module("calico_veth", **endpoint(host, state="absent")), True)
    sh("ip -n %s link set lo down" % pod)
    assert everything(host) == before


def test_a_namespace_of_ours_that_others_use_by_now_stays(host: str) -> None:
    pod = host + "-ns0"
    run_module("calico_veth", **endpoint(host))
    sh("ip -n {0} link add own0 type veth peer name own1 && ip -n {0} link set own0 up".format(pod))  # noqa: UP032
    works(run_module("calico_veth", **endpoint(host, state="absent")), True)
    assert set(looks(pod)["links"]) == {"lo", "own0", "own1"}


def note(host: str) -> Path:
    return Path("/run/lulab-lvs/netns/%s-ns0" % host)


def test_a_namespace_of_somebody_else_that_got_the_number_of_ours_stays(host: str) -> None:
    works(run_module("calico_veth", **endpoint(host)), True)
    inode, cookie = note(host).read_text().split()
    assert int(inode) == os.stat("/run/netns/%s-ns0" % host).st_ino
    note(host).write_text("%s %d" % (inode, int(cookie) + 1))
    works(run_module("calico_veth", **endpoint(host, state="absent")), True)
    assert set(looks(host + "-ns0")["links"]) == {"lo"}


def test_an_empty_note_as_the_boot_leaves_it_is_completed_by_the_next_run(host: str) -> None:
    works(run_module("calico_veth", **endpoint(host)), True)
    complete = note(host).read_text()
    note(host).write_text("")
    works(run_module("calico_veth", **endpoint(host)), False)
    assert note(host).read_text() == complete
    note(host).write_text("")
    works(run_module("calico_veth", **endpoint(host, state="absent")), True)
    assert not os.path.exists("/run/netns/%s-ns0" % host)


def test_what_notes_a_namespace_at_boot_notes_none_that_is_there_before(host: str) -> None:
    change = Change("namespace", host + "-ns0", None, Namespace(ours=True))
    [command] = namespace.note_commands([change])
    sh("ip netns add %s-ns0 && %s" % (host, command))
    assert not note(host).exists()
    sh("ip netns delete %s-ns0 && %s" % (host, command))
    assert note(host).read_text() == ""
    note(host).unlink()


def test_no_note_stays_of_a_namespace_that_could_not_be_made(host: str) -> None:
    sh("ip netns add %s-ns0" % host)
    with pytest.raises(FileExistsError):
        namespace.create(host + "-ns0")
    assert not note(host).exists()


# Half-built endpoints


def test_a_run_cut_off_after_any_command_is_completed(host: str) -> None:
    options = endpoint(host, addresses=["172.16.0.10/24", "fd00:16::10"], routes=PEERS, mac="ee:ee:ee:ee:ee:ee")
    commands = works(here(**options), True)["commands"]
    whole = everything(host)
    for cut in range(len(commands)):
        here(**{**options, "state": "absent"})
        forget_pods(host)
        typed(host, commands[:cut])
        works(here(**options), True)
        assert everything(host) == whole, commands[:cut]


@pytest.mark.parametrize(
    "damage",
    [
        "ip -n {pod} link set veth0 down",
        "ip -n {host} link set cali0 down",
        "ip -n {pod} link set lo down",
        "ip -n {pod} address flush dev veth0",
        "ip -n {pod} route delete default",
        "ip -n {host} route delete 172.16.0.10",
        "ip -n {host} link delete cali0",
        "ip netns delete {pod}",
        "ip netns delete {pod}; touch /run/netns/{pod}",
        "ip -n {pod} link set veth0 netns {host}",
        "ip -n {host} link set cali0 mtu 1400",
        "ip netns exec {host} sysctl -w net.ipv4.conf.cali0.proxy_arp=0",
        "ip -n {pod} address replace 172.16.0.10/16 dev veth0; ip -n {pod} address delete 172.16.0.10/24 dev veth0",
        "ip -n {pod} address add 172.16.0.99/24 dev veth0",
        "ip -n {host} route replace 172.16.1.0/24 via 10.130.17.77 dev e0 proto 96",
        "ip -n {host} route add 172.16.9.0/24 via 10.130.17.77 dev e0 proto 96",
    ],
)
def test_damage_is_mended(host: str, damage: str) -> None:
    options = endpoint(host, routes=PEERS)
    run_module("calico_veth", **options)
    whole = everything(host)
    sh(damage.format(host=host, pod=host + "-ns0"))
    works(run_module("calico_veth", **options), True)
    assert everything(host) == whole
    works(run_module("calico_veth", **options), False)


def test_the_articles_own_commands_need_only_what_the_article_forgot(host: str) -> None:
    pod = host + "-ns0"
    typed(
        host,
        [
            "ip link add cali0 type veth peer name veth0",
            "ip netns add " + pod,
            "ip link set veth0 netns " + pod,
            "ip netns exec %s ip a add 172.16.0.10/24 dev veth0" % pod,
            "ip netns exec %s ip link set veth0 up" % pod,
            "ip netns exec %s ip link set lo up" % pod,
            "ip netns exec %s ip route add 169.254.1.1 dev veth0 scope link" % pod,
            "ip netns exec %s ip route add default via 169.254.1.1 dev veth0" % pod,
            "ip link set cali0 up",
            "ip route add 172.16.0.10 dev cali0 scope link",
            "ip route add 172.16.1.0/24 via 10.130.17.31 dev e0",
            "sysctl -w net.ipv4.conf.cali0.proxy_arp=1",
        ],
    )
    assert works(run_module("calico_veth", **endpoint(host, routes=PEERS)), True)["commands"] == [
        "ip -n %s link set veth0 mtu 1450" % pod,
        "ip link set cali0 mtu 1450",
        "sysctl -w net.ipv4.neigh.cali0.proxy_delay=0",
    ]


def test_a_pod_gets_another_address_and_keeps_its_routes(host: str) -> None:
    pod = host + "-ns0"
    run_module("calico_veth", **endpoint(host, addresses=["172.16.0.10/24", "172.16.0.12/24"]))
    routes = list(looks(pod)["routes"])
    works(run_module("calico_veth", **endpoint(host, addresses=["172.16.0.12/24", "172.16.0.13"])), True)
    assert looks(pod)["links"]["veth0"][4] == [("172.16.0.12", 24), ("172.16.0.13", 32)]
    assert looks(pod)["routes"] == routes
    assert "172.16.0.10" not in sh("ip -n %s route" % host)


# Refusals


@pytest.mark.parametrize(
    ("obstacle", "options", "words"),
    [
        ("ip -n {host} route delete default", {}, "no route of this host covers the gateway 169.254.1.1"),
        ("ip -n {host} link add cali0 type bridge", {}, "is no veth but a bridge"),
        (
            "ip -n {host} link add cali0 type veth peer name x0",
            {},
            "its other end is called x0, on the host, not veth0",
        ),
        (
            "ip netns add {host}-x; ip -n {host} link add cali0 type veth peer name veth0 netns {host}-x",
            {},
            "its other end is in a network namespace that is not",
        ),
        (
            "ip netns add {host}-ns0; ip -n {host}-ns0 link add veth0 type veth peer name x0",
            {},
            "has an interface of that name, which is not the other end of cali0",
        ),
        ("ip -n {host} address add 172.16.0.10/32 dev e1", {}, "the host's own interface e1 has this address"),
        (
            "ip -n {host} route add 172.16.0.10 dev e0",
            {},
            "a route leads there by another way, '172.16.0.10/32 dev e0'",
        ),
        (
            "ip netns add {host}-ns0; ip -n {host}-ns0 link add d0 type veth peer name d1;"
            "ip -n {host}-ns0 link set d0 up; ip -n {host}-ns0 route add default dev d0",
            {},
            "it has a default route already, '0.0.0.0/0 dev d0'",
        ),
        (
            "ip -n {host} route add 172.16.1.0/24 via 10.130.17.77 dev e0",
            {"routes": PEERS},
            "somebody else's route leads there, '172.16.1.0/24 via 10.130.17.77 dev e0'",
        ),
        (
            "true",
            {"routes": [{"to": "172.16.1.0/24", "via": "192.0.2.1"}]},
            "no neighbour: this host reaches it through",
        ),
        ("true", {"routes": [{**PEERS[0], "interface": "e9"}]}, "there is no interface of that name"),
        ("true", {"routes": [{"to": "172.16.1.0/24", "via": HOST}]}, "or it is the host's own"),
        ("true", {"addresses": ["172.16.0.10/40"]}, "addresses[0]"),
    ],
)
def test_what_stands_in_the_way_is_named_and_nothing_is_touched(
    host: str, obstacle: str, options: dict[str, Any], words: str
) -> None:
    sh(obstacle.format(host=host))
    before = everything(host)
    for check in (True, False):
        result = run_module("calico_veth", check=check, **endpoint(host, **options))
        assert result["failed"]
        assert words in result["msg"]
        assert everything(host) == before


def test_a_refused_change_takes_back_all_before_it(host: str) -> None:
    """The route by the given interface is refused by the kernel, as the gateway is no neighbour there."""
    before = everything(host)
    routes = [{"to": "172.16.1.0/24", "via": "192.0.2.9", "interface": "e0"}]
    result = run_module("calico_veth", **endpoint(host, routes=routes))
    assert result["failed"]
    assert "'ip route add 172.16.1.0/24 via 192.0.2.9 dev e0 proto 96' was refused: the kernel said" in result["msg"]
    assert "its gateway is on no network that the interface is in" in result["msg"]
    assert result["undone"][0] == "ip netns add %s-ns0" % host
    assert result["standing"] == []
    assert everything(host) == before


def test_any_change_that_is_refused_takes_back_all_before_it(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = endpoint(host, addresses=["172.16.0.10/24", "fd00:16::10"], routes=PEERS)
    before = everything(host)
    count = len(here(check=True, **options)["commands"])
    for refused in range(count):
        with monkeypatch.context() as patch:
            stop_at(patch, refused, refuse)
            with pytest.raises(LvsError, match="ENOBUFS") as caught:
                here(**options)
        assert len(caught.value.details["undone"]) == refused
        assert caught.value.details["standing"] == []
        assert everything(host) == before


def test_a_run_killed_before_any_change_is_completed_by_the_next(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = endpoint(host, addresses=["172.16.0.10/24", "fd00:16::10"], routes=PEERS)
    count = len(here(**options)["commands"])
    whole = everything(host)
    for killed in range(count):
        here(**{**options, "state": "absent"})
        child = os.fork()
        if child == 0:
            stop_at(monkeypatch, killed, lambda: os.kill(os.getpid(), signal.SIGKILL))
            here(**options)
            os._exit(1)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        works(here(**options), True)
        assert everything(host) == whole


# Traffic


_SERVER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.create_server((sys.argv[1], 8888), family=family) as door:
    print("listening", flush=True)
    door.settimeout(20)
    connection, caller = door.accept()
    connection.sendall(caller[0].encode())
"""
_CLIENT = "import socket, sys; print(socket.create_connection((sys.argv[1], 8888), 10).recv(99).decode())"


def caller_seen_by(server: str, address: str, client: str) -> str:
    """The address of a caller in namespace ``client`` as a server on ``address`` in namespace ``server`` sees it."""
    python = ["ip", "netns", "exec", server, sys.executable, "-c", _SERVER, address]
    with subprocess.Popen(python, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout and process.stdout.readline() == "listening\n"
            return sh("ip netns exec %s %s -c '%s' %s" % (client, sys.executable, _CLIENT, address)).strip()
        finally:
            process.kill()


def test_pods_of_two_hosts_reach_each_other(host: str) -> None:
    """Two hosts on one wire, as in experiment 4: TCP through both, over the gateway that nobody has."""
    far = host + "-far"
    sh("ip netns add {0} && ip -n {1} link set e1 netns {0} && ip -n {0} link set lo up".format(far, host))  # noqa: UP032
    for line in (
        "address add %s/24 dev e1" % NEIGHBOUR,
        "address add fd00:17::31/64 dev e1 nodad",
        "link set e1 mtu 1450 up",
        "route add default via 10.130.17.1 dev e1",
    ):
        sh("ip -n %s %s" % (far, line))
    for one in (host, far):
        sh("ip netns exec %s sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1" % one)
    v6 = {"to": "fd00:16:1::/64", "via": "fd00:17::31"}
    near = endpoint(host, addresses=["172.16.0.10/24", "fd00:16::10"], routes=[*PEERS, v6])
    routes = [{"to": "172.16.0.0/24", "via": HOST}, {"to": "fd00:16::/64", "via": "fd00:17::30"}]
    other = {
        "netns": far,
        "namespace": host + "-ns1",
        "addresses": ["172.16.1.11/24", "fd00:16:1::11"],
        "routes": routes,
    }
    works(run_module("calico_veth", **near), True)
    works(run_module("calico_veth", **other), True)
    assert caller_seen_by(host + "-ns1", "172.16.1.11", host + "-ns0") == "172.16.0.10"
    assert caller_seen_by(host + "-ns1", "fd00:16:1::11", host + "-ns0") == "fd00:16::10"
    assert caller_seen_by(host + "-ns0", "172.16.0.10", host) == HOST
    works(run_module("calico_veth", **near), False)
