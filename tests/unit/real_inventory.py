# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real inventory, read by the installed ansible-core within the test."""

from __future__ import annotations

import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager


class Inventory:
    """What a play knows of an inventory: variables of hosts, and groups."""

    def __init__(self, folder, data):
        path = folder / "hosts.yml"
        path.write_text(data if isinstance(data, str) else yaml.safe_dump(data), encoding="utf-8")
        self.loader = DataLoader()
        self.manager = InventoryManager(loader=self.loader, sources=[str(path)])
        self.variables = VariableManager(loader=self.loader, inventory=self.manager)
        self.hostvars = HostVars(inventory=self.manager, variable_manager=self.variables, loader=self.loader)

    @property
    def groups(self):
        return self.manager.get_groups_dict()

    def register(self, host, **facts):
        """Do what set_fact and register do."""
        self.variables.set_nonpersistent_facts(host, facts)

    def gathered(self, host, facts):
        """Do what gathering does."""
        self.variables.set_host_facts(host, facts)
        self.variables.set_nonpersistent_facts(host, {"__kea_setup": {"ansible_facts": facts}})
