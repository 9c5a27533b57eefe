# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of a pair's own CA, on the controller.

    ca.pem, ca.key      the CA that signs; without ca.key it is one that is only trusted until the next one signs
    passphrase          of ca.key, when no variable has it
    next/               the CA to come, while the hosts learn to trust it
    previous/ca.pem     the CAs before, until no host uses a certificate of theirs any more

What hosts shall trust is every CA in it, so each state is one that an ordinary run can bring to the hosts. Only what
moves the folder from one state to the next writes here.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ansible_collections.keaops.kea.plugins.module_utils._findings import ERROR, WARNING
from ansible_collections.keaops.kea.plugins.module_utils._tls import Certificate, TlsProblem

from . import _certificates

ABSENT = "absent"
READY = "ready"
NEXT = "next"
PREVIOUS = "previous"

CERT = "ca.pem"
KEY = "ca.key"
PASSPHRASE = "passphrase"
ROTATE = "run rotate_certs.yml with -e kea_tls_rotate=ca"

# Hidden: Ansible reads all other files below an inventory folder as inventory, and takes a passphrase for a host.
_DEFAULT = ".kea-pki"
_VARIABLE = "kea_tls_ca_dir"
_LIMIT = 1 << 20
# Certificates renew themselves, a CA does not: time to notice.
_CA_WARNING_DAYS = 90
_IGNORE = "# Keys: never commit them.\n*\n"


class PkiError(ValueError):
    """The folder cannot be used so; the text is a sentence for users."""


@dataclass(frozen=True)
class Authority:
    """What is in the folder of an own CA. No keys."""

    path: str
    """Absolute."""
    current: tuple[Certificate, ...] = ()
    following: tuple[Certificate, ...] = ()
    previous: tuple[Certificate, ...] = ()
    has_key: bool = False

    @property
    def phase(self) -> str:
        """Where in its life the folder is: ABSENT, READY, NEXT or PREVIOUS."""
        if not self.current:
            return ABSENT
        return NEXT if self.following else PREVIOUS if self.previous else READY

    @property
    def signer(self) -> Certificate | None:
        """The CA that signs."""
        return self.current[0] if self.current else None

    @property
    def trust(self) -> list[Certificate]:
        """What hosts shall trust."""
        return _distinct([*self.current, *self.following, *self.previous])


def _distinct(certificates: Iterable[Certificate]) -> list[Certificate]:
    return list({item.fingerprint: item for item in certificates}.values())


def folder_of(given: str | None, pair: str, base: str) -> str:
    """Return the folder of a pair's own CA, absolute.

    Args:
        given: kea_tls_ca_dir.
        pair: name of the pair.
        base: the folder of the inventory.
    """
    return os.path.abspath(os.path.join(base, os.path.expanduser(given or os.path.join(_DEFAULT, pair))))


def read_as_inventory(path: str, sources: Iterable[str]) -> str:
    """Return the inventory folder as part of which Ansible would read the folder of a CA; empty when it does not."""
    for source in sources:
        if os.path.isdir(source) and os.path.commonpath([path, source]) == source:
            parts = Path(path).relative_to(source).parts
            if not any(part.startswith(".") or part in ("group_vars", "host_vars") for part in parts):
                return source
    return ""


# ---------------------------------------------------------------------------------------------------------------------
# reading


def read(path: str) -> Authority:
    """Read the folder; one without CA certificate is ABSENT, even when a killed run has left a key.

    Raises:
        PkiError: a file in it cannot be read.
    """
    folder = Path(path)
    return Authority(
        path,
        _certificates_in(folder / CERT),
        _certificates_in(folder / NEXT / CERT),
        _certificates_in(folder / PREVIOUS / CERT),
        _exists(folder / KEY),
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise _unreadable(path, error) from error


def _content(path: Path) -> bytes | None:
    """Return the content of a file, None if there is none."""
    try:
        with path.open("rb") as file:
            return file.read(_LIMIT)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> PkiError:
    return PkiError(f"{path} cannot be read: {error.strerror or error}")


def _certificates_in(path: Path) -> tuple[Certificate, ...]:
    data = _content(path)
    if data is None:
        return ()
    try:
        found = _certificates.describe_all(data)
    except _certificates.CertificateError as error:
        raise PkiError(f"{path}: {error}") from error
    if not found:
        raise PkiError(f"{path} holds {_certificates.what_is(data)}, but should hold the certificate of the own CA")
    return tuple(found)


# ---------------------------------------------------------------------------------------------------------------------
# checks


def problems(
    authority: Authority, passphrase: str | None, now: datetime, signing: bool, replacing: bool
) -> Iterator[TlsProblem]:
    """Yield what is wrong with the folder.

    Args:
        passphrase: kea_tls_ca_passphrase, if it is set.
        signing: this run has it sign, so that a key which cannot be used is an error already now.
        replacing: this run replaces the CA, so that its end is no error any more.
    """
    signer = authority.signer
    if signer is None:
        return
    place = _certificates.Material(_VARIABLE, authority.path, b"")
    if not signer.is_ca or not signer.signs_certificates:
        yield _problem(
            authority, f"{CERT} in it, {signer.subject}, is not the certificate of a CA", _restore(authority)
        )
    for item in _certificates.date_problems(
        place, f"the own CA {signer.subject}", signer, now, ROTATE.capitalize(), _CA_WARNING_DAYS
    ):
        yield _softened(item) if replacing else item
    for item in _key_problems(authority, passphrase):
        yield item if signing else _softened(item)
    for name in (KEY, PASSPHRASE):
        path = Path(authority.path) / name
        if name == PASSPHRASE and passphrase is not None:
            continue
        if _exists(path) and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield _problem(
                authority,
                f"{name} in it can be read by others (mode {stat.S_IMODE(path.stat().st_mode):04o}), and whoever has"
                " the CA can command the servers",
                f"Run chmod 0600 {path}",
            )


def _softened(problem: TlsProblem) -> TlsProblem:
    return replace(problem, severity=WARNING)


def _problem(authority: Authority, message: str, fix: str, variable: str = _VARIABLE) -> TlsProblem:
    value = authority.path if variable == _VARIABLE else ""
    return TlsProblem("P35", ERROR, variable, value, message, fix)


def _restore(authority: Authority) -> str:
    return f"Copy the folder {authority.path} from the controller that made the CA or from a backup, or {ROTATE}"


def _key_problems(authority: Authority, passphrase: str | None) -> Iterator[TlsProblem]:
    """Yield why the key of the own CA cannot sign: at most one reason."""
    folder = Path(authority.path)
    data = _content(folder / KEY)
    if data is None:
        yield _problem(authority, f"it has the certificate of the own CA, but not its key, {KEY}", _restore(authority))
        return
    kept = _content(folder / PASSPHRASE)
    word = passphrase
    if word is None and kept is not None:
        word = kept.decode("utf-8", "replace").strip("\r\n")
    try:
        key = _certificates.load_key(data, word or None)
    except _certificates.CertificateError as error:
        yield _unusable_key(authority, error, passphrase, kept is not None)
        return
    if not _certificates.is_pair(authority.current[0], key):
        message = f"{KEY} in it does not belong to {CERT}"
        fix = _restore(authority)
        if authority.following and _certificates.is_pair(authority.following[0], key):
            message += ": a rotation of the CA was interrupted"
            fix = f"To complete it, {ROTATE}"
        yield _problem(authority, message, fix)


def _unusable_key(authority: Authority, error: ValueError, given: str | None, kept: bool) -> TlsProblem:
    """Say why a key cannot be opened, without a word of the passphrase."""
    variable = "kea_tls_ca_passphrase"
    lost = f"when the passphrase is lost, {ROTATE}"
    if isinstance(error, _certificates.PassphraseMissing):
        message = (
            f"the key of the own CA in {authority.path} is encrypted, but no passphrase is set, and there is no file"
            f" {PASSPHRASE} beside it"
        )
        return _problem(authority, message, f"Set {variable}, in a vault; {lost}", variable)
    if isinstance(error, _certificates.PassphraseWrong) and given is not None:
        also = f"; it may have been made with the one in the file {PASSPHRASE} beside it" if kept else ""
        message = f"this is not the passphrase of the own CA's key in {authority.path}{also}"
        return _problem(authority, message, f"Correct {variable}; {lost}", variable)
    if isinstance(error, _certificates.PassphraseWrong):
        return _problem(authority, f"the file {PASSPHRASE} in it does not open {KEY}", _restore(authority))
    if isinstance(error, _certificates.NotEncrypted):
        path = Path(authority.path) / KEY
        fix = f"Encrypt it with the passphrase, and replace it: openssl pkcs8 -topk8 -in {path} -out encrypted.key"
        return _problem(authority, f"{KEY} in it is not encrypted", fix)
    return _problem(authority, f"{KEY} in it cannot be used: {error}", _restore(authority))


# ---------------------------------------------------------------------------------------------------------------------
# from one state to the next


def begin(path: str, trusted: Sequence[str], write: bool) -> bool:
    """Prepare the folder for a next CA.

    Completes a move that was interrupted. A folder without a CA takes over, as CAs to be trusted only, those that the
    hosts trust now: so the CA of a lost folder, or of the user's files, is replaced without an outage.

    Args:
        trusted: the CA certificates that the hosts trust, PEM.
        write: False only tells.

    Returns:
        Whether there is anything to do.

    Raises:
        PkiError: there is nothing that could be replaced.
    """
    authority = read(path)
    if _interrupted(authority):
        if write:
            _promote(authority)
        return True
    if authority.phase != ABSENT:
        return False
    known = _distinct(item for text in trusted for item in _certificates.describe_all(text))
    if not known:
        raise PkiError(
            f"{path} holds no CA, and the hosts have no certificates: there is nothing to replace. Run site.yml"
        )
    if write:
        folder = Path(path)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / ".gitignore").write_text(_IGNORE, encoding="ascii")
        _write(folder / CERT, known)
    return True


def promote(path: str, write: bool) -> bool:
    """Let the next CA sign, keep the present one as a previous one, and remove its key.

    Raises:
        PkiError: there is no next CA.
    """
    authority = read(path)
    if authority.phase == NEXT:
        if not _interrupted(authority) and not _exists(Path(path) / NEXT / KEY):
            raise PkiError(f"{Path(path) / NEXT} holds no {KEY}, so the CA in it cannot sign. Remove this folder")
        if write:
            _promote(authority)
        return True
    if authority.phase == PREVIOUS:
        return False
    if write:
        raise PkiError(f"{path} holds no next CA that could take over")
    # It would be there in a real run.
    return True


def finish(path: str, in_use: Sequence[str], write: bool) -> bool:
    """Forget the previous CAs.

    Args:
        in_use: the certificates of the hosts, PEM.

    Raises:
        PkiError: a host still uses a certificate of another CA than the present one.
    """
    authority = read(path)
    if authority.phase == NEXT:
        raise PkiError(f"{path} holds a next CA: the change to it has not been made yet")
    if authority.phase != PREVIOUS:
        return False
    if write:
        for text in in_use:
            leaf = _certificates.describe(text)
            if not _certificates.signed_by(leaf, authority.current[0]):
                raise PkiError(f"a certificate of {leaf.issuer} is still in use, by {leaf.subject}: run site.yml first")
        folder = Path(path)
        (folder / PREVIOUS / CERT).unlink()
        (folder / PREVIOUS).rmdir()
        _sync(folder)
    return True


def _interrupted(authority: Authority) -> bool:
    """Tell whether a move to the next CA was begun: the first step is to note the present one as a previous one."""
    return authority.phase == NEXT and set(authority.current) <= set(authority.previous)


def _promote(authority: Authority) -> None:
    """Make the next CA the present one, in steps that may be repeated after a kill at any moment."""
    folder = Path(authority.path)
    (folder / PREVIOUS).mkdir(mode=0o700, exist_ok=True)
    _write(folder / PREVIOUS / CERT, _distinct([*authority.previous, *authority.current]))
    if _exists(folder / NEXT / KEY):
        os.replace(folder / NEXT / KEY, folder / KEY)
        _sync(folder)
    os.replace(folder / NEXT / CERT, folder / CERT)
    for rest in (folder / NEXT).iterdir():
        rest.unlink()
    (folder / NEXT).rmdir()
    _sync(folder)


def _write(path: Path, certificates: Iterable[Certificate]) -> None:
    """Replace a file at once."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write("".join(item.pem for item in certificates))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
