# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expressions of classes: where Kea would give up, in words people understand."""

from __future__ import annotations

import pytest
from ansible_collections.keaops.kea.plugins.module_utils._expressions import unreadable
from ansible_collections.keaops.kea.plugins.module_utils._options import Vocabulary, vocabulary

WORDS, _TROUBLES = vocabulary([{"name": "room", "code": 224, "type": "string"}], "3.0")

GOOD = (
    "substring(option[60].hex, 0, 9) == 'PXEClient'",
    "not member('first') and (option[93].hex == 0x0007 or option[client-system].hex == 0x0009)",
    "(('a') + 'b') == concat('a', 'b')",
    "relay4[1].hex == 'port' and relay4[2].exists",
    "option[43].option[1].hex == 0x01 or option[room].exists",
    "pkt4.giaddr == 10.0.0.1 and pkt.iface == 'eth0'",
    "vendor[4491].option[2].hex == 'x' or vendor.enterprise == 9 or vendor-class[*].data[1] == 'a'",
    "ifelse(member('HA_server1'), hexstring(pkt4.mac, ':'), 'x') == split(lcase('A.B'), '.', 2)",
    "match('a.*', option[12].text) sand uint8totext(0x01) == '1'",
)
BAD = {
    "option[60].hex = 'a'": (16, "no = in an expression; equal is written =="),
    "option[60].hex != 'a'": (16, "write not before the condition"),
    'option[60].hex == "a"': (19, "text has single quotes"),
    "option[60] == 'a'": (12, "expects ., and finds '=='"),
    "option[nosuch].exists": (8, "an option that Kea knows, and finds 'nosuch'"),
    "option[256].exists": (8, "a number from 0 to 255"),
    "member('nosuch')": (8, "a class that is defined before"),
    "(option[1].exists": (18, "expects ), and finds the end"),
    "'a' == 'b' 'c'": (12, "and, or, or the end, and finds ''c''"),
    "substring('a', x, 1) == 'a'": (16, "knows no x in an expression"),
    "pkt4.chaddr == 'a'": (6, "knows no chaddr"),
    "10.0.0.256 == 'a'": (1, "an address, and finds '10.0.0.256'"),
    "": (1, "a value, such as option[60].hex or 'text', and finds the end"),
    "('a' == 'b' and 'c') == 'd'": (20, "expects ==, and finds ')'"),
}


@pytest.mark.parametrize("text", GOOD)
def test_good(text):
    assert unreadable(text, WORDS, ["first"]) is None


@pytest.mark.parametrize(("text", "place"), BAD.items())
def test_bad(text, place):
    found = unreadable(text, WORDS, ["first"])
    assert found is not None
    assert found.column == place[0]
    assert place[1] in found.message


def test_a_template_is_a_string():
    assert unreadable("hexstring(pkt4.mac, ':')", WORDS, condition=False) is None
    assert unreadable("option[60].exists", WORDS, condition=False) is not None


@pytest.mark.parametrize(
    "text", ["match('a', 'b')", "'a' == 'a' sor 'b' == 'b'", "sifelse(member('ALL'), 'a', 'b') == 'a'"]
)
def test_what_an_older_kea_does_not_know(text):
    assert unreadable(text, WORDS) is None
    assert "came with 3.0" in unreadable(text, Vocabulary((), "2.6")).message
