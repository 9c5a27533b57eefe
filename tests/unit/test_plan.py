# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: who goes first, what is installed, how the partner is asked."""

from __future__ import annotations

import json

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _render
from ansible_collections.keaops.kea.plugins.module_utils._plan import (
    PlanError,
    agent_last,
    ha_timeout,
    host_plan,
    turn_of,
)
from ansible_collections.keaops.kea.plugins.module_utils._tls import Certificates
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
    "bare hosts": (DOWN, DOWN, 1, 1),
    "just installed": (PACKAGED, PACKAGED, 1, 1),
    "healthy": (CARRIES, WAITS, 2, 1),
    "standby took over": (WAITS, CARRIES, 1, 2),
    "both say nothing of scopes": (WAITS, WAITS, 2, 1),
    "standby down": (CARRIES, DOWN, 2, 1),
    "primary down": (DOWN, CARRIES, 1, 2),
    "primary a zombie": (ZOMBIE, CARRIES, 1, 2),
    "both down after a failure": ({"marker": True}, {"marker": True}, 1, 1),
    "a server without HA was there": (FOREIGN, DOWN, 2, 1),
}


def pair_of(first, second, **kwargs):
    return build(
        facts1=facts("192.168.1.2", kea_info(**first)), facts2=facts("192.168.1.3", kea_info(**second)), **kwargs
    )[0]


@pytest.mark.parametrize("name", TURNS)
def test_turns(name):
    first, second, primary, standby = TURNS[name]
    pair = pair_of(first, second)
    assert [turn_of(pair, pair.server(host)) for host in ("dhcp1", "dhcp2")] == [primary, standby]


def test_never_both_in_turn_two():
    states = [DOWN, PACKAGED, CARRIES, WAITS, ZOMBIE, FOREIGN]
    for first in states:
        for second in states:
            pair = pair_of(first, second)
            assert sum(turn_of(pair, server) == 2 for server in pair.servers) <= 1


def test_plan_of_a_live_host():
    plan = host_plan(pair_of(DOWN, DOWN), "dhcp2")
    assert (plan["host"], plan["pair"], plan["role"], plan["address"]) == ("dhcp2", "kea", "standby", "192.168.1.3")
    assert plan["partner"] == {"host": "dhcp1"}
    assert plan["kea_version"] == "2.6.3"
    assert plan["packages"] == ["kea-dhcp4-server", "kea-ctrl-agent"]
    assert plan["missing_packages"] == []
    assert plan["auth"] == {"password_file": "/etc/kea/kea-api-password"}
    assert plan["peer"]["url"] == "http://192.168.1.2:8000/"
    assert plan["peer"]["config_url"] is None
    assert [plan["peer"][name] for name in ("ca_path", "client_cert", "client_key")] == [None, None, None]
    assert (plan["tls"]["enabled"], plan["tls"]["action"], plan["links"]) == (False, "none", {})
    assert plan["ports"] == [{"port": 8000, "tls": False, "what": "HA", "daemon": "ctrl_agent"}]
    assert (plan["firewall"]["mode"], plan["firewall"]["rules"]) == ("none", "")
    assert plan["ha_timeout"] == 130
    daemon = plan["daemons"]["dhcp4"]
    assert daemon["unit"] == "kea-dhcp4-server"
    assert daemon["config_file"] == "/etc/kea/kea-dhcp4.conf"
    assert daemon["test_hooks"] is True
    assert daemon["watch_files"] == ["/etc/kea/kea-api-password"]
    assert daemon["unit_settings"].startswith("# Managed by Ansible")
    assert list(daemon["content"]) == ["Dhcp4"]
    assert list(plan["daemons"]["ctrl_agent"]["content"]) == ["Control-agent"]
    json.dumps(plan)


@pytest.mark.parametrize(
    ("apparmor", "hardening", "locked"), [(False, True, (1, 1)), (True, True, (0, 1)), (True, False, (0, 0))]
)
def test_apparmor_and_systemd_do_not_both_confine_the_server(apparmor, hardening, locked):
    known = facts(kea={**kea_info(), "apparmor": apparmor})
    pair, _findings = build({"kea_unit_hardening": hardening}, facts1=known, facts2=facts("192.168.1.3"))
    daemons = host_plan(pair, "dhcp1")["daemons"]
    found = tuple(int("NoNewPrivileges" in daemons[name]["unit_settings"]) for name in ("dhcp4", "ctrl_agent"))
    assert found == locked


def test_bare_host_lists_what_to_install():
    pair = pair_of({"packages": {"kea-common": "1"}, "version": None}, DOWN)
    assert host_plan(pair, "dhcp1")["missing_packages"] == ["kea-dhcp4-server", "kea-ctrl-agent"]


def test_listener_needs_no_agent_on_three():
    plan = host_plan(build({"kea_version": "3.0.4"})[0], "dhcp1")
    assert plan["daemons"]["ctrl_agent"] is None
    assert plan["packages"] == ["kea-dhcp4-server", "openssl"]
    assert plan["peer"]["config_url"] == "https://192.168.1.3:8001/"


def test_secure_plan():
    """The default of Kea 3.0, before anybody has looked at the certificates."""
    plan = host_plan(build({"kea_version": "3.0.4"})[0], "dhcp1")
    folder = "/etc/kea/tls/current"
    assert plan["tls"] == {
        "enabled": True,
        "source": "ownca",
        "dir": "/etc/kea/tls",
        "link": folder,
        "trust_anchor": f"{folder}/trust",
        "cert_file": f"{folder}/cert.pem",
        "key_file": f"{folder}/key.pem",
        "action": "issue",
        "reason": "nothing is known of the host's certificates",
        "generation": "",
        "key_type": "ecdsa-p256",
        "valid_days": 90,
        "renew_before": 30,
        "days_left": None,
        "common_name": "dhcp1",
        "san": ["IP:192.168.1.2", "DNS:dhcp1", "DNS:server1"],
        "ca_dir": "",
        "trust": [],
    }
    assert plan["links"] == {}
    watched = [f"{folder}/cert.pem", f"{folder}/key.pem", f"{folder}/trust"]
    assert plan["daemons"]["dhcp4"]["watch_files"] == ["/etc/kea/kea-api-password", *watched]
    assert plan["ports"] == [
        {"port": 8000, "tls": True, "what": "HA", "daemon": "dhcp4"},
        {"port": 8001, "tls": True, "what": "API", "daemon": "dhcp4"},
    ]
    peer = plan["peer"]
    assert peer["url"] == "https://192.168.1.3:8000/"
    assert [peer["ca_path"], peer["client_cert"], peer["client_key"]] == [f"{folder}/trust", *watched[:2]]
    json.dumps(plan)


def test_the_agent_reads_the_certificates_too():
    plan = host_plan(build({"kea_ha_transport": "listener"})[0], "dhcp1")
    agent = plan["daemons"]["ctrl_agent"]
    assert agent["watch_files"] == plan["daemons"]["dhcp4"]["watch_files"]
    assert plan["packages"] == ["kea-dhcp4-server", "kea-ctrl-agent", "openssl"]
    assert [(port["port"], port["daemon"]) for port in plan["ports"]] == [(8000, "dhcp4"), (8001, "ctrl_agent")]


def test_files_of_the_user_are_installed_first():
    assert (
        host_plan(build({"kea_version": "3.0.4", "kea_tls_source": "files"})[0], "dhcp1")["tls"]["action"] == "install"
    )


def test_what_is_known_of_the_certificates_decides():
    known = Certificates(
        action="trust", reason="a new CA", generation="3", days_left=61, trust=("PEM",), ca_dir="/srv/pki/kea"
    )
    plan = host_plan(build({"kea_version": "3.0.4"}, certificates=known)[0], "dhcp1")
    names = ("action", "reason", "generation", "days_left", "trust", "ca_dir")
    assert [plan["tls"][name] for name in names] == ["trust", "a new CA", "3", 61, ["PEM"], "/srv/pki/kea"]
    assert plan["links"] == {"/etc/kea/tls/current": "3"}
    without = host_plan(build(certificates=known)[0], "dhcp1")
    assert (without["tls"]["action"], without["links"]) == ("none", {})


@pytest.mark.parametrize(
    ("own", "names"),
    [
        ({"kea_server_name": "dhcp1"}, ["IP:192.168.1.2", "DNS:dhcp1"]),
        ({"kea_server_name": "server one"}, ["IP:192.168.1.2", "DNS:dhcp1"]),
        ({"kea_server_name": "192.168.1.2"}, ["IP:192.168.1.2", "DNS:dhcp1"]),
        ({"kea_ha_address": "2001:db8::2", "kea_server_name": "a.example.org"}, None),
    ],
)
def test_names_in_a_certificate(own, names):
    plan = host_plan(build({"kea_version": "3.0.4"}, dhcp1=own)[0], "dhcp1")
    assert plan["tls"]["san"] == (names or ["IP:2001:db8::2", "DNS:dhcp1", "DNS:a.example.org"])


def test_without_an_api_the_partner_is_asked_for_no_configuration():
    plan = host_plan(build({"kea_version": "3.0.4", "kea_api": "none"})[0], "dhcp1")
    assert plan["peer"]["config_url"] is None
    assert [port["what"] for port in plan["ports"]] == ["HA"]


def test_the_partners_version_decides_where_it_is_asked():
    group = {"kea_ha_transport": "listener", "kea_version": "2.6.3"}
    plan = host_plan(build(group, dhcp2={"kea_version": "3.0.4"})[0], "dhcp1")
    assert plan["peer"]["config_url"] == "https://192.168.1.3:8001/"
    assert plan["daemons"]["ctrl_agent"] is not None


def test_a_firewall_admits_the_partner_and_its_package_is_wanted():
    group = {"kea_version": "3.0.4", "kea_firewall": "nftables", "kea_firewall_management": ["192.168.1.50"]}
    plan = host_plan(build(group)[0], "dhcp1")
    assert plan["firewall"]["mode"] == "nftables"
    for address in ("192.168.1.3", "192.168.1.50"):
        assert address in plan["firewall"]["rules"]
    assert "nftables" in plan["packages"]
    snippet = host_plan(build({**group, "kea_firewall": "snippet"})[0], "dhcp1")
    assert "nftables" not in snippet["packages"]
    assert snippet["firewall"]["rules"]


@pytest.mark.parametrize(
    ("process", "user", "port", "last"),
    [
        ("kea-dhcp4", "_kea", 8000, True),
        ("kea-ctrl-agent", "_kea", 8000, False),
        (None, "_kea", 8000, True),
        (None, "www-data", 8000, False),
        ("kea-dhcp4", "_kea", 8001, False),
    ],
)
def test_the_server_lets_go_of_the_agents_port_first(process, user, port, last):
    held = {"protocol": "tcp", "address": "192.168.1.2", "port": port, "process": process, "user": user}
    pair = pair_of({"sockets": [held]}, DOWN, group={"kea_ha_transport": "control_agent"})
    assert agent_last(pair, pair.server("dhcp1")) is last
    assert host_plan(pair, "dhcp1")["agent_last"] is last
    assert agent_last(pair, pair.server("dhcp2")) is False
    # With the API of the server itself there is no agent to wait for.
    group = {"kea_api_port": 8000, "kea_ha_port": 8001}
    without = pair_of({"version": "3.0.4", "sockets": [held]}, {"version": "3.0.4"}, group=group)
    assert agent_last(without, without.server("dhcp1")) is False


def test_an_agent_at_work_holds_its_port_itself():
    held = {"protocol": "tcp", "address": "192.168.1.2", "port": 8000, "process": None, "user": "_kea"}
    pair = pair_of({**RUNNING, "sockets": [held]}, DOWN, group={"kea_ha_transport": "control_agent"})
    assert agent_last(pair, pair.server("dhcp1")) is False


def test_a_listener_of_the_server_is_known_where_processes_are_hidden():
    link = {"listener": True, "addresses": ["https://192.168.1.2:8000/", "https://192.168.1.3:8000/"]}
    pair = pair_of(RUNNING, DOWN, group={"kea_ha_transport": "control_agent"})
    for server in pair.servers:
        server.facts["kea"]["daemons"]["dhcp4"]["link"] = link
    assert agent_last(pair, pair.server("dhcp1")) is True
    assert agent_last(pair, pair.server("dhcp2")) is False


def test_each_configuration_is_rendered_once(monkeypatch):
    rendered = []
    original = _render.render_dhcp4
    monkeypatch.setattr(_render, "render_dhcp4", lambda *args: rendered.append(1) or original(*args))
    link = {"mode": "load-balancing"}
    first, second = ({**state, "ha": {**state["ha"]}} for state in (CARRIES, WAITS))
    pair = pair_of(first, second, group={"kea_accept_outage": True})
    for server in pair.servers:
        server.facts["kea"]["daemons"]["dhcp4"]["link"] = link
    assert host_plan(pair, "dhcp1")["turn"] == 1
    assert len(rendered) == 1


def test_open_api_sends_no_password():
    plan = host_plan(build({"kea_api_auth": False})[0], "dhcp1")
    assert (plan["peer"]["user"], plan["peer"]["password_file"]) == (None, None)
    assert plan["daemons"]["dhcp4"]["watch_files"] == []


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
