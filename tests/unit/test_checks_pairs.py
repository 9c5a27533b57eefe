# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several pairs in one inventory."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.keaops.kea.plugins.module_utils._findings import check_run
from ansible_collections.keaops.kea.plugins.module_utils._model import RawHost, build_pair
from pairs import GROUP, subnet


def pair(name, number, group=None, first=None, hosts=None):
    """Return a pair like the home one, with addresses of its own: 10.NUMBER.0.2 and .3."""
    base = f"10.{number >> 8}.{number & 255}"
    raw = []
    for index, host in enumerate(hosts or (f"{name}1", f"{name}2")):
        own = {
            "ansible_host": f"{base}.{2 + index}",
            "kea_ha_role": ("primary", "standby")[index],
            **GROUP,
            **subnet(
                subnet=f"{base}.0/24",
                pools=[f"{base}.100-{base}.199"],
                reservations=[],
                option_data={"routers": f"{base}.1"},
            ),
            **(group or {}),
            **((first or {}) if index == 0 else {}),
        }
        raw.append(RawHost(host, own))
    return build_pair(name, raw)[0]


def found(*pairs):
    return [(item.id, item.severity, item.host, item.variable, item.value) for item in check_run(pairs)]


def text(*pairs):
    return " ".join(item.text() for item in check_run(pairs))


HERE = {"kea_segment": "here"}
THERE = {"kea_segment": "there"}


@pytest.mark.parametrize("segments", [({}, {}), (HERE, HERE), (HERE, {})], ids=str)
def test_pairs_apart_have_no_findings(segments):
    assert found(pair("a", 1, segments[0]), pair("b", 2, segments[1])) == []


def test_a_host_in_two_pairs():
    pairs = pair("a", 1), pair("b", 2, hosts=("a2", "b2"))
    assert found(*pairs) == [("C01", "error", "a2", "kea_pair", "b")]
    assert "in the pairs a and b" in text(*pairs)


def test_a_machine_in_two_pairs():
    pairs = pair("a", 1), pair("b", 2, first={"ansible_host": "10.0.1.3", "kea_ha_address": "10.0.2.2"})
    assert found(*pairs) == [("C02", "error", "a2, b1", "ansible_host", "10.0.1.3")]
    assert "they are one machine" in text(*pairs)


@pytest.mark.parametrize("way", ["ansible_port", "ansible_connection", "ansible_ssh_common_args"])
def test_one_address_reached_in_two_ways_is_two_machines(way):
    first = {"ansible_host": "10.0.1.3", "kea_ha_address": "10.0.2.2", way: "22000"}
    assert found(pair("a", 1), pair("b", 2, first=first)) == []


def test_one_machine_may_be_accepted():
    accepted = {"kea_preflight_ignore": {"C02": "a gateway that forwards by user name"}}
    pairs = pair("a", 1, accepted), pair("b", 2, accepted, {"ansible_host": "10.0.1.3", "kea_ha_address": "10.0.2.2"})
    assert [item[:2] for item in found(*pairs)] == [("C02", "info")]
    assert "a gateway that forwards" in text(*pairs)


def same_address(*groups):
    return [
        pair(name, number, group, {"kea_ha_address": "10.9.9.9"})
        for name, number, group in zip("abc", (1, 2, 3), groups)
    ]


def test_the_same_address_in_one_segment():
    pairs = same_address(HERE, HERE)
    assert found(*pairs) == [("C03", "error", "a1, b1", "kea_ha_address", "10.9.9.9")]
    assert "their pairs are in the segment here" in text(*pairs)
    assert found(*same_address(HERE, THERE)) == []


def test_the_same_address_where_nothing_is_said_of_segments():
    pairs = same_address({}, {}, HERE)
    assert found(*pairs) == [("C03", "info", "a1, b1", "kea_ha_address", "10.9.9.9")]
    assert "2 servers of different pairs" in text(*pairs)
    assert "kea_segment" in text(*pairs)
    # A pair's own two servers are P06's.
    twice = {"kea_ha_address": "10.9.9.9"}
    assert found(pair("a", 1, twice), pair("b", 2)) == []


def wide(group):
    return {**group, **subnet(subnet="10.0.0.0/16", pools=["10.0.200.1-10.0.200.9"], reservations=[], option_data={})}


def test_overlapping_subnets_in_one_segment():
    pairs = pair("a", 1, HERE), pair("b", 2, wide(HERE))
    assert found(*pairs) == [("C04", "error", "a1, a2", "kea_subnets[0].subnet", "10.0.1.0/24")]
    assert "the pair b serves 10.0.0.0/16 in the same segment here" in text(*pairs)
    for apart in ((pair("a", 1, HERE), pair("b", 2, wide(THERE))), (pair("a", 1), pair("b", 2, wide({})))):
        assert found(*apart) == []


def test_one_ca_for_two_pairs():
    shared = {"kea_version": "3.0.4", "kea_tls_ca_dir": "/srv/pki/office"}
    pairs = pair("a", 1, shared), pair("b", 2, {**shared, "kea_tls_ca_dir": "/srv/pki//office/"})
    assert found(*pairs) == [("C05", "warning", "b1, b2", "kea_tls_ca_dir", "/srv/pki//office/")]
    assert "each host of one can command the other" in text(*pairs)
    for alone in (
        {**shared, "kea_tls_ca_dir": "/srv/pki/shop"},
        {"kea_version": "3.0.4"},
        {**shared, "kea_tls_enabled": False},
        {**shared, "kea_tls_source": "files"},
    ):
        assert found(pair("a", 1, shared), pair("b", 2, alone)) == []


def calls(number):
    """Return how many functions are called for so many pairs: unlike seconds, the same on any machine."""
    pairs = [pair(f"p{n}", n, HERE) for n in range(number)]
    count = 0

    def watch(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(watch)
    try:
        findings = check_run(pairs)
    finally:
        sys.setprofile(None)
    assert findings == []
    return count


def test_many_pairs_take_no_more_than_their_number_asks_for():
    assert 500 < calls(100) < calls(1000) < 11 * calls(100)
