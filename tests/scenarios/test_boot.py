# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What survives a boot: the scripts that the modules keep build from nothing what was declared."""

from __future__ import annotations

from labs import HOSTS, differences

UNITS = "/etc/systemd/system/lulab-lvs-boot.service /etc/systemd/system/lulab-backend.service"
KEPT = "/etc/lulab-lvs /var/lib/lulab-lvs " + UNITS


def test_the_scripts_of_the_boot_build_from_nothing_what_was_declared(lab):
    for host in HOSTS:  # What is loaded stays loaded: an empty table, and the sysctls of ip_vs.
        lab.on(host, "modprobe ip_vs; iptables -t nat -S")
    base = lab.snapshots()
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
        lab.on(host, "tar -xf /root/kept.tar -C / && rm /root/kept.tar && systemctl daemon-reload")
        lab.on(host, "systemctl start lulab-lvs-boot && systemctl enable --now lulab-backend")

    assert not differences(built, lab.snapshots())
    lab.play("verify")
    lab.play("clean")
    assert not differences(base, lab.snapshots())
