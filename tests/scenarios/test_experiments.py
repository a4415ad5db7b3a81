# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The four experiments one after another, in every order, on hosts that hold things of other people.

The tests of this file build on each other and run in the order that they stand in.
"""

from __future__ import annotations

import pytest

from labs import differences

EXPERIMENTS = ("exp1", "exp2", "exp3", "exp4")
# Every ordered pair of experiments once: a walk over all twelve edges.
WALK = ("exp1", "exp2", "exp1", "exp3", "exp1", "exp4", "exp2", "exp3", "exp2", "exp4", "exp3", "exp4", "exp1")

FOREIGN = """
set -e
modprobe -a ip_vs dummy
ipvsadm -A -t 192.0.2.80:80 -s wlc
ipvsadm -a -t 192.0.2.80:80 -r 10.130.17.99:80 -m
ipset create THEIRS hash:ip
ipset add THEIRS 192.0.2.1
iptables -t nat -A PREROUTING -d 192.0.2.7/32 -p tcp -j DNAT --to-destination 10.130.17.9
iptables -t nat -A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE
iptables -t nat -I OUTPUT -d 192.0.2.8/32 -j RETURN
ip link add dummy0 type dummy
ip address add 192.0.2.50/32 dev dummy0
ip netns add theirs
ip route add 198.51.100.0/24 via 10.130.17.1
systemd-run --quiet --unit=theirs python3 -m http.server 9999 --bind 127.0.0.1
"""


class Memory:
    """What one test leaves for the next."""

    base: dict[str, dict[str, str]] = {}
    built: dict[str, dict[str, dict[str, str]]] = {}


@pytest.fixture(scope="module", autouse=True)
def foreign(lab):
    for host in ("Host0", "Host1"):
        lab.on(host, FOREIGN)
    Memory.base = lab.snapshots()
    Memory.built = {}


def test_the_snapshot_sees_what_others_placed(lab):
    for snapshot in Memory.base.values():
        for part, words in {
            "ipvs": "192.0.2.80:80",
            "ipset": "THEIRS",
            "iptables": "--to-destination 10.130.17.9",
            "links": "dummy0",
            "namespaces": "theirs",
            "routes": "198.51.100.0/24",
            "units": "http.server 9999",
        }.items():
            assert words in snapshot[part]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_from_check_mode_to_clean(lab, experiment):
    told = lab.play(experiment, options=("--check", "--diff"))
    assert told.changed() > 0
    assert not differences(Memory.base, lab.snapshots()), "check mode touched the hosts"

    built = lab.play(experiment, "verify")
    assert built.changed() > 0
    Memory.built[experiment] = lab.snapshots()

    assert lab.play(experiment).changed() == 0
    assert lab.play(experiment, options=("--check",)).changed() == 0
    assert not differences(Memory.built[experiment], lab.snapshots())

    lab.play("clean")
    assert not differences(Memory.base, lab.snapshots())
    assert lab.play("clean").changed() == 0


@pytest.mark.parametrize(("before", "after"), list(zip(WALK, WALK[1:])))
def test_an_experiment_after_another_leaves_exactly_its_own_state(lab, before, after):
    if (before, after) == (WALK[0], WALK[1]):
        lab.play(before)
    assert not differences(Memory.built[before], lab.snapshots())
    lab.play(after)
    assert not differences(Memory.built[after], lab.snapshots())


def test_clean_after_all_of_them_puts_the_hosts_back(lab):
    lab.play("clean")
    assert not differences(Memory.base, lab.snapshots())
