# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""CAs, certificates of hosts, and all the ways in which they can be broken. Made when asked for; keys are reused."""

from __future__ import annotations

import functools
import ipaddress
import ssl
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
SERVER = (ExtendedKeyUsageOID.SERVER_AUTH,)
CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)
_SHA256_WITH_RSA, _SHA1_WITH_RSA = (bytes.fromhex(f"2a864886f70d0101{end}") for end in ("0b", "05"))
PASSPHRASE = "correct-Horse-battery-9"


class Entity(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    private: object

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def text(self) -> str:
        """The certificate as text."""
        return self.pem.decode()

    @property
    def der(self) -> bytes:
        """The certificate in binary form."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key(self) -> bytes:
        """The private key, PEM."""
        return key_bytes(self.private)

    @property
    def encrypted_key(self) -> bytes:
        """The private key, PKCS #8 with PASSPHRASE."""
        return key_bytes(self.private, PASSPHRASE)


def key_bytes(private, passphrase=None, encoding=serialization.Encoding.PEM, kind=serialization.PrivateFormat.PKCS8):
    """Return a private key in a form of choice."""
    encryption = (
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    )
    return private.private_bytes(encoding, kind, encryption)


@functools.lru_cache(maxsize=None)
def key(kind="p256", number=0):
    """Return a private key; the same for the same arguments."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    curves = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p224": ec.SECP224R1, "k1": ec.SECP256K1}
    return ec.generate_private_key(curves[kind]())


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make(
    name,
    issuer=None,
    private=None,
    ca=False,
    start=-1.0,
    days=90.0,
    names=(),
    usages=BOTH,
    key_usage=None,
    key_ids=True,
):
    """Return an entity.

    Args:
        issuer: who signs; None: itself.
        ca: its basicConstraints; None leaves them out.
        start, days: validity in days from NOW.
        names: ``IP:...`` and ``DNS:...``.
        usages: extended key usages; None leaves them out.
        key_usage: names of usages; None leaves them out.
        key_ids: say whose key it is, and whose key signed it.
    """
    private = private or key("p256", name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer.certificate.subject if issuer else _name(name))
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=start))
        .not_valid_after(NOW + timedelta(days=days))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(item) for item in names]), False)
    if usages and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
    if key_usage is not None:
        flags = dict.fromkeys(
            (
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "key_cert_sign",
                "crl_sign",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        builder = builder.add_extension(x509.KeyUsage(**{**flags, **dict.fromkeys(key_usage, True)}), critical=True)
    signer = issuer.private if issuer else private
    if key_ids:
        own = x509.SubjectKeyIdentifier.from_public_key(private.public_key())
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(own, critical=False).add_extension(above, critical=False)
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Entity(builder.sign(signer, algorithm), private)


def _general_name(text):
    kind, _colon, value = text.partition(":")
    return x509.IPAddress(ipaddress.ip_address(value)) if kind == "IP" else x509.DNSName(value)


@functools.lru_cache(maxsize=None)
def authority(name="CA of the pair", **changes):
    """Return a CA; the same for the same arguments."""
    return make(name, ca=True, **{"days": 3650.0, **changes})


@functools.lru_cache(maxsize=None)
def leaf(host="dhcp1", issuer=None, **changes):
    """Return a good certificate of a host of the home pair, with some things changed."""
    address = {"dhcp1": "192.168.1.2", "dhcp2": "192.168.1.3"}[host]
    server = {"dhcp1": "server1", "dhcp2": "server2"}[host]
    names = (f"IP:{address}", f"DNS:{host}", f"DNS:{server}")
    return make(host, issuer or authority(), **{"names": names, **changes})


def with_sha1(entity):
    """Return a certificate signed with RSA as if it was signed with SHA-1, PEM; cryptography makes none of these."""
    return ssl.DER_cert_to_PEM_cert(entity.der.replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)).encode()


def request(entity):
    """Return a certificate signing request."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(entity.certificate.subject)
    return builder.sign(entity.private, hashes.SHA256())


def pem(thing):
    """Return a request, a key or a list as PEM."""
    return thing.public_bytes(serialization.Encoding.PEM)


def public_key(entity):
    """Return the public key, PEM."""
    return entity.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def archive(entity):
    """Return a PKCS #12 archive."""
    return pkcs12.serialize_key_and_certificates(
        b"dhcp1", entity.private, entity.certificate, None, serialization.BestAvailableEncryption(b"archive")
    )


def bundle(entity):
    """Return a PKCS #7 bundle, PEM."""
    return pkcs7.serialize_certificates([entity.certificate], serialization.Encoding.PEM)


def revocation_list(entity):
    """Return an empty list of revoked certificates, PEM."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(entity.certificate.subject)
        .last_update(NOW)
        .next_update(NOW + timedelta(days=30))
    )
    return pem(builder.sign(entity.private, hashes.SHA256()))


def vaulted(data, password):
    """Return what ansible-vault makes of a file."""
    from ansible.parsing.vault import VaultLib, VaultSecret

    return VaultLib([("default", VaultSecret(password.encode()))]).encrypt(data)
