# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pair has, what it shall have, and so what is to be done; and whether that would part the two servers."""

from __future__ import annotations

import certs
import pytest
from ansible_collections.keaops.kea.plugins.plugin_utils import _certify, _pki
from certs import NOW, PASSPHRASE, authority, leaf
from pairs import build, facts, kea_info

GOOD_KEY = {"problem": None, "owner": "root", "group": "_kea", "mode": "0640"}
SERVING = {"ha": True, "state": "hot-standby"}


def old():
    return authority("Old CA")


def new():
    return authority("New CA")


def in_place(host="dhcp1", issuer=None, trust=None, current="1", key=None, **changes):
    """Return what a host says of its certificates."""
    issuer = issuer or old()
    return {
        "current": current,
        "generations": [current],
        "certificate": leaf(host, issuer=issuer, **changes).text,
        "trust": [item.text for item in trust or [issuer]],
        "key": {**GOOD_KEY, **(key or {})},
        "openssl": True,
    }


NOTHING = {"current": None, "generations": [], "certificate": None, "trust": [], "key": {}, "openssl": True}


def pair_of(first=None, second=None, group=None, dhcp1=None, dhcp2=None, serving=True, asked=True):
    """Return a pair with TLS, whose hosts say this of their certificates."""
    ha = SERVING if serving else None

    def known(address, tls):
        return facts(address, {**kea_info("3.0.4", active=serving, ha=ha), "tls": tls}) if asked else None

    pair, found = build(
        {"kea_tls_enabled": True, **(group or {})},
        dhcp1,
        dhcp2,
        known("192.168.1.2", in_place() if first is None else first),
        known("192.168.1.3", in_place("dhcp2") if second is None else second),
    )
    assert found == []
    return pair


class Case:
    """A pair beside the folder of its CA."""

    def __init__(self, folder):
        self.folder = folder
        self.made = {}

    @property
    def ca_dir(self):
        return self.folder / ".kea-pki" / "kea"

    def write(self, path, content):
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o600)

    def own(self, entity, where=""):
        self.write(self.ca_dir / where / "ca.pem", entity.pem)
        self.write(self.ca_dir / where / "ca.key", entity.encrypted_key)
        self.write(self.ca_dir / "passphrase", PASSPHRASE)

    def certify(self, pair, offline=False, decrypt=None):
        around = _certify.Surroundings(str(self.folder), self.made, decrypt, offline)
        _certify.certify(pair, around, NOW)
        return [server.certificates for server in pair.servers]


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path)


@pytest.fixture
def ready(case):
    case.own(old())
    return case


def actions(found):
    return [(item.action, item.generation) for item in found]


def wrong(found):
    return [item for one in found for item in one.problems if item.severity != "info"]


# ---------------------------------------------------------------------------------------------------------------------
# the own CA


def test_without_tls_nothing_is_looked_at(ready):
    pair = pair_of(group={"kea_tls_enabled": False})
    assert ready.certify(pair) == [None, None]


def test_all_as_wanted(ready):
    found = ready.certify(pair_of())
    assert actions(found) == [("none", "1"), ("none", "1")]
    assert [item.reason for item in found] == ["", ""]
    assert [item.days_left for item in found] == [90, 90]
    assert int(found[0].serial, 16) == leaf("dhcp1", issuer=old()).certificate.serial_number
    assert (found[0].trust, found[0].ca_dir) == ((old().text,), str(ready.ca_dir))
    assert (wrong(found), found[0].cuts_link) == ([], False)


def test_bare_hosts_before_the_first_run(case):
    found = case.certify(pair_of(NOTHING, NOTHING, serving=False))
    assert actions(found) == [("issue", ""), ("issue", "")]
    assert found[0].reason == "the host has no certificate yet"
    assert (found[0].trust, found[0].days_left, found[0].serial) == ((), None, "")
    assert wrong(found) == []


def test_hosts_that_were_not_asked(ready):
    found = ready.certify(pair_of(asked=False))
    assert actions(found) == [("issue", ""), ("issue", "")]
    assert found[0].trust == (old().text,)


def test_offline_needs_no_folder_and_looks_into_none(case):
    case.write(case.ca_dir / "ca.pem", "nonsense")
    found = case.certify(pair_of(asked=False), offline=True)
    assert actions(found) == [("issue", ""), ("issue", "")]
    assert wrong(found) == []


@pytest.mark.parametrize(
    ("tls", "reason"),
    [
        (in_place(days=30.0), "its certificate expires on 2026-07-01"),
        (in_place(start=-99.0, days=-1.0), "its certificate expired on 2026-05-31"),
        (in_place(names=("IP:192.168.1.2",)), "its certificate is for IP:192.168.1.2, and should be for"),
        (in_place(private=certs.key("p384")), "its key is ecdsa-p384, and should be ecdsa-p256"),
        (in_place(usages=certs.SERVER), "its certificate is not for both server and client"),
        (in_place(key={"problem": "it does not match"}), "its key.pem cannot be used: it does not match"),
        (in_place(key={"owner": "nobody"}), "its key.pem has the owner nobody, and should have root"),
        (in_place(key={"group": "root"}), "its key.pem has the group root, and should have _kea"),
        (in_place(key={"mode": "0644"}), "its key.pem has the mode 0644, and should have 0640"),
        ({**in_place(), "certificate": None}, "its cert.pem holds no certificate"),
        (
            {**in_place(), "certificate": "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"},
            "its cert.pem cannot be used: the certificate is damaged",
        ),
        (NOTHING, "the host has no certificate yet"),
    ],
)
def test_a_new_certificate(ready, tls, reason):
    found = ready.certify(pair_of(tls))
    assert actions(found) == [("issue", ""), ("none", "1")]
    assert found[0].reason.startswith(reason)
    assert (wrong(found), found[0].cuts_link) == ([], False)


def test_rotation_on_demand(ready):
    pair = pair_of(NOTHING, group={"kea_tls_rotate": "leaf"})
    assert actions(ready.certify(pair)) == [("issue", ""), ("issue", "")]
    ready.made = {"dhcp2": "2"}
    pair = pair_of(second=in_place("dhcp2", current="3"), group={"kea_tls_rotate": "leaf"})
    assert actions(ready.certify(pair)) == [("issue", ""), ("issue", "")]


@pytest.mark.parametrize("unknown", ["owner", "group", "mode"])
def test_what_is_not_known_of_a_key_is_no_reason(ready, unknown):
    assert actions(ready.certify(pair_of(in_place(key={unknown: None})))) == [("none", "1"), ("none", "1")]


def test_a_host_whose_system_is_not_known(ready):
    pair = pair_of(in_place(key={"group": "kea"}))
    pair.servers[0].platform = None
    assert actions(ready.certify(pair)) == [("none", "1"), ("none", "1")]


def test_what_this_run_has_made_waits_for_the_daemons(ready):
    ready.made = {"dhcp1": "2"}
    found = ready.certify(pair_of(in_place(days=1.0), in_place("dhcp2", days=1.0)))
    assert actions(found) == [("none", "2"), ("issue", "")]
    assert found[0].reason == ""


@pytest.mark.parametrize(("rotate", "expected"), [(None, ("issue", "")), ("leaf", ("none", "2"))])
def test_what_an_earlier_phase_of_this_run_has_made_is_past(ready, rotate, expected):
    ready.made = {"dhcp1": "2"}
    first = in_place(days=90.0 if rotate else 1.0, current="2")
    found = ready.certify(pair_of(first, group={"kea_tls_rotate": rotate} if rotate else {}))
    assert actions(found)[0] == expected


def test_a_folder_elsewhere(case, tmp_path):
    case.write(tmp_path / "elsewhere" / "ca.pem", old().pem)
    case.write(tmp_path / "elsewhere" / "ca.key", old().encrypted_key)
    found = case.certify(pair_of(group={"kea_tls_ca_dir": "elsewhere", "kea_tls_ca_passphrase": PASSPHRASE}))
    assert (actions(found)[0], wrong(found)) == (("none", "1"), [])
    assert found[0].ca_dir == str(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("ca_dir", "source", "refused"),
    [
        ("pki", "", True),
        ("deep/pki", "", True),
        ("pki", "hosts.yml", False),
        (".secret/pki", "", False),
        ("pki", "elsewhere", False),
        (None, "", False),
    ],
)
def test_a_folder_that_ansible_reads_as_inventory(case, ca_dir, source, refused):
    (case.folder / "elsewhere").mkdir()
    (case.folder / "hosts.yml").touch()
    around = _certify.Surroundings(str(case.folder), {}, None, True, [str(case.folder / source)])
    pair = pair_of(asked=False, group={"kea_tls_ca_dir": ca_dir} if ca_dir else {})
    _certify.certify(pair, around, NOW)
    found = wrong([server.certificates for server in pair.servers])
    assert [item.severity for item in found] == ["error", "error"] * refused
    if refused:
        assert (found[0].variable, found[0].value) == ("kea_tls_ca_dir", str(case.folder / ca_dir))
        assert found[0].message == (
            f"Ansible reads this folder as a part of the inventory {case.folder}, and would take its files for hosts"
        )
        assert found[0].fix == ("Give one that is not in there, or below a hidden folder, whose name begins with a dot")


def test_a_key_that_must_sign_and_cannot_stops_the_run(ready):
    (ready.ca_dir / "ca.key").unlink()
    found = wrong(ready.certify(pair_of()))
    assert [item.severity for item in found] == ["warning", "warning"]
    found = wrong(ready.certify(pair_of(in_place(days=3.0))))
    assert [item.severity for item in found] == ["error", "error"]


def test_a_folder_that_cannot_be_read(case):
    case.write(case.ca_dir / "ca.pem", old().key)
    found = wrong(case.certify(pair_of()))
    assert [item.variable for item in found] == ["kea_tls_ca_dir"] * 2
    assert "holds a private key, but should hold the certificate of the own CA" in found[0].message
    assert found[0].fix == (
        "Correct the permissions, copy the folder from a backup, or remove it if no host has a certificate yet"
    )


def test_a_key_that_cannot_be_read(ready):
    (ready.ca_dir / "ca.key").unlink()
    (ready.ca_dir / "ca.key").mkdir()
    found = wrong(ready.certify(pair_of()))
    assert [(item.variable, item.message) for item in found] == [
        ("kea_tls_ca_dir", f"{ready.ca_dir}/ca.key cannot be read: Is a directory")
    ] * 2


# ---------------------------------------------------------------------------------------------------------------------
# the CA changes


def test_another_controller_without_the_folder_is_refused(case):
    found = case.certify(pair_of())
    first, _second = wrong(found)
    assert (first.id, first.severity, first.variable, first.value) == (
        "P35",
        "error",
        "kea_tls_ca_dir",
        str(case.ca_dir),
    )
    assert first.message == "the host has a certificate of CN=Old CA, but this folder holds no CA"
    assert first.fix == (
        "Copy the folder from the controller that made this CA, or set kea_tls_ca_dir; to replace the CA without an"
        " outage, run rotate_certs.yml with -e kea_tls_rotate=ca"
    )


def test_another_controller_with_a_ca_of_its_own_is_refused(case):
    case.own(new())
    found = case.certify(pair_of())
    assert wrong(found)[0].message == (
        "the host has a certificate of CN=Old CA, but this folder holds another one, CN=New CA"
    )
    assert "move this folder away and run rotate_certs.yml" in wrong(found)[0].fix
    assert [item.cuts_link for item in found] == [True, True]


def test_an_outage_may_be_accepted_instead(case):
    case.own(new())
    found = case.certify(pair_of(group={"kea_accept_outage": True}))
    assert wrong(found) == []
    assert actions(found) == [("issue", ""), ("issue", "")]
    assert found[0].reason == "its certificate is of another CA, CN=Old CA"
    assert found[0].cuts_link


def test_a_rotation_without_the_folder_begins_with_what_the_hosts_trust(case):
    found = case.certify(pair_of(group={"kea_tls_rotate": "ca"}))
    assert (actions(found), wrong(found)) == ([("none", "1"), ("none", "1")], [])
    assert (found[0].trust, found[0].cuts_link) == ((old().text,), False)


def test_a_rotation_without_the_folder_needs_both_hosts(case):
    found = case.certify(pair_of(second=NOTHING, group={"kea_tls_rotate": "ca"}))
    assert [item.action for item in found] == ["issue", "issue"]
    assert [item.message for item in wrong(found)] == [
        "the host has a certificate of CN=Old CA, but this folder holds no CA"
    ]


def test_a_rotation_with_a_folder_that_cannot_be_read(case):
    case.write(case.ca_dir / "ca.pem", "nonsense")
    assert {item.severity for item in wrong(case.certify(pair_of(group={"kea_tls_rotate": "ca"})))} == {"error"}


def test_an_expired_ca_stops_a_run_but_not_its_replacement(case):
    case.own(authority("Old CA", start=-99.0, days=-1.0))
    expired = authority("Old CA", start=-99.0, days=-1.0)
    both = (in_place(issuer=expired), in_place("dhcp2", issuer=expired))
    assert {item.severity for item in wrong(case.certify(pair_of(*both)))} == {"error"}
    rotating = pair_of(*both, group={"kea_tls_rotate": "ca"})
    assert {item.severity for item in wrong(case.certify(rotating))} == {"warning"}


@pytest.mark.parametrize("key_is_lost", [False, True])
def test_a_ca_is_replaced_without_the_servers_ever_parting(case, key_is_lost):
    """Walk through the three phases, and within each through the state after the first server's turn."""
    case.own(old())
    if key_is_lost:
        (case.ca_dir / "ca.key").unlink()
    has = {"dhcp1": (old(), [old()]), "dhcp2": (old(), [old()])}

    def look():
        pair = pair_of(
            *(in_place(host, issuer, trust) for host, (issuer, trust) in has.items()), group={"kea_tls_rotate": "ca"}
        )
        found = case.certify(pair)
        assert [item for item in wrong(found) if item.severity == "error"] == []
        assert [item.cuts_link for item in found] == [False, False]
        return [item.action for item in found]

    assert _pki.begin(str(case.ca_dir), [], True) is False
    case.own(new(), "next")
    assert look() == ["trust", "trust"]
    has["dhcp2"] = (old(), [old(), new()])
    assert look() == ["trust", "none"]
    has["dhcp1"] = (old(), [old(), new()])
    assert look() == ["none", "none"]
    _pki.promote(str(case.ca_dir), True)
    assert look() == ["issue", "issue"]
    has["dhcp2"] = (new(), [new(), old()])
    assert look() == ["issue", "none"]
    has["dhcp1"] = (new(), [new(), old()])
    assert look() == ["none", "none"]
    _pki.finish(str(case.ca_dir), [leaf(issuer=new()).text], True)
    assert look() == ["trust", "trust"]
    has["dhcp2"] = (new(), [new()])
    assert look() == ["trust", "none"]
    has["dhcp1"] = (new(), [new()])
    assert look() == ["none", "none"]


def test_certificates_are_renewed_while_a_next_ca_waits(case):
    case.own(old())
    case.own(new(), "next")
    both = [old(), new()]
    found = case.certify(pair_of(in_place(trust=both, days=3.0), in_place("dhcp2", trust=both)))
    assert actions(found) == [("issue", ""), ("none", "1")]


def test_what_works_stays_while_a_ca_without_key_is_replaced_but_nothing_else(case):
    case.own(old())
    case.own(new(), "next")
    (case.ca_dir / "ca.key").unlink()
    both = [old(), new()]
    third = in_place("dhcp2", issuer=authority("Third CA"), trust=both)
    found = case.certify(pair_of(in_place(trust=both, days=3.0), third, group={"kea_accept_outage": True}))
    assert actions(found) == [("none", "1"), ("issue", "")]


def test_a_phase_that_was_skipped_would_part_the_servers(case):
    case.own(old())
    case.own(new(), "next")
    _pki.promote(str(case.ca_dir), True)
    found = case.certify(pair_of())
    assert [item.cuts_link for item in found] == [True, True]


@pytest.mark.parametrize(
    "pair",
    [
        lambda: pair_of(serving=False),
        lambda: pair_of(NOTHING),
        lambda: pair_of(in_place(issuer=authority("Third CA"))),
        lambda: pair_of(in_place(start=-99.0, days=-1.0)),
    ],
)
def test_where_there_is_no_link_none_is_cut(case, pair):
    case.own(new())
    found = case.certify(pair())
    assert [item.cuts_link for item in found] == [False, False]


# ---------------------------------------------------------------------------------------------------------------------
# the user's files

FILES = {
    "kea_tls_source": "files",
    "kea_tls_trust_anchor": "files/ca.pem",
}
EACH = [
    {"kea_tls_cert_file": f"files/{host}.pem", "kea_tls_key_file": f"files/{host}.key"} for host in ("dhcp1", "dhcp2")
]


def from_files(first=None, second=None, **how):
    how = {"group": {**FILES, **how.pop("group", {})}, "dhcp1": EACH[0], "dhcp2": EACH[1], **how}
    return pair_of(first, second, **how)


@pytest.fixture
def given(case):
    case.write("files/ca.pem", old().pem)
    for host in ("dhcp1", "dhcp2"):
        case.write(f"files/{host}.pem", leaf(host, issuer=old()).pem)
        case.write(f"files/{host}.key", leaf(host, issuer=old()).key)
    return case


def test_files_in_place(given):
    found = given.certify(from_files())
    assert actions(found) == [("none", "1"), ("none", "1")]
    assert (wrong(found), found[0].ca_dir, found[0].trust) == ([], "", (old().text,))


def test_files_to_be_installed(given):
    given.write("files/dhcp1.pem", certs.make("dhcp1", old(), names=("IP:192.168.1.2",)).pem)
    given.write("files/dhcp1.key", certs.make("dhcp1", old(), names=("IP:192.168.1.2",)).key)
    found = given.certify(from_files())
    assert actions(found) == [("install", ""), ("none", "1")]
    assert found[0].reason == "the host has another certificate, of CN=Old CA"
    assert (wrong(found), found[0].cuts_link) == ([], False)


def test_files_are_checked_offline(given):
    given.write("files/dhcp2.key", leaf("dhcp1", issuer=old()).key)
    found = given.certify(from_files(asked=False), offline=True)
    assert actions(found) == [("install", ""), ("install", "")]
    assert [item.message for item in found[1].problems if item.severity == "error"] == [
        "the private key does not belong to the certificate CN=dhcp2 in files/dhcp2.pem"
    ]


def test_one_more_ca_to_trust(given):
    given.write("files/ca.pem", old().pem + new().pem)
    found = given.certify(from_files())
    assert actions(found) == [("trust", ""), ("trust", "")]
    assert (found[0].trust, found[0].cuts_link) == ((old().text, new().text), False)


def change_ca(given):
    given.write("files/ca.pem", new().pem)
    for host in ("dhcp1", "dhcp2"):
        given.write(f"files/{host}.pem", leaf(host, issuer=new()).pem)
        given.write(f"files/{host}.key", leaf(host, issuer=new()).key)


def test_another_ca_at_once_would_part_the_servers(given):
    change_ca(given)
    found = given.certify(from_files())
    assert actions(found) == [("install", ""), ("install", "")]
    assert [item.cuts_link for item in found] == [True, True]
    # Nor may the old one be dropped together with its certificates.
    both = [old(), new()]
    found = given.certify(from_files(in_place(trust=both), in_place("dhcp2", trust=both)))
    assert [item.cuts_link for item in found] == [True, True]
    # In steps it does not.
    given.write("files/ca.pem", old().pem + new().pem)
    found = given.certify(from_files(in_place(trust=both), in_place("dhcp2", trust=both)))
    assert actions(found) == [("install", ""), ("install", "")]
    assert [item.cuts_link for item in found] == [False, False]


def test_what_cuts_the_link_is_still_known_when_it_waits_for_the_daemons(given):
    change_ca(given)
    given.made = {"dhcp1": "2", "dhcp2": "2"}
    found = given.certify(from_files())
    assert actions(found) == [("none", "2"), ("none", "2")]
    assert [item.cuts_link for item in found] == [True, True]


def test_partners_that_would_refuse_each_other(given):
    given.write("files/other-ca.pem", new().pem)
    given.write("files/dhcp2.pem", leaf("dhcp2", issuer=new()).pem)
    given.write("files/dhcp2.key", leaf("dhcp2", issuer=new()).key)
    found = given.certify(from_files(dhcp2={**EACH[1], "kea_tls_trust_anchor": "files/other-ca.pem"}))
    first, second = wrong(found)
    assert (first.variable, first.value, first.severity) == ("kea_tls_trust_anchor", "files/ca.pem", "error")
    assert first.message == (
        "the certificate of the partner dhcp2 was signed by CN=New CA, which is not in this file: the servers would"
        " refuse each other"
    )
    assert first.fix == "Have one CA sign both certificates, or put both CAs into this file"
    assert (second.value, "dhcp1 was signed by CN=Old CA" in second.message) == ("files/other-ca.pem", True)


def test_a_certificate_of_another_ca_is_reported_once(given):
    given.write("files/dhcp1.pem", leaf("dhcp1", issuer=new()).pem)
    given.write("files/dhcp1.key", leaf("dhcp1", issuer=new()).key)
    (item,) = wrong(given.certify(from_files()))
    assert item.message == "the certificate was signed by CN=New CA, but files/ca.pem holds CN=Old CA"


def only(found):
    (item,) = wrong(found)
    return item


def test_a_missing_file(given):
    (given.folder / "files/dhcp1.key").unlink()
    item = only(given.certify(from_files()))
    assert (item.id, item.variable, item.value) == ("P35", "kea_tls_key_file", "files/dhcp1.key")
    assert item.message.startswith(
        f"there is no such file on the controller; looked for {given.folder}/files/dhcp1.key and /"
    )
    assert item.fix == (
        "Correct the path; a relative one begins at the folder of the inventory, or at the current folder"
    )


def test_a_file_of_the_current_folder(given, tmp_path_factory, monkeypatch):
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    (here / "mine.key").write_bytes((given.folder / "files/dhcp1.key").read_bytes())
    found = given.certify(from_files(dhcp1={**EACH[0], "kea_tls_key_file": "mine.key"}))
    assert wrong(found) == []


def test_absolute_paths_and_those_of_the_user(given, monkeypatch):
    monkeypatch.setenv("HOME", str(given.folder))
    own = {"kea_tls_cert_file": f"{given.folder}/files/dhcp1.pem", "kea_tls_key_file": "~/files/dhcp1.key"}
    assert wrong(given.certify(from_files(dhcp1=own))) == []


def test_a_folder_as_file(given):
    item = only(given.certify(from_files(dhcp1={**EACH[0], "kea_tls_cert_file": "files"})))
    assert item.message == f"{given.folder}/files is a folder"
    assert item.fix == "Give one PEM file; kea_tls_trust_anchor may hold several certificates"


def test_a_file_that_may_not_be_read(given, monkeypatch):
    def refuse(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(_certify, "open", refuse, raising=False)
    messages = [item.message for item in wrong(given.certify(from_files()))]
    assert f"{given.folder}/files/dhcp1.key cannot be read: Permission denied" in messages


def test_a_huge_file(given):
    given.write("files/dhcp1.pem", b"x" * (1 << 21))
    item = only(given.certify(from_files()))
    assert item.message == f"{given.folder}/files/dhcp1.pem is larger than any certificate or key"


@pytest.mark.parametrize("form", [str, lambda text: text.replace("\n", " "), lambda text: text[28:]])
def test_the_key_itself_instead_of_its_path_is_not_shown(given, form):
    text = leaf(issuer=old()).key.decode()
    item = only(given.certify(from_files(dhcp1={**EACH[0], "kea_tls_key_file": form(text)})))
    assert item.message == "the variable holds the content of a file, but should hold its path"
    assert item.value == ""
    assert text.splitlines()[1] not in str(item)


def test_a_file_that_is_not_named_is_for_another_check(given):
    found = given.certify(from_files(dhcp1={"kea_tls_cert_file": "files/dhcp1.pem"}))
    assert wrong(found) == []


def test_a_vaulted_key(given):
    key = leaf("dhcp1", issuer=old()).key
    given.write("files/dhcp1.key", certs.vaulted(key, "vault"))
    assert wrong(given.certify(from_files(), decrypt=lambda path: key)) == []

    def refuse(path):
        raise ValueError("Decryption failed")

    for decrypt in (refuse, None):
        item = only(given.certify(from_files(), decrypt=decrypt))
        assert item.message == (
            "the file holds something that ansible-vault has encrypted, but should hold the private key of the host's"
            " certificate"
        )
        assert item.fix == "Give the vault password (--ask-vault-pass)"


def test_files_that_cannot_be_used_leave_the_rest_to_be_checked(given):
    given.write("files/dhcp1.pem", leaf(issuer=old()).key)
    found = given.certify(from_files())
    assert (found[0].reason, found[0].action) == ("its files cannot be used", "install")
    assert len(wrong(found)) == 1
    given.write("files/ca.pem", b"")
    assert given.certify(from_files())[1].reason == "its files cannot be used"


# ---------------------------------------------------------------------------------------------------------------------
# the texts a host gets


def texts(case, pair, host="dhcp1"):
    around = _certify.Surroundings(str(case.folder), {}, None, False)
    return _certify.texts(pair, pair.server(host), around, NOW)


def test_texts_of_the_users_files(given):
    given.write("files/ca.pem", old().pem + new().pem)
    assert texts(given, from_files(), "dhcp2") == {
        "trust": [old().text, new().text],
        "certificate": leaf("dhcp2", issuer=old()).text,
        "private_key": leaf("dhcp2", issuer=old()).key.decode(),
    }


def test_texts_of_the_own_ca(ready):
    ready.own(new(), "next")
    assert texts(ready, pair_of()) == {"trust": [old().text, new().text], "certificate": "", "private_key": ""}


def test_no_texts_when_a_file_is_no_good(given):
    given.write("files/dhcp1.pem", leaf(issuer=new()).key)
    with pytest.raises(_certify.CertifyError, match="dhcp1: kea_tls_cert_file: the file holds a private key"):
        texts(given, from_files())
    for variables in ({}, {**EACH[1], "kea_tls_trust_anchor": None}):
        with pytest.raises(_certify.CertifyError, match="not all files of its certificate are named"):
            texts(given, from_files(dhcp2=variables), "dhcp2")
    given.write("files/dhcp2.pem", leaf("dhcp2", issuer=old(), start=-99.0, days=-1.0).pem)
    with pytest.raises(_certify.CertifyError, match="dhcp2: kea_tls_cert_file: the certificate expired on 2026-05-31"):
        texts(given, from_files(), "dhcp2")
    given.write(given.ca_dir / "ca.pem", "x")
    with pytest.raises(_certify.CertifyError, match="dhcp1: .*ca.pem holds neither PEM"):
        texts(given, pair_of())
