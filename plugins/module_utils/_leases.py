# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change of subnets means for the clients that have leases now. Private to this collection.

Counted on the host: there may be 100,000 leases, and the controller needs only a few numbers.
"""

from __future__ import annotations

import socket
import struct
from bisect import bisect_right
from typing import Any, Iterable, Iterator, NamedTuple

_IN_USE = 0
_RELEASED = 3  # Kea 3.0 and later
_SHOWN = 20
_FOREVER = 0xFFFFFFFF
# Seconds: of a lease that may be on its way to the partner, and of clocks that differ.
_SETTLED = 10
_CLOCK = 2


class Subnet(NamedTuple):
    """What of a subnet decides whether a lease is in order; addresses are numbers."""

    id: int
    prefix: str
    first: int
    last: int
    pools: list[tuple[int, int]]
    reserved: dict[int, list[tuple[str, str]]]
    """Kind and identifier of the clients for whom an address is reserved."""


def address_number(text: Any) -> int | None:
    """Return an IPv4 address as a number, None if it is none."""
    try:
        return struct.unpack("!I", socket.inet_pton(socket.AF_INET, str(text).strip()))[0]
    except OSError:
        return None


def _network(text: str) -> tuple[int, int] | None:
    address, _slash, length = text.partition("/")
    start = address_number(address)
    if start is None or not length.strip().isdigit() or int(length) > 32:
        return None
    size = 1 << (32 - int(length))
    return start // size * size, start // size * size + size - 1


def _pool(text: str) -> tuple[int, int] | None:
    """Return first and last address of a pool in any of Kea's spellings."""
    if "/" in text:
        return _network(text)
    ends = [address_number(part) for part in text.split("-")]
    return (ends[0], ends[1]) if len(ends) == 2 and None not in ends else None


def _identifier(value: Any) -> str:
    """Return an identifier as Kea prints it for a lease, but without the colons."""
    text = str(value)
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].encode("utf-8").hex()
    return text.replace(":", "").replace("-", "").lower()


def read(subnets: Iterable[dict[str, Any]]) -> dict[int, Subnet]:
    """Return subnets in Kea's form by their ids; what cannot be read is left out."""
    found = {}
    for body in subnets:
        ends = _network(str(body.get("subnet")))
        if ends is None or not isinstance(body.get("id"), int):
            continue
        pools = [_pool(str(entry.get("pool"))) for entry in body.get("pools") or []]
        reserved: dict[int, list[tuple[str, str]]] = {}
        for entry in body.get("reservations") or []:
            number = address_number(entry.get("ip-address"))
            kind = next(
                (key for key in ("hw-address", "client-id", "duid", "circuit-id", "flex-id") if key in entry), ""
            )
            if number is not None and kind:
                reserved.setdefault(number, []).append((kind, _identifier(entry[kind])))
        usable = sorted(pool for pool in pools if pool is not None)
        found[body["id"]] = Subnet(body["id"], str(body["subnet"]), *ends, usable, reserved)
    return found


def summary(subnets: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return id and pools of each subnet by its prefix, spelt the same whoever wrote them."""
    return {
        subnet.prefix: {"id": subnet.id, "pools": [f"{_text(first)}-{_text(last)}" for first, last in subnet.pools]}
        for subnet in read(subnets).values()
    }


def _text(number: int) -> str:
    return socket.inet_ntoa(struct.pack("!I", number))


def difference(
    mine: Iterable[dict[str, Any]], theirs: Iterable[dict[str, Any]], now: float, since: tuple[float, float] = (0, 0)
) -> list[str]:
    """Return the addresses of leases that two servers of a pair know differently, in order.

    Kea below 2.4 forgets a lease when its client releases it, and a partner that was away at that moment keeps it until
    it ends. So there a lease that only one of the two has counts when it was given *since* that one was started (in
    seconds since 1970, of mine and of theirs).

    What clients got in the last seconds is left out, as the two are not asked in the same moment; and so is what has
    ended, which each cleans up in its own time.
    """
    return _in_order(
        address
        for address, one, other in _settled(mine, theirs, now)
        if not _same_lease(one, other)
        and (one is None or other is not None or one[-2] >= since[0])
        and (other is None or one is not None or other[-2] >= since[1])
    )


def lacking(mine: Iterable[dict[str, Any]], theirs: Iterable[dict[str, Any]], now: float) -> list[str]:
    """Return the addresses of leases that the partner has and this server has not, or only as they were before."""
    return _in_order(
        address
        for address, one, other in _settled(mine, theirs, now)
        if other is not None and (one is None or (other[-2] > one[-2] and not _same_lease(one, other)))
    )


def _settled(
    mine: Iterable[dict[str, Any]], theirs: Iterable[dict[str, Any]], now: float
) -> Iterator[tuple[str, tuple | None, tuple | None]]:
    """Return each lease as both know it, None where one does not; without what is too new, and what has ended.

    So without what its client has released, too: that is nobody's, and Kea 2.6 does not take it from Kea 3.0.
    """
    first, second = ({lease.get("ip-address"): _facts(lease) for lease in one} for one in (mine, theirs))
    for address in {**first, **second}:
        known = (first.get(address), second.get(address))
        # One of the two being fresh means that the other one may have been asked too early.
        if all(
            facts[-2] <= now - _SETTLED and (facts[-1] is None or facts[-1] > now) and facts[-3] != _RELEASED
            for facts in known
            if facts is not None
        ):
            yield (address, *known)


def _in_order(addresses: Iterable[str]) -> list[str]:
    return sorted(addresses, key=lambda address: address_number(address) or 0)


def _facts(lease: dict[str, Any]) -> tuple:
    """Return whose a lease is, when it was given, and when it ends (None: never)."""
    start, length = lease.get("cltt", 0), lease.get("valid-lft", 0)
    owner = tuple(_identifier(lease.get(key) or "") for key in ("hw-address", "client-id"))
    return (*owner, lease.get("subnet-id"), lease.get("state"), start, None if length == _FOREVER else start + length)


def _same_lease(one: tuple | None, other: tuple | None) -> bool:
    if one is None or other is None:
        return one is other
    # A server notes the second in which it hears of a lease.
    ends = [one[-1] or 0, other[-1] or 0]
    return one[:-2] == other[:-2] and abs(ends[0] - ends[1]) <= _CLOCK


class Impact:
    """What becomes of leases when the subnets in ``before`` are replaced by those in ``after``."""

    def __init__(self, before: dict[int, Subnet], after: dict[int, Subnet]) -> None:
        self._before, self._after = before, after
        kept = {subnet.prefix for subnet in after.values()}
        # Another id for the same prefix is a mistake of its own, and told as such.
        self._ended = {
            number: subnet
            for number, subnet in before.items()
            if (number not in after and subnet.prefix not in kept)
            or (number in after and not _inside(subnet, after[number]))
        }
        self._repooled = {
            number for number in after if number in before and before[number].pools != after[number].pools
        }
        self._reserving = any(
            subnet.reserved != (before[number].reserved if number in before else {}) for number, subnet in after.items()
        )
        self._removed: dict[int, int] = {}
        self._outside: dict[int, list[str]] = {}
        self._counts: dict[int, int] = {}
        self._taken: list[dict[str, Any]] = []

    @property
    def matters(self) -> bool:
        """Whether any lease could be touched, so that it is worth to read them."""
        return bool(self._ended or self._repooled or self._reserving)

    def add(self, lease: dict[str, Any], now: float) -> None:
        """Look at one lease, as Kea prints it."""
        lifetime = lease.get("valid-lft", 0)
        if lease.get("state") != _IN_USE or (lifetime != _FOREVER and lease.get("cltt", 0) + lifetime <= now):
            return
        number, address = lease.get("subnet-id"), address_number(lease.get("ip-address"))
        if address is None:
            return
        after = self._after.get(number)
        if number in self._ended and (after is None or not after.first <= address <= after.last):
            self._removed[number] = self._removed.get(number, 0) + 1
            return
        if after is None:
            return
        self._counts[number] = self._counts.get(number, 0) + 1
        owners = after.reserved.get(address)
        if owners:
            if not any(_is_client(lease, kind, identifier) for kind, identifier in owners):
                self._taken.append(_taken(lease, number, owners[0]))
        elif number in self._repooled and not _in_pools(address, after.pools):
            self._outside.setdefault(number, []).append(lease["ip-address"])

    def result(self) -> dict[str, Any]:
        """Return what was found, small enough to be sent."""
        return {
            "removed": [
                {"id": number, "subnet": self._before[number].prefix, "leases": count}
                for number, count in sorted(self._removed.items())
            ],
            "outside": [
                {
                    "id": number,
                    "subnet": self._after[number].prefix,
                    "leases": len(addresses),
                    "of": self._counts[number],
                    "addresses": sorted(addresses, key=address_number)[:_SHOWN],
                }
                for number, addresses in sorted(self._outside.items())
            ],
            "taken": self._taken[:_SHOWN],
            "taken_count": len(self._taken),
        }


def _inside(subnet: Subnet, other: Subnet) -> bool:
    return other.first <= subnet.first and subnet.last <= other.last


def _in_pools(address: int, pools: list[tuple[int, int]]) -> bool:
    at = bisect_right(pools, (address, 0xFFFFFFFF))
    return at > 0 and pools[at - 1][0] <= address <= pools[at - 1][1]


def _is_client(lease: dict[str, Any], kind: str, identifier: str) -> bool:
    """Tell whether a lease may be that client's; of a relay's identifiers a lease says nothing."""
    client_id = _identifier(lease.get("client-id") or "")
    if kind == "hw-address":
        return _identifier(lease.get("hw-address") or "") == identifier
    if kind == "client-id":
        return client_id == identifier
    if kind == "duid":
        # RFC 4361: type 255, four bytes of IAID, DUID.
        return client_id[:2] == "ff" and client_id[10:] == identifier
    return True


def _taken(lease: dict[str, Any], number: int, owner: tuple[str, str]) -> dict[str, Any]:
    return {
        "id": number,
        "address": lease["ip-address"],
        "reserved_for": owner[1],
        "client": lease.get("hw-address") or lease.get("client-id") or "",
        "hostname": lease.get("hostname") or "",
        "until": lease.get("cltt", 0) + lease.get("valid-lft", 0),
    }
