# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what protects the servers: TLS, certificates, passwords, firewall."""

from __future__ import annotations

from typing import Any, Iterator

from . import _firewall, _tls
from ._plan import ports
from ._registry import ERROR, WARNING, Context, Problem, register, short
from ._render import api_of
from ._variables import BY_NAME

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
