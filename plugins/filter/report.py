# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: from registered results to lines for people. Thin; the work is done in module_utils."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.keaops.kea.plugins.module_utils import _report, _running, _settle, _x509
from ansible_collections.keaops.kea.plugins.plugin_utils import _inventory


def _entry(host: str, host_vars: Any) -> _report.Entry:
    plan = _inventory.registered(host_vars, "__kea_plan") or {}
    info = _inventory.registered(host_vars, "__kea_state")
    drift = _inventory.registered(host_vars, "__kea_drift") or {}
    trouble = _inventory.facts_of(host_vars)[1]
    done = [
        words
        for name, words in (
            ("__kea_packages", "packages installed"),
            ("__kea_other_packages", "packages installed"),
            ("__kea_secret_file", "password of the API written"),
            ("__kea_host_result", "settings of the host itself"),
            ("__kea_tls", "certificate"),
            ("__kea_firewall_result", "firewall"),
            ("__kea_agent_result", "Control Agent"),
            ("__kea_agent_stopped", "Control Agent stopped"),
            ("__kea_dhcp4_result", "DHCPv4 server"),
        )
        if (_inventory.registered(host_vars, name) or {}).get("changed")
    ]
    tls = (_inventory.registered(host_vars, "__kea_host_info") or {}).get("tls") or {}
    trust = tls.get("trust") or []
    own_ca = (plan.get("tls") or {}).get("source") == "ownca"
    content = ((plan.get("daemons") or {}).get("dhcp4") or {}).get("content") or {}
    return _report.Entry(
        host,
        pair=_inventory.pair_name(host_vars),
        role=plan.get("role") or host_vars.get("kea_ha_role"),
        info=info,
        problem=trouble or _problem(info),
        drift=drift["action"] != "none" if "action" in drift else None,
        address=plan.get("address") or "",
        subnets=(content.get("Dhcp4") or {}).get("subnet4"),
        done=done,
        changes=((_inventory.registered(host_vars, "__kea_dhcp4_result") or {}).get("change") or {}).get("words"),
        certificate=_certificate(tls),
        authorities=len(trust),
        rotating=len(trust) > 1 and own_ca,
        renew_before=plan["tls"]["renew_before"] if own_ca else _report.WARNING_DAYS,
    )


def _certificate(tls: Any) -> dict[str, Any] | None:
    """Return serial number and dates of the certificate in a host's files, None without one."""
    try:
        return _x509.first_of(str(tls.get("certificate") or "").encode()).as_dict(time.time())
    except ValueError:
        return None


def _problem(info: Any) -> str:
    """Return why the server did not answer."""
    if not info or info.get("skipped") or "state" in info:
        return ""
    reason = " ".join(str(info.get("msg") or "no reason given").split())
    # Kind option: a file on the host is in the way, and the server was not asked.
    return f"{'not known' if info.get('kind') == 'option' else 'does not run or does not answer'}: {reason}"


def status(hostvars: Any, hosts: Any) -> list:
    """Return one line per server, under one line per pair."""
    return _report.status_lines([_entry(host, hostvars[host]) for host in hosts])


def summary(hostvars: Any, hosts: Any) -> list:
    """Return what a run left behind on these hosts."""
    return _report.summary_lines([_entry(host, hostvars[host]) for host in hosts])


def link_changes(hostvars: Any, hosts: Any) -> list:
    """Return what a run would change in how these hosts talk to each other now."""
    found = []
    for host in hosts:
        plan = _inventory.registered(hostvars[host], "__kea_plan") or {}
        info = _inventory.registered(hostvars[host], "__kea_host_info") or {}
        live = ((info.get("daemons") or {}).get("dhcp4") or {}).get("link")
        if not live:
            continue
        wanted = _running.link_of(((plan.get("daemons") or {}).get("dhcp4") or {}).get("content")) or {}
        found += [f"{key} of {host}" for key in live if live[key] != wanted.get(key)]
    return found


def _member(hostvars: Any, host: str, in_play: Any) -> _settle.Member:
    """Return what is known of a host at the end of the run."""
    host_vars = hostvars[host]
    results = [
        _inventory.registered(host_vars, name) or {}
        for name in ("__kea_agent_result", "__kea_agent_stopped", "__kea_away_result", "__kea_dhcp4_result")
    ]
    asked = _inventory.registered(host_vars, "__kea_lost_partner") or {}
    return _settle.Member(
        host,
        trouble=_sentences(host_vars.get("__kea_trouble")),
        follows=bool(host_vars.get("__kea_follows")),
        lost=host not in in_play,
        open=any(result.get("run_open") for result in results),
        changed=(_inventory.registered(host_vars, "__kea_dhcp4_result") or {}).get("action") in ("start", "restart"),
        put_back=bool(host_vars.get("__kea_put_back")),
        why_not=_sentences(host_vars.get("__kea_not_put_back")),
        partner_equal=bool(asked.get("compared") and not asked.get("difference_count")) if asked else None,
    )


def _sentences(value: Any) -> str:
    return " ".join(str(value or "").split())


def _pair_of(hostvars: Any, host: Any, in_play: Any) -> tuple:
    plan = _inventory.registered(hostvars[host], "__kea_plan") or {}
    partner = plan["partner"]["host"]
    members = (_member(hostvars, str(one), in_play) for one in (host, partner))
    return *members, plan["rollback"], plan["breaking"]


def unsettled(hostvars: Any, host: Any, in_play: Any) -> dict:
    """Return what is to be done on a host at the end of the run."""
    return _settle.decide(*_pair_of(hostvars, host, in_play))


def closing_words(hostvars: Any, host: Any, in_play: Any) -> str:
    """Return the last words of a run that failed for a pair."""
    return _settle.closing_words(*_pair_of(hostvars, host, in_play))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        """Return them by name."""
        return {
            "status": status,
            "summary": summary,
            "link_changes": link_changes,
            "unsettled": unsettled,
            "closing_words": closing_words,
        }
