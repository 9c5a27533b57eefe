# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of the own CA: what is in it, what is wrong with it, and its way through the replacement of the CA."""

from __future__ import annotations

import contextlib
import os

import pytest
from ansible_collections.keaops.kea.plugins.action import kea_tls_ca
from ansible_collections.keaops.kea.plugins.plugin_utils import _certificates, _pki
from certs import NOW, PASSPHRASE, authority, leaf

RESTORE = "Copy the folder {path} from the controller that made the CA or from a backup, or run rotate_certs.yml with"
ROTATE = "-e kea_tls_rotate=ca"


def old():
    return authority("Old CA")


def new():
    return authority("New CA")


def write(path, content, mode=0o600):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a CA that is ready."""
    path = tmp_path / "pki" / "kea"
    write(path / "ca.pem", old().pem)
    write(path / "ca.key", old().encrypted_key)
    write(path / "passphrase", PASSPHRASE + "\n")
    return path


def add_next(folder):
    write(folder / "next" / "ca.key", new().encrypted_key)
    write(folder / "next" / "ca.pem", new().pem)


def subjects(certificates):
    return [item.subject for item in certificates]


def names(path):
    """Return all files below a folder."""
    return sorted(str(item.relative_to(path)) for item in path.rglob("*") if item.is_file())


# ---------------------------------------------------------------------------------------------------------------------
# reading


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "/inv/.kea-pki/office"),
        ("ca", "/inv/ca"),
        ("../ca/", "/ca"),
        ("/srv/pki/kea-office", "/srv/pki/kea-office"),
        ("~/ca", os.path.expanduser("~/ca")),
    ],
)
def test_where_the_folder_is(given, expected):
    assert _pki.folder_of(given, "office", "/inv") == expected


def test_phases(folder):
    path = str(folder)
    found = _pki.read(path)
    assert (found.phase, found.signer.subject, found.has_key) == ("ready", "CN=Old CA", True)
    assert subjects(found.trust) == ["CN=Old CA"]
    add_next(folder)
    found = _pki.read(path)
    assert (found.phase, found.signer.subject) == ("next", "CN=Old CA")
    assert subjects(found.trust) == ["CN=Old CA", "CN=New CA"]
    assert _pki.promote(path, True)
    found = _pki.read(path)
    assert (found.phase, found.signer.subject) == ("previous", "CN=New CA")
    assert subjects(found.trust) == ["CN=New CA", "CN=Old CA"]
    assert _pki.finish(path, [leaf(issuer=new()).text], True)
    found = _pki.read(path)
    assert (found.phase, subjects(found.trust)) == ("ready", ["CN=New CA"])


@pytest.mark.parametrize("there", ["nothing", "a folder", "a key that a killed run left"])
def test_absent(tmp_path, there):
    if there != "nothing":
        (tmp_path / "x").mkdir()
    if there.startswith("a key"):
        write(tmp_path / "x" / "ca.key", old().encrypted_key)
    found = _pki.read(str(tmp_path / "x"))
    assert (found.phase, found.signer, found.trust) == ("absent", None, [])
    assert list(_pki.problems(found, None, NOW, True, False)) == []


def test_a_next_ca_that_is_not_complete_is_not_trusted(folder):
    write(folder / "next" / "ca.key", new().encrypted_key)
    assert _pki.read(str(folder)).phase == "ready"


def test_files_that_cannot_be_read(folder, tmp_path):
    write(folder / "ca.pem", old().key)
    with pytest.raises(
        _pki.PkiError, match="ca.pem holds a private key, but should hold the certificate of the own CA"
    ):
        _pki.read(str(folder))
    write(folder / "ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(_pki.PkiError, match="ca.pem: the certificate is damaged"):
        _pki.read(str(folder))
    (folder / "ca.pem").unlink()
    (folder / "ca.pem").mkdir()
    with pytest.raises(_pki.PkiError, match="ca.pem cannot be read: Is a directory"):
        _pki.read(str(folder))
    (tmp_path / "file").write_text("x")
    with pytest.raises(_pki.PkiError, match="cannot be read: Not a directory"):
        _pki.read(str(tmp_path / "file" / "pki"))


# ---------------------------------------------------------------------------------------------------------------------
# checks


def problems(folder, passphrase=None, signing=True, replacing=False, now=NOW):
    return list(_pki.problems(_pki.read(str(folder)), passphrase, now, signing, replacing))


def only(folder, **how):
    (item,) = problems(folder, **how)
    return item


def test_a_good_folder(folder):
    assert problems(folder) == []
    (folder / "passphrase").unlink()
    assert problems(folder, passphrase=PASSPHRASE) == []


BROKEN = {
    "no key": (
        lambda folder: (folder / "ca.key").unlink(),
        None,
        "it has the certificate of the own CA, but not its key, ca.key",
        RESTORE,
    ),
    "no passphrase": (
        lambda folder: (folder / "passphrase").unlink(),
        None,
        "the key of the own CA in {path} is encrypted, but no passphrase is set, and there is no file passphrase beside"
        " it",
        "Set kea_tls_ca_passphrase, in a vault; when the passphrase is lost, run rotate_certs.yml with",
    ),
    "an empty passphrase": (
        lambda folder: write(folder / "passphrase", "\n"),
        None,
        "the key of the own CA in {path} is encrypted, but no passphrase is set, and there is no file passphrase beside"
        " it",
        "Set kea_tls_ca_passphrase, in a vault; when the passphrase is lost, run rotate_certs.yml with",
    ),
    "a wrong passphrase": (
        lambda folder: (folder / "passphrase").unlink(),
        "Wrong-Horse-battery-9",
        "this is not the passphrase of the own CA's key in {path}",
        "Correct kea_tls_ca_passphrase; when the passphrase is lost, run rotate_certs.yml with",
    ),
    "a passphrase beside the one it was made with": (
        lambda folder: None,
        "Wrong-Horse-battery-9",
        "this is not the passphrase of the own CA's key in {path}; it may have been made with the one in the file"
        " passphrase beside it",
        "Correct kea_tls_ca_passphrase; when the passphrase is lost, run rotate_certs.yml with",
    ),
    "a wrong passphrase in the file": (
        lambda folder: write(folder / "passphrase", "Wrong-Horse-battery-9"),
        None,
        "the file passphrase in it does not open ca.key",
        RESTORE,
    ),
    "a key without encryption": (
        lambda folder: write(folder / "ca.key", old().key),
        None,
        "ca.key in it is not encrypted",
        "Encrypt it with the passphrase, and replace it: openssl pkcs8 -topk8 -in {path}/ca.key -out encrypted.key",
    ),
    "the key of another CA": (
        lambda folder: write(folder / "ca.key", new().encrypted_key),
        None,
        "ca.key in it does not belong to ca.pem",
        RESTORE,
    ),
    "no key at all in the file": (
        lambda folder: (write(folder / "ca.key", b"x"), (folder / "passphrase").unlink()),
        None,
        "ca.key in it cannot be used: it is damaged",
        RESTORE,
    ),
    "no CA": (
        lambda folder: (write(folder / "ca.pem", leaf().pem), write(folder / "ca.key", leaf().encrypted_key)),
        None,
        "ca.pem in it, CN=dhcp1, is not the certificate of a CA",
        RESTORE,
    ),
    "a CA that may not sign": (
        lambda folder: write(folder / "ca.pem", authority("Old CA", key_usage=("crl_sign",)).pem),
        None,
        "ca.pem in it, CN=Old CA, is not the certificate of a CA",
        RESTORE,
    ),
    "a key without encryption, and a passphrase in the vault": (
        lambda folder: (write(folder / "ca.key", old().key), (folder / "passphrase").unlink()),
        PASSPHRASE,
        "ca.key in it is not encrypted",
        "Encrypt it with the passphrase, and replace it: openssl pkcs8 -topk8 -in {path}/ca.key -out encrypted.key",
    ),
    "a key that others can read": (
        lambda folder: (folder / "ca.key").chmod(0o644),
        None,
        "ca.key in it can be read by others (mode 0644), and whoever has the CA can command the servers",
        "Run chmod 0600 {path}/ca.key",
    ),
    "a passphrase that the group can read": (
        lambda folder: (folder / "passphrase").chmod(0o640),
        None,
        "passphrase in it can be read by others (mode 0640), and whoever has the CA can command the servers",
        "Run chmod 0600 {path}/passphrase",
    ),
    "an expired CA": (
        lambda folder: write(folder / "ca.pem", authority("Old CA", start=-99.0, days=-1.0).pem),
        None,
        "the own CA CN=Old CA expired on 2026-05-31",
        "Run rotate_certs.yml with",
    ),
    "a CA that ends soon": (
        lambda folder: write(folder / "ca.pem", authority("Old CA", days=3.0).pem),
        None,
        "the own CA CN=Old CA expires on 2026-06-04, in less than 7 days",
        "Run rotate_certs.yml with",
    ),
    "a CA of tomorrow": (
        lambda folder: write(folder / "ca.pem", authority("Old CA", start=1.0).pem),
        None,
        "the own CA CN=Old CA is not valid before 2026-06-02 12:00 UTC",
        "Wait until then, have it issued again, or set the clock of the controller",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_with_a_folder(folder, name):
    change, passphrase, message, fix = BROKEN[name]
    change(folder)
    item = only(folder, passphrase=passphrase)
    assert (item.id, item.severity) == ("P35", "error")
    assert item.message == message.format(path=folder)
    wanted = fix.format(path=folder)
    assert item.fix == (f"{wanted} {ROTATE}" if wanted.endswith(" with") else wanted)
    if item.variable == "kea_tls_ca_passphrase":
        assert item.value == ""
    else:
        assert (item.variable, item.value) == ("kea_tls_ca_dir", str(folder))
    assert PASSPHRASE not in str(item)
    assert "Horse" not in str(item)


def test_a_key_that_is_not_needed_now_is_a_warning(folder):
    (folder / "ca.key").unlink()
    assert only(folder, signing=False).severity == "warning"


def test_the_end_of_a_ca_that_is_being_replaced_is_a_warning(folder):
    write(folder / "ca.pem", authority("Old CA", start=-99.0, days=-1.0).pem)
    assert only(folder, replacing=True).severity == "warning"


def test_the_end_of_a_ca_is_announced_three_months_before(folder):
    write(folder / "ca.pem", authority("Old CA", days=80.0).pem)
    item = only(folder)
    assert (item.severity, item.message) == ("warning", "the own CA CN=Old CA expires on 2026-08-20, in 80 days")


def test_an_interrupted_rotation_is_told_from_a_wrong_key(folder):
    add_next(folder)
    os.replace(folder / "next" / "ca.key", folder / "ca.key")
    item = only(folder)
    assert item.message == "ca.key in it does not belong to ca.pem: a rotation of the CA was interrupted"
    assert item.fix == "To complete it, run rotate_certs.yml with -e kea_tls_rotate=ca"


def test_a_wrong_key_beside_a_next_ca_is_a_wrong_key(folder):
    add_next(folder)
    write(folder / "ca.key", authority("Third CA").encrypted_key)
    assert only(folder).message == "ca.key in it does not belong to ca.pem"


def test_modes_with_the_passphrase_in_a_vault(folder):
    for name in ("ca.key", "passphrase"):
        (folder / name).chmod(0o604)
    item = only(folder, passphrase=PASSPHRASE)
    assert item.message.startswith("ca.key in it can be read by others (mode 0604)")


# ---------------------------------------------------------------------------------------------------------------------
# from one phase to the next


def test_a_rotation_step_by_step(folder):
    path = str(folder)
    assert not _pki.begin(path, [], True)
    add_next(folder)
    assert not _pki.begin(path, [], True)
    assert _pki.promote(path, True)
    assert names(folder) == ["ca.key", "ca.pem", "passphrase", "previous/ca.pem"]
    key = _certificates.load_key((folder / "ca.key").read_bytes(), PASSPHRASE)
    assert _certificates.is_pair(_pki.read(path).signer, key)
    assert not _pki.promote(path, True)
    assert not _pki.begin(path, [], True)
    assert _pki.finish(path, [leaf(issuer=new()).text], True)
    assert names(folder) == ["ca.key", "ca.pem", "passphrase"]
    assert not (folder / "previous").exists()
    assert not _pki.finish(path, [], True)
    assert problems(folder) == []


def test_check_mode_tells_and_touches_nothing(folder):
    path = str(folder)
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    # The next CA would be made between the two.
    assert _pki.promote(path, False)
    assert not _pki.finish(path, [], False)
    add_next(folder)
    assert _pki.promote(path, False)
    assert {name: (folder / name).read_bytes() for name in names(folder) if "next" not in name} == before
    _pki.promote(path, True)
    assert _pki.finish(path, ["nonsense"], False)
    assert (folder / "previous" / "ca.pem").exists()
    assert _pki.begin(str(folder / "absent"), [old().text], False)
    assert not (folder / "absent").exists()


def test_promote_without_a_next_ca(folder):
    with pytest.raises(_pki.PkiError, match="holds no next CA that could take over"):
        _pki.promote(str(folder), True)
    write(folder / "next" / "ca.pem", new().pem)
    with pytest.raises(_pki.PkiError, match="holds no ca.key, so the CA in it cannot sign. Remove this folder"):
        _pki.promote(str(folder), True)
    assert names(folder) == ["ca.key", "ca.pem", "next/ca.pem", "passphrase"]


def test_finish_only_when_nobody_uses_the_old_ca(folder):
    path = str(folder)
    add_next(folder)
    with pytest.raises(_pki.PkiError, match="holds a next CA: the change to it has not been made yet"):
        _pki.finish(path, [], True)
    _pki.promote(path, True)
    with pytest.raises(
        _pki.PkiError, match="a certificate of CN=Old CA is still in use, by CN=dhcp2: run site.yml first"
    ):
        _pki.finish(path, [leaf(issuer=new()).text, leaf("dhcp2", issuer=old()).text], True)
    assert _pki.read(path).phase == "previous"


def test_a_folder_that_was_lost_takes_over_what_the_hosts_trust(tmp_path):
    path = tmp_path / "pki" / "kea"
    assert _pki.begin(str(path), [old().text, old().text], True)
    assert subjects(_pki.read(str(path)).current) == ["CN=Old CA"]
    assert path.stat().st_mode & 0o777 == 0o700
    assert (path / ".gitignore").read_text().splitlines()[-1] == "*"
    assert not _pki.begin(str(path), [old().text], True)
    add_next(path)
    _pki.promote(str(path), True)
    found = _pki.read(str(path))
    assert (found.phase, found.signer.subject, found.has_key) == ("previous", "CN=New CA", True)
    assert subjects(found.previous) == ["CN=Old CA"]


def test_begin_completes_what_was_interrupted(folder):
    path = str(folder)
    add_next(folder)
    write(folder / "previous" / "ca.pem", old().pem)
    os.replace(folder / "next" / "ca.key", folder / "ca.key")
    assert _pki.begin(path, [], False)
    assert _pki.read(path).phase == "next"
    assert _pki.begin(path, [], True)
    assert (_pki.read(path).phase, problems(folder)) == ("previous", [])


def test_nothing_to_replace(tmp_path):
    with pytest.raises(_pki.PkiError, match="there is nothing to replace. Run site.yml"):
        _pki.begin(str(tmp_path), [], True)


def test_a_second_rotation_before_the_first_is_finished_keeps_all_old_cas(folder):
    path = str(folder)
    add_next(folder)
    _pki.promote(path, True)
    newest = authority("Newest CA")
    write(folder / "next" / "ca.key", newest.encrypted_key)
    write(folder / "next" / "ca.pem", newest.pem)
    _pki.promote(path, True)
    found = _pki.read(path)
    assert (found.signer.subject, subjects(found.previous)) == ("CN=Newest CA", ["CN=Old CA", "CN=New CA"])


class Killed(BaseException):
    """As if the process ended here."""


CALLS = ("replace", "fsync", "unlink", "rmdir")


def killed_at(monkeypatch, step):
    """Let the process end before its n-th call that changes the disk; return how to tell whether it came that far."""
    state = {"calls": 0}

    def guarded(function):
        def call(*args, **kwargs):
            state["calls"] += 1
            if state["calls"] == step:
                raise Killed
            return function(*args, **kwargs)

        return call

    for name in CALLS:
        monkeypatch.setattr(os, name, guarded(getattr(os, name)))
    return state


@pytest.mark.parametrize("again", ["promote", "begin"])
@pytest.mark.parametrize("step", range(1, 16))
def test_killed_while_the_next_ca_takes_over(folder, monkeypatch, step, again):
    path = str(folder)
    add_next(folder)
    with monkeypatch.context() as patch:
        killed_at(patch, step)
        with contextlib.suppress(Killed):
            _pki.promote(path, True)
    # Whatever was done: the hosts trust both, and a host's certificate is of one of them.
    found = _pki.read(path)
    assert set(subjects(found.trust)) == {"CN=Old CA", "CN=New CA"}
    if again == "begin":
        _pki.begin(path, [], True)
    if _pki.read(path).phase == "next":
        _pki.promote(path, True)
    found = _pki.read(path)
    assert (found.phase, found.signer.subject) == ("previous", "CN=New CA")
    assert subjects(found.previous) == ["CN=Old CA"]
    assert problems(folder) == []
    assert names(folder) == ["ca.key", "ca.pem", "passphrase", "previous/ca.pem"]


@pytest.mark.parametrize("step", range(1, 5))
def test_killed_while_the_previous_ca_is_forgotten(folder, monkeypatch, step):
    path = str(folder)
    add_next(folder)
    _pki.promote(path, True)
    with monkeypatch.context() as patch:
        killed_at(patch, step)
        with contextlib.suppress(Killed):
            _pki.finish(path, [], True)
    _pki.finish(path, [], True)
    assert (_pki.read(path).phase, problems(folder)) == ("ready", [])


# ---------------------------------------------------------------------------------------------------------------------
# the action


def test_action(folder):
    add_next(folder)
    path = str(folder)
    assert kea_tls_ca.move("begin", path, [], [], True) == {"changed": False, "state": "next"}
    assert kea_tls_ca.move("promote", path, [], [], False) == {"changed": True, "state": "next"}
    assert kea_tls_ca.move("promote", path, [], [], True) == {"changed": True, "state": "previous"}
    assert kea_tls_ca.move("finish", path, [], [leaf(issuer=new()).text], True) == {"changed": True, "state": "ready"}
    assert kea_tls_ca.move("finish", path, [], [], True) == {"changed": False, "state": "ready"}
