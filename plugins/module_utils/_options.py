# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCPv4 options: their names and types as Kea knows them, and ``option_data`` turned into Kea's own list."""

from __future__ import annotations

import socket
from difflib import get_close_matches
from typing import Any, Iterator, NamedTuple

# Kea ARM, "Available DHCPv4 options": name -> (type, takes a list).
_BY_TYPE: dict[tuple[str, bool], str] = {
    ("ipv4", True): (
        "routers time-servers name-servers domain-name-servers log-servers cookie-servers lpr-servers impress-servers"
        " resource-location-servers policy-filter static-routes nis-servers ntp-servers netbios-name-servers"
        " netbios-dd-server font-servers x-display-manager nisplus-servers mobile-ip-home-agent smtp-server pop-server"
        " nntp-server www-server finger-server irc-server streettalk-server streettalk-directory-assistance-server"
        " nds-servers bcms-controller-address associated-ip netinfo-server-address pana-agent capwap-ac-v4"
    ),
    ("ipv4", False): (
        "subnet-mask swap-server broadcast-address router-solicitation-address dhcp-requested-address"
        " dhcp-server-identifier subnet-selection"
    ),
    ("integer", False): (
        "time-offset boot-size max-dgram-reassembly default-ip-ttl path-mtu-aging-timeout interface-mtu"
        " arp-cache-timeout default-tcp-ttl tcp-keepalive-interval netbios-node-type dhcp-lease-time"
        " dhcp-option-overload dhcp-message-type dhcp-max-message-size dhcp-renewal-time dhcp-rebinding-time"
        " client-last-transaction-time auto-config v6-only-preferred"
    ),
    ("integer", True): "path-mtu-plateau-table name-service-search client-system",
    ("boolean", False): (
        "ip-forwarding non-local-source-routing all-subnets-local perform-mask-discovery mask-supplier router-discovery"
        " trailer-encapsulation ieee802-3-encapsulation tcp-keepalive-garbage"
    ),
    ("text", False): (
        "host-name merit-dump domain-name root-path extensions-path nis-domain netbios-scope dhcp-message"
        " vendor-class-identifier nwip-domain-name nisplus-domain-name tftp-server-name boot-file-name nds-tree-name"
        " nds-context uap-servers pcode tcode netinfo-server-tag v4-captive-portal v4-lost v4-access-domain"
    ),
    ("text", True): "bcms-controller-names domain-search sip-ua-cs-domains",
    ("any", True): (
        "vendor-encapsulated-options dhcp-parameter-request-list dhcp-client-identifier nwip-suboptions user-class"
        " slp-directory-agent slp-service-scope fqdn dhcp-agent-options authenticate client-ndi uuid-guid geoconf-civic"
        " classless-static-route vivco-suboptions vivso-suboptions rdnss-selection v4-portparams v4-dnr option-6rd"
    ),
}
STANDARD_OPTIONS: dict[str, tuple[str, bool]] = {
    name: kind for kind, names in _BY_TYPE.items() for name in names.split()
}

_OPTION_KEYS = ("name", "code", "data", "space", "csv-format", "always-send", "never-send", "user-context", "comment")
_OPTION_KEYS_LATER = ("client-classes", "metadata")
_EXAMPLES = {"ipv4": "192.168.1.1", "integer": "1500", "boolean": "true", "text": "example.org", "any": "text"}


class Trouble(NamedTuple):
    """Something wrong inside option data; ``path`` is relative to the variable."""

    path: str
    value: Any
    message: str
    fix: str


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


def _scalar_text(value: Any) -> str | None:
    """Return a scalar as Kea writes it in ``data``, None for what is not a scalar."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value).strip()
    return None


def _data_text(value: Any) -> str | None:
    """Return ``data`` for a value or a list of values; None if it is neither."""
    if isinstance(value, list):
        parts = [_scalar_text(item) for item in value]
        if not parts or any(not part for part in parts):
            return None
        return ",".join(part for part in parts if part)
    text = _scalar_text(value)
    return text if text else None


def _check_data(path: str, name: str, data: str) -> Iterator[Trouble]:
    kind, many = STANDARD_OPTIONS[name]
    if kind in ("any", "text"):
        return
    parts = [part.strip() for part in data.split(",")]
    example = _EXAMPLES[kind]
    if len(parts) > 1 and not many:
        yield Trouble(path, data, f"the option {name} takes one value", f"Write one, for example {example}")
        return
    for part in parts:
        if kind == "ipv4" and ipv4_number(part) is None:
            what = "an IPv6 address, but DHCPv4 needs an IPv4 address" if ":" in part else "not an IPv4 address"
            yield Trouble(path, part, f"the option {name} holds {what}", f"Write one, for example {example}")
        elif kind == "integer" and not part.lstrip("-").isdigit():
            yield Trouble(path, part, f"the option {name} needs a whole number", f"Write one, for example {example}")
        elif kind == "boolean" and part not in ("true", "false", "0", "1"):
            yield Trouble(path, part, f"the option {name} is true or false", "Write one of the two without quotes")


def _unknown_name(path: str, name: str, custom: Any) -> Trouble:
    near = get_close_matches(name, [*STANDARD_OPTIONS, *custom], n=1)
    hint = f"Did you mean {near[0]}? Otherwise" if near else "Use a name of the Kea manual, or"
    return Trouble(
        path,
        name,
        "Kea knows no DHCPv4 option of this name",
        f"{hint} define it with option-def in kea_dhcp4_extra, or give its number in Kea's own form, for example"
        " [{code: 224, data: '0A0B', csv-format: false}]",
    )


def _from_mapping(raw: dict[Any, Any], custom: Any, found: list[Trouble]) -> list[dict[str, Any]]:
    options = []
    for key, value in raw.items():
        path = f".{key}"
        name = str(key).replace("_", "-")
        if not isinstance(key, str) or (name not in STANDARD_OPTIONS and name not in custom):
            found.append(_unknown_name(path, name, custom))
            continue
        data = _data_text(value)
        if data is None:
            kind = STANDARD_OPTIONS.get(name, ("any", True))[0]
            found.append(
                Trouble(
                    path,
                    value,
                    "the value of an option is text, a number, true or false, or a list of these, and not empty",
                    f"Write for example {name}: {_EXAMPLES[kind]}",
                )
            )
            continue
        if name in STANDARD_OPTIONS:
            found.extend(_check_data(path, name, data))
        options.append({"name": name, "data": data})
    return options


def _from_entry(index: int, raw: Any, custom: Any, found: list[Trouble]) -> dict[str, Any] | None:
    path = f"[{index}]"
    example = "Write for example {name: routers, data: 192.168.1.1}"
    if not isinstance(raw, dict):
        found.append(Trouble(path, raw, "an entry of an option list is a mapping", example))
        return None
    entry = {str(key).replace("_", "-"): value for key, value in raw.items()}
    unknown = [key for key in entry if key not in _OPTION_KEYS + _OPTION_KEYS_LATER]
    if unknown:
        found.append(Trouble(path, unknown[0], "Kea knows no such key in option data", example))
        return None
    name, code = entry.get("name"), entry.get("code")
    if name is None and code is None:
        found.append(Trouble(path, raw, "the option has neither name nor code", example))
        return None
    if code is not None and (isinstance(code, bool) or not isinstance(code, int) or not 1 <= code <= 254):
        found.append(Trouble(path + ".code", code, "an option code is a whole number from 1 to 254", example))
        return None
    standard = entry.get("space", "dhcp4") == "dhcp4"
    if name is not None and standard and code is None and name not in STANDARD_OPTIONS and name not in custom:
        found.append(_unknown_name(path + ".name", str(name), custom))
        return None
    if "data" in entry:
        data = _data_text(entry["data"])
        if data is None and entry["data"] != "":
            found.append(Trouble(path + ".data", entry["data"], "the data of an option is text", example))
            return None
        entry["data"] = data or ""
        if standard and name in STANDARD_OPTIONS and entry.get("csv-format", True) is True and data:
            found.extend(_check_data(path + ".data", str(name), data))
    return entry


def parse_options(raw: Any, custom: Any = ()) -> tuple[list[dict[str, Any]], list[Trouble]]:
    """Turn ``option_data`` in either form into Kea's list.

    Args:
        raw: mapping of option name to value or list of values, or Kea's own list.
        custom: names of options defined in the inventory.

    Returns:
        Kea's list, and what is wrong; what is wrong is left out.
    """
    found: list[Trouble] = []
    if isinstance(raw, dict):
        return _from_mapping(raw, custom, found), found
    if isinstance(raw, list):
        entries = [_from_entry(index, item, custom, found) for index, item in enumerate(raw)]
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
