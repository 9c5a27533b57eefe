# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switch-over and recovery on deployed pairs. Each accident happens to all pairs, and one run brings them back."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from accidents import (
    be_cold,
    be_corrupt,
    be_dead,
    be_left_alone,
    be_stuck,
    be_terminated,
    be_undead,
    be_unheard,
    be_uninformed,
)
from conftest import NOTES, PAIRS, AtOnce, Pair, changed, play

ACCIDENTS = {
    "stuck in maintenance": (be_stuck, "is primary in state in-maintenance"),
    "the server that serves is lost": (be_left_alone, "does not run"),
    "hooks lost in a reload": (be_undead, "runs without its hooks and serves nobody"),
    "dead with a bad file": (be_dead, "its configuration was never proven"),
    "a corrupt lease file": (be_corrupt, "its lease file is moved aside"),
    "both cold": (be_cold, "does not run"),
    "the agent is dead and both serve": (be_unheard, "its Control Agent does not run"),
    "terminated": (be_terminated, "HA_LEASE_UPDATE_REJECTS_CAUSED_TERMINATION"),
}


@pytest.mark.parametrize("accident", ACCIDENTS)
def test_a_pair_comes_back_from(pairs, accident):
    happen, words = ACCIDENTS[accident]
    # Kea 2.2 does not look at the id of a subnet; only clocks end its high availability.
    struck = [pair for pair in pairs if happen is not be_terminated or pair.suite != "bookworm"]
    if not struck:
        pytest.skip("no pair to which this happens")
    before = {pair.name: pair.lease() for pair in struck}
    happened = AtOnce(happen, struck)
    for pair in struck:
        happened[pair]
    run = play("playbooks/recover.yml", limit=",".join(pair.name for pair in struck))
    assert run.returncode == 0, run.stdout + run.stderr
    assert words in " ".join(run.stdout.split())
    for pair in struck:
        pair.healthy()
        old = before[pair.name]
        again = pair.lease("--mac", old["mac"])
        assert (again["address"], again["server_id"]) == (old["address"], "192.168.1.2")
        primary, standby = (server.leases() for server in pair.servers)
        assert primary == standby
        assert primary[old["address"]] == old["mac"]


def test_leases_that_the_standby_missed_are_found_and_copied(pairs):
    missed = AtOnce(be_uninformed, pairs)
    leases = {pair.name: missed[pair] for pair in pairs}
    pids = [server.pid() for pair in pairs for server in pair.servers]
    run = play("playbooks/verify.yml")
    assert run.returncode != 0
    for pair in pairs:
        address = leases[pair.name]["address"]
        words = f"it knows 1 lease differently from {pair.primary.name}: {address}. Run recover.yml"
        assert words in " ".join(run.stdout.split()), run.stdout
    run = play("playbooks/recover.yml")
    assert run.returncode == 0, run.stdout + run.stderr
    for pair in pairs:
        words = f"{pair.standby.name} lacks 1 lease ({leases[pair.name]['address']}) of its partner"
        assert words in " ".join(run.stdout.split()), run.stdout
        assert pair.primary.leases() == pair.standby.leases()
    assert [server.pid() for pair in pairs for server in pair.servers] == pids
    run = play("playbooks/verify.yml")
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_pair_that_is_well_is_left_as_it_is(pairs):
    pids = [server.pid() for pair in pairs for server in pair.servers]
    run = play("playbooks/recover.yml")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "nothing to do" in run.stdout
    assert set(changed(run.stdout).values()) == {0}
    assert [server.pid() for pair in pairs for server in pair.servers] == pids


def test_nothing_is_taken_over_from_a_host_that_may_serve(pairs, tmp_path):
    pair = next((pair for pair in pairs if pair.suite == "trixie"), pairs[0])
    # Nothing listens on port 1: its SSH is gone, its server is not.
    overlay = tmp_path / "overlay.yml"
    overlay.write_text(json.dumps({"kea": {"hosts": {pair.primary.name: {"ansible_port": 1}}}}))
    for flag in ((), ("-e", f"kea_dead_host={pair.primary.name}")):
        run = play("playbooks/recover.yml", *flag, limit=pair.name, inventory=str(overlay))
        assert run.returncode != 0
        assert re.search("which may serve|Both would serve", run.stdout), run.stdout
        assert pair.states() == ("hot-standby", "hot-standby")
    pair.primary.run("systemctl stop kea-dhcp4-server")
    try:
        run = play("playbooks/recover.yml", limit=pair.name, inventory=str(overlay))
        assert f"-e kea_dead_host={pair.primary.name}" in run.stdout
        assert pair.standby.state() == "hot-standby"
        run = play("playbooks/recover.yml", *flag, limit=pair.name, inventory=str(overlay))
        assert f"Clients are served by {pair.standby.name}" in run.stdout
        assert pair.lease()["server_id"] == "192.168.1.3"
    finally:
        pair.primary.run("systemctl start kea-dhcp4-server")
    pair.healthy()


def test_service_moves_to_the_standby_and_back(pairs):
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(pair.probe()) for pair in pairs]
        for pair in pairs:
            check = play("playbooks/switchover.yml", "--check", "-e", f"kea_serve={pair.standby.name}", limit=pair.name)
            assert changed(check.stdout)[pair.primary.name] == 1
            assert pair.states() == ("hot-standby", "hot-standby")
            for expected in (1, 0):
                run = play("playbooks/switchover.yml", "-e", f"kea_serve={pair.standby.name}", limit=pair.name)
                assert run.returncode == 0, run.stdout + run.stderr
                assert changed(run.stdout)[pair.primary.name] == expected
            assert pair.states() == ("in-maintenance", "partner-in-maintenance")
            assert pair.lease()["server_id"] == "192.168.1.3"
        run = play("playbooks/switchover.yml")
        assert run.returncode == 0, run.stdout + run.stderr
        for pair in pairs:
            assert pair.states() == ("hot-standby", "hot-standby")
            assert pair.lease()["server_id"] == "192.168.1.2"
    for pair, probe in zip(pairs, probes):
        gap = probe.report["new"]["longest_gap"]
        NOTES.append(f"{pair.suite}: longest gap of a switch-over and back: {gap:.1f} s")
        # One heartbeat of 1 s, and a second for all else. Where back is a restart there are two: the server that serves
        # ends when it hears of the other, and that one begins when it has heard back.
        probe.expect(gap=2 if pair.takes_commands else 3)


def test_a_drained_server_may_be_rebooted_and_comes_back_by_itself(pair: Pair):
    run = play("playbooks/switchover.yml", "-e", f"kea_serve={pair.standby.name}", limit=pair.name)
    assert run.returncode == 0, run.stdout + run.stderr
    pair.primary.run("systemctl stop kea-dhcp4-server")
    pair.wait_for("silent", "partner-down")
    assert pair.lease()["server_id"] == "192.168.1.3"
    pair.primary.run("systemctl start kea-dhcp4-server")
    pair.healthy()


def test_a_pair_that_is_not_well_is_not_switched_over(pairs):
    pair = PAIRS[0]
    pair.standby.run("systemctl stop kea-dhcp4-server")
    try:
        run = play("playbooks/switchover.yml", "-e", f"kea_serve={pair.standby.name}", limit=pair.name)
        assert run.returncode != 0
        assert f"{pair.standby.name} does not run" in " ".join(run.stdout.split())
        assert pair.primary.state() in ("hot-standby", "partner-down")
    finally:
        pair.standby.run("systemctl start kea-dhcp4-server")
    pair.healthy()
