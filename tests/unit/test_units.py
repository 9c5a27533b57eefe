# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drop-ins of the units. That Kea works with them is proven in the lab."""

from __future__ import annotations

import subprocess

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
    return _units.settings(daemon, hardening, clock_wait=0).split("[Service]\n")[1].splitlines()


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
    assert _units.settings(daemon, True, 0).startswith(_units.settings(daemon, False, 0))


def run_wait(tmp_path, synchronized, uptime, container=False):
    """What the DHCP server's unit runs before its start, on a host with these answers; returns its output."""
    line = next(line for line in _units.settings("dhcp4", True, 60).splitlines() if line.startswith("ExecStartPre="))
    assert line.startswith("ExecStartPre=-+/bin/sh -c '")
    script = line.split("'")[1].replace("$$", "$").replace("%%", "%").replace("/proc/uptime", f"{tmp_path}/uptime")
    (tmp_path / "uptime").write_text(f"{uptime}.53 99.10\n")
    # Each second that it sleeps passes on that host, and no time here.
    now = f"$(cut -d. -f1 {tmp_path}/uptime)"
    programs = {
        "systemd-detect-virt": f"exit {0 if container else 1}",
        "timedatectl": f"[ {now} -ge {synchronized} ] && echo yes || echo no",
        "sleep": f'echo "$(({now} + $1)).00 0" >{tmp_path}/new; mv {tmp_path}/new {tmp_path}/uptime',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, int((tmp_path / "uptime").read_text().split(".")[0])


def test_the_dhcp_server_waits_for_the_clock(tmp_path):
    assert run_wait(tmp_path, synchronized=40, uptime=30) == ("", 40)


def test_the_wait_for_the_clock_is_bounded_and_says_so(tmp_path):
    assert run_wait(tmp_path, synchronized=999, uptime=30) == (_units.CLOCK_WARNING + "\n", 60)
    assert "timedatectl" in _units.CLOCK_WARNING


def test_a_host_that_runs_for_long_and_a_container_wait_for_no_clock(tmp_path):
    assert run_wait(tmp_path, synchronized=9999, uptime=5000) == (_units.CLOCK_WARNING + "\n", 5000)
    assert run_wait(tmp_path, synchronized=9999, uptime=3, container=True) == ("", 3)


def test_systemd_allows_the_wait_and_the_start():
    assert "TimeoutStartSec=150" in _units.settings("dhcp4", False, 60)
    for settings in (_units.settings("dhcp4", True, 0), _units.settings("ctrl_agent", True, 60)):
        assert "ExecStartPre" not in settings


@pytest.mark.parametrize("daemon", DAEMONS)
def test_hardening(daemon):
    lines = service(daemon)
    assert [line for line in LOCKED if line not in lines] == []
    # Absent on hosts that keep them elsewhere: the unit must start all the same.
    assert values(daemon, "ReadWritePaths") == ["-/var/lib/kea", "-/var/log/kea", "-/run/kea", "-/run/lock/kea"]
    assert values(daemon, "ReadOnlyPaths") == ["-/etc/kea"]
    assert all(line.startswith("#") or "=" in line for line in lines if line)


# Beside AppArmor, before systemd 257: whatever comes with NoNewPrivileges by itself.
IMPLIES_NO_NEW_PRIVILEGES = (
    "PrivateDevices",
    "ProtectKernelTunables",
    "ProtectKernelModules",
    "ProtectKernelLogs",
    "ProtectClock",
    "ProtectHostname",
    "Restrict",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "SystemCall",
    "NoNewPrivileges",
)


def locks(daemon, **host):
    """The locks of a daemon on a host: lines that set something."""
    lines = _units.settings(daemon, True, **host).split("[Service]\n")[1].splitlines()
    return {line for line in lines if "=" in line and not line.startswith(("#", "RestartSec", "Restart=", "Limit"))}


def test_apparmor_may_change_the_profile_for_the_clean_up_of_leases():
    """With NoNewPrivileges, kea-lfc could not be run where AppArmor has a profile of its own for it."""
    everything = locks("dhcp4")
    newer = locks("dhcp4", apparmor=True, systemd=257)
    assert newer == everything - {"NoNewPrivileges=yes"} | {"SystemCallFilter=capset"}
    # The last word counts.
    lines = _units.settings("dhcp4", True, apparmor=True, systemd=257).splitlines()
    assert lines.index("SystemCallFilter=capset") > lines.index("SystemCallFilter=~@privileged @resources")
    for systemd in (252, 255, None):
        left = locks("dhcp4", apparmor=True, systemd=systemd)
        assert left == {line for line in everything if not line.startswith(IMPLIES_NO_NEW_PRIVILEGES)}
        assert "ProtectSystem=strict" in left
    # The agent runs no other program.
    assert locks("ctrl_agent", apparmor=True, systemd=252) == locks("ctrl_agent")


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
