# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the deployed pair of the home template is like: services, files, ports, the API."""

from __future__ import annotations

import base64
import json
import re

import pytest
from conftest import Pair


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
        # A cloud image has a resolver of its own.
        lines = [line for line in server.run("ss -H -ltnp").splitlines() if '"systemd-resolve"' not in line]
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
