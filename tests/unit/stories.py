# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes histories of probes by hand."""

from __future__ import annotations

import itertools
from pathlib import Path

LAB = Path(__file__).resolve().parents[2] / "lab"

ONE, TWO = "192.168.1.2", "192.168.1.3"
HOSTS = {"kea1": ONE, "kea2": TWO}
WALL = 1_700_000_000


class Story:
    """A history in the making. `at` is the moment, in seconds; clients are named by a letter or a number."""

    def __init__(self) -> None:
        self.events: list[dict] = []
        self.xids = itertools.count(1)

    def note(self, at: float, **fields) -> None:
        self.events.append({"mono": 1000.0 + at, "wall": WALL + at, **fields})

    def client(self, at: float, name: str, answer=(0.01, ONE), address="192.168.1.100", lease=3600, kind="new") -> None:
        """Write a whole exchange; *answer* is how long it took and whose it was, or None."""
        head = {"kind": kind, "mac": name, "xid": f"{next(self.xids):08x}"}
        self.note(at, **head, sent="discover", secs=0)
        if answer is None:
            self.note(at + 4, **head, end="timeout")
            return
        took, server = answer
        self.note(at + took / 2, **head, got="offer", server=server, address=address)
        self.note(at + took / 2, **head, sent="request", secs=0)
        self.note(at + took, **head, got="ack", server=server, address=address, lease=lease)

    def renewal(self, at: float, name: str, *asked: float, took: float | None, rebind=False, nak=False) -> None:
        """Write a renewal that was asked for at these moments after *at*, the last time by broadcast if so wanted."""
        head = {"kind": "renew", "mac": name, "xid": f"{next(self.xids):08x}"}
        for number, later in enumerate(asked, 1):
            cast = {"rebind": True} if rebind and number == len(asked) else {"server": ONE}
            self.note(at + later, **head, sent="request", address=f"10.0.0.{name}", secs=int(later), **cast)
        if took is not None and nak:
            self.note(at + took, **head, got="nak", server=ONE)
        elif took is not None:
            self.note(at + took, **head, got="ack", server=ONE, address=f"10.0.0.{name}", lease=3600)

    def release(self, at: float, name: str, address="192.168.1.100") -> None:
        self.note(at, kind="new", mac=name, xid="ffffffff", sent="release", server=ONE, address=address)

    def state(self, host: str, start: float, stop: float, state: str, serves: bool = False) -> None:
        """Write what the watcher of a host saw, five times a second, up to *stop* but not at it."""
        for number in range(round(start * 5), round(stop * 5)):
            scopes = ["server1"] if serves else []
            self.note(number / 5, kind="state", host=host, server=HOSTS[host], state=state, scopes=scopes)

    def leases(self, at: float, host: str, leases: dict[str, str] | None, **more) -> None:
        """Write a database: the owner of each address; *more* is true of all."""
        found = leases and [
            {"address": address, "hw_address": owner, "client_id": "", "subnet_id": 1, "state": 0}
            | {"expires": WALL + at + 3600}
            | more
            for address, owner in leases.items()
        ]
        self.note(at, kind="leases", host=host, leases=found if leases else leases)

    def end(self, at: float) -> None:
        self.note(at, kind="prober", closing="stop")
        self.note(at, kind="prober", end="stop")

    def told(self) -> list[dict]:
        return sorted(self.events, key=lambda event: event["mono"])
