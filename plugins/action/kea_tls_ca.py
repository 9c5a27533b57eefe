# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves the folder of a pair's own CA through a rotation, on the controller. No host is contacted."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.keaops.kea.plugins.plugin_utils import _certificates, _pki


def move(phase: str, path: str, trusted: list, in_use: list, write: bool) -> dict[str, Any]:
    """Move a folder, and return what a task returns.

    Raises:
        PkiError, CertificateError, OSError: it cannot be done.
    """
    if phase == "begin":
        changed = _pki.begin(path, trusted, write)
    elif phase == "promote":
        changed = _pki.promote(path, write)
    else:
        changed = _pki.finish(path, in_use, write)
    return {"changed": changed, "state": _pki.read(path).phase}


class ActionModule(ActionBase):
    """Moves the folder; see the documentation of the module of this name."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Do one step."""
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "path": {"type": "path", "required": True},
                "phase": {"type": "str", "choices": ["begin", "promote", "finish"], "required": True},
                "trusted": {"type": "list", "elements": "str", "default": []},
                "in_use": {"type": "list", "elements": "str", "default": []},
            }
        )
        try:
            result.update(move(write=not self._task.check_mode, **args))
        except (_pki.PkiError, _certificates.CertificateError, OSError) as error:
            raise AnsibleActionFail(f"kea_tls_ca: {error}") from error
        return result
