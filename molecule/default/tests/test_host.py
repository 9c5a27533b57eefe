# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host itself is given, on a pair that serves: kea_host with a real network, systemd and journal."""

from __future__ import annotations

import json

import pytest
from conftest import Host, Pair, changed, play
from test_runs import one_of

FREE = "192.168.1.57"
FILE = "/etc/systemd/network/05-keaops-kea.network"
PLAY = """
- name: Give a host what is asked for
  hosts: kea
  gather_facts: false
  become: true
  tasks:
    - name: Give it
      keaops.kea.kea_host: "{{ settings }}"
"""


@pytest.fixture
def give(pairs, tmp_path):
    """Return what gives one host of the pair the settings of kea_host; at the end it has none of them any more."""
    pair = one_of(pairs)
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAY, encoding="utf-8")

    def settle(server: Host, *arguments: str, **settings):
        return play(str(playbook), *arguments, "-e", json.dumps({"settings": settings}), limit=server.name)

    yield pair, settle
    for server in pair.servers:
        assert settle(server).returncode == 0
        server.shell.run(f"ip address del {FREE}/24 dev enp0s8")
        assert server.shell.run(f"test -e {FILE}").rc != 0
    pair.healthy()


def network(address: str) -> dict:
    return {"manager": "networkd", "interface": "enp0s8", "address": f"{address}/24", "gateway": "192.168.1.1"}


def addresses(server: Host) -> list[str]:
    return [item["local"] for item in json.loads(server.run("ip -j -4 address show enp0s8"))[0]["addr_info"]]


def test_an_address_is_added_and_what_is_there_stays(give: tuple[Pair, object]):
    pair, settle = give
    server = pair.standby
    before, routes = server.pid(), server.run("ip route")
    predicted = settle(server, "--check", "--diff", network=network(FREE))
    assert changed(predicted.stdout) == {server.name: 1}
    assert f"+Address={FREE}/24" in predicted.stdout and f"+{FREE}" in predicted.stdout
    assert addresses(server) == [server.address]
    assert server.shell.run(f"test -e {FILE}").rc != 0

    run = settle(server, network=network(FREE))
    assert changed(run.stdout) == {server.name: 1}, run.stdout + run.stderr
    assert "for good from the next boot on" in " ".join((run.stdout + run.stderr).split())
    assert addresses(server) == [server.address, FREE]
    assert server.run("ip route") == routes
    assert f"Address={FREE}/24" in server.file(FILE)
    assert changed(settle(server, network=network(FREE)).stdout) == {server.name: 0}
    assert server.pid() == before
    assert pair.states() == ("hot-standby", "hot-standby")


def test_an_address_of_another_machine_is_refused(give: tuple[Pair, object]):
    pair, settle = give
    mac = pair.primary.file("/sys/class/net/enp0s8/address")
    run = settle(pair.standby, network=network(pair.primary.address))
    assert run.returncode != 0
    words = " ".join((run.stdout + run.stderr).split())
    assert f"{pair.primary.address} belongs to another machine already, which has the MAC address {mac}" in words
    assert addresses(pair.standby) == [pair.standby.address]
    assert pair.standby.shell.run(f"test -e {FILE}").rc != 0


def test_systemd_takes_watchdog_and_journal_while_kea_serves(give: tuple[Pair, object]):
    pair, settle = give
    server = pair.standby
    before = server.pid()

    def journals() -> str:
        return server.run("journalctl --no-pager -q -o cat -n 0 --header | sed -n 's/^File path: //p'")

    run = settle(server, watchdog=15, journal="volatile")
    assert changed(run.stdout) == {server.name: 1}, run.stdout + run.stderr
    assert server.run("systemctl show -p RuntimeWatchdogUSec --value").strip() == "15s"
    server.run("logger -t keaops-test written-to-memory")
    assert "written-to-memory" in server.run(
        "journalctl --sync; journalctl --no-pager -D /run/log/journal -t keaops-test"
    )
    assert "/run/log/journal/" in journals()
    assert changed(settle(server, watchdog=15, journal="volatile").stdout) == {server.name: 0}
    assert changed(settle(server).stdout) == {server.name: 1}
    assert server.run("systemctl show -p RuntimeWatchdogUSec --value").strip() == "0"
    assert server.pid() == before
    assert pair.states() == ("hot-standby", "hot-standby")
