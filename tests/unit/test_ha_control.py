# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions about the servers of a pair: what one does next, and which steps a pair needs."""

from __future__ import annotations

import pytest
from ansible_collections.keaops.kea.plugins.module_utils._ha_control import (
    Own,
    Peer,
    Seen,
    cancel_works,
    decide,
    lease_problem,
    recover,
    switch,
    termination_cause,
)

NAMES = {"primary": "server1", "standby": "server2"}
SCOPES = {
    ("primary", "hot-standby"): ["server1"],
    ("primary", "terminated"): ["server1"],
    ("primary", "partner-down"): ["server1"],
    ("primary", "partner-in-maintenance"): ["server1"],
    ("standby", "partner-down"): ["server1"],
    ("standby", "partner-in-maintenance"): ["server1"],
}


def ha(state, role="primary", sees="hot-standby", interrupted=False, enabled=True, scopes=None, mode="hot-standby"):
    """The normalised state of a server."""
    scopes = SCOPES.get((role, state), []) if scopes is None else scopes
    return {
        "ha": True,
        "mode": mode,
        "state": state,
        "role": role,
        "server_name": NAMES[role],
        "scopes": scopes,
        "serving": bool(scopes) and enabled,
        "dhcp_enabled": enabled,
        "partner": {"state": sees, "interrupted": interrupted, "age": 0},
    }


ZOMBIE = dict(ha("hot-standby"), ha=False, state=None, mode=None, scopes=[], serving=False, partner=None)


def own(state, role="standby", **kwargs):
    return Own(True, ha(state, role, **kwargs), NAMES[role])


def peer(state, role="primary", **kwargs):
    return Peer(ha(state, role, **kwargs))


DEAD, MUTE, LOST = Own(False, None, "server2"), Own(True, None, "server2"), Own(True, ZOMBIE, "server2")
SILENT = Peer(None, "http://192.168.1.2:8000/: connection refused.")
POOR = own("hot-standby")._replace(lacks=["192.168.1.9"])
STOPPED = Peer(None, "connection refused", stopped=True)

DECISIONS = [
    # serving
    ("serving", own("hot-standby"), peer("hot-standby"), "maintenance", "can be relieved"),
    ("serving", own("hot-standby"), SILENT, "refuse", "both servers would serve"),
    ("serving", own("hot-standby", sees="unavailable"), peer("hot-standby"), "wait", "unavailable"),
    ("serving", own("hot-standby", interrupted=True), peer("hot-standby"), "wait", "it sees its partner"),
    ("serving", own("hot-standby"), peer("waiting"), "wait", "waiting"),
    ("serving", own("waiting"), peer("hot-standby"), "wait", "still waiting"),
    ("serving", own("hot-standby"), STOPPED, "maintenance", "stopped"),
    ("serving", own("waiting"), STOPPED, "maintenance", "stopped"),
    ("serving", own("terminated", "primary"), STOPPED, "restart", "terminated"),
    ("serving", own("in-maintenance"), STOPPED, "restart", "in-maintenance"),
    ("serving", own("hot-standby"), Peer(ha("hot-standby"), stopped=True), "refuse", "told that its partner"),
    ("serving", own("terminated"), peer("terminated"), "refuse", "recover.yml"),
    ("serving", own("in-maintenance"), peer("partner-in-maintenance"), "refuse", "drained itself"),
    ("serving", own("partner-in-maintenance"), peer("in-maintenance"), "done", ""),
    ("serving", own("partner-in-maintenance"), peer("hot-standby"), "wait", "hot-standby"),
    ("serving", own("partner-in-maintenance"), peer("ready"), "wait", "ready"),
    ("serving", own("partner-in-maintenance"), SILENT, "done", ""),
    ("serving", own("partner-in-maintenance"), STOPPED, "wait", "not noticed yet"),
    ("serving", own("partner-down"), STOPPED, "done", ""),
    ("serving", own("partner-down"), SILENT, "done", ""),
    ("serving", own("partner-down"), peer("waiting"), "done", ""),
    ("serving", own("partner-down"), peer("hot-standby"), "refuse", "both servers serve"),
    ("serving", DEAD, SILENT, "refuse", "does not run"),
    ("serving", LOST, SILENT, "refuse", "without high availability"),
    ("serving", MUTE, SILENT, "wait", "does not answer yet"),
    # drained
    ("drained", own("in-maintenance"), peer("partner-in-maintenance"), "done", ""),
    ("drained", own("in-maintenance"), peer("partner-down"), "done", ""),
    ("drained", own("in-maintenance"), SILENT, "wait", "nobody serves"),
    ("drained", own("hot-standby", "primary"), peer("partner-down", "standby"), "stop", "both servers serve"),
    ("drained", own("hot-standby", "primary"), peer("partner-in-maintenance", "standby"), "wait", "take over first"),
    ("drained", own("hot-standby"), peer("hot-standby"), "wait", "take over first"),
    ("drained", DEAD, peer("partner-down"), "done", ""),
    ("drained", DEAD, SILENT, "wait", "nobody serves"),
    ("drained", MUTE, peer("partner-down"), "wait", "does not answer yet"),
    # stopped
    ("stopped", DEAD, SILENT, "done", ""),
    ("stopped", own("in-maintenance"), peer("partner-in-maintenance"), "stop", "serves the clients of both"),
    ("stopped", own("in-maintenance"), peer("in-maintenance"), "stop", "serves nobody"),
    ("stopped", own("in-maintenance"), SILENT, "refuse", "nobody would serve"),
    ("stopped", own("terminated"), peer("terminated"), "stop", "serves nobody"),
    ("stopped", own("terminated", "primary"), peer("terminated", "standby"), "refuse", "does not serve alone"),
    ("stopped", own("hot-standby"), peer("hot-standby"), "refuse", "kea_serve"),
    ("stopped", own("waiting"), SILENT, "stop", "waiting"),
    ("stopped", LOST, SILENT, "stop", "serves nobody"),
    # started
    ("started", DEAD, SILENT, "start", "does not run"),
    ("started", DEAD, peer("partner-down"), "start", "does not run"),
    ("started", DEAD, peer("partner-in-maintenance"), "wait", "not noticed yet"),
    ("started", LOST, SILENT, "restart", "without its hooks"),
    ("started", MUTE, SILENT, "wait", "does not answer yet"),
    ("started", own("waiting"), SILENT, "done", ""),
    # normal
    ("normal", own("hot-standby"), peer("hot-standby"), "done", ""),
    ("normal", own("hot-standby"), peer("ready"), "wait", "ready"),
    ("normal", own("hot-standby", "primary", enabled=False), peer("hot-standby", "standby"), "enable", "disabled"),
    ("normal", own("hot-standby", scopes=["server1"]), peer("hot-standby"), "scopes", "server1"),
    ("normal", own("hot-standby", "primary", scopes=[]), peer("hot-standby", "standby"), "scopes", "nobody"),
    ("normal", own("partner-in-maintenance"), peer("in-maintenance"), "cancel", "serve again"),
    ("normal", own("in-maintenance"), peer("partner-in-maintenance"), "wait", "cancelled by its partner"),
    ("normal", own("in-maintenance"), peer("partner-down"), "away", "drained"),
    ("normal", own("in-maintenance"), SILENT, "wait", "does not answer"),
    ("normal", own("partner-down"), SILENT, "wait", "partner-down"),
    ("normal", own("terminated"), peer("terminated"), "refuse", "recover.yml"),
    ("normal", DEAD, peer("partner-in-maintenance"), "wait", "not noticed yet"),
    ("normal", DEAD, peer("partner-down"), "start", "does not run"),
    ("normal", LOST, peer("partner-down"), "restart", "hooks"),
    ("normal", MUTE, SILENT, "wait", "does not answer yet"),
    # synced
    ("synced", own("hot-standby")._replace(lacks=[]), peer("hot-standby"), "done", ""),
    ("synced", POOR, peer("hot-standby"), "sync", "1 lease (192.168.1.9)"),
    ("synced", own("hot-standby"), peer("hot-standby"), "refuse", "cannot be compared"),
    ("synced", POOR, peer("ready"), "refuse", "Only a pair that is well"),
    ("synced", own("waiting"), peer("partner-down"), "refuse", "Only a pair that is well"),
    ("synced", DEAD, SILENT, "refuse", "does not run"),
]


@pytest.mark.parametrize(
    ("goal", "mine", "other", "name", "words"),
    DECISIONS,
    ids=[f"{row[0]}-{row[1].state or row[1].words()}-{row[2].state or row[2].words()}"[:70] for row in DECISIONS],
)
def test_a_decision(goal, mine, other, name, words):
    action = decide(goal, mine, other, may_cancel=True)
    assert action.name == name, action
    assert words in action.reason


def test_what_kea_took_over_without_proof_is_given_back():
    for other, words in ((peer("hot-standby"), "both served"), (SILENT, "without having reached its partner")):
        action = decide("serving", own("partner-down"), other, may_cancel=True, began=True)
        assert action.name == "reset"
        assert words in action.reason


def test_what_was_taken_over_from_a_partner_that_is_drained_is_kept():
    assert decide("serving", own("partner-down"), peer("in-maintenance"), may_cancel=True, began=True).name == "done"


def test_taking_over_from_a_stopped_partner_is_not_given_back():
    assert decide("serving", own("partner-down"), STOPPED, may_cancel=True, began=True).name == "done"


def test_an_old_kea_is_not_told_to_cancel():
    assert decide("normal", own("partner-in-maintenance"), peer("in-maintenance"), may_cancel=False).name == "left"
    assert decide("normal", own("in-maintenance"), peer("partner-in-maintenance"), may_cancel=False).name == "away"


def test_a_partner_that_does_not_cancel_is_not_waited_for_without_end():
    mine, other = own("in-maintenance"), peer("partner-in-maintenance")
    assert decide("normal", mine, other, may_cancel=True, began=True).name == "away"


@pytest.mark.parametrize(
    ("versions", "works"),
    [
        (("2.2.0", "2.2.0"), False),
        (("2.6.3", "3.0.4"), False),
        (("2.7.4",), False),
        (("2.7.5", "3.0.4"), True),
        (("10.0.0",), True),
        ((None, "3.0.4"), False),
    ],
)
def test_from_which_version_on_a_maintenance_can_be_cancelled(versions, works):
    assert cancel_works(*versions) is works


HEADER = b"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"


@pytest.mark.parametrize("head", [b"", HEADER, HEADER + b"\xff\x00 garbage", HEADER.strip() + b",pool_id,later\n"])
def test_a_lease_file_kea_starts_with(head):
    assert lease_problem(head) == ""


@pytest.mark.parametrize("head", [b"garbage", b"\xff\xfe\x00", HEADER[:28], b"address,hwaddr\n", b"\n" + HEADER])
def test_a_lease_file_kea_dies_of(head):
    assert "columns" in lease_problem(head)


def test_the_last_cause_of_a_termination_is_quoted():
    lines = [
        "2026 ERROR [kea-dhcp4.ha-hooks/1] HA_HIGH_CLOCK_SKEW_CAUSES_TERMINATION clock is 120 s ahead, causing ...",
        "2026 ERROR [kea-dhcp4.ha-hooks/1] HA_LEASE_UPDATE_REJECTS_CAUSED_TERMINATION server1: too many rejected ...",
        "2026 ERROR [kea-dhcp4.ha-hooks/1] HA_TERMINATED HA server1: service terminated",
    ]
    assert "REJECTS" in termination_cause(lines)
    assert "120 s ahead" in termination_cause(lines[:1])
    assert termination_cause(lines[2:]) == ""


# --- pairs


def seen(host, role, mine=None, **kwargs):
    return Seen(host, role, own=mine if mine is not None else own("hot-standby", role), **kwargs)


def pair(first=None, second=None, one=None, two=None):
    """dhcp1 and dhcp2 in these states, with further attributes."""
    first = own(first, "primary") if isinstance(first, str) else first
    second = own(second, "standby") if isinstance(second, str) else second
    return seen("dhcp1", "primary", first, **(one or {})), seen("dhcp2", "standby", second, **(two or {}))


def steps(verdict):
    return [(step.host, step.state) for step in verdict.steps]


BACK = [("dhcp2", "normal"), ("dhcp1", "normal")]
TOGETHER = [("dhcp1", "normal"), ("dhcp2", "normal")]


def test_switching_over():
    assert steps(switch(*pair(), "dhcp2")) == [("dhcp2", "serving"), ("dhcp1", "drained")]
    assert steps(switch(*pair(), "dhcp1")) == [("dhcp1", "serving"), ("dhcp2", "drained")]


@pytest.mark.parametrize("other", ["in-maintenance", Own(False), "waiting"])
@pytest.mark.parametrize("state", ["partner-in-maintenance", "partner-down"])
def test_what_is_switched_over_already_is_left_as_it_is(state, other):
    verdict = switch(*pair(other, state), "dhcp2")
    assert not verdict.steps
    assert not verdict.refusal
    assert verdict.found == "dhcp2 serves alone already; dhcp1 may be stopped."


def test_switching_from_one_to_the_other_goes_through_normal():
    verdict = switch(*pair("partner-in-maintenance", "in-maintenance"), "dhcp2")
    assert steps(verdict) == [*TOGETHER, ("dhcp2", "serving"), ("dhcp1", "drained")]


@pytest.mark.parametrize(
    ("both", "serve", "words"),
    [
        (pair(), "dhcp3", "kea_serve = 'dhcp3' is not in this pair. Write dhcp1 or dhcp2."),
        (pair(second=DEAD), "dhcp2", "dhcp2 does not run, so it cannot serve"),
        (pair("terminated", "terminated"), "dhcp2", "Run recover.yml first"),
        (pair("partner-down", "hot-standby"), "dhcp2", "Run recover.yml first"),
        (pair("terminated", "terminated"), "", "Run recover.yml"),
        (pair("partner-down", "partner-down"), "", "Run recover.yml"),
        (pair("partner-down", two={"reached": False, "trouble": "no route"}), "", "dhcp2 cannot be asked: no route"),
    ],
)
def test_a_switch_over_that_is_refused(both, serve, words):
    verdict = switch(*both, serve)
    assert not verdict.steps
    assert words in verdict.refusal


def test_no_switch_over_in_the_middle_of_a_change():
    verdict = switch(*pair(one={"run": "the run 7 of anna on control1"}), "dhcp2")
    assert "Kea on dhcp1 is being changed by the run 7 of anna on control1" in verdict.refusal
    assert not verdict.steps


def test_a_recovery_tells_of_a_change_that_has_not_ended():
    found = recover(*pair("terminated", "terminated", one={"run": "the run 7 of anna on control1"})).found
    assert "dhcp1: the run 7 of anna on control1 has not ended; site.yml ends it." in found


def test_switching_back():
    assert switch(*pair()) == ("Both servers do their part already.", (), "")
    assert steps(switch(*pair("in-maintenance", "partner-in-maintenance"))) == BACK
    assert steps(switch(*pair("in-maintenance", "partner-down"))) == TOGETHER
    assert steps(switch(*pair(Own(False), "partner-down"))) == TOGETHER
    assert steps(switch(*pair("ready", "partner-down"))) == TOGETHER


def test_a_pair_that_is_well_needs_no_recovery():
    assert recover(*pair()) == ("The pair is well: nothing to do.", (), "")
    full = own("hot-standby", "primary")._replace(lacks=[])
    assert not recover(*pair(full, own("hot-standby")._replace(lacks=[]))).steps


def test_leases_that_a_server_lacks_are_copied():
    poor = own("hot-standby")._replace(lacks=[f"192.168.1.{number}" for number in range(100, 107)])
    verdict = recover(*pair(None, poor))
    assert steps(verdict) == [("dhcp2", "synced")]
    assert (
        "dhcp2 lacks 7 leases (192.168.1.100, 192.168.1.101, 192.168.1.102, 192.168.1.103, 192.168.1.104 ...) of its "
        "partner." in verdict.found
    )
    one = own("hot-standby", "primary")._replace(lacks=["192.168.1.100"])
    assert steps(recover(*pair(one, poor))) == [("dhcp1", "synced"), ("dhcp2", "synced")]


REBUILD = [("dhcp2", "stopped"), ("dhcp1", "serving"), ("dhcp2", "started"), *TOGETHER]
GONE = {"reached": False, "trouble": "no route to host"}
RECOVERIES = {
    "both terminated": (pair("terminated", "terminated"), REBUILD),
    "one terminated": (pair("terminated", "waiting"), REBUILD),
    "the standby terminated alone": (pair("hot-standby", "terminated"), REBUILD),
    "both drained": (pair("in-maintenance", "in-maintenance"), REBUILD),
    "both serve in maintenance": (pair("partner-in-maintenance", "partner-in-maintenance"), REBUILD),
    "stuck in maintenance": (pair("in-maintenance", "partner-in-maintenance"), BACK),
    "drained and forgotten": (pair("in-maintenance", "partner-down"), TOGETHER),
    "on the way": (pair("syncing", "partner-down"), TOGETHER),
    "both partner-down, the link healed": (pair("partner-down", "partner-down"), TOGETHER),
    "the primary is dead": (pair(Own(False), "hot-standby"), [("dhcp1", "started"), *TOGETHER]),
    "the standby is dead": (pair("hot-standby", Own(False)), [("dhcp2", "started"), *TOGETHER]),
    "a zombie": (pair(Own(True, ZOMBIE), "hot-standby"), [("dhcp1", "started"), *TOGETHER]),
    "mute": (pair(Own(True), "hot-standby"), [("dhcp1", "started"), *TOGETHER]),
    "both cold": (pair(Own(False), Own(False)), [("dhcp1", "started"), ("dhcp2", "started"), *TOGETHER]),
    "dead before it was missed": (
        pair(Own(False), "partner-in-maintenance"),
        [("dhcp2", "serving"), ("dhcp1", "started"), *TOGETHER],
    ),
    "the one that served is dead": (pair("in-maintenance", Own(False)), [("dhcp2", "started"), *TOGETHER]),
    "no agent": (pair("ready", "partner-down", one={"agent": False}), [("dhcp1", "agent")]),
    "disabled by hand": (pair(own("hot-standby", "primary", enabled=False)), [("dhcp1", "normal")]),
    "scopes by hand": (pair(None, own("hot-standby", scopes=["server1"])), [("dhcp2", "normal")]),
    "the other host is gone, this one is dead": (pair("hot-standby", Own(False), one=GONE), [("dhcp2", "started")]),
    "the other host is gone, but it is heard": (pair(None, "syncing", one=GONE), [("dhcp2", "normal")]),
}


@pytest.mark.parametrize("situation", RECOVERIES)
def test_a_recovery(situation):
    both, wanted = RECOVERIES[situation]
    for order in (both, both[::-1]):
        verdict = recover(*order)
        assert not verdict.refusal
        assert steps(verdict) == wanted


def test_a_takeover_is_forced_only_from_a_server_that_does_not_run():
    for both, _steps in RECOVERIES.values():
        verdict = recover(*both)
        stopped: set[str] = {one.host for one in both if one.reached and not one.own.running}
        for step in verdict.steps:
            other = "dhcp1" if step.host == "dhcp2" else "dhcp2"
            assert not step.partner_stopped or other in stopped
            if step.state == "stopped":
                stopped.add(step.host)


def test_a_lost_lease_file_is_moved_aside_and_an_unproven_configuration_written():
    lost = recover(*pair(Own(False), "hot-standby", one={"leases": "/var/lib/kea/kea-leases4.csv: no columns"}))
    assert (lost.steps[0].leases, lost.steps[0].apply) == ("aside", False)
    assert "copied from dhcp2" in lost.steps[0].why
    assert "lease file cannot be used" in lost.found
    unproven = recover(*pair(Own(False), "hot-standby", one={"proven": False}))
    assert (unproven.steps[0].leases, unproven.steps[0].apply) == ("keep", True)


def test_a_lease_file_of_a_server_that_runs_is_left_alone():
    assert not recover(*pair(one={"leases": "x: no columns"})).steps


BAD_LEASES = {"leases": "/var/lib/kea/kea-leases4.csv: no columns"}
REFUSALS = {
    "nobody can be asked": (pair(one=GONE, two=GONE), {}, ["Neither host can be asked"]),
    "the other serves": (pair("partner-down", one=None, two=GONE), {}, ["served by dhcp1", "replace.yml"]),
    "the other may serve": (
        pair(None, "hot-standby", one=GONE, two={"link": "refused"}),
        {},
        ["dhcp1 may do so, unseen", "-e kea_dead_host=dhcp1"],
    ),
    "the other is heard": (pair(None, "hot-standby", one=GONE), {}, ["dhcp2 hears dhcp1"]),
    "declared dead, and heard": (pair(None, "hot-standby", one=GONE), {"dead_host": "dhcp1"}, ["dhcp2 hears it"]),
    "declared dead, and it answers": (pair(), {"dead_host": "dhcp1"}, ["that host answers"]),
    "the wrong one declared dead": (
        pair(None, "hot-standby", one=GONE, two={"link": "refused"}),
        {"dead_host": "dhcp2"},
        ["-e kea_dead_host=dhcp1"],
    ),
    "clocks": (
        pair("terminated", "terminated", two={"skew": -120.0, "cause": "HA_HIGH_CLOCK_SKEW_CAUSED_TERMINATION x"}),
        {},
        ["120 s", "NTP"],
    ),
    "no link": (
        pair("partner-down", "hot-standby", one={"link": "https://192.168.1.3:8000/: expired."}),
        {},
        ["dhcp1 does not hear its partner: https://192.168.1.3:8000/: expired", "served by dhcp1"],
    ),
    "no link, both serve": (
        pair("partner-down", "partner-down", one={"link": "refused"}, two={"link": "refused"}),
        {},
        ["served by dhcp1 and by dhcp2"],
    ),
    "no link, nobody serves": (pair("waiting", "waiting", one={"link": "refused"}), {}, ["NOBODY serves"]),
    "both lease files": (pair(Own(False), Own(False), one=BAD_LEASES, two=BAD_LEASES), {}, ["Both lease files"]),
    "it does not start, the other serves": (
        pair(Own(False), "partner-down"),
        {"failed": ("dhcp1",)},
        ["dhcp1 did not come up", "served by dhcp2"],
    ),
    "neither starts": (pair(Own(False), Own(False)), {"failed": ("dhcp1", "dhcp2")}, ["NOBODY serves"]),
    "load balancing, both went on alone": (
        pair(
            own("terminated", "primary", mode="load-balancing", scopes=["server1"]),
            own("terminated", mode="load-balancing", scopes=["server2"]),
        ),
        {},
        ["ha-sync"],
    ),
}


@pytest.mark.parametrize("situation", REFUSALS)
def test_a_refusal(situation):
    both, options, words = REFUSALS[situation]
    verdict = recover(*both, **options)
    assert not verdict.steps
    for word in words:
        assert word in verdict.refusal


def test_the_cause_of_a_termination_is_told():
    cause = "HA_LEASE_UPDATE_REJECTS_CAUSED_TERMINATION x"
    found = recover(*pair("terminated", "terminated", one={"cause": cause})).found
    assert f"The log of dhcp1: {cause}" in found


def test_a_server_that_does_not_come_up_is_replaced_by_the_other_one():
    verdict = recover(*pair(Own(False), "hot-standby"), failed=("dhcp1",))
    assert [(step.host, step.state, step.partner_stopped) for step in verdict.steps] == [("dhcp2", "serving", True)]


def test_a_host_declared_dead_is_replaced_at_once():
    both = pair(None, "hot-standby", one=GONE, two={"link": "refused"})
    verdict = recover(*both, dead_host="dhcp1")
    assert [(step.host, step.state, step.partner_stopped) for step in verdict.steps] == [("dhcp2", "serving", True)]
    cold = recover(*pair(None, Own(False), one=GONE), dead_host="dhcp1")
    assert steps(cold) == [("dhcp2", "started"), ("dhcp2", "serving")]
