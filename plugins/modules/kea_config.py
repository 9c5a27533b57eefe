#!/usr/bin/python
# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (Ansible wants the documentation above the imports)
"""The transaction for one Kea daemon. The work is done in module_utils/_apply.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_config
short_description: Configure and run one Kea daemon, as one transaction
version_added: 0.1.0
description:
  - Brings one Kea daemon on a host to a configuration and proves that it serves with it.
  - "The steps: take the lock of the host, compare, have the real daemon check the new file as its own user, keep the
    old file, replace it atomically, restart, and wait until the daemon truly serves. That is: the same process stays
    alive, its API answers, its hooks are loaded, and its high availability state is one of O(wait_ha_states)."
  - When the new configuration fails after it was put in place, the old file, O(links) and O(unit_settings) are put
    back, the old service is started again, and the module fails with the daemon's own reason and says whether the
    roll-back succeeded.
  - The transaction runs in a process of its own. A connection or controller that goes away in the middle does not
    stop it.
  - "A running DHCPv4 server of Kea 3.0 or later follows a change of its subnets by commands, where O(apply) allows it:
    there is no restart and no hand-over then, and no packet is lost. What the server runs is compared with the file
    afterwards; if the two differ, file and server are put back, by commands if that can be proven, else by a restart."
  - Only a different meaning is a change. White space, comments, the order of keys and O(header) are not.
  - A file that was never proven to serve (for example because the host lost power in the middle) is applied again, and
    so is one whose daemon does not serve.
extends_documentation_fragment:
  - keaops.kea.attributes
  - keaops.kea.attributes.action_group
  - keaops.kea.run
attributes:
  check_mode:
    support: full
    details:
      - Where the daemon is installed, it checks the configuration in check mode, too, in a temporary file beside the
        live one.
  diff_mode:
    support: full
    details:
      - Shows the meaning of the configuration, keys sorted, passwords and secrets hidden.
  idempotent:
    support: full
options:
  daemon:
    description: The daemon.
    type: str
    choices: [dhcp4, ctrl_agent]
    required: true
  state:
    description:
      - V(present) has the daemon run with O(content).
      - V(previous) has it run with what it had before O(run), if that run has changed it. The other options are those
        of V(present); O(content), O(links) and O(unit_settings) are replaced by what was there.
      - V(stopped) stops it and has it not start with the host. Its files are left alone.
      - V(away) stops it for the time in which its partner is changed alone; with O(hand_over) the partner serves the
        clients first. Only for V(dhcp4).
    type: str
    choices: [present, previous, stopped, away]
    default: present
  content:
    description:
      - The whole configuration, with the daemon's one top-level key (V(Dhcp4) or V(Control-agent)).
      - Required with O(state=present).
      - Keep secrets in files and name those here. Secrets in O(content) are hidden in output and diff, and the file
        can be read by root and O(group) only.
    type: dict
  header:
    description: Lines written as comment at the head of the file.
    type: list
    elements: str
    default: []
  path:
    description: The configuration file. The default is Debian's for O(daemon), as for the other paths here.
    type: path
  unit:
    description: The systemd unit.
    type: str
  unit_settings:
    description:
      - Text of a drop-in file C(keaops.conf) for the unit, such as when it is started again. Left alone if omitted.
      - A change of it alone does not restart the daemon, as it is about the next start. The module warns of that.
      - Before they are put in place, systemd starts the program once with new settings in a unit of its own, so that
        settings this host cannot grant are refused now, and not at the next boot.
    type: str
  executable:
    description: The daemon's program.
    type: path
  user:
    description: The user the daemon runs as. The new configuration is checked as this user.
    type: str
    default: _kea
  group:
    description: The group that may read the configuration file; its owner is root.
    type: str
    default: _kea
  mode:
    description: The mode of the configuration file, octal.
    type: str
    default: "0640"
  control_socket:
    description:
      - The daemon's UNIX control socket, used where a configuration in place does not name it in full.
    type: path
  log_file:
    description: The daemon's log file, read for its reasons when it fails, beside the journal.
    type: path
  test_hooks:
    description:
      - Check with C(-T), too, which loads the hook libraries. Kea 2.6 and later.
      - The false alarm of Kea 2.6.3 about its dedicated listener is ignored.
    type: bool
    default: false
  enabled:
    description:
      - Whether the unit starts with the host. Set after the daemon was proven to serve.
      - Left alone if omitted.
    type: bool
  wait_ha_states:
    description:
      - The transaction succeeds when the server is in one of these high availability states, for example
        V(hot-standby).
      - Empty asks only that the server itself serves its API with its hooks loaded. More cannot be asked while the
        partner is not up.
      - Only looked at when the daemon is started or restarted.
    type: list
    elements: str
    default: []
  ha_timeout:
    description: Seconds to wait for O(wait_ha_states).
    type: int
    default: 90
  start_timeout:
    description: Seconds the daemon may take until it serves its API.
    type: int
    default: 30
  gate_ha_states:
    description:
      - If a restart is needed and the running server, or its partner as the server sees it, is in any other high
        availability state, the module fails before it touches anything. So it does when the two do not hear each other,
        or when both or none of a pair in V(hot-standby) answer the clients.
      - What a server knows of its partner may be old. The module waits for three heartbeats and 5 seconds.
      - A server in V(in-maintenance) whose partner stands in for it may be changed.
      - Ignored while the server does not run or does not serve. Empty is no condition.
    type: list
    elements: str
    default: []
  hand_over:
    description:
      - "Have the partner stand in for the server before that is interrupted: it is put into the state
        V(in-maintenance), and stopped when its partner says that it stands in. It is started when its partner has
        noticed that it is gone, and gets its clients back when it is proven."
      - Clients then wait for one heartbeat at most, twice, however long the server takes to start, and are not without
        service when the new configuration fails. That is so for a standby, too, without which its partner would not
        give leases.
      - A partner that does not stand in stops the run before anything was changed.
      - Only for a server that works in a pair.
    type: bool
    default: false
  take_over:
    description:
      - Have the server serve alone as soon as it is up, for a partner that is V(away). It would wait for the partner
        for C(max-response-delay) else. Both O(gate_ha_states) and O(wait_ha_states) are V(partner-down) then.
      - For what two servers must change together, such as how they talk to each other.
    type: bool
    default: false
  apply:
    description:
      - How a change reaches a DHCPv4 server that runs.
      - V(rolling) restarts it. V(live) sends commands, and fails before anything was touched when they cannot do the
        whole change. V(auto) sends commands where they can, else it restarts. So it does, with a warning, after
        commands that Kea refused, or that did not lead to the wanted configuration, and were taken back.
      - "Commands can change subnets and what is in them: pools, options, reservations. That takes Kea 3.0 or later with
        the hooks subnet_cmds and host_cmds loaded, and a server that runs what was applied last."
      - With O(state=previous) V(live) is taken for V(auto).
    type: str
    choices: [auto, rolling, live]
    default: auto
  watch_files:
    description:
      - Files the daemon reads at its start only, such as password files, certificates and keys. A change of one is a
        reason to restart.
      - A folder stands for all files in it, but not for those in folders below it.
    type: list
    elements: path
    default: []
  links:
    description:
      - Symlinks that are switched with the configuration, each with the target it shall have.
      - "Name certificates in O(content) through such a link: a new set of files is then a new target. It comes into
        force in one step, right before the restart, and the old target is put back when the daemon fails with the new
        one. A link that was not there is made, and removed again."
      - A target is a name beside the link, or an absolute path. It must exist, except in check mode.
      - The daemon checks the configuration with the files behind the new targets.
      - Name the files in O(watch_files), too, so that another content behind the same target is noticed.
    type: dict
    default: {}
  run:
    description:
      - The run of a playbook that this change belongs to. Its first change on a host opens the journal of the host, and
        from then on changes of other runs are refused, until M(keaops.kea.kea_settle) ends the run.
      - Without it a change leaves no trace in the journal, and is refused while that is open.
  lock_timeout:
    description: Seconds to wait for another run that changes Kea on this host, before failing.
    type: int
    default: 0
notes:
  - Needs root and systemd.
  - "Files beside O(path): C(.keaops-previous), the last configuration before this one, or before O(run). Below
    C(/var/lib/keaops): a marker for each daemon, with the fingerprint of the configuration that was proven to serve, a
    record of it and of what the daemon said that it runs, without secrets, and C(journal.json), who changes the host or
    did so last."
  - A DHCPv4 server that runs another configuration than the one applied, as somebody has changed it by its API, is
    restarted.
seealso:
  - module: keaops.kea.kea_host_info
  - module: keaops.kea.kea_settle
  - module: keaops.kea.kea_peer
author:
  - keaops.kea contributors (@keaops)
"""

EXAMPLES = r"""
- name: Configure a DHCPv4 server and wait until it is in hot-standby
  keaops.kea.kea_config:
    daemon: dhcp4
    content:
      Dhcp4:
        interfaces-config: {interfaces: [enp0s8]}
        control-socket: {socket-type: unix, socket-name: /run/kea/kea4-ctrl-socket}
        subnet4:
          - id: 1
            subnet: 192.168.1.0/24
            pools: [{pool: 192.168.1.100 - 192.168.1.199}]
    header: [Managed by Ansible. Changes by hand will be overwritten.]
    enabled: true
  become: true

- name: Change a member of a pair, only while the pair is healthy
  keaops.kea.kea_config:
    daemon: dhcp4
    content: "{{ rendered }}"
    gate_ha_states: [hot-standby]
    hand_over: true
    wait_ha_states: [hot-standby]
    ha_timeout: 60
  become: true

- name: Serve with a new certificate, in /etc/kea/tls/4
  keaops.kea.kea_config:
    daemon: dhcp4
    content: "{{ rendered }}" # names /etc/kea/tls/current/cert.pem and key.pem
    links:
      /etc/kea/tls/current: "4"
    watch_files: [/etc/kea/tls/current/cert.pem, /etc/kea/tls/current/key.pem]
  become: true

- name: Run no Control Agent
  keaops.kea.kea_config:
    daemon: ctrl_agent
    state: stopped
  become: true
"""

RETURN = r"""
action:
  description:
    - What was done, or would be in check mode. The heaviest of it, V(restart) includes permissions.
    - One of V(none), V(enable), V(disable), V(settings), V(permissions), V(start), V(restart), V(live), V(stop).
  returned: success
  type: str
  sample: restart
reasons:
  description: Why it was done.
  returned: success
  type: list
  elements: str
  sample: [the configuration differs]
change:
  description:
    - What is different in the configuration of V(dhcp4), where that is why it is started, restarted or changed live.
  returned: success
  type: dict
  contains:
    kind:
      description:
        - V(none); V(soft), as options, reservations and lifetimes; V(additive) with new subnets or pools;
          V(subtractive) without some; V(mixed) with new subnets for old ones; V(breaking), how it talks to its partner.
      type: str
    words:
      description: What changes, in lines for people. Empty if the file that was there was not proven to serve.
      type: list
      elements: str
  sample: {kind: soft, words: ["valid-lifetime: was 43200, is 43201"]}
backup:
  description: The file with the configuration before the last change, or null.
  returned: success
  type: str
  sample: /etc/kea/kea-dhcp4.conf.keaops-previous
digest:
  description: Fingerprint of what the configuration means.
  returned: success
  type: str
  sample: 5b0f2c3e9d1a47c8b6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3
run_open:
  description: Whether O(run) has changed something on this host, or taken over what another one has left.
  returned: success
  type: bool
  sample: true
settled:
  description: Whose journal was taken over, in words; empty if there was none.
  returned: success
  type: str
  sample: ""
ha:
  description:
    - The server's high availability state after the run, as M(keaops.kea.kea_ha_info) describes it; null where there
      is none.
  returned: success
  type: dict
seconds:
  description:
    - Seconds each stage took, of C(inspect), C(gate), C(check), C(hand_over), C(replace), C(live), C(restart),
      C(serve), C(ha) and C(roll_back).
  returned: always
  type: dict
  sample: {inspect: 0.05, check: 0.09, replace: 0.01, restart: 0.11, serve: 2.1, ha: 3.5}
stage:
  description:
    - Where it stopped. One of V(prepare), V(check), V(hand_over), V(replace), V(live), V(restart), V(serve), V(ha).
  returned: failure
  type: str
  sample: serve
reason:
  description: The daemon's or the system's own words.
  returned: failure
  type: str
  sample: "DHCP4_INIT_FAIL failed to initialize Kea server: ..."
rolled_back:
  description:
    - Whether the old state was put back and, if the daemon ran before, serves again.
    - V(false) in a failure before anything was changed, where there is nothing to roll back.
  returned: always
  type: bool
  sample: true
log:
  description: What the daemon and systemd wrote about the failure.
  returned: always
  type: list
  elements: str
  sample: ["2026-11-23 20:01:02.003 FATAL [kea-dhcp4.dhcp4/263.1] DHCP4_INIT_FAIL failed to initialize Kea server: ..."]
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keaops.kea.plugins.module_utils import _apply, _journal


class QuietModule(AnsibleModule):
    """Does not copy its arguments to the host's syslog: the content may hold secrets, and megabytes."""

    def _log_invocation(self):
        """Log the call without its arguments."""
        self.log("daemon={} state={}".format(self.params["daemon"], self.params["state"]))


def check_link(path, target):
    """Raise BadInput if one entry of the option links makes no sense."""
    if not os.path.isabs(path) or path != os.path.normpath(path):
        raise _apply.BadInput(f"links: '{path}' is not an absolute path; write for example /etc/kea/tls/current")
    name = isinstance(target, str) and "/" not in target and target not in ("", ".", "..")
    if not name and not os.path.isabs(str(target)):
        raise _apply.BadInput(
            f"links: the target '{target}' of {path} is neither a name beside it nor an absolute path; write for "
            "example '2', in quotes"
        )


def wanted_from(params):
    """Return what the module's parameters ask for; raises ApplyError."""
    daemon = _apply.DAEMONS[params["daemon"]]
    try:
        mode = int(params["mode"], 8)
    except ValueError:
        raise _apply.BadInput("mode '{}' is not octal; write for example '0640'".format(params["mode"])) from None
    if daemon.api != "unix" and (params["wait_ha_states"] or params["gate_ha_states"]):
        raise _apply.BadInput(f"wait_ha_states and gate_ha_states make no sense for {daemon.name}")
    for path, target in params["links"].items():
        check_link(path, target)
    return _apply.Wanted(
        daemon=daemon,
        content=params["content"] or {},
        header=params["header"],
        path=params["path"] or daemon.path,
        unit=params["unit"] or daemon.unit,
        unit_settings=params["unit_settings"],
        executable=params["executable"] or daemon.executable,
        user=params["user"],
        group=params["group"],
        mode=mode,
        control_socket=params["control_socket"] or daemon.control_socket,
        log_file=params["log_file"] or daemon.log_file,
        test_hooks=params["test_hooks"],
        enabled=params["enabled"],
        wait_ha_states=params["wait_ha_states"],
        ha_timeout=params["ha_timeout"],
        start_timeout=params["start_timeout"],
        gate_ha_states=params["gate_ha_states"],
        hand_over=params["hand_over"],
        take_over=params["take_over"],
        watch_files=sorted(params["watch_files"]),
        links=params["links"],
        apply=params["apply"],
        run=_journal.run_of(params["run"]),
        lock_timeout=params["lock_timeout"],
    )


def work(params, check_mode, system):
    """Do or predict what *params* ask for; returns what the module reports, failed or not."""
    transaction = None
    try:
        transaction = _apply.Transaction(wanted_from(params), system)
        if params["state"] == "stopped":
            return transaction.stop(check_mode)
        if params["state"] == "away":
            return transaction.away(check_mode)
        if params["state"] == "previous":
            return transaction.take_back(check_mode)
        return transaction.run(check_mode)
    except _apply.ApplyError as exc:
        return _apply.failure(exc, transaction)


def argument_spec():
    """Return the module's options."""
    return {
        "daemon": {"type": "str", "choices": ["dhcp4", "ctrl_agent"], "required": True},
        "state": {"type": "str", "choices": ["present", "previous", "stopped", "away"], "default": "present"},
        "content": {"type": "dict"},
        "header": {"type": "list", "elements": "str", "default": []},
        "path": {"type": "path"},
        "unit": {"type": "str"},
        "unit_settings": {"type": "str"},
        "executable": {"type": "path"},
        "user": {"type": "str", "default": "_kea"},
        "group": {"type": "str", "default": "_kea"},
        "mode": {"type": "str", "default": "0640"},
        "control_socket": {"type": "path"},
        "log_file": {"type": "path"},
        "test_hooks": {"type": "bool", "default": False},
        "enabled": {"type": "bool"},
        "wait_ha_states": {"type": "list", "elements": "str", "default": []},
        "ha_timeout": {"type": "int", "default": 90},
        "start_timeout": {"type": "int", "default": 30},
        "gate_ha_states": {"type": "list", "elements": "str", "default": []},
        "hand_over": {"type": "bool", "default": False},
        "take_over": {"type": "bool", "default": False},
        "watch_files": {"type": "list", "elements": "path", "default": []},
        "links": {"type": "dict", "default": {}},
        "apply": {"type": "str", "choices": ["auto", "rolling", "live"], "default": "auto"},
        "run": {"type": "dict", "options": _journal.run_spec()},
        "lock_timeout": {"type": "int", "default": 0},
    }


def main():
    """Run the module."""
    module = QuietModule(
        argument_spec=argument_spec(),
        required_if=[("state", "present", ["content"]), ("state", "previous", ["run"])],
        supports_check_mode=True,
    )
    module.no_log_values.update(_apply.secrets_in(module.params["content"]))
    system = _apply.System()
    try:
        result = _apply.detached(lambda: work(module.params, module.check_mode, system))
    except _apply.ApplyError as exc:
        result = _apply.failure(exc)
    _apply.finish(module, result)


if __name__ == "__main__":
    main()
