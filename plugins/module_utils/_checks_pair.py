# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the pair itself: hosts, roles, names, addresses, transport."""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING, Any, Iterator, Sequence

from ._options import ipv4_text
from ._plan import ports
from ._registry import ERROR, HOSTS, INVENTORY, WARNING, Context, Problem, doubles, register, short
from ._render import OWN_HOOKS, api_of, ha_peers
from ._variables import LIVE, default_of

if TYPE_CHECKING:
    from ._model import Pair, Server


@register(
    "P01",
    ERROR,
    "The lease_cmds and HA hooks are loaded once, by the collection, in the order HA needs.",
    stork=["lease_cmds_presence"],
)
def own_hooks_untouched(context: Context) -> Iterator[Problem]:
    for server in context.pair.servers:
        for index, entry in enumerate(server.dhcp4_extra.get("hooks-libraries") or []):
            name = str(entry.get("library", "")).rsplit("/", 1)[-1]
            if name in OWN_HOOKS:
                yield Problem(
                    server.host,
                    f"kea_dhcp4_extra.hooks-libraries[{index}].library",
                    entry.get("library"),
                    "high availability needs this hook, so it is added automatically",
                    "Remove this entry; its parameters are the kea_ha_* variables",
                )


@register("P02", ERROR, "A pair has exactly two active hosts, and both are in the run.")
def two_active_hosts(context: Context) -> Iterator[Problem]:
    yield from _more_or_less_than_two(context)
    yield from _left_out_of_the_run(context)


def _more_or_less_than_two(context: Context) -> Iterator[Problem]:
    pair = context.pair
    active = [server for server in pair.servers if server.role != "backup"]
    if len(active) != 2:
        yield Problem(
            context.label or pair.name,
            "kea_pair",
            pair.name,
            f"the group has {len(active)} active hosts, but a pair is exactly two",
            f"Keep exactly two hosts in the inventory group {pair.name}",
        )


def _left_out_of_the_run(context: Context) -> Iterator[Problem]:
    pair = context.pair
    if context.in_play is None:
        return
    missing = [server.host for server in pair.servers if server.host not in context.in_play]
    if missing and len(missing) < len(pair.servers):
        yield Problem(
            ", ".join(missing),
            "--limit",
            "",
            f"{missing[0]} of the pair {pair.name} is not in this run, but the hosts of a pair are changed together",
            f"Run without --limit, or with --limit {pair.name}",
        )


_SECOND_ROLE = {"hot-standby": "standby", "load-balancing": "secondary"}


@register("P03", ERROR, "One host is primary, the other one standby (secondary in load-balancing mode).")
def one_of_each_role(context: Context) -> Iterator[Problem]:
    pair = context.pair
    active = [server for server in pair.servers if server.role and server.role != "backup"]
    yield from _backups(pair)
    yield from _roles_of_another_mode(pair, active)
    if len(active) == 2:
        yield from _role_of_both(pair, active)


def _backups(pair: Pair) -> Iterator[Problem]:
    for server in pair.servers:
        if server.role == "backup":
            yield Problem(
                server.host,
                "kea_ha_role",
                "backup",
                "this release deploys no backup servers",
                f"Take {server.host} out of the group {pair.name}, or set kea_ha_role: {_SECOND_ROLE[pair.mode]}",
            )


def _roles_of_another_mode(pair: Pair, active: Sequence[Server]) -> Iterator[Problem]:
    second = _SECOND_ROLE[pair.mode]
    for server in active:
        if server.role not in ("primary", second):
            yield Problem(
                server.host,
                "kea_ha_role",
                server.role,
                f"the mode {pair.mode} knows no role {server.role}",
                f"Set kea_ha_role: {second}, or change kea_ha_mode",
            )


def _role_of_both(pair: Pair, active: Sequence[Server]) -> Iterator[Problem]:
    second = _SECOND_ROLE[pair.mode]
    for role in ("primary", second):
        if all(server.role == role for server in active):
            yield Problem(
                ", ".join(server.host for server in active),
                "kea_ha_role",
                role,
                f"both hosts of the pair {pair.name} have this role",
                f"Set kea_ha_role: primary on one and kea_ha_role: {second} on the other",
            )


@register("P04", ERROR, "The servers of a pair have different names, and not each other's.", warns=True)
def different_names(context: Context) -> Iterator[Problem]:
    for first, second in doubles(context.pair.servers, lambda server: server.server_name):
        yield Problem(
            f"{first.host}, {second.host}",
            "kea_server_name",
            first.server_name,
            "both servers have this name, so neither knows its partner",
            "Give each its own, for example server1 and server2",
        )
    for server in context.pair.servers:
        partner = context.pair.partner_of(server)
        if partner is not None and server.server_name == partner.host != server.host:
            message = "this is the inventory name of the partner; logs and status would mislead you"
            fix = f"Remove kea_server_name on {context.label}, or give each its own"
            yield Problem(server.host, "kea_server_name", server.server_name, message, fix, WARNING)


@register("P05", ERROR, "All hosts of a pair render the same list of peers and the same HA settings.")
def same_peers(context: Context) -> Iterator[Problem]:
    pair = context.pair
    for difference in pair.differences:
        if concerns_peers(difference.variable):
            yield difference_problem(difference)
    rendered = [json.dumps(ha_peers(pair), sort_keys=True) for _server in pair.servers]
    if len(set(rendered)) > 1:
        yield Problem(context.label, "kea_ha_address", "", "the hosts would get different lists of peers", "")


def concerns_peers(variable: str) -> bool:
    return variable.startswith(("kea_ha_", "kea_api", "kea_pair", "kea_tls_", "kea_multi_threading", "kea_firewall"))


def difference_problem(difference: Any) -> Problem:
    message = "the hosts of a pair have different values, but both need the same one"
    if not difference.secret:
        shown = (f"{host} has {short(value)}" for host, value in zip(difference.hosts, difference.values))
        message = f"{message}: {', '.join(shown)}"
    fix = "Set it once, in the group_vars of the pair"
    return Problem(", ".join(difference.hosts), difference.variable, None, message, fix)


@register("P06", ERROR, "Each server has an IP address of its own at which its partner can reach it.")
def usable_addresses(context: Context) -> Iterator[Problem]:
    for server in context.pair.servers:
        if server.address is not None:
            yield from _address_of_no_machine(server)
            yield from _address_misplaced(context, server)
    for first, second in doubles(context.pair.servers, lambda server: server.address):
        yield Problem(
            f"{first.host}, {second.host}",
            "kea_ha_address",
            first.address,
            "two hosts have the same address",
            "Give each its own, for example 192.168.1.2 and 192.168.1.3",
        )


def _address_of_no_machine(server: Server) -> Iterator[Problem]:
    if _is_no_machine(ipaddress.ip_address(server.address)):
        yield Problem(
            server.host,
            "kea_ha_address",
            server.address,
            f"the partner cannot reach this address (taken from {server.address_source})",
            "Set kea_ha_address to the host's address on the network of the pair, for example 192.168.1.2",
        )


def _is_no_machine(address: Any) -> bool:
    return (
        address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or address.is_link_local
        or (address.version == 4 and address.is_reserved)
    )


def _address_misplaced(context: Context, server: Server) -> Iterator[Problem]:
    for subnet in server.every_subnet:
        if server.address_number in (subnet.first, subnet.last) and subnet.first + 1 < subnet.last:
            message = f"this is the {'network' if server.address_number == subnet.first else 'broadcast'} address"
            fix = f"Write the address of {server.host}, for example {ipv4_text(subnet.first + 2)}"
            yield Problem(server.host, "kea_ha_address", server.address, f"{message} of {subnet.network}", fix)
    partner = context.pair.partner_of(server)
    if partner is None or server.address in (None, server.reached_at[0], partner.address):
        return
    if server.address == partner.reached_at[0]:
        message = f"this is the address at which Ansible reaches its partner {partner.host}; are the two swapped?"
        yield Problem(server.host, "kea_ha_address", server.address, message, "Write the address of this host")


@register("P29", WARNING, "Both hosts have the same series of Kea.", looks_at=(INVENTORY, HOSTS))
def same_series(context: Context) -> Iterator[Problem]:
    servers = [server for server in context.pair.servers if server.dialect is not None]
    if len({server.dialect.series for server in servers}) > 1:
        has = ", ".join(f"{server.host} has {server.kea_version}" for server in servers)
        variable = "kea_version" if all(server.version_source == "variable" for server in servers) else ""
        message = f"the hosts have different series of Kea: {has}; that is meant for the time of an upgrade"
        yield Problem(context.label, variable, "", message, "Upgrade the older one")


@register("V48", WARNING, "Both hosts serve clients on as many interfaces, and not on the loopback.")
def interfaces_alike(context: Context) -> Iterator[Problem]:
    numbers = {server.host: len(server.interfaces) for server in context.pair.servers if "*" not in server.interfaces}
    if len(set(numbers.values())) > 1 and 0 not in numbers.values():
        shown = ", ".join(f"{server.host} has {', '.join(server.interfaces)}" for server in context.pair.servers)
        message = f"after a take-over clients on the missing one are served by nobody: {shown}"
        yield Problem(
            context.label, "kea_interfaces", None, message, "List the interfaces of the same networks on both"
        )
    for server in context.pair.servers:
        for index, name in enumerate(server.interfaces):
            if name == "lo":
                fix = "Write the name of a network card, for example eth0"
                yield Problem(server.host, f"kea_interfaces[{index}]", name, "no client is behind the loopback", fix)
            elif name == "*" and len(server.interfaces) > 1:
                fix = "Remove it, or the others"
                yield Problem(server.host, f"kea_interfaces[{index}]", name, "it stands for every interface", fix)


@register("V49", WARNING, "With load balancing each server has pools of its own.")
def pools_balanced(context: Context) -> Iterator[Problem]:
    if context.pair.mode != "load-balancing":
        return
    for label, server in context.subnet_owners():
        for subnet in server.every_subnet:
            shared = [pool for pool in subnet.pools if pool.body.keys().isdisjoint(("client-class", "client-classes"))]
            if shared:
                names = " and ".join(f"HA_{one.server_name}" for one in context.pair.servers)
                message = "both servers give addresses from this pool at the same time, and get in each other's way"
                fix = f"Split it in two, with client_class {names}; or use kea_ha_mode: hot-standby"
                yield Problem(label, subnet.path + shared[0].path, shared[0].text, message, fix)


_API_WORDS = {"control_agent": "the Control Agent", "control_socket": "the API of the DHCP server"}


@register(
    "P09",
    ERROR,
    "The ports of HA and API are used by nothing else.",
    warns=True,
    looks_at=(INVENTORY, HOSTS),
    stork=["ha_dedicated_ports"],
)
def ports_free(context: Context) -> Iterator[Problem]:
    yield from _one_port_for_both(context)
    for server in context.pair.servers:
        yield from _ports_misplaced(context.pair, server)
    for server in context.with_facts():
        yield from _ports_in_use(context.pair, server)


def _one_port_for_both(context: Context) -> Iterator[Problem]:
    pair = context.pair
    port = pair.settings["kea_ha_port"]
    if pair.transport != "listener" or port != pair.settings["kea_api_port"]:
        return
    offered = [api_of(pair, server.dialect) for server in pair.servers]
    words = sorted({_API_WORDS[api] for api in offered if api in _API_WORDS})
    if words:
        yield Problem(
            context.label,
            "kea_api_port",
            port,
            f"{' and '.join(words)} and the HA listener cannot share one port",
            f"Set kea_api_port to another one, for example {port + 1 if port < 65535 else port - 1}",
        )


def _ports_in_use(pair: Pair, server: Server) -> Iterator[Problem]:
    for entry in ports(pair, server):
        variable, port = _port_variable(entry), entry["port"]
        for socket in (server.facts.get("kea") or {}).get("sockets") or []:
            if _foreign_listener(socket, port, server.address):
                yield Problem(
                    server.host,
                    variable,
                    port,
                    f"TCP port {port} of {server.host} is in use by {socket['process']}",
                    f"Stop that program, or set {variable} to a free port, for example 8010",
                )


_UNPRIVILEGED = 1024


def _ports_misplaced(pair: Pair, server: Server) -> Iterator[Problem]:
    for entry in ports(pair, server):
        variable, number = _port_variable(entry), entry["port"]
        if number < _UNPRIVILEGED and entry["daemon"] == "ctrl_agent":
            message = "the Control Agent is not root, and the kernel keeps ports below 1024 for root"
            yield Problem(server.host, variable, number, message, "Set another one, for example 8000", WARNING)
        if number == server.ssh_port:
            message = f"Ansible reaches {server.host} by SSH at this port, so it is probably in use there"
            yield Problem(server.host, variable, number, message, "Set another one, for example 8010", WARNING)


def _port_variable(entry: dict[str, Any]) -> str:
    return "kea_ha_port" if entry["what"] == "HA" else "kea_api_port"


def _foreign_listener(entry: dict[str, Any], port: int, address: str | None) -> bool:
    """Tell whether another program than Kea's own holds the port at this address."""
    if not str(entry.get("protocol", "")).startswith("tcp") or entry.get("port") != port:
        return False
    # Without root the process is not known; Kea itself is the likely one.
    if str(entry.get("process") or "kea-").startswith("kea-"):
        return False
    return entry.get("address") in ("0.0.0.0", "::", "*", "", None, address)


@register("P10", WARNING, "What is said about threads has an effect.", stork=["ha_mt_presence"])
def threads_have_effect(context: Context) -> Iterator[Problem]:
    pair = context.pair
    default = {key.replace("_", "-"): value for key, value in default_of("kea_multi_threading").items()}
    if pair.transport == "control_agent" and pair.settings["kea_multi_threading"] != default:
        yield Problem(
            context.label,
            "kea_multi_threading",
            pair.settings["kea_multi_threading"],
            "it has no effect: with the transport control_agent the servers are single-threaded, because a Kea with"
            " threads opens the agent's port itself",
            "Set kea_ha_transport: listener, or remove kea_multi_threading",
        )


@register("P11", ERROR, "Transport, API and live changes exist in the Kea version of each host.")
def transport_exists(context: Context) -> Iterator[Problem]:
    pair = context.pair
    api = pair.settings["kea_api"]
    if pair.transport == "control_agent" and api in ("control_socket", "none"):
        message = "with the transport control_agent the API is the agent's"
        fix = "Set kea_ha_transport: listener, or remove kea_api"
        yield Problem(context.label, "kea_api", api, message, fix)
    for server in pair.servers:
        # What is assumed as long as no host was asked proves nothing.
        if server.dialect is None or server.version_source == "default":
            continue
        if not server.dialect.live_hooks:
            yield from _live_wanted(pair, server)
        if not server.dialect.agent:
            yield from _agent_wanted(pair, server)
        if not server.dialect.http_control_socket:
            yield from _own_api_wanted(pair, server)


def _live_wanted(pair: Pair, server: Server) -> Iterator[Problem]:
    if pair.settings["kea_apply"] == LIVE:
        message = f"Kea {server.kea_version} cannot be changed while it runs; Kea 3.0 and later can"
        yield Problem(server.host, "kea_apply", LIVE, message, "Set kea_apply: auto, or remove the variable")


def _agent_wanted(pair: Pair, server: Server) -> Iterator[Problem]:
    message = f"Kea {server.kea_version} has no Control Agent"
    if pair.transport == "control_agent":
        fix = "Set kea_ha_transport: listener, or remove the variable"
        yield Problem(server.host, "kea_ha_transport", "control_agent", message, fix)
    elif pair.settings["kea_api"] == "control_agent":
        fix = "Set kea_api: control_socket, or remove the variable"
        yield Problem(server.host, "kea_api", "control_agent", message, fix)


def _own_api_wanted(pair: Pair, server: Server) -> Iterator[Problem]:
    if pair.transport == "listener" and pair.settings["kea_api"] == "control_socket":
        yield Problem(
            server.host,
            "kea_api",
            "control_socket",
            f"the DHCP server of Kea {server.kea_version} cannot offer the API itself; it can since 2.7.2",
            "Set kea_api: control_agent, or remove the variable",
        )
