# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transaction as a whole: what the module reports and what it leaves behind, fault by fault."""

from __future__ import annotations

import copy
import json
import os

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _apply, _handover
from ansible_collections.keaops.kea.plugins.module_utils._api import Reply
from ansible_collections.keaops.kea.plugins.modules import kea_config
from fake_host import Host, config


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def run(host, content, check=False, **options):
    """Call the module's work; returns what it would report."""
    spec = kea_config.argument_spec()
    params = {name: copy.deepcopy(option.get("default")) for name, option in spec.items()}
    params.update(daemon="dhcp4", content=content, path=host.path, executable=host.executable)
    params.update(log_file=str(host.etc / "no.log"), **options)
    return json.loads(json.dumps(kea_config.work(params, check, host)))


def names(host):
    return sorted(os.listdir(str(host.etc)))


# --- it works


def test_first_apply_on_a_package_that_runs(host):
    host.converge(config(1, ha=False), proven=False)
    result = run(host, config(2), enabled=True, wait_ha_states=["hot-standby"])
    assert (result["changed"], result["action"]) == (True, "restart")
    assert result["ha"]["state"] == "hot-standby"
    assert host.live() == host.running == config(2)
    assert host.marker() == result["digest"]
    assert names(host) == ["kea-dhcp4.conf", "kea-dhcp4.conf.keaops-previous"]
    assert result["backup"] == host.path + ".keaops-previous"
    assert {"inspect", "check", "replace", "restart", "serve", "ha"} <= set(result["seconds"])
    # Serving is believed only after the process has lived for a while.
    assert result["seconds"]["serve"] >= _apply.STABLE_SECONDS


def test_first_apply_without_a_file_and_not_running(host):
    host.boot = "disabled"
    result = run(host, config(), enabled=True)
    assert (result["action"], result["reasons"]) == ("start", ["there is no configuration file yet"])
    assert result["backup"] is None
    assert host.boot == "enabled" and host.running == config()


def test_second_run_does_nothing(host):
    run(host, config())
    before, pid = host.snapshot(), host.pid
    host.commands.clear()
    result = run(host, config(), enabled=True, wait_ha_states=["hot-standby"], gate_ha_states=["partner-down"])
    assert (result["changed"], result["action"], result["diff"]) == (False, "none", [])
    assert result["ha"]["state"] == "hot-standby"
    assert host.snapshot() == before and host.pid == pid
    assert all(command[1] == "show" for command in host.commands)


@pytest.mark.parametrize(
    "text",
    [
        "// by hand\n" + json.dumps(config()),
        json.dumps({"Dhcp4": dict(reversed(list(config()["Dhcp4"].items())))}, indent=7),
        "/* x */ " + json.dumps(config())[:-1] + ", } # end",
    ],
)
def test_white_space_comments_order_and_header_are_no_change(host, text):
    host.converge(config())
    host.put(None, text=text)
    result = run(host, config(), header=["another header"])
    assert result["action"] == "none"
    assert host.read(host.path).decode() == text


def test_new_file_has_its_mode_from_the_first_moment(host):
    host.put(config(1), mode=0o644)
    run(host, config(2))
    assert os.stat(host.path).st_mode & 0o777 == 0o640
    # The old file keeps its own.
    assert os.stat(host.path + ".keaops-previous").st_mode & 0o777 == 0o644


def test_mode_alone_is_repaired_without_restart(host):
    host.converge(config())
    os.chmod(host.path, 0o644)
    pid = host.pid
    result = run(host, config())
    assert (result["changed"], result["action"]) == (True, "permissions")
    assert os.stat(host.path).st_mode & 0o777 == 0o640 and host.pid == pid
    assert "permissions only" in result["diff"][0]["after_header"]
    assert "mode 0644" in result["diff"][0]["before"] and "mode 0640" in result["diff"][0]["after"]
    assert result["warnings"] == []
    assert run(host, config())["action"] == "none"


def test_start_at_boot_alone(host):
    host.converge(config())
    assert run(host, config(), enabled=False)["action"] == "disable"
    assert host.boot == "disabled"
    assert run(host, config())["action"] == "none"
    assert run(host, config(), enabled=True)["action"] == "enable"
    assert host.boot == "enabled"


def test_unit_settings_alone_do_not_restart(host):
    host.converge(config())
    pid = host.pid
    text = "[Service]\nRestart=on-failure\n"
    predicted = run(host, config(), check=True, unit_settings=text)
    assert not os.path.exists(host.unit_dir)
    host.commands.clear()
    result = run(host, config(), unit_settings=text)
    assert (result["action"], result["diff"]) == ("settings", predicted["diff"]) and host.pid == pid
    with open(os.path.join(host.unit_dir, "kea-dhcp4-server.service.d", "keaops.conf"), encoding="utf-8") as stream:
        assert stream.read() == text
    assert ["systemctl", "daemon-reload"] in host.commands
    assert run(host, config(), unit_settings=text)["action"] == "none"
    # Left alone where nothing is said of them.
    assert run(host, config())["action"] == "none"


def test_no_unit_settings_asked_for_and_none_there(host):
    host.converge(config())
    assert run(host, config(), unit_settings="")["action"] == "none"


def test_unit_settings_are_there_before_the_restart(host):
    run(host, config(), unit_settings="[Service]\n")
    verbs = [command[1] for command in host.commands if command[0] == "systemctl" and command[1] != "show"]
    tried = ["daemon-reload", "start", "reset-failed", "daemon-reload"]
    assert verbs == [*tried, "daemon-reload", "reset-failed", "restart"]
    assert os.listdir(host.passing_unit_dir) == []


def test_unit_settings_alone_warn_that_they_wait(host):
    host.converge(config())
    for check in (True, False):
        warnings = run(host, config(), check=check, unit_settings="[Service]\n")["warnings"]
        assert len(warnings) == 1 and "in force from its next start on" in warnings[0]
    assert run(host, config(), unit_settings="[Service]\n")["warnings"] == []
    host.running = None
    assert run(host, config(3), unit_settings="[Service]\nProtectHome=yes\n")["warnings"] == []


@pytest.mark.parametrize("new", [config(1), config(2)])
def test_unit_settings_that_the_host_cannot_grant(host, new):
    """They would show at the next boot only, on both hosts of the pair."""
    host.converge(config(1))
    run(host, config(1), unit_settings="[Service]\nRestartSec=5\n")
    before, pid = host.snapshot(), host.pid
    host.unlockable = "ProtectSystem=strict"
    result = run(host, new, unit_settings="[Unit]\nAfter=x\n[Service]\nRestart=on-failure\nProtectSystem=strict\n")
    assert (result["failed"], result["stage"], result["changed"]) == (True, "check", False)
    assert result["reason"].endswith("Failed at step NAMESPACE spawning /usr/sbin/kea-dhcp4: No such device")
    assert "cannot run kea-dhcp4-server with the settings of its unit: keaops-try-kea-dhcp4-server" in result["msg"]
    assert result["msg"].endswith(
        "Nothing was changed; the service is as it was. A host that cannot lock services in, as some containers, needs "
        "kea_unit_hardening: false."
    )
    assert host.snapshot() == before and host.pid == pid and os.listdir(host.passing_unit_dir) == []


@pytest.mark.parametrize("old", ["[Service]\nRestartSec=5\n", None])
@pytest.mark.parametrize("new", [config(1), config(2)])
def test_unit_settings_that_the_daemon_cannot_start_with_are_put_back(host, old, new):
    host.converge(config(1))
    if old:
        run(host, config(1), unit_settings=old)
    host.running, host.locked = None, "ProtectSystem=strict"
    host.start()
    if new == config(1):
        host.mark(config(9))
    result = run(host, new, unit_settings="[Service]\nProtectSystem=strict\n")
    assert (result["stage"], result["rolled_back"]) == ("serve", True)
    assert "status=226/NAMESPACE" in result["reason"]
    assert "he previous settings of its unit were put back and kea-dhcp4-server serves again. A host" in result["msg"]
    assert result["msg"].endswith("needs kea_unit_hardening: false.")
    assert host.settings() == old and host.running == config(1)
    verbs = [command[1] for command in host.commands if command[0] == "systemctl" and command[1] != "show"]
    assert verbs[-3:] == ["daemon-reload", "reset-failed", "restart"]


def test_unit_settings_put_back_with_a_bad_configuration(host):
    host.converge(config(1))
    result = run(host, config(2, "dies"), unit_settings="[Service]\nProtectHome=yes\n")
    assert result["rolled_back"] is True and host.settings() is None
    assert result["msg"].endswith(
        ". The previous configuration was put back; the previous settings of its unit were put back and "
        "kea-dhcp4-server serves again. If the new settings of its unit are the reason, set kea_unit_hardening: false."
    )


def test_a_host_that_no_longer_can_lock_in_is_told_the_fix(host):
    text = "[Service]\nProtectSystem=strict\n"
    host.converge(config(1))
    run(host, config(1), unit_settings=text)
    host.locked = "ProtectSystem=strict"
    result = run(host, config(2), unit_settings=text)
    assert result["rolled_back"] is False and "THE ROLL-BACK FAILED TOO" in result["msg"]
    assert result["msg"].endswith("needs kea_unit_hardening: false.")


def test_unit_settings_are_put_back_when_the_file_cannot_be_replaced(host, monkeypatch):
    host.converge(config(1))
    current = host.certificates("serves", "serves")
    os.symlink("1", current)
    real = host.replace

    def refuse(source, target):
        if target == host.path:
            raise OSError(30, "Read-only file system")
        real(source, target)

    monkeypatch.setattr(host, "replace", refuse)
    pid = host.pid
    result = run(host, config(2), unit_settings="[Service]\n", links={current: "2"})
    assert (result["stage"], result["changed"]) == ("replace", False)
    assert f"cannot replace {host.path}: Read-only file system. Nothing was changed" in result["msg"]
    assert host.settings() is None and os.readlink(current) == "1" and host.pid == pid


def test_unit_settings_that_cannot_be_written(host):
    host.converge(config(1))
    with open(host.unit_dir, "w", encoding="utf-8"):
        pass
    result = run(host, config(2), unit_settings="[Service]\n")
    assert (result["stage"], result["changed"]) == ("replace", False) and "Nothing was changed" in result["msg"]
    assert host.live() == config(1)


def test_diff_shows_meaning_without_secrets(host):
    old, new = config(1), config(2)
    old["Dhcp4"]["password"] = "hunter2"
    new["Dhcp4"]["password"] = "hunter3"
    host.converge(old)
    diff = json.dumps(run(host, new)["diff"])
    assert '\\"valid-lifetime\\": 1' in diff and '\\"valid-lifetime\\": 2' in diff
    assert "hunter" not in diff


def test_unreadable_live_file_is_replaced_and_not_shown(host):
    host.put(None, text="{ password: hunter2")
    result = run(host, config())
    assert result["action"] == "start" and "hunter2" not in json.dumps(result)
    assert "not readable" in result["diff"][0]["before"]


def test_a_changed_file_it_uses_is_a_reason_to_restart(host):
    secret = host.etc / "kea-api-password"
    secret.write_text("one")
    run(host, config(), watch_files=[str(secret)])
    assert run(host, config(), watch_files=[str(secret)])["action"] == "none"
    secret.write_text("two")
    result = run(host, config(), watch_files=[str(secret)])
    assert (result["action"], result["reasons"]) == ("restart", ["a file it uses has changed"])
    assert run(host, config(), watch_files=[str(secret)])["action"] == "none"


def test_a_daemon_that_somebody_changed_is_restarted(host):
    run(host, config())
    host.tampered = {"valid-lifetime": 600}
    before, pid = host.snapshot(), host.pid
    predicted = run(host, config(), check=True)
    assert host.snapshot() == before and host.pid == pid
    assert predicted["action"] == "restart"
    assert predicted["reasons"] == ["somebody changed what the daemon runs: valid-lifetime: was 4000, is 600"]
    result = run(host, config())
    assert (result["action"], result["reasons"]) == ("restart", predicted["reasons"])
    assert host.tampered == {} and host.pid != pid
    assert run(host, config())["action"] == "none"


def test_a_folder_stands_for_the_files_in_it(host):
    trust = host.etc / "trust"
    trust.mkdir()
    (trust / "ca-1.pem").write_text("one")
    (trust / "abcd.0").symlink_to("ca-1.pem")
    (trust / "deeper").mkdir()
    options = {"watch_files": [str(trust)]}
    run(host, config(), **options)
    assert run(host, config(), **options)["action"] == "none"
    for change in (
        lambda: (trust / "ca-1.pem").write_text("two"),
        lambda: (trust / "ca-2.pem").write_text("two"),
        lambda: (trust / "ca-2.pem").rename(trust / "ca-3.pem"),
        lambda: (trust / "abcd.0").unlink(),
        lambda: (trust / "gone.0").symlink_to("nothing"),
    ):
        change()
        assert run(host, config(), **options)["reasons"] == ["a file it uses has changed"]
        assert run(host, config(), **options)["action"] == "none"
    (trust / "deeper" / "file").write_text("x")
    assert run(host, config(), **options)["action"] == "none"


# --- links


def behind(current, lifetime=4000):
    """A configuration that names its certificate through the link."""
    return config(lifetime, certificate=current + "/cert.pem")


def watched(current):
    return {"watch_files": [current + "/cert.pem"]}


def test_link_is_switched_with_the_restart(host):
    current = host.certificates("serves", "serves")
    os.symlink("1", current)
    run(host, behind(current), links={current: "1"}, **watched(current))
    assert run(host, behind(current), links={current: "1"}, **watched(current))["action"] == "none"
    pid = host.pid
    predicted = run(host, behind(current), check=True, links={current: "2"}, **watched(current))
    assert os.readlink(current) == "1" and host.pid == pid
    result = run(host, behind(current), links={current: "2"}, **watched(current))
    assert (result["action"], result["reasons"]) == ("restart", [f"the files behind {current} change"])
    assert os.readlink(current) == "2" and host.pid == pid + 1
    assert {key: predicted[key] for key in ("changed", "action", "reasons", "diff")} == {
        key: result[key] for key in ("changed", "action", "reasons", "diff")
    }
    shown = [part for part in result["diff"] if part["after_header"] == current]
    assert [(part["before"], part["after"]) for part in shown] == [("1\n", "2\n")]
    assert sorted(os.listdir(host.etc / "tls")) == ["1", "2", "current"]
    assert run(host, behind(current), links={current: "2"}, **watched(current))["action"] == "none"


def test_link_and_configuration_change_together(host):
    current = host.certificates("serves", "serves")
    os.symlink("1", current)
    run(host, behind(current, 1), links={current: "1"})
    result = run(host, behind(current, 2), links={current: "2"})
    assert result["reasons"] == ["the configuration differs", f"the files behind {current} change"]
    assert os.readlink(current) == "2" and host.running == behind(current, 2)


def test_link_that_was_not_there(host):
    current = host.certificates("serves")
    result = run(host, behind(current), links={current: "1"})
    assert result["action"] == "start" and os.readlink(current) == "1"
    assert ("(nothing)\n", "1\n") in [(part["before"], part["after"]) for part in result["diff"]]


def test_gate_holds_for_a_link_too(host):
    current = host.certificates("serves", "serves")
    os.symlink("1", current)
    run(host, behind(current), links={current: "1"})
    result = run(host, behind(current), links={current: "2"}, gate_ha_states=["partner-down"])
    assert result["stage"] == "prepare" and os.readlink(current) == "1"


@pytest.mark.parametrize("fate", ["dies", "zombie", "waiting"])
@pytest.mark.parametrize("lifetime", [1, 2])
def test_certificate_that_the_daemon_refuses_is_rolled_back(host, fate, lifetime):
    current = host.certificates("serves", fate)
    os.symlink("1", current)
    run(host, behind(current, 1), links={current: "1"}, **watched(current))
    options = {"links": {current: "2"}, "wait_ha_states": ["hot-standby"], **watched(current)}
    result = run(host, behind(current, lifetime), **options)
    assert (result["failed"], result["rolled_back"]) == (True, True)
    words = "The previous configuration was put back; the" if lifetime == 2 else "The"
    assert result["msg"].endswith(
        f". {words} files behind {current} are those in 1 again and kea-dhcp4-server serves again."
    )
    assert os.readlink(current) == "1" and host.unit()[0] == "active"
    assert host.running == behind(current, 1) and host.loaded == "serves"
    assert run(host, behind(current, 1), links={current: "1"}, **watched(current))["action"] == "none"


def test_roll_back_of_a_link_is_believed_only_when_the_daemon_serves(host):
    current = host.certificates("serves", "dies")
    os.symlink("1", current)
    run(host, behind(current), links={current: "1"})
    (host.etc / "tls" / "1" / "cert.pem").write_text("zombie")
    result = run(host, behind(current), links={current: "2"})
    assert result["rolled_back"] is False and os.readlink(current) == "1"
    assert "THE ROLL-BACK FAILED TOO" in result["msg"] and "its hooks are not loaded" in result["msg"]


def test_link_that_was_not_there_is_removed_again(host):
    current = host.certificates("dies")
    host.converge(config(1))
    result = run(host, behind(current, 2), links={current: "1"})
    assert result["rolled_back"] is True and not os.path.lexists(current)
    assert f"the link {current} was removed, as there was none before" in result["msg"]
    assert host.running == config(1)


def test_link_that_the_other_daemon_switched_goes_back_to_what_this_one_was_proven_with(host):
    current = host.certificates("serves", "dies")
    os.symlink("1", current)
    run(host, behind(current), links={current: "1"})
    host.link(current, "2")
    result = run(host, behind(current), links={current: "2"})
    assert result["rolled_back"] is True and os.readlink(current) == "1" and host.loaded == "serves"
    # Without files to watch: the link itself tells.
    (host.etc / "tls" / "2" / "cert.pem").write_text("serves")
    host.link(current, "2")
    result = run(host, behind(current), links={current: "2"})
    assert result["reasons"] == [f"the files behind {current} change"]
    assert [(part["before"], part["after"]) for part in result["diff"][-1:]] == [("1\n", "2\n")]
    assert run(host, behind(current), links={current: "2"})["action"] == "none"


def test_proven_target_that_is_gone_is_no_way_back(host):
    current = host.certificates("serves", "serves", "dies")
    os.symlink("1", current)
    run(host, behind(current), links={current: "1"})
    host.link(current, "2")
    os.remove(host.etc / "tls" / "1" / "cert.pem")
    (host.etc / "tls" / "1").rmdir()
    run(host, behind(current), links={current: "3"})
    assert os.readlink(current) == "2" and host.unit()[0] == "active"


@pytest.mark.parametrize("present", ["1", "gone", None])
@pytest.mark.parametrize("check", [True, False])
def test_the_check_reads_the_new_files_whatever_the_link_points_to(host, present, check):
    current = host.certificates("serves", "refused-hooks")
    if present:
        os.symlink(present, current)
    host.converge(config(1))
    pid = host.pid
    result = run(host, behind(current), check=check, links={current: "2"}, test_hooks=True)
    assert (result["stage"], result["changed"]) == ("check", False) and "HA_CONFIGURATION_FAILED" in result["msg"]
    assert host.pid == pid and os.path.lexists(current) == bool(present)
    (host.etc / "tls" / "2" / "cert.pem").write_text("serves")
    assert run(host, behind(current), check=check, links={current: "2"}, test_hooks=True)["action"] == "restart"
    # What lies there in the end names the link, not what is behind it.
    assert check or host.live() == behind(current)


@pytest.mark.parametrize("present", ["1", "gone", None])
def test_check_mode_before_the_target_is_made(host, present):
    current = host.certificates("serves")
    host.converge(config(1))
    if present:
        os.symlink(present, current)
    before = host.snapshot()
    result = run(host, behind(current), check=True, links={current: "2"}, test_hooks=True)
    assert (result["changed"], result["action"]) == (True, "restart") and host.snapshot() == before
    # With the old files in place of the new ones the daemon can check; with none it cannot.
    assert [("nor anything behind" in text) for text in result["warnings"]] == ([] if present == "1" else [True])
    result = run(host, behind(current), links={current: "2"}, test_hooks=True)
    assert result["stage"] == "prepare" and not result["changed"]
    assert f"{current} cannot be switched to 2: there is no {current[:-7]}2. Make it first. Nothing" in result["msg"]


def test_what_is_no_link_is_not_replaced(host):
    current = host.certificates("serves")
    os.mkdir(current)
    for check in (True, False):
        result = run(host, behind(current), check=check, links={current: "1"})
        assert f"{current} cannot be switched to another target, as it is no link" in result["msg"]
        assert "Move it away" in result["msg"] and os.path.isdir(current)


def test_link_that_cannot_be_switched(host, monkeypatch):
    current = host.certificates("serves", "serves")
    os.symlink("1", current)
    run(host, behind(current, 1), links={current: "1"})

    def refuse(*_arguments):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(host, "link", refuse)
    result = run(host, behind(current, 2), links={current: "2"})
    assert (result["stage"], result["changed"]) == ("replace", False)
    assert f"cannot replace {current}: Read-only file system. Nothing was changed" in result["msg"]
    assert host.live() == behind(current, 1)


@pytest.mark.parametrize(
    "links, words",
    [
        ({"current": "1"}, "links: 'current' is not an absolute path"),
        ({"/etc/kea/tls/../current": "1"}, "is not an absolute path"),
        (
            {"/etc/kea/tls/current": "../1"},
            "links: the target '../1' of /etc/kea/tls/current is neither a name beside it",
        ),
        ({"/etc/kea/tls/current": ""}, "the target ''"),
        ({"/etc/kea/tls/current": ".."}, "the target '..'"),
        ({"/etc/kea/tls/current": 2}, "write for example '2', in quotes"),
        ({"/etc/kea/tls/current": None}, "the target 'None'"),
    ],
)
def test_links_that_make_no_sense(host, links, words):
    assert words in run(host, config(), links=links)["msg"]


# --- it was interrupted before


def test_killed_between_rename_and_restart(host):
    host.converge(config(1))
    host.put(config(2))
    result = run(host, config(2))
    assert (result["action"], result["reasons"]) == (
        "restart",
        ["the configuration in place was never proven to serve"],
    )
    assert host.running == config(2)


def test_killed_between_rename_and_restart_and_now_it_fails(host):
    """The way back is to what was proven, not to what merely lies there."""
    host.converge(config(1))
    assert run(host, config(2))["action"] == "restart"
    assert run(host, config(3))["action"] == "restart"
    # config(2) is kept, config(3) proven; a run that put config(4) there kept config(3) and was killed.
    os.replace(host.path, host.path + ".keaops-previous")
    host.put(config(4, "dies"))
    result = run(host, config(4, "dies"))
    assert result["rolled_back"] is True
    assert host.live() == host.running == config(3)


def test_what_was_never_proven_is_no_way_back(host):
    host.converge(config(1))
    run(host, config(2))
    os.replace(host.path, host.path + ".keaops-previous")
    host.put(config(3))
    result = run(host, config(4, "dies"))
    assert result["rolled_back"] is True
    assert host.live() == host.running == config(2)


def test_marker_lost(host):
    host.converge(config(), proven=False)
    assert run(host, config())["reasons"] == ["the configuration in place was never proven to serve"]
    assert run(host, config())["action"] == "none"


def test_rest_of_a_killed_run_is_cleared(host):
    host.converge(config(1))
    (host.etc / "kea-dhcp4.conf.keaops-candidate").write_text("half")
    run(host, config(2))
    assert "kea-dhcp4.conf.keaops-candidate" not in names(host)


def test_a_zombie_is_not_said_to_serve(host):
    host.converge(config())
    host.running = config(fate="zombie")
    ha = run(host, config(), check=True)["ha"]
    assert (ha["ha"], ha["serving"]) == (False, False)


@pytest.mark.parametrize("trouble", ["stopped", "zombie", "deaf", "silent"])
def test_right_file_but_not_serving_is_applied_again(host, trouble):
    host.converge(config())
    if trouble == "stopped":
        host.running = None
    else:
        host.running = config(fate=trouble)
    # The gate protects a server that serves; this one can only gain.
    result = run(host, config(), gate_ha_states=["partner-down"])
    assert result["action"] == ("start" if trouble == "stopped" else "restart")
    assert result["reasons"][0].startswith("the daemon does not serve: ")
    assert host.running == config()


@pytest.mark.parametrize("check", [True, False])
def test_the_change_is_told_in_words(host, check):
    host.converge(config(1))
    found = run(host, config(2), check=check)["change"]
    assert found == {"kind": "soft", "words": ["valid-lifetime: was 1, is 2"]}
    host.converge(config(2))
    assert run(host, config(2), check=check)["change"] == {"kind": "none", "words": []}
    # Of somebody else's file everything is different.
    host.converge({"Dhcp4": {"password": "x"}}, proven=False)
    assert run(host, config(2), check=check)["change"] == {"kind": "breaking", "words": []}


# --- it is refused before anything is touched


@pytest.mark.parametrize("check", [True, False])
def test_refused_by_the_daemon(host, check):
    host.converge(config(1))
    before, pid = host.snapshot(), host.pid
    result = run(host, config(2, "refused"), check=check)
    assert (result["failed"], result["stage"], result["changed"]) == (True, "check", False)
    assert result["msg"] == (
        "kea-dhcp4 refuses the new configuration: DHCP4_PARSER_FAIL the pool is bad (line 3 of the new file "
        '("valid-lifetime": 2)). Nothing was changed; the service is as it was.'
    )
    after = {path: state for path, state in host.snapshot().items() if path in before or "etc" in path}
    assert after == before and host.pid == pid


def test_hooks_are_tested_when_asked(host):
    host.converge(config(1))
    assert run(host, config(2, "refused-hooks"), test_hooks=True)["reason"] == "HA_CONFIGURATION_FAILED no 'bogus'"
    assert run(host, config(3, "refused-hooks"))["action"] == "restart"


def test_the_false_alarm_of_2_6_3_is_ignored(host):
    assert run(host, config(2, "false-alarm"), test_hooks=True)["action"] == "start"


@pytest.mark.parametrize("check", [True, False])
def test_gate(host, check):
    host.converge(config(1, "waiting"))
    before = host.live()
    result = run(host, config(2), check=check, gate_ha_states=["hot-standby", "partner-down"])
    assert result["stage"] == "prepare" and not result["changed"]
    assert "only in the HA state hot-standby or partner-down" in result["msg"]
    assert "It is a primary in state waiting, serving; it sees its partner in state hot-standby" in result["msg"]
    assert host.live() == before
    assert run(host, config(2), check=check, gate_ha_states=["waiting"])["action"] == "restart"


def test_lock_held(host):
    host.converge(config(1))
    with _apply.host_lock(host, {"daemon": "ctrl_agent", "run_id": None}):
        result = run(host, config(2))
        assert "another run is changing Kea on this host" in result["msg"] and not result["changed"]
        # Check mode takes no lock: it changes nothing.
        assert run(host, config(2), check=True)["action"] == "restart"
    assert host.live() == config(1)


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda host: setattr(host, "load", "not-found"), "there is no unit kea-dhcp4-server"),
        (lambda host: setattr(host, "load", "masked"), "systemctl unmask kea-dhcp4-server"),
        (lambda host: setattr(host, "systemd", False), "not run by systemd"),
        (lambda host: setattr(host, "users", False), "there is no user _kea; there is no group _kea"),
        (lambda host: os.remove(host.executable), "install the package"),
        (lambda host: host.etc.rmdir(), "there is no folder"),
    ],
)
def test_bare_host(host, spoil, words):
    spoil(host)
    predicted = run(host, config(), check=True)
    assert (predicted["changed"], predicted["action"]) == (True, "start")
    assert words in predicted["warnings"][0]
    result = run(host, config())
    assert result["failed"] and words in result["msg"] and not result["changed"]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"content": {}}, "top-level key Dhcp4, it has: none"),
        ({"content": {"Dhcp4": {}, "Logging": {}}}, "it has: Dhcp4, Logging"),
        ({"mode": "rw"}, "'0640'"),
        ({"daemon": "ctrl_agent", "wait_ha_states": ["hot-standby"]}, "make no sense for ctrl_agent"),
    ],
)
def test_contradictory_options(host, options, words):
    content = options.pop("content", config())
    result = run(host, content, **options)
    assert result["failed"] and words in result["msg"]
    assert names(host) == []


def test_disk_full(host, monkeypatch):
    host.converge(config(1))

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(host, "write", full)
    result = run(host, config(2))
    assert (result["stage"], result["changed"]) == ("replace", False)
    assert "No space left on device. Nothing was changed" in result["msg"]
    assert host.live() == host.running == config(1)


def test_disk_full_when_the_old_file_is_kept(host, monkeypatch):
    host.converge(config(1))
    real = host.write

    def full(path, *arguments):
        if "previous" in path:
            raise OSError(28, "No space left on device")
        real(path, *arguments)

    monkeypatch.setattr(host, "write", full)
    result = run(host, config(2))
    assert (result["stage"], result["changed"]) == ("replace", False)
    assert host.live() == host.running == config(1) and names(host) == ["kea-dhcp4.conf"]


# --- it fails after the rename


@pytest.mark.parametrize(
    "fate, stage, words, seconds",
    [
        ("stillborn", "serve", "died after its start: HA_CONFIGURATION_FAILED no peer configuration specified", 0.5),
        ("dies", "serve", "died after its start: HA_CONFIGURATION_FAILED no peer configuration specified", 1.5),
        ("dies-late", "serve", "died after its start: HA_CONFIGURATION_FAILED no peer configuration specified", 11),
        ("flaps", "serve", "died after its start: HA_CONFIGURATION_FAILED no peer configuration specified", 1.5),
        ("flaps-at-once", "serve", "died after its start: HA_CONFIGURATION_FAILED no peer configuration", 0.5),
        ("replaced", "serve", "died after its start", 1.5),
        ("zombie", "serve", "its hooks are not loaded and it serves no client", 32),
        ("deaf", "serve", "has not opened its sockets", 32),
        ("silent", "serve", "no answer on /run/kea/x", 32),
        ("waiting", "ha", "it is a primary in state waiting", 62),
    ],
)
def test_failure_after_the_restart_is_rolled_back(host, fate, stage, words, seconds):
    host.converge(config(1))
    digest, clock = host.marker(), host.clock
    result = run(host, config(2, fate), wait_ha_states=["hot-standby"], ha_timeout=60)
    assert (result["failed"], result["stage"], result["rolled_back"]) == (True, stage, True)
    assert words in result["msg"]
    assert result["msg"].endswith("The previous configuration was put back and kea-dhcp4-server serves again.")
    assert host.live() == host.running == config(1) and host.unit()[0] == "active"
    assert host.marker() == digest
    assert "kea-dhcp4.conf.keaops-candidate" not in names(host)
    # A dead daemon is not waited for.
    assert host.clock - clock - result["seconds"]["roll_back"] <= seconds
    assert run(host, config(1))["action"] == "none"


@pytest.mark.parametrize("said, words", [("INFO", ""), ("ERROR", ": HA_LISTENER the port is taken")])
def test_server_that_lives_but_does_not_serve_is_quoted_with_its_errors_only(host, monkeypatch, said, words):
    host.converge(config(1))
    real = host.start

    def start():
        real()
        host.journal.append(f"2026-11-24 00:14:20 {said} [kea-dhcp4.ha-hooks/7] HA_LISTENER the port is taken")

    monkeypatch.setattr(host, "start", start)
    message = run(host, config(2, "deaf"))["msg"]
    assert f"it has not opened its sockets for DHCP packets{words}. The previous configuration" in message


def test_restart_refused_by_systemd(host, monkeypatch):
    host.converge(config(1))
    real = host.run

    def refuse_once(argv, *arguments, **options):
        host.restart_rc = 1 if argv[:2] == ["systemctl", "restart"] and host.live() == config(2) else 0
        return real(argv, *arguments, **options)

    monkeypatch.setattr(host, "run", refuse_once)
    result = run(host, config(2))
    assert (result["stage"], result["rolled_back"]) == ("restart", True)
    assert "Job for kea-dhcp4-server.service failed" in result["msg"]
    assert host.live() == config(1)


def test_every_restart_clears_the_start_limit_first(host):
    host.converge(config(1))
    run(host, config(2, "dies"))
    verbs = [command[1] for command in host.commands if command[0] == "systemctl" and command[1] != "show"]
    assert verbs == ["reset-failed", "restart", "reset-failed", "restart"]


def test_service_that_did_not_run_is_stopped_again(host):
    host.put(config(1))
    result = run(host, config(2, "dies"), enabled=True)
    assert result["rolled_back"] is True and host.live() == config(1) and host.running is None
    assert "kea-dhcp4-server is stopped, as it was before" in result["msg"]


def test_new_file_is_removed_when_there_was_none(host):
    host.boot = "disabled"
    result = run(host, config(2, "dies"), enabled=True)
    assert result["rolled_back"] is True and names(host) == [] and host.running is None
    assert "The new file was removed, as there was none before" in result["msg"]
    assert host.boot == "disabled"


def test_roll_back_fails_too(host):
    host.converge(config(1))
    host.broken = True
    result = run(host, config(2))
    assert (result["failed"], result["rolled_back"], result["changed"]) == (True, False, True)
    assert "THE ROLL-BACK FAILED TOO: kea-dhcp4-server died after its start" in result["msg"]
    assert "no lease database" in result["msg"] and "keaops-previous" in result["msg"]
    assert host.live() == config(1)
    assert "--- roll-back ---" in result["log"]


def test_roll_back_that_cannot_write(host, monkeypatch):
    host.converge(config(1))
    real = host.write

    def full(path, data, *arguments):
        if host.running == config(2, "dies"):
            raise OSError(28, "No space left on device")
        real(path, data, *arguments)

    monkeypatch.setattr(host, "write", full)
    result = run(host, config(2, "dies"))
    assert result["rolled_back"] is False
    assert "cannot put the old state back: [Errno 28] No space left on device" in result["msg"]


def test_same_configuration_that_no_longer_starts(host):
    host.converge(config())
    host.running, host.broken = None, True
    result = run(host, config())
    assert result["rolled_back"] is False
    assert "There is no other configuration to return to" in result["msg"]
    assert host.live() == config()


def test_a_bug_after_the_rename_is_rolled_back_too(host, monkeypatch):
    host.converge(config(1))
    real = host.api

    def bug(path, command, timeout=5):
        if host.running == config(2):
            raise ZeroDivisionError("oops")
        return real(path, command, timeout)

    monkeypatch.setattr(host, "api", bug)
    result = run(host, config(2))
    assert result["rolled_back"] is True and "unexpected failure: ZeroDivisionError" in result["msg"]
    assert host.live() == host.running == config(1)


def test_marker_that_cannot_be_written_is_a_warning(host):
    with open(host.state_dir, "w", encoding="utf-8"):
        pass
    result = run(host, config())
    assert result["action"] == "start" and "the next run applies it again" in result["warnings"][0]


def test_another_process_on_the_socket_is_not_the_daemon(host, monkeypatch):
    host.converge(config(1))
    real = host.api

    def other(path, command, timeout=5, arguments=None):
        reply = real(path, command, timeout, arguments)
        return reply._replace(arguments=dict(reply.arguments, pid=7)) if host.running == config(2) else reply

    monkeypatch.setattr(host, "api", other)
    assert "process 7 answers on /run/kea/x, not 102" in run(host, config(2))["msg"]


# --- the HA listener

HTTPS = "https://192.168.1.2:8000/"


@pytest.mark.parametrize(
    "url, files",
    [(HTTPS, ["/tls/trust", "/tls/cert.pem", "/tls/key.pem"]), ("http://192.168.1.2:8000/", [None, None, None])],
)
def test_ha_listener_is_asked_as_its_partner_would(host, url, files):
    assert run(host, config(1, listener=url))["action"] == "start"
    assert list(host.asked) == [url, *files, None, None]


@pytest.mark.parametrize(
    "refusal, words",
    [
        ("refused", "nobody listens at {}"),
        ("tls_plain", "what answers at {} does not speak TLS"),
        ("tls_wanted", "what answers at {} wants TLS"),
        ("unauthorized", "what answers at {} asks for a password"),
        ("wrong_service", "what answers at {} is a Control Agent"),
        ("not_kea", "what answers at {} is not Kea"),
    ],
)
def test_server_that_lives_without_its_listener_does_not_serve(host, refusal, words):
    """Kea 2.2 does, when something else holds the port."""
    host.converge(config(1))
    host.refusal = refusal
    result = run(host, config(2, "unheard", listener=HTTPS))
    assert (result["stage"], result["rolled_back"]) == ("serve", True)
    assert result["msg"].endswith(
        f"does not serve within 30 s of its start: its HA listener is not there: {words.format(HTTPS)}. The previous "
        "configuration was put back and kea-dhcp4-server serves again."
    )
    assert host.asked.url == HTTPS and host.live() == config(1)


@pytest.mark.parametrize("sign", ["tls_client_untrusted", "tls_expired", "tls_files", "timeout", "empty"])
def test_listener_that_cannot_be_asked_proves_nothing(host, sign):
    host.refusal = sign
    assert run(host, config(1, "unheard", listener=HTTPS))["action"] == "start"


def test_listener_of_another_process(host, monkeypatch):
    host.converge(config(1))
    monkeypatch.setattr(host, "knock", lambda _door, _command: Reply(0, "", {"pid": 7}))
    assert f"process 7 answers on {HTTPS}, not its HA listener" in run(host, config(2, listener=HTTPS))["msg"]


@pytest.mark.parametrize("off", ["enable-multi-threading", "http-dedicated-listener"])
def test_no_listener_no_question(host, off):
    run(host, config(1))
    content = config(2, listener=HTTPS)
    content["Dhcp4"]["hooks-libraries"][1]["parameters"]["high-availability"][0]["multi-threading"][off] = False
    run(host, content)
    assert host.asked is None


# --- check mode predicts the run

SITUATIONS = {
    "bare file": lambda host: None,
    "package default": lambda host: host.converge(config(1, ha=False), proven=False),
    "other": lambda host: host.converge(config(1)),
    "other, stopped": lambda host: host.put(config(1)),
    "other, mode": lambda host: (host.converge(config(1)), os.chmod(host.path, 0o600)),
    "same": lambda host: host.converge(config(2)),
    "same, mode": lambda host: (host.converge(config(2)), os.chmod(host.path, 0o600)),
    "same, not at boot": lambda host: (host.converge(config(2)), setattr(host, "boot", "disabled")),
    "same, both": lambda host: (
        host.converge(config(2)),
        os.chmod(host.path, 0o600),
        setattr(host, "boot", "disabled"),
    ),
    "same, unproven": lambda host: host.converge(config(2), proven=False),
    "same, stopped": lambda host: (host.converge(config(2)), setattr(host, "running", None)),
    "same, zombie": lambda host: (host.converge(config(2)), setattr(host, "running", config(2, "zombie"))),
    "unreadable": lambda host: host.put(None, text="{"),
}


@pytest.mark.parametrize("situation", sorted(SITUATIONS))
def test_check_mode_predicts_the_run_and_changes_nothing(host, situation):
    SITUATIONS[situation](host)
    before, state = host.snapshot(), (host.pid, host.boot)
    predicted = run(host, config(2), check=True, enabled=True)
    assert host.snapshot() == before and (host.pid, host.boot) == state
    result = run(host, config(2), enabled=True)
    assert "failed" not in result
    for key in ("changed", "action", "reasons", "diff", "digest"):
        assert predicted[key] == result[key], key
    assert run(host, config(2), enabled=True)["action"] == "none"


# --- the Control Agent


def agent(host, port=8000, fate=None, **options):
    section = {"http-host": "192.168.1.2", "http-port": port}
    if fate:
        section["user-context"] = {"fate": fate}
    return run(host, {"Control-agent": section}, daemon="ctrl_agent", **options)


def test_agent_serves(host):
    result = agent(host)
    assert (result["action"], result["ha"]) == ("start", None)
    assert agent(host)["action"] == "none"


def test_agent_that_does_not_answer(host):
    agent(host)
    result = agent(host, 8001, "silent")
    assert "no HTTP on 192.168.1.2 port 8001: Connection refused" in result["msg"] and result["rolled_back"]


def test_agent_whose_condition_is_unmet(host):
    host.condition = False
    result = agent(host)
    assert result["stage"] == "serve" and result["rolled_back"]
    assert "ConditionFileNotEmpty=/etc/kea/kea-api-password" in result["msg"]
    assert result["reason"] == "ConditionFileNotEmpty=/etc/kea/kea-api-password"


def test_unwanted_agent(host):
    agent(host)
    predicted = run(host, None, check=True, daemon="ctrl_agent", state="stopped")
    assert (predicted["action"], host.boot, host.unit()[0]) == ("stop", "enabled", "active")
    result = run(host, None, daemon="ctrl_agent", state="stopped")
    assert (result["changed"], result["action"], result["diff"]) == (True, "stop", predicted["diff"])
    assert (host.boot, host.unit()[0]) == ("disabled", "inactive")
    assert run(host, None, daemon="ctrl_agent", state="stopped")["action"] == "none"
    host.boot = "enabled"
    assert run(host, None, daemon="ctrl_agent", state="stopped")["action"] == "disable"


def test_unwanted_agent_that_is_not_installed(host):
    host.load, host.boot = "not-found", ""
    assert run(host, None, daemon="ctrl_agent", state="stopped")["action"] == "none"


# --- the partner stands in


def rolling(host, content, **options):
    """Change a member of a pair as site.yml does."""
    states = {"gate_ha_states": ["hot-standby"], "wait_ha_states": ["hot-standby"], "ha_timeout": 60}
    return run(host, content, hand_over=True, **{**states, **options})


def verbs_of(host):
    return [command[1] for command in host.commands if command[0] == "systemctl" and command[1] in ("stop", "restart")]


def test_the_partner_stands_in_while_a_serving_server_is_changed(host):
    host.converge(config(1))
    result = rolling(host, config(2))
    assert result["action"] == "restart" and host.running == config(2)
    # Down only after the partner serves, and back only after it has noticed that this one is gone.
    assert [state for _moment, state in host.partner] == [
        "hot-standby", "partner-in-maintenance", "partner-down", "hot-standby"
    ]  # fmt: skip
    assert verbs_of(host) == ["stop", "restart"] and host.notified == 1
    assert result["ha"]["state"] == "hot-standby" and {"gate", "hand_over"} <= set(result["seconds"])


def test_check_mode_hands_nothing_over(host):
    host.converge(config(1))
    assert run(host, config(2), check=True, gate_ha_states=["hot-standby"], hand_over=True)["action"] == "restart"
    assert host.notified == 0 and verbs_of(host) == []


def test_the_partner_does_without_a_server_that_stands_by(host):
    """It asks for its consent to each lease, and would give none."""
    host.converge(config(1))
    host.scopes, host.remote = [], {"last-scopes": ["server2"]}
    assert rolling(host, config(2))["action"] == "restart"
    assert host.notified == 1 and verbs_of(host) == ["stop", "restart"]


def test_nothing_is_handed_over_without_need(host):
    host.converge(config(1))
    rolling(host, config(1))
    assert host.notified == 0 and verbs_of(host) == []


@pytest.mark.parametrize("fate", ["dies", "zombie", "waiting"])
def test_the_partner_stands_in_until_the_old_configuration_is_back(host, fate):
    host.converge(config(1))
    result = rolling(host, config(2, fate))
    assert result["rolled_back"] is True and host.running == config(1)
    assert host.notified == 1 and host.partner_state() == "hot-standby"
    assert result["msg"].endswith("The previous configuration was put back and kea-dhcp4-server serves again.")


def test_a_partner_that_does_not_take_over_is_not_left_alone_with_the_clients(host):
    host.converge(config(1))
    host.attentive = False
    result = rolling(host, config(2))
    assert (result["stage"], host.live(), host.running) == ("hand_over", config(1), config(1))
    assert "the partner did not stand in for this server: the partner is in state hot-st" in result["msg"]
    assert "Nothing was changed; kea-dhcp4-server was restarted with its old configuration and serves" in result["msg"]
    assert not host.drained and verbs_of(host) == ["stop", "restart"]


def test_a_partner_that_refuses_this_host_is_known_by_what_the_server_hears(host, monkeypatch):
    """The password in the file may be a newer one than the partner's."""
    host.converge(config(1))

    def refuse(door, _command, timeout=3):
        raise _apply.KeaApiError("unauthorized", door.url, "401", "it asks for a password.")

    monkeypatch.setattr(host, "knock", refuse)
    assert rolling(host, config(2))["action"] == "restart" and host.running == config(2)
    assert [state for _moment, state in host.partner][1:3] == ["partner-in-maintenance", "partner-down"]


def test_a_server_that_is_back_too_early_goes_away_once_more(host, monkeypatch):
    """Its partner would keep it quiet for good."""
    host.converge(config(1))
    real, waits = _handover.Partnership.wait_for_partner, []

    def hasty(self, *states):
        waits.append(states)
        return None if len(waits) == 2 else real(self, *states)

    monkeypatch.setattr(_handover.Partnership, "wait_for_partner", hasty)
    result = rolling(host, config(2))
    assert result["action"] == "restart" and host.running == config(2) and not host.drained
    assert verbs_of(host) == ["stop", "restart", "stop", "restart"]


def test_a_file_that_was_never_proven_does_not_bring_a_server_back(host):
    """What lies there may be somebody's half of a change: the server runs something else."""
    host.converge(config(1), proven=False)
    rolling(host, config(2))
    assert host.notified == 0 and verbs_of(host) == ["restart"] and host.running == config(2)


def test_a_disk_that_is_full_brings_the_server_back(host, monkeypatch):
    host.converge(config(1))
    real = host.replace

    def full(source, target):
        if target == host.path:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(host, "replace", full)
    result = rolling(host, config(2))
    assert result["stage"] == "replace" and not host.drained and host.running == config(1)
    assert result["msg"].endswith(
        f"cannot replace {host.path}: No space left on device. Nothing was changed; kea-dhcp4-server was restarted "
        "with its old configuration and serves again."
    )


def test_a_server_left_in_maintenance_by_a_run_that_ended_there_is_changed(host):
    host.converge(config(1))
    host.drained = True
    host.partner.append((host.clock, "partner-in-maintenance"))
    result = rolling(host, config(2))
    assert result["action"] == "restart" and host.running == config(2) and not host.drained
    assert verbs_of(host) == ["stop", "restart"] and host.notified == 0


UNFIT = {
    "partner unavailable": ({"last-state": "unavailable"}, "It does not hear its partner: it is a primary in state"),
    "never heard of": ({"in-touch": False}, "It does not hear its partner"),
    "silent for long": ({"communication-interrupted": True}, "It does not hear its partner"),
    "heard of long ago": ({"age": 60}, "It has not heard of its partner for 60 s"),
    "partner syncs": ({"last-state": "syncing"}, "Its partner is not ready: it is a primary in state hot-standby, s"),
    "both serve": ({"last-scopes": ["server1"]}, "Both servers answer the clients"),
}


@pytest.mark.parametrize("what", UNFIT)
def test_gate_looks_at_the_pair(host, what):
    host.converge(config(1))
    host.remote, words = UNFIT[what]
    clock = host.clock
    result = rolling(host, config(2))
    assert (result["stage"], result["changed"], host.running) == ("prepare", False, config(1))
    assert words in result["msg"] and result["msg"].endswith("Mend the pair first, then run again.")
    # Three heartbeats and five seconds, for what it knows may be old.
    assert 8 <= host.clock - clock < 9
    assert run(host, config(2), check=True, gate_ha_states=["hot-standby"])["stage"] == "prepare"
    assert host.clock - clock < 9


def test_gate_knows_when_nobody_serves(host):
    host.converge(config(1))
    host.scopes = []
    assert "Neither server answers the clients" in rolling(host, config(2))["msg"]


def test_gate_waits_for_a_partner_that_is_about_to_be_ready(host):
    host.converge(config(1))
    host.partner += [(host.clock, "ready"), (host.clock + 2, "hot-standby")]
    assert rolling(host, config(2))["action"] == "restart"


def test_a_starting_server_is_kept_awake(host):
    """Kea looks at its timers once a second, or when it is asked something."""
    asked = []
    real = host.api
    host.api = lambda path, command, *rest, **more: asked.append(host.clock) or real(path, command, *rest, **more)
    host.converge(config(1))
    rolling(host, config(2))
    pauses = [late - early for early, late in zip(asked, asked[1:])]
    assert len(asked) > 20 and max(pauses) < 0.3


# --- one goes away, the other changes alone


def away(host, **options):
    return run(host, None, state="away", hand_over=True, gate_ha_states=["hot-standby"], **options)


def alone(host, content, **options):
    states = {"gate_ha_states": ["partner-down"], "wait_ha_states": ["partner-down"], "ha_timeout": 20}
    return run(host, content, take_over=True, **states, **options)


def test_a_server_goes_away_when_its_partner_serves(host):
    host.converge(config(1))
    files = host.snapshot()
    result = away(host)
    assert (result["action"], result["changed"]) == ("stop", True)
    assert host.running is None and host.boot == "enabled" and host.partner_state() == "partner-down"
    assert verbs_of(host) == ["stop"]
    assert {path: state for path, state in host.snapshot().items() if "lock" not in path} == files
    assert away(host)["action"] == "none"


def test_check_mode_lets_no_server_go_away(host):
    host.converge(config(1))
    assert away(host, check=True)["action"] == "stop"
    assert host.running == config(1) and host.notified == 0


def test_a_server_of_nobodys_making_goes_away_too(host):
    host.converge(config(1), proven=False)
    assert away(host)["action"] == "stop" and host.partner_state() == "partner-down"


def test_a_server_does_not_go_away_from_a_partner_that_is_unwell(host):
    host.converge(config(1))
    host.remote = {"last-state": "unavailable"}
    assert away(host)["stage"] == "prepare" and host.running == config(1)


def test_a_server_does_not_go_away_when_nobody_takes_over(host):
    host.converge(config(1))
    host.attentive = False
    result = away(host)
    assert result["stage"] == "hand_over" and host.running == config(1) and not host.drained
    assert result["msg"].endswith("kea-dhcp4-server was restarted with its old configuration and serves again.")


def test_a_server_whose_partner_is_away_serves_as_soon_as_it_is_up(host):
    host.converge(config(1))
    host.alone = True
    clock = host.clock
    result = alone(host, config(2))
    assert result["action"] == "restart" and host.running == config(2)
    assert host.taken_over == [True] and host.clock - clock < 3
    assert result["ha"]["state"] == "partner-down" and "take_over" in result["seconds"]


@pytest.mark.parametrize("fate", ["dies", "stillborn", "flaps-at-once", "zombie", "waiting"])
def test_a_server_whose_partner_is_away_serves_with_its_old_configuration_when_the_new_one_fails(host, fate):
    host.converge(config(1))
    host.alone = True
    clock = host.clock
    result = alone(host, config(2, fate))
    assert result["rolled_back"] is True and host.running == config(1)
    # As long as a dead server is waited for, nobody serves.
    assert fate in ("zombie", "waiting") or host.clock - clock < 4
    assert host.taken_over[-1] is True and host.alone


def test_a_server_whose_partner_serves_does_not_change_alone(host):
    host.converge(config(1))
    result = alone(host, config(2))
    assert (result["stage"], host.running) == ("prepare", config(1))
    assert (
        "only in the HA state partner-down, so that the pair keeps serving. It is a primary in state hot-"
        in result["msg"]
    )


class Ended(Exception):
    """A module that has ended, in one way or the other."""


class Asked:
    """What a module is to ``finish``."""

    def __init__(self, diff):
        self._diff, self.warned = diff, []

    def warn(self, text):
        self.warned.append(text)

    def fail_json(self, **result):
        raise Ended("failed", result)

    def exit_json(self, **result):
        raise Ended("well", result)


@pytest.mark.parametrize(
    ("diff", "result", "how", "left"),
    [
        (True, {"changed": True, "diff": {"after": "x"}}, "well", {"changed": True, "diff": {"after": "x"}}),
        (False, {"changed": True, "diff": {"after": "x"}}, "well", {"changed": True}),
        (False, {"failed": True, "msg": "No."}, "failed", {"failed": True, "msg": "No."}),
    ],
)
def test_a_module_ends_as_its_result_says(diff, result, how, left):
    module = Asked(diff)
    with pytest.raises(Ended) as ended:
        _apply.finish(module, {**result, "warnings": ["Mind the gap."]})
    assert ended.value.args == (how, left)
    assert module.warned == ["Mind the gap."]
