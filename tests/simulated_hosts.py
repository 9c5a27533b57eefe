# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are folders, and the Kea daemons of all of them in one process.

A host has its own /etc, /var and /run, and programs of a few lines in the place of systemctl, dpkg-query, ip and the
daemons' checkers. Whatever Ansible runs on it runs in a mount namespace of its own, with these in place. Playbooks,
filters, modules and their transactions are the real ones; only what they talk to is played, and Python is not started
anew for each module: see ``Runner``. It needs root, or a sudo that asks no password, for namespaces of its own: see
``apart``.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import email.utils
import gc
import importlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import types
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "plugins" / "module_utils"))

import _jsonc  # noqa: E402 - the pure core, from its folder

PYTHON = os.path.realpath(sys.executable)
VERSION = "2.6.3"
FATES = ("refuses", "unreachable", "lost")
"""What can be wrong with a host: its Kea refuses every new configuration; nobody reaches it over SSH; nobody does any
more once its DHCP server was started. Kea itself goes on."""
NETWORK = "172.16.0.0/12"
_PACKAGES = ("kea-dhcp4-server", "kea-ctrl-agent", "kea-common", "openssl", "nftables")
_UNITS = ("kea-dhcp4-server", "kea-ctrl-agent")
# Of a host's own; everything else it shares with the machine.
_OWN = ("etc", "run", "var")

_PROGRAMS = {
    "systemctl": r"""#!/bin/sh
state=/run/simulated
case $1 in
  --version) echo "systemd 257 (257.9-1)" ;;
  show)
    case $* in
      *--property=Id,*) printf 'Id=chrony.service\nActiveState=active\nUnitFileState=enabled\n' ;;
      *--property=LoadState,*)
        active=inactive sub=dead pid=0
        if [ -s "$state/$2.pid" ]; then active=active sub=running; read -r pid <"$state/$2.pid"; fi
        read -r boot <"$state/$2.boot"
        printf 'LoadState=loaded\nActiveState=%s\nSubState=%s\nMainPID=%s\nNRestarts=0\nConditionResult=yes\n' \
          $active $sub $pid
        echo "UnitFileState=$boot" ;;
    esac ;;
  cat) echo "[Unit]" ;;
  enable | disable) echo "$1d" >"$state/$2.boot" ;;
  start | restart | stop)
    case $2 in
      kea-*) exec PYTHON -ISE -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("/run/simulated/orders")
s.sendall(" ".join(sys.argv[1:]).encode() + b"\n")
s.recv(1)' "$1" "$2" ;;
    esac ;;
esac
""",
    "journalctl": "#!/bin/sh\ncase $* in *--show-cursor*) echo '-- cursor: s=0' ;; esac\n",
    "dpkg-query": "#!/bin/sh\nprintf '" + "".join(f"ii \\t{name}\\t{VERSION}-1\\n" for name in _PACKAGES) + "'\n",
    "apt-cache": "#!/bin/sh\nprintf '"
    + "".join(f"{name}:\\n  Candidate: {VERSION}-1\\n" for name in _PACKAGES)
    + "'\n",
    "systemd-detect-virt": "#!/bin/sh\necho none\nexit 1\n",
    "kea-dhcp4": f"""#!/bin/sh
case $1 in
  -v) echo {VERSION} ;;
  *) if [ -e /run/simulated/broken ]; then
      echo "2026-01-01 00:00:00.000 ERROR [kea-dhcp4.dhcp4/1.1] DHCP4_PARSER_FAIL this host was told to refuse ($2:1:1)"
      exit 1
    fi ;;
esac
""",
    "kea-ctrl-agent": f"#!/bin/sh\ncase $1 in -v) echo {VERSION} ;; esac\n",
    "ip": r"""#!/bin/sh
read -r address </run/simulated/address
case $* in
  *"route get"*) echo "8.8.8.8 via 172.16.0.1 dev eth0 src $address uid 0" ;;
  *secondary*) ;;
  *eth0*) echo "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default"
    echo "    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff"
    echo "    inet $address/12 brd 172.31.255.255 scope global eth0" ;;
esac
""",
}
# What Ansible calls as the shell of a host: has the runner do it, and ends as that does.
_SHELL = """#!{0} -ISE
import _socket, sys
door = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
door.connect({1!r})
files = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
words = chr(0).join([{2!r}, *sys.argv[1:]]).encode("utf-8", "surrogateescape")
door.sendmsg([words], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, files)])
sys.exit((door.recv(1) or b"\\xff")[0])
"""
# Modules of Ansible that site.yml runs on a host, beside all of the collection.
_MODULES = ("setup", "stat", "file", "copy")
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n_kea:x:0:0::/var/lib/kea:/bin/false\n",
    "etc/group": "root:x:0:\n_kea:x:0:\n",
    "etc/os-release": 'ID=debian\nNAME="Debian GNU/Linux"\nVERSION_ID=13\nVERSION="13 (trixie)"\n',
    "etc/debian_version": "13.2\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_FOLDERS = ("etc/kea", "etc/systemd/system", "run/kea", "run/lock", "run/systemd/system", "run/simulated")
_FOLDERS += ("var/lib/kea", "var/log/kea", "var/tmp", "var/lib/dpkg")


@contextlib.contextmanager
def folder():
    """Yield a folder for a world, removed afterwards by a process that sees nothing of what was mounted in it."""
    path = Path(tempfile.mkdtemp(prefix="keaops-"))
    try:
        yield path
    finally:
        if str(path) in Path("/proc/self/mountinfo").read_text(encoding="utf-8"):
            raise RuntimeError(f"something is mounted in {path}: unmount it, then remove the folder")
        shutil.rmtree(path)


def apart(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a program in namespaces of its own: mounts, network, processes. It has to call ``prepare`` first.

    Nothing of it goes on when this process ends.
    """
    # Not in one of users: there nobody may drop groups, as those do who become _kea.
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    unshare = [*root, "unshare", "--mount", "--net", "--pid", "--mount-proc", "--fork", "--kill-child", "--"]
    return subprocess.run([*unshare, *command], check=True, text=True, stdout=subprocess.PIPE)


def prepare() -> None:
    """Make the network that the hosts share."""
    for words in (
        "link set lo up",
        # All addresses of the hosts are this machine's, without being configured one by one.
        f"route add local {NETWORK} dev lo",
        "link add eth0 type veth peer name wire",
        "link set eth0 up",
        "link set wire up",
    ):
        subprocess.run(["ip", *words.split()], check=True)


class Runner:
    """Runs what Ansible sends to hosts, each in a fork of one Python that has imported the modules' parts before.

    A real host starts its own Python for each module, and has a processor of its own for that. Here a thousand hosts
    share the controller's processors, and would be most of what a bench of the controller measures. What a module does,
    and what it can see, is the same: nothing is left in this process by any of them.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder, self.root, self.door = folder, root, folder / "door"
        self.pid = 0

    def start(self) -> None:
        """Begin to listen. Not in a process with threads, as it is forked."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(self.door))
        listener.listen(1000)
        self.pid = os.fork()
        if not self.pid:
            self._serve(listener)
        listener.close()

    def end(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def processor(self) -> float:
        """Return how many seconds of a processor the hosts took so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def _serve(self, listener: socket.socket) -> NoReturn:
        try:
            self._warm_up()
            while True:
                door, _address = listener.accept()
                with contextlib.suppress(ChildProcessError):
                    while os.waitpid(-1, os.WNOHANG)[0]:
                        pass
                if not os.fork():
                    listener.close()
                    self._answer(door)
                door.close()
        finally:
            os._exit(1)

    def _warm_up(self) -> None:
        """Import what modules import. The modules themselves are run anew each time."""
        sys.path.insert(0, str(ROOT / ".ansible" / "collections"))
        own = "ansible_collections.keaops.kea.plugins.modules"
        names = [f"{own}.{path.stem}" for path in (ROOT / "plugins" / "modules").glob("[!_]*.py")]
        names += [f"ansible.modules.{name}" for name in _MODULES]
        for name in [*names, "ansible.module_utils._internal._ansiballz._loader"]:
            importlib.import_module(name)
        for name in names:
            del sys.modules[name]
        atexit._clear()
        gc.freeze()

    def _answer(self, door: socket.socket) -> NoReturn:
        """Run a command on a host, in a process of its own that ends with it."""
        code, mine = 255, os.getpid()
        try:
            words, files, _flags, _address = socket.recv_fds(door, 65536, 3)
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)
            name, *arguments = words.decode("utf-8", "surrogateescape").split("\0")
            self._enter(self.folder / "hosts" / name)
            code = self._run(arguments)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            if os.getpid() == mine:
                atexit._run_exitfuncs()
                sys.stdout.flush()
                sys.stderr.flush()
                door.send(bytes([code & 255]))
            os._exit(code & 255)

    def _enter(self, host: Path) -> None:
        """Become a process of the host."""
        libc = ctypes.CDLL(None, use_errno=True)
        new_mounts, bind = 0x20000, 4096
        done = libc.unshare(new_mounts)
        for name in _OWN:
            target = str(self.root / name).encode()
            done = done or libc.mount(str(host / name).encode(), target, None, bind, None)
        if done:
            raise OSError(ctypes.get_errno(), f"{host.name}: no namespace of its own")
        os.chroot(self.root)
        os.chdir("/")
        os.environ["PATH"] = "/usr/sbin:/usr/bin:/bin"

    def _run(self, arguments: list[str]) -> int:
        """Do what a shell would; a Python with a program on its standard input is at hand already."""
        if arguments != ["-c", f"{PYTHON} && sleep 0"]:
            return subprocess.run(["/bin/sh", *arguments], check=False).returncode
        program = sys.stdin.buffer.read()
        sys.argv = ["-"]
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(program, "<stdin>", "exec"), main.__dict__)
        return 0


class Host:
    """One host: its folder, and its two daemons."""

    def __init__(self, world: World, name: str, address: str, role: str) -> None:
        self.world, self.name, self.address, self.role = world, name, address, role
        self.folder = world.folder / "hosts" / name
        self.partner: Host = self
        self.pids: dict[str, int] = {}
        self.servers: dict[str, asyncio.Server] = {}
        self.content: dict[str, Any] = {}
        self.drained = self.stands_in = self.alone = self.to_be_lost = False

    def make(self) -> None:
        """Make the folder, with nothing deployed."""
        for name in _FOLDERS:
            (self.folder / name).mkdir(parents=True)
        for name, text in _FILES.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        for unit in _UNITS:
            (self.folder / "run" / "simulated" / f"{unit}.boot").write_text("disabled\n", encoding="utf-8")
        (self.folder / "run" / "simulated" / "address").write_text(f"{self.address}\n", encoding="utf-8")
        if Path("/etc/ld.so.cache").exists():
            shutil.copy("/etc/ld.so.cache", self.folder / "etc")
        shell = self.folder / "sh"
        shell.write_text(_SHELL.format(PYTHON, str(self.world.runner.door), self.name), encoding="utf-8")
        shell.chmod(0o755)

    def path(self, name: str) -> Path:
        """Return where a file of the host is."""
        return self.folder / name.lstrip("/")

    def break_it(self, fate: str) -> None:
        """Have something be wrong with the host from now on, one of FATES."""
        if fate == "refuses":
            self.path("run/simulated/broken").touch()
        elif fate == "unreachable":
            (self.folder / "lost").touch()
        else:
            self.to_be_lost = True

    def mend(self) -> None:
        """Have nothing be wrong with it any more."""
        self.to_be_lost = False
        for path in (self.path("run/simulated/broken"), self.folder / "lost"):
            path.unlink(missing_ok=True)

    # systemd

    async def order(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Do what systemctl was told."""
        verb, unit = (await reader.readline()).decode().split()
        await self.stop(unit)
        if verb != "stop":
            await self.start(unit)
        if self.to_be_lost and unit == "kea-dhcp4-server":
            self.break_it("unreachable")
        writer.write(b".")
        writer.close()

    async def stop(self, unit: str) -> None:
        """Stop a daemon."""
        self.path(f"run/simulated/{unit}.pid").unlink(missing_ok=True)
        server = self.servers.pop(unit, None)
        if server is None:
            return
        server.close()
        self.pids.pop(unit)
        if unit == "kea-dhcp4-server" and self.drained:
            self.partner.alone, self.partner.stands_in = True, False

    async def start(self, unit: str) -> None:
        """Start a daemon with the configuration that lies there."""
        pid = self.pids[unit] = next(self.world.numbers)
        if unit == "kea-dhcp4-server":
            self.content = _jsonc.loads(self.path("etc/kea/kea-dhcp4.conf").read_text(encoding="utf-8"))
            self.drained = self.alone = self.stands_in = self.partner.alone = self.partner.stands_in = False
            socket = self.path(self.content["Dhcp4"]["control-socket"]["socket-name"])
            socket.unlink(missing_ok=True)
            self.servers[unit] = await asyncio.start_unix_server(self.by_socket, socket)
        else:
            agent = _jsonc.loads(self.path("etc/kea/kea-ctrl-agent.conf").read_text(encoding="utf-8"))["Control-agent"]
            self.servers[unit] = await asyncio.start_server(self.by_http, agent["http-host"], agent["http-port"])
        self.path(f"run/simulated/{unit}.pid").write_text(f"{pid}\n", encoding="utf-8")

    # Kea

    async def by_socket(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request on the control socket."""
        writer.write(json.dumps(self.answer(json.loads(await reader.read(65536)))).encode())
        writer.close()

    async def by_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request to the Control Agent."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.split("content-length:")[1].split()[0])
            body = json.dumps([self.answer(json.loads(await reader.readexactly(length)))]).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
        writer.close()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return Kea's reply to a command."""
        command = request["command"]
        if "kea-dhcp4-server" not in self.pids:
            return {"result": 1, "text": "unable to forward command to the dhcp4 service: No such file or directory."}
        if command == "ha-maintenance-notify":
            self.drained, self.partner.stands_in = True, True
        elif command == "ha-maintenance-start":
            self.alone = True
        replies = {
            "config-get": lambda: {"arguments": self.content},
            "version-get": lambda: {"text": VERSION},
            "status-get": lambda: {"arguments": self.status()},
            "ha-heartbeat": lambda: {"arguments": self.heartbeat()},
            "ha-maintenance-notify": lambda: {"text": "Server is in maintenance."},
            "ha-maintenance-start": lambda: {"text": "Server is now in the partner-down state."},
            "lease4-get-page": lambda: {"result": 3, "arguments": {"leases": [], "count": 0}},
        }
        if command not in replies:
            return {"result": 2, "text": f"'{command}' command not supported."}
        return {"result": 0, **replies[command]()}

    def state(self) -> str:
        """Return the state of high availability."""
        if self.drained:
            return "in-maintenance"
        if self.stands_in:
            return "partner-in-maintenance"
        if self.alone:
            return "partner-down"
        return "hot-standby" if "kea-dhcp4-server" in self.partner.pids else "waiting"

    def scopes(self) -> list[str]:
        """Return which clients the server answers, by the name of the server whose clients they are."""
        if self.drained or self.state() == "waiting":
            return []
        both = self.state() != "hot-standby"
        return ["server1"] if both or self.role == "primary" else []

    def heartbeat(self) -> dict[str, Any]:
        """Return what a partner is told."""
        now = email.utils.formatdate(usegmt=True)
        return {"state": self.state(), "date-time": now, "scopes": self.scopes(), "unsent-update-count": 0}

    def status(self) -> dict[str, Any]:
        """Return the answer to status-get."""
        partner, [relation] = self.partner, _relationships(self.content)
        up = "kea-dhcp4-server" in partner.pids
        local = {"role": self.role, "scopes": self.scopes(), "state": self.state()}
        local["server-name"] = relation["this-server-name"]
        remote = {
            "role": partner.role,
            "server-name": next(peer["name"] for peer in relation["peers"] if peer["name"] != local["server-name"]),
            "last-state": partner.state() if up else "unavailable",
            "last-scopes": partner.scopes() if up else [],
            "age": 0,
            "in-touch": up,
            "communication-interrupted": not up,
        }
        servers = {"local": local, "remote": remote}
        return {
            "pid": self.pids["kea-dhcp4-server"],
            "uptime": 1,
            "reload": 1,
            "packet-queue-statistics": [0.0, 0.0, 0.0],
            "multi-threading-enabled": False,
            "sockets": {"status": "ready"},
            "high-availability": [{"ha-mode": "hot-standby", "ha-servers": servers}],
        }


def _relationships(content: dict[str, Any]) -> list[dict[str, Any]]:
    hooks = content["Dhcp4"]["hooks-libraries"]
    return next(
        hook["parameters"]["high-availability"]
        for hook in hooks
        if "high-availability" in (hook.get("parameters") or {})
    )


class World:
    """All hosts, and the thread in which their daemons live. Only for a process that ``apart`` has started.

    Args:
        folder: for everything; its path must be short, as sockets are in it.
        pairs: for each pair both hosts as (name, address), the primary first.
    """

    def __init__(self, folder: Path, pairs: list[list[tuple[str, str]]]) -> None:
        self.folder, self.root = folder, folder / "root"
        self.numbers = itertools.count(1000000)
        self.hosts: dict[str, Host] = {}
        for first, second in pairs:
            one, other = Host(self, *first, "primary"), Host(self, *second, "standby")
            one.partner, other.partner = other, one
            self.hosts.update({one.name: one, other.name: other})
        self.runner = Runner(folder, self.root)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> World:
        """Make the hosts and start to listen."""
        self._make_root()
        # The preflight looks whose the ports are.
        Path("/proc/self/comm").write_text("kea-ctrl-agent", encoding="utf-8")
        (self.folder / "tmp").mkdir()
        for host in self.hosts.values():
            host.make()
        self.runner.start()
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_exception: object) -> None:
        """End the daemons; the mounts end with the process."""
        self.runner.end()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _listen(self) -> None:
        for host in self.hosts.values():
            await asyncio.start_unix_server(host.order, host.path("run/simulated/orders"))

    def _make_root(self) -> None:
        """Make what all hosts share: the machine, but for the hosts' own folders, /usr/sbin, and what /sys says."""
        for entry in sorted(Path("/").iterdir()):
            mine = self.root / entry.name
            if entry.is_symlink():
                mine.parent.mkdir(exist_ok=True)
                mine.symlink_to(os.readlink(entry))
            elif entry.is_dir():
                mine.mkdir(parents=True)
                if entry.name not in (*_OWN, "usr", "sys"):
                    self._bind(entry, mine)
        for entry in Path("/usr").iterdir():
            if entry.is_dir() and not entry.is_symlink() and entry.name != "sbin":
                (self.root / "usr" / entry.name).mkdir()
                self._bind(entry, self.root / "usr" / entry.name)
        sbin = self.root / "usr" / "sbin"
        sbin.mkdir()
        for name, text in _PROGRAMS.items():
            (sbin / name).write_text(text.replace("PYTHON", PYTHON), encoding="utf-8")
            (sbin / name).chmod(0o755)
        for name, kind in (("lo", "772"), ("eth0", "1")):
            link = self.root / "sys" / "class" / "net" / name
            link.mkdir(parents=True)
            for key, value in (("address", "02:00:00:00:00:01"), ("mtu", "1500"), ("operstate", "up"), ("type", kind)):
                (link / key).write_text(f"{value}\n", encoding="utf-8")

    def _bind(self, source: Path, target: Path) -> None:
        subprocess.run(["mount", "--rbind", str(source), str(target)], check=True)

    def variables(self) -> dict[str, Any]:
        """Return how Ansible reaches the hosts."""
        lost = f"('{self.folder}/hosts/' ~ inventory_hostname ~ '/lost') is exists"
        return {
            # Nobody listens for ssh.
            "ansible_connection": f"{{{{ 'ssh' if {lost} else 'local' }}}}",
            "ansible_become": False,
            "ansible_shell_executable": f"{self.folder}/hosts/{{{{ inventory_hostname }}}}/sh",
            "ansible_python_interpreter": PYTHON,
            "ansible_remote_tmp": str(self.folder / "tmp"),
        }
