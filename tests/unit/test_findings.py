# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mistake of the catalogue is found, by an error that names host, variable and value and shows a good one."""

from __future__ import annotations

import copy
import re

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _findings
from ansible_collections.keaops.kea.plugins.module_utils._findings import Finding
from ansible_collections.keaops.kea.plugins.module_utils._model import RawHost
from ansible_collections.keaops.kea.plugins.module_utils._tls import Certificates, TlsProblem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pairs import GROUP, HOSTS, MISSING, SUBNET, build, examine, facts, kea_info, raw_hosts, subnet

BOTH = "dhcp1, dhcp2"


def reservation(**entry):
    return subnet(reservations=[entry])


def mac(value):
    return reservation(hw_address=value, ip_address="192.168.1.10")


# name: (changes, id, host, start of the variable's path, text that must be in it)
ERRORS = {
    # the pair
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
        ["10000", "5000"],
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
        {"group": {"kea_ha_transport": "listener", "kea_api": "control_socket"}},
        "P11",
        "dhcp1",
        "kea_api",
        ["2.6.3", "kea_api: control_agent"],
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
    # TLS
    "listener without TLS": (
        {"group": {"kea_ha_transport": "listener", "kea_tls_enabled": False}},
        "P13",
        BOTH,
        "kea_tls_enabled",
        ["false", "8000", "stop DHCP", "kea_accept_cleartext_api: true"],
    ),
    "files without TLS": (
        {"dhcp2": {"kea_tls_cert_file": "pki/dhcp2.pem"}},
        "P08",
        "dhcp2",
        "kea_tls_cert_file",
        ["pki/dhcp2.pem", "clear text", "kea_tls_enabled: true"],
    ),
    "source of files without TLS": (
        {"group": {"kea_tls_source": "files"}},
        "P08",
        "dhcp1",
        "kea_tls_source",
        ["files", "clear text"],
    ),
    "files beside the own CA": (
        {"group": {"kea_tls_enabled": True, "kea_tls_cert_file": "a.pem", "kea_tls_key_file": "a.key"}},
        "P08",
        "dhcp1",
        "kea_tls_cert_file",
        ["a.pem", "kea_tls_source: files", "remove kea_tls_cert_file, kea_tls_key_file"],
    ),
    "one file missing": (
        {
            "group": {"kea_tls_enabled": True, "kea_tls_source": "files", "kea_tls_trust_anchor": "ca.pem"},
            "dhcp1": {"kea_tls_cert_file": "1.pem", "kea_tls_key_file": "1.key"},
            "dhcp2": {"kea_tls_cert_file": "2.pem"},
        },
        "P08",
        "dhcp2",
        "kea_tls_key_file",
        ["kea_tls_source is files", "files/pki/"],
    ),
    "renewed at once": (
        {"group": {"kea_tls_enabled": True, "kea_tls_renew_before": 90}},
        "V16",
        BOTH,
        "kea_tls_renew_before",
        ["90 d", "every run", "30"],
    ),
    "certificates outlive the CA": (
        {"group": {"kea_tls_enabled": True, "kea_tls_ca_valid_days": 60}},
        "V16",
        BOTH,
        "kea_tls_ca_valid_days",
        ["60", "90 d"],
    ),
    "TLS differs": (
        {"dhcp2": {"kea_tls_enabled": True}},
        "P05",
        BOTH,
        "kea_tls_enabled",
        ["dhcp1 has null, dhcp2 has true"],
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
    # firewall
    "firewall over SSH": (
        {"group": {"kea_firewall": "nftables", "kea_ha_port": 22}},
        "V17",
        BOTH,
        "kea_ha_port",
        ["22", "SSH"],
    ),
    "firewall over SSH elsewhere": (
        {"group": {"kea_firewall": "snippet"}, "dhcp2": {"ansible_port": 8000}},
        "V17",
        "dhcp2",
        "kea_ha_port",
        ["8000", "SSH"],
    ),
    "management by name": (
        {"kea_firewall": "nftables", "kea_firewall_management": ["admin.example"]},
        "V17",
        BOTH,
        "kea_firewall_management[0]",
        ["admin.example", "192.168.1.50"],
    ),
    # timers
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
        {"group": {"kea_ha_max_response_delay": 10000}},
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
    # subnets
    "host bits": (subnet(subnet="192.168.1.5/24"), "P18", BOTH, "kea_subnets[0].subnet", ["192.168.1.0/24"]),
    "overlap": (
        {"kea_subnets": [SUBNET, {"id": 2, "subnet": "192.168.0.0/16", "pools": ["192.168.9.1-192.168.9.9"]}]},
        "P19",
        BOTH,
        "kea_subnets[0].subnet",
        ["192.168.1.0/24", "192.168.0.0/16"],
    ),
    "no id": (subnet(id=MISSING), "P20", BOTH, "kea_subnets[0].id", ["id: 1"]),
    "id 0": (subnet(id=0), "P20", BOTH, "kea_subnets[0].id", ["'0'"]),
    "id -1": (subnet(id=-1), "P20", BOTH, "kea_subnets[0].id", ["'-1'"]),
    "id too large": (subnet(id=4294967295), "P20", BOTH, "kea_subnets[0].id", ["4294967295"]),
    "id as text": (subnet(id="1"), "P20", BOTH, "kea_subnets[0].id", ["without quotes"]),
    "id true": (subnet(id=True), "P20", BOTH, "kea_subnets[0].id", ["true"]),
    "id twice": (
        {"kea_subnets": [SUBNET, {"id": 1, "subnet": "10.0.0.0/24", "pools": ["10.0.0.10-10.0.0.20"]}]},
        "P20",
        BOTH,
        "kea_subnets[1].id",
        ["10.0.0.0/24", "id: 2"],
    ),
    "no pool and no reservation": (
        subnet(pools=MISSING, reservations=[]),
        "P22",
        BOTH,
        "kea_subnets[0]",
        ["192.168.1.100-192.168.1.199"],
    ),
    "IPv6 subnet": (subnet(subnet="2001:db8::/64"), "V04", BOTH, "kea_subnets[0].subnet", ["IPv6", "192.168.1.0/24"]),
    "no prefix": (subnet(subnet="192.168.1.0"), "V04", BOTH, "kea_subnets[0].subnet", ["192.168.1.0/24"]),
    "no subnet": (subnet(subnet=MISSING), "V02", BOTH, "kea_subnets[0].subnet", ["192.168.1.0/24"]),
    "subnet is text": ({"kea_subnets": ["192.168.1.0/24"]}, "V03", BOTH, "kea_subnets[0]", ["mapping"]),
    "subnets empty": ({"kea_subnets": []}, "V04", BOTH, "kea_subnets", ["empty", "id: 1"]),
    "subnets null": ({"kea_subnets": None}, "V03", BOTH, "kea_subnets", ["list", "empty"]),
    "subnets missing": ({"kea_subnets": MISSING}, "V02", BOTH, "kea_subnets", ["required"]),
    "subnets differ": (
        {"dhcp2": subnet(pools=["192.168.1.100-192.168.1.150"])},
        "P21",
        BOTH,
        "kea_subnets[0].pools",
        ["192.168.1.199", "192.168.1.150"],
    ),
    "number of subnets differs": (
        {"dhcp2": {"kea_subnets": [SUBNET, {"id": 2, "subnet": "10.0.0.0/24", "pools": ["10.0.0.10-10.0.0.20"]}]}},
        "P21",
        BOTH,
        "kea_subnets",
        ["10.0.0.0/24"],
    ),
    "lifetimes differ": ({"dhcp2": {"kea_renew_timer": 1000}}, "P21", BOTH, "kea_renew_timer", ["21600", "1000"]),
    "options differ": (
        {"dhcp2": {"kea_option_data": {"ntp-servers": "192.168.1.1"}}},
        "P21",
        BOTH,
        "kea_option_data",
        ["ntp-servers"],
    ),
    # pools
    "pool outside": (
        subnet(pools=["10.0.1.10-10.0.1.99"]),
        "P23",
        BOTH,
        "kea_subnets[0].pools[0]",
        ["10.0.1.10-10.0.1.99", "192.168.1.0/24", "192.168.1.100-192.168.1.199"],
    ),
    "pool backwards": (
        subnet(pools=["192.168.1.50-192.168.1.40"]),
        "P23",
        BOTH,
        "kea_subnets[0].pools[0]",
        ["backwards"],
    ),
    "pools overlap": (
        subnet(pools=["192.168.1.20-192.168.1.50", "192.168.1.50-192.168.1.60"]),
        "P23",
        BOTH,
        "kea_subnets[0].pools[1]",
        ["192.168.1.20-192.168.1.50", "at 192.168.1.50"],
    ),
    "pool with network": (subnet(pools=["192.168.1.128/25"]), "P23", BOTH, "kea_subnets[0].pools[0]", ["broadcast"]),
    "pool with router": (
        {
            "kea_subnets": [
                {
                    "id": 1,
                    "subnet": "10.0.0.0/24",
                    "pools": ["10.0.0.1-10.0.0.9"],
                    "option_data": {"routers": "10.0.0.1"},
                }
            ]
        },
        "P23",
        BOTH,
        "kea_subnets[0].pools[0]",
        ["the router", "10.0.0.1"],
    ),
    "pool with global router": (
        {**subnet(option_data={}), "kea_option_data": {"routers": "192.168.1.150"}},
        "P23",
        BOTH,
        "kea_subnets[0].pools[0]",
        ["the router", "192.168.1.150"],
    ),
    "pool with server": (
        subnet(pools=["192.168.1.2-192.168.1.9"]),
        "P23",
        BOTH,
        "kea_subnets[0].pools[0]",
        ["address of dhcp1", "192.168.1.2"],
    ),
    "pool 10.0.0.0/33": (subnet(pools=["10.0.0.0/33"]), "P23", BOTH, "kea_subnets[0].pools[0]", ["10.0.0.0/33"]),
    "IPv6 pool": (subnet(pools=["2001:db8::1-2001:db8::9"]), "P23", BOTH, "kea_subnets[0].pools[0]", ["IPv6"]),
    "pool is a number": (subnet(pools=[100]), "P23", BOTH, "kea_subnets[0].pools[0]", ["100"]),
    "pools is text": (subnet(pools="192.168.1.100-192.168.1.199"), "V03", BOTH, "kea_subnets[0].pools", ["list"]),
    "pool reserved away": (
        subnet(
            pools=["192.168.1.20-192.168.1.21"],
            reservations=[
                {"hw_address": "1a:1b:1c:1d:1e:01", "ip_address": "192.168.1.20"},
                {"hw_address": "1a:1b:1c:1d:1e:02", "ip_address": "192.168.1.21"},
            ],
        ),
        "P25",
        BOTH,
        "kea_subnets[0].pools[0]",
        ["all 2 addresses"],
    ),
    # reservations
    "reservation outside": (
        reservation(hw_address="1a:1b:1c:1d:1e:1f", ip_address="10.0.0.10"),
        "P24",
        BOTH,
        "kea_subnets[0].reservations[0].ip_address",
        ["10.0.0.10", "192.168.1.0/24"],
    ),
    "address twice": (
        subnet(
            reservations=[
                {"hw_address": "1a:1b:1c:1d:1e:01", "ip_address": "192.168.1.20"},
                {"hw_address": "1a:1b:1c:1d:1e:02", "ip_address": "192.168.1.20"},
            ]
        ),
        "P24",
        BOTH,
        "kea_subnets[0].reservations[1].ip_address",
        ["duplicate", "1a:1b:1c:1d:1e:01", "192.168.1.20"],
    ),
    "MAC twice": (
        subnet(
            reservations=[
                {"hw_address": "1a:1b:1c:1d:1e:01", "ip_address": "192.168.1.20"},
                {"hw_address": "1A-1B-1C-1D-1E-01", "ip_address": "192.168.1.21"},
            ]
        ),
        "P24",
        BOTH,
        "kea_subnets[0].reservations[1]",
        ["duplicate", "1a:1b:1c:1d:1e:01"],
    ),
    "reservation of the router": (
        reservation(hw_address="1a:1b:1c:1d:1e:1f", ip_address="192.168.1.1"),
        "P24",
        BOTH,
        "kea_subnets[0].reservations[0].ip_address",
        ["the router"],
    ),
    "reservation of a server": (
        reservation(hw_address="1a:1b:1c:1d:1e:1f", ip_address="192.168.1.3"),
        "P24",
        BOTH,
        "kea_subnets[0].reservations[0].ip_address",
        ["dhcp2"],
    ),
    "reservation of broadcast": (
        reservation(hw_address="1a:1b:1c:1d:1e:1f", ip_address="192.168.1.255"),
        "P24",
        BOTH,
        "kea_subnets[0].reservations[0].ip_address",
        ["broadcast"],
    ),
    "reservation without address text": (
        reservation(hw_address="1a:1b:1c:1d:1e:1f", ip_address="printer"),
        "P24",
        BOTH,
        "kea_subnets[0].reservations[0].ip_address",
        ["printer", "192.168.1.10"],
    ),
    "in pool though out of pool": (
        subnet(
            reservations_out_of_pool=True,
            reservations=[{"hw_address": "1a:1b:1c:1d:1e:1f", "ip_address": "192.168.1.150"}],
        ),
        "P24",
        BOTH,
        "kea_subnets[0].reservations[0].ip_address",
        ["reservations_out_of_pool"],
    ),
    "no identifier": (
        reservation(ip_address="192.168.1.10"),
        "V06",
        BOTH,
        "kea_subnets[0].reservations[0]",
        ["192.168.1.10", "hw_address"],
    ),
    "two identifiers": (
        reservation(hw_address="1a:1b:1c:1d:1e:1f", client_id="01:02", ip_address="192.168.1.10"),
        "V06",
        BOTH,
        "kea_subnets[0].reservations[0]",
        ["one identifier"],
    ),
    "MAC of 5 bytes": (mac("aa-bb-cc-dd-ee"), "V06", BOTH, "kea_subnets[0].reservations[0].hw_address", ["5 bytes"]),
    "MAC of Cisco": (
        mac("AABB.CCDD.EEFF"),
        "V06",
        BOTH,
        "kea_subnets[0].reservations[0].hw_address",
        ["AABB.CCDD.EEFF", "aa:bb:cc:dd:ee:ff"],
    ),
    "MAC with letter O": (mac("1a:1b:1c:1d:1e:1O"), "V06", BOTH, "kea_subnets[0].reservations[0].hw_address", ["1O"]),
    "MAC mixed": (mac("1a:1b-1c:1d:1e:1f"), "V06", BOTH, "kea_subnets[0].reservations[0].hw_address", ["1a:1b-1c"]),
    "MAC read as base 60": (
        mac(((((12 * 60 + 34) * 60 + 56) * 60 + 11) * 60 + 22) * 60 + 33),
        "V06",
        BOTH,
        "kea_subnets[0].reservations[0].hw_address",
        ["quotes", "12:34:56:11:22:33"],
    ),
    "MAC null": (mac(None), "V06", BOTH, "kea_subnets[0].reservations[0].hw_address", ["MAC"]),
    "client id plain text": (
        reservation(client_id="printer", ip_address="192.168.1.10"),
        "V06",
        BOTH,
        "kea_subnets[0].reservations[0].client_id",
        ["printer", "01:11:22"],
    ),
    "bad host name": (
        reservation(hw_address="1a:1b:1c:1d:1e:1f", ip_address="192.168.1.10", hostname="my printer"),
        "V04",
        BOTH,
        "kea_subnets[0].reservations[0].hostname",
        ["my printer"],
    ),
    "reservation is text": (subnet(reservations=["x"]), "V03", BOTH, "kea_subnets[0].reservations[0]", ["mapping"]),
    # options
    "unknown option": (
        subnet(option_data={"router": "192.168.1.1"}),
        "V07",
        BOTH,
        "kea_subnets[0].option_data.router",
        ["Did you mean routers"],
    ),
    "option not an address": (
        subnet(option_data={"domain-name-servers": ["1.1.1.1", "dns.example"]}),
        "V07",
        BOTH,
        "kea_subnets[0].option_data.domain-name-servers",
        ["dns.example"],
    ),
    "option IPv6": (
        subnet(option_data={"routers": "fe80::1"}),
        "V07",
        BOTH,
        "kea_subnets[0].option_data.routers",
        ["IPv6"],
    ),
    "option empty": (subnet(option_data={"routers": []}), "V07", BOTH, "kea_subnets[0].option_data.routers", ["empty"]),
    "option code 0": (
        {"kea_option_data": [{"code": 0, "data": "00"}]},
        "V07",
        BOTH,
        "kea_option_data[0].code",
        ["1 to 254"],
    ),
    "option code 255": (
        {"kea_option_data": [{"code": 255, "data": "00"}]},
        "V07",
        BOTH,
        "kea_option_data[0].code",
        ["255"],
    ),
    "option list": ({"kea_option_data": "routers"}, "V07", BOTH, "kea_option_data", ["mapping"]),
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
HOST_CHANGES = ("group", "dhcp1", "dhcp2", "facts1", "facts2", "more")


@pytest.mark.parametrize("name", ERRORS)
def test_finds(name):
    changes, wanted, host, variable, texts = ERRORS[name]
    if not set(changes) & set(HOST_CHANGES):
        changes = {"group": changes}
    found = [item for item in examine(**changes) if item.id == wanted and item.variable.startswith(variable)]
    assert found, [item.text() for item in examine(**changes)]
    assert found[0].severity == "error"
    assert found[0].host == host
    assert found[0].fix
    for text in texts:
        assert text in found[0].text()


@pytest.mark.parametrize("name", ERRORS)
def test_one_mistake_gives_no_flood(name):
    changes = ERRORS[name][0]
    if not set(changes) & set(HOST_CHANGES):
        changes = {"group": changes}
    assert len([item for item in examine(**changes) if item.severity == "error"]) <= 3


def test_the_good_pair_has_no_findings():
    assert examine() == []


def test_every_mistake_is_reported_at_once():
    found = examine(
        group={**subnet(pools=["10.9.9.1-10.9.9.9"], id=0), "kea_ha_hartbeat_delay": 1, "kea_valid_lifetime": "x"},
        dhcp2={"kea_ha_role": "primary", "ansible_host": "name"},
    )
    assert {item.id for item in found} >= {"P03", "P06", "P20", "P23", "V01", "V03"}


PASSWORDS = [
    "short",
    "changeme-changeme-changeme",
    "aaaaaaaaaaaaaaaaaaaaaaaa",
    "with\nline-break-in-the-text",
    "ключ-ключ-ключ-ключ",
    "",
]


@pytest.mark.parametrize("variable", ["kea_api_password", "kea_tls_ca_passphrase"])
@pytest.mark.parametrize("password", PASSWORDS)
def test_a_bad_password_is_found_and_never_shown(password, variable):
    found = [item for item in examine({variable: password}) if item.variable == variable]
    assert [item.severity for item in found] == ["error"]
    assert not password or variable.rsplit("_", 1)[1] in found[0].message
    assert not password or all(password not in item.text() for item in found)


def test_different_passwords_are_found_and_never_shown():
    found = examine(dhcp1={"kea_api_password": "k3J!x9Qw7Lm2Zt5R"}, dhcp2={"kea_api_password": "Zt5Rk3J!x9Qw7Lm2"})
    assert [item.variable for item in found] == ["kea_api_password"]
    assert "Zt5R" not in found[0].text()


def test_a_good_password_passes():
    assert examine({"kea_api_password": "k3J!x9Qw7Lm2Zt5R"}) == []


WARNINGS = {
    "open agent": ({"kea_api_auth": False}, "P13", "kea_api_auth"),
    "open listener, accepted": (
        {"kea_ha_transport": "listener", "kea_tls_enabled": False, "kea_accept_cleartext_api": True},
        "P13",
        "kea_tls_enabled",
    ),
    "threads without a listener": ({"kea_multi_threading": {"thread_pool_size": 4}}, "P10", "kea_multi_threading"),
    "two heartbeats": ({"kea_ha_max_response_delay": 20000}, "P15", "kea_ha_max_response_delay"),
    "split brain": ({"kea_ha_max_unacked_clients": 0}, "P17", "kea_ha_max_unacked_clients"),
    "more unacked than clients": (
        {**subnet(pools=["192.168.1.100-192.168.1.102"]), "kea_ha_max_unacked_clients": 5},
        "P17",
        "kea_ha_max_unacked_clients",
    ),
    "short leases": (
        {"kea_valid_lifetime": 100, "kea_rebind_timer": 80, "kea_renew_timer": 50},
        "V11",
        "kea_valid_lifetime",
    ),
    "router elsewhere": (subnet(option_data={"routers": "10.0.0.1"}), "V12", "kea_subnets[0].option_data.routers"),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_warns(name):
    changes, wanted, variable = WARNINGS[name]
    assert [(item.severity, item.id, item.variable) for item in examine(changes)] == [("warning", wanted, variable)]


@pytest.mark.parametrize(
    "group",
    [
        {"kea_version": "3.0.4"},
        {"kea_version": "3.2.0"},
        {"kea_version": "2.2.0", "kea_ha_transport": "listener", "kea_multi_threading": {"thread_pool_size": 4}},
        {"kea_version": "3.0.4", "kea_api": "none", "kea_api_port": 8000},
        {"kea_version": "3.0.4", "kea_api": "control_agent"},
        {"kea_version": "3.0.4", "kea_api_auth": False},
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


def test_files_of_the_user():
    hosts = {
        host: {"kea_tls_cert_file": f"{host}.pem", "kea_tls_key_file": f"{host}.key"} for host in ("dhcp1", "dhcp2")
    }
    group = {"kea_version": "3.0.4", "kea_tls_source": "files", "kea_tls_trust_anchor": "ca.pem"}
    assert examine(group, **hosts) == []


def test_a_file_whose_name_cannot_be_evaluated_is_not_missed_again():
    hosts = raw_hosts({"kea_tls_enabled": True, "kea_tls_source": "files", "kea_tls_trust_anchor": "ca.pem"})
    names = frozenset({"kea_tls_cert_file", "kea_tls_key_file"})
    pair, known = _build([RawHost(raw.name, raw.vars, None, names) for raw in hosts])
    assert _findings.check(pair, known) == []


def test_what_is_wrong_with_certificates_is_reported_as_it_was_found():
    wrong = Certificates(
        problems=(
            TlsProblem("P35", "error", "kea_tls_cert_file", "a.pem", "the certificate has expired", "Renew it"),
            TlsProblem("P35", "warning", "kea_tls_cert_file", "a.pem", "the certificate ends in 20 d", "Renew it"),
            TlsProblem("P36", "info", "kea_tls_trust_anchor", "ca.pem", "the CA is public", "Use one of your own"),
        )
    )
    found = examine({"kea_version": "3.0.4"}, certificates=wrong)
    assert [(item.id, item.severity, item.host) for item in found] == [
        (check_id, severity, host)
        for check_id, severity in (("P35", "error"), ("P35", "warning"), ("P36", "info"))
        for host in ("dhcp1", "dhcp2")
    ]
    assert found[0].text() == ("dhcp1: kea_tls_cert_file = 'a.pem': the certificate has expired. Renew it. [P35]")


def test_what_is_graver_than_usual_cannot_be_accepted():
    open_listener = {"kea_ha_transport": "listener", "kea_tls_enabled": False, "kea_preflight_ignore": ["P13"]}
    assert [item.severity for item in examine(open_listener)] == ["error"]
    accepted = {**open_listener, "kea_accept_cleartext_api": True}
    assert [item.severity for item in examine(accepted)] == ["info"]


def test_a_backup_is_refused_and_is_no_third_active_host():
    backup = RawHost("dhcp3", {**GROUP, "ansible_host": "192.168.1.4", "kea_ha_role": "backup"})
    (finding,) = examine(more=[backup])
    assert (finding.id, finding.host, finding.value) == ("P03", "dhcp3", "backup")
    assert "kea_ha_role: standby" in finding.text()


def test_load_balancing_wants_a_secondary():
    assert examine({"kea_ha_mode": "load-balancing"}, dhcp2={"kea_ha_role": "secondary"}) == []


def test_interface_names_may_differ_between_the_hosts():
    assert examine(dhcp2={**subnet(interface="eth0"), "kea_interfaces": ["eth0"]}) == []


def test_an_accepted_finding_stays_visible():
    found = examine({**subnet(pools=[], reservations=[]), "kea_preflight_ignore": ["P22"]})
    assert [(item.id, item.severity) for item in found] == [("P22", "info")]


def test_an_unreadable_list_of_accepted_findings_is_no_crash():
    assert [item.id for item in examine({"kea_preflight_ignore": [["P22"]]})] == ["V04"]


def test_shared_addresses_may_be_allowed():
    twice = [{"hw_address": f"1a:1b:1c:1d:1e:0{n}", "ip_address": "192.168.1.20"} for n in (1, 2)]
    assert examine({**subnet(reservations=twice), "kea_dhcp4_extra": {"ip-reservations-unique": False}}) == []


def test_an_option_may_be_defined():
    definition = {"option-def": [{"name": "room", "code": 224, "type": "string"}]}
    assert examine({"kea_dhcp4_extra": definition, "kea_option_data": {"room": "kitchen"}}) == []


# ---------------------------------------------------------------------------------------------------------------------
# with hosts


def live(facts1=None, facts2=None, **kwargs):
    return examine(
        facts1=facts("192.168.1.2") if facts1 is None else facts1,
        facts2=facts("192.168.1.3") if facts2 is None else facts2,
        live=True,
        **kwargs,
    )


def interfaces(**named):
    return {name: {"up": up, "ipv4": list(addresses)} for name, (up, *addresses) in named.items()}


def test_healthy_hosts_have_no_findings():
    assert live() == []


def test_limit_to_one_host():
    (found,) = examine(in_play=["dhcp1"])
    assert found.severity == "error"
    assert "dhcp2" in found.text()
    assert "--limit kea" in found.text()
    assert examine(in_play=["dhcp1", "dhcp2", "other"]) == []


def test_interface_missing_on_one_host():
    other = facts("192.168.1.3", interfaces=interfaces(eth0=(True, "192.168.1.3/24"), wlan0=(False,)))
    found = [item for item in live(facts2=other) if item.id == "P26"]
    assert [item.host for item in found] == ["dhcp2"]
    assert found[0].variable == "kea_interfaces[0]"
    assert "dhcp2 has eth0 (192.168.1.3/24), wlan0 (down)" in found[0].text()


@pytest.mark.parametrize(
    ("state", "text"),
    [((False, "192.168.1.3/24"), "is down"), ((True,), "has no IPv4 address")],
    ids=["down", "no IPv4"],
)
def test_interface_of_no_use(state, text):
    other = facts("192.168.1.3", interfaces=interfaces(enp0s8=state, eth1=(True, "192.168.1.3/24")))
    assert text in next(item for item in live(facts2=other) if item.id == "P26").text()


def test_any_interface_will_do_for_a_star():
    assert live(group={"kea_interfaces": ["*"]}) == []


def test_interface_narrowed_to_an_address():
    assert live(dhcp1={"kea_interfaces": ["enp0s8/192.168.1.2"]}) == []


def test_address_not_on_the_host():
    found = live(dhcp2={"kea_ha_address": "192.168.1.77"})
    assert [(item.id, item.host, item.value) for item in found] == [("P07", "dhcp2", "192.168.1.77")]
    assert "enp0s8 (192.168.1.3/24)" in found[0].text()


def test_default_address_of_the_host_is_the_last_choice():
    assert live(dhcp1={"ansible_host": "server1.example"}) == []


def test_subnet_neither_local_nor_relayed():
    remote = {"id": 2, "subnet": "10.0.0.0/24", "pools": ["10.0.0.10-10.0.0.20"]}
    found = live(group={"kea_subnets": [SUBNET, remote]})
    assert [(item.id, item.severity, item.host) for item in found] == [
        ("P27", "error", "dhcp1"),
        ("P27", "error", "dhcp2"),
    ]
    assert "relay" in found[0].fix
    relayed = {**remote, "relay": {"ip_addresses": ["10.0.0.1"]}}
    assert live(group={"kea_subnets": [SUBNET, relayed]}) == []


def test_port_in_use():
    taken = {"protocol": "tcp", "address": "0.0.0.0", "port": 8000, "process": "nginx"}
    found = live(facts2=facts("192.168.1.3", kea_info(sockets=[taken])))
    assert [(item.id, item.host, item.variable) for item in found] == [("P09", "dhcp2", "kea_ha_port")]
    assert "nginx" in found[0].text()


@pytest.mark.parametrize(
    "change",
    [{"process": "kea-ctrl-agent"}, {"process": None}, {"address": "127.0.0.1"}, {"port": 80}, {"protocol": "udp"}],
)
def test_port_not_in_use(change):
    taken = {"protocol": "tcp", "address": "192.168.1.3", "port": 8000, "process": "nginx", **change}
    assert live(facts2=facts("192.168.1.3", kea_info(sockets=[taken]))) == []


def test_unreachable_host():
    hosts = raw_hosts(facts1=facts("192.168.1.2"))
    pair, known = _build(hosts)
    found = _findings.check(pair, known, live=True)
    assert [(item.id, item.host) for item in found] == [("V13", "dhcp2")]
    assert "dhcp2" in found[0].fix


def test_host_that_says_why():
    hosts = raw_hosts(facts1=facts("192.168.1.2"))
    hosts[1] = RawHost("dhcp2", hosts[1].vars, None, trouble="the host cannot be asked: Missing sudo password")
    pair, known = _build(hosts)
    assert "Missing sudo password" in _findings.check(pair, known, live=True)[0].text()


def _build(hosts):
    from ansible_collections.keaops.kea.plugins.module_utils._model import build_pair

    return build_pair("kea", hosts)


@pytest.mark.parametrize("change", [{"os_id": "alpine", "os_like": []}, {"architecture": "riscv64"}])
def test_unsupported_platform(change):
    found = [item for item in live(facts1=facts("192.168.1.2", **change)) if item.id == "V10"]
    assert [item.host for item in found] == ["dhcp1"]
    assert "Debian, Ubuntu and Raspberry Pi OS" in found[0].text()


def test_no_kea_to_install():
    nothing = {**kea_info(version=None, packages={}), "candidate": None}
    found = live(facts1=facts("192.168.1.2", nothing, os_version="11"))
    assert [(item.id, item.host) for item in found] == [("V14", "dhcp1")]


def test_unsupported_version_on_the_host():
    found = live(facts1=facts("192.168.1.2", kea_info(version="2.0.2")))
    assert [(item.id, item.host) for item in found] == [("V09", "dhcp1")]
    assert "2.0" in found[0].text()


# ---------------------------------------------------------------------------------------------------------------------
# the registry and the report


def test_registry_is_sound():
    known = {check.id for check in _findings.CHECKS}
    wanted = {f"P{n:02}" for n in [*range(1, 12), 13, *range(15, 28), 35, 36]}
    assert wanted <= known
    assert not known & set(_findings.INPUT_RULES)
    for check in _findings.CHECKS:
        assert re.match(r"^[PV]\d\d$", check.id)
        assert check.severity in ("error", "warning", "info")
        assert check.what.endswith(".")


def test_text_of_a_finding():
    item = Finding(
        "P23", "error", "dhcp1", "kea_subnets[0].pools[0]", "10.0.1.10", "the pool is not inside it", "Move it."
    )
    assert item.text() == "dhcp1: kea_subnets[0].pools[0] = '10.0.1.10': the pool is not inside it. Move it. [P23]"


def test_worst_comes_first_and_the_rest_is_counted():
    items = [
        Finding("X", level, "h", f"v{n}", "", "m", "") for n, level in enumerate(["info", "warning", "error"] * 30)
    ]
    lines = _findings.report(items)
    assert lines[0].startswith("ERROR")
    assert len(lines) == 51
    assert lines[-1] == "... and 40 more."
    assert _findings.counts_line(items) == "30 errors and 30 warnings"
    assert _findings.counts_line(items[1:3]) == "1 error and 1 warning"


def test_long_values_are_cut():
    assert len(_findings.short("x" * 200)) == 60
    assert _findings.short("a\nb") == "a?b"


# ---------------------------------------------------------------------------------------------------------------------
# properties

GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("192.168.1.7"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _variable_names():
    from ansible_collections.keaops.kea.plugins.module_utils._variables import VARIABLES

    return ["ansible_host", *(variable.name for variable in VARIABLES)]


@QUICK
@given(st.sampled_from(_variable_names()), GARBAGE)
def test_no_value_of_a_variable_raises(name, value):
    for item in examine({name: value}):
        assert item.text()


@QUICK
@given(st.sampled_from([*SUBNET, "relay", "x"]), GARBAGE)
def test_no_value_in_a_subnet_raises(key, value):
    assert all(item.text() for item in examine(subnet(**{key: value})))


@QUICK
@given(st.sampled_from(["hw_address", "client_id", "ip_address", "hostname", "option_data", "x"]), GARBAGE)
def test_no_value_in_a_reservation_raises(key, value):
    entry = {"hw_address": "1a:1b:1c:1d:1e:1f", "ip_address": "192.168.1.10", key: value}
    assert all(item.text() for item in examine(subnet(reservations=[entry])))


@QUICK
@given(st.sampled_from(["pool", "option_data", "x"]), GARBAGE)
def test_no_value_in_a_pool_raises(key, value):
    assert all(item.text() for item in examine(subnet(pools=[{"pool": "192.168.1.100-192.168.1.110", key: value}])))


@QUICK
@given(GARBAGE, st.sampled_from(["hooks-libraries", "loggers", "interfaces-config", "option-def", "x"]))
def test_no_extra_key_raises(value, key):
    assert all(item.text() for item in examine({"kea_dhcp4_extra": {key: value}}))


@st.composite
def good_subnet(draw, number):
    """One /24 of its own, pools and reservations apart."""
    base = f"10.{number >> 8}.{number & 255}"
    size = draw(st.integers(10, 60))
    count = draw(st.integers(0, 5))
    entries = [
        {"hw_address": f"02:00:00:{number & 255:02x}:00:{n:02x}", "ip_address": f"{base}.{200 + n}"}
        for n in range(count)
    ]
    return {
        "id": number + 1,
        "subnet": f"{base}.0/24",
        "relay": {"ip_addresses": [f"{base}.1"]},
        "pools": [f"{base}.{start}-{base}.{start + size}" for start in (10, 100)[: draw(st.integers(1, 2))]],
        "option_data": {"routers": f"{base}.1"},
        "reservations": entries,
    }


@st.composite
def good_inventory(draw):
    numbers = draw(st.lists(st.integers(0, 500), min_size=1, max_size=6, unique=True))
    valid = draw(st.integers(600, 200000))
    heartbeat = draw(st.integers(500, 10000))
    return {
        "kea_subnets": [draw(good_subnet(number)) for number in numbers],
        "kea_valid_lifetime": valid,
        "kea_renew_timer": valid // 2,
        "kea_rebind_timer": valid * 3 // 4,
        "kea_ha_heartbeat_delay": heartbeat,
        "kea_ha_max_response_delay": heartbeat * draw(st.integers(3, 6)),
        "kea_ha_max_ack_delay": draw(st.integers(1000, 60000)),
        "kea_ha_max_unacked_clients": draw(st.integers(1, 9)),
        "kea_ha_port": draw(st.integers(1, 65535)),
        "kea_version": draw(st.sampled_from(["2.2.0", "2.4.1", "2.6.3", "3.0.4", "3.2.0"])),
        "kea_ha_transport": draw(st.sampled_from([None, "listener"])),
        "kea_api_port": 8001,
        "kea_api": draw(st.sampled_from([None, "none"])),
        "kea_firewall": draw(st.sampled_from(["none", "nftables", "snippet"])),
    }


@QUICK
@given(good_inventory())
def test_a_valid_inventory_has_no_errors(group):
    if group["kea_ha_port"] == group["kea_api_port"]:
        group["kea_api_port"] += 1
    if group["kea_ha_port"] == 22:
        group["kea_ha_port"] = 23
    if group["kea_version"] < "3" and group["kea_ha_transport"] is None:
        group["kea_api"] = None
    assert [item.text() for item in examine(group) if item.severity == "error"] == []


def test_the_inventory_is_not_changed():
    hosts = raw_hosts()
    before = copy.deepcopy([host.vars for host in hosts])
    _build(hosts)
    assert [host.vars for host in hosts] == before
    assert HOSTS["dhcp1"]["kea_ha_role"] == "primary"
    assert build()[1] == []
