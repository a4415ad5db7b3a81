# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""All or nothing: a refusal at any place leaves the state before, a kill at any place leaves what a rerun completes,
two runs at once leave what one of them asked for; and where there is nothing to do, nothing is done."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipvs as kernel
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipvs_codec, netlink
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs import Server, Service, ServiceKey, commands, listing
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs_want import changes_towards
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change
from ansible_collections.lulab.lvs.plugins.module_utils.run import Concern, carry_out
from ansible_collections.lulab.lvs.plugins.modules import ipvs_service
from harness import converge, run_module, sh

pytestmark = pytest.mark.ip_vs

WEB = ServiceKey("ipv4", 0, "tcp", "169.254.2.100", 80)
DNS = ServiceKey("ipv4", 0, "udp", "169.254.2.100", 53)
MARK = ServiceKey("ipv6", 7)
HAVE: dict[Any, Any] = {
    ("service", WEB): Service("rr"),
    ("server", (WEB, "10.0.0.1", 80)): Server(weight=3),
    ("server", (WEB, "10.0.0.2", 80)): Server("tunneling", tunnel="gue", tunnel_port=6080, checksum="csum"),
    ("service", MARK): Service("sh", 0x18, 50, "64"),
    ("server", (MARK, "2001:db8::1", 0)): Server("direct", 9, 100, 50),
}
WANT: dict[Any, Any] = {
    ("service", WEB): Service("wlc", timeout=30, netmask="255.255.255.0"),
    ("server", (WEB, "10.0.0.1", 80)): Server("direct", weight=1),
    ("server", (WEB, "10.0.0.3", 8080)): Server(),
    ("service", DNS): Service("rr", one_packet=True),
    ("server", (DNS, "10.0.0.1", 53)): Server(),
}
REFUSED = Change("service", ServiceKey("ipv4", 1), None, Service("nosuch"))
CHANGES = changes_towards(HAVE, WANT)


def concern() -> Concern:
    nothing: Any = None
    return Concern(read=nothing, plan=nothing, apply=kernel.apply, commands=commands, listing=listing)


def read() -> Any:
    return kernel.read((), lambda _key: True)


@pytest.mark.parametrize("together", [1, 64])
def test_a_refusal_at_any_place_leaves_the_state_before(
    netns: str, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(netlink, "REQUESTS_PER_SEND", together)
    with inside(netns):
        kernel.apply(changes_towards({}, HAVE))
        for place in range(len(CHANGES) + 1):
            with pytest.raises(LvsError, match="no scheduler 'nosuch'") as error:
                carry_out(concern(), [*CHANGES[:place], REFUSED, *CHANGES[place:]])
            assert error.value.details["standing"] == []
            assert read() == HAVE


def test_a_kill_at_any_place_is_completed_by_the_next_run(netns: str) -> None:
    with inside(netns):
        for place in range(len(CHANGES)):
            kernel.apply(changes_towards(read(), HAVE))
            killed_after(place + 1)
            half = read()
            assert half != HAVE
            assert len(changes_towards(half, WANT)) < len(CHANGES)
            kernel.apply(changes_towards(half, WANT))
            assert read() == WANT


def killed_after(changes: int) -> None:
    """Have a process of its own begin the work, and end it by SIGKILL once so many changes are made."""
    child = os.fork()
    if child == 0:
        netlink.REQUESTS_PER_SEND = 1
        acknowledgements = netlink.Netlink._acknowledgements
        made = 0

        def counted(link: Any, first: int, count: int) -> Any:
            nonlocal made
            answers = acknowledgements(link, first, count)
            made += count
            if made == changes:
                os.kill(os.getpid(), signal.SIGKILL)
            return answers

        netlink.Netlink._acknowledgements = counted  # type: ignore[method-assign]
        try:
            kernel.apply(CHANGES)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("number", [2, kernel.ASK_SINGLY + 6], ids=["few", "many"])
def test_with_nothing_to_do_nothing_is_sent_but_questions(
    netns: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = [
        {"address": "169.254.2.%d" % place, "port": 80, "servers": [{"address": "10.0.0.1"}, {"address": "10.0.0.2"}]}
        for place in range(1, number + 1)
    ]
    params = {name: option.get("default") for name, option in ipvs_service.OPTIONS.items()}
    sent = []
    pack = netlink.Netlink._pack

    def noted(link: Any, message: Any, flags: int) -> bytes:
        sent.append((message[0] == netlink.GENL_CONTROL, message[2][0]))
        return pack(link, message, flags)

    monkeypatch.setattr(netlink.Netlink, "_pack", noted)
    with inside(netns):
        for changed in (True, False):
            sent.clear()
            wanted = ipvs_service.build({**params, "services": services})
            assert converge(wanted, check_mode=False, with_diff=False)["changed"] is changed
    # The servers of many services are not asked for by netlink.
    asked_for = {ipvs_codec.GET_SERVICE, ipvs_codec.GET_DEST} if number == 2 else {ipvs_codec.GET_SERVICE}
    assert set(sent) == {(True, netlink.CTRL_CMD_GETFAMILY), *((False, command) for command in asked_for)}


def test_two_runs_at_once_leave_what_one_of_them_asked_for(netns: str) -> None:
    def wish(place: int) -> dict[str, Any]:
        servers = [{"address": "10.0.%d.%d" % (place, number)} for number in range(1, 100)]
        return {"netns": netns, "address": "169.254.2.100", "port": 80, "servers": servers}

    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda place: run_module("ipvs_service", **wish(place)), range(3)))
    assert all(result["changed"] for result in results), results
    saved = sh("ip netns exec %s ipvsadm -Sn" % netns)
    assert [saved.count("10.0.%d." % place) for place in range(3)] in ([99, 0, 0], [0, 99, 0], [0, 0, 99])
