#!/usr/bin/python
# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (Ansible wants the documentation above the imports)
"""The high availability state of a Kea server, the same for all versions."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_ha_info
short_description: Tell the high availability state of a Kea server
version_added: 0.1.0
author:
  - keaops.kea contributors (@keaops)
description:
  - Asks a Kea DHCP server for its status and returns one view that is the same for Kea 2.2, 2.6 and 3.0.
  - Can wait until the server, and its partner as this server sees it, is in a wanted state.
  - Notices a server that lost its HA hook while it was reloaded. Such a server looks healthy, and serves nobody.
extends_documentation_fragment:
  - keaops.kea.connection
  - keaops.kea.attributes
  - keaops.kea.attributes.info
  - keaops.kea.attributes.action_group
options:
  wait_for:
    description:
      - Wait until the server is in one of these states, for example V([hot-standby]).
      - While waiting, a server that does not answer yet is no failure.
      - The state V(terminated) fails at once unless it is wanted, since no server leaves it by itself.
    type: list
    elements: str
    default: []
  wait_for_partner:
    description:
      - Wait also until this server has seen its partner in one of the states of O(wait_for).
      - Both servers of a pair should be asked. What one knows of the other can be one heartbeat old.
    type: bool
    default: false
  timeout:
    description:
      - Seconds to wait for the wanted state. One request takes 10 seconds at most.
    type: float
    default: 60
  delay:
    description:
      - Seconds between two questions while waiting.
    type: float
    default: 1
  log_file:
    description:
      - Log of the daemon on the managed host, quoted in the message of a failure.
    type: path
  log_lines:
    description:
      - How many lines of O(log_file) to quote. Only warnings, errors and changes of the HA state, if there are any.
    type: int
    default: 10
"""

EXAMPLES = r"""
- name: Look at the state of the pair
  keaops.kea.kea_ha_info:
  become: true
  register: kea

- name: Wait until the pair stands
  keaops.kea.kea_ha_info:
    wait_for: [hot-standby]
    wait_for_partner: true
    timeout: 90
    log_file: /var/log/kea/kea-dhcp4.log
  become: true

- name: Look at the partner
  keaops.kea.kea_ha_info:
    url: http://192.168.1.3:8000/
    user: kea-api
    password_file: /etc/kea/kea-api-password
  become: true
"""

RETURN = r"""
ha:
  description:
    - Whether the HA hook is at work. V(false) on a server that should be in a pair means that it may serve nobody.
  returned: when the server answered
  type: bool
  sample: true
mode:
  description: The mode of the pair.
  returned: when the server answered
  type: str
  sample: hot-standby
state:
  description: The state of the server.
  returned: when the server answered
  type: str
  sample: hot-standby
role:
  description: The role of the server.
  returned: when the server answered
  type: str
  sample: primary
server_name:
  description: The name of the server in the pair. V(null) on Kea 2.2, which does not tell it.
  returned: when the server answered
  type: str
  sample: dhcp1
scopes:
  description: The servers whose clients this server answers.
  returned: when the server answered
  type: list
  elements: str
  sample: [dhcp1]
serving:
  description:
    - Whether the server answers DHCP clients. V(false) is right for a standby while its partner is well.
  returned: when the server answered
  type: bool
  sample: true
dhcp_enabled:
  description: Whether DHCP is enabled. V(null) on Kea 2.2, which does not tell it.
  returned: when the server answered
  type: bool
  sample: true
partner:
  description: The partner as this server sees it. V(null) without a partner.
  returned: when the server answered
  type: dict
  contains:
    server_name:
      description: Its name. V(null) on Kea 2.2.
      type: str
    role:
      description: Its role.
      type: str
    state:
      description: The state it was last seen in, V(unavailable) when it does not answer.
      type: str
    scopes:
      description: The servers whose clients it answers.
      type: list
      elements: str
    in_touch:
      description: Whether it was ever heard of.
      type: bool
    age:
      description: Seconds since it was last heard of.
      type: int
    interrupted:
      description: Whether it has been silent for longer than C(max-response-delay).
      type: bool
    unacked_clients:
      description: Clients that it has not answered in time since it is silent.
      type: int
    unacked_clients_left:
      description: How many more such clients are needed before this server takes over.
      type: int
    clock_skew:
      description: Seconds between the clocks. V(null) before Kea 3.0.
      type: int
clock_skew:
  description: Seconds between the clocks of the two servers. V(null) before Kea 3.0.
  returned: when the server answered
  type: int
  sample: 0
unsent_updates:
  description: Lease updates that have not been sent to the partner yet.
  returned: when the server answered
  type: int
  sample: 0
pid:
  description: Process id of the daemon.
  returned: when the server answered
  type: int
  sample: 674
uptime:
  description: Seconds since the daemon was started.
  returned: when the server answered
  type: int
  sample: 133
multi_threading:
  description: Whether the server works with several threads.
  returned: when the server answered
  type: bool
  sample: false
sockets_ready:
  description: Whether all DHCP sockets are open. V(null) when Kea does not tell.
  returned: when the server answered
  type: bool
  sample: true
version:
  description: The version of the daemon. V(null) when the API does not allow to ask for it.
  returned: when the server answered
  type: str
  sample: 2.6.3
config_hash:
  description:
    - Digest of the running configuration. V(null) before Kea 2.4, or when the API does not allow to ask for it.
  returned: when the server answered
  type: str
  sample: 63C5C7B4BBF9C335672A1898C4A92E0269F86D99AB1BA3CE2069E373D2B20883
leases:
  description: How many addresses are in use. V(null) when the API does not allow to ask for it.
  returned: when the server answered
  type: dict
  contains:
    total:
      description: Addresses in all pools.
      type: int
    assigned:
      description: Addresses in use.
      type: int
    declined:
      description: Addresses that a client found in use by somebody else.
      type: int
    subnets:
      description: The same for each subnet, by its id.
      type: dict
  sample: {"total": 100, "assigned": 2, "declined": 0, "subnets": {"1": {"total": 100, "assigned": 2, "declined": 0}}}
url:
  description: The address asked, C(unix:) and the path for a UNIX socket.
  returned: always
  type: str
  sample: unix:/run/kea/kea4-ctrl-socket
summary:
  description: The state in a few words.
  returned: when the server answered
  type: str
  sample: primary in state hot-standby, serving; it sees its partner in state hot-standby, heard of 0 s ago
waited:
  description: Seconds waited for the wanted state.
  returned: when the server answered
  type: float
  sample: 12.3
log:
  description: The last lines of O(log_file).
  returned: on failure, with O(log_file)
  type: list
  elements: str
kind:
  description:
    - What kind of failure it was.
    - V(state) when the wanted state was not reached, V(no_ha) when the server runs without HA, else one of the kinds of
      M(keaops.kea.kea_command).
  returned: on failure
  type: str
  sample: state
"""

import re
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keaops.kea.plugins.module_utils import _api, _compare, _state

REQUEST_TIMEOUT = 10
_TELLING = re.compile(r" (WARN|ERROR|FATAL) |HA_STATE_TRANSITION")


class WrongState(Exception):
    """The wanted state was not reached.

    Attributes:
        kind (str): ``state`` or ``no_ha``.
        state (dict): the state last seen.
    """

    def __init__(self, kind: str, state: dict, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.state = state


def fetch_state(client: _api.KeaClient) -> dict:
    """Return the normalised state of the server now.

    Raises:
        _api.KeaApiError: no usable reply.
    """
    status = client.command("status-get", check=True).arguments or {}
    expected = "high-availability" not in status and has_ha_hook(client)
    return _state.normalise(status, ha_expected=expected)


def has_ha_hook(client: _api.KeaClient) -> bool:
    """Return whether the configuration has an HA block. It still has it when the hooks have been lost.

    Raises:
        _api.KeaApiError: no usable reply.
    """
    reply = allowed(client, "config-get")
    config = (reply.arguments or {}).get(_api.SERVICES[client.service]) if reply else None
    return _compare.high_availability(config or {}) is not None


def reached(state: dict, wanted: list, with_partner: bool) -> bool:
    """Return whether the server, and with *with_partner* what it knows of its partner, is in a wanted state."""
    partner = state["partner"] or {}
    return state["state"] in wanted and (not with_partner or partner.get("state") in wanted)


def wait(client: _api.KeaClient, params: dict) -> tuple:
    """Wait for the wanted state; return the state and the seconds it took.

    Raises:
        WrongState: it was not reached in time, or cannot be reached any more.
        _api.KeaApiError: the server does not answer when the time is over.
    """
    wanted = params["wait_for"]
    start = time.monotonic()
    deadline = start + params["timeout"]
    while True:
        client.transport.timeout = min(max(deadline - time.monotonic(), 1), REQUEST_TIMEOUT)
        failure: Exception
        try:
            state = fetch_state(client)
        except _api.KeaApiError as exc:
            failure = exc
        else:
            waited = round(time.monotonic() - start, 1)
            if reached(state, wanted, params["wait_for_partner"]):
                return state, waited
            failure = explain(client.url, state, params, waited)
            if state["state"] == _state.FINAL_STATE:
                raise failure
        left = deadline - time.monotonic()
        if left <= 0:
            raise failure
        time.sleep(min(params["delay"], left))


def explain(url: str, state: dict, params: dict, waited: float) -> WrongState:
    """Return the error for a state that is not the wanted one."""
    lost = _state.missing_ha(state)
    if lost:
        return WrongState("no_ha", state, f"{url}: {lost}")
    name = state["server_name"] or "this server"
    wanted = params["wait_for"]
    states = " or ".join(wanted) + (" with its partner" if params["wait_for_partner"] else "")
    if state["state"] == _state.FINAL_STATE:
        advice = (
            "It stopped high availability because the clocks differ by more than 60 s or lease updates were rejected. "
            "Make the clocks and the configurations equal, then restart both servers."
        )
    elif (state["partner"] or {}).get("state") == "unavailable":
        advice = "Its partner does not answer: start the service there, or mend the network between the two."
    elif state["state"] in wanted:
        advice = f"{name} is well, its partner is not: look at the service and the log there."
    else:
        advice = "Look into the log of both servers and check that each reaches the other's URL."
    sentence = f"{url}: {name} is not in {states} after {waited:g} s: {_state.describe(state)}. {advice}"
    return WrongState("state", state, sentence)


def allowed(client: _api.KeaClient, command: str) -> _api.Reply | None:
    """Return the reply to a command that this API may forbid or this version may not have, else None.

    Raises:
        _api.KeaApiError: for any other failure.
    """
    try:
        reply = client.command(command)
    except _api.KeaApiError as exc:
        if exc.kind == "forbidden":
            return None
        raise
    return reply if reply.result == _api.RESULT_SUCCESS else None


def run(params: dict) -> dict:
    """Return the result of the module.

    Raises:
        WrongState, _api.KeaApiError: as above.
    """
    client = _api.client(params, min(params["timeout"], REQUEST_TIMEOUT))
    if params["wait_for"]:
        state, waited = wait(client, params)
    else:
        state, waited = fetch_state(client), 0.0
    client.transport.timeout = REQUEST_TIMEOUT
    if state["ha"]:
        heartbeat = allowed(client, "ha-heartbeat")
        state["unsent_updates"] = (heartbeat.arguments or {}).get("unsent-update-count") if heartbeat else None
    version = allowed(client, "version-get")
    config_hash = allowed(client, "config-hash-get")
    statistics = allowed(client, "statistic-get-all")
    return dict(
        state,
        changed=False,
        url=client.url,
        waited=waited,
        summary=_state.describe(state),
        version=version.text if version else None,
        config_hash=(config_hash.arguments or {}).get("hash") if config_hash else None,
        leases=_state.lease_counts(statistics.arguments or {}) if statistics else None,
    )


def tail(path: str, lines: int) -> list:
    """Return the last lines of a log that tell something, or a line that says why there are none."""
    try:
        with open(path, "rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(stream.tell() - 65536, 0))
            text = stream.read().decode("utf-8", "replace")
    except OSError as exc:
        return [f"{path}: {exc.strerror}"]
    everything = text.splitlines()
    # Heartbeats and questions leave so many lines that the last ones say nothing.
    telling = [line for line in everything if _TELLING.search(line)]
    return (telling or everything)[-lines:]


def main() -> None:
    """Run the module."""
    spec = _api.connection_argument_spec()
    spec.update(
        wait_for={"type": "list", "elements": "str", "default": []},
        wait_for_partner={"type": "bool", "default": False},
        timeout={"type": "float", "default": 60},
        delay={"type": "float", "default": 1},
        log_file={"type": "path"},
        log_lines={"type": "int", "default": 10},
    )
    module = AnsibleModule(spec, supports_check_mode=True, **_api.connection_rules())
    params = module.params
    try:
        module.exit_json(**run(params))
    except (WrongState, _api.KeaApiError) as exc:
        result = dict(getattr(exc, "state", {}), kind=exc.kind, url=params["url"] or f"unix:{params['socket']}")
        message = str(exc)
        if params["log_file"] and params["log_lines"] > 0:
            result["log"] = tail(params["log_file"], params["log_lines"])
            message += f"\nThe last lines of {params['log_file']}:\n" + "\n".join(result["log"])
        module.fail_json(msg=message, **result)


if __name__ == "__main__":
    main()
