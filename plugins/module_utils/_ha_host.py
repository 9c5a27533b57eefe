# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server led to a goal on its host: look, decide, act, look again. Private to this collection.

What to do is decided in :mod:`_ha_control`, from the states of both servers each time. Everything that touches the host
goes through :class:`_apply.System`, and the partner is asked over the URL that the servers use.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any, Callable, NamedTuple

from ansible_collections.keaops.kea.plugins.module_utils import _apply, _compare, _ha_control, _journal, _leases
from ansible_collections.keaops.kea.plugins.module_utils._api import KeaApiError, KeaClient, leases
from ansible_collections.keaops.kea.plugins.module_utils._handover import REPEAT_SECONDS
from ansible_collections.keaops.kea.plugins.module_utils._state import clock_skew, normalise

DRAINED = _ha_control.DRAINED
POLL_SECONDS = 0.2
#: An action that has to be done more often than this does not help.
MAX_TRIES = 2
#: Kea itself waits 10 s for its partner.
COMMAND_SECONDS = 15
#: What Kea reads at its start, the clean-up of leases included.
LEASE_FILE = "/var/lib/kea/kea-leases4.csv"
LEASE_ENDINGS = ("", ".1", ".2", ".completed", ".output")
LOG_BYTES = 1024**2
#: With these goals the leases of both servers are compared.
COMPARES = ("gathered", "synced")
#: For so many seconds Kea keeps the partner from answering, if this server dies while it copies; else less than one.
SYNC_SECONDS = 20


class ControlError(Exception):
    """The goal was not reached, or is refused.

    Attributes:
        kind (str): ``refused``, ``split``, ``timeout``, ``died``, ``command``.
    """

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


class Wanted(NamedTuple):
    """Where the server shall be led. See the options of the module kea_ha."""

    goal: str
    here: str
    timeout: float
    partner_stopped: bool
    partner_version: str | None
    leases: str


class Control:
    """One server and its way to a goal.

    Args:
        system: the host.
        wanted: the goal.
        socket: the server's control socket.
        partner: makes the client for the partner's URL; None when there is no URL.
    """

    def __init__(
        self, system: _apply.System, wanted: Wanted, socket: str, partner: Callable[[], KeaClient] | None
    ) -> None:
        self.system = system
        self.wanted = wanted
        self.socket = socket
        self.partner = partner
        self.daemon = _apply.DAEMONS["dhcp4"]
        self.unit = _apply.Unit(system, self.daemon.unit)
        self.actions: list[str] = []
        self.moved: list[str] = []
        self._began = False
        self._content = _apply.parsed(self._read(self.daemon.path))

    # -- look

    def own(self) -> _ha_control.Own:
        """Return this server as it is now."""
        state = self.unit.state()
        running = state.active == "active" or (state.active == "activating" and state.sub != "auto-restart")
        expected = _apply.uses_ha(self._content, self.daemon.key)
        ha = _apply.ha_state(self.system, self.socket, expected) if running else None
        own = _ha_control.Own(running, ha, str(self._block().get("this-server-name") or ""))
        return own._replace(lacks=self._lacks()) if self.wanted.goal in COMPARES and own.normal else own

    def _block(self) -> dict[str, Any]:
        return _compare.high_availability((self._content or {}).get(self.daemon.key) or {}) or {}

    def _lacks(self) -> list[str] | None:
        """Return the addresses of leases that the partner has and this server has not; None when it is not known."""
        if self.partner is None:
            return None
        try:
            theirs, mine = (leases(client) for client in (self.partner(), self.system.client(self.socket)))
        except KeaApiError:
            return None
        return None if theirs is None or mine is None else _leases.lacking(mine, theirs, self.system.epoch())

    def peer(self) -> _ha_control.Peer:
        """Return the partner as it is now."""
        if self.partner is None:
            return _ha_control.Peer(None, "nobody said where it is", self.wanted.partner_stopped)
        try:
            status = self.partner().command("status-get", check=True).arguments or {}
        except KeaApiError as exc:
            return _ha_control.Peer(None, str(exc), self.wanted.partner_stopped)
        return _ha_control.Peer(normalise(status, ha_expected=True), "", self.wanted.partner_stopped)

    def view(self) -> dict[str, Any]:
        """Return everything that is to be known of this server, for a decision about the pair."""
        own, peer = self.own(), self.peer()
        return {
            "running": own.running,
            "ha": own.ha,
            "server_name": own.name,
            "lacks": own.lacks,
            "partner": peer.ha,
            "link": peer.problem,
            "clock_skew": self._skew() if peer.ha else None,
            "dead": "" if own.running else self._last_words(),
            "cause": _ha_control.termination_cause(self._log()) if own.state == "terminated" else "",
            "leases": self._lease_problem(),
            "proven": self._proven(),
            "agent": self._agent(),
            "run": self._run(),
        }

    def _run(self) -> str:
        journal = _journal.read(self.system)
        return _journal.describe(journal, self.system.epoch()) if journal.get("open") else ""

    def _agent(self) -> bool | None:
        """Tell whether the Control Agent runs, through which the partner hears this server; None without one."""
        if not _apply.uses_ha(self._content, self.daemon.key) or _apply.listener_of(self._content, self.daemon.key):
            return None
        return _apply.Unit(self.system, _apply.DAEMONS["ctrl_agent"].unit).state().active == "active"

    def _skew(self) -> float | None:
        asked = time.time()
        try:
            heartbeat = self.partner().command("ha-heartbeat", check=True).arguments or {}
        except KeaApiError:
            return None
        return clock_skew(heartbeat, asked, time.time())

    def _log(self) -> list[str]:
        try:
            with open(self.daemon.log_file, "rb") as stream:
                stream.seek(0, os.SEEK_END)
                stream.seek(max(stream.tell() - LOG_BYTES, 0))
                return stream.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return []

    def _last_words(self) -> str:
        """Return why the server is not there, as far as it or systemd has said so."""
        done = self.system.run(
            ["journalctl", "-u", self.daemon.unit, "-o", "cat", "--no-pager", "-q", "-n", "40"], timeout=20
        )
        lines = done.out.splitlines() if done.rc == 0 else []
        since = max((number for number, line in enumerate(lines) if line.startswith("Started ")), default=0)
        errors = _apply.important(lines[since:]) or _apply.important(self._log()[-40:])
        if any("Stopped " in line for line in lines[-2:]) or not errors:
            return ""
        return _apply.reason_in(errors) if len(errors) > 1 else errors[0]

    def _lease_path(self) -> str:
        database = ((self._content or {}).get(self.daemon.key) or {}).get("lease-database") or {}
        return os.path.join(os.path.dirname(LEASE_FILE), str(database.get("name") or LEASE_FILE))

    def _lease_problem(self) -> str:
        for ending in LEASE_ENDINGS[:-1]:
            path = self._lease_path() + ending
            if not self.system.exists(path):
                continue
            try:
                with open(path, "rb") as stream:
                    problem = _ha_control.lease_problem(stream.read(4096))
            except OSError as exc:
                problem = exc.strerror or str(exc)
            if problem:
                return f"{path}: {problem}"
        return ""

    def _proven(self) -> bool:
        marker = _apply.read_marker(self.system, self.daemon.name)
        return self._content is not None and marker.get("digest") == _apply.digest_of(self._content)

    def _read(self, path: str) -> bytes | None:
        try:
            return self.system.read(path)
        except OSError:
            return None

    # -- act

    def predict(self) -> _ha_control.Action:
        """Return what would be done first."""
        return self._decide(self.own(), self.peer())

    def run(self) -> bool:
        """Lead the server to its goal; returns whether anything was changed.

        Raises:
            ControlError: it was not reached, or is refused.
            _apply.ApplyError: the host is in the way.
        """
        start = self.system.now()
        tries: dict[str, int] = {}
        while True:
            own, peer = self.own(), self.peer()
            action = self._decide(own, peer)
            if action.name in ("done", "left"):
                return bool(self.actions)
            if action.name == "refuse":
                raise ControlError("refused", f"{self.wanted.here}: {action.reason}. Nothing more was done.")
            late = self.system.now() - start >= self.wanted.timeout
            tries[action.name] = tries.get(action.name, 0) + 1
            if late or (action.name != "wait" and tries[action.name] > MAX_TRIES):
                raise ControlError(
                    "timeout",
                    f"{self.wanted.here}: it did not come to the state {self.wanted.goal} within "
                    f"{self.system.now() - start:.0f} s: {action.reason}. It {own.words()}; {peer.words()}.",
                )
            if action.name == "wait":
                # A partner that should have cancelled is given up, and so is a server that lives on without a word.
                patient = self.wanted.goal in ("started", "normal") and (own.ha is None or own.state == DRAINED)
                self._began = self._began or (patient and self.system.now() - start >= self.wanted.timeout / 4)
                self.system.sleep(POLL_SECONDS)
            else:
                self._do(action, own, peer)

    def _decide(self, own: _ha_control.Own, peer: _ha_control.Peer) -> _ha_control.Action:
        return _ha_control.decide(self.wanted.goal, own, peer, self._may_cancel(own), self._began)

    def _may_cancel(self, own: _ha_control.Own) -> bool:
        if own.state not in ("partner-in-maintenance", DRAINED):
            return True
        try:
            version = self.system.api(self.socket, "version-get").text
        except KeaApiError:
            return False
        return _ha_control.cancel_works(version, self.wanted.partner_version or version)

    def _do(self, action: _ha_control.Action, own: _ha_control.Own, peer: _ha_control.Peer) -> None:
        self.actions.append(f"{action.name}: {action.reason}")
        if action.name in ("start", "restart"):
            self._start()
        elif action.name == "stop":
            self.unit.stop()
        elif action.name == "away":
            self._away(peer)
        elif action.name == "maintenance":
            self._command("ha-maintenance-start")
            self._began = True
        elif action.name == "cancel":
            # Whether it worked shows in the states; where it did not, the partner comes back in another way.
            with contextlib.suppress(ControlError):
                self._command("ha-maintenance-cancel")
        elif action.name == "reset":
            self._give_back(action)
        elif action.name == "enable":
            self._command("dhcp-enable")
        elif action.name == "scopes":
            self._command("ha-scopes", {"scopes": _ha_control.expected_scopes(own)})
        elif action.name == "sync":
            names = [peer.get("name") for peer in self._block().get("peers") or []]
            partner = next(name for name in names if name != own.name)
            self._command("ha-sync", {"server-name": partner, "max-period": SYNC_SECONDS}, timeout=self.wanted.timeout)

    def _command(self, name: str, arguments: dict[str, Any] | None = None, timeout: float = COMMAND_SECONDS) -> None:
        try:
            reply = self.system.api(self.socket, name, arguments=arguments, timeout=timeout)
        except KeaApiError as exc:
            raise ControlError("command", f"{self.wanted.here}: {exc}") from exc
        if reply.result != 0:
            raise ControlError("command", f"{self.wanted.here}: {name}: result {reply.result}: {reply.text}")

    def _give_back(self, action: _ha_control.Action) -> None:
        """Leave partner-down, into which Kea went although nobody had proof that the partner is gone."""
        self._command("ha-reset")
        deadline = self.system.now() + 10
        while self.own().state == "partner-down" and self.system.now() < deadline:
            self.system.sleep(POLL_SECONDS)
        raise ControlError(
            "split",
            f"{self.wanted.here}: {action.reason}. Kea calls that a success; it was taken back (ha-reset): it "
            f"{self.own().words()}. Its partner was left as it was. Mend the way from this host to its partner "
            "(network, password, certificate), then run again.",
        )

    def _away(self, peer: _ha_control.Peer) -> None:
        """Stop a drained server, and start it when its partner has noticed: sooner, it would be drained again."""
        self.unit.stop()
        deadline = self.system.now() + self.wanted.timeout / 2
        while peer.ha is not None and peer.state == "partner-in-maintenance" and self.system.now() < deadline:
            self.system.sleep(POLL_SECONDS)
            peer = self.peer()
        if peer.alone:
            self.system.sleep(REPEAT_SECONDS)
        self._start()

    def _start(self) -> None:
        """Start, or restart, and wait until the server answers with its hooks; raises ControlError."""
        if self.wanted.leases == "aside":
            self.unit.stop()
            self._move_leases()
        log = _apply.LogTail(self.system, self.daemon.unit, self.daemon.log_file)
        self.unit.restart()
        start = self.system.now()
        # With a partner that is known to be gone, clients wait for every moment.
        patience = 0.0 if self.wanted.partner_stopped else _apply.STABLE_SECONDS
        while True:
            state = self.unit.state()
            if state.restarts > 0 or state.sub == "auto-restart" or state.active in ("failed", "inactive"):
                raise self._died("ended after its start", log)
            own = self.own()
            age = self.system.now() - start
            if own.ha is not None and own.ha["ha"] and age >= patience:
                return
            if age >= self.wanted.timeout:
                raise self._died(f"was started and, after {age:.0f} s, {own.words()}", log)
            self.system.sleep(POLL_SECONDS)

    def _died(self, what: str, log: _apply.LogTail) -> ControlError:
        reason = _apply.reason_in(log.lines())
        return ControlError(
            "died",
            f"{self.wanted.here}: {self.daemon.unit} {what}: {reason.rstrip('.') or 'it says nothing'}. See journalctl "
            f"-u {self.daemon.unit}.",
        )

    def _move_leases(self) -> None:
        """Move the lease file and what its clean-up has left aside."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(self.system.epoch()))
        for ending in LEASE_ENDINGS:
            path = self._lease_path() + ending
            if self.system.exists(path):
                target = f"{self._lease_path()}.keaops-{stamp}{ending}"
                try:
                    self.system.replace(path, target)
                except OSError as exc:
                    raise _apply.ApplyError(f"cannot move {path} aside: {exc.strerror or exc}") from None
                self.moved.append(target)
