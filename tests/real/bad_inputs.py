# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes people make in the inventory of the home pair, each once.

A row changes variables of the group or of one host. ``danger`` says what comes of it where Kea starts all the same.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from pairs import MISSING, SUBNET

HOOKS = "/usr/lib/x86_64-linux-gnu/kea/hooks"


@dataclass(frozen=True)
class Row:
    """One mistake."""

    name: str
    group: dict[str, Any] = field(default_factory=dict)
    dhcp1: dict[str, Any] = field(default_factory=dict)
    dhcp2: dict[str, Any] = field(default_factory=dict)
    danger: str = ""
    live: bool = False
    """Found only when the host has been looked at."""
    since: str = ""
    """Older Kea takes it, when what is named is there."""


def subnet(**changes: Any) -> dict[str, Any]:
    """Return the group's variables with the one subnet changed."""
    body = {**copy.deepcopy(SUBNET), **changes}
    return {"kea_subnets": [{key: value for key, value in body.items() if value is not MISSING}]}


def more_subnets(*bodies: Any) -> dict[str, Any]:
    """Return the group's variables with further subnets."""
    return {"kea_subnets": [copy.deepcopy(SUBNET), *bodies]}


def pools(*texts: Any, **changes: Any) -> dict[str, Any]:
    """Return the group's variables with other pools."""
    return subnet(pools=list(texts), **changes)


def reservation(**entry: Any) -> dict[str, Any]:
    """Return the group's variables with one reservation."""
    return subnet(reservations=[entry])


def option(name: str, value: Any) -> dict[str, Any]:
    """Return the group's variables with one option for the subnet beside the router."""
    return subnet(option_data={"routers": "192.168.1.1", name: value})


def extra(**keys: Any) -> dict[str, Any]:
    """Return the group's variables with further keys of Kea's."""
    return {"kea_dhcp4_extra": {name.replace("_", "-"): value for name, value in keys.items()}}


MAC = "1a:1b:1c:1d:1e:1f"
_TLS = "/etc/kea/tls/current"
CERTIFICATES = {
    "kea_tls_enabled": True,
    "kea_tls_source": "files",
    "kea_tls_trust_anchor": f"{_TLS}/trust",
    "kea_tls_cert_file": f"{_TLS}/cert.pem",
    "kea_tls_key_file": f"{_TLS}/key.pem",
}
LISTENER = {"kea_ha_transport": "listener"}
OTHER = {"id": 2, "subnet": "192.168.2.0/24", "pools": ["192.168.2.100-192.168.2.199"]}

TABLE: dict[str, list[Row]] = {
    "Pools": [
        Row("outside the subnet", pools("192.168.2.100-192.168.2.199")),
        Row("begins inside, ends outside", pools("192.168.1.100-192.168.2.10")),
        Row("last address before the first", pools("192.168.1.199-192.168.1.100")),
        Row("two pools overlap", pools("192.168.1.100-192.168.1.150", "192.168.1.140-192.168.1.199")),
        Row("the same pool twice", pools("192.168.1.100-192.168.1.199", "192.168.1.100-192.168.1.199")),
        Row("holds the router", pools("192.168.1.1-192.168.1.99", reservations=[]), danger="two machines, one address"),
        Row(
            "holds the servers", pools("192.168.1.2-192.168.1.99", reservations=[]), danger="two machines, one address"
        ),
        Row("holds the broadcast address", pools("192.168.1.100-192.168.1.255"), danger="a client that cannot work"),
        Row("holds the network address", pools("192.168.1.0/25", reservations=[]), danger="a client that cannot work"),
        Row("mask longer than 32", pools("192.168.1.0/33")),
        Row("one address, no range", pools("192.168.1.100")),
        Row("commas for dots", pools("192,168,1,100-192,168,1,199")),
        Row("an address above 255", pools("192.168.1.100-192.168.1.256")),
        Row("three dashes", pools("192.168.1.100---192.168.1.199")),
        Row("IPv6", pools("fd00::10-fd00::99")),
        Row("not a text", pools(192)),
        Row("a mapping without pool", pools({"range": "192.168.1.100-192.168.1.199"})),
        Row("every address reserved", pools("192.168.1.10-192.168.1.11"), danger="no address for anybody else"),
        Row("one text for a list", subnet(pools="192.168.1.100-192.168.1.199")),
    ],
    "Subnets": [
        Row("host bits set", subnet(subnet="192.168.1.5/24"), danger="the same subnet can be there twice"),
        Row(
            "two subnets overlap",
            more_subnets({**OTHER, "subnet": "192.168.0.0/22", "pools": ["192.168.2.1-192.168.2.9"]}),
            danger="which of the two serves is chance",
        ),
        Row(
            "one subnet twice",
            more_subnets({**OTHER, "subnet": "192.168.1.0/24", "pools": ["192.168.1.20-192.168.1.30"]}),
        ),
        Row("no mask", subnet(subnet="192.168.1.0")),
        Row("mask as an address", subnet(subnet="192.168.1.0/255.255.255.0")),
        Row("mask longer than 32", subnet(subnet="192.168.1.0/33")),
        Row("IPv6", subnet(subnet="fd00::/64")),
        Row("no subnet in the subnet", subnet(subnet=MISSING)),
        Row("no pools and no reservations", subnet(pools=[], reservations=[]), danger="serves nobody"),
        Row("no subnets", {"kea_subnets": []}, danger="serves nobody"),
        Row("subnets are null", {"kea_subnets": None}),
        Row("a mapping for the list of subnets", {"kea_subnets": copy.deepcopy(SUBNET)}),
        Row("a subnet is a text", {"kea_subnets": ["192.168.1.0/24"]}),
        Row("key misspelt: pool", subnet(pools=MISSING, pool=["192.168.1.100-192.168.1.199"])),
        Row("key misspelt: reservation", subnet(reservations=MISSING, reservation=[{"hw_address": MAC}])),
        Row("a key of another place", subnet(ip_address="192.168.1.5")),
        Row("on an interface that is not served", subnet(interface="enp0s9")),
        Row("relay by name", subnet(relay={"ip_addresses": ["router.example.org"]})),
        Row("relay of IPv6", subnet(relay={"ip_addresses": ["fe80::1"]})),
        Row("own lifetime in quotes", subnet(valid_lifetime="3600")),
        Row("own lifetime as text", subnet(valid_lifetime="1h")),
        Row(
            "own timers out of order",
            subnet(valid_lifetime=600, renew_timer=900, rebind_timer=700),
            danger="clients never renew in time",
        ),
        Row("lifetime below its minimum", subnet(valid_lifetime=600, min_valid_lifetime=900)),
        Row("switch in quotes", subnet(authoritative="yes")),
        Row("next server by name", subnet(next_server="boot.example.org")),
    ],
    "Ids of subnets": [
        Row(
            "missing", subnet(id=MISSING), danger="Kea 2.2 numbers by position: a new subnet takes another one's leases"
        ),
        Row("0", subnet(id=0), danger="Kea 2.2 numbers by position: a new subnet takes another one's leases"),
        Row("-1", subnet(id=-1)),
        Row("4294967295", subnet(id=4294967295)),
        Row("in quotes", subnet(id="1")),
        Row("used twice", more_subnets({**OTHER, "id": 1})),
    ],
    "Reservations": [
        Row("outside the subnet", reservation(hw_address=MAC, ip_address="192.168.2.10")),
        Row(
            "one address for two clients",
            subnet(
                reservations=[
                    {"hw_address": MAC, "ip_address": "192.168.1.10"},
                    {"hw_address": "1a:1b:1c:1d:1e:20", "ip_address": "192.168.1.10"},
                ]
            ),
        ),
        Row(
            "one client twice",
            subnet(
                reservations=[
                    {"hw_address": MAC, "ip_address": "192.168.1.10"},
                    {"hw_address": MAC, "ip_address": "192.168.1.11"},
                ]
            ),
        ),
        Row(
            "of the router's address",
            reservation(hw_address=MAC, ip_address="192.168.1.1"),
            danger="two machines, one address",
        ),
        Row(
            "of a server's address",
            reservation(hw_address=MAC, ip_address="192.168.1.2"),
            danger="two machines, one address",
        ),
        Row(
            "of the broadcast address",
            reservation(hw_address=MAC, ip_address="192.168.1.255"),
            danger="a client that cannot work",
        ),
        Row(
            "in a pool, though promised out of it",
            subnet(reservations_out_of_pool=True, reservations=[{"hw_address": MAC, "ip_address": "192.168.1.150"}]),
            danger="the address is given to others, too",
        ),
        Row("names no client", reservation(ip_address="192.168.1.10")),
        Row("two identifiers", reservation(hw_address=MAC, client_id="01:02:03", ip_address="192.168.1.10")),
        Row(
            "MAC address of 5 bytes",
            reservation(hw_address="1a:1b:1c:1d:1e", ip_address="192.168.1.10"),
            danger="the client never gets it",
        ),
        Row("MAC address with the letter O", reservation(hw_address="1a:1b:1c:1d:1e:O1", ip_address="192.168.1.10")),
        Row("MAC address with dots", reservation(hw_address="1a1b.1c1d.1e1f", ip_address="192.168.1.10")),
        Row("MAC address that YAML made a number", reservation(hw_address=58732493731, ip_address="192.168.1.10")),
        Row("address of IPv6", reservation(hw_address=MAC, ip_address="fd00::10")),
        Row("address with a mask", reservation(hw_address=MAC, ip_address="192.168.1.10/24")),
        Row("address by name", reservation(hw_address=MAC, ip_address="printer")),
        Row("key misspelt: ip", reservation(hw_address=MAC, ip="192.168.1.10")),
        Row("key misspelt: mac", reservation(mac=MAC, ip_address="192.168.1.10")),
        Row(
            "host name with a blank",
            reservation(hw_address=MAC, ip_address="192.168.1.10", hostname="my printer"),
            danger="a name that DNS does not take",
        ),
        Row(
            "host name with two dots",
            reservation(hw_address=MAC, ip_address="192.168.1.10", hostname="a..b"),
            danger="a name that DNS does not take",
        ),
        Row("host name is a number", reservation(hw_address=MAC, ip_address="192.168.1.10", hostname=7)),
        Row("a text for the list", subnet(reservations="1a:1b:1c:1d:1e:1f")),
    ],
    "Options": [
        Row("name misspelt: router", subnet(option_data={"router": "192.168.1.1"})),
        Row("address above 255", subnet(option_data={"routers": "192.168.1.256"})),
        Row(
            "address of IPv6",
            subnet(option_data={"routers": "fe80::1"}),
            danger="clients read four addresses out of it",
        ),
        Row("DNS server by name", option("domain-name-servers", ["1.1.1.1", "dns.example.org"])),
        Row("router outside the subnet", subnet(option_data={"routers": "10.0.0.1"}), danger="no way out for clients"),
        Row("MTU of 70000", option("interface-mtu", 70000)),
        Row("TTL of 256", option("default-ip-ttl", 256)),
        Row("a word for a switch", option("ip-forwarding", "yes")),
        Row(
            "text with a comma, in Kea's form",
            {"kea_option_data": [{"name": "tftp-server-name", "data": "http://a/?x=1,2"}]},
            danger="clients get what stands before the comma",
        ),
        Row(
            "two addresses where there is one",
            option("broadcast-address", ["192.168.1.255", "192.168.1.254"]),
            danger="clients get the first",
        ),
        Row("domain name with two dots", option("domain-search", ["example..org"])),
        Row("option 43 as text", option("vendor-encapsulated-options", "0104C0A80114")),
        Row("digits with colons for bytes", option("user-class", "0a:0b")),
        Row("code 0", {"kea_option_data": [{"code": 0, "data": "00", "csv-format": False}]}),
        Row("code 255", {"kea_option_data": [{"code": 255, "data": "00", "csv-format": False}]}),
        Row("code without a definition", {"kea_option_data": [{"code": 150, "data": "192.168.1.9"}]}),
        Row("code of another name", {"kea_option_data": [{"name": "routers", "code": 6, "data": "192.168.1.1"}]}),
        Row("neither name nor code", {"kea_option_data": [{"data": "192.168.1.1"}]}),
        Row("key misspelt: value", {"kea_option_data": [{"name": "routers", "value": "192.168.1.1"}]}),
        Row("bytes that are none", {"kea_option_data": [{"code": 250, "data": "xyz", "csv-format": False}]}),
        Row("empty", option("domain-name", "")),
        Row("definition of unknown type", extra(option_def=[{"name": "room", "code": 224, "type": "text"}])),
        Row("definition of an option that Kea has", extra(option_def=[{"name": "dns", "code": 6, "type": "string"}])),
    ],
    "High availability": [
        Row("two primaries", dhcp2={"kea_ha_role": "primary"}),
        Row("no primary", dhcp1={"kea_ha_role": "standby"}),
        Row("role slave", dhcp2={"kea_ha_role": "slave"}),
        Row("role secondary in hot standby", dhcp2={"kea_ha_role": "secondary"}),
        Row("role standby in load balancing", {"kea_ha_mode": "load-balancing"}),
        Row("no role", dhcp2={"kea_ha_role": MISSING}),
        Row("mode misspelt", {"kea_ha_mode": "hot_standby"}),
        Row("one name for both servers", dhcp2={"kea_server_name": "server1"}),
        Row("one address for both servers", dhcp2={"ansible_host": "192.168.1.2"}),
        Row("address of the partner by name", dhcp2={"kea_ha_address": "dhcp2.example.org"}),
        Row("address of the partner misspelt", dhcp2={"kea_ha_address": "192.168.1.33"}, live=True),
        Row("address of the loopback", {"kea_ha_address": "127.0.0.1"}, danger="the partner is never reached"),
        Row("any address", {"kea_ha_address": "0.0.0.0"}, danger="the partner is never reached"),
        Row("port 0", {"kea_ha_port": 0}, danger="the agent takes any port, and the partner finds none"),
        Row("port 70000", {"kea_ha_port": 70000}),
        Row("port in quotes", {"kea_ha_port": "8000 "}),
        Row("heartbeat of 10, seconds meant", {"kea_ha_heartbeat_delay": 10}, danger="a hundred heartbeats a second"),
        Row(
            "heartbeat longer than the partner's patience",
            {"kea_ha_heartbeat_delay": 60000, "kea_ha_max_response_delay": 5000},
            danger="the partner counts as lost at once",
        ),
        Row("heartbeat as text", {"kea_ha_heartbeat_delay": "10s"}),
        Row("heartbeat of 70000", {"kea_ha_heartbeat_delay": 70000, "kea_ha_max_response_delay": 65000}),
        Row("patience of 120000", {"kea_ha_max_response_delay": 120000}),
        Row("ack delay of 5, seconds meant", {"kea_ha_max_ack_delay": 5}, danger="every client counts as unserved"),
        Row("-1 unserved clients", {"kea_ha_max_unacked_clients": -1}),
        Row("five unserved clients, as a word", {"kea_ha_max_unacked_clients": "five"}),
        Row("sync timeout of 0", {"kea_ha_sync_timeout": 0}, danger="the leases are never copied"),
        Row(
            "more unserved clients than addresses",
            {**pools("192.168.1.100-192.168.1.102"), "kea_ha_max_unacked_clients": 50},
            danger="the standby never takes over",
        ),
        Row("ids of the subnet differ on the hosts", dhcp2=subnet(id=2), danger="the pair breaks at the tenth client"),
        Row(
            "pools differ on the hosts",
            dhcp2=pools("192.168.1.120-192.168.1.150"),
            danger="leases that one side refuses",
        ),
        Row(
            "lifetimes differ on the hosts", dhcp2={"kea_valid_lifetime": 50000}, danger="clients get one or the other"
        ),
        Row("modes differ on the hosts", dhcp2={"kea_ha_mode": "load-balancing", "kea_ha_role": "secondary"}),
        Row(
            "heartbeats differ on the hosts",
            dhcp2={"kea_ha_heartbeat_delay": 59000, "kea_ha_max_response_delay": 60000},
            danger="one side loses the other for no reason",
        ),
        Row("hook of HA loaded a second time", extra(hooks_libraries=[{"library": f"{HOOKS}/libdhcp_ha.so"}])),
        Row(
            "hook of leases loaded after HA",
            extra(hooks_libraries=[{"library": f"{HOOKS}/libdhcp_lease_cmds.so"}]),
            danger="loaded twice, in the wrong order",
        ),
        Row(
            "core threads off, with a listener",
            {**LISTENER, **extra(multi_threading={"enable-multi-threading": False})},
            danger="no listener at all, and no word of it",
        ),
        Row(
            "listener and API on one port",
            {**LISTENER, "kea_api_port": 8000},
            danger="the partner's words reach the wrong one",
        ),
        Row("listener without TLS", {**LISTENER, "kea_tls_enabled": False}, danger="anybody on the network stops DHCP"),
        Row("API without password", {"kea_api_auth": False}, danger="anybody on the network commands the servers"),
    ],
    "Timers and numbers": [
        Row("lifetime 0", {"kea_valid_lifetime": 0}, danger="leases that are over at once"),
        Row("lifetime 1h", {"kea_valid_lifetime": "1h"}),
        Row("lifetime in quotes", {"kea_valid_lifetime": "43200"}),
        Row("lifetime with a fraction", {"kea_valid_lifetime": 43200.5}),
        Row("lifetime below zero", {"kea_valid_lifetime": -1}, danger="Kea makes another number of it"),
        Row("lifetime beyond 32 bits", {"kea_valid_lifetime": 4294967296}, danger="Kea makes another number of it"),
        Row(
            "lifetime shorter than failure detection",
            {"kea_valid_lifetime": 60, "kea_renew_timer": 20, "kea_rebind_timer": 40},
            danger="leases end while the partner is waited for",
        ),
        Row("renewal after rebinding", {"kea_renew_timer": 40000}, danger="clients skip the renewal"),
        Row("rebinding after the end", {"kea_rebind_timer": 90000}, danger="clients are cut off"),
        Row("key misspelt in the clean-up", {"kea_expired_leases_processing": {"reclaim_timer": 60}}),
        Row("clean-up below zero", {"kea_expired_leases_processing": {"max_reclaim_time": -5}}),
        Row("threads below zero", {**LISTENER, "kea_multi_threading": {"thread_pool_size": -1}}),
        Row("threads as text", {**LISTENER, "kea_multi_threading": {"thread_pool_size": "4"}}),
    ],
    "Variables and certificates": [
        Row("variable misspelt", {"kea_ha_hartbeat_delay": 1000}, danger="the value is ignored"),
        Row("switch in quotes: no", {"kea_api_auth": "no"}, danger="a text that is not empty is true"),
        Row("password of five letters", {"kea_api_password": "admin"}, danger="anybody guesses it"),
        Row("user with a colon", {"kea_api_user": "a:b"}),
        Row("user with letters beyond Latin-1", {"kea_api_user": "\u6f22"}, danger="nobody can log in"),
        Row("certificate without its key", {**CERTIFICATES, "kea_tls_key_file": MISSING}),
        Row("certificates, but TLS off", {**CERTIFICATES, "kea_tls_enabled": False}, danger="all is in clear text"),
        Row("files that are not there", {**CERTIFICATES, "kea_tls_cert_file": "/etc/kea/nosuch.pem"}),
        Row("Kea 3.1, a development release", {"kea_version": "3.1.0"}, danger="no release for production"),
    ],
    "Interfaces": [
        Row("one that is not there", {"kea_interfaces": ["nope0"], **subnet(interface=MISSING)}, live=True),
        Row("missing on the standby only", dhcp2={"kea_interfaces": ["nope0"], **subnet(interface=MISSING)}, live=True),
        Row("none", {"kea_interfaces": []}, danger="serves nobody"),
        Row("twice", {"kea_interfaces": ["enp0s8", "enp0s8"]}),
        Row("one text for a list", {"kea_interfaces": "enp0s8"}),
        Row("a number", {"kea_interfaces": [0]}),
        Row("one text with two names", {"kea_interfaces": ["enp0s8 enp0s9"]}),
    ],
    "Further keys of Kea": [
        Row("key misspelt", extra(authorative=True)),
        Row("key of another Kea", extra(nosuch_key=1)),
        Row("switch in quotes", extra(authoritative="true")),
        Row("control socket in /tmp", extra(control_socket={"socket-type": "unix", "socket-name": "/tmp/kea4"})),
        Row(
            "log file elsewhere",
            extra(loggers=[{"name": "kea-dhcp4", "output_options": [{"output": "/var/log/other/kea.log"}]}]),
        ),
        Row("lease file elsewhere", extra(lease_database={"type": "memfile", "name": "/data/leases.csv"}), since="2.4"),
        Row(
            "lease file not kept",
            extra(lease_database={"type": "memfile", "persist": False}),
            danger="all leases are lost at a restart",
        ),
        Row("database that is not there", extra(lease_database={"type": "nosuchdb"})),
        Row("hook that is not there", extra(hooks_libraries=[{"library": "libdhcp_nosuch.so"}])),
        Row(
            "hook in another folder",
            extra(hooks_libraries=[{"library": "/opt/kea/libdhcp_stat_cmds.so"}]),
            since="2.4",
        ),
        Row("class that cannot be read", extra(client_classes=[{"name": "x", "test": "option[60].hex = 'a'"}])),
        Row("class without name", extra(client_classes=[{"test": "member('KNOWN')"}])),
        Row("subnets beside kea_subnets", extra(subnet4=[]), danger="the subnets of the inventory are gone"),
        Row("Dhcp4 within Dhcp4", extra(Dhcp4={"authoritative": True})),
        Row(
            "shared network with a subnet of kea_subnets",
            extra(shared_networks=[{"name": "x", "subnet4": [{"id": 9, "subnet": "192.168.1.0/24"}]}]),
        ),
        Row(
            "shared network with an id of kea_subnets",
            extra(shared_networks=[{"name": "x", "subnet4": [{"id": 1, "subnet": "10.9.0.0/24"}]}]),
        ),
        Row("shared network without name", extra(shared_networks=[{"subnet4": [{"id": 9, "subnet": "10.9.0.0/24"}]}])),
        Row("socket type that is none", extra(interfaces_config={"dhcp-socket-type": "tcp"})),
        Row("agent's key misspelt", {"kea_ctrl_agent_extra": {"http-hosts": "192.168.1.2"}}),
    ],
}
