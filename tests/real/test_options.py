# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option Kea knows, with every value somebody could type: what we let through, Kea accepts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from ansible_collections.keaops.kea.plugins.module_utils._options import STANDARD_OPTIONS, parse_options, vocabulary
from generator import series
from rendering import kea_check

VALUES = (
    *("0", "1", "5", "255", "256", "65535", "65536", "4294967295", "4294967296", "-1", "-2147483648", "2147483648"),
    *("0x10", "+5", "05", " 5 ", "5,6", "1.5", "1e3", "true", "false", "True", "yes", "no", "on", "", " ", ",", "\\"),
    *("192.168.1.1", "192.168.1.1,192.168.1.2", " 192.168.1.1 , 192.168.1.2 ", "192.168.1.1,", "192.168.001.001"),
    *("192.168.1", "192.168.1.256", "0.0.0.0", "255.255.255.255", "::1", "2001:db8::1", "192.168.1.0/24", "a.b"),
    *("a.b.", "a..b", ".a", ".", "a b", "*.a", "_a.b", "f\u00fc\u00df.de", "\u6f22", "a" * 63, "a" * 64, "a" * 300),
    *("a.b, c.d", ".".join(["a" * 63] * 3 + ["a" * 61]), ".".join(["a" * 63] * 3 + ["a" * 62]), "a\\,b", "a\\b"),
    *("a\nb", "a\tb", "\u00a0", 'a"b', "'a'", "'", "0A0B", "0a0b", "0A:0B", "0A 0B", "0A-0B", "ABC", "0x0A", "A"),
    *("10.0.0.0/8 - 192.0.2.1", "10.0.0.0/8-192.0.2.1, 0.0.0.0/0 - 192.0.2.1", "10.1.2.3/8 - 192.0.2.1"),
    *("10.0.0.0/33 - 192.0.2.1", "10.0.0.0 - 192.0.2.1", "true,1.2.3.4", "true, abc", "0,0,0,a.b", "1,2,3", "0,0A0B"),
    *(
        "1,1.1.1.1,1.1.1.2,a.b",
        "0,0/0",
        "8,1/4",
        "8,16/4",
        "8,1/17",
        "24,16,2001:db8::,192.0.2.1",
        "2001:db8::/32",
        "4491",
        "0,x",
    ),
)
DIGITS = (
    *("0A000001", "0A00000102", "0A:00:00:01", "0A 00 00 01", "0a", "0", "010", "0x0A000001", "", "xyz", "'abc'", "''"),
    *("0161016200", "016101620", "0161", "00", "3F", "0161016200016100", "080A0A000001", "080A0A00000100C0000201"),
    *("210A0A000001", "0000", "00000000", "01", "02", "0A:0", ":", "0A::0B", "0A,0B"),
)
DEFINITIONS = [
    {"name": "own-prefix", "code": 246, "type": "ipv6-prefix"},
    *({"name": f"own-{kind}", "code": 224 + number, "type": kind}
      for number, kind in enumerate(("string", "uint8", "int8", "int16", "binary", "ipv6-address", "fqdn", "psid"))),
    {"name": "own-list", "code": 240, "type": "uint32", "array": True},
    {"name": "own-names", "code": 241, "type": "fqdn", "array": True},
    {"name": "own-record", "code": 242, "type": "record", "record-types": "uint8, string"},
    {"name": "own-records", "code": 243, "type": "record", "record-types": "uint8, ipv4-address", "array": True},
    {"name": "own-empty", "code": 244, "type": "empty"},
    {"name": "own-tuple", "code": 245, "type": "tuple"},
    {"name": "vendor-encapsulated-options", "code": 43, "type": "string"},
]  # fmt: skip


def configuration(options: list[dict], definitions: list[dict]) -> str:
    """Return a small configuration with these options."""
    body = {
        "interfaces-config": {"interfaces": ["eth0"]},
        "lease-database": {"type": "memfile"},
        "option-def": definitions,
        "option-data": options,
        "subnet4": [{"id": 1, "subnet": "10.0.0.0/24", "pools": [{"pool": "10.0.0.10-10.0.0.20"}]}],
    }
    return json.dumps({"Dhcp4": body}, ensure_ascii=False)


def every_form(name: str) -> Iterator:
    """Yield all ways in which an inventory can give an option these values."""
    for value in VALUES:
        yield from ({name: value}, [{"name": name, "data": value}])
    for value in VALUES[::5]:
        yield {name: [value, value]}
    for digits in DIGITS:
        yield [{"name": name, "csv-format": False, "data": digits}]


def options_passed(version: str, definitions: list[dict]) -> list[list[dict]]:
    """Return what we let through, one list of options for each value and form."""
    words, troubles = vocabulary(definitions, ".".join(map(str, series(version))))
    assert troubles == []
    names = [*STANDARD_OPTIONS, *(definition["name"] for definition in definitions)]
    found = []
    for raws in zip(*(every_form(name) for name in names)):
        found.append([entry for raw in raws for entry in passed(raw, words)])  # noqa: PERF401
    return [options for options in found if options]


def culprit(version: str, words: str, options: list[dict]) -> str:
    """Return which of the options it was, in Kea's words."""
    code = int((re.findall(r"code: (\d+)", words) or ["0"])[0])
    ours = [option for option in options if option["name"] in STANDARD_OPTIONS]
    guilty = [option for option in ours if STANDARD_OPTIONS[option["name"]].code == code]
    return f"Kea {version}: {words.split(' | ')[0][-200:]}: {guilty or options[-3:]}"


def passed(raw, words) -> list[dict]:
    """Return the options of a variable, none when anything is wrong with it."""
    options, troubles = parse_options(raw, words)
    return [] if troubles else options


@pytest.mark.parametrize("definitions", [[], DEFINITIONS], ids=["standard", "own"])
def test_what_we_let_through_kea_accepts(kea, definitions):
    passed_by_us = {one.version: options_passed(one.version, definitions) for one in kea}
    questions = [
        (
            one,
            [
                kea_check.Trial({"kea-dhcp4": configuration(options, definitions)})
                for options in passed_by_us[one.version]
            ],
        )
        for one in kea
    ]
    refused = [
        (one.version, verdict.words, options)
        for (one, _trials), verdicts in zip(questions, kea_check.ask_each(questions))
        for options, verdict in zip(passed_by_us[one.version], verdicts)
        if not verdict.passed
    ]
    assert all(len(lists) > 100 for lists in passed_by_us.values())
    assert not refused, "\n".join(sorted({culprit(*item) for item in refused}))


def test_every_kea_knows_the_options_we_say_it_knows(kea):
    """And no others: a name that only a later Kea has is refused by the one we refuse it for."""
    for one in kea:
        words, _troubles = vocabulary([], ".".join(map(str, series(one.version))))
        # 00 is no value of anything, so that the name is all that Kea can mean.
        trials = {
            name: kea_check.Trial({"kea-dhcp4": configuration([{"name": name, "csv-format": False, "data": "00"}], [])})
            for name in STANDARD_OPTIONS
        }
        unknown = {
            name
            for name, verdict in zip(trials, one.ask(trials.values()))
            if "definition for the option" in verdict.words and "does not exist" in verdict.words
        }
        assert unknown == {name for name in STANDARD_OPTIONS if words.find("dhcp4", name, None) is None}, one.version
