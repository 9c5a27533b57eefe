# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: from what both hosts of a pair say to the steps that are to be done. Thin; module_utils decide."""

from __future__ import annotations

from typing import Any

from ansible_collections.keaops.kea.plugins.module_utils import _ha_control
from ansible_collections.keaops.kea.plugins.plugin_utils import _inventory


def _seen(host: str, host_vars: Any) -> _ha_control.Seen:
    role = str(host_vars.get("kea_ha_role") or "")
    result = _inventory.registered(host_vars, "__kea_seen") or {}
    view = _inventory.plain_or_raw(result.get("after") or {})
    if not view:
        trouble = _inventory.facts_of(host_vars)[1] or " ".join(str(result.get("msg") or "").split())
        return _ha_control.Seen(host, role, reached=False, trouble=trouble)
    return _ha_control.Seen(
        host,
        role,
        own=_ha_control.Own(view["running"], view["ha"], view["server_name"], view["lacks"]),
        dead=view["dead"],
        link=view["link"],
        skew=view["clock_skew"],
        cause=view["cause"],
        leases=view["leases"],
        proven=view["proven"],
        agent=view["agent"],
        run=view["run"],
        version=_version(host_vars),
    )


def _version(host_vars: Any) -> str | None:
    return (_inventory.registered(host_vars, "__kea_host_info") or {}).get("version")


def _pair(hostvars: Any, hosts: Any) -> list[_ha_control.Seen]:
    return [_seen(str(host), hostvars[host]) for host in hosts]


def _told(verdict: _ha_control.Verdict, pair: list[_ha_control.Seen]) -> dict:
    """Return a verdict as roles read it."""
    versions = {one.host: other.version for one, other in zip(pair, reversed(pair))}
    lines = ["found: " + verdict.found]
    lines += [f"{step.host}: {step.state}, because {step.why}" for step in verdict.steps]
    return {
        "found": verdict.found,
        "steps": [dict(step._asdict(), partner_version=versions[step.host]) for step in verdict.steps],
        "refusal": verdict.refusal,
        "lines": lines,
    }


def switch_steps(hostvars: Any, hosts: Any, serve: Any = "") -> dict:
    """Return the steps after which the host *serve* serves alone, or both do their part."""
    pair = _pair(hostvars, hosts)
    return _told(_ha_control.switch(*pair, str(serve)), pair)


def recover_steps(hostvars: Any, hosts: Any, dead_host: Any = "", failed: Any = ()) -> dict:
    """Return the steps that bring a pair back to its working state."""
    pair = _pair(hostvars, hosts)
    return _told(_ha_control.recover(*pair, str(dead_host), tuple(map(str, failed))), pair)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        """Return them by name."""
        return {"switch_steps": switch_steps, "recover_steps": recover_steps}
