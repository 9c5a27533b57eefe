# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables become a pair: defaults, normal forms, and what is passed on."""

from __future__ import annotations

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _variables
from ansible_collections.keaops.kea.plugins.module_utils._model import RawHost, build_pair, normalise_identifier
from ansible_collections.keaops.kea.plugins.module_utils._options import parse_options
from pairs import GROUP, MISSING, SUBNET, build, facts, kea_info, raw_hosts, subnet


def test_defaults_are_those_of_the_template():
    pair, findings = build()
    assert findings == []
    settings = pair.settings
    assert [settings[f"kea_{name}"] for name in ("valid_lifetime", "renew_timer", "rebind_timer")] == [
        43200,
        21600,
        32400,
    ]
    assert settings["kea_ha_heartbeat_delay"] == 10000
    assert settings["kea_expired_leases_processing"]["hold-reclaimed-time"] == 172800
    assert (pair.mode, pair.transport, pair.tls, pair.api_port, pair.peers_authenticate) == (
        "hot-standby",
        "control_agent",
        False,
        8000,
        True,
    )


def test_the_primary_comes_first_wherever_it_stands():
    hosts = raw_hosts(dhcp1={"kea_ha_role": "standby"}, dhcp2={"kea_ha_role": "primary"})
    pair, _findings = build_pair("kea", hosts)
    assert [server.host for server in pair.servers] == ["dhcp2", "dhcp1"]
    assert pair.partner_of(pair.server("dhcp1")).host == "dhcp2"
    with pytest.raises(KeyError):
        pair.server("dhcp3")


def test_equal_subnets_are_read_once():
    pair, _findings = build()
    assert pair.servers[0].subnets is pair.servers[1].subnets


def test_an_empty_group_is_no_crash():
    pair, findings = build_pair("kea", [])
    assert (pair.servers, findings) == ([], [])


def test_address_sources():
    def address(own, known=None):
        pair, _findings = build(dhcp1=own, facts1=known)
        return pair.server("dhcp1").address, pair.server("dhcp1").address_source

    assert address({}) == ("192.168.1.2", "ansible_host")
    assert address({"kea_ha_address": "10.0.0.2"}) == ("10.0.0.2", "kea_ha_address")
    assert address({"ansible_host": "name"}, facts("192.168.1.9"))[0] == "192.168.1.9"
    assert address({"kea_ha_address": "2001:DB8::2"})[0] == "2001:db8::2"


@pytest.mark.parametrize(
    ("known", "variable", "expected"),
    [
        (None, None, ("2.6.3", "default")),
        (None, "2.2.0", ("2.2.0", "variable")),
        (None, 3.0, ("3.0", "variable")),
        (facts(kea=kea_info(version="2.2.0")), "3.0.4", ("2.2.0", "installed")),
        (facts(kea=kea_info(version=None)), "3.0.4", ("2.6.3", "candidate")),
        (facts(kea={}), None, ("2.6.3", "distribution")),
        (facts(kea={}, os_version="99"), "2.4.1", ("2.4.1", "variable")),
        (facts(kea={}, os_version="99"), None, (None, "unknown")),
    ],
)
def test_version_sources(known, variable, expected):
    pair, _findings = build(group={} if variable is None else {"kea_version": variable}, facts1=known)
    server = pair.server("dhcp1")
    assert (server.kea_version, server.version_source) == expected


@pytest.mark.parametrize(
    ("versions", "transport"),
    [
        (("2.2.0", "2.2.0"), "control_agent"),
        (("2.6.3", "2.6.3"), "control_agent"),
        (("3.0.4", "3.0.4"), "listener"),
        (("2.6.3", "3.0.4"), "control_agent"),
        (("2.6.3", "3.2.0"), "listener"),
        (("1.0", "3.0.4"), "listener"),
        (("1.0", "1.0"), "control_agent"),
    ],
)
def test_the_transport_and_tls_follow_the_versions(versions, transport):
    pair, _findings = build(dhcp1={"kea_version": versions[0]}, dhcp2={"kea_version": versions[1]})
    assert (pair.transport, pair.tls) == (transport, transport == "listener")


@pytest.mark.parametrize(
    ("transport", "enabled", "tls"),
    [
        ("listener", None, True),
        ("listener", False, False),
        ("control_agent", None, False),
        ("control_agent", True, True),
        (None, True, True),
    ],
)
def test_tls_by_transport(transport, enabled, tls):
    assert build({"kea_ha_transport": transport, "kea_tls_enabled": enabled})[0].tls is tls


def test_threads_keep_the_default_of_what_is_left_out():
    assert build()[0].settings["kea_multi_threading"] == {"thread-pool-size": 0, "packet-queue-size": 64}
    pair, findings = build({"kea_multi_threading": {"thread_pool_size": 4}})
    assert (pair.settings["kea_multi_threading"], findings) == ({"thread-pool-size": 4, "packet-queue-size": 64}, [])


@pytest.mark.parametrize(
    ("given", "port"), [(MISSING, 22), (2222, 2222), ("2222", 2222), (None, 22), ("ssh", 22), ([22], 22)]
)
def test_the_port_of_ssh(given, port):
    assert build(dhcp1={"ansible_port": given})[0].server("dhcp1").ssh_port == port


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("hw-address", "1a:1b:1c:1d:1e:1f", "1a:1b:1c:1d:1e:1f"),
        ("hw-address", "1A-1B-1C-1D-1E-1F", "1a:1b:1c:1d:1e:1f"),
        ("hw-address", "1A1B1C1D1E1F", "1a:1b:1c:1d:1e:1f"),
        ("client-id", "01:11:22", "01:11:22"),
        ("client-id", "'printer'", "'printer'"),
        ("duid", "00:01:02", "00:01:02"),
        ("circuit-id", "'port-7'", "'port-7'"),
        ("flex-id", "0x0a0b", "0a:0b"),
        ("hw-address", "'printer'", None),
        ("hw-address", "1a:1b:1c:1d:1e", None),
        ("hw-address", "1a1b.1c1d.1e1f", None),
        ("duid", "00", None),
        ("client-id", "printer", None),
        ("hw-address", True, None),
    ],
)
def test_identifiers(kind, value, expected):
    found, message, fix = normalise_identifier(kind, value)
    assert found == expected
    assert bool(message) == bool(fix) == (expected is None)


@pytest.mark.parametrize(
    "form", [["192.168.1.1"], "192.168.1.1", {"ip_addresses": ["192.168.1.1"]}, {"ip-address": "192.168.1.1"}]
)
def test_forms_of_a_relay(form):
    assert build(subnet(relay=form))[0].servers[0].subnets[0].relays == ["192.168.1.1"]


def test_keys_of_kea_are_passed_on_in_its_spelling():
    body = subnet(
        valid_lifetime=60,
        require_client_classes=["a_b"],
        user_context={"my_key": {"other_key": 1}},
        pools=[
            {
                "pool": "192.168.1.100 - 192.168.1.110",
                "client_class": "KNOWN",
                "option_data": {"ntp-servers": "192.168.1.1"},
            }
        ],
        reservations=[
            {
                "hw-address": "1a:1b:1c:1d:1e:1f",
                "ip_address": "192.168.1.10",
                "hostname": "printer.example.org",
                "client_classes": ["a"],
                "option_data": {"domain_name_servers": ["1.1.1.1"]},
            }
        ],
    )
    pair, findings = build(body)
    assert findings == []
    found = pair.servers[0].subnets[0]
    assert found.rest == {
        "valid-lifetime": 60,
        "require-client-classes": ["a_b"],
        "user-context": {"my_key": {"other_key": 1}},
    }
    assert found.pools[0].body == {
        "pool": "192.168.1.100-192.168.1.110",
        "option-data": [{"name": "ntp-servers", "data": "192.168.1.1"}],
        "client-class": "KNOWN",
    }
    assert found.reservations[0].body == {
        "hw-address": "1a:1b:1c:1d:1e:1f",
        "ip-address": "192.168.1.10",
        "hostname": "printer.example.org",
        "client-classes": ["a"],
        "option-data": [{"name": "domain-name-servers", "data": "1.1.1.1"}],
    }


def test_pool_as_network():
    pool = build(subnet(pools=["192.168.1.64/26"]))[0].servers[0].subnets[0].pools[0]
    assert (pool.last - pool.first + 1, pool.text) == (64, "192.168.1.64/26")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"routers": "192.168.1.1"}, [{"name": "routers", "data": "192.168.1.1"}]),
        ({"domain_name_servers": ["1.1.1.1", "9.9.9.9"]}, [{"name": "domain-name-servers", "data": "1.1.1.1,9.9.9.9"}]),
        (
            {"interface-mtu": 1400, "ip-forwarding": True},
            [
                {"name": "interface-mtu", "data": "1400"},
                {"name": "ip-forwarding", "data": "true"},
            ],
        ),
        (
            [{"name": "routers", "data": "192.168.1.1", "always_send": True}],
            [{"name": "routers", "data": "192.168.1.1", "always-send": True}],
        ),
        ([{"code": 224, "data": "0A0B", "csv-format": False}], [{"code": 224, "data": "0A0B", "csv-format": False}]),
        ([], []),
    ],
)
def test_forms_of_options(raw, expected):
    assert parse_options(raw) == (expected, [])


def test_values_from_the_command_line():
    pair, findings = build({"kea_accept_outage": "true"})
    assert findings == []
    assert pair.settings["kea_accept_outage"] is True
    _pair, findings = build({"kea_ha_port": "8000"})
    assert """-e '{"kea_ha_port": 8000}'""" in findings[0].text()


def test_null_is_unset_where_there_is_no_default():
    assert build({"kea_ha_address": None, "kea_version": None, "kea_ha_transport": None})[1] == []


def test_broken_variables_are_not_missed_again():
    hosts = raw_hosts()
    values = {key: value for key, value in hosts[0].vars.items() if key not in ("kea_subnets", "ansible_host")}
    hosts[0] = RawHost("dhcp1", values, None, frozenset({"kea_subnets", "ansible_host"}))
    assert [item.variable for item in build_pair("kea", hosts)[1]] == []


def test_partial_expired_leases_keep_the_rest():
    settings = build({"kea_expired_leases_processing": {"hold_reclaimed_time": 60}})[0].settings
    assert settings["kea_expired_leases_processing"] == {
        "reclaim-timer-wait-time": 3600,
        "hold-reclaimed-time": 60,
        "max-reclaim-leases": 0,
        "max-reclaim-time": 0,
    }


def test_the_table_of_variables_is_sound():
    names = [variable.name for variable in _variables.VARIABLES]
    assert len(names) == len(set(names))
    for variable in _variables.VARIABLES:
        assert variable.name.startswith("kea_")
        assert variable.description.endswith(".")
        assert variable.type in ("str", "int", "bool", "list", "dict", "raw")
        assert (variable.type == "list") == bool(variable.elements)
        assert not variable.required or variable.default is None


def test_the_defaults_of_the_table_are_never_changed():
    before = repr(_variables.VARIABLES)
    build({"kea_expired_leases_processing": {"hold_reclaimed_time": 60}, "kea_option_data": {"ntp-servers": "1.1.1.1"}})
    assert repr(_variables.VARIABLES) == before
    assert GROUP["kea_subnets"] == [SUBNET]
