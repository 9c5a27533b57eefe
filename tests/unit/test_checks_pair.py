# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pair itself: hosts, roles, names, addresses, transport."""

from __future__ import annotations

import pytest
from ansible_collections.keaops.kea.plugins.module_utils._model import RawHost
from mistakes import BOTH, expect_error, expect_silence, expect_warning
from pairs import GROUP, MISSING, examine, subnet

# What is wrong: (changes, id, host, start of the variable's path, text that must be in it)
ERRORS = {
    # pair
    "two primaries": ({"dhcp2": {"kea_ha_role": "primary"}}, "P03", BOTH, "kea_ha_role", ["primary", "standby"]),
    "two standbys": ({"dhcp1": {"kea_ha_role": "standby"}}, "P03", BOTH, "kea_ha_role", ["standby"]),
    "secondary in hot-standby": (
        {"dhcp2": {"kea_ha_role": "secondary"}},
        "P03",
        "dhcp2",
        "kea_ha_role",
        ["secondary", "hot-standby", "kea_ha_role: standby"],
    ),
    "role slave": ({"dhcp2": {"kea_ha_role": "slave"}}, "V04", "dhcp2", "kea_ha_role", ["slave", "standby"]),
    "no role": ({"dhcp2": {"kea_ha_role": MISSING}}, "V02", "dhcp2", "kea_ha_role", ["required", "standby"]),
    "three hosts": (
        {"more": [RawHost("dhcp3", {**GROUP, "ansible_host": "192.168.1.4", "kea_ha_role": "standby"})]},
        "P02",
        "dhcp1, dhcp2, dhcp3",
        "kea_pair",
        ["3 active hosts", "two"],
    ),
    "same name": ({"dhcp2": {"kea_server_name": "server1"}}, "P04", BOTH, "kea_server_name", ["server1"]),
    "different ports": (
        {"dhcp2": {"kea_ha_port": 8010}},
        "P05",
        BOTH,
        "kea_ha_port",
        ["dhcp1 has 8000, dhcp2 has 8010", "group_vars"],
    ),
    "different delay": (
        {"dhcp2": {"kea_ha_heartbeat_delay": 5000}},
        "P05",
        BOTH,
        "kea_ha_heartbeat_delay",
        ["1000", "5000"],
    ),
    "address is a name": (
        {"dhcp2": {"kea_ha_address": "server2.example"}},
        "P06",
        "dhcp2",
        "kea_ha_address",
        ["server2.example", "192.168.1.2"],
    ),
    "address with prefix": ({"dhcp1": {"kea_ha_address": "192.168.1.2/24"}}, "P06", "dhcp1", "kea_ha_address", ["/24"]),
    "no address": ({"dhcp2": {"ansible_host": "server2.example"}}, "P06", "dhcp2", "kea_ha_address", ["192.168.1.2"]),
    "loopback": (
        {"dhcp2": {"ansible_host": "127.0.0.1"}},
        "P06",
        "dhcp2",
        "kea_ha_address",
        ["127.0.0.1", "ansible_host"],
    ),
    "any address": ({"dhcp1": {"kea_ha_address": "0.0.0.0"}}, "P06", "dhcp1", "kea_ha_address", ["0.0.0.0"]),
    "multicast": ({"dhcp1": {"kea_ha_address": "224.0.0.1"}}, "P06", "dhcp1", "kea_ha_address", ["224.0.0.1"]),
    "same address": ({"dhcp2": {"ansible_host": "192.168.1.2"}}, "P06", BOTH, "kea_ha_address", ["192.168.1.2"]),
    "ports collide": (
        {"group": {"kea_ha_transport": "listener", "kea_api_port": 8000}},
        "P09",
        BOTH,
        "kea_api_port",
        ["8000", "8001"],
    ),
    "no agent in 3.2": (
        {"group": {"kea_version": "3.2.0", "kea_ha_transport": "control_agent"}},
        "P11",
        "dhcp1",
        "kea_ha_transport",
        ["3.2.0", "listener"],
    ),
    "open API on 3.2": (
        {
            "group": {
                "kea_version": "3.2.0",
                "kea_api_auth": False,
                "kea_tls_enabled": False,
                "kea_accept_cleartext_api": True,
            }
        },
        "P13",
        BOTH,
        "kea_api_auth",
        ["false", "since 3.2"],
    ),
    "no agent in 3.2 for the API": (
        {"group": {"kea_version": "3.2.0", "kea_api": "control_agent"}},
        "P11",
        "dhcp1",
        "kea_api",
        ["3.2.0", "no Control Agent", "kea_api: control_socket"],
    ),
    "no API of the server in 2.6": (
        {"group": {"kea_version": "2.6.3", "kea_ha_transport": "listener", "kea_api": "control_socket"}},
        "P11",
        "dhcp1",
        "kea_api",
        ["2.6.3", "kea_api: control_agent"],
    ),
    "live changes before 3.0": (
        {"group": {"kea_version": "2.6.3", "kea_apply": "live"}},
        "P11",
        "dhcp1",
        "kea_apply",
        ["Kea 2.6.3 cannot be changed while it runs; Kea 3.0 and later can", "kea_apply: auto"],
    ),
    "an agent that is no API": (
        {"group": {"kea_ha_transport": "control_agent", "kea_api": "none"}},
        "P11",
        BOTH,
        "kea_api",
        ["none", "kea_ha_transport: listener"],
    ),
    "ports collide on 3.0": (
        {"group": {"kea_version": "3.0.4", "kea_api_port": 65535, "kea_ha_port": 65535}},
        "P09",
        BOTH,
        "kea_api_port",
        ["the API of the DHCP server", "65534"],
    ),
    # threads
    "unknown key of threads": (
        {"kea_multi_threading": {"thread_pool": 4}},
        "V01",
        BOTH,
        "kea_multi_threading.thread_pool",
        ["Did you mean thread_pool_size?"],
    ),
    "too many threads": (
        {"kea_multi_threading": {"thread_pool_size": 65536}},
        "V03",
        BOTH,
        "kea_multi_threading.thread_pool_size",
        ["65536", "0 to 65535", "thread_pool_size: 4"],
    ),
    "threads off": (
        {"kea_multi_threading": {"enable_multi_threading": False}},
        "V01",
        BOTH,
        "kea_multi_threading.enable_multi_threading",
        ["thread_pool_size"],
    ),
    "threads in the extras": (
        {"kea_dhcp4_extra": {"multi-threading": {"enable-multi-threading": False}}},
        "V08",
        BOTH,
        "kea_dhcp4_extra.multi-threading",
        ["belongs to the collection", "opens no listener", "kea_multi_threading"],
    ),
    "certificates in the extras": (
        {"kea_ctrl_agent_extra": {"cert-required": False}},
        "V08",
        BOTH,
        "kea_ctrl_agent_extra.cert-required",
        ["kea_tls_enabled"],
    ),
    "addresses swapped": (
        {"dhcp1": {"kea_ha_address": "192.168.1.3"}, "dhcp2": {"kea_ha_address": "192.168.1.2"}},
        "P06",
        "dhcp1",
        "kea_ha_address",
        ["192.168.1.3", "its partner dhcp2", "swapped"],
    ),
    "the network's address": (
        {"dhcp2": {"kea_ha_address": "192.168.1.0"}},
        "P06",
        "dhcp2",
        "kea_ha_address",
        ["network address of 192.168.1.0/24", "192.168.1.2"],
    ),
    "everybody's address": ({"dhcp2": {"ansible_host": "255.255.255.255"}}, "P06", "dhcp2", "kea_ha_address", ["255"]),
    "an address with a port": (
        {"dhcp2": {"kea_ha_address": "http://192.168.1.3:8000/"}},
        "P06",
        "dhcp2",
        "kea_ha_address",
        ["http://192.168.1.3:8000/", "kea_ha_address: 192.168.1.3."],
    ),
    "extra keys differ": (
        {
            "dhcp1": {"kea_dhcp4_extra": {"match-client-id": False}},
            "dhcp2": {"kea_dhcp4_extra": {"match-client-id": True}},
        },
        "P21",
        BOTH,
        "kea_dhcp4_extra.match-client-id",
        ["false on dhcp1, true on dhcp2", "group_vars"],
    ),
    "a class on one host only": (
        {"dhcp2": {"kea_dhcp4_extra": {"client-classes": [{"name": "phones"}]}}},
        "P21",
        BOTH,
        "kea_dhcp4_extra.client-classes",
        ["client-classes"],
    ),
    "reservations of no subnet differ": (
        {
            "group": {"kea_dhcp4_extra": {"reservations-global": True}},
            "dhcp2": {
                "kea_dhcp4_extra": {
                    "reservations-global": True,
                    "reservations": [{"hw-address": "1a:1b:1c:1d:1e:2f", "hostname": "x"}],
                }
            },
        },
        "P21",
        BOTH,
        "kea_dhcp4_extra.reservations",
        ["only on dhcp2"],
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_finds(name):
    expect_error(*ERRORS[name])


# What is doubtful: (changes, id, host, variable, text that must be in it)
WARNINGS = {
    "threads without a listener": (
        {"kea_multi_threading": {"thread_pool_size": 4}},
        "P10",
        BOTH,
        "kea_multi_threading",
        ["thread-pool-size", "single-threaded", "kea_ha_transport: listener"],
    ),
    "the partner's name": (
        {"dhcp1": {"kea_server_name": "dhcp2"}},
        "P04",
        "dhcp1",
        "kea_server_name",
        ["'dhcp2'", "inventory name of the partner"],
    ),
    "the port of SSH": (
        {"group": {"kea_ha_port": 2222}, "dhcp1": {"ansible_port": 2222}},
        "P09",
        "dhcp1",
        "kea_ha_port",
        ["'2222'", "SSH", "8010"],
    ),
    "different series": (
        {"dhcp1": {"kea_version": "2.6.3"}, "dhcp2": {"kea_version": "3.0.4"}},
        "P29",
        BOTH,
        "kea_version",
        ["dhcp1 has 2.6.3, dhcp2 has 3.0.4", "Upgrade"],
    ),
    "one interface fewer": (
        {"dhcp1": {"kea_interfaces": ["enp0s8", "eth1"]}},
        "V48",
        BOTH,
        "kea_interfaces",
        ["dhcp1 has enp0s8, eth1, dhcp2 has enp0s8"],
    ),
    "the loopback": (
        {"dhcp2": {"kea_interfaces": ["lo"], **subnet(interface=MISSING)}},
        "V48",
        "dhcp2",
        "kea_interfaces[0]",
        ["'lo'", "eth0"],
    ),
    "all and one": (
        {"dhcp2": {"kea_interfaces": ["*", "enp0s8"]}},
        "V48",
        "dhcp2",
        "kea_interfaces[0]",
        ["'*'", "every"],
    ),
    "one pool for two servers": (
        {"group": {"kea_ha_mode": "load-balancing"}, "dhcp2": {"kea_ha_role": "secondary"}},
        "V49",
        BOTH,
        "kea_subnets[0].pools[0]",
        ["192.168.1.100-192.168.1.199", "HA_server1 and HA_server2"],
    ),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_warns(name):
    expect_warning(*WARNINGS[name])


# What is right: (changes, the check that has nothing to say)
SILENT = {
    "names of the template": ({}, "P04"),
    "each its own inventory name": (
        {"dhcp1": {"kea_server_name": "dhcp1"}, "dhcp2": {"kea_server_name": "dhcp2"}},
        "P04",
    ),
    "a port of root for the server": ({"kea_ha_transport": "listener", "kea_ha_port": 443}, "P09"),
    "SSH elsewhere": ({"dhcp1": {"ansible_port": 8001}}, "P09"),
    "one series": ({"dhcp1": {"kea_version": "3.0.3"}, "dhcp2": {"kea_version": "3.0.4"}}, "P29"),
    "other names of as many interfaces": (
        {"dhcp2": {"kea_interfaces": ["eth0"], **subnet(interface="eth0")}},
        "V48",
    ),
    "every interface on one host": ({"dhcp2": {"kea_interfaces": ["*"]}}, "V48"),
    "hot standby": ({}, "V49"),
    "live changes since 3.0": ({"group": {"kea_version": "3.0.4", "kea_apply": "live"}}, "P11"),
    "live changes where no host was asked": ({"group": {"kea_apply": "live"}}, "P11"),
    "addresses of another network than Ansible's": (
        {"dhcp1": {"kea_ha_address": "10.0.0.1"}, "dhcp2": {"kea_ha_address": "10.0.0.2"}},
        "P06",
    ),
}


@pytest.mark.parametrize("name", SILENT)
def test_is_silent(name):
    expect_silence(*SILENT[name])


@pytest.mark.parametrize(
    "group",
    [
        {"kea_version": "3.0.4"},
        {"kea_version": "3.2.0"},
        {"kea_version": "2.2.0", "kea_ha_transport": "listener", "kea_multi_threading": {"thread_pool_size": 4}},
        {"kea_version": "3.0.4", "kea_api": "none", "kea_api_port": 8000},
        {"kea_version": "3.0.4", "kea_api": "control_agent"},
        {"kea_version": "3.0.4", "kea_api_auth": False},
        {"kea_version": "3.0.4", "kea_apply": "live"},
        {"kea_version": "3.2.0", "kea_api_auth": False},
        {"kea_version": "3.0.4", "kea_ha_transport": "control_agent"},
        {"kea_tls_enabled": True},
        {"kea_tls_renew_before": 90},
        {"kea_firewall": "nftables", "kea_firewall_management": ["192.168.1.50"]},
        {"kea_tls_ca_passphrase": "k3J!x9Qw7Lm2Zt5R"},
    ],
    ids=str,
)
def test_good_pairs_of_the_other_kind(group):
    assert examine(group) == []


def test_a_backup_is_refused_and_is_no_third_active_host():
    backup = RawHost("dhcp3", {**GROUP, "ansible_host": "192.168.1.4", "kea_ha_role": "backup"})
    (finding,) = examine(more=[backup])
    assert (finding.id, finding.host, finding.value) == ("P03", "dhcp3", "backup")
    assert "kea_ha_role: standby" in finding.text()


def test_load_balancing_wants_a_secondary_and_pools_for_each():
    pools = [
        {"pool": "192.168.1.100-192.168.1.149", "client_class": "HA_server1"},
        {"pool": "192.168.1.150-192.168.1.199", "client_class": "HA_server2"},
    ]
    group = {"kea_ha_mode": "load-balancing", **subnet(pools=pools)}
    assert examine(group, dhcp2={"kea_ha_role": "secondary"}) == []


def test_interface_names_may_differ_between_the_hosts():
    assert examine(dhcp2={**subnet(interface="eth0"), "kea_interfaces": ["eth0"]}) == []


def test_limit_to_one_host():
    (found,) = examine(in_play=["dhcp1"])
    assert found.severity == "error"
    assert "dhcp2" in found.text()
    assert "--limit kea" in found.text()
    assert examine(in_play=["dhcp1", "dhcp2", "other"]) == []


def test_the_agent_may_not_use_a_port_of_root():
    found = examine({"kea_ha_transport": "listener", "kea_api": "control_agent", "kea_api_port": 443})
    assert [(item.id, item.severity, item.host, item.variable, item.value) for item in found] == [
        ("P09", "warning", host, "kea_api_port", "443") for host in ("dhcp1", "dhcp2")
    ]
    assert "keeps ports below 1024 for root" in found[0].text()


def test_what_belongs_to_one_host_may_differ():
    own = {
        "interfaces-config": {"service-sockets-max-retries": 9},
        "loggers": [{"name": "kea-dhcp4.x"}],
        "comment": "a",
    }
    assert examine(dhcp2={"kea_dhcp4_extra": own}) == []
