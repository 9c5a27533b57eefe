# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on the controller are replaced at once: whoever reads one meanwhile gets the old text or the new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def replace(path: Path, text: str, mode: int | None = None, durable: bool = False) -> None:
    """Replace a file, or make it.

    Args:
        mode: its permissions; None: those of any new file.
        durable: return only when it would survive a power cut.

    Raises:
        OSError: it cannot be written; the old one is as it was.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        # A text may hold what no encoding can: better that in another form than no file.
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.chmod(name, _usual_mode() if mode is None else mode)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    if durable:
        sync(path.parent)


def sync(folder: Path) -> None:
    """Have the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _usual_mode() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask
