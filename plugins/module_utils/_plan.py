# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything one host needs to know, decided in one place: the plan the roles read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _render, _running

if TYPE_CHECKING:
    from ._dialect import Dialect, Platform
    from ._model import Pair, Server

_PROGRAMS = {"dhcp4": "kea-dhcp4", "ctrl_agent": "kea-ctrl-agent"}
_DHCP_PORT = 67

# A network interface that comes up late makes Kea exit: try for some minutes, so that it never sits there deaf or dead.
UNIT_SETTINGS = """\
# Managed by Ansible (keaops.kea). Changes by hand will be overwritten.
[Unit]
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=300
StartLimitBurst=50

[Service]
Restart=on-failure
RestartSec=5
"""


class PlanError(ValueError):
    """There is no plan for this host; the text is a sentence for users. Preflight reports the same as findings."""


def _dhcp4(server: Server) -> dict[str, Any]:
    """Return what is known of a host's DHCPv4 daemon."""
    return (((server.facts or {}).get("kea") or {}).get("daemons") or {}).get("dhcp4") or {}


def _ha_state(server: Server) -> dict[str, Any]:
    """Return the HA state of a running server; empty without one."""
    state = _dhcp4(server).get("ha") or {}
    return state if state.get("ha", bool(state)) else {}


def serves(server: Server) -> bool:
    """Tell whether clients may depend on this host now.

    An active unit proves nothing: after a failed reload of its hooks Kea lives on and serves nobody. So either HA is at
    work, or Kea at least listens for clients (a server that was there before this collection).
    """
    if not _dhcp4(server).get("active"):
        return False
    sockets = ((server.facts or {}).get("kea") or {}).get("sockets") or []
    listens = any(
        entry.get("protocol") == "udp"
        and entry.get("port") == _DHCP_PORT
        and str(entry.get("process") or "kea-dhcp4").startswith("kea-dhcp4")
        for entry in sockets
    )
    return bool(_ha_state(server)) or listens


def breaking_changes(pair: Pair) -> dict[str, list[str]]:
    """Return, by host, what changes in how serving hosts talk to their partner: nothing of it can be rolled out.

    With one server changed and the other not yet, neither would hear the other, and in the end both would serve.
    """
    found = {}
    for server in pair.servers:
        live = _dhcp4(server).get("link")
        if not live or not serves(server) or server.dialect is None or server.platform is None:
            continue
        wanted = _running.link_of(_render.render_dhcp4(pair, server, server.dialect, server.platform)) or {}
        changes = [key for key in live if live[key] != wanted.get(key)]
        if pair.settings["kea_api_auth"] and (server.facts or {}).get("secret_changes"):
            changes.append("password of the API")
        if changes:
            found[server.host] = changes
    return found


def together(pair: Pair) -> bool:
    """Tell whether both servers are changed at once: only with consent, when the two could not talk otherwise.

    That is so during a breaking change, and after one that was interrupted half-way.
    """
    if not pair.settings["kea_accept_outage"]:
        return False
    states = [_ha_state(server).get("state") for server in pair.servers if _ha_state(server)]
    return any(state != pair.mode for state in states) or bool(breaking_changes(pair))


def turn_of(pair: Pair, server: Server) -> int:
    """Return 1 for the hosts that are changed first, 2 for the one whose partner must have come through before.

    A host that serves nobody is never waited for. When both serve, the one that answers clients goes last: that is the
    primary, or the standby when it has taken over.
    """
    partner = pair.partner_of(server)
    if server.role == "backup" or partner is None or not serves(server) or together(pair):
        return 1
    if not serves(partner):
        return 2
    mine, theirs = (bool(_ha_state(one).get("scopes")) for one in (server, partner))
    if mine != theirs:
        return 2 if mine else 1
    return 2 if server.role == "primary" else 1


def gate_ha_states(pair: Pair, server: Server) -> list[str]:
    """Return the states in which a working server may be interrupted: only when its partner can stand in."""
    if pair.settings["kea_accept_outage"] or not _ha_state(server):
        return []
    return [pair.mode]


def wait_ha_states(pair: Pair, server: Server) -> list[str]:
    """Return the states a changed server must reach before its partner's turn.

    Without a partner at work there is nothing to wait for: both start together, and verify waits for both.
    """
    partner = pair.partner_of(server)
    if partner is None or not _ha_state(partner) or together(pair):
        return []
    return [pair.mode]


def first_deployment(pair: Pair) -> bool:
    """Tell whether no host of the pair was ever brought to serve by this collection, and none serves otherwise."""
    return not any(_dhcp4(server).get("marker") or serves(server) for server in pair.servers)


def ha_timeout(pair: Pair) -> int:
    """Return how long a pair may take to reach its working state, in seconds.

    One heartbeat per step of waiting, syncing, ready and hot-standby; the lease sync; and time for the services.
    """
    heartbeat = pair.settings["kea_ha_heartbeat_delay"]
    sync = pair.settings["kea_ha_sync_timeout"]
    return -(-(4 * heartbeat + sync) // 1000) + 30


def _packages(daemons: list[str], platform: Platform) -> list[str]:
    return list(dict.fromkeys(name for daemon in daemons for name in platform.packages[daemon]))


def _daemon(pair: Pair, server: Server, name: str, dialect: Dialect, platform: Platform) -> dict[str, Any]:
    program = _PROGRAMS[name]
    render = {"dhcp4": _render.render_dhcp4, "ctrl_agent": _render.render_ctrl_agent}[name]
    return {
        "unit": platform.units[name],
        "config_file": f"{platform.config_dir}/{program}.conf",
        "control_socket": _render.control_socket(platform) if name == "dhcp4" else None,
        "executable": platform.executables[name],
        "content": render(pair, server, dialect, platform),
        "header": _render.header(pair, server, name),
        "test_hooks": name == "dhcp4" and dialect.test_hooks_usable(pair.transport),
        "log_file": _render.log_file(platform, program),
        "unit_settings": UNIT_SETTINGS,
        # The daemons read it when they start.
        "watch_files": [_render.password_file(platform)] if pair.settings["kea_api_auth"] else [],
    }


def _short(server: Server) -> dict[str, Any]:
    return {
        "host": server.host,
        "role": server.role,
        "server_name": server.server_name,
        "address": server.address,
    }


def _peer(pair: Pair, partner: Server, platform: Platform) -> dict[str, Any]:
    """Return the arguments of kea_peer: how this host reaches its partner, over the URL the servers themselves use."""
    authenticated = pair.settings["kea_api_auth"]
    address = partner.address or ""
    # The HA listener refuses config-get, so that is asked elsewhere.
    elsewhere = pair.api_port != pair.settings["kea_ha_port"]
    return {
        "url": _render.url(address, pair.settings["kea_ha_port"]),
        "config_url": _render.url(address, pair.api_port) if elsewhere else None,
        "user": pair.settings["kea_api_user"] if authenticated else None,
        "password_file": _render.password_file(platform) if authenticated else None,
        "socket": _render.control_socket(platform),
        "server_name": partner.server_name,
        "expect": pair.settings["kea_expect"],
    }


def _ha(pair: Pair) -> dict[str, Any]:
    names = ("heartbeat_delay", "max_response_delay", "max_ack_delay", "max_unacked_clients", "sync_timeout")
    settings = {name: pair.settings["kea_ha_" + name] for name in names}
    return {"mode": pair.mode, "port": pair.settings["kea_ha_port"], **settings}


def host_plan(pair: Pair, host: str) -> dict[str, Any]:
    """Return the plan of one host, as docs/architecture.md describes it.

    Args:
        pair: the model; with error findings there may be no plan.
        host: inventory name of the host.

    Raises:
        PlanError: the host is not in the pair, or too little is known to write its configuration.
    """
    try:
        server = pair.server(host)
    except KeyError:
        raise PlanError(f"{host} is not a member of the pair {pair.name}") from None
    partner = pair.partner_of(server)
    dialect, platform = server.dialect, server.platform
    if partner is None or dialect is None or platform is None:
        raise PlanError(f"{host}: there is no plan for it, because the inventory has errors; run preflight.yml")
    daemons = ["dhcp4", "ctrl_agent"] if _render.has_agent(pair, dialect) else ["dhcp4"]
    packages = _packages(daemons, platform)
    installed = ((server.facts or {}).get("kea") or {}).get("packages") or {}
    return {
        **_short(server),
        "pair": pair.name,
        "mode": pair.mode,
        "transport": pair.transport,
        "partner": _short(partner),
        "kea_version": server.kea_version,
        "version_source": server.version_source,
        "turn": turn_of(pair, server),
        "first_deployment": first_deployment(pair),
        "serving": serves(server),
        "gate_ha_states": gate_ha_states(pair, server),
        "wait_ha_states": wait_ha_states(pair, server),
        "verify_ha_states": [pair.mode],
        "packages": packages,
        "missing_packages": [name for name in packages if name not in installed],
        "auth": {
            "enabled": pair.settings["kea_api_auth"],
            "user": pair.settings["kea_api_user"],
            "password_file": _render.password_file(platform),
        },
        "daemons": {
            name: _daemon(pair, server, name, dialect, platform) if name in daemons else None for name in _PROGRAMS
        },
        "peer": _peer(pair, partner, platform),
        "user": platform.user,
        "group": platform.group,
        "config_dir": platform.config_dir,
        "ha": _ha(pair),
        "ha_timeout": ha_timeout(pair),
        "accept_outage": pair.settings["kea_accept_outage"],
    }
