# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the deployed pair does, seen from outside: files, ports, leases, failover."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import time

import pytest
from conftest import KEA_VERSION, Pair

RESERVED_MAC = "1a:1b:1c:1d:1e:1f"
RESERVED_CLIENT_ID = "01:11:22:33:44:55:66"
POOL = range(int(ipaddress.ip_address("192.168.1.100")), int(ipaddress.ip_address("192.168.1.199")) + 1)


def in_pool(address: str) -> bool:
    return int(ipaddress.ip_address(address)) in POOL


def test_version_is_the_distributions(pair: Pair):
    for server in pair.servers:
        assert server.kea("version-get")["text"] == KEA_VERSION[pair.suite]


@pytest.mark.parametrize("unit", ["kea-dhcp4-server", "kea-ctrl-agent"])
def test_services_run_and_start_with_the_host(pair: Pair, unit: str):
    for server in pair.servers:
        assert server.run(f"systemctl is-active {unit}").strip() == "active"
        assert server.run(f"systemctl is-enabled {unit}").strip() == "enabled"
        settings = server.run(f"systemctl show -p Restart -p Wants -p After {unit}")
        assert "Restart=on-failure" in settings
        assert re.search(r"^After=.*network-online.target", settings, re.MULTILINE)


def test_files_are_closed_to_others(pair: Pair):
    for server in pair.servers:
        for name in ("kea-dhcp4.conf", "kea-ctrl-agent.conf", "kea-api-password"):
            assert server.run(f"stat -c '%U:%G %a' /etc/kea/{name}").strip() == "root:_kea 640", name
        for command in ("cat /etc/kea/kea-api-password", "cat /etc/kea/kea-dhcp4.conf"):
            assert server.shell.run(f"setpriv --reuid=nobody --regid=nogroup --clear-groups {command}").rc != 0


def test_the_header_says_who_manages_the_file(pair: Pair):
    head = pair.primary.run("head -n 3 /etc/kea/kea-dhcp4.conf")
    assert "keaops.kea" in head
    assert "Ansible" in head


def test_kea_itself_accepts_the_files(pair: Pair):
    for server in pair.servers:
        server.run("setpriv --reuid=_kea --regid=_kea --init-groups kea-dhcp4 -t /etc/kea/kea-dhcp4.conf")
        server.run("setpriv --reuid=_kea --regid=_kea --init-groups kea-ctrl-agent -t /etc/kea/kea-ctrl-agent.conf")


def test_only_the_expected_ports_are_open(pair: Pair):
    for server in pair.servers:
        lines = server.run("ss -H -ltn").splitlines()
        open_ports = {line.split()[3] for line in lines}
        assert {port for port in open_ports if not port.endswith(":22")} == {f"{server.address}:8000"}


def ask_partner(server, partner, password: str) -> str:
    """Send config-get the way the template's text does it; returns HTTP status and body."""
    token = base64.b64encode(f"kea-api:{password}".encode()).decode()
    script = (
        "import json, sys, urllib.request, urllib.error\n"
        'r = urllib.request.Request(sys.argv[1], b\'{"command": "config-get", "service": ["dhcp4"]}\','
        " {'Content-Type': 'application/json', 'Authorization': 'Basic ' + sys.argv[2]})\n"
        "try:\n    a = urllib.request.urlopen(r, timeout=10)\nexcept urllib.error.HTTPError as e:\n    a = e\n"
        "print(a.status, a.read().decode())\n"
    )
    return server.run("python3 -c %s %s %s", script, f"http://{partner.address}:8000/", token)


def test_config_get_in_both_directions(pair: Pair):
    for server, partner in (pair.servers, pair.servers[::-1]):
        password = partner.run("cat /etc/kea/kea-api-password")
        status, body = ask_partner(server, partner, password).split(" ", 1)
        assert status == "200"
        configuration = json.loads(body)[0]["arguments"]["Dhcp4"]
        assert [subnet["subnet"] for subnet in configuration["subnet4"]] == ["192.168.1.0/24"]
        assert password not in body
        assert ask_partner(server, partner, "wrong").startswith("401 ")


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


def test_failover_and_heal(pair: Pair):
    """The primary stops, the standby serves a known and a new client, the primary returns, the databases are equal."""
    mac = "02:00:00:00:0f:01"
    before = pair.lease("--mac", mac)
    pair.primary.run("systemctl stop kea-dhcp4-server")
    try:
        # Three clients that keep asking are what this profile needs to believe that the primary is gone.
        pair.client.run("dhcp-client stream --count 6 --rate 6 --timeout 45")
        pair.wait_for("silent", "partner-down")
        after = pair.lease("--mac", mac)
        assert after["server_id"] == "192.168.1.3"
        assert after["address"] == before["address"]
        fresh = pair.lease()
        assert fresh["server_id"] == "192.168.1.3"
        assert fresh["address"] != before["address"]
    finally:
        pair.primary.run("systemctl start kea-dhcp4-server")
    pair.healthy()
    assert fresh["address"] in pair.primary.leases()
    assert pair.primary.leases() == pair.standby.leases()
    assert pair.lease("--mac", mac)["server_id"] == "192.168.1.2"


def test_a_killed_server_comes_back_by_itself(pair: Pair):
    pid = pair.primary.pid()
    pair.primary.run(f"kill -9 {pid}")
    deadline = time.monotonic() + 30
    while pair.primary.pid() in (pid, "0"):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    pair.healthy()
