# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change of subnets does to leases, in the forms in which Kea prints both."""

from __future__ import annotations

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _leases

NOW = 1_000_000


def subnet(number=1, prefix="192.168.1.0/24", pools=("192.168.1.100-192.168.1.199",), reservations=()):
    return {
        "id": number,
        "subnet": prefix,
        "pools": [{"pool": pool} for pool in pools],
        "reservations": list(reservations),
    }


def lease(address, number=1, mac="02:00:00:00:00:01", **values):
    known = {"ip-address": address, "subnet-id": number, "hw-address": mac, "state": 0, "cltt": NOW, "valid-lft": 100}
    return {**known, **values}


def impact(before, after, *leases):
    found = _leases.Impact(_leases.read(before), _leases.read(after))
    for entry in leases:
        found.add(entry, NOW)
    return found


def test_nothing_matters_when_nothing_changes():
    before = [subnet(reservations=[{"client-id": "01112233445566", "hostname": "", "ip-address": "192.168.1.11"}])]
    same = [subnet(reservations=[{"client-id": "01:11:22:33:44:55:66", "ip-address": "192.168.1.11"}])]
    assert not impact(before, same).matters
    spelt = [subnet(pools=["192.168.1.128/26"])]
    assert not impact([subnet(pools=["192.168.1.128 - 192.168.1.191"])], spelt).matters


def test_removed_subnets():
    before = [subnet(), subnet(2, "10.0.0.0/24"), subnet(3, "10.0.1.0/24")]
    found = impact(before, [subnet()], lease("192.168.1.100"), lease("10.0.0.9", 2), lease("10.0.0.8", 2))
    assert found.matters
    assert found.result()["removed"] == [{"id": 2, "subnet": "10.0.0.0/24", "leases": 2}]


def test_an_id_that_is_given_to_another_prefix():
    found = impact([subnet()], [subnet(1, "10.0.0.0/24", ["10.0.0.1-10.0.0.9"])], lease("192.168.1.100"))
    assert found.result()["removed"] == [{"id": 1, "subnet": "192.168.1.0/24", "leases": 1}]
    wider = impact([subnet()], [subnet(1, "192.168.0.0/16")], lease("192.168.1.100"))
    assert wider.result()["removed"] == []


def test_another_id_of_the_same_prefix_is_told_elsewhere():
    assert impact([subnet()], [subnet(7)], lease("192.168.1.100")).result()["removed"] == []


def test_pools_that_shrink():
    after = [subnet(pools=["192.168.1.110-192.168.1.119", "192.168.1.130-192.168.1.139"])]
    at = [f"192.168.1.{number}" for number in (100, 109, 110, 119, 120, 129, 130, 139, 140)]
    found = impact([subnet()], after, *(lease(address) for address in reversed(at)))
    assert found.result()["outside"] == [
        {
            "id": 1,
            "subnet": "192.168.1.0/24",
            "leases": 5,
            "of": 9,
            "addresses": ["192.168.1.100", "192.168.1.109", "192.168.1.120", "192.168.1.129", "192.168.1.140"],
        }
    ]


def test_leases_left_over_outside_of_pools_that_stay_are_no_news():
    assert impact([subnet()], [subnet()], lease("192.168.1.5")).result()["outside"] == []


def test_a_reserved_address_outside_the_pools_is_in_order():
    owner = {"hw-address": "02:00:00:00:00:01", "ip-address": "192.168.1.10"}
    after = [subnet(pools=["192.168.1.100-192.168.1.110"], reservations=[owner])]
    found = impact([subnet()], after, lease("192.168.1.10"))
    assert (found.result()["outside"], found.result()["taken"]) == ([], [])


@pytest.mark.parametrize(
    ("owner", "taken"),
    [
        ({"hw-address": "02:00:00:00:00:01"}, False),
        ({"hw-address": "02:00:00:00:00:02"}, True),
        ({"client-id": "01:02:00:00:00:00:01"}, False),
        ({"client-id": "01:02:00:00:00:00:02"}, True),
        ({"client-id": "'x'"}, True),
        ({"duid": "00:03:00:01:02:00:00:00:00:01"}, True),
        # Of what a relay says a lease knows nothing.
        ({"circuit-id": "'port-7'"}, False),
    ],
)
def test_a_reserved_address_that_another_client_has(owner, taken):
    after = [subnet(reservations=[{**owner, "ip-address": "192.168.1.150"}])]
    held = lease("192.168.1.150", hostname="tv", **{"client-id": "01:02:00:00:00:00:01"})
    found = impact([subnet()], after, held)
    assert found.matters
    result = found.result()
    assert result["taken_count"] == taken
    if taken:
        assert (result["taken"][0]["client"], result["taken"][0]["hostname"]) == ("02:00:00:00:00:01", "tv")
        assert result["taken"][0]["until"] == NOW + 100


def test_a_duid_within_the_client_id_of_a_lease():
    after = [subnet(reservations=[{"duid": "00:03:00:01:aa", "ip-address": "192.168.1.150"}])]
    held = lease("192.168.1.150", **{"client-id": "ff:00:00:00:01:00:03:00:01:aa"})
    assert impact([subnet()], after, held).result()["taken"] == []


@pytest.mark.parametrize("change", [{"state": 1}, {"state": 2}, {"cltt": NOW - 100}])
def test_a_lease_that_is_not_in_use_does_not_count(change):
    assert impact([subnet()], [], lease("192.168.1.100", **change)).result()["removed"] == []


def test_a_lease_for_ever_counts():
    held = lease("192.168.1.100", **{"cltt": 0, "valid-lft": 0xFFFFFFFF})
    assert impact([subnet()], [], held).result()["removed"][0]["leases"] == 1


def test_the_answer_stays_small():
    reservations = [{"hw-address": f"1a:00:00:00:00:{n:02x}", "ip-address": f"192.168.1.{n}"} for n in range(1, 90)]
    after = [subnet(pools=["192.168.1.200-192.168.1.201"], reservations=reservations)]
    held = [lease(f"192.168.1.{number}") for number in range(1, 199)]
    result = impact([subnet()], after, *held).result()
    assert (len(result["taken"]), result["taken_count"]) == (20, 89)
    assert (len(result["outside"][0]["addresses"]), result["outside"][0]["leases"]) == (20, 109)


def test_summary_spells_pools_the_same():
    one, two = subnet(pools=["192.168.1.128/26"]), subnet(pools=["192.168.1.128 - 192.168.1.191"])
    assert (
        _leases.summary([one])
        == _leases.summary([two])
        == {"192.168.1.0/24": {"id": 1, "pools": ["192.168.1.128-192.168.1.191"]}}
    )


def test_what_cannot_be_read_is_left_out():
    broken = [{"subnet": "x", "id": 1}, {"subnet": "10.0.0.0/8"}, subnet(3, pools=["nonsense", "1-2-3"]), {}]
    assert list(_leases.read(broken)) == [3]
    assert _leases.read(broken)[3].pools == []


AT = 10000
SAME = {"ip-address": "192.168.1.100", "hw-address": "1A:1b:1c:1d:1e:1f", "subnet-id": 1, "state": 0}
SAME.update({"cltt": 9000, "valid-lft": 4000})
DIFFERENCES = {
    "none": ({}, []),
    "spelt differently": ({"hw-address": "1a:1b:1c:1d:1e:1f"}, []),
    "a second later": ({"cltt": 9001}, []),
    "of another client": ({"hw-address": "1a:1b:1c:1d:1e:20"}, ["192.168.1.100"]),
    "of another client identifier": ({"client-id": "01:02"}, ["192.168.1.100"]),
    "in another subnet": ({"subnet-id": 2}, ["192.168.1.100"]),
    "in another state": ({"state": 1}, ["192.168.1.100"]),
    "renewed there alone": ({"cltt": 9500}, ["192.168.1.100"]),
    "renewed just now": ({"cltt": 9995}, []),
    "of another client just now": ({"cltt": 9995, "hw-address": "1a:1b:1c:1d:1e:20"}, []),
    "for ever": ({"valid-lft": 0xFFFFFFFF}, ["192.168.1.100"]),
    "ended there": ({"valid-lft": 500}, []),
    "released there": ({"state": 3}, []),
}


@pytest.mark.parametrize("what", DIFFERENCES)
def test_difference_of_one_lease(what):
    change, found = DIFFERENCES[what]
    assert _leases.difference([SAME], [{**SAME, **change}], AT) == found
    assert _leases.difference([{**SAME, **change}], [SAME], AT) == found


@pytest.mark.parametrize(("age", "found"), [({}, ["192.168.1.100"]), ({"cltt": 9995}, []), ({"valid-lft": 100}, [])])
def test_a_lease_that_only_one_server_knows(age, found):
    assert _leases.difference([{**SAME, **age}], [], AT) == found == _leases.difference([], [{**SAME, **age}], AT)


def test_a_lease_that_one_server_alone_has_counts_from_its_start_on():
    given = SAME["cltt"]
    assert _leases.difference([SAME], [], AT, since=(given + 1, 0)) == []
    assert _leases.difference([SAME], [], AT, since=(given, 0)) == ["192.168.1.100"]
    assert _leases.difference([], [SAME], AT, since=(0, given + 1)) == []
    assert _leases.difference([], [SAME], AT, since=(0, given)) == ["192.168.1.100"]
    other = {**SAME, "hw-address": "1a:1b:1c:1d:1e:20"}
    assert _leases.difference([SAME], [other], AT, since=(AT, AT)) == ["192.168.1.100"]


LACKING = {
    "the same": ([SAME], [SAME], []),
    "none there": ([SAME], [], []),
    "none here": ([], [SAME], ["192.168.1.100"]),
    "newer here": ([{**SAME, "cltt": SAME["cltt"] + 60}], [SAME], []),
    "newer there": ([SAME], [{**SAME, "cltt": SAME["cltt"] + 60}], ["192.168.1.100"]),
    "of another client there, later": (
        [SAME],
        [{**SAME, "cltt": SAME["cltt"] + 60, "hw-address": "1a:1b:1c:1d:1e:20"}],
        ["192.168.1.100"],
    ),
    "given just now": ([], [{**SAME, "cltt": 9995}], []),
    "ended": ([], [{**SAME, "valid-lft": 100}], []),
}


@pytest.mark.parametrize("what", LACKING)
def test_leases_that_a_server_lacks(what):
    mine, theirs, found = LACKING[what]
    assert _leases.lacking(mine, theirs, AT) == found


def test_differences_are_in_the_order_of_addresses():
    leases = [{**SAME, "ip-address": f"192.168.1.{number}"} for number in (20, 9, 100)]
    assert _leases.difference(leases, [], AT) == ["192.168.1.9", "192.168.1.20", "192.168.1.100"]
