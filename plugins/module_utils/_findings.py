# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings, and the checks that make them.

A check is a small pure function registered with its id, severity and one line that says what must hold. It is given a
``Context`` and yields ``Problem``s. The registry is ``CHECKS``; the ids that come from reading the variables are in
``INPUT_RULES``.
"""

from __future__ import annotations

import ipaddress
import json
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, NamedTuple, Sequence

from . import _firewall, _tls
from ._options import addresses_of, ipv4_text
from ._plan import breaking_changes, ports
from ._render import OWN_HOOKS, api_of, ha_peers
from ._variables import BY_NAME, default_of

if TYPE_CHECKING:
    from ._model import Pair, Server, Subnet

ERROR = "error"
WARNING = "warning"
INFO = "info"
_RANK = {ERROR: 0, WARNING: 1, INFO: 2}
_SHORT = 60
_REPORT_LIMIT = 50

# What can be wrong with a variable before any relation is looked at.
INPUT_RULES: dict[str, str] = {
    "V01": "Every kea_* variable is one the collection knows.",
    "V02": "Every required variable has a value.",
    "V03": "Every value has the right type.",
    "V04": "Every value is within its limits.",
    "V05": "Every variable can be evaluated.",
    "V06": "A reservation names exactly one client, in a form Kea reads.",
    "V07": "Options are ones Kea knows, with values of their type.",
    "V08": "The extra variables touch nothing the collection owns.",
    "V09": "The Kea version is one the collection can write a configuration for.",
    "V10": "The operating system is one the collection knows.",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing, in the inventory or on a host."""

    id: str
    severity: str
    host: str
    variable: str
    value: str
    """Short and printable; never a secret."""
    message: str
    fix: str

    def text(self) -> str:
        """Return the finding as one line for people."""
        where = self.variable
        if where and self.value:
            where = f"{where} = '{self.value}'"
        head = ": ".join(part for part in (self.host, where) if part)
        body = " ".join(part if part[-1] in ".?" else part + "." for part in (self.message, self.fix) if part)
        return f"{head}: {body} [{self.id}]" if head else f"{body} [{self.id}]"

    def as_dict(self) -> dict[str, str]:
        """Return the finding as a plain dict."""
        return {
            "id": self.id,
            "severity": self.severity,
            "host": self.host,
            "variable": self.variable,
            "value": self.value,
            "message": self.message,
            "fix": self.fix,
        }


def short(value: Any) -> str:
    """Return a value in a short printable form."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= _SHORT else text[: _SHORT - 3] + "..."


class Problem(NamedTuple):
    """What a check yields; id and severity are the check's unless given."""

    host: str
    variable: str
    value: Any
    message: str
    fix: str
    severity: str = ""


@dataclass(frozen=True)
class Context:
    """What a check may look at."""

    pair: Pair
    in_play: frozenset | None
    """Names of the hosts of this run; None when that is of no interest."""
    live: bool
    """The hosts have been asked; a host without facts could not be reached."""

    @property
    def label(self) -> str:
        """Return the names of all hosts of the pair."""
        return ", ".join(server.host for server in self.pair.servers)

    def subnet_sets(self) -> Iterator[tuple[str, Server, list[Subnet]]]:
        """Yield each distinct set of subnets once, with the hosts that share it."""
        seen: dict[int, list[Server]] = {}
        for server in self.pair.servers:
            seen.setdefault(id(server.subnets), []).append(server)
        for servers in seen.values():
            yield ", ".join(server.host for server in servers), servers[0], servers[0].subnets

    def with_facts(self) -> list[Server]:
        """Return the servers whose hosts were asked."""
        return [server for server in self.pair.servers if server.facts is not None]


@dataclass(frozen=True)
class Check:
    """One entry of the registry."""

    id: str
    severity: str
    what: str
    function: Callable[[Context], Iterable[Problem]]
    ignorable: bool
    """A matter of judgement: kea_preflight_ignore may turn it off."""
    facts: bool
    """Needs facts of the hosts."""


CHECKS: list[Check] = []


def register(check_id: str, severity: str, what: str, ignorable: bool = False, facts: bool = False):
    """Add a function to the registry.

    Args:
        what: what must hold, one sentence for the documentation.
    """

    def add(function: Callable[[Context], Iterable[Problem]]) -> Callable[[Context], Iterable[Problem]]:
        CHECKS.append(Check(check_id, severity, what, function, ignorable, facts))
        return function

    return add


# ---------------------------------------------------------------------------------------------------------------------
# the pair


@register("P01", ERROR, "The lease_cmds and HA hooks are loaded once, by the collection, in the order HA needs.")
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
    second = _SECOND_ROLE[pair.mode]
    active = [server for server in pair.servers if server.role and server.role != "backup"]
    for server in pair.servers:
        if server.role == "backup":
            yield Problem(
                server.host,
                "kea_ha_role",
                "backup",
                "this release deploys no backup servers",
                f"Take {server.host} out of the group {pair.name}, or set kea_ha_role: {second}",
            )
    for server in active:
        if server.role not in ("primary", second):
            yield Problem(
                server.host,
                "kea_ha_role",
                server.role,
                f"the mode {pair.mode} knows no role {server.role}",
                f"Set kea_ha_role: {second}, or change kea_ha_mode",
            )
    for role in ("primary", second):
        having = [server.host for server in active if server.role == role]
        if len(active) == 2 and len(having) == 2:
            yield Problem(
                ", ".join(having),
                "kea_ha_role",
                role,
                f"both hosts of the pair {pair.name} have this role",
                f"Set kea_ha_role: primary on one and kea_ha_role: {second} on the other",
            )


@register("P04", ERROR, "The servers of a pair have different names.")
def different_names(context: Context) -> Iterator[Problem]:
    for first, second in _doubles(context.pair.servers, lambda server: server.server_name):
        yield Problem(
            f"{first.host}, {second.host}",
            "kea_server_name",
            first.server_name,
            "both servers have this name, so neither knows its partner",
            "Give each its own, for example server1 and server2",
        )


def _doubles(items: Iterable[Any], key: Callable[[Any], Any]) -> Iterator[tuple[Any, Any]]:
    """Yield (first, later) for items with an equal key; a None key is no key."""
    seen: dict[Any, Any] = {}
    for item in items:
        value = key(item)
        if value is None:
            continue
        if value in seen:
            yield seen[value], item
        else:
            seen[value] = item


@register("P05", ERROR, "All hosts of a pair render the same list of peers and the same HA settings.")
def same_peers(context: Context) -> Iterator[Problem]:
    pair = context.pair
    for difference in pair.differences:
        if _concerns_peers(difference.variable):
            yield _difference_problem(difference)
    rendered = [json.dumps(ha_peers(pair), sort_keys=True) for _server in pair.servers]
    if len(set(rendered)) > 1:
        yield Problem(context.label, "kea_ha_address", "", "the hosts would get different lists of peers", "")


def _concerns_peers(variable: str) -> bool:
    return variable.startswith(("kea_ha_", "kea_api", "kea_pair", "kea_tls_", "kea_multi_threading", "kea_firewall"))


def _difference_problem(difference: Any) -> Problem:
    message = "the hosts of a pair have different values, but both need the same one"
    if not difference.secret:
        shown = (f"{host} has {short(value)}" for host, value in zip(difference.hosts, difference.values))
        message = f"{message}: {', '.join(shown)}"
    fix = "Set it once, in the group_vars of the pair"
    return Problem(", ".join(difference.hosts), difference.variable, None, message, fix)


@register("P06", ERROR, "Each server has an IP address of its own at which its partner can reach it.")
def usable_addresses(context: Context) -> Iterator[Problem]:
    for server in context.pair.servers:
        if server.address is None:
            continue
        address = ipaddress.ip_address(server.address)
        if address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local:
            yield Problem(
                server.host,
                "kea_ha_address",
                server.address,
                f"the partner cannot reach this address (taken from {server.address_source})",
                "Set kea_ha_address to the host's address on the network of the pair, for example 192.168.1.2",
            )
    for first, second in _doubles(context.pair.servers, lambda server: server.address):
        yield Problem(
            f"{first.host}, {second.host}",
            "kea_ha_address",
            first.address,
            "two hosts have the same address",
            "Give each its own, for example 192.168.1.2 and 192.168.1.3",
        )


@register("P07", ERROR, "The address a partner is told is on an interface of that host.", facts=True)
def address_on_host(context: Context) -> Iterator[Problem]:
    for server in context.with_facts():
        interfaces = server.facts.get("interfaces") or {}
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


_TLS_FILES = ("kea_tls_trust_anchor", "kea_tls_cert_file", "kea_tls_key_file")


@register("P08", ERROR, "TLS is on wherever certificates are given, and where files are to be used, all are named.")
def tls_complete(context: Context) -> Iterator[Problem]:
    pair = context.pair
    from_files = pair.settings["kea_tls_source"] == _tls.FILES
    for server in pair.servers:
        given = [name for name in _TLS_FILES if server.settings[name]]
        if not pair.tls and (given or from_files):
            name = given[0] if given else "kea_tls_source"
            yield Problem(
                server.host,
                name,
                server.settings[name],
                "TLS is off, so this has no effect and the servers talk in clear text",
                f"Set kea_tls_enabled: true, or remove {name}",
            )
        elif given and not from_files:
            yield Problem(
                server.host,
                given[0],
                server.settings[given[0]],
                "this file has no effect, because the collection makes the certificates itself",
                f"Set kea_tls_source: files, or remove {', '.join(given)}",
            )
        elif from_files:
            for name in _TLS_FILES:
                if name not in given and name not in server.broken:
                    yield Problem(
                        server.host,
                        name,
                        "",
                        "kea_tls_source is files, but this one is not named",
                        f"Set for example {name}: {BY_NAME[name].example}",
                    )


_API_WORDS = {"control_agent": "the Control Agent", "control_socket": "the API of the DHCP server"}


@register("P09", ERROR, "The port of the HA listener is used by nothing else.")
def ports_free(context: Context) -> Iterator[Problem]:
    pair = context.pair
    port = pair.settings["kea_ha_port"]
    if pair.transport == "listener" and port == pair.settings["kea_api_port"]:
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
    for server in context.with_facts():
        for entry in ports(pair, server):
            variable = "kea_ha_port" if entry["what"] == "HA" else "kea_api_port"
            for socket in (server.facts.get("kea") or {}).get("sockets") or []:
                if _foreign_listener(socket, entry["port"], server.address):
                    yield Problem(
                        server.host,
                        variable,
                        entry["port"],
                        f"TCP port {entry['port']} of {server.host} is in use by {socket['process']}",
                        f"Stop that program, or set {variable} to a free port, for example 8010",
                    )


def _foreign_listener(entry: dict[str, Any], port: int, address: str | None) -> bool:
    """Tell whether another program than Kea's own holds the port at this address."""
    if not str(entry.get("protocol", "")).startswith("tcp") or entry.get("port") != port:
        return False
    # Without root the process is not known; Kea itself is the likely one.
    if str(entry.get("process") or "kea-").startswith("kea-"):
        return False
    return entry.get("address") in ("0.0.0.0", "::", "*", "", None, address)


@register("P10", WARNING, "What is said about threads has an effect.", ignorable=True)
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


@register("P11", ERROR, "The transport and the API exist in the Kea version of each host.")
def transport_exists(context: Context) -> Iterator[Problem]:
    pair = context.pair
    api = pair.settings["kea_api"]
    if pair.transport == "control_agent" and api in ("control_socket", "none"):
        yield Problem(
            context.label,
            "kea_api",
            api,
            "with the transport control_agent the API is the agent's",
            "Set kea_ha_transport: listener, or remove kea_api",
        )
    for server in pair.servers:
        if server.dialect is None:
            continue
        if not server.dialect.agent and pair.transport == "control_agent":
            yield Problem(
                server.host,
                "kea_ha_transport",
                "control_agent",
                f"Kea {server.kea_version} has no Control Agent",
                "Set kea_ha_transport: listener, or remove the variable",
            )
        elif not server.dialect.agent and api == "control_agent":
            yield Problem(
                server.host,
                "kea_api",
                api,
                f"Kea {server.kea_version} has no Control Agent",
                "Set kea_api: control_socket, or remove the variable",
            )
        elif not server.dialect.http_control_socket and api == "control_socket" and pair.transport == "listener":
            yield Problem(
                server.host,
                "kea_api",
                api,
                f"the DHCP server of Kea {server.kea_version} cannot offer the API itself; it can since 2.7.2",
                "Set kea_api: control_agent, or remove the variable",
            )


@register(
    "P13", WARNING, "Nothing answers commands from the network without a password or a certificate.", ignorable=True
)
def nobody_unauthenticated(context: Context) -> Iterator[Problem]:
    pair = context.pair
    if pair.tls:
        return
    if pair.transport == "listener":
        accepted = pair.settings["kea_accept_cleartext_api"]
        firewall = "let a firewall admit only the partner to this port"
        yield Problem(
            context.label,
            "kea_tls_enabled",
            False,
            f"without TLS the HA listener on port {pair.settings['kea_ha_port']} asks nobody for a password or a"
            " certificate, so anybody on the network can stop DHCP",
            firewall.capitalize()
            if accepted
            else f"Remove kea_tls_enabled: false; or accept it with kea_accept_cleartext_api: true, and {firewall}",
            "" if accepted else ERROR,
        )
    offering = [server for server in pair.servers if api_of(pair, server.dialect) != "none"]
    if offering and not pair.settings["kea_api_auth"]:
        refused = any(server.dialect is not None and not server.dialect.agent for server in offering)
        yield Problem(
            context.label,
            "kea_api_auth",
            False,
            "Kea refuses an API without password and without TLS since 3.2"
            if refused
            else f"everybody on the network can command the servers through port {pair.api_port}",
            "Remove kea_api_auth: false",
            ERROR if refused else "",
        )


# ---------------------------------------------------------------------------------------------------------------------
# certificates and firewall


def _certificate_problems(context: Context, check_id: str) -> Iterator[Problem]:
    for server in context.pair.servers:
        for item in server.certificates.problems if server.certificates is not None else ():
            if item.id == check_id:
                yield Problem(server.host, item.variable, item.value, item.message, item.fix, item.severity)


@register("P35", ERROR, "Certificate, key and CA of each host can be read, fit together, and are valid.")
def certificates_usable(context: Context) -> Iterator[Problem]:
    yield from _certificate_problems(context, "P35")


@register("P36", WARNING, "A certificate names the address of its host.")
def certificates_name_hosts(context: Context) -> Iterator[Problem]:
    yield from _certificate_problems(context, "P36")


@register("V16", ERROR, "A certificate of the own CA ends after it is renewed, and before its CA ends.")
def certificate_lifetimes(context: Context) -> Iterator[Problem]:
    settings = context.pair.settings
    if not context.pair.tls or settings["kea_tls_source"] != _tls.OWN_CA:
        return
    valid, before = settings["kea_tls_valid_days"], settings["kea_tls_renew_before"]
    if before >= valid:
        yield Problem(
            context.label,
            "kea_tls_renew_before",
            before,
            f"it is not less than kea_tls_valid_days, which is {valid} d, so every run would make new certificates",
            f"Set for example {valid // 3}",
        )
    if valid > settings["kea_tls_ca_valid_days"]:
        yield Problem(
            context.label,
            "kea_tls_ca_valid_days",
            settings["kea_tls_ca_valid_days"],
            f"the CA would end before its certificates, which are valid for {valid} d",
            "Set for example 3650",
        )


@register("V17", ERROR, "The firewall admits the partner and the management, and leaves SSH alone.")
def firewall_sound(context: Context) -> Iterator[Problem]:
    pair = context.pair
    found: dict[tuple[Any, ...], list[str]] = {}
    for server in pair.servers:
        for item in _firewall.problems(
            pair.settings["kea_firewall"],
            ports(pair, server),
            server.address,
            pair.settings["kea_firewall_management"],
            [server.ssh_port],
        ):
            key = (item.variable, short(item.value), item.message, item.fix, item.severity)
            found.setdefault(key, []).append(server.host)
    for (variable, value, message, fix, severity), hosts in found.items():
        yield Problem(", ".join(hosts), variable, value, message, fix, severity)


# ---------------------------------------------------------------------------------------------------------------------
# timers


@register("P15", ERROR, "The partner may be silent for several heartbeats before it counts as lost.")
def response_after_heartbeats(context: Context) -> Iterator[Problem]:
    pair = context.pair
    heartbeat = pair.settings["kea_ha_heartbeat_delay"]
    response = pair.settings["kea_ha_max_response_delay"]
    if response < 3 * heartbeat:
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
    for server in pair.servers:
        if server.dialect is None:
            continue
        for name in ("kea_ha_heartbeat_delay", "kea_ha_max_response_delay", "kea_ha_max_ack_delay"):
            if pair.settings[name] > server.dialect.max_delay:
                yield Problem(
                    server.host,
                    name,
                    pair.settings[name],
                    f"Kea {server.kea_version} takes at most {server.dialect.max_delay} ms",
                    "Set 60000 or less",
                )


_SENSIBLE_MS = {"kea_ha_heartbeat_delay": (500, 60000), "kea_ha_max_ack_delay": (1000, 64000)}


@register("P16", ERROR, "HA delays are milliseconds, not seconds.")
def delays_are_milliseconds(context: Context) -> Iterator[Problem]:
    for name, (low, high) in _SENSIBLE_MS.items():
        value = context.pair.settings[name]
        if value < low:
            yield Problem(
                context.label,
                name,
                value,
                f"{value} ms is too short",
                f"Did you mean {value * 1000}? The unit is ms",
            )
        elif value > high:
            yield Problem(
                context.label,
                name,
                value,
                f"{value} ms is too long",
                f"Set a value from {low} to {high}",
            )


@register("P17", WARNING, "The standby can take over, and only when the partner is really gone.", ignorable=True)
def takeover_possible(context: Context) -> Iterator[Problem]:
    unacked = context.pair.settings["kea_ha_max_unacked_clients"]
    if unacked == 0:
        yield Problem(
            context.label,
            "kea_ha_max_unacked_clients",
            0,
            "both servers would answer if only the link between them failed",
            "Set it to a small number of clients, for example 5",
        )
        return
    for _label, _server, subnets in context.subnet_sets():
        clients = sum(pool.last - pool.first + 1 for subnet in subnets for pool in subnet.pools)
        clients += sum(len(subnet.reservations) for subnet in subnets)
        if subnets and 0 < clients <= unacked:
            yield Problem(
                context.label,
                "kea_ha_max_unacked_clients",
                unacked,
                f"take-over waits for {unacked + 1} unserved clients, but there is room for {clients} only",
                "Set a smaller number, for example 2",
            )


@register("V11", ERROR, "A client renews, then rebinds, then its lease ends.")
def lifetimes_in_order(context: Context) -> Iterator[Problem]:
    settings = context.pair.settings
    renew, rebind, valid = (settings["kea_" + name] for name in ("renew_timer", "rebind_timer", "valid_lifetime"))
    for name, value, limit_name, limit in (
        ("kea_renew_timer", renew, "kea_rebind_timer", rebind),
        ("kea_rebind_timer", rebind, "kea_valid_lifetime", valid),
    ):
        if value >= limit:
            yield Problem(
                context.label,
                name,
                value,
                f"it must be smaller than {limit_name}, which is {limit} s",
                f"With kea_valid_lifetime: {valid} set for example kea_renew_timer: {max(1, valid // 2)}"
                f" and kea_rebind_timer: {max(2, valid * 3 // 4)}",
            )
    response = settings["kea_ha_max_response_delay"]
    if valid * 1000 < 2 * response:
        yield Problem(
            context.label,
            "kea_valid_lifetime",
            valid,
            f"leases could end while the partner's failure is still being detected ({response} ms)",
            f"Set at least {-(-2 * response // 1000)}",
            WARNING,
        )


# ---------------------------------------------------------------------------------------------------------------------
# subnets


@register("P18", ERROR, "A subnet is written without host bits.")
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


@register("P19", ERROR, "No two subnets overlap.")
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


@register("P20", ERROR, "Every subnet has an id of its own that never changes.")
def unique_ids(context: Context) -> Iterator[Problem]:
    for label, _server, subnets in context.subnet_sets():
        used = {subnet.id for subnet in subnets}
        for first, second in _doubles(subnets, lambda subnet: subnet.id):
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
        if not _concerns_peers(difference.variable):
            yield _difference_problem(difference)


@register("P22", ERROR, "Every subnet can give out an address.", ignorable=True)
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
    """Return the addresses inside a subnet that belong to servers or routers: (number, whose)."""
    taken = [(number, "router") for number in subnet.routers or server.routers]
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
        return (
            f"the pool is not inside {subnet.network}",
            f"Write a range inside it, for example {_example_pool(subnet)}",
        )
    if subnet.last - subnet.first > 1:
        for number, what in ((subnet.first, "network"), (subnet.last, "broadcast")):
            if pool.first <= number <= pool.last:
                return (
                    f"the pool holds the {what} address {ipv4_text(number)}",
                    f"Write a range without it, for example {_example_pool(subnet)}",
                )
    for number, owner in taken:
        if pool.first <= number <= pool.last:
            return (
                f"the pool holds {ipv4_text(number)}, which is the address of {_owner(owner)}",
                "Take it out of the range, or split the pool in two",
            )
    return None


def _owner(owner: str) -> str:
    return "the router" if owner == "router" else owner


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


def _reservation_problems(label: str, server: Server, subnet: Subnet, taken: dict[int, str]) -> Iterator[Problem]:
    addresses: dict[int, Any] = {}
    clients: dict[tuple[str, str], Any] = {}
    first, last, path = subnet.first, subnet.last, subnet.path
    for entry in subnet.reservations:
        other = clients.setdefault((entry.kind, entry.identifier), entry)
        if other is not entry:
            yield Problem(
                label,
                path + entry.path,
                entry.identifier,
                f"duplicate reservation: {path + other.path} has the same {entry.kind}",
                "Keep one of them",
            )
        number = entry.address
        if number is None:
            continue
        if not first <= number <= last:
            yield Problem(
                label,
                path + entry.path + ".ip_address",
                ipv4_text(number),
                f"the reservation of {entry.identifier} is not inside {subnet.network}",
                f"Write an address inside it, for example {ipv4_text(min(first + 10, last))}",
            )
            continue
        if number in taken:
            yield Problem(
                label,
                path + entry.path + ".ip_address",
                ipv4_text(number),
                f"the address reserved for {entry.identifier} belongs to {_owner(taken[number])}",
                "Reserve another address",
            )
        elif first + 1 < last and number in (first, last):
            yield Problem(
                label,
                path + entry.path + ".ip_address",
                ipv4_text(number),
                "the network and the broadcast address cannot be reserved",
                "Reserve another address",
            )
        other = addresses.setdefault(number, entry)
        if other is not entry and server.unique_reservations:
            yield Problem(
                label,
                path + entry.path + ".ip_address",
                ipv4_text(number),
                f"duplicate reservation: the address is already reserved for {other.identifier} ({path + other.path})",
                "Give each client its own address",
            )
        if subnet.out_of_pool and any(pool.first <= number <= pool.last for pool in subnet.pools):
            yield Problem(
                label,
                path + entry.path + ".ip_address",
                ipv4_text(number),
                "the address is in a pool, but reservations_out_of_pool says that no reservation is",
                "Reserve an address outside the pools, or remove reservations_out_of_pool",
            )


@register("P25", ERROR, "A pool has room beside the reservations in it.", ignorable=True)
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


@register("V12", WARNING, "A router is inside the subnet it serves.", ignorable=True)
def routers_inside(context: Context) -> Iterator[Problem]:
    for label, _server, subnets in context.subnet_sets():
        for subnet in subnets:
            for number in addresses_of(subnet.options, "routers"):
                if not subnet.first <= number <= subnet.last:
                    yield Problem(
                        label,
                        subnet.path + ".option_data.routers",
                        ipv4_text(number),
                        f"the router is not inside {subnet.network}, so clients cannot reach it directly",
                        f"Write an address inside it, for example {ipv4_text(subnet.first + 1)}",
                    )


# ---------------------------------------------------------------------------------------------------------------------
# interfaces


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


@register("P26", ERROR, "The interfaces served exist on each host, are up and have an IPv4 address.", ignorable=True)
def interfaces_usable(context: Context) -> Iterator[Problem]:
    for server in context.pair.servers:
        served = {_interface_name(name) for name in server.interfaces}
        for subnet in server.subnets:
            if served and subnet.interface and subnet.interface not in served and "*" not in served:
                yield Problem(
                    server.host,
                    subnet.path + ".interface",
                    subnet.interface,
                    f"{server.host} does not serve this interface; it serves {', '.join(sorted(served))}",
                    "Add it to kea_interfaces, or correct the name",
                )
    for server in context.with_facts():
        known = server.facts.get("interfaces") or {}
        if not known:
            continue
        for index, name in enumerate(server.interfaces):
            state = known.get(_interface_name(name))
            problem = _interface_problem(server.host, name, state)
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
    "P27", ERROR, "Every subnet is local to a served interface of each host, or relayed.", ignorable=True, facts=True
)
def subnets_reachable(context: Context) -> Iterator[Problem]:
    for server in context.with_facts():
        known = server.facts.get("interfaces") or {}
        if not known:
            continue
        local = _local_addresses(server, known)
        numbers = sorted(number for _name, number in local)
        for subnet in server.subnets:
            if subnet.relayed or bisect_right(numbers, subnet.last) > bisect_left(numbers, subnet.first):
                continue
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


def _local_addresses(server: Server, known: dict[str, Any]) -> list[tuple[str, int]]:
    served = {_interface_name(name) for name in server.interfaces}
    found = []
    for name, state in known.items():
        if name in served or "*" in served:
            found += [(name, int(ipaddress.IPv4Address(item.split("/")[0]))) for item in state.get("ipv4") or []]
    return found


# ---------------------------------------------------------------------------------------------------------------------
# hosts


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
            "Run again with -e kea_accept_outage=true: both servers then restart together, and clients wait for some"
            " heartbeats" + _how_to_keep(context.pair, changes),
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
        for subnet in server.subnets:
            old = running.get(subnet.text)
            if subnet.id is not None and old is not None and old != subnet.id:
                yield Problem(
                    server.host,
                    subnet.path + ".id",
                    subnet.id,
                    f"{subnet.text} has the id {old} on {server.host}; its leases belong to that id and would be lost",
                    f"Write id: {old}",
                )


# ---------------------------------------------------------------------------------------------------------------------
# running them


def ids_that_can_be_ignored() -> list[str]:
    """Return the ids kea_preflight_ignore may hold."""
    return sorted({check.id for check in CHECKS if check.ignorable})


def check(
    pair: Pair,
    known: Sequence[Finding] = (),
    in_play: Iterable[str] | None = None,
    live: bool = False,
) -> list[Finding]:
    """Run every check over a pair.

    Args:
        known: what building the model found; returned among the rest.
        in_play: hosts of this run; None: do not ask for both hosts of the pair.
        live: the hosts have been asked, so a host without facts is an error.

    Returns:
        All findings, worst first.
    """
    context = Context(pair, None if in_play is None else frozenset(in_play), live)
    findings = list(known)
    for entry in CHECKS:
        findings += [_finding(entry, problem) for problem in entry.function(context)]
    return worst_first(_ignore(findings, pair.settings.get("kea_preflight_ignore") or ()))


def _finding(entry: Check, problem: Problem) -> Finding:
    return Finding(
        id=entry.id,
        severity=problem.severity or entry.severity,
        host=problem.host,
        variable=problem.variable,
        value="" if problem.value is None else short(problem.value),
        message=problem.message,
        fix=problem.fix,
    )


def _ignore(findings: Iterable[Finding], ignored: Iterable[str]) -> list[Finding]:
    """Accepted findings stay visible, as information; not those that are graver than their check usually is."""
    wanted = {item for item in ignored if isinstance(item, str)}
    accepted = {check.id: _RANK[check.severity] for check in CHECKS if check.ignorable and check.id in wanted}
    return [
        replace(item, severity=INFO, fix="Accepted by kea_preflight_ignore")
        if _RANK[item.severity] >= accepted.get(item.id, _RANK[INFO] + 1)
        else item
        for item in findings
    ]


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Sort by severity; within one, in the order found. Exact doubles are dropped."""
    return sorted(dict.fromkeys(findings), key=lambda item: _RANK[item.severity])


def merge_hosts(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for what is wrong on several hosts alike: it comes from one group variable."""
    by_content: dict[tuple[str, ...], list[Finding]] = {}
    for item in findings:
        by_content.setdefault((item.id, item.variable, item.value, item.message, item.fix), []).append(item)
    return [replace(same[0], host=", ".join(dict.fromkeys(item.host for item in same))) for same in by_content.values()]


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each severity."""
    result = {ERROR: 0, WARNING: 0, INFO: 0}
    for item in findings:
        result[item.severity] += 1
    return result


def has_errors(findings: Iterable[Finding]) -> bool:
    """Tell whether any finding stops the run."""
    return any(item.severity == ERROR for item in findings)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def counts_line(findings: Iterable[Finding]) -> str:
    """Return ``2 errors and 1 warning``."""
    number = counts(findings)
    return f"{_plural(number[ERROR], 'error')} and {_plural(number[WARNING], 'warning')}"


def report(findings: Sequence[Finding], limit: int = _REPORT_LIMIT) -> list[str]:
    """Return the findings as lines for people, at most ``limit`` of them and a line that counts the rest."""
    ordered = worst_first(findings)
    lines = [f"{item.severity.upper()}: {item.text()}" for item in ordered[:limit]]
    if len(ordered) > limit:
        lines.append(f"... and {len(ordered) - limit} more.")
    return lines
