# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host is, told by the field's own tools in one connection, beside what the article says it is."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from labs import CHECKOUT, Lab, sections

# Each part of a host, and the command that prints it.
STATE = {
    "nat": "iptables -t nat -S",
    "ipvs": "ipvsadm -ln",
    "sets": "ipset list",
    "addresses": "ip -4 -brief address",
    "routes": "ip -4 route",
    "namespaces": """for name in $(ip netns list | cut -d' ' -f1); do
        echo $name; ip -n $name -4 -brief address; ip -n $name -4 route; done""",
}
# What the tools print beyond the article's listings: counters, sizes, padding, what a host has of its own.
BEYOND = {
    "ipvs": [(r"\A(.*\n){3}", ""), (r"(  -> \S+) +(\w+) +(\d+) .*", r"\1  \2 \3")],
    "sets": [(r"(Revision|Header|Size in memory|References|Number of entries): .*\n", "")],
    "addresses": [(r" +", " ")],
    "routes": [(r"(default|.* proto kernel) .*\n", ""), (r" proto \d+", "")],
    "namespaces": [(r" +", " "), (r"@if\d+", "")],
}
POD = "ip netns exec ns0 "
PING = POD + "ping -c 1 -W 5 %s | grep -o '^64 bytes.* ttl=[0-9]*'"
HOPS = r"s/^ *([0-9]+): +([0-9.]+) .*[0-9]ms *(reached)?.*/\1: \2 \3/p"
TRACE = POD + "tracepath -n -m 4 %s | sed -E -n '" + HOPS + "' | uniq"
CURL = "curl --silent --show-error --connect-timeout 3 --max-time 15 "
# A unit that systemd has started may not listen yet.
WAIT = CURL + "--output /dev/null --retry 9 --retry-delay 1 --retry-max-time 10 --retry-connrefused http://%s/lu\n"
REQUESTS = 4
ASK = CURL + "--write-out '%%{local_port}\\n' http://%s/lu\n"


@dataclass(frozen=True)
class Request:
    """One request to the virtual service: its answer, and the tuple that conntrack awaits the reply with."""

    answer: str
    reply: str


def tell(host: Any, commands: dict[str, str]) -> dict[str, str]:
    """What each command prints, all run over one connection."""
    script = "".join("echo '== %s'\n%s\n" % item for item in commands.items())
    told = host.run("sh -c %s", script)
    return {part: plain(part, text) for part, text in sections(told.stdout).items()}


def plain(part: str, text: str) -> str:
    for pattern, replacement in BEYOND.get(part, ()):
        text = re.sub(pattern, replacement, text)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def reply(conntrack: str, port: str) -> str:
    """The second tuple of the line whose first tuple has this source port, without the ports that are drawn."""
    found = re.search(r"sport=%s dport=\d+ (src=\S+ dst=\S+ sport=\d+)" % port, conntrack)
    return found.group(1) if found else "nothing"


@pytest.fixture(scope="module")
def article(host: Any) -> dict[str, str]:
    """The listings for this scenario and host."""
    listings: dict[str, Any] = {}
    scenario = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
    for path in (scenario.parent / "shared/article.yml", scenario / "article.yml"):
        listings.update(yaml.safe_load(path.read_text(encoding="utf-8")))
    return {**listings, **listings[host.backend.get_hostname()]}


@pytest.fixture(scope="module")
def state(host: Any, article: dict[str, str]) -> dict[str, str]:
    """What is set up on the host."""
    pods = re.findall(r"64 bytes from ([0-9.]+)", article["paths"])
    paths = [PING % pod for pod in pods] + [TRACE % pod for pod in pods[1:]]
    return tell(host, {**STATE, "paths": "\n".join(paths)})


@pytest.fixture(scope="module")
def requests(host: Any, article: dict[str, str]) -> dict[str, list[Request]]:
    """Requests one after another, by who asks: the host, and the pod on it if there is one."""
    vantages = {"host": "", **({"pod": POD} if article["namespaces"] else {})}
    ask = {name: (prefix + ASK % article["vip"]) * REQUESTS for name, prefix in vantages.items()}
    wait = "".join(WAIT % server for server in re.findall(r"-> (\S+)", article["ipvs"]))
    told = tell(host, {"wait": wait, **ask, "conntrack": "conntrack -L -p tcp -d %s 2>/dev/null" % article["vip"]})
    made = {}
    for name in vantages:
        lines = told[name].splitlines()
        made[name] = [Request(answer, reply(told["conntrack"], port)) for answer, port in zip(lines[::2], lines[1::2])]
    return made


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Lab:
    """The lab that molecule's hosts live in."""
    return Lab(Path(request.config.option.ssh_config).parent, (CHECKOUT / "inventory/lab",))
