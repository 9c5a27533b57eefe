# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What random inventories have shown, each once: mistakes that preflight let through to Kea."""

from __future__ import annotations

import pytest
from pairs import examine, subnet


def only_reservation(**entry):
    return subnet(reservations=[entry])


def extra(**keys):
    return {"kea_dhcp4_extra": {key.replace("_", "-"): value for key, value in keys.items()}}


def in_class(**body):
    return extra(client_classes=[{"name": "phones", **body}])


# name -> (variables of the group, id, variable, words of the text)
CASES = {
    "host name of a reservation without address": (
        only_reservation(hw_address="1a:1b:1c:1d:1e:1f", hostname="my printer"),
        "V04",
        "kea_subnets[0].reservations[0].hostname",
        ["my printer", "not a host name"],
    ),
    "identifier longer than Kea takes": (
        only_reservation(circuit_id="0a" * 129, hostname="a"),
        "V06",
        "kea_subnets[0].reservations[0].circuit_id",
        ["0a0a", "it has 129 bytes"],
    ),
    "identifier in quotes longer than Kea takes": (
        only_reservation(flex_id="'" + "x" * 129 + "'", hostname="a"),
        "V06",
        "kea_subnets[0].reservations[0].flex_id",
        ["xxxx", "not an identifier"],
    ),
    "reservation that gives nothing": (
        {**only_reservation(hw_address="1a:1b:1c:1d:1e:1f"), "kea_version": "2.2.0"},
        "V51",
        "kea_subnets[0].reservations[0]",
        ["1a:1b:1c:1d:1e:1f", "Kea 2.2 refuses"],
    ),
    "key of a reservation in a pool": (
        subnet(pools=[{"pool": "192.168.1.100-192.168.1.199", "ip_address": "192.168.1.100"}]),
        "V30",
        "kea_subnets[0].pools[0].ip_address",
        ["192.168.1.100", "Kea knows no such key here"],
    ),
    "key of a pool in a reservation": (
        only_reservation(hw_address="1a:1b:1c:1d:1e:1f", hostname="a", pool="192.168.1.100-192.168.1.199"),
        "V30",
        "kea_subnets[0].reservations[0].pool",
        ["192.168.1.100", "Kea knows no such key here"],
    ),
    "relay twice": (
        subnet(relay={"ip_addresses": ["10.0.0.1", "10.0.0.1"]}),
        "V04",
        "kea_subnets[0].relay",
        ["10.0.0.1", "listed twice"],
    ),
    "class without name": (
        extra(client_classes=[{"test": "member('ALL')"}]),
        "V30",
        "kea_dhcp4_extra.client-classes[0].name",
        ["Kea wants name here", "name: phones"],
    ),
    "class with an empty name": (in_class(name=""), "V30", "kea_dhcp4_extra.client-classes[0].name", ["wants name"]),
    "class twice": (
        extra(client_classes=[{"name": "phones"}, {"name": "phones"}]),
        "V50",
        "kea_dhcp4_extra.client-classes[1].name",
        ["phones", "defined before"],
    ),
    "class with one sign of equality": (
        in_class(test="option[60].hex = 'phone'"),
        "V50",
        "kea_dhcp4_extra.client-classes[0].test",
        ["option[60].hex = 'phone'", "at character 16", "equal is written =="],
    ),
    "class by a class that comes later": (
        extra(client_classes=[{"name": "a", "test": "member('b')"}, {"name": "b"}]),
        "V50",
        "kea_dhcp4_extra.client-classes[0].test",
        ["member('b')", "a class that is defined before"],
    ),
    "class with two tests": (
        in_class(test="member('ALL')", **{"template-test": "'a'"}),
        "V30",
        "kea_dhcp4_extra.client-classes[0].test",
        ["either this or template-test"],
    ),
    "no classes": ({**extra(client_classes=[])}, "V30", "kea_dhcp4_extra.client-classes", ["[]", "empty"]),
    "no identifiers": (
        extra(host_reservation_identifiers=[]),
        "V30",
        "kea_dhcp4_extra.host-reservation-identifiers",
        ["[]", "empty"],
    ),
    "identifier twice": (
        extra(host_reservation_identifiers=["duid", "duid"]),
        "V30",
        "kea_dhcp4_extra.host-reservation-identifiers",
        ["duid", "in it twice"],
    ),
    "identifier that is none": (
        extra(host_reservation_identifiers=["mac"]),
        "V30",
        "kea_dhcp4_extra.host-reservation-identifiers",
        ["mac", "hw-address"],
    ),
    "mode of reservations": (
        {**subnet(reservation_mode="some"), "kea_version": "2.2.0"},
        "V30",
        "kea_subnets[0].reservation_mode",
        ["some", "out-of-pool"],
    ),
    "lifetime above a bound of the subnet": (
        subnet(max_valid_lifetime=600),
        "V11",
        "kea_subnets[0].max_valid_lifetime",
        ["600", "at least valid-lifetime, which is 43200 here"],
    ),
    "lifetime of the subnet below a bound of all": (
        {**subnet(valid_lifetime=600), **extra(min_valid_lifetime=900)},
        "V11",
        "kea_subnets[0].valid_lifetime",
        ["600", "at least min-valid-lifetime, which is 900 here"],
    ),
    "letters that are no set": (
        subnet(hostname_char_set="{}"),
        "V30",
        "kea_subnets[0].hostname_char_set",
        ["{}", "[^A-Za-z0-9.-]"],
    ),
    "address that is null": (
        {"kea_ha_address": None, "ansible_host": "dhcp.example.org"},
        "P06",
        "kea_ha_address",
        ["no address is known"],
    ),
    "classes of an option": (
        {
            "kea_option_data": [{"name": "ntp-servers", "data": "192.168.1.1", "client-classes": [{}]}],
            "kea_version": "3.0.4",
        },
        "V07",
        "kea_option_data[0].client-classes",
        ["a list of names of classes"],
    ),
    "whole number for a part": (
        subnet(t2_percent=1),
        "V30",
        "kea_subnets[0].t2_percent",
        ["'1'", "a number with a fraction", "such as 0.5"],
    ),
    "part that is more than all": (
        subnet(cache_threshold=1.5),
        "V30",
        "kea_subnets[0].cache_threshold",
        ["1.5", "one between 0 and 1"],
    ),
    "renewal after rebinding, in parts": (
        subnet(calculate_tee_times=True, t1_percent=0.9),
        "V30",
        "kea_subnets[0].t1_percent",
        ["0.9", "rebind, at 0.875, before they renew"],
    ),
    "pool id of 0": (
        subnet(pools=[{"pool": "192.168.1.100-192.168.1.199", "pool_id": 0}]),
        "V30",
        "kea_subnets[0].pools[0].pool_id",
        ["'0'", "from 1 to 4294967295"],
    ),
    "clean-up in a number Kea does not take": (
        {"kea_expired_leases_processing": {"max_reclaim_time": 10001}},
        "V03",
        "kea_expired_leases_processing.max_reclaim_time",
        ["10001", "from 0 to 10000"],
    ),
    "empty map": (extra(sanity_checks={}), "V30", "kea_dhcp4_extra.sanity-checks", ["{}", "empty"]),
    "key within a map": (
        extra(sanity_checks={"lease-check": "fix"}),
        "V30",
        "kea_dhcp4_extra.sanity-checks.lease-check",
        ["fix", "Did you mean lease-checks?"],
    ),
    "word within a map": (
        extra(sanity_checks={"lease-checks": "delete"}),
        "V30",
        "kea_dhcp4_extra.sanity-checks.lease-checks",
        ["delete", "fix-del"],
    ),
    "DNS updates neither on nor off": (
        extra(dhcp_ddns={"server-ip": "127.0.0.1"}),
        "V30",
        "kea_dhcp4_extra.dhcp-ddns.enable-updates",
        ["Kea wants enable-updates here"],
    ),
    "key of a log file": (
        extra(loggers=[{"name": "kea-dhcp4.leases", "output-options": [{"output": "stdout", "max-size": 5}]}]),
        "V30",
        "kea_dhcp4_extra.loggers[0].output-options[0].max-size",
        ["5", "Did you mean maxsize?"],
    ),
    "two ways to name classes": (
        {**subnet(client_class="KNOWN", client_classes=["KNOWN"]), "kea_version": "3.0.4"},
        "V30",
        "kea_subnets[0].client_class",
        ["either this or client-classes"],
    ),
    "server name longer than its field": (
        subnet(server_hostname="a" * 64),
        "V30",
        "kea_subnets[0].server_hostname",
        ["aaaa", "longer than 63 bytes"],
    ),
    "boot file longer than its field": (
        only_reservation(hw_address="1a:1b:1c:1d:1e:1f", boot_file_name="\u00e4" * 64),
        "V30",
        "kea_subnets[0].reservations[0].boot_file_name",
        ["longer than 127 bytes"],
    ),
    "socket type in capitals": (
        extra(interfaces_config={"dhcp-socket-type": "RAW"}),
        "V30",
        "kea_dhcp4_extra.interfaces-config.dhcp-socket-type",
        ["RAW", "raw, udp"],
    ),
}


@pytest.mark.parametrize(("group", "check_id", "variable", "words"), CASES.values(), ids=CASES)
def test_is_found(group, check_id, variable, words):
    found = [item for item in examine(group) if item.id == check_id]
    assert {item.variable for item in found} == {variable}
    assert "dhcp1" in found[0].text()
    assert [word for word in words if word not in found[0].text()] == []
