# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of real logs, and when a pair began to work according to them."""

from __future__ import annotations

import time

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _log

TRANSITION = "HA_STATE_TRANSITION"


@pytest.fixture(autouse=True, params=["UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "America/New_York"])
def zone(request, monkeypatch):
    """Have the host in several time zones."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def local(text):
    return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


@pytest.mark.parametrize(
    "line, when, level, name, about_ha",
    [
        (
            "2026-11-24 03:05:33.123 INFO  [kea-dhcp4.ha-hooks/814.140] HA_STATE_TRANSITION server1: server "
            "transitions from READY to HOT-STANDBY state, partner state is READY",
            "local",
            "INFO",
            TRANSITION,
            True,
        ),
        (
            "2026-11-24 03:05:33.123 ERROR [kea-dhcp4.dhcpsrv/814.140] DHCPSRV_MEMFILE_FAILED_TO_OPEN Could not open",
            "local",
            "ERROR",
            "DHCPSRV_MEMFILE_FAILED_TO_OPEN",
            False,
        ),
        (
            "26.11.24 03:05:33.123 WARN  [kea-ctrl-agent.http/99] HTTP_SOMETHING text",
            "UTC",
            "WARN",
            "HTTP_SOMETHING",
            False,
        ),
        (
            "2026-11-24 03:05:33 FATAL [kea-dhcp4.dhcp4/1] DHCP4_INIT_FAIL text",
            "local",
            "FATAL",
            "DHCP4_INIT_FAIL",
            False,
        ),
    ],
)
def test_lines(line, when, level, name, about_ha):
    (message,) = _log.parse([line + "\n"])
    expected = local("2026-11-24 03:05:33") if when == "local" else 1795489533.0
    assert message.time == pytest.approx(expected + (0.123 if ".123" in line else 0), abs=0.001)
    assert (message.level, message.id, message.about_ha, message.text) == (level, name, about_ha, line)
    assert message.notable is (about_ha or level in ("ERROR", "FATAL"))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "  continued",
        "Nov 24 03:05:33 dhcp1 kea-dhcp4[1]: INFO HA_X",
        "2026-11-24T03:05:33Z INFO [x] HA_X",
        "2026-13-24 03:05:33.1 INFO [kea/1] HA_X no such month",
        "2026-11-24 03:05:33.1 NOTICE [kea/1] HA_X",
    ],
)
def test_lines_in_other_forms(line):
    assert _log.parse([line]) == []


def log(*lines):
    return _log.parse(f"2026-11-24 03:05:{number:02}.0 {line}" for number, line in enumerate(lines))


def transition(old, new):
    return (
        f"INFO  [kea-dhcp4.ha-hooks/1] {TRANSITION} server1: server transitions from {old} to {new} state, partner is X"
    )


ERROR = "ERROR [kea-dhcp4.ha-hooks/1] HA_LEASES_SYNC_FAILED x"
OF_22 = (
    f"INFO  [kea-dhcp4.ha-hooks/1] {TRANSITION} server transitions from READY to HOT-STANDBY state, partner is READY"
)
BACK = "INFO  [kea-dhcp4.commands/1] COMMAND_RECEIVED Received command 'ha-sync-complete-notify'"


@pytest.mark.parametrize(
    "lines, count",
    [
        ([], 0),
        ([ERROR], 1),
        ([ERROR, transition("READY", "HOT-STANDBY")], 0),
        ([ERROR, OF_22], 0),
        ([transition("READY", "HOT-STANDBY"), ERROR], 1),
        ([transition("READY", "HOT-STANDBY"), transition("HOT-STANDBY", "PARTNER-DOWN"), ERROR], 2),
        ([transition("WAITING", "SYNCING"), ERROR, transition("SYNCING", "READY")], 3),
        ([transition("READY", "LOAD-BALANCING"), ERROR], 2),
        # The partner was restarted while this server stayed in its state.
        ([transition("READY", "HOT-STANDBY"), ERROR, BACK], 0),
        ([transition("READY", "HOT-STANDBY"), BACK, ERROR, ERROR], 2),
    ],
)
def test_since_the_pair_works(lines, count):
    messages = log(*lines)
    found = _log.since_working(messages, ["hot-standby"])
    assert found == messages[len(messages) - count :]
