# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's DHCP client and prober: packets as bytes, and a whole probe against a server played in memory."""

from __future__ import annotations

import argparse
import collections
import io
import json
import socket
import struct
import sys

import dhcp_client as dhcp
import history
import prober
import pytest
from stories import ONE, TWO

MAC = bytes.fromhex("02aabbccddee")
SERVER_MAC = bytes.fromhex("5254000a0b0c")


def answer(kind: int, mac: bytes, xid: int, address: str = "0.0.0.0", server: str = ONE, lease: int = 3600) -> bytes:
    """Return a server's message."""
    options = [(54, socket.inet_aton(server)), (51, struct.pack("!I", lease))]
    data = bytearray(dhcp.message(kind, mac, xid, 0, options))
    data[0] = 2
    data[16:20] = socket.inet_aton(address)
    return bytes(data)


def from_server(payload: bytes, ports=(67, 68), protocol: int = 17, fragment: int = 0, source: str = ONE) -> bytes:
    """Return the frame that carries it."""
    udp = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    addresses = socket.inet_aton(source) + b"\xff" * 4
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, fragment, 64, protocol, 0) + addresses
    return dhcp.BROADCAST_MAC + SERVER_MAC + b"\x08\x00" + head + udp


# ---------------------------------------------------------------------------------------------------------------------
# packets


def test_a_message_has_every_field_in_its_place():
    data = dhcp.message(dhcp.REQUEST, MAC, 0x01020304, 7, [(55, b"\1\3"), (50, socket.inet_aton("10.0.0.9"))])
    assert len(data) >= 300
    assert data[:4] == b"\1\1\6\0"
    assert data[4:8] == b"\1\2\3\4"
    assert struct.unpack("!H", data[8:10])[0] == 7
    assert data[10:12] == b"\x80\0"  # without an address of its own a client can hear broadcasts only
    assert data[12:28] == bytes(16)
    assert data[28:34] == MAC
    assert data[236:240] == dhcp.MAGIC
    assert data[240:253] == b"\x35\1\3\x37\2\1\3\x32\4\n\0\0\x09"
    assert data[253] == 255


def test_a_renewal_says_its_address_and_wants_no_broadcast():
    data = dhcp.message(dhcp.REQUEST, MAC, 1, 99999, [], ciaddr="192.168.1.100")
    assert data[12:16] == socket.inet_aton("192.168.1.100")
    assert data[10:12] == b"\0\0"
    assert struct.unpack("!H", data[8:10])[0] == 65535


@pytest.mark.parametrize("payload", [b"even", b"odd length"[:9]])
def test_a_frame_has_checksums_that_are_right(payload):
    frame = dhcp.udp_frame(MAC, SERVER_MAC, "192.168.1.100", ONE, payload)
    assert frame[:14] == SERVER_MAC + MAC + b"\x08\x00"
    head, udp = frame[14:34], frame[34:]
    assert dhcp.checksum(head) == 0
    assert struct.unpack("!H", head[2:4])[0] == len(frame) - 14
    assert struct.unpack("!HHH", udp[:6]) == (68, 67, 8 + len(payload))
    assert dhcp.checksum(head[12:20] + struct.pack("!BBH", 0, 17, len(udp)) + udp) == 0
    assert udp[8:] == payload


def test_an_answer_is_read_back():
    found = dhcp.parse(answer(dhcp.ACK, MAC, 0xDEADBEEF, "192.168.1.100", lease=60))
    assert found["kind"] == dhcp.ACK
    assert (found["xid"], found["mac"], found["address"]) == (0xDEADBEEF, MAC, "192.168.1.100")
    assert dhcp.lease_time(found) == 60
    assert dhcp.readable(found["options"]) == {"server_id": ONE, "lease_time": 60}


def damaged(change) -> bytes:
    data = bytearray(answer(dhcp.ACK, MAC, 1, "10.0.0.1"))
    return bytes(change(data) or data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        damaged(lambda data: data[:239]),
        damaged(lambda data: data.__setitem__(0, 1)),
        damaged(lambda data: data.__setitem__(236, 0)),
        damaged(lambda data: data[:250]),
        damaged(lambda data: data.__setitem__(244, 200) or data[:260]),
        damaged(lambda data: data.__setitem__(240, 61)),
    ],
    ids=["empty", "short", "a request", "no cookie", "cut in an option", "an option too long", "no message type"],
)
def test_a_damaged_answer_is_none(data):
    assert dhcp.parse(data) is None


def test_options_in_pieces_are_put_together_and_padding_is_skipped():
    data = answer(dhcp.ACK, MAC, 1)[:240] + b"\0\x35\1\5\0\x0c\3abc\x0c\2de\xff"
    assert dhcp.readable(dhcp.parse(data)["options"]) == {"hostname": "abcde"}


def test_only_what_is_for_a_dhcp_client_is_taken_from_the_wire():
    payload = answer(dhcp.OFFER, MAC, 1)
    assert dhcp.dhcp_payload(from_server(payload)) == (payload, ONE, SERVER_MAC)
    for other in (
        from_server(payload, ports=(67, 67)),
        from_server(payload, protocol=6),
        from_server(payload, fragment=0x2000),
        from_server(payload)[:40],
        b"\0" * 12 + b"\x86\xdd" + b"\0" * 60,
        b"",
    ):
        assert dhcp.dhcp_payload(other) is None
    # Ethernet fills short frames up: what is behind the datagram does not belong to it.
    assert dhcp.dhcp_payload(from_server(b"short") + b"\0" * 20)[0] == b"short"


# ---------------------------------------------------------------------------------------------------------------------
# the prober, with a server in memory


class Wire(dhcp.Link):
    """A link to servers that are played: each answers what is sent to it, unless it is deaf."""

    def __init__(self) -> None:
        self.held: dict = {}
        self.neighbours: dict = {}
        self.arriving: collections.deque = collections.deque()
        self.sent: list[dict] = []
        self.serving: str | None = ONE
        self.hand_over = False  # to the other server, after the next offer
        self.free = [f"192.168.1.{number}" for number in range(199, 99, -1)]
        self.leases: dict[bytes, str] = {}

    def frames(self, wait: float):
        if not self.arriving:
            dhcp.time.sleep(max(0.0, min(wait, 0.02)))
        while self.arriving:
            yield self.arriving.popleft()

    def send(self, frame: bytes) -> None:
        if frame[12:14] != b"\x08\x00":
            return
        data = frame[42:]
        kind, mac = data[242], data[28:34]
        (xid,) = struct.unpack("!I", data[4:8])
        target = socket.inet_ntoa(frame[30:34])
        said = {"kind": kind, "mac": mac, "target": target, "address": socket.inet_ntoa(data[12:16])}
        self.sent.append({**said, "secs": struct.unpack("!H", data[8:10])[0]})
        if self.serving is None or target not in (self.serving, "255.255.255.255"):
            return
        chosen = b"\x36\4" + socket.inet_aton(self.serving)
        if kind == dhcp.REQUEST and b"\x36\4" in data[240:] and chosen not in data[240:]:
            return
        if kind == dhcp.RELEASE:
            self.free.insert(0, self.leases.pop(mac))
            return
        address = self.leases.setdefault(mac, self.leases.get(mac) or self.free.pop())
        reply = dhcp.OFFER if kind == dhcp.DISCOVER else dhcp.ACK
        self.arriving.append(from_server(answer(reply, mac, xid, address, self.serving), source=self.serving))
        if self.hand_over:
            self.serving, self.hand_over = TWO, False


def probe(wire: Wire, monkeypatch, *arguments: str, **changes) -> tuple[list[dict], dict]:
    """Run the prober on the wire; returns its history and the report. *changes*: moment and what is done then."""
    monkeypatch.setattr(sys, "argv", ["dhcp-prober", *arguments])
    out = io.StringIO()
    one = prober.Prober(wire, prober.parse_arguments(), prober.History(out))
    todo = sorted(changes.values(), key=lambda change: change[0])

    def obey() -> None:
        while todo and dhcp.time.monotonic() - one.begin >= todo[0][0]:
            todo.pop(0)[1](one)

    one.obey = obey
    one.loop()
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    return events, history.check(events)


def test_a_probe_of_a_pair_that_serves(monkeypatch):
    wire = Wire()
    events, report = probe(
        wire, monkeypatch, "--seconds", "2", "--rate", "40", "--room", "10", "--renewers", "4", "--renew-every", "0.5"
    )
    new = report["new"]
    assert new["asked"] == new["served"] > 50
    assert report["renewals"]["asked"] >= 8
    assert report["renewals"]["failed"] == 0
    assert report["duplicates"] == []
    # All but what has room was given back, and an address given back is nobody's: the same ones come again.
    released = [event for event in events if event.get("sent") == "release"]
    assert len(released) == new["served"] - 10
    assert len(wire.leases) == 10 + 4
    assert report["leases"] == 14
    assert events[0]["start"]["rate"] == 40
    assert [list(event)[-1] for event in events if event["kind"] == "prober" and "late" not in event] == [
        "start",
        "ready",
        "closing",
        "end",
    ]
    assert "end" in events[-1]
    for event in events:
        assert {"mono", "wall", "kind"} <= event.keys()


def test_renewals_go_to_the_server_and_after_a_while_to_all(monkeypatch):
    wire = Wire()
    monkeypatch.setitem(prober.RENEWAL, "first_wait", 0.5)
    events, report = probe(
        *(wire, monkeypatch, "--seconds", "5.5", "--rate", "0", "--renewers", "1", "--renew-every", "1"),
        *("--rebind-after", "1.5"),
        switch=(2.5, lambda _prober: setattr(wire, "serving", TWO)),
    )
    requests = [each for each in wire.sent if each["kind"] == dhcp.REQUEST and each["address"] != "0.0.0.0"]
    targets = [each["target"] for each in requests]
    assert targets[0] == ONE
    assert targets[-1] == TWO
    assert "255.255.255.255" in targets
    assert report["renewals"]["rebound"] == 1
    assert report["renewals"]["failed"] == 0
    assert [each["server"] for each in report["answered_by"]] == [ONE, TWO]
    assert [event for event in events if event.get("rebind")]


def test_new_clients_do_not_repeat_unless_they_shall(monkeypatch):
    monkeypatch.setattr(prober, "PATIENCE", 0.3)

    def sent(*arguments: str) -> list[dict]:
        wire = Wire()
        wire.serving = None
        arguments = ("--seconds", "1", "--rate", "4", "--renewers", "0", *arguments)
        with pytest.MonkeyPatch.context() as patch:
            events, _report = probe(wire, patch, *arguments)
        return [event for event in events if event.get("sent") == "discover"], events

    once, events = sent()
    assert len({event["mac"] for event in once}) == len(once) >= 3
    assert any(event.get("end") == "timeout" for event in events)
    again, _events = sent("--repeat")
    assert len({event["mac"] for event in again}) < len(again)


def test_a_client_whose_offer_is_worth_nothing_starts_anew(monkeypatch):
    """The server that made the offer is not the one that serves when the client takes it."""
    wire = Wire()
    wire.hand_over = True
    monkeypatch.setattr(dhcp, "START_ANEW", 0.5)
    monkeypatch.setattr(prober, "PATIENCE", 0.2)
    _events, report = probe(wire, monkeypatch, "--seconds", "1.5", "--rate", "0.1", "--renewers", "0", "--repeat")
    assert [each["kind"] for each in wire.sent] == [dhcp.DISCOVER, *[dhcp.REQUEST] * 2, dhcp.DISCOVER, dhcp.REQUEST]
    assert report["new"]["served"] == 1
    assert report["answered_by"][0]["server"] == TWO


def test_a_crowd_asks_with_growing_seconds_and_takes_no_offer(monkeypatch):
    wire = Wire()
    monkeypatch.setattr(prober, "CROWD_EVERY", 0.6)
    events, _report = probe(
        *(wire, monkeypatch, "--seconds", "3", "--rate", "0", "--renewers", "0", "--crowd", "3"),
        off=(1.9, lambda one: one.set_crowd(0)),
    )
    crowd = [event for event in events if event["kind"] == "crowd"]
    assert {each["kind"] for each in wire.sent} == {dhcp.DISCOVER}
    assert len({event["mac"] for event in crowd}) == 3
    secs = [event["secs"] for event in crowd if event.get("sent") == "discover"]
    assert min(secs) == 0
    assert max(secs) == 1
    start = events[0]["mono"]
    assert max(event["mono"] for event in crowd) - start < 2.0


def test_the_number_of_clients_is_a_limit(monkeypatch):
    events, report = probe(Wire(), monkeypatch, "--clients", "7", "--rate", "100", "--renewers", "0")
    assert report["new"]["asked"] == 7
    assert events[-1]["end"] == "clients"


def test_a_room_holds_the_newest_and_a_sample_of_the_others():
    room = prober.Room(20)
    left = [client for number in range(1000) if (client := room.add(number)) is not None]
    assert len(left) == 980
    assert room.newest == list(range(990, 1000))
    assert len(room.sample) == 10
    assert sorted([*left, *room.newest, *room.sample]) == list(range(1000))
    # One of 990 clients each: all of them from the last hundred would be a strange sample.
    assert min(room.sample) < 890


def test_limits_of_the_prober(monkeypatch):
    for arguments in (["--seconds", "0"], ["--seconds", "7201"], ["--rate", "-1"], ["--renewers", "251"]):
        monkeypatch.setattr(sys, "argv", ["dhcp-prober", *arguments])
        with pytest.raises(SystemExit):
            prober.parse_arguments()


def test_a_client_answers_arp_for_its_address_only():
    class Heard(Wire):
        def send(self, frame: bytes) -> None:
            self.sent.append(frame)

    wire = Heard()
    own, other = socket.inet_aton("192.168.1.100"), socket.inet_aton("192.168.1.101")
    args = prober.behaviour(1, 1)
    assert isinstance(args, argparse.Namespace)
    dhcp.Renewal(wire, MAC, "192.168.1.100", ONE, args, dhcp.quiet, None)

    def ask(address: bytes) -> bytes:
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + SERVER_MAC + socket.inet_aton(ONE) + bytes(6) + address
        return dhcp.BROADCAST_MAC + SERVER_MAC + b"\x08\x06" + body

    wire.arriving += [ask(other), ask(own)]
    assert list(wire.answers(0)) == []
    (reply,) = wire.sent
    assert reply[:12] == SERVER_MAC + MAC
    assert reply[20:22] == b"\0\2"
    assert reply[22:32] == MAC + own
    # And what it is told itself it remembers.
    wire.arriving.append(
        MAC + SERVER_MAC + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + SERVER_MAC + other
    )
    assert list(wire.answers(0)) == []
    assert wire.neighbours[other] == SERVER_MAC
