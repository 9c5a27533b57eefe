# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The question who serves a network, and which packets answer it."""

from __future__ import annotations

import socket
import struct

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _dhcp_probe
from hypothesis import given
from hypothesis import strategies as st

MAC, XID = b"\x02\x01\x02\x03\x04\x05", 0x12345678


def offer(kind=2, server="192.168.1.1", relay="0.0.0.0", xid=XID, mac=MAC, ports=(67, 68), source="192.168.1.1"):
    """Return an answer as an IP packet."""
    options = bytes([53, 1, kind, 0]) + (b"\x36\x04" + socket.inet_aton(server) if server else b"") + b"\xff"
    head = struct.pack("!BBBBIHH", 2, 1, 6, 0, xid, 0, 0x8000)
    addresses = bytes(4) + socket.inet_aton("192.168.1.50") + bytes(4) + socket.inet_aton(relay)
    message = head + addresses + mac + bytes(10 + 192) + b"\x63\x82\x53\x63" + options
    udp = struct.pack("!HHHH", *ports, 8 + len(message), 0) + message
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + socket.inet_aton(source) + b"\xff" * 4
    return ip + udp


def test_the_question_is_a_discover_of_an_invented_client():
    data = _dhcp_probe.packet(MAC, XID, 1)
    assert data[9] == 17 and data[16:20] == b"\xff" * 4
    assert _dhcp_probe._checksum(data[:20]) == 0
    pseudo = data[12:20] + struct.pack("!BBH", 0, 17, len(data) - 20)
    assert _dhcp_probe._checksum(pseudo + data[20:]) == 0
    message = data[28:]
    assert struct.unpack("!HH", data[20:24]) == (68, 67)
    assert message[0] == 1 and message[28:34] == MAC and message[10:12] == b"\x80\x00"
    assert message[240:243] == bytes([53, 1, 1])


def test_an_offer_names_its_server():
    found = _dhcp_probe.offer_in(offer(), MAC, XID)
    assert found == {"server": "192.168.1.1", "address": "192.168.1.50", "relay": None}
    assert _dhcp_probe.offer_in(offer(relay="10.0.0.1"), MAC, XID)["relay"] == "10.0.0.1"
    assert _dhcp_probe.offer_in(offer(server="", source="10.0.0.9"), MAC, XID)["server"] == "10.0.0.9"


@pytest.mark.parametrize(
    "other",
    [{"xid": 1}, {"mac": b"\x02" * 6}, {"kind": 5}, {"kind": 6}, {"ports": (68, 67)}, {"ports": (53, 68)}],
)
def test_other_packets_are_no_answer(other):
    assert _dhcp_probe.offer_in(offer(**other), MAC, XID) is None


@given(st.binary(max_size=400), st.integers(0, 400))
def test_no_packet_can_break_it(data, cut):
    for packet in (data, offer()[:cut], offer()[:cut] + data):
        assert _dhcp_probe.offer_in(packet, MAC, XID) is None or len(packet) > 240


def test_an_interface_that_is_not_there():
    found = _dhcp_probe.probe(["no-such-eth0"], 0.1)
    assert found["answers"] == [] and list(found["problems"]) == ["no-such-eth0"]
    assert _dhcp_probe.probe([], 60) == {"answers": [], "problems": {}}
