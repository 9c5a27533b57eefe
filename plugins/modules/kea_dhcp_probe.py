#!/usr/bin/python
# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (Ansible wants the documentation above the imports)
"""Who serves DHCP on the networks of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_dhcp_probe
short_description: Ask the networks of a host who serves DHCP there
version_added: 0.2.0
description:
  - Sends a DHCPDISCOVER on each interface, all at once, and returns who answers with an offer.
  - Takes no lease, as it sends no DHCPREQUEST, and changes no address of the host. A server may keep the address that
    it offers for some seconds.
  - The client it asks for is an invented one with a locally administered MAC address. The frame itself comes from the
    interface's own MAC address, so that switches and hypervisors let it pass.
  - Needs no Kea. A server on the host itself does not hear it.
extends_documentation_fragment:
  - keaops.kea.attributes
  - keaops.kea.attributes.info
  - keaops.kea.attributes.action_group
options:
  interfaces:
    description: The interfaces to ask on. With none, nothing is sent.
    type: list
    elements: str
    required: true
  timeout:
    description:
      - Seconds to wait for answers. Some servers first try for up to three seconds whether the address is in use.
    type: float
    default: 4
notes:
  - Needs root.
  - Runs in check mode, too, as nothing is changed.
seealso:
  - module: keaops.kea.kea_preflight
author:
  - keaops.kea contributors (@keaops)
"""

EXAMPLES = r"""
- name: See who serves DHCP
  keaops.kea.kea_dhcp_probe:
    interfaces: [eth0]
  become: true
  register: dhcp

- name: Stop when somebody does
  ansible.builtin.assert:
    that: not dhcp.answers
    fail_msg: "{{ dhcp.answers[0].server }} serves DHCP on {{ dhcp.answers[0].interface }}"
"""

RETURN = r"""
answers:
  description: The servers that answered, one entry for each interface and server.
  returned: success
  type: list
  elements: dict
  contains:
    interface:
      description: Where the answer came in.
      type: str
    server:
      description: The server's identifier, its address.
      type: str
    mac:
      description: The MAC address that the answer came from, the server's or its relay's.
      type: str
    address:
      description: The address it offered.
      type: str
    relay:
      description: The relay's address, or null.
      type: str
  sample: [{interface: eth0, server: 192.168.1.1, mac: "1a:1b:1c:1d:1e:1f", address: 192.168.1.50, relay: null}]
problems:
  description: Why an interface could not be asked, by its name.
  returned: success
  type: dict
  sample: {eth7: No such device}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keaops.kea.plugins.module_utils import _dhcp_probe


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "interfaces": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "float", "default": 4},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, **_dhcp_probe.probe(module.params["interfaces"], module.params["timeout"]))


if __name__ == "__main__":
    main()
