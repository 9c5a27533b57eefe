# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of kea_host_info: its clock, before and after the host was asked."""

from __future__ import annotations

import time

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Run the module on the managed host, and take the time."""

    def run(self, tmp=None, task_vars=None):
        """Return the result of the module with the controller's time, by which a wrong clock is seen."""
        super().run(tmp, task_vars)
        asked = time.time()
        result = self._execute_module(module_name="keaops.kea.kea_host_info", task_vars=task_vars or {})
        result.update(asked=asked, answered=time.time())
        return result
