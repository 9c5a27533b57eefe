# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the files of an inventory, as they were written.

Each takes the ``Sources`` of the run, which hold what was found in the files; this module reads none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterator, NamedTuple

from ._registry import CONTROLLER, ERROR, INFO, WARNING, Problem, register

SECRETS = ("kea_api_password", "kea_tls_ca_passphrase")


class Written(NamedTuple):
    """Something in a file."""

    host: str
    """Empty for what a group has."""
    variable: str
    text: str
    """As it was written; empty for a secret."""
    file: str
    line: int
    made: float | str
    """What YAML made of it; of a key that stands twice, the line of the first one."""

    @property
    def place(self) -> str:
        """Return file and line."""
        return f"{self.file}, line {self.line}"


@dataclass
class Sources:
    """What was found in the files of an inventory."""

    doubles: list[Written] = field(default_factory=list)
    octal: list[Written] = field(default_factory=list)
    base_60: list[Written] = field(default_factory=list)
    fractions: list[Written] = field(default_factory=list)
    times: list[Written] = field(default_factory=list)
    """Dates with a time of day; a date alone stays what it was."""
    clear: dict[str, list[Written]] = field(default_factory=dict)
    """Secrets in clear text, by name."""
    references: dict[str, set[str]] = field(default_factory=dict)
    """Names of the variables that secrets are taken from, by name."""
    readable: set[str] = field(default_factory=set)
    """Files that everybody can read."""
    keys: list[Written] = field(default_factory=list)
    """Private keys that everybody can read."""


_FILES = (CONTROLLER,)


@register("V33", ERROR, "Every key stands once in a file, and numbers and times stay what they are.", looks_at=_FILES)
def written_plainly(sources: Sources) -> Iterator[Problem]:
    for item in sources.doubles:
        message = f"the key stands twice in {item.file}, lines {item.made} and {item.line}; YAML keeps the last one"
        yield Problem(item.host, item.variable, None, message, "Keep one of them")
    for item, reads, fix in _read_as_another(sources):
        message = f"in {item.place}: YAML reads {reads}, so this is {item.made}"
        yield Problem(item.host, item.variable, item.text, message, fix)


def _read_as_another(sources: Sources) -> Iterator[tuple[Written, str, str]]:
    """Yield what is something else to YAML than it looks like, how YAML reads it, and what to write instead."""
    for item in sources.octal:
        fix = f"Write {item.text.lstrip('-+0') or 0}, or {item.made} if that is meant"
        yield item, "a number with a leading 0 as octal", fix
    for item in sources.base_60:
        yield item, "numbers with colons in base 60", f'Write {item.made}, or "{item.text}" for a text'
    for item in sources.fractions:
        yield item, "a number with a fraction", f'Write "{item.text}", in quotes'
    for item in sources.times:
        yield item, "a date with a time of day", f'Write "{item.text}", in quotes'


@register("P42", WARNING, "Secrets on the controller are in a vault, or for their owner's eyes alone.", looks_at=_FILES)
def secrets_kept(sources: Sources) -> Iterator[Problem]:
    for name in SECRETS:
        for source in [name, *sorted(sources.references.get(name, ()))]:
            for item in sources.clear.get(source, ()):
                readable = item.file in sources.readable
                message = f"it stands in clear text in {item.place}"
                fix = f"ansible-vault encrypt_string --name {source}; at the least chmod 600 {item.file}"
                if readable:
                    message += ", which everybody here can read"
                yield Problem(item.host, item.variable, None, message, fix, "" if readable else INFO)
    for item in sources.keys:
        message = f"everybody here can read {item.file}, and whoever has the key can command the servers"
        fix = f"chmod 600 {item.file}, or encrypt it with ansible-vault"
        yield Problem(item.host, item.variable, item.text, message, fix)
