# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the deployed pair of the secure template is like: TLS on both sides, threads, files, and who may read them."""

from __future__ import annotations

import json
import re
import stat

import pytest
from conftest import Host, Pair, play
from forge import TLS, ca_dir
from locks import API, LISTENER, serial_of_file, serials, units

# Run as root and as another user: what can be opened, and the name of the error where it cannot.
OPEN = """
import errno, json, os, socket, sys
found = {}
for path in sys.argv[1:]:
    try:
        if path.endswith("socket"):
            socket.socket(socket.AF_UNIX).connect(path)
        elif os.path.isdir(path):
            os.listdir(path)
        else:
            open(path, "rb").read(1)
        found[path] = "open"
    except OSError as exc:
        found[path] = errno.errorcode[exc.errno]
print(json.dumps(found))
"""


def high_availability(server: Host) -> dict:
    """Return the HA configuration that runs."""
    for library in server.kea("config-get")["arguments"]["Dhcp4"]["hooks-libraries"]:
        if "libdhcp_ha" in library["library"]:
            return library["parameters"]["high-availability"][0]
    raise AssertionError(f"{server.name} runs without HA")


def test_services_run_and_start_with_the_host(pair: Pair):
    for server in pair.servers:
        for unit in ("kea-dhcp4-server", "kea-ctrl-agent"):
            runs = server.shell.run(f"systemctl is-active {unit}").stdout.strip() == "active"
            assert runs == (unit in units(pair)), f"{server.name}: {unit}"
        for unit in units(pair):
            assert server.run(f"systemctl is-enabled {unit}").strip() == "enabled"


def test_four_threads_work(pair: Pair):
    for server in pair.servers:
        configured = server.kea("config-get")["arguments"]["Dhcp4"]["multi-threading"]
        wanted = {"enable-multi-threading": True, "thread-pool-size": 4, "packet-queue-size": 64}
        assert {key: configured[key] for key in wanted} == wanted
        status = server.kea("status-get")["arguments"]
        assert status["multi-threading-enabled"] is True
        assert status["thread-pool-size"] == 4
        threads = int(re.search(r"Threads:\s+(\d+)", server.run(f"cat /proc/{server.pid()}/status")).group(1))
        # For packets, for the listener and for what is asked of the partner.
        assert threads >= 12
        between = high_availability(server)["multi-threading"]
        assert between["enable-multi-threading"] is True
        assert between["http-dedicated-listener"] is True


def test_the_partners_demand_certificates_of_each_other(pair: Pair):
    for server in pair.servers:
        running = high_availability(server)
        assert running["restrict-commands"] is True
        assert running["require-client-certs"] is True
        for key, name in (("trust-anchor", "trust"), ("cert-file", "cert.pem"), ("key-file", "key.pem")):
            assert running[key] == f"{TLS}/{name}"
        urls = sorted(peer["url"] for peer in running["peers"])
        assert urls == [f"https://192.168.1.{number}:{LISTENER}/" for number in (2, 3)]


def test_what_goes_over_the_lan_is_encrypted(pair: Pair):
    """The client's host is the LAN's switch: it sees every packet between the two servers."""
    capture = "timeout 20 tcpdump -i port1 -U -s 0 -w /tmp/capture tcp port 8000"
    process = pair.client.run(f"{capture} >/tmp/tcpdump 2>&1 & echo $!").strip()
    pair.client.run("until grep -q listening /tmp/tcpdump; do sleep 0.1; done")
    lease = pair.lease()
    # Somebody who does send in the clear is seen to.
    plain = "import socket; socket.create_connection(('192.168.1.2', 8000)).sendall(b'seen-in-the-clear')"
    pair.client.run("python3 -c %s", plain)
    pair.client.run(f"sleep 2; kill {process}; sleep 0.5")

    def seen(word: str) -> bool:
        return pair.client.shell.run("grep -c -a -F %s /tmp/capture", word).rc == 0

    assert seen("seen-in-the-clear")
    assert not [word for word in ("ha-heartbeat", "lease4-update", "HTTP/1.") if seen(word)]
    # A TLS record with data: type 23, version 3.3.
    assert pair.client.shell.run(r"grep -c -a -P '\x17\x03\x03' /tmp/capture").rc == 0
    assert lease["address"] in pair.standby.leases()


def test_only_the_expected_ports_are_open(pair: Pair):
    for server in pair.servers:
        sockets = {line.split()[3] for line in server.run("ss -H -ltn").splitlines()}
        expected = {f"{server.address}:{LISTENER}", f"{server.address}:{API}"}
        assert {each for each in sockets if not each.endswith(":22")} == expected


def test_every_port_shows_the_certificate_of_its_host(pair: Pair):
    shown = serials(pair)
    for server in pair.servers:
        for port in (LISTENER, API):
            assert shown[f"{server.name} {port}"] == serial_of_file(server)
    assert len(set(shown.values())) == 2


def test_files_have_their_modes(pair: Pair):
    for server in pair.servers:
        generation = server.run("readlink /etc/kea/tls/current").strip()
        assert re.fullmatch(r"\d+", generation)
        folder = f"/etc/kea/tls/{generation}"
        expected = {
            "/etc/kea/tls": "root:_kea 750",
            folder: "root:_kea 750",
            f"{folder}/cert.pem": "root:_kea 644",
            f"{folder}/key.pem": "root:_kea 640",
            f"{folder}/trust": "root:_kea 755",
            "/etc/kea/kea-dhcp4.conf": "root:_kea 640",
            "/etc/kea/kea-api-password": "root:_kea 640",
        }
        for path, mode in expected.items():
            assert server.run(f"stat -c '%U:%G %a' {path}").strip() == mode, f"{server.name}: {path}"
        assert len(server.run(f"ls {folder}/trust/*.pem").split()) == 1
        assert server.run(f"ls {folder}/trust | grep -cE '^[0-9a-f]{{8}}\\.0$'").strip() == "1"
        left = server.run("find /tmp /var/tmp /home /root -newer /etc/machine-id -name '*.pem' -o -name '*.key'")
        assert left == ""


def test_the_own_ca_is_closed_and_encrypted(pair: Pair):
    folder = ca_dir(pair)
    key = (folder / "ca.key").read_text()
    assert key.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    for path in (folder / "ca.key", folder / "passphrase"):
        if path.exists():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    # With a passphrase in the inventory none is written.
    assert (folder / "passphrase").exists() == (pair.suite == "forky")
    assert (folder / ".gitignore").read_text().splitlines()[-1] == "*"
    # Keys of hosts stay on the hosts.
    assert [path.name for path in folder.rglob("*") if b"PRIVATE KEY" in path.read_bytes() if path.is_file()] == [
        "ca.key"
    ]


@pytest.fixture(params=["primary", "standby"])
def visited(pair: Pair, request) -> Host:
    """A host with an ordinary user, `visitor`."""
    server = getattr(pair, request.param)
    server.run("id visitor >/dev/null 2>&1 || useradd --create-home visitor")
    return server


def test_a_local_user_sees_nothing(pair: Pair, visited: Host):
    paths = [
        f"{TLS}/key.pem",
        "/etc/kea/tls/current/",
        "/etc/kea/kea-api-password",
        "/etc/kea/kea-dhcp4.conf",
        "/etc/kea/kea-ctrl-agent.conf",
        "/var/lib/kea/kea-leases4.csv",
        "/var/log/kea/kea-dhcp4.log",
        "/run/kea/kea4-ctrl-socket",
        *(f"/proc/{visited.pid(unit)}/environ" for unit in units(pair)),
    ]
    paths = [path for path in paths if visited.shell.run("test -e %s", path).rc == 0]
    assert len(paths) >= 8
    as_visitor = visited.run("runuser -u visitor -- python3 -c %s " + " ".join(paths), OPEN)
    assert json.loads(as_visitor) == dict.fromkeys(paths, "EACCES")
    as_root = visited.run("python3 -c %s " + " ".join(paths), OPEN)
    assert json.loads(as_root) == dict.fromkeys(paths, "open")


def test_verify_asks_in_both_directions(pairs):
    run = play("playbooks/verify.yml")
    assert run.returncode == 0, run.stdout + run.stderr
