# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pair's hosts would get, as files; and lab/kea_check, which asks the real Kea about them."""

from __future__ import annotations

import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path

from ansible_collections.keaops.kea.plugins.module_utils._findings import ERROR, Finding, check
from ansible_collections.keaops.kea.plugins.module_utils._model import Pair, RawHost, build_pair
from ansible_collections.keaops.kea.plugins.module_utils._plan import host_plan
from ansible_collections.keaops.kea.plugins.module_utils._render import document

ROOT = Path(__file__).resolve().parents[2]


def _load():
    """Import a program whose name has no suffix."""
    loader = SourceFileLoader("kea_check", str(ROOT / "lab" / "kea_check"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("kea_check", loader))
    loader.exec_module(module)
    return module


kea_check = _load()


def examine(raw_hosts: list[RawHost], live: bool = False) -> tuple[Pair, list[Finding]]:
    """Return the pair and all findings."""
    pair, known = build_pair("kea", raw_hosts)
    return pair, check(pair, known, live=live)


def errors(findings: list[Finding]) -> list[Finding]:
    """Return the findings that stop a run."""
    return [finding for finding in findings if finding.severity == ERROR]


def files_of(pair: Pair, host: str) -> dict[str, str]:
    """Return what one host gets: the text of each configuration by program."""
    daemons = host_plan(pair, host)["daemons"]
    return {
        kea_check.PROGRAMS[name]: document(daemon["header"], daemon["content"])
        for name, daemon in daemons.items()
        if daemon
    }


def trials_of(pair: Pair, how: str = "test") -> list:
    """Return the trials that prove what both hosts get; one for each host when they are to start."""
    trials = []
    for server in pair.servers:
        files = files_of(pair, server.host)
        if how == "start":
            trials.append(kea_check.Trial(files, how))
        else:
            trials += [kea_check.Trial({program: text}, how) for program, text in files.items()]
    return trials
