# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the inventory on the controller. No host is contacted."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.keaops.kea.plugins.module_utils import _findings
from ansible_collections.keaops.kea.plugins.plugin_utils import _inventory


def first_line(findings: list, where: str) -> str:
    """Return the sentence that sums up a failed check."""
    return f"{_findings.counts_line(findings)} in {where}; nothing was changed on any host."


def summarise(findings: list, where: str = "the inventory", details: bool = True) -> dict[str, Any]:
    """Return the result of a check as a task returns it."""
    report = _findings.report([item for item in findings if item.severity != _findings.INFO])
    result: dict[str, Any] = {"changed": False, "counts": _findings.counts(findings)}
    if details:
        result.update(findings=[item.as_dict() for item in findings], report=_findings.report(findings))
    if _findings.has_errors(findings):
        result.update(failed=True, msg="\n".join([first_line(findings, where), *report]))
    else:
        result["msg"] = f"{_findings.counts_line(findings)} in {where}."
        result["warnings"] = [item.text() for item in findings if item.severity == _findings.WARNING]
    return result


def speaker(members: list, active: list, host: str) -> str:
    """Return the host of a pair that reports for both: the first one that is still in the play."""
    return next((name for name in members if name in active), host)


class ActionModule(ActionBase):
    """Runs the checks; see the documentation of the module of this name."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Check and report."""
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "offline": {"type": "bool", "default": False},
                "scope": {"type": "str", "choices": ["all", "pair"], "default": "all"},
                "whole_pairs": {"type": "bool", "default": True},
            }
        )
        task_vars = task_vars or {}
        in_run = [str(host) for host in task_vars.get("ansible_play_hosts_all") or []]
        host = str(task_vars["inventory_hostname"])
        pairs, findings = _inventory.examine(
            task_vars["hostvars"],
            task_vars["groups"],
            host if args["scope"] == "pair" else in_run or [host],
            in_play=in_run if args["whole_pairs"] and in_run else None,
            offline=args["offline"],
        )
        if args["scope"] == "pair" and pairs:
            result.update(self._for_one(pairs[0], findings, task_vars, host))
        else:
            result.update(summarise(findings, details=self._details_wanted()))
        return result

    def _details_wanted(self) -> bool:
        """A person reads the message; only who registers the result, or asks for more output, wants the parts, too."""
        return bool(self._task.register) or self._display.verbosity > 0

    def _for_one(self, pair: Any, findings: list, task_vars: dict[str, Any], host: str) -> dict[str, Any]:
        active = [str(name) for name in task_vars.get("ansible_play_hosts") or []]
        lead = speaker([server.host for server in pair.servers], active, host)
        where = f"the pair {pair.name}"
        answer = summarise(findings, where, self._details_wanted())
        if lead != host:
            answer.pop("warnings", None)
            if answer.get("failed"):
                answer["msg"] = f"{first_line(findings, where)} See {lead}."
        return answer
