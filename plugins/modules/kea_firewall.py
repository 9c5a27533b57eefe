#!/usr/bin/python
# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (Ansible wants the documentation above the imports)
"""Who may reach Kea's TCP ports. The work is done in module_utils/_nft.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_firewall
short_description: Admit only the partner and the management to Kea's TCP ports
version_added: 0.2.0
description:
  - Puts rules for nftables in place that look at Kea's own address and TCP ports and at nothing else. They have a table
    of their own, C(inet keaops); the rules of others and C(/etc/nftables.conf) are not touched.
  - "The steps: nft checks the rules, the file is replaced atomically, the service C(keaops-firewall) loads it in one
    transaction, now and at each start of the host, and the table is read back from the kernel."
  - If loading fails, the rules that were there before are put back.
  - Rules that would cut off the partner that is connected now are refused.
extends_documentation_fragment:
  - keaops.kea.attributes
  - keaops.kea.attributes.action_group
attributes:
  check_mode:
    support: full
    details:
      - Where nft is installed, it checks the rules in check mode, too.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  mode:
    description:
      - V(nftables) loads the rules.
      - V(snippet) only writes the file, for an C(include) in rules of your own. Rules that this module loaded before
        are unloaded.
      - V(none) removes what this module made. The file of a snippet is emptied and not removed, because a missing file
        would stop the rules that include it from loading.
    type: str
    choices: [none, nftables, snippet]
    required: true
  rules:
    description:
      - The text of the rules. They must define the table C(inet keaops) and no other, and replace it if it is there.
      - Not looked at with O(mode=none).
    type: str
    default: ""
  path:
    description: The file.
    type: path
    default: /etc/keaops/keaops.nft
  link:
    description:
      - Where the partner is connected to, with the keys C(address), C(port) and C(admitted), a list of the addresses
        and networks that the rules admit there.
      - If hosts are connected there, and the rules admit none of them, the module fails before it changes anything.
    type: dict
notes:
  - Needs root. O(mode=nftables) needs systemd and the package nftables.
  - Other rules of the host still apply. A connection that this table accepts can be dropped by another one.
seealso:
  - module: keaops.kea.kea_config
author:
  - keaops.kea contributors (@keaops)
"""

EXAMPLES = r"""
- name: Admit only the partner
  keaops.kea.kea_firewall:
    mode: nftables
    rules: |
      table inet keaops
      delete table inet keaops
      table inet keaops {
        chain input {
          type filter hook input priority 0; policy accept;
          ip daddr 192.168.1.2 tcp dport 8000 ip saddr != 192.168.1.3 drop
        }
      }
    link: {address: 192.168.1.2, port: 8000, admitted: [192.168.1.3]}
  become: true

- name: Remove the rules
  keaops.kea.kea_firewall:
    mode: none
  become: true
"""

RETURN = r"""
reasons:
  description: Why something was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [the rules differ]
path:
  description: The file.
  returned: success
  type: str
  sample: /etc/keaops/keaops.nft
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keaops.kea.plugins.module_utils import _apply, _firewall, _nft

LINK_KEYS = ("address", "port", "admitted")


def work(params, check_mode, system):
    """Do or predict what *params* ask for; returns what the module reports, failed or not."""
    link, path = params["link"], params["path"]
    if params["mode"] != _firewall.NONE and not params["rules"].strip():
        return {"failed": True, "msg": f"mode {params['mode']} needs rules"}
    if link and any(link.get(key) in (None, "", []) for key in LINK_KEYS):
        return {"failed": True, "msg": f"link needs the keys {', '.join(LINK_KEYS)}"}
    try:
        done = _nft.Firewall(system, path).run(params["mode"], params["rules"], link, check_mode)
    except _nft.FirewallError as exc:
        return {"failed": True, "msg": f"{exc}."}
    except OSError as exc:
        message = f"cannot read or write {exc.filename}: {exc.strerror}. Run the task as root (become: true)."
        return {"failed": True, "msg": message}
    diff = {"before": done["before"], "after": done["after"], "before_header": path, "after_header": path}
    return {"changed": done["changed"], "reasons": done["reasons"], "path": path, "diff": diff}


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "mode": {"type": "str", "choices": ["none", "nftables", "snippet"], "required": True},
            "rules": {"type": "str", "default": ""},
            "path": {"type": "path", "default": _firewall.PATH},
            "link": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    result = work(module.params, module.check_mode, _apply.System())
    _apply.finish(module, result)


if __name__ == "__main__":
    main()
