#!/usr/bin/env python3
# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches a pair of the lab while something happens to it: prober on its client, watchers on its servers, a judge.

    lab/probe --lab X --pair trixie -- ansible-playbook ... site.yml     around a command
    lab/probe --lab X --pair trixie --seconds 30                         for so long
    with Probe(lab, "trixie") as probe: ...                              in Python; afterwards probe.report

It waits until the pair serves, runs the command, waits until both servers are in their normal state again, and some
seconds more. Then it writes into a folder of its own: history.jsonl (everything that was seen), report.json (what
lab/history.py makes of it) and timeline.png (lab/timeline.py's picture). The pair's leases are removed before, to make
room in a small pool. Standard library only; the picture needs the project's .venv.

Exit code: the command's; 3 when it was 0, but an invariant does not hold (duplicates, lost leases, a difference between
the databases, failed renewals, both servers serving at once, no normal state at the end, --gap); 1 when it could not be
measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import history
import prober

import lab as labtool

HERE = Path(__file__).resolve().parent
WATCHER = (HERE / "watcher.py").read_text(encoding="utf-8")
LIMIT = 3600  # seconds after which prober and watchers end by themselves


def ask(lab: labtool.Lab, host: str, command: str, timeout: float = 60) -> dict | None:
    """Return the reply of a server to a command by its own socket; None when it gives none."""
    words = lab.command(host, ["python3", "-c", WATCHER, "ask", json.dumps({"command": command})])
    try:
        done = labtool.run(words, check=False, timeout=timeout, stdin="", env=lab.environment())
        return json.loads(done.stdout) if done.returncode == 0 else None
    except (labtool.LabError, ValueError):
        return None


class Part:
    """A program on a host that writes a part of the history, and ends when its standard input does."""

    def __init__(self, lab: labtool.Lab, host: str, path: Path, *command: str) -> None:
        with open(path, "wb") as out:
            self.child = subprocess.Popen(
                lab.command(host, list(command)),
                env=lab.environment(),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the probe, which ends its parts in order
            )

    def tell(self, order: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.write(f"{order}\n".encode())
            self.child.stdin.flush()

    def end(self) -> str:
        """Let it come to its end; returns what it complained of."""
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.close()
        try:
            self.child.wait(60)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        with self.child.stderr as stream:
            return stream.read().decode(errors="replace").strip()


class Watch(threading.Thread):
    """Keeps a watcher running on a server, over restarts of its host: then a new one, as soon as it is possible."""

    def __init__(self, lab: labtool.Lab, host: str, folder: Path) -> None:
        super().__init__(daemon=True)
        self.lab, self.host, self.folder = lab, host, folder
        self.ended = threading.Event()
        self.begun: dict[Path, float] = {}  # when the first line of a part was seen

    def run(self) -> None:
        server = self.lab.machine(self.host)["lan_address"]
        words = ("python3", "-c", WATCHER, "watch", self.host, server, str(LIMIT))
        for number in range(LIMIT):
            path = self.folder / f"{self.host}-{number}"
            part = Part(self.lab, self.host, path, *words)
            while part.child.poll() is None and not self.ended.wait(0.1):
                if path not in self.begun and path.stat().st_size:
                    self.begun[path] = time.monotonic()
            part.end()
            if self.ended.wait(0.5):
                return


class Probe:
    """A probe around a block. `options` are those of dhcp-prober: rate, repeat, renewers, renew_every, crowd, room...

    `keep_leases`: do not remove the pair's leases before. `ready`: wait until all clients are served. `settle`: wait
    that long, after the block, for the normal state. `tail`: and watch for so long then. `folder`: for the results.
    """

    def __init__(
        self,
        lab: labtool.Lab,
        pair: str,
        *,
        folder: Path | None = None,
        command: str | None = None,
        keep_leases: bool = False,
        ready: bool = True,
        settle: float = 60,
        tail: float = 3,
        **options,
    ) -> None:
        self.lab, self.pair, self.command = lab, pair, command
        self.servers = [f"{pair}1", f"{pair}2"]
        self.client = f"{pair}-client"
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self.folder = folder or HERE.parent / ".cache" / "probes" / f"{lab.id}-{pair}-{stamp}"
        self.keep_leases, self.ready, self.settle, self.tail = keep_leases, ready, settle, tail
        self.options = options
        self.lines: list[dict] = []
        self.report: dict = {}

    @property
    def history(self) -> Path:
        return self.folder / "history.jsonl"

    def note(self, **fields) -> None:
        self.lines.append({"mono": round(time.monotonic(), 4), "wall": round(time.time(), 4), **fields})

    def mark(self, text: str) -> None:
        """Put a line into history and picture: something is done to the pair now."""
        self.note(kind="mark", text=text)

    def crowd(self, size: int) -> None:
        """Begin a crowd of clients that ask and ask; 0 ends it."""
        self.prober.tell(f"crowd {size}")

    def expect(self, **limits) -> None:
        """Fail when the report exceeds a limit: see history.violations()."""
        try:
            history.expect(self.report, **limits)
        except AssertionError as exc:
            raise AssertionError(f"{self.pair}: {exc}\n{self.folder}") from None

    def __enter__(self) -> Probe:
        for host in (*self.servers, self.client):
            self.lab.machine(host)
        self.parts = tempfile.TemporaryDirectory(prefix="keaops-probe-")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lab.give_programs(self.client)
        if not self.keep_leases:
            labtool.in_parallel([lambda h=h: ask(self.lab, h, "lease4-wipe") for h in self.servers], width=2)
        self.note(kind="probe", pair=self.pair, command=self.command)
        words = ["dhcp-prober", "--orders", "--seconds", str(LIMIT)]
        for name, value in self.options.items():
            if value is not False:
                words.append(f"--{name.replace('_', '-')}")
            if not isinstance(value, bool):
                words.append(str(value))
        self.path = Path(self.parts.name) / "clients"
        self.watches = [Watch(self.lab, host, Path(self.parts.name)) for host in self.servers]
        for watch in self.watches:
            watch.start()
        self.prober = Part(self.lab, self.client, self.path, *words)
        try:
            self.begin()
        except BaseException:
            self.stop()
            self.parts.cleanup()
            raise
        return self

    def begin(self) -> None:
        """Wait until the history has begun, with everybody served if that is wanted."""
        word = b'"ready"' if self.ready else b'"start"'
        deadline = time.monotonic() + 30
        while word not in self.path.read_bytes():
            if self.prober.child.poll() is not None:
                raise labtool.LabError(f"{self.client}: the prober ended: {self.prober.end()}")
            if time.monotonic() > deadline:
                raise labtool.LabError(
                    f"{self.client}: not all clients are served after 30 s. Is the pair deployed and healthy, and has "
                    "its pool room for them? To probe a pair that does not serve: ready=False, or --not-ready"
                )
            time.sleep(0.1)

    def stop(self) -> str:
        """End all parts; returns what the prober complained of."""
        words = self.prober.end()
        for watch in self.watches:
            watch.ended.set()
        for watch in self.watches:
            watch.join(20)
        return words

    def __exit__(self, kind, *_rest) -> None:
        try:
            if kind is None:
                self.wait_for_normal()
            ended = self.prober.child.poll() is not None
            words = self.stop()
            databases = labtool.in_parallel([lambda h=h: self.leases(h) for h in self.servers], width=2)
            for host, leases in zip(self.servers, databases):
                self.note(kind="leases", host=host, leases=leases)
            self.write()
        finally:
            self.parts.cleanup()
        if ended and kind is None:
            raise labtool.LabError(f"{self.client}: the prober ended before it should: {words or 'its time was over'}")

    def wait_for_normal(self) -> None:
        """Go on until both servers are in their normal state, if they get there in time, and a little more."""
        deadline = time.monotonic() + self.settle
        while time.monotonic() < deadline:
            if all(self.state(host) in history.NORMAL for host in self.servers):
                break
            time.sleep(0.5)
        time.sleep(self.tail)

    def state(self, host: str) -> str:
        return (ask(self.lab, host, "ha-heartbeat", 10) or {}).get("arguments", {}).get("state", "silent")

    def leases(self, host: str) -> list[dict] | None:
        """Return what the server's database holds; None when it cannot be asked."""
        reply = ask(self.lab, host, "lease4-get-all")
        return None if reply is None or reply["result"] not in (0, 3) else history.database(reply)

    def write(self) -> None:
        """Put the parts together, judge them, draw them."""
        begun = {path: at for watch in self.watches for path, at in watch.begun.items()}
        events = list(self.lines)
        for path in Path(self.parts.name).iterdir():
            part = history.load(path)
            events += history.shifted(part, begun[path]) if self.lab.own_clocks and path in begun else part
        events.sort(key=lambda event: event["mono"])
        with open(self.history, "w", encoding="utf-8") as out:
            out.writelines(json.dumps(event, separators=(",", ":")) + "\n" for event in events)
        self.report = history.check(events)
        (self.folder / "report.json").write_text(json.dumps(self.report, indent=2) + "\n", encoding="utf-8")
        python = HERE.parent / ".venv" / "bin" / "python"
        draw = [str(python if python.exists() else sys.executable), str(HERE / "timeline.py"), str(self.history)]
        done = labtool.run([*draw, "-o", str(self.folder / "timeline.png")], check=False)
        if done.returncode:
            labtool.say(f"no picture: {done.stderr.strip()[-300:]}")


def command_line(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default=os.environ.get("KEAOPS_LAB", "lab"), help="(default: $KEAOPS_LAB or lab)")
    parser.add_argument("--pair", required=True, metavar="NAME", help="as in `lab/lab.py up --pair NAME:SUITE`")
    parser.add_argument("--seconds", type=float, default=600, help="end the command after so long (default 600)")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="(default: one of .cache/probes)")
    for name, settings in prober.OPTIONS.items():
        parser.add_argument(f"--{name}", **settings)
    parser.add_argument("--keep-leases", action="store_true", help="do not remove the pair's leases before")
    parser.add_argument("--not-ready", action="store_true", help="do not wait until all clients are served")
    parser.add_argument("--settle", type=float, default=60, help="seconds to wait for the normal state (default 60)")
    parser.add_argument("--gap", type=float, help="seconds that the longest gap for new clients may have")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    args = parser.parse_args(argv)
    if args.command[:1] == ["--"]:
        args.command = args.command[1:]
    if not 0 < args.seconds <= LIMIT - 300:
        parser.error(f"--seconds: at most {LIMIT - 300}")
    return args


def run_command(command: list[str], seconds: float) -> int:
    """Run the command, with its output where it belongs; without one, just wait."""
    if not command:
        time.sleep(seconds)
        return 0
    try:
        child = subprocess.Popen(command, start_new_session=True)
    except OSError as exc:
        raise labtool.LabError(f"{command[0]}: {exc.strerror}") from exc
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        labtool.say(f"no end after {seconds:.0f} s: ending the command")
        return 124
    finally:
        if child.poll() is None:
            labtool.end_group(child)


def main() -> int:
    args = command_line(sys.argv[1:])
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda number, _frame: sys.exit(128 + number))
    names = [name.replace("-", "_") for name in prober.OPTIONS]
    try:
        probe = Probe(
            labtool.Lab.named(args.lab),
            args.pair,
            folder=args.output,
            command=shlex.join(args.command) or None,
            keep_leases=args.keep_leases,
            ready=not args.not_ready,
            settle=args.settle,
            **{name: getattr(args, name) for name in names},
        )
        with probe:
            if args.command:
                probe.mark("the command begins")
            code = run_command(args.command, args.seconds)
            if args.command:
                probe.mark(f"the command ends with {code}")
    except labtool.LabError as exc:
        print(f"probe: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("probe: interrupted", file=sys.stderr)
        return 130
    print(history.summary(probe.report))
    print(f"{'files':16}{probe.folder}")
    found = history.violations(probe.report, gap=args.gap)
    for sentence in found:
        print(f"probe: {sentence}", file=sys.stderr)
    return code or (3 if found else 0)


if __name__ == "__main__":
    sys.exit(main())
