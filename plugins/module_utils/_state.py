# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``status-get`` and ``ha-heartbeat`` of any Kea version as one normalised view.

Private to this collection. What a version does not tell is None, never a guess.
"""

from __future__ import annotations

import datetime
import email.utils
import re
import typing as t

#: The states in which a pair does what its mode promises.
NORMAL_STATES = ("hot-standby", "load-balancing", "passive-backup", "backup")

#: The state no server leaves by itself.
FINAL_STATE = "terminated"

_SUBNET_COUNTER = re.compile(r"^subnet\[(\d+)\]\.(total-addresses|assigned-addresses|declined-addresses)$")
# States of a lease: default, and declined, which Kea counts as assigned, too. The third one is expired and reclaimed.
_DECLINED = 1
_IN_USE = (0, _DECLINED)
_COUNTER_NAMES = {"total-addresses": "total", "assigned-addresses": "assigned", "declined-addresses": "declined"}


def normalise(status: dict, heartbeat: dict | None = None, ha_expected: bool = False) -> dict:
    """Return the normalised state of one server.

    Args:
        status: ``arguments`` of its ``status-get``.
        heartbeat: ``arguments`` of its ``ha-heartbeat``, which then fills what the status lacks.
        ha_expected: whether the server should be in a pair; then one without its HA hook does not serve.

    Returns:
        ``ha`` (whether the HA hook is at work), ``mode``, ``state``, ``role``, ``server_name`` (None on Kea 2.2),
        ``scopes``, ``serving`` (whether the server answers DHCP clients of its own accord), ``dhcp_enabled`` (None on
        Kea 2.2), ``partner`` (None without one: ``server_name``, ``role``, ``state``, ``scopes``, ``in_touch``, ``age``
        in seconds, ``interrupted``, ``unacked_clients``, ``unacked_clients_left``, ``clock_skew`` in seconds),
        ``clock_skew``, ``unsent_updates``, ``pid``, ``uptime`` in seconds, ``multi_threading``, ``sockets_ready``.
    """
    relationships = status.get("high-availability")
    relationship = relationships[0] if isinstance(relationships, list) and relationships else {}
    servers = relationship.get("ha-servers") or {}
    local = servers.get("local") or {}
    heartbeat = heartbeat or {}
    sockets = status.get("sockets") or {}
    dhcp_state = status.get("dhcp-state") or {}
    disabled = dhcp_state.get("globally-disabled")
    partner = _partner(servers.get("remote"))
    state = {
        "ha": bool(relationship or heartbeat),
        "mode": relationship.get("ha-mode"),
        "state": local.get("state", heartbeat.get("state")),
        "role": local.get("role"),
        "server_name": local.get("server-name"),
        "scopes": list(local.get("scopes", heartbeat.get("scopes")) or []),
        "dhcp_enabled": None if disabled is None else not disabled,
        "partner": partner,
        "clock_skew": partner["clock_skew"] if partner else None,
        "unsent_updates": heartbeat.get("unsent-update-count"),
        "pid": status.get("pid"),
        "uptime": status.get("uptime"),
        "multi_threading": status.get("multi-threading-enabled"),
        "sockets_ready": sockets["status"] == "ready" if "status" in sockets else None,
    }
    state["serving"] = _serves(state, ha_expected)
    return state


def _partner(remote: dict | None) -> dict | None:
    if not remote:
        return None
    return {
        "server_name": remote.get("server-name"),
        "role": remote.get("role"),
        "state": remote.get("last-state") or None,
        "scopes": list(remote.get("last-scopes") or []),
        "in_touch": remote.get("in-touch"),
        "age": remote.get("age"),
        "interrupted": remote.get("communication-interrupted"),
        "unacked_clients": remote.get("unacked-clients"),
        "unacked_clients_left": remote.get("unacked-clients-left"),
        "clock_skew": remote.get("clock-skew"),
    }


def _serves(state: dict, ha_expected: bool) -> bool:
    if state["dhcp_enabled"] is False or state["sockets_ready"] is False:
        return False
    # With HA a server answers the clients of its scopes. Without it everybody, unless it lost its hooks and with them
    # its sockets, which it goes on calling ready.
    return bool(state["scopes"]) if state["ha"] else not ha_expected


def missing_ha(state: dict) -> str | None:
    """Return why a server that should be in a pair is not, or None when its HA hook is at work.

    A server whose hooks failed while it reloaded looks healthy in everything but this: the process runs, its status
    says ready, and its configuration still names the HA hook, but it has closed its sockets and serves nobody.
    """
    if state["ha"]:
        return None
    return (
        "the server runs without high availability although it should be in a pair, so it may serve nobody. Either its "
        "configuration has no HA hook, or the hooks failed when it was reloaded: look for DHCP4_CONFIG_UNRECOVERABLE_"
        "ERROR or HA_CONFIGURATION_FAILED in its log, correct the configuration and restart the service."
    )


def describe(state: dict) -> str:
    """Return the state in a few words, for messages: ``standby in state hot-standby, not serving, partner ...``."""
    if not state["ha"]:
        return "without high availability" + ("" if state["serving"] else ", not serving")
    words = f"{state['role'] or 'server'} in state {state['state']}, {'' if state['serving'] else 'not '}serving"
    partner = state["partner"]
    if partner is None:
        return words
    words += f"; it sees its partner in state {partner['state'] or 'unknown'}"
    if partner["age"] is not None:
        words += f", heard of {partner['age']} s ago"
    if partner["interrupted"]:
        words += ", communication interrupted"
    return words


def partner_clock(heartbeat: dict) -> datetime.datetime | None:
    """Return the clock of a server, from the ``arguments`` of its ``ha-heartbeat``; None when it tells none."""
    text = heartbeat.get("date-time")
    if not isinstance(text, str):
        return None
    try:
        clock = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return clock if clock.tzinfo else clock.replace(tzinfo=datetime.timezone.utc)


def clock_skew(heartbeat: dict, asked: float, answered: float) -> float | None:
    """Return by how many seconds a server's clock is ahead of the local one; negative when it is behind.

    Args:
        heartbeat: ``arguments`` of its ``ha-heartbeat``, which tells whole seconds.
        asked: local time before the request, seconds since the epoch.
        answered: local time after the reply.

    Returns:
        The skew; 0 when the difference is not more than the rounding and the time the reply took. None without a clock.
    """
    clock = partner_clock(heartbeat)
    if clock is None:
        return None
    told = clock.timestamp()
    # The true time at the server was in [told, told + 1) at some moment between asked and answered.
    if told > answered:
        return round(told - answered, 1)
    if told + 1 < asked:
        return round(told + 1 - asked, 1)
    return 0.0


def lease_counts(statistics: dict, leases: list | None = None, now: float = 0) -> dict:
    """Return how many addresses are in use.

    Args:
        statistics: ``arguments`` of ``statistic-get-all``. What a server copies from its partner is missing in them.
        leases: all leases, as Kea prints them, to be counted instead; None takes the numbers of the statistics.
        now: seconds since the epoch; leases that have ended by then are not in use.

    Returns:
        ``counted`` (whether that was done), ``total``, ``assigned`` and ``declined`` addresses, and the same for each
        subnet under ``subnets``, keyed by its id as text.
    """
    subnets: dict[str, dict[str, int]] = {}
    for name, samples in statistics.items():
        match = _SUBNET_COUNTER.match(name)
        if match:
            counts = subnets.setdefault(match.group(1), {"total": 0, "assigned": 0, "declined": 0})
            counts[_COUNTER_NAMES[match.group(2)]] = _newest(samples)
    if leases is not None:
        for counts in subnets.values():
            counts.update(assigned=0, declined=0)
        for lease in leases:
            counts = subnets.setdefault(str(lease.get("subnet-id", 0)), {"total": 0, "assigned": 0, "declined": 0})
            if lease.get("state") in _IN_USE and lease.get("cltt", 0) + lease.get("valid-lft", 0) > now:
                counts["assigned"] += 1
                counts["declined"] += lease.get("state") == _DECLINED
    result: dict[str, t.Any] = {
        key: sum(counts[key] for counts in subnets.values()) for key in ("total", "assigned", "declined")
    }
    result["counted"] = leases is not None
    result["subnets"] = {key: subnets[key] for key in sorted(subnets, key=int)}
    return result


def _newest(samples) -> int:
    """Return the newest value of a statistic; Kea puts it first."""
    try:
        return int(samples[0][0])
    except (IndexError, KeyError, TypeError, ValueError):
        return 0
