# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is broken is found: with the host, the variable and, where there is one, the value in the text."""

from __future__ import annotations

import os

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _findings
from breakage import BREAKAGES, Breakage, Broken, broken
from generator import several
from rendering import errors, examine

EXAMPLES = int(os.environ.get("KEAOPS_EXAMPLES", "1000"))
VERSIONS = ("2.2.0", "2.6.3", "3.0.4")
EACH = -(-EXAMPLES // len(BREAKAGES))
IDS = [breakage.name for breakage in BREAKAGES]


def missed(example: Broken, breakage: Breakage) -> str:
    """Return why the mistake counts as missed, empty when it was found and named."""
    found = errors(examine(example.inventory.raw_hosts())[1])
    named = [
        finding
        for finding in found
        if finding.id in breakage.checks
        and finding.variable.startswith(example.variable)
        and (not example.inventory.hosts or any(host in finding.text() for host in example.inventory.hosts))
        and finding.variable in finding.text()
    ]
    if named:
        return ""
    texts = "\n".join(finding.text() for finding in found) or "no error at all"
    return (
        f"{breakage.name}: nothing of {breakage.checks} names {example.variable}\n{texts}\n{example.inventory.text()}"
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("breakage", BREAKAGES, ids=IDS)
def test_whatever_was_broken_is_found(breakage, version):
    examples = several(broken(version, breakage), EACH, 1)
    reasons = [reason for reason in (missed(example, breakage) for example in examples) if reason]
    assert not reasons, reasons[0]


@pytest.mark.parametrize("breakage", BREAKAGES, ids=IDS)
def test_without_its_check_a_mistake_is_missed(breakage, monkeypatch):
    """The property above would fail: it does prove something."""
    monkeypatch.setattr(_findings, "CHECKS", [item for item in _findings.CHECKS if item.id not in breakage.checks])
    # What is found while variables are read is no function of its own.
    original = errors
    monkeypatch.setitem(
        globals(), "errors", lambda found: [item for item in original(found) if item.id not in breakage.checks]
    )
    assert all(missed(example, breakage) for example in several(broken("2.6.3", breakage), 3, 2))
