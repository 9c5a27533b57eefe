# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Private to the keaops.kea collection; it may change in any release.
"""What kind a change of the DHCPv4 configuration is, what it consists of, and in which order two servers take it.

A server refuses a lease of its partner in a subnet that it does not know, and ten refusals end high availability. So a
new subnet must be known to the one that stands by first, and a subnet that goes must be forgotten first by the one that
serves. Pools, options and reservations are of no interest to the partner.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Mapping, NamedTuple

from . import _compare, _running

NONE = "none"
SOFT = "soft"
ADDITIVE = "additive"
SUBTRACTIVE = "subtractive"
MIXED = "mixed"
BREAKING = "breaking"

_SHOWN = 12
_RESERVATION = re.compile(r"^(?P<place>.*subnet4\[[^]]*\])\.reservations\[(?P<client>[^]]*)\]")


class Change(NamedTuple):
    """One change of a configuration."""

    kind: str
    words: tuple[str, ...]
    """What it consists of, for people."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as a module returns it."""
        return {"kind": self.kind, "words": list(self.words)}


def classify(old: Any, new: Any) -> Change:
    """Return what a change of the whole configuration is.

    Args:
        old: what is there, ``{"Dhcp4": {...}}``; None when nothing is, or it cannot be read.
        new: what is wanted.
    """
    before, after = (content.get("Dhcp4") if isinstance(content, dict) else None for content in (old, new))
    if not isinstance(before, dict) or not isinstance(after, dict):
        return Change(SOFT if old is None else BREAKING, ())
    found = _compare.changes(before, after)
    if not found:
        return Change(NONE, ())
    words = tuple(_words(found))
    live, wanted = _running.link_of(old), _running.link_of(new)
    if live != wanted:
        return Change(BREAKING, words)
    return Change(_kind(old, new), words)


def _kind(old: Any, new: Any) -> str:
    subnets = direction(_running.subnet_ids(old), _running.subnet_ids(new))
    if subnets != NONE:
        return subnets
    was, wanted = ({subnet.get("id"): _pools(subnet) for subnet in _running.subnets_of(one)} for one in (old, new))
    if any(not _within(wanted[number], was.get(number, [])) for number in wanted):
        return ADDITIVE
    if any(not _within(was[number], wanted.get(number, [])) for number in was):
        return SUBTRACTIVE
    return SOFT


def direction(old: Mapping[str, int], new: Mapping[str, int]) -> str:
    """Return whether subnets are added, removed, both (mixed) or neither (none).

    Args:
        old: the id of each subnet by its prefix, as it is.
        new: the same, as it is to be. A subnet that grows is added, and one that shrinks is removed in part.
    """
    was, wanted = ({number: prefix for prefix, number in subnets.items()} for subnets in (old, new))
    added = any(not _inside(wanted[number], was.get(number)) for number in wanted)
    removed = any(not _inside(was[number], wanted.get(number)) for number in was)
    if added and removed:
        return MIXED
    return ADDITIVE if added else SUBTRACTIVE if removed else NONE


def changed_subnets(old: Mapping[str, int], new: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Return the prefixes that only the new configuration has with their id, and those that only the old one has."""
    return (
        [prefix for prefix, number in new.items() if old.get(prefix) != number],
        [prefix for prefix, number in old.items() if new.get(prefix) != number],
    )


def _inside(inner: str, outer: str | None) -> bool:
    """Tell whether one prefix lies within another; what is no prefix lies within itself alone."""
    if inner == outer:
        return True
    try:
        first, second = ipaddress.IPv4Network(inner, strict=False), ipaddress.IPv4Network(outer or "", strict=False)
    except ValueError:
        return False
    return first.subnet_of(second)


def _pools(subnet: dict[str, Any]) -> list[tuple[int, int]]:
    """Return first and last address of each pool as numbers, in order; what cannot be read is left out."""
    found = []
    for entry in subnet.get("pools") or []:
        first, _dash, last = "".join(str(entry.get("pool", "")).split()).partition("-")
        try:
            if last:
                found.append((int(ipaddress.IPv4Address(first)), int(ipaddress.IPv4Address(last))))
            else:
                network = ipaddress.IPv4Network(first, strict=False)
                found.append((int(network[0]), int(network[-1])))
        except ValueError:
            continue
    return sorted(found)


def _within(inner: list[tuple[int, int]], outer: list[tuple[int, int]]) -> bool:
    """Tell whether every address of the first pools is in one of the others."""
    merged: list[tuple[int, int]] = []
    for first, last in outer:
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return all(any(start <= first and last <= end for start, end in merged) for first, last in inner)


def _words(found: list[_compare.Difference]) -> list[str]:
    """Return the differences as lines: reservations as numbers, and no more lines than people read."""
    lines: list[str] = []
    clients: dict[str, dict[str, set[str]]] = {}
    for item in found:
        match = _RESERVATION.match(item.path)
        if not match:
            lines.append(item.change())
            continue
        whole = item.path == match.group(0)
        kind = ("gone" if item.only_on == 1 else "new") if whole and item.only_on else "changed"
        clients.setdefault(match.group("place"), {}).setdefault(kind, set()).add(match.group("client"))
    for place, kinds in clients.items():
        counts = ", ".join(f"{len(kinds[kind])} {kind}" for kind in ("new", "gone", "changed") if kind in kinds)
        lines.append(f"{place}.reservations: {counts}")
    if len(lines) > _SHOWN:
        lines[_SHOWN - 1 :] = [f"and {len(lines) - _SHOWN + 1} more"]
    return lines
