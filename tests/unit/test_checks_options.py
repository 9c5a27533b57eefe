# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients are told."""

from __future__ import annotations

import pytest
from mistakes import BOTH, expect_silence, expect_warning
from pairs import subnet

ROUTER = {"routers": "192.168.1.1"}

# What is doubtful: (changes, id, host, variable, text that must be in it)
WARNINGS = {
    "a lifetime as option": (
        {"kea_option_data": {"dhcp-lease-time": 3600}},
        "V42",
        BOTH,
        "kea_option_data.dhcp-lease-time",
        ["3600", "Kea sets this option itself", "kea_valid_lifetime"],
    ),
    "one server's identity": (
        subnet(option_data={**ROUTER, "dhcp-server-identifier": "192.168.1.2"}),
        "V42",
        BOTH,
        "kea_subnets[0].option_data.dhcp-server-identifier",
        ["192.168.1.2", "after its partner took over"],
    ),
    "what Kea sets, in a pool": (
        subnet(
            pools=[
                {"pool": "192.168.1.100-192.168.1.199", "option_data": {"dhcp-renewal-time": 1800}},
            ]
        ),
        "V42",
        BOTH,
        "kea_subnets[0].pools[0].option_data.dhcp-renewal-time",
        ["1800", "kea_renew_timer"],
    ),
    "a wrong netmask": (
        subnet(option_data={**ROUTER, "subnet-mask": "255.255.0.0"}),
        "V43",
        BOTH,
        "kea_subnets[0].option_data.subnet-mask",
        ["255.255.0.0", "255.255.255.0"],
    ),
    "a wrong broadcast address": (
        subnet(option_data={**ROUTER, "broadcast-address": "192.168.255.255"}),
        "V43",
        BOTH,
        "kea_subnets[0].option_data.broadcast-address",
        ["192.168.255.255", "192.168.1.255"],
    ),
    "one netmask for all": (
        {"kea_option_data": {"subnet-mask": "255.255.255.0"}},
        "V43",
        BOTH,
        "kea_option_data.subnet-mask",
        ["255.255.255.0", "for all subnets"],
    ),
    "the resolver of the controller": (
        subnet(option_data={**ROUTER, "domain-name-servers": ["127.0.0.53", "9.9.9.9"]}),
        "V44",
        BOTH,
        "kea_subnets[0].option_data.domain-name-servers",
        ["127.0.0.53", "each client would ask itself"],
    ),
    "dnsmasq's word for this machine": (
        {"kea_option_data": {"ntp-servers": "0.0.0.0"}},
        "V44",
        BOTH,
        "kea_option_data.ntp-servers",
        ["0.0.0.0", "no address of a machine"],
    ),
    "a broadcast address as server": (
        subnet(
            reservations=[
                {
                    "hw_address": "1a:1b:1c:1d:1e:1f",
                    "ip_address": "192.168.1.10",
                    "option_data": {"log-servers": "255.255.255.255"},
                }
            ]
        ),
        "V44",
        BOTH,
        "kea_subnets[0].reservations[0].option_data.log-servers",
        ["255.255.255.255", "multicast or reserved"],
    ),
    "a name server in the pool": (
        subnet(option_data={**ROUTER, "domain-name-servers": "192.168.1.150"}),
        "V45",
        BOTH,
        "kea_subnets[0].pools[0]",
        ["192.168.1.100-192.168.1.199", "192.168.1.150", "domain-name-servers"],
    ),
    "a time server for all in a pool": (
        {"kea_option_data": {"ntp-servers": "192.168.1.199"}},
        "V45",
        BOTH,
        "kea_subnets[0].pools[0]",
        ["192.168.1.199", "ntp-servers"],
    ),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_warns(name):
    expect_warning(*WARNINGS[name])


# What is right: (changes, the check that has nothing to say)
SILENT = {
    "options of the template": ({}, "V42"),
    "the right netmask": (
        subnet(option_data={**ROUTER, "subnet-mask": "255.255.255.0", "broadcast-address": "192.168.1.255"}),
        "V43",
    ),
    "a default route": (subnet(option_data={**ROUTER, "static-routes": ["0.0.0.0", "192.168.1.1"]}), "V44"),
    "name servers of the world": ({}, "V44"),
    "a name server beside the pool": (
        subnet(option_data={**ROUTER, "domain-name-servers": ["192.168.1.99", "192.168.1.200"]}),
        "V45",
    ),
    "a name server with a reservation": (
        subnet(
            option_data={**ROUTER, "domain-name-servers": "192.168.1.150"},
            reservations=[{"hw_address": "1a:1b:1c:1d:1e:1f", "ip_address": "192.168.1.150"}],
        ),
        "V45",
    ),
}


@pytest.mark.parametrize("name", SILENT)
def test_is_silent(name):
    expect_silence(*SILENT[name])
