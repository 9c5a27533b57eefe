# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a host: which run changes Kea here, and what it has changed so far. Private to this collection.

It is a lock between controllers for as long as it is open, from the first change of a run to the end of the run, and
tells the next run what one that died has left. The host's own lock, the kernel's, guards single changes.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ansible_collections.keaops.kea.plugins.module_utils._apply import System

FILE = "journal.json"
#: How a run ended on a host.
KEPT = "kept"
TAKEN_BACK = "taken back"


class Run(NamedTuple):
    """One run of a playbook, and who runs it."""

    id: str
    controller: str
    user: str
    pid: int
    partner: str
    settles: tuple[str, ...]
    """Ids of runs that are known to be over and may be settled by this one."""


def run_spec() -> dict[str, Any]:
    """Return the options of a module that say which run it works for."""
    return {
        "id": {"type": "str", "required": True},
        "controller": {"type": "str", "required": True},
        "user": {"type": "str", "required": True},
        "pid": {"type": "int", "default": 0},
        "partner": {"type": "str", "default": ""},
        "settles": {"type": "list", "elements": "str", "default": []},
    }


def run_of(params: dict[str, Any] | None) -> Run | None:
    """Return the run that a module was told."""
    return Run(**dict(params, settles=tuple(params["settles"]))) if params else None


class Busy(Exception):
    """Another run is at work on this host, or died here; the text is for people."""


def ago(seconds: float) -> str:
    """Return a duration in words."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size or (seconds >= size and size > 60):
            number = int(seconds // size)
            return f"{number} {unit}{'' if number == 1 else 's'} ago"
    return f"{int(max(seconds, 0))} s ago"


def describe(journal: dict[str, Any], now: float) -> str:
    """Return who has opened a journal, when, and how far that run has come."""
    step = journal.get("step") or "its first step"
    return (
        f"the run {journal.get('id')} of {journal.get('user')} on {journal.get('controller')}, begun "
        f"{ago(now - journal.get('opened', now))}, last heard of {ago(now - journal.get('updated', now))} ({step})"
    )


def read(system: System) -> dict[str, Any]:
    """Return what the journal says, empty when there is none or nobody can read it."""
    try:
        found = json.loads((system.read(os.path.join(system.state_dir, FILE)) or b"{}").decode("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class Journal:
    """The journal of a host in the hands of one run, which holds the host's lock.

    Args:
        system: the host.
        run: the run, or None for a change that belongs to none. That leaves no trace, but respects those of others.
    """

    def __init__(self, system: System, run: Run | None) -> None:
        self._system = system
        self._run = run
        self._data = read(system)
        self._entry: dict[str, Any] | None = None

    @property
    def open(self) -> bool:
        """Whether this run has something here that is not ended."""
        return bool(self._run and self._data.get("open") and self._data.get("id") == self._run.id)

    def claim(self) -> str:
        """Take over what a run has left that is over; returns a sentence about it, or nothing.

        Raises:
            Busy: the journal is another run's.
            OSError: it cannot be written.
        """
        data, run = self._data, self._run
        if not data.get("open") or (run and data.get("id") == run.id):
            return ""
        now = self._system.epoch()
        who = describe(data, now)
        if run is None or data.get("id") not in run.settles:
            raise Busy(
                f"Kea on this host is being changed by {who}. Nothing was touched. Wait until that run has ended. If "
                "it is over for certain, because its controller is gone, run site.yml with "
                f"-e kea_settle_run={data.get('id')}"
            )
        # Its changes go on to belong to somebody: to be kept or taken back.
        self._write({**data, **self._owner(), "opened": now})
        return f"settles what {who} has left"

    def old(self, daemon: str) -> dict[str, Any] | None:
        """Return what a daemon was before the run, None if the run has not changed it."""
        entry = self._data.get("daemons", {}).get(daemon) if self.open else None
        return entry["old"] if entry else None

    def begin(self, daemon: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        """Note that a daemon is about to be changed.

        Raises:
            OSError: it cannot be written.
        """
        if self._run is None:
            return
        # What counts is how it was before the run, however often that changes it.
        old = self.old(daemon) or old
        self._entry = self._data.get("daemons", {}).get(daemon) if self.open else None
        head = {"opened": self._system.epoch(), "daemons": {}} if not self.open else self._data
        daemons = {**head["daemons"], daemon: {"old": old, "new": new}}
        self._write({**head, **self._owner(), "open": True, "daemons": daemons, "step": f"{daemon}: being changed"})

    def proven(self, daemon: str) -> None:
        """Note that a daemon serves as it should; if it is as it was before the run, nothing is left to take back.

        Raises:
            OSError: it cannot be written.
        """
        if not self.open:
            return
        entry = self._data["daemons"][daemon]
        daemons = dict(self._data["daemons"])
        if all(entry["old"].get(key) == value for key, value in entry["new"].items()):
            del daemons[daemon]
        self._write({**self._data, "daemons": daemons, "step": f"{daemon}: changed and proven"})

    def undone(self, daemon: str) -> None:
        """Note that a change failed and left the daemon as it was before.

        Raises:
            OSError: it cannot be written.
        """
        if self.open:
            daemons = {name: entry for name, entry in self._data["daemons"].items() if name != daemon}
            if self._entry:
                daemons[daemon] = self._entry
            self._write({**self._data, "daemons": daemons, "step": f"{daemon}: change failed, put back"})

    def close(self, outcome: str) -> bool:
        """End the run on this host; returns whether there was anything to end.

        Raises:
            OSError: it cannot be written.
        """
        if not self.open:
            return False
        self._write({**self._data, "open": False, "daemons": {}, "outcome": outcome, "step": "ended"})
        return True

    def _owner(self) -> dict[str, Any]:
        assert self._run is not None
        return {key: value for key, value in self._run._asdict().items() if key != "settles"}

    def _write(self, data: dict[str, Any]) -> None:
        data = {**data, "updated": self._system.epoch()}
        path = os.path.join(self._system.state_dir, FILE)
        self._system.make_folder(self._system.state_dir)
        self._system.write(path + ".new", json.dumps(data).encode("utf-8"), (os.geteuid(), os.getegid()), 0o600)
        self._system.replace(path + ".new", path)
        self._data = data
