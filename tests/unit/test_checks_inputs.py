# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single variables: names, types, limits, and what the extra variables may hold."""

from __future__ import annotations

import pytest
from mistakes import BOTH, expect_error
from pairs import MISSING, examine, subnet

# What is wrong: (changes, id, host, start of the variable's path, text that must be in it)
ERRORS = {
    # variables
    "typo": (
        {"kea_ha_hartbeat_delay": 1000},
        "V01",
        BOTH,
        "kea_ha_hartbeat_delay",
        ["Did you mean kea_ha_heartbeat_delay?"],
    ),
    "typo in leases": (
        {"kea_expired_leases_processing": {"reclaim_timer_wait": 1}},
        "V01",
        BOTH,
        "kea_expired_leases_processing.reclaim_timer_wait",
        ["reclaim_timer_wait_time"],
    ),
    "interfaces as text": ({"kea_interfaces": "eth0"}, "V03", BOTH, "kea_interfaces", ["eth0", "[eth0]"]),
    "interfaces empty": ({"kea_interfaces": []}, "V04", BOTH, "kea_interfaces", ["[eth0]"]),
    "interfaces missing": ({"kea_interfaces": MISSING}, "V02", BOTH, "kea_interfaces", ["required"]),
    "interface twice": ({"kea_interfaces": ["enp0s8", "enp0s8"]}, "V04", BOTH, "kea_interfaces[1]", ["twice"]),
    "subnet interface not served": (
        subnet(interface="eth9"),
        "P26",
        "dhcp1",
        "kea_subnets[0].interface",
        ["eth9", "enp0s8"],
    ),
    "boolean as text": ({"kea_api_auth": "no"}, "V03", BOTH, "kea_api_auth", ["'no'", "true or false"]),
    "port 0": ({"kea_ha_port": 0}, "V04", BOTH, "kea_ha_port", ["1 to 65535"]),
    "port 70000": ({"kea_ha_port": 70000}, "V04", BOTH, "kea_ha_port", ["70000"]),
    "port with blank": ({"kea_ha_port": "8001 "}, "V03", BOTH, "kea_ha_port", ["8001 "]),
    "bad mode": ({"kea_ha_mode": "hotstandby"}, "V04", BOTH, "kea_ha_mode", ["hot-standby"]),
    "development series": ({"kea_version": "3.1.4"}, "V09", BOTH, "kea_version", ["development"]),
    "old Kea": ({"kea_version": "1.8"}, "V09", BOTH, "kea_version", ["2.2", "3.2"]),
    "ignored check unknown": (
        {"kea_preflight_ignore": ["P04"]},
        "V04",
        BOTH,
        "kea_preflight_ignore[0]",
        ["P04", "P25"],
    ),
    "expectation": ({"kea_expect": ["x"]}, "V03", BOTH, "kea_expect[0]", ["query", "equals"]),
    "hooks folder": ({"kea_hooks_dir": "hooks"}, "V04", BOTH, "kea_hooks_dir", ["absolute"]),
    "user with colon": ({"kea_api_user": "a:b"}, "P41", BOTH, "kea_api_user", ["a:b"]),
    # extras
    "own hook": (
        {"kea_dhcp4_extra": {"hooks-libraries": [{"library": "/opt/libdhcp_ha.so"}]}},
        "P01",
        "dhcp1",
        "kea_dhcp4_extra.hooks-libraries[0].library",
        ["/opt/libdhcp_ha.so", "kea_ha_"],
    ),
    "own subnets": ({"kea_dhcp4_extra": {"subnet4": []}}, "V08", BOTH, "kea_dhcp4_extra.subnet4", ["kea_subnets"]),
    "own interfaces": (
        {"kea_dhcp4_extra": {"interfaces-config": {"interfaces": ["eth0"]}}},
        "V08",
        BOTH,
        "kea_dhcp4_extra.interfaces-config.interfaces",
        ["kea_interfaces"],
    ),
    "own log": (
        {"kea_dhcp4_extra": {"loggers": [{"name": "kea-dhcp4", "output-options": []}]}},
        "V08",
        BOTH,
        "kea_dhcp4_extra.loggers[0]",
        ["kea-dhcp4"],
    ),
    "wrapped extra": ({"kea_dhcp4_extra": {"Dhcp4": {}}}, "V08", BOTH, "kea_dhcp4_extra.Dhcp4", ["directly"]),
    "own agent port": (
        {"kea_ctrl_agent_extra": {"http-port": 1}},
        "V08",
        BOTH,
        "kea_ctrl_agent_extra.http-port",
        ["kea_ha_port"],
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_finds(name):
    expect_error(*ERRORS[name])


def test_an_unreadable_list_of_accepted_findings_is_no_crash():
    assert [item.id for item in examine({"kea_preflight_ignore": [["P22"]]})] == ["V04"]
