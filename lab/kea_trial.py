#!/usr/bin/env python3
# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try configurations of Kea where it is installed: runs in a container of lab/kea_check, as kea-trial.

Reads one JSON object a line, writes one a line, in any order. First comes {"version": ...}. A request is

    {"id": ..., "how": "test", "program": "kea-dhcp4", "text": ..., "interfaces": {name: [address, ...]}}

"test" is `-t`, "hooks" is `-T`, which loads the hooks, too. "start" takes "files", {program: text}, and starts these
programs in a network and with state of their own. A reply is {"id": ..., "passed": ..., "words": what Kea said}; of a
start that passed, "ha" tells whether the DHCP server answers for its HA hook. Standard library only.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import grp
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

USER = "_kea"
CONFIG = Path("/etc/kea")
SOCKET = "/run/kea/kea4-ctrl-socket"
STATE = ("/run/kea", "/run/lock/kea", "/var/lib/kea", "/var/log/kea")
TLS = CONFIG / "tls" / "current"
# Programs that are to be started, in this order: the agent of a pair is there before the server.
PROGRAMS = ("kea-ctrl-agent", "kea-dhcp4")
# Who survives this long has its configuration, its hooks and its sockets.
ALIVE = 3.0
READY = 20.0
PATIENCE = 60
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "KEA_LOCKFILE_DIR": "/run/lock/kea"}
# systemd gives them to the service.
CAPABILITIES = "+net_bind_service,+net_raw"
AS_SERVICE = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", f"--inh-caps={CAPABILITIES}"]
AS_SERVICE.append(f"--ambient-caps={CAPABILITIES}")
NOISE = re.compile(r"^\S+ \S+ (?:DEBUG|INFO|WARN) ")
HEAD = re.compile(r"^\S+ \S+ (?:ERROR|FATAL) +\[\S+ ?\S*\] ")


def run(*command: str) -> str:
    """Run a command that must succeed."""
    done = subprocess.run(command, text=True, capture_output=True, timeout=PATIENCE)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def words_of(text: str) -> str:
    """Return what matters of Kea's output: its errors, without time, process and thread."""
    lines = [HEAD.sub("", line).strip() for line in text.splitlines() if not NOISE.match(line)]
    return " | ".join(dict.fromkeys(line for line in lines if line))[-1500:]


def plug_in(interfaces: dict[str, list[str]]) -> None:
    """Make network interfaces that are up, with these addresses; those that are there get the addresses."""
    known = {name for _index, name in socket.if_nameindex()}  # /sys is that of another network
    for name, addresses in interfaces.items():
        if name not in known:
            other = f"cable{len(known)}"  # its other end
            run("ip", "link", "add", "name", name, "type", "veth", "peer", "name", other)
            run("ip", "link", "set", "dev", other, "up")
            run("ip", "link", "set", "dev", name, "up")
            known |= {name, other}
        for address in addresses:
            run("ip", "address", "replace", address, "dev", name, *["nodad"] * (":" in address))


def give(path: str | Path, mode: int) -> None:
    os.chown(path, 0, grp.getgrnam(USER).gr_gid)
    os.chmod(path, mode)


def make_certificates() -> None:
    """Put a CA, a certificate and a key where the collection's links lead."""
    trust = TLS / "trust"
    trust.mkdir(parents=True)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30")
    ca, ca_key = str(trust / "ca.pem"), "/root/ca.key"
    run("openssl", "req", "-x509", *key, "-subj", "/CN=trial CA", "-keyout", ca_key, "-out", ca)
    request = str(TLS / "request")
    run("openssl", "req", *key[:-2], "-subj", "/CN=trial", "-keyout", str(TLS / "key.pem"), "-out", request)
    run("openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "30",
        "-out", str(TLS / "cert.pem"))  # fmt: skip
    run("openssl", "rehash", str(trust))
    for path in [TLS.parent, TLS, trust]:
        give(path, 0o750)
    for path in (TLS / "cert.pem", TLS / "key.pem"):
        give(path, 0o640)


def prepare() -> None:
    """Make of the container what a host is when Kea starts on it."""
    owner, group = pwd.getpwnam(USER).pw_uid, grp.getgrnam(USER).gr_gid
    for name in (*STATE, str(CONFIG)):
        os.makedirs(name, exist_ok=True)
        os.chown(name, owner, group)
        os.chmod(name, 0o750)
    password = CONFIG / "kea-api-password"
    password.write_text("trial-of-configurations", encoding="utf-8")
    give(password, 0o640)
    make_certificates()
    run("ip", "link", "set", "lo", "up")


def write(text: str) -> str:
    """Write a configuration where Kea and the collection have theirs."""
    handle, path = tempfile.mkstemp(prefix="kea-", suffix=".conf", dir=CONFIG)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    give(path, 0o640)
    return path


def check(request: dict) -> dict:
    """Have the daemon itself check a configuration."""
    path = write(request["text"])
    try:
        done = subprocess.run(
            [f"/usr/sbin/{request['program']}", "-t" if request["how"] == "test" else "-T", path],
            text=True,
            errors="replace",
            capture_output=True,
            timeout=PATIENCE,
            env=ENVIRONMENT,
            user=USER,
            group=USER,
            extra_groups=[],
        )
    finally:
        os.unlink(path)
    words = "" if done.returncode == 0 else words_of(done.stdout + done.stderr)
    return {"passed": done.returncode == 0, "words": words.replace(path, "FILE")}


def ask_ha() -> bool:
    """Tell whether the server answers, and speaks of its HA hook."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(5)
        link.connect(SOCKET)
        link.sendall(b'{"command": "status-get"}')
        link.shutdown(socket.SHUT_WR)
        reply = json.loads(b"".join(iter(lambda: link.recv(65536), b"")))
    return bool(reply.get("arguments", {}).get("high-availability"))


def start(request: dict) -> dict:
    """Start daemons, see whether they live, and end them."""
    owner, group = pwd.getpwnam(USER).pw_uid, grp.getgrnam(USER).gr_gid
    for name in STATE:
        run("mount", "-t", "tmpfs", "-o", f"mode=0750,uid={owner},gid={group}", "tmpfs", name)
    run("ip", "link", "set", "lo", "up")
    plug_in(request["interfaces"])
    running: list[tuple[str, subprocess.Popen, str]] = []
    try:
        for program in PROGRAMS:
            if program in request["files"]:
                path = write(request["files"][program])
                output = open(output_of(program), "w", encoding="utf-8")  # noqa: SIM115
                command = [*AS_SERVICE, f"/usr/sbin/{program}", "-c", path]
                running.append(
                    (program, subprocess.Popen(command, stdout=output, stderr=output, env=ENVIRONMENT), path)
                )
        began = time.monotonic()
        while True:
            for program, process, path in running:
                if process.poll() is not None:
                    return {"passed": False, "words": f"{program}: {last_words(program).replace(path, 'FILE')}"}
            if time.monotonic() > began + ALIVE:
                # On a busy machine it may live, and not be ready yet.
                with contextlib.suppress(OSError, ValueError):
                    return {"passed": True, "words": "", "ha": ask_ha()}
                if time.monotonic() > began + READY:
                    return {"passed": True, "words": "it lives, but does not answer", "ha": False}
            time.sleep(0.1)
    finally:
        for _program, process, path in running:
            process.kill()
            process.wait()
            os.unlink(path)


def output_of(program: str) -> Path:
    return Path("/var/log/kea") / f"{program}.out"


def last_words(program: str) -> str:
    """Return what a daemon said on its output and in its log."""
    paths = [output_of(program), *Path("/var/log/kea").glob("*.log")]
    return words_of("\n".join(path.read_text(encoding="utf-8", errors="replace") for path in paths))


def start_apart(request: dict) -> dict:
    """Start in namespaces of its own: other trials run at the same time."""
    done = subprocess.run(
        ["unshare", "--mount", "--net", sys.executable, __file__, "--start"],
        input=json.dumps(request),
        text=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-800:])
    return json.loads(done.stdout)


def answer(request: dict) -> dict:
    """Return the reply to one request; what goes wrong with a trial is told, not swallowed."""
    try:
        reply = start_apart(request) if request["how"] == "start" else check(request)
    except Exception as exc:  # noqa: BLE001
        reply = {"passed": False, "words": f"{type(exc).__name__}: {exc}", "failed": True}
    return {"id": request["id"], **reply}


def main() -> None:
    if sys.argv[1:] == ["--start"]:
        print(json.dumps(start(json.load(sys.stdin))))
        return
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # the first process of a container ignores it otherwise
    prepare()
    lock = threading.Lock()

    def tell(reply: dict) -> None:
        with lock:
            print(json.dumps(reply), flush=True)

    tell({"version": run("/usr/sbin/kea-dhcp4", "-v").splitlines()[0]})
    # Trials of a start mostly wait.
    pools = {how: concurrent.futures.ThreadPoolExecutor(width) for how, width in (("check", 2), ("start", 8))}
    for line in sys.stdin:
        request = json.loads(line)
        if request["how"] != "start":
            try:
                plug_in(request["interfaces"])
            except RuntimeError as exc:
                tell({"id": request["id"], "passed": False, "words": str(exc), "failed": True})
                continue
        pool = pools["start" if request["how"] == "start" else "check"]
        pool.submit(lambda request=request: tell(answer(request)))
    for pool in pools.values():
        pool.shutdown(cancel_futures=True)


if __name__ == "__main__":
    main()
