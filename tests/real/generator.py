# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random inventories that are good by construction, for each Kea version."""

from __future__ import annotations

import copy
import ipaddress
from dataclasses import dataclass
from typing import Any

import yaml
from ansible_collections.keaops.kea.plugins.module_utils._model import RawHost
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

PAIR = "kea"
INTERFACES = ("eth0", "enp0s8", "eno1.20", "br-lan", "bond0", "wlan0")
# A network of the servers' own, that is no subnet.
OUTSIDE = ipaddress.IPv4Network("172.31.7.0/24")
OUTSIDE_6 = ("2001:db8::2", "2001:db8::3")


@dataclass
class Inventory:
    """The variables of a pair: those of each host, and those of the group."""

    version: str
    hosts: dict[str, dict[str, Any]]
    group: dict[str, Any]

    def raw_hosts(self) -> list[RawHost]:
        """Return it as the model reads it."""
        return [
            RawHost(name, copy.deepcopy({**self.group, **own, "kea_version": self.version}))
            for name, own in self.hosts.items()
        ]

    def copy(self) -> Inventory:
        """Return one that can be changed."""
        return copy.deepcopy(self)

    def text(self) -> str:
        """Return it as YAML."""
        data = {PAIR: {"hosts": self.hosts, "vars": {**self.group, "kea_version": self.version}}}
        return yaml.safe_dump(copy.deepcopy(data), sort_keys=False, allow_unicode=True)

    @property
    def subnets(self) -> list[dict]:
        """The subnets of the first host."""
        return next(iter(self.hosts.values())).get("kea_subnets") or self.group["kea_subnets"]

    def every_subnets(self) -> list[list[dict]]:
        """Return each list of subnets there is: one, or one for each host."""
        own = [host["kea_subnets"] for host in self.hosts.values() if "kea_subnets" in host]
        return own or [self.group["kea_subnets"]]


def series(version: str) -> tuple[int, int]:
    """Return major and minor number."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def several(strategy: st.SearchStrategy, count: int, number: int) -> list:
    """Draw that many examples, the same ones in every run; drawing stops when the strategy has no more."""
    found: list = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example: Any) -> None:
        found.append(example)

    collect()
    return found[:count]


# ---------------------------------------------------------------------------------------------------------------------
# small things

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WORD = st.text(_LETTERS + "0123456789", min_size=1, max_size=8).map(lambda text: "n" + text)
_NAME = st.lists(_WORD, min_size=1, max_size=3).map(".".join)
# What Kea may take apart: separators, quotes, escapes, white space within, letters beyond ASCII.
_TEXT = st.text(_LETTERS + "ABC019 ,;:/\\\"'%#{}[]()=&?!@+*~|<>$^_.-äß", min_size=1, max_size=20).map(
    lambda text: "x" + text.strip() + "y"
)
_ADDRESS = st.integers(0x0A000001, 0xDFFFFFFE).map(lambda number: str(ipaddress.IPv4Address(number)))
_BYTES = st.binary(min_size=1, max_size=12)
_MAC = st.binary(min_size=6, max_size=6)
_CONTEXT = st.dictionaries(_WORD, st.one_of(st.integers(0, 9), _TEXT, st.booleans()), min_size=1, max_size=2)


def _colons(data: bytes) -> str:
    return data.hex(":")


_SPELLINGS = (
    _colons,
    lambda data: data.hex("-"),
    lambda data: data.hex(),
    lambda data: "0x" + data.hex(),
    lambda data: data.hex(":").upper(),
)


def _number_text(low: int, high: int) -> st.SearchStrategy:
    return st.one_of(st.integers(low, high), st.sampled_from([low, high]))


_VALUES: dict[str, st.SearchStrategy] = {
    "ipv4": _ADDRESS,
    "uint8": _number_text(0, 255),
    "uint16": _number_text(0, 65535),
    "uint32": _number_text(0, 4294967295),
    "int32": _number_text(-2147483648, 2147483647),
    "boolean": st.booleans(),
    "text": _TEXT,
    "name": _NAME,
    "binary": _BYTES.map(bytes.hex),
}
# name -> (kind, takes a list): of every kind those that people use, and some that nobody does.
OPTIONS: dict[str, tuple[str, bool]] = {
    "routers": ("ipv4", True),
    "domain-name-servers": ("ipv4", True),
    "ntp-servers": ("ipv4", True),
    "time-servers": ("ipv4", True),
    "netbios-name-servers": ("ipv4", True),
    "log-servers": ("ipv4", True),
    "subnet-mask": ("ipv4", False),
    "broadcast-address": ("ipv4", False),
    "swap-server": ("ipv4", False),
    "default-ip-ttl": ("uint8", False),
    "netbios-node-type": ("uint8", False),
    "interface-mtu": ("uint16", False),
    "boot-size": ("uint16", False),
    "arp-cache-timeout": ("uint32", False),
    "v6-only-preferred": ("uint32", False),
    "time-offset": ("int32", False),
    "path-mtu-plateau-table": ("uint16", True),
    "client-system": ("uint16", True),
    "ip-forwarding": ("boolean", False),
    "router-discovery": ("boolean", False),
    "domain-name": ("text", False),
    "tftp-server-name": ("text", False),
    "boot-file-name": ("text", False),
    "root-path": ("text", False),
    "v4-captive-portal": ("text", False),
    "pcode": ("text", False),
    "domain-search": ("name", True),
    "sip-ua-cs-domains": ("name", True),
    "v4-lost": ("name", False),
    "user-class": ("binary", False),
}
_CODES = {"routers": 3, "domain-name-servers": 6, "interface-mtu": 26, "domain-name": 15, "domain-search": 119}
_RECORDS = {
    "slp-directory-agent": "true, 192.0.2.1, 192.0.2.2",
    "fqdn": "0, 0, 0, n.example.org",
    "client-ndi": "1, 2, 3",
    "uuid-guid": "0, 0a0b0c0d",
    "option-6rd": "24, 16, 2001:db8::, 192.0.2.1",
    "vivso-suboptions": "4491",
}
_DEFINITIONS = (
    ({"name": "room", "code": 224, "type": "string"}, "text", False),
    ({"name": "tftp-address", "code": 150, "type": "ipv4-address", "array": True}, "ipv4", True),
    ({"name": "port", "code": 225, "type": "uint16"}, "uint16", False),
    ({"name": "blob", "code": 226, "type": "binary"}, "binary", False),
    ({"name": "vendor-encapsulated-options", "code": 43, "type": "binary"}, "binary", False),
)


@st.composite
def _option(draw: st.DrawFn, known: dict[str, tuple[str, bool]]) -> tuple[str, Any]:
    name = draw(st.sampled_from(sorted(known)))
    kind, many = known[name]
    if many and draw(st.booleans()):
        return name, draw(st.lists(_VALUES[kind], min_size=1, max_size=3))
    return name, draw(_VALUES[kind])


def _as_data(kind: str, value: Any) -> str:
    """Return a value as Kea's own form wants it, where a comma parts values."""
    if isinstance(value, list):
        return ", ".join(_as_data(kind, item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.replace(",", "\\,") if kind == "text" else str(value)


@st.composite
def _options(draw: st.DrawFn, version: str, known: dict[str, tuple[str, bool]], most: int = 4) -> Any:
    """Draw option_data in either form."""
    chosen = dict(draw(st.lists(_option(known), max_size=most)))
    chosen.pop("routers", None)  # these belong to the network, and are drawn with it
    if draw(st.booleans()):
        underscores = draw(st.booleans())
        return {name.replace("-", "_") if underscores else name: value for name, value in chosen.items()}
    entries = []
    for name, value in chosen.items():
        entry: dict[str, Any] = {"name": name, "data": _as_data(known[name][0], value)}
        if name in _CODES and draw(st.booleans()):
            entry = {"code": _CODES[name], **({"name": name} if draw(st.booleans()) else {}), "data": entry["data"]}
        entries.append(entry)
    if draw(st.integers(0, 5)) == 0:
        entries.append({"name": "vendor-encapsulated-options", "csv-format": False, "data": draw(_BYTES).hex()})
        if "vendor-encapsulated-options" in chosen:
            entries.pop()
    if draw(st.integers(0, 5)) == 0:
        name = draw(st.sampled_from(sorted(_RECORDS)))
        entries.append({"name": name, "data": _RECORDS[name]})
    if draw(st.integers(0, 5)) == 0:
        entries.append({"code": draw(st.integers(227, 254)), "csv_format": False, "data": draw(_BYTES).hex(":")})
    for entry in entries:
        if draw(st.integers(0, 5)) == 0:
            entry["always-send" if series(version) < (2, 6) else "never-send"] = draw(st.booleans())
    return entries


# ---------------------------------------------------------------------------------------------------------------------
# subnets

_ANYWHERE: dict[str, st.SearchStrategy] = {
    "next_server": _ADDRESS,
    "server_hostname": _NAME,
    "boot_file_name": _TEXT,
}
_SUBNET_MORE: dict[str, st.SearchStrategy] = {
    **_ANYWHERE,
    "valid_lifetime": st.integers(60, 4294967295),
    "match_client_id": st.booleans(),
    "authoritative": st.booleans(),
    "store_extended_info": st.booleans(),
    "calculate_tee_times": st.booleans(),
    "t1_percent": st.sampled_from([0.4, 0.5]),
    "t2_percent": st.sampled_from([0.75, 0.875]),
    "cache_threshold": st.sampled_from([0.1, 0.25]),
    "cache_max_age": st.integers(0, 1000),
    "reservations_global": st.booleans(),
    "reservations_in_subnet": st.booleans(),
    "ddns_send_updates": st.booleans(),
    "ddns_qualifying_suffix": _NAME,
    "hostname_char_set": st.just("[^A-Za-z0-9.-]"),
    "hostname_char_replacement": st.just("x"),
    "user_context": _CONTEXT,
    "comment": _TEXT,
    "require_client_classes": st.just(["KNOWN"]),
    "client_class": st.just("KNOWN"),
}
_SUBNET_SINCE = {
    (2, 6): {"allocator": st.sampled_from(["iterative", "random"]), "offer_lifetime": st.integers(0, 60)},
    (3, 0): {"evaluate_additional_classes": st.just(["KNOWN"]), "client_classes": st.just(["KNOWN"])},
}
_IDENTIFIERS: dict[str, st.SearchStrategy] = {
    "hw_address": _MAC,
    "client_id": st.binary(min_size=2, max_size=12),
    "duid": st.binary(min_size=8, max_size=14),
    "circuit_id": _BYTES,
    "flex_id": _BYTES,
}
_QUOTED = ("client_id", "circuit_id", "flex_id")


def _more_of(version: str) -> dict[str, st.SearchStrategy]:
    """Return the further keys of a subnet that a version knows."""
    more = dict(_SUBNET_MORE)
    for since, keys in _SUBNET_SINCE.items():
        if series(version) >= since:
            more.update(keys)
            if "client_classes" in keys:
                del more["client_class"], more["require_client_classes"]
    return more


@st.composite
def _network(draw: st.DrawFn, index: int) -> ipaddress.IPv4Network:
    """Draw a network; each index has a range of its own, so that none overlap."""
    length = draw(st.sampled_from([16, 20, 22, 23, 24, 24, 24, 25, 26, 27, 28, 29, 30, 31, 32]))
    base = (10 << 24) + ((index + 1) << 16)
    return ipaddress.IPv4Network((base + draw(st.integers(0, (1 << (length - 16)) - 1)) * (1 << (32 - length)), length))


@st.composite
def _cuts(draw: st.DrawFn, low: int, high: int, most: int) -> list[tuple[int, int]]:
    """Draw ranges between two numbers that do not overlap."""
    if high < low:
        return []
    numbers = sorted(set(draw(st.lists(st.integers(low, high), min_size=1, max_size=2 * most))))
    return list(zip(numbers[::2], numbers[1::2])) or [(numbers[0], numbers[0])]


def _pool_text(draw: st.DrawFn, first: int, last: int) -> tuple[str, int, int]:
    """Return a pool as a range, or as the largest network at its start."""
    start, end = ipaddress.IPv4Address(first), ipaddress.IPv4Address(last)
    if draw(st.integers(0, 3)) == 0:
        network = next(ipaddress.summarize_address_range(start, end))
        return str(network), int(network[0]), int(network[-1])
    return draw(st.sampled_from([f"{start}-{end}", f"{start} - {end}"])), first, last


@st.composite
def _pools(
    draw: st.DrawFn, low: int, high: int, version: str, known: dict[str, tuple[str, bool]]
) -> tuple[list, list[tuple[int, int]]]:
    pools: list[Any] = []
    ranges = []
    for first, last in draw(_cuts(low, high, 3)):
        text, first, last = _pool_text(draw, first, last)
        ranges.append((first, last))
        body: dict[str, Any] = {"pool": text}
        if draw(st.integers(0, 4)) == 0:
            body["option_data"] = draw(_options(version, known, 2))
        if draw(st.integers(0, 6)) == 0:
            body["client_classes" if series(version) >= (3, 0) else "client_class"] = (
                ["KNOWN"] if series(version) >= (3, 0) else "KNOWN"
            )
        if draw(st.integers(0, 6)) == 0:
            body["user_context"] = draw(_CONTEXT)
        if draw(st.integers(0, 6)) == 0 and series(version) >= (2, 6):
            body["pool_id"] = draw(st.integers(1, 9)) + len(pools) * 10
        pools.append(text if len(body) == 1 and draw(st.booleans()) else body)
    return pools, ranges


@st.composite
def _reservations(
    draw: st.DrawFn,
    low: int,
    high: int,
    ranges: list[tuple[int, int]],
    outside: bool,
    version: str,
    known: dict[str, tuple[str, bool]],
) -> list[dict]:
    addresses = []
    if low <= high:
        addresses = list(dict.fromkeys(draw(st.lists(st.integers(low, high), max_size=5))))
    for first, last in ranges:
        inside = [number for number in addresses if first <= number <= last]
        for number in inside if outside else inside[last - first :]:
            addresses.remove(number)  # a pool keeps room beside its reservations
    entries = []
    used = set()
    for number in [*addresses, None]:
        kind = draw(st.sampled_from(sorted(_IDENTIFIERS)))
        data = draw(_IDENTIFIERS[kind])
        if number is None and draw(st.booleans()) or (kind, data) in used:
            continue
        used.add((kind, data))
        spelled = draw(st.sampled_from(_SPELLINGS))(data)
        if kind in _QUOTED and draw(st.booleans()):
            spelled = f"'{data.hex()}z'"
        entry: dict[str, Any] = {kind: spelled}
        if number is not None:
            entry["ip_address"] = str(ipaddress.IPv4Address(number))
        if number is None or draw(st.booleans()):
            entry["hostname"] = draw(_NAME)
        if draw(st.integers(0, 3)) == 0:
            entry["option_data"] = draw(_options(version, known, 2))
        if draw(st.integers(0, 5)) == 0:
            entry["client_classes"] = ["KNOWN-TO-US"]
        if draw(st.integers(0, 5)) == 0:
            name = draw(st.sampled_from(sorted(_ANYWHERE)))
            entry[name] = draw(_ANYWHERE[name])
        if draw(st.integers(0, 5)) == 0:
            entry["user_context"] = draw(_CONTEXT)
        entries.append(entry)
    return entries


@st.composite
def _subnet(
    draw: st.DrawFn,
    index: int,
    network: ipaddress.IPv4Network,
    servers: list[int],
    version: str,
    known: dict[str, tuple[str, bool]],
) -> dict:
    """Draw a subnet: network, the servers' addresses if they are in it, router, then pools and reservations above."""
    first, last = int(network[0]), int(network[-1])
    low, high = (first + 1, last - 1) if last - first > 1 else (first, last)
    routers = []
    if high - low > 4:
        routers = [low + count for count in range(draw(st.integers(0, 2)))]
        low += 4
    while low in servers:
        low += 1
    # An id is any number, in no order: spread, so that no two meet.
    body: dict[str, Any] = {"id": draw(st.integers(1, 100000)) * 40 + index, "subnet": str(network)}
    pools, ranges = draw(_pools(low, high, version, known))
    options = draw(_options(version, known))
    if routers:
        texts = [str(ipaddress.IPv4Address(number)) for number in routers]
        if isinstance(options, dict):
            options["routers"] = texts if len(texts) > 1 else texts[0]
        else:
            options.append({"name": "routers", "data": ", ".join(texts)})
    if options or draw(st.booleans()):
        body["option_data"] = options
    keys = draw(st.dictionaries(st.sampled_from(sorted(_more_of(version))), st.none(), max_size=3))
    body.update({key: draw(_more_of(version)[key]) for key in keys})
    outside = draw(st.integers(0, 3)) == 0
    if outside:
        body["reservations_out_of_pool"] = True
    reservations = draw(_reservations(low, high, ranges, outside, version, known))
    if pools:
        body["pools"] = pools
    if reservations:
        body["reservations"] = reservations
    if not pools and not reservations:
        address = str(ipaddress.IPv4Address(low if low <= high else first))
        body["reservations"] = [{"hw_address": "02:00:00:00:00:01", "ip_address": address}]
    if draw(st.integers(0, 2)) == 0:
        addresses = draw(st.lists(_ADDRESS, min_size=1, max_size=2, unique=True))
        body["relay"] = draw(st.sampled_from([{"ip_addresses": addresses}, {"ip-addresses": addresses}]))
    return body


# ---------------------------------------------------------------------------------------------------------------------
# the pair


def _listener(draw: st.DrawFn, version: str) -> dict[str, Any]:
    """Draw what goes with the HA listener."""
    group: dict[str, Any] = {}
    apis = ["control_agent", "none", None] + (["control_socket"] if series(version) >= (3, 0) else [])
    api = draw(st.sampled_from(apis))
    if api:
        group["kea_api"] = api
    if draw(st.integers(0, 3)) == 0:
        group.update(kea_tls_enabled=False, kea_accept_cleartext_api=True)
    if draw(st.booleans()):
        threads = {"thread_pool_size": draw(st.integers(0, 16)), "packet_queue_size": draw(st.integers(0, 500))}
        group["kea_multi_threading"] = threads
    return group


_EXTRA: dict[str, st.SearchStrategy] = {
    "authoritative": st.booleans(),
    "match-client-id": st.booleans(),
    "echo-client-id": st.booleans(),
    "decline-probation-period": st.integers(0, 86400),
    "next-server": _ADDRESS,
    "boot-file-name": _TEXT,
    "server-hostname": _NAME,
    "sanity-checks": st.just({"lease-checks": "fix-del"}),
    "dhcp-ddns": st.just({"enable-updates": False}),
    "ddns-send-updates": st.booleans(),
    "host-reservation-identifiers": st.just(["hw-address", "client-id", "flex-id", "circuit-id", "duid"]),
    "store-extended-info": st.booleans(),
    "reservations-global": st.booleans(),
    "statistic-default-sample-count": st.integers(0, 100),
    "server-tag": _WORD,
    "comment": _TEXT,
    "user-context": _CONTEXT,
    "parked-packet-limit": st.integers(0, 1000),
    "cache-threshold": st.sampled_from([0.2, 0.5]),
    "max-valid-lifetime": st.just(4294967295),
    "interfaces-config": st.sampled_from([{"dhcp-socket-type": "udp"}, {"re-detect": True}]),
    "loggers": st.sampled_from(
        [
            [{"name": "kea-dhcp4", "severity": "DEBUG", "debuglevel": 50}],
            [{"name": "kea-dhcp4.leases", "severity": "WARN"}],
        ]
    ),
    "hooks-libraries": st.sampled_from(
        [[{"library": "libdhcp_stat_cmds.so"}], [{"library": "libdhcp_bootp.so"}, {"library": "libdhcp_stat_cmds.so"}]]
    ),
    "client-classes": st.sampled_from(
        [
            [{"name": "KNOWN-TO-US", "test": "member('KNOWN')"}],
            [
                {
                    "name": "uefi",
                    "test": "option[93].hex == 0x0007",
                    "next-server": "192.0.2.9",
                    "boot-file-name": "ipxe.efi",
                },
                {
                    "name": "bios",
                    "test": "option[93].hex == 0x0000",
                    "option-data": [{"name": "boot-file-name", "data": "undionly.kpxe"}],
                },
            ],
        ]
    ),
    "shared-networks": st.sampled_from(
        [
            [
                {
                    "name": "floor",
                    "subnet4": [
                        {
                            "id": 4000001,
                            "subnet": "192.168.64.0/24",
                            "pools": [{"pool": "192.168.64.10-192.168.64.20"}],
                        },
                        {
                            "id": 4000002,
                            "subnet": "192.168.65.0/24",
                            "pools": [{"pool": "192.168.65.10-192.168.65.20"}],
                        },
                    ],
                }
            ]
        ]
    ),
}


def _delays(draw: st.DrawFn) -> dict[str, Any]:
    heartbeat = draw(st.integers(500, 20000))
    return {
        "kea_ha_heartbeat_delay": heartbeat,
        "kea_ha_max_response_delay": draw(st.integers(3 * heartbeat, 65535)),
        "kea_ha_max_ack_delay": draw(st.integers(1000, 64000)),
        "kea_ha_max_unacked_clients": draw(st.integers(0, 20)),
        "kea_ha_sync_timeout": draw(st.integers(1, 4294967295)),
    }


def _lifetimes(draw: st.DrawFn) -> dict[str, Any]:
    valid = draw(st.one_of(st.integers(300, 100000), st.just(4294967295)))
    rebind = draw(st.integers(2, valid - 1))
    return {
        "kea_valid_lifetime": valid,
        "kea_rebind_timer": rebind,
        "kea_renew_timer": draw(st.integers(1, rebind - 1)),
    }


def _addresses(draw: st.DrawFn, networks: list[ipaddress.IPv4Network]) -> tuple[str, str]:
    """Draw the servers' addresses: in a subnet, outside of all, or of IPv6."""
    home = next((network for network in networks if network.num_addresses > 16), None)
    where = draw(st.sampled_from(["inside", "outside", "IPv6"]))
    if where == "IPv6":
        return OUTSIDE_6
    if where == "outside" or home is None:
        return str(OUTSIDE[2]), str(OUTSIDE[3])
    return str(home[3]), str(home[4])


def _numbers_of(addresses: tuple[str, str]) -> list[int]:
    return [int(ipaddress.IPv4Address(text)) for text in addresses if ":" not in text]


def _per_host_interfaces(draw: st.DrawFn, hosts: dict[str, dict], group: dict, names: list[str]) -> None:
    """Give each host interfaces of other names, or the same ones to both."""
    if draw(st.integers(0, 3)):
        group["kea_interfaces"] = names
        return
    subnets = group.pop("kea_subnets")
    for index, host in enumerate(hosts.values()):
        renamed = dict(zip(names, [*names[index:], *names[:index]]))
        own = copy.deepcopy(subnets)
        for subnet in own:
            if "interface" in subnet:
                subnet["interface"] = renamed[subnet["interface"]]
        host["kea_interfaces"] = list(renamed.values())
        host["kea_subnets"] = own


@st.composite
def inventories(draw: st.DrawFn, version: str) -> Inventory:
    """Draw a good inventory for a Kea version."""
    mode, second = draw(st.sampled_from([("hot-standby", "standby"), ("load-balancing", "secondary")]))
    names = draw(st.sampled_from([("dhcp1", "dhcp2"), ("kea-a.example.org", "kea-b.example.org"), ("A", "B")]))
    count = draw(st.integers(1, 5))
    networks = [draw(_network(index)) for index in range(count)]
    addresses = _addresses(draw, networks)
    interfaces = draw(st.lists(st.sampled_from(INTERFACES), min_size=1, max_size=3, unique=True))

    extra = {
        key: draw(_EXTRA[key])
        for key in draw(st.lists(st.sampled_from(sorted(_EXTRA)), max_size=3, unique=True))
        if key != "max-valid-lifetime"
    }
    known = dict(OPTIONS)
    definitions = draw(st.lists(st.sampled_from(_DEFINITIONS), max_size=3, unique_by=lambda item: item[0]["code"]))
    if definitions:
        extra["option-def"] = [dict(definition) for definition, _kind, _many in definitions]
        known.update({definition["name"]: (kind, many) for definition, kind, many in definitions})

    group: dict[str, Any] = {
        "kea_subnets": [
            draw(_subnet(index, network, _numbers_of(addresses), version, known))
            for index, network in enumerate(networks)
        ]
    }
    for subnet in group["kea_subnets"]:
        if draw(st.booleans()):
            subnet["interface"] = draw(st.sampled_from(interfaces))
    hosts: dict[str, dict[str, Any]] = {}
    for name, address, role in zip(names, addresses, ("primary", second)):
        key = draw(st.sampled_from(["ansible_host", "kea_ha_address"]))
        hosts[name] = {key: address, "kea_ha_role": role}
    if draw(st.booleans()):
        for number, host in enumerate(hosts.values(), 1):
            host["kea_server_name"] = f"{draw(_TEXT)}{number}"
    _per_host_interfaces(draw, hosts, group, interfaces)

    if mode != "hot-standby" or draw(st.booleans()):
        group["kea_ha_mode"] = mode
    transport = draw(st.sampled_from(["control_agent", "listener", None]))
    if transport:
        group["kea_ha_transport"] = transport
    if transport == "listener" or (transport is None and series(version) >= (3, 0)):
        group.update(_listener(draw, version))
    elif draw(st.integers(0, 3)) == 0:
        group["kea_tls_enabled"] = draw(st.booleans())
    if draw(st.integers(0, 5)) == 0:
        group["kea_api_auth"] = False
    if draw(st.integers(0, 3)) == 0:
        group["kea_api_user"] = draw(st.sampled_from(["kea-api", "müller", 'a"b', "a b"]))
    ports = draw(st.lists(st.integers(1, 65535), min_size=2, max_size=2, unique=True))
    if draw(st.booleans()):
        group.update(kea_ha_port=ports[0], kea_api_port=ports[1])
    if draw(st.booleans()):
        group.update(_delays(draw))
    if draw(st.booleans()):
        group.update(_lifetimes(draw))
    if draw(st.integers(0, 3)) == 0:
        keys = draw(st.lists(st.sampled_from(["reclaim_timer_wait_time", "max_reclaim_leases"]), unique=True))
        group["kea_expired_leases_processing"] = {key: draw(st.integers(0, 65535)) for key in keys}
    if draw(st.booleans()):
        group["kea_option_data"] = draw(_options(version, known))
    if extra:
        group["kea_dhcp4_extra"] = extra
    if draw(st.integers(0, 5)) == 0:
        group["kea_ctrl_agent_extra"] = draw(
            st.sampled_from([{"comment": "rack 4"}, {"loggers": [{"name": "kea-ctrl-agent", "severity": "DEBUG"}]}])
        )
    return Inventory(version, hosts, group)
