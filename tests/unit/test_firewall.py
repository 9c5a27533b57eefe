# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may reach Kea's ports: the rules, what is refused, and how they get into force on a host."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import socket
import subprocess
import sys

import pytest
import yaml
from ansible_collections.keaops.kea.plugins.module_utils import _apply, _firewall, _nft
from ansible_collections.keaops.kea.plugins.modules import kea_firewall
from programs import ROOT

OWN, PARTNER = "192.168.1.2", "192.168.1.3"
LISTENER = [
    {"port": 8000, "tls": True, "what": "HA", "daemon": "dhcp4"},
    {"port": 8001, "tls": True, "what": "API", "daemon": "dhcp4"},
]
AGENT = [{"port": 8000, "tls": False, "what": "HA", "daemon": "ctrl_agent"}]
LINK = {"address": OWN, "port": 8000, "admitted": [PARTNER]}


def rules(ports=LISTENER, partner=(PARTNER,), management=(), own=OWN):
    return _firewall.rules(ports, partner, management, own)


# ---------------------------------------------------------------------------------------------------------------------
# what the rules do


class Table:
    """Reads the few forms of nft's that ``rules`` writes, and says what becomes of a new connection."""

    def __init__(self, text):
        chains = re.findall(r"chain (\w+) {\n(.*?)\n\t}", text, re.DOTALL)
        self.chains = {name: [line.strip() for line in body.split("\n")] for name, body in chains}
        hook = self.chains["input"].pop(0)
        assert hook == "type filter hook input priority 0; policy accept;"

    def admits(self, source, target, port, interface="eth0"):
        return self._run("input", source, target, port, interface) != "drop"

    def _run(self, chain, source, target, port, interface):
        for line in self.chains[chain]:
            line = re.sub(r' comment ".*"$', "", line)
            words = re.sub(r"{ (.*?) }", lambda match: match.group(1).replace(", ", ","), line).split()
            verdict = words.pop()
            if verdict == "kea":
                assert words.pop() == "jump"
                verdict = "jump"
            if words and words[-1] == "counter":
                words.pop()
            if not self._matches(words, source, target, port, interface):
                continue
            if verdict == "jump":
                verdict = self._run("kea", source, target, port, interface)
            if verdict:
                return verdict
        return None

    @staticmethod
    def _matches(words, source, target, port, interface):
        while words:
            if words[0] == "iifname":
                _word, value, *words = words
                if value.strip('"') != interface:
                    return False
                continue
            protocol, field, value, *words = words
            if (protocol, field) == ("tcp", "dport"):
                if str(port) not in value.split(","):
                    return False
                continue
            version = {"ip": 4, "ip6": 6}[protocol]
            address = ipaddress.ip_address({"saddr": source, "daddr": target}[field])
            networks = [ipaddress.ip_network(item) for item in value.split(",")]
            if address.version != version or not any(address in network for network in networks):
                return False
        return True


@pytest.mark.parametrize(
    ("source", "port", "admitted"),
    [
        (PARTNER, 8000, True),
        (PARTNER, 8001, True),
        ("192.168.1.50", 8000, False),
        ("192.168.1.50", 8001, True),
        ("10.20.0.200", 8001, True),
        ("10.20.1.1", 8001, False),
        ("192.168.1.77", 8000, False),
        ("192.168.1.77", 8001, False),
        # nobody's business of ours
        ("192.168.1.77", 22, True),
        ("192.168.1.77", 8002, True),
        ("192.168.1.77", 67, True),
    ],
)
def test_who_is_admitted(source, port, admitted):
    table = Table(rules(management=["192.168.1.50", "10.20.0.0/24"]))
    assert table.admits(source, OWN, port) is admitted


def test_the_host_itself_and_its_other_addresses_are_let_be():
    table = Table(rules())
    assert table.admits(OWN, OWN, 8001, interface="lo")
    assert not table.admits(OWN, OWN, 8001), "somebody else who says he is this host"
    assert table.admits("10.0.0.9", "10.0.0.1", 8000), "another program, at another address of the host"


def test_behind_the_agents_port_is_the_api():
    table = Table(rules(AGENT, management=["192.168.1.50"]))
    assert table.admits("192.168.1.50", OWN, 8000) and table.admits(PARTNER, OWN, 8000)
    assert not table.admits("192.168.1.77", OWN, 8000)
    assert "8001" not in rules(AGENT)


def test_ipv6():
    text = rules(partner=["fd00::3"], management=["fd00:1::/64", "192.168.1.50"], own="fd00::2")
    table = Table(text)
    assert table.admits("fd00::3", "fd00::2", 8000) and table.admits("fd00:1::9", "fd00::2", 8001)
    assert not table.admits("fd00::9", "fd00::2", 8000) and not table.admits("fd00::9", "fd00::2", 8001)
    assert "192.168" not in text, "addresses that can never be a source there are not accepted beside others"


def test_the_text_depends_on_what_is_meant_alone():
    one = rules(management=["10.0.0.0/8", "192.168.1.50", "10.1.0.0/16", "192.168.1.50"])
    assert one == rules(list(reversed(LISTENER)), management=["192.168.1.50", "10.0.0.0/8"])
    assert "10.1.0.0" not in one, "nft refuses overlaps in one set"


def test_the_file_replaces_our_table_and_touches_no_other():
    statements = [line for line in rules().splitlines() if line and not line.startswith("#")]
    assert statements[:3] == ["table inet keaops", "delete table inet keaops", "table inet keaops {"]
    assert "flush" not in rules() and rules().count("table ") == 3


def test_without_a_partner_there_are_no_rules():
    with pytest.raises(ValueError, match="would cut the pair"):
        rules(partner=[])


# A network of its own: nothing is loaded on this machine, and no right to do so is needed.
ALONE = ["unshare", "--user", "--map-root-user", "--net"]


@pytest.fixture(scope="module")
def nft():
    """The real nft; the lab's hosts have it, a developer's machine need not."""
    program = shutil.which("nft", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not program or not shutil.which("unshare") or subprocess.run([*ALONE, "true"], check=False).returncode:
        pytest.skip("nft is not installed here, or not allowed")
    return [*ALONE, program]


@pytest.mark.parametrize(
    "text",
    [
        rules(management=["0.0.0.0/0"]),
        rules(AGENT, management=["10.0.0.0/8", "192.168.1.50"]),
        rules(partner=["fd00::3"], management=["fd00:1::/64"], own="fd00::2"),
        _firewall.EMPTY,
    ],
)
def test_nft_takes_the_rules(nft, text, tmp_path):
    file = tmp_path / "keaops.nft"
    file.write_text(text, encoding="utf-8")
    done = subprocess.run([*nft, "-c", "-f", str(file)], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------------------------------------------------------------
# where the partner's connections come from


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([], [PARTNER]),
        (["192.168.1.3/24"], [PARTNER]),
        (["192.168.1.20/24", "192.168.1.3/24"], [PARTNER, "192.168.1.20"]),
        # not on the way
        (["172.17.0.1/16", "192.168.1.3/24", "127.0.0.1/8"], [PARTNER]),
    ],
)
def test_all_addresses_that_the_partner_may_send_from_are_admitted(addresses, expected):
    assert _firewall.sources(PARTNER, {"eth0": {"up": True, "ipv4": addresses}}, OWN) == expected


# ---------------------------------------------------------------------------------------------------------------------
# what is wrong


def problems(mode="nftables", ports=LISTENER, management=(), own=OWN, ssh_ports=()):
    return list(_firewall.problems(mode, ports, own, list(management), ssh_ports))


def test_sound_ones_are_not_reported():
    assert problems(management=["192.168.1.50", "10.20.0.0/24"]) == []
    assert problems("none") == problems("snippet") == []
    assert problems(own=None, management=["192.168.1.50"]) == []


@pytest.mark.parametrize("mode", ["nftables", "snippet"])
@pytest.mark.parametrize(
    ("number", "variable", "ssh_ports"),
    [(22, "kea_ha_port", ()), (2200, "kea_ha_port", [2200]), (22, "kea_api_port", ())],
)
def test_ssh_is_not_shut_out(mode, number, variable, ssh_ports):
    what = "HA" if variable == "kea_ha_port" else "API"
    ports = [dict(port, port=number) if port["what"] == what else port for port in LISTENER]
    [found] = problems(mode, ports, ssh_ports=ssh_ports)
    assert (found.severity, found.variable, found.value) == ("error", variable, number)
    assert found.message == "this is the port of SSH; the firewall would shut you out of the host"
    assert "for example 800" in found.fix
    assert problems("none", ports) == []


@pytest.mark.parametrize(
    ("entry", "message", "fix"),
    [
        (
            "admin.example",
            "neither an IP address nor a network; names cannot be used",
            "for example 192.168.1.50",
        ),
        ("192.168.1.300", "neither an IP address nor a network", "10.20.0.0/24"),
        ("", "neither an IP address nor a network", "10.20.0.0/24"),
        ("10.20.0.5/24", "could mean either of two things", "Write 10.20.0.0/24 for the whole network, or 10.20.0.5"),
        ("fd00::5/64", "could mean either of two things", "Write fd00::/64 for the whole network, or fd00::5"),
    ],
)
@pytest.mark.parametrize("mode", ["nftables", "none"])
def test_bad_entries_are_named(mode, entry, message, fix):
    found = [item for item in problems(mode, management=["10.1.1.1", entry]) if item.severity == "error"]
    assert [(item.variable, item.value) for item in found] == [("kea_firewall_management[1]", entry)]
    assert message in found[0].message and fix in found[0].fix


@pytest.mark.parametrize(("entry", "own"), [("0.0.0.0/0", OWN), ("::/0", "fd00::2")])
def test_everybody_is_a_warning(entry, own):
    [found] = problems(management=[entry], own=own)
    assert (found.severity, found.variable, found.value) == ("warning", "kea_firewall_management[0]", entry)
    assert "everybody may reach the API" in found.message


def test_what_has_no_effect_is_said():
    [other] = problems(management=["fd00::9"])
    assert other.severity == "warning" and "the API is at 192.168.1.2, which IPv6 does not reach" in other.message
    assert other.fix == "Write an IPv4 address, or remove it"
    [unused] = problems("none", management=["192.168.1.50"])
    assert unused.severity == "info" and unused.fix == "Set kea_firewall: nftables, or remove it"
    [nothing] = problems(ports=LISTENER[:1], management=["192.168.1.50"])
    assert nothing.severity == "info" and "no API is on the network" in nothing.message
    assert problems(ports=AGENT, management=["192.168.1.50"]) == []


# ---------------------------------------------------------------------------------------------------------------------
# the plan


def plan(mode="nftables", state=None, running=(), partner=PARTNER, **changes):
    arguments = {"ports": LISTENER, "own": OWN, "interfaces": {}, "management": [], **changes}
    return _firewall.plan(mode, partner=partner, state=state, running=list(running), **arguments)


def loaded(text, **changes):
    return {"rules": _firewall.digest(text), "unit": True, "loaded": True, **changes}


BARE = {"rules": None, "unit": None, "loaded": False}


def test_the_plan_holds_what_the_role_passes_on():
    made = plan(management=["192.168.1.50"])
    assert made == {
        "mode": "nftables",
        "rules": rules(management=["192.168.1.50"]),
        "path": "/etc/keaops/keaops.nft",
        "link": LINK,
        "stage": "before",
    }
    [task] = yaml.safe_load((ROOT / "roles/firewall/tasks/main.yml").read_text(encoding="utf-8"))
    wanted = {key: f"{{{{ __kea_plan.firewall.{key} }}}}" for key in made if key != "stage"}
    assert task["keaops.kea.kea_firewall"] == wanted
    agent = plan(ports=AGENT, management=["192.168.1.50"])
    assert agent["link"]["admitted"] == [PARTNER, "192.168.1.50"], "the management may be connected there, too"


@pytest.mark.parametrize(
    ("mode", "state", "stage"),
    [
        ("nftables", BARE, "before"),
        ("nftables", loaded(rules()), ""),
        ("nftables", loaded("old"), "before"),
        ("nftables", loaded(rules(), unit=False), "before"),
        ("nftables", loaded(rules(), unit=None), "before"),
        ("nftables", loaded(rules(), loaded=False), "before"),
        ("snippet", BARE, "before"),
        ("snippet", loaded(rules(), unit=None, loaded=False), ""),
        ("snippet", loaded(rules()), "before"),
        ("none", BARE, ""),
        ("none", loaded(_firewall.EMPTY, unit=None), ""),
        ("none", loaded(rules()), "before"),
        ("none", loaded(rules(), unit=None), "before"),
        ("none", None, "before"),
    ],
)
def test_a_host_that_has_it_costs_no_task(mode, state, stage):
    assert plan(mode, state)["stage"] == stage


@pytest.mark.parametrize(
    ("running", "stage"),
    [
        ([], "before"),
        (["http://192.168.1.2:8000/", "http://192.168.1.3:8000/"], "before"),
        # only this host moves: the rules do not look at the address that it leaves
        (["https://192.168.1.9:8000/", "https://192.168.1.3:8000/"], "after"),
        (["https://192.168.1.2:8000/", "https://192.168.1.8:8000/"], "after"),
        (["https://[fd00::2]:8000/", "https://[fd00::3]:8000/"], "after"),
        (["nonsense", None], "before"),
    ],
)
def test_a_pair_that_moves_is_not_cut(running, stage):
    assert plan(running=running)["stage"] == stage
    assert plan("snippet", running=running)["stage"] == "before"


def test_the_other_address_of_the_partner_is_no_move():
    running = ["https://192.168.1.2:8000/", "https://192.168.1.8:8000/"]
    interfaces = {"eth0": {"ipv4": ["192.168.1.3/24", "192.168.1.8/24"]}}
    assert plan(running=running, interfaces=interfaces)["stage"] == "before"


def test_without_addresses_there_is_nothing_to_load():
    assert plan(partner=None)["rules"] == plan(own=None)["rules"] == plan("none")["rules"] == ""
    assert plan(partner=None)["link"] is plan("none")["link"] is None


# ---------------------------------------------------------------------------------------------------------------------
# on the host


class Host(_apply.System):
    """Real files in a temporary folder; systemd, nft and the kernel's tables are played."""

    def __init__(self, folder):
        super().__init__(str(folder / "run"), str(folder / "state"), str(folder / "units"))
        self.path = str(folder / "etc" / "keaops" / "keaops.nft")
        self.service = os.path.join(self.unit_dir, "keaops-firewall.service")
        self.others = os.path.join(self.unit_dir, "nftables.service.d", "keaops.conf")
        self.table = None
        self.active = self.boot = False
        self.known = False
        self.nft = self.systemd = True
        self.refuses = self.fails = ""
        self.commands = []

    def has_systemd(self):
        return self.systemd

    def exists(self, path):
        return self.nft if path == _nft.PROGRAM else super().exists(path)

    def text(self):
        data = self.read(self.path)
        return None if data is None else data.decode("utf-8")

    def run(self, argv, *_arguments, **_options):
        self.commands.append(" ".join(argv))
        return getattr(self, "_" + os.path.basename(argv[0]))(argv[1:])

    def _nft(self, argv):
        if argv[0] == "-c":
            assert self.read(argv[2])
            return _apply.Done(1, "", self.refuses) if self.refuses else _apply.Done(0, "", "")
        assert argv == ["-s", "list", "table", "inet", "keaops"]
        return _apply.Done(1, "", "No such file") if self.table is None else _apply.Done(0, self.table, "")

    def _systemctl(self, argv):
        verb = argv[0]
        if verb == "daemon-reload":
            self.known = self.read(self.service) is not None
        elif verb == "show":
            load = "loaded" if self.known else "not-found"
            lines = [
                f"LoadState={load}",
                f"ActiveState={'active' if self.active else 'inactive'}",
                f"UnitFileState={'enabled' if self.boot else ''}",
            ]
            return _apply.Done(0, "\n".join(lines) + "\n", "")
        elif verb in ("start", "reload"):
            assert self.known and (verb == "reload") is self.active
            if self.fails and self.fails in (self.text() or ""):
                return _apply.Done(1, "", "Job failed. See journalctl")
            self.active, self.table = True, self.text()
        elif verb == "stop":
            self.active, self.table = False, None
        elif verb in ("enable", "disable"):
            self.boot = verb == "enable"
        return _apply.Done(0, "", "")

    def _journalctl(self, _argv):
        return _apply.Done(0, "keaops.nft:1:1: Error: no\n", "")


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def firewall(host, mode="nftables", text=None, check=False, link=None, connected=()):
    made = _nft.Firewall(host, host.path, lambda address, port: list(connected))
    return made.run(mode, rules() if text is None else text, link or LINK, check)


def leftovers(host):
    top = os.path.dirname(host.run_dir)
    return sorted(os.path.join(folder, name) for folder, _folders, names in os.walk(top) for name in names)


def test_loads_and_does_nothing_the_second_time(host):
    first = firewall(host)
    assert first["changed"] and first["reasons"] == ["there are no rules yet", "the service is not there"]
    assert (first["before"], first["after"]) == ("", rules())
    assert (host.table, host.active, host.boot) == (rules(), True, True)
    assert os.stat(host.path).st_mode & 0o777 == 0o644
    assert _nft.state(host, host.path) == loaded(rules())
    assert leftovers(host) == sorted(
        [host.path, host.service, host.others, os.path.join(host.state_dir, "firewall.json")]
    )
    host.commands.clear()
    assert not firewall(host)["changed"]
    assert {command.split(" keaops", maxsplit=1)[0] for command in host.commands} == {
        "systemctl show",
        "/usr/sbin/nft -s list table inet",
    }


def test_new_rules_are_loaded_without_a_gap(host):
    firewall(host)
    host.commands.clear()
    assert firewall(host, text=rules(management=["10.0.0.0/8"]))["reasons"] == ["the rules differ"]
    assert "systemctl reload keaops-firewall" in host.commands
    assert not [command for command in host.commands if "stop" in command or "restart" in command]


def test_check_mode_changes_nothing(host):
    assert firewall(host, check=True)["changed"]
    assert leftovers(host) == [] and host.table is None
    host.nft = False
    assert firewall(host, check=True)["changed"], "the package is not there yet either"
    host.nft = True
    firewall(host)
    assert not firewall(host, check=True)["changed"]
    assert firewall(host, "none", check=True)["changed"] and host.table == rules()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda host: setattr(host, "table", None), "the table in the kernel is not the one that was loaded"),
        (lambda host: setattr(host, "table", "accept"), "the table in the kernel is not the one that was loaded"),
        (lambda host: setattr(host, "boot", False), "the service is not as it should be"),
        (lambda host: setattr(host, "active", False), "the service is not as it should be"),
        (lambda host: host.remove(host.others), "the service is not as it should be"),
        (lambda host: host.remove(host.path), "there are no rules yet"),
    ],
)
def test_what_was_taken_away_comes_back(host, harm, reason):
    firewall(host)
    harm(host)
    assert firewall(host)["reasons"] == [reason]
    assert _nft.state(host, host.path) == loaded(rules()) and host.table == rules()


def test_nft_says_what_is_wrong_before_anything_is_touched(host):
    host.refuses = "keaops.nft:9:3: Error: syntax error"
    with pytest.raises(_nft.FirewallError) as caught:
        firewall(host)
    assert str(caught.value) == "nft refuses the rules: keaops.nft:9:3: Error: syntax error. Nothing was changed"
    assert leftovers(host) == []


def test_a_pair_that_runs_is_not_cut(host):
    with pytest.raises(_nft.FirewallError) as caught:
        firewall(host, connected=["192.168.1.20"])
    assert str(caught.value) == (
        "port 8000 of 192.168.1.2 is in use by 192.168.1.20, but the rules admit only 192.168.1.3: they would cut the"
        " pair. Nothing was changed. If that is the partner, set its kea_ha_address to that address; if it is not, end"
        " the connection. Then run again"
    )
    assert leftovers(host) == [] and host.table is None
    with pytest.raises(_nft.FirewallError):
        firewall(host, check=True, connected=["192.168.1.20"])
    assert firewall(host, connected=["192.168.1.20", PARTNER])["changed"], "the partner is there, the other is none"


def test_a_load_that_fails_leaves_what_was(host):
    host.fails = "10.0.0.0/8"
    with pytest.raises(_nft.FirewallError) as caught:
        firewall(host, text=rules(management=["10.0.0.0/8"]))
    assert str(caught.value) == (
        "systemctl start keaops-firewall failed: keaops.nft:1:1: Error: no. Everything was put back: no rules of ours"
        " are in force"
    )
    assert leftovers(host) == [] and not host.boot and not host.known
    firewall(host)
    with pytest.raises(_nft.FirewallError, match="The old rules were put back and are in force"):
        firewall(host, text=rules(management=["10.0.0.0/8"]))
    assert host.table == host.text() == rules() and _nft.state(host, host.path) == loaded(rules())


def test_a_roll_back_that_fails_is_said(host):
    firewall(host)
    host.fails = "table"
    with pytest.raises(_nft.FirewallError, match="PUTTING THE OLD RULES BACK FAILED, TOO: systemctl reload"):
        firewall(host, text=rules(management=["10.0.0.0/8"]))


def test_a_start_that_loads_nothing_is_no_success(host, monkeypatch):
    monkeypatch.setattr(host, "text", lambda: None)
    with pytest.raises(_nft.FirewallError, match="was started, but the kernel has no table inet keaops"):
        firewall(host)


def test_what_it_needs_is_named(host):
    host.nft = False
    with pytest.raises(_nft.FirewallError, match="Install the package nftables, or set kea_firewall: snippet"):
        firewall(host)
    host.systemd = False
    with pytest.raises(_nft.FirewallError, match="not run by systemd.*Set kea_firewall: snippet"):
        firewall(host)
    assert firewall(host, "snippet")["changed"], "a snippet needs neither"
    assert host.text() == rules()


def test_none_removes_what_we_made(host):
    firewall(host)
    done = firewall(host, "none", "")
    assert done["changed"] and (done["before"], done["after"]) == (rules(), "")
    assert leftovers(host) == [] and host.table is None and not host.boot and not host.known
    assert not os.path.exists(os.path.dirname(host.path)) and not os.path.exists(os.path.dirname(host.others))
    assert os.path.exists(host.unit_dir)
    assert not firewall(host, "none", "")["changed"]


def test_a_bare_host_is_only_looked_at(host):
    assert not firewall(host, "none", "")["changed"]
    assert host.commands == []
    assert _nft.state(host, host.path) == BARE


def test_without_root_nothing_is_claimed(host, monkeypatch):
    firewall(host)
    real = host.read

    def read(path):
        if path.startswith(host.state_dir):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(host, "read", read)
    assert _nft.state(host, host.path) == loaded(rules(), loaded=False)


def test_a_snippet_is_emptied_because_somebody_includes_it(host):
    assert firewall(host, "snippet")["changed"]
    assert leftovers(host) == [host.path] and host.table is None
    assert not firewall(host, "snippet")["changed"]
    assert firewall(host, "none", "")["changed"]
    assert host.text() == _firewall.EMPTY
    assert not firewall(host, "none", "")["changed"]


def test_from_loaded_to_snippet(host):
    firewall(host)
    assert firewall(host, "snippet")["reasons"] == ["the rules shall be loaded by somebody else"]
    assert leftovers(host) == [host.path] and host.table is None
    assert not firewall(host, "snippet")["changed"]


def test_the_service_of_the_distribution_loads_ours_after_its_own(host):
    firewall(host)
    assert host.read(host.others).decode("utf-8").splitlines()[1:] == [
        "[Service]",
        # The minus: what is wrong with our rules must not stop theirs.
        f"ExecStartPost=-/usr/sbin/nft -f {host.path}",
        f"ExecReload=-/usr/sbin/nft -f {host.path}",
    ]


def test_who_is_connected(tmp_path):
    (tmp_path / "net").mkdir()
    head = "  sl  local_address rem_address   st\n"

    def word(address):
        return "".join(f"{int.from_bytes(part, sys.byteorder):08X}" for part in words(address))

    def words(address):
        packed = ipaddress.ip_address(address).packed
        return [packed[at : at + 4] for at in range(0, len(packed), 4)]

    def row(own, port, other, state):
        return f"   1: {word(own)}:{port:04X} {word(other)}:CA88 {state} 0:0\n"

    (tmp_path / "net" / "tcp").write_text(
        head
        + row(OWN, 8000, "0.0.0.0", "0A")
        + row(OWN, 8000, PARTNER, "01")
        + row(OWN, 8000, OWN, "01")
        + row(OWN, 8000, "192.168.1.9", "06")
        + row(OWN, 22, "192.168.1.10", "01")
        + row("127.0.0.1", 8000, "192.168.1.11", "01"),
        encoding="ascii",
    )
    (tmp_path / "net" / "tcp6").write_text(
        head + row("::ffff:192.168.1.2", 8000, "::ffff:192.168.1.30", "01") + row("fd00::2", 8000, "fd00::3", "01"),
        encoding="ascii",
    )
    assert _nft.connected(OWN, 8000, str(tmp_path)) == [PARTNER, "192.168.1.30"]
    assert _nft.connected("fd00::2", 8000, str(tmp_path)) == ["fd00::3"]
    assert _nft.connected(OWN, 8000, str(tmp_path / "none")) == []


def test_a_real_connection_is_seen():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.3", 0)):
            assert _nft.connected("127.0.0.1", port) == ["127.0.0.3"]


@pytest.mark.parametrize(
    ("others", "admitted", "cut"),
    [
        ([], [PARTNER], []),
        ([PARTNER], [PARTNER], []),
        (["192.168.1.9"], [PARTNER], ["192.168.1.9"]),
        (["10.1.2.3"], [PARTNER, "10.0.0.0/8"], []),
        (["fd00::3"], [PARTNER], ["fd00::3"]),
    ],
)
def test_cut_off(others, admitted, cut):
    assert _nft.cut_off(others, admitted) == cut


# ---------------------------------------------------------------------------------------------------------------------
# the module


def call(host, **changes):
    params = {"mode": "nftables", "rules": rules(), "path": host.path, "link": None, **changes}
    return kea_firewall.work(params, False, host)


def test_module_reports(host):
    done = call(host)
    assert done == {
        "changed": True,
        "reasons": ["there are no rules yet", "the service is not there"],
        "path": host.path,
        "diff": {"before": "", "after": rules(), "before_header": host.path, "after_header": host.path},
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rules": " "}, "mode nftables needs rules"),
        ({"link": {"address": OWN}}, "link needs the keys address, port, admitted"),
        ({"link": {"address": OWN, "port": 8000, "admitted": []}}, "link needs the keys address, port, admitted"),
    ],
)
def test_module_refuses_half_a_request(host, changes, message):
    assert call(host, **changes) == {"failed": True, "msg": message}
    assert leftovers(host) == []


def test_module_fails_with_a_sentence(host, monkeypatch):
    host.refuses = "Error: no"
    assert call(host) == {"failed": True, "msg": "nft refuses the rules: Error: no. Nothing was changed."}

    def forbidden(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(host, "read", forbidden)
    assert call(host)["msg"] == (
        f"cannot read or write {host.path}: Permission denied. Run the task as root (become: true)."
    )
