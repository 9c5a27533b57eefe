# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lab/bench measured, round by round, and the tables made of it. Pure, but for the file of results."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).resolve().parents[1] / ".cache" / "bench.jsonl"
HEAD = ("measure", "median", "range", "beside", "ratio", "goal", "")
GAP_HEARTBEATS, GAP_SECONDS = 1.5, 1.5
PEERS_GAP = 20.8  # measured once, with heartbeat-delay 10 s: see docs/performance.md
DORAS = 500
SPEED = "speed"  # the measure that is no pair's under clients


class Samples:
    """What each round measured, by name."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}

    def note(self, **values: float) -> None:
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)

    def add(self, values: dict[str, list[float]]) -> None:
        """Take over what another round measured."""
        for name, several in values.items():
            self.values.setdefault(name, []).extend(several)

    def median(self, name: str) -> float:
        return statistics.median(self.values[name])

    def span(self, name: str) -> tuple[float, float]:
        return min(self.values[name]), max(self.values[name])


def gap_goal(heartbeat: float) -> float:
    """Return the seconds that new clients may wait for a planned change, with a heartbeat-delay of so many seconds."""
    return min(GAP_HEARTBEATS * heartbeat, GAP_SECONDS)


def takeover_bound(timers: dict[str, int], rate: float) -> float:
    """Return the seconds after which Kea's standby has taken over, with so many new clients each second.

    The partner is silent for max-response-delay, which the next heartbeat notices. Then more than max-unacked-clients
    clients, which come one after the other, have to ask for longer than max-ack-delay; the next heartbeat decides.
    """
    heartbeat, silence, waiting = (
        timers[name] / 1000 for name in ("heartbeat-delay", "max-response-delay", "max-ack-delay")
    )
    return silence + heartbeat + waiting + (timers["max-unacked-clients"] + 1) / rate + heartbeat


def noticed(report: dict) -> dict[str, float]:
    """Return the figures of a probe's report; the leases of both servers must have been compared."""
    new, renewals = report["new"], report["renewals"]
    return {
        "gap": new["longest_gap"],
        "waited": new["longest_wait"],
        "asked": new["asked"],
        "unserved": new["asked"] - new["served"],
        "unanswered": new["unanswered"],
        "failed": renewals["failed"],
        "renewal_gap": renewals["longest_gap"],
        **{name: len(report[name]) for name in ("duplicates", "lost", "difference")},
        "both": report["both_served"],
        "neither": report["neither_served"],
        "down": report["neither_up"],
        "states": len(report["states"]),
        "late": report["late"],
    }


def takeover(report: dict, standby: str) -> dict[str, float]:
    """Return the seconds from the mark "lost" until the standby says that it is alone, and until its first answer."""
    (begin,) = (mark["at"] for mark in report["marks"] if mark["text"] == "lost")
    address = report["servers"][standby]
    alone = [
        change["at"] for change in report["states"] if change["host"] == standby and change["to"] == "partner-down"
    ]
    answers = [each["from"] for each in report["answered_by"] if each["server"] == address and each["from"] > begin]
    return {"takeover": min(alone) - begin, "answers": min(answers) - begin}


# ---------------------------------------------------------------------------------------------------------------------
# the file of results


def keep(entry: dict, path: Path = RESULTS) -> None:
    """Add what one round measured, at once: an interrupted bench has it."""
    path.parent.mkdir(exist_ok=True)
    with open(path, "a", encoding="utf-8") as out:
        out.write(json.dumps(entry) + "\n")


def kept(path: Path = RESULTS) -> list[dict]:
    """Return all that is kept; a line that a killed bench has not finished is left out."""
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0] if path.exists() else ""
    return [json.loads(line) for line in whole.splitlines()]


def latest(entries: list[dict]) -> list[dict]:
    """Return of each measure, of each version, only what the last bench found that took it."""
    last = {(entry["kea"], entry["measure"]): entry["run"] for entry in sorted(entries, key=lambda each: each["run"])}
    return [entry for entry in entries if last[entry["kea"], entry["measure"]] == entry["run"]]


# ---------------------------------------------------------------------------------------------------------------------
# tables


def cells(samples: Samples, name: str, key: str, unit: str, *, base=None, goal=None, ratio_goal=None, scale=1) -> tuple:
    """Return a row of a table. A goal is judged by the median, but one of 0 by the worst round."""
    value, low, high = (scale * number for number in (samples.median(key), *samples.span(key)))
    digits = 1 if unit == "s" else 0
    ratio = value / base if base else None
    most, judged = (ratio_goal, ratio) if ratio_goal is not None else (goal, value if goal else high)
    return (
        name,
        f"{value:.{digits}f} {unit}".strip(),
        f"{low:.{digits}f}-{high:.{digits}f}",
        "-" if base is None else f"{base:.{digits}f} {unit}",
        "-" if ratio is None else f"{ratio:.2f}",
        "-" if most is None else f"<= {most:g}",
        "-" if most is None else "met" if judged <= most else "NOT met",
    )


class Kind(NamedTuple):
    """What is demanded of a measure with clients; None: nothing, but shown."""

    gap: bool = True
    unanswered: int | None = None
    states: int | None = None
    unserved: int | None = 0
    difference: int | None = 0
    doras: int | None = None
    beside_peers: bool = False


VALUE = "one value changed by site.yml"
LIVE = "live change by site.yml"
SWITCH = "switchover and back"
BUSY = "primary lost, busy network"
QUIET = "primary lost, quiet network"
ROTATION = "certificates renewed"
UPGRADE = "upgrade from "
LOSS = Kind(gap=False, unserved=None, difference=None)
KINDS = {
    VALUE: Kind(beside_peers=True),
    LIVE: Kind(unanswered=0, states=0, doras=DORAS),
    BUSY: LOSS,
    QUIET: LOSS,
}


def clients_rows(measure: str, samples: Samples) -> list[tuple]:
    """Return the rows of one measure: what clients noticed, and the servers' own words."""
    kind = KINDS.get(measure, Kind())
    rows = [cells(samples, f"{measure}, {rounds(len(samples.values['seconds']))}", "seconds", "s")]

    def row(name: str, key: str, unit: str = "", **more) -> None:
        rows.append(cells(samples, f"  {name}", key, unit, **more))

    if "takeover" in samples.values:
        row("standby alone / Kea's bound", "takeover", "s", base=samples.median("bound"), ratio_goal=1)
        row("first answer of the standby", "answers", "s")
    beside = {"base": PEERS_GAP} if kind.beside_peers else {}
    name = "longest gap for new clients" + (" / peers'" if beside else "")
    row(name, "gap", "s", goal=gap_goal(samples.median("heartbeat")) if kind.gap else None, **beside)
    row("slowest new client", "waited", "s")
    row("new clients", "asked")
    if kind.doras:
        fewest = samples.span("asked")[0]
        rows[-1] = (*rows[-1][:-2], f">= {kind.doras}", "met" if fewest >= kind.doras else "NOT met")
    row("  without an address at the end", "unserved", goal=kind.unserved)
    if kind.unanswered is not None:
        row("  unanswered, or not at once", "unanswered", goal=kind.unanswered)
    if kind.states is not None:
        row("changes of HA states", "states", goal=kind.states)
    row("failed renewals", "failed", goal=0)
    row("neither server served", "neither", "s")
    row("neither server up", "down", "s", goal=0)
    row("duplicate addresses", "duplicates", goal=0)
    row("lost leases", "lost", goal=0)
    row("differences of the databases", "difference", goal=kind.difference)
    if samples.span("late")[1]:
        row("machine held the prober up", "late", "s")
    return rows


def clients_tables(entries: list[dict]) -> dict[str, list[tuple]]:
    """Return a table for each version of Kea, by its title."""
    found: dict[str, dict[str, Samples]] = {}
    loads: dict[str, list[float]] = {}
    for entry in entries:
        if entry["measure"] != SPEED:
            samples = found.setdefault(entry["kea"], {}).setdefault(entry["measure"], Samples())
            samples.note(**entry["values"])
            loads.setdefault(entry["kea"], []).append(entry["load"])
    return {
        f"What clients notice, Kea {kea} (load {min(loads[kea]):.1f}-{max(loads[kea]):.1f})": [
            row for measure, samples in found[kea].items() for row in clients_rows(measure, samples)
        ]
        for kea in sorted(found, key=lambda kea: [int(part) for part in kea.split(".")])
    }


def rounds(number: int) -> str:
    return f"{number} round{'s' * (number != 1)}"


def lines(rows: list[tuple]) -> list[str]:
    """Return a table as text."""
    rows = [HEAD, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1])), row[-1]]
        ).rstrip()
        for row in rows
    ]
