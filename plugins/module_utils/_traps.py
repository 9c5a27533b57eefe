# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tired person types and does not see: odd characters in texts, and values that YAML read as something else."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from ._options import ipv4_number, ipv4_text

# Printable, but not what is on a keyboard: a word processor or a web page put it there.
_LOOKALIKES = {
    "\u2018": "'",
    "\u2019": "'",
    "\u201a": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u201e": '"',
    "\u2010": "-",
    "\u2011": "-",
    "\u2012": "-",
    "\u2013": "-",
    "\u2014": "-",
    "\u2212": "-",
    "\uff0e": ".",
    "\uff1a": ":",
    "\uff0c": ",",
}
# What YAML has made of a date, as it reaches the model: without a time of day, or with one.
_DATE = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:.*)?$")
_ORDINARY = re.compile(r"^[!-~](?:[ -~]*[!-~])?$")


def oddity(text: Any) -> str:
    """Return what is odd about the characters of a text, as a clause; empty if nothing is, or if it is no text."""
    if not isinstance(text, str) or _ORDINARY.match(text) or not text:
        return ""
    if text != text.strip(" "):
        return "it begins or ends with a blank"
    for index, char in enumerate(text):
        if char in _LOOKALIKES:
            return f"it has a {_name(char)} {_where(text, index)}, where {_LOOKALIKES[char]} is meant"
        if not char.isprintable() or unicodedata.category(char) in ("Zs", "Cf", "Mn") and char != " ":
            return f"it has a {_name(char)} {_where(text, index)}, which nobody sees"
    return ""


def _name(char: str) -> str:
    name = unicodedata.name(char, {"\t": "tabulator", "\n": "line break", "\r": "carriage return"}.get(char, "control"))
    return f"{name.lower()} (U+{ord(char):04X})"


def _where(text: str, index: int) -> str:
    before = "".join(char for char in text[:index] if char.isprintable())[-12:]
    return f"after '{before}'" if before else "at its start"


def tidy(text: str) -> str:
    """Return a text as it was probably meant."""
    kept = (_LOOKALIKES.get(char, char) for char in text)
    return "".join(char for char in kept if char == " " or (char.isprintable() and not char.isspace())).strip()


def as_yaml_read(value: Any) -> str:
    """Return what YAML made of what was written without quotes, as a clause; empty for a text."""
    if value is None:
        return "nothing stands after the colon"
    if isinstance(value, bool):
        return f"YAML reads {'yes, on and true' if value else 'no, off and false'} without quotes as a truth value"
    if isinstance(value, float):
        return "YAML reads digits with one dot without quotes as a number, and drops zeros at its ends"
    if isinstance(value, int):
        return f"YAML read a number without quotes{_other_ways(value)}"
    return ""


def is_date(value: Any) -> bool:
    """Tell whether a text is a date, which nothing in a configuration of Kea is."""
    return isinstance(value, str) and bool(_DATE.match(value))


def _other_ways(number: int) -> str:
    """Return how else a number may have been written: with a leading zero it is octal, with colons base 60."""
    ways = []
    if number > 7:
        ways.append(f"0{number:o}")
    if number >= 3600:
        ways.append(sexagesimal(number))
    return (
        f"; {' and '.join(ways)} are the same to it"
        if len(ways) > 1
        else f"; {ways[0]} is the same to it"
        if ways
        else ""
    )


def sexagesimal(number: int) -> str:
    """Return what YAML 1.1 read as a base-60 number: an unquoted 12:34:56:11:22:33."""
    parts = []
    while number:
        number, digit = divmod(number, 60)
        parts.append(f"{digit:02}")
    return ":".join(reversed(parts))


# ---------------------------------------------------------------------------------------------------------------------
# what was probably meant

_NETMASKS = {ipv4_text((0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF): length for length in range(33)}
_SHORT_RANGE = re.compile(r"^([0-9]+\.[0-9]+\.[0-9]+\.)([0-9]+)\s*-\s*\.?([0-9]+)$")
_LEADING_ZERO = re.compile(r"(?<![0-9])0+(?=[0-9])")


def meant_address(text: Any) -> str:
    """Return the IPv4 address somebody probably meant, empty when that is not clear."""
    if not isinstance(text, str):
        return ""
    guess = re.sub(r"^https?://|[:/].*$", "", tidy(text).replace(",", "."))
    guess = _LEADING_ZERO.sub("", guess)
    return guess if ipv4_number(guess) is not None and guess != text else ""


def meant_network(text: Any) -> str:
    """Return the IPv4 network somebody probably meant, empty when that is not clear."""
    if not isinstance(text, str):
        return ""
    address, slash, length = tidy(text).replace(" ", "").replace("\\", "/").partition("/")
    number = ipv4_number(_LEADING_ZERO.sub("", address))
    bits = _NETMASKS.get(length, int(length) if length.isdigit() and int(length) <= 32 else None)
    if number is None or not slash or bits is None:
        return ""
    return f"{ipv4_text(number >> (32 - bits) << (32 - bits))}/{bits}"


def meant_range(text: Any) -> str:
    """Return the range of addresses somebody probably meant, empty when that is not clear."""
    if not isinstance(text, str):
        return ""
    guess = re.sub(r"\s*(?:\.\.+|\bto\b)\s*", "-", tidy(text))
    short = _SHORT_RANGE.match(guess)
    if short:
        guess = f"{short[1]}{short[2]}-{short[1]}{short[3]}"
    ends = [_LEADING_ZERO.sub("", part.strip()) for part in guess.split("-")]
    numbers = [ipv4_number(end) for end in ends]
    return "-".join(ends) if len(ends) == 2 and None not in numbers else ""
