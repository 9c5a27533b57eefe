# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and certificates on a host. Private to this collection.

A host keeps them in numbered generations, each complete and never changed once it is in use::

    /etc/kea/tls/3/cert.pem   the host's certificate, then intermediate ones
    /etc/kea/tls/3/key.pem    its private key, for root and Kea alone
    /etc/kea/tls/3/trust/     the trusted CAs, as a directory with hash links (openssl rehash)
    /etc/kea/tls/current      a link to the generation in use

Kea starts without a word when a CA is missing, its hash link is, or it cannot be read, and then refuses its partner. So
a generation is checked here, before any daemon sees it. The link is moved by the transaction of :mod:`_apply`, which
can put it back, and here only while there is none.

Managed hosts need not have the library cryptography: keys are made by the program openssl.
"""

from __future__ import annotations

import contextlib
import grp
import ipaddress
import os
import pwd
import re
import shutil
import ssl
import stat
from typing import Any, NamedTuple

from ansible_collections.keaops.kea.plugins.module_utils import _tls, _x509
from ansible_collections.keaops.kea.plugins.module_utils._apply import Done, System

_RSA = ["-algorithm", "RSA", "-pkeyopt"]
KEY_TYPES = {
    "ecdsa-p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:named_curve"],
    "rsa-2048": [*_RSA, "rsa_keygen_bits:2048"],
    "rsa-3072": [*_RSA, "rsa_keygen_bits:3072"],
    "rsa-4096": [*_RSA, "rsa_keygen_bits:4096"],
}
PURPOSES = {"sslserver": "server", "sslclient": "client"}

# Both are removed when the certificate is there: what still has them waits for one.
_REQUEST = "request.csr"
_REQUEST_CONFIG = "request.cnf"

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_HASH_LINK = re.compile(r"[0-9a-f]{8}\.[0-9]+")
_DNS_NAME = re.compile(r"(?!-)[A-Za-z0-9_*-]{1,63}(\.(?!-)[A-Za-z0-9_-]{1,63})*")
_PEM_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)
_VERIFY_ERROR = re.compile(r"error (\d+) at (\d+) depth lookup:?\s*(.*)")
_MISMATCHES = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
_LIMIT = 1 << 20

# What openssl's numbers mean for people, as the end of "the certificate cannot be used: ".
_VERIFY_WORDS = {
    9: "it is not valid yet by the clock of this host; set the clocks of controller and host",
    10: "it has expired by the clock of this host; have it renewed, or set the clock",
    18: "it is self-signed; have the CA sign it",
    19: "the root of its chain is not among the CAs to be trusted; give that root, too",
    20: "none of the CAs to be trusted has signed it; give the CA that signed it",
    2: "an intermediate certificate is missing; append it to the host's own",
    21: "an intermediate certificate is missing; append it to the host's own",
    7: "its signature is wrong: it was signed by another CA of the same name; give the CA that signed it",
    24: "it is no CA (basicConstraints); give the certificate of a CA",
    79: "it is no CA (basicConstraints); give the certificate of a CA",
}
_PURPOSE_ERROR = 26


class TlsError(Exception):
    """What is wrong and what to do about it: one or two sentences for users, without the last full stop."""


class Material(NamedTuple):
    """What a generation consists of, PEM."""

    certificate: str
    key: str
    trust: tuple[str, ...]


def facts(system: System, path: str) -> dict[str, Any]:
    """Return what a host has in the generation in use. Never raises, never returns a key."""
    store = Store(system, path)
    current = store.current()
    found: dict[str, Any] = {
        "current": current,
        "generations": [str(number) for number in store.generations()],
        "certificate": None,
        "trust": [],
        "key": None,
        "openssl": shutil.which("openssl", path=os.environ.get("PATH", "") + ":/usr/bin:/bin") is not None,
    }
    if current is not None:
        folder = os.path.join(path, current)
        with contextlib.suppress(OSError):
            found["certificate"] = "".join(_certificates(_read(os.path.join(folder, _tls.CERT_FILE)))) or None
        found["trust"] = store.trust(current)
        found["key"] = key_facts(os.path.join(folder, _tls.CERT_FILE), os.path.join(folder, _tls.KEY_FILE))
    return found


def key_facts(cert_file: str, key_file: str) -> dict[str, Any]:
    """Return owner, group and mode of a key, and why it cannot be used; what is not known is None."""
    found = {"problem": None, "owner": None, "group": None, "mode": None}
    try:
        about = os.stat(key_file)
    except FileNotFoundError:
        return dict(found, problem="it is not there")
    except OSError:
        return found
    found["owner"] = _name(pwd.getpwuid, about.st_uid, "pw_name")
    found["group"] = _name(grp.getgrgid, about.st_gid, "gr_name")
    found["mode"] = f"{stat.S_IMODE(about.st_mode):04o}"
    # Not root: nothing is known of what is in it.
    if os.access(key_file, os.R_OK):
        found["problem"] = key_problem(cert_file, key_file)
    return found


def key_problem(cert_file: str, key_file: str) -> str | None:
    """Return why a key cannot be used with a certificate, as the end of a sentence; None when it can."""

    def ask() -> str:
        raise _Encrypted

    try:
        labels = [label for label, _block in _blocks(_read(key_file) or "")]
        certified = bool(_certificates(_read(cert_file)))
    except OSError as exc:
        return f"it cannot be read ({exc.strerror or exc})"
    if not any(label.endswith("PRIVATE KEY") for label in labels):
        return "it holds {}, not a private key in PEM form".format(
            "a certificate" if "CERTIFICATE" in labels else "text"
        )
    if not certified:
        # Somebody else will say that there is no certificate.
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert_file, key_file, password=ask)
    except _Encrypted:
        return "it is encrypted, and Kea cannot ask for a passphrase"
    except ssl.SSLError as exc:
        if exc.reason in _MISMATCHES:
            return "it does not belong to the certificate"
        return f"OpenSSL cannot load it ({exc.reason or 'it is damaged'})"
    except OSError as exc:
        return f"it cannot be read ({exc.strerror or exc})"
    return None


class _Encrypted(Exception):
    """The key asks for a passphrase."""


def _name(look_up: Any, number: int, field: str) -> str:
    try:
        return getattr(look_up(number), field)
    except KeyError:
        return str(number)


def _read(path: str) -> str | None:
    """Return a text file, None if there is none; raises OSError."""
    try:
        with open(path, "rb") as stream:
            return stream.read(_LIMIT).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _blocks(text: str) -> list[tuple[str, str]]:
    """Return label and text of each PEM block."""
    return [(match.group(1), match.group(0) + "\n") for match in _PEM_BLOCK.finditer(text.replace("\r\n", "\n"))]


def _certificates(text: str | None) -> list[str]:
    """Return the certificates in a text, and nothing else that may be in it."""
    return [block for label, block in _blocks(text or "") if label == "CERTIFICATE"]


def certificates_in(text: str, what: str) -> list[str]:
    """Return the certificates in a text, each in PEM form.

    Raises:
        TlsError: there is something else in it, or nothing.
    """
    found = _blocks(text)
    strange = [label for label, _block in found if label != "CERTIFICATE"]
    if strange:
        # Not what is in it: that may be a key.
        raise TlsError(f"{what} holds a PEM block {strange[0]}. Give certificates there, and nothing else")
    if not found:
        raise TlsError(f"{what} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----). Give one")
    return [block for _label, block in found]


def key_in(text: str) -> str:
    """Return the private key in a text, in PEM form.

    Raises:
        TlsError: there is none, or more than one.
    """
    found = [block for label, block in _blocks(text) if label.endswith("PRIVATE KEY")]
    if len(found) != 1:
        number = "several private keys" if found else "no private key in PEM form"
        raise TlsError(f"private_key holds {number}. Give the key of the host's certificate")
    return found[0]


# --- requests --------------------------------------------------------------------------------------------------------


def request_config(key_type: str, common_name: str, names: list[str]) -> str:
    """Return the configuration that openssl makes a request from.

    Args:
        names: as OpenSSL writes them, ``IP:192.168.1.2`` and ``DNS:dhcp1``.

    Raises:
        TlsError: a name cannot be in a certificate.
    """
    if not 1 <= len(common_name) <= 64 or not common_name.isprintable():
        raise TlsError(f"common_name is {common_name!r}. Give 1 to 64 printable characters")
    usage = "digitalSignature" if key_type.startswith("ecdsa") else "digitalSignature, keyEncipherment"
    quoted = common_name.replace("\\", "\\\\").replace('"', '\\"')
    lines = [
        f"# {key_type}",
        "[req]",
        "prompt = no",
        "utf8 = yes",
        "string_mask = utf8only",
        "distinguished_name = subject",
        "req_extensions = extensions",
        "[subject]",
        f'commonName = "{quoted}"',
        "[extensions]",
        "basicConstraints = critical, CA:FALSE",
        f"keyUsage = critical, {usage}",
        "extendedKeyUsage = serverAuth, clientAuth",
        "subjectKeyIdentifier = hash",
    ]
    if names:
        lines += ["subjectAltName = @names", "[names]"]
    return "\n".join(lines + [_name_line(number, name) for number, name in enumerate(names, 1)]) + "\n"


def _name_line(number: int, name: str) -> str:
    kind, _colon, value = name.partition(":")
    if kind == "IP":
        with contextlib.suppress(ValueError):
            return f"IP.{number} = {ipaddress.ip_address(value)}"
    elif kind == "DNS" and len(value) <= 253 and _DNS_NAME.fullmatch(value):
        return f"DNS.{number} = {value}"
    raise TlsError(f"subject_alt_names has {name!r}. Write IP:192.168.1.2 or DNS:dhcp1.example.org")


# --- the folder ------------------------------------------------------------------------------------------------------


class Store:
    """The folder of all generations.

    Args:
        system: the host.
        path: for example ``/etc/kea/tls``.
        user: whom the daemons run as.
        group: who may read keys, beside root.
    """

    def __init__(self, system: System, path: str, user: str = "_kea", group: str = "_kea") -> None:
        self.system = system
        self.path = path
        self.user = user
        self.group = group
        self.link = os.path.join(path, _tls.CURRENT)

    # -- looking

    def generations(self) -> list[int]:
        """Return the numbers of all generations, complete or not."""
        try:
            names = os.listdir(self.path)
        except OSError:
            return []
        return sorted(int(name) for name in names if _NUMBER.fullmatch(name) and os.path.isdir(self.of(name)))

    def of(self, generation: str) -> str:
        """Return the folder of a generation."""
        return os.path.join(self.path, generation)

    def current(self) -> str | None:
        """Return the generation in use, None if the link is missing or leads nowhere."""
        try:
            target = os.readlink(self.link)
        except OSError:
            return None
        return target if _NUMBER.fullmatch(target) and os.path.isdir(self.of(target)) else None

    def trust(self, generation: str) -> list[str]:
        """Return the CA certificates that a daemon finds in a generation: those that have a hash link."""
        folder = os.path.join(self.of(generation), _tls.TRUST_DIR)
        found = []
        try:
            for name in sorted(os.listdir(folder)):
                if _HASH_LINK.fullmatch(name):
                    found += _certificates(_read(os.path.join(folder, name)))
        except OSError:
            return []
        return list(dict.fromkeys(found))

    def material(self, generation: str) -> Material | None:
        """Return what a generation consists of, None for one without certificate or key."""
        folder = self.of(generation)
        certificate, key = (_read(os.path.join(folder, name)) for name in (_tls.CERT_FILE, _tls.KEY_FILE))
        if not certificate or not key:
            return None
        return Material(certificate, key, tuple(sorted(self.trust(generation))))

    def _is(self, generation: str, wanted: Material) -> bool:
        """Tell whether a generation is complete, and what is wanted: its folder is opened when all of it is checked."""
        found = self.material(generation)
        return found is not None and _same(found, wanted) and bool(os.stat(self.of(generation)).st_mode & stat.S_IXGRP)

    def next_number(self) -> str:
        """Return the number of a new generation."""
        return str(max(self.generations(), default=0) + 1)

    # -- requesting

    def request(self, key_type: str, common_name: str, names: list[str], check_mode: bool) -> dict[str, Any]:
        """Make a generation with a key, and a request for its certificate.

        A request of a run that ended before its certificate came is used again.

        Returns:
            changed, generation and csr (None in check mode, when it would be made).

        Raises:
            TlsError, OSError: it cannot be made.
        """
        config = request_config(key_type, common_name, names)
        for number in reversed(self.generations()):
            csr = self._pending(str(number), config)
            if csr:
                return {"changed": False, "generation": str(number), "csr": csr}
        generation = self.next_number()
        if not check_mode:
            self._prepare()
            with self._new(generation) as folder:
                key, file = os.path.join(folder, _tls.KEY_FILE), os.path.join(folder, _REQUEST_CONFIG)
                self._openssl("make a key", "genpkey", *KEY_TYPES[key_type], "-out", key)
                self.system.write(file, config.encode("utf-8"), (os.geteuid(), os.getegid()), 0o600)
                request = ["req", "-new", "-sha256", "-config", file, "-key", key]
                self._openssl("make a request", *request, "-out", os.path.join(folder, _REQUEST))
        return {"changed": True, "generation": generation, "csr": None if check_mode else self._csr(generation)}

    def _pending(self, generation: str, config: str) -> str | None:
        """Return the request of a generation that waits for exactly this certificate."""
        folder = self.of(generation)
        if self.system.exists(os.path.join(folder, _tls.CERT_FILE)) or generation == self.current():
            return None
        if _read(os.path.join(folder, _REQUEST_CONFIG)) != config or not _read(os.path.join(folder, _tls.KEY_FILE)):
            return None
        return self._csr(generation)

    def _csr(self, generation: str) -> str | None:
        return _read(os.path.join(self.of(generation), _REQUEST)) or None

    # -- completing

    def present(
        self,
        generation: str | None,
        certificate: str | None,
        private_key: str | None,
        trust: list[str],
        check_mode: bool,
    ) -> dict[str, Any]:
        """Have a complete, checked generation.

        Args:
            generation: the requested one that the certificate is for; None for a new one, if none is as wanted.
            certificate: PEM; with *generation* None and no certificate, that in use and its key are kept.
            private_key: PEM, only without *generation*.
            trust: CA certificates, PEM.

        Returns:
            changed, generation, linked (whether the link was made), removed (generations), and wanted (Material, None
            when check mode cannot know it).

        Raises:
            TlsError, OSError: something cannot be used.
        """
        anchors = tuple(sorted({block for text in trust for block in certificates_in(text, "trust")}))
        chain = "".join(certificates_in(certificate, "certificate")) if certificate else None
        if generation is not None:
            return self._complete(self._requested(generation, check_mode), chain, anchors, check_mode)
        if not anchors:
            raise TlsError("trust is empty. Give the certificate of the CA")
        if (chain is None) != (private_key is None):
            raise TlsError("certificate and private_key come together, or with the generation of a request")
        wanted = self._kept(anchors) if chain is None else Material(chain, key_in(private_key or ""), anchors)
        for number in self._by_preference():
            if self._is(number, wanted):
                return self._finished(number, wanted, self._settle(number, check_mode), check_mode)
        number = self.next_number()
        if not check_mode:
            self._prepare()
            with self._new(number) as folder:
                # The mode is narrowed before the first byte, and widened when all is checked.
                self.system.write(os.path.join(folder, _tls.KEY_FILE), wanted.key.encode("ascii"), self._owner(), 0o600)
                self._fill(number, wanted)
        return self._finished(number, wanted, True, check_mode)

    def _requested(self, generation: str, check_mode: bool) -> str:
        if not _NUMBER.fullmatch(generation):
            raise TlsError(f"generation is {generation!r}. Give the number that state=request returned")
        if not check_mode and not os.path.isdir(self.of(generation)):
            raise TlsError(f"{self.of(generation)} is not there. Run state=request first")
        return generation

    def _complete(
        self, generation: str, chain: str | None, anchors: tuple[str, ...], check_mode: bool
    ) -> dict[str, Any]:
        """Put the certificate into a generation whose key was made here."""
        if chain is None or not anchors:
            if not check_mode:
                raise TlsError(
                    "certificate or trust is empty. Give the certificate that the CA signed, and that of the CA"
                )
            # The CA itself would only be made in this run.
            return self._finished(generation, None, True, check_mode)
        key = _read(os.path.join(self.of(generation), _tls.KEY_FILE))
        if key is None and not check_mode:
            raise TlsError(f"{self.of(generation)} holds no {_tls.KEY_FILE}. Run state=request again")
        wanted = Material(chain, key or "", anchors)
        if self._is(generation, wanted):
            return self._finished(generation, wanted, self._settle(generation, check_mode), check_mode)
        if generation == self.current():
            raise TlsError(f"generation {generation} is in use and is not changed. Make a new one with state=request")
        if not check_mode:
            self._prepare()
            try:
                self._fill(generation, wanted)
            except BaseException:
                # The key and its request stay for the next run.
                self._empty(generation)
                raise
        return self._finished(generation, wanted, True, check_mode)

    def _kept(self, anchors: tuple[str, ...]) -> Material:
        """Return what is in use, but for the CAs."""
        current = self.current()
        found = self.material(current) if current else None
        if found is None:
            raise TlsError(
                f"{self.link} leads to no certificate and key that could be kept. Give certificate and private_key"
            )
        return found._replace(trust=anchors)

    def _by_preference(self) -> list[str]:
        """Return all generations, the one in use first, then the newest."""
        names = [str(number) for number in reversed(self.generations())]
        return sorted(names, key=lambda name: name != self.current())

    def _finished(self, generation: str, wanted: Material | None, changed: bool, check_mode: bool) -> dict[str, Any]:
        """Link a first generation, remove the ones of no more use, and return the result."""
        linked = self.current() is None
        if linked and not check_mode:
            # Nothing runs with it yet.
            self.system.link(self.link, generation)
        removed = self._remove_old(generation, check_mode)
        return {
            "changed": bool(changed or linked or removed),
            "generation": generation,
            "linked": linked,
            "removed": removed,
            "wanted": wanted,
        }

    def _remove_old(self, generation: str, check_mode: bool) -> list[str]:
        """Remove all generations but this one, the one in use and the one before that."""
        used = int(self.current() or generation)
        before = [number for number in self.generations() if number < used and self.material(str(number))]
        keep = {int(generation), used, *before[-1:]}
        old = [str(number) for number in self.generations() if number not in keep]
        if not check_mode:
            for number in old:
                shutil.rmtree(self.of(number))
        return old

    # -- writing

    def _owner(self) -> tuple[int, int]:
        """Return the numbers of root and the daemons' group.

        Raises:
            TlsError: there is no such group.
        """
        gid = self.system.gid(self.group)
        if gid is None:
            raise TlsError(f"the group {self.group} is not there. Install Kea first")
        return 0 if os.geteuid() == 0 else os.geteuid(), gid

    def _prepare(self) -> None:
        """Make the folder of all generations.

        Raises:
            TlsError: it is a link, or somebody else's.
        """
        owner = self._owner()
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.path, 0o700)
        about = os.lstat(self.path)
        # On newer releases the folder above belongs to the daemons' user, who could have put anything here.
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != owner[0]:
            raise TlsError(f"{self.path} is not a folder that belongs to root. Remove it and run again")
        self.system.own(self.path, owner, 0o750)

    @contextlib.contextmanager
    def _new(self, generation: str) -> Any:
        """Give the folder of a new generation, for root alone; remove it if what is done with it fails."""
        folder = self.of(generation)
        umask = os.umask(0o077)
        try:
            os.mkdir(folder)
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            os.umask(umask)

    def _empty(self, generation: str) -> None:
        """Take out of a generation what it did not have when it was requested."""
        folder = self.of(generation)
        self.system.remove(os.path.join(folder, _tls.CERT_FILE))
        shutil.rmtree(os.path.join(folder, _tls.TRUST_DIR), ignore_errors=True)
        self.system.own(folder, self._owner(), 0o700)

    def _fill(self, generation: str, wanted: Material) -> None:
        """Write certificate and trust beside the key, check all of it, and open it to the daemons."""
        folder, owner = self.of(generation), self._owner()
        trust = os.path.join(folder, _tls.TRUST_DIR)
        self._empty(generation)
        self.system.write(os.path.join(folder, _tls.CERT_FILE), wanted.certificate.encode("ascii"), owner, 0o644)
        os.mkdir(trust, 0o700)
        for number, anchor in enumerate(wanted.trust, 1):
            self.system.write(os.path.join(trust, f"ca-{number}.pem"), anchor.encode("ascii"), owner, 0o644)
        self._openssl("link the CA certificates", "rehash", trust)
        if set(self.trust(generation)) != set(wanted.trust):
            raise TlsError(
                "openssl rehash made no link to one of the CAs in trust. Give certificates of CAs, undamaged"
            )
        problem = key_problem(os.path.join(folder, _tls.CERT_FILE), os.path.join(folder, _tls.KEY_FILE))
        if problem:
            raise TlsError(
                f"the private key cannot be used: {problem}. Give the key that the certificate was requested with"
            )
        self._verify(folder)
        self._settle(generation, False)
        self._check_readable(folder)
        for name in (_REQUEST, _REQUEST_CONFIG):
            self.system.remove(os.path.join(folder, name))

    def _settle(self, generation: str, check_mode: bool) -> bool:
        """Have owners and modes right; return whether they were wrong."""
        folder = self.of(generation)
        trust = os.path.join(folder, _tls.TRUST_DIR)
        modes = {folder: 0o750, trust: 0o755}
        modes[os.path.join(folder, _tls.CERT_FILE)] = 0o644
        modes[os.path.join(folder, _tls.KEY_FILE)] = int(_tls.KEY_MODE, 8)
        for name in os.listdir(trust):
            path = os.path.join(trust, name)
            if not os.path.islink(path):
                modes[path] = 0o644
        owner = self._owner()
        wrong = False
        for path in sorted(modes, reverse=True):
            about = os.lstat(path)
            if (about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)) != (*owner, modes[path]):
                wrong = True
                if not check_mode:
                    self.system.own(path, owner, modes[path])
        return wrong

    def _check_readable(self, folder: str) -> None:
        """Raise TlsError if the daemons could not read what is in a generation."""
        trust = os.path.join(folder, _tls.TRUST_DIR)
        names = [_tls.CERT_FILE, _tls.KEY_FILE] + [os.path.join(_tls.TRUST_DIR, name) for name in os.listdir(trust)]
        uid, gid = self.system.uid(self.user), self.system.gid(self.group)
        if uid is None:
            raise TlsError(f"the user {self.user} is not there. Install Kea first")
        for name in sorted(names):
            path = os.path.join(folder, name)
            if self.system.run(["test", "-r", path], uid=uid, gid=gid).rc != 0:
                raise TlsError(f"{path} cannot be read by {self.user}. Give {self.user} access to the folders above it")

    # -- openssl

    def _verify(self, folder: str) -> None:
        """Raise TlsError if OpenSSL would not accept the certificate, as a server's and as a client's."""
        certificate = os.path.join(folder, _tls.CERT_FILE)
        # Nothing but our CAs: without these, openssl trusts those of the system, too.
        alone = ["env", "SSL_CERT_FILE=" + os.devnull, "SSL_CERT_DIR=" + os.devnull]
        for purpose, role in PURPOSES.items():
            command = ["openssl", "verify", "-purpose", purpose, "-CApath", os.path.join(folder, _tls.TRUST_DIR)]
            done = self.system.run([*alone, *command, "-untrusted", certificate, certificate], timeout=60)
            if done.rc != 0:
                raise TlsError("the certificate cannot be used: " + _verify_words(done, role))

    def _openssl(self, purpose: str, *arguments: str) -> None:
        done = self.system.run(["openssl", *arguments], timeout=300)
        if done.rc == 127:
            raise TlsError("the program openssl is not on this host. Install the package openssl")
        if done.rc != 0:
            lines = done.text.splitlines()
            raise TlsError(f"openssl could not {purpose} ({lines[-1].strip() if lines else f'exit code {done.rc}'})")


def _same(found: Material, wanted: Material) -> bool:
    """Tell whether two are the same but for line breaks and anything between the PEM blocks."""
    return found.trust == wanted.trust and all(
        _blocks(one) == _blocks(other)
        for one, other in ((found.certificate, wanted.certificate), (found.key, wanted.key))
    )


def _verify_words(done: Done, role: str) -> str:
    """Return why openssl refuses a certificate, in words of ours where we know it."""
    match = _VERIFY_ERROR.search(done.text)
    if not match:
        lines = done.text.splitlines()
        return lines[-1].strip() if lines else f"openssl verify ended with {done.rc}"
    code, depth = int(match.group(1)), int(match.group(2))
    if code == _PURPOSE_ERROR:
        words = f"it is not for a TLS {role} (extendedKeyUsage); have it issued for serverAuth and clientAuth"
    else:
        words = _VERIFY_WORDS.get(code, match.group(3).strip() or f"error {code}")
    # Which one of its chain it is about; these errors speak of the one above.
    return words if depth == 0 or code in (2, 19, 20, 21) else f"of what signed it ({depth} above): {words}"


def in_words(generation: str | None, material: Material | None) -> str:
    """Return the public parts of a generation, for diffs; empty for none."""
    if generation is None:
        return ""
    if material is None:
        return f"generation: {generation}\ncertificate: not signed yet\n"
    lines = [f"generation: {generation}", "certificate: " + _about(material.certificate)]
    return "\n".join(lines + ["trusted CA: " + _about(pem) for pem in material.trust]) + "\n"


def _about(pem: str) -> str:
    try:
        return _x509.first_of(pem.encode("ascii", "replace")).text()
    except ValueError as exc:
        return str(exc)
