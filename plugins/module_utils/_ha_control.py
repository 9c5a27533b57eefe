# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do next with the servers of a pair: decisions only, made from states. Private to this collection.

On a host, :func:`decide` says what one server is to do to reach a goal. On the controller, :func:`switch` and
:func:`recover` say which server is to reach which goal, and in which order. Nothing here believes the result code of
a command: Kea says success when it makes both servers serve.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ansible_collections.keaops.kea.plugins.module_utils._state import FINAL_STATE, describe

#: Before this version a cancelled maintenance comes back with the next lease update.
CANCEL_WORKS = (2, 7, 5)
#: Kea stops high availability above 60 s, and warns above this.
MAX_CLOCK_SKEW = 30
SHOWN_LEASES = 5

DRAINED = "in-maintenance"
ALONE = ("partner-in-maintenance", "partner-down")
COMING = ("waiting", "syncing", "ready")

LEASE_COLUMNS = (
    "address",
    "hwaddr",
    "client_id",
    "valid_lifetime",
    "expire",
    "subnet_id",
    "fqdn_fwd",
    "fqdn_rev",
    "hostname",
)
_TERMINATION = re.compile(r"HA_(HIGH_CLOCK_SKEW_CAUSE|LEASE_UPDATE_REJECTS_CAUSE)\w+")


def cancel_works(*versions: str | None) -> bool:
    """Tell whether servers of these versions can leave a maintenance by a command."""
    numbers = [re.match(r"(\d+)\.(\d+)\.(\d+)", version or "") for version in versions]
    return all(found and tuple(map(int, found.groups())) >= CANCEL_WORKS for found in numbers)


def lease_problem(head: bytes) -> str:
    """Return why Kea would not start with a lease file that begins so, empty when it would."""
    if not head:
        return ""  # Kea writes the first line itself.
    line = head.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    if line.split(",")[: len(LEASE_COLUMNS)] == list(LEASE_COLUMNS):
        return ""
    return "its first line does not name the columns of leases"


def termination_cause(lines: list[str]) -> str:
    """Return the line of a log that says why high availability ended last, empty when there is none."""
    return next((line.strip() for line in reversed(lines) if _TERMINATION.search(line)), "")


# --- on one host -----------------------------------------------------------------------------------------------------


class Own(NamedTuple):
    """The server on this host.

    Attributes:
        running: systemd runs its unit, and not only to start it over and over.
        ha: its normalised state, None when it does not answer.
        name: its name in the pair, as its configuration says.
        lacks: the addresses of leases that its partner has and it has not; None when they were not compared.
    """

    running: bool
    ha: dict[str, Any] | None = None
    name: str = ""
    lacks: list[str] | None = None

    @property
    def state(self) -> str:
        """Return its HA state, empty when there is none."""
        return (self.ha or {}).get("state") or ""

    @property
    def mode(self) -> str:
        """Return the mode of the pair, which is the name of its working state, too."""
        return (self.ha or {}).get("mode") or ""

    @property
    def normal(self) -> bool:
        """Tell whether it is in the working state of its pair."""
        return bool(self.state) and self.state == self.mode

    @property
    def zombie(self) -> bool:
        """Tell whether it lives on without its hooks, and serves nobody."""
        return self.running and self.ha is not None and not self.ha["ha"]

    @property
    def alone(self) -> bool:
        """Tell whether it serves the clients of both."""
        return self.state in ALONE and bool((self.ha or {}).get("scopes"))

    def words(self) -> str:
        """Return what it does, for sentences."""
        if not self.running:
            return "does not run"
        if self.ha is None:
            return "runs and does not answer"
        return f"is {describe(self.ha)}"


class Peer(NamedTuple):
    """The partner, asked over the URL that the servers use.

    Attributes:
        ha: its normalised state, None when it does not answer.
        problem: why it does not answer, a sentence.
        stopped: the caller has proof that it does not run.
    """

    ha: dict[str, Any] | None = None
    problem: str = ""
    stopped: bool = False

    @property
    def state(self) -> str:
        """Return its HA state, empty when it is not known."""
        return (self.ha or {}).get("state") or ""

    @property
    def alone(self) -> bool:
        """Tell whether it serves the clients of both."""
        return self.state in ALONE and bool((self.ha or {}).get("scopes"))

    @property
    def serves(self) -> bool:
        """Tell whether it serves anybody."""
        return bool((self.ha or {}).get("serving"))

    def words(self) -> str:
        """Return what it does, for sentences."""
        if self.ha is not None:
            return f"its partner is {describe(self.ha)}"
        return f"its partner does not answer ({self.problem.rstrip('.')})" if self.problem else "its partner is unknown"


class Action(NamedTuple):
    """What a host does next.

    Attributes:
        name: ``done``, ``left`` (the rest is done at the partner), ``wait``, ``refuse``, ``start``, ``restart``,
            ``stop``, ``away`` (stop a drained server, to start it anew), ``maintenance`` (take over), ``cancel``,
            ``reset`` (give up what was taken over), ``enable``, ``scopes`` or ``sync``.
        reason: why, as a part of a sentence.
    """

    name: str
    reason: str = ""


def expected_scopes(own: Own) -> list[str]:
    """Return whose clients a server in its working state answers."""
    role = (own.ha or {}).get("role")
    return [] if own.mode == "hot-standby" and role == "standby" else [own.name]


def decide(goal: str, own: Own, peer: Peer, may_cancel: bool, began: bool = False) -> Action:
    """Return what the server on this host does next.

    Args:
        goal: ``serving``, ``drained``, ``stopped``, ``started``, ``normal`` or ``synced``.
        own: this server.
        peer: its partner.
        may_cancel: both servers leave a maintenance by command.
        began: this call has told the server to take over already, or has waited for long enough.
    """
    goals = {
        "serving": _serving,
        "drained": _drained,
        "stopped": _stopped,
        "started": _started,
        "normal": _normal,
        "synced": _synced,
    }
    return goals[goal](own, peer, may_cancel, began)


def _started(own: Own, peer: Peer, _may_cancel: bool, began: bool) -> Action:
    if not own.running:
        if peer.state == "partner-in-maintenance":
            # Back before it is missed, it would be drained again, and for good.
            return Action("wait", "its partner has not noticed yet that it is gone")
        return Action("start", "it does not run")
    if own.zombie:
        return Action("restart", "it runs without its hooks and serves nobody")
    if own.ha:
        return Action("done")
    return Action("restart", "it runs and does not answer") if began else Action("wait", "it does not answer yet")


def _serving(own: Own, peer: Peer, _may_cancel: bool, began: bool) -> Action:
    if not own.running or own.zombie:
        return Action("refuse", f"it {own.words()}, so it cannot serve. Bring it up first: run recover.yml")
    if own.ha is None:
        return Action("wait", "it does not answer yet")
    if own.alone:
        return _serving_alone(own, peer, began)
    if peer.stopped:
        if peer.ha is not None and peer.ha["ha"]:
            return Action("refuse", f"it was told that its partner is stopped, but {peer.words()}")
        if own.state in (FINAL_STATE, DRAINED):
            return Action("restart", f"it is {own.state}, and no command ends that")
        return Action("maintenance", "its partner is stopped")
    if own.state == FINAL_STATE:
        return Action("refuse", "high availability has ended. Run recover.yml")
    if own.state == DRAINED:
        return Action("refuse", "it is drained itself. Run switchover.yml without kea_serve first")
    if not own.normal:
        return Action("wait", f"it is still {own.state}")
    if peer.ha is None:
        return Action(
            "refuse",
            f"{peer.words()}. If it still serves, both servers would serve after this. Mend the link, or stop it first",
        )
    if peer.state != own.mode:
        return Action("wait", f"its partner is still {peer.state or 'without high availability'}")
    seen = own.ha["partner"] or {}
    if seen.get("state") != own.mode or seen.get("interrupted"):
        # Asked by this program the partner answers; the server itself does not reach it, for reasons of its own.
        return Action("wait", f"it sees its partner in state {seen.get('state') or 'unknown'}")
    return Action("maintenance", "its partner is well and can be relieved")


def _serving_alone(own: Own, peer: Peer, began: bool) -> Action:
    # A drained partner was reached. Kea 3.0 gives up one of 2.6 that refuses a released lease, and serves on.
    if own.state == "partner-down" and not peer.stopped and peer.state != DRAINED:
        if peer.serves and peer.state != "terminated":
            if began:
                return Action("reset", f"Kea took over although {peer.words()}: both served")
            return Action("refuse", f"both servers serve: {peer.words()}. Run recover.yml")
        if began:
            return Action("reset", f"Kea took over without having reached its partner, and {peer.words()}")
    if own.state == "partner-in-maintenance":
        if peer.stopped:
            return Action("wait", "it has not noticed yet that its partner is gone")
        if peer.ha is not None and peer.serves:
            return Action("wait", peer.words())
        if peer.ha is not None and peer.state != DRAINED:
            return Action("wait", peer.words())
    return Action("done")


def _drained(own: Own, peer: Peer, _may_cancel: bool, _began: bool) -> Action:
    if own.running and own.ha is None:
        return Action("wait", "it does not answer yet")
    serves = bool(own.ha and own.ha["scopes"]) and not own.zombie
    if serves and peer.state == "partner-down" and peer.alone:
        return Action("stop", f"both servers serve: {peer.words()}. This one was to be relieved")
    if serves or (own.running and own.normal):
        return Action("wait", f"it {own.words()}. The partner has to take over first: state serving there")
    if peer.alone:
        return Action("done")
    return Action("wait", f"nobody serves the clients of both: {peer.words()}")


def _stopped(own: Own, peer: Peer, _may_cancel: bool, _began: bool) -> Action:
    if not own.running:
        return Action("done")
    serves = bool(own.ha and own.ha["serving"])
    if own.zombie or peer.alone:
        return Action("stop", "its partner serves the clients of both" if peer.alone else "it serves nobody")
    if own.state == DRAINED and peer.state != DRAINED:
        return Action("refuse", f"it is drained, but {peer.words()}, so that nobody would serve")
    if own.ha is not None and not serves and not own.normal:
        return Action("stop", f"it is {own.state} and serves nobody")
    return Action(
        "refuse", f"its partner does not serve alone: {peer.words()}. Run switchover.yml with kea_serve first"
    )


def _normal(own: Own, peer: Peer, may_cancel: bool, began: bool) -> Action:
    if not own.running or own.zombie or own.ha is None:
        return _started(own, peer, may_cancel, began)
    if own.state == FINAL_STATE:
        return Action("refuse", "high availability has ended. Run recover.yml")
    if own.normal:
        return _normal_in_detail(own, peer)
    if own.state == "partner-in-maintenance" and peer.state == DRAINED:
        if may_cancel:
            return Action("cancel", "both servers can serve again")
        return Action("left", "its partner has to be started anew, which is done there")
    if own.state == DRAINED and peer.alone:
        if may_cancel and not began and peer.state == "partner-in-maintenance":
            return Action("wait", "the maintenance is cancelled by its partner")
        return Action("away", f"it is drained, and {peer.words()}")
    return Action("wait", f"it is {own.state}; {peer.words()}")


def _normal_in_detail(own: Own, peer: Peer) -> Action:
    if own.ha and own.ha["dhcp_enabled"] is False:
        return Action("enable", "somebody has disabled its DHCP service")
    if own.name and sorted((own.ha or {})["scopes"]) != sorted(expected_scopes(own)):
        return Action("scopes", f"it serves the clients of {', '.join((own.ha or {})['scopes']) or 'nobody'}")
    if peer.state == own.mode:
        return Action("done")
    return Action("wait", peer.words())


def _synced(own: Own, peer: Peer, may_cancel: bool, began: bool) -> Action:
    if not own.normal or peer.state != own.mode:
        # Elsewhere Kea copies all leases by itself, on its way to the working state.
        return Action("refuse", f"it {own.words()}, and {peer.words()}. Only a pair that is well copies leases")
    if own.lacks is None:
        return Action("refuse", "the leases cannot be compared: they are too many, or one server does not tell them")
    if own.lacks:
        return Action("sync", f"it lacks {lease_words(own.lacks)} of its partner")
    return Action("done")


def lease_words(addresses: list[str]) -> str:
    """Return how many leases, and the first of them, for sentences."""
    shown = ", ".join(addresses[:SHOWN_LEASES]) + (" ..." if len(addresses) > SHOWN_LEASES else "")
    return f"{len(addresses)} {'lease' if len(addresses) == 1 else 'leases'} ({shown})"


# --- both hosts ------------------------------------------------------------------------------------------------------


class Seen(NamedTuple):
    """One host of a pair, as seen over its own connection.

    Attributes:
        host: its inventory name.
        role: its role.
        reached: whether the host could be asked at all.
        trouble: why not.
        own: its server.
        dead: why the server does not run, in its own words.
        link: why it does not hear its partner at the partner's URL, empty when it does.
        skew: by how many seconds its partner's clock is ahead, None when unknown.
        cause: what its log says of the end of high availability.
        leases: why its lease file cannot be used, empty when it can.
        proven: whether the configuration in place was proven to serve.
        agent: whether its Control Agent runs, None when the pair talks without one.
        version: the Kea that is installed.
        run: the run of a playbook that has changed something there and has not ended, in words.
    """

    host: str
    role: str
    reached: bool = True
    trouble: str = ""
    own: Own = Own(False)
    dead: str = ""
    link: str = ""
    skew: float | None = None
    cause: str = ""
    leases: str = ""
    proven: bool = True
    agent: bool | None = None
    version: str | None = None
    run: str = ""

    @property
    def well(self) -> bool:
        """Tell whether its server answers and takes part in high availability."""
        return self.own.running and self.own.ha is not None and not self.own.zombie

    @property
    def state(self) -> str:
        """Return the HA state of a server that is well."""
        return self.own.state if self.well else ""

    @property
    def serves(self) -> bool:
        """Tell whether its server answers clients."""
        return self.well and bool((self.own.ha or {}).get("serving"))

    def words(self) -> str:
        """Return what is the matter with it, as a sentence without its end."""
        if not self.reached:
            return f"{self.host} cannot be asked: {self.trouble.rstrip('.') or 'no reason given'}"
        if self.leases and not self.well:
            return f"{self.host} does not run, and its lease file cannot be used: {self.leases}"
        if self.own.zombie:
            return f"{self.host} runs without its hooks and serves nobody, as after a reload that failed"
        if not self.well:
            why = f": {self.dead.rstrip('.')}" if self.dead else ""
            return f"{self.host} {self.own.words()}{why}"
        return f"{self.host} {self.own.words()}"


class Step(NamedTuple):
    """What one host is to do.

    Attributes:
        host: its inventory name.
        state: the goal, as the option of kea_ha; ``agent`` to bring up the Control Agent.
        why: why, for people.
        partner_stopped: there is proof that its partner does not run.
        leases: ``keep``, or ``aside`` to start without them.
        apply: write the configuration of the inventory first.
    """

    host: str
    state: str
    why: str
    partner_stopped: bool = False
    leases: str = "keep"
    apply: bool = False


class Verdict(NamedTuple):
    """What is to be done with a pair.

    Attributes:
        found: what was found, a sentence.
        steps: what to do, in this order; empty when there is nothing to do.
        refusal: why nothing is done although something is wrong, a sentence; empty when that is not so.
    """

    found: str
    steps: tuple[Step, ...] = ()
    refusal: str = ""


def _back(first: Seen, second: Seen) -> tuple[Step, ...]:
    """Return the steps to the working state: first the one that can do something about it."""
    states = {first.state, second.state}
    leads = "partner-in-maintenance" if states == {DRAINED, "partner-in-maintenance"} else ""
    ends = sorted((first, second), key=lambda one: one.state != leads if leads else one.own.alone)
    return tuple(Step(one.host, "normal", "both servers do their part again") for one in ends)


def _healthy(first: Seen, second: Seen) -> bool:
    return all(one.well and one.own.normal for one in (first, second))


def switch(first: Seen, second: Seen, serve: str = "") -> Verdict:
    """Return how the pair comes to have *serve* serve alone, or both do their part when that is empty."""
    pair = (first, second)
    found = "; ".join(one.words() for one in pair) + "."
    if serve and serve not in [one.host for one in pair]:
        return Verdict(found, (), f"kea_serve = {serve!r} is not in this pair. Write {first.host} or {second.host}.")
    busy = next((one for one in pair if one.run), None)
    if busy is not None:
        return Verdict(
            found,
            (),
            f"Kea on {busy.host} is being changed by {busy.run}. Wait for its end; if it was interrupted, "
            "site.yml ends it.",
        )
    if not serve:
        return _switch_back(first, second, found)
    staying, leaving = (first, second) if serve == first.host else (second, first)
    if not staying.well:
        return Verdict(found, (), f"{staying.words()}, so it cannot serve. Run recover.yml first.")
    if staying.own.alone and not leaving.serves:
        return Verdict(f"{staying.host} serves alone already; {leaving.host} may be stopped.")
    take_over = (
        Step(staying.host, "serving", f"{leaving.host} is to be relieved"),
        Step(leaving.host, "drained", f"{staying.host} serves now"),
    )
    if _healthy(*pair):
        return Verdict(found, take_over)
    if leaving.own.alone and staying.state == DRAINED:
        return Verdict(found, (*_back(*pair), *take_over))
    return Verdict(found, (), "Only a pair that is well can be switched over. Run recover.yml first.")


def _switch_back(first: Seen, second: Seen, found: str) -> Verdict:
    pair = (first, second)
    if _healthy(*pair):
        return Verdict("Both servers do their part already.")
    gone = next((one for one in pair if not one.reached), None)
    if gone is not None:
        return Verdict(found, (), f"{gone.words()}. Start it, and run again; Kea goes back to normal by itself then.")
    alone = [one for one in pair if one.well and one.own.alone]
    if len(alone) == 1:
        other = second if alone[0] is first else first
        if not other.well or other.state in (DRAINED, *COMING):
            return Verdict(found, _back(*pair))
    return Verdict(found, (), "This is no switch-over that could be taken back. Run recover.yml.")


def recover(first: Seen, second: Seen, dead_host: str = "", failed: tuple[str, ...] = ()) -> Verdict:
    """Return the least that brings a pair back to its working state.

    Args:
        first, second: the two hosts.
        dead_host: the host that the operator declares to be off.
        failed: hosts whose server did not come up in this run.
    """
    pair = tuple(sorted((first, second), key=lambda one: one.role != "primary"))
    found = "; ".join(one.words() for one in pair) + "."
    found += "".join(f" {one.host}: {one.run} has not ended; site.yml ends it." for one in pair if one.run)
    unknown = [one for one in pair if not one.reached]
    if len(unknown) == 2:
        return Verdict(found, (), "Neither host can be asked. Nothing was done.")
    if unknown:
        return _half(unknown[0], next(one for one in pair if one.reached), dead_host, found)
    if dead_host:
        return Verdict(found, (), f"kea_dead_host = {dead_host!r}, but that host answers. Run again without it.")
    skew = next((one for one in pair if one.skew is not None and abs(one.skew) > MAX_CLOCK_SKEW), None)
    if skew is not None and any(one.state == FINAL_STATE for one in pair):
        return Verdict(
            found + _causes(pair),
            (),
            f"The clocks of the two hosts differ by {abs(skew.skew or 0):g} s, so Kea would stop again. Set them by "
            "NTP, and run again. Until then each server goes on by its role, without the other.",
        )
    mute = [one for one in pair if one.agent is False and one.host not in failed]
    if mute:
        names = " and ".join(one.host for one in mute)
        why = "its Control Agent does not run, so its partner does not hear it"
        return Verdict(
            f"{found} The Control Agent of {names} does not run.", tuple(Step(one.host, "agent", why) for one in mute)
        )
    if any(not one.well for one in pair):
        return _daemons(pair, failed, found)
    return _states(pair, found)


def _half(gone: Seen, left: Seen, dead_host: str, found: str) -> Verdict:
    """Decide with one host that cannot be asked. It may serve: nothing is taken over without proof or consent."""
    if left.serves and (left.own.alone or dead_host != gone.host):
        return Verdict(
            found, (), f"Clients are served by {left.host}. Bring {gone.host} back, or run replace.yml; then run again."
        )
    hears = left.well and not left.link
    if hears and dead_host != gone.host:
        if left.state == DRAINED or left.own.normal:
            return Verdict(
                found, (), f"{left.host} hears {gone.host}, which may serve. Mend the way to it, and run again."
            )
        return Verdict(found, (Step(left.host, "normal", f"{gone.host} answers it"),))
    if dead_host == gone.host:
        if hears:
            return Verdict(found, (), f"kea_dead_host = {dead_host!r}, but {left.host} hears it. Both would serve.")
        start = () if left.well else (_start(left, gone),)
        take_over = Step(left.host, "serving", f"{gone.host} was declared dead", partner_stopped=True)
        return Verdict(found, (*start, take_over))
    if not left.own.running:
        # It joins whoever serves, and serves by itself only after Kea's own patience.
        return Verdict(found, (_start(left, gone),))
    return Verdict(
        found,
        (),
        f"Nobody is known to serve. {gone.host} may do so, unseen; taken over now, two clients could get one address. "
        f"If {gone.host} is certainly off, run again with -e kea_dead_host={gone.host}.",
    )


def _start(one: Seen, other: Seen) -> Step:
    why = "it does not serve"
    aside = bool(one.leases)
    if aside:
        why = f"its lease file is moved aside, and the leases are copied from {other.host}"
    elif not one.proven:
        why = "it does not serve, and its configuration was never proven: that of the inventory is written"
    return Step(one.host, "started", why, leases="aside" if aside else "keep", apply=not one.proven)


def _daemons(pair: tuple[Seen, ...], failed: tuple[str, ...], found: str) -> Verdict:
    """Decide when a server does not run, or runs without high availability."""
    down = [one for one in pair if not one.well]
    lost = [one for one in down if one.leases]
    if len(lost) == 2:
        return Verdict(
            found,
            (),
            "Both lease files are lost, so nobody knows which addresses are taken. Put a copy of one of them back, or "
            "move /var/lib/kea/kea-leases4.csv* aside on both hosts, which hands out addresses anew. Run again.",
        )
    up = next((one for one in pair if one.well), None)
    stuck = [one for one in down if one.host in failed]
    if stuck:
        return _hopeless(stuck, up, found)
    steps: list[Step] = []
    if up is not None and up.state == "partner-in-maintenance" and not down[0].own.running:
        steps.append(Step(up.host, "serving", f"{down[0].host} is gone", partner_stopped=True))
    steps.extend(_start(one, next(other for other in pair if other is not one)) for one in down)
    steps.extend(Step(one.host, "normal", "both servers do their part again") for one in pair)
    return Verdict(found, tuple(steps))


def _hopeless(stuck: list[Seen], up: Seen | None, found: str) -> Verdict:
    names = " and ".join(one.host for one in stuck)
    advice = f"{names} did not come up. Mend what its log says; run site.yml to write its configuration anew."
    if up is None:
        return Verdict(found, (), f"{advice} NOBODY serves.")
    if up.own.alone:
        return Verdict(found, (), f"{advice} Clients are served by {up.host}.")
    if any(one.own.running for one in stuck):
        return Verdict(found, (), f"{advice} {up.host} {'serves' if up.serves else 'does not serve'}.")
    step = Step(up.host, "serving", f"{names} does not come up", partner_stopped=True)
    return Verdict(found, (step,))


def _causes(pair: tuple[Seen, ...]) -> str:
    quotes = [f" The log of {one.host}: {one.cause}" for one in pair if one.cause]
    return "".join(quotes)


def _states(pair: tuple[Seen, ...], found: str) -> Verdict:
    """Decide when both servers answer."""
    states = [one.state for one in pair]
    if FINAL_STATE in states:
        return _rebuild(pair, found + _causes(pair))
    if _healthy(*pair):
        odd = [one for one in pair if decide("normal", one.own, _peer_of(one, pair), True).name != "done"]
        if odd:
            return Verdict(found, tuple(Step(one.host, "normal", "it does not do its part") for one in odd))
        poor = [(one.host, lease_words(one.own.lacks)) for one in pair if one.own.lacks]
        if poor:
            found += "".join(f" {host} lacks {leases} of its partner." for host, leases in poor)
            return Verdict(found, tuple(Step(host, "synced", "it has not all leases") for host, _leases in poor))
        return Verdict("The pair is well: nothing to do.")
    links = [f"{one.host} does not hear its partner: {one.link.rstrip('.')}" for one in pair if one.link]
    if links:
        serving = [one.host for one in pair if one.serves]
        who = f"Clients are served by {' and by '.join(serving)}" if serving else "NOBODY serves"
        return Verdict(found, (), f"{'; '.join(links)}. {who}. Mend the link, and run again: nothing else can help.")
    if states[0] == states[1] and states[0] in (DRAINED, "partner-in-maintenance"):
        # No command ends that.
        return _rebuild(pair, found)
    return Verdict(found, _back(*pair))


def _peer_of(one: Seen, pair: tuple[Seen, ...]) -> Peer:
    return Peer(next(other.own.ha for other in pair if other is not one), one.link)


def _rebuild(pair: tuple[Seen, ...], found: str) -> Verdict:
    """Put a pair together anew around the primary, which has served, so that its leases are the right ones."""
    primary, standby = pair
    if (primary.own.mode or standby.own.mode) != "hot-standby" and primary.serves and standby.serves:
        return Verdict(
            found,
            (),
            "Both have served their own clients without telling each other, so neither has all leases. Send ha-sync to "
            "each with the name of the other, then restart both.",
        )
    return Verdict(
        found,
        (
            Step(standby.host, "stopped", "it serves nobody, and has to start anew"),
            Step(primary.host, "serving", "it starts anew and serves at once", partner_stopped=True),
            Step(standby.host, "started", f"it copies the leases of {primary.host}"),
            Step(primary.host, "normal", "both servers do their part again"),
            Step(standby.host, "normal", "both servers do their part again"),
        ),
    )
