#!/usr/bin/python
# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (Ansible wants the documentation above the imports)
"""Leads one server of a pair to a high availability state, proven on both sides."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_ha
short_description: Take over, step aside, and return to normal in a pair of Kea DHCPv4 servers
version_added: 0.2.0
author:
  - keaops.kea contributors (@keaops)
description:
  - Leads the DHCPv4 server of this host to a state, and proves it by the states of both servers.
  - Kea's own answers are not trusted, because C(ha-maintenance-start) calls it a success, too, when it could not reach
    the partner, and both servers serve from then on.
  - Each host speaks for itself. A step of both is two tasks, one on each host, in the order that the examples show.
  - The partner is only looked at, over the URL that the servers use. It is never told to do anything.
  - Works on with the connection gone, in a process of its own; waits never last longer than O(timeout).
extends_documentation_fragment:
  - keaops.kea.attributes
  - keaops.kea.attributes.action_group
attributes:
  check_mode:
    support: full
    details:
      - Predicts the first action from the states as they are.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(gathered) changes nothing and returns what is to be known of this server and its partner.
      - V(serving) has this server serve the clients of both. Its partner must be well, or known to be stopped
        (O(partner_stopped)), and then it takes over at once, without Kea's own patience. While the partner lives on
        drained, it is kept up to date, but does not take over if this server fails.
      - V(drained) proves that this server serves nobody and its partner serves all, so that it may be stopped at any
        time. The partner has to be V(serving) first. A server that goes on serving although its partner has taken over
        is stopped.
      - V(stopped) stops the server, if its partner serves all, or it serves nobody itself.
      - V(started) has the server run with its hooks. One that has lost them in a reload is restarted.
      - V(normal) has the server in the working state of the pair, as its partner. It starts a server that is stopped,
        ends a drain, and puts right what somebody has disabled by hand. To end a drain, run it on the server that
        serves first, and on the drained one then.
      - V(synced) has a server of a pair that is well copy the leases of its partner that it lacks, as C(ha-sync) does.
        Kea copies them by itself only when a server comes to the pair, and does not notice what it missed otherwise.
        The partner answers no client meanwhile, which is less than a second for some thousands of leases. Not done with
        more than 5000 leases.
    type: str
    choices: [gathered, serving, drained, stopped, started, normal, synced]
    default: normal
  socket:
    description:
      - Path of the server's control socket.
    type: path
    default: /run/kea/kea4-ctrl-socket
  partner_url:
    description:
      - The URL at which the servers reach the partner of this one.
    type: str
  partner_version:
    description:
      - The Kea version of the partner. Before 2.7.5 no server leaves a drain by command, so the drained one is stopped,
        missed and started again, which costs clients one heartbeat. Defaults to that of this server.
    type: str
  partner_stopped:
    description:
      - Whether there is proof that the partner does not run. With a partner that serves unseen, both would serve.
    type: bool
    default: false
  user:
    description:
      - User of the basic authentication at O(partner_url).
    type: str
  password_file:
    description:
      - File on the managed host with its password.
    type: path
  ca_path:
    description:
      - The certificate authorities that may have signed the partner's certificate, a file or a folder. Names are not
        compared, as Kea does not, either.
    type: path
  client_cert:
    description:
      - File on the managed host with the certificate to show.
    type: path
  client_key:
    description:
      - File on the managed host with its key.
    type: path
  leases:
    description:
      - What a server that has to be started does with its lease file. V(aside) moves it aside, with all that Kea keeps
        beside it. The server starts without leases and copies those of its partner.
    type: str
    choices: [keep, aside]
    default: keep
  timeout:
    description:
      - Seconds to wait for the state.
    type: float
    default: 90
  lock_timeout:
    description:
      - Seconds to wait for another run on this host.
    type: int
    default: 0
  local_name:
    description:
      - Name of this host in messages. Defaults to the name that the host has itself.
    type: str
seealso:
  - module: keaops.kea.kea_ha_info
"""

EXAMPLES = r"""
- name: Have dhcp2 serve alone
  hosts: dhcp2
  become: true
  tasks:
    - name: Take over
      keaops.kea.kea_ha:
        state: serving
        partner_url: http://192.168.1.2:8000/
        user: kea-api
        password_file: /etc/kea/kea-api-password

- name: Work on dhcp1
  hosts: dhcp1
  become: true
  tasks:
    - name: Prove that it may be stopped
      keaops.kea.kea_ha:
        state: drained
        partner_url: http://192.168.1.3:8000/
        user: kea-api
        password_file: /etc/kea/kea-api-password

- name: Return to normal, first where clients are served
  hosts: dhcp2,dhcp1
  serial: 1
  become: true
  tasks:
    - name: Do its part again
      keaops.kea.kea_ha:
        state: normal
        partner_url: "{{ partner_url }}" # a variable of each host
        user: kea-api
        password_file: /etc/kea/kea-api-password
"""

RETURN = r"""
before:
  description: What was found.
  returned: always
  type: dict
  contains:
    running:
      description: Whether systemd runs the server.
      type: bool
    ha:
      description: Its state, as M(keaops.kea.kea_ha_info) describes it. V(null) when it does not answer.
      type: dict
    server_name:
      description: Its name in the pair, as its configuration says.
      type: str
    lacks:
      description:
        - The addresses of leases that its partner has and it has not, or only as they were before. V(null) when they
          were not compared, as with more than 5000 leases, in a pair that is not well, or for other states than
          V(gathered) and V(synced).
      type: list
      elements: str
    partner:
      description: The state of the partner as it tells it itself. V(null) when it does not answer.
      type: dict
    link:
      description: Why the partner does not answer.
      type: str
    clock_skew:
      description: By how many seconds the partner's clock is ahead. V(null) when that is not known.
      type: float
    dead:
      description: Why the server does not run, in its own words.
      type: str
    cause:
      description: The line of its log that says why high availability ended.
      type: str
    leases:
      description: Why its lease file cannot be used.
      type: str
    proven:
      description: Whether the configuration in place was proven to serve by M(keaops.kea.kea_config).
      type: bool
    agent:
      description: Whether the Control Agent runs through which the partner hears this server. V(null) without one.
      type: bool
    run:
      description: The run of a playbook that has changed something here and has not ended, in words.
      type: str
  sample:
    running: true
    ha: {ha: true, state: hot-standby, role: standby, scopes: [], serving: false}
    server_name: dhcp2
    lacks: []
    partner: {ha: true, state: hot-standby, role: primary, scopes: [dhcp1], serving: true}
    link: ""
    clock_skew: 0.0
    dead: ""
    cause: ""
    leases: ""
    proven: true
    agent: true
    run: ""
after:
  description: The same, at the end.
  returned: always, but in check mode
  type: dict
actions:
  description: What was done, in order, with reasons; in check mode what would be done first.
  returned: always
  type: list
  elements: str
  sample: ["maintenance: its partner is well and can be relieved"]
moved:
  description: Where the lease files are now.
  returned: always
  type: list
  elements: str
  sample: [/var/lib/kea/kea-leases4.csv.keaops-20261125-113000]
seconds:
  description: How long it took.
  returned: always
  type: float
  sample: 0.4
kind:
  description:
    - What kind of failure it was. V(refused) when it would have harmed, V(split) when Kea took over without proof and
      that was taken back, V(timeout), V(died) when the server ended after its start, V(command) when Kea refused a
      command, V(host) when the host is in the way, V(option) when a file cannot be used.
  returned: on failure
  type: str
  sample: refused
"""

import platform

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keaops.kea.plugins.module_utils import _api, _apply, _ha_host

PARTNER_SECONDS = 3


def partner_of(params):
    """Return what makes the client for the partner's URL, or None without one."""
    if not params["partner_url"]:
        return None
    options = dict(params, service="dhcp4", password=None, verify_hostname=False)
    return lambda: _api.http_client(options, params["partner_url"], PARTNER_SECONDS)


def work(params, check_mode, system):
    """Do or predict what *params* ask for; returns what the module reports, failed or not."""
    wanted = _ha_host.Wanted(
        goal=params["state"],
        here=params["local_name"] or platform.node(),
        timeout=params["timeout"],
        partner_stopped=params["partner_stopped"],
        partner_version=params["partner_version"],
        leases=params["leases"],
    )
    start = system.now()
    control = _ha_host.Control(system, wanted, params["socket"], partner_of(params))
    before = control.view()
    result = {"changed": False, "before": before, "actions": [], "moved": []}
    if params["state"] == "gathered":
        return dict(result, after=before, seconds=round(system.now() - start, 1))
    if check_mode:
        action = control.predict()
        if action.name == "refuse":
            return dict(result, failed=True, kind="refused", msg=f"{wanted.here}: {action.reason}.", seconds=0.0)
        if action.name not in ("done", "left", "wait"):
            result.update(changed=True, actions=[f"{action.name}: {action.reason}"])
        return dict(result, diff=difference(before, None, result["actions"]), seconds=0.0)
    failure = {}
    try:
        with _apply.host_lock(system, {"daemon": "dhcp4", "run_id": None}, params["lock_timeout"]):
            control.run()
    except _ha_host.ControlError as exc:
        failure = {"failed": True, "kind": exc.kind, "msg": str(exc)}
    except _apply.ApplyError as exc:
        words = f"{exc.message}: {exc.reason}" if exc.reason else exc.message
        failure = {"failed": True, "kind": "host", "msg": f"{wanted.here}: {words.rstrip('.')}."}
    after = control.view()
    return dict(
        result,
        changed=bool(control.actions),
        after=after,
        actions=control.actions,
        moved=control.moved,
        diff=difference(before, after, control.actions),
        seconds=round(system.now() - start, 1),
        **failure,
    )


def difference(before, after, actions):
    """Return the states for people."""

    def text(view):
        ha = view["ha"] or {}
        state = ha.get("state") or ("no high availability" if view["running"] else "stopped")
        return f"{state}, serves {', '.join(ha.get('scopes') or []) or 'nobody'}\n"

    then = text(after) if after else "".join(f"{line}\n" for line in actions) or text(before)
    return {"before_header": "state", "after_header": "state", "before": text(before), "after": then}


def argument_spec():
    """Return the module's options."""
    return {
        "state": {
            "type": "str",
            "choices": ["gathered", "serving", "drained", "stopped", "started", "normal", "synced"],
            "default": "normal",
        },
        "socket": {"type": "path", "default": _api.DEFAULT_SOCKET},
        "partner_url": {"type": "str"},
        "partner_version": {"type": "str"},
        "partner_stopped": {"type": "bool", "default": False},
        "user": {"type": "str"},
        "password_file": {"type": "path", "no_log": False},
        "ca_path": {"type": "path"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path", "no_log": False},
        "leases": {"type": "str", "choices": ["keep", "aside"], "default": "keep"},
        "timeout": {"type": "float", "default": 90},
        "lock_timeout": {"type": "int", "default": 0},
        "local_name": {"type": "str"},
    }


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec(),
        required_by={"password_file": "user", "client_key": "client_cert"},
        supports_check_mode=True,
    )
    system = _apply.System()
    try:
        result = _apply.detached(lambda: work(module.params, module.check_mode, system))
    except _apply.ApplyError as exc:
        result = {"failed": True, "kind": "host", "msg": exc.message}
    if not module._diff:
        result.pop("diff", None)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
