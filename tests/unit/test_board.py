# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host itself is given: the files, the plan, and how they get onto a host without cutting a connection."""

from __future__ import annotations

import configparser
import json
import os
import stat

import pytest
from ansible_collections.keaops.kea.plugins.module_utils import _apply, _board, _board_host
from ansible_collections.keaops.kea.plugins.module_utils._plan import host_plan
from ansible_collections.keaops.kea.plugins.modules import kea_host
from mistakes import interfaces
from pairs import MISSING, SUBNET, build, facts, kea_info, subnet

FIXED = _board.Fixed("networkd", "eth0", "192.168.1.2/24", "192.168.1.1", ("1.1.1.1", "9.9.9.9"))
PROFILE = FIXED._replace(manager="networkmanager")
ELSEWHERE = (
    "1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet 192.168.1.57/24 brd 192.168.1.255 scope global eth0\n"
)
THERE = ELSEWHERE + "2: eth0    inet 192.168.1.2/24 brd 192.168.1.255 scope global secondary eth0\n"


def read(text):
    """Return a file as systemd and NetworkManager read it."""
    parser = configparser.ConfigParser(delimiters="=", comment_prefixes="#", interpolation=None, strict=False)
    parser.optionxform = str
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


# ---------------------------------------------------------------------------------------------------------------------
# the files


def test_nothing_is_wanted_unless_asked_for():
    assert set(_board.texts(0, None, None)) == set(_board.FILES)
    assert not any(_board.texts(0, None, None).values())


def test_every_file_says_whose_it_is():
    wanted = [*_board.texts(15, "volatile", FIXED).values(), *_board.texts(15, "volatile", PROFILE).values()]
    written = [text for text in wanted if text]
    assert len(written) == 6
    assert all(text.startswith("# Managed by Ansible (keaops.kea).") and text.endswith("\n") for text in written)


def test_watchdog_and_journal():
    wanted = _board.texts(15, "volatile", None)
    assert read(wanted[_board.WATCHDOG_FILE]) == {"Manager": {"RuntimeWatchdogSec": "15"}}
    assert read(wanted[_board.JOURNAL_FILE]) == {"Journal": {"Storage": "volatile"}}


def test_networkd():
    text = _board.texts(0, None, FIXED)[_board.NETWORKD_FILE]
    assert _board.texts(0, None, FIXED)[_board.NETWORKMANAGER_FILE] is None
    assert text.splitlines()[1:] == [
        "[Match]",
        "Name=eth0",
        "",
        "[Network]",
        "Address=192.168.1.2/24",
        "Gateway=192.168.1.1",
        "DNS=1.1.1.1",
        "DNS=9.9.9.9",
    ]
    bare = _board.texts(0, None, FIXED._replace(gateway=None, name_servers=()))[_board.NETWORKD_FILE]
    assert read(bare) == {"Match": {"Name": "eth0"}, "Network": {"Address": "192.168.1.2/24"}}


def test_networkmanager():
    profile = PROFILE._replace(name_servers=("1.1.1.1", "2606:4700::1111", "9.9.9.9"))
    text = _board.texts(0, None, profile)[_board.NETWORKMANAGER_FILE]
    assert _board.texts(0, None, profile)[_board.NETWORKD_FILE] is None
    found = read(text)
    assert found["connection"] == {
        "id": "keaops-kea",
        "type": "ethernet",
        "interface-name": "eth0",
        "autoconnect-priority": "100",
    }
    address = "192.168.1.2/24,192.168.1.1"
    assert found["ipv4"] == {"method": "manual", "address1": address, "dns": "1.1.1.1;9.9.9.9;"}
    assert found["ipv6"] == {"method": "auto", "dns": "2606:4700::1111;"}
    bare = read(_board.texts(0, None, PROFILE._replace(gateway=None, name_servers=()))[_board.NETWORKMANAGER_FILE])
    assert bare["ipv4"] == {"method": "manual", "address1": "192.168.1.2/24"}
    assert bare["ipv6"] == {"method": "auto"}


# ---------------------------------------------------------------------------------------------------------------------
# the plan


def planned(group=None, facts1=None, **kwargs):
    pair, _findings = build(group={"kea_host_network": "networkd", **(group or {})}, facts1=facts1, **kwargs)
    return pair.servers[0]


def test_address_router_and_name_servers_come_from_the_inventory():
    expected = _board.Fixed("networkd", "enp0s8", "192.168.1.2/24", "192.168.1.1", ("1.1.1.1", "9.9.9.9"))
    assert _board.fixed_of(planned()) == expected
    own = {"kea_host_gateway": "192.168.1.254", "kea_host_name_servers": ["192.168.1.254"]}
    assert _board.fixed_of(planned(own)) == expected._replace(gateway="192.168.1.254", name_servers=("192.168.1.254",))
    assert _board.fixed_of(planned({"kea_host_network": MISSING})) is None


def test_router_and_name_servers_of_all_subnets_and_of_a_shared_network():
    options = {"routers": "192.168.1.7", "domain-name-servers": "192.168.1.8"}
    bare = {key: value for key, value in SUBNET.items() if key not in ("option_data", "interface")}
    found = _board.fixed_of(planned({"kea_subnets": [bare], "kea_option_data": options}))
    assert (found.gateway, found.name_servers) == ("192.168.1.7", ("192.168.1.8",))
    kea = {"id": 1, "subnet": bare["subnet"], "pools": [{"pool": bare["pools"][0]}]}
    options = [{"name": "routers", "data": "192.168.1.6"}]
    shared = {"name": "floor", "interface": "enp0s8", "subnet4": [kea], "option-data": options}
    found = _board.fixed_of(planned({"kea_subnets": [], "kea_dhcp4_extra": {"shared-networks": [shared]}}))
    assert (found.interface, found.gateway, found.name_servers) == ("enp0s8", "192.168.1.6", ())


@pytest.mark.parametrize("routers", ["10.0.0.1", "192.168.1.2"])
def test_a_router_that_is_none_for_the_host(routers):
    assert _board.fixed_of(planned(subnet(option_data={"routers": routers}))).gateway is None


def test_a_host_whose_router_is_on_another_interface_keeps_it():
    """A second default route would cut it off."""
    known = facts(default_ipv4="172.17.0.3")
    known["interfaces"]["eth0"] = {"up": True, "ipv4": ["172.17.0.3/16"]}
    found = _board.fixed_of(planned(facts1=known))
    assert (found.interface, found.gateway, found.name_servers) == ("enp0s8", None, ())
    own = {"kea_host_gateway": "192.168.1.254", "kea_host_name_servers": ["192.168.1.254"]}
    found = _board.fixed_of(planned(own, known))
    assert (found.gateway, found.name_servers) == ("192.168.1.254", ("192.168.1.254",))
    nowhere = facts(default_ipv4=None)
    assert _board.fixed_of(planned(facts1=nowhere)).gateway == "192.168.1.1"


def test_the_interface_is_that_of_the_subnet_or_the_one_that_lies_in_it():
    two = {"kea_interfaces": ["eth1", "eth0/192.168.1.2"]}
    known = facts(interfaces=interfaces(eth1=(True, "10.0.0.1/24"), eth0=(True, "192.168.1.57/24")))
    assert _board.fixed_of(planned({**two, **subnet(interface="eth1")})).interface == "eth1"
    assert _board.fixed_of(planned({**two, **subnet(interface=MISSING)}, known)).interface == "eth0"
    assert _board.fixed_of(planned({**two, **subnet(interface=MISSING)})) is None
    star = {"kea_interfaces": ["*"], **subnet(interface=MISSING)}
    assert _board.fixed_of(planned(star, known)).interface == "eth0"
    assert _board.fixed_of(planned(star)) is None


def test_a_subnet_behind_a_relay_is_not_the_hosts():
    relayed = subnet(relay={"ip_addresses": ["192.168.1.1"]})
    assert _board.fixed_of(planned(relayed)) is None


def files(**changes):
    """Return what kea_host_info says of our files, none there but those given."""
    return {**kea_info(), "own_files": {**dict.fromkeys(_board.FILES), **changes}}


def due(group=None, **kwargs):
    pair, _findings = build(group=group, **kwargs)
    return host_plan(pair, "dhcp1")["board"]["due"]


def test_with_the_options_off_nothing_is_due():
    assert not due(facts1=facts(kea=files()))
    assert not due(facts1=facts())
    assert not due()


def test_what_is_due():
    address, other = facts(kea=files()), facts("192.168.1.57", files())
    assert due({"kea_host_watchdog": 15}, facts1=address)
    assert due({"kea_host_journal": "volatile"}, facts1=address)
    assert due({"kea_host_network": "networkd"}, facts1=address)
    # All files are right.
    text = _board.texts(15, None, None)[_board.WATCHDOG_FILE]
    right = files(**{_board.WATCHDOG_FILE: _board.digest(text)})
    assert not due({"kea_host_watchdog": 15}, facts1=facts(kea=right))
    # Not wanted any more, and another value.
    assert due(facts1=facts(kea=right))
    assert due({"kea_host_watchdog": 14}, facts1=facts(kea=right))
    # The file is right, and the address is gone.
    wanted = _board.texts(0, None, _board.fixed_of(planned()))[_board.NETWORKD_FILE]
    right = files(**{_board.NETWORKD_FILE: _board.digest(wanted)})
    assert not due({"kea_host_network": "networkd"}, facts1=facts(kea=right))
    assert due({"kea_host_network": "networkd"}, facts1={**other, "kea": right})


def test_the_plan_is_what_the_module_takes():
    pair, _findings = build(group={"kea_host_network": "networkd", "kea_host_watchdog": 15}, facts1=facts(kea=files()))
    plan = json.loads(json.dumps(host_plan(pair, "dhcp1")["board"]))
    assert plan["watchdog"] == 15 and plan["journal"] is None
    assert kea_host.fixed_from({"network": plan["network"]}) == _board.fixed_of(pair.servers[0])


# ---------------------------------------------------------------------------------------------------------------------
# on the host


class Board(_apply.System):
    """Real files below a temporary folder; commands are noted and answered."""

    def __init__(self, root):
        super().__init__()
        self.root = str(root)
        self.commands = []
        self.refuses, self.code = "", 1
        self.addresses = ELSEWHERE

    def place(self, path):
        return self.root + path

    def read(self, path):
        return super().read(self.place(path))

    def write(self, path, data, owner, mode):
        super().write(self.place(path), data, owner, mode)

    def replace(self, source, target):
        super().replace(self.place(source), self.place(target))

    def remove(self, path):
        super().remove(path if path.startswith(self.root) else self.place(path))

    def remove_for_good(self, path):
        super().remove_for_good(self.place(path))

    def _sync_folder(self, path):
        super()._sync_folder(path if path.startswith(self.root) else self.place(path))

    def make_folder(self, path, mode=0o700):
        super().make_folder(self.place(path), mode)

    def run(self, argv, uid=None, gid=None, timeout=120):
        self.commands.append(" ".join(argv))
        if self.refuses and self.refuses in self.commands[-1]:
            return _apply.Done(self.code, "", "it\nis refused")
        if argv[:2] == ["ip", "address"]:
            self.addresses = THERE
        return _apply.Done(0, self.addresses if argv[0] == "ip" else "", "")


@pytest.fixture
def system(tmp_path):
    return Board(tmp_path)


def settle(system, watchdog=0, journal=None, fixed=None, check_mode=False, claimant=None):
    settings = _board_host.Settings(system, claimant or (lambda interface, address: None))
    return {**settings.run(watchdog, journal, fixed, check_mode), "warnings": settings.warnings}


def there(system):
    found = {}
    for folder, _folders, names in os.walk(system.root):
        for name in names:
            path = os.path.join(folder, name)
            found[path[len(system.root) :]] = oct(stat.S_IMODE(os.stat(path).st_mode))
    return found


def test_all_of_it_once(system):
    done = settle(system, 15, "volatile", PROFILE)
    assert done["changed"] and len(done["diff"]) == 4
    assert there(system) == {
        _board.WATCHDOG_FILE: "0o644",
        _board.JOURNAL_FILE: "0o644",
        _board.NETWORKMANAGER_FILE: "0o600",
    }
    assert system.commands == [
        "ip -o -4 address show",
        "systemctl daemon-reexec",
        "systemctl restart systemd-journald",
        f"nmcli connection load {_board.NETWORKMANAGER_FILE}",
        "sysctl -q -w net.ipv4.conf.eth0.promote_secondaries=1",
        "ip address add 192.168.1.2/24 broadcast + dev eth0 metric 4096",
    ]
    assert "from the next boot on" in done["warnings"][0]
    system.commands.clear()
    again = settle(system, 15, "volatile", PROFILE)
    assert not again["changed"] and again["diff"] == again["reasons"] == again["warnings"] == []
    assert system.commands == ["ip -o -4 address show"]


def test_networkd_is_not_told(system):
    """It would take away the address that the connection uses."""
    settle(system, fixed=FIXED)
    assert there(system) == {_board.NETWORKD_FILE: "0o644"}
    assert [line.split()[0] for line in system.commands] == ["ip", "sysctl", "ip"]


def test_an_address_that_is_there_is_not_added(system):
    system.addresses = THERE
    done = settle(system, fixed=FIXED, claimant=lambda interface, address: pytest.fail("it is its own"))
    assert system.commands == ["ip -o -4 address show"]
    assert done["reasons"] == [f"{_board.NETWORKD_FILE} differs"]


def test_check_mode_says_the_same_and_does_nothing(system):
    predicted = settle(system, 15, "volatile", FIXED, check_mode=True)
    assert there(system) == {} and system.commands == ["ip -o -4 address show"]
    real = settle(system, 15, "volatile", FIXED)
    assert predicted["warnings"] == [] and real["warnings"]
    assert {**predicted, "warnings": real["warnings"]} == real
    assert real["diff"][-1] == {
        "before_header": "addresses of eth0",
        "after_header": "addresses of eth0",
        "before": "192.168.1.57\n",
        "after": "192.168.1.57\n192.168.1.2\n",
    }
    assert real["reasons"][-1] == "192.168.1.2 is missing"


def test_what_is_not_wanted_any_more_goes(system):
    settle(system, 15, "volatile", PROFILE)
    system.commands.clear()
    done = settle(system)
    assert done["changed"] and "see that something else does" in done["warnings"][0]
    assert there(system) == {}
    assert system.commands == ["systemctl daemon-reexec", "systemctl restart systemd-journald"]
    assert not settle(system)["changed"]


def test_another_manager(system):
    settle(system, fixed=PROFILE)
    settle(system, fixed=FIXED)
    assert there(system) == {_board.NETWORKD_FILE: "0o644"}


def test_a_file_of_somebody_else_is_left_there(system):
    system.make_folder(os.path.dirname(_board.WATCHDOG_FILE))
    system.write(_board.WATCHDOG_FILE, b"[Manager]\nRuntimeWatchdogSec=60\n", (os.geteuid(), os.getegid()), 0o644)
    assert not settle(system)["changed"]
    assert b"=60" in system.read(_board.WATCHDOG_FILE)
    done = settle(system, watchdog=15)
    assert "=60" in done["diff"][0]["before"] and b"=15" in system.read(_board.WATCHDOG_FILE)


@pytest.mark.parametrize(
    ("refuses", "path", "wanted"),
    [
        ("daemon-reexec", _board.WATCHDOG_FILE, {"watchdog": 14}),
        ("journald", _board.JOURNAL_FILE, {"watchdog": 15}),
        ("nmcli", _board.NETWORKMANAGER_FILE, {"watchdog": 15, "journal": "volatile", "fixed": PROFILE}),
    ],
)
def test_what_does_not_take_effect_is_put_back(system, refuses, path, wanted):
    settle(system, 15, "volatile")
    before, system.refuses = system.read(path), refuses
    with pytest.raises(_board_host.HostError, match=f"failed: it is refused. {path} is as before"):
        settle(system, **wanted)
    assert system.read(path) == before
    assert not any("address add" in line for line in system.commands)


def test_a_profile_that_networkmanager_does_not_take(system):
    """nmcli says so and ends with 0."""
    system.refuses, system.code = "nmcli", 0
    with pytest.raises(_board_host.HostError, match="it is refused"):
        settle(system, fixed=PROFILE)
    assert there(system) == {}


def test_an_address_of_another_machine_is_refused(system):
    with pytest.raises(_board_host.HostError, match="belongs to another machine already, .* 02:00:00:00:00:09"):
        settle(system, 15, fixed=FIXED, claimant=lambda interface, address: "02:00:00:00:00:09")
    assert there(system) == {} and system.commands == ["ip -o -4 address show"]


def test_an_interface_that_cannot_be_asked(system):
    def down(interface, address):
        raise OSError(100, "Network is down")

    with pytest.raises(_board_host.HostError, match="cannot be asked whether 192.168.1.2 is free: Network is down"):
        settle(system, fixed=FIXED, claimant=down)
    assert there(system) == {}


def test_an_address_on_another_interface_is_refused(system):
    system.addresses = THERE.replace("eth0", "br0")
    with pytest.raises(_board_host.HostError, match="192.168.1.2 is on br0 of this host, not on eth0"):
        settle(system, fixed=FIXED)
    assert there(system) == {}


def test_what_is_there_as_kea_host_info_tells_it(system):
    assert _board_host.own_files(system) == dict.fromkeys(_board.FILES)
    settle(system, 15, None, FIXED)
    wanted = _board.texts(15, None, FIXED)
    assert _board.differences(wanted, _board_host.own_files(system)) == []


# ---------------------------------------------------------------------------------------------------------------------
# who manages what


def interface_files(root, networkd=None, networkmanager=None, upper=()):
    folder = root / "sys" / "eth0"
    folder.mkdir(parents=True)
    (root / "sys" / "lo").mkdir()
    (folder / "ifindex").write_text("2\n")
    for name in upper:
        (folder / f"upper_{name}").mkdir()
    for place, text in (("systemd/netif/links", networkd), ("NetworkManager/devices", networkmanager)):
        if text:
            (root / "run" / place).mkdir(parents=True)
            (root / "run" / place / "2").write_text(text)


BOTH = ["NetworkManager", "systemd-networkd"]


@pytest.mark.parametrize(
    ("active", "networkd", "networkmanager", "manager"),
    [
        (BOTH, "# private\nADMIN_STATE=configured\n", None, "networkd"),
        (BOTH, "ADMIN_STATE=configuring\n", "[device]\nmanaged=false\n", "networkd"),
        (BOTH, "ADMIN_STATE=configured\n", "[device]\nmanaged=true\n", "networkd"),
        (BOTH, "ADMIN_STATE=unmanaged\n", "[device]\nmanaged=true\nconnection-uuid=1\n", "networkmanager"),
        (BOTH, "ADMIN_STATE=unmanaged\n", "[device]\nmanaged=unknown\n", None),
        ([], "ADMIN_STATE=configured\n", "[device]\nmanaged=true\n", None),
        (["systemd-networkd"], None, None, None),
    ],
)
def test_who_manages_an_interface(tmp_path, active, networkd, networkmanager, manager):
    interface_files(tmp_path, networkd, networkmanager, upper=["eth0.20", "br0"])
    found = _board_host.network(active, str(tmp_path / "sys"), str(tmp_path / "run"))
    assert found == {"eth0": {"manager": manager, "carries": ["br0", "eth0.20"]}}


def test_a_watchdog(tmp_path):
    assert not _board_host.has_watchdog(str(tmp_path / "watchdog"))
    (tmp_path / "watchdog" / "watchdog0").mkdir(parents=True)
    assert _board_host.has_watchdog(str(tmp_path / "watchdog"))


# ---------------------------------------------------------------------------------------------------------------------
# who has an address

OWN, OTHER = bytes.fromhex("020000000002"), bytes.fromhex("020000000009")


def answer(mac=OTHER, address="192.168.1.2", ethertype="0806"):
    sender = bytes(int(part) for part in address.split("."))
    arp = bytes.fromhex("0001080006040002") + mac + sender + OWN + bytes(4)
    return OWN + mac + bytes.fromhex(ethertype) + arp + bytes(18)


def test_a_probe_claims_nothing():
    frame = _board.arp_probe(OWN, "192.168.1.2")
    assert len(frame) == 42 and frame[:12] == b"\xff" * 6 + OWN
    assert frame[20:22] == b"\x00\x01", "a request"
    assert frame[28:32] == bytes(4), "from nobody"
    assert frame[38:42] == bytes([192, 168, 1, 2])
    assert _board.arp_claimant(frame, [OWN], "192.168.1.2") is None


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        (answer(), "02:00:00:00:00:09"),
        (answer(mac=OWN), None),
        (answer(address="192.168.1.3"), None),
        (answer(ethertype="0800"), None),
        (answer()[:30], None),
        (b"", None),
    ],
)
def test_who_shows_to_have_an_address(frame, found):
    assert _board.arp_claimant(frame, [OWN], "192.168.1.2") == found


# ---------------------------------------------------------------------------------------------------------------------
# the module

NETWORK = {**FIXED._asdict(), "name_servers": ["1.1.1.1", "9.9.9.9"]}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"address": "192.168.1.2"}, "192.168.1.2 needs the length of its prefix, as in 192.168.1.2/24"),
        ({"address": "dhcp1/24"}, "network.address: "),
        ({"gateway": "router"}, "network: 'router' is not an IP address"),
        ({"name_servers": ["dns"]}, "network: 'dns' is not an IP address"),
    ],
)
def test_options_that_make_no_sense(system, change, text):
    done = kea_host.work({"watchdog": 0, "journal": None, "network": {**NETWORK, **change}}, False, system)
    assert done["failed"] and text in done["msg"]
    assert there(system) == {} and system.commands == []


def test_the_module_reports(system):
    system.addresses = THERE
    done = kea_host.work({"watchdog": 15, "journal": None, "network": NETWORK}, False, system)
    assert done["changed"] and "failed" not in done
    assert set(there(system)) == {_board.WATCHDOG_FILE, _board.NETWORKD_FILE}
    assert done["warnings"]


def test_without_root(system, monkeypatch):
    def refuse(path, *_arguments):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(system, "write", refuse)
    done = kea_host.work({"watchdog": 15, "journal": None, "network": None}, False, system)
    assert done["failed"] and "Permission denied. Run the task as root" in done["msg"]
