# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module kea_ha_info against a small daemon: states, certificates, its log and its leases."""

from __future__ import annotations

import shutil
import socket
import time

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _api, _x509
from ansible_collections.keaops.kea.plugins.modules import kea_ha_info
from test_state import HEARTBEAT, STANDBY_26, STATUS_22, STATUS_26, changed

pytest_plugins = ("servers",)


@pytest.fixture
def daemon(serve_socket):
    """A control socket: daemon(replies) -> path. A reply is a map, or a list of maps that is used up to its last."""
    return serve_socket


@pytest.fixture
def run(run_module):
    """Run the module: run(**options) -> its result."""
    return lambda **options: run_module(kea_ha_info, options)


def status(value):
    return {"result": 0, "arguments": value}


def test_info(daemon, run):
    path = daemon(
        {
            "status-get": status(STANDBY_26),
            "ha-heartbeat": status(HEARTBEAT),
            "version-get": {"result": 0, "text": "2.6.3", "arguments": {"extended": "..."}},
            "config-hash-get": status({"hash": "63C5"}),
            "statistic-get-all": status({"subnet[1].total-addresses": [[100, ""]]}),
        }
    )
    result = run(socket=path)
    assert not result["changed"]
    assert (result["state"], result["serving"], result["server_name"]) == ("hot-standby", False, "server2")
    assert (result["version"], result["config_hash"], result["unsent_updates"]) == ("2.6.3", "63C5", 4)
    assert result["leases"]["total"] == 100
    assert result["summary"].startswith("standby in state hot-standby, not serving")


def test_info_of_kea_22_and_without_statistics(daemon, run):
    path = daemon({"status-get": status(STATUS_22), "version-get": {"result": 0, "text": "2.2.0"}})
    result = run(socket=path)
    assert (result["version"], result["config_hash"], result["leases"]) == ("2.2.0", None, None)


def test_wait_through_states(daemon, run):
    waiting = status(changed(STATUS_26, {"state": "waiting", "scopes": []}, {"last-state": "unavailable"}))
    alone = status(changed(STATUS_26, remote={"last-state": "ready"}))
    path = daemon({"status-get": [waiting, alone, status(STATUS_26)]})
    result = run(socket=path, wait_for=["hot-standby"], wait_for_partner=True, delay=0.01)
    assert result["partner"]["state"] == "hot-standby"


def test_wait_needs_the_partner_only_when_told(daemon, run):
    path = daemon({"status-get": status(changed(STATUS_26, remote={"last-state": "ready"}))})
    assert run(socket=path, wait_for=["hot-standby"], timeout=0.1, delay=0.01)["state"] == "hot-standby"


def test_timeout_names_side_states_and_log(daemon, run, tmp_path):
    log = tmp_path / "kea-dhcp4.log"
    lines = ["1 WARN old", "2 WARN HA_HEARTBEAT_COMMUNICATIONS_FAILED refused", "3 INFO COMMAND_RECEIVED status-get"]
    log.write_text("\n".join([*lines, "4 INFO HA_STATE_TRANSITION to WAITING", "5 INFO COMMAND_RECEIVED status-get"]))
    path = daemon({"status-get": status(changed(STATUS_26, remote={"last-state": "unavailable"}))})
    result = run(
        socket=path,
        wait_for=["hot-standby"],
        wait_for_partner=True,
        timeout=0.1,
        delay=0.01,
        log_file=str(log),
        log_lines=2,
    )
    assert result["failed"]
    assert result["kind"] == "state"
    assert result["partner"]["state"] == "unavailable"
    quoted = ["2 WARN HA_HEARTBEAT_COMMUNICATIONS_FAILED refused", "4 INFO HA_STATE_TRANSITION to WAITING"]
    assert result["log"] == quoted
    for words in (
        f"unix:{path}: server1 is not in hot-standby with its partner after 0.",
        "primary in state hot-standby, serving; it sees its partner in state unavailable",
        "Its partner does not answer: start the service there",
        f"The last lines of {log}:\n" + "\n".join(quoted),
    ):
        assert words in result["msg"]


def test_timeout_of_this_side(daemon, run, tmp_path):
    path = daemon({"status-get": status(changed(STATUS_22, {"state": "waiting"}))})
    missing = tmp_path / "no.log"
    result = run(socket=path, wait_for=["hot-standby"], timeout=0.1, delay=0.01, log_file=str(missing))
    assert "this server is not in hot-standby after 0." in result["msg"]
    assert "Look into the log of both servers" in result["msg"]
    assert result["log"] == [f"{missing}: No such file or directory"]


def test_terminated_is_not_waited_for(daemon, run):
    path = daemon({"status-get": status(changed(STATUS_26, {"state": "terminated"}))})
    start = time.monotonic()
    result = run(socket=path, wait_for=["hot-standby"], timeout=20)
    assert time.monotonic() - start < 5
    assert result["kind"] == "state"
    assert "the clocks differ by more than 60 s" in result["msg"]
    assert "then run recover.yml" in result["msg"]


def test_zombie_while_waiting(daemon, run):
    path = daemon({"status-get": status({key: STATUS_26[key] for key in STATUS_26 if key != "high-availability"})})
    result = run(socket=path, wait_for=["hot-standby"], timeout=0.1, delay=0.01)
    assert result["kind"] == "no_ha"
    assert "may serve nobody" in result["msg"]


@pytest.mark.parametrize(
    "hooks, serving",
    [
        ([{"library": "libdhcp_ha.so", "parameters": {"high-availability": [{"mode": "hot-standby"}]}}], False),
        ([], True),
    ],
)
def test_zombie_is_told_from_a_server_that_stands_alone(daemon, run, hooks, serving):
    alone = {key: STATUS_26[key] for key in STATUS_26 if key != "high-availability"}
    path = daemon({"status-get": status(alone), "config-get": status({"Dhcp4": {"hooks-libraries": hooks}})})
    result = run(socket=path)
    assert (result["ha"], result["serving"]) == (False, serving)


def test_partner_that_answers_but_is_not_ready(daemon, run):
    path = daemon({"status-get": status(changed(STATUS_26, remote={"last-state": "syncing"}))})
    result = run(socket=path, wait_for=["hot-standby"], wait_for_partner=True, timeout=0.1, delay=0.01)
    assert "server1 is well, its partner is not" in result["msg"]


def test_log_without_warnings_is_quoted_as_it_is(tmp_path):
    log = tmp_path / "log"
    log.write_text("one\ntwo\nthree\n")
    assert kea_ha_info.tail(str(log), 2) == ["two", "three"]


def test_a_daemon_that_does_not_come_up(run, tmp_path):
    result = run(socket=str(tmp_path / "none"), wait_for=["hot-standby"], timeout=0.1, delay=0.01)
    assert result["kind"] == "no_socket"
    assert result["url"] == f"unix:{tmp_path / 'none'}"


class TestLeases:
    STATISTICS = {"subnet[1].total-addresses": [[9000, ""]], "subnet[1].assigned-addresses": [[1, ""]]}

    @pytest.fixture
    def leases(self, serve_socket, run):
        """Run with so many leases on the server: leases(count) -> what the module says, and the pages asked for."""

        def start(count):
            asked = []

            def answer(request):
                if request["command"] == "status-get":
                    return status(STATUS_26)
                if request["command"] == "statistic-get-all":
                    return status(self.STATISTICS)
                if request["command"] != "lease4-get-page":
                    return {"result": 2, "text": "not supported"}
                asked.append(request["arguments"])
                known = [f"10.0.{number // 250}.{number % 250}" for number in range(count)]
                first = 0 if asked[-1]["from"] == "start" else known.index(asked[-1]["from"]) + 1
                page = known[first : first + asked[-1]["limit"]]
                entry = {"subnet-id": 1, "state": 0, "cltt": int(time.time()), "valid-lft": 3600}
                return {
                    "result": 0 if page else 3,
                    "arguments": {"leases": [dict(entry, **{"ip-address": at}) for at in page]},
                }

            return run(socket=serve_socket(answer))["leases"], asked

        return start

    @pytest.mark.parametrize("count, pages", [(0, 1), (7, 1), (999, 1), (1000, 2), (2500, 3), (4999, 5)])
    def test_they_are_counted(self, leases, count, pages):
        found, asked = leases(count)
        assert (found["assigned"], found["counted"], found["total"]) == (count, True, 9000)
        assert len(asked) == pages

    def test_too_many_are_not(self, leases):
        found, asked = leases(5000)
        assert (found["assigned"], found["counted"], len(asked)) == (1, False, 5)

    def test_without_the_hook_there_are_the_statistics(self, daemon, run):
        path = daemon({"status-get": status(STATUS_26), "statistic-get-all": status(self.STATISTICS)})
        assert run(socket=path)["leases"]["counted"] is False


class TestConfig:
    def test_secrets_are_hidden(self, daemon, run):
        secret = {"Dhcp4": {"peers": [{"basic-auth-password": "s3cret"}]}}
        path = daemon({"status-get": status(STATUS_26), "config-get": status(secret)})
        assert run(socket=path, config=True)["config"] == {"Dhcp4": {"peers": [{"basic-auth-password": _api.HIDDEN}]}}
        assert "config" not in run(socket=path)


class TestCertificates:
    @pytest.fixture
    def server(self, serve_http, pki):
        """A daemon with TLS: server(name) -> its port."""

        def start(name, client_certs=True):
            return int(serve_http((200, []), pki.context(name, client_certs)).url.split(":")[2].strip("/"))

        return start

    @pytest.fixture
    def ask(self, daemon, run, pki):
        """Ask a healthy daemon about its ports: ask(*ports, cert_file=name, **options) -> result."""
        path = daemon({"status-get": status(STATUS_26)})

        def start(*ports, cert_file="server", **options):
            entries = [port if isinstance(port, dict) else {"port": port, "what": "HA"} for port in ports]
            files = {"client_cert": pki("client.pem"), "client_key": pki("client.key")}
            options = {"timeout": 0.1, "delay": 0.01, "local_name": "dhcp1", **files, **options}
            if cert_file:
                options["cert_file"] = pki(f"{cert_file}.pem")
            return run(socket=path, ports=entries, **options)

        return start

    def test_what_a_port_serves(self, ask, server, pki):
        port = server("server")
        result = ask(port, {"port": 1, "tls": False})
        known = _x509.first_of((pki.folder / "server.pem").read_bytes()).as_dict(time.time())
        about = {"port": port, "what": "HA", "daemon": "dhcp4", "current": True, "problem": None}
        assert result["certificates"] == [dict(about, **known)]
        assert result["certificate_file"] == known
        assert result["warnings"] == []

    def test_without_a_file_to_compare_with(self, ask, server):
        result = ask(server("server"), server("expired"), cert_file=None, wait_for=["hot-standby"], renew_before=0)
        # It is expired, which is an error whatever the limits are.
        assert (result["failed"], result["kind"]) == (True, "certificate")
        result = ask(server("expired"), cert_file=None)
        assert result["certificates"][0]["current"] is None
        assert result["certificate_file"] is None

    def test_a_daemon_that_goes_on_with_the_old_one(self, ask, server, pki):
        good, port = server("renewed"), server("server")
        ports = [good, {"port": port, "what": "API", "daemon": "ctrl_agent"}]
        result = ask(*ports, cert_file="renewed")
        assert [entry["current"] for entry in result["certificates"]] == [True, False]
        result = ask(*ports, cert_file="renewed", wait_for=["hot-standby"])
        old, new = (_x509.first_of((pki.folder / f"{name}.pem").read_bytes()) for name in ("server", "renewed"))
        assert (result["failed"], result["kind"], result["state"]) == (True, "certificate", "hot-standby")
        for words in (
            f"dhcp1: port {port} (API) serves the certificate with serial {old.serial} (until ",
            f"{pki('renewed.pem')} has serial {new.serial}: the Control Agent was not restarted since",
            "Run site.yml",
        ):
            assert words in result["msg"]

    def test_it_waits_for_the_new_one(self, daemon, run, serve_http, pki, tmp_path):
        path = daemon({"status-get": status(STATUS_26)})
        contexts = [pki.context("server"), pki.context("server"), pki.context("renewed")]
        server = serve_http((200, []), contexts[0])

        class Renewing:
            def wrap_socket(self, *args, **options):
                return (contexts.pop(0) if len(contexts) > 1 else contexts[0]).wrap_socket(*args, **options)

        server.context = Renewing()
        port = int(server.url.split(":")[2].strip("/"))
        result = run(
            socket=path,
            ports=[{"port": port}],
            cert_file=pki("renewed.pem"),
            renew_before=0,
            wait_for=["hot-standby"],
            timeout=10,
            delay=0.01,
        )
        assert result["certificates"][0]["current"] is True
        assert len(contexts) == 1

    def test_a_port_that_is_closed_or_plain(self, ask, serve_http):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
            result = ask(port)
            assert "connection refused" in result["certificates"][0]["problem"]
            assert "serial" not in result["certificates"][0]
            result = ask(port, wait_for=["hot-standby"])
            assert result["kind"] == "certificate"
            assert f"dhcp1: port {port} (HA): https://127.0.0.1:{port}/: connection refused" in result["msg"]
        plain = int(serve_http((200, [])).url.split(":")[2].strip("/"))
        assert "does not speak TLS" in ask(plain)["certificates"][0]["problem"]

    @pytest.mark.parametrize("name, words", [("nope", "No such file"), ("../pki0/server.der", None)])
    def test_a_file_that_cannot_be_used(self, daemon, run, pki, tmp_path, name, words):
        path = tmp_path / "cert.pem"
        if words is None:
            shutil.copy(pki("server.der"), path)
        result = run(socket=daemon({"status-get": status(STATUS_26)}), cert_file=str(path))
        assert (result["failed"], result["kind"]) == (True, "option")
        assert f"cert_file {path}: {words or 'there is no PEM certificate in it'}" in result["msg"]

    @pytest.fixture
    def aged(self, pki, tmp_path):
        """Make a certificate with so many days left: aged(days) -> its file."""

        def start(days):
            made = type(pki)(tmp_path)
            made.issue("aged", days=(-100, days))
            return made("aged.pem")

        return start

    @pytest.mark.parametrize(
        "days, renew_before, kind",
        [
            (31, 30, None),
            (29.5, 30, "warning"),
            (7.5, 30, "warning"),
            (6.9, 30, "error"),
            (-0.1, 30, "error"),
            (20.5, 60, "warning"),
            (40, 60, None),
            (6.9, 5, None),
            (4.5, 5, "error"),
            (0.5, 0, None),
            (-0.1, 0, "error"),
        ],
    )
    def test_days_left(self, daemon, run, aged, days, renew_before, kind):
        path = daemon({"status-get": status(STATUS_26)})
        options = {"socket": path, "cert_file": aged(days), "renew_before": renew_before, "local_name": "dhcp1"}
        assert run(**options)["warnings"] == []
        result = run(wait_for=["hot-standby"], **options)
        if kind == "error":
            assert (result["failed"], result["kind"]) == (True, "certificate")
            assert result["msg"].startswith("dhcp1: certificate: ")
            assert "site.yml or rotate_certs.yml" in result["msg"]
        else:
            assert not result.get("failed")
            assert len(result["warnings"]) == (kind == "warning")
        if kind == "warning":
            assert result["warnings"][0].startswith(f"dhcp1: certificate: {int(days)} days left (until ")

    def test_the_reason_for_another_failure(self, daemon, run, aged):
        path = daemon({"status-get": status(changed(STATUS_26, remote={"last-state": "unavailable"}))})
        waiting = {"wait_for": ["hot-standby"], "wait_for_partner": True, "timeout": 0.1, "delay": 0.01}
        result = run(socket=path, cert_file=aged(-2), local_name="dhcp1", **waiting)
        assert result["kind"] == "state"
        assert "\ndhcp1: certificate: EXPIRED on " in result["msg"]
        assert "EXPIRED" not in run(socket=path, cert_file=aged(20), **waiting)["msg"]
        assert "EXPIRED" not in run(socket=path + "-none", cert_file=aged(-2))["msg"]


class TestLog:
    """The rule for errors is tested in test_log.py; here is what the module makes of it."""

    @pytest.fixture
    def ask(self, daemon, run, tmp_path):
        """Ask a healthy daemon with such a log: ask(lines, **options) -> result. A line begins with seconds ago."""
        path = daemon({"status-get": status(dict(STATUS_26, uptime=100))})
        log = tmp_path / "kea-dhcp4.log"

        def start(lines, **options):
            log.write_text("".join(f"{at(ago)} {text}\n" for ago, text in lines))
            options = {"log_file": str(log), "log_since": str(time.time() - 50), "local_name": "dhcp1", **options}
            return run(socket=path, **options)

        start.log = log
        return start

    WORKS = (
        40,
        "INFO  [kea-dhcp4.ha-hooks/1.2] HA_STATE_TRANSITION a: server transitions from READY to HOT-STANDBY state",
    )
    EARLY = (45, "ERROR [kea-dhcp4.ha-hooks/1.2] HA_LEASES_SYNC_FAILED early")
    LATE = (10, "ERROR [kea-dhcp4.ha-hooks/1.2] HA_LEASES4_COMMITTED_FAILED late")
    WARNING = (10, "WARN  [kea-dhcp4.ha-hooks/1.2] HA_HEARTBEAT_COMMUNICATIONS_FAILED lost")
    OTHER = (10, "ERROR [kea-dhcp4.dhcpsrv/1.2] DHCPSRV_MEMFILE_LFC_FAIL other")

    def test_what_is_said_is_returned(self, ask):
        info = (5, "INFO  [kea-dhcp4.commands/1.2] COMMAND_RECEIVED status-get")
        old = (60, "WARN  [kea-dhcp4.ha-hooks/1.2] HA_OLD old")
        result = ask([old, self.EARLY, self.WORKS, self.OTHER, info])
        assert [(entry["level"], entry["id"]) for entry in result["messages"]] == [
            ("ERROR", "HA_LEASES_SYNC_FAILED"),
            ("INFO", "HA_STATE_TRANSITION"),
            ("ERROR", "DHCPSRV_MEMFILE_LFC_FAIL"),
        ]
        assert result["messages"][0]["text"].endswith("HA_LEASES_SYNC_FAILED early")
        assert result["messages"][0]["time"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ask_time(ask, 0)))

    def test_errors_before_the_pair_works_are_natural(self, ask):
        result = ask([self.EARLY, self.WORKS], wait_for=["hot-standby"])
        assert not result.get("failed")
        assert result["warnings"] == []

    def test_errors_afterwards_are_quoted(self, ask):
        result = ask([self.EARLY, self.WORKS, self.LATE, self.OTHER], wait_for=["hot-standby"])
        assert (result["failed"], result["kind"]) == (True, "log")
        assert result["msg"].startswith(f"dhcp1: high availability works, and has reported errors since, in {ask.log}.")
        assert result["msg"].endswith(" HA_LEASES4_COMMITTED_FAILED late")
        assert "SYNC_FAILED" not in result["msg"]
        assert not ask([self.WORKS, self.LATE]).get("failed")

    def test_warnings_are_shown(self, ask):
        result = ask([self.EARLY, self.WORKS, self.WARNING, self.OTHER], wait_for=["hot-standby"])
        assert not result.get("failed")
        assert len(result["warnings"]) == 2
        assert result["warnings"][0].startswith(f"dhcp1: {ask.log}: ")
        assert result["warnings"][0].endswith("HA_HEARTBEAT_COMMUNICATIONS_FAILED lost")
        assert "HA_LEASES_SYNC_FAILED" not in str(result["warnings"])
        assert len(ask([self.WARNING] * 30, wait_for=["hot-standby"], log_lines=3)["warnings"]) == 3

    def test_since_the_daemon_started(self, ask):
        early, late = (104, "WARN  [x.ha-hooks/1] HA_A"), (95, "WARN  [x.ha-hooks/1] HA_B")
        assert [entry["id"] for entry in ask([early, late], log_since="start")["messages"]] == ["HA_B"]

    def test_a_log_that_kea_has_just_turned_over(self, ask):
        ask.log.with_name("kea-dhcp4.log.1").write_text(f"{at(45)} WARN  [x.ha-hooks/1] HA_A\n")
        assert [entry["id"] for entry in ask([self.WARNING])["messages"]] == ["HA_A", self.WARNING[1].split()[2]]
        ask.log.with_name("kea-dhcp4.log.1").write_text(f"{at(45)} WARN  [x.ha-hooks/1] HA_A\n")
        # The file goes back far enough by itself.
        assert [entry["id"] for entry in ask([(55, "INFO [x/1] OTHER")])["messages"]] == []

    def test_no_log(self, ask, tmp_path):
        result = ask([], log_file=str(tmp_path / "none"), wait_for=["hot-standby"])
        assert not result.get("failed")
        assert result["warnings"] == [
            f"dhcp1: the log {tmp_path / 'none'} was not looked at: No such file or directory."
        ]

    def test_without_a_log(self, run):
        assert "required by 'log_since': log_file" in run(log_since="start")["msg"]

    def test_a_time_that_is_none(self, ask):
        result = ask([], log_since="yesterday")
        assert (result["failed"], result["kind"]) == (True, "option")
        assert "log_since 'yesterday' is neither start nor a number" in result["msg"]


def at(ago):
    """Return the time so many seconds ago, as Kea writes it."""
    return time.strftime("%Y-%m-%d %H:%M:%S.123", time.localtime(time.time() - ago))


def ask_time(ask, line):
    """Return the time of a line of the log."""
    text = ask.log.read_text().splitlines()[line + 1].split(".")[0]
    return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S"))
