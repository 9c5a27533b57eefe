# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drop-in of Kea's systemd units: how they come back after a failure, and what of the host they may touch."""

from __future__ import annotations

# A network interface that comes up late makes Kea exit: try for some minutes, so that it never sits there deaf or dead.
_RESTART = """\
# Managed by Ansible (keaops.kea). Changes by hand will be overwritten.
[Unit]
Wants=network-online.target
After=network-online.target time-sync.target
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

# A clock without a battery wakes up where it fell asleep. If one of the two is set right while the servers talk, their
# clocks differ for a moment, and beyond 60 s Kea ends high availability until both are restarted.
_CLOCK = """\

# After a boot, wait until a time server has set the clock; {seconds} s after the boot begin all the same.
TimeoutStartSec={timeout}
ExecStartPre=-+/bin/sh -c '{script}'
"""

# In a container the clock is its host's. $$ and %% stand for $ and %.
_WAIT = (
    "systemd-detect-virt -cq && exit; "
    'until [ "$$(timedatectl show -p NTPSynchronized --value)" = yes ]; do '
    "read -r up rest </proc/uptime; "
    'if [ "$${{up%%.*}}" -ge {seconds} ]; then echo "{warning}"; exit; fi; '
    "sleep 2; done"
)

CLOCK_WARNING = (
    "The clock of this host is not synchronised. Kea starts all the same, but ends high availability if it differs from"
    " that of the partner by more than 60 s. Give the host a time server, see: timedatectl timesync-status"
)

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


def settings(daemon: str, hardening: bool, clock_wait: int) -> str:
    """Return the text of a unit's drop-in.

    Args:
        daemon: dhcp4 or ctrl_agent.
        hardening: whether to lock the service in.
        clock_wait: seconds after a boot until which the DHCP server waits for a synchronised clock; 0 for not at all.
    """
    text = _RESTART
    if clock_wait and daemon == "dhcp4":
        script = _WAIT.format(seconds=clock_wait, warning=CLOCK_WARNING)
        # systemd allows 90 s for a start, as a rule.
        text += _CLOCK.format(seconds=clock_wait, timeout=clock_wait + 90, script=script)
    return text + _LOCKED + _OWN[daemon] if hardening else text
