# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pairs of a run in batches: which ones go together, whether the next batch begins, and the words at the end."""

from __future__ import annotations

import re
from typing import Any, Collection, List, Mapping, NamedTuple, Sequence

Pair = List[str]
"""The hosts of a pair."""

TRIAL = "the first batch is a trial, and none of it may fail"
MANY = "{broken} failed, and kea_rollout_max_failures is {tolerated}"
NONE = "not one of its pairs came through"

NAMED = 20
"""So many of the pairs that were not begun are named, and of those of a batch."""
LEFT_OUT = 3
"""With more broken pairs than this, nobody is told how to go on without them."""

_PERCENTAGE = re.compile(r"([0-9]{1,3})%")
_NUMBER = re.compile(r"[0-9]+")
_ERROR = "ERROR: "
_REASON_LENGTH = 300


class RolloutError(ValueError):
    """kea_rollout cannot be used; the text says why."""


def steps_of(value: Any) -> list[int | str]:
    """Return the steps of kea_rollout: numbers of pairs, and percentages as text. None for all pairs at once.

    Raises:
        RolloutError: with a sentence that names the step.
    """
    steps: list[int | str] = []
    for step in value if isinstance(value, (list, tuple)) else [] if value is None else [value]:
        percentage = _PERCENTAGE.fullmatch(step.strip()) if isinstance(step, str) else None
        number = isinstance(step, str) and _NUMBER.fullmatch(step.strip())
        if percentage and 1 <= int(percentage.group(1)) <= 100:
            steps.append(f"{int(percentage.group(1))}%")
        elif (number or (isinstance(step, int) and not isinstance(step, bool))) and int(step) >= 1:
            steps.append(int(step))
        else:
            raise RolloutError(f"{step!r} is neither a number of pairs, from 1, nor a percentage from 1% to 100%")
    return steps


def batches(pairs: Sequence[Pair], steps: Sequence[int | str]) -> list[list[Pair]]:
    """Return the pairs of each batch. The last step is repeated until all pairs have their turn, as serial does."""
    found: list[list[Pair]] = []
    begun = 0
    while begun < len(pairs):
        step = steps[min(len(found), len(steps) - 1)] if steps else "100%"
        size = max(1, len(pairs) * int(step[:-1]) // 100) if isinstance(step, str) else step
        found.append(list(pairs[begun : begun + size]))
        begun += size
    return found


class Standing(NamedTuple):
    """Where a roll-out stands after a batch."""

    batch: int
    """Its number, from 1."""
    batches: int
    healthy: list[Pair]
    """Pairs that came through."""
    broken: list[Pair]
    """Pairs with a host that did not."""
    waiting: list[Pair]
    """Pairs that were not begun."""
    why: str
    """Why no other batch may begin; empty if it may."""

    @property
    def halted(self) -> bool:
        """Whether no other batch may begin, though there are pairs left."""
        return bool(self.why)

    @property
    def over(self) -> bool:
        """Whether this was the last batch."""
        return self.halted or not self.waiting


def position(groups: Sequence[Sequence[Pair]], host: str) -> int:
    """Return the index of the batch with a host."""
    return next(index for index, batch in enumerate(groups) for pair in batch if host in pair)


def standing(groups: Sequence[Sequence[Pair]], alive: Collection[str], now: str, tolerated: int) -> Standing:
    """Return where a roll-out stands.

    Args:
        groups: the pairs of each batch.
        alive: the hosts that did not fail so far.
        now: a host of the batch that has ended.
        tolerated: with more broken pairs than this no other batch begins. In the first batch none may break.
    """
    at = position(groups, now)
    begun = [pair for batch in groups[: at + 1] for pair in batch]
    waiting = [pair for batch in groups[at + 1 :] for pair in batch]
    broken = [pair for pair in begun if not all(host in alive for host in pair)]
    healthy = [pair for pair in begun if all(host in alive for host in pair)]
    # Ansible, too, begins no batch after one of which nothing is left.
    none = not any(pair in healthy for pair in groups[at])
    many = MANY.format(broken=len(broken), tolerated=tolerated)
    why = TRIAL if at == 0 else many if len(broken) > tolerated else NONE if none else ""
    return Standing(at + 1, len(groups), healthy, broken, waiting, why if broken and waiting else "")


def _pairs(number: int) -> str:
    return f"{number} pair" if number == 1 else f"{number} pairs"


def one_sentence(text: str) -> str:
    """Return a reason as one line that is not too long."""
    line = " ".join(text.split())
    return line if len(line) <= _REASON_LENGTH else line[: _REASON_LENGTH - 4].rstrip() + " ..."


def _named(number: int, names: Sequence[str]) -> str:
    """Return pairs as a number and their names, of which not all need to be there."""
    more = f" and {number - len(names)} more" if number > len(names) else ""
    return f"{_pairs(number)}: {', '.join(names)}{more}"


def first_line(at: int, groups: Sequence[Sequence[Pair]], names: Sequence[str]) -> str:
    """Return what people are told before a batch, with the names of its pairs, as many as are to be told."""
    return f"roll-out: batch {at + 1} of {len(groups)}, {_named(len(groups[at]), names)}"


def lines(found: Standing, broken: Mapping[str, str], waiting: Sequence[str], limit: str) -> list[str]:
    """Return what people are told at the end of a roll-out.

    Args:
        broken: why each broken pair is broken, by its name.
        waiting: names of pairs that were not begun, as many as are to be told.
        limit: what this run was limited to.
    """
    total = len(found.healthy) + len(found.broken) + len(found.waiting)
    if not found.broken:
        return [f"roll-out: all {_pairs(total)} came through"]
    words = [f"roll-out: {len(found.healthy)} of {_pairs(total)} came through, {len(found.broken)} did not"]
    words += [f"  {pair}  {one_sentence(why or 'see its messages above')}" for pair, why in broken.items()]
    if not found.halted:
        return [*words, "Mend the cause and run again: where all is well, nothing is done."]
    words.append(f"Stopped after batch {found.batch} of {found.batches}, because {found.why}.")
    words.append(f"Not begun: {_named(len(found.waiting), waiting)}.")
    words.append("Mend the cause and run again: it passes over what is done already, and goes on from there.")
    if len(broken) <= LEFT_OUT:
        sign = "," if "," in limit else ":"
        words.append(f"Or go on without: --limit '{sign.join([limit, *(f'!{pair}' for pair in broken)])}'")
    return words


def first_error(text: str) -> str:
    """Return the first finding of a report of the preflight, empty if the text is none."""
    return next((line[len(_ERROR) :] for line in text.splitlines() if line.startswith(_ERROR)), "")
