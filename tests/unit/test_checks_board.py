# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight says of watchdogs and fixed addresses."""

from __future__ import annotations

import pytest
from mistakes import expect_error, expect_silence, expect_warning, interfaces, live
from pairs import MISSING, facts, kea_info, subnet

PI = {"board": "Raspberry Pi 4 Model B Rev 1.4", "watchdog": True}
FIXED = {"kea_host_network": "networkd"}


def fixed(**changes):
    return {**FIXED, **changes}


def known(address="192.168.1.2", on=(), manager="networkd", carries=(), **kea):
    """Return the facts of a host whose one interface has addresses and a manager."""
    network = {"enp0s8": {"manager": manager, "carries": list(carries)}}
    named = interfaces(enp0s8=(True, *(on or [f"{address}/24"])))
    return facts(address, {**kea_info(), "network": network, **kea}, interfaces=named)


def partner():
    return known("192.168.1.3")


# ---------------------------------------------------------------------------------------------------------------------
# the watchdog


@pytest.mark.parametrize(
    ("seconds", "kea", "text"),
    [
        (
            15,
            {"watchdog": False},
            "dhcp1: kea_host_watchdog = '15': dhcp1 has no hardware watchdog, so nothing restarts it when it hangs."
            " Leave it out; a Raspberry Pi has one, unless /boot/firmware/config.txt says dtparam=watchdog=off. [V20]",
        ),
        (
            60,
            PI,
            "dhcp1: kea_host_watchdog = '60': dhcp1 is a Raspberry Pi 4 Model B Rev 1.4, whose watchdog counts to 15 s;"
            " some kernels refuse more, and the host then has none. Write kea_host_watchdog: 15. [V20]",
        ),
        (
            5,
            PI,
            "dhcp1: kea_host_watchdog = '5': a host that is merely busy may be silent for 5 s, and would be restarted."
            " Write kea_host_watchdog: 15. [V20]",
        ),
    ],
)
def test_a_watchdog_that_is_of_no_use(seconds, kea, text):
    found = live(facts1=facts(kea={**kea_info(), **kea}), dhcp1={"kea_host_watchdog": seconds})
    assert [(item.severity, item.text()) for item in found] == [("warning", text)]


def test_a_watchdog_that_is_of_use():
    assert live(facts1=facts(kea={**kea_info(), **PI}), dhcp1={"kea_host_watchdog": 15}) == []
    assert live(facts1=facts(kea={**kea_info(), "watchdog": True}), dhcp1={"kea_host_watchdog": 60}) == []
    expect_silence({"kea_host_watchdog": 15}, "V20")
    assert live(facts1=facts(kea={**kea_info(), "watchdog": False})) == []


def test_a_hasty_watchdog_is_seen_without_the_hosts():
    expect_warning({"dhcp1": {"kea_host_watchdog": 9}}, "V20", "dhcp1", "kea_host_watchdog", ["silent for 9 s"])


# ---------------------------------------------------------------------------------------------------------------------
# the address


def test_a_fixed_address_that_fits():
    expect_silence(FIXED, "V21")
    assert live(group=FIXED, facts1=known(), facts2=partner()) == []


@pytest.mark.parametrize(
    ("changes", "variable", "text"),
    [
        (
            {"group": fixed(), "dhcp1": {"kea_ha_address": "10.9.9.2"}},
            "kea_ha_address",
            "dhcp1: kea_ha_address = '10.9.9.2': the address is in no subnet of kea_subnets whose clients are on the"
            " spot, so its network is not known. Write an address in one of them, or leave kea_host_network out and set"
            " the address by hand. [V21]",
        ),
        (
            {"group": fixed(), "dhcp1": {"ansible_host": "10.9.9.2"}},
            "ansible_host",
            "dhcp1: ansible_host = '10.9.9.2': the address is in no subnet",
        ),
        (
            {"group": fixed(), "dhcp1": {"ansible_host": "192.168.1.255"}},
            "ansible_host",
            "this is the network or the broadcast address of 192.168.1.0/24. Write the address of a machine. [V21]",
        ),
        (
            {"dhcp1": fixed(kea_host_gateway="192.168.2.1")},
            "kea_host_gateway",
            "the router is not inside 192.168.1.0/24, where 192.168.1.2 is. Write for example kea_host_gateway:"
            " 192.168.1.1. [V21]",
        ),
        (
            {"dhcp1": fixed(kea_host_gateway="router")},
            "kea_host_gateway",
            "kea_host_gateway = 'router': not an IPv4 address. Write for example kea_host_gateway: 192.168.1.1. [V21]",
        ),
        (
            {"dhcp1": fixed(kea_host_gateway="192.168.1.2")},
            "kea_host_gateway",
            "no other machine in 192.168.1.0/24 has this address. Write for example kea_host_gateway:"
            " 192.168.1.1. [V21]",
        ),
        (
            {"dhcp1": fixed(kea_host_gateway="192.168.1.0")},
            "kea_host_gateway",
            "no other machine in 192.168.1.0/24 has this address",
        ),
        (
            {"dhcp1": fixed(kea_host_name_servers=["9.9.9.9", "dns.example"])},
            "kea_host_name_servers[1]",
            "kea_host_name_servers[1] = 'dns.example': not an IP address. Write for example kea_host_name_servers:"
            " [192.168.1.1]. [V21]",
        ),
    ],
)
def test_a_fixed_address_that_does_not_fit(changes, variable, text):
    expect_error(changes, "V21", "dhcp1", variable, [text])


def test_an_address_that_nobody_wrote_does_not_become_fixed():
    found = live(group=FIXED, dhcp1={"ansible_host": "server1.example"}, facts1=known(), facts2=partner())
    assert [item.text() for item in found] == [
        "dhcp1: kea_ha_address = '192.168.1.2': this is the default IPv4 address of the host, and nothing says that"
        " it is to stay its address. Write the fixed address as kea_ha_address. [V21]"
    ]


def test_an_interface_that_nobody_knows():
    group = {**FIXED, "kea_interfaces": ["*"], **subnet(interface=MISSING)}
    expect_silence(group, "V21")
    elsewhere = facts(interfaces=interfaces(enp0s8=(True, "10.0.0.1/24")))
    found = [item for item in live(group=group, facts1=elsewhere, facts2=partner()) if item.id == "V21"]
    assert [(item.host, item.severity) for item in found] == [("dhcp1", "error")]
    assert "which interface is in 192.168.1.0/24 is not known. Write it as kea_subnets[0].interface" in found[0].text()


def test_a_host_without_a_router():
    change = {**FIXED, **subnet(option_data={"domain-name-servers": ["9.9.9.9"]})}
    found = [item for item in live(group=change, facts1=known(), facts2=partner()) if item.id == "V21"]
    assert [(item.host, item.severity, item.variable) for item in found] == [
        (host, "warning", "kea_host_gateway") for host in ("dhcp1", "dhcp2")
    ]
    assert (
        "dhcp1 has no router from its next boot on: neither does anything say which, nor do clients in 192.168.1.0/24"
        " get one. Write for example kea_host_gateway: 192.168.1.1" in found[0].text()
    )


def test_a_host_with_a_router_elsewhere():
    host = known()
    host["interfaces"]["eth0"] = {"up": True, "ipv4": ["172.17.0.3/16"]}
    host["default_ipv4"] = "172.17.0.3"
    change = {**FIXED, **subnet(option_data={"domain-name-servers": ["9.9.9.9"]})}
    found = [item.host for item in live(group=change, facts1=host, facts2=partner()) if item.id == "V21"]
    assert found == ["dhcp2"]


def test_what_has_no_effect():
    change = {"dhcp1": {"kea_host_gateway": "192.168.1.1"}}
    expect_warning(change, "V21", "dhcp1", "kea_host_gateway", ["it has no effect without kea_host_network"])
    change = {"dhcp1": {"kea_host_name_servers": ["192.168.1.1"]}}
    text = "Set kea_host_network: networkd or networkmanager, or remove it"
    expect_warning(change, "V21", "dhcp1", "kea_host_name_servers", [text])


# ---------------------------------------------------------------------------------------------------------------------
# whether it can be set


NETWORK = "dhcp1: kea_host_network = '{}': "


@pytest.mark.parametrize(
    ("host", "wanted", "text"),
    [
        (
            {"manager": "networkmanager"},
            "networkd",
            "enp0s8 of dhcp1 is managed by NetworkManager. Write kea_host_network: networkmanager. [V22]",
        ),
        (
            {"manager": "networkd"},
            "networkmanager",
            "enp0s8 of dhcp1 is managed by systemd-networkd. Write kea_host_network: networkd. [V22]",
        ),
        (
            {"manager": None},
            "networkd",
            "enp0s8 of dhcp1 is managed by neither systemd-networkd nor NetworkManager. Take another interface, or"
            " leave kea_host_network out and set the address by hand. [V22]",
        ),
        (
            {"carries": ["enp0s8.20", "enp0s8.30"]},
            "networkd",
            "enp0s8 carries enp0s8.20, enp0s8.30, and the file of systemd-networkd that says so would not be read any"
            " more. Set the address in that file, and leave kea_host_network out. [V22]",
        ),
        (
            {"on": ["192.168.1.2/24", "10.0.0.1/24"]},
            "networkd",
            "from its next boot on dhcp1 would not have 10.0.0.1/24 on enp0s8 any more. Set all its addresses by hand,"
            " and leave kea_host_network out. [V22]",
        ),
    ],
)
def test_an_address_that_cannot_be_set(host, wanted, text):
    found = live(dhcp1={"kea_host_network": wanted}, facts1=known(**host), facts2=partner())
    assert [(item.severity, item.text()) for item in found] == [("error", NETWORK.format(wanted) + text)]


def test_a_profile_would_lose_the_password_of_a_wireless_network():
    host = known(manager="networkmanager", wireless=["enp0s8"])
    found = live(dhcp1={"kea_host_network": "networkmanager"}, facts1=host, facts2=partner())
    assert [item.id for item in found] == ["V22", "V18"]
    assert "enp0s8 is wireless, and the profile that is in use holds the password of its network" in found[0].text()


def test_an_address_on_another_interface():
    host = known(on=["192.168.1.57/24"])
    host["interfaces"]["br0"] = {"up": True, "ipv4": ["192.168.1.2/24"]}
    found = [item for item in live(dhcp1=FIXED, facts1=host, facts2=partner()) if item.id == "V22"]
    assert "192.168.1.2 is on br0 of dhcp1, not on enp0s8. Correct kea_interfaces" in found[0].text()


def test_what_does_not_stand_in_the_way():
    profile = {"kea_host_network": "networkmanager"}
    assert live(dhcp1=profile, facts1=known(manager="networkmanager", carries=["vlan20"]), facts2=partner()) == []
    local = known(on=["192.168.1.2/24", "169.254.7.7/16", "192.168.1.57/24"])
    assert live(dhcp1=FIXED, facts1=local, facts2=partner()) == []
    assert live(facts1=known(manager=None, carries=["vlan20"]), facts2=partner()) == []


# ---------------------------------------------------------------------------------------------------------------------
# an address that is not there yet


@pytest.mark.parametrize("on", [["192.168.1.57/24"], ["169.254.7.7/16"]])
def test_an_address_that_is_going_to_be_added_is_not_missed(on):
    """Neither as that of the partner's peer, nor as the one by which the subnet is reached."""
    host = known(on=on)
    assert live(dhcp1=FIXED, facts1=host, facts2=partner()) == []
    assert [item.id for item in live(facts1=host, facts2=partner()) if item.severity == "error"][0] == "P07"


def test_an_interface_without_any_address():
    host = known()
    host["interfaces"]["enp0s8"]["ipv4"] = []
    assert live(dhcp1=FIXED, facts1=host, facts2=partner()) == []
    host["interfaces"]["enp0s8"]["up"] = False
    assert [item.id for item in live(dhcp1=FIXED, facts1=host, facts2=partner())] == ["P26"]


def test_ansible_would_lose_the_host():
    host = {"ansible_host": "192.168.1.57", "kea_ha_address": "192.168.1.2", **FIXED}
    found = live(dhcp1=host, facts1=known(on=["192.168.1.57/24"]), facts2=partner())
    assert [(item.severity, item.text()) for item in found] == [
        (
            "warning",
            "dhcp1: ansible_host = '192.168.1.57': dhcp1 has this address until its next boot, and 192.168.1.2 from"
            " then on. Write ansible_host: 192.168.1.2 after this run; both work until then. [V23]",
        )
    ]


@pytest.mark.parametrize("reached", ["dhcp1.local", "127.0.0.1", "10.0.0.7", "192.168.1.2"])
def test_ansible_reaches_it_elsewhere(reached):
    host = {"ansible_host": reached, "kea_ha_address": "192.168.1.2", **FIXED}
    known_host = known(on=["192.168.1.57/24"])
    known_host["interfaces"]["wlan0"] = {"up": True, "ipv4": ["10.0.0.7/24"]}
    assert live(dhcp1=host, facts1=known_host, facts2=partner()) == []
