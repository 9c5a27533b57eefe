# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preflight names every mistake that stops Kea, or that Kea says nothing about although it should."""

from __future__ import annotations

import differential
import pytest
from differential import CASES, ask, concerned, found_by_us, recorded, stops


@pytest.fixture(scope="module")
def answers(kea):
    """What the real Kea says now; what its own check refuses is not started once more."""
    return ask(kea, every_start=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.key)
def test_preflight_names_what_stops_kea_and_what_is_dangerous(answers, case):
    answer = answers[case.key]
    assert stops(answer) or case.row.danger, f"{case.key}: neither stops Kea nor is said to be dangerous: {answer}"
    for version in filter(lambda version: concerned(case.row, version), answer):
        findings = found_by_us(case.row, version)
        assert findings, f"{case.key}: preflight has nothing to say of it with Kea {version}"
        assert all(finding.message and finding.fix for finding in findings)


def test_the_recorded_answers_are_those_of_the_real_kea(answers):
    old = recorded()
    changed = {key: (old.get(key), answer) for key, answer in answers.items() if old.get(key) != answer}
    assert not changed, f"run lab/run python tests/real/differential.py --ask: {changed}"
    assert old.keys() == answers.keys()


def test_the_page_is_up_to_date():
    assert differential.PAGE.read_text(encoding="utf-8") == differential.page()
