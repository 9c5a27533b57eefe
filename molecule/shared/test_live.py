# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that a running server of Kea 3.0 and later takes by commands: nobody notices, and both files say the same."""

from __future__ import annotations

import copy
import json

import pytest
from conftest import NOTES, PAIRS, Host, Pair, changed, inventory_of, play

FILE = "/etc/kea/kea-dhcp4.conf"
LIVE = [pair for pair in PAIRS if pair.takes_commands]


@pytest.fixture(params=LIVE, ids=lambda pair: pair.suite)
def pair(request) -> Pair:
    """Each such pair in turn, healthy at the start of a test and with the scenario's own subnets at its end."""
    request.param.healthy()
    yield request.param
    back(request.param)


def subnets(pair: Pair) -> list[dict]:
    """Return the pair's subnets with another pool, option and reservation, and one more."""
    (lan,) = copy.deepcopy(inventory_of(pair.primary.name)["kea_subnets"])
    lan["pools"] = ["192.168.1.100-192.168.1.219"]
    lan["option_data"]["domain-name-servers"] = ["9.9.9.9"]
    lan["reservations"][0]["ip_address"] = "192.168.1.12"
    more = {"id": 7, "subnet": "10.7.0.0/24", "relay": {"ip_addresses": ["10.7.0.1"]}, "pools": ["10.7.0.10-10.7.0.99"]}
    more["reservations"] = [{"hw_address": "1a:1b:1c:1d:1e:77", "ip_address": "10.7.0.7"}]
    return [lan, more]


def site(pair: Pair, **variables):
    """Run site.yml on the pair with these variables."""
    return play("site.yml", "-e", json.dumps(variables), limit=pair.name)


def back(pair: Pair) -> None:
    """Have the pair run the scenario's own subnets again; leases that do not fit into them are in the way."""
    for server in pair.servers:
        server.kea("lease4-wipe", **{"subnet-id": 1})
    run = site(pair)
    assert run.returncode == 0, run.stdout
    pair.healthy()


def runs(server: Host) -> dict:
    """Return the configuration that the server says it runs; it prints reservations in an order of its own."""
    found = server.kea("config-get")["arguments"]["Dhcp4"]
    for subnet in found["subnet4"]:
        subnet["reservations"].sort(key=json.dumps)
    return found


def pids(pair: Pair) -> list[str]:
    """Return the processes of both servers."""
    return [server.pid() for server in pair.servers]


def test_a_change_of_subnets_is_noticed_by_nobody(pair: Pair):
    before, old = pids(pair), [runs(server) for server in pair.servers]
    wanted = subnets(pair)
    # The pool has 100 addresses: a released one is free again a second later.
    with pair.probe(rate=40, room=20) as probe:
        there = site(pair, kea_subnets=wanted)
        new = [runs(server) for server in pair.servers]
        again = site(pair, kea_subnets=wanted)
    assert there.returncode == again.returncode == 0, there.stdout + again.stdout
    assert [set(changed(run.stdout).values()) for run in (there, again)] == [{1}, {0}]
    for config in new:
        lan, more = config["subnet4"]
        options = {option["name"]: option["data"] for option in lan["option-data"]}
        assert (lan["pools"][0]["pool"], options["domain-name-servers"]) == ("192.168.1.100-192.168.1.219", "9.9.9.9")
        assert "192.168.1.12" in [entry["ip-address"] for entry in lan["reservations"]]
        assert (more["id"], [entry["ip-address"] for entry in more["reservations"]]) == (7, ["10.7.0.7"])
    clients = probe.report["new"]
    NOTES.append(f"{pair.name}, live changes: {clients['asked']} DORAs, {clients['unanswered']} unanswered")
    assert clients["asked"] >= 500
    assert probe.report["states"] == []
    probe.expect(unanswered=0, neither_up=0.0)
    # By commands a server comes back to the very same that it had from its file.
    back(pair)
    assert [runs(server) for server in pair.servers] == old
    assert pids(pair) == before


def test_a_server_that_reads_its_file_again_runs_what_it_ran(pair: Pair):
    assert site(pair, kea_subnets=subnets(pair)).returncode == 0
    new = [runs(server) for server in pair.servers]
    for server in (pair.standby, pair.primary):
        server.run("systemctl restart kea-dhcp4-server")
        pair.healthy()
    assert [runs(server) for server in pair.servers] == new
    again = site(pair, kea_subnets=subnets(pair))
    assert set(changed(again.stdout).values()) == {0}, again.stdout


def test_a_live_change_is_taken_back_where_the_partner_fails(pair: Pair):
    before, old = pids(pair), [runs(server) for server in pair.servers]
    files = [server.file(FILE) for server in pair.servers]
    # Where the primary would keep its old file.
    pair.primary.run(f"mkdir {FILE}.keaops-previous.new")
    try:
        run = site(pair, kea_subnets=subnets(pair))
    finally:
        pair.primary.run(f"rmdir {FILE}.keaops-previous.new")
    assert run.returncode != 0
    text = " ".join(run.stdout.split())
    assert f"{pair.primary.name}: cannot replace {FILE}" in text
    assert "Both servers have what they had before this run" in text
    assert pids(pair) == before
    assert [runs(server) for server in pair.servers] == old
    assert [server.file(FILE) for server in pair.servers] == files
    again = site(pair)
    assert set(changed(again.stdout).values()) == {0}, again.stdout


def test_what_takes_a_restart_is_refused_where_only_live_changes_are_allowed(pair: Pair):
    before = pids(pair)
    for arguments in ((), ("--check",)):
        change = json.dumps({"kea_apply": "live", "kea_valid_lifetime": 43201})
        run = play("site.yml", *arguments, "-e", change, limit=pair.name)
        assert run.returncode != 0
        text = " ".join(run.stdout.split())
        assert "server2 cannot be changed while it runs, and kea_apply: live allows no restart" in text
        assert "valid-lifetime changes, which is not in a subnet of subnet4. Nothing was changed" in text
    assert pids(pair) == before
