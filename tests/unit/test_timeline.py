# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of a history shows what the report says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import timeline
from stories import LAB, ONE, TWO, Story


@pytest.fixture
def story() -> Story:
    """Return a takeover: the primary dies at 3, the standby serves from 6 on."""
    story = Story()
    for number in (0, 1, 2, 6, 7, 8):
        story.client(number, f"n{number}", (0.01, ONE if number < 3 else TWO), f"192.168.1.{100 + number}")
    for number in (3, 4, 5):
        story.client(number, f"n{number}", None)
    story.state("kea1", 0, 3, "hot-standby", serves=True)
    story.state("kea1", 3, 9, "silent")
    story.state("kea2", 0, 5.6, "hot-standby")
    story.state("kea2", 5.6, 9, "partner-down", serves=True)
    story.note(2.9, kind="mark", text="killed")
    story.note(0, kind="probe", pair="trixie", command="kill -9")
    story.end(9)
    return story


def texts(figure) -> list[str]:
    axes = figure.axes[0]
    return [text.get_text() for text in axes.texts] + [axes.get_title(loc="left")]


def test_states_answers_gap_and_marks_are_in_it(story: Story):
    figure = timeline.drawn(story.told())
    words = texts(figure)
    for word in ("hot-standby", "silent", "partner-down", "longest gap 4.00 s", "killed", "kill -9"):
        assert word in words, word
    lines = {line.get_color(): len(line.get_xdata()) for line in figure.axes[0].lines if len(line.get_xdata()) > 2}
    one, two = timeline.SERVER_COLOURS
    assert lines == {one: 3, two: 3, timeline.FAILED: 3}
    legend = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert {"partner-down", "silent", "ACK of kea1", "ACK of kea2"} <= set(legend)
    assert "waiting" not in legend


def test_a_part_of_it_can_be_drawn(story: Story):
    figure = timeline.drawn(story.told(), title="a part", start=0, stop=2)
    assert figure.axes[0].get_xlim() == (0, 2)
    words = texts(figure)
    assert "a part" in words
    assert "killed" not in words
    assert not [word for word in words if word == "longest gap 4.00 s"]


@pytest.mark.parametrize(("name", "head"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_the_program_writes_a_picture(story: Story, tmp_path, name, head):
    (tmp_path / "history").write_text("".join(json.dumps(event) + "\n" for event in story.told()))
    command = [sys.executable, str(LAB / "timeline.py"), str(tmp_path / "history"), "-o", str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / name).read_bytes().startswith(head)


def test_a_file_that_is_no_history_is_named(tmp_path):
    (tmp_path / "empty").write_text("")
    command = [sys.executable, str(LAB / "timeline.py"), str(tmp_path / "empty"), "-o", str(tmp_path / "a.png")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "nothing to judge" in done.stderr
