# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tired person types and does not see."""

from __future__ import annotations

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _traps
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "clause", "meant"),
    [
        ("eth0 ", "begins or ends with a blank", "eth0"),
        ("eth0\u00a0", "no-break space (U+00A0) after 'eth0', which nobody sees", "eth0"),
        ("\ufeffeth0", "zero width no-break space (U+FEFF) at its start, which nobody sees", "eth0"),
        ("et\u200bh0", "zero width space (U+200B) after 'et', which nobody sees", "eth0"),
        ("eth0\t1", "tabulator (U+0009) after 'eth0', which nobody sees", "eth01"),
        ("eth0\n1", "line break (U+000A) after 'eth0', which nobody sees", "eth01"),
        ("\u201ceth0\u201d", 'left double quotation mark (U+201C) at its start, where " is meant', '"eth0"'),
        ("10.0.0.1\u201310.0.0.9", "en dash (U+2013) after '10.0.0.1', where - is meant", "10.0.0.1-10.0.0.9"),
        ("e\u0301", "combining acute accent (U+0301) after 'e', which nobody sees", "e\u0301"),
    ],
)
def test_what_is_odd(text, clause, meant):
    assert clause in _traps.oddity(text)
    assert _traps.tidy(text) == meant


@pytest.mark.parametrize("text", ["eth0", "kea api", "", "straße", "日本", 7, None, ["x "]])
def test_what_is_not_odd(text):
    assert _traps.oddity(text) == ""


@pytest.mark.parametrize(
    ("value", "clause"),
    [
        (None, "nothing stands after the colon"),
        (False, "no, off and false without quotes"),
        (True, "yes, on and true without quotes"),
        (3.1, "one dot"),
        (5, "YAML read a number without quotes"),
        (420, "; 0644 is the same to it"),
        (40953, "; 0117771 and 11:22:33 are the same to it"),
        ("text", ""),
    ],
)
def test_what_yaml_made_of_it(value, clause):
    said = _traps.as_yaml_read(value)
    assert said.endswith(clause) or clause in said
    assert bool(said) == bool(clause)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-02", True),
        ("2026-01-02T12:30:45", True),
        ("2026-01-02T12:30:45+01:00", True),
        ("2026-01-02-03", False),
        ("20-26-01-02-03-04", False),
        ("2001:db8::1", False),
        (20260102, False),
        (None, False),
    ],
)
def test_a_date(value, expected):
    assert _traps.is_date(value) is expected


@pytest.mark.parametrize(
    ("function", "text", "meant"),
    [
        (_traps.meant_address, "192.168.001.010", "192.168.1.10"),
        (_traps.meant_address, "192.168.1.10/24", "192.168.1.10"),
        (_traps.meant_address, "https://192.168.1.10:8000/", "192.168.1.10"),
        (_traps.meant_address, "192,168,1,10", "192.168.1.10"),
        (_traps.meant_address, "192.168.1.10", ""),
        (_traps.meant_address, "printer", ""),
        (_traps.meant_address, 7, ""),
        (_traps.meant_network, "192.168.1.7/255.255.255.0", "192.168.1.0/24"),
        (_traps.meant_network, "192.168.1.0\\24", "192.168.1.0/24"),
        (_traps.meant_network, "192.168.1.0 / 24", "192.168.1.0/24"),
        (_traps.meant_network, "192.168.1.0/33", ""),
        (_traps.meant_network, "192.168.1.0", ""),
        (_traps.meant_network, 192.168, ""),
        (_traps.meant_range, "192.168.1.100-199", "192.168.1.100-192.168.1.199"),
        (_traps.meant_range, "192.168.1.100 - .199", "192.168.1.100-192.168.1.199"),
        (_traps.meant_range, "192.168.1.100..192.168.1.199", "192.168.1.100-192.168.1.199"),
        (_traps.meant_range, "192.168.1.100 to 192.168.1.199", "192.168.1.100-192.168.1.199"),
        (_traps.meant_range, "192.168.1.100", ""),
        (_traps.meant_range, ["x"], ""),
    ],
)
def test_what_was_meant(function, text, meant):
    assert function(text) == meant


@given(st.text(max_size=12) | st.none() | st.integers() | st.floats() | st.booleans())
def test_nothing_raises(value):
    assert isinstance(_traps.oddity(value) + _traps.as_yaml_read(value), str)
    assert isinstance(_traps.is_date(value), bool)
    for function in (_traps.meant_address, _traps.meant_network, _traps.meant_range):
        assert isinstance(function(value), str)
