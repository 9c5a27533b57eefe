#!/usr/bin/env python3
# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what is derived from the code: the generated pages of docs, and the preflight role's argument specs.

With --check nothing is written; the exit status says whether a file is out of date.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parent.parent
SPDX = "# SPDX-FileCopyrightText: keaops.kea contributors\n# SPDX-License-Identifier: GPL-3.0-or-later\n"

_AnsibleCollectionFinder(paths=[str(ROOT / ".ansible" / "collections")])._install()
from ansible_collections.keaops.kea.plugins.module_utils import _findings, _registry, _variables  # noqa: E402


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


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return the lines of a table."""
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def severity(check: _registry.Check) -> str:
    """Return the usual severity of a check, and the other one it may have."""
    return "error, warning" if check.severity == "error" and check.warns else check.severity


def accepted(check: _registry.Check) -> str:
    """Tell what of a check may be accepted."""
    if check.severity == "info":
        return ""
    if check.ignorable or check.severity == "warning":
        return "yes"
    return "warnings" if check.warns else "no"


def check_row(check: _registry.Check) -> tuple[str, ...]:
    """Return what the page says of a check."""
    return check.id, severity(check), accepted(check), ", ".join(check.looks_at), check.what


def stork_row(name: str, note: str) -> str:
    """Return what covers one of Stork's checkers."""
    ids = sorted({check.id for check in _findings.CHECKS if name in check.stork})
    return ", ".join(ids) + (f" ({note})" if ids and note else note)


CHECKS_HEAD = """# Preflight checks

Generated from the code by `make docs`. Every finding names host, variable and value, says what to write instead, and
ends with its id.

- *accepted* says whether `kea_preflight_ignore` may turn it into information: *no*; *yes*; or *warnings*, where the
  errors of the check stay. What cannot be accepted would keep Kea from starting, stop DHCP, or give an address twice.
- *looks at* says what is needed for it: the *inventory* alone, *files on the controller*, *all pairs of the run*, the
  *hosts* (asked, not changed), or *the running pair*.

| id | severity | accepted | looks at | what must hold |
| --- | --- | --- | --- | --- |
"""
CHECKS_BY_CONSTRUCTION = """
## What the collection cannot get wrong

| id | why there is nothing to check |
| --- | --- |
"""
CHECKS_STORK = """
## Stork's checkers

[Stork](https://gitlab.isc.org/isc-projects/stork) reviews the configuration that a server runs already. Here each of
its checkers for Kea is covered before that.

| Stork | here |
| --- | --- |
"""


def checks_page() -> str:
    """Return docs/checks.md."""
    rows = [(rule, "error", "no", _registry.INVENTORY, what) for rule, what in _findings.INPUT_RULES.items()]
    rows += [check_row(check) for check in _findings.CHECKS]
    return (
        CHECKS_HEAD
        + table(sorted(rows))
        + CHECKS_BY_CONSTRUCTION
        + table(_registry.BY_CONSTRUCTION.items())
        + CHECKS_STORK
        + table((f"`{name}`", stork_row(name, note)) for name, note in _registry.STORK.items())
    )


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


def differential_page() -> str:
    """Return docs/differential.md, out of Kea's recorded answers and what preflight says now."""
    sys.path.insert(0, str(ROOT / "tests" / "real"))
    import differential

    return differential.page()


FILES = {
    "docs/variables.md": variables_page,
    "docs/checks.md": checks_page,
    "docs/differential.md": differential_page,
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
