# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script of the boot that lu_chains keeps: it finds what others have built before it, and may run twice."""

from __future__ import annotations

import os
import re

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside
from harness import run_module, sh

VARIANTS = ["legacy"] if "LVS_GUEST" in os.environ else ["legacy", "nft"]
OPTIONS = {
    "match_sets": [{"name": "LU-SERVICE-IP"}],
    "forward_accept": True,
    "shield": {"addresses": ["169.254.1.100"], "service_sets": ["LU-SERVICE-IP"]},
}
FOREIGN = """*nat
-A PREROUTING -p tcp -m tcp --dport 8080 -j REDIRECT --to-ports 80
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
COMMIT
*filter
:DOCKER-USER - [0:0]
:FORWARD DROP [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -p icmp -j DROP
COMMIT
"""


class Boot:
    """A namespace, and the script that a run in it has kept."""

    def __init__(self, netns: str, variant: str, path: str) -> None:
        self.netns = netns
        self.variant = variant
        self.path = path
        sh("ip netns exec %s ipset create LU-SERVICE-IP hash:ip,port" % netns)

    def module(self, **options):
        with inside(self.netns):
            result = run_module("lu_chains", boot_script=self.path, variant=self.variant, **options)
        assert not result["failed"], result["msg"]
        return result

    def reboot(self, foreign):
        """Nothing survives one; then others build what is theirs."""
        empty = "*nat\nCOMMIT\n*filter\nCOMMIT\n"
        sh("ip netns exec %s iptables-%s-restore <<'EOF'\n%sEOF" % (self.netns, self.variant, foreign or empty))

    def script(self):
        sh("ip netns exec %s sh %s" % (self.netns, self.path))

    def rules(self):
        text = sh("ip netns exec %s iptables-%s-save" % (self.netns, self.variant))
        return re.sub(r"^#.*\n|\[\d+:\d+\]|^:[A-Z]+ ACCEPT .*\n", "", text, flags=re.M)


@pytest.fixture(params=VARIANTS)
def boot(netns, request, tmp_path):
    return Boot(netns, request.param, str(tmp_path / "60-chains.sh"))


@pytest.mark.parametrize("position", ["append", "first"])
@pytest.mark.parametrize("foreign", ["", FOREIGN], ids=["alone", "on top of others"])
def test_the_script_builds_what_the_module_does(boot, position, foreign):
    boot.reboot(foreign)
    boot.module(**OPTIONS, position=position)
    goal = boot.rules()
    boot.reboot(foreign)
    assert "LU-" not in boot.rules()
    for _run in range(2):
        boot.script()
        assert boot.rules() == goal
    assert not boot.module(**OPTIONS, position=position)["changed"]


def test_the_script_is_the_same_whatever_stood_there_when_it_was_written(boot):
    boot.module(**OPTIONS)
    boot.reboot(FOREIGN)
    assert boot.module(**OPTIONS)["changed"]
    forward = [line for line in boot.rules().splitlines() if line.startswith("-A FORWARD")]
    boot.reboot(FOREIGN)
    boot.script()
    assert [line for line in boot.rules().splitlines() if line.startswith("-A FORWARD")] == forward
    assert forward[0].endswith("-j LU-FORWARD")


def test_the_script_replaces_chains_that_are_there_with_other_rules(boot):
    boot.module(**OPTIONS)
    goal = boot.rules()
    for command in ("-A LU-SERVICES -p tcp -j RETURN", "-F LU-MARK-MASQ"):
        sh("ip netns exec %s iptables-%s -t nat %s" % (boot.netns, boot.variant, command))
    boot.script()
    assert boot.rules() == goal


def test_a_script_that_cannot_build_says_so(boot):
    boot.module(**OPTIONS)
    boot.reboot("")
    sh("ip netns exec %s ipset destroy LU-SERVICE-IP" % boot.netns)
    with pytest.raises(AssertionError, match="LU-SERVICE-IP"):
        boot.script()
