# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of ``_firewall`` on their host: a file, a service that loads it, and a table in the kernel.

All contact with the host goes through ``_apply.System``. Nobody else's rules are read or written, the distribution's
``/etc/nftables.conf`` included.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import struct
from typing import Any, Iterable, Iterator

from ansible_collections.keaops.kea.plugins.module_utils import _apply, _firewall

PROGRAM = "/usr/sbin/nft"
SERVICE = "keaops-firewall"
MARKER = "firewall"
UNIT = """\
# Managed by Ansible (keaops.kea). Changes by hand will be overwritten.
[Unit]
Description=Admit only the partner and the management to Kea's TCP ports
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target
# That one begins with an empty rule set.
After=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
StandardInput=null
ProtectSystem=full
ProtectHome=yes
CapabilityBoundingSet=CAP_NET_ADMIN
ExecStart={program} -f {path}
ExecReload={program} -f {path}
ExecStop=-{program} delete table {table}

[Install]
WantedBy=multi-user.target
"""
# The distribution's own service removes everybody's tables when it starts or reloads, at any time of the day.
OTHERS = """\
# Managed by Ansible (keaops.kea). Changes by hand will be overwritten.
[Service]
ExecStartPost=-{program} -f {path}
ExecReload=-{program} -f {path}
"""
_ESTABLISHED = "01"


class FirewallError(Exception):
    """The rules are not what was asked for; the text says why, and what is in force now."""


def units(system: _apply.System, path: str) -> dict[str, bytes]:
    """Return systemd's files that load the file *path*, by their places: our service, and the like of the others'."""
    texts = {SERVICE + ".service": UNIT, os.path.join("nftables.service.d", "keaops.conf"): OTHERS}
    return {
        os.path.join(system.unit_dir, name): text.format(program=PROGRAM, path=path, table=_firewall.TABLE).encode()
        for name, text in texts.items()
    }


def _table(system: _apply.System) -> str | None:
    """Return the table as the kernel has it, without counters; None if there is none."""
    done = system.run([PROGRAM, "-s", "list", "table", *_firewall.TABLE.split()], timeout=30)
    return done.out if done.rc == 0 else None


def state(system: _apply.System, path: str = _firewall.PATH) -> dict[str, Any]:
    """Return what ``_firewall.up_to_date`` looks at. Without a service of ours this only looks for files."""
    rules, wanted = system.read(path), units(system, path)
    there = {name: system.read(name) for name in wanted}
    found = {"rules": None if rules is None else _firewall.digest(rules), "unit": None, "loaded": False}
    if not any(there.values()):
        return found
    service = _apply.Unit(system, SERVICE).state()
    found["unit"] = there == wanted and service.active == "active" and service.at_boot
    table = _table(system)
    # Without root neither table nor marker can be read.
    with contextlib.suppress(OSError):
        marker = _apply.read_marker(system, MARKER).get("table")
        found["loaded"] = table is not None and marker == _firewall.digest(table)
    return found


# --- who is connected ------------------------------------------------------------------------------------------------


def _address(text: str) -> str:
    """Return an address from the kernel's notation, 32-bit words in the byte order of the machine."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    address = ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))
    return str(getattr(address, "ipv4_mapped", None) or address)


def connected(address: str, port: int, proc: str = "/proc") -> list[str]:
    """Return the other hosts with an open connection to a local address and port."""
    found = set()
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(os.path.join(proc, "net", name), encoding="ascii") as stream:
            for row in (line.split() for line in stream):
                if row[3] != _ESTABLISHED:
                    continue
                (own, own_port), (other, _port) = row[1].split(":"), row[2].split(":")
                if int(own_port, 16) == port and _address(own) == address:
                    found.add(_address(other))
    return sorted(found - {address})


def cut_off(others: Iterable[str], admitted: Iterable[str]) -> list[str]:
    """Return the connected hosts if rules admit none of them, so that the pair's own connections would be cut."""
    others = list(others)
    networks = [ipaddress.ip_network(entry) for entry in admitted]
    addresses = [ipaddress.ip_address(other) for other in others]
    return [] if any(address in network for address in addresses for network in networks) else others


# --- doing it --------------------------------------------------------------------------------------------------------


class Firewall:
    """Brings one host to what is wanted of it.

    Args:
        path: file of the rules on the host.
        connected: says who is connected to an address and port.
    """

    def __init__(self, system: _apply.System, path: str = _firewall.PATH, connected: Any = connected) -> None:
        self._system = system
        self._path = path
        self._units = units(system, path)
        self._unit = _apply.Unit(system, SERVICE)
        self._marker = os.path.join(system.state_dir, MARKER + ".json")
        self._connected = connected

    def run(self, mode: str, rules: str, link: dict[str, Any] | None, check_mode: bool) -> dict[str, Any]:
        """Do or predict it; returns ``changed``, ``reasons``, ``before`` and ``after`` (texts of the file).

        Raises:
            FirewallError, OSError
        """
        before = state(self._system, self._path)
        old = self._system.read(self._path)
        kept = old is not None and before["unit"] is None
        after = rules if mode != _firewall.NONE else _firewall.EMPTY if kept else ""
        reasons = list(self._reasons(mode, rules, before))
        if reasons:
            if mode != _firewall.NONE:
                self._prove(mode, rules, link, check_mode)
            if not check_mode:
                self._do(mode, after.encode("utf-8"), old)
        return {
            "changed": bool(reasons),
            "reasons": reasons,
            "before": (old or b"").decode("utf-8", "replace"),
            "after": after,
        }

    def _reasons(self, mode: str, rules: str, before: dict[str, Any]) -> Iterator[str]:
        if _firewall.up_to_date(mode, rules, before):
            return
        if mode == _firewall.NONE:
            yield "no firewall is wanted"
            return
        if before["rules"] != _firewall.digest(rules):
            yield "there are no rules yet" if before["rules"] is None else "the rules differ"
        if mode == _firewall.SNIPPET:
            if before["unit"] is not None:
                yield "the rules shall be loaded by somebody else"
        elif not before["unit"]:
            yield "the service is not there" if before["unit"] is None else "the service is not as it should be"
        elif not before["loaded"]:
            yield "the table in the kernel is not the one that was loaded"

    def _prove(self, mode: str, rules: str, link: dict[str, Any] | None, check_mode: bool) -> None:
        """Refuse rules that nft does not take, and such as cut the pair that runs. Nothing is changed here."""
        if mode == _firewall.NFTABLES and not self._system.has_systemd():
            raise FirewallError(
                "this host is not run by systemd, so nothing would load the rules. Set kea_firewall: snippet, and load "
                f"{self._path} yourself"
            )
        if self._system.exists(PROGRAM):
            self._syntax(rules)
        elif mode == _firewall.NFTABLES and not check_mode:
            raise FirewallError(f"there is no {PROGRAM}. Install the package nftables, or set kea_firewall: snippet")
        if mode == _firewall.NFTABLES and link:
            strangers = cut_off(self._connected(link["address"], link["port"]), link["admitted"])
            if strangers:
                raise FirewallError(
                    f"port {link['port']} of {link['address']} is in use by {', '.join(strangers)}, but the rules admit"
                    f" only {', '.join(link['admitted'])}: they would cut the pair. Nothing was changed. If that is the"
                    " partner, set its kea_ha_address to that address; if it is not, end the connection. Then run again"
                )

    def _syntax(self, rules: str) -> None:
        candidate = os.path.join(self._system.run_dir, SERVICE + ".candidate")
        self._system.make_folder(self._system.run_dir)
        try:
            self._write(candidate, rules.encode("utf-8"), 0o600)
            done = self._system.run([PROGRAM, "-c", "-f", candidate], timeout=30)
        finally:
            self._system.remove(candidate)
        if done.rc != 0:
            raise FirewallError(f"nft refuses the rules: {' '.join(done.text.split())}. Nothing was changed")

    def _do(self, mode: str, after: bytes, old: bytes | None) -> None:
        old_units = {name: self._system.read(name) for name in self._units}
        if mode == _firewall.NFTABLES:
            try:
                self._load(after, old_units)
            except (FirewallError, _apply.ApplyError, OSError) as exc:
                raise FirewallError(f"{_words(exc)}. {self._back(old, old_units)}") from exc
            return
        if any(old_units.values()):
            self._unload()
        if after:
            self._put(self._path, after)
        elif old is not None:
            self._remove(self._path)

    def _load(self, rules: bytes, old_units: dict[str, bytes | None]) -> None:
        self._put(self._path, rules)
        if old_units != self._units:
            self._set_units(self._units)
        self._unit.set_boot(True)
        self._start()
        table = _table(self._system)
        if table is None:
            raise FirewallError(f"{SERVICE} was started, but the kernel has no table {_firewall.TABLE}")
        self._system.make_folder(self._system.state_dir)
        marker = json.dumps({"table": _firewall.digest(table)}) + "\n"
        self._put(self._marker, marker.encode("utf-8"), 0o600)

    def _start(self) -> None:
        """Load the file in one step. A restart would leave the doors open between its two halves."""
        self._systemctl("reload" if self._unit.state().active == "active" else "start", SERVICE)

    def _unload(self) -> None:
        try:
            if self._unit.state().load == "loaded":
                self._unit.stop()
                self._unit.set_boot(False)
        except _apply.ApplyError as exc:
            raise FirewallError(f"{_words(exc)}. The rules are still in force") from exc
        self._set_units(dict.fromkeys(self._units))
        self._system.remove(self._marker)

    def _back(self, old: bytes | None, old_units: dict[str, bytes | None]) -> str:
        """Put back what was there; returns what is in force now, as a sentence without a full stop."""
        loaded = old is not None and any(old_units.values())
        try:
            if not loaded:
                self._unload()
            if old is None:
                self._remove(self._path)
            else:
                self._put(self._path, old)
            if not loaded:
                return "Everything was put back: no rules of ours are in force"
            self._set_units(old_units)
            self._start()
        except (FirewallError, _apply.ApplyError, OSError) as exc:
            return f"PUTTING THE OLD RULES BACK FAILED, TOO: {_words(exc)}. See: systemctl status {SERVICE}"
        return "The old rules were put back and are in force"

    def _set_units(self, files: dict[str, bytes | None]) -> None:
        for path, text in files.items():
            if text is None:
                self._remove(path)
            else:
                self._put(path, text)
        self._systemctl("daemon-reload")

    def _remove(self, path: str) -> None:
        """Remove a file, and its folder if that was ours alone."""
        if self._system.exists(path):
            self._system.remove_for_good(path)
            self._system.remove_empty_folder(os.path.dirname(path))

    def _put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        self._system.make_folder(os.path.dirname(path), 0o755)
        self._write(path + ".new", data, mode)
        self._system.replace(path + ".new", path)

    def _write(self, path: str, data: bytes, mode: int) -> None:
        self._system.write(path, data, (os.geteuid(), os.getegid()), mode)

    def _systemctl(self, *words: str) -> None:
        done = self._system.run(["systemctl", *words], timeout=150)
        if done.rc != 0:
            raise FirewallError(f"systemctl {' '.join(words)} failed: {self._journal() or done.text}")

    def _journal(self) -> str:
        """Return what nft said in the service; systemctl only says where to look."""
        done = self._system.run(["journalctl", "-q", "-u", SERVICE, "-n", "5", "-o", "cat", "_COMM=nft"], timeout=30)
        return " ".join(done.out.split()) if done.rc == 0 else ""


def _words(error: Exception) -> str:
    """Return what an exception says, without a full stop."""
    if isinstance(error, _apply.ApplyError):
        return ": ".join(part for part in (error.message, error.reason) if part).rstrip(".")
    if isinstance(error, OSError):
        return f"cannot write {error.filename}: {error.strerror}" if error.filename else str(error)
    return str(error).rstrip(".")
