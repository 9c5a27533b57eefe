# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever passes preflight, the real Kea of every release accepts, on both hosts.

KEAOPS_EXAMPLES says how many inventories are drawn for each version; they are the same in every run.
"""

from __future__ import annotations

import os

import pytest
from generator import Inventory, inventories, several
from rendering import errors, examine, kea_check, trials_of
from wild import places, wild

EXAMPLES = int(os.environ.get("KEAOPS_EXAMPLES", "1000"))
ROUNDS = 40
"""Of making a counter-example smaller."""


def refusals(questions: list) -> list[list[str]]:
    """Ask about many inventories; returns Kea's words for each, empty where both hosts may have what they get.

    Args:
        questions: (release, inventories) for each release. What does not pass preflight is not asked about.
    """
    trials = []
    for kea, examples in questions:
        mine = []
        for example in examples:
            pair, findings = examine(example.raw_hosts())
            mine.append([] if errors(findings) else trials_of(pair))
        trials.append((kea, mine))
    asked = [(kea, [trial for group in mine for trial in group]) for kea, mine in trials]
    found = []
    for (_kea, mine), verdicts in zip(trials, kea_check.ask_each(asked)):
        answers = iter(verdicts)
        found.append(
            [" | ".join(v.words for v in [next(answers) for _trial in group] if not v.passed) for group in mine]
        )
    return found


def smaller(example: Inventory) -> list[Inventory]:
    """Return the inventory without one of its parts, for each part, the largest first."""
    found = []
    bodies = [example.group, *example.hosts.values()]
    for index in range(len([place for body in bodies for place in places(body)])):
        copy = example.copy()
        container, key = [place for body in [copy.group, *copy.hosts.values()] for place in places(body)][index]
        del container[key]
        found.append(copy)
    return found


def reduced(kea, example: Inventory) -> Inventory:
    """Return the smallest inventory found that passes preflight and that Kea refuses all the same."""
    for _round in range(ROUNDS):
        candidates = smaller(example)
        [words] = refusals([(kea, candidates)])
        refused = [candidate for candidate, text in zip(candidates, words) if text]
        if not refused:
            return example
        example = refused[0]
    return example


def drawn(kea, strategy) -> list[tuple]:
    """Return (release, inventories) for each release."""
    return [(one, several(strategy(one.version), EXAMPLES, 1)) for one in kea]


def show(questions: list, answers: list[list[str]]) -> str:
    """Return the first counter-example, made as small as may be; empty when there is none."""
    for (kea, examples), words in zip(questions, answers):
        for example, text in zip(examples, words):
            if text:
                count = sum(map(bool, words))
                return f"Kea {kea.version} refuses {count}, for example: {text}\n{reduced(kea, example).text()}"
    return ""


def passed(example: Inventory) -> bool:
    """Tell whether preflight has no error."""
    return not errors(examine(example.raw_hosts())[1])


@pytest.fixture(scope="module")
def good(kea):
    """Inventories that are good by construction."""
    return drawn(kea, inventories)


def test_preflight_lets_every_good_inventory_pass(good):
    for _kea, examples in good:
        for example in examples:
            found = errors(examine(example.raw_hosts())[1])
            assert not found, "\n".join([*(finding.text() for finding in found), example.text()])


def test_kea_accepts_every_good_inventory(good):
    answers = refusals(good)
    assert sum(len(examples) for _kea, examples in good) >= 3 * min(EXAMPLES, 1000) * 0.99
    assert not show(good, answers)


def test_kea_accepts_whatever_passes_preflight(kea):
    """Inventories with something odd in one place: preflight finds it, or Kea does not mind."""
    questions = drawn(kea, wild)
    answers = refusals(questions)
    assert not show(questions, answers)
    shares = [sum(map(passed, examples)) / len(examples) for _kea, examples in questions]
    assert all(0.1 < share < 0.9 for share in shares), f"it proves little when so many pass: {shares}"


def test_a_counter_example_is_made_small(kea, monkeypatch):
    """What would be shown to people, tried without one check: Kea refuses two subnets with one id."""
    original = errors
    monkeypatch.setitem(globals(), "errors", lambda found: [item for item in original(found) if item.id != "P20"])
    [example] = several(inventories(kea[-1].version).filter(lambda item: len(item.subnets) > 2), 1, 1)
    for subnets in example.every_subnets():
        subnets[1]["id"] = subnets[0]["id"]
    small = reduced(kea[-1], example)
    assert len(small.subnets) == 2
    assert len(small.text()) < 1000, small.text()
