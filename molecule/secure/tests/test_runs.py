# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks do with pairs that have certificates: nothing twice, bad files, rotation, secrets, firewall."""

from __future__ import annotations

import contextlib
import json
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest
from conftest import NOTES, PAIRS, AtOnce, Pair, changed, play
from cryptography.hazmat.primitives import serialization
from forge import DER, PEM, Identity, authority, ca_dir, make, name_of, own_authority
from locks import (
    API,
    LISTENER,
    LOOT,
    PORTS,
    attack,
    log_since,
    loot_of,
    processes,
    serial_of_file,
    serials,
    units,
)
from watch import ProcessList, kept, secrets_of, shown

BROKEN_TLS = re.compile(r"certificate verify failed|unknown ca|bad certificate|decrypt error|certificate expired", re.I)


def one_of(pairs: list[Pair]) -> Pair:
    """Return the pair for tests that need only one: Debian stable's where the lab has it."""
    return next((pair for pair in pairs if pair.suite == "trixie"), pairs[0])


def flat(text: str) -> str:
    """Return a text without its line breaks, for sentences that were wrapped."""
    return " ".join(text.split())


def now() -> str:
    """Return the time as the daemons' logs write it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def test_second_run_and_check_change_nothing(pairs):
    before = {pair.name: processes(pair) for pair in pairs}
    for arguments in ((), ("--check", "--diff")):
        run = play("site.yml", *arguments)
        assert run.returncode == 0, run.stdout + run.stderr
        assert set(changed(run.stdout).values()) == {0}
    assert {pair.name: processes(pair) for pair in pairs} == before


# ---------------------------------------------------------------------------------------------------------------------
# bad files


def files_of(ca: Identity, leaf: Identity) -> dict[str, bytes]:
    return {"ca.pem": ca.cert_pem, "host.pem": leaf.cert_pem, "host.key": leaf.key_pem}


def encrypted(identity: Identity) -> bytes:
    scheme = serialization.BestAvailableEncryption(b"a passphrase that nobody gives")
    return identity.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, scheme)


HOST = name_of("host")
GOOD_CA = authority("good CA")
GOOD = make(HOST, GOOD_CA)
OLD = make(HOST, GOOD_CA, days=(-30, -3))
YOUNG = make(HOST, GOOD_CA, days=(3, 30))
STRANGE = make(HOST, authority("strange CA"))

# What is different from good files, and the sentence that names it.
BROKEN = {
    "a key given as certificate": (
        {"host.pem": GOOD.key_pem},
        "kea_tls_cert_file",
        "the file holds a private key, but should hold the host's certificate",
    ),
    "a certificate given as key": (
        {"host.key": GOOD.cert_pem},
        "kea_tls_key_file",
        "the file holds a certificate, but should hold the private key of the host's certificate",
    ),
    "DER for PEM": (
        {"host.pem": GOOD.certificate.public_bytes(DER)},
        "kea_tls_cert_file",
        "Convert it to PEM: openssl x509 -inform DER",
    ),
    "expired": (files_of(GOOD_CA, OLD), "kea_tls_cert_file", "the certificate expired on"),
    "not yet valid": (files_of(GOOD_CA, YOUNG), "kea_tls_cert_file", "the certificate is not valid before"),
    "wrong CA": (
        files_of(GOOD_CA, STRANGE),
        "kea_tls_cert_file",
        "the certificate was signed by CN=strange CA",
    ),
    "an encrypted key": ({"host.key": encrypted(GOOD)}, "kea_tls_key_file", "Kea cannot ask for a passphrase"),
    "a key of another certificate": (
        {"host.key": OLD.key_pem},
        "kea_tls_key_file",
        "the private key does not belong to the certificate",
    ),
    "a file that is not there": ({"host.key": None}, "kea_tls_key_file", "there is no such file on the controller"),
}


def source_files(folder: Path, changes: dict[str, bytes | None]) -> str:
    """Write the good files, with changes; returns the variables that name them."""
    for name, content in {**files_of(GOOD_CA, GOOD), **changes}.items():
        if content is not None:
            (folder / name).write_bytes(content)
    paths = {"trust_anchor": "ca.pem", "cert_file": "host.pem", "key_file": "host.key"}
    variables = {f"kea_tls_{key}": str(folder / name) for key, name in paths.items()}
    return json.dumps({"kea_tls_source": "files", **variables})


@pytest.mark.parametrize("mistake", BROKEN)
def test_a_bad_certificate_stops_the_run_before_any_host_is_touched(pairs, tmp_path, mistake):
    changes, variable, sentence = BROKEN[mistake]
    before = {pair.name: processes(pair) for pair in pairs}
    run = play("site.yml", "-vvv", "--diff", "-e", source_files(tmp_path, changes))
    assert run.returncode != 0
    output = flat(run.stdout)
    # Before the hosts are asked nobody knows that the third pair has TLS: that follows from its Kea.
    for pair in pairs[:2]:
        for server in pair.servers:
            lines = [line for line in run.stdout.splitlines() if server.name in line and variable in line]
            assert lines, f"{server.name}: {variable} is not named"
    assert sentence in output
    assert "Deploy the pairs" not in output
    assert "PRIVATE KEY" not in run.stdout + run.stderr
    assert {pair.name: processes(pair) for pair in pairs} == before
    for pair in pairs:
        assert pair.lease()["address"]


def test_good_files_of_ones_own_come_into_use(pairs, tmp_path):
    """They are of the pair's own CA, so that the two servers go on trusting each other on the way."""
    pair = one_of(pairs)
    ca = own_authority(pair)
    given = {server.name: make(name_of(server.name), ca, addresses=(server.address,)) for server in pair.servers}
    (tmp_path / "ca.pem").write_bytes(ca.cert_pem)
    for name, identity in given.items():
        (tmp_path / f"{name}.pem").write_bytes(identity.cert_pem)
        (tmp_path / f"{name}.key").write_bytes(identity.key_pem)
    variables = {
        "kea_tls_source": "files",
        "kea_tls_trust_anchor": str(tmp_path / "ca.pem"),
        "kea_tls_cert_file": str(tmp_path / "{{ inventory_hostname }}.pem"),
        "kea_tls_key_file": str(tmp_path / "{{ inventory_hostname }}.key"),
    }
    run = play("site.yml", "-e", json.dumps(variables), limit=pair.name)
    assert run.returncode == 0, run.stdout + run.stderr
    pair.healthy()
    shown_serials = serials(pair)
    for server in pair.servers:
        for port in (LISTENER, API):
            assert shown_serials[f"{server.name} {port}"] == given[server.name].serial
    again = play("site.yml", "-e", json.dumps(variables), limit=pair.name)
    assert set(changed(again.stdout).values()) == {0}


def test_an_ordinary_run_renews_what_ends_soon(pairs):
    pair = one_of(pairs)
    short = {"kea_tls_valid_days": 20, "kea_tls_renew_before": 10}
    run = play("playbooks/rotate_certs.yml", "-e", json.dumps(short), limit=pair.name)
    assert run.returncode == 0, run.stdout + run.stderr
    before = serials(pair)
    # By default what has 30 days left is renewed.
    told = play("site.yml", "--check", limit=pair.name)
    assert told.returncode == 0, told.stdout + told.stderr
    assert serials(pair) == before
    run = play("site.yml", limit=pair.name)
    assert run.returncode == 0, run.stdout + run.stderr
    assert changed(told.stdout) == changed(run.stdout)
    pair.healthy()
    after = serials(pair)
    assert not set(after.values()) & set(before.values())
    for server in pair.servers:
        for port in (LISTENER, API):
            assert after[f"{server.name} {port}"] == serial_of_file(server)
    assert set(changed(play("site.yml", limit=pair.name).stdout).values()) == {0}


# ---------------------------------------------------------------------------------------------------------------------
# new certificates


@pytest.fixture(scope="module")
def rotation(tmp_path_factory) -> dict:
    """New certificates for all pairs while clients come, with everything shown that can be shown."""
    cache = tmp_path_factory.mktemp("facts")
    settings = {
        "ANSIBLE_CACHE_PLUGIN": "jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(cache),
        "ANSIBLE_LOG_PATH": str(cache / "log"),
    }
    for pair in PAIRS:
        pair.healthy()
    before = {pair: serials(pair) for pair in PAIRS}
    keys = {pair: secrets_of(pair) for pair in PAIRS}
    moment = now()
    with contextlib.ExitStack() as stack:
        probes = {pair: stack.enter_context(pair.probe(repeat=True)) for pair in PAIRS}
        watched = stack.enter_context(ProcessList())
        # A process in a container whose name is no secret: the list shows those, too.
        PAIRS[0].client.run("bash -c 'exec -a seen-in-a-container sleep 1'")
        run = play("playbooks/rotate_certs.yml", "-vvv", "--diff", settings=settings)
        ended = now()
    return {
        "run": run,
        "before": before,
        "keys": keys,
        "moment": moment,
        "ended": ended,
        "probes": probes,
        "watched": watched,
        "cache": cache,
    }


def test_a_rotation_brings_new_certificates_to_every_port(pair: Pair, rotation: dict):
    run = rotation["run"]
    assert run.returncode == 0, run.stdout + run.stderr
    after = serials(pair)
    assert not set(after.values()) & set(rotation["before"][pair].values())
    for server in pair.servers:
        for port in (LISTENER, API):
            assert after[f"{server.name} {port}"] == serial_of_file(server)
    for what, key in secrets_of(pair).items():
        # Password and CA stay; the hosts' keys are new, too.
        of_a_host = any(what == f"key of {server.name}" for server in pair.servers)
        assert (key != rotation["keys"][pair][what]) == of_a_host, what


def test_a_rotation_takes_one_server_after_the_other(pair: Pair, rotation: dict):
    for unit in units(pair):
        assert pair.primary.started(unit) - pair.standby.started(unit) > 2_000_000, unit
    # The standby was at work again before the primary was touched: the primary's partner answered when it stopped.
    ready = [line for line in log_since(pair.standby, rotation["moment"]) if "to HOT-STANDBY state" in line]
    stopped = [line for line in log_since(pair.primary, rotation["moment"]) if "DHCP4_SHUTDOWN " in line]
    assert ready and len(stopped) == 1
    assert ready[0][:23] < stopped[0][:23]


def test_clients_are_served_during_a_rotation(pair: Pair, rotation: dict):
    probe = rotation["probes"][pair]
    new = probe.report["new"]
    NOTES.append(
        f"{pair.name}, new certificates: longest gap {new['longest_gap']:.1f} s,"
        f" slowest client {new['longest_wait']:.1f} s, {new['served']} clients served"
    )
    # Two heartbeats of this profile, one restart, and the rest for a slow machine.
    probe.expect(gap=12, wait=15, unanswered=0, neither_up=0.0)


def test_a_rotation_shows_no_secret(pairs, rotation: dict):
    run, watched = rotation["run"], rotation["watched"]
    cache = "".join(path.read_text() for path in rotation["cache"].rglob("*") if path.is_file())
    texts = {
        "output": run.stdout + run.stderr,
        "processes": watched.text,
        "fact cache and log": cache,
    }
    assert "cmdline: seen-in-a-container" in watched.text
    assert "PLAY RECAP" in cache
    assert shown(texts, pairs) == []
    for text in texts.values():
        assert "PRIVATE KEY-----" not in text
    for pair in pairs:
        for what, secret in rotation["keys"][pair].items():
            assert not [place for place, text in texts.items() if secret in text], what
        assert shown({"everything": json.dumps(secrets_of(pair))}, [pair])


def test_the_hosts_keep_no_secret_elsewhere(pair: Pair, rotation: dict):
    assert kept(pair) == []


def test_a_failing_run_shows_no_secret(pairs):
    """The daemon dies of this change, so that its last words are shown, and all is put back."""
    before = {pair.name: serials(pair) for pair in pairs}
    extra = {"kea_dhcp4_extra": {"lease-database": {"name": "/var/lib/kea/a-folder.csv"}}}
    for pair in pairs:
        pair.standby.run("mkdir /var/lib/kea/a-folder.csv")
    try:
        with ProcessList() as watched:
            run = play("site.yml", "-vvv", "--diff", "-e", json.dumps({**extra, "kea_tls_rotate": "leaf"}))
    finally:
        for pair in pairs:
            pair.standby.run("rmdir /var/lib/kea/a-folder.csv")
    assert run.returncode != 0
    assert "The previous configuration was put back" in flat(run.stdout)
    assert shown({"output": run.stdout + run.stderr, "processes": watched.text}, pairs) == []
    assert "PRIVATE KEY-----" not in run.stdout + run.stderr
    for pair in pairs:
        pair.healthy()
        # The certificate in use is the one from before: link and configuration go together.
        assert serials(pair) == before[pair.name]
        assert kept(pair) == []


# ---------------------------------------------------------------------------------------------------------------------
# a new CA


@pytest.fixture(scope="module")
def new_ca() -> dict:
    """A new CA for all pairs, and what an old certificate is worth afterwards."""
    for pair in PAIRS:
        pair.healthy()
    old = {pair: own_authority(pair) for pair in PAIRS}
    stolen = {pair: loot_of(pair, pair.primary, {}) for pair in PAIRS}
    moment = now()
    run = play("playbooks/rotate_certs.yml", "-e", "kea_tls_rotate=ca")
    return {"run": run, "old": old, "stolen": stolen, "moment": moment}


def test_a_new_ca_takes_over(pair: Pair, new_ca: dict):
    run = new_ca["run"]
    assert run.returncode == 0, run.stdout + run.stderr
    pair.healthy()
    ca = own_authority(pair)
    assert ca.serial != new_ca["old"][pair].serial
    assert not list(ca_dir(pair).glob("next/*.pem")) + list(ca_dir(pair).glob("previous/*.pem"))
    for server in pair.servers:
        trusted = server.run("cat /etc/kea/tls/current/trust/*.pem")
        assert trusted.strip() == ca.cert_pem.decode().strip()
        server.run("openssl verify -CApath /etc/kea/tls/current/trust /etc/kea/tls/current/cert.pem")
    assert set(serials(pair).values()) == {serial_of_file(server) for server in pair.servers}


def test_the_servers_trusted_each_other_all_the_way(pair: Pair, new_ca: dict):
    for server in pair.servers:
        assert [line for line in log_since(server, new_ca["moment"]) if BROKEN_TLS.search(line)] == []
    # Each of the three phases ends with the verification of the pair, which asks the partner over TLS.
    assert new_ca["run"].stdout.count("Ask the partner over the URL that the servers really use") >= 3


def test_certificates_of_the_old_ca_are_refused(pair: Pair, new_ca: dict):
    old = new_ca["old"][pair]
    # As if just issued; and the one that the partner had.
    files = loot_of(pair, pair.primary, {"of-the-old-ca": make(name_of(pair.standby.name), old)})
    stolen = new_ca["stolen"][pair]
    files |= {"stolen.pem": stolen["partner.pem"], "stolen.key": stolen["partner.key"]}
    folder = f"{LOOT}/{pair.primary.name}"
    pair.client.run(f"rm -rf {folder}")
    pair.client.put(folder, files)
    report = attack(pair, pair.primary, "doors", *PORTS, "--only", "^certificate: ")
    assert len(report["attempts"]) == 4
    for attempt in report["attempts"]:
        assert attempt["verdict"] == "refused", attempt
        assert re.search("UNKNOWN_CA|DECRYPT_ERROR", attempt["how"]), attempt
    assert {control["verdict"] for control in report["controls"]} == {"accepted"}
    # That the servers accepted the stolen one before is what test_attack.py shows.


# ---------------------------------------------------------------------------------------------------------------------
# the firewall


def test_the_firewall_admits_the_partner_and_nobody_else(pairs):
    pair = one_of(pairs)
    before = processes(pair)
    for server in pair.servers:
        pair.client.put(f"{LOOT}/{server.name}", loot_of(pair, server, {}))

    def doors() -> set[tuple[int, str]]:
        """Return each port, and what becomes there of somebody with the right certificate and password."""
        reports = AtOnce(
            lambda server: attack(pair, server, "doors", *PORTS, "--timeout", "2", "--only", "^nothing$"),
            list(pair.servers),
        )
        controls = [control for server in pair.servers for control in reports[server]["controls"] if control["port"]]
        return {(control["port"], control["verdict"]) for control in controls}

    assert doors() == {(LISTENER, "accepted"), (API, "accepted")}
    switch = {"kea_firewall": "nftables"}
    run = play("site.yml", "-e", json.dumps(switch), limit=pair.name)
    assert run.returncode == 0, run.stdout + run.stderr
    try:
        pair.healthy()
        # Not even the right certificate helps on this host.
        assert doors() == {(LISTENER, "silent"), (API, "silent")}
        assert pair.lease()["server_id"] == "192.168.1.2"
        assert processes(pair) == before
        assert play("playbooks/verify.yml", "-e", json.dumps(switch), limit=pair.name).returncode == 0
        # Management hosts may reach the API, not the port of the partner.
        switch["kea_firewall_management"] = [pair.client.address]
        run = play("site.yml", "-e", json.dumps(switch), limit=pair.name)
        assert run.returncode == 0, run.stdout + run.stderr
        assert doors() == {(LISTENER, "silent"), (API, "accepted")}
    finally:
        run = play("site.yml", limit=pair.name)
    assert run.returncode == 0, run.stdout + run.stderr
    assert doors() == {(LISTENER, "accepted"), (API, "accepted")}
    assert processes(pair) == before
