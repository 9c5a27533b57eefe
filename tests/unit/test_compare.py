# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing running configurations, in the form in which real daemons print them."""

from __future__ import annotations

import copy
import time

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _compare


def config(version="2.6", name="server1"):
    """Return what ``config-get`` of a home pair holds, with the defaults that the version fills in."""
    peers = [
        {
            "auto-failover": True,
            "basic-auth-password": f"secret of {name}",
            "basic-auth-user": "kea-api",
            "name": peer,
            "role": role,
            "url": f"http://192.168.1.{number}:8000/",
        }
        for number, (peer, role) in enumerate((("server1", "primary"), ("server2", "standby")), 2)
    ]
    relationship = {
        "heartbeat-delay": 1000,
        "max-ack-delay": 2000,
        "max-unacked-clients": 2,
        "mode": "hot-standby",
        "multi-threading": {"enable-multi-threading": False, "http-dedicated-listener": version != "2.2"},
        "peers": peers,
        "restrict-commands": version == "3.0",
        "this-server-name": name,
    }
    interface = "enp0s8" if name == "server1" else "eth0"
    subnet = {
        "id": 1,
        "interface": interface,
        "option-data": [
            {"always-send": False, "code": 3, "data": "192.168.1.1", "name": "routers", "space": "dhcp4"},
            {
                "always-send": False,
                "code": 6,
                "data": "1.1.1.1,9.9.9.9",
                "name": "domain-name-servers",
                "space": "dhcp4",
            },
        ],
        "pools": [{"option-data": [], "pool": "192.168.1.100-192.168.1.199"}],
        "reservations": [
            {"client-id": "01112233445566", "hostname": "", "ip-address": "192.168.1.11", "option-data": []},
            {"hw-address": "1a:1b:1c:1d:1e:1f", "hostname": "", "ip-address": "192.168.1.10", "option-data": []},
        ],
        "subnet": "192.168.1.0/24",
        "valid-lifetime": 43200,
    }
    hooks = "/usr/lib/x86_64-linux-gnu/kea/hooks/" if version == "2.2" else ""
    result = {
        "hooks-libraries": [
            {"library": f"{hooks}libdhcp_lease_cmds.so"},
            {"library": f"{hooks}libdhcp_ha.so", "parameters": {"high-availability": [relationship]}},
        ],
        "interfaces-config": {"interfaces": [interface], "re-detect": True},
        "lease-database": {"name": f"/var/lib/kea/{name}.csv", "type": "memfile"},
        "loggers": [{"name": "kea-dhcp4", "severity": "INFO" if name == "server1" else "DEBUG"}],
        "multi-threading": {"enable-multi-threading": False, "thread-pool-size": 0 if name == "server1" else 4},
        "option-data": [],
        "server-tag": name,
        "shared-networks": [],
        "subnet4": [subnet],
        "valid-lifetime": 43200,
    }
    if version == "2.2":
        result.update(
            {"control-socket": {"socket-name": "/run/kea/kea4-ctrl-socket"}, "ddns-use-conflict-resolution": True}
        )
    else:
        relationship["max-rejected-lease-updates"] = 10
        result.update({"allocator": "iterative", "stash-agent-options": False})
        subnet["allocator"] = "iterative"
        for option in subnet["option-data"]:
            option["never-send"] = False
    if version == "3.0":
        result.update({"cache-threshold": 0.25, "control-sockets": [{"socket-name": "/run/kea/kea4-ctrl-socket"}]})
    return result


def lines(first, second, same_version=True):
    """Return the differences as text."""
    return [item.text("dhcp1", "dhcp2") for item in _compare.compare(first, second, same_version)]


def ha(conf):
    return conf["hooks-libraries"][1]["parameters"]["high-availability"][0]


@pytest.mark.parametrize("first", ["2.2", "2.6", "3.0"])
@pytest.mark.parametrize("second", ["2.2", "2.6", "3.0"])
def test_the_hosts_of_a_pair_are_equal_over_all_versions(first, second):
    assert lines(config(first, "server1"), config(second, "server2"), first == second) == []


def edit_pool(conf):
    conf["subnet4"][0]["pools"][0]["pool"] = "192.168.1.100-192.168.1.198"


def remove_reservation(conf):
    del conf["subnet4"][0]["reservations"][1]


def move_reservation(conf):
    conf["subnet4"][0]["reservations"][1]["ip-address"] = "192.168.1.12"


def edit_option(conf):
    conf["subnet4"][0]["option-data"][1]["data"] = "1.1.1.1, 8.8.8.8"


def global_option(conf):
    conf["option-data"].append({"code": 42, "data": "192.168.1.1", "name": "ntp-servers", "space": "dhcp4"})


def vendor_option(conf):
    conf["option-data"].append({"code": 2, "data": "x", "name": "tftp", "space": "vendor-4491"})


def renumber(conf):
    conf["subnet4"][0]["id"] = 2


def move_subnet(conf):
    conf["subnet4"][0]["subnet"] = "10.0.0.0/24"


def another_subnet(conf):
    conf["subnet4"].append({"id": 7, "subnet": "10.0.7.0/24", "pools": []})


def lifetime(conf):
    conf["valid-lifetime"] = 7200


def mode(conf):
    ha(conf)["mode"] = "load-balancing"


def peer_url(conf):
    ha(conf)["peers"][1]["url"] = "http://192.168.1.4:8000/"


def peer_role(conf):
    ha(conf)["peers"][1]["role"] = "backup"


def third_peer(conf):
    ha(conf)["peers"].append({"name": "server3", "role": "backup", "url": "http://192.168.1.4:8000/"})


def ha_delay(conf):
    ha(conf)["max-unacked-clients"] = 0


def no_ha(conf):
    del conf["hooks-libraries"][1]


def another_hook(conf):
    conf["hooks-libraries"].append({"library": "libdhcp_flex_id.so", "parameters": {"identifier-expression": "'x'"}})


def client_class(conf):
    conf["client-classes"] = [{"name": "voip", "test": "true"}]


def shared_network(conf):
    conf["shared-networks"].append({"name": "floor", "subnet4": [conf["subnet4"].pop()]})


@pytest.mark.parametrize(
    "edit, expected",
    [
        (
            edit_pool,
            [
                "subnet4[1].pools[192.168.1.100-192.168.1.199]: only on dhcp1",
                "subnet4[1].pools[192.168.1.100-192.168.1.198]: only on dhcp2",
            ],
        ),
        (remove_reservation, ["subnet4[1].reservations[hw-address 1a:1b:1c:1d:1e:1f]: only on dhcp1"]),
        (
            move_reservation,
            [
                "subnet4[1].reservations[hw-address 1a:1b:1c:1d:1e:1f].ip-address: 192.168.1.10 on dhcp1, 192.168.1.12 "
                "on dhcp2"
            ],
        ),
        (
            edit_option,
            [
                "subnet4[1].option-data[domain-name-servers].data: 1.1.1.1,9.9.9.9 on dhcp1, 1.1.1.1, 8.8.8.8 on dhcp2",
            ],
        ),
        (global_option, ["option-data[ntp-servers]: only on dhcp2"]),
        (vendor_option, ["option-data[vendor-4491.tftp]: only on dhcp2"]),
        (renumber, ["subnet4[192.168.1.0/24].id: 1 on dhcp1, 2 on dhcp2"]),
        (move_subnet, ["subnet4[1].subnet: 192.168.1.0/24 on dhcp1, 10.0.0.0/24 on dhcp2"]),
        (another_subnet, ["subnet4[7]: only on dhcp2"]),
        (lifetime, ["valid-lifetime: 43200 on dhcp1, 7200 on dhcp2"]),
        (mode, ["high-availability.mode: hot-standby on dhcp1, load-balancing on dhcp2"]),
        (
            peer_url,
            [
                "high-availability.peers[server2].url: http://192.168.1.3:8000/ on dhcp1, http://192.168.1.4:8000/ on "
                "dhcp2"
            ],
        ),
        (peer_role, ["high-availability.peers[server2].role: standby on dhcp1, backup on dhcp2"]),
        (third_peer, ["high-availability.peers[server3]: only on dhcp2"]),
        (ha_delay, ["high-availability.max-unacked-clients: 2 on dhcp1, 0 on dhcp2"]),
        (no_ha, ["high-availability[server1+server2]: only on dhcp1"]),
        (another_hook, ["hooks-libraries[libdhcp_flex_id.so]: only on dhcp2"]),
        (client_class, ["client-classes[voip]: only on dhcp2"]),
        (shared_network, ["subnet4[1]: only on dhcp1", "shared-networks[floor]: only on dhcp2"]),
    ],
)
@pytest.mark.parametrize("same_version", [True, False])
def test_every_drift_is_found_and_named(edit, expected, same_version):
    first = config("2.6", "server1")
    second = config("2.6" if same_version else "3.0", "server2")
    edit(second)
    assert sorted(lines(first, second, same_version)) == sorted(expected)
    # The other direction tells the same, with the sides exchanged.
    assert len(lines(second, first, same_version)) == len(expected)


@pytest.mark.parametrize("same_version", [True, False])
def test_hooks_for_live_changes_count_between_equals_only(same_version):
    """During an upgrade to Kea 3.0 one server has them, and the other one cannot."""
    first, second = config("2.6", "server1"), config("2.6" if same_version else "3.0", "server2")
    second["hooks-libraries"] += [{"library": "libdhcp_subnet_cmds.so"}, {"library": "libdhcp_host_cmds.so"}]
    assert len(lines(first, second, same_version)) == (2 if same_version else 0)


def test_nested_differences_in_a_shared_network():
    first, second = config(), config()
    for conf in (first, second):
        shared_network(conf)
    second["shared-networks"][0]["subnet4"][0]["valid-lifetime"] = 1
    assert lines(first, second) == ["shared-networks[floor].subnet4[1].valid-lifetime: 43200 on dhcp1, 1 on dhcp2"]


@pytest.mark.parametrize(
    "key, one, other",
    [
        ("url", "http://192.168.1.2:8000", "http://192.168.1.2:8000/"),
        ("basic-auth-password", "a", "b"),
        ("cert-file", "/etc/kea/tls/a.pem", "/etc/kea/tls/b.pem"),
        ("key-file", "/etc/kea/tls/a.key", "/etc/kea/tls/b.key"),
        ("trust-anchor", "/etc/kea/ca.pem", "/usr/local/etc/kea/ca.pem"),
        ("basic-auth-password-file", "/etc/kea/p", "/usr/local/etc/kea/p"),
    ],
)
def test_what_may_differ_in_peers(key, one, other):
    first, second = config(), config()
    ha(first)["peers"][0][key], ha(second)["peers"][0][key] = one, other
    assert lines(first, second) == []


@pytest.mark.parametrize("pool", ["192.168.1.100 - 192.168.1.199", "192.168.1.100-192.168.1.199"])
def test_pool_spelling(pool):
    first, second = config(), config()
    second["subnet4"][0]["pools"][0]["pool"] = pool
    assert lines(first, second) == []
    first["subnet4"][0]["pools"][0]["pool"] = "192.168.1.128/25"
    second["subnet4"][0]["pools"][0]["pool"] = "192.168.1.128-192.168.1.255"
    assert lines(first, second) == []


def test_order_of_lists_does_not_matter():
    first, second = config(), config()
    for key in ("option-data", "reservations"):
        second["subnet4"][0][key].reverse()
    ha(second)["peers"].reverse()
    second["hooks-libraries"].reverse()
    assert lines(first, second) == []


def test_the_same_option_twice():
    first, second = config(), config()
    for conf in (first, second):
        conf["option-data"] = [
            {"name": "routers", "code": 3, "space": "dhcp4", "data": "10.0.0.1", "client-classes": ["a"]},
            {"name": "routers", "code": 3, "space": "dhcp4", "data": "10.0.0.2", "client-classes": ["b"]},
        ]
    second["option-data"][1]["data"] = "10.0.0.3"
    assert lines(first, second) == ["option-data[routers #2].data: 10.0.0.2 on dhcp1, 10.0.0.3 on dhcp2"]


def test_a_value_only_one_shows_counts_between_equal_versions_only():
    first, second = config(), config()
    second["renew-timer"] = 600
    second["empty"] = ""
    assert lines(first, second) == ["renew-timer: only on dhcp2"]
    assert lines(first, second, same_version=False) == []


def test_secrets_are_not_shown():
    first, second = config(), config()
    for conf, secret in ((first, "alpha"), (second, "beta")):
        conf["hooks-libraries"].append({"library": "libdhcp_x.so", "parameters": {"secret": secret, "limit": 1}})
    found = _compare.compare(first, second, True)
    assert [item.text("dhcp1", "dhcp2") for item in found] == [
        "hooks-libraries[libdhcp_x.so].parameters.secret: a hidden value on dhcp1, a hidden value on dhcp2"
    ]
    assert "alpha" not in repr(found)


def test_the_configurations_are_left_alone():
    first, second = config(), config("3.0", "server2")
    before = copy.deepcopy((first, second))
    renumber(second)
    expected = copy.deepcopy(second)
    _compare.compare(first, second)
    assert (first, second) == (before[0], expected)


def test_ten_thousand_reservations_are_fast():
    conf = config()
    conf["subnet4"][0]["reservations"] = [
        {"hw-address": f"00:00:00:00:{i // 256:02x}:{i % 256:02x}", "ip-address": f"10.0.{i // 256}.{i % 256}"}
        for i in range(10000)
    ]
    other = copy.deepcopy(conf)
    other["subnet4"][0]["reservations"].pop(5000)
    start = time.perf_counter()
    assert len(lines(conf, other)) == 1
    assert time.perf_counter() - start < 5


def test_high_availability_block():
    assert _compare.high_availability(config())["this-server-name"] == "server1"
    assert _compare.high_availability({}) is None
    assert _compare.high_availability({"hooks-libraries": [{"library": "libdhcp_ha.so"}]}) is None
