# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from hostvars how a run goes over many pairs, and why one of them broke."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.keaops.kea.plugins.module_utils import _rollout
from ansible_collections.keaops.kea.plugins.module_utils._variables import default_of
from ansible_collections.keaops.kea.plugins.plugin_utils import _inventory

# What tasks of site.yml register that may fail without a rescue, in their order.
_CHECKED = "__kea_checked"
_RESULTS = (
    _CHECKED,
    "__kea_packages",
    "__kea_other_packages",
    "__kea_tls_ca",
    "__kea_tls_request",
    "__kea_tls",
    "__kea_tls_failure",
    "__kea_firewall_result",
    "__kea_host_info",
    "__kea_settled",
)
# Their messages could hold what nobody is to read.
_SECRET_RESULTS = {
    "__kea_secret": "the password of the API could not be read",
    "__kea_secret_file": "the password of the API could not be put in place",
}


# How far what is known of a host's failure is from the cause: with a host that is gone, its partner can do nothing.
_GONE, _OWN, _PARTNERS = range(3)


def _setting(hostvars: Mapping[str, Any], hosts: Sequence[str], name: str) -> Any:
    """Return a variable that is the same for all hosts of a run."""
    value = _inventory.value_of(hostvars[hosts[0]], name) if hosts else None
    return default_of(name) if value is None else value


def _pairs(hostvars: Mapping[str, Any], hosts: Iterable[str]) -> list[list[str]]:
    """Return the hosts of each pair, in the order in which the pairs are first met."""
    found: dict[str, list[str]] = {}
    for host in hosts:
        found.setdefault(_inventory.pair_name(hostvars[host]), []).append(host)
    return list(found.values())


def order(hostvars: Mapping[str, Any], groups: Mapping[str, Sequence[str]], in_run: Iterable[str]) -> dict[str, Any]:
    """Return what a play needs to go over the pairs in batches: ``hosts``, and how many of them each batch has.

    Args:
        in_run: the hosts that --limit lets through.

    Without hostvars, as when tasks are only listed, nothing is in batches.
    """
    everyone = default_of("kea_pair")
    wanted = {str(host) for host in in_run}.intersection(groups.get(everyone) or ())
    # As the inventory names them: the members of a group of groups come in any order, another one in each run.
    hosts = [str(host) for host in hostvars if host in wanted]
    steps = _rollout.steps_of(_setting(hostvars, hosts, "kea_rollout"))
    if not steps:
        return {"hosts": [everyone], "serial": []}
    batches = _rollout.batches(_pairs(hostvars, hosts), steps)
    return {
        "hosts": [host for batch in batches for pair in batch for host in pair],
        "serial": [sum(map(len, batch)) for batch in batches],
    }


def report(hostvars: Mapping[str, Any], in_run: Iterable[str], in_play: Iterable[str], host: str) -> dict[str, Any]:
    """Return where a roll-out stands after the batch of a host.

    Args:
        in_run: all hosts of the play, in the order of ``order``.
        in_play: those that came through, or had no turn yet.

    Returns:
        ``lines`` for people, empty as long as it goes on, and whether it is ``halted``.
    """
    hosts = [str(one) for one in in_run]
    alive = {str(one) for one in in_play}
    tolerated = int(_setting(hostvars, hosts, "kea_rollout_max_failures"))
    found = _rollout.standing(_batches(hostvars, hosts), alive, host, tolerated)
    if not found.over:
        return {"lines": [], "halted": False}
    broken = {name_of(hostvars, pair): reason(hostvars, pair) for pair in found.broken}
    waiting = [name_of(hostvars, pair) for pair in found.waiting[: _rollout.NAMED]]
    limit = _inventory.value_of(hostvars[host], "ansible_limit") or default_of("kea_pair")
    return {"lines": _rollout.lines(found, broken, waiting, str(limit)), "halted": found.halted}


def batch(hostvars: Mapping[str, Any], in_run: Iterable[str], host: str) -> str:
    """Return a line that says which batch a host begins, empty if there is but one.

    Args:
        in_run: all hosts of the play, in the order of ``order``.
    """
    groups = _batches(hostvars, [str(one) for one in in_run])
    if len(groups) < 2:
        return ""
    at = _rollout.position(groups, host)
    return _rollout.first_line(at, groups, [name_of(hostvars, pair) for pair in groups[at][: _rollout.NAMED]])


def _batches(hostvars: Mapping[str, Any], hosts: list[str]) -> list[list[list[str]]]:
    """Return the pairs of each batch, of all hosts of the play."""
    steps = _rollout.steps_of(_setting(hostvars, hosts, "kea_rollout"))
    # In batches the two of a pair stand beside each other: to ask each host before and after each would take long.
    pairs = [hosts[at : at + 2] for at in range(0, len(hosts), 2)] if steps else _pairs(hostvars, hosts)
    return _rollout.batches(pairs, steps)


def name_of(hostvars: Mapping[str, Any], pair: Sequence[str]) -> str:
    """Return the name of a pair."""
    return _inventory.pair_name(hostvars[pair[0]])


def reason(hostvars: Mapping[str, Any], pair: Sequence[str]) -> str:
    """Return why a pair did not come through, empty if that is not known."""
    found = [_trouble(host, hostvars[host]) for host in pair]
    return min(filter(None, found), default=(0, ""))[1]


def _trouble(host: str, host_vars: Mapping[str, Any]) -> tuple[int, str] | None:
    """Return what is known of a host's failure, and how far it is from the cause."""
    trouble = str(host_vars.get("__kea_trouble") or "")
    if trouble:
        return (_PARTNERS if host_vars.get("__kea_follows") else _OWN), _named(host, trouble)
    for name in _RESULTS:
        found = _inventory.registered(host_vars, name) or {}
        if found.get("failed"):
            text = str(found.get("msg") or found.get("module_stderr") or "no reason given")
            finding = _rollout.first_error(text)
            return (_OWN, finding) if finding else (_PARTNERS if name == _CHECKED else _OWN, _named(host, text))
    for name, words in _SECRET_RESULTS.items():
        if (_inventory.registered(host_vars, name) or {}).get("failed"):
            return _OWN, f"{host}: {words}"
    own = (name for name in host_vars if name.startswith("__kea_"))
    if any((_inventory.registered(host_vars, name) or {}).get("unreachable") for name in own):
        return _GONE, f"{host}: the host cannot be reached any more"
    return None


def _named(host: str, words: str) -> str:
    return words if words.startswith(f"{host}: ") else f"{host}: {words}"
