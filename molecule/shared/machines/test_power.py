# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power cuts and boots of machines."""

from __future__ import annotations

import time

from conftest import NOTES, Pair, lab
from machines import HEAL, after_boot, boot_messages, boots, wait_until

FAITHFUL_MAC = "02:00:00:00:0f:03"


def test_a_power_cut_of_the_primary(fresh: Pair):
    """With clients asking: the standby takes over, a lease is kept, and the pair heals when power is back."""
    pair = fresh
    before = pair.lease("--mac", FAITHFUL_MAC)
    assert before["server_id"] == pair.primary.address
    known = set(pair.primary.leases())
    pair.client.run("dhcp-client stream --count 40 --rate 1 --timeout 60 >/dev/null 2>&1 &")
    wait_until("a client", lambda: set(pair.primary.leases()) - known, 30)
    cut = time.monotonic()
    lab("power", "cut", pair.primary.name)
    try:
        pair.wait_for("silent", "partner-down", seconds=120)
        NOTES.append(f"power cut of the primary: the standby took over after {time.monotonic() - cut:.0f} s")
        meanwhile = pair.lease("--mac", FAITHFUL_MAC)
        new = pair.lease()
    finally:
        lab("power", "on", pair.primary.name)
    pair.healthy(HEAL)
    assert (meanwhile["address"], meanwhile["server_id"]) == (before["address"], pair.standby.address)
    assert new["server_id"] == pair.standby.address
    # What it missed while it was away, and what it had not written down, it has from its partner.
    leases = [server.leases() for server in pair.servers]
    assert leases[0] == leases[1]
    assert leases[0][before["address"]] == FAITHFUL_MAC
    assert new["address"] in leases[0]
    after_boot(pair, pair.primary, {before["address"]: FAITHFUL_MAC})
    assert pair.lease("--mac", FAITHFUL_MAC)["server_id"] == pair.primary.address


def test_kea_starts_after_the_clock_was_set(fresh: Pair):
    """A Pi has no clock that goes on without power; the first thing after a boot is the right time."""
    server = fresh.standby
    boots(fresh, server)
    moments = server.run(
        "stat -c %Y /run/systemd/timesync/synchronized; "
        'date +%s -d "$(systemctl show -p ExecMainStartTimestamp --value kea-dhcp4-server)"'
    ).split()
    assert int(moments[0]) <= int(moments[1])
    assert "clock of this host is not synchronised" not in boot_messages(server)
