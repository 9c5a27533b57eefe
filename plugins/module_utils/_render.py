# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pair and a host turned into Kea's configuration, as plain dicts. No secret stands in one: passwords are files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import _live_changes, _tls
from ._variables import ROLLING

if TYPE_CHECKING:
    from ._dialect import Dialect, Platform
    from ._model import Pair, Server, SharedNetwork, Subnet

HA_HOOK = "libdhcp_ha.so"
LEASE_HOOK = "libdhcp_lease_cmds.so"
OWN_HOOKS = (LEASE_HOOK, HA_HOOK)
PASSWORD_FILE = "kea-api-password"
# Who keeps subnets or reservations there changes them there.
_DATABASES = ("config-control", "hosts-database", "hosts-databases")

_LISTENER_HA = {
    "enable-multi-threading": True,
    "http-dedicated-listener": True,
    "http-listener-threads": 0,
    "http-client-threads": 0,
}
_SINGLE_THREAD = {"enable-multi-threading": False}
# The sizes of logs are meant for this, in ms; and how many times larger they may get.
_TEMPLATE_HEARTBEAT = 10000
_MOST_LOG = 5


def control_socket(platform: Platform, name: str = "kea4-ctrl-socket") -> str:
    """Return the path of a daemon's UNIX socket."""
    return f"{platform.run_dir}/{name}"


def log_file(platform: Platform, program: str) -> str:
    """Return the path of a daemon's log file."""
    return f"{platform.log_dir}/{program}.log"


def password_file(platform: Platform) -> str:
    """Return the path of the file that holds the API's password."""
    return f"{platform.config_dir}/{PASSWORD_FILE}"


def url(address: str, port: int, tls: bool = False) -> str:
    """Return the URL of a server; Kea takes IP addresses only, and IPv6 ones in brackets."""
    return f"{'https' if tls else 'http'}://{(f'[{address}]' if ':' in address else address)}:{port}/"


def api_of(pair: Pair, dialect: Dialect | None) -> str:
    """Return who offers the API of a host on the network: ``control_agent``, ``control_socket`` or ``none``."""
    if pair.transport == "control_agent":
        return "control_agent"
    by_version = "control_socket" if dialect is not None and dialect.http_control_socket else "control_agent"
    return pair.settings["kea_api"] or by_version


def _tls_files(platform: Platform) -> dict[str, Any]:
    """Return the keys that name a host's own certificate; the same files serve every port."""
    paths = _tls.paths(platform.config_dir)
    return {"trust-anchor": paths.trust_anchor, "cert-file": paths.cert_file, "key-file": paths.key_file}


def ha_peers(pair: Pair, config_dir: str = "/etc/kea") -> list[dict[str, Any]]:
    """Return the list of peers, the same on every host of the pair."""
    peers = []
    for server in pair.servers:
        peer: dict[str, Any] = {
            "name": server.server_name,
            "url": url(server.address or "", pair.settings["kea_ha_port"], pair.tls),
            "role": server.role,
        }
        if server.role == "backup":
            peer["auto-failover"] = False
        if pair.peers_authenticate:
            peer["basic-auth-user"] = pair.settings["kea_api_user"]
            peer["basic-auth-password-file"] = f"{config_dir}/{PASSWORD_FILE}"
        peers.append(peer)
    return peers


def high_availability(pair: Pair, server: Server, dialect: Dialect, platform: Platform) -> dict[str, Any]:
    """Return the parameters of the HA hook."""
    settings = pair.settings
    block: dict[str, Any] = {
        "this-server-name": server.server_name,
        "mode": pair.mode,
        "heartbeat-delay": settings["kea_ha_heartbeat_delay"],
        "max-response-delay": settings["kea_ha_max_response_delay"],
        "max-ack-delay": settings["kea_ha_max_ack_delay"],
        "max-unacked-clients": settings["kea_ha_max_unacked_clients"],
        "sync-timeout": settings["kea_ha_sync_timeout"],
    }
    if pair.tls:
        # Once, not in each peer: Kea opens every peer's files, and nobody has the partner's key.
        block.update(_tls_files(platform))
        block["require-client-certs"] = True
    if pair.transport == "listener":
        block["multi-threading"] = dict(_LISTENER_HA)
        # Without it 2.2 and 2.6 let anybody run every command on the listener.
        block["restrict-commands"] = True
    elif dialect.multi_threading_default:
        # Else Kea opens a listener of its own on the Control Agent's port, and one of the two dies.
        block["multi-threading"] = dict(_SINGLE_THREAD)
    block["peers"] = ha_peers(pair, platform.config_dir)
    return block


def _library(server: Server, dialect: Dialect, platform: Platform, name: str) -> str:
    if server.hooks_dir:
        return f"{server.hooks_dir.rstrip('/')}/{name}"
    return name if dialect.hook_by_name else f"{platform.hooks_dir}/{name}"


def _hooks(pair: Pair, server: Server, dialect: Dialect, platform: Platform) -> list[dict[str, Any]]:
    # Order matters: HA uses the commands of the first one.
    hooks = [
        {"library": _library(server, dialect, platform, LEASE_HOOK)},
        {
            "library": _library(server, dialect, platform, HA_HOOK),
            "parameters": {"high-availability": [high_availability(pair, server, dialect, platform)]},
        },
    ]
    added = server.dhcp4_extra.get("hooks-libraries") or []
    hooks += [
        {"library": _library(server, dialect, platform, name)} for name in _live_hooks(pair, server, dialect, added)
    ]
    for entry in added:
        name = str(entry.get("library", ""))
        hooks.append({**entry, "library": name if "/" in name else _library(server, dialect, platform, name)})
    return hooks


def _live_hooks(pair: Pair, server: Server, dialect: Dialect, added: list[dict[str, Any]]) -> list[str]:
    """Return the hooks by which a running server is changed, but for those that somebody loads already."""
    managed = any(key in server.dhcp4_extra for key in _DATABASES)
    if not dialect.live_hooks or pair.settings["kea_apply"] == ROLLING or managed:
        return []
    names = {str(entry.get("library", "")).rsplit("/", 1)[-1] for entry in added}
    return [name for name in (_live_changes.SUBNET_HOOK, _live_changes.HOST_HOOK) if name not in names]


def _basic_auth(pair: Pair, platform: Platform, realm: str) -> dict[str, Any]:
    return {
        "type": "basic",
        "realm": realm,
        "directory": platform.config_dir,
        "clients": [{"user": pair.settings["kea_api_user"], "password-file": PASSWORD_FILE}],
    }


def _control_sockets(pair: Pair, server: Server, dialect: Dialect, platform: Platform) -> dict[str, Any]:
    unix = {"socket-type": "unix", "socket-name": control_socket(platform)}
    if not dialect.control_socket_list:
        return {"control-socket": unix}
    sockets: list[dict[str, Any]] = [unix]
    if dialect.http_control_socket and api_of(pair, dialect) == "control_socket":
        http: dict[str, Any] = {
            "socket-type": "https" if pair.tls else "http",
            "socket-address": server.address,
            "socket-port": pair.settings["kea_api_port"],
        }
        if pair.settings["kea_api_auth"]:
            http["authentication"] = _basic_auth(pair, platform, "kea-dhcp4")
        if pair.tls:
            http.update(_tls_files(platform))
            http["cert-required"] = True
        sockets.append(http)
    return {"control-sockets": sockets}


def _subnet(subnet: Subnet) -> dict[str, Any]:
    body: dict[str, Any] = {"id": subnet.id, "subnet": str(subnet.network)}
    if subnet.interface:
        body["interface"] = subnet.interface
    if subnet.relays:
        body["relay"] = {"ip-addresses": subnet.relays}
    body["pools"] = [pool.body for pool in subnet.pools]
    if subnet.options:
        body["option-data"] = subnet.options
    body.update(subnet.rest)
    if subnet.reservations:
        body["reservations"] = [entry.body for entry in subnet.reservations]
    return body


def _shared_network(network: SharedNetwork) -> dict[str, Any]:
    body: dict[str, Any] = {"name": network.name}
    if network.interface:
        body["interface"] = network.interface
    if network.relays:
        body["relay"] = {"ip-addresses": network.relays}
    if network.options:
        body["option-data"] = network.options
    body.update(network.rest)
    body["subnet4"] = [_subnet(subnet) for subnet in network.subnets]
    return body


def _log_size(pair: Pair, size: int) -> int:
    """Return when a log is turned over: the template's size, or more where more heartbeats are logged."""
    often = _TEMPLATE_HEARTBEAT // pair.settings["kea_ha_heartbeat_delay"]
    return size * min(max(often, 1), _MOST_LOG)


def lease_view(server: Server) -> list[dict[str, Any]]:
    """Return of a host's subnets, in Kea's form, what decides whether a lease fits."""
    return [
        {
            "id": subnet.id,
            "subnet": str(subnet.network),
            "pools": [{"pool": pool.body["pool"]} for pool in subnet.pools],
            "reservations": [
                {entry.kind: entry.identifier, "ip-address": entry.body["ip-address"]}
                for entry in subnet.reservations
                if entry.address is not None
            ],
        }
        for subnet in server.every_subnet
    ]


def _logger(dialect: Dialect, name: str, output: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, dialect.output_options: [output], "severity": "INFO", "debuglevel": 0}


def _merge_loggers(ours: list[dict[str, Any]], extra: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A logger of the same name is changed, any other is added."""
    merged = {logger["name"]: logger for logger in ours}
    for logger in extra:
        name = str(logger.get("name"))
        merged[name] = {**merged.get(name, {}), **logger}
    return list(merged.values())


def _merge(base: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """Maps are merged, anything else is replaced."""
    result = dict(base)
    for key, value in extra.items():
        ours = result.get(key)
        result[key] = _merge(ours, value) if isinstance(ours, dict) and isinstance(value, dict) else value
    return result


def _with_extra(body: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """Merge a host's own keys last; hooks were appended already."""
    plain = {key: value for key, value in extra.items() if key not in ("hooks-libraries", "loggers")}
    merged = _merge(body, plain)
    merged["loggers"] = _merge_loggers(body["loggers"], extra.get("loggers") or [])
    return merged


def render_dhcp4(pair: Pair, server: Server, dialect: Dialect, platform: Platform) -> dict[str, Any]:
    """Return the whole configuration of kea-dhcp4 for one host."""
    settings = pair.settings
    body: dict[str, Any] = {
        "interfaces-config": {
            "interfaces": list(server.interfaces),
            # Kea must not sit deaf because its interface came up late: wait for it, then fail aloud.
            "service-sockets-max-retries": 5,
            "service-sockets-retry-wait-time": 5000,
            "service-sockets-require-all": True,
        }
    }
    body.update(_control_sockets(pair, server, dialect, platform))
    if pair.transport == "listener":
        body["multi-threading"] = {"enable-multi-threading": True, **settings["kea_multi_threading"]}
    elif dialect.multi_threading_default:
        body["multi-threading"] = dict(_SINGLE_THREAD)
    body["lease-database"] = {"type": "memfile"}
    body["valid-lifetime"] = settings["kea_valid_lifetime"]
    body["renew-timer"] = settings["kea_renew_timer"]
    body["rebind-timer"] = settings["kea_rebind_timer"]
    body["expired-leases-processing"] = settings["kea_expired_leases_processing"]
    body["hooks-libraries"] = _hooks(pair, server, dialect, platform)
    if server.options:
        body["option-data"] = server.options
    body["subnet4"] = [_subnet(subnet) for subnet in server.subnets]
    if server.networks:
        body["shared-networks"] = [_shared_network(network) for network in server.networks]
    if server.reservations:
        body["reservations"] = [entry.body for entry in server.reservations]
    output = {"output": log_file(platform, "kea-dhcp4"), "maxsize": _log_size(pair, 2048000), "maxver": 4}
    body["loggers"] = [_logger(dialect, "kea-dhcp4", output)]
    return {"Dhcp4": _with_extra(body, server.dhcp4_extra)}


def has_agent(pair: Pair, dialect: Dialect) -> bool:
    """Tell whether this host runs a Control Agent, as transport or beside the listener."""
    return dialect.agent and api_of(pair, dialect) == "control_agent"


def render_ctrl_agent(pair: Pair, server: Server, dialect: Dialect, platform: Platform) -> dict[str, Any]:
    """Return the whole configuration of kea-ctrl-agent for one host."""
    body: dict[str, Any] = {"http-host": server.address, "http-port": pair.api_port}
    if pair.tls:
        body.update(_tls_files(platform))
        body["cert-required"] = True
    if pair.settings["kea_api_auth"]:
        body["authentication"] = _basic_auth(pair, platform, "kea-control-agent")
    body["control-sockets"] = {
        "dhcp4": {
            "comment": "socket to DHCP4 server",
            "socket-type": "unix",
            "socket-name": control_socket(platform),
        },
        "dhcp6": {"socket-type": "unix", "socket-name": control_socket(platform, "kea6-ctrl-socket")},
        "d2": {
            "socket-type": "unix",
            "socket-name": control_socket(platform, "kea-ddns-ctrl-socket"),
            "user-context": {"in-use": False},
        },
    }
    output = {
        "output": log_file(platform, "kea-ctrl-agent"),
        "flush": True,
        "maxsize": _log_size(pair, 204800),
        "maxver": 4,
        "pattern": "%d{%y.%m.%d %H:%M:%S.%q} %-5p [%c/%i] %m\n",
    }
    body["loggers"] = [_logger(dialect, "kea-ctrl-agent", output)]
    return {"Control-agent": _with_extra(body, server.ctrl_agent_extra)}


_FED_BY = {
    "dhcp4": (
        "kea_interfaces, kea_subnets, kea_option_data, kea_valid_lifetime, kea_renew_timer, kea_rebind_timer,",
        "kea_expired_leases_processing, kea_ha_*, kea_server_name, kea_multi_threading, kea_api, kea_api_*,",
        "kea_tls_enabled, kea_hooks_dir, kea_apply; further keys: kea_dhcp4_extra.",
    ),
    "ctrl_agent": (
        "kea_ha_address, kea_ha_port, kea_ha_transport, kea_api, kea_api_*, kea_tls_enabled;",
        "further keys: kea_ctrl_agent_extra.",
    ),
}


def header(pair: Pair, server: Server, daemon: str) -> list[str]:
    """Return the comment lines (without the comment sign) that stand at the top of a rendered file."""
    return [
        "Managed by Ansible, collection keaops.kea: do not edit, changes made here are overwritten.",
        f"Host {server.host}, server {server.server_name}, {server.role} of the pair {pair.name}.",
        "Change it in the inventory. Variables that feed this file:",
        *("  " + line for line in _FED_BY[daemon]),
    ]


def document(lines: list[str], content: dict[str, Any]) -> str:
    """Return the text of a configuration file: header comment and JSON."""
    head = "".join("// {}\n".format(line.replace("\n", " ")) for line in lines)
    return head + json.dumps(content, indent=2, ensure_ascii=False) + "\n"
