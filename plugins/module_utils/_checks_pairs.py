# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of several pairs in one inventory: that they do not get in each other's way.

Each takes all pairs of the run. All of them stay linear, or nearly so, because there may be hundreds.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any, Iterator, Sequence

from . import _tls
from ._registry import ERROR, INFO, PAIRS, WARNING, Problem, doubles, register, short
from ._rollout import RolloutError, steps_of

if TYPE_CHECKING:
    from ._model import Pair, Server

_SEGMENT = "kea_segment"


def _servers(pairs: Sequence[Pair]) -> list[tuple[Pair, Server]]:
    return [(pair, server) for pair in pairs for server in pair.servers]


@register("C01", ERROR, "A host is in one pair.", looks_at=(PAIRS,))
def hosts_in_one_pair(pairs: Sequence[Pair]) -> Iterator[Problem]:
    for (first, _server), (second, server) in doubles(_servers(pairs), lambda item: item[1].host):
        message = f"the host is in the pairs {first.name} and {second.name}, and would be changed for both"
        fix = f"Take it out of one of the inventory groups {first.name} and {second.name}"
        yield Problem(server.host, "kea_pair", second.name, message, fix)


@register("C02", ERROR, "Two names in the inventory are two machines.", ignorable=True, looks_at=(PAIRS,))
def names_are_machines(pairs: Sequence[Pair]) -> Iterator[Problem]:
    def reached(item: tuple[Pair, Server]) -> Any:
        return item[1].reached_at if item[1].reached_at[0] else None

    for (_pair, first), (_other, second) in doubles(_servers(pairs), reached):
        if first.host != second.host:
            message = "Ansible reaches both at this address, so they are one machine"
            fix = "Give each its own ansible_host"
            yield Problem(f"{first.host}, {second.host}", "ansible_host", first.reached_at[0], message, fix)


@register("C03", ERROR, "Servers of pairs in one segment have different addresses.", looks_at=(PAIRS,))
def addresses_apart(pairs: Sequence[Pair]) -> Iterator[Problem]:
    by_address: dict[str, list[tuple[Pair, Server]]] = {}
    for pair, server in _servers(pairs):
        if server.address is not None:
            by_address.setdefault(server.address, []).append((pair, server))
    for address, found in by_address.items():
        # A pair's own two servers are P06's.
        if len({pair.name for pair, _server in found}) > 1:
            yield from _meetings(address, found)


def _meetings(address: str, found: list[tuple[Pair, Server]]) -> Iterator[Problem]:
    for (first, one), (second, other) in doubles(found, lambda item: item[0].settings[_SEGMENT]):
        if first is not second:
            message = f"both have this address, and their pairs are in the segment {first.settings[_SEGMENT]}"
            fix = f"Give each its own, or the pairs {first.name} and {second.name} different values of {_SEGMENT}"
            yield Problem(f"{one.host}, {other.host}", "kea_ha_address", address, message, fix)
    unsaid = [(pair, server) for pair, server in found if pair.settings[_SEGMENT] is None]
    if len({pair.name for pair, _server in unsaid}) > 1:
        message = f"{len(unsaid)} servers of different pairs have this address; right only if they never meet"
        fix = f"Say with {_SEGMENT} in which network each pair is, and this is checked"
        hosts = ", ".join(server.host for _pair, server in unsaid[:_SHOWN])
        yield Problem(hosts, "kea_ha_address", address, message, fix, INFO)


_SHOWN = 4


@register("C04", ERROR, "Pairs in one segment serve different subnets.", ignorable=True, looks_at=(PAIRS,))
def subnets_of_pairs_apart(pairs: Sequence[Pair]) -> Iterator[Problem]:
    segments: dict[str, list[tuple[Pair, Any]]] = {}
    for pair in pairs:
        if pair.settings[_SEGMENT] is not None and pair.servers:
            found = segments.setdefault(pair.settings[_SEGMENT], [])
            found += [(pair, subnet) for subnet in pair.servers[0].every_subnet]
    for name, found in segments.items():
        # Networks nest or are apart: in this order an overlap is always with the widest one still open.
        widest: tuple[Pair, Any] | None = None
        for pair, subnet in sorted(found, key=lambda item: (item[1].first, -item[1].last)):
            if widest is not None and subnet.first <= widest[1].last and pair is not widest[0]:
                hosts = ", ".join(server.host for server in pair.servers)
                message = f"the pair {widest[0].name} serves {widest[1].text} in the same segment {name}"
                fix = f"Let one pair serve it, or give the pairs different values of {_SEGMENT}"
                yield Problem(hosts, subnet.path + ".subnet", subnet.text, message, fix)
            if widest is None or subnet.last > widest[1].last:
                widest = (pair, subnet)


@register("C05", WARNING, "Each pair has a CA of its own.", looks_at=(PAIRS,))
def own_ca_each(pairs: Sequence[Pair]) -> Iterator[Problem]:
    def folder(pair: Pair) -> str | None:
        given = pair.settings["kea_tls_ca_dir"]
        if not pair.tls or pair.settings["kea_tls_source"] != _tls.OWN_CA or not given:
            return None
        return posixpath.normpath(given)

    for first, second in doubles(pairs, folder):
        message = f"the pairs {first.name} and {second.name} share this CA, so each host of one can command the other"
        fix = "Leave the variable out, and each pair gets a folder of its own"
        yield Problem(
            ", ".join(server.host for server in second.servers),
            "kea_tls_ca_dir",
            second.settings["kea_tls_ca_dir"],
            message,
            fix,
        )


@register("C06", ERROR, "A roll-out has one plan for all pairs, in numbers of pairs or percentages.", looks_at=(PAIRS,))
def one_rollout(pairs: Sequence[Pair]) -> Iterator[Problem]:
    for name in ("kea_rollout", "kea_rollout_max_failures"):
        other = next((pair for pair in pairs if pair.settings[name] != pairs[0].settings[name]), None)
        if other is not None:
            common = short(pairs[0].settings[name])
            message = f"the pair {pairs[0].name} has {common}, and a run has one plan for all its pairs"
            fix = "Set it once, in group_vars/all or with -e"
            yield Problem(_hosts(other), name, short(other.settings[name]), message, fix)
    if pairs:
        yield from _unusable_steps(pairs[0])


def _unusable_steps(pair: Pair) -> Iterator[Problem]:
    try:
        steps_of(pair.settings["kea_rollout"])
    except RolloutError as error:
        fix = 'Write for example [1, "10%", "50%"]'
        yield Problem(_hosts(pair), "kea_rollout", short(pair.settings["kea_rollout"]), str(error), fix)


def _hosts(pair: Pair) -> str:
    return ", ".join(server.host for server in pair.servers)
