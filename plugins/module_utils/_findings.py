# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the checks over a pair, and reporting what they find.

Importing this module registers every check; what a check is, ``_registry`` says.
"""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Iterable, Mapping, Sequence

from . import (  # noqa: F401 (they register the checks)
    _checks_board,
    _checks_files,
    _checks_hosts,
    _checks_keys,
    _checks_live,
    _checks_options,
    _checks_pair,
    _checks_pairs,
    _checks_runs,
    _checks_security,
    _checks_subnets,
    _checks_timers,
)
from ._registry import (
    CHECKS,
    CONTROLLER,
    ERROR,
    HOSTS,
    INFO,
    INPUT_RULES,
    INVENTORY,
    PAIRS,
    RANK,
    RUNNING,
    WARNING,
    Check,
    Context,
    Finding,
    Problem,
    merge_hosts,
    short,
)

if TYPE_CHECKING:
    from ._checks_files import Sources
    from ._model import Pair

_REPORT_LIMIT = 50
_IGNORE = "kea_preflight_ignore"


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
        if entry.looks_at not in _OF_THE_RUN:
            findings += [_finding(entry, problem) for problem in entry.function(context)]
    looked_at = {INVENTORY, *((HOSTS, RUNNING, CONTROLLER) if live else ())}
    return worst_first(_ignore(context.label, findings, pair.settings.get(_IGNORE) or {}, looked_at))


# What is looked at once in a run, not once for each pair.
_OF_THE_RUN = ((PAIRS,), (CONTROLLER,))


def check_run(pairs: Sequence[Pair], sources: Sources | None = None) -> list[Finding]:
    """Run the checks that look at all pairs, and at the files of the inventory. What a pair accepts is accepted."""
    findings = []
    for entry in CHECKS:
        if entry.looks_at == (PAIRS,):
            findings += [_finding(entry, problem) for problem in entry.function(pairs)]
        elif entry.looks_at == (CONTROLLER,) and sources is not None:
            findings += [_finding(entry, problem) for problem in entry.function(sources)]
    accepted: dict[str, str] = {}
    for pair in pairs if findings else ():
        accepted.update(pair.settings.get(_IGNORE) or {})
    return [_accept(item, accepted[item.id]) if _is_accepted(item, accepted) else item for item in findings]


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


# ---------------------------------------------------------------------------------------------------------------------
# accepting findings


def _is_judgement(item: Finding) -> bool:
    """Tell whether a finding may be accepted: any warning, and the errors of some checks."""
    if item.severity != ERROR:
        return item.severity == WARNING
    return any(entry.ignorable and entry.severity == ERROR for entry in CHECKS if entry.id == item.id)


def _is_accepted(item: Finding, ignored: Mapping[str, str]) -> bool:
    return item.id in ignored and _is_judgement(item)


def _accept(item: Finding, reason: str) -> Finding:
    return replace(item, severity=INFO, fix=f"Accepted by {_IGNORE}{': ' if reason else ''}{reason}")


def _ignore(label: str, findings: Iterable[Finding], ignored: Mapping[str, str], looked_at: set) -> list[Finding]:
    """Accepted findings stay visible, as information; what the list itself has wrong with it is added."""
    if not ignored:
        return list(findings)
    result, used = [], set()
    for item in findings:
        if item.id in ignored:
            used.add(item.id)
            if _is_judgement(item):
                item = _accept(item, ignored[item.id])
            elif item.severity == ERROR:
                item = replace(item, fix=f"{item.fix.rstrip('.')}; as an error it cannot be accepted")
        result.append(item)
    for check_id in ignored:
        result += _about_ignored(label, check_id, looked_at, check_id in used)
    return result


def _about_ignored(label: str, check_id: str, looked_at: set, used: bool) -> Iterable[Finding]:
    """Yield what is wrong with an id that is to be turned off."""
    rules = [entry for entry in CHECKS if entry.id == check_id]
    variable = f"{_IGNORE}.{check_id}"
    if not rules and check_id not in INPUT_RULES:
        near = get_close_matches(check_id, sorted({entry.id for entry in CHECKS}), n=1)
        fix = f"Did you mean {near[0]}?" if near else "Remove it; docs/checks.md lists them all"
        yield Finding("V32", INFO, label, variable, check_id, "there is no check of this id", fix)
    elif not any(entry.ignorable or entry.warns for entry in rules):
        what = rules[0].what if rules else INPUT_RULES[check_id]
        message = (
            f"this one cannot be ignored: where it does not hold, Kea does not start, or DHCP stops or answers twice."
            f" It says: {what.rstrip('.')}"
        )
        yield Finding("V32", ERROR, label, variable, check_id, message, "Remove it, and mend what it reports")
    elif not used and all(looked_at.issuperset(e.looks_at) and e.looks_at not in _OF_THE_RUN for e in rules):
        yield Finding("V32", INFO, label, variable, check_id, "it turns nothing off here", "Remove it")


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Sort by severity; within one, in the order found. Exact doubles are dropped."""
    return sorted(dict.fromkeys(findings), key=lambda item: RANK[item.severity])


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each severity."""
    result = {ERROR: 0, WARNING: 0, INFO: 0}
    for item in findings:
        result[item.severity] += 1
    return result


def has_errors(findings: Iterable[Finding]) -> bool:
    """Tell whether any finding stops the run."""
    return any(item.severity == ERROR for item in findings)


def plural(number: int, noun: str) -> str:
    """Return ``1 error`` or ``2 errors``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def counts_line(findings: Iterable[Finding]) -> str:
    """Return ``2 errors and 1 warning``."""
    number = counts(findings)
    return f"{plural(number[ERROR], 'error')} and {plural(number[WARNING], 'warning')}"


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
    "check_run",
    "counts",
    "counts_line",
    "has_errors",
    "merge_hosts",
    "plural",
    "report",
    "short",
    "worst_first",
]
