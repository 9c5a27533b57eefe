# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""lab/bench counts what a run asks of its hosts over SSH."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest
from programs import ROOT


@pytest.mark.parametrize("program", ["ssh", "sftp"])
def test_each_call_is_counted_and_made(tmp_path, program):
    (tmp_path / program).write_text('#!/bin/sh\nfor word in "$@"; do echo "<$word>"; done\nexit 7\n')
    (tmp_path / program).chmod(0o755)
    count, path = tmp_path / "count", tmp_path / "cp"
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "KEAOPS_SSH_COUNT": str(count)}

    def call():
        command = [ROOT / "lab" / f"counted_{program}", "-o", f'ControlPath="{path}"', "host", "a  b"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    done = call()
    assert (done.returncode, done.stdout) == (7, f'<-o>\n<ControlPath="{path}">\n<host>\n<a  b>\n')
    with socket.socket(socket.AF_UNIX) as master:
        master.bind(str(path))
        call()
        call()
    assert count.read_text().split() == ["connection", "session", "session"]
