# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: from the inventory's variables to what one host needs. Thin; the work is done in module_utils."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.keaops.kea.plugins.module_utils import _findings, _model, _plan, _render
from ansible_collections.keaops.kea.plugins.plugin_utils import _inventory


def plan(hostvars: Any, host: str, groups: Any) -> dict:
    """Return the plan of one host."""
    members, unreadable = _inventory.collect(hostvars, groups, str(host))
    pair, findings = _model.build_pair(*next(iter(members.items()), (str(host), [])))
    findings = [*unreadable, *findings]
    if _findings.has_errors(findings):
        # Preflight stops before; nobody shall get a file without what could not be read.
        raise AnsibleFilterError("\n".join([_findings.counts_line(findings) + ":", *_findings.report(findings)]))
    _inventory.certify(pair, hostvars)
    try:
        return _inventory.never_templated(_plan.host_plan(pair, str(host)))
    except _plan.PlanError as error:
        raise AnsibleFilterError(str(error)) from error


def secret(hostvars: Any, host: str, groups: Any) -> str:
    """Return the password of the API of one host's pair."""
    try:
        return _inventory.secret_of(hostvars, groups, str(host))
    except _inventory.InventoryError as error:
        raise AnsibleFilterError(str(error)) from error


def config_text(daemon: Any) -> str:
    """Return the text of a configuration file."""
    daemon = _inventory.plain_or_raw(daemon)
    try:
        return _render.document(daemon["header"], daemon["content"])
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError("config_text wants an entry of the plan's daemons, with header and content") from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        """Return them by name."""
        return {"plan": plan, "secret": secret, "config_text": config_text}
