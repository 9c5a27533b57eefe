# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight as users meet it: ansible-playbook stops before any host is contacted and says everything at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import certs
import pytest
import yaml
from ansible_collections.keaops.kea.plugins.action import kea_preflight
from pairs import GROUP, HOSTS, SUBNET, examine, subnet

ROOT = Path(__file__).resolve().parents[2]
OFFLINE = [{"keaops.kea.kea_preflight": {"offline": True}, "run_once": True}]


def run(folder, group=None, dhcp1=None, dhcp2=None, tasks=None, args=(), text=None):
    """Run a play over the pair; the hosts' addresses lead nowhere, so that any contact would fail the run."""
    hosts = {"dhcp1": {**HOSTS["dhcp1"], **(dhcp1 or {})}, "dhcp2": {**HOSTS["dhcp2"], **(dhcp2 or {})}}
    inventory = {"kea": {"hosts": hosts, "vars": {**GROUP, **(group or {})}}}
    (folder / "hosts.yml").write_text(text or yaml.safe_dump(inventory), encoding="utf-8")
    play = [{"hosts": "all", "gather_facts": False, "tasks": tasks or OFFLINE}]
    (folder / "play.yml").write_text(yaml.safe_dump(play), encoding="utf-8")
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(folder / "hosts.yml")]
    done = subprocess.run(
        [*command, str(folder / "play.yml"), *args],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    # Where lines are broken depends on the version of ansible-core and the width of the terminal.
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_a_good_inventory_passes(tmp_path):
    code, output = run(tmp_path)
    assert code == 0, output
    assert "WARNING" not in output


HOLDS_WHEN = {
    "a pool outside the subnet": (
        subnet(pools=["10.0.1.10-10.0.1.99"]),
        ["dhcp1", "kea_subnets[0].pools[0]", "10.0.1.10-10.0.1.99", "192.168.1.0/24"],
    ),
    "a duplicate reservation": (
        subnet(reservations=[{"hw_address": f"1a:1b:1c:1d:1e:0{n}", "ip_address": "192.168.1.20"} for n in (1, 2)]),
        ["dhcp1", "kea_subnets[0].reservations[1].ip_address", "192.168.1.20", "duplicate"],
    ),
    "two primaries": ({"kea_ha_role": "primary"}, ["dhcp1, dhcp2", "kea_ha_role", "primary"]),
    "a partner without address": ({"ansible_host": "server2.example"}, ["dhcp2", "kea_ha_address", "192.168.1.2"]),
    "a typo in a variable": (
        {"kea_ha_hartbeat_delay": 10000},
        ["dhcp2", "kea_ha_hartbeat_delay", "kea_ha_heartbeat_delay"],
    ),
}


@pytest.mark.parametrize("name", HOLDS_WHEN)
def test_a_mistake_stops_the_run(tmp_path, name):
    changes, texts = HOLDS_WHEN[name]
    code, output = run(tmp_path, **({"group": changes} if "kea_subnets" in changes else {"dhcp2": changes}))
    assert code != 0
    assert "nothing was changed on any host" in output
    assert "Traceback" not in output
    for text in texts:
        assert text in output


def test_everything_is_said_at_once_and_read_by_people(tmp_path):
    group = {**subnet(pools=["10.0.1.10-10.0.1.99"], id=0), "kea_valid_lifetime": "{{ nope }}", "kea_pretty": 1}
    code, output = run(tmp_path, group, dhcp2={"kea_ha_role": "primary"})
    assert code != 0
    assert "5 errors and 0 warnings in the inventory" in output
    for check_id in ("P23", "P20", "V05", "V01", "P03"):
        assert f"[{check_id}]" in output
    assert "findings:" not in output


def test_warnings_do_not_stop(tmp_path):
    code, output = run(tmp_path, {"kea_api_auth": False})
    assert code == 0
    assert "everybody on the network can command the servers" in output


def test_limit_to_one_host_stops(tmp_path):
    code, output = run(tmp_path, args=["--limit", "dhcp1"])
    assert code != 0
    assert "dhcp2" in output
    assert "--limit kea" in output


def test_limit_may_be_allowed(tmp_path):
    tasks = [{"keaops.kea.kea_preflight": {"offline": True, "whole_pairs": False}, "run_once": True}]
    assert run(tmp_path, tasks=tasks, args=["--limit", "dhcp1"])[0] == 0


def test_hosts_nobody_asked_are_an_error_that_one_host_reports(tmp_path):
    code, output = run(tmp_path, tasks=[{"keaops.kea.kea_preflight": {"scope": "pair"}}], args=["--check"])
    assert code != 0
    assert "2 errors and 0 warnings in the pair kea" in output
    assert "See dhcp1." in output


def test_parts_for_who_registers(tmp_path):
    tasks = [
        {"keaops.kea.kea_preflight": {"offline": True}, "register": "found", "ignore_errors": True, "run_once": True},
        {
            "ansible.builtin.assert": {
                "that": [
                    "found is failed",
                    "found.counts.error == 1",
                    "found.findings[0].id == 'P03'",
                    "found.report | length == 1",
                ]
            },
            "run_once": True,
        },
    ]
    code, output = run(tmp_path, dhcp2={"kea_ha_role": "primary"}, tasks=tasks)
    assert code == 0, output


def test_a_mac_without_quotes(tmp_path):
    text = yaml.safe_dump({"kea": {"hosts": HOSTS, "vars": {**GROUP, "kea_subnets": [{**SUBNET, "reservations": []}]}}})
    text = text.replace("reservations: []", "reservations: [{hw_address: 12:34:56:11:22:33, ip_address: 192.168.1.10}]")
    code, output = run(tmp_path, text=text)
    assert code != 0
    assert '"12:34:56:11:22:33"' in output.replace("\\", "")


def test_the_password_is_never_shown(tmp_path):
    code, output = run(
        tmp_path, {"kea_api_password": "changeme-please-now", "kea_api_passwrd": "hidden-treasure"}, args=["-vvv"]
    )
    assert code != 0
    assert "kea_api_password" in output
    assert "kea_api_passwrd" in output
    assert "changeme-please-now" not in output
    assert "hidden-treasure" not in output


def test_wrong_options_are_refused(tmp_path):
    code, output = run(tmp_path, tasks=[{"keaops.kea.kea_preflight": {"scope": "some"}}])
    assert code != 0
    assert "scope" in output


def test_result_without_ansible():
    result = kea_preflight.summarise(examine({"kea_ha_role": "primary"}))
    assert result["failed"] is True
    assert result["msg"].splitlines()[0] == "1 error and 0 warnings in the inventory; nothing was changed on any host."
    assert result["findings"][0]["variable"] == "kea_ha_role"
    good = kea_preflight.summarise(examine({"kea_api_auth": False}))
    assert "failed" not in good
    assert len(good["warnings"]) == 1


def test_the_first_host_that_is_left_speaks():
    assert kea_preflight.speaker(["dhcp1", "dhcp2"], ["dhcp2"], "dhcp2") == "dhcp2"
    assert kea_preflight.speaker(["dhcp1", "dhcp2"], ["dhcp1", "dhcp2"], "dhcp2") == "dhcp1"
    assert kea_preflight.speaker(["dhcp1", "dhcp2"], [], "dhcp2") == "dhcp2"


# ---------------------------------------------------------------------------------------------------------------------
# certificates

TLS_FILES = {
    "kea_tls_enabled": True,
    "kea_tls_source": "files",
    "kea_tls_trust_anchor": "files/ca.pem",
    "kea_tls_cert_file": "files/{{ inventory_hostname }}.pem",
    "kea_tls_key_file": "files/{{ inventory_hostname }}.key",
}
VALID = {"start": -9999.0, "days": 9999.0}


def write_files(folder):
    """Write the files of TLS_FILES, and return them."""
    authority = certs.authority(**VALID)
    files = {"ca.pem": authority.pem}
    for host in ("dhcp1", "dhcp2"):
        entity = certs.leaf(host, issuer=authority, **VALID)
        files.update({f"{host}.pem": entity.pem, f"{host}.key": entity.key})
    (folder / "files").mkdir()
    for name, data in files.items():
        (folder / "files" / name).write_bytes(data)
    return files


BROKEN_FILES = {
    "the key as certificate": (
        lambda files: {"dhcp1.pem": files["dhcp1.key"]},
        "dhcp1: kea_tls_cert_file = 'files/dhcp1.pem': the file holds a private key, but should hold the host's"
        " certificate. Give the certificate here, and this file as kea_tls_key_file. [P35]",
    ),
    "a binary file": (
        lambda files: {"dhcp1.pem": certs.leaf("dhcp1", **VALID).der},
        "dhcp1: kea_tls_cert_file = 'files/dhcp1.pem': the file holds a certificate in the binary form DER, but should"
        " hold the host's certificate. Convert it to PEM: openssl x509 -inform DER -in files/dhcp1.pem -out"
        " certificate.pem. [P35]",
    ),
    "an expired one": (
        lambda files: {"dhcp2.pem": certs.leaf("dhcp2", issuer=certs.authority(**VALID), start=-99.0, days=-9.0).pem},
        "dhcp2: kea_tls_cert_file = 'files/dhcp2.pem': the certificate expired on 2026-05-23. Have it renewed, and give"
        " the new one. [P35]",
    ),
    "one of another CA": (
        lambda files: {"dhcp2.pem": certs.leaf("dhcp2", issuer=certs.authority("Another CA", **VALID), **VALID).pem},
        "dhcp2: kea_tls_cert_file = 'files/dhcp2.pem': the certificate was signed by CN=Another CA, but files/ca.pem"
        " holds CN=CA of the pair.",
    ),
    "an encrypted key": (
        lambda files: {"dhcp1.key": certs.leaf("dhcp1", issuer=certs.authority(**VALID), **VALID).encrypted_key},
        "dhcp1: kea_tls_key_file = 'files/dhcp1.key': the file holds an encrypted private key, but should hold the"
        " private key of the host's certificate. Kea cannot ask for a passphrase.",
    ),
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_a_broken_certificate_stops_the_run(tmp_path, name):
    change, text = BROKEN_FILES[name]
    files = write_files(tmp_path)
    for file, data in change(files).items():
        (tmp_path / "files" / file).write_bytes(data)
    code, output = run(tmp_path, TLS_FILES)
    assert code != 0
    assert "1 error and 0 warnings in the inventory; nothing was changed on any host." in output
    assert text in output
    assert "Traceback" not in output


def test_a_vaulted_key_is_read_with_the_password_of_the_run(tmp_path):
    files = write_files(tmp_path)
    (tmp_path / "files" / "dhcp1.key").write_bytes(certs.vaulted(files["dhcp1.key"], "vault"))
    (tmp_path / "password").write_text("vault")
    code, output = run(tmp_path, TLS_FILES, args=["--vault-password-file", str(tmp_path / "password")])
    assert code == 0, output
    code, output = run(tmp_path, TLS_FILES)
    assert code != 0
    assert "Give the vault password (--ask-vault-pass)" in output


def test_the_texts_of_a_host_in_a_play(tmp_path):
    files = write_files(tmp_path)
    (tmp_path / "files" / "dhcp2.key").write_bytes(certs.vaulted(files["dhcp2.key"], "vault"))
    (tmp_path / "password").write_text("vault")
    tasks = [
        {
            "ansible.builtin.set_fact": {"texts": "{{ hostvars | keaops.kea.tls_files(inventory_hostname, groups) }}"},
            "no_log": True,
        },
        {
            "ansible.builtin.assert": {
                "that": [
                    "texts.trust == [lookup('file', inventory_dir ~ '/files/ca.pem', rstrip=false)]",
                    "texts.private_key is search('BEGIN PRIVATE KEY')",
                ],
                "quiet": True,
            },
            "no_log": True,
        },
    ]
    args = ["--vault-password-file", str(tmp_path / "password"), "-vvv"]
    code, output = run(tmp_path, TLS_FILES, tasks=tasks, args=args)
    assert code == 0, output
    assert "PRIVATE KEY" not in output


def test_the_folder_of_the_ca_is_moved_by_a_play(tmp_path):
    folder = tmp_path / "pki"
    old, new = certs.authority("Old CA"), certs.authority("New CA")
    (folder / "next").mkdir(parents=True)
    for name, data in {
        "ca.pem": old.pem,
        "ca.key": old.encrypted_key,
        "next/ca.pem": new.pem,
        "next/ca.key": new.encrypted_key,
    }.items():
        (folder / name).write_bytes(data)

    def move(phase, *args, **more):
        task = {"keaops.kea.kea_tls_ca": {"path": str(folder), "phase": phase, **more}, "run_once": True}
        return run(tmp_path, tasks=[task], args=args)

    code, output = move("promote", "--check")
    assert (code, "changed=1" in output, (folder / "ca.pem").read_bytes()) == (0, True, old.pem), output
    code, output = move("promote")
    assert (code, "changed=1" in output, (folder / "ca.pem").read_bytes()) == (0, True, new.pem), output
    code, output = move("promote")
    assert (code, "changed=0" in output) == (0, True), output
    code, output = move("finish", in_use=[certs.leaf("dhcp1", issuer=old).text])
    assert code != 0
    assert "kea_tls_ca: a certificate of CN=Old CA is still in use, by CN=dhcp1: run site.yml first" in output
    code, output = move("begin", trusted=[old.text])
    assert (code, "changed=0" in output) == (0, True), output
    code, output = move("some")
    assert code != 0
    assert "phase" in output


@pytest.mark.parametrize(("name", "refused"), [("pki", True), (".pki", False)])
def test_a_ca_in_an_inventory_folder_is_refused(tmp_path, name, refused):
    folder = tmp_path / "inventory"
    folder.mkdir()
    (folder / "more.yml").write_text("web: {hosts: {web1: {}}}", encoding="utf-8")
    own = {"kea_tls_enabled": True, "kea_tls_ca_dir": str(folder / name)}
    code, output = run(tmp_path, own, args=["-i", str(folder)])
    assert (code != 0) == refused, output
    assert ("would take its files for hosts" in output) == refused
