# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real Kea of every release as a fixture."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "tests" / "unit"
sys.path[:0] = [str(UNIT), str(ROOT / "lab")]
runpy.run_path(str(UNIT / "conftest.py"))  # makes the collection importable


@pytest.fixture(scope="session")
def kea():
    """Give the Kea of each release, oldest first."""
    from rendering import kea_check

    with kea_check.running() as releases:
        yield releases


def pytest_terminal_summary(terminalreporter):
    """Leave the counts for `make test`."""
    import counts

    counts.note("real", terminalreporter.stats)
