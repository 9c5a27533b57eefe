#!/usr/bin/env python3
# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what is derived from the code: docs/variables.md, docs/checks.md and the preflight role's argument specs.

With --check nothing is written; the exit status says whether a file is out of date.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import yaml
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parent.parent
SPDX = "# SPDX-FileCopyrightText: keaops.kea contributors\n# SPDX-License-Identifier: GPL-3.0-or-later\n"

_AnsibleCollectionFinder(paths=[str(ROOT / ".ansible" / "collections")])._install()
from ansible_collections.keaops.kea.plugins.module_utils import _findings, _variables  # noqa: E402


class Dumper(yaml.SafeDumper):
    """Indents lists, as yamllint wants it."""

    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, indentless=False)


def markdown(text: str) -> str:
    """Turn Ansible's C(...) markup into Markdown code."""
    return re.sub(r"C\((.*?)\)", r"`\1`", text)


def cell(value: object) -> str:
    """Return a value as it is written in an inventory, fit for a table."""
    return "" if value is None else "`" + json.dumps(value).replace("|", "\\|") + "`"


def variables_page() -> str:
    """Return docs/variables.md."""
    lines = [
        "# Inventory variables",
        "",
        "Generated from the code by `make docs`. Names are Kea's, with `_` for `-`, in Kea's own units.",
        "A variable of scope *pair* must be the same on both hosts; one of scope *host* may differ.",
        "A misspelt `kea_*` variable is an error.",
        "",
        "| variable | type | default | scope | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    for variable in _variables.VARIABLES:
        meaning = markdown(variable.description) + (f" In {variable.unit}." if variable.unit else "")
        default = "**required**" if variable.required else cell(variable.default)
        lines.append(f"| `{variable.name}` | {variable.type} | {default} | {variable.scope} | {meaning} |")
    return "\n".join(lines) + "\n"


def checks_page() -> str:
    """Return docs/checks.md."""
    lines = [
        "# Preflight checks",
        "",
        "Generated from the code by `make docs`. Every finding names host, variable and value, and ends with its id.",
        "",
        "| id | severity | what it looks at |",
        "| --- | --- | --- |",
    ]
    rows = [(rule, "error", what) for rule, what in _findings.INPUT_RULES.items()]
    rows += [(check.id, check.severity, check.what) for check in _findings.CHECKS]
    lines += [f"| {check_id} | {severity} | {what} |" for check_id, severity, what in sorted(rows)]
    return "\n".join(lines) + "\n"


def argument_specs() -> str:
    """Return the preflight role's argument specs: it is the role that reads the public variables."""
    options = {}
    for variable in _variables.VARIABLES:
        unit = f" In {variable.unit}." if variable.unit else ""
        option = {"type": variable.type, "description": [variable.description + unit]}
        if variable.elements:
            option["elements"] = variable.elements
        if variable.choices:
            option["choices"] = list(variable.choices)
        if variable.secret:
            option["no_log"] = True
        if variable.default is not None:
            option["default"] = variable.default
        options[variable.name] = option
    spec = {
        "main": {
            "short_description": "Check a pair and decide what each host gets",
            "description": [
                "Looks at the hosts of a pair, reports every mistake, and leaves the plan to the other roles.",
                "The required variables are checked by M(keaops.kea.kea_preflight), which reports everything at once.",
            ],
            "options": options,
        }
    }
    body = yaml.dump({"argument_specs": spec}, Dumper=Dumper, sort_keys=False, width=120, allow_unicode=True)
    return f"{SPDX}# Generated from the code by make docs.\n---\n{body}"


FILES = {
    "docs/variables.md": variables_page,
    "docs/checks.md": checks_page,
    "roles/preflight/meta/argument_specs.yml": argument_specs,
}


def main() -> int:
    """Write the files, or check them."""
    stale = [name for name, make in FILES.items() if not (ROOT / name).exists() or (ROOT / name).read_text() != make()]
    if "--check" in sys.argv:
        for name in stale:
            print(f"{name} is out of date: run make docs")
        return bool(stale)
    for name in stale:
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(FILES[name]())
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
