# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what a host itself is given: its watchdog and its fixed address."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Iterator

from . import _board
from ._options import ipv4_number, ipv4_text
from ._registry import ERROR, HOSTS, INVENTORY, WARNING, Context, Problem, register

if TYPE_CHECKING:
    from ._model import Server, Subnet

_PI, _PI_SECONDS = "Raspberry Pi", 15
_SHORTEST = 10
_NO_WATCHDOG = "Leave it out; a Raspberry Pi has one, unless /boot/firmware/config.txt says dtparam=watchdog=off"
_LEAVE_OUT = "or leave kea_host_network out and set the address by hand"


@register(
    "V20",
    WARNING,
    "A watchdog is there, counts as far as it is told to, and lets a host be busy.",
    looks_at=(INVENTORY, HOSTS),
)
def watchdogs_count(context: Context) -> Iterator[Problem]:
    for server in context.pair.servers:
        seconds = server.settings["kea_host_watchdog"]
        problem = _watchdog_problem(server, seconds) if seconds else None
        if problem:
            yield Problem(server.host, "kea_host_watchdog", seconds, *problem)


def _watchdog_problem(server: Server, seconds: int) -> tuple[str, str] | None:
    kea = (server.facts or {}).get("kea") or {}
    board = str(kea.get("board") or "")
    fix = f"Write kea_host_watchdog: {_PI_SECONDS}"
    if kea.get("watchdog") is False:
        message = f"{server.host} has no hardware watchdog, so nothing restarts it when it hangs"
        return message, _NO_WATCHDOG
    if board.startswith(_PI) and seconds > _PI_SECONDS:
        message = f"{server.host} is a {board}, whose watchdog counts to {_PI_SECONDS} s"
        return f"{message}; some kernels refuse more, and the host then has none", fix
    if seconds < _SHORTEST:
        return f"a host that is merely busy may be silent for {seconds} s, and would be restarted", fix
    return None


@register(
    "V21", ERROR, "A host's fixed address is its own, in a subnet that it serves, with a router in it.", warns=True
)
def fixed_addresses_fit(context: Context) -> Iterator[Problem]:
    for server in context.pair.servers:
        if server.settings["kea_host_network"] is None:
            yield from _without_effect(server)
        elif server.address is not None:
            yield from _address_problems(server)
            yield from _name_server_problems(server)


def _without_effect(server: Server) -> Iterator[Problem]:
    for name in ("kea_host_gateway", "kea_host_name_servers"):
        if server.settings[name]:
            message = "it has no effect without kea_host_network"
            fix = "Set kea_host_network: networkd or networkmanager, or remove it"
            yield Problem(server.host, name, server.settings[name], message, fix, WARNING)


def _address_problems(server: Server) -> Iterator[Problem]:
    subnet, problem = _board.subnet_of(server), _address_problem(server)
    if problem:
        variable = "ansible_host" if server.address_source == "ansible_host" else "kea_ha_address"
        yield Problem(server.host, variable, server.address, *problem)
    elif subnet is not None:
        yield from _interface_problem(server, subnet)
        yield from _gateway_problems(server, subnet)


def _address_problem(server: Server) -> tuple[str, str] | None:
    subnet = _board.subnet_of(server)
    if server.address_source not in ("ansible_host", "kea_ha_address"):
        message = f"this is {server.address_source}, and nothing says that it is to stay its address"
        return message, "Write the fixed address as kea_ha_address"
    if subnet is None:
        message = (
            "the address is in no subnet of kea_subnets whose clients are on the spot, so its network is not known"
        )
        return message, f"Write an address in one of them, {_LEAVE_OUT}"
    if _is_end(subnet, server.address):
        message = f"this is the network or the broadcast address of {subnet.network}"
        return message, "Write the address of a machine"
    return None


def _is_end(subnet: Subnet, address: str | None) -> bool:
    return subnet.first + 1 < subnet.last and ipv4_number(address) in (subnet.first, subnet.last)


def _interface_problem(server: Server, subnet: Subnet) -> Iterator[Problem]:
    # The hosts may tell.
    if _board.interface_of(server, subnet) is None and server.facts is not None:
        yield Problem(
            server.host,
            "kea_host_network",
            server.settings["kea_host_network"],
            f"which interface is in {subnet.network} is not known",
            f"Write it as {subnet.path}.interface",
        )


def _gateway_problems(server: Server, subnet: Subnet) -> Iterator[Problem]:
    gateway = _board.gateway_of(server, subnet)
    fix = f"Write for example kea_host_gateway: {ipv4_text(subnet.first + 1)}"
    if gateway is None:
        if not _board.is_way_out(server, _board.interface_of(server, subnet)):
            return
        message = (
            f"{server.host} has no router from its next boot on: neither does anything say which, nor do clients in"
            f" {subnet.network} get one"
        )
        yield Problem(server.host, "kea_host_gateway", "", message, fix, WARNING)
        return
    message = _gateway_problem(server, subnet, gateway)
    if message:
        yield Problem(server.host, "kea_host_gateway", gateway, message, fix)


def _gateway_problem(server: Server, subnet: Subnet, gateway: str) -> str:
    number = ipv4_number(gateway)
    if number is None:
        return "not an IPv4 address"
    if not subnet.first <= number <= subnet.last:
        return f"the router is not inside {subnet.network}, where {server.address} is"
    if gateway == server.address or _is_end(subnet, gateway):
        return f"no other machine in {subnet.network} has this address"
    return ""


def _name_server_problems(server: Server) -> Iterator[Problem]:
    for index, text in enumerate(server.settings["kea_host_name_servers"]):
        if not _board.is_address(text):
            fix = "Write for example kea_host_name_servers: [192.168.1.1]"
            yield Problem(server.host, f"kea_host_name_servers[{index}]", text, "not an IP address", fix)


_NAMES = {_board.NETWORKD: "systemd-networkd", _board.NETWORKMANAGER: "NetworkManager"}


@register(
    "V22", ERROR, "A fixed address is set by the service that manages the interface, and costs no other.", facts=True
)
def fixed_addresses_can_be_set(context: Context) -> Iterator[Problem]:
    for server in context.with_facts():
        fixed = _board.fixed_of(server)
        state = ((server.facts.get("kea") or {}).get("network") or {}).get(fixed.interface) if fixed else None
        problem = _setting_problem(server, fixed, state) if fixed and state else None
        if problem:
            yield Problem(server.host, "kea_host_network", server.settings["kea_host_network"], *problem)


def _setting_problem(server: Server, fixed: _board.Fixed, state: dict[str, Any]) -> tuple[str, str] | None:
    """Return why the file of a host's address would do nothing, or harm."""
    interface, manager = fixed.interface, state.get("manager")
    if manager != fixed.manager:
        there = _NAMES.get(manager, "neither systemd-networkd nor NetworkManager")
        fix = f"Write kea_host_network: {manager}" if manager else f"Take another interface, {_LEAVE_OUT}"
        return f"{interface} of {server.host} is managed by {there}", fix
    holder = _board.holder(server.facts.get("interfaces") or {}, fixed.ip)
    if holder not in (None, interface):
        message = f"{fixed.ip} is on {holder} of {server.host}, not on {interface}"
        return message, "Correct kea_interfaces and the interface of the subnet"
    return _loss(server, fixed, state)


def _loss(server: Server, fixed: _board.Fixed, state: dict[str, Any]) -> tuple[str, str] | None:
    """Return what an interface would lose with the file that is in force now."""
    interface, others = fixed.interface, ", ".join(state.get("carries") or [])
    wireless = (server.facts.get("kea") or {}).get("wireless") or []
    known = (server.facts.get("interfaces") or {}).get(interface) or {}
    lost = [item for item in known.get("ipv4") or [] if _is_lost(fixed, item)]
    if fixed.manager == _board.NETWORKMANAGER and interface in wireless:
        message = f"{interface} is wireless, and the profile that is in use holds the password of its network"
        return message, f"Use a cable, {_LEAVE_OUT}"
    if fixed.manager == _board.NETWORKD and others:
        message = (
            f"{interface} carries {others}, and the file of systemd-networkd that says so would not be read any more"
        )
        return message, "Set the address in that file, and leave kea_host_network out"
    if lost:
        message = f"from its next boot on {server.host} would not have {', '.join(lost)} on {interface} any more"
        return message, "Set all its addresses by hand, and leave kea_host_network out"
    return None


def _is_lost(fixed: _board.Fixed, item: str) -> bool:
    """Tell whether an address is one of another network than the fixed one."""
    address = ipaddress.ip_address(item.split("/")[0])
    return address not in ipaddress.ip_network(fixed.address, strict=False) and not address.is_link_local


@register("V23", WARNING, "Ansible still reaches a host after its next boot.", facts=True)
def hosts_can_be_reached_again(context: Context) -> Iterator[Problem]:
    for server in context.with_facts():
        fixed, given = _board.fixed_of(server), server.reached_at[0]
        state = (server.facts.get("interfaces") or {}).get(fixed.interface) or {} if fixed else {}
        if fixed and given != fixed.ip and given in (item.split("/")[0] for item in state.get("ipv4") or []):
            yield Problem(
                server.host,
                "ansible_host",
                given,
                f"{server.host} has this address until its next boot, and {fixed.ip} from then on",
                f"Write ansible_host: {fixed.ip} after this run; both work until then",
            )
