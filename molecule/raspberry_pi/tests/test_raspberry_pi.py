# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The home pair on two Raspberry Pis, as far as an emulator has them."""

from __future__ import annotations

import json

from conftest import NOTES, Pair, play

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
