#!/usr/bin/env python3
# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of three kinds that keep a pair busy, and a history of every message they send and get.

    dhcp-prober --seconds 60 > history

new     --rate new clients each second, a fresh MAC each. They do not repeat an unanswered message, unless --repeat is
        given. Few addresses do: of what they hold, no more than --room, the rest is released. Half of the room is for
        the newest leases, half for a sample of all earlier ones.
renew   --renewers clients that hold a lease and renew it every --renew-every seconds, whatever T1 says. Unanswered,
        they repeat after 2, 4 s, ask any server by broadcast after --rebind-after s, and start anew after 60 s.
crowd   --crowd clients that hear no answer: they repeat DISCOVER every 2 s. A standby takes over only when enough
        clients do that.

Each line of the history is an object: mono and wall (seconds of two clocks), kind (new, renew, crowd), mac, xid; sent
or got, the type of the message; address, server, secs, lease where the message has them; rebind in a broadcast
renewal; end when a client gives up. Lines of the kind prober: start, ready (everybody holds a lease), late (the machine
did not let the prober run for so many seconds), closing (nothing new begins), and at last end.

It ends after --seconds or --clients, at SIGTERM and SIGINT; with --orders, when standard input ends, and it obeys lines
that come from there: "crowd N", "stop". Then nothing new begins, and what is under way has time to end. Needs root
(CAP_NET_RAW). Standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import socket
import sys
import time

from dhcp_client import (
    BROADCAST_MAC,
    DISCOVER,
    REQUESTED,
    Client,
    Link,
    Renewal,
    codes_argument,
    message,
    options_of,
    release,
    udp_frame,
)

SENT = ("discover", "request", "release")
PATIENCE = 4.0  # seconds that a client waits for an answer before it repeats, or gives up
LATE = 0.25  # a pause of the prober's own that is worth a line
CROWD_EVERY = 2.0
TICK = 0.05
NEW, RENEW, CROWD = 0x6E, 0x72, 0x63  # second byte of the MAC
RENEWAL = {"first_wait": 2.0, "timeout": 60.0}


def behaviour(first_wait: float, timeout: float) -> argparse.Namespace:
    """What dhcp_client's clients want to know."""
    return argparse.Namespace(
        first_wait=first_wait,
        timeout=timeout,
        request=codes_argument(REQUESTED),
        hostname=None,
        client_id=None,
        option=[],
        want=None,
    )


class History:
    """Writes what happens, at once."""

    def __init__(self, out) -> None:
        self.out = out

    def line(self, **fields) -> None:
        head = {"mono": round(time.monotonic(), 4), "wall": round(time.time(), 4)}
        print(json.dumps({**head, **fields}, separators=(",", ":")), file=self.out, flush=True)

    def of(self, kind: str):
        """The function that clients of a kind tell their events to."""

        def note(client, event: str, **more) -> None:
            way = "end" if event == "timeout" else "sent" if event in SENT else "got"
            self.line(kind=kind, mac=client.mac.hex(":"), xid=f"{client.xid:08x}", **{way: event}, **more)

        return note


class Room:
    """The addresses that new clients hold: the newest, and a fair sample of all that came before them."""

    def __init__(self, size: int) -> None:
        self.newest: list[Client] = []
        self.sample: list[Client] = []
        self.sizes = (size - size // 2, size // 2)
        self.passed = 0

    def add(self, client: Client) -> Client | None:
        """Take one in; returns the one that has to go."""
        self.newest.append(client)
        if len(self.newest) <= self.sizes[0]:
            return None
        old = self.newest.pop(0)
        self.passed += 1
        if len(self.sample) < self.sizes[1]:
            self.sample.append(old)
            return None
        place = random.randrange(self.passed)
        if place < len(self.sample):
            old, self.sample[place] = self.sample[place], old
        return old


class Renewer:
    """A client that holds a lease: gets one, renews it, and gets another when it has lost it."""

    def __init__(self, prober: Prober, number: int) -> None:
        self.prober, self.mac = prober, bytes([0x02, RENEW, 0, 0, 0, number])
        self.next = time.monotonic() + number / 20
        # Evenly spread, so that no gap goes unseen.
        self.phase = number * prober.options.renew_every / prober.options.renewers
        self.holds = False
        self.work: Client | Renewal | None = None

    def tick(self, now: float) -> None:
        if self.work and self.work.done:
            self.settle(now)
        if self.work is None and now >= self.next:
            prober = self.prober
            if self.holds:
                self.work = Renewal(
                    *(prober.link, self.mac, self.address, self.server, behaviour(**RENEWAL)),
                    *(prober.history.of("renew"), prober.options.rebind_after),
                )
            else:
                self.work = Client(prober.link, self.mac, behaviour(PATIENCE, 60), prober.history.of("renew"))
            prober.add(self.work)

    def settle(self, now: float) -> None:
        work, self.work = self.work, None
        every = self.prober.options.renew_every
        if isinstance(work, Client):
            self.holds = work.ack is not None
            if work.ack:
                self.address, self.server = work.ack["address"], work.answered_by
        else:
            self.holds = work.ok
            if work.ok:
                self.server = work.answered_by
            else:
                self.prober.link.held.pop(socket.inet_aton(self.address), None)
        self.next = now + (self.phase - now) % every if self.holds else now


class Bystander:
    """One of the crowd: takes no offer, repeats its first message for ever, with honest seconds."""

    done = False

    def __init__(self, prober: Prober, mac: bytes) -> None:
        self.prober, self.mac = prober, mac
        self.xid = random.getrandbits(32)
        self.note = prober.history.of("crowd")
        self.started = self.due = time.monotonic() + random.uniform(0, CROWD_EVERY)

    def tick(self, now: float) -> None:
        if self.done or now < self.due:
            return
        secs = int(now - self.started)
        data = message(DISCOVER, self.mac, self.xid, secs, options_of(behaviour(0, 0), self.mac))
        self.prober.link.send(udp_frame(self.mac, BROADCAST_MAC, "0.0.0.0", "255.255.255.255", data))
        self.note(self, "discover", secs=secs)
        self.due = now + CROWD_EVERY

    def take(self, answer: dict, source: str) -> None:
        self.note(self, "offer", server=source, address=answer["address"])


class Prober:
    """Everything at once, in one loop."""

    def __init__(self, link: Link, options: argparse.Namespace, history: History) -> None:
        self.link, self.options, self.history = link, options, history
        self.working: dict[int, Client | Renewal | Bystander] = {}
        self.lately: dict[int, tuple] = {}  # done, but a second server's offer may still come
        self.room = Room(options.room)
        self.run = os.urandom(2)
        self.count = 0
        self.crowd: list[Bystander] = []
        self.begin = self.next = time.monotonic()
        self.reason = ""
        self.ready = self.served = False
        self.renewers = [Renewer(self, number) for number in range(options.renewers)]

    def add(self, actor: Client | Renewal | Bystander) -> None:
        self.working[actor.xid] = actor

    def set_crowd(self, size: int) -> None:
        """A new crowd, or none: each starts to wait now."""
        for bystander in self.crowd:
            bystander.done = True
        self.crowd = [Bystander(self, bytes([0x02, CROWD, *os.urandom(3), number])) for number in range(min(size, 250))]
        for bystander in self.crowd:
            self.add(bystander)

    def obey(self) -> None:
        """Do what standard input says."""
        if self.options.orders and select.select([0], [], [], 0)[0]:
            data = os.read(0, 4096).decode(errors="replace")
            if not data:
                self.reason = self.reason or "orders ended"
            for line in data.splitlines():
                word, _, number = line.partition(" ")
                if word == "crowd" and number.isdigit():
                    self.set_crowd(int(number))
                elif word == "stop":
                    self.reason = self.reason or "stop"

    def new_client(self, now: float) -> None:
        options = self.options
        if not options.rate or now < self.next:
            return
        self.next = max(self.next + 1 / options.rate, now)
        self.count += 1
        mac = bytes([0x02, NEW, *self.run, *self.count.to_bytes(2, "big")])
        # Without repetition there is no second message: the first wait is longer than the client lives.
        manner = behaviour(PATIENCE, 60) if options.repeat else behaviour(2 * PATIENCE, PATIENCE)
        self.add(Client(self.link, mac, manner, self.history.of("new")))
        if self.count >= options.clients:
            self.reason = "clients"

    def give_back(self, client: Client, server: str) -> None:
        """To the server that answers now, which may be another than the one that gave the lease."""
        address = client.ack["address"]
        xid = release(self.link, client.mac, address, server)
        mac = client.mac.hex(":")
        self.history.line(kind="new", mac=mac, xid=f"{xid:08x}", sent="release", server=server, address=address)

    def settle(self, now: float) -> None:
        """Look after what has come to its end."""
        for xid in [xid for xid, actor in self.working.items() if actor.done]:
            actor = self.working.pop(xid)
            self.lately[xid] = (actor, now + 2)
            if isinstance(actor, Client) and actor.ack and actor.mac[1] == NEW:
                self.served = True
                leaving = self.room.add(actor) if self.options.room else None
                if leaving:
                    self.give_back(leaving, actor.answered_by)
        for xid in [xid for xid, (_actor, until) in self.lately.items() if now > until]:
            del self.lately[xid]
        if not self.ready and all(r.holds for r in self.renewers) and (self.served or not self.options.rate):
            self.ready = True
            self.history.line(kind="prober", ready=True)

    def take(self, answer: dict, source: str) -> None:
        """Give an answer to whom it is for."""
        xid = answer["xid"]
        actor = self.working.get(xid) or self.lately.get(xid, (None, 0))[0]
        if actor:
            actor.take(answer, source)

    def loop(self) -> None:
        options = self.options
        told = {key: value for key, value in vars(options).items() if key not in ("interface", "orders")}
        self.history.line(kind="prober", start=told)
        self.set_crowd(options.crowd)
        last = self.begin
        closing = None
        while True:
            now = time.monotonic()
            if now - last > LATE:
                self.history.line(kind="prober", late=round(now - last, 3))
            last = now
            self.obey()
            if now - self.begin >= options.seconds:
                self.reason = self.reason or "seconds"
            if not self.reason:
                self.new_client(now)
            for renewer in self.renewers:
                if not self.reason or renewer.work:
                    renewer.tick(now)
            for actor in list(self.working.values()):
                actor.tick(now)
            self.settle(now)
            if self.reason:
                if closing is None:
                    self.history.line(kind="prober", closing=self.reason)
                    # Time for what is under way, so that it is known how it ended.
                    closing = now + PATIENCE + (options.rebind_after if options.renewers else 0)
                if now >= closing or all(a.done or isinstance(a, Bystander) for a in self.working.values()):
                    break
            due = min([a.due for a in self.working.values() if not a.done], default=now + TICK)
            due = min(due, self.next) if options.rate and not self.reason else due
            for answer, source in self.link.answers(min(max(due - now, 0.0), TICK)):
                self.take(answer, source)
        self.history.line(kind="prober", end=self.reason)


OPTIONS = {
    "rate": {"type": float, "default": 5, "help": "new clients each second (default 5, 0: none)"},
    "repeat": {"action": "store_true", "help": "new clients repeat their messages after 4, 8, 16 s"},
    "room": {"type": int, "default": 50, "help": "addresses that they hold at most (default 50, 0: all)"},
    "renewers": {"type": int, "default": 20, "help": "renewing clients (default 20)"},
    "renew-every": {"type": float, "default": 4, "help": "seconds (default 4)"},
    "rebind-after": {"type": float, "default": 10, "help": "seconds without an answer (default 10)"},
    "crowd": {"type": int, "default": 0, "help": "clients that only ask (default 0)"},
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interface", default="eth-lan")
    parser.add_argument("--seconds", type=float, default=60, help="how long (default 60, at most 7200)")
    parser.add_argument("--clients", type=int, default=20000, help="new clients at most (default 20000)")
    for name, settings in OPTIONS.items():
        parser.add_argument(f"--{name}", **settings)
    parser.add_argument("--orders", action="store_true", help="obey standard input, and end with it")
    options = parser.parse_args()
    if not 0 < options.seconds <= 7200 or not 0 < options.clients <= 60000:
        parser.error("--seconds: up to 7200; --clients: up to 60000")
    if not 0 <= options.rate <= 200 or not 0 <= options.renewers <= 250 or not 0 <= options.crowd <= 250:
        parser.error("--rate: up to 200; --renewers and --crowd: up to 250")
    if options.renew_every <= 0 or options.rebind_after < 0 or options.room < 0:
        parser.error("--renew-every must be above zero, --rebind-after and --room cannot be negative")
    return options


def main() -> int:
    options = parse_arguments()
    try:
        link = Link(options.interface)
    except OSError as exc:
        print(f"dhcp-prober: interface {options.interface}: {exc.strerror or exc}", file=sys.stderr)
        return 1
    prober = Prober(link, options, History(sys.stdout))

    def end(number: int, _frame) -> None:
        prober.reason = prober.reason or signal.Signals(number).name

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        prober.loop()
    except BrokenPipeError:  # nobody reads the history any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
