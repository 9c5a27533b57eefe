# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory's variables turned into a pair of servers.

Building never raises on bad input: what cannot be used becomes a finding and is left out, so that everything that is
wrong is reported at once.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Iterator, NamedTuple, Sequence

from ._dialect import (
    OFFLINE_VERSION,
    Dialect,
    DialectError,
    Platform,
    UnsupportedPlatform,
    dialect_for,
    expected_kea_version,
    offline_platform,
    platform_for,
)
from ._options import Vocabulary, addresses_of, ipv4_number, ipv4_text, parse_options, series_order, vocabulary
from ._registry import ERROR, SHORT, Finding, key_path, merge_hosts, short
from ._traps import as_yaml_read, is_date, meant_address, meant_network, meant_range, oddity, sexagesimal, tidy
from ._variables import (
    BY_NAME,
    EXPIRED_LEASES_DEFAULT,
    EXPIRED_LEASES_KEYS,
    HA_PROFILES,
    HOST,
    MULTI_THREADING_DEFAULT,
    PAIR,
    VARIABLES,
    Variable,
)

if TYPE_CHECKING:
    from ._tls import Certificates


@dataclass(frozen=True)
class RawHost:
    """What is known of one host, as it came from the inventory."""

    name: str
    vars: dict[str, Any]
    """Every kea_* variable, and CONNECTION_VARIABLES."""
    facts: dict[str, Any] | None = None
    """None when the host was not asked."""
    broken: frozenset[str] = frozenset()
    """Variables that could not be evaluated: reported already, so not missed again."""
    trouble: str = ""
    """Why the host could not be asked, in its own words."""


class Pool(NamedTuple):
    """One pool; first and last are address numbers."""

    first: int
    last: int
    text: str
    index: int
    body: dict[str, Any]

    @property
    def path(self) -> str:
        """Where the pool stands within its subnet."""
        return f".pools[{self.index}]"


class Reservation(NamedTuple):
    """One reservation; address is a number or None."""

    kind: str
    identifier: str
    address: int | None
    index: int
    body: dict[str, Any]

    @property
    def path(self) -> str:
        """Where the reservation stands within its subnet."""
        return f".reservations[{self.index}]"


_ORDINARY = frozenset(["hw-address", "client-id", "duid", "circuit-id", "flex-id", "ip-address", "hostname"])


def is_special(entry: Reservation) -> bool:
    """Tell whether a reservation holds more than client, address and name."""
    return not entry.body.keys() <= _ORDINARY


@dataclass
class SharedNetwork:
    """Subnets on one link, out of ``kea_dhcp4_extra``."""

    path: str
    name: str
    interface: str | None
    relays: list[str]
    options: list[dict[str, Any]]
    rest: dict[str, Any]
    """Any other key of Kea's."""
    raw_subnets: int
    """How many subnets were written, good or bad."""
    subnets: list[Subnet] = field(default_factory=list)


@dataclass
class Subnet:
    """One subnet; first and last are address numbers, network and broadcast included."""

    path: str
    id: int
    text: str
    network: ipaddress.IPv4Network
    host_bits: bool
    first: int
    last: int
    interface: str | None = None
    relays: list[str] = field(default_factory=list)
    pools: list[Pool] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=list)
    reservations: list[Reservation] = field(default_factory=list)
    special: list[Reservation] = field(default_factory=list)
    """Those of the reservations that hold more than client, address and name."""
    rest: dict[str, Any] = field(default_factory=dict)
    """Any other key of Kea's."""
    routers: list[int] = field(default_factory=list)
    raw_pools: int = 0
    raw_reservations: int = 0
    """How many entries were written, good or bad: an unusable pool is not a missing one."""
    shared: SharedNetwork | None = None
    """The network that holds this subnet."""

    @property
    def relayed(self) -> bool:
        """Tell whether clients reach the server through a relay."""
        return bool(self.relays) or (self.shared is not None and bool(self.shared.relays))

    @property
    def out_of_pool(self) -> bool:
        """Tell whether the user promised that no reservation is inside a pool."""
        return self.rest.get("reservations-out-of-pool") is True


@dataclass
class Server:
    """One host of a pair."""

    host: str
    server_name: str
    role: str
    """Empty when missing or unusable."""
    address: str | None
    address_source: str
    interfaces: list[str]
    subnets: list[Subnet]
    """The same object on hosts whose variables are equal."""
    networks: list[SharedNetwork]
    """The same object on hosts that share their subnets."""
    reservations: list[Reservation]
    """Those of no subnet, out of ``kea_dhcp4_extra``; the same object on hosts that share their subnets."""
    options: list[dict[str, Any]]
    dhcp4_extra: dict[str, Any]
    ctrl_agent_extra: dict[str, Any]
    hooks_dir: str | None
    facts: dict[str, Any] | None
    trouble: str
    """Why the host could not be asked; empty when it was, or was not to be."""
    kea_version: str | None
    version_source: str
    """``installed``, ``candidate``, ``distribution``, ``variable``, ``default`` or ``unknown``."""
    dialect: Dialect | None
    platform: Platform | None
    settings: dict[str, Any]
    ssh_port: int
    reached_at: tuple[str, ...]
    """How Ansible reaches the host: ansible_host, and what else it is told of the connection."""
    broken: frozenset[str]
    """Variables that could not be evaluated: reported already."""
    certificates: Certificates | None = None
    """What is to be done about its certificates, added by who can read them; None while nobody has looked."""

    @property
    def every_subnet(self) -> list[Subnet]:
        """All subnets, those in shared networks last."""
        return [*self.subnets, *(subnet for network in self.networks for subnet in network.subnets)]

    def every_reservation(self) -> Iterator[tuple[str, list[Reservation]]]:
        """Yield (path, reservations) of each place that has some."""
        yield "kea_dhcp4_extra", self.reservations
        for subnet in self.every_subnet:
            if subnet.reservations:
                yield subnet.path, subnet.reservations

    @property
    def address_number(self) -> int | None:
        """The IPv4 address as a number."""
        return ipv4_number(self.address)

    @property
    def routers(self) -> list[int]:
        """Routers given to every subnet, as numbers."""
        return addresses_of(self.options, "routers")

    @property
    def unique_reservations(self) -> bool:
        """Tell whether an address may be reserved once only, as is Kea's default."""
        return self.dhcp4_extra.get("ip-reservations-unique", True) is not False


@dataclass(frozen=True)
class Difference:
    """A variable that should be the same on all hosts of a pair, but is not."""

    variable: str
    hosts: tuple[str, ...]
    values: tuple[Any, ...]
    secret: bool


@dataclass
class Pair:
    """Two active servers, and backups if there are any: primary first."""

    name: str
    servers: list[Server]
    settings: dict[str, Any]
    """Values of the variables that belong to the pair, defaults filled in."""
    transport: str
    """``control_agent`` or ``listener``."""
    tls: bool
    """Everything that talks to the servers is encrypted, and shows a certificate."""
    differences: list[Difference]

    @property
    def mode(self) -> str:
        """Kea's HA mode."""
        return self.settings["kea_ha_mode"]

    @property
    def api_port(self) -> int:
        """TCP port at which a server's API is reached, if it is offered at all."""
        return self.settings["kea_ha_port" if self.transport == "control_agent" else "kea_api_port"]

    @property
    def peers_authenticate(self) -> bool:
        """The dedicated listener asks for no password; the agent does."""
        return self.transport == "control_agent" and self.settings["kea_api_auth"]

    def server(self, host: str) -> Server:
        """Return the server of a host.

        Raises:
            KeyError: the host is not in the pair.
        """
        for server in self.servers:
            if server.host == host:
                return server
        raise KeyError(host)

    def partner_of(self, server: Server) -> Server | None:
        """Return the other active server; for a backup, the primary."""
        return next((other for other in self.servers if other is not server and other.role != "backup"), None)


# ---------------------------------------------------------------------------------------------------------------------
# reading scalars


def _yaml(value: Any) -> str:
    """Return a value as a user would write it in YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return f"{{{', '.join((f'{key}: {_yaml(item)}' for key, item in value.items()))}}}"
    if isinstance(value, list):
        return f"[{', '.join(_yaml(item) for item in value)}]"
    return str(value)


_TYPE_WORDS = {
    "str": "text",
    "int": "a whole number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
}


def _is_type(kind: str, value: Any) -> bool:
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return kind == "raw" or isinstance(value, {"str": str, "bool": bool, "list": list, "dict": dict}[kind])


class _Reader:
    """Reads the variables of one host and collects what is wrong with them."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.findings: list[Finding] = []

    def wrong(self, check_id: str, variable: str, value: Any, message: str, fix: str) -> None:
        """Add an error; ``value`` None leaves it out of the text. What nobody sees in a text is said, too."""
        shown = "" if value is None else short(value)
        odd = oddity(value)
        if odd:
            message = f"{message}: {odd}"
        self.findings.append(Finding(check_id, ERROR, self.host, variable, shown, message, fix))

    def not_text(self, check_id: str, variable: str, value: Any, message: str, fix: str) -> None:
        """Like ``wrong``, where text is wanted: YAML may have read what was written as something else."""
        read = "" if value is None else as_yaml_read(value)
        self.wrong(check_id, variable, value, f"{message}: {read}" if read else message, fix)

    def scalar(self, variable: Variable, value: Any) -> Any:
        """Return a usable value of a variable, or None after having said what is wrong."""
        example = f"Write for example {variable.name}: {_yaml(variable.example)}"
        shown = None if variable.secret else value
        if variable.name == "kea_version" and _is_type("int", value) or isinstance(value, float):
            # YAML reads 2.6 as a number; for a version that is harmless.
            value = str(value) if variable.name == "kea_version" else value
        if variable.type == "bool" and value in ("true", "false"):
            # What -e name=true on the command line gives.
            value = value == "true"
        if not _is_type(variable.type, value):
            message, fix = self._type_message(variable, value), self._type_fix(variable, value)
            self.wrong("V03", variable.name, shown, message, fix)
            return None
        if variable.type == "int":
            return self._in_range(variable, value, example)
        if variable.type == "str":
            return self._text(variable, value, shown, example)
        return value

    @staticmethod
    def _type_message(variable: Variable, value: Any) -> str:
        message = f"the value must be {_TYPE_WORDS[variable.type]}"
        if value is None:
            return message + ", but is empty"
        given = next((word for kind, word in _TYPE_WORDS.items() if _is_type(kind, value)), "something else")
        given = "a date" if is_date(value) else "a number with a fraction" if isinstance(value, float) else given
        message = f"{message}, but is {given}"
        # In which other ways a number may have been written would tell a secret.
        read = as_yaml_read(value) if variable.type == "str" and not variable.secret else ""
        return f"{message}: {read}" if read else message

    @staticmethod
    def _type_fix(variable: Variable, value: Any) -> str:
        if variable.type in ("int", "bool") and isinstance(value, str) and not is_date(value):
            good = _yaml(variable.example)
            return (
                f"Write it without quotes, for example {variable.name}: {good};"
                f" on the command line -e '{{\"{variable.name}\": {good}}}'"
            )
        return f"Write for example {variable.name}: {_yaml(variable.example)}"

    def _in_range(self, variable: Variable, value: int, example: str) -> int | None:
        low, high = variable.minimum, variable.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            limits = f"from {low} to {high}" if high is not None else f"{low} or more"
            unit = " " + variable.unit if variable.unit else ""
            self.wrong("V04", variable.name, value, f"the value must be {limits}{unit}", example)
            return None
        return value

    def _text(self, variable: Variable, value: str, shown: Any, example: str) -> str | None:
        if not value.strip():
            self.wrong("V04", variable.name, shown, "the value is empty", example)
        elif not variable.choices and not _may_be_secret(variable, value) and oddity(value):
            self.wrong("V31", variable.name, shown, "the value is not what it looks like", _tidied(value))
        elif variable.choices and value not in variable.choices:
            near = get_close_matches(value, variable.choices, n=1)
            self.wrong(
                "V04",
                variable.name,
                shown,
                f"the value must be one of {', '.join(variable.choices)}",
                f"Did you mean {near[0]}?" if near else example,
            )
        else:
            return value
        return None


def _read_settings(raw: RawHost, reader: _Reader) -> dict[str, Any]:
    """Return all variables of a host, defaults filled in; unusable ones have their default."""
    settings: dict[str, Any] = {}
    for variable in VARIABLES:
        settings[variable.name] = variable.default
        if variable.name not in raw.vars:
            if variable.required and variable.name not in raw.broken:
                reader.wrong(
                    "V02",
                    variable.name,
                    None,
                    "this variable is required and not set",
                    f"Set for example {variable.name}: {_yaml(variable.example)}",
                )
            continue
        value = raw.vars[variable.name]
        if value is None and variable.default is None and not variable.required:
            continue
        usable = reader.scalar(variable, value)
        if usable is not None:
            settings[variable.name] = usable
    for name, value in HA_PROFILES[settings["kea_ha_profile"]].items():
        if settings[name] is None:
            settings[name] = value
    return settings


_SECRET_NAME = re.compile("pass|secret|token|key|auth")


def _check_names(raw: RawHost, reader: _Reader) -> None:
    for name in sorted(raw.vars):
        if name.startswith("kea_") and name not in BY_NAME:
            near = get_close_matches(name, BY_NAME, n=1)
            fix = f"Did you mean {near[0]}?" if near else "Names of your own must not start with kea_"
            # A misspelt secret is a secret.
            shown = None if _SECRET_NAME.search(name) else raw.vars[name]
            reader.wrong("V01", name, shown, "no such variable", fix)


# ---------------------------------------------------------------------------------------------------------------------
# reading what belongs to a host


def _ip_or_none(value: Any) -> str | None:
    try:
        return str(ipaddress.ip_address(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _read_address(raw: RawHost, settings: dict[str, Any], reader: _Reader) -> tuple[str | None, str]:
    """Return the address of a host and where it came from."""
    given = settings["kea_ha_address"]
    if given is not None:
        address = _ip_or_none(given)
        if address is None:
            meant = meant_address(given) or BY_NAME["kea_ha_address"].example
            message = "not an IP address, and Kea accepts no names here"
            reader.wrong("P06", "kea_ha_address", given, message, f"Write the address alone: kea_ha_address: {meant}")
        return address, "kea_ha_address"
    address = _ip_or_none(raw.vars.get("ansible_host"))
    if address is not None:
        return address, "ansible_host"
    address = _ip_or_none((raw.facts or {}).get("default_ipv4"))
    if address is not None:
        return address, "the default IPv4 address of the host"
    if not {"kea_ha_address", "ansible_host"} & raw.broken and raw.vars.get("kea_ha_address") is None:
        reader.wrong(
            "P06",
            "kea_ha_address",
            None,
            f"no address is known at which the partner can reach {raw.name}: ansible_host is not an IP address",
            "Set for example kea_ha_address: 192.168.1.2",
        )
    return None, "nowhere"


# What tells two machines with the same ansible_host apart.
CONNECTION_VARIABLES = ("ansible_host", "ansible_port", "ansible_connection", "ansible_ssh_common_args")


def _ssh_port(raw: RawHost) -> int:
    """Return the TCP port at which Ansible reaches a host."""
    given = raw.vars.get("ansible_port")
    return int(given) if str(given).isdigit() else 22


def _read_interfaces(settings: dict[str, Any], reader: _Reader) -> list[str]:
    names: list[str] = []
    example = "Write for example kea_interfaces: [eth0]"
    given = settings["kea_interfaces"]
    if given == []:
        reader.wrong("V04", "kea_interfaces", [], "the list is empty", example)
    for index, name in enumerate(given or []):
        path = f"kea_interfaces[{index}]"
        trouble = _interface_trouble(name)
        if trouble:
            reader.not_text("V03", path, name, trouble, example)
        elif name in names:
            reader.wrong("V04", path, name, "the interface is listed twice", "Remove one of them")
        else:
            names.append(name)
    return names


_LONGEST_INTERFACE = 15


def _interface_trouble(name: Any) -> str:
    """Return why a text names no interface of Linux; Kea lets one be narrowed to an address of its own."""
    if not isinstance(name, str) or not re.match(r"^[!-~]+$", name):
        return "not the name of an interface"
    device, slash, address = name.partition("/")
    if slash and ipv4_number(address) is None:
        return "after the / comes the one address of the interface on which clients are served"
    if ":" in device or "," in device:
        return (
            "not the name of an interface; an address of it is written eth0/192.168.1.2, a second one is a second entry"
        )
    return f"the name has more than {_LONGEST_INTERFACE} characters" if len(device) > _LONGEST_INTERFACE else ""


def _read_version(raw: RawHost, settings: dict[str, Any], reader: _Reader) -> tuple[str | None, str, Dialect | None]:
    """Return the version to write for, where it came from, and its dialect. What the host has beats any variable."""
    facts = raw.facts
    choices: list[tuple[str | None, str]] = []
    if facts is not None:
        kea = facts.get("kea") or {}
        choices += [(kea.get("version"), "installed"), (kea.get("candidate"), "candidate")]
        expected = expected_kea_version(str(facts.get("os_id", "")), str(facts.get("os_version", "")))
        choices += [(expected, "distribution")]
    choices.append((settings["kea_version"], "variable"))
    if facts is None:
        choices.append((OFFLINE_VERSION, "default"))
    version, source = next(((str(item), origin) for item, origin in choices if item), (None, "unknown"))
    if version is None:
        return None, source, None
    try:
        dialect = dialect_for(version)
    except DialectError as error:
        variable = "kea_version" if source == "variable" else ""
        fix = (
            f"Write for example kea_version: {OFFLINE_VERSION}"
            if variable
            else "Install a supported version on the host"
        )
        reader.wrong("V09", variable, version if variable else None, str(error), fix)
        return version, source, None
    return dialect.version, source, dialect


def _read_platform(raw: RawHost, reader: _Reader) -> Platform | None:
    facts = raw.facts
    if facts is None:
        return offline_platform()
    try:
        return platform_for(
            str(facts.get("os_id") or ""),
            facts.get("os_like") or [],
            str(facts.get("os_version") or ""),
            str(facts.get("architecture") or ""),
        )
    except UnsupportedPlatform as error:
        reader.wrong("V10", "", None, str(error), f"Use one of these for {raw.name}")
        return None


_OWNED_DHCP4 = {
    "control-socket": "",
    "control-sockets": "",
    "multi-threading": "kea_multi_threading",
    "subnet4": "kea_subnets",
    "valid-lifetime": "kea_valid_lifetime",
    "renew-timer": "kea_renew_timer",
    "rebind-timer": "kea_rebind_timer",
    "expired-leases-processing": "kea_expired_leases_processing",
    "option-data": "kea_option_data",
}
_OWNED_AGENT = {
    "http-host": "kea_ha_address",
    "http-port": "kea_ha_port",
    "control-sockets": "",
    "authentication": "kea_api_auth",
    "trust-anchor": "kea_tls_trust_anchor",
    "cert-file": "kea_tls_cert_file",
    "key-file": "kea_tls_key_file",
    "cert-required": "kea_tls_enabled",
}
# What happens to those who try all the same.
_BECAUSE = {
    "multi-threading": "threads in server and HA hook go together, else Kea opens no listener and says nothing of it",
}


def _owned(reader: _Reader, path: str, key: str, instead: str) -> None:
    because = f": {_BECAUSE[key]}" if key in _BECAUSE else ""
    reader.wrong(
        "V08",
        path,
        None,
        f"{key} belongs to the collection{because}",
        f"Use {instead} instead" if instead else "Remove it; the collection sets it",
    )


def _read_extra(
    name: str, wrapper: str, owned: dict[str, str], settings: dict[str, Any], reader: _Reader
) -> dict[str, Any]:
    """Return raw Kea keys without those the collection owns."""
    extra: dict[str, Any] = {}
    for key, value in settings[name].items():
        path = f"{name}.{key}"
        if key == wrapper:
            reader.wrong("V08", path, None, f"the keys stand directly in {name}", f"Remove the line {wrapper}:")
        elif str(key).replace("_", "-") in owned:
            name_of = str(key).replace("_", "-")
            _owned(reader, path, name_of, owned[name_of])
        elif key == "interfaces-config" and isinstance(value, dict) and "interfaces" in value:
            _owned(reader, path + ".interfaces", "interfaces", "kea_interfaces")
        elif key in ("hooks-libraries", "loggers"):
            extra[key] = _read_extra_list(path, key, value, reader)
        else:
            extra[str(key)] = value
    _check_texts(reader, name, extra)
    return extra


def _read_extra_list(path: str, key: str, value: Any, reader: _Reader) -> list[dict[str, Any]]:
    wanted = "library" if key == "hooks-libraries" else "name"
    example = {"library": "{library: libdhcp_stat_cmds.so}", "name": "{name: kea-dhcp4.leases, severity: DEBUG}"}[
        wanted
    ]
    entries = []
    for index, entry in enumerate(value if isinstance(value, list) else [value]):
        where = f"{path}[{index}]"
        if not isinstance(entry, dict) or not isinstance(entry.get(wanted), str):
            reader.wrong("V03", where, entry, f"an entry is a mapping with {wanted}", f"Write for example [{example}]")
        elif key == "loggers" and entry["name"] in ("kea-dhcp4", "kea-ctrl-agent") and _has_output(entry):
            _owned(reader, where, f"the output of the logger {entry['name']}", "a logger of another name")
        else:
            entries.append(entry)
    return entries


def _has_output(logger: dict[str, Any]) -> bool:
    return "output_options" in logger or "output-options" in logger


# Free text of the user's, or an expression over several lines.
_FREE_TEXT = ("comment", "user-context", "test", "template-test")


def _check_texts(reader: _Reader, path: str, value: Any) -> None:
    """Report every text, at any depth, that is not what it looks like."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in _FREE_TEXT:
                _check_texts(reader, key_path(path, str(key)), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_texts(reader, f"{path}[{index}]", item)
    elif oddity(value) and _SECRET_NAME.search(path):
        reader.wrong("V31", path, None, "the value holds a character that nobody sees", "Type it again")
    elif oddity(value):
        reader.wrong("V31", path, value, "the value is not what it looks like", _tidied(value))


def _may_be_secret(variable: Variable, value: str) -> bool:
    """Tell whether a value must not be talked about: a long one may be a key itself, where its path is wanted."""
    if variable.secret or "PRIVATE KEY" in value:
        return True
    return len(value) > SHORT and bool(_SECRET_NAME.search(variable.name))


def _tidied(value: str) -> str:
    """Return how to write a text; not a long one: it may be the content of a file, such as a key."""
    return f"Write '{tidy(value)}'" if len(value) <= SHORT else "Type it again"


_SECRETS = {
    "kea_api_password": "one is generated on the hosts",
    "kea_tls_ca_passphrase": "one is generated on the controller",
}
_EXAMPLE_PASSWORDS = re.compile(
    r"change.?me|password|passwort|secret|example|1234567|kea-api|qwertz|qwerty", re.IGNORECASE
)


def _check_secrets(settings: dict[str, Any], reader: _Reader) -> None:
    for variable, instead in _SECRETS.items():
        password = settings[variable]
        if password is None:
            continue
        word = variable.rsplit("_", 1)[-1]
        message = _weakness(password)
        if message:
            fix = f"Use a random one: openssl rand -base64 24; or leave the variable out and {instead}"
            reader.wrong("P41", variable, None, f"the {word} {message}", fix)


def _weakness(password: str) -> str:
    """Return what makes a secret unusable, without a word of it; empty for a good one."""
    if any(ord(char) < 32 or ord(char) == 127 for char in password) or password != password.strip():
        return "has a line break, a control character, or a blank at an end"
    if any(ord(char) > 255 for char in password):
        return "has characters outside Latin-1, which Kea cannot read"
    if len(password) < 16:
        return f"has {len(password)} characters, fewer than 16"
    if _EXAMPLE_PASSWORDS.search(password) or len(set(password)) < 5:
        return "is an example value or easy to guess"
    return ""


def _check_user(settings: dict[str, Any], reader: _Reader) -> None:
    user = settings["kea_api_user"]
    if ":" in user or not user.isprintable() or any(ord(char) > 255 for char in user):
        reader.wrong(
            "P41",
            "kea_api_user",
            user,
            "a user name has no colon, no control character, and Latin-1 letters only",
            "Write for example kea_api_user: kea-api",
        )


def _read_ignored(settings: dict[str, Any], reader: _Reader) -> dict[str, str]:
    """Return the ids of accepted findings, each with the reason; the list form gives none."""
    given, found = settings["kea_preflight_ignore"], {}
    example = 'Write for example kea_preflight_ignore: {P31: "the second subnet comes in spring"}'
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, (list, dict)):
        reader.wrong("V03", "kea_preflight_ignore", given, "the value must be a mapping of ids to reasons", example)
        return {}
    for index, item in enumerate(given):
        reason = given[item] if isinstance(given, dict) else ""
        path = f"kea_preflight_ignore{f'.{item}' if isinstance(given, dict) else f'[{index}]'}"
        if not isinstance(item, str):
            reader.wrong("V03", path, item, "not the id of a finding", example)
        elif isinstance(given, dict) and not (isinstance(reason, str) and reason.strip()):
            reader.wrong("V03", path, reason, "the reason is missing; who reads this later wants to know it", example)
        else:
            found[item] = reason.strip()
    return found


def _check_expectations(settings: dict[str, Any], reader: _Reader) -> None:
    for index, item in enumerate(settings["kea_expect"]):
        if not isinstance(item, dict) or not isinstance(item.get("query"), str) or "equals" not in item:
            reader.wrong(
                "V03",
                f"kea_expect[{index}]",
                item,
                "an expectation is a mapping with query and equals",
                "Write for example {query: 'Dhcp4.\"valid-lifetime\"', equals: 43200}",
            )
    for index, item in enumerate(settings["kea_known_dhcp_servers"]):
        if ipv4_number(item) is None:
            where, fix = f"kea_known_dhcp_servers[{index}]", "Write its address, for example 192.168.1.1"
            reader.wrong("V03", where, item, "a DHCP server is known by its IPv4 address", fix)


class _Numbers(NamedTuple):
    """A variable that maps keys of Kea's to whole numbers."""

    variable: str
    defaults: dict[str, int]
    keys: dict[str, int]
    """With the largest number of each."""


_NUMBERS = (
    _Numbers("kea_expired_leases_processing", EXPIRED_LEASES_DEFAULT, EXPIRED_LEASES_KEYS),
    _Numbers(
        "kea_multi_threading",
        MULTI_THREADING_DEFAULT,
        {key.replace("_", "-"): 65535 for key in MULTI_THREADING_DEFAULT},
    ),
)


def _read_numbers(rules: _Numbers, settings: dict[str, Any], reader: _Reader) -> dict[str, int]:
    """Return such a variable in Kea's spelling; keys that are left out have their default."""
    merged = {key.replace("_", "-"): value for key, value in rules.defaults.items()}
    for key, value in settings[rules.variable].items():
        path = f"{rules.variable}.{key}"
        name = str(key).replace("_", "-")
        if name not in rules.keys:
            near = get_close_matches(name, rules.keys, n=1)
            names = ", ".join(near or rules.keys).replace("-", "_")
            reader.wrong("V01", path, value, "Kea knows no such key", f"Did you mean {names}?")
        elif not _is_type("int", value) or not 0 <= value <= rules.keys[name]:
            example = next(iter(BY_NAME[rules.variable].example.values()))
            reader.wrong(
                "V03",
                path,
                value,
                f"the value must be a whole number, from 0 to {rules.keys[name]}",
                f"Write for example {key}: {example}",
            )
        else:
            merged[name] = value
    return merged


# ---------------------------------------------------------------------------------------------------------------------
# reading subnets

_IDENTIFIERS = ("hw-address", "client-id", "duid", "circuit-id", "flex-id")
# In bytes: what every Kea takes.
_LENGTHS = {"hw-address": (6, 20), "client-id": (2, 255), "duid": (3, 128), "circuit-id": (1, 128), "flex-id": (1, 128)}
_EXAMPLES = {
    "hw-address": "1a:1b:1c:1d:1e:1f",
    "client-id": "01:11:22:33:44:55:66",
    "duid": "00:01:00:01:2b:3c:4d:5e:1a:1b:1c:1d:1e:1f",
    "circuit-id": "'port-7'",
    "flex-id": "'room-12'",
}
_QUOTED_TEXT = re.compile(r"^'[^'\n]+'$")
_PLAIN_MAC = re.compile(r"^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$")
_HEX_PAIRS = re.compile(r"^[0-9a-fA-F]{2}([:-])(?:[0-9a-fA-F]{2}\1)*[0-9a-fA-F]{2}$")
_HEX_ROW = re.compile(r"^(?:0x)?((?:[0-9a-fA-F]{2})+)$")
_CISCO_MAC = re.compile(r"^[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}$")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"^{_LABEL}(?:\.{_LABEL})*\.?$")
_NOT_AN_ID = "an id is a whole number from 1 to 4294967294"
_SUBNET_EXAMPLE = "Write for example {id: 1, subnet: 192.168.1.0/24, pools: [192.168.1.100-192.168.1.199]}"


def _kebab(value: Any) -> Any:
    """Turn Kea's keys written with _ into Kea's own spelling; what users put into user-context stays."""
    if isinstance(value, dict):
        result = {}
        for key, item in value.items():
            name = str(key).replace("_", "-")
            result[name] = item if name == "user-context" else _kebab(item)
        return result
    if isinstance(value, list):
        return [_kebab(item) for item in value]
    return value


def _is_ipv6(text: str) -> bool:
    """Tell an IPv6 address, network or range; a time of day has colons, too."""
    return ":" in text and not is_date(text)


def normalise_identifier(kind: str, value: Any) -> tuple[str | None, str, str]:
    """Return (identifier as Kea writes it, message, fix); the identifier is None when the input is not unambiguous."""
    if isinstance(value, str) and kind == "hw-address" and _PLAIN_MAC.match(value):
        return value, "", ""
    label = {"hw-address": "a MAC address", "client-id": "a client id", "duid": "a DUID"}.get(kind, "an identifier")
    key = kind.replace("-", "_")
    fix = f'Write it in quotes, for example {key}: "{_EXAMPLES[kind]}"'
    if isinstance(value, int) and not isinstance(value, bool):
        meant = sexagesimal(value) if value > 0 else ""
        fix = f'Write it in quotes: {key}: "{meant}"' if meant.count(":") >= 2 else fix
        return None, f"YAML read {label} without quotes as a number", fix
    if not isinstance(value, str):
        read = as_yaml_read(value)
        return None, f"not {label}: {read}" if read else f"not {label}", fix
    if (
        kind not in ("hw-address", "duid")
        and _QUOTED_TEXT.match(value)
        and len(value.encode()) - 2 <= _LENGTHS[kind][1]
    ):
        return value, "", ""
    if kind == "hw-address" and _CISCO_MAC.match(value):
        digits = value.replace(".", "").lower()
        fix = f'Write {key}: "{":".join(digits[index : index + 2] for index in range(0, 12, 2))}"'
        return None, "not a MAC address in the form Kea reads", fix
    row = _HEX_ROW.match(value)
    if _HEX_PAIRS.match(value):
        pairs = re.split("[:-]", value.lower())
    elif row:
        digits = row.group(1).lower()
        pairs = [digits[index : index + 2] for index in range(0, len(digits), 2)]
    else:
        return None, f"not {label}", fix
    low, high = _LENGTHS[kind]
    if not low <= len(pairs) <= high:
        return None, f"not {label}: it has {len(pairs)} bytes", fix
    return ":".join(pairs), "", ""


class _SubnetReader:
    """Reads ``kea_subnets`` of one host."""

    def __init__(self, reader: _Reader, custom_options: Vocabulary) -> None:
        self.reader = reader
        self.custom = custom_options

    def subnets(self, raw: Any) -> list[Subnet]:
        found = (self.subnet(f"kea_subnets[{index}]", item) for index, item in enumerate(raw or []))
        return [subnet for subnet in found if subnet is not None]

    def subnet(self, path: str, raw: Any) -> Subnet | None:
        if not isinstance(raw, dict):
            self.reader.wrong("V03", path, raw, "a subnet is a mapping", _SUBNET_EXAMPLE)
            return None
        keys = {str(key).replace("_", "-"): value for key, value in raw.items()}
        number = self.subnet_id(path, keys.pop("id", None))
        network = self.network(path, keys.pop("subnet", None))
        if network is None:
            return None
        subnet = Subnet(
            path=path,
            id=number,
            text=str(raw.get("subnet")),
            network=network,
            host_bits=int(ipaddress.IPv4Address(str(raw.get("subnet")).split("/")[0])) != int(network.network_address),
            first=int(network.network_address),
            last=int(network.broadcast_address),
        )
        self.fill(subnet, keys)
        return subnet

    def networks(self, raw: Any) -> list[SharedNetwork]:
        """Read Kea's ``shared-networks``."""
        path = "kea_dhcp4_extra.shared-networks"
        listed = self.listed(path, raw, "{name: floor1, subnet4: [...]}")
        found = (self.shared_network(f"{path}[{index}]", item) for index, item in enumerate(listed))
        return [network for network in found if network is not None]

    def shared_network(self, path: str, raw: Any) -> SharedNetwork | None:
        keys = {str(key).replace("_", "-"): value for key, value in raw.items()} if isinstance(raw, dict) else {}
        name = keys.pop("name", None)
        if not isinstance(name, str) or not name.strip():
            fix = "Write for example {name: floor1, subnet4: [...]}"
            self.reader.not_text(
                "V03", path, raw if not keys else name, "a shared network is a mapping with a name", fix
            )
            return None
        raw_subnets = self.listed(path + ".subnet4", keys.pop("subnet4", None), "{id: 1, subnet: 192.168.1.0/24}")
        network = SharedNetwork(
            path=path,
            name=name,
            interface=self.interface(path, keys.pop("interface", None)),
            relays=self.relays(path, keys.pop("relay", None)),
            options=self.options(path + ".option_data", keys.pop("option-data", None)),
            rest=_kebab(keys),
            raw_subnets=len(raw_subnets),
        )
        for index, item in enumerate(raw_subnets):
            subnet = self.subnet(f"{path}.subnet4[{index}]", item)
            if subnet is not None:
                subnet.shared = network
                network.subnets.append(subnet)
        return network

    def fill(self, subnet: Subnet, keys: dict[str, Any]) -> None:
        path = subnet.path
        subnet.interface = self.interface(path, keys.pop("interface", None))
        subnet.relays = self.relays(path, keys.pop("relay", None))
        subnet.options = self.options(path + ".option_data", keys.pop("option-data", None))
        subnet.routers = addresses_of(subnet.options, "routers")
        pools = self.listed(path + ".pools", keys.pop("pools", None), "192.168.1.100-192.168.1.199")
        subnet.raw_pools = len(pools)
        subnet.pools = [pool for pool in (self.pool(path, index, item) for index, item in enumerate(pools)) if pool]
        reservations = keys.pop("reservations", None)
        subnet.raw_reservations = len(reservations) if isinstance(reservations, list) else 0
        subnet.reservations = self.reservations(path, reservations)
        subnet.special = [entry for entry in subnet.reservations if is_special(entry)]
        subnet.rest = _kebab(keys)
        for part in (subnet, *subnet.special):
            body = subnet.rest if part is subnet else {**part.body, "option-data": None}
            _check_texts(self.reader, path if part is subnet else path + part.path, body)

    def reservations(self, path: str, raw: Any) -> list[Reservation]:
        example = '{hw_address: "1a:1b:1c:1d:1e:1f", ip_address: 192.168.1.10}'
        listed = self.listed(path + ".reservations", raw, example)
        found = (self.reservation(path, index, item) for index, item in enumerate(listed))
        return [entry for entry in found if entry is not None]

    def listed(self, path: str, value: Any, example: str) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            self.reader.wrong("V03", path, value, "the value must be a list", f"Write for example [{example}]")
            return []
        return value

    def subnet_id(self, path: str, value: Any) -> int | None:
        if _is_type("int", value) and 1 <= value <= 4294967294:
            return value
        message = "every subnet needs an id, and it must never change" if value is None else _NOT_AN_ID
        self.reader.wrong("P20", path + ".id", value, message, "Write for example id: 1, without quotes")
        return None

    def network(self, path: str, value: Any) -> ipaddress.IPv4Network | None:
        where = path + ".subnet"
        if value is None:
            self.reader.wrong("V02", where, None, "the subnet has no address", _SUBNET_EXAMPLE)
            return None
        text = str(value)
        try:
            if isinstance(value, str) and re.match(r"^[0-9.]+/[0-9]+$", text):
                return ipaddress.IPv4Network(text, strict=False)
        except ValueError:
            pass
        message = "an IPv6 network, but DHCPv4 needs an IPv4 one" if _is_ipv6(text) else "not an IPv4 network"
        meant = meant_network(value)
        fix = f"Write {meant}" if meant else "Write address and prefix length, for example 192.168.1.0/24"
        self.reader.not_text("V04", where, value, message, fix)
        return None

    def interface(self, path: str, value: Any) -> str | None:
        if value is None:
            return None
        trouble = _interface_trouble(value)
        if not trouble:
            return value
        self.reader.not_text("V03", path + ".interface", value, trouble, "Write for example eth0")
        return None

    def relays(self, path: str, value: Any) -> list[str]:
        if value is None:
            return []
        if isinstance(value, dict):
            keys = _kebab(value)
            value = keys.get("ip-addresses", keys.get("ip-address"))
        relays = []
        for item in value if isinstance(value, list) else [value]:
            if ipv4_number(item) is None:
                fix = f"Write for example relay: {{ip_addresses: [{meant_address(item) or '192.168.1.1'}]}}"
                self.reader.not_text("V04", path + ".relay", item, "a relay is given by its IPv4 address", fix)
            elif item in relays:
                self.reader.wrong("V04", path + ".relay", item, "the relay is listed twice", "Remove one of them")
            else:
                relays.append(item)
        return relays

    def options(self, path: str, value: Any) -> list[dict[str, Any]]:
        if value is None:
            return []
        options, troubles = parse_options(value, self.custom)
        for trouble in troubles:
            self.reader.wrong("V07", path + trouble.path, trouble.value, trouble.message, trouble.fix)
        for option in options:
            data = option.get("data")
            if oddity(data):
                where = f"{path}.{option.get('name', option.get('code'))}"
                self.reader.wrong("V07", where, data, "the value is not what it looks like", f"Write '{tidy(data)}'")
        return options

    def pool(self, path: str, index: int, raw: Any) -> Pool | None:
        where = f"{path}.pools[{index}]"
        body: dict[str, Any] = {}
        text = raw
        if isinstance(raw, dict):
            keys = {str(key).replace("_", "-"): value for key, value in raw.items()}
            text = keys.pop("pool", None)
            if "option-data" in keys:
                body["option-data"] = self.options(where + ".option_data", keys.pop("option-data"))
            body.update(_kebab(keys))
            _check_texts(self.reader, where, _kebab(keys))
        ends = _pool_ends(text)
        if ends is None:
            meant = meant_range(text) or meant_network(text)
            fix = "Write a range such as 192.168.1.100-192.168.1.199, or a network such as 192.168.1.128/26"
            six = _is_ipv6(str(text))
            message = "an IPv6 range, but DHCPv4 needs an IPv4 one" if six else "not a range of IPv4 addresses"
            shown = text if text is not None else raw
            self.reader.not_text("P23", where, shown, message, f"Write {meant}" if meant else fix)
            return None
        text = "-".join(part.strip() for part in text.split("-"))
        return Pool(ends[0], ends[1], text, index, {"pool": text, **body})

    def reservation(self, path: str, index: int, raw: Any) -> Reservation | None:
        if not isinstance(raw, dict):
            where = f"{path}.reservations[{index}]"
            fix = 'Write for example {hw_address: "1a:1b:1c:1d:1e:1f", ip_address: 192.168.1.10}'
            self.reader.wrong("V03", where, raw, "a reservation is a mapping", fix)
            return None
        body = {str(key).replace("_", "-"): value for key, value in raw.items()}
        kinds = [kind for kind in _IDENTIFIERS if kind in body]
        if len(kinds) != 1:
            self.identifier_count(f"{path}.reservations[{index}]", raw, kinds, list(body))
            return None
        kind = kinds[0]
        identifier, message, fix = normalise_identifier(kind, body[kind])
        if identifier is None:
            where = f"{path}.reservations[{index}].{kind.replace('-', '_')}"
            self.reader.wrong("V06", where, body[kind], message, fix)
            return None
        body[kind] = identifier
        address = None
        if "ip-address" in body:
            address = ipv4_number(body["ip-address"])
            if address is None:
                self.bad_address(f"{path}.reservations[{index}].ip_address", body["ip-address"])
                return None
        if len(body) > 1 + (address is not None):
            self.reservation_rest(f"{path}.reservations[{index}]", body)
        return Reservation(kind, identifier, address, index, body)

    def identifier_count(self, where: str, raw: Any, kinds: list[str], keys: list[str]) -> None:
        message = f"a reservation has one identifier, not {len(kinds)}" if kinds else "the reservation names no client"
        if keys in (["ip-address"], ["hostname"]):
            message += f"; is there a dash too many before {keys[0].replace('-', '_')}?"
        fix = f"Give one of {', '.join(kind.replace('-', '_') for kind in _IDENTIFIERS)}, for example"
        self.reader.wrong("V06", where, raw, message, fix + ' hw_address: "1a:1b:1c:1d:1e:1f"')

    def bad_address(self, where: str, value: Any) -> None:
        message = "an IPv6 address, but DHCPv4 needs an IPv4 one" if _is_ipv6(str(value)) else "not an IPv4 address"
        meant = meant_address(value)
        fix = f"Write {meant}" if meant else "Write for example 192.168.1.10"
        self.reader.not_text("P24", where, "" if value is None else value, message, fix)

    def reservation_rest(self, where: str, body: dict[str, Any]) -> None:
        """Check what a reservation holds beside client and address, in place."""
        hostname = body.get("hostname")
        if "hostname" in body and not (isinstance(hostname, str) and _HOSTNAME.match(hostname) and len(hostname) < 255):
            fix = "Use letters, digits, hyphens and dots, for example printer.example.org"
            self.reader.not_text("V04", where + ".hostname", hostname, "not a host name", fix)
            del body["hostname"]
        for key, value in list(body.items()):
            if key == "option-data":
                body[key] = self.options(where + ".option_data", value)
            elif isinstance(value, (dict, list)) and key != "user-context":
                body[key] = _kebab(value)


def _pool_ends(text: Any) -> tuple[int, int] | None:
    """Return first and last address of a pool as numbers, None if it is not one."""
    if not isinstance(text, str):
        return None
    if "/" in text:
        address, _slash, length = text.strip().partition("/")
        start = ipv4_number(address)
        if start is None or not length.isdigit() or int(length) > 32:
            return None
        size = 1 << (32 - int(length))
        return start // size * size, start // size * size + size - 1
    parts = [ipv4_number(part.strip()) for part in text.split("-")]
    if len(parts) != 2 or parts[0] is None or parts[1] is None:
        return None
    return parts[0], parts[1]


def _oldest_series(hosts: Sequence[RawHost]) -> str:
    """Return the oldest series of Kea in the pair, whose options both hosts get; empty when none is known."""
    given = ((raw, {"kea_version": raw.vars.get("kea_version")}) for raw in hosts)
    dialects = (_read_version(raw, settings, _Reader(raw.name))[2] for raw, settings in given)
    series = [dialect.series for dialect in dialects if dialect is not None]
    return min(series, key=series_order, default="")


def _custom_options(extra: dict[str, Any], series: str, reader: _Reader) -> Vocabulary:
    """Return the options that a Kea knows, with those that the inventory defines."""
    words, troubles = vocabulary(extra.get("option-def"), series)
    for trouble in troubles:
        variable = "kea_dhcp4_extra.option-def" + trouble.path
        reader.wrong("V07", variable, trouble.value, trouble.message, trouble.fix)
    return words


# ---------------------------------------------------------------------------------------------------------------------
# the pair


class _Shared(NamedTuple):
    """Subnets read once, for all hosts whose variables are equal."""

    raw: tuple[Any, ...]
    """As they were written: subnets, shared networks, reservations of no subnet; and the options they may hold."""
    subnets: list[Subnet]
    networks: list[SharedNetwork]
    reservations: list[Reservation]
    findings: list[Finding]


_ROLE_ORDER = {"primary": 0, "standby": 1, "secondary": 1, "": 2, "backup": 3}


def _build_server(raw: RawHost, shared: list[_Shared], series: str, reader: _Reader) -> Server:
    """Build one server; equal subnets of another host are shared instead of read again."""
    _check_names(raw, reader)
    settings = _read_settings(raw, reader)
    _check_secrets(settings, reader)
    _check_user(settings, reader)
    _check_expectations(settings, reader)
    settings["kea_preflight_ignore"] = _read_ignored(settings, reader)
    for rules in _NUMBERS:
        settings[rules.variable] = _read_numbers(rules, settings, reader)
    address, source = _read_address(raw, settings, reader)
    version, version_source, dialect = _read_version(raw, settings, reader)
    dhcp4_extra = _read_extra("kea_dhcp4_extra", "Dhcp4", _OWNED_DHCP4, settings, reader)
    custom = _custom_options(dhcp4_extra, series, reader)
    subnet_reader = _SubnetReader(reader, custom)
    raw_subnets = settings["kea_subnets"]
    raw_networks = dhcp4_extra.pop("shared-networks", None)
    raw_reservations = dhcp4_extra.pop("reservations", None)
    written = (raw_subnets, raw_networks, raw_reservations, custom)
    known = next((entry for entry in shared if entry.raw == written), None)
    if known is None:
        before = len(reader.findings)
        if raw_subnets == [] and not raw_networks:
            reader.wrong(
                "V04", "kea_subnets", [], "the list is empty", _SUBNET_EXAMPLE.replace("example ", "example - ")
            )
        subnets, networks = subnet_reader.subnets(raw_subnets), subnet_reader.networks(raw_networks)
        reservations = subnet_reader.reservations("kea_dhcp4_extra", raw_reservations)
        known = _Shared(written, subnets, networks, reservations, reader.findings[before:])
        shared.append(known)
    else:
        reader.findings += [replace(item, host=raw.name) for item in known.findings]
    hooks_dir = settings["kea_hooks_dir"]
    if hooks_dir and not hooks_dir.startswith("/"):
        reader.wrong(
            "V04", "kea_hooks_dir", hooks_dir, "not an absolute path", "Write for example /usr/lib64/kea/hooks"
        )
    return Server(
        host=raw.name,
        server_name=settings["kea_server_name"] or raw.name,
        role=settings["kea_ha_role"] or "",
        address=address,
        address_source=source,
        interfaces=_read_interfaces(settings, reader),
        subnets=known.subnets,
        networks=known.networks,
        reservations=known.reservations,
        options=subnet_reader.options("kea_option_data", settings["kea_option_data"]),
        dhcp4_extra=dhcp4_extra,
        ctrl_agent_extra=_read_extra("kea_ctrl_agent_extra", "Control-agent", _OWNED_AGENT, settings, reader),
        hooks_dir=hooks_dir,
        facts=raw.facts,
        trouble=raw.trouble,
        kea_version=version,
        version_source=version_source,
        dialect=dialect,
        platform=_read_platform(raw, reader),
        settings=settings,
        ssh_port=_ssh_port(raw),
        reached_at=tuple(str(raw.vars.get(name, "")) for name in CONNECTION_VARIABLES),
        broken=raw.broken,
    )


def _subnet_parts(subnet: Subnet) -> dict[str, Any]:
    """Return what must be equal on both hosts; the interface may have another name on each."""
    return {
        "id": subnet.id,
        "subnet": subnet.text,
        "relay": subnet.relays,
        "pools": [pool.body for pool in subnet.pools],
        "option_data": subnet.options,
        "reservations": [entry.body for entry in subnet.reservations],
        "other keys": subnet.rest,
    }


def _subnet_differences(first: Server, other: Server) -> Iterator[Difference]:
    hosts = (first.host, other.host)
    if first.subnets is other.subnets:
        return
    for variable, mine, theirs in (
        ("kea_subnets", [entry.text for entry in first.subnets], [entry.text for entry in other.subnets]),
        ("kea_dhcp4_extra.shared-networks", _outline(first), _outline(other)),
    ):
        if len(mine) != len(theirs) or (variable != "kea_subnets" and mine != theirs):
            yield Difference(variable, hosts, _only_different(mine, theirs), False)
            return
    for mine, theirs in zip(first.networks, other.networks):
        for key, value in (("relay", mine.relays), ("option_data", mine.options), ("other keys", mine.rest)):
            there = {"relay": theirs.relays, "option_data": theirs.options}.get(key, theirs.rest)
            if value != there:
                yield Difference(f"{mine.path}.{key}", hosts, _only_different(value, there), False)
    for mine, theirs in zip(first.every_subnet, other.every_subnet):
        left, right = _subnet_parts(mine), _subnet_parts(theirs)
        for key, value in left.items():
            if value != right[key]:
                yield Difference(f"{mine.path}.{key}", hosts, _only_different(value, right[key]), False)


def _outline(server: Server) -> list[str]:
    """Return each shared network with its subnets, as a text."""
    return [f"{network.name}: {', '.join(subnet.text for subnet in network.subnets)}" for network in server.networks]


def _only_different(first: Any, other: Any) -> tuple[Any, Any]:
    """Return two values; of lists, only the entries that the other one lacks (if any: the order may differ, too)."""
    if not isinstance(first, list) or not isinstance(other, list):
        return first, other
    known = [{repr(item) for item in items} for items in (first, other)]
    mine = [item for item in first if repr(item) not in known[1]]
    theirs = [item for item in other if repr(item) not in known[0]]
    return (mine, theirs) if mine or theirs else (first, other)


def _differences(servers: Sequence[Server]) -> list[Difference]:
    found: list[Difference] = []
    for other in servers[1:]:
        first = servers[0]
        hosts = (first.host, other.host)
        for variable in VARIABLES:
            if variable.scope == HOST or variable.name in ("kea_subnets", "kea_option_data"):
                continue
            values = (first.settings[variable.name], other.settings[variable.name])
            if values[0] != values[1]:
                found.append(Difference(variable.name, hosts, values, variable.secret))
        if first.options != other.options:
            found.append(Difference("kea_option_data", hosts, (first.options, other.options), False))
        found += _subnet_differences(first, other)
    return found


def _transport(settings: dict[str, Any], servers: Sequence[Server]) -> str:
    """The listener where all hosts are so new that Kea prefers it, or one of them has nothing else."""
    if settings["kea_ha_transport"]:
        return settings["kea_ha_transport"]
    dialects = [server.dialect for server in servers if server.dialect is not None]
    modern = bool(dialects) and all(dialect.http_control_socket for dialect in dialects)
    return "listener" if modern or not all(dialect.agent for dialect in dialects) else "control_agent"


def build_pair(group: str, hosts: Sequence[RawHost]) -> tuple[Pair, list[Finding]]:
    """Build the model of a pair.

    Args:
        group: the inventory group that makes the pair.
        hosts: its members.

    Returns:
        The pair, and all that is wrong with single variables; relations are checked by ``_findings.check``.
    """
    shared: list[_Shared] = []
    servers: list[Server] = []
    findings: list[Finding] = []
    series = _oldest_series(hosts)
    for raw in hosts:
        reader = _Reader(raw.name)
        servers.append(_build_server(raw, shared, series, reader))
        findings += reader.findings
    settings = {variable.name: variable.default for variable in VARIABLES if variable.scope == PAIR}
    if servers:
        settings = {name: servers[0].settings[name] for name in settings}
    else:
        settings.update({rules.variable: _kebab(rules.defaults) for rules in _NUMBERS})
    differences = _differences(servers)
    servers.sort(key=lambda server: _ROLE_ORDER[server.role])
    transport = _transport(settings, servers)
    tls = settings["kea_tls_enabled"]
    return Pair(
        name=group,
        servers=servers,
        settings=settings,
        transport=transport,
        tls=transport == "listener" if tls is None else tls,
        differences=differences,
    ), merge_hosts(findings)


__all__ = [
    "Difference",
    "Pair",
    "Pool",
    "RawHost",
    "Reservation",
    "Server",
    "Subnet",
    "build_pair",
    "ipv4_text",
    "normalise_identifier",
]
