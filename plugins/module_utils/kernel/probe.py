# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask a virtual service from a namespace of this host, and read what the node recorded of it. Changes nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Optional

from ansible_collections.lulab.lvs.plugins.module_utils.errors import Unsupported
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.link import interface_holding
from ansible_collections.lulab.lvs.plugins.module_utils.model.probe import (
    Finding,
    Network,
    RealServer,
    bars,
    counter_finding,
    is_kept,
    masqueraded,
    parse_flows,
    path_finding,
    server_remedy,
    share_finding,
    snat_finding,
    unanswered_finding,
)

ANSWER_SECONDS = 3.0
RETRY_SECONDS = 0.2
TRACE_SECONDS = 40


@dataclass(frozen=True)
class Probe:
    """What to ask, from where, and what to expect; ``node`` is the address that SNAT should show.

    What comes from the networks ``keeps`` has its own instead.
    """

    vip: str
    port: int
    path: str
    servers: tuple[RealServer, ...]
    requests: int
    even: bool
    vantage: Optional[str]
    node: Optional[str]
    keeps: tuple[Network, ...]
    pings: tuple[str, ...]
    traces: tuple[tuple[str, ...], ...]
    patience: float


@dataclass(frozen=True)
class Report:
    findings: tuple[Finding, ...]
    answers: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()


def ask(address: str, port: int, path: str) -> tuple[str, int]:
    """The first word that ``http://address:port/path`` answers with, and our own port; raises ``OSError``."""
    with socket.create_connection((address, port), timeout=ANSWER_SECONDS) as connection:
        own_port = connection.getsockname()[1]
        connection.sendall(b"GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" % (path.encode(), address.encode()))
        answer = b""
        while True:
            piece = connection.recv(4096)
            if not piece:
                break
            answer += piece
    head, _gap, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise OSError("answered %r" % head.split(b"\r\n", 1)[0].decode(errors="replace"))
    return (body.decode(errors="replace").split() or ["an empty page"])[0], own_port


def source_towards(address: str, port: int) -> str:
    """The address that the kernel would ask ``address`` from; nothing is sent. Raises ``OSError``."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as unsent:
        unsent.connect((address, port))
        source: str = unsent.getsockname()[0]
        return source


def command_output(*words: str, seconds: float = TRACE_SECONDS) -> str:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    environment = {**os.environ, "PATH": path, "LC_ALL": "C"}
    try:
        process = subprocess.run(words, capture_output=True, text=True, timeout=seconds, env=environment, check=False)
    except FileNotFoundError:
        raise Unsupported("the command %s is missing: install it (the role lulab.lvs.node does)" % words[0]) from None
    except subprocess.TimeoutExpired as error:
        return (error.stdout or b"").decode(errors="replace")
    return process.stdout


def probe(wanted: Probe) -> Report:
    """Each hop in the order that a packet meets them; a hop that fails ends it, as what follows only echoes it."""
    findings: list[Finding] = []
    seen: list[RealServer] = []
    for stage in (_address, partial(_servers, seen=seen), _pings, _traces):
        findings += stage(wanted)
        if not all(finding.ok for finding in findings):
            return Report(tuple(findings))
    return _service(replace(wanted, servers=tuple(seen)), findings)


def _address(wanted: Probe) -> list[Finding]:
    if wanted.vantage is not None:
        return []
    interface = interface_holding(wanted.vip)
    if interface is None:
        return [Finding("virtual address", False, "%s is on no interface" % wanted.vip, "ip addr")]
    return [Finding("virtual address", True, "%s is on %s" % (wanted.vip, interface))]


def _servers(wanted: Probe, seen: list[RealServer]) -> list[Finding]:
    """Each server by itself; ``seen`` gets them with what they answer."""
    with inside(wanted.vantage, "vantage"):
        return [_server(wanted, server, seen) for server in wanted.servers]


def _server(wanted: Probe, server: RealServer, seen: list[RealServer]) -> Finding:
    hop = "real server %s:%d" % (server.address, server.port)
    deadline = time.monotonic() + wanted.patience
    while True:
        try:
            answer, _port = ask(server.address, server.port, wanted.path)
            break
        except OSError as error:
            if time.monotonic() > deadline:
                return Finding(hop, False, "does not answer (%s)" % error, server_remedy(server, error))
            time.sleep(RETRY_SECONDS)
    seen.append(replace(server, answer=answer))
    expected = answer if server.answer is None else server.answer
    return Finding(hop, answer == expected, "answers %s" % answer, "its /lu should say %s" % expected)


def _pings(wanted: Probe) -> list[Finding]:
    with inside(wanted.vantage, "vantage"):
        return [_ping(address) for address in wanted.pings]


def _ping(address: str) -> Finding:
    answered = "1 received" in command_output("ping", "-n", "-c", "1", "-W", "3", address, seconds=10)
    remedy = "'ip route get %s' on both hosts; proxy_arp and ip_forward" % address
    return Finding("ping %s" % address, answered, "answers" if answered else "does not answer", remedy)


def _traces(wanted: Probe) -> list[Finding]:
    with inside(wanted.vantage, "vantage"):
        return [path_finding(command_output("tracepath", "-n", hops[-1]), hops) for hops in wanted.traces]


def _service(wanted: Probe, findings: list[Finding]) -> Report:
    counted = masqueraded(command_output("iptables-save", "-c", "-t", "nat"))
    answers: list[str] = []
    ports: list[int] = []
    hop = "virtual service %s:%d" % (wanted.vip, wanted.port)
    with inside(wanted.vantage, "vantage"):
        source = source_towards(wanted.vip, wanted.port)
        kept = is_kept(source, wanted.keeps)
        if kept and source in [server.address for server in wanted.servers]:
            return Report((*findings, unanswered_finding(wanted.vip, wanted.port, source)))
        for number in range(1, wanted.requests + 1):
            try:
                answer, port = ask(wanted.vip, wanted.port, wanted.path)
            except OSError as error:
                saw = "request %d of %d is not answered (%s)" % (number, wanted.requests, error)
                remedy = "ipvsadm -ln; iptables -t nat -S; ipset list"
                return Report((*findings, Finding(hop, False, saw, remedy)), tuple(answers))
            answers.append(answer)
            ports.append(port)
    findings.append(Finding(hop, True, "answered all of %d requests" % wanted.requests))
    findings.append(share_finding(answers, wanted.servers, wanted.even))
    if wanted.node is not None:
        flows = parse_flows(command_output("conntrack", "-L", "-p", "tcp", "--orig-dst", wanted.vip))
        after = masqueraded(command_output("iptables-save", "-c", "-t", "nat"))
        findings.append(snat_finding(flows, ports, wanted.servers, source if kept else wanted.node))
        if not kept:
            findings.append(counter_finding(counted, after, wanted.requests))
    return Report(tuple(findings), tuple(answers), tuple(bars(answers, wanted.servers)))
