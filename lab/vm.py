#!/usr/bin/env python3
# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab of virtual machines: a pair under QEMU, with what containers share with their host: kernel, clock, boot.

    lab/vm.py up --pair vm:trixie           two machines and a client, a LAN 192.168.1.0/24
    lab/vm.py up --pair pi:trixie --board pi    the same, as two emulated Raspberry Pis (arm64)
    lab/vm.py status                        what runs, and how to reach it
    lab/vm.py exec vm1 aa-status
    lab/vm.py net cut vm2                   pull its LAN cable; "net heal" puts it back
    lab/vm.py power cut vm1                 as if its plug were pulled; "power on" starts it again
    lab/vm.py console vm1                   what its serial console said
    lab/vm.py down                          remove this lab

The LAN and the client live in a network namespace of their own, which has no way out. Each machine reaches the package
mirrors, and is reached by SSH on 127.0.0.1, through QEMU's user-mode network. Images are made of Debian's packages, or
are an ordinary cloud image (--image FILE). Standard library only; what it takes of containers' lab is in lab.py.
"""

from __future__ import annotations

import argparse
import array
import contextlib
import fcntl
import hashlib
import json
import lzma
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import lab
from lab import LabError, as_root, run

HERE = Path(__file__).resolve().parent
NTP_OFF = "/tmp/ntp-off"
CLIENT_PATH = "/tmp/bin"
SUITES = ("trixie",)
PACKAGES = (
    *lab.HOST_PACKAGES,
    "apparmor",
    "busybox-static",
    "kmod",
    "systemd-timesyncd",
    "udev",
)
LAN_NETWORK = "192.168.1.0/24"
USER_INTERFACE = "enp0s3"
DISK_SIZE = "4G"
QMP_PATIENCE = 20


PROGRESS_VARIABLE = "KEAOPS_VM_PROGRESS"


def say(text: str) -> None:
    """Tell how far things are; also past a program that would show it at the end only, as Ansible does."""
    lab.say(text)
    path = os.environ.get(PROGRESS_VARIABLE, "")
    if path:
        with contextlib.suppress(OSError), open(path, "a", encoding="utf-8") as stream:
            print(f"vm: {text}", file=stream)


class Board(NamedTuple):
    """A kind of machine."""

    arch: str
    qemu: str
    package: str
    options: tuple[str, ...]
    cpu: str
    kernel: str
    modules: tuple[str, ...]
    console: str
    ram: int
    # Bytes and operations per second that the disk manages; 0 for as fast as it goes.
    disk: tuple[int, int]
    parameters: str


BOARDS = {
    "pc": Board(
        arch="amd64",
        qemu="qemu-system-x86_64",
        package="qemu-system-x86",
        options=("-machine", "q35"),
        # Not cx16: with it, QEMU 7.2 once left wrong flags behind, and the kernel died of that.
        cpu="qemu64,-svm,-cx16",
        kernel="linux-image-cloud-amd64",
        modules=("virtio_blk",),
        console="ttyS0",
        ram=768,
        disk=(0, 0),
        parameters="",
    ),
    # 1 GB, an SD card's speed, and no clock that goes on without power.
    "pi": Board(
        arch="arm64",
        qemu="qemu-system-aarch64",
        package="qemu-system-arm",
        options=("-machine", "virt"),
        cpu="cortex-a72",
        kernel="linux-image-cloud-arm64",
        modules=("virtio_blk",),
        console="ttyAMA0",
        ram=1024,
        disk=(20_000_000, 500),
        parameters="initcall_blacklist=pl031_driver_init",
    ),
}

# Run in the new root file system ($1) while an image is built; the last lines unpack the kernel, for a package of it
# would want to make an initramfs, which takes minutes where the processor is emulated.
IMAGE_HOOK = """
rm -f "$1/etc/systemd/system/multi-user.target.wants/ssh-host-key.service"
chroot "$1" systemctl enable systemd-networkd.service systemd-timesyncd.service
mkdir -p "$1/etc/systemd/timesyncd.conf.d"
printf '[Time]\\nNTP=192.168.1.1\\nFallbackNTP=\\nConnectionRetrySec=5\\n' > "$1/etc/systemd/timesyncd.conf.d/lab.conf"
# AppArmor's own package brings a hundred profiles of programs that are not here; reading them is most of a slow boot.
find "$1/etc/apparmor.d" -maxdepth 1 -type f -delete
export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
cd "$1/tmp"
apt-get download $(apt-cache depends KERNEL | sed -n 's/.*Depends: \\(linux-image-[0-9].*\\)/\\1/p')
dpkg-deb -x linux-image-*.deb "$1"
rm -f linux-image-*.deb
/sbin/depmod -b "$1" $(ls "$1/usr/lib/modules")
"""

# The initramfs: finds the disk, lays this machine's own files over it, goes on.
INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in $(/bin/busybox cat /modules/order); do /bin/busybox insmod /modules/$module; done
n=0
until /bin/busybox mount -t ext4 /dev/vda /root 2>/dev/null; do
  n=$((n + 1)); [ $n -gt 60 ] && { echo "lab: no disk"; /bin/busybox poweroff -f; }
  /bin/busybox sleep 1
done
cd /overlay
/bin/busybox find . -type f | while read -r file; do
  /bin/busybox mkdir -p "/root/${file%/*}"
  /bin/busybox cp -p "$file" "/root/$file"
done
cd /
/bin/busybox umount /proc /sys
exec /bin/busybox switch_root /root /sbin/init
"""


# --------------------------------------------------------------------------- images


def cpio(files: dict[str, tuple[int, bytes]]) -> bytes:
    """An archive that the kernel takes as an initramfs: path to mode and content; folders are made as needed."""
    entries: dict[str, tuple[int, bytes]] = {}
    for path, (mode, content) in files.items():
        parts = path.split("/")
        for length in range(1, len(parts)):
            entries.setdefault("/".join(parts[:length]), (0o040755, b""))
        entries[path] = (mode if mode & 0o170000 else 0o100000 | mode, content)
    out = bytearray()
    for number, (name, (mode, content)) in enumerate([*entries.items(), ("TRAILER!!!", (0, b""))], 1):
        raw = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(raw), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + raw
        out += bytes(-len(out) % 4) + content
        out += bytes(-len(out) % 4)
    return bytes(out)


def initramfs(root: Path, modules: tuple[str, ...]) -> bytes:
    """The part of the initramfs that all machines of a kind share, made of an unpacked root file system."""
    folder = next((root / "usr/lib/modules").iterdir())
    needs = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        needs[re.sub(r"\.ko.*", "", path.rpartition("/")[2]).replace("-", "_")] = [path, *others.split()]
    builtin = (folder / "modules.builtin").read_text().replace("-", "_")
    order: list[str] = []
    for module in modules:
        if module not in needs and f"/{module}.ko" not in builtin:
            raise LabError(f"the kernel {folder.name} has no module {module}")
        # modules.dep names what is needed most directly first.
        order += [path for path in reversed(needs.get(module, [])) if path not in order]
    files: dict[str, tuple[int, bytes]] = dict.fromkeys(("proc", "sys", "dev", "root", "overlay"), (0o040755, b""))
    files["init"] = (0o755, INIT.encode())
    files["bin/busybox"] = (0o755, (root / "usr/bin/busybox").read_bytes())
    for path in order:
        content = (folder / path).read_bytes()
        content = lzma.decompress(content) if path.endswith(".xz") else content
        files[f"modules/{path.rpartition('/')[2].partition('.')[0]}.ko"] = (0o644, content)
    names = [f"{path.rpartition('/')[2].partition('.')[0]}.ko" for path in order]
    files["modules/order"] = (0o644, " ".join(names).encode())
    return cpio(files)


class Image(NamedTuple):
    """What a machine starts from: a disk, and for those made here, kernel and initramfs."""

    disk: Path
    kernel: Path | None = None
    initramfs: Path | None = None


def image_key(board: Board, suite: str) -> str:
    hook = lab.COMMON_HOOK + lab.HOST_HOOK + IMAGE_HOOK
    parts = [suite, board.arch, board.kernel, sorted(PACKAGES), hook, INIT, board.modules, DISK_SIZE]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]


def need(programs: dict[str, str], why: str) -> None:
    """Install the packages of the programs that are missing."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = sorted({package for program, package in programs.items() if not shutil.which(program, path=path)})
    if missing:
        lab.apt_install(missing, why)


def ensure_image(board: Board, suite: str) -> Image:
    """The image from the cache; made on the first call."""
    place = lab.cache_dir() / "vm-images" / f"{suite}-{board.arch}-{image_key(board, suite)}"
    image = Image(place / "disk.raw", place / "vmlinuz", place / "initramfs")
    with lab.locked(f"vm-image-{suite}-{board.arch}"):
        if not place.exists():
            build_image(board, suite, place)
    return image


def build_image(board: Board, suite: str, place: Path) -> None:
    started = time.monotonic()
    need({"mmdebstrap": "mmdebstrap", "fakeroot": "fakeroot", "depmod": "kmod"}, "building the image")
    need({"mke2fs": "e2fsprogs"}, "building the image")
    foreign = run(["dpkg", "--print-architecture"]).stdout.strip() != board.arch
    if foreign:
        programs = {"qemu-aarch64-static": "qemu-user-static", "update-binfmts": "binfmt-support"}
        need({"arch-test": "arch-test", **programs}, "building an image for arm64")
    say(f"{suite}, {board.arch}: building the image; {'half an hour' if foreign else 'some minutes'}")
    place.parent.mkdir(exist_ok=True)
    hook = (lab.COMMON_HOOK + lab.HOST_HOOK + IMAGE_HOOK).replace("KERNEL", board.kernel)
    part = f"part-{suite}-{board.arch}-"
    for path in place.parent.glob(part + "*"):  # of a run that was killed
        shutil.rmtree(path)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=part) as folder, foreign_programs(foreign):
        work = Path(folder)
        # In mounts of its own, which end with it; as another user than root mmdebstrap sees to that itself.
        apart = ["unshare", "--mount", "--propagation", "private"] if os.geteuid() == 0 else []
        to_the_end(
            [
                *("nice", "-n", "10", *apart, "env", f"TMPDIR={folder}", "mmdebstrap", "--variant=minbase"),
                *("--format=tar", "--skip=cleanup/apt/lists", f"--architectures={board.arch}"),
                *(f"--include={','.join(sorted(PACKAGES))}", f"--customize-hook={hook}"),
                *(suite, str(work / "root.tar"), *lab.image_sources(suite)),
            ],
            # Programs of another processor run ten times slower.
            timeout=7200 if foreign else 1800,
        )
        # Owners and modes are right in the file system, whoever makes it.
        script = (
            "mkdir root && tar -x -C root -f root.tar && rm root.tar && "
            "cp root/boot/vmlinuz-* vmlinuz && rm -rf root/boot/* && "
            f"mke2fs -q -t ext4 -L lab-root -d root disk.raw {DISK_SIZE}"
        )
        make = ["fakeroot", "sh", "-ec", f"cd {shlex.quote(folder)} && PATH=$PATH:/usr/sbin:/sbin && {script}"]
        to_the_end(make, timeout=600)
        (work / "initramfs").write_bytes(initramfs(work / "root", board.modules))
        run(["rm", "-rf", str(work / "root")], timeout=120)
        new = place.with_suffix(".part")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        for name in ("disk.raw", "vmlinuz", "initramfs"):
            (work / name).rename(new / name)
        new.rename(place)
    say(f"{suite}, {board.arch}: built in {time.monotonic() - started:.0f} s")


def to_the_end(command: list[str], timeout: float) -> None:
    """Run a command; when this program ends earlier, nothing of it goes on."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as exc:
        raise LabError(f"no end after {timeout:.0f} s: {shlex.join(command)[:300]}") from exc
    finally:
        if child.poll() is None:
            lab.end_group(child)
    if child.returncode:
        raise LabError(f"failed with {child.returncode}: {shlex.join(command)[:300]}\n{output.strip()[-1500:]}")


@contextlib.contextmanager
def foreign_programs(wanted: bool):
    """Have the kernel run programs of arm64, as long as the image is made."""
    mount = Path("/proc/sys/fs/binfmt_misc")
    entry = mount / "qemu-aarch64"
    if not wanted or entry.exists():
        yield
        return
    mounted = not (mount / "register").exists()
    if mounted:
        run(as_root(["mount", "-t", "binfmt_misc", "binfmt_misc", str(mount)]))
    try:
        run(as_root(["update-binfmts", "--enable", "qemu-aarch64"]))
        yield
    finally:
        run(as_root(["update-binfmts", "--disable", "qemu-aarch64"]), check=False)
        if mounted:
            run(as_root(["umount", str(mount)]), check=False)


# --------------------------------------------------------------------------- the accelerator


# For the first sector of a disk: mov al, 0x10; out 0xf4, al; hlt. QEMU ends with 0x10 * 2 + 1 once a guest ran this.
PROBE = (b"\xb0\x10\xe6\xf4\xf4\xeb\xfd".ljust(510, b"\0")) + b"\x55\xaa"


def accelerator(board: Board) -> str:
    """kvm where guests really run on it, else tcg."""
    chosen = os.environ.get("KEAOPS_VM_ACCEL", "")
    if chosen:
        return chosen
    native = run(["dpkg", "--print-architecture"]).stdout.strip() == board.arch
    if not native or not any(Path("/sys/module", name).exists() for name in ("kvm_intel", "kvm_amd")):
        return "tcg"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        say("this user may not use /dev/kvm: the machines will be emulated, about ten times slower")
        return "tcg"
    with tempfile.NamedTemporaryFile() as sector:
        sector.write(PROBE)
        sector.flush()
        command = [board.qemu, "-machine", "pc,accel=kvm", "-nodefaults", "-display", "none", "-m", "32"]
        command += ["-drive", f"file={sector.name},format=raw", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        with contextlib.suppress(LabError):
            if run(command, check=False, timeout=5).returncode == 0x21:
                return "kvm"
    say("/dev/kvm is there, but no guest runs on it: the machines will be emulated")
    return "tcg"


# --------------------------------------------------------------------------- the LAN


TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x400454CA, 0x0002, 0x1000, 0x4000


def keep_lan(path: Path) -> int:
    """Hold the LAN: run in namespaces of its own, hands out the machines' ends of the cables until it is killed."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(8)
    lines = [
        "mount --make-rprivate /",
        "mount -t tmpfs tmpfs /tmp",
        f"mkdir -p {CLIENT_PATH}",
        "ip link set lo up",
        "ip link add lan0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
        f"ip address add {lab.LAN_ROUTER}/{lab.LAN_PREFIX} dev lan0",
        "ip link set lan0 up",
        f"ip link add {lab.CLIENT_INTERFACE} type veth peer name port-client",
        "ip link set port-client master lan0 up",
        f"ip link set {lab.CLIENT_INTERFACE} up",
    ]
    # By both names: one imports another.
    names = [(source, name) for source, program in lab.CLIENT_PROGRAMS.items() for name in (source, program)]
    programs = {name: (HERE / source).read_bytes() for source, name in names}
    run(["sh", "-ec", "\n".join(lines)])
    for name, content in programs.items():
        (Path(CLIENT_PATH) / name).write_bytes(content)
        (Path(CLIENT_PATH) / name).chmod(0o755)
    threading.Thread(target=keep_time, daemon=True).start()
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError, LabError):
            connection.settimeout(5)
            give_cable(connection)


def give_cable(connection: socket.socket) -> None:
    """Make the tap device that is asked for by number, and send its file descriptor."""
    name = f"port{int(connection.recv(16).decode())}"
    tap = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
        run(["ip", "link", "set", name, "master", "lan0", "up"])
        connection.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [tap]))])
    finally:
        os.close(tap)


def keep_time() -> None:
    """The LAN's time server, for the machines have no other: this machine's own clock, by SNTP."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((lab.LAN_ROUTER, 123))
    while True:
        request, address = server.recvfrom(512)
        if len(request) < 48 or os.path.exists(NTP_OFF):
            continue
        now = time.time() + 2208988800
        stamp = struct.pack("!II", int(now), int(now % 1 * 2**32))
        head = struct.pack("!BBbb", request[0] & 0x38 | 4, 2, request[2] & 0x3F, -20) + struct.pack("!II", 0, 0)
        server.sendto(head + b"LAB\0" + stamp + request[40:48] + stamp + stamp, address)


# --------------------------------------------------------------------------- a lab


class VmLab(lab.Lab):
    """One lab of machines: state, disks and consoles lie in one folder, sockets in another with a short path."""

    own_clocks = True

    def __init__(self, identity: str) -> None:
        self.id = identity
        self.directory = lab.cache_dir() / "vms" / self.id
        self.inventory = self.directory / "inventory.yml"
        self.sockets = lab.run_dir() / f"vm-{hashlib.sha256(self.id.encode()).hexdigest()[:8]}"

    @classmethod
    def all(cls) -> list[VmLab]:
        return [cls(path.name) for path in sorted((lab.cache_dir() / "vms").glob("*")) if path.is_dir()]

    @property
    def board(self) -> Board:
        return BOARDS[self.settings["board"]]

    @property
    def settings(self) -> dict:
        return lab.read_json(self.directory / "settings.json")

    def process(self, name: str) -> int:
        """The process of a machine, or of the LAN (`lan`); 0 when it does not run."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.directory / f"{name}.pid").read_text())
            words = str(self.sockets / "lan") if name == "lan" else f"-name keaops-{self.id}-{name} "
            return pid if lab.alive(pid, words) else 0
        return 0

    # -- up

    def up(self, pair: str, suite: str, settings: dict) -> None:
        machines = {
            f"{pair}{number}": {"pair": pair, "image": suite, "number": number, "lan_address": address}
            for number, address in enumerate(lab.LAN_HOSTS, 1)
        }
        machines[f"{pair}-client"] = {
            "pair": pair,
            "image": lab.CLIENT_IMAGE,
            "number": 0,
            "lan_address": lab.LAN_ROUTER,
        }
        servers = [host for host, machine in machines.items() if machine["number"]]
        if self.state.get("ready"):
            if self.settings == settings and all(self.process(name) for name in ("lan", *servers)):
                say(f"the lab {self.id} is up already")
                return
            raise LabError(f"another lab {self.id}, or a part of this one, is there: run `lab/vm.py down` first")
        board = BOARDS[settings["board"]]
        need({board.qemu: board.package, "qemu-img": "qemu-utils", "udhcpc": "udhcpc", "ip": "iproute2"}, "the lab")
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            raise LabError("this user may not use /dev/net/tun, which the LAN is made of: run this as root")
        image = Image(Path(settings["image"])) if settings["image"] else ensure_image(board, suite)
        if not image.disk.exists():
            raise LabError(f"there is no image {image.disk}")
        self.down()  # what a run that was killed left behind
        self.directory.mkdir(parents=True, mode=0o700)
        try:
            lab.write_json(self.directory / "settings.json", settings)
            self.create(pair, machines, image)
        except BaseException:
            for host in servers:
                self.show_console(host, 25)
            say("that failed: removing what was started")
            self.down()
            raise

    def create(self, pair: str, machines: dict[str, dict], image: Image) -> None:
        key = self.directory / "id_ed25519"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {self.id}", "-f", str(key)])
        self.save({pair: machines[f"{pair}1"]["image"]}, machines)
        accel = accelerator(self.board)
        lab.write_json(self.directory / "settings.json", {**self.settings, "accelerator": accel})
        self.start_lan()
        servers = {host: machine for host, machine in machines.items() if machine["number"]}
        known = []
        for host, machine in servers.items():
            machine["port"] = free_port()
            own = self.directory / f"{host}.hostkey"
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host, "-f", str(own)])
            known.append(f"[127.0.0.1]:{machine['port']} {own.with_suffix('.hostkey.pub').read_text()}")
            self.prepare(host, machine, image)
        (self.directory / "known_hosts").write_text("".join(known))
        self.save({pair: machines[f"{pair}1"]["image"]}, machines)
        say(f"starting {len(servers)} machines, {self.settings['ram']} MB each, accelerator {accel}")
        for host in servers:
            self.power_on(host)
        self.wait_for_boot(list(servers))
        for machine in machines.values():
            machine["host_key"] = "known"
        self.save({pair: machines[f"{pair}1"]["image"]}, machines)
        self.write_inventory()
        say(f"up: {', '.join(machines)}")

    def start_lan(self) -> None:
        self.sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.sockets / "lan"
        path.unlink(missing_ok=True)
        spaces = ["--net", "--mount", "--uts"] + ([] if os.geteuid() == 0 else ["--user", "--map-root-user"])
        with open(self.directory / "lan.log", "wb") as log:
            keeper = subprocess.Popen(
                ["unshare", *spaces, sys.executable, str(HERE / "vm.py"), "lan", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self.directory / "lan.pid").write_text(str(keeper.pid))
        for _ in range(100):
            words = (self.directory / "lan.log").read_text(errors="replace")
            if words.startswith("ready"):
                return
            if keeper.poll() is not None:
                break
            time.sleep(0.1)
        raise LabError(f"the LAN cannot be made: {words.strip()[-800:] or 'no answer after 10 s'}")

    def cable(self, number: int) -> int:
        """A machine's end of the cable to the LAN, as a file descriptor."""
        with socket.socket(socket.AF_UNIX) as keeper:
            keeper.settimeout(10)
            keeper.connect(str(self.sockets / "lan"))
            keeper.sendall(str(number).encode())
            _, descriptors, _, _ = socket.recv_fds(keeper, 1, 1)
        if not descriptors:
            raise LabError(f"the LAN gives no cable: see {self.directory / 'lan.log'}")
        return descriptors[0]

    def prepare(self, host: str, machine: dict, image: Image) -> None:
        """Make a machine's disk, and what makes it this machine and no other."""
        disk = self.directory / f"{host}.qcow2"
        form = json.loads(run(["qemu-img", "info", "--output=json", str(image.disk)]).stdout)["format"]
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image.disk.resolve()), "-F", form, str(disk)])
        public = (self.directory / "id_ed25519.pub").read_text()
        own = self.directory / f"{host}.hostkey"
        if image.kernel is None:
            run(["qemu-img", "resize", "-q", str(disk), "8G"], check=False)
            self.seed(host, machine, public, own)
            return
        links = {lab.LAN_INTERFACE: f"Address={machine['lan_address']}/{lab.LAN_PREFIX}"}
        # Without its cable a machine must not look for the LAN behind this one.
        away = f"[Route]\nDestination={LAN_NETWORK}\nType=unreachable\nMetric=9999"
        links[USER_INTERFACE] = f"Address=10.0.2.15/24\nGateway=10.0.2.2\n{away}"
        files = {
            "etc/hostname": f"{host}\n",
            "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {host}\n",
            "etc/resolv.conf": "nameserver 10.0.2.3\n",
            f"home/{lab.USER}/.ssh/authorized_keys": public,
            "etc/ssh/ssh_host_ed25519_key.pub": own.with_suffix(".hostkey.pub").read_text(),
            **{
                f"etc/systemd/network/{name}.network": f"[Match]\nName={name}\n[Network]\n{text}\n"
                for name, text in links.items()
            },
        }
        overlay = {f"overlay/{path}": (0o644, text.encode()) for path, text in files.items()}
        overlay["overlay/etc/ssh/ssh_host_ed25519_key"] = (0o600, own.read_bytes())
        # The kernel takes several archives in a row for one.
        (self.directory / f"{host}.initramfs").write_bytes(image.initramfs.read_bytes() + cpio(overlay))
        (self.directory / "vmlinuz").unlink(missing_ok=True)
        (self.directory / "vmlinuz").symlink_to(image.kernel)

    def seed(self, host: str, machine: dict, public: str, own: Path) -> None:
        """A disk from which cloud-init learns who this machine is."""
        need({"genisoimage": "genisoimage"}, "the seed of a cloud image")
        folder = self.directory / f"{host}.seed"
        folder.mkdir(exist_ok=True)
        away = {"to": LAN_NETWORK, "type": "unreachable", "metric": 9999}
        nets = {
            "user": {
                "match": {"macaddress": mac(host, "user")},
                "set-name": USER_INTERFACE,
                "dhcp4": True,
                "routes": [away],
            },
            "lan": {
                "match": {"macaddress": mac(host, "lan")},
                "set-name": lab.LAN_INTERFACE,
                "addresses": [f"{machine['lan_address']}/{lab.LAN_PREFIX}"],
            },
        }
        user = {
            "hostname": host,
            "ssh_deletekeys": True,
            "ssh_keys": {
                "ed25519_private": own.read_text(),
                "ed25519_public": own.with_suffix(".hostkey.pub").read_text(),
            },
            "users": [
                {
                    "name": lab.USER,
                    "shell": "/bin/bash",
                    "sudo": "ALL=(ALL) NOPASSWD:ALL",
                    "ssh_authorized_keys": [public.strip()],
                }
            ],
            "write_files": [
                {
                    "path": "/etc/systemd/timesyncd.conf.d/lab.conf",
                    "content": f"[Time]\nNTP={lab.LAN_ROUTER}\nFallbackNTP=\nConnectionRetrySec=5\n",
                }
            ],
            # It may have started before its file was written.
            "runcmd": [["systemctl", "try-restart", "systemd-timesyncd.service"]],
            "package_update": True,
        }
        (folder / "meta-data").write_text(json.dumps({"instance-id": f"{self.id}-{host}", "local-hostname": host}))
        (folder / "network-config").write_text(json.dumps({"version": 2, "ethernets": nets}))
        # YAML takes JSON.
        (folder / "user-data").write_text("#cloud-config\n" + json.dumps(user))
        iso = self.directory / f"{host}.iso"
        names = [str(folder / name) for name in ("meta-data", "network-config", "user-data")]
        run(["genisoimage", "-quiet", "-volid", "cidata", "-joliet", "-rock", "-output", str(iso), *names])

    # -- power

    def power_on(self, host: str) -> None:
        machine, board, settings = self.machine(host), self.board, self.settings
        if self.process(host):
            raise LabError(f"{host} runs already")
        accel = settings["accelerator"]
        place = self.directory
        limits = "".join(
            f",throttling.{name}={value}" for name, value in zip(("bps-total", "iops-total"), board.disk) if value
        )
        # Else the firmware tries the disk of cloud-init, and stays there.
        first = "" if (place / "vmlinuz").exists() else ",bootindex=1"
        tap = self.cable(machine["number"])
        qmp = self.sockets / f"{host}.qmp"
        qmp.unlink(missing_ok=True)
        command = [
            *("nice", "-n", "10", board.qemu, "-name", f"keaops-{self.id}-{host}", *board.options),
            *("-accel", "tcg,thread=multi,tb-size=256" if accel == "tcg" else accel),
            *("-cpu", board.cpu if accel == "tcg" else "host"),
            *("-smp", str(settings["cpus"]), "-m", str(settings["ram"])),
            *("-nodefaults", "-no-user-config", "-display", "none"),
            *("-chardev", f"file,id=console,path={place / host}.console,append=on", "-serial", "chardev:console"),
            # This machine keeps its power: what the guest has handed to its disk survives without a sync of ours.
            *("-drive", f"file={place / host}.qcow2,format=qcow2,if=none,id=disk,cache=unsafe{limits}"),
            *("-device", f"virtio-blk-pci,drive=disk,addr=5{first}"),
            *("-netdev", f"user,id=user,hostfwd=tcp:127.0.0.1:{machine['port']}-:22"),
            *("-device", f"virtio-net-pci,netdev=user,addr=3,romfile=,mac={mac(host, 'user')}"),
            *("-netdev", f"tap,id=lan,fd={tap}"),
            *("-device", f"virtio-net-pci,netdev=lan,id=cable,addr=8,romfile=,mac={mac(host, 'lan')}"),
            *("-device", "virtio-rng-pci,addr=6"),
            *("-qmp", f"unix:{qmp},server=on,wait=off", "-pidfile", f"{place / host}.pid", "-daemonize"),
        ]
        if (place / "vmlinuz").exists():
            words = f"root=/dev/vda rw console={board.console} systemd.show_status=1 {board.parameters}"
            command += ["-kernel", f"{place / 'vmlinuz'}", "-initrd", f"{place / host}.initramfs", "-append", words]
        else:
            command += ["-drive", f"file={place / host}.iso,format=raw,if=virtio,readonly=on"]
        (place / f"{host}.pid").unlink(missing_ok=True)
        with open(place / f"{host}.console", "ab") as console:
            console.write(f"\n-- power on, {time.strftime('%H:%M:%S')}\n".encode())
        try:
            done = subprocess.run(
                command,
                pass_fds=[tap],
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=60,
                check=False,
            )
        finally:
            os.close(tap)
        if done.returncode:
            raise LabError(f"QEMU does not start {host}: {done.stderr.strip()[-800:]}")

    def power_cut(self, host: str) -> None:
        """End a machine as a pulled plug does: nothing in it hears of that."""
        self.machine(host)
        pid = self.process(host)
        with contextlib.suppress(OSError, LabError):
            self.qmp(host, "quit")
        self.end(pid, f"-name keaops-{self.id}-{host} ")

    def qmp(self, host: str, command: str, **arguments) -> None:
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(QMP_PATIENCE)
            monitor.connect(str(self.sockets / f"{host}.qmp"))
            stream = monitor.makefile("rw")
            stream.readline()
            for name, values in (("qmp_capabilities", {}), (command, arguments)):
                stream.write(json.dumps({"execute": name, "arguments": values}) + "\n")
                stream.flush()
                while "event" in (reply := json.loads(stream.readline() or '{"return": {}}')):
                    pass
                if "error" in reply:
                    raise LabError(f"{host}: QEMU refuses {name}: {reply['error'].get('desc')}")

    @staticmethod
    def end(pid: int, words: str) -> None:
        """See a process of ours end: by itself, when asked, or killed."""
        for signum, patience in ((0, 3), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            if not pid or not lab.alive(pid, words):
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)
            deadline = time.monotonic() + patience
            while lab.alive(pid, words) and time.monotonic() < deadline:
                with contextlib.suppress(ChildProcessError, OSError):
                    os.waitpid(pid, os.WNOHANG)
                time.sleep(0.1)
        if lab.alive(pid, words):
            raise LabError(f"the process {pid} cannot be ended")

    def wait_for_boot(self, hosts: list[str], before: dict[str, str] | None = None) -> None:
        """Wait until all answer by SSH and have started all their services; shows how far they are."""
        started = time.monotonic()
        limit = started + (180 if self.settings["accelerator"] != "tcg" else 900)
        shown = started
        waiting = list(hosts)
        while waiting:
            for host in list(waiting):
                if not self.process(host):
                    raise LabError(f"{host} has ended while it booted: see `lab/vm.py console {host}`")
                if "Kernel panic" in self.console(host, 40).rpartition("-- power on")[2]:
                    raise LabError(f"{host}: its kernel gave up: see `lab/vm.py console {host}`")
                test = "cat /proc/sys/kernel/random/boot_id; systemctl is-system-running --wait"
                with contextlib.suppress(LabError):
                    done = run([*self.ssh(host), test], check=False, timeout=60)
                    words = done.stdout.split()
                    if words[1:] and words[1] in ("running", "degraded") and words[0] != (before or {}).get(host):
                        failed = ", with a failed unit" if words[1] == "degraded" else ""
                        say(f"{host}: booted in {time.monotonic() - started:.0f} s{failed}")
                        waiting.remove(host)
            if waiting and time.monotonic() - shown > 15:
                shown = time.monotonic()
                for host in waiting:
                    say(f"{host}: {shown - started:.0f} s, console: {self.console(host, 1)[-100:]}")
            if waiting and time.monotonic() > limit:
                raise LabError(f"{', '.join(waiting)}: no boot after {limit - started:.0f} s")
            if waiting:
                time.sleep(2)

    def boot_id(self, host: str) -> str:
        return run([*self.ssh(host), "cat /proc/sys/kernel/random/boot_id"], timeout=60).stdout.strip()

    def replace(self, host: str) -> None:
        """Throw a machine away and put a bare one in its place, of the same name and address."""
        machine = self.machine(host)
        if not machine["number"]:
            raise LabError(f"{host} is the client: only a server can be replaced")
        self.power_cut(host)
        settings = self.settings
        image = Image(Path(settings["image"])) if settings["image"] else ensure_image(self.board, machine["image"])
        self.prepare(host, machine, image)
        self.power_on(host)
        self.wait_for_boot([host])

    def console(self, host: str, lines: int) -> str:
        path = self.directory / f"{host}.console"
        text = path.read_text(errors="replace") if path.exists() else ""
        # Without the codes for colours.
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", text)
        return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])

    def show_console(self, host: str, lines: int) -> None:
        if words := self.console(host, lines):
            say(f"the end of the console of {host}:\n{words}")

    # -- the rest

    def host_variables(self, machine: dict) -> dict:
        variables = super().host_variables({"port": 0, **machine})
        variables["lab_board"] = self.settings["board"]
        if not machine["number"]:
            del variables["ansible_host"], variables["ansible_port"]
            variables["lab_enter"] = self.enter()
        return variables

    def enter(self) -> list[str]:
        """What runs a command as the client: in the LAN's namespaces."""
        spaces = ["--net", "--mount", "--uts"] + ([] if os.geteuid() == 0 else ["--user", "--preserve-credentials"])
        path = f"{CLIENT_PATH}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        return ["nsenter", "--target", str(self.process("lan")), *spaces, "env", f"PATH={path}"]

    def ssh(self, host: str) -> list[str]:
        # Where the processor is emulated and the machine is busy, the answer takes its time.
        return [word.replace("ConnectTimeout=5", "ConnectTimeout=30") for word in super().ssh(host)]

    def command(self, host: str, words: list[str]) -> list[str]:
        """What runs a command on a machine or the client, as root."""
        machine = self.machine(host)
        if not machine["number"]:
            return [*self.enter(), *words]
        return [*self.ssh(host), "sudo", "-n", "--", shlex.join(words)]

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def give_programs(self, client: str) -> None:
        """Nothing: the client has this checkout's programs since its LAN was made."""

    def down(self) -> None:
        for path in sorted(self.directory.glob("*.pid")):
            if path.stem != "lan":
                self.end_quickly(path.stem)
        self.end(self.process("lan"), str(self.sockets / "lan"))
        for place in (self.directory, self.sockets):
            if place.exists():
                shutil.rmtree(place)

    def end_quickly(self, host: str) -> None:
        pid = self.process(host)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            self.end(pid, f"-name keaops-{self.id}-{host} ")

    def net(self, action: str, host: str) -> None:
        machine = self.machine(host)
        if machine["number"]:
            self.qmp(host, "set_link", name="cable", up=action == "heal")
        else:
            run([*self.enter(), "ip", "link", "set", "port-client", "up" if action == "heal" else "down"])

    def show(self) -> None:
        if not self.state:
            print(f"lab {self.id}: not up")
            return
        print(f"lab {self.id}: {self.inventory}, accelerator {self.settings.get('accelerator')}")
        for host, machine in self.machines().items():
            pid = self.process(host if machine["number"] else "lan")
            word = f"process {pid}, {memory(pid)} MB" if pid else "NOT running"
            print(f"  {host:12} {machine['image']:8} {machine['lan_address']:14} {word}")
            print(f"  {'':12} {shlex.join(self.ssh(host) if machine['number'] else self.enter())}")


def memory(pid: int) -> int:
    """Megabytes of this machine that a process holds."""
    with contextlib.suppress(OSError, AttributeError):
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) // 1024
    return 0


def mac(host: str, network: str) -> str:
    return "52:54:00:" + hashlib.sha256(f"{host} {network}".encode()).digest()[:3].hex(":")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --------------------------------------------------------------------------- commands


def command_up(args: argparse.Namespace) -> None:
    name, _, suite = args.pair.partition(":")
    suite = suite or "trixie"
    if not re.fullmatch(r"[a-z][a-z0-9]{0,19}", name):
        raise LabError(f"--pair {args.pair}: write NAME:SUITE, in small letters and digits")
    if suite not in SUITES and not args.image:
        raise LabError(f"--pair {args.pair}: images are made of {', '.join(SUITES)}; others with --image")
    image = str(Path(args.image).expanduser().resolve()) if args.image else ""
    settings = {
        "board": args.board,
        "image": image,
        "ram": args.ram or BOARDS[args.board].ram,
        "cpus": args.cpus,
    }
    vms = VmLab.named(args.lab)
    with lab.locked(vms.id):
        vms.up(name, suite, settings)
    print(vms.inventory)


def command_down(args: argparse.Namespace) -> None:
    for vms in VmLab.all() if args.all else [VmLab.named(args.lab)]:
        with lab.locked(vms.id):
            vms.down()


def command_status(args: argparse.Namespace) -> None:
    VmLab.named(args.lab).show()


def command_exec(args: argparse.Namespace) -> None:
    vms = VmLab.named(args.lab)
    command = vms.command(args.host, args.command or ["bash", "-i"])
    os.execvp(command[0], command)


def command_net(args: argparse.Namespace) -> None:
    VmLab.named(args.lab).net(args.action, args.host)


def command_power(args: argparse.Namespace) -> None:
    vms = VmLab.named(args.lab)
    if args.action == "cut":
        vms.power_cut(args.host)
        return
    vms.power_on(args.host)
    if not args.no_wait:
        vms.wait_for_boot([args.host])


def command_replace(args: argparse.Namespace) -> None:
    vms = VmLab.named(args.lab)
    with lab.locked(vms.id):
        vms.replace(args.host)


def command_reboot(args: argparse.Namespace) -> None:
    """As an administrator does it; all hosts at once, and waits until they are back."""
    vms = VmLab.named(args.lab)
    before = {host: vms.boot_id(host) for host in args.host}
    for host in args.host:
        run([*vms.ssh(host), "sudo systemd-run --on-active=1 systemctl reboot"], timeout=60)
    vms.wait_for_boot(args.host, before)


def command_console(args: argparse.Namespace) -> None:
    print(VmLab.named(args.lab).console(args.host, args.lines))


def command_inventory(args: argparse.Namespace) -> None:
    vms = VmLab.named(args.lab)
    if args.list:
        print(json.dumps(vms.groups(), indent=2))
    else:
        print(vms.inventory)


def command_image(args: argparse.Namespace) -> None:
    print(ensure_image(BOARDS[args.board], args.suite).disk.parent)


def command_lan(args: argparse.Namespace) -> int:
    return keep_lan(Path(args.path))


def show_progress(fifo: Path) -> None:
    """Show at once what this program says when it is run below this."""
    os.mkfifo(fifo, 0o600)
    os.environ[PROGRESS_VARIABLE] = str(fifo)
    # Also opened for writing: else it would end with its first writer.
    stream = open(os.open(fifo, os.O_RDWR), encoding="utf-8")  # noqa: SIM115

    def copy() -> None:
        for line in stream:
            print(line, end="", file=sys.stderr, flush=True)

    threading.Thread(target=copy, daemon=True).start()


def command_run(args: argparse.Namespace) -> int:
    """Whatever becomes of the command: the labs it brought up go down."""
    if not args.command:
        raise LabError("what shall run? For example: lab/vm.py run molecule test -s vm")
    token = f"{os.getpid()}-{time.time():.0f}"
    os.environ[lab.RUN_VARIABLE] = token
    fifo = lab.run_dir() / f"vm-progress-{os.getpid()}"
    child = None
    try:
        show_progress(fifo)
        # A process group of its own: nothing of it goes on when this ends.
        child = subprocess.Popen(args.command, start_new_session=True)
        return child.wait()
    finally:
        for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(signum, signal.SIG_IGN)
        if child is not None:
            lab.end_group(child)
        os.environ.pop(PROGRESS_VARIABLE, None)
        fifo.unlink(missing_ok=True)
        for vms in VmLab.all():
            with lab.locked(vms.id):
                if vms.state.get("run") == token:
                    for host, machine in vms.machines().items():
                        if machine["number"]:
                            vms.show_console(host, 15)
                    vms.down()


def command_clean(_args: argparse.Namespace) -> None:
    if any(vms.process("lan") for vms in VmLab.all()):
        raise LabError("a lab still runs: `lab/vm.py down --all` first")
    shutil.rmtree(lab.cache_dir() / "vm-images", ignore_errors=True)


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default=os.environ.get("KEAOPS_LAB", "vm"), help="name (default: $KEAOPS_LAB or vm)")
    commands = parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")

    def add(name: str, function, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(function=function)
        return sub

    env = os.environ.get
    up = add("up", command_up, "start two machines and their client; prints the path of their inventory")
    up.add_argument("--pair", required=True, metavar="NAME:SUITE")
    up.add_argument("--board", choices=sorted(BOARDS), default="pc")
    up.add_argument("--image", default=env("KEAOPS_VM_IMAGE", ""), help="a cloud image ($KEAOPS_VM_IMAGE)")
    up.add_argument("--ram", type=int, default=int(env("KEAOPS_VM_RAM") or 0), help="MB each ($KEAOPS_VM_RAM)")
    up.add_argument("--cpus", type=int, default=int(env("KEAOPS_VM_CPUS") or 1), help="each ($KEAOPS_VM_CPUS)")
    down = add("down", command_down, "remove the lab")
    down.add_argument("--all", action="store_true", help="every lab of this user")
    add("status", command_status, "what runs, and how to reach it")
    execute = add("exec", command_exec, "run a command on a machine or the client, as root")
    execute.add_argument("host")
    execute.add_argument("command", nargs=argparse.REMAINDER)
    net = add("net", command_net, "pull a machine's LAN cable (cut), put it back (heal)")
    net.add_argument("action", choices=("cut", "heal"))
    net.add_argument("host")
    power = add("power", command_power, "pull a machine's plug (cut), put it back (on)")
    power.add_argument("action", choices=("cut", "on"))
    power.add_argument("--no-wait", action="store_true", help="do not wait until it has booted")
    power.add_argument("host")
    reboot = add("reboot", command_reboot, "reboot machines in order, all at once")
    reboot.add_argument("host", nargs="+")
    replace = add("replace", command_replace, "throw a machine away and put a bare one in its place")
    replace.add_argument("host")
    console = add("console", command_console, "what a machine's serial console said")
    console.add_argument("host")
    console.add_argument("--lines", type=int, default=200)
    inventory = add("inventory", command_inventory, "print the path of the lab's Ansible inventory")
    inventory.add_argument("--list", action="store_true", help="print it, as Ansible's inventory scripts do")
    image = add("image", command_image, "build and cache an image; prints its folder")
    image.add_argument("--board", choices=sorted(BOARDS), default="pc")
    image.add_argument("suite", nargs="?", default="trixie")
    runner = add("run", command_run, "run a command; take down whatever machines it left")
    runner.add_argument("command", nargs=argparse.REMAINDER)
    add("clean", command_clean, "remove the images from the cache")
    lan = commands.add_parser("lan")  # for this program itself
    lan.set_defaults(function=command_lan)
    lan.add_argument("path")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(lab.program("vm", parse))
