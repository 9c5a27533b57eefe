# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller dies at each step of a run that changes a pair: DHCP goes on, and the next run ends what was begun."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess

from conftest import PAIRS, ROOT, Pair, command_of, environment
from history import expect

LIFETIMES = itertools.count(44001)
SERVER = "Configure and run the DHCPv4 server"
JOURNAL = "/var/lib/keaops/journal.json"


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


def steps(pair: Pair, path) -> list[tuple[int, float, str]]:
    """Return number, delay and name of each moment in which the controller is to die.

    That is before each task that does something, from the first play on that changes hosts to the end of the run; and
    in the middle of those that change the servers.
    """
    done = run(pair, next(LIFETIMES), steps=path)
    assert done.returncode == 0, done.stdout
    found = [json.loads(line) for line in path.read_text().splitlines()]
    first = next(step["number"] for step in found if step["play"].startswith("Apply"))
    names = {step["number"]: step["task"] for step in found if step["number"] >= first}
    moments = [(number, 0.0, name) for number, name in names.items()]
    moments += [(number, delay, name) for number, name in names.items() if SERVER in name for delay in (1.5, 4.0)]
    assert sum(SERVER in name for _number, delay, name in moments if not delay) == 2
    return sorted(moments)


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


def test_a_controller_that_dies_at_any_step(tmp_path):
    pair = next((pair for pair in PAIRS if pair.suite == "trixie"), PAIRS[0])
    pair.healthy()
    trouble = []
    with pair.probe(repeat=True) as probe:
        for number, delay, name in steps(pair, tmp_path / "steps"):
            where = f"step {number}{f' after {delay} s' if delay else ''} ({name})"
            lifetime = next(LIFETIMES)
            killed = run(pair, lifetime, stop_at=number, stop_after=delay)
            if killed.returncode != -signal.SIGKILL:
                trouble.append(f"{where}: was not killed: {killed.returncode}")
            done = run(pair, lifetime)
            if done.returncode:
                trouble.append(f"{where}: the next run ends with {done.returncode}: {done.stdout[-2000:]}")
            trouble += [f"{where}: {words}" for words in wrong(pair, lifetime)]
    assert not trouble, "\n".join(trouble)
    # A client's first repetition, after 4 s, is always answered.
    expect(probe.report, gap=4)


def test_another_controller_is_refused_until_it_settles(tmp_path):
    pair = next((pair for pair in PAIRS if pair.suite == "trixie"), PAIRS[0])
    pair.healthy()
    lifetime = next(LIFETIMES)
    stop = steps(pair, tmp_path / "steps")[-1][0]
    assert run(pair, lifetime, stop_at=stop).returncode == -signal.SIGKILL
    mine = {server: json.loads(server.file(JOURNAL)) for server in pair.servers}
    assert all(journal["open"] and journal["user"] and journal["partner"] for journal in mine.values())
    # As if it was somebody else's.
    for server, journal in mine.items():
        others = {**journal, "controller": "desk", "id": "desk-1-2", "user": "bob"}
        server.put("/var/lib/keaops", {"journal.json": json.dumps(others).encode()})
    pids = [server.pid() for server in pair.servers]
    refused = run(pair, next(LIFETIMES))
    assert refused.returncode != 0
    for words in ("the run desk-1-2 of bob on desk, begun", "-e kea_settle_run=desk-1-2", pair.standby.name):
        assert words in " ".join(refused.stdout.split()), refused.stdout
    assert [server.pid() for server in pair.servers] == pids
    settled = subprocess.run(
        command_of(
            "site.yml",
            "-e",
            json.dumps({"kea_valid_lifetime": lifetime, "kea_settle_run": "desk-1-2"}),
            limit=pair.name,
        ),
        cwd=ROOT,
        env=environment(),
        text=True,
        capture_output=True,
        timeout=600,
        check=False,
    )
    assert settled.returncode == 0, settled.stdout + settled.stderr
    assert wrong(pair, lifetime) == []
