# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts with workload endpoints, as tests build them, and what the ip command shows of them."""

from __future__ import annotations

import errno
import itertools
import json
from typing import Any, Callable

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.concern import calico_veth
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import network
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import NetlinkError
from harness import converge, sh

HOST, NEIGHBOUR = "10.130.17.30", "10.130.17.31"
PEERS = [{"to": "172.16.1.0/24", "via": NEIGHBOUR}]
SYSCTLS = (
    "ipv4/conf/cali*/proxy_arp ipv4/neigh/cali*/proxy_delay ipv6/conf/cali*/proxy_ndp ipv6/neigh/cali*/proxy_delay"
)


def uplink(netns: str) -> None:
    """The host's uplink e0, of MTU 1450, with a default route; e1 is its other end."""
    for line in (
        "link add e0 type veth peer name e1",
        "link set e1 up",
        "address add %s/24 dev e0" % HOST,
        "address add fd00:17::30/64 dev e0 nodad",
        "link set e0 mtu 1450 up",
        "route add default via 10.130.17.1 dev e0",
    ):
        sh("ip -n %s %s" % (netns, line))


def forget_pods(netns: str) -> None:
    for name in sh("ip netns list").split():
        if name.startswith(netns + "-"):
            sh("ip netns delete " + name)
            sh("rm -f /run/lulab-lvs/netns/" + name)


def endpoint(host: str, **options: Any) -> dict[str, Any]:
    return {"netns": host, "namespace": host + "-ns0", "addresses": ["172.16.0.10/24"], **options}


def here(check: bool = False, **given: Any) -> dict[str, Any]:
    """What the module does, in this process: for tests that do it many times."""
    params = {name: option.get("default") for name, option in calico_veth.OPTIONS.items()}
    concern = calico_veth.build({**params, **given})
    with inside(given["netns"]):
        return {"failed": False, **converge(concern, check_mode=check, with_diff=True)}


def works(result: dict[str, Any], changed: bool) -> dict[str, Any]:
    assert not result["failed"], result["msg"]
    assert result["changed"] is changed, (result["commands"], result["diff"])
    return result


def typed(host: str, commands: list[str]) -> None:
    """Run commands as one would type them on the host.

    Not by ``ip netns exec``, whose mount namespace would hide the namespaces that they make.
    """
    for command in commands:
        sh("nsenter --net=/run/netns/%s %s" % (host, command))


def looks(netns: str) -> dict[str, Any]:
    """What `ip` shows of a namespace, without what the kernel picks by chance or makes by itself."""
    shown: dict[str, Any] = {"links": {}, "routes": [], "sysctls": ""}
    for link in json.loads(sh("ip -n %s -d -j address" % netns) or "[]"):
        held = [(one["local"], one["prefixlen"]) for one in link["addr_info"] if one["scope"] != "link"]
        kind = link.get("linkinfo", {}).get("info_kind")
        up = "UP" in link["flags"]
        mac = link.get("address") if link.get("address") == "ee:ee:ee:ee:ee:ee" else None
        if up or kind == "veth":
            shown["links"][link["ifname"]] = (kind, up, link["mtu"], mac, sorted(held))
    for family in ("-4", "-6"):
        for route in json.loads(sh("ip -n %s -j %s route" % (netns, family)) or "[]"):
            if route.get("protocol") != "kernel":
                shown["routes"].append(sorted((key, str(value)) for key, value in route.items() if key != "flags"))
    shown["routes"].sort()
    shown["sysctls"] = sh(
        "nsenter --net=/run/netns/%s sh -c 'cd /proc/sys/net && grep -s . %s'" % (netns, SYSCTLS), False
    )
    return shown


def everything(host: str) -> dict[str, Any]:
    """The host and its workloads, under names that do not tell which host it is."""
    pods = [name for name in sh("ip netns list").split() if name.startswith(host + "-")]
    return {name[len(host) :]: looks(name) for name in [host, *sorted(pods)]}


def refuse() -> None:
    raise NetlinkError(errno.ENOBUFS)


def stop_at(patch: pytest.MonkeyPatch, number: int, act: Callable[[], None]) -> None:
    """Do ``act`` instead of the change of that number, counted from 0."""
    places = itertools.count()
    for kind, step in list(network._STEPS.items()):

        def counted(hands: Any, change: Any, step: Callable[[Any, Any], None] = step) -> None:
            if next(places) == number:
                act()
            step(hands, change)

        patch.setitem(network._STEPS, kind, counted)
