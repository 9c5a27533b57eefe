# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the checks share: a mistake in the home pair, and how it must be reported."""

from __future__ import annotations

from pairs import examine, facts

HOST_CHANGES = ("group", "dhcp1", "dhcp2", "facts1", "facts2", "more")
BOTH = "dhcp1, dhcp2"


def _changes(changes):
    """A change of neither host alone is one of the group."""
    return changes if set(changes) & set(HOST_CHANGES) else {"group": changes}


def expect_error(changes, check_id, host, variable, texts):
    """The mistake is an error that says where it is and what to do, and gives no flood of others."""
    every = examine(**_changes(changes))
    found = [item for item in every if item.id == check_id and item.variable.startswith(variable)]
    assert found, [item.text() for item in every]
    assert found[0].severity == "error"
    assert found[0].host == host
    assert found[0].fix
    for text in texts:
        assert text in found[0].text()
    assert len([item for item in every if item.severity == "error"]) <= 3


def expect_warning(changes, check_id, host, variable, texts, severity="warning"):
    """The mistake is a warning that says where it is and what to do, and is nothing else."""
    found = examine(**_changes(changes))
    assert [(item.severity, item.id, item.host, item.variable) for item in found] == [
        (severity, check_id, host, variable)
    ], [item.text() for item in found]
    assert found[0].fix
    for text in texts:
        assert text in found[0].text()


def expect_silence(changes, check_id):
    """The check has nothing to say, and no other one an error."""
    found = examine(**_changes(changes))
    assert [item.text() for item in found if item.id == check_id or item.severity == "error"] == []


def loud(findings):
    """Return the findings that are more than information."""
    return [item for item in findings if item.severity != "info"]


def live(facts1=None, facts2=None, **kwargs):
    """Return all findings when both hosts were asked."""
    return examine(
        facts1=facts("192.168.1.2") if facts1 is None else facts1,
        facts2=facts("192.168.1.3") if facts2 is None else facts2,
        live=True,
        **kwargs,
    )


def interfaces(**named):
    """Return the interfaces of a host: name=(up, address...)."""
    return {name: {"up": up, "ipv4": list(addresses)} for name, (up, *addresses) in named.items()}
