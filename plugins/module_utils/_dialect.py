# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between Kea series, and between operating systems: the one place that knows.

Two tables: ``SERIES`` for Kea, ``_FAMILIES`` for operating systems. Everything else asks ``dialect_for`` and
``platform_for``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Sequence

# Rendering for a host nobody has looked at yet: Kea of the current Debian stable.
OFFLINE_VERSION = "2.6.3"


class DialectError(ValueError):
    """The Kea version is not one this collection can write a configuration for; the text is a sentence for users."""


class UnsupportedPlatform(ValueError):
    """The operating system or its architecture is not one this collection knows; the text is a sentence for users."""


@dataclass(frozen=True)
class Dialect:
    """How one Kea series spells and behaves."""

    series: str
    """The stable series, such as ``2.6``."""
    version: str
    """The version asked for, such as ``2.6.3``."""
    control_socket_list: bool
    """``control-sockets``, a list, instead of ``control-socket``, a map."""
    output_options: str
    """Key of a logger's destinations."""
    multi_threading_default: bool
    """Kea is multi-threaded unless told otherwise, and then HA opens its own listener on the peer's port."""
    hook_by_name: bool
    """A hook is named ``libdhcp_ha.so``; otherwise by its full path."""
    agent: bool
    """The Control Agent exists."""
    http_control_socket: bool
    """The DHCP daemon can serve the API over HTTP itself."""
    live_hooks: bool
    """The hooks that change subnets and reservations of a running server are a part of Kea."""
    test_hooks: str
    """When ``kea-dhcp4 -T`` tells the truth: ``never``, ``single-threaded`` (it fails good listeners) or ``always``."""
    max_delay: int
    """Longest HA delay Kea accepts, in ms."""
    keeps_released_leases: bool
    """A lease that its client releases stays, as an ended one; otherwise it is forgotten."""

    def test_hooks_usable(self, transport: str) -> bool:
        """Tell whether ``-T``, the check that loads the hooks, gives a true answer for this transport."""
        return self.test_hooks == "always" or (self.test_hooks == "single-threaded" and transport == "control_agent")


_OLDEST: dict[str, Any] = {
    "control_socket_list": False,
    "output_options": "output_options",
    "multi_threading_default": False,
    "hook_by_name": False,
    "agent": True,
    "http_control_socket": False,
    "live_hooks": False,
    "test_hooks": "never",
    "max_delay": 65535,
    "keeps_released_leases": False,
}

# Each series says only what changed since the one above it.
_CHANGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("2.2", {}),
    ("2.4", {"multi_threading_default": True, "hook_by_name": True, "keeps_released_leases": True}),
    ("2.6", {"output_options": "output-options", "test_hooks": "single-threaded"}),
    ("3.0", {"control_socket_list": True, "http_control_socket": True, "live_hooks": True, "test_hooks": "always"}),
    ("3.2", {"agent": False}),
)

# The security releases that restricted paths, and with that brought hooks by bare name, into a running series.
_HOOK_BY_NAME_SINCE_PATCH = {"2.4": 2, "2.6": 3}


def _build_series() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = {}
    current = dict(_OLDEST)
    for series, changes in _CHANGES:
        current = {**current, **changes}
        table[series] = current
    return table


SERIES = _build_series()
_VERSION = re.compile(r"^\s*(\d+)\.(\d+)(?:\.(\d+))?(?:[-+~._].*)?\s*$")


def dialect_for(version: Any) -> Dialect:
    """Return the dialect of a Kea version.

    Args:
        version: such as ``2.6.3``, ``2.6`` or a package version ``2.6.3-1+deb13u1``.

    Raises:
        DialectError: not a version, a development series, or one this collection does not know.
    """
    match = _VERSION.match(str(version))
    known = ", ".join(SERIES)
    if not match:
        raise DialectError(f"'{version}' is not a Kea version; write one such as {OFFLINE_VERSION}")
    series = f"{match.group(1)}.{match.group(2)}"
    if series not in SERIES:
        if int(match.group(2)) % 2:
            raise DialectError(
                f"Kea {series} is a development series, not meant for production; use a stable one: {known}"
            )
        raise DialectError(f"Kea {series} is not supported; the supported series are {known}")
    rules = dict(SERIES[series])
    if match.group(3) is not None and int(match.group(3)) < _HOOK_BY_NAME_SINCE_PATCH.get(series, 0):
        rules["hook_by_name"] = False
    number = ".".join(part for part in match.groups() if part is not None)
    return Dialect(series=series, version=number, **rules)


@dataclass(frozen=True)
class Platform:
    """Where one operating system keeps Kea."""

    name: str
    family: str
    hooks_dir: str
    config_dir: str
    run_dir: str
    log_dir: str
    user: str
    group: str
    packages: dict[str, tuple[str, ...]]
    """What to install for a daemon (``dhcp4``, ``ctrl_agent``), for ``tls``, and for the ``firewall``."""
    units: dict[str, str]
    executables: dict[str, str]


_DAEMON_PROGRAMS = {"dhcp4": "kea-dhcp4", "ctrl_agent": "kea-ctrl-agent"}
_DEBIAN_TRIPLETS = {
    "x86_64": "x86_64-linux-gnu",
    "aarch64": "aarch64-linux-gnu",
    "armv7l": "arm-linux-gnueabihf",
}
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64", "armhf": "armv7l", "armv8l": "armv7l", "armv6l": "armv7l"}

_FAMILIES: dict[str, dict[str, Any]] = {
    "debian": {
        "members": ("debian", "ubuntu", "raspbian"),
        "architectures": tuple(_DEBIAN_TRIPLETS),
        "hooks_dir": "/usr/lib/{triplet}/kea/hooks",
        "config_dir": "/etc/kea",
        "run_dir": "/run/kea",
        "user": "_kea",
        "group": "_kea",
        "packages": {
            "dhcp4": ("kea-dhcp4-server",),
            "ctrl_agent": ("kea-ctrl-agent",),
            "tls": ("openssl",),
            "firewall": ("nftables",),
        },
        "units": {"dhcp4": "kea-dhcp4-server", "ctrl_agent": "kea-ctrl-agent"},
        "sbin": "/usr/sbin",
    },
    "redhat": {
        "members": ("fedora", "redhat", "rhel", "centos", "rocky", "almalinux", "oraclelinux", "ol"),
        "architectures": ("x86_64", "aarch64"),
        "hooks_dir": "/usr/lib64/kea/hooks",
        "config_dir": "/etc/kea",
        "run_dir": "/run/kea",
        "user": "kea",
        "group": "kea",
        "packages": {
            "dhcp4": ("kea", "kea-hooks"),
            "ctrl_agent": ("kea",),
            "tls": ("openssl",),
            "firewall": ("nftables",),
        },
        "units": {"dhcp4": "kea-dhcp4", "ctrl_agent": "kea-ctrl-agent"},
        "sbin": "/usr/sbin",
    },
    "freebsd": {
        "members": ("freebsd",),
        "architectures": ("x86_64", "aarch64"),
        "hooks_dir": "/usr/local/lib/kea/hooks",
        "config_dir": "/usr/local/etc/kea",
        "run_dir": "/var/run/kea",
        "user": "root",
        "group": "wheel",
        "packages": {"dhcp4": ("kea",), "ctrl_agent": ("kea",), "tls": (), "firewall": ()},
        "units": {"dhcp4": "kea", "ctrl_agent": "kea"},
        "sbin": "/usr/local/sbin",
    },
}

SUPPORTED_PLATFORMS = (
    "Debian, Ubuntu and Raspberry Pi OS on amd64, arm64 and armhf; Fedora and Enterprise Linux on x86_64 and aarch64;"
    " FreeBSD on amd64 and arm64"
)

_DEBIAN_VERSIONS = {"12": "2.2.0", "13": "2.6.3", "14": "3.0.4"}
_CODENAMES = {
    "bookworm": "2.2.0",
    "trixie": "2.6.3",
    "forky": "3.0.4",
    "testing": "3.0.4",
    "sid": "3.0.4",
    "unstable": "3.0.4",
    "noble": "2.4.1",
}
_UBUNTU_VERSIONS = {"24.04": "2.4.1"}


def _family_of(os_id: str, os_like: Sequence[str]) -> str | None:
    """The host's own name decides; what it says it resembles is asked only when that name is unknown."""
    for name in [os_id, *os_like]:
        for family, rules in _FAMILIES.items():
            if name == family or name in rules["members"]:
                return family
    return None


def platform_for(os_id: str, os_like: Sequence[str], os_version: str, architecture: str) -> Platform:
    """Return where Kea lives on an operating system.

    Args:
        os_id: ``ID`` of os-release or Ansible's distribution name, in any case, such as ``debian``.
        os_like: what it resembles, such as ``["debian"]``.
        os_version: such as ``13``; only used in messages.
        architecture: machine name, such as ``x86_64``, ``aarch64``, ``armv7l`` or Debian's own names.

    Raises:
        UnsupportedPlatform: with a sentence that lists what is supported.
    """
    name = str(os_id or "").lower()
    label = f"{os_id or 'unknown'} {os_version or ''}".strip()
    family = _family_of(name, [str(like).lower() for like in os_like or []])
    if family is None:
        raise UnsupportedPlatform(f"the operating system {label} is not supported; supported are {SUPPORTED_PLATFORMS}")
    rules = _FAMILIES[family]
    machine = _ARCHITECTURES.get(str(architecture).lower(), str(architecture).lower())
    if machine not in rules["architectures"]:
        raise UnsupportedPlatform(
            f"the architecture {architecture} of {label} is not supported; supported are {SUPPORTED_PLATFORMS}"
        )
    return Platform(
        name=name,
        family=family,
        hooks_dir=rules["hooks_dir"].format(triplet=_DEBIAN_TRIPLETS.get(machine, "")),
        config_dir=rules["config_dir"],
        run_dir=rules["run_dir"],
        log_dir="/var/log/kea",
        user=rules["user"],
        group=rules["group"],
        packages=rules["packages"],
        units=rules["units"],
        executables={daemon: f"{rules['sbin']}/{program}" for daemon, program in _DAEMON_PROGRAMS.items()},
    )


def offline_platform() -> Platform:
    """Return the platform assumed for a host nobody has looked at: the templates' own, Debian on amd64."""
    return platform_for("debian", [], "", "x86_64")


def expected_kea_version(os_id: str, os_version: str) -> str | None:
    """Return the Kea version a distribution ships, for a bare host in check mode; None when not known.

    Args:
        os_id: as for ``platform_for``.
        os_version: a number (``12``, ``12.5``, ``24.04``) or code names (``trixie``, ``forky/sid``).
    """
    name = str(os_id or "").lower()
    text = str(os_version or "").lower()
    for word in re.split(r"[/\s]+", text):
        if word in _CODENAMES:
            return _CODENAMES[word]
    if name in ("debian", "raspbian"):
        return _DEBIAN_VERSIONS.get(text.split(".")[0])
    if name == "ubuntu":
        return _UBUNTU_VERSIONS.get(".".join(text.split(".")[:2]))
    return None
