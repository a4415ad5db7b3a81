# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Experiment 4 by playbook beside the article's own commands, on the same guests, both hosts at once.

The article's commands are its own, with its faults mended (the peer's route, the backend), sent as one script over
one SSH connection a host.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator

from labs import CHECKOUT, HOSTS, Lab, start, stop
from pairs import RUNS, Row, seconds

ARTICLE = """
set -e
ip link add cali0 type veth peer name veth0
ip netns add ns0
ip link set veth0 netns ns0
ip netns exec ns0 ip a add {pod}/24 dev veth0
ip netns exec ns0 ip link set veth0 up
ip netns exec ns0 ip link set lo up
ip netns exec ns0 ip route add 169.254.1.1 dev veth0 scope link
ip netns exec ns0 ip route add default via 169.254.1.1 dev veth0
ip link set cali0 up
ip route add {pod} dev cali0 scope link
ip route add {peer_cidr} via {peer}
echo 1 > /proc/sys/net/ipv4/conf/cali0/proxy_arp
echo 1 > /proc/sys/net/ipv4/ip_forward
ip link add dev dummy-ipvs0 type dummy
ip addr add 169.254.2.100/32 dev dummy-ipvs0
ipvsadm --add-service --tcp-service 169.254.2.100:80 --scheduler rr
ipvsadm --add-server --tcp-service 169.254.2.100:80 --real-server 172.16.0.10:8888 --masquerading
ipvsadm --add-server --tcp-service 169.254.2.100:80 --real-server 172.16.1.11:8888 --masquerading
echo 1 > /proc/sys/net/ipv4/vs/conntrack
iptables -t nat -N LU-SERVICES
iptables -t nat -A PREROUTING -m comment --comment "lu service portals" -j LU-SERVICES
iptables -t nat -N LU-MARK-MASQ
ipset create LU-SERVICE-IP hash:ip,port -exist
iptables -t nat -A LU-SERVICES -m comment --comment "lu service cluster ip + port for masquerade purpose" \
  -m set --match-set LU-SERVICE-IP dst,dst -j LU-MARK-MASQ
iptables -t nat -A LU-MARK-MASQ -j MARK --set-xmark 0x2000/0x2000
iptables -t nat -N LU-POSTROUTING
iptables -t nat -A POSTROUTING -m comment --comment "lu postrouting rules" -j LU-POSTROUTING
iptables -t nat -A LU-POSTROUTING -m comment --comment "lu service traffic requiring SNAT" \
  -m mark --mark 0x2000/0x2000 -j MASQUERADE
iptables -t nat -A OUTPUT -m comment --comment "lu service portals" -j LU-SERVICES
ipset add LU-SERVICE-IP 169.254.2.100,tcp:80 -exist
mkdir -p /tmp/lu && cd /tmp/lu && echo {host} > lu
ip netns exec ns0 nohup python3 -m http.server 8888 > /dev/null 2>&1 &
"""
CLEAN = """
pkill -f 'http.server 8888'
ipvsadm -D -t 169.254.2.100:80
for chain in PREROUTING OUTPUT; do
  iptables -t nat -D $chain -m comment --comment "lu service portals" -j LU-SERVICES
done
iptables -t nat -D POSTROUTING -m comment --comment "lu postrouting rules" -j LU-POSTROUTING
for chain in LU-SERVICES LU-POSTROUTING LU-MARK-MASQ; do iptables -t nat -F $chain; done
for chain in LU-SERVICES LU-POSTROUTING LU-MARK-MASQ; do iptables -t nat -X $chain; done
ipset destroy LU-SERVICE-IP
ip link del dummy-ipvs0; ip link del cali0; ip netns del ns0
ip route del 172.16.0.0/24; ip route del 172.16.1.0/24; rm -rf /tmp/lu
true
"""
PING = """
- hosts: lvs
  gather_facts: false
  become: true
  tasks:
    - ansible.builtin.ping:
"""
VALUES = {
    "Host0": {"pod": "172.16.0.10", "host": "10.130.17.30", "peer": "10.130.17.31", "peer_cidr": "172.16.1.0/24"},
    "Host1": {"pod": "172.16.1.11", "host": "10.130.17.31", "peer": "10.130.17.30", "peer_cidr": "172.16.0.0/24"},
}


def everywhere(lab: Lab, script: str) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda host: lab.on(host, script.format(**VALUES[host])), HOSTS))


def rows() -> Iterator[Row]:
    """Experiment 4 in a lab of this run's own; the article's commands stand beside both runs."""
    with tempfile.TemporaryDirectory() as directory:
        lab = Lab(Path(directory) / "lab", (CHECKOUT / "inventory/lab",))
        start(lab.directory, HOSTS)
        try:
            everywhere(lab, "modprobe -a ip_vs ip_vs_rr dummy\n")
            ping = Path(directory) / "ping"
            ping.with_suffix(".yml").write_text(PING, encoding="ascii")
            yield from measured(lab, str(ping))
        finally:
            stop(lab.directory)


def measured(lab: Lab, ping: str) -> list[Row]:
    article, first, second, least = [], [], [], []
    for _run in range(RUNS):
        article.append(seconds(lambda: everywhere(lab, ARTICLE)))
        everywhere(lab, CLEAN.replace("{", "{{").replace("}", "}}"))
        first.append(seconds(lambda: lab.play("exp4")))
        second.append(seconds(lambda: lab.play("exp4")))
        least.append(seconds(lambda: lab.play(ping)))
        lab.play("clean")
    return [
        Row("experiment 4, first run, both hosts", "the article's commands over SSH", first, article, reach=3.0),
        Row("experiment 4, second run, both hosts", "the article's commands over SSH", second, article, reach=2.0),
        Row("one task of ansible.builtin.ping, both hosts", "the article's commands over SSH", least, article),
    ]
