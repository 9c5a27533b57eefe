# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""lab/kea_check: what a container is given before Kea is asked. Asking the real Kea is tests/real's."""

from __future__ import annotations

import importlib.util
import json
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "lab" / "kea_check"


@pytest.fixture(scope="module")
def kea_check():
    loader = SourceFileLoader("kea_check_alone", str(PATH))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("kea_check_alone", loader))
    loader.exec_module(module)
    return module


def rendered(*interfaces, subnets=(), **more):
    body = {"interfaces-config": {"interfaces": list(interfaces)}, "subnet4": list(subnets), **more}
    return "// Managed by Ansible\n" + json.dumps({"Dhcp4": body})


def test_every_interface_that_a_configuration_names_is_there(kea_check):
    text = rendered("eth0", "eth1/10.0.0.2", "*", subnets=[{"interface": "eth2"}])
    assert kea_check.interfaces_of([text]) == {"eth0": [], "eth1": ["10.0.0.2/24"], "eth2": []}
    assert kea_check.interfaces_of([rendered("*")]) == {"eth0": []}
    assert kea_check.interfaces_of(["no JSON"]) == {"eth0": []}


def test_a_start_gets_the_hosts_address_and_one_in_each_subnet(kea_check):
    peers = [{"name": "a", "url": "https://[2001:db8::2]:8000/"}, {"name": "b", "url": "https://[2001:db8::3]:8000/"}]
    hooks = [{"parameters": {"high-availability": [{"this-server-name": "b", "peers": peers}]}}]
    text = rendered(
        "eth0", "eth1", subnets=[{"subnet": "10.9.0.0/16", "interface": "eth1"}], **{"hooks-libraries": hooks}
    )
    agent = json.dumps({"Control-agent": {"http-host": "192.168.1.3"}})
    assert kea_check.addresses_for_start([text, agent]) == {
        "eth0": ["2001:db8::3/64", "192.168.1.3/24"],
        "eth1": ["10.9.255.254/16"],
    }


def test_one_trial_for_each_file_and_one_for_a_start(kea_check, tmp_path):
    for name in ("kea-dhcp4", "kea-ctrl-agent"):
        (tmp_path / f"{name}.conf").write_text(rendered("eth0"), encoding="utf-8")

    def programs(how):
        return [sorted(trial.files) for _name, trial in kea_check.trials_of(tmp_path, how)]

    assert programs("test") == [["kea-dhcp4"], ["kea-ctrl-agent"]]
    assert programs("hooks") == [["kea-dhcp4"]]
    assert programs("start") == [["kea-ctrl-agent", "kea-dhcp4"]]
    with pytest.raises(kea_check.labtool.LabError, match="holds no kea-dhcp4.conf"):
        list(kea_check.trials_of(tmp_path / "empty", "test"))
