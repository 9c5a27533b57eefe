# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller dies at each step of a run that changes a pair: DHCP goes on, and the next run ends what was begun."""

from __future__ import annotations

from conftest import KEA_VERSION
from faults import note
from history import violations
from killed import killed_at, moments

EXPECTED = "DHCP goes on: a client's first repetition, after 4 s, is always answered. The next run ends what was begun"


def test_a_controller_that_dies_at_any_step(pair, tmp_path):
    trouble = []
    for moment in moments(pair, tmp_path / "steps"):
        report = killed_at(pair, moment)
        found = violations(report, gap=4)
        note(KEA_VERSION[pair.suite], f"controller killed at {moment}", EXPECTED, report, found)
        trouble += [f"{moment}: {words}" for words in found]
    assert not trouble, "\n".join(trouble)
