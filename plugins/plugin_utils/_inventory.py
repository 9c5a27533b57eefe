# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the inventory: the only place that looks into hostvars.

A value is templated when it is read, and reading may fail. Each variable is read alone, so that one bad template
becomes one finding that names host and variable, whatever ansible-core's templating makes of it.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ansible.release import __version__ as ansible_version
from ansible_collections.keaops.kea.plugins.module_utils._checks_files import Sources
from ansible_collections.keaops.kea.plugins.module_utils._findings import (
    ERROR,
    Finding,
    check,
    check_run,
    merge_hosts,
    worst_first,
)
from ansible_collections.keaops.kea.plugins.module_utils._model import CONNECTION_VARIABLES, Pair, RawHost, build_pair
from ansible_collections.keaops.kea.plugins.module_utils._plan import serves
from ansible_collections.keaops.kea.plugins.module_utils._render import lease_view
from ansible_collections.keaops.kea.plugins.module_utils._variables import BY_NAME, default_of
from ansible_collections.keaops.kea.plugins.plugin_utils import _run, _sources

_MISSING = object()
_ERROR_LENGTH = 300
# Vaulted strings of ansible-core 2.18 and of later ones: decrypted when they are made text.
_ENCRYPTED = ("AnsibleVaultEncryptedUnicode", "EncryptedString")
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{\{|\{%", re.DOTALL)
_MAYBE_TEMPLATE = re.compile(r"\{[{%#]|#jinja2:")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_BOOLEANS = {"True": True, "False": False}
_SETUP = "__kea_setup"
_HOST_INFO = "__kea_host_info"
_DHCP_PROBE = "__kea_dhcp_probe"
_SECRET = "__kea_secret"
_TLS = "__kea_tls"


class InventoryError(ValueError):
    """The inventory cannot be used; the text is a report for users."""


class _Unreadable(ValueError):
    """A variable could not be evaluated."""


class _Evaluate(Exception):
    """A value is not what it will be: ansible has to evaluate it."""


def plain(value: Any) -> Any:
    """Return a deep copy in Python's own types: no lazy containers, no tagged or unsafe strings.

    Raises:
        _Unreadable: a template is left over, or the value holds what has no plain form.
    """
    if type(value).__name__ in _ENCRYPTED:
        value = str(value)
    if isinstance(value, str):
        template = _TEMPLATE.search(value)
        if template:
            raise _Unreadable(f"something in {template.group(0)} is undefined")
        return str.__str__(value)
    if value is None or isinstance(value, (bool, int, float)):
        return _number(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(value[key]) for key in value}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "isoformat"):
        # YAML reads 2026-01-31 as a date; as text the checks can say what is wrong with it.
        return value.isoformat()
    raise _Unreadable(f"the value is a {type(value).__name__}, which YAML has no form for")


def _as_written(value: Any) -> Any:
    """Return what ``plain`` does, for a value that means what it says.

    Ansible looks for templates in each text of each host anew, and that is most of the time a large inventory takes.

    Raises:
        _Evaluate: something in it is a template, from a vault, or of an unusual type.
    """
    if isinstance(value, str):
        if _MAYBE_TEMPLATE.search(value):
            raise _Evaluate
        return str.__str__(value)
    if isinstance(value, dict):
        # A thousand reservations have the same few keys.
        return {
            sys.intern(_as_written(key)) if isinstance(key, str) else _as_written(key): _as_written(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_as_written(item) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return _number(value)
    raise _Evaluate


def _number(value: Any) -> Any:
    """Return None, a truth value or a number without what ansible attaches to it."""
    if value is None or isinstance(value, bool):
        return value
    return int(value) if isinstance(value, int) else float(value)


def _natural(raw: Any, value: Any) -> Any:
    """Return a number or truth value for what ansible-core 2.18 made text; later versions keep a template's type."""
    if isinstance(raw, str) and isinstance(value, str) and _TEMPLATE.search(raw):
        if _INTEGER.fullmatch(value):
            return int(value)
        return _BOOLEANS.get(value, value)
    if isinstance(raw, Mapping) and isinstance(value, dict):
        return {key: _natural(raw.get(key), item) for key, item in value.items()}
    if isinstance(raw, list) and isinstance(value, list) and len(raw) == len(value):
        return [_natural(before, item) for before, item in zip(raw, value)]
    return value


class _Variables:
    """The variables of hosts as they were written, each value read once: the hosts of a group have the same."""

    def __init__(self, hostvars: Mapping[str, Any]) -> None:
        self._hostvars = hostvars
        # By identity; beside each its original, lest another takes its place in memory.
        self._read: dict[int, tuple[Any, Any]] = {}

    def of(self, host: str) -> Mapping[str, Any]:
        """Return all variables of a host; none when they cannot be had."""
        raw = self._hostvars.raw_get(host) if hasattr(self._hostvars, "raw_get") else None
        return raw if isinstance(raw, Mapping) else {}

    def value(self, written: Any) -> Any:
        """Return a value in plain form, the same for all hosts that share it; _MISSING if it is to be evaluated."""
        if id(written) not in self._read:
            try:
                known = _as_written(written)
            except _Evaluate:
                known = _MISSING
            self._read[id(written)] = (written, known)
        return self._read[id(written)][1]


def tags_data() -> bool:
    """Tell whether ansible-core tags data (2.19): templates keep the types of values, and failures are exceptions."""
    return tuple(int(part) for part in ansible_version.split(".")[:2]) >= (2, 19)


def _read(host_vars: Mapping[str, Any], name: str) -> Any:
    """Return one variable in plain form, or _MISSING.

    Raises:
        _Unreadable: with the reason in ansible's words.
    """
    try:
        return plain(host_vars[name])
    except KeyError:
        if name not in host_vars:
            return _MISSING
        raise _Unreadable("a key in it does not exist") from None
    except _Unreadable:
        raise
    except Exception as error:
        # Ansible's exceptions for this differ between its versions and have no common base.
        raise _Unreadable(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    """Return the sentence of an exception, without the excerpt of the source that ansible appends."""
    lines = str(getattr(error, "message", None) or error).strip().splitlines() or [type(error).__name__]
    return lines[0][:_ERROR_LENGTH]


def _unreadable(host: str, name: str, reason: str) -> Finding:
    variable = BY_NAME.get(name)
    secret = variable.secret if variable else "password" in name
    # What a vault or a template says of a secret may quote it.
    message = "the variable cannot be evaluated" + ("" if secret else ": " + reason)
    fix = "Define what it refers to, or give the vault password (--ask-vault-pass)"
    return Finding("V05", ERROR, host, name, "", message, fix)


def _own_variables(host_vars: Mapping[str, Any]) -> list[str]:
    return sorted(plain(name) for name in host_vars if isinstance(name, str) and name.startswith("kea_"))


# ---------------------------------------------------------------------------------------------------------------------
# facts


def registered(host_vars: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return a registered result, None if the task did not run on this host."""
    try:
        value = host_vars.get(name)
        return dict(value) if isinstance(value, Mapping) else None
    except Exception:
        # A result that cannot be read is as good as none.
        return None


def _failure(result: Mapping[str, Any] | None) -> str:
    """Return why a registered task failed, empty if it did not.

    The task may have been told not to fail, so the message is looked at, too.
    """
    if not result or result.get("skipped"):
        return ""
    failed = result.get("failed") or result.get("unreachable") or result.get("module_stderr")
    text = str(result.get("msg") or result.get("module_stderr") or "")
    if not failed and not (text and "ansible_facts" not in result and "packages" not in result):
        return ""
    sentence = " ".join(text.split())[:_ERROR_LENGTH] or "no reason given"
    if result.get("unreachable"):
        return f"the host cannot be reached: {sentence}"
    return f"the host cannot be asked: {sentence}"


def _interfaces(facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return name, state and IPv4 addresses of each interface."""
    found = {}
    for name in facts.get("interfaces") or []:
        # Facts are named by variables, and those have no dashes, dots or colons.
        key = "".join(char if char.isalnum() or char == "_" else "_" for char in str(name))
        state = facts.get(key) or facts.get(name) or {}
        addresses = [state.get("ipv4") or {}, *(state.get("ipv4_secondaries") or [])]
        if isinstance(state.get("ipv4"), list):
            # FreeBSD gives a list.
            addresses = state["ipv4"]
        found[str(name)] = {
            "up": bool(state.get("active", True)),
            "ipv4": [text for text in (_with_prefix(item) for item in addresses) if text],
        }
    return found


def _with_prefix(item: Mapping[str, Any]) -> str:
    address = item.get("address")
    if not address:
        return ""
    length = item.get("prefix") or item.get("netmask") or "32"
    try:
        return str(ipaddress.IPv4Interface(f"{address}/{length}"))
    except ValueError:
        return ""


def _architecture(facts: Mapping[str, Any]) -> str:
    """Return the architecture of the programs: Raspberry Pi OS runs 32-bit ones under a 64-bit kernel."""
    machine = str(facts.get("architecture") or "")
    if machine == "aarch64" and str(facts.get("userspace_bits")) == "32":
        return "armv7l"
    return machine


def _os_version(facts: Mapping[str, Any]) -> str:
    """Return number or code name; Debian testing has the latter only."""
    version, release = (str(facts.get(key) or "") for key in ("distribution_version", "distribution_release"))
    return (
        version if version[:1].isdigit() else " ".join(part for part in (version, release) if part not in ("", "n/a"))
    )


def facts_of(host_vars: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """Return the facts of a host as ``RawHost`` wants them, and why there are none or not all of them."""
    setup = registered(host_vars, _SETUP)
    if setup is not None and "ansible_facts" not in setup:
        # Facts from a cache would hide that the host cannot be reached now.
        return None, _failure(setup)
    try:
        facts = plain_or_raw(host_vars.get("ansible_facts", {}))
    except Exception as error:
        return None, _first_line(error)
    if not facts.get("distribution"):
        return None, ""
    info = registered(host_vars, _HOST_INFO)
    trouble = _failure(info)
    usable = info is not None and not trouble and not info.get("skipped")
    return {
        "os_id": str(facts.get("distribution") or "").lower(),
        "os_like": [str(facts.get("os_family") or "").lower()],
        "os_version": _os_version(facts),
        "architecture": _architecture(facts),
        "default_ipv4": (facts.get("default_ipv4") or {}).get("address"),
        "interfaces": _interfaces(facts),
        "kea": plain_or_raw(info) if usable else None,
        "dhcp_probe": plain_or_raw(registered(host_vars, _DHCP_PROBE) or {}),
    }, trouble


def plain_or_raw(value: Any) -> Any:
    """Like ``plain``, but for what hosts say: braces are no templates there, and nothing is refused."""
    if isinstance(value, Mapping):
        return {plain_or_raw(key): plain_or_raw(value[key]) for key in value}
    if isinstance(value, (list, tuple)):
        return [plain_or_raw(item) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return _number(value)
    return str.__str__(value) if isinstance(value, str) else str(value)


def never_templated(value: Any) -> Any:
    """Return a value in which no template is looked for: ansible-core 2.18 does, and ``%d{%y}`` is none."""
    if tags_data():
        return value
    from ansible.utils.unsafe_proxy import wrap_var  # later ansible-cores will not have it

    return wrap_var(value)


# ---------------------------------------------------------------------------------------------------------------------
# hosts and pairs


def _raw_host(
    name: str, hostvars: Mapping[str, Any], variables: _Variables, offline: bool
) -> tuple[RawHost, list[Finding]]:
    host_vars, written = hostvars[name], variables.of(name)
    values: dict[str, Any] = {}
    findings: list[Finding] = []
    broken = set()
    for variable in [*_own_variables(host_vars), *CONNECTION_VARIABLES]:
        value = variables.value(written[variable]) if variable in written else _MISSING
        if value is _MISSING:
            try:
                value = _read(host_vars, variable)
            except _Unreadable as error:
                findings.append(_unreadable(name, variable, str(error)))
                broken.add(variable)
                continue
            if not tags_data():
                value = _natural(written.get(variable), value)
        if value is not _MISSING:
            values[variable] = value
    facts, trouble = (None, "") if offline else facts_of(host_vars)
    return RawHost(plain(name), values, facts, frozenset(broken), trouble), findings


def pair_name(host_vars: Mapping[str, Any]) -> str:
    """Return the group that is a host's pair; the default when it cannot be read, which is reported elsewhere."""
    try:
        name = _read(host_vars, "kea_pair")
    except _Unreadable:
        name = _MISSING
    return name if isinstance(name, str) and name else default_of("kea_pair")


def value_of(host_vars: Mapping[str, Any], name: str) -> Any:
    """Return one variable in plain form; None when it is not set or cannot be read, which is reported elsewhere."""
    try:
        value = _read(host_vars, name)
    except _Unreadable:
        return None
    return None if value is _MISSING else value


def _means_to_be_in_a_pair(host_vars: Mapping[str, Any]) -> bool:
    return "kea_ha_role" in host_vars or "kea_pair" in host_vars


def collect(
    hostvars: Mapping[str, Mapping[str, Any]],
    groups: Mapping[str, Sequence[str]],
    hosts: str | Iterable[str],
    offline: bool = False,
) -> tuple[dict[str, list[RawHost]], list[Finding]]:
    """Read the pairs of some hosts.

    Args:
        hostvars: Ansible's variables of all hosts.
        groups: Ansible's groups.
        hosts: one host, for its pair; or several, for all their pairs. Hosts that belong to no pair are passed over.
        offline: leave facts alone.

    Returns:
        The members of each pair by its group, and what could not be read.
    """
    pairs: dict[str, list[RawHost]] = {}
    findings: list[Finding] = []
    variables = _Variables(hostvars)
    for host in [hosts] if isinstance(hosts, str) else hosts:
        host_vars = hostvars[host]
        name = pair_name(host_vars)
        if host not in (groups.get(name) or ()):
            if _means_to_be_in_a_pair(host_vars):
                findings.append(_outsider(host, name, name in groups))
            continue
        if host not in (groups.get(default_of("kea_pair")) or ()):
            findings.append(_outside_of_all(host, name))
        if name in pairs:
            continue
        pairs[name] = []
        for member in groups[name]:
            raw, unreadable = _raw_host(member, hostvars, variables, offline)
            pairs[name].append(raw)
            findings += unreadable
        if not offline:
            _note_secret_changes(hostvars, pairs[name])
            _note_other_runs(pairs[name])
    return pairs, merge_hosts(findings)


def _outsider(host: str, name: str, exists: bool) -> Finding:
    message = f"the host is not a member of the group {name}" if exists else "there is no inventory group of this name"
    fix = f"Put {host} and its partner into the group {name}, or set kea_pair to the group that they are in"
    return _wrong_group(host, name, message, fix)


def _outside_of_all(host: str, name: str) -> Finding:
    everyone = default_of("kea_pair")
    message = (
        f"the playbooks act on the hosts of the group {everyone}, and {host} is not in it, so nothing would be done"
    )
    return _wrong_group(host, name, message, f"Make {name} a child of the group {everyone}")


def _no_pair(groups: Mapping[str, Sequence[str]]) -> Finding:
    others = sorted(group for group in groups if group not in ("all", "ungrouped"))
    message = f"the inventory has no hosts in a group of this name; its groups are {', '.join(others) or 'none'}"
    fix = "Name the right inventory with -i, or put the two hosts into the group kea"
    return _wrong_group("", default_of("kea_pair"), message, fix)


def _wrong_group(host: str, name: str, message: str, fix: str) -> Finding:
    return Finding("P02", ERROR, host, "kea_pair", name, message, fix)


def examine(
    hostvars: Mapping[str, Mapping[str, Any]],
    groups: Mapping[str, Sequence[str]],
    hosts: str | Iterable[str],
    in_play: Iterable[str] | None = None,
    offline: bool = False,
) -> tuple[list[Pair], list[Finding]]:
    """Read, build and check the pairs of some hosts.

    Args:
        hostvars: Ansible's variables of all hosts.
        groups: Ansible's groups.
        hosts: one host, for its pair; or several, for all their pairs, which are then compared with each other, and the
            files of the inventory read.
        in_play: hosts of this run; None: do not ask for both hosts of a pair.
        offline: leave facts alone, and do not ask for them.

    Returns:
        The pairs, and all findings, worst first.
    """
    whole_run = not isinstance(hosts, str)
    hosts = list(hosts) if whole_run else [hosts]
    members, unreadable = collect(hostvars, groups, hosts, offline)
    if not members and not unreadable:
        unreadable = [_no_pair(groups)]
    pairs = []
    findings: list[Finding] = list(unreadable)
    for name, raw_hosts in members.items():
        pair, known = build_pair(name, raw_hosts)
        certify(pair, hostvars, offline)
        pairs.append(pair)
        findings += check(pair, known, in_play, live=not offline)
    if whole_run and pairs:
        findings += check_run(pairs, _sources_of(hostvars[pairs[0].servers[0].host], pairs))
    return pairs, worst_first(findings)


def _sources_of(host_vars: Mapping[str, Any], pairs: Sequence[Pair]) -> Sources:
    """Return what the files of the inventory say, as they were written."""
    try:
        playbook_dir = _read(host_vars, "playbook_dir")
    except _Unreadable:
        playbook_dir = ""
    sources = _sources.scan(_inventory_sources(host_vars), playbook_dir if isinstance(playbook_dir, str) else "")
    _sources.note_keys(sources, pairs, _inventory_folder(host_vars))
    return sources


def wanted_subnets(
    hostvars: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Sequence[str]], host: str
) -> list[dict[str, Any]]:
    """Return the subnets that a host is to serve, for its leases to be held against; mistakes are told elsewhere."""
    members, _unread = collect(hostvars, groups, host, offline=True)
    pair, _known = build_pair(*next(iter(members.items()), (host, [])))
    return next((lease_view(server) for server in pair.servers if server.host == host), [])


def silent_interfaces(
    hostvars: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Sequence[str]], host: str
) -> list[str]:
    """Return the interfaces on which nobody of the pair serves yet, so that whoever answers there is a stranger."""
    members, _unread = collect(hostvars, groups, host)
    pair, _known = build_pair(*next(iter(members.items()), (host, [])))
    server = next((server for server in pair.servers if server.host == host), None)
    if server is None or server.facts is None or any(serves(one) for one in pair.servers):
        return []
    known = server.facts.get("interfaces") or {}
    usable = [name for name, state in known.items() if state.get("up") and state.get("ipv4")]
    served = {name.split("/")[0] for name in server.interfaces}
    return [name for name in usable if name in served or ("*" in served and name != "lo")]


def _note_secret_changes(hostvars: Mapping[str, Mapping[str, Any]], raw_hosts: list[RawHost]) -> None:
    """Note in each host's facts whether it has another password than it is to get; the passwords stay here."""
    held = {raw.name: str((registered(hostvars[raw.name], _SECRET) or {}).get("value") or "") for raw in raw_hosts}
    wanted = _pick_secret(hostvars, raw_hosts)
    for raw in raw_hosts:
        if raw.facts is not None:
            raw.facts["secret_changes"] = bool(held[raw.name]) and held[raw.name] != wanted


def _note_other_runs(raw_hosts: list[RawHost]) -> None:
    """Note in each host's facts which other run has not ended there, and whether that is known to be over."""
    for raw in raw_hosts:
        journal = ((raw.facts or {}).get("kea") or {}).get("journal")
        if raw.facts is not None and journal and journal.get("id") != _run.this_run()["id"]:
            raw.facts["other_run"] = {**journal, "over": _run.is_over(journal)}


def secret_of(hostvars: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Sequence[str]], host: str) -> str:
    """Return the one password of a host's pair, the same for each of its hosts.

    It is the inventory's; else the one that a host already has, the primary's first; else a fresh one that the first
    host offered.

    Raises:
        InventoryError: there is none.
    """
    members, _unread = collect(hostvars, groups, host, offline=True)
    found = _pick_secret(hostvars, next(iter(members.values()), []))
    if not found:
        raise InventoryError(
            f"{host}: no password is known for the API of its pair; set kea_api_password, or run site.yml"
        )
    return found


def _pick_secret(hostvars: Mapping[str, Mapping[str, Any]], raw_hosts: list[RawHost]) -> str:
    """Return the password a pair is to have, empty when none is known."""
    for raw in raw_hosts:
        if isinstance(raw.vars.get("kea_api_password"), str) and raw.vars["kea_api_password"]:
            return raw.vars["kea_api_password"]
    ordered = sorted(raw_hosts, key=lambda raw: raw.vars.get("kea_ha_role") != "primary")
    offers = [registered(hostvars[raw.name], _SECRET) or {} for raw in ordered]
    for key in ("value", "candidate"):
        for offer in offers:
            if offer.get(key):
                return str(offer[key])
    return ""


# ---------------------------------------------------------------------------------------------------------------------
# certificates


def certify(pair: Pair, hostvars: Mapping[str, Mapping[str, Any]], offline: bool = False) -> None:
    """Note in each server of a pair with TLS what is to be done about its certificates.

    Apart from building the pair, because only its model tells whether TLS is on.

    Args:
        offline: look at the user's files only, not at the folder of the own CA.
    """
    if pair.tls:
        # Not for pairs without TLS: this is what loads the library cryptography.
        from ansible_collections.keaops.kea.plugins.plugin_utils import _certify

        _certify.certify(pair, _surroundings(pair, hostvars, offline), datetime.now(timezone.utc))


def _surroundings(pair: Pair, hostvars: Mapping[str, Mapping[str, Any]], offline: bool) -> Any:
    from ansible_collections.keaops.kea.plugins.plugin_utils import _certify

    # Of this run, and so with its vault passwords. Not documented, but there in every ansible-core so far; without it,
    # only files that are in no vault can be read.
    loader = getattr(hostvars, "_loader", None)
    made = {} if offline else {server.host: _generation(hostvars[server.host]) for server in pair.servers}
    return _certify.Surroundings(
        base=_inventory_folder(hostvars[pair.servers[0].host]) if pair.servers else os.getcwd(),
        made=made,
        decrypt=(lambda path: bytes(loader._get_file_contents(path)[0])) if loader is not None else None,
        offline=offline,
        sources=_inventory_sources(hostvars[pair.servers[0].host]) if pair.servers else (),
    )


def _inventory_sources(host_vars: Mapping[str, Any]) -> list[str]:
    """Return what -i named, absolute; a list of hosts is no such file, and harmless."""
    try:
        given = _read(host_vars, "ansible_inventory_sources")
    except _Unreadable:
        return []
    return [os.path.abspath(item) for item in given if isinstance(item, str)] if isinstance(given, list) else []


def _inventory_folder(host_vars: Mapping[str, Any]) -> str:
    """Return the folder of the inventory; the current one when that is no file."""
    try:
        folder = _read(host_vars, "inventory_dir")
    except _Unreadable:
        folder = None
    return folder if isinstance(folder, str) and folder else os.getcwd()


def _generation(host_vars: Mapping[str, Any]) -> str:
    """Return the generation of certificates that this run has made on a host, empty if none."""
    result = registered(host_vars, _TLS) or {}
    return "" if result.get("failed") else str(result.get("generation") or "")


def tls_files_of(
    hostvars: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Sequence[str]], host: str
) -> dict[str, Any]:
    """Return the texts that a host is to get: ``trust`` (list), ``certificate`` and ``private_key``, all PEM.

    The last two are empty with the own CA, whose keys are made on the hosts.

    Raises:
        InventoryError: a file cannot be used; or the host has no TLS.
    """
    members, _unread = collect(hostvars, groups, host)
    pair, _known = build_pair(*next(iter(members.items()), (host, [])))
    if not pair.tls or host not in [server.host for server in pair.servers]:
        raise InventoryError(f"{host}: it is in no pair that uses TLS; see kea_tls_enabled")
    from ansible_collections.keaops.kea.plugins.plugin_utils import _certify

    around = _surroundings(pair, hostvars, offline=False)
    try:
        return _certify.texts(pair, pair.server(host), around, datetime.now(timezone.utc))
    except _certify.CertifyError as error:
        raise InventoryError(str(error)) from error
