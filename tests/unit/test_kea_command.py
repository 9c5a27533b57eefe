# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module kea_command against a small daemon on a UNIX socket."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.keaops.kea.plugins.doc_fragments import connection
from ansible_collections.keaops.kea.plugins.module_utils import _api
from ansible_collections.keaops.kea.plugins.modules import kea_command

pytest_plugins = ("servers",)

REPLIES = {
    "config-get": {"result": 0, "arguments": {"Dhcp4": {"peers": [{"basic-auth-password": "s3cret"}]}}},
    "config-set": {"result": 0, "text": "Configuration successful."},
    "lease4-get-all": {"result": 3, "text": "0 IPv4 lease(s) found.", "arguments": {"leases": []}},
    "lease4-del": {"result": 3, "text": "IPv4 lease not found."},
    "lease4-get": {"result": 1, "text": "Parameters missing or are not a map."},
}


@pytest.fixture
def daemon(serve_socket):
    """A control socket with ``path`` and the requests ``seen``."""

    class Daemon:
        seen: list = []

    daemon = Daemon()
    daemon.seen = []

    def answer(request):
        daemon.seen.append(request)
        unknown = {"result": 2, "text": f"'{request['command']}' command not supported."}
        return REPLIES.get(request["command"], unknown)

    daemon.path = serve_socket(answer)
    return daemon


@pytest.fixture
def run(run_module):
    """Run the module: run(**options) -> its result."""
    return lambda check_mode=False, **options: run_module(kea_command, options, check_mode)


def test_read_only_command(daemon, run):
    result = run(socket=daemon.path, command="lease4-get-all", arguments={"subnets": [1]})
    assert daemon.seen == [{"command": "lease4-get-all", "arguments": {"subnets": [1]}}]
    assert not result["changed"]
    assert result["read_only"]
    assert (result["result"], result["text"], result["arguments"]) == (3, "0 IPv4 lease(s) found.", {"leases": []})
    assert result["url"] == f"unix:{daemon.path}"


def test_changing_command(daemon, run):
    result = run(socket=daemon.path, command="config-set", arguments={"Dhcp4": {}})
    assert result["changed"]
    assert not result["read_only"]


def test_changing_command_that_found_nothing(daemon, run):
    result = run(socket=daemon.path, command="lease4-del", arguments={"ip-address": "192.168.1.117"})
    assert not result["changed"]
    assert result["result"] == 3


def test_check_mode_sends_only_what_reads(daemon, run):
    result = run(check_mode=True, socket=daemon.path, command="config-set", arguments={"Dhcp4": {}})
    assert result["changed"]
    assert result["msg"] == f"unix:{daemon.path}: config-set would be sent."
    assert daemon.seen == []
    assert run(check_mode=True, socket=daemon.path, command="lease4-get-all")["result"] == 3


def test_secrets_are_hidden_unless_asked_for(daemon, run):
    hidden = run(socket=daemon.path, command="config-get")
    assert hidden["arguments"]["Dhcp4"]["peers"] == [{"basic-auth-password": _api.HIDDEN}]
    shown = run(socket=daemon.path, command="config-get", show_secrets=True)
    assert shown["arguments"]["Dhcp4"]["peers"] == [{"basic-auth-password": "s3cret"}]


@pytest.mark.parametrize(
    "command, kind, code",
    [("lease4-get", "command_failed", 1), ("nosuch", "unsupported", 2)],
)
def test_failure_has_the_reply(daemon, run, command, kind, code):
    result = run(socket=daemon.path, command=command)
    assert result["failed"]
    assert (result["kind"], result["result"]) == (kind, code)
    assert result["text"] in result["msg"] or result["text"].rstrip(".") in result["msg"]


def test_no_daemon(run, tmp_path):
    result = run(socket=str(tmp_path / "none"), command="status-get")
    assert (result["failed"], result["kind"]) == (True, "no_socket")
    assert "result" not in result


@pytest.mark.parametrize(
    "options, words",
    [
        ({"password": "s3cret", "password_file": "/x", "user": "u"}, "mutually exclusive: password|password_file"),
        ({"password": "s3cret"}, "missing parameter(s) required by 'password': user"),
        ({"service": "dhcp5"}, "value of service must be one of"),
        ({"timeout": "soon"}, "timeout"),
    ],
)
def test_options_that_cannot_work(run, options, words):
    result = run(command="status-get", **options)
    assert result["failed"]
    assert words in result["msg"]


def test_documentation_and_argument_spec_agree():
    documented = yaml.safe_load(connection.ModuleDocFragment.DOCUMENTATION)["options"]
    spec = _api.connection_argument_spec()
    assert set(documented) == set(spec)
    for name, option in spec.items():
        for key in ("type", "default", "choices"):
            assert documented[name].get(key) == option.get(key), f"{name}.{key}"
    assert set(yaml.safe_load(kea_command.DOCUMENTATION)["options"]) == {
        "command",
        "arguments",
        "timeout",
        "show_secrets",
    }
