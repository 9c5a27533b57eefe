# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No false alarm: inventories as people have them, and those the collection ships, pass the offline preflight."""

from __future__ import annotations

import pytest
from examples import EXAMPLES, SHIPPED, VERSIONS, examine


def test_there_are_enough_of_them():
    assert len(EXAMPLES) >= 20
    assert len(SHIPPED) >= 4


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", [*EXAMPLES.values(), *SHIPPED.values()], ids=[*EXAMPLES, *SHIPPED])
def test_preflight_has_nothing_to_say(path, version):
    pairs, findings = examine(path, version)
    assert [item.text() for item in findings if item.severity != "info"] == []
    assert len(pairs) == (4 if path.parent.name == "sites" else 1)
