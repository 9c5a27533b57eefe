# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and certificates on a host: real files and the real openssl, in a temporary folder."""

from __future__ import annotations

import json
import os
import stat
from datetime import datetime, timedelta, timezone

import certs
import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _apply, _tls_host
from ansible_collections.keaops.kea.plugins.module_utils._tls_host import Store, TlsError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

# openssl goes by the real clock, the certificates of certs by one of their own.
TODAY = (datetime.now(timezone.utc) - certs.NOW) / timedelta(days=1)
NAMES = ["IP:192.168.1.2", "DNS:dhcp1", "DNS:server1"]
CA = certs.authority(days=TODAY + 3650)
NEXT_CA = certs.authority("Next CA", days=TODAY + 3650)


class Host(_apply.System):
    """A host whose root and _kea are whoever runs the tests. Commands in *broken* give what it says."""

    def __init__(self, folder):
        super().__init__(str(folder / "run"), str(folder / "state"), str(folder / "units"))
        self.broken = {}
        self.users = True

    def run(self, argv, uid=None, gid=None, timeout=120):
        return self.broken[argv[0]] if argv[0] in self.broken else super().run(argv, uid, gid, timeout)

    def uid(self, user):
        return os.geteuid() if self.users else None

    def gid(self, group):
        return os.getegid() if self.users else None


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


@pytest.fixture
def store(host, tmp_path):
    return Store(host, str(tmp_path / "tls"))


def requested(store, key_type="ecdsa-p256", name="dhcp1", names=NAMES, check_mode=False):
    return store.request(key_type, name, names, check_mode)


def signed(csr, ca=CA, start=-1.0, days=90.0, usages=certs.BOTH, key_ids=True):
    """Sign a request as the controller does; days are from today."""
    request = x509.load_pem_x509_csr(csr.encode())
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(ca.certificate.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(certs.NOW + timedelta(days=TODAY + start))
        .not_valid_after(certs.NOW + timedelta(days=TODAY + days))
    )
    for extension in request.extensions:
        if not isinstance(extension.value, x509.ExtendedKeyUsage):
            builder = builder.add_extension(extension.value, extension.critical)
    builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
    if key_ids:
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.private.public_key())
        builder = builder.add_extension(above, critical=False)
    return builder.sign(ca.private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def given(number=0, ca=CA, **changes):
    """A certificate and a key as a user brings them."""
    return certs.make(
        "dhcp1", ca, certs.key("p256", f"given {number}"), **{"names": NAMES, "days": TODAY + 90, **changes}
    )


def install(store, entity, trust=(CA,), check_mode=False):
    return store.present(None, entity.text, entity.key.decode(), [item.text for item in trust], check_mode)


def issue(store, check_mode=False, **changes):
    request = requested(store)
    return store.present(request["generation"], signed(request["csr"], **changes), None, [CA.text], check_mode)


def trust(store, *anchors, check_mode=False):
    return store.present(None, None, None, [item.text for item in anchors], check_mode)


def mode(*parts):
    return stat.S_IMODE(os.lstat(os.path.join(*parts)).st_mode)


def tree(folder):
    """Everything below a folder: content or target, and mode."""
    found = {}
    for top, folders, names in os.walk(str(folder)):
        for name in folders + names:
            path = os.path.join(top, name)
            content = None
            if os.path.islink(path):
                content = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as stream:
                    content = stream.read()
            found[os.path.relpath(path, str(folder))] = (content, os.lstat(path).st_mode)
    return found


# --- requests --------------------------------------------------------------------------------------------------------


def test_a_request_has_all_that_kea_needs_and_its_key_is_for_root_alone(store):
    result = requested(store)
    assert (result["changed"], result["generation"]) == (True, "1")
    assert sorted(result) == ["changed", "csr", "generation"]
    csr = x509.load_pem_x509_csr(result["csr"].encode())
    assert csr.is_signature_valid
    assert csr.subject.rfc4514_string() == "CN=dhcp1"
    value = {type(item.value): item for item in csr.extensions}
    assert not value[x509.BasicConstraints].value.ca and value[x509.BasicConstraints].critical
    assert value[x509.KeyUsage].value.digital_signature and not value[x509.KeyUsage].value.key_cert_sign
    assert set(value[x509.ExtendedKeyUsage].value) == set(certs.BOTH)
    assert [str(item.value) for item in value[x509.SubjectAlternativeName].value] == ["192.168.1.2", "dhcp1", "server1"]
    assert (mode(store.path), mode(store.of("1")), mode(store.of("1"), "key.pem")) == (0o750, 0o700, 0o600)
    assert store.current() is None


@pytest.mark.parametrize(
    "key_type, kind, size",
    [
        ("ecdsa-p256", ec.EllipticCurvePublicKey, 256),
        ("rsa-2048", rsa.RSAPublicKey, 2048),
        ("rsa-3072", rsa.RSAPublicKey, 3072),
    ],
)
def test_the_key_is_of_the_kind_asked_for(store, key_type, kind, size):
    key = x509.load_pem_x509_csr(requested(store, key_type)["csr"].encode()).public_key()
    assert isinstance(key, kind) and key.key_size == size


def test_a_request_that_waits_is_used_again(store):
    first = requested(store)
    before = tree(store.path)
    assert requested(store) == dict(first, changed=False)
    assert requested(store, check_mode=True) == dict(first, changed=False)
    assert tree(store.path) == before


@pytest.mark.parametrize("changes", [{"names": NAMES[:1]}, {"name": "dhcp2"}, {"key_type": "rsa-2048"}])
def test_a_request_for_something_else_is_a_new_one(store, changes):
    requested(store)
    result = requested(store, **changes)
    assert (result["changed"], result["generation"]) == (True, "2")


def test_a_request_is_not_used_again_when_it_has_its_certificate(store):
    issue(store)
    assert requested(store)["generation"] == "2"


def test_check_mode_makes_no_key(store, tmp_path):
    store.system.users = False
    assert requested(store, check_mode=True) == {"changed": True, "generation": "1", "csr": None}
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("name", ['a "quoted" one', "back\\slash", "$ENV::HOME #1", "büro"])
def test_odd_names_of_hosts_stay_what_they_are(store, name):
    csr = x509.load_pem_x509_csr(requested(store, name=name, names=[])["csr"].encode())
    assert [item.value for item in csr.subject] == [name]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"name": "a\nb"}, r"common_name is 'a\nb'. Give 1 to 64 printable characters"),
        ({"name": "x" * 65}, "Give 1 to 64 printable characters"),
        ({"names": ["IP:dhcp1"]}, "subject_alt_names has 'IP:dhcp1'. Write IP:192.168.1.2 or DNS:dhcp1.example.org"),
        ({"names": ["DNS:a b"]}, "subject_alt_names has 'DNS:a b'"),
        ({"names": ["DNS:a\n[evil]"]}, "subject_alt_names has"),
        ({"names": ["dhcp1"]}, "subject_alt_names has 'dhcp1'"),
    ],
)
def test_names_that_no_certificate_can_have(store, changes, message):
    with pytest.raises(TlsError) as caught:
        requested(store, **changes)
    assert message in str(caught.value)
    assert not os.path.exists(store.path)


def test_a_request_that_fails_leaves_nothing(store, host):
    host.broken["openssl"] = _apply.Done(1, "", "first line\nunable to write 'random state'")
    with pytest.raises(TlsError, match=r"openssl could not make a key \(unable to write 'random state'\)"):
        requested(store)
    assert os.listdir(store.path) == []


def test_a_host_without_openssl(store, host):
    host.broken["openssl"] = _apply.Done(127, "", "openssl: No such file or directory")
    with pytest.raises(TlsError, match="the program openssl is not on this host. Install the package openssl"):
        requested(store)


def test_a_host_without_kea(store, host):
    host.users = False
    with pytest.raises(TlsError, match="the group _kea is not there. Install Kea first"):
        requested(store)


# --- the own CA's certificate ----------------------------------------------------------------------------------------


def test_a_certificate_completes_its_generation(store):
    result = issue(store)
    assert (result["changed"], result["generation"], result["linked"], result["removed"]) == (True, "1", True, [])
    folder = store.of("1")
    assert sorted(os.listdir(folder)) == ["cert.pem", "key.pem", "trust"]
    assert os.readlink(store.link) == "1"
    assert [mode(folder, *parts) for parts in ([], ["cert.pem"], ["key.pem"], ["trust"], ["trust", "ca-1.pem"])] == [
        0o750,
        0o644,
        0o640,
        0o755,
        0o644,
    ]
    links = [name for name in os.listdir(os.path.join(folder, "trust")) if name.endswith(".0")]
    assert [os.readlink(os.path.join(folder, "trust", name)) for name in links] == ["ca-1.pem"]


def test_the_same_certificate_again_is_no_change(store):
    request = requested(store)
    certificate = signed(request["csr"])
    store.present("1", certificate, None, [CA.text], False)
    before = tree(store.path)
    again = store.present("1", certificate.replace("\n", "\r\n"), None, [CA.text, CA.text], False)
    assert (again["changed"], again["linked"]) == (False, False)
    assert tree(store.path) == before


def test_the_link_of_running_daemons_is_left_alone(store):
    issue(store)
    result = issue(store)
    assert (result["changed"], result["generation"], result["linked"]) == (True, "2", False)
    assert os.readlink(store.link) == "1"


def test_check_mode_knows_what_it_can_know(store, tmp_path):
    result = store.present("1", None, None, [], True)
    assert (result["changed"], result["generation"], result["wanted"]) == (True, "1", None)
    request = requested(store)
    before = tree(tmp_path)
    result = store.present("1", signed(request["csr"]), None, [CA.text], True)
    assert (result["changed"], result["linked"]) == (True, True)
    assert tree(tmp_path) == before


def below(number):
    """A CA below the pair's, and a way to sign with it."""
    return certs.make(f"Intermediate {number}", CA, ca=True, days=TODAY + 900)


def test_an_intermediate_certificate_is_part_of_the_chain(store):
    request = requested(store)
    middle = below(1)
    store.present("1", signed(request["csr"], middle) + middle.text, None, [CA.text], False)
    assert store.material("1").certificate.count("BEGIN CERTIFICATE") == 2


def wrong_ca(csr):
    return signed(csr, NEXT_CA)


def same_name(csr):
    return signed(
        csr, certs.authority(days=TODAY + 3650, start=-2.0, private=certs.key("p256", "thief")), key_ids=False
    )


def expired(csr):
    return signed(csr, start=-10.0, days=-1.0)


def too_early(csr):
    return signed(csr, start=1.0)


def server_only(csr):
    return signed(csr, usages=certs.SERVER)


def client_only(csr):
    return signed(csr, usages=certs.CLIENT)


def of_another_key(csr):
    return given().text


def without_middle(csr):
    return signed(csr, below(2))


def of_no_ca(csr):
    leaf = given(7)
    return signed(csr, leaf) + leaf.text


def expired_middle(csr):
    middle = certs.make("Old intermediate", CA, ca=True, days=TODAY - 1)
    return signed(csr, middle) + middle.text


def self_signed(csr):
    return certs.make("dhcp1", private=certs.key("p256", "mine"), days=TODAY + 90).text


def a_key(csr):
    return given().key.decode()


def nothing_known(csr):
    return "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


BROKEN = {
    wrong_ca: "none of the CAs to be trusted has signed it; give the CA that signed it",
    same_name: "it was signed by another CA of the same name",
    expired: "it has expired by the clock of this host",
    too_early: "it is not valid yet by the clock of this host; set the clocks",
    server_only: "it is not for a TLS client (extendedKeyUsage)",
    client_only: "it is not for a TLS server (extendedKeyUsage)",
    of_another_key: "the private key cannot be used: it does not belong to the certificate",
    without_middle: "none of the CAs to be trusted has signed it",
    of_no_ca: "of what signed it (1 above): it is no CA (basicConstraints)",
    expired_middle: "of what signed it (1 above): it has expired",
    self_signed: "the private key cannot be used: it does not belong to the certificate",
    a_key: "certificate holds a PEM block PRIVATE KEY. Give certificates there, and nothing else",
    nothing_known: "the private key cannot be used: OpenSSL cannot load it",
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda function: function.__name__)
def test_a_certificate_that_cannot_work_is_refused_and_the_request_kept(store, broken):
    issue(store)
    request = requested(store)
    before = tree(store.path)
    with pytest.raises(TlsError) as caught:
        store.present("2", broken(request["csr"]), None, [CA.text], False)
    assert BROKEN[broken] in str(caught.value)
    assert "PRIVATE KEY-----" not in str(caught.value)
    assert tree(store.path) == before
    assert requested(store) == dict(request, changed=False)


def test_the_cas_of_the_system_do_not_count(store, tmp_path, monkeypatch):
    (tmp_path / "system.pem").write_text(CA.text)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    request = requested(store)
    with pytest.raises(TlsError, match="none of the CAs to be trusted has signed it"):
        store.present("1", signed(request["csr"]), None, [NEXT_CA.text], False)


def test_what_kea_cannot_read_is_refused(store, host):
    issue(store)
    host.broken["test"] = _apply.Done(1, "", "")
    requested(store)
    before = tree(store.path)
    with pytest.raises(TlsError, match=r"tls/2/cert.pem cannot be read by _kea. Give _kea access to the folders above"):
        issue(store)
    assert store.current() == "1"
    assert mode(store.of("2")) == 0o700
    assert sorted(tree(store.path)) == sorted(before)


def test_readability_is_asked_as_keas_own_user(store, host, monkeypatch):
    asked = []
    monkeypatch.setattr(host, "uid", lambda user: 4711 if user == "_kea" else None)
    real = host.run

    def run(argv, uid=None, gid=None, timeout=120):
        if argv[0] == "test":
            asked.append((os.path.basename(argv[2]), uid))
            return _apply.Done(0, "", "")
        return real(argv, uid, gid, timeout)

    monkeypatch.setattr(host, "run", run)
    issue(store)
    assert {("cert.pem", 4711), ("key.pem", 4711), ("ca-1.pem", 4711)} <= set(asked)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("1", None, None, [CA.text]), "certificate or trust is empty"),
        (("1", "text", None, [CA.text]), "certificate holds no certificate in PEM form"),
        (("x", "text", None, [CA.text]), "certificate holds no certificate in PEM form"),
        (("../1", CA.text, None, [CA.text]), "generation is '../1'. Give the number that state=request returned"),
        (("9", CA.text, None, [CA.text]), "tls/9 is not there. Run state=request first"),
        (("1", CA.text, None, ["junk"]), "trust holds no certificate in PEM form"),
        ((None, None, None, []), "trust is empty. Give the certificate of the CA"),
        ((None, CA.text, None, [CA.text]), "certificate and private_key come together"),
        ((None, CA.text, "junk", [CA.text]), "private_key holds no private key in PEM form"),
        ((None, CA.text, CA.key.decode() * 2, [CA.text]), "private_key holds several private keys"),
        ((None, None, None, [CA.text]), "leads to no certificate and key that could be kept"),
    ],
)
def test_arguments_that_make_no_sense(store, arguments, message):
    requested(store)
    with pytest.raises(TlsError) as caught:
        store.present(*arguments, False)
    assert message in str(caught.value)


def test_a_generation_in_use_is_not_changed(store):
    request = requested(store)
    store.present("1", signed(request["csr"]), None, [CA.text], False)
    before = tree(store.path)
    with pytest.raises(TlsError, match="generation 1 is in use and is not changed"):
        store.present("1", signed(request["csr"]), None, [CA.text], False)
    assert tree(store.path) == before


# --- the user's files, and other CAs ---------------------------------------------------------------------------------


def test_files_of_the_user_become_a_generation(store):
    result = install(store, given())
    assert (result["changed"], result["generation"], result["linked"]) == (True, "1", True)
    assert (mode(store.of("1")), mode(store.of("1"), "key.pem")) == (0o750, 0o640)


def test_the_same_files_again_are_no_change(store):
    entity = given()
    install(store, entity)
    before = tree(store.path)
    result = install(store, entity)
    assert (result["changed"], result["generation"]) == (False, "1")
    assert tree(store.path) == before


def test_other_files_become_another_generation(store):
    install(store, given(1))
    assert install(store, given(2))["generation"] == "2"
    assert store.current() == "1"


def test_files_that_an_interrupted_run_prepared_are_used(store):
    install(store, given(1))
    second = given(2)
    install(store, second)
    assert install(store, second) == dict(install(store, second), changed=False, generation="2")


def test_a_generation_that_was_not_finished_is_not_used(store):
    entity = given()
    install(store, entity)
    # As after a kill before the last step, which opens the folder.
    os.chmod(store.of("1"), 0o700)
    os.unlink(store.link)
    assert install(store, entity)["generation"] == "2"


@pytest.mark.parametrize(
    "key, message",
    [
        (lambda entity: entity.encrypted_key, "it is encrypted, and Kea cannot ask for a passphrase"),
        (lambda entity: given(9).key, "it does not belong to the certificate"),
        (lambda entity: certs.key_bytes(certs.key("rsa2048")), "it does not belong to the certificate"),
    ],
)
def test_a_key_that_cannot_work_is_refused_and_nothing_left(store, key, message):
    entity = given()
    with pytest.raises(TlsError) as caught:
        store.present(None, entity.text, key(entity).decode(), [CA.text], False)
    assert message in str(caught.value)
    assert os.listdir(store.path) == []


def test_a_second_ca_is_trusted_with_the_same_certificate_and_key(store):
    issue(store)
    result = trust(store, CA, NEXT_CA)
    assert (result["changed"], result["generation"], result["linked"]) == (True, "2", False)
    old, new = store.material("1"), store.material("2")
    assert (new.certificate, new.key) == (old.certificate, old.key)
    assert set(new.trust) == {CA.text, NEXT_CA.text}
    assert trust(store, NEXT_CA, CA, CA)["changed"] is False


def test_two_cas_of_one_name_are_both_trusted(store):
    twin = certs.authority(days=TODAY + 3650, start=-3.0, private=certs.key("p256", "twin"))
    issue(store)
    trust(store, CA, twin)
    assert len(store.trust("2")) == 2


def test_the_last_ca_of_a_certificate_cannot_be_dropped(store):
    issue(store)
    with pytest.raises(TlsError, match="none of the CAs to be trusted has signed it"):
        trust(store, NEXT_CA)
    assert store.generations() == [1]


def test_check_mode_changes_nothing(store):
    issue(store)
    before = tree(store.path)
    assert trust(store, CA, NEXT_CA, check_mode=True)["generation"] == "2"
    assert trust(store, CA, check_mode=True)["changed"] is False
    assert install(store, given(), check_mode=True)["changed"] is True
    assert tree(store.path) == before


# --- the folder ------------------------------------------------------------------------------------------------------


def use(store, generation):
    store.system.link(store.link, generation)


def test_generations_of_no_more_use_are_removed(store):
    for number in range(1, 4):
        assert issue(store)["generation"] == str(number)
        use(store, str(number))
    assert store.generations() == [1, 2, 3]
    # The fourth one was requested, and never signed.
    requested(store, name="never")
    assert trust(store, CA, NEXT_CA, check_mode=True)["removed"] == ["1", "4"]
    assert trust(store, CA, NEXT_CA)["removed"] == ["1", "4"]
    assert store.generations() == [2, 3, 5]


def test_wrong_permissions_are_put_right(store):
    entity = given()
    install(store, entity)
    os.chmod(os.path.join(store.of("1"), "key.pem"), 0o644)
    assert install(store, entity, check_mode=True)["changed"] is True
    assert mode(store.of("1"), "key.pem") == 0o644
    assert install(store, entity)["changed"] is True
    assert mode(store.of("1"), "key.pem") == 0o640
    assert install(store, entity)["changed"] is False


def test_a_link_that_leads_nowhere_is_made_again(store):
    entity = given()
    install(store, entity)
    use(store, "7")
    assert store.current() is None
    assert install(store, entity)["linked"] is True
    assert store.current() == "1"


def test_a_folder_that_somebody_planted_is_refused(store, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    os.symlink(str(tmp_path / "elsewhere"), store.path)
    with pytest.raises(TlsError, match="tls is not a folder that belongs to root. Remove it and run again"):
        requested(store)
    assert os.listdir(str(tmp_path / "elsewhere")) == []


# --- facts -----------------------------------------------------------------------------------------------------------


def test_facts_of_a_host_without_certificates(host, tmp_path):
    assert _tls_host.facts(host, str(tmp_path / "tls")) == {
        "current": None,
        "generations": [],
        "certificate": None,
        "trust": [],
        "key": None,
        "openssl": True,
    }


def test_facts_tell_what_is_in_use_but_not_the_key(host, store):
    issue(store)
    requested(store)
    facts = _tls_host.facts(host, store.path)
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["current"], facts["generations"]) == ("1", ["1", "2"])
    assert facts["certificate"] == store.material("1").certificate
    assert facts["trust"] == [CA.text]
    assert facts["key"]["mode"] == "0640" and facts["key"]["problem"] is None
    assert facts["key"]["owner"] and facts["key"]["group"]
    with open(os.path.join(store.of("1"), "cert.pem"), "a", encoding="ascii") as stream:
        stream.write(store.material("1").key + "root:$6$salt$hash:20000::::::\n")
    assert _tls_host.facts(host, store.path) == facts
    assert "PRIVATE" not in json.dumps(facts)


def test_facts_leave_out_a_ca_that_openssl_does_not_find(host, store):
    issue(store)
    folder = os.path.join(store.of("1"), "trust")
    (link,) = [name for name in os.listdir(folder) if name.endswith(".0")]
    os.unlink(os.path.join(folder, link))
    assert _tls_host.facts(host, store.path)["trust"] == []


def test_facts_survive_anything(host, store, tmp_path):
    issue(store)
    with open(os.path.join(store.of("1"), "cert.pem"), "wb") as stream:
        stream.write(b"\xff\x00")
    os.unlink(os.path.join(store.of("1"), "key.pem"))
    facts = _tls_host.facts(host, store.path)
    assert json.dumps(facts) and facts["key"]["problem"] == "it is not there"
    os.unlink(store.link)
    os.mkdir(store.link)
    assert _tls_host.facts(host, store.path)["current"] is None


@pytest.mark.parametrize(
    "content, problem",
    [
        (b"junk", "it holds text, not a private key in PEM form"),
        (CA.pem, "it holds a certificate, not a private key in PEM form"),
        (given(5).key, "it does not belong to the certificate"),
        (given(5).encrypted_key, "it is encrypted, and Kea cannot ask for a passphrase"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "OpenSSL cannot load it"),
    ],
)
def test_facts_say_why_a_key_cannot_be_used(host, store, content, problem):
    issue(store)
    with open(os.path.join(store.of("1"), "key.pem"), "wb") as stream:
        stream.write(content)
    assert _tls_host.facts(host, store.path)["key"]["problem"].startswith(problem)


def test_words_for_people_tell_certificates_apart(store):
    issue(store)
    first = _tls_host.in_words("1", store.material("1"))
    assert first.startswith("generation: 1\ncertificate: serial ") and first.count("trusted CA: serial ") == 1
    trust(store, CA, NEXT_CA)
    assert _tls_host.in_words("2", store.material("2")).count("trusted CA: serial ") == 2
    assert _tls_host.in_words(None, None) == ""
    assert _tls_host.in_words("3", None) == "generation: 3\ncertificate: not signed yet\n"
