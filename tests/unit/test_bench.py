# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the bench: medians, goals, and what is left of a bench that was interrupted."""

from __future__ import annotations

import json

import bench_table
import history
import pytest
from stories import ONE, TWO, Story

FAST = {"heartbeat-delay": 1000, "max-response-delay": 10000, "max-ack-delay": 2000, "max-unacked-clients": 2}


def rounds(measure: str, *values: dict, kea: str = "2.6.3", run: str = "a") -> list[dict]:
    """Return the entries of one measure, good but for these values of each round."""
    good = {"seconds": 20, "heartbeat": 1.0, "gap": 1.0, "waited": 4.0, "asked": 600, "unserved": 0, "unanswered": 0}
    good |= dict.fromkeys(("failed", "duplicates", "lost", "difference", "neither", "down", "states", "late"), 0)
    return [
        {"run": run, "kea": kea, "measure": measure, "round": number, "load": number, "values": {**good, **value}}
        for number, value in enumerate(values, 1)
    ]


def verdicts(measure: str, *values: dict) -> dict[str, str]:
    """Return the last cell of each row."""
    (table,) = bench_table.clients_tables(rounds(measure, *values)).values()
    return {row[0].strip(): row[-1] for row in table}


def missed(measure: str, *values: dict) -> list[str]:
    return [name for name, verdict in verdicts(measure, *values).items() if verdict == "NOT met"]


@pytest.mark.parametrize(("heartbeat", "goal"), [(0.5, 0.75), (1, 1.5), (10, 1.5)])
def test_a_gap_may_have_one_heartbeat_and_a_half_but_no_more_than_a_second_and_a_half(heartbeat, goal):
    assert bench_table.gap_goal(heartbeat) == goal


def test_a_takeover_waits_for_silence_and_for_more_than_so_many_clients():
    assert bench_table.takeover_bound(FAST, 10) == pytest.approx(10 + 1 + 2 + 3 / 10 + 1)
    assert bench_table.takeover_bound(FAST, 0.5) == pytest.approx(10 + 1 + 2 + 3 / 0.5 + 1)


def test_a_gap_is_judged_by_the_median_and_an_invariant_by_the_worst_round():
    good = {"gap": 1.2}
    assert missed(bench_table.VALUE, good, {"gap": 9}, good) == []
    assert missed(bench_table.VALUE, {"gap": 1.6}, good, {"gap": 1.7}) == ["longest gap for new clients / peers'"]
    for key, name in (
        ("failed", "failed renewals"),
        ("down", "neither server up"),
        ("duplicates", "duplicate addresses"),
        ("lost", "lost leases"),
        ("difference", "differences of the databases"),
        ("unserved", "without an address at the end"),
    ):
        assert missed(bench_table.VALUE, {key: 0}, {key: 0}, {key: 0.2}) == [name]


def test_a_live_change_is_noticed_by_none_of_many_clients():
    assert missed(bench_table.LIVE, {}) == []
    assert missed(bench_table.LIVE, {}, {"asked": 499}) == ["new clients"]
    assert missed(bench_table.LIVE, {}, {"unanswered": 1}) == ["unanswered, or not at once"]
    assert missed(bench_table.LIVE, {}, {"states": 1}) == ["changes of HA states"]
    assert verdicts(bench_table.VALUE, {"asked": 499})["new clients"] == "-"


def test_a_takeover_stands_beside_keas_own_bound():
    lost = {"gap": 12, "unserved": 2, "difference": 1, "bound": 14.3, "takeover": 11.0, "answers": 11.2}
    assert missed(bench_table.BUSY, lost) == []
    assert missed(bench_table.BUSY, {**lost, "takeover": 14.4}) == ["standby alone / Kea's bound"]
    assert missed(bench_table.BUSY, {**lost, "duplicates": 1, "lost": 1}) == ["duplicate addresses", "lost leases"]


def test_there_is_a_table_for_each_version_in_their_order():
    entries = rounds(bench_table.VALUE, {}, {}, kea="10.0.0") + rounds("upgrade from 2.2.0", {}, kea="2.6.3")
    tables = bench_table.clients_tables([*entries, {"measure": bench_table.SPEED, "kea": ""}])
    assert list(tables) == [
        "What clients notice, Kea 2.6.3 (load 1.0-1.0)",
        "What clients notice, Kea 10.0.0 (load 1.0-2.0)",
    ]
    assert [rows[0][0] for rows in tables.values()] == ["upgrade from 2.2.0, 1 round", f"{bench_table.VALUE}, 2 rounds"]


def test_rows_stand_below_each_other():
    samples = bench_table.Samples()
    samples.add({"a": [2, 4, 9], "b": [0.5]})
    row = bench_table.cells(samples, "many words", "a", "ms", base=2, ratio_goal=1.5, scale=1000)
    assert row == ("many words", "4000 ms", "2000-9000", "2 ms", "2000.00", "<= 1.5", "NOT met")
    head, first, second = bench_table.lines([row, bench_table.cells(samples, "x", "b", "s")])
    assert head.index("median") + len("median") == first.index("4000 ms") + len("4000 ms") == second.index("0.5 s") + 5
    assert second.endswith("-  -")


def test_what_an_interrupted_bench_has_found_is_kept_and_the_last_bench_counts(tmp_path):
    path = tmp_path / "folder" / "bench.jsonl"
    assert bench_table.kept(path) == []
    old, new = rounds(bench_table.VALUE, {}, {}, {}), rounds(bench_table.VALUE, {}, run="b")
    other = rounds(bench_table.SWITCH, {})
    for entry in (*old, *other, *new):
        bench_table.keep(entry, path)
    with open(path, "a") as out:
        out.write(json.dumps(old[0])[:30])
    assert bench_table.kept(path) == [*old, *other, *new]
    assert bench_table.latest(bench_table.kept(path)) == [*other, *new]


def lost_primary() -> dict:
    """Return the report of a primary that is lost at 3; the standby is alone at 15, and answers at 16."""
    story = Story()
    for at in (0, 1, 2):
        story.client(at, f"n{at}", (0.01, ONE), f"192.168.1.{100 + at}")
    story.note(3, kind="mark", text="lost")
    story.client(4, "slow", (12, TWO), "192.168.1.120")
    story.state("kea1", 0, 3, "hot-standby", serves=True)
    story.state("kea1", 3, 20, "silent")
    story.state("kea2", 0, 15, "hot-standby")
    story.state("kea2", 15, 20, "partner-down", serves=True)
    story.end(20)
    owners = {"192.168.1.100": "n0", "192.168.1.101": "n1", "192.168.1.102": "n2", "192.168.1.120": "slow"}
    for host in ("kea1", "kea2"):
        story.leases(20, host, owners)
    return history.check(story.told())


def test_the_time_of_a_takeover_is_read_from_a_report():
    found = bench_table.takeover(lost_primary(), "kea2")
    assert found["takeover"] == pytest.approx(12, abs=0.3)
    assert found["answers"] == pytest.approx(13, abs=0.1)


def test_figures_are_numbers():
    report = lost_primary()
    found = bench_table.noticed(report | {"lost": [1, 2]})
    assert (found["asked"], found["unserved"], found["lost"], found["difference"]) == (4, 0, 2, 0)
    assert found["gap"] == report["new"]["longest_gap"]
    assert all(isinstance(value, (int, float)) for value in found.values())
