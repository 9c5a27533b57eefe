#!/usr/bin/python
# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (Ansible wants the documentation above the imports)
"""Reads the secret of the API."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_secret
short_description: Read the secret of Kea's API from a host
version_added: 0.1.0
description:
  - Reads the file with the secret of the API, and makes a fresh secret for a pair that has none yet.
  - Writes nothing. The roles choose one secret for both servers of a pair and write it with M(ansible.builtin.copy).
  - Its result B(is) the secret. Set C(no_log=true) on every task that uses this module or what it returned.
extends_documentation_fragment:
  - keaops.kea.attributes
  - keaops.kea.attributes.info
  - keaops.kea.attributes.action_group
options:
  path:
    description: The file.
    type: path
    default: /etc/kea/kea-api-password
notes:
  - Needs the rights to read O(path), as a rule root.
seealso:
  - module: keaops.kea.kea_config
author:
  - keaops.kea contributors (@keaops)
"""

EXAMPLES = r"""
- name: Read the secret of the API
  keaops.kea.kea_secret:
  become: true
  register: secret
  no_log: true
"""

RETURN = r"""
value:
  description: The content of O(path) without white space around it; empty if there is no such file or nothing in it.
  returned: success
  type: str
  sample: an-example-and-no-secret
candidate:
  description: A fresh random secret of 43 characters.
  returned: success
  type: str
  sample: another-example-and-no-secret
"""

import secrets

from ansible.module_utils.basic import AnsibleModule


def read_secret(path):
    """Return the secret in *path*, empty if there is none.

    Raises:
        OSError, UnicodeError: the file is there but cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def main():
    """Run the module."""
    module = AnsibleModule(
        # The name of the file is no secret, whatever Ansible makes of its last word.
        argument_spec={"path": {"type": "path", "default": "/etc/kea/kea-api-password", "no_log": False}},
        supports_check_mode=True,
    )
    path = module.params["path"]
    try:
        value = read_secret(path)
    except (OSError, UnicodeError) as exc:
        reason = getattr(exc, "strerror", None) or "it is not text"
        module.fail_json(msg=f"cannot read {path}: {reason}. Run the task as root (become: true).")
    module.exit_json(changed=False, value=value, candidate=secrets.token_urlsafe(32))


if __name__ == "__main__":
    main()
