# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the keys of Kea's that users write themselves: that Kea knows them, and what they do to a pair."""

from __future__ import annotations

import posixpath
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Iterator, NamedTuple

from . import _keys
from ._expressions import unreadable
from ._options import parse_options, series_order, vocabulary
from ._registry import ERROR, INFO, WARNING, Context, Problem, doubles, key_path, register
from ._render import OWN_HOOKS

if TYPE_CHECKING:
    from ._dialect import Platform
    from ._model import Server

_EXTRA = "kea_dhcp4_extra"
_DATA_DIR = "/var/lib/kea"


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _maps(value: Any) -> list[tuple[int, dict[str, Any]]]:
    entries = value if isinstance(value, list) else []
    return [(index, item) for index, item in enumerate(entries) if isinstance(item, dict)]


def _extras(context: Context) -> Iterator[tuple[str, Server]]:
    """Yield one server for each distinct content of the extra variables, with the names of the hosts that have it."""
    found: list[tuple[Server, list[str]]] = []
    for server in context.pair.servers:
        for other, hosts in found:
            if (other.dhcp4_extra, other.ctrl_agent_extra) == (server.dhcp4_extra, server.ctrl_agent_extra):
                hosts.append(server.host)
                break
        else:
            found.append((server, [server.host]))
    for server, hosts in found:
        yield ", ".join(hosts), server


def _hooks(server: Server) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (path, bare name, entry) of each hook of the user's own."""
    return [
        (f"{_EXTRA}.hooks-libraries[{index}]", str(entry.get("library")).rsplit("/", 1)[-1], entry)
        for index, entry in _maps(server.dhcp4_extra.get("hooks-libraries"))
    ]


# ---------------------------------------------------------------------------------------------------------------------
# known keys


class _Map(NamedTuple):
    scope: str
    """As in ``_keys.KEYS``."""
    path: str
    body: dict[str, Any]


_LISTED = ("client-classes", "hooks-libraries", "loggers", "option-def")
_NESTED = ("compatibility", "config-control", "dhcp-ddns", "interfaces-config", "lease-database", "sanity-checks")
# Read by the model already.
_READ = {
    "pools": frozenset(["option-data", "pool"]),
    "reservations": frozenset(
        ["circuit-id", "client-id", "duid", "flex-id", "hw-address", "ip-address", "option-data"]
    ),
}


def _unread(scope: str, entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in _READ[scope]}


def _maps_of_extras(server: Server) -> Iterator[_Map]:
    for variable, scope, extra in (
        (_EXTRA, "Dhcp4", server.dhcp4_extra),
        ("kea_ctrl_agent_extra", "Control-agent", server.ctrl_agent_extra),
    ):
        yield _Map(scope, variable, extra)
        for key in _LISTED:
            for index, entry in _maps(extra.get(key)):
                yield _Map(key, f"{variable}.{key}[{index}]", entry)
        for key in _NESTED:
            if isinstance(extra.get(key), dict):
                yield _Map(key, f"{variable}.{key}", extra[key])
        for index, entry in _maps(extra.get("loggers")):
            for key in ("output-options", "output_options"):
                for number, output in _maps(entry.get(key)):
                    yield _Map("output-options", f"{variable}.loggers[{index}].{key}[{number}]", output)


def _maps_of_subnets(server: Server) -> Iterator[_Map]:
    """Yield what is in subnets; what is harmless is passed over, because there may be very much of it."""
    for network in server.networks:
        yield _Map("shared-networks", network.path, network.rest)
    for subnet in server.every_subnet:
        if subnet.rest:
            yield _Map("subnet4", subnet.path, subnet.rest)
        for pool in subnet.pools:
            if len(pool.body) > 1:
                yield _Map("pools", subnet.path + pool.path, _unread("pools", pool.body))
    for path, entries in [(_EXTRA, server.reservations), *((s.path, s.special) for s in server.every_subnet)]:
        for entry in entries:
            yield _Map("reservations", path + entry.path, _unread("reservations", entry.body))


@register("V30", ERROR, "Further keys are ones that Kea knows where they stand, with values of their type.", True)
def keys_known(context: Context) -> Iterator[Problem]:
    series = sorted({server.dialect.series for server in context.pair.servers if server.dialect is not None})
    places = [(label, item) for label, server in _extras(context) for item in _maps_of_extras(server)]
    places += [(label, item) for label, server in context.subnet_owners() for item in _maps_of_subnets(server)]
    for label, place in places:
        for trouble in _keys.troubles(place.scope, place.body, series):
            shown = None if trouble.key == "password" else place.body.get(trouble.key)
            yield Problem(label, key_path(place.path, trouble.key), shown, trouble.message, trouble.fix)


def _oldest(context: Context) -> str:
    series = [server.dialect.series for server in context.pair.servers if server.dialect is not None]
    return min(series, key=series_order, default="")


@register("V34", ERROR, "Options that clients get by their class are ones that Kea knows, with values of their type.")
def options_of_classes_known(context: Context) -> Iterator[Problem]:
    for label, server in _extras(context):
        words, _reported = vocabulary(server.dhcp4_extra.get("option-def"), _oldest(context))
        for index, entry in _maps(server.dhcp4_extra.get("client-classes")):
            path = f"{_EXTRA}.client-classes[{index}].option-data"
            if isinstance(entry.get("option-data"), list):
                for trouble in parse_options(entry["option-data"], words)[1]:
                    yield Problem(label, path + trouble.path, trouble.value, trouble.message, trouble.fix)


@register("V50", ERROR, "Classes have names of their own, and expressions that Kea can read.", True)
def classes_readable(context: Context) -> Iterator[Problem]:
    for label, server in _extras(context):
        words, _reported = vocabulary(server.dhcp4_extra.get("option-def"), _oldest(context))
        known: list[str] = []
        for index, entry in _maps(server.dhcp4_extra.get("client-classes")):
            path = f"{_EXTRA}.client-classes[{index}]"
            if entry.get("name") in known:
                message = "a class of this name is defined before"
                yield Problem(label, f"{path}.name", entry["name"], message, "Give each its own")
            for key in ("test", "template-test"):
                if isinstance(entry.get(key), str):
                    trouble = unreadable(entry[key], words, known, key == "test")
                    if trouble:
                        message = f"{trouble.message}, at character {trouble.column}"
                        fix = "Write for example \"substring(option[60].hex, 0, 9) == 'PXEClient'\""
                        yield Problem(label, f"{path}.{key}", entry[key], message, fix)
            known.append(str(entry.get("name")))


# ---------------------------------------------------------------------------------------------------------------------
# hooks, paths, databases

_HOOK_NAMES = (
    "bootp cb_cmds class_cmds ddns_tuning flex_id flex_option gss_tsig ha host_cache host_cmds lease_cmds"
    " lease_query legal_log limits mysql mysql_cb perfmon pgsql pgsql_cb ping_check radius rbac run_script"
    " stat_cmds subnet_cmds user_chk"
)
_KNOWN_HOOKS = frozenset(f"libdhcp_{name}.so" for name in _HOOK_NAMES.split())


@register("V35", ERROR, "Hooks of your own are loaded once, and by a name that Kea has.", ignorable=True)
def hooks_known(context: Context) -> Iterator[Problem]:
    for label, server in _extras(context):
        hooks = _hooks(server)
        for first, second in doubles(hooks, lambda hook: hook[1]):
            message = f"the hook is loaded at {first[0]} already"
            yield Problem(label, second[0] + ".library", second[2].get("library"), message, "Keep one of them")
        for path, name, entry in hooks:
            if name not in _KNOWN_HOOKS and "/" not in str(entry.get("library")):
                near = get_close_matches(name, _KNOWN_HOOKS - set(OWN_HOOKS), n=1)
                fix = f"Did you mean {near[0]}?" if near else "If it is one of your own, give its path"
                yield Problem(label, path + ".library", name, "no hook of Kea's has this name", fix)


@register(
    "P30", WARNING, "A database of reservations comes with the hook that manages them.", stork=["host_cmds_presence"]
)
def hosts_database_managed(context: Context) -> Iterator[Problem]:
    for label, server in _extras(context):
        for key in ("hosts-database", "hosts-databases"):
            if key in server.dhcp4_extra and "libdhcp_host_cmds.so" not in [name for _p, name, _e in _hooks(server)]:
                message = "reservations come from a database, but nothing can manage them while Kea runs"
                fix = f"Add {{library: libdhcp_host_cmds.so}} to {_EXTRA}.hooks-libraries"
                yield Problem(label, f"{_EXTRA}.{key}", None, message, fix)


@register(
    "P33",
    WARNING,
    "Subnets are managed by commands or by a configuration database, not by both.",
    stork=["subnet_cmds_and_cb_mutual_exclusion"],
)
def one_manager_of_subnets(context: Context) -> Iterator[Problem]:
    for label, server in _extras(context):
        for path, name, _entry in _hooks(server):
            if name == "libdhcp_subnet_cmds.so" and "config-control" in server.dhcp4_extra:
                message = f"the hook changes subnets that the database of {_EXTRA}.config-control changes, too"
                yield Problem(label, path + ".library", name, message, "Keep one of the two")


@register(
    "P37", ERROR, "Files are where Kea looks for them: since 2.4.2 and 2.6.3 it refuses other places.", ignorable=True
)
def paths_allowed(context: Context) -> Iterator[Problem]:
    for label, server in _extras(context):
        if server.dialect is None or server.platform is None or not server.dialect.hook_by_name:
            continue
        for variable, path, folder in _paths(server, server.platform):
            if posixpath.dirname(posixpath.normpath(path)) not in ("", folder):
                message = f"Kea {server.kea_version} accepts only files in {folder}"
                yield Problem(label, variable, path, message, f"Write {posixpath.basename(path)} alone")


_NO_FILES = ("stdout", "stderr", "syslog")


def _paths(server: Server, platform: Platform) -> Iterator[tuple[str, str, str]]:
    """Yield (variable, path, the folder it has to be in)."""
    database = _map(server.dhcp4_extra.get("lease-database"))
    if database.get("type", "memfile") == "memfile" and isinstance(database.get("name"), str):
        yield f"{_EXTRA}.lease-database.name", database["name"], _DATA_DIR
    for path, _name, entry in _hooks(server):
        if isinstance(entry.get("library"), str):
            yield path + ".library", entry["library"], (server.hooks_dir or platform.hooks_dir).rstrip("/")
    for variable, extra in ((_EXTRA, server.dhcp4_extra), ("kea_ctrl_agent_extra", server.ctrl_agent_extra)):
        for index, logger in _maps(extra.get("loggers")):
            for key in ("output-options", "output_options"):
                for number, output in _maps(logger.get(key)):
                    target = output.get("output")
                    if isinstance(target, str) and target.split(":")[0] not in _NO_FILES:
                        yield f"{variable}.loggers[{index}].{key}[{number}].output", target, platform.log_dir


@register(
    "V36", ERROR, "Leases survive a restart: they are in Kea's file, and the file is kept small.", True, warns=True
)
def leases_kept(context: Context) -> Iterator[Problem]:
    for label, server in _extras(context):
        path, database = f"{_EXTRA}.lease-database", _map(server.dhcp4_extra.get("lease-database"))
        kind = database.get("type", "memfile")
        if database.get("persist") is False:
            message = "a server that restarts would have forgotten all leases, and give addresses twice"
            yield Problem(label, path + ".persist", False, message, "Remove it")
        if database.get("lfc-interval") == 0:
            message = "the file of leases is never cleaned up, so it grows until the disk is full"
            yield Problem(label, path + ".lfc-interval", 0, message, "Remove it, or set 3600", WARNING)
        if kind != "memfile":
            message = "the collection neither installs nor checks a database of leases, and HA keeps a copy of its own"
            yield Problem(
                label, path + ".type", kind, message, "Remove lease-database; each server keeps a file", WARNING
            )


@register("V37", WARNING, "DNS updates have somebody who sends them.")
def ddns_has_a_daemon(context: Context) -> Iterator[Problem]:
    for label, server in _extras(context):
        if _map(server.dhcp4_extra.get("dhcp-ddns")).get("enable-updates") is True:
            message = "the collection does not run kea-dhcp-ddns, which would send the updates"
            fix = f"Run it yourself on each host, or remove {_EXTRA}.dhcp-ddns"
            yield Problem(label, f"{_EXTRA}.dhcp-ddns.enable-updates", True, message, fix)


@register("P46", WARNING, "A server does not start before it can listen on each interface it serves.")
def sockets_required(context: Context) -> Iterator[Problem]:
    for label, server in _extras(context):
        path, config = f"{_EXTRA}.interfaces-config", _map(server.dhcp4_extra.get("interfaces-config"))
        if config.get("service-sockets-require-all") is False:
            message = (
                f"the server would start even if it cannot listen on {', '.join(server.interfaces)}, and serve nobody"
            )
            yield Problem(label, f"{path}.service-sockets-require-all", False, message, "Remove it")
        if config.get("service-sockets-max-retries") == 0:
            message = "an interface that comes up late after a boot leaves the server down"
            yield Problem(
                label, f"{path}.service-sockets-max-retries", 0, message, "Remove it: five times 5 s is the default"
            )
        near = [subnet.text for subnet in server.every_subnet if not subnet.relayed]
        if config.get("dhcp-socket-type") == "udp" and near:
            message = f"through such a socket only relayed clients are heard, and {near[0]} has no relay"
            yield Problem(label, f"{path}.dhcp-socket-type", "udp", message, "Remove it, or give each subnet its relay")


# ---------------------------------------------------------------------------------------------------------------------
# shared networks, classes, reservations


@register(
    "P31",
    WARNING,
    "A shared network has at least two subnets.",
    stork=["dispensable_shared_network"],
)
def shared_networks_needed(context: Context) -> Iterator[Problem]:
    for label, server in context.subnet_owners():
        for network in server.networks:
            if network.raw_subnets < 2:
                held = "no subnet" if not network.raw_subnets else "one subnet only"
                message = f"the shared network has {held}, so it does nothing"
                fix = "Remove it" if not network.raw_subnets else "Move its subnet into kea_subnets"
                yield Problem(label, f"{network.path}.name", network.name, message, fix)
        for first, second in doubles(server.networks, lambda network: network.name):
            message = f"{first.path} has this name, too"
            yield Problem(label, f"{second.path}.name", second.name, message, "Give each its own", ERROR)


_BUILT_IN = ("ALL", "KNOWN", "UNKNOWN", "BOOTP", "DROP", "SKIP_DDNS")
_BUILT_IN_STARTS = ("VENDOR_CLASS_", "HA_", "AFTER_", "EXTERNAL_", "SPAWN_")
_CLASS_KEYS = ("client-class", "client-classes", "require-client-classes", "evaluate-additional-classes")


def _class_names(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key in _CLASS_KEYS:
        value = body.get(key)
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str):
                yield key, name


@register(
    "V38", WARNING, "Classes that subnets and pools are for are defined, or given to a client by its reservation."
)
def classes_defined(context: Context) -> Iterator[Problem]:
    for label, server in context.subnet_owners():
        wanted, known = [], set(_BUILT_IN)
        for place in _maps_of_subnets(server):
            names = [(key_path(place.path, key), name) for key, name in _class_names(place.body)]
            if place.scope == "reservations":
                known.update(name for _path, name in names)
            else:
                wanted += names
        known.update(str(entry.get("name")) for _index, entry in _maps(server.dhcp4_extra.get("client-classes")))
        for path, name in wanted:
            if name not in known and not name.startswith(_BUILT_IN_STARTS):
                near = get_close_matches(name, known, n=1)
                fix = f"Did you mean {near[0]}?" if near else f"Define it in {_EXTRA}.client-classes"
                yield Problem(label, path, name, "no such class is defined, so no client is served here", fix)


_FOUND_BY_DEFAULT = ("hw-address", "duid", "circuit-id", "client-id")


@register("V39", WARNING, "Reservations are looked up where they stand, and by what they name clients with.")
def reservations_found(context: Context) -> Iterator[Problem]:
    for label, server in context.subnet_owners():
        extra = server.dhcp4_extra
        for kind, path in _kinds_not_looked_for(server).items():
            fix = f"Add {kind} to {_EXTRA}.host-reservation-identifiers"
            message = f"Kea does not look for reservations by {kind}, so this one has no effect"
            yield Problem(label, key_path(path, kind), None, message, fix)
        if server.reservations and extra.get("reservations-global") is not True:
            message = "Kea looks at reservations of no subnet only with reservations-global"
            yield Problem(label, f"{_EXTRA}.reservations", None, message, f"Set {_EXTRA}.reservations-global: true")
        if extra.get("reservations-in-subnet") is False and any(s.reservations for s in server.every_subnet):
            message = "the reservations in kea_subnets have no effect with it"
            yield Problem(label, f"{_EXTRA}.reservations-in-subnet", False, message, "Remove it")


def _kinds_not_looked_for(server: Server) -> dict[str, str]:
    """Return kinds of identifiers that are used in vain, with the first reservation of each."""
    listed = server.dhcp4_extra.get("host-reservation-identifiers")
    kinds = listed if isinstance(listed, list) else _FOUND_BY_DEFAULT
    hidden: dict[str, str] = {}
    for path, entries in server.every_reservation():
        for entry in entries:
            if entry.kind not in kinds:
                hidden.setdefault(entry.kind, path + entry.path)
    return hidden


@register(
    "P32",
    INFO,
    "Kea is spared a look for reservations in pools where there are many, and all of them outside.",
    stork=["out_of_pool_reservation"],
)
def reservations_out_of_pool(context: Context) -> Iterator[Problem]:
    for label, server in context.subnet_owners():
        if server.dhcp4_extra.get("reservations-out-of-pool") is True:
            continue
        found = [subnet for subnet in server.every_subnet if not subnet.out_of_pool and _all_outside(subnet)]
        number = sum(len(subnet.reservations) for subnet in found)
        if number >= _MANY_RESERVATIONS:
            message = f"all {number} reservations of {len(found)} subnets are outside the pools"
            fix = f"Set {_EXTRA}: {{reservations-out-of-pool: true}}, and Kea answers faster"
            yield Problem(label, found[0].path, found[0].text, message, fix)


_MANY_RESERVATIONS = 100


def _all_outside(subnet: Any) -> bool:
    if not subnet.reservations or not subnet.pools or "reservations-out-of-pool" in subnet.rest:
        return False
    ranges = [(pool.first, pool.last) for pool in subnet.pools]
    return not any(
        first <= entry.address <= last
        for entry in subnet.reservations
        if entry.address is not None
        for first, last in ranges
    )
