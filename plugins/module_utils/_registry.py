# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a finding and a check are, and the registry of the checks.

A check is a small pure function registered with its id, severity and one line that says what must hold. It is given a
``Context`` and yields ``Problem``s. The checks are in the modules ``_checks_*``, and ``_findings`` runs them. The ids
that come from reading the variables are in ``INPUT_RULES``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, NamedTuple, Sequence

if TYPE_CHECKING:
    from ._model import Pair, Server, Subnet

ERROR = "error"
WARNING = "warning"
INFO = "info"
RANK = {ERROR: 0, WARNING: 1, INFO: 2}
SHORT = 60

# What can be wrong with a variable before any relation is looked at.
INPUT_RULES: dict[str, str] = {
    "V01": "Every kea_* variable is one the collection knows.",
    "V02": "Every required variable has a value.",
    "V03": "Every value has the right type.",
    "V04": "Every value is within its limits.",
    "V05": "Every variable can be evaluated.",
    "V06": "A reservation names exactly one client, in a form Kea reads.",
    "V07": "Options are ones Kea knows, with values of their type.",
    "V08": "The extra variables touch nothing the collection owns.",
    "V09": "The Kea version is one the collection can write a configuration for.",
    "V10": "The operating system is one the collection knows.",
    "P41": "Passwords and users are ones Kea can read, and nobody guesses.",
    "V32": "What kea_preflight_ignore lists exists, may be ignored, and is reported.",
    "V31": "No text holds characters that nobody sees, or that only look like others.",
}


# What other tools, or Kea's manual, say must hold, and what no inventory of ours can break: the collection writes it.
BY_CONSTRUCTION: dict[str, str] = {
    "P12": "The server opens no listener of its own on the Control Agent's port: with the transport `control_agent` its"
    " threads are off, and `multi-threading` in the extra variables is refused (V08).",
    "P14": "The Control Agent and the server mean the same socket: both configurations are written from one path, and"
    " `control-socket`, `control-sockets` in the extra variables are refused (V08).",
    "P45": "The parameters of HA that a pair does not survive (`auto-failover`, `send-lease-updates`, `sync-leases`,"
    " `wait-backup-ack`, `delayed-updates-limit`) keep Kea's defaults: a second HA hook is refused (P01).",
}
# The checkers of Stork's configuration review; most are covered by a check that names them.
STORK: dict[str, str] = {
    "lease_cmds_presence": "",
    "host_cmds_presence": "",
    "dispensable_shared_network": "",
    "dispensable_subnet": "",
    "out_of_pool_reservation": "from 100 such reservations on",
    "overlapping_subnet": "",
    "canonical_prefix": "",
    "ha_mt_presence": "the threads of server and HA go together, as the collection writes them",
    "ha_dedicated_ports": "",
    "address_pools_exhausted_by_reservations": "",
    "pd_pools_exhausted_by_reservations": "does not apply: DHCPv6 only",
    "subnet_cmds_and_cb_mutual_exclusion": "",
    "statistics_unavailable_due_to_number_overflow": "does not apply: IPv4 has too few addresses for it",
    "agent_credentials_over_https": "",
    "ca_control_sockets": "P14, by construction",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing, in the inventory or on a host."""

    id: str
    severity: str
    host: str
    variable: str
    value: str
    """Short and printable; never a secret."""
    message: str
    fix: str

    def text(self) -> str:
        """Return the finding as one line for people."""
        where = self.variable
        if where and self.value:
            where = f"{where} = '{self.value}'"
        head = ": ".join(part for part in (self.host, where) if part)
        body = " ".join(part if part[-1] in ".?" else part + "." for part in (self.message, self.fix) if part)
        return f"{head}: {body} [{self.id}]" if head else f"{body} [{self.id}]"

    def as_dict(self) -> dict[str, str]:
        """Return the finding as a plain dict."""
        return {
            "id": self.id,
            "severity": self.severity,
            "host": self.host,
            "variable": self.variable,
            "value": self.value,
            "message": self.message,
            "fix": self.fix,
        }


def merge_hosts(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for what is wrong on several hosts alike: it comes from one group variable."""
    by_content: dict[tuple[str, ...], list[Finding]] = {}
    for item in findings:
        by_content.setdefault((item.id, item.variable, item.value, item.message, item.fix), []).append(item)
    return [replace(same[0], host=", ".join(dict.fromkeys(item.host for item in same))) for same in by_content.values()]


def short(value: Any) -> str:
    """Return a value in a short printable form."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= SHORT else text[: SHORT - 3] + "..."


def key_path(path: str, key: str) -> str:
    """Return where a key of Kea's stands, as users write it: with _ in kea_subnets, with - in what is Kea's own."""
    return f"{path}.{key.replace('-', '_') if path.startswith('kea_subnets') else key}"


class Problem(NamedTuple):
    """What a check yields; id and severity are the check's unless given."""

    host: str
    variable: str
    value: Any
    message: str
    fix: str
    severity: str = ""


@dataclass(frozen=True)
class Context:
    """What a check may look at."""

    pair: Pair
    in_play: frozenset | None
    """Names of the hosts of this run; None when that is of no interest."""
    live: bool
    """The hosts have been asked; a host without facts could not be reached."""

    @property
    def label(self) -> str:
        """Return the names of all hosts of the pair."""
        return ", ".join(server.host for server in self.pair.servers)

    def subnet_sets(self) -> Iterator[tuple[str, Server, list[Subnet]]]:
        """Yield each distinct set of subnets once, those in shared networks included, with the hosts that share it."""
        for label, server in self.subnet_owners():
            yield label, server, server.every_subnet

    def subnet_owners(self) -> Iterator[tuple[str, Server]]:
        """Yield one server for each distinct set of subnets, with the names of the hosts that share it."""
        seen: dict[int, list[Server]] = {}
        for server in self.pair.servers:
            seen.setdefault(id(server.subnets), []).append(server)
        for servers in seen.values():
            yield ", ".join(server.host for server in servers), servers[0]

    def with_facts(self) -> list[Server]:
        """Return the servers whose hosts were asked."""
        return [server for server in self.pair.servers if server.facts is not None]


@dataclass(frozen=True)
class Check:
    """One entry of the registry."""

    id: str
    severity: str
    what: str
    function: Callable[[Any], Iterable[Problem]]
    """Takes a ``Context``, or all pairs of the run if the check looks at ``PAIRS``."""
    ignorable: bool
    """Its errors are a matter of judgement: kea_preflight_ignore may turn them off. Warnings can always be."""
    warns: bool
    """Some of what it finds is a warning."""
    looks_at: tuple[str, ...]
    stork: tuple[str, ...]
    """Names of the checkers of Stork that this one stands for."""


# What a check looks at.
INVENTORY = "inventory"
CONTROLLER = "files on the controller"
PAIRS = "all pairs of the run"
HOSTS = "hosts"
RUNNING = "the running pair"

CHECKS: list[Check] = []


def register(
    check_id: str,
    severity: str,
    what: str,
    ignorable: bool = False,
    facts: bool = False,
    warns: bool = False,
    looks_at: Sequence[str] = (),
    stork: Sequence[str] = (),
):
    """Add a function to the registry.

    Args:
        severity: the usual one; a problem may have another.
        what: what must hold, one sentence for the documentation.
        ignorable: kea_preflight_ignore may turn off its errors, too; never one that lets DHCP stop or answer twice.
        facts: it says nothing without facts of the hosts; the same as looking at ``HOSTS`` alone.
        warns: some of what it finds is a warning, though its severity is ``ERROR``.
        looks_at: ``INVENTORY`` and the like, if it is not one of them alone.
        stork: checkers of Stork's that it stands for.
    """
    where = tuple(looks_at) or ((HOSTS,) if facts else (INVENTORY,))

    def add(function: Callable[[Any], Iterable[Problem]]) -> Callable[[Any], Iterable[Problem]]:
        may_warn = warns or severity == WARNING
        CHECKS.append(Check(check_id, severity, what, function, ignorable, may_warn, where, tuple(stork)))
        return function

    return add


def doubles(items: Iterable[Any], key: Callable[[Any], Any]) -> Iterator[tuple[Any, Any]]:
    """Yield (first, later) for items with an equal key; a None key is no key."""
    seen: dict[Any, Any] = {}
    for item in items:
        value = key(item)
        if value is None:
            continue
        if value in seen:
            yield seen[value], item
        else:
            seen[value] = item
