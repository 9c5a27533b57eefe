# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leaves the counts of a test run where `make test` shows them last."""

from __future__ import annotations

from pathlib import Path

PATH = Path(__file__).resolve().parents[1] / ".cache" / "lab-tests"


def note(name: str, stats: dict[str, list]) -> None:
    """Write the line of a run, in place of an older one of the same name.

    Args:
        stats: as pytest's terminal reporter has them.
    """
    counts = {kind: len(stats.get(kind, [])) for kind in ("passed", "failed", "error")}
    PATH.parent.mkdir(exist_ok=True)
    head = f"lab {name}: "
    others = [line for line in PATH.read_text().splitlines() if not line.startswith(head)] if PATH.exists() else []
    line = f"{head}{counts['passed']} passed, {counts['failed'] + counts['error']} failed"
    PATH.write_text("\n".join([*others, line]) + "\n")
