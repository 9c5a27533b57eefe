# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: how a run goes over many pairs. Thin; the work is done in plugin_utils and module_utils."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.keaops.kea.plugins.module_utils import _rollout
from ansible_collections.keaops.kea.plugins.plugin_utils import _rollouts


def rollout(hostvars: Any, groups: Any, in_run: Any) -> dict:
    """Return the hosts of a play pair by pair, and how many of them each batch has."""
    try:
        return _rollouts.order(hostvars, groups, in_run)
    except _rollout.RolloutError as error:
        raise AnsibleFilterError(f"kea_rollout: {error}") from error


def rollout_batch(hostvars: Any, in_run: Any, host: Any) -> str:
    """Return a line that says which batch a host begins."""
    return _rollouts.batch(hostvars, in_run, str(host))


def rollout_report(hostvars: Any, in_run: Any, in_play: Any, host: Any) -> dict:
    """Return where a roll-out stands after the batch of a host."""
    return _rollouts.report(hostvars, in_run, in_play, str(host))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        """Return them by name."""
        return {"rollout": rollout, "rollout_batch": rollout_batch, "rollout_report": rollout_report}
