# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/render.yml and preflight.yml from a plain clone: nobody is contacted, a bad inventory gives no file."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.keaops.kea.plugins.module_utils._jsonc import loads
from programs import HOME, ROOT, files_below, run

SECURE = ROOT / "inventories" / "secure"
TEMPLATE = ("-e", "kea_ha_transport=control_agent")

AGENT = ["dhcp1/kea-ctrl-agent.conf", "dhcp2/kea-ctrl-agent.conf"]
SERVER = ["dhcp1/kea-dhcp4.conf", "dhcp2/kea-dhcp4.conf"]


def play(folder, playbook, *arguments, inventory=HOME):
    return run("ansible-playbook", "-i", inventory, ROOT / "playbooks" / playbook, *arguments, folder=folder, cwd=ROOT)


def render(folder, *arguments, inventory=HOME):
    return play(folder, "render.yml", "-e", f"kea_render_dir={folder / 'out'}", *arguments, inventory=inventory)


@pytest.mark.parametrize(
    ("inventory", "version", "more", "agent", "socket", "log", "scheme"),
    [
        (HOME, "2.2.0", (), AGENT, "control-socket", "output_options", "http"),
        (HOME, "2.6.3", (), AGENT, "control-socket", "output-options", "http"),
        (HOME, "3.0.4", TEMPLATE, AGENT, "control-sockets", "output-options", "http"),
        (HOME, "3.0.4", (), [], "control-sockets", "output-options", "https"),
        (HOME, "3.2.0", (), [], "control-sockets", "output-options", "https"),
        (SECURE, "2.2.0", (), AGENT, "control-socket", "output_options", "https"),
        (SECURE, "3.0.4", ("-e", "kea_api=control_agent"), AGENT, "control-sockets", "output-options", "https"),
        (SECURE, "3.2.0", (), [], "control-sockets", "output-options", "https"),
    ],
)
def test_render_writes_the_files_of_each_version(tmp_path, inventory, version, more, agent, socket, log, scheme):
    # Left by a run for another version: it has to go where the host no longer gets it.
    (tmp_path / "out" / "dhcp1").mkdir(parents=True)
    (tmp_path / "out" / "dhcp1" / "kea-ctrl-agent.conf").write_text("{}", encoding="utf-8")
    done = render(tmp_path, "-e", f"kea_version={version}", *more, inventory=inventory)
    assert done.code == 0, done.output
    assert not done.contacted
    assert files_below(tmp_path / "out") == sorted(agent + SERVER)
    for host, name, role in (("dhcp1", "server1", "primary"), ("dhcp2", "server2", "standby")):
        text = (tmp_path / "out" / host / "kea-dhcp4.conf").read_text(encoding="utf-8")
        dhcp4 = loads(text)["Dhcp4"]
        assert socket in dhcp4
        assert log in dhcp4["loggers"][0]
        assert dhcp4["subnet4"][0]["subnet"] == "192.168.1.0/24"
        pair = dhcp4["hooks-libraries"][1]["parameters"]["high-availability"][0]
        assert pair["this-server-name"] == name
        peer = pair["peers"][("primary", "standby").index(role)]
        assert {"name": name, "role": role}.items() <= peer.items()
        assert peer["url"].startswith(f"{scheme}://")
    for path in agent:
        assert "Control-agent" in loads((tmp_path / "out" / path).read_text(encoding="utf-8"))


def test_rendering_again_changes_nothing(tmp_path):
    first = render(tmp_path)
    assert first.code == 0, first.output
    again = render(tmp_path)
    assert again.code == 0, again.output
    assert again.output.count("changed=0") == 2


def _two_primaries(pair):
    pair["hosts"]["dhcp2"]["kea_ha_role"] = "primary"


def _pool_outside(pair):
    pair["vars"]["kea_subnets"][0]["pools"] = ["10.0.1.10-10.0.1.99"]


def _typo(pair):
    pair["vars"]["kea_ha_hartbeat_delay"] = 10000


def _one_host(pair):
    del pair["hosts"]["dhcp2"]


MISTAKES = {
    "two primaries": (_two_primaries, ["dhcp1, dhcp2: kea_ha_role", "[P03]"]),
    "a pool outside its subnet": (_pool_outside, ["kea_subnets[0].pools[0] = '10.0.1.10-10.0.1.99'", "[P23]"]),
    "a typo in a variable": (_typo, ["kea_ha_hartbeat_delay", "kea_ha_heartbeat_delay"]),
    "one host": (_one_host, ["dhcp1", "[P02]"]),
}


def spoiled(folder, change):
    """Write the home inventory with one mistake in it."""
    inventory = yaml.safe_load((HOME / "hosts.yml").read_text(encoding="utf-8"))
    change(inventory["kea"])
    path = folder / "hosts.yml"
    path.write_text(yaml.safe_dump(inventory), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", MISTAKES)
def test_render_writes_nothing_of_a_bad_inventory(tmp_path, name):
    change, texts = MISTAKES[name]
    done = render(tmp_path, inventory=spoiled(tmp_path, change))
    assert done.code != 0
    assert not done.contacted
    assert "Traceback" not in done.output
    for text in texts:
        assert text in done.output
    assert not (tmp_path / "out").exists()


def test_preflight_checks_the_inventory_alone(tmp_path):
    done = play(tmp_path, "preflight.yml", "-e", "kea_preflight_offline=true")
    assert done.code == 0, done.output
    assert not done.contacted


def test_preflight_stops_at_a_bad_inventory_without_asking_hosts(tmp_path):
    done = play(tmp_path, "preflight.yml", inventory=spoiled(tmp_path, _two_primaries))
    assert done.code != 0
    assert "[P03]" in done.output
    assert not done.contacted


def test_preflight_asks_the_hosts_when_it_may(tmp_path):
    """The other side of the tests above: a contact would have been seen."""
    done = play(tmp_path, "preflight.yml")
    assert done.code != 0
    assert done.contacted
