# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering beyond the home template: the other transport, other platforms, extras, per version."""

from __future__ import annotations

import json

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _render
from ansible_collections.keaops.kea.plugins.module_utils._dialect import dialect_for, platform_for
from ansible_collections.keaops.kea.plugins.module_utils._jsonc import loads
from ansible_collections.keaops.kea.plugins.module_utils._model import RawHost
from pairs import GROUP, build, subnet

VERSIONS = ["2.2.0", "2.4.1", "2.6.3", "3.0.4", "3.2.0"]
SECRET = "k3J!x9Qw7Lm2Zt5R"


def rendered(version="2.6.3", daemon="dhcp4", host="dhcp1", platform=None, **kwargs):
    group = {"kea_version": version, **kwargs.pop("group", {})}
    pair, findings = build(group, **kwargs)
    assert findings == []
    platform = platform or platform_for("debian", [], "", "x86_64")
    function = {"dhcp4": _render.render_dhcp4, "ctrl_agent": _render.render_ctrl_agent}[daemon]
    return next(iter(function(pair, pair.server(host), dialect_for(version), platform).values()))


def ha(config):
    return config["hooks-libraries"][1]["parameters"]["high-availability"][0]


@pytest.mark.parametrize("version", VERSIONS)
def test_hooks_are_there_in_order(version):
    names = [entry["library"].rsplit("/", 1)[-1] for entry in rendered(version)["hooks-libraries"]]
    assert names == ["libdhcp_lease_cmds.so", "libdhcp_ha.so"]


@pytest.mark.parametrize("version", ["2.4.1", "2.6.3", "3.0.4"])
def test_the_agent_has_the_port_to_itself(version):
    config = rendered(version)
    assert config["multi-threading"] == ha(config)["multi-threading"] == {"enable-multi-threading": False}


@pytest.mark.parametrize("version", VERSIONS)
def test_listener(version):
    config = rendered(version, group={"kea_ha_transport": "listener"})
    assert config["multi-threading"]["enable-multi-threading"] is True
    assert ha(config)["multi-threading"]["http-dedicated-listener"] is True
    assert ha(config)["restrict-commands"] is True
    assert not any("basic-auth-user" in peer for peer in ha(config)["peers"])


@pytest.mark.parametrize("version", ["3.0.4", "3.2.0"])
def test_api_beside_the_listener(version):
    unix, http = rendered(version, group={"kea_ha_transport": "listener"})["control-sockets"]
    assert unix == {"socket-type": "unix", "socket-name": "/run/kea/kea4-ctrl-socket"}
    assert (http["socket-type"], http["socket-address"], http["socket-port"]) == ("http", "192.168.1.2", 8001)
    assert http["authentication"]["clients"] == [{"user": "kea-api", "password-file": "kea-api-password"}]


def test_agent_beside_the_listener():
    agent = rendered("2.6.3", "ctrl_agent", group={"kea_ha_transport": "listener"})
    assert (agent["http-host"], agent["http-port"]) == ("192.168.1.2", 8001)


@pytest.mark.parametrize(
    ("version", "transport", "expected"),
    [
        ("2.2.0", "control_agent", True),
        ("2.6.3", "listener", True),
        ("3.0.4", "control_agent", True),
        ("3.0.4", "listener", False),
        ("3.2.0", "listener", False),
    ],
)
def test_who_runs_an_agent(version, transport, expected):
    pair, _findings = build({"kea_version": version, "kea_ha_transport": transport})
    assert _render.has_agent(pair, dialect_for(version)) is expected


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transport", ["control_agent", "listener"])
def test_no_secret_is_ever_written(version, transport):
    group = {"kea_api_password": SECRET, "kea_ha_transport": transport}
    for daemon in ("dhcp4", "ctrl_agent"):
        assert SECRET not in json.dumps(rendered(version, daemon, group=group))


def test_open_agent():
    config = rendered("2.2.0", group={"kea_api_auth": False})
    assert not any("basic-auth-user" in peer for peer in ha(config)["peers"])
    assert "authentication" not in rendered("2.2.0", "ctrl_agent", group={"kea_api_auth": False})


@pytest.mark.parametrize(
    ("os_id", "machine", "folder"),
    [
        ("debian", "armv7l", "/usr/lib/arm-linux-gnueabihf/kea/hooks"),
        ("fedora", "x86_64", "/usr/lib64/kea/hooks"),
        ("freebsd", "amd64", "/usr/local/lib/kea/hooks"),
    ],
)
def test_paths_of_a_platform(os_id, machine, folder):
    platform = platform_for(os_id, [], "", machine)
    config = rendered("2.2.0", platform=platform)
    assert config["hooks-libraries"][0]["library"] == f"{folder}/libdhcp_lease_cmds.so"
    assert ha(config)["peers"][0]["basic-auth-password-file"] == f"{platform.config_dir}/kea-api-password"
    assert config["control-socket"]["socket-name"].startswith(platform.run_dir)


def test_own_folder_of_hooks():
    config = rendered("3.0.4", group={"kea_hooks_dir": "/opt/kea/hooks/"})
    assert config["hooks-libraries"][1]["library"] == "/opt/kea/hooks/libdhcp_ha.so"


def test_extras_are_merged_last():
    extra = {
        "decline-probation-period": 3600,
        "interfaces-config": {"dhcp-socket-type": "udp"},
        "lease-database": {"lfc-interval": 600},
        "hooks-libraries": [{"library": "libdhcp_stat_cmds.so"}, {"library": "/opt/x.so", "parameters": {"a_b": 1}}],
        "loggers": [{"name": "kea-dhcp4", "severity": "DEBUG"}, {"name": "kea-dhcp4.leases"}],
    }
    config = rendered("2.2.0", group={"kea_dhcp4_extra": extra})
    assert config["decline-probation-period"] == 3600
    assert config["interfaces-config"]["dhcp-socket-type"] == "udp"
    assert config["interfaces-config"]["interfaces"] == ["enp0s8"]
    assert config["lease-database"] == {"type": "memfile", "lfc-interval": 600}
    assert config["hooks-libraries"][2:] == [
        {"library": "/usr/lib/x86_64-linux-gnu/kea/hooks/libdhcp_stat_cmds.so"},
        {"library": "/opt/x.so", "parameters": {"a_b": 1}},
    ]
    assert [logger["name"] for logger in config["loggers"]] == ["kea-dhcp4", "kea-dhcp4.leases"]
    assert config["loggers"][0]["severity"] == "DEBUG"
    assert config["loggers"][0]["output_options"][0]["output"] == "/var/log/kea/kea-dhcp4.log"


def test_extras_of_the_agent():
    assert rendered("2.6.3", "ctrl_agent", group={"kea_ctrl_agent_extra": {"comment": "rack 4"}})["comment"] == "rack 4"


def test_ipv6_between_the_peers():
    config = rendered(dhcp1={"kea_ha_address": "2001:db8::2"})
    assert ha(config)["peers"][0]["url"] == "http://[2001:db8::2]:8000/"


def test_backup_server():
    backup = RawHost("dhcp3", {**GROUP, "ansible_host": "192.168.1.4", "kea_ha_role": "backup"})
    peers = ha(rendered(more=[backup]))["peers"]
    assert [peer["role"] for peer in peers] == ["primary", "standby", "backup"]
    assert peers[2]["auto-failover"] is False


def test_global_options_and_relay():
    body = {**subnet(relay=["192.168.1.1"], interface=None), "kea_option_data": {"ntp-servers": "192.168.1.1"}}
    config = rendered(group=body)
    assert config["option-data"] == [{"name": "ntp-servers", "data": "192.168.1.1"}]
    assert config["subnet4"][0]["relay"] == {"ip-addresses": ["192.168.1.1"]}
    assert "interface" not in config["subnet4"][0]


def test_document_is_kea_json_under_a_header():
    pair, _findings = build()
    lines = _render.header(pair, pair.server("dhcp1"), "dhcp4")
    text = _render.document(lines, {"Dhcp4": {"comment": "ä // no comment"}})
    assert text.startswith("// Managed by Ansible, collection keaops.kea: do not edit")
    assert "kea_subnets" in text
    assert text.endswith("}\n")
    assert loads(text) == {"Dhcp4": {"comment": "ä // no comment"}}
