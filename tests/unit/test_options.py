# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options in both forms, against Kea's own types and the definitions of the inventory."""

from __future__ import annotations

import pytest
from ansible_collections.keaops.kea.plugins.module_utils._options import parse_options, vocabulary
from pairs import examine, subnet

DEFINITIONS = [
    {"name": "room", "code": 224, "type": "string"},
    {"name": "doors", "code": 225, "type": "uint8", "array": True},
    {"name": "lamp", "code": 226, "type": "record", "record-types": "uint8, string"},
    {"name": "controller", "code": 1, "space": "unifi", "type": "ipv4-address"},
    {"name": "vendor-encapsulated-options", "code": 43, "type": "empty", "encapsulate": "unifi"},
]
WORDS, _NOTHING = vocabulary(DEFINITIONS)

GOOD = {
    "a comma in a text": ({"domain-name": "a,b"}, [{"name": "domain-name", "data": "a\\,b"}]),
    "a path of Windows": ({"boot-file-name": "\\\\srv\\x"}, [{"name": "boot-file-name", "data": "\\\\\\\\srv\\\\x"}]),
    "addresses in one text": ({"routers": "10.0.0.1, 10.0.0.2"}, [{"name": "routers", "data": "10.0.0.1,10.0.0.2"}]),
    "a route": (
        {"classless-static-route": ["10.0.0.0/8 - 10.0.0.1", "0.0.0.0/0 - 10.0.0.1"]},
        [{"name": "classless-static-route", "data": "10.0.0.0/8 - 10.0.0.1,0.0.0.0/0 - 10.0.0.1"}],
    ),
    "a record": ({"fqdn": "0, 0, 0, a.example"}, [{"name": "fqdn", "data": "0,0,0,a.example"}]),
    "hexadecimal number": ({"interface-mtu": "0x5dc"}, [{"name": "interface-mtu", "data": "0x5dc"}]),
    "own text": ({"room": "a,b"}, [{"name": "room", "data": "a\\,b"}]),
    "own list": ({"doors": [1, 2]}, [{"name": "doors", "data": "1,2"}]),
    "own record": ({"lamp": [1, "on"]}, [{"name": "lamp", "data": "1,on"}]),
    "own space": (
        [{"name": "controller", "space": "unifi", "data": "10.0.0.1"}, {"name": "vendor-encapsulated-options"}],
        [{"name": "controller", "space": "unifi", "data": "10.0.0.1"}, {"name": "vendor-encapsulated-options"}],
    ),
    "by code": ([{"code": 224, "data": "x"}], [{"code": 224, "data": "x"}]),
    "escaped already": ([{"name": "room", "data": "a\\,b"}], [{"name": "room", "data": "a\\,b"}]),
    "bytes": (
        [{"name": "domain-search", "csv-format": False, "data": "0161016200"}],
        [{"name": "domain-search", "csv-format": False, "data": "0161016200"}],
    ),
    "bytes of a route": (
        [{"code": 121, "csv-format": False, "data": "08:0a:0a:00:00:01"}],
        [{"code": 121, "csv-format": False, "data": "08:0a:0a:00:00:01"}],
    ),
    "bytes of an unknown option": (
        [{"code": 250, "csv_format": False, "data": "'text'"}],
        [{"code": 250, "csv-format": False, "data": "'text'"}],
    ),
    "a list in Kea's form": (
        [{"name": "routers", "data": ["10.0.0.1", "10.0.0.2"]}],
        [{"name": "routers", "data": "10.0.0.1,10.0.0.2"}],
    ),
    "no address at all": ([{"name": "routers"}], [{"name": "routers"}]),
    "DNS resolvers": (
        {"v4-dnr": "100, dot.example, 10.0.0.1 10.0.0.2, alpn=dot"},
        [{"name": "v4-dnr", "data": "100,dot.example,10.0.0.1 10.0.0.2,alpn=dot"}],
    ),
}


@pytest.mark.parametrize(("raw", "expected"), GOOD.values(), ids=GOOD)
def test_good_options(raw, expected):
    assert parse_options(raw, WORDS) == (expected, [])


BAD = {
    "number too large": ({"default-ip-ttl": 256}, ".default-ip-ttl", ["256", "whole number from 0 to 255"]),
    "number below zero": ({"interface-mtu": -1}, ".interface-mtu", ["-1", "from 0 to 65535"]),
    "octal number": ({"interface-mtu": "0755"}, ".interface-mtu", ["0755", "whole number"]),
    "fraction": ({"interface-mtu": "1.5"}, ".interface-mtu", ["1.5", "whole number"]),
    "word": ({"ip-forwarding": "yes"}, ".ip-forwarding", ["yes", "true or false"]),
    "two values": ({"broadcast-address": ["10.0.0.1", "10.0.0.2"]}, ".broadcast-address", ["one value", "drops"]),
    "two texts": ({"domain-name": ["a", "b"]}, ".domain-name", ["one value", "drops"]),
    "a bare comma": ([{"name": "domain-name", "data": "a,b"}], "[0].data", ["one value", "drops", "backslash", "\\,"]),
    "no domain name": ({"domain-search": ["a..b"]}, ".domain-search", ["a..b", "a domain name"]),
    "domain name too long": ({"domain-search": "a." * 127 + "b"}, ".domain-search", ["a domain name"]),
    "no digits": ({"user-class": "phone"}, ".user-class", ["phone", "hexadecimal digits"]),
    "digits with colons": ({"user-class": "0a:0b"}, ".user-class", ["0a:0b", "nothing between"]),
    "vendor option as text": (
        [{"name": "vendor-encapsulated-options", "data": "0104C0A80101"}],
        "[0].data",
        ["0104C0A80101", "csv-format: false"],
    ),
    "record too short": ({"lamp": 1}, ".lamp", ["2 values", "100, example.org"]),
    "record with a bad part": ({"lamp": ["x", "on"]}, ".lamp", ["x", "from 0 to 255"]),
    "no route": ({"classless-static-route": "10.0.0.0 - 10.0.0.1"}, ".classless-static-route", ["10.0.0.0/8 - "]),
    "DNS resolver without a name": ({"v4-dnr": "100"}, ".v4-dnr", ["100", "2 values"]),
    "no value": ([{"name": "domain-name"}], "[0].data", ["domain-name", "empty"]),
    "code without definition": (
        [{"code": 150, "data": "10.0.0.1"}],
        "[0].code",
        ["150", "no definition", "option-def"],
    ),
    "space without definition": (
        [{"name": "x", "space": "unifi", "data": "1"}],
        "[0].name",
        ["option x of the space unifi", "option-def"],
    ),
    "name and code": ([{"name": "routers", "code": 6, "data": "10.0.0.1"}], "[0].name", ["routers", "3 is the code"]),
    "no bytes": ([{"code": 250, "csv-format": False, "data": "xyz"}], "[0].data", ["xyz", "hexadecimal digits"]),
    "empty bytes": ([{"code": 250, "csv-format": False, "data": ""}], "[0].data", ["hexadecimal digits"]),
    "bytes too few": ([{"name": "routers", "csv-format": False, "data": "0a"}], "[0].data", ["no value of", "routers"]),
    "bytes of no name": ([{"name": "v4-lost", "csv-format": False, "data": "0161"}], "[0].data", ["no value of"]),
    "bytes of a long label": ([{"name": "v4-lost", "csv-format": False, "data": "40" + "61" * 65}], "[0].data", ["no"]),
    "bytes of no route": ([{"code": 121, "csv-format": False, "data": "21" + "00" * 9}], "[0].data", ["no value of"]),
    "zeros": ([{"name": "domain-name", "csv-format": False, "data": "0000"}], "[0].data", ["no value of"]),
    "bytes of a record": (
        [{"name": "lamp", "csv-format": False, "data": "0161"}],
        "[0].data",
        ["Leave csv-format out"],
    ),
    "csv-format as text": (
        [{"name": "routers", "csv-format": "false", "data": "1"}],
        "[0].csv-format",
        ["without quotes"],
    ),
    "key that is none": ([{"name": "routers", "dat": "10.0.0.1"}], "[0]", ["dat", "Did you mean data?"]),
    "space is a number": ([{"code": 1, "space": 5, "data": "0a", "csv-format": False}], "[0].space", ["5", "text"]),
}


@pytest.mark.parametrize(("raw", "path", "words"), BAD.values(), ids=BAD)
def test_bad_options(raw, path, words):
    options, troubles = parse_options(raw, WORDS)
    assert options == []
    assert [trouble.path for trouble in troubles] == [path]
    text = f"{troubles[0].value} {troubles[0].message} {troubles[0].fix}"
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("raw", "series", "word"),
    [
        ({"classless-static-route": "10.0.0.0/8 - 10.0.0.1"}, "2.4", "code: 121"),
        ({"v4-dnr": "100, dot.example"}, "2.2", "came with 2.4"),
        ([{"name": "routers", "data": "10.0.0.1", "never-send": True}], "2.2", "came with 2.4"),
        ([{"name": "routers", "data": "10.0.0.1", "client-classes": ["x"]}], "2.6", "came with 3.0"),
    ],
)
def test_what_an_older_kea_does_not_know(raw, series, word):
    _options, troubles = parse_options(raw, vocabulary([], series)[0])
    assert [word in trouble.message + trouble.fix for trouble in troubles] == [True]
    assert f"Kea {series}" in troubles[0].message
    assert parse_options(raw)[1] == []


BAD_DEFINITIONS = {
    "type": ([{"name": "x", "code": 224, "type": "text"}], "[0].type", "text"),
    "type of a record": (
        [{"name": "x", "code": 224, "type": "record", "record-types": "uint8, text"}],
        "[0].record-types",
        "two types",
    ),
    "record of one": (
        [{"name": "x", "code": 224, "type": "record", "record-types": "uint8"}],
        "[0].record-types",
        "two types",
    ),
    "no record": (
        [{"name": "x", "code": 224, "type": "uint8", "record-types": "uint8"}],
        "[0].record-types",
        "type: record",
    ),
    "name": ([{"name": "a b", "code": 224, "type": "string"}], "[0].name", "a b"),
    "code": ([{"name": "x", "code": 255, "type": "string"}], "[0].code", "255"),
    "space": ([{"name": "x", "code": 1, "type": "string", "space": "a b"}], "[0].space", "a b"),
    "list of texts": ([{"name": "x", "code": 224, "type": "string", "array": True}], "[0].array", "no list"),
    "list with a space": (
        [{"name": "x", "code": 224, "type": "uint8", "array": True, "encapsulate": "y"}],
        "[0].encapsulate",
        "array: true",
    ),
    "in itself": ([{"name": "x", "code": 224, "type": "empty", "encapsulate": "dhcp4"}], "[0].encapsulate", "itself"),
    "code twice": (
        [{"name": "x", "code": 224, "type": "string"}, {"name": "y", "code": 224, "type": "string"}],
        "[1].code",
        "twice",
    ),
    "name twice": (
        [{"name": "x", "code": 224, "type": "string"}, {"name": "x", "code": 225, "type": "string"}],
        "[1].name",
        "twice",
    ),
    "Kea's own code": ([{"name": "x", "code": 6, "type": "string"}], "[0]", "6 is domain-name-servers"),
    "Kea's own name": ([{"name": "routers", "code": 224, "type": "string"}], "[0]", "3 is routers"),
}


@pytest.mark.parametrize(("raw", "path", "word"), BAD_DEFINITIONS.values(), ids=BAD_DEFINITIONS)
def test_bad_definitions(raw, path, word):
    [finding] = examine({"kea_dhcp4_extra": {"option-def": raw}})
    assert (finding.id, finding.host, finding.variable) == (
        "V07",
        "dhcp1, dhcp2",
        "kea_dhcp4_extra.option-def" + path,
    )
    assert word in finding.text()


def test_a_definition_kea_came_to_have_later_is_good_before():
    definition = {"option-def": [{"name": "routes", "code": 121, "type": "binary"}]}
    assert examine({"kea_dhcp4_extra": definition, "kea_version": "2.2.0"}) == []
    assert [item.id for item in examine({"kea_dhcp4_extra": definition, "kea_version": "2.6.3"})] == ["V07"]


def test_an_option_is_known_by_the_older_kea_of_the_pair_or_by_none():
    group = subnet(option_data={"routers": "192.168.1.1", "v4-dnr": "100, dot.example"})
    for version, expected in (("2.2.0", ["kea_subnets[0].option_data.v4-dnr"]), ("2.6.3", [])):
        found = [item for item in examine(group, dhcp2={"kea_version": version}) if item.id == "V07"]
        assert [item.variable for item in found] == expected
        assert all(item.host == "dhcp1, dhcp2" for item in found)
