# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of whether, and in which order, a run may change a pair now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator

from ._changes import MIXED, changed_subnets
from ._journal import describe
from ._plan import direction, serves, settles, subnets_before_and_after
from ._registry import ERROR, WARNING, Context, Problem, register

if TYPE_CHECKING:
    from ._model import Server


@register("R01", ERROR, "No other run is changing the hosts.", facts=True)
def no_other_run(context: Context) -> Iterator[Problem]:
    settle = context.pair.settings["kea_settle_run"] or ""
    for server in context.with_facts():
        other = server.facts.get("other_run")
        if other and settles(context.pair, server):
            message = f"{_who(server, other)} is over and has not ended its work"
            fix = "A run of site.yml takes that over: it goes on from there, or puts it right"
            yield Problem(server.host, "kea_settle_run", settle, message, fix, WARNING)
        elif other:
            message = f"Kea is being changed by {_who(server, other)}"
            fix = (
                "Wait until that run has ended. If it is over for certain, because its controller is gone, run site.yml"
                f" with -e kea_settle_run={other.get('id')}"
            )
            yield Problem(server.host, "kea_settle_run", settle, message, fix)


def _who(server: Server, other: dict[str, Any]) -> str:
    return describe(other, (server.facts.get("kea") or {}).get("time") or other.get("updated", 0))


@register("R02", ERROR, "A run adds subnets to a serving pair, or removes some, but not both.", facts=True)
def one_direction(context: Context) -> Iterator[Problem]:
    pair = context.pair
    if pair.settings["kea_accept_outage"] or direction(pair) != MIXED:
        return
    for server in context.with_facts():
        added, removed = changed_subnets(*subnets_before_and_after(server))
        if added and removed and serves(server):
            yield Problem(
                server.host,
                "kea_subnets",
                added[0],
                f"this run adds subnets ({', '.join(added[:3])}) and removes others ({', '.join(removed[:3])}): in "
                "either order one server would give leases in a subnet that its partner does not know",
                "Make it two runs: add the new subnets first, and remove the old ones with a second run",
            )
