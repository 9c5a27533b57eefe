# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pair's own CA as the role tls makes it and signs with it, on the controller; and which playbook rotates what."""

from __future__ import annotations

import re
import stat
from datetime import datetime, timedelta, timezone

import certs
import pytest
import yaml
from ansible_collections.keaops.kea.plugins.module_utils._variables import default_of
from ansible_collections.keaops.kea.plugins.plugin_utils import _certificates, _pki
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from programs import ROOT, run

SAN = ["IP:192.168.1.2", "DNS:dhcp1"]
MAKE = """
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - ansible.builtin.include_role: {name: keaops.kea.tls, tasks_from: ca.yml}
      vars:
        __kea_tls_ca_folder: "{{ __kea_plan.tls.ca_dir }}{{ below | default('') }}"
"""
SIGN = """
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - ansible.builtin.include_role: {name: keaops.kea.tls, tasks_from: sign.yml}
    - ansible.builtin.copy: {content: "{{ __kea_tls_signed.certificate }}", dest: "{{ out }}", mode: "0600"}
      delegate_to: localhost
      become: false
      vars:
        ansible_connection: local
        ansible_become: false
        ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""


def play(folder, text, hosts, *arguments):
    """Run a play on hosts, a mapping of names to variables. None of them is there."""
    (folder / "play.yml").write_text(text, encoding="utf-8")
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")
    return run("ansible-playbook", "-i", "hosts.yml", "play.yml", *arguments, folder=folder, cwd=folder)


def host(ca_dir, pair="pair_office", key_type="ecdsa-p256", **variables):
    """A host whose way to connect must not be taken: neither its user, nor its Python, are there on the controller."""
    tls = {"ca_dir": str(ca_dir), "dir": "/etc/kea/tls", "key_type": key_type}
    tls.update(valid_days=90, common_name="dhcp1", san=SAN)
    return {
        "ansible_host": "192.0.2.1",
        "ansible_become": True,
        "ansible_become_exe": "/nonexistent",
        "ansible_python_interpreter": "/nonexistent",
        "__kea_plan": {"pair": pair, "role": "primary", "tls": tls},
        **variables,
    }


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def wrong(path, passphrase=None):
    """What the checks say of a CA that is to sign."""
    found = _pki.problems(_pki.read(str(path)), passphrase, datetime.now(timezone.utc), signing=True, replacing=False)
    return [item.message for item in found]


def half_made(folder, passphrase):
    """A folder as a killed run leaves it: a key, and no certificate."""
    folder.mkdir(parents=True)
    (folder / "ca.key").write_bytes(certs.key_bytes(certs.key("p256", "half"), passphrase))
    return (folder / "ca.key").read_bytes()


def test_each_pair_has_a_ca_of_its_own_made_without_any_host(tmp_path):
    pki = tmp_path / "pki"
    office, plant, half, lost = (pki / name for name in ("pair_office", "pair_plant", "pair_half", "pair_lost"))
    key = half_made(half, certs.PASSPHRASE)
    half_made(lost, "another passphrase")
    vault = {"kea_tls_ca_passphrase": certs.PASSPHRASE}
    hosts = {
        "office": host(office),
        "plant": host(plant, "p" * 100, "rsa-2048", **vault),
        "half": host(half, **vault),
        "lost": host(lost, **vault),
    }
    done = play(tmp_path, MAKE, hosts, "-vvv")
    assert not done.contacted
    message = f"lost: the pair's own CA could not be made in {lost} on the controller: Unable to read the key"
    assert done.code != 0 and message in done.output
    assert not (lost / "ca.pem").exists()
    for line in ("office", "plant", "half"):
        assert re.search(f"{line} : ok=[0-9]+ changed=[0-9]+ unreachable=0 failed=0", done.output), done.output
    assert wrong(office) == []
    assert wrong(plant, certs.PASSPHRASE) == []
    assert wrong(half, certs.PASSPHRASE) == [] and (half / "ca.key").read_bytes() == key

    assert sorted(path.name for path in office.iterdir()) == [".gitignore", "ca.key", "ca.pem", "passphrase"]
    # The passphrase is in the vault.
    assert sorted(path.name for path in plant.iterdir()) == [".gitignore", "ca.key", "ca.pem"]
    assert [mode(path) for path in (office, office / "ca.key", office / "passphrase")] == [0o700, 0o600, 0o600]
    assert "*" in (office / ".gitignore").read_text().splitlines()
    assert b"ENCRYPTED PRIVATE KEY" in (office / "ca.key").read_bytes()
    word = (office / "passphrase").read_text().strip()
    assert len(word) == 43 and word not in done.output and certs.PASSPHRASE not in done.output

    signer, now = _pki.read(str(office)).signer, datetime.now(timezone.utc)
    assert signer.subject.startswith("CN=Kea CA pair_office 20")
    assert (signer.is_ca, signer.signs_certificates, signer.key_type) == (True, True, "ecdsa-p256")
    assert timedelta(minutes=1) < now - signer.not_before < timedelta(hours=1)
    assert signer.days_left(now) in (default_of("kea_tls_ca_valid_days") - 1, default_of("kea_tls_ca_valid_days"))
    assert _pki.read(str(plant)).signer.key_type == "rsa-2048"


def test_the_next_ca_is_made_beside_the_present_one(tmp_path, own_ca):
    before = {path.name: path.read_bytes() for path in own_ca.iterdir()}
    done = play(tmp_path, MAKE, {"office": host(own_ca)}, "-e", "below=/next")
    assert done.code == 0, done.output
    after = {path.name: path.read_bytes() for path in own_ca.iterdir() if path.is_file()}
    assert {name: after[name] for name in before} == before
    authority = _pki.read(str(own_ca))
    assert authority.phase == _pki.NEXT
    assert authority.following[0].subject != authority.signer.subject
    assert _certificates.load_key((own_ca / "next" / "ca.key").read_bytes(), certs.PASSPHRASE)


@pytest.fixture
def own_ca(tmp_path):
    """A folder with a CA that is valid today."""
    today = (datetime.now(timezone.utc) - certs.NOW) / timedelta(days=1)
    authority = certs.authority(days=today + 3650)
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "ca.key").write_bytes(authority.encrypted_key)
    (folder / "passphrase").write_text(certs.PASSPHRASE + "\n")
    return folder


def request(names=SAN, ca=False, more=(), common_name="dhcp1"):
    """A request as a host makes it, or one that asks for more than the host was told to."""
    extensions = [
        x509.SubjectAlternativeName([certs._general_name(name) for name in names]),
        x509.BasicConstraints(ca=ca, path_length=None),
        x509.ExtendedKeyUsage(list(certs.BOTH)),
        *more,
    ]
    builder = x509.CertificateSigningRequestBuilder().subject_name(certs._name(common_name))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    signed = builder.sign(certs.key("p256", "host"), hashes.SHA256())
    return {"csr": signed.public_bytes(serialization.Encoding.PEM).decode(), "generation": "7"}


def test_the_ca_signs_what_the_plan_says_and_nothing_else(tmp_path, own_ca):
    asked = {
        "good": request(),
        "wants_ca": request(ca=True),
        "other_address": request([*SAN, "IP:192.168.1.3"]),
        "other_name": request(common_name="dhcp2"),
        "other_extension": request(more=[x509.InhibitAnyPolicy(1)]),
    }
    hosts = {
        name: host(own_ca, out=str(tmp_path / f"{name}.pem"), __kea_tls_request=csr) for name, csr in asked.items()
    }
    wrong_word = {"kea_tls_ca_passphrase": "Not-the-one-that-opens-it"}
    hosts["locked"] = dict(hosts["good"], out=str(tmp_path / "locked.pem"), **wrong_word)
    done = play(tmp_path, SIGN, hosts, "-vvv")
    assert not done.contacted
    assert sorted(path.name for path in tmp_path.glob("*.pem")) == ["good.pem"]
    for name in asked:
        message = f"{name}: the host asked for another certificate than the plan says, so it was not signed. Look at"
        assert (message in done.output) == (name != "good")
    assert "/etc/kea/tls/7 on the host, remove that folder and run again." in done.output
    assert f"locked: the own CA in {own_ca} did not sign the certificate:" in done.output
    assert "Not-the-one-that-opens-it" not in done.output and certs.PASSPHRASE not in done.output

    certificate = _certificates.describe((tmp_path / "good.pem").read_bytes())
    now = datetime.now(timezone.utc)
    assert _certificates.signed_by(certificate, _pki.read(str(own_ca)).signer)
    assert set(certificate.names) == set(SAN) and not certificate.is_ca
    assert set(certificate.usages) == {"serverAuth", "clientAuth"}
    assert timedelta(minutes=1) < now - certificate.not_before < timedelta(hours=1)
    assert certificate.days_left(now) in (89, 90)


# --- rotate_certs.yml ------------------------------------------------------------------------------------------------

SITE = ["Check the inventory, before any host is touched", "Deploy the pairs"]


def plays(tmp_path, *arguments):
    """The plays of rotate_certs.yml, those of site.yml by some of their names."""
    inventory = ROOT / "inventories" / "home"
    options = ("-i", inventory, "--list-tasks", ROOT / "playbooks" / "rotate_certs.yml")
    done = run("ansible-playbook", *options, *arguments, folder=tmp_path, cwd=ROOT)
    assert done.code == 0, done.output
    found = [part.split(" TAGS:")[0].split(": ", 1)[1] for part in done.output.split("play #")[1:]]
    return [name for name in found if name in SITE or name.startswith("Phase")]


def test_by_default_one_run_renews_the_certificates(tmp_path):
    assert plays(tmp_path) == SITE
    assert plays(tmp_path, "-e", "kea_tls_rotate=leaf") == SITE


def test_a_new_ca_takes_three_phases_each_a_whole_run(tmp_path):
    found = plays(tmp_path, "-e", "kea_tls_rotate=ca")
    assert [name.split(",")[0] for name in found] == [
        part for number in (1, 2, 3) for part in (f"Phase {number} of 3", *(name.split(",")[0] for name in SITE))
    ]
