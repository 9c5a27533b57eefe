# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an inventory as they were written."""

from __future__ import annotations

import os

import pytest
import yaml
from ansible_collections.keaops.kea.plugins.module_utils._findings import check_run
from ansible_collections.keaops.kea.plugins.plugin_utils import _sources
from ansible_collections.keaops.kea.plugins.plugin_utils._inventory import plain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pairs import build

PASSWORD = "k3J!x9Qw7Lm2Zt5R"


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write the files of an inventory; return what is found in them: (id, severity, host, variable, value, text)."""
    monkeypatch.chdir(tmp_path)

    def write(files, mode=0o600):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            path.chmod(mode)
        found = check_run([], _sources.scan([str(tmp_path / "hosts.yml")], ""))
        return [(item.id, item.severity, item.host, item.variable, item.value, item.text()) for item in found]

    return write


HOSTS = """
kea:
  hosts:
    dhcp1:
      ansible_host: 192.168.1.2
      kea_ha_port: {port}
    dhcp2: {{ansible_host: 192.168.1.3}}
  vars: &vars
    kea_valid_lifetime: {lifetime}
    kea_subnets:
      - id: {id}
        pools: [192.168.1.100-192.168.1.199]
        reservations:
          - {{hw_address: 11:22:33:44:55:06, ip_address: 192.168.1.10}}
"""
GOOD = {"port": "8000", "lifetime": "43200", "id": "1"}


def test_a_good_inventory(written):
    assert written({"hosts.yml": HOSTS.format(**GOOD)}) == []


@pytest.mark.parametrize(
    ("change", "host", "variable", "texts"),
    [
        ({"port": "08000"}, "", "", []),
        ({"port": "010000"}, "dhcp1", "kea_ha_port", ["line 6", "octal, so this is 4096", "Write 10000, or 4096"]),
        ({"lifetime": "043200"}, "", "kea_valid_lifetime", ["line 9", "octal, so this is 18048", "Write 43200"]),
        (
            {"lifetime": "12:00:00"},
            "",
            "kea_valid_lifetime",
            ["base 60, so this is 43200", 'Write 43200, or "12:00:00"'],
        ),
        ({"id": "010"}, "", "kea_subnets[0].id", ["line 11", "so this is 8", "Write 10, or 8"]),
        ({"id": '"010"'}, "", "", []),
        ({"lifetime": "!!str 010"}, "", "", []),
    ],
    ids=str,
)
def test_numbers_that_are_others(written, change, host, variable, texts):
    found = written({"hosts.yml": HOSTS.format(**{**GOOD, **change})})
    if not texts:
        assert found == []
        return
    ((check_id, severity, whose, where, value, text),) = found
    assert (check_id, severity, whose, where) == ("V33", "error", host, variable)
    assert value == next(iter(change.values()))
    for part in ["hosts.yml", *texts]:
        assert part in text


def test_a_version_that_loses_its_zero(written):
    ((check_id, _severity, host, variable, value, text),) = written(
        {"hosts.yml": "{}", "host_vars/dhcp2.yml": "kea_version: 3.10"}
    )
    assert (check_id, host, variable, value) == ("V33", "dhcp2", "kea_version", "3.10")
    assert "so this is 3.1" in text
    assert 'Write "3.10", in quotes' in text
    assert written({"host_vars/dhcp2.yml": "kea_version: 2.6"}) == []


TIMES = {
    "2026-01-02 12:30:45": "2026-01-02T12:30:45",
    "2026-1-2 3:30:45": "2026-01-02T03:30:45",
    "2026-01-02t12:30:45Z": "2026-01-02T12:30:45+00:00",
}


@pytest.mark.parametrize("typed", TIMES)
def test_a_date_with_a_time_of_day(written, typed):
    content = f"kea: {{hosts: {{dhcp1: {{kea_dhcp4_extra: {{user-context: {{since: {typed}}}}}}}}}}}"
    assert plain(yaml.safe_load(typed)) == TIMES[typed]
    ((check_id, severity, host, variable, value, text),) = written({"hosts.yml": content})
    assert (check_id, severity, host, value) == ("V33", "error", "dhcp1", typed)
    assert variable == "kea_dhcp4_extra.user-context.since"
    assert f"in hosts.yml, line 1: YAML reads a date with a time of day, so this is {TIMES[typed]}." in text
    assert f'Write "{typed}", in quotes' in text


@pytest.mark.parametrize(
    "typed",
    ["2026-01-02", "2026-01-02T12:30:45", '"2026-01-02 12:30:45"', "2026-01-02 12:30", "2026-01-02 12:30:45 in Bern"],
)
def test_a_date_that_stays_what_it_was(written, typed):
    meant = plain(yaml.safe_load(typed))
    assert meant == typed.strip('"')
    assert written({"hosts.yml": f"kea: {{vars: {{kea_option_data: {{domain-name: {typed}}}}}}}"}) == []


DOUBLES = {
    "a variable": ("kea: {vars: {kea_ha_port: 8000, kea_ha_port: 8001}}", "", "kea_ha_port"),
    "a variable of a host": ("kea: {hosts: {dhcp1: {kea_ha_port: 8000,\n kea_ha_port: 8001}}}", "dhcp1", "kea_ha_port"),
    "a key of a subnet": ("kea: {vars: {kea_subnets: [{id: 1}, {id: 1, id: 2}]}}", "", "kea_subnets[1].id"),
    "all variables": ("kea:\n  vars: {kea_ha_port: 1}\n  hosts: {a: }\n  vars: {x: 1}", "", "vars"),
    "a host": ("kea: {hosts: {dhcp1: {x: 1}, dhcp1: {kea_ha_port: 1}}}", "", "dhcp1"),
}


@pytest.mark.parametrize("name", DOUBLES)
def test_keys_that_stand_twice(written, name):
    content, host, variable = DOUBLES[name]
    ((check_id, severity, whose, where, value, text),) = written({"hosts.yml": content})
    assert (check_id, severity, whose, where, value) == ("V33", "error", host, variable, "")
    for part in ("stands twice in hosts.yml, lines ", "YAML keeps the last one", "Keep one of them"):
        assert part in text


@pytest.mark.parametrize(
    "content",
    [
        "web: {vars: {port: 1, port: 2}}",
        "kea: {vars: {kea_subnets: [{id: 1}, {id: 2}]}}",
        "kea: {hosts: {a: &a {kea_ha_port: 1}, b: {<<: *a, <<: *a}}}",
        "{? [1, 2] : 3, kea_ha_port: 1}",
        "- [1, 2\nkea_ha_port: 010",
        "[kea]\ndhcp1 kea_ha_port=010\n",
        "#!/bin/sh\nkea_ha_port: 010\n",
        "$ANSIBLE_VAULT;1.1;AES256\n313233\n",
        "\x00",
    ],
)
def test_what_is_none_of_our_business(written, content):
    assert written({"hosts.yml": content}) == []


def test_all_files_are_read_once(tmp_path, written):
    bad = "kea_ha_port: 010"
    files = {
        "hosts.yml": "{}",
        "group_vars/kea.yml": bad,
        "group_vars/all/more.yaml": bad,
        "group_vars/all/bare": bad,
        "group_vars/all/.hidden.yml": bad,
        "group_vars/all/old.yml~": bad,
        "group_vars/all/notes.txt": bad,
        "host_vars/dhcp1/x.json": '{"kea_ha_port": 010}',
    }
    found = written(files)
    assert len(found) == 4
    assert [item[2] for item in found if item[2]] == ["dhcp1"]
    # A folder as inventory, given twice, and the folder of the playbook are no more files.
    sources = _sources.scan([str(tmp_path), str(tmp_path / "hosts.yml")], str(tmp_path))
    assert len(sources.octal) == 4


# ---------------------------------------------------------------------------------------------------------------------
# secrets


@pytest.mark.parametrize(("mode", "severity"), [(0o644, "warning"), (0o640, "info"), (0o600, "info")])
def test_a_secret_in_clear_text(written, mode, severity):
    ((check_id, found, host, variable, value, text),) = written(
        {"hosts.yml": f"kea: {{hosts: {{dhcp1: {{kea_api_password: '{PASSWORD}'}}}}}}"}, mode
    )
    assert (check_id, found, host, variable, value) == ("P42", severity, "dhcp1", "kea_api_password", "")
    assert "clear text in hosts.yml, line 1" in text
    assert ("everybody here can read" in text) == (severity == "warning")
    assert "encrypt_string --name kea_api_password" in text
    assert "chmod 600 hosts.yml" in text
    assert PASSWORD not in text


@pytest.mark.parametrize("password", ["0127765", "12:30:45", "2026-01-02 12:30:45"])
def test_a_secret_that_yaml_made_another_is_not_told(written, password):
    ((check_id, _severity, _host, variable, value, text),) = written(
        {"hosts.yml": f"kea: {{vars: {{kea_api_password: {password}}}}}"}
    )
    assert (check_id, variable, value) == ("P42", "kea_api_password", "")
    assert not any(form in text for form in (password, "45045", "2026"))


def test_a_secret_that_is_taken_from_another_variable(written):
    files = {
        "hosts.yml": "kea: {vars: {kea_tls_ca_passphrase: '{{ vault_passphrase }}'}}",
        "group_vars/all/vault.yml": f"vault_passphrase: {PASSWORD}\nvault_of_others_password: x",
    }
    ((check_id, _severity, _host, variable, _value, text),) = written(files, 0o644)
    assert (check_id, variable) == ("P42", "vault_passphrase")
    assert "group_vars/all/vault.yml, line 1" in text
    assert written({**files, "group_vars/all/vault.yml": "$ANSIBLE_VAULT;1.1;AES256\n313233\n"}, 0o644) == []


@pytest.mark.parametrize(
    "value",
    ["!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  313233", "\"{{ lookup('ansible.builtin.env', 'X') }}\"", "", "~"],
)
def test_a_secret_that_is_none(written, value):
    assert written({"hosts.yml": "{}", "group_vars/kea.yml": f"kea_api_password: {value}\n"}, 0o644) == []


@pytest.mark.parametrize(
    ("content", "mode", "count"), [(b"key", 0o644, 1), (b"key", 0o600, 0), (b"$ANSIBLE_VAULT;1.1;AES256\n31", 0o644, 0)]
)
def test_a_private_key(tmp_path, content, mode, count):
    (tmp_path / "dhcp1.key").write_bytes(content)
    (tmp_path / "dhcp1.key").chmod(mode)
    own = {"kea_tls_source": "files", "kea_tls_enabled": True}
    pair, _known = build(own, dhcp1={"kea_tls_key_file": "dhcp1.key"}, dhcp2={"kea_tls_key_file": "missing.key"})
    sources = _sources.Sources()
    _sources.note_keys(sources, [pair], str(tmp_path))
    found = check_run([], sources)
    assert [(item.id, item.severity, item.host, item.variable, item.value) for item in found] == [
        ("P42", "warning", "dhcp1", "kea_tls_key_file", "dhcp1.key")
    ] * count
    assert all("command the servers" in item.message for item in found)


def test_a_file_that_cannot_be_read(tmp_path):
    os.symlink(tmp_path / "nowhere.yml", tmp_path / "hosts.yml")
    assert check_run([], _sources.scan([str(tmp_path / "hosts.yml"), str(tmp_path / "missing")], "")) == []


TREE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("010") | st.just("1:20"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("kea_x"), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREE, st.booleans())
def test_what_yaml_writes_it_reads_as_it_was(tmp_path, tree, flow):
    (tmp_path / "hosts.yml").write_text(
        yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True), encoding="utf-8"
    )
    assert check_run([], _sources.scan([str(tmp_path / "hosts.yml")], "")) == []
