# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller that dies at a given step of a run, as molecule/plugins/stop_at.py has it die."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
from typing import NamedTuple

from conftest import ROOT, Pair, command_of, environment

LIFETIMES = itertools.count(44001)
# The names of the tasks of site.yml that change a host begin like this.
APPLY = "Run the "
SERVER = "Configure and run the DHCPv4 server"
JOURNAL = "/var/lib/keaops/journal.json"


class Moment(NamedTuple):
    """When the controller is to die: so many seconds after the start of a task."""

    number: int
    delay: float
    task: str

    def __str__(self) -> str:
        """Return how people call it."""
        return f"step {self.number}{f' after {self.delay} s' if self.delay else ''} ({self.task})"


def run(pair: Pair, lifetime: int, **settings: object) -> subprocess.CompletedProcess:
    """Run site.yml for a new value; *settings* are those of the callback stop_at."""
    command = command_of("site.yml", "-e", json.dumps({"kea_valid_lifetime": lifetime}), limit=pair.name)
    callback = {"ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "molecule" / "plugins"), "ANSIBLE_CALLBACKS_ENABLED": "stop_at"}
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**environment(), **callback, **{f"KEAOPS_{key.upper()}": str(value) for key, value in settings.items()}},
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    output, _none = child.communicate(timeout=600)
    return subprocess.CompletedProcess(command, child.returncode, output, "")


def moments(pair: Pair, path) -> list[Moment]:
    """Return each moment in which the controller is to die, as a whole run tells them.

    That is before each task that does something, from the first one on that changes a daemon to the end of the run; and
    in the middle of those that change the servers.
    """
    pair.healthy()
    done = run(pair, next(LIFETIMES), steps=path)
    assert done.returncode == 0, done.stdout
    found = [json.loads(line) for line in path.read_text().splitlines()]
    first = next(step["number"] for step in found if step["task"].startswith(APPLY))
    names = {step["number"]: step["task"] for step in found if step["number"] >= first}
    delays = {number: (0.0, 1.5, 4.0) if SERVER in name else (0.0,) for number, name in names.items()}
    assert sum(len(each) for each in delays.values()) == len(names) + 4, f"not two turns of the servers: {names}"
    return [Moment(number, delay, names[number]) for number in sorted(names) for delay in delays[number]]


def wrong(pair: Pair, lifetime: int) -> list[str]:
    """Return what is not as a finished run leaves it."""
    found = []
    for server in pair.servers:
        running = server.kea("config-get")["arguments"]["Dhcp4"]["valid-lifetime"]
        if running != lifetime:
            found.append(f"{server.name} runs {running}")
        journal = json.loads(server.file(JOURNAL))
        if journal["open"]:
            found.append(f"the journal of {server.name} is open: {journal['step']}")
    return found


def killed_at(pair: Pair, moment: Moment) -> dict:
    """Have the controller die at that moment, and run it once more, with clients asking; returns the probe's report.

    Each moment has a probe of its own, as releases that are lost in hand-overs would fill the pool in the long run.
    """
    lifetime = next(LIFETIMES)
    with pair.probe(repeat=True, command=f"the controller is killed at {moment}") as probe:
        probe.mark("inject")
        killed = run(pair, lifetime, stop_at=moment.number, stop_after=moment.delay)
        assert killed.returncode == -signal.SIGKILL, f"{moment}: not killed, but {killed.returncode}: {killed.stdout}"
        probe.mark("heal")
        done = run(pair, lifetime)
    assert done.returncode == 0, f"{moment}: the next run ends with {done.returncode}: {done.stdout[-3000:]}"
    assert wrong(pair, lifetime) == [], moment
    return probe.report
