# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server led to its goal, against a pair that is played: what Kea does, its lies included."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _apply, _ha_host
from ansible_collections.keaops.kea.plugins.module_utils._api import KeaApiError, Reply
from ansible_collections.keaops.kea.plugins.modules import kea_ha

HEADER = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname\n"
SERVING = ("partner-down", "partner-in-maintenance")


def status(role, state, sees, hooks=True):
    """What a server answers to status-get."""
    if not hooks:
        return {"pid": 1, "sockets": {"status": "ready"}}
    scopes = ["server1"] if state in SERVING or (role == "primary" and state in ("hot-standby", "terminated")) else []
    servers = {
        "local": {"role": role, "state": state, "scopes": scopes, "server-name": "x"},
        "remote": {"role": "x", "last-state": sees, "age": 0, "communication-interrupted": sees == "unavailable"},
    }
    return {"pid": 1, "high-availability": [{"ha-mode": "hot-standby", "ha-servers": servers}]}


class Pair(_apply.System):
    """A host with its server, and the partner behind its URL. States change as Kea's do, at once or with time."""

    def __init__(self, folder, role="standby", mine="hot-standby", theirs="hot-standby", version="3.0.4"):
        super().__init__(str(folder / "run"), str(folder / "state"), str(folder / "units"), str(folder / "passing"))
        self.role, self.mine, self.theirs, self.version = role, mine, theirs, version
        self.other = "primary" if role == "standby" else "standby"
        self.link = self.hooks = True
        self.dies = self.mute = False
        self.lies = ""
        self.leases = {"mine": [], "theirs": []}
        self.clock, self.later, self.log, self.journal = 0.0, [], [], []
        self.folder = folder
        config = {
            "lease-database": {"type": "memfile", "name": str(folder / "leases.csv")},
            "hooks-libraries": [
                {
                    "library": "/x/libdhcp_ha.so",
                    "parameters": {
                        "high-availability": [
                            {
                                "this-server-name": f"server{1 if role == 'primary' else 2}",
                                "peers": [{"name": "server1"}, {"name": "server2"}],
                            }
                        ]
                    },
                }
            ],
        }
        self.config = json.dumps({"Dhcp4": config}).encode()

    # the world

    def now(self):
        return self.clock

    def epoch(self):
        return 1795478400.0

    def sleep(self, seconds):
        self.clock += seconds
        for item in [item for item in self.later if item[0] <= self.clock]:
            self.later.remove(item)
            item[1]()

    def after(self, seconds, what):
        self.later.append((self.clock + seconds, what))

    def read(self, path):
        return self.config if path == "/etc/kea/kea-dhcp4.conf" else super().read(path)

    def run(self, argv, uid=None, gid=None, timeout=120):
        del uid, gid, timeout
        out = ""
        if argv[:2] == ["systemctl", "show"]:
            active = "active" if self.mine else "inactive"
            if self.mine == "dead":
                active = "failed"
            out = f"LoadState=loaded\nActiveState={active}\nSubState=x\nMainPID=1\nNRestarts=0\nUnitFileState=enabled\n"
        elif argv[0] == "systemctl":
            self.log.append(argv[1])
            {"stop": self.stop, "restart": self.restart}.get(argv[1], lambda: None)()
        elif argv[0] == "journalctl":
            out = "\n".join(self.journal)
        return _apply.Done(0, out, "")

    # Kea

    def stop(self):
        self.mine = ""
        if self.theirs == "partner-in-maintenance":
            self.after(1, lambda: setattr(self, "theirs", "partner-down"))

    def restart(self):
        assert self.theirs != "partner-in-maintenance", "back before it was missed"
        self.mine, self.hooks = ("dead" if self.dies else "waiting"), True
        self.journal = ["Started x", "FATAL [x/1] DHCP4_INIT_FAIL broken leases"] if self.dies else []
        if self.theirs == "partner-down":
            self.after(3, self.together)

    def together(self):
        self.mine = self.theirs = "hot-standby"

    def api(self, path, command, timeout=5, arguments=None):
        del timeout
        if self.mine in ("", "dead") or self.mute:
            raise KeaApiError("refused", path, "", f"{path}: connection refused")
        if command == "status-get":
            sees = self.theirs if self.link else "unavailable"
            return Reply(0, "", status(self.role, self.mine, self.lies or sees, self.hooks))
        if command == "version-get":
            return Reply(0, self.version, {})
        self.log.append(command if arguments is None else f"{command} {arguments}")
        return getattr(self, command.replace("-", "_"))()

    def ha_maintenance_start(self):
        if self.link and self.theirs:
            self.mine, self.theirs = "partner-in-maintenance", "in-maintenance"
        else:
            self.mine = "partner-down"
        return Reply(0, "success, says Kea", {})

    def ha_maintenance_cancel(self):
        self.together()
        return Reply(0, "canceled", {})

    def ha_reset(self):
        self.mine = "waiting"
        return Reply(0, "reset", {})

    def ha_sync(self):
        self.leases["mine"] = self.leases["theirs"]
        return Reply(0, "complete", {})

    def client(self, path, timeout=5):
        def command(name, arguments=None):
            if name == "lease4-get-page":
                return self.page("mine")
            return self.api(path, name, timeout, arguments)

        return SimpleNamespace(command=command, service="dhcp4")

    def page(self, whose):
        leases = [
            {"ip-address": address, "hw-address": "1a:1b:1c:1d:1e:1f", "cltt": self.epoch() - 60, "valid-lft": 4000}
            for address in self.leases[whose]
        ]
        return Reply(0, "", {"leases": leases, "count": len(leases)})

    def partner(self):
        """The client for the partner's URL."""

        def command(name, arguments=None, check=False):
            del arguments, check
            if not self.link and not self.lies or not self.theirs:
                raise KeaApiError("refused", "http://192.168.1.2:8000/", "", "http://192.168.1.2:8000/: refused.")
            if name == "ha-heartbeat":
                return Reply(0, "", {})
            if name == "lease4-get-page":
                return self.page("theirs")
            return Reply(0, "", status(self.other, self.theirs, self.mine))

        return SimpleNamespace(command=command, service="dhcp4")


@pytest.fixture
def lead(tmp_path, monkeypatch):
    """Lead a server of a pair that is played to a state; returns the result of the module."""

    def run(pair, state, check=False, **params):
        monkeypatch.setattr(kea_ha, "partner_of", lambda params: pair.partner)
        given = {name: option.get("default") for name, option in kea_ha.argument_spec().items()}
        given.update(params, state=state, local_name="dhcp2")
        return kea_ha.work(given, check, pair)

    (tmp_path / "leases.csv").write_text(HEADER)
    return run


@pytest.fixture
def make(tmp_path):
    return lambda **kwargs: Pair(tmp_path, **kwargs)


def test_taking_over_and_doing_it_again(make, lead):
    pair = make()
    result = lead(pair, "serving")
    assert (result["changed"], pair.log) == (True, ["ha-maintenance-start"])
    assert result["before"]["ha"]["state"] == "hot-standby"
    assert result["after"]["ha"]["state"] == "partner-in-maintenance"
    assert result["after"]["partner"]["state"] == "in-maintenance"
    assert result["diff"]["after"] == "partner-in-maintenance, serves server1\n"
    assert not lead(pair, "serving")["changed"]


def test_kea_is_not_asked_to_take_over_from_a_partner_that_does_not_answer(make, lead):
    pair = make()
    pair.link = False
    result = lead(pair, "serving")
    assert (result["failed"], result["kind"], pair.log) == (True, "refused", [])
    assert "dhcp2: its partner does not answer" in result["msg"]
    assert "both servers would serve" in result["msg"]


@pytest.mark.parametrize("theirs", ["hot-standby", ""])
def test_a_takeover_that_did_not_reach_the_partner_is_taken_back(make, lead, theirs):
    """The partner answers this program and not the server, as with a password that only the server has wrong."""
    pair = make()
    pair.lies = "hot-standby"
    pair.link = False
    pair.after(0, lambda: None)
    start = pair.ha_maintenance_start

    def begin():
        pair.theirs = theirs
        return start()

    pair.ha_maintenance_start = begin
    result = lead(pair, "serving")
    assert (result["failed"], result["kind"]) == (True, "split")
    assert pair.log == ["ha-maintenance-start", "ha-reset"]
    assert pair.mine == "waiting"
    assert "Kea calls that a success" in result["msg"]


def test_taking_over_from_a_partner_that_is_known_to_be_stopped(make, lead):
    pair = make(theirs="")
    result = lead(pair, "serving", partner_stopped=True)
    assert not result.get("failed"), result
    assert (pair.mine, pair.log) == ("partner-down", ["ha-maintenance-start"])


def test_a_terminated_server_starts_anew_to_take_over(make, lead):
    pair = make(role="primary", mine="terminated", theirs="")
    result = lead(pair, "serving", partner_stopped=True)
    assert not result.get("failed"), result
    assert pair.log == ["reset-failed", "restart", "ha-maintenance-start"]


def test_a_drained_server_is_proven_to_be_so(make, lead):
    assert not lead(make(mine="in-maintenance", theirs="partner-in-maintenance"), "drained")["changed"]


def test_a_server_that_goes_on_although_its_partner_took_over_is_stopped(make, lead):
    pair = make(role="primary", mine="hot-standby", theirs="partner-down")
    result = lead(pair, "drained")
    assert (result["changed"], pair.mine) == (True, "")
    assert "both servers serve" in result["actions"][0]


def test_a_server_is_not_stopped_while_its_partner_needs_it(make, lead):
    pair = make()
    result = lead(pair, "stopped")
    assert (result["kind"], pair.log) == ("refused", [])


def test_normal_by_command(make, lead):
    pair = make(mine="partner-in-maintenance", theirs="in-maintenance")
    assert lead(pair, "normal")["actions"] == ["cancel: both servers can serve again"]
    assert pair.log == ["ha-maintenance-cancel"]
    assert not lead(pair, "normal")["changed"]


@pytest.mark.parametrize(("version", "partner"), [("2.6.3", None), ("3.0.4", "2.6.3"), ("2.2.0", "3.0.4")])
def test_an_old_server_that_serves_leaves_it_to_its_partner(make, lead, version, partner):
    pair = make(mine="partner-in-maintenance", theirs="in-maintenance", version=version)
    result = lead(pair, "normal", partner_version=partner)
    assert (result["changed"], pair.log, result.get("failed")) == (False, [], None)


def test_an_old_drained_server_comes_back_only_when_it_was_missed(make, lead):
    pair = make(role="primary", mine="in-maintenance", theirs="partner-in-maintenance", version="2.6.3")
    result = lead(pair, "normal")
    assert not result.get("failed"), result
    # The pair that is played checks the order.
    assert [word for word in pair.log if word != "reset-failed"] == ["stop", "restart"]
    assert (pair.mine, pair.theirs) == ("hot-standby", "hot-standby")


def test_a_cancel_that_has_no_effect_does_not_go_on_for_ever(make, lead):
    pair = make(mine="partner-in-maintenance", theirs="in-maintenance")
    pair.ha_maintenance_cancel = lambda: Reply(0, "canceled", {})
    result = lead(pair, "normal", timeout=20)
    assert result["kind"] == "timeout"
    assert pair.log == ["ha-maintenance-cancel"] * _ha_host.MAX_TRIES


def test_a_wait_ends_and_says_what_both_were_in(make, lead):
    pair = make(mine="waiting", theirs="waiting")
    result = lead(pair, "normal", timeout=12)
    assert result["kind"] == "timeout"
    assert "within 12 s" in result["msg"]
    assert "is standby in state waiting" in result["msg"]
    assert "its partner is primary in state waiting" in result["msg"]


def test_a_server_that_dies_is_reported_with_its_own_words(make, lead):
    pair = make(mine="")
    pair.dies = True
    result = lead(pair, "started")
    assert result["kind"] == "died"
    assert "DHCP4_INIT_FAIL broken leases" in result["msg"]
    assert "DHCP4_INIT_FAIL broken leases" in result["after"]["dead"]


def test_a_zombie_is_restarted(make, lead):
    pair = make()
    pair.hooks = False
    assert "without its hooks" in lead(pair, "started")["actions"][0]
    assert "restart" in pair.log


def test_a_mute_server_is_restarted_after_a_while(make, lead):
    pair = make()
    pair.mute = True
    restart = pair.restart

    def again():
        pair.mute = False
        restart()

    pair.restart = again
    result = lead(pair, "started", timeout=40)
    assert not result.get("failed"), result
    assert pair.clock >= 10


def test_lease_files_are_moved_aside_all_together(make, lead, tmp_path):
    pair = make(mine="")
    for ending in ("", ".2", ".completed"):
        (tmp_path / f"leases.csv{ending}").write_text("garbage")
    assert "leases.csv: its first line" in lead(pair, "gathered")["before"]["leases"]
    result = lead(pair, "started", leases="aside")
    assert not result.get("failed"), result
    left = sorted(os.listdir(tmp_path))
    assert [name for name in left if name.startswith("leases")] == [
        "leases.csv.keaops-20261124-000000",
        "leases.csv.keaops-20261124-000000.2",
        "leases.csv.keaops-20261124-000000.completed",
    ]
    assert len(result["moved"]) == 3
    assert result["after"]["leases"] == ""


def test_leases_that_it_lacks_are_copied_once(make, lead):
    pair = make()
    pair.leases = {"mine": ["192.168.1.100"], "theirs": ["192.168.1.100", "192.168.1.101"]}
    assert lead(pair, "gathered")["before"]["lacks"] == ["192.168.1.101"]
    assert lead(pair, "synced", check=True)["changed"]
    assert pair.log == []
    result = lead(pair, "synced")
    assert result["actions"] == ["sync: it lacks 1 lease (192.168.1.101) of its partner"]
    assert pair.log == ["ha-sync {'server-name': 'server1', 'max-period': 20}"]
    assert not lead(pair, "synced")["changed"]


def test_a_copy_that_does_not_help_ends_with_a_failure(make, lead):
    pair = make()
    pair.leases["theirs"] = ["192.168.1.101"]
    pair.ha_sync = lambda: Reply(0, "complete", {})
    result = lead(pair, "synced")
    assert (result["kind"], len(pair.log)) == ("timeout", _ha_host.MAX_TRIES)
    assert "it lacks 1 lease (192.168.1.101) of its partner" in result["msg"]


def test_leases_are_compared_only_where_they_matter(make, lead):
    pair = make()
    pair.leases["theirs"] = ["192.168.1.101"]
    assert lead(pair, "normal")["before"]["lacks"] is None
    pair.link = False
    assert lead(pair, "gathered")["before"]["lacks"] is None


def test_what_was_disabled_by_hand_is_enabled(make, lead):
    pair = make()
    enabled = []
    answer = pair.api

    def api(path, command, timeout=5, arguments=None):
        reply = answer(path, command, timeout, arguments) if command != "dhcp-enable" else Reply(0, "", {})
        if command == "dhcp-enable":
            enabled.append(True)
        if command == "status-get":
            reply.arguments["dhcp-state"] = {"globally-disabled": not enabled}
        return reply

    pair.api = api
    assert lead(pair, "normal")["actions"] == ["enable: somebody has disabled its DHCP service"]
    assert enabled == [True]


@pytest.mark.parametrize(
    ("state", "mine", "theirs", "changed"),
    [
        ("serving", "hot-standby", "hot-standby", True),
        ("serving", "partner-down", "in-maintenance", False),
        ("normal", "hot-standby", "hot-standby", False),
        ("normal", "partner-in-maintenance", "in-maintenance", True),
        ("started", "", "partner-down", True),
    ],
)
def test_check_mode_predicts_and_does_nothing(make, lead, state, mine, theirs, changed):
    pair = make(mine=mine, theirs=theirs)
    result = lead(pair, state, check=True)
    assert (result["changed"], pair.log) == (changed, [])
    assert not os.path.exists(pair.run_dir)


def test_check_mode_predicts_a_refusal(make, lead):
    pair = make()
    pair.link = False
    assert lead(pair, "serving", check=True)["kind"] == "refused"


def test_looking_takes_no_lock_and_changes_nothing(make, lead):
    pair = make()
    result = lead(pair, "gathered")
    assert (result["changed"], pair.log) == (False, [])
    assert not os.path.exists(pair.run_dir)
    assert result["before"]["server_name"] == "server2"
    assert result["before"]["proven"] is False
    assert result["before"]["agent"] is True


def test_a_second_run_on_the_host_is_refused(make, lead):
    pair = make()
    with _apply.host_lock(pair, {"daemon": "dhcp4", "run_id": None}):
        result = lead(pair, "serving")
    assert result["kind"] == "host"
    assert "another run is changing Kea on this host" in result["msg"]
    assert pair.log == []
