# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of every kind, good and bad, made on the controller for the tests."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import NamedTuple

from conftest import Pair, inventory_of
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

TLS = "/etc/kea/tls/current"
TLS_KEY = f"{TLS}/key.pem"
BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
SERVER_ONLY = (ExtendedKeyUsageOID.SERVER_AUTH,)
PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER
PLAIN = serialization.NoEncryption()


class Identity(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def cert_pem(self) -> bytes:
        return self.certificate.public_bytes(PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, PLAIN)

    @property
    def serial(self) -> str:
        """The serial number as OpenSSL prints it."""
        text = f"{self.certificate.serial_number:X}"
        return text.zfill(len(text) + len(text) % 2)

    @property
    def name(self) -> x509.Name:
        return self.certificate.subject


def name_of(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make(
    name: x509.Name,
    issuer: Identity | None = None,
    *,
    days: tuple[float, float] = (-1, 30),
    usages: tuple[x509.ObjectIdentifier, ...] = BOTH,
    addresses: tuple[str, ...] = ("192.168.1.1", "192.168.1.2", "192.168.1.3"),
    is_ca: bool = False,
) -> Identity:
    """Make a certificate that is valid from and until so many days from now; without issuer it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.timezone.utc)
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.name if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if not is_ca:
        names = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return Identity(builder.sign(signer, hashes.SHA256()), key)


def authority(name: str) -> Identity:
    """Make a CA."""
    return make(name_of(name), is_ca=True, days=(-1, 365))


def ca_dir(pair: Pair) -> Path:
    """Return the folder of the pair's own CA on the controller, as the scenario's inventory sets it."""
    return Path(pair.primary.variables["lab_dir"]) / "pki" / pair.primary.variables["lab_pair"]


def passphrase(pair: Pair) -> str:
    """Return the passphrase of the own CA's key: from the inventory, or the one that the collection made."""
    given = inventory_of(pair.primary.name).get("kea_tls_ca_passphrase")
    return given or (ca_dir(pair) / "passphrase").read_text().strip()


def own_authority(pair: Pair) -> Identity:
    """Return the pair's own CA, as somebody would have it who has stolen folder and passphrase."""
    folder = ca_dir(pair)
    key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), passphrase(pair).encode())
    return Identity(x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes()), key)
