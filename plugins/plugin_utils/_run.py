# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run of a playbook this is, and whether another one is over. On the controller."""

from __future__ import annotations

import getpass
import multiprocessing
import os
import platform
import subprocess
from collections.abc import Mapping
from typing import Any


def _main_process() -> int:
    """Return the process of ansible-playbook; tasks and their templates run in children of it."""
    parent = multiprocessing.parent_process()
    return parent.pid if parent and parent.pid else os.getpid()


def _started(pid: int) -> str | None:
    """Return when a process was started, in a form that is never used twice for its number; None if it is over."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
            # The name, in brackets, may hold anything.
            return stream.read().rpartition(")")[2].split()[19]
    except FileNotFoundError:
        if os.path.exists("/proc/self/stat"):
            return None
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "".join(char for char in done.stdout if char.isalnum()) or None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _name(controller: str, pid: int, started: str | None) -> str:
    return f"{controller}-{pid}-{started}"


def this_run() -> dict[str, Any]:
    """Return ``id``, ``controller``, ``user`` and ``pid`` of the run at work."""
    pid, controller = _main_process(), platform.node() or "localhost"
    return {"id": _name(controller, pid, _started(pid)), "controller": controller, "user": _user(), "pid": pid}


def is_over(other: Mapping[str, Any]) -> bool:
    """Tell whether a run that a journal names is known to be over: one of the same user and controller, and gone."""
    mine = this_run()
    if (other.get("controller"), other.get("user")) != (mine["controller"], mine["user"]):
        return False
    pid = other.get("pid")
    return not isinstance(pid, int) or _name(mine["controller"], pid, _started(pid)) != other.get("id")
