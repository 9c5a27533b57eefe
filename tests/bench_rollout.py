#!/usr/bin/env python3
# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a roll-out over many pairs takes: the real site.yml over simulated hosts, see simulated_hosts.py.

    .venv/bin/python tests/bench_rollout.py --pairs 20 50 100
    .venv/bin/python tests/bench_rollout.py --pairs 100 500 --broken 77 --offline

Each pair has 20 subnets with 200 reservations in a file of its group. The first run deploys them, the second one
changes nothing. The processor time of the controller and that of the hosts, which are this machine here, are told
apart. With --broken, Kea on the standby of that pair refuses its configuration, or, with --fate, the standby cannot be
reached, or no more once its server was started, or neither host can then (gone). The run must fail for this pair alone
and name it at the end, and this is checked. Needs root, or a sudo that asks no password, for namespaces.

With --offline, site.yml's hosts do nothing: the preflight of the inventory, the batches, each host's plan with its
whole configuration, and the words at the end are the real ones, and the broken pair fails in between.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import bench_preflight
import simulated_hosts
import yaml

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
FATES = (*simulated_hosts.FATES, "gone")
_RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


class Run(NamedTuple):
    """One run of site.yml."""

    seconds: float
    processor: float
    """Seconds of it and of all its children, without what the hosts took."""
    megabytes: float
    """Of its largest process, the one of ansible-playbook."""
    tasks: int
    """Of the host with the most, as PLAY RECAP counts them in ok=."""
    changed: int
    """Hosts."""
    failed: list[str]
    code: int
    output: str
    hosts: float = 0.0
    """Seconds of a processor that the hosts took, all together."""


def inventory(folder: Path, pairs: int) -> list[list[tuple[str, str]]]:
    """Write an inventory; return the hosts of each pair as a world wants them."""
    bench_preflight.write_inventory(folder, pairs)
    groups = yaml.safe_load((folder / "hosts.yml").read_text(encoding="utf-8"))["kea"]["children"]
    return [[(name, host["ansible_host"]) for name, host in group["hosts"].items()] for group in groups.values()]


def offline_playbook(folder: Path, broken: list[str]) -> Path:
    """Return site.yml without what its hosts do: they are planned for, and the broken ones fail."""
    plays = yaml.safe_load((ROOT / "playbooks" / "site.yml").read_text(encoding="utf-8"))
    plan = {"__kea_plan": "{{ hostvars | keaops.kea.plan(inventory_hostname, groups) }}"}
    plays[-1]["tasks"][-1]["block"] = [
        {"name": "Decide what each host gets", "ansible.builtin.set_fact": plan},
        {
            "name": "Fail where it is wanted",
            "ansible.builtin.fail": {"msg": "this host was told to refuse"},
            "when": f"inventory_hostname in {broken}",
            "register": "__kea_checked",
        },
    ]
    path = folder / "site.yml"
    path.write_text(yaml.safe_dump(plays), encoding="utf-8")
    return path


def site(folder: Path, playbook: Path, forks: int, *arguments: str) -> Run:
    """Run a playbook over the inventory."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "home" / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
    }
    command = [str(BIN / "ansible-playbook"), "-i", str(folder / "inventory"), "-f", str(forks), str(playbook)]
    command += arguments
    with (folder / "output").open("w+", encoding="utf-8") as output:
        start = time.monotonic()
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    words = " ".join(text.split())
    recap = [(name, *map(int, counts)) for name, *counts in _RECAP.findall(text)]
    return Run(
        seconds,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,  # Linux counts in KiB
        max((ok for _name, ok, *_rest in recap), default=0),
        sum(changed > 0 for _name, _ok, changed, *_rest in recap),
        # One that only ends the roll-out in the place of others has come through.
        sorted(
            name
            for name, _ok, _changed, unreachable, failed in recap
            if unreachable or (failed and f"{name} itself came through" not in words)
        ),
        process.returncode,
        text,
    )


def story(
    folder: Path, pairs: int, broken: dict[int, str], runs: list[str], forks: int, more: dict[str, Any]
) -> dict[str, Any]:
    """Return what the runs over so many pairs took; those with a fate are mended before the second run."""
    found: dict[str, Any] = {}
    variables = ["-e", json.dumps(more)]
    hosts = inventory(folder / "inventory", pairs)
    with simulated_hosts.World(folder, hosts) as world:
        for number, fate in broken.items():
            for host, _address in hosts[number] if fate == "gone" else hosts[number][1:]:
                world.hosts[host].break_it("lost" if fate == "gone" else fate)
        for name in runs:
            reach = ["-e", json.dumps(world.variables())]
            before = world.runner.processor()
            run = found[name] = site(folder, ROOT / "site.yml", forks, *reach, *variables)._asdict()
            run["hosts"] = world.runner.processor() - before
            run["expected"] = names(hosts, list(broken))
            for host in world.hosts.values():
                host.mend()
            broken = {}
    return found


def offline_story(folder: Path, pairs: int, broken: list[int], forks: int, more: dict[str, Any]) -> dict[str, Any]:
    """Return what a run takes in which the hosts do nothing."""
    hosts = inventory(folder / "inventory", pairs)
    wrong = names(hosts, broken)
    extra = ["-e", json.dumps({**more, "kea_version": simulated_hosts.VERSION})]
    run = site(folder, offline_playbook(folder, wrong), forks, *extra)._asdict()
    return {"offline": {**run, "expected": wrong}}


def names(hosts: list[list[tuple[str, str]]], pairs: list[int]) -> list[str]:
    """Return the hosts of some pairs."""
    return sorted(host for number in pairs for host, _address in hosts[number])


def main() -> int:
    """Measure in namespaces, print here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[20, 50, 100], help="how many (default 20 50 100)")
    parser.add_argument("--broken", type=int, nargs="*", default=[], help="numbers of pairs that fail in the first run")
    parser.add_argument("--fate", nargs="+", choices=FATES, help="what is wrong with each of them (default: refuses)")
    parser.add_argument("--runs", nargs="+", default=["first", "same"], help="which ones (default: first same)")
    parser.add_argument("--forks", type=int, default=20, help="hosts at a time (default 20)")
    parser.add_argument("--offline", action="store_true", help="let the hosts do nothing")
    parser.add_argument("--rollout", default="[]", help="kea_rollout, as JSON")
    parser.add_argument("--max-failures", type=int, default=0, help="kea_rollout_max_failures")
    parser.add_argument("--json", action="store_true", help="print all there is to know, with Ansible's output")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.fate and len(args.fate) != len(args.broken):
        parser.error("--fate: one for each of --broken")
    more = {"kea_rollout": json.loads(args.rollout), "kea_rollout_max_failures": args.max_failures}
    if args.inside:
        simulated_hosts.prepare()
        broken = dict(zip(args.broken, args.fate or ["refuses"] * len(args.broken)))
        print(json.dumps(story(args.inside, args.pairs[0], broken, args.runs, args.forks, more)))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wrong = 0
    if not args.json:
        print(f"{len(os.sched_getaffinity(0))} cores, {args.forks} hosts at a time; per pair in brackets\n")
        wide = "pairs  run        wall               processor          of hosts          memory"
        print(f"{wide}            tasks  changed  failed")
    for pairs in args.pairs:
        with simulated_hosts.folder() as folder:
            if args.offline:
                found = offline_story(folder, pairs, args.broken, args.forks, more)
            else:
                again = [sys.executable, *sys.argv, "--inside", str(folder), "--pairs", str(pairs)]
                found = json.loads(simulated_hosts.apart(again).stdout)
        if args.json:
            print(json.dumps(found))
            continue
        for name, run in found.items():
            print(line(pairs, name, run), flush=True)
            wrong += judge(run)
    return 1 if wrong else 0


def line(pairs: int, name: str, run: dict[str, Any]) -> str:
    """Return a row of the table."""
    cells = [
        f"{run['seconds']:7.1f} s ({run['seconds'] / pairs:5.2f})",
        f"{run['processor']:7.1f} s ({run['processor'] / pairs:5.2f})",
        f"{run['hosts']:6.1f} s ({run['hosts'] / pairs:5.2f})",
        f"{run['megabytes']:5.0f} MB ({run['megabytes'] / pairs:5.1f})",
    ]
    return f"{pairs:5}  {name:8}  {'  '.join(cells)}  {run['tasks']:5}  {run['changed']:7}  {len(run['failed']):6}"


def judge(run: dict[str, Any]) -> int:
    """Say what was not as it should be; return whether there was anything."""
    said = [text.strip() for text in run["output"].splitlines()]
    ends = [number for number, text in enumerate(said) if "roll-out: " in text and " came through" in text]
    # The count, and the first pair that is named under it.
    for text in said[ends[-1] : ends[-1] + 2] if run["failed"] and ends else []:
        print(f"       {text[:200]}")
    if run["failed"] == run["expected"] and bool(run["code"]) == bool(run["failed"]):
        return 0
    print(f"       WRONG: {run['expected']} should have failed, and did: {run['failed']}")
    print(run["output"][-6000:])
    return 1


if __name__ == "__main__":
    sys.exit(main())
