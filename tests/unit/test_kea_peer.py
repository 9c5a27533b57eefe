# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""kea_peer: the module against a small partner on 127.0.0.1, and its action plugin through ansible itself."""

from __future__ import annotations

import copy
import email.utils
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.keaops.kea.plugins.action import kea_peer as action
from ansible_collections.keaops.kea.plugins.module_utils import _api, _x509
from ansible_collections.keaops.kea.plugins.modules import kea_peer

pytest_plugins = ("servers",)

SECRET = "s3cret-of-the-pair"
ROOT = pathlib.Path(__file__).parents[2]


def config(name):
    """Return the running configuration of one server of a pair."""
    peers = [
        {"name": "dhcp1", "role": "primary", "url": "http://192.168.1.2:8000/", "basic-auth-password": SECRET},
        {"name": "dhcp2", "role": "standby", "url": "http://192.168.1.3:8000/", "basic-auth-password": SECRET},
    ]
    relationship = {"mode": "hot-standby", "this-server-name": name, "peers": peers}
    return {
        "hooks-libraries": [{"library": "libdhcp_ha.so", "parameters": {"high-availability": [relationship]}}],
        "subnet4": [{"id": 1, "subnet": "192.168.1.0/24", "pools": [{"pool": "192.168.1.100-192.168.1.199"}]}],
        "valid-lifetime": 43200,
    }


def state_of(name, state="hot-standby", version="2.6"):
    """Return the status of one server of the pair."""
    local = {"role": "standby" if name == "dhcp2" else "primary", "scopes": [], "state": state, "server-name": name}
    remote = {"role": "primary", "last-state": "hot-standby", "age": 1, "in-touch": True, "server-name": "dhcp1"}
    if version == "2.2":
        del local["server-name"], remote["server-name"]
    return {
        "pid": 1,
        "multi-threading-enabled": False,
        "high-availability": [{"ha-mode": "hot-standby", "ha-servers": {"local": local, "remote": remote}}],
    }


def heartbeat(ahead=0):
    date = email.utils.formatdate(time.time() + ahead, usegmt=True)
    return {"date-time": date, "state": "hot-standby", "scopes": [], "unsent-update-count": 0}


class Server:
    """The replies of one server, by command: arguments, or a (status, reply) to send as it is."""

    def __init__(self, name):
        self.replies = {
            "status-get": state_of(name),
            "config-get": {"Dhcp4": config(name), "hash": "00"},
            "ha-heartbeat": None,
            "version-get": (200, {"result": 0, "text": "2.6.3"}),
        }
        self.url = ""
        self.socket = ""

    @property
    def config(self):
        return self.replies["config-get"]["Dhcp4"]

    def answer(self, command):
        reply = self.replies.get(command, (200, {"result": 2, "text": "not supported"}))
        if command == "ha-heartbeat" and reply is None:
            reply = heartbeat()
        return reply if isinstance(reply, tuple) else (200, {"result": 0, "arguments": reply})


@pytest.fixture
def start_http(serve_http):
    """Start the HTTP API of a server: start_http(server, context=None) -> its URL."""

    def start(server, context=None):
        def answer(request, headers):
            status, reply = server.answer(request["command"])
            return status, [reply] if status == 200 else reply

        return serve_http(answer, context).url

    return start


@pytest.fixture
def partner(start_http):
    """The partner, dhcp2."""
    server = Server("dhcp2")
    server.url = start_http(server)
    return server


@pytest.fixture
def local(serve_socket):
    """The daemon of this host, dhcp1, on a UNIX socket."""
    server = Server("dhcp1")
    server.socket = serve_socket(lambda request: server.answer(request["command"])[1])
    return server


@pytest.fixture
def run(run_module, partner, local):
    """Run the module on dhcp1: run(**options) -> its result."""

    def start(**options):
        options = {"url": partner.url, "socket": local.socket, "local_name": "dhcp1", "server_name": "dhcp2", **options}
        result = run_module(kea_peer, options)
        assert result.pop("warnings") == []
        assert SECRET not in json.dumps(result)
        return result

    return start


def fails(result, kind, *words):
    assert result.get("failed"), result
    assert result["kind"] == kind, result["msg"]
    for word in words:
        assert word in result["msg"]


def test_a_good_partner(run, partner):
    assert run(states=["hot-standby"]) == {
        "changed": False,
        "url": partner.url,
        "server_name": "dhcp2",
        "role": "standby",
        "state": "hot-standby",
        "serving": False,
        "sees": "hot-standby",
        "version": "2.6.3",
        "local_version": "2.6.3",
        "clock_skew": 0.0,
        "config_checked": True,
        "config_reason": None,
        "compared": True,
        "differences": [],
        "difference_count": 0,
        "ha_url": "http://192.168.1.3:8000/",
        "lease_difference": None,
    }


def test_drift_is_listed_with_values(run, partner):
    partner.config["valid-lifetime"] = 7200
    partner.config["subnet4"][0]["pools"] = []
    result = run()
    fails(
        result,
        "drift",
        f"dhcp1: dhcp2 at {partner.url}: its running configuration differs from that of dhcp1 in 2 places.",
        "\n  subnet4[1].pools[192.168.1.100-192.168.1.199]: only on dhcp1",
        "\n  valid-lifetime: 43200 on dhcp1, 7200 on dhcp2",
    )
    assert result["difference_count"] == 2
    assert result["differences"][1] == {
        "path": "valid-lifetime",
        "only_on": None,
        "local": 43200,
        "partner": 7200,
        "text": "valid-lifetime: 43200 on dhcp1, 7200 on dhcp2",
    }


def test_many_differences_are_cut_short(run, local):
    local.config["subnet4"] += [{"id": number, "subnet": f"10.0.{number}.0/24"} for number in range(2, 200)]
    result = run()
    fails(result, "drift", "in 198 places", "\n  and 188 more")
    assert (result["difference_count"], len(result["differences"])) == (198, 100)


def test_compare_off_needs_no_local_daemon(run, partner, tmp_path):
    partner.config["valid-lifetime"] = 7200
    result = run(compare=False, socket=str(tmp_path / "none"))
    assert not result.get("failed")
    assert (result["compared"], result["config_checked"]) == (False, True)


def test_the_entry_of_the_right_peer_among_three(run, partner, local):
    backup = {"name": "dhcp0", "role": "backup", "url": "http://192.168.1.4:8000/"}
    for server in (partner, local):
        peers = server.config["hooks-libraries"][0]["parameters"]["high-availability"][0]["peers"]
        peers.insert(0, dict(backup))
    assert run()["ha_url"] == "http://192.168.1.3:8000/"


def test_another_server_there(run, partner):
    fails(run(server_name="dhcp9"), "wrong_server", "calls itself dhcp2, not dhcp9")


def test_the_url_leads_back(run, partner):
    partner.replies["config-get"] = {"Dhcp4": config("dhcp1")}
    fails(run(), "wrong_server", "calls itself dhcp1 as the one on this host does")


@pytest.mark.parametrize(
    "command, arguments",
    [("status-get", {"pid": 9, "uptime": 1}), ("config-get", {"Control-agent": {}}), ("config-get", {"Dhcp6": {}})],
)
def test_another_daemon_there(run, partner, command, arguments):
    partner.replies[command] = arguments
    fails(run(), "wrong_daemon", "instead of Dhcp4")


def test_agent_without_its_daemon(run, partner):
    text = (
        "unable to forward command to the dhcp4 service: No such file or directory. The server is likely to be offline"
    )
    partner.replies["status-get"] = (200, {"result": 1, "text": text})
    fails(run(), "offline", "The Control Agent runs but the daemon behind it does not")


def test_partner_without_ha(run, partner):
    del partner.replies["status-get"]["high-availability"]
    fails(run(), "no_ha", "may serve nobody")


def test_wrong_password(run, partner):
    partner.replies["status-get"] = (401, {"result": 401, "text": "Unauthorized"})
    fails(run(user="kea-api", password=SECRET), "unauthorized", "dhcp1: dhcp2 at http://127.0.0.1:", "is wrong")


def test_refused(run):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/"
        fails(run(url=url), "refused", f"dhcp1: dhcp2 at {url}: connection refused")


def test_local_daemon_down(run, tmp_path):
    fails(run(socket=str(tmp_path / "none")), "local", "dhcp1: the daemon on this host, to compare with: unix:")


@pytest.mark.parametrize("ahead, word", [(45, "ahead of"), (-45, "behind")])
def test_clock(run, partner, ahead, word):
    partner.replies["ha-heartbeat"] = heartbeat(ahead)
    result = run()
    fails(result, "clock_skew", word, "30 s are allowed", "NTP")
    assert 42 <= abs(result["clock_skew"]) <= 46
    assert not run(max_clock_skew=60).get("failed")


def test_state(run, partner):
    partner.replies["status-get"] = state_of("dhcp2", "waiting")
    fails(
        run(states=["hot-standby", "ready"]),
        "state",
        "should be in state hot-standby or ready",
        "standby in state waiting",
    )


class TestRestrictedListener:
    @pytest.fixture(autouse=True)
    def restrict(self, partner):
        for command in ("config-get", "version-get"):
            partner.replies[command] = (403, {"result": 403, "text": "Forbidden"})

    def test_the_rest_is_proven(self, run):
        result = run(states=["hot-standby"])
        assert not result.get("failed")
        assert (result["config_checked"], result["compared"], result["version"]) == (False, False, None)
        assert "config-get is forbidden there (HTTP 403)" in result["config_reason"]
        assert (result["server_name"], result["clock_skew"]) == ("dhcp2", 0.0)
        fails(run(server_name="dhcp3"), "wrong_server")

    def test_kea_22_tells_the_role_alone(self, run, partner):
        partner.replies["status-get"] = state_of("dhcp2", version="2.2")
        assert not run().get("failed")
        partner.replies["status-get"] = state_of("dhcp1", version="2.2")
        fails(run(), "wrong_server", "is the primary, and dhcp2 should be the standby")

    def test_config_url(self, run, start_http):
        other = Server("dhcp2")
        other.config["valid-lifetime"] = 1
        url = start_http(other)
        fails(run(config_url=url), "drift", "valid-lifetime")

    def test_config_url_of_another_server(self, run, start_http):
        fails(run(config_url=start_http(Server("dhcp7"))), "wrong_server", "calls itself dhcp7")

    def test_expectations_need_the_configuration(self, run):
        fails(run(expect=[{"query": "Dhcp4", "equals": 1}]), "expectation", "Set config_url")


class TestNoApiOnTheNetwork:
    """``kea_api: none``: the configuration is read on the partner itself, and handed in."""

    @pytest.fixture(autouse=True)
    def restrict(self, partner):
        for command in ("config-get", "version-get"):
            partner.replies[command] = (403, {"result": 403, "text": "Forbidden"})

    @pytest.fixture
    def told(self):
        """What kea_ha_info returned on the partner, with the secrets hidden and much more in it."""
        arguments = _api.hide_secrets({"Dhcp4": config("dhcp2"), "hash": "00"})
        return {"changed": False, "state": "hot-standby", "pid": 1, "version": "2.6.3", "config": arguments}

    def test_the_configurations_are_compared(self, run, told):
        result = run(partner_info=told, states=["hot-standby"])
        assert not result.get("failed"), result
        assert (result["config_checked"], result["compared"], result["config_reason"]) == (True, True, None)
        assert (result["version"], result["difference_count"]) == ("2.6.3", 0)
        told["config"]["Dhcp4"]["valid-lifetime"] = 7200
        fails(run(partner_info=told), "drift", "valid-lifetime: 43200 on dhcp1, 7200 on dhcp2")

    def test_secrets_that_were_hidden_are_no_difference(self, run, told, local):
        local.config["tsig-keys"] = [{"secret": SECRET}]
        told["config"]["Dhcp4"]["tsig-keys"] = [{"secret": _api.HIDDEN}]
        assert run(partner_info=told)["difference_count"] == 0

    def test_the_url_is_proven_all_the_same(self, run, told, partner):
        partner.replies["status-get"] = state_of("dhcp2", "waiting")
        fails(run(partner_info=told, states=["hot-standby"]), "state", "standby in state waiting")

    def test_another_process_answers(self, run, told):
        told["pid"] = 2
        fails(run(partner_info=told), "wrong_server", "the process 1 answers there", "of the process 2")

    def test_another_server_answers(self, run, told):
        told["config"] = {"Dhcp4": config("dhcp7")}
        fails(run(partner_info=told), "wrong_server", "calls itself dhcp7")

    @pytest.mark.parametrize("config", [None, {}, {"Dhcp6": {}}, "secret"])
    def test_without_a_configuration(self, run, told, config):
        told["config"] = config
        fails(run(partner_info=told), "option", "partner_info has no Dhcp4", "config: true")

    def test_config_url_comes_first(self, run, told, start_http):
        told["config"]["Dhcp4"]["valid-lifetime"] = 7200
        assert not run(partner_info=told, config_url=start_http(Server("dhcp2"))).get("failed")

    def test_expectations(self, run, told):
        result = run(partner_info=told, expect=[{"query": "Dhcp4", "equals": 1}])
        assert result["reply"]["Dhcp4"]["valid-lifetime"] == 43200


class TestTls:
    """The whole of it is in test_api.py; here is what the module makes of it."""

    @pytest.fixture
    def files(self, pki):
        return {"ca_path": pki("ca.pem"), "client_cert": pki("client.pem"), "client_key": pki("client.key")}

    def test_the_certificate_of_the_partner(self, run, partner, start_http, pki, files):
        url = start_http(partner, pki.context("server", client_certs=True))
        result = run(url=url, **files)
        assert not result.get("failed"), result
        known = _x509.first_of((pki.folder / "server.pem").read_bytes())
        assert result["certificate"] == known.as_dict(time.time())
        assert result["certificate"]["days_left"] == 0

    def test_a_certificate_that_is_no_good_is_told_all_the_same(self, run, partner, start_http, pki, files):
        result = run(url=start_http(partner, pki.context("expired")), **files)
        fails(result, "tls_expired", "dhcp1: dhcp2 at https://127.0.0.1:", "has expired", "Renew it")
        assert result["certificate"]["days_left"] == -2

    def test_one_of_another_server(self, run, partner, start_http, pki, files):
        fails(run(url=start_http(partner, pki.context("wrong-name")), **files), "tls_name", "'127.0.0.1'")

    def test_a_file_that_is_missing(self, run, pki, files):
        files["ca_path"] = pki("nope")
        fails(run(url="https://127.0.0.1:1/", **files), "tls_files", f"ca_path {pki('nope')} cannot be used")

    def test_config_url_without_tls(self, run, partner, start_http, pki, files):
        url = start_http(partner, pki.context("server", client_certs=True))
        assert not run(url=url, config_url=partner.url, **files).get("failed")


def test_the_reply_for_the_expectations_has_no_secrets(run, partner):
    result = run(expect=[{"query": "Dhcp4", "equals": 1}])
    assert result["reply"]["Dhcp4"]["valid-lifetime"] == 43200
    assert "reply" not in run()


class TestExpectations:
    REPLY = {"Dhcp4": {"valid-lifetime": 43200, "authoritative": True, "subnet4": [{"id": 1, "subnet": "10.0.0.0/8"}]}}

    def found(self, query, equals):
        expect = [{"query": query, "equals": equals}]
        return action.evaluate(expect, action.compile_queries(expect), copy.deepcopy(self.REPLY))[0]

    @pytest.mark.parametrize(
        "query, equals, ok",
        [
            ('Dhcp4."valid-lifetime"', 43200, True),
            ('Dhcp4."valid-lifetime"', "43200", True),
            ('Dhcp4."valid-lifetime"', 43201, False),
            ("Dhcp4.authoritative", True, True),
            ("Dhcp4.authoritative", "True", True),
            ("Dhcp4.authoritative", 1, False),
            ("Dhcp4.subnet4[?id==`1`].subnet", ["10.0.0.0/8"], True),
            ("Dhcp4.nosuch", None, True),
            ("Dhcp4.nosuch", "", False),
        ],
    )
    def test_values(self, query, equals, ok):
        assert self.found(query, equals)["ok"] is ok

    def test_text_of_a_failure(self):
        assert (
            action.describe(self.found('Dhcp4."valid-lifetime"', 1))
            == 'Dhcp4."valid-lifetime" should be 1 and is 43200'
        )
        assert action.describe(self.found("length(Dhcp4.nosuch)", 1)).startswith(
            "length(Dhcp4.nosuch) cannot be evaluated: "
        )

    @pytest.mark.parametrize(
        "expect, words",
        [
            ([{"query": "Dhcp4.valid-lifetime", "equals": 1}], "stand in double quotes"),
            ([{"query": "Dhcp4["}], r"expect\[0\] is not a mapping with query and equals"),
            ([{"query": "Dhcp4[", "equals": 1}], "is not JMESPath"),
            (["Dhcp4"], "is not a mapping"),
        ],
    )
    def test_bad_expectations(self, expect, words):
        with pytest.raises(AnsibleActionFail, match=words):
            action.compile_queries(expect)

    def test_without_the_library(self, monkeypatch):
        monkeypatch.setattr(action, "HAS_JMESPATH", False)
        with pytest.raises(AnsibleActionFail, match="pip install jmespath"):
            action.compile_queries([{"query": "a", "equals": 1}])
        assert action.compile_queries([]) == []


class TestThroughAnsible:
    @pytest.fixture
    def ansible(self, tmp_path, partner, local):
        """Run the module by ``ansible`` on a host dhcp1 that is this one: ansible(**options) -> its result."""
        inventory = tmp_path / "hosts"
        inventory.write_text(f"dhcp1 ansible_connection=local ansible_python_interpreter={sys.executable}\n")

        def start(**options):
            options = {"url": partner.url, "socket": local.socket, "server_name": "dhcp2", **options}
            command = [
                sys.executable,
                "-m",
                "ansible",
                "adhoc",
                "dhcp1",
                "-i",
                str(inventory),
                "--tree",
                str(tmp_path / "out"),
            ]
            command += ["-m", "keaops.kea.kea_peer", "-a", json.dumps(options)]
            environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_LOCAL_TEMP=str(tmp_path))
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
            result = tmp_path / "out" / "dhcp1"
            assert result.exists(), done.stdout + done.stderr
            return dict(json.loads(result.read_text()), failed=done.returncode != 0)

        return start

    def test_expectations_and_the_name_of_the_host(self, ansible, partner):
        good = {"query": 'Dhcp4."valid-lifetime"', "equals": 43200}
        result = ansible(expect=[good])
        assert not result["failed"]
        assert result["expectations"] == [dict(good, found=43200, ok=True)]
        assert "reply" not in result
        result = ansible(expect=[good, {"query": "Dhcp4.subnet4[0].id", "equals": 2}])
        fails(result, "expectation", f"dhcp1: dhcp2 at {partner.url}: Dhcp4.subnet4[0].id should be 2 and is 1.")
        assert "reply" not in result


def lease(address, age=100, **changes):
    now = int(time.time())
    body = {"ip-address": address, "hw-address": "1a:1b:1c:1d:1e:1f", "subnet-id": 1, "state": 0}
    return {**body, "cltt": now - age, "valid-lft": 4000, **changes}


def page(*leases):
    return {"leases": list(leases), "count": len(leases)}


def test_leases_are_compared(run, partner, local, monkeypatch):
    monkeypatch.setattr(kea_peer, "LOOK_AGAIN", 0.01)
    for server in (partner, local):
        server.replies["lease4-get-page"] = page(lease("192.168.1.100"), lease("192.168.1.101"))
    assert run(leases=True)["lease_difference"] == []
    local.replies["lease4-get-page"] = page(lease("192.168.1.100"), lease("192.168.1.101"), lease("192.168.1.9"))
    result = run(leases=True)
    fails(result, "leases", "it knows 1 lease differently from dhcp1: 192.168.1.9. Run recover.yml: each copies")
    assert result["lease_difference"] == ["192.168.1.9"]
    assert run()["lease_difference"] is None


@pytest.mark.parametrize(
    ("version", "uptime", "found"),
    [("2.2.0", 90, []), ("2.2.0", 110, ["192.168.1.9"]), ("2.4.1", 90, ["192.168.1.9"])],
)
def test_a_lease_that_was_released_is_no_difference_below_kea_24(
    run, partner, local, monkeypatch, version, uptime, found
):
    """It is 100 s old: given before the server that has it was started, or since then."""
    monkeypatch.setattr(kea_peer, "LOOK_AGAIN", 0.01)
    for server in (partner, local):
        server.replies["version-get"] = (200, {"result": 0, "text": version})
    local.replies["status-get"]["uptime"] = uptime
    local.replies["lease4-get-page"] = page(lease("192.168.1.9"))
    partner.replies["lease4-get-page"] = page()
    assert run(leases=True)["lease_difference"] == found


def test_leases_are_looked_at_again_before_they_are_called_different(run, partner, local, monkeypatch):
    monkeypatch.setattr(kea_peer, "LOOK_AGAIN", 0.01)
    local.replies["lease4-get-page"] = page(lease("192.168.1.100"))
    replies = [page(), page(), page(lease("192.168.1.100"))]
    real = partner.answer

    def answer(command):
        return (200, {"result": 0, "arguments": replies.pop(0)}) if command == "lease4-get-page" else real(command)

    monkeypatch.setattr(partner, "answer", answer)
    assert run(leases=True)["lease_difference"] == [] and replies == []


def test_leases_that_may_not_be_asked_for_are_not_compared(run, partner, local):
    local.replies["lease4-get-page"] = page(lease("192.168.1.100"))
    partner.replies["lease4-get-page"] = (403, {"result": 403, "text": "Forbidden"})
    assert run(leases=True)["lease_difference"] is None
