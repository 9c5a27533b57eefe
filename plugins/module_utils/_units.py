# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drop-in of Kea's systemd units: how they come back after a failure, and what of the host they may touch."""

from __future__ import annotations

# A network interface that comes up late makes Kea exit: try for some minutes, so that it never sits there deaf or dead.
_RESTART = """\
# Managed by Ansible (keaops.kea). Changes by hand will be overwritten.
[Unit]
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=300
StartLimitBurst=50

[Service]
Restart=on-failure
RestartSec=5
# Kea 3.0.4 that meets a limit of 1024 lives on deaf, and its partner sees nothing; beyond, it aborts and comes back.
LimitNOFILE=4096
"""

# Each line was proven with Kea 2.2.0, 2.6.3 and 3.0.4: leases, their clean-up, log rotation, HA and hook libraries.
_LOCKED = """\

# Locked in, unless kea_unit_hardening is false. Writable are leases, logs, sockets and locks.
ProtectSystem=strict
ReadWritePaths=-/var/lib/kea -/var/log/kea -/run/kea -/run/lock/kea
ReadOnlyPaths=-/etc/kea
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
UMask=0027
ProtectProc=invisible
ProcSubset=pid
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
# A call that is not allowed fails; the daemon is not killed for it.
SystemCallErrorNumber=EPERM
"""

_OWN = {
    # It reads and writes whole packets, to clients that have no address yet.
    "dhcp4": """\
RestrictAddressFamilies=
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK AF_PACKET
CapabilityBoundingSet=
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_NET_RAW
# kea-lfc, the clean-up of leases, lowers its own priority.
SystemCallFilter=setpriority
""",
    "ctrl_agent": """\
RestrictAddressFamilies=
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
CapabilityBoundingSet=
""",
}


def settings(daemon: str, hardening: bool) -> str:
    """Return the text of a unit's drop-in.

    Args:
        daemon: dhcp4 or ctrl_agent.
        hardening: whether to lock the service in.
    """
    return _RESTART + _LOCKED + _OWN[daemon] if hardening else _RESTART
