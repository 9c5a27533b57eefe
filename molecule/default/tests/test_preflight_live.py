# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight says of the pair as it runs: each finding provoked for real, and nothing touched by it."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import time

from conftest import AtOnce, Pair, inventory_of, lab, play

CHANGE = ("-e", json.dumps({"kea_valid_lifetime": 50000}))
UNIT = "[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n"
# What is done to a host, and how it is undone.
AILMENTS = (
    # A clock of its own is what a container cannot have: this Python tells another time.
    (
        "mkdir /opt/ahead && echo 'import time; now = time.time; time.time = lambda: now() + 40' >"
        " /opt/ahead/sitecustomize.py && printf '#!/bin/sh\\nPYTHONPATH=/opt/ahead exec /usr/bin/python3 \"$@\"\\n' >"
        " /opt/ahead/python && chmod 0755 /opt/ahead/python",
        "rm -r /opt/ahead",
    ),
    # systemd would see the container, too, and a container needs nobody who keeps its clock.
    (
        "printf '#!/bin/sh\\necho none; exit 1\\n' > /usr/local/bin/systemd-detect-virt"
        " && chmod 0755 /usr/local/bin/systemd-detect-virt",
        "rm /usr/local/bin/systemd-detect-virt",
    ),
    (
        "touch /usr/bin/unattended-upgrade; systemctl unmask apt-daily-upgrade.timer"
        " && systemctl start apt-daily-upgrade.timer"
        " && echo 'APT::Periodic::Unattended-Upgrade \"1\";' > /etc/apt/apt.conf.d/20auto-upgrades",
        "rm /usr/bin/unattended-upgrade /etc/apt/apt.conf.d/20auto-upgrades;"
        " systemctl mask --now apt-daily-upgrade.timer",
    ),
    (
        f"printf '{UNIT}' > /etc/systemd/system/isc-dhcp-server.service; systemctl enable isc-dhcp-server",
        "systemctl disable isc-dhcp-server; rm /etc/systemd/system/isc-dhcp-server.service; systemctl daemon-reload",
    ),
    ("mount -t tmpfs -o size=20m tmpfs /var/lib/kea", "umount /var/lib/kea"),
    ("mount -t tmpfs -o size=20m tmpfs /var/log/kea", "umount /var/log/kea"),
    ("systemctl stop kea-ctrl-agent", "systemctl start kea-ctrl-agent"),
)


def one_of(pairs: list[Pair]) -> Pair:
    """Return the pair for tests that need only one: Debian stable's where the lab has it."""
    return next((pair for pair in pairs if pair.suite == "trixie"), pairs[0])


def pids(*pairs: Pair) -> list[str]:
    """Return the processes of all daemons."""
    units = ("kea-dhcp4-server", "kea-ctrl-agent")
    return [server.pid(unit) for pair in pairs for server in pair.servers for unit in units]


def told(run) -> str:
    """Return what a run has printed; where its lines break depends on the terminal."""
    return " ".join((run.stdout + run.stderr).split())


def subnets_of(pair: Pair) -> list:
    """Return the subnets in the inventory, to be changed."""
    return copy.deepcopy(inventory_of(pair.primary.name)["kea_subnets"])


def applied(server) -> dict:
    """Return the configuration file, without the comment at its top."""
    lines = server.run("cat /etc/kea/kea-dhcp4.conf").splitlines()
    return json.loads("\n".join(line for line in lines if not line.startswith("//")))


def test_changes_by_hand_and_by_api_are_named_and_taken_back(pairs):
    for pair in pairs:
        content = applied(pair.primary)
        content["Dhcp4"]["valid-lifetime"] = 600
        content["Dhcp4"]["subnet4"][0]["pools"] = [{"pool": "192.168.1.100-192.168.1.150"}]
        reply = pair.primary.kea("config-set", **content)
        assert reply["result"] == 0, reply
        pair.standby.run('sed -i \'s/"renew-timer": 21600/"renew-timer": 999/\' /etc/kea/kea-dhcp4.conf')
        pair.healthy()
    before = pids(*pairs)
    run = play("site.yml")
    text = told(run)
    assert run.returncode != 0
    for pair in pairs:
        primary, standby = pair.primary.name, pair.standby.name
        consent = "kea_accept_drift = 'false'"
        assert f"{primary}: {consent}: the configuration that the server runs was changed outside" in text
        assert (
            f"{standby}: {consent}: /etc/kea/kea-dhcp4.conf was changed outside this collection: renew-timer: was"
            in text
        )
        assert f"{primary}, {standby}: running subnets = '192.168.1.0/24': {primary} runs it with id 1 and" in text
    assert text.count("valid-lifetime: was 43200, is 600") >= len(pairs)
    assert "subnet4[1].pools[192.168.1.100-192.168.1.199]: gone" in text
    assert pids(*pairs) == before

    run = play("site.yml", "-e", "kea_accept_drift=true")
    assert run.returncode == 0, run.stdout + run.stderr
    for pair in pairs:
        pair.healthy()
        running = pair.primary.kea("config-get")["arguments"]["Dhcp4"]
        assert (running["valid-lifetime"], applied(pair.standby)["Dhcp4"]["renew-timer"]) == (43200, 21600)


def test_no_drift_is_seen_after_a_restart_and_an_upgrade(pairs):
    """The marker is made to tell of another version: what that printed differently is no change of anybody's."""
    older = 'sed -i \'s/"kea_version": "[^"]*"/"kea_version": "2.0.0"/; s/"running": "./"running": "x/\''
    for pair in pairs:
        for server in pair.servers[::-1]:
            server.run("systemctl restart kea-dhcp4-server kea-ctrl-agent")
            pair.healthy()
        pair.primary.run(f"cp -p /var/lib/keaops/dhcp4.json /root/marker; {older} /var/lib/keaops/dhcp4.json")
    try:
        run = play("playbooks/preflight.yml", "-v")
    finally:
        for pair in pairs:
            pair.primary.run("mv /root/marker /var/lib/keaops/dhcp4.json")
    assert run.returncode == 0, run.stdout + run.stderr
    assert not re.search(r"\[P(21|40)\]", told(run)), run.stdout


def test_leases_that_a_change_would_touch_are_counted(pairs):
    pair = one_of(pairs)
    for server in pair.servers:
        server.kea("lease4-wipe", **{"subnet-id": 1})
    held = [pair.lease() for _client in range(3)]
    first, last = held[0]["address"], held[-1]
    both = f"{pair.primary.name}, {pair.standby.name}"
    before = pids(pair)

    shrunk = subnets_of(pair)
    shrunk[0]["pools"] = [f"{last['address']}-192.168.1.199"]
    shrunk[0]["reservations"].append({"hw_address": "1a:1b:1c:1d:1e:aa", "ip_address": last["address"]})
    run = play("playbooks/preflight.yml", "-e", json.dumps({"kea_subnets": shrunk}), limit=pair.name)
    assert run.returncode != 0
    assert f"{both}: kea_subnets[0].pools = '{last['address']}-192.168.1.199': 2 of 3 leases in use" in told(run)
    assert f"would be outside: {first}, {held[1]['address']}. " in told(run)
    assert (
        f"{both}: kea_subnets[0].reservations = '{last['address']}': the address is reserved for 1a:1b:1c:1d:1e:aa,"
        in (told(run))
    )
    assert f"but {last['mac']} has leased it" in told(run)

    renumbered = subnets_of(pair)
    renumbered[0]["id"] = 7
    run = play("playbooks/preflight.yml", "-e", json.dumps({"kea_subnets": renumbered}), limit=pair.name)
    assert run.returncode != 0
    assert f"{pair.primary.name}: kea_subnets[0].id = '7': 192.168.1.0/24 has the id 1" in told(run)
    assert "[L01]" not in told(run)

    moved = subnets_of(pair)
    moved[0].update(id=2, subnet="192.168.1.0/25", pools=["192.168.1.100-192.168.1.120"])
    run = play("playbooks/preflight.yml", "-e", json.dumps({"kea_subnets": moved}), limit=pair.name)
    assert run.returncode != 0
    gone = f"{both}: kea_subnets = '192.168.1.0/24': the inventory has no longer this subnet (id 1), but 3 leases in it"
    assert gone in told(run)
    assert "-e kea_allow_subnet_removal=true" in told(run)
    assert pids(pair) == before


def test_what_is_wrong_with_a_host_is_told_at_once(pairs, tmp_path):
    """Clock, disks, services, and an agent that was stopped: one run names them all."""
    pair = one_of(pairs)
    host = pair.standby
    overlay = tmp_path / "overlay.yml"
    python = {"ansible_python_interpreter": "/opt/ahead/python"}
    overlay.write_text(json.dumps({"kea": {"hosts": {host.name: python}}}))
    before = pids(pair)
    with contextlib.ExitStack() as stack:
        for spoil, mend in AILMENTS:
            stack.callback(host.shell.run, mend)
            host.run(spoil)
        run = play("site.yml", *CHANGE, limit=pair.name, inventory=str(overlay))
    text = told(run)
    assert run.returncode != 0
    both = f"{pair.primary.name}, {host.name}"
    apart = re.search(
        rf"ERROR: {both}: clock = '(\d+) s apart': the clock of (\S+) is \1 s behind that of (\S+);", text
    )
    assert apart and apart.groups()[1:] == (pair.primary.name, host.name), text
    assert 35 <= int(apart.group(1)) <= 40
    assert re.search(rf"WARNING: {host.name}: clock = '\+\d\d s': the host is \d\d s ahead of the controller", text)
    assert f"WARNING: {host.name}: time service = 'none'" in text
    assert re.search(rf"ERROR: {host.name}: /var/lib/kea = '\d+ MB free': that is too little for leases", text)
    assert re.search(rf"WARNING: {host.name}: /var/log/kea = '\d+ MB free': that is too little for logs", text)
    url = f"http://{host.address}:8000/"
    assert (
        f"ERROR: {pair.primary.name}: URL of the partner = '{url}': {pair.primary.name} cannot ask {host.name}" in text
    )
    assert "connection refused" in text
    assert f"WARNING: {host.name}: service = 'isc-dhcp-server'" in text
    assert f"WARNING: {host.name}: service = 'unattended-upgrades'" in text
    assert pids(pair)[:3] == before[:3]
    pair.healthy()
    assert play("playbooks/preflight.yml", limit=pair.name).returncode == 0


def test_a_pair_that_is_not_healthy_is_not_changed(pairs):
    """Both servers run, and neither hears the other."""
    pair = one_of(pairs)
    before = pids(pair)
    lab("net", "cut", pair.standby.name)
    try:
        pair.wait_for("partner-down", "hot-standby")
        run = play("site.yml", *CHANGE, limit=pair.name)
        unchanged = play("playbooks/preflight.yml", limit=pair.name)
    finally:
        lab("net", "heal", pair.standby.name)
    primary, standby = pair.primary.name, pair.standby.name
    state = (
        f"{primary}: HA state = 'partner-down': a server is changed only in the state hot-standby. It is a primary in"
    )
    url = f"URL of the partner = 'http://{pair.standby.address}:8000/': {primary} cannot ask {standby}"
    for error in (state, f"{primary}: {url}", f"{standby}: URL of the partner = 'http://{pair.primary.address}:8000/'"):
        assert f"ERROR: {error}" in told(run)
    assert run.returncode != 0
    assert f"ERROR: {standby}: kea_interfaces[0] = 'enp0s8': interface enp0s8 is down" in told(run)
    # Nothing would be changed: a run that may mend the pair is not kept from it.
    assert f"WARNING: {state}" in told(unchanged)
    assert f"WARNING: {primary}: {url}" in told(unchanged)
    assert pids(pair) == before
    pair.healthy()


def start_dnsmasq(host, interface: str, first: int) -> None:
    """Have another DHCP server run on a machine of the lab."""
    host.run(
        f"dnsmasq --conf-file=/dev/null --port=0 --interface={interface} --bind-interfaces --pid-file=/tmp/dnsmasq.pid"
        f" --dhcp-range=192.168.1.{first},192.168.1.{first + 9},255.255.255.0 --dhcp-leasefile=/tmp/dnsmasq.leases"
    )


def test_another_dhcp_server_is_found_before_the_pair_serves(pairs):
    pair = one_of(pairs)
    install = "apt-get -qq update && apt-get -qq install -y --no-install-recommends dnsmasq-base"
    done = AtOnce(lambda host: host.run(install), [pair.client, pair.primary])
    assert [done[host] for host in (pair.client, pair.primary)]
    with contextlib.ExitStack() as stack:
        for server in pair.servers:
            server.run("systemctl stop kea-dhcp4-server")
            stack.callback(server.run, "systemctl start kea-dhcp4-server")
        start_dnsmasq(pair.client, "lan0", 60)
        stack.callback(pair.client.run, "kill $(cat /tmp/dnsmasq.pid)")
        mac = pair.client.file("/sys/class/net/lan0/address")
        start_dnsmasq(pair.primary, "enp0s8", 70)
        stack.callback(pair.primary.run, "kill $(cat /tmp/dnsmasq.pid)")
        started = time.monotonic()
        run = play("playbooks/preflight.yml", limit=pair.name)
        seconds = time.monotonic() - started
    text = told(run)
    assert run.returncode != 0
    answer = (
        rf"DHCP server = '192.168.1.1': another DHCP server \(MAC {mac}\) answers on enp0s8 and offers 192.168.1.6\d;"
    )
    assert re.search(answer, text), text
    assert f"ERROR: {pair.primary.name}: UDP port 67 = " in text
    assert f"another DHCP server runs on {pair.primary.name}, on enp0s8" in text
    assert seconds < 60
    pair.healthy()
    assert pair.lease()["server_id"] == "192.168.1.2"
