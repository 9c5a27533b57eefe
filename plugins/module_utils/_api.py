# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea's JSON API: one client, two transports (UNIX socket, HTTP and HTTPS), typed errors.

Private to this collection. Nothing here knows an Ansible module: every failure is a :class:`KeaApiError` whose text
says what is wrong, where, and what to do. Passwords never get into a message.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import http.client
import json
import os
import re
import socket
import ssl
import time
import typing as t
import urllib.error
import urllib.parse

from ansible.module_utils.urls import Request, make_context

RESULT_SUCCESS = 0
RESULT_ERROR = 1
RESULT_UNSUPPORTED = 2
RESULT_EMPTY = 3
RESULT_CONFLICT = 4
RESULT_PARTIAL = 5

#: Largest reply read, in bytes: 100,000 reservations are about 40 MB of ``config-get``.
MAX_REPLY_BYTES = 256 * 1024 * 1024

#: The daemons, and the key of each one's configuration in ``config-get``.
SERVICES = {"dhcp4": "Dhcp4", "dhcp6": "Dhcp6", "d2": "DhcpDdns", "ctrl_agent": "Control-agent"}

#: Where a distribution's Kea opens the control socket of the DHCPv4 server.
DEFAULT_SOCKET = "/run/kea/kea4-ctrl-socket"

HIDDEN = "********"

#: Read-only commands whose names do not follow the pattern of the others, ``*-get*`` and ``*-list``.
READ_ONLY_COMMANDS = frozenset(["build-report", "config-test", "ha-heartbeat", "list-commands"])

_CHUNK = 65536
_SECRET_KEY = re.compile(r"^(.*[-_])?(password|secret)$")
_READ_ONLY_PATTERN = re.compile(r"^[a-z0-9]+(-[a-z0-9]+)*-(get|list|select-test)(-[a-z0-9]+)*$")


def is_read_only(command: str) -> bool:
    """Return whether *command* changes nothing in Kea. A command that is not known counts as changing."""
    return command in READ_ONLY_COMMANDS or _READ_ONLY_PATTERN.match(command) is not None


def hide_secrets(value):
    """Return a copy of a reply or a configuration in which the value of every password and secret is asterisks."""
    if isinstance(value, dict):
        return {
            key: HIDDEN if isinstance(item, str) and item and _SECRET_KEY.match(key) else hide_secrets(item)
            for key, item in value.items()
        }
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
        kind (str): ``refused``, ``timeout``, ``unreachable``, ``unauthorized``, ``forbidden``, ``tls_expired``,
            ``tls_untrusted``, ``tls_name``, ``tls_client_cert``, ``tls_plain``, ``tls_files``, ``tls_handshake``,
            ``not_kea``, ``empty``, ``no_socket``, ``permission``, ``protocol``, ``wrong_service`` or ``option``;
            in :class:`CommandFailed` also ``command_failed``, ``unsupported`` and ``offline``.
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
                    sock.settimeout(max(deadline - time.monotonic(), 0.001))
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

    Proxies of the environment are not used, redirects are not followed and ``~/.netrc`` is not read.

    Args:
        url: ``http://`` or ``https://``, address and port.
        user: user of the basic authentication, or None.
        password: its password.
        ca_path: file with the certificate authority to trust, for https; None trusts the system's.
        client_cert: file with the certificate to show, for https.
        client_key: file with its key.
        timeout: seconds the whole exchange may take.
        verify_hostname: whether the certificate must name the host of *url*. Kea itself does not ask for that.

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
        self._user = user
        self._password = password
        self._client_cert = client_cert
        self._https = _checked_scheme(url) == "https"
        self._context = self._make_context(ca_path, client_key, verify_hostname)
        self._headers = {"Content-Type": "application/json"}
        if user is not None:
            token = f"{user}:{password or ''}".encode()
            self._headers["Authorization"] = "Basic " + base64.b64encode(token).decode("ascii")

    def _make_context(self, ca_path: str | None, client_key: str | None, verify_hostname: bool) -> ssl.SSLContext:
        files = [path for path in (ca_path, self._client_cert, client_key) if path]
        if not self._https:
            if files:
                sentence = "TLS files are given but the URL says http. Write https:// in the URL."
                raise KeaApiError("option", self.url, "TLS files with an http URL", sentence)
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for path in files:
            # OpenSSL's own message would not name the file.
            self._check_readable(path)
        try:
            context = make_context(cafile=ca_path, client_cert=self._client_cert, client_key=client_key)
        except (OSError, ValueError) as exc:
            raise self._bad_files(f"{', '.join(files)}: {_reason(exc)}") from exc
        # Python 3.13 refuses authorities that Kea and older Pythons accept, for a missing key usage extension.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not verify_hostname:
            context.check_hostname = False
        return context

    def _check_readable(self, path: str) -> None:
        try:
            with open(path, "rb"):
                pass
        except OSError as exc:
            raise self._bad_files(f"{path}: {exc.strerror}") from exc

    def _bad_files(self, detail: str) -> KeaApiError:
        sentence = (
            f"the TLS files cannot be used: {detail}. They must be readable PEM files on the managed host, and the key "
            "must belong to the certificate and have no passphrase."
        )
        return KeaApiError("tls_files", self.url, detail, sentence)

    def exchange(self, request: bytes, command: str) -> RawReply:
        """Send one request and return the reply with its HTTP status.

        Raises:
            KeaApiError: refused, timeout, unreachable, tls_*, empty, not_kea, protocol.
        """
        deadline = time.monotonic() + self.timeout
        response: t.Any = None
        try:
            try:
                response = Request().open(
                    "POST",
                    self.url,
                    data=request,
                    headers=self._headers,
                    timeout=self.timeout,
                    use_proxy=False,
                    use_netrc=False,
                    follow_redirects="none",
                    decompress=False,
                    context=self._context,
                )
            except urllib.error.HTTPError as exc:
                response = exc
            return RawReply(response.getcode(), self._read(response, deadline))
        except KeaApiError:
            raise
        except Exception as exc:  # urllib lets errors of sockets, OpenSSL and http.client through, wrapped or bare
            raise self._error(exc, command) from exc
        finally:
            if response is not None:
                response.close()

    def _read(self, response, deadline: float) -> bytes:
        body = _Body(self.url, deadline)
        # read1() returns what has come, so that a server that drips cannot stretch the time limit.
        read1 = getattr(response, "read1", None) or response.fp.read1
        while True:
            chunk = read1(_CHUNK)
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
        """Return the error for a connection that was closed without a reply."""
        if not self._https:
            hint = "If this port speaks TLS, write https:// in the URL; else look into the log of the server."
        elif self._client_cert:
            hint = "The server may have refused the TLS session; its log says why."
        else:
            hint = "The server may want a client certificate (client_cert, client_key); its log says so."
        sentence = f"the connection was closed without a reply to {command}. {hint}"
        return KeaApiError("empty", self.url, "no reply", sentence)

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
        if isinstance(exc, urllib.error.URLError) and isinstance(exc.reason, BaseException):
            exc = exc.reason
        detail = self.scrub(_reason(exc))
        if isinstance(exc, socket.timeout) or getattr(exc, "errno", None) == errno.ETIMEDOUT:
            return _timed_out(self.url, self.timeout, command)
        # RemoteDisconnected is a ConnectionResetError.
        if isinstance(exc, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, ssl.SSLEOFError)):
            return self.empty(command)
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

    def _tls_error(self, exc: ssl.SSLError, detail: str) -> KeaApiError:
        code = getattr(exc, "verify_code", None)
        words = detail.lower()
        if code in (9, 10):  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
            kind, fix = "tls_expired", "Renew the server's certificate and check the clocks of both hosts."
        elif code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
            kind = "tls_name"
            fix = (
                "Issue the certificate with this address as subject alternative name, or set verify_hostname: false "
                "as Kea itself does not check names."
            )
        elif code is not None:
            kind, fix = "tls_untrusted", "Give the authority that signed the server's certificate as ca_path."
        elif "alert" in words and ("certificate" in words or "unknown ca" in words or "handshake failure" in words):
            kind = "tls_client_cert"
            fix = (
                "The server refuses client_cert: it must be valid now, allow clientAuth, and be signed by the "
                "authority that server trusts."
                if self._client_cert
                else "The server wants a client certificate: set client_cert and client_key."
            )
        elif any(sign in words for sign in ("wrong version number", "http request", "record layer", "packet length")):
            kind = "tls_plain"
            fix = "The server speaks plain HTTP on this port: write http:// in the URL, or turn TLS on there."
        else:
            kind, fix = "tls_handshake", "Look into the log of the server for its side of the reason."
        return KeaApiError(kind, self.url, detail, f"the TLS session failed: {detail}. {fix}")


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


def _checked_scheme(url: str) -> str:
    """Return the scheme of *url*; the messages leave out what stands before the host, it may be a password."""
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
    if parts.scheme not in ("http", "https") or not host:
        raise KeaApiError("option", url, "not an http URL", f"this is not an http or https URL. {fix}")
    return parts.scheme


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
