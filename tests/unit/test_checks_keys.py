# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of Kea's that users write themselves."""

from __future__ import annotations

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _keys
from ansible_collections.keaops.kea.plugins.module_utils._dialect import SERIES
from mistakes import BOTH, expect_error, expect_silence, expect_warning
from pairs import build, examine, subnet

RESERVATION = {"hw_address": "1a:1b:1c:1d:1e:1f", "ip_address": "192.168.1.10"}


def extra(**keys):
    """Return further keys, written with _ for -, as a variable of the group."""
    return {"kea_dhcp4_extra": {key.replace("_", "-"): value for key, value in keys.items()}}


def hooks(*names, **more):
    return extra(hooks_libraries=[{"library": name} for name in names], **more)


NETWORK = {"name": "floor1", "subnet4": [{"id": 9, "subnet": "10.0.9.0/24", "pools": ["10.0.9.10-10.0.9.20"]}]}
SECOND = {"id": 8, "subnet": "10.0.8.0/24", "pools": ["10.0.8.10-10.0.8.20"]}

# What is wrong: (changes, id, host, start of the variable's path, text that must be in it)
ERRORS = {
    "an unknown key": (
        extra(decline_probation_perod=3600),
        "V30",
        BOTH,
        "kea_dhcp4_extra.decline-probation-perod",
        ["3600", "Did you mean decline-probation-period?"],
    ),
    "a key with _": (
        {"kea_dhcp4_extra": {"server_hostname": "x"}},
        "V30",
        BOTH,
        "kea_dhcp4_extra.server_hostname",
        ["'x'", "Did you mean server-hostname?"],
    ),
    "a key of another place": (
        subnet(decline_probation_period=3600),
        "V30",
        BOTH,
        "kea_subnets[0].decline_probation_period",
        ["3600", "It belongs into Dhcp4"],
    ),
    "a key of the agent": (
        {"kea_ctrl_agent_extra": {"comments": "rack 4"}},
        "V30",
        BOTH,
        "kea_ctrl_agent_extra.comments",
        ["rack 4", "Did you mean comment?"],
    ),
    "a key of a newer Kea": (
        {"kea_version": "2.2.0", **subnet(allocator="random")},
        "V30",
        BOTH,
        "kea_subnets[0].allocator",
        ["random", "Kea 2.2 knows no such key here; it came with 2.4"],
    ),
    "a key of an older Kea": (
        {"kea_version": "2.6.3", **subnet(reservation_mode="all")},
        "V30",
        BOTH,
        "kea_subnets[0].reservation_mode",
        ["all", "it went after 2.4"],
    ),
    "a key that one of the hosts is too old for": (
        {
            "group": {**subnet(allocator="random"), "kea_preflight_ignore": {"P29": "an upgrade"}},
            "dhcp1": {"kea_version": "2.2.0"},
            "dhcp2": {"kea_version": "2.6.3"},
        },
        "V30",
        BOTH,
        "kea_subnets[0].allocator",
        ["Kea 2.2"],
    ),
    "a typo in a pool": (
        subnet(pools=[{"pool": "192.168.1.100-192.168.1.199", "client_clas": "phones"}]),
        "V30",
        BOTH,
        "kea_subnets[0].pools[0].client_clas",
        ["phones", "Did you mean client-class?"],
    ),
    "a typo in a reservation": (
        subnet(reservations=[{**RESERVATION, "next_servr": "192.168.1.5"}]),
        "V30",
        BOTH,
        "kea_subnets[0].reservations[0].next_servr",
        ["192.168.1.5", "Did you mean next-server?"],
    ),
    "a typo in a shared network": (
        extra(shared_networks=[{**NETWORK, "subnet4": [*NETWORK["subnet4"], SECOND], "nam": "x"}]),
        "V30",
        BOTH,
        "kea_dhcp4_extra.shared-networks[0].nam",
        ["'x'", "Remove it"],
    ),
    "a typo in a class": (
        extra(client_classes=[{"name": "phones", "tst": "member('ALL')"}]),
        "V30",
        BOTH,
        "kea_dhcp4_extra.client-classes[0].tst",
        ["member('ALL')", "Did you mean test?"],
    ),
    "a name where an address belongs": (
        subnet(next_server="pxe.example"),
        "V30",
        BOTH,
        "kea_subnets[0].next_server",
        ["pxe.example", "an IPv4 address", "192.168.1.5"],
    ),
    "a truth value in quotes": (
        subnet(match_client_id="no"),
        "V30",
        BOTH,
        "kea_subnets[0].match_client_id",
        ["'no'", "true or false", "without quotes"],
    ),
    "a number in quotes": (
        extra(decline_probation_period="3600"),
        "V30",
        BOTH,
        "kea_dhcp4_extra.decline-probation-period",
        ["3600", "a whole number"],
    ),
    "one class where a list belongs": (
        subnet(require_client_classes="phones"),
        "V30",
        BOTH,
        "kea_subnets[0].require_client_classes",
        ["phones", "a list of texts"],
    ),
    "an unknown allocator": (
        subnet(allocator="randm"),
        "V30",
        BOTH,
        "kea_subnets[0].allocator",
        ["randm", "iterative, random, flq", "Did you mean random?"],
    ),
    "an option in a class": (
        extra(client_classes=[{"name": "pxe", "option-data": [{"name": "routers", "data": "router.example"}]}]),
        "V34",
        BOTH,
        "kea_dhcp4_extra.client-classes[0].option-data[0].data",
        ["router.example", "must be an IPv4 address"],
    ),
    "an option of a newer Kea": (
        {"kea_version": "2.4.1", **subnet(option_data={"classless-static-route": "10.0.0.0/8 - 192.168.1.1"})},
        "V07",
        BOTH,
        "kea_subnets[0].option_data.classless-static-route",
        ["classless-static-route", "Kea 2.4 knows no option of this name, it came with 2.6"],
    ),
    "a hook of no known name": (
        hooks("libdhcp_stat_cmd.so"),
        "V35",
        BOTH,
        "kea_dhcp4_extra.hooks-libraries[0].library",
        ["libdhcp_stat_cmd.so", "Did you mean libdhcp_stat_cmds.so?"],
    ),
    "a hook twice": (
        hooks("libdhcp_stat_cmds.so", "libdhcp_stat_cmds.so"),
        "V35",
        BOTH,
        "kea_dhcp4_extra.hooks-libraries[1].library",
        ["libdhcp_stat_cmds.so", "kea_dhcp4_extra.hooks-libraries[0]"],
    ),
    "a hook elsewhere": (
        hooks("/opt/kea/libdhcp_stat_cmds.so"),
        "P37",
        BOTH,
        "kea_dhcp4_extra.hooks-libraries[0].library",
        ["/opt/kea/libdhcp_stat_cmds.so", "/usr/lib/x86_64-linux-gnu/kea/hooks", "Write libdhcp_stat_cmds.so alone"],
    ),
    "leases elsewhere": (
        extra(lease_database={"type": "memfile", "name": "/data/leases.csv"}),
        "P37",
        BOTH,
        "kea_dhcp4_extra.lease-database.name",
        ["/data/leases.csv", "/var/lib/kea", "Write leases.csv alone"],
    ),
    "a log elsewhere": (
        extra(loggers=[{"name": "kea-dhcp4.leases", "output-options": [{"output": "/var/log/other/kea.log"}]}]),
        "P37",
        BOTH,
        "kea_dhcp4_extra.loggers[0].output-options[0].output",
        ["/var/log/other/kea.log", "only files in /var/log/kea"],
    ),
    "leases in memory": (
        extra(lease_database={"type": "memfile", "persist": False}),
        "V36",
        BOTH,
        "kea_dhcp4_extra.lease-database.persist",
        ["false", "forgotten all leases"],
    ),
    "two shared networks of one name": (
        extra(
            shared_networks=[
                {**NETWORK, "subnet4": [*NETWORK["subnet4"], SECOND]},
                {
                    "name": "floor1",
                    "subnet4": [
                        {**SECOND, "id": n, "subnet": f"10.1.{n}.0/24", "pools": [f"10.1.{n}.9/32"]} for n in (5, 6)
                    ],
                },
            ]
        ),
        "P31",
        BOTH,
        "kea_dhcp4_extra.shared-networks[1].name",
        ["floor1", "kea_dhcp4_extra.shared-networks[0]"],
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_finds(name):
    expect_error(*ERRORS[name])


# What is doubtful: (changes, id, host, variable, text that must be in it)
WARNINGS = {
    "a database nobody manages": (
        extra(hosts_database={"type": "mysql", "name": "kea"}),
        "P30",
        BOTH,
        "kea_dhcp4_extra.hosts-database",
        ["libdhcp_host_cmds.so"],
    ),
    "two managers of subnets": (
        hooks("libdhcp_subnet_cmds.so", config_control={"config-databases": []}),
        "P33",
        BOTH,
        "kea_dhcp4_extra.hooks-libraries[0].library",
        ["libdhcp_subnet_cmds.so", "config-control"],
    ),
    "leases that are never cleaned up": (
        extra(lease_database={"type": "memfile", "lfc-interval": 0}),
        "V36",
        BOTH,
        "kea_dhcp4_extra.lease-database.lfc-interval",
        ["'0'", "disk is full"],
    ),
    "a database of leases": (
        extra(lease_database={"type": "mysql", "name": "kea"}),
        "V36",
        BOTH,
        "kea_dhcp4_extra.lease-database.type",
        ["mysql", "keeps a file"],
    ),
    "DNS updates": (
        extra(dhcp_ddns={"enable-updates": True}),
        "V37",
        BOTH,
        "kea_dhcp4_extra.dhcp-ddns.enable-updates",
        ["true", "kea-dhcp-ddns"],
    ),
    "a server that may be deaf": (
        extra(interfaces_config={"service-sockets-require-all": False}),
        "P46",
        BOTH,
        "kea_dhcp4_extra.interfaces-config.service-sockets-require-all",
        ["false", "enp0s8"],
    ),
    "a server that does not wait": (
        extra(interfaces_config={"service-sockets-max-retries": 0}),
        "P46",
        BOTH,
        "kea_dhcp4_extra.interfaces-config.service-sockets-max-retries",
        ["'0'", "late after a boot"],
    ),
    "a socket that hears relays only": (
        extra(interfaces_config={"dhcp-socket-type": "udp"}),
        "P46",
        BOTH,
        "kea_dhcp4_extra.interfaces-config.dhcp-socket-type",
        ["udp", "192.168.1.0/24 has no relay"],
    ),
    "a shared network of one": (
        extra(shared_networks=[NETWORK]),
        "P31",
        BOTH,
        "kea_dhcp4_extra.shared-networks[0].name",
        ["floor1", "one subnet only", "kea_subnets"],
    ),
    "a shared network of none": (
        extra(shared_networks=[{"name": "floor1"}]),
        "P31",
        BOTH,
        "kea_dhcp4_extra.shared-networks[0].name",
        ["floor1", "no subnet"],
    ),
    "a class nobody is in": (
        {
            **subnet(pools=[{"pool": "192.168.1.100-192.168.1.199", "client_class": "phone"}]),
            **extra(client_classes=[{"name": "phones", "test": "member('ALL')"}]),
        },
        "V38",
        BOTH,
        "kea_subnets[0].pools[0].client_class",
        ["'phone'", "Did you mean phones?"],
    ),
    "a class of a subnet": (
        subnet(client_class="phones"),
        "V38",
        BOTH,
        "kea_subnets[0].client_class",
        ["phones", "Define it"],
    ),
    "reservations by flex-id": (
        subnet(reservations=[{"flex_id": "'port-7'", "ip_address": "192.168.1.10"}]),
        "V39",
        BOTH,
        "kea_subnets[0].reservations[0].flex_id",
        ["host-reservation-identifiers"],
    ),
    "reservations of no subnet": (
        extra(reservations=[{"hw-address": "1a:1b:1c:1d:1e:2f", "hostname": "x"}]),
        "V39",
        BOTH,
        "kea_dhcp4_extra.reservations",
        ["reservations-global: true"],
    ),
    "reservations switched off": (
        extra(reservations_in_subnet=False),
        "V39",
        BOTH,
        "kea_dhcp4_extra.reservations-in-subnet",
        ["false", "have no effect"],
    ),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_warns(name):
    expect_warning(*WARNINGS[name])


def test_many_reservations_outside_the_pools_are_worth_a_word():
    entries = [{"hw_address": f"1a:1b:1c:1d:1e:{n:02x}", "ip_address": f"192.168.1.{n}"} for n in range(200, 250)]
    entries += [{"hw_address": f"1a:1b:1c:1d:1f:{n:02x}", "ip_address": f"192.168.1.{n}"} for n in range(10, 60)]
    body = subnet(reservations=entries)
    texts = ["192.168.1.0/24", "all 100 reservations of 1 subnets", "reservations-out-of-pool: true"]
    expect_warning(body, "P32", BOTH, "kea_subnets[0]", texts, "info")
    for quiet in (
        subnet(reservations=entries[1:]),
        subnet(reservations=entries, reservations_out_of_pool=True),
        {**body, **extra(reservations_out_of_pool=True)},
        subnet(reservations=[*entries, {"hw_address": "1a:1b:1c:1d:2f:00", "ip_address": "192.168.1.150"}]),
    ):
        assert examine(quiet) == []


# What is right: (changes, the check that has nothing to say)
SILENT = {
    "keys of many places": (
        {
            **subnet(
                valid_lifetime=3600,
                authoritative=True,
                next_server="192.168.1.5",
                cache_threshold=0.25,
                user_context={"any_thing": 1},
                pools=[{"pool": "192.168.1.100-192.168.1.199", "user-context": {"x": 1}}],
                reservations=[{**RESERVATION, "boot_file_name": "x", "client_classes": ["phones"]}],
            ),
            **extra(
                decline_probation_period=3600,
                sanity_checks={"lease-checks": "fix-del"},
                client_classes=[{"name": "phones", "test": "member('ALL')", "next-server": "192.168.1.5"}],
                hooks_libraries=[{"library": "libdhcp_run_script.so", "parameters": {"name": "/x", "sync": False}}],
                loggers=[{"name": "kea-dhcp4.leases", "severity": "debug", "debuglevel": 50}],
                option_def=[{"name": "room", "code": 224, "type": "string"}],
            ),
        },
        "V30",
    ),
    "the newest keys": ({"kea_version": "3.2.0", **subnet(adaptive_lease_time_threshold=0.5, allocator="flq")}, "V30"),
    "a newer option": (
        {"kea_version": "2.6.3", **subnet(option_data={"classless-static-route": "10.0.0.0/8 - 192.168.1.1"})},
        "V07",
    ),
    "two hooks": (hooks("libdhcp_stat_cmds.so", "libdhcp_flex_option.so"), "V35"),
    "a hook in its folder": (hooks("/usr/lib/x86_64-linux-gnu/kea/hooks/libdhcp_stat_cmds.so"), "P37"),
    "a hook in a folder of one's own": (
        {**hooks("/opt/kea/libdhcp_stat_cmds.so"), "kea_hooks_dir": "/opt/kea/"},
        "P37",
    ),
    "an old Kea takes any path": ({**hooks("/opt/kea/libdhcp_stat_cmds.so"), "kea_version": "2.2.0"}, "P37"),
    "leases in their folder": (extra(lease_database={"type": "memfile", "name": "/var/lib/kea/x.csv"}), "P37"),
    "a log that is no file": (
        extra(loggers=[{"name": "kea-dhcp4.x", "output-options": [{"output": "syslog:kea"}, {"output": "stdout"}]}]),
        "P37",
    ),
    "a managed database": (hooks("libdhcp_host_cmds.so", hosts_database={"type": "mysql"}), "P30"),
    "one manager of subnets": (hooks("libdhcp_subnet_cmds.so"), "P33"),
    "a file of leases": (extra(lease_database={"type": "memfile", "lfc-interval": 1800}), "V36"),
    "no DNS updates": (extra(dhcp_ddns={"enable-updates": False}), "V37"),
    "a patient server": (extra(interfaces_config={"service-sockets-max-retries": 20}), "P46"),
    "a socket for relays": (
        {**extra(interfaces_config={"dhcp-socket-type": "udp"}), **subnet(relay="192.168.1.1")},
        "P46",
    ),
    "a shared network of two": (extra(shared_networks=[{**NETWORK, "subnet4": [*NETWORK["subnet4"], SECOND]}]), "P31"),
    "a class of Kea's own": (subnet(client_class="KNOWN"), "V38"),
    "a class of a vendor": (subnet(client_class="VENDOR_CLASS_docsis3.0"), "V38"),
    "a class that a reservation gives": (
        subnet(
            pools=[{"pool": "192.168.1.100-192.168.1.199", "client_class": "vip"}],
            reservations=[{**RESERVATION, "client_classes": ["vip"]}],
        ),
        "V38",
    ),
    "flex-id looked for": (
        {
            **subnet(reservations=[{"flex_id": "'port-7'", "ip_address": "192.168.1.10"}]),
            **extra(host_reservation_identifiers=["flex-id"]),
        },
        "V39",
    ),
    "reservations of no subnet, looked for": (
        extra(reservations=[{"hw-address": "1a:1b:1c:1d:1e:2f", "hostname": "x"}], reservations_global=True),
        "V39",
    ),
}


@pytest.mark.parametrize("name", SILENT)
def test_is_silent(name):
    expect_silence(*SILENT[name])


def test_a_password_of_a_database_is_not_shown():
    found = examine(extra(lease_database={"type": "mysql", "password": ["hidden"]}))
    assert "kea_dhcp4_extra.lease-database.password" in [item.variable for item in found]
    assert all("hidden" not in item.text() for item in found)


def test_shared_networks_are_written_as_kea_reads_them():
    from ansible_collections.keaops.kea.plugins.module_utils._plan import host_plan

    network = {
        "name": "floor1",
        "relay": "10.0.8.1",
        "valid_lifetime": 3600,
        "option_data": {"ntp-servers": "10.0.8.1"},
        "subnet4": [{**SECOND, "reservations": [{"hw_address": "1A-1B-1C-1D-1E-2F", "ip_address": "10.0.8.5"}]}],
    }
    pair, _known = build(extra(shared_networks=[network], reservations=[{"duid": "010203", "hostname": "x"}]))
    config = host_plan(pair, "dhcp1")["daemons"]["dhcp4"]["content"]["Dhcp4"]
    assert config["shared-networks"] == [
        {
            "name": "floor1",
            "relay": {"ip-addresses": ["10.0.8.1"]},
            "option-data": [{"name": "ntp-servers", "data": "10.0.8.1"}],
            "valid-lifetime": 3600,
            "subnet4": [
                {
                    "id": 8,
                    "subnet": "10.0.8.0/24",
                    "pools": [{"pool": "10.0.8.10-10.0.8.20"}],
                    "reservations": [{"hw-address": "1a:1b:1c:1d:1e:2f", "ip-address": "10.0.8.5"}],
                }
            ],
        }
    ]
    assert config["reservations"] == [{"duid": "01:02:03", "hostname": "x"}]
    assert len(config["subnet4"]) == 1


def test_every_key_has_a_type_and_a_known_series():
    for scope, keys in _keys.KEYS.items():
        for key, known in keys.items():
            assert key in _keys.TYPE_OF or key == "client-classes", (scope, key)
            assert {known.since, known.until} <= {"", *SERIES}, (scope, key)
