# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests do to machines that have a boot and a clock of their own."""

from __future__ import annotations

import time

from conftest import Host, Pair, lab

# A boot takes about a minute where the processor is emulated; the servers' negotiation comes after that.
HEAL = 240
LOG = "/var/log/kea/kea-dhcp4.log"


def wait_until(what: str, found, seconds: float, pause: float = 1.0):
    """Ask again until *found* returns something; returns that."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(pause)
    return value


def count(server: Host, word: str) -> int:
    """Return how often a word is in Kea's log."""
    return int(server.shell.run("grep -c -- %s %s", word, LOG).stdout or 0)


def reaches(host: Host, address: str) -> bool:
    """Can this host open a connection to Kea's port?"""
    script = f"import socket; socket.create_connection(('{address}', 8000), 4).close()"
    return host.shell.run("python3 -c %s", script).rc == 0


def boots(pair: Pair, *servers: Host) -> float:
    """Reboot servers in order, at once; return the seconds until both servers are healthy again."""
    started = time.monotonic()
    lab("reboot", *[server.name for server in servers])
    pair.healthy(HEAL)
    return time.monotonic() - started


def after_boot(pair: Pair, server: Host, leases: dict[str, str]) -> None:
    """What a server must be like after it booted, without anybody's help."""
    assert leases.items() <= server.leases().items(), f"{server.name}: {leases} {server.leases()}"
    assert server.run("systemctl is-active kea-dhcp4-server kea-ctrl-agent").split() == ["active", "active"]
    assert server.run("systemctl show -p NRestarts --value kea-dhcp4-server").strip() == "0"
    assert not reaches(pair.client, server.address)
    assert reaches(pair.partner(server), server.address)


def synchronised(server: Host) -> bool:
    """Has a time server set this host's clock?"""
    return server.run("timedatectl show -p NTPSynchronized --value").strip() == "yes"


def boot_messages(server: Host) -> str:
    """What the DHCP server's unit has said since the host booted."""
    return server.run("journalctl --no-pager -b -o cat -u kea-dhcp4-server")
