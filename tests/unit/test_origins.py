# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings point into the files of the inventory, to the line that is to be changed."""

from __future__ import annotations

import pytest
from ansible.parsing.splitter import parse_kv
from ansible_collections.keaops.kea.plugins.plugin_utils import _origins
from real_inventory import Inventory

HOSTS = """\
kea:
  hosts:
    dhcp1: {ansible_host: 192.168.1.2, kea_ha_role: primary}
    dhcp2:
      ansible_host: 192.168.1.3
      kea_ha_role: standby
      kea_api_auth: false
  vars:
    kea_subnets:
      - id: 1
        subnet: 192.168.1.0/24
        option_data:
          domain-name-servers:
            - 1.1.1.1
            - "{{ dns }}"
    kea_dhcp4_extra:
      hooks-libraries:
        - library: x.so
    dns: 9.9.9.9
"""
GROUP_VARS = """\
# A comment.
kea_interfaces:
  - eth0
  - "{{ nope }}"
"""


@pytest.fixture
def origins(tmp_path):
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "kea.yml").write_text(GROUP_VARS, encoding="utf-8")
    made = Inventory(tmp_path, HOSTS)
    return _origins.Origins(made.hostvars, [str(tmp_path / "nowhere"), str(tmp_path)])


@pytest.mark.parametrize(
    ("host", "variable", "line"),
    [
        ("dhcp1", "kea_ha_role", 3),
        ("dhcp2", "kea_ha_role", 6),
        ("dhcp2", "kea_api_auth", 7),  # a truth value: only its key has a place
        ("dhcp1", "kea_subnets", 10),
        ("dhcp1", "kea_subnets[0].subnet", 11),
        ("dhcp1", "kea_subnets[0].option_data.domain-name-servers[0]", 14),
        ("dhcp1", "kea_subnets[0].option-data.domain-name-servers[1]", 15),
        ("dhcp1", "kea_dhcp4_extra.hooks-libraries[0].library", 18),
        ("dhcp1", "kea_subnets[0].pools", 10),  # what is missing: where it would stand
        ("dhcp1", "kea_subnets[7].pools[0]", 10),
        ("dhcp1", "kea_valid_lifetime", 3),  # a variable that is missing: the host
        ("dhcp2", "", 5),
        ("dhcp2", "--limit", 5),
    ],
)
def test_the_line_of_a_value(origins, tmp_path, host, variable, line):
    ((place, hosts),) = origins.places([host], variable).items()
    assert (place.path, place.line, hosts) == (str(tmp_path / "hosts.yml"), line, [host])


def test_a_file_of_variables_that_both_hosts_share(origins, tmp_path):
    ((place, hosts),) = origins.places(["dhcp1", "dhcp2"], "kea_interfaces[1]").items()
    assert place == (str(tmp_path / "group_vars" / "kea.yml"), 4, 5)
    assert hosts == ["dhcp1", "dhcp2"]


def test_hosts_with_values_of_their_own_have_places_of_their_own(origins):
    assert [(place.line, hosts) for place, hosts in origins.places(["dhcp1", "dhcp2"], "kea_ha_role").items()] == [
        (3, ["dhcp1"]),
        (6, ["dhcp2"]),
    ]


def test_what_was_not_written_in_the_inventory_has_no_line_in_it(tmp_path):
    made = Inventory(tmp_path, HOSTS)
    made.register("dhcp1", kea_pretty=1)
    found = _origins.Origins(made.hostvars).places(["dhcp1", "dhcp2"], "kea_pretty")
    assert found == {
        _origins.Place(str(tmp_path / "hosts.yml")): ["dhcp1"],
        # This host does not have it.
        _origins.Place(str(tmp_path / "hosts.yml"), 5, 21): ["dhcp2"],
    }


def test_what_all_hosts_lack_would_stand_in_no_line_of_a_host(origins, tmp_path):
    file = str(tmp_path / "hosts.yml")
    assert origins.places(["dhcp1", "dhcp2"], "kea_tls_enabled") == {_origins.Place(file): ["dhcp1", "dhcp2"]}
    assert [place.line for place in origins.places(["dhcp1", "dhcp2"], "kea_server_name")] == [3, 5]


def test_a_host_does_not_stand_where_its_groups_do(tmp_path):
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "kea.yml").write_text("kea_ha_role: primary\n", encoding="utf-8")
    made = Inventory(tmp_path, "kea: {hosts: {dhcp1: {}}}")
    origins = _origins.Origins(made.hostvars)
    assert list(origins.places(["dhcp1"], "")) == [(str(tmp_path / "hosts.yml"), None, None)]
    assert list(origins.places(["dhcp1"], "kea_ha_role")) == [(str(tmp_path / "group_vars" / "kea.yml"), 1, 14)]


def test_without_a_host_the_inventory_is_named(origins, tmp_path):
    assert origins.places([], "kea_pair") == {_origins.Place(str(tmp_path)): []}
    assert origins.places(["nobody"], "kea_pair") == {_origins.Place(str(tmp_path)): []}
    assert _origins.Origins({}, []).places([], "kea_pair") == {}


def test_what_was_typed_behind_e_stands_in_no_file(tmp_path):
    made = Inventory(tmp_path, HOSTS)
    (tmp_path / "more.yml").write_text("kea_interfaces: [eth0]\n", encoding="utf-8")
    made.variables._extra_vars = {
        **parse_kv("kea_pretty=maybe kea_subnets=none"),
        **made.loader.load_from_file(str(tmp_path / "more.yml")),
    }
    origins = _origins.Origins(made.hostvars, [str(tmp_path)], made.variables.extra_vars)
    assert origins.places(["dhcp1", "dhcp2"], "kea_pretty") == {}
    assert origins.places(["dhcp1"], "kea_subnets[0].pools") == {}
    assert origins.places([], "kea_pretty") == {}
    ((place, hosts),) = origins.places(["dhcp1"], "kea_interfaces[0]").items()
    assert (place.path, place.line, hosts) == (str(tmp_path / "more.yml"), 1, ["dhcp1"])
    assert [place.line for place in origins.places(["dhcp1"], "kea_ha_role")] == [3]


class _Noted(str):
    """A text as ansible-core 2.18 reads it from YAML."""

    ansible_pos = ("/inventory/hosts.yml", 12, 5)


class _Hostvars(dict):
    raw_get = dict.__getitem__


def test_ansible_core_2_18_notes_places_in_another_way(monkeypatch):
    monkeypatch.setattr(_origins, "Origin", None)
    hostvars = _Hostvars(dhcp1={"kea_ha_role": _Noted("primary"), "inventory_file": "/inventory/hosts.yml"})
    origins = _origins.Origins(hostvars)
    assert list(origins.places(["dhcp1"], "kea_ha_role")) == [("/inventory/hosts.yml", 12, 5)]


@pytest.mark.parametrize("origin", [None, object()])
def test_where_ansible_notes_nothing_the_file_of_the_host_is_named(monkeypatch, origin):
    monkeypatch.setattr(_origins, "Origin", origin)
    hostvars = _Hostvars(dhcp1={"kea_ha_role": "primary", "inventory_file": "/inventory/hosts.yml"})
    assert list(_origins.Origins(hostvars).places(["dhcp1"], "kea_ha_role")) == [("/inventory/hosts.yml", None, None)]
