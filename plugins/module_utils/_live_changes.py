# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that a running DHCPv4 server takes by commands: no restart, no new HA state, no packet lost.

Subnets go by the hook subnet_cmds, reservations by host_cmds, which keeps them in the configuration with
``operation-target`` ``memory`` (Kea ARM, sections "Subnet Commands Hook Library" and "Host Commands Hook Library").
Seen on Kea 3.0.4: ``subnet4-add`` and ``subnet4-update`` refuse reservations; an update replaces everything else of the
subnet and leaves its reservations alone; ``subnet4-del`` takes them along.

Pure: what is to be sent, and whether the result is what was wanted. Private to this collection.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, Iterator, NamedTuple

from ansible_collections.keaops.kea.plugins.module_utils import _compare

SUBNET_HOOK = "libdhcp_subnet_cmds.so"
HOST_HOOK = "libdhcp_host_cmds.so"
COMMANDS = frozenset(
    ["subnet4-add", "subnet4-update", "subnet4-del", "reservation-add", "reservation-update", "reservation-del"]
)
"""What a server must know to be changed so."""
MOST_STEPS = 2000
"""More are slower than a restart is."""

_IDENTIFIERS = ("hw-address", "client-id", "duid", "circuit-id", "flex-id")
_MEMORY = {"operation-target": "memory"}


class Command(NamedTuple):
    """One command and its arguments."""

    name: str
    arguments: dict[str, Any]


class Step(NamedTuple):
    """One command, and the one that takes it back."""

    do: Command
    undo: Command


def steps(old: dict[str, Any], new: dict[str, Any]) -> list[Step] | None:
    """Return the commands that turn one configuration into another; None when commands cannot.

    Args:
        old: what runs, as rendered: ``{"Dhcp4": {...}}``.
        new: what is wanted.
    """
    return None if obstacle(old, new) else list(_between(old, new))


def obstacle(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Return what of a change commands cannot do, in words; empty when they can do all of it.

    Args:
        old, new: as for ``steps``.
    """
    before, after = old.get("Dhcp4") or {}, new.get("Dhcp4") or {}
    keys = [key for key in {**before, **after} if key != "subnet4" and before.get(key) != after.get(key)]
    if keys:
        return f"{', '.join(keys)} {'changes' if len(keys) == 1 else 'change'}, which is not in a subnet of subnet4"
    was, wanted = _by_id(before.get("subnet4")), _by_id(after.get("subnet4"))
    if was is None or wanted is None:
        return "a subnet has no id of its own, or a reservation no identifier that Kea's commands know"
    moved = [number for number, subnet in wanted.items() if number in was and was[number]["subnet"] != subnet["subnet"]]
    if moved:
        return f"the prefix of the subnet with the id {moved[0]} changes"
    count = sum(1 for _step in _in_order(was, wanted))
    return (
        f"it takes {count} commands, and more than {MOST_STEPS} are slower than a restart" if count > MOST_STEPS else ""
    )


def _between(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Step]:
    was, wanted = (_by_id((content.get("Dhcp4") or {}).get("subnet4")) or {} for content in (old, new))
    return _in_order(was, wanted)


def _by_id(subnets: Iterable[dict[str, Any]] | None) -> dict[int, dict[str, Any]] | None:
    """Return subnets by their id; None when one has none, or two have the same."""
    found = {}
    for subnet in subnets or []:
        number = subnet.get("id")
        if number is None or number in found or not all(_client(entry) for entry in subnet.get("reservations") or []):
            return None
        found[number] = subnet
    return found


def _in_order(was: dict[int, dict[str, Any]], wanted: dict[int, dict[str, Any]]) -> Iterator[Step]:
    """Yield what gives addresses and prefixes back before what takes them."""
    both = [number for number in was if number in wanted]
    gone = [number for number in was if number not in wanted]
    new = [number for number in wanted if number not in was]
    for number in both:
        yield from _removed(number, was[number], wanted[number])
    for number in gone:
        yield from _removed(number, was[number], {})
        yield Step(Command("subnet4-del", {"id": number}), _subnet("subnet4-add", was[number]))
    for number in both:
        if _bare(was[number]) != _bare(wanted[number]):
            yield Step(_subnet("subnet4-update", wanted[number]), _subnet("subnet4-update", was[number]))
    for number in new:
        yield Step(_subnet("subnet4-add", wanted[number]), Command("subnet4-del", {"id": number}))
    for number in both:
        yield from _added(number, was[number], wanted[number])
    for number in new:
        yield from _added(number, {}, wanted[number])


def _bare(subnet: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in subnet.items() if key != "reservations"}


def _subnet(name: str, subnet: dict[str, Any]) -> Command:
    return Command(name, {"subnet4": [_bare(subnet)]})


def _client(entry: dict[str, Any]) -> tuple[str, str] | None:
    """Return kind and value of the identifier of a reservation."""
    return next(((kind, str(entry[kind])) for kind in _IDENTIFIERS if entry.get(kind)), None)


def _clients(subnet: dict[str, Any]) -> dict[tuple[str, str] | None, dict[str, Any]]:
    return {_client(entry): entry for entry in subnet.get("reservations") or []}


def _removed(number: int, was: dict[str, Any], wanted: dict[str, Any]) -> Iterator[Step]:
    """Yield the removal of reservations that are gone, or whose address changes: it may go to another client."""
    kept = _clients(wanted)
    for client, entry in _clients(was).items():
        if client not in kept or kept[client].get("ip-address") != entry.get("ip-address"):
            yield Step(_delete(number, entry), _reserve("reservation-add", number, entry))


def _added(number: int, was: dict[str, Any], wanted: dict[str, Any]) -> Iterator[Step]:
    known = _clients(was)
    for client, entry in _clients(wanted).items():
        old = known.get(client)
        if old is None or old.get("ip-address") != entry.get("ip-address"):
            yield Step(_reserve("reservation-add", number, entry), _delete(number, entry))
        elif old != entry:
            yield Step(
                _reserve("reservation-update", number, entry),
                _reserve("reservation-update", number, old),
            )


def _reserve(name: str, number: int, entry: dict[str, Any]) -> Command:
    return Command(name, {"reservation": {"subnet-id": number, **entry}, **_MEMORY})


def _delete(number: int, entry: dict[str, Any]) -> Command:
    kind, value = _client(entry) or ("", "")
    return Command("reservation-del", {"subnet-id": number, "identifier-type": kind, "identifier": value, **_MEMORY})


# ---------------------------------------------------------------------------------------------------------------------
# the proof


def unlike(running: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Return what of the wanted configuration a server does not run.

    Args:
        running: the ``Dhcp4`` of its ``config-get``.
        wanted: the ``Dhcp4`` as rendered. What it does not name has Kea's default, and is not looked at.
    """
    names = {_code(entry): entry["name"] for entry in _options(running.get("subnet4")) if entry.get("name")}
    first, second = ({"subnet4": _alike(section.get("subnet4") or [], names)} for section in (wanted, running))
    return [found.text("the file", "the server") for found in _compare.compare(first, second)]


def _code(option: dict[str, Any]) -> tuple[str, Any]:
    return option.get("space") or "dhcp4", option.get("code")


def _options(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every option in subnets, pools and reservations."""
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from _options(item)
    if isinstance(value, dict):
        yield from value.get("option-data") or []


def _alike(value: Any, names: dict[tuple[str, Any], str]) -> Any:
    """Return subnets with clients, and options that have no name or no text, as Kea writes them."""
    if isinstance(value, list):
        return [_alike(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _alike(item, names) for key, item in value.items()}
    if "subnet" in found:
        found.setdefault("reservations", [])
    for option in found.get("option-data") or []:
        if not option.get("name") and _code(option) in names:
            option["name"] = names[_code(option)]
        if option.get("csv-format") is False:
            option["data"] = _hexadecimal(str(option.get("data", "")))
    for kind in _IDENTIFIERS:
        if isinstance(found.get(kind), str):
            found[kind] = _hexadecimal(found[kind])
    return found


def _hexadecimal(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].encode("utf-8").hex()
    return re.sub("[:. -]|^0x", "", text.lower())
