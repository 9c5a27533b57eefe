# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCPv4 options: their names and types as Kea knows them, and ``option_data`` turned into Kea's own list."""

from __future__ import annotations

import ipaddress
import re
import socket
from difflib import get_close_matches
from typing import Any, Callable, Iterator, NamedTuple, Sequence

DHCP4 = "dhcp4"
# Options of these Kea defines itself, beside dhcp4; what is in them is not looked at.
_BUILT_IN_SPACES = ("dhcp-agent-options-space", "vendor-4491", "cablelabs-client-conf")

# Kea's own definitions: code, name, kind, * for a list, @ for the series that brought it.
_STANDARD = """
1 subnet-mask ipv4 | 2 time-offset int32 | 3 routers ipv4* | 4 time-servers ipv4* | 5 name-servers ipv4*
6 domain-name-servers ipv4* | 7 log-servers ipv4* | 8 cookie-servers ipv4* | 9 lpr-servers ipv4*
10 impress-servers ipv4* | 11 resource-location-servers ipv4* | 12 host-name text | 13 boot-size uint16
14 merit-dump text | 15 domain-name text | 16 swap-server ipv4 | 17 root-path text | 18 extensions-path text
19 ip-forwarding boolean | 20 non-local-source-routing boolean | 21 policy-filter ipv4*
22 max-dgram-reassembly uint16 | 23 default-ip-ttl uint8 | 24 path-mtu-aging-timeout uint32
25 path-mtu-plateau-table uint16* | 26 interface-mtu uint16 | 27 all-subnets-local boolean
28 broadcast-address ipv4 | 29 perform-mask-discovery boolean | 30 mask-supplier boolean
31 router-discovery boolean | 32 router-solicitation-address ipv4 | 33 static-routes ipv4*
34 trailer-encapsulation boolean | 35 arp-cache-timeout uint32 | 36 ieee802-3-encapsulation boolean
37 default-tcp-ttl uint8 | 38 tcp-keepalive-interval uint32 | 39 tcp-keepalive-garbage boolean | 40 nis-domain text
41 nis-servers ipv4* | 42 ntp-servers ipv4* | 43 vendor-encapsulated-options empty | 44 netbios-name-servers ipv4*
45 netbios-dd-server ipv4* | 46 netbios-node-type uint8 | 47 netbios-scope text | 48 font-servers ipv4*
49 x-display-manager ipv4* | 50 dhcp-requested-address ipv4 | 51 dhcp-lease-time uint32
52 dhcp-option-overload uint8 | 53 dhcp-message-type uint8 | 54 dhcp-server-identifier ipv4
55 dhcp-parameter-request-list uint8* | 56 dhcp-message text | 57 dhcp-max-message-size uint16
58 dhcp-renewal-time uint32 | 59 dhcp-rebinding-time uint32 | 60 vendor-class-identifier text
61 dhcp-client-identifier binary | 62 nwip-domain-name text | 63 nwip-suboptions binary
64 nisplus-domain-name text | 65 nisplus-servers ipv4* | 66 tftp-server-name text | 67 boot-file-name text
68 mobile-ip-home-agent ipv4* | 69 smtp-server ipv4* | 70 pop-server ipv4* | 71 nntp-server ipv4*
72 www-server ipv4* | 73 finger-server ipv4* | 74 irc-server ipv4* | 75 streettalk-server ipv4*
76 streettalk-directory-assistance-server ipv4* | 77 user-class binary | 78 slp-directory-agent boolean,ipv4*
79 slp-service-scope boolean,text | 81 fqdn uint8,uint8,uint8,name | 82 dhcp-agent-options empty
85 nds-servers ipv4* | 86 nds-tree-name text | 87 nds-context text | 88 bcms-controller-names name*
89 bcms-controller-address ipv4* | 90 authenticate binary | 91 client-last-transaction-time uint32
92 associated-ip ipv4* | 93 client-system uint16* | 94 client-ndi uint8,uint8,uint8 | 97 uuid-guid uint8,binary
98 uap-servers text | 99 geoconf-civic binary | 100 pcode text | 101 tcode text | 108 v6-only-preferred uint32
112 netinfo-server-address ipv4* | 113 netinfo-server-tag text | 114 v4-captive-portal text | 116 auto-config uint8
117 name-service-search uint16* | 118 subnet-selection ipv4 | 119 domain-search name*
121 classless-static-route route*@2.6 | 122 cablelabs-client-conf empty@3.0 | 124 vivco-suboptions uint32,tuples
125 vivso-suboptions uint32 | 136 pana-agent ipv4* | 137 v4-lost name | 138 capwap-ac-v4 ipv4*
141 sip-ua-cs-domains name* | 143 v4-sztp-redirect tuple*@2.4 | 146 rdnss-selection uint8,ipv4,ipv4,name*
151 status-code uint8,text@2.4 | 152 base-time uint32@2.4 | 153 start-time-of-state uint32@2.4
154 query-start-time uint32@2.4 | 155 query-end-time uint32@2.4 | 156 dhcp-state uint8@2.4 | 157 data-source uint8@2.4
159 v4-portparams uint8,psid | 162 v4-dnr uint16,name,dnr*@2.4 | 212 option-6rd uint8,uint8,ipv6,ipv4*
213 v4-access-domain name
"""
# The types of option-def, and the kind of each.
_TYPES = {
    "binary": "binary",
    "boolean": "boolean",
    "empty": "empty",
    "fqdn": "name",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "ipv4-address": "ipv4",
    "ipv6-address": "ipv6",
    "ipv6-prefix": "prefix6",
    "psid": "psid",
    "record": "record",
    "string": "text",
    "tuple": "tuple",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
}
_NO_LISTS = ("string", "binary", "empty")

_OPTION_KEYS = ("name", "code", "data", "space", "csv-format", "always-send", "never-send", "user-context", "comment")
_OPTION_KEYS_LATER = {"never-send": "2.4", "client-classes": "3.0"}
_KEY_TYPES: dict[str, tuple[type, str]] = {
    "name": (str, "text"),
    "space": (str, "text"),
    "comment": (str, "text"),
    "csv-format": (bool, "true or false, without quotes"),
    "always-send": (bool, "true or false, without quotes"),
    "never-send": (bool, "true or false, without quotes"),
    "user-context": (dict, "a mapping"),
    "client-classes": (list, "a list of names of classes"),
}
_EXAMPLES = {
    "ipv4": "192.168.1.1",
    "ipv6": "2001:db8::1",
    "boolean": "true",
    "text": "example.org",
    "name": "example.org",
    "binary": "0a0b0c",
    "route": "10.0.0.0/8 - 192.168.1.1",
    "psid": "3/4",
    "prefix6": "2001:db8::/32",
    "tuple": "text",
    "tuples": "020a0b",
    "dnr": "192.168.1.1",
}
_RANGES = {
    f"{sign}int{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) if not sign else (0, (1 << bits) - 1)
    for sign in ("", "u")
    for bits in (8, 16, 32)
}
# Bytes of one value, for options given as hexadecimal digits.
_SIZES = {"ipv4": 4, "ipv6": 16, "boolean": 1, **{kind: int(kind.lstrip("uint")) // 8 for kind in _RANGES}}


class Trouble(NamedTuple):
    """Something wrong inside option data; ``path`` is relative to the variable."""

    path: str
    value: Any
    message: str
    fix: str


class Definition(NamedTuple):
    """What Kea knows of an option."""

    code: int
    name: str
    kinds: tuple[str, ...]
    """One kind; several for a record."""
    many: bool
    """The last kind may be repeated."""
    since: str = ""
    space: str = DHCP4


class Vocabulary(NamedTuple):
    """The options that one Kea knows."""

    custom: tuple[Definition, ...] = ()
    """Those that the inventory defines."""
    series: str = ""
    """Empty: the newest."""

    def find(self, space: str, name: str | None, code: int | None) -> Definition | None:
        """Return the definition of an option, the inventory's own before Kea's."""
        for definition in self.custom:
            if definition.space == space and (definition.name == name if name else definition.code == code):
                return definition
        known = (STANDARD_OPTIONS.get(name) if name else _BY_CODE.get(code)) if space == DHCP4 else None
        return known if known and self.has(known.since) else None

    def has(self, since: str) -> bool:
        """Tell whether this Kea is as new as a series."""
        return not since or not self.series or series_order(self.series) >= series_order(since)


def series_order(series: str) -> tuple[int, ...]:
    """Return a series such as ``2.10`` in a form that can be compared."""
    return tuple(int(part) for part in series.split("."))


def _read_table() -> dict[str, Definition]:
    found = {}
    for entry in _STANDARD.replace("\n", "|").split("|"):
        if entry.strip():
            code, name, kind = entry.split()
            kind, _at, since = kind.partition("@")
            found[name] = Definition(int(code), name, tuple(kind.rstrip("*").split(",")), kind.endswith("*"), since)
    return found


STANDARD_OPTIONS = _read_table()
_BY_CODE = {definition.code: definition for definition in STANDARD_OPTIONS.values()}
_LABEL = r"[A-Za-z0-9_*-]{1,63}"
_DNS_NAME = re.compile(rf"^{_LABEL}(?:\.{_LABEL})*\.?$")
_HEX_DIGITS = re.compile(r"^(?:0[xX])?(?:[0-9a-fA-F]{2})+$")
_HEX_ROW = re.compile(r"^(?:[0-9a-fA-F]{1,2})(?:([: ])[0-9a-fA-F]{1,2}(?:\1[0-9a-fA-F]{1,2})*)?$")
_QUOTED = re.compile(r"^'[^']+'$")
_NUMBER = re.compile(r"^-?(?:0|[1-9][0-9]{0,10}|0x[0-9a-fA-F]{1,8})$")
_PSID = re.compile(r"^(\d+)\s*/\s*(\d+)$")
_OPTION_NAME = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?$")


def ipv4_number(text: Any) -> int | None:
    """Return a dotted-quad IPv4 address as a number, None for anything else. Fast: it runs for every reservation."""
    if not isinstance(text, str):
        return None
    try:
        return int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big")
    except (OSError, ValueError):
        return None


def ipv4_text(number: int) -> str:
    """Return the dotted-quad form of an address number."""
    return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


# ---------------------------------------------------------------------------------------------------------------------
# values


def _scalar_text(value: Any) -> str | None:
    """Return a scalar as text, None for what is not a scalar."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value).strip()
    return None


def _escaped(text: str) -> str:
    """Return text as Kea wants it: at a bare comma it would end."""
    return text.replace("\\", "\\\\").replace(",", "\\,")


def _tokens(data: str) -> list[str]:
    """Take data apart as Kea does: at commas that no backslash precedes. Empty parts do not count."""
    parts, part, at = [], "", 0
    while at < len(data):
        if data[at : at + 2] in ("\\,", "\\\\"):
            part += data[at + 1]
            at += 2
        elif data[at] == ",":
            parts.append(part)
            part = ""
            at += 1
        else:
            part += data[at]
            at += 1
    return [text.strip() for text in [*parts, part] if text.strip()]


def _is_address(family: int) -> Callable[[str], bool]:
    def test(text: str) -> bool:
        try:
            return bool(socket.inet_pton(family, text))
        except (OSError, ValueError):
            return False

    return test


def _is_route(text: str) -> bool:
    """Tell whether text is a network and the router that leads there."""
    network, _dash, router = text.partition("-")
    try:
        ipaddress.IPv4Network(network.strip(), strict=False)
    except ValueError:
        return False
    return "/" in network and ipv4_number(router.strip()) is not None


def _is_psid(text: str) -> bool:
    match = _PSID.match(text)
    return bool(match) and int(match.group(2)) <= 16 and int(match.group(1)) < 1 << int(match.group(2))


def _is_prefix6(text: str) -> bool:
    address, _slash, length = text.partition("/")
    return _is_address(socket.AF_INET6)(address) and length.isdigit() and int(length) <= 128


def _is_tuples(text: str) -> bool:
    good = bool(_HEX_DIGITS.match(text)) and text[1:2] not in ("x", "X")
    return good and _are_items(bytes.fromhex(text), lambda rest: rest[0] + 1, True)


def _is_dnr(text: str) -> bool:
    return "=" in text or all(ipv4_number(part) is not None for part in text.split())


_IS: dict[str, tuple[Callable[[str], bool], str]] = {
    "ipv4": (_is_address(socket.AF_INET), "an IPv4 address"),
    "ipv6": (_is_address(socket.AF_INET6), "an IPv6 address"),
    "boolean": (lambda text: text in ("true", "false", "0", "1"), "true or false"),
    "name": (lambda text: bool(_DNS_NAME.match(text)) and len(text.rstrip(".")) < 254, "a domain name"),
    "binary": (
        lambda text: bool(_HEX_DIGITS.match(text)) and text[1:2] not in "xX",
        "an even number of hexadecimal digits, and nothing between them",
    ),
    "route": (_is_route, "a network, a hyphen and a router"),
    "psid": (_is_psid, "a number and its length in bits"),
    "prefix6": (_is_prefix6, "an IPv6 prefix with its length"),
    "tuple": (lambda text: len(text.encode()) < 256, "text of at most 255 bytes"),
    "tuples": (_is_tuples, "hexadecimal digits, before each item the number of its bytes"),
    "dnr": (_is_dnr, "IPv4 addresses with blanks between them, or a parameter such as alpn=dot"),
}


def _what_is_wrong(kind: str, text: str) -> str:
    """Return what a value of this kind must be, empty when it is."""
    if kind in _RANGES:
        low, high = _RANGES[kind]
        good = bool(_NUMBER.match(text)) and low <= int(text, 0) <= high
        return "" if good else f"a whole number from {low} to {high}"
    if kind == "ipv4" and ":" in text:
        return "an IPv4 address, not an IPv6 one"
    test, words = _IS.get(kind, (None, ""))
    return words if test is not None and not test(text) else ""


def _example(definition: Definition) -> str:
    return ", ".join(_EXAMPLES.get(kind, "100" if kind in _RANGES else "text") for kind in definition.kinds)


def _check_values(path: str, definition: Definition, parts: Sequence[str], data: Any) -> Iterator[Trouble]:
    """Check the values of one option against its definition."""
    name, kinds = definition.name, definition.kinds
    fix = f"Write {'them' if len(kinds) > 1 else 'one'}, for example {_example(definition)}"
    if kinds == ("empty",):
        if parts:
            form = f"[{{name: {name}, csv-format: false, data: '0a0b0c'}}]"
            fix = f"Write it in Kea's own form, as hexadecimal digits, for example {form}"
            yield Trouble(path, data, f"Kea does not read values of {name} as they stand", fix)
        return
    least = len(kinds) - (kinds[-1] == "dnr")
    if len(parts) < least:
        message = f"has {least} values" if least > 1 else "is empty without a value"
        yield Trouble(path, data, f"the option {name} {message}", fix)
        return
    if len(parts) > len(kinds) and not definition.many:
        message = f"has {len(kinds)} values" if len(kinds) > 1 else "takes one value"
        if kinds[-1] == "text" and not isinstance(data, list):
            fix = f"A comma that belongs to a text has a backslash before it, for example {_escaped(parts[-1] + ',b')}"
        message = f"the option {name} {message}, and Kea drops what comes after '{parts[len(kinds) - 1]}'"
        yield Trouble(path, data, message, fix)
        return
    for index, part in enumerate(parts):
        wanted = _what_is_wrong(kinds[min(index, len(kinds) - 1)], part)
        if wanted:
            yield Trouble(path, part, f"a value of the option {name} must be {wanted}", fix)


def _check_hex(path: str, definition: Definition | None, data: Any) -> Iterator[Trouble]:
    """Check data that is given as hexadecimal digits, with csv-format false."""
    text = str(data).strip()
    if not _HEX_DIGITS.match(text) and not _HEX_ROW.match(text) and not _QUOTED.match(text):
        message = "with csv-format false the data is a row of hexadecimal digits, or text in single quotes"
        yield Trouble(path, data, message, "Write for example 0a0b0c")
    elif definition is not None and not _fits(definition, _bytes_of(text)):
        message = f"these bytes are no value of the option {definition.name}"
        fix = f"Leave csv-format out, and write for example {_example(definition)}"
        yield Trouble(path, data, message, fix)


def _bytes_of(text: str) -> bytes:
    if _QUOTED.match(text):
        return text[1:-1].encode()
    if re.search("[: ]", text):
        return bytes(int(part, 16) for part in re.split("[: ]", text))
    digits = re.sub("^0[xX]", "", text)
    return bytes.fromhex(digits.zfill(2))


def _fits(definition: Definition, data: bytes) -> bool:
    """Tell whether bytes are a value of an option, as far as is easily told."""
    kind = definition.kinds[0]
    if len(definition.kinds) > 1 or kind in ("psid", "tuple", "prefix6") or definition.name == "dhcp-agent-options":
        return False  # to be written as values: nobody wants to count these bytes
    if kind == "text":
        return any(data)  # zeros alone are no text
    if kind in _SIZES:
        size = _SIZES[kind]
        return len(data) % size == 0 if definition.many else len(data) == size
    if kind == "name":
        return _are_items(data, _name_length, definition.many)
    return kind != "route" or _are_items(data, lambda rest: 5 + -(-rest[0] // 8) if rest[0] <= 32 else 0, True)


def _are_items(data: bytes, length: Callable[[bytes], int], many: bool) -> bool:
    """Tell whether bytes are items one after the other; ``length`` is that of the first one, 0 for none."""
    count = 0
    while data:
        size = length(data)
        if not 0 < size <= len(data):
            return False
        data = data[size:]
        count += 1
    return count > 0 and (many or count == 1)


def _name_length(data: bytes) -> int:
    """Return the length of a domain name as it is on the wire, 0 when there is none."""
    at = 0
    while at < len(data) and data[at]:
        if data[at] > 63:
            return 0
        at += data[at] + 1
    return at + 1 if 0 < at < min(len(data), 255) else 0


# ---------------------------------------------------------------------------------------------------------------------
# option_data


def _unknown_name(path: str, name: str, words: Vocabulary) -> Trouble:
    code_form = "[{code: 224, data: '0A0B', csv-format: false}]"
    newer = STANDARD_OPTIONS.get(name)
    if newer is not None:
        return Trouble(
            path,
            name,
            f"Kea {words.series} knows no option of this name, it came with {newer.since}",
            f"Give its number in Kea's own form: {code_form.replace('224', str(newer.code))}",
        )
    own = [definition.name for definition in words.custom if definition.space == DHCP4]
    near = get_close_matches(name, [*STANDARD_OPTIONS, *own], n=1)
    hint = f"Did you mean {near[0]}? Otherwise" if near else "Use a name of the Kea manual, or"
    return Trouble(
        path,
        name,
        "Kea knows no DHCPv4 option of this name",
        f"{hint} define it with option-def in kea_dhcp4_extra, or give its number in Kea's own form, for example"
        f" {code_form}",
    )


def _values_of(definition: Definition, value: Any) -> list[str] | None:
    """Return the values that a mapping gives for an option; None for what is no value."""
    if isinstance(value, list):
        parts = [_scalar_text(item) for item in value]
        return None if not parts or any(not part for part in parts) else [str(part) for part in parts]
    text = _scalar_text(value)
    if not text:
        return None
    # A list may be written in one text, too; but a comma in a text is a part of it.
    alone = not definition.many and definition.kinds in (("text",), ("tuple",))
    return [text] if alone else _tokens(text) or None


def _from_mapping(raw: dict[Any, Any], words: Vocabulary, found: list[Trouble]) -> list[dict[str, Any]]:
    options = []
    for key, value in raw.items():
        path = f".{key}"
        name = str(key).replace("_", "-")
        definition = words.find(DHCP4, str(key), None) or words.find(DHCP4, name, None)
        if not isinstance(key, str) or definition is None:
            found.append(_unknown_name(path, name, words))
            continue
        parts = _values_of(definition, value)
        if parts is None:
            message = "the value of an option is text, a number, true or false, or a list of these, and not empty"
            found.append(Trouble(path, value, message, f"Write for example {name}: {_example(definition)}"))
            continue
        troubles = list(_check_values(path, definition, parts, value))
        found.extend(troubles)
        if not troubles:
            options.append({"name": definition.name, "data": ",".join(_escaped(part) for part in parts)})
    return options


def _entry_trouble(path: str, entry: dict[str, Any], raw: Any, words: Vocabulary) -> Trouble | None:
    """Return what is wrong with the keys of an entry, before its data is looked at."""
    example = "Write for example {name: routers, data: 192.168.1.1}"
    for key, value in entry.items():
        if key not in _OPTION_KEYS and key not in _OPTION_KEYS_LATER:
            near = get_close_matches(key, [*_OPTION_KEYS, *_OPTION_KEYS_LATER], n=1)
            fix = f"Did you mean {near[0]}?" if near else example
            return Trouble(path, key, "Kea knows no such key in option data", fix)
        since = _OPTION_KEYS_LATER.get(key, "")
        if not words.has(since):
            message = f"Kea {words.series} knows no such key in option data; it came with {since}"
            return Trouble(f"{path}.{key}", value, message, "Remove it")
        kind, wanted = _KEY_TYPES.get(key, (object, ""))
        if not isinstance(value, kind) or (kind is list and not all(isinstance(item, str) for item in value)):
            return Trouble(f"{path}.{key}", value, f"{key} must be {wanted}", "Correct it, or remove it")
    name, code = entry.get("name"), entry.get("code")
    if name is None and code is None:
        return Trouble(path, raw, "the option has neither name nor code", example)
    if code is not None and (isinstance(code, bool) or not isinstance(code, int) or not 1 <= code <= 254):
        return Trouble(path + ".code", code, "an option code is a whole number from 1 to 254", example)
    return None


def _from_entry(index: int, raw: Any, words: Vocabulary, found: list[Trouble]) -> dict[str, Any] | None:
    path = f"[{index}]"
    if not isinstance(raw, dict):
        example = "Write for example {name: routers, data: 192.168.1.1}"
        found.append(Trouble(path, raw, "an entry of an option list is a mapping", example))
        return None
    entry = {str(key).replace("_", "-"): value for key, value in raw.items()}
    trouble = _entry_trouble(path, entry, raw, words)
    if trouble is None:
        trouble = next(_check_entry(path, entry, words), None)
    if trouble is not None:
        found.append(trouble)
        return None
    if "data" in entry:
        data = entry["data"]
        entry["data"] = ",".join(map(str, map(_scalar_text, data))) if isinstance(data, list) else _scalar_text(data)
    return entry


def _check_entry(path: str, entry: dict[str, Any], words: Vocabulary) -> Iterator[Trouble]:
    """Check an entry against the definition of its option."""
    name, code, space = entry.get("name"), entry.get("code"), entry.get("space", DHCP4)
    data = entry.get("data", "")
    plain = entry.get("csv-format", True)
    texts = [_scalar_text(item) for item in data] if isinstance(data, list) else [_scalar_text(data)]
    if None in texts:
        yield Trouble(path + ".data", data, "the data of an option is text", "Write for example data: 192.168.1.1")
        return
    text = ",".join(str(item) for item in texts)
    definition = words.find(space, name, None if name else code)
    if name is not None and code is not None and definition is None:
        definition = words.find(space, None, code)
    if (
        definition is not None
        and name not in (None, definition.name)
        or (definition is not None and code not in (None, definition.code))
    ):
        yield Trouble(
            path + ".name",
            name,
            f"name and code do not fit: {definition.code} is the code of {definition.name}",
            "Leave one of the two out",
        )
    elif definition is None and space in _BUILT_IN_SPACES:
        return
    elif definition is None and space == DHCP4 and name is not None and code is None:
        yield _unknown_name(path + ".name", str(name), words)
    elif definition is None and (plain or code is None):
        what = f"option {name or code} of the space {space}" if space != DHCP4 else f"the option {code}"
        yield Trouble(
            path + (".name" if code is None else ".code"),
            name if code is None else code,
            f"Kea has no definition of {what}, so it cannot read its data",
            "Define it with option-def in kea_dhcp4_extra, or add csv-format: false and give the data as hexadecimal"
            " digits",
        )
    elif not plain:
        yield from _check_hex(path + ".data", definition, text)
    elif text or not definition.many or definition.kinds != ("ipv4",):
        # Of a list of addresses Kea takes an empty one.
        yield from _check_values(path + ".data", definition, _tokens(text), text)


_NEWEST = Vocabulary()


def parse_options(raw: Any, words: Vocabulary = _NEWEST) -> tuple[list[dict[str, Any]], list[Trouble]]:
    """Turn ``option_data`` in either form into Kea's list.

    Args:
        raw: mapping of option name to value or list of values, or Kea's own list.
        words: the options that Kea knows.

    Returns:
        Kea's list, and what is wrong; what is wrong is left out.
    """
    found: list[Trouble] = []
    if isinstance(raw, dict):
        return _from_mapping(raw, words, found), found
    if isinstance(raw, list):
        entries = [_from_entry(index, item, words, found) for index, item in enumerate(raw)]
        return [entry for entry in entries if entry is not None], found
    found.append(
        Trouble(
            "",
            raw,
            "options are a mapping of name to value, or a list in Kea's own form",
            "Write for example {routers: 192.168.1.1, domain-name-servers: [1.1.1.1, 9.9.9.9]}",
        )
    )
    return [], found


def addresses_of(options: list[dict[str, Any]], name: str) -> list[int]:
    """Return the IPv4 addresses one option holds, as numbers."""
    found = []
    for option in options:
        if option.get("name") == name:
            numbers = (ipv4_number(part.strip()) for part in str(option.get("data", "")).split(","))
            found.extend(number for number in numbers if number is not None)
    return found


# ---------------------------------------------------------------------------------------------------------------------
# option-def


def vocabulary(raw: Any, series: str = "") -> tuple[Vocabulary, list[Trouble]]:
    """Return the options that a Kea knows, with those that ``option-def`` defines, and what is wrong with these.

    Args:
        raw: the value of option-def.
        series: of Kea, such as ``2.6``; empty: the newest.
    """
    found: list[Trouble] = []
    custom: list[Definition] = []
    for index, item in enumerate(raw if isinstance(raw, list) else []):
        if isinstance(item, dict):
            definition, trouble = _define(f"[{index}]", item, Vocabulary(tuple(custom), series))
            found += [trouble] if trouble else []
            custom += [definition] if definition else []
    return Vocabulary(tuple(custom), series), found


def _define(path: str, item: dict[Any, Any], words: Vocabulary) -> tuple[Definition | None, Trouble | None]:
    """Return one definition; with a trouble beside it, so that its options are not missed as well."""
    example = "Write for example {name: room, code: 224, type: string}"
    name, code, kind, space = item.get("name"), item.get("code"), item.get("type"), item.get("space", DHCP4)
    if not isinstance(name, str) or not _OPTION_NAME.match(name):
        return None, Trouble(path + ".name", name, "the name of an option is letters, digits and hyphens", example)
    if isinstance(code, bool) or not isinstance(code, int) or not 1 <= code <= 254:
        return None, Trouble(path + ".code", code, "an option code is a whole number from 1 to 254", example)
    if not isinstance(kind, str) or kind not in _TYPES:
        near = get_close_matches(str(kind), _TYPES, n=1)
        fix = f"Did you mean {near[0]}?" if near else f"The types are {', '.join(_TYPES)}"
        return None, Trouble(path + ".type", kind, "Kea knows no such type of option", fix)
    if not isinstance(space, str) or not _OPTION_NAME.match(space):
        return None, Trouble(path + ".space", space, "the name of a space is letters, digits and hyphens", example)
    records = [part.strip() for part in str(item.get("record-types") or "").split(",") if part.strip()]
    kinds = tuple(_TYPES.get(part, "text") for part in records) if kind == "record" else (_TYPES[kind],)
    definition = Definition(code, name, kinds or ("text",), item.get("array") is True, "", space)
    return definition, _definition_trouble(path, item, definition, records, words)


def _definition_trouble(
    path: str, item: dict[Any, Any], definition: Definition, records: Sequence[str], words: Vocabulary
) -> Trouble | None:
    """Return what is wrong with a definition that can be understood."""
    kind, name = str(item.get("type")), definition.name
    unknown = [part for part in records if part not in _TYPES or part in ("record", "empty")]
    if kind == "record" and (len(records) < 2 or unknown):
        message = "a record has two types or more, such as uint8 and string"
        return Trouble(path + ".record-types", item.get("record-types"), message, 'Write for example "uint8, string"')
    if kind != "record" and records:
        return Trouble(path + ".record-types", item["record-types"], "only a record has them", "Write type: record")
    if definition.many and kind in _NO_LISTS:
        return Trouble(path + ".array", True, f"there is no list of type {kind}", "Remove array: true")
    if definition.many and item.get("encapsulate"):
        message = "a list holds no options of its own"
        return Trouble(path + ".encapsulate", item["encapsulate"], message, "Remove it, or array: true")
    if item.get("encapsulate") == definition.space:
        return Trouble(path + ".encapsulate", definition.space, "an option cannot hold itself", "Name another space")
    if any(other.space == definition.space and other.code == definition.code for other in words.custom):
        return Trouble(path + ".code", definition.code, "this code is defined twice", "Keep one definition")
    if any(other.space == definition.space and other.name == name for other in words.custom):
        return Trouble(path + ".name", name, "this name is defined twice", "Keep one definition")
    if definition.space == DHCP4:
        for standard in (_BY_CODE.get(definition.code), STANDARD_OPTIONS.get(name)):
            # Kea leaves option 43 to the user.
            if standard is not None and standard.code != 43 and words.has(standard.since):
                message = f"Kea defines this option itself: {standard.code} is {standard.name}"
                return Trouble(path, name, message, "Remove the definition, or take a code from 224 to 254")
    return None
