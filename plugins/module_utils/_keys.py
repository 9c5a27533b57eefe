# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of Kea's configuration that users may write: where, in which series of Kea, and with values of which type.

Keys that the collection writes itself are not here: the model reads them or refuses them (V08).
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any, Callable, Iterator, NamedTuple, Sequence

from ._options import ipv4_number

# ``name``: known in every series; ``name@2.4``: since 2.4; ``name!2.4``: up to 2.4.
_NETWORK = (
    "adaptive-lease-time-threshold@3.2 allocator@2.4 authoritative boot-file-name cache-max-age cache-threshold"
    " calculate-tee-times comment ddns-use-conflict-resolution match-client-id max-valid-lifetime min-valid-lifetime"
    " next-server offer-lifetime@2.4 reservation-mode!2.4 reservations-global reservations-in-subnet"
    " reservations-out-of-pool server-hostname store-extended-info t1-percent t2-percent user-context"
)
_DDNS = (
    "ddns-generated-prefix ddns-override-client-update ddns-override-no-update ddns-qualifying-suffix"
    " ddns-replace-client-name ddns-send-updates ddns-update-on-renew hostname-char-replacement hostname-char-set"
)
_LATER_DDNS = "ddns-conflict-resolution-mode@{} ddns-ttl-percent@{} ddns-ttl@3.0 ddns-ttl-min@3.0 ddns-ttl-max@3.2"
_CLASSES = "client-class client-classes@3.0 evaluate-additional-classes@3.0 require-client-classes"
_PLACE = f"{_NETWORK} {_DDNS} {_LATER_DDNS.format('2.6', '2.4')} {_CLASSES} rebind-timer renew-timer valid-lifetime"
_SCOPES: dict[str, str] = {
    "Dhcp4": f"{_NETWORK} {_DDNS} {_LATER_DDNS.format('2.6', '2.4')} client-classes compatibility config-control"
    " decline-probation-period dhcp-ddns dhcp-queue-control dhcp4o6-port early-global-reservations-lookup"
    " echo-client-id hooks-libraries host-reservation-identifiers hosts-database hosts-databases interfaces-config"
    " ip-reservations-unique lease-database loggers option-def parked-packet-limit reservations"
    " reservations-lookup-first sanity-checks server-tag shared-networks stash-agent-options@2.6"
    " statistic-default-sample-age statistic-default-sample-count",
    "subnet4": f"{_PLACE} 4o6-interface 4o6-interface-id 4o6-subnet",
    "shared-networks": _PLACE,
    "pools": f"{_CLASSES} comment pool-id@2.4 user-context {_LATER_DDNS.format('3.0', '3.0')} "
    + " ".join(f"{name}@3.0" for name in _DDNS.split()),
    "reservations": "boot-file-name client-classes comment hostname next-server server-hostname user-context",
    "client-classes": "boot-file-name comment max-valid-lifetime min-valid-lifetime name next-server"
    " offer-lifetime@2.4 only-if-required only-in-additional-list@3.0 option-data option-def server-hostname"
    " template-test@2.4 test user-context valid-lifetime",
    "interfaces-config": "comment dhcp-socket-type outbound-interface re-detect service-sockets-max-retries"
    " service-sockets-require-all service-sockets-retry-wait-time user-context",
    "lease-database": "cert-file cipher-list connect-timeout host key-file lfc-interval max-reconnect-tries"
    " max-row-errors name on-fail password persist port read-timeout@2.4 readonly reconnect-wait-time"
    " retry-on-startup@2.6 ssl-mode@3.2 tcp-user-timeout@2.4 trust-anchor type user write-timeout@2.4",
    "option-def": "array code comment encapsulate name record-types space type user-context",
    "loggers": "comment debuglevel name output-options@2.6 output_options severity user-context",
    "hooks-libraries": "library parameters",
    "dhcp-ddns": "comment enable-updates max-queue-size ncr-format ncr-protocol sender-ip sender-port server-ip"
    " server-port user-context",
    "sanity-checks": "extended-info-checks@2.4 lease-checks",
    "compatibility": "exclude-first-last-24@2.4 ignore-dhcp-server-identifier@2.4 ignore-rai-link-selection@2.4"
    " lenient-option-parsing",
    "config-control": "config-databases config-fetch-wait-time",
    "output-options": "flush maxsize maxver output pattern",
    "Control-agent": "comment hooks-libraries http-headers@3.0 loggers user-context",
}

_TYPES: dict[str, str] = {
    "true or false": "authoritative calculate-tee-times ddns-override-client-update ddns-override-no-update"
    " ddns-send-updates ddns-update-on-renew ddns-use-conflict-resolution early-global-reservations-lookup"
    " echo-client-id ip-reservations-unique match-client-id only-if-required only-in-additional-list persist"
    " re-detect readonly reservations-global reservations-in-subnet reservations-lookup-first"
    " reservations-out-of-pool retry-on-startup service-sockets-require-all stash-agent-options store-extended-info"
    " array enable-updates exclude-first-last-24 flush ignore-dhcp-server-identifier ignore-rai-link-selection"
    " lenient-option-parsing",
    "a whole number": "config-fetch-wait-time max-queue-size maxsize maxver sender-port server-port"
    " cache-max-age connect-timeout ddns-ttl ddns-ttl-max ddns-ttl-min debuglevel"
    " decline-probation-period dhcp4o6-port lfc-interval max-reconnect-tries max-row-errors max-valid-lifetime"
    " min-valid-lifetime offer-lifetime parked-packet-limit pool-id port read-timeout rebind-timer"
    " reconnect-wait-time renew-timer service-sockets-max-retries service-sockets-retry-wait-time"
    " statistic-default-sample-age statistic-default-sample-count tcp-user-timeout valid-lifetime write-timeout code",
    "a number with a fraction": "adaptive-lease-time-threshold cache-threshold ddns-ttl-percent t1-percent t2-percent",
    "text": "extended-info-checks lease-checks ncr-format ncr-protocol output pattern sender-ip server-ip"
    " 4o6-interface 4o6-interface-id 4o6-subnet allocator boot-file-name cert-file cipher-list client-class"
    " comment host key-file reservation-mode ssl-mode trust-anchor"
    " ddns-conflict-resolution-mode ddns-generated-prefix ddns-qualifying-suffix ddns-replace-client-name"
    " dhcp-socket-type encapsulate hostname hostname-char-replacement hostname-char-set library name on-fail"
    " outbound-interface password record-types server-hostname server-tag severity space template-test test type user",
    "an IPv4 address": "next-server",
    "a list of texts": "evaluate-additional-classes host-reservation-identifiers require-client-classes",
    "a list of mappings": "config-databases hooks-libraries hosts-databases http-headers loggers option-def"
    " output-options output_options option-data reservations shared-networks",
    "a mapping": "compatibility config-control dhcp-ddns dhcp-queue-control hosts-database interfaces-config"
    " lease-database parameters sanity-checks user-context",
}
TYPE_OF: dict[str, str] = {name: kind for kind, names in _TYPES.items() for name in names.split()}
# At the top these are the definitions of the classes, elsewhere names of them.
_CLASS_LISTS = {"Dhcp4": "a list of mappings"}
_MOST = 4294967295

CHOICES: dict[str, tuple[str, ...]] = {
    "allocator": ("iterative", "random", "flq"),
    "ddns-conflict-resolution-mode": (
        "check-with-dhcid",
        "no-check-with-dhcid",
        "check-exists-with-dhcid",
        "no-check-without-dhcid",
    ),
    "ddns-replace-client-name": ("never", "always", "when-present", "when-not-present"),
    "dhcp-socket-type": ("raw", "udp"),
    "extended-info-checks": ("none", "fix", "strict", "pedantic"),
    "host-reservation-identifiers": ("hw-address", "client-id", "duid", "circuit-id", "flex-id"),
    "lease-checks": ("none", "warn", "fix", "fix-del", "del"),
    "ncr-format": ("JSON",),
    "ncr-protocol": ("UDP",),
    "on-fail": ("stop-retry-exit", "serve-retry-exit", "serve-retry-continue"),
    "outbound-interface": ("same-as-inbound", "use-routing"),
    "reservation-mode": ("disabled", "off", "out-of-pool", "global", "all"),
    "severity": ("NONE", "FATAL", "ERROR", "WARN", "INFO", "DEBUG"),
}
# Numbers that are bounded more closely than others.
_LIMITS = {"dhcp4o6-port": (0, 65535), "pool-id": (1, _MOST)}
# When clients renew and rebind, in parts of the lease, if nothing is said.
_T1, _T2 = 0.5, 0.875
# In bytes: the fields of a DHCP message have no more room.
_LONGEST = {"boot-file-name": 127, "server-hostname": 63}
_CASELESS = ("ddns-replace-client-name", "severity")
# What a map cannot be without.
_REQUIRED = {"client-classes": "name", "dhcp-ddns": "enable-updates"}
_REQUIRED_EXAMPLES = {"client-classes": "name: phones", "dhcp-ddns": "enable-updates: false"}
# What Kea does not read when there is nothing in it.
_NOT_EMPTY = (
    "a mapping",
    "client-classes",
    "host-reservation-identifiers",
    "loggers",
    "output-options",
)
_MAY_BE_EMPTY = ("interfaces-config", "lease-database", "parameters", "user-context")
# Of each two Kea takes one.
_RIVALS = (
    ("client-class", "client-classes"),
    ("require-client-classes", "evaluate-additional-classes"),
    ("test", "template-test"),
)


class Known(NamedTuple):
    """In which series a key is known; empty text: without a limit."""

    since: str
    until: str


def _parse(names: str) -> dict[str, Known]:
    found = {}
    for item in names.split():
        name, _at, since = item.partition("@")
        name, _mark, until = name.partition("!")
        found[name] = Known(since, until)
    return found


KEYS: dict[str, dict[str, Known]] = {scope: _parse(names) for scope, names in _SCOPES.items()}


class Trouble(NamedTuple):
    """What is wrong with one key."""

    key: str
    message: str
    fix: str


_IS: dict[str, Callable[[Any], bool]] = {
    "true or false": lambda value: isinstance(value, bool),
    "a whole number": lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST,
    "a number with a fraction": lambda value: isinstance(value, float) and 0 < value < 1,
    "text": lambda value: isinstance(value, str),
    "an IPv4 address": lambda value: ipv4_number(value) is not None,
    "a list of texts": lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
    "a list of mappings": lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value),
    "a mapping": lambda value: isinstance(value, dict),
}
_EXAMPLES: dict[str, str] = {
    "true or false": "true, without quotes",
    "a whole number": "3600, without quotes",
    "a number with a fraction": "one between 0 and 1, such as 0.5, without quotes",
    "text": '"text", in quotes',
    "an IPv4 address": "192.168.1.5",
    "a list of texts": '["text"]',
    "a list of mappings": "a list, each entry beginning with a dash",
    "a mapping": "its keys below it, indented",
}


def troubles(scope: str, body: dict[str, Any], series: Sequence[str]) -> Iterator[Trouble]:
    """Yield what is wrong with the keys of one map, but not with maps inside it.

    Args:
        scope: Kea's name for the map, as in ``KEYS``.
        series: the series of Kea that are to read it, such as ``["2.6"]``.
    """
    known = KEYS[scope]
    required = _REQUIRED.get(scope)
    if required and not body.get(required) and body.get(required) is not False:
        yield Trouble(required, f"Kea wants {required} here", f"Write for example {_REQUIRED_EXAMPLES[scope]}")
    early, late = (body.get(f"t{number}-percent", default) for number, default in ((1, _T1), (2, _T2)))
    if isinstance(early, float) and isinstance(late, float) and early >= late:
        key = "t1-percent" if "t1-percent" in body else "t2-percent"
        yield Trouble(
            key, f"clients would rebind, at {late}, before they renew, at {early}", "Write t1 smaller than t2"
        )
    for first, second in _RIVALS:
        if first in body and second in body:
            yield Trouble(first, f"Kea takes either this or {second}, not both", f"Keep {second}")
    for key, value in body.items():
        if key not in known:
            yield _unknown(scope, key)
            continue
        since, until = known[key]
        for one in series:
            if _order(one) < _order(since) or (until and _order(one) > _order(until)):
                when = f"it came with {since}" if since else f"it went after {until}"
                yield Trouble(key, f"Kea {one} knows no such key here; {when}", "Remove it")
                break
        else:
            yield from _value(scope, key, value)


def _order(series: str) -> tuple[int, ...]:
    return tuple(int(part) for part in series.split(".")) if series else ()


def _unknown(scope: str, key: str) -> Trouble:
    near = get_close_matches(str(key).replace("_", "-").lower(), KEYS[scope], n=1, cutoff=0.75)
    elsewhere = next((other for other in KEYS if key in KEYS[other]), None)
    hint = f"Did you mean {near[0]}?" if near else f"It belongs into {elsewhere}" if elsewhere else "Remove it"
    return Trouble(key, "Kea knows no such key here, and does not start with it", hint)


def _value(scope: str, key: str, value: Any) -> Iterator[Trouble]:
    kind = TYPE_OF.get(key) or _CLASS_LISTS.get(scope, "a list of texts")
    if not _IS[kind](value):
        yield Trouble(key, f"the value must be {kind}", f"Write {_EXAMPLES[kind]}")
    elif not value and (kind in _NOT_EMPTY or key in _NOT_EMPTY) and key not in _MAY_BE_EMPTY:
        yield Trouble(key, "it is empty, which Kea does not read", "Remove it")
    elif kind == "a whole number" and not _LIMITS.get(key, (0, _MOST))[0] <= value <= _LIMITS.get(key, (0, _MOST))[1]:
        low, high = _LIMITS[key]
        yield Trouble(key, f"the value must be from {low} to {high}", f"Write for example {max(low, 1)}")
    elif len(value.encode() if isinstance(value, str) else ()) > _LONGEST.get(key, _MOST):
        yield Trouble(key, f"it is longer than {_LONGEST[key]} bytes, for which a message has room", "Shorten it")
    elif key == "hostname-char-set" and value and not _is_char_set(value):
        yield Trouble(key, "the value must be a set of letters in square brackets", "Write for example [^A-Za-z0-9.-]")
    elif key in CHOICES:
        yield from _choice(key, value if isinstance(value, list) else [value])


def _is_char_set(text: str) -> bool:
    try:
        return bool(re.compile(text)) and text[0] == "[" and text[-1] == "]"
    except re.error:
        return False


def _choice(key: str, values: list[str]) -> Iterator[Trouble]:
    """Yield what is wrong with words of which Kea knows only some; in a list each stands once."""
    known = CHOICES[key]
    for index, value in enumerate(values):
        if value not in known and not (key in _CASELESS and value.lower() in [item.lower() for item in known]):
            near = get_close_matches(value, known, n=1)
            fix = f"Did you mean {near[0]}?" if near else f"Write for example {known[0]}"
            yield Trouble(key, f"the value must be one of {', '.join(known)}", fix)
        elif value in values[:index]:
            yield Trouble(key, f"{value} is in it twice", "Keep one of them")
