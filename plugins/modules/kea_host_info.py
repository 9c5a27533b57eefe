#!/usr/bin/python
# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (Ansible wants the documentation above the imports)
"""Everything the preflight and the plan need to know about Kea on a host, in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_host_info
short_description: What a host knows about Kea
version_added: 0.1.0
description:
  - Gathers, in one call, what the preflight and the plan need to know about Kea on a host.
  - Never fails because Kea, systemd or a package manager is not there; what is not known is null or empty.
extends_documentation_fragment:
  - keaops.kea.attributes
  - keaops.kea.attributes.info
  - keaops.kea.attributes.action_group
options:
  running:
    description:
      - Whether to ask the running DHCPv4 server for its configuration, too, and its partner over the URL the two use.
      - A partner that says nothing takes three seconds.
    type: bool
    default: false
  subnets:
    description:
      - The subnets that the server is to have, as in C(subnet4) of Kea's configuration; C(id), C(subnet), C(pools) and
        C(reservations) of each are looked at.
      - With O(running), and where they differ from those it has, the leases that this would touch are counted.
    type: list
    elements: dict
    default: []
  packages:
    description: The packages whose installed version and candidate are asked for.
    type: list
    elements: str
    default: [kea-dhcp4-server, kea-ctrl-agent, kea-common, openssl, nftables]
  release:
    description:
      - The release of the distribution whose packages count as candidates, as for C(apt-get -t). Without it apt
        decides.
    type: str
  tls_dir:
    description: The folder of the certificates.
    type: path
    default: /etc/kea/tls
notes:
  - The controller's time before and after is taken on the controller.
  - Without root the processes of the sockets, the markers, the certificates and the state of the server stay unknown.
seealso:
  - module: keaops.kea.kea_ha_info
  - module: keaops.kea.kea_tls
author:
  - keaops.kea contributors (@keaops)
"""

EXAMPLES = r"""
- name: Ask a host about Kea
  keaops.kea.kea_host_info:
  become: true
  register: kea_host

- name: Show the version
  ansible.builtin.debug:
    msg: "installed {{ kea_host.version }}, would install {{ kea_host.candidate }}"
"""

RETURN = r"""
version:
  description: The version the installed DHCPv4 server reports, or null.
  returned: success
  type: str
  sample: 2.6.3
candidate:
  description: The version the package manager would install for the first of O(packages), or null.
  returned: success
  type: str
  sample: 2.6.3-1+deb13u1
candidates:
  description: The same for each of O(packages) the package manager knows.
  returned: success
  type: dict
  sample: {kea-dhcp4-server: 2.6.3-1+deb13u1}
packages:
  description: The installed packages whose names begin with C(kea), and those of O(packages), with their versions.
  returned: success
  type: dict
  sample: {kea-common: 2.6.3-1+deb13u1}
python_apt:
  description: Whether the package V(python3-apt) is there, without which M(ansible.builtin.apt) refuses in check mode.
  returned: success
  type: bool
sockets:
  description: Sockets that wait for connections (TCP) or packets (UDP).
  returned: success
  type: list
  elements: dict
  contains:
    protocol:
      description: V(tcp) or V(udp).
      type: str
    address:
      description: The local address.
      type: str
    port:
      description: The local port.
      type: int
    process:
      description: The name of a process that holds the socket, or null.
      type: str
    pid:
      description: Its number, or null.
      type: int
    user:
      description: The user who opened it. Known even where the kernel hides the process, as in some containers.
      type: str
    interface:
      description: The interface it is bound to, or null. Looked up for UDP port 67 alone.
      type: str
  sample: [{protocol: tcp, address: 192.168.1.2, port: 8000, process: kea-ctrl-agent, pid: 411, user: _kea}]
daemons:
  description: Kea's daemons on the host, V(dhcp4) and V(ctrl_agent).
  returned: success
  type: dict
  contains:
    active:
      description: Whether its unit is active.
      type: bool
    enabled:
      description: Whether its unit starts with the host.
      type: bool
    installed:
      description: Whether systemd knows its unit.
      type: bool
    marker:
      description: Whether the configuration in place was proven to serve by M(keaops.kea.kea_config).
      type: bool
    pid:
      description: Its process, or null.
      type: int
    ha:
      description: Its high availability state, or null if it does not answer. Only for V(dhcp4).
      type: dict
    link:
      description: How its configuration file has it talk to its partner, or null. Only for V(dhcp4).
      type: dict
    subnet_ids:
      description: The id of each subnet in its configuration file, by prefix. Only for V(dhcp4).
      type: dict
    digest:
      description: Fingerprint of what its configuration file means, or null.
      type: str
    drift:
      description:
        - What somebody else has changed since M(keaops.kea.kea_config) applied the configuration, as lines. C(file) is
          about the configuration file, C(running) about what the daemon runs, known for V(dhcp4) with O(running).
        - Values of secrets are hidden.
      type: dict
    subnets:
      description: Id and pools of each subnet that it runs, by prefix, or null. Only for V(dhcp4), with O(running).
      type: dict
  sample: {dhcp4: {active: true, enabled: true, installed: true, marker: true, pid: 263, ha: null}}
partner:
  description: The C(url) over which the server reaches its partner, and the C(problem) with it, or null.
  returned: success, null without O(running) or a partner
  type: dict
  sample: {url: "http://192.168.1.3:8000/", problem: null}
leases:
  description: What O(subnets) would do to the leases of now; null when nothing, or when it is not known.
  returned: success
  type: dict
  contains:
    removed:
      description: Leases in subnets that would be gone, with C(id), C(subnet) and C(leases), their number.
      type: list
      elements: dict
    outside:
      description:
        - Leases that would be in no pool of their subnet any more, with C(id), C(subnet), C(leases), C(of), the number
          of leases in that subnet, and C(addresses), the first 20 of them.
      type: list
      elements: dict
    taken:
      description:
        - Reserved addresses that another client has now, with C(id), C(address), C(reserved_for), C(client),
          C(hostname) and C(until), when its lease ends. The first 20.
      type: list
      elements: dict
    taken_count:
      description: How many of these there are.
      type: int
apparmor:
  description: Whether AppArmor is on.
  returned: success
  type: bool
apparmor_rules:
  description: Path and permissions of each file rule of the server's AppArmor profile; null when it is not enforced.
  returned: success
  type: list
  elements: list
systemd:
  description: Whether systemd runs the host.
  returned: success
  type: bool
systemd_version:
  description: The version of systemd, or null.
  returned: success
  type: int
  sample: 257
time:
  description: The host's clock, seconds since 1970.
  returned: success
  type: float
  sample: 1795478400.25
journal:
  description:
    - The journal of a run of a playbook that has changed something here and has not ended, as M(keaops.kea.kea_config)
      keeps it, or null.
  returned: success
  type: dict
  sample: null
board:
  description: What a board computer says it is, or V(null).
  returned: success
  type: str
  sample: Raspberry Pi 4 Model B Rev 1.4
wireless:
  description: The wireless network interfaces.
  returned: success
  type: list
  elements: str
  sample: [wlan0]
watchdog:
  description: Whether the host has a hardware watchdog.
  returned: success
  type: bool
network:
  description:
    - Of each network interface, the C(manager), V(networkd), V(networkmanager) or null, and which other interfaces it
      C(carries), such as VLANs.
  returned: success
  type: dict
  sample: {eth0: {manager: networkmanager, carries: []}}
own_files:
  description: SHA-256 of each file of M(keaops.kea.kea_host), or null where it is not there.
  returned: success
  type: dict
  sample: {/etc/systemd/system.conf.d/keaops-kea.conf: null}
time_after:
  description: The same, when all was gathered.
  returned: success
  type: float
asked:
  description: The controller's clock before the host was asked.
  returned: success
  type: float
answered:
  description: The controller's clock after that.
  returned: success
  type: float
disks:
  description: The room for V(leases) and V(logs).
  returned: success
  type: dict
  contains:
    path:
      description: The folder.
      type: str
    free:
      description: Free bytes.
      type: int
    inodes:
      description: Inodes of its file system; 0 where it has no such limit.
      type: int
    inodes_free:
      description: Those that are free.
      type: int
    file_size:
      description: Size of the lease file.
      type: int
  sample: {leases: {path: /var/lib/kea, free: 12884901888, inodes: 655360, inodes_free: 600000, file_size: 20480}}
services:
  description: Other services that matter to DHCP.
  returned: success
  type: dict
  contains:
    time:
      description: Active services that set the clock.
      type: list
      elements: str
    dhcp:
      description: Other DHCP servers that run or start with the host, each with whether it runs.
      type: dict
    container:
      description: What kind of container the host is, empty for a machine. A container has its machine's clock.
      type: str
    upgrades:
      description: Whether unattended upgrades may restart Kea.
      type: bool
    network:
      description: Active services that manage the network, of those that M(keaops.kea.kea_host) knows.
      type: list
      elements: str
  sample: {time: [systemd-timesyncd], dhcp: {}, container: "", upgrades: false, network: [systemd-networkd]}
firewall:
  description: What M(keaops.kea.kea_firewall) has left on the host.
  returned: success
  type: dict
  contains:
    rules:
      description: SHA-256 of the file with the rules, or null.
      type: str
    unit:
      description: Whether the service that loads them is as it should be, or null if there is none.
      type: bool
    loaded:
      description: Whether the rules are in force.
      type: bool
  sample: {rules: null, unit: null, loaded: false}
tls:
  description: The certificates of the host, as M(keaops.kea.kea_tls) keeps them. Public material only.
  returned: success
  type: dict
  contains:
    current:
      description: The generation that the link C(current) leads to, or null.
      type: str
    generations:
      description: All generations.
      type: list
      elements: str
    certificate:
      description: The certificate in use with any intermediate ones, PEM, or null.
      type: str
    trust:
      description: The CA certificates in use, PEM. Those without a hash link are not.
      type: list
      elements: str
    key:
      description:
        - The C(owner), C(group) and C(mode) of the private key in use, and C(problem), why it cannot be used, or null.
        - Null where no generation is in use.
      type: dict
    openssl:
      description: Whether the program openssl is there.
      type: bool
  sample:
    current: "2"
    generations: ["1", "2"]
    certificate: "-----BEGIN CERTIFICATE-----\n..."
    trust: ["-----BEGIN CERTIFICATE-----\n..."]
    key: {owner: root, group: _kea, mode: "0640", problem: null}
    openssl: true
"""

import ipaddress
import os
import pwd
import re
import struct

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keaops.kea.plugins.module_utils import (
    _apply,
    _board_host,
    _drift,
    _journal,
    _leases,
    _live,
    _nft,
    _running,
    _tls_host,
)

# /proc/net/tcp's state of a listening socket, and /proc/net/udp's of one without a peer.
_WAITING = {"tcp": "0A", "udp": "07"}
_DHCP = 67
_PYTHON_APT = "python3-apt"


def listening(proc="/proc", system=None):
    """Return the sockets that wait for connections or packets."""
    found = []
    for protocol, state in _WAITING.items():
        for name in (protocol, protocol + "6"):
            try:
                with open(os.path.join(proc, "net", name), encoding="ascii") as stream:
                    rows = [line.split() for line in stream][1:]
            except OSError:
                continue
            for row in rows:
                if row[3] == state:
                    address, port = row[1].split(":")
                    found.append((protocol, int(port, 16), _address(address), row[9], _user(int(row[7]))))
    owners = _owners({item[3] for item in found}, proc) if found else {}
    strangers = any(
        (protocol, port) == ("udp", _DHCP) and "kea" not in (owners.get(inode, (user,))[0] or "")
        for protocol, port, _address, inode, user in found
    )
    bound = _bound(system) if system is not None and strangers else {}
    sockets = []
    for protocol, port, address, inode, user in sorted(found):
        process, pid = owners.get(inode, (None, None))
        entry = {"protocol": protocol, "address": address, "port": port, "process": process, "pid": pid, "user": user}
        sockets.append(dict(entry, interface=bound.get(inode)))
    return sockets


def _bound(system):
    """Return {inode: interface} of the DHCP sockets that hear one interface only: the kernel's table does not tell."""
    done = system.run(["ss", "-Hulne", "sport", "=", f":{_DHCP}"], timeout=20)
    rows = re.findall(r"^\S+\s+\d+\s+\d+\s+\S*%(\S+):\d+\s.*\bino:(\d+)", done.out, re.MULTILINE)
    return {inode: interface for interface, inode in rows}


def _user(uid):
    """Return the name of a user, or the number as text where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _address(text):
    """Return the address in the kernel's notation: 32-bit words in the byte order of the machine."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    return str(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words)))


def _owners(inodes, proc):
    """Return {inode: (name, pid)} of the processes that hold those sockets."""
    owners = {}
    for pid in os.listdir(proc):
        if not pid.isdigit():
            continue
        folder = os.path.join(proc, pid)
        try:
            handles = os.listdir(os.path.join(folder, "fd"))
            with open(os.path.join(folder, "comm"), encoding="utf-8", errors="replace") as stream:
                name = stream.read().strip()
        except OSError:
            continue
        for handle in handles:
            try:
                target = os.readlink(os.path.join(folder, "fd", handle))
            except OSError:
                continue
            inode = target[8:-1] if target.startswith("socket:[") else None
            if inode in inodes:
                owners.setdefault(inode, (name, int(pid)))
    return owners


def installed_packages(system, names):
    """Return {package: version} of what is installed."""
    done = system.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Package}\t${Version}\n", "kea*"] + names)
    if done.rc != 127:
        rows = [line.split("\t") for line in done.out.splitlines()]
        return {row[1]: row[2] for row in rows if len(row) == 3 and row[0].startswith("ii")}
    done = system.run(["rpm", "-qa", "--qf", "%{NAME}\t%{VERSION}-%{RELEASE}\n"])
    rows = [line.split("\t") for line in done.out.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 2 and (row[0].startswith("kea") or row[0] in names)}


def candidates(system, names, release=None):
    """Return {package: version} of what the package manager would install, from *release* if that is given."""
    if not names:
        return {}
    done = system.run(["apt-cache"] + (["-t", release] if release else []) + ["policy"] + names)
    if done.rc != 127:
        found, name = {}, None
        for line in done.out.splitlines():
            match = re.match(r"(\S+):$", line)
            if match:
                name = match.group(1)
            match = re.match(r"\s+Candidate:\s+(\S+)", line)
            if match and name and match.group(1) != "(none)":
                found[name] = match.group(1)
        return found
    done = system.run(
        ["dnf", "-q", "-C", "repoquery", "--latest-limit=1", "--qf", "%{name}\t%{version}-%{release}\n"] + names
    )
    rows = [line.split("\t") for line in done.out.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 2}


class Seen:
    """One daemon as it is found.

    Attributes:
        info (dict): what there is to tell of it.
        config (dict): what it runs; None if it was not asked, or does not tell.
        section (dict): what its configuration file says.
        socket (str): its UNIX socket.
    """

    def __init__(self, system, daemon, ask):
        state = _apply.Unit(system, daemon.unit).state()
        try:
            data = system.read(daemon.path)
            marker = _apply.read_marker(system, daemon.name)
        except OSError:
            data, marker = None, {}
        content = _apply.parsed(data)
        active = state.active == "active"
        unix = daemon.api == "unix"
        self.socket = _apply.unix_socket(content, daemon.key, daemon.control_socket) or daemon.control_socket
        self.config = _drift.running(system, self.socket, daemon.key) if ask and unix and active else None
        self.section = (content.get(daemon.key) if isinstance(content, dict) else None) or {}
        digest = None if content is None else _apply.digest_of(content)
        self.info = {
            "active": active,
            "enabled": state.load == "loaded" and state.at_boot,
            "installed": state.load == "loaded",
            "marker": digest is not None and marker.get("digest") == digest,
            "pid": state.pid or None,
            "digest": digest,
            "drift": {
                "file": _drift.file_changes(system, daemon, marker, data, content),
                "running": _drift.running_changes(system, daemon, marker, self.config, daemon.executable),
            },
        }
        if unix:
            expected = _apply.uses_ha(content, daemon.key)
            self.info["ha"] = _apply.ha_state(system, self.socket, expected) if active else None
            self.info["link"] = _running.link_of(content)
            self.info["subnet_ids"] = _running.subnet_ids(content)
            subnets = _running.subnets_of({daemon.key: self.config})
            self.info["subnets"] = None if self.config is None else _leases.summary(subnets)


def version_of(system, daemon):
    """Return the version *daemon*'s program reports, or None."""
    if not system.exists(daemon.executable):
        return None
    match = re.match(r"\d+\.\d+\.\d+\S*", system.run([daemon.executable, "-v"]).out.strip())
    return match.group(0) if match else None


def open_journal(system):
    """Return the journal of a run that has not ended here, or None."""
    journal = _journal.read(system)
    return journal if journal.get("open") else None


def apparmor_on(system):
    """Return whether AppArmor confines programs on this host."""
    try:
        return (system.read("/sys/module/apparmor/parameters/enabled") or b"").strip() == b"Y"
    except OSError:
        return False


def systemd_version(system):
    """Return the version of systemd, or None."""
    match = re.match(r"systemd (\d+)", system.run(["systemctl", "--version"]).out)
    return int(match.group(1)) if match else None


def board(system):
    """Return what a board computer says it is, or None."""
    try:
        return system.read("/proc/device-tree/model").rstrip(b"\0").decode("utf-8", "replace") or None
    except (OSError, AttributeError):
        return None


def wireless(folder="/sys/class/net"):
    """Return the names of the wireless network interfaces."""
    try:
        return sorted(name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name, "wireless")))
    except OSError:
        return []


def gather(system, packages, tls_dir="/etc/kea/tls", release=None, running=False, subnets=()):
    """Return the whole answer."""
    start = system.epoch()
    available = candidates(system, packages, release)
    installed = installed_packages(system, [*packages, _PYTHON_APT])
    daemons = {name: Seen(system, daemon, running) for name, daemon in _apply.DAEMONS.items()}
    server = daemons["dhcp4"]
    apparmor = apparmor_on(system)
    services = _live.services(system)
    return {
        "time": start,
        "version": version_of(system, _apply.DAEMONS["dhcp4"]),
        "candidate": available.get(packages[0]) if packages else None,
        "candidates": available,
        "packages": {name: what for name, what in installed.items() if name != _PYTHON_APT or name in packages},
        "python_apt": _PYTHON_APT in installed,
        "sockets": listening(system=system),
        "daemons": {name: daemon.info for name, daemon in daemons.items()},
        "partner": None if server.config is None else _live.partner(system, server.section),
        "leases": _live.impact(system, server.socket, server.config, subnets, start),
        "apparmor": apparmor,
        "apparmor_rules": _live.apparmor_rules(system) if apparmor else None,
        "systemd": system.has_systemd(),
        "systemd_version": systemd_version(system),
        "journal": open_journal(system),
        "board": board(system),
        "wireless": wireless(),
        "disks": _live.disks(server.config),
        "services": services,
        "watchdog": _board_host.has_watchdog(),
        "network": _board_host.network(services["network"]),
        "own_files": _board_host.own_files(system),
        "firewall": _nft.state(system),
        "tls": _tls_host.facts(system, tls_dir),
        "time_after": system.epoch(),
    }


class QuietModule(AnsibleModule):
    """Does not copy its arguments to the host's syslog: the subnets may be megabytes."""

    def _log_invocation(self):
        """Log the call without its arguments."""
        self.log("running={}".format(self.params["running"]))


def main():
    """Run the module."""
    module = QuietModule(
        argument_spec={
            "packages": {
                "type": "list",
                "elements": "str",
                "default": ["kea-dhcp4-server", "kea-ctrl-agent", "kea-common", "openssl", "nftables"],
            },
            "release": {"type": "str"},
            "tls_dir": {"type": "path", "default": "/etc/kea/tls"},
            "running": {"type": "bool", "default": False},
            "subnets": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    subnets = module.params.pop("subnets")
    module.exit_json(changed=False, **gather(_apply.System(), subnets=subnets, **module.params))


if __name__ == "__main__":
    main()
