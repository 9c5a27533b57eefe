# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a running DHCPv4 server follow its new file by commands, prove that, and take it back.

Private to this collection. Results of commands are believed only when they refuse: what the server runs afterwards is
the proof, in both directions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.keaops.kea.plugins.module_utils import _drift, _live_changes
from ansible_collections.keaops.kea.plugins.module_utils._api import KeaApiError
from ansible_collections.keaops.kea.plugins.module_utils._running import digest_of

if TYPE_CHECKING:
    from ansible_collections.keaops.kea.plugins.module_utils._apply import System

_TIMEOUT = 30
_SHOWN = 3


class LiveChange:
    """A change of one running server.

    Args:
        system: the host.
        socket: the server's own UNIX socket.
        was: what it runs, as ``_drift.running`` returns it.
        old: the configuration in place, ``{"Dhcp4": {...}}``.
        new: the wanted one.
    """

    def __init__(
        self, system: System, socket: str, was: dict[str, Any], old: dict[str, Any], new: dict[str, Any]
    ) -> None:
        self._system = system
        self._socket = socket
        self._was = was
        self._new = new["Dhcp4"]
        self._steps = _live_changes.steps(old, new) or []
        # What was sent, and not refused.
        self._sent: list[_live_changes.Step] = []

    def unable(self) -> str:
        """Return why the server cannot be changed by commands, or nothing."""
        try:
            known = self._system.api(self._socket, "list-commands", _TIMEOUT).arguments
        except KeaApiError as exc:
            return f"the server does not tell its commands: {exc}"
        missing = sorted(_live_changes.COMMANDS - set(known if isinstance(known, list) else []))
        if not missing:
            return ""
        return (
            f"the server does not know {', '.join(missing)}: that takes Kea 3.0 or later, started with the hooks "
            f"{_live_changes.SUBNET_HOOK} and {_live_changes.HOST_HOOK}"
        )

    def make(self) -> str:
        """Send the commands; returns why the server does not run the new configuration then, or nothing."""
        for step in self._steps:
            # One without an answer may have come through all the same.
            self._sent.append(step)
            refusal, silence = self._send(step.do)
            if refusal:
                self._sent.pop()
            if refusal or silence:
                return refusal or silence
        return self._unproven()

    def _send(self, command: _live_changes.Command) -> tuple[str, str]:
        """Send a command; returns how Kea refuses it, and why there is no answer."""
        try:
            reply = self._system.api(self._socket, command.name, _TIMEOUT, command.arguments)
        except KeaApiError as exc:
            return "", f"no answer to {command.name}: {exc}"
        return "" if reply.result == 0 else f"Kea refuses {command.name}: {reply.text}", ""

    def _unproven(self) -> str:
        now = _drift.running(self._system, self._socket)
        if now is None:
            return "the server does not tell what it runs"
        found = _live_changes.unlike(now, self._new)
        if not found and _rest(now) != _rest(self._was):
            found = ["something else than its subnets has changed, too"]
        if not found:
            return ""
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        return f"the server took the commands, and does not run what is in the file: {'; '.join(found[:_SHOWN])}{more}"

    def take_back(self) -> str:
        """Send what takes the change back; returns why the server does not run what it ran before then, or nothing."""
        for step in reversed(self._sent):
            _refusal, silence = self._send(step.undo)
            if silence:
                return silence
        now = _drift.running(self._system, self._socket)
        if now is None:
            return "the server does not tell what it runs"
        return "" if digest_of(now) == digest_of(self._was) else "the server does not run what it ran before"


def _rest(section: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key != "subnet4"}
