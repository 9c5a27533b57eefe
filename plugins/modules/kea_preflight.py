#!/usr/bin/python
# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action kea_preflight, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_preflight
short_description: Check the inventory of Kea pairs before anything is touched
version_added: 0.1.0
author:
  - keaops.kea contributors (@keaops)
description:
  - Reads the C(kea_*) variables of the hosts, builds the pairs, and reports everything that is wrong with them at once.
  - Runs entirely on the controller and contacts no host. What it knows of the hosts are the facts gathered before.
  - Fails when there is any error; warnings are shown as such.
extends_documentation_fragment:
  - keaops.kea.attributes
  - keaops.kea.attributes.info
  - keaops.kea.attributes.action_group
options:
  offline:
    description:
      - Check the inventory alone. Otherwise the hosts must have been asked before; one without facts is an error.
    type: bool
    default: false
  scope:
    description:
      - V(all) checks all pairs that have a host in the play, and is meant for a task with C(run_once).
      - V(pair) checks the pair of the current host. One host of the pair reports everything, the other refers to it.
    type: str
    choices: [all, pair]
    default: all
  whole_pairs:
    description:
      - Whether it is an error that only one host of a pair is in the run, as with C(--limit).
    type: bool
    default: true
seealso:
  - plugin: keaops.kea.plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Check the inventory of all pairs
  keaops.kea.kea_preflight:
    offline: true
  run_once: true

- name: Check a pair against its hosts
  keaops.kea.kea_preflight:
    scope: pair
"""

RETURN = r"""
findings:
  description: What was found, errors first.
  returned: when the result is registered, or with C(-v); the message of a failure says the same in text
  type: list
  elements: dict
  contains:
    id:
      description: Name of the check.
      type: str
      sample: P23
    severity:
      description: V(error), V(warning) or V(info).
      type: str
      sample: error
    host:
      description: The host, or all hosts that share the mistake.
      type: str
      sample: dhcp1, dhcp2
    variable:
      description: The variable, with the path to the value.
      type: str
      sample: kea_subnets[0].pools[0]
    value:
      description: The value in a short form. Never a secret.
      type: str
      sample: 10.0.1.10-10.0.1.99
    message:
      description: What is wrong.
      type: str
      sample: the pool is not inside 192.168.1.0/24
    fix:
      description: What to do about it.
      type: str
      sample: Write a range inside it, for example 192.168.1.100-192.168.1.199
counts:
  description: How many findings there are of each severity.
  returned: always
  type: dict
  sample: {error: 1, warning: 0, info: 0}
report:
  description: The findings as lines of text, at most 50 and one that counts the rest.
  returned: when the result is registered, or with C(-v)
  type: list
  elements: str
  sample:
    - >-
      ERROR: dhcp1, dhcp2: kea_subnets[0].pools[0] = '10.0.1.10-10.0.1.99': the pool is not inside 192.168.1.0/24. Write
      a range inside it, for example 192.168.1.100-192.168.1.199. [P23]
"""
