# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small real servers that stand for Kea's daemons, certificates for them, and modules run in this process.

The fixtures are for every test file that says ``pytest_plugins = ("servers",)``.
"""

from __future__ import annotations

import contextlib
import datetime
import http.server
import json
import socket
import ssl
import threading
from pathlib import Path

import certs
import pytest
from ansible.module_utils import basic

HERE = "127.0.0.1"


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers with ``server.answer(request, headers)`` -> (HTTP status, reply or bytes)."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((request, dict(self.headers)))
        status, reply = self.server.answer(request, self.headers)
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"http://{HERE}:1/")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


class _HttpServer(http.server.ThreadingHTTPServer):
    """Shakes hands in the thread of the connection, so that a client that is refused does not keep others waiting."""

    daemon_threads = True

    def __init__(self, answer, context):
        super().__init__((HERE, 0), _Handler)
        self.answer = answer if callable(answer) else lambda request, headers: answer
        self.context = context
        self.seen = []
        self.url = f"{'https' if context else 'http'}://{HERE}:{self.server_port}/"

    def finish_request(self, request, client_address):
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with self.context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request, client_address):
        pass


@pytest.fixture
def serve_http():
    """Start an HTTP server: serve_http(answer, context=None) -> server with ``url`` and the requests ``seen``.

    *answer* is an (HTTP status, reply) or a function of request and headers that returns one; a reply may be bytes.
    """
    servers = []

    def start(answer, context=None):
        server = _HttpServer(answer, context)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def serve_raw():
    """Start a server that hands each connection to *behave*: serve_raw(behave, path=None) -> port, or path as text."""
    listeners = []

    def start(behave, path=None):
        listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        listener.bind(str(path) if path else (HERE, 0))
        listener.listen(5)
        listeners.append(listener)

        def loop():
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    behave(connection)

        threading.Thread(target=loop, daemon=True).start()
        return str(path) if path else listener.getsockname()[1]

    yield start
    for listener in listeners:
        # Closing alone does not wake a thread in accept().
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def serve_socket(serve_raw, tmp_path):
    """Start a control socket: serve_socket(answer) -> its path.

    *answer* is a function of the request that returns a reply, or the replies by command. Such a reply is a map, or a
    list of maps that is used up to its last.
    """

    def start(answer):
        def by_command(request):
            name = request["command"]
            reply = answer.get(name, {"result": 2, "text": f"'{name}' command not supported."})
            if isinstance(reply, list):
                reply = reply.pop(0) if len(reply) > 1 else reply[0]
            return reply

        reply_to = answer if callable(answer) else by_command

        def behave(connection):
            connection.sendall(json.dumps(reply_to(json.loads(connection.recv(65536)))).encode())

        return serve_raw(behave, tmp_path / "kea4-ctrl-socket")

    return start


class Pki:
    """Certificates of now and their keys as PEM files, by name: ``pki("server.pem")`` is a path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)

    def __call__(self, name):
        return str(self.folder / name)

    def issue(self, name, issuer=None, address=None, days=(-1, 1), usages=certs.BOTH):
        """Make ``name.pem`` and ``name.key``, signed by *issuer*, or by itself as an authority; return the entity."""
        start, end = ((self.now - certs.NOW) / datetime.timedelta(days=1) + day for day in days)
        names = (f"IP:{address}",) if address else ()
        made = certs.make(name, issuer, ca=issuer is None, start=start, days=end, names=names, usages=usages)
        (self.folder / f"{name}.pem").write_bytes(made.pem)
        (self.folder / f"{name}.key").write_bytes(made.key)
        return made

    def context(self, name, client_certs=False, maximum=None):
        """Return a server's context with the certificate *name*; *client_certs* demands one of the authority ``ca``."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self(f"{name}.pem"), self(f"{name}.key"))
        if maximum:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = maximum
            # OpenSSL 3 knows the old versions on this level alone.
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
        if client_certs:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self("ca.pem"))
        return context


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    """One authority ``ca``, one that nobody trusts, and certificates of all kinds."""
    pki = Pki(tmp_path_factory.mktemp("pki"))
    ca = pki.issue("ca")
    other = pki.issue("other-ca")
    server = pki.issue("server", ca, HERE)
    pki.issue("renewed", ca, HERE)
    pki.issue("wrong-name", ca, "10.9.9.9")
    pki.issue("expired", ca, HERE, days=(-10, -1))
    pki.issue("not-yet", ca, HERE, days=(1, 10))
    pki.issue("client-only", ca, HERE, usages=certs.CLIENT)
    pki.issue("server-only", ca, HERE, usages=certs.SERVER)
    pki.issue("client", ca)
    pki.issue("other-client", other)
    pki.issue("of-old-ca", pki.issue("old-ca", days=(-10, -1)), HERE)
    pki.folder.joinpath("server.der").write_bytes(server.der)
    pki.folder.joinpath("locked.key").write_bytes(server.encrypted_key)
    return pki


@pytest.fixture
def run_module(monkeypatch, capsys):
    """Run a module in this process: run_module(module, options, check_mode=False) -> its result and ``warnings``."""

    def start(module, options, check_mode=False):
        arguments = {"ANSIBLE_MODULE_ARGS": dict(options, _ansible_check_mode=check_mode)}
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(arguments).encode())
        # Later versions of ansible-core want to know how the arguments are serialised.
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        # ansible-core keeps them for the whole process, and in a form that depends on its version.
        warned = []
        monkeypatch.setattr(basic.AnsibleModule, "warn", lambda self, text: warned.append(text))
        with pytest.raises(SystemExit):
            module.main()
        result = dict(json.loads(capsys.readouterr().out), warnings=warned)
        # ansible-core adds for its own controller what to mask (2.22 and later) and the arguments (up to 2.20).
        result.pop("_ansible_new_secrets", None)
        result.pop("invocation", None)
        return result

    return start
