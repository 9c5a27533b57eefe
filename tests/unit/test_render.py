# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering beyond the templates: both transports, TLS, who offers the API, other platforms, extras, per version."""

from __future__ import annotations

import json

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _render
from ansible_collections.keaops.kea.plugins.module_utils._dialect import dialect_for, platform_for
from ansible_collections.keaops.kea.plugins.module_utils._jsonc import loads
from ansible_collections.keaops.kea.plugins.module_utils._model import RawHost
from pairs import GROUP, build, subnet

VERSIONS = ["2.2.0", "2.4.1", "2.6.3", "3.0.4", "3.2.0"]
WITH_AGENT = VERSIONS[:-1]
AGENT = {"kea_ha_transport": "control_agent"}
LISTENER = {"kea_ha_transport": "listener"}
FILES = {
    "trust-anchor": "/etc/kea/tls/current/trust",
    "cert-file": "/etc/kea/tls/current/cert.pem",
    "key-file": "/etc/kea/tls/current/key.pem",
}
SECRET = "k3J!x9Qw7Lm2Zt5R"


def rendered(version="2.6.3", daemon="dhcp4", host="dhcp1", platform=None, **kwargs):
    group = {"kea_version": version, **kwargs.pop("group", {})}
    pair, findings = build(group, **kwargs)
    assert findings == []
    platform = platform or platform_for("debian", [], "", "x86_64")
    function = {"dhcp4": _render.render_dhcp4, "ctrl_agent": _render.render_ctrl_agent}[daemon]
    return next(iter(function(pair, pair.server(host), dialect_for(version), platform).values()))


def pair_of(version="2.6.3", **group):
    pair, findings = build({"kea_version": version, **group})
    assert findings == []
    return pair


def ha(config):
    return config["hooks-libraries"][1]["parameters"]["high-availability"][0]


@pytest.mark.parametrize("version", VERSIONS)
def test_hooks_are_there_in_order(version):
    live = ["libdhcp_subnet_cmds.so", "libdhcp_host_cmds.so"] if version >= "3" else []
    assert hooks_of(rendered(version)) == ["libdhcp_lease_cmds.so", "libdhcp_ha.so", *live]


def hooks_of(config):
    return [entry["library"].rsplit("/", 1)[-1] for entry in config["hooks-libraries"]]


OWN = {"kea_dhcp4_extra": {"hooks-libraries": [{"library": "libdhcp_host_cmds.so"}]}}
BACKEND = {"kea_dhcp4_extra": {"hosts-database": {"type": "mysql", "name": "kea"}}}


@pytest.mark.parametrize(
    ("group", "added"),
    [
        ({"kea_apply": "rolling"}, []),
        ({"kea_apply": "live"}, ["libdhcp_subnet_cmds.so", "libdhcp_host_cmds.so"]),
        (OWN, ["libdhcp_subnet_cmds.so", "libdhcp_host_cmds.so"]),
        (BACKEND, []),
    ],
    ids=["rolling", "live", "one of them is there already", "a database of reservations"],
)
def test_hooks_for_live_changes(group, added):
    assert hooks_of(rendered("3.0.4", group=group))[2:] == added


@pytest.mark.parametrize("version", ["2.4.1", "2.6.3", "3.0.4"])
def test_the_agent_has_the_port_to_itself(version):
    config = rendered(version, group=AGENT)
    assert config["multi-threading"] == ha(config)["multi-threading"] == {"enable-multi-threading": False}
    assert "restrict-commands" not in ha(config)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("tls", [True, False])
def test_listener(version, tls):
    config = rendered(version, group={**LISTENER, "kea_tls_enabled": tls, "kea_accept_cleartext_api": True})
    assert config["multi-threading"] == {
        "enable-multi-threading": True,
        "thread-pool-size": 0,
        "packet-queue-size": 64,
    }
    assert ha(config)["multi-threading"] == {
        "enable-multi-threading": True,
        "http-dedicated-listener": True,
        "http-listener-threads": 0,
        "http-client-threads": 0,
    }
    assert ha(config)["restrict-commands"] is True
    assert not any("basic-auth-user" in peer for peer in ha(config)["peers"])


def test_threads_and_queue():
    threads = {"thread_pool_size": 8, "packet-queue-size": 0}
    config = rendered("2.2.0", group={**LISTENER, "kea_multi_threading": threads})
    assert config["multi-threading"] == {
        "enable-multi-threading": True,
        "thread-pool-size": 8,
        "packet-queue-size": 0,
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transport", ["control_agent", "listener"])
@pytest.mark.parametrize("tls", [True, False])
def test_the_url_says_whether_tls_is_on_and_each_host_names_its_own_files_once(version, transport, tls):
    config = rendered(version, group={"kea_ha_transport": transport, "kea_tls_enabled": tls})
    schemes = {peer["url"].split(":")[0] for peer in ha(config)["peers"]}
    assert schemes == {"https" if tls else "http"}
    found = {key: ha(config)[key] for key in (*FILES, "require-client-certs") if key in ha(config)}
    assert found == ({**FILES, "require-client-certs": True} if tls else {})
    assert not any({*FILES, "require-client-certs"} & set(peer) for peer in ha(config)["peers"])


def test_the_default_of_three_is_the_listener_with_tls_and_the_api_of_the_server():
    for version in ("3.0.4", "3.2.0"):
        config = rendered(version)
        assert ha(config)["peers"][0]["url"] == "https://192.168.1.2:8000/"
        unix, https = config["control-sockets"]
        assert unix == {"socket-type": "unix", "socket-name": "/run/kea/kea4-ctrl-socket"}
        assert https == {
            "socket-type": "https",
            "socket-address": "192.168.1.2",
            "socket-port": 8001,
            "authentication": {
                "type": "basic",
                "realm": "kea-dhcp4",
                "directory": "/etc/kea",
                "clients": [{"user": "kea-api", "password-file": "kea-api-password"}],
            },
            **FILES,
            "cert-required": True,
        }


@pytest.mark.parametrize("version", ["3.0.4", "3.2.0"])
def test_api_of_the_server_without_tls(version):
    _unix, http = rendered(version, group={**LISTENER, "kea_tls_enabled": False})["control-sockets"]
    assert http["socket-type"] == "http"
    assert not {*FILES, "cert-required"} & set(http)


@pytest.mark.parametrize(("transport", "port"), [("control_agent", 8000), ("listener", 8001)])
@pytest.mark.parametrize("version", WITH_AGENT)
@pytest.mark.parametrize("tls", [True, False])
def test_agent(version, transport, port, tls):
    group = {"kea_ha_transport": transport, "kea_tls_enabled": tls, "kea_api": "control_agent"}
    agent = rendered(version, "ctrl_agent", group=group)
    assert (agent["http-host"], agent["http-port"]) == ("192.168.1.2", port)
    assert agent["authentication"]["clients"] == [{"user": "kea-api", "password-file": "kea-api-password"}]
    found = {key: agent[key] for key in (*FILES, "cert-required") if key in agent}
    assert found == ({**FILES, "cert-required": True} if tls else {})


# version, transport, kea_api: who offers the API, whether there is an agent, sockets of the server
API = {
    ("2.2.0", "control_agent", None): ("control_agent", True, None),
    ("2.6.3", "listener", None): ("control_agent", True, None),
    ("2.6.3", "listener", "none"): ("none", False, None),
    ("3.0.4", "control_agent", None): ("control_agent", True, ["unix"]),
    ("3.0.4", "listener", None): ("control_socket", False, ["unix", "https"]),
    ("3.0.4", "listener", "control_agent"): ("control_agent", True, ["unix"]),
    ("3.0.4", "listener", "control_socket"): ("control_socket", False, ["unix", "https"]),
    ("3.0.4", "listener", "none"): ("none", False, ["unix"]),
    ("3.2.0", "listener", None): ("control_socket", False, ["unix", "https"]),
    ("3.2.0", "listener", "none"): ("none", False, ["unix"]),
}


@pytest.mark.parametrize("case", API, ids=lambda case: "-".join(str(part) for part in case))
def test_who_offers_the_api(case):
    version, transport, api = case
    offered, agent, sockets = API[case]
    group = {"kea_ha_transport": transport, "kea_api": api}
    pair = pair_of(version, **group)
    assert _render.api_of(pair, dialect_for(version)) == offered
    assert _render.has_agent(pair, dialect_for(version)) is agent
    found = rendered(version, group=group).get("control-sockets")
    assert (found and [entry["socket-type"] for entry in found]) == sockets


def test_each_server_offers_the_api_as_its_version_can():
    pair, _findings = build(LISTENER, dhcp1={"kea_version": "2.6.3"}, dhcp2={"kea_version": "3.0.4"})
    offered = [_render.api_of(pair, server.dialect) for server in pair.servers]
    assert offered == ["control_agent", "control_socket"]


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
    assert "authentication" not in rendered("3.0.4", group={"kea_api_auth": False})["control-sockets"][1]


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
    config = rendered("2.2.0", platform=platform, group={"kea_tls_enabled": True})
    assert ha(config)["key-file"] == f"{platform.config_dir}/tls/current/key.pem"
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
    assert "kea_tls_enabled" in text
    assert text.endswith("}\n")
    assert loads(text) == {"Dhcp4": {"comment": "ä // no comment"}}
