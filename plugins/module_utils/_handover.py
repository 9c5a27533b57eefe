# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the partner serve while a server of a pair is changed. Private to this collection.

Kea's answers to the commands of maintenance prove nothing, so the states of both servers are asked for, each at the
server itself. The partner is reached as the server reaches it: by what the configuration in place says.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.keaops.kea.plugins.module_utils import _compare
from ansible_collections.keaops.kea.plugins.module_utils._api import KeaApiError
from ansible_collections.keaops.kea.plugins.module_utils._state import NORMAL_STATES, describe, normalise

if TYPE_CHECKING:
    from ansible_collections.keaops.kea.plugins.module_utils._apply import System

#: The states of a server that has left its clients to its partner, and of the partner meanwhile.
DRAINED = "in-maintenance"
STANDING_IN = "partner-in-maintenance"
ALONE = "partner-down"
#: Kea looks at its timers when a packet or a command arrives, else once a second: asking it wakes it up.
NUDGE_SECONDS = 0.05
#: RFC 2131, 4.1: a client repeats after 4 s, give or take one. The one whose lease the partner could not tell to a
#: server that was stopped gets no answer; when it repeats, the partner is to be there still.
REPEAT_SECONDS = 5
# Kea's own, where a configuration does not say.
_HEARTBEAT_MS = 10000
# What a busy host takes beside the heartbeats.
_GRACE_SECONDS = 5


class Door(NamedTuple):
    """Where a server answers its partner, and what its partner shows there; None without TLS or password."""

    url: str
    ca_path: str | None = None
    cert: str | None = None
    key: str | None = None
    user: str | None = None
    password_file: str | None = None


def doors_of(section: dict[str, Any]) -> tuple[Door | None, Door | None]:
    """Return where the server that runs *section* is reached, and where its partner is; None where it has none.

    Args:
        section: the value of ``Dhcp4``.
    """
    ha = _compare.high_availability(section) or {}
    own, partner = None, None
    for peer in ha.get("peers") or []:
        files = [peer.get(name, ha.get(name)) for name in ("trust-anchor", "cert-file", "key-file")]
        url = str(peer.get("url"))
        door = Door(
            url,
            *(files if url.startswith("https:") else [None, None, None]),
            user=peer.get("basic-auth-user"),
            password_file=peer.get("basic-auth-password-file"),
        )
        if peer.get("name") == ha.get("this-server-name"):
            own = door
        elif peer.get("role") != "backup":
            partner = door
    return own, partner


class Partnership:
    """A server and its partner.

    Args:
        system: the host.
        section: the value of ``Dhcp4`` that the server runs.
        socket: the server's own UNIX socket.
    """

    def __init__(self, system: System, section: dict[str, Any], socket: str | None) -> None:
        self._system = system
        self._socket = socket
        ha = _compare.high_availability(section) or {}
        self._door = doors_of(section)[1]
        self.heartbeat = (ha.get("heartbeat-delay") or _HEARTBEAT_MS) / 1000
        #: Whatever one server does is known to the other one by then.
        self.patience = 3 * self.heartbeat + _GRACE_SECONDS

    def own(self) -> dict[str, Any] | None:
        """Return the normalised state of the server, None if it does not answer."""
        if self._socket is None:
            return None
        try:
            reply = self._system.api(self._socket, "status-get")
        except KeaApiError:
            return None
        return normalise(reply.arguments or {}, ha_expected=True) if reply.result == 0 else None

    def partner_state(self) -> str | None:
        """Return the state that the partner itself tells, else the one this server last heard of, else None.

        The partner may take another password, or trust another CA, than what is in the files of this host by now.
        """
        if self._door is not None:
            with contextlib.suppress(KeaApiError):
                reply = self._system.knock(self._door, "ha-heartbeat")
                if reply.result == 0:
                    return (reply.arguments or {}).get("state")
        ha = self.own()
        return ((ha or {}).get("partner") or {}).get("state")

    def unfit(self, ha: dict[str, Any], states: list[str]) -> str:
        """Return why the server must not be interrupted now, empty if it may.

        Args:
            ha: its normalised state.
            states: the states in which both are well.
        """
        partner = ha.get("partner") or {}
        if ha.get("state") == DRAINED and partner.get("state") in (STANDING_IN, ALONE):
            return ""
        if ha.get("state") not in states:
            return f"It is a {describe(ha)}"
        if ha["state"] not in NORMAL_STATES:
            # It may be changed all the same, and its partner cannot be well.
            return ""
        if partner.get("interrupted") or partner.get("in_touch") is False or partner.get("state") == "unavailable":
            return f"It does not hear its partner: it is a {describe(ha)}"
        if partner.get("state") not in states:
            return f"Its partner is not ready: it is a {describe(ha)}"
        if (partner.get("age") or 0) > self.patience:
            return f"It has not heard of its partner for {partner['age']} s: it is a {describe(ha)}"
        if ha["state"] == "hot-standby" and bool(ha.get("scopes")) == bool(partner.get("scopes")):
            who = "Both servers answer" if ha.get("scopes") else "Neither server answers"
            return f"{who} the clients: it is a {describe(ha)}"
        return ""

    def wait_until_fit(self, states: list[str], patient: bool = True) -> tuple[dict[str, Any] | None, str]:
        """Wait until the server may be interrupted; returns its state then, and why it still must not be.

        What a server knows of its partner is as old as the last heartbeat.
        """
        deadline = self._system.now() + (self.patience if patient else 0)
        while True:
            ha = self.own()
            problem = self.unfit(ha, states) if ha and ha["ha"] else "It does not answer any more"
            if not problem or self._system.now() >= deadline:
                return ha, problem
            self.pause()

    def leave(self) -> str:
        """Have the server answer nobody and wait until its partner stands in; returns why that failed, or nothing.

        The server's own part alone is asked for: the partner's listener forbids the command that would do both. The
        partner sees it with its next heartbeat.
        """
        self._let_clients_repeat()
        try:
            reply = self._system.api(self._socket, "ha-maintenance-notify", arguments={"cancel": False})
        except KeaApiError as exc:
            return str(exc)
        if reply.result != 0:
            return f"Kea says: {reply.text}"
        found = self.wait_for_partner(STANDING_IN, ALONE)
        return "" if found in (STANDING_IN, ALONE) else f"the partner is in state {found or 'unknown'}"

    def _let_clients_repeat(self) -> None:
        """Wait while clients that were not answered when the partner came back may still have to repeat.

        It needs up to three heartbeats from its start to its normal state.
        """
        until = REPEAT_SECONDS + 3 * self.heartbeat
        deadline = self._system.now() + until
        while self._partner_uptime(until) < until and self._system.now() < deadline:
            self.pause()

    def _partner_uptime(self, unknown: float) -> float:
        """Return the seconds since the partner was started; *unknown* when it does not say."""
        if self._door is not None:
            with contextlib.suppress(KeaApiError):
                return (self._system.knock(self._door, "status-get").arguments or {}).get("uptime", unknown)
        return unknown

    def wait_for_partner(self, *states: str) -> str | None:
        """Wait until the partner tells one of these states; returns the last one it told."""
        deadline = self._system.now() + self.patience
        while True:
            found = self.partner_state()
            if found in states or self._system.now() >= deadline:
                return found
            self.pause()

    def take_over(self) -> bool:
        """Have the server serve alone, whose partner does not; returns whether it has answered.

        With a partner that it cannot reach a server would wait for max-response-delay first.
        """
        with contextlib.suppress(KeaApiError):
            self._system.api(self._socket, "ha-maintenance-start", timeout=15)
            return True
        return False

    def pause(self, seconds: float = 0.2) -> None:
        """Sleep, and keep the server awake meanwhile."""
        nudge(self._system, self._socket, seconds)


def nudge(system: System, socket: str | None, seconds: float) -> None:
    """Sleep, and ask the server behind *socket* something all the time, so that its timers are in time."""
    for _step in range(round(seconds / NUDGE_SECONDS)):
        system.sleep(NUDGE_SECONDS)
        if socket is not None:
            # It may be on its way up.
            with contextlib.suppress(KeaApiError):
                system.api(socket, "ha-heartbeat", timeout=1)
