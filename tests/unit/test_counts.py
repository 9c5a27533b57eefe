# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make test` shows last of the runs in the lab."""

from __future__ import annotations

import counts
import pytest


def report(name: str, why=None) -> pytest.TestReport:
    return pytest.TestReport(name, ("test_a.py", 1, name), {}, "failed" if why else "passed", why, "call")


def test_what_failed_is_named_with_its_reason(tmp_path, monkeypatch):
    path = tmp_path / ".cache" / "lab-tests"
    monkeypatch.setattr(counts, "PATH", path)
    counts.note("secure", {"passed": [report("test_a.py::test_fine")]})
    counts.note("default", {"failed": [report("test_a.py::test_old", "gone with the next run")]})
    with pytest.raises(pytest.fail.Exception) as failure:
        pytest.fail("the pair:\nterminated\n" + "x" * 500)
    stats = {
        "passed": [report("test_a.py::test_fine"), report("test_a.py::test_good")],
        "failed": [report("test_a.py::test_bad[forky]", failure.getrepr())],
        "error": [report("test_a.py::test_set_up", "fixture 'pear' not found")],
        "skipped": [report("test_a.py::test_live")],
    }
    counts.note("default", stats)
    first, second, bad, set_up = path.read_text(encoding="utf-8").splitlines()
    assert first == "lab secure: 1 passed, 0 failed"
    assert second == "lab default: 2 passed, 2 failed"
    assert bad.startswith("lab default: FAILED test_a.py::test_bad[forky]: ")
    assert "the pair: terminated xxx" in bad and len(bad) < 400
    assert set_up == "lab default: FAILED test_a.py::test_set_up: fixture 'pear' not found"
