# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expressions of classes: we can read exactly those that the real Kea can."""

from __future__ import annotations

import json
import os
import re

from ansible_collections.keaops.kea.plugins.module_utils._expressions import unreadable
from ansible_collections.keaops.kea.plugins.module_utils._options import vocabulary
from generator import DICE, Dice, series, several
from rendering import kea_check

EXAMPLES = min(300, int(os.environ.get("KEAOPS_EXAMPLES", "1000")))
DEFINITIONS = [{"name": "room", "code": 224, "type": "string"}]
CLASSES = [{"name": "first"}, {"name": "second class", "test": "member('first')"}]
# Whatever is hard to get at by chance.
ALWAYS = (
    *("", " ", "member('KNOWN')", "member('nosuch')", "member('HA_server1')", "member('VENDOR_CLASS_x')", "'a'", "not"),
    *("option[60].hex = 'a'", "option[60].hex != 'a'", 'option[60].hex == "a"', "option[60] == 'a'", "true", "1 == 1"),
    *(
        "option[vendor-class-identifier].text == 'x'",
        "option[nosuch].exists",
        "option[room].exists",
        "option[ 60 ].exists",
    ),
    *("option[256].exists", "option[0].exists", "option[255].exists", "option[-1].exists", "relay4[1].hex == 0x0102"),
    *("relay4[circuit-id].exists", "pkt4.mac == 0x010203040506", "pkt4.chaddr == 'a'", "pkt.iface == 'eth0'"),
    *(
        "substring(option[60].hex, 0, 4) == 'PUMP'",
        "substring(option[60].hex, 0, all) == 'a'",
        "substring('a', a, 1) == 'a'",
    ),
    *(
        "split(pkt.iface, '.', 1) == 'a'",
        "concat('a', 'b') == 'ab'",
        "'a' + 'b' == 'ab'",
        "('a' == 'a')",
        "(('a') == 'a')",
    ),
    *("('a' + 'b') == 'ab'", "not ('a' == 'b') and 'a' == 'a' or member('ALL')", "ifelse('a' == 'b', 'c', 'd') == 'c'"),
    *("hexstring(pkt4.mac, ':') == '01:02'", "addrtotext(10.0.0.1) == '10.0.0.1'", "uint32totext(0x01020304) == '1'"),
    *(
        "pkt4.giaddr == 10.0.0.1",
        "pkt4.giaddr == 10.0.0.256",
        "pkt4.giaddr == 2001:db8::1",
        "pkt4.giaddr == ::",
        "0x == 'a'",
    ),
    *(
        "vendor.enterprise == 4491",
        "vendor[4491].exists",
        "vendor[*].option[1].exists",
        "vendor[4491].option[1].hex == 'a'",
    ),
    *(
        "vendor-class.enterprise == 1",
        "vendor-class[4491].data == 'a'",
        "vendor-class[*].data[3] == 'a'",
        "vendor[1] == 'a'",
    ),
    *(
        "option[43].option[1].hex == 'a'",
        "option[43].option[x].hex == 'a'",
        "relay4[1].option[2].exists",
        "'\u00e4' == 'a'",
    ),
    *("lcase('A') == 'a'", "ucase('a') == 'A'", "match('a.*', 'abc')", "'a' == 'a' sand 'b' == 'b'", "'a' == 'a' and"),
    *("4294967295 == 1", "4294967296 == 1", "substring('a', -1, 1) == 'a'", "substring('a', 0, 99999999999) == 'a'"),
    *(
        "relay6[0].option[1].exists",
        "pkt6.msgtype == 1",
        "'a' == 'a'\n and 'b' == 'b'",
        "'a\n' == 'a'",
        "option[60].hex == 'a' #",
    ),
    *(
        "VENDOR.enterprise == 1",
        "Option[60].exists",
        "not not member('ALL')",
        "not(member('ALL'))",
        "member(ALL)",
        "((",
        "))",
    ),
)


def condition(dice: Dice, depth: int) -> str:
    """Return a condition."""
    choice = dice.number(0, 9 if depth else 4)
    if choice <= 2:
        return f"{string(dice, depth)} == {string(dice, depth)}"
    if choice == 3:
        return dice.of(["option[60].exists", "relay4[1].exists", "vendor[4491].exists", "option[43].option[2].exists"])
    if choice == 4:
        return f"member('{dice.of(['ALL', 'first', 'second class', 'HA_a'])}')"
    if choice <= 6:
        return f"{condition(dice, depth - 1)} {dice.of(['and', 'or'])} {condition(dice, depth - 1)}"
    return dice.of(["not {}", "({})"]).format(condition(dice, depth - 1))


def string(dice: Dice, depth: int) -> str:
    """Return a string."""
    if not depth or dice.coin():
        plain = ["'a b'", "''", "0x0a", "0Xff", "12", "10.0.0.1", "option[60].hex", "option[room].text", "pkt4.mac"]
        return dice.of([*plain, "relay4[2].hex", "pkt.len", "vendor.enterprise", "option[43].option[1].hex"])
    inner = string(dice, depth - 1)
    forms = [
        "substring({}, 0, 4)",
        "substring({}, -2, all)",
        "split({}, '.', 2)",
        "concat({}, 'x')",
        "{} + 'x'",
        "({})",
    ]
    forms += ["hexstring({}, ':')", "uint8totext({})", "lcase({})"]
    return dice.of([*forms, "ifelse(member('ALL'), {}, 'b')"]).format(inner)


def spoilt(dice: Dice, text: str) -> str:
    """Return an expression with a token left out, doubled, or put in another's place."""
    tokens = re.findall(r"'[^']*'|\w+|==|\s+|.", text)
    at = dice.number(0, len(tokens) - 1)
    action = dice.of(["leave out", "double", "replace", "swap"])
    if action == "leave out":
        del tokens[at]
    elif action == "double":
        tokens.insert(at, tokens[at])
    elif action == "replace":
        tokens[at] = dice.of(
            ["(", ")", "[", "]", ".", ",", "==", "'x'", "60", "option", "and", "hex", "all", "x", "=", "+"]
        )
    else:
        tokens[at - 1], tokens[at] = tokens[at], tokens[at - 1]
    return "".join(tokens)


def expression(dice: Dice) -> str:
    """Return an expression, good or bad."""
    text = condition(dice, dice.number(0, 3))
    return text if dice.coin() else spoilt(dice, text)


def trial(text: str):
    """Return what asks Kea whether it can read an expression."""
    body = {
        "interfaces-config": {"interfaces": ["eth0"]},
        "lease-database": {"type": "memfile"},
        "option-def": DEFINITIONS,
        "client-classes": [*CLASSES, {"name": "it", "test": text}],
    }
    return kea_check.Trial({"kea-dhcp4": json.dumps({"Dhcp4": body}, ensure_ascii=False)})


def test_we_read_what_kea_reads(kea):
    texts = list(dict.fromkeys([*ALWAYS, *several(DICE.map(expression), EXAMPLES, 1)]))
    questions = [(one, [trial(text) for text in texts]) for one in kea]
    names = [entry["name"] for entry in CLASSES]
    wrong, readable = [], 0
    for (one, _trials), verdicts in zip(questions, kea_check.ask_each(questions)):
        words, _troubles = vocabulary(DEFINITIONS, ".".join(map(str, series(one.version))))
        for text, verdict in zip(texts, verdicts):
            ours = unreadable(text, words, names)
            readable += ours is None
            if (ours is None) != verdict.passed:
                wrong.append(f"Kea {one.version}: {text!r}: we say {ours}, Kea says {verdict.words[-150:] or 'yes'}")
    assert not wrong, "\n".join(wrong[:20])
    assert 0.2 < readable / (len(texts) * len(questions)) < 0.8
