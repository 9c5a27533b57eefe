# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of subnets, pools, reservations and options."""

from __future__ import annotations

import ipaddress
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, Iterator, Sequence

from ._checks_pair import concerns_peers, difference_problem
from ._compare import compare
from ._options import ipv4_number, ipv4_text
from ._registry import ERROR, WARNING, Context, Problem, doubles, key_path, register

if TYPE_CHECKING:
    from ._model import Reservation, Server, Subnet

    # A reservation, and what is wrong with it: in which part, with which value, message and fix.
    _Wrong = tuple[Reservation, str, str, str, str]


@register("P18", ERROR, "A subnet is written without host bits.", stork=["canonical_prefix"])
def canonical_prefix(context: Context) -> Iterator[Problem]:
    for label, _server, subnets in context.subnet_sets():
        for subnet in subnets:
            if subnet.host_bits:
                yield Problem(
                    label,
                    subnet.path + ".subnet",
                    subnet.text,
                    "the subnet has host bits set, so Kea would not see duplicates of it",
                    f"Write {subnet.network}",
                )


@register("P19", ERROR, "No two subnets overlap.", stork=["overlapping_subnet"])
def subnets_apart(context: Context) -> Iterator[Problem]:
    for label, _server, subnets in context.subnet_sets():
        # Networks nest or are apart: in this order an overlap is always with the widest one still open.
        widest: Subnet | None = None
        for subnet in sorted(subnets, key=lambda item: (item.first, -item.last)):
            if widest is not None and subnet.first <= widest.last:
                yield Problem(
                    label,
                    subnet.path + ".subnet",
                    subnet.text,
                    f"the subnet overlaps {widest.text} (id {widest.id}, {widest.path})",
                    "Keep one of them, or make them disjoint",
                )
            if widest is None or subnet.last > widest.last:
                widest = subnet


_NO_CLIENTS = tuple(
    (ipaddress.IPv4Network(network), what)
    for network, what in (
        ("0.0.0.0/8", "no addresses of machines"),
        ("127.0.0.0/8", "loopback addresses"),
        ("169.254.0.0/16", "addresses that clients give themselves"),
        ("224.0.0.0/3", "multicast and reserved addresses"),
    )
)
_WIDEST = 8


@register("V46", ERROR, "A subnet is one that clients can be in.", ignorable=True, warns=True)
def subnets_for_clients(context: Context) -> Iterator[Problem]:
    for label, _server, subnets in context.subnet_sets():
        for subnet in subnets:
            example = "Write for example 192.168.1.0/24"
            if subnet.network.prefixlen < _WIDEST:
                message = f"the subnet holds {subnet.last - subnet.first + 1} addresses; is the prefix length right?"
                yield Problem(label, subnet.path + ".subnet", subnet.text, message, example, WARNING)
                continue
            what = next((what for network, what in _NO_CLIENTS if subnet.network.subnet_of(network)), "")
            if what:
                yield Problem(label, subnet.path + ".subnet", subnet.text, f"these are {what}", example)


@register("P20", ERROR, "Every subnet has an id of its own that never changes.")
def unique_ids(context: Context) -> Iterator[Problem]:
    for label, _server, subnets in context.subnet_sets():
        used = {subnet.id for subnet in subnets}
        for first, second in doubles(subnets, lambda subnet: subnet.id):
            free = next(number for number in range(1, len(used) + 2) if number not in used)
            yield Problem(
                label,
                second.path + ".id",
                second.id,
                f"{first.text} and {second.text} have the same id",
                f"Give each subnet its own number, for example id: {free}",
            )


@register("P21", ERROR, "Subnets, pools, ids, options and lifetimes are the same on all hosts of a pair.")
def same_subnets(context: Context) -> Iterator[Problem]:
    for difference in context.pair.differences:
        if not concerns_peers(difference.variable):
            yield difference_problem(difference)
    for first, other in zip(context.pair.servers, context.pair.servers[1:]):
        for difference in compare(_extra_of(first), _extra_of(other), same_version=True):
            message = f"both hosts need the same: {difference.text(first.host, other.host)}"
            variable, fix = f"kea_dhcp4_extra.{difference.path}", "Set it once, in the group_vars of the pair"
            yield Problem(f"{first.host}, {other.host}", variable, None, message, fix)


def _extra_of(server: Server) -> dict[str, Any]:
    """Return a host's own keys, with its reservations of no subnet."""
    return {**server.dhcp4_extra, "reservations": [entry.body for entry in server.reservations]}


@register("P22", ERROR, "Every subnet can give out an address.", ignorable=True, stork=["dispensable_subnet"])
def subnets_serve(context: Context) -> Iterator[Problem]:
    for label, _server, subnets in context.subnet_sets():
        for subnet in subnets:
            if not subnet.raw_pools and not subnet.raw_reservations:
                yield Problem(
                    label,
                    subnet.path,
                    subnet.text,
                    "the subnet has neither pools nor reservations, so it can give out no address",
                    f"Add for example pools: [{_example_pool(subnet)}]",
                )


def _example_pool(subnet: Subnet) -> str:
    """Return a pool inside the subnet: its upper half or so, without the ends."""
    size = subnet.last - subnet.first + 1
    if size < 4:
        return f"{ipv4_text(subnet.first)}-{ipv4_text(subnet.last)}"
    low = subnet.first + (100 if size == 256 else size // 2)
    high = subnet.first + 199 if size == 256 else subnet.last - 1
    return f"{ipv4_text(low)}-{ipv4_text(high)}"


def _taken(context: Context, server: Server, subnet: Subnet) -> list[tuple[int, str]]:
    """Return the addresses inside a subnet that belong to servers, routers or relays: (number, whose)."""
    taken = [(number, "router") for number in subnet.routers or server.routers]
    taken += [(number, "relay") for number in map(ipv4_number, subnet.relays) if number is not None]
    taken += [(other.address_number, other.host) for other in context.pair.servers if other.address_number is not None]
    return [(number, owner) for number, owner in taken if subnet.first <= number <= subnet.last]


@register("P23", ERROR, "Pools are inside their subnet, apart from each other, and free of fixed addresses.")
def pools_valid(context: Context) -> Iterator[Problem]:
    for label, server, subnets in context.subnet_sets():
        for subnet in subnets:
            taken = _taken(context, server, subnet)
            for pool in subnet.pools:
                problem = _pool_problem(subnet, pool, taken)
                if problem:
                    yield Problem(label, subnet.path + pool.path, pool.text, *problem)
            yield from _pool_overlaps(label, subnet)


def _pool_problem(subnet: Subnet, pool: Any, taken: Sequence[tuple[int, str]]) -> tuple[str, str] | None:
    if pool.first > pool.last:
        return "the pool runs backwards", f"Write {ipv4_text(pool.last)}-{ipv4_text(pool.first)}"
    if pool.first < subnet.first or pool.last > subnet.last:
        message = f"the pool is not inside {subnet.network}"
        return message, f"Write a range inside it, for example {_example_pool(subnet)}"
    return _ends_in_pool(subnet, pool) or _others_in_pool(pool, taken)


def _ends_in_pool(subnet: Subnet, pool: Any) -> tuple[str, str] | None:
    """Return what is wrong with a pool that holds the first or the last address of its subnet."""
    if subnet.last - subnet.first > 1:
        for number, what in ((subnet.first, "network"), (subnet.last, "broadcast")):
            if pool.first <= number <= pool.last:
                message = f"the pool holds the {what} address {ipv4_text(number)}"
                return message, f"Write a range without it, for example {_example_pool(subnet)}"
    return None


def _others_in_pool(pool: Any, taken: Sequence[tuple[int, str]]) -> tuple[str, str] | None:
    """Return what is wrong with a pool that holds the address of a server, router or relay."""
    for number, owner in taken:
        if pool.first <= number <= pool.last:
            message = f"the pool holds {ipv4_text(number)}, which is the address of {_owner(owner)}"
            return message, "Take it out of the range, or split the pool in two"
    return None


def _owner(owner: str) -> str:
    return f"the {owner}" if owner in ("router", "relay") else owner


def _pool_overlaps(label: str, subnet: Subnet) -> Iterator[Problem]:
    furthest = None
    for pool in sorted(subnet.pools, key=lambda item: (item.first, item.last)):
        if pool.first > pool.last:
            continue
        if furthest is not None and pool.first <= furthest.last:
            yield Problem(
                label,
                subnet.path + pool.path,
                pool.text,
                f"the pool overlaps the pool {furthest.text} at {ipv4_text(pool.first)}",
                "Make the ranges disjoint, or merge them",
            )
        if furthest is None or pool.last > furthest.last:
            furthest = pool


@register("P24", ERROR, "A reservation is inside its subnet, and neither its address nor its client is reserved twice.")
def reservations_valid(context: Context) -> Iterator[Problem]:
    for label, server, subnets in context.subnet_sets():
        for subnet in subnets:
            if subnet.reservations:
                yield from _reservation_problems(label, server, subnet, dict(reversed(_taken(context, server, subnet))))
        for first, second in doubles(server.reservations, _client_of):
            message = f"duplicate reservation: kea_dhcp4_extra{first.path} has the same {first.kind}"
            yield Problem(label, f"kea_dhcp4_extra{second.path}", second.identifier, message, "Keep one of them")


# Beside the client, in Kea's words a resource.
_GIFTS = ("boot-file-name", "client-classes", "hostname", "ip-address", "next-server", "option-data", "server-hostname")


@register("V51", ERROR, "A reservation gives something to its client, where Kea wants it to.")
def reservations_give(context: Context) -> Iterator[Problem]:
    if not any(server.dialect and server.dialect.series == "2.2" for server in context.pair.servers):
        return
    for label, server in context.subnet_owners():
        places = [("kea_dhcp4_extra", server.reservations), *((s.path, s.reservations) for s in server.every_subnet)]
        for path, entry in ((path, entry) for path, entries in places for entry in entries):
            if not any(entry.body.get(gift) for gift in _GIFTS):
                message = "the client gets neither address nor name, options or class, which Kea 2.2 refuses"
                yield Problem(
                    label, path + entry.path, entry.identifier, message, "Add for example ip_address or hostname"
                )


def _reservation_problems(label: str, server: Server, subnet: Subnet, taken: dict[int, str]) -> Iterator[Problem]:
    """Yield what is wrong with the reservations of a subnet, one reservation after the other."""
    first, last = subnet.first, subnet.last
    addressed = [entry for entry in subnet.reservations if entry.address is not None]
    inside = [entry for entry in addressed if first <= entry.address <= last]
    found = [*_clients_reserved_twice(subnet)]
    if len(inside) < len(addressed):
        found += _addresses_outside(subnet, addressed)
    found += _addresses_of_others(subnet, inside, taken)
    if server.unique_reservations:
        found += _addresses_reserved_twice(subnet, inside)
    if subnet.out_of_pool:
        found += _addresses_in_pools(subnet, inside)
    for entry, part, value, message, fix in sorted(found, key=lambda item: item[0].index):
        yield Problem(label, subnet.path + entry.path + part, value, message, fix)


def _client_of(entry: Reservation) -> tuple[str, str]:
    return entry.kind, entry.identifier


def _wrong_address(entry: Reservation, message: str, fix: str) -> _Wrong:
    return entry, ".ip_address", ipv4_text(entry.address), message, fix


def _clients_reserved_twice(subnet: Subnet) -> Iterator[_Wrong]:
    for first, second in doubles(subnet.reservations, _client_of):
        message = f"duplicate reservation: {subnet.path + first.path} has the same {second.kind}"
        yield second, "", second.identifier, message, "Keep one of them"


def _addresses_outside(subnet: Subnet, addressed: Sequence[Reservation]) -> Iterator[_Wrong]:
    for entry in addressed:
        if not subnet.first <= entry.address <= subnet.last:
            message = f"the reservation of {entry.identifier} is not inside {subnet.network}"
            example = ipv4_text(min(subnet.first + 10, subnet.last))
            yield _wrong_address(entry, message, f"Write an address inside it, for example {example}")


def _addresses_of_others(subnet: Subnet, inside: Sequence[Reservation], taken: dict[int, str]) -> Iterator[_Wrong]:
    ends = (subnet.first, subnet.last) if subnet.first + 1 < subnet.last else ()
    for entry in inside:
        if entry.address in taken:
            message = f"the address reserved for {entry.identifier} belongs to {_owner(taken[entry.address])}"
            yield _wrong_address(entry, message, "Reserve another address")
        elif entry.address in ends:
            message = "the network and the broadcast address cannot be reserved"
            yield _wrong_address(entry, message, "Reserve another address")


def _addresses_reserved_twice(subnet: Subnet, inside: Sequence[Reservation]) -> Iterator[_Wrong]:
    for first, second in doubles(inside, lambda entry: entry.address):
        whose = f"{first.identifier} ({subnet.path + first.path})"
        message = f"duplicate reservation: the address is already reserved for {whose}"
        yield _wrong_address(second, message, "Give each client its own address")


def _addresses_in_pools(subnet: Subnet, inside: Sequence[Reservation]) -> Iterator[_Wrong]:
    for entry in inside:
        if any(pool.first <= entry.address <= pool.last for pool in subnet.pools):
            message = "the address is in a pool, but reservations_out_of_pool says that no reservation is"
            fix = "Reserve an address outside the pools, or remove reservations_out_of_pool"
            yield _wrong_address(entry, message, fix)


@register(
    "P25",
    ERROR,
    "A pool has room beside the reservations in it.",
    ignorable=True,
    stork=["address_pools_exhausted_by_reservations"],
)
def pools_not_exhausted(context: Context) -> Iterator[Problem]:
    for label, _server, subnets in context.subnet_sets():
        for subnet in subnets:
            numbers = sorted({entry.address for entry in subnet.reservations if entry.address is not None})
            for pool in subnet.pools:
                size = pool.last - pool.first + 1
                reserved = bisect_right(numbers, pool.last) - bisect_left(numbers, pool.first)
                if 0 < size <= reserved:
                    yield Problem(
                        label,
                        subnet.path + pool.path,
                        pool.text,
                        f"all {size} addresses of the pool are reserved, none is left for other clients",
                        "Make the pool larger, or reserve addresses outside it",
                    )


_NO_MACS = {
    "00:00:00:00:00:00": "no client has this MAC address",
    "ff:ff:ff:ff:ff:ff": "this MAC address means everybody",
}
_ETHERNET = "01:"
# As texts: of six bytes, and of seven.
_SIX, _SEVEN = 17, 20


@register("V47", WARNING, "A reservation is for the MAC address or client id of one machine.")
def macs_of_machines(context: Context) -> Iterator[Problem]:
    for label, server in context.subnet_owners():
        for path, entries in server.every_reservation():
            for entry in entries:
                trouble = _mac_trouble(entry.kind, entry.identifier)
                if trouble:
                    variable = key_path(path + entry.path, entry.kind)
                    yield Problem(label, variable, entry.identifier, *trouble)


def _mac_trouble(kind: str, text: str) -> tuple[str, str] | None:
    """Return what is odd about an identifier, and what to write."""
    if kind == "hw-address" and text in _NO_MACS:
        return _NO_MACS[text], "Write what is printed on the machine, or what `ip link` shows on it"
    if kind == "hw-address" and len(text) == _SEVEN and text.startswith(_ETHERNET):
        return "a MAC address has six bytes; the 01 before it belongs to a client id", f'Write "{text[3:]}"'
    if kind == "client-id" and len(text) == _SIX and text[0] != "'":
        return "it looks like a MAC address, but clients send a 01 before it", f'Write "{_ETHERNET}{text}"'
    return None


@register("V12", WARNING, "A router is inside the subnet it serves, and an address of a machine.")
def routers_inside(context: Context) -> Iterator[Problem]:
    for label, _server, subnets in context.subnet_sets():
        for subnet in subnets:
            for number in subnet.routers:
                if subnet.first + 1 < subnet.last and number in (subnet.first, subnet.last):
                    word = "network" if number == subnet.first else "broadcast"
                    message = f"it is the {word} address of {subnet.network}, so no router has it"
                    fix = f"Write for example {ipv4_text(subnet.first + 1)}"
                    yield Problem(label, subnet.path + ".option_data.routers", ipv4_text(number), message, fix)
                if not subnet.first <= number <= subnet.last:
                    yield Problem(
                        label,
                        subnet.path + ".option_data.routers",
                        ipv4_text(number),
                        f"the router is not inside {subnet.network}, so clients cannot reach it directly",
                        f"Write an address inside it, for example {ipv4_text(subnet.first + 1)}",
                    )
