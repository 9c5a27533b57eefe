#!/usr/bin/python
# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action kea_tls_ca, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_tls_ca
short_description: Move the folder of a pair's own CA through the replacement of the CA
version_added: 0.2.0
author:
  - keaops.kea contributors (@keaops)
description:
  - A CA is replaced in three phases, and after each of them the hosts are brought up to date as in any other run. First
    they learn to trust the next CA beside the present one, then they get certificates of the next one, and at last they
    forget the old one. So there is no time at which the servers of a pair would not accept each other.
  - This action moves the folder from one phase to the next, in steps that may be repeated after an interruption at any
    moment. It makes no keys, and contacts no host.
  - Runs on the controller. Run it for one host of a pair only, since both share the folder.
extends_documentation_fragment:
  - keaops.kea.attributes
  - keaops.kea.attributes.action_group
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  path:
    description: The folder, absolute. C(tls.ca_dir) of the plan of a host.
    type: path
    required: true
  phase:
    description:
      - V(begin) prepares the folder for a next CA, which is then made in its folder C(next). A folder without a CA
        takes over O(trusted), without keys, so that a CA whose key is lost, or is not the pair's own, can be replaced,
        too. A V(promote) that was interrupted is completed.
      - V(promote) lets the next CA sign, keeps the certificate of the present one for the hosts to trust, and removes
        its key.
      - V(finish) forgets the previous CA.
    type: str
    choices: [begin, promote, finish]
    required: true
  trusted:
    description: The CA certificates that the hosts of the pair trust now, PEM. Used by O(phase=begin).
    type: list
    elements: str
    default: []
  in_use:
    description:
      - The certificates that the hosts of the pair use now, PEM. O(phase=finish) fails when one of them is not of the
        present CA.
    type: list
    elements: str
    default: []
seealso:
  - plugin: keaops.kea.tls_files
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Let the next CA sign
  keaops.kea.kea_tls_ca:
    path: "{{ __kea_plan.tls.ca_dir }}"
    phase: promote
"""

RETURN = r"""
state:
  description:
    - What is in the folder afterwards. V(absent), no CA; V(ready), one; V(next), a next one beside it, which the hosts
      learn to trust; V(previous), a previous one beside it, which they still trust.
    - In check mode, what is in it now.
  returned: success
  type: str
  sample: previous
"""
