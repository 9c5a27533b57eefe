# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What random inventories have shown, each once: mistakes that preflight let through to Kea."""

from __future__ import annotations

import pytest
from pairs import examine, subnet


def only_reservation(**entry):
    return subnet(reservations=[entry])


# name -> (variables of the group, id, variable, words of the text)
CASES = {
    "host name of a reservation without address": (
        only_reservation(hw_address="1a:1b:1c:1d:1e:1f", hostname="my printer"),
        "V04",
        "kea_subnets[0].reservations[0].hostname",
        ["my printer", "not a host name"],
    ),
}


@pytest.mark.parametrize(("group", "check_id", "variable", "words"), CASES.values(), ids=CASES)
def test_is_found(group, check_id, variable, words):
    found = [item for item in examine(group) if item.id == check_id]
    assert [item.variable for item in found] == [variable]
    assert "dhcp1" in found[0].text()
    assert [word for word in words if word not in found[0].text()] == []
