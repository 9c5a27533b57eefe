# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Private to the keaops.kea collection; it may change in any release.
"""What of a DHCPv4 configuration decides whether it can follow another one while the pair serves."""

from __future__ import annotations

from typing import Any


def link_of(content: Any) -> dict[str, Any] | None:
    """Return how a server talks to its partner, None without high availability.

    Two servers whose links differ cannot talk to each other, so such a change cannot be made one server at a time.

    Args:
        content: the whole configuration, ``{"Dhcp4": {...}}``.
    """
    section = content.get("Dhcp4") if isinstance(content, dict) else None
    for hook in (section or {}).get("hooks-libraries") or []:
        relationships = (hook.get("parameters") or {}).get("high-availability") or []
        if relationships:
            return link_of_relationship(relationships[0])
    return None


def link_of_relationship(ha: dict[str, Any]) -> dict[str, Any]:
    """Return the same of an entry of ``high-availability``.

    TLS is part of it by the scheme of the addresses. Where the certificates lie is not: only their content matters.
    """
    threads = ha.get("multi-threading") or {}
    peers = sorted(ha.get("peers") or [], key=lambda peer: str(peer.get("name")))
    return {
        "mode": ha.get("mode"),
        "names": [peer.get("name") for peer in peers],
        "addresses": [peer.get("url") for peer in peers],
        "roles": [peer.get("role") for peer in peers],
        "user of the API": [peer.get("basic-auth-user") for peer in peers],
        "listener": bool(threads.get("enable-multi-threading") and threads.get("http-dedicated-listener")),
    }


def subnet_ids(content: Any) -> dict[str, int]:
    """Return the id of each subnet by its prefix, those of shared networks included."""
    section = (content.get("Dhcp4") if isinstance(content, dict) else None) or {}
    groups = [section, *(section.get("shared-networks") or [])]
    return {
        str(subnet.get("subnet")): subnet["id"]
        for group in groups
        for subnet in group.get("subnet4") or []
        if isinstance(subnet.get("id"), int)
    }
