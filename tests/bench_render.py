#!/usr/bin/env python3
# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a large pair takes, from variables over all checks to the configuration, beside json.dumps of it.

Run it with the Python of the virtual environment: .venv/bin/python tests/bench_render.py. It fails if a goal is missed.
With --json it prints the figures alone, for lab/bench.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "unit"))

import conftest  # noqa: F401, E402 (makes the collection importable)
from ansible_collections.keaops.kea.plugins.module_utils import _findings, _model, _plan  # noqa: E402

SUBNETS = 1000
PER_SUBNET = 10
MOST_RATIO = 20
MOST_MEGABYTES = 300
# Ten times the input may take this much longer: some room for caches and noise, none for a square.
MOST_GROWTH = 15
ROUNDS = 5


def _subnet(number: int, per_subnet: int) -> dict:
    base = f"10.{number >> 6}.{(number & 63) << 2}"
    upper = f"10.{number >> 6}.{((number & 63) << 2) + 1}"
    return {
        "id": number + 1,
        "subnet": f"{base}.0/22",
        "relay": {"ip_addresses": [f"{base}.1"]},
        "pools": [f"10.{number >> 6}.{((number & 63) << 2) + 2}.0-10.{number >> 6}.{((number & 63) << 2) + 3}.200"],
        "option_data": {"routers": f"{base}.1", "domain-name-servers": ["1.1.1.1", "9.9.9.9"]},
        "reservations": [
            {
                "hw_address": f"02:{number >> 8:02x}:{number & 255:02x}:00:{n >> 8:02x}:{n & 255:02x}",
                "ip_address": f"{base if n < 200 else upper}.{n % 200 + 10}",
                "hostname": f"host-{number}-{n}",
            }
            for n in range(per_subnet)
        ],
    }


def inventory(subnets: int, per_subnet: int) -> list:
    """Return the two hosts, each with variables of its own, as an inventory gives them."""
    return [
        _model.RawHost(
            name,
            {
                "ansible_host": address,
                "kea_ha_role": role,
                "kea_interfaces": ["eth0"],
                "kea_subnets": [_subnet(number, per_subnet) for number in range(subnets)],
            },
        )
        for name, address, role in (("dhcp1", "192.168.1.2", "primary"), ("dhcp2", "192.168.1.3", "standby"))
    ]


def everything(hosts: list) -> dict:
    """Build, check and render."""
    pair, known = _model.build_pair("kea", hosts)
    findings = _findings.check(pair, known)
    assert findings == [], findings[0].text()
    return _plan.host_plan(pair, "dhcp1")["daemons"]["dhcp4"]["content"]


def best(function, *arguments) -> float:
    """Return the shortest of some runs, in seconds."""
    times = []
    for _round in range(ROUNDS):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


def measure() -> dict:
    """Return all figures: times in seconds, memory in MB."""
    hosts = inventory(SUBNETS, PER_SUBNET)
    work = best(everything, hosts)
    dump = best(json.dumps, everything(hosts))
    # All of the process: Python, the inventory, the model and the result. Linux counts in KiB.
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    large = best(everything, inventory(SUBNETS, 10 * PER_SUBNET))
    return {"work": work, "dump": dump, "megabytes": megabytes, "large": large}


def main() -> int:
    """Measure, print and judge."""
    found = measure()
    if sys.argv[1:] == ["--json"]:
        limits = {"most_ratio": MOST_RATIO, "most_megabytes": MOST_MEGABYTES, "most_growth": MOST_GROWTH}
        print(json.dumps({**found, **limits}))
        return 0
    work, dump, large = found["work"], found["dump"], found["large"]
    results = (
        ("time / json.dumps", work / dump, MOST_RATIO),
        ("peak memory, MB", found["megabytes"], MOST_MEGABYTES),
        ("time of 100,000 / 10,000 reservations", large / work, MOST_GROWTH),
    )
    print(
        f"{SUBNETS} subnets, {SUBNETS * PER_SUBNET} reservations: {work * 1000:.0f} ms, json.dumps {dump * 1000:.0f} ms"
    )
    for name, value, limit in results:
        print(f"  {name:40} {value:7.1f}   at most {limit}   {'ok' if value <= limit else 'MISSED'}")
    return int(any(value > limit for _name, value, limit in results))


if __name__ == "__main__":
    sys.exit(main())
