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
    "a reason is missing": (
        {"kea_preflight_ignore": {"P25": ""}},
        "V03",
        BOTH,
        "kea_preflight_ignore.P25",
        ["the reason is missing", "{P31: "],
    ),
    "an id that is a number": ({"kea_preflight_ignore": [25]}, "V03", BOTH, "kea_preflight_ignore[0]", ["'25'", "P31"]),
    "accepted findings as a number": (
        {"kea_preflight_ignore": 25},
        "V03",
        BOTH,
        "kea_preflight_ignore",
        ["'25'", "P31"],
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
    # what YAML made of it
    "a name that is no": (
        {"dhcp1": {"kea_server_name": False}},
        "V03",
        "dhcp1",
        "kea_server_name",
        ["no, off and false"],
    ),
    "a name with a leading zero": (
        {"dhcp1": {"kea_server_name": 7}},
        "V03",
        "dhcp1",
        "kea_server_name",
        ["'7'", "number"],
    ),
    "a name in base 60": ({"dhcp1": {"kea_server_name": 40953}}, "V03", "dhcp1", "kea_server_name", ["11:22:33"]),
    "an octal mode as a user": (
        {"kea_api_user": 420},
        "V03",
        BOTH,
        "kea_api_user",
        ["'420'", "0644 is the same to it"],
    ),
    "an address with a fraction": (
        {"dhcp2": {"kea_ha_address": 192.168}},
        "V03",
        "dhcp2",
        "kea_ha_address",
        ["one dot"],
    ),
    "a port with a fraction": (
        {"kea_ha_port": 8000.0},
        "V03",
        BOTH,
        "kea_ha_port",
        ["8000.0", "a number with a fraction"],
    ),
    "nothing after the colon": ({"kea_ha_mode": None}, "V03", BOTH, "kea_ha_mode", ["is empty"]),
    "an interface that is a number": (
        {"kea_interfaces": [True]},
        "V03",
        BOTH,
        "kea_interfaces[0]",
        ["yes, on and true"],
    ),
    # what nobody sees
    "a name with a blank": (
        {"dhcp1": {"kea_server_name": "server1 "}},
        "V31",
        "dhcp1",
        "kea_server_name",
        ["blank", "'server1'"],
    ),
    "a name with a no-break space": (
        {"dhcp1": {"kea_server_name": "server\u00a01"}},
        "V31",
        "dhcp1",
        "kea_server_name",
        ["no-break space (U+00A0) after 'server'", "Write 'server1'"],
    ),
    "a name in quotes of a word processor": (
        {"dhcp1": {"kea_server_name": "\u201cserver1\u201d"}},
        "V31",
        "dhcp1",
        "kea_server_name",
        ["U+201C"],
    ),
    "an interface with a zero-width space": (
        {"kea_interfaces": ["enp0s8\u200b"]},
        "V03",
        BOTH,
        "kea_interfaces[0]",
        ["zero width space (U+200B) after 'enp0s8'"],
    ),
    "an option with a zero-width space": (
        {"kea_option_data": {"domain-name": "example.org\u200b"}},
        "V07",
        BOTH,
        "kea_option_data.domain-name",
        ["zero width space (U+200B)"],
    ),
    "an extra key with a no-break space": (
        {"kea_dhcp4_extra": {"client-classes": [{"name": "phones\u00a0", "test": "member('ALL')"}]}},
        "V31",
        BOTH,
        "kea_dhcp4_extra.client-classes[0].name",
        ["no-break space", "Write 'phones'"],
    ),
    "a mode with a blank": ({"kea_ha_mode": "hot-standby "}, "V04", BOTH, "kea_ha_mode", ["a blank", "hot-standby?"]),
    # interfaces
    "interfaces in one text": (
        {"kea_interfaces": ["eth0,eth1"]},
        "V03",
        BOTH,
        "kea_interfaces[0]",
        ["eth0,eth1", "second"],
    ),
    "an alias": ({"kea_interfaces": ["eth0:1"]}, "V03", BOTH, "kea_interfaces[0]", ["eth0:1", "eth0/192.168.1.2"]),
    "a prefix length": ({"kea_interfaces": ["eth0/24"]}, "V03", BOTH, "kea_interfaces[0]", ["eth0/24", "one address"]),
    "a very long name": (
        {"kea_interfaces": ["enx001122334455667"]},
        "V03",
        BOTH,
        "kea_interfaces[0]",
        ["15 characters"],
    ),
    "own keys with _": (
        {"kea_dhcp4_extra": {"multi_threading": {}}},
        "V08",
        BOTH,
        "kea_dhcp4_extra.multi_threading",
        ["kea_multi_threading"],
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_finds(name):
    expect_error(*ERRORS[name])


def test_an_unreadable_list_of_accepted_findings_is_no_crash():
    assert [item.id for item in examine({"kea_preflight_ignore": [["P22"]]})] == ["V03"]


def test_letters_of_any_language_are_fine():
    group = {"kea_option_data": {"domain-name": "straße.example"}, "kea_ctrl_agent_extra": {"comment": "機架"}}
    assert examine(group) == []


def test_what_nobody_sees_in_a_secret_is_found_and_the_secret_not_shown():
    database = {"type": "mysql", "password": "hid\u00a0den"}
    found = [item for item in examine({"kea_dhcp4_extra": {"lease-database": database}}) if item.id == "V31"]
    assert [item.variable for item in found] == ["kea_dhcp4_extra.lease-database.password"]
    assert "a character that nobody sees" in found[0].text()
    assert "hid" not in found[0].text()


RESERVED = {"hw_address": "1a:1b:1c:1d:1e:1f", "ip_address": "192.168.1.10"}
# Where a date stands: (id, variable, how it gets there, what is said of it). Ansible hands a date over as a text.
DATES = {
    "a number": (
        "V03",
        "kea_valid_lifetime",
        lambda date: {"kea_valid_lifetime": date},
        ["must be a whole number, but is a date", "Write for example kea_valid_lifetime: 43200"],
    ),
    "a truth value": (
        "V03",
        "kea_tls_enabled",
        lambda date: {"kea_tls_enabled": date},
        ["must be true or false, but is a date", "Write for example kea_tls_enabled: "],
    ),
    "a network": ("V04", "kea_subnets[0].subnet", lambda date: subnet(subnet=date), ["not an IPv4 network", "Write"]),
    "a pool": ("P23", "kea_subnets[0].pools[0]", lambda date: subnet(pools=[date]), ["not a range of IPv4", "Write"]),
    "an address": (
        "P24",
        "kea_subnets[0].reservations[0].ip_address",
        lambda date: subnet(reservations=[{**RESERVED, "ip_address": date}]),
        ["not an IPv4 address", "Write for example 192.168.1.10"],
    ),
}


@pytest.mark.parametrize("date", ["2026-01-02", "2026-01-02T12:30:45"])
@pytest.mark.parametrize("name", DATES)
def test_a_date_is_called_one(name, date):
    check_id, variable, change, texts = DATES[name]
    (found,) = [item for item in examine(change(date)) if item.id == check_id]
    assert (found.severity, found.host, found.variable, found.value) == ("error", BOTH, variable, date)
    for text in texts:
        assert text in found.text()
    assert "IPv6" not in found.text()
    assert "without quotes" not in found.text()


@pytest.mark.parametrize("number", [45045, 3600, 8])
def test_a_password_that_yaml_made_a_number_is_not_told(number):
    (found,) = [item for item in examine({"kea_api_password": number}) if item.id == "V03"]
    assert (found.variable, found.value) == ("kea_api_password", "")
    assert found.message == "the value must be text, but is a whole number"


def test_expressions_and_comments_may_have_lines_and_blanks():
    classes = [
        {
            "name": "a",
            "test": "member('ALL')\n  and not member('KNOWN') \n",
            "comment": " x ",
            "user-context": {"y": "\t"},
        }
    ]
    assert examine({"kea_dhcp4_extra": {"client-classes": classes}}) == []
