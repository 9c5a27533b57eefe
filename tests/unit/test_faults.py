# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the fault tests say what was seen."""

from __future__ import annotations

import faults
import history
import pytest
from stories import ONE, Story


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Results and a page of this test's own; returns what the page is after the tables were written."""
    monkeypatch.setattr(faults, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(faults, "PAGE", tmp_path / "page.md")
    faults.PAGE.write_text(f"# By hand\n\n{faults.BEGIN}\n\nof old\n")

    def written() -> str:
        assert faults.main() == 0
        return faults.PAGE.read_text()

    return written


def report(*, healed: float | None, heal: float | None = 4) -> dict:
    """Return the report of a fault at 2, a gap from then on to 5, and a heal, if there is one."""
    story = Story()
    for number in (0, 1, 5, 6, 7, 8):
        story.client(number, f"n{number}", (0.01, ONE), f"192.168.1.{100 + number}")
    story.note(2, kind="mark", text="inject")
    if heal:
        story.note(heal, kind="mark", text="heal")
    story.state("kea1", 0, 2, "hot-standby", serves=True)
    story.state("kea1", 2, healed or 9, "silent")
    if healed:
        story.state("kea1", healed, 9, "hot-standby", serves=True)
    story.state("kea2", 0, 9, "hot-standby")
    story.end(9)
    return history.check(story.events)


def test_a_row_says_what_was_seen(page):
    faults.note("2.6.3", "primary stopped", "the standby takes over", report(healed=5.0), [])
    text = page()
    assert text.startswith("# By hand\n")
    assert "of old" not in text
    assert "## Kea 2.6.3\n" in text
    assert "| primary stopped | the standby takes over | 4.0 s | 0.0 s | 0 | ? | ? | 0.0 s | 1.0 s | met |" in text


def test_what_nobody_heals_is_counted_from_the_fault_on(page):
    faults.note("2.6.3", "primary killed", "it comes back", report(healed=5.0, heal=None), [])
    assert page().splitlines()[-1].endswith("| 3.0 s | met |")


def test_a_limit_of_kea_is_called_so(page):
    faults.note("2.6.3", "primary unheard", "Kea's limit: nobody takes over", report(healed=5.0), [])
    assert page().splitlines()[-1].endswith("| 1.0 s | Kea's limit |")


def test_what_failed_is_not_hidden(page):
    faults.note("2.6.3", "primary stopped", "", report(healed=None), ["gap: 4, at most 1 may be"])
    assert page().splitlines()[-1].endswith("| not | **not met** |")


def test_the_last_attempt_counts_and_each_kea_has_a_table(page):
    for kea, broken in (("2.6.3", ["gap"]), ("2.2.0", []), ("2.6.3", [])):
        faults.note(kea, "primary stopped", "", report(healed=5.0), broken)
    text = page()
    assert text.count("| primary stopped |") == 2
    assert text.index("## Kea 2.2.0") < text.index("## Kea 2.6.3")
    assert "not met" not in text


def test_without_results_it_says_what_to_do(page, capsys):
    assert faults.main() == 1
    assert "run `make test-faults` first" in capsys.readouterr().err
