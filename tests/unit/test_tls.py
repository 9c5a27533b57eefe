# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done about the certificates of a host, decided on plain data."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _tls

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
NAMES = ("IP:192.168.1.2", "DNS:dhcp1", "DNS:server1")
LEAF = _tls.Certificate(
    pem="",
    subject="CN=dhcp1",
    issuer="CN=The CA",
    serial="0A",
    not_before=NOW - timedelta(days=30),
    not_after=NOW + timedelta(days=60),
    names=NAMES,
    usages=("serverAuth", "clientAuth"),
    signs=True,
    signs_certificates=True,
    is_ca=False,
    key_type="ecdsa-p256",
    weakness="",
    fingerprint="leaf",
)
PLACE = _tls.InPlace(LEAF, ("leaf",), "", frozenset({"ca"}))
OWN = _tls.Wanted(_tls.OWN_CA, frozenset({"ca"}), True, (), NAMES, "ecdsa-p256", timedelta(days=30))
FILES = _tls.Wanted(_tls.FILES, frozenset({"ca"}), chain=("leaf",))


def changed(**changes):
    return replace(PLACE, certificate=replace(LEAF, **changes))


BRANCHES = {
    "own: all as wanted": (PLACE, OWN, "none", ""),
    "own: a bare host": (_tls.InPlace(), OWN, "issue", "the host has no certificate yet"),
    "own: a key that cannot be used": (
        replace(PLACE, trouble="its key.pem cannot be used: it is encrypted"),
        OWN,
        "issue",
        "its key.pem cannot be used: it is encrypted",
    ),
    "own: of another CA": (PLACE, replace(OWN, signed=False), "issue", "its certificate is of another CA, CN=The CA"),
    "own: rotation asked for": (PLACE, replace(OWN, rotate=True), "issue", "kea_tls_rotate asks for a new one"),
    "own: other names": (
        changed(names=("IP:192.168.1.9",)),
        OWN,
        "issue",
        "its certificate is for IP:192.168.1.9, and should be for IP:192.168.1.2, DNS:dhcp1, DNS:server1",
    ),
    "own: no names": (
        changed(names=()),
        OWN,
        "issue",
        "its certificate is for no name, and should be for IP:192.168.1.2, DNS:dhcp1, DNS:server1",
    ),
    "own: names in another order and case": (
        changed(names=("DNS:SERVER1", "DNS:dhcp1", "IP:192.168.1.2")),
        OWN,
        "none",
        "",
    ),
    "own: another type of key": (
        PLACE,
        replace(OWN, key_type="rsa-3072"),
        "issue",
        "its key is ecdsa-p256, and should be rsa-3072",
    ),
    "own: for servers only": (
        changed(usages=("serverAuth",)),
        OWN,
        "issue",
        "its certificate is not for both server and client",
    ),
    "own: for nothing": (changed(usages=()), OWN, "issue", "its certificate is not for both server and client"),
    "own: usage not restricted": (changed(usages=None), OWN, "none", ""),
    "own: expired": (
        changed(not_after=NOW - timedelta(days=1)),
        OWN,
        "issue",
        "its certificate expired on 2026-05-31",
    ),
    "own: not yet valid": (
        changed(not_before=NOW + timedelta(days=2)),
        OWN,
        "issue",
        "its certificate is not valid before 2026-06-03",
    ),
    "own: time to renew": (
        changed(not_after=NOW + timedelta(days=30)),
        OWN,
        "issue",
        "its certificate expires on 2026-07-01",
    ),
    "own: a moment before that": (changed(not_after=NOW + timedelta(days=30, seconds=1)), OWN, "none", ""),
    "own: renewed at the last moment only": (
        changed(not_after=NOW + timedelta(seconds=1)),
        replace(OWN, renew_before=timedelta(0)),
        "none",
        "",
    ),
    "own: one more CA": (
        PLACE,
        replace(OWN, trust=frozenset({"ca", "next"})),
        "trust",
        "the CAs that it trusts change: 1 more",
    ),
    "own: another CA to trust": (
        PLACE,
        replace(OWN, trust=frozenset({"next"})),
        "trust",
        "the CAs that it trusts change: 1 more, 1 fewer",
    ),
    "own: the CA cannot sign, and what works stays": (
        changed(names=(), not_after=NOW),
        replace(OWN, frozen=True),
        "none",
        "",
    ),
    "own: the CA cannot sign, but there is nothing": (
        _tls.InPlace(),
        replace(OWN, frozen=True),
        "issue",
        "the host has no certificate yet",
    ),
    "own: the CA cannot sign, but one more is to be trusted": (
        PLACE,
        replace(OWN, frozen=True, trust=frozenset({"ca", "next"})),
        "trust",
        "the CAs that it trusts change: 1 more",
    ),
    "files: in place": (PLACE, FILES, "none", ""),
    "files: dates and names are the user's": (changed(names=(), not_after=NOW), FILES, "none", ""),
    "files: a bare host": (_tls.InPlace(), FILES, "install", "the host has no certificate yet"),
    "files: another one": (
        PLACE,
        replace(FILES, chain=("new",)),
        "install",
        "the host has another certificate, of CN=The CA",
    ),
    "files: one more intermediate CA": (
        PLACE,
        replace(FILES, chain=("leaf", "between")),
        "install",
        "the intermediate certificates change",
    ),
    "files: a key that others can read": (
        replace(PLACE, trouble="its key.pem has the mode 0644, and should have 0640"),
        FILES,
        "install",
        "its key.pem has the mode 0644, and should have 0640",
    ),
    "files: another CA to trust": (
        PLACE,
        replace(FILES, trust=frozenset()),
        "trust",
        "the CAs that it trusts change: 1 fewer",
    ),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_decision(name):
    place, wanted, action, reason = BRANCHES[name]
    assert _tls.decide(place, wanted, NOW) == (action, reason)


def test_paths():
    assert _tls.paths("/etc/kea") == (
        "/etc/kea/tls",
        "/etc/kea/tls/current",
        "/etc/kea/tls/current/trust",
        "/etc/kea/tls/current/cert.pem",
        "/etc/kea/tls/current/key.pem",
    )


@pytest.mark.parametrize(
    ("address", "names", "expected"),
    [
        ("192.168.1.2", ("dhcp1", "server1"), ["IP:192.168.1.2", "DNS:dhcp1", "DNS:server1"]),
        ("192.168.1.2", ("dhcp1", "dhcp1"), ["IP:192.168.1.2", "DNS:dhcp1"]),
        ("2001:db8::2", ("dhcp1.example.org",), ["IP:2001:db8::2", "DNS:dhcp1.example.org"]),
        ("192.168.1.2", ("192.168.1.2", "a b", "-x", "x-", "näme", "dhcp_1", ""), ["IP:192.168.1.2"]),
        (None, ("dhcp1",), ["DNS:dhcp1"]),
    ],
)
def test_names_of_a_certificate(address, names, expected):
    assert _tls.subject_alt_names(address, names) == expected


def test_a_common_name_is_no_longer_than_x509_allows():
    assert _tls.common_name("dhcp1") == "dhcp1"
    assert len(_tls.common_name("a" * 80)) == 64


@pytest.mark.parametrize(
    ("after", "days"),
    [(timedelta(days=90), 90), (timedelta(days=1, seconds=-1), 0), (timedelta(seconds=-1), -1)],
)
def test_days_left(after, days):
    assert replace(LEAF, not_after=NOW + after).days_left(NOW) == days
