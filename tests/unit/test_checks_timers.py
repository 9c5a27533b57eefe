# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delays and lifetimes."""

from __future__ import annotations

import pytest
from ansible_collections.keaops.kea.plugins.module_utils._variables import HA_PROFILES
from mistakes import BOTH, expect_error, expect_warning
from pairs import examine, subnet

# What is wrong: (changes, id, host, start of the variable's path, text that must be in it)
ERRORS = {
    "heartbeat in seconds": (
        {"group": {"kea_ha_heartbeat_delay": 10}},
        "P16",
        BOTH,
        "kea_ha_heartbeat_delay",
        ["10 ms", "10000"],
    ),
    "ack delay in seconds": ({"group": {"kea_ha_max_ack_delay": 5}}, "P16", BOTH, "kea_ha_max_ack_delay", ["5000"]),
    "ack delay too long": ({"group": {"kea_ha_max_ack_delay": 65000}}, "P16", BOTH, "kea_ha_max_ack_delay", ["65000"]),
    "response before heartbeat": (
        {"group": {"kea_ha_heartbeat_delay": 10000}},
        "P15",
        BOTH,
        "kea_ha_max_response_delay",
        ["10000", "30000"],
    ),
    "response over 65535": (
        {"group": {"kea_ha_max_response_delay": 120000}},
        "P15",
        "dhcp1",
        "kea_ha_max_response_delay",
        ["120000", "65535"],
    ),
    "negative clients": (
        {"group": {"kea_ha_max_unacked_clients": -1}},
        "V04",
        BOTH,
        "kea_ha_max_unacked_clients",
        ["-1", "0 "],
    ),
    "clients as a word": (
        {"group": {"kea_ha_max_unacked_clients": "five"}},
        "V03",
        BOTH,
        "kea_ha_max_unacked_clients",
        ["five", "whole number"],
    ),
    "lifetime 0": ({"group": {"kea_valid_lifetime": 0}}, "V04", BOTH, "kea_valid_lifetime", ["0", "43200"]),
    "lifetime 1h": ({"group": {"kea_valid_lifetime": "1h"}}, "V03", BOTH, "kea_valid_lifetime", ["1h", "43200"]),
    "number as text": (
        {"group": {"kea_valid_lifetime": "3600"}},
        "V03",
        BOTH,
        "kea_valid_lifetime",
        ["3600", "quotes"],
    ),
    "renew after rebind": ({"group": {"kea_renew_timer": 32400}}, "V11", BOTH, "kea_renew_timer", ["32400"]),
    "rebind after the end": ({"group": {"kea_valid_lifetime": 32400}}, "V11", BOTH, "kea_rebind_timer", ["32400"]),
}


@pytest.mark.parametrize("name", ERRORS)
def test_finds(name):
    expect_error(*ERRORS[name])


# What is doubtful: (changes, id, variable)
WARNINGS = {
    "two heartbeats": ({"kea_ha_max_response_delay": 2000}, "P15", "kea_ha_max_response_delay"),
    "split brain": ({"kea_ha_max_unacked_clients": 0}, "P17", "kea_ha_max_unacked_clients"),
    "more unacked than clients": (
        {**subnet(pools=["192.168.1.100-192.168.1.102"]), "kea_ha_max_unacked_clients": 5},
        "P17",
        "kea_ha_max_unacked_clients",
    ),
    "short leases": (
        {"kea_valid_lifetime": 19, "kea_rebind_timer": 15, "kea_renew_timer": 10},
        "V11",
        "kea_valid_lifetime",
    ),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_warns(name):
    expect_warning(*WARNINGS[name])


@pytest.mark.parametrize("profile", HA_PROFILES)
@pytest.mark.parametrize("version", ["2.2.0", "2.6.3", "3.0.4", "3.2.0"])
def test_every_profile_is_fine(profile, version):
    assert examine({"kea_ha_profile": profile, "kea_version": version}) == []
