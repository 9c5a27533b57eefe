# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expressions by which Kea puts clients into classes: whether it can read one.

A reader of Kea's grammar that yields nothing but the place where Kea would give up.
"""

from __future__ import annotations

import re
from typing import Callable, Iterator, NamedTuple, Sequence

from ._options import DHCP4, Vocabulary, ipv4_number

_SINCE = {"lcase": "2.6", "ucase": "2.6", "match": "3.0", "sand": "3.0", "sor": "3.0", "sifelse": "3.0"}
_TO_TEXT = ("addrtotext", *(f"{sign}int{bits}totext" for sign in ("", "u") for bits in (8, 16, 32)))
_PKT4 = ("mac", "hlen", "htype", "ciaddr", "giaddr", "yiaddr", "siaddr", "msgtype", "transid")
_WORDS = (
    *(
        "option",
        "relay4",
        "vendor-class",
        "vendor",
        "enterprise",
        "data",
        "text",
        "hex",
        "exists",
        "pkt",
        "pkt4",
        "not",
    ),
    *(
        "iface",
        "src",
        "dst",
        "len",
        "and",
        "or",
        "member",
        "substring",
        "split",
        "concat",
        "ifelse",
        "hexstring",
        "all",
    ),
    *(*_SINCE, *_TO_TEXT, *_PKT4),
)
# Whatever is longest is taken, as Kea's own scanner does; a name is one only before a bracket.
_TOKENS = re.compile(
    r"(?P<blank>[ \t\r\n]+)"
    r"|(?P<text>'[^'\n]*')"
    r"|(?P<hex>0[xX][0-9a-fA-F]+)"
    r"|(?P<address>[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+|[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)"
    r"|(?P<number>-?[0-9]+)"
    r"|(?P<option>[A-Za-z](?:[-_A-Za-z0-9]*[A-Za-z0-9])?(?=[ \t\r\n]*\]))"
    rf"|(?P<word>{'|'.join(sorted(_WORDS, key=len, reverse=True))})"
    r"|(?P<sign>==|[.()\[\],*+])"
    r"|(?P<odd>[a-z]+|.)",
    re.DOTALL,
)
# What Kea knows without a definition, and what its hooks and inputs make.
_CLASSES = ("ALL", "KNOWN", "UNKNOWN", "BOOTP")
_CLASS_STARTS = ("VENDOR_CLASS_", "HA_", "AFTER_", "EXTERNAL_", "SKIP_DDNS")


class Unreadable(NamedTuple):
    """Where Kea gives up, and why."""

    column: int
    """From 1."""
    message: str


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


class _Stop(Exception):
    def __init__(self, token: _Token, wanted: str) -> None:
        super().__init__(wanted)
        self.token = token
        self.wanted = wanted


def _scan(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        match = _TOKENS.match(text, at)
        assert match is not None  # the last alternative takes anything
        kind = str(match.lastgroup)
        if kind != "blank":
            yield _Token(kind, match.group(), at + 1)
        at = match.end()
    yield _Token("end", "", len(text) + 1)


class _Reader:
    """Reads one expression; each method takes what its name says, or raises ``_Stop``."""

    def __init__(self, text: str, words: Vocabulary, classes: Sequence[str]) -> None:
        self.tokens = list(_scan(text))
        self.at = 0
        self.words = words
        self.classes = classes

    # -- tokens

    @property
    def now(self) -> _Token:
        return self.tokens[self.at]

    def stop(self, wanted: str) -> None:
        raise _Stop(self.now, wanted)

    def have(self, *texts: str) -> str:
        """Take a sign or word, if it is there."""
        token = self.now
        if token.kind not in ("sign", "word") or token.text not in texts:
            return ""
        since = _SINCE.get(token.text, "")
        if not self.words.has(since):
            self.stop(f"what Kea {self.words.series} knows: {token.text} came with {since}")
        self.at += 1
        return token.text

    def need(self, *texts: str) -> str:
        found = self.have(*texts)
        if not found:
            self.stop(" or ".join(texts))
        return found

    def take(self, kind: str, wanted: str, test: Callable[[str], bool] = bool) -> str:
        token = self.now
        if token.kind != kind or not test(token.text):
            self.stop(wanted)
        self.at += 1
        return token.text

    def number(self, low: int, high: int) -> None:
        self.take("number", f"a number from {low} to {high}", lambda text: low <= int(text) <= high)

    # -- the grammar

    def whole(self, condition: bool) -> None:
        if condition:
            self.condition()
        else:
            self.string()
        if self.now.kind != "end":
            self.stop("the end" if not condition else "and, or, or the end")

    def condition(self) -> None:
        self.single()
        while self.have("and", "or", "sand", "sor"):
            self.single()

    def single(self) -> None:
        if self.have("not"):
            self.single()
        elif self.have("member"):
            self.arguments(lambda: self.take("text", "a class that is defined before", self.is_class))
        elif self.have("match"):
            self.arguments(lambda: self.take("text", "a regular expression in quotes"), self.string)
        elif not (self.now.text == "(" and self.bracketed()) and not self.existence():
            self.string()
            self.need("==")
            self.string()

    def bracketed(self) -> bool:
        """Take a condition in brackets; a string in brackets is put back."""
        before = self.at
        try:
            self.need("(")
            self.condition()
            self.need(")")
        except _Stop as stop:
            # What got further was meant.
            after, self.at = self.tokens.index(stop.token), before
            try:
                self.string()
                found = self.now.text == "=="
            except _Stop as other:
                found = self.tokens.index(other.token) > after
            self.at = before
            if found:
                return False
            raise
        return True

    def is_class(self, text: str) -> bool:
        name = text[1:-1]
        return name in self.classes or name in _CLASSES or name.startswith(_CLASS_STARTS)

    def existence(self) -> bool:
        """Take what ends with exists; anything else is put back."""
        before = self.at
        if self.now.text in ("option", "relay4", "vendor", "vendor-class") and self.now.kind == "word":
            self.chain()
            if self.have(".") and self.have("exists"):
                return True
        self.at = before
        return False

    def chain(self) -> None:
        """Take an option, of the message, the relay or a vendor, without what is wanted of it."""
        kind = self.need("option", "relay4", "vendor", "vendor-class")
        if kind.startswith("vendor"):
            if self.now.text != "[":
                return
            self.need("[")
            if not self.have("*"):
                self.number(0, 4294967295)
            self.need("]")
            if kind == "vendor-class":
                return
        else:
            self.index(kind == "option")
        while kind != "relay4" and self.now.text == "." and self.tokens[self.at + 1].text == "option":
            self.at += 2
            self.index(False)

    def index(self, by_name: bool) -> None:
        """Take the code of an option in brackets, or its name."""
        self.need("[")
        if by_name and self.now.kind == "option":
            self.take("option", "an option that Kea knows", lambda name: self.words.find(DHCP4, name, None) is not None)
        else:
            self.number(0, 255)
        self.need("]")

    def string(self) -> None:
        self.part()
        while self.have("+"):
            self.part()

    def part(self) -> None:
        token = self.now
        if token.kind in ("text", "hex"):
            self.at += 1
        elif token.kind == "address":
            self.take("address", "an address", lambda text: ":" in text or ipv4_number(text) is not None)
        elif token.kind == "number":
            self.number(0, 4294967295)
        elif self.have("("):
            self.string()
            self.need(")")
        elif token.kind == "word" and token.text in ("option", "relay4", "vendor", "vendor-class"):
            self.value_of_option(token.text)
        elif self.have("pkt"):
            self.need(".")
            self.need("iface", "src", "dst", "len")
        elif self.have("pkt4"):
            self.need(".")
            self.need(*_PKT4)
        else:
            self.call()

    def value_of_option(self, kind: str) -> None:
        start = self.at
        self.chain()
        self.need(".")
        bare = self.at == start + 2
        if kind.startswith("vendor") and bare:
            self.need("enterprise")
        elif kind == "vendor-class":
            self.need("data")
            if self.have("["):
                self.number(0, 255)
                self.need("]")
        else:
            self.need("text", "hex")

    def call(self) -> None:
        def number() -> None:
            self.number(-(1 << 63), (1 << 63) - 1)

        def all_or_number() -> None:
            if not self.have("all"):
                number()

        functions: dict[str, tuple[Callable[[], object], ...]] = {
            "substring": (self.string, number, all_or_number),
            "split": (self.string, self.string, number),
            "concat": (self.string, self.string),
            "ifelse": (self.condition, self.string, self.string),
            "sifelse": (self.condition, self.string, self.string),
            "hexstring": (self.string, self.string),
            **dict.fromkeys(("lcase", "ucase", *_TO_TEXT), (self.string,)),
        }
        name = self.have(*functions)
        if not name:
            self.stop("a value, such as option[60].hex or 'text'")
        self.arguments(*functions[name])

    def arguments(self, *each: Callable[[], object]) -> None:
        self.need("(")
        for index, take in enumerate(each):
            if index:
                self.need(",")
            take()
        self.need(")")


def unreadable(text: str, words: Vocabulary, classes: Sequence[str] = (), condition: bool = True) -> Unreadable | None:
    """Return where Kea cannot read an expression; None when it can.

    Args:
        words: the options that it knows.
        classes: those that are defined before.
        condition: it is true or false, as a ``test``; else it is a string, as a ``template-test``.
    """
    try:
        _Reader(text, words, classes).whole(condition)
    except _Stop as stop:
        if stop.token.kind == "odd":
            message = f"Kea knows no {stop.token.text} in an expression"
            hints = {
                "=": "; equal is written ==",
                "!": "; write not before the condition",
                '"': "; text has single quotes",
            }
            message += hints.get(stop.token.text, "")
        else:
            found = f"'{stop.token.text}'" if stop.token.text else "the end"
            message = f"Kea expects {stop.wanted}, and finds {found}"
        return Unreadable(stop.token.column, message)
    return None
