# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs Ansible's own programs, as a user does, with a connection that tells when anybody is contacted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "inventories" / "home"


class Done(NamedTuple):
    """What a program left."""

    code: int
    output: str
    """Both streams, in one line: where lines are broken depends on ansible-core and the width of the terminal."""
    contacted: bool
    """Whether anything was to be sent to a host."""


def run(program, *arguments, folder, cwd, config=ROOT / "ansible.cfg", **environment):
    """Run one of Ansible's programs in cwd; what it keeps for itself goes into folder."""
    contact, ssh = folder / "contacted", folder / "ssh"
    ssh.write_text(f'#!/bin/sh\ntouch "{contact}"\nexit 255\n', encoding="utf-8")
    ssh.chmod(0o755)
    mine = {
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "home" / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_SSH_EXECUTABLE": str(ssh),
        "PWD": str(cwd),
        **environment,
    }
    done = subprocess.run(
        [str(Path(sys.executable).parent / program), *map(str, arguments)],
        cwd=cwd,
        env={**{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}, **mine},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    return Done(done.returncode, " ".join((done.stdout + done.stderr).split()), contact.exists())


def files_below(folder):
    """Return the paths of all files below a folder, relative to it; none when there is no such folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
