#!/usr/bin/python
# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action kea_render, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_render
short_description: Write what a host would get into a folder on the controller
version_added: 0.2.0
author:
  - keaops.kea contributors (@keaops)
description:
  - Renders the configuration files of a host from its C(kea_*) variables, as M(keaops.kea.kea_config) would put them
    on the host, into a folder with the name of the host. A file that the host does not get is removed from there.
  - Runs entirely on the controller and contacts no host. Each file is replaced at once.
  - Fails when the variables cannot be used. M(keaops.kea.kea_preflight) says what is wrong with them.
extends_documentation_fragment:
  - keaops.kea.attributes
  - keaops.kea.attributes.action_group
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  path:
    description: The folder in which each host has its own.
    type: path
    required: true
seealso:
  - module: keaops.kea.kea_preflight
"""

EXAMPLES = r"""
- name: Write what each host would get
  keaops.kea.kea_render:
    path: rendered
"""

RETURN = r"""
files:
  description: The names of the files that the host gets.
  returned: success
  type: list
  elements: str
  sample: [kea-dhcp4.conf, kea-ctrl-agent.conf]
"""
