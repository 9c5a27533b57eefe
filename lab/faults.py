#!/usr/bin/env python3
# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps what the fault tests saw, and writes it as the tables of docs/faults.md.

    lab/faults.py        writes the tables from .cache/faults.jsonl; of a fault that was tried more than once, the last

A table begins after the comment that says so, and ends with the page. Standard library only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / ".cache" / "faults.jsonl"
PAGE = ROOT / "docs" / "faults.md"
BEGIN = "<!-- From here on written by lab/faults.py. -->"
LIMIT = "Kea's limit"  # these words in an expectation: it says no more than what Kea does
HEAD = (
    "| fault | expected | gap | renewals | duplicates | lost | differences | both served | healed in | |\n"
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
)


def note(kea: str, fault: str, expected: str, report: dict, broken: list[str]) -> dict:
    """Keep the verdict on one fault; *broken* holds a sentence for each expectation that was not met."""
    new, renewals = report["new"], report["renewals"]
    entry = {
        "kea": kea,
        "fault": fault,
        "expected": expected,
        "gap": new["longest_gap"],
        "renewals": renewals["longest_gap"],
        "failed": renewals["failed"],
        **{key: None if report[key] is None else len(report[key]) for key in ("duplicates", "lost", "difference")},
        "both_served": report["both_served"],
        "healed": healed(report),
        "late": report["late"],
        "broken": broken,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    with open(RESULTS, "a", encoding="utf-8") as out:
        out.write(json.dumps(entry) + "\n")
    return entry


def healed(report: dict) -> float | None:
    """Return the seconds from the heal, or else the fault, to the pair's normal state; None when it was not reached."""
    since = report["normal_since"]
    begin = {mark["text"]: mark["at"] for mark in report["marks"]}
    return None if since is None else max(0.0, round(since - begin.get("heal", begin["inject"]), 1))


def row(entry: dict) -> str:
    """Return the line of a table for one fault."""

    def seconds(value: float | None) -> str:
        return "not" if value is None else f"{value:.1f} s"

    counts = ["?" if entry[key] is None else str(entry[key]) for key in ("duplicates", "lost", "difference")]
    verdict = LIMIT if LIMIT in entry["expected"] else "met"
    failed = f", {entry['failed']} failed" if entry["failed"] else ""
    cells = [
        entry["fault"],
        entry["expected"],
        seconds(entry["gap"]),
        seconds(entry["renewals"]) + failed,
        *counts,
        seconds(entry["both_served"]),
        seconds(entry["healed"]),
        "**not met**" if entry["broken"] else verdict,
    ]
    return "| " + " | ".join(cells) + " |"


def tables(entries: list[dict]) -> str:
    """Return a table for each Kea."""
    last = {(entry["kea"], entry["fault"]): entry for entry in entries}
    parts = []
    for kea in sorted({kea for kea, _fault in last}, key=lambda version: [int(part) for part in version.split(".")]):
        rows = [row(entry) for (version, _fault), entry in last.items() if version == kea]
        parts.append("\n".join([f"## Kea {kea}", "", HEAD, *rows]))
    return "\n\n".join(parts)


def main() -> int:
    if not RESULTS.exists():
        print(f"faults: {RESULTS} is not there: run `make test-faults` first", file=sys.stderr)
        return 1
    entries = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    head = PAGE.read_text(encoding="utf-8").partition(BEGIN)[0]
    PAGE.write_text(f"{head}{BEGIN}\n\n{tables(entries)}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
