# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides what is to be done about the certificates of a pair: what the hosts have, beside what they shall have."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.keaops.kea.plugins.module_utils import _tls
from ansible_collections.keaops.kea.plugins.module_utils._findings import ERROR
from ansible_collections.keaops.kea.plugins.module_utils._model import Pair, Server
from ansible_collections.keaops.kea.plugins.module_utils._plan import serves

from . import _certificates, _pki

_FILES = ("kea_tls_trust_anchor", "kea_tls_cert_file", "kea_tls_key_file")
_LIMIT = 1 << 20
_VAULT = b"$ANSIBLE_VAULT;"


class CertifyError(ValueError):
    """There is nothing to install; the text is one or more sentences for users."""


class Surroundings(NamedTuple):
    """What is not in the model: the controller, and this run."""

    base: str
    """Where relative paths begin: the folder of the inventory."""
    made: Mapping[str, str]
    """The generation that this run has made, by host."""
    decrypt: Callable[[str], bytes] | None
    """Returns the content of a file that ansible-vault has encrypted; None when there is no way."""
    offline: bool
    sources: Sequence[str] = ()
    """The inventories of this run, absolute."""


@dataclass
class _Look:
    """One host, as far as it has been looked at."""

    server: Server
    place: _tls.InPlace
    chain: list[_tls.Certificate]
    """Of the file in place."""
    anchors: list[_tls.Certificate]
    """In place."""
    new_chain: list[_tls.Certificate] = field(default_factory=list)
    new_anchors: list[_tls.Certificate] = field(default_factory=list)
    action: str = _tls.NONE
    reason: str = ""
    problems: list[_tls.TlsProblem] = field(default_factory=list)


def certify(pair: Pair, around: Surroundings, now: datetime) -> None:
    """Note in each server of a pair with TLS what is to be done about its certificates.

    Args:
        now: with a time zone.
    """
    if not pair.tls:
        return
    looks = [_look(server) for server in pair.servers]
    ca_dir = ""
    if pair.settings["kea_tls_source"] == _tls.FILES:
        _from_files(looks, around, now)
    else:
        ca_dir = _pki.folder_of(pair.settings["kea_tls_ca_dir"], pair.name, around.base)
        _from_own_ca(pair, looks, ca_dir, around, now)
        for look in looks:
            look.problems += _misplaced(ca_dir, around)
    cuts = _cuts_link(looks, now)
    for look in looks:
        look.server.certificates = _certificates_of(look, pair, ca_dir, around, now, cuts)


def _certificates_of(
    look: _Look, pair: Pair, ca_dir: str, around: Surroundings, now: datetime, cuts: bool
) -> _tls.Certificates:
    leaf = look.place.certificate
    present = _current(look.server)
    made = around.made.get(look.server.host, "")
    action, reason = look.action, look.reason
    generation = present if action == _tls.NONE else ""
    if _is_newer(made, present) or (made and made == present and pair.settings["kea_tls_rotate"] == "leaf"):
        # Made in this run: what it is to have waits there for the daemons.
        action, reason, generation = _tls.NONE, "", made
    return _tls.Certificates(
        action=action,
        reason=reason,
        generation=generation,
        days_left=leaf.days_left(now) if leaf else None,
        serial=leaf.serial if leaf else "",
        trust=tuple(item.pem for item in look.new_anchors),
        ca_dir=ca_dir,
        problems=tuple(look.problems),
        cuts_link=cuts,
    )


def _is_newer(made: str, present: str) -> bool:
    return made.isdigit() and int(made) > (int(present) if present.isdigit() else 0)


# ---------------------------------------------------------------------------------------------------------------------
# what a host has


def _facts(server: Server) -> Mapping[str, Any]:
    return ((server.facts or {}).get("kea") or {}).get("tls") or {}


def _current(server: Server) -> str:
    return str(_facts(server).get("current") or "")


def _look(server: Server) -> _Look:
    """Read what a host says of the generation in use."""
    facts = _facts(server)
    if not facts.get("current"):
        return _Look(server, _tls.InPlace(), [], [])
    anchors = [item for text in facts.get("trust") or [] for item in _readable(text)]
    chain: list[_tls.Certificate] = []
    trouble = ""
    try:
        chain = _certificates.describe_all(facts.get("certificate") or "")
        trouble = "" if chain else f"its {_tls.CERT_FILE} holds no certificate"
    except _certificates.CertificateError as error:
        trouble = f"its {_tls.CERT_FILE} cannot be used: {error}"
    place = _tls.InPlace(
        certificate=chain[0] if chain else None,
        chain=tuple(item.fingerprint for item in chain),
        trouble=trouble or _key_trouble(server, facts.get("key") or {}),
        trust=frozenset(item.fingerprint for item in anchors),
    )
    return _Look(server, place, chain, anchors)


def _readable(text: str) -> list[_tls.Certificate]:
    """Return the certificates of a text; a damaged one is as good as missing, and so put there again."""
    try:
        return _certificates.describe_all(text)
    except _certificates.CertificateError:
        return []


def _key_trouble(server: Server, key: Mapping[str, Any]) -> str:
    """Return why the key in place is to be replaced; one that others could read may have been read."""
    if key.get("problem"):
        return f"its {_tls.KEY_FILE} cannot be used: {key['problem']}"
    group = server.platform.group if server.platform else None
    for what, wanted in (("owner", _tls.KEY_OWNER), ("group", group), ("mode", _tls.KEY_MODE)):
        found = key.get(what)
        if found and wanted and str(found) != wanted:
            return f"its {_tls.KEY_FILE} has the {what} {found}, and should have {wanted}"
    return ""


# ---------------------------------------------------------------------------------------------------------------------
# the own CA


def _from_own_ca(pair: Pair, looks: list[_Look], ca_dir: str, around: Surroundings, now: datetime) -> None:
    authority = _pki.Authority(ca_dir)
    trouble = ""
    if not around.offline:
        try:
            authority = _pki.read(ca_dir)
        except _pki.PkiError as error:
            trouble = str(error)
    replacing = pair.settings["kea_tls_rotate"] == "ca"
    if replacing and authority.phase == _pki.ABSENT and all(look.chain for look in looks) and not trouble:
        # rotate_certs.yml lets the folder take over what the hosts trust now; until then nothing changes.
        for look in looks:
            look.new_chain, look.new_anchors = look.chain, look.anchors
        return
    for look in looks:
        _decide_by_authority(pair, look, authority, now)
    signing = any(look.action == _tls.ISSUE for look in looks)
    found: list[_tls.TlsProblem] = []
    try:
        found += _pki.problems(authority, pair.settings["kea_tls_ca_passphrase"], now, signing, replacing)
    except _pki.PkiError as error:
        trouble = str(error)
    if trouble:
        fix = "Correct the permissions, copy the folder from a backup, or remove it if no host has a certificate yet"
        found.append(_tls.TlsProblem("P35", ERROR, "kea_tls_ca_dir", ca_dir, trouble, fix))
    for look in looks:
        look.problems += found
        stranger = not trouble and look.chain and not _known(look, authority)
        if stranger and not pair.settings["kea_accept_outage"]:
            look.problems.append(_stranger(look, authority))


def _misplaced(ca_dir: str, around: Surroundings) -> list[_tls.TlsProblem]:
    source = _pki.read_as_inventory(ca_dir, around.sources)
    if not source:
        return []
    message = f"Ansible reads this folder as a part of the inventory {source}, and would take its files for hosts"
    fix = "Give one that is not in there, or below a hidden folder, whose name begins with a dot"
    return [_tls.TlsProblem("P35", ERROR, "kea_tls_ca_dir", ca_dir, message, fix)]


def _known(look: _Look, authority: _pki.Authority) -> bool:
    return _certificates.chain_of(look.chain, authority.trust) is not None


def _stranger(look: _Look, authority: _pki.Authority) -> _tls.TlsProblem:
    """Refuse to replace a CA by accident, as a second controller would."""
    issuer = look.chain[0].issuer
    has = f"holds another one, {authority.signer.subject}" if authority.signer else "holds no CA"
    copy = "Copy the folder from the controller that made this CA, or set kea_tls_ca_dir"
    move = "move this folder away and " if authority.signer else ""
    return _tls.TlsProblem(
        "P35",
        ERROR,
        "kea_tls_ca_dir",
        authority.path,
        f"the host has a certificate of {issuer}, but this folder {has}",
        f"{copy}; to replace the CA without an outage, {move}{_pki.ROTATE}",
    )


def _decide_by_authority(pair: Pair, look: _Look, authority: _pki.Authority, now: datetime) -> None:
    settings = pair.settings
    server = look.server
    signed = bool(look.chain) and _certificates.chain_of(look.chain, authority.current) is not None
    wanted = _tls.Wanted(
        source=_tls.OWN_CA,
        trust=frozenset(item.fingerprint for item in authority.trust),
        signed=signed,
        names=tuple(_tls.subject_alt_names(server.address, (server.host, server.server_name))),
        key_type=settings["kea_tls_key_type"],
        renew_before=timedelta(days=settings["kea_tls_renew_before"]),
        rotate=settings["kea_tls_rotate"] == "leaf",
        # A CA that is only trusted signs nothing, and is about to be replaced.
        frozen=signed and authority.phase == _pki.NEXT and not authority.has_key,
    )
    look.action, look.reason = _tls.decide(look.place, wanted, now)
    look.new_anchors = authority.trust
    # Whoever trusts the CA will trust what it signs.
    signer = [authority.signer] if authority.signer else []
    look.new_chain = signer if look.action == _tls.ISSUE else look.chain


# ---------------------------------------------------------------------------------------------------------------------
# the user's files


def _from_files(looks: list[_Look], around: Surroundings, now: datetime) -> None:
    for look in looks:
        files, found = read_files(look.server, around, now)
        look.problems += found
        look.new_anchors, look.new_chain = files.trust or [], files.chain or []
        if not files.trust or not files.chain:
            look.action, look.reason = _tls.INSTALL, "its files cannot be used"
            continue
        wanted = _tls.Wanted(
            source=_tls.FILES,
            trust=frozenset(item.fingerprint for item in files.trust),
            chain=tuple(item.fingerprint for item in files.chain),
        )
        look.action, look.reason = _tls.decide(look.place, wanted, now)
    for look, partner in _both_ways(looks):
        if _trusts(look.new_anchors, look.new_chain) and _trusts(partner.new_anchors, partner.new_chain):
            look.problems += _strange_partner(look, partner)


def _both_ways(looks: Sequence[_Look]) -> list[tuple[_Look, _Look]]:
    return [(one, other) for one in looks for other in looks if one is not other]


def _trusts(anchors: list[_tls.Certificate], chain: list[_tls.Certificate]) -> bool:
    return bool(chain) and _certificates.chain_of(chain, anchors) is not None


def _strange_partner(look: _Look, partner: _Look) -> list[_tls.TlsProblem]:
    if _trusts(look.new_anchors, partner.new_chain):
        return []
    variable = _FILES[0]
    return [
        _tls.TlsProblem(
            "P35",
            ERROR,
            variable,
            look.server.settings[variable],
            f"the certificate of the partner {partner.server.host} was signed by {partner.new_chain[0].issuer}, which"
            " is not in this file: the servers would refuse each other",
            "Have one CA sign both certificates, or put both CAs into this file",
        )
    ]


def read_files(
    server: Server, around: Surroundings, now: datetime
) -> tuple[_certificates.Files, list[_tls.TlsProblem]]:
    """Read and check the files of a host. The result holds its private key."""
    found: list[_tls.TlsProblem] = []
    given = [_material(variable, server, around, found) for variable in _FILES]
    files, wrong = _certificates.examine(*given, now, server.address)
    return files, [*found, *wrong]


def texts(pair: Pair, server: Server, around: Surroundings, now: datetime) -> dict[str, Any]:
    """Return the PEM texts that a host is to get: trust, certificate, private_key. The last one is a secret.

    Raises:
        CertifyError: one of the files cannot be used.
    """
    if pair.settings["kea_tls_source"] != _tls.FILES:
        try:
            authority = _pki.read(_pki.folder_of(pair.settings["kea_tls_ca_dir"], pair.name, around.base))
        except _pki.PkiError as error:
            raise CertifyError(f"{server.host}: {error}") from error
        return {"trust": [item.pem for item in authority.trust], "certificate": "", "private_key": ""}
    files, found = read_files(server, around, now)
    wrong = [f"{server.host}: {item.variable}: {item.message}. {item.fix}" for item in found if item.severity == ERROR]
    if wrong or not files.trust or not files.chain or not files.key:
        raise CertifyError("\n".join(wrong) or f"{server.host}: not all files of its certificate are named")
    return {
        "trust": [item.pem for item in files.trust],
        "certificate": "".join(item.pem for item in files.chain),
        "private_key": files.key.decode("ascii"),
    }


def _material(
    variable: str, server: Server, around: Surroundings, found: list[_tls.TlsProblem]
) -> _certificates.Material | None:
    """Return a file; None without it, when another check has said so, or a problem says why."""
    text = server.settings[variable]
    if not text:
        return None

    def wrong(message: str, fix: str, value: str = text) -> None:
        found.append(_tls.TlsProblem("P35", ERROR, variable, value, message, fix))

    if "-----BEGIN" in text or "\n" in text:
        # It may be a key.
        wrong("the variable holds the content of a file, but should hold its path", "Write the path of the file", "")
        return None
    tried = _places(text, around.base)
    path = next((item for item in tried if os.path.lexists(item)), None)
    if path is None:
        fix = "Correct the path; a relative one begins at the folder of the inventory, or at the current folder"
        wrong(f"there is no such file on the controller; looked for {' and '.join(tried)}", fix)
        return None
    if os.path.isdir(path):
        wrong(f"{path} is a folder", "Give one PEM file; kea_tls_trust_anchor may hold several certificates")
        return None
    try:
        with open(path, "rb") as file:
            data = file.read(_LIMIT + 1)
    except OSError as error:
        wrong(f"{path} cannot be read: {error.strerror or error}", "Let the user who runs Ansible read it")
        return None
    if len(data) > _LIMIT:
        wrong(f"{path} is larger than any certificate or key", "Give the path of a PEM file")
        return None
    return _certificates.Material(variable, text, _decrypted(data, path, around))


def _places(text: str, base: str) -> list[str]:
    """Return where a file may be: beside the inventory, or in the current folder."""
    text = os.path.expanduser(text)
    return list(dict.fromkeys(os.path.abspath(os.path.join(folder, text)) for folder in (base, str(Path.cwd()))))


def _decrypted(data: bytes, path: str, around: Surroundings) -> bytes:
    """Return a file without its vault; as it is when there is no password for it, which the checks say."""
    if not data.startswith(_VAULT) or around.decrypt is None:
        return data
    try:
        return around.decrypt(path)
    except Exception:
        # Ansible's exceptions for this differ between its versions, and may quote what they read.
        return data


# ---------------------------------------------------------------------------------------------------------------------
# the link between the servers


def _cuts_link(looks: list[_Look], now: datetime) -> bool:
    """Tell whether servers that trust each other now would not while one has the new files, and the other the old."""
    pairs = _both_ways([look for look in looks if look.server.role != "backup"])
    if not all(serves(look.server) for look, _other in pairs):
        return False
    if all(look.action == _tls.NONE for look, _other in pairs):
        return False
    if not all(_accepts(look.anchors, other.chain, now) for look, other in pairs):
        return False
    # Each in turn is the one that has been changed.
    return not all(
        _accepts(look.new_anchors, other.chain, now) and _accepts(other.anchors, look.new_chain, now)
        for look, other in pairs
    )


def _accepts(anchors: Iterable[_tls.Certificate], chain: list[_tls.Certificate], now: datetime) -> bool:
    if not chain:
        return False
    way = _certificates.chain_of(chain, anchors)
    return way is not None and all(item.not_before <= now < item.not_after for item in way)
