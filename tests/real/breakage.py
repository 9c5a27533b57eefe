# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to break a good inventory in one place, each with the variable that preflight must name."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, NamedTuple

from generator import DICE, Dice, Inventory, inventories, series
from hypothesis import assume
from hypothesis import strategies as st

ZEROS = "00:00:00:00:00:99"


class Breakage(NamedTuple):
    """One mistake."""

    name: str
    checks: tuple[str, ...]
    """Ids of which one must find it."""
    apply: Callable[[Dice, Inventory], str]
    """Changes the inventory in place; returns the variable to be named."""


BREAKAGES: list[Breakage] = []


def breaks(*checks: str) -> Callable[[Callable], Callable]:
    """Note a function as a way to break an inventory."""

    def add(function: Callable[[Dice, Inventory], str]) -> Callable[[Dice, Inventory], str]:
        BREAKAGES.append(Breakage(function.__name__.replace("_", " "), checks, function))
        return function

    return add


class Broken(NamedTuple):
    """An inventory with one mistake."""

    inventory: Inventory
    variable: str


@st.composite
def broken(draw: st.DrawFn, version: str, breakage: Breakage) -> Broken:
    """Draw a good inventory, and break it."""
    inventory = draw(inventories(version))
    return Broken(inventory, breakage.apply(draw(DICE), inventory))


# ---------------------------------------------------------------------------------------------------------------------
# picking a place


def subnet_where(dice: Dice, inventory: Inventory, test: Callable[[dict], bool] = bool) -> tuple[str, list[dict]]:
    """Choose a subnet; returns its path, and it itself once for each list of subnets there is."""
    found = [index for index, subnet in enumerate(inventory.subnets) if test(subnet)]
    assume(found)
    index = dice.of(found)
    return f"kea_subnets[{index}]", [subnets[index] for subnets in inventory.every_subnets()]


def pool_of(dice: Dice, inventory: Inventory, test: Callable[[str], bool] = bool) -> tuple[str, list[dict], int]:
    """Choose a pool; returns the path, the subnets that hold it, and its index."""
    path, copies = subnet_where(dice, inventory, lambda one: any(test(text(pool)) for pool in one.get("pools", [])))
    index = dice.of([at for at, pool in enumerate(copies[0]["pools"]) if test(text(pool))])
    return f"{path}.pools[{index}]", copies, index


def reservation_of(
    dice: Dice, inventory: Inventory, test: Callable[[dict], bool] = bool
) -> tuple[str, list[dict], int]:
    """Choose a reservation; returns the path, the subnets that hold it, and its index."""
    path, copies = subnet_where(dice, inventory, lambda one: any(map(test, one.get("reservations", []))))
    index = dice.of([at for at, entry in enumerate(copies[0]["reservations"]) if test(entry)])
    return f"{path}.reservations[{index}]", copies, index


def text(pool: Any) -> str:
    """Return a pool as text."""
    return pool["pool"] if isinstance(pool, dict) else pool


def set_pool(copies: list[dict], index: int, value: Any) -> None:
    """Write another range into a pool."""
    for subnet in copies:
        pool = subnet["pools"][index]
        if isinstance(pool, dict):
            pool["pool"] = value
        else:
            subnet["pools"][index] = value


def ends(value: str) -> tuple[int, int]:
    """Return first and last address of a pool."""
    if "/" in value:
        network = ipaddress.IPv4Network(value)
        return int(network[0]), int(network[-1])
    first, last = (int(ipaddress.IPv4Address(part.strip())) for part in value.split("-"))
    return first, last


def address(number: int) -> str:
    """Return an address number as text."""
    return str(ipaddress.IPv4Address(number))


def network_of(subnet: dict) -> ipaddress.IPv4Network:
    """Return a subnet's network."""
    return ipaddress.IPv4Network(subnet["subnet"])


def add_reservation(copies: list[dict], entry: dict) -> str:
    """Add a reservation; returns where it stands in the subnet."""
    for subnet in copies:
        subnet.setdefault("reservations", []).append(dict(entry))
    return f".reservations[{len(copies[0]['reservations']) - 1}]"


def with_address(entry: dict) -> bool:
    """Tell whether a reservation has an address."""
    return "ip_address" in entry


def kind_of(entry: dict) -> str:
    """Return the key of a reservation that names the client."""
    return next(key for key in ("hw_address", "client_id", "duid", "circuit_id", "flex_id") if key in entry)


def any_host(dice: Dice, inventory: Inventory) -> dict:
    """Choose a host's own variables."""
    return inventory.hosts[dice.of(sorted(inventory.hosts))]


def forget(inventory: Inventory, *names: str) -> None:
    """Remove variables wherever they stand."""
    for variables in (inventory.group, *inventory.hosts.values()):
        for name in names:
            variables.pop(name, None)


def is_listener(inventory: Inventory) -> bool:
    """Tell whether the servers have a listener of their own."""
    modern = series(inventory.version) >= (3, 0)
    return inventory.group.get("kea_ha_transport", "listener" if modern else "control_agent") == "listener"


# ---------------------------------------------------------------------------------------------------------------------
# pools


@breaks("P23")
def pool_outside_its_subnet(dice: Dice, inventory: Inventory) -> str:
    path, copies, index = pool_of(dice, inventory)
    network = network_of(copies[0])
    beyond = int(network[-1]) + dice.number(1, 1000)
    set_pool(copies, index, f"{network[0] if dice.coin() else address(beyond)}-{address(beyond + 5)}")
    return path


@breaks("P23")
def pool_backwards(dice: Dice, inventory: Inventory) -> str:
    path, copies, index = pool_of(dice, inventory, lambda value: ends(value)[0] < ends(value)[1])
    first, last = ends(text(copies[0]["pools"][index]))
    set_pool(copies, index, f"{address(last)}-{address(first)}")
    return path


@breaks("P23")
def pool_twice(dice: Dice, inventory: Inventory) -> str:
    path, copies, index = pool_of(dice, inventory)
    value = text(copies[0]["pools"][index])
    for subnet in copies:
        subnet["pools"].append(value)
    return path.rpartition(".")[0] + ".pools"


@breaks("P23")
def pool_that_is_none(dice: Dice, inventory: Inventory) -> str:
    path, copies, index = pool_of(dice, inventory)
    good = text(copies[0]["pools"][index])
    bad = [
        good + "0000",
        good.replace(".", ","),
        "10.0.0.0/33",
        "fe80::1-fe80::9",
        "10.0.0.1",
        "10.0.0.1-10.0.0.5-",
        "",
    ]
    set_pool(copies, index, dice.of([*bad, 5, None, ["10.0.0.1"]]))
    return path


@breaks("P23")
def pool_with_the_broadcast_address(dice: Dice, inventory: Inventory) -> str:
    path, copies = subnet_where(dice, inventory, lambda one: network_of(one).prefixlen < 31)
    network = network_of(copies[0])
    end = network[-1] if dice.coin() else network[0]
    for subnet in copies:
        subnet["pools"] = [f"{end}-{end}"]
        subnet.pop("reservations", None)
    return path + ".pools[0]"


@breaks("P23")
def pool_with_the_router(dice: Dice, inventory: Inventory) -> str:
    path, copies, index = pool_of(dice, inventory)
    first, _last = ends(text(copies[0]["pools"][index]))
    for subnet in copies:
        subnet["option_data"] = {"routers": address(first)}
    return path


@breaks("P23")
def pool_with_a_server(dice: Dice, inventory: Inventory) -> str:
    path, copies, index = pool_of(dice, inventory)
    host = any_host(dice, inventory)
    host.pop("ansible_host", None)
    host["kea_ha_address"] = address(ends(text(copies[0]["pools"][index]))[1])
    return path


@breaks("P25")
def pool_reserved_to_the_last_address(dice: Dice, inventory: Inventory) -> str:
    path, copies, index = pool_of(dice, inventory, lambda value: ends(value)[1] - ends(value)[0] < 8)
    first, last = ends(text(copies[0]["pools"][index]))
    for subnet in copies:
        subnet.pop("reservations_out_of_pool", None)
        subnet["reservations"] = [
            {"hw_address": f"00:00:00:00:00:{number - first:02x}", "ip_address": address(number)}
            for number in range(first, last + 1)
        ]
    return path


# ---------------------------------------------------------------------------------------------------------------------
# subnets


@breaks("P18")
def host_bits(dice: Dice, inventory: Inventory) -> str:
    path, copies = subnet_where(dice, inventory, lambda one: network_of(one).prefixlen < 32)
    network = network_of(copies[0])
    for subnet in copies:
        subnet["subnet"] = f"{network[1]}/{network.prefixlen}"
    return path + ".subnet"


@breaks("P19")
def overlapping_subnet(dice: Dice, inventory: Inventory) -> str:
    _path, copies = subnet_where(dice, inventory, lambda one: network_of(one).prefixlen > 10)
    network = network_of(copies[0])
    inner = dice.coin() and network.prefixlen < 31
    other = list(network.subnets())[1] if inner else network.supernet()
    for subnets in inventory.every_subnets():
        subnets.append(
            {"id": 4294967294, "subnet": str(other), "reservations": [{"hw_address": ZEROS, "hostname": "x"}]}
        )
    return "kea_subnets["


@breaks("P20")
def subnet_without_a_good_id(dice: Dice, inventory: Inventory) -> str:
    path, copies = subnet_where(dice, inventory)
    bad = dice.of([None, 0, -1, 4294967295, "7", 1.5, True, [1]])
    for subnet in copies:
        subnet["id"] = bad
        if bad is None and dice.coin():
            del subnet["id"]
    return path + ".id"


@breaks("P20")
def subnet_id_twice(dice: Dice, inventory: Inventory) -> str:
    assume(len(inventory.subnets) > 1)
    for subnets in inventory.every_subnets():
        subnets[-1]["id"] = subnets[0]["id"]
    return f"kea_subnets[{len(inventory.subnets) - 1}].id"


@breaks("V02", "V04")
def subnet_that_is_none(dice: Dice, inventory: Inventory) -> str:
    path, copies = subnet_where(dice, inventory)
    good = copies[0]["subnet"]
    bad = [
        good.split("/")[0],
        good + "0",
        good.replace(".", ","),
        "2001:db8::/64",
        "",
        None,
        24,
        good.split("/")[0] + "/255.255.255.0",
    ]
    value = dice.of(bad)
    for subnet in copies:
        subnet["subnet"] = value
    return path + ".subnet"


@breaks("P22")
def subnet_that_serves_nobody(dice: Dice, inventory: Inventory) -> str:
    path, copies = subnet_where(dice, inventory)
    for subnet in copies:
        subnet.pop("pools", None)
        subnet.pop("reservations", None)
    return path


@breaks("V03")
def subnets_of_the_wrong_type(dice: Dice, inventory: Inventory) -> str:
    subnets = inventory.subnets
    value = dice.of([{}, subnets[0], "10.0.0.0/24", 5, True, [subnets[0]["subnet"]]])
    for host in inventory.hosts.values():
        host.pop("kea_subnets", None)
    inventory.group["kea_subnets"] = value
    return "kea_subnets"


@breaks("V04")
def no_subnets(dice: Dice, inventory: Inventory) -> str:
    forget(inventory, "kea_subnets")
    inventory.group["kea_subnets"] = []
    return "kea_subnets"


@breaks("V04")
def relay_by_name(dice: Dice, inventory: Inventory) -> str:
    path, copies = subnet_where(dice, inventory)
    value = dice.of(["router", "10.0.0.256", "fe80::1", 5, None, ""])
    for subnet in copies:
        subnet["relay"] = {"ip_addresses": [value]}
    return path + ".relay"


@breaks("P26")
def subnet_on_an_interface_nobody_serves(dice: Dice, inventory: Inventory) -> str:
    path, copies = subnet_where(dice, inventory)
    for subnet in copies:
        subnet["interface"] = "eth77"
    return path + ".interface"


@breaks("P21")
def subnets_that_differ_between_the_hosts(dice: Dice, inventory: Inventory) -> str:
    first, second = inventory.hosts.values()
    if "kea_subnets" not in inventory.group:
        first["kea_subnets"], second["kea_subnets"] = first["kea_subnets"], second["kea_subnets"]
    else:
        both = inventory.copy().group.pop("kea_subnets")
        second["kea_subnets"] = both
    index = dice.number(0, len(second["kea_subnets"]) - 1)
    subnet = second["kea_subnets"][index]
    what = dice.of(["id", "pools", "option_data", "reservations", "valid_lifetime"])
    if what == "id":
        subnet["id"] += 7
    elif what == "option_data":
        subnet["option_data"] = {"tftp-server-name": "elsewhere"}
    elif what == "valid_lifetime":
        subnet["valid_lifetime"] = 4321
        what = "other keys"
    elif what == "pools":
        assume(subnet.get("pools"))
        subnet["pools"] = subnet["pools"][1:]
        subnet.setdefault("reservations", []).append({"hw_address": ZEROS, "hostname": "x"})
    else:
        subnet.setdefault("reservations", []).append({"hw_address": ZEROS, "hostname": "x"})
    return f"kea_subnets[{index}].{what}"


# ---------------------------------------------------------------------------------------------------------------------
# reservations


@breaks("P24")
def reservation_outside_its_subnet(dice: Dice, inventory: Inventory) -> str:
    path, copies, index = reservation_of(dice, inventory, with_address)
    for subnet in copies:
        subnet["reservations"][index]["ip_address"] = address(int(network_of(subnet)[-1]) + dice.number(1, 300))
    return path + ".ip_address"


@breaks("P24")
def address_reserved_twice(dice: Dice, inventory: Inventory) -> str:
    path, copies, index = reservation_of(dice, inventory, with_address)
    again = {"hw_address": ZEROS, "ip_address": copies[0]["reservations"][index]["ip_address"]}
    return path.split(".res")[0] + add_reservation(copies, again) + ".ip_address"


@breaks("P24")
def client_with_two_reservations(dice: Dice, inventory: Inventory) -> str:
    path, copies, index = reservation_of(dice, inventory)
    entry = copies[0]["reservations"][index]
    kind = kind_of(entry)
    return path.split(".res")[0] + add_reservation(copies, {kind: entry[kind], "hostname": "again"})


@breaks("P24")
def address_that_is_none(dice: Dice, inventory: Inventory) -> str:
    path, copies, index = reservation_of(dice, inventory, with_address)
    bad = dice.of(["10.0.0.256", "10.0.0", "fe80::1", "printer", 10, None, ["10.0.0.1"], "10.0.0.1/24", ""])
    for subnet in copies:
        subnet["reservations"][index]["ip_address"] = bad
    return path + ".ip_address"


@breaks("P24")
def reservation_of_a_servers_address(dice: Dice, inventory: Inventory) -> str:
    path, copies, index = reservation_of(dice, inventory, with_address)
    host = any_host(dice, inventory)
    host.pop("ansible_host", None)
    host["kea_ha_address"] = copies[0]["reservations"][index]["ip_address"]
    return path + ".ip_address"


@breaks("P24")
def reservation_in_a_pool_against_the_promise(dice: Dice, inventory: Inventory) -> str:
    path, copies, index = pool_of(dice, inventory)
    first, _last = ends(text(copies[0]["pools"][index]))
    for subnet in copies:
        subnet["reservations_out_of_pool"] = True
        subnet["reservations"] = [{"hw_address": ZEROS, "ip_address": address(first)}]
    return path.split(".pools")[0] + ".reservations[0].ip_address"


@breaks("V06")
def client_unnamed(dice: Dice, inventory: Inventory) -> str:
    path, copies, index = reservation_of(dice, inventory)
    for subnet in copies:
        entry = subnet["reservations"][index]
        if dice.coin():
            del entry[kind_of(entry)]
        else:
            entry.update(hw_address=ZEROS, client_id=ZEROS)
            entry["flex_id"] = "'x'"
    return path


@breaks("V06")
def identifier_that_is_none(dice: Dice, inventory: Inventory) -> str:
    path, copies, index = reservation_of(dice, inventory)
    kind = kind_of(copies[0]["reservations"][index])
    bad = [
        "1a:1b:1c:1d:1e:1g",
        "1O:1b:1c:1d:1e:1f",
        "",
        123456789012,
        None,
        True,
        "1a:1b:",
        "1a 1b",
        "1a:1b-1c",
        ["1a"],
    ]
    bad += ["aabb.ccdd.eeff", "1a:1b:1c:1d:1e"] if kind == "hw_address" else []
    value = dice.of(bad)
    for subnet in copies:
        subnet["reservations"][index][kind] = value
    return f"{path}.{kind}"


@breaks("V04")
def host_name_that_is_none(dice: Dice, inventory: Inventory) -> str:
    path, copies, index = reservation_of(dice, inventory)
    value = dice.of(["a b", "a_b", "a..b", "-a", "a-", "", "ä", 5, None, "x" * 64])
    for subnet in copies:
        subnet["reservations"][index]["hostname"] = value
    return path + ".hostname"


# ---------------------------------------------------------------------------------------------------------------------
# options


BAD_OPTIONS = {
    "router": "10.0.0.1",
    "routers": "10.0.0.256",
    "domain-name-servers": ["1.1.1.1", "dns"],
    "ntp-servers": "fe80::1",
    "interface-mtu": 70000,
    "default-ip-ttl": -1,
    "time-offset": "UTC",
    "ip-forwarding": "yes",
    "domain-search": ["a..b"],
    "user-class": "phone",
    "broadcast-address": ["10.0.0.1", "10.0.0.2"],
    "domain-name": [],
    "boot-file-name": None,
    "vendor-encapsulated-options": "0104",
    "classless-static-route": "10.0.0.0/8 10.0.0.1",
}
BAD_ENTRIES = (
    {"code": 0, "data": "x"},
    {"code": 255, "data": "x"},
    {"code": 250, "data": "x"},
    {"name": "nosuch", "data": "x"},
    {"data": "x"},
    {"name": "routers", "code": 6, "data": "10.0.0.1"},
    {"name": "domain-name", "data": "a,b"},
    {"name": "routers", "data": "10.0.0.1", "csv": True},
    {"code": 250, "data": "xy", "csv-format": False},
    "routers",
)


@breaks("V07")
def option_with_a_bad_value(dice: Dice, inventory: Inventory) -> str:
    name = dice.of(sorted(BAD_OPTIONS))
    bad: Any = {name: BAD_OPTIONS[name]}
    entry = dice.of(BAD_ENTRIES)
    if dice.coin():
        bad, name = [entry], ""
    where = f".{name}" if name else "[0]"
    # It would be good if the inventory itself defined it so.
    inventory.group.get("kea_dhcp4_extra", {}).pop("option-def", None)
    forget(inventory, "kea_option_data")
    for subnets in inventory.every_subnets():
        for subnet in subnets:
            for body in (subnet, *subnet.get("pools", []), *subnet.get("reservations", [])):
                if isinstance(body, dict):
                    body.pop("option_data", None)
    place = dice.of(["group", "subnet", "pool", "reservation"])
    if place == "group":
        inventory.group["kea_option_data"] = bad
        return "kea_option_data" + where
    if place == "subnet":
        path, copies = subnet_where(dice, inventory)
        for subnet in copies:
            subnet["option_data"] = bad
    elif place == "pool":
        path, copies, index = pool_of(dice, inventory)
        for subnet in copies:
            subnet["pools"][index] = {"pool": text(subnet["pools"][index]), "option_data": bad}
    else:
        path, copies, index = reservation_of(dice, inventory)
        for subnet in copies:
            subnet["reservations"][index]["option_data"] = bad
    return f"{path}.option_data{where}"


@breaks("V07")
def definition_of_an_option_that_is_none(dice: Dice, inventory: Inventory) -> str:
    bad = dice.of(
        [
            {"name": "x", "code": 249, "type": "text"},
            {"name": "x", "code": 6, "type": "string"},
            {"name": "x y", "code": 249, "type": "string"},
            {"name": "x", "code": 0, "type": "string"},
            {"name": "x", "code": 249, "type": "string", "array": True},
        ]
    )
    extra = inventory.group.setdefault("kea_dhcp4_extra", {})
    extra.setdefault("option-def", []).append(bad)
    return "kea_dhcp4_extra.option-def"


# ---------------------------------------------------------------------------------------------------------------------
# the pair


@breaks("V02")
def required_variable_missing(dice: Dice, inventory: Inventory) -> str:
    name = dice.of(["kea_ha_role", "kea_interfaces", "kea_subnets"])
    if name == "kea_ha_role":
        del any_host(dice, inventory)[name]
    else:
        forget(inventory, name)
    return name


@breaks("V01")
def variable_misspelt(dice: Dice, inventory: Inventory) -> str:
    name = dice.of(["kea_ha_hartbeat_delay", "kea_subnet", "kea_valid_life_time", "kea_Api_auth", "kea_x"])
    any_host(dice, inventory)[name] = 5
    return name


@breaks("P03")
def both_hosts_with_one_role(dice: Dice, inventory: Inventory) -> str:
    first, second = inventory.hosts.values()
    role = dice.of([first, second])["kea_ha_role"]
    first["kea_ha_role"] = second["kea_ha_role"] = role
    return "kea_ha_role"


@breaks("P03")
def role_of_the_other_mode(dice: Dice, inventory: Inventory) -> str:
    second = list(inventory.hosts.values())[1]
    second["kea_ha_role"] = {"standby": "secondary", "secondary": "standby"}[second["kea_ha_role"]]
    return "kea_ha_role"


@breaks("V04")
def role_that_is_none(dice: Dice, inventory: Inventory) -> str:
    any_host(dice, inventory)["kea_ha_role"] = dice.of(["slave", "master", "Primary", "active", ""])
    return "kea_ha_role"


@breaks("P02")
def third_host(dice: Dice, inventory: Inventory) -> str:
    second = list(inventory.hosts.values())[1]
    own = {key: value for key, value in second.items() if key not in ("ansible_host", "kea_server_name")}
    inventory.hosts["third"] = {**own, "kea_ha_address": "172.31.7.9", "kea_server_name": "third"}
    return "kea_pair"


@breaks("P02")
def host_alone(dice: Dice, inventory: Inventory) -> str:
    del inventory.hosts[dice.of(sorted(inventory.hosts))]
    return "kea_pair"


@breaks("P04")
def one_name_for_both(dice: Dice, inventory: Inventory) -> str:
    for host in inventory.hosts.values():
        host["kea_server_name"] = "server"
    return "kea_server_name"


@breaks("P06")
def one_address_for_both(dice: Dice, inventory: Inventory) -> str:
    for host in inventory.hosts.values():
        host["kea_ha_address"] = "172.31.7.2"
    return "kea_ha_address"


@breaks("P06")
def address_the_partner_cannot_use(dice: Dice, inventory: Inventory) -> str:
    bad = [
        "127.0.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "dhcp1.example.org",
        "192.168.1",
        "192.168.1.2/24",
        "http://1.2.3.4",
    ]
    any_host(dice, inventory)["kea_ha_address"] = dice.of([*bad, "169.254.1.1", "fe80::1"])
    return "kea_ha_address"


@breaks("V03", "V04")
def interfaces_that_are_none(dice: Dice, inventory: Inventory) -> str:
    good = list(inventory.hosts.values())[0].get("kea_interfaces") or inventory.group["kea_interfaces"]
    bad = dice.of([[], [good[0], good[0]], [""], ["eth 0"], [5], "eth0", {"eth0": {}}, [None]])
    forget(inventory, "kea_interfaces")
    inventory.group["kea_interfaces"] = bad
    return "kea_interfaces"


@breaks("P05", "P21")
def value_on_one_host_only(dice: Dice, inventory: Inventory) -> str:
    name, value = dice.of(
        [
            ("kea_ha_heartbeat_delay", 9999),
            ("kea_ha_sync_timeout", 59999),
            ("kea_valid_lifetime", 43201),
            ("kea_api_user", "somebody"),
            ("kea_option_data", {"tftp-server-name": "elsewhere"}),
            ("kea_expired_leases_processing", {"max_reclaim_leases": 77}),
        ]
    )
    any_host(dice, inventory)[name] = value
    return name


@breaks("P09")
def listener_and_api_on_one_port(dice: Dice, inventory: Inventory) -> str:
    assume(is_listener(inventory) and inventory.group.get("kea_api") != "none")
    inventory.group.update(kea_ha_port=8010, kea_api_port=8010)
    return "kea_api_port"


@breaks("P11")
def api_this_kea_does_not_have(dice: Dice, inventory: Inventory) -> str:
    if is_listener(inventory):
        assume(series(inventory.version) < (3, 0))
        inventory.group["kea_api"] = "control_socket"
    else:
        inventory.group["kea_api"] = "none"
    return "kea_api"


@breaks("P13")
def listener_for_everybody(dice: Dice, inventory: Inventory) -> str:
    assume(is_listener(inventory))
    inventory.group.update(kea_tls_enabled=False, kea_accept_cleartext_api=False)
    return "kea_tls_enabled"


@breaks("P08")
def certificates_half_given(dice: Dice, inventory: Inventory) -> str:
    inventory.group["kea_tls_source"] = "files"
    name = dice.of(["kea_tls_cert_file", "kea_tls_key_file", "kea_tls_trust_anchor"])
    any_host(dice, inventory)[name] = "file.pem"
    return "kea_tls_"


@breaks("V16")
def certificates_renewed_after_their_end(dice: Dice, inventory: Inventory) -> str:
    inventory.group.update(kea_tls_enabled=True, kea_tls_valid_days=10, kea_tls_renew_before=10)
    return "kea_tls_renew_before"


@breaks("P41", "V31")
def weak_secret(dice: Dice, inventory: Inventory) -> str:
    name = dice.of(["kea_api_password", "kea_tls_ca_passphrase"])
    inventory.group[name] = dice.of(["short", "changeme-changeme", "aaaaaaaaaaaaaaaaaaaa", "k3J!x9Qw7Lm2Zt5R\n"])
    return name


@breaks("P41", "V31")
def user_with_a_colon(dice: Dice, inventory: Inventory) -> str:
    inventory.group["kea_api_user"] = dice.of(["a:b", "a\nb", "漢"])
    return "kea_api_user"


@breaks("V09")
def version_that_is_none(dice: Dice, inventory: Inventory) -> str:
    inventory.version = dice.of(["3.1.0", "1.9", "latest", "4.0", "kea"])
    return "kea_version"


# ---------------------------------------------------------------------------------------------------------------------
# numbers, switches, further keys


@breaks("V04")
def port_that_is_none(dice: Dice, inventory: Inventory) -> str:
    name = dice.of(["kea_ha_port", "kea_api_port"])
    inventory.group[name] = dice.of([0, -1, 65536, 70000])
    return name


@breaks("V03")
def number_in_quotes(dice: Dice, inventory: Inventory) -> str:
    numbers = ["kea_ha_port", "kea_valid_lifetime", "kea_ha_heartbeat_delay", "kea_ha_max_unacked_clients"]
    name = dice.of(numbers)
    inventory.group[name] = dice.of(["8000", "1h", "five", "", 1.5, True, [8000]])
    return name


@breaks("V03")
def switch_in_quotes(dice: Dice, inventory: Inventory) -> str:
    name = dice.of(["kea_api_auth", "kea_tls_enabled", "kea_accept_cleartext_api", "kea_unit_hardening"])
    inventory.group[name] = dice.of(["no", "False", "yes", 0, 1, "on", []])
    return name


@breaks("V04")
def word_that_is_no_choice(dice: Dice, inventory: Inventory) -> str:
    name = dice.of(["kea_ha_mode", "kea_ha_transport", "kea_api", "kea_tls_source", "kea_firewall"])
    inventory.group[name] = dice.of(["http", "hot_standby", "Listener", "true", " "])
    return name


@breaks("V11")
def timers_out_of_order(dice: Dice, inventory: Inventory) -> str:
    valid, rebind, renew = dice.of([(3600, 3600, 1800), (3600, 1800, 1800), (3600, 7200, 900), (100, 50, 60)])
    inventory.group.update(kea_valid_lifetime=valid, kea_rebind_timer=rebind, kea_renew_timer=renew)
    return "kea_re"


@breaks("P15", "P16")
def partner_lost_before_a_heartbeat(dice: Dice, inventory: Inventory) -> str:
    heartbeat = dice.number(1000, 20000)
    response = dice.number(1, heartbeat)
    inventory.group.update(kea_ha_heartbeat_delay=heartbeat, kea_ha_max_response_delay=response)
    return "kea_ha_max_response_delay"


@breaks("P15")
def delay_longer_than_kea_takes(dice: Dice, inventory: Inventory) -> str:
    inventory.group.update(kea_ha_heartbeat_delay=10000, kea_ha_max_response_delay=dice.number(65536, 200000))
    return "kea_ha_max_response_delay"


@breaks("P16")
def seconds_for_milliseconds(dice: Dice, inventory: Inventory) -> str:
    name = dice.of(["kea_ha_heartbeat_delay", "kea_ha_max_ack_delay"])
    inventory.group.pop("kea_ha_max_response_delay", None)
    inventory.group[name] = dice.number(1, 100)
    return name


@breaks("V04")
def number_below_its_limit(dice: Dice, inventory: Inventory) -> str:
    low = {"kea_valid_lifetime": 0, "kea_ha_max_unacked_clients": -1, "kea_ha_sync_timeout": 0, "kea_tls_valid_days": 0}
    name = dice.of(sorted(low))
    inventory.group[name] = low[name]
    return name


@breaks("V01", "V03")
def numbers_of_a_mapping(dice: Dice, inventory: Inventory) -> str:
    name, key, value = dice.of(
        [
            ("kea_expired_leases_processing", "reclaim_timer", 5),
            ("kea_expired_leases_processing", "max_reclaim_time", "5"),
            ("kea_multi_threading", "thread_pool_size", -1),
            ("kea_multi_threading", "threads", 4),
        ]
    )
    inventory.group[name] = {key: value}
    return f"{name}.{key}"


@breaks("V08")
def key_that_belongs_to_the_collection(dice: Dice, inventory: Inventory) -> str:
    name, key, value = dice.of(
        [
            ("kea_dhcp4_extra", "subnet4", []),
            ("kea_dhcp4_extra", "valid-lifetime", 5),
            ("kea_dhcp4_extra", "option-data", []),
            ("kea_dhcp4_extra", "control-socket", {}),
            ("kea_dhcp4_extra", "multi-threading", {"enable-multi-threading": False}),
            ("kea_dhcp4_extra", "Dhcp4", {}),
            ("kea_dhcp4_extra", "interfaces-config", {"interfaces": ["*"]}),
            ("kea_ctrl_agent_extra", "http-port", 8000),
            ("kea_ctrl_agent_extra", "authentication", {}),
        ]
    )
    inventory.group.setdefault(name, {})[key] = value
    return f"{name}.{key}"


@breaks("P01")
def hooks_of_the_collection(dice: Dice, inventory: Inventory) -> str:
    name = dice.of(["libdhcp_ha.so", "/usr/lib/x86_64-linux-gnu/kea/hooks/libdhcp_lease_cmds.so"])
    inventory.group.setdefault("kea_dhcp4_extra", {})["hooks-libraries"] = [{"library": name}]
    return "kea_dhcp4_extra.hooks-libraries[0].library"


@breaks("V03", "V32")
def check_ignored_that_cannot_be(dice: Dice, inventory: Inventory) -> str:
    inventory.group["kea_preflight_ignore"] = dice.of([{"P23": "we know better"}, {"P24": "later"}, [25], "P23"])
    return "kea_preflight_ignore"
