# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subnets, pools, reservations and options."""

from __future__ import annotations

import pytest
from mistakes import BOTH, expect_error, expect_silence, expect_warning
from pairs import MISSING, SUBNET, examine, subnet


def reservation(**entry):
    return subnet(reservations=[entry])


def mac(value):
    return reservation(hw_address=value, ip_address="192.168.1.10")


def shared(**changes):
    """Return a pair whose second and third subnet share a network."""
    network = {
        "name": "floor1",
        "relay": {"ip-addresses": ["10.0.1.1"]},
        "subnet4": [
            {
                "id": 11,
                "subnet": "10.0.1.0/24",
                "pools": ["10.0.1.10-10.0.1.99"],
                "option_data": {"routers": "10.0.1.1"},
            },
            {"id": 12, "subnet": "10.0.2.0/24", "pools": ["10.0.2.10-10.0.2.99"]},
        ],
        **changes,
    }
    return {"kea_dhcp4_extra": {"shared-networks": [network]}}


# What is wrong: (changes, id, host, start of the variable's path, text that must be in it)
ERRORS = {
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
    # shared networks
    "overlap with a shared network": (
        shared(
            subnet4=[
                {"id": 11, "subnet": "192.168.1.128/25", "pools": ["192.168.1.210-192.168.1.220"]},
                {"id": 12, "subnet": "10.0.2.0/24", "pools": ["10.0.2.10-10.0.2.99"]},
            ]
        ),
        "P19",
        BOTH,
        "kea_dhcp4_extra.shared-networks[0].subnet4[0].subnet",
        ["192.168.1.128/25", "192.168.1.0/24 (id 1, kea_subnets[0])"],
    ),
    "id twice in a shared network": (
        shared(
            subnet4=[
                {"id": 1, "subnet": "10.0.1.0/24", "pools": ["10.0.1.10-10.0.1.99"]},
                {"id": 12, "subnet": "10.0.2.0/24", "pools": ["10.0.2.10-10.0.2.99"]},
            ]
        ),
        "P20",
        BOTH,
        "kea_dhcp4_extra.shared-networks[0].subnet4[0].id",
        ["192.168.1.0/24 and 10.0.1.0/24"],
    ),
    "pool outside in a shared network": (
        shared(
            subnet4=[
                {"id": 11, "subnet": "10.0.1.0/24", "pools": ["10.0.3.10-10.0.3.99"]},
                {"id": 12, "subnet": "10.0.2.0/24", "pools": ["10.0.2.10-10.0.2.99"]},
            ]
        ),
        "P23",
        BOTH,
        "kea_dhcp4_extra.shared-networks[0].subnet4[0].pools[0]",
        ["10.0.3.10-10.0.3.99", "10.0.1.0/24"],
    ),
    "shared networks are text": (
        {"kea_dhcp4_extra": {"shared-networks": "floor1"}},
        "V03",
        BOTH,
        "kea_dhcp4_extra.shared-networks",
        ["floor1", "a list"],
    ),
    "a shared network without a name": (
        shared(name=None),
        "V03",
        BOTH,
        "kea_dhcp4_extra.shared-networks[0]",
        ["a mapping with a name", "floor1"],
    ),
    "shared networks differ": (
        {"group": shared(), "dhcp2": shared(relay={"ip-addresses": ["10.0.1.2"]})},
        "P21",
        BOTH,
        "kea_dhcp4_extra.shared-networks[0].relay",
        ["10.0.1.1", "10.0.1.2"],
    ),
    "a subnet of a shared network differs": (
        {"group": shared(), "dhcp2": shared(subnet4=[{"id": 11, "subnet": "10.0.1.0/24", "pools": ["10.0.1.10/32"]}])},
        "P21",
        BOTH,
        "kea_dhcp4_extra.shared-networks",
        ["floor1: 10.0.1.0/24, 10.0.2.0/24"],
    ),
    # places
    "a subnet of the loopback": (
        subnet(subnet="127.0.1.0/24", pools=["127.0.1.10-127.0.1.20"], reservations=[], option_data={}),
        "V46",
        BOTH,
        "kea_subnets[0].subnet",
        ["127.0.1.0/24", "loopback", "192.168.1.0/24"],
    ),
    "a subnet of multicast": (
        subnet(subnet="224.0.1.0/24", pools=["224.0.1.10-224.0.1.20"], reservations=[], option_data={}),
        "V46",
        BOTH,
        "kea_subnets[0].subnet",
        ["224.0.1.0/24", "multicast"],
    ),
    "pool with relay": (
        subnet(relay="192.168.1.120"),
        "P23",
        BOTH,
        "kea_subnets[0].pools[0]",
        ["192.168.1.120", "the relay"],
    ),
    # what was meant
    "a netmask": (
        subnet(subnet="192.168.1.0/255.255.255.0"),
        "V04",
        BOTH,
        "kea_subnets[0].subnet",
        ["Write 192.168.1.0/24"],
    ),
    "zeros before numbers": (
        subnet(subnet="192.168.001.0/24"),
        "V04",
        BOTH,
        "kea_subnets[0].subnet",
        ["192.168.1.0/24"],
    ),
    "half a range": (
        subnet(pools=["192.168.1.100-199"]),
        "P23",
        BOTH,
        "kea_subnets[0].pools[0]",
        ["192.168.1.100-199", "Write 192.168.1.100-192.168.1.199"],
    ),
    "a range of a word processor": (
        subnet(pools=["192.168.1.100 – 192.168.1.199"]),
        "P23",
        BOTH,
        "kea_subnets[0].pools[0]",
        ["en dash (U+2013)", "where - is meant", "Write 192.168.1.100-192.168.1.199"],
    ),
    "a range in words": (
        subnet(pools=["192.168.1.100 to 192.168.1.199"]),
        "P23",
        BOTH,
        "kea_subnets[0].pools[0]",
        ["Write 192.168.1.100-192.168.1.199"],
    ),
    "an address nobody sees": (
        reservation(hw_address="1a:1b:1c:1d:1e:1f", ip_address="192.168.1.10\u200b"),
        "P24",
        BOTH,
        "kea_subnets[0].reservations[0].ip_address",
        ["zero width space (U+200B) after '192.168.1.10'", "nobody sees", "Write 192.168.1.10"],
    ),
    "a relay with a no-break space": (
        subnet(relay="192.168.1.1\u00a0"),
        "V04",
        BOTH,
        "kea_subnets[0].relay",
        ["no-break space (U+00A0)", "[192.168.1.1]"],
    ),
    "an address with a fraction": (
        subnet(subnet=192.168),
        "V04",
        BOTH,
        "kea_subnets[0].subnet",
        ["192.168", "one dot"],
    ),
    "an octal interface": (subnet(interface=8), "V03", BOTH, "kea_subnets[0].interface", ["010 is the same to it"]),
    "an address that is a number": (
        reservation(hw_address="1a:1b:1c:1d:1e:1f", ip_address=3232235786),
        "P24",
        BOTH,
        "kea_subnets[0].reservations[0].ip_address",
        ["YAML read a number without quotes"],
    ),
    "a host name that is no": (
        reservation(hw_address="1a:1b:1c:1d:1e:1f", ip_address="192.168.1.10", hostname=False),
        "V04",
        BOTH,
        "kea_subnets[0].reservations[0].hostname",
        ["no, off and false without quotes"],
    ),
    "a dash too many": (
        subnet(reservations=[{"hw_address": "1a:1b:1c:1d:1e:1f"}, {"ip_address": "192.168.1.10"}]),
        "V06",
        BOTH,
        "kea_subnets[0].reservations[1]",
        ["192.168.1.10", "a dash too many before ip_address"],
    ),
    "MAC true": (mac(True), "V06", BOTH, "kea_subnets[0].reservations[0].hw_address", ["yes, on and true"]),
    # reservations of no subnet
    "a client twice, of no subnet": (
        {
            "kea_dhcp4_extra": {
                "reservations-global": True,
                "reservations": [{"hw-address": "1a:1b:1c:1d:1e:2f", "hostname": n} for n in ("a", "b")],
            }
        },
        "P24",
        BOTH,
        "kea_dhcp4_extra.reservations[1]",
        ["1a:1b:1c:1d:1e:2f", "kea_dhcp4_extra.reservations[0]"],
    ),
    "a number for a MAC, of no subnet": (
        {"kea_dhcp4_extra": {"reservations-global": True, "reservations": [{"hw-address": 112233, "hostname": "a"}]}},
        "V06",
        BOTH,
        "kea_dhcp4_extra.reservations[0].hw_address",
        ["112233", "YAML read a MAC address"],
    ),
    # options
    "an option that is cut": (
        subnet(option_data=[{"name": "boot-file-name", "data": "a,b"}]),
        "V07",
        BOTH,
        "kea_subnets[0].option_data[0].data",
        ["'a,b'", "drops what comes after 'a'", "\\,"],
    ),
    "an option too large": (
        subnet(option_data={"default-ip-ttl": 256}),
        "V07",
        BOTH,
        "kea_subnets[0].option_data.default-ip-ttl",
        ["256", "from 0 to 255"],
    ),
    "a domain with a blank": (
        subnet(option_data={"domain-search": ["example.org", "my example.org"]}),
        "V07",
        BOTH,
        "kea_subnets[0].option_data.domain-search",
        ["my example.org", "example.org"],
    ),
    "an option that Kea would cut": (
        subnet(option_data=[{"name": "boot-file-name", "data": "a,b"}]),
        "V07",
        BOTH,
        "kea_subnets[0].option_data[0].data",
        ["'a,b'", "Kea drops what comes after", "backslash"],
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_finds(name):
    expect_error(*ERRORS[name])


# What is doubtful: (changes, id, host, variable, text that must be in it)
WARNINGS = {
    "router elsewhere": (
        subnet(option_data={"routers": "10.0.0.1"}),
        "V12",
        BOTH,
        "kea_subnets[0].option_data.routers",
        ["10.0.0.1", "192.168.1.0/24", "192.168.1.1"],
    ),
    "router with the address of the network": (
        subnet(option_data={"routers": "192.168.1.0"}),
        "V12",
        BOTH,
        "kea_subnets[0].option_data.routers",
        ["192.168.1.0", "network address"],
    ),
    "a network of half the world": (
        subnet(subnet="128.0.0.0/2", pools=["130.0.0.1-130.0.0.99"], reservations=[], option_data={}),
        "V46",
        BOTH,
        "kea_subnets[0].subnet",
        ["128.0.0.0/2", "1073741824 addresses", "192.168.1.0/24"],
    ),
    "the MAC of everybody": (
        mac("ff:ff:ff:ff:ff:ff"),
        "V47",
        BOTH,
        "kea_subnets[0].reservations[0].hw_address",
        ["ff:ff:ff:ff:ff:ff", "everybody"],
    ),
    "a MAC with the type before it": (
        mac("01:1a:1b:1c:1d:1e:1f"),
        "V47",
        BOTH,
        "kea_subnets[0].reservations[0].hw_address",
        ["01:1a:1b:1c:1d:1e:1f", 'Write "1a:1b:1c:1d:1e:1f"'],
    ),
    "a MAC as client id": (
        reservation(client_id="1a:1b:1c:1d:1e:1f", ip_address="192.168.1.10"),
        "V47",
        BOTH,
        "kea_subnets[0].reservations[0].client_id",
        ["'1a:1b:1c:1d:1e:1f'", 'Write "01:1a:1b:1c:1d:1e:1f"'],
    ),
    "the MAC of nobody": (
        mac("00-00-00-00-00-00"),
        "V47",
        BOTH,
        "kea_subnets[0].reservations[0].hw_address",
        ["00:00:00:00:00:00", "no client"],
    ),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_warns(name):
    expect_warning(*WARNINGS[name])


# What is right: (changes, the check that has nothing to say)
SILENT = {
    "a router inside": ({}, "V12"),
    "a link of two addresses": (
        subnet(
            subnet="192.168.1.4/31", pools=["192.168.1.5/32"], reservations=[], option_data={"routers": "192.168.1.4"}
        ),
        "V12",
    ),
    "a whole /8": (subnet(subnet="10.0.0.0/8", pools=["10.1.0.0/16"], reservations=[], option_data={}), "V46"),
    "an ordinary MAC": ({}, "V47"),
    "a client id of text": (reservation(client_id="'printer-in-room-7'", ip_address="192.168.1.10"), "V47"),
    "a client id of another length": (reservation(client_id="ff:01:02", ip_address="192.168.1.10"), "V47"),
    "an InfiniBand address": (mac(":".join(["80"] * 20)), "V47"),
    "two subnets side by side": (
        {"kea_subnets": [SUBNET, {"id": 2, "subnet": "192.168.2.0/24", "pools": ["192.168.2.10-192.168.2.20"]}]},
        "P19",
    ),
    "a shared network": (shared(), "P19"),
    "a relay outside the pool": (subnet(relay="192.168.1.1"), "P23"),
}


@pytest.mark.parametrize("name", SILENT)
def test_is_silent(name):
    expect_silence(*SILENT[name])


def test_shared_addresses_may_be_allowed():
    twice = [{"hw_address": f"1a:1b:1c:1d:1e:0{n}", "ip_address": "192.168.1.20"} for n in (1, 2)]
    assert examine({**subnet(reservations=twice), "kea_dhcp4_extra": {"ip-reservations-unique": False}}) == []


def test_an_option_may_be_defined():
    definition = {"option-def": [{"name": "room", "code": 224, "type": "string"}]}
    assert examine({"kea_dhcp4_extra": definition, "kea_option_data": {"room": "kitchen"}}) == []
