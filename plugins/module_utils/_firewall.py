# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may reach Kea's TCP ports, as a table of its own for nftables.

The rules look at Kea's own address and ports and at nothing else: SSH, DHCP and every other program are passed over, so
they can lock out nobody but who wants to talk to Kea.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
from typing import Any, Iterable, Iterator, NamedTuple, Sequence
from urllib.parse import urlsplit

NONE = "none"
NFTABLES = "nftables"
SNIPPET = "snippet"

TABLE = "inet keaops"
PATH = "/etc/keaops/keaops.nft"
SSH_PORT = 22

HEADER = "# Managed by Ansible (keaops.kea). Changes by hand will be overwritten.\n"
# One transaction: the table is named so that it can be deleted, and nothing is ever open in between.
_FRESH = f"table {TABLE}\ndelete table {TABLE}\n"
# What a snippet becomes when no firewall is wanted any more. It stays, because a file of the user's includes it.
EMPTY = f"{HEADER}# kea_firewall is none: this removes the rules. First take out what includes this file.\n\n{_FRESH}"


class FirewallProblem(NamedTuple):
    """One thing that is wrong with what is asked of the firewall; a check makes a finding of it."""

    severity: str
    """``error``, ``warning`` or ``info``."""
    variable: str
    value: Any
    message: str
    fix: str


def _networks(entries: Iterable[str], version: int) -> list[str]:
    """Return addresses and networks of one IP version in nft's notation: no doubles, no overlaps, in order."""
    found = []
    for entry in entries:
        try:
            network = ipaddress.ip_network(str(entry))
        except ValueError:
            continue
        if network.version == version:
            found.append(network)
    return [
        str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
        for network in ipaddress.collapse_addresses(found)
    ]


def _set(items: Sequence[Any]) -> str:
    """Return one item as it is, several as a set of nft's."""
    return str(items[0]) if len(items) == 1 else f"{{ {', '.join(str(item) for item in items)} }}"


def _is_api(port: dict[str, Any]) -> bool:
    """Tell whether the API is behind a port: the Control Agent's one is both that and the way of the partner."""
    return port["what"] == "API" or port["daemon"] == "ctrl_agent"


def sources(partner: str, interfaces: dict[str, dict[str, Any]], own: str) -> list[str]:
    """Return the addresses from which a partner's connections may come.

    On a network with several addresses the kernel of the partner chooses one of them, not always the one that the pair
    is told.

    Args:
        partner: the partner's address.
        interfaces: the partner's interfaces, ``{name: {"ipv4": ["192.168.1.3/24"]}}``; empty when it was not asked.
        own: the address that the partner connects to.
    """
    target = ipaddress.ip_address(own)
    found = {partner}
    for state in interfaces.values():
        for text in state.get("ipv4") or []:
            interface = ipaddress.ip_interface(text)
            if target in interface.network:
                found.add(str(interface.ip))
    return [partner, *sorted(found - {partner}, key=ipaddress.ip_address)]


def rules(ports: list[dict[str, Any]], partner: Sequence[str], management: Sequence[str], own: str) -> str:
    """Return the file for ``nft -f`` of one host.

    Args:
        ports: ``{"port": 8000, "what": "HA" or "API", "daemon": "dhcp4" or "ctrl_agent"}`` of every TCP port of Kea's.
        partner: addresses of the partner, see ``sources``.
        management: addresses and networks that may reach the API; bad ones are left out, ``problems`` reports them.
        own: the address of this host on which those ports are.

    Raises:
        ValueError: no partner is given; such rules would cut the pair.
    """
    if not partner:
        raise ValueError("rules without the partner's address would cut the pair")
    version = ipaddress.ip_address(own).version
    ip = "ip" if version == 4 else "ip6"
    numbers = sorted({port["port"] for port in ports})
    lines = []
    for number in numbers:
        here = [port for port in ports if port["port"] == number]
        api = any(_is_api(port) for port in here)
        allowed = _networks([*partner, *(management if api else ())], version)
        purposes = [word for word, is_so in (("HA", any(port["what"] == "HA" for port in here)), ("API", api)) if is_so]
        what = f"{' and '.join(purposes)}: the partner{' and kea_firewall_management' if api and management else ''}"
        lines.append(f'\t\ttcp dport {number} {ip} saddr {_set(allowed)} accept comment "{what}"\n')
    return (
        f"#!/usr/sbin/nft -f\n{HEADER}"
        f"# Who may reach Kea at {own}. Nothing else on this host is looked at.\n\n{_FRESH}"
        f"table {TABLE} {{\n"
        "\tchain input {\n"
        "\t\ttype filter hook input priority 0; policy accept;\n"
        f"\t\t{ip} daddr {own} tcp dport {_set(numbers)} jump kea\n"
        "\t}\n"
        "\tchain kea {\n"
        '\t\tiifname "lo" accept comment "this host itself"\n'
        f"{''.join(lines)}"
        "\t\tcounter drop\n"
        "\t}\n"
        "}\n"
    )


def digest(text: str | bytes) -> str:
    """Return the fingerprint by which a host's rules are compared."""
    return hashlib.sha256(text.encode("utf-8") if isinstance(text, str) else text).hexdigest()


# ---------------------------------------------------------------------------------------------------------------------
# what is to be done


def up_to_date(mode: str, text: str, state: dict[str, Any]) -> bool:
    """Tell whether a host has what is wanted.

    Args:
        mode: the value of kea_firewall.
        text: the rules; of no interest with ``none``.
        state: ``kea_host_info.firewall``: ``{"rules": digest of the file or None, "unit": whether it is right and at
            work, None without one, "loaded": whether the table is as it was loaded}``.
    """
    if mode == NFTABLES:
        return bool(state["rules"] == digest(text) and state["unit"] and state["loaded"])
    if mode == SNIPPET:
        return bool(state["rules"] == digest(text) and state["unit"] is None)
    return state["rules"] in (None, digest(EMPTY)) and state["unit"] is None


def plan(
    mode: str,
    ports: list[dict[str, Any]],
    own: str | None,
    partner: str | None,
    interfaces: dict[str, dict[str, Any]],
    management: Sequence[str],
    state: dict[str, Any] | None,
    running: Sequence[str],
) -> dict[str, Any]:
    """Return what the role firewall needs to know.

    ``stage`` is when in a run it has something to do: ``before`` the servers are changed, so that doors are locked
    first; ``after`` that, when the partner still has another address and the rules would cut the pair that runs; empty
    for not at all.

    Args:
        mode, ports, own, partner, management: as for ``rules`` and ``problems``; ``partner`` is its one address.
        interfaces: the partner's, see ``sources``.
        state: ``kea_host_info.firewall``, None while it is not known.
        running: the URLs of the peers in the configuration that runs.
    """
    text, admitted, link = "", [], None
    if mode != NONE and own and partner:
        admitted = sources(partner, interfaces, own)
        text = rules(ports, admitted, management, own)
        link = _link(ports, admitted, management, own)
    moves = mode == NFTABLES and not set(_hosts_in(running)) <= {own, *admitted}
    done = state is not None and up_to_date(mode, text, state)
    return {
        "mode": mode,
        "rules": text,
        "path": PATH,
        "link": link,
        "stage": "" if done else "after" if moves else "before",
    }


def _link(
    ports: list[dict[str, Any]], partner: Sequence[str], management: Sequence[str], own: str
) -> dict[str, Any] | None:
    """Return where the partner connects to, and who is admitted there: what must not be cut."""
    for port in ports:
        if port["what"] == "HA":
            allowed = [*partner, *(management if _is_api(port) else ())]
            version = ipaddress.ip_address(own).version
            return {"address": own, "port": port["port"], "admitted": _networks(allowed, version)}
    return None


def _hosts_in(urls: Iterable[str]) -> Iterator[str]:
    """Yield the addresses in the URLs of peers."""
    for url in urls:
        with contextlib.suppress(ValueError):
            yield str(ipaddress.ip_address(urlsplit(url).hostname or ""))


# ---------------------------------------------------------------------------------------------------------------------
# what is wrong with it


def problems(
    mode: str,
    ports: list[dict[str, Any]],
    own: str | None,
    management: Sequence[Any],
    ssh_ports: Iterable[int] = (),
) -> Iterator[FirewallProblem]:
    """Yield what is wrong with the firewall that one host is to get.

    Args:
        mode: the value of kea_firewall.
        ports: as for ``rules``.
        own: address of the host; None when not known, which is reported elsewhere.
        management: the value of kea_firewall_management.
        ssh_ports: TCP ports, beside 22, on which the host is administered.
    """
    yield from _bad_entries(management)
    if mode == NONE:
        if management:
            yield FirewallProblem(
                "info",
                "kea_firewall_management",
                list(management),
                "has no effect, because no firewall is wanted",
                "Set kea_firewall: nftables, or remove it",
            )
        return
    yield from _ssh_shut_out(ports, {SSH_PORT, *ssh_ports})
    if management and not any(_is_api(port) for port in ports):
        yield FirewallProblem(
            "info",
            "kea_firewall_management",
            list(management),
            "has no effect, because no API is on the network",
            "Remove it, or kea_api: none",
        )
    elif own:
        yield from _wide_or_idle(management, own)


def _bad_entries(management: Sequence[Any]) -> Iterator[FirewallProblem]:
    for index, entry in enumerate(management):
        name = f"kea_firewall_management[{index}]"
        try:
            ipaddress.ip_network(str(entry))
            continue
        except ValueError:
            pass
        try:
            interface = ipaddress.ip_interface(str(entry))
        except ValueError:
            message = "this is neither an IP address nor a network; names cannot be used in the rules"
            yield FirewallProblem("error", name, entry, message, "Write for example 192.168.1.50 or 10.20.0.0/24")
        else:
            yield FirewallProblem(
                "error",
                name,
                entry,
                "this is an address and the length of a network, and could mean either of two things",
                f"Write {interface.network} for the whole network, or {interface.ip} for the one host",
            )


def _ssh_shut_out(ports: list[dict[str, Any]], ssh_ports: set[int]) -> Iterator[FirewallProblem]:
    ha = {port["port"] for port in ports if port["what"] == "HA"}
    for number in sorted({port["port"] for port in ports} & ssh_ports):
        yield FirewallProblem(
            "error",
            "kea_ha_port" if number in ha else "kea_api_port",
            number,
            "this is the port of SSH; the firewall would shut you out of the host",
            "Set it to another one, for example 8000" if number in ha else "Set it to another one, for example 8001",
        )


def _wide_or_idle(management: Sequence[Any], own: str) -> Iterator[FirewallProblem]:
    version = ipaddress.ip_address(own).version
    for index, entry in enumerate(management):
        name = f"kea_firewall_management[{index}]"
        try:
            network = ipaddress.ip_network(str(entry))
        except ValueError:
            continue
        if network.version != version:
            yield FirewallProblem(
                "warning",
                name,
                entry,
                f"has no effect: the API is at {own}, which IPv{network.version} does not reach",
                f"Write an IPv{version} address, or remove it",
            )
        elif network.prefixlen == 0:
            yield FirewallProblem(
                "warning",
                name,
                entry,
                "everybody may reach the API; only its certificates and its password are left to refuse them",
                "Write the addresses of the hosts that need it",
            )
