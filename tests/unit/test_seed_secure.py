# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""inventories/secure gives Kea's own secure template, key by key, but for the deviations listed here and in docs."""

from __future__ import annotations

import pytest
import seeds
from seeds import ABSENT, HA, Deviation

OWN_FILES = (
    "Kea opens the files of every peer, so with the template each server would need the other one's private key;"
    " it does not start."
)
ETC = "AppArmor lets Kea read /etc/kea and not /usr/lib/kea; current is a link to the certificates in use."
HTTPS = "Kea ignores the scheme where TLS files are given; https says what is spoken."
RESTRICT = "Before Kea 3.0 the listener runs every command, not only those of high availability, unless told otherwise."
API = (
    "Since Kea 3.0 the server offers the API itself and the Control Agent is deprecated;"
    " kea_api: control_agent gives the template's agent."
)
PASSWORD = (
    "A certificate says that its holder is known to the CA, not who it is; kea_api_auth: false leaves it at that."
)

FILES = {
    "trust-anchor": "/etc/kea/tls/current/trust",
    "cert-file": "/etc/kea/tls/current/cert.pem",
    "key-file": "/etc/kea/tls/current/key.pem",
}
SOCKET = "Dhcp4.control-sockets[1]"
API_ROWS = (
    Deviation(f"{SOCKET}.socket-type", "https", ABSENT, API, ("3.0",)),
    Deviation(f"{SOCKET}.socket-address", "{address}", ABSENT, API, ("3.0",)),
    Deviation(f"{SOCKET}.socket-port", 8001, ABSENT, API, ("3.0",)),
    *seeds.authentication(f"{SOCKET}.authentication", "kea-dhcp4", API, ("3.0",)),
    *(Deviation(f"{SOCKET}.{key}", path, ABSENT, API, ("3.0",)) for key, path in FILES.items()),
    Deviation(f"{SOCKET}.cert-required", True, ABSENT, API, ("3.0",)),
)
DHCP4 = (
    *seeds.DHCP4,
    *API_ROWS,
    *(Deviation(f"{HA}.{key}", path, ABSENT, OWN_FILES) for key, path in FILES.items()),
    Deviation(f"{HA}.require-client-certs", True, ABSENT, OWN_FILES),
    Deviation(f"{HA}.restrict-commands", True, ABSENT, RESTRICT),
    *(
        row
        for index, address in ((0, "192.168.1.2"), (1, "192.168.1.3"))
        for row in (
            Deviation(f"{HA}.peers[{index}].url", f"https://{address}:8000/", f"http://{address}:8000/", HTTPS),
            Deviation(f"{HA}.peers[{index}].trust-anchor", ABSENT, "/usr/lib/kea/CA.pem", OWN_FILES),
            Deviation(f"{HA}.peers[{index}].cert-file", ABSENT, f"/usr/lib/kea/server{index + 1}_cert.pem", OWN_FILES),
            Deviation(f"{HA}.peers[{index}].key-file", ABSENT, f"/usr/lib/kea/server{index + 1}_key.pem", OWN_FILES),
            Deviation(f"{HA}.peers[{index}].require-client-certs", ABSENT, True, OWN_FILES),
        )
    ),
)
CTRL_AGENT = (
    *seeds.authentication("Control-agent.authentication", "kea-control-agent", PASSWORD),
    Deviation("Control-agent.trust-anchor", FILES["trust-anchor"], "/usr/lib/kea/CA.pem", ETC),
    Deviation("Control-agent.cert-file", FILES["cert-file"], "/usr/lib/kea/ca{n}_cert.pem", ETC),
    Deviation("Control-agent.key-file", FILES["key-file"], "/usr/lib/kea/ca{n}_key.pem", ETC),
    *seeds.CTRL_AGENT,
)
ROWS = {"dhcp4": DHCP4, "ca": CTRL_AGENT}
SECTIONS = {"dhcp4": "Secure: kea-dhcp4.conf", "ca": "Secure: kea-ctrl-agent.conf"}
# From Kea 3.0 on the template's agent has to be asked for.
TEMPLATE = {"kea_api": "control_agent"}


@pytest.mark.parametrize("series", seeds.VERSIONS)
@pytest.mark.parametrize("daemon", ROWS)
@pytest.mark.parametrize("number", [1, 2])
def test_equals_the_template_but_for_the_listed_deviations(number, daemon, series):
    way = TEMPLATE if (daemon, series) == ("ca", "3.0") else {}
    ours = seeds.rendered("secure", f"dhcp{number}", daemon, seeds.VERSIONS[series], **way)
    found = seeds.differences(ours, f"secure-server{number}-{daemon}.conf")
    assert found == seeds.expected(ROWS[daemon], series, number)


@pytest.mark.parametrize("number", [1, 2])
def test_with_the_agent_the_server_of_three_has_no_socket_on_the_network(number):
    ours = seeds.rendered("secure", f"dhcp{number}", "dhcp4", "3.0.4", **TEMPLATE)
    rows = [row for row in DHCP4 if row not in API_ROWS]
    assert seeds.differences(ours, f"secure-server{number}-dhcp4.conf") == seeds.expected(rows, "3.0", number)


@pytest.mark.parametrize("version", ["2.2.0", "2.6.3", "3.0.4", "3.2.0"])
def test_the_two_servers_differ_in_nothing_but_what_must(version):
    first, second = (seeds.flat(seeds.rendered("secure", host, "dhcp4", version)) for host in ("dhcp1", "dhcp2"))
    differing = {path for path in {*first, *second} if first.get(path) != second.get(path)}
    assert differing == {f"{HA}.this-server-name"} | ({f"{SOCKET}.socket-address"} if version >= "3" else set())


@pytest.mark.parametrize("daemon", ROWS)
def test_the_document_lists_the_same(daemon):
    assert sorted(seeds.documented(SECTIONS[daemon])) == sorted(row.line for row in ROWS[daemon])
