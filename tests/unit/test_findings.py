# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry, the report, and what must hold for every inventory."""

from __future__ import annotations

import copy
import re

from ansible_collections.keaops.kea.plugins.module_utils import _findings
from ansible_collections.keaops.kea.plugins.module_utils._findings import Finding
from ansible_collections.keaops.kea.plugins.module_utils._model import build_pair
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pairs import HOSTS, SUBNET, build, examine, raw_hosts, subnet


def test_the_good_pair_has_no_findings():
    assert examine() == []


def test_every_mistake_is_reported_at_once():
    found = examine(
        group={**subnet(pools=["10.9.9.1-10.9.9.9"], id=0), "kea_ha_hartbeat_delay": 1, "kea_valid_lifetime": "x"},
        dhcp2={"kea_ha_role": "primary", "ansible_host": "name"},
    )
    assert {item.id for item in found} >= {"P03", "P06", "P20", "P23", "V01", "V03"}


def test_an_accepted_finding_stays_visible():
    found = examine({**subnet(pools=[], reservations=[]), "kea_preflight_ignore": ["P22"]})
    assert [(item.id, item.severity) for item in found] == [("P22", "info")]


# ---------------------------------------------------------------------------------------------------------------------
# the registry and the report


def test_registry_is_sound():
    known = {check.id for check in _findings.CHECKS}
    wanted = {f"P{n:02}" for n in [*range(1, 12), 13, *range(15, 28), 35, 36]}
    assert wanted <= known
    assert not known & set(_findings.INPUT_RULES)
    for check in _findings.CHECKS:
        assert re.match(r"^[LPV]\d\d$", check.id)
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
    build_pair("kea", hosts)
    assert [host.vars for host in hosts] == before
    assert HOSTS["dhcp1"]["kea_ha_role"] == "primary"
    assert build()[1] == []
