# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight wants to know of a host beyond Kea's packages: its leases, partner, disks, services, AppArmor.

Private to this collection. Nothing here fails: what cannot be known is None or empty.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from ansible_collections.keaops.kea.plugins.module_utils import _leases, _running
from ansible_collections.keaops.kea.plugins.module_utils._api import KeaApiError
from ansible_collections.keaops.kea.plugins.module_utils._handover import doors_of

if TYPE_CHECKING:
    from ansible_collections.keaops.kea.plugins.module_utils._apply import System

LEASE_DIR = "/var/lib/kea"
LOG_DIR = "/var/log/kea"
# Clients are served between two pages.
_PAGE = 1000
TIME_SERVICES = ("systemd-timesyncd", "chrony", "chronyd", "ntp", "ntpd", "ntpsec", "openntpd")
NETWORK_SERVICES = ("NetworkManager", "systemd-networkd")
DHCP_SERVICES = ("dnsmasq", "isc-dhcp-server", "dhcpd", "udhcpd")
_UPGRADES = "/usr/bin/unattended-upgrade"
_UPGRADE_TIMER = "apt-daily-upgrade.timer"
_PROFILE = "/etc/apparmor.d/usr.sbin.kea-dhcp4"
_LOCAL_PROFILE = "/etc/apparmor.d/local/usr.sbin.kea-dhcp4"
_PROFILES = "/sys/kernel/security/apparmor/profiles"
_FILE_RULE = re.compile(r"^(?:owner\s+)?(/\S*)\s+([a-zA-Z]+),")


def impact(
    system: System, socket: str | None, running: dict[str, Any] | None, wanted: list[dict[str, Any]], now: float
) -> dict[str, Any] | None:
    """Return what the wanted subnets would do to the leases of now; None when nothing, or when nobody can tell.

    Args:
        running: the configuration that the server runs.
        wanted: the subnets it is to serve, in Kea's form.
    """
    if not wanted or running is None:
        return None
    found = _leases.Impact(_leases.read(_running.subnets_of({"Dhcp4": running})), _leases.read(wanted))
    if not found.matters:
        return None
    start = "start"
    while True:
        try:
            reply = system.api(socket, "lease4-get-page", 30, {"from": start, "limit": _PAGE})
        except KeaApiError:
            return None
        page = (reply.arguments or {}).get("leases") or []
        for lease in page:
            found.add(lease, now)
        if len(page) < _PAGE:
            # 3: there are no more. Anything else is a server without the command.
            return found.result() if reply.result in (0, 3) else None
        start = page[-1]["ip-address"]


def partner(system: System, section: dict[str, Any]) -> dict[str, Any] | None:
    """Ask the partner over the URL, and with the password and certificate, that the server itself uses.

    Args:
        section: the value of ``Dhcp4`` in the server's file.

    Returns:
        ``url``, and ``problem`` in words, None when it answers; None without a partner.
    """
    door = doors_of(section)[1]
    if door is None:
        return None
    try:
        reply = system.knock(door, "status-get")
    except KeaApiError as exc:
        return {"url": door.url, "problem": str(exc)}
    return {"url": door.url, "problem": f"{door.url}: {reply.text}" if reply.result else None}


def disks(running: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Return the room where leases and logs are kept."""
    database = (running or {}).get("lease-database") or {}
    name = str(database.get("name") or "") if database.get("type", "memfile") == "memfile" else ""
    leases = os.path.join(LEASE_DIR, name or "kea-leases4.csv")
    found = {}
    for what, folder, size in (("leases", os.path.dirname(leases), _size(leases)), ("logs", LOG_DIR, 0)):
        room = _room(folder)
        if room:
            found[what] = dict(room, path=folder, file_size=size)
    return found


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _room(path: str) -> dict[str, int] | None:
    while path != "/" and not os.path.isdir(path):
        path = os.path.dirname(path)
    try:
        stat = os.statvfs(path)
    except OSError:
        return None
    return {"free": stat.f_bavail * stat.f_frsize, "inodes": stat.f_files, "inodes_free": stat.f_favail}


def services(system: System) -> dict[str, Any]:
    """Return which services matter to DHCP: ``time``, ``network``, ``dhcp`` (by name: is it active), and more.

    ``container`` is the kind of container the host is, whose clock is its host's; empty on machines. ``upgrades`` tells
    whether unattended upgrades may restart Kea.
    """
    units = _units(system, [*TIME_SERVICES, *NETWORK_SERVICES, *DHCP_SERVICES, _UPGRADE_TIMER])
    virtual = system.run(["systemd-detect-virt", "--container"], timeout=10)
    return {
        "time": _active(units, TIME_SERVICES),
        "network": _active(units, NETWORK_SERVICES),
        "dhcp": {
            name: units[name + ".service"][0] == "active"
            for name in DHCP_SERVICES
            if units.get(name + ".service", ("", ""))[0] == "active"
            or units.get(name + ".service", ("", ""))[1] in ("enabled", "generated")
        },
        "container": virtual.out.strip() if virtual.rc == 0 else "",
        "upgrades": units.get(_UPGRADE_TIMER, ("", ""))[0] == "active" and _upgrades_kea(system),
    }


def _active(units: dict[str, tuple[str, str]], names: tuple[str, ...]) -> list[str]:
    return [name for name in names if units.get(name + ".service", ("", ""))[0] == "active"]


def _units(system: System, names: list[str]) -> dict[str, tuple[str, str]]:
    """Return {unit: (its state, its state at boot)}, in one call."""
    done = system.run(["systemctl", "show", "--property=Id,ActiveState,UnitFileState", *names], timeout=30)
    found = {}
    for block in done.out.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        found[values.get("Id", "")] = (values.get("ActiveState", ""), values.get("UnitFileState", ""))
    return found


def _upgrades_kea(system: System) -> bool:
    if not system.exists(_UPGRADES):
        return False
    done = system.run(["apt-config", "dump", "--format", "%f=%v%n", "APT::Periodic", "Unattended-Upgrade"], timeout=30)
    settings = [line.split("=", 1) for line in done.out.splitlines() if "=" in line]
    values = dict(settings)
    if "0" in (values.get("APT::Periodic::Enable", "1"), values.get("APT::Periodic::Unattended-Upgrade", "0")):
        return False
    patterns = [value for name, value in settings if name == "Unattended-Upgrade::Package-Blacklist::" and value]
    return not any(_matches(pattern, "kea-dhcp4-server") for pattern in patterns)


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.match(pattern, name) is not None
    except re.error:
        return False


def apparmor_rules(system: System) -> list[list[str]] | None:
    """Return path and permissions of each file rule of the server's profile; None when it is not enforced."""
    try:
        loaded = (system.read(_PROFILES) or b"").decode("utf-8", "replace").splitlines()
        texts = [system.read(path) for path in (_PROFILE, _LOCAL_PROFILE)]
    except OSError:
        return None
    if texts[0] is None or not {"kea-dhcp4 (enforce)", "/usr/sbin/kea-dhcp4 (enforce)"} & set(loaded):
        return None
    lines = b"\n".join(text for text in texts if text).decode("utf-8", "replace").splitlines()
    return [list(match.groups()) for match in (_FILE_RULE.match(line.strip()) for line in lines) if match]
