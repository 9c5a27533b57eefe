# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything one host needs to know, decided in one place: the plan the roles read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _board, _changes, _firewall, _render, _running, _tls, _units
from ._state import NORMAL_STATES

if TYPE_CHECKING:
    from ._dialect import Dialect, Platform
    from ._model import Pair, Server

_PROGRAMS = {"dhcp4": "kea-dhcp4", "ctrl_agent": "kea-ctrl-agent"}
_DHCP_PORT = 67
ALONE = "partner-down"


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
        relationship = _render.high_availability(pair, server, server.dialect, server.platform)
        wanted = _running.link_of_relationship(relationship)
        changes = [key for key in live if live[key] != wanted.get(key)]
        if pair.settings["kea_api_auth"] and (server.facts or {}).get("secret_changes"):
            changes.append("password of the API")
        if pair.tls and server.certificates is not None and server.certificates.cuts_link:
            changes.append("certificate authority")
        if changes:
            found[server.host] = changes
    return found


def lone(pair: Pair) -> Server | None:
    """Return the server that serves alone during a breaking change, with the new configuration first; None without one.

    Its partner goes away meanwhile, and comes back with the new configuration, too. That takes consent, for one server
    alone carries the clients, and a pair that works, or of which just one server does.
    """
    if not pair.settings["kea_accept_outage"] or not breaking_changes(pair):
        return None
    at_work = [server for server in pair.servers if _ha_state(server)]
    if len(at_work) == 1 and sum(map(serves, pair.servers)) == 1:
        return at_work[0]
    if len(at_work) == 2 and all(_ha_state(server).get("state") in NORMAL_STATES for server in at_work):
        return next(server for server in at_work if not _answers(pair, server))
    return None


def steps_aside(pair: Pair, server: Server) -> bool:
    """Tell whether a server that serves now leaves its clients to its partner and stops, until that has changed."""
    alone = lone(pair)
    return alone is not None and alone is not server and serves(server)


def _answers(pair: Pair, server: Server) -> bool:
    """Tell whether a server is the one of two at work that answers the clients, or rather does."""
    partner = pair.partner_of(server)
    mine = bool(_ha_state(server).get("scopes"))
    theirs = partner is not None and bool(_ha_state(partner).get("scopes"))
    return mine if mine != theirs else server.role == "primary"


def together(pair: Pair) -> bool:
    """Tell whether both servers are changed at once: only with consent, when the two could not talk otherwise.

    That is so after a breaking change that was interrupted half-way, and during one of a pair that is not well.
    """
    if not pair.settings["kea_accept_outage"] or lone(pair) is not None:
        return False
    states = [_ha_state(server).get("state") for server in pair.servers if _ha_state(server)]
    return any(state != pair.mode for state in states) or bool(breaking_changes(pair))


def subnets_before_and_after(server: Server) -> tuple[dict[str, int], dict[str, int]]:
    """Return the id of each subnet by its prefix: as the host has them, and as it is to have them."""
    wanted = {subnet.text: subnet.id for subnet in server.subnets}
    live = _dhcp4(server).get("subnet_ids")
    return (wanted if live is None else live), wanted


def direction(pair: Pair) -> str:
    """Return what becomes of the subnets of a pair: none, additive, subtractive or mixed.

    After a run that ended half-way the two may differ; what they need to learn then counts more than what they forget.
    """
    found = {_changes.direction(*subnets_before_and_after(server)) for server in pair.servers}
    order = (_changes.MIXED, _changes.ADDITIVE, _changes.SUBTRACTIVE)
    return next((kind for kind in order if kind in found), _changes.NONE)


def turn_of(pair: Pair, server: Server) -> int:
    """Return 1 for the hosts that are changed first, 2 for the one whose partner must have come through before.

    A host that serves nobody is never waited for. When both serve, the one that answers clients goes last: that is the
    primary, or the standby when it has taken over. Only a subnet that goes is forgotten by that one first, as a server
    refuses leases of its partner in a subnet that it does not know.
    """
    partner = pair.partner_of(server)
    alone = lone(pair)
    if alone is not None:
        return 1 if server is alone else 2
    if server.role == "backup" or partner is None or not serves(server) or together(pair):
        return 1
    if not serves(partner):
        return 2
    return 2 if _answers(pair, server) != (direction(pair) == _changes.SUBTRACTIVE) else 1


def gate_ha_states(pair: Pair, server: Server) -> list[str]:
    """Return the states in which a working server may be interrupted: only when its partner can stand in."""
    if lone(pair) is not None:
        return [ALONE] if server is lone(pair) else list(NORMAL_STATES[:2])
    if pair.settings["kea_accept_outage"] or not _ha_state(server):
        return []
    return [pair.mode]


def wait_ha_states(pair: Pair, server: Server) -> list[str]:
    """Return the states a changed server must reach before its partner's turn.

    Without a partner at work there is nothing to wait for: both start together, and verify waits for both.
    """
    if lone(pair) is not None:
        return [ALONE] if server is lone(pair) else [pair.mode]
    partner = pair.partner_of(server)
    if partner is None or not _ha_state(partner) or together(pair):
        return []
    return [pair.mode]


def ha_timeout(pair: Pair) -> int:
    """Return how long a pair may take to reach its working state, in seconds.

    One heartbeat per step of waiting, syncing, ready and hot-standby; the lease sync; and time for the services.
    """
    heartbeat = pair.settings["kea_ha_heartbeat_delay"]
    sync = pair.settings["kea_ha_sync_timeout"]
    return -(-(4 * heartbeat + sync) // 1000) + 30


def _packages(wanted: list[str], platform: Platform) -> list[str]:
    return list(dict.fromkeys(name for what in wanted for name in platform.packages[what]))


def _loads_rules(pair: Pair) -> bool:
    return pair.settings["kea_firewall"] == _firewall.NFTABLES


def _watch_files(pair: Pair, platform: Platform) -> list[str]:
    """Return the files, and folders of files, that the daemons read when they start, beside their configuration."""
    files = [_render.password_file(platform)] if pair.settings["kea_api_auth"] else []
    if pair.tls:
        paths = _tls.paths(platform.config_dir)
        files += [paths.cert_file, paths.key_file, paths.trust_anchor]
    return files


def _daemon(pair: Pair, server: Server, name: str, dialect: Dialect, platform: Platform) -> dict[str, Any]:
    program = _PROGRAMS[name]
    kea = (server.facts or {}).get("kea") or {}
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
        "unit_settings": _units.settings(
            name,
            hardening=pair.settings["kea_unit_hardening"],
            clock_wait=pair.settings["kea_clock_wait"],
            apparmor=bool(kea.get("apparmor")),
            systemd=kea.get("systemd_version"),
        ),
        "watch_files": _watch_files(pair, platform),
    }


def agent_last(pair: Pair, server: Server) -> bool:
    """Tell whether the DHCP server is changed before the Control Agent: when it has to let go of the agent's port.

    So it is, too, when the agent does not carry HA, now or then: if the server fails, the agent is as it was.
    """
    if server.dialect is None or server.platform is None or not _render.has_agent(pair, server.dialect):
        return False
    live = _dhcp4(server).get("link") or {}
    if pair.transport == "listener":
        return bool(live.get("listener"))
    if steps_aside(pair, server):
        # It has let go of the port already, and its partner needs the agent to find it.
        return False
    # In some containers the kernel hides which process holds a port: configuration and user tell.
    link = _dhcp4(server).get("link") or {}
    if link.get("listener") and any(f":{pair.api_port}/" in str(url) for url in link.get("addresses") or []):
        return bool(_dhcp4(server).get("active"))
    kea = (server.facts or {}).get("kea") or {}
    agent = ((kea.get("daemons") or {}).get("ctrl_agent") or {}).get("active")
    for entry in kea.get("sockets") or []:
        if str(entry.get("protocol", "")).startswith("tcp") and entry.get("port") == pair.api_port:
            unseen = not entry.get("process") and entry.get("user") == server.platform.user and not agent
            if unseen or str(entry.get("process") or "").startswith("kea-dhcp4"):
                return True
    return False


def ports(pair: Pair, server: Server) -> list[dict[str, Any]]:
    """Return the TCP ports on which a host serves the network, all on its one address."""
    api = _render.api_of(pair, server.dialect)
    if pair.transport == "control_agent":
        return [_port(pair, pair.settings["kea_ha_port"], "HA", "ctrl_agent")]
    found = [_port(pair, pair.settings["kea_ha_port"], "HA", "dhcp4")]
    if api != "none":
        found.append(_port(pair, pair.api_port, "API", "ctrl_agent" if api == "control_agent" else "dhcp4"))
    return found


def _port(pair: Pair, number: int, what: str, daemon: str) -> dict[str, Any]:
    return {"port": number, "tls": pair.tls, "what": what, "daemon": daemon}


def _tls_plan(pair: Pair, server: Server, platform: Platform) -> dict[str, Any]:
    """Return what a host's certificates are to be, and what is to be done about them."""
    settings = pair.settings
    paths = _tls.paths(platform.config_dir)
    certificates = _tls.Certificates()
    if pair.tls:
        first = _tls.ISSUE if settings["kea_tls_source"] == _tls.OWN_CA else _tls.INSTALL
        certificates = server.certificates or _tls.Certificates(first, "nothing is known of the host's certificates")
    return {
        "enabled": pair.tls,
        "source": settings["kea_tls_source"],
        "dir": paths.directory,
        "link": paths.link,
        "trust_anchor": paths.trust_anchor,
        "cert_file": paths.cert_file,
        "key_file": paths.key_file,
        "action": certificates.action,
        "reason": certificates.reason,
        "generation": certificates.generation,
        "key_type": settings["kea_tls_key_type"],
        "valid_days": settings["kea_tls_valid_days"],
        "renew_before": settings["kea_tls_renew_before"],
        "days_left": certificates.days_left,
        "common_name": _tls.common_name(server.host),
        "san": _tls.subject_alt_names(server.address, (server.host, server.server_name)),
        "ca_dir": certificates.ca_dir,
        "trust": list(certificates.trust),
    }


def _peer(pair: Pair, partner: Server, platform: Platform) -> dict[str, Any]:
    """Return the arguments of kea_peer: how this host reaches its partner, over the URL the servers themselves use."""
    authenticated = pair.settings["kea_api_auth"]
    address = partner.address or ""
    paths = _tls.paths(platform.config_dir) if pair.tls else None
    # The HA listener refuses config-get, so that is asked elsewhere, if anywhere.
    elsewhere = pair.transport == "listener" and _render.api_of(pair, partner.dialect) != "none"
    return {
        "url": _render.url(address, pair.settings["kea_ha_port"], pair.tls),
        "config_url": _render.url(address, pair.api_port, pair.tls) if elsewhere else None,
        "user": pair.settings["kea_api_user"] if authenticated else None,
        "password_file": _render.password_file(platform) if authenticated else None,
        "ca_path": paths.trust_anchor if paths else None,
        "client_cert": paths.cert_file if paths else None,
        "client_key": paths.key_file if paths else None,
        "socket": _render.control_socket(platform),
        "server_name": partner.server_name,
        "expect": pair.settings["kea_expect"],
    }


def _firewall_plan(pair: Pair, server: Server, partner: Server) -> dict[str, Any]:
    kea = (server.facts or {}).get("kea") or {}
    return _firewall.plan(
        pair.settings["kea_firewall"],
        ports(pair, server),
        server.address,
        partner.address,
        (partner.facts or {}).get("interfaces") or {},
        pair.settings["kea_firewall_management"],
        kea.get("firewall"),
        (_dhcp4(server).get("link") or {}).get("addresses") or [],
    )


def settles(pair: Pair, server: Server) -> list[str]:
    """Return the runs of which this one may take over what they have left on a host."""
    other = (server.facts or {}).get("other_run") or {}
    over = other.get("over") or (other and other.get("id") == pair.settings["kea_settle_run"])
    return [other["id"]] if over else []


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
    extras = [name for name, wanted in (("tls", pair.tls), ("firewall", _loads_rules(pair))) if wanted]
    packages = _packages([*daemons, *extras], platform)
    installed = ((server.facts or {}).get("kea") or {}).get("packages") or {}
    tls = _tls_plan(pair, server, platform)
    return {
        "host": server.host,
        "pair": pair.name,
        "role": server.role,
        "address": server.address,
        "partner": {"host": partner.host},
        "run": {"partner": partner.host, "settles": settles(pair, server)},
        "rollback": pair.settings["kea_rollback"],
        "apply": pair.settings["kea_apply"],
        "kea_version": server.kea_version,
        "turn": turn_of(pair, server),
        "agent_last": agent_last(pair, server),
        "serving": serves(server),
        "breaking": lone(pair) is not None or together(pair),
        "away": steps_aside(pair, server),
        "take_over": server is lone(pair),
        "gate_ha_states": gate_ha_states(pair, server),
        "wait_ha_states": wait_ha_states(pair, server),
        "verify_ha_states": [pair.mode],
        "packages": packages,
        "missing_packages": [name for name in packages if name not in installed],
        "auth": {"password_file": _render.password_file(platform)},
        "tls": tls,
        "links": {tls["link"]: tls["generation"]} if tls["enabled"] and tls["generation"] else {},
        "daemons": {
            name: _daemon(pair, server, name, dialect, platform) if name in daemons else None for name in _PROGRAMS
        },
        "ports": ports(pair, server),
        "firewall": _firewall_plan(pair, server, partner),
        "board": _board.plan(server),
        "peer": _peer(pair, partner, platform),
        "user": platform.user,
        "group": platform.group,
        "ha_timeout": ha_timeout(pair),
    }
