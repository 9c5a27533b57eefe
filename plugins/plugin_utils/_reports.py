# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings of a preflight as files for programs: JSON, SARIF 2.1.0 for code scanning, JUnit XML for test reports.

What is in them is what a person is told: findings hold no secrets.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree

from ansible_collections.keaops.kea.plugins.module_utils import _findings
from ansible_collections.keaops.kea.plugins.module_utils._model import Pair
from ansible_collections.keaops.kea.plugins.plugin_utils import _files
from ansible_collections.keaops.kea.plugins.plugin_utils._origins import Origins, Place

NAME = "keaops.kea preflight"
HOME = "https://github.com/keaops/keaops.kea"
CHECKS_PAGE = f"{HOME}/blob/main/docs/checks.md"
# A name for messages.
EXAMPLE = "kea_preflight_report=preflight.json"
_LEVELS = {_findings.ERROR: "error", _findings.WARNING: "warning", _findings.INFO: "note"}
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class ReportError(ValueError):
    """A report cannot be written; the text is for users."""


class Entry(NamedTuple):
    """A finding, and what it is about."""

    finding: _findings.Finding
    hosts: list[str]
    pairs: dict[str, list[str]]
    """The hosts of each pair; none for what is about the inventory as a whole."""
    places: dict[Place, list[str]]
    """Where its value was written, and which hosts have it from there."""


@dataclass(frozen=True)
class Checked:
    """What a preflight has looked at, and what it found, worst first."""

    pairs: Mapping[str, Sequence[str]]
    """The hosts of each."""
    entries: Sequence[Entry]
    live: bool
    """The hosts were asked, too."""
    root: str
    """Folder that paths are given relative to."""

    @property
    def findings(self) -> list[_findings.Finding]:
        """Return the findings alone."""
        return [entry.finding for entry in self.entries]

    def relative(self, path: str) -> str:
        """Return a path below the root relative to it, any other one as it is."""
        shorter = os.path.relpath(path, self.root)
        return path if shorter.startswith(os.pardir) else Path(shorter).as_posix()


def examined(
    pairs: Sequence[Pair], findings: Iterable[_findings.Finding], origins: Origins, live: bool, root: str
) -> Checked:
    """Return what was checked and found; the same mistake of several pairs is one finding."""
    members = {pair.name: [server.host for server in pair.servers] for pair in pairs}
    pair_of = {host: name for name, hosts in members.items() for host in hosts}
    entries = []
    for finding in _findings.worst_first(_findings.merge_hosts(findings)):
        named = [name for name in finding.host.split(", ") if name]
        # A group without hosts speaks for itself.
        hosts = [name for name in named if name in pair_of or name not in members]
        about: dict[str, list[str]] = {name: [] for name in named if name not in hosts}
        for host in hosts:
            if host in pair_of:
                about.setdefault(pair_of[host], []).append(host)
        entries.append(Entry(finding, hosts, about, origins.places(hosts, finding.variable)))
    return Checked(members, entries, live, root)


class _Rule(NamedTuple):
    """All that is checked under one id."""

    id: str
    severity: str
    what: str
    needs_hosts: bool
    ignorable: bool


def _rules(checked: Checked) -> list[_Rule]:
    rules = {id_: _Rule(id_, _findings.ERROR, what, False, False) for id_, what in _findings.INPUT_RULES.items()}
    for check in sorted(_findings.CHECKS, key=lambda check: check.id):
        offline = {_findings.INVENTORY, _findings.CONTROLLER, _findings.PAIRS} & set(check.looks_at)
        acceptable = check.ignorable or check.warns or check.severity == _findings.WARNING
        rule = _Rule(check.id, check.severity, check.what, not offline, acceptable)
        known = rules.get(check.id)
        if known:
            rule = _Rule(
                check.id,
                min(known.severity, rule.severity, key=list(_LEVELS).index),
                f"{known.what} {rule.what}",
                known.needs_hosts and rule.needs_hosts,
                known.ignorable or rule.ignorable,
            )
        rules[check.id] = rule
    for item in checked.findings:
        # Nothing may be missing from a report because a check is not listed.
        rules.setdefault(item.id, _Rule(item.id, item.severity, item.message, False, False))
    return sorted(rules.values())


# ---------------------------------------------------------------------------------------------------------------------
# JSON


def _json(checked: Checked) -> str:
    body = {
        "tool": NAME,
        "format": 1,
        "checked": "inventory and hosts" if checked.live else "inventory",
        "passed": not _findings.has_errors(checked.findings),
        "counts": _findings.counts(checked.findings),
        "pairs": [{"name": name, "hosts": list(hosts)} for name, hosts in checked.pairs.items()],
        "findings": [
            {
                **entry.finding.as_dict(),
                "hosts": entry.hosts,
                "pairs": list(entry.pairs),
                "places": [
                    {"file": checked.relative(place.path), "line": place.line, "column": place.column, "hosts": hosts}
                    for place, hosts in entry.places.items()
                ],
            }
            for entry in checked.entries
        ],
        "checks": [
            {"id": rule.id, "severity": rule.severity, "what": rule.what, "done": checked.live or not rule.needs_hosts}
            for rule in _rules(checked)
        ],
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


# ---------------------------------------------------------------------------------------------------------------------
# SARIF


def _sarif(checked: Checked) -> str:
    rules = _rules(checked)
    numbers = {rule.id: number for number, rule in enumerate(rules)}
    results = [
        _sarif_result(checked, entry, place, numbers)
        for entry in checked.entries
        # One for each place: those who review are shown no more than one of a result.
        for place in entry.places or [None]
    ]
    driver = {"name": NAME, "informationUri": HOME, "rules": [_sarif_rule(rule) for rule in rules]}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _sarif_rule(rule: _Rule) -> dict[str, Any]:
    text = rule.what
    if rule.needs_hosts:
        text += " Needs the hosts, so it is not checked offline."
    if rule.ignorable:
        text += f" A matter of judgement: kea_preflight_ignore: [{rule.id}] accepts it."
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": text},
        "help": {"text": f"{text} Each finding says what to write instead. All checks: {CHECKS_PAGE}"},
        "helpUri": CHECKS_PAGE,
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": ["dhcp", "kea"]},
    }


def _sarif_result(checked: Checked, entry: Entry, place: Place | None, numbers: Mapping[str, int]) -> dict[str, Any]:
    finding = entry.finding
    hosts = entry.places[place] if place else entry.hosts
    # The same wherever its line moves to.
    mark = json.dumps([finding.id, hosts, finding.variable, finding.message])
    result: dict[str, Any] = {
        "ruleId": finding.id,
        "level": _LEVELS[finding.severity],
        "message": {"text": _few_hosts(finding).text()},
        "partialFingerprints": {"keaopsKea/v1": hashlib.sha256(mark.encode()).hexdigest()},
    }
    if finding.id in numbers:
        result["ruleIndex"] = numbers[finding.id]
    if place:
        result["locations"] = [
            {
                "physicalLocation": _sarif_place(checked, place),
                "logicalLocations": [{"fullyQualifiedName": f"{host}.{finding.variable}"} for host in hosts],
            }
        ]
    return result


def _sarif_place(checked: Checked, place: Place) -> dict[str, Any]:
    path = checked.relative(place.path)
    file = {"uri": Path(path).as_uri()} if os.path.isabs(path) else {"uri": quote(path), "uriBaseId": "%SRCROOT%"}
    region = {"startLine": place.line or 1}
    if place.column:
        region["startColumn"] = place.column
    return {"artifactLocation": file, "region": region}


# ---------------------------------------------------------------------------------------------------------------------
# JUnit


def _junit(checked: Checked) -> str:
    rules = _rules(checked)
    found: dict[str | None, dict[str, list[Entry]]] = {}
    for entry in checked.entries:
        for pair, hosts in (entry.pairs or {None: []}).items():
            # A pair is told of no hosts but its own.
            mine = replace(entry.finding, host=", ".join(hosts) or entry.finding.host)
            found.setdefault(pair, {}).setdefault(mine.id, []).append(entry._replace(finding=mine))
    suites = [_suite(checked, f"pair {pair}", pair, rules, found.get(pair, {})) for pair in checked.pairs]
    if None in found:
        concerned = [rule for rule in rules if rule.id in found[None]]
        suites.insert(0, _suite(checked, "inventory", "inventory", concerned, found[None]))
    root = ElementTree.Element("testsuites", name=NAME)
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
    root.extend(suites)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(
    checked: Checked, name: str, group: str, rules: Sequence[_Rule], found: Mapping[str, Sequence[Entry]]
) -> ElementTree.Element:
    cases = [_case(checked, f"kea_preflight.{group}", rule, found.get(rule.id, ())) for rule in rules]
    suite = ElementTree.Element("testsuite", name=_xml(name), tests=str(len(cases)), errors="0", time="0")
    for count, tag in (("failures", "failure"), ("skipped", "skipped")):
        suite.set(count, str(sum(case.find(tag) is not None for case in cases)))
    suite.extend(cases)
    return suite


def _case(checked: Checked, suite: str, rule: _Rule, entries: Sequence[Entry]) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=_xml(suite), name=_xml(f"{rule.id} {rule.what}"), time="0")
    place = next((place for entry in entries for place in entry.places), None)
    if place:
        case.set("file", _xml(checked.relative(place.path)))
        if place.line:
            case.set("line", str(place.line))
    errors = [entry.finding.text() for entry in entries if entry.finding.severity == _findings.ERROR]
    if errors:
        failure = ElementTree.SubElement(case, "failure", type=_findings.ERROR, message=_xml(errors[0]))
        failure.text = _xml("\n".join(errors))
    elif rule.needs_hosts and not checked.live:
        ElementTree.SubElement(case, "skipped", message="The hosts were not asked.")
    rest = [entry.finding for entry in entries if entry.finding.severity != _findings.ERROR]
    if rest:
        ElementTree.SubElement(case, "system-out").text = _xml("\n".join(_findings.report(rest, len(rest))))
    return case


def _xml(text: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return _NOT_IN_XML.sub("?", text)


# ---------------------------------------------------------------------------------------------------------------------
# for people

_FEW = 4
_MOST_LINES = 50


def lines(checked: Checked, notes: bool, report: str | None) -> list[str]:
    """Return a line for each finding, worst first, with the places where its value was written, and how many there are.

    Args:
        notes: tell what is neither error nor warning, too.
        report: the file that holds all of them, if there is one.
    """
    told = [entry for entry in checked.entries if notes or entry.finding.severity != _findings.INFO]
    result = [_line(checked, entry) for entry in told[:_MOST_LINES]]
    if len(told) > _MOST_LINES:
        rest = f"All of them are in {report}." if report else f"All of them: -e {EXAMPLE}"
        result.append(f"... and {len(told) - _MOST_LINES} more. {rest}")
    counts = _findings.counts(checked.findings)
    named = ((_findings.ERROR, "error"), (_findings.WARNING, "warning"), (_findings.INFO, "note"))
    *most, last = [_findings.plural(counts[severity], noun) for severity, noun in named]
    hosts = sum(len(members) for members in checked.pairs.values())
    size = f"{_findings.plural(len(checked.pairs), 'pair')} with {_findings.plural(hosts, 'host')}"
    result.append(f"Checked {size}: {', '.join(most)} and {last}.")
    return [*result, f"Report: {report}"] if report else result


def _line(checked: Checked, entry: Entry) -> str:
    places = [f"{checked.relative(place.path)}{f':{place.line}' if place.line else ''}" for place in entry.places]
    text = f"{entry.finding.severity.upper()}: {_few_hosts(entry.finding).text()}"
    return f"{text} ({_few(places, 'places')})" if places else text


def _few_hosts(finding: _findings.Finding) -> _findings.Finding:
    """Return a finding that names some of its hosts only, if it has many."""
    return replace(finding, host=_few(finding.host.split(", "), "hosts"))


def _few(names: Sequence[str], noun: str) -> str:
    if len(names) <= _FEW:
        return ", ".join(names)
    return f"{', '.join(names[: _FEW - 1])} and {len(names) - _FEW + 1} more {noun}"


# ---------------------------------------------------------------------------------------------------------------------
# the file

FORMATS: dict[str, Callable[[Checked], str]] = {"json": _json, "sarif": _sarif, "junit": _junit}
_ENDINGS = {".json": "json", ".sarif": "sarif", ".sarif.json": "sarif", ".xml": "junit", ".junit": "junit"}


def format_of(path: str, wanted: str | None = None) -> str:
    """Return the format of a report: the one wanted, or what the ending of its name says.

    Raises:
        ReportError: it says nothing.
    """
    name = os.path.basename(path)
    # The longest ending first: .sarif.json is no .json.
    for ending in sorted(_ENDINGS, key=len, reverse=True):
        if not wanted and name.endswith(ending):
            return _ENDINGS[ending]
    if not wanted:
        raise ReportError(
            f"kea_preflight_report = '{path}': the ending of the name says no format. Write .json, .sarif or .xml (for"
            f" JUnit), for example {EXAMPLE}, or add kea_preflight_report_format={'|'.join(FORMATS)}"
        )
    return wanted


def write(path: str, text: str) -> None:
    """Replace a file at once: whoever reads it meanwhile gets the old one or the new one.

    Raises:
        ReportError: it cannot be written.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise ReportError(f"kea_preflight_report = '{path}': this is no file. Name one, for example {EXAMPLE}")
    try:
        _files.replace(Path(target), text)
    except OSError as error:
        raise ReportError(
            f"kea_preflight_report = '{path}': the file cannot be written: {error.strerror}. Name one in a folder that"
            f" exists and that you may write to, for example {EXAMPLE}"
        ) from error
