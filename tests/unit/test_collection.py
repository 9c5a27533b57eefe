# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as users install it: what is in the tarball, and that it works without the checkout."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile

import pytest
import yaml
from ansible_collections.keaops.kea.plugins.module_utils._jsonc import loads
from programs import HOME, ROOT, files_below, run

PLAYBOOK = "- name: Render\n  ansible.builtin.import_playbook: keaops.kea.render\n"
MODULE = re.compile(r"^ +(?:- )?([a-z_]+\.[a-z_]+)\.[a-z0-9_]+:", re.MULTILINE)
ROLES = sorted(folder.name for folder in (ROOT / "roles").iterdir() if folder.is_dir())


@pytest.fixture(scope="module")
def tarball(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    done = run("ansible-galaxy", "collection", "build", "--output-path", folder, folder=folder, cwd=ROOT)
    assert done.code == 0, done.output
    return next(folder.glob("keaops-kea-*.tar.gz"))


@pytest.fixture(scope="module")
def shipped(tarball):
    with tarfile.open(tarball) as archive:
        return sorted(member.name for member in archive.getmembers() if member.isfile())


def test_the_tarball_holds_what_users_need(shipped):
    tops = {name.split("/")[0] for name in shipped}
    assert {"plugins", "roles", "playbooks", "inventories", "docs", "meta", "site.yml", "README.md", "LICENSE"} <= tops
    for folder in ("plugins", "roles", "playbooks", "inventories"):
        written = {name for name in files_below(ROOT / folder) if "__pycache__" not in name}
        assert {name.split("/", 1)[1] for name in shipped if name.startswith(folder + "/")} == written


def test_the_tarball_holds_nothing_else(shipped):
    tops = {name.split("/")[0] for name in shipped}
    assert tops <= {
        "CHANGELOG.rst",
        "FILES.json",
        "LICENSE",
        "LICENSES",
        "MANIFEST.json",
        "README.md",
        "REUSE.toml",
        "changelogs",
        "docs",
        "inventories",
        "meta",
        "playbooks",
        "plugins",
        "roles",
        "site.yml",
    }
    parts = {part for name in shipped for part in name.split("/")}
    assert not [part for part in parts if part.startswith(".") or part in ("lab", "molecule", "tests", "__pycache__")]


def test_the_installed_collection_renders_without_the_checkout(tarball, tmp_path):
    collections, work = tmp_path / "collections", tmp_path / "work"
    shutil.copytree(HOME, work / "inventory")
    (work / "play.yml").write_text(PLAYBOOK, encoding="utf-8")
    (work / "ansible.cfg").touch()
    common = {
        "folder": tmp_path,
        "cwd": work,
        "config": work / "ansible.cfg",
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false",
    }
    # Rendering needs none of the collections that ours depends on, and a clone has no server to fetch them from.
    install = ("collection", "install", tarball, "-p", collections, "--offline", "--no-deps")
    done = run("ansible-galaxy", *install, **common)
    assert done.code == 0, done.output

    done = run("ansible-playbook", "-i", "inventory", "play.yml", **common)
    assert done.code == 0, done.output
    assert not done.contacted
    files = files_below(work / "rendered")
    assert [name for name in files if name.endswith("kea-dhcp4.conf")] == [
        "dhcp1/kea-dhcp4.conf",
        "dhcp2/kea-dhcp4.conf",
    ]
    for name in files:
        assert loads((work / "rendered" / name).read_text(encoding="utf-8"))


def test_every_collection_in_use_is_a_dependency():
    wanted = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["dependencies"]
    used = set()
    for folder in ("roles", "playbooks"):
        for path in (ROOT / folder).rglob("*.yml"):
            used |= set(MODULE.findall(path.read_text(encoding="utf-8")))
    assert set(wanted) == used - {"ansible.builtin", "keaops.kea"}


def test_the_action_group_names_every_module():
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    modules = [path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem != "__init__"]
    assert runtime["action_groups"] == {"kea": sorted(modules)}


@pytest.mark.parametrize("role", ROLES)
def test_every_role_is_described(role):
    folder = ROOT / "roles" / role
    assert (folder / "README.md").read_text(encoding="utf-8").strip()
    specs = yaml.safe_load((folder / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    assert specs["main"]["short_description"]
    assert specs["main"]["description"]


def test_what_is_generated_is_up_to_date():
    """The argument specs of the preflight role and the tables of the documentation say what the code says."""
    command = [sys.executable, str(ROOT / "scripts" / "docs.py"), "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
