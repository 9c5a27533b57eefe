# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a server of the lab and asks its Kea, by the server's own UNIX socket.

    watcher.py watch HOST SERVER SECONDS    five times a second: state and scopes, a line of the history each
    watcher.py ask COMMAND                  send one command, print the reply

A server that gives no answer within a second is silent, one without the HA hook has the state no-ha. It ends with its
standard input, and after so many seconds. Standard library only.
"""

import json
import select
import socket
import sys
import time

SOCKET = "/run/kea/kea4-ctrl-socket"
EVERY = 0.2


def ask(command: str, timeout: float) -> dict:
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(timeout)
        channel.connect(SOCKET)
        channel.sendall(command.encode())
        channel.shutdown(socket.SHUT_WR)
        return json.loads(b"".join(iter(lambda: channel.recv(65536), b"")))


def look() -> dict:
    try:
        found = ask('{"command": "ha-heartbeat"}', 1).get("arguments", {})
    except (OSError, ValueError) as exc:
        return {"state": "silent", "scopes": [], "why": str(exc)}
    return {"state": found.get("state", "no-ha"), "scopes": found.get("scopes", [])}


def watch(host: str, server: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        line = {"kind": "state", "host": host, "server": server, **look()}
        head = {"mono": round(time.monotonic(), 4), "wall": round(time.time(), 4)}
        print(json.dumps({**head, **line}, separators=(",", ":")), flush=True)
        # Both watchers look at the same moments: the hosts of a lab share a clock.
        if select.select([sys.stdin], [], [], EVERY - time.monotonic() % EVERY)[0] and not sys.stdin.read(1):
            return


if __name__ == "__main__":
    if sys.argv[1] == "watch":
        watch(sys.argv[2], sys.argv[3], float(sys.argv[4]))
    else:
        print(json.dumps(ask(sys.argv[2], 30)))
