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


CONSENT = {"kea_ha_port": 8002, "kea_accept_outage": True}


def states(pair, *known):
    """Have the servers be in these states; None stops one."""
    for server, state in zip(pair.servers, known):
        daemon = server.facts["kea"]["daemons"]["dhcp4"]
        daemon.update({"active": False, "ha": None} if state is None else {"ha": {**daemon["ha"], "state": state}})


def plans(pair):
    """What the plans say of the two, in the order of their turns."""
    found = sorted((_plan.host_plan(pair, server.host) for server in pair.servers), key=lambda plan: plan["turn"])
    keys = ("host", "turn", "away", "take_over", "gate_ha_states", "wait_ha_states")
    return [[plan[key] for key in keys] for plan in found]


def test_with_consent_the_standby_serves_alone_and_changes_first():
    pair, _known = deployed(CONSENT)
    assert plans(pair) == [
        ["dhcp2", 1, False, True, ["partner-down"], ["partner-down"]],
        ["dhcp1", 2, True, False, ["hot-standby", "load-balancing"], ["hot-standby"]],
    ]
    assert _plan.together(pair) is False and _plan.host_plan(pair, "dhcp1")["breaking"] is True
    assert found("V15", CONSENT) == []


def test_another_mode_is_no_obstacle():
    pair, _known = deployed({"kea_ha_mode": "load-balancing", "kea_accept_outage": True})
    assert [plan[:4] for plan in plans(pair)] == [["dhcp2", 1, False, True], ["dhcp1", 2, True, False]]
    assert plans(pair)[1][5] == ["load-balancing"]


def test_whoever_serves_alone_already_changes_first():
    pair, _known = deployed(CONSENT)
    states(pair, None, "partner-down")
    assert [plan[:4] for plan in plans(pair)] == [["dhcp2", 1, False, True], ["dhcp1", 2, False, False]]
    pair, _known = deployed(CONSENT)
    states(pair, "partner-down", None)
    assert [plan[:4] for plan in plans(pair)] == [["dhcp1", 1, False, True], ["dhcp2", 2, False, False]]


@pytest.mark.parametrize("known", [("waiting", "hot-standby"), ("terminated", "terminated"), 2 * ("partner-down",)])
def test_in_a_pair_that_is_not_well_both_change_together_and_nobody_waits(known):
    pair, _known = deployed(CONSENT)
    states(pair, *known)
    assert [plan[1:] for plan in plans(pair)] == 2 * [[1, False, False, [], []]]
    assert _plan.together(pair) is True


def test_the_rest_of_a_change_that_ended_half_way_needs_no_consent():
    """The one that served alone has changed; its partner is still away."""
    pair, _known = deployed({"kea_ha_port": 8002}, {"kea_ha_port": 8002})
    states(pair, None, "partner-down")
    assert [plan[:4] for plan in plans(pair)] == [["dhcp1", 1, False, False], ["dhcp2", 2, False, False]]
    assert found("V15", {"kea_ha_port": 8002}, {"kea_ha_port": 8002}) == []


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
