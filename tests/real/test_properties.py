# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever passes preflight, the real Kea of every release accepts, on both hosts.

KEAOPS_EXAMPLES says how many inventories are drawn for each version; they are the same in every run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from generator import Inventory, inventories, several
from rendering import errors, examine, kea_check, trials_of
from wild import NOT_RENDERED, wild

EXAMPLES = int(os.environ.get("KEAOPS_EXAMPLES", "1000"))
ROUNDS, DEEPEST = 5, 10
"""How often, and how far inside, parts of a counter-example are left out to make it smaller."""


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


def paths(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Yield the path of each part of a tree of maps and lists, outer parts first."""
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            if key not in NOT_RENDERED:
                yield (*path, key)
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths(value[key], (*path, key))


def without(example: Inventory, gone: list[tuple]) -> Inventory:
    """Return an inventory without some of its parts."""
    copy = example.copy()
    # The last ones first: they do not move those before them.
    for index, path in reversed(list(enumerate(gone))):
        if not any(path[: len(other)] == other for other in gone[:index]):
            container: Any = {"group": copy.group, "hosts": copy.hosts}
            for key in path[:-1]:
                container = container[key]
            del container[path[-1]]
    return copy


def gist(words: str) -> str:
    """Return what Kea means, without places and values: another mistake would be another counter-example."""
    return re.sub(r"FILE\S*|\S*\d\S*|'.*?'|\".*?\"", "", words.split(" | ")[0])[:90]


def reduced(kea, example: Inventory) -> Inventory:
    """Return a small inventory that passes preflight, and that Kea refuses all the same, for the same reason."""
    example = example.copy()
    reason = gist(refusals([(kea, [example])])[0][0])

    def refused(candidates: list[Inventory]) -> list[bool]:
        return [bool(text) and gist(text) == reason for text in refusals([(kea, candidates)])[0]]

    if any("kea_subnets" in host for host in example.hosts.values()):
        alike = example.copy()
        for name in ("kea_subnets", "kea_interfaces"):
            alike.group[name] = [host.pop(name) for host in alike.hosts.values()][0]
        example = alike if refused([alike])[0] else example
    # The outermost parts first: most of what is inside need not be tried then.
    for depth in range(2, DEEPEST):
        for _round in range(ROUNDS):
            roots = [("group",), *(("hosts", name) for name in example.hosts)]
            bodies = [example.group, *example.hosts.values()]
            parts = [part for body, root in zip(bodies, roots) for part in paths(body, root) if len(part) == depth]
            tried = refused([without(example, [part]) for part in parts])
            idle = [part for part, without_it in zip(parts, tried) if without_it]
            # All that play no part at once, if they do not together; else the first.
            if not idle:
                break
            every = without(example, idle)
            example = every if refused([every])[0] else without(example, idle[:1])
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
    """What would be shown to people, tried without one check: Kea refuses a pool outside its subnet."""
    original = errors
    monkeypatch.setitem(globals(), "errors", lambda found: [item for item in original(found) if item.id != "P23"])
    [example] = several(inventories(kea[-1].version).filter(lambda item: len(item.subnets) > 2), 1, 1)
    for subnets in example.every_subnets():
        subnets[1]["pools"] = ["192.0.2.1-192.0.2.9"]
    small = reduced(kea[-1], example)
    assert [subnet.get("pools") for subnet in small.subnets] == [["192.0.2.1-192.0.2.9"]]
    assert len(small.text()) < 600, small.text()
