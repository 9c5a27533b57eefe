#!/usr/bin/python
# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (Ansible wants the documentation above the imports)
"""What a host itself is given, beside Kea. The work is done in module_utils/_board_host.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_host
short_description: Give a host a watchdog, a journal in memory, and a fixed address
version_added: 0.2.0
description:
  - Writes small files of its own for systemd and NetworkManager; files of others are not touched. What is not asked for
    is left alone, and a file that this module wrote before is removed again.
  - "No connection is cut: an address that is missing is added to those that the interface has, after the network was
    asked whether another machine has it. What the file says takes the place of all else at the next boot."
extends_documentation_fragment:
  - keaops.kea.attributes
  - keaops.kea.attributes.action_group
attributes:
  check_mode:
    support: full
    details:
      - Whether an address is free is asked in check mode, too.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  watchdog:
    description:
      - Seconds after which the hardware watchdog restarts a host that hangs. systemd runs itself anew (C(systemctl
        daemon-reexec)) for this to take effect, which touches no service.
      - A Raspberry Pi's watchdog counts to 15.
      - V(0) leaves it alone.
    type: int
    default: 0
  journal:
    description: Where systemd keeps its journal. V(volatile) is in memory.
    type: str
    choices: [volatile]
  network:
    description: The fixed address of the host.
    type: dict
    suboptions:
      manager:
        description: The service that manages the interface.
        type: str
        choices: [networkd, networkmanager]
        required: true
      interface:
        description: The interface.
        type: str
        required: true
      address:
        description: The IPv4 address with the length of its prefix.
        type: str
        required: true
      gateway:
        description: The router.
        type: str
      name_servers:
        description: The name servers.
        type: list
        elements: str
        default: []
notes:
  - Needs root and systemd.
  - "The files: C(/etc/systemd/system.conf.d/keaops-kea.conf), C(/etc/systemd/journald.conf.d/keaops-kea.conf),
    C(/etc/systemd/network/05-keaops-kea.network), and C(keaops-kea.nmconnection) among the connections of
    NetworkManager."
seealso:
  - module: keaops.kea.kea_host_info
author:
  - keaops.kea contributors (@keaops)
"""

EXAMPLES = r"""
- name: Give a Raspberry Pi its watchdog and its address
  keaops.kea.kea_host:
    watchdog: 15
    network:
      manager: networkmanager
      interface: eth0
      address: 192.168.1.2/24
      gateway: 192.168.1.1
      name_servers: [192.168.1.1]
  become: true

- name: Take all of it back, from the next boot on
  keaops.kea.kea_host:
  become: true
"""

RETURN = r"""
reasons:
  description: Why something was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [192.168.1.2 is missing]
"""

import ipaddress

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keaops.kea.plugins.module_utils import _apply, _board, _board_host


def fixed_from(params):
    """Return the fixed address that the module's options ask for; raises HostError."""
    network = params["network"]
    if not network:
        return None
    try:
        address = ipaddress.IPv4Interface(network["address"])
    except ValueError as exc:
        raise _board_host.HostError(f"network.address: {exc}") from None
    if "/" not in network["address"]:
        raise _board_host.HostError(
            f"network.address: {address.ip} needs the length of its prefix, as in {address.ip}/24"
        )
    for text in [network["gateway"] or "0.0.0.0", *network["name_servers"]]:
        if not _board.is_address(text):
            raise _board_host.HostError(f"network: '{text}' is not an IP address")
    return _board.Fixed(
        manager=network["manager"],
        interface=network["interface"],
        address=str(address),
        gateway=network["gateway"],
        name_servers=tuple(network["name_servers"]),
    )


def work(params, check_mode, system):
    """Do or predict what *params* ask for; returns what the module reports, failed or not."""
    try:
        settings = _board_host.Settings(system)
        done = settings.run(params["watchdog"], params["journal"], fixed_from(params), check_mode)
    except _board_host.HostError as exc:
        return {"failed": True, "msg": f"{exc}."}
    except OSError as exc:
        message = f"cannot read or write {exc.filename}: {exc.strerror}. Run the task as root (become: true)."
        return {"failed": True, "msg": message}
    return {**done, "warnings": settings.warnings}


def main():
    """Run the module."""
    network = {
        "manager": {"type": "str", "choices": ["networkd", "networkmanager"], "required": True},
        "interface": {"type": "str", "required": True},
        "address": {"type": "str", "required": True},
        "gateway": {"type": "str"},
        "name_servers": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "watchdog": {"type": "int", "default": 0},
            "journal": {"type": "str", "choices": ["volatile"]},
            "network": {"type": "dict", "options": network},
        },
        supports_check_mode=True,
    )
    try:
        # A connection that ends leaves no half of it behind.
        result = _apply.detached(lambda: work(module.params, module.check_mode, _apply.System()))
    except _apply.ApplyError as exc:
        result = _apply.failure(exc)
    _apply.finish(module, result)


if __name__ == "__main__":
    main()
