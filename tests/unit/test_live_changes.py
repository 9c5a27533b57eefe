# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commands turn one configuration into another, in which order, and the proof of the result."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _live_changes
from fake_host import Subnets
from hypothesis import given, settings
from hypothesis import strategies as st

MEMORY = "memory"
PRINTER = {"hw-address": "1a:1b:1c:1d:1e:1f", "ip-address": "192.168.1.10"}
PHONE = {"client-id": "01:11:22:33:44:55:66", "ip-address": "192.168.1.11", "hostname": "phone"}
LAN = {
    "id": 1,
    "subnet": "192.168.1.0/24",
    "pools": [{"pool": "192.168.1.100-192.168.1.199"}],
    "option-data": [{"name": "routers", "data": "192.168.1.1"}],
    "reservations": [PRINTER, PHONE],
}
GUESTS = {"id": 7, "subnet": "10.7.0.0/24", "pools": [{"pool": "10.7.0.10-10.7.0.20"}], "reservations": []}


def config(*subnets: dict, **rest) -> dict:
    return {"Dhcp4": {"valid-lifetime": 4000, "subnet4": [copy.deepcopy(subnet) for subnet in subnets], **rest}}


def names(old: dict, new: dict) -> list[str]:
    return [step.do.name for step in _live_changes.steps(old, new)]


def test_nothing_to_do():
    assert _live_changes.steps(config(LAN, GUESTS), config(GUESTS, LAN)) == []


def test_a_pool_and_an_option_replace_the_subnet_without_its_reservations():
    new = {**LAN, "pools": [{"pool": "192.168.1.50-192.168.1.199"}]}
    (step,) = _live_changes.steps(config(LAN), config(new))
    assert step.do.name == step.undo.name == "subnet4-update"
    (sent,) = step.do.arguments["subnet4"]
    assert sent == {key: value for key, value in new.items() if key != "reservations"}
    assert step.undo.arguments["subnet4"][0]["pools"] == LAN["pools"]


def test_a_new_subnet_gets_its_reservations_afterwards():
    guest = {"hw-address": "1a:1b:1c:1d:1e:77", "ip-address": "10.7.0.7"}
    add, reserve = _live_changes.steps(config(LAN), config(LAN, {**GUESTS, "reservations": [guest]}))
    assert add.do.name == "subnet4-add"
    assert "reservations" not in add.do.arguments["subnet4"][0]
    assert add.undo == _live_changes.Command("subnet4-del", {"id": 7})
    assert reserve.do.arguments == {"reservation": {"subnet-id": 7, **guest}, "operation-target": MEMORY}


def test_a_subnet_goes_with_its_reservations_and_comes_back_with_them():
    assert names(config(LAN, GUESTS), config(GUESTS)) == ["reservation-del", "reservation-del", "subnet4-del"]
    steps = _live_changes.steps(config(LAN, GUESTS), config(GUESTS))
    assert [step.undo.name for step in reversed(steps)] == ["subnet4-add", "reservation-add", "reservation-add"]


def test_an_address_that_moves_to_another_client_is_free_before():
    new = {**LAN, "reservations": [{**PRINTER, "ip-address": "192.168.1.11"}, {**PHONE, "ip-address": "192.168.1.10"}]}
    assert names(config(LAN), config(new)) == ["reservation-del"] * 2 + ["reservation-add"] * 2


def test_a_reservation_that_keeps_its_address_is_updated_in_one_step():
    new = {**LAN, "reservations": [PRINTER, {**PHONE, "hostname": "other"}]}
    (step,) = _live_changes.steps(config(LAN), config(new))
    assert step.do.name == "reservation-update"
    assert step.undo.arguments["reservation"]["hostname"] == "phone"


def test_a_reservation_is_named_by_its_identifier():
    (step,) = _live_changes.steps(config(LAN), config({**LAN, "reservations": [PRINTER]}))
    assert step.do.arguments == {
        "subnet-id": 1,
        "identifier-type": "client-id",
        "identifier": "01:11:22:33:44:55:66",
        "operation-target": MEMORY,
    }


@pytest.mark.parametrize(
    "new",
    [
        config(LAN, **{"valid-lifetime": 5000}),
        config(LAN, **{"option-data": [{"name": "routers", "data": "192.168.1.1"}]}),
        config({**LAN, "subnet": "192.168.0.0/16"}),
        config({key: value for key, value in LAN.items() if key != "id"}),
        config(LAN, LAN),
        config({**LAN, "reservations": [{"ip-address": "192.168.1.10"}]}),
    ],
    ids=["a global", "global options", "another prefix", "no id", "an id twice", "a reservation without a client"],
)
def test_commands_cannot_do_everything(new: dict):
    assert _live_changes.steps(config(LAN), new) is None
    assert _live_changes.obstacle(config(LAN), new)


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (config(LAN, **{"valid-lifetime": 5000}), "valid-lifetime changes, which is not in a subnet of subnet4"),
        (
            config(LAN, **{"valid-lifetime": 5000, "hooks-libraries": []}),
            "valid-lifetime, hooks-libraries change, which is not in a subnet of subnet4",
        ),
        (config({**LAN, "subnet": "192.168.0.0/16"}), "the prefix of the subnet with the id 1 changes"),
        (config({**LAN, "reservations": [{"ip-address": "192.168.1.10"}]}), "a reservation no identifier"),
    ],
)
def test_what_commands_cannot_do_is_named(new: dict, words: str):
    assert words in _live_changes.obstacle(config(LAN), new)


def test_too_many_steps_are_none():
    many = [
        {"hw-address": f"1a:1b:1c:1d:{n // 256:02x}:{n % 256:02x}", "ip-address": f"10.0.{n // 256}.{n % 256}"}
        for n in range(1, _live_changes.MOST_STEPS + 1)
    ]
    net = {"id": 3, "subnet": "10.0.0.0/16", "reservations": many}
    assert len(_live_changes.steps(config({**net, "reservations": []}), config(net))) == _live_changes.MOST_STEPS
    assert _live_changes.steps(config(LAN), config(LAN, net)) is None
    assert "it takes 2001 commands, and more than 2000" in _live_changes.obstacle(config(LAN), config(LAN, net))


@st.composite
def some_subnets(draw) -> list[dict]:
    found = []
    for number in draw(st.sets(st.integers(1, 4))):
        clients = draw(st.sets(st.integers(1, 5), max_size=4))
        addresses = draw(st.permutations(range(10, 16)))
        reservations = [
            {
                ("hw-address" if client % 2 else "client-id"): f"1a:1b:1c:1d:1e:{client:02x}",
                "ip-address": f"10.{number}.0.{address}",
                "hostname": draw(st.sampled_from(["a", "b"])),
            }
            for client, address in zip(sorted(clients), addresses)
        ]
        pool = draw(st.sampled_from(["100-110", "120-130"]))
        found.append(
            {
                "id": number,
                "subnet": f"10.{number}.0.0/24",
                "pools": [{"pool": pool}],
                "reservations": sorted(reservations, key=str),
            }
        )
    return found


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(some_subnets(), some_subnets(), st.integers(0, 20))
def test_the_commands_lead_there_and_back_from_any_point(old: list, new: list, point: int):
    server = Subnets(old)
    steps = _live_changes.steps(config(*old), config(*new))
    for step in steps:
        server.take(step.do)
    assert server.state() == Subnets(new).state()
    for step in reversed(steps):
        server.take(step.undo)
    assert server.state() == Subnets(old).state()
    # Interrupted half-way, what was done is taken back.
    for step in steps[:point]:
        server.take(step.do)
    for step in reversed(steps[:point]):
        server.take(step.undo)
    assert server.state() == Subnets(old).state()


RUNNING = {
    **LAN,
    "valid-lifetime": 4000,
    "interface": "enp0s8",
    "option-data": [{"name": "routers", "code": 3, "data": "192.168.1.1", "space": "dhcp4"}],
    "pools": [{"pool": "192.168.1.100-192.168.1.199", "option-data": []}],
    "reservations": [{**PHONE, "client-id": "01112233445566", "boot-file-name": ""}, {**PRINTER, "hostname": ""}],
}


def test_kea_writes_the_same_in_another_way():
    assert _live_changes.unlike({"subnet4": [RUNNING]}, config(LAN)["Dhcp4"]) == []


def test_options_without_a_name_or_a_text():
    def told(code, name, data, **more):
        return {"code": code, "name": name, "data": data, "space": "dhcp4", "always-send": False, **more}

    here = [{"code": 3, "data": "192.168.1.1"}, {"name": "boot-file-name", "data": "0x7078:65", "csv-format": False}]
    there = [told(67, "boot-file-name", "707865", **{"csv-format": False}), told(3, "routers", "192.168.1.1")]
    pool = {"pool": "192.168.1.100-192.168.1.199", "option-data": [{"code": 42, "data": "192.168.1.1"}]}
    pools = [{**pool, "option-data": [told(42, "ntp-servers", "192.168.1.1")]}]
    wanted = config({**LAN, "option-data": here, "pools": [pool]})["Dhcp4"]
    assert _live_changes.unlike({"subnet4": [{**RUNNING, "option-data": there, "pools": pools}]}, wanted) == []
    (line,) = _live_changes.unlike({"subnet4": [{**RUNNING, "option-data": there[:1], "pools": pools}]}, wanted)
    assert "option-data[3]: only on the file" in line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pools": []}, "pools[192.168.1.100-192.168.1.199]: only on the file"),
        ({"reservations": [PRINTER]}, "client-id 01112233445566]: only on the file"),
        ({"option-data": [{"name": "routers", "data": "192.168.1.2"}]}, "192.168.1.1 on the file, 192.168.1.2 on the"),
        ({"id": 2}, "subnet4[192.168.1.0/24].id: 1 on the file, 2 on the server"),
    ],
)
def test_what_a_server_does_not_run_is_named(change: dict, words: str):
    (line,) = _live_changes.unlike({"subnet4": [{**RUNNING, **change}]}, config(LAN)["Dhcp4"])
    assert words in line
