# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab of virtual machines computes; that machines run is what `make test-vm` shows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def vm():
    sys.path.insert(0, str(ROOT / "lab"))
    try:
        import vm
    finally:
        sys.path.remove(str(ROOT / "lab"))
    return vm


def unpack(archive):
    """Read an archive as the kernel does: path to mode and content."""
    found, at = {}, 0
    while True:
        assert archive[at : at + 6] == b"070701"
        mode, size, name_size = (int(archive[at + place : at + place + 8], 16) for place in (14, 54, 94))
        name = archive[at + 110 : at + 110 + name_size - 1].decode()
        at += -(-(110 + name_size) // 4) * 4
        if name == "TRAILER!!!":
            return found
        found[name] = (mode, archive[at : at + size])
        at += -(-size // 4) * 4


def test_an_archive_has_all_folders_before_their_files(vm):
    found = unpack(vm.cpio({"a/b/c": (0o600, b"12345"), "init": (0o755, b"x"), "dev": (0o040755, b"")}))
    assert list(found) == ["a", "a/b", "a/b/c", "init", "dev"]
    assert found["a/b"] == (0o040755, b"")
    assert found["a/b/c"] == (0o100600, b"12345")
    assert found["init"] == (0o100755, b"x")


def kernel(root, modules, builtin=""):
    """A root file system with a kernel's modules: each with those it needs, the nearest first."""
    folder = root / "usr/lib/modules/6.12"
    folder.mkdir(parents=True)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/busybox").write_bytes(b"busybox")
    for name in modules:
        (folder / f"{name}.ko").write_bytes(name.encode())
    lines = [f"{name}.ko: {' '.join(f'{other}.ko' for other in others)}" for name, others in modules.items()]
    (folder / "modules.dep").write_text("\n".join(lines) + "\n")
    (folder / "modules.builtin").write_text(builtin)


def test_modules_are_loaded_after_those_they_need(vm, tmp_path):
    kernel(tmp_path, {"disk": ["bus", "ring"], "bus": ["ring"], "ring": [], "other": []})
    found = unpack(vm.initramfs(tmp_path, ("disk",)))
    assert found["modules/order"][1] == b"ring.ko bus.ko disk.ko"
    assert "modules/other.ko" not in found
    assert found["init"][0] == 0o100755


def test_a_module_may_be_in_the_kernel_but_not_missing(vm, tmp_path):
    kernel(tmp_path, {}, builtin="kernel/drivers/block/virtio-blk.ko\n")
    assert unpack(vm.initramfs(tmp_path, ("virtio_blk",)))["modules/order"][1] == b""
    with pytest.raises(vm.LabError, match=r"the kernel 6\.12 has no module virtio_net"):
        vm.initramfs(tmp_path, ("virtio_net",))


def test_the_probe_for_kvm_is_a_boot_sector(vm):
    assert len(vm.PROBE) == 512
    assert vm.PROBE.endswith(b"\x55\xaa")


def test_the_two_networks_of_all_machines_have_addresses_of_their_own(vm):
    found = {vm.mac(host, network) for host in ("vm1", "vm2") for network in ("user", "lan")}
    assert len(found) == 4
    assert all(address.startswith("52:54:00:") for address in found)


def test_every_scenario_may_have_its_name(vm):
    scenarios = [path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")]
    assert "raspberry_pi" in scenarios
    for name in scenarios:
        assert vm.VmLab.named(f"molecule-{name}").id.startswith(f"molecule-{name}-")
    with pytest.raises(vm.LabError, match="at most 40 small letters, digits, dashes and underscores"):
        vm.VmLab.named("Pi")
