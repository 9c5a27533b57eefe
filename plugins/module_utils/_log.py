# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of Kea's log as messages with a time, and which of them tell something about high availability.

Private to this collection.
"""

from __future__ import annotations

import calendar
import re
import time
import typing as t

ERRORS = ("ERROR", "FATAL")
WARNING = "WARN"

_LINE = re.compile(
    r"^(?P<moment>(?P<year>\d{4}-|\d{2}\.)\d\d[-.]\d\d \d\d:\d\d:\d\d)(?P<fraction>\.\d+)? +"
    r"(?P<level>DEBUG|INFO|WARN|ERROR|FATAL) +\[(?P<logger>[^\]]*)\] (?P<id>[A-Z][A-Z0-9_]+)"
)
_TRANSITION = re.compile(r"HA_STATE_TRANSITION\S* .*transitions? from \S+ to (\S+) state")
# A server says so to its partner when it has copied the leases; its own state follows within two heartbeats.
_PARTNER_IS_BACK = re.compile(r"COMMAND_RECEIVED .*'ha-sync-complete-notify'")


class Message(t.NamedTuple):
    """One message of a daemon.

    Attributes:
        time: when, in seconds since the epoch.
        level: Kea's word for its severity.
        id: Kea's name of the message.
        about_ha: whether the HA hook wrote it.
        text: the line.
    """

    time: float
    level: str
    id: str
    about_ha: bool
    text: str

    @property
    def notable(self) -> bool:
        """Whether it is about high availability or an error."""
        return self.about_ha or self.level in ERRORS


def parse(lines: t.Iterable[str]) -> list[Message]:
    """Return the messages in the lines of a log. Lines in a form of somebody's own, without a time, are left out.

    Kea writes local time, all versions alike; with two digits of a year, as the templates have the Control Agent write,
    it is UTC.
    """
    found = []
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        try:
            moment = _seconds(match.group("moment"), local=match.group("year").endswith("-"))
        except ValueError:
            continue
        name = match.group("id")
        about_ha = name.startswith("HA_") or ".ha-hooks" in match.group("logger")
        moment += float(match.group("fraction") or 0)
        found.append(Message(moment, match.group("level"), name, about_ha, line.rstrip()))
    return found


def _seconds(text: str, local: bool) -> float:
    if local:
        return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S"))
    return calendar.timegm(time.strptime(text, "%y.%m.%d %H:%M:%S"))


def since_working(messages: t.Sequence[Message], states: t.Collection[str]) -> list[Message]:
    """Return the messages since the pair began to work last, all of them when that was before the first.

    That is this server's last change to one of *states*, or the last time its partner told that it has caught up,
    whichever is later. What fails until then is natural: one of the two was being restarted.
    """
    begin = 0
    for number, message in enumerate(messages):
        transition = _TRANSITION.search(message.text)
        if (transition and transition.group(1).lower() in states) or _PARTNER_IS_BACK.search(message.text):
            begin = number + 1
    return list(messages[begin:])
