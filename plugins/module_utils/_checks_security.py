# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what protects the servers: TLS, certificates, passwords, firewall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator, Sequence

from . import _firewall, _tls
from ._plan import ports
from ._registry import CONTROLLER, ERROR, HOSTS, INFO, INVENTORY, WARNING, Context, Problem, register, short
from ._render import api_of
from ._variables import BY_NAME

if TYPE_CHECKING:
    from ._model import Server

_TLS_FILES = ("kea_tls_trust_anchor", "kea_tls_cert_file", "kea_tls_key_file")


@register("P08", ERROR, "TLS is on wherever certificates are given, and where files are to be used, all are named.")
def tls_complete(context: Context) -> Iterator[Problem]:
    pair = context.pair
    from_files = pair.settings["kea_tls_source"] == _tls.FILES
    for server in pair.servers:
        given = [name for name in _TLS_FILES if server.settings[name]]
        if not pair.tls:
            yield from _without_effect_as_tls_is_off(server, given or (["kea_tls_source"] if from_files else []))
        elif from_files:
            yield from _files_not_named(server, given)
        else:
            yield from _files_beside_own_certificates(server, given)


def _without_effect_as_tls_is_off(server: Server, names: Sequence[str]) -> Iterator[Problem]:
    if names:
        yield Problem(
            server.host,
            names[0],
            server.settings[names[0]],
            "TLS is off, so this has no effect and the servers talk in clear text",
            f"Set kea_tls_enabled: true, or remove {names[0]}",
        )


def _files_beside_own_certificates(server: Server, given: Sequence[str]) -> Iterator[Problem]:
    if given:
        yield Problem(
            server.host,
            given[0],
            server.settings[given[0]],
            "this file has no effect, because the collection makes the certificates itself",
            f"Set kea_tls_source: files, or remove {', '.join(given)}",
        )


def _files_not_named(server: Server, given: Sequence[str]) -> Iterator[Problem]:
    for name in _TLS_FILES:
        if name not in given and name not in server.broken:
            message = "kea_tls_source is files, but this one is not named"
            yield Problem(server.host, name, "", message, f"Set for example {name}: {BY_NAME[name].example}")


@register(
    "P13",
    WARNING,
    "Nothing answers commands from the network without a password or a certificate.",
    stork=["agent_credentials_over_https"],
)
def nobody_unauthenticated(context: Context) -> Iterator[Problem]:
    pair = context.pair
    if pair.tls:
        return
    if pair.transport == "listener":
        yield _open_listener(context)
    offering = [server for server in pair.servers if api_of(pair, server.dialect) != "none"]
    if offering and pair.settings["kea_api_auth"]:
        message = f"the password of the API crosses the network in clear text, to port {pair.api_port}"
        yield Problem(context.label, "kea_tls_enabled", False, message, "Set kea_tls_enabled: true", INFO)
    elif offering:
        yield _open_api(context, offering)


def _open_listener(context: Context) -> Problem:
    settings = context.pair.settings
    message = (
        f"without TLS the HA listener on port {settings['kea_ha_port']} asks nobody for a password or a certificate,"
        " so anybody on the network can stop DHCP"
    )
    firewall = "let a firewall admit only the partner to this port"
    if settings["kea_accept_cleartext_api"]:
        return Problem(context.label, "kea_tls_enabled", False, message, firewall.capitalize())
    fix = f"Remove kea_tls_enabled: false; or accept it with kea_accept_cleartext_api: true, and {firewall}"
    return Problem(context.label, "kea_tls_enabled", False, message, fix, ERROR)


def _open_api(context: Context, offering: Sequence[Server]) -> Problem:
    refused = any(server.dialect is not None and not server.dialect.agent for server in offering)
    return Problem(
        context.label,
        "kea_api_auth",
        False,
        "Kea refuses an API without password and without TLS since 3.2"
        if refused
        else f"everybody on the network can command the servers through port {context.pair.api_port}",
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


_CERTIFICATES = (CONTROLLER, HOSTS)


@register(
    "P35",
    ERROR,
    "Certificate, key and CA of each host can be read, fit together, and are valid.",
    warns=True,
    looks_at=_CERTIFICATES,
)
def certificates_usable(context: Context) -> Iterator[Problem]:
    yield from _certificate_problems(context, "P35")


@register("P36", WARNING, "A certificate names the address of its host.", looks_at=_CERTIFICATES)
def certificates_name_hosts(context: Context) -> Iterator[Problem]:
    yield from _certificate_problems(context, "P36")


@register("V16", ERROR, "A certificate of the own CA ends after it is renewed, and before its CA ends.")
def certificate_lifetimes(context: Context) -> Iterator[Problem]:
    if context.pair.tls and context.pair.settings["kea_tls_source"] == _tls.OWN_CA:
        yield from _renewed_by_every_run(context)
        yield from _longer_than_their_ca(context)


def _renewed_by_every_run(context: Context) -> Iterator[Problem]:
    valid, before = (context.pair.settings[name] for name in ("kea_tls_valid_days", "kea_tls_renew_before"))
    if before >= valid:
        yield Problem(
            context.label,
            "kea_tls_renew_before",
            before,
            f"it is not less than kea_tls_valid_days, which is {valid} d, so every run would make new certificates",
            f"Set for example {valid // 3}",
        )


def _longer_than_their_ca(context: Context) -> Iterator[Problem]:
    valid, ca_valid = (context.pair.settings[name] for name in ("kea_tls_valid_days", "kea_tls_ca_valid_days"))
    if valid > ca_valid:
        yield Problem(
            context.label,
            "kea_tls_ca_valid_days",
            ca_valid,
            f"the CA would end before its certificates, which are valid for {valid} d",
            "Set for example 3650",
        )


@register("V17", ERROR, "The firewall admits the partner and the management, and leaves SSH alone.", warns=True)
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
# versions

# (series, first and last patch release, severity, what is wrong with it, the release that mends it)
_FAULTS = (
    ("3.0", 0, 0, ERROR, "one packet of any client stops it (CVE-2025-40779)", "3.0.3"),
    ("3.0", 1, 2, WARNING, "it can be stopped from the network (CVE-2025-11232, CVE-2026-3608)", "3.0.3"),
    ("2.6", 0, 2, WARNING, "whoever reaches its API can write files as Kea (CVE-2025-32801 to 32803)", "2.6.3"),
)
_EITHER = (INVENTORY, HOSTS)
# Debian and Ubuntu ship these without a cure. Whoever cannot talk to the ports can do nothing.
_UNCURED = {"2.2": 99, "2.4": 99, "2.6": 4}


@register("P28", ERROR, "Kea has no fault by which the network can stop it.", True, warns=True, looks_at=_EITHER)
def kea_without_faults(context: Context) -> Iterator[Problem]:
    pair = context.pair
    for server in pair.servers:
        series, patch = _release(server)
        variable = "kea_version" if server.version_source == "variable" else ""
        for bad, first, last, severity, what, cure in _FAULTS:
            if series == bad and first <= patch <= last:
                message = f"Kea {server.kea_version} of {server.host} has a known fault: {what}"
                fix = f"Upgrade to {cure} or later"
                yield Problem(server.host, variable, server.kea_version, message, fix, severity)
        open_to_all = not pair.tls and pair.settings["kea_firewall"] == _firewall.NONE
        if open_to_all and 0 <= patch <= _UNCURED.get(series, -1):
            port = pair.settings["kea_ha_port"]
            message = f"whoever on the network reaches the port {port} can stop it (CVE-2026-3608)"
            fix = "Set kea_firewall: nftables, which admits the partner only; or kea_tls_enabled: true"
            yield Problem(server.host, variable, server.kea_version, message, fix, INFO)


def _release(server: Server) -> tuple[str, int]:
    """Return series and number of the patch release; -1 where the version was only assumed, or is not said so far."""
    parts = (server.kea_version or "").split(".")
    known = server.version_source in ("installed", "candidate", "variable") and server.dialect is not None
    return ".".join(parts[:2]), int(parts[2]) if known and len(parts) > 2 else -1
