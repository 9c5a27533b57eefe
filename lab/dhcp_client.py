#!/usr/bin/env python3
# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DHCPv4 client for tests: real packets on a raw socket, answers as JSON.

    dhcp-client lease   [--mac M] [--client-id ID] [--hostname H]      discover, offer, request, ack
    dhcp-client renew   --mac M --address A --server S [--rebind]      extend a lease
    dhcp-client release --mac M --address A --server S                 give it back
    dhcp-client stream  --count N --rate R [--history FILE]            N fresh clients, R each second

It behaves as clients do: it repeats an unanswered message after 4, 8, 16 s, and its `secs` field says how long it has
really been trying, which is what Kea's failure detection looks at. It changes no address of the
machine. Every run ends: after --timeout seconds per client. Exit code 0: every client was served;
1: not all; 2: wrong usage. Needs root (CAP_NET_RAW). Standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import itertools
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
    """The raw socket on the LAN."""

    def __init__(self, interface: str) -> None:
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

    def resolve(self, mac: bytes, source: str, target: str, timeout: float = 3.0) -> bytes | None:
        """The MAC of `target`, asked for as a client that owns `source` would."""
        ask = struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, 1) + mac + socket.inet_aton(source)
        ask += bytes(6) + socket.inet_aton(target)
        deadline = time.monotonic() + timeout
        again = 0.0
        while (now := time.monotonic()) < deadline:
            if now >= again:
                self.send(BROADCAST_MAC + mac + struct.pack("!H", ETH_P_ARP) + ask)
                again = now + 1
            for frame in self.frames(min(again, deadline) - now):
                if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2" and frame[28:32] == socket.inet_aton(target):
                    return frame[22:28]
        return None

    def answer_arp(self, frame: bytes, mac: bytes, address: str) -> None:
        own = socket.inet_aton(address)
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == own:
            reply = struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, 2) + mac + own + frame[22:32]
            self.send(frame[6:12] + mac + struct.pack("!H", ETH_P_ARP) + reply)


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
        self.naks = 0
        self.done = False
        self.reason = ""
        self.options = [(55, bytes(args.request))]
        if args.hostname:
            self.options.append((12, args.hostname.encode()))
        if args.client_id:
            self.options.append((61, b"\1" + mac if args.client_id == "mac" else bytes.fromhex(args.client_id)))
        for code, value in args.option:
            self.options.append((code, value))

    def tick(self, now: float) -> None:
        if self.done or now < self.due:
            return
        if now >= self.deadline:
            self.finish("timeout")
            return
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
            self.note(self, "offer", address=answer["address"], server=server)
        if self.done:
            return
        if kind == OFFER and self.kind == DISCOVER and 54 in answer["options"]:
            self.offer, self.kind, self.repeated = answer, REQUEST, False
            self.wait, self.due = self.args.first_wait, time.monotonic()
        elif kind == ACK and self.kind == REQUEST:
            self.ack = answer
            self.note(self, "ack", address=answer["address"], server=server)
            self.finish("")
        elif kind == NAK and self.kind == REQUEST:
            self.naks += 1
            self.note(self, "nak", server=server)
            self.kind, self.offer, self.repeated = DISCOVER, None, False
            self.wait, self.due = self.args.first_wait, time.monotonic() + 1

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


def fresh_mac() -> bytes:
    return bytes([0x02, *os.urandom(5)])


def drive(link: Link, clients, linger: float, until: float) -> None:
    """Run clients to their ends. `clients(now)` returns those started so far and whether more will come."""
    by_xid: dict[int, Client] = {}
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
        for frame in link.frames(min(max(due - now, 0.0), 0.02 if more else 0.2)):
            found = dhcp_payload(frame)
            answer = parse(found[0]) if found else None
            if found and answer and answer["xid"] in by_xid:
                by_xid[answer["xid"]].take(answer, found[1])


def command_lease(link: Link, args: argparse.Namespace) -> tuple[dict, bool]:
    client = Client(link, args.mac or fresh_mac(), args, lambda *_a, **_k: None)
    drive(link, lambda _now: ([client], False), args.linger, client.deadline + args.linger)
    return client.result(), client.ack is not None


def command_stream(link: Link, args: argparse.Namespace) -> tuple[dict, bool]:
    started: list[Client] = []
    begin = time.monotonic()
    acks: list[float] = []
    servers: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        history = sys.stdout
        if args.history != "-":
            history = stack.enter_context(open(args.history or os.devnull, "w", encoding="utf-8"))

        def note(client: Client, event: str, **more) -> None:
            if event == "ack":
                acks.append(time.monotonic() - begin)
                servers[more["server"]] = servers.get(more["server"], 0) + 1
            line = {"time": round(time.time(), 3), "mac": client.mac.hex(":"), "xid": f"{client.xid:08x}"}
            print(json.dumps({**line, "event": event, **more}), file=history, flush=True)

        def clients(now: float) -> tuple[list[Client], bool]:
            while len(started) < args.count and now - begin >= len(started) / args.rate:
                started.append(Client(link, fresh_mac(), args, note))
            return started, len(started) < args.count

        drive(link, clients, args.linger, begin + args.count / args.rate + args.timeout + 1)
    addresses = [c.ack["address"] for c in started if c.ack]
    served = len(addresses)
    # From one served client to the next; the start counts as one, and the end too when somebody was left waiting.
    moments = [0.0, *acks, *([] if served == args.count else [time.monotonic() - begin])]
    gap, at = max((late - early, early) for early, late in itertools.pairwise([*moments, moments[-1]]))
    slowest = max((c.ended - c.started for c in started if c.ack), default=None)
    return {
        "clients": len(started),
        "served": served,
        "failed": len(started) - served,
        "naks": sum(c.naks for c in started),
        "duplicates": served - len(set(addresses)),
        "servers": servers,
        "seconds": round(time.monotonic() - begin, 3),
        "longest_gap": round(gap, 3),
        "longest_gap_at": round(at, 3),
        "slowest_client": None if slowest is None else round(slowest, 3),
        "most_attempts": max((c.attempts for c in started), default=0),
    }, served == args.count


def command_renew(link: Link, args: argparse.Namespace) -> tuple[dict, bool]:
    """RENEWING asks the server that gave the lease; REBINDING (--rebind) asks whoever hears it."""
    begin = time.monotonic()
    mac, xid = args.mac, random.getrandbits(32)
    result = {"ok": False, "mac": mac.hex(":"), "address": args.address, "attempts": 0}
    target, to = BROADCAST_MAC, "255.255.255.255"
    if not args.rebind:
        to = args.server
        found = link.resolve(mac, args.address, args.server)
        if found is None:
            return {**result, "error": f"{args.server} does not answer ARP"}, False
        target = found
    probe = Client(link, mac, args, lambda *_a, **_k: None)
    wait, due = args.first_wait, begin
    deadline = begin + args.timeout
    while (now := time.monotonic()) < deadline:
        if now >= due:
            data = message(REQUEST, mac, xid, int(now - begin), probe.options, ciaddr=args.address)
            link.send(udp_frame(mac, target, args.address, to, data))
            result["attempts"] += 1
            due, wait = now + wait, min(wait * 2, 64)
        for frame in link.frames(min(due, deadline) - now):
            link.answer_arp(frame, mac, args.address)
            payload = dhcp_payload(frame)
            answer = parse(payload[0]) if payload else None
            if payload and answer and answer["xid"] == xid and answer["kind"] in (ACK, NAK):
                options = readable(answer["options"])
                result |= {
                    "seconds": round(time.monotonic() - begin, 3),
                    "server_id": options.get("server_id", payload[1]),
                }
                if answer["kind"] == NAK:
                    return {**result, "error": "nak"}, False
                found = {"ok": True, "address": answer["address"], "lease_time": options.get("lease_time")}
                return {**result, **found, "options": options}, True
    return {**result, "seconds": round(time.monotonic() - begin, 3), "error": "timeout"}, False


def command_release(link: Link, args: argparse.Namespace) -> tuple[dict, bool]:
    """Nobody answers a release: sent is all that can be said."""
    result = {"ok": False, "mac": args.mac.hex(":"), "address": args.address}
    target = link.resolve(args.mac, args.address, args.server)
    if target is None:
        return {**result, "error": f"{args.server} does not answer ARP"}, False
    options = [(54, socket.inet_aton(args.server))]
    if args.client_id:
        options.append((61, b"\1" + args.mac if args.client_id == "mac" else bytes.fromhex(args.client_id)))
    data = message(RELEASE, args.mac, random.getrandbits(32), 0, options, ciaddr=args.address)
    link.send(udp_frame(args.mac, target, args.address, args.server, data))
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
    stream.add_argument("--history", help="write each event to this file, one JSON object a line (- for stdout)")
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
