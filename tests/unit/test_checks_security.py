# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What protects the servers: TLS, certificates, passwords, firewall."""

from __future__ import annotations

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _findings
from ansible_collections.keaops.kea.plugins.module_utils._model import RawHost, build_pair
from ansible_collections.keaops.kea.plugins.module_utils._tls import Certificates, TlsProblem
from mistakes import BOTH, expect_error, expect_silence, expect_warning
from pairs import build, examine, raw_hosts

# What is wrong: (changes, id, host, start of the variable's path, text that must be in it)
ERRORS = {
    # TLS
    "listener without TLS": (
        {"group": {"kea_ha_transport": "listener", "kea_tls_enabled": False}},
        "P13",
        BOTH,
        "kea_tls_enabled",
        ["false", "8000", "stop DHCP", "kea_accept_cleartext_api: true"],
    ),
    "files without TLS": (
        {"dhcp2": {"kea_tls_cert_file": "pki/dhcp2.pem"}},
        "P08",
        "dhcp2",
        "kea_tls_cert_file",
        ["pki/dhcp2.pem", "clear text", "kea_tls_enabled: true"],
    ),
    "source of files without TLS": (
        {"group": {"kea_tls_source": "files"}},
        "P08",
        "dhcp1",
        "kea_tls_source",
        ["files", "clear text"],
    ),
    "files beside the own CA": (
        {"group": {"kea_tls_enabled": True, "kea_tls_cert_file": "a.pem", "kea_tls_key_file": "a.key"}},
        "P08",
        "dhcp1",
        "kea_tls_cert_file",
        ["a.pem", "kea_tls_source: files", "remove kea_tls_cert_file, kea_tls_key_file"],
    ),
    "one file missing": (
        {
            "group": {"kea_tls_enabled": True, "kea_tls_source": "files", "kea_tls_trust_anchor": "ca.pem"},
            "dhcp1": {"kea_tls_cert_file": "1.pem", "kea_tls_key_file": "1.key"},
            "dhcp2": {"kea_tls_cert_file": "2.pem"},
        },
        "P08",
        "dhcp2",
        "kea_tls_key_file",
        ["kea_tls_source is files", "files/pki/"],
    ),
    "renewed at once": (
        {"group": {"kea_tls_enabled": True, "kea_tls_renew_before": 90}},
        "V16",
        BOTH,
        "kea_tls_renew_before",
        ["90 d", "every run", "30"],
    ),
    "certificates outlive the CA": (
        {"group": {"kea_tls_enabled": True, "kea_tls_ca_valid_days": 60}},
        "V16",
        BOTH,
        "kea_tls_ca_valid_days",
        ["60", "90 d"],
    ),
    "TLS differs": (
        {"dhcp2": {"kea_tls_enabled": True}},
        "P05",
        BOTH,
        "kea_tls_enabled",
        ["dhcp1 has null, dhcp2 has true"],
    ),
    # firewall
    "firewall over SSH": (
        {"group": {"kea_firewall": "nftables", "kea_ha_port": 22}},
        "V17",
        BOTH,
        "kea_ha_port",
        ["22", "SSH"],
    ),
    "firewall over SSH elsewhere": (
        {"group": {"kea_firewall": "snippet"}, "dhcp2": {"ansible_port": 8000}},
        "V17",
        "dhcp2",
        "kea_ha_port",
        ["8000", "SSH"],
    ),
    "management by name": (
        {"kea_firewall": "nftables", "kea_firewall_management": ["admin.example"]},
        "V17",
        BOTH,
        "kea_firewall_management[0]",
        ["admin.example", "192.168.1.50"],
    ),
    "a Kea that any client can stop": (
        {"dhcp2": {"kea_version": "3.0.0"}},
        "P28",
        "dhcp2",
        "kea_version",
        ["3.0.0", "CVE-2025-40779", "Upgrade to 3.0.3"],
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_finds(name):
    expect_error(*ERRORS[name])


# What is doubtful: (changes, id, host, variable, text that must be in it)
WARNINGS = {
    "open agent": (
        {"kea_api_auth": False},
        "P13",
        BOTH,
        "kea_api_auth",
        ["'false'", "everybody on the network can command the servers through port 8000"],
    ),
    "open listener, accepted": (
        {"kea_ha_transport": "listener", "kea_tls_enabled": False, "kea_accept_cleartext_api": True},
        "P13",
        BOTH,
        "kea_tls_enabled",
        ["'false'", "stop DHCP", "firewall"],
    ),
    "a Kea that the network can stop": (
        {"dhcp1": {"kea_version": "3.0.2"}, "dhcp2": {"kea_version": "3.0.4"}},
        "P28",
        "dhcp1",
        "kea_version",
        ["3.0.2", "CVE-2026-3608", "3.0.3"],
    ),
    "a Kea that writes files for anybody": (
        {"dhcp1": {"kea_version": "2.6.2"}, "dhcp2": {"kea_version": "2.6.3"}},
        "P28",
        "dhcp1",
        "kea_version",
        ["2.6.2", "CVE-2025-32801", "2.6.3"],
    ),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_warns(name):
    expect_warning(*WARNINGS[name])


# What is right: (changes, the check that has nothing to say)
SILENT = {
    "a password": ({}, "P13"),
    "a new Kea": ({"kea_version": "3.0.3"}, "P28"),
    "a Kea of which only the series is said": ({"kea_version": "3.0"}, "P28"),
}


@pytest.mark.parametrize("name", SILENT)
def test_is_silent(name):
    expect_silence(*SILENT[name])


PASSWORDS = [
    "short",
    "changeme-changeme-changeme",
    "aaaaaaaaaaaaaaaaaaaaaaaa",
    "with\nline-break-in-the-text",
    "ключ-ключ-ключ-ключ",
    "",
]


@pytest.mark.parametrize("variable", ["kea_api_password", "kea_tls_ca_passphrase"])
@pytest.mark.parametrize("password", PASSWORDS)
def test_a_bad_password_is_found_and_never_shown(password, variable):
    found = [item for item in examine({variable: password}) if item.variable == variable]
    assert [item.severity for item in found] == ["error"]
    assert not password or variable.rsplit("_", 1)[1] in found[0].message
    assert not password or all(password not in item.text() for item in found)


def test_different_passwords_are_found_and_never_shown():
    found = examine(dhcp1={"kea_api_password": "k3J!x9Qw7Lm2Zt5R"}, dhcp2={"kea_api_password": "Zt5Rk3J!x9Qw7Lm2"})
    assert [item.variable for item in found] == ["kea_api_password"]
    assert "Zt5R" not in found[0].text()


def test_a_good_password_passes():
    assert examine({"kea_api_password": "k3J!x9Qw7Lm2Zt5R"}) == []


def test_files_of_the_user():
    hosts = {
        host: {"kea_tls_cert_file": f"{host}.pem", "kea_tls_key_file": f"{host}.key"} for host in ("dhcp1", "dhcp2")
    }
    group = {"kea_version": "3.0.4", "kea_tls_source": "files", "kea_tls_trust_anchor": "ca.pem"}
    assert examine(group, **hosts) == []


def test_a_file_whose_name_cannot_be_evaluated_is_not_missed_again():
    hosts = raw_hosts({"kea_tls_enabled": True, "kea_tls_source": "files", "kea_tls_trust_anchor": "ca.pem"})
    names = frozenset({"kea_tls_cert_file", "kea_tls_key_file"})
    pair, known = build_pair("kea", [RawHost(raw.name, raw.vars, None, names) for raw in hosts])
    assert _findings.check(pair, known) == []


def test_what_is_wrong_with_certificates_is_reported_as_it_was_found():
    wrong = Certificates(
        problems=(
            TlsProblem("P35", "error", "kea_tls_cert_file", "a.pem", "the certificate has expired", "Renew it"),
            TlsProblem("P35", "warning", "kea_tls_cert_file", "a.pem", "the certificate ends in 20 d", "Renew it"),
            TlsProblem("P36", "info", "kea_tls_trust_anchor", "ca.pem", "the CA is public", "Use one of your own"),
        )
    )
    found = examine({"kea_version": "3.0.4"}, certificates=wrong)
    assert [(item.id, item.severity, item.host) for item in found] == [
        (check_id, severity, host)
        for check_id, severity in (("P35", "error"), ("P35", "warning"), ("P36", "info"))
        for host in ("dhcp1", "dhcp2")
    ]
    assert found[0].text() == ("dhcp1: kea_tls_cert_file = 'a.pem': the certificate has expired. Renew it. [P35]")


def test_what_is_graver_than_usual_cannot_be_accepted():
    open_listener = {"kea_ha_transport": "listener", "kea_tls_enabled": False, "kea_preflight_ignore": ["P13"]}
    assert [item.severity for item in examine(open_listener)] == ["error"]
    accepted = {**open_listener, "kea_accept_cleartext_api": True}
    assert [item.severity for item in examine(accepted)] == ["info"]


def everything(changes):
    """Return all findings of a check, those of every home pair included."""
    pair, known = build(changes)
    return _findings.check(pair, known)


def test_the_home_pair_is_told_that_its_password_can_be_read():
    (found,) = everything({})
    assert (found.id, found.severity, found.host, found.variable) == ("P13", "info", BOTH, "kea_tls_enabled")
    assert "clear text, to port 8000" in found.text()
    assert everything({"kea_tls_enabled": True}) == []


@pytest.mark.parametrize("version", ["2.2.0", "2.4.1", "2.6.3"])
def test_a_kea_without_a_cure_is_no_warning_and_a_firewall_is_one(version):
    found = [item for item in everything({"kea_version": version}) if item.id == "P28"]
    assert [(item.severity, item.host, item.value) for item in found] == [
        ("info", host, version) for host in ("dhcp1", "dhcp2")
    ]
    assert "port 8000" in found[0].text()
    assert "kea_firewall: nftables" in found[0].fix
    for change in ({"kea_firewall": "nftables"}, {"kea_tls_enabled": True}):
        assert [item for item in everything({"kea_version": version, **change}) if item.id == "P28"] == []
