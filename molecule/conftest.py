# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's pairs as fixtures: hosts reached by SSH, Kea by its own socket, clients with real packets."""

from __future__ import annotations

import concurrent.futures
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import testinfra
from probe import Probe
from testinfra.backend.base import CommandResult

import lab as labtool

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "lab"))
import counts  # noqa: E402
import vm  # noqa: E402

# Each scenario has a lab of its own, named after it.
SCENARIO = os.environ["KEAOPS_LAB"].removeprefix("molecule-")
INVENTORY = str(ROOT / "molecule" / SCENARIO / "inventory")
# Containers, or virtual machines: both tools have the same commands for what tests do to hosts.
TOOL = os.environ.get("KEAOPS_LAB_TOOL", "lab.py")
LAB = [sys.executable, str(ROOT / "lab" / TOOL)]
KindOfLab = vm.VmLab if TOOL == "vm.py" else labtool.Lab
KEA_VERSION = {"bookworm": "2.2.0", "trixie": "2.6.3", "forky": "3.0.4"}
ASK_KEA = """
import json, socket, sys
s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect("/run/kea/kea4-ctrl-socket")
s.sendall(sys.argv[1].encode()); s.shutdown(socket.SHUT_WR)
print(b"".join(iter(lambda: s.recv(65536), b"")).decode())
"""


def output_of(command: list[str], seconds: int, **options) -> str:
    """Run a command on this machine; it must succeed, and what it says is shown if it does not."""
    done = subprocess.run(command, capture_output=True, timeout=seconds, check=False, **options)
    said, complaints = (stream.decode(errors="replace") for stream in (done.stdout, done.stderr))
    assert done.returncode == 0, f"{shlex.join(command)}: rc {done.returncode}\n{said}\n{complaints}"
    return said


class Entered:
    """The shell of a client that is no host with SSH but namespaces; the part of testinfra's that is used."""

    def __init__(self, enter: list[str]) -> None:
        self.enter = enter

    def run(self, command: str, *args: str) -> CommandResult:
        """Run a command as root."""
        line = command % tuple(shlex.quote(arg) for arg in args) if args else command
        command_line = [*self.enter, "sh", "-c", line]
        done = subprocess.run(command_line, text=True, capture_output=True, timeout=600, check=False)
        return CommandResult(None, done.returncode, line, done.stdout, done.stderr)


class Host:
    """One machine of the lab."""

    def __init__(self, name: str, variables: dict) -> None:
        self.name = name
        self.variables = variables
        self.address = variables["lab_address"]
        if "lab_enter" in variables:
            self.shell = Entered(variables["lab_enter"])
            return
        known_hosts = variables["ansible_ssh_common_args"]
        self.shell = testinfra.get_host(
            f"ssh://{variables['ansible_user']}@127.0.0.1:{variables['ansible_port']}",
            ssh_identity_file=variables["ansible_ssh_private_key_file"],
            ssh_extra_args=known_hosts,
            controlpersist=300,
            timeout=60,
            sudo=True,
        )

    def run(self, command: str, *args: str) -> str:
        """Run a command as root; it must succeed."""
        result = self.shell.run(command, *args)
        assert result.rc == 0, f"{self.name}: {result.command}: rc {result.rc}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def put(self, folder: str, files: dict[str, bytes]) -> None:
        """Write files that only root can read; their content appears on no command line."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o600
                archive.addfile(member, io.BytesIO(content))
        unpack = f"mkdir -p {shlex.quote(folder)} && tar -x -C {shlex.quote(folder)} --no-same-owner"
        command = [*LAB, "exec", self.name, "sh", "-c", unpack]
        output_of(command, 60, input=buffer.getvalue())

    def file(self, path: str) -> str:
        """Return a file's text, without white space at its ends."""
        return self.run(f"cat {shlex.quote(path)}").strip()

    def started(self, unit: str = "kea-dhcp4-server") -> int:
        """Return when the unit was started last, in microseconds; the same clock on all hosts of the lab."""
        return int(self.run(f"systemctl show -p ExecMainStartTimestampMonotonic --value {unit}"))

    def kea(self, command: str, **arguments) -> dict:
        """Send a command to the DHCPv4 server's own socket; returns the whole reply."""
        request = {"command": command, **({"arguments": arguments} if arguments else {})}
        return json.loads(self.run("python3 -c %s %s", ASK_KEA, json.dumps(request)))

    def state(self) -> str:
        """Return the server's state, or why there is none."""
        try:
            result = self.shell.run("python3 -c %s %s", ASK_KEA, json.dumps({"command": "ha-heartbeat"}))
        except RuntimeError:  # the host itself is gone
            return "silent"
        if result.rc:
            return "silent"
        return json.loads(result.stdout).get("arguments", {}).get("state", "no hook")

    def leases(self) -> dict[str, str]:
        """Return address and client of every lease."""
        reply = self.kea("lease4-get-all")
        return {lease["ip-address"]: lease["hw-address"] for lease in reply.get("arguments", {}).get("leases", [])}

    def pid(self, unit: str = "kea-dhcp4-server") -> str:
        """Return the unit's main process."""
        return self.run(f"systemctl show -p MainPID --value {unit}").strip()


class Pair:
    """A primary, a standby and their client."""

    def __init__(self, name: str, suite: str, hosts: dict[int, Host]) -> None:
        self.name, self.suite = name, suite
        self.client, self.primary, self.standby = hosts[0], hosts[1], hosts[2]
        self.servers = (self.primary, self.standby)

    @property
    def takes_commands(self) -> bool:
        """Whether its Kea is 3.0 or later, which does by commands what takes a restart before."""
        return KEA_VERSION.get(self.suite, "0") >= "3"

    def partner(self, server: Host) -> Host:
        """Return the other server."""
        return self.standby if server is self.primary else self.primary

    def probe(self, **options) -> Probe:
        """Return a block in which clients keep asking and both servers are watched; afterwards it has a report."""
        return Probe(KindOfLab.named(os.environ["KEAOPS_LAB"]), self.name.removeprefix("pair_"), **options)

    def lease(self, *args: str) -> dict:
        """Have the client take a lease."""
        return json.loads(self.client.run("dhcp-client lease --timeout 20 " + " ".join(args)))

    def states(self) -> tuple[str, str]:
        """Return both servers' states."""
        return self.primary.state(), self.standby.state()

    def wait_for(self, *states: str, seconds: int = 60) -> None:
        """Wait until primary and standby are in these states."""
        deadline = time.monotonic() + seconds
        while (now := self.states()) != states:
            assert time.monotonic() < deadline, f"{self.name}: {now} after {seconds} s, expected {states}"
            time.sleep(0.5)

    def healthy(self, seconds: int = 60) -> None:
        """Wait for the healthy state."""
        self.wait_for("hot-standby", "hot-standby", seconds=seconds)


def command_of(playbook: str, *args: str, limit: str | None = None, inventory: str | None = None) -> list[str]:
    """Return the command a user would type; *inventory* is laid over the lab's."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), str(ROOT / playbook), "-i", INVENTORY]
    if inventory:
        command += ["-i", inventory]
    if limit:
        command += ["--limit", limit]
    return [*command, *args]


def environment() -> dict[str, str]:
    """Return a user's environment: Molecule's own settings of Ansible do not belong to it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    return {**kept, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}


def play(playbook: str, *args: str, settings: dict[str, str] | None = None, **kwargs) -> subprocess.CompletedProcess:
    """Run a playbook of the project on the lab; *settings* are further variables of the environment."""
    return subprocess.run(
        command_of(playbook, *args, **kwargs),
        cwd=ROOT,
        env={**environment(), **(settings or {})},
        text=True,
        capture_output=True,
        timeout=600,
        check=False,
    )


RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


def changed(output: str) -> dict[str, int]:
    """Return the number of changes of each host, from the recap."""
    found = {host: int(count) for host, _ok, count, _unreachable, _failed in RECAP.findall(output)}
    assert found, output
    return found


def inventory_of(host: str) -> dict:
    """Return the variables that the scenario's inventory has for a host, not evaluated."""
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", INVENTORY, "--host", host]
    return json.loads(output_of(command, 60, cwd=ROOT))


def lab(*words: str, seconds: int = 900) -> str:
    """Have the lab's tool do something with hosts: cut their power, pull their cable, boot them; returns its output."""
    return output_of([*LAB, *words], seconds)


class AtOnce:
    """What became of a piece of work that was done on several pairs or hosts at the same time."""

    def __init__(self, work: Callable, items: list) -> None:
        with concurrent.futures.ThreadPoolExecutor(max_workers=len(items)) as pool:
            self.futures = {item: pool.submit(work, item) for item in items}
            concurrent.futures.wait(self.futures.values())

    def __getitem__(self, item):
        """Return what the work returned for one of them, or raise what it raised."""
        return self.futures[item].result()


def lab_pairs() -> list[Pair]:
    """Return the pairs that the lab runs."""
    data = json.loads(output_of([str(ROOT / "lab" / "inventory"), "--list"], 60))
    pairs: dict[str, dict] = {}
    for name, variables in data["_meta"]["hostvars"].items():
        pair = pairs.setdefault(variables["lab_pair"], {"suite": variables["lab_suite"], "hosts": {}})
        if variables["lab_number"]:
            pair["suite"] = variables["lab_suite"]
        pair["hosts"][variables["lab_number"]] = Host(name, variables)
    return [Pair(name, pair["suite"], pair["hosts"]) for name, pair in pairs.items()]


PAIRS = lab_pairs()


def renew(host: Host) -> None:
    """Have a host that was replaced be reached at its new port, with its new key."""
    fresh = next(one for pair in lab_pairs() for one in pair.servers if one.name == host.name)
    vars(host).update(vars(fresh))


@pytest.fixture(params=PAIRS, ids=lambda pair: pair.suite)
def pair(request) -> Pair:
    """Each pair in turn, healthy at the start of a test."""
    request.param.healthy()
    return request.param


@pytest.fixture
def pairs() -> list[Pair]:
    """All pairs, healthy at the start of a test."""
    for each in PAIRS:
        each.healthy()
    return PAIRS


@pytest.fixture
def fresh(pair: Pair) -> Pair:
    """Each pair in turn, healthy and without leases at the start of a test, and healthy at its end."""
    for server in pair.servers:
        server.kea("lease4-wipe", **{"subnet-id": 1})
    yield pair
    pair.healthy(240)


NOTES: list[str] = []
"""Measurements to be shown at the end."""


def pytest_terminal_summary(terminalreporter):
    """Show the measurements, and leave the counts where `make test` shows them last, after Molecule's own words."""
    for note in NOTES:
        terminalreporter.write_line(f"{SCENARIO}: {note}")
    counts.note(SCENARIO, terminalreporter.stats)
