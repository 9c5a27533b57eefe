# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing what an inventory gives with Kea's own templates, key by key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import yaml
from ansible_collections.keaops.kea.plugins.module_utils._dialect import dialect_for, offline_platform
from ansible_collections.keaops.kea.plugins.module_utils._findings import check
from ansible_collections.keaops.kea.plugins.module_utils._jsonc import loads
from ansible_collections.keaops.kea.plugins.module_utils._model import RawHost, build_pair
from ansible_collections.keaops.kea.plugins.module_utils._render import render_ctrl_agent, render_dhcp4

ROOT = Path(__file__).resolve().parents[2]
SEED = ROOT / "tests" / "fixtures" / "seed"
VERSIONS = {"2.2": "2.2.0", "2.6": "2.6.3", "3.0": "3.0.4"}
RENDERERS = {"dhcp4": render_dhcp4, "ca": render_ctrl_agent}
ABSENT = "absent"
HA = "Dhcp4.hooks-libraries[1].parameters.high-availability[0]"
HOOKS = "/usr/lib/x86_64-linux-gnu/kea/hooks"


class Deviation(NamedTuple):
    """One value in which we differ from the template on purpose; {n} and {address} are those of the server."""

    path: str
    ours: object
    template: object
    reason: str
    series: tuple[str, ...] = ("2.2", "2.6", "3.0")

    @property
    def line(self) -> str:
        """The row of docs/deviations.md."""
        ours, template = ("-" if value == ABSENT else f"`{json.dumps(value)}`" for value in (self.ours, self.template))
        return f"| `{self.path}` | {ours} | {template} | {', '.join(self.series)} | {self.reason} |"


DEAF = (
    "Kea must not sit deaf when its interface comes up late: it waits 5 x 5 s, then fails aloud and is started again."
)
SECURE_RUN = "/tmp is for everybody: a local user could put a socket of his own there. Kea 2.6 and later refuse it."
SECURE_LOG = (
    "Only /var/log/kea is writable for the service; Kea 2.2 loses its log silently, 2.6 and later refuse the path."
)
SUBNET_ID = (
    "Leases belong to the id. Kea 2.6 and later demand it; older ones number by position, so a new subnet moves others."
)
TIMERS = "A planned change costs clients one heartbeat; kea_ha_profile: template gives the template's timers."
LOG_SIZE = "A heartbeat leaves lines in the log, and here there are more of them."
SPELLING = "Kea 2.6 spells the key output-options."
BY_NAME = "Kea 2.6.3 and later find their own hooks by name; other folders are refused."
SOCKETS = "Kea 3.0 has a list of control sockets."
LIVE = (
    "By these hooks subnets and reservations of a running server are changed, without a restart;"
    " kea_apply: rolling does without them."
)

# What both templates have in common.
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
    Deviation(
        "Dhcp4.hooks-libraries[0].library",
        "libdhcp_lease_cmds.so",
        f"{HOOKS}/libdhcp_lease_cmds.so",
        BY_NAME,
        ("2.6", "3.0"),
    ),
    Deviation("Dhcp4.hooks-libraries[1].library", "libdhcp_ha.so", f"{HOOKS}/libdhcp_ha.so", BY_NAME, ("2.6", "3.0")),
    Deviation("Dhcp4.hooks-libraries[2].library", "libdhcp_subnet_cmds.so", ABSENT, LIVE, ("3.0",)),
    Deviation("Dhcp4.hooks-libraries[3].library", "libdhcp_host_cmds.so", ABSENT, LIVE, ("3.0",)),
    Deviation(f"{HA}.heartbeat-delay", 1000, 10000, TIMERS),
    Deviation(f"{HA}.max-response-delay", 10000, 60000, TIMERS),
    Deviation(f"{HA}.max-ack-delay", 2000, 5000, TIMERS),
    Deviation(f"{HA}.max-unacked-clients", 2, 5, TIMERS),
    Deviation("Dhcp4.subnet4[0].id", 1, ABSENT, SUBNET_ID),
    Deviation(
        "Dhcp4.loggers[0].output_options[0].output",
        "/var/log/kea/kea-dhcp4.log",
        "/var/log/kea-dhcp4.log",
        SECURE_LOG,
        ("2.2",),
    ),
    Deviation("Dhcp4.loggers[0].output_options[0].maxsize", 10240000, 2048000, LOG_SIZE, ("2.2",)),
    Deviation("Dhcp4.loggers[0].output_options[0].output", ABSENT, "/var/log/kea-dhcp4.log", SPELLING, ("2.6", "3.0")),
    Deviation("Dhcp4.loggers[0].output_options[0].maxsize", ABSENT, 2048000, SPELLING, ("2.6", "3.0")),
    Deviation("Dhcp4.loggers[0].output_options[0].maxver", ABSENT, 4, SPELLING, ("2.6", "3.0")),
    Deviation(
        "Dhcp4.loggers[0].output-options[0].output", "/var/log/kea/kea-dhcp4.log", ABSENT, SECURE_LOG, ("2.6", "3.0")
    ),
    Deviation("Dhcp4.loggers[0].output-options[0].maxsize", 10240000, ABSENT, LOG_SIZE, ("2.6", "3.0")),
    Deviation("Dhcp4.loggers[0].output-options[0].maxver", 4, ABSENT, SPELLING, ("2.6", "3.0")),
)

_AGENT_LOG = {
    "flush": True,
    "maxver": 4,
    "pattern": "%d{%y.%m.%d %H:%M:%S.%q} %-5p [%c/%i] %m\n",
}
CTRL_AGENT = (
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
    Deviation("Control-agent.loggers[0].output_options[0].maxsize", 1024000, 204800, LOG_SIZE, ("2.2",)),
    Deviation("Control-agent.loggers[0].output_options[0].maxsize", ABSENT, 204800, SPELLING, ("2.6", "3.0")),
    Deviation("Control-agent.loggers[0].output-options[0].maxsize", 1024000, ABSENT, LOG_SIZE, ("2.6", "3.0")),
    *(
        Deviation(f"Control-agent.loggers[0].{key}[0].{name}", ours, template, SPELLING, ("2.6", "3.0"))
        for name, value in _AGENT_LOG.items()
        for key, ours, template in (("output_options", ABSENT, value), ("output-options", value, ABSENT))
    ),
)


def authentication(path: str, realm: str, reason: str, series: tuple[str, ...] = ("2.2", "2.6", "3.0")):
    """Return the rows of a block that asks for the password."""
    values = {
        "type": "basic",
        "realm": realm,
        "directory": "/etc/kea",
        "clients[0].user": "kea-api",
        "clients[0].password-file": "kea-api-password",
    }
    return tuple(Deviation(f"{path}.{key}", value, ABSENT, reason, series) for key, value in values.items())


def flat(value, path=""):
    """Return {path: leaf}; empty containers are leaves, so that they are not overlooked."""
    if isinstance(value, dict) and value:
        parts = (flat(item, f"{path}.{key}" if path else key) for key, item in value.items())
    elif isinstance(value, list) and value:
        parts = (flat(item, f"{path}[{index}]") for index, item in enumerate(value))
    else:
        return {path: value}
    return {key: leaf for part in parts for key, leaf in part.items()}


def hosts(inventory, version, **more):
    """Read an inventory of this repository without Ansible."""
    group = yaml.safe_load((ROOT / "inventories" / inventory / "hosts.yml").read_text(encoding="utf-8"))["kea"]
    return [
        RawHost(name, {**group["vars"], **host_vars, "kea_version": version, **more})
        for name, host_vars in group["hosts"].items()
    ]


def rendered(inventory, host, daemon, version, **more):
    """Return a configuration as an inventory gives it; preflight must have nothing to say."""
    pair, known = build_pair("kea", hosts(inventory, version, **more))
    assert [item for item in check(pair, known) if item.severity != "info"] == []
    return RENDERERS[daemon](pair, pair.server(host), dialect_for(version), offline_platform())


def differences(ours, template_name):
    """Return {(path, ours, template)} of all leaves that are not equal, types included."""
    template = loads((SEED / template_name).read_text(encoding="utf-8"))
    left, right = flat(ours), flat(template)
    return {
        (path, json.dumps(left.get(path, ABSENT)), json.dumps(right.get(path, ABSENT)))
        for path in {*left, *right}
        if path not in left or path not in right or json.dumps(left[path]) != json.dumps(right[path])
    }


def expected(rows, series, number):
    """Return the same of the deviations of a Kea series, for the server of this number."""

    def filled(value):
        text = json.dumps(value)
        return text.replace("{n}", str(number)).replace("{address}", f"192.168.1.{number + 1}")

    return {(row.path, filled(row.ours), filled(row.template)) for row in rows if series in row.series}


def documented(section):
    """Return the rows of a section of docs/deviations.md."""
    text = (ROOT / "docs" / "deviations.md").read_text(encoding="utf-8")
    part = text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return [line for line in part.splitlines() if line.startswith("| `")]
