# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the checks over a pair, and reporting what they find.

Importing this module registers every check; what a check is, ``_registry`` says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Iterable, Sequence

from . import (  # noqa: F401 (they register)
    _checks_hosts,
    _checks_live,
    _checks_pair,
    _checks_security,
    _checks_subnets,
    _checks_timers,
)
from ._registry import CHECKS, ERROR, INFO, INPUT_RULES, RANK, WARNING, Check, Context, Finding, Problem, short

if TYPE_CHECKING:
    from ._model import Pair

_REPORT_LIMIT = 50


def ids_that_can_be_ignored() -> list[str]:
    """Return the ids kea_preflight_ignore may hold."""
    return sorted({check.id for check in CHECKS if check.ignorable})


def check(
    pair: Pair,
    known: Sequence[Finding] = (),
    in_play: Iterable[str] | None = None,
    live: bool = False,
) -> list[Finding]:
    """Run every check over a pair.

    Args:
        known: what building the model found; returned among the rest.
        in_play: hosts of this run; None: do not ask for both hosts of the pair.
        live: the hosts have been asked, so a host without facts is an error.

    Returns:
        All findings, worst first.
    """
    context = Context(pair, None if in_play is None else frozenset(in_play), live)
    findings = list(known)
    for entry in sorted(CHECKS, key=lambda entry: entry.id):
        findings += [_finding(entry, problem) for problem in entry.function(context)]
    return worst_first(_ignore(findings, pair.settings.get("kea_preflight_ignore") or ()))


def _finding(entry: Check, problem: Problem) -> Finding:
    return Finding(
        id=entry.id,
        severity=problem.severity or entry.severity,
        host=problem.host,
        variable=problem.variable,
        value="" if problem.value is None else short(problem.value),
        message=problem.message,
        fix=problem.fix,
    )


def _ignore(findings: Iterable[Finding], ignored: Iterable[str]) -> list[Finding]:
    """Accepted findings stay visible, as information; not those that are graver than their check usually is."""
    wanted = {item for item in ignored if isinstance(item, str)}
    accepted = {check.id: RANK[check.severity] for check in CHECKS if check.ignorable and check.id in wanted}
    return [
        replace(item, severity=INFO, fix="Accepted by kea_preflight_ignore")
        if RANK[item.severity] >= accepted.get(item.id, RANK[INFO] + 1)
        else item
        for item in findings
    ]


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Sort by severity; within one, in the order found. Exact doubles are dropped."""
    return sorted(dict.fromkeys(findings), key=lambda item: RANK[item.severity])


def merge_hosts(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for what is wrong on several hosts alike: it comes from one group variable."""
    by_content: dict[tuple[str, ...], list[Finding]] = {}
    for item in findings:
        by_content.setdefault((item.id, item.variable, item.value, item.message, item.fix), []).append(item)
    return [replace(same[0], host=", ".join(dict.fromkeys(item.host for item in same))) for same in by_content.values()]


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each severity."""
    result = {ERROR: 0, WARNING: 0, INFO: 0}
    for item in findings:
        result[item.severity] += 1
    return result


def has_errors(findings: Iterable[Finding]) -> bool:
    """Tell whether any finding stops the run."""
    return any(item.severity == ERROR for item in findings)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def counts_line(findings: Iterable[Finding]) -> str:
    """Return ``2 errors and 1 warning``."""
    number = counts(findings)
    return f"{_plural(number[ERROR], 'error')} and {_plural(number[WARNING], 'warning')}"


def report(findings: Sequence[Finding], limit: int = _REPORT_LIMIT) -> list[str]:
    """Return the findings as lines for people, at most ``limit`` of them and a line that counts the rest."""
    ordered = worst_first(findings)
    lines = [f"{item.severity.upper()}: {item.text()}" for item in ordered[:limit]]
    if len(ordered) > limit:
        lines.append(f"... and {len(ordered) - limit} more.")
    return lines


__all__ = [
    "CHECKS",
    "ERROR",
    "INFO",
    "INPUT_RULES",
    "WARNING",
    "Finding",
    "check",
    "counts",
    "counts_line",
    "has_errors",
    "ids_that_can_be_ignored",
    "merge_hosts",
    "report",
    "short",
    "worst_first",
]
