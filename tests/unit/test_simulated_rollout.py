# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real site.yml over two simulated pairs, one of them broken: a small run of tests/bench_rollout.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from programs import ROOT

BENCH = ROOT / "tests" / "bench_rollout.py"


@pytest.mark.skipif(os.geteuid() != 0, reason="the simulated hosts are mount namespaces, which only root may make")
def test_a_broken_pair_is_named_and_the_other_one_serves():
    command = [sys.executable, str(BENCH), "--pairs", "2", "--broken", "1", "--runs", "first", "--rollout", "[1]"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)["first"]
    output = " ".join(run["output"].split())
    assert (run["code"], run["failed"]) == (2, ["pair001a", "pair001b"]), run["output"]
    assert "pair pair000: healthy, pair000a serves" in output
    assert "roll-out: 1 of 2 pairs came through, 1 did not" in output
    assert (
        "pair001 pair001b: kea-dhcp4 refuses the new configuration: DHCP4_PARSER_FAIL this host was told to refuse"
        in output
    )
    assert output.count("PLAY [Deploy the pairs]") == 2
