# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host tells beyond Kea's packages: the partner as the server sees it, leases, disks, services, AppArmor."""

from __future__ import annotations

import os

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _apply, _live
from ansible_collections.keaops.kea.plugins.module_utils._api import Reply
from fake_host import Host, config

pytest_plugins = ("servers",)

ANSWER = (200, [{"result": 0, "arguments": {"pid": 1, "multi-threading-enabled": False}}])


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


@pytest.fixture
def asking():
    """A host that really asks."""
    return _apply.System()


def peers(url, **partner):
    """Return a running configuration whose partner is at *url*."""
    own = {"name": "server1", "url": "http://127.0.0.1:1/"}
    block = {"this-server-name": "server1", "peers": [own, {"name": "server2", "url": url, **partner}]}
    return {"hooks-libraries": [{"library": "libdhcp_ha.so", "parameters": {"high-availability": [block]}}]}


def test_the_partner_is_asked_as_the_server_itself_asks_it(asking, serve_http, tmp_path):
    server = serve_http(ANSWER)
    password = tmp_path / "password"
    password.write_text("of-the-api\n")
    known = peers(server.url, **{"basic-auth-user": "kea-api", "basic-auth-password-file": str(password)})
    assert _live.partner(asking, known) == {"url": server.url, "problem": None}
    request, headers = server.seen[0]
    assert request == {"command": "status-get", "service": ["dhcp4"]}
    assert headers["Authorization"] == "Basic a2VhLWFwaTpvZi10aGUtYXBp"


@pytest.mark.parametrize("name", ["server", "wrong-name"])
def test_the_partner_is_asked_over_tls(asking, serve_http, pki, name):
    """Kea itself checks no names."""
    server = serve_http(ANSWER, pki.context(name, client_certs=True))
    known = peers(server.url)
    block = known["hooks-libraries"][0]["parameters"]["high-availability"][0]
    block.update({"trust-anchor": pki("ca.pem"), "cert-file": pki("client.pem"), "key-file": pki("client.key")})
    assert _live.partner(asking, known) == {"url": server.url, "problem": None}
    block.update({"cert-file": pki("other-client.pem"), "key-file": pki("other-client.key")})
    assert "the server refuses client_cert" in _live.partner(asking, known)["problem"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((401, {"result": 401, "text": "Unauthorized"}), "HTTP 401"),
        ((200, [{"result": 1, "text": "unable to forward command to the dhcp4 service"}]), "unable to forward"),
    ],
)
def test_the_partner_refuses(asking, serve_http, answer, words):
    server = serve_http(answer)
    assert words in _live.partner(asking, peers(server.url))["problem"]


def test_the_partner_is_not_there(asking):
    assert "connection refused" in _live.partner(asking, peers("http://127.0.0.1:1/"))["problem"]
    missing = peers("http://127.0.0.1:1/", **{"basic-auth-user": "x", "basic-auth-password-file": "/no/such/file"})
    assert "/no/such/file" in _live.partner(asking, missing)["problem"]


@pytest.mark.parametrize("known", [{}, config(ha=False)["Dhcp4"]])
def test_no_partner(asking, known):
    assert _live.partner(asking, known) is None


SUBNET = {"id": 1, "subnet": "10.0.0.0/16", "pools": [{"pool": "10.0.0.1-10.0.255.254"}], "reservations": []}


def leases(number):
    return [
        {"ip-address": f"10.0.{at // 250}.{at % 250 + 1}", "subnet-id": 1, "state": 0, "cltt": 1000, "valid-lft": 9}
        for at in range(number)
    ]


@pytest.mark.parametrize(("number", "pages"), [(0, 1), (999, 1), (1000, 2), (2500, 3)])
def test_leases_are_counted_in_pages(host, number, pages):
    host.converge(config())
    host.leases = leases(number)
    found = _live.impact(host, "/run/kea/x", {"subnet4": [SUBNET]}, [dict(SUBNET, id=2, subnet="10.1.0.0/16")], 1000)
    assert sum(entry["leases"] for entry in found["removed"]) == number
    assert host.pages == pages


def test_leases_are_not_read_when_nothing_could_touch_them(host):
    host.converge(config())
    assert _live.impact(host, "/run/kea/x", {"subnet4": [SUBNET]}, [SUBNET], 1000) is None
    assert _live.impact(host, "/run/kea/x", {"subnet4": [SUBNET]}, [], 1000) is None
    assert _live.impact(host, "/run/kea/x", None, [SUBNET], 1000) is None
    assert host.pages == 0


def test_a_server_that_does_not_tell_its_leases(host, monkeypatch):
    host.converge(config())
    monkeypatch.setattr(host, "api", lambda *args: Reply(2, "'lease4-get-page' command not supported.", None))
    gone = [dict(SUBNET, id=2, subnet="10.1.0.0/16")]
    assert _live.impact(host, "/run/kea/x", {"subnet4": [SUBNET]}, gone, 1000) is None


def test_disks(tmp_path, monkeypatch):
    monkeypatch.setattr(_live, "LEASE_DIR", str(tmp_path / "not-there" / "yet"))
    found = _live.disks(None)
    assert found["leases"]["path"] == str(tmp_path / "not-there" / "yet")
    assert found["leases"]["free"] > 0 and found["leases"]["file_size"] == 0
    elsewhere = tmp_path / "elsewhere.csv"
    elsewhere.write_bytes(b"x" * 77)
    found = _live.disks({"lease-database": {"type": "memfile", "name": str(elsewhere)}})
    assert (found["leases"]["path"], found["leases"]["file_size"]) == (str(tmp_path), 77)
    assert _live.disks({"lease-database": {"type": "mysql", "name": "kea"}})["leases"]["path"].endswith("yet")


def unit(name, active="inactive", boot="disabled"):
    return f"Id={name}.service\nActiveState={active}\nUnitFileState={boot}\n"


TIMER = "Id=apt-daily-upgrade.timer\nActiveState=active\nUnitFileState=enabled\n"


def answering(host, monkeypatch, answers):
    """Have *host* give these outputs, by the command's first word; the others fail."""

    def run(argv, *arguments, **options):
        return _apply.Done(0, answers[argv[0]], "") if argv[0] in answers else _apply.Done(1, "none\n", "")

    monkeypatch.setattr(host, "run", run)


def test_services(host, monkeypatch):
    units = [unit("chrony", "active", "enabled"), unit("dnsmasq", "active"), unit("isc-dhcp-server", boot="generated")]
    units += [unit("systemd-networkd", "active", "enabled"), unit("NetworkManager", boot="enabled")]
    answering(host, monkeypatch, {"systemctl": "\n".join([*units, unit("dhcpd"), TIMER])})
    assert _live.services(host) == {
        "time": ["chrony"],
        "network": ["systemd-networkd"],
        "dhcp": {"dnsmasq": True, "isc-dhcp-server": False},
        "container": "",
        "upgrades": False,
    }
    answering(host, monkeypatch, {"systemctl": "", "systemd-detect-virt": "lxc\n"})
    assert _live.services(host) == {"time": [], "network": [], "dhcp": {}, "container": "lxc", "upgrades": False}


PERIODIC = "APT::Periodic::Unattended-Upgrade=1\n"


@pytest.mark.parametrize(
    ("settings", "installed", "expected"),
    [
        (PERIODIC, True, True),
        (PERIODIC, False, False),
        ("", True, False),
        (PERIODIC + "APT::Periodic::Enable=0\n", True, False),
        (PERIODIC + "Unattended-Upgrade::Package-Blacklist::=kea-\n", True, False),
        (PERIODIC + "Unattended-Upgrade::Package-Blacklist::=[\n", True, True),
        (PERIODIC + "Unattended-Upgrade::Package-Blacklist::=linux-\n", True, True),
    ],
)
def test_unattended_upgrades(host, monkeypatch, settings, installed, expected):
    answering(host, monkeypatch, {"systemctl": TIMER, "apt-config": settings})
    real = os.path.exists
    monkeypatch.setattr(host, "exists", lambda path: installed if path == _live._UPGRADES else real(path))
    assert _live.services(host)["upgrades"] is expected


PROFILE = b"""profile kea-dhcp4 /usr/sbin/kea-dhcp4 {
  include <abstractions/base>
  network inet dgram,
  /etc/kea/** r,
  /usr/sbin/kea-lfc Px,
  owner /run/lock/kea/logger_lockfile rwk,
  # /var/log/kea/other.log rw,
  #include <local/usr.sbin.kea-dhcp4>
}
"""


@pytest.mark.parametrize(
    ("loaded", "expected"),
    [
        (b"/usr/sbin/kea-dhcp4 (enforce)\n", True),
        (b"kea-lfc (enforce)\nkea-dhcp4 (enforce)\n", True),
        (b"kea-dhcp4 (complain)\n", False),
        (None, False),
    ],
)
def test_apparmor(host, monkeypatch, loaded, expected):
    files = {_live._PROFILES: loaded, _live._PROFILE: PROFILE, _live._LOCAL_PROFILE: b"/var/log/kea/mine.log* rwk,\n"}
    monkeypatch.setattr(host, "read", files.get)
    rules = [
        ["/etc/kea/**", "r"],
        ["/usr/sbin/kea-lfc", "Px"],
        ["/run/lock/kea/logger_lockfile", "rwk"],
        ["/var/log/kea/mine.log*", "rwk"],
    ]
    assert _live.apparmor_rules(host) == (rules if expected else None)
