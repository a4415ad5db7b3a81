# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What survives a boot: the scripts that the modules keep build from nothing what was declared."""

from __future__ import annotations

import pytest

from labs import HOSTS, differences

FOLDER = "/etc/lulab-lvs/boot"
UNITS = "/etc/systemd/system/lulab-lvs-boot.service /etc/systemd/system/lulab-backend.service"
KEPT = "/etc/lulab-lvs /var/lib/lulab-lvs " + UNITS


@pytest.fixture(scope="module")
def base(lab):
    for host in HOSTS:  # What is loaded stays loaded: an empty table, and the sysctls of ip_vs.
        lab.on(host, "modprobe ip_vs; iptables -t nat -S")
    return lab.snapshots()


def test_the_scripts_of_the_boot_build_from_nothing_what_was_declared(lab, base):
    extra = {"exp4_pod_at_boot": True}
    lab.play("exp4", extra=extra)
    built = lab.snapshots()
    assert lab.play("exp4", extra=extra).changed() == 0
    for host in built:
        assert lab.on(host, "systemctl is-enabled lulab-lvs-boot lulab-backend").split() == ["enabled", "enabled"]
        lab.on(host, "tar -cf /root/kept.tar %s" % KEPT)

    # A host with the files of before, and nothing in the kernel: what a boot finds.
    lab.play("clean")
    assert not differences(base, lab.snapshots())
    for host in built:
        assert not lab.on(host, "ls -d %s %s" % (FOLDER, UNITS), check=False)
        lab.on(host, "tar -xf /root/kept.tar -C / && rm /root/kept.tar && systemctl daemon-reload")
        lab.on(host, "systemctl start lulab-lvs-boot && systemctl enable --now lulab-backend")

    assert not differences(built, lab.snapshots())
    lab.play("verify")
    lab.play("clean")
    assert not differences(base, lab.snapshots())


def test_scripts_of_others_stay_and_are_run_at_boot(lab, base):
    """They have the very name that the modules' own error suggests; one experiment after another is beside them."""
    theirs = FOLDER + "/50-set.sh"
    lab.on("Host0", "mkdir -p %s && echo 'touch /run/theirs' > %s" % (FOLDER, theirs))
    lab.play("exp4", extra={"exp4_pod_at_boot": True})
    lab.play("exp3", extra={"exp3_dummy_at_boot": True})
    assert lab.on("Host0", "ls %s" % FOLDER).split() == [
        "10-experiment-node.sh",
        "30-experiment-vip.sh",
        "40-experiment-services.sh",
        "50-experiment-set.sh",
        "50-set.sh",
        "60-experiment-chains.sh",
    ]
    lab.play("exp3")
    assert lab.on("Host0", "ls %s" % FOLDER).split() == ["50-set.sh"]

    lab.play("exp3", extra={"exp3_dummy_at_boot": True})
    told = lab.play("clean", options=("--check",))
    assert told.changed() and lab.on("Host1", "systemctl is-enabled lulab-lvs-boot").split() == ["enabled"]
    lab.play("clean")
    assert lab.on("Host0", "ls %s" % FOLDER).split() == ["50-set.sh"]
    assert lab.on("Host0", "cat %s" % theirs) == "touch /run/theirs\n"
    assert lab.on("Host0", "systemctl is-enabled lulab-lvs-boot").split() == ["enabled"]
    lab.on("Host0", "systemctl restart lulab-lvs-boot && test -e /run/theirs")
    assert not lab.on("Host1", "ls -d %s %s" % (FOLDER, UNITS), check=False)

    lab.on("Host0", "systemctl disable --now lulab-lvs-boot; rm -r %s %s" % (FOLDER, UNITS.split()[0]))
    assert not differences(base, lab.snapshots())
