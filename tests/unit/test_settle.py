# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run ends: what is kept, what is put back, and what is said about it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest
from ansible_collections.keaops.kea.plugins.filter import report
from ansible_collections.keaops.kea.plugins.module_utils._settle import Member, closing_words, decide
from ansible_collections.keaops.kea.plugins.plugin_utils import _run
from pairs import build, examine, facts, kea_info

FINE = Member("dhcp1")
CHANGED = Member("dhcp2", open=True)
DIED = Member("dhcp1", trouble="kea-dhcp4-server died after its start: no peer. The previous file is back.", open=True)
LOST = Member("dhcp1", lost=True)
BACK = Member("dhcp2", open=True, put_back=True)

DECISIONS = {
    "nothing happened": (FINE, Member("dhcp2"), {}),
    "all went well": (CHANGED, FINE, {"failed": False, "take_back": False, "ask_partner": False}),
    "the partner failed": (CHANGED, DIED, {"failed": True, "take_back": True, "ask_partner": False}),
    "it failed itself": (DIED, CHANGED, {"failed": True, "take_back": True, "ask_partner": False}),
    "the partner is gone": (CHANGED, LOST, {"failed": True, "take_back": True, "ask_partner": True}),
    "failed before any change": (FINE, Member("dhcp2", trouble="x"), {"failed": True, "take_back": False}),
}


@pytest.mark.parametrize("what", DECISIONS)
def test_decisions(what):
    me, partner, wanted = DECISIONS[what]
    assert decide(me, partner, "auto") == {**({"ask_partner": False} if wanted else {}), **wanted}


def test_hold_puts_nothing_back():
    assert decide(CHANGED, DIED, "hold") == {"failed": True, "take_back": False, "ask_partner": False}


def test_what_two_servers_have_changed_together_stays():
    """How they talk to each other: one that went back alone would not be heard."""
    me, partner = CHANGED._replace(changed=True), Member("dhcp1", trouble="no lease", open=True, changed=True)
    assert decide(me, partner, "auto", breaking=True)["take_back"] is False
    assert decide(me, partner, "auto")["take_back"] is True
    assert decide(me, partner._replace(changed=False), "auto", breaking=True)["take_back"] is True
    back = (me._replace(put_back=True), partner._replace(changed=True, put_back=True))
    assert "Both servers have what they had before" in closing_words(*back, "auto", breaking=True)
    assert closing_words(me, partner, "auto", breaking=True) == (
        "dhcp1: no lease. Both servers keep what this run has changed. Mend the cause and run site.yml again."
    )


DIED_WORDS = "dhcp1: kea-dhcp4-server died after its start: no peer. The previous file is back."
ENDS = {
    "both as before": (
        BACK,
        DIED._replace(put_back=True),
        "auto",
        f"{DIED_WORDS} Both servers have what they had before this run. Mend the cause and run again.",
    ),
    "one cannot go back": (
        CHANGED._replace(why_not="Its partner is down."),
        DIED._replace(put_back=True),
        "auto",
        f"{DIED_WORDS} dhcp2 was NOT put back and keeps what this run has changed: Its partner is down. dhcp1 has what "
        "it had before this run. The two may differ. Mend the cause and run site.yml again: it ends what is open on "
        "both.",
    ),
    "held": (
        CHANGED,
        DIED._replace(open=False),
        "hold",
        f"{DIED_WORDS} dhcp2 keeps what this run has changed, because kea_rollback says so. dhcp1 has what it had "
        "before this run. The two may differ. Mend the cause and run site.yml again: it ends what is open on both.",
    ),
    "partner gone, changed all the same": (
        CHANGED._replace(partner_equal=True),
        LOST,
        "auto",
        "dhcp2 keeps what this run has changed, because its partner has it, too. dhcp1 cannot be reached any more; a "
        "change that had begun there ends by itself. The two are equal. Mend the cause and run site.yml again: it ends "
        "what is open on both.",
    ),
    "partner gone, nothing known": (
        CHANGED._replace(partner_equal=False),
        LOST,
        "auto",
        "dhcp2 keeps what this run has changed, because it could not be seen what its partner has. dhcp1 cannot be "
        "reached any more; a change that had begun there ends by itself. The two may differ. Mend the cause and run "
        "site.yml again: it ends what is open on both.",
    ),
    "partner gone, put back": (
        BACK,
        LOST,
        "auto",
        "dhcp2 has what it had before this run. dhcp1 cannot be reached any more; a change that had begun there ends "
        "by itself. The two may differ. Mend the cause and run site.yml again: it ends what is open on both.",
    ),
    "one failed because the other did": (
        Member("dhcp1", trouble="dhcp1: left as it is, because its partner failed", follows=True),
        Member("dhcp2", trouble="it died", open=True, put_back=True),
        "auto",
        "dhcp2: it died. Both servers have what they had before this run. Mend the cause and run again.",
    ),
    "named once": (
        Member("dhcp1", trouble="dhcp1: it is not in hot-standby"),
        Member("dhcp2"),
        "auto",
        "dhcp1: it is not in hot-standby. Both servers have what they had before this run. Mend the cause and run "
        "again.",
    ),
}


@pytest.mark.parametrize("what", ENDS)
def test_last_words(what):
    *situation, words = ENDS[what]
    assert closing_words(*situation) == words


def test_filters_read_what_the_run_has_left():
    plan = {"partner": {"host": "dhcp1"}, "rollback": "auto", "breaking": False}
    hostvars = {
        "dhcp1": {"__kea_plan": {**plan, "partner": {"host": "dhcp2"}}, "__kea_trouble": "it\n died."},
        "dhcp2": {"__kea_plan": plan, "__kea_dhcp4_result": {"changed": True, "run_open": True}},
    }
    found = report.unsettled(hostvars, "dhcp2", ["dhcp1", "dhcp2"])
    assert found == {"failed": True, "take_back": True, "ask_partner": False}
    assert report.unsettled(hostvars, "dhcp2", ["dhcp2"])["ask_partner"] is True
    hostvars["dhcp2"]["__kea_put_back"] = True
    assert report.closing_words(hostvars, "dhcp2", ["dhcp1", "dhcp2"]).startswith("dhcp1: it died. Both servers have")
    assert report.unsettled({**hostvars, "dhcp1": {}}, "dhcp2", ["dhcp1", "dhcp2"])["failed"] is False
    # The partner was seen through its API.
    del hostvars["dhcp2"]["__kea_put_back"]
    for asked, words in (
        ({"compared": True, "difference_count": 0}, "because its partner has it, too"),
        ({"compared": False}, "because it could not be seen"),
    ):
        hostvars["dhcp2"]["__kea_lost_partner"] = asked
        assert words in report.closing_words(hostvars, "dhcp2", ["dhcp2"])


# --- which run is over


def test_a_run_knows_itself():
    mine = _run.this_run()
    assert mine["id"] == _run.this_run()["id"] and mine["pid"] == os.getpid() and mine["controller"] == platform.node()
    assert not _run.is_over(mine)


def test_a_child_belongs_to_the_run_of_its_parent():
    code = (
        "import multiprocessing, os, sys; sys.path[:0] = %r\n"
        "from ansible_collections.keaops.kea.plugins.plugin_utils import _run\n"
        "def child(): print(_run.this_run()['pid'] == os.getppid())\n"
        "process = multiprocessing.get_context('fork').Process(target=child); process.start(); process.join()"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    done = subprocess.run(
        [sys.executable, "-c", code % [os.path.join(root, ".ansible/collections")]], capture_output=True, text=True
    )
    assert done.stdout.strip() == "True", done.stderr


def test_a_process_that_has_ended_is_over():
    mine = _run.this_run()
    child = subprocess.Popen(["sleep", "60"])
    try:
        name = f"{mine['controller']}-{child.pid}-{_run._started(child.pid)}"
        other = {**mine, "pid": child.pid, "id": name}
        assert not _run.is_over(other)
        # Another process of the same number.
        assert _run.is_over({**other, "id": name + "1"})
    finally:
        child.kill()
        child.wait()
    assert _run.is_over(other)


def test_of_another_user_or_controller_nothing_is_known():
    mine = {**_run.this_run(), "id": "x", "pid": 999999999}
    assert _run.is_over(mine)
    assert not _run.is_over({**mine, "user": "nobody else"}) and not _run.is_over({**mine, "controller": "elsewhere"})


def test_without_proc_ps_is_asked(monkeypatch):
    real = _run.os.path.exists
    monkeypatch.setattr(_run, "open", lambda *_args, **_more: (_ for _ in ()).throw(FileNotFoundError()), raising=False)
    monkeypatch.setattr(_run.os.path, "exists", lambda path: False if path == "/proc/self/stat" else real(path))
    assert _run._started(os.getpid()) and _run._started(os.getpid()) == _run._started(os.getpid())
    assert _run._started(999999999) is None


# --- the finding


OTHER = {"id": "desk-2-20", "controller": "desk", "user": "bob", "opened": 1000, "updated": 1290}
OTHER["step"] = "dhcp4: being changed"


def found(group=None, **other):
    known = {**facts(kea={**kea_info(), "time": 1300}), "other_run": {**OTHER, **other}}
    return [item for item in examine(group, facts1=known, facts2=facts("192.168.1.3"), live=True) if item.id == "R01"]


def test_another_run_stops_this_one():
    (finding,) = found(over=False)
    assert (finding.severity, finding.host) == ("error", "dhcp1")
    assert finding.text() == (
        "dhcp1: kea_settle_run: Kea is being changed by the run desk-2-20 of bob on desk, begun 5 minutes ago, last "
        "heard of 10 s ago (dhcp4: being changed). Wait until that run has ended. If it is over for certain, because "
        "its controller is gone, run site.yml with -e kea_settle_run=desk-2-20. [R01]"
    )


@pytest.mark.parametrize(("group", "over"), [(None, True), ({"kea_settle_run": "desk-2-20"}, False)])
def test_a_run_that_is_over_is_settled_by_this_one(group, over):
    (finding,) = found(group, over=over)
    assert finding.severity == "warning" and "A run of site.yml takes that over" in finding.text()


def test_consent_is_to_one_run_only():
    assert found({"kea_settle_run": "desk-2-19"}, over=False)[0].severity == "error"


def test_the_plan_says_whose_work_may_be_taken_over():
    from ansible_collections.keaops.kea.plugins.module_utils._plan import host_plan

    known = {**facts(), "other_run": {**OTHER, "over": True}}
    pair = build(facts1=known, facts2=facts("192.168.1.3"))[0]
    assert host_plan(pair, "dhcp1")["run"] == {"partner": "dhcp2", "settles": ["desk-2-20"]}
    assert host_plan(pair, "dhcp2")["run"] == {"partner": "dhcp1", "settles": []}
    assert host_plan(pair, "dhcp2")["rollback"] == host_plan(pair, "dhcp2")["apply"] == "auto"
