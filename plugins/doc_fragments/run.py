# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of a playbook as an option of modules, written once; a module adds what it is for there."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation fragment with the option that names a run."""

    DOCUMENTATION = r"""
options:
  run:
    type: dict
    suboptions:
      id:
        description: What tells it from all other runs.
        type: str
        required: true
      controller:
        description: The machine on which it runs.
        type: str
        required: true
      user:
        description: Who runs it.
        type: str
        required: true
      pid:
        description: Its process there.
        type: int
        default: 0
      partner:
        description: The host of the partner, for people who read the journal.
        type: str
        default: ""
      settles:
        description: Ids of runs that are known to be over. What they have left open becomes this run's.
        type: list
        elements: str
        default: []
"""
