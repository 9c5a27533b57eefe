# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real site.yml over a few simulated pairs, some of them broken: small runs of tests/bench_rollout.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench_rollout.py"

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="the simulated hosts are mount namespaces, which only root may make"
)


def rolled_out(arguments):
    """Return each run, its output in single spaces."""
    done = subprocess.run(
        [sys.executable, str(BENCH), "--json", *arguments.split()],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    runs = json.loads(done.stdout)
    for run in runs.values():
        run["output"] = " ".join(run["output"].split())
    return runs


def test_broken_pairs_are_named_and_the_others_serve():
    fates = "--broken 1 2 3 --fate refuses unreachable lost"
    run = rolled_out(f"--pairs 6 {fates} --rollout [1,4] --runs first")["first"]
    assert (run["code"], run["failed"]) == (4, [f"pair00{number}{half}" for number in (1, 2, 3) for half in "ab"])
    for words in (
        "pair pair004: healthy, pair004a serves",
        "roll-out: batch 2 of 3, 4 pairs: pair001, pair002, pair003, pair004",
        "roll-out: 2 of 6 pairs came through, 3 did not",
        "pair001 pair001b: kea-dhcp4 refuses the new configuration: DHCP4_PARSER_FAIL this host was told to refuse",
        "pair002 pair002b: the host cannot be reached: ",
        "pair003 pair003b: the host cannot be reached any more",
        "Stopped after batch 2 of 3, because 3 failed, and kea_rollout_max_failures is 0.",
        "Not begun: 1 pair: pair005.",
    ):
        assert words in run["output"], words
    assert run["output"].count("PLAY [Deploy the pairs]") == 2


def test_a_pair_that_is_gone_as_a_whole_is_named_by_another_one():
    run = rolled_out("--pairs 3 --broken 0 --fate gone --rollout [2] --runs first")["first"]
    assert (run["code"], run["failed"]) == (4, ["pair000a", "pair000b"]), run["output"]
    assert "pair000 pair000a: the host cannot be reached any more" in run["output"]
    assert "Not begun: 1 pair: pair002." in run["output"] and "pair001a itself came through" in run["output"]


def test_with_a_whole_batch_gone_nobody_is_left_to_say_so_and_the_next_run_goes_on():
    runs = rolled_out("--pairs 2 --broken 0 --fate gone --rollout [1]")
    run, again = runs["first"], runs["same"]
    assert (run["code"], run["failed"]) == (4, ["pair000a", "pair000b"]), run["output"]
    assert run["output"].count("PLAY [Deploy the pairs]") == 1 and "Not begun" not in run["output"]
    assert "roll-out: batch 1 of 2, 1 pair: pair000" in run["output"]
    assert (again["code"], again["changed"]) == (0, 2), again["output"]  # the pair that was not begun
    assert "roll-out: all 2 pairs came through" in again["output"]
