# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Normalised HA state from replies of real daemons."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _state

STATUS_22 = {
    "high-availability": [
        {
            "ha-mode": "hot-standby",
            "ha-servers": {
                "local": {"role": "primary", "scopes": ["server1"], "state": "hot-standby"},
                "remote": {
                    "age": 2,
                    "analyzed-packets": 0,
                    "communication-interrupted": False,
                    "connecting-clients": 0,
                    "in-touch": True,
                    "last-scopes": [],
                    "last-state": "hot-standby",
                    "role": "standby",
                    "unacked-clients": 0,
                    "unacked-clients-left": 0,
                },
            },
        }
    ],
    "multi-threading-enabled": False,
    "pid": 814,
    "reload": 132,
    "sockets": {"status": "ready"},
    "uptime": 132,
}


def changed(status, local=None, remote=None, **others):
    """Return a copy of a status with other values."""
    status = copy.deepcopy(dict(status, **others))
    servers = status["high-availability"][0]["ha-servers"]
    servers["local"].update(local or {})
    servers["remote"].update(remote or {})
    return status


DHCP_STATE = {
    "disabled-by-db-connection": [],
    "disabled-by-local-command": [],
    "disabled-by-remote-command": [],
    "disabled-by-user": False,
    "globally-disabled": False,
}
STATUS_26 = changed(STATUS_22, {"server-name": "server1"}, {"server-name": "server2"}, **{"dhcp-state": DHCP_STATE})
STATUS_30 = changed(
    STATUS_26,
    {"system-time": "2026-11-24 00:05:33"},
    {"system-time": "2026-11-24 00:05:33", "clock-skew": 3},
)
STANDBY_26 = changed(
    STATUS_26,
    {"role": "standby", "scopes": [], "server-name": "server2"},
    {"role": "primary", "last-scopes": ["server1"], "server-name": "server1"},
)
HEARTBEAT = {
    "date-time": "Tue, 24 Nov 2026 00:05:32 GMT",
    "scopes": ["server1"],
    "state": "hot-standby",
    "unsent-update-count": 4,
}
HEARTBEAT_TIME = 1795478732.0


@pytest.mark.parametrize(
    "status, name, partner_name, enabled, skew",
    [
        (STATUS_22, None, None, None, None),
        (STATUS_26, "server1", "server2", True, None),
        (STATUS_30, "server1", "server2", True, 3),
    ],
    ids=["2.2", "2.6", "3.0"],
)
def test_every_version_gives_the_same_view(status, name, partner_name, enabled, skew):
    assert _state.normalise(status, HEARTBEAT) == {
        "ha": True,
        "mode": "hot-standby",
        "state": "hot-standby",
        "role": "primary",
        "server_name": name,
        "scopes": ["server1"],
        "serving": True,
        "dhcp_enabled": enabled,
        "partner": {
            "server_name": partner_name,
            "role": "standby",
            "state": "hot-standby",
            "scopes": [],
            "in_touch": True,
            "age": 2,
            "interrupted": False,
            "unacked_clients": 0,
            "unacked_clients_left": 0,
            "clock_skew": skew,
        },
        "clock_skew": skew,
        "unsent_updates": 4,
        "pid": 814,
        "uptime": 132,
        "multi_threading": False,
        "sockets_ready": True,
    }


@pytest.mark.parametrize(
    "status, serving",
    [
        (STANDBY_26, False),
        (changed(STANDBY_26, {"state": "partner-down", "scopes": ["server1", "server2"]}), True),
        (changed(STATUS_26, {"state": "waiting", "scopes": []}), False),
        (changed(STATUS_26, **{"dhcp-state": dict(DHCP_STATE, **{"globally-disabled": True})}), False),
        (changed(STATUS_22, sockets={"status": "failed"}), False),
        ({"pid": 1, "uptime": 1, "multi-threading-enabled": False, "sockets": {"status": "ready"}}, True),
    ],
)
def test_serving(status, serving):
    assert _state.normalise(status)["serving"] is serving


def test_zombie_is_told_from_a_healthy_server():
    zombie = {key: value for key, value in STATUS_26.items() if key != "high-availability"}
    state = _state.normalise(zombie)
    assert state["ha"] is False
    assert state["partner"] is None
    assert "DHCP4_CONFIG_UNRECOVERABLE_ERROR" in _state.missing_ha(state)
    assert _state.missing_ha(_state.normalise(STATUS_26)) is None
    assert state["serving"]
    state = _state.normalise(zombie, ha_expected=True)
    assert not state["serving"]
    assert _state.describe(state) == "without high availability, not serving"


def test_passive_backup_has_no_partner():
    status = copy.deepcopy(STATUS_26)
    del status["high-availability"][0]["ha-servers"]["remote"]
    assert _state.normalise(status)["partner"] is None


def test_heartbeat_alone_is_enough_for_the_state():
    state = _state.normalise({}, HEARTBEAT)
    assert (state["ha"], state["state"], state["scopes"]) == (True, "hot-standby", ["server1"])


def test_describe():
    assert _state.describe(_state.normalise(STATUS_22)) == (
        "primary in state hot-standby, serving; it sees its partner in state hot-standby, heard of 2 s ago"
    )
    lonely = changed(STANDBY_26, {"state": "waiting"}, {"last-state": "", "communication-interrupted": True})
    assert _state.describe(_state.normalise(lonely)) == (
        "standby in state waiting, not serving; it sees its partner in state unknown, heard of 2 s ago, "
        "communication interrupted"
    )
    assert _state.describe(_state.normalise({})) == "without high availability"


@pytest.mark.parametrize(
    "asked, answered, skew",
    [
        (0.0, 0.1, 0.0),
        (0.9, 1.1, 0.0),
        (-0.2, 0.1, 0.0),
        (31.0, 31.2, -30.0),
        (-60.5, -60.4, 60.4),
        # A slow reply is not a skew.
        (-5.0, 5.0, 0.0),
    ],
)
def test_clock_skew(asked, answered, skew):
    assert _state.clock_skew(HEARTBEAT, HEARTBEAT_TIME + asked, HEARTBEAT_TIME + answered) == skew


@pytest.mark.parametrize("value", [None, "", "yesterday", 7])
def test_no_clock(value):
    assert _state.clock_skew({"date-time": value}, 0, 1) is None


def test_lease_counts():
    statistics = {
        "subnet[1].total-addresses": [[100, "2026-11-24 00:03:20.240718"]],
        "subnet[1].assigned-addresses": [[26, "2026-11-24 00:04:20"], [25, "2026-11-24 00:03:20"]],
        "subnet[1].declined-addresses": [[1, "2026-11-24 00:03:20"]],
        "subnet[1].pool[0].total-addresses": [[100, "2026-11-24 00:03:20"]],
        "subnet[1].cumulative-assigned-addresses": [[70, "2026-11-24 00:03:20"]],
        "subnet[10].total-addresses": [[50, "2026-11-24 00:03:20"]],
        "subnet[2].assigned-addresses": [],
        "declined-addresses": [[1, "2026-11-24 00:03:20"]],
    }
    counts = _state.lease_counts(statistics)
    assert counts == {
        "total": 150,
        "assigned": 26,
        "declined": 1,
        "counted": False,
        "subnets": {
            "1": {"total": 100, "assigned": 26, "declined": 1},
            "2": {"total": 0, "assigned": 0, "declined": 0},
            "10": {"total": 50, "assigned": 0, "declined": 0},
        },
    }
    assert list(counts["subnets"]) == ["1", "2", "10"]


def lease(subnet, state=0, cltt=1000, lifetime=100):
    return {"ip-address": "192.168.1.100", "subnet-id": subnet, "state": state, "cltt": cltt, "valid-lft": lifetime}


def test_leases_that_are_counted_beat_the_statistics():
    # What a server with seven leases said after it had copied them from its partner.
    statistics = {
        "subnet[1].total-addresses": [[100, ""]],
        "subnet[1].assigned-addresses": [[1, ""]],
        "subnet[1].declined-addresses": [[3, ""]],
        "subnet[2].total-addresses": [[50, ""]],
        "subnet[2].assigned-addresses": [[9, ""]],
    }
    leases = [lease(1)] * 6 + [lease(1, state=1), lease(1, state=2), lease(1, cltt=900), lease(3)]
    assert _state.lease_counts(statistics, leases, now=1000) == {
        "total": 150,
        "assigned": 8,
        "declined": 1,
        "counted": True,
        "subnets": {
            "1": {"total": 100, "assigned": 7, "declined": 1},
            "2": {"total": 50, "assigned": 0, "declined": 0},
            "3": {"total": 0, "assigned": 1, "declined": 0},
        },
    }


def test_a_lease_without_an_end():
    assert _state.lease_counts({}, [lease(1, lifetime=4294967295)], now=2000)["assigned"] == 1
