# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback that notes the steps of a run, and kills its controller at one of them, as a power cut would.

KEAOPS_STEPS names a file for the steps: one JSON object for each task that did something on a host. KEAOPS_STOP_AT is
the number of the task at whose start ansible-playbook and all its children are killed, KEAOPS_STOP_AFTER how many
seconds later.
"""

from __future__ import annotations

import json
import os
import signal
import threading

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: stop_at
type: aggregate
short_description: Notes the steps of a run, and kills its controller at one of them
description: For the tests of this project.
"""


def die():
    """Kill this process and its children; the tests give each run a process group of its own."""
    os.killpg(0, signal.SIGKILL)


class CallbackModule(CallbackBase):
    """Counts tasks."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "stop_at"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self.number = 0
        self.stop_at = int(os.environ.get("KEAOPS_STOP_AT", 0))
        self.stop_after = float(os.environ.get("KEAOPS_STOP_AFTER", 0))

    def v2_playbook_on_task_start(self, task, is_conditional):
        """Count it, and end here if it is the one."""
        self.number += 1
        if self.number == self.stop_at:
            if self.stop_after:
                threading.Timer(self.stop_after, die).start()
            else:
                die()

    def v2_runner_on_ok(self, result):
        """Note a task that did something."""
        path = os.environ.get("KEAOPS_STEPS")
        if path:
            step = {"number": self.number, "task": result._task.get_name()}
            step.update(host=result._host.get_name(), changed=result._result.get("changed", False))
            with open(path, "a", encoding="utf-8") as stream:
                stream.write(json.dumps(step) + "\n")
