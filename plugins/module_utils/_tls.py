# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates as plain data: where they are on a host, what is wrong with them, and what is to be done.

Knows neither files nor cryptography, so that model, checks and plan can use it. What reads certificates is
``plugin_utils/_certificates.py`` and ``_pki.py``, on the controller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Iterable, NamedTuple

# Names below Kea's configuration folder, where AppArmor lets Kea read. One generation is a folder 1, 2, 3 ... in
# TLS_DIR; CURRENT is a symlink to the one in use, and every configuration names its files through it.
TLS_DIR = "tls"
CURRENT = "current"
CERT_FILE = "cert.pem"
KEY_FILE = "key.pem"
TRUST_DIR = "trust"

KEY_OWNER = "root"
KEY_MODE = "0640"

OWN_CA = "ownca"
FILES = "files"

NONE = "none"
ISSUE = "issue"
INSTALL = "install"
TRUST = "trust"

# The limit of RFC 5280 for a common name.
_COMMON_NAME_LENGTH = 64
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# An IPv4 address looks like a name of four numbers.
_DNS_NAME = re.compile(rf"(?![0-9.]+$){_LABEL}(?:\.{_LABEL})*")
_USAGES = ("serverAuth", "clientAuth")


class Paths(NamedTuple):
    """Where a host's TLS material is: absolute paths on the host."""

    directory: str
    link: str
    trust_anchor: str
    cert_file: str
    key_file: str


def paths(config_dir: str) -> Paths:
    """Return the paths below Kea's configuration folder, for example ``/etc/kea``."""
    directory = f"{config_dir}/{TLS_DIR}"
    link = f"{directory}/{CURRENT}"
    return Paths(directory, link, f"{link}/{TRUST_DIR}", f"{link}/{CERT_FILE}", f"{link}/{KEY_FILE}")


def common_name(host: str) -> str:
    """Return the common name of a host's certificate."""
    return host[:_COMMON_NAME_LENGTH]


def subject_alt_names(address: str | None, names: Iterable[str]) -> list[str]:
    """Return the names of a host's certificate as OpenSSL writes them, for example ``IP:192.168.1.2, DNS:dhcp1``.

    Args:
        address: the one at which the partner reaches it.
        names: of inventory and HA; those that are no DNS names are left out.
    """
    known = [f"DNS:{name}" for name in names if _DNS_NAME.fullmatch(name)]
    return [f"IP:{address}"] * bool(address) + list(dict.fromkeys(known))


@dataclass(frozen=True)
class TlsProblem:
    """One thing that is wrong with the certificates of a host; a check makes a finding of it."""

    id: str
    """``P35`` or ``P36``."""
    severity: str
    """``error``, ``warning`` or ``info``."""
    variable: str
    value: str
    """A path as the user wrote it; never a secret."""
    message: str
    fix: str


@dataclass(frozen=True)
class Certificates:
    """What is to be done about a host's certificates in this run. Holds public material only."""

    action: str = NONE
    """``none``; ``issue``: the own CA signs a new one, for a new key made on the host; ``install``: the user's files;
    ``trust``: only the CAs that the host trusts change."""
    reason: str = ""
    """Why, without a full stop; empty with ``none``."""
    generation: str = ""
    """The generation that the daemons shall use, for example ``3``; empty while it is not made yet."""
    days_left: int | None = None
    """Of the certificate in place; None without one."""
    serial: str = ""
    """Of the certificate in place, in hexadecimal."""
    trust: tuple[str, ...] = ()
    """The CA certificates the host shall trust, PEM. Empty while the own CA is not made yet."""
    ca_dir: str = ""
    """Folder of the own CA on the controller, absolute; empty with certificates of the user's."""
    problems: tuple[TlsProblem, ...] = ()
    cuts_link: bool = False
    """While only one of the two servers has what this run brings, they would not accept each other."""


@dataclass(frozen=True)
class Certificate:
    """One certificate, read."""

    pem: str
    subject: str
    issuer: str
    serial: str
    """Hexadecimal, upper case, as OpenSSL prints it."""
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]
    """Alternative names: ``IP:192.168.1.2``, ``DNS:dhcp1``."""
    usages: tuple[str, ...] | None
    """Extended key usage, ``serverAuth`` and ``clientAuth`` only; None where the certificate restricts nothing."""
    signs: bool
    """The key may sign, as every TLS handshake has it do."""
    signs_certificates: bool
    is_ca: bool
    key_type: str
    """As the variable kea_tls_key_type has it: ``ecdsa-p256``, ``rsa-2048``."""
    weakness: str
    """Why OpenSSL would refuse key or signature; empty when it does not."""
    fingerprint: str
    """SHA-256, hexadecimal."""
    key_id: bytes = b""
    """By which certificates name it as their issuer's key; empty when it says none."""
    issuer_key_id: bytes = b""

    @property
    def self_signed(self) -> bool:
        """Tell whether it names itself as its issuer."""
        return self.subject == self.issuer

    def days_left(self, now: datetime) -> int:
        """Return the whole days it is still valid; negative when it has expired."""
        return (self.not_after - now) // timedelta(days=1)


@dataclass(frozen=True)
class InPlace:
    """What a host has in the generation that its link points to."""

    certificate: Certificate | None = None
    chain: tuple[str, ...] = ()
    """Fingerprints of the certificate and of the intermediate ones in its file."""
    trouble: str = ""
    """Why certificate or key cannot be used; empty when they can."""
    trust: frozenset[str] = frozenset()
    """Fingerprints."""


@dataclass(frozen=True)
class Wanted:
    """What a host shall have."""

    source: str
    trust: frozenset[str]
    """Fingerprints."""
    signed: bool = False
    """The certificate in place is signed by the own CA."""
    chain: tuple[str, ...] = ()
    """Fingerprints of the user's certificate and of the intermediate ones in its file."""
    names: tuple[str, ...] = ()
    key_type: str = ""
    renew_before: timedelta = timedelta(0)
    rotate: bool = False
    """However long it is still valid."""
    frozen: bool = False
    """The own CA cannot sign now: what works stays."""


def decide(place: InPlace, wanted: Wanted, now: datetime) -> tuple[str, str]:
    """Return what to do about a host's certificates, and why.

    Returns:
        One of NONE, ISSUE, INSTALL and TRUST; and the reason for people, without a full stop.
    """
    new = INSTALL if wanted.source == FILES else ISSUE
    if place.trouble:
        return new, place.trouble
    if place.certificate is None:
        return new, "the host has no certificate yet"
    if wanted.frozen:
        reason = ""
    elif wanted.source == FILES:
        reason = _other_file(place, wanted)
    else:
        reason = _renewal(place.certificate, wanted, now)
    if reason:
        return new, reason
    if place.trust != wanted.trust:
        return TRUST, _trust_change(place.trust, wanted.trust)
    return NONE, ""


def _other_file(place: InPlace, wanted: Wanted) -> str:
    """Return why the user's certificate is to be installed; empty when it is in place."""
    if place.chain == wanted.chain:
        return ""
    if place.chain[:1] == wanted.chain[:1]:
        return "the intermediate certificates change"
    return f"the host has another certificate, of {place.certificate.issuer}"


def _renewal(found: Certificate, wanted: Wanted, now: datetime) -> str:
    """Return why the own CA is to issue a certificate; empty when the one in place is as wanted."""
    if not wanted.signed:
        return f"its certificate is of another CA, {found.issuer}"
    if wanted.rotate:
        return "kea_tls_rotate asks for a new one"
    if {name.lower() for name in found.names} != {name.lower() for name in wanted.names}:
        return f"its certificate is for {_list(found.names)}, and should be for {_list(wanted.names)}"
    if found.key_type != wanted.key_type:
        return f"its key is {found.key_type}, and should be {wanted.key_type}"
    if found.usages is not None and not set(_USAGES) <= set(found.usages):
        return "its certificate is not for both server and client"
    if found.not_before > now:
        return f"its certificate is not valid before {found.not_before:%Y-%m-%d}"
    if found.not_after <= now:
        return f"its certificate expired on {found.not_after:%Y-%m-%d}"
    if found.not_after - now <= wanted.renew_before:
        return f"its certificate expires on {found.not_after:%Y-%m-%d}"
    return ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "no name"


def _trust_change(found: frozenset[str], wanted: frozenset[str]) -> str:
    more, fewer = len(wanted - found), len(found - wanted)
    parts = [text for number, text in ((more, f"{more} more"), (fewer, f"{fewer} fewer")) if number]
    return f"the CAs that it trusts change: {', '.join(parts)}"
