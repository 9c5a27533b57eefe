# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that cannot be made one server at a time, and subnet ids that must stay."""

from __future__ import annotations

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _findings, _plan, _running
from ansible_collections.keaops.kea.plugins.module_utils._tls import Certificates
from pairs import build, facts, kea_info, subnet

HA = {"ha": True, "state": "hot-standby"}


def content_of(host, **group):
    """Return what a healthy deployment with these variables put on a host."""
    pair, known = build(group, facts1=facts(), facts2=facts("192.168.1.3"))
    assert not known
    return _plan.host_plan(pair, host)["daemons"]["dhcp4"]["content"]


def deployed(group=None, before=None, secret_changes=False, certificates=None, version="2.6.3"):
    """Return a pair that serves with the variables *before* and is to get *group*."""
    both = []
    for host, address, scopes in (("dhcp1", "192.168.1.2", ["server1"]), ("dhcp2", "192.168.1.3", [])):
        kea = kea_info(version, active=True, marker=True, ha={**HA, "scopes": scopes})
        content = content_of(host, **(before or {}))
        kea["daemons"]["dhcp4"]["link"] = _running.link_of(content)
        kea["daemons"]["dhcp4"]["subnet_ids"] = _running.subnet_ids(content)
        both.append(facts(address, kea, secret_changes=secret_changes))
    return build(group, facts1=both[0], facts2=both[1], certificates=certificates)


def found(check_id, *args, **kwargs):
    pair, known = deployed(*args, **kwargs)
    return [finding for finding in _findings.check(pair, known, live=True) if finding.id == check_id]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"kea_valid_lifetime": 43201},
        {"kea_ha_heartbeat_delay": 1000},
        subnet(pools=["192.168.1.120-192.168.1.130"]),
    ],
)
def test_ordinary_changes_are_rolled_out(change):
    pair, _known = deployed(change)
    assert _plan.breaking_changes(pair) == {}
    assert [_plan.turn_of(pair, server) for server in pair.servers] == [2, 1]
    assert found("V15", change) == []


AGENT = {"kea_ha_transport": "control_agent"}
LISTENER = {"kea_ha_transport": "listener"}
TLS = {"kea_tls_enabled": True}
CLEAR = {"kea_tls_enabled": False, "kea_accept_cleartext_api": True}
# what runs, what is wanted, what is said
BREAKING = {
    "port": ({}, {"kea_ha_port": 8002}, "addresses"),
    "user": ({}, {"kea_api_user": "somebody"}, "user of the API"),
    "no password": ({}, {"kea_api_auth": False}, "user of the API"),
    "agent to listener": ({}, LISTENER, "listener"),
    "listener to agent": (LISTENER, AGENT, "listener"),
    "agent to listener, both with TLS": (TLS, {**TLS, **LISTENER}, "listener"),
    "agent without TLS to TLS": (AGENT, TLS, "addresses"),
    "agent with TLS to none": (TLS, AGENT, "addresses"),
    "listener without TLS to TLS": ({**LISTENER, **CLEAR}, LISTENER, "addresses"),
    "listener with TLS to none": (LISTENER, {**LISTENER, **CLEAR}, "addresses"),
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_change_of_the_link_is_refused_and_says_how_to_allow_it(name):
    before, change, what = BREAKING[name]
    findings = found("V15", change, before)
    assert {finding.host for finding in findings} == {"dhcp1", "dhcp2"}
    assert what in findings[0].text()
    assert "kea_accept_outage=true" in findings[0].text()


def test_a_change_of_the_password_is_refused():
    findings = found("V15", secret_changes=True)
    assert "password of the API" in findings[0].text()


@pytest.mark.parametrize("before", [LISTENER, TLS], ids=["listener", "agent"])
@pytest.mark.parametrize(
    "change",
    [{"kea_api": "none"}, {"kea_multi_threading": {"thread_pool_size": 2}}, {"kea_api_port": 8009}],
    ids=lambda change: next(iter(change)),
)
def test_the_api_and_the_threads_are_no_part_of_the_link(before, change):
    pair, _known = deployed({**before, **change}, before)
    assert _plan.breaking_changes(pair) == {}


@pytest.mark.parametrize("cuts", [True, False])
def test_a_ca_without_overlap_cuts_the_link(cuts):
    findings = found("V15", LISTENER, LISTENER, certificates=Certificates(action="install", cuts_link=cuts))
    assert [("certificate authority" in finding.text()) for finding in findings] == ([True, True] if cuts else [])
    # Without TLS certificates are of no interest.
    assert found("V15", certificates=Certificates(action="install", cuts_link=cuts)) == []


def test_where_the_files_are_is_no_part_of_the_link():
    content = content_of("dhcp1", **LISTENER)
    before = _running.link_of(content)
    content["Dhcp4"]["hooks-libraries"][1]["parameters"]["high-availability"][0]["cert-file"] = "/elsewhere"
    assert _running.link_of(content) == before


def test_a_default_that_moved_can_be_kept():
    fixes = {
        version: found("V15", {}, before, version=version)[0].fix
        for version, before in (("3.0.4", AGENT), ("2.6.3", LISTENER))
    }
    assert fixes["3.0.4"].endswith("keep the one in use with kea_ha_transport: control_agent")
    assert fixes["2.6.3"].endswith("keep the one in use with kea_ha_transport: listener")
    for unrelated in (found("V15", {}, TLS), found("V15", LISTENER, AGENT)):
        assert "kea_ha_transport" not in unrelated[0].fix


def test_with_consent_both_change_together_and_nobody_waits_for_the_other():
    pair, _known = deployed({"kea_ha_port": 8002, "kea_accept_outage": True})
    for server in pair.servers:
        assert _plan.turn_of(pair, server) == 1
        assert _plan.wait_ha_states(pair, server) == []
        assert _plan.gate_ha_states(pair, server) == []
    assert found("V15", {"kea_ha_port": 8002, "kea_accept_outage": True}) == []


def test_a_healthy_pair_is_gated_and_waits():
    pair, _known = deployed()
    for server in pair.servers:
        assert _plan.gate_ha_states(pair, server) == ["hot-standby"]
        assert _plan.wait_ha_states(pair, server) == ["hot-standby"]


def test_a_subnet_keeps_its_id():
    findings = found("P20", subnet(id=7))
    assert findings
    text = findings[0].text()
    assert "192.168.1.0/24" in text
    assert "Write id: 1" in text
    assert found("P20") == []


def test_link_of_a_configuration_without_ha_is_none():
    for content in (None, {}, {"Dhcp4": {}}, {"Dhcp4": {"hooks-libraries": [{"library": "x"}]}}):
        assert _running.link_of(content) is None


def test_subnet_ids_include_shared_networks():
    section = {"subnet4": [{"id": 1, "subnet": "a"}], "shared-networks": [{"subnet4": [{"id": 2, "subnet": "b"}]}]}
    assert _running.subnet_ids({"Dhcp4": section}) == {"a": 1, "b": 2}


def test_consent_also_mends_a_pair_that_a_breaking_change_left_half_done():
    pair, _known = deployed({"kea_accept_outage": True})
    assert [_plan.turn_of(pair, server) for server in pair.servers] == [2, 1]
    for server in pair.servers:
        server.facts["kea"]["daemons"]["dhcp4"]["ha"]["state"] = "partner-down"
    assert [_plan.turn_of(pair, server) for server in pair.servers] == [1, 1]
    assert [_plan.wait_ha_states(pair, server) for server in pair.servers] == [[], []]
