# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recipes of the documentation, run as they stand there: each does what it says, and nothing the second time."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import Counter

import pytest

from labs import CHECKOUT, HOSTS, differences

RECIPES = {path.stem for path in (CHECKOUT / "docs/recipes").glob("*.yml")}
MANY = 50_000

# What the recipes balance: a web server and a name server of sorts that answer with the host's name.
SERVER = """
import http.server, os, socket, socketserver, sys, threading, time
NAME = socket.gethostname().encode()
class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(NAME)))
        self.end_headers()
        self.wfile.flush()
        while self.path == "/slow" and not os.path.exists("/run/go"):
            time.sleep(0.1)
        self.wfile.write(NAME)
class WebServer(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
class Names(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(NAME, self.client_address)
threading.Thread(target=socketserver.UDPServer((sys.argv[1], 53), Names).serve_forever).start()
WebServer(("::", 8080), Web).serve_forever()
"""
# Five questions, each from a port of its own.
ASK = """
import socket
for _ in range(5):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as question:
        question.settimeout(5)
        question.sendto(b"?", ("10.130.17.53", 53))
        print(question.recv(100).decode())
"""


def python(script: str, words: str = "python3 -") -> str:
    return "%s <<'END'\n%s\nEND" % (words, script)


@pytest.fixture(scope="module")
def kitchen(lab):
    """A lab whose hosts serve, and have IPv6 addresses; afterwards what the recipes built is taken back, all of it."""
    for number, (host, address) in enumerate(HOSTS.items(), 30):
        # To list a table makes it, and an empty one is listed ever after.
        lab.on(host, "for tables in iptables ip6tables; do $tables -S; $tables -t nat -S; done")
        lab.on(host, "ip -6 address add fd00:17::%d/64 dev vec0 nodad" % number)
        lab.on(host, python(SERVER, "cat > /run/server.py"))
        lab.on(host, "systemd-run --unit=kitchen python3 /run/server.py %s" % address)
        lab.on(host, "for i in $(seq 50); do curl -sf http://127.0.0.1:8080/ && break; sleep 0.2; done")
    before = lab.snapshots()
    yield lab
    first, second = cook(lab, "take_back"), cook(lab, "take_back")
    assert first.changed() and not second.changed()
    assert not differences(before, lab.snapshots())


def cook(lab, name, **extra):
    return lab.play("../docs/recipes/%s" % name, extra=extra)


def cook_twice(lab, name, **extra):
    """Run a recipe: it changes something the first time and nothing the second."""
    first = cook(lab, name, **extra)
    assert first.changed()
    assert not cook(lab, name, **extra).changed()
    return first


def answers(lab, url, times=6):
    """How often each host answered a client on Host1."""
    words = "for i in $(seq %d); do curl -s --max-time 5 %s; echo; done" % (times, url)
    return Counter(lab.on("Host1", words).split())


def servers(lab):
    """The lines of the service of 10.130.17.80 about real servers."""
    return [line.split() for line in lab.on("Host0", "ipvsadm -ln -t 10.130.17.80:80").splitlines() if "->" in line][1:]


def test_check_mode_tells_what_a_recipe_would_do(kitchen):
    before = kitchen.snapshots()
    played = kitchen.play("../docs/recipes/tcp_service", options=("--check", "--diff"))
    assert played.changed() == 4 and "+-A -t 10.130.17.80:80 -s rr" in played.output
    assert not differences(before, kitchen.snapshots())


def test_a_service_with_two_real_servers(kitchen):
    cook_twice(kitchen, "tcp_service")
    assert answers(kitchen, "http://10.130.17.80/") == {"Host0": 3, "Host1": 3}
    assert [words[1] for words in servers(kitchen)] == ["10.130.17.30:8080", "10.130.17.31:8080"]


def test_recipes_and_experiments_take_back_their_own_only(kitchen):
    def sysctls(host):
        return kitchen.on(host, "sysctl -n net.ipv4.ip_forward net.ipv4.vs.conntrack").split()

    cook(kitchen, "tcp_service")
    kitchen.play("exp3")
    assert sysctls("Host0") == sysctls("Host1") == ["1", "1"]
    assert kitchen.play("clean").changed()
    assert sysctls("Host0") == ["1", "1"] and sysctls("Host1") == ["0", "0"]
    assert answers(kitchen, "http://10.130.17.80/") == {"Host0": 3, "Host1": 3}
    assert not cook(kitchen, "tcp_service").changed()

    kitchen.play("exp3")
    assert cook(kitchen, "take_back").changed()
    assert sysctls("Host0") == ["1", "1"]
    kitchen.play("exp1", "verify")  # It sees what the other one left, and takes it back.
    assert "dummy-ipvs0" not in kitchen.on("Host0", "ip -brief link")
    assert kitchen.play("clean").changed()
    assert sysctls("Host0") == sysctls("Host1") == ["0", "0"]
    cook(kitchen, "tcp_service")


def test_a_real_server_is_drained(kitchen):
    """The connection that it has is waited for, and gets no company; then it is gone, and again changes nothing."""
    ask = ["ssh", "-F", str(kitchen.directory / "ssh_config"), "Host1", "curl", "-s", "http://10.130.17.80/slow"]
    slow = [subprocess.Popen(ask, stdout=subprocess.PIPE, text=True) for _host in HOSTS]
    played = []
    try:
        until(lambda: [words[4] for words in servers(kitchen)] == ["1", "1"])
        cooking = threading.Thread(target=lambda: played.append(cook(kitchen, "drain")))
        cooking.start()
        until(lambda: [words[3] for words in servers(kitchen)] == ["1", "0"])
        assert answers(kitchen, "http://10.130.17.80/", 3) == {"Host0": 3}
        assert cooking.is_alive()
    finally:
        for host in HOSTS:
            kitchen.on(host, "touch /run/go")
        said = sorted(one.communicate(timeout=30)[0] for one in slow)
    cooking.join()
    assert said == ["Host0", "Host1"]
    assert played[0].changed() and "connections: 0" in played[0].output
    assert [words[1] for words in servers(kitchen)] == ["10.130.17.30:8080"]
    assert not cook(kitchen, "drain").changed()


def test_an_allow_list_is_replaced_at_once(kitchen, tmp_path):
    """50,000 addresses for 50,000 others: no moment at which one that is in both lists is refused."""
    listed = tmp_path / "allowed.txt"
    common = ["203.0.113.9"]
    listed.write_text("\n".join(addresses(0) + common + ["10.130.17.31"]), encoding="utf-8")
    cook_twice(kitchen, "allow_list", allow_list=str(listed))
    assert kitchen.on("Host0", "ipset list allowed -t | grep entries").split()[-1] == str(MANY + 2)
    assert answers(kitchen, "http://10.130.17.80/", 1) == {"Host0": 1}

    listed.write_text("\n".join(addresses(1) + common), encoding="utf-8")
    watch = "touch /run/watch; while [ -e /run/watch ]; do ipset -q test allowed 203.0.113.9; echo $?; done > /run/seen"
    kitchen.on("Host0", "rm -f /run/seen; systemd-run --unit=watch sh -c %r" % watch)
    assert cook(kitchen, "allow_list", allow_list=str(listed)).changed()
    kitchen.on("Host0", "rm /run/watch; while systemctl -q is-active watch; do sleep 0.1; done")
    seen = Counter(kitchen.on("Host0", "cat /run/seen").split())
    assert seen["0"] > 10 and set(seen) == {"0"}
    assert kitchen.on("Host0", "ipset list allowed -t | grep entries").split()[-1] == str(MANY + 1)
    assert not answers(kitchen, "http://10.130.17.80/", 1)


def addresses(number):
    """``MANY`` addresses, others for each number."""
    return ["100.%d.%d.%d" % (64 + number, index // 250, index % 250) for index in range(MANY)]


def test_a_client_of_the_dns_service_stays_with_its_server(kitchen):
    cook_twice(kitchen, "dns_service")
    said = Counter(kitchen.on("Host1", python(ASK)).split())
    assert list(said.values()) == [5]
    # Another client gets another server: it is the address that is remembered.
    others = Counter(kitchen.on("Host0", python(ASK)).split())
    assert list(others.values()) == [5] and set(others) != set(said)
    assert "persistent 600" in kitchen.on("Host0", "ipvsadm -ln -u 10.130.17.53:53")
    assert "persistent 600" in kitchen.on("Host0", "ipvsadm -ln -t 10.130.17.53:53")


def test_a_service_with_ipv6(kitchen):
    cook_twice(kitchen, "ipv6_service")
    assert answers(kitchen, "'http://[fd00:17::80]/'") == {"Host0": 3, "Host1": 3}


def test_each_recipe_is_run_here():
    here = CHECKOUT.joinpath("tests/scenarios/test_recipes.py").read_text(encoding="utf-8")
    assert RECIPES and all('"%s"' % name in here for name in RECIPES)


def until(true, seconds=30):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)
