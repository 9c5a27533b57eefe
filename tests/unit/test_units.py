# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drop-ins of the units. That Kea works with them is proven in the lab."""

from __future__ import annotations

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _units

DAEMONS = ("dhcp4", "ctrl_agent")
LOCKED = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "UMask=0027",
)


def service(daemon, hardening=True):
    """The lines of the section that systemd applies to the daemon."""
    return _units.settings(daemon, hardening).split("[Service]\n")[1].splitlines()


def values(daemon, key):
    """What a key is set to in the end; an empty value forgets those before it."""
    found = []
    for line in service(daemon):
        name, _sign, value = line.partition("=")
        if name == key:
            found = [*found, *value.split()] if value else []
    return found


@pytest.mark.parametrize("daemon", DAEMONS)
def test_without_hardening_a_unit_only_comes_back_after_failures(daemon):
    lines = [line for line in service(daemon, hardening=False) if not line.startswith("#")]
    assert lines == ["Restart=on-failure", "RestartSec=5", "LimitNOFILE=4096"]
    assert _units.settings(daemon, True).startswith(_units.settings(daemon, False))


@pytest.mark.parametrize("daemon", DAEMONS)
def test_hardening(daemon):
    lines = service(daemon)
    assert [line for line in LOCKED if line not in lines] == []
    # Absent on hosts that keep them elsewhere: the unit must start all the same.
    assert values(daemon, "ReadWritePaths") == ["-/var/lib/kea", "-/var/log/kea", "-/run/kea", "-/run/lock/kea"]
    assert values(daemon, "ReadOnlyPaths") == ["-/etc/kea"]
    assert all(line.startswith("#") or "=" in line for line in lines if line)


def test_the_agent_has_no_capability_and_no_raw_packets():
    assert values("ctrl_agent", "CapabilityBoundingSet") == []
    assert "CapabilityBoundingSet=" in service("ctrl_agent")
    assert values("ctrl_agent", "RestrictAddressFamilies") == ["AF_INET", "AF_INET6", "AF_UNIX"]


def test_the_dhcp_server_keeps_what_raw_packets_and_lease_clean_up_need():
    assert values("dhcp4", "CapabilityBoundingSet") == ["CAP_NET_BIND_SERVICE", "CAP_NET_RAW"]
    assert {"AF_PACKET", "AF_NETLINK"} < set(values("dhcp4", "RestrictAddressFamilies"))
    filters = [line for line in service("dhcp4") if line.startswith("SystemCallFilter=")]
    # The last word counts.
    assert filters.index("SystemCallFilter=setpriority") > filters.index("SystemCallFilter=~@privileged @resources")
