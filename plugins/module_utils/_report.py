# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Private to the keaops.kea collection; it may change in any release.
"""The lines that status.yml, verify.yml and site.yml print for people."""

from __future__ import annotations

from typing import Any

from ._state import FINAL_STATE

#: Fewer whole days than these until a certificate ends are worth a warning, and an error.
WARNING_DAYS = 30
ERROR_DAYS = 7

_ROLE_ORDER = {"primary": 0, "standby": 1, "secondary": 1}


class Entry:
    """What is known of one server.

    Args:
        host: its inventory name.
        pair: the group of its pair.
        role: its role, or None when the inventory does not say.
        info: what kea_ha_info returned, or None when it was not asked.
        problem: why nothing is known of it, in a few words; empty when all went well.
        drift: whether its files differ from the inventory; None when that is unknown.
        address: where the partner reaches it.
        subnets: the subnets the inventory declares for it.
        done: what this run changed on it.
        changes: what that was in the configuration of its DHCP server.
        certificate: ``serial``, ``not_after`` and ``days_left`` of the certificate in its files, None without TLS.
        authorities: how many certificate authorities it trusts.
        rotating: whether they are more because a new one is taking over.
        renew_before: how many days before its end the certificate is renewed.
    """

    def __init__(
        self,
        host: str,
        pair: str,
        role: str | None = None,
        info: dict[str, Any] | None = None,
        problem: str = "",
        drift: bool | None = None,
        address: str = "",
        subnets: list[dict[str, Any]] | None = None,
        done: list[str] | None = None,
        changes: list[str] | None = None,
        certificate: dict[str, Any] | None = None,
        authorities: int = 0,
        rotating: bool = False,
        renew_before: int = WARNING_DAYS,
    ) -> None:
        self.host, self.pair, self.role, self.problem, self.drift = host, pair, role, problem, drift
        self.info = info if info and "state" in info else None
        self.address, self.subnets, self.done = address, subnets or [], done or []
        self.changes = changes or []
        self.certificate, self.authorities, self.rotating = certificate, authorities, rotating
        self.renew_before = renew_before

    @property
    def serves(self) -> bool:
        """Whether the server answers clients."""
        return bool(self.info and self.info["serving"])

    @property
    def healthy(self) -> bool:
        """Whether the server is in its pair's normal state."""
        return bool(self.info) and self.info["state"] == self.info["mode"]


def _by_pair(entries: list[Entry]) -> dict[str, list[Entry]]:
    pairs: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: (entry.pair, _ROLE_ORDER.get(entry.role or "", 2), entry.host)):
        pairs.setdefault(entry.pair, []).append(entry)
    return pairs


def _columns(rows: list[list[str]]) -> list[str]:
    """Align the cells of rows; the last cell of a row may be of any length."""
    widths = [max((len(row[at]) for row in rows if at < len(row) - 1), default=0) for at in range(max(map(len, rows)))]
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def _head(pair: str, members: list[Entry]) -> str:
    serving = [entry.host for entry in members if entry.serves]
    if not serving:
        who = "NOBODY serves"
    elif len(serving) == 1:
        who = f"{serving[0]} serves"
    else:
        who = f"{' and '.join(serving)} serve"
    condition = "healthy" if all(entry.healthy and not entry.problem for entry in members) else "NOT healthy"
    return f"pair {pair}: {condition}, {who}"


def _leases(counts: dict[str, Any] | None) -> str:
    if not counts:
        return "leases unknown"
    return f"leases {'' if counts['counted'] else 'about '}{counts['assigned']} of {counts['total']}"


def _status_row(entry: Entry) -> list[str]:
    row = [entry.host, entry.role or "no role"]
    if entry.info is None:
        return [*row, entry.problem or "does not run"]
    info = entry.info
    partner = info.get("partner") or {}
    heard = "partner never seen"
    if partner.get("age") is not None:
        heard = f"partner seen {partner['age']} s ago"
        if partner.get("interrupted") or partner.get("state") == "unavailable":
            heard += f" ({partner.get('state') or 'silent'})"
    drift = {True: "DIFFERS from the inventory", False: "as the inventory says", None: "not compared"}[entry.drift]
    return [
        *row,
        info["state"] or "no high availability",
        "serves" if entry.serves else "stands by",
        _leases(info.get("leases")),
        heard,
        f"Kea {info['version']}" if info.get("version") else "Kea",
        drift,
    ]


ENDED = (
    "  high availability has ended: the clocks differ by more than 60 s, or lease updates were rejected. Set both "
    "clocks by NTP, then run recover.yml"
)


def _date(not_after: str) -> str:
    return not_after.split("T")[0]


def _left(certificate: dict[str, Any]) -> str:
    days, serial, date = certificate["days_left"], certificate["serial"], _date(certificate["not_after"])
    if days < 0:
        return f"EXPIRED on {date} (serial {serial})"
    return f"{days} day{'' if days == 1 else 's'} left (until {date}, serial {serial})"


def _urgency(certificate: dict[str, Any], renew_before: int) -> str:
    """Return ``error``, ``warning`` or nothing. A certificate that was made to live shorter gets shorter limits."""
    days = certificate["days_left"]
    if days < min(ERROR_DAYS, renew_before):
        return "error"
    return "warning" if days < min(WARNING_DAYS, renew_before) else ""


def expiry(host: str, certificate: dict[str, Any], renew_before: int = WARNING_DAYS) -> tuple[str, str]:
    """Return ``error`` or ``warning`` and a sentence when a certificate ends soon, else two empty texts.

    Args:
        host: its inventory name.
        certificate: ``serial``, ``not_after`` and ``days_left``, whole days.
        renew_before: how many days before its end it is renewed.
    """
    urgency = _urgency(certificate, renew_before)
    if not urgency:
        return "", ""
    return urgency, (
        f"{host}: certificate: {_left(certificate)}. Renew it with site.yml or rotate_certs.yml; with kea_tls_source: "
        "files, replace kea_tls_cert_file and kea_tls_key_file first."
    )


def _certificate_line(entry: Entry) -> list[str]:
    """Return what the server shows to others and whom it trusts, for hosts with TLS."""
    if entry.certificate is None:
        return []
    trust = "1 CA" if entry.authorities == 1 else f"{entry.authorities} CAs"
    if entry.rotating:
        trust += ": a rotation of the CA is under way, rotate_certs.yml ends it"
    urgency = _urgency(entry.certificate, entry.renew_before)
    fix = {"error": "; RENEW IT NOW: run site.yml", "warning": "; renew it: run site.yml"}.get(urgency, "")
    lines = [f"  {entry.host}  certificate: {_left(entry.certificate)}, trusts {trust}{fix}"]
    for port in (entry.info or {}).get("certificates") or []:
        where = f"  {entry.host}  port {port['port']} ({port['what']})"
        if port["problem"]:
            lines.append(f"{where}: {port['problem']}")
        elif port["current"] is False:
            lines.append(f"{where} still serves serial {port['serial']}: run site.yml")
    return lines


def status_lines(entries: list[Entry]) -> list[str]:
    """Return one line per server, under one line per pair, and further ones about certificates."""
    lines: list[str] = []
    for pair, members in _by_pair(entries).items():
        lines.append(_head(pair, members))
        lines += _columns([_status_row(entry) for entry in members])
        if any(entry.info and entry.info["state"] == FINAL_STATE for entry in members):
            lines.append(ENDED)
        for entry in members:
            lines += _certificate_line(entry)
    return lines


def _subnet_text(subnet: dict[str, Any]) -> str:
    pools = ", ".join(pool["pool"] for pool in subnet.get("pools", []))
    reservations = len(subnet.get("reservations", []))
    return f"subnet {subnet['subnet']}: pools {pools or 'none'}, {reservations} reservations"


def summary_lines(entries: list[Entry]) -> list[str]:
    """Return what a run left behind: per pair who serves, where, what, and what was changed."""
    lines: list[str] = []
    for pair, members in _by_pair(entries).items():
        lines.append(_head(pair, members))
        rows = []
        for entry in members:
            state = entry.info["state"] if entry.info else entry.problem or "not asked"
            version = f"Kea {entry.info['version']}" if entry.info and entry.info.get("version") else "Kea"
            done = "changed: " + ", ".join(entry.done) if entry.done else "nothing changed"
            rows.append([entry.host, entry.role or "no role", entry.address, str(state), version, done])
        lines += _columns(rows)
        lines += [f"  changed: {text}" for text in dict.fromkeys(text for entry in members for text in entry.changes)]
        shown = members[0].subnets[:5]
        lines += ["  " + _subnet_text(subnet) for subnet in shown]
        if len(members[0].subnets) > len(shown):
            lines.append(f"  and {len(members[0].subnets) - len(shown)} more subnets")
    return lines
