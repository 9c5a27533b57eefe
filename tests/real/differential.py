#!/usr/bin/env python3
# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What preflight says of each mistake in bad_inputs.py, and what Kea says: docs/differential.md.

    python tests/real/differential.py            write the page, out of Kea's recorded answers
    python tests/real/differential.py --check    is the page up to date?
    lab/run python tests/real/differential.py --ask    ask the real Kea again, and record its answers

scripts/docs.py writes the page, too.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "tests" / "unit"
sys.path[:0] = [str(UNIT), str(Path(__file__).resolve().parent)]
if __name__ == "__main__":
    runpy.run_path(str(UNIT / "conftest.py"))  # makes the collection importable

import unchecked  # noqa: E402
from ansible_collections.keaops.kea.plugins.module_utils._dialect import dialect_for  # noqa: E402
from ansible_collections.keaops.kea.plugins.module_utils._findings import ERROR, INFO  # noqa: E402
from ansible_collections.keaops.kea.plugins.plugin_utils import _inventory  # noqa: E402
from bad_inputs import LISTENER, TABLE, Row  # noqa: E402
from generator import series  # noqa: E402
from pairs import examine, facts, raw_hosts  # noqa: E402
from rendering import kea_check  # noqa: E402

RECORD = ROOT / "tests" / "fixtures" / "differential.json"
PAGE = ROOT / "docs" / "differential.md"
ADDRESSES = {"dhcp1": "192.168.1.2", "dhcp2": "192.168.1.3"}
# The same link in every version, so that their columns can be compared.
LINK = {"kea_ha_transport": "control_agent"}
CAUGHT, PASSED, DEAD, WITHOUT_HA, RUNS = "caught", "-", "dead", "no HA", "runs"


class Case(NamedTuple):
    """A row with its place in the table."""

    section: str
    row: Row

    @property
    def key(self) -> str:
        """What stands in the record for it."""
        return f"{self.section}: {self.row.name}"


CASES = [Case(section, row) for section, rows in TABLE.items() for row in rows]


def hosts_of(row: Row) -> tuple[str, ...]:
    """Return the hosts that have to be looked at: one, where both have the same mistake."""
    return tuple(ADDRESSES) if row.dhcp1 or row.dhcp2 else ("dhcp1",)


def variables(row: Row, version: str) -> dict[str, Any]:
    """Return the group's variables, with the mistake."""
    return {**LINK, "kea_version": version, **row.group}


def trials(row: Row, version: str, how: str) -> list:
    """Return what Kea is to be asked about a row."""
    link = LISTENER if row.group.get("kea_ha_transport") == "listener" else LINK
    kept = {
        name: row.group[name] for name in ("kea_tls_enabled", "kea_api_auth") if isinstance(row.group.get(name), bool)
    }
    good = raw_hosts({**link, **kept, "kea_version": version})
    bad = raw_hosts({**variables(row, version), "kea_version": version}, row.dhcp1, row.dhcp2)
    found = []
    for host in hosts_of(row):
        bodies = unchecked.configurations(good, bad, host)
        files = {program: json.dumps(body, ensure_ascii=False) for program, body in bodies.items()}
        # The host is what it is, whatever the inventory says.
        interfaces = {"enp0s8": [f"{ADDRESSES[host]}/24"]}
        if how == "start":
            found.append(kea_check.Trial(files, how, interfaces))
        else:
            asked = files if how == "test" else {"kea-dhcp4": files["kea-dhcp4"]}
            found += [kea_check.Trial({program: body}, how, interfaces) for program, body in asked.items()]
    return found


def ways(row: Row, version: str) -> tuple[str, ...]:
    """Return how a row can be tried: -T is no use where it fails good configurations."""
    usable = dialect_for(version).test_hooks_usable(row.group.get("kea_ha_transport", "control_agent"))
    return ("test", "hooks", "start") if usable else ("test", "start")


def word(how: str, verdicts: list) -> str:
    """Return what became of a trial, in one word: that of the host that fares worst."""
    refused = any(not verdict.passed for verdict in verdicts)
    if how != "start":
        return CAUGHT if refused else PASSED
    return DEAD if refused else RUNS if all(verdict.ha for verdict in verdicts) else WITHOUT_HA


Answers = dict[str, dict[str, dict[str, str]]]
"""key -> version -> way -> word"""


def ask(releases: list, every_start: bool = True) -> Answers:
    """Ask the real Kea.

    Args:
        every_start: start even what Kea's own check has refused.
    """
    found: Answers = {case.key: {kea.version: {} for kea in releases} for case in CASES}
    _ask(releases, found, lambda case, version: [way for way in ways(case.row, version) if way != "start"])

    def starts(case: Case, version: str) -> list[str]:
        return ["start"] if every_start or found[case.key][version]["test"] == PASSED else []

    _ask(releases, found, starts)
    for case in CASES:
        for answer in found[case.key].values():
            answer.setdefault("start", DEAD)
    return found


def _ask(releases: list, found: Answers, chosen: Callable[[Case, str], list[str]]) -> None:
    """Ask in some ways, and note the answers."""
    questions, places = [], []
    for kea in releases:
        asked = []
        for case in CASES:
            for how in chosen(case, kea.version):
                mine = trials(case.row, kea.version, how)
                places.append((case.key, kea.version, how, len(mine)))
                asked += mine
        questions.append((kea, asked))
    answers = iter([verdict for verdicts in kea_check.ask_each(questions) for verdict in verdicts])
    for key, version, how, count in places:
        found[key][version][how] = word(how, [next(answers) for _each in range(count)])


def recorded() -> Answers:
    """Return Kea's answers as they were recorded."""
    return json.loads(RECORD.read_text(encoding="utf-8"))


def found_by_us(row: Row, version: str) -> list[Any]:
    """Return what preflight says: errors and warnings."""
    if row.live:
        seen = {f"facts{number}": facts(address) for number, address in enumerate(ADDRESSES.values(), 1)}
        findings = examine(variables(row, version), row.dhcp1, row.dhcp2, **seen)
    else:
        hostvars = {raw.name: raw.vars for raw in raw_hosts(variables(row, version), row.dhcp1, row.dhcp2)}
        _pairs, findings = _inventory.examine(hostvars, {"kea": list(hostvars)}, hostvars, hostvars, offline=True)
    return [finding for finding in findings if finding.severity != INFO]


def concerned(row: Row, version: str) -> bool:
    """Tell whether it is a mistake with this Kea."""
    return not row.since or series(version) >= tuple(int(part) for part in row.since.split("."))


def ids(row: Row, versions: list[str]) -> str:
    """Return the ids of what is found in every version, errors first; those of warnings in brackets."""
    each = [found_by_us(row, version) for version in versions if concerned(row, version)]
    common = [finding for finding in each[0] if all(finding.id in {item.id for item in other} for other in each)]
    graver = [finding.id for finding in common if finding.severity == ERROR]
    return ", ".join(dict.fromkeys([*graver, *(f"({finding.id})" for finding in common if finding.id not in graver)]))


def stops(answers: dict[str, dict[str, str]]) -> bool:
    """Tell whether any Kea does not serve with this."""
    return any(answer["start"] != RUNS for answer in answers.values())


HEAD = """# Preflight beside Kea's own checks

Generated from `tests/real/bad_inputs.py` and the recorded answers of Kea by `make docs`; `lab/run python
tests/real/differential.py --ask` asks the real Kea again.

Each row is one mistake in the inventory of the home pair. What a template without checks makes of it was given to the
Kea of each Debian release, on the host it is meant for:

- **preflight**: the [checks](checks.md) of this collection that name it before a host is touched; warnings in brackets
- **-t**: `kea-dhcp4 -t` and `kea-ctrl-agent -t`, Kea's own check of a file
- **-T**: `kea-dhcp4 -T`, which loads the hooks, too. Kea 2.2 has none, and that of 2.6 fails every good listener
- **start**: the daemons are started. *runs*: they live after three seconds, and the DHCP server answers for its HA
  hook; *no HA*: it lives without; *dead*: one of them ended

Where Kea runs all the same, the last column says what comes of it.
"""


def rows(versions: list[str], answers: Answers) -> Iterator[str]:
    """Yield the tables."""
    columns = [(version, how) for version in versions for how in ("test", "hooks", "start")]
    columns = [column for column in columns if any(column[1] in answers[case.key][column[0]] for case in CASES)]
    names = {"test": "-t", "hooks": "-T", "start": "start"}
    for section, table in TABLE.items():
        yield f"\n## {section}\n"
        cells = [
            "mistake",
            "preflight",
            *(f"{version[:3]} {names[how]}" for version, how in columns),
            "what comes of it",
        ]
        yield f"| {' | '.join(cells)} |"
        yield f"| {' | '.join('---' for _cell in cells)} |"
        for row in table:
            answer = answers[Case(section, row).key]
            shown = [answer[version].get(how, "") for version, how in columns]
            yield f"| {' | '.join([row.name, ids(row, versions), *shown, row.danger])} |"


def totals(versions: list[str], answers: Answers) -> Iterator[str]:
    """Yield the counts."""
    count = len(CASES)
    named = sum(bool(ids(case.row, versions)) for case in CASES)
    yield f"\nPreflight names {named} of {count}.\n"
    yield "| Kea | caught by -t | caught by -T | does not start | runs without HA | runs as if nothing was wrong |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for version in versions:
        mine = [answers[case.key][version] for case in CASES]
        loaded = [answer for answer in mine if "hooks" in answer]
        hooks = f"{sum(answer['hooks'] == CAUGHT for answer in loaded)} of {len(loaded)}" if loaded else ""
        starts = [sum(answer["start"] == result for answer in mine) for result in (DEAD, WITHOUT_HA, RUNS)]
        caught = sum(answer["test"] == CAUGHT for answer in mine)
        yield f"| {version} | {caught} of {count} | {hooks} | {' | '.join(map(str, starts))} |"


def page() -> str:
    """Return docs/differential.md."""
    answers = recorded()
    versions = list(next(iter(answers.values())))
    return "\n".join([HEAD.rstrip(), *totals(versions, answers), *rows(versions, answers)]) + "\n"


def main() -> int:
    """Write the page, or check it; with --ask, the record first."""
    if "--ask" in sys.argv:
        with kea_check.running() as releases:
            answers = ask(releases)
        RECORD.write_text(json.dumps(answers, indent=1, sort_keys=False) + "\n", encoding="utf-8")
    if "--check" in sys.argv:
        fresh = PAGE.exists() and PAGE.read_text(encoding="utf-8") == page()
        print("" if fresh else f"{PAGE.relative_to(ROOT)} is out of date: run make docs")
        return int(not fresh)
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
