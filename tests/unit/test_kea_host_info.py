# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host knows about Kea, and what a secret is."""

from __future__ import annotations

import functools
import json
import os
import socket

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _apply, _drift, _tls_host
from ansible_collections.keaops.kea.plugins.modules import kea_host_info, kea_secret
from fake_host import Host, config
from test_tls_host import CA, given

pytest_plugins = ("servers",)

PACKAGES = ["kea-dhcp4-server", "kea-ctrl-agent"]
POLICY = """kea-dhcp4-server:
  Installed: 2.6.3-1
  Candidate: 2.6.5-1
  Version table:
     2.6.5-1 500
kea-ctrl-agent:
  Installed: (none)
  Candidate: (none)
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host whose DHCPv4 server has its files in a temporary folder."""
    host = Host(tmp_path)
    daemon = _apply.DAEMONS["dhcp4"]._replace(path=host.path, executable=host.executable)
    monkeypatch.setattr(_apply, "DAEMONS", dict(_apply.DAEMONS, dhcp4=daemon))
    return host


def answering(host, monkeypatch, answers):
    """Have *host* give these outputs, by the command's first word."""
    real = host.run

    def run(argv, *arguments, **options):
        return _apply.Done(0, answers[argv[0]], "") if argv[0] in answers else real(argv, *arguments, **options)

    monkeypatch.setattr(host, "run", run)


def test_bare_host_is_no_failure(host):
    os.remove(host.executable)
    host.load, host.boot, host.systemd = "not-found", "", False
    facts = kea_host_info.gather(host, PACKAGES)
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["version"], facts["candidate"], facts["packages"]) == (None, None, {})
    assert facts["daemons"]["dhcp4"] == {
        "active": False,
        "enabled": False,
        "installed": False,
        "marker": False,
        "pid": None,
        "ha": None,
        "link": None,
        "subnet_ids": {},
        "subnets": None,
        "digest": None,
        "drift": {"file": [], "running": []},
    }
    assert facts["systemd"] is False
    assert {name: disk["free"] > 0 for name, disk in facts["disks"].items()} == {"leases": True, "logs": True}
    assert (facts["partner"], facts["leases"], facts["apparmor_rules"]) == (None, None, None)
    assert facts["firewall"] == {"rules": None, "unit": None, "loaded": False}


def test_debian_host_with_a_proven_server(host, monkeypatch):
    host.converge(config())
    listed = "ii \tkea-common\t2.6.3-1\nrc \tkea-admin\t2.6.3-1\nun \tkea\t\n"
    answering(host, monkeypatch, {"apt-cache": POLICY, "dpkg-query": listed})
    facts = kea_host_info.gather(host, PACKAGES)
    assert (facts["version"], facts["candidate"]) == ("2.6.3", "2.6.5-1")
    assert facts["candidates"] == {"kea-dhcp4-server": "2.6.5-1"}
    assert facts["packages"] == {"kea-common": "2.6.3-1"}
    assert facts["python_apt"] is False
    dhcp4 = facts["daemons"]["dhcp4"]
    assert dhcp4["active"] and dhcp4["enabled"] and dhcp4["marker"] and dhcp4["pid"] == host.pid
    assert dhcp4["ha"]["state"] == "hot-standby"
    host.put(config(2))
    assert kea_host_info.gather(host, PACKAGES)["daemons"]["dhcp4"]["marker"] is False
    assert facts["time"] <= facts["time_after"]


def test_whether_apt_can_be_asked_in_check_mode(host, monkeypatch):
    answering(host, monkeypatch, {"dpkg-query": "ii \tpython3-apt\t3.0.0\n"})
    facts = kea_host_info.gather(host, PACKAGES)
    assert (facts["python_apt"], facts["packages"]) == (True, {})
    assert kea_host_info.gather(host, ["python3-apt"])["packages"] == {"python3-apt": "3.0.0"}


def test_candidates_of_another_release_are_asked_for_by_name(host, monkeypatch):
    asked = []
    answering(host, monkeypatch, {"apt-cache": POLICY})
    answer = host.run
    monkeypatch.setattr(host, "run", lambda argv, *args, **kwargs: asked.append(argv) or answer(argv, *args, **kwargs))
    kea_host_info.gather(host, PACKAGES, release="forky")
    assert ["apt-cache", "-t", "forky", "policy", *PACKAGES] in asked


def test_certificates_in_use_are_told_but_not_their_key(host, tmp_path):
    store = _tls_host.Store(host, str(tmp_path / "tls"))
    host.run = functools.partial(_apply.System.run, host)
    entity = given()
    store.present(None, entity.text, entity.key.decode(), [CA.text], False)
    tls = kea_host_info.gather(host, PACKAGES, store.path)["tls"]
    assert (tls["current"], tls["certificate"], tls["trust"]) == ("1", entity.text, [CA.text])
    assert tls["key"]["problem"] is None and "PRIVATE" not in json.dumps(tls)
    assert kea_host_info.gather(host, PACKAGES, str(tmp_path / "elsewhere"))["tls"]["current"] is None


def test_running_server_is_held_against_what_was_applied(host):
    subnets = [{"id": 1, "subnet": "192.168.1.0/24", "pools": [{"pool": "192.168.1.100-192.168.1.199"}]}]
    content = config()
    content["Dhcp4"]["subnet4"] = subnets
    host.put(content)
    host.start()
    host.clock += 100
    marker = {"digest": _apply.digest_of(content), "kea_version": None}
    marker["running"] = _drift.remember(host, _apply.DAEMONS["dhcp4"], content, "/run/kea/x")
    host.write(os.path.join(host.state_dir, "dhcp4.json"), json.dumps(marker).encode(), (0, 0), 0o600)
    host.leases = [{"ip-address": "192.168.1.150", "subnet-id": 1, "state": 0, "cltt": 9e9, "valid-lft": 1}]
    facts = kea_host_info.gather(host, PACKAGES, running=True, subnets=[dict(subnets[0], id=2, subnet="10.0.0.0/8")])
    dhcp4 = facts["daemons"]["dhcp4"]
    assert dhcp4["subnets"] == {"192.168.1.0/24": {"id": 1, "pools": ["192.168.1.100-192.168.1.199"]}}
    assert dhcp4["drift"] == {"file": [], "running": []} and dhcp4["digest"] == marker["digest"]
    assert facts["leases"]["removed"] == [{"id": 1, "subnet": "192.168.1.0/24", "leases": 1}]
    host.tampered = {"valid-lifetime": 5}
    host.put(dict(content, Dhcp4=dict(content["Dhcp4"], subnet4=[])))
    dhcp4 = kea_host_info.gather(host, PACKAGES, running=True)["daemons"]["dhcp4"]
    assert dhcp4["drift"] == {"file": ["subnet4[1]: gone"], "running": ["valid-lifetime: was 4000, is 5"]}
    assert kea_host_info.gather(host, PACKAGES)["daemons"]["dhcp4"]["subnets"] is None


def test_the_subnets_given_are_not_returned(run_module, monkeypatch):
    seen = {}
    monkeypatch.setattr(kea_host_info, "gather", lambda system, **options: seen.update(options) or {})
    result = run_module(kea_host_info, {"running": True, "subnets": [{"id": 1}]})
    assert seen["subnets"] == [{"id": 1}] and seen["running"] is True
    assert "subnets" not in json.dumps(result)


def test_a_dhcp_socket_of_one_interface(tmp_path, host, monkeypatch):
    (tmp_path / "net").mkdir()
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   %d: 00000000:%s 00000000:0000 07 00000000:00000000 00:00000000 00000000  4242        0 %d 1 0\n"
    (tmp_path / "net" / "udp").write_text(head + row % (0, "0043", 77) + row % (1, "0043", 78) + row % (2, "0044", 79))
    said = (
        "UNCONN 0      0      0.0.0.0%virbr0:67         0.0.0.0:*    ino:77 sk:1 cgroup:/ <->\n"
        "UNCONN 0      0            0.0.0.0:67         0.0.0.0:*    uid:100 ino:78 sk:2 cgroup:/ <->\n"
    )
    answering(host, monkeypatch, {"ss": said})
    found = kea_host_info.listening(str(tmp_path), host)
    assert [(one["port"], one["interface"]) for one in found] == [(67, "virbr0"), (67, None), (68, None)]


def test_fedora_host(host, monkeypatch):
    answers = {"rpm": "kea\t2.6.3-2.fc42\nbash\t5\n", "dnf": "kea\t2.6.4-1.fc42\n"}
    answering(host, monkeypatch, answers)
    facts = kea_host_info.gather(host, ["kea"])
    assert (facts["packages"], facts["candidate"]) == ({"kea": "2.6.3-2.fc42"}, "2.6.4-1.fc42")


def test_server_that_does_not_answer(host):
    host.converge(config(fate="silent"))
    facts = kea_host_info.gather(host, PACKAGES)
    assert facts["daemons"]["dhcp4"]["active"] and facts["daemons"]["dhcp4"]["ha"] is None


def test_own_sockets_are_found_with_their_process():
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(("127.0.0.1", 0))
        found = kea_host_info.listening()
        for protocol, sock in (("tcp", tcp), ("udp", udp)):
            mine = [one for one in found if (one["protocol"], one["port"]) == (protocol, sock.getsockname()[1])]
            assert [one["address"] for one in mine] == ["127.0.0.1"]
            assert mine[0]["pid"] == os.getpid() and mine[0]["process"] and mine[0]["user"]


def test_addresses_in_the_kernels_notation(tmp_path):
    (tmp_path / "net").mkdir()
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   0: %s:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  4242        0 77 1 0\n"
    (tmp_path / "net" / "tcp").write_text(head + row % "0201A8C0")
    (tmp_path / "net" / "tcp6").write_text(head + row % "B80D0120000000000000000001000000")
    expected = {"protocol": "tcp", "port": 8000, "process": None, "pid": None, "user": "4242", "interface": None}
    assert kea_host_info.listening(str(tmp_path)) == [
        dict(expected, address="192.168.1.2"),
        dict(expected, address="2001:db8::1"),
    ]


def test_secret(tmp_path):
    path = tmp_path / "kea-api-password"
    assert kea_secret.read_secret(str(path)) == ""
    path.write_text("s3cret\n")
    assert kea_secret.read_secret(str(path)) == "s3cret"
    path.write_bytes(b"\xff")
    with pytest.raises(UnicodeError):
        kea_secret.read_secret(str(path))


def test_a_raspberry_pi_says_so(monkeypatch, tmp_path):
    system = _apply.System()
    monkeypatch.setattr(system, "read", lambda path: {"/proc/device-tree/model": b"Raspberry Pi 4 Model B\0"}.get(path))
    assert kea_host_info.board(system) == "Raspberry Pi 4 Model B"
    monkeypatch.setattr(system, "read", lambda path: None)
    assert kea_host_info.board(system) is None
    (tmp_path / "wlan0" / "wireless").mkdir(parents=True)
    (tmp_path / "eth0").mkdir()
    assert kea_host_info.wireless(tmp_path) == ["wlan0"]
