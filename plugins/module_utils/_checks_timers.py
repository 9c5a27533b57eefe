# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of delays and lifetimes."""

from __future__ import annotations

from typing import Iterator

from ._registry import ERROR, WARNING, Context, Problem, register


@register("P15", ERROR, "The partner may be silent for several heartbeats before it counts as lost.")
def response_after_heartbeats(context: Context) -> Iterator[Problem]:
    pair = context.pair
    heartbeat = pair.settings["kea_ha_heartbeat_delay"]
    response = pair.settings["kea_ha_max_response_delay"]
    if response < 3 * heartbeat:
        yield Problem(
            context.label,
            "kea_ha_max_response_delay",
            response,
            f"it is less than three heartbeats of {heartbeat} ms, so one lost packet looks like a dead partner"
            if response > heartbeat
            else f"it must be longer than kea_ha_heartbeat_delay, which is {heartbeat} ms",
            f"Set at least {3 * heartbeat}",
            WARNING if response > heartbeat else "",
        )
    for server in pair.servers:
        if server.dialect is None:
            continue
        for name in ("kea_ha_heartbeat_delay", "kea_ha_max_response_delay", "kea_ha_max_ack_delay"):
            if pair.settings[name] > server.dialect.max_delay:
                yield Problem(
                    server.host,
                    name,
                    pair.settings[name],
                    f"Kea {server.kea_version} takes at most {server.dialect.max_delay} ms",
                    "Set 60000 or less",
                )


_SENSIBLE_MS = {"kea_ha_heartbeat_delay": (500, 60000), "kea_ha_max_ack_delay": (1000, 64000)}


@register("P16", ERROR, "HA delays are milliseconds, not seconds.")
def delays_are_milliseconds(context: Context) -> Iterator[Problem]:
    for name, (low, high) in _SENSIBLE_MS.items():
        value = context.pair.settings[name]
        if value < low:
            yield Problem(
                context.label,
                name,
                value,
                f"{value} ms is too short",
                f"Did you mean {value * 1000}? The unit is ms",
            )
        elif value > high:
            yield Problem(
                context.label,
                name,
                value,
                f"{value} ms is too long",
                f"Set a value from {low} to {high}",
            )


@register("P17", WARNING, "The standby can take over, and only when the partner is really gone.", ignorable=True)
def takeover_possible(context: Context) -> Iterator[Problem]:
    unacked = context.pair.settings["kea_ha_max_unacked_clients"]
    if unacked == 0:
        yield Problem(
            context.label,
            "kea_ha_max_unacked_clients",
            0,
            "both servers would answer if only the link between them failed",
            "Set it to a small number of clients, for example 5",
        )
        return
    for _label, _server, subnets in context.subnet_sets():
        clients = sum(pool.last - pool.first + 1 for subnet in subnets for pool in subnet.pools)
        clients += sum(len(subnet.reservations) for subnet in subnets)
        if subnets and 0 < clients <= unacked:
            yield Problem(
                context.label,
                "kea_ha_max_unacked_clients",
                unacked,
                f"take-over waits for {unacked + 1} unserved clients, but there is room for {clients} only",
                "Set a smaller number, for example 2",
            )


@register("V11", ERROR, "A client renews, then rebinds, then its lease ends.")
def lifetimes_in_order(context: Context) -> Iterator[Problem]:
    settings = context.pair.settings
    renew, rebind, valid = (settings["kea_" + name] for name in ("renew_timer", "rebind_timer", "valid_lifetime"))
    for name, value, limit_name, limit in (
        ("kea_renew_timer", renew, "kea_rebind_timer", rebind),
        ("kea_rebind_timer", rebind, "kea_valid_lifetime", valid),
    ):
        if value >= limit:
            yield Problem(
                context.label,
                name,
                value,
                f"it must be smaller than {limit_name}, which is {limit} s",
                f"With kea_valid_lifetime: {valid} set for example kea_renew_timer: {max(1, valid // 2)}"
                f" and kea_rebind_timer: {max(2, valid * 3 // 4)}",
            )
    response = settings["kea_ha_max_response_delay"]
    if valid * 1000 < 2 * response:
        yield Problem(
            context.label,
            "kea_valid_lifetime",
            valid,
            f"leases could end while the partner's failure is still being detected ({response} ms)",
            f"Set at least {-(-2 * response // 1000)}",
            WARNING,
        )
