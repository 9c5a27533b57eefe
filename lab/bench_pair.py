# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pair that lab/bench measures: bare hosts of the lab, an inventory of their own, playbooks run as a user would."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import NamedTuple

from probe import Probe

import lab as labtool

ROOT = Path(__file__).resolve().parents[1]
NAME = "bench"
SERVERS = ("bench1", "bench2")

RUN_SECONDS = 600  # no playbook takes that long here
# Room for an address for each client, in place of the scenario's 100.
SUBNET, POOL = "192.168.0.0/16", "192.168.8.0-192.168.15.255"
TIMERS = ("heartbeat-delay", "max-response-delay", "max-ack-delay", "max-unacked-clients")
PING = """\
- hosts: kea
  gather_facts: false
  tasks:
    - ansible.builtin.ping:
"""
LOGS = "journalctl -o short-precise --no-pager -u 'kea-*'; tail -v -n 5000 /var/log/kea/*.log"
TASK = re.compile(r"^TASK \[(.*?)\]")
RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)", re.M)


class Run(NamedTuple):
    """One run of a playbook."""

    seconds: float
    tasks: int  # of the host with the most, as PLAY RECAP counts them in ok=
    changed: int
    stages: dict[str, float]  # seconds from the heading of a task to the next one
    sessions: float  # how often a host was asked for something over SSH, on average
    connections: int  # of both hosts together, that were not open already


class Pair:
    """A pair of the lab, bare at first, and how to run something on it."""

    def __init__(self, folder: Path) -> None:
        self.lab = labtool.Lab.named(NAME)
        self.inventory = folder / "inventory"
        self.ping_play = folder / "ping.yml"
        self.inventory.mkdir()
        (self.inventory / "hosts").symlink_to(ROOT / "lab" / "inventory")
        variables = self.inventory / "group_vars" / "kea"
        variables.mkdir(parents=True)
        for path in (ROOT / "molecule/default/inventory/group_vars").glob("*.yml"):
            text = path.read_text()
            for key, value in (("subnet", SUBNET), ("pools", f"[{POOL}]")):
                text, found = re.subn(rf"^( +){key}: .*$", rf"\g<1>{key}: {value}", text, flags=re.M)
                if found != 1:
                    raise labtool.LabError(f"{path.name} has {found} lines with {key}: lab/bench expects one")
            # The scenario's timers are the tests' own: here, the profile decides.
            (variables / path.name).write_text(re.sub(r"^kea_ha_(heartbeat|max)_.*\n", "", text, flags=re.M))
        self.changes = variables / "zz_bench.yml"
        self.ping_play.write_text(PING)

    @contextlib.contextmanager
    def bare(self, suite: str = "trixie"):
        """Start the pair afresh, with nothing added to its inventory, and remove it after its use."""
        self.changes.unlink(missing_ok=True)
        with labtool.locked(self.lab.id):
            self.lab.down()
            self.lab.up({NAME: suite})
        try:
            yield
        except labtool.LabError:
            self.keep_logs()
            raise
        finally:
            self.down()

    def keep_logs(self) -> None:
        """Copy what both servers logged to where it outlives them: why something failed is nowhere else."""
        folder = ROOT / ".cache" / "bench-logs"
        folder.mkdir(parents=True, exist_ok=True)
        for host in SERVERS:
            with contextlib.suppress(labtool.LabError):
                (folder / f"{host}.log").write_bytes(self.ssh(host, LOGS))
        labtool.say(f"the logs of both servers are in {folder}")

    def down(self) -> None:
        with labtool.locked(self.lab.id):
            self.lab.down()

    def play(self, playbook: Path, *args: str) -> Run:
        """Run a playbook as its user would, and note when each task began."""
        command = ["ansible-playbook", "-i", str(self.inventory), str(playbook), *args]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        environment |= {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "KEAOPS_LAB": NAME, "ANSIBLE_NOCOLOR": "1"}
        count = self.inventory.parent / "ssh-count"
        count.write_text("")
        environment["KEAOPS_SSH_COUNT"] = str(count)
        for name in ("ssh", "sftp"):
            environment[f"ANSIBLE_{name.upper()}_EXECUTABLE"] = str(ROOT / "lab" / f"counted_{name}")
        # Else a task's heading waits for its first result, and its seconds would be counted for the one before.
        environment["ANSIBLE_DISPLAY_SKIPPED_HOSTS"] = "1"
        lines: list[str] = []
        marks: list[tuple[str, float]] = []
        begin = time.monotonic()
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        watchdog = threading.Timer(RUN_SECONDS, end_group, [child])
        watchdog.start()
        try:
            for line in child.stdout:
                lines.append(line)
                if heading := TASK.match(line) or re.match("PLAY (RECAP)", line):
                    marks.append((heading.group(1), time.monotonic()))
            code = child.wait()
        finally:
            watchdog.cancel()
            if child.poll() is None:
                end_group(child)
        seconds = time.monotonic() - begin
        recap = [(int(ok), int(changed)) for host, ok, changed in RECAP.findall("".join(lines)) if host in SERVERS]
        if code or len(recap) != len(SERVERS):
            raise labtool.LabError(
                f"{playbook.name} ended with {code} after {seconds:.0f} s:\n{''.join(lines[-40:]).strip()}"
            )
        stages: dict[str, float] = {}
        for (name, start), (_next, end) in itertools.pairwise(marks):
            stages[name] = stages.get(name, 0.0) + end - start
        asked = count.read_text().split()
        return Run(
            seconds,
            max(ok for ok, _ in recap),
            max(changed for _, changed in recap),
            stages,
            sessions=len(asked) / len(SERVERS),
            connections=asked.count("connection"),
        )

    def ping(self) -> float:
        return self.play(self.ping_play).seconds

    def site(self, *args: str) -> Run:
        return self.play(ROOT / "site.yml", *args)

    def ssh(self, host: str, script: str, data: bytes = b"") -> bytes:
        """Run a script as root, in one SSH connection."""
        try:
            done = subprocess.run(
                [*self.lab.ssh(host), f"sudo sh -ec {labtool.shlex.quote(script)}"],
                input=data,
                capture_output=True,
                timeout=RUN_SECONDS,
            )
        except subprocess.TimeoutExpired as exc:
            raise labtool.LabError(f"{host}: no end after {RUN_SECONDS} s: {script[:200]}") from exc
        if done.returncode:
            words = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace")[-1500:]
            raise labtool.LabError(f"{host}: failed with {done.returncode}: {script[:200]}\n{words}")
        return done.stdout

    def both(self, function) -> float:
        """Seconds that something takes on both servers in parallel."""
        begin = time.monotonic()
        labtool.in_parallel([lambda h=h: function(h) for h in SERVERS], width=len(SERVERS))
        return time.monotonic() - begin

    def edit(self, **variables) -> None:
        """Write variables into the inventory, as a user does before a run; those of earlier edits stay."""
        old = json.loads(self.changes.read_text()) if self.changes.exists() else {}
        self.changes.write_text(json.dumps(old | variables))

    def inventory_of(self, host: str) -> dict:
        """Return the variables that the inventory has for a host."""
        environment = {**os.environ, "KEAOPS_LAB": NAME}
        done = labtool.run(["ansible-inventory", "-i", str(self.inventory), "--host", host], env=environment)
        return json.loads(done.stdout)

    def probe(self, what: str, **options) -> Probe:
        """Clients that keep asking, while the block lasts."""
        return Probe(self.lab, NAME, command=what, **options)

    def serials(self) -> dict[str, bytes]:
        """The serial number of each server's certificate."""
        command = "openssl x509 -noout -serial -in /etc/kea/tls/current/cert.pem"
        return {host: self.ssh(host, command) for host in SERVERS}

    def version(self) -> str:
        """Return the version of Kea that both servers have."""
        found = {host: self.ssh(host, "kea-dhcp4 -v").decode().strip() for host in SERVERS}
        if len(set(found.values())) != 1:
            raise labtool.LabError(f"the servers have different versions of Kea: {found}")
        return found[SERVERS[0]]

    def timers(self) -> dict[str, int]:
        """Return the timers of high availability, as the server has them."""
        text = self.ssh(SERVERS[0], "cat /etc/kea/kea-dhcp4.conf").decode()
        return {name: int(re.search(rf'"{name}": (\d+)', text).group(1)) for name in TIMERS}


def end_group(child: subprocess.Popen) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
