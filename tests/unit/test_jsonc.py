# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea's JSON with comments."""

from __future__ import annotations

import json
import time

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _jsonc
from hypothesis import given
from hypothesis import strategies as st


def test_all_comment_forms_and_trailing_commas():
    text = """// head
{ # hash
  "a": [1, 2, /* inner, ] */ ],   // tail
  "b": {"c": true, },
  /* two
     lines */
  "d": null,
}
"""
    assert _jsonc.loads(text) == {"a": [1, 2], "b": {"c": True}, "d": None}


@pytest.mark.parametrize(
    "value",
    [
        "http://192.168.1.2:8000/",
        "# no comment",
        "/* no comment */",
        'quote \\" // still inside',
        "a,] b,}",
        "back\\\\",
    ],
)
def test_comment_marks_inside_strings_are_kept(value):
    text = f'{{"url": "{value}", }} // end'
    assert _jsonc.loads(text) == json.loads(f'{{"url": "{value}"}}')


@pytest.mark.parametrize(
    "text, line, column, words",
    [
        ('{\n  "a": 1\n  "b": 2\n}', 3, 3, "delimiter"),
        ('// one\n/* two\n   three */ {"a": }', 3, 19, "Expecting value"),
        ('{"a": 1 /* open\n}', 1, 9, "never closed"),
        ("[,]", 1, 2, "Expecting value"),
        ("[1,,]", 1, 4, "Expecting value"),
        ("{,}", 1, 2, "Expecting property name"),
        ('{"a":,}', 1, 6, "Expecting value"),
        ('{"a": "http://x\n}', 1, 16, "nterminated|control character"),
        ('{"a": NaN}', 1, 7, "NaN is not a JSON number"),
        ('{"NaN": "NaN",\n "b": -Infinity}', 2, 7, "-Infinity is not"),
        ('{ <?include "/etc/kea/x.json"?> }', 1, 3, "include"),
        ("", 1, 1, "Expecting value"),
        ('{"a": 1} {"b": 2}', 1, 10, "Extra data"),
    ],
)
def test_errors_name_line_and_column(text, line, column, words):
    with pytest.raises(_jsonc.JsoncError, match=words) as caught:
        _jsonc.loads(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).startswith(f"line {line}, column {column}: ")


def test_deep_nesting_is_an_error_not_a_crash():
    with pytest.raises(_jsonc.JsoncError, match="nesting"):
        _jsonc.loads("[" * 200000)


def test_dumps_keeps_order_and_round_trips():
    value = {"z": 1, "a": {"m": [1, {"k": "ü"}], "b": []}, "e": {}}
    text = _jsonc.dumps(value)
    assert text == (
        '{\n  "z": 1,\n  "a": {\n    "m": [\n      1,\n      {\n        "k": "ü"\n      }\n'
        '    ],\n    "b": []\n  },\n  "e": {}\n}\n'
    )
    assert list(_jsonc.loads(text)) == ["z", "a", "e"]
    with pytest.raises(ValueError):
        _jsonc.dumps({"a": float("nan")})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(_JSON)
def test_any_json_survives_comments_and_trailing_commas(value):
    text = _jsonc.dumps(value)
    assert _jsonc.loads(text) == value
    # A comment at the end of each line, and a comma after the last element of each list and map that spans lines.
    noisy = "\n".join(line + (' // "x", ] #' if '"' not in line else "") for line in text.split("\n"))
    assert _jsonc.loads(noisy) == value


def test_large_file_is_fast():
    text = _jsonc.dumps(
        {"reservations": [{"hw-address": "00:00:00:00:00:%02x" % (i % 256), "id": i} for i in range(20000)]}
    )
    start = time.perf_counter()
    json.loads(text)
    plain = time.perf_counter() - start
    start = time.perf_counter()
    _jsonc.loads(text)
    assert time.perf_counter() - start < max(plain * 40, 2)
