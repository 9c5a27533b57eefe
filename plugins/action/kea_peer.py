# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of kea_peer: JMESPath expectations, for which the managed host need not have the library."""

from __future__ import annotations

import json

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

try:
    import jmespath

    HAS_JMESPATH = True
except ImportError:
    HAS_JMESPATH = False


def compile_queries(expect: list) -> list:
    """Return the compiled queries of *expect*.

    Raises:
        AnsibleActionFail: the library is missing, or a query is no JMESPath. Nothing has been asked by then.
    """
    if expect and not HAS_JMESPATH:
        raise AnsibleActionFail(
            "kea_peer: expect needs the Python library jmespath on the controller. Install it into the Python of "
            "ansible-core: pip install jmespath",
            result={"kind": "option"},
        )
    compiled = []
    for index, item in enumerate(expect):
        if not isinstance(item, dict) or "query" not in item or "equals" not in item:
            raise AnsibleActionFail(
                f"kea_peer: expect[{index}] is not a mapping with query and equals.", result={"kind": "option"}
            )
        try:
            compiled.append(jmespath.compile(str(item["query"])))
        except jmespath.exceptions.JMESPathError as exc:
            # The first line holds the reason, the rest draws where it is.
            reason = str(exc).splitlines()[0].rstrip(".:")
            raise AnsibleActionFail(
                f"kea_peer: expect[{index}].query {str(item['query'])!r} is not JMESPath: {reason}. Names with a dash "
                'stand in double quotes: Dhcp4."valid-lifetime".',
                result={"kind": "option"},
            ) from None
    return compiled


def evaluate(expect: list, compiled: list, reply: dict) -> list:
    """Return each expectation with ``found`` and ``ok``; a query that fails on the data has the reason in ``error``."""
    results = []
    for item, query in zip(expect, compiled):
        result = {"query": str(item["query"]), "equals": item["equals"], "found": None}
        try:
            result["found"] = query.search(reply)
        except jmespath.exceptions.JMESPathError as exc:
            result["error"] = str(exc)
        result["ok"] = "error" not in result and _same(result["found"], item["equals"])
        results.append(result)
    return results


def _same(found, wanted) -> bool:
    """Return whether two values are the same in JSON, where true is not 1; a template may make text of a number."""
    if isinstance(wanted, str) and isinstance(found, (bool, int, float)):
        return wanted.lower() == json.dumps(found)
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return found == wanted


def describe(item: dict) -> str:
    """Return a failed expectation as a line."""
    if "error" in item:
        return f"{item['query']} cannot be evaluated: {item['error']}"
    found = json.dumps(item["found"], ensure_ascii=False)
    if len(found) > 200:
        found = found[:197] + "..."
    return f"{item['query']} should be {json.dumps(item['equals'], ensure_ascii=False)} and is {found}"


class ActionModule(ActionBase):
    """Run the module on the managed host, then evaluate the expectations here."""

    def run(self, tmp=None, task_vars=None):
        """Return the result of the module with the expectations instead of the partner's whole configuration."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        args = dict(self._task.args)
        expect = args.get("expect") or []
        if not isinstance(expect, list):
            raise AnsibleActionFail("kea_peer: expect is not a list of query and equals.", result={"kind": "option"})
        # A round trip through JSON turns Ansible's own string types into those the library knows.
        expect = json.loads(json.dumps(expect))
        compiled = compile_queries(expect)
        host = task_vars.get("inventory_hostname")
        args.setdefault("local_name", host)
        result = self._execute_module(module_name="keaops.kea.kea_peer", module_args=args, task_vars=task_vars)
        reply = result.pop("reply", None)
        result.get("invocation", {}).get("module_args", {}).pop("reply", None)
        if not expect or result.get("failed") or reply is None:
            return result
        result["expectations"] = evaluate(expect, compiled, json.loads(json.dumps(reply)))
        failed = [describe(item) for item in result["expectations"] if not item["ok"]]
        if failed:
            partner = args.get("server_name") or "the partner"
            result.update(
                failed=True,
                kind="expectation",
                msg=f"{args['local_name']}: {partner} at {result.get('url')}: {'; '.join(failed)}. Correct its "
                "configuration, or the expectation.",
            )
        return result
