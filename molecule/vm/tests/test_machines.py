# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only machines show that have a kernel, a clock and a boot of their own."""

from __future__ import annotations

import contextlib
import json
import re
import time

import pytest
from conftest import NOTES, PAIRS, Host, Pair, lab, play

FAITHFUL_MAC = "02:00:00:00:0f:02"
# A boot takes about a minute where the processor is emulated; the servers' negotiation comes after that.
HEAL = 180
PROFILES = {"kea-dhcp4": "/usr/sbin/kea-dhcp4", "kea-ctrl-agent": "/usr/sbin/kea-ctrl-agent"}
LOG = "/var/log/kea/kea-dhcp4.log"
CANARY = "/root/apparmor-canary.conf"


def wait_until(what: str, found, seconds: float, pause: float = 1.0):
    """Ask again until *found* returns something; returns that."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(pause)
    return value


def count(server: Host, word: str) -> int:
    """Return how often a word is in Kea's log."""
    return int(server.shell.run("grep -c -- %s %s", word, LOG).stdout or 0)


def denials(server: Host) -> list[str]:
    """Return what AppArmor has denied Kea, in all boots."""
    result = server.shell.run("journalctl --no-pager -o cat -g %s", 'apparmor="DENIED".*kea')
    return [line for line in result.stdout.splitlines() if "DENIED" in line]


def a_second_ago(server: Host) -> str:
    """Return the server's time, for journalctl --since."""
    return server.run("date -d '-1 second' '+%F %T'").strip()


@pytest.fixture
def machines(pair: Pair) -> Pair:
    """The pair, with nothing left on it of clients of earlier tests."""
    for server in pair.servers:
        server.kea("lease4-wipe", **{"subnet-id": 1})
    yield pair
    pair.healthy(HEAL)


# --- AppArmor


def test_apparmor_enforces_keas_profiles(pair: Pair):
    for server in pair.servers:
        status = json.loads(server.run("aa-status --json"))
        for profile in (*PROFILES, "kea-lfc"):
            assert status["profiles"].get(profile) == "enforce", f"{server.name}: {profile}"
        for profile, program in PROFILES.items():
            found = [process["status"] for process in status["processes"][program] if process["profile"] == profile]
            assert found == ["enforce"], f"{server.name}: {profile}: {status['processes']}"


def test_leases_are_cleaned_up_within_apparmor(machines: Pair):
    """Kea runs kea-lfc as a process of its own, with a profile of its own."""
    server = machines.standby
    machines.lease()
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
        lambda: server.shell.run("journalctl --no-pager -o cat --since %s -g %s", since, "DENIED.*canary").stdout,
        30,
    )
    assert 'profile="kea-dhcp4"' in line


# --- firewall


def reaches(host: Host, address: str) -> bool:
    """Can this host open a connection to Kea's port?"""
    script = f"import socket; socket.create_connection(('{address}', 8000), 4).close()"
    return host.shell.run("python3 -c %s", script).rc == 0


def test_the_firewall_admits_the_partner_alone(pair: Pair):
    for server in pair.servers:
        assert "tcp dport 8000 ip saddr" in server.run("nft list table inet keaops")
        assert reaches(pair.partner(server), server.address)
        assert not reaches(pair.client, server.address)


# --- boots


def boots(pair: Pair, *servers: Host) -> float:
    """Reboot servers in order, at once; return the seconds until both servers are healthy again."""
    started = time.monotonic()
    lab("reboot", *[server.name for server in servers])
    pair.healthy(HEAL)
    return time.monotonic() - started


def after_boot(pair: Pair, server: Host, leases: dict[str, str]) -> None:
    """What a server must be like after it booted, without anybody's help."""
    assert leases.items() <= server.leases().items(), f"{server.name}: {leases} {server.leases()}"
    assert server.run("systemctl is-active kea-dhcp4-server kea-ctrl-agent").split() == ["active", "active"]
    assert server.run("systemctl show -p NRestarts --value kea-dhcp4-server").strip() == "0"
    assert not reaches(pair.client, server.address)
    assert reaches(pair.partner(server), server.address)


@pytest.mark.parametrize("who", ["standby", "primary", "both"])
def test_reboot(machines: Pair, who: str):
    """DHCP is back without help, the pair is in hot standby, leases and firewall are there."""
    pair = machines
    leases = {lease["address"]: lease["mac"] for lease in (pair.lease(), pair.lease("--mac", FAITHFUL_MAC))}
    servers = pair.servers if who == "both" else [getattr(pair, who)]
    NOTES.append(f"reboot of {who}: healthy again after {boots(pair, *servers):.0f} s")
    for server in servers:
        after_boot(pair, server, leases)
    again = pair.lease("--mac", FAITHFUL_MAC)
    assert leases[again["address"]] == FAITHFUL_MAC
    assert again["server_id"] == pair.primary.address


def test_a_power_cut_of_the_primary(machines: Pair):
    """With clients asking: the standby takes over, a lease is kept, and the pair heals when power is back."""
    pair = machines
    before = pair.lease("--mac", FAITHFUL_MAC)
    assert before["server_id"] == pair.primary.address
    run = pair.client.run
    run("dhcp-client stream --count 40 --rate 1 --timeout 60 --history /tmp/cut >/dev/null 2>&1 &")
    wait_until("a client", lambda: '"ack"' in pair.client.shell.run("cat /tmp/cut").stdout, 30)
    cut = time.monotonic()
    lab("power", "cut", pair.primary.name)
    try:
        pair.wait_for("silent", "partner-down", seconds=120)
        NOTES.append(f"power cut of the primary: the standby took over after {time.monotonic() - cut:.0f} s")
        meanwhile = pair.lease("--mac", FAITHFUL_MAC)
        new = pair.lease()
    finally:
        lab("power", "on", pair.primary.name)
    pair.healthy(HEAL)
    assert (meanwhile["address"], meanwhile["server_id"]) == (before["address"], pair.standby.address)
    assert new["server_id"] == pair.standby.address
    # What it missed while it was away, and what it had not written down, it has from its partner.
    leases = [server.leases() for server in pair.servers]
    assert leases[0] == leases[1]
    assert leases[0][before["address"]] == FAITHFUL_MAC
    assert new["address"] in leases[0]
    after_boot(pair, pair.primary, {before["address"]: FAITHFUL_MAC})
    assert pair.lease("--mac", FAITHFUL_MAC)["server_id"] == pair.primary.address


# --- clocks


def synchronised(server: Host) -> bool:
    """Has a time server set this host's clock?"""
    return server.run("timedatectl show -p NTPSynchronized --value").strip() == "yes"


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


def test_a_clock_that_is_31_seconds_ahead(machines: Pair):
    """Kea warns, and both stay as they are."""
    pair = machines
    before = count(pair.standby, "HA_HIGH_CLOCK_SKEW ")
    with ahead(pair.standby, 31):
        wait_until("a warning", lambda: count(pair.standby, "HA_HIGH_CLOCK_SKEW ") > before, 60)
        for _ in range(5):
            assert pair.states() == ("hot-standby", "hot-standby")
            time.sleep(1)
        run = play("playbooks/verify.yml")
        assert run.returncode != 0
        assert re.search(r"its clock is 3\d s (ahead of|behind) that of", " ".join(run.stdout.split()))
        assert pair.lease()["server_id"] == pair.primary.address
    assert pair.states() == ("hot-standby", "hot-standby")


def test_a_clock_that_is_61_seconds_ahead(machines: Pair):
    """Both end high availability, the primary serves on; with the right time and a restart the pair is as before."""
    pair = machines
    before = pair.lease("--mac", FAITHFUL_MAC)
    with ahead(pair.standby, 61):
        pair.wait_for("terminated", "terminated", seconds=60)
        status = " ".join(play("playbooks/status.yml").stdout.split())
        assert "terminated" in status
        assert "the clocks differ by more than 60 s" in status
        meanwhile = pair.lease("--mac", FAITHFUL_MAC)
    assert (meanwhile["address"], meanwhile["server_id"]) == (before["address"], pair.primary.address)
    # The right time alone does not bring it back.
    assert pair.states() == ("terminated", "terminated")
    for server in (pair.standby, pair.primary):
        server.run("systemctl restart kea-dhcp4-server")
    pair.healthy(HEAL)
    assert pair.lease("--mac", FAITHFUL_MAC)["address"] == before["address"]


def boot_messages(server: Host) -> str:
    """What the DHCP server's unit has said since the host booted."""
    return server.run("journalctl --no-pager -b -o cat -u kea-dhcp4-server")


def test_kea_starts_after_the_clock_was_set(machines: Pair):
    """A Pi has no clock that goes on without power; the first thing after a boot is the right time."""
    server = machines.standby
    boots(machines, server)
    moments = server.run(
        "stat -c %Y /run/systemd/timesync/synchronized; "
        'date +%s -d "$(systemctl show -p ExecMainStartTimestamp --value kea-dhcp4-server)"'
    ).split()
    assert int(moments[0]) <= int(moments[1])
    assert "clock of this host is not synchronised" not in boot_messages(server)


def test_kea_starts_without_a_time_server(machines: Pair):
    """The wait is bounded: no DHCP at all would be worse."""
    server = machines.standby
    machines.client.run("touch /tmp/ntp-off")
    try:
        boots(machines, server)
        assert not synchronised(server)
    finally:
        machines.client.run("rm /tmp/ntp-off")
    assert "The clock of this host is not synchronised" in boot_messages(server)
    started = int(server.run("systemctl show -p ExecMainStartTimestampMonotonic --value kea-dhcp4-server"))
    assert 60 <= started / 1e6 < 120


# --- the link between the servers


def test_a_slow_and_lossy_link(machines: Pair):
    """Loss and delay on the standby's cable, where none but the partner is: leases are given, nothing takes over."""
    pair = machines
    before = {server: count(server, "HA_STATE_TRANSITION") for server in pair.servers}
    pair.standby.run("tc qdisc add dev enp0s8 root netem delay 100ms 20ms loss 5%")
    try:
        for _ in range(8):
            assert pair.lease()["server_id"] == pair.primary.address
        # What was dropped is counted: the fault was there.
        dropped = re.search(r"dropped (\d+)", pair.standby.run("tc -s qdisc show dev enp0s8")).group(1)
    finally:
        pair.standby.run("tc qdisc del dev enp0s8 root")
    assert int(dropped) > 0
    assert {server: count(server, "HA_STATE_TRANSITION") for server in pair.servers} == before
    wait_until("equal leases", lambda: pair.primary.leases() == pair.standby.leases(), 30)


def test_a_pulled_cable_of_the_standby(machines: Pair):
    """The primary serves alone, and the pair heals when the cable is back."""
    pair = machines
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
