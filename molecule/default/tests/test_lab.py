# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab is there: guests of their own, fit for the experiments, with nothing of them yet."""

from __future__ import annotations

from labs import HOSTS


def test_a_guest_is_a_host_of_the_inventory(host):
    name = host.backend.get_hostname()
    assert host.check_output("hostname") == name
    assert HOSTS[name] in host.check_output("hostname -I").split()


def test_its_kernel_has_ip_vs(host):
    assert host.run("modprobe --dry-run -a ip_vs ip_vs_rr xt_ipvs xt_set dummy veth").succeeded


def test_nothing_is_built_on_it(host):
    assert not host.file("/run/systemd/system/lulab-backend.service").exists
    assert "LU-" not in host.check_output("iptables -t nat -S")
