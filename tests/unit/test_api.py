# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API client against small real servers, on 127.0.0.1 and on a UNIX socket."""

from __future__ import annotations

import base64
import datetime
import errno
import json
import os
import shutil
import socket
import ssl
import subprocess
import time

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _api, _x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes

pytest_plugins = ("servers",)

PASSWORD = "s3cret-of-the-pair"
DHCP4_STATUS = {
    "pid": 263,
    "reload": 54,
    "uptime": 54,
    "multi-threading-enabled": False,
    "sockets": {"status": "ready"},
}
AGENT_STATUS = {"pid": 99, "reload": 3, "uptime": 3}


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


def fails_to_open(kind, *words, url="https://127.0.0.1:1/", **options):
    """Make a transport that must fail with *kind* before it asks anybody."""
    with pytest.raises(_api.KeaApiError) as caught:
        _api.HttpTransport(url, **options)
    assert caught.value.kind == kind
    for word in words:
        assert word in str(caught.value)


def own(pki, certificate):
    """Return the options for a client with that certificate, or without one."""
    files = {"client_cert": pki(f"{certificate}.pem"), "client_key": pki(f"{certificate}.key")} if certificate else {}
    return dict(files, ca_path=pki("ca.pem"))


def read(pki, name):
    return (pki.folder / name).read_bytes()


class TestHttp:
    def test_list_reply_and_request_as_kea_wants_it(self, serve_http):
        server = serve_http((200, [{"result": 0, "text": "fine", "arguments": DHCP4_STATUS}]))
        reply = http_client(server.url, user="kea-api", password=PASSWORD).command("status-get", {"a": 1})
        assert reply == _api.Reply(0, "fine", DHCP4_STATUS)
        request, headers = server.seen[0]
        assert request == {"command": "status-get", "service": ["dhcp4"], "arguments": {"a": 1}}
        assert headers["Content-Type"] == "application/json"
        assert base64.b64decode(headers["Authorization"].split()[1]).decode() == f"kea-api:{PASSWORD}"

    def test_map_reply(self, serve_http):
        server = serve_http((200, {"result": 3, "text": "0 IPv4 lease(s) found."}))
        assert http_client(server.url).command("lease4-get-all", check=True) == (3, "0 IPv4 lease(s) found.", None)

    def test_agent_itself_is_asked_without_service(self, serve_http):
        server = serve_http((200, [{"result": 0, "arguments": AGENT_STATUS}]))
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
    def test_reply_of_another_daemon(self, serve_http, command, arguments, who):
        server = serve_http((200, [{"result": 0, "arguments": arguments}]))
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
    def test_200_with_error(self, serve_http, result, text, kind, words):
        server = serve_http((200, [{"result": result, "text": text}]))
        client = http_client(server.url)
        assert client.command("config-set") == (result, text, None)
        fails(client, kind, words, command="config-set", check=True)

    def test_401_map_with_and_without_credentials(self, serve_http):
        server = serve_http((401, {"result": 401, "text": "Unauthorized"}))
        fails(http_client(server.url), "unauthorized", "none were given", "password_file")
        fails(http_client(server.url, user="kea-api", password=PASSWORD), "unauthorized", "is wrong (HTTP 401)")

    def test_403_map(self, serve_http):
        server = serve_http((403, {"result": 403, "text": "Forbidden"}))
        fails(http_client(server.url), "forbidden", "config-get", "restrict-commands", command="config-get")

    def test_400_map(self, serve_http):
        server = serve_http((400, {"result": 400, "text": "Bad Request"}))
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
    def test_not_kea(self, serve_http, status, body, words):
        fails(http_client(serve_http((status, body)).url), "not_kea", words, "Correct the address and the port")

    def test_server_that_echoes_the_password(self, serve_http):
        server = serve_http((200, f"you sent {PASSWORD}".encode()))
        text = fails(http_client(server.url, user="u", password=PASSWORD), "not_kea")
        assert _api.HIDDEN in text

    def test_two_replies(self, serve_http):
        fails(http_client(serve_http((200, [{"result": 0}, {"result": 0}])).url), "protocol", "2 replies")

    def test_empty_list(self, serve_http):
        fails(http_client(serve_http((200, [])).url), "protocol", "0 replies")

    def test_empty_body(self, serve_http):
        fails(http_client(serve_http((200, b"")).url), "empty", "the reply to status-get is empty", "log of the server")

    def test_connection_closed_without_a_word(self, serve_raw):
        port = serve_raw(lambda connection: connection.recv(4096))
        fails(http_client(f"http://127.0.0.1:{port}/"), "empty", "closed without a reply", "log of the server")

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

    def test_dripping_server_cannot_stretch_the_timeout(self, serve_raw):
        def drip(connection):
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(100):
                connection.sendall(b" ")
                time.sleep(0.05)

        start = time.monotonic()
        fails(http_client(f"http://127.0.0.1:{serve_raw(drip)}/", timeout=0.4), "timeout")
        assert time.monotonic() - start < 2

    def test_server_that_stops_in_the_middle(self, serve_raw):
        def behave(connection):
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            time.sleep(0.4)
            connection.sendall(b" ")
            time.sleep(1)

        start = time.monotonic()
        fails(http_client(f"http://127.0.0.1:{serve_raw(behave)}/", timeout=0.6), "timeout")
        assert time.monotonic() - start < 0.9

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
    def test_broken_server(self, serve_raw, sent, kind):
        fails(http_client(f"http://127.0.0.1:{serve_raw(answering(sent))}/"), kind)

    def test_reply_too_large(self, serve_http, monkeypatch):
        monkeypatch.setattr(_api, "MAX_REPLY_BYTES", 1024**2)
        server = serve_http((200, b" " * (1024**2 + 1)))
        fails(http_client(server.url), "protocol", "larger than 1 MB")

    def test_name_without_address(self):
        fails(http_client("http://dhcp2.invalid:8000/"), "unreachable", "Check the address")

    def test_proxy_of_the_environment_is_not_used(self, serve_http, monkeypatch):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")
        server = serve_http((200, {"result": 0}))
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
            ("http://192.168.1.3/a path", {}, "not an http or https URL"),
            ("http://192.168.1.3/\nX: y", {}, "not an http or https URL"),
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

    def test_bare_map_in_two_parts_and_no_service(self, serve_raw, path):
        seen = []

        def behave(connection):
            seen.append(json.loads(connection.recv(4096)))
            connection.sendall(b'{"result": 0, ')
            time.sleep(0.05)
            connection.sendall(b'"arguments": {"Dhcp4": {}}}')

        serve_raw(behave, path)
        assert self.client(path).command("config-get") == (0, "", {"Dhcp4": {}})
        assert seen == [{"command": "config-get"}]

    def test_no_socket(self, path):
        fails(self.client(path), "no_socket", f"unix:{path}", "Start the daemon or correct the path")

    def test_stale_socket(self, path):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
        fails(self.client(path), "refused", "has stopped or died")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may open every socket")
    def test_permission(self, serve_raw, path):
        serve_raw(lambda connection: None, path)
        path.chmod(0)
        fails(self.client(path), "permission", "become: true")

    def test_permission_text(self):
        error = _api.UnixTransport("/run/kea/x")._error(PermissionError(13, "Permission denied"), "status-get")
        assert error.kind == "permission"
        assert str(error).startswith("unix:/run/kea/x: permission denied. Run the task as root (become: true)")

    def test_empty_reply(self, serve_raw, path):
        serve_raw(lambda connection: connection.recv(4096), path)
        fails(self.client(path), "empty", "without a reply to ha-sync", "log", command="ha-sync")

    def test_silent_daemon(self, serve_raw, path):
        serve_raw(lambda connection: time.sleep(1), path)
        start = time.monotonic()
        fails(self.client(path, timeout=0.2), "timeout", "within 0.2 s")
        assert time.monotonic() - start < 0.9

    @pytest.mark.parametrize("sent", [b'{"result": 0, "argu', b"\x00\xff garbage"])
    def test_broken_reply(self, serve_raw, path, sent):
        serve_raw(answering(sent), path)
        fails(self.client(path), "protocol", "broke off or is not JSON")

    def test_not_a_kea_socket(self, serve_raw, path):
        serve_raw(answering(b'{"hello": 1}'), path)
        fails(self.client(path), "not_kea", '{"hello": 1}')

    def test_path_too_long(self):
        fails(self.client("/" + "x" * 200), "protocol", "Check that the path")


class TestTls:
    """Both sides of TLS 1.2 and 1.3, which tell of a client's certificate at different times."""

    VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])

    @pytest.fixture
    def server(self, serve_http, pki):
        """A server that demands a certificate: server(version) -> it."""

        def start(version=ssl.TLSVersion.TLSv1_3):
            return serve_http((200, [{"result": 0}]), pki.context("server", True, version))

        return start

    @VERSIONS
    def test_good(self, server, pki, version):
        client = http_client(server(version).url, **own(pki, "client"))
        assert client.transport.certificate is None
        assert client.command("list-commands").result == 0
        assert client.transport.certificate == _x509.first_of(read(pki, "server.pem"))

    def test_authorities_in_a_folder(self, server, pki, tmp_path):
        trust = tmp_path / "trust"
        trust.mkdir()
        for name in ("other-ca", "ca"):
            shutil.copy(pki(f"{name}.pem"), trust / f"{name}.pem")
        url = server().url
        options = dict(own(pki, "client"), ca_path=str(trust))
        with pytest.raises(_api.KeaApiError, match="hashed name.*openssl rehash") as caught:
            http_client(url, **options)
        assert caught.value.kind == "tls_files"
        subprocess.run(["openssl", "rehash", str(trust)], check=True)
        assert http_client(url, **options).command("list-commands").result == 0
        (trust / "ca.pem").unlink()
        fails_to_open("tls_files", "ca_path", "No such file", url=url, **options)
        subprocess.run(["openssl", "rehash", str(trust)], check=True)
        fails(http_client(url, **options), "tls_untrusted", f"ca_path {trust}")

    @pytest.mark.parametrize(
        "certificate, authority, kind, words",
        [
            ("server", "other-ca", "tls_untrusted", "is not signed by an authority in ca_path"),
            ("other-ca", "ca", "tls_untrusted", "self"),
            ("expired", "ca", "tls_expired", "the clock of this host says"),
            ("not-yet", "ca", "tls_not_yet_valid", "Set the clocks of both hosts by NTP"),
            (
                "of-old-ca",
                "old-ca",
                "tls_expired",
                "the certificate of the authority that signed the server's has expired",
            ),
            ("wrong-name", "ca", "tls_name", "certificate is not valid for '127.0.0.1'"),
            ("client-only", "ca", "tls_purpose", "serverAuth"),
        ],
    )
    def test_bad_server_certificate(self, serve_http, pki, certificate, authority, kind, words):
        server = serve_http((200, [{"result": 0}]), pki.context(certificate))
        client = http_client(server.url, ca_path=pki(f"{authority}.pem"))
        text = fails(client, kind, words)
        shown = _x509.first_of(read(pki, f"{certificate}.pem"))
        assert client.transport.certificate == shown
        assert (shown.text() in text) is (certificate != "of-old-ca")
        assert server.seen == []

    def test_names_need_not_be_verified(self, serve_http, pki):
        server = serve_http((200, [{"result": 0}]), pki.context("wrong-name"))
        assert http_client(server.url, ca_path=pki("ca.pem"), verify_hostname=False).command("x-get").result == 0

    def test_a_chain_that_kea_accepts_is_accepted_by_every_python(self, pki):
        transport = _api.HttpTransport("https://127.0.0.1:1/", ca_path=pki("ca.pem"))
        assert not transport._context.verify_flags & ssl.VERIFY_X509_STRICT

    def test_the_chain_is_verified_even_without_names(self, serve_http, pki):
        server = serve_http((200, [{"result": 0}]), pki.context("server"))
        fails(http_client(server.url, ca_path=pki("other-ca.pem"), verify_hostname=False), "tls_untrusted")

    def test_the_system_trusts_no_private_authority(self, serve_http, pki):
        server = serve_http((200, [{"result": 0}]), pki.context("server"))
        fails(http_client(server.url), "tls_untrusted", "in the system's trusted certificates")

    @VERSIONS
    @pytest.mark.parametrize(
        "certificate, kind, words",
        [
            (None, "tls_client_cert", "the server wants a client certificate and none was given"),
            ("other-client", "tls_client_untrusted", "the server does not trust the authority that signed it"),
            ("expired", "tls_client_expired", "it has expired"),
            ("not-yet", "tls_client_refused", "it is not valid yet. Set the clocks"),
            ("server-only", "tls_client_refused", "clientAuth"),
        ],
    )
    def test_client_certificate_that_is_refused(self, server, pki, version, certificate, kind, words):
        there = server(version)
        for _try in range(5):
            text = fails(http_client(there.url, **own(pki, certificate)), kind, words)
        if certificate:
            shown = _x509.first_of(read(pki, f"{certificate}.pem")).text()
            assert f"client_cert {pki(certificate + '.pem')} ({shown})" in text
        assert there.seen == []

    def test_refusal_that_is_overtaken_by_the_end_of_the_connection(self, server, pki):
        transport = _api.HttpTransport(server().url, **own(pki, None))
        error = transport._error(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "status-get")
        assert error.kind == "tls_client_cert"

    def test_server_that_dies_during_a_request(self, pki, serve_raw):
        context = pki.context("server")

        def behave(connection):
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(4096)

        url = f"https://127.0.0.1:{serve_raw(behave)}/"
        fails(
            http_client(url, ca_path=pki("ca.pem"), timeout=1), "empty", "closed without a reply to status-get", "log"
        )

    def test_server_that_hangs_up_on_tls(self, serve_raw):
        port = serve_raw(lambda connection: connection.recv(4096))
        fails(http_client(f"https://127.0.0.1:{port}/"), "empty", "Look into the log of the server")

    def test_server_that_never_shakes_hands(self):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            sock.listen(1)
            fails(http_client(f"https://127.0.0.1:{sock.getsockname()[1]}/", timeout=0.3), "timeout", "within 0.3 s")

    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
    def test_old_tls(self, serve_http, pki):
        server = serve_http((200, [{"result": 0}]), pki.context("server", maximum=ssl.TLSVersion.TLSv1_1))
        fails(http_client(server.url, ca_path=pki("ca.pem")), "tls_version", "speaks no TLS 1.2 or later")

    def test_plain_server_behind_https(self, serve_http, pki):
        server = serve_http((200, [{"result": 0}]))
        client = http_client(server.url.replace("http:", "https:"), ca_path=pki("ca.pem"))
        fails(client, "tls_plain", "does not speak TLS", "write http:// in the URL")

    @VERSIONS
    def test_tls_server_behind_http(self, server, version):
        url = server(version).url.replace("https:", "http:")
        fails(http_client(url), "tls_wanted", "speaks TLS on this port", "Write https://")

    @pytest.mark.parametrize(
        "files, words",
        [
            ({"ca_path": "missing.pem"}, "ca_path {missing.pem} cannot be used: No such file or directory"),
            ({"ca_path": "server.key"}, "ca_path {server.key} cannot be used: no PEM certificate in it"),
            ({"ca_path": "server.der"}, "ca_path {server.der} cannot be used: no PEM certificate in it"),
            ({"client_cert": "missing.pem"}, "client_cert {missing.pem} cannot be used: No such file"),
            (
                {"client_cert": "server.der"},
                "client_cert {server.der} cannot be used: there is no PEM certificate in it",
            ),
            (
                {"client_cert": "server.key"},
                "client_cert {server.key} cannot be used: there is no PEM certificate in it",
            ),
            ({"client_cert": "server.pem"}, "client_cert {server.pem} cannot be used: no PEM key in it"),
            ({"client_cert": "server.pem", "client_key": "nope"}, "client_key {nope} cannot be used: No such file"),
            ({"client_cert": "server.pem", "client_key": "ca.pem"}, "client_key {ca.pem} cannot be used: no PEM key"),
            (
                {"client_cert": "server.pem", "client_key": "locked.key"},
                "client_key {locked.key} cannot be used: the key has",
            ),
            (
                {"client_cert": "client.pem", "client_key": "server.key"},
                "the key is of another certificate. Give the key of client_cert {client.pem}.",
            ),
        ],
    )
    def test_unusable_files(self, pki, files, words):
        for name in files.values():
            words = words.replace("{" + name + "}", pki(name))
        fails_to_open("tls_files", words, **{key: pki(name) for key, name in files.items()})

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
    def test_unreadable_file(self, tmp_path):
        path = tmp_path / "key.pem"
        path.touch(mode=0)
        fails_to_open("tls_files", "Permission denied", "may read", ca_path=str(path))

    @pytest.mark.parametrize("name", ["expired", "wrong-name", "other-ca", "server"])
    @VERSIONS
    def test_look_trusts_everybody(self, serve_http, pki, name, version):
        server = serve_http((200, [{"result": 0}]), pki.context(name, True, version))
        transport = _api.HttpTransport(server.url, client_cert=pki("client.pem"), client_key=pki("client.key"))
        assert transport.look() == _x509.first_of(read(pki, f"{name}.pem"))

    def test_look_at_what_has_no_certificate(self, serve_http, pki):
        server = serve_http((200, [{"result": 0}]))
        with pytest.raises(_api.KeaApiError, match="does not speak TLS") as caught:
            _api.HttpTransport(server.url.replace("http:", "https:")).look()
        assert caught.value.kind == "tls_plain"
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            with pytest.raises(_api.KeaApiError, match="connection refused"):
                _api.HttpTransport(f"https://127.0.0.1:{sock.getsockname()[1]}/").look()


class TestX509:
    def test_what_it_reads_is_what_cryptography_reads(self, pki):
        for path in sorted(pki.folder.glob("*.pem")):
            known = x509.load_pem_x509_certificate(path.read_bytes())
            found = _x509.first_of(path.read_bytes())
            assert int(found.serial, 16) == known.serial_number
            assert (found.not_before, found.not_after) == (known.not_valid_before_utc, known.not_valid_after_utc)
            assert found.fingerprint == known.fingerprint(hashes.SHA256()).hex()

    def test_serial_as_openssl_writes_it(self, pki):
        command = ["openssl", "x509", "-noout", "-serial", "-in", pki("server.pem")]
        said = subprocess.run(command, check=True, text=True, capture_output=True).stdout.strip()
        assert said == "serial=" + _x509.first_of(read(pki, "server.pem")).serial

    def test_serial_in_whole_bytes(self):
        assert _x509._hexadecimal(b"\x00\x0a\xbc") == "0ABC"

    @pytest.mark.parametrize("year", [1955, 1999, 2049, 2050, 2120])
    def test_years(self, pki, tmp_path, year):
        pki = type(pki)(tmp_path)
        pki.now = datetime.datetime(year, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
        pki.issue("of-then")
        found = _x509.first_of(read(pki, "of-then.pem"))
        assert _x509.stamp(found.not_before) == f"{year}-02-02T04:05:06Z"

    @pytest.mark.parametrize("ahead, days", [(0.5, -1), (0, 0), (-0.5, 0), (-1, 1), (-61.9, 61)])
    def test_days_left(self, pki, ahead, days):
        certificate = _x509.first_of(read(pki, "server.pem"))
        now = certificate.not_after.timestamp() + ahead * 86400
        assert certificate.days_left(now) == days
        assert certificate.as_dict(now) == {
            "serial": certificate.serial,
            "not_after": _x509.stamp(certificate.not_after),
            "days_left": days,
            "fingerprint": certificate.fingerprint,
        }

    def test_the_first_of_several(self, pki):
        both = b"a comment\n" + read(pki, "server.pem") + read(pki, "ca.pem")
        assert _x509.first_of(both) == _x509.first_of(read(pki, "server.pem"))

    def test_what_is_none(self, pki):
        der = (pki.folder / "server.der").read_bytes()
        for data in (b"", b"x", b"0", der[:40], der[:-1], b"\x30\x80" + der[2:], b"\x30\x03\x30\x01\x02", bytes(200)):
            with pytest.raises(ValueError):
                _x509.parse(data)
        for pem in (der, read(pki, "server.key"), read(pki, "server.pem").replace(b"\nM", b"\n!")):
            with pytest.raises(ValueError, match="PEM"):
                _x509.first_of(pem)


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
