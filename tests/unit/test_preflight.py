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
        # As it is without an ansible.cfg; that of this clone refuses to read the file.
        "ANSIBLE_DUPLICATE_YAML_DICT_KEY": "warn",
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


def playbook(folder, name, *args):
    """Run a playbook of the collection over the pair; both hosts are this machine, and Kea is on none."""
    here = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    hosts = {host: {**values, **here} for host, values in HOSTS.items()}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"kea": {"hosts": hosts, "vars": GROUP}}), encoding="utf-8")
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(folder / "hosts.yml")]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(
        [*command, str(ROOT / "playbooks" / name), *args],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("name", ["site.yml", "render.yml", "rotate_certs.yml", "verify.yml"])
def test_half_a_pair_is_refused_by_what_acts_on_pairs(tmp_path, name):
    code, output = playbook(tmp_path, name, "--limit", "dhcp1")
    assert code != 0
    assert "dhcp2: --limit: dhcp2 of the pair kea is not in this run" in output
    assert "--limit kea" in output
    assert "nothing was changed on any host" in output
    assert not (tmp_path / "rendered").exists()


def test_half_a_pair_may_be_looked_at(tmp_path):
    code, output = playbook(tmp_path, "status.yml", "--limit", "dhcp1")
    assert code == 0, output
    assert "pair kea" in output
    assert "--limit kea" not in output


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
                    "found.report | length == 2",
                ]
            },
            "run_once": True,
        },
    ]
    code, output = run(tmp_path, dhcp2={"kea_ha_role": "primary"}, tasks=tasks)
    assert code == 0, output


def test_what_stands_twice_or_means_something_else_stops(tmp_path):
    text = yaml.safe_dump({"kea": {"hosts": HOSTS, "vars": GROUP}}) + "    kea_ha_port: 010000\n    kea_ha_port: 8000\n"
    code, output = run(tmp_path, text=text)
    assert code != 0
    assert "2 errors and 0 warnings in the inventory" in output
    assert "kea_ha_port: the key stands twice in" in output
    assert "kea_ha_port = '010000': in" in output
    assert "octal, so this is 4096" in output


def test_accepted_findings_keep_their_reason(tmp_path):
    group = {"kea_api_auth": False, "kea_preflight_ignore": {"P13": "a bench without a network"}}
    tasks = [
        {"keaops.kea.kea_preflight": {"offline": True}, "register": "found", "run_once": True},
        {
            "ansible.builtin.assert": {
                "that": [
                    "found.counts == {'error': 0, 'warning': 0, 'info': 1}",
                    "found.findings[0].id == 'P13'",
                    "found.findings[0].fix == 'Accepted by kea_preflight_ignore: a bench without a network'",
                ]
            },
            "run_once": True,
        },
    ]
    code, output = run(tmp_path, group, tasks=tasks)
    assert code == 0, output
    assert "WARNING" not in output


def test_a_clear_text_password_that_everybody_can_read_is_a_warning(tmp_path):
    code, output = run(tmp_path, {"kea_api_password": "k3J!x9Qw7Lm2Zt5R"})
    assert code == 0, output
    assert "[WARNING]: kea_api_password: it stands in clear text in" in output
    assert "k3J!x9Qw7Lm2Zt5R" not in output


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


def leaf(host, issuer=None, **changes):
    """Return a good certificate of the host of a pair; the last letter of its name is its number."""
    number = int(host[-1])
    names = (f"IP:192.168.1.{number + 1}", f"DNS:{host}", f"DNS:server{number}")
    return certs.make(host, issuer or certs.authority(**VALID), names=names, **{**VALID, **changes})


def write_files(folder, names=("dhcp1", "dhcp2")):
    """Write the files of TLS_FILES, and return them."""
    authority = certs.authority(**VALID)
    files = {"ca.pem": authority.pem}
    for host in names:
        entity = leaf(host)
        files.update({f"{host}.pem": entity.pem, f"{host}.key": entity.key})
    (folder / "files").mkdir()
    for name, data in files.items():
        (folder / "files" / name).write_bytes(data)
        (folder / "files" / name).chmod(0o600)
    return files


# The file that is replaced, with what, and what must be said.
BROKEN_FILES = {
    "the key as certificate": (
        "a1.pem",
        lambda files: files["a1.key"],
        "a1: kea_tls_cert_file = 'files/a1.pem': the file holds a private key, but should hold the host's"
        " certificate. Give the certificate here, and this file as kea_tls_key_file. [P35]",
    ),
    "a binary file": (
        "b1.pem",
        lambda _files: leaf("b1").der,
        "b1: kea_tls_cert_file = 'files/b1.pem': the file holds a certificate in the binary form DER, but should"
        " hold the host's certificate. Convert it to PEM: openssl x509 -inform DER -in files/b1.pem -out"
        " certificate.pem. [P35]",
    ),
    "an expired one": (
        "c2.pem",
        lambda _files: leaf("c2", start=-99.0, days=-9.0).pem,
        "c2: kea_tls_cert_file = 'files/c2.pem': the certificate expired on 2026-05-23. Have it renewed, and give"
        " the new one. [P35]",
    ),
    "one of another CA": (
        "d2.pem",
        lambda _files: leaf("d2", certs.authority("Another CA", **VALID)).pem,
        "d2: kea_tls_cert_file = 'files/d2.pem': the certificate was signed by CN=Another CA, but files/ca.pem"
        " holds CN=CA of the pair.",
    ),
    "an encrypted key": (
        "e1.key",
        lambda _files: leaf("e1").encrypted_key,
        "e1: kea_tls_key_file = 'files/e1.key': the file holds an encrypted private key, but should hold the"
        " private key of the host's certificate. Kea cannot ask for a passphrase.",
    ),
}


@pytest.fixture(scope="module")
def broken_files(tmp_path_factory):
    """A run over a pair for each broken file."""
    folder = tmp_path_factory.mktemp("broken")
    pairs = {file[0]: [f"{file[0]}1", f"{file[0]}2"] for file, _make, _text in BROKEN_FILES.values()}
    files = write_files(folder, [host for hosts in pairs.values() for host in hosts])
    for file, make, _text in BROKEN_FILES.values():
        (folder / "files" / file).write_bytes(make(files))
    children = {
        pair: {
            "hosts": {
                host: {**values, "kea_ha_address": values["ansible_host"], "ansible_host": f"192.0.2.{number}{index}"}
                for index, (host, values) in enumerate(zip(hosts, HOSTS.values(), strict=True))
            },
            "vars": {"kea_pair": pair},
        }
        for number, (pair, hosts) in enumerate(pairs.items(), 1)
    }
    inventory = {"kea": {"children": children, "vars": {**GROUP, **TLS_FILES}}}
    return run(folder, text=yaml.safe_dump(inventory))


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_a_broken_certificate_stops_the_run(broken_files, name):
    code, output = broken_files
    assert code != 0
    assert f"{len(BROKEN_FILES)} errors and 0 warnings in the inventory; nothing was changed on any host." in output
    assert BROKEN_FILES[name][2] in output
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


def test_the_controllers_clock_is_read_around_the_question(tmp_path):
    """On this machine, as there is no host: between the two of the controller's, the host's clock is read twice."""
    told = "host.asked <= host.time and host.time <= host.time_after and host.time_after <= host.answered"
    tasks = [
        {"keaops.kea.kea_host_info": {"packages": []}, "register": "host"},
        {"ansible.builtin.assert": {"that": told}},
    ]
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    code, output = run(tmp_path, group=local, tasks=tasks)
    assert code == 0, output
