# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fault tests do to the hosts, the network and the files of a pair, and how it is undone."""

from __future__ import annotations

import concurrent.futures
import json
import subprocess
import time

from conftest import KEA_VERSION, AtOnce, Host, Pair, lab, play, renew
from killed import JOURNAL, LIFETIMES, run

DHCP, AGENT = "kea-dhcp4-server", "kea-ctrl-agent"
LEASES = "/var/lib/kea"
DROP_IN = f"/etc/systemd/system/{DHCP}.service.d/zz-fault.conf"
PORT = {1: "port1", 2: "port2"}  # of the LAN's bridge, which is on the client


# --- processes


def kill(server: Host, unit: str = DHCP, signal: str = "KILL") -> None:
    """Send a signal to a service."""
    server.run(f"systemctl kill -s {signal} {unit}")


def stop(server: Host, unit: str = DHCP) -> None:
    """Stop a service."""
    server.run(f"systemctl stop {unit}")


def start(server: Host, unit: str = DHCP) -> None:
    """Start a service."""
    server.run(f"systemctl start {unit}")


def power_cut(pair: Pair, *servers: Host) -> None:
    """Cut the power of servers, at once, and start them again."""
    cut = AtOnce(lambda server: lab("reboot", server.name), list(servers))
    for server in servers:
        cut[server]
        renew(server)


# --- network


def part(pair: Pair, *ports: str, apart: bool = True) -> None:
    """Have the LAN carry nothing between these ports; everything else passes."""
    for port in ports:
        pair.client.run(f"bridge link set dev {port} isolated {'on' if apart else 'off'}")


def block(server: Host, rule: str, hook: str = "input") -> None:
    """Have the server's firewall drop what a rule names."""
    family, device = ("netdev", "device enp0s8 ") if hook == "egress" else ("inet", "")
    server.run(
        f"nft add table {family} fault && nft 'add chain {family} fault fault {{ type filter hook {hook} "
        f"{device}priority 0; }}' && nft add rule {family} fault fault {rule} drop"
    )


def unblock(*servers: Host) -> None:
    """Remove that."""
    for server in servers:
        server.run("for f in inet netdev; do nft delete table $f fault 2>/dev/null; done; true")


def deaf_to(server: Host, other: Host) -> None:
    """Have a server reach another one no more, which hears of it nothing odd but that it is silent."""
    server.run(f"ip route add blackhole {other.address}/32")


def hear(server: Host, other: Host) -> None:
    """Undo that."""
    server.run(f"ip route del blackhole {other.address}/32")


def flap(pair: Pair, times: int = 4, seconds: float = 3) -> None:
    """Cut and mend the link between the servers, again and again."""
    for _ in range(times):
        part(pair, *PORT.values())
        time.sleep(seconds)
        part(pair, *PORT.values(), apart=False)
        time.sleep(seconds)


def slow(server: Host) -> None:
    """Make what the server sends as slow as an old modem."""
    server.run("tc qdisc add dev enp0s8 root tbf rate 48kbit burst 3kb latency 2s")


def fast(server: Host) -> None:
    """Undo that."""
    server.run("tc qdisc del dev enp0s8 root")


# --- disks, files, clocks


def small_disk(server: Host, folder: str, unit: str = DHCP) -> None:
    """Put a folder of Kea's on a disk of 512 kB of its own."""
    server.run(
        f"systemctl stop {unit} && cp -a {folder} /var/tmp/kept && mount -t tmpfs -o size=512k tmpfs {folder} && "
        f"chown --reference=/var/tmp/kept {folder} && chmod --reference=/var/tmp/kept {folder} && "
        f"find /var/tmp/kept -type f -size +100k -delete; cp -a /var/tmp/kept/. {folder}; systemctl start {unit}"
    )


def usual_disk(server: Host, folder: str, unit: str = DHCP) -> None:
    """Undo that."""
    server.run(
        f"systemctl stop {unit}; rm -rf /var/tmp/kept && cp -a {folder} /var/tmp/kept && umount {folder} && "
        f"cp -a /var/tmp/kept/. {folder}; rm -rf /var/tmp/kept; systemctl start {unit}"
    )


def fill(server: Host, folder: str) -> None:
    """Write until the disk of a folder is full."""
    done = server.shell.run(f"cat /dev/zero > {folder}/filler")
    assert "No space left" in done.stderr, f"{server.name}: {folder} is not full: {done.stderr}"


def delete_leases(server: Host) -> None:
    """Have a server start without any lease it knew."""
    server.run(f"systemctl stop {DHCP} && rm -f {LEASES}/kea-leases4.csv* && systemctl start {DHCP}")


def set_clock(server: Host, seconds: int) -> None:
    """Have Kea believe that it is so much later: the clock of a container is that of all."""
    library = server.run("find /usr/lib -name libfaketimeMT.so.1").strip()
    setting = f"LD_PRELOAD={library} FAKETIME=+{seconds} FAKETIME_DONT_FAKE_MONOTONIC=1"
    folder, _slash, name = DROP_IN.rpartition("/")
    server.put(folder, {name: f"[Service]\nEnvironment={setting}\n".encode()})
    server.run(f"systemctl daemon-reload && systemctl restart {DHCP}")


def right_clock(server: Host) -> None:
    """Undo that."""
    server.run(f"rm -f {DROP_IN} && systemctl daemon-reload && systemctl restart {DHCP}")


# --- playbooks


def site(pair: Pair, **variables: object) -> subprocess.CompletedProcess:
    """Run site.yml with other values."""
    return play("site.yml", "-e", json.dumps(variables), limit=pair.name)


def words(done: subprocess.CompletedProcess) -> str:
    """Return what a run said, in one line."""
    return " ".join((done.stdout + done.stderr).split())


def refused(done: subprocess.CompletedProcess, *texts: str) -> None:
    """Fail unless a run has failed, and said so."""
    assert done.returncode != 0, done.stdout
    for text in texts:
        assert text in words(done), f"{text!r} is not in:\n{done.stdout}"


def recover(pair: Pair) -> None:
    """Do what the manual says after an accident."""
    done = play("playbooks/recover.yml", limit=pair.name)
    assert done.returncode == 0, done.stdout + done.stderr


def renumber_back(pair: Pair) -> None:
    """Do what the manual says when a server runs what the inventory does not say, which Kea 2.2 does not see itself."""
    if KEA_VERSION[pair.suite].startswith("2.2"):
        refused(play("playbooks/recover.yml", limit=pair.name), "].id: 1 on", "Deploy both servers")
    else:
        recover(pair)
    done = site(pair, kea_accept_drift=True)
    assert done.returncode == 0, done.stdout + done.stderr


def recover_late(pair: Pair) -> None:
    """Do so when the pair has been well for so long that its leases can be compared."""
    pair.healthy()
    time.sleep(12)
    recover(pair)


def change_while_blocked(pair: Pair) -> None:
    """Change a value while the servers do not reach each other: it must be refused before anything is changed."""
    before = [server.pid() for server in pair.servers]
    done = site(pair, kea_valid_lifetime=next(LIFETIMES))
    refused(done, pair.standby.name)
    assert [server.pid() for server in pair.servers] == before, done.stdout


def change_twice_at_once(pair: Pair) -> None:
    """Start a second run while the first one changes the pair."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(run, pair, next(LIFETIMES))
        deadline = time.monotonic() + 120
        while not json.loads(pair.standby.file(JOURNAL))["open"]:
            assert time.monotonic() < deadline and not first.done(), "the first run changes nothing"
            time.sleep(0.2)
        refused(run(pair, next(LIFETIMES)), "the run ")
        assert first.result().returncode == 0, first.result().stdout


def upgrade_to_a_broken_package(pair: Pair) -> None:
    """Offer the standby a newer package whose installation fails half-way, and upgrade."""
    pair.standby.run(
        """set -e; rm -rf /srv/broken; mkdir -p /srv/broken/tree; cd /srv/broken
apt-get -q download kea-dhcp4-server; dpkg-deb -R kea-dhcp4-server_*.deb tree; rm kea-dhcp4-server_*.deb
sed -i 's/^Version: .*/&+broken/' tree/DEBIAN/control
printf '#!/bin/sh\\nexit 1\\n' > tree/DEBIAN/postinst; dpkg-deb -b tree broken.deb
{ dpkg-deb -f broken.deb; echo Filename: ./broken.deb; stat -c 'Size: %s' broken.deb
  echo SHA256: $(sha256sum < broken.deb | cut -d' ' -f1); } > Packages
echo 'deb [trusted=yes] file:/srv/broken ./' > /etc/apt/sources.list.d/broken.list"""
    )
    old = pair.standby.run("dpkg-query -W -f '${Version}' kea-dhcp4-server").strip()
    done = play("playbooks/upgrade.yml", limit=pair.name)
    refused(done, f"Kea {old} is back and serves")


def be_as_the_inventory_says(pair: Pair) -> None:
    """Undo what runs with other values have left: an upgrade refuses a pair that differs from its inventory."""
    assert site(pair, kea_valid_lifetime=next(LIFETIMES)).returncode == 0
    refused(play("playbooks/upgrade.yml", limit=pair.name), "is not that of the inventory. Run site.yml first")
    assert site(pair).returncode == 0


def forget_the_broken_package(pair: Pair) -> None:
    """Undo that."""
    pair.standby.run("rm -rf /etc/apt/sources.list.d/broken.list /srv/broken && apt-get -q update")
