# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transaction where a running server follows its file by commands: done, predicted, refused, taken back."""

from __future__ import annotations

import copy
import json
import os

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _apply
from ansible_collections.keaops.kea.plugins.modules import kea_config
from fake_host import Host, config

RUN = {"id": "c-1-1", "controller": "c", "user": "me", "pid": 1, "partner": "", "settles": []}
GATED = {"gate_ha_states": ["hot-standby"], "wait_ha_states": ["hot-standby"], "hand_over": True}
FIRST, SECOND = {"hw-address": "1a:1b:1c:1d:1e:01"}, {"hw-address": "1a:1b:1c:1d:1e:02"}


def subnet(number: int, pool: str, *clients: dict) -> dict:
    """Return a subnet whose clients have its addresses from 10 on."""
    entries = [{**client, "ip-address": f"10.{number}.0.{10 + n}"} for n, client in enumerate(clients)]
    prefix = f"10.{number}.0."
    pools = [{"pool": "-".join(prefix + end for end in pool.split("-"))}]
    return {"id": number, "subnet": f"{prefix}0/24", "pools": pools, "reservations": entries}


def served(*subnets: dict, **more) -> dict:
    return {"Dhcp4": {**config(**more)["Dhcp4"], "subnet4": list(subnets)}}


OLD = served(subnet(1, "100-199", FIRST))
NEW = served(subnet(1, "50-199", FIRST, SECOND), subnet(2, "100-199", FIRST))
COMMANDS = ["subnet4-update", "subnet4-add", "reservation-add", "reservation-add"]


def run(host: Host, content: dict, check: bool = False, **options) -> dict:
    spec = kea_config.argument_spec()
    params = {name: copy.deepcopy(option.get("default")) for name, option in spec.items()}
    params.update(daemon="dhcp4", content=content, path=host.path, executable=host.executable, run=RUN)
    params.update(log_file=str(host.etc / "no.log"), **options)
    return json.loads(json.dumps(kea_config.work(params, check, host)))


@pytest.fixture
def host(tmp_path) -> Host:
    """A server that runs OLD, which was proven, and knows the commands."""
    host = Host(tmp_path)
    host.live_hooks = True
    assert run(host, OLD, run=None)["action"] == "start"
    host.clock += 100
    host.commands.clear()
    return host


def verbs(host: Host) -> set[str]:
    return {command[1] for command in host.commands if command[0] == "systemctl"}


def as_file(host: Host) -> list[dict]:
    """Return what the server runs, as its file has it."""
    return host.subnets.state()


# --- done and predicted


@pytest.mark.parametrize("way", ["auto", "live"])
def test_a_running_server_follows_its_file(host, way):
    pid = host.pid
    result = run(host, NEW, apply=way, **GATED)
    assert (result["changed"], result["action"], result["rolled_back"]) == (True, "live", False)
    assert (host.pid, host.notified, verbs(host)) == (pid, 0, {"show"})
    assert host.sent == COMMANDS
    assert host.live() == NEW and as_file(host) == NEW["Dhcp4"]["subnet4"]
    assert host.marker() == result["digest"]
    assert result["change"]["kind"] == "additive" and "subnet4[2]: new" in result["change"]["words"]
    assert {"inspect", "gate", "check", "replace", "live"} == set(result["seconds"])
    assert result["ha"]["state"] == "hot-standby"
    assert result["backup"] and _apply.parsed(host.read(result["backup"])) == OLD
    host.sent.clear()
    again = run(host, NEW, apply=way, **GATED)
    assert (again["changed"], again["action"], host.sent) == (False, "none", [])


def test_check_mode_predicts_it_and_sends_nothing(host):
    before = host.snapshot()
    predicted = run(host, NEW, check=True)
    assert (predicted["changed"], predicted["action"], host.sent) == (True, "live", [])
    assert host.snapshot() == before
    done = run(host, NEW)
    assert (predicted["diff"], predicted["reasons"]) == (done["diff"], done["reasons"])
    assert '"pool": "10.1.0.50-10.1.0.199"' in done["diff"][0]["after"]


def test_the_file_alone_where_only_its_order_differs(host):
    run(host, NEW)
    host.sent.clear()
    turned = served(*reversed(NEW["Dhcp4"]["subnet4"]))
    assert (run(host, turned)["action"], host.sent) == ("live", [])
    assert host.live() == turned


def test_a_restart_where_that_is_wanted(host):
    pid = host.pid
    assert run(host, NEW, apply="rolling")["action"] == "restart"
    assert (host.sent, host.pid) == ([], pid + 1)


# --- what cannot be done so


def no_hooks(host: Host) -> dict:
    host.live_hooks = False
    return {}


def new_kea(host: Host) -> dict:
    marker = json.loads(host.read(os.path.join(host.state_dir, "dhcp4.json")))
    with open(os.path.join(host.state_dir, "dhcp4.json"), "w", encoding="utf-8") as stream:
        json.dump({**marker, "kea_version": "2.2.0"}, stream)
    return {}


def foreign(host: Host) -> dict:
    host.mark(NEW)
    return {}


def forgotten(host: Host) -> dict:
    marker = json.loads(host.read(os.path.join(host.state_dir, "dhcp4.json")))
    host.mark(OLD)
    with open(os.path.join(host.state_dir, "dhcp4.json"), "w", encoding="utf-8") as stream:
        json.dump({**marker, "running": None}, stream)
    return {}


def tampered(host: Host) -> dict:
    host.tampered = {"valid-lifetime": 1}
    return {}


def zombie(host: Host) -> dict:
    host.running["Dhcp4"]["user-context"] = {"fate": "zombie"}
    return {}


OBSTACLES = {
    "a global value": (
        lambda host: {"content": {"Dhcp4": {**NEW["Dhcp4"], "valid-lifetime": 1}}},
        "valid-lifetime changes",
    ),
    "no hooks": (no_hooks, "does not know reservation-add, reservation-del, reservation-update, subnet4-add"),
    "another Kea": (new_kea, "another Kea was installed since it was started"),
    "another file": (foreign, "the configuration in place was never proven to serve"),
    "unknown": (forgotten, "it is not known what it runs"),
    "somebody else": (tampered, "somebody changed what it runs: valid-lifetime: was 4000, is 1"),
    "a zombie": (zombie, "it does not serve: it answers without high availability"),
    "a password": (
        lambda host: {"watch_files": [host.executable]},
        "a file has changed that it reads only when it starts",
    ),
    "the unit": (lambda host: {"unit_settings": "[Service]\nRestartSec=5\n"}, "the settings of its unit change, too"),
    "nothing else": (lambda host: {"content": OLD, "watch_files": [host.executable]}, "a file it uses has changed"),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_takes_a_restart_is_refused_or_done_by_one(host, obstacle):
    spoil, words = OBSTACLES[obstacle]
    options = {"content": NEW, **spoil(host)}
    before, pid = host.snapshot(), host.pid
    for check in (True, False):
        result = run(host, check=check, apply="live", **options)
        assert (result["failed"], result["stage"], result["changed"]) == (True, "prepare", False)
        assert result["msg"].startswith(
            "server1 cannot be changed while it runs, and kea_apply: live allows no restart: "
        )
        assert words in result["msg"]
        assert result["msg"].endswith(
            "Nothing was changed; the service is as it was. Leave that change out, or run with -e kea_apply=auto: the "
            "servers are then restarted one after the other, each while its partner serves."
        )
    assert (host.snapshot(), host.pid, host.sent) == (before, pid, [])
    assert run(host, **options)["action"] == "restart"
    assert host.pid > pid and host.sent == []


def test_a_server_that_does_not_run_is_started_whatever_is_allowed(host):
    host.running = None
    assert run(host, NEW, apply="live")["action"] == "start"


# --- taken back


@pytest.mark.parametrize("whim", ["refuses", "forgets"])
def test_a_server_that_does_not_follow_is_restarted_where_that_is_allowed(host, whim):
    host.whims = {"subnet4-add": [whim]} if whim == "refuses" else {"subnet4-update": [whim]}
    result = run(host, NEW, **GATED)
    assert (result["changed"], result["action"], host.notified) == (True, "restart", 1)
    assert host.running == host.live() == NEW and host.marker() == result["digest"]
    (warning,) = result["warnings"]
    assert warning.startswith("the change of the running server failed: ")
    assert warning.endswith("and was not restarted. It is restarted with the new configuration instead")
    host.clock += 100
    assert run(host, NEW)["action"] == "none"


def test_a_restart_after_commands_that_were_taken_back_may_fail_too(host):
    host.whims = {"subnet4-add": ["refuses"]}
    new = served(*NEW["Dhcp4"]["subnet4"])
    host.broken = True
    result = run(host, new, **GATED)
    assert (result["failed"], result["stage"]) == (True, "serve")
    assert host.live() == OLD


@pytest.mark.parametrize("number", range(len(COMMANDS)))
def test_a_command_that_is_refused_takes_all_back(host, number):
    name = COMMANDS[number]
    host.whims = {name: [""] * COMMANDS[:number].count(name) + ["refuses"]}
    pid, before = host.pid, as_file(host)
    result = run(host, NEW, apply="live", **GATED)
    assert (result["failed"], result["stage"], result["rolled_back"]) == (True, "live", True)
    assert result["msg"] == (
        f"the change of the running server failed: Kea refuses {name}: the pool is in the way. The previous "
        "configuration was put back, and what was sent was taken back: the server runs what it ran before and "
        "was not restarted."
    )
    assert (host.pid, host.notified, verbs(host)) == (pid, 0, {"show"})
    assert host.live() == OLD and as_file(host) == before
    assert host.sent[:number] == COMMANDS[:number]
    assert host.marker() == _apply.digest_of(OLD)
    host.whims = {}
    assert run(host, OLD)["action"] == "none"
    assert run(host, NEW)["action"] == "live"


def test_a_server_that_does_not_run_what_it_took_is_put_back(host):
    host.whims = {"subnet4-update": ["forgets"]}
    pid, before = host.pid, as_file(host)
    result = run(host, NEW, apply="live", **GATED)
    assert (result["stage"], result["rolled_back"]) == ("live", True)
    assert "the server took the commands, and does not run what is in the file: subnet4[1].pools[" in result["msg"]
    assert (host.pid, host.live(), as_file(host)) == (pid, OLD, before)


def test_something_else_that_changes_meanwhile_is_no_proof(host):
    take = host.subnets.take

    def meddle(command):
        host.tampered = {"valid-lifetime": 1}
        take(command)

    host.subnets.take = meddle
    result = run(host, NEW, apply="live")
    assert "something else than its subnets has changed, too" in result["msg"]
    # Nor is it what it ran before, so it is restarted.
    assert "could not be taken back (the server does not run what it ran before), so it was restarted" in result["msg"]
    assert (result["rolled_back"], host.running) == (True, OLD)


def test_an_answer_that_never_came_is_taken_back_all_the_same(host):
    host.whims = {"subnet4-add": ["silent"]}
    before = as_file(host)
    result = run(host, NEW, apply="live")
    assert "no answer to subnet4-add" in result["msg"]
    assert result["rolled_back"] and "was not restarted" in result["msg"]
    assert host.live() == OLD and as_file(host) == before


@pytest.mark.parametrize("undone", ["forgets", "silent", "refuses"])
def test_what_commands_cannot_take_back_is_undone_by_a_restart_while_the_partner_serves(host, undone):
    host.whims = {"reservation-add": ["refuses"], "subnet4-del": [undone]}
    if undone == "silent":
        host.subnets.subnet4_del = lambda id: None
    result = run(host, NEW, apply="live", **GATED)
    assert (result["stage"], result["rolled_back"]) == ("live", True)
    assert "By commands that could not be taken back" in result["msg"]
    assert "The previous configuration was put back and kea-dhcp4-server serves again" in result["msg"]
    assert host.notified == 1 and host.running == host.live() == OLD
    host.clock += 100
    assert run(host, OLD)["action"] == "none"


def test_a_server_that_dies_of_it_is_brought_back(host):
    host.whims = {"subnet4-add": ["dies"]}
    result = run(host, NEW, apply="live", **GATED)
    assert (result["stage"], result["rolled_back"]) == ("live", True)
    assert host.running == host.live() == OLD
    assert "serves again" in result["msg"]


def test_a_file_that_cannot_be_written_touches_nothing(host):
    os.mkdir(host.path + ".keaops-previous.new")
    before = as_file(host)
    result = run(host, NEW, apply="live", **GATED)
    assert (result["stage"], result["rolled_back"], host.sent) == ("replace", False, [])
    assert "cannot replace" in result["msg"] and result["msg"].endswith(
        "Nothing was changed; the service is as it was."
    )
    assert host.live() == OLD and as_file(host) == before


# --- at the end of a run that failed for the partner


@pytest.mark.parametrize("way", ["auto", "live"])
def test_a_live_change_goes_back_live(host, way):
    pid, before = host.pid, as_file(host)
    assert run(host, NEW, apply=way, **GATED)["run_open"]
    result = run(host, NEW, state="previous", apply=way, **GATED)
    assert result["action"] == "live"
    assert (host.pid, host.live(), as_file(host)) == (pid, OLD, before)


def test_it_goes_back_by_a_restart_where_commands_cannot(host):
    run(host, NEW, apply="live", **GATED)
    host.live_hooks = False
    result = run(host, NEW, state="previous", apply="live", **GATED)
    assert result["action"] == "restart"
    assert host.running == host.live() == OLD
