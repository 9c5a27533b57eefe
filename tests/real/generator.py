# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random inventories that are good by construction, for each Kea version."""

from __future__ import annotations

import copy
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
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


class Dice:
    """Chance, out of one number that hypothesis draws: a draw of its own for each choice takes ten times as long."""

    def __init__(self, number: int) -> None:
        self.random = Random(number)

    def coin(self) -> bool:
        """Yes or no."""
        return self.random.random() < 0.5

    def one_in(self, count: int) -> bool:
        """Yes, once in so many times."""
        return self.random.random() * count < 1

    def of(self, items: Sequence) -> Any:
        """Return one of them."""
        return items[self.random.randrange(len(items))]

    def some(self, items: Sequence, most: int) -> list:
        """Return at most so many of them, each once."""
        return self.random.sample(list(items), self.random.randint(0, min(most, len(items))))

    def number(self, low: int, high: int) -> int:
        """Return a number; the ends, where mistakes are, more often than others."""
        return self.of([low, high]) if self.one_in(8) else self.random.randint(low, high)

    def octets(self, least: int, most: int) -> bytes:
        """Return so many bytes."""
        return self.random.randbytes(self.random.randint(least, most))

    def letters(self, alphabet: str, least: int, most: int) -> str:
        """Return a text."""
        return "".join(self.random.choices(alphabet, k=self.random.randint(least, most)))


DICE = st.builds(Dice, st.integers(0, 2**64 - 1))


def several(strategy: st.SearchStrategy, count: int, number: int) -> list:
    """Draw that many examples, the same ones in every run."""
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


def _word(dice: Dice) -> str:
    return "n" + dice.letters(_LETTERS + "0123456789", 1, 8)


def _name(dice: Dice) -> str:
    return ".".join(_word(dice) for _part in range(dice.number(1, 3)))


def _text(dice: Dice) -> str:
    """Return what Kea may take apart: separators, quotes, escapes, white space within, letters beyond ASCII."""
    return (
        "x" + dice.letters(_LETTERS + "ABC019 ,;:/\\\"'%#{}[]()=&?!@+*~|<>$^_.-\u00e4\u00df\u6f22", 1, 20).strip() + "y"
    )


def _address(dice: Dice) -> str:
    return str(ipaddress.IPv4Address(dice.number(0x0A000001, 0xDFFFFFFE)))


def _context(dice: Dice) -> dict:
    return {_word(dice): dice.of([5, True, _text(dice), [1], {"a": "b"}]) for _count in range(dice.number(1, 2))}


_SPELLINGS: tuple[Callable[[bytes], str], ...] = (
    lambda data: data.hex(":"),
    lambda data: data.hex("-"),
    lambda data: data.hex(),
    lambda data: "0x" + data.hex(),
    lambda data: data.hex(":").upper(),
)
_VALUES: dict[str, Callable[[Dice], Any]] = {
    "ipv4": _address,
    "uint8": lambda dice: dice.number(0, 255),
    "uint16": lambda dice: dice.number(0, 65535),
    "uint32": lambda dice: dice.number(0, 4294967295),
    "int32": lambda dice: dice.number(-2147483648, 2147483647),
    "boolean": lambda dice: dice.coin(),
    "text": _text,
    "name": _name,
    "binary": lambda dice: dice.octets(1, 12).hex(),
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


def _as_data(kind: str, value: Any) -> str:
    """Return a value as Kea's own form wants it, where a comma parts values."""
    if isinstance(value, list):
        return ", ".join(_as_data(kind, item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.replace("\\", "\\\\").replace(",", "\\,") if kind == "text" else str(value)


def _list_entry(dice: Dice, name: str, data: str) -> dict[str, Any]:
    """Return an option in Kea's form: by name, by code, or by both."""
    if name not in _CODES or dice.coin():
        return {"name": name, "data": data}
    return {"code": _CODES[name], **({"name": name} if dice.coin() else {}), "data": data}


def _options(dice: Dice, version: str, known: dict[str, tuple[str, bool]], most: int = 4) -> Any:
    """Return option_data in either form; routers belong to the network, and come with it."""
    chosen = {}
    for name in dice.some(sorted(set(known) - {"routers"}), most):
        kind, many = known[name]
        value = _VALUES[kind](dice)
        chosen[name] = [value, *(_VALUES[kind](dice) for _more in range(dice.number(0, 2)))] if many else value
        if many and dice.coin():
            chosen[name] = value
    if dice.coin():
        underscores = dice.coin()
        return {name.replace("-", "_") if underscores else name: value for name, value in chosen.items()}
    entries = [_list_entry(dice, name, _as_data(known[name][0], value)) for name, value in chosen.items()]
    if dice.one_in(6) and "vendor-encapsulated-options" not in chosen:
        data = dice.octets(1, 12).hex()
        entries.append({"name": "vendor-encapsulated-options", "csv-format": False, "data": data})
    if dice.one_in(6):
        name = dice.of(sorted(_RECORDS))
        entries.append({"name": name, "data": _RECORDS[name]})
    if dice.one_in(6):
        entries.append({"code": dice.number(227, 254), "csv_format": False, "data": dice.octets(1, 12).hex(":")})
    for entry in entries:
        if dice.one_in(6):
            entry["always-send" if series(version) < (2, 4) or dice.coin() else "never-send"] = dice.coin()
    return entries


# ---------------------------------------------------------------------------------------------------------------------
# subnets

_ANYWHERE: dict[str, Callable[[Dice], Any]] = {
    "next_server": _address,
    "server_hostname": _name,
    "boot_file_name": _text,
}
_SUBNET_MORE: dict[str, Callable[[Dice], Any]] = {
    **_ANYWHERE,
    "match_client_id": Dice.coin,
    "authoritative": Dice.coin,
    "store_extended_info": Dice.coin,
    "calculate_tee_times": Dice.coin,
    "t1_percent": lambda dice: dice.of([0.4, 0.5]),
    "t2_percent": lambda dice: dice.of([0.75, 0.875]),
    "cache_threshold": lambda dice: dice.of([0.1, 0.25]),
    "cache_max_age": lambda dice: dice.number(0, 1000),
    "reservations_global": Dice.coin,
    "reservations_in_subnet": Dice.coin,
    "ddns_send_updates": Dice.coin,
    "ddns_qualifying_suffix": _name,
    "hostname_char_set": lambda _dice: "[^A-Za-z0-9.-]",
    "hostname_char_replacement": lambda _dice: "x",
    "user_context": _context,
    "comment": _text,
}
_CLASSES: dict[tuple[int, int], dict[str, Callable[[Dice], Any]]] = {
    (0, 0): {"require_client_classes": lambda _dice: ["KNOWN"], "client_class": lambda _dice: "KNOWN"},
    (3, 0): {"evaluate_additional_classes": lambda _dice: ["KNOWN"], "client_classes": lambda _dice: ["KNOWN"]},
}
_LATER: dict[str, Callable[[Dice], Any]] = {
    "allocator": lambda dice: dice.of(["iterative", "random"]),
    "offer_lifetime": lambda dice: dice.number(0, 60),
}
_IDENTIFIERS = {"hw_address": (6, 6), "client_id": (4, 12), "duid": (8, 14), "circuit_id": (4, 12), "flex_id": (4, 12)}
_QUOTED = ("client_id", "circuit_id", "flex_id")


def _class_keys(version: str) -> dict[str, Callable[[Dice], Any]]:
    return _CLASSES[(3, 0) if series(version) >= (3, 0) else (0, 0)]


def _network(dice: Dice, index: int) -> ipaddress.IPv4Network:
    """Return a network; each index has a range of its own, so that none overlap."""
    length = dice.of([16, 20, 22, 23, 24, 24, 24, 25, 26, 27, 28, 29, 30, 31, 32])
    base = (10 << 24) + ((index + 1) << 16)
    return ipaddress.IPv4Network((base + (dice.number(0, (1 << (length - 16)) - 1) << (32 - length)), length))


def _ranges(dice: Dice, low: int, high: int) -> list[tuple[int, int]]:
    """Return some ranges between two numbers that do not overlap."""
    if high < low:
        return []
    numbers = sorted({dice.number(low, high) for _cut in range(dice.number(1, 6))})
    return list(zip(numbers[::2], numbers[1::2])) or [(numbers[0], numbers[0])]


def _pool_text(dice: Dice, first: int, last: int) -> tuple[str, int, int]:
    """Return a pool as a range, or as the largest network at its start."""
    start, end = ipaddress.IPv4Address(first), ipaddress.IPv4Address(last)
    if dice.one_in(4):
        network = next(ipaddress.summarize_address_range(start, end))
        return str(network), int(network[0]), int(network[-1])
    return dice.of([f"{start}-{end}", f"{start} - {end}"]), first, last


def _pools(
    dice: Dice, low: int, high: int, version: str, known: dict[str, tuple[str, bool]]
) -> tuple[list[Any], list[tuple[int, int]]]:
    """Return pools in all their forms, and the ranges they cover."""
    pools: list[Any] = []
    covered = []
    for first, last in _ranges(dice, low, high):
        text, first, last = _pool_text(dice, first, last)
        covered.append((first, last))
        body: dict[str, Any] = {"pool": text}
        if dice.one_in(5):
            body["option_data"] = _options(dice, version, known, 2)
        if dice.one_in(6):
            key = dice.of(sorted(_class_keys(version)))
            body[key] = _class_keys(version)[key](dice)
        if dice.one_in(6):
            body["user_context"] = _context(dice)
        if dice.one_in(6) and series(version) >= (2, 4):
            body["pool_id"] = dice.number(1, 9) + len(pools) * 10
        pools.append(text if len(body) == 1 and dice.coin() else body)
    return pools, covered


def _reservation(dice: Dice, number: int | None, version: str, known: dict[str, tuple[str, bool]]) -> dict[str, Any]:
    """Return a reservation of an address, or of a name alone."""
    kind = dice.of(sorted(_IDENTIFIERS))
    data = dice.octets(*_IDENTIFIERS[kind])
    entry: dict[str, Any] = {kind: dice.of(_SPELLINGS)(data)}
    if kind in _QUOTED and dice.coin():
        entry[kind] = f"'{data.hex()}z'"
    if number is not None:
        entry["ip_address"] = str(ipaddress.IPv4Address(number))
    if number is None or dice.coin():
        entry["hostname"] = _name(dice)
    if dice.one_in(4):
        entry["option_data"] = _options(dice, version, known, 2)
    if dice.one_in(6):
        entry["client_classes"] = ["KNOWN-TO-US"]
    if dice.one_in(6):
        name = dice.of(sorted(_ANYWHERE))
        entry[name] = _ANYWHERE[name](dice)
    if dice.one_in(6):
        entry["user_context"] = _context(dice)
    return entry


def _reservations(
    dice: Dice, low: int, high: int, pools: list[tuple[int, int]], outside: bool, more: Callable[[int | None], dict]
) -> list[dict]:
    """Return reservations that leave room in every pool, or stay out of them."""
    addresses = sorted({dice.number(low, high) for _each in range(dice.number(0, 5))}) if low <= high else []
    for first, last in pools:
        inside = [number for number in addresses if first <= number <= last]
        for number in inside if outside else inside[last - first :]:
            addresses.remove(number)
    entries = [more(number) for number in [*addresses, *([None] if dice.coin() else [])]]
    # Two clients with one short identifier: rare, but that would be no good inventory.
    return list({str(next(iter(entry.items()))): entry for entry in entries}.values())


def _subnet(
    dice: Dice,
    index: int,
    network: ipaddress.IPv4Network,
    servers: list[int],
    version: str,
    known: dict[str, tuple[str, bool]],
) -> dict[str, Any]:
    """Return a subnet: routers at its start, above them the servers if they are in it, then pools and reservations."""
    first, last = int(network[0]), int(network[-1])
    low, high = (first + 1, last - 1) if last - first > 1 else (first, last)
    routers = []
    if high - low > 4:
        routers = [str(ipaddress.IPv4Address(low + count)) for count in range(dice.number(0, 2))]
        low += 4
    while low in servers:
        low += 1
    # An id is any number, in no order: spread, so that no two meet.
    body: dict[str, Any] = {"id": dice.number(1, 100000) * 40 + index, "subnet": str(network)}
    pools, covered = _pools(dice, low, high, version, known)
    options = _options(dice, version, known)
    if routers and isinstance(options, dict):
        options["routers"] = routers if len(routers) > 1 else routers[0]
    elif routers:
        options.append({"name": "routers", "data": ", ".join(routers)})
    if options or dice.coin():
        body["option_data"] = options
    more = {**_SUBNET_MORE, **_class_keys(version), **(_LATER if series(version) >= (2, 4) else {})}
    body.update({key: more[key](dice) for key in dice.some(sorted(more), 3)})
    outside = dice.one_in(4)
    if outside:
        body["reservations_out_of_pool"] = True
    reservations = _reservations(
        dice, low, high, covered, outside, lambda number: _reservation(dice, number, version, known)
    )
    if pools:
        body["pools"] = pools
    if not pools and not reservations:
        address = str(ipaddress.IPv4Address(low if low <= high else first))
        reservations = [{"hw_address": "02:00:00:00:00:01", "ip_address": address}]
    if reservations:
        body["reservations"] = reservations
    if dice.one_in(3):
        relays = [str(ipaddress.IPv4Address(number)) for number in {dice.number(0xAC100001, 0xAC10FFFE), 0xAC1F0001}]
        body["relay"] = {dice.of(["ip_addresses", "ip-addresses"]): relays}
    return body


# ---------------------------------------------------------------------------------------------------------------------
# the pair

_EXTRA: dict[str, Callable[[Dice], Any]] = {
    "authoritative": Dice.coin,
    "match-client-id": Dice.coin,
    "echo-client-id": Dice.coin,
    "decline-probation-period": lambda dice: dice.number(0, 86400),
    "next-server": _address,
    "boot-file-name": _text,
    "server-hostname": _name,
    "sanity-checks": lambda _dice: {"lease-checks": "fix-del"},
    "dhcp-ddns": lambda _dice: {"enable-updates": False},
    "ddns-send-updates": Dice.coin,
    "host-reservation-identifiers": lambda _dice: ["hw-address", "client-id", "flex-id", "circuit-id", "duid"],
    "store-extended-info": Dice.coin,
    "reservations-global": Dice.coin,
    "statistic-default-sample-count": lambda dice: dice.number(0, 100),
    "server-tag": _word,
    "comment": _text,
    "user-context": _context,
    "parked-packet-limit": lambda dice: dice.number(0, 1000),
    "cache-threshold": lambda dice: dice.of([0.2, 0.5]),
    "interfaces-config": lambda dice: dice.of([{"dhcp-socket-type": "udp"}, {"re-detect": True}]),
    "loggers": lambda dice: [
        {"name": "kea-dhcp4", "severity": "DEBUG", "debuglevel": dice.number(0, 99)},
        {"name": "kea-dhcp4.leases", "severity": "WARN"},
    ],
    "hooks-libraries": lambda dice: [
        {"library": name} for name in dice.some(["libdhcp_stat_cmds.so", "libdhcp_bootp.so"], 2)
    ],
    "client-classes": lambda dice: [
        {"name": "KNOWN-TO-US", "test": "member('KNOWN')"},
        {"name": "uefi", "test": "option[93].hex == 0x0007", "next-server": _address(dice), "boot-file-name": "a.efi"},
        {"name": "bios", "test": "option[93].hex == 0x0000", "option-data": [{"name": "boot-file-name", "data": "a"}]},
    ],
    "shared-networks": lambda dice: [
        {
            "name": _word(dice),
            "subnet4": [
                {"id": 5000000 + number, "subnet": f"{network}.0/24", "pools": [{"pool": f"{network}.10-{network}.20"}]}
                for number, network in enumerate(("192.168.64", "192.168.65"), 1)
            ],
        }
    ],
}


def _link(dice: Dice, version: str) -> dict[str, Any]:
    """Return how the servers talk, and who may talk to them."""
    group: dict[str, Any] = {}
    transport = dice.of(["control_agent", "listener", None])
    if transport:
        group["kea_ha_transport"] = transport
    if transport == "listener" or (transport is None and series(version) >= (3, 0)):
        api = dice.of(["control_agent", "none", None] + ["control_socket"] * (series(version) >= (3, 0)))
        if api:
            group["kea_api"] = api
        if dice.one_in(4):
            group.update(kea_tls_enabled=False, kea_accept_cleartext_api=True)
        if dice.coin():
            threads = {"thread_pool_size": dice.number(0, 16), "packet_queue_size": dice.number(0, 500)}
            group["kea_multi_threading"] = threads
    elif dice.one_in(4):
        group["kea_tls_enabled"] = dice.coin()
    if dice.one_in(6):
        group["kea_api_auth"] = False
    if dice.one_in(4):
        group["kea_api_user"] = dice.of(["kea-api", "m\u00fcller", 'a"b', "a b", "a\\b"])
    if dice.coin():
        ports = dice.random.sample(range(1, 65536), 2)
        group.update(kea_ha_port=ports[0], kea_api_port=ports[1])
    return group


def _timers(dice: Dice) -> dict[str, Any]:
    group: dict[str, Any] = {}
    if dice.coin():
        heartbeat = dice.number(500, 20000)
        group.update(
            kea_ha_heartbeat_delay=heartbeat,
            kea_ha_max_response_delay=dice.number(3 * heartbeat, 65535),
            kea_ha_max_ack_delay=dice.number(1000, 64000),
            kea_ha_max_unacked_clients=dice.number(0, 20),
            kea_ha_sync_timeout=dice.number(1000, 3600000),
        )
    if dice.coin():
        valid = dice.of([dice.number(300, 100000), 4294967295])
        rebind = dice.number(2, valid - 1)
        group.update(kea_valid_lifetime=valid, kea_rebind_timer=rebind, kea_renew_timer=dice.number(1, rebind - 1))
    if dice.one_in(4):
        keys = dice.some(["reclaim_timer_wait_time", "max_reclaim_leases", "unwarned_reclaim_cycles"], 3)
        group["kea_expired_leases_processing"] = {key: dice.number(0, 10000) for key in keys}
    return group


def _addresses(dice: Dice, networks: list[ipaddress.IPv4Network]) -> tuple[str, str]:
    """Return the servers' addresses: in a subnet, outside of all, or of IPv6."""
    home = next((network for network in networks if network.num_addresses > 16), OUTSIDE)
    where = dice.of([home, OUTSIDE, None])
    return (str(where[3]), str(where[4])) if where else OUTSIDE_6


def _place(dice: Dice, hosts: dict[str, dict], group: dict[str, Any], names: list[str]) -> None:
    """Give both hosts the same interfaces and subnets, or each its own: there, interfaces have other names."""
    if not dice.one_in(4):
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


def _inventory(dice: Dice, version: str) -> Inventory:
    mode, second = dice.of([("hot-standby", "standby"), ("load-balancing", "secondary")])
    names = dice.of([("dhcp1", "dhcp2"), ("kea-a.example.org", "kea-b.example.org"), ("A", "B")])
    networks = [_network(dice, index) for index in range(dice.number(1, 5))]
    addresses = _addresses(dice, networks)
    interfaces = dice.some(INTERFACES, 3) or ["eth0"]

    extra = {key: _EXTRA[key](dice) for key in dice.some(sorted(_EXTRA), 3)}
    known = dict(OPTIONS)
    definitions = dice.some(_DEFINITIONS, 3)
    if definitions:
        extra["option-def"] = [dict(definition) for definition, _kind, _many in definitions]
        known.update({definition["name"]: (kind, many) for definition, kind, many in definitions})

    numbers = [int(ipaddress.IPv4Address(text)) for text in addresses if ":" not in text]
    subnets = [_subnet(dice, index, network, numbers, version, known) for index, network in enumerate(networks)]
    for subnet in subnets:
        if dice.coin():
            subnet["interface"] = dice.of(interfaces)
    group: dict[str, Any] = {"kea_subnets": subnets}
    hosts: dict[str, dict[str, Any]] = {}
    named = dice.coin()
    for number, (name, address, role) in enumerate(zip(names, addresses, ("primary", second)), 1):
        hosts[name] = {dice.of(["ansible_host", "kea_ha_address"]): address, "kea_ha_role": role}
        if named:
            hosts[name]["kea_server_name"] = f"{_text(dice)}{number}"
    _place(dice, hosts, group, interfaces)
    if mode != "hot-standby" or dice.coin():
        group["kea_ha_mode"] = mode
    group.update(_link(dice, version))
    group.update(_timers(dice))
    if dice.coin():
        group["kea_option_data"] = _options(dice, version, known)
    if extra:
        group["kea_dhcp4_extra"] = extra
    if dice.one_in(6):
        loggers = [{"name": "kea-ctrl-agent", "severity": "DEBUG"}]
        group["kea_ctrl_agent_extra"] = dice.of([{"comment": "rack 4"}, {"loggers": loggers}])
    return Inventory(version, hosts, group)


def inventories(version: str) -> st.SearchStrategy[Inventory]:
    """Return the strategy of good inventories for a Kea version."""
    return DICE.map(lambda dice: _inventory(dice, version))
