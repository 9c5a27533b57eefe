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
UMask=0027
ProtectProc=invisible
ProcSubset=pid
ProtectControlGroups=yes
RemoveIPC=yes
"""

# Before systemd 257 each of these means NoNewPrivileges=yes, too.
_FILTERED = """\
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
# A call that is not allowed fails; the daemon is not killed for it.
SystemCallErrorNumber=EPERM
"""

_NO_NEW_PRIVILEGES = """\
NoNewPrivileges=yes
"""

# AppArmor gives kea-lfc, the clean-up of leases, a profile of its own. With NoNewPrivileges the kernel refuses the
# change of profile, no clean-up ever runs, and the file of leases grows until the disk is full.
_CHANGES_PROFILE = """\
# Not NoNewPrivileges: AppArmor has another profile for kea-lfc, the clean-up of leases.
"""
_FILTERS_KEEP_PRIVILEGES = 257
# Without it systemd cannot drop its own rights after it has set the filters, and sets NoNewPrivileges all the same.
_KEEPS_PRIVILEGES = """\
SystemCallFilter=capset
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
    'until [ "$$(timeout 10 timedatectl show -p NTPSynchronized --value)" = yes ]; do '
    "read -r up rest </proc/uptime; "
    'if [ "$${{up%%.*}}" -ge {seconds} ]; then echo "{warning}"; exit; fi; '
    "sleep 2; done"
)

CLOCK_WARNING = (
    "The clock of this host is not synchronised. Kea starts all the same, but ends high availability if it differs from"
    " that of the partner by more than 60 s. Give the host a time server, see: timedatectl timesync-status"
)

_OWN_CAPABILITIES = {
    "dhcp4": """\
CapabilityBoundingSet=
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_NET_RAW
""",
    "ctrl_agent": """\
CapabilityBoundingSet=
""",
}

_OWN_FILTERS = {
    # It reads and writes whole packets, to clients that have no address yet.
    "dhcp4": """\
RestrictAddressFamilies=
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK AF_PACKET
# kea-lfc, the clean-up of leases, lowers its own priority.
SystemCallFilter=setpriority
""",
    "ctrl_agent": """\
RestrictAddressFamilies=
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
""",
}


def settings(
    daemon: str, hardening: bool, clock_wait: int = 0, apparmor: bool = False, systemd: int | None = None
) -> str:
    """Return the text of a unit's drop-in.

    Args:
        daemon: dhcp4 or ctrl_agent.
        hardening: whether to lock the service in.
        clock_wait: seconds after a boot until which the DHCP server waits for a synchronised clock; 0 for not at all.
        apparmor: whether AppArmor confines programs on the host.
        systemd: the host's version of systemd; None when it is not known.
    """
    text = _RESTART
    if clock_wait and daemon == "dhcp4":
        script = _WAIT.format(seconds=clock_wait, warning=CLOCK_WARNING)
        # systemd allows 90 s for a start, as a rule.
        text += _CLOCK.format(seconds=clock_wait, timeout=clock_wait + 90, script=script)
    if not hardening:
        return text
    changes_profile = apparmor and daemon == "dhcp4"
    text += _LOCKED + _OWN_CAPABILITIES[daemon]
    text += _CHANGES_PROFILE if changes_profile else _NO_NEW_PRIVILEGES
    if not changes_profile:
        return text + _FILTERED + _OWN_FILTERS[daemon]
    if (systemd or 0) >= _FILTERS_KEEP_PRIVILEGES:
        text += _FILTERED + _OWN_FILTERS[daemon] + _KEEPS_PRIVILEGES
    return text
