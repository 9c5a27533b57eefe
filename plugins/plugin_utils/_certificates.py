# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads certificates and keys, and says of each file what it is and what is wrong with it. No files are opened here.

The messages name what a file holds, because Kea's own words for all of it are "TLS setup failed".
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from ansible_collections.keaops.kea.plugins.module_utils._findings import ERROR, INFO, WARNING
from ansible_collections.keaops.kea.plugins.module_utils._tls import Certificate, TlsProblem
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID

ERROR_DAYS = 7
WARNING_DAYS = 30

_CHAIN_LENGTH = 10
_UNDECODABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_RSA_BITS = 2048
_CURVES = {"secp256r1": "ecdsa-p256", "secp384r1": "ecdsa-p384", "secp521r1": "ecdsa-p521"}
_WEAK_HASHES = ("md5", "sha1")
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE")
_PRIVATE_KEYS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY")
_ENCRYPTED_KEY = "ENCRYPTED PRIVATE KEY"
_WORDS = {
    **dict.fromkeys(_CERTIFICATES, "a certificate"),
    **dict.fromkeys(_PRIVATE_KEYS, "a private key"),
    _ENCRYPTED_KEY: "an encrypted private key",
    "OPENSSH PRIVATE KEY": "a key for SSH",
    "CERTIFICATE REQUEST": "a certificate signing request",
    "NEW CERTIFICATE REQUEST": "a certificate signing request",
    "TRUSTED CERTIFICATE": "a certificate in OpenSSL's own format",
    "PUBLIC KEY": "a public key",
    "RSA PUBLIC KEY": "a public key",
    "X509 CRL": "a revocation list",
    "PKCS7": "a PKCS #7 bundle",
    "CMS": "a PKCS #7 bundle",
    "EC PARAMETERS": "curve parameters without a key",
    "DH PARAMETERS": "Diffie-Hellman parameters",
    "DER CERTIFICATE": "a certificate in the binary form DER",
    "DER PRIVATE KEY": "a private key in the binary form DER",
    "DER REQUEST": "a certificate signing request in the binary form DER",
    "PKCS12": "a PKCS #12 archive",
    "JAVA KEYSTORE": "a Java keystore",
    "SSH PUBLIC KEY": "a public key for SSH",
    "PUTTY KEY": "a key for PuTTY",
    "VAULT": "something that ansible-vault has encrypted",
}
_UNKNOWN = "neither PEM nor any form of a certificate or key that is known"


class Material(NamedTuple):
    """A file of the user's."""

    variable: str
    path: str
    """As the user wrote it."""
    data: bytes


class Block(NamedTuple):
    """A part of a file: of a PEM file the text between BEGIN and END, else the whole file."""

    label: str
    data: bytes


class CertificateError(ValueError):
    """Something cannot be read as what it should be; the text is the end of a sentence, without a full stop."""


class PassphraseMissing(CertificateError):
    """A key is encrypted, and no passphrase was given."""


class PassphraseWrong(CertificateError):
    """A key is encrypted with another passphrase, or damaged."""


class NotEncrypted(CertificateError):
    """A passphrase was given for a key that has none."""


# ---------------------------------------------------------------------------------------------------------------------
# what a file holds


def blocks(data: bytes) -> list[Block]:
    """Return the parts of a file; labels are those of PEM, and names of ours for what is no PEM."""
    found = []
    for match in _BLOCK.finditer(data):
        label, body = match.group(1).decode("ascii"), match.group(0)
        if label in _PRIVATE_KEYS and b"Proc-Type: 4,ENCRYPTED" in body:
            label = _ENCRYPTED_KEY
        found.append(Block(label, body))
    if found:
        return found
    begin = _BEGIN.search(data)
    if begin:
        return [Block("CUT " + begin.group(1).decode("ascii"), data)]
    return [Block(_binary_label(data), data)] if data.strip() else []


def _binary_label(data: bytes) -> str:
    """Return what a file without any PEM block is."""
    for start, label in (
        (b"$ANSIBLE_VAULT;", "VAULT"),
        (b"ssh-", "SSH PUBLIC KEY"),
        (b"ecdsa-sha2-", "SSH PUBLIC KEY"),
        (b"PuTTY-User-Key-File", "PUTTY KEY"),
        (b"\xfe\xed\xfe\xed", "JAVA KEYSTORE"),
    ):
        if data.startswith(start):
            return label
    # A sequence that begins with the number 3: PFX of RFC 7292.
    if re.match(rb"\x30(?:[\x00-\x7f]|\x80|\x81.|\x82..|\x83...|\x84....)\x02\x01\x03\x30", data, re.DOTALL):
        return "PKCS12"
    for label, load in (
        ("DER CERTIFICATE", x509.load_der_x509_certificate),
        ("DER REQUEST", x509.load_der_x509_csr),
        ("DER PRIVATE KEY", lambda body: serialization.load_der_private_key(body, None)),
    ):
        try:
            load(data)
        except TypeError:
            return label
        except (ValueError, UnsupportedAlgorithm):
            continue
        return label
    return ""


def what_is(data: bytes) -> str:
    """Return what a file holds, for people: ``a private key``, ``2 certificates and a private key``."""
    found = blocks(data)
    if not found:
        return "nothing"
    counted: dict[str, int] = {}
    for block in found:
        word = _word(block.label)
        counted[word] = counted.get(word, 0) + 1
    parts = [word if number == 1 else f"{number} {_plural(word)}" for word, number in counted.items()]
    return " and ".join(parts)


def _word(label: str) -> str:
    if label.startswith("CUT "):
        return f"the beginning of {_WORDS.get(label[4:], 'something')}, whose end is missing"
    return _WORDS.get(label, f"a PEM block {label}" if label else _UNKNOWN)


def _plural(word: str) -> str:
    noun = word.partition(" ")[2]
    return noun if noun.endswith("s") else noun + "s"


# ---------------------------------------------------------------------------------------------------------------------
# reading


def describe(pem: str | bytes) -> Certificate:
    """Read one certificate.

    Raises:
        CertificateError: it is none, or damaged.
    """
    data = pem.encode("utf-8", "replace") if isinstance(pem, str) else pem
    found = [block for block in blocks(data) if block.label in _CERTIFICATES]
    if not found:
        raise CertificateError(f"it holds {what_is(data)}, not a certificate")
    return _describe(found[0])


def describe_all(pem: str | bytes) -> list[Certificate]:
    """Read all certificates of a text, in its order; anything else in it is passed over.

    Raises:
        CertificateError: one of them is damaged.
    """
    data = pem.encode("utf-8", "replace") if isinstance(pem, str) else pem
    return [_describe(block) for block in blocks(data) if block.label in _CERTIFICATES]


def _load(pem: bytes) -> x509.Certificate:
    with warnings.catch_warnings():
        # What is odd about a certificate is for the checks to say.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return x509.load_pem_x509_certificate(pem)


def _describe(block: Block) -> Certificate:
    try:
        certificate = _load(block.data)
        extensions = certificate.extensions
        names = _names(extensions)
        usages = _usages(extensions)
        key_type, weakness = _strength(certificate)
    except _UNDECODABLE as error:
        raise CertificateError("the certificate is damaged: it cannot be decoded") from error
    usage = _extension(extensions, x509.KeyUsage)
    constraints = _extension(extensions, x509.BasicConstraints)
    own = _extension(extensions, x509.SubjectKeyIdentifier)
    above = _extension(extensions, x509.AuthorityKeyIdentifier)
    return Certificate(
        pem=certificate.public_bytes(serialization.Encoding.PEM).decode("ascii"),
        subject=certificate.subject.rfc4514_string() or "(no name)",
        issuer=certificate.issuer.rfc4514_string() or "(no name)",
        serial=_hexadecimal(certificate.serial_number),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        names=names,
        usages=usages,
        signs=usage is None or usage.digital_signature,
        signs_certificates=usage is None or usage.key_cert_sign,
        is_ca=constraints is not None and constraints.ca,
        key_type=key_type,
        weakness=weakness,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        key_id=own.digest if own is not None else b"",
        issuer_key_id=(above.key_identifier or b"") if above is not None else b"",
    )


def _hexadecimal(number: int) -> str:
    text = f"{number:X}"
    return text if len(text) % 2 == 0 else "0" + text


def _extension(extensions: x509.Extensions, kind: type) -> object | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _names(extensions: x509.Extensions) -> tuple[str, ...]:
    value = _extension(extensions, x509.SubjectAlternativeName)
    if value is None:
        return ()
    addresses = [f"IP:{address}" for address in value.get_values_for_type(x509.IPAddress)]
    return (*addresses, *(f"DNS:{name}" for name in value.get_values_for_type(x509.DNSName)))


def _usages(extensions: x509.Extensions) -> tuple[str, ...] | None:
    value = _extension(extensions, x509.ExtendedKeyUsage)
    if value is None:
        return None
    # OpenSSL does not let anyExtendedKeyUsage stand for them either.
    known = {ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth", ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth"}
    return tuple(word for oid, word in known.items() if oid in value)


def _strength(certificate: x509.Certificate) -> tuple[str, str]:
    """Return the type of the key as kea_tls_key_type has it, and why OpenSSL would refuse key or signature."""
    key = certificate.public_key()
    name, weakness = _key_strength(key)
    algorithm = certificate.signature_hash_algorithm
    # Nobody checks what a root says of itself.
    if not weakness and algorithm and algorithm.name in _WEAK_HASHES and certificate.subject != certificate.issuer:
        weakness = f"it is signed with {algorithm.name.upper()}"
    return name, weakness


def _key_strength(key: object) -> tuple[str, str]:
    if isinstance(key, rsa.RSAPublicKey):
        short = f"its RSA key has {key.key_size} bits, fewer than {_RSA_BITS}"
        return f"rsa-{key.key_size}", short if key.key_size < _RSA_BITS else ""
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve = key.curve.name
        return _CURVES.get(curve, f"ecdsa-{curve}"), "" if curve in _CURVES else f"its key is on the curve {curve}"
    if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        return "ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "ed448", ""
    if isinstance(key, dsa.DSAPublicKey):
        return f"dsa-{key.key_size}", "its key is a DSA key"
    return "unknown", "its key is for no signatures"


def load_key(pem: bytes, passphrase: str | None = None) -> object:
    """Return a private key.

    Raises:
        CertificateError: it is damaged, or encrypted in another way than the passphrase says.
    """
    try:
        return serialization.load_pem_private_key(pem, passphrase.encode("utf-8") if passphrase is not None else None)
    except TypeError:
        if passphrase is None:
            raise PassphraseMissing("it is encrypted") from None
        raise NotEncrypted("it is not encrypted") from None
    except UnsupportedAlgorithm:
        raise CertificateError("it is of a kind that is not supported") from None
    except ValueError:
        if passphrase is None:
            raise CertificateError("it is damaged") from None
        raise PassphraseWrong("the passphrase is wrong") from None


def is_pair(certificate: Certificate, key: object) -> bool:
    """Tell whether a private key is that of a certificate."""
    return _public(key.public_key()) == _public(_load(certificate.pem.encode("ascii")).public_key())


def _public(key: object) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def signed_by(certificate: Certificate, authority: Certificate) -> bool:
    """Tell whether a certificate was signed by another one's key. Dates are not looked at."""
    if certificate.issuer != authority.subject:
        return False
    try:
        _load(certificate.pem.encode("ascii")).verify_directly_issued_by(_load(authority.pem.encode("ascii")))
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def chain_of(chain: Sequence[Certificate], trust: Iterable[Certificate]) -> list[Certificate] | None:
    """Return the way from a certificate up to a trusted root, as OpenSSL goes it; None when there is none.

    Args:
        chain: the certificate, then intermediate ones.
        trust: the trusted ones. One that is no root helps only when its root is trusted, too.
    """
    trusted = {item.fingerprint: item for item in trust}
    known = [*trusted.values(), *chain[1:]]
    way = [chain[0]]
    while len(way) <= _CHAIN_LENGTH:
        last = way[-1]
        if last.fingerprint in trusted and last.self_signed:
            return way
        upper = next((item for item in known if item not in way and signed_by(last, item)), None)
        if upper is None:
            return None
        way.append(upper)
    return None


# ---------------------------------------------------------------------------------------------------------------------
# the user's files


class Files(NamedTuple):
    """What could be read of a host's files; None for one that could not."""

    trust: list[Certificate] | None
    chain: list[Certificate] | None
    key: bytes | None
    """PEM, not encrypted. A secret."""


def examine(
    trust: Material | None,
    certificate: Material | None,
    key: Material | None,
    now: datetime,
    address: str | None = None,
) -> tuple[Files, list[TlsProblem]]:
    """Check the files of one host.

    Args:
        trust: CA certificates.
        certificate: the host's certificate, then intermediate ones.
        key: its private key. For each of the three: None when it could not be opened.
        now: with a time zone.
        address: at which the partner reaches the host; None when it is not known.

    Returns:
        What could be read, and everything that is wrong, with one problem for each mistake.
    """
    given = [item for item in (trust, certificate, key) if item is not None]
    problems: list[TlsProblem] = []
    anchors = _read_certificates(trust, given, problems)
    chain = _read_certificates(certificate, given, problems)
    private = _read_key(key, given, problems)
    if anchors is not None:
        problems += _trust_problems(trust, anchors)
    if chain is not None:
        order = _order_problems(certificate, chain, private)
        problems += order or _leaf_problems(certificate, chain[0], now, address)
        if private is not None and not order and not is_pair(chain[0], load_key(private)):
            problems.append(_mismatch(key, certificate, chain[0]))
        if anchors is not None and not order:
            problems += _chain_problems(trust, certificate, anchors, chain, now)
    return Files(anchors, chain, private), problems


def _error(item: Material, message: str, fix: str, severity: str = ERROR, check_id: str = "P35") -> TlsProblem:
    return TlsProblem(check_id, severity, item.variable, item.path, message, fix)


_PURPOSES = {
    "kea_tls_trust_anchor": "the certificate of the CA",
    "kea_tls_cert_file": "the host's certificate",
    "kea_tls_key_file": "the private key of the host's certificate",
}


def _wanted(item: Material) -> str:
    return _PURPOSES.get(item.variable, "a certificate")


def _read_certificates(
    item: Material | None, given: list[Material], problems: list[TlsProblem]
) -> list[Certificate] | None:
    """Return the certificates of a file; None, and a problem, when there is anything else in it."""
    if item is None:
        return None
    found = blocks(item.data)
    labels = {block.label for block in found}
    if found and labels <= set(_CERTIFICATES):
        try:
            return [_describe(block) for block in found]
        except CertificateError as error:
            problems.append(_error(item, str(error), "Copy the file again from where it was issued"))
            return None
    secret = labels & {*_PRIVATE_KEYS, _ENCRYPTED_KEY}
    if secret and labels & set(_CERTIFICATES):
        message = f"the file holds {what_is(item.data)}, but everybody on the host may read it"
        fix = "Keep the certificates in this file, and put the key into a file of its own, for kea_tls_key_file"
        problems.append(_error(item, message, fix))
    elif labels & set(_CERTIFICATES):
        message = f"the file holds {what_is(item.data)}, but should hold {_wanted(item)}"
        problems.append(_error(item, message, "Remove everything else from it"))
    else:
        problems.append(_wrong_kind(item, found, given))
    return None


def _read_key(item: Material | None, given: list[Material], problems: list[TlsProblem]) -> bytes | None:
    """Return the private key of a file, PEM; None, and a problem, when there is anything else in it."""
    if item is None:
        return None
    found = [block for block in blocks(item.data) if block.label != "EC PARAMETERS"] or blocks(item.data)
    labels = [block.label for block in found]
    if len(found) == 1 and labels[0] in _PRIVATE_KEYS:
        try:
            load_key(found[0].data)
        except CertificateError as error:
            problems.append(_error(item, f"the private key cannot be used: {error}", "Copy the file again"))
            return None
        return found[0].data + b"\n"
    if len(found) > 1 and set(labels) & {*_PRIVATE_KEYS, _ENCRYPTED_KEY}:
        fix = "Keep only the key that belongs to kea_tls_cert_file"
        problems.append(_error(item, f"the file holds {what_is(item.data)}, but should hold one private key", fix))
        return None
    problems.append(_wrong_kind(item, found, given))
    return None


def _wrong_kind(item: Material, found: list[Block], given: list[Material]) -> TlsProblem:
    """Say of a file that holds one thing where another is wanted which file is what."""
    if not found:
        return _error(item, f"the file is empty, but should hold {_wanted(item)}", "Give the path of a PEM file")
    message = f"the file holds {what_is(item.data)}, but should hold {_wanted(item)}"
    return _error(item, message, _fix(item, found[0].label, given))


def _fix(item: Material, label: str, given: list[Material]) -> str:
    path = item.path
    is_key = label in _PRIVATE_KEYS
    if is_key or label in _CERTIFICATES:
        other = _swapped_with(is_key, given)
        if other:
            return f"{item.variable} and {other.variable} are the wrong way round: swap them"
        if is_key:
            return "Give the certificate here, and this file as kea_tls_key_file"
        return "Give the private key here, and this file as kea_tls_cert_file"
    fixes = {
        _ENCRYPTED_KEY: "Kea cannot ask for a passphrase. Decrypt it, and protect it by ansible-vault instead:"
        f" openssl pkey -in {path} -out plain.key && ansible-vault encrypt plain.key",
        "CERTIFICATE REQUEST": "Have the CA sign it, and give the certificate that comes back",
        "TRUSTED CERTIFICATE": f"Convert it: openssl x509 -in {path} -out plain.pem",
        "PKCS7": f"Take it apart: openssl pkcs7 -in {path} -print_certs -out certificates.pem",
        "DER CERTIFICATE": f"Convert it to PEM: openssl x509 -inform DER -in {path} -out certificate.pem",
        "DER PRIVATE KEY": f"Convert it to PEM: openssl pkey -inform DER -in {path} -out private.key",
        "PKCS12": f"Take it apart: openssl pkcs12 -in {path} -clcerts -nokeys -out certificate.pem, and"
        f" openssl pkcs12 -in {path} -nocerts -noenc -out private.key",
        "OPENSSH PRIVATE KEY": f"Keys for SSH are no keys for TLS. Give the path of {_wanted(item)}",
        "VAULT": "Give the vault password (--ask-vault-pass)",
    }
    fixes["NEW CERTIFICATE REQUEST"] = fixes["DER REQUEST"] = fixes["CERTIFICATE REQUEST"]
    fixes["CMS"] = fixes["PKCS7"]
    if label.startswith("CUT "):
        return "Copy the file again from where it was issued"
    return fixes.get(label, f"Give the path of {_wanted(item)}, a PEM file")


def _swapped_with(is_key: bool, given: list[Material]) -> Material | None:
    """Return the file that is to hold what is found in another one, and holds what that one should."""
    for other in given:
        labels = {block.label for block in blocks(other.data)}
        wants_key = other.variable == "kea_tls_key_file"
        holds_key = bool(labels & set(_PRIVATE_KEYS))
        if wants_key == is_key and labels and holds_key != is_key:
            return other
    return None


def _trust_problems(item: Material, anchors: list[Certificate]) -> Iterator[TlsProblem]:
    for anchor in anchors:
        if not anchor.is_ca or not anchor.signs_certificates:
            yield _error(
                item,
                f"{anchor.subject} is not a CA: its certificate says so (basicConstraints, keyUsage)",
                "Give the certificate of the CA that signed the hosts' certificates",
            )
    if all(anchor.is_ca and not anchor.self_signed for anchor in anchors):
        yield _error(
            item,
            f"{anchors[0].subject} is an intermediate CA, and OpenSSL follows the chain up to its root,"
            f" {anchors[0].issuer}",
            "Add the certificate of the root to the file, and the intermediate one to kea_tls_cert_file",
        )
    if len(anchors) > 2:
        yield _error(
            item,
            f"the file holds {len(anchors)} CAs, and Kea checks no names: whoever has a certificate of any of them can"
            " command the servers",
            "Trust one CA that signs for this pair alone",
            WARNING,
            "P36",
        )
    else:
        yield _error(
            item,
            "Kea checks no names: every certificate of this CA can pose as a server of the pair",
            "Best use a CA that signs for this pair alone",
            INFO,
            "P36",
        )


def _order_problems(item: Material, chain: list[Certificate], key: bytes | None) -> list[TlsProblem]:
    """Return what is wrong with the first certificate of a file being that of the host."""
    first = chain[0]
    leaf = next((other for other in chain if not other.is_ca), first)
    if leaf is first and key is not None:
        private = load_key(key)
        mine = [other for other in chain if is_pair(other, private)]
        leaf = mine[0] if mine and first not in mine else first
    if leaf is not first:
        message = f"the file begins with {first.subject}, but the host's own certificate, {leaf.subject}, comes first"
        return [_error(item, message, "Order the file: own certificate, then the CA that signed it, and so on up")]
    if first.is_ca:
        message = f"the file holds the certificate of a CA, {first.subject}, but should hold {_wanted(item)}"
        return [_error(item, message, "Give the certificate that the CA signed for this host")]
    return []


def _leaf_problems(
    item: Material, certificate: Certificate, now: datetime, address: str | None
) -> Iterator[TlsProblem]:
    yield from date_problems(item, "the certificate", certificate, now, "Have it renewed, and give the new one")
    if certificate.weakness:
        yield _weak(item, certificate)
    for usage, reason in (
        ("serverAuth", "the host could not be a server with it"),
        ("clientAuth", "the host is a client, too, when it talks to its partner"),
    ):
        if certificate.usages is not None and usage not in certificate.usages:
            yield _error(
                item,
                f"the certificate is not for {usage}, and {reason}",
                "Have it issued with extendedKeyUsage = serverAuth, clientAuth",
            )
    if not certificate.signs:
        yield _error(
            item,
            "the certificate's keyUsage has no digitalSignature, which every TLS connection needs",
            "Have it issued with keyUsage = digitalSignature",
        )
    if address and f"IP:{address}" not in certificate.names:
        has = f"only {', '.join(certificate.names)}" if certificate.names else "none"
        yield _error(
            item,
            f"the certificate does not name the host's address {address} (it has {has}); Kea checks no names, but the"
            " checks of this collection do",
            f"Have it issued with subjectAltName = IP:{address}",
            check_id="P36",
        )


def _weak(item: Material, certificate: Certificate) -> TlsProblem:
    return _error(
        item,
        f"{certificate.subject} is too weak: {certificate.weakness}",
        "Use an ECDSA key on the curve P-256, or an RSA key of 2048 bits or more, signed with SHA-256",
    )


def date_problems(
    item: Material,
    what: str,
    certificate: Certificate,
    now: datetime,
    fix: str,
    warn_days: int = WARNING_DAYS,
) -> Iterator[TlsProblem]:
    """Yield what is wrong with the dates of a certificate."""
    end, left = certificate.not_after, certificate.days_left(now)
    if certificate.not_before > now:
        yield _error(
            item,
            f"{what} is not valid before {certificate.not_before:%Y-%m-%d %H:%M} UTC",
            "Wait until then, have it issued again, or set the clock of the controller",
        )
    elif end <= now:
        yield _error(item, f"{what} expired on {end:%Y-%m-%d}", fix)
    elif left < ERROR_DAYS:
        yield _error(item, f"{what} expires on {end:%Y-%m-%d}, in less than {ERROR_DAYS} days", fix)
    elif left < warn_days:
        yield _error(item, f"{what} expires on {end:%Y-%m-%d}, in {left} days", fix, WARNING)


def _mismatch(key: Material, item: Material, certificate: Certificate) -> TlsProblem:
    return _error(
        key,
        f"the private key does not belong to the certificate {certificate.subject} in {item.path}",
        "Give the key that the certificate was requested with",
    )


def _chain_problems(
    trust: Material,
    item: Material,
    anchors: list[Certificate],
    chain: list[Certificate],
    now: datetime,
) -> Iterator[TlsProblem]:
    way = chain_of(chain, anchors)
    if way is None:
        # A trust anchor that can be none is reported as such, and a weak signature cannot be verified.
        weak = any(other.weakness for other in chain)
        if not weak and any(anchor.is_ca and anchor.self_signed for anchor in anchors):
            yield _wrong_authority(trust, item, anchors, chain)
        way = []
    for authority in [*chain[1:], *(anchor for anchor in anchors if anchor in way)]:
        if authority.weakness:
            yield _weak(trust if authority in anchors else item, authority)
    for lower, authority in zip(way, way[1:]):
        if any(_may_be_issuer(other, lower) and not signed_by(lower, other) for other in [*anchors, *chain[1:]]):
            yield _namesakes(trust, lower)
        if authority not in anchors:
            fix = "Ask for the CA's present intermediate certificate"
            yield from date_problems(item, f"the intermediate certificate {authority.subject}", authority, now, fix)
    for anchor in anchors:
        for problem in date_problems(trust, f"the CA {anchor.subject}", anchor, now, "Give the CA's new certificate"):
            needed = anchor in way or len(anchors) == 1
            yield problem if needed else replace(problem, severity=WARNING)


def _wrong_authority(
    trust: Material, item: Material, anchors: list[Certificate], chain: list[Certificate]
) -> TlsProblem:
    last = _top(chain)
    names = ", ".join(anchor.subject for anchor in anchors)
    if any(anchor.subject == last.issuer for anchor in anchors):
        message = (
            f"the certificate was signed with another key than that of the CA in {trust.path}, though the name is the"
            f" same, {last.issuer}"
        )
    elif last is not chain[0]:
        message = f"the chain of the certificate ends at {last.issuer}, but {trust.path} holds {names}"
    else:
        message = f"the certificate was signed by {last.issuer}, but {trust.path} holds {names}"
    fix = "Give the CA that signed it as kea_tls_trust_anchor; intermediate CAs go below the certificate in this file"
    return _error(item, message, fix)


def _may_be_issuer(authority: Certificate, certificate: Certificate) -> bool:
    """Tell whether a certificate seems to be signed by another one: as far as OpenSSL looks before it decides."""
    if authority.subject != certificate.issuer:
        return False
    return not authority.key_id or not certificate.issuer_key_id or authority.key_id == certificate.issuer_key_id


def _namesakes(trust: Material, certificate: Certificate) -> TlsProblem:
    return _error(
        trust,
        f"there are two CAs called {certificate.issuer}, and {certificate.subject} does not say which of them signed it"
        " (authorityKeyIdentifier), so OpenSSL may take the wrong one",
        "Have it issued with authorityKeyIdentifier, or leave the other CA out",
    )


def _top(chain: list[Certificate]) -> Certificate:
    """Return the highest certificate that the file itself leads to."""
    last = chain[0]
    for _step in range(_CHAIN_LENGTH):
        upper = next((other for other in chain if other is not last and signed_by(last, other)), None)
        if upper is None:
            break
        last = upper
    return last
