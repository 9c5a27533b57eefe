# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of ``_board`` on their host: files, and what makes them take effect. Private to this collection.

A connection is never cut: no service of the network is restarted or told to read its files again, and an address is
only ever added.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from typing import Any, Callable, Iterator

from ansible_collections.keaops.kea.plugins.module_utils import _apply, _board

_MODES = {_board.NETWORKMANAGER_FILE: 0o600}
_PROBES, _PROBE_SECONDS = 3, 0.5


class HostError(Exception):
    """The host is not what was asked for; the text says why."""


# --- what is there ---------------------------------------------------------------------------------------------------


def own_files(system: _apply.System) -> dict[str, str | None]:
    """Return the fingerprint of each of our files; None for one that is not there, or not ours."""
    found = {}
    for path in _board.FILES:
        text = _read(system, path)
        found[path] = _board.digest(text) if _is_ours(text) else None
    return found


def _read(system: _apply.System, path: str) -> str:
    # Without root that of NetworkManager cannot be read.
    with contextlib.suppress(OSError):
        return (system.read(path) or b"").decode("utf-8", "replace")
    return ""


def _is_ours(text: str) -> bool:
    return text.startswith(_board.HEADER.rstrip("\n"))


def network(active: list[str], sys: str = "/sys/class/net", run: str = "/run") -> dict[str, dict[str, Any]]:
    """Return, of each interface, which service manages it and which other interfaces it carries, such as VLANs.

    Args:
        active: the services that run. What one has left in its folder stays there when it is stopped.
    """
    found = {}
    for name in _listing(sys):
        if name == "lo":
            continue
        entries = _listing(os.path.join(sys, name))
        index = _file(os.path.join(sys, name, "ifindex")).strip()
        networkd = _file(os.path.join(run, "systemd/netif/links", index))
        networkmanager = _file(os.path.join(run, "NetworkManager/devices", index))
        manager = None
        # NetworkManager calls managed, too, what another service has set up.
        if "systemd-networkd" in active and re.search(r"^ADMIN_STATE=(?!unmanaged)", networkd, re.MULTILINE):
            manager = _board.NETWORKD
        elif "NetworkManager" in active and re.search(r"^managed=true$", networkmanager, re.MULTILINE):
            manager = _board.NETWORKMANAGER
        carries = sorted(entry[len("upper_") :] for entry in entries if entry.startswith("upper_"))
        found[name] = {"manager": manager, "carries": carries}
    return found


def has_watchdog(folder: str = "/sys/class/watchdog") -> bool:
    """Return whether the host has a watchdog of its own."""
    return bool(_listing(folder))


def _listing(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _file(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def claimant(interface: str, address: str) -> str | None:
    """Ask the network who has an address; returns the MAC address of another machine that answers, or None."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806)) as wire:
        wire.bind((interface, 0x0806))
        mac = wire.getsockname()[4]
        for _number in range(_PROBES):
            wire.send(_board.arp_probe(mac, address))
            end = time.monotonic() + _PROBE_SECONDS
            while time.monotonic() < end:
                wire.settimeout(max(0.01, end - time.monotonic()))
                with contextlib.suppress(socket.timeout):
                    found = _board.arp_claimant(wire.recv(2048), [mac], address)
                    if found:
                        return found
    return None


# --- doing it --------------------------------------------------------------------------------------------------------


class Settings:
    """Brings one host to what is wanted of it.

    Args:
        claimant: tells who else has an address on a network.
    """

    def __init__(self, system: _apply.System, claimant: Callable[[str, str], str | None] = claimant) -> None:
        self._system = system
        self._claimant = claimant
        self.warnings: list[str] = []

    def run(self, watchdog: int, journal: str | None, fixed: _board.Fixed | None, check_mode: bool) -> dict[str, Any]:
        """Do or predict it; returns ``changed``, ``reasons`` and ``diff``.

        Raises:
            HostError, OSError
        """
        wanted = _board.texts(watchdog, journal, fixed)
        paths = _board.differences(wanted, own_files(self._system))
        addresses = self._addresses(fixed) if fixed else {}
        adds = fixed if fixed and fixed.ip not in addresses else None
        if adds:
            # Before anything is written.
            self._is_free(adds)
        diff = [self._diff_of(path, wanted[path]) for path in paths]
        if adds:
            before = [f"{address}\n" for address, name in addresses.items() if name == adds.interface]
            diff.append(_diff(f"addresses of {adds.interface}", "".join(before), "".join([*before, f"{adds.ip}\n"])))
        if not check_mode:
            for path in paths:
                self._set(path, wanted[path])
            if adds:
                self._add(adds)
            if _board.NETWORKD_FILE in paths or _board.NETWORKMANAGER_FILE in paths:
                self.warnings.append(_at_next_boot(fixed))
        return {
            "changed": bool(paths or adds),
            "reasons": [*(f"{path} differs" for path in paths), *([f"{adds.ip} is missing"] if adds else [])],
            "diff": diff,
        }

    def _diff_of(self, path: str, text: str | None) -> dict[str, str]:
        return _diff(path, _read(self._system, path), text or "")

    def _addresses(self, fixed: _board.Fixed) -> dict[str, str]:
        """Return the interface of each IPv4 address; the one wanted must not be on another one."""
        done = self._run("ip", "-o", "-4", "address", "show")
        found = {match.group(2): match.group(1) for match in re.finditer(r"^\d+: (\S+)\s+inet ([0-9.]+)", done, re.M)}
        other = found.get(fixed.ip, fixed.interface)
        if other != fixed.interface:
            raise HostError(f"{fixed.ip} is on {other} of this host, not on {fixed.interface}. Nothing was changed")
        return found

    def _is_free(self, fixed: _board.Fixed) -> None:
        try:
            other = self._claimant(fixed.interface, fixed.ip)
        except OSError as exc:
            raise HostError(
                f"{fixed.interface} cannot be asked whether {fixed.ip} is free: {exc.strerror or exc}. Nothing was"
                " changed"
            ) from None
        if other:
            raise HostError(
                f"{fixed.ip} belongs to another machine already, which has the MAC address {other}. Nothing was"
                " changed. Choose another address, or take it from that machine"
            )

    def _set(self, path: str, text: str | None) -> None:
        """Write or remove a file and have it take effect; on a failure it is as before."""
        old = self._system.read(path)
        self._put(path, None if text is None else text.encode("utf-8"))
        try:
            for command in _effects(path, text):
                self._run(*command)
        except HostError as exc:
            self._put(path, old)
            raise HostError(f"{exc}. {path} is as before") from None

    def _put(self, path: str, data: bytes | None) -> None:
        if data is None:
            self._system.remove_for_good(path)
            return
        self._system.make_folder(os.path.dirname(path), 0o755)
        # NetworkManager reads every name there that does not begin with a dot.
        temporary = os.path.join(os.path.dirname(path), ".keaops-new")
        self._system.write(temporary, data, (os.geteuid(), os.getegid()), _MODES.get(path, 0o644))
        self._system.replace(temporary, path)

    def _add(self, fixed: _board.Fixed) -> None:
        # Else the kernel takes it away with the address that the host has now.
        self._system.run(["sysctl", "-q", "-w", f"net.ipv4.conf.{fixed.interface}.promote_secondaries=1"], timeout=30)
        # The metric lets every route win that is there already.
        where = ("broadcast", "+", "dev", fixed.interface, "metric", "4096")
        self._run("ip", "address", "add", fixed.address, *where)

    def _run(self, *words: str) -> str:
        done = self._system.run(list(words), timeout=60)
        # A profile that NetworkManager does not take is no failure to nmcli; it only says so.
        if done.rc != 0 or (words[0] == "nmcli" and done.text):
            raise HostError(f"{' '.join(words)} failed: {' '.join(done.text.split())}")
        return done.out


def _at_next_boot(fixed: _board.Fixed | None) -> str:
    when = "from the next boot on"
    if fixed is None:
        return f"nothing of ours gives this host its address any more {when}; see that something else does"
    now = "Reboot this host when its partner serves, see switchover.yml"
    return f"{fixed.interface} has the address {fixed.ip} for good {when}. {now}"


def _effects(path: str, text: str | None) -> Iterator[list[str]]:
    """Yield the commands by which a file takes effect. systemd-networkd would change the address at once if told."""
    if path == _board.WATCHDOG_FILE:
        yield ["systemctl", "daemon-reexec"]
    elif path == _board.JOURNAL_FILE:
        yield ["systemctl", "restart", "systemd-journald"]
    elif path == _board.NETWORKMANAGER_FILE and text is not None:
        # It reads and checks the profile, and does not leave the one in use for it.
        yield ["nmcli", "connection", "load", path]


def _diff(title: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": title, "after_header": title, "before": before, "after": after}
