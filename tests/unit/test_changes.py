# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind a change is, in which words, and in which order two servers take it."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _changes
from ansible_collections.keaops.kea.plugins.module_utils._plan import turn_of
from pairs import MISSING, SUBNET, build, examine, facts, kea_info

RELATIONSHIP = {
    "this-server-name": "server1",
    "mode": "hot-standby",
    "heartbeat-delay": 1000,
    "peers": [
        {"name": "server1", "url": "http://192.168.1.2:8000/", "role": "primary"},
        {"name": "server2", "url": "http://192.168.1.3:8000/", "role": "standby"},
    ],
}


def config():
    """A configuration with two subnets, to be changed in one place."""
    return {
        "Dhcp4": {
            "valid-lifetime": 4000,
            "hooks-libraries": [
                {
                    "library": "libdhcp_ha.so",
                    "parameters": {"high-availability": [copy.deepcopy(RELATIONSHIP)]},
                }
            ],
            "subnet4": [
                {
                    "id": 1,
                    "subnet": "192.168.1.0/24",
                    "pools": [{"pool": "192.168.1.100 - 192.168.1.199"}],
                    "option-data": [{"name": "routers", "data": "192.168.1.1"}],
                    "reservations": [{"hw-address": "1a:1b:1c:1d:1e:1f", "ip-address": "192.168.1.10"}],
                },
                {"id": 2, "subnet": "192.168.2.0/24", "pools": [{"pool": "192.168.2.0/25"}]},
            ],
            "loggers": [{"name": "kea-dhcp4", "severity": "INFO"}],
        }
    }


def subnet(content, number):
    return next(one for one in content["Dhcp4"]["subnet4"] if one["id"] == number)


def ha(content):
    return content["Dhcp4"]["hooks-libraries"][0]["parameters"]["high-availability"][0]


THIRD = {"id": 3, "subnet": "192.168.3.0/24", "pools": []}
CHANGES = {
    "nothing": (lambda c: None, "none", []),
    "a lifetime": (lambda c: c["Dhcp4"].update({"valid-lifetime": 5}), "soft", ["valid-lifetime: was 4000, is 5"]),
    "an option": (
        lambda c: subnet(c, 1)["option-data"][0].update(data="192.168.1.254"),
        "soft",
        ["subnet4[1].option-data[routers].data: was 192.168.1.1, is 192.168.1.254"],
    ),
    "a logger": (
        lambda c: c["Dhcp4"]["loggers"][0].update(severity="DEBUG"),
        "soft",
        ["loggers[kea-dhcp4].severity: was INFO, is DEBUG"],
    ),
    "a timer": (
        lambda c: ha(c).update({"heartbeat-delay": 2000}),
        "soft",
        [
            "hooks-libraries[libdhcp_ha.so].parameters.high-availability[server1+server2].heartbeat-delay: was 1000, "
            "is 2000"
        ],
    ),
    "reservations": (
        lambda c: (
            subnet(c, 1)["reservations"][0].update(hostname="printer"),
            subnet(c, 1)["reservations"].append({"hw-address": "1a:1b:1c:1d:1e:20", "ip-address": "192.168.1.11"}),
            subnet(c, 1)["reservations"].append({"hw-address": "1a:1b:1c:1d:1e:21", "ip-address": "192.168.1.12"}),
        ),
        "soft",
        ["subnet4[1].reservations: 2 new, 1 changed"],
    ),
    "a reservation gone": (
        lambda c: subnet(c, 1)["reservations"].clear(),
        "soft",
        ["subnet4[1].reservations: 1 gone"],
    ),
    "a new subnet": (lambda c: c["Dhcp4"]["subnet4"].append(THIRD), "additive", ["subnet4[3]: new"]),
    "a subnet gone": (lambda c: c["Dhcp4"]["subnet4"].pop(), "subtractive", ["subnet4[2]: gone"]),
    "one for another": (
        lambda c: c["Dhcp4"]["subnet4"].__setitem__(1, THIRD),
        "mixed",
        ["subnet4[2]: gone", "subnet4[3]: new"],
    ),
    "a subnet grows": (lambda c: subnet(c, 2).update(subnet="192.168.2.0/23"), "additive", None),
    "a subnet shrinks": (lambda c: subnet(c, 2).update(subnet="192.168.2.0/25"), "subtractive", None),
    "a subnet moves": (lambda c: subnet(c, 2).update(subnet="10.0.0.0/24"), "mixed", None),
    "another id": (lambda c: subnet(c, 2).update(id=9), "mixed", None),
    "into a shared network": (
        lambda c: c["Dhcp4"].update({"shared-networks": [{"name": "x", "subnet4": [c["Dhcp4"]["subnet4"].pop()]}]}),
        "soft",
        None,
    ),
    "a new pool": (
        lambda c: subnet(c, 1)["pools"].append({"pool": "192.168.1.200-192.168.1.210"}),
        "additive",
        ["subnet4[1].pools[192.168.1.200-192.168.1.210]: new"],
    ),
    "a pool grows": (lambda c: subnet(c, 1)["pools"][0].update(pool="192.168.1.90-192.168.1.199"), "additive", None),
    "a pool shrinks": (
        lambda c: subnet(c, 1)["pools"][0].update(pool="192.168.1.100-192.168.1.150"),
        "subtractive",
        None,
    ),
    "a pool split": (
        lambda c: subnet(c, 1).update(
            pools=[{"pool": "192.168.1.100-192.168.1.150"}, {"pool": "192.168.1.151-192.168.1.199"}]
        ),
        "soft",
        None,
    ),
    "a new pool and a subnet gone": (
        lambda c: (c["Dhcp4"]["subnet4"].pop(), subnet(c, 1)["pools"].append({"pool": "192.168.1.200-192.168.1.210"})),
        "subtractive",
        None,
    ),
    "another port": (lambda c: ha(c)["peers"][0].update(url="http://192.168.1.2:8002/"), "breaking", None),
    "another mode": (lambda c: ha(c).update(mode="load-balancing"), "breaking", None),
    "no partner any more": (lambda c: c["Dhcp4"].update({"hooks-libraries": []}), "breaking", None),
}


@pytest.mark.parametrize("what", CHANGES)
def test_kinds(what):
    change, kind, words = CHANGES[what]
    new = config()
    change(new)
    found = _changes.classify(config(), new)
    assert found.kind == kind
    assert words is None or list(found.words) == words
    assert bool(found.words) == (kind != "none")


def test_first_configuration_and_one_that_nobody_can_read():
    assert _changes.classify(None, config()) == _changes.Change("soft", ())
    assert _changes.classify("text", config()).kind == "breaking"


def test_words_are_few_and_hold_no_secret():
    new = config()
    new["Dhcp4"].update({f"key-{number}": number for number in range(30)})
    new["Dhcp4"]["a-password"] = "hunter2"
    old = {"Dhcp4": {**config()["Dhcp4"], "a-password": "hunter1"}}
    words = _changes.classify(old, new).words
    assert len(words) == 12 and words[-1] == "and 20 more"
    assert "hunter" not in " ".join(words)


# --- the order

CARRIES = {"active": True, "ha": {"ha": True, "state": "hot-standby", "scopes": ["server1"]}}
WAITS = {"active": True, "ha": {"ha": True, "state": "hot-standby", "scopes": []}}
SECOND = {**SUBNET, "id": 2, "subnet": "192.168.2.0/24", "pools": [], "option_data": {}, "reservations": []}
SECOND.update(interface=MISSING, relay={"ip_addresses": ["192.168.2.1"]}, pools=["192.168.2.10-192.168.2.20"])
ONE, TWO = {"192.168.1.0/24": 1}, {"192.168.1.0/24": 1, "192.168.2.0/24": 2}


def live(first, second, subnets, states=(CARRIES, WAITS)):
    """The variables and facts of a pair that has other subnets on its hosts than in the inventory."""
    found = {}
    for number, (state, has) in enumerate(zip(states, (first, second)), 1):
        kea = kea_info(**state)
        kea["daemons"]["dhcp4"]["subnet_ids"] = has
        found[f"facts{number}"] = facts(f"192.168.1.{number + 1}", kea)
    wanted = [{key: value for key, value in one.items() if value is not MISSING} for one in subnets]
    return {"group": {"kea_subnets": wanted}, **found}


ORDERS = {
    "nothing": (ONE, ONE, [SUBNET], [2, 1]),
    "a new subnet": (ONE, ONE, [SUBNET, SECOND], [2, 1]),
    "a subnet goes": (TWO, TWO, [SUBNET], [1, 2]),
    "half-way: the standby knows it already": (ONE, TWO, [SUBNET, SECOND], [2, 1]),
    "half-way: the primary has forgotten it": (ONE, TWO, [SUBNET], [1, 2]),
    "half-way, and the rest of it was given up": (ONE, {**TWO, "192.168.3.0/24": 3}, [SUBNET, SECOND], [2, 1]),
    "nothing known": (None, None, [SUBNET], [2, 1]),
}


@pytest.mark.parametrize("what", ORDERS)
def test_order(what):
    first, second, subnets, turns = ORDERS[what]
    pair = build(**live(first, second, subnets))[0]
    assert [turn_of(pair, server) for server in pair.servers] == turns
    # Whoever serves is the one that counts.
    pair = build(**live(first, second, subnets, states=(WAITS, CARRIES)))[0]
    assert [turn_of(pair, server) for server in pair.servers] == turns[::-1]


def test_who_serves_nobody_never_waits():
    pair = build(**live(TWO, TWO, [SUBNET], states=({}, CARRIES)))[0]
    assert [turn_of(pair, server) for server in pair.servers] == [1, 2]


def test_a_mixed_change_is_refused_with_both_halves_named():
    found = [
        item for item in examine(live=True, **live(ONE | {"10.0.0.0/24": 7}, ONE, [SUBNET, SECOND])) if item.id == "R02"
    ]
    assert [item.text() for item in found] == [
        "dhcp1: kea_subnets = '192.168.2.0/24': this run adds subnets (192.168.2.0/24) and removes others "
        "(10.0.0.0/24): in either order one server would give leases in a subnet that its partner does not know. Make "
        "it two runs: add the new subnets first, and remove the old ones with a second run. [R02]"
    ]


@pytest.mark.parametrize(
    "case",
    [
        live(TWO, TWO, [SUBNET]),
        live(ONE, ONE, [SUBNET, SECOND]),
        live({"10.0.0.0/24": 7}, {"10.0.0.0/24": 7}, [SUBNET], states=({}, {})),
        {**live({"10.0.0.0/24": 7}, {"10.0.0.0/24": 7}, [SUBNET])},
    ],
    ids=["removed", "added", "nobody serves", "accepted"],
)
def test_other_changes_are_not(case, request):
    if "accepted" in request.node.callspec.id:
        case["group"]["kea_accept_outage"] = True
    assert [item for item in examine(live=True, **case) if item.id == "R02"] == []
