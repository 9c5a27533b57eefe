# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: from the controller's certificates to the texts that one host gets. Thin; plugin_utils does the work."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.keaops.kea.plugins.plugin_utils import _inventory


def tls_files(hostvars: Any, host: str, groups: Any) -> dict:
    """Return the PEM texts that one host is to get."""
    try:
        return _inventory.tls_files_of(hostvars, groups, str(host))
    except _inventory.InventoryError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict:
        """Return it by name."""
        return {"tls_files": tls_files}
