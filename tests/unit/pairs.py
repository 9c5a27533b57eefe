# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The home pair as the tests need it: good as it stands, to be broken in one place."""

from __future__ import annotations

import copy

from ansible_collections.keaops.kea.plugins.module_utils._findings import check
from ansible_collections.keaops.kea.plugins.module_utils._model import RawHost, build_pair

MISSING = object()

SUBNET = {
    "id": 1,
    "subnet": "192.168.1.0/24",
    "interface": "enp0s8",
    "pools": ["192.168.1.100-192.168.1.199"],
    "option_data": {"routers": "192.168.1.1", "domain-name-servers": ["1.1.1.1", "9.9.9.9"]},
    "reservations": [
        {"hw_address": "1a:1b:1c:1d:1e:1f", "ip_address": "192.168.1.10"},
        {"client_id": "01:11:22:33:44:55:66", "ip_address": "192.168.1.11"},
    ],
}
GROUP = {"kea_interfaces": ["enp0s8"], "kea_subnets": [SUBNET]}
HOSTS = {
    "dhcp1": {"ansible_host": "192.168.1.2", "kea_ha_role": "primary", "kea_server_name": "server1"},
    "dhcp2": {"ansible_host": "192.168.1.3", "kea_ha_role": "standby", "kea_server_name": "server2"},
}


def kea_info(version="2.6.3", active=False, marker=False, ha=None, sockets=(), packages=None):
    """Return what kea_host_info says of a host."""
    packages = {"kea-dhcp4-server": "1", "kea-ctrl-agent": "1"} if packages is None else packages
    return {
        "version": version,
        "candidate": "2.6.3-1+deb13u1",
        "packages": packages,
        "sockets": list(sockets),
        "daemons": {
            "dhcp4": {"active": active, "marker": marker, "ha": ha},
            "ctrl_agent": {"active": active, "marker": marker},
        },
    }


def facts(address="192.168.1.2", kea=None, **changes):
    """Return the facts of a healthy Debian 13 host."""
    return {
        "os_id": "debian",
        "os_like": ["debian"],
        "os_version": "13.2",
        "architecture": "x86_64",
        "default_ipv4": address,
        "interfaces": {
            "lo": {"up": True, "ipv4": ["127.0.0.1/8"]},
            "enp0s8": {"up": True, "ipv4": [f"{address}/24"]},
        },
        "kea": kea_info() if kea is None else kea,
        **changes,
    }


def raw_hosts(group=None, dhcp1=None, dhcp2=None, facts1=None, facts2=None, more=()):
    """Return the home pair with some variables replaced; MISSING removes one."""
    result = []
    for name, own, known in (("dhcp1", dhcp1, facts1), ("dhcp2", dhcp2, facts2)):
        values = copy.deepcopy({**GROUP, **HOSTS[name], **(group or {}), **(own or {})})
        values = {key: value for key, value in values.items() if key not in _removed(group, own)}
        result.append(RawHost(name, values, known))
    return [*result, *more]


def _removed(*changes):
    return {key for change in changes for key, value in (change or {}).items() if value is MISSING}


def subnet(**changes):
    """Return the one subnet with some keys replaced, as a variable of the group."""
    body = {**copy.deepcopy(SUBNET), **changes}
    return {"kea_subnets": [{key: value for key, value in body.items() if value is not MISSING}]}


def build(*args, certificates=None, **kwargs):
    """Return (pair, findings of the model); the certificates are those of each host."""
    pair, findings = build_pair("kea", raw_hosts(*args, **kwargs))
    for server in pair.servers:
        server.certificates = certificates
    return pair, findings


def examine(*args, in_play=None, live=False, **kwargs):
    """Return all findings."""
    pair, known = build(*args, **kwargs)
    return check(pair, known, in_play, live)
