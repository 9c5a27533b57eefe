# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which a file may be wrong has its own sentence, which says what the file is."""

from __future__ import annotations

import ssl
import subprocess

import certs
import pytest
from ansible_collections.keaops.kea.plugins.plugin_utils import _certificates
from ansible_collections.keaops.kea.plugins.plugin_utils._certificates import Material
from certs import NOW, authority, leaf
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, x25519

TRUST, CERT, KEY = "kea_tls_trust_anchor", "kea_tls_cert_file", "kea_tls_key_file"
PATHS = {TRUST: "pki/ca.pem", CERT: "pki/dhcp1.pem", KEY: "pki/dhcp1.key"}
TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL
DER = serialization.Encoding.DER


def examine(trust=None, certificate=None, key=None, address="192.168.1.2", now=NOW):
    """Examine good files, with some of them replaced."""
    data = {TRUST: trust or authority().pem, CERT: certificate or leaf().pem, KEY: key or leaf().key}
    return _certificates.examine(*(Material(name, PATHS[name], body) for name, body in data.items()), now, address)


def problems(**files):
    """Return what is wrong, without what is only worth knowing."""
    return [item for item in examine(**files)[1] if item.severity != "info"]


def only(**files):
    (item,) = problems(**files)
    return item


def between(**changes):
    """Return an intermediate CA."""
    return certs.make("CA in between", authority(), certs.key("p256", "between"), ca=True, days=1000.0, **changes)


# ---------------------------------------------------------------------------------------------------------------------
# good files


def ed25519():
    return leaf(private=certs.key("ed25519"))


GOOD = {
    "as they should be": {},
    "an RSA key": lambda: {
        "certificate": leaf(private=certs.key("rsa2048")).pem,
        "key": certs.key_bytes(certs.key("rsa2048"), kind=TRADITIONAL),
    },
    "an Edwards curve": lambda: {"certificate": ed25519().pem, "key": ed25519().key},
    "P-384": lambda: {"certificate": leaf(private=certs.key("p384")).pem, "key": certs.key_bytes(certs.key("p384"))},
    "the key in OpenSSL's old form, with its parameters": lambda: {
        "key": b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        + certs.key_bytes(leaf().private, kind=TRADITIONAL)
    },
    "text around the PEM": lambda: {"certificate": b"subject=CN = dhcp1\n\n" + leaf().pem.replace(b"\n", b"\r\n")},
    "no restriction of usage": lambda: {"certificate": leaf(usages=None).pem},
    "an older certificate of the same key below it": lambda: {"certificate": leaf().pem + leaf(days=1.0).pem},
    "a certificate for signatures": lambda: {"certificate": leaf(key_usage=("digital_signature",)).pem},
    "an intermediate CA below the certificate": lambda: {"certificate": leaf(issuer=between()).pem + between().pem},
    "two CAs to trust": lambda: {"trust": authority("Another CA").pem + authority().pem},
    "two CAs of one name that are told apart": lambda: {"trust": namesake_authority().pem + authority().pem},
    "a CA without keyUsage, one with it": lambda: {
        "trust": authority().pem + authority("Another CA", key_usage=("key_cert_sign",)).pem
    },
    "SHA-1 of a root, which nobody checks": lambda: {
        "trust": certs.with_sha1(authority("Old root", private=certs.key("rsa2048"))),
        "certificate": leaf(issuer=authority("Old root", private=certs.key("rsa2048"))).pem,
    },
}


@pytest.mark.parametrize("name", GOOD)
def test_good_files(name):
    make = GOOD[name]
    files, found = examine(**(make() if callable(make) else make))
    assert [item for item in found if item.severity != "info"] == []
    assert files.key.startswith(b"-----BEGIN")
    assert b"PRIVATE KEY" in files.key
    assert files.chain[0].subject == "CN=dhcp1"


def test_two_cas_are_told_apart():
    files, _found = examine(trust=authority().pem + authority("Another CA").pem)
    assert [item.subject for item in files.trust] == ["CN=CA of the pair", "CN=Another CA"]


def test_what_kea_does_not_check_is_said():
    (item,) = examine()[1]
    assert (item.id, item.severity, item.variable) == ("P36", "info", TRUST)
    assert item.message == "Kea checks no names: every certificate of this CA can pose as a server of the pair"


def test_a_bundle_of_cas_is_a_warning():
    item = only(trust=b"".join(authority(name).pem for name in ("CA of the pair", "b", "c")))
    assert (item.id, item.severity) == ("P36", "warning")
    assert item.message == (
        "the file holds 3 CAs, and Kea checks no names: whoever has a certificate of any of them can command the"
        " servers"
    )


# ---------------------------------------------------------------------------------------------------------------------
# files of another kind

HOST = "the host's certificate"
CA = "the certificate of the CA"
KEY_OF = "the private key of the host's certificate"


def wrong_kind(field, holds, wanted, fix):
    return field, f"the file holds {holds}, but should hold {wanted}", fix


KINDS = {
    "a key as certificate": (
        lambda: {"certificate": leaf().key},
        wrong_kind(CERT, "a private key", HOST, "Give the certificate here, and this file as kea_tls_key_file"),
    ),
    "a certificate as key": (
        lambda: {"key": leaf().pem},
        wrong_kind(KEY, "a certificate", KEY_OF, "Give the private key here, and this file as kea_tls_cert_file"),
    ),
    "a key as trust anchor": (
        lambda: {"trust": leaf().key},
        wrong_kind(TRUST, "a private key", CA, "Give the certificate here, and this file as kea_tls_key_file"),
    ),
    "a request as certificate": (
        lambda: {"certificate": certs.pem(certs.request(leaf()))},
        wrong_kind(
            CERT,
            "a certificate signing request",
            HOST,
            "Have the CA sign it, and give the certificate that comes back",
        ),
    ),
    "a certificate in DER": (
        lambda: {"certificate": leaf().der},
        wrong_kind(
            CERT,
            "a certificate in the binary form DER",
            HOST,
            "Convert it to PEM: openssl x509 -inform DER -in pki/dhcp1.pem -out certificate.pem",
        ),
    ),
    "a CA in DER": (
        lambda: {"trust": authority().der},
        wrong_kind(
            TRUST,
            "a certificate in the binary form DER",
            CA,
            "Convert it to PEM: openssl x509 -inform DER -in pki/ca.pem -out certificate.pem",
        ),
    ),
    "a key in DER": (
        lambda: {"key": certs.key_bytes(leaf().private, encoding=DER)},
        wrong_kind(
            KEY,
            "a private key in the binary form DER",
            KEY_OF,
            "Convert it to PEM: openssl pkey -inform DER -in pki/dhcp1.key -out private.key",
        ),
    ),
    "an encrypted key in DER": (
        lambda: {"key": certs.key_bytes(leaf().private, "x" * 16, encoding=DER)},
        wrong_kind(
            KEY,
            "a private key in the binary form DER",
            KEY_OF,
            "Convert it to PEM: openssl pkey -inform DER -in pki/dhcp1.key -out private.key",
        ),
    ),
    "a request in DER": (
        lambda: {"certificate": certs.request(leaf()).public_bytes(DER)},
        wrong_kind(
            CERT,
            "a certificate signing request in the binary form DER",
            HOST,
            "Have the CA sign it, and give the certificate that comes back",
        ),
    ),
    "a PKCS 12 archive": (
        lambda: {"certificate": certs.archive(leaf())},
        wrong_kind(
            CERT,
            "a PKCS #12 archive",
            HOST,
            "Take it apart: openssl pkcs12 -in pki/dhcp1.pem -clcerts -nokeys -out certificate.pem, and openssl pkcs12"
            " -in pki/dhcp1.pem -nocerts -noenc -out private.key",
        ),
    ),
    "a PKCS 7 bundle": (
        lambda: {"trust": certs.bundle(authority())},
        wrong_kind(
            TRUST,
            "a PKCS #7 bundle",
            CA,
            "Take it apart: openssl pkcs7 -in pki/ca.pem -print_certs -out certificates.pem",
        ),
    ),
    "an encrypted key": (
        lambda: {"key": leaf().encrypted_key},
        wrong_kind(
            KEY,
            "an encrypted private key",
            KEY_OF,
            "Kea cannot ask for a passphrase. Decrypt it, and protect it by ansible-vault instead: openssl pkey -in"
            " pki/dhcp1.key -out plain.key && ansible-vault encrypt plain.key",
        ),
    ),
    "a key encrypted in OpenSSL's old form": (
        lambda: {"key": certs.key_bytes(leaf().private, "x" * 16, kind=TRADITIONAL)},
        wrong_kind(
            KEY,
            "an encrypted private key",
            KEY_OF,
            "Kea cannot ask for a passphrase. Decrypt it, and protect it by ansible-vault instead: openssl pkey -in"
            " pki/dhcp1.key -out plain.key && ansible-vault encrypt plain.key",
        ),
    ),
    "a key for SSH": (
        lambda: {"key": certs.key_bytes(leaf().private, kind=serialization.PrivateFormat.OpenSSH)},
        wrong_kind(KEY, "a key for SSH", KEY_OF, f"Keys for SSH are no keys for TLS. Give the path of {KEY_OF}"),
    ),
    "a public key for SSH": (
        lambda: {"key": b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI user@host\n"},
        wrong_kind(KEY, "a public key for SSH", KEY_OF, f"Give the path of {KEY_OF}, a PEM file"),
    ),
    "a public key": (
        lambda: {"key": certs.public_key(leaf())},
        wrong_kind(KEY, "a public key", KEY_OF, f"Give the path of {KEY_OF}, a PEM file"),
    ),
    "a revocation list": (
        lambda: {"trust": certs.revocation_list(authority())},
        wrong_kind(TRUST, "a revocation list", CA, f"Give the path of {CA}, a PEM file"),
    ),
    "curve parameters": (
        lambda: {"key": b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"},
        wrong_kind(KEY, "curve parameters without a key", KEY_OF, f"Give the path of {KEY_OF}, a PEM file"),
    ),
    "a Java keystore": (
        lambda: {"certificate": b"\xfe\xed\xfe\xed\x00\x00\x00\x02"},
        wrong_kind(CERT, "a Java keystore", HOST, f"Give the path of {HOST}, a PEM file"),
    ),
    "another PEM file": (
        lambda: {"certificate": b"-----BEGIN PGP MESSAGE-----\nx\n-----END PGP MESSAGE-----\n"},
        wrong_kind(CERT, "a PEM block PGP MESSAGE", HOST, f"Give the path of {HOST}, a PEM file"),
    ),
    "anything else": (
        lambda: {"certificate": b"Hello, world"},
        wrong_kind(
            CERT,
            "neither PEM nor any form of a certificate or key that is known",
            HOST,
            f"Give the path of {HOST}, a PEM file",
        ),
    ),
    "an empty file": (
        lambda: {"certificate": b" \n"},
        (CERT, f"the file is empty, but should hold {HOST}", "Give the path of a PEM file"),
    ),
    "an empty key file": (
        lambda: {"key": b"\n"},
        (KEY, f"the file is empty, but should hold {KEY_OF}", "Give the path of a PEM file"),
    ),
    "a vault without its password": (
        lambda: {"key": certs.vaulted(leaf().key, "vault")},
        wrong_kind(
            KEY,
            "something that ansible-vault has encrypted",
            KEY_OF,
            "Give the vault password (--ask-vault-pass)",
        ),
    ),
    "a file that was cut off": (
        lambda: {"certificate": leaf().pem[:200]},
        wrong_kind(
            CERT,
            "the beginning of a certificate, whose end is missing",
            HOST,
            "Copy the file again from where it was issued",
        ),
    ),
    "a key that was cut off": (
        lambda: {"key": leaf().key[:100]},
        wrong_kind(
            KEY,
            "the beginning of a private key, whose end is missing",
            KEY_OF,
            "Copy the file again from where it was issued",
        ),
    ),
    "a damaged certificate": (
        lambda: {"certificate": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
        (
            CERT,
            "the certificate is damaged: it cannot be decoded",
            "Copy the file again from where it was issued",
        ),
    ),
    "a damaged key": (
        lambda: {"key": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},
        (KEY, "the private key cannot be used: it is damaged", "Copy the file again"),
    ),
    "the key in the certificate's file": (
        lambda: {"certificate": leaf().pem + leaf().key},
        (
            CERT,
            "the file holds a certificate and a private key, but everybody on the host may read it",
            "Keep the certificates in this file, and put the key into a file of its own, for kea_tls_key_file",
        ),
    ),
    "the certificates in the key's file": (
        lambda: {"key": leaf().key + leaf().pem + authority().pem},
        (
            KEY,
            "the file holds a private key and 2 certificates, but should hold one private key",
            "Keep only the key that belongs to kea_tls_cert_file",
        ),
    ),
    "something beside the certificate": (
        lambda: {"certificate": leaf().pem + certs.public_key(leaf())},
        wrong_kind(CERT, "a certificate and a public key", HOST, "Remove everything else from it"),
    ),
    "certificates alone in the key's file": (
        lambda: {"key": leaf().pem + authority().pem},
        wrong_kind(KEY, "2 certificates", KEY_OF, "Give the private key here, and this file as kea_tls_cert_file"),
    ),
    "two keys": (
        lambda: {"key": leaf().key + authority().key},
        (
            KEY,
            "the file holds 2 private keys, but should hold one private key",
            "Keep only the key that belongs to kea_tls_cert_file",
        ),
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_another_kind(name):
    make, (variable, message, fix) = KINDS[name]
    item = only(**make())
    assert (item.id, item.severity) == ("P35", "error")
    assert (item.variable, item.value, item.message, item.fix) == (variable, PATHS[variable], message, fix)


def test_certificate_and_key_the_wrong_way_round():
    found = problems(certificate=leaf().key, key=leaf().pem)
    assert [(item.variable, item.message, item.fix) for item in found] == [
        (
            CERT,
            "the file holds a private key, but should hold the host's certificate",
            "kea_tls_cert_file and kea_tls_key_file are the wrong way round: swap them",
        ),
        (
            KEY,
            "the file holds a certificate, but should hold the private key of the host's certificate",
            "kea_tls_key_file and kea_tls_cert_file are the wrong way round: swap them",
        ),
    ]


def test_a_key_as_certificate_beside_an_empty_key_file_is_not_swapped():
    first, second = problems(certificate=leaf().key, key=b"\n")
    assert first.fix == "Give the certificate here, and this file as kea_tls_key_file"
    assert "is empty" in second.message


def test_no_message_shows_a_key():
    secret = leaf().key.split(b"\n")[1].decode()
    texts = [str(problems(certificate=leaf().key)), str(problems(key=leaf().key + leaf().key))]
    assert secret not in "".join(texts)


# ---------------------------------------------------------------------------------------------------------------------
# the right kind, but no good


def stranger():
    return leaf(issuer=authority("Another CA"))


def namesake_authority(**changes):
    return authority(private=certs.key("p256", "namesake"), **changes)


def namesake():
    return leaf(issuer=namesake_authority())


GIVE_CA = "Give the CA that signed it as kea_tls_trust_anchor; intermediate CAs go below the certificate in this file"


def short(name="rsa1024"):
    return certs.key(name)


BAD = {
    "expired": (
        lambda: {"certificate": leaf(start=-90.0, days=-1.0).pem},
        (CERT, "the certificate expired on 2026-05-31", "Have it renewed, and give the new one"),
    ),
    "not yet valid": (
        lambda: {"certificate": leaf(start=2.0).pem},
        (
            CERT,
            "the certificate is not valid before 2026-06-03 12:00 UTC",
            "Wait until then, have it issued again, or set the clock of the controller",
        ),
    ),
    "fewer than 7 days left": (
        lambda: {"certificate": leaf(days=6.9).pem},
        (
            CERT,
            "the certificate expires on 2026-06-08, in less than 7 days",
            "Have it renewed, and give the new one",
        ),
    ),
    "another CA": (
        lambda: {"certificate": stranger().pem},
        (
            CERT,
            "the certificate was signed by CN=Another CA, but pki/ca.pem holds CN=CA of the pair",
            GIVE_CA,
        ),
    ),
    "another CA of the same name": (
        lambda: {"certificate": namesake().pem},
        (
            CERT,
            "the certificate was signed with another key than that of the CA in pki/ca.pem, though the name is the"
            " same, CN=CA of the pair",
            GIVE_CA,
        ),
    ),
    "two CAs that cannot be told apart": (
        lambda: {
            "trust": authority(key_ids=False).pem + namesake_authority(key_ids=False).pem,
            "certificate": leaf(issuer=namesake_authority(key_ids=False), key_ids=False).pem,
        },
        (
            TRUST,
            "there are two CAs called CN=CA of the pair, and CN=dhcp1 does not say which of them signed it"
            " (authorityKeyIdentifier), so OpenSSL may take the wrong one",
            "Have it issued with authorityKeyIdentifier, or leave the other CA out",
        ),
    ),
    "an intermediate CA is missing": (
        lambda: {"certificate": leaf(issuer=between()).pem},
        (
            CERT,
            "the certificate was signed by CN=CA in between, but pki/ca.pem holds CN=CA of the pair",
            GIVE_CA,
        ),
    ),
    "an intermediate CA of another root": (
        lambda: {
            "certificate": leaf(issuer=between()).pem + between().pem,
            "trust": authority("Another CA").pem,
        },
        (
            CERT,
            "the chain of the certificate ends at CN=CA of the pair, but pki/ca.pem holds CN=Another CA",
            GIVE_CA,
        ),
    ),
    "an intermediate CA as trust anchor": (
        lambda: {"certificate": leaf(issuer=between()).pem, "trust": between().pem},
        (
            TRUST,
            "CN=CA in between is an intermediate CA, and OpenSSL follows the chain up to its root, CN=CA of the pair",
            "Add the certificate of the root to the file, and the intermediate one to kea_tls_cert_file",
        ),
    ),
    "a trust anchor that is no CA": (
        lambda: {"trust": leaf().pem},
        (
            TRUST,
            "CN=dhcp1 is not a CA: its certificate says so (basicConstraints, keyUsage)",
            "Give the certificate of the CA that signed the hosts' certificates",
        ),
    ),
    "a trust anchor that says nothing": (
        lambda: {"trust": certs.make("CA of the pair", ca=None, usages=None, days=900.0).pem},
        (
            TRUST,
            "CN=CA of the pair is not a CA: its certificate says so (basicConstraints, keyUsage)",
            "Give the certificate of the CA that signed the hosts' certificates",
        ),
    ),
    "a trust anchor that may not sign certificates": (
        lambda: {"trust": authority(key_usage=("digital_signature",)).pem},
        (
            TRUST,
            "CN=CA of the pair is not a CA: its certificate says so (basicConstraints, keyUsage)",
            "Give the certificate of the CA that signed the hosts' certificates",
        ),
    ),
    "an expired trust anchor": (
        lambda: {"trust": authority(start=-900.0, days=-2.0).pem},
        (TRUST, "the CA CN=CA of the pair expired on 2026-05-30", "Give the CA's new certificate"),
    ),
    "the one of two trust anchors that is needed has expired": (
        lambda: {"trust": authority("Another CA").pem + authority(start=-900.0, days=-2.0).pem},
        (TRUST, "the CA CN=CA of the pair expired on 2026-05-30", "Give the CA's new certificate"),
    ),
    "a trust anchor that is not valid yet": (
        lambda: {"trust": authority(start=1.0).pem},
        (
            TRUST,
            "the CA CN=CA of the pair is not valid before 2026-06-02 12:00 UTC",
            "Wait until then, have it issued again, or set the clock of the controller",
        ),
    ),
    "an expired intermediate CA": (
        lambda: {
            "certificate": leaf(issuer=between()).pem
            + certs.make("CA in between", authority(), certs.key("p256", "between"), ca=True, start=-9.0, days=-3.0).pem
        },
        (
            CERT,
            "the intermediate certificate CN=CA in between expired on 2026-05-29",
            "Ask for the CA's present intermediate certificate",
        ),
    ),
    "not for clients": (
        lambda: {"certificate": leaf(usages=certs.SERVER).pem},
        (
            CERT,
            "the certificate is not for clientAuth, and the host is a client, too, when it talks to its partner",
            "Have it issued with extendedKeyUsage = serverAuth, clientAuth",
        ),
    ),
    "not for servers": (
        lambda: {"certificate": leaf(usages=certs.CLIENT).pem},
        (
            CERT,
            "the certificate is not for serverAuth, and the host could not be a server with it",
            "Have it issued with extendedKeyUsage = serverAuth, clientAuth",
        ),
    ),
    "not for signatures": (
        lambda: {"certificate": leaf(key_usage=("key_encipherment",)).pem},
        (
            CERT,
            "the certificate's keyUsage has no digitalSignature, which every TLS connection needs",
            "Have it issued with keyUsage = digitalSignature",
        ),
    ),
    "a short RSA key": (
        lambda: {"certificate": leaf(private=short()).pem, "key": certs.key_bytes(short())},
        (
            CERT,
            "CN=dhcp1 is too weak: its RSA key has 1024 bits, fewer than 2048",
            "Use an ECDSA key on the curve P-256, or an RSA key of 2048 bits or more, signed with SHA-256",
        ),
    ),
    "a weak curve": (
        lambda: {"certificate": leaf(private=short("p224")).pem, "key": certs.key_bytes(short("p224"))},
        (
            CERT,
            "CN=dhcp1 is too weak: its key is on the curve secp224r1",
            "Use an ECDSA key on the curve P-256, or an RSA key of 2048 bits or more, signed with SHA-256",
        ),
    ),
    "a curve that TLS does not have": (
        lambda: {"certificate": leaf(private=short("k1")).pem, "key": certs.key_bytes(short("k1"))},
        (
            CERT,
            "CN=dhcp1 is too weak: its key is on the curve secp256k1",
            "Use an ECDSA key on the curve P-256, or an RSA key of 2048 bits or more, signed with SHA-256",
        ),
    ),
    "signed with SHA-1": (
        lambda: {"certificate": certs.with_sha1(leaf(issuer=authority("CA with RSA", private=certs.key("rsa2048"))))},
        (
            CERT,
            "CN=dhcp1 is too weak: it is signed with SHA1",
            "Use an ECDSA key on the curve P-256, or an RSA key of 2048 bits or more, signed with SHA-256",
        ),
    ),
    "a CA with a short key": (
        lambda: {
            "trust": authority("Weak CA", private=short()).pem,
            "certificate": leaf(issuer=authority("Weak CA", private=short())).pem,
        },
        (
            TRUST,
            "CN=Weak CA is too weak: its RSA key has 1024 bits, fewer than 2048",
            "Use an ECDSA key on the curve P-256, or an RSA key of 2048 bits or more, signed with SHA-256",
        ),
    ),
    "the key of another certificate": (
        lambda: {"key": leaf("dhcp2").key},
        (
            KEY,
            "the private key does not belong to the certificate CN=dhcp1 in pki/dhcp1.pem",
            "Give the key that the certificate was requested with",
        ),
    ),
    "the CA's certificate": (
        lambda: {"certificate": authority().pem},
        (
            CERT,
            "the file holds the certificate of a CA, CN=CA of the pair, but should hold the host's certificate",
            "Give the certificate that the CA signed for this host",
        ),
    ),
    "the CA above the host": (
        lambda: {"certificate": authority().pem + leaf().pem},
        (
            CERT,
            "the file begins with CN=CA of the pair, but the host's own certificate, CN=dhcp1, comes first",
            "Order the file: own certificate, then the CA that signed it, and so on up",
        ),
    ),
    "another host above the host": (
        lambda: {"certificate": leaf("dhcp2").pem + leaf().pem},
        (
            CERT,
            "the file begins with CN=dhcp2, but the host's own certificate, CN=dhcp1, comes first",
            "Order the file: own certificate, then the CA that signed it, and so on up",
        ),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_certificate_that_is_no_good(name):
    make, (variable, message, fix) = BAD[name]
    item = only(**make())
    assert (item.id, item.severity) == ("P35", "error")
    assert (item.variable, item.value, item.message, item.fix) == (variable, PATHS[variable], message, fix)


@pytest.mark.parametrize(("names", "has"), [(("DNS:dhcp1",), "only DNS:dhcp1"), ((), "none")])
def test_a_certificate_without_the_address(names, has):
    item = only(certificate=leaf(names=names).pem)
    assert (item.id, item.severity, item.variable) == ("P36", "error", CERT)
    assert item.message == (
        f"the certificate does not name the host's address 192.168.1.2 (it has {has}); Kea checks no names, but the"
        " checks of this collection do"
    )
    assert item.fix == "Have it issued with subjectAltName = IP:192.168.1.2"
    assert problems(certificate=leaf(names=names).pem, address=None) == []


def test_an_ipv6_address_is_found_in_any_spelling():
    certificate = leaf(names=("IP:2001:0db8:0000::2",)).pem
    assert problems(certificate=certificate, address="2001:db8::2") == []


def test_fewer_than_30_days_are_a_warning():
    item = only(certificate=leaf(days=29.5).pem)
    assert (item.severity, item.message) == ("warning", "the certificate expires on 2026-07-01, in 29 days")
    item = only(trust=authority(days=10.0).pem)
    assert (item.severity, item.message) == ("warning", "the CA CN=CA of the pair expires on 2026-06-11, in 10 days")
    assert problems(certificate=leaf(days=30.1).pem) == []


def test_an_expired_ca_beside_the_one_in_use_is_a_warning():
    item = only(trust=authority().pem + authority("Old CA", start=-900.0, days=-2.0).pem)
    assert (item.severity, item.message) == ("warning", "the CA CN=Old CA expired on 2026-05-30")


def test_several_mistakes_are_all_reported():
    found = problems(certificate=leaf(usages=certs.SERVER, names=(), days=2.0).pem, key=leaf("dhcp2").key)
    assert [item.id for item in found] == ["P35", "P35", "P36", "P35"]


def test_files_that_could_not_be_opened_are_passed_over():
    good = Material(KEY, PATHS[KEY], leaf().key)
    files, found = _certificates.examine(None, None, good, NOW, "192.168.1.2")
    assert (files.trust, files.chain, found) == (None, None, [])
    assert _certificates.examine(None, None, None, NOW) == ((None, None, None), [])


# ---------------------------------------------------------------------------------------------------------------------
# reading


def test_describe():
    found = _certificates.describe(leaf().text)
    assert (found.subject, found.issuer) == ("CN=dhcp1", "CN=CA of the pair")
    assert int(found.serial, 16) == leaf().certificate.serial_number
    assert len(found.serial) % 2 == 0
    assert found.serial == found.serial.upper()
    assert found.names == ("IP:192.168.1.2", "DNS:dhcp1", "DNS:server1")
    assert found.usages == ("serverAuth", "clientAuth")
    assert (found.is_ca, found.key_type, found.weakness) == (False, "ecdsa-p256", "")
    assert found.fingerprint == leaf().certificate.fingerprint(hashes.SHA256()).hex()
    assert found.days_left(NOW) == 90
    assert _certificates.describe(found.pem) == found


@pytest.mark.parametrize(
    ("kind", "expected"), [("rsa2048", "rsa-2048"), ("ed25519", "ed25519"), ("p384", "ecdsa-p384")]
)
def test_types_of_keys(kind, expected):
    assert _certificates.describe(leaf(private=certs.key(kind)).pem).key_type == expected


def test_a_dsa_key_is_weak():
    # Nobody makes these any more, and OpenSSL would accept them nowhere.
    found = _certificates.describe(certs.make("dhcp1", authority(), dsa.generate_private_key(1024)).pem)
    assert (found.key_type, found.weakness) == ("dsa-1024", "its key is a DSA key")


def test_a_key_that_signs_nothing_is_weak():
    found = _certificates.describe(certs.make("dhcp1", authority(), x25519.X25519PrivateKey.generate()).pem)
    assert (found.key_type, found.weakness) == ("unknown", "its key is for no signatures")


def test_describe_refuses_what_is_no_certificate():
    with pytest.raises(_certificates.CertificateError, match="it holds a private key, not a certificate"):
        _certificates.describe(leaf().key)
    with pytest.raises(_certificates.CertificateError, match="it holds nothing"):
        _certificates.describe("")


def test_passphrases():
    load = _certificates.load_key
    assert load(leaf().encrypted_key, certs.PASSPHRASE)
    for error, data, word in (
        (_certificates.PassphraseMissing, leaf().encrypted_key, None),
        (_certificates.PassphraseWrong, leaf().encrypted_key, "wrong"),
        (_certificates.NotEncrypted, leaf().key, "any"),
        (_certificates.CertificateError, b"nothing", None),
    ):
        with pytest.raises(error):
            load(data, word)


def openssl_accepts(folder, anchors, chain):
    """Return what OpenSSL says, as Kea has it check."""
    (folder / "trust.pem").write_bytes(b"".join(anchors))
    (folder / "leaf.pem").write_bytes(chain[0])
    (folder / "rest.pem").write_bytes(b"".join(chain[1:]))
    at = str(int(NOW.timestamp()))
    command = ["openssl", "verify", "-attime", at, "-CAfile", "trust.pem", "-no-CApath", "-no-CAstore"]
    rest = ["-untrusted", "rest.pem"] if chain[1:] else []
    done = subprocess.run([*command, *rest, "leaf.pem"], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode == 0


CHAINS = {
    "direct": lambda: ([authority()], [leaf()]),
    "another CA": lambda: ([authority("Another CA")], [leaf()]),
    "a namesake": lambda: ([authority()], [namesake()]),
    "both namesakes": lambda: ([authority(), namesake_authority()], [namesake()]),
    "an intermediate one beside the certificate": lambda: ([authority()], [leaf(issuer=between()), between()]),
    "an intermediate one beside the root": lambda: ([authority(), between()], [leaf(issuer=between())]),
    "an intermediate one missing": lambda: ([authority()], [leaf(issuer=between())]),
    "an intermediate one without its root": lambda: ([between()], [leaf(issuer=between())]),
    "one CA of many": lambda: ([authority("a"), authority(), authority("b")], [leaf()]),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains_are_judged_as_openssl_does(tmp_path, name):
    anchors, chain = CHAINS[name]()
    way = _certificates.chain_of(
        [_certificates.describe(item.pem) for item in chain], [_certificates.describe(item.pem) for item in anchors]
    )
    assert (way is not None) == openssl_accepts(tmp_path, [item.pem for item in anchors], [item.pem for item in chain])


def test_a_certificate_of_an_odd_version_is_damaged():
    der = bytearray(leaf().der)
    place = der.index(b"\xa0\x03\x02\x01\x02")
    der[place + 4] = 7
    body = ssl.DER_cert_to_PEM_cert(bytes(der))
    with pytest.raises(_certificates.CertificateError, match="damaged"):
        _certificates.describe(body)
