# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accidents that leave a pair in a state in which somebody has to help."""

from __future__ import annotations

import time

from conftest import Pair


def bend(server) -> None:
    """Have the file name a server that is not in the pair: Kea's own check lets it pass, its HA hook does not."""
    server.run('sed -i \'s/"this-server-name": "server."/"this-server-name": "bogus"/\' /etc/kea/kea-dhcp4.conf')


def be_drained(pair: Pair) -> None:
    pair.standby.kea("ha-maintenance-start")
    pair.wait_for("in-maintenance", "partner-in-maintenance")


def be_stuck(pair: Pair) -> None:
    """Restart a drained server before its partner misses it: Kea drains it again, for good."""
    be_drained(pair)
    # The partner is held meanwhile, so that it misses nothing however long the restart takes.
    partner = pair.standby.pid()
    pair.standby.run(f"kill -STOP {partner}")
    try:
        pair.primary.run("systemctl restart kea-dhcp4-server")
        pair.primary.run("timeout 20 sh -c 'until test -S /run/kea/kea4-ctrl-socket; do sleep 0.1; done'")
    finally:
        pair.standby.run(f"kill -CONT {partner}")
    pair.wait_for("in-maintenance", "partner-in-maintenance")


def be_left_alone(pair: Pair) -> None:
    """Lose the server that serves while the other one is drained: nobody serves, and Kea leaves it at that."""
    be_drained(pair)
    pair.standby.run("systemctl stop kea-dhcp4-server")


def be_undead(pair: Pair) -> None:
    bend(pair.primary)
    assert pair.primary.kea("config-reload")["result"] == 1
    assert pair.primary.run("systemctl is-active kea-dhcp4-server").strip() == "active"
    assert pair.primary.state() == "no hook"


def be_dead(pair: Pair) -> None:
    bend(pair.standby)
    pair.standby.run("systemctl stop kea-dhcp4-server")


def be_corrupt(pair: Pair) -> None:
    pair.primary.run("systemctl stop kea-dhcp4-server && echo garbage > /var/lib/kea/kea-leases4.csv")
    pair.primary.shell.run("systemctl start kea-dhcp4-server")


def be_cold(pair: Pair) -> None:
    for server in pair.servers:
        server.run("systemctl stop kea-dhcp4-server")


def be_unheard(pair: Pair) -> None:
    """Stop the primary's agent, and have the standby take over: a success, says Kea, and both serve."""
    pair.primary.run("systemctl stop kea-ctrl-agent")
    reply = pair.standby.kea("ha-maintenance-start")
    assert (reply["result"], pair.standby.state()) == (0, "partner-down")


def be_uninformed(pair: Pair) -> dict:
    """Have a client served while the standby hears and is not heard; returns the lease that it missed."""
    pair.standby.run("systemctl stop kea-ctrl-agent")
    pair.wait_for("partner-down", "ready")
    lease = pair.lease()
    pair.standby.run("systemctl start kea-ctrl-agent")
    pair.healthy()
    assert lease["address"] not in pair.standby.leases()
    time.sleep(10)  # younger ones may be on their way
    return lease


def renumber(pair: Pair) -> None:
    """Have the standby run another id of the subnet: it rejects the leases of its partner."""
    config = pair.standby.kea("config-get")["arguments"]
    config.pop("hash", None)
    config["Dhcp4"]["subnet4"][0]["id"] = 77
    assert pair.standby.kea("config-set", **config)["result"] == 0


def be_terminated(pair: Pair) -> None:
    """Have the standby reject so many leases that both give up."""
    renumber(pair)
    pair.healthy()
    pair.client.shell.run("dhcp-client stream --count 15 --rate 10 --timeout 3")
    pair.wait_for("terminated", "terminated")
