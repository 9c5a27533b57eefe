#!/usr/bin/env python3
# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the offline preflight of many pairs takes, beside ansible-inventory --list of the same inventory.

Run it with the Python of the virtual environment: .venv/bin/python tests/bench_preflight.py [--rounds 3]. It fails if a
goal is missed. With --json it prints the figures alone, for lab/bench. Needs no host: none is contacted.

Each pair has 20 subnets and 200 reservations in a file of its group, as in an inventory that is kept in a repository.
Processor seconds are told, too: on a machine with other work they are what can be compared from one run to another.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

PAIRS = (50, 250, 500)
SUBNETS = 20
RESERVATIONS = 10  # in each of them
MOST_RATIO = 4
MOST_MEGABYTES = 1000
# Ten times the hosts may take this much longer: some room for caches and noise, none for a square.
MOST_GROWTH = 15


class Run(NamedTuple):
    """What one command took."""

    seconds: float
    processor: float  # seconds of it and of all its children
    megabytes: float  # of its largest process


def subnet(pair: int, number: int) -> dict:
    """Return one subnet, with addresses that no other one of any pair has."""
    base = f"10.{pair % 250}.{number + pair // 250 * SUBNETS}"
    return {
        "id": number + 1,
        "subnet": f"{base}.0/24",
        "relay": {"ip_addresses": [f"{base}.1"]},
        "pools": [f"{base}.100-{base}.199"],
        "option_data": {"routers": f"{base}.1", "domain-name-servers": ["1.1.1.1", "9.9.9.9"]},
        "reservations": [
            {
                "hw_address": f"02:{pair >> 8:02x}:{pair & 255:02x}:00:{number:02x}:{n:02x}",
                "ip_address": f"{base}.{n + 10}",
                "hostname": f"host-{pair}-{number}-{n}",
            }
            for n in range(RESERVATIONS)
        ],
    }


def write_inventory(folder: Path, pairs: int) -> None:
    """Write an inventory with a file for each pair."""
    (folder / "group_vars").mkdir(parents=True)
    groups = {}
    for pair in range(pairs):
        name = f"pair{pair:03d}"
        variables = {
            "kea_pair": name,
            "kea_interfaces": ["eth0"],
            "kea_server_name": "{{ inventory_hostname }}",
            "kea_subnets": [subnet(pair, number) for number in range(SUBNETS)],
        }
        (folder / "group_vars" / f"{name}.yml").write_text(yaml.safe_dump(variables), encoding="utf-8")
        groups[name] = {
            "hosts": {
                f"{name}{half}": {
                    "ansible_host": f"172.16.{pair >> 7}.{2 * (pair & 127) + number}",
                    "kea_ha_role": role,
                }
                for number, (half, role) in enumerate((("a", "primary"), ("b", "standby")))
            }
        }
    (folder / "hosts.yml").write_text(yaml.safe_dump({"kea": {"children": groups}}), encoding="utf-8")


def run(folder: Path, program: str, *arguments: str) -> Run:
    """Run one of Ansible's programs over an inventory."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOCAL_TEMP": str(folder / "tmp")}
    command = [str(BIN / program), "-i", str(folder / "inventory"), *arguments]
    with (folder / "output").open("w+", encoding="utf-8") as output:
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            raise RuntimeError(f"{program} failed:\n{output.read()[-2000:]}")
    # Linux counts in KiB.
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure(rounds: int) -> dict[int, dict[str, list[Run]]]:
    """Return the runs of each kind for each number of hosts."""
    found: dict[int, dict[str, list[Run]]] = {}
    with tempfile.TemporaryDirectory(prefix="keaops-bench-") as name:
        for pairs in PAIRS:
            folder = Path(name) / str(pairs)
            write_inventory(folder / "inventory", pairs)
            kinds = found[2 * pairs] = {"list": [], "preflight": []}
            offline = (str(ROOT / "playbooks" / "preflight.yml"), "-e", '{"kea_preflight_offline": true}')
            for _round in range(rounds):
                kinds["list"].append(run(folder, "ansible-inventory", "--list"))
                kinds["preflight"].append(run(folder, "ansible-playbook", *offline))
            if f"Checked {pairs} pairs with {2 * pairs} hosts: 0 errors" not in (folder / "output").read_text("utf-8"):
                raise RuntimeError("the preflight has not checked what it should")
    return found


def median(runs: list[Run]) -> Run:
    """Return the medians of some runs."""
    return Run(*(statistics.median(values) for values in zip(*runs, strict=True)))


def main() -> int:
    """Measure, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="runs to take the medians of (default 3)")
    parser.add_argument("--json", action="store_true", help="print the figures alone")
    args = parser.parse_args()
    found = {
        hosts: {kind: median(runs) for kind, runs in kinds.items()} for hosts, kinds in measure(args.rounds).items()
    }
    fewest, most = min(found), max(found)
    if args.json:
        figures = {hosts: {kind: one._asdict() for kind, one in kinds.items()} for hosts, kinds in found.items()}
        limits = {"most_ratio": MOST_RATIO, "most_megabytes": MOST_MEGABYTES, "most_growth": MOST_GROWTH}
        print(json.dumps({"hosts": figures, **limits}))
        return 0
    print(f"Medians of {args.rounds}; {SUBNETS} subnets and {SUBNETS * RESERVATIONS} reservations in each pair.\n")
    print("hosts   ansible-inventory --list          offline preflight          ratio   of processor")
    for hosts, kinds in found.items():
        beside, ours = kinds["list"], kinds["preflight"]
        cells = [f"{one.seconds:6.1f} s {one.processor:6.1f} s cpu {one.megabytes:5.0f} MB" for one in (beside, ours)]
        ratios = f"{ours.seconds / beside.seconds:5.2f} {ours.processor / beside.processor:10.2f}"
        print(f"{hosts:5}  {cells[0]}   {cells[1]}   {ratios}")
    last = found[most]
    results = (
        ("time / ansible-inventory --list", last["preflight"].seconds / last["list"].seconds, MOST_RATIO),
        ("peak memory, MB", last["preflight"].megabytes, MOST_MEGABYTES),
        (
            f"processor, {most} hosts / {fewest}",
            last["preflight"].processor / found[fewest]["preflight"].processor,
            MOST_GROWTH,
        ),
    )
    print()
    for name, value, limit in results:
        print(f"  {name:40} {value:7.1f}   at most {limit}   {'ok' if value <= limit else 'MISSED'}")
    return int(any(value > limit for _name, value, limit in results))


if __name__ == "__main__":
    sys.exit(main())
