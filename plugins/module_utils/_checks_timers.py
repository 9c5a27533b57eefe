# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of delays and lifetimes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator

from ._registry import ERROR, WARNING, Context, Problem, key_path, register

if TYPE_CHECKING:
    from ._model import Pair, Server


# What is shorter was meant in seconds. P15 knows the longest max-response-delay.
_SENSIBLE_MS = {
    "kea_ha_heartbeat_delay": (500, 60000),
    "kea_ha_max_ack_delay": (1000, 64000),
    "kea_ha_max_response_delay": (1000, 4294967295),
    "kea_ha_sync_timeout": (1000, 3600000),
}


@register("P15", ERROR, "The partner may be silent for several heartbeats before it counts as lost.", warns=True)
def response_after_heartbeats(context: Context) -> Iterator[Problem]:
    yield from _lost_after_few_heartbeats(context)
    for server in context.pair.servers:
        if server.dialect is not None:
            yield from _longer_than_kea_takes(context.pair, server)


def _lost_after_few_heartbeats(context: Context) -> Iterator[Problem]:
    heartbeat, response = (context.pair.settings[f"kea_ha_{name}_delay"] for name in ("heartbeat", "max_response"))
    if response < 3 * heartbeat and response >= _SENSIBLE_MS["kea_ha_max_response_delay"][0]:
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


def _longer_than_kea_takes(pair: Pair, server: Server) -> Iterator[Problem]:
    for name in ("kea_ha_heartbeat_delay", "kea_ha_max_response_delay", "kea_ha_max_ack_delay"):
        if pair.settings[name] > server.dialect.max_delay:
            yield Problem(
                server.host,
                name,
                pair.settings[name],
                f"Kea {server.kea_version} takes at most {server.dialect.max_delay} ms",
                "Set 60000 or less",
            )


@register("P16", ERROR, "HA delays are milliseconds, not seconds.")
def delays_are_milliseconds(context: Context) -> Iterator[Problem]:
    for name, (low, high) in _SENSIBLE_MS.items():
        value = context.pair.settings[name]
        if value < low:
            fix = f"Did you mean {value * 1000}? The unit is ms"
            yield Problem(context.label, name, value, f"{value} ms is too short", fix)
        elif value > high:
            fix = f"Set a value from {low} to {high}"
            yield Problem(context.label, name, value, f"{value} ms is too long", fix)


_MANY_CLIENTS = 100
# Fewer clients than so many times those that are waited for: a quiet network.
_QUIET = 5


@register("P17", WARNING, "The standby can take over, and only when the partner is really gone.", ignorable=True)
def takeover_possible(context: Context) -> Iterator[Problem]:
    unacked = context.pair.settings["kea_ha_max_unacked_clients"]
    for message, fix in _troubles_of_takeover(context, unacked):
        yield Problem(context.label, "kea_ha_max_unacked_clients", unacked, message, fix)


def _troubles_of_takeover(context: Context, unacked: int) -> Iterator[tuple[str, str]]:
    if unacked == 0:
        message = "both servers would answer if only the link between them failed"
        yield message, "Set it to a small number of clients, for example 5"
    elif unacked > _MANY_CLIENTS:
        message = f"take-over waits for {unacked + 1} unserved clients; most networks never have so many at once"
        yield message, "Set a smaller number, for example 5"
    else:
        for clients in _numbers_of_clients(context):
            yield from _waits_for_more_than_there_are(unacked, clients)


def _numbers_of_clients(context: Context) -> Iterator[int]:
    """Yield for how many clients there is room, unless there are pools that could not be read."""
    for _label, _server, subnets in context.subnet_sets():
        if all(len(subnet.pools) >= subnet.raw_pools for subnet in subnets):
            clients = sum(pool.last - pool.first + 1 for subnet in subnets for pool in subnet.pools)
            yield clients + sum(len(subnet.reservations) for subnet in subnets)


def _waits_for_more_than_there_are(unacked: int, clients: int) -> Iterator[tuple[str, str]]:
    waits = f"take-over waits for {unacked + 1} unserved clients"
    if 0 < clients <= unacked:
        yield f"{waits}, but there is room for {clients} only", "Set a smaller number, for example 2"
    elif unacked < clients < _QUIET * (unacked + 1):
        switch = "0 if the servers and the clients are on the same switch (docs/timers.md)"
        fix = f"Set 1; or {switch}" if unacked > 1 else f"Set {switch}, or accept it"
        yield f"{waits}, and with room for {clients} only that may take hours", fix


# Beyond it the two servers' clocks would end HA (Kea's own limit), in ms.
_CLOCK_LIMIT = 60000


@register("V11", ERROR, "A client renews, then rebinds, then its lease ends, everywhere.", warns=True)
def lifetimes_in_order(context: Context) -> Iterator[Problem]:
    settings = context.pair.settings
    yield from _timers_out_of_order(context)
    yield from _lease_ends_before_takeover(context)
    for label, server in context.subnet_owners():
        for path, values, inherited in _own_lifetimes(server, settings):
            yield from _order_problems(label, path, values, inherited)


def _timers_out_of_order(context: Context) -> Iterator[Problem]:
    settings, valid = context.pair.settings, context.pair.settings["kea_valid_lifetime"]
    for name, longer in (("kea_renew_timer", "kea_rebind_timer"), ("kea_rebind_timer", "kea_valid_lifetime")):
        if settings[name] >= settings[longer]:
            yield Problem(
                context.label,
                name,
                settings[name],
                f"it must be smaller than {longer}, which is {settings[longer]} s",
                f"With kea_valid_lifetime: {valid} set for example kea_renew_timer: {max(1, valid // 2)}"
                f" and kea_rebind_timer: {max(2, valid * 3 // 4)}",
            )


def _lease_ends_before_takeover(context: Context) -> Iterator[Problem]:
    valid, response = (context.pair.settings[name] for name in ("kea_valid_lifetime", "kea_ha_max_response_delay"))
    needed = 2 * response + _CLOCK_LIMIT
    if valid * 1000 < needed:
        yield Problem(
            context.label,
            "kea_valid_lifetime",
            valid,
            f"leases could end while the partner's failure is still being detected (twice {response} ms, and"
            f" {_CLOCK_LIMIT} ms for clocks that differ)",
            f"Set at least {-(-needed // 1000)}",
            WARNING,
        )


_BOUNDS = ("min-valid-lifetime", "max-valid-lifetime")
_LIFETIMES = ("renew-timer", "rebind-timer", "valid-lifetime", *_BOUNDS)
# Each must not be larger than the other; of the timers, smaller.
_ORDER = (
    ("renew-timer", "rebind-timer", True),
    ("rebind-timer", "valid-lifetime", True),
    ("min-valid-lifetime", "valid-lifetime", False),
    ("valid-lifetime", "max-valid-lifetime", False),
    ("min-valid-lifetime", "max-valid-lifetime", False),
)


def _own_lifetimes(server: Server, settings: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield (path, what stands there, what is inherited) of each place that has lifetimes of its own.

    A timer that is inherited does not count: Kea leaves it out when it does not fit, and the client takes half of the
    lease. But Kea wants the lifetime within its bounds, wherever they come from.
    """
    bounds = {name: server.dhcp4_extra[name] for name in _BOUNDS if name in server.dhcp4_extra}
    everywhere = {**bounds, "valid-lifetime": settings["kea_valid_lifetime"]}
    if bounds:
        yield "kea_dhcp4_extra", bounds, everywhere
    for network in server.networks:
        yield network.path, _lifetimes(network.rest), everywhere
    for subnet in server.every_subnet:
        if subnet.rest:
            above = _lifetimes(subnet.shared.rest) if subnet.shared is not None else {}
            bounding = {name: value for name, value in above.items() if not name.endswith("timer")}
            yield subnet.path, _lifetimes(subnet.rest), {**everywhere, **bounding}


def _lifetimes(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in _LIFETIMES if name in body}


def _order_problems(label: str, path: str, values: dict[str, Any], inherited: dict[str, Any]) -> Iterator[Problem]:
    for name, limit, strictly in _ORDER:
        value, most = (values.get(key, inherited.get(key)) for key in (name, limit))
        if not {name, limit} & set(values) or type(value) is not int or type(most) is not int:
            continue
        if value > most - strictly and name in values:
            message = f"it must be {'smaller than' if strictly else 'at most'} {limit}, which is {most} here"
            yield Problem(label, key_path(path, name), value, message, f"Set for example {max(1, most // 2)}")
        elif value > most - strictly:
            message = f"it must be at least {name}, which is {value} here"
            yield Problem(label, key_path(path, limit), most, message, f"Set for example {value * 2}")


_SHORTEST, _LONGEST = 60, 31536000


@register("V40", WARNING, "A lease is valid for a minute or more, and for a year or less.")
def lifetimes_are_seconds(context: Context) -> Iterator[Problem]:
    found = [(context.label, "kea_valid_lifetime", context.pair.settings["kea_valid_lifetime"])]
    for label, server in context.subnet_owners():
        places = [("kea_dhcp4_extra", server.dhcp4_extra), *((one.path, one.rest) for one in server.networks)]
        places += [(subnet.path, subnet.rest) for subnet in server.every_subnet if subnet.rest]
        found += [(label, key_path(path, name), body.get(name)) for path, body in places for name in _LIFETIMES[2:]]
    for label, path, value in found:
        if type(value) is int and value < _SHORTEST:
            message = (
                f"{value} s is so short that clients ask all the time, and lose their addresses when a server restarts"
            )
            yield Problem(label, path, value, message, "Set for example 3600; the unit is s")
        elif type(value) is int and value > _LONGEST:
            message = f"{value} s is {value // 86400} days: addresses of clients that are gone do not come back"
            guess = value // 1000 if value % 1000 == 0 and value // 1000 <= _LONGEST else 43200
            yield Problem(label, path, value, message, f"Did you mean {guess}? The unit is s")


@register("V41", WARNING, "A client counts as unserved sooner than the partner as lost.")
def ack_before_response(context: Context) -> Iterator[Problem]:
    settings = context.pair.settings
    ack, response = settings["kea_ha_max_ack_delay"], settings["kea_ha_max_response_delay"]
    if ack >= response >= _SENSIBLE_MS["kea_ha_max_response_delay"][0]:
        message = (
            f"it is not less than kea_ha_max_response_delay, which is {response} ms, so take-over waits for no reason"
        )
        yield Problem(context.label, "kea_ha_max_ack_delay", ack, message, f"Set for example {response // 10}")
