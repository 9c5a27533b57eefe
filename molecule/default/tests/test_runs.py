# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks do on deployed pairs: verify, status, changes, mistakes, accidents."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time

import pytest
from conftest import PAIRS, ROOT, Pair, changed, command_of, environment, inventory_of, play


def one_of(pairs: list[Pair]) -> Pair:
    """Return the pair for tests that need only one: Debian stable's where the lab has it."""
    return next((pair for pair in pairs if pair.suite == "trixie"), pairs[0])


def test_verify_passes_and_sees_both_directions(pairs):
    run = play("playbooks/verify.yml")
    assert run.returncode == 0, run.stdout + run.stderr
    assert set(changed(run.stdout).values()) == {0}


def test_verify_fails_on_an_expectation_that_does_not_hold(pairs):
    expect = json.dumps({"kea_expect": [{"query": 'Dhcp4."valid-lifetime"', "equals": 1}]})
    run = play("playbooks/verify.yml", "-e", expect, limit=one_of(pairs).name)
    assert run.returncode != 0
    assert "43200" in run.stdout
    assert 'Dhcp4."valid-lifetime"' in run.stdout.replace('\\"', '"')


def test_status_shows_a_line_for_each_server(pairs):
    run = play("playbooks/status.yml")
    assert run.returncode == 0, run.stdout + run.stderr
    for pair in pairs:
        for server in pair.servers:
            line = next(line for line in run.stdout.splitlines() if server.name in line and "hot-standby" in line)
            assert re.search(r"leases \d+ of 100", line), line


def test_status_names_a_server_that_is_down(pairs):
    pair = one_of(pairs)
    pair.standby.run("systemctl stop kea-dhcp4-server")
    try:
        run = play("playbooks/status.yml", limit=one_of(pairs).name)
    finally:
        pair.standby.run("systemctl start kea-dhcp4-server")
    line = next(line for line in run.stdout.splitlines() if f"{pair.standby.name} " in line and "standby" in line)
    assert "does not run" in line
    pair.healthy()


def test_second_run_and_check_change_nothing(pairs):
    for arguments in ((), ("--check", "--diff")):
        run = play("site.yml", *arguments)
        assert run.returncode == 0, run.stdout + run.stderr
        assert set(changed(run.stdout).values()) == {0}


def test_a_change_goes_to_the_standby_first_and_check_mode_says_so(pairs):
    change = ("-e", json.dumps({"kea_valid_lifetime": 43201}))
    predicted = play("site.yml", "--check", "--diff", *change)
    assert predicted.returncode == 0, predicted.stdout + predicted.stderr
    assert '"valid-lifetime": 43201' in predicted.stdout
    assert all(
        server.kea("config-get")["arguments"]["Dhcp4"]["valid-lifetime"] == 43200
        for pair in pairs
        for server in pair.servers
    )

    before = {server.name: server.pid() for pair in pairs for server in pair.servers}
    agents = {server.name: server.pid("kea-ctrl-agent") for pair in pairs for server in pair.servers}
    run = play("site.yml", "--diff", *change)
    assert run.returncode == 0, run.stdout + run.stderr
    assert changed(run.stdout) == changed(predicted.stdout)
    for pair in pairs:
        started = {}
        for server in pair.servers:
            assert server.pid() != before[server.name]
            assert server.pid("kea-ctrl-agent") == agents[server.name]
            assert server.kea("config-get")["arguments"]["Dhcp4"]["valid-lifetime"] == 43201
            started[server.name] = server.started()
        # One container's clock is every container's: the standby was up seconds before the primary was touched.
        assert started[pair.primary.name] - started[pair.standby.name] > 2_000_000
    run = play("site.yml")
    assert run.returncode == 0, run.stdout + run.stderr


MISTAKES = {
    "a pool outside its subnet": (
        lambda v: v["kea_subnets"][0].update(pools=["192.168.2.10-192.168.2.20"]),
        ("kea_subnets", "192.168.2.10", "192.168.1.0/24"),
    ),
    "a duplicate reservation": (
        lambda v: v["kea_subnets"][0]["reservations"].append(
            {"hw_address": "1a:1b:1c:1d:1e:1f", "ip_address": "192.168.1.12"}
        ),
        ("kea_subnets", "1a:1b:1c:1d:1e:1f"),
    ),
    "two primaries": (lambda v: v.update(kea_ha_role="primary"), ("kea_ha_role", "primary")),
    "a partner without address": (
        lambda v: v.update(kea_ha_address="dhcp-a.example"),
        ("kea_ha_address", "dhcp-a.example"),
    ),
    "a typo in a variable": (
        lambda v: v.update(kea_ha_hartbeat_delay=1000),
        ("kea_ha_hartbeat_delay", "kea_ha_heartbeat_delay"),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_stops_the_run_before_any_host_is_touched(pairs, mistake):
    change, words = MISTAKES[mistake]
    variables = {key: value for key, value in inventory_of(PAIRS[0].primary.name).items() if key in ("kea_subnets",)}
    change(variables)
    before = [server.pid() for pair in pairs for server in pair.servers]
    run = play("site.yml", "-e", json.dumps(variables))
    assert run.returncode != 0
    # A mistake that many hosts share is told once.
    hosts = [server.name for pair in pairs for server in pair.servers]
    more = re.search(r"and (\d+) more hosts", run.stdout)
    assert sum(host in run.stdout for host in hosts) + int(more[1] if more else 0) == len(hosts), run.stdout
    for word in words:
        assert word in run.stdout, word
    assert "Deploy the pairs" not in run.stdout
    assert [server.pid() for pair in pairs for server in pair.servers] == before
    for pair in pairs:
        assert pair.lease()["address"]


def test_a_change_that_kills_the_daemon_is_put_back(pair: Pair):
    """The file passes Kea's own check; only the start shows that the leases cannot be written to a folder."""
    pid = pair.primary.pid()
    extra = {"kea_dhcp4_extra": {"lease-database": {"name": "/var/lib/kea/a-folder.csv"}}}
    pair.standby.run("mkdir /var/lib/kea/a-folder.csv")
    try:
        run = play("site.yml", "-e", json.dumps(extra), limit=pair.name)
    finally:
        pair.standby.run("rmdir /var/lib/kea/a-folder.csv")
    assert run.returncode != 0, run.stdout
    assert "kea-dhcp4-server died after its start" in run.stdout
    assert "a-folder.csv" in run.stdout
    assert "The previous configuration was put back and kea-dhcp4-server serves again" in run.stdout
    assert f"{pair.primary.name}: its DHCP service was left as it is" in " ".join(run.stdout.split())
    assert pair.primary.pid() == pid
    pair.healthy()
    assert pair.lease()["server_id"] == "192.168.1.2"
    assert play("site.yml", limit=pair.name).returncode == 0


@pytest.mark.parametrize("seconds", [3, 6, 9, 12])
def test_a_killed_controller_leaves_dhcp_served(pairs, seconds):
    lifetime = 43300 + seconds
    change = ("-e", json.dumps({"kea_valid_lifetime": lifetime}))
    controller = subprocess.Popen(
        command_of("site.yml", *change),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(seconds)
    os.killpg(controller.pid, signal.SIGKILL)
    controller.wait()
    for pair in pairs:
        pair.healthy()
        assert pair.lease()["address"]
    run = play("site.yml", *change)
    assert run.returncode == 0, run.stdout + run.stderr
    for pair in pairs:
        pair.healthy()
        for server in pair.servers:
            assert server.kea("config-get")["arguments"]["Dhcp4"]["valid-lifetime"] == lifetime


def test_no_secret_is_shown(pairs):
    run = play("site.yml", "-vvv", "--diff", limit=one_of(pairs).name)
    assert run.returncode == 0, run.stdout + run.stderr
    for pair in pairs:
        for server in pair.servers:
            password = server.run("cat /etc/kea/kea-api-password")
            assert len(password) >= 32
            assert password not in run.stdout + run.stderr
            # The pattern is read from the file: on a command line it would itself end up in sudo's log.
            for place in (
                "journalctl --no-pager | grep -c -F -f {}",
                "grep -rlF -f {} /var/log /tmp /etc/kea/*.conf /var/lib/keaops",
            ):
                found = server.shell.run(place.format("/etc/kea/kea-api-password"))
                assert found.rc == 1, f"{server.name}: {place}: {found.stdout}{found.stderr}"


def test_an_unreachable_partner_is_named_and_nothing_is_done(pairs, tmp_path):
    pair = one_of(pairs)
    before = [server.pid() for server in pair.servers]
    # Nothing listens on port 1.
    overlay = tmp_path / "overlay.yml"
    overlay.write_text(json.dumps({"kea": {"hosts": {pair.standby.name: {"ansible_port": 1}}}}))
    change = json.dumps({"kea_valid_lifetime": 50000})
    run = play("site.yml", "-e", change, limit=one_of(pairs).name, inventory=str(overlay))
    assert run.returncode != 0
    assert re.search(rf"{pair.standby.name}: the host cannot be reached", run.stdout), run.stdout
    assert [server.pid() for server in pair.servers] == before


def test_a_password_change_needs_consent_and_then_works(pairs):
    pair = one_of(pairs)
    before = [server.pid() for server in pair.servers]
    secret = {"kea_api_password": "lab-canary-correct-horse-battery"}
    run = play("site.yml", "-e", json.dumps(secret), limit=one_of(pairs).name)
    assert run.returncode != 0
    assert "kea_accept_outage=true" in run.stdout
    assert [server.pid() for server in pair.servers] == before
    run = play(
        "site.yml", "-vvv", "--diff", "-e", json.dumps({**secret, "kea_accept_outage": True}), limit=one_of(pairs).name
    )
    assert run.returncode == 0, run.stdout + run.stderr

    assert secret["kea_api_password"] not in run.stdout + run.stderr
    pair.healthy()
    for server in pair.servers:
        assert server.run("cat /etc/kea/kea-api-password") == secret["kea_api_password"]
