# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: who goes first, what is installed, how the partner is asked."""

from __future__ import annotations

import json

import pytest
from ansible_collections.keaops.kea.plugins.module_utils._plan import (
    PlanError,
    first_deployment,
    ha_timeout,
    host_plan,
    turn_of,
)
from pairs import build, facts, kea_info

RUNNING = {"active": True, "marker": True}
CARRIES = {**RUNNING, "ha": {"ha": True, "state": "hot-standby", "scopes": ["server1"]}}
WAITS = {**RUNNING, "ha": {"ha": True, "state": "hot-standby", "scopes": []}}
DOWN = {}
# Alive for systemd, but its hooks are gone and its sockets closed.
ZOMBIE = {**RUNNING, "ha": {"ha": False, "state": None, "scopes": []}}
PACKAGED = {"active": True}
FOREIGN = {
    "active": True,
    "sockets": [{"protocol": "udp", "address": "192.168.1.2", "port": 67, "process": "kea-dhcp4"}],
}

TURNS = {
    "bare hosts": (DOWN, DOWN, 1, 1, True),
    "just installed": (PACKAGED, PACKAGED, 1, 1, True),
    "healthy": (CARRIES, WAITS, 2, 1, False),
    "standby took over": (WAITS, CARRIES, 1, 2, False),
    "both say nothing of scopes": (WAITS, WAITS, 2, 1, False),
    "standby down": (CARRIES, DOWN, 2, 1, False),
    "primary down": (DOWN, CARRIES, 1, 2, False),
    "primary a zombie": (ZOMBIE, CARRIES, 1, 2, False),
    "both down after a failure": ({"marker": True}, {"marker": True}, 1, 1, False),
    "a server without HA was there": (FOREIGN, DOWN, 2, 1, False),
}


def pair_of(first, second, **kwargs):
    return build(
        facts1=facts("192.168.1.2", kea_info(**first)), facts2=facts("192.168.1.3", kea_info(**second)), **kwargs
    )[0]


@pytest.mark.parametrize("name", TURNS)
def test_turns(name):
    first, second, primary, standby, fresh = TURNS[name]
    pair = pair_of(first, second)
    assert [turn_of(pair, pair.server(host)) for host in ("dhcp1", "dhcp2")] == [primary, standby]
    assert first_deployment(pair) is fresh


def test_never_both_in_turn_two():
    states = [DOWN, PACKAGED, CARRIES, WAITS, ZOMBIE, FOREIGN]
    for first in states:
        for second in states:
            pair = pair_of(first, second)
            assert sum(turn_of(pair, server) == 2 for server in pair.servers) <= 1


def test_plan_of_a_live_host():
    plan = host_plan(pair_of(DOWN, DOWN), "dhcp2")
    assert (plan["host"], plan["pair"], plan["role"], plan["address"]) == ("dhcp2", "kea", "standby", "192.168.1.3")
    assert plan["partner"] == {"host": "dhcp1", "role": "primary", "server_name": "server1", "address": "192.168.1.2"}
    assert (plan["kea_version"], plan["version_source"]) == ("2.6.3", "installed")
    assert plan["packages"] == ["kea-dhcp4-server", "kea-ctrl-agent"]
    assert plan["missing_packages"] == []
    assert plan["auth"] == {"enabled": True, "user": "kea-api", "password_file": "/etc/kea/kea-api-password"}
    assert plan["peer"]["url"] == "http://192.168.1.2:8000/"
    assert plan["peer"]["config_url"] is None
    assert plan["ha_timeout"] == 130
    daemon = plan["daemons"]["dhcp4"]
    assert daemon["unit"] == "kea-dhcp4-server"
    assert daemon["config_file"] == "/etc/kea/kea-dhcp4.conf"
    assert daemon["test_hooks"] is True
    assert list(daemon["content"]) == ["Dhcp4"]
    assert list(plan["daemons"]["ctrl_agent"]["content"]) == ["Control-agent"]
    json.dumps(plan)


def test_bare_host_lists_what_to_install():
    pair = pair_of({"packages": {"kea-common": "1"}, "version": None}, DOWN)
    assert host_plan(pair, "dhcp1")["missing_packages"] == ["kea-dhcp4-server", "kea-ctrl-agent"]


def test_listener_needs_no_agent_on_three():
    plan = host_plan(build({"kea_version": "3.0.4", "kea_ha_transport": "listener"})[0], "dhcp1")
    assert plan["daemons"]["ctrl_agent"] is None
    assert plan["packages"] == ["kea-dhcp4-server"]
    assert plan["peer"]["config_url"] == "http://192.168.1.3:8001/"


def test_open_api_sends_no_password():
    plan = host_plan(build({"kea_api_auth": False})[0], "dhcp1")
    assert (plan["peer"]["user"], plan["peer"]["password_file"], plan["auth"]["enabled"]) == (None, None, False)


def test_timeout_follows_the_timers():
    pair = build({"kea_ha_heartbeat_delay": 1000, "kea_ha_max_response_delay": 5000, "kea_ha_sync_timeout": 10500})[0]
    assert ha_timeout(pair) == 45


@pytest.mark.parametrize(
    ("host", "changes"), [("dhcp9", {}), ("dhcp1", {"kea_version": "1.0"})], ids=["not a member", "no dialect"]
)
def test_no_plan(host, changes):
    with pytest.raises(PlanError, match=host):
        host_plan(build(changes)[0], host)


def test_no_secret_in_a_plan():
    plan = host_plan(build({"kea_api_password": "k3J!x9Qw7Lm2Zt5R"})[0], "dhcp1")
    assert "k3J!" not in json.dumps(plan)
