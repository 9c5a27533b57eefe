# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry, the report, and what must hold for every inventory."""

from __future__ import annotations

import ast
import copy
import re
from pathlib import Path

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _findings
from ansible_collections.keaops.kea.plugins.module_utils._findings import Finding
from ansible_collections.keaops.kea.plugins.module_utils._model import build_pair
from ansible_collections.keaops.kea.plugins.module_utils._plan import host_plan
from ansible_collections.keaops.kea.plugins.module_utils._registry import BY_CONSTRUCTION, STORK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mistakes import live
from pairs import HOSTS, SUBNET, build, examine, raw_hosts, subnet


def test_the_good_pair_has_no_findings():
    assert examine() == []


def test_every_mistake_is_reported_at_once():
    found = examine(
        group={**subnet(pools=["10.9.9.1-10.9.9.9"], id=0), "kea_ha_hartbeat_delay": 1, "kea_valid_lifetime": "x"},
        dhcp2={"kea_ha_role": "primary", "ansible_host": "name"},
    )
    assert {item.id for item in found} >= {"P03", "P06", "P20", "P23", "V01", "V03"}


# ---------------------------------------------------------------------------------------------------------------------
# accepting findings

NO_POOL = subnet(pools=[], reservations=[])


@pytest.mark.parametrize(
    ("ignored", "fix"),
    [
        (["P22"], "Accepted by kea_preflight_ignore"),
        ("P22", "Accepted by kea_preflight_ignore"),
        ({"P22": " comes in spring "}, "Accepted by kea_preflight_ignore: comes in spring"),
    ],
    ids=str,
)
def test_an_accepted_finding_stays_visible_with_its_reason(ignored, fix):
    found = examine({**NO_POOL, "kea_preflight_ignore": ignored})
    assert [(item.id, item.severity, item.host, item.value, item.fix) for item in found] == [
        ("P22", "info", "dhcp1, dhcp2", "192.168.1.0/24", fix)
    ]


def test_any_warning_can_be_accepted_but_the_error_of_the_same_check_stays():
    group = {
        "kea_ha_profile": "template",
        "kea_ha_max_response_delay": 20000,
        "kea_preflight_ignore": {"P15": "a fast link"},
    }
    assert [(item.id, item.severity) for item in examine(group)] == [("P15", "info")]
    (found,) = examine({**group, "kea_ha_max_response_delay": 10000})
    assert (found.id, found.severity) == ("P15", "error")
    assert found.fix == "Set at least 30000; as an error it cannot be accepted"


@pytest.mark.parametrize("check_id", ["P03", "P19", "V06", "C01"])
def test_what_matters_for_safety_cannot_be_ignored_and_says_why(check_id):
    (found,) = examine({"kea_preflight_ignore": {check_id: "I know better"}})
    assert (found.id, found.severity, found.host) == ("V32", "error", "dhcp1, dhcp2")
    assert found.variable == f"kea_preflight_ignore.{check_id}"
    assert found.value == check_id
    for text in ("cannot be ignored", "Kea does not start, or DHCP stops or answers twice", "It says: ", "mend"):
        assert text in found.text()


def test_an_unknown_id_is_told():
    (found,) = examine({"kea_preflight_ignore": {"P261": "?"}})
    assert (found.id, found.severity, found.variable) == ("V32", "info", "kea_preflight_ignore.P261")
    assert "no check of this id. Did you mean P26?" in found.text()


def test_an_id_that_turns_nothing_off_is_told_once_everything_was_looked_at():
    (found,) = examine({"kea_preflight_ignore": {"P22": "?"}})
    assert (found.id, found.severity, found.value) == ("V32", "info", "P22")
    assert "turns nothing off" in found.text()
    # Of these only the hosts, the other pairs and the files can tell.
    for check_id in ("P26", "P27", "C02", "P42", "P35"):
        assert examine({"kea_preflight_ignore": {check_id: "?"}}) == []
    assert [item.value for item in live(group={"kea_preflight_ignore": ["P26", "P27", "C02", "P42"]})] == ["P26", "P27"]


def test_different_lists_of_accepted_findings_are_found():
    (found,) = examine(dhcp2={"kea_preflight_ignore": ["P22"]})
    assert (found.id, found.variable) == ("P21", "kea_preflight_ignore")


# ---------------------------------------------------------------------------------------------------------------------
# the registry and the report


def test_registry_is_sound():
    known = {check.id for check in _findings.CHECKS}
    wanted = {f"P{n:02}" for n in range(1, 48)}
    assert wanted <= known | set(BY_CONSTRUCTION) | set(_findings.INPUT_RULES)
    assert not known & set(BY_CONSTRUCTION)
    assert not known & set(_findings.INPUT_RULES)
    for check in _findings.CHECKS:
        assert re.match(r"^[PVCLR]\d\d$", check.id)
        assert check.severity in ("error", "warning", "info")
        assert check.what.endswith(".")


LONGEST_BODY = 16
CHECKS_DIR = Path(_findings.__file__).parent


def body_lines(function):
    """Return how many lines a function has beside its decorators, its signature and its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return function.end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", sorted(CHECKS_DIR.glob("_checks_*.py")), ids=lambda path: path.name)
def test_a_check_is_short(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    assert functions
    long = {node.name: body_lines(node) for node in functions if body_lines(node) > LONGEST_BODY}
    assert not long, f"split along what they mean, {LONGEST_BODY} lines each at most: {long}"


def test_every_checker_of_stork_is_covered():
    covered = {name for check in _findings.CHECKS for name in check.stork}
    assert len(STORK) == 15
    assert covered <= set(STORK)
    assert all(name in covered or why for name, why in STORK.items())


@pytest.mark.parametrize("version", ["2.2.0", "2.4.1", "2.6.3", "3.0.4"])
def test_what_is_right_by_construction(version):
    pair, _known = build({"kea_version": version, "kea_ha_transport": "control_agent"})
    for server in pair.servers:
        daemons = host_plan(pair, server.host)["daemons"]
        config, agent = daemons["dhcp4"]["content"]["Dhcp4"], daemons["ctrl_agent"]["content"]["Control-agent"]
        (block,) = config["hooks-libraries"][1]["parameters"]["high-availability"]
        # P12; before 2.4 Kea is so by default.
        unsaid = {"enable-multi-threading": version >= "2.4"}
        for part in (config, block):
            assert part.get("multi-threading", unsaid) == {"enable-multi-threading": False}
        # P14
        unix = config.get("control-socket") or config["control-sockets"][0]
        assert agent["control-sockets"]["dhcp4"]["socket-name"] == unix["socket-name"]
        # P45
        assert not {"send-lease-updates", "sync-leases", "wait-backup-ack", "delayed-updates-limit"} & set(block)
        assert all("auto-failover" not in peer for peer in block["peers"])
    for key in ("multi-threading", "control-socket", "control-sockets"):
        assert [item.id for item in examine({"kea_dhcp4_extra": {key: {}}})] == ["V08"]


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
@given(GARBAGE, st.sampled_from(["hooks-libraries", "client-classes", "reservations", "shared-networks", "loggers"]))
def test_no_extra_key_of_one_host_raises(value, key):
    assert all(item.text() for item in examine(dhcp2={"kea_dhcp4_extra": {key: value}}))


@QUICK
@given(GARBAGE, st.sampled_from(["name", "subnet4", "relay", "interface", "option-data", "x"]))
def test_no_value_in_a_shared_network_raises(value, key):
    network = {"name": "a", "subnet4": [SUBNET], key: value}
    assert all(item.text() for item in examine({"kea_dhcp4_extra": {"shared-networks": [network]}}))


@QUICK
@given(GARBAGE)
def test_no_list_of_accepted_findings_raises(value):
    assert all(item.text() for item in examine({"kea_preflight_ignore": value}))


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
