#!/usr/bin/env python3
# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test lab: pairs of bare Debian hosts with a client each, in containers.

    lab/lab.py up --pair trixie:trixie      two hosts, a client, a LAN 192.168.1.0/24
    lab/lab.py status                       what runs, and how to reach it
    lab/lab.py exec trixie1 systemctl status
    lab/lab.py net cut trixie2              pull its LAN cable; "net heal" puts it back
    lab/lab.py down                         remove this lab
    lab/lab.py engine-stop                  stop the engine, when this tool started it

Every pair has a LAN of its own. It is no network of the engine: it lives in the network
namespaces of the pair's containers, so that many pairs use the same addresses side by side and
nothing of it shows on the machine. The hosts hold nothing of Kea; a user reaches them by SSH
on 127.0.0.1, as `ops` with sudo. Standard library only.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
STARTED = time.monotonic()

LABEL = "keaops.lab"
RUN_VARIABLE = "KEAOPS_LAB_RUN"
REPOSITORY = "keaops-lab"
USER = "ops"
LAN_INTERFACE = "enp0s8"
LAN_PREFIX = 24
LAN_ROUTER = "192.168.1.1"
LAN_HOSTS = ("192.168.1.2", "192.168.1.3")
CLIENT_INTERFACE = "eth-lan"
INOTIFY_INSTANCES = 1024

HOST_SUITES = ("bookworm", "trixie", "forky")
CLIENT_IMAGE = "client"
CLIENT_SUITE = "bookworm"
CLIENT_PROGRAMS = {"dhcp_client.py": "dhcp-client", "prober.py": "dhcp-prober", "attack": "attack"}
CLIENT_FOLDER = "/usr/local/lib/keaops-lab"
# Suites with a -security and an -updates archive beside the main one.
RELEASED_SUITES = ("bookworm", "trixie")
# A mirror's copy of testing can be older than its Release file allows. Lab images only.
UNDATED_SUITES = ("forky",)
COMMON_PACKAGES = ("ca-certificates", "iproute2", "iputils-ping", "openssh-server", "procps", "python3", "sudo")
HOST_PACKAGES = (*COMMON_PACKAGES, "dbus", "python3-apt", "systemd", "systemd-sysv")
CLIENT_PACKAGES = (*COMMON_PACKAGES, "isc-dhcp-client", "kea-admin", "tcpdump", "udhcpc")

# Run in the new root file system ($1) while an image is built.
COMMON_HOOK = f"""
chroot "$1" useradd --create-home --shell /bin/bash {USER}
echo '{USER} ALL=(ALL) NOPASSWD: ALL' > "$1/etc/sudoers.d/{USER}"
chmod 0440 "$1/etc/sudoers.d/{USER}"
mkdir -p "$1/home/{USER}/.ssh"
chmod 0700 "$1/home/{USER}/.ssh"
chroot "$1" chown {USER}: /home/{USER}/.ssh
rm -f "$1"/etc/ssh/ssh_host_*
printf '%s\\n' 'PasswordAuthentication no' 'UseDNS no' 'HostKey /etc/ssh/ssh_host_ed25519_key' \
> "$1/etc/ssh/sshd_config.d/lab.conf"
: > "$1/etc/machine-id"
"""
HOST_HOOK = """
cat > "$1/etc/systemd/system/ssh-host-key.service" <<UNIT
[Unit]
Description=One SSH host key of this host's own
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key
[Install]
WantedBy=multi-user.target
UNIT
chroot "$1" systemctl enable ssh-host-key.service ssh.service
chroot "$1" systemctl mask apt-daily.timer apt-daily-upgrade.timer console-getty.service getty.target
"""
CLIENT_COMMAND = (
    "mkdir -p /run/sshd && { test -f /etc/ssh/ssh_host_ed25519_key || "
    "ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; } && exec /usr/sbin/sshd -D -e"
)


class LabError(Exception):
    """What went wrong, where, and what to do about it: shown as one sentence."""


def say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:5.0f} s] {text}", file=sys.stderr, flush=True)


def run(
    command: list[str], *, check: bool = True, timeout: float = 120, stdin: str | None = None, env: dict | None = None
) -> subprocess.CompletedProcess:
    """Run a command, bounded in time, its output kept."""
    try:
        done = subprocess.run(
            command, input=stdin, text=True, capture_output=True, timeout=timeout, env=env, errors="replace"
        )
    except FileNotFoundError as exc:
        raise LabError(f"{command[0]} is not installed here") from exc
    except subprocess.TimeoutExpired as exc:
        raise LabError(f"no end after {timeout:.0f} s: {shlex.join(command)[:300]}") from exc
    if check and done.returncode:
        words = (done.stderr.strip() or done.stdout.strip())[-1500:]
        raise LabError(f"failed with {done.returncode}: {shlex.join(command)[:300]}\n{words}")
    return done


def as_root(command: list[str]) -> list[str]:
    return command if os.geteuid() == 0 else ["sudo", "-n", *command]


def may_be_root() -> bool:
    return os.geteuid() == 0 or (
        shutil.which("sudo") is not None and run(["sudo", "-n", "true"], check=False).returncode == 0
    )


# --------------------------------------------------------------------------- places


def cache_dir() -> Path:
    place = os.environ.get("KEAOPS_LAB_CACHE") or "~/.cache/keaops-lab"
    path = Path(place).expanduser().resolve()
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def run_dir() -> Path:
    """A short path for the socket, which may have 107 characters at most."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and Path(base).is_dir():
        path = Path(base) / "keaops-lab"
    else:
        path = Path(tempfile.gettempdir()) / f"keaops-lab-{os.getuid()}"
    digest = hashlib.sha256(str(cache_dir()).encode()).hexdigest()[:6]
    path = path / digest
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.stat().st_uid != os.getuid():
        raise LabError(f"{path} belongs to another user: set XDG_RUNTIME_DIR to a directory of your own")
    return path


def engine_file() -> Path:
    return cache_dir() / "engine.json"


def read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as exc:
        raise LabError(f"{path} cannot be read ({exc}): remove it, then run this again") from exc


def write_json(path: Path, value: dict) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(value, indent=2) + "\n")
    new.replace(path)


@contextlib.contextmanager
def locked(name: str):
    """One at a time: the kernel drops the lock when this process ends, however it ends."""
    with open(cache_dir() / f"{name}.lock", "w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run of this tool ({name})")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


# --------------------------------------------------------------------------- engine


def alive(pid: int, words: str) -> bool:
    """Is `pid` still the process we started? A number alone could be somebody else's by now."""
    try:
        return words in Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return False


class Engine(NamedTuple):
    """How `docker` reaches the engine."""

    command: list[str]
    env: dict[str, str]


def probe(engine: Engine) -> dict | None:
    """What the engine says of itself, or None when none answers."""
    if not shutil.which("docker"):
        return None
    try:
        done = run([*engine.command, "info", "--format", "{{json .}}"], check=False, timeout=20, env=engine.env)
        info = json.loads(done.stdout)
    except (LabError, ValueError):
        return None
    return info if done.returncode == 0 and info.get("ServerVersion") else None


def unusable(info: dict) -> str:
    """Why hosts with systemd cannot run in this engine; empty when they can."""
    if str(info.get("CgroupVersion")) != "2":
        return "it has cgroup v1, and systemd in Debian 13 and later needs v2"
    if any("rootless" in option for option in info.get("SecurityOptions") or []):
        return "it is rootless, and the hosts' systemd needs the machine's cgroups"
    return ""


def own_engine() -> dict:
    """The record of the private engine while it runs."""
    saved = read_json(engine_file())
    return saved if saved.get("pid") and alive(saved["pid"], saved["socket"]) else {}


def private_engine(socket: str) -> Engine:
    env = {**os.environ, "DOCKER_HOST": f"unix://{socket}"}
    env.pop("DOCKER_CONTEXT", None)
    return Engine(["docker"], env)


def find_engine() -> tuple[Engine | None, str]:
    """The engine to use, the private one first; else None, and why the one that answers is of no use."""
    saved = own_engine()
    if saved and probe(private_engine(saved["socket"])):
        return private_engine(saved["socket"]), ""
    candidates = [Engine(["docker"], dict(os.environ))]
    if os.geteuid() != 0 and may_be_root() and not os.environ.get("DOCKER_HOST"):
        # The engine runs, but this user is not in its group.
        candidates.append(Engine(["sudo", "-n", "docker"], dict(os.environ)))
    reason = ""
    for candidate in candidates:
        if info := probe(candidate):
            reason = unusable(info)
            if not reason:
                return candidate, ""
    return None, reason


_ENGINE: list[Engine] = []


def engine() -> Engine:
    if not _ENGINE:
        found, _reason = find_engine()
        if found is None:
            raise LabError("no container engine answers: run `lab/lab.py engine` first")
        _ENGINE.append(found)
    return _ENGINE[0]


def docker(*args: str, **kwargs) -> subprocess.CompletedProcess:
    return run([*engine().command, *args], env=engine().env, **kwargs)


def apt_install(packages: list[str], why: str) -> None:
    if not shutil.which("apt-get"):
        raise LabError(f"{why} needs {', '.join(packages)}: install them with this system's package manager")
    if not may_be_root():
        raise LabError(f"{why} needs {', '.join(packages)}: run `sudo apt-get install {' '.join(packages)}` first")
    say(f"installing {', '.join(packages)}")
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    # The daemon of the package would start at once; the lab's own one is started on purpose, below.
    for attempt in ("update", "install"):
        tail = ["update"] if attempt == "update" else ["install", "-y", "--no-install-recommends", *packages]
        run(as_root([*environment, "apt-get", "-q", *tail]), timeout=900)


def sysctl_path(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


def sysctl_set(name: str, value: str) -> bool:
    done = run(as_root(["sh", "-c", f"echo {shlex.quote(value)} > {sysctl_path(name)}"]), check=False)
    return done.returncode == 0


def raise_inotify() -> None:
    """systemd takes several inotify instances per host: 128 in all end at about 20 hosts."""
    name = "fs.inotify.max_user_instances"
    try:
        now = int(sysctl_path(name).read_text())
    except (OSError, ValueError):
        return
    if now >= INOTIFY_INSTANCES // 2 or not may_be_root():
        return
    if sysctl_set(name, str(INOTIFY_INSTANCES)):
        saved = read_json(engine_file())
        saved.setdefault("sysctl", {}).setdefault(name, str(now))
        write_json(engine_file(), saved)
        say(f"{name} raised from {now} to {INOTIFY_INSTANCES}, until engine-stop")


def start_engine() -> Engine:
    missing = [
        package
        for package, program in (("docker.io", "dockerd"), ("docker.io", "docker"), ("iptables", "iptables"))
        if not shutil.which(program) and not Path("/usr/sbin", program).exists()
    ]
    if not may_be_root():
        raise LabError(
            "no container engine answers, and starting one needs root: start Docker (or set DOCKER_HOST to one that "
            "answers), or run this as a user with sudo that asks no password"
        )
    if missing:
        apt_install(sorted(set(missing)), "a container engine")
        found, _reason = find_engine()
        if found:
            return found  # the package's own service came up: that one will do

    place = run_dir()
    socket = place / "docker.sock"
    pidfile = place / "docker.pid"
    log = cache_dir() / "engine.log"
    saved = read_json(engine_file())
    saved.setdefault("sysctl", {})
    forward = "net.ipv4.ip_forward"
    saved["sysctl"].setdefault(forward, sysctl_path(forward).read_text().strip())
    saved["had_bridge"] = run(["ip", "link", "show", "docker0"], check=False).returncode == 0
    saved["forward_policy"] = forward_policy()
    saved["socket"] = str(socket)
    write_json(engine_file(), saved)

    dockerd = [
        "dockerd",
        *("-H", f"unix://{socket}"),
        *("--data-root", str(cache_dir() / "engine")),
        *("--exec-root", str(place / "exec")),
        *("-p", str(pidfile)),
        *("--group", str(os.getgid())),
        *("--exec-opt", "native.cgroupdriver=cgroupfs"),
    ]
    # Hosts run systemd, which from Debian 13 on knows cgroup v2 alone. A mount namespace of the engine's own shows
    # v2 where systemd looks for it, whatever this machine has mounted there.
    script = "umount -R /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec " + shlex.join(
        dockerd
    )
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    pidfile.unlink(missing_ok=True)
    say("starting a container engine of the lab's own")
    with open(log, "ab") as handle:
        subprocess.Popen(
            as_root(["env", f"PATH={path}", "unshare", "-m", "--propagation", "private", "sh", "-c", script]),
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            start_new_session=True,
        )
    found = private_engine(str(socket))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            saved["pid"] = int(pidfile.read_text())
            write_json(engine_file(), saved)
        if saved.get("pid") and probe(found):
            return found
        time.sleep(0.5)
    tail = log.read_text(errors="replace").strip().splitlines()[-5:]
    stop_engine()
    raise LabError(f"the container engine does not answer after 60 s; the end of {log}:\n" + "\n".join(tail))


def forward_policy() -> str:
    done = run(as_root(["iptables", "-S", "FORWARD"]), check=False)
    found = re.search(r"^-P FORWARD (\S+)", done.stdout, re.M)
    return found.group(1) if found else ""


def stop_engine() -> None:
    """Stop the engine that this tool started, and put back what it changed on the machine."""
    saved = read_json(engine_file())
    if not saved:
        say("no engine was started here: nothing to stop")
        return
    pid = saved.get("pid")
    if pid and alive(pid, saved["socket"]):
        say(f"stopping the lab's container engine (process {pid})")
        run(as_root(["kill", str(pid)]), check=False)
        deadline = time.monotonic() + 60
        while alive(pid, saved["socket"]):
            if time.monotonic() > deadline:
                raise LabError(f"the engine, process {pid}, does not stop: look at {cache_dir() / 'engine.log'}")
            time.sleep(0.3)
        for place in ("/sys/fs/cgroup/docker", "/sys/fs/cgroup/unified/docker"):
            # Gone only when empty: another engine's containers may be in it.
            run(as_root(["rmdir", place]), check=False)
        shutil.rmtree(Path(saved["socket"]).parent, ignore_errors=True)
        if not saved.get("had_bridge"):
            run(as_root(["ip", "link", "delete", "docker0"]), check=False)
            remove_firewall_rules(saved.get("forward_policy", ""))
    for name, value in saved.get("sysctl", {}).items():
        sysctl_set(name, value)
    engine_file().unlink(missing_ok=True)
    _ENGINE.clear()
    say("engine stopped")


def remove_firewall_rules(policy: str) -> None:
    """dockerd leaves its chains behind; there was no docker0 before it, so every one of them is its own."""
    for program in ("iptables", "ip6tables"):
        for table in ("nat", "filter", "raw"):
            listing = run(as_root([program, "-t", table, "-S"]), check=False)
            if listing.returncode:
                continue
            lines = listing.stdout.splitlines()
            chains = [line.split()[1] for line in lines if re.match(r"-N DOCKER", line)]
            for line in lines:
                words = shlex.split(line)
                jump = words[0] == "-A" and words[1] not in chains and re.search("DOCKER|docker0", line)
                masquerade = words[:2] == ["-A", "POSTROUTING"] and "172.17.0.0/16" in line
                if jump or masquerade:
                    run(as_root([program, "-t", table, "-D", *words[1:]]), check=False)
            for flag in ("-F", "-X"):
                for chain in chains:
                    run(as_root([program, "-t", table, flag, chain]), check=False)
    if policy:
        run(as_root(["iptables", "-P", "FORWARD", policy]), check=False)


def ensure_engine() -> Engine:
    with locked("engine"):
        found, reason = find_engine()
        if found is None:
            if reason and "v1" in reason:
                # Two engines would fight over the machine's bridge and firewall chains.
                raise LabError(
                    f"the container engine that answers is of no use: {reason}. Stop it, or set DOCKER_HOST to another"
                )
            found = start_engine()
        raise_inotify()
        if own_engine() and not os.environ.get(RUN_VARIABLE):
            write_json(engine_file(), {**read_json(engine_file()), "keep": True})
    _ENGINE[:] = [found]
    return found


# --------------------------------------------------------------------------- images


def apt_mirrors() -> dict[str, str]:
    """The machine's own Debian mirrors, as {"main": uri, "security": uri}; empty where it is no Debian."""
    found: dict[str, str] = {}
    known = (*HOST_SUITES, "stable", "testing", "oldstable", "bullseye", "sid", "unstable")

    def note(uris: list[str], suites: list[str], components: list[str]) -> None:
        for suite in suites:
            base = suite.partition("-")[0].partition("/")[0]
            if base in known and "main" in components and uris:
                kind = "security" if "security" in suite else "main" if suite == base else ""
                if kind:
                    found.setdefault(kind, uris[0])

    directory = Path("/etc/apt/sources.list.d")
    for path in [Path("/etc/apt/sources.list"), *sorted(directory.glob("*.list"))]:
        with contextlib.suppress(OSError):
            for line in path.read_text(errors="replace").splitlines():
                words = re.sub(r"\[[^]]*\]", "", line.partition("#")[0]).split()
                if len(words) > 3 and words[0] == "deb":
                    note([words[1]], [words[2]], words[3:])
    for path in sorted(directory.glob("*.sources")):
        with contextlib.suppress(OSError):
            for stanza in re.split(r"\n\s*\n", path.read_text(errors="replace")):
                text = "\n".join(line for line in stanza.splitlines() if not line.startswith("#"))
                fields = {
                    key.lower(): value.split() for key, value in re.findall(r"^([\w-]+):((?:.|\n(?=\s))*)", text, re.M)
                }
                if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"]) != ["no"]:
                    note(fields.get("uris", []), fields.get("suites", []), fields.get("components", []))
    return found


def image_parts(kind: str) -> tuple[str, tuple[str, ...], str]:
    """suite, packages and hook of an image"""
    if kind == CLIENT_IMAGE:
        return CLIENT_SUITE, CLIENT_PACKAGES, COMMON_HOOK
    if kind not in HOST_SUITES:
        raise LabError(f"there is no image {kind}: the lab knows {', '.join((*HOST_SUITES, CLIENT_IMAGE))}")
    return kind, HOST_PACKAGES, COMMON_HOOK + HOST_HOOK


def image_sources(suite: str) -> list[str]:
    mirrors = apt_mirrors()
    if "main" not in mirrors:
        return []
    lines = [f"deb {mirrors['main']} {suite} main"]
    if suite in RELEASED_SUITES:
        lines.append(f"deb {mirrors['main']} {suite}-updates main")
        if "security" in mirrors:
            lines.append(f"deb {mirrors['security']} {suite}-security main")
    return lines


def image_name(kind: str) -> str:
    suite, packages, hook = image_parts(kind)
    key = hashlib.sha256(json.dumps([suite, sorted(packages), hook]).encode()).hexdigest()[:10]
    return f"{REPOSITORY}/{kind}:{key}"


def image_tar(kind: str) -> Path:
    return cache_dir() / "images" / (re.sub("[/:]", "-", image_name(kind)) + ".tar")


def have_image(kind: str) -> bool:
    return docker("image", "inspect", image_name(kind), check=False).returncode == 0


def ensure_image(kind: str, refresh: bool = False) -> str:
    name = image_name(kind)
    if not refresh and have_image(kind):
        return name
    tar = image_tar(kind)
    tar.parent.mkdir(exist_ok=True)
    if refresh or not tar.exists():
        build_image(kind, tar)
    say(f"{kind}: giving the image to the engine")
    command = ["/bin/sh", "-c", CLIENT_COMMAND] if kind == CLIENT_IMAGE else ["/sbin/init"]
    docker(
        "import",
        *("--change", "CMD " + json.dumps(command)),
        *("--change", "ENV container=docker"),
        *("--change", f"LABEL {LABEL}.image={kind}"),
        str(tar),
        name,
        timeout=300,
    )
    return name


def build_image(kind: str, tar: Path) -> None:
    suite, packages, hook = image_parts(kind)
    say(f"{kind}: building the image ({suite}, {len(packages)} packages and what they need); about a minute")
    new = tar.with_suffix(".part")
    options = []
    if suite in UNDATED_SUITES:
        options.append('--aptopt=Acquire::Check-Valid-Until "false"')
    started = time.monotonic()
    try:
        # The package lists stay in, as on a host in use: it knows what it could install.
        run(
            [
                "mmdebstrap",
                "--variant=minbase",
                "--format=tar",
                "--skip=cleanup/apt/lists",
                f"--include={','.join(sorted(packages))}",
                f"--customize-hook={hook}",
                *options,
                suite,
                str(new),
                *image_sources(suite),
            ],
            timeout=1200,
        )
        new.replace(tar)
    finally:
        new.unlink(missing_ok=True)
    say(f"{kind}: built in {time.monotonic() - started:.0f} s, {tar.stat().st_size // 1000000} MB")


def ensure_images(kinds: list[str], refresh: bool = False) -> None:
    with locked("images"):
        missing = [kind for kind in kinds if refresh or not (image_tar(kind).exists() or have_image(kind))]
        if missing and not shutil.which("mmdebstrap"):
            apt_install(["mmdebstrap", "debian-archive-keyring"], "building the images")
        in_parallel([lambda kind=kind: ensure_image(kind, refresh) for kind in kinds], width=2)


def in_parallel(jobs: list, width: int) -> list:
    """Run all; when one fails, the others end first, then its error is raised."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=width) as pool:
        futures = [pool.submit(job) for job in jobs]
        concurrent.futures.wait(futures)
    return [future.result() for future in futures]


# --------------------------------------------------------------------------- a lab


class Lab:
    """One lab: its containers carry its id as a label, its files lie in one directory."""

    def __init__(self, identity: str) -> None:
        self.id = identity
        self.directory = cache_dir() / "labs" / self.id
        self.inventory = self.directory / "inventory.yml"

    @classmethod
    def named(cls, name: str) -> Lab:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
            raise LabError(f"--lab {name}: use at most 40 small letters, digits, dashes and underscores")
        # Two checkouts of one user must not meet.
        return cls(f"{name}-{hashlib.sha256(str(HERE).encode()).hexdigest()[:6]}")

    @classmethod
    def all(cls) -> list[Lab]:
        """The labs of this user, whatever checkout they came from."""
        return [cls(path.name) for path in sorted((cache_dir() / "labs").glob("*")) if path.is_dir()]

    @property
    def state(self) -> dict:
        return read_json(self.directory / "lab.json")

    def containers(self) -> list[str]:
        done = docker("ps", "-aq", "--filter", f"label={LABEL}={self.id}")
        return done.stdout.split()

    def container(self, host: str) -> str:
        return f"keaops-{self.id}-{host}"

    # Whether its hosts count time each for itself, and not as this machine does.
    own_clocks = False

    def command(self, host: str, words: list[str]) -> list[str]:
        """What runs a command on a host or client, as root, with this program's standard input."""
        return [*engine().command, "exec", "-i", self.container(host), *words]

    def environment(self) -> dict[str, str]:
        """What that command needs in its environment."""
        return engine().env

    def machines(self) -> dict[str, dict]:
        return self.state.get("machines", {})

    def machine(self, host: str) -> dict:
        machines = self.machines()
        if host not in machines:
            known = ", ".join(machines) or "nothing: it is not up"
            raise LabError(f"{host} is not in the lab {self.id}, which has {known}")
        return machines[host]

    # -- up

    def up(self, pairs: dict[str, str]) -> None:
        machines: dict[str, dict] = {}
        for pair, suite in pairs.items():
            for number, address in enumerate(LAN_HOSTS, 1):
                machines[f"{pair}{number}"] = {
                    "pair": pair,
                    "image": suite,
                    "number": number,
                    "lan_address": address,
                }
            machines[f"{pair}-client"] = {"pair": pair, "image": CLIENT_IMAGE, "number": 0, "lan_address": LAN_ROUTER}
        if self.state.get("ready"):
            same = {k: v["image"] for k, v in machines.items()} == {k: v["image"] for k, v in self.machines().items()}
            running = docker("ps", "-q", "--filter", f"label={LABEL}={self.id}").stdout.split()
            if same and len(running) == len(machines):
                say(f"the lab {self.id} is up already")
                return
            raise LabError(f"another lab {self.id}, or a part of this one, is there: run `lab/lab.py down` first")
        ensure_images(sorted({m["image"] for m in machines.values()}))
        self.down()  # what a run that was killed left behind
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self.create(pairs, machines)
        except BaseException:
            say("that failed: removing what was started")
            self.down()
            raise

    def create(self, pairs: dict[str, str], machines: dict[str, dict]) -> None:
        key = self.directory / "id_ed25519"
        if not key.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {self.id}", "-f", str(key)])
        public = key.with_suffix(".pub").read_text()
        self.save(pairs, machines)

        say(f"starting {len(machines)} containers")
        in_parallel([lambda h=h, m=m: self.start(h, m, public) for h, m in machines.items()], width=4)
        say("wiring the LANs")
        in_parallel([lambda p=p: self.plumb(p, machines) for p in pairs], width=2)
        say("waiting for the hosts to answer by SSH")
        in_parallel([lambda h=h, m=m: self.wait_for_key(h, m) for h, m in machines.items()], width=4)
        known_hosts = "".join(f"[127.0.0.1]:{m['port']} {m['host_key']}\n" for m in machines.values())
        (self.directory / "known_hosts").write_text(known_hosts)
        self.save(pairs, machines)
        self.write_inventory()
        in_parallel([lambda h=h: self.wait_for_ssh(h) for h in machines], width=4)
        say(f"up: {', '.join(machines)}")

    def save(self, pairs: dict[str, str], machines: dict[str, dict]) -> None:
        ready = all("host_key" in machine for machine in machines.values())
        run_token = os.environ.get(RUN_VARIABLE)
        state = {"id": self.id, "run": run_token, "ready": ready, "pairs": pairs, "machines": machines}
        write_json(self.directory / "lab.json", state)

    def start(self, host: str, machine: dict, public_key: str) -> None:
        options = [
            *("--name", self.container(host)),
            *("--hostname", host),
            *("--label", f"{LABEL}={self.id}"),
            *("-p", "127.0.0.1::22"),
            *("--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", "--cap-add", "NET_BROADCAST"),
        ]
        if machine["image"] != CLIENT_IMAGE:
            options += [
                *("--cap-add", "SYS_ADMIN", "--stop-signal", "SIGRTMIN+3"),
                *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
                *("--security-opt", "label=disable"),
                # With a private cgroup namespace two hosts would share one /system.slice.
                *("--cgroupns", "host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
                *("--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp"),
            ]
        docker("run", "-d", *options, image_name(machine["image"]))
        name = self.container(host)
        keys = f"/home/{USER}/.ssh/authorized_keys"
        script = f"umask 077; cat > {keys} && chown {USER}: {keys}"
        docker("exec", "-i", name, "sh", "-c", script, stdin=public_key)
        if machine["image"] == CLIENT_IMAGE:
            self.give_programs(host)
        ports = docker("port", name, "22/tcp").stdout.split()
        machine["port"] = int(ports[0].rpartition(":")[2])

    def give_programs(self, client: str) -> None:
        """Put the checkout's programs onto a client: side by side, for they import one another.

        Each is there at any moment, the old one or the new one: somebody may be about to start it.
        """
        name = self.container(client)
        new = f"{CLIENT_FOLDER}/new-{secrets.token_hex(4)}"
        docker("exec", name, "mkdir", "-p", new)
        for source in CLIENT_PROGRAMS:
            docker("cp", str(HERE / source), f"{name}:{new}/{source}")
        script = [f"chmod 0755 {new}/*", f"mv -f {new}/* {CLIENT_FOLDER}", f"rmdir {new}"]
        for source, program in CLIENT_PROGRAMS.items():
            link = f"/usr/local/bin/{program}"
            script.append(f"{{ test -e {link} || ln -s {CLIENT_FOLDER}/{source} {link}; }}")
        docker("exec", name, "sh", "-c", " && ".join(script))

    def plumb(self, pair: str, machines: dict[str, dict], only: str | None = None) -> None:
        """Lay the LAN: a bridge in the client's network namespace, a cable from it to each host."""
        hosts = {h: m for h, m in machines.items() if m["pair"] == pair and m["number"]}
        client = self.container(f"{pair}-client")
        pids = {h: self.pid(self.container(h)) for h in hosts}
        inside = f"nsenter -t {self.pid(client)} -n"
        lines = ["set -e"]
        if only is None:
            lines += [
                f"{inside} ip link add lan0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                f"{inside} ip address add {LAN_ROUTER}/{LAN_PREFIX} dev lan0",
                f"{inside} ip link set lan0 up",
                f"{inside} ip link add {CLIENT_INTERFACE} type veth peer name port-client",
                f"{inside} ip link set port-client master lan0 up",
                f"{inside} ip link set {CLIENT_INTERFACE} up",
            ]
        for host, machine in hosts.items():
            if only not in (None, host):
                continue
            port = f"port{machine['number']}"
            mac = "52:54:00:" + hashlib.sha256(host.encode()).digest()[:3].hex(":")
            lines += [
                f"ip link add {LAN_INTERFACE} address {mac} netns {pids[host]} type veth "
                f"peer name {port} netns {self.pid(client)}",
                f"{inside} ip link set {port} master lan0 up",
                f"nsenter -t {pids[host]} -n ip address add {machine['lan_address']}/{LAN_PREFIX} dev {LAN_INTERFACE}",
                f"nsenter -t {pids[host]} -n ip link set {LAN_INTERFACE} up",
            ]
        self.helper("\n".join(lines))

    def helper(self, script: str) -> None:
        """Run `script` where all processes are seen: what needs root on the machine otherwise."""
        docker(
            *("run", "--rm", "-i", "--label", f"{LABEL}={self.id}"),
            *("--pid", "host", "--network", "none"),
            *("--security-opt", "apparmor=unconfined", "--security-opt", "label=disable"),
            *("--cap-add", "NET_ADMIN", "--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE"),
            *(image_name(CLIENT_IMAGE), "sh"),
            stdin=script,
        )

    def pid(self, container: str) -> int:
        return int(docker("inspect", "-f", "{{.State.Pid}}", container).stdout)

    def wait_for_key(self, host: str, machine: dict) -> None:
        name = self.container(host)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            done = docker("exec", name, "cat", "/etc/ssh/ssh_host_ed25519_key.pub", check=False)
            if done.returncode == 0 and done.stdout.startswith("ssh-"):
                machine["host_key"] = " ".join(done.stdout.split()[:2])
                return
            if docker("inspect", "-f", "{{.State.Running}}", name).stdout.strip() != "true":
                break
            time.sleep(0.5)
        logs = docker("logs", "--tail", "5", name, check=False)
        raise LabError(f"{host} did not boot: {(logs.stdout + logs.stderr).strip() or 'its container says nothing'}")

    def ssh(self, host: str) -> list[str]:
        return [
            "ssh",
            *("-i", str(self.directory / "id_ed25519"), "-o", "IdentitiesOnly=yes"),
            *("-o", f"UserKnownHostsFile={self.directory / 'known_hosts'}", "-o", "GlobalKnownHostsFile=/dev/null"),
            *("-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-p", str(self.machine(host)["port"])),
            f"{USER}@127.0.0.1",
        ]

    def wait_for_ssh(self, host: str) -> None:
        deadline = time.monotonic() + 120
        words = ""
        while time.monotonic() < deadline:
            # "degraded" is an answer too: a host that is up, with a unit that is not.
            test = "test ! -d /run/systemd/system || systemctl is-system-running --wait"
            done = run([*self.ssh(host), test], check=False, timeout=90)
            if done.returncode == 0 or "degraded" in done.stdout:
                if "degraded" in done.stdout:
                    say(f"{host} is up, but a unit of it failed: see `systemctl --failed` there")
                return
            words = (done.stderr.strip() or done.stdout.strip())[-300:]
            time.sleep(1)
        raise LabError(f"{host} does not answer by SSH on 127.0.0.1 port {self.machine(host)['port']}: {words}")

    def host_variables(self, machine: dict) -> dict:
        options = f"-o UserKnownHostsFile={self.directory / 'known_hosts'} -o GlobalKnownHostsFile=/dev/null"
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": machine["port"],
            "ansible_user": USER,
            "ansible_ssh_private_key_file": str(self.directory / "id_ed25519"),
            "ansible_ssh_common_args": options,
            "ansible_python_interpreter": "/usr/bin/python3",
            "lab_id": self.id,
            "lab_dir": str(self.directory),
            "lab_pair": f"pair_{machine['pair']}",
            "lab_suite": CLIENT_SUITE if machine["image"] == CLIENT_IMAGE else machine["image"],
            "lab_number": machine["number"],
            "lab_address": machine["lan_address"],
        }

    def groups(self) -> dict:
        """The lab as Ansible's dynamic inventory: group kea, in it one group for each pair, and group clients."""
        state = self.state
        if not state.get("ready"):
            return {"_meta": {"hostvars": {}}}
        machines = state["machines"]
        groups: dict = {"_meta": {"hostvars": {host: self.host_variables(m) for host, m in machines.items()}}}
        for pair in state["pairs"]:
            groups[f"pair_{pair}"] = {"hosts": [h for h, m in machines.items() if m["pair"] == pair and m["number"]]}
        groups["kea"] = {"children": [f"pair_{pair}" for pair in state["pairs"]]}
        groups["clients"] = {"hosts": [h for h, m in machines.items() if not m["number"]]}
        return groups

    def write_inventory(self) -> None:
        """The same as a file, for those who want one."""
        groups = self.groups()
        variables = groups["_meta"]["hostvars"]

        def hosts(name: str, indent: str) -> list[str]:
            lines = [f"{indent}{name}:", f"{indent}  hosts:"]
            for host in groups[name]["hosts"]:
                lines.append(f"{indent}    {host}:")
                lines += [f"{indent}      {key}: {json.dumps(value)}" for key, value in variables[host].items()]
            return lines

        lines = ["# Written by lab/lab.py up; gone with lab/lab.py down."]
        lines += ["all:", "  children:", "    kea:", "      children:"]
        for pair in groups["kea"]["children"]:
            lines += hosts(pair, " " * 8)
        lines += hosts("clients", " " * 4)
        self.inventory.write_text("\n".join(lines) + "\n")

    # -- the rest

    def remove_containers(self) -> None:
        found = self.containers()
        if found:
            say(f"removing the {len(found)} containers of the lab {self.id}")
            docker("rm", "-f", "-v", *found, timeout=180)

    def down(self) -> None:
        if find_engine()[0]:
            self.remove_containers()
        if self.directory.exists():
            shutil.rmtree(self.directory)

    def net(self, action: str, host: str) -> None:
        machine = self.machine(host)
        client = self.container(f"{machine['pair']}-client")
        port = f"port{machine['number']}" if machine["number"] else "port-client"
        docker("exec", client, "ip", "link", "set", port, "down" if action == "cut" else "up")

    def reboot(self, host: str) -> None:
        """Restart a host as after a loss of power; its LAN cable comes back a moment later."""
        machine = self.machine(host)
        if not machine["number"]:
            raise LabError(f"{host} is a client: only a server can be restarted")
        docker("kill", self.container(host))
        docker("start", self.container(host))
        self.plumb(machine["pair"], self.machines(), only=host)
        ports = docker("port", self.container(host), "22/tcp").stdout.split()
        self.introduce(host, {**machine, "port": int(ports[0].rpartition(":")[2])})

    def replace(self, host: str) -> None:
        """Throw a host away and put a bare one in its place, of the same name and address."""
        machine = self.machine(host)
        if not machine["number"]:
            raise LabError(f"{host} is a client: only a server can be replaced")
        docker("rm", "-f", "-v", self.container(host))
        self.start(host, machine, (self.directory / "id_ed25519.pub").read_text())
        self.plumb(machine["pair"], self.machines(), only=host)
        self.wait_for_key(host, machine)
        self.introduce(host, machine)

    def introduce(self, host: str, machine: dict) -> None:
        """Tell everybody the new port and key of a host, and wait for it."""
        state = self.state
        state["machines"][host] = machine
        self.save(state["pairs"], state["machines"])
        known = "".join(f"[127.0.0.1]:{m['port']} {m['host_key']}\n" for m in state["machines"].values())
        (self.directory / "known_hosts").write_text(known)
        self.write_inventory()
        self.wait_for_ssh(host)

    def show(self) -> None:
        state = self.state
        if not state:
            print(f"lab {self.id}: not up")
            return
        print(f"lab {self.id}: {self.inventory}")
        running = docker("ps", "--format", "{{.Names}}", "--filter", f"label={LABEL}={self.id}").stdout.split()
        for host, machine in state["machines"].items():
            word = "running" if self.container(host) in running else "NOT running"
            lan = machine["lan_address"] if machine["number"] else f"{LAN_ROUTER} (router), {CLIENT_INTERFACE}"
            print(f"  {host:20} {machine['image']:10} {word:12} LAN {lan}")
            print(f"  {'':20} {shlex.join(self.ssh(host))}")


# --------------------------------------------------------------------------- commands


def command_engine(_args: argparse.Namespace) -> None:
    host = ensure_engine().env.get("DOCKER_HOST")
    print(f"export DOCKER_HOST={shlex.quote(host)}" if host else "# the engine of this machine answers")


def command_engine_stop(_args: argparse.Namespace) -> None:
    with locked("engine"):
        if own_engine() and docker("ps", "-q", "--filter", f"label={LABEL}").stdout.split():
            # The last `run` that uses it will stop it, else the next engine-stop.
            write_json(engine_file(), {**read_json(engine_file()), "keep": False})
            say(f"the engine goes on, for it is in use: {', '.join(lab.id for lab in Lab.all())}")
            return
        stop_engine()


def command_image(args: argparse.Namespace) -> None:
    ensure_engine()
    kinds = [*HOST_SUITES, CLIENT_IMAGE] if "all" in args.suite else args.suite
    for kind in kinds:
        image_parts(kind)
    ensure_images(kinds, args.refresh)


def command_up(args: argparse.Namespace) -> None:
    pairs: dict[str, str] = {}
    for text in args.pair:
        name, _, suite = text.partition(":")
        suite = suite or name
        if not re.fullmatch(r"[a-z][a-z0-9]{0,19}", name) or name in pairs:
            raise LabError(f"--pair {text}: write NAME:SUITE, each NAME once, in small letters and digits")
        if suite not in HOST_SUITES:
            raise LabError(f"--pair {text}: the suites are {', '.join(HOST_SUITES)}")
        pairs[name] = suite
    lab = Lab.named(args.lab)
    ensure_engine()
    with locked(lab.id):
        lab.up(pairs)
    print(lab.inventory)


def command_down(args: argparse.Namespace) -> None:
    for lab in Lab.all() if args.all else [Lab.named(args.lab)]:
        with locked(lab.id):
            lab.down()


def command_status(args: argparse.Namespace) -> None:
    found, reason = find_engine()
    if found is None:
        print(f"no container engine{': ' + reason if reason else ' answers'}")
        return
    origin = "started by this tool" if own_engine() else "not started by this tool"
    print(f"engine: {found.env.get('DOCKER_HOST', 'the one of this machine')}, {origin}")
    lab = Lab.named(args.lab)
    lab.show()
    others = [other.id for other in Lab.all() if other.id != lab.id]
    if others:
        print("other labs: " + ", ".join(others))


def command_run(args: argparse.Namespace) -> int:
    """Whatever becomes of the command: the labs it brought up go down, and the engine, if it was started for this."""
    if not args.command:
        raise LabError("what shall run? For example: lab/lab.py run molecule test")
    token = f"{os.getpid()}-{time.time():.0f}"
    os.environ[RUN_VARIABLE] = token
    child = None
    try:
        ensure_engine()
        ensure_images(args.image or [*HOST_SUITES, CLIENT_IMAGE])
        # A process group of its own: nothing of it goes on when this ends.
        child = subprocess.Popen(args.command, start_new_session=True)
        return child.wait()
    except FileNotFoundError as exc:
        raise LabError(f"{args.command[0]} is not installed here") from exc
    finally:
        for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(signum, signal.SIG_IGN)
        if child is not None:
            end_group(child)
        for lab in Lab.all():
            with locked(lab.id):
                if lab.state.get("run") == token:
                    lab.down()
        with locked("engine"):
            saved = own_engine()
            if saved and not saved.get("keep") and not docker("ps", "-q", "--filter", f"label={LABEL}").stdout.split():
                stop_engine()


def end_group(child: subprocess.Popen) -> None:
    """End what is left of the command's process group: asked first, then killed."""
    for signum, patience in ((signal.SIGTERM, 60), (signal.SIGKILL, 10)):
        deadline = time.monotonic() + patience
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signum)
            while time.monotonic() < deadline:
                child.poll()  # or it would stay as a zombie, and the group with it
                os.killpg(child.pid, 0)
                time.sleep(0.2)


def command_exec(args: argparse.Namespace) -> None:
    lab = Lab.named(args.lab)
    lab.machine(args.host)
    name = lab.container(args.host)
    tty = ["-t"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    command = [*engine().command, "exec", "-i", *tty, name, *(args.command or ["bash"])]
    os.execvpe(command[0], command, engine().env)


def command_net(args: argparse.Namespace) -> None:
    Lab.named(args.lab).net(args.action, args.host)


def command_reboot(args: argparse.Namespace) -> None:
    Lab.named(args.lab).reboot(args.host)


def command_replace(args: argparse.Namespace) -> None:
    Lab.named(args.lab).replace(args.host)


def command_inventory(args: argparse.Namespace) -> None:
    lab = Lab.named(args.lab)
    if args.list:
        print(json.dumps(lab.groups(), indent=2))
    elif not lab.inventory.exists():
        raise LabError(f"the lab {lab.id} is not up")
    else:
        print(lab.inventory)


def command_clean(_args: argparse.Namespace) -> None:
    if own_engine():
        raise LabError("the lab's engine still runs: `lab/lab.py down --all`, then `lab/lab.py engine-stop` first")
    for name in ("engine", "images", "labs"):
        path = cache_dir() / name
        if path.exists():
            say(f"removing {path}")
            run(as_root(["rm", "-rf", "--one-file-system", str(path)]), timeout=300)


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--lab",
        default=os.environ.get("KEAOPS_LAB", "lab"),
        help="name of the lab, so that several stand side by side (default: $KEAOPS_LAB or lab)",
    )
    commands = parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")

    def add(name: str, function, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(function=function)
        return sub

    add("engine", command_engine, "use the container engine that answers, else start one; prints DOCKER_HOST")
    add("engine-stop", command_engine_stop, "stop the engine, if this tool started it")
    image = add("image", command_image, "build and cache images")
    image.add_argument("suite", nargs="+", help=f"{', '.join(HOST_SUITES)}, {CLIENT_IMAGE} or all")
    image.add_argument("--refresh", action="store_true", help="build them anew")
    up = add("up", command_up, "start the pairs; prints the path of their inventory")
    up.add_argument("--pair", action="append", required=True, metavar="NAME:SUITE")
    down = add("down", command_down, "remove the lab")
    down.add_argument("--all", action="store_true", help="every lab of this user")
    add("status", command_status, "what runs, and how to reach it")
    execute = add("exec", command_exec, "run a command on a host or client, as root")
    execute.add_argument("host")
    execute.add_argument("command", nargs=argparse.REMAINDER)
    runner = add("run", command_run, "run a command with engine and images ready; take down whatever it left")
    runner.add_argument("--image", action="append", help="an image it needs (default: all)")
    runner.add_argument("command", nargs=argparse.REMAINDER)
    net = add("net", command_net, "pull a host's LAN cable (cut), put it back (heal)")
    net.add_argument("action", choices=("cut", "heal"))
    net.add_argument("host")
    reboot = add("reboot", command_reboot, "cut a server's power and start it again")
    reboot.add_argument("host")
    replace = add("replace", command_replace, "throw a server away and put a bare one in its place")
    replace.add_argument("host")
    inventory = add("inventory", command_inventory, "print the path of the lab's Ansible inventory")
    inventory.add_argument("--list", action="store_true", help="print it, as Ansible's inventory scripts do")
    add("clean", command_clean, "remove images and the engine's data from the cache")
    return parser.parse_args(argv)


def program(name: str, parse: Callable[[list[str]], argparse.Namespace]) -> int:
    """Do what the command line says, and say what went wrong in one sentence of *name*; returns the exit code."""
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda number, _frame: sys.exit(128 + number))
    args = parse(sys.argv[1:])
    try:
        return args.function(args) or 0
    except BrokenPipeError:  # the reader, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except LabError as exc:
        print(f"{name}: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(program("lab", parse))
