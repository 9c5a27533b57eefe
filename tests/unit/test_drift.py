# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody else has changed since a configuration was applied is told, in full and without a secret."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _apply, _drift
from fake_host import Host, config

CANARY = "canary-of-the-lease-database"


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    host.converge(config())
    return host


@pytest.fixture
def daemon(host):
    return _apply.DAEMONS["dhcp4"]._replace(path=host.path, executable=host.executable)


def applied(host, daemon, content=None):
    """Have *content* run and recorded; returns the marker."""
    content = content or config()
    host.put(content)
    host.start()
    version = host.run([host.executable, "-v"]).out.strip() or None
    digest = _drift.remember(host, daemon, content, "/run/kea/x")
    return {"digest": _apply.digest_of(content), "running": digest, "kea_version": version}


def running(host, daemon, marker):
    return _drift.running_changes(host, daemon, marker, _drift.running(host, "/run/kea/x"), host.executable)


def in_file(host, daemon, marker):
    data = host.read(host.path)
    return _drift.file_changes(host, daemon, marker, data, _apply.parsed(data))


def test_nothing_has_changed(host, daemon):
    marker = applied(host, daemon)
    assert (running(host, daemon, marker), in_file(host, daemon, marker)) == ([], [])
    host.start()
    assert running(host, daemon, marker) == []


def test_the_running_daemon_was_changed(host, daemon):
    marker = applied(host, daemon)
    host.tampered = {"valid-lifetime": 600, "option-data": [{"name": "routers", "data": "10.0.0.1"}]}
    assert running(host, daemon, marker) == ["valid-lifetime: was 4000, is 600", "option-data[routers]: new"]
    assert in_file(host, daemon, marker) == []


def test_the_order_in_which_kea_prints_reservations_is_no_change(host, daemon):
    reservations = [{"hw-address": "1a:00:00:00:00:01"}, {"hw-address": "1a:00:00:00:00:02"}]
    content = config()
    content["Dhcp4"]["subnet4"] = [{"id": 1, "reservations": reservations}]
    marker = applied(host, daemon, content)
    host.tampered = {"subnet4": [{"id": 1, "reservations": reservations[::-1]}]}
    assert running(host, daemon, marker) == []


def test_the_file_was_changed(host, daemon):
    marker = applied(host, daemon)
    host.put(config(lifetime=5))
    assert in_file(host, daemon, marker) == ["valid-lifetime: was 4000, is 5"]
    # White space and comments mean nothing.
    host.put(None, text="// mine\n" + json.dumps(config(), indent=8))
    assert in_file(host, daemon, marker) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{nonsense", "cannot be read as Kea's JSON"),
        ("[]", "has no Dhcp4"),
        ('{"Dhcp6": {}}', "has no Dhcp4"),
    ],
)
def test_the_file_makes_no_sense_any_more(host, daemon, text, words):
    marker = applied(host, daemon)
    host.put(None, text=text)
    assert words in in_file(host, daemon, marker)[0]


def test_a_file_that_is_gone_loses_nothing_to_the_next_run(host, daemon):
    marker = applied(host, daemon)
    os.remove(host.path)
    assert in_file(host, daemon, marker) == []


def test_a_host_that_was_never_deployed_has_no_drift(host, daemon):
    assert (running(host, daemon, {}), in_file(host, daemon, {})) == ([], [])


def test_a_daemon_that_is_silent_has_no_drift(host, daemon):
    marker = applied(host, daemon)
    host.running = None
    assert running(host, daemon, marker) == []


def test_a_marker_without_record(host, daemon):
    marker = applied(host, daemon)
    os.remove(os.path.join(host.state_dir, "dhcp4.applied.json"))
    host.put(config(lifetime=5))
    host.tampered = {"valid-lifetime": 600}
    assert in_file(host, daemon, marker) == running(host, daemon, marker) == ["there is no record of what it was"]


def test_secrets_are_seen_to_change_and_never_shown(host, daemon):
    content = config()
    content["Dhcp4"]["lease-database"] = {"type": "mysql", "password": CANARY}
    marker = applied(host, daemon, content)
    assert running(host, daemon, marker) == []
    host.tampered = {"lease-database": {"type": "mysql", "password": CANARY + "2"}}
    assert running(host, daemon, marker) == ["a secret, or the order of a list"]
    host.tampered["valid-lifetime"] = 3
    assert running(host, daemon, marker) == ["valid-lifetime: was 4000, is 3"]
    content["Dhcp4"]["lease-database"]["password"] = CANARY + "3"
    host.put(content)
    assert in_file(host, daemon, marker) == ["a secret, or the order of a list"]
    path = os.path.join(host.state_dir, "dhcp4.applied.json")
    assert CANARY not in host.read(path).decode("utf-8")
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_many_changes_are_counted(host, daemon):
    marker = applied(host, daemon)
    host.tampered = {f"key-{number:02}": number for number in range(20)}
    lines = running(host, daemon, marker)
    assert (len(lines), lines[0], lines[-1]) == (8, "key-00: new", "and 13 more")


def test_another_version_prints_other_defaults(host, daemon):
    marker = dict(applied(host, daemon), kea_version="2.2.0")
    host.tampered = {"new-default": True}
    assert running(host, daemon, marker) == []
    host.tampered = {"new-default": True, "valid-lifetime": 600}
    assert running(host, daemon, marker) == ["valid-lifetime: was 4000, is 600"]
