#!/usr/bin/env python3
# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges the history of a probe: what clients, servers and both lease databases say, compared.

    lab/history.py HISTORY            the summary
    lab/history.py HISTORY --json     the whole report

What the databases say is not enough: after a split brain they agree again, and the address that two clients were given
shows in the clients' history alone. Pure: events in, report out. Standard library only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path

PATIENCE = 4.0  # seconds after which a client that has no answer counts as unanswered
BLIND = 2.0  # seconds without a line of a watcher after which its server counts as silent: its host was stopped
TOGETHER = 1.0  # answers of one server before and after another's, so close, are no handover
TOLERANCE = 2  # seconds in which the ends of a lease in both databases may differ
NORMAL = ("hot-standby", "load-balancing")
FIELDS = {"hw-address": "hw_address", "client-id": "client_id", "subnet-id": "subnet_id", "state": "state"}


def load(*paths: Path | str) -> list[dict]:
    """Return the events of a history in their order, whatever files it is in."""
    return sorted((event for path in paths for event in read(Path(path))), key=lambda event: event["mono"])


def shifted(events: list[dict], begin: float) -> list[dict]:
    """Return the events of a host that counts time for itself as if the first of them had been at *begin*."""
    ahead = events[0]["mono"] - begin if events else 0
    return [{**event, "mono": round(event["mono"] - ahead, 4)} for event in events]


def read(path: Path) -> list[dict]:
    """Return the events of one file; half a line at its end, where a writer was ended, is left out."""
    lines = path.read_text(encoding="utf-8").splitlines()
    try:
        return json.loads(f"[{','.join(lines)}]")
    except ValueError:
        return json.loads(f"[{','.join(lines[:-1])}]")


# ---------------------------------------------------------------------------------------------------------------------
# intervals: sorted lists of (from, to)


def merged(intervals) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def common(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> list[tuple[float, float]]:
    pairs = itertools.product(one, other)
    return merged((max(a, c), min(b, d)) for (a, b), (c, d) in pairs if max(a, c) < min(b, d))


def total(intervals) -> float:
    return sum(end - start for start, end in intervals)


def longest(moments: list[float], first: float, last: float) -> tuple[float, float]:
    """Return the longest time between two moments, and when it began; first and last count as moments, too."""
    inside = [first, *(moment for moment in sorted(moments) if first < moment < last), last]
    return max(((late - early, early) for early, late in zip(inside, inside[1:])), default=(0.0, first))


# ---------------------------------------------------------------------------------------------------------------------
# clients


def asked(events: list[dict], kind: str, end: float) -> list[dict]:
    """Return what became of each client (new) or of each renewal (renew), in the order in which they began.

    The prober gives them time to end; who waits at the end although that time is over counts as unanswered.
    """
    found: dict[str, dict] = {}
    for event in events:
        if event["kind"] != kind or "mac" not in event:
            continue
        # A new client is its MAC, a renewal its xid; a renewer's DISCOVER begins a new lease, and no renewal.
        name = event["mac"] if kind == "new" else event["xid"]
        opening = "discover" if kind == "new" else "request"
        one = found.get(name)
        if one is None:
            if event.get("sent") != opening or (kind == "renew" and "address" not in event):
                continue
            one = {"mac": event["mac"], "from": event["mono"], "to": None, "messages": {}, "naks": 0, "gave_up": None}
            one["rebound"] = False
            found[name] = one
        if "sent" in event and one["to"] is None:
            one["messages"][event["sent"]] = one["messages"].get(event["sent"], 0) + 1
            one["rebound"] |= event.get("rebind", False)
        elif event.get("got") == "nak":
            one["naks"] += 1
            if kind == "renew":  # a new client asks again
                one["gave_up"] = event["mono"]
        elif event.get("got") == "ack" and one["to"] is None:
            one["to"] = event["mono"]
            one["server"] = event["server"]
        if "end" in event:
            one["gave_up"] = event["mono"]
    for one in found.values():
        one["repeated"] = max(one["messages"].values()) > 1
        until = next(moment for moment in (one["to"], one["gave_up"], end) if moment is not None)
        one["waited"] = until - one["from"]
        one["unanswered"] = one["to"] is None and (one["gave_up"] is not None or one["waited"] >= PATIENCE)
    return list(found.values())


def validity(events: list[dict]) -> list[dict]:
    """Return the times in which clients believed that an address was theirs: from an ACK to its end.

    A lease ends when its time is over, when the client releases it, gives it up unanswered, or is told NAK.
    """
    leases: list[dict] = []
    held: dict[tuple[str, str], dict] = {}
    for event in events:
        mac, now = event.get("mac"), event["mono"]
        if event.get("got") == "ack":
            key = (mac, event["address"])
            lease = held.get(key)
            if lease is None or lease["to"] < now:
                lease = held[key] = {"mac": mac, "address": event["address"], "from": now, "released": False}
                leases.append(lease)
            lease |= {"to": now + event["lease"], "acked": now, "server": event["server"]}
        elif event.get("sent") == "release" or ("end" in event and "address" in event):
            lease = held.pop((mac, event["address"]), None)
            if lease:
                lease |= {"to": min(lease["to"], now), "released": "sent" in event}
        elif event.get("got") == "nak":
            for key in [key for key in held if key[0] == mac]:
                lease = held.pop(key)
                lease["to"] = min(lease["to"], now)
    return leases


def duplicates(leases: list[dict]) -> list[dict]:
    """Return each address that two clients held at the same time."""
    found = []
    by_address: dict[str, list[dict]] = {}
    for lease in leases:
        by_address.setdefault(lease["address"], []).append(lease)
    for address, several in by_address.items():
        for one, other in itertools.combinations(several, 2):
            start, end = max(one["from"], other["from"]), min(one["to"], other["to"])
            if one["mac"] != other["mac"] and start < end:
                clients = [{"mac": lease["mac"], "server": lease["server"]} for lease in (one, other)]
                found.append({"address": address, "clients": clients, "from": start, "to": end})
    return sorted(found, key=lambda each: each["from"])


def answered_by(events: list[dict]) -> list[dict]:
    """Return who gave the ACKs: each server's stretches, one after the other."""
    found: list[dict] = []
    for event in events:
        if event.get("got") == "ack":
            if not found or found[-1]["server"] != event["server"]:
                found.append({"server": event["server"], "from": event["mono"], "acks": 0})
            found[-1]["to"] = event["mono"]
            found[-1]["acks"] += 1
    return found


def mixed_answers(events: list[dict]) -> list[tuple[float, float]]:
    """Return the times in which one server's answers stand between another's."""
    answers = [(event["mono"], event["server"]) for event in events if event.get("got") in ("offer", "ack")]
    found = []
    last: dict[str, float] = {}
    previous = None
    for now, server in answers:
        if previous not in (None, server) and now - last.get(server, now - 2 * TOGETHER) <= TOGETHER:
            found.append((last[server], now))
        last[server] = now
        previous = server
    return merged(found)


# ---------------------------------------------------------------------------------------------------------------------
# servers


def polls(events: list[dict], end: float) -> dict[str, list[tuple[float, str, bool]]]:
    """Return what each host's watcher saw: when, the state, and whether the server had scopes to serve."""
    found: dict[str, list[tuple[float, str, bool]]] = {}
    for event in events:
        if event["kind"] == "state" and event["mono"] <= end:
            seen = found.setdefault(event["host"], [])
            if seen and event["mono"] - seen[-1][0] > BLIND:
                seen += [(seen[-1][0] + 0.2, "silent", False), (event["mono"] - 0.2, "silent", False)]
            seen.append((event["mono"], event["state"], bool(event["scopes"])))
    for seen in found.values():
        if end - seen[-1][0] > BLIND:
            seen += [(seen[-1][0] + 0.2, "silent", False), (end, "silent", False)]
    return found


def when(seen: list[tuple[float, str, bool]], test) -> list[tuple[float, float]]:
    """Return the times between two looks at a server that both pass: what was in between is certain."""
    return merged((one[0], other[0]) for one, other in zip(seen, seen[1:]) if test(one) and test(other))


def of_all(watched: dict, test) -> list[tuple[float, float]]:
    """Return the times in which every server passes."""
    times = [when(seen, test) for seen in watched.values()]
    found = times[0] if times else []
    for other in times[1:]:
        found = common(found, other)
    return found


def changes(watched: dict) -> list[dict]:
    """Return each change of a server's state."""
    found = []
    for host, seen in watched.items():
        for (_, old, _), (now, new, _) in zip(seen, seen[1:]):
            if old != new:
                found.append({"at": now, "host": host, "from": old, "to": new})
    return sorted(found, key=lambda change: change["at"])


def normal_since(watched: dict) -> float | None:
    """Return since when all servers have been in their normal state, up to the end; None when they are not."""
    moments = []
    for seen in watched.values():
        if seen[-1][1] not in NORMAL:
            return None
        odd = [number for number, (_, state, _) in enumerate(seen) if state not in NORMAL]
        moments.append(seen[odd[-1] + 1][0] if odd else seen[0][0])
    return max(moments, default=None)


# ---------------------------------------------------------------------------------------------------------------------
# databases


def running(database: dict) -> dict[str, dict]:
    """Return the leases by address that are not over: after a release Kea keeps such a one, on one server."""
    return {lease["address"]: lease for lease in database["leases"] if lease["expires"] > database["wall"]}


def lost(leases: list[dict], databases: dict[str, dict], serving: str | None) -> list[dict] | None:
    """Return what clients hold and the serving server does not know of, or knows as another's."""
    database = databases.get(serving)
    if database is None or database["leases"] is None:
        return None
    known = running(database)
    found = []
    for lease in leases:
        if lease["to"] <= database["mono"]:
            continue
        entry = known.get(lease["address"])
        if entry is None:
            why = "missing"
        elif entry["state"] != 0:
            why = f"state {entry['state']}"
        elif entry["hw_address"] != lease["mac"]:
            why = f"owned by {entry['hw_address']}"
        else:
            continue
        found.append({"address": lease["address"], "mac": lease["mac"], "acked": lease["acked"], "why": why})
    return found


def difference(databases: dict[str, dict], released: set[tuple[str, str]]) -> tuple[list, list] | tuple[None, None]:
    """Return what the databases do not agree on, and apart what is left of released leases; None when one is unknown.

    What a client releases while one server is away stays in the other's database when that one is back: it is told
    of a lease by the client's last renewal, which is no newer than its own. Nobody is harmed, an address lies idle.
    """
    if len(databases) != 2 or any(database["leases"] is None for database in databases.values()):
        return None, None
    (one, mine), (other, theirs) = sorted(databases.items())
    mine, theirs = running(mine), running(theirs)
    found, left = [], []
    for address in sorted(mine.keys() | theirs.keys()):
        if address not in mine or address not in theirs:
            lease = mine.get(address) or theirs[address]
            given_back = (lease["hw_address"], address) in released
            (left if given_back else found).append(
                {"address": address, "what": f"only on {one if address in mine else other}"}
            )
            continue
        a, b = mine[address], theirs[address]
        unequal = [field for field in FIELDS.values() if a[field] != b[field]]
        if abs(a["expires"] - b["expires"]) > TOLERANCE:
            unequal.append("expires")
        found += [{"address": address, "what": field, one: a[field], other: b[field]} for field in unequal]
    return found, left


def database(reply: dict) -> list[dict]:
    """Return the leases in a reply to lease4-get-all, with what the checker compares."""
    return [
        {
            "address": lease["ip-address"],
            **{ours: lease.get(theirs, "") for theirs, ours in FIELDS.items()},
            "expires": lease["cltt"] + lease["valid-lft"],
        }
        for lease in reply.get("arguments", {}).get("leases", [])
    ]


# ---------------------------------------------------------------------------------------------------------------------
# all of it


def check(events: list[dict]) -> dict:
    """Return the report of a history. Moments in it are seconds from its first message."""
    clients = [event for event in events if event["kind"] in ("new", "renew", "crowd")]
    if not clients:
        raise ValueError("no client sent anything: the history holds nothing to judge")
    zero = clients[0]["mono"]
    prober = [event for event in events if event["kind"] == "prober"]
    # Up to `end` new clients come; a little later, at `over`, the last client has its answer or has none.
    over = next((event["mono"] for event in prober if "end" in event), clients[-1]["mono"])
    end = next((event["mono"] for event in prober if "closing" in event), over)
    head = next((event for event in events if event["kind"] == "probe"), {})
    watched = polls(events, end)
    leases = validity(events)
    databases = {event["host"]: event for event in events if event["kind"] == "leases"}
    stretches = answered_by(events)
    last_words = {(lease["mac"], lease["address"]): lease["released"] for lease in leases}
    unlike, left = difference(databases, {key for key, released in last_words.items() if released})

    serving = [host for host, seen in watched.items() if seen[-1][2]]
    last_server = stretches[-1]["server"] if stretches else None
    hosts = {event["server"]: event["host"] for event in events if event["kind"] == "state"}
    # When the servers' own words leave it open, the one that gave the last ACK.
    owner = serving[0] if len(serving) == 1 else hosts.get(last_server)

    def at(moment: float) -> float:
        return round(moment - zero, 3)

    def dated(entries: list[dict] | None, *keys: str) -> list[dict] | None:
        return entries and [{**entry, **{key: at(entry[key]) for key in keys}} for entry in entries]

    def tally(found: list[dict]) -> dict:
        served = [one for one in found if one["to"] is not None]
        gap, began = longest([one["to"] for one in served], found[0]["from"], end) if found else (0.0, zero)
        slowest = max((one["waited"] for one in found if one["to"] is not None or one["unanswered"]), default=0.0)
        return {
            "asked": len(found),
            "served": len(served),
            "unanswered": sum(one["unanswered"] for one in found),
            "repeated": sum(one["repeated"] for one in found),
            "naks": sum(one["naks"] for one in found),
            "longest_gap": round(gap, 3),
            "gap_at": at(began),
            "longest_wait": round(slowest, 3),
        }

    renewals = asked(events, "renew", over)
    renewed = tally(renewals)
    renewed["failed"] = renewed.pop("unanswered")
    renewed["rebound"] = sum(one["rebound"] and one["to"] is not None for one in renewals)
    both = merged([*of_all(watched, lambda look: look[2]), *mixed_answers(events)])
    since = normal_since(watched)
    marks = [{"at": at(event["mono"]), "text": event["text"]} for event in events if event["kind"] == "mark"]
    return {
        "pair": head.get("pair"),
        "command": head.get("command"),
        "servers": {host: server for server, host in hosts.items()},
        "seconds": at(end),
        "new": tally(asked(events, "new", over)),
        "renewals": renewed,
        "duplicates": dated(duplicates(leases), "from", "to"),
        "leases": sum(lease["to"] > end for lease in leases),
        "lost": dated(lost(leases, databases, owner), "acked"),
        "difference": unlike,
        "released_kept": left,
        "both_served": round(total(both), 3),
        "both_served_at": [[at(start), at(stop)] for start, stop in both],
        "neither_served": round(total(of_all(watched, lambda look: not look[2])), 3),
        "neither_up": round(total(of_all(watched, lambda look: look[1] == "silent")), 3),
        "answered_by": dated(stretches, "from", "to"),
        "states": dated(changes(watched), "at"),
        "normal_since": None if since is None else max(0.0, at(since)),
        "marks": marks,
        "late": max((event["late"] for event in prober if "late" in event), default=0.0),
    }


def counted(entries: list | int | None, one: str, many: str) -> str:
    if entries is None:
        return "unknown"
    number = entries if isinstance(entries, int) else len(entries)
    return f"{number} {one if number == 1 else many}"


def summary(report: dict) -> str:
    """Return the report for people."""
    new, renewals = report["new"], report["renewals"]
    kept = f"; and of released leases {len(report['released_kept'])} on one server" if report["released_kept"] else ""
    rows = [
        (
            "new clients",
            f"{new['asked']} asked, {new['served']} served, {new['unanswered']} unanswered, {new['repeated']} repeated;"
            f" longest gap {new['longest_gap']:.2f} s at {new['gap_at']:.1f} s, slowest {new['longest_wait']:.2f} s",
        ),
        (
            "renewals",
            f"{renewals['asked']} tried, {renewals['failed']} failed, {renewals['repeated']} repeated,"
            f" {renewals['rebound']} only by broadcast; longest gap {renewals['longest_gap']:.2f} s at"
            f" {renewals['gap_at']:.1f} s, slowest {renewals['longest_wait']:.2f} s",
        ),
        ("duplicates", counted(report["duplicates"], "address", "addresses")),
        ("lost", f"{counted(report['lost'], 'lease', 'leases')} of {report['leases']} that clients hold"),
        ("difference", counted(report["difference"], "entry", "entries") + kept),
        ("both served", f"{report['both_served']:.2f} s"),
        ("neither served", f"{report['neither_served']:.2f} s; neither up {report['neither_up']:.2f} s"),
    ]
    servers = {address: host for host, address in report["servers"].items()}
    stretches = []
    for each in report["answered_by"]:
        name = servers.get(each["server"], each["server"])
        stretches.append(f"{each['from']:7.2f} - {each['to']:7.2f} s  {counted(each['acks'], 'ACK', 'ACKs')} of {name}")
    if len(stretches) > 10:
        stretches[5:-4] = [f"    ... {len(stretches) - 9} more, by turns"]
    rows += [("", stretch) for stretch in stretches]
    moments = [(mark["at"], f"-- {mark['text']}") for mark in report["marks"]]
    moments += [(each["at"], f"{each['host']}: {each['from']} -> {each['to']}") for each in report["states"]]
    rows += [("", f"{moment:7.2f} s  {text}") for moment, text in sorted(moments)]
    since = report["normal_since"]
    rows.append(("normal", "not at the end" if since is None else f"since {since:.2f} s, of {report['seconds']:.1f} s"))
    if report["late"]:
        rows.append(
            ("measured", f"the machine held the prober up for {report['late']:.2f} s: gaps may be that shorter")
        )
    for name in ("duplicates", "lost", "difference"):
        rows += [(f"  {name}", json.dumps(entry)) for entry in (report[name] or [])[:10]]
    return "\n".join(f"{name:16}{text}" for name, text in rows)


def violations(
    report: dict,
    *,
    gap: float | None = None,
    wait: float | None = None,
    unanswered: int | None = None,
    failed: int | None = 0,
    rebound: int | None = None,
    duplicates: int | None = 0,
    lost: int | None = 0,
    difference: int | None = 0,
    both_served: float | None = 0.0,
    neither_up: float | None = None,
    normal: bool | None = True,
) -> list[str]:
    """Return a sentence for each limit that the report exceeds; None is no limit."""
    new, renewals = report["new"], report["renewals"]
    found = []

    def limit(what: str, value, most) -> None:
        if most is None:
            return
        if value is None:
            found.append(f"{what}: unknown, for a lease database could not be read; at most {most} may be")
        elif value > most:
            found.append(f"{what}: {value}, at most {most} may be")

    def number(entries: list | None) -> int | None:
        return None if entries is None else len(entries)

    limit("longest gap for new clients in seconds", new["longest_gap"], gap)
    limit("longest wait of a new client in seconds", new["longest_wait"], wait)
    limit("unanswered new clients", new["unanswered"], unanswered)
    limit("failed renewals", renewals["failed"], failed)
    limit("renewals only by broadcast", renewals["rebound"], rebound)
    limit("duplicate addresses", number(report["duplicates"]), duplicates)
    limit("lost leases", number(report["lost"]), lost)
    limit("differences of the databases", number(report["difference"]), difference)
    limit("seconds in which both served", report["both_served"], both_served)
    limit("seconds in which neither server was up", report["neither_up"], neither_up)
    if normal and report["normal_since"] is None:
        found.append("the servers were not in their normal state at the end")
    return found


def expect(report: dict, **limits) -> None:
    """Fail with everything that exceeds its limit, and the summary; the limits are those of violations()."""
    found = violations(report, **limits)
    if found:
        raise AssertionError("\n".join([*found, "", summary(report)]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("history", type=Path)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    args = parser.parse_args()
    try:
        report = check(load(args.history))
    except (OSError, ValueError) as exc:
        print(f"history: {exc}", file=sys.stderr)
        return 1
    print(json.dumps(report, indent=2) if args.json else summary(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
