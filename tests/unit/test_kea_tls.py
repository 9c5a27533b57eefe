# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module kea_tls: arguments in, sentences and a result out. What it does to the host is in test_tls_host."""

from __future__ import annotations

import json
import os

import certs
import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _apply
from ansible_collections.keaops.kea.plugins.modules import kea_tls
from servers import run_module  # noqa: F401 (a fixture)
from test_tls_host import CA, NAMES, NEXT_CA, TODAY, Host, given, signed


@pytest.fixture
def host(tmp_path, monkeypatch):
    host = Host(tmp_path)
    monkeypatch.setattr(_apply, "System", lambda: host)
    return host


@pytest.fixture
def run(host, tmp_path, run_module):  # noqa: F811
    """Run the module in a temporary folder: run(check_mode=False, **options)."""

    def start(check_mode=False, **options):
        return run_module(kea_tls, dict(options, path=str(tmp_path / "tls"), _ansible_diff=True), check_mode)

    return start


def request(run, **options):
    return run(state="request", common_name="dhcp1", subject_alt_names=NAMES, **options)


def test_from_a_request_to_the_generation_in_use(run):
    asked = request(run)
    assert (asked["changed"], asked["generation"]) == (True, "1") and "CERTIFICATE REQUEST" in asked["csr"]
    assert asked["diff"]["before"] == ""
    assert (
        "key: ecdsa-p256\ncommon name: dhcp1\nnames: IP:192.168.1.2, DNS:dhcp1, DNS:server1" in asked["diff"]["after"]
    )
    assert request(run)["diff"] == dict(asked["diff"], after="")

    done = run(generation="1", certificate=signed(asked["csr"]), trust=[CA.text])
    assert {name: done[name] for name in ("changed", "generation", "linked", "removed")} == {
        "changed": True,
        "generation": "1",
        "linked": True,
        "removed": [],
    }
    assert done["diff"]["before"] == "" and "certificate: serial " in done["diff"]["after"]


def test_a_run_without_changes_has_an_empty_diff(run):
    entity = given()
    options = {"certificate": entity.text, "private_key": entity.key.decode(), "trust": [CA.text]}
    assert run(**options)["changed"] is True
    again = run(**options)
    assert again["changed"] is False
    assert again["diff"]["before"] == again["diff"]["after"] != ""


def test_no_word_of_a_key_leaves_the_module(run, tmp_path):
    entity = given()
    lines = entity.key.decode().splitlines()[1:-1]
    good = run(certificate=entity.text, private_key=entity.key.decode(), trust=[CA.text])
    bad = run(certificate=entity.text, private_key=entity.key.decode(), trust=[NEXT_CA.text])
    wrong_place = run(certificate=entity.key.decode(), private_key=entity.key.decode(), trust=[CA.text])
    requested = request(run)
    with open(os.path.join(str(tmp_path / "tls"), requested["generation"], "key.pem"), encoding="ascii") as stream:
        made = stream.read().splitlines()[1:-1]
    assert good["changed"] and bad["failed"] and wrong_place["failed"]
    assert lines and made
    for result in (good, bad, wrong_place, requested):
        assert not [line for line in lines + made if line in json.dumps(result)]


def test_check_mode_predicts_and_leaves_the_host_alone(run, tmp_path):
    assert request(run, check_mode=True)["csr"] is None
    done = run(check_mode=True, generation="1")
    assert (done["changed"], done["generation"]) == (True, "1")
    assert done["diff"]["after"] == "generation: 1\ncertificate: not signed yet\n"
    assert os.listdir(str(tmp_path)) == []


def test_errors_are_sentences(run):
    request(run)
    expected = {
        "the certificate cannot be used: it is self-signed; have the CA sign it.": certs.make(
            "dhcp1", private=certs.key("p256", "given 0"), days=TODAY + 90
        ).text,
        "certificate holds no certificate in PEM form (-----BEGIN CERTIFICATE-----). Give one.": "junk",
    }
    for message, certificate in expected.items():
        result = run(certificate=certificate, private_key=given().key.decode(), trust=[CA.text])
        assert (result["failed"], result["msg"]) == (True, message)


def test_a_host_without_the_folder_above(host, run_module, tmp_path):  # noqa: F811
    options = {"state": "request", "common_name": "dhcp1", "path": str(tmp_path / "missing" / "tls")}
    message = run_module(kea_tls, options)["msg"]
    assert message.startswith(f"cannot write {tmp_path}/missing/tls: No such file or directory. Install Kea first")


def test_another_run_that_changes_kea_is_waited_for(run, host):
    with _apply.host_lock(host, {"daemon": "dhcp4"}):
        result = request(run)
    assert "another run is changing Kea on this host" in result["msg"] and "for dhcp4" in result["msg"]
    assert request(run)["changed"] is True


@pytest.mark.parametrize(
    "options, words",
    [
        ({"state": "request"}, "common_name"),
        ({"generation": "1", "private_key": "0000"}, "mutually exclusive: generation|private_key"),
        ({"state": "request", "common_name": "x", "key_type": "dsa"}, "value of key_type must be one of"),
    ],
)
def test_options_that_do_not_fit(run, options, words):
    assert words in run(**options)["msg"]


def test_the_private_key_is_masked_wherever_it_would_show(run):
    assert "exclusive" not in run(generation="1", private_key="exclusive")["msg"]
