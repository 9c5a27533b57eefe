# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of the lab's histories, on histories written by hand."""

from __future__ import annotations

import json
import subprocess
import sys

import history
import pytest
from stories import LAB, ONE, TWO, WALL, Story


def steady(story: Story, start: float, stop: float, server: str = ONE, name: str = "n") -> None:
    """Write new clients, one each second, with an address each and served at once."""
    for number in range(round(start), round(stop)):
        story.client(number, f"{name}{number}", (0.01, server), f"192.168.1.{100 + number}")


def quiet_pair(story: Story, stop: float) -> None:
    story.state("kea1", 0, stop, "hot-standby", serves=True)
    story.state("kea2", 0, stop, "hot-standby")


def judged(story: Story, end: float = 10) -> dict:
    story.end(end)
    return history.check(story.told())


def good() -> Story:
    """Return a history in which all is well."""
    story = Story()
    steady(story, 0, 10)
    quiet_pair(story, 10)
    story.renewal(1, "7", 0, took=0.01)
    owners = {f"192.168.1.{100 + number}": f"n{number}" for number in range(10)} | {"10.0.0.7": "7"}
    for host in ("kea1", "kea2"):
        story.leases(11, host, owners)
    return story


def test_nothing_is_found_where_all_is_well():
    report = judged(good())
    assert history.violations(report, gap=1.1, wait=0.1, unanswered=0, rebound=0, neither_up=0.0) == []
    assert (report["new"]["asked"], report["new"]["served"], report["leases"]) == (10, 10, 11)
    assert (report["duplicates"], report["lost"], report["difference"]) == ([], [], [])
    assert report["normal_since"] == 0


def test_a_host_that_counts_time_for_itself_is_heard_by_the_clock_of_the_others():
    events = [{"mono": 10.0, "state": "ready"}, {"mono": 10.25, "state": "hot-standby"}]
    assert [event["mono"] for event in history.shifted(events, 500.0)] == [500.0, 500.25]
    assert events[0]["mono"] == 10.0
    assert history.shifted([], 500.0) == []


# ---------------------------------------------------------------------------------------------------------------------
# gaps


def test_the_longest_gap_is_between_two_served_clients():
    story = Story()
    for at in (0, 1, 2, 5.5, 6, 7):
        story.client(at, f"n{at}")
        story.release(at + 0.02, f"n{at}")
    report = judged(story, 8)
    assert report["new"]["longest_gap"] == pytest.approx(3.5)
    assert report["new"]["gap_at"] == pytest.approx(2.01)


@pytest.mark.parametrize("served", [range(5, 10), range(0, 5)], ids=["from the start", "to the end"])
def test_a_gap_at_either_end_counts(served):
    story = Story()
    for at in range(10):
        story.client(at, f"n{at}", (0.01, ONE) if at in served else None, f"192.168.1.{at}")
    report = judged(story)
    assert report["new"]["longest_gap"] == pytest.approx(5.01 if 5 in served else 5.99)


def test_renewals_do_not_fill_a_gap_of_new_clients():
    story = Story()
    story.client(0, "a")
    story.renewal(2, "7", 0, took=0.01)
    story.client(5, "b", address="192.168.1.101")
    report = judged(story, 5.5)
    assert report["new"]["longest_gap"] == pytest.approx(5)


def test_an_unanswered_client_waited_until_it_gave_up():
    story = Story()
    story.client(0, "a", None)
    story.client(1, "b", (3, ONE))
    report = judged(story, 30)
    assert report["new"]["unanswered"] == 1
    assert report["new"]["longest_wait"] == pytest.approx(4)


def test_a_client_that_had_no_time_for_an_answer_is_not_unanswered():
    story = Story()
    story.client(0, "a")
    story.note(9.9, kind="new", mac="b", xid="b", sent="discover", secs=0)
    assert judged(story)["new"]["unanswered"] == 0
    story = Story()
    story.client(0, "a")
    story.note(5.9, kind="new", mac="b", xid="b", sent="discover", secs=0)
    assert judged(story)["new"]["unanswered"] == 1


def test_a_client_that_repeats_is_one_client():
    story = Story()
    head = {"kind": "new", "mac": "a", "xid": "1"}
    story.note(0, **head, sent="discover", secs=0)
    story.note(4, **head, sent="discover", secs=4)
    story.note(4.01, **head, got="offer", server=ONE, address="192.168.1.100")
    story.note(4.01, **head, sent="request", secs=4)
    story.note(4.02, **head, got="ack", server=ONE, address="192.168.1.100", lease=60)
    new = judged(story)["new"]
    assert (new["asked"], new["served"], new["repeated"], new["unanswered"]) == (1, 1, 1, 0)
    assert new["longest_wait"] == pytest.approx(4.02)


# ---------------------------------------------------------------------------------------------------------------------
# renewals


def test_renewals_are_counted_by_what_it_took():
    story = Story()
    story.client(0, "1", kind="renew", address="10.0.0.1")  # the lease itself is no renewal
    story.renewal(1, "1", 0, took=0.01)
    story.renewal(2, "2", 0, 2, took=2.01)
    story.renewal(3, "3", 0, 2, 6, 10, took=10.01, rebind=True)
    story.renewal(4, "4", 0, took=0.01, nak=True)
    story.renewal(5, "5", 0, 2, 6, took=None)
    renewals = judged(story, 20)["renewals"]
    assert renewals["asked"] == 5
    assert renewals["repeated"] == 3
    assert renewals["rebound"] == 1
    assert (renewals["failed"], renewals["naks"]) == (2, 1)
    # Of the one that is still without an answer at the end.
    assert renewals["longest_wait"] == pytest.approx(15)


# ---------------------------------------------------------------------------------------------------------------------
# addresses


def test_an_address_of_two_clients_at_a_time_is_a_duplicate():
    story = Story()
    story.client(0, "a", (0.01, ONE))
    story.client(3, "b", (0.01, TWO))
    report = judged(story)
    (found,) = report["duplicates"]
    assert found["address"] == "192.168.1.100"
    assert found["clients"] == [{"mac": "a", "server": ONE}, {"mac": "b", "server": TWO}]
    assert found["from"] == pytest.approx(3.01)
    assert "duplicate addresses: 1" in history.violations(report, lost=None, difference=None, normal=None)[0]


@pytest.mark.parametrize(
    ("ending", "duplicates"),
    [
        (lambda story: story.release(2, "a"), 0),
        (lambda story: story.release(2, "a", "192.168.1.99"), 1),
        (lambda story: story.release(4, "a"), 1),
        (lambda story: story.note(2, kind="renew", mac="a", xid="9", end="timeout", address="192.168.1.100"), 0),
        (lambda story: story.note(2, kind="renew", mac="a", xid="9", end="timeout"), 1),
        (lambda story: story.note(2, kind="renew", mac="a", xid="9", got="nak", server=ONE), 0),
        (lambda story: story.note(2, kind="renew", mac="z", xid="9", got="nak", server=ONE), 1),
    ],
    ids=["released", "another released", "released late", "given up", "an exchange timed out", "NAK", "another's NAK"],
)
def test_a_lease_ends_with_its_client(ending, duplicates):
    story = Story()
    story.client(0, "a")
    ending(story)
    story.client(3, "b")
    assert len(judged(story)["duplicates"]) == duplicates


def test_a_lease_ends_with_its_time_and_a_renewal_extends_it():
    def tale(renewed: bool) -> list:
        story = Story()
        story.client(0, "a", lease=2)
        if renewed:
            story.note(1, kind="renew", mac="a", xid="9", got="ack", server=ONE, address="192.168.1.100", lease=5)
        story.client(3, "b")
        return judged(story)["duplicates"]

    assert tale(renewed=False) == []
    assert len(tale(renewed=True)) == 1


def test_between_two_leases_an_address_is_free():
    story = Story()
    story.client(0, "a", lease=2)
    story.client(3, "b", lease=2)
    story.client(6, "a", lease=2)
    assert judged(story)["duplicates"] == []


def test_the_same_client_may_have_its_address_again():
    story = Story()
    story.client(0, "a")
    story.client(3, "a")
    assert judged(story)["duplicates"] == []


# ---------------------------------------------------------------------------------------------------------------------
# databases


@pytest.mark.parametrize(
    ("owners", "more", "why"),
    [
        ({"192.168.1.100": "a"}, {}, None),
        ({"192.168.1.101": "a"}, {}, "missing"),
        ({"192.168.1.100": "b"}, {}, "owned by b"),
        ({"192.168.1.100": "a"}, {"state": 1}, "state 1"),
        ({"192.168.1.100": "a"}, {"expires": WALL + 5}, "missing"),
    ],
    ids=["there", "missing", "another's", "declined", "over"],
)
def test_a_lease_is_lost_when_the_serving_server_does_not_have_it(owners, more, why):
    story = Story()
    story.client(0, "a")
    quiet_pair(story, 10)
    story.leases(11, "kea1", owners, **more)
    story.leases(11, "kea2", {"192.168.1.100": "a"})
    assert [each["why"] for each in judged(story)["lost"]] == ([why] if why else [])


def test_only_leases_that_are_still_valid_can_be_lost():
    story = Story()
    story.client(0, "a", lease=5)
    story.client(1, "b", address="192.168.1.101")
    story.release(2, "b", "192.168.1.101")
    quiet_pair(story, 10)
    story.leases(11, "kea1", {"192.168.1.150": "z"})
    story.leases(11, "kea2", {"192.168.1.150": "z"})
    report = judged(story)
    assert report["lost"] == []
    assert report["leases"] == 0


def test_the_serving_server_is_the_one_with_scopes_else_the_last_that_answered():
    def lost_of(states) -> list:
        story = Story()
        story.client(0, "a", (0.01, TWO))
        states(story)
        story.leases(11, "kea1", {"192.168.1.150": "z"})
        story.leases(11, "kea2", {"192.168.1.100": "a"})
        return judged(story)["lost"]

    assert len(lost_of(lambda story: quiet_pair(story, 10))) == 1

    def nobody(story: Story) -> None:
        for host in ("kea1", "kea2"):
            story.state(host, 0, 10, "waiting")

    assert lost_of(nobody) == []


def test_a_database_that_cannot_be_had_is_no_good_news():
    story = Story()
    story.client(0, "a")
    quiet_pair(story, 10)
    story.leases(11, "kea1", None)
    story.leases(11, "kea2", {"192.168.1.100": "a"})
    report = judged(story)
    assert (report["lost"], report["difference"]) == (None, None)
    assert [sentence.split(":")[0] for sentence in history.violations(report)] == [
        "lost leases",
        "differences of the databases",
    ]
    assert history.violations(report, lost=None, difference=None) == []
    assert "unknown" in history.summary(report)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({}, None),
        ({"subnet_id": 2}, "subnet_id"),
        ({"client_id": "01:02"}, "client_id"),
        ({"state": 1}, "state"),
        ({"hw_address": "z"}, "hw_address"),
        ({"expires": WALL + 11 + 3602}, None),
        ({"expires": WALL + 11 + 3603}, "expires"),
        ({"expires": WALL + 11}, "only on kea1"),
    ],
)
def test_databases_are_compared_by_what_matters(more, what):
    story = Story()
    story.client(0, "a")
    story.leases(11, "kea1", {"192.168.1.100": "a"})
    story.leases(11, "kea2", {"192.168.1.100": "a"}, **more)
    assert [each["what"] for each in judged(story)["difference"]] == ([what] if what else [])


def test_what_was_released_and_stays_on_one_server_stands_apart():
    def tale(released: bool) -> tuple[list, list]:
        story = Story()
        story.client(0, "a")
        if released:
            story.release(2, "a")
        story.leases(11, "kea1", {"192.168.1.100": "a", "192.168.1.101": "b"})
        story.leases(11, "kea2", {"192.168.1.101": "b"})
        report = judged(story)
        return [each["address"] for each in report["difference"]], [each["address"] for each in report["released_kept"]]

    assert tale(released=True) == ([], ["192.168.1.100"])
    assert tale(released=False) == (["192.168.1.100"], [])


def test_keas_reply_becomes_a_database():
    lease = {"ip-address": "10.0.0.1", "hw-address": "a", "subnet-id": 7, "state": 1, "cltt": 100, "valid-lft": 50}
    (found,) = history.database({"result": 0, "arguments": {"leases": [{**lease, "hostname": ""}]}})
    assert found == {
        "address": "10.0.0.1",
        "hw_address": "a",
        "client_id": "",
        "subnet_id": 7,
        "state": 1,
        "expires": 150,
    }
    assert history.database({"result": 3, "text": "0 IPv4 lease(s) found."}) == []


# ---------------------------------------------------------------------------------------------------------------------
# who serves


def split_brain() -> Story:
    """Return a history in which the servers lose sight of each other, and both serve for four seconds."""
    story = Story()
    steady(story, 0, 4)
    story.state("kea1", 0, 12, "hot-standby", serves=True)
    story.state("kea2", 0, 4, "hot-standby")
    story.state("kea2", 4, 8, "partner-down", serves=True)
    for number in range(4, 8):
        # The same free address, to a client of each.
        story.client(number, f"x{number}", (0.02, ONE), f"192.168.1.{150 + number}")
        story.client(number + 0.3, f"y{number}", (0.02, TWO), f"192.168.1.{150 + number}")
    steady(story, 8, 12)
    story.state("kea2", 8, 12, "hot-standby")
    # After it both agree: what the clients were told is nowhere else any more.
    owners = {f"192.168.1.{100 + number}": f"n{number}" for number in [*range(4), *range(8, 12)]}
    owners |= {f"192.168.1.{150 + number}": f"y{number}" for number in range(4, 8)}
    for host in ("kea1", "kea2"):
        story.leases(12.5, host, owners)
    return story


def test_a_split_brain_shows_though_the_databases_agree():
    report = judged(split_brain(), 12)
    assert report["difference"] == []
    assert len(report["duplicates"]) == 4
    assert {each["why"] for each in report["lost"]} == {f"owned by y{number}" for number in range(4, 8)}
    assert report["both_served"] == pytest.approx(4, abs=0.6)
    found = " ".join(history.violations(report))
    assert "duplicate addresses: 4" in found
    assert "lost leases: 4" in found
    assert "seconds in which both served" in found


def test_both_serve_when_both_have_scopes_though_nobody_asks():
    story = Story()
    story.client(0, "a")
    story.state("kea1", 0, 10, "hot-standby", serves=True)
    story.state("kea2", 0, 4, "hot-standby")
    story.state("kea2", 4, 7, "partner-down", serves=True)
    story.state("kea2", 7, 10, "hot-standby")
    report = judged(story)
    # From look to look: what was between the last look without scopes and the first with them nobody knows.
    assert report["both_served"] == pytest.approx(2.8, abs=0.01)
    assert report["both_served_at"] == [pytest.approx([4, 6.8])]


def test_both_serve_when_their_answers_are_mixed_whatever_they_say_of_themselves():
    story = Story()
    quiet_pair(story, 10)
    for number, server in enumerate([ONE, TWO] * 5):
        story.client(number * 0.4, f"n{number}", (0.01, server), f"192.168.1.{100 + number}")
    assert judged(story)["both_served"] == pytest.approx(3.6, abs=0.1)


def test_a_handover_and_back_is_no_double_service():
    story = Story()
    steady(story, 0, 4)
    steady(story, 4, 8, TWO)
    steady(story, 8, 10)
    story.state("kea1", 0, 4, "hot-standby", serves=True)
    story.state("kea1", 4, 8, "in-maintenance")
    story.state("kea1", 8, 10, "hot-standby", serves=True)
    story.state("kea2", 0, 4, "hot-standby")
    story.state("kea2", 4, 8, "partner-in-maintenance", serves=True)
    story.state("kea2", 8, 10, "hot-standby")
    report = judged(story)
    assert report["both_served"] == 0
    assert [(each["server"], each["acks"]) for each in report["answered_by"]] == [(ONE, 4), (TWO, 4), (ONE, 2)]


def outage(second_up: float) -> dict:
    story = Story()
    story.client(0, "a")
    story.state("kea1", 0, 2, "hot-standby", serves=True)
    story.state("kea1", 2, 8, "silent")
    story.state("kea1", 8, 10, "hot-standby", serves=True)
    story.state("kea2", 0, 4, "hot-standby")
    story.state("kea2", 4, second_up, "silent")
    story.state("kea2", second_up, 10, "hot-standby")
    return judged(story)


def test_seconds_without_any_server_are_counted():
    report = outage(second_up=7)
    assert report["neither_up"] == pytest.approx(3, abs=0.21)
    assert report["neither_served"] == pytest.approx(6, abs=0.21)
    assert outage(second_up=4)["neither_up"] == 0
    assert history.violations(report, lost=None, difference=None, neither_up=0.0)


def test_a_server_whose_watcher_says_nothing_is_silent():
    """Its host is paused or without power, and the watcher with it."""
    story = Story()
    story.client(0, "a")
    story.state("kea1", 0, 3, "hot-standby", serves=True)
    story.state("kea1", 7, 10, "hot-standby", serves=True)
    story.state("kea2", 0, 5, "hot-standby")
    report = judged(story)
    assert [(each["host"], each["from"], each["to"]) for each in report["states"]] == [
        ("kea1", "hot-standby", "silent"),
        ("kea2", "hot-standby", "silent"),
        ("kea1", "silent", "hot-standby"),
    ]
    assert report["neither_up"] == pytest.approx(1.8, abs=0.3)
    assert report["normal_since"] is None


def test_changes_of_state_and_the_return_to_normal_are_told():
    story = Story()
    story.client(0, "a")
    story.state("kea1", 0, 2, "hot-standby", serves=True)
    story.state("kea1", 2, 6, "waiting")
    story.state("kea1", 6, 10, "hot-standby", serves=True)
    story.state("kea2", 0, 10, "hot-standby")
    story.note(1.5, kind="mark", text="cut")
    report = judged(story)
    assert [(each["from"], each["to"]) for each in report["states"]] == [
        ("hot-standby", "waiting"),
        ("waiting", "hot-standby"),
    ]
    assert report["normal_since"] == pytest.approx(6)
    assert report["marks"] == [{"at": 1.5, "text": "cut"}]
    text = history.summary(report)
    assert text.index("-- cut") < text.index("kea1: hot-standby -> waiting") < text.index("since 6.00 s")


def test_a_pair_that_is_not_normal_at_the_end_is_a_violation():
    story = good()
    story.state("kea2", 10, 11, "waiting")
    report = judged(story, 11)
    assert history.violations(report) == ["the servers were not in their normal state at the end"]
    assert history.violations(report, normal=None) == []


# ---------------------------------------------------------------------------------------------------------------------
# the rest


def test_every_limit_can_be_broken():
    """No limit is there that nothing exceeds."""
    report = judged(split_brain(), 12)
    report |= {"neither_up": 1.0, "normal_since": None, "difference": [{}]}
    report["renewals"] |= {"failed": 1, "rebound": 1}
    report["new"] |= {"unanswered": 1}
    none = dict.fromkeys(history.violations.__kwdefaults__)
    assert history.violations(report, **none) == []
    for name in none:
        tight = True if name == "normal" else 0
        assert len(history.violations(report, **{**none, name: tight})) == 1, name


def test_expect_says_all_that_is_wrong():
    with pytest.raises(AssertionError, match=r"(?s)duplicate addresses: 4.*lost leases: 4.*new clients +16 asked"):
        history.expect(judged(split_brain(), 12))
    history.expect(judged(good()))


def test_a_machine_that_held_the_prober_up_is_told():
    story = good()
    story.note(3, kind="prober", late=0.7)
    assert "0.70 s" in history.summary(judged(story))


def test_a_history_without_clients_is_refused():
    story = Story()
    quiet_pair(story, 2)
    with pytest.raises(ValueError, match="nothing to judge"):
        history.check(story.told())


def test_files_are_read_in_the_order_of_time_and_half_a_line_at_the_end_is_left_out(tmp_path):
    (tmp_path / "a").write_text('{"mono":2}\n{"mono":4}\n{"mono":5,"ki')
    (tmp_path / "b").write_text('{"mono":1}\n{"mono":3}\n')
    assert [event["mono"] for event in history.load(tmp_path / "a", tmp_path / "b")] == [1, 2, 3, 4]
    (tmp_path / "a").write_text('{"mono":2\n{"mono":4}\n')
    with pytest.raises(ValueError):
        history.load(tmp_path / "a")


def test_the_program_prints_summary_and_report(tmp_path):
    path = tmp_path / "history.jsonl"
    story = good()
    story.end(10)
    path.write_text("".join(json.dumps(event) + "\n" for event in story.told()))

    def run(*args):
        return subprocess.run(
            [sys.executable, str(LAB / "history.py"), *args], capture_output=True, text=True, timeout=60
        )

    assert run(str(path)).stdout.startswith("new clients     10 asked, 10 served")
    assert json.loads(run(str(path), "--json").stdout)["new"]["served"] == 10
    missing = run(str(tmp_path / "none"))
    assert missing.returncode == 1
    assert "none" in missing.stderr
