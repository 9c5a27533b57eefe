# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what clients are told: DHCP options."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Iterator

from ._options import STANDARD_OPTIONS, addresses_of, ipv4_text
from ._registry import WARNING, Context, Problem, register

if TYPE_CHECKING:
    from ._model import Server, Subnet

_SET_BY_KEA = {
    "dhcp-lease-time": "kea_valid_lifetime",
    "dhcp-renewal-time": "kea_renew_timer",
    "dhcp-rebinding-time": "kea_rebind_timer",
    **dict.fromkeys(
        (
            "authenticate",
            "dhcp-agent-options",
            "dhcp-client-identifier",
            "dhcp-message-type",
            "dhcp-option-overload",
            "dhcp-parameter-request-list",
            "dhcp-requested-address",
            "dhcp-server-identifier",
            "fqdn",
            "subnet-selection",
        ),
        "",
    ),
}


def _places(server: Server) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield (path, options) of every place of a host that has options; reservations and pools come last."""
    yield "kea_option_data", server.options
    for network in server.networks:
        yield network.path + ".option_data", network.options
    for subnet in server.every_subnet:
        if subnet.options:
            yield subnet.path + ".option_data", subnet.options
        for part in [*subnet.pools, *subnet.special]:
            if "option-data" in part.body:
                yield f"{subnet.path}{part.path}.option_data", part.body["option-data"]


@register("V42", WARNING, "Options leave to Kea what Kea sets itself.")
def options_left_to_kea(context: Context) -> Iterator[Problem]:
    for label, server in context.subnet_owners():
        for path, options in _places(server):
            for option in options:
                name = option.get("name")
                if name in _SET_BY_KEA:
                    message = "Kea sets this option itself, by what each client asks for"
                    if name == "dhcp-server-identifier":
                        message = "clients would send their renewals to this server even after its partner took over"
                    instead = _SET_BY_KEA[name]
                    fix = f"Use {instead}" if instead else "Remove it"
                    yield Problem(label, f"{path}.{name}", option.get("data"), message, fix)


@register("V43", WARNING, "Netmask and broadcast address, where they are given, are those of the subnet.")
def options_fit_subnet(context: Context) -> Iterator[Problem]:
    for label, server in context.subnet_owners():
        for subnet in server.every_subnet:
            for option in subnet.options:
                name = option.get("name")
                if name not in ("subnet-mask", "broadcast-address"):
                    continue
                right = int(subnet.network.netmask) if name == "subnet-mask" else subnet.last
                for number in addresses_of([option], name):
                    if number != right:
                        path = f"{subnet.path}.option_data.{name}"
                        message = f"it does not fit {subnet.network}, where it is {ipv4_text(right)}"
                        yield Problem(label, path, ipv4_text(number), message, "Remove it; Kea knows the netmask")
        for name in ("subnet-mask", "broadcast-address"):
            for number in addresses_of(server.options, name):
                message = "one value for all subnets; it can be right for one of them only"
                yield Problem(label, f"kea_option_data.{name}", ipv4_text(number), message, "Remove it")


# Options that name machines clients are to talk to. static-routes and policy-filter hold networks, too.
_MACHINES = frozenset(
    name
    for name, option in STANDARD_OPTIONS.items()
    if option.kinds == ("ipv4",) and option.many and name not in ("static-routes", "policy-filter")
)


def _machines(options: list[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    for option in options:
        name = option.get("name")
        if name in _MACHINES:
            for number in addresses_of([option], name):
                yield name, number


@register("V44", WARNING, "The machines that options name can be reached by clients.")
def machines_reachable(context: Context) -> Iterator[Problem]:
    for label, server in context.subnet_owners():
        for path, options in _places(server):
            for name, number in _machines(options):
                what = _nowhere(number)
                if what:
                    message = f"{what}, which to a client is no machine of yours"
                    fix = "Write the address that the machine has on the network, for example 192.168.1.1"
                    yield Problem(label, f"{path}.{name}", ipv4_text(number), message, fix)


def _nowhere(number: int) -> str:
    first = number >> 24
    if first == 127:
        return "a loopback address: each client would ask itself"
    if first == 0:
        return "no address of a machine"
    return "a multicast or reserved address" if first >= 224 else ""


@register("V45", WARNING, "The machines that options name keep their address: no pool gives it to another client.")
def machines_keep_their_address(context: Context) -> Iterator[Problem]:
    for label, server in context.subnet_owners():
        everywhere = sorted({(number, name) for name, number in _machines(server.options) if name != "routers"})
        for subnet in server.every_subnet:
            inside = everywhere[
                bisect_left(everywhere, (subnet.first, "")) : bisect_left(everywhere, (subnet.last + 1, ""))
            ]
            inside += [(number, name) for name, number in _machines(subnet.options) if name != "routers"]
            if inside:
                yield from _given_away(label, subnet, inside)


def _given_away(label: str, subnet: Subnet, inside: list[tuple[int, str]]) -> Iterator[Problem]:
    reserved = {entry.address for entry in subnet.reservations}
    for number, name in dict.fromkeys(inside):
        for pool in subnet.pools:
            if pool.first <= number <= pool.last and number not in reserved:
                message = f"the pool holds {ipv4_text(number)}, which the option {name} names"
                fix = "Take it out of the range, or reserve it for that machine"
                yield Problem(label, subnet.path + pool.path, pool.text, message, fix)
