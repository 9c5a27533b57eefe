# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea's JSON: standard JSON plus comments (``//``, ``#``, ``/* */``) and trailing commas.

Private to this collection. Comments and trailing commas are overwritten with blanks of the same length and the rest is
left to the standard parser: fast on large files, and every error position is the one in the original text.
"""

from __future__ import annotations

import json
import re

# A string is matched first, so that comment marks and commas inside one are never touched. The closing quote is
# optional: an unterminated string is kept up to the end of its line, for the JSON parser to report.
_STRING = r'"(?:[^"\\\n]|\\.)*"?'
_STRING_OR_COMMENT = re.compile(_STRING + r"|//[^\n]*|#[^\n]*|/\*.*?\*/|/\*|<\?include\b", re.DOTALL)
_STRING_OR_LAST_COMMA = re.compile(_STRING + r"|,(?=[ \t\r\n]*[}\]])", re.DOTALL)
_NOT_NEWLINE = re.compile(r"[^\n]")
_BLANK = " \t\r\n"


class JsoncError(ValueError):
    """The text is not Kea JSON.

    Attributes:
        reason (str): what is wrong.
        line (int): line, from 1.
        column (int): column, from 1.
    """

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {reason}")
        self.reason = reason
        self.line = line
        self.column = column


def _error_at(text: str, position: int, reason: str) -> JsoncError:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return JsoncError(reason, line, column)


def strip(text: str) -> str:
    """Return plain JSON of the same length and the same lines as *text*.

    Raises:
        JsoncError: a comment is not closed, or the text includes another file.
    """

    def blank_comment(match):
        token = match.group(0)
        if token[0] == '"':
            return token
        if token == "/*":
            raise _error_at(text, match.start(), "the comment that starts here is never closed with */")
        if token.startswith("<?"):
            raise _error_at(text, match.start(), "<?include ...?> is not supported; write the included text here")
        return _NOT_NEWLINE.sub(" ", token)

    plain = _STRING_OR_COMMENT.sub(blank_comment, text)

    def blank_comma(match):
        token = match.group(0)
        if token[0] == '"':
            return token
        before = match.start() - 1
        while before >= 0 and plain[before] in _BLANK:
            before -= 1
        # "[,]" and "[1,,]" stay as they are: a comma may only follow a value.
        if before < 0 or plain[before] in "[{,:":
            return token
        return " "

    return _STRING_OR_LAST_COMMA.sub(blank_comma, plain)


def loads(text: str):
    """Parse Kea's JSON.

    Args:
        text: the text of a configuration file or of a reply.

    Returns:
        The value: dict, list, str, int, float, bool or None. Keys keep their order.

    Raises:
        JsoncError: with the line and the column of the mistake.
    """

    def refuse_constant(name):
        raise JsoncError(f"{name} is not a JSON number", *_find_constant(plain, name))

    plain = strip(text)
    try:
        return json.loads(plain, parse_constant=refuse_constant)
    except json.JSONDecodeError as exc:
        raise JsoncError(exc.msg, exc.lineno, exc.colno) from None
    except RecursionError:
        raise JsoncError("the nesting of lists and maps is too deep", 1, 1) from None


def _find_constant(plain: str, name: str):
    for match in re.finditer(_STRING + "|" + re.escape(name), plain):
        if match.group(0) == name:
            error = _error_at(plain, match.start(), "")
            return error.line, error.column
    return 1, 1


def dumps(obj) -> str:
    """Return *obj* as JSON text: 2-space indent, keys in the given order, one newline at the end.

    Characters outside ASCII are written as they are, because Kea reads ``\\uXXXX`` only up to ``\\u00ff``.

    Raises:
        TypeError, ValueError: *obj* holds something JSON cannot express (NaN included).
    """
    return json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
