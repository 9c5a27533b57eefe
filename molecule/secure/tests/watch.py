# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for secrets where none may be: output, process lists, logs, files."""

from __future__ import annotations

import threading
from pathlib import Path

from conftest import Pair
from forge import TLS_KEY, ca_dir, passphrase


def secrets_of(pair: Pair) -> dict[str, str]:
    """Return everything that must never be shown: what it is, and a piece of it that appears nowhere else."""
    found = {
        "password of the API": pair.primary.file("/etc/kea/kea-api-password"),
        "passphrase of the CA": passphrase(pair),
        "key of the CA": (ca_dir(pair) / "ca.key").read_text().splitlines()[2],
    }
    for server in pair.servers:
        found[f"key of {server.name}"] = server.file(TLS_KEY).splitlines()[2]
    assert all(len(value) >= 16 for value in found.values())
    return found


def shown(texts: dict[str, str], pairs: list[Pair]) -> list[str]:
    """Return which secret is in which text."""
    return [
        f"{place}: {what} of {pair.name}"
        for pair in pairs
        for what, secret in secrets_of(pair).items()
        for place, text in texts.items()
        if secret in text
    ]


def kept(pair: Pair) -> list[str]:
    """Return in which files of the pair's hosts a secret lies, apart from those that are made for it."""
    found = []
    for server in pair.servers:
        values = "\n".join(secrets_of(pair).values()) + "\n"
        # The patterns are read from a file: on a command line they would themselves end up in a log.
        server.put("/run/patterns", {"all": values.encode()})
        own = "/etc/kea/kea-api-password /etc/kea/tls/*/key.pem"
        server.run(f"grep -qF -f /run/patterns/all {own}")
        searches = {
            "journal": "journalctl --no-pager | grep -F -f /run/patterns/all",
            "files": "grep -rlF -f /run/patterns/all /var /tmp /home /root /run/kea /run/lock /etc/systemd",
            "configuration": "grep -rlF -f /run/patterns/all /etc/kea --exclude=kea-api-password --exclude=key.pem",
        }
        for place, search in searches.items():
            result = server.shell.run(search)
            assert result.rc in (0, 1), f"{server.name}: {search}: {result.stderr}"
            found += [f"{server.name}: {place}: {line}" for line in result.stdout.splitlines()]
        server.run("rm -r /run/patterns")
    return found


class ProcessList:
    """The command lines and environments of all processes, those in the lab's containers too, during the block."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.sample)

    def sample(self) -> None:
        while not self.ended.wait(0.1):
            for path in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        text = (path / name).read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    except OSError:  # it has ended, or is somebody else's
                        continue
                    self.seen.add(f"{name}: {text}")

    def __enter__(self) -> ProcessList:
        self.thread.start()
        return self

    def __exit__(self, *_exc) -> None:
        self.ended.set()
        self.thread.join()

    @property
    def text(self) -> str:
        return "\n".join(sorted(self.seen))
