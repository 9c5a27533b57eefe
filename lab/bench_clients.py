# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients notice of changes, upgrades and the loss of the primary, on each version of Kea: a part of lab/bench.

A pair is deployed once and measured in all rounds: one value changed, a live change (Kea 3.0 and later), a switchover
and back, the primary lost in a busy network and in a quiet one; then, made a secure pair, its certificates renewed.
Upgrades have pairs of their own in each round: deployed, and upgraded in place to the packages of the next release.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator

import bench_table
from bench_pair import ROOT, SERVERS, Pair
from probe import Probe

import lab as labtool

PRIMARY, STANDBY = SERVERS
SUITES = ("bookworm", "trixie", "forky")
LIFETIME = 43200  # the default
RATE = 10  # new clients each second
QUIET = {"rate": 0.5, "renewers": 2}  # few, and just enough for the standby to take over soon
LIVE = {"rate": 40, "room": 20}
TAKEOVER_SECONDS = 60
PLAYBOOKS = ROOT / "playbooks"

# A server that is killed is not to be started again by systemd.
HELD = "/run/systemd/system/kea-dhcp4-server.service.d/zz-bench.conf"  # the last word: after the one of the collection
HOLD = f"mkdir -p $(dirname {HELD}); printf '[Service]\\nRestart=no\\n' > {HELD}; systemctl daemon-reload"
FIND = f"rm {HELD}; systemctl daemon-reload; systemctl reset-failed kea-dhcp4-server; systemctl start kea-dhcp4-server"
# As docs/operations.md has it: below the priority of the host's own release. Testing may be past its date.
SOURCES = """
uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* | sed -n 's/^deb .*\\(http[^ ]*\\) .*/\\1/p; s/^URIs: *//p' |
head -n 1)
echo "deb [check-valid-until=no] ${uri:?} RELEASE main" > /etc/apt/sources.list.d/RELEASE.list
printf 'Package: *\\nPin: release n=RELEASE\\nPin-Priority: 100\\n' > /etc/apt/preferences.d/RELEASE
apt-get -q update
"""


class Bench:
    """One pair under measurement, and where its figures go."""

    def __init__(self, pair: Pair, run: str) -> None:
        self.pair, self.run = pair, run
        self.lifetime = LIFETIME
        self.number = 0  # of the round
        self.kea = ""
        self.timers: dict[str, int] = {}

    def look(self) -> None:
        """Ask the pair which Kea it has, and with which timers."""
        self.kea, self.timers = self.pair.version(), self.pair.timers()

    def keep(self, measure: str, probe: Probe, seconds: float, **more: float) -> None:
        """Keep what clients noticed; an unfinished measurement ends the bench."""
        report = probe.report
        for name in ("duplicates", "lost", "difference"):
            if report[name] is None:
                raise labtool.LabError(f"{measure}: the leases of both servers could not be compared: {probe.folder}")
        if report["normal_since"] is None:
            raise labtool.LabError(f"{measure}: the pair is not back in its normal state: see {probe.folder}")
        heartbeat = self.timers["heartbeat-delay"] / 1000
        values = {"seconds": round(seconds, 2), "heartbeat": heartbeat, **bench_table.noticed(report), **more}
        entry = {"run": self.run, "kea": self.kea, "measure": measure, "round": self.number, "values": values}
        bench_table.keep({**entry, "load": round(os.getloadavg()[0], 1), "probe": probe.folder.name})
        told = ", ".join(f"{name} {values[name]:g}" for name in ("gap", "failed", "down", "unserved", "difference"))
        labtool.say(f"Kea {self.kea}, {measure}: {told}; {probe.folder.name}")

    @contextlib.contextmanager
    def clients(self, measure: str, **options) -> Iterator[Probe]:
        """Keep clients asking; the tail is short, for the pair is known to be normal again when it begins."""
        with self.pair.probe(measure, **{"rate": RATE, "repeat": True, "tail": 1} | options) as probe:
            yield probe

    def play(self, measure: str, *args: str, playbook=ROOT / "site.yml") -> float:
        """Run a playbook that has to change something; returns its seconds."""
        run = self.pair.play(playbook, *args)
        if not run.changed:
            raise labtool.LabError(f"{measure}: {playbook.name} changed nothing")
        return run.seconds

    # -- measures

    def value(self) -> None:
        self.lifetime += 1
        self.pair.edit(kea_valid_lifetime=self.lifetime)
        with self.clients(bench_table.VALUE) as probe:
            seconds = self.play(bench_table.VALUE)
        self.keep(bench_table.VALUE, probe, seconds)

    def live(self) -> None:
        """One more reservation, by commands alone: kea_apply allows no restart."""
        subnets = self.pair.inventory_of(PRIMARY)["kea_subnets"]
        more = {"hw_address": f"1a:1b:1c:1d:2e:{self.number:02x}", "ip_address": f"192.168.2.{self.number}"}
        subnets[0]["reservations"].append(more)
        self.pair.edit(kea_subnets=subnets)
        before = self.pids()
        with self.clients(bench_table.LIVE, **LIVE, repeat=False) as probe:
            begin = time.monotonic()
            seconds = self.play(bench_table.LIVE, "-e", "kea_apply=live")
            time.sleep(max(0.0, begin + bench_table.DORAS / LIVE["rate"] + 2 - time.monotonic()))
        if self.pids() != before:
            raise labtool.LabError(f"{bench_table.LIVE}: a server was started anew: see {probe.folder}")
        self.keep(bench_table.LIVE, probe, seconds)

    def pids(self) -> list[bytes]:
        return [self.pair.ssh(host, "systemctl show -p MainPID --value kea-dhcp4-server") for host in SERVERS]

    def switchover(self) -> None:
        with self.clients(bench_table.SWITCH) as probe:
            probe.mark("there")
            there = self.play(bench_table.SWITCH, "-e", f"kea_serve={STANDBY}", playbook=PLAYBOOKS / "switchover.yml")
            probe.mark("back")
            back = self.play(bench_table.SWITCH, playbook=PLAYBOOKS / "switchover.yml")
        self.keep(bench_table.SWITCH, probe, there + back)

    def loss(self, measure: str, **options) -> None:
        """Kill the primary's server and hold it down until the standby serves alone, then start it again."""
        begin = time.monotonic()
        with self.clients(measure, **options) as probe:
            try:
                self.pair.ssh(PRIMARY, HOLD)
                probe.mark("lost")
                self.pair.ssh(PRIMARY, "systemctl kill -s KILL kea-dhcp4-server")
                lost = time.monotonic()
                while probe.state(STANDBY) != "partner-down":
                    if time.monotonic() > lost + TAKEOVER_SECONDS:
                        raise labtool.LabError(f"{measure}: no takeover after {TAKEOVER_SECONDS} s: {probe.folder}")
                    time.sleep(0.5)
                time.sleep(3 + 1 / options.get("rate", RATE))
                probe.mark("found")
            finally:
                self.pair.ssh(PRIMARY, FIND)
        taken = bench_table.takeover(probe.report, STANDBY)
        bound = bench_table.takeover_bound(self.timers, options.get("rate", RATE))
        self.keep(measure, probe, time.monotonic() - begin, bound=bound, **taken)

    def rotation(self) -> None:
        before = self.pair.serials()
        with self.clients(bench_table.ROTATION) as probe:
            seconds = self.play(bench_table.ROTATION, playbook=PLAYBOOKS / "rotate_certs.yml")
        kept = [host for host, serial in self.pair.serials().items() if serial == before[host]]
        if kept:
            raise labtool.LabError(f"the rotation left the certificate of {', '.join(kept)} as it was")
        self.keep(bench_table.ROTATION, probe, seconds)

    def upgrade(self, release: str) -> None:
        self.pair.both(lambda host: self.pair.ssh(host, SOURCES.replace("RELEASE", release)))
        measure = f"{bench_table.UPGRADE}{self.kea}"
        before = self.kea
        with self.clients(measure) as probe:
            seconds = self.play(measure, "-e", f"kea_upgrade_release={release}", playbook=PLAYBOOKS / "upgrade.yml")
        self.look()
        if self.kea == before:
            raise labtool.LabError(f"the upgrade to the packages of {release} left Kea {before} as it was")
        self.keep(measure, probe, seconds)

    # -- what is measured together

    def rounds(self, runs: int, *measures: Callable[[], None]) -> None:
        for self.number in range(1, runs + 1):
            labtool.say(f"Kea {self.kea}, round {self.number} of {runs}")
            for measure in measures:
                measure()

    def suite(self, suite: str, runs: int) -> None:
        """Measure all but upgrades on one version of Kea."""
        with self.pair.bare(suite):
            self.pair.play(ROOT / "site.yml")
            self.look()
            new = int(self.kea.split(".")[0]) >= 3
            self.rounds(
                runs,
                self.value,
                *([self.live] if new else []),
                self.switchover,
                lambda: self.loss(bench_table.BUSY),
                lambda: self.loss(bench_table.QUIET, **QUIET),
            )
            if not new:  # from 3.0 on it has certificates by itself
                self.pair.edit(kea_ha_transport="listener")
                self.pair.play(ROOT / "site.yml", "-e", json.dumps({"kea_accept_outage": True}))
            self.rounds(runs, self.rotation)

    def upgrades(self, runs: int) -> None:
        """Measure the upgrades in place: a fresh pair of each release, to the packages of the next one.

        Not one pair through all of them: Kea of testing is not made for the systemd of Debian 12.
        """
        for self.number in range(1, runs + 1):
            labtool.say(f"upgrades, round {self.number} of {runs}")
            for release, following in itertools.pairwise(SUITES):
                with self.pair.bare(release):
                    self.pair.edit(kea_ha_transport="control_agent")
                    self.pair.play(ROOT / "site.yml")
                    self.look()
                    self.upgrade(following)
