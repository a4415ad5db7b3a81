# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The lulab.lvs founders
"""The lab's command line: `python3 roles/lab/files/lab COMMAND`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import image  # noqa: E402
import lifecycle  # noqa: E402
import needs  # noqa: E402
import supervisor  # noqa: E402
from errors import LabError, explain  # noqa: E402
from guests import DEFAULT_MEMORY, parse_topology, topology_of_inventory  # noqa: E402


def default_lab_dir() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(base) / "lulab-lvs" / "lab"


def doctor(options: argparse.Namespace) -> int:
    purposes = options.purposes or list(needs.PURPOSES)
    found = needs.missing(purposes)
    if options.install:
        needs.install(found)
        found = needs.missing(purposes)
    for row in found:
        print(row)
    if not found:
        image.say(f"nothing is missing to {' and to '.join(needs.PURPOSES[name] for name in purposes)}")
    return 1 if found else 0


def build(options: argparse.Namespace) -> int:
    if options.check:
        return 0 if image.is_built() else 1
    needs.require(needs.missing(["lab"]))
    print(image.ensure())
    return 0


def up(options: argparse.Namespace) -> int:
    if options.inventory:
        data = _topology_of_inventory(options)
    else:
        data = lifecycle.load_topology(options.topology)
    changed = lifecycle.up(parse_topology(data), options.lab_dir, options.timeout)
    print(json.dumps({"changed": changed}))
    return 0


def _topology_of_inventory(options: argparse.Namespace) -> dict[str, object]:
    command = [options.ansible_inventory, "--list", "-i", options.inventory]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        raise LabError(f"{command[0]} is not there: activate the project's .venv or give --ansible-inventory") from None
    except subprocess.CalledProcessError as error:
        raise LabError(f"the inventory {options.inventory} cannot be read: {error.stderr.strip()}") from None
    return topology_of_inventory(json.loads(listing), options.group, options.prefix, options.memory)


def down(options: argparse.Namespace) -> int:
    changed = lifecycle.down(options.lab_dir)
    image.say("the lab is down" if changed else "no lab was up")
    print(json.dumps({"changed": changed}))
    return 0


def status(options: argparse.Namespace) -> int:
    good, lines = lifecycle.status(options.lab_dir)
    print("\n".join(lines))
    return 0 if good else 1


def supervise(options: argparse.Namespace) -> int:
    supervisor.main(options.lab_dir, options.image)
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="lab", description="Guests on user-mode kernels, on a bridge of their own.")
    commands = top.add_subparsers(dest="command", required=True)

    one = commands.add_parser("doctor", help="name what this machine lacks, each with its remedy")
    one.add_argument("--install", action="store_true", help="say what is missing and why, then install it")
    one.add_argument("--for", dest="purposes", action="append", choices=list(needs.PURPOSES), help="repeatable; all")
    one.set_defaults(run=doctor)

    one = commands.add_parser("build", help="build the guests' image unless it is in the cache; print its folder")
    one.add_argument("--check", action="store_true", help="only tell, by the exit status, whether it is in the cache")
    one.set_defaults(run=build)

    one = commands.add_parser("up", help="start what does not run, and wait until every guest answers")
    source = one.add_mutually_exclusive_group(required=True)
    source.add_argument("--topology", help="a JSON file, or - for standard input")
    source.add_argument("--inventory", help="an Ansible inventory; its hosts' host_ip are the addresses")
    one.add_argument("--ansible-inventory", default="ansible-inventory", help="the program that reads inventories")
    one.add_argument("--group", default="lvs")
    one.add_argument("--prefix", type=int, default=24)
    one.add_argument("--memory", default=DEFAULT_MEMORY, help="of each guest")
    one.add_argument("--timeout", type=float, default=120, help="seconds until every guest must answer")
    one.set_defaults(run=up)

    for name, function, words in (
        ("down", down, "end the lab and all that belongs to it"),
        ("status", status, "say which guests answer"),
        ("supervise", supervise, "used by up"),
    ):
        one = commands.add_parser(name, help=words)
        one.set_defaults(run=function)
    commands.choices["supervise"].add_argument("--image", type=Path, required=True)
    for name in ("up", "down", "status", "supervise"):
        commands.choices[name].add_argument(
            "--lab-dir", type=lambda text: Path(text).resolve(), default=default_lab_dir().resolve()
        )
    return top


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except LabError as error:
        words = str(error)
    except OSError as error:
        words = explain(error, [*([options.lab_dir] if "lab_dir" in options else []), image.cache_dir()])
    except subprocess.CalledProcessError as error:
        words = f"'{' '.join(map(str, error.cmd))}' ended with exit status {error.returncode}: see its words above"
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130
    print(f"lab: {words}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
