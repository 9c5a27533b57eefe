# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only machines show that have a kernel, a clock and a boot of their own."""

from __future__ import annotations

import contextlib
import json
import re
import time

import pytest
from conftest import NOTES, PAIRS, Host, Pair, changed, lab, play
from machines import HEAL, after_boot, boot_messages, boots, count, reaches, synchronised, wait_until

FAITHFUL_MAC = "02:00:00:00:0f:02"
PROFILES = {"kea-dhcp4": "/usr/sbin/kea-dhcp4", "kea-ctrl-agent": "/usr/sbin/kea-ctrl-agent"}
CANARY = "/root/apparmor-canary.conf"
KERNEL = "journalctl --no-pager -o cat _TRANSPORT=kernel _TRANSPORT=audit"


def denials(server: Host) -> list[str]:
    """Return what AppArmor has denied Kea, in all boots."""
    # From the kernel alone: sudo logs this very command, too.
    result = server.shell.run(f"{KERNEL} -g %s", 'apparmor="DENIED".*kea')
    return [line for line in result.stdout.splitlines() if "DENIED" in line]


def a_second_ago(server: Host) -> str:
    """Return the server's time, for journalctl --since."""
    return server.run("date -d '-1 second' '+%F %T'").strip()


# --- AppArmor


def test_apparmor_enforces_keas_profiles(pair: Pair):
    for server in pair.servers:
        status = json.loads(server.run("aa-status --json"))
        for profile in (*PROFILES, "kea-lfc"):
            assert status["profiles"].get(profile) == "enforce", f"{server.name}: {profile}"
        for profile, program in PROFILES.items():
            found = [process["status"] for process in status["processes"][program] if process["profile"] == profile]
            assert found == ["enforce"], f"{server.name}: {profile}: {status['processes']}"


def test_leases_are_cleaned_up_within_apparmor(fresh: Pair):
    """Kea runs kea-lfc as a process of its own, with a profile of its own."""
    server = fresh.standby
    fresh.lease()
    pid = server.pid()
    configuration = server.kea("config-get")["arguments"]["Dhcp4"]
    configuration["lease-database"]["lfc-interval"] = 3
    before = count(server, "DHCPSRV_MEMFILE_LFC_EXECUTE")
    try:
        assert server.kea("config-set", Dhcp4=configuration)["result"] == 0
        wait_until("a clean-up", lambda: count(server, "DHCPSRV_MEMFILE_LFC_EXECUTE") > before, 60)
        wait_until("its result", lambda: server.shell.run("test -s /var/lib/kea/kea-leases4.csv.2").rc == 0, 60)
    finally:
        server.run("systemctl restart kea-dhcp4-server")
    assert server.pid() != pid
    assert denials(server) == []


def test_a_denial_would_be_seen(pair: Pair):
    """The counterpart of the tests that see none: Kea may not read this."""
    server = pair.standby
    since = a_second_ago(server)
    server.run(f"echo '{{}}' >{CANARY}")
    assert server.shell.run(f"kea-dhcp4 -t {CANARY}").rc != 0
    server.run(f"rm {CANARY}")
    line = wait_until(
        "the denial",
        lambda: server.shell.run(f"{KERNEL} --since %s -g %s", since, "DENIED.*canary").stdout,
        30,
    )
    assert 'profile="kea-dhcp4"' in line


# --- firewall


def test_the_firewall_admits_the_partner_alone(pair: Pair):
    for server in pair.servers:
        assert "tcp dport 8000 ip saddr" in server.run("nft list table inet keaops")
        assert reaches(pair.partner(server), server.address)
        assert not reaches(pair.client, server.address)


# --- boots


@pytest.mark.parametrize("who", ["standby", "primary", "both"])
def test_reboot(fresh: Pair, who: str):
    """DHCP is back without help, the pair is in hot standby, leases and firewall are there."""
    pair = fresh
    leases = {lease["address"]: lease["mac"] for lease in (pair.lease(), pair.lease("--mac", FAITHFUL_MAC))}
    servers = pair.servers if who == "both" else [getattr(pair, who)]
    NOTES.append(f"reboot of {who}: healthy again after {boots(pair, *servers):.0f} s")
    for server in servers:
        after_boot(pair, server, leases)
    again = pair.lease("--mac", FAITHFUL_MAC)
    assert leases[again["address"]] == FAITHFUL_MAC
    assert again["server_id"] == pair.primary.address


# --- the host itself

OWN_FILES = ["/etc/systemd/network/05-keaops-kea.network", "/etc/systemd/system.conf.d/keaops-kea.conf"]


def network_file(server: Host) -> str:
    """Return the file by which systemd-networkd has set up the LAN's interface."""
    return re.search(r"Network File: (\S+)", server.run("networkctl status --no-pager enp0s8")).group(1)


def watchdog(server: Host) -> str:
    return server.run("systemctl show -p RuntimeWatchdogUSec --value").strip()


def test_a_fixed_address_and_a_watchdog(fresh: Pair):
    """The run cuts nothing; from the next boot on the address is from our file; without variables the files go."""
    pair, server = fresh, fresh.standby
    settings = json.dumps({"kea_host_network": "networkd", "kea_host_watchdog": 15})
    before, others, routes = server.pid(), network_file(server), server.run("ip -4 route")
    try:
        run = play("site.yml", "-e", settings)
        assert run.returncode == 0, run.stdout + run.stderr
        assert "settings of the host itself" in " ".join(run.stdout.split())
        assert set(changed(play("site.yml", "-e", settings).stdout).values()) == {0}
        assert (server.pid(), network_file(server), watchdog(server)) == (before, others, "15s")
        boots(pair, server)
        assert (network_file(server), watchdog(server)) == (OWN_FILES[0], "15s")
        assert f"inet {server.address}/24" in server.run("ip -4 address show enp0s8")
        # The router of the clients is not that of this host, which has one on another interface.
        assert sorted(server.run("ip -4 route").split("\n")) == sorted(routes.split("\n"))
        after_boot(pair, server, {})
    finally:
        run = play("site.yml")
    assert run.returncode == 0, run.stdout + run.stderr
    for each in pair.servers:
        assert [path for path in OWN_FILES if each.shell.run("test -e %s", path).rc == 0] == []
        assert watchdog(each) == "0"


# --- clocks


@contextlib.contextmanager
def ahead(server: Host, seconds: int):
    """Have a host's clock run ahead, by so many seconds, for the length of the block."""
    wait_until(f"{server.name}: a synchronised clock", lambda: synchronised(server), 120)
    server.run("systemctl stop systemd-timesyncd")
    server.run(f"date -s '+{seconds} seconds'")
    try:
        yield
    finally:
        server.run(f"date -s '-{seconds} seconds'; systemctl start systemd-timesyncd")
        wait_until(f"{server.name}: the right clock", lambda: synchronised(server), 120)


def test_a_clock_that_is_31_seconds_ahead(fresh: Pair):
    """Kea warns, and both stay as they are."""
    pair = fresh
    before = count(pair.standby, "HA_HIGH_CLOCK_SKEW ")
    with ahead(pair.standby, 31):
        wait_until("a warning", lambda: count(pair.standby, "HA_HIGH_CLOCK_SKEW ") > before, 60)
        for _ in range(5):
            assert pair.states() == ("hot-standby", "hot-standby")
            time.sleep(1)
        run = play("playbooks/verify.yml")
        words = " ".join((run.stdout + run.stderr).split())
        # "At least": an emulated host takes its time to tell the time.
        assert re.search(r"clock( of vm1)? is \d+(\.\d)? s behind that of vm2", words), words
        assert pair.lease()["server_id"] == pair.primary.address
    assert pair.states() == ("hot-standby", "hot-standby")


def test_a_clock_that_is_61_seconds_ahead(fresh: Pair):
    """Both end high availability, the primary serves on; with the right time, recover.yml makes the pair as before."""
    pair = fresh
    before = pair.lease("--mac", FAITHFUL_MAC)
    with ahead(pair.standby, 61):
        pair.wait_for("terminated", "terminated", seconds=60)
        status = " ".join(play("playbooks/status.yml").stdout.split())
        meanwhile = pair.lease("--mac", FAITHFUL_MAC)
    # The right time alone does not bring it back.
    states = pair.states()
    run = play("playbooks/recover.yml")
    assert run.returncode == 0, run.stdout + run.stderr
    pair.healthy(HEAL)
    assert states == ("terminated", "terminated")
    assert "high availability has ended: the clocks differ by more than 60 s" in status
    assert (meanwhile["address"], meanwhile["server_id"]) == (before["address"], pair.primary.address)
    assert pair.lease("--mac", FAITHFUL_MAC)["address"] == before["address"]


def test_kea_starts_without_a_time_server(fresh: Pair):
    """The wait is bounded: no DHCP at all would be worse."""
    server = fresh.standby
    fresh.client.run("touch /tmp/ntp-off")
    try:
        boots(fresh, server)
        assert not synchronised(server)
    finally:
        fresh.client.run("rm /tmp/ntp-off")
    assert "The clock of this host is not synchronised" in boot_messages(server)
    started = int(server.run("systemctl show -p ExecMainStartTimestampMonotonic --value kea-dhcp4-server"))
    assert 60 <= started / 1e6 < 120


# --- the link between the servers


def dropped(server: Host) -> int:
    """Return how many packets the server's LAN has lost on purpose."""
    return int(re.search(r"dropped (\d+)", server.run("tc -s qdisc show dev enp0s8")).group(1))


def test_a_slow_and_lossy_link(fresh: Pair):
    """Loss and delay on the standby's cable, where none but the partner is: leases are given, nothing takes over."""
    pair = fresh
    before = {server: count(server, "HA_STATE_TRANSITION") for server in pair.servers}
    pair.standby.run("tc qdisc add dev enp0s8 root netem delay 100ms 20ms loss 5%")
    try:
        for number in range(60):
            assert pair.lease()["server_id"] == pair.primary.address
            # What was dropped is counted: the fault was there. A lease takes a few packets only.
            if number >= 7 and dropped(pair.standby):
                break
        assert dropped(pair.standby)
    finally:
        pair.standby.run("tc qdisc del dev enp0s8 root")
    assert {server: count(server, "HA_STATE_TRANSITION") for server in pair.servers} == before
    wait_until("equal leases", lambda: pair.primary.leases() == pair.standby.leases(), 30)


def test_a_pulled_cable_of_the_standby(fresh: Pair):
    """The primary serves alone, and the pair heals when the cable is back."""
    pair = fresh
    lab("net", "cut", pair.standby.name)
    try:
        pair.wait_for("partner-down", pair.standby.state(), seconds=90)
        meanwhile = pair.lease()
    finally:
        lab("net", "heal", pair.standby.name)
    pair.healthy(HEAL)
    assert meanwhile["server_id"] == pair.primary.address
    assert meanwhile["address"] in pair.standby.leases()


# --- the end


@pytest.mark.parametrize("server", [server for pair in PAIRS for server in pair.servers], ids=lambda host: host.name)
def test_apparmor_has_denied_nothing_in_all_this(server: Host):
    """Installing, checking the configuration as _kea, serving, rebooting, all of it."""
    assert [line for line in denials(server) if CANARY not in line] == []
