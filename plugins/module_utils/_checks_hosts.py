# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that look at what the hosts say of themselves."""

from __future__ import annotations

import ipaddress
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, Iterator, Sequence

from . import _board
from ._options import ipv4_text
from ._plan import breaking_changes
from ._registry import ERROR, HOSTS, INVENTORY, WARNING, Context, Problem, register

if TYPE_CHECKING:
    from ._model import Pair, Server, Subnet


@register("P07", ERROR, "The address a partner is told is on an interface of that host.", facts=True)
def address_on_host(context: Context) -> Iterator[Problem]:
    for server in context.with_facts():
        interfaces = _board.interfaces(server)
        if server.address is None or ":" in server.address or not interfaces:
            continue
        present = {item.split("/")[0] for state in interfaces.values() for item in state.get("ipv4") or []}
        if server.address not in present:
            yield Problem(
                server.host,
                "kea_ha_address",
                server.address,
                f"no interface of {server.host} has this address; it has {_interface_list(server)}",
                "Set kea_ha_address to one of these",
            )


def _interface_list(server: Server) -> str:
    """Return a host's interfaces with their addresses, for messages."""
    interfaces = (server.facts or {}).get("interfaces") or {}
    parts = []
    for name in sorted(interfaces):
        state = interfaces[name]
        notes = list(state.get("ipv4") or [])
        if not state.get("up", True):
            notes.append("down")
        parts.append(f"{name} ({', '.join(notes) or 'no IPv4 address'})")
    return ", ".join(parts) or "none"


def _interface_name(text: str) -> str:
    """Kea lets an interface be narrowed to one address: ``eth0/192.168.1.2``."""
    return text.split("/")[0]


@register(
    "P26",
    ERROR,
    "The interfaces served exist on each host, are up and have an IPv4 address.",
    ignorable=True,
    looks_at=(INVENTORY, HOSTS),
)
def interfaces_usable(context: Context) -> Iterator[Problem]:
    for server in context.pair.servers:
        yield from _subnets_on_other_interfaces(server)
    for server in context.with_facts():
        yield from _unusable_interfaces(server)


def _subnets_on_other_interfaces(server: Server) -> Iterator[Problem]:
    served = {_interface_name(name) for name in server.interfaces}
    if not served or "*" in served:
        return
    for subnet in server.every_subnet:
        if subnet.interface and subnet.interface not in served:
            yield Problem(
                server.host,
                subnet.path + ".interface",
                subnet.interface,
                f"{server.host} does not serve this interface; it serves {', '.join(sorted(served))}",
                "Add it to kea_interfaces, or correct the name",
            )


def _unusable_interfaces(server: Server) -> Iterator[Problem]:
    known = _board.interfaces(server)
    if not known:
        return
    for index, name in enumerate(server.interfaces):
        problem = _interface_problem(server.host, name, known.get(_interface_name(name)))
        if problem and name != "*":
            yield Problem(
                server.host,
                f"kea_interfaces[{index}]",
                name,
                f"{problem}; {server.host} has {_interface_list(server)}",
                "Write one that is up and has an address; names may differ per host (host_vars)",
            )


def _interface_problem(host: str, name: str, state: dict[str, Any] | None) -> str:
    if state is None:
        return f"interface {name} not found on {host}"
    if not state.get("up", True):
        return f"interface {name} is down"
    return "" if state.get("ipv4") else f"interface {name} has no IPv4 address"


@register(
    "P27", ERROR, "Every subnet is local to a served interface of each host, or relayed.", True, facts=True, warns=True
)
def subnets_reachable(context: Context) -> Iterator[Problem]:
    for server in context.with_facts():
        known = _board.interfaces(server)
        for subnet in _subnets_out_of_reach(server, known) if known else ():
            yield Problem(
                server.host,
                subnet.path + ".subnet",
                subnet.text,
                f"no served interface of {server.host} has an address in it, and no relay is declared;"
                f" it has {_interface_list(server)}",
                f"Add relay: {{ip_addresses: [{ipv4_text(subnet.first + 1)}]}}, or correct kea_interfaces",
                # Kea still serves it by the interface's name; odd, but it works.
                WARNING if subnet.interface in known else "",
            )


def _subnets_out_of_reach(server: Server, known: dict[str, Any]) -> Iterator[Subnet]:
    """Yield the subnets that are neither local to a served interface nor relayed."""
    numbers = sorted(number for _name, number in _local_addresses(server, known))
    linked = {id(subnet.shared) for subnet in server.every_subnet if _is_local(subnet, numbers)}
    for subnet in server.every_subnet:
        # One local subnet is enough for all of a shared network.
        if subnet.relayed or _is_local(subnet, numbers) or (subnet.shared and id(subnet.shared) in linked):
            continue
        yield subnet


def _is_local(subnet: Subnet, numbers: Sequence[int]) -> bool:
    return bisect_right(numbers, subnet.last) > bisect_left(numbers, subnet.first)


def _local_addresses(server: Server, known: dict[str, Any]) -> list[tuple[str, int]]:
    served = {_interface_name(name) for name in server.interfaces}
    found = []
    for name, state in known.items():
        if name in served or "*" in served:
            found += [(name, int(ipaddress.IPv4Address(item.split("/")[0]))) for item in state.get("ipv4") or []]
    return found


@register("V13", ERROR, "Every host of the pair was reached.", facts=True)
def hosts_reached(context: Context) -> Iterator[Problem]:
    if not context.live:
        return
    for server in context.pair.servers:
        if server.facts is None or server.trouble:
            yield Problem(
                server.host,
                "",
                "",
                server.trouble or "nothing is known about this host: it could not be reached, or its facts not read",
                f"Try: ansible -b -m ansible.builtin.setup {server.host}; look at ansible_host, the SSH key and sudo",
            )


@register("V14", ERROR, "Kea is installed or can be installed.", facts=True)
def kea_installable(context: Context) -> Iterator[Problem]:
    for server in context.with_facts():
        kea = server.facts.get("kea")
        if kea and not kea.get("version") and not kea.get("candidate") and server.version_source == "unknown":
            yield Problem(
                server.host,
                "",
                "",
                f"Kea is not installed and the package sources of {server.host} offer none",
                "Refresh them (apt-get update), or add a repository that holds Kea",
            )


@register("V15", ERROR, "How the servers talk to each other changes only with kea_accept_outage.", facts=True)
def link_is_kept(context: Context) -> Iterator[Problem]:
    if context.pair.settings["kea_accept_outage"]:
        return
    for host, changes in breaking_changes(context.pair).items():
        yield Problem(
            host,
            "kea_accept_outage",
            False,
            f"this run changes how the two servers talk to each other ({', '.join(changes)}); made one server at a"
            " time, they could not talk in between",
            "Run again with -e kea_accept_outage=true: one server then serves alone while the two change, and clients"
            " wait for one heartbeat, twice; in a pair that is not well both restart together"
            + _how_to_keep(context.pair, changes),
        )


def _how_to_keep(pair: Pair, changes: Sequence[str]) -> str:
    """Return how to avoid a change that nobody asked for: the default follows the version of Kea."""
    if "listener" not in changes or pair.settings["kea_ha_transport"]:
        return ""
    running = "control_agent" if pair.transport == "listener" else "listener"
    return f". The default transport follows the version of Kea; keep the one in use with kea_ha_transport: {running}"


@register("P20", ERROR, "A subnet keeps the id that it has on the host.", facts=True)
def subnet_ids_are_kept(context: Context) -> Iterator[Problem]:
    for server in context.with_facts():
        running = (((server.facts.get("kea") or {}).get("daemons") or {}).get("dhcp4") or {}).get("subnet_ids") or {}
        for subnet in server.every_subnet:
            old = running.get(subnet.text)
            if subnet.id is not None and old is not None and old != subnet.id:
                yield Problem(
                    server.host,
                    subnet.path + ".id",
                    subnet.id,
                    f"{subnet.text} has the id {old} on {server.host}; its leases belong to that id and would be lost",
                    f"Write id: {old}",
                )


@register("V18", WARNING, "Clients are served by cable.", ignorable=True, facts=True)
def interfaces_have_cables(context: Context) -> Iterator[Problem]:
    for server in context.with_facts():
        wireless = (server.facts.get("kea") or {}).get("wireless") or []
        for index, name in enumerate(server.interfaces):
            if _interface_name(name) in wireless:
                yield Problem(
                    server.host,
                    f"kea_interfaces[{index}]",
                    name,
                    "this interface is wireless: it sleeps to save power, heartbeats get lost, and the standby takes"
                    " over for no good reason",
                    f"Use a cable, or switch the saving off: iw dev {_interface_name(name)} set power_save off",
                )


@register("V19", WARNING, "A host whose clock stops without power waits for the time.", ignorable=True, facts=True)
def clocks_are_waited_for(context: Context) -> Iterator[Problem]:
    if context.pair.settings["kea_clock_wait"]:
        return
    for server in context.with_facts():
        board = str((server.facts.get("kea") or {}).get("board") or "")
        if board.startswith("Raspberry Pi"):
            yield Problem(
                server.host,
                "kea_clock_wait",
                0,
                f"{server.host} is a {board}, whose clock stops without power; after a power cut the clocks of the two"
                " servers may differ by more than 60 s, and Kea then ends high availability",
                "Write kea_clock_wait: 120, or leave it out",
            )
