# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories as people have them: the real Kea of every release takes what both hosts get, and runs with it."""

from __future__ import annotations

import pytest
from examples import EXAMPLES, SHIPPED, examine
from rendering import kea_check, trials_of

ALL = {**EXAMPLES, **SHIPPED}


@pytest.fixture(scope="module")
def verdicts(kea):
    """All answers, asked for at once: release, inventory and host -> what was asked, and what Kea said."""
    questions, labels = [], []
    for one in kea:
        trials = []
        for name, path in ALL.items():
            pairs, _findings = examine(path, one.version)
            for pair in pairs:
                hooks = "hooks" if pair.server(pair.servers[0].host).dialect.test_hooks_usable(pair.transport) else None
                for how in filter(None, ("test", hooks, "start")):
                    asked = [trial for trial in trials_of(pair, how) if how != "hooks" or "kea-dhcp4" in trial.files]
                    trials += asked
                    labels += [(one.version, name, how)] * len(asked)
        questions.append((one, trials))
    answers = [verdict for verdicts in kea_check.ask_each(questions) for verdict in verdicts]
    return list(zip(labels, answers))


@pytest.mark.parametrize("name", ALL)
def test_kea_takes_it(verdicts, name):
    mine = [(label, verdict) for label, verdict in verdicts if label[1] == name]
    assert {label[0] for label, _verdict in mine} == {"2.2.0", "2.6.3", "3.0.4"}
    refused = [f"Kea {label[0]} {label[2]}: {verdict.words}" for label, verdict in mine if not verdict.passed]
    assert not refused, "\n".join(refused)
    assert [label for label, verdict in mine if label[2] == "start" and not verdict.ha] == []
