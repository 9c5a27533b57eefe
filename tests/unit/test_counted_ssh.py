# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""lab/bench counts what a run asks of its hosts over SSH."""

from __future__ import annotations

import os
import socket
import subprocess
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

import bench_pair
import bench_table
import pytest
from programs import ROOT

# In the place of ansible-playbook: asks three times over ssh, and once over sftp where a connection is open.
PLAYBOOK = """#!/bin/sh
for word in one two three; do "$ANSIBLE_SSH_EXECUTABLE" -o ControlPath=/nowhere "$word" true; done
"$ANSIBLE_SFTP_EXECUTABLE" -o "ControlPath=$CP" one
echo "PLAY RECAP *****"
echo "bench1                     : ok=3    changed=1    unreachable=0    failed=0"
echo "bench2                     : ok=2    changed=0    unreachable=0    failed=0"
"""
SPEED = ("floor", "hand", "ping", "first", "first_bare", "same", "same_tasks", "value", "value_tasks")
SPEED += ("render", "dump", "memory", "large")
HOSTS = ("100", "1000")
GOALS = {"most_ratio": 1, "most_megabytes": 1, "most_growth": 1}


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


def test_each_run_of_the_bench_counts_its_own(tmp_path, monkeypatch):
    for name, text in (("ansible-playbook", PLAYBOOK), ("ssh", "#!/bin/sh\n"), ("sftp", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    pair = object.__new__(bench_pair.Pair)
    pair.inventory = tmp_path / "inventory"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CP", str(tmp_path / "cp"))
    with socket.socket(socket.AF_UNIX) as master:
        master.bind(str(tmp_path / "cp"))
        for _twice in range(2):
            run = pair.play(tmp_path / "site.yml")
            assert (run.tasks, run.changed, run.sessions, run.connections) == (3, 1, 2, 3)


def test_the_bench_shows_them_for_each_run_and_nothing_where_an_older_one_has_none():
    loader = SourceFileLoader("bench", str(ROOT / "lab" / "bench"))
    bench = module_from_spec(spec_from_loader("bench", loader))
    loader.exec_module(bench)
    samples = bench_table.Samples()
    kinds = ("preflight{}", "preflight{}_memory", "preflight{}_processor", "list{}")
    samples.note(**dict.fromkeys([*SPEED, *(kind.format(hosts) for kind in kinds for hosts in HOSTS)], 1))

    def shown():
        return [row[:2] for row in bench.table(samples, GOALS, {**GOALS, "hosts": HOSTS}) if "SSH" in row[0]]

    assert shown() == []
    for number, run in enumerate(("first", "same", "value"), 12):
        samples.note(**{f"{run}_sessions": number, f"{run}_connections": 2})
    assert shown() == [
        (f"  SSH {what}", value)
        for number in ("12", "13", "14")
        for what, value in (("round trips of a host", number), ("connections opened, of both", "2"))
    ]
