# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the running configurations of the two servers of a pair.

Private to this collection. Everything must be equal but what belongs to one host: its name, its interfaces, its paths,
its sockets and its logs. Two servers of different versions fill in different defaults, so a value that only one of them
shows then means nothing; entries of lists (subnets, pools, reservations, options, peers, classes, hooks) always count.
"""

from __future__ import annotations

import ipaddress
import json
import posixpath
import re
import typing as t

from ansible_collections.keaops.kea.plugins.module_utils._api import HIDDEN, hide_secrets

# Of one host, at the top of Dhcp4.
_OF_THE_HOST = frozenset(
    [
        "config-control",
        "control-socket",
        "control-sockets",
        "dhcp-queue-control",
        "hooks-libraries",
        "hosts-database",
        "hosts-databases",
        "interfaces-config",
        "lease-database",
        "loggers",
        "server-tag",
    ]
)
# Of one host, or without an effect on DHCP, at any depth.
_IGNORED = frozenset(
    [
        "4o6-interface",
        "basic-auth-password",
        "comment",
        "hash",
        "http-client-threads",
        "http-listener-threads",
        "interface",
        "packet-queue-size",
        "sender-ip",
        "this-server-name",
        "thread-pool-size",
        "trust-anchor",
        "user-context",
    ]
)
_IGNORED_PATTERN = re.compile(r"(-file|-path|-dir|-directory)$|^(path|directory)$")
# The defaults of these depend on the version although every version shows them.
_DEFAULT_BY_VERSION = frozenset(["multi-threading", "restrict-commands"])
# These hooks stand for a lease or host database, which each version brings in its own way.
_BACKEND_HOOKS = frozenset(f"libdhcp_{name}.so" for name in ("mysql", "pgsql", "mysql_cb", "pgsql_cb"))
# By these a server is changed; what it does for clients is the same without them, as before Kea 3.0.
_LIVE_HOOKS = frozenset(["libdhcp_subnet_cmds.so", "libdhcp_host_cmds.so"])
_HA_HOOK = "libdhcp_ha.so"
_RESERVATION_KEYS = ("hw-address", "client-id", "duid", "circuit-id", "flex-id")
_MISSING: t.Any = object()


class Difference(t.NamedTuple):
    """One difference between two configurations.

    Attributes:
        path: where, for example ``subnet4[1].pools[192.168.1.100-192.168.1.199]``.
        only_on: 0 when both have it with different values, else 1 or 2: the only side that has it.
        first: the value of the first side, None for an entry of a list.
        second: the value of the second side.
    """

    path: str
    only_on: int
    first: t.Any
    second: t.Any

    def text(self, first_name: str, second_name: str) -> str:
        """Return the difference as a line for people."""
        if self.only_on:
            return f"{self.path}: only on {first_name if self.only_on == 1 else second_name}"
        return f"{self.path}: {_shown(self.first)} on {first_name}, {_shown(self.second)} on {second_name}"

    def change(self) -> str:
        """Return the difference as a line for people, the first side being what was and the second what is."""
        if self.only_on:
            return f"{self.path}: {'gone' if self.only_on == 1 else 'new'}"
        return f"{self.path}: was {_shown(self.first)}, is {_shown(self.second)}"


def changes(before: dict, after: dict) -> list[Difference]:
    """Return what differs between two configurations of one daemon of one version: everything counts."""
    comparison = _Comparison(same_version=True, everything=True)
    comparison.maps("", before, after)
    return comparison.found


def compare(first: dict, second: dict, same_version: bool = False) -> list[Difference]:
    """Return what differs between two running DHCPv4 or DHCPv6 configurations, in the order of the first.

    Args:
        first: the value of ``Dhcp4`` (or ``Dhcp6``) in the ``config-get`` of one server.
        second: the same of the other one.
        same_version: whether both run the same version of Kea. Then a value that only one shows counts as well.
    """
    comparison = _Comparison(same_version)
    comparison.maps("", _without(first, _OF_THE_HOST), _without(second, _OF_THE_HOST))
    comparison.hooks(first.get("hooks-libraries") or [], second.get("hooks-libraries") or [])
    return comparison.found


def high_availability(config: dict) -> dict | None:
    """Return the HA block of a ``Dhcp4`` (its first relationship), or None when it has none."""
    relationships = _relationships(config.get("hooks-libraries") or [])
    return relationships[0] if relationships else None


def _relationships(hooks: list) -> list:
    for hook in hooks:
        if _hook_name(hook) == _HA_HOOK:
            return (hook.get("parameters") or {}).get("high-availability") or []
    return []


class _Comparison:
    def __init__(self, same_version: bool, everything: bool = False) -> None:
        self.found: list[Difference] = []
        self._same_version = same_version
        self._everything = everything

    def maps(self, path: str, first: dict, second: dict) -> None:
        for key in list(first) + [key for key in second if key not in first]:
            if not self._everything and (key in _IGNORED or _IGNORED_PATTERN.search(key)):
                continue
            if key in _DEFAULT_BY_VERSION and not self._same_version:
                continue
            here = f"{path}.{key}" if path else key
            self._values(here, key, first.get(key, _MISSING), second.get(key, _MISSING))

    def _values(self, path: str, key: str, first, second) -> None:
        if key in _IDENTITY and _is_list_of_maps(first) and _is_list_of_maps(second):
            self._lists(path, key, [] if first is _MISSING else first, [] if second is _MISSING else second)
        elif first is _MISSING or second is _MISSING:
            present = second if first is _MISSING else first
            # An empty value and none at all mean the same to Kea.
            if self._same_version and present not in ("", [], {}):
                self.found.append(Difference(path, 2 if first is _MISSING else 1, None, None))
        elif isinstance(first, dict) and isinstance(second, dict):
            self.maps(path, first, second)
        elif _canonical(key, first) != _canonical(key, second):
            self.found.append(Difference(path, 0, *(hide_secrets({key: value})[key] for value in (first, second))))

    def _lists(self, path: str, key: str, first: list, second: list) -> None:
        left = _by_identity(first, _IDENTITY[key])
        right = _by_identity(second, _IDENTITY[key])
        if key in ("subnet4", "subnet6"):
            self._renumbered(path, left, right)
        for label, entry in left.items():
            here = f"{path}[{label}]"
            if label in right:
                self.maps(here, entry, right[label])
            else:
                self.found.append(Difference(here, 1, None, None))
        self.found.extend(Difference(f"{path}[{label}]", 2, None, None) for label in right if label not in left)

    def _renumbered(self, path: str, left: dict, right: dict) -> None:
        """Take the subnets that have the same prefix and another id out of both sides, and compare them."""
        others = {entry.get("subnet"): label for label, entry in right.items() if label not in left}
        for label in [label for label in left if label not in right]:
            prefix = left[label].get("subnet")
            if prefix in others:
                self.maps(f"{path}[{prefix}]", left.pop(label), right.pop(others.pop(prefix)))

    def hooks(self, first: list, second: list) -> None:
        left, right = _relationships(first), _relationships(second)
        if len(left) == 1 and len(right) == 1:
            self.maps("high-availability", left[0], right[0])
        else:
            self._lists("high-availability", "high-availability", left, right)
        self._lists(
            "hooks-libraries",
            "hooks-libraries",
            [hook for hook in first if self._counts(hook)],
            [hook for hook in second if self._counts(hook)],
        )

    def _counts(self, hook: dict) -> bool:
        # HA has been compared, and its absence is told as such.
        name = _hook_name(hook)
        return name not in _BACKEND_HOOKS | {_HA_HOOK} and (self._same_version or name not in _LIVE_HOOKS)


def _without(config: dict, keys: frozenset) -> dict:
    return {key: value for key, value in config.items() if key not in keys}


def _is_list_of_maps(value) -> bool:
    return value is _MISSING or (isinstance(value, list) and all(isinstance(item, dict) for item in value))


def _hook_name(hook: dict) -> str:
    return posixpath.basename(str(hook.get("library", "")))


def _pool(entry: dict) -> str:
    text = "".join(str(entry.get("pool", "")).split())
    if "/" in text:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return text
        return f"{network[0]}-{network[-1]}"
    return text


def _reservation(entry: dict) -> str:
    for key in _RESERVATION_KEYS:
        if entry.get(key):
            return f"{key} {entry[key]}".lower()
    return str(entry.get("ip-address", "?"))


def _option(entry: dict) -> str:
    name = str(entry.get("name") or entry.get("code"))
    space = entry.get("space")
    return name if space in (None, "dhcp4", "dhcp6") else f"{space}.{name}"


def _named(entry: dict) -> str:
    return str(entry.get("name"))


def _subnet(entry: dict) -> str:
    return str(entry.get("id", entry.get("subnet")))


def _relationship(entry: dict) -> str:
    return "+".join(sorted(_named(peer) for peer in entry.get("peers") or []))


# What makes two entries of a list the same entry.
_IDENTITY: dict[str, t.Callable[[dict], str]] = {
    "client-classes": _named,
    "high-availability": _relationship,
    "hooks-libraries": _hook_name,
    "loggers": _named,
    "option-data": _option,
    "option-def": _option,
    "peers": _named,
    "pools": _pool,
    "reservations": _reservation,
    "shared-networks": _named,
    "subnet4": _subnet,
    "subnet6": _subnet,
}


def _by_identity(entries: list, identity: t.Callable[[dict], str]) -> dict[str, dict]:
    result: dict[str, dict] = {}
    for entry in entries:
        name = label = identity(entry)
        # Kea allows the same option for several classes: the second one is told from the first by its number.
        number = 1
        while label in result:
            number += 1
            label = f"{name} #{number}"
        result[label] = entry
    return result


def _canonical(key: str, value):
    """Return *value* in the one form that means the same to Kea."""
    if key == "url" and isinstance(value, str):
        return value.rstrip("/")
    if key == "data" and isinstance(value, str):
        return ",".join(part.strip() for part in value.split(","))
    if key == "pool" and isinstance(value, str):
        return _pool({"pool": value})
    if key in _RESERVATION_KEYS and isinstance(value, str):
        return value.lower()
    # A hook is the same in the hooks directory of any architecture.
    if key == "library":
        return posixpath.basename(str(value))
    return value


def _shown(value) -> str:
    if value == HIDDEN:
        return "a hidden value"
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
