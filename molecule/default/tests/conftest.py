# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's pairs as fixtures: hosts reached by SSH, Kea by its own socket, clients with real packets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import testinfra

ROOT = Path(__file__).resolve().parents[3]
SCENARIO = Path(__file__).resolve().parents[1]
INVENTORY = str(SCENARIO / "inventory")
KEA_VERSION = {"bookworm": "2.2.0", "trixie": "2.6.3", "forky": "3.0.4"}
ASK_KEA = """
import json, socket, sys
s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect("/run/kea/kea4-ctrl-socket")
s.sendall(sys.argv[1].encode()); s.shutdown(socket.SHUT_WR)
print(b"".join(iter(lambda: s.recv(65536), b"")).decode())
"""


class Host:
    """One machine of the lab."""

    def __init__(self, name: str, variables: dict) -> None:
        self.name = name
        self.address = variables["lab_address"]
        known_hosts = variables["ansible_ssh_common_args"]
        self.shell = testinfra.get_host(
            f"ssh://{variables['ansible_user']}@127.0.0.1:{variables['ansible_port']}",
            ssh_identity_file=variables["ansible_ssh_private_key_file"],
            ssh_extra_args=known_hosts,
            controlpersist=300,
            sudo=True,
        )

    def run(self, command: str, *args: str) -> str:
        """Run a command as root; it must succeed."""
        result = self.shell.run(command, *args)
        assert result.rc == 0, f"{self.name}: {result.command}: rc {result.rc}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def kea(self, command: str, **arguments) -> dict:
        """Send a command to the DHCPv4 server's own socket; returns the whole reply."""
        request = {"command": command, **({"arguments": arguments} if arguments else {})}
        return json.loads(self.run("python3 -c %s %s", ASK_KEA, json.dumps(request)))

    def state(self) -> str:
        """Return the server's state, or why there is none."""
        result = self.shell.run("python3 -c %s %s", ASK_KEA, json.dumps({"command": "ha-heartbeat"}))
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

    def healthy(self) -> None:
        """Wait for the healthy state."""
        self.wait_for("hot-standby", "hot-standby")


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


def play(playbook: str, *args: str, **kwargs) -> subprocess.CompletedProcess:
    """Run a playbook of the project on the lab."""
    return subprocess.run(
        command_of(playbook, *args, **kwargs),
        cwd=ROOT,
        env=environment(),
        text=True,
        capture_output=True,
        timeout=600,
        check=False,
    )


def lab_pairs() -> list[Pair]:
    """Return the pairs that the lab runs."""
    reply = subprocess.run([str(ROOT / "lab" / "inventory"), "--list"], check=True, text=True, capture_output=True)
    data = json.loads(reply.stdout)
    pairs: dict[str, dict] = {}
    for name, variables in data["_meta"]["hostvars"].items():
        pair = pairs.setdefault(variables["lab_pair"], {"suite": variables["lab_suite"], "hosts": {}})
        if variables["lab_number"]:
            pair["suite"] = variables["lab_suite"]
        pair["hosts"][variables["lab_number"]] = Host(name, variables)
    return [Pair(name, pair["suite"], pair["hosts"]) for name, pair in pairs.items()]


PAIRS = lab_pairs()


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


def pytest_terminal_summary(terminalreporter):
    """Leave the counts where `make test` shows them last, after Molecule's own closing words."""
    counts = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error")}
    folder = ROOT / ".cache"
    folder.mkdir(exist_ok=True)
    line = f"lab: {counts['passed']} passed, {counts['failed'] + counts['error']} failed\n"
    (folder / "lab-tests").write_text(line)
