#!/usr/bin/python
# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (Ansible wants the documentation above the imports)
"""Prove from one server of a pair that the other one is what it should be."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_peer
short_description: Prove that the partner of a Kea server is what it should be
version_added: 0.1.0
author:
  - keaops.kea contributors (@keaops)
description:
  - Runs on one server of a high availability pair and asks the other one, over the URL the two use themselves.
  - Proves that the partner can be reached, accepts the credentials, is the right daemon and the expected server, runs
    the same configuration in all that must be equal, has the same time, and is in an allowed state.
  - The configurations compared are those the daemons run, from C(config-get), not files.
  - Differences are listed by path. What belongs to one host (its name, interfaces, sockets, logs, paths of files) may
    differ, and so may defaults that the two versions of Kea fill in differently.
  - An HA listener with C(restrict-commands) forbids C(config-get). Then the rest is proven with the commands it allows,
    unless O(config_url) or O(partner_info) is another way to the same server. RV(config_checked) tells.
  - Over TLS the partner's certificate must be valid now, come from an authority in O(ca_path), and be for the address
    in O(url). Kea itself does not check the last of these, so any certificate of that authority opens its door. Give
    every pair an authority of its own.
extends_documentation_fragment:
  - keaops.kea.connection
  - keaops.kea.attributes
  - keaops.kea.attributes.info
  - keaops.kea.attributes.action_group
options:
  url:
    description:
      - The URL of the partner, as this server's peers list has it.
    required: true
  socket:
    description:
      - Path of the control socket of this host's own daemon, whose configuration the partner's is compared with.
  service:
    choices: [dhcp4, dhcp6]
  config_url:
    description:
      - Another URL of the partner for C(config-get), when O(url) forbids that command. Same credentials and files.
    type: str
  partner_info:
    description:
      - What M(keaops.kea.kea_ha_info) with its option C(config) returned on the partner, when its configuration can be
        read on that host alone. Not used with O(config_url).
      - Its process must be the one that answers at O(url).
      - Passwords and secrets are hidden in it, so they are not compared.
    type: dict
  server_name:
    description:
      - The C(this-server-name) that the partner must have.
    type: str
  compare:
    description:
      - Whether to compare the partner's configuration with the one of the daemon on this host.
    type: bool
    default: true
  leases:
    description:
      - Whether to compare the leases of the two servers, too. Those of the last 10 seconds are left out. A difference
        must last for three looks.
      - Below Kea 2.4 a server that was away keeps a lease that its client released. So there a lease that only one of
        the two has counts when it was given since that one was started.
      - Not done with more than 5000 leases, or where the partner forbids to ask for them.
    type: bool
    default: false
  max_clock_skew:
    description:
      - Largest difference of the two clocks in seconds. Kea warns above 30 and stops high availability above 60.
    type: float
    default: 30
  states:
    description:
      - States in which the partner may be. Empty allows all.
    type: list
    elements: str
    default: []
  expect:
    description:
      - What else must hold for the partner's configuration. All expectations are evaluated, on the controller.
      - Needs the Python library C(jmespath) on the controller.
    type: list
    elements: dict
    default: []
    suboptions:
      query:
        description:
          - JMESPath over the arguments of the partner's C(config-get). Names with a dash stand in double quotes.
        type: str
        required: true
      equals:
        description:
          - The value it must have. The text of a number or a truth value counts as that, as templates may return text.
        type: raw
        required: true
  timeout:
    description:
      - Seconds one request may take.
    type: float
    default: 10
  local_name:
    description:
      - Name of this host in messages. Defaults to the name in the inventory.
    type: str
"""

EXAMPLES = r"""
- name: Prove the partner
  keaops.kea.kea_peer:
    url: http://192.168.1.3:8000/
    user: kea-api
    password_file: /etc/kea/kea-api-password
    server_name: dhcp2
    states: [hot-standby]
  become: true

- name: Add an expectation of one's own
  keaops.kea.kea_peer:
    url: http://192.168.1.3:8000/
    user: kea-api
    password_file: /etc/kea/kea-api-password
    server_name: dhcp2
    expect:
      - query: Dhcp4."valid-lifetime"
        equals: 43200
      - query: Dhcp4.subnet4[?id==`1`].subnet | [0]
        equals: 192.168.1.0/24
  become: true

- name: Prove the partner behind a restricted HA listener with TLS
  keaops.kea.kea_peer:
    url: https://192.168.1.3:8000/
    config_url: https://192.168.1.3:8001/
    ca_path: /etc/kea/tls/current/trust
    client_cert: /etc/kea/tls/current/cert.pem
    client_key: /etc/kea/tls/current/key.pem
    server_name: dhcp2
  become: true

- name: Read the configuration on each host, as none of them offers its API on the network
  keaops.kea.kea_ha_info:
    config: true
  become: true
  register: kea

- name: Prove the partner with it
  keaops.kea.kea_peer:
    url: https://192.168.1.3:8000/
    partner_info: "{{ hostvars['dhcp2'].kea }}"
    ca_path: /etc/kea/tls/current/trust
    client_cert: /etc/kea/tls/current/cert.pem
    client_key: /etc/kea/tls/current/key.pem
    server_name: dhcp2
  become: true
"""

RETURN = r"""
url:
  description: The URL asked.
  returned: always
  type: str
  sample: http://192.168.1.3:8000/
certificate:
  description: The certificate that the partner showed at O(url), be it trusted or not.
  returned: when the partner showed one
  type: dict
  contains:
    serial:
      description: Its serial number in hexadecimal.
      type: str
    not_after:
      description: Until when it is valid, UTC.
      type: str
    days_left:
      description: Whole days until then, by the clock of this host.
      type: int
    fingerprint:
      description: SHA-256 of the certificate in hexadecimal.
      type: str
  sample:
    serial: 1F4C02B7
    not_after: "2027-02-22T10:00:00Z"
    days_left: 89
    fingerprint: 5b9d2d3c7e4f86dce3a0a6ed6bf05a6ac1a2c4e94c37cc6cf9c0d5d0c4f5e6a7
server_name:
  description: The partner's C(this-server-name). V(null) on Kea 2.2 when its configuration could not be read.
  returned: when the partner answered
  type: str
  sample: dhcp2
role:
  description: The partner's role.
  returned: when the partner answered
  type: str
  sample: standby
state:
  description: The partner's HA state.
  returned: when the partner answered
  type: str
  sample: hot-standby
serving:
  description: Whether the partner answers DHCP clients.
  returned: when the partner answered
  type: bool
  sample: false
sees:
  description: The state in which the partner sees this server.
  returned: when the partner answered
  type: str
  sample: hot-standby
version:
  description: The partner's version. V(null) when its API does not allow to ask for it.
  returned: when the partner answered
  type: str
  sample: 2.6.3
local_version:
  description: The version on this host. V(null) without O(compare).
  returned: when the partner answered
  type: str
  sample: 2.6.3
clock_skew:
  description: By how many seconds the partner's clock is ahead of this host's, to the second.
  returned: when the partner answered
  type: float
  sample: 0.0
config_checked:
  description: Whether the partner's configuration was read.
  returned: when the partner answered
  type: bool
  sample: true
config_reason:
  description: Why the partner's configuration was not read, else V(null).
  returned: when the partner answered
  type: str
compared:
  description: Whether the two configurations were compared.
  returned: when the partner answered
  type: bool
  sample: true
ha_url:
  description: The partner's URL in this server's running configuration. V(null) without O(compare).
  returned: when the partner answered
  type: str
  sample: http://192.168.1.3:8000/
differences:
  description: What differs, at most 100 entries. Values of passwords and secrets are hidden.
  returned: when the configurations were compared
  type: list
  elements: dict
  contains:
    path:
      description: Where.
      type: str
      sample: subnet4[1].pools[192.168.1.100-192.168.1.199]
    only_on:
      description: The server that has it, V(null) when both have it with different values.
      type: str
      sample: dhcp2
    local:
      description: The value on this host, V(null) for entries of lists.
      type: raw
    partner:
      description: The value on the partner, V(null) for entries of lists.
      type: raw
    text:
      description: The difference as a line.
      type: str
      sample: "subnet4[1].pools[192.168.1.100-192.168.1.199]: only on dhcp2"
difference_count:
  description: How many differences there are.
  returned: when the configurations were compared
  type: int
  sample: 0
lease_difference:
  description: The addresses of leases that the two servers know differently, V(null) if they were not compared.
  returned: when the partner was well
  type: list
  elements: str
  sample: []
expectations:
  description: The expectations with what was found.
  returned: with O(expect)
  type: list
  elements: dict
  sample: [{"query": 'Dhcp4."valid-lifetime"', "equals": 43200, "found": 43200, "ok": true}]
kind:
  description:
    - What kind of failure it was.
    - V(refused), V(timeout), V(unreachable) or V(empty) when the partner does not answer; V(offline) when only its
      Control Agent answers; V(unauthorized) or V(forbidden) when it refuses; V(not_kea) or V(protocol) when something
      else answers; V(command_failed) or V(unsupported) when Kea reports a failure.
    - V(tls_expired), V(tls_not_yet_valid), V(tls_untrusted), V(tls_name) or V(tls_purpose) when the partner's
      certificate is no good; V(tls_client_cert) when the partner wants one of its client and there is none;
      V(tls_client_expired), V(tls_client_untrusted) or V(tls_client_refused) when it refuses O(client_cert);
      V(tls_plain) for https to a port without TLS, V(tls_wanted) for http to a port with TLS; V(tls_version) or
      V(tls_handshake) when the two cannot agree; V(tls_files) when O(ca_path), O(client_cert) or O(client_key) cannot
      be used.
    - V(wrong_daemon) when another Kea daemon answers, V(wrong_server) when another server does, V(no_ha) when it runs
      without HA, V(drift) when the configurations differ, V(leases) when the leases do, V(clock_skew), V(state),
      V(expectation).
    - V(local) when this host's own daemon does not answer, V(option) when options of the task cannot work.
  returned: on failure
  type: str
  sample: drift
"""

import platform
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keaops.kea.plugins.module_utils import _api, _compare, _dialect, _leases, _state

MAX_DIFFERENCES = 100
SHOWN_DIFFERENCES = 10
LOOKS = 3
LOOK_AGAIN = 1.5


class PeerError(Exception):
    """The partner is not what it should be.

    Attributes:
        kind (str): see RETURN.
    """

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


class Peer:
    """The proof of one partner. ``result`` grows with what is known, so that a failure can return it too.

    Args:
        params: the options of the module.
    """

    def __init__(self, params: dict) -> None:
        self._params = params
        self._here = params["local_name"] or platform.node()
        self._there = params["server_name"] or "the partner"
        self._config_key = _api.SERVICES[params["service"]]
        # What was read on the partner itself, when that is the way to its configuration.
        self._told = None if params["config_url"] else params["partner_info"]
        self.result: dict = {"url": params["url"]}

    def _error(self, kind: str, sentence: str) -> PeerError:
        return PeerError(kind, f"{self._here}: {self._there} at {self._params['url']}: {sentence}")

    def prove(self) -> None:
        """Ask the partner and check it, the most basic thing first.

        Raises:
            PeerError: at the first thing that is not as it should be.
        """
        try:
            client = _api.http_client(self._params, self._params["url"], self._params["timeout"])
            status = self._status(client)
            config = self._partner_config(client, status)
        except _api.KeaApiError as exc:
            raise self._unusable(exc) from exc
        state = _state.normalise(status, ha_expected=True)
        block = _compare.high_availability(config) if config else None
        self.result.update(
            server_name=block.get("this-server-name") if block else state["server_name"],
            role=state["role"],
            state=state["state"],
            serving=state["serving"],
            sees=state["partner"]["state"] if state["partner"] else None,
        )
        self._check_ha(state)
        local = self._local_config() if self._params["compare"] else None
        self._check_name(local, state)
        if config is not None and local is not None:
            self._check_drift(local, config)
        self._check_clock(client)
        self._check_state(state)
        self._check_leases(client)

    def _unusable(self, exc: _api.KeaApiError) -> PeerError:
        kind = "wrong_daemon" if exc.kind == "wrong_service" else exc.kind
        where = f"{self._there} at " if exc.url else ""
        return PeerError(kind, f"{self._here}: {where}{exc}")

    def _status(self, client: _api.KeaClient) -> dict:
        try:
            return client.command("status-get", check=True).arguments or {}
        finally:
            certificate = client.transport.certificate
            if certificate:
                self.result["certificate"] = certificate.as_dict(time.time())

    def _partner_config(self, client: _api.KeaClient, status: dict) -> dict | None:
        """Return the configuration the partner runs, or None when it may not be asked for."""
        self.result.update(config_checked=False, config_reason=None, compared=False, version=None)
        if self._told:
            return self._told_config(self._told, status)
        source = client
        if self._params["config_url"]:
            params = self._params
            if params["config_url"].startswith("http:"):
                params = dict(params, ca_path=None, client_cert=None, client_key=None)
            source = _api.http_client(params, params["config_url"], params["timeout"])
        try:
            arguments = source.command("config-get", check=True).arguments
        except _api.KeaApiError as exc:
            if exc.kind != "forbidden":
                raise
            self.result["config_reason"] = str(exc)
            if self._params["expect"]:
                raise self._error(
                    "expectation",
                    f"the expectations need its configuration, and config-get is forbidden at {exc.url}. Set "
                    "config_url to a control socket of that server, or partner_info.",
                ) from exc
            return None
        config = arguments.get(self._config_key) if isinstance(arguments, dict) else None
        if not isinstance(config, dict):
            raise self._error(
                "not_kea", f"config-get returned no {self._config_key}. Correct the address and the port."
            )
        self.result.update(config_checked=True, version=source.command("version-get", check=True).text)
        if self._params["expect"]:
            self.result["reply"] = _api.hide_secrets(arguments)
        return config

    def _told_config(self, told: dict, status: dict) -> dict:
        """Return the configuration that was read on the partner itself."""
        arguments = told.get("config")
        config = arguments.get(self._config_key) if isinstance(arguments, dict) else None
        if not isinstance(config, dict):
            sentence = (
                f"partner_info has no {self._config_key}. Give what kea_ha_info with config: true returned there."
            )
            raise self._error("option", sentence)
        if told.get("pid") != status.get("pid"):
            raise self._error(
                "wrong_server",
                f"the process {status.get('pid')} answers there, and partner_info is of the process {told.get('pid')}. "
                "The URL leads to another server, or the server was restarted meanwhile: correct it, or try again.",
            )
        self.result.update(config_checked=True, version=told.get("version"))
        if self._params["expect"]:
            self.result["reply"] = _api.hide_secrets(arguments)
        return config

    def _local_config(self) -> dict:
        """Return the configuration the daemon on this host runs."""
        params = self._params
        client = _api.KeaClient(_api.UnixTransport(params["socket"], params["timeout"]), params["service"])
        try:
            arguments = client.command("config-get", check=True).arguments
            version = client.command("version-get", check=True).text
        except _api.KeaApiError as exc:
            raise PeerError("local", f"{self._here}: the daemon on this host, to compare with: {exc}") from exc
        config = (arguments or {}).get(self._config_key) or {}
        peer = self._peer_entry(config)
        self.result.update(local_version=version, ha_url=peer.get("url") if peer else None)
        return config

    def _peer_entry(self, local: dict) -> dict | None:
        """Return the partner's entry in this server's peers list."""
        block = _compare.high_availability(local) or {}
        own = block.get("this-server-name")
        wanted = self._params["server_name"]
        for peer in block.get("peers") or []:
            if peer.get("name") == wanted if wanted else peer.get("name") != own:
                return peer
        return None

    def _check_ha(self, state: dict) -> None:
        lost = _state.missing_ha(state)
        if lost:
            raise self._error("no_ha", lost)

    def _check_name(self, local: dict | None, state: dict) -> None:
        found = self.result["server_name"]
        wanted = self._params["server_name"]
        own = (_compare.high_availability(local) or {}).get("this-server-name") if local else None
        if found and own == found:
            raise self._error(
                "wrong_server",
                f"the server there calls itself {found} as the one on this host does, so the URL leads back here or "
                "both have the same this-server-name. Correct the URL, or give every server its own name.",
            )
        if not wanted:
            return
        if found:
            if found != wanted:
                raise self._error(
                    "wrong_server",
                    f"the server there calls itself {found}, not {wanted}. Correct the URL, or this-server-name there.",
                )
            return
        # Kea 2.2 behind a restricted listener tells its role alone.
        peer = self._peer_entry(local) if local else None
        if peer and peer.get("role") != state["role"]:
            raise self._error(
                "wrong_server",
                f"the server there is the {state['role']}, and {wanted} should be the {peer.get('role')}. Correct the "
                "URL or the roles.",
            )

    def _check_drift(self, local: dict, config: dict) -> None:
        names = (self._here, self._there)
        if self._told:
            local = _api.hide_secrets(local)
        found = _compare.compare(local, config, same_version=self.result["version"] == self.result["local_version"])
        self.result.update(
            compared=True,
            difference_count=len(found),
            differences=[
                {
                    "path": item.path,
                    "only_on": names[item.only_on - 1] if item.only_on else None,
                    "local": item.first,
                    "partner": item.second,
                    "text": item.text(*names),
                }
                for item in found[:MAX_DIFFERENCES]
            ],
        )
        if found:
            lines = [item.text(*names) for item in found[:SHOWN_DIFFERENCES]]
            if len(found) > SHOWN_DIFFERENCES:
                lines.append(f"and {len(found) - SHOWN_DIFFERENCES} more")
            raise self._error(
                "drift",
                f"its running configuration differs from that of {self._here} in {len(found)} "
                f"{'place' if len(found) == 1 else 'places'}. Deploy both servers from one inventory.\n  "
                + "\n  ".join(lines),
            )

    def _check_clock(self, client: _api.KeaClient) -> None:
        asked = time.time()
        try:
            heartbeat = client.command("ha-heartbeat", check=True).arguments or {}
        except _api.KeaApiError as exc:
            raise self._unusable(exc) from exc
        skew = self.result["clock_skew"] = _state.clock_skew(heartbeat, asked, time.time())
        limit = self._params["max_clock_skew"]
        if skew is not None and abs(skew) > limit:
            raise self._error(
                "clock_skew",
                f"its clock is {abs(skew):g} s {'ahead of' if skew > 0 else 'behind'} that of {self._here}, and "
                f"{limit:g} s are allowed. Kea stops high availability above 60 s: set both clocks by NTP.",
            )

    def _check_state(self, state: dict) -> None:
        allowed = self._params["states"]
        if allowed and state["state"] not in allowed:
            raise self._error(
                "state",
                f"it should be in state {' or '.join(allowed)}, and is: {_state.describe(state)}. Look into its log, "
                "and check that it reaches this host.",
            )

    def _released_leases_stay(self) -> bool:
        versions = [self.result.get(key) for key in ("local_version", "version")]
        try:
            return all(_dialect.dialect_for(version).keeps_released_leases for version in versions if version)
        except _dialect.DialectError:
            return True

    def _since(self, *clients: _api.KeaClient) -> tuple[float, ...]:
        """Return from when on a lease counts that one server alone has; all do where released leases stay."""
        if self._released_leases_stay():
            return (0,) * len(clients)
        uptimes = [(client.command("status-get", check=True).arguments or {}).get("uptime", 0) for client in clients]
        return tuple(time.time() - uptime for uptime in uptimes)

    def _check_leases(self, client: _api.KeaClient) -> None:
        self.result["lease_difference"] = None
        if not self._params["leases"]:
            return
        here = _api.KeaClient(_api.UnixTransport(self._params["socket"], self._params["timeout"]), "dhcp4")
        for look in range(LOOKS):
            if look:
                time.sleep(LOOK_AGAIN)
            try:
                mine, theirs = (_api.leases(one) for one in (here, client))
                since = self._since(here, client)
            except _api.KeaApiError as exc:
                raise self._unusable(exc) from exc
            if mine is None or theirs is None:
                return
            found = _leases.difference(mine, theirs, time.time(), since)
            self.result["lease_difference"] = found
            if not found:
                return
        shown = ", ".join(found[:SHOWN_DIFFERENCES]) + (" ..." if len(found) > SHOWN_DIFFERENCES else "")
        raise self._error(
            "leases",
            f"it knows {len(found)} {'lease' if len(found) == 1 else 'leases'} differently from {self._here}: {shown}. "
            "Run recover.yml: each copies from the other what it lacks.",
        )


def main() -> None:
    """Run the module."""
    spec = _api.connection_argument_spec()
    spec["url"]["required"] = True
    spec["service"]["choices"] = ["dhcp4", "dhcp6"]
    spec.update(
        config_url={"type": "str"},
        partner_info={"type": "dict"},
        server_name={"type": "str"},
        compare={"type": "bool", "default": True},
        leases={"type": "bool", "default": False},
        max_clock_skew={"type": "float", "default": 30},
        states={"type": "list", "elements": "str", "default": []},
        expect={
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "query": {"type": "str", "required": True},
                "equals": {"type": "raw", "required": True},
            },
        },
        timeout={"type": "float", "default": 10},
        local_name={"type": "str"},
    )
    module = AnsibleModule(spec, supports_check_mode=True, **_api.connection_rules())
    peer = Peer(module.params)
    try:
        peer.prove()
    except PeerError as exc:
        module.fail_json(msg=str(exc), kind=exc.kind, **peer.result)
    module.exit_json(changed=False, **peer.result)


if __name__ == "__main__":
    main()
