# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the transaction, each by itself."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _apply
from fake_host import Host, config


@pytest.fixture
def system(tmp_path):
    return _apply.System(run_dir=str(tmp_path / "run"), state_dir=str(tmp_path / "state"))


OWNER = (os.geteuid(), os.getegid())


# --- meaning


def test_digest_ignores_order_of_keys_and_knows_types():
    assert _apply.digest_of({"a": 1, "b": [1, 2]}) == _apply.digest_of({"b": [1, 2], "a": 1})
    assert _apply.digest_of({"a": [1, 2]}) != _apply.digest_of({"a": [2, 1]})
    # Python takes these for equal, Kea does not.
    assert _apply.digest_of({"a": 1}) != _apply.digest_of({"a": True})


def test_render_writes_comment_then_json():
    text = _apply.render({"Dhcp4": {"comment": "ü // no comment"}}, ["Managed by Ansible.", "", "two\nlines"])
    assert text.startswith('// Managed by Ansible.\n//\n// two\n// lines\n{\n  "Dhcp4"')
    assert _apply.parsed(text.encode("utf-8")) == {"Dhcp4": {"comment": "ü // no comment"}}


def test_parsed_takes_unreadable_for_nothing():
    assert _apply.parsed(None) is None
    assert _apply.parsed(b"{ broken") is None
    assert _apply.parsed(b"\xff\xfe") is None


def test_secrets_are_found_and_not_shown():
    content = {
        "clients": [{"user": "u", "password": "hunter2", "password-file": "name"}],
        "peers": [{"basic-auth-password": "s3cret", "basic-auth-password-file": "/etc/kea/pw"}],
        "tsig": {"secret": "LSWX"},
    }
    assert sorted(_apply.secrets_in(content)) == ["LSWX", "hunter2", "s3cret"]
    text = _apply.pretty(content)
    assert not any(secret in text for secret in _apply.secrets_in(content))
    assert "/etc/kea/pw" in text and '"user": "u"' in text


@pytest.mark.parametrize(
    "section, expected",
    [
        ({"control-socket": {"socket-type": "unix", "socket-name": "/run/kea/a"}}, "/run/kea/a"),
        ({"control-socket": {"socket-type": "unix", "socket-name": "bare"}}, "/run/kea/bare"),
        (
            {
                "control-sockets": [
                    {"socket-type": "http", "socket-address": "::1"},
                    {"socket-type": "unix", "socket-name": "/x"},
                ]
            },
            "/x",
        ),
        ({}, None),
    ],
)
def test_unix_socket_of_every_dialect(section, expected):
    assert _apply.unix_socket({"Dhcp4": section}, "Dhcp4", "/run/kea/kea4-ctrl-socket") == expected


def test_behind_names_files_by_what_the_links_point_to():
    content = {
        "a": ["/etc/kea/tls/current/cert.pem", {"b": "/etc/kea/tls/current"}],
        "c": "/etc/kea/tls/current2/x",
        "d": 1,
        "/etc/kea/tls/current": True,
    }
    assert _apply.behind(content, {"/etc/kea/tls/current": "/etc/kea/tls/3"}) == {
        "a": ["/etc/kea/tls/3/cert.pem", {"b": "/etc/kea/tls/3"}],
        "c": "/etc/kea/tls/current2/x",
        "d": 1,
        "/etc/kea/tls/current": True,
    }


# --- words


def test_reason_leaves_out_consequences_stamps_and_repetitions():
    lines = [
        "Started kea-dhcp4-server.service - Kea IPv4 DHCP daemon.",
        "2026-11-24 00:14:20.183 ERROR [kea-dhcp4.dhcp4/797.14] DHCP4_INIT_FAIL failed to initialize: hooks",
        "2026-11-24 00:14:20.182 ERROR [kea-dhcp4.ha-hooks/797.14] HA_CONFIGURATION_FAILED no peer 'bogus'",
        "2026-11-24 00:14:20.182 ERROR [kea-dhcp4.hooks/797.14] HOOKS_LOAD_ERROR 'load' returned error 1",
        "2026-11-24 00:14:21.182 ERROR [kea-dhcp4.ha-hooks/811.14] HA_CONFIGURATION_FAILED no peer 'bogus'",
    ]
    assert _apply.reason_in(lines) == "HA_CONFIGURATION_FAILED no peer 'bogus'"


def test_reason_of_consequences_alone_is_the_first_without_the_place_in_boost():
    lines = [
        "x ERROR [k/1] DHCP4_INIT_FAIL bind: Address already in use [system:98 at /a.hpp:161:5 in function 'f(int)']",
        "x ERROR [k/1] DHCP4_CONFIG_LOAD_FAIL the same",
    ]
    assert _apply.reason_in(lines) == "DHCP4_INIT_FAIL bind: Address already in use"


def test_reason_without_errors_is_the_last_words():
    assert _apply.reason_in(["a", "b", "", "c", "d"]) == "b; c; d"
    assert _apply.reason_in([]) == ""


def test_reason_of_a_process_that_systemd_could_not_start():
    lines = [
        "Started kea-dhcp4-server.service - Kea IPv4 DHCP daemon.",
        "kea-dhcp4-server.service: Failed to set up mount namespacing: /run/systemd/unit-root/proc: Permission denied",
        "kea-dhcp4-server.service: Failed at step NAMESPACE spawning /usr/sbin/kea-dhcp4: Permission denied",
        "kea-dhcp4-server.service: Main process exited, code=exited, status=226/NAMESPACE",
        "kea-dhcp4-server.service: Failed with result 'exit-code'.",
        "kea-dhcp4-server.service: Scheduled restart job, restart counter is at 1.",
    ]
    assert _apply.reason_in(lines) == "; ".join(lines[1:3])
    # A daemon that ended by itself has said more than systemd knows.
    ended = ["bad things", "kea-dhcp4-server.service: Main process exited, code=exited, status=1/FAILURE", "Failed."]
    assert _apply.reason_in(ended) == "; ".join(ended)


def test_line_numbers_become_the_line_itself_but_not_a_secret_one():
    document = b'{\n  "nosuch": 1,\n  "password": "x"\n}'
    text = "bad (/e/k.conf:2:9), /e/k.conf:3.1-5, /e/k.conf:4:1"
    assert _apply.in_words(text, "/e/k.conf", document, "the new file") == (
        'bad (line 2 of the new file ("nosuch": 1)), line 3 of the new file, line 4 of the new file'
    )


def test_log_tail_sees_only_what_came_after(tmp_path):
    host = Host(tmp_path)
    log = tmp_path / "kea.log"
    log.write_text("old\n")
    host.journal.append("old entry")
    tail = _apply.LogTail(host, "kea-dhcp4-server", str(log))
    host.journal.append("new entry")
    with log.open("a") as stream:
        stream.write("new line\n")
    assert tail.lines() == ["new entry", "new line"]
    log.rename(tmp_path / "kea.log.1")
    log.write_text("rotated\n")
    assert tail.lines() == ["new entry", "rotated"]


# --- files


def test_write_is_exclusive_and_does_not_follow_a_link(system, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("keep")
    target = tmp_path / "target"
    target.symlink_to(victim)
    system.write(str(target), b"new", OWNER, 0o640)
    assert victim.read_text() == "keep"
    assert not target.is_symlink() and target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_write_does_not_follow_a_link_planted_at_the_last_moment(system, tmp_path, monkeypatch):
    victim, target = tmp_path / "victim", tmp_path / "target"
    victim.write_text("keep")
    real = system.remove

    def remove(path):
        real(path)
        target.symlink_to(victim)

    monkeypatch.setattr(system, "remove", remove)
    with pytest.raises(FileExistsError):
        system.write(str(target), b"new", OWNER, 0o640)
    assert victim.read_text() == "keep"


def test_write_that_fails_leaves_nothing(system, tmp_path, monkeypatch):
    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        system.write(str(tmp_path / "target"), b"new", OWNER, 0o640)
    assert not (tmp_path / "target").exists()


def test_own_refuses_a_link(system, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    (tmp_path / "victim").write_text("x")
    with pytest.raises(OSError):
        system.own(str(tmp_path / "link"), OWNER, 0o777)


def test_link_is_made_switched_and_read(system, tmp_path):
    path = str(tmp_path / "current")
    assert system.target(path) is None
    (tmp_path / "current.new").symlink_to("rest of a killed run")
    for target in ("1", "2", "/elsewhere"):
        system.link(path, target)
        assert system.target(path) == os.readlink(path) == target
    assert os.listdir(str(tmp_path)) == ["current"]
    assert system.target(str(tmp_path / "missing" / "current")) is None


def test_link_is_never_missing_while_it_is_switched(system, tmp_path, monkeypatch):
    path = str(tmp_path / "current")
    system.link(path, "1")
    seen = []
    for name in ("symlink", "replace", "fsync"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *args, real=real, **more: (seen.append(os.readlink(path)), real(*args, **more))[1]
        )
    system.link(path, "2")
    assert seen == ["1", "1", "2"]


def test_link_takes_neither_a_folder_for_a_link_nor_a_link_for_its_folder(system, tmp_path):
    (tmp_path / "real" / "current").mkdir(parents=True)
    (tmp_path / "planted").symlink_to("real")
    for path in ("real/current", "planted/other"):
        with pytest.raises(OSError):
            system.link(str(tmp_path / path), "1")
    assert (tmp_path / "real" / "current").is_dir() and not (tmp_path / "real" / "other").exists()
    with pytest.raises(OSError):
        system.target(str(tmp_path / "real" / "current"))


def test_listing_of_a_folder(system, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "b").write_text("")
    (tmp_path / "a").symlink_to("nowhere")
    (tmp_path / "c").symlink_to("folder")
    assert system.listing(str(tmp_path)) == ["a", "b"]
    assert system.listing(str(tmp_path / "b")) is None and system.listing(str(tmp_path / "missing")) is None


# --- commands


def test_run_reports_failures_without_raising(system):
    assert system.run(["/nonexistent/kea"]).rc == 127
    assert system.run(["sleep", "5"], timeout=0.1).rc == 124
    done = system.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.rc, done.text) == (3, "out\nerr")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_run_as_another_user_gives_up_every_group(system):
    groups = os.getgroups()
    os.setgroups([0, 4])
    try:
        done = system.run(["id"], uid=65534, gid=65534)
    finally:
        os.setgroups(groups)
    assert "uid=65534" in done.out and "gid=65534" in done.out and "0(root)" not in done.out


def test_unit_folders_are_there_for_the_check_and_gone_afterwards(tmp_path, monkeypatch):
    host = Host(tmp_path)
    made = str(tmp_path / "run-kea")
    there = tmp_path / "there"
    there.mkdir()
    shown = f"RuntimeDirectory={made} {there}\nRuntimeDirectoryMode=0750\nStateDirectory=\n"
    monkeypatch.setattr(host, "_systemctl", lambda argv: _apply.Done(0, shown, ""))
    with _apply.Unit(host, "kea-dhcp4-server").folders(OWNER):
        assert os.stat(made).st_mode & 0o777 == 0o750
    assert not os.path.exists(made) and there.is_dir()


# --- lock


def test_lock_names_its_holder_and_is_free_afterwards(system):
    with _apply.host_lock(system, {"daemon": "dhcp4", "run_id": "r1"}):
        with pytest.raises(_apply.LockHeld) as caught, _apply.host_lock(system, {"daemon": "dhcp4", "run_id": None}):
            pass
        assert f"process {os.getpid()}, for dhcp4" in str(caught.value) and "run r1" in str(caught.value)
        assert "Nothing was touched" in str(caught.value)
    with _apply.host_lock(system, {"daemon": "dhcp4", "run_id": None}):
        pass


def test_lock_of_a_silent_holder(system):
    os.makedirs(system.run_dir)
    with open(os.path.join(system.run_dir, "lock"), "w", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(_apply.LockHeld, match="left no note"), _apply.host_lock(system, {}):
            pass


def test_lock_waits_as_long_as_asked(tmp_path):
    host = Host(tmp_path)
    with _apply.host_lock(host, {"daemon": "dhcp4"}):
        before = host.clock
        with pytest.raises(_apply.LockHeld), _apply.host_lock(host, {}, patience=10):
            pass
        assert 10 <= host.clock - before < 12


def test_lock_without_the_right_to_it(system, tmp_path):
    (tmp_path / "file").write_text("")
    system.run_dir = str(tmp_path / "file" / "run")
    with pytest.raises(_apply.ApplyError, match="use become"), _apply.host_lock(system, {}):
        pass


# --- separate process


@pytest.fixture
def signals():
    """detached() changes how its process takes signals; put that back."""
    numbers = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before):
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
def test_detached_returns_the_report():
    report = {"changed": True, "log": ["ü" * 200000]}
    assert _apply.detached(lambda: report) == report


@pytest.mark.usefixtures("signals")
def test_detached_has_a_session_of_its_own():
    report = _apply.detached(lambda: {"session": os.getsid(0), "process": os.getpid()})
    assert report["session"] == report["process"] != os.getpid()


@pytest.mark.usefixtures("signals")
def test_detached_explains_a_worker_that_vanished():
    with pytest.raises(_apply.ApplyError, match="ended without a report.*Run again"):
        _apply.detached(lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_work_goes_on_when_everything_around_it_is_killed(tmp_path):
    started, finished = tmp_path / "started", tmp_path / "finished"

    def work():
        started.write_text(str(os.getpid()))
        time.sleep(0.5)
        finished.write_text("done")
        return {}

    module = os.fork()
    if module == 0:
        _apply.detached(work)
        os._exit(0)
    _wait_for(started)
    # What a connection that goes away may do to the worker, and then to the module itself.
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        os.kill(int(started.read_text()), number)
    os.kill(module, signal.SIGKILL)
    os.waitpid(module, 0)
    assert not finished.exists()
    _wait_for(finished)


def _wait_for(path):
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.01)


# --- sign of life of the agent


def test_http_takes_any_status_for_life(system):
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    class Locked(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Locked)
    port = server.server_address[1]
    thread = Thread(target=server.handle_request)
    thread.start()
    assert system.http("127.0.0.1", port, tls=False) is None
    thread.join()
    server.server_close()
    assert "refused" in system.http("127.0.0.1", port, tls=False)


@pytest.fixture
def tls_server(tmp_path):
    """A server that wants certificates, as the agent does; returns its port."""
    key, cert = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert]
    subprocess.run([*command, "-subj", "/CN=test", "-days", "2"], check=True, capture_output=True)

    def start(version):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        context.load_verify_locations(cert)
        context.verify_mode = ssl.CERT_REQUIRED
        context.minimum_version = context.maximum_version = version
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve():
            with contextlib.suppress(OSError):
                context.wrap_socket(listener.accept()[0], server_side=True).close()

        threading.Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1]

    listeners = []
    yield start
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_http_takes_a_server_that_wants_a_certificate_for_life(system, tls_server, version):
    assert system.http("127.0.0.1", tls_server(version), tls=True) is None


def test_http_tells_tls_from_none(system, tls_server):
    """An old agent that still runs without TLS is not the one that was started."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection = listener.accept()[0]
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        assert "it does not speak TLS" in system.http("127.0.0.1", listener.getsockname()[1], tls=True)
        thread.join()
    assert system.http("127.0.0.1", tls_server(ssl.TLSVersion.TLSv1_3), tls=False)
    assert "refused" in system.http("127.0.0.1", 1, tls=True)


def test_marker_that_is_damaged_counts_as_none(system):
    assert _apply.read_marker(system, "dhcp4") == {}
    os.makedirs(system.state_dir)
    for text in ("", "[1]", "{ half"):
        with open(os.path.join(system.state_dir, "dhcp4.json"), "w", encoding="utf-8") as stream:
            stream.write(text)
        assert _apply.read_marker(system, "dhcp4") == {}


def test_failure_is_json_and_says_whether_the_service_was_interrupted():
    error = _apply.Rejected("kea-dhcp4 refuses it", "why", ["line"])
    report = _apply.failure(error)
    assert json.loads(json.dumps(report)) == report
    assert (report["failed"], report["changed"], report["rolled_back"]) == (True, False, False)
    assert report["msg"] == "kea-dhcp4 refuses it."
    error.rolled_back = True
    assert _apply.failure(error)["changed"] is True


def test_ha_state_of_a_daemon_that_does_not_answer(tmp_path):
    host = Host(tmp_path)
    assert _apply.ha_state(host, "/run/kea/x") is None
    assert _apply.ha_state(host, None) is None
    host.converge(config())
    assert _apply.ha_state(host, "/run/kea/x")["state"] == "hot-standby"
    host.running = config(fate="zombie")
    assert _apply.ha_state(host, "/run/kea/x", expected=True)["serving"] is False
