# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests ask of a pair with TLS: its ports, what they show on the wire, and attacks on them."""

from __future__ import annotations

import json
import re

from conftest import Host, Pair
from forge import TLS, Identity, ca_dir

LISTENER, API = 8000, 8001
PORTS = ("--listener", str(LISTENER), "--api", str(API))
LOOT = "/root/loot"


def units(pair: Pair) -> tuple[str, ...]:
    """Return the services: from Kea 3.0 on the DHCP server offers the API itself."""
    return ("kea-dhcp4-server",) if pair.suite == "forky" else ("kea-dhcp4-server", "kea-ctrl-agent")


def processes(pair: Pair) -> dict[str, str]:
    """Return the process of each service of a pair."""
    return {f"{server.name} {unit}": server.pid(unit) for server in pair.servers for unit in units(pair)}


def serial_on_the_wire(asker: Host, server: Host, port: int) -> str:
    """Return the serial number of the certificate that a port shows."""
    output = asker.run(
        f"openssl s_client -connect {server.address}:{port} </dev/null 2>/dev/null | openssl x509 -noout -serial"
    )
    return output.strip().removeprefix("serial=")


def serials(pair: Pair) -> dict[str, str]:
    """Return the serial number of each port of a pair, seen from the other host."""
    return {
        f"{server.name} {port}": serial_on_the_wire(pair.partner(server), server, port)
        for server in pair.servers
        for port in (LISTENER, API)
    }


def serial_of_file(server: Host) -> str:
    """Return the serial number of the certificate in place."""
    return server.run(f"openssl x509 -noout -serial -in {TLS}/cert.pem").strip().removeprefix("serial=")


def loot_of(pair: Pair, server: Host, forged: dict[str, Identity]) -> dict[str, bytes]:
    """Return the files for an attack on a server: its partner's certificate, the password, and forged ones."""
    partner = pair.partner(server)
    files = {
        "ca.pem": (ca_dir(pair) / "ca.pem").read_bytes(),
        "partner.pem": partner.file(f"{TLS}/cert.pem").encode(),
        "partner.key": partner.file(f"{TLS}/key.pem").encode(),
        "user": b"kea-api",
        "password": server.file("/etc/kea/kea-api-password").encode(),
    }
    for name, identity in forged.items():
        files |= {f"{name}.pem": identity.cert_pem, f"{name}.key": identity.key_pem}
    return files


def attack(pair: Pair, server: Host, what: str, *args: str) -> dict:
    """Run lab/attack on a server from the pair's client; returns its report, whatever the outcome."""
    command = ["attack", what, server.address, *args]
    if what != "scan":
        command += ["--files", f"{LOOT}/{server.name}"]
    result = pair.client.shell.run(" ".join("%s" for _ in command), *command)
    assert result.stdout.startswith("{"), f"{server.name}: {result.stdout}{result.stderr}"
    return json.loads(result.stdout)


def log_since(server: Host, moment: str, log: str = "kea-dhcp4") -> list[str]:
    """Return the lines of a daemon's log from a moment on, rotated files included; `2026-11-24 03:12:11`, UTC."""
    lines = server.run(f"cat /var/log/kea/{log}.log*").splitlines()
    return [line for line in lines if re.match(r"\d{4}-\d\d-\d\d ", line) and line[:19] >= moment]
