# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts say of themselves."""

from __future__ import annotations

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _findings
from ansible_collections.keaops.kea.plugins.module_utils._model import RawHost, build_pair
from mistakes import interfaces, live, loud
from pairs import SUBNET, facts, kea_info, raw_hosts


def test_healthy_hosts_have_no_findings():
    assert live() == []


def test_interface_missing_on_one_host():
    other = facts("192.168.1.3", interfaces=interfaces(eth0=(True, "192.168.1.3/24"), wlan0=(False,)))
    found = [item for item in live(facts2=other) if item.id == "P26"]
    assert [item.host for item in found] == ["dhcp2"]
    assert found[0].variable == "kea_interfaces[0]"
    assert "dhcp2 has eth0 (192.168.1.3/24), wlan0 (down)" in found[0].text()


@pytest.mark.parametrize(
    ("state", "text"),
    [((False, "192.168.1.3/24"), "is down"), ((True,), "has no IPv4 address")],
    ids=["down", "no IPv4"],
)
def test_interface_of_no_use(state, text):
    other = facts("192.168.1.3", interfaces=interfaces(enp0s8=state, eth1=(True, "192.168.1.3/24")))
    assert text in next(item for item in live(facts2=other) if item.id == "P26").text()


def test_any_interface_will_do_for_a_star():
    assert live(group={"kea_interfaces": ["*"]}) == []


def test_interface_narrowed_to_an_address():
    assert live(dhcp1={"kea_interfaces": ["enp0s8/192.168.1.2"]}) == []


def test_address_not_on_the_host():
    found = live(dhcp2={"kea_ha_address": "192.168.1.77"})
    assert [(item.id, item.host, item.value) for item in found] == [("P07", "dhcp2", "192.168.1.77")]
    assert "enp0s8 (192.168.1.3/24)" in found[0].text()


def test_default_address_of_the_host_is_the_last_choice():
    assert live(dhcp1={"ansible_host": "server1.example"}) == []


def test_subnet_neither_local_nor_relayed():
    remote = {"id": 2, "subnet": "10.0.0.0/24", "pools": ["10.0.0.10-10.0.0.20"]}
    found = live(group={"kea_subnets": [SUBNET, remote]})
    assert [(item.id, item.severity, item.host) for item in found] == [
        ("P27", "error", "dhcp1"),
        ("P27", "error", "dhcp2"),
    ]
    assert "relay" in found[0].fix
    relayed = {**remote, "relay": {"ip_addresses": ["10.0.0.1"]}}
    assert live(group={"kea_subnets": [SUBNET, relayed]}) == []


def test_port_in_use():
    taken = {"protocol": "tcp", "address": "0.0.0.0", "port": 8000, "process": "nginx"}
    found = live(facts2=facts("192.168.1.3", kea_info(sockets=[taken])))
    assert [(item.id, item.host, item.variable) for item in found] == [("P09", "dhcp2", "kea_ha_port")]
    assert "nginx" in found[0].text()


@pytest.mark.parametrize(
    "change",
    [{"process": "kea-ctrl-agent"}, {"process": None}, {"address": "127.0.0.1"}, {"port": 80}, {"protocol": "udp"}],
)
def test_port_not_in_use(change):
    taken = {"protocol": "tcp", "address": "192.168.1.3", "port": 8000, "process": "nginx", **change}
    assert live(facts2=facts("192.168.1.3", kea_info(sockets=[taken]))) == []


def test_unreachable_host():
    hosts = raw_hosts(facts1=facts("192.168.1.2"))
    pair, known = build_pair("kea", hosts)
    found = loud(_findings.check(pair, known, live=True))
    assert [(item.id, item.host) for item in found] == [("V13", "dhcp2")]
    assert "dhcp2" in found[0].fix


def test_host_that_says_why():
    hosts = raw_hosts(facts1=facts("192.168.1.2"))
    hosts[1] = RawHost("dhcp2", hosts[1].vars, None, trouble="the host cannot be asked: Missing sudo password")
    pair, known = build_pair("kea", hosts)
    assert "Missing sudo password" in _findings.check(pair, known, live=True)[0].text()


@pytest.mark.parametrize("change", [{"os_id": "alpine", "os_like": []}, {"architecture": "riscv64"}])
def test_unsupported_platform(change):
    found = [item for item in live(facts1=facts("192.168.1.2", **change)) if item.id == "V10"]
    assert [item.host for item in found] == ["dhcp1"]
    assert "Debian, Ubuntu and Raspberry Pi OS" in found[0].text()


def test_no_kea_to_install():
    nothing = {**kea_info(version=None, packages={}), "candidate": None}
    found = live(facts1=facts("192.168.1.2", nothing, os_version="11"))
    assert [(item.id, item.host) for item in found] == [("V14", "dhcp1")]


def test_unsupported_version_on_the_host():
    found = live(facts1=facts("192.168.1.2", kea_info(version="2.0.2")))
    assert [(item.id, item.host) for item in found] == [("V09", "dhcp1")]
    assert "2.0" in found[0].text()


def test_a_wireless_interface():
    other = facts("192.168.1.3", {**kea_info(), "wireless": ["enp0s8"]})
    found = live(facts2=other)
    assert [(item.id, item.severity, item.host, item.variable) for item in found] == [
        ("V18", "warning", "dhcp2", "kea_interfaces[0]")
    ]
    assert "iw dev enp0s8 set power_save off" in found[0].text()
    assert live(facts2=facts("192.168.1.3", {**kea_info(), "wireless": ["wlan0"]})) == []


@pytest.mark.parametrize(("wait", "ids"), [(0, ["V19"]), (60, [])])
def test_a_pi_waits_for_the_time(wait, ids):
    board = facts("192.168.1.2", {**kea_info(), "board": "Raspberry Pi 4 Model B Rev 1.4"})
    found = live(facts1=board, group={"kea_clock_wait": wait})
    assert [item.id for item in found] == ids
    assert all("Raspberry Pi 4 Model B" in item.text() and item.host == "dhcp1" for item in found)
