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
  packages:
    description: The packages whose installed version and candidate are asked for.
    type: list
    elements: str
    default: [kea-dhcp4-server, kea-ctrl-agent, kea-common, openssl, nftables]
  tls_dir:
    description: The folder of the certificates.
    type: path
    default: /etc/kea/tls
notes:
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
  sample: {dhcp4: {active: true, enabled: true, installed: true, marker: true, pid: 263, ha: null}}
apparmor:
  description: Whether AppArmor is on.
  returned: success
  type: bool
systemd:
  description: Whether systemd runs the host.
  returned: success
  type: bool
time:
  description: The host's clock, seconds since 1970.
  returned: success
  type: float
  sample: 1795478400.25
disk_free:
  description: Free bytes where the leases are kept (C(/var/lib)), or null.
  returned: success
  type: int
  sample: 12884901888
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
import shutil
import struct

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keaops.kea.plugins.module_utils import _apply, _nft, _running, _tls_host

# /proc/net/tcp's state of a listening socket, and /proc/net/udp's of one without a peer.
_WAITING = {"tcp": "0A", "udp": "07"}


def listening(proc="/proc"):
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
    sockets = []
    for protocol, port, address, inode, user in sorted(found):
        process, pid = owners.get(inode, (None, None))
        sockets.append(
            {"protocol": protocol, "address": address, "port": port, "process": process, "pid": pid, "user": user}
        )
    return sockets


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


def candidates(system, names):
    """Return {package: version} of what the package manager would install."""
    if not names:
        return {}
    done = system.run(["apt-cache", "policy"] + names)
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


def daemon_info(system, daemon):
    """Return what there is to know of one daemon."""
    state = _apply.Unit(system, daemon.unit).state()
    info = {
        "active": state.active == "active",
        "enabled": state.load == "loaded" and state.at_boot,
        "installed": state.load == "loaded",
        "marker": False,
        "pid": state.pid or None,
    }
    try:
        content = _apply.parsed(system.read(daemon.path))
        marker = _apply.read_marker(system, daemon.name)
    except OSError:
        content, marker = None, {}
    if content is not None:
        info["marker"] = marker.get("digest") == _apply.digest_of(content)
    if daemon.api == "unix":
        info["ha"] = None
        info["link"] = _running.link_of(content)
        info["subnet_ids"] = _running.subnet_ids(content)
        socket = _apply.unix_socket(content, daemon.key, daemon.control_socket) or daemon.control_socket
        if info["active"]:
            info["ha"] = _apply.ha_state(system, socket, _apply.uses_ha(content, daemon.key))
    return info


def version_of(system, daemon):
    """Return the version *daemon*'s program reports, or None."""
    if not system.exists(daemon.executable):
        return None
    match = re.match(r"\d+\.\d+\.\d+\S*", system.run([daemon.executable, "-v"]).out.strip())
    return match.group(0) if match else None


def disk_free(path="/var/lib"):
    """Return the free bytes of the file system of *path*, or None."""
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def apparmor_on(system):
    """Return whether AppArmor confines programs on this host."""
    try:
        return (system.read("/sys/module/apparmor/parameters/enabled") or b"").strip() == b"Y"
    except OSError:
        return False


def gather(system, packages, tls_dir="/etc/kea/tls"):
    """Return the whole answer."""
    available = candidates(system, packages)
    return {
        "version": version_of(system, _apply.DAEMONS["dhcp4"]),
        "candidate": available.get(packages[0]) if packages else None,
        "candidates": available,
        "packages": installed_packages(system, packages),
        "sockets": listening(),
        "daemons": {name: daemon_info(system, daemon) for name, daemon in _apply.DAEMONS.items()},
        "apparmor": apparmor_on(system),
        "systemd": system.has_systemd(),
        "time": system.epoch(),
        "disk_free": disk_free(),
        "firewall": _nft.state(system),
        "tls": _tls_host.facts(system, tls_dir),
    }


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "packages": {
                "type": "list",
                "elements": "str",
                "default": ["kea-dhcp4-server", "kea-ctrl-agent", "kea-common", "openssl", "nftables"],
            },
            "tls_dir": {"type": "path", "default": "/etc/kea/tls"},
        },
        supports_check_mode=True,
    )
    params = module.params
    module.exit_json(changed=False, **gather(_apply.System(), params["packages"], params["tls_dir"]))


if __name__ == "__main__":
    main()
