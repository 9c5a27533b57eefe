# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs now, held against what the inventory wants: each check fires where it must and is silent where it must."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _checks_live, _render
from ansible_collections.keaops.kea.plugins.module_utils._running import digest_of, link_of
from ansible_collections.keaops.kea.plugins.module_utils._state import normalise
from ansible_collections.keaops.kea.plugins.module_utils._tls import Certificates
from pairs import build, examine, facts, kea_info

ADDRESSES = {"dhcp1": "192.168.1.2", "dhcp2": "192.168.1.3"}
SUBNETS = {"192.168.1.0/24": {"id": 1, "pools": ["192.168.1.100-192.168.1.199"]}}
GB = 1000**3


def rendered(host, name="dhcp4"):
    """Return what the home pair's inventory makes of a host."""
    pair, _findings = build()
    server = pair.server(host)
    render = {"dhcp4": _render.render_dhcp4, "ctrl_agent": _render.render_ctrl_agent}[name]
    return render(pair, server, server.dialect, server.platform)


RENDERED = {(host, name): rendered(host, name) for host in ADDRESSES for name in ("dhcp4", "ctrl_agent")}


def state(own, partner, primary=True, serves=None):
    """Return the state of a server as kea_host_info tells it."""
    scopes = [["server1"], []] if primary else [[], ["server1"]]
    if serves is not None:
        scopes = [["server1"] if one else [] for one in serves]
    local = {"role": "primary" if primary else "standby", "state": own, "scopes": scopes[0]}
    remote = {"role": "standby", "last-state": partner, "last-scopes": scopes[1], "age": 0, "in-touch": True}
    servers = {"local": local, "remote": dict(remote, **{"communication-interrupted": partner == "unavailable"})}
    return normalise({"high-availability": [{"ha-mode": "hot-standby", "ha-servers": servers}]})


def info(host):
    """Return what kea_host_info says of a healthy server that runs what the inventory wants."""
    ha = state("hot-standby", "hot-standby", primary=host == "dhcp1")
    known = kea_info(active=True, marker=True, ha=ha)
    for name, daemon in known["daemons"].items():
        daemon.update(digest=digest_of(RENDERED[host, name]), drift={"file": [], "running": []})
    known["daemons"]["dhcp4"].update(link=link_of(RENDERED[host, "dhcp4"]), subnets=copy.deepcopy(SUBNETS))
    disk = {"path": "/var/lib/kea", "free": 10 * GB, "inodes": 1000, "inodes_free": 900, "file_size": 1000}
    known.update(
        partner={"url": f"http://{ADDRESSES[host]}:8000/", "problem": None},
        leases=None,
        disks={"leases": disk, "logs": dict(disk, path="/var/log/kea")},
        services={"time": ["chrony"], "dhcp": {}, "container": "", "upgrades": False},
        apparmor_rules=None,
        asked=1000.0,
        time=1000.2,
        time_after=1000.6,
        answered=1001.0,
    )
    return known


def look(change=None, change2=None, extra=None, **kwargs):
    """Return the findings of a healthy pair after *change* was made to what dhcp1 tells, *change2* to dhcp2's."""
    told = {host: info(host) for host in ADDRESSES}
    for host, work in (("dhcp1", change), ("dhcp2", change2)):
        if work:
            work(told[host])
    more = {host: dict((extra or {}).get(host, {})) for host in ADDRESSES}
    known = {host: facts(ADDRESSES[host], told[host], **more[host]) for host in ADDRESSES}
    return examine(facts1=known["dhcp1"], facts2=known["dhcp2"], live=True, **kwargs)


def only(found):
    """Return the one finding."""
    assert len(found) == 1, [item.text() for item in found]
    return found[0]


def dhcp4(**values):
    """Return a change of what is told of the DHCP server."""
    return lambda told: told["daemons"]["dhcp4"].update(values)


def say(**values):
    """Return a change of what is told of the host."""
    return lambda told: told.update(values)


CHANGE = {"group": {"kea_valid_lifetime": 50000}}


def test_a_healthy_pair_has_no_findings():
    assert look() == []
    assert look(**CHANGE) == []


def test_a_host_of_which_little_is_known_has_no_findings():
    assert examine(facts1=facts("192.168.1.2"), facts2=facts("192.168.1.3"), live=True) == []


# ---------------------------------------------------------------------------------------------------------------------
# the pair


TERMINATED = dhcp4(ha=state("terminated", "hot-standby"))


def test_pair_that_is_stuck():
    found = only(look(TERMINATED, **CHANGE))
    assert (found.id, found.severity, found.host, found.value) == ("P39", "error", "dhcp1", "terminated")
    for words in ("only in the state hot-standby. It is a primary in state terminated", "playbooks/recover.yml"):
        assert words in found.text()
    # A run that changes nothing harms nobody.
    assert only(look(TERMINATED)).severity == "warning"
    assert look(TERMINATED, group={**CHANGE["group"], "kea_accept_outage": True}) == []


def test_two_servers_that_do_not_hear_each_other():
    alone, other = state("partner-down", "unavailable"), state("hot-standby", "unavailable", primary=False)
    found = look(dhcp4(ha=alone), dhcp4(ha=other), **CHANGE)
    assert [(item.id, item.severity, item.host, item.value) for item in found] == [
        ("P39", "error", "dhcp1", "partner-down"),
        ("P39", "warning", "dhcp2", "hot-standby"),
    ]
    assert "It does not hear its partner" in found[1].text()


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (state("partner-down", "waiting"), state("waiting", "partner-down", primary=False)),
        (state("hot-standby", "ready"), state("ready", "hot-standby", primary=False)),
        (state("partner-down", "unavailable"), None),
        (
            state("partner-in-maintenance", "in-maintenance", serves=(True, False)),
            state("in-maintenance", "partner-in-maintenance", serves=(False, True)),
        ),
    ],
    ids=["on its way back", "nearly there", "the partner is gone", "a maintenance that this run ends"],
)
def test_what_passes_or_is_mended_by_the_run_does_not_stop_it(mine, theirs):
    gone = dhcp4(active=False, ha=None, subnets=None)
    found = look(dhcp4(ha=mine), dhcp4(ha=theirs) if theirs else gone, **CHANGE)
    assert found and {(item.id, item.severity) for item in found} == {("P39", "warning")}


def test_a_server_without_its_hooks():
    found = only(look(dhcp4(ha={"ha": False, "state": None, "scopes": []})))
    assert (found.id, found.severity, found.host) == ("P39", "warning", "dhcp1")


def test_a_run_changes_the_pair():
    def unproven(told):
        TERMINATED(told)
        told["daemons"]["dhcp4"]["marker"] = False

    assert only(look(TERMINATED)).severity == "warning"
    assert only(look(unproven)).severity == "error"


def test_partner_out_of_reach():
    silent = say(partner={"url": "http://192.168.1.3:8000/", "problem": "http://192.168.1.3:8000/: connection refused"})
    found = only(look(silent, **CHANGE))
    assert (found.id, found.severity, found.host, found.value) == ("P44", "error", "dhcp1", "http://192.168.1.3:8000/")
    assert "dhcp1 cannot ask dhcp2" in found.text() and "connection refused" in found.text()
    assert only(look(change2=silent, **CHANGE)).host == "dhcp2"
    assert only(look(silent)).severity == "warning"
    assert look(silent, group={**CHANGE["group"], "kea_accept_outage": True}) == []


def test_partner_that_does_not_run_is_not_out_of_reach():
    silent = say(partner={"url": "http://192.168.1.3:8000/", "problem": "connection refused"})
    assert look(silent, dhcp4(active=False, ha=None, subnets=None)) == []


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        ({"192.168.1.0/24": {"id": 2, "pools": ["192.168.1.100-192.168.1.199"]}}, "dhcp2 it with id 2"),
        ({"192.168.1.0/24": {"id": 1, "pools": []}}, "dhcp2 it with id 1 and no pools"),
        ({**SUBNETS, "10.0.0.0/8": {"id": 2, "pools": []}}, "dhcp1 runs no such subnet"),
    ],
)
def test_running_subnets_differ(theirs, words):
    found = only(look(change2=dhcp4(subnets=theirs)))
    assert (found.id, found.severity, found.host) == ("P21", "warning", "dhcp1, dhcp2")
    assert found.value in theirs and words in found.text()


# ---------------------------------------------------------------------------------------------------------------------
# drift

FILE = {"file": ["valid-lifetime: was 43200, is 600"], "running": []}
RUNNING = {"file": [], "running": ["subnet4[1].pools[192.168.1.5-192.168.1.6]: new"]}


@pytest.mark.parametrize(("drift", "where"), [(FILE, "/etc/kea/kea-dhcp4.conf"), (RUNNING, "the server runs")])
def test_drift(drift, where):
    edited = dhcp4(drift=drift, digest="another")
    found = only(look(edited))
    assert (found.id, found.severity, found.host, found.variable) == ("P40", "error", "dhcp1", "kea_accept_drift")
    for words in (where, *drift["file"], *drift["running"], "-e kea_accept_drift=true"):
        assert words in found.text()
    assert look(edited, group={"kea_accept_drift": True}) == []


def test_what_a_run_of_ours_has_left_is_no_drift():
    def left(told):
        edited = dhcp4(drift=FILE, digest="another", marker=False)
        edited(told)
        told["journal"] = {"id": "control1-4711-8123456"}

    assert look(left) == []


def test_drift_of_the_agent():
    found = only(look(change2=lambda told: told["daemons"]["ctrl_agent"].update(drift=FILE, digest="another")))
    assert (found.id, found.host) == ("P40", "dhcp2")
    assert "/etc/kea/kea-ctrl-agent.conf" in found.text()


def test_a_file_that_says_what_is_wanted_needs_no_consent():
    """A run that was cut off after it has written the file, or a change by hand that is in the inventory now."""
    assert look(dhcp4(drift={**FILE, **RUNNING, "file": FILE["file"]}, marker=False)) == []


# ---------------------------------------------------------------------------------------------------------------------
# leases


def leases(**found):
    """Return a change: what the wanted subnets would do to leases."""
    return say(leases={"removed": [], "outside": [], "taken": [], "taken_count": 0, **found})


def test_subnet_with_leases_is_removed():
    gone = {"id": 2, "subnet": "192.168.20.0/24", "leases": 14}
    found = only(look(leases(removed=[dict(gone, leases=13)]), leases(removed=[gone])))
    assert (found.id, found.severity, found.host) == ("L01", "error", "dhcp1, dhcp2")
    assert (found.variable, found.value) == ("kea_subnets", "192.168.20.0/24")
    assert "14 leases in it are in use" in found.text() and "kea_allow_subnet_removal=true" in found.text()
    assert look(leases(removed=[gone]), group={"kea_allow_subnet_removal": True}) == []
    assert look(leases()) == []


def test_pool_shrinks_below_leases():
    lost = [f"192.168.1.{number}" for number in range(10, 14)]
    outside = [{"id": 1, "subnet": "192.168.1.0/24", "leases": 4, "of": 9, "addresses": lost}]
    found = only(look(leases(outside=outside)))
    assert (found.id, found.severity, found.host) == ("L02", "error", "dhcp1")
    assert (found.variable, found.value) == ("kea_subnets[0].pools", "192.168.1.100-192.168.1.199")
    assert "4 of 9 leases in use in 192.168.1.0/24 would be outside: 192.168.1.10, 192.168.1.11, 192.168.1.12, ..." in (
        found.text()
    )
    assert only(look(leases(outside=outside), group={"kea_preflight_ignore": ["L02"]})).severity == "info"


def test_reserved_address_is_leased_to_another():
    taken = {"id": 1, "address": "192.168.1.10", "reserved_for": "1a1b1c1d1e1f", "client": "02:00:00:00:00:07"}
    known = leases(taken=[dict(taken, hostname="tv", until=1795607042)], taken_count=1)
    found = only(look(known, known))
    assert (found.id, found.severity, found.host) == ("L03", "warning", "dhcp1, dhcp2")
    assert (found.variable, found.value) == ("kea_subnets[0].reservations", "192.168.1.10")
    assert "reserved for 1a:1b:1c:1d:1e:1f, but 02:00:00:00:00:07 (tv) has leased it until 2026-11-25 11:44 UTC" in (
        found.text()
    )
    found = look(leases(taken=[dict(taken, hostname="", until=1e11)], taken_count=4))
    assert "has leased it for ever" in found[0].text()
    assert (found[1].host, found[1].value) == ("dhcp1", "3 more")


# ---------------------------------------------------------------------------------------------------------------------
# other DHCP servers

ANSWER = {"interface": "enp0s8", "server": "192.168.1.1", "mac": "1a:00:00:00:00:01", "address": "192.168.1.50"}


def silent(told):
    """Nobody serves yet."""
    told.update(kea_info())


def test_another_server_answers_before_the_first_deployment():
    heard = {host: {"dhcp_probe": {"answers": [dict(ANSWER, relay=None)]}} for host in ADDRESSES}
    found = only(look(silent, silent, extra=heard))
    assert (found.id, found.severity, found.host, found.value) == ("L04", "error", "dhcp1, dhcp2", "192.168.1.1")
    for words in ("1a:00:00:00:00:01", "enp0s8", "192.168.1.50", "kea_known_dhcp_servers: [192.168.1.1]"):
        assert words in found.text()
    assert look(silent, silent, extra=heard, group={"kea_known_dhcp_servers": ["192.168.1.1"]}) == []
    # Where the pair serves, it is the pair that answers.
    assert look(silent, extra=heard) == []


def test_a_known_server_is_an_address():
    found = only(examine(group={"kea_known_dhcp_servers": ["192.168.1.1", "router"]}))
    assert (found.id, found.variable, found.value) == ("V03", "kea_known_dhcp_servers[1]", "router")


def test_a_server_behind_a_relay():
    heard = {"dhcp2": {"dhcp_probe": {"answers": [dict(ANSWER, relay="192.168.1.254")]}}}
    assert "through the relay 192.168.1.254" in only(look(silent, silent, extra=heard)).text()


def on_67(**entry):
    """Return a change: somebody has UDP port 67."""
    told = {
        "protocol": "udp",
        "address": "0.0.0.0",
        "port": 67,
        "process": "dnsmasq",
        "user": "root",
        "interface": None,
    }
    return say(sockets=[dict(told, **entry)])


@pytest.mark.parametrize(
    ("entry", "value", "words"),
    [
        ({}, "dnsmasq", "on all interfaces"),
        ({"process": "dhcpd"}, "dhcpd", "disable --now dhcpd"),
        ({"process": "systemd-network", "interface": "enp0s8"}, "systemd-network", "on enp0s8"),
        ({"address": "192.168.1.2"}, "dnsmasq", "on 192.168.1.2"),
        ({"process": None, "user": "dnsmasq"}, "a program of dnsmasq", "its service"),
    ],
)
def test_another_program_has_the_port_of_dhcp(entry, value, words):
    found = only(look(on_67(**entry)))
    assert (found.id, found.severity, found.host, found.value) == ("P43", "error", "dhcp1", value)
    assert words in found.text()


@pytest.mark.parametrize(
    "entry",
    [
        {"process": "kea-dhcp4"},
        {"process": None, "user": "_kea"},
        {"process": None, "user": None},
        {"interface": "virbr0"},
        {"address": "127.0.0.1"},
        {"port": 68},
        {"protocol": "tcp"},
    ],
)
def test_the_port_of_dhcp_is_not_taken(entry):
    assert look(on_67(**entry)) == []


def services(**values):
    """Return a change of what is told of services."""
    return lambda told: told["services"].update(values)


def test_a_server_that_starts_with_the_host():
    found = only(look(change2=services(dhcp={"isc-dhcp-server": False, "dnsmasq": False})))
    assert (found.id, found.severity, found.host, found.value) == ("P43", "warning", "dhcp2", "isc-dhcp-server")
    assert look(services(dhcp={"dnsmasq": True})) == []


def test_unattended_upgrades():
    found = only(look(services(upgrades=True)))
    assert (found.id, found.severity, found.host, found.value) == ("P43", "warning", "dhcp1", "unattended-upgrades")
    assert "Package-Blacklist" in found.text()


# ---------------------------------------------------------------------------------------------------------------------
# clocks


def ahead(seconds):
    """Return a change: the host's clock."""
    return lambda told: told.update(time=told["time"] + seconds, time_after=told["time_after"] + seconds)


@pytest.mark.parametrize(("seconds", "severity"), [(7, "warning"), (-7, "warning"), (40, "error"), (-40, "error")])
def test_clocks_differ(seconds, severity):
    found = look(change2=ahead(seconds))
    assert [(item.id, item.severity, item.host) for item in found] == [
        ("P34", severity, "dhcp1, dhcp2"),
        ("P34", "warning", "dhcp2"),
    ]
    assert f"dhcp1 is {abs(seconds) - 1} s {'behind' if seconds > 0 else 'ahead of'} that of dhcp2" in found[0].text()
    assert found[1].value in ("+7 s", "-7 s", "+40 s", "-40 s")


def test_a_host_that_answers_late_has_no_wrong_clock():
    assert look(say(time=1019.0, time_after=1020.0, answered=1020.5)) == []
    assert look(say(time=1000.1, time_after=1020.0, answered=1040.0)) == []
    assert look(ahead(5), ahead(5)) == []


def test_the_clock_of_the_controller():
    found = look(ahead(600), ahead(600))
    assert [(item.severity, item.host) for item in found] == [("warning", "dhcp1"), ("warning", "dhcp2")]
    assert "600 s ahead of the controller" in found[0].text()


def test_nobody_keeps_the_clock():
    found = only(look(services(time=[])))
    assert (found.id, found.severity, found.host) == ("P34", "warning", "dhcp1")
    # A container cannot set its clock, and need not.
    assert look(services(time=[], container="docker")) == []


# ---------------------------------------------------------------------------------------------------------------------
# disks and AppArmor


def disk(what, **values):
    """Return a change of what is told of a disk."""
    return lambda told: told["disks"][what].update(values)


@pytest.mark.parametrize(
    ("what", "values", "severity", "value", "words"),
    [
        ("leases", {"free": 12_000_000}, "error", "12 MB free", "Free 500 MB there"),
        ("leases", {"free": 2 * GB, "file_size": GB}, "error", "2000 MB free", "Free 3000 MB there"),
        ("logs", {"free": 12_000_000}, "warning", "12 MB free", "too little for logs"),
        ("leases", {"inodes_free": 49}, "error", "49 inodes free", "5 % of 1000"),
    ],
)
def test_disk_is_full(what, values, severity, value, words):
    found = only(look(disk(what, **values)))
    assert (found.id, found.severity, found.host, found.value) == ("P38", severity, "dhcp1", value)
    assert words in found.text() and found.variable in ("/var/lib/kea", "/var/log/kea")


def test_disk_is_not_full():
    assert look(disk("leases", free=500_000_000)) == []
    assert look(disk("logs", free=100_000_000)) == []
    # btrfs has no such limit.
    assert look(disk("leases", inodes=0, inodes_free=0)) == []


RULES = [
    ["/etc/kea/**", "r"],
    ["/var/lib/kea/kea-leases4.csv*", "rw"],
    ["/var/log/kea/kea-dhcp4.log", "rw"],
    ["/{tmp,run/kea}/kea4-ctrl-socket", "w"],
]


def test_apparmor_forbids_a_file():
    more = {"kea_dhcp4_extra": {"loggers": [{"name": "a", "output-options": [{"output": "/var/log/kea/leases.log"}]}]}}
    found = [item for item in look(say(apparmor_rules=RULES), group=more) if item.id == "P47"]
    assert [(item.severity, item.host, item.variable, item.value) for item in found] == [
        ("error", "dhcp1", "kea_dhcp4_extra", "/var/log/kea/leases.log")
    ]
    assert "/etc/apparmor.d/local/usr.sbin.kea-dhcp4" in found[0].text()
    moved = {"kea_dhcp4_extra": {"lease-database": {"name": "mine.csv"}}}
    assert [item.value for item in look(say(apparmor_rules=RULES), group=moved)] == ["/var/lib/kea/mine.csv"]


def test_apparmor_allows_what_is_there_by_default():
    assert look(say(apparmor_rules=RULES), say(apparmor_rules=RULES)) == []


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/var/log/kea/kea-dhcp4.log.[0-9]*", "/var/log/kea/kea-dhcp4.log.1", True),
        ("/{tmp,run/kea}/kea4-ctrl-socket", "/run/kea/kea4-ctrl-socket", True),
        ("/etc/kea/*", "/etc/kea/tls/key.pem", False),
        ("/etc/kea/**", "/etc/kea/tls/key.pem", True),
        ("/a/b.c", "/a/bxc", False),
        ("/a/?", "/a/b", True),
    ],
)
def test_path_rules_of_apparmor(pattern, path, expected):
    assert _checks_live._matches(pattern, path) is expected


def test_certificates_that_change_count_as_a_change():
    pair, _known = build(facts1=facts("192.168.1.2", info("dhcp1")), facts2=facts("192.168.1.3", info("dhcp2")))
    assert not _checks_live._changes(pair)
    pair.servers[1].certificates = Certificates("issue", "soon over")
    assert _checks_live._changes(pair)
