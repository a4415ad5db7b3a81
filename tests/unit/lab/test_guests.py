# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The lulab.lvs founders
"""From a topology to command lines, without a guest."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles/lab/files/lab"))

import guests  # noqa: E402
import image  # noqa: E402
import needs  # noqa: E402
import processes  # noqa: E402
import ssh  # noqa: E402
from errors import LabError  # noqa: E402


def host(name: str = "Host0", address: str = "10.130.17.30/24") -> dict[str, str]:
    return {"name": name, "address": address}


TWO = {"hosts": [host(), host("Host1", "10.130.17.31/24")]}


def test_the_gateway_is_the_first_address_that_no_guest_has() -> None:
    assert str(guests.parse_topology(TWO).gateway) == "10.130.17.1/24"
    taken = {"hosts": [host(address="10.130.17.1/24")]}
    assert str(guests.parse_topology(taken).gateway) == "10.130.17.2/24"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "no hosts"),
        ({"hosts": []}, "no hosts"),
        ([], "not a JSON object"),
        ({**TWO, "hsots": 1}, "unknown keys hsots"),
        ({"hosts": [host(), host()]}, "hosts 0 and 1 of the topology have the same name Host0"),
        ({"hosts": [host(), host("Host1")]}, "the same address 10.130.17.30"),
        ({"hosts": [host("../x")]}, "cannot be a host name"),
        ({"hosts": [host(address="10.130.17/24")]}, "not an IPv4 address"),
        ({"hosts": [host(address="10.130.17.30")]}, "no prefix length"),
        ({"hosts": [host(address="10.130.17.0/24")]}, "its network's own"),
        ({"hosts": [host(), host("Host1", "10.130.18.31/24")]}, "different networks"),
        ({**TWO, "memory": "lots"}, "is not a size"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(data: object, words: str) -> None:
    with pytest.raises(LabError, match=words) as caught:
        guests.parse_topology(data)
    assert "\n" not in str(caught.value)


def test_a_guest_keeps_its_cables_when_others_come() -> None:
    before = guests.parse_topology(TWO).guests
    after = guests.parse_topology({"hosts": [host("Host9", "10.130.17.9/24"), *TWO["hosts"]]}).guests
    assert set(before) < set(after)
    assert len({guest.mac for guest in after} | {guest.link for guest in after}) == 6
    assert all(len(guest.link) <= 15 for guest in after)


def test_the_kernel_is_told_all_that_makes_a_guest_itself() -> None:
    topology = guests.parse_topology(TWO)
    arguments = guests.kernel_arguments(topology.guests[0], topology.gateway, "ssh-ed25519 AAAA lab")
    for argument in ("mem=256M", "lab.name=Host0", "lab.address=10.130.17.30/24", "lab.key=AAAA", "nohz=off"):
        assert argument in arguments
    assert not any(" " in argument for argument in arguments)


@pytest.mark.parametrize(
    ("running", "wanted", "stop", "start"),
    [
        ({}, {"a": ["1"]}, [], ["a"]),
        ({"a": ["1"]}, {"a": ["1"]}, [], []),
        ({"a": ["1"]}, {"a": ["1"], "b": ["2"]}, [], ["b"]),
        ({"a": ["1"], "b": ["2"]}, {"a": ["1"]}, ["b"], []),
        ({"a": ["1"]}, {"a": ["2"]}, ["a"], ["a"]),
    ],
)
def test_reconcile(running: dict, wanted: dict, stop: list[str], start: list[str]) -> None:
    assert guests.reconcile(running, wanted) == (stop, start)


def test_one_more_host_in_the_inventory_is_one_more_guest() -> None:
    inventory = {
        "lvs": {"hosts": ["Host0"], "children": ["more"]},
        "more": {"hosts": ["Host1"]},
        "_meta": {"hostvars": {"Host0": {"host_ip": "10.130.17.30"}, "Host1": {"host_ip": "10.130.17.31"}}},
    }
    assert guests.topology_of_inventory(inventory, "lvs", 24, "256M") == {**TWO, "memory": "256M"}
    inventory["_meta"]["hostvars"]["Host1"] = {}
    with pytest.raises(LabError, match="Host1 has no host_ip"):
        guests.topology_of_inventory(inventory, "lvs", 24, "256M")


def test_the_control_path_fits_into_a_socket_address_however_deep_the_lab_is() -> None:
    deep = Path("/", *["folder"] * 40)
    longest = len(str(ssh.control_dir(deep))) + len("/") + 40 + len(".0123456789abcdef")
    assert longest < 108
    assert ssh.control_dir(deep) != ssh.control_dir(deep / "other")


def test_ssh_config_survives_odd_folders() -> None:
    text = ssh.ssh_config(Path("/tmp/a b%'c"), 7, [("Host0", "10.130.17.30")])
    assert 'IdentityFile "/tmp/a b%%\'c/key"' in text
    assert "env LULAB_LVS_LAB='/tmp/a b%%'\\''c' nsenter -t 7 " in text


def test_every_missing_tool_is_named_with_its_package() -> None:
    found = needs.missing_tools(["lab"], find=lambda command: command != "socat")
    assert [str(row) for row in found] == [
        "missing: socat, which carries SSH into the lab's namespace; remedy: install socat"
    ]
    assert needs.missing_tools(list(needs.PURPOSES), find=lambda _: True) == []
    assert all(set(tool.purposes) <= set(needs.PURPOSES) for tool in needs.TOOLS)


def test_too_little_memory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert needs.available("MemTotal: 8388608 kB\nMemAvailable: 1048576 kB\n") == 1024
    monkeypatch.setattr(needs, "available", lambda: 1280)
    assert needs.missing_memory(["256M", "1G"]) == []
    assert "1280 MB of 1536 MB" in str(needs.missing_memory(["512M", "1G"])[0])


def test_another_recipe_is_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.image_dir()
    monkeypatch.setattr(image, "PACKAGES", (*image.PACKAGES, "less"))
    assert image.image_dir() != before


def test_the_hooks_of_a_build_survive_odd_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "it's a folder"
    odd.mkdir()
    (odd / "setup").touch()
    monkeypatch.setattr(image, "GUEST_FILES", odd)
    hooks = [word.partition("=")[2] for word in image.command_line(odd / "part") if "-hook=" in word]
    words = [shlex.split(hook) for hook in hooks if hook.startswith(("upload ", "tar-out ", "download "))]
    assert words == [
        ["upload", f"{odd}/setup", "/lab-build/setup"],
        ["tar-out", "/lab-uml", f"{odd}/part/uml.tar"],
        ["download", "/etc/ssh/ssh_host_ed25519_key.pub", f"{odd}/part/host_key.pub"],
        ["download", "/root.tar", f"{odd}/part/root.tar"],
    ]


def test_a_pid_used_again_is_not_the_same_process(tmp_path: Path) -> None:
    def stat(state: str, started: int) -> None:
        (tmp_path / "7").mkdir(exist_ok=True)
        fields = " ".join([state, *["0"] * 18, str(started)])
        (tmp_path / "7" / "stat").write_text(f"7 (a (b) c) {fields}\n")

    stat("S", 41)
    assert processes.start_time(7, tmp_path) == 41
    stat("Z", 41)
    assert processes.start_time(7, tmp_path) is None
    assert processes.start_time(8, tmp_path) is None
