# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories of tests/fixtures/inventories, and those the collection ships, read as Ansible reads them."""

from __future__ import annotations

from pathlib import Path

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.keaops.kea.plugins.plugin_utils import _inventory

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("2.2.0", "2.6.3", "3.0.4")
EXAMPLES = {path.stem: path for path in sorted((ROOT / "tests" / "fixtures" / "inventories").glob("*.yml"))}
SHIPPED = {path.parent.name: path for path in sorted((ROOT / "inventories").glob("*/hosts.yml"))}


def examine(path, version):
    """Return the pairs of an inventory for a version of Kea, and all that the offline preflight says."""
    loader = DataLoader()
    manager = InventoryManager(loader=loader, sources=[str(path)])
    variables = VariableManager(loader=loader, inventory=manager)
    # The manager keeps those of the command line for all others, too.
    variables._extra_vars = {**variables.extra_vars, "kea_version": version}
    hostvars = HostVars(inventory=manager, variable_manager=variables, loader=loader)
    hosts = [host.name for host in manager.get_hosts()]
    return _inventory.examine(hostvars, manager.get_groups_dict(), hosts, in_play=hosts, offline=True)
