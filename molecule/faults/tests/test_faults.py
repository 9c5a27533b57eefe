# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults, one after the other, each under a probe of its own. What was seen becomes a row of docs/faults.md."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import injuries as do
import pytest
from accidents import be_cold, be_corrupt, be_left_alone, be_stuck, be_undead, renumber
from conftest import KEA_VERSION, PAIRS, Pair, lab, play
from faults import note
from history import summary, violations

# The pair's timers: a heartbeat each second, 5 s without an answer, 2 clients may wait for longer than 2 s.
UNNOTICED = {"gap": 4}  # a client's first repetition, after 4 s, is answered
PARTNER_DOWN = {"gap": 12}  # 5 s without an answer, a heartbeat, a client's next repetition
TAKEOVER = {"gap": 15}  # the same, and clients that have waited for so long that the standby counts them
LASTS = 15
# Kea's limit: updates that are under way when a link is cut, or when the partner is paused, reach it after it has
# fetched all leases, and make some of them old again, until their clients renew.
LATE = {"difference": None}
ALONE = (
    "the primary serves alone, after 10 s that Kea waits for an answer. Kea's limit: late updates make leases old again"
)
UNHEARD = (
    "the primary serves alone. Kea's limit: the standby hears so, fetches all leases at once, and not again when it is "
    "heard: what was given in between it does not know"
)
BACK = "Kea's limit: with the cable back, both answer until the next heartbeat, and can give an address twice"
REUNION = {"both_served": LASTS, "duplicates": None, "lost": None}
# Without a third witness nobody can tell a dead partner from one that cannot be reached.
BOTH = {**TAKEOVER, **LATE, "both_served": LASTS, "duplicates": None, "lost": None}
SPLIT = (
    "Kea's limit: the primary's answers wait 10 s for acknowledgements; clients wait, and the standby counts them. "
    "Both serve, and give addresses twice. Afterwards they reconcile"
)


def nothing(_pair: Pair) -> None:
    """Do nothing."""


def steady(pair: Pair) -> None:
    """Kea sees no reason for anything: evidence for what is its own limit."""
    assert pair.states() == ("hot-standby", "hot-standby")


def alone(pair: Pair) -> None:
    """The primary serves alone; the standby hears so, and waits until it is heard again."""
    assert pair.states() == ("partner-down", "ready")


def split(pair: Pair) -> None:
    """Each serves alone."""
    assert pair.states() == ("partner-down", "partner-down")


def ended(pair: Pair) -> None:
    """The primary has ended high availability; Kea 2.2 does not look at what would make others do so."""
    if KEA_VERSION[pair.suite].startswith("2.2"):
        steady(pair)
        return
    deadline = time.monotonic() + 60
    while (now := pair.states()) not in (("terminated", "waiting"), ("terminated", "terminated")):
        assert time.monotonic() < deadline, now
        time.sleep(0.5)


def taken_over(pair: Pair) -> None:
    """The standby serves."""
    assert pair.standby.state() == "partner-down"


def each(work: Callable, *args) -> Callable[[Pair], None]:
    """Return the work on both servers, one after the other."""
    return lambda pair: [work(server, *args) for server in pair.servers] and None


def primary(work: Callable, *args) -> Callable[[Pair], None]:
    """Return the work on the primary."""
    return lambda pair: work(pair.primary, *args)


def standby(work: Callable, *args) -> Callable[[Pair], None]:
    """Return the work on the standby."""
    return lambda pair: work(pair.standby, *args)


def cable(number: int, action: str) -> Callable[[Pair], None]:
    """Return what pulls a server's cable, or puts it back."""
    return lambda pair: lab("net", action, pair.servers[number].name)


def parted(*ports: str, apart: bool = True) -> Callable[[Pair], None]:
    """Return what cuts the LAN between these ports, or mends it."""
    return lambda pair: do.part(pair, *ports, apart=apart)


class Fault(NamedTuple):
    """What happens, what is expected of the pair and why, and how it is undone."""

    expected: str
    inject: Callable[[Pair], object]
    heal: Callable[[Pair], object] = nothing
    limits: dict = UNNOTICED
    lasts: float = LASTS
    meanwhile: Callable[[Pair], object] = nothing
    before: Callable[[Pair], object] = nothing
    after: Callable[[Pair], object] = nothing
    clients: dict = {}


def outage(seconds: float = LASTS) -> dict:
    """Return the limits for a fault that lasts so long and that Kea does nothing about."""
    return {"gap": seconds + 15}


FAULTS = {
    # --- servers
    "primary killed, systemd starts it again": Fault(
        "back after 5 s, or the standby takes over", primary(do.kill), lasts=1, limits=TAKEOVER
    ),
    "primary stopped": Fault(
        "the standby takes over", primary(do.stop), primary(do.start), TAKEOVER, meanwhile=taken_over
    ),
    "primary stopped, quiet network": Fault(
        "Kea's limit: no takeover as long as no more than max-unacked-clients wait",
        primary(do.stop),
        primary(do.start),
        {"gap": None},
        lasts=20,
        meanwhile=lambda pair: pair.wait_for("silent", "hot-standby", seconds=1),
        clients={"rate": 0, "renewers": 2},
    ),
    "primary paused, then goes on": Fault(
        "the standby takes over; the primary does not know of it until its next heartbeat: both may serve so long",
        primary(do.kill, do.DHCP, "STOP"),
        primary(do.kill, do.DHCP, "CONT"),
        {**TAKEOVER, "both_served": 11},
        meanwhile=taken_over,
    ),
    "standby killed, systemd starts it again": Fault(
        "the primary waits 5 s for its acknowledgements, then serves alone",
        standby(do.kill),
        lasts=1,
        limits=PARTNER_DOWN,
    ),
    "standby stopped": Fault(
        "the primary serves alone after 5 s", standby(do.stop), standby(do.start), PARTNER_DOWN, lasts=20
    ),
    "standby paused, then goes on": Fault(
        ALONE,
        standby(do.kill, do.DHCP, "STOP"),
        standby(do.kill, do.DHCP, "CONT"),
        {"gap": 22, **LATE},
        lasts=25,
    ),
    "standby paused; recover.yml when it goes on": Fault(
        "the primary serves alone; the standby fetches what it missed, and the databases agree",
        standby(do.kill, do.DHCP, "STOP"),
        lambda pair: (do.kill(pair.standby, do.DHCP, "CONT"), do.recover_late(pair)),
        {"gap": 22},
        lasts=25,
    ),
    "primary's host loses power": Fault(
        "the standby takes over until it has booted",
        lambda pair: do.power_cut(pair, pair.primary),
        limits=TAKEOVER,
        lasts=1,
    ),
    "both hosts lose power": Fault(
        "both come back by themselves", lambda pair: do.power_cut(pair, *pair.servers), limits={"gap": 45}, lasts=1
    ),
    "both killed, started together 10 s later": Fault(
        "both come back by themselves", be_cold, each(do.start), {"gap": 25}, lasts=10
    ),
    "both stopped, only the standby comes back": Fault(
        "after 5 s without its partner it serves alone",
        lambda pair: (be_cold(pair), time.sleep(5), do.start(pair.standby)),
        primary(do.start),
        {"gap": 25},
        lasts=20,
        meanwhile=taken_over,
    ),
    # --- the API between the servers
    "primary's Control Agent killed": Fault(
        "systemd starts it again; the link is down so long", primary(do.kill, do.AGENT), lasts=10
    ),
    "primary's Control Agent stopped": Fault(
        "the standby hears nothing, but clients are served: it stays as it is",
        primary(do.stop, do.AGENT),
        primary(do.start, do.AGENT),
        meanwhile=lambda pair: pair.wait_for("hot-standby", "hot-standby", seconds=1),
    ),
    "standby's Control Agent stopped": Fault(
        UNHEARD,
        standby(do.stop, do.AGENT),
        standby(do.start, do.AGENT),
        {**PARTNER_DOWN, **LATE},
        meanwhile=alone,
    ),
    "standby's Control Agent stopped; recover.yml when it runs again": Fault(
        "the primary serves alone; the standby fetches what it missed, and the databases agree",
        standby(do.stop, do.AGENT),
        lambda pair: (do.start(pair.standby, do.AGENT), do.recover_late(pair)),
        PARTNER_DOWN,
        meanwhile=alone,
    ),
    # --- network
    "link between the servers cut, both reach the clients": Fault(
        SPLIT, parted(*do.PORT.values()), parted(*do.PORT.values(), apart=False), BOTH, meanwhile=split
    ),
    "primary has no way to the standby": Fault(
        SPLIT,
        lambda pair: do.deaf_to(pair.primary, pair.standby),
        lambda pair: do.hear(pair.primary, pair.standby),
        BOTH,
        meanwhile=split,
    ),
    "standby has no way to the primary": Fault(
        SPLIT,
        lambda pair: do.deaf_to(pair.standby, pair.primary),
        lambda pair: do.hear(pair.standby, pair.primary),
        BOTH,
        meanwhile=split,
    ),
    "HA port of the standby blocked by its firewall": Fault(
        "Kea's limit: the standby hears that the primary serves alone, fetches all leases and says so; from then on "
        "the primary serves nobody until it hears the standby again",
        standby(do.block, "tcp dport 8000"),
        standby(do.unblock),
        {**outage(40), **LATE},
        lasts=40,
        meanwhile=alone,
    ),
    "HA port of the primary blocked by its firewall": Fault(
        "the standby hears nothing, but clients are served: it stays as it is",
        primary(do.block, "tcp dport 8000"),
        primary(do.unblock),
        meanwhile=steady,
    ),
    "clients cannot reach the primary, its partner can": Fault(
        "Kea's limit: heartbeats are well, nobody takes over",
        parted("port-client", "port1"),
        parted("port-client", "port1", apart=False),
        outage(),
        meanwhile=steady,
    ),
    "clients cannot reach the primary; switchover.yml": Fault(
        "served by the standby as soon as somebody says so",
        lambda pair: (
            do.part(pair, "port-client", "port1"),
            play(
                "playbooks/switchover.yml", "-e", f"kea_serve={pair.standby.name}", limit=pair.name
            ).check_returncode(),
        ),
        lambda pair: (
            do.part(pair, "port-client", "port1", apart=False),
            play("playbooks/switchover.yml", limit=pair.name).check_returncode(),
        ),
        {"gap": 45},
        lasts=5,
        meanwhile=lambda pair: pair.wait_for("in-maintenance", "partner-in-maintenance", seconds=1),
    ),
    "clients cannot reach the standby, its partner can": Fault(
        "nobody notices", parted("port-client", "port2"), parted("port-client", "port2", apart=False), meanwhile=steady
    ),
    "replies of the primary to clients are lost": Fault(
        "Kea's limit: heartbeats are well, nobody takes over",
        primary(do.block, "udp sport 67", "egress"),
        primary(do.unblock),
        outage(),
        meanwhile=steady,
    ),
    "primary's cable pulled": Fault(
        f"the standby takes over; the primary, too, believes to be alone, and reaches nobody. {BACK}",
        cable(0, "cut"),
        cable(0, "heal"),
        {**TAKEOVER, **LATE, **REUNION},
        meanwhile=taken_over,
    ),
    "standby's cable pulled": Fault(
        f"{ALONE}. {BACK}", cable(1, "cut"), cable(1, "heal"), {"gap": 15, **LATE, **REUNION}
    ),
    "both cables pulled": Fault(
        f"nobody reaches anybody; both believe to be alone. {BACK}",
        lambda pair: [lab("net", "cut", server.name) for server in pair.servers],
        lambda pair: [lab("net", "heal", server.name) for server in pair.servers],
        {**outage(), **LATE, **REUNION},
    ),
    "link between the servers flaps": Fault(
        "3 s without, 3 s with it, four times: no state is left", do.flap, limits={**PARTNER_DOWN, **LATE}, lasts=1
    ),
    "link between the servers loses 30 % of all packets": Fault(
        "TCP repeats them: answers are late, nobody is given up for good",
        primary(do.block, "ip daddr 192.168.1.3 numgen random mod 100 lt 30", "output"),
        primary(do.unblock),
        PARTNER_DOWN,
    ),
    "primary sends with 48 kbit/s": Fault(
        "answers are late, nobody is given up for good", primary(do.slow), primary(do.fast), PARTNER_DOWN
    ),
    # --- disks, files, clocks
    "disk of the primary's leases full": Fault(
        "Kea's limit: 2.6 goes on, refuses renewals with a NAK, and has after a restart what it did not write. "
        "3.0 ends, is started again and again, and the standby takes over sooner or later",
        primary(do.fill, do.LEASES),
        primary(lambda server: server.run(f"rm {do.LEASES}/filler && systemctl restart {do.DHCP}")),
        {**outage(), "failed": None, "difference": None},
        before=primary(do.small_disk, do.LEASES),
        after=primary(do.usual_disk, do.LEASES),
    ),
    "disk of the primary's log full": Fault(
        "service goes on",
        primary(do.fill, "/var/log/kea"),
        primary(lambda server: server.run("rm /var/log/kea/filler")),
        before=primary(do.small_disk, "/var/log/kea"),
        after=primary(do.usual_disk, "/var/log/kea"),
    ),
    "primary's leases deleted": Fault("all come from its partner", primary(do.delete_leases), lasts=1, limits=TAKEOVER),
    "standby's leases deleted": Fault(
        "all come from its partner", standby(do.delete_leases), lasts=1, limits=PARTNER_DOWN
    ),
    "primary's lease file corrupt": Fault(
        "it does not start, the standby takes over; recover.yml fetches the leases from there",
        be_corrupt,
        do.recover,
        TAKEOVER,
        meanwhile=taken_over,
    ),
    "standby's clock 31 s fast": Fault(
        "Kea warns and goes on", standby(do.set_clock, 31), standby(do.right_clock), PARTNER_DOWN, meanwhile=steady
    ),
    "standby's clock 61 s fast": Fault(
        "Kea ends high availability, the primary serves; after the clock is right, recover.yml begins it anew",
        standby(do.set_clock, 61),
        lambda pair: (do.right_clock(pair.standby), do.recover(pair)),
        TAKEOVER,
        meanwhile=lambda pair: pair.wait_for("terminated", "terminated"),
    ),
    # --- states of Kea's own
    "primary loses its hooks in a reload": Fault(
        "it serves nobody; recover.yml", be_undead, do.recover, {"gap": 60}, lasts=5
    ),
    "primary restarted too early while its partner stands in": Fault(
        "Kea keeps it quiet for good; its partner serves, but for the seconds in which it is held; recover.yml",
        be_stuck,
        do.recover,
        {"gap": 8},
        lasts=5,
    ),
    "the server that stands in is lost": Fault(
        "Kea's limit: the other one does not take over; recover.yml", be_left_alone, do.recover, {"gap": 60}, lasts=5
    ),
    "standby runs another id of the subnet": Fault(
        "Kea ends high availability, the primary serves; recover.yml. Kea's limit: 2.2 serves nobody; site.yml",
        renumber,
        do.renumber_back,
        {**outage(90), "failed": None},
        meanwhile=ended,
    ),
    "somebody disables DHCP on the primary": Fault(
        "Kea's limit: heartbeats are well, nobody takes over",
        lambda pair: pair.primary.kea("dhcp-disable"),
        lambda pair: pair.primary.kea("dhcp-enable"),
        outage(),
        meanwhile=steady,
    ),
    # --- changes
    "a change while the HA port of the standby is blocked": Fault(
        "refused before anything is changed; Kea's limit as with the port alone",
        lambda pair: (do.block(pair.standby, "tcp dport 8000"), time.sleep(LASTS), do.change_while_blocked(pair)),
        standby(do.unblock),
        {**outage(40), **LATE},
        lasts=1,
    ),
    "a change that Kea's own check refuses": Fault(
        "refused, nothing is changed",
        lambda pair: do.refused(do.site(pair, kea_dhcp4_extra={"no-such-key": 1}), "no-such-key"),
        lasts=1,
        meanwhile=steady,
    ),
    "a change that passes that check and kills the server": Fault(
        "put back by itself, clients served by its partner meanwhile",
        lambda pair: do.refused(
            do.site(pair, kea_dhcp4_extra={"lease-database": {"name": "folder.csv"}}),
            "The previous configuration was put back and kea-dhcp4-server serves again",
        ),
        lasts=1,
        before=each(lambda server: server.run(f"mkdir {do.LEASES}/folder.csv")),
        after=each(lambda server: server.run(f"rmdir {do.LEASES}/folder.csv")),
    ),
    "two runs at once": Fault("the second is refused, the first comes through", do.change_twice_at_once, lasts=1),
    "package of an upgrade fails half-way": Fault(
        "the version before is back, its partner serves meanwhile",
        do.upgrade_to_a_broken_package,
        do.forget_the_broken_package,
        lasts=1,
        before=do.be_as_the_inventory_says,
    ),
}


@pytest.fixture(scope="module", params=PAIRS, ids=lambda pair: pair.suite)
def equipped(request) -> Pair:
    """Each pair, with what the faults need and Kea does not."""
    for server in request.param.servers:
        server.run("apt-get -q install -y --no-install-recommends nftables libfaketime")
    return request.param


@pytest.fixture
def pair(equipped: Pair) -> Pair:
    """The pair, healthy at the start: what came of the fault before is not to spoil this one."""
    try:
        equipped.healthy(90)
    except AssertionError:
        do.recover(equipped)
        equipped.healthy()
    return equipped


@pytest.mark.parametrize("name", FAULTS)
def test_a_pair_survives(pair: Pair, name: str):
    fault = FAULTS[name]
    fault.before(pair)
    pair.healthy()
    try:
        with pair.probe(repeat=True, command=name, settle=90, **fault.clients) as probe:
            probe.mark("inject")
            try:
                fault.inject(pair)
                time.sleep(fault.lasts)
                fault.meanwhile(pair)
            finally:
                if fault.heal is not nothing:
                    probe.mark("heal")
                fault.heal(pair)
    finally:
        fault.after(pair)
    broken = violations(probe.report, **fault.limits)
    note(KEA_VERSION[pair.suite], name, fault.expected, probe.report, broken)
    assert not broken, "\n".join([*broken, summary(probe.report), str(probe.folder)])
