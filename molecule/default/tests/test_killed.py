# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller dies in the middle of a run that changes a pair: DHCP goes on, and the next run ends what was begun.

Some moments of the run only; molecule/faults has them all.
"""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from conftest import PAIRS, ROOT, Pair, command_of, environment
from history import expect
from killed import JOURNAL, LIFETIMES, Moment, killed_at, moments, run, wrong

SAMPLE = 2


@pytest.fixture(scope="module")
def pair() -> Pair:
    """One pair is enough: Debian stable's where the lab has it."""
    return next((pair for pair in PAIRS if pair.suite == "trixie"), PAIRS[0])


@pytest.fixture(scope="module")
def all_moments(pair: Pair, tmp_path_factory) -> list[Moment]:
    """Each moment in which a controller may die."""
    return moments(pair, tmp_path_factory.mktemp("killed") / "steps")


@pytest.mark.parametrize("part", range(SAMPLE))
def test_a_controller_that_dies_in_the_middle(pair, all_moments, part):
    moment = all_moments[(2 * part + 1) * len(all_moments) // (2 * SAMPLE)]
    # A client's first repetition, after 4 s, is always answered.
    expect(killed_at(pair, moment), gap=4)


def test_another_controller_is_refused_until_it_settles(pair, all_moments):
    pair.healthy()
    lifetime = next(LIFETIMES)
    assert run(pair, lifetime, stop_at=all_moments[-1].number).returncode == -signal.SIGKILL
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
