# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import certs
import pytest
from ansible_collections.keaops.kea.plugins.filter import report as filters
from ansible_collections.keaops.kea.plugins.module_utils._report import Entry, expiry, status_lines, summary_lines


def info(state="hot-standby", serving=True, **more):
    return {
        "state": state,
        "mode": "hot-standby",
        "serving": serving,
        "version": "2.6.3",
        "leases": {"assigned": 3, "total": 100, "counted": True},
        "partner": {"age": 1, "interrupted": False, "state": "hot-standby"},
        **more,
    }


def test_a_healthy_pair():
    lines = status_lines(
        [
            Entry("dhcp2", "kea", "standby", info(serving=False), drift=False),
            Entry("dhcp1", "kea", "primary", info(), drift=False),
        ]
    )
    assert lines[0] == "pair kea: healthy, dhcp1 serves"
    assert lines[1].split("  ")[1:4] == ["dhcp1", "primary", "hot-standby"]
    assert "leases 3 of 100" in lines[1]
    assert "partner seen 1 s ago" in lines[1]
    assert "Kea 2.6.3" in lines[1]
    assert "as the inventory says" in lines[1]
    assert "stands by" in lines[2]


def test_a_server_that_is_down_is_named_with_its_reason():
    partner = {"age": 70, "interrupted": True, "state": "unavailable"}
    lines = status_lines(
        [
            Entry("dhcp1", "kea", "primary", None, problem="does not run: no socket"),
            Entry("dhcp2", "kea", "standby", info("partner-down", partner=partner), drift=True),
        ]
    )
    assert lines[0] == "pair kea: NOT healthy, dhcp2 serves"
    assert lines[1] == "  dhcp1  primary  does not run: no socket"
    assert "partner seen 70 s ago (unavailable)" in lines[2]
    assert "DIFFERS from the inventory" in lines[2]


def test_a_pair_that_has_ended_high_availability_is_told_why_and_what_to_do():
    ended = [Entry("dhcp1", "kea", "primary", info("terminated")), Entry("dhcp2", "kea", "standby", info("terminated"))]
    lines = status_lines(ended)
    assert lines[3] == (
        "  high availability has ended: the clocks differ by more than 60 s, or lease updates were rejected. Set both "
        "clocks by NTP, then run recover.yml"
    )
    assert not any("has ended" in line for line in status_lines([Entry("dhcp1", "kea", "primary", info())]))


def test_leases_that_were_not_counted():
    counts = {"assigned": 12000, "total": 20000, "counted": False}
    assert "leases about 12000 of 20000" in status_lines([Entry("dhcp1", "kea", "primary", info(leases=counts))])[1]


def shown(days, serial="1F4C02B7", not_after="2027-02-22T10:00:00Z"):
    return {"days_left": days, "serial": serial, "not_after": not_after, "fingerprint": "00"}


@pytest.mark.parametrize(
    "days, more, words",
    [
        (61, {"authorities": 1}, "61 days left (until 2027-02-22, serial 1F4C02B7), trusts 1 CA"),
        (1, {"authorities": 1, "renew_before": 1}, "1 day left (until 2027-02-22, serial 1F4C02B7), trusts 1 CA"),
        (30, {"authorities": 3}, "30 days left (until 2027-02-22, serial 1F4C02B7), trusts 3 CAs"),
        (
            29,
            {"authorities": 1},
            "29 days left (until 2027-02-22, serial 1F4C02B7), trusts 1 CA; renew it: run site.yml",
        ),
        (
            6,
            {"authorities": 1},
            "6 days left (until 2027-02-22, serial 1F4C02B7), trusts 1 CA; RENEW IT NOW: run site.yml",
        ),
        (-1, {"authorities": 1}, "EXPIRED on 2027-02-22 (serial 1F4C02B7), trusts 1 CA; RENEW IT NOW: run site.yml"),
        (
            61,
            {"authorities": 2, "rotating": True},
            "61 days left (until 2027-02-22, serial 1F4C02B7), trusts 2 CAs: a rotation of the CA is under way, "
            "rotate_certs.yml ends it",
        ),
    ],
)
def test_certificate_of_a_server_that_is_down(days, more, words):
    entry = Entry("dhcp1", "kea", "primary", None, problem="does not run", certificate=shown(days), **more)
    assert status_lines([entry])[2:] == [f"  dhcp1  certificate: {words}"]


def test_ports_are_named_only_when_something_is_wrong_with_them():
    ports = [
        {"port": 8000, "what": "HA", "current": False, "problem": None, "serial": "0A"},
        {"port": 8001, "what": "API", "current": None, "problem": "https://192.168.1.2:8001/: connection refused."},
        {"port": 8002, "what": "API", "current": True, "problem": None, "serial": "0B"},
    ]
    entry = Entry("dhcp1", "kea", "primary", info(certificates=ports), certificate=shown(61), authorities=1)
    assert status_lines([entry])[3:] == [
        "  dhcp1  port 8000 (HA) still serves serial 0A: run site.yml",
        "  dhcp1  port 8001 (API): https://192.168.1.2:8001/: connection refused.",
    ]


def test_without_tls_there_is_no_word_of_it():
    assert len(status_lines([Entry("dhcp1", "kea", "primary", info())])) == 2


@pytest.mark.parametrize(
    "days, renew_before, urgency",
    [
        (30, 30, ""),
        (29, 30, "warning"),
        (7, 30, "warning"),
        (6, 30, "error"),
        (6, 5, ""),
        (4, 5, "error"),
        (-1, 0, "error"),
    ],
)
def test_expiry(days, renew_before, urgency):
    found, sentence = expiry("dhcp1", shown(days), renew_before)
    assert found == urgency
    assert sentence.startswith("dhcp1: certificate: ") if urgency else sentence == ""


class TestFilters:
    """From registered results to entries."""

    LINK = {"mode": "hot-standby", "addresses": ["http://192.168.1.2:8000/"]}

    def host(self, tls=None, plan=None, link=None):
        info = {"tls": tls, "daemons": {"dhcp4": {"link": link}}, "packages": {}}
        return {"__kea_host_info": info, "__kea_plan": plan or {}, "kea_ha_role": "primary"}

    def test_certificate_and_authorities(self):
        authority = certs.authority()
        tls = {"certificate": certs.leaf(issuer=authority).text, "trust": [authority.text] * 2}
        own = {"tls": {"source": "ownca", "renew_before": 0}}
        (line,) = filters.status({"dhcp1": self.host(tls, own)}, ["dhcp1"])[2:]
        serial = f"{certs.leaf(issuer=authority).certificate.serial_number:X}"
        assert serial in line
        assert "trusts 2 CAs: a rotation of the CA is under way" in line
        (line,) = filters.status({"dhcp1": self.host(tls, {"tls": {"source": "files", "renew_before": 0}})}, ["dhcp1"])[
            2:
        ]
        assert "trusts 2 CAs" in line
        assert "rotation" not in line

    @pytest.mark.parametrize("tls", [None, {}, {"certificate": None, "trust": []}, {"certificate": "no PEM"}])
    def test_without_a_certificate(self, tls):
        assert len(filters.status({"dhcp1": self.host(tls)}, ["dhcp1"])) == 2

    @pytest.mark.parametrize(
        "kind, words", [("no_socket", "does not run or does not answer: why"), ("option", "not known: why")]
    )
    def test_why_nothing_is_known(self, kind, words):
        hostvars = {"dhcp1": dict(self.host(), __kea_state={"msg": "why", "kind": kind, "failed": False})}
        assert words in filters.status(hostvars, ["dhcp1"])[1]

    def plan(self, **changes):
        peers = [{"name": "server1", "url": "http://192.168.1.2:8000/", "role": "primary"}]
        relationship = {"mode": "hot-standby", "peers": peers, **changes}
        hook = {"library": "libdhcp_ha.so", "parameters": {"high-availability": [relationship]}}
        return {"daemons": {"dhcp4": {"content": {"Dhcp4": {"hooks-libraries": [hook]}}}}}

    def test_what_would_change_between_the_two(self):
        hostvars = {
            "dhcp1": self.host(plan=self.plan(), link=dict(self.LINK)),
            "dhcp2": self.host(plan=self.plan(mode="load-balancing"), link=dict(self.LINK)),
            "new": self.host(plan=self.plan(mode="load-balancing"), link=None),
        }
        assert filters.link_changes(hostvars, ["dhcp1", "new"]) == []
        assert filters.link_changes(hostvars, ["dhcp1", "dhcp2"]) == ["mode of dhcp2"]
        hostvars["dhcp1"] = self.host(plan=self.plan(), link=dict(self.LINK, addresses=["https://192.168.1.2:8000/"]))
        assert filters.link_changes(hostvars, ["dhcp1"]) == ["addresses of dhcp1"]


def test_nobody_serves():
    assert status_lines([Entry("dhcp1", "kea", "primary", None)])[0] == "pair kea: NOT healthy, NOBODY serves"


def test_summary_tells_what_changed_and_what_is_served():
    subnets = [
        {"subnet": "192.168.1.0/24", "pools": [{"pool": "192.168.1.100-192.168.1.199"}], "reservations": [{}, {}]}
    ]
    lines = summary_lines(
        [
            Entry(
                "dhcp1",
                "kea",
                "primary",
                info(),
                address="192.168.1.2",
                subnets=subnets,
                done=["packages", "dhcp4 started"],
            ),
            Entry("dhcp2", "kea", "standby", info(serving=False), address="192.168.1.3", subnets=subnets),
        ]
    )
    assert lines[0] == "pair kea: healthy, dhcp1 serves"
    assert "192.168.1.2" in lines[1]
    assert "changed: packages, dhcp4 started" in lines[1]
    assert "nothing changed" in lines[2]
    assert lines[3] == "  subnet 192.168.1.0/24: pools 192.168.1.100-192.168.1.199, 2 reservations"


def test_summary_tells_each_change_once():
    change = ["valid-lifetime: was 1, is 2"]
    lines = summary_lines([Entry(host, "kea", None, info(), done=["x"], changes=change) for host in ("dhcp1", "dhcp2")])
    assert lines[3:] == ["  changed: valid-lifetime: was 1, is 2"]
