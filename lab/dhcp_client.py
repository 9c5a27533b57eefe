#!/usr/bin/env python3
# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DHCPv4 client for tests: real packets on a raw socket, answers as JSON.

    dhcp-client lease   [--mac M] [--client-id ID] [--hostname H]      discover, offer, request, ack
    dhcp-client renew   --mac M --address A --server S [--rebind]      extend a lease
    dhcp-client release --mac M --address A --server S                 give it back
    dhcp-client stream  --count N --rate R                             N fresh clients, R each second

It behaves as clients do: it repeats an unanswered message after 4, 8, 16 s, and its `secs` field says how long it has
really been trying, which is what Kea's failure detection looks at. It changes no address of the
machine. Every run ends: after --timeout seconds per client. Exit code 0: every client was served;
1: not all; 2: wrong usage. Needs root (CAP_NET_RAW). Standard library only. The prober is built from the same parts.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import os
import random
import select
import socket
import struct
import sys
import time

ETH_P_IP, ETH_P_ARP = 0x0800, 0x0806
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1
BROADCAST_MAC = b"\xff" * 6
MAGIC = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE = range(1, 8)
NAMES = {DISCOVER: "discover", OFFER: "offer", REQUEST: "request", ACK: "ack", NAK: "nak", RELEASE: "release"}
ADDRESS_LISTS = {3: "router", 6: "dns", 42: "ntp", 44: "netbios"}
ADDRESSES = {1: "subnet_mask", 28: "broadcast", 54: "server_id"}
NUMBERS = {26: "mtu", 51: "lease_time", 58: "renew_time", 59: "rebind_time"}
TEXTS = {12: "hostname", 15: "domain", 56: "message", 66: "tftp_server", 67: "bootfile"}
START_ANEW = 10.0  # seconds that a client goes on with an offer whose server says no more; dhclient does that, too
REQUESTED = "1,3,6,12,15,26,28,42,51,54,58,59"


def checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp_frame(src_mac: bytes, dst_mac: bytes, src: str, dst: str, payload: bytes) -> bytes:
    """Ethernet, IPv4 and UDP around a DHCP message from a client."""
    src_ip, dst_ip = socket.inet_aton(src), socket.inet_aton(dst)
    length = 8 + len(payload)
    pseudo = src_ip + dst_ip + struct.pack("!BBH", 0, 17, length)
    udp = struct.pack("!HHHH", 68, 67, length, 0) + payload
    udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp) or 0xFFFF) + udp[8:]
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, random.getrandbits(16), 0, 64, 17, 0, src_ip, dst_ip)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return dst_mac + src_mac + struct.pack("!H", ETH_P_IP) + head + udp


def dhcp_payload(frame: bytes) -> tuple[bytes, str, bytes] | None:
    """(message, source address, source MAC) of a frame that is for a DHCP client, else None."""
    if len(frame) < 34 or frame[12:14] != b"\x08\x00" or frame[14] >> 4 != 4 or frame[23] != 17:
        return None
    if struct.unpack("!H", frame[20:22])[0] & 0x3FFF:  # a fragment
        return None
    start = 14 + (frame[14] & 15) * 4
    if len(frame) < start + 8:
        return None
    source, destination, length = struct.unpack("!HHH", frame[start : start + 6])
    if (source, destination) != (67, 68) or length < 8:
        return None
    return frame[start + 8 : start + length], socket.inet_ntoa(frame[26:30]), frame[6:12]


def message(
    kind: int, mac: bytes, xid: int, secs: int, options: list[tuple[int, bytes]], ciaddr: str = "0.0.0.0"
) -> bytes:
    broadcast = 0 if ciaddr != "0.0.0.0" else 0x8000
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, xid, min(secs, 65535), broadcast)
    head += socket.inet_aton(ciaddr) + bytes(12) + mac + bytes(10) + bytes(192) + MAGIC
    body = b"".join(bytes([code, len(value)]) + value for code, value in [(53, bytes([kind])), *options])
    return (head + body + b"\xff").ljust(300, b"\0")


def parse(data: bytes) -> dict | None:
    """A DHCP answer, with raw options; None when it is none or is damaged."""
    if len(data) < 240 or data[0] != 2 or data[236:240] != MAGIC:
        return None
    options: dict[int, bytes] = {}
    at = 240
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        if at + 1 >= len(data) or at + 2 + data[at + 1] > len(data):
            return None
        options[data[at]] = options.get(data[at], b"") + data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    if len(options.get(53, b"")) != 1:
        return None
    return {
        "kind": options[53][0],
        "xid": struct.unpack("!I", data[4:8])[0],
        "address": socket.inet_ntoa(data[16:20]),
        "next_server": socket.inet_ntoa(data[20:24]),
        "mac": data[28:34],
        "options": options,
    }


def readable(options: dict[int, bytes]) -> dict:
    """Options by name, in JSON's types; an unknown one by its number, in hexadecimal."""
    found: dict = {}
    for code, value in sorted(options.items()):
        if code in ADDRESS_LISTS:
            found[ADDRESS_LISTS[code]] = [socket.inet_ntoa(value[i : i + 4]) for i in range(0, len(value) // 4 * 4, 4)]
        elif code in ADDRESSES and len(value) == 4:
            found[ADDRESSES[code]] = socket.inet_ntoa(value)
        elif code in NUMBERS and value:
            found[NUMBERS[code]] = int.from_bytes(value, "big")
        elif code in TEXTS:
            found[TEXTS[code]] = value.decode(errors="replace").rstrip("\0")
        elif code != 53:
            found[str(code)] = value.hex(":")
    return found


class Link:
    """The raw socket on the LAN, with what ARP needs: the addresses that clients hold, and whose MAC answered."""

    def __init__(self, interface: str) -> None:
        self.held: dict[bytes, bytes] = {}
        self.neighbours: dict[bytes, bytes] = {}
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((interface, 0))
        # Answers to an invented MAC are for us too.
        member = struct.pack("iHH8s", socket.if_nametoindex(interface), PACKET_MR_PROMISC, 0, b"")
        self.socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, member)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.setblocking(False)

    def send(self, frame: bytes) -> None:
        with contextlib.suppress(BlockingIOError):
            self.socket.send(frame.ljust(60, b"\0"))

    def frames(self, wait: float):
        """Frames that arrive within `wait` seconds; what this machine sent itself is left out."""
        if select.select([self.socket], [], [], max(0.0, wait))[0]:
            for _ in range(1000):
                try:
                    frame, address = self.socket.recvfrom(65535)
                except BlockingIOError:
                    return
                if address[2] != 4:  # PACKET_OUTGOING
                    yield frame

    def answers(self, wait: float):
        """(answer, source address) of each message for a DHCP client that arrives in time; ARP is dealt with."""
        for frame in self.frames(wait):
            if frame[12:14] == b"\x08\x06":
                self.take_arp(frame)
            elif (found := dhcp_payload(frame)) and (answer := parse(found[0])):
                self.neighbours[socket.inet_aton(found[1])] = found[2]
                yield answer, found[1]

    def take_arp(self, frame: bytes) -> None:
        mac = self.held.get(frame[38:42])
        if frame[20:22] == b"\0\2":
            self.neighbours[frame[28:32]] = frame[22:28]
        elif mac and frame[20:22] == b"\0\1":
            reply = struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, 2) + mac + frame[38:42] + frame[22:32]
            self.send(frame[6:12] + mac + struct.pack("!H", ETH_P_ARP) + reply)

    def ask_arp(self, mac: bytes, source: str, target: str) -> None:
        """Ask for the MAC of `target`, as a client that owns `source` would."""
        ask = struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, 1) + mac + socket.inet_aton(source)
        self.send(BROADCAST_MAC + mac + struct.pack("!H", ETH_P_ARP) + ask + bytes(6) + socket.inet_aton(target))

    def resolve(self, mac: bytes, source: str, target: str, timeout: float = 3.0) -> bytes | None:
        """The MAC of `target`, waited for."""
        deadline = time.monotonic() + timeout
        again = 0.0
        while (now := time.monotonic()) < deadline and socket.inet_aton(target) not in self.neighbours:
            if now >= again:
                self.ask_arp(mac, source, target)
                again = now + 1
            for _ in self.answers(min(again, deadline) - now):
                pass
        return self.neighbours.get(socket.inet_aton(target))


class Client:
    """One client and its exchange: sends when it is due, takes answers, knows when it is done."""

    def __init__(self, link: Link, mac: bytes, args: argparse.Namespace, note) -> None:
        self.link, self.mac, self.args, self.note = link, mac, args, note
        self.xid = random.getrandbits(32)
        self.kind = DISCOVER
        self.started = time.monotonic()
        self.deadline = self.started + args.timeout
        self.attempts = 1  # and one more for each message that had to be repeated
        self.repeated = False
        self.wait = args.first_wait
        self.due = self.started
        self.offer: dict | None = None
        self.offers: list[dict] = []
        self.ack: dict | None = None
        self.answered_by: str | None = None
        self.naks = 0
        self.done = False
        self.reason = ""
        self.options = options_of(args, mac)

    def tick(self, now: float) -> None:
        if self.done or now < self.due:
            return
        if now >= self.deadline:
            self.finish("timeout")
            return
        if self.kind == REQUEST and now - self.requested > START_ANEW:
            self.start_anew()
        extra: list[tuple[int, bytes]] = []
        if self.kind == REQUEST and self.offer:
            extra = [(50, socket.inet_aton(self.offer["address"])), (54, self.offer["options"][54])]
        elif self.args.want:
            extra = [(50, socket.inet_aton(self.args.want))]
        secs = int(now - self.started)
        data = message(self.kind, self.mac, self.xid, secs, [*self.options, *extra])
        self.link.send(udp_frame(self.mac, BROADCAST_MAC, "0.0.0.0", "255.255.255.255", data))
        self.attempts += self.repeated
        self.repeated = True
        self.note(self, NAMES[self.kind], secs=secs)
        self.due = min(now + self.wait, self.deadline)
        self.wait = min(self.wait * 2, 64)

    def take(self, answer: dict, source: str) -> None:
        if answer["xid"] != self.xid or answer["mac"] != self.mac:
            return
        kind = answer["kind"]
        server = readable(answer["options"]).get("server_id", source)
        if kind == OFFER:
            self.offers.append({"server": server, "address": answer["address"]})
            self.note(self, "offer", server=server, address=answer["address"])
        if self.done:
            return
        if kind == OFFER and self.kind == DISCOVER and 54 in answer["options"]:
            self.offer, self.kind, self.repeated = answer, REQUEST, False
            self.wait, self.due = self.args.first_wait, time.monotonic()
            self.requested = self.due
        elif kind == ACK and self.kind == REQUEST:
            self.ack, self.answered_by = answer, server
            self.note(self, "ack", server=server, address=answer["address"], lease=lease_time(answer))
            self.finish("")
        elif kind == NAK and self.kind == REQUEST:
            self.naks += 1
            self.note(self, "nak", server=server)
            self.start_anew()
            self.due = time.monotonic() + 1

    def start_anew(self) -> None:
        self.kind, self.offer, self.repeated, self.wait = DISCOVER, None, False, self.args.first_wait

    def finish(self, reason: str) -> None:
        self.done, self.reason = True, reason
        self.ended = time.monotonic()
        if reason:
            self.note(self, reason)

    def result(self) -> dict:
        found: dict = {"ok": self.ack is not None, "mac": self.mac.hex(":"), "xid": f"{self.xid:08x}"}
        found |= {"attempts": self.attempts, "naks": self.naks, "seconds": round(self.ended - self.started, 3)}
        found["offers"] = self.offers
        if self.ack:
            options = readable(self.ack["options"])
            found |= {
                "address": self.ack["address"],
                "server_id": options.get("server_id"),
                "lease_time": options.get("lease_time"),
                "next_server": self.ack["next_server"],
                "options": options,
            }
        else:
            found["error"] = self.reason
        return found


class Renewal:
    """One renewal of a lease. RENEWING asks the server that gave it; REBINDING asks whoever hears it.

    It goes from one to the other after `rebind_after` seconds: never when that is None, at once when it is 0.
    """

    def __init__(
        self,
        link: Link,
        mac: bytes,
        address: str,
        server: str | None,
        args: argparse.Namespace,
        note,
        rebind_after: float | None,
    ) -> None:
        self.link, self.mac, self.address, self.server, self.args, self.note = link, mac, address, server, args, note
        self.xid = random.getrandbits(32)
        self.started = self.due = time.monotonic()
        self.deadline = self.started + args.timeout
        self.rebind_at = self.deadline if rebind_after is None else self.started + rebind_after
        self.wait = args.first_wait
        self.attempts = 0
        self.rebinding = self.done = self.ok = False
        self.reason = ""
        self.options = options_of(args, mac)
        self.answer: dict | None = None
        self.answered_by: str | None = None
        link.held[socket.inet_aton(address)] = mac

    def tick(self, now: float) -> None:
        if self.done or now < self.due:
            return
        if now >= self.deadline:
            self.finish("timeout")
            return
        if not self.rebinding and now >= self.rebind_at:
            self.rebinding, self.wait = True, self.args.first_wait
        secs = int(now - self.started)
        data = message(REQUEST, self.mac, self.xid, secs, self.options, ciaddr=self.address)
        if self.rebinding:
            self.link.send(udp_frame(self.mac, BROADCAST_MAC, self.address, "255.255.255.255", data))
            self.note(self, "request", address=self.address, secs=secs, rebind=True)
        else:
            if self.attempts:  # it may be another machine by now
                self.link.ask_arp(self.mac, self.address, self.server)
            target = self.link.neighbours[socket.inet_aton(self.server)]
            self.link.send(udp_frame(self.mac, target, self.address, self.server, data))
            self.note(self, "request", server=self.server, address=self.address, secs=secs)
        self.attempts += 1
        self.due = min(now + self.wait, self.deadline if self.rebinding else self.rebind_at)
        self.wait = min(self.wait * 2, 64)

    def take(self, answer: dict, source: str) -> None:
        if self.done or answer["xid"] != self.xid or answer["mac"] != self.mac or answer["kind"] not in (ACK, NAK):
            return
        self.answer, self.answered_by = answer, readable(answer["options"]).get("server_id", source)
        if answer["kind"] == ACK:
            self.ok = True
            self.note(self, "ack", server=self.answered_by, address=answer["address"], lease=lease_time(answer))
            self.finish("")
        else:
            self.note(self, "nak", server=self.answered_by)
            self.finish("nak")

    def finish(self, reason: str) -> None:
        self.done, self.reason, self.ended = True, reason, time.monotonic()
        if reason == "timeout":
            self.note(self, reason, address=self.address)


def release(link: Link, mac: bytes, address: str, server: str, client_id: str | None = None) -> int:
    """Give a lease back to a server whose MAC is known; returns the xid. Nobody answers a release."""
    options = [(54, socket.inet_aton(server))]
    if client_id:
        options.append((61, client_id_option(client_id, mac)))
    xid = random.getrandbits(32)
    data = message(RELEASE, mac, xid, 0, options, ciaddr=address)
    link.send(udp_frame(mac, link.neighbours[socket.inet_aton(server)], address, server, data))
    return xid


def lease_time(answer: dict) -> int:
    return int.from_bytes(answer["options"].get(51, b""), "big")


def options_of(args: argparse.Namespace, mac: bytes) -> list[tuple[int, bytes]]:
    """What a client says in each of its messages."""
    options = [(55, bytes(args.request))]
    if args.hostname:
        options.append((12, args.hostname.encode()))
    if args.client_id:
        options.append((61, client_id_option(args.client_id, mac)))
    return [*options, *args.option]


def client_id_option(client_id: str, mac: bytes) -> bytes:
    return b"\1" + mac if client_id == "mac" else bytes.fromhex(client_id)


def fresh_mac() -> bytes:
    return bytes([0x02, *os.urandom(5)])


def drive(link: Link, clients, linger: float, until: float) -> None:
    """Run clients to their ends. `clients(now)` returns those started so far and whether more will come."""
    by_xid: dict[int, Client | Renewal] = {}
    known = 0
    quiet_from = None
    while True:
        now = time.monotonic()
        started, more = clients(now)
        for client in started[known:]:
            by_xid[client.xid] = client
        known = len(started)
        active = [c for c in started if not c.done]
        for client in active:
            client.tick(now)
        active = [c for c in active if not c.done]
        if not active and not more:
            quiet_from = quiet_from or now
            if now - quiet_from >= linger:
                return
        if now >= until:
            for client in active:
                client.finish("timeout")
            return
        due = min([c.due for c in active], default=now + 0.2)
        for answer, source in link.answers(min(max(due - now, 0.0), 0.02 if more else 0.2)):
            if answer["xid"] in by_xid:
                by_xid[answer["xid"]].take(answer, source)


def quiet(*_args, **_more) -> None:
    """What clients note when nobody keeps a history."""


def command_lease(link: Link, args: argparse.Namespace) -> tuple[dict, bool]:
    client = Client(link, args.mac or fresh_mac(), args, quiet)
    drive(link, lambda _now: ([client], False), args.linger, client.deadline + args.linger)
    return client.result(), client.ack is not None


def command_stream(link: Link, args: argparse.Namespace) -> tuple[dict, bool]:
    started: list[Client] = []
    begin = time.monotonic()

    def clients(now: float) -> tuple[list[Client], bool]:
        while len(started) < args.count and now - begin >= len(started) / args.rate:
            started.append(Client(link, fresh_mac(), args, quiet))
        return started, len(started) < args.count

    drive(link, clients, args.linger, begin + args.count / args.rate + args.timeout + 1)
    served = [c for c in started if c.ack]
    slowest = max((c.ended - c.started for c in served), default=None)
    return {
        "clients": len(started),
        "served": len(served),
        "failed": len(started) - len(served),
        "naks": sum(c.naks for c in started),
        "duplicates": len(served) - len({c.ack["address"] for c in served}),
        "seconds": round(time.monotonic() - begin, 3),
        "slowest_client": None if slowest is None else round(slowest, 3),
        "most_attempts": max((c.attempts for c in started), default=0),
    }, len(served) == args.count


def command_renew(link: Link, args: argparse.Namespace) -> tuple[dict, bool]:
    result = {"ok": False, "mac": args.mac.hex(":"), "address": args.address, "attempts": 0}
    renewal = Renewal(link, args.mac, args.address, args.server, args, quiet, 0 if args.rebind else None)
    if not args.rebind and link.resolve(args.mac, args.address, args.server) is None:
        return {**result, "error": f"{args.server} does not answer ARP"}, False
    drive(link, lambda _now: ([renewal], False), 0, renewal.deadline)
    result |= {"attempts": renewal.attempts, "seconds": round(renewal.ended - renewal.started, 3)}
    if renewal.answered_by:
        result["server_id"] = renewal.answered_by
    if not renewal.ok:
        return {**result, "error": renewal.reason}, False
    options = readable(renewal.answer["options"])
    found = {"ok": True, "address": renewal.answer["address"], "lease_time": options.get("lease_time")}
    return {**result, **found, "options": options}, True


def command_release(link: Link, args: argparse.Namespace) -> tuple[dict, bool]:
    """Nobody answers a release: sent is all that can be said."""
    result = {"ok": False, "mac": args.mac.hex(":"), "address": args.address}
    if link.resolve(args.mac, args.address, args.server) is None:
        return {**result, "error": f"{args.server} does not answer ARP"}, False
    release(link, args.mac, args.address, args.server, args.client_id)
    return {**result, "ok": True}, True


def mac_argument(text: str) -> bytes:
    value = bytes.fromhex(text.replace(":", "").replace("-", ""))
    if len(value) != 6:
        raise ValueError(text)
    return value


def client_id_argument(text: str) -> str:
    value = text.replace(":", "").lower()
    if value != "mac":
        bytes.fromhex(value)
    return value


def address_argument(text: str) -> str:
    return str(ipaddress.IPv4Address(text))


def codes_argument(text: str) -> list[int]:
    return [int(word) for word in text.split(",") if 0 < int(word) < 255 or ipaddress.IPv4Address(word)]


def option_argument(text: str) -> tuple[int, bytes]:
    code, _, value = text.partition("=")
    return int(code), bytes.fromhex(value.replace(":", ""))


def parse_arguments() -> argparse.Namespace:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--interface", default="eth-lan")
    shared.add_argument("--client-id", type=client_id_argument, help='01:11:22:..., or "mac" for 01 and the MAC')
    shared.add_argument("--hostname")
    shared.add_argument(
        "--request", type=codes_argument, default=codes_argument(REQUESTED), help="option codes: 3,6,15"
    )
    shared.add_argument("--option", type=option_argument, action="append", default=[], help="send CODE=HEX; repeatable")
    shared.add_argument("--want", type=address_argument, help="ask for this address")
    shared.add_argument("--timeout", type=float, default=60, help="seconds for each client (default 60)")
    shared.add_argument("--first-wait", type=float, default=4, help="seconds to the first repetition (default 4)")
    shared.add_argument("--linger", type=float, default=0, help="go on listening for second offers, in seconds")

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    lease = commands.add_parser("lease", parents=[shared], help="get a lease")
    lease.add_argument("--mac", type=mac_argument, help="default: a random one")
    lease.set_defaults(function=command_lease)
    stream = commands.add_parser("stream", parents=[shared], help="many fresh clients")
    stream.add_argument("--count", type=int, required=True)
    stream.add_argument("--rate", type=float, default=1.0, help="new clients each second (default 1)")
    stream.set_defaults(function=command_stream)
    for name, function in (("renew", command_renew), ("release", command_release)):
        sub = commands.add_parser(name, parents=[shared], help=f"{name} a lease")
        sub.add_argument("--mac", type=mac_argument, required=True)
        sub.add_argument("--address", type=address_argument, required=True)
        sub.add_argument("--server", type=address_argument, required=name == "release")
        if name == "renew":
            sub.add_argument("--rebind", action="store_true", help="ask all servers, by broadcast")
        sub.set_defaults(function=function)
    args = parser.parse_args()
    if args.command == "renew" and not args.rebind and not args.server:
        parser.error("renew needs --server, or --rebind")
    if args.timeout <= 0 or args.first_wait <= 0 or (args.command == "stream" and (args.count < 1 or args.rate <= 0)):
        parser.error("--timeout, --first-wait, --count and --rate must be above zero")
    return args


def main() -> int:
    args = parse_arguments()
    try:
        link = Link(args.interface)
    except OSError as exc:
        print(json.dumps({"ok": False, "error": f"interface {args.interface}: {exc.strerror or exc}"}))
        return 1
    result, ok = args.function(link, args)
    print(json.dumps(result))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
