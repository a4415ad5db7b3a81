# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab of the tests' own, playbooks run against it, and snapshots of its guests taken with the field's tools."""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from programs import ACTIVE, CHECKOUT

LAB = [sys.executable, str(CHECKOUT / "roles/lab/files/lab")]
HOSTS = {"Host0": "10.130.17.30", "Host1": "10.130.17.31"}
PLAY_SECONDS = 300

# What a host is, as its own tools tell it. Counters, timers and what the kernel numbers anew are left out.
SNAPSHOT = r"""
section() { echo "== $1"; }
section iptables; iptables-save | sed -E 's/\[[0-9]+:[0-9]+\]//; /^#/d'
section ipset; ipset save | sed -E 's/ (bucketsize|initval) 0?x?[0-9a-f]+//g' | sort
section ipvs; ipvsadm -Sn 2>/dev/null | sort
section links
ip -o link | sed -E 's/^[0-9]+: //; s/@if[0-9]+/@/; s/link-netnsid [0-9]+//; s/ether ([0-9a-f:]+)/ether/' | sort
section addresses; ip -o address | sed -E 's/^[0-9]+: //; /fe80::/d' | sort
section routes; ip route | sort; ip -6 route | grep -v fe80:: | sort
section namespaces
for ns in $(ip netns list | cut -d' ' -f1 | sort); do
  echo "$ns"; ip -n $ns -o address | grep -v fe80:: | sed 's/^[0-9]*: //'; ip -n $ns route
done
section units; ls /run/systemd/system | grep -v -E '^(session|user|systemd-)'
pgrep -af 'http.server' | sed 's/^[0-9]* //' | sort
section sysctls
for name in net.ipv4.ip_forward net.ipv6.conf.all.forwarding; do sysctl $name; done
sysctl net.ipv4.vs 2>/dev/null | grep -E 'conntrack =|expire_nodest|sync_threshold' || echo 'net.ipv4.vs.conntrack = 0'
section own; find /run/lulab-lvs /var/lib/lulab-lvs /etc/lulab-lvs -type f ! -name lock 2>/dev/null | sort
"""


def sections(text: str) -> dict[str, str]:
    """The snapshot's parts by name."""
    parts = re.split(r"^== (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


Snapshots = dict[str, dict[str, str]]


def differences(before: Snapshots, after: Snapshots) -> list[str]:
    """The lines that are in one snapshot only, each with its host and part; empty when they are equal."""
    lines = []
    for host in before:
        for part in before[host].keys() | after[host].keys():
            old, new = (one[host].get(part, "").splitlines() for one in (before, after))
            lines += ["%s %s: %s" % (host, part, line) for line in difflib.unified_diff(old, new, n=0, lineterm="")]
    return lines


@dataclass(frozen=True)
class Played:
    """What a run of playbooks printed, and its recap by host."""

    code: int
    output: str
    recap: dict[str, dict[str, int]]

    def changed(self) -> int:
        return sum(counts["changed"] for counts in self.recap.values())


@dataclass(frozen=True)
class Lab:
    """A running lab and the inventory sources that describe it."""

    directory: Path
    inventories: tuple[Path, ...]

    def on(self, host: str, command: str, check: bool = True) -> str:
        """Standard output of a shell command run by root on a guest."""
        words = ["ssh", "-F", str(self.directory / "ssh_config"), host, "sudo", "-i", "sh"]
        process = subprocess.run(words, input=command, capture_output=True, text=True, timeout=120, check=False)
        if check and process.returncode:
            raise AssertionError("%s: %s: %s %s" % (host, command, process.stdout, process.stderr))
        return process.stdout

    def snapshot(self, host: str) -> dict[str, str]:
        return sections(self.on(host, SNAPSHOT))

    def snapshots(self) -> Snapshots:
        return {host: self.snapshot(host) for host in HOSTS}

    def play(
        self,
        *playbooks: str,
        extra: Any = None,
        options: tuple[str, ...] = (),
        fails: bool = False,
        timeout: float = PLAY_SECONDS,
    ) -> Played:
        """Run ``playbooks``, for ``timeout`` seconds at most; with ``fails`` they must fail, else they must not."""
        words = ["ansible-playbook", *("%s.yml" % name for name in playbooks), *options]
        for inventory in self.inventories:
            words += ["-i", str(inventory)]
        words += ["-e", json.dumps({"lab_dir": str(self.directory), **(extra or {})})]
        environment = {
            **os.environ,
            **ACTIVE,
            "ANSIBLE_CONFIG": str(CHECKOUT / "playbooks/ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
        }
        process = subprocess.run(
            words,
            cwd=CHECKOUT / "playbooks",
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        output = process.stdout + process.stderr
        assert bool(process.returncode) is fails, output
        return Played(process.returncode, output, _recap(process.stdout))

    def with_inventory(self, path: Path, hosts: dict[str, Any]) -> Lab:
        """The same lab seen through one more inventory source, whose variables win."""
        path.write_text(json.dumps({"lvs": {"hosts": hosts}}), encoding="utf-8")
        return Lab(self.directory, (*self.inventories, path))


def _recap(output: str) -> dict[str, dict[str, int]]:
    recap = {}
    for line in output.partition("PLAY RECAP")[2].splitlines():
        name, _colon, counts = line.partition(" : ")
        if "changed=" in counts:
            recap[name.strip()] = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counts)}
    return recap


def start(directory: Path, hosts: dict[str, str], **more: str) -> None:
    """Start a lab of ``hosts``, names to addresses; ``more``: what else a topology says, such as ``memory="512M"``."""
    topology = {"hosts": [{"name": name, "address": address + "/24"} for name, address in hosts.items()], **more}
    subprocess.run(
        [*LAB, "up", "--topology", "-", "--lab-dir", str(directory)],
        input=json.dumps(topology),
        text=True,
        timeout=600,
        check=True,
    )


def stop(directory: Path) -> None:
    subprocess.run([*LAB, "down", "--lab-dir", str(directory)], timeout=60, check=True)
