# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leaves the counts of a test run, and what failed in it, where `make test` shows them last."""

from __future__ import annotations

from pathlib import Path

PATH = Path(__file__).resolve().parents[1] / ".cache" / "lab-tests"
# Of the reason why a test failed, in characters.
_LENGTH = 300


def note(name: str, stats: dict[str, list]) -> None:
    """Write the lines of a run, in place of older ones of the same name.

    Args:
        stats: as pytest's terminal reporter has them.
    """
    passed, failed, errors = (stats.get(kind, []) for kind in ("passed", "failed", "error"))
    PATH.parent.mkdir(exist_ok=True)
    head = f"lab {name}: "
    lines = [line for line in PATH.read_text().splitlines() if not line.startswith(head)] if PATH.exists() else []
    lines.append(f"{head}{len(passed)} passed, {len(failed) + len(errors)} failed")
    for report in [*failed, *errors]:
        why = getattr(getattr(report.longrepr, "reprcrash", None), "message", str(report.longrepr))
        lines.append(f"{head}FAILED {report.nodeid}: {' '.join(why.split())[:_LENGTH]}")
    PATH.write_text("\n".join(lines) + "\n")
