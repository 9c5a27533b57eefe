# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reports of a preflight: what programs read in them, and what people see."""

from __future__ import annotations

import copy
import json
import os
import stat
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import yaml
from ansible_collections.keaops.kea.plugins.module_utils import _findings
from ansible_collections.keaops.kea.plugins.module_utils._findings import ERROR, INFO, WARNING, Finding
from ansible_collections.keaops.kea.plugins.plugin_utils import _inventory, _reports
from ansible_collections.keaops.kea.plugins.plugin_utils._origins import Origins, Place
from pairs import GROUP, SUBNET
from programs import ROOT
from real_inventory import Inventory

IDS = {*_findings.INPUT_RULES, *(check.id for check in _findings.CHECKS)}


def inventory(folder, **changes):
    """Two pairs, a and b; changes are made to the variables of the group of one, or to those of a host."""
    groups = {}
    for number, pair in enumerate("ab"):
        body = {**copy.deepcopy(SUBNET), "subnet": f"192.168.{number}.0/24", "reservations": []}
        body["pools"] = [f"192.168.{number}.100-192.168.{number}.199"]
        body["option_data"] = {}
        hosts = {
            f"{pair}{index}": {
                "ansible_host": f"192.168.{number}.{index}",
                "kea_ha_role": role,
                **changes.get(f"{pair}{index}", {}),
            }
            for index, role in ((2, "primary"), (3, "standby"))
        }
        variables = {**GROUP, "kea_pair": pair, "kea_subnets": [body], **changes.get(pair, {})}
        groups[pair] = {"hosts": hosts, "vars": variables}
    return Inventory(folder, {"kea": {"children": groups, "vars": changes.get("kea", {})}})


def check(folder, live=False, **changes):
    made = inventory(folder, **changes)
    hosts = ["a2", "a3", "b2", "b3"]
    pairs, findings = _inventory.examine(made.hostvars, made.groups, hosts, hosts, offline=not live)
    return _reports.examined(pairs, findings, Origins(made.hostvars), live, str(folder))


MIXED = {
    "a": {"kea_subnets": [{**SUBNET, "pools": ["10.0.1.10-10.0.1.99"]}], "kea_valid_lifetime": "{{ nope }}"},
    "b3": {"kea_ha_role": "primary"},
    "kea": {"kea_pretty": 1, "kea_api_auth": False},
}


def report(checked, form):
    text = _reports.FORMATS[form](checked)
    return ElementTree.fromstring(text) if form == "junit" else json.loads(text)


def line_of(folder, text, count=1):
    lines = (folder / "hosts.yml").read_text(encoding="utf-8").splitlines()
    return [number for number, line in enumerate(lines, 1) if text in line][count - 1]


# ---------------------------------------------------------------------------------------------------------------------
# JSON


def test_json_holds_everything(tmp_path):
    found = report(check(tmp_path, **MIXED), "json")
    assert (found["passed"], found["checked"], found["format"]) == (False, "inventory", 1)
    assert found["pairs"] == [{"name": "a", "hosts": ["a2", "a3"]}, {"name": "b", "hosts": ["b2", "b3"]}]
    assert found["counts"] == {"error": 4, "warning": 1, "info": 0}
    by_id = {item["id"]: item for item in found["findings"]}
    assert [item["severity"] for item in found["findings"]] == [ERROR] * 4 + [WARNING]
    assert set(by_id) == {"P03", "P13", "P23", "V01", "V05"}
    pool = by_id["P23"]
    assert (pool["host"], pool["hosts"], pool["pairs"]) == ("a2, a3", ["a2", "a3"], ["a"])
    assert (pool["variable"], pool["value"]) == ("kea_subnets[0].pools[0]", "10.0.1.10-10.0.1.99")
    assert "192.168.1.0/24" in pool["message"] and "192.168.1.100-192.168.1.199" in pool["fix"]
    (place,) = pool["places"]
    assert (place["file"], place["line"]) == ("hosts.yml", line_of(tmp_path, "10.0.1.10-10.0.1.99"))
    # One mistake in a variable of all pairs is one finding.
    assert by_id["V01"]["hosts"] == ["a2", "a3", "b2", "b3"]
    assert by_id["V01"]["pairs"] == ["a", "b"]
    assert [item["hosts"] for item in by_id["P03"]["places"]] == [["b2"], ["b3"]]


def test_json_of_a_good_inventory(tmp_path):
    found = report(check(tmp_path), "json")
    assert found["passed"] and {item["severity"] for item in found["findings"]} <= {"info"}
    assert {item["id"] for item in found["checks"]} == IDS
    assert {item["done"] for item in found["checks"]} == {True, False}


def test_the_checks_of_hosts_are_done_when_the_hosts_are_asked(tmp_path):
    found = report(check(tmp_path, live=True), "json")
    assert {item["done"] for item in found["checks"]} == {True}
    assert (found["checked"], found["passed"]) == ("inventory and hosts", False)
    assert [host for item in found["findings"] if item["id"] == "V13" for host in item["hosts"]] == [
        "a2",
        "a3",
        "b2",
        "b3",
    ]


# ---------------------------------------------------------------------------------------------------------------------
# SARIF

LEVELS = {"error", "warning", "note"}


def test_sarif_is_what_code_scanning_takes(tmp_path):
    found = report(check(tmp_path, **MIXED), "sarif")
    assert found["version"] == "2.1.0" and found["$schema"].endswith("sarif-2.1.0.json")
    (run,) = found["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "keaops.kea preflight"
    assert [rule["id"] for rule in rules] == sorted(IDS)
    for rule in rules:
        assert rule["shortDescription"]["text"] and rule["fullDescription"]["text"]
        assert rule["help"]["text"].startswith(rule["shortDescription"]["text"])
        assert rule["helpUri"].startswith("https://")
        assert rule["defaultConfiguration"]["level"] in LEVELS
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in LEVELS
        assert f"[{result['ruleId']}]" in result["message"]["text"]
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        assert physical["artifactLocation"] == {"uri": "hosts.yml", "uriBaseId": "%SRCROOT%"}
        assert physical["region"]["startLine"] >= 1 and physical["region"]["startColumn"] >= 1
        assert location["logicalLocations"]
    marks = [result["partialFingerprints"]["keaopsKea/v1"] for result in run["results"]]
    assert len(set(marks)) == len(marks) == 6


def test_sarif_points_to_the_line_that_is_wrong(tmp_path):
    results = report(check(tmp_path, **MIXED), "sarif")["runs"][0]["results"]
    places = [
        (result["ruleId"], result["level"], result["locations"][0]["physicalLocation"]["region"]["startLine"])
        for result in results
    ]
    assert sorted(places) == sorted(
        [
            ("P23", "error", line_of(tmp_path, "10.0.1.10-10.0.1.99")),
            ("V05", "error", line_of(tmp_path, "{{ nope }}")),
            # Both hosts have the role; whichever is meant to be another, its line is shown.
            ("P03", "error", line_of(tmp_path, "kea_ha_role: primary", 2)),
            ("P03", "error", line_of(tmp_path, "kea_ha_role: primary", 3)),
            ("V01", "error", line_of(tmp_path, "kea_pretty")),
            ("P13", "warning", line_of(tmp_path, "kea_api_auth")),
        ]
    )


def test_a_fingerprint_stays_when_the_line_moves(tmp_path):
    def marks():
        results = report(check(tmp_path, **MIXED), "sarif")["runs"][0]["results"]
        return sorted(result["partialFingerprints"]["keaopsKea/v1"] for result in results)

    before = marks()
    MIXED["kea"]["a_new_variable"] = ["of several", "lines"]
    try:
        assert marks() == before
    finally:
        del MIXED["kea"]["a_new_variable"]


def test_accepted_findings_are_notes(tmp_path):
    accepted = {"kea_api_auth": False, "kea_preflight_ignore": ["P13"]}
    checked = check(tmp_path, kea=accepted)
    (result,) = report(checked, "sarif")["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("P13", "note")
    (rule,) = [rule for rule in report(checked, "sarif")["runs"][0]["tool"]["driver"]["rules"] if rule["id"] == "P13"]
    assert "kea_preflight_ignore: [P13]" in rule["help"]["text"]


def one(*places, **changes):
    """A pair with one finding of a check nobody knows."""
    finding = replace(Finding("X1", ERROR, "a2", "kea_x", "1", "no", ""), **changes)
    entry = _reports.Entry(finding, ["a2"], {"a": ["a2"]}, {place: ["a2"] for place in places})
    return _reports.Checked({"a": ["a2", "a3"]}, [entry], False, "/repository")


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (Place("/repository/my inventory/hosts.yml", 3), ("my%20inventory/hosts.yml", 3)),
        (Place("/elsewhere/hosts.yml", 3), ("file:///elsewhere/hosts.yml", 3)),
        (Place("/repository/hosts.py"), ("hosts.py", 1)),
    ],
)
def test_files_are_named_relative_to_the_repository(place, expected):
    (result,) = report(one(place), "sarif")["runs"][0]["results"]
    physical = result["locations"][0]["physicalLocation"]
    assert (physical["artifactLocation"]["uri"], physical["region"]["startLine"]) == expected


def test_without_any_place_a_result_has_no_location():
    (result,) = report(one(), "sarif")["runs"][0]["results"]
    assert "locations" not in result


# ---------------------------------------------------------------------------------------------------------------------
# JUnit


def cases(root):
    """Return each suite's cases by the id of their check."""
    return {
        suite.get("name"): {case.get("name").split()[0]: case for case in suite.iter("testcase")}
        for suite in root.iter("testsuite")
    }


def test_junit_has_a_suite_for_each_pair_and_a_case_for_each_check(tmp_path):
    root = report(check(tmp_path, **MIXED), "junit")
    found = cases(root)
    assert list(found) == ["pair a", "pair b"]
    assert set(found["pair a"]) == set(found["pair b"]) == IDS
    failed = {
        name: {id_ for id_, case in suite.items() if case.find("failure") is not None} for name, suite in found.items()
    }
    assert failed == {"pair a": {"P23", "V01", "V05"}, "pair b": {"P03", "V01"}}
    for suite in root.iter("testsuite"):
        assert int(suite.get("tests")) == len(IDS)
        assert int(suite.get("failures")) == len(failed[suite.get("name")])
        assert int(suite.get("skipped")) == len(list(suite.iter("skipped"))) > 0
    assert (root.get("tests"), root.get("failures")) == (str(2 * len(IDS)), "5")

    failure = found["pair a"]["P23"].find("failure")
    assert failure.get("message") == failure.text
    for text in ("a2, a3", "kea_subnets[0].pools[0]", "10.0.1.10-10.0.1.99", "[P23]"):
        assert text in failure.text
    assert found["pair a"]["P23"].get("file") == "hosts.yml"
    assert found["pair a"]["P23"].get("line") == str(line_of(tmp_path, "10.0.1.10-10.0.1.99"))
    # What all pairs have wrong names the hosts of each pair in its own suite.
    assert found["pair b"]["V01"].find("failure").text.startswith("b2, b3: kea_pretty = '1'")


def test_junit_shows_warnings_without_failing(tmp_path):
    found = cases(report(check(tmp_path, kea={"kea_api_auth": False}), "junit"))
    case = found["pair a"]["P13"]
    assert case.find("failure") is None
    assert case.find("system-out").text.startswith("WARNING: a2, a3: kea_api_auth = 'false': ")


def test_junit_says_which_checks_were_left_out(tmp_path):
    offline = cases(report(check(tmp_path), "junit"))["pair a"]
    live = cases(report(check(tmp_path, live=True), "junit"))["pair a"]
    assert offline["V13"].find("skipped").get("message") == "The hosts were not asked."
    assert offline["P23"].find("skipped") is None
    assert not [case for case in live.values() if case.find("skipped") is not None]
    assert [line.split(":")[0] for line in live["V13"].find("failure").text.splitlines()] == ["a2", "a3"]


def test_junit_of_an_inventory_without_pairs(tmp_path):
    made = Inventory(tmp_path, {"web": {"hosts": {"web1": {}}}})
    pairs, findings = _inventory.examine(made.hostvars, made.groups, ["web1"], offline=True)
    root = report(_reports.examined(pairs, findings, Origins(made.hostvars), False, str(tmp_path)), "junit")
    assert list(cases(root)) == ["inventory"]
    assert "its groups are web" in cases(root)["inventory"]["P02"].find("failure").text


def test_a_finding_of_an_unknown_check_is_not_lost():
    assert "kea_x" in cases(report(one(), "junit"))["pair a"]["X1"].find("failure").text
    assert report(one(), "sarif")["runs"][0]["results"][0]["ruleId"] == "X1"


def test_junit_bears_what_xml_cannot_hold():
    checked = one(message="a\x00b\x1b[31m <&> \ud800")
    assert "a?b?[31m <&> ?" in cases(report(checked, "junit"))["pair a"]["X1"].find("failure").text


# ---------------------------------------------------------------------------------------------------------------------
# secrets


@pytest.mark.parametrize("form", list(_reports.FORMATS))
def test_no_report_holds_a_secret(tmp_path, form):
    secrets = {
        "kea_api_password": "changeme-please",
        "kea_tls_ca_passphrase": ["hidden-passphrase"],
        "kea_api_passwrd": "hidden-treasure",
    }
    text = _reports.FORMATS[form](check(tmp_path, kea=secrets, b={"kea_api_password": "{{ nope }}another-secret"}))
    for name, value in secrets.items():
        assert name in text
        assert (value if isinstance(value, str) else value[0]) not in text
    assert "another-secret" not in text


# ---------------------------------------------------------------------------------------------------------------------
# for people


def test_the_lines_name_places_and_end_with_counts(tmp_path):
    lines = _reports.lines(check(tmp_path, **MIXED), notes=True, report=None)
    assert [line.split(":")[0] for line in lines] == ["ERROR"] * 4 + ["WARNING", "Checked 2 pairs with 4 hosts"]
    assert lines[-1] == "Checked 2 pairs with 4 hosts: 4 errors, 1 warning and 0 notes."
    (pool,) = [line for line in lines if "[P23]" in line]
    assert pool.startswith("ERROR: a2, a3: kea_subnets[0].pools[0] = '10.0.1.10-10.0.1.99': the pool is not inside")
    assert pool.endswith(f"[P23] (hosts.yml:{line_of(tmp_path, '10.0.1.10-10.0.1.99')})")


def many(count, severity=ERROR):
    """As many pairs, with the same mistake, and a finding of each pair's own."""
    names = [f"p{number}" for number in range(count)]
    shared = Finding("X1", severity, ", ".join(names), "kea_x", "1", "no", "")
    entries = [_reports.Entry(shared, names, {}, {Place(f"/r/{name}.yml", 1): [name] for name in names})]
    entries += [
        _reports.Entry(Finding("X2", severity, name, "kea_y", "1", f"no {name}", ""), [name], {}, {}) for name in names
    ]
    return _reports.Checked({name: [name] for name in names}, entries, False, "/r")


def test_many_hosts_and_places_are_counted():
    first = _reports.lines(many(100), notes=True, report=None)[0]
    assert first == (
        "ERROR: p0, p1, p2 and 97 more hosts: kea_x = '1': no. [X1] (p0.yml:1, p1.yml:1, p2.yml:1 and 97 more places)"
    )


def test_many_findings_are_cut_and_it_is_said_where_all_are():
    lines = _reports.lines(many(100), notes=True, report=None)
    assert len(lines) == 52
    assert lines[-2] == "... and 51 more. All of them: -e kea_preflight_report=preflight.json"
    assert lines[-1] == "Checked 100 pairs with 100 hosts: 101 errors, 0 warnings and 0 notes."
    lines = _reports.lines(many(100), notes=True, report="out.sarif")
    assert lines[-3:] == [
        "... and 51 more. All of them are in out.sarif.",
        "Checked 100 pairs with 100 hosts: 101 errors, 0 warnings and 0 notes.",
        "Report: out.sarif",
    ]


def test_notes_are_told_when_wanted():
    assert len(_reports.lines(many(3, INFO), notes=True, report=None)) == 5
    assert _reports.lines(many(3, INFO), notes=False, report=None) == [
        "Checked 3 pairs with 3 hosts: 0 errors, 0 warnings and 4 notes."
    ]


# ---------------------------------------------------------------------------------------------------------------------
# the file


@pytest.mark.parametrize(
    ("name", "wanted", "expected"),
    [
        ("x.json", None, "json"),
        ("a.b/x.sarif", None, "sarif"),
        ("x.sarif.json", None, "sarif"),
        ("x.xml", None, "junit"),
        ("x.junit", None, "junit"),
        ("x.txt", "junit", "junit"),
        ("x.json", "sarif", "sarif"),
    ],
)
def test_the_ending_says_the_format(name, wanted, expected):
    assert _reports.format_of(name, wanted) == expected


@pytest.mark.parametrize("name", ["report", "x.txt", "x.json/report", ".jsonx"])
def test_an_ending_that_says_nothing(name):
    with pytest.raises(_reports.ReportError) as error:
        _reports.format_of(name)
    for text in (f"kea_preflight_report = '{name}'", ".json, .sarif or .xml", "kea_preflight_report_format"):
        assert text in str(error.value)


def test_a_file_is_replaced_at_once_and_is_as_open_as_others(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_text("old", encoding="utf-8")
    link = tmp_path / "link.json"
    link.symlink_to(path)
    seen = []
    really = os.replace
    monkeypatch.setattr(os, "replace", lambda old, new: seen.append(path.read_text("utf-8")) or really(old, new))
    mask = os.umask(0o027)
    try:
        _reports.write(str(link), "new ü")
    finally:
        os.umask(mask)
    assert seen == ["old"]
    assert path.read_text(encoding="utf-8") == "new ü"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["link.json", "report.json"]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    with pytest.raises(_reports.ReportError, match=r"x/r\.json': the file cannot be written: No such file"):
        _reports.write(str(tmp_path / "x" / "r.json"), "x")
    with pytest.raises(_reports.ReportError, match="this is no file"):
        _reports.write(str(tmp_path), "x")
    with pytest.raises(_reports.ReportError, match="this is no file"):
        _reports.write("/dev/null", "x")
    assert not os.path.isfile("/dev/null")

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(_reports.ReportError, match="No space left on device"):
        _reports.write(str(tmp_path / "r.json"), "x")
    assert list(tmp_path.iterdir()) == []


def test_the_addresses_are_those_of_the_collection():
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert galaxy["repository"] == _reports.HOME
    assert (ROOT / _reports.CHECKS_PAGE.split("/blob/main/")[1]).exists()
