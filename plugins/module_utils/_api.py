# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea's JSON API: one client, two transports (UNIX socket, HTTP and HTTPS), typed errors.

Private to this collection. Nothing here knows an Ansible module: every failure is a :class:`KeaApiError` whose text
says what is wrong, where, and what to do. Passwords never get into a message.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import errno
import http.client
import json
import os
import re
import socket
import ssl
import time
import typing as t
import urllib.parse

from ansible_collections.keaops.kea.plugins.module_utils import _x509

RESULT_SUCCESS = 0
RESULT_UNSUPPORTED = 2
RESULT_EMPTY = 3
RESULT_PARTIAL = 5

#: Largest reply read, in bytes: 100,000 reservations are about 40 MB of ``config-get``.
MAX_REPLY_BYTES = 256 * 1024 * 1024
# How many leases are asked for at once: more would keep a server from its clients.
LEASE_PAGE = 1000
MAX_LEASES = 5000  # reading more to count or compare them would hold it up for too long

#: The daemons, and the key of each one's configuration in ``config-get``.
SERVICES = {"dhcp4": "Dhcp4", "dhcp6": "Dhcp6", "d2": "DhcpDdns", "ctrl_agent": "Control-agent"}

#: Where a distribution's Kea opens the control socket of the DHCPv4 server.
DEFAULT_SOCKET = "/run/kea/kea4-ctrl-socket"

HIDDEN = "********"

#: Read-only commands whose names do not follow the pattern of the others, ``*-get*`` and ``*-list``.
READ_ONLY_COMMANDS = frozenset(["build-report", "config-test", "ha-heartbeat", "list-commands"])

_CHUNK = 65536
#: Seconds for finding out why a connection was closed.
_PROBE_TIMEOUT = 3
_HASHED_NAME = re.compile(r"^[0-9a-f]{8}\.\d+$")
_GIVE_READABLE = "Give a file on the managed host that the task's user may read."
_GIVE_PEM = "Give a PEM file."
# X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED; _HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH; _INVALID_PURPOSE.
_DATE_CODES = {9: "tls_not_yet_valid", 10: "tls_expired"}
_NAME_CODES = (62, 64)
_PURPOSE_CODE = 26
# Alerts of a server about the certificate of its client. Old servers have but one word for everything, the last one.
_CLIENT_ALERTS = ("certificate", "unknown ca", "access denied", "decrypt error", "handshake failure")
_SECRET_KEY = re.compile(r"^(.*[-_])?(password|secret)$")
_READ_ONLY_PATTERN = re.compile(r"^[a-z0-9]+(-[a-z0-9]+)*-(get|list|select-test)(-[a-z0-9]+)*$")


def is_read_only(command: str) -> bool:
    """Return whether *command* changes nothing in Kea. A command that is not known counts as changing."""
    return command in READ_ONLY_COMMANDS or _READ_ONLY_PATTERN.match(command) is not None


def is_secret(key, value) -> bool:
    """Return whether *value* is a password or secret, by its *key* in a reply or a configuration."""
    return isinstance(value, str) and bool(value) and _SECRET_KEY.match(str(key)) is not None


def hide_secrets(value):
    """Return a copy of a reply or a configuration in which the value of every password and secret is asterisks."""
    if isinstance(value, dict):
        return {key: HIDDEN if is_secret(key, item) else hide_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [hide_secrets(item) for item in value]
    return value


class Reply(t.NamedTuple):
    """What Kea answered.

    Attributes:
        result: Kea's code: 0 success, 1 error, 2 unsupported, 3 nothing found, 4 conflict, 5 partly applied.
        text: Kea's words, empty when there are none.
        arguments: the data, or None.
    """

    result: int
    text: str
    arguments: t.Any


class KeaApiError(Exception):
    """A request that brought no usable reply.

    Attributes:
        kind (str): ``refused``, ``timeout``, ``unreachable``, ``unauthorized``, ``forbidden``, ``not_kea``, ``empty``,
            ``no_socket``, ``permission``, ``protocol``, ``wrong_service`` or ``option``; in :class:`CommandFailed` also
            ``command_failed``, ``unsupported`` and ``offline``.
            About the server's certificate ``tls_expired``, ``tls_not_yet_valid``, ``tls_untrusted``, ``tls_name``,
            ``tls_purpose``; about the client's ``tls_client_cert`` (none was given), ``tls_client_expired``,
            ``tls_client_untrusted``, ``tls_client_refused``, ``tls_files``; about the session ``tls_plain`` (https to a
            port without TLS), ``tls_wanted`` (http to one with TLS), ``tls_version``, ``tls_handshake``.
        url (str): the address asked, ``unix:`` and the path for a UNIX socket; empty when it never came to one.
        detail (str): the low-level reason in its own words.
    """

    def __init__(self, kind: str, url: str, detail: str, sentence: str) -> None:
        super().__init__(f"{url}: {sentence}" if url else sentence)
        self.kind = kind
        self.url = url
        self.detail = detail


class CommandFailed(KeaApiError):
    """Kea understood the request and answered that it failed.

    Attributes:
        reply (Reply): the whole reply.
    """

    def __init__(self, kind: str, url: str, reply: Reply, sentence: str) -> None:
        super().__init__(kind, url, reply.text, sentence)
        self.reply = reply


class RawReply(t.NamedTuple):
    """The bytes a transport received; *status* is None on a UNIX socket."""

    status: int | None
    body: bytes


class UnixTransport:
    """Kea's control socket on this host.

    Args:
        path: the socket file.
        timeout: seconds the whole exchange may take.
    """

    sends_service = False

    def __init__(self, path: str, timeout: float = 10) -> None:
        self.path = path
        self.timeout = timeout
        self.url = "unix:" + path

    def exchange(self, request: bytes, command: str) -> RawReply:
        """Send one request and return the reply.

        Raises:
            KeaApiError: no_socket, permission, refused, timeout, empty, protocol.
        """
        deadline = time.monotonic() + self.timeout
        body = _Body(self.url, deadline)
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as sock:
            try:
                sock.settimeout(self.timeout)
                sock.connect(self.path)
                sock.sendall(request)
                while True:
                    sock.settimeout(_left(deadline))
                    chunk = sock.recv(_CHUNK)
                    if not chunk:
                        break
                    body.add(chunk)
            except OSError as exc:
                raise self._error(exc, command) from exc
        return RawReply(None, body.data())

    def scrub(self, text: str) -> str:
        """Return *text* as it is: no password is sent over a socket."""
        return text

    def empty(self, command: str) -> KeaApiError:
        """Return the error for a connection that was closed without a reply."""
        sentence = f"Kea closed the connection without a reply to {command}. Look into its log for the reason."
        return KeaApiError("empty", self.url, "no reply", sentence)

    def unauthorized(self) -> KeaApiError:
        """Return the error for a reply 401, which no Kea sends on a socket."""
        return KeaApiError("unauthorized", self.url, "401", "the request was refused as unauthorized.")

    def _error(self, exc: OSError, command: str) -> KeaApiError:
        detail = exc.strerror or str(exc)
        if isinstance(exc, socket.timeout):
            return _timed_out(self.url, self.timeout, command)
        if isinstance(exc, (ConnectionResetError, BrokenPipeError)):
            return self.empty(command)
        if isinstance(exc, (FileNotFoundError, NotADirectoryError)):
            kind = "no_socket"
            sentence = (
                "there is no such socket: the daemon does not run, or its configuration has another socket-name. "
                "Start the daemon or correct the path."
            )
        elif isinstance(exc, PermissionError):
            kind = "permission"
            sentence = "permission denied. Run the task as root (become: true) or as Kea's own user."
        elif isinstance(exc, ConnectionRefusedError):
            kind = "refused"
            sentence = (
                "the socket file is there but nobody listens on it: the daemon has stopped or died. Start it, and "
                "look into its log."
            )
        else:
            kind = "protocol"
            sentence = f"{detail}. Check that the path is that of Kea's control socket."
        return KeaApiError(kind, self.url, detail, sentence)


class HttpTransport:
    """A Kea Control Agent, an HTTP control socket (Kea 3.0 and later) or a dedicated HA listener.

    Proxies of the environment are not used, redirects are not followed and ``~/.netrc`` is not read. Speaks TLS 1.2 and
    later.

    Args:
        url: ``http://`` or ``https://``, address and port.
        user: user of the basic authentication, or None.
        password: its password.
        ca_path: for https, the authorities to trust: a file, or a folder with hashed names as ``openssl rehash`` makes
            it; None trusts the system's.
        client_cert: file with the certificate to show, for https.
        client_key: file with its key.
        timeout: seconds the whole exchange may take.
        verify_hostname: whether the certificate must name the host of *url*. Kea itself does not ask for that.

    Attributes:
        certificate (_x509.Certificate): what the server showed last, be it trusted or not. None before, and for http.

    Raises:
        KeaApiError: kind ``option`` for a URL or a combination that cannot work, ``tls_files`` for unusable files.
    """

    sends_service = True

    def __init__(
        self,
        url: str,
        user: str | None = None,
        password: str | None = None,
        ca_path: str | None = None,
        client_cert: str | None = None,
        client_key: str | None = None,
        timeout: float = 10,
        verify_hostname: bool = True,
    ) -> None:
        self.url = url
        self.timeout = timeout
        self.certificate: _x509.Certificate | None = None
        self._user = user
        self._password = password
        self._ca_path = ca_path
        self._client_cert = client_cert
        self._client_key = client_key
        parts = _checked_url(url)
        self._https = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._https else 80)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._context = self._verifying(verify_hostname)
        self._headers = {"Content-Type": "application/json", "Connection": "close"}
        if user is not None:
            token = f"{user}:{password or ''}".encode()
            self._headers["Authorization"] = "Basic " + base64.b64encode(token).decode("ascii")

    def _verifying(self, verify_hostname: bool) -> ssl.SSLContext | None:
        """Return the context for requests, None for http."""
        if not self._https:
            if self._ca_path or self._client_cert or self._client_key:
                sentence = "TLS files are given but the URL says http. Write https:// in the URL."
                raise KeaApiError("option", self.url, "TLS files with an http URL", sentence)
            return None
        context = _client_context()
        context.check_hostname = verify_hostname
        if self._ca_path:
            self._load_authorities(context, self._ca_path)
        else:
            context.load_default_certs()
        self._load_own(context)
        return context

    def _trusting(self) -> ssl.SSLContext:
        """Return a context that trusts everybody: only to see what a server shows, never for a request."""
        context = _client_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._load_own(context)
        return context

    def _load_authorities(self, context: ssl.SSLContext, path: str) -> None:
        try:
            if os.path.isdir(path):
                hashed = [os.path.join(path, name) for name in os.listdir(path) if _HASHED_NAME.match(name)]
                if not hashed:
                    fix = "Put the certificates into it and run openssl rehash on it."
                    raise self._bad_file("ca_path", path, "the folder has no certificate with a hashed name", fix)
                # OpenSSL passes over what it cannot read, and then knows no authority.
                for name in hashed:
                    _read_file(name)
                context.load_verify_locations(capath=path)
            else:
                _read_file(path)
                context.load_verify_locations(cafile=path)
        except ssl.SSLError as exc:
            raise self._bad_file("ca_path", path, f"no PEM certificate in it ({_reason(exc)})", _GIVE_PEM) from exc
        except OSError as exc:
            raise self._bad_file("ca_path", exc.filename or path, _reason(exc), _GIVE_READABLE) from exc

    def _load_own(self, context: ssl.SSLContext) -> None:
        if not self._client_cert:
            return
        key_option, key = ("client_key", self._client_key) if self._client_key else ("client_cert", self._client_cert)
        try:
            pem = _read_file(self._client_cert)
            _read_file(key)
        except OSError as exc:
            option = "client_cert" if exc.filename == self._client_cert else key_option
            raise self._bad_file(option, exc.filename, _reason(exc), _GIVE_READABLE) from exc
        asked: list[bool] = []

        def no_passphrase() -> str:
            asked.append(True)
            return ""

        try:
            # Without a function OpenSSL would ask for a passphrase on a terminal.
            context.load_cert_chain(self._client_cert, key, password=no_passphrase)
        except (OSError, ValueError) as exc:
            if asked:
                raise self._bad_file(key_option, key, "the key has a passphrase", "Give a key without one.") from exc
            if "key values mismatch" in _words(exc):
                fix = f"Give the key of client_cert {self._client_cert}."
                raise self._bad_file(key_option, key, "the key is of another certificate", fix) from exc
            try:
                _x509.first_of(pem)
            except ValueError as why:
                raise self._bad_file("client_cert", self._client_cert, str(why), _GIVE_PEM) from exc
            raise self._bad_file(key_option, key, f"no PEM key in it ({_reason(exc)})", _GIVE_PEM) from exc

    def _bad_file(self, option: str, path: str, detail: str, fix: str) -> KeaApiError:
        sentence = f"{option} {path} cannot be used: {detail}. {fix}"
        return KeaApiError("tls_files", self.url, f"{path}: {detail}", sentence)

    def exchange(self, request: bytes, command: str) -> RawReply:
        """Send one request and return the reply with its HTTP status.

        Raises:
            KeaApiError: refused, timeout, unreachable, tls_*, empty, not_kea, protocol.
        """
        deadline = time.monotonic() + self.timeout
        connection = http.client.HTTPConnection(self._host, self._port)
        try:
            sock = self._dial(self._context, self.timeout)
            connection.sock = sock
            self._note_certificate(sock)
            sock.settimeout(_left(deadline))
            connection.request("POST", self._path, body=request, headers=self._headers)
            with contextlib.closing(connection.getresponse()) as response:
                return RawReply(response.status, self._read(response, sock, deadline))
        except KeaApiError:
            raise
        except Exception as exc:  # errors of sockets, OpenSSL and http.client have no common base
            raise self._error(exc, command) from exc
        finally:
            connection.close()

    def look(self) -> _x509.Certificate:
        """Return the certificate that is served there, whoever signed it and whatever its dates and names are.

        Raises:
            KeaApiError: refused, timeout, unreachable, tls_*, empty.
        """
        try:
            with self._dial(self._trusting(), self.timeout) as sock:
                self._note_certificate(sock)
        except KeaApiError:
            raise
        except Exception as exc:
            raise self._error(exc, "a TLS handshake") from exc
        if self.certificate is None:
            raise KeaApiError("tls_handshake", self.url, "no certificate", "the server shows no certificate.")
        return self.certificate

    def _dial(self, context: ssl.SSLContext | None, timeout: float) -> socket.socket:
        """Return a connection, over TLS when there is a context."""
        sock = socket.create_connection((self._host, self._port), timeout)
        try:
            # The head and the body of a request are two small packets.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return context.wrap_socket(sock, server_hostname=self._host) if context else sock
        except BaseException:
            sock.close()
            raise

    def _note_certificate(self, sock: socket.socket) -> None:
        der = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
        self.certificate = _x509.parse(der) if der else None

    def _read(self, response: http.client.HTTPResponse, sock: socket.socket, deadline: float) -> bytes:
        body = _Body(self.url, deadline)
        # read1() returns what has come, so that a server that drips cannot stretch the time limit.
        while not response.isclosed():
            sock.settimeout(_left(deadline))
            chunk = response.read1(_CHUNK)
            if not chunk:
                break
            body.add(chunk)
        expected = response.headers.get("Content-Length", "")
        if expected.isdigit() and body.size < int(expected):
            raise http.client.IncompleteRead(b"", int(expected) - body.size)
        return body.data()

    def scrub(self, text: str) -> str:
        """Return *text* without the password."""
        return text.replace(self._password, HIDDEN) if self._password else text

    def empty(self, command: str) -> KeaApiError:
        """Return the error for a reply without a text."""
        sentence = f"the reply to {command} is empty. Look into the log of the server."
        return KeaApiError("empty", self.url, "empty reply", sentence)

    def unauthorized(self) -> KeaApiError:
        """Return the error for HTTP 401."""
        if self._user is None:
            sentence = (
                "a user and a password are wanted there (HTTP 401) and none were given. Set user, and password or "
                "password_file."
            )
        else:
            sentence = (
                "the user or the password is wrong (HTTP 401). Give those of the authentication in the configuration "
                "of that server."
            )
        return KeaApiError("unauthorized", self.url, "HTTP 401", sentence)

    def _error(self, exc: BaseException, command: str) -> KeaApiError:
        detail = self.scrub(_reason(exc))
        if isinstance(exc, socket.timeout) or getattr(exc, "errno", None) == errno.ETIMEDOUT:
            return _timed_out(self.url, self.timeout, command)
        # RemoteDisconnected is a ConnectionResetError. Which of OpenSSL's two it is depends on its release.
        cut = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
        if isinstance(exc, cut):
            return self._closed(command)
        if isinstance(exc, ssl.SSLError):
            return self._tls_error(exc, detail)
        if isinstance(exc, ConnectionRefusedError):
            kind = "refused"
            sentence = (
                "connection refused: nothing listens there. Start the Kea service that owns this address and port, or "
                "correct the URL."
            )
        elif isinstance(exc, http.client.IncompleteRead):
            kind = "protocol"
            sentence = f"the reply to {command} broke off. Try again, and look into the log of the server."
        elif isinstance(exc, (http.client.HTTPException, UnicodeError)):
            kind = "not_kea"
            sentence = f"what answers there does not speak HTTP ({detail}). Correct the address and the port."
        elif isinstance(exc, OSError):
            kind = "unreachable"
            sentence = f"cannot be reached: {detail}. Check the address and the network between the hosts."
        else:
            kind = "protocol"
            sentence = f"{type(exc).__name__}: {detail}."
        return KeaApiError(kind, self.url, detail, sentence)

    def _closed(self, command: str) -> KeaApiError:
        """Return the error for a connection that was closed without a reply: TLS may be the reason."""
        if self._https:
            refusal = self._late_refusal()
            if refusal is not None:
                return refusal
        elif self._speaks_tls():
            sentence = "the server speaks TLS on this port, and the URL says http. Write https:// in the URL."
            return KeaApiError("tls_wanted", self.url, "closed", sentence)
        sentence = f"the connection was closed without a reply to {command}. Look into the log of the server."
        return KeaApiError("empty", self.url, "no reply", sentence)

    def _late_refusal(self) -> KeaApiError | None:
        """Return why the server refuses a TLS session after the handshake, or None.

        With TLS 1.3 it judges the client's certificate that late, and what the client has sent by then can make the end
        of the connection overtake the reason. So nothing is sent here.
        """
        try:
            with self._dial(self._context, min(self.timeout, _PROBE_TIMEOUT)) as sock:
                sock.recv(1)
        except ssl.SSLError as exc:
            return self._tls_error(exc, _reason(exc)) if _is_alert(exc) else None
        except OSError:
            return None
        return None

    def _speaks_tls(self) -> bool:
        try:
            with self._dial(self._trusting(), min(self.timeout, _PROBE_TIMEOUT)):
                return True
        except ssl.SSLError as exc:
            return _is_alert(exc)
        except OSError:
            return False

    def _tls_error(self, exc: ssl.SSLError, detail: str) -> KeaApiError:
        code = getattr(exc, "verify_code", None)
        words = _words(exc)
        if code is not None:
            kind, sentence = self._distrust(code, detail)
        elif any(sign in words for sign in ("protocol version", "unsupported protocol", "version too low")):
            kind = "tls_version"
            sentence = f"the server speaks no TLS 1.2 or later ({detail}). Update its OpenSSL, or allow TLS 1.2 there."
        elif _is_alert(exc) and any(sign in words for sign in _CLIENT_ALERTS):
            kind, sentence = self._refusal(words, detail)
        elif any(sign in words for sign in ("wrong version number", "http request", "record layer", "packet length")):
            kind = "tls_plain"
            sentence = (
                f"what answers there does not speak TLS ({detail}). Turn TLS on there, or write http:// in the URL."
            )
        else:
            kind = "tls_handshake"
            sentence = f"the TLS session failed: {detail}. Look into the log of the server for its side of the reason."
        return KeaApiError(kind, self.url, detail, sentence)

    def _distrust(self, code: int, detail: str) -> tuple[str, str]:
        """Return kind and sentence for a certificate of the server that OpenSSL refused with an X509_V_ERR code."""
        with contextlib.suppress(Exception), self._dial(self._trusting(), self.timeout) as sock:
            self._note_certificate(sock)
        shown = self.certificate
        which = f"the server's certificate ({shown.text()})" if shown else "the server's certificate"
        now = datetime.datetime.now(datetime.timezone.utc)
        clock = f"and the clock of this host says {_x509.stamp(now)}"
        if code in _DATE_CODES:
            if shown and shown.not_before <= now <= shown.not_after:
                which = "the certificate of the authority that signed the server's"
            if _DATE_CODES[code] == "tls_expired":
                return "tls_expired", f"{which} has expired, {clock}. Renew it, or set the clock."
            return "tls_not_yet_valid", f"{which} is not valid yet, {clock}. Set the clocks of both hosts by NTP."
        if code in _NAME_CODES:
            return "tls_name", (
                f"{which} is of another server: {detail}. Correct the URL; or issue the certificate with this address "
                "as subject alternative name; or set verify_hostname: false, as Kea itself does not check names."
            )
        if code == _PURPOSE_CODE:
            return "tls_purpose", (
                f"{which} may not be used by a server: {detail}. Issue it with the extended key usage serverAuth."
            )
        trusted = f"ca_path {self._ca_path}" if self._ca_path else "the system's trusted certificates"
        return "tls_untrusted", (
            f"{which} is not signed by an authority in {trusted}: {detail}. Give the one that signed it as ca_path."
        )

    def _refusal(self, words: str, detail: str) -> tuple[str, str]:
        """Return kind and sentence for an alert of the server about the client's certificate."""
        if not self._client_cert:
            return "tls_client_cert", (
                f"the server wants a client certificate and none was given ({detail}). Set client_cert and client_key."
            )
        which, early = f"client_cert {self._client_cert}", False
        with contextlib.suppress(OSError, ValueError):
            own = _x509.first_of(_read_file(self._client_cert))
            which += f" ({own.text()})"
            early = own.not_before > datetime.datetime.now(datetime.timezone.utc)
        if "certificate expired" in words:
            kind, why = "tls_client_expired", "it has expired"
            fix = "Renew it, and set the clocks of both hosts by NTP."
        elif "unknown ca" in words:
            kind, why = "tls_client_untrusted", "the server does not trust the authority that signed it"
            fix = "Issue it by an authority in the server's trust-anchor; a running server has read that at its start."
        elif "unsupported certificate" in words:
            kind, why = "tls_client_refused", "it may not be used by a client"
            fix = "Issue it with the extended key usage clientAuth."
        elif early:
            kind, why, fix = "tls_client_refused", "it is not valid yet", "Set the clocks of both hosts by NTP."
        else:
            kind, why, fix = "tls_client_refused", detail, "Look into the log of the server for its reason."
        return kind, f"the server refuses {which}: {why}. {fix}"


class KeaClient:
    """Sends commands to one Kea daemon.

    Args:
        transport: the way to it.
        service: the daemon meant, a key of ``SERVICES``. ``ctrl_agent`` is the Control Agent itself; it answers every
            request that names no service, which is why all others are named over HTTP.

    Raises:
        ValueError: an unknown service.
    """

    def __init__(self, transport: UnixTransport | HttpTransport, service: str = "dhcp4") -> None:
        if service not in SERVICES:
            raise ValueError(f"service {service!r} is not one of {', '.join(SERVICES)}")
        self.transport = transport
        self.service = service

    @property
    def url(self) -> str:
        """The address asked, for messages."""
        return self.transport.url

    def command(self, name: str, arguments: dict | None = None, check: bool = False) -> Reply:
        """Send one command and return Kea's reply.

        Args:
            name: the command.
            arguments: its arguments.
            check: raise for every result that is neither success (0) nor nothing found (3).

        Raises:
            KeaApiError: no usable reply.
            CommandFailed: Kea reports a failure; only with *check*.
        """
        request: dict = {"command": name}
        if self.transport.sends_service and self.service != "ctrl_agent":
            request["service"] = [self.service]
        if arguments is not None:
            request["arguments"] = arguments
        reply = self._parse(self.transport.exchange(json.dumps(request).encode("utf-8"), name), name)
        self._check_daemon(name, reply)
        if check and reply.result not in (RESULT_SUCCESS, RESULT_EMPTY):
            raise self.failure(name, reply)
        return reply

    def failure(self, name: str, reply: Reply) -> CommandFailed:
        """Return the error for a reply that reports a failure."""
        text = (self.transport.scrub(reply.text) or "no reason given").rstrip(". ")
        kind, fix = "command_failed", ""
        if reply.result == RESULT_UNSUPPORTED:
            kind = "unsupported"
            fix = " This version of Kea has no such command, or the hook library that brings it is not loaded."
        elif "unable to forward command" in text:
            kind = "offline"
            fix = " The Control Agent runs but the daemon behind it does not: start it, and look into its log."
        elif "forwarding socket is not configured" in text:
            kind = "wrong_service"
            fix = " Add the daemon's socket to control-sockets of the Control Agent, or name another service."
        elif reply.result == RESULT_PARTIAL:
            fix = " A part of it was applied all the same: compare config-get with what you want."
        sentence = f"{name} failed with result {reply.result}: {text}.{fix}"
        return CommandFailed(kind, self.url, reply, sentence)

    def _parse(self, raw: RawReply, name: str) -> Reply:
        if raw.status == 401:
            raise self.transport.unauthorized()
        if raw.status == 403:
            sentence = (
                f"the command {name} is forbidden there (HTTP 403), as on an HA listener with restrict-commands. Send "
                "it to a control socket of that server."
            )
            raise KeaApiError("forbidden", self.url, "HTTP 403", sentence)
        if raw.status is not None and 300 <= raw.status < 400:
            raise self._not_kea(f"a redirect (HTTP {raw.status})")
        if not raw.body.strip():
            if raw.status not in (None, 200):
                raise self._not_kea(f"HTTP {raw.status} without a text")
            raise self.transport.empty(name)
        try:
            data = json.loads(raw.body.decode("utf-8", "replace"))
        except ValueError as exc:
            if raw.status is not None:
                raise self._not_kea(self._excerpt(raw)) from None
            sentence = f"the reply to {name} broke off or is not JSON ({exc}). Look into the log of the daemon."
            raise KeaApiError("protocol", self.url, str(exc), sentence) from None
        except RecursionError:
            raise self._not_kea("JSON that is nested too deeply") from None
        if isinstance(data, list) and len(data) != 1:
            sentence = f"{len(data)} replies to one {name}. Correct the URL: Kea sends one for each service asked."
            raise KeaApiError("protocol", self.url, f"{len(data)} replies", sentence)
        entry = data[0] if isinstance(data, list) else data
        result = entry.get("result") if isinstance(entry, dict) else None
        if not isinstance(result, int) or isinstance(result, bool):
            raise self._not_kea(f"JSON without Kea's result code, {self._excerpt(raw)}")
        text = entry.get("text")
        text = text if isinstance(text, str) else ""
        if raw.status not in (None, 200):
            reason = self.transport.scrub(text) or "no reason given"
            sentence = f"the server refused the request {name} with HTTP {raw.status}: {reason}."
            raise KeaApiError("protocol", self.url, reason, sentence)
        return Reply(result, text, entry.get("arguments"))

    def _excerpt(self, raw: RawReply) -> str:
        text = " ".join(self.transport.scrub(raw.body[:4000].decode("utf-8", "replace")).split())
        text = "".join(char for char in text if char.isprintable())[:100]
        return f"HTTP {raw.status}: {text}" if raw.status else text

    def _not_kea(self, detail: str) -> KeaApiError:
        sentence = f"this is not Kea's API, it answers {detail}. Correct the address and the port."
        return KeaApiError("not_kea", self.url, detail, sentence)

    def _check_daemon(self, name: str, reply: Reply) -> None:
        """Refuse a good reply of the wrong daemon, the most misleading reply there is."""
        if reply.result != RESULT_SUCCESS or not isinstance(reply.arguments, dict):
            return
        wanted = SERVICES[self.service]
        answered = wanted
        if name == "config-get":
            found = [key for key in SERVICES.values() if key in reply.arguments]
            if found and wanted not in found:
                answered = found[0]
        elif name == "status-get" and self.service in ("dhcp4", "dhcp6") and _is_no_dhcp_server(reply.arguments):
            answered = "Control-agent"
        if answered != wanted:
            sentence = f"the daemon {answered} answered {name} instead of {wanted}. Correct the URL and the service."
            raise KeaApiError("wrong_service", self.url, answered, sentence)


def _is_no_dhcp_server(status: dict) -> bool:
    """Return whether a ``status-get`` is of another daemon: a DHCP server of any version tells about its threads."""
    return "pid" in status and "multi-threading-enabled" not in status


class _Body:
    """The parts of a reply, bounded in size and time."""

    def __init__(self, url: str, deadline: float) -> None:
        self.size = 0
        self._url = url
        self._deadline = deadline
        self._chunks: list[bytes] = []

    def add(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self.size += len(chunk)
        if self.size > MAX_REPLY_BYTES:
            limit = MAX_REPLY_BYTES // 1024**2
            sentence = f"the reply is larger than {limit} MB and was cut off. Ask for less, for example by pages."
            raise KeaApiError("protocol", self._url, "reply too large", sentence)
        if time.monotonic() > self._deadline:
            raise socket.timeout("timed out")

    def data(self) -> bytes:
        return b"".join(self._chunks)


def _client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 refuses authorities that Kea and older Pythons accept, for a missing key usage extension.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _checked_url(url: str) -> urllib.parse.SplitResult:
    """Return the parts of *url*; the messages leave out what stands before the host, it may be a password."""
    fix = "Write http://ADDRESS:PORT/ or https://ADDRESS:PORT/."
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise KeaApiError("option", "", str(exc), f"The URL is not valid: {exc}. {fix}") from None
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    shown = f"{parts.scheme}://{host}" + (f":{port}" if port else "")
    if parts.username is not None or parts.password is not None:
        sentence = "the URL holds a user or a password. Give them as user and password."
        raise KeaApiError("option", shown, "credentials in the URL", sentence)
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        raise KeaApiError("option", url, "not an http URL", f"this is not an http or https URL. {fix}")
    return parts


def _left(deadline: float) -> float:
    """Return the seconds left, as a timeout: 0 would mean not to wait at all."""
    return max(deadline - time.monotonic(), 0.001)


def _read_file(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(_CHUNK)


def _timed_out(url: str, timeout: float, command: str) -> KeaApiError:
    sentence = (
        f"no reply to {command} within {timeout:g} s. The host is down, a firewall drops the packets, or Kea hangs."
    )
    return KeaApiError("timeout", url, "timed out", sentence)


def _reason(exc: BaseException) -> str:
    """Return the reason in the words of OpenSSL or the system, without Python's decoration."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {exc.verify_message}".rstrip(".")
    if isinstance(exc, ssl.SSLError) and exc.reason:
        return exc.reason.replace("_", " ").lower()
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return " ".join(str(exc).split()) or type(exc).__name__


def _words(exc: BaseException) -> str:
    """Return all that an error of OpenSSL says, in lower case: its name for it, and its sentence."""
    return f"{getattr(exc, 'reason', None) or ''} {exc}".replace("_", " ").lower()


def _is_alert(exc: ssl.SSLError) -> bool:
    """Return whether the server says what it dislikes; else OpenSSL does on this side."""
    return " alert " in _words(exc)


def read_password(path: str) -> str:
    """Return the password in the file *path* on this host: its text without the newline at the end.

    Raises:
        KeaApiError: kind ``option``, the file cannot be read or is empty.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            password = stream.read(_CHUNK).rstrip("\r\n")
    except (OSError, UnicodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
        sentence = f"password_file {path}: {reason}. Give a file on the managed host that the task's user may read."
        raise KeaApiError("option", "", str(reason), sentence) from exc
    if not password:
        sentence = f"password_file {path}: the file is empty. Write the password into it."
        raise KeaApiError("option", "", "empty file", sentence)
    return password


def connection_argument_spec() -> dict:
    """Return the argument spec of the connection options that all modules share."""
    return {
        "socket": {"type": "path", "default": DEFAULT_SOCKET},
        "url": {"type": "str"},
        "service": {"type": "str", "default": "dhcp4", "choices": list(SERVICES)},
        "user": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "password_file": {"type": "path", "no_log": False},
        "ca_path": {"type": "path"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path", "no_log": False},
        "verify_hostname": {"type": "bool", "default": True},
    }


def connection_rules() -> dict:
    """Return the rules between those options, as keyword arguments of AnsibleModule."""
    return {
        "mutually_exclusive": [("password", "password_file")],
        "required_by": {"password": "user", "password_file": "user", "client_key": "client_cert"},
    }


def http_client(params: dict, url: str, timeout: float) -> KeaClient:
    """Return the client for *url* with the connection options in *params*.

    Raises:
        KeaApiError: ``option`` or ``tls_files``.
    """
    transport = HttpTransport(
        url,
        user=params["user"],
        password=read_password(params["password_file"]) if params["password_file"] else params["password"],
        ca_path=params["ca_path"],
        client_cert=params["client_cert"],
        client_key=params["client_key"],
        timeout=timeout,
        verify_hostname=params["verify_hostname"],
    )
    return KeaClient(transport, params["service"])


def client(params: dict, timeout: float) -> KeaClient:
    """Return the client for the ``url`` in *params*, or for its ``socket`` when there is no URL.

    Raises:
        KeaApiError: ``option`` or ``tls_files``.
    """
    if params["url"]:
        return http_client(params, params["url"], timeout)
    return KeaClient(UnixTransport(os.path.expanduser(params["socket"]), timeout), params["service"])


def allowed(client: KeaClient, command: str, arguments: dict | None = None) -> Reply | None:
    """Return the reply to a command that this API may forbid or this version may not have, else None.

    Raises:
        KeaApiError: for any other failure.
    """
    try:
        reply = client.command(command, arguments)
    except KeaApiError as exc:
        if exc.kind == "forbidden":
            return None
        raise
    return reply if reply.result in (RESULT_SUCCESS, RESULT_EMPTY) else None


def leases(client: KeaClient) -> list | None:
    """Return all DHCPv4 leases, or None when they are more than MAX_LEASES, or may not be asked for.

    Raises:
        KeaApiError: no usable reply.
    """
    found: list = []
    start = "start"
    while client.service == "dhcp4" and len(found) < MAX_LEASES:
        reply = allowed(client, "lease4-get-page", {"from": start, "limit": LEASE_PAGE})
        if reply is None:
            return None
        page = (reply.arguments or {}).get("leases") or []
        found += page
        if len(page) < LEASE_PAGE:
            return found
        start = page[-1]["ip-address"]
    return None
