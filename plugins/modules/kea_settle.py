#!/usr/bin/python
# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (Ansible wants the documentation above the imports)
"""The end of a run on a host. The journal itself is in module_utils/_journal.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_settle
short_description: End a run of a playbook on a host
version_added: 0.2.0
description:
  - Closes the journal of the host, C(/var/lib/keaops/journal.json), so that other runs may change Kea there again.
  - M(keaops.kea.kea_config) opens it with the first change of a run. As long as it is open, changes of other runs are
    refused, and what the run has changed can be taken back.
  - A run that died leaves it open. The next run of the same user on the same controller takes it over.
  - Does nothing where the journal is not that of O(run).
extends_documentation_fragment:
  - keaops.kea.attributes
  - keaops.kea.attributes.action_group
  - keaops.kea.run
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  run:
    description: The run, as for M(keaops.kea.kea_config).
    required: true
  outcome:
    description: What became of the changes, noted in the journal.
    type: str
    choices: [kept, taken back, failed]
    default: kept
  lock_timeout:
    description: Seconds to wait for a change that is still being made on this host.
    type: int
    default: 180
notes:
  - Needs root.
seealso:
  - module: keaops.kea.kea_config
author:
  - keaops.kea contributors (@keaops)
"""

EXAMPLES = r"""
- name: End the run, keeping what it has changed
  keaops.kea.kea_settle:
    run: {id: control1-4711-8123456, controller: control1, user: alice}
  become: true
"""

RETURN = r"""
ended:
  description: Whether the journal was this run's and is closed now.
  returned: success
  type: bool
  sample: true
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keaops.kea.plugins.module_utils import _apply, _journal


def settle(system, params):
    """Close the journal; returns whether there was anything to close, raises ApplyError or OSError."""
    run = _journal.run_of(params["run"])
    with _apply.host_lock(system, {"daemon": "the journal", "run_id": run.id}, params["lock_timeout"]):
        return _journal.Journal(system, run).close(params["outcome"])


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "run": {"type": "dict", "required": True, "options": _journal.run_spec()},
            "outcome": {"type": "str", "choices": ["kept", "taken back", "failed"], "default": "kept"},
            "lock_timeout": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, ended=False)
    try:
        ended = settle(_apply.System(), module.params)
    except _apply.ApplyError as exc:
        module.fail_json(msg=exc.message)
    except OSError as exc:
        module.fail_json(msg=f"the journal of this host could not be closed: {exc.strerror or exc}")
    # Bookkeeping: nothing that anybody uses has changed.
    module.exit_json(changed=False, ended=ended)


if __name__ == "__main__":
    main()
