# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.keaops.kea.plugins.module_utils._report import Entry, status_lines, summary_lines


def info(state="hot-standby", serving=True, **more):
    return {
        "state": state,
        "mode": "hot-standby",
        "serving": serving,
        "version": "2.6.3",
        "leases": {"assigned": 3, "total": 100},
        "partner": {"age": 1, "interrupted": False, "state": "hot-standby"},
        **more,
    }


def test_a_healthy_pair():
    lines = status_lines(
        [
            Entry("dhcp2", "kea", "standby", info(serving=False), drift=False),
            Entry("dhcp1", "kea", "primary", info(), drift=False),
        ]
    )
    assert lines[0] == "pair kea: healthy, dhcp1 serves"
    assert lines[1].split("  ")[1:4] == ["dhcp1", "primary", "hot-standby"]
    assert "leases 3 of 100" in lines[1]
    assert "partner seen 1 s ago" in lines[1]
    assert "Kea 2.6.3" in lines[1]
    assert "as the inventory says" in lines[1]
    assert "stands by" in lines[2]


def test_a_server_that_is_down_is_named_with_its_reason():
    partner = {"age": 70, "interrupted": True, "state": "unavailable"}
    lines = status_lines(
        [
            Entry("dhcp1", "kea", "primary", None, problem="does not run: no socket"),
            Entry("dhcp2", "kea", "standby", info("partner-down", partner=partner), drift=True),
        ]
    )
    assert lines[0] == "pair kea: NOT healthy, dhcp2 serves"
    assert lines[1] == "  dhcp1  primary  does not run: no socket"
    assert "partner seen 70 s ago (unavailable)" in lines[2]
    assert "DIFFERS from the inventory" in lines[2]


def test_nobody_serves():
    assert status_lines([Entry("dhcp1", "kea", "primary", None)])[0] == "pair kea: NOT healthy, NOBODY serves"


def test_summary_tells_what_changed_and_what_is_served():
    subnets = [
        {"subnet": "192.168.1.0/24", "pools": [{"pool": "192.168.1.100-192.168.1.199"}], "reservations": [{}, {}]}
    ]
    lines = summary_lines(
        [
            Entry(
                "dhcp1",
                "kea",
                "primary",
                info(),
                address="192.168.1.2",
                subnets=subnets,
                done=["packages", "dhcp4 started"],
            ),
            Entry("dhcp2", "kea", "standby", info(serving=False), address="192.168.1.3", subnets=subnets),
        ]
    )
    assert lines[0] == "pair kea: healthy, dhcp1 serves"
    assert "192.168.1.2" in lines[1]
    assert "changed: packages, dhcp4 started" in lines[1]
    assert "nothing changed" in lines[2]
    assert lines[3] == "  subnet 192.168.1.0/24: pools 192.168.1.100-192.168.1.199, 2 reservations"
