#!/usr/bin/env python3
# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the history of a probe: servers' states as bands, answers as dots, the longest gap.

lab/timeline.py HISTORY -o FILE.png      or FILE.svg
lab/timeline.py HISTORY -o FILE.png --from 10 --to 40 --title "One value changed"
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import history
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

# Calm where a server is at its work or at its rest, loud where something is the matter.
COLOURS = {
    "hot-standby": "#a8d5a2",
    "load-balancing": "#a8d5a2",
    "partner-down": "#f2b56b",
    "in-maintenance": "#c9b8e0",
    "partner-in-maintenance": "#a08bc4",
    "waiting": "#dfe6ea",
    "syncing": "#b9d3e6",
    "ready": "#d9ecc4",
    "terminated": "#d9534f",
    "silent": "#4a4a4a",
}
OTHER = "#e6e600"
SERVER_COLOURS = ("#1f6fb4", "#d9731a")
FAILED = "#c8102e"
BAND, LANE = 0.62, 0.42


def drawn(events: list[dict], title: str = "", start: float | None = None, stop: float | None = None) -> Figure:
    """Return the picture."""
    report = history.check(events)
    zero = next(event["mono"] for event in events if event["kind"] in ("new", "renew", "crowd"))
    first = 0.0 if start is None else start
    last = report["seconds"] if stop is None else stop
    hosts = sorted(report["servers"])
    colour = {report["servers"][host]: shade for host, shade in zip(hosts, SERVER_COLOURS)}

    figure = Figure(figsize=(12, 5.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlim(first, last)
    rows = [*hosts, "new clients", "renewals"]
    places = dict(zip(rows, range(len(rows))))
    axes.set_ylim(len(rows) - 0.4, -0.75)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("seconds")
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)

    states = bands(axes, history.polls(events, zero + report["seconds"]), places, zero, (first, last))
    for kind, name in (("new", "new clients"), ("renew", "renewals")):
        dots(axes, history.asked(events, kind, zero + report["seconds"]), places[name], zero, colour)
    for key, name in (("new", "new clients"), ("renewals", "renewals")):
        gap(axes, report[key], places[name], (first, last))
    for mark in report["marks"]:
        if first <= mark["at"] <= last:
            axes.axvline(mark["at"], color="#333333", linewidth=0.9, linestyle=(0, (4, 3)))
            late = mark["at"] > first + 0.8 * (last - first)
            side = {"ha": "right", "xytext": (-3, 0)} if late else {"ha": "left", "xytext": (3, 0)}
            axes.annotate(
                mark["text"], (mark["at"], -0.62), textcoords="offset points", fontsize=8, va="center", **side
            )

    legend = {"fontsize": 8, "frameon": False, "columnspacing": 1.4, "handletextpad": 0.5}
    scopes = Line2D([], [], color="#1d5c1d", linewidth=3, label="has scopes: serves")
    handles = [*(Patch(facecolor=COLOURS.get(state, OTHER), label=state) for state in states), scopes]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), **legend)
    dot = {"linestyle": "", "marker": "o", "markersize": 4}
    handles = [Line2D([], [], color=colour[report["servers"][host]], label=f"ACK of {host}", **dot) for host in hosts]
    cross = {"linestyle": "", "marker": "x", "markersize": 5, "color": FAILED}
    handles.append(Line2D([], [], label="first message not answered", **cross))
    figure.legend(handles=handles, loc="outside lower right", ncols=len(handles), **legend)
    axes.set_title(title or report["command"] or report["pair"] or "", loc="left", fontsize=10, pad=16, wrap=True)
    axes.text(0, 1.015, verdict(report), transform=axes.transAxes, fontsize=8.5, color="#333333")
    return figure


def verdict(report: dict) -> str:
    """Return the figures in one line."""
    counts = [
        (name, "?" if report[name] is None else str(len(report[name]))) for name in ("duplicates", "lost", "difference")
    ]
    words = [
        f"longest gap {report['new']['longest_gap']:.2f} s",
        f"{report['new']['unanswered']} of {report['new']['asked']} new clients unanswered",
        f"{report['renewals']['failed']} of {report['renewals']['asked']} renewals failed",
        *(f"{name} {count}" for name, count in counts),
        f"both served {report['both_served']:.1f} s",
        f"neither served {report['neither_served']:.1f} s",
    ]
    return "   ·   ".join(words)


def bands(axes, watched: dict, places: dict, zero: float, limits: tuple[float, float]) -> list[str]:
    """Draw what the servers were, and when they served; returns the states that occur."""
    found: list[str] = []
    width = limits[1] - limits[0]
    for host, seen in watched.items():
        middle = places[host]
        stretches: list[list] = []
        for (begin, state, _), (end, _, _) in zip(seen, [*seen[1:], seen[-1]]):
            if stretches and stretches[-1][0] == state:
                stretches[-1][2] = end - zero
            else:
                stretches.append([state, begin - zero, end - zero])
        for state, begin, end in stretches:
            begin, end = max(begin, limits[0]), min(end, limits[1])
            if begin >= end:
                continue
            if state not in found:
                found.append(state)
            axes.broken_barh([(begin, end - begin)], (middle - BAND / 2, BAND), facecolor=COLOURS.get(state, OTHER))
            if end - begin > 0.0095 * len(state) * width:
                shade = "white" if state == "silent" else "#222222"
                axes.text((begin + end) / 2, middle, state, ha="center", va="center", fontsize=8.5, color=shade)
        serving = [(a - zero, b - a) for a, b in history.when(seen, lambda look: look[2])]
        axes.broken_barh(serving, (middle + BAND / 2 - 0.07, 0.07), facecolor="#1d5c1d")
    return found


def dots(axes, clients: list[dict], middle: int, zero: float, colour: dict[str, str]) -> None:
    """Draw an answer where it came, each server's in a lane of its own, and a cross where somebody asked in vain."""
    for lane, (server, shade) in enumerate(colour.items()):
        times = [one["to"] - zero for one in clients if one["to"] is not None and one["server"] == server]
        axes.plot(
            times, [middle + (lane - 1) * LANE / 2] * len(times), "o", markersize=3, color=shade, alpha=0.8, mew=0
        )
    vain = [one["from"] - zero for one in clients if one["unanswered"] or one["repeated"]]
    axes.plot(vain, [middle + LANE / 2] * len(vain), "x", markersize=4.5, color=FAILED, mew=1.2)


def gap(axes, figures: dict, middle: int, limits: tuple[float, float]) -> None:
    """Mark the longest gap and say how long it is."""
    begin, length = figures["gap_at"], figures["longest_gap"]
    if not figures["asked"] or not limits[0] <= begin <= limits[1]:
        return
    axes.broken_barh([(begin, length)], (middle - 0.36, 0.72), facecolor=FAILED, alpha=0.13)
    late = begin + length > limits[0] + 0.85 * (limits[1] - limits[0])
    place = (
        {"xy": (begin, middle - 0.43), "ha": "right"} if late else {"xy": (begin + length, middle - 0.43), "ha": "left"}
    )
    axes.annotate(f"longest gap {length:.2f} s", va="center", fontsize=8.5, color=FAILED, **place)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("history", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the picture: .png or .svg")
    parser.add_argument("--title", default="", help="(default: the command)")
    parser.add_argument("--from", type=float, dest="start", metavar="SECONDS", help="draw a part only")
    parser.add_argument("--to", type=float, dest="stop", metavar="SECONDS")
    args = parser.parse_args()
    if args.output.suffix not in (".png", ".svg"):
        parser.error("-o: a file with the ending .png or .svg")
    try:
        figure = drawn(history.load(args.history), args.title, args.start, args.stop)
        figure.savefig(args.output)
    except (OSError, ValueError) as exc:
        print(f"timeline: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
