# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a host: who may change it, what a run has changed, and the way back."""

from __future__ import annotations

import copy
import json
import os

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _apply, _journal
from ansible_collections.keaops.kea.plugins.modules import kea_config, kea_host_info, kea_settle
from fake_host import Host, config

MINE = {"id": "ctl-1-10", "controller": "ctl", "user": "alice", "pid": 1, "partner": "dhcp2", "settles": []}
HERS = {**MINE, "id": "desk-2-20", "controller": "desk", "user": "bob", "pid": 2}


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def change(host, content=None, who=MINE, check=False, **options):
    """Call kea_config's work for a run; returns what it would report."""
    spec = kea_config.argument_spec()
    params = {name: copy.deepcopy(option.get("default")) for name, option in spec.items()}
    params.update(daemon="dhcp4", content=content, path=host.path, executable=host.executable)
    params.update(log_file=str(host.etc / "no.log"), run=copy.deepcopy(who), **options)
    return json.loads(json.dumps(kea_config.work(params, check, host)))


def back(host, who=MINE, **options):
    return change(host, who=who, state="previous", **options)


def settle(host, who=MINE, outcome="kept"):
    return kea_settle.settle(host, {"run": who, "outcome": outcome, "lock_timeout": 0})


def entry(host):
    return _journal.read(host)["daemons"].get("dhcp4")


# --- who may change the host


def test_the_first_change_opens_it_and_the_end_of_the_run_closes_it(host):
    host.converge(config(1))
    result = change(host, config(2))
    assert result["run_open"] is True and result["settled"] == ""
    path = os.path.join(host.state_dir, "journal.json")
    assert os.stat(path).st_mode & 0o777 == 0o600
    journal = _journal.read(host)
    assert {key: journal[key] for key in ("id", "controller", "user", "pid", "partner", "open", "step")} == {
        **{key: MINE[key] for key in ("id", "controller", "user", "pid", "partner")},
        "open": True,
        "step": "dhcp4: changed and proven",
    }
    assert entry(host)["old"]["digest"] == _apply.digest_of(config(1))
    assert entry(host)["new"]["digest"] == _apply.digest_of(config(2))
    assert kea_host_info.open_journal(host)["id"] == MINE["id"]
    assert settle(host) is True and settle(host) is False
    assert _journal.read(host)["outcome"] == "kept" and kea_host_info.open_journal(host) is None


def test_a_run_without_a_change_leaves_no_trace(host):
    host.converge(config(1))
    before = host.snapshot()
    result = change(host, config(1))
    assert (result["action"], result["run_open"]) == ("none", False)
    assert {path: state for path, state in host.snapshot().items() if "lock" not in path} == before
    assert settle(host) is False


def test_check_mode_neither_opens_it_nor_minds_it(host):
    host.converge(config(1))
    assert change(host, config(2), check=True)["run_open"] is False
    assert not _journal.read(host)
    change(host, config(2))
    assert change(host, config(3), who=HERS, check=True)["action"] == "restart"
    assert back(host, who=HERS, check=True)["action"] == "none"


@pytest.mark.parametrize("who", [HERS, None])
def test_another_controller_is_refused(host, who):
    host.converge(config(1))
    change(host, config(2))
    host.clock += 400
    before, pid = host.snapshot(), host.pid
    result = change(host, config(3), who=who)
    assert (result["failed"], result["stage"], result["changed"]) == (True, "prepare", False)
    for words in (
        "the run ctl-1-10 of alice on ctl, begun 6 minutes ago, last heard of 6 minutes ago (dhcp4: changed and ",
        "Nothing was touched. Wait until that run has ended.",
        "run site.yml with -e kea_settle_run=ctl-1-10.",
    ):
        assert words in result["msg"], result["msg"]
    assert {path: state for path, state in host.snapshot().items() if "lock" not in path} == {
        path: state for path, state in before.items() if "lock" not in path
    }
    assert host.pid == pid and back(host, who=HERS)["failed"] and settle(host, HERS) is False


def test_the_refused_run_may_begin_when_the_other_one_has_ended(host):
    host.converge(config(1))
    change(host, config(2))
    settle(host)
    assert change(host, config(3), who=HERS)["action"] == "restart"
    assert _journal.read(host)["user"] == "bob"


def test_the_same_run_goes_on(host):
    host.converge(config(1))
    change(host, config(2))
    assert change(host, config(3))["action"] == "restart"


@pytest.mark.parametrize("content", [config(2), config(3)])
def test_what_a_dead_run_has_left_is_taken_over(host, content):
    host.converge(config(1))
    change(host, config(2))
    host.clock += 60
    result = change(host, content, who={**HERS, "settles": ["ctl-1-10"]})
    assert result["run_open"] is True
    assert result["settled"].startswith("settles what the run ctl-1-10 of alice on ctl, begun ")
    # What that run found is where this one goes back to.
    assert entry(host)["old"]["digest"] == _apply.digest_of(config(1))
    assert back(host, who=HERS)["action"] == "restart" and host.running == config(1)


def test_a_journal_that_cannot_be_written_stops_the_change(host, monkeypatch):
    host.converge(config(1))
    real = host.write

    def full(path, *arguments):
        if path.endswith("journal.json.new"):
            raise OSError(28, "No space left on device")
        real(path, *arguments)

    monkeypatch.setattr(host, "write", full)
    result = change(host, config(2))
    assert (result["stage"], result["changed"]) == ("replace", False)
    assert "cannot write the journal: No space left on device. Nothing was changed" in result["msg"]
    assert host.live() == host.running == config(1)


def test_a_damaged_journal_is_nobodys(host):
    host.make_folder(host.state_dir)
    for text in ("{", "[]"):
        with open(os.path.join(host.state_dir, "journal.json"), "w", encoding="utf-8") as stream:
            stream.write(text)
        assert _journal.read(host) == {}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s ago"), (119, "119 s ago"), (120, "2 minutes ago"), (3600, "1 hour ago"), (7300, "2 hours ago")],
)
def test_ago(seconds, words):
    assert _journal.ago(seconds) == words


# --- the way back


def test_back_to_what_was_there_before_the_run(host):
    host.converge(config(1))
    change(host, config(2))
    result = back(host)
    assert (result["action"], result["changed"]) == ("restart", True)
    assert host.live() == host.running == config(1) and host.marker() == _apply.digest_of(config(1))
    assert entry(host) is None and result["run_open"] is True
    assert back(host)["action"] == "none"


def test_back_over_several_changes_of_one_run(host):
    host.converge(config(1))
    change(host, config(2))
    change(host, config(3))
    back(host)
    assert host.running == config(1)


def test_a_run_that_came_back_by_itself_has_nothing_to_take_back(host):
    host.converge(config(1))
    change(host, config(2))
    change(host, config(1))
    assert entry(host) is None and back(host)["action"] == "none"


def test_nothing_to_take_back(host):
    host.converge(config(1))
    assert back(host)["action"] == "none"
    change(host, config(2))
    settle(host)
    assert back(host)["action"] == "none" and host.running == config(2)


def test_a_failed_change_leaves_nothing_to_take_back(host):
    host.converge(config(1))
    result = change(host, config(2, "dies"))
    assert result["rolled_back"] is True and result["run_open"] is True
    assert entry(host) is None and back(host)["action"] == "none"
    # And not more than it has made itself.
    change(host, config(3))
    assert change(host, config(4, "dies"))["rolled_back"] is True and host.running == config(3)
    assert back(host)["action"] == "restart" and host.running == config(1)


def test_back_as_in_any_change(host):
    """The old configuration is proven, too, and a server that dies with it gets the new one again."""
    host.converge(config(1))
    change(host, config(2))
    host.remote = {"last-state": "unavailable"}
    assert "It does not hear its partner" in back(host, gate_ha_states=["hot-standby"])["msg"]
    assert host.running == config(2)


def test_links_and_unit_settings_go_back_too(host):
    current = host.certificates("serves", "serves")
    os.symlink("1", current)
    content = config(1, certificate=current + "/cert.pem")
    change(host, content, links={current: "1"}, unit_settings="[Service]\nRestartSec=5\n")
    settle(host)
    change(host, content, links={current: "2"}, unit_settings="[Service]\nRestartSec=9\n")
    assert os.readlink(current) == "2"
    back(host, links={current: "2"}, unit_settings="[Service]\nRestartSec=9\n")
    assert os.readlink(current) == "1" and host.settings() == "[Service]\nRestartSec=5\n"


def test_no_way_back_to_what_was_never_proven(host):
    host.converge(config(1), proven=False)
    change(host, config(2))
    assert "there was no configuration before this run that was proven to serve" in back(host)["msg"]
    assert host.running == config(2)


def test_no_way_back_without_the_old_file(host):
    host.converge(config(1))
    change(host, config(2))
    os.remove(host.path + ".keaops-previous")
    assert f"is not in {host.path}.keaops-previous any more, so it cannot be put back" in back(host)["msg"]


def test_a_stopped_daemon_runs_again(host):
    host.converge(config(1))
    assert change(host, state="stopped")["action"] == "stop" and host.boot == "disabled"
    assert change(host, state="stopped")["action"] == "none"
    result = back(host, enabled=True)
    assert result["action"] == "start" and host.running == config(1) and host.boot == "enabled"
