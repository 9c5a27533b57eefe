# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/preflight.yml for people and for review tools; offline it connects to nobody, whatever is wrong."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
import yaml
from pairs import GROUP, HOSTS, MISSING, subnet
from programs import ROOT, run

OFFLINE = ("-e", "kea_preflight_offline=true")


def nobody(place, number):
    """An address of one host at which nobody listens, should anybody try."""
    return {"ansible_host": f"127.0.{place}.{number}", "ansible_port": 9}


# Some pairs with mistakes of each kind.
MISTAKES = {
    "kea": {"kea_valid_lifetime": "43200s", "kea_ha_hartbeat_delay": 10000, "kea_ha_sync_timeout": "{{ nope }}"},
    "depot": subnet(
        reservations=[{"hw_address": f"1a:1b:1c:1d:1e:0{n}", "ip_address": "192.168.1.20"} for n in (1, 2)]
    ),
    "depot2": {"ansible_host": "server2.example", "kea_ha_address": MISSING},
    "office": {
        **subnet(id=0, pools=["10.0.1.10-10.0.1.99"], reservations=[{"ip_address": "192.168.1.10"}]),
        "kea_dhcp4_extra": {"control-socket": {}},
    },
    "plant": {"kea_ha_mode": "active-active", "kea_interfaces": "eth0"},
    "plant2": {"kea_ha_role": "primary"},
}
ALL = "depot1, depot2, office1 and 3 more hosts"
# What must be said: hosts, variable, value if it is shown, what else, and id.
SAID = (
    (ALL, "kea_valid_lifetime", "43200s", "43200", "V03"),
    (ALL, "kea_ha_hartbeat_delay", "10000", "kea_ha_heartbeat_delay", "V01"),
    (ALL, "kea_ha_sync_timeout", None, "nope", "V05"),
    ("depot1, depot2", "kea_subnets[0].reservations[1].ip_address", "192.168.1.20", "duplicate", "P24"),
    ("depot2", "kea_ha_address", None, "192.168.1.2", "P06"),
    ("office1, office2", "kea_subnets[0].id", "0", "", "P20"),
    ("office1, office2", "kea_subnets[0].pools[0]", "10.0.1.10-10.0.1.99", "192.168.1.0/24", "P23"),
    ("office1, office2", "kea_subnets[0].reservations[0]", None, "hw_address", "V06"),
    ("office1, office2", "kea_dhcp4_extra.control-socket", None, "", "V08"),
    ("plant1, plant2", "kea_ha_mode", "active-active", "hot-standby", "V04"),
    ("plant1, plant2", "kea_interfaces", "eth0", "", "V03"),
    ("plant1, plant2", "kea_ha_role", "primary", "standby", "P03"),
)


def inventory(folder, pairs=("office", "plant"), **changes):
    """Write an inventory as a repository has it: hosts in one file, variables in one for each group."""
    (folder / "inventory" / "group_vars").mkdir(parents=True)
    children = {}
    for place, pair in enumerate(pairs):
        hosts = {}
        for number in (1, 2):
            name = f"{pair}{number}"
            own = {"kea_ha_address": f"192.168.1.{number + 1}", **nobody(place, number), **changes.get(name, {})}
            values = {**HOSTS[f"dhcp{number}"], **own}
            hosts[name] = {key: value for key, value in values.items() if value is not MISSING}
        children[pair] = {"hosts": hosts}
        variables = {"kea_pair": pair, **GROUP, **changes.get(pair, {})}
        (folder / "inventory" / "group_vars" / f"{pair}.yml").write_text(yaml.safe_dump(variables), encoding="utf-8")
    whole = {"kea": {"children": children, "vars": changes.get("kea", {})}}
    (folder / "inventory" / "hosts.yml").write_text(yaml.safe_dump(whole), encoding="utf-8")


def preflight(folder, *arguments):
    playbook = ROOT / "playbooks" / "preflight.yml"
    return run("ansible-playbook", "-i", "inventory", playbook, *arguments, folder=folder, cwd=folder)


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory):
    """The run over all mistakes, and the folder it was in, which is a repository."""
    folder = tmp_path_factory.mktemp("spoiled")
    (folder / ".git").mkdir()
    inventory(folder, ("depot", "office", "plant"), **MISTAKES)
    return preflight(folder, *OFFLINE, "-e", "kea_preflight_report=out.json", "--check"), folder


def test_offline_nobody_is_contacted(spoiled):
    done, _folder = spoiled
    assert done.code != 0
    assert not done.contacted
    assert "unreachable=1" not in done.output


@pytest.mark.parametrize(("hosts", "variable", "value", "more", "check"), SAID)
def test_everything_is_said_in_one_run(spoiled, hosts, variable, value, more, check):
    done, _folder = spoiled
    where = f"{hosts}: {variable} = '{value}'" if value is not None else f"{hosts}: {variable}"
    (told,) = [line for line in done.output.split("ERROR: ") if line.startswith(where)]
    assert more in told.removeprefix(where)
    assert f"[{check}] (" in told
    assert "Traceback" not in done.output


def test_the_counts_are_at_the_end_and_each_finding_is_there_once(spoiled):
    done, folder = spoiled
    found = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    errors, warnings, notes = (found["counts"][name] for name in ("error", "warning", "info"))
    assert f"{errors} errors and {warnings} warnings in the inventory; nothing was changed" in done.output
    end = f"Checked 3 pairs with 6 hosts: {errors} errors, {warnings} warnings and {notes} notes. Report: out.json"
    assert done.output.count(end) == 1
    assert done.output.index("[V01] (") < done.output.index(end)
    assert done.output.count("kea_ha_hartbeat_delay = '10000'") == 1


def test_a_report_is_written_also_when_the_run_fails_and_in_check_mode(spoiled):
    _done, folder = spoiled
    found = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    assert found["passed"] is False
    assert {(item["variable"], item["id"]) for item in found["findings"]} >= {(line[1], line[4]) for line in SAID}
    (pool,) = [item for item in found["findings"] if item["id"] == "P23"]
    assert [place["file"] for place in pool["places"]] == ["inventory/group_vars/office.yml"]
    lines = (folder / pool["places"][0]["file"]).read_text(encoding="utf-8").splitlines()
    assert "10.0.1.10-10.0.1.99" in lines[pool["places"][0]["line"] - 1]


def test_a_good_inventory_says_how_much_was_checked(tmp_path):
    inventory(tmp_path, kea={"kea_api_auth": False})
    done = preflight(tmp_path, *OFFLINE, "-e", f"kea_preflight_report={tmp_path / 'out.txt'}")
    assert done.code != 0
    assert "the ending of the name says no format" in done.output

    done = preflight(
        tmp_path,
        *OFFLINE,
        "-e",
        f"kea_preflight_report={tmp_path / 'out.txt'}",
        "-e",
        "kea_preflight_report_format=junit",
    )
    assert done.code == 0, done.output
    assert not done.contacted
    assert done.output.count("WARNING: office1, office2, plant1, plant2: kea_api_auth = 'false'") == 1
    assert "Checked 2 pairs with 4 hosts: 0 errors, 1 warning and " in done.output
    assert "changed=0" in done.output
    suites = ElementTree.parse(tmp_path / "out.txt").getroot()
    assert [suite.get("name") for suite in suites] == ["pair office", "pair plant"]


def test_a_report_that_cannot_be_written_fails_a_good_inventory(tmp_path):
    inventory(tmp_path)
    done = preflight(tmp_path, *OFFLINE, "-e", "kea_preflight_report=none/out.json")
    assert done.code != 0
    assert (
        "kea_preflight_report = 'none/out.json': the file cannot be written: No such file or directory" in done.output
    )


def test_hosts_that_are_asked_are_in_the_report_too(tmp_path):
    """The other side of the tests above: a contact is seen, and the findings of all pairs and hosts are in one file."""
    inventory(tmp_path, kea={"kea_api_auth": False})
    done = preflight(tmp_path, "-e", "kea_preflight_report=out.sarif")
    assert done.code != 0
    assert done.contacted
    (run_,) = json.loads((tmp_path / "out.sarif").read_text(encoding="utf-8"))["runs"]
    texts = [result["message"]["text"] for result in run_["results"]]
    for host in ("office1", "office2", "plant1", "plant2"):
        assert [text for text in texts if text.startswith(f"{host}: the host cannot be reached")], texts
    assert "P13" in {result["ruleId"] for result in run_["results"]}
    # The first play leaves the telling to the second one.
    assert done.output.count("everybody on the network can command the servers") == 1
    assert "4 errors and 1 warning in the inventory and on the hosts; nothing was changed on any host." in done.output


def test_the_watch_sees_a_connection_by_python(tmp_path):
    """Without it, no test could tell that nobody was contacted."""
    inventory(tmp_path, kea={"kea_user_note": "{{ lookup('ansible.builtin.url', 'http://127.0.0.1:9/') }}"})
    assert preflight(tmp_path, *OFFLINE).contacted
