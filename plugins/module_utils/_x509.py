# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a managed host must know of a certificate: its serial number, its dates and its fingerprint.

Private to this collection. Managed hosts need not have the library cryptography, and Python's own ssl module tells such
things only of certificates that it trusts, and not of one that has expired.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import math
import re
import typing as t

_UTC = datetime.timezone.utc
_PEM = re.compile(b"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_INTEGER, _SEQUENCE, _VERSION = 0x02, 0x30, 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18


class Certificate(t.NamedTuple):
    """One certificate.

    Attributes:
        serial: in hexadecimal, as ``openssl x509 -serial`` writes it.
        not_before: aware time, UTC.
        not_after: the same.
        fingerprint: SHA-256 of the whole, in hexadecimal.
    """

    serial: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    fingerprint: str

    def days_left(self, now: float) -> int:
        """Return the whole days until it expires, negative afterwards; *now* is seconds since the epoch."""
        return math.floor((self.not_after.timestamp() - now) / 86400)

    def as_dict(self, now: float) -> dict:
        """Return it as modules return it."""
        return {
            "serial": self.serial,
            "not_after": stamp(self.not_after),
            "days_left": self.days_left(now),
            "fingerprint": self.fingerprint,
        }

    def text(self) -> str:
        """Return it for people: serial and dates."""
        return f"serial {self.serial}, valid from {stamp(self.not_before)} to {stamp(self.not_after)}"


def stamp(moment: datetime.datetime) -> str:
    """Return an aware time in the form ``2027-02-22T10:00:00Z``."""
    return moment.astimezone(_UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(der: bytes) -> Certificate:
    """Return the certificate in *der*.

    Raises:
        ValueError: it is none.
    """
    try:
        tag, body, _rest = _element(der)
        _expect(tag, _SEQUENCE)
        tag, body, _rest = _element(body)
        _expect(tag, _SEQUENCE)
        tag, value, rest = _element(body)
        if tag == _VERSION:
            tag, value, rest = _element(rest)
        _expect(tag, _INTEGER)
        # Between the serial number and the dates: the algorithm and the issuer.
        for _skipped in range(2):
            rest = _element(rest)[2]
        tag, dates, _rest = _element(rest)
        _expect(tag, _SEQUENCE)
        first, start, dates = _element(dates)
        second, end, _rest = _element(dates)
        not_before, not_after = _time(first, start), _time(second, end)
    except (IndexError, UnicodeDecodeError) as exc:
        raise ValueError("this is no certificate") from exc
    return Certificate(_hexadecimal(value), not_before, not_after, hashlib.sha256(der).hexdigest())


def first_of(pem: bytes) -> Certificate:
    """Return the first certificate of a PEM file, which is the server's own.

    Raises:
        ValueError: there is none in it.
    """
    match = _PEM.search(pem)
    if match is None:
        raise ValueError("there is no PEM certificate in it")
    try:
        return parse(base64.b64decode(b"".join(match.group(1).split()), validate=True))
    except binascii.Error as exc:
        raise ValueError("its PEM text is damaged") from exc


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Return tag and content of the first element of DER, and what follows it."""
    tag, length, start = data[0], data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    if start + length > len(data):
        raise ValueError("this certificate is cut off")
    return tag, data[start : start + length], data[start + length :]


def _expect(tag: int, wanted: int) -> None:
    if tag != wanted:
        raise ValueError("this is no certificate")


def _time(tag: int, value: bytes) -> datetime.datetime:
    text = value.decode("ascii")
    if tag == _UTC_TIME:
        # The two digits of the year are of 1950 to 2049.
        text = ("19" if text[:2] >= "50" else "20") + text
    else:
        _expect(tag, _GENERALIZED_TIME)
    return datetime.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=_UTC)


def _hexadecimal(value: bytes) -> str:
    number = int.from_bytes(value, "big")
    digits = f"{number:X}"
    return digits if len(digits) % 2 == 0 else "0" + digits
