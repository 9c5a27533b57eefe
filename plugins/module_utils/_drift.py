# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody else has changed since the collection applied a configuration: in its file, or in the running daemon.

Private to this collection. After a proven start the marker notes a digest of what the daemon says that it runs, and a
record beside it holds file and running configuration without their secrets, so that a difference can be shown.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from ansible_collections.keaops.kea.plugins.module_utils import _compare
from ansible_collections.keaops.kea.plugins.module_utils._api import KeaApiError, hide_secrets
from ansible_collections.keaops.kea.plugins.module_utils._running import digest_of

if TYPE_CHECKING:
    from ansible_collections.keaops.kea.plugins.module_utils._apply import Daemon, System

FILE = "file"
RUNNING = "running"
# A configuration with 100,000 reservations takes Kea seconds to print.
_TIMEOUT = 30
_SHOWN = 8
_HIDDEN_CHANGE = "a secret, or the order of a list"


def running(system: System, socket: str | None, key: str = "Dhcp4") -> dict[str, Any] | None:
    """Return the configuration that the daemon behind a UNIX socket runs, None if it does not tell."""
    try:
        reply = system.api(socket, "config-get", _TIMEOUT) if socket else None
    except KeaApiError:
        return None
    section = reply.arguments.get(key) if reply and isinstance(reply.arguments, dict) else None
    return _normal(section) if isinstance(section, dict) else None


def _normal(value: Any) -> Any:
    """Sort the reservations: Kea prints them in an order of its own."""
    if isinstance(value, dict):
        return {
            key: sorted(item, key=digest_of) if key == "reservations" and isinstance(item, list) else _normal(item)
            for key, item in value.items()
        }
    return [_normal(item) for item in value] if isinstance(value, list) else value


def _record_path(system: System, daemon: Daemon) -> str:
    return os.path.join(system.state_dir, daemon.name + ".applied.json")


def remember(system: System, daemon: Daemon, content: Any, socket: str | None) -> str | None:
    """Record what has just been proven to serve; returns the digest of what runs, None if the daemon tells nothing.

    Raises:
        OSError: the record cannot be written.
    """
    config = running(system, socket, daemon.key) if daemon.api == "unix" else None
    path = _record_path(system, daemon)
    record = json.dumps(hide_secrets({FILE: content, RUNNING: config})).encode("utf-8")
    system.make_folder(system.state_dir)
    system.write(path + ".new", record, (os.geteuid(), os.getegid()), 0o600)
    system.replace(path + ".new", path)
    return None if config is None else digest_of(config)


def _recorded(system: System, daemon: Daemon) -> dict[str, Any]:
    try:
        found = json.loads((system.read(_record_path(system, daemon)) or b"{}").decode("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def running_changes(
    system: System, daemon: Daemon, marker: dict[str, Any], config: dict[str, Any] | None, executable: str
) -> list[str]:
    """Return what the daemon runs differently from what was applied, as lines; empty when it does not, or none knows.

    Args:
        marker: what is known of the last proven configuration.
        config: what ``running`` returned.
        executable: the daemon's program.
    """
    if config is None or not marker.get(RUNNING) or digest_of(config) == marker[RUNNING]:
        return []
    before = _recorded(system, daemon).get(RUNNING)
    if marker.get("kea_version") == (system.run([executable, "-v"], timeout=20).out.strip() or None):
        return _lines(before, config)
    # Another version prints other defaults: only what both show can be held against it.
    found = _compare.compare(before, hide_secrets(config)) if isinstance(before, dict) else []
    return _shortened([item.change() for item in found])


def file_changes(system: System, daemon: Daemon, marker: dict[str, Any], data: bytes | None, content: Any) -> list[str]:
    """Return what the file in place says differently from what was applied, as lines.

    Args:
        marker: what is known of the last proven configuration.
        data: the file, None if there is none: then the next run writes it, and takes nothing back.
        content: its meaning, None if it has none.
    """
    if data is None or not marker.get("digest"):
        return []
    if content is None:
        return ["it cannot be read as Kea's JSON any more"]
    if digest_of(content) == marker["digest"]:
        return []
    section = content.get(daemon.key) if isinstance(content, dict) else None
    if not isinstance(section, dict):
        return [f"it has no {daemon.key} any more"]
    return _lines((_recorded(system, daemon).get(FILE) or {}).get(daemon.key), section)


def _lines(before: Any, after: dict[str, Any]) -> list[str]:
    if not isinstance(before, dict):
        return ["there is no record of what it was"]
    found = _compare.changes(before, hide_secrets(after))
    return _shortened([item.change() for item in found]) or [_HIDDEN_CHANGE]


def _shortened(lines: list[str]) -> list[str]:
    if len(lines) <= _SHOWN:
        return lines
    return [*lines[: _SHOWN - 1], f"and {len(lines) - _SHOWN + 1} more"]
