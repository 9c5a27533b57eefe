# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every pair does for its clients, whatever its servers talk through: leases, options, failover."""

from __future__ import annotations

import ipaddress
import re
import time

import pytest
from conftest import KEA_VERSION, PAIRS, AtOnce, Pair

RESERVED_MAC = "1a:1b:1c:1d:1e:1f"
RESERVED_CLIENT_ID = "01:11:22:33:44:55:66"
FAITHFUL_MAC = "02:00:00:00:0f:01"
POOL = range(int(ipaddress.ip_address("192.168.1.100")), int(ipaddress.ip_address("192.168.1.199")) + 1)


def in_pool(address: str) -> bool:
    return int(ipaddress.ip_address(address)) in POOL


def test_version_is_the_distributions(pair: Pair):
    for server in pair.servers:
        assert server.kea("version-get")["text"] == KEA_VERSION[pair.suite]


def test_a_real_client_gets_an_address_from_the_pool(pair: Pair):
    output = pair.client.run(
        "ip link add lan-udhcpc link eth-lan type macvlan mode bridge && ip link set lan-udhcpc up && "
        "udhcpc -i lan-udhcpc -f -q -n -t 5 -T 2 -s /bin/true 2>&1; ip link delete lan-udhcpc"
    )
    address = re.search(r"lease of (\S+) obtained", output).group(1)
    assert in_pool(address)
    for server in pair.servers:
        assert address in server.leases()


def test_options_arrive(pair: Pair):
    lease = pair.lease()
    assert in_pool(lease["address"])
    assert lease["server_id"] == "192.168.1.2"
    assert lease["lease_time"] == 43200
    assert lease["options"]["router"] == ["192.168.1.1"]
    assert lease["options"]["dns"] == ["1.1.1.1", "9.9.9.9"]


def test_reserved_clients_get_their_addresses(pair: Pair):
    assert pair.lease("--mac", RESERVED_MAC)["address"] == "192.168.1.10"
    assert pair.lease("--client-id", RESERVED_CLIENT_ID)["address"] == "192.168.1.11"


def fail_over(pair: Pair) -> dict:
    """Stop the primary, have the standby serve a known and a new client, start the primary again."""
    pair.healthy()
    found = {"before": pair.lease("--mac", FAITHFUL_MAC)}
    pair.primary.run("systemctl stop kea-dhcp4-server")
    try:
        # Three clients that keep asking are what this profile needs to believe that the primary is gone.
        pair.client.run("dhcp-client stream --count 6 --rate 6 --timeout 45")
        pair.wait_for("silent", "partner-down")
        found["meanwhile"] = pair.lease("--mac", FAITHFUL_MAC)
        found["new"] = pair.lease()
    finally:
        pair.primary.run("systemctl start kea-dhcp4-server")
    pair.healthy()
    found["leases"] = [server.leases() for server in pair.servers]
    found["after"] = pair.lease("--mac", FAITHFUL_MAC)
    return found


@pytest.fixture(scope="module")
def failover() -> AtOnce:
    """What a failover was like, in all pairs at once."""
    return AtOnce(fail_over, PAIRS)


def test_failover_and_heal(pair: Pair, failover: AtOnce):
    """The standby serves known and new clients; when the primary is back, it serves, and the databases are equal."""
    found = failover[pair]
    assert found["before"]["server_id"] == found["after"]["server_id"] == "192.168.1.2"
    assert found["meanwhile"]["server_id"] == found["new"]["server_id"] == "192.168.1.3"
    assert found["before"]["address"] == found["meanwhile"]["address"] == found["after"]["address"]
    assert found["new"]["address"] != found["before"]["address"]
    primary, standby = found["leases"]
    assert primary == standby
    assert found["new"]["address"] in primary


def kill(pair: Pair) -> tuple[str, str]:
    """Kill the primary and wait until it is back; returns both processes."""
    pair.healthy()
    killed = pair.primary.pid()
    pair.primary.run(f"kill -9 {killed}")
    deadline = time.monotonic() + 30
    while (now := pair.primary.pid()) in (killed, "0"):
        assert time.monotonic() < deadline, f"{pair.name}: nobody started it again"
        time.sleep(0.5)
    pair.healthy()
    return killed, now


@pytest.fixture(scope="module")
def killed() -> AtOnce:
    """What became of killed servers, in all pairs at once."""
    return AtOnce(kill, PAIRS)


def test_a_killed_server_comes_back_by_itself(pair: Pair, killed: AtOnce):
    before, after = killed[pair]
    assert before != after
