# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Good inventories with something in one place that nobody thought of: good still, or bad, who knows."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from generator import DICE, Inventory, inventories
from hypothesis import strategies as st

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 5, 255, 256, 65535, 65536, 4294967295, 4294967296, 10**12, 0.5, 1.5, -0.5),
    *("", " ", "no", "true", "0", "5", "-1", "1.5", "0x10", "1h", "None", "null", "{}", "a", "a b", "a,b", "a\nb"),
    *("\u00e4", "\u6f22", "\u00a0", "\\", "'", '"', "a" * 300, "/etc/passwd", "..", "*", "%", "{{ x }}"),
    *("10.0.0.1", "10.0.0.256", "10.0.0.0/24", "10.0.0.1-10.0.0.9", "10.0.0.9-10.0.0.1", "0.0.0.0", "::1", "a.b"),
    *("1a:1b:1c:1d:1e:1f", "1a-1b", "0a0b", "xyz", "eth0", "KNOWN", "ALL", "never", "random", "raw", "DEBUG"),
    *(
        [],
        {},
        [None],
        [1],
        ["a"],
        [["a"]],
        [{}],
        ["a", "a"],
        {"a": 1},
        {"a": {"b": []}},
        {"name": "a"},
        [{"name": "a"}],
    ),
)
KEYS = (
    *("pool", "pools", "id", "subnet", "interface", "relay", "option_data", "option-data", "options", "reservations"),
    *("hw_address", "client_id", "ip_address", "hostname", "duid", "comment", "user_context", "next_server"),
    *("valid_lifetime", "min_valid_lifetime", "max_valid_lifetime", "renew_timer", "rebind_timer", "allocator"),
    *("client_class", "client_classes", "require_client_classes", "authoritative", "match_client_id", "x", "", "name"),
    *("t1_percent", "t2_percent", "ddns_send_updates", "ddns_replace_client_name", "offer_lifetime", "cache_max_age"),
    *("cache_threshold", "reservation_mode", "reservations_global", "hostname_char_set", "pool_id", "metadata"),
    *("4o6_interface", "store_extended_info", "boot_file_name", "server_hostname", "data", "code", "space", "test"),
    *("always_send", "csv_format", "evaluate_additional_classes", "statistic-default-sample-age", "server-tag"),
    *(
        "lease-database",
        "hosts-database",
        "sanity-checks",
        "dhcp-ddns",
        "control-sockets",
        "compatibility",
        "allocator",
    ),
    *(
        "host-reservation-identifiers",
        "interfaces-config",
        "loggers",
        "option-def",
        "client-classes",
        "shared-networks",
    ),
)
# Where a mistake is not Kea's business: who may reach what, certificates, where things lie.
NOT_RENDERED = ("kea_version", "ansible_host")


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each place in a tree of maps and lists, as container and key."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        if key in NOT_RENDERED:
            continue
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from places(value[key])


def typos(name: str) -> list[str]:
    """Return ways to misspell a name."""
    return [name[:-1], name + "s", name.replace("_", "-"), name.replace("-", "_"), name.upper(), name[1:] + name[:1]]


@st.composite
def wild(draw: st.DrawFn, version: str) -> Inventory:
    """Draw a good inventory, and change it somewhere, somehow."""
    inventory, dice = draw(inventories(version)), draw(DICE)
    bodies = [inventory.group, *inventory.hosts.values()]
    container, key = dice.of([place for body in bodies for place in places(body)])
    actions = ["replace", "replace", "replace", "remove", "add", "nest"]
    actions += ["rename"] if isinstance(container, dict) and isinstance(key, str) else []
    actions += ["twice"] if isinstance(container, list) else []
    actions += ["text"] if isinstance(container[key], (int, float)) else []
    action = dice.of(actions)
    if action == "replace":
        container[key] = copy.deepcopy(dice.of(VALUES))
    elif action == "remove":
        del container[key]
    elif action == "rename":
        container[dice.of(typos(key))] = container.pop(key)
    elif action == "twice":
        container.append(copy.deepcopy(container[key]))
    elif action == "text":
        container[key] = str(container[key])
    elif action == "nest":
        container[key] = dice.of([[container[key]], {"value": container[key]}])
    else:
        maps = [body[name] for body in bodies for body, name in places(body) if isinstance(body[name], dict)]
        target = dice.of(maps) if maps else inventory.group
        target[dice.of(KEYS)] = copy.deepcopy(dice.of(VALUES))
    return inventory
