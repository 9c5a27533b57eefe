# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The home pair on two Raspberry Pis, as far as an emulator has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import KEA_VERSION, NOTES, Pair, labtool, output_of, play

MEMORY = ("MemTotal", "MemAvailable")


def test_the_machines_are_as_small_as_a_pi(pair: Pair):
    """Else the rest would prove nothing."""
    for server in pair.servers:
        assert server.run("uname -m").strip() == "aarch64"
        assert int(server.run("awk '/MemTotal/ {print $2}' /proc/meminfo")) < 1024 * 1024
        assert server.run("ls /sys/class/rtc").strip() == ""


def test_the_hooks_of_this_processor_are_loaded(pair: Pair):
    for server in pair.servers:
        configuration = server.kea("config-get")["arguments"]["Dhcp4"]
        libraries = [hook["library"] for hook in configuration["hooks-libraries"]]
        assert [library.rpartition("/")[2] for library in libraries] == ["libdhcp_lease_cmds.so", "libdhcp_ha.so"]
        maps = server.run(f"cat /proc/{server.pid()}/maps")
        assert "/usr/lib/aarch64-linux-gnu/kea/hooks/libdhcp_ha.so" in maps


@pytest.mark.parametrize("suite", KEA_VERSION)
def test_the_hooks_of_a_32_bit_processor_are_where_the_roles_look(suite: str, tmp_path: Path):
    """No such board is emulated: Debian's packages for armhf tell. The roles' path is in tests/unit/test_render.py."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "status").touch()
    (tmp_path / "sources").write_text(labtool.image_sources(suite)[0] + "\n", encoding="utf-8")
    settings = {
        "APT::Architecture": "armhf",
        "APT::Architectures": "armhf",
        "APT::Sandbox::User": "root",
        "Dir::State": tmp_path / "state",
        "Dir::State::status": tmp_path / "status",
        "Dir::Cache": tmp_path / "cache",
        "Dir::Etc::SourceList": tmp_path / "sources",
        "Dir::Etc::SourceParts": "/dev/null",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in settings.items())]
    for words in (["update"], ["download", "kea-common"]):
        output_of([*apt, *words], 300, cwd=tmp_path)
    (package,) = tmp_path.glob("kea-common_*_armhf.deb")
    assert package.name.startswith(f"kea-common_{KEA_VERSION[suite].rpartition('.')[0]}.")
    content = output_of(["dpkg-deb", "-c", str(package)], 60).split()
    for hook in ("libdhcp_lease_cmds.so", "libdhcp_ha.so"):
        assert f"./usr/lib/arm-linux-gnueabihf/kea/hooks/{hook}" in content


def test_config_get_in_both_directions(pair: Pair):
    """verify.yml asks each server's partner for its configuration, over the URL that the servers use."""
    expect = json.dumps({"kea_expect": [{"query": 'Dhcp4."valid-lifetime"', "equals": 43200}]})
    run = play("playbooks/verify.yml", "-e", expect)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_lease(pair: Pair):
    lease = pair.lease()
    assert lease["server_id"] == pair.primary.address
    assert lease["address"] in pair.standby.leases()


def test_there_is_memory_left(pair: Pair):
    for server in pair.servers:
        total, available = (int(server.run(f"awk '/{what}/ {{print $2}}' /proc/meminfo")) // 1024 for what in MEMORY)
        kea = int(server.run(f"awk '/VmRSS/ {{print $2}}' /proc/{server.pid()}/status")) // 1024
        NOTES.append(f"{server.name}: {available} of {total} MB free, kea-dhcp4 has {kea} MB")
        assert available > total / 2
