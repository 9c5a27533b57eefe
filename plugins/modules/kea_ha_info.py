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
  - Can read the certificate that each port of this host really serves, and notices one that is no longer in the file.
  - Can look through the daemon's log for what high availability has to say.
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
  ports:
    description:
      - TCP ports of Kea on this host. The certificate of each that speaks TLS is read from the wire, be it good or not.
        O(client_cert) and O(client_key) are shown there, as the server asks for a certificate.
      - With O(wait_for) also waits until each serves the certificate in O(cert_file). A daemon that was not restarted
        since that file was replaced goes on with the old one.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: The port.
        type: int
        required: true
      what:
        description: What it is for, in messages.
        type: str
        default: API
      daemon:
        description: The daemon that serves it.
        type: str
        choices: [dhcp4, dhcp6, d2, ctrl_agent]
        default: dhcp4
      tls:
        description: Whether it speaks TLS. Others are passed over.
        type: bool
        default: true
  address:
    description:
      - The address of O(ports).
    type: str
    default: 127.0.0.1
  cert_file:
    description:
      - File on the managed host with the certificate that O(ports) should serve, PEM.
    type: path
  renew_before:
    description:
      - How many days before its end a certificate is renewed.
      - With O(wait_for), warns when one on O(ports) or in O(cert_file) has fewer days left than this, or than 30 if
        that is less; and fails when it has fewer days left than this, or than 7.
    type: int
    default: 30
  config:
    description:
      - Whether to return the running configuration, too, with passwords and secrets hidden.
    type: bool
    default: false
  local_name:
    description:
      - Name of this host in messages about certificates and the log. Defaults to the name that the host has itself.
    type: str
  log_file:
    description:
      - Log of the daemon on the managed host, quoted in the message of a failure.
    type: path
  log_since:
    description:
      - Look for messages in O(log_file) since then; seconds since 1970 by the clock of the managed host, or V(start)
        for the last start of the daemon. RV(messages) tells what is about high availability, or an error.
      - With O(wait_for), fails when high availability has reported an B(error) since the pair began to work last. That
        is the later one of this server's last change to a state of O(wait_for), and the last time that its partner told
        it that it has caught up. Errors before that are natural, as one of the two was being restarted.
      - Warnings since then, and errors of other parts of the server, are shown as warnings.
      - Needs O(log_file).
    type: str
  log_lines:
    description:
      - How many lines of O(log_file) to quote. Of a failure that is not in the log, these are the last warnings, errors
        and changes of the HA state, if there are any.
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

- name: Wait until a new certificate is on the wire, and the log is clean
  keaops.kea.kea_ha_info:
    wait_for: [hot-standby]
    wait_for_partner: true
    address: 192.168.1.2
    ports:
      - port: 8000
        what: HA
    cert_file: /etc/kea/tls/current/cert.pem
    client_cert: /etc/kea/tls/current/cert.pem
    client_key: /etc/kea/tls/current/key.pem
    log_file: /var/log/kea/kea-dhcp4.log
    log_since: start
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
    counted:
      description:
        - Whether the leases were counted one by one, as is done up to 5000 of them.
        - Else the numbers are Kea's statistics, which miss the leases that a server has copied from its partner.
      type: bool
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
  sample:
    counted: true
    total: 100
    assigned: 2
    declined: 0
    subnets: {"1": {"total": 100, "assigned": 2, "declined": 0}}
certificates:
  description: What each of O(ports) with TLS serves.
  returned: when the server answered
  type: list
  elements: dict
  contains:
    port:
      description: The port.
      type: int
    what:
      description: What it is for.
      type: str
    daemon:
      description: The daemon that serves it.
      type: str
    current:
      description: Whether it is the one in O(cert_file). V(null) without that file.
      type: bool
    problem:
      description: Why it could not be read, else V(null). Then nothing more is known of it.
      type: str
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
    - port: 8000
      what: HA
      daemon: dhcp4
      current: true
      problem: null
      serial: 1F4C02B7
      not_after: "2027-02-22T10:00:00Z"
      days_left: 89
      fingerprint: 5b9d2d3c7e4f86dce3a0a6ed6bf05a6ac1a2c4e94c37cc6cf9c0d5d0c4f5e6a7
certificate_file:
  description: Serial number, dates and fingerprint of the certificate in O(cert_file). V(null) without that option.
  returned: when the server answered
  type: dict
config:
  description: The arguments of C(config-get), with passwords and secrets hidden.
  returned: with O(config)
  type: dict
messages:
  description: The last 200 messages in O(log_file) that are about high availability or errors.
  returned: with O(log_since)
  type: list
  elements: dict
  contains:
    time:
      description: When, UTC.
      type: str
    level:
      description: V(INFO), V(WARN), V(ERROR) or V(FATAL).
      type: str
    id:
      description: Kea's name of the message.
      type: str
    text:
      description: The line.
      type: str
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
    - V(state) when the wanted state was not reached, V(no_ha) when the server runs without HA, V(certificate) when a
      port does not serve the certificate in the file or that ends too soon, V(log) when the log has errors, V(option)
      when a file or an option of the task cannot be used, else one of the kinds of M(keaops.kea.kea_command).
  returned: on failure
  type: str
  sample: state
"""

import datetime
import os
import platform
import re
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keaops.kea.plugins.module_utils import _api, _compare, _log, _report, _state, _x509

REQUEST_TIMEOUT = 10
MAX_MESSAGES = 200
MAX_LOG_BYTES = 4 * 1024**2
DAEMONS = {
    "dhcp4": "the DHCPv4 server",
    "dhcp6": "the DHCPv6 server",
    "d2": "the DDNS server",
    "ctrl_agent": "the Control Agent",
}
_TELLING = re.compile(r" (WARN|ERROR|FATAL) |HA_STATE_TRANSITION")


class Unwell(Exception):
    """The server answers, and is not as it should be.

    Attributes:
        kind (str): ``state``, ``no_ha``, ``certificate`` or ``log``.
        state (dict): what is known of it.
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
    reply = _api.allowed(client, "config-get")
    config = (reply.arguments or {}).get(_api.SERVICES[client.service]) if reply else None
    return _compare.high_availability(config or {}) is not None


def reached(state: dict, wanted: list, with_partner: bool) -> bool:
    """Return whether the server, and with *with_partner* what it knows of its partner, is in a wanted state."""
    partner = state["partner"] or {}
    return state["state"] in wanted and (not with_partner or partner.get("state") in wanted)


def wait(client: _api.KeaClient, params: dict) -> tuple:
    """Wait for the wanted state and the right certificates; return the state and the seconds it took.

    Raises:
        Unwell: it was not reached in time, or cannot be reached any more.
        _api.KeaApiError: the server does not answer when the time is over, or a file cannot be used.
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
            if not reached(state, wanted, params["wait_for_partner"]):
                failure = explain(client.url, state, params, waited)
                if state["state"] == _state.FINAL_STATE:
                    raise failure
            else:
                state.update(certificates(params))
                wrong = wrong_certificates(state, params)
                if not wrong:
                    return state, waited
                failure = Unwell("certificate", state, f"{params['local_name']}: {wrong}")
        left = deadline - time.monotonic()
        if left <= 0:
            raise failure
        time.sleep(min(params["delay"], left))


def explain(url: str, state: dict, params: dict, waited: float) -> Unwell:
    """Return the error for a state that is not the wanted one."""
    lost = _state.missing_ha(state)
    if lost:
        return Unwell("no_ha", state, f"{url}: {lost}")
    name = state["server_name"] or "this server"
    wanted = params["wait_for"]
    states = " or ".join(wanted) + (" with its partner" if params["wait_for_partner"] else "")
    if state["state"] == _state.FINAL_STATE:
        advice = (
            "It stopped high availability because the clocks differ by more than 60 s or lease updates were rejected. "
            "Set both clocks by NTP, make the configurations equal by site.yml, then run recover.yml."
        )
    elif (state["partner"] or {}).get("state") == "unavailable":
        advice = "Its partner does not answer: start the service there, or mend the network between the two."
    elif state["state"] in wanted:
        advice = f"{name} is well, its partner is not: look at the service and the log there."
    else:
        advice = "Look into the log of both servers and check that each reaches the other's URL."
    sentence = f"{url}: {name} is not in {states} after {waited:g} s: {_state.describe(state)}. {advice}"
    return Unwell("state", state, sentence)


def certificates(params: dict) -> dict:
    """Return what the ports serve and what the file holds, under ``certificates`` and ``certificate_file``.

    Raises:
        _api.KeaApiError: kind ``option``, the file cannot be used.
    """
    now = time.time()
    path = params["cert_file"]
    wanted = None
    if path:
        try:
            with open(path, "rb") as stream:
                wanted = _x509.first_of(stream.read())
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else str(exc)
            sentence = f"cert_file {path}: {reason}. Give a PEM certificate on the managed host, and run as root."
            raise _api.KeaApiError("option", "", str(reason), sentence) from exc
    return {
        "certificates": [served(port, params, wanted, now) for port in params["ports"] if port["tls"]],
        "certificate_file": wanted.as_dict(now) if wanted else None,
    }


def served(port: dict, params: dict, wanted: _x509.Certificate | None, now: float) -> dict:
    """Return what one port serves."""
    result = {"port": port["port"], "what": port["what"], "daemon": port["daemon"], "current": None, "problem": None}
    host = f"[{params['address']}]" if ":" in params["address"] else params["address"]
    try:
        transport = _api.HttpTransport(
            f"https://{host}:{port['port']}/",
            client_cert=params["client_cert"],
            client_key=params["client_key"],
            timeout=REQUEST_TIMEOUT,
        )
        found = transport.look()
    except _api.KeaApiError as exc:
        return dict(result, problem=str(exc))
    result.update(found.as_dict(now))
    if wanted:
        result["current"] = found.fingerprint == wanted.fingerprint
    return result


def wrong_certificates(state: dict, params: dict) -> str:
    """Return which port does not serve the certificate in the file, empty when all do."""
    for entry in state["certificates"]:
        where = f"port {entry['port']} ({entry['what']})"
        if entry["problem"]:
            return f"{where}: {entry['problem']}"
        if entry["current"] is False:
            return (
                f"{where} serves the certificate with serial {entry['serial']} (until {entry['not_after']}), and "
                f"{params['cert_file']} has serial {state['certificate_file']['serial']}: {DAEMONS[entry['daemon']]} "
                "was not restarted since. Run site.yml, which does that, or restart it."
            )
    return ""


def expiry(state: dict, params: dict) -> tuple:
    """Return ``warning`` or ``error`` and a sentence, when the certificate that ends first does so soon; else empty."""
    known = [entry for entry in state["certificates"] if not entry["problem"]]
    if state["certificate_file"]:
        known.append(state["certificate_file"])
    if not known:
        return "", ""
    first = min(known, key=lambda entry: entry["days_left"])
    return _report.expiry(params["local_name"], first, params["renew_before"])


def read_log(path: str, since: float) -> list:
    """Return the messages since then.

    Raises:
        OSError: the log cannot be read.
    """
    messages = _log.parse(_last_lines(path))
    # Kea renames a log that is full.
    older = path + ".1"
    if os.path.exists(older) and (not messages or messages[0].time > since):
        messages = _log.parse(_last_lines(older)) + messages
    return [message for message in messages if message.time >= since]


def _last_lines(path: str, size: int = MAX_LOG_BYTES) -> list:
    with open(path, "rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(stream.tell() - size, 0))
        return stream.read().decode("utf-8", "replace").splitlines()


def log_start(params: dict, state: dict) -> float:
    """Return since when to read the log, in seconds since the epoch.

    Raises:
        _api.KeaApiError: kind ``option``.
    """
    since = params["log_since"]
    if since == "start":
        # Kea tells whole seconds.
        return time.time() - (state["uptime"] or 0) - 1
    try:
        return float(since)
    except ValueError:
        sentence = f"log_since {since!r} is neither start nor a number of seconds since 1970, as 1795478400."
        raise _api.KeaApiError("option", "", "no time", sentence) from None


def look_at_log(params: dict, state: dict) -> list:
    """Put the messages into *state*, and return warnings.

    Raises:
        Unwell: high availability has reported errors although the pair works.
        _api.KeaApiError: kind ``option``.
    """
    path, here = params["log_file"], params["local_name"]
    try:
        messages = read_log(path, log_start(params, state))
    except OSError as exc:
        state["messages"] = []
        return [f"{here}: the log {path} was not looked at: {exc.strerror}."]
    told = [message for message in messages if message.notable]
    state["messages"] = [
        {
            "time": _x509.stamp(datetime.datetime.fromtimestamp(message.time, datetime.timezone.utc)),
            "level": message.level,
            "id": message.id,
            "text": message.text,
        }
        for message in told[-MAX_MESSAGES:]
    ]
    if not params["wait_for"]:
        return []
    late = [message for message in _log.since_working(messages, params["wait_for"]) if message.notable]
    errors = [message.text for message in late if message.about_ha and message.level in _log.ERRORS]
    if errors:
        raise Unwell(
            "log",
            state,
            f"{here}: high availability works, and has reported errors since, in {path}. Mend what they name, and "
            "verify again:\n" + "\n".join(errors[-params["log_lines"] :]),
        )
    return [f"{here}: {path}: {message.text}" for message in late if message.level in (_log.WARNING, *_log.ERRORS)][
        -params["log_lines"] :
    ]


def run(params: dict, warn) -> dict:
    """Return the result of the module.

    Raises:
        Unwell, _api.KeaApiError: as above.
    """
    client = _api.client(params, min(params["timeout"], REQUEST_TIMEOUT))
    if params["wait_for"]:
        state, waited = wait(client, params)
        severity, sentence = expiry(state, params)
        if severity == "error":
            raise Unwell("certificate", state, sentence)
        if severity:
            warn(sentence)
    else:
        state, waited = fetch_state(client), 0.0
        state.update(certificates(params))
    client.transport.timeout = REQUEST_TIMEOUT
    if params["log_since"]:
        for line in look_at_log(params, state):
            warn(line)
    if state["ha"]:
        heartbeat = _api.allowed(client, "ha-heartbeat")
        state["unsent_updates"] = (heartbeat.arguments or {}).get("unsent-update-count") if heartbeat else None
    version = _api.allowed(client, "version-get")
    config_hash = _api.allowed(client, "config-hash-get")
    statistics = _api.allowed(client, "statistic-get-all")
    leases = _api.leases(client) if statistics else None
    if params["config"]:
        state["config"] = _api.hide_secrets(client.command("config-get", check=True).arguments)
    return dict(
        state,
        changed=False,
        url=client.url,
        waited=waited,
        summary=_state.describe(state),
        version=version.text if version else None,
        config_hash=(config_hash.arguments or {}).get("hash") if config_hash else None,
        leases=_state.lease_counts(statistics.arguments or {}, leases, time.time()) if statistics else None,
    )


def ended(params: dict) -> str:
    """Return a further line for a failure that has another name: the certificate has ended, or is about to."""
    try:
        severity, sentence = expiry(certificates(dict(params, ports=[])), params)
    except _api.KeaApiError:
        return ""
    return f"\n{sentence}" if severity == "error" else ""


def tail(path: str, lines: int) -> list:
    """Return the last lines of a log that tell something, or a line that says why there are none."""
    try:
        everything = _last_lines(path, 65536)
    except OSError as exc:
        return [f"{path}: {exc.strerror}"]
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
        log_since={"type": "str"},
        ports={
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "port": {"type": "int", "required": True},
                "what": {"type": "str", "default": "API"},
                "daemon": {"type": "str", "default": "dhcp4", "choices": list(DAEMONS)},
                "tls": {"type": "bool", "default": True},
            },
        },
        address={"type": "str", "default": "127.0.0.1"},
        cert_file={"type": "path"},
        renew_before={"type": "int", "default": 30},
        config={"type": "bool", "default": False},
        local_name={"type": "str"},
    )
    rules = _api.connection_rules()
    rules["required_by"]["log_since"] = "log_file"
    module = AnsibleModule(spec, supports_check_mode=True, **rules)
    params = dict(module.params, local_name=module.params["local_name"] or platform.node())
    try:
        module.exit_json(**run(params, module.warn))
    except (Unwell, _api.KeaApiError) as exc:
        result = dict(getattr(exc, "state", {}), kind=exc.kind, url=params["url"] or f"unix:{params['socket']}")
        message = str(exc)
        if params["wait_for"] and exc.kind != "certificate":
            message += ended(params)
        if params["log_file"] and params["log_lines"] > 0 and exc.kind not in ("certificate", "log", "option"):
            result["log"] = tail(params["log_file"], params["log_lines"])
            message += f"\nThe last lines of {params['log_file']}:\n" + "\n".join(result["log"])
        module.fail_json(msg=message, **result)


if __name__ == "__main__":
    main()
