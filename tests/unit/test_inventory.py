# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostvars of the installed ansible-core become plain values; what cannot be read becomes a finding."""

from __future__ import annotations

import json

import certs
import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.keaops.kea.plugins.filter.kea import FilterModule
from ansible_collections.keaops.kea.plugins.filter.tls import FilterModule as TlsFilterModule
from ansible_collections.keaops.kea.plugins.module_utils import _tls
from ansible_collections.keaops.kea.plugins.plugin_utils import _inventory
from pairs import GROUP, HOSTS, SUBNET, kea_info

VAULTED_PASSWORD = "k3J!x9Qw7Lm2Zt5R"


class Inventory:
    """A real inventory, read by the installed ansible-core."""

    def __init__(self, folder, data):
        path = folder / "hosts.yml"
        path.write_text(data if isinstance(data, str) else yaml.safe_dump(data), encoding="utf-8")
        self.loader = DataLoader()
        self.manager = InventoryManager(loader=self.loader, sources=[str(path)])
        self.variables = VariableManager(loader=self.loader, inventory=self.manager)
        self.hostvars = HostVars(inventory=self.manager, variable_manager=self.variables, loader=self.loader)

    @property
    def groups(self):
        return self.manager.get_groups_dict()

    def register(self, host, **facts):
        """Do what set_fact and register do."""
        self.variables.set_nonpersistent_facts(host, facts)

    def gathered(self, host, facts):
        """Do what gathering does."""
        self.variables.set_host_facts(host, facts)
        self.variables.set_nonpersistent_facts(host, {"__kea_setup": {"ansible_facts": facts}})


@pytest.fixture
def inventory(tmp_path):
    def make(group=None, dhcp1=None, dhcp2=None, more=None):
        hosts = {"dhcp1": {**HOSTS["dhcp1"], **(dhcp1 or {})}, "dhcp2": {**HOSTS["dhcp2"], **(dhcp2 or {})}}
        return Inventory(tmp_path, {"kea": {"hosts": hosts, "vars": {**GROUP, **(group or {})}}, **(more or {})})

    return make


def types_in(value):
    """Return the types in a value, keys included."""
    found = {type(value)}
    if isinstance(value, dict):
        found |= {kind for pair in value.items() for item in pair for kind in types_in(item)}
    elif isinstance(value, list):
        found |= {kind for item in value for kind in types_in(item)}
    return found


def collect(made, hosts="dhcp1", **kwargs):
    return _inventory.collect(made.hostvars, made.groups, hosts, **kwargs)


def test_values_are_plain(inventory):
    made = inventory({"lan": "enp0s8", "kea_interfaces": ["{{ lan }}"], "kea_valid_lifetime": "{{ 3600 * 12 }}"})
    pairs, findings = collect(made)
    assert findings == []
    first, second = pairs["kea"]
    assert (first.name, second.name) == ("dhcp1", "dhcp2")
    assert types_in(first.vars) <= {str, int, bool, dict, list}
    assert first.vars["kea_interfaces"] == ["enp0s8"]
    assert first.vars["kea_valid_lifetime"] == 43200
    assert first.vars["kea_subnets"] == [SUBNET]
    assert first.facts is None


def test_templates_in_depth_keep_numbers_and_text(inventory):
    body = {**SUBNET, "id": "{{ number }}", "pools": ["{{ net }}.100-{{ net }}.199"]}
    made = inventory(
        {"number": 7, "net": "192.168.1", "kea_subnets": [body], "kea_api_auth": "{{ not no_auth }}", "no_auth": False}
    )
    values = collect(made)[0]["kea"][0].vars
    assert values["kea_subnets"][0]["id"] == 7
    assert values["kea_subnets"][0]["pools"] == ["192.168.1.100-192.168.1.199"]
    assert values["kea_api_auth"] is True


def test_only_our_variables_are_read(inventory):
    made = inventory({"secret_of_others": "{{ lookup('ansible.builtin.file', '/nonexistent') }}", "my_kea_x": 1})
    values = collect(made)[0]["kea"][0].vars
    assert set(values) == {*GROUP, *HOSTS["dhcp1"]}


@pytest.mark.parametrize(
    "template",
    [
        "{{ nope }}",
        "{{ nope.deep }}",
        "{{ foo bar }}",
        "{{ 1 / 0 }}",
        "{{ [][3] }}",
        "{{ lookup('ansible.builtin.env') | nofilter }}",
        "{{ 'x",
    ],
)
def test_a_bad_template_is_a_finding(inventory, template):
    made = inventory(dhcp2={"kea_server_name": template})
    pairs, findings = collect(made)
    assert [(item.id, item.host, item.variable) for item in findings] == [("V05", "dhcp2", "kea_server_name")]
    assert pairs["kea"][1].broken == {"kea_server_name"}
    assert "\n" not in findings[0].text()


def test_a_bad_template_deep_inside_is_one_finding_for_both_hosts(inventory):
    made = inventory({"kea_option_data": {"ntp-servers": ["{{ nope }}"]}})
    findings = collect(made)[1]
    assert [(item.host, item.variable) for item in findings] == [("dhcp1, dhcp2", "kea_option_data")]


def test_the_reason_for_a_bad_secret_is_not_shown(inventory):
    made = inventory({"kea_api_password": f"{VAULTED_PASSWORD}{{{{ nope }}}}"})
    (finding,) = collect(made)[1]
    assert VAULTED_PASSWORD not in finding.text()
    assert "vault" in finding.text()


def test_a_value_from_a_vault_without_its_password(tmp_path):
    text = """
kea:
  hosts:
    dhcp1: {ansible_host: 192.168.1.2}
  vars:
    kea_api_password: !vault |
      $ANSIBLE_VAULT;1.1;AES256
      62313365396662343061393464336163383764373764613633653634306231386433626436623361
      6134333665353966363534333632666535333761666131620a663537646436643839616531643561
      63396265333963386166373736626334613462346439616634616266313838383534326362396237
      3764633230370a396663623630353834613730643335316566336635646563316534
"""
    made = Inventory(tmp_path, text)
    (finding,) = collect(made)[1]
    assert (finding.id, finding.variable, finding.value) == ("V05", "kea_api_password", "")


def test_each_pair_of_the_play_is_read_once(tmp_path):
    def group(name, first, second):
        return {"hosts": {first: HOSTS["dhcp1"], second: HOSTS["dhcp2"]}, "vars": {**GROUP, "kea_pair": name}}

    made = Inventory(tmp_path, {"kea": {"children": {"a": group("a", "a1", "a2"), "b": group("b", "b1", "b2")}}})
    pairs, findings = collect(made, ["a1", "a2", "b1", "b2"])
    assert {name: [raw.name for raw in members] for name, members in pairs.items()} == {
        "a": ["a1", "a2"],
        "b": ["b1", "b2"],
    }
    assert findings == []


def test_other_hosts_are_passed_over(inventory):
    made = inventory(more={"web": {"hosts": {"web1": {"kea_interfaces": ["x"]}}}})
    pairs, findings = collect(made, ["web1", "dhcp1"])
    assert (list(pairs), findings) == (["kea"], [])


@pytest.mark.parametrize("pair", ["kea", "nowhere"])
def test_a_host_beside_its_pair_is_a_finding(inventory, pair):
    made = inventory(more={"web": {"hosts": {"dhcp9": {**HOSTS["dhcp1"], "kea_pair": pair}}}})
    (finding,) = collect(made, ["dhcp9"])[1]
    assert (finding.id, finding.host, finding.value) == ("P02", "dhcp9", pair)


def test_an_inventory_without_a_pair(tmp_path):
    made = Inventory(tmp_path, {"web": {"hosts": {"web1": {}}}})
    pairs, findings = _inventory.examine(made.hostvars, made.groups, ["web1"])
    assert pairs == []
    assert "its groups are web" in findings[0].text()


# ---------------------------------------------------------------------------------------------------------------------
# facts

GATHERED = {
    "distribution": "Debian",
    "os_family": "Debian",
    "distribution_version": "13.2",
    "distribution_release": "trixie",
    "architecture": "x86_64",
    "userspace_bits": "64",
    "default_ipv4": {"address": "192.168.1.2"},
    "interfaces": ["lo", "br-lan", "eth0.7"],
    "lo": {"active": True, "ipv4": {"address": "127.0.0.1", "prefix": "8"}},
    "br_lan": {
        "active": True,
        "ipv4": {"address": "192.168.1.2", "netmask": "255.255.255.0", "prefix": "24"},
        "ipv4_secondaries": [{"address": "10.0.0.2", "netmask": "255.255.0.0"}],
    },
    "eth0_7": {"active": False},
}


def facts_after(made, gathered=GATHERED, info=None):
    made.gathered("dhcp1", gathered)
    if info is not None:
        made.register("dhcp1", __kea_host_info=info)
    raw = collect(made)[0]["kea"][0]
    return raw.facts, raw.trouble


def test_facts(inventory):
    facts, trouble = facts_after(inventory(), info={"changed": False, **kea_info()})
    assert trouble == ""
    assert (facts["os_id"], facts["os_like"], facts["os_version"]) == ("debian", ["debian"], "13.2")
    assert (facts["architecture"], facts["default_ipv4"]) == ("x86_64", "192.168.1.2")
    assert facts["interfaces"] == {
        "lo": {"up": True, "ipv4": ["127.0.0.1/8"]},
        "br-lan": {"up": True, "ipv4": ["192.168.1.2/24", "10.0.0.2/16"]},
        "eth0.7": {"up": False, "ipv4": []},
    }
    assert facts["kea"]["version"] == "2.6.3"
    assert types_in(facts) <= {str, int, bool, dict, list, type(None)}


def test_32_bit_programs_under_a_64_bit_kernel(inventory):
    facts, _trouble = facts_after(inventory(), {**GATHERED, "architecture": "aarch64", "userspace_bits": "32"})
    assert facts["architecture"] == "armv7l"


@pytest.mark.parametrize(
    ("version", "release", "expected"),
    [("12.5", "bookworm", "12.5"), ("n/a", "forky", "forky"), ("forky/sid", "forky", "forky/sid forky")],
)
def test_version_of_the_system(inventory, version, release, expected):
    facts, _trouble = facts_after(
        inventory(), {**GATHERED, "distribution_version": version, "distribution_release": release}
    )
    assert facts["os_version"] == expected


def test_offline_leaves_facts_alone(inventory):
    made = inventory()
    made.gathered("dhcp1", GATHERED)
    assert collect(made, offline=True)[0]["kea"][0].facts is None


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (
            {"unreachable": True, "msg": "Failed to connect:\nConnection refused"},
            "cannot be reached: Failed to connect: Connection refused",
        ),
        ({"failed": True, "msg": "Missing sudo password"}, "cannot be asked: Missing sudo password"),
        ({"failed": False, "msg": "Missing sudo password"}, "cannot be asked: Missing sudo password"),
        ({"failed": False, "msg": "MODULE FAILURE", "module_stderr": "sudo: no"}, "cannot be asked: MODULE FAILURE"),
    ],
)
def test_a_host_that_cannot_be_asked_says_why(inventory, result, text):
    made = inventory()
    # A cache may still know the host from better days.
    made.variables.set_host_facts("dhcp1", GATHERED)
    made.register("dhcp1", __kea_setup=result)
    raw = collect(made)[0]["kea"][0]
    assert raw.facts is None
    assert text in raw.trouble


def test_a_failed_question_about_kea(inventory):
    facts, trouble = facts_after(inventory(), info={"failed": True, "msg": "no python"})
    assert facts["kea"] is None
    assert "no python" in trouble


# ---------------------------------------------------------------------------------------------------------------------
# filters


def run_filter(name, made, host="dhcp1"):
    return FilterModule().filters()[name](made.hostvars, host, made.groups)


def test_filter_plan(inventory):
    plan = run_filter("plan", inventory({"kea_version": "2.2.0"}), "dhcp2")
    assert (plan["role"], plan["kea_version"], plan["partner"]["host"]) == ("standby", "2.2.0", "dhcp1")
    # ansible-core 2.18 gets text that it does not take for a template, later ones get plain text.
    plain = {kind for kind in types_in(plan) if kind.__name__ != "AnsibleUnsafeText"}
    assert plain <= {str, int, bool, dict, list, type(None)}
    text = FilterModule().filters()["config_text"](plan["daemons"]["dhcp4"])
    assert text.startswith("// Managed by Ansible")
    assert json.loads(text[text.index("{") :]) == plan["daemons"]["dhcp4"]["content"]


@pytest.mark.parametrize("broken", [{"kea_subnets": "x"}, {"kea_valid_lifetime": "{{ nope }}"}])
def test_filter_plan_refuses_what_it_cannot_read(inventory, broken):
    with pytest.raises(Exception, match=next(iter(broken))):
        run_filter("plan", inventory(broken))


def test_filter_plan_for_a_stranger(inventory):
    made = inventory(more={"web": {"hosts": {"web1": {}}}})
    with pytest.raises(Exception, match="web1"):
        run_filter("plan", made, "web1")


def test_filter_config_text_wants_a_daemon():
    with pytest.raises(Exception, match="header and content"):
        FilterModule().filters()["config_text"]({"x": 1})


SECRETS = {
    "inventory": ({"kea_api_password": VAULTED_PASSWORD}, {"value": "one", "candidate": "x"}, {}, VAULTED_PASSWORD),
    "primary's": ({}, {"value": "one", "candidate": "x"}, {"value": "two", "candidate": "y"}, "one"),
    "standby's": ({}, {"value": "", "candidate": "x"}, {"value": "two", "candidate": "y"}, "two"),
    "fresh": ({}, {"value": "", "candidate": "x"}, {"value": "", "candidate": "y"}, "x"),
    "partner not asked": ({}, None, {"value": "", "candidate": "y"}, "y"),
}


@pytest.mark.parametrize("name", SECRETS)
def test_filter_secret_is_the_same_on_both(inventory, name):
    group, first, second, expected = SECRETS[name]
    made = inventory(group)
    for host, result in (("dhcp1", first), ("dhcp2", second)):
        if result is not None:
            made.register(host, __kea_secret=result)
    assert [run_filter("secret", made, host) for host in ("dhcp1", "dhcp2")] == [expected, expected]


def test_filter_secret_without_any(inventory):
    with pytest.raises(Exception, match="kea_api_password"):
        run_filter("secret", inventory())


def test_a_pair_that_the_playbooks_would_pass_over_is_a_finding(tmp_path):
    hosts = {name: {**values, "kea_pair": "office"} for name, values in HOSTS.items()}
    alone = Inventory(tmp_path, {"office": {"hosts": hosts, "vars": GROUP}})
    findings = _inventory.examine(alone.hostvars, alone.groups, ["dhcp1", "dhcp2"], offline=True)[1]
    assert "Make office a child of the group kea" in findings[0].text()
    inside = Inventory(tmp_path, {"kea": {"children": {"office": {"hosts": hosts, "vars": GROUP}}}})
    assert _inventory.examine(inside.hostvars, inside.groups, ["dhcp1", "dhcp2"], offline=True)[1] == []


@pytest.mark.parametrize(("wanted", "changes"), [(VAULTED_PASSWORD, True), (None, False)])
def test_a_password_that_changes_is_noted(inventory, wanted, changes):
    known = inventory(group={"kea_api_password": wanted} if wanted else None)
    for host in ("dhcp1", "dhcp2"):
        known.gathered(host, {"distribution": "Debian", "distribution_version": "13.2", "architecture": "x86_64"})
        known.register(host, __kea_host_info=kea_info(), __kea_secret={"value": "an-old-password-of-the-hosts"})
    members, _unread = _inventory.collect(known.hostvars, known.groups, "dhcp1")
    assert [raw.facts["secret_changes"] for raw in members["kea"]] == [changes, changes]


# ---------------------------------------------------------------------------------------------------------------------
# certificates

TLS = {"kea_tls_enabled": True}
TLS_FILES = {
    **TLS,
    "kea_tls_source": "files",
    "kea_tls_trust_anchor": "files/ca.pem",
    "kea_tls_cert_file": "files/{{ inventory_hostname }}.pem",
    "kea_tls_key_file": "files/{{ inventory_hostname }}.key",
}


def today(host, issuer):
    """Return a certificate that is valid now, whenever that is."""
    names = {"dhcp1": ("IP:192.168.1.2",), "dhcp2": ("IP:192.168.1.3",)}[host]
    return certs.make(host, issuer, names=names, start=-9999.0, days=9999.0)


def write_files(folder, key=None):
    """Write the files of TLS_FILES, and return the certificates."""
    authority = certs.authority(start=-9999.0, days=9999.0)
    made = {host: today(host, authority) for host in ("dhcp1", "dhcp2")}
    (folder / "files").mkdir()
    (folder / "files" / "ca.pem").write_bytes(authority.pem)
    for host, entity in made.items():
        (folder / "files" / f"{host}.pem").write_bytes(entity.pem)
        (folder / "files" / f"{host}.key").write_bytes(key(entity.key) if key else entity.key)
    return authority, made


def certificates_of(made, offline=False):
    pairs, findings = _inventory.examine(made.hostvars, made.groups, ["dhcp1", "dhcp2"], offline=offline)
    return [server.certificates for server in pairs[0].servers], findings


def of_tls(findings):
    return [item for item in findings if item.id in ("P35", "P36") and item.severity != "info"]


def test_certificates_are_looked_at_for_pairs_with_tls_only(inventory, tmp_path):
    # TLS is off, or nobody would need the library.
    assert certificates_of(inventory({"kea_tls_enabled": False}), offline=True)[0] == [None, None]
    found, findings = certificates_of(inventory(TLS), offline=True)
    assert [item.action for item in found] == ["issue", "issue"]
    assert found[0].ca_dir == str(tmp_path / ".kea-pki" / "kea")
    assert of_tls(findings) == []


def test_files_beside_the_inventory(inventory, tmp_path):
    write_files(tmp_path)
    found, findings = certificates_of(inventory(TLS_FILES), offline=True)
    assert [item.action for item in found] == ["install", "install"]
    assert of_tls(findings) == []
    (tmp_path / "files" / "dhcp2.key").write_text("")
    (finding,) = of_tls(certificates_of(inventory(TLS_FILES), offline=True)[1])
    assert finding.text() == (
        "dhcp2: kea_tls_key_file = 'files/dhcp2.key': the file is empty, but should hold the private key of the host's"
        " certificate. Give the path of a PEM file. [P35]"
    )


def test_an_inventory_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Inventory(tmp_path, {"kea": {"hosts": HOSTS, "vars": {**GROUP, **TLS}}})
    for host in ("dhcp1", "dhcp2"):
        made.register(host, inventory_dir=None)
    assert certificates_of(made, offline=True)[0][0].ca_dir == str(tmp_path / ".kea-pki" / "kea")


def gathered_with_tls(made, current="1"):
    for host in ("dhcp1", "dhcp2"):
        made.gathered(host, GATHERED)
        tls = {"current": current, "generations": [current], "certificate": None, "trust": [], "key": {}}
        made.register(host, __kea_host_info={"changed": False, **kea_info("3.0.4"), "tls": tls})


@pytest.mark.parametrize(
    ("registered", "expected"),
    [
        ({"generation": "2"}, ("none", "2")),
        ({"generation": 2, "changed": True}, ("none", "2")),
        ({"generation": "2", "failed": True, "msg": "x"}, ("issue", "")),
        ({"skipped": True}, ("issue", "")),
        ({"generation": "1"}, ("issue", "")),
    ],
)
def test_what_this_run_has_made(inventory, registered, expected):
    made = inventory(TLS)
    gathered_with_tls(made)
    made.register("dhcp1", __kea_tls=registered)
    found, _findings = certificates_of(made)
    assert (found[0].action, found[0].generation) == expected
    assert found[1].action == "issue"


def tls_files(made, host="dhcp1"):
    return TlsFilterModule().filters()["tls_files"](made.hostvars, host, made.groups)


def test_filter_tls_files(inventory, tmp_path):
    authority, entities = write_files(tmp_path)
    assert tls_files(inventory(TLS_FILES), "dhcp2") == {
        "trust": [authority.text],
        "certificate": entities["dhcp2"].text,
        "private_key": entities["dhcp2"].key.decode(),
    }


def test_filter_tls_files_decrypts_with_the_passwords_of_the_run(inventory, tmp_path):
    _authority, entities = write_files(tmp_path, key=lambda key: certs.vaulted(key, "vault"))
    made = inventory(TLS_FILES)
    with pytest.raises(Exception, match="dhcp1: kea_tls_key_file: .*ansible-vault.*Give the vault password"):
        tls_files(made)
    made.loader.set_vault_secrets([("default", VaultSecret(b"another"))])
    with pytest.raises(Exception, match="Give the vault password"):
        tls_files(made)
    made.loader.set_vault_secrets([("default", VaultSecret(b"vault"))])
    assert tls_files(made)["private_key"] == entities["dhcp1"].key.decode()


def test_filter_tls_files_of_the_own_ca(inventory, tmp_path):
    authority = certs.authority(start=-9999.0, days=9999.0)
    (tmp_path / ".kea-pki" / "kea").mkdir(parents=True)
    assert tls_files(inventory(TLS)) == {"trust": [], "certificate": "", "private_key": ""}
    (tmp_path / ".kea-pki" / "kea" / "ca.pem").write_bytes(authority.pem)
    assert tls_files(inventory(TLS))["trust"] == [authority.text]


@pytest.mark.parametrize("host", ["dhcp1", "web1"])
def test_filter_tls_files_without_tls(inventory, host):
    made = inventory({"kea_tls_enabled": False}, more={"web": {"hosts": {"web1": {}}}})
    with pytest.raises(Exception, match=f"{host}: it is in no pair that uses TLS; see kea_tls_enabled"):
        tls_files(made, host)


def test_the_port_of_ssh_is_read(inventory):
    made = inventory(dhcp1={"ansible_port": "{{ 2000 + 222 }}"})
    first, second = collect(made)[0]["kea"]
    assert first.vars["ansible_port"] == 2222
    assert "ansible_port" not in second.vars


@pytest.mark.parametrize("name", ["dhcp1", "dhcp_1", "10.0.0.1", "a" * 70])
def test_the_plan_asks_for_the_names_that_are_looked_for(tmp_path, name):
    hosts = {name: HOSTS["dhcp1"], "dhcp2": HOSTS["dhcp2"]}
    plan = run_filter("plan", Inventory(tmp_path, {"kea": {"hosts": hosts, "vars": {**GROUP, **TLS}}}), name)
    assert plan["tls"]["san"] == _tls.subject_alt_names("192.168.1.2", (name, "server1"))
    assert plan["tls"]["common_name"] == _tls.common_name(name)
    assert (plan["tls"]["action"], plan["tls"]["ca_dir"]) == ("issue", str(tmp_path / ".kea-pki" / "kea"))
