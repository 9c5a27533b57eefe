# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the files of an inventory as they were written: what YAML makes of them hides some mistakes.

Of a key that stands twice the last one wins, ``010`` is eight, and a password in clear text looks like one of a vault.
Files are read as a stream of events, because an inventory may be large; what cannot be read is Ansible's to report.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import yaml
from ansible_collections.keaops.kea.plugins.module_utils._checks_files import Sources, Written
from ansible_collections.keaops.kea.plugins.module_utils._model import Pair

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_VAULT = b"$ANSIBLE_VAULT"
_INVENTORY_ENDINGS = (".yml", ".yaml")
_VARIABLE_ENDINGS = ("", ".yml", ".yaml", ".json")
_OURS = "kea_"
_OCTAL = re.compile(r"^[-+]?0[0-9_]+$")
_BASE_60 = re.compile(r"^[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+$")
_TIME = re.compile(r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}[Tt \t]+[0-9]{1,2}:[0-9]{2}:[0-9]{2}")
_FRACTION = re.compile(r"^[0-9]+\.[0-9]*0$")
_SECRET = re.compile(r"pass|secret")
_NAME_ONLY = re.compile(r"^\{\{\s*([a-z_][a-z0-9_]*)\s*\}\}$", re.IGNORECASE)
_NOTHING = ("", "~", "null")
# What names a client is quoted for a reason of its own (V06).
_IDENTIFIERS = ("hw_address", "hw-address", "client_id", "client-id", "duid", "circuit_id", "circuit-id")


def files_of(inventories: Iterable[str], playbook_dir: str) -> list[str]:
    """Return the files that may hold variables: the inventories, and group_vars and host_vars beside them."""
    found: list[str] = []
    bases: list[str] = [playbook_dir] if playbook_dir else []
    for path in inventories:
        bases.append(path if os.path.isdir(path) else os.path.dirname(path))
        found += _below(path, _INVENTORY_ENDINGS) if os.path.isdir(path) else [path]
    for base in dict.fromkeys(bases):
        for folder in ("group_vars", "host_vars"):
            found += _below(os.path.join(base, folder), _VARIABLE_ENDINGS)
    return list({os.path.realpath(path): path for path in found}.values())


def _below(folder: str, endings: Sequence[str]) -> list[str]:
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        visible = sorted(name for name in names if not name.startswith(".") and not name.endswith("~"))
        found += [os.path.join(root, name) for name in visible if os.path.splitext(name)[1] in endings]
    return found


def _readable_by_all(path: str) -> bool:
    return bool(stat.S_IMODE(os.stat(path).st_mode) & stat.S_IROTH)


class _Frame:
    """One map or list that is being read."""

    def __init__(self, is_map: bool, parent: _Frame | None) -> None:
        self.is_map = is_map
        self.parent = parent
        self.lines: dict[str, int] = {}
        self.ours: dict[str, bool] = {}
        """Keys whose values hold something of ours."""
        self.key: str | None = None
        self.again = 0
        """The line where the current key stood before."""
        self.index = -1

    def path(self) -> list[str]:
        before = self.parent.path() if self.parent is not None else []
        if self.is_map:
            return [*before, self.key or ""]
        return [*before[:-1], f"{before[-1]}[{self.index}]"] if before else [f"[{self.index}]"]

    def within_ours(self) -> bool:
        frame: _Frame | None = self
        while frame is not None:
            if frame.is_map and (frame.key or "").startswith(_OURS):
                return True
            frame = frame.parent
        return False


class _Reader:
    """Reads one file."""

    def __init__(self, path: str, shown: str, sources: Sources) -> None:
        self.file = path
        self.shown = shown
        self.sources = sources
        self.frame: _Frame | None = None

    def read(self, content: bytes) -> None:
        for event in yaml.parse(content, Loader=_LOADER):
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                self.value_begins()
                self.frame = _Frame(isinstance(event, yaml.MappingStartEvent), self.frame)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                self.frame = self.frame.parent if self.frame is not None else None
                self.value_ends(event.start_mark.line + 1)
            elif isinstance(event, yaml.ScalarEvent):
                self.scalar(event, event.start_mark.line + 1)
            elif isinstance(event, yaml.AliasEvent):
                self.value_begins()
                self.value_ends(event.start_mark.line + 1)

    def value_begins(self) -> None:
        if self.frame is not None and not self.frame.is_map:
            self.frame.index += 1

    def value_ends(self, line: int) -> None:
        frame = self.frame
        if frame is None or not frame.is_map or frame.key is None:
            return
        if frame.again and (frame.ours.get(frame.key) or frame.within_ours()):
            self.sources.doubles.append(self.written(frame, frame.key, frame.lines[frame.key], frame.again))
        frame.key, frame.again = None, 0

    def scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        frame = self.frame
        if frame is not None and frame.is_map and frame.key is None:
            self.key_begins(frame, event.value, line)
            return
        self.value_begins()
        if frame is not None and frame.is_map:
            self.value(frame, event, line)
        elif frame is not None and frame.within_ours():
            self.number(frame, event, line)
        self.value_ends(line)

    def key_begins(self, frame: _Frame, key: str, line: int) -> None:
        frame.key, frame.again = key, frame.lines.get(key, 0) if key != "<<" else 0
        frame.lines[key] = line
        if key.startswith(_OURS):
            above: _Frame | None = frame
            while above is not None:
                if above.is_map and above.key is not None:
                    above.ours[above.key] = True
                above = above.parent

    def value(self, frame: _Frame, event: yaml.ScalarEvent, line: int) -> None:
        key = frame.key or ""
        if frame.within_ours():
            self.number(frame, event, line)
        if _SECRET.search(key) and event.tag is None and event.value not in _NOTHING:
            name = _NAME_ONLY.match(event.value)
            if name:
                self.sources.references.setdefault(key, set()).add(name[1])
            elif "{{" not in event.value:
                self.sources.clear.setdefault(key, []).append(self.written(frame, "", line))

    def number(self, frame: _Frame, event: yaml.ScalarEvent, line: int) -> None:
        text, key = event.value, frame.key
        # Of a secret nothing may be told, not even what YAML made of it; the model says that it is no text.
        if event.style or not event.implicit[0] or key in _IDENTIFIERS or _SECRET.search(key or ""):
            return
        if _OCTAL.match(text) and not set(text) & set("89"):
            self.sources.octal.append(self.written(frame, text, line, int(text.replace("_", ""), 8)))
        elif _BASE_60.match(text):
            self.sources.base_60.append(self.written(frame, text, line, _base_60(text)))
        elif key == "kea_version" and _FRACTION.match(text) and str(float(text)) != text:
            self.sources.fractions.append(self.written(frame, text, line, float(text)))
        elif _TIME.match(text) and _time(text) != text:
            self.sources.times.append(self.written(frame, text, line, _time(text)))

    def written(self, frame: _Frame, text: str, line: int, made: float | str = 0) -> Written:
        path = frame.path()
        start = next((index for index, key in enumerate(path) if key.startswith(_OURS)), len(path) - 1)
        return Written(_host_of(path[:start], self.file), ".".join(path[start:]), text, self.shown, line, made)


def _base_60(text: str) -> int:
    number = 0
    for part in text.replace("_", "").lstrip("-+").split(":"):
        number = number * 60 + int(part)
    return number


def _time(text: str) -> str:
    """Return what becomes of a date with a time of day; the text itself if YAML reads it as a text."""
    made = yaml.safe_load(text)
    return made.isoformat() if isinstance(made, datetime) else text


def _host_of(path: Sequence[str], file: str) -> str:
    """Return the host whose variables these are; empty for those of a group."""
    for index, key in enumerate(path[:-1]):
        if key == "hosts":
            return path[index + 1]
    parts = os.path.normpath(file).split(os.sep)
    if "host_vars" in parts[:-1]:
        return os.path.splitext(parts[parts.index("host_vars") + 1])[0]
    return ""


def _shown(path: str) -> str:
    """Return a path as people type it: from here, if it is below."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def scan(inventories: Iterable[str], playbook_dir: str) -> Sources:
    """Read all files of an inventory."""
    sources = Sources()
    for path in files_of(inventories, playbook_dir):
        try:
            with open(path, "rb") as stream:
                content = stream.read()
            if content.startswith((_VAULT, b"#!", b"[")):
                continue
            _Reader(path, _shown(path), sources).read(content)
            if _readable_by_all(path):
                sources.readable.add(_shown(path))
        except (OSError, ValueError, yaml.YAMLError):
            # Ansible says better what is wrong with it.
            continue
    return sources


def note_keys(sources: Sources, pairs: Iterable[Pair], base: str) -> None:
    """Add the private keys of the user's own that everybody can read, and that no vault encrypts."""
    for host, path in _key_files(pairs):
        full = os.path.join(base, os.path.expanduser(path))
        try:
            with open(full, "rb") as stream:
                encrypted = stream.read(len(_VAULT)) == _VAULT
            if not encrypted and _readable_by_all(full):
                sources.keys.append(Written(host, "kea_tls_key_file", path, _shown(full), 0, 0))
        except OSError:
            continue


def _key_files(pairs: Iterable[Pair]) -> Iterator[tuple[str, str]]:
    for pair in pairs:
        for server in pair.servers:
            if pair.tls and server.settings["kea_tls_key_file"]:
                yield server.host, server.settings["kea_tls_key_file"]
