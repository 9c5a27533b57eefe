# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API client against small real servers, on 127.0.0.1 and on a UNIX socket."""

from __future__ import annotations

import base64
import contextlib
import datetime
import http.server
import ipaddress
import json
import os
import socket
import ssl
import threading
import time

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _api

PASSWORD = "s3cret-of-the-pair"
DHCP4_STATUS = {
    "pid": 263,
    "reload": 54,
    "uptime": 54,
    "multi-threading-enabled": False,
    "sockets": {"status": "ready"},
}
AGENT_STATUS = {"pid": 99, "reload": 3, "uptime": 3}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with ``server.answer(request, headers)`` -> (HTTP status, body)."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((json.loads(body), dict(self.headers)))
        status, reply = self.server.answer(json.loads(body), self.headers)
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    """Start an HTTP server: serve(answer) -> server with ``.url`` and ``.seen``."""
    servers = []

    def start(answer, context=None):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.handle_error = lambda *args: None
        server.answer = answer if callable(answer) else lambda request, headers: answer
        server.seen = []
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}/"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def raw_server():
    """Start a server that hands each connection to *behave*: raw_server(behave, path=None) -> port or path."""
    listeners = []

    def start(behave, path=None):
        if path:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(path))
        else:
            listener = socket.socket()
            listener.bind(("127.0.0.1", 0))
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


def http_client(url, service="dhcp4", **options):
    return _api.KeaClient(_api.HttpTransport(url, timeout=options.pop("timeout", 5), **options), service)


def answering(data):
    """Return the behaviour of a server that reads one request and sends *data*."""

    def behave(connection):
        # HTTP sends its body on its own. Closing with a part unread would reset the connection.
        request = connection.recv(4096)
        while request.startswith(b"POST") and not request.endswith(b"}"):
            request += connection.recv(4096)
        connection.sendall(data)

    return behave


def fails(client, kind, *words, command="status-get", **options):
    """Run a command that must fail with *kind*, and return the text of the error."""
    with pytest.raises(_api.KeaApiError) as caught:
        client.command(command, **options)
    text = str(caught.value)
    assert caught.value.kind == kind, text
    for word in words:
        assert word in text
    assert caught.value.url in text
    assert PASSWORD not in text + caught.value.detail
    return text


class TestHttp:
    def test_list_reply_and_request_as_kea_wants_it(self, serve):
        server = serve((200, [{"result": 0, "text": "fine", "arguments": DHCP4_STATUS}]))
        reply = http_client(server.url, user="kea-api", password=PASSWORD).command("status-get", {"a": 1})
        assert reply == _api.Reply(0, "fine", DHCP4_STATUS)
        request, headers = server.seen[0]
        assert request == {"command": "status-get", "service": ["dhcp4"], "arguments": {"a": 1}}
        assert headers["Content-Type"] == "application/json"
        assert base64.b64decode(headers["Authorization"].split()[1]).decode() == f"kea-api:{PASSWORD}"

    def test_map_reply(self, serve):
        server = serve((200, {"result": 3, "text": "0 IPv4 lease(s) found."}))
        assert http_client(server.url).command("lease4-get-all", check=True) == (3, "0 IPv4 lease(s) found.", None)

    def test_agent_itself_is_asked_without_service(self, serve):
        server = serve((200, [{"result": 0, "arguments": AGENT_STATUS}]))
        assert http_client(server.url, "ctrl_agent").command("status-get").arguments == AGENT_STATUS
        assert "service" not in server.seen[0][0]
        assert "Authorization" not in server.seen[0][1]

    @pytest.mark.parametrize(
        "command, arguments, who",
        [
            ("status-get", AGENT_STATUS, "Control-agent"),
            ("config-get", {"Control-agent": {}}, "Control-agent"),
            ("config-get", {"Dhcp6": {}, "hash": "00"}, "Dhcp6"),
        ],
    )
    def test_reply_of_another_daemon(self, serve, command, arguments, who):
        server = serve((200, [{"result": 0, "arguments": arguments}]))
        fails(http_client(server.url), "wrong_service", f"the daemon {who} answered", "Dhcp4", command=command)

    @pytest.mark.parametrize(
        "result, text, kind, words",
        [
            (2, "'nosuch' command not supported.", "unsupported", "hook library"),
            (1, "unable to forward command to the dhcp4 service: No such file or directory.", "offline", "start it"),
            (1, "forwarding socket is not configured for the server type d2", "wrong_service", "control-sockets"),
            (1, "something failed", "command_failed", "failed with result 1: something failed."),
            (4, "conflict", "command_failed", "result 4"),
            (5, "half", "command_failed", "applied all the same"),
        ],
    )
    def test_200_with_error(self, serve, result, text, kind, words):
        server = serve((200, [{"result": result, "text": text}]))
        client = http_client(server.url)
        assert client.command("config-set") == (result, text, None)
        fails(client, kind, words, command="config-set", check=True)

    def test_401_map_with_and_without_credentials(self, serve):
        server = serve((401, {"result": 401, "text": "Unauthorized"}))
        fails(http_client(server.url), "unauthorized", "none were given", "password_file")
        fails(http_client(server.url, user="kea-api", password=PASSWORD), "unauthorized", "is wrong (HTTP 401)")

    def test_403_map(self, serve):
        server = serve((403, {"result": 403, "text": "Forbidden"}))
        fails(http_client(server.url), "forbidden", "config-get", "restrict-commands", command="config-get")

    def test_400_map(self, serve):
        server = serve((400, {"result": 400, "text": "Bad Request"}))
        fails(http_client(server.url), "protocol", "HTTP 400: Bad Request")

    @pytest.mark.parametrize(
        "status, body, words",
        [
            (200, b"<html>It works!</html>", "<html>It works!</html>"),
            (404, b"not found", "HTTP 404: not found"),
            (502, b"", "HTTP 502"),
            (302, b"", "redirect"),
            (200, b'{"status": "ok"}', "without Kea's result code"),
            (200, b"[1]", "without Kea's result code"),
            (200, b'{"result": true}', "without Kea's result code"),
            (200, b"[" * 100000, "nested too deeply"),
        ],
    )
    def test_not_kea(self, serve, status, body, words):
        fails(http_client(serve((status, body)).url), "not_kea", words, "Correct the address and the port")

    def test_server_that_echoes_the_password(self, serve):
        server = serve((200, f"you sent {PASSWORD}".encode()))
        text = fails(http_client(server.url, user="u", password=PASSWORD), "not_kea")
        assert _api.HIDDEN in text

    def test_two_replies(self, serve):
        fails(http_client(serve((200, [{"result": 0}, {"result": 0}])).url), "protocol", "2 replies")

    def test_empty_list(self, serve):
        fails(http_client(serve((200, [])).url), "protocol", "0 replies")

    def test_empty_body(self, serve):
        fails(http_client(serve((200, b"")).url), "empty", "write https://")

    def test_refused(self):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
            fails(
                http_client(f"http://127.0.0.1:{port}/"),
                "refused",
                f"http://127.0.0.1:{port}/",
                "Start the Kea service",
            )

    def test_accepts_but_never_answers(self):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            sock.listen(1)
            start = time.monotonic()
            fails(http_client(f"http://127.0.0.1:{sock.getsockname()[1]}/", timeout=0.3), "timeout", "within 0.3 s")
            assert time.monotonic() - start < 2

    def test_dripping_server_cannot_stretch_the_timeout(self, raw_server):
        def drip(connection):
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(100):
                connection.sendall(b" ")
                time.sleep(0.05)

        start = time.monotonic()
        fails(http_client(f"http://127.0.0.1:{raw_server(drip)}/", timeout=0.4), "timeout")
        assert time.monotonic() - start < 2

    @pytest.mark.parametrize(
        "sent, kind",
        [
            (b"", "empty"),
            (b"220 mail.example ESMTP\r\n", "not_kea"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "not_kea"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n[{", "protocol"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[", "protocol"),
        ],
    )
    def test_broken_server(self, raw_server, sent, kind):
        fails(http_client(f"http://127.0.0.1:{raw_server(answering(sent))}/"), kind)

    def test_reply_too_large(self, serve, monkeypatch):
        monkeypatch.setattr(_api, "MAX_REPLY_BYTES", 1024**2)
        server = serve((200, b" " * (1024**2 + 1)))
        fails(http_client(server.url), "protocol", "larger than 1 MB")

    def test_name_without_address(self):
        fails(http_client("http://dhcp2.invalid:8000/"), "unreachable", "Check the address")

    def test_proxy_of_the_environment_is_not_used(self, serve, monkeypatch):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")
        server = serve((200, {"result": 0}))
        assert http_client(server.url).command("list-commands").result == 0

    @pytest.mark.parametrize(
        "url, options, words",
        [
            ("ftp://192.168.1.3/", {}, "not an http or https URL"),
            ("192.168.1.3:8000", {}, "not an http or https URL"),
            ("http://", {}, "not an http or https URL"),
            ("http://192.168.1.3:99999/", {}, "not valid"),
            (f"http://kea:{PASSWORD}@192.168.1.3:8000/", {}, "Give them as user and password"),
            ("http://192.168.1.3/", {"ca_path": "/etc/kea/ca.pem"}, "Write https://"),
        ],
    )
    def test_options_that_cannot_work(self, url, options, words):
        with pytest.raises(_api.KeaApiError, match=words) as caught:
            _api.HttpTransport(url, **options)
        assert caught.value.kind == "option"
        assert PASSWORD not in str(caught.value) + caught.value.url

    def test_unknown_service(self):
        with pytest.raises(ValueError, match="dhcp4, dhcp6, d2, ctrl_agent"):
            _api.KeaClient(_api.UnixTransport("/x"), "dhcp5")


class TestUnix:
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "kea4-ctrl-socket"

    def client(self, path, timeout=5):
        return _api.KeaClient(_api.UnixTransport(str(path), timeout))

    def test_bare_map_in_two_parts_and_no_service(self, raw_server, path):
        seen = []

        def behave(connection):
            seen.append(json.loads(connection.recv(4096)))
            connection.sendall(b'{"result": 0, ')
            time.sleep(0.05)
            connection.sendall(b'"arguments": {"Dhcp4": {}}}')

        raw_server(behave, path)
        assert self.client(path).command("config-get") == (0, "", {"Dhcp4": {}})
        assert seen == [{"command": "config-get"}]

    def test_no_socket(self, path):
        fails(self.client(path), "no_socket", f"unix:{path}", "Start the daemon or correct the path")

    def test_stale_socket(self, path):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
        fails(self.client(path), "refused", "has stopped or died")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may open every socket")
    def test_permission(self, raw_server, path):
        raw_server(lambda connection: None, path)
        path.chmod(0)
        fails(self.client(path), "permission", "become: true")

    def test_permission_text(self):
        error = _api.UnixTransport("/run/kea/x")._error(PermissionError(13, "Permission denied"), "status-get")
        assert error.kind == "permission"
        assert str(error).startswith("unix:/run/kea/x: permission denied. Run the task as root (become: true)")

    def test_empty_reply(self, raw_server, path):
        raw_server(lambda connection: connection.recv(4096), path)
        fails(self.client(path), "empty", "without a reply to ha-sync", "log", command="ha-sync")

    def test_silent_daemon(self, raw_server, path):
        raw_server(lambda connection: time.sleep(1), path)
        start = time.monotonic()
        fails(self.client(path, timeout=0.2), "timeout", "within 0.2 s")
        assert time.monotonic() - start < 0.9

    @pytest.mark.parametrize("sent", [b'{"result": 0, "argu', b"\x00\xff garbage"])
    def test_broken_reply(self, raw_server, path, sent):
        raw_server(answering(sent), path)
        fails(self.client(path), "protocol", "broke off or is not JSON")

    def test_not_a_kea_socket(self, raw_server, path):
        raw_server(answering(b'{"hello": 1}'), path)
        fails(self.client(path), "not_kea", '{"hello": 1}')

    def test_path_too_long(self):
        fails(self.client("/" + "x" * 200), "protocol", "Check that the path")


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """A private CA, and server and client certificates; a second CA that nobody trusts."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("pki")
    now = datetime.datetime.now(datetime.timezone.utc)

    def issue(name, issuer=None, san=None, days=(-1, 1)):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer[0].subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        )
        if san:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(san))]), critical=False
            )
        certificate = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, key

    authority = issue("ca")
    other = issue("other-ca")
    issue("server", authority, "127.0.0.1")
    issue("wrong-name", authority, "10.9.9.9")
    issue("expired", authority, "127.0.0.1", (-10, -1))
    issue("client", authority)
    issue("other-client", other)
    return lambda name: str(folder / name)


def tls_context(pki, name, client_certs=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki(f"{name}.pem"), pki(f"{name}.key"))
    if client_certs:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(pki("ca.pem"))
    return context


class TestTls:
    def test_good(self, serve, pki):
        server = serve((200, [{"result": 0}]), tls_context(pki, "server", client_certs=True))
        client = http_client(
            server.url, ca_path=pki("ca.pem"), client_cert=pki("client.pem"), client_key=pki("client.key")
        )
        assert client.command("list-commands").result == 0

    @pytest.mark.parametrize(
        "certificate, authority, kind, words",
        [
            ("server", "other-ca.pem", "tls_untrusted", "ca_path"),
            ("expired", "ca.pem", "tls_expired", "clocks of both hosts"),
            ("wrong-name", "ca.pem", "tls_name", "verify_hostname: false"),
        ],
    )
    def test_bad_server_certificate(self, serve, pki, certificate, authority, kind, words):
        server = serve((200, [{"result": 0}]), tls_context(pki, certificate))
        fails(http_client(server.url, ca_path=pki(authority)), kind, words, "the TLS session failed")

    def test_names_need_not_be_verified(self, serve, pki):
        server = serve((200, [{"result": 0}]), tls_context(pki, "wrong-name"))
        assert http_client(server.url, ca_path=pki("ca.pem"), verify_hostname=False).command("x-get").result == 0

    def test_a_chain_that_kea_accepts_is_accepted_by_every_python(self, serve, pki, monkeypatch):
        def strict(**options):
            context = ssl.create_default_context(cafile=options["cafile"])
            context.verify_flags |= ssl.VERIFY_X509_STRICT
            return context

        monkeypatch.setattr(_api, "make_context", strict)
        server = serve((200, [{"result": 0}]), tls_context(pki, "server"))
        assert http_client(server.url, ca_path=pki("ca.pem")).command("list-commands").result == 0

    def test_the_chain_is_verified_even_without_names(self, serve, pki):
        server = serve((200, [{"result": 0}]), tls_context(pki, "server"))
        fails(http_client(server.url, ca_path=pki("other-ca.pem"), verify_hostname=False), "tls_untrusted")

    def test_client_certificate_missing_or_of_another_authority(self, serve, pki):
        server = serve((200, [{"result": 0}]), tls_context(pki, "server", client_certs=True))
        with pytest.raises(_api.KeaApiError, match="client_cert and client_key|client certificate") as caught:
            http_client(server.url, ca_path=pki("ca.pem")).command("status-get")
        # TLS 1.3 refuses after the handshake: the alert can be overtaken by the end of the connection.
        assert caught.value.kind in ("tls_client_cert", "empty")
        with pytest.raises(_api.KeaApiError, match="refuses client_cert|refused the TLS session") as caught:
            http_client(
                server.url,
                ca_path=pki("ca.pem"),
                client_cert=pki("other-client.pem"),
                client_key=pki("other-client.key"),
            ).command("status-get")
        assert caught.value.kind in ("tls_client_cert", "empty")

    def test_plain_server_behind_https(self, serve, pki):
        server = serve((200, [{"result": 0}]))
        client = http_client(server.url.replace("http:", "https:"), ca_path=pki("ca.pem"))
        fails(client, "tls_plain", "write http:// in the URL")

    def test_tls_server_behind_http(self, raw_server):
        # Kea closes a plain connection to a TLS port without a word.
        port = raw_server(lambda connection: connection.recv(4096))
        fails(http_client(f"http://127.0.0.1:{port}/"), "empty", "write https://")

    @pytest.mark.parametrize(
        "options, words",
        [
            ({"ca_path": "missing.pem"}, "missing.pem: No such file or directory"),
            ({"ca_path": "server.key"}, "server.key"),
            ({"ca_path": "ca.pem", "client_cert": "client.pem", "client_key": "server.key"}, "key values mismatch"),
        ],
    )
    def test_unusable_files(self, pki, options, words):
        with pytest.raises(_api.KeaApiError, match="must be readable PEM files") as caught:
            _api.HttpTransport("https://127.0.0.1:1/", **{key: pki(name) for key, name in options.items()})
        assert caught.value.kind == "tls_files"
        assert words in str(caught.value)


@pytest.mark.parametrize(
    "command, expected",
    [
        ("config-get", True),
        ("config-test", True),
        ("config-hash-get", True),
        ("status-get", True),
        ("version-get", True),
        ("statistic-get-all", True),
        ("stat-lease4-get", True),
        ("lease4-get", True),
        ("lease4-get-page", True),
        ("lease4-get-by-hw-address", True),
        ("reservation-get-all", True),
        ("subnet4-list", True),
        ("subnet4-select-test", True),
        ("list-commands", True),
        ("ha-heartbeat", True),
        ("build-report", True),
        ("config-set", False),
        ("config-write", False),
        ("config-reload", False),
        ("lease4-add", False),
        ("lease4-wipe", False),
        ("ha-scopes", False),
        ("ha-maintenance-start", False),
        ("ha-sync", False),
        ("dhcp-disable", False),
        ("statistic-reset-all", False),
        ("libreload", False),
        ("get", False),
        ("Config-Get", False),
        ("config-get\nconfig-set", False),
        ("unknown", False),
    ],
)
def test_read_only(command, expected):
    assert _api.is_read_only(command) is expected


def test_hide_secrets():
    config = {
        "peers": [{"name": "a", "basic-auth-user": "kea", "basic-auth-password": PASSWORD, "password-file": "/f"}],
        "tsig-keys": [{"secret": PASSWORD, "key-file": "/etc/kea/key.pem"}],
        "password": "",
        "clients": {"password": {"kept": 1}},
    }
    assert _api.hide_secrets(config) == {
        "peers": [{"name": "a", "basic-auth-user": "kea", "basic-auth-password": "********", "password-file": "/f"}],
        "tsig-keys": [{"secret": "********", "key-file": "/etc/kea/key.pem"}],
        "password": "",
        "clients": {"password": {"kept": 1}},
    }
    assert config["tsig-keys"][0]["secret"] == PASSWORD


def test_read_password(tmp_path):
    path = tmp_path / "kea-api-password"
    path.write_text(f"{PASSWORD}\n")
    assert _api.read_password(str(path)) == PASSWORD
    path.write_text("\n")
    with pytest.raises(_api.KeaApiError, match="is empty"):
        _api.read_password(str(path))
    with pytest.raises(_api.KeaApiError, match=r"password_file .*nope: No such file.*managed host"):
        _api.read_password(str(tmp_path / "nope"))
