# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of Kea versions and platforms says what was observed of the packages."""

from __future__ import annotations

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _dialect
from ansible_collections.keaops.kea.plugins.module_utils._dialect import (
    DialectError,
    UnsupportedPlatform,
    dialect_for,
    expected_kea_version,
    platform_for,
)

# version: sockets as list, output key, MT default, hook by name, agent, HTTP socket, -T with agent, -T with listener
OBSERVED = {
    "2.2.0": (False, "output_options", False, False, True, False, False, False),
    "2.4.1": (False, "output_options", True, False, True, False, False, False),
    "2.6.3": (False, "output-options", True, True, True, False, True, False),
    "3.0.4": (True, "output-options", True, True, True, True, True, True),
    "3.2.0": (True, "output-options", True, True, False, True, True, True),
}


@pytest.mark.parametrize("version", OBSERVED)
def test_series(version):
    dialect = dialect_for(version)
    assert (
        dialect.control_socket_list,
        dialect.output_options,
        dialect.multi_threading_default,
        dialect.hook_by_name,
        dialect.agent,
        dialect.http_control_socket,
        dialect.test_hooks_usable("control_agent"),
        dialect.test_hooks_usable("listener"),
    ) == OBSERVED[version]


@pytest.mark.parametrize(
    ("text", "series", "version"),
    [("2.6.3-1+deb13u1", "2.6", "2.6.3"), ("2.6", "2.6", "2.6"), (2.6, "2.6", "2.6"), (" 3.0.4 ", "3.0", "3.0.4")],
)
def test_forms_of_a_version(text, series, version):
    assert (dialect_for(text).series, dialect_for(text).version) == (series, version)


def test_hooks_by_name_came_with_a_patch():
    assert [dialect_for(version).hook_by_name for version in ("2.4.1", "2.4.2", "2.6.1", "2.6.3", "2.6")] == [
        False,
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("3.1.4", "development"),
        ("2.5", "development"),
        ("1.8.0", "2.2, 2.4"),
        ("4.0", "not supported"),
        ("new", "'new'"),
    ],
)
def test_unknown_versions_are_refused_with_a_sentence(version, text):
    with pytest.raises(DialectError, match=text):
        dialect_for(version)


@pytest.mark.parametrize(
    ("architecture", "triplet"),
    [
        ("x86_64", "x86_64-linux-gnu"),
        ("amd64", "x86_64-linux-gnu"),
        ("aarch64", "aarch64-linux-gnu"),
        ("arm64", "aarch64-linux-gnu"),
        ("armv7l", "arm-linux-gnueabihf"),
        ("armv6l", "arm-linux-gnueabihf"),
        ("armhf", "arm-linux-gnueabihf"),
    ],
)
@pytest.mark.parametrize("os_id", ["debian", "Ubuntu", "Raspbian"])
def test_debian_family(os_id, architecture, triplet):
    platform = platform_for(os_id, ["debian"], "13", architecture)
    assert platform.hooks_dir == f"/usr/lib/{triplet}/kea/hooks"
    assert (platform.user, platform.group) == ("_kea", "_kea")
    assert platform.units == {"dhcp4": "kea-dhcp4-server", "ctrl_agent": "kea-ctrl-agent"}
    assert platform.executables["dhcp4"] == "/usr/sbin/kea-dhcp4"


@pytest.mark.parametrize("os_id", ["Fedora", "RedHat", "Rocky", "almalinux", "something-new"])
def test_red_hat_family(os_id):
    platform = platform_for(os_id, ["redhat"], "10", "aarch64")
    assert platform.hooks_dir == "/usr/lib64/kea/hooks"
    assert platform.units["dhcp4"] == "kea-dhcp4"
    assert platform.user == "kea"


def test_freebsd():
    platform = platform_for("FreeBSD", ["freebsd"], "14.2", "amd64")
    assert platform.config_dir == "/usr/local/etc/kea"
    assert platform.packages["tls"] == ()


@pytest.mark.parametrize(
    ("os_id", "like", "architecture"),
    [("alpine", [], "x86_64"), ("", [], ""), ("debian", [], "riscv64"), ("fedora", [], "armv7l")],
)
def test_unsupported_platforms_are_refused_with_the_list(os_id, like, architecture):
    with pytest.raises(UnsupportedPlatform, match="Raspberry Pi OS.*Fedora.*FreeBSD"):
        platform_for(os_id, like, "1", architecture)


@pytest.mark.parametrize(
    ("os_id", "version", "kea"),
    [
        ("debian", "12", "2.2.0"),
        ("debian", "12.11", "2.2.0"),
        ("Raspbian", "12", "2.2.0"),
        ("debian", "13", "2.6.3"),
        ("debian", "trixie", "2.6.3"),
        ("debian", "14", "3.0.4"),
        ("debian", "forky/sid", "3.0.4"),
        ("debian", "sid", "3.0.4"),
        ("ubuntu", "24.04", "2.4.1"),
        ("ubuntu", "24.04.3", "2.4.1"),
        ("ubuntu", "22.04", None),
        ("debian", "", None),
        ("fedora", "43", None),
    ],
)
def test_expected_version(os_id, version, kea):
    assert expected_kea_version(os_id, version) == kea


def test_offline_defaults_fit_together():
    assert dialect_for(_dialect.OFFLINE_VERSION).series in _dialect.SERIES
    assert _dialect.offline_platform().name == "debian"
