# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Normalised HA state from replies of real daemons, and the module that returns it."""

from __future__ import annotations

import contextlib
import copy
import json
import socket
import threading
import time

import pytest
from ansible.module_utils import basic
from ansible_collections.keaops.kea.plugins.module_utils import _state
from ansible_collections.keaops.kea.plugins.modules import kea_ha_info

STATUS_22 = {
    "high-availability": [
        {
            "ha-mode": "hot-standby",
            "ha-servers": {
                "local": {"role": "primary", "scopes": ["server1"], "state": "hot-standby"},
                "remote": {
                    "age": 2,
                    "analyzed-packets": 0,
                    "communication-interrupted": False,
                    "connecting-clients": 0,
                    "in-touch": True,
                    "last-scopes": [],
                    "last-state": "hot-standby",
                    "role": "standby",
                    "unacked-clients": 0,
                    "unacked-clients-left": 0,
                },
            },
        }
    ],
    "multi-threading-enabled": False,
    "pid": 814,
    "reload": 132,
    "sockets": {"status": "ready"},
    "uptime": 132,
}


def changed(status, local=None, remote=None, **others):
    """Return a copy of a status with other values."""
    status = copy.deepcopy(dict(status, **others))
    servers = status["high-availability"][0]["ha-servers"]
    servers["local"].update(local or {})
    servers["remote"].update(remote or {})
    return status


DHCP_STATE = {
    "disabled-by-db-connection": [],
    "disabled-by-local-command": [],
    "disabled-by-remote-command": [],
    "disabled-by-user": False,
    "globally-disabled": False,
}
STATUS_26 = changed(STATUS_22, {"server-name": "server1"}, {"server-name": "server2"}, **{"dhcp-state": DHCP_STATE})
STATUS_30 = changed(
    STATUS_26,
    {"system-time": "2026-11-24 00:05:33"},
    {"system-time": "2026-11-24 00:05:33", "clock-skew": 3},
)
STANDBY_26 = changed(
    STATUS_26,
    {"role": "standby", "scopes": [], "server-name": "server2"},
    {"role": "primary", "last-scopes": ["server1"], "server-name": "server1"},
)
HEARTBEAT = {
    "date-time": "Tue, 24 Nov 2026 00:05:32 GMT",
    "scopes": ["server1"],
    "state": "hot-standby",
    "unsent-update-count": 4,
}
HEARTBEAT_TIME = 1795478732.0


@pytest.mark.parametrize(
    "status, name, partner_name, enabled, skew",
    [
        (STATUS_22, None, None, None, None),
        (STATUS_26, "server1", "server2", True, None),
        (STATUS_30, "server1", "server2", True, 3),
    ],
    ids=["2.2", "2.6", "3.0"],
)
def test_every_version_gives_the_same_view(status, name, partner_name, enabled, skew):
    assert _state.normalise(status, HEARTBEAT) == {
        "ha": True,
        "mode": "hot-standby",
        "state": "hot-standby",
        "role": "primary",
        "server_name": name,
        "scopes": ["server1"],
        "serving": True,
        "dhcp_enabled": enabled,
        "partner": {
            "server_name": partner_name,
            "role": "standby",
            "state": "hot-standby",
            "scopes": [],
            "in_touch": True,
            "age": 2,
            "interrupted": False,
            "unacked_clients": 0,
            "unacked_clients_left": 0,
            "clock_skew": skew,
        },
        "clock_skew": skew,
        "unsent_updates": 4,
        "pid": 814,
        "uptime": 132,
        "multi_threading": False,
        "sockets_ready": True,
    }


@pytest.mark.parametrize(
    "status, serving",
    [
        (STANDBY_26, False),
        (changed(STANDBY_26, {"state": "partner-down", "scopes": ["server1", "server2"]}), True),
        (changed(STATUS_26, {"state": "waiting", "scopes": []}), False),
        (changed(STATUS_26, **{"dhcp-state": dict(DHCP_STATE, **{"globally-disabled": True})}), False),
        (changed(STATUS_22, sockets={"status": "failed"}), False),
        ({"pid": 1, "uptime": 1, "multi-threading-enabled": False, "sockets": {"status": "ready"}}, True),
    ],
)
def test_serving(status, serving):
    assert _state.normalise(status)["serving"] is serving


def test_zombie_is_told_from_a_healthy_server():
    zombie = {key: value for key, value in STATUS_26.items() if key != "high-availability"}
    state = _state.normalise(zombie)
    assert state["ha"] is False
    assert state["partner"] is None
    assert "DHCP4_CONFIG_UNRECOVERABLE_ERROR" in _state.missing_ha(state)
    assert _state.missing_ha(_state.normalise(STATUS_26)) is None
    assert state["serving"]
    state = _state.normalise(zombie, ha_expected=True)
    assert not state["serving"]
    assert _state.describe(state) == "without high availability, not serving"


def test_passive_backup_has_no_partner():
    status = copy.deepcopy(STATUS_26)
    del status["high-availability"][0]["ha-servers"]["remote"]
    assert _state.normalise(status)["partner"] is None


def test_heartbeat_alone_is_enough_for_the_state():
    state = _state.normalise({}, HEARTBEAT)
    assert (state["ha"], state["state"], state["scopes"]) == (True, "hot-standby", ["server1"])


def test_describe():
    assert _state.describe(_state.normalise(STATUS_22)) == (
        "primary in state hot-standby, serving; it sees its partner in state hot-standby, heard of 2 s ago"
    )
    lonely = changed(STANDBY_26, {"state": "waiting"}, {"last-state": "", "communication-interrupted": True})
    assert _state.describe(_state.normalise(lonely)) == (
        "standby in state waiting, not serving; it sees its partner in state unknown, heard of 2 s ago, "
        "communication interrupted"
    )
    assert _state.describe(_state.normalise({})) == "without high availability"


@pytest.mark.parametrize(
    "asked, answered, skew",
    [
        (0.0, 0.1, 0.0),
        (0.9, 1.1, 0.0),
        (-0.2, 0.1, 0.0),
        (31.0, 31.2, -30.0),
        (-60.5, -60.4, 60.4),
        # A slow reply is not a skew.
        (-5.0, 5.0, 0.0),
    ],
)
def test_clock_skew(asked, answered, skew):
    assert _state.clock_skew(HEARTBEAT, HEARTBEAT_TIME + asked, HEARTBEAT_TIME + answered) == skew


@pytest.mark.parametrize("value", [None, "", "yesterday", 7])
def test_no_clock(value):
    assert _state.clock_skew({"date-time": value}, 0, 1) is None


def test_lease_counts():
    statistics = {
        "subnet[1].total-addresses": [[100, "2026-11-24 00:03:20.240718"]],
        "subnet[1].assigned-addresses": [[26, "2026-11-24 00:04:20"], [25, "2026-11-24 00:03:20"]],
        "subnet[1].declined-addresses": [[1, "2026-11-24 00:03:20"]],
        "subnet[1].pool[0].total-addresses": [[100, "2026-11-24 00:03:20"]],
        "subnet[1].cumulative-assigned-addresses": [[70, "2026-11-24 00:03:20"]],
        "subnet[10].total-addresses": [[50, "2026-11-24 00:03:20"]],
        "subnet[2].assigned-addresses": [],
        "declined-addresses": [[1, "2026-11-24 00:03:20"]],
    }
    counts = _state.lease_counts(statistics)
    assert counts == {
        "total": 150,
        "assigned": 26,
        "declined": 1,
        "subnets": {
            "1": {"total": 100, "assigned": 26, "declined": 1},
            "2": {"total": 0, "assigned": 0, "declined": 0},
            "10": {"total": 50, "assigned": 0, "declined": 0},
        },
    }
    assert list(counts["subnets"]) == ["1", "2", "10"]


@pytest.fixture
def daemon(tmp_path):
    """A control socket: daemon(replies) -> path. A reply is a map, or a list of maps that is used up to its last."""
    listeners = []

    def start(replies):
        path = str(tmp_path / "kea4-ctrl-socket")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(5)
        listeners.append(listener)

        def loop():
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    command = json.loads(connection.recv(65536))["command"]
                    reply = replies.get(command, {"result": 2, "text": f"'{command}' command not supported."})
                    if isinstance(reply, list):
                        reply = reply.pop(0) if len(reply) > 1 else reply[0]
                    connection.sendall(json.dumps(reply).encode())

        threading.Thread(target=loop, daemon=True).start()
        return path

    yield start
    for listener in listeners:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the module: run(**options) -> its result."""

    def start(**options):
        arguments = json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode()
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", arguments)
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(SystemExit):
            kea_ha_info.main()
        return json.loads(capsys.readouterr().out)

    return start


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
