# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a network who serves DHCP there: one DISCOVER for each interface, and no REQUEST after it.

Private to this collection. Standard library only; needs root.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time
from typing import Any

_ETH_P_IP = 0x0800
_BROADCAST = b"\xff" * 6
_MAGIC = b"\x63\x82\x53\x63"
_DISCOVER, _OFFER = 1, 2
_SERVER_ID = 54
# A client that got no answer repeats its question, too.
_REPEAT_AFTER = 1.5
_OUTGOING = 4


def probe(interfaces: list[str], seconds: float) -> dict[str, Any]:
    """Return ``answers`` and ``problems`` (why an interface could not be asked), after at most *seconds*.

    All interfaces are asked at once. The question comes from the interface's own address on the wire, because switches
    and hypervisors may refuse any other, and is about an invented client.
    """
    links, problems = {}, {}
    with contextlib.ExitStack() as stack:
        for name in dict.fromkeys(interfaces):
            link = _open(name)
            if isinstance(link, str):
                problems[name] = link
            else:
                links[name] = stack.enter_context(link)
        answers = _ask(links, problems, seconds) if links else []
    return {"answers": answers, "problems": problems}


def _open(interface: str) -> socket.socket | str:
    """Return a socket on an interface, or why there is none."""
    try:
        link = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP))
        link.bind((interface, _ETH_P_IP))
        link.setblocking(False)
    except OSError as exc:
        return exc.strerror or str(exc)
    return link


def _ask(links: dict[str, socket.socket], problems: dict[str, str], seconds: float) -> list[dict[str, Any]]:
    # Locally administered: no real client has it.
    mac, xid = b"\x02" + os.urandom(5), int.from_bytes(os.urandom(4), "big")
    names = {link: name for name, link in links.items()}
    start = time.monotonic()
    asked = start - _REPEAT_AFTER
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    while True:
        now = time.monotonic()
        if now - start >= seconds:
            return list(found.values())
        if now - asked >= _REPEAT_AFTER:
            asked = now
            for name, link in links.items():
                trouble = _send(link, name, packet(mac, xid, int(now - start)))
                if trouble:
                    problems[name] = trouble
        wait = max(0.0, min(start + seconds, asked + _REPEAT_AFTER) - now)
        for link in select.select(list(names), [], [], wait)[0]:
            with contextlib.suppress(OSError):
                data, sender = link.recvfrom(65535)
                offer = offer_in(data, mac, xid) if sender[2] != _OUTGOING else None
                if offer:
                    offer.update(interface=names[link], mac=":".join(f"{byte:02x}" for byte in sender[4]))
                    found.setdefault((names[link], offer["server"], offer["mac"]), offer)


def _send(link: socket.socket, interface: str, data: bytes) -> str:
    """Send to everybody; returns why that could not be done, empty when it could."""
    try:
        link.sendto(data, (interface, _ETH_P_IP, 0, 0, _BROADCAST))
    except OSError as exc:
        return exc.strerror or str(exc)
    return ""


def packet(mac: bytes, xid: int, secs: int) -> bytes:
    """Return a DISCOVER as an IP packet; the answer is to be broadcast, for nobody has this address."""
    options = bytes([53, 1, _DISCOVER, 55, 4, 1, 3, 51, _SERVER_ID, 255])
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, xid, secs, 0x8000)
    message = (head + bytes(16) + mac + bytes(10) + bytes(192) + _MAGIC + options).ljust(300, b"\0")
    length = 8 + len(message)
    source, target = bytes(4), _BROADCAST[:4]
    udp = struct.pack("!HHHH", 68, 67, length, 0) + message
    checksum = _checksum(source + target + struct.pack("!BBH", 0, socket.IPPROTO_UDP, length) + udp)
    udp = udp[:6] + struct.pack("!H", checksum or 0xFFFF) + udp[8:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, xid & 0xFFFF, 0, 64, socket.IPPROTO_UDP, 0, source, target)
    return ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:] + udp


def _checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def offer_in(data: bytes, mac: bytes, xid: int) -> dict[str, Any] | None:
    """Return server, offered address and relay of an IP packet that answers the question; None for any other."""
    head = (data[0] & 15) * 4 if data else 0
    message = data[head + 8 :]
    if len(message) < 240 or data[0] >> 4 != 4 or data[9] != socket.IPPROTO_UDP:
        return None
    if struct.unpack("!HH", data[head : head + 4]) != (67, 68) or message[0] != 2 or message[236:240] != _MAGIC:
        return None
    if message[28:34] != mac or struct.unpack("!I", message[4:8])[0] != xid:
        return None
    options = _options(message[240:])
    if options.get(53) != bytes([_OFFER]):
        return None
    server = options.get(_SERVER_ID, b"")
    relay = message[24:28]
    return {
        "server": socket.inet_ntoa(server if len(server) == 4 else data[12:16]),
        "address": socket.inet_ntoa(message[16:20]),
        "relay": socket.inet_ntoa(relay) if any(relay) else None,
    }


def _options(data: bytes) -> dict[int, bytes]:
    """Return the options as far as they can be read: what answers may be anything."""
    found, at = {}, 0
    while at + 1 < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        end = at + 2 + data[at + 1]
        found[data[at]] = data[at + 2 : end]
        at = end
    return found
