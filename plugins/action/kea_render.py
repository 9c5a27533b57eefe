# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what a host would get into a folder on the controller. No host is contacted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.keaops.kea.plugins.filter import kea
from ansible_collections.keaops.kea.plugins.plugin_utils import _files


def write(folder: Path, files: dict[str, str | None], really: bool) -> list[dict[str, str]]:
    """Make the files of a folder as they should be; those that are None go.

    Returns:
        What changes, as Ansible shows differences.

    Raises:
        OSError: one cannot be written.
    """
    changes = []
    for name, text in files.items():
        path = folder / name
        before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
        if text == before:
            continue
        changes.append(
            {"before_header": str(path), "after_header": str(path), "before": before or "", "after": text or ""}
        )
        if really and text is None:
            path.unlink()
        elif really:
            folder.mkdir(parents=True, exist_ok=True)
            _files.replace(path, text)
    return changes


class ActionModule(ActionBase):
    """Writes the files; see the documentation of the module of this name."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Render and write."""
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(argument_spec={"path": {"type": "path", "required": True}})
        task_vars = task_vars or {}
        host = str(task_vars["inventory_hostname"])
        plan = kea.plan(task_vars["hostvars"], host, task_vars["groups"])
        files = {
            f"kea-{name.replace('_', '-')}.conf": None if daemon is None else kea.config_text(daemon)
            for name, daemon in plan["daemons"].items()
        }
        try:
            changes = write(Path(args["path"]) / host, files, not self._task.check_mode)
        except OSError as error:
            message = f"{host}: {error.filename or args['path']} cannot be written: {error.strerror}"
            raise AnsibleActionFail(f"{message}. Name a folder that you may write to with kea_render_dir.") from None
        result.update(changed=bool(changes), files=[name for name, text in files.items() if text is not None])
        if self._task.diff:
            result["diff"] = changes
        return result
