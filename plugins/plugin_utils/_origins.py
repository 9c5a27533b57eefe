# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in the files of an inventory a value was written, for those who review it.

Ansible notes that on the values themselves, but promises it to nobody: whatever is missing, the next best place is
named, down to the file of the inventory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from ansible_collections.keaops.kea.plugins.module_utils._variables import BY_NAME, PAIR

try:
    from ansible._internal._datatag._tags import Origin  # ansible-core 2.19 and later
except ImportError:
    Origin = None

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
# What tells where a host stands in the inventory when the variable in question does not exist.
_OF_A_HOST = ("ansible_host", "kea_ha_role", "kea_ha_address")


class Place(NamedTuple):
    """A place in a file; the numbers begin at 1."""

    path: str
    line: int | None = None
    column: int | None = None


def _noted_on(value: Any) -> Place | None:
    """Return what ansible notes on a value, if it does."""
    try:
        if Origin is not None:
            origin = Origin.get_tag(value)
            path, line, column = (origin.path, origin.line_num, origin.col_num) if origin else (None, None, None)
        else:
            path, line, column = getattr(value, "ansible_pos", (None, None, None))
        return Place(str(path), line or None, column or None) if path else None
    except Exception:
        # What ansible keeps for itself may change with any release, and a place is not worth a failure.
        return None


def _child(value: Any, index: str, name: str) -> tuple[Any, Any]:
    """Return key and value of one step of a path, as they were written."""
    if index:
        return None, value[int(index)]
    names = {name, name.replace("-", "_"), name.replace("_", "-")}
    # Truth values carry no note, but their keys do.
    key = next(key for key in value if isinstance(key, str) and key in names)
    return key, value[key]


def _follow(variables: Mapping[str, Any], variable: str) -> Place | None:
    """Return the place of ``kea_subnets[0].pools[0]``, or of the innermost part of it that has one."""
    found, value = None, variables
    for index, name in _STEP.findall(variable):
        try:
            key, value = _child(value, index, name)
        except (TypeError, ValueError, KeyError, IndexError, StopIteration):
            break
        found = _noted_on(value) or _noted_on(key) or found
    return found


def _root(variable: str) -> str:
    """Return ``kea_subnets`` of ``kea_subnets[0].pools[0]``."""
    return variable.split(".")[0].split("[")[0]


def _place(variables: Mapping[str, Any], variable: str, alone: bool) -> Place | None:
    root = _root(variable)
    known = BY_NAME.get(root)
    file = str(variables.get("inventory_file") or "")
    if root in variables:
        found = _follow(variables, variable)
    elif known is not None and known.scope == PAIR and not alone:
        # What several hosts lack and would have from one place is missing in no line of a host.
        found = None
    else:
        places = [_follow(variables, name) for name in _OF_A_HOST]
        # The host itself; what it has from its groups says nothing of where it stands.
        found = next((place for place in places if place and place.path == file), None)
    return found or (Place(file) if file else None)


class Origins:
    """Knows where the variables of hosts were written."""

    def __init__(
        self,
        hostvars: Mapping[str, Any],
        sources: Sequence[str] = (),
        extra_vars: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Take the hosts' variables, what -i named, for findings that no host has, and what -e gave."""
        self._hostvars = hostvars
        self._extra_vars = extra_vars
        self._sources = [source for source in sources if os.path.exists(source)]
        self._written: dict[str, Mapping[str, Any]] = {}

    def places(self, hosts: Sequence[str], variable: str) -> dict[Place, list[str]]:
        """Return each place where a variable was written, with the hosts that have it from there.

        What was typed behind -e stands in no file; what -e took from a file has its place there.

        Args:
            variable: with the path to the value; empty for the host itself.
        """
        if _root(variable) in self._extra_vars:
            place = _follow(self._extra_vars, variable)
            return {place: list(hosts)} if place else {}
        found: dict[Place, list[str]] = {}
        for host in hosts:
            place = _place(self._variables(host), variable, len(hosts) == 1)
            if place is not None:
                found.setdefault(place, []).append(host)
        return found or {Place(source): [] for source in self._sources[:1]}

    def _variables(self, host: str) -> Mapping[str, Any]:
        if host not in self._written:
            self._written[host] = self._hostvars.raw_get(host) if host in self._hostvars else {}
        return self._written[host]
