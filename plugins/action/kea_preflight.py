# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the inventory on the controller. No host is contacted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleAction
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.keaops.kea.plugins.module_utils import _findings
from ansible_collections.keaops.kea.plugins.plugin_utils import _inventory, _origins, _reports

# What is shown of a check that stops nothing.
NOTHING, WARNINGS, TABLE = "nothing", "warnings", "table"


def first_line(findings: list, where: str) -> str:
    """Return the sentence that sums up a failed check."""
    return f"{_findings.counts_line(findings)} in {where}; nothing was changed on any host."


def summarise(
    findings: list,
    where: str = "the inventory",
    details: bool = True,
    show: str = WARNINGS,
    lines: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the result of a check as a task returns it.

    Args:
        where: what was checked.
        details: return the findings one by one, too.
        show: what people see when there is no error.
        lines: the findings as text, when there is more to say than they know.
    """
    if lines is None:
        lines = _findings.report([item for item in findings if item.severity != _findings.INFO])
    result: dict[str, Any] = {"changed": False, "counts": _findings.counts(findings)}
    if details:
        result.update(findings=[item.as_dict() for item in findings], report=_findings.report(findings))
    if _findings.has_errors(findings):
        return {**result, "failed": True, "msg": "\n".join([first_line(findings, where), *lines])}
    if show == TABLE:
        return {**result, "msg": "\n".join(lines), "_ansible_verbose_always": True}
    if show == WARNINGS:
        result["warnings"] = [item.text() for item in findings if item.severity == _findings.WARNING]
    return {**result, "msg": f"{_findings.counts_line(findings)} in {where}."}


def speaker(members: list, active: list, host: str) -> str:
    """Return the host of a pair that reports for both: the first one that is still in the play."""
    return next((name for name in members if name in active), host)


def root_of(folder: Path) -> str:
    """Return the folder that reviewers see as the top: that of the git repository, if the folder is in one."""
    return str(next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), folder))


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
                "show": {"type": "str", "choices": [NOTHING, WARNINGS, TABLE], "default": WARNINGS},
                "report": {"type": "path"},
                "report_format": {"type": "str", "choices": list(_reports.FORMATS)},
            }
        )
        task_vars = task_vars or {}
        try:
            form = _reports.format_of(args["report"], args["report_format"]) if args["report"] else None
        except _reports.ReportError as error:
            return {**result, "failed": True, "msg": f"{error}."}
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
            result.update(self._for_all(pairs, findings, task_vars, args, form))
        if result.get("failed") and _inventory.tags_data():
            # These ansible-cores print the message of a failure twice; the exception's takes the place of one of them.
            raise AnsibleAction(result["msg"].splitlines()[0], result=result)
        return result

    def _details_wanted(self) -> bool:
        """A person reads the message; only who registers the result, or asks for more output, wants the parts, too."""
        own = str(self._task.register or "").startswith("__kea_")
        return bool(self._task.register and not own) or self._display.verbosity > 0

    def _for_all(
        self, pairs: list, findings: list, task_vars: dict[str, Any], args: dict[str, Any], form: str | None
    ) -> dict[str, Any]:
        sources = [os.path.abspath(item) for item in task_vars.get("ansible_inventory_sources") or []]
        origins = _origins.Origins(task_vars["hostvars"], sources, load_extra_vars(self._loader))
        checked = _reports.examined(pairs, findings, origins, not args["offline"], root_of(Path.cwd()))
        trouble = ""
        if form:
            try:
                _reports.write(args["report"], _reports.FORMATS[form](checked))
            except _reports.ReportError as error:
                trouble = f"{error}."
        lines = _reports.lines(checked, args["show"] == TABLE, None if trouble else args["report"])
        where = "the inventory" if args["offline"] else "the inventory and on the hosts"
        answer = summarise(checked.findings, where, self._details_wanted(), args["show"], lines)
        if trouble:
            told = [answer["msg"], trouble] if answer.get("failed") else [trouble, answer["msg"]]
            answer.update(failed=True, msg="\n".join(told))
        return answer

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
