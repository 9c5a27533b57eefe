# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""inventories/home gives Kea's own home template, key by key, but for the deviations listed here and in the docs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from ansible_collections.keaops.kea.plugins.module_utils._dialect import dialect_for, offline_platform
from ansible_collections.keaops.kea.plugins.module_utils._findings import check
from ansible_collections.keaops.kea.plugins.module_utils._jsonc import loads
from ansible_collections.keaops.kea.plugins.module_utils._model import RawHost, build_pair
from ansible_collections.keaops.kea.plugins.module_utils._render import render_ctrl_agent, render_dhcp4

ROOT = Path(__file__).resolve().parents[2]
SEED = ROOT / "tests" / "fixtures" / "seed"
ABSENT = "absent"
HA = "Dhcp4.hooks-libraries[1].parameters.high-availability[0]"
HOOKS = "/usr/lib/x86_64-linux-gnu/kea/hooks"


class Deviation(NamedTuple):
    """One value in which we differ from the template on purpose."""

    path: str
    ours: object
    template: object
    reason: str
    series: tuple[str, ...] = ("2.2", "2.6", "3.0")


DEAF = (
    "Kea must not sit deaf when its interface comes up late: it waits 5 x 5 s, then fails aloud and is started again."
)
SECURE_RUN = "/tmp is for everybody: a local user could put a socket of his own there. Kea 2.6 and later refuse it."
SECURE_LOG = (
    "Only /var/log/kea is writable for the service; Kea 2.2 loses its log silently, 2.6 and later refuse the path."
)
PASSWORD = "The template's agent obeys everybody on the network; kea_api_auth: false gives that back."
SUBNET_ID = (
    "Leases belong to the id. Kea 2.6 and later demand it; older ones number by position, so a new subnet moves others."
)
SPELLING = "Kea 2.6 spells the key output-options."
BY_NAME = "Kea 2.6.3 and later find their own hooks by name; other folders are refused."
SINGLE = "Multi-threaded (the default since 2.4) Kea opens the peer's port itself, and the Control Agent cannot."
SOCKETS = "Kea 3.0 has a list of control sockets."

DHCP4 = (
    Deviation("Dhcp4.interfaces-config.service-sockets-max-retries", 5, ABSENT, DEAF),
    Deviation("Dhcp4.interfaces-config.service-sockets-retry-wait-time", 5000, ABSENT, DEAF),
    Deviation("Dhcp4.interfaces-config.service-sockets-require-all", True, ABSENT, DEAF),
    Deviation(
        "Dhcp4.control-socket.socket-name",
        "/run/kea/kea4-ctrl-socket",
        "/tmp/kea4-ctrl-socket",
        SECURE_RUN,
        ("2.2", "2.6"),
    ),
    Deviation("Dhcp4.control-socket.socket-type", ABSENT, "unix", SOCKETS, ("3.0",)),
    Deviation("Dhcp4.control-socket.socket-name", ABSENT, "/tmp/kea4-ctrl-socket", SOCKETS, ("3.0",)),
    Deviation("Dhcp4.control-sockets[0].socket-type", "unix", ABSENT, SOCKETS, ("3.0",)),
    Deviation("Dhcp4.control-sockets[0].socket-name", "/run/kea/kea4-ctrl-socket", ABSENT, SECURE_RUN, ("3.0",)),
    Deviation("Dhcp4.multi-threading.enable-multi-threading", False, ABSENT, SINGLE, ("2.6", "3.0")),
    Deviation(
        "Dhcp4.hooks-libraries[0].library",
        "libdhcp_lease_cmds.so",
        f"{HOOKS}/libdhcp_lease_cmds.so",
        BY_NAME,
        ("2.6", "3.0"),
    ),
    Deviation("Dhcp4.hooks-libraries[1].library", "libdhcp_ha.so", f"{HOOKS}/libdhcp_ha.so", BY_NAME, ("2.6", "3.0")),
    Deviation(f"{HA}.multi-threading.enable-multi-threading", False, ABSENT, SINGLE, ("2.6", "3.0")),
    Deviation(f"{HA}.peers[0].basic-auth-user", "kea-api", ABSENT, PASSWORD),
    Deviation(f"{HA}.peers[0].basic-auth-password-file", "/etc/kea/kea-api-password", ABSENT, PASSWORD),
    Deviation(f"{HA}.peers[1].basic-auth-user", "kea-api", ABSENT, PASSWORD),
    Deviation(f"{HA}.peers[1].basic-auth-password-file", "/etc/kea/kea-api-password", ABSENT, PASSWORD),
    Deviation("Dhcp4.subnet4[0].id", 1, ABSENT, SUBNET_ID),
    Deviation(
        "Dhcp4.loggers[0].output_options[0].output",
        "/var/log/kea/kea-dhcp4.log",
        "/var/log/kea-dhcp4.log",
        SECURE_LOG,
        ("2.2",),
    ),
    Deviation("Dhcp4.loggers[0].output_options[0].output", ABSENT, "/var/log/kea-dhcp4.log", SPELLING, ("2.6", "3.0")),
    Deviation("Dhcp4.loggers[0].output_options[0].maxsize", ABSENT, 2048000, SPELLING, ("2.6", "3.0")),
    Deviation("Dhcp4.loggers[0].output_options[0].maxver", ABSENT, 4, SPELLING, ("2.6", "3.0")),
    Deviation(
        "Dhcp4.loggers[0].output-options[0].output", "/var/log/kea/kea-dhcp4.log", ABSENT, SECURE_LOG, ("2.6", "3.0")
    ),
    Deviation("Dhcp4.loggers[0].output-options[0].maxsize", 2048000, ABSENT, SPELLING, ("2.6", "3.0")),
    Deviation("Dhcp4.loggers[0].output-options[0].maxver", 4, ABSENT, SPELLING, ("2.6", "3.0")),
)

AGENT_LOG = {
    "flush": True,
    "maxsize": 204800,
    "maxver": 4,
    "pattern": "%d{%y.%m.%d %H:%M:%S.%q} %-5p [%c/%i] %m\n",
}
CTRL_AGENT = (
    Deviation("Control-agent.authentication.type", "basic", ABSENT, PASSWORD),
    Deviation("Control-agent.authentication.realm", "kea-control-agent", ABSENT, PASSWORD),
    Deviation("Control-agent.authentication.directory", "/etc/kea", ABSENT, PASSWORD),
    Deviation("Control-agent.authentication.clients[0].user", "kea-api", ABSENT, PASSWORD),
    Deviation("Control-agent.authentication.clients[0].password-file", "kea-api-password", ABSENT, PASSWORD),
    *(
        Deviation(
            f"Control-agent.control-sockets.{name}.socket-name", f"/run/kea/{socket}", f"/tmp/{socket}", SECURE_RUN
        )
        for name, socket in (
            ("dhcp4", "kea4-ctrl-socket"),
            ("dhcp6", "kea6-ctrl-socket"),
            ("d2", "kea-ddns-ctrl-socket"),
        )
    ),
    Deviation(
        "Control-agent.loggers[0].output_options[0].output",
        "/var/log/kea/kea-ctrl-agent.log",
        "/var/log/kea-ctrl-agent.log",
        SECURE_LOG,
        ("2.2",),
    ),
    Deviation(
        "Control-agent.loggers[0].output_options[0].output",
        ABSENT,
        "/var/log/kea-ctrl-agent.log",
        SPELLING,
        ("2.6", "3.0"),
    ),
    Deviation(
        "Control-agent.loggers[0].output-options[0].output",
        "/var/log/kea/kea-ctrl-agent.log",
        ABSENT,
        SECURE_LOG,
        ("2.6", "3.0"),
    ),
    *(
        Deviation(f"Control-agent.loggers[0].{key}[0].{name}", ours, template, SPELLING, ("2.6", "3.0"))
        for name, value in AGENT_LOG.items()
        for key, ours, template in (("output_options", ABSENT, value), ("output-options", value, ABSENT))
    ),
)

VERSIONS = {"2.2": "2.2.0", "2.6": "2.6.3", "3.0": "3.0.4"}
RENDERERS = {"dhcp4": (render_dhcp4, DHCP4), "ca": (render_ctrl_agent, CTRL_AGENT)}


def flat(value, path=""):
    """Return {path: leaf}; empty containers are leaves, so that they are not overlooked."""
    if isinstance(value, dict) and value:
        parts = (flat(item, f"{path}.{key}" if path else key) for key, item in value.items())
    elif isinstance(value, list) and value:
        parts = (flat(item, f"{path}[{index}]") for index, item in enumerate(value))
    else:
        return {path: value}
    return {key: leaf for part in parts for key, leaf in part.items()}


def differences(ours, template):
    """Return {(path, ours, template)} of all leaves that are not equal, types included."""
    left, right = flat(ours), flat(template)
    return {
        (path, json.dumps(left.get(path, ABSENT)), json.dumps(right.get(path, ABSENT)))
        for path in {*left, *right}
        if path not in left or path not in right or json.dumps(left[path]) != json.dumps(right[path])
    }


def home_hosts(version):
    """Read inventories/home without Ansible."""
    group = yaml.safe_load((ROOT / "inventories" / "home" / "hosts.yml").read_text(encoding="utf-8"))["kea"]
    return [
        RawHost(name, {**group["vars"], **host_vars, "kea_version": version})
        for name, host_vars in group["hosts"].items()
    ]


def rendered(host, daemon, version):
    pair, known = build_pair("kea", home_hosts(version))
    assert check(pair, known) == []
    return RENDERERS[daemon][0](pair, pair.server(host), dialect_for(version), offline_platform())


@pytest.mark.parametrize("series", VERSIONS)
@pytest.mark.parametrize("daemon", RENDERERS)
@pytest.mark.parametrize("number", [1, 2])
def test_equals_the_template_but_for_the_listed_deviations(number, daemon, series):
    template = loads((SEED / f"home-server{number}-{daemon}.conf").read_text(encoding="utf-8"))
    ours = rendered(f"dhcp{number}", daemon, VERSIONS[series])
    expected = {
        (row.path, json.dumps(row.ours), json.dumps(row.template))
        for row in RENDERERS[daemon][1]
        if series in row.series
    }
    assert differences(ours, template) == expected


@pytest.mark.parametrize("daemon", RENDERERS)
def test_the_two_servers_differ_in_nothing_but_what_must(daemon):
    first, second = (flat(rendered(host, daemon, "2.6.3")) for host in ("dhcp1", "dhcp2"))
    differing = {path for path in {*first, *second} if first.get(path) != second.get(path)}
    assert differing == {"dhcp4": {f"{HA}.this-server-name"}, "ca": {"Control-agent.http-host"}}[daemon]


@pytest.mark.parametrize("row", [*DHCP4, *CTRL_AGENT], ids=lambda row: f"{row.path}-{row.series[0]}")
def test_each_deviation_is_documented(row):
    def shown(value):
        return "-" if value == ABSENT else f"`{json.dumps(value)}`"

    document = (ROOT / "docs" / "deviations.md").read_text(encoding="utf-8")
    line = f"| `{row.path}` | {shown(row.ours)} | {shown(row.template)} | {', '.join(row.series)} | {row.reason} |"
    assert line in document.splitlines()


def test_the_document_lists_nothing_else():
    document = (ROOT / "docs" / "deviations.md").read_text(encoding="utf-8")
    assert len([line for line in document.splitlines() if line.startswith("| `")]) == len(DHCP4) + len(CTRL_AGENT)
