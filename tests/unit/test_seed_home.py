# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""inventories/home gives Kea's own home template, key by key, but for the deviations listed here and in the docs."""

from __future__ import annotations

import pytest
import seeds
from seeds import ABSENT, HA, Deviation

PASSWORD = "The template's agent obeys everybody on the network; kea_api_auth: false gives that back."
SINGLE = "Multi-threaded (the default since 2.4) Kea opens the peer's port itself, and the Control Agent cannot."

DHCP4 = (
    *seeds.DHCP4,
    Deviation("Dhcp4.multi-threading.enable-multi-threading", False, ABSENT, SINGLE, ("2.6", "3.0")),
    Deviation(f"{HA}.multi-threading.enable-multi-threading", False, ABSENT, SINGLE, ("2.6", "3.0")),
    Deviation(f"{HA}.peers[0].basic-auth-user", "kea-api", ABSENT, PASSWORD),
    Deviation(f"{HA}.peers[0].basic-auth-password-file", "/etc/kea/kea-api-password", ABSENT, PASSWORD),
    Deviation(f"{HA}.peers[1].basic-auth-user", "kea-api", ABSENT, PASSWORD),
    Deviation(f"{HA}.peers[1].basic-auth-password-file", "/etc/kea/kea-api-password", ABSENT, PASSWORD),
)
CTRL_AGENT = (
    *seeds.authentication("Control-agent.authentication", "kea-control-agent", PASSWORD),
    *seeds.CTRL_AGENT,
)
ROWS = {"dhcp4": DHCP4, "ca": CTRL_AGENT}
SECTIONS = {"dhcp4": "Home: kea-dhcp4.conf", "ca": "Home: kea-ctrl-agent.conf"}
# From Kea 3.0 on the template's way has to be asked for.
TEMPLATE = {"kea_ha_transport": "control_agent"}


@pytest.mark.parametrize("series", seeds.VERSIONS)
@pytest.mark.parametrize("daemon", ROWS)
@pytest.mark.parametrize("number", [1, 2])
def test_equals_the_template_but_for_the_listed_deviations(number, daemon, series):
    way = TEMPLATE if series == "3.0" else {}
    ours = seeds.rendered("home", f"dhcp{number}", daemon, seeds.VERSIONS[series], **way)
    found = seeds.differences(ours, f"home-server{number}-{daemon}.conf")
    assert found == seeds.expected(ROWS[daemon], series, number)


@pytest.mark.parametrize("daemon", ROWS)
def test_the_two_servers_differ_in_nothing_but_what_must(daemon):
    first, second = (seeds.flat(seeds.rendered("home", host, daemon, "2.6.3")) for host in ("dhcp1", "dhcp2"))
    differing = {path for path in {*first, *second} if first.get(path) != second.get(path)}
    assert differing == {"dhcp4": {f"{HA}.this-server-name"}, "ca": {"Control-agent.http-host"}}[daemon]


@pytest.mark.parametrize("version", ["3.0.4", "3.2.0"])
def test_from_three_on_the_same_inventory_gives_the_listener_with_tls(version):
    dhcp4 = seeds.flat(seeds.rendered("home", "dhcp1", "dhcp4", version))
    assert dhcp4[f"{HA}.peers[0].url"] == "https://192.168.1.2:8000/"
    assert dhcp4[f"{HA}.require-client-certs"] is True
    assert dhcp4[f"{HA}.restrict-commands"] is True
    assert dhcp4[f"{HA}.multi-threading.http-dedicated-listener"] is True
    assert dhcp4["Dhcp4.multi-threading.enable-multi-threading"] is True
    assert dhcp4["Dhcp4.control-sockets[1].socket-type"] == "https"


@pytest.mark.parametrize("daemon", ROWS)
def test_the_document_lists_the_same(daemon):
    assert sorted(seeds.documented(SECTIONS[daemon])) == sorted(row.line for row in ROWS[daemon])
