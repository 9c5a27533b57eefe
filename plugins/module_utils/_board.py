# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host itself is given, beside Kea, if asked for: a watchdog, a journal in memory, a fixed address.

Everything is a small file of ours beside those of others. The address is for the next boot: until then the host keeps
what it has, so that no connection is cut.
"""

from __future__ import annotations

import hashlib
import ipaddress
from typing import TYPE_CHECKING, Any, Mapping, NamedTuple, Sequence

from ._options import addresses_of, ipv4_text

if TYPE_CHECKING:
    from ._model import Server, Subnet

NETWORKD = "networkd"
NETWORKMANAGER = "networkmanager"
VOLATILE = "volatile"

WATCHDOG_FILE = "/etc/systemd/system.conf.d/keaops-kea.conf"
JOURNAL_FILE = "/etc/systemd/journald.conf.d/keaops-kea.conf"
# The first file that matches an interface wins, and netplan's names begin with 10.
NETWORKD_FILE = "/etc/systemd/network/05-keaops-kea.network"
NETWORKMANAGER_FILE = "/etc/NetworkManager/system-connections/keaops-kea.nmconnection"
FILES = (WATCHDOG_FILE, JOURNAL_FILE, NETWORKD_FILE, NETWORKMANAGER_FILE)

HEADER = "# Managed by Ansible (keaops.kea). Changes by hand will be overwritten.\n"


class Fixed(NamedTuple):
    """The fixed address of a host, and what belongs to it."""

    manager: str
    interface: str
    address: str
    """With the length of the prefix: ``192.168.1.2/24``."""
    gateway: str | None
    name_servers: tuple[str, ...]

    @property
    def ip(self) -> str:
        """The address alone."""
        return self.address.split("/")[0]


# ---------------------------------------------------------------------------------------------------------------------
# what the inventory says


def device(name: str) -> str:
    """Return the interface in an entry of kea_interfaces, which may be narrowed to an address: ``eth0/192.168.1.2``."""
    return name.split("/")[0]


def is_address(text: Any) -> bool:
    """Tell whether a value is an IP address."""
    try:
        return isinstance(text, str) and bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def subnet_of(server: Server) -> Subnet | None:
    """Return the subnet that a host serves on the spot and has its own address in."""
    number = server.address_number
    if number is None:
        return None
    return next((one for one in server.every_subnet if not one.relayed and one.first <= number <= one.last), None)


def interface_of(server: Server, subnet: Subnet) -> str | None:
    """Return the interface that is in a subnet: as the inventory says, else as the host says; None if neither does."""
    named = subnet.interface or (subnet.shared.interface if subnet.shared else None)
    served = [device(name) for name in server.interfaces]
    if named:
        return named
    known = (server.facts or {}).get("interfaces") or {}
    for name in known if "*" in served else served:
        for item in (known.get(name) or {}).get("ipv4") or []:
            if subnet.first <= int(ipaddress.IPv4Address(item.split("/")[0])) <= subnet.last:
                return name
    return served[0] if len(served) == 1 and served != ["*"] else None


def _option(server: Server, subnet: Subnet, name: str) -> list[str]:
    """Return the addresses that clients of a subnet get as an option."""
    for options in (subnet.options, subnet.shared.options if subnet.shared else [], server.options):
        numbers = addresses_of(options, name)
        if numbers:
            return [ipv4_text(number) for number in numbers]
    return []


def is_way_out(server: Server, interface: str | None) -> bool:
    """Tell whether a host reaches the rest of the world through an interface, as far as is known.

    Where it has another one for that, a second router would cut it off.
    """
    facts = server.facts or {}
    way = holder(facts.get("interfaces") or {}, facts.get("default_ipv4") or "")
    return way is None or way == interface


def gateway_of(server: Server, subnet: Subnet) -> str | None:
    """Return the router of a host: its own, else that of its clients, if that is another machine of the subnet."""
    given = server.settings["kea_host_gateway"]
    if given is not None:
        return given
    if not is_way_out(server, interface_of(server, subnet)):
        return None
    inside = (text for text in _option(server, subnet, "routers") if ipaddress.ip_address(text) in subnet.network)
    return next((text for text in inside if text != server.address), None)


def fixed_of(server: Server) -> Fixed | None:
    """Return the fixed address that a host is to have; None for none, and where too little is known (V21 says that)."""
    manager = server.settings["kea_host_network"]
    subnet = subnet_of(server) if manager else None
    interface = interface_of(server, subnet) if subnet else None
    if subnet is None or interface is None:
        return None
    servers = [str(text) for text in server.settings["kea_host_name_servers"] if is_address(text)]
    if not servers and is_way_out(server, interface):
        servers = _option(server, subnet, "domain-name-servers")
    return Fixed(
        manager=manager,
        interface=interface,
        address=f"{server.address}/{subnet.network.prefixlen}",
        gateway=gateway_of(server, subnet),
        name_servers=tuple(servers),
    )


def interfaces(server: Server) -> dict[str, dict[str, Any]]:
    """Return the interfaces of a host with their addresses, that included which a run is going to add."""
    known = (server.facts or {}).get("interfaces") or {}
    fixed = fixed_of(server)
    if fixed is None or fixed.interface not in known or holder(known, fixed.ip):
        return known
    state = known[fixed.interface]
    return {**known, fixed.interface: {**state, "ipv4": [*(state.get("ipv4") or []), fixed.address]}}


def holder(known: Mapping[str, Mapping[str, Any]], address: str) -> str | None:
    """Return the interface that has an address."""
    for name, state in known.items():
        if address in (item.split("/")[0] for item in state.get("ipv4") or []):
            return name
    return None


# ---------------------------------------------------------------------------------------------------------------------
# files


def texts(watchdog: int, journal: str | None, fixed: Fixed | None) -> dict[str, str | None]:
    """Return the text of each of our files; None for one that is not to be there."""
    manager = fixed.manager if fixed else None
    return {
        WATCHDOG_FILE: f"{HEADER}[Manager]\nRuntimeWatchdogSec={watchdog}\n" if watchdog else None,
        JOURNAL_FILE: f"{HEADER}[Journal]\nStorage={journal}\n" if journal else None,
        NETWORKD_FILE: _networkd(fixed) if fixed and manager == NETWORKD else None,
        NETWORKMANAGER_FILE: _networkmanager(fixed) if fixed and manager == NETWORKMANAGER else None,
    }


def _networkd(fixed: Fixed) -> str:
    lines = [f"Address={fixed.address}"]
    lines += [f"Gateway={fixed.gateway}"] if fixed.gateway else []
    lines += [f"DNS={server}" for server in fixed.name_servers]
    return f"{HEADER}[Match]\nName={fixed.interface}\n\n[Network]\n" + "".join(line + "\n" for line in lines)


def _networkmanager(fixed: Fixed) -> str:
    """Return a profile that goes before the default one, whose priority is 0 or less."""
    gateway = f",{fixed.gateway}" if fixed.gateway else ""
    by_version: dict[int, list[str]] = {4: [], 6: []}
    for server in fixed.name_servers:
        by_version[ipaddress.ip_address(server).version].append(server)
    dns = {version: f"dns={';'.join(found)};\n" if found else "" for version, found in by_version.items()}
    return (
        f"{HEADER}[connection]\nid=keaops-kea\ntype=ethernet\ninterface-name={fixed.interface}\n"
        "autoconnect-priority=100\n\n"
        f"[ipv4]\nmethod=manual\naddress1={fixed.address}{gateway}\n{dns[4]}\n"
        f"[ipv6]\nmethod=auto\n{dns[6]}"
    )


def digest(text: str | bytes) -> str:
    """Return the fingerprint by which a host's files are compared."""
    return hashlib.sha256(text.encode("utf-8") if isinstance(text, str) else text).hexdigest()


# ---------------------------------------------------------------------------------------------------------------------
# what is to be done


def differences(wanted: Mapping[str, str | None], there: Mapping[str, str | None]) -> list[str]:
    """Return the files that are not as they should be.

    Args:
        wanted: as ``texts`` returns it.
        there: the fingerprint of each of our files; None for one that is not there, or not ours.
    """
    return [path for path, text in wanted.items() if there.get(path) != (None if text is None else digest(text))]


def plan(server: Server) -> dict[str, Any]:
    """Return what the role install needs to know; ``due`` tells whether anything is to be done."""
    settings, facts = server.settings, server.facts or {}
    fixed = fixed_of(server)
    kea = facts.get("kea") or {}
    known = facts.get("interfaces") or {}
    wanted = texts(settings["kea_host_watchdog"], settings["kea_host_journal"], fixed)
    due = bool(differences(wanted, kea.get("own_files") or {}))
    return {
        "watchdog": settings["kea_host_watchdog"],
        "journal": settings["kea_host_journal"],
        "network": None if fixed is None else {**fixed._asdict(), "name_servers": list(fixed.name_servers)},
        "due": due or (fixed is not None and holder(known, fixed.ip) is None),
    }


# ---------------------------------------------------------------------------------------------------------------------
# on the wire


_ARP = b"\x00\x01\x08\x00\x06\x04"
_ETHERTYPE = b"\x08\x06"


def arp_probe(mac: bytes, address: str) -> bytes:
    """Return a frame that asks who has an address, without claiming it (RFC 5227)."""
    target = ipaddress.IPv4Address(address).packed
    head = b"\xff" * 6 + mac + _ETHERTYPE
    return head + _ARP + b"\x00\x01" + mac + b"\x00" * 4 + b"\x00" * 6 + target


def arp_claimant(frame: bytes, macs: Sequence[bytes], address: str) -> str | None:
    """Return the MAC address of another machine that a frame shows to have an address; None if it shows none."""
    if frame[12:14] != _ETHERTYPE or frame[14:20] != _ARP or len(frame) < 42:
        return None
    mac, source = frame[22:28], frame[28:32]
    if source != ipaddress.IPv4Address(address).packed or mac in macs:
        return None
    return ":".join(f"{byte:02x}" for byte in mac)
