# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is lost for good, and a bare one of the same name stands in its place."""

from __future__ import annotations

from conftest import changed, lab, play, renew


def test_a_dead_host_is_replaced_by_a_bare_one(pairs):
    pair = next((pair for pair in pairs if pair.suite == "trixie"), pairs[0])
    leases = [pair.lease() for _ in range(3)]
    survivor = pair.standby.pid()
    lab("replace", pair.primary.name)
    renew(pair.primary)
    assert pair.primary.shell.run("test -e /etc/kea").rc != 0
    # As bare as some images are: Ansible's apt refuses to check without it, and a run installs it.
    pair.primary.run("dpkg --remove --force-depends python3-apt")
    check = play("playbooks/replace.yml", "--check", limit=pair.name)
    assert check.returncode == 0, check.stdout + check.stderr
    assert pair.standby.state() == "hot-standby"

    run = play("playbooks/replace.yml", limit=pair.name)
    assert run.returncode == 0, run.stdout + run.stderr
    pair.healthy()
    assert pair.standby.pid() == survivor
    for lease in leases:
        for server in pair.servers:
            assert server.leases()[lease["address"]] == lease["mac"]
    again = pair.lease("--mac", leases[0]["mac"])
    assert (again["address"], again["server_id"]) == (leases[0]["address"], "192.168.1.2")

    # A second time nobody is new, and nothing is done.
    run = play("playbooks/replace.yml", limit=pair.name)
    assert run.returncode != 0
    assert "nobody is new here" in " ".join(run.stdout.split())
    assert set(changed(run.stdout).values()) == {0}
