# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the changes of a run at its end: kept, or put back so that both servers of a pair are equal."""

from __future__ import annotations

from typing import Any, NamedTuple

AUTO = "auto"


class Member(NamedTuple):
    """What is known of one host of a pair at the end of a run."""

    host: str
    trouble: str = ""
    """Why its part of the run failed; empty when it did not."""
    follows: bool = False
    """Only because that of its partner did."""
    lost: bool = False
    """It cannot be reached any more, so nothing is known of its part."""
    open: bool = False
    """The run has changed something there."""
    changed: bool = False
    """Its server runs with what the run has brought."""
    put_back: bool = False
    """What the run has changed there was put back."""
    why_not: str = ""
    """Why that did not work."""
    partner_equal: bool | None = None
    """Whether a partner that was lost was seen, through its API, to have the new configuration."""


def decide(me: Member, partner: Member, policy: str, breaking: bool = False) -> dict[str, Any]:
    """Return what is to be done on a host at the end of the run, empty if nothing.

    Args:
        policy: kea_rollback.
        breaking: how the two talk to each other has changed. Once both have that, there is no way back but forward: a
            server that went back would not be heard.

    Returns:
        ``failed``: the run failed for this pair. ``take_back``: put back what it has changed on this host.
        ``ask_partner``: only if the partner, which cannot be reached, does not have the new configuration.
    """
    failed = any(member.trouble or member.lost for member in (me, partner))
    if not failed and not me.open:
        return {}
    take_back = failed and me.open and policy == AUTO and not _both_changed(me, partner, breaking)
    return {"failed": failed, "take_back": take_back, "ask_partner": take_back and partner.lost}


def _both_changed(me: Member, partner: Member, breaking: bool) -> bool:
    return breaking and me.changed and partner.changed


def _same_again(member: Member) -> bool:
    return not member.lost and not member.why_not and (member.put_back or not member.open)


def _line(member: Member, policy: str) -> str:
    if member.lost:
        return f"{member.host} cannot be reached any more; a change that had begun there ends by itself."
    if _same_again(member):
        return f"{member.host} has what it had before this run."
    if member.why_not:
        return f"{member.host} was NOT put back and keeps what this run has changed: {member.why_not.rstrip('.')}."
    if member.partner_equal:
        return f"{member.host} keeps what this run has changed, because its partner has it, too."
    why = "it could not be seen what its partner has" if policy == AUTO else "kea_rollback says so"
    return f"{member.host} keeps what this run has changed, because {why}."


def _why(member: Member) -> str:
    text = member.trouble.rstrip(".")
    return text if text.startswith(f"{member.host}: ") else f"{member.host}: {text}"


def closing_words(me: Member, partner: Member, policy: str, breaking: bool = False) -> str:
    """Return the last words of a run that failed: why, what was put back, and what to do."""
    members = (me, partner)
    words = [f"{_why(member)}." for member in members if member.trouble and not member.follows]
    if _both_changed(me, partner, breaking) and not any(member.put_back for member in members):
        words.append("Both servers keep what this run has changed. Mend the cause and run site.yml again.")
    elif all(_same_again(member) for member in members):
        words.append("Both servers have what they had before this run. Mend the cause and run again.")
    else:
        words += [_line(member, policy) for member in members]
        equal = any(member.partner_equal and not member.put_back for member in members)
        words.append("The two are equal." if equal else "The two may differ.")
        words.append("Mend the cause and run site.yml again: it ends what is open on both.")
    return " ".join(words)
