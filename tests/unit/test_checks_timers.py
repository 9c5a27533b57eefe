# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delays and lifetimes."""

from __future__ import annotations

import pytest
from ansible_collections.keaops.kea.plugins.module_utils._variables import HA_PROFILES
from mistakes import BOTH, expect_error, expect_silence, expect_warning
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
    "response in seconds": (
        {"group": {"kea_ha_max_response_delay": 60}},
        "P16",
        BOTH,
        "kea_ha_max_response_delay",
        ["60 ms", "Did you mean 60000?"],
    ),
    "sync in seconds": (
        {"group": {"kea_ha_sync_timeout": 60}},
        "P16",
        BOTH,
        "kea_ha_sync_timeout",
        ["60 ms", "Did you mean 60000?"],
    ),
    "sync of days": ({"group": {"kea_ha_sync_timeout": 60000000}}, "P16", BOTH, "kea_ha_sync_timeout", ["60000000"]),
    "renew after rebind in a subnet": (
        subnet(renew_timer=900, rebind_timer=900),
        "V11",
        BOTH,
        "kea_subnets[0].renew_timer",
        ["'900'", "smaller than rebind-timer, which is 900"],
    ),
    "shortest lease above the usual one": (
        {"kea_dhcp4_extra": {"min-valid-lifetime": 86400}},
        "V11",
        BOTH,
        "kea_dhcp4_extra.min-valid-lifetime",
        ["86400", "at most valid-lifetime, which is 43200"],
    ),
    "longest lease below the usual one in a subnet": (
        subnet(valid_lifetime=7200, max_valid_lifetime=3600),
        "V11",
        BOTH,
        "kea_subnets[0].valid_lifetime",
        ["7200", "max-valid-lifetime, which is 3600"],
    ),
    "a lifetime 1h in a subnet": (
        subnet(valid_lifetime="1h"),
        "V30",
        BOTH,
        "kea_subnets[0].valid_lifetime",
        ["1h", "a whole number", "3600"],
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_finds(name):
    expect_error(*ERRORS[name])


# What is doubtful: (changes, id, host, variable, text that must be in it)
WARNINGS = {
    "two heartbeats": (
        {"kea_ha_profile": "template", "kea_ha_max_response_delay": 20000},
        "P15",
        BOTH,
        "kea_ha_max_response_delay",
        ["20000", "three heartbeats", "30000"],
    ),
    "split brain": (
        {"kea_ha_max_unacked_clients": 0},
        "P17",
        BOTH,
        "kea_ha_max_unacked_clients",
        ["'0'", "both servers would answer"],
    ),
    "more unacked than clients": (
        {**subnet(pools=["192.168.1.100-192.168.1.102"]), "kea_ha_max_unacked_clients": 5},
        "P17",
        BOTH,
        "kea_ha_max_unacked_clients",
        ["'5'", "6 unserved clients", "room for 5 only"],
    ),
    "very many unacked": (
        {
            **subnet(subnet="10.0.0.0/8", pools=["10.1.0.0-10.9.0.0"], reservations=[], option_data={}),
            "kea_ha_max_unacked_clients": 100000,
        },
        "P17",
        BOTH,
        "kea_ha_max_unacked_clients",
        ["100000", "100001 unserved clients"],
    ),
    "leases shorter than a failover": (
        {"kea_ha_profile": "template", "kea_valid_lifetime": 170, "kea_rebind_timer": 80, "kea_renew_timer": 50},
        "V11",
        BOTH,
        "kea_valid_lifetime",
        ["170", "60000 ms", "Set at least 180"],
    ),
    "a lifetime in ms": (
        {"kea_valid_lifetime": 43200000},
        "V40",
        BOTH,
        "kea_valid_lifetime",
        ["43200000", "500 days", "Did you mean 43200?"],
    ),
    "a lifetime in ms in a subnet": (
        subnet(max_valid_lifetime=86400000),
        "V40",
        BOTH,
        "kea_subnets[0].max_valid_lifetime",
        ["86400000", "Did you mean 86400?"],
    ),
    "clients count later than the partner": (
        {"kea_ha_profile": "template", "kea_ha_max_ack_delay": 60000},
        "V41",
        BOTH,
        "kea_ha_max_ack_delay",
        ["60000", "Set for example 6000"],
    ),
}


QUIET = subnet(pools=["192.168.1.100-192.168.1.111"])
"""Room for twelve clients and two reservations."""


@pytest.mark.parametrize(
    ("unacked", "fix"),
    [(2, "Set 1; or 0 if the servers"), (1, None), (5, "Set 1; or 0 if"), (3, "Set 1; or 0 if")],
)
def test_a_quiet_network_is_told_what_to_choose(unacked, fix):
    found = examine({**QUIET, "kea_ha_max_unacked_clients": unacked})
    assert [item.id for item in found] == ([] if fix is None else ["P17"])
    if fix:
        assert f"waits for {unacked + 1} unserved clients, and with room for 14 only that may take" in found[0].text()
        assert fix in found[0].text()


def test_one_client_is_left_in_a_very_quiet_network():
    found = examine({**subnet(pools=["192.168.1.100-192.168.1.103"]), "kea_ha_max_unacked_clients": 1})
    assert "Set 0 if the servers and the clients are on the same switch" in found[0].text()


@pytest.mark.parametrize("name", WARNINGS)
def test_warns(name):
    expect_warning(*WARNINGS[name])


# What is right: (changes, the check that has nothing to say)
SILENT = {
    "three heartbeats": ({"kea_ha_profile": "template", "kea_ha_max_response_delay": 30000}, "P15"),
    "few clients": ({"kea_ha_max_unacked_clients": 1}, "P17"),
    "leases of three minutes": (
        {"kea_ha_profile": "template", "kea_valid_lifetime": 180, "kea_rebind_timer": 80, "kea_renew_timer": 50},
        "V11",
    ),
    "a subnet with short leases and inherited timers": (subnet(valid_lifetime=3600), "V11"),
    "a subnet with timers of its own": (subnet(valid_lifetime=3600, renew_timer=900, rebind_timer=1800), "V11"),
    "bounds around the lifetime": (
        {"kea_dhcp4_extra": {"min-valid-lifetime": 600, "max-valid-lifetime": 86400}},
        "V11",
    ),
    "a lease of a year": ({"kea_valid_lifetime": 31536000}, "V40"),
    "delays of a fast pair": (
        {
            "kea_ha_heartbeat_delay": 1000,
            "kea_ha_max_response_delay": 5000,
            "kea_ha_max_ack_delay": 2000,
            "kea_ha_sync_timeout": 10000,
        },
        "P16",
    ),
    "a client counts before the partner": ({"kea_ha_profile": "template", "kea_ha_max_ack_delay": 59999}, "V41"),
}


@pytest.mark.parametrize("name", SILENT)
def test_is_silent(name):
    expect_silence(*SILENT[name])


@pytest.mark.parametrize("profile", HA_PROFILES)
@pytest.mark.parametrize("version", ["2.2.0", "2.6.3", "3.0.4", "3.2.0"])
def test_every_profile_is_fine(profile, version):
    assert examine({"kea_ha_profile": profile, "kea_version": version}) == []
