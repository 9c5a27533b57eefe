# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs Ansible's own programs, as a user does, and tells when anybody is contacted: by ssh, or by Python itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "inventories" / "home"


# Loaded by every Python of the run. Sockets within the machine have a path as address, no tuple; and ansible-core tries
# at its start what getaddrinfo makes of this address.
WATCH = """\
import sys

def watch(event, args):
    named = event == "socket.getaddrinfo" and args[0] != "127.0.0.1"
    if named or (event == "socket.connect" and isinstance(args[1], tuple)):
        open({contact!r}, "a").close()

sys.addaudithook(watch)
"""


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
    (folder / "watch").mkdir(exist_ok=True)
    (folder / "watch" / "sitecustomize.py").write_text(WATCH.format(contact=str(contact)), encoding="utf-8")
    mine = {
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "home" / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_SSH_EXECUTABLE": str(ssh),
        "PYTHONPATH": str(folder / "watch"),
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
