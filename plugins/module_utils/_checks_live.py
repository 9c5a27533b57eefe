# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks against what is there now: the running pair and its leases, drift, clocks, disks, other DHCP servers."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator

from ._handover import Partnership
from ._plan import gate_ha_states, serves
from ._registry import ERROR, RUNNING, WARNING, Context, Problem, register
from ._render import HA_HOOK, has_agent, render_ctrl_agent, render_dhcp4
from ._running import digest_of

if TYPE_CHECKING:
    from ._model import Pair, Server, Subnet

_MB = 1000 * 1000
_LEASE_ROOM = 500 * _MB
_LOG_ROOM = 100 * _MB
_DHCP = 67
_CLOCK_WARNING, _CLOCK_ERROR = 5, 30
_NEVER = 0xFFFFFFFF
_RENDER = {"dhcp4": render_dhcp4, "ctrl_agent": render_ctrl_agent}


def _kea(server: Server) -> dict[str, Any]:
    """Return what kea_host_info has told of a host."""
    return (server.facts or {}).get("kea") or {}


def _daemon(server: Server, name: str = "dhcp4") -> dict[str, Any]:
    return (_kea(server).get("daemons") or {}).get(name) or {}


def _at_work(server: Server) -> bool:
    """Tell whether the server answers, with its HA hook."""
    return bool(_daemon(server).get("active") and (_daemon(server).get("ha") or {}).get("ha"))


def _as_wanted(pair: Pair, server: Server, name: str = "dhcp4") -> bool:
    """Tell whether a configuration file on the host says what this run would write there."""
    if server.dialect is None or server.platform is None:
        return True
    if name == "ctrl_agent" and not has_agent(pair, server.dialect):
        return True
    return _daemon(server, name).get("digest") == digest_of(
        _RENDER[name](pair, server, server.dialect, server.platform)
    )


def _changes(pair: Pair) -> bool:
    """Tell whether this run restarts a DHCP server of the pair, as far as that is known before."""
    for server in pair.servers:
        certificates = server.certificates
        if certificates is not None and certificates.action != "none":
            return True
        if not _daemon(server).get("marker") or not _as_wanted(pair, server):
            return True
    return False


# ---------------------------------------------------------------------------------------------------------------------
# the pair


# These pass by themselves, so the run waits for them.
_PASSING = ("waiting", "syncing", "ready", "communication-recovery", "in-maintenance", "partner-in-maintenance")
_RECOVER = "Run playbooks/recover.yml, which says what is wrong and mends it; playbooks/status.yml shows both servers"


@register(
    "P39",
    ERROR,
    "A pair that serves is healthy before one of its servers is changed.",
    warns=True,
    looks_at=(RUNNING,),
)
def pair_fit_to_start(context: Context) -> Iterator[Problem]:
    for server in context.with_facts():
        yield from _running_without_ha(server)
        yield from _unfit_to_be_changed(context.pair, server)


def _running_without_ha(server: Server) -> Iterator[Problem]:
    daemon = _daemon(server)
    if daemon.get("active") and not _at_work(server) and daemon.get("link"):
        yield Problem(
            server.host,
            "HA state",
            "none",
            "the server runs, but without high availability, so it may serve nobody",
            "This run restarts it; its log says why: /var/log/kea/kea-dhcp4.log",
            WARNING,
        )


def _unfit_to_be_changed(pair: Pair, server: Server) -> Iterator[Problem]:
    gate, ha = gate_ha_states(pair, server), _daemon(server).get("ha") or {}
    if not gate or not _at_work(server) or not ha.get("partner"):
        return
    problem = _partnership(pair).unfit(ha, gate)
    if problem:
        stuck = _is_stuck(ha.get("state"), pair.partner_of(server))
        yield Problem(
            server.host,
            "HA state",
            ha.get("state"),
            f"a server is changed only in the state {' or '.join(gate)}. {problem}",
            _RECOVER if stuck else "If that does not pass within some heartbeats, run playbooks/recover.yml",
            "" if stuck and _changes(pair) else WARNING,
        )


def _is_stuck(state: str | None, partner: Server | None) -> bool:
    """Tell whether a server does not leave its state by itself."""
    return state == "terminated" or (state == "partner-down" and _hears_nobody(partner))


def _partnership(pair: Pair) -> Partnership:
    """Return what knows when a server of the pair may be interrupted, by what is known of it already."""
    ha = {"heartbeat-delay": pair.settings["kea_ha_heartbeat_delay"]}
    hook = {"library": HA_HOOK, "parameters": {"high-availability": [ha]}}
    return Partnership(None, {"hooks-libraries": [hook]}, None)


def _hears_nobody(partner: Server | None) -> bool:
    """Tell whether the partner of a server that serves alone is at work, too, and not on its way back to it."""
    return partner is not None and _at_work(partner) and _daemon(partner)["ha"].get("state") not in _PASSING


@register(
    "P44",
    ERROR,
    "The servers of a running pair reach each other before one of them is changed.",
    warns=True,
    looks_at=(RUNNING,),
)
def partners_reach_each_other(context: Context) -> Iterator[Problem]:
    pair = context.pair
    if pair.settings["kea_accept_outage"] or not all(_at_work(server) for server in pair.servers):
        return
    for server in context.with_facts():
        asked, other = _kea(server).get("partner") or {}, pair.partner_of(server)
        if asked.get("problem") and other is not None:
            yield Problem(
                server.host,
                "URL of the partner",
                asked.get("url"),
                f"{server.host} cannot ask {other.host}, though both servers run: {asked['problem']}",
                "Mend that first: with one of the two changed, both would serve"
                if _changes(pair)
                else "This run goes on, as it changes neither server",
                "" if _changes(pair) else WARNING,
            )


@register("P21", WARNING, "Both servers of a pair run the same subnets, pools and ids.", looks_at=(RUNNING,))
def same_subnets_run(context: Context) -> Iterator[Problem]:
    servers = [server for server in context.with_facts() if _daemon(server).get("subnets") is not None]
    for first, other in zip(servers, servers[1:]):
        mine, theirs = _daemon(first)["subnets"], _daemon(other)["subnets"]
        for prefix in [*mine, *(prefix for prefix in theirs if prefix not in mine)]:
            if mine.get(prefix) != theirs.get(prefix):
                yield Problem(
                    f"{first.host}, {other.host}",
                    "running subnets",
                    prefix,
                    f"{first.host} runs {_subnet_words(mine.get(prefix))},"
                    f" {other.host} {_subnet_words(theirs.get(prefix))}",
                    "A change has reached one of the two only; this run makes both equal",
                )


def _subnet_words(subnet: dict[str, Any] | None) -> str:
    if subnet is None:
        return "no such subnet"
    return f"it with id {subnet.get('id')} and {', '.join(subnet.get('pools') or []) or 'no pools'}"


_DAEMON_FILES = {"dhcp4": "kea-dhcp4.conf", "ctrl_agent": "kea-ctrl-agent.conf"}


@register(
    "P40",
    ERROR,
    "A host is as the last run left it, or kea_accept_drift says to take changes back.",
    looks_at=(RUNNING,),
)
def no_drift(context: Context) -> Iterator[Problem]:
    if context.pair.settings["kea_accept_drift"]:
        return
    for server in context.with_facts():
        for where, lines in _changed_by_others(context.pair, server):
            yield Problem(
                server.host,
                "kea_accept_drift",
                False,
                f"{where} was changed outside this collection: {'; '.join(lines)}",
                "Put into the inventory what is to stay, then take the rest back with -e kea_accept_drift=true",
            )


def _changed_by_others(pair: Pair, server: Server) -> Iterator[tuple[str, list[str]]]:
    """Yield where a host is not as the last run left it, with the lines that differ."""
    if _kea(server).get("journal"):
        # A run of ours that did not end: the next one knows what it has left.
        return
    folder = server.platform.config_dir if server.platform else "/etc/kea"
    for name, file in _DAEMON_FILES.items():
        drift = _daemon(server, name).get("drift") or {}
        # A file that says what is wanted needs no consent: a run was cut off, or the inventory has it now.
        if drift.get("file") and _as_wanted(pair, server, name):
            continue
        for what, lines in drift.items():
            if lines:
                yield f"{folder}/{file}" if what == "file" else "the configuration that the server runs", lines


# ---------------------------------------------------------------------------------------------------------------------
# leases


def _most(context: Context, what: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what the hosts say of leases: once for each subnet, from the host that knows of most of them."""
    found: dict[int, tuple[list[str], dict[str, Any]]] = {}
    for server in context.with_facts():
        for entry in (_kea(server).get("leases") or {}).get(what) or []:
            hosts, known = found.get(entry["id"], ([], entry))
            found[entry["id"]] = ([*hosts, server.host], max(known, entry, key=lambda item: item["leases"]))
    for hosts, entry in found.values():
        yield ", ".join(hosts), entry


def _leases(number: int) -> str:
    return f"{number} lease{'' if number == 1 else 's'}"


@register(
    "L01", ERROR, "No subnet with leases in use is removed without kea_allow_subnet_removal.", looks_at=(RUNNING,)
)
def removed_subnets_are_empty(context: Context) -> Iterator[Problem]:
    if context.pair.settings["kea_allow_subnet_removal"]:
        return
    for hosts, entry in _most(context, "removed"):
        yield Problem(
            hosts,
            "kea_subnets",
            entry["subnet"],
            f"the inventory has no longer this subnet (id {entry['id']}), but {_leases(entry['leases'])} in it"
            f" {'is' if entry['leases'] == 1 else 'are'} in use",
            "Put it back; or, if its clients are to lose their addresses, run with -e kea_allow_subnet_removal=true",
        )


@register("L02", ERROR, "Pools keep the addresses that clients have leased.", ignorable=True, looks_at=(RUNNING,))
def pools_hold_leases(context: Context) -> Iterator[Problem]:
    subnets = _by_id(context.pair)
    for hosts, entry in _most(context, "outside"):
        subnet = subnets.get(entry["id"])
        shown = ", ".join(entry["addresses"][:3]) + (", ..." if entry["leases"] > 3 else "")
        yield Problem(
            hosts,
            (subnet.path if subnet else "kea_subnets") + ".pools",
            ", ".join(pool.text for pool in subnet.pools) if subnet else "",
            f"{entry['leases']} of {_leases(entry['of'])} in use in {entry['subnet']} would be outside: {shown}",
            "Keep the addresses in a pool until the leases have ended; to go on all the same,"
            """ -e '{"kea_preflight_ignore": ["L02"]}'""",
        )


def _by_id(pair: Pair) -> dict[int, Subnet]:
    return {subnet.id: subnet for server in pair.servers for subnet in server.subnets}


@register("L03", WARNING, "A reserved address is not leased to another client.", looks_at=(RUNNING,))
def reserved_addresses_are_free(context: Context) -> Iterator[Problem]:
    subnets = _by_id(context.pair)
    for hosts, entry in _told_alike(context, _taken, lambda entry: (entry["id"], entry["address"])):
        path = subnets[entry["id"]].path if entry["id"] in subnets else "kea_subnets"
        client = entry["client"] + (f" ({entry['hostname']})" if entry["hostname"] else "")
        yield Problem(
            hosts,
            path + ".reservations",
            entry["address"],
            f"the address is reserved for {_colons(entry['reserved_for'])}, but {client} has leased it"
            f" {_until(entry['until'])}; the reserved client gets another one as long as that lasts",
            "Nothing needs to be done if that may wait; else reserve another address",
        )
    for server in context.with_facts():
        yield from _more_of_them(server)


def _taken(server: Server) -> list[dict[str, Any]]:
    return (_kea(server).get("leases") or {}).get("taken") or []


def _told_alike(
    context: Context, told: Callable[[Server], Iterable[dict[str, Any]]], key: Callable[[dict[str, Any]], Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield once what several hosts tell, with the names of those hosts."""
    seen: dict[Any, tuple[list[str], dict[str, Any]]] = {}
    for server in context.with_facts():
        for entry in told(server):
            seen.setdefault(key(entry), ([], entry))[0].append(server.host)
    for hosts, entry in seen.values():
        yield ", ".join(dict.fromkeys(hosts)), entry


def _more_of_them(server: Server) -> Iterator[Problem]:
    more = (_kea(server).get("leases") or {}).get("taken_count", 0) - len(_taken(server))
    if more > 0:
        message = "so many other reserved addresses are leased"
        fix = "Look at all of them: kea_command with command: lease4-get-all"
        yield Problem(server.host, "kea_subnets", f"{more} more", message, fix)


def _until(end: float) -> str:
    """Return when a lease ends; those without an end have one in the far future."""
    if end >= _NEVER:
        return "for ever"
    return f"until {datetime.datetime.fromtimestamp(end, datetime.timezone.utc):%Y-%m-%d %H:%M} UTC"


def _colons(identifier: str) -> str:
    return ":".join(re.findall("..", identifier)) if len(identifier) % 2 == 0 else identifier


# ---------------------------------------------------------------------------------------------------------------------
# other DHCP servers


@register(
    "L04", ERROR, "Before the first deployment, nobody serves the network but kea_known_dhcp_servers.", facts=True
)
def network_is_free(context: Context) -> Iterator[Problem]:
    pair = context.pair
    if any(serves(server) for server in pair.servers):
        return
    for hosts, entry in _told_alike(context, _answers, lambda entry: (entry["server"], entry["mac"])):
        if entry["server"] in pair.settings["kea_known_dhcp_servers"]:
            continue
        through = f" through the relay {entry['relay']}" if entry.get("relay") else ""
        yield Problem(
            hosts,
            "DHCP server",
            entry["server"],
            f"another DHCP server (MAC {entry['mac']}) answers on {entry['interface']}{through} and offers"
            f" {entry['address']}; servers that do not know each other give one address to two clients",
            "Switch it off, often it is the router's, and run again; to deploy beside it, with pools that are apart,"
            f" write kea_known_dhcp_servers: [{entry['server']}]",
        )


def _answers(server: Server) -> list[dict[str, Any]]:
    return (server.facts.get("dhcp_probe") or {}).get("answers") or []


@register("P43", ERROR, "No other program on a host serves DHCP.", facts=True, warns=True)
def dhcp_port_is_ours(context: Context) -> Iterator[Problem]:
    for server in context.with_facts():
        yield from _servers_that_run(server)
        yield from _servers_that_start_with_the_host(server)


def _servers_that_run(server: Server) -> Iterator[Problem]:
    for entry in _kea(server).get("sockets") or []:
        owner = entry.get("process") or (f"a program of {entry['user']}" if entry.get("user") else "")
        if (entry.get("protocol"), entry.get("port")) == ("udp", _DHCP) and owner and _hears_clients(server, entry):
            yield Problem(
                server.host,
                "UDP port 67",
                owner,
                f"another DHCP server runs on {server.host}, on {_bound_to(entry)}",
                f"Stop it, for example: systemctl disable --now {entry.get('process') or 'its service'}",
            )


def _servers_that_start_with_the_host(server: Server) -> Iterator[Problem]:
    for name, running in ((_kea(server).get("services") or {}).get("dhcp") or {}).items():
        # dnsmasq may be there for names alone.
        if not running and name != "dnsmasq":
            yield Problem(
                server.host,
                "service",
                name,
                "this DHCP server does not run now, but starts with the host, beside Kea",
                f"systemctl disable {name}",
                WARNING,
            )


def _hears_clients(server: Server, entry: dict[str, Any]) -> bool:
    """Tell whether a socket is not Kea's and hears the clients that Kea is to serve."""
    process, user = entry.get("process"), entry.get("user")
    if str(process or "").startswith("kea-") or (not process and server.platform and user == server.platform.user):
        return False
    served = {name.split("/")[0] for name in server.interfaces}
    if "*" in served:
        return True
    if entry.get("interface"):
        return entry["interface"] in served
    known = server.facts.get("interfaces") or {}
    owners = [
        name
        for name, state in known.items()
        if entry.get("address") in [item.split("/")[0] for item in state.get("ipv4") or []]
    ]
    return not owners or bool(served & set(owners))


def _bound_to(entry: dict[str, Any]) -> str:
    if entry.get("interface"):
        return str(entry["interface"])
    return "all interfaces" if entry.get("address") in ("0.0.0.0", "::") else str(entry.get("address"))


@register("P43", WARNING, "Nobody but the administrator restarts Kea.", facts=True)
def no_unattended_restarts(context: Context) -> Iterator[Problem]:
    for server in context.with_facts():
        if (_kea(server).get("services") or {}).get("upgrades"):
            yield Problem(
                server.host,
                "service",
                "unattended-upgrades",
                "it may upgrade and restart Kea at any time, on both hosts at once",
                """Write Unattended-Upgrade::Package-Blacklist { "kea-"; }; into /etc/apt/apt.conf.d/52kea""",
            )


# ---------------------------------------------------------------------------------------------------------------------
# clocks


def _offset(server: Server) -> tuple[float, float] | None:
    """Return between which seconds the host's clock is ahead of the controller's, None when it is not known.

    The host has read its clock twice, within the time that the controller has measured.
    """
    times = [_kea(server).get(name) for name in ("time", "time_after", "asked", "answered")]
    if not all(isinstance(value, (int, float)) for value in times):
        return None
    begin, end, asked, answered = times
    return end - answered, begin - asked


def _apart(seconds: float) -> str:
    return f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'}"


def _at_least(low: float, high: float) -> float:
    """Return how far two clocks are apart at least, negative when the first one is behind."""
    if low > 0:
        return low
    return high if high < 0 else 0.0


@register("P34", ERROR, "The clocks of both hosts, and of the controller, are the same.", facts=True, warns=True)
def clocks_agree(context: Context) -> Iterator[Problem]:
    offsets = ((server, _offset(server)) for server in context.with_facts())
    known = [(server, offset) for server, offset in offsets if offset]
    for (first, mine), (other, theirs) in zip(known, known[1:]):
        yield from _apart_from_each_other(first, other, _at_least(mine[0] - theirs[1], mine[1] - theirs[0]))
    for server, offset in known:
        yield from _apart_from_controller(server, _at_least(*offset))


def _apart_from_each_other(first: Server, other: Server, apart: float) -> Iterator[Problem]:
    if abs(apart) > _CLOCK_WARNING:
        yield Problem(
            f"{first.host}, {other.host}",
            "clock",
            f"{abs(apart):.0f} s apart",
            f"the clock of {first.host} is {_apart(apart)} that of {other.host}; above 60 s Kea stops high"
            " availability",
            "Set both by NTP, for example: timedatectl set-ntp true",
            "" if abs(apart) > _CLOCK_ERROR else WARNING,
        )


def _apart_from_controller(server: Server, apart: float) -> Iterator[Problem]:
    if abs(apart) > _CLOCK_WARNING:
        yield Problem(
            server.host,
            "clock",
            f"{apart:+.0f} s",
            f"the host is {_apart(apart)} the controller; what is said of the age of certificates may be wrong",
            "Set the clock that is wrong by NTP",
            WARNING,
        )


@register("P34", WARNING, "A service keeps the clock of each host right.", facts=True)
def clocks_are_kept(context: Context) -> Iterator[Problem]:
    for server in context.with_facts():
        services = _kea(server).get("services") or {}
        # A container has the clock of its machine.
        if services and not services.get("container") and not services.get("time"):
            yield Problem(
                server.host,
                "time service",
                "none",
                "nothing keeps this clock right; when the two clocks are 60 s apart, Kea stops high availability",
                "apt install systemd-timesyncd, or chrony",
            )


# ---------------------------------------------------------------------------------------------------------------------
# disks and AppArmor


@register("P38", ERROR, "There is room for leases and logs.", ignorable=True, facts=True, warns=True)
def disks_have_room(context: Context) -> Iterator[Problem]:
    for server in context.with_facts():
        for what, disk in (_kea(server).get("disks") or {}).items():
            severity = "" if what == "leases" else WARNING
            yield from _too_little_space(server.host, what, disk, severity)
            yield from _too_few_inodes(server.host, disk, severity)


def _too_little_space(host: str, what: str, disk: dict[str, Any], severity: str) -> Iterator[Problem]:
    wanted = max(_LEASE_ROOM, 3 * disk.get("file_size", 0)) if what == "leases" else _LOG_ROOM
    if disk["free"] < wanted:
        yield Problem(
            host,
            disk["path"],
            f"{disk['free'] // _MB} MB free",
            f"that is too little for {what}; a server that cannot write its leases forgets them",
            f"Free {-(-wanted // _MB)} MB there, or make it larger",
            severity,
        )


def _too_few_inodes(host: str, disk: dict[str, Any], severity: str) -> Iterator[Problem]:
    if disk["inodes_free"] * 20 < disk["inodes"]:
        yield Problem(
            host,
            disk["path"],
            f"{disk['inodes_free']} inodes free",
            f"that is less than 5 % of {disk['inodes']}: soon no file can be made there",
            "Remove files there that are many and small",
            severity,
        )


@register("P47", ERROR, "AppArmor lets the server write its files.", ignorable=True, facts=True)
def apparmor_allows(context: Context) -> Iterator[Problem]:
    pair = context.pair
    for server in context.with_facts():
        rules = _kea(server).get("apparmor_rules")
        if rules is None or server.dialect is None or server.platform is None:
            continue
        section = render_dhcp4(pair, server, server.dialect, server.platform)["Dhcp4"]
        for path in _written(section):
            if not any("w" in permissions and _matches(pattern, path) for pattern, permissions in rules):
                yield Problem(
                    server.host,
                    "kea_dhcp4_extra",
                    path,
                    "the AppArmor profile of kea-dhcp4 does not let it write this file, so it would not start",
                    f"Leave the name to Debian, or write {path}* rwk, into /etc/apparmor.d/local/usr.sbin.kea-dhcp4",
                )


def _written(section: dict[str, Any]) -> Iterator[str]:
    """Yield the files that a server with this configuration writes, as far as they can have other names."""
    database = section.get("lease-database") or {}
    if database.get("type") == "memfile" and database.get("name"):
        name = str(database["name"])
        yield name if name.startswith("/") else f"/var/lib/kea/{name}"
    for logger in section.get("loggers") or []:
        for output in logger.get("output-options") or logger.get("output_options") or []:
            name = str(output.get("output") or "")
            if name and name not in ("stdout", "stderr") and not name.startswith("syslog"):
                yield name if name.startswith("/") else f"/var/log/kea/{name}"


def _matches(pattern: str, path: str) -> bool:
    """Tell whether a path rule of AppArmor means a path."""
    parts = re.split(r"(\*\*|\*|\?|\{|\}|,|\[[^\]]*\])", pattern)
    words = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
    return (
        re.fullmatch("".join(words.get(part, part if part[:1] == "[" else re.escape(part)) for part in parts), path)
        is not None
    )
