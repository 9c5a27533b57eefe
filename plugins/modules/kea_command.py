#!/usr/bin/python
# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (Ansible wants the documentation above the imports)
"""Send one command to Kea's API."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_command
short_description: Send a command to Kea's API
version_added: 0.1.0
author:
  - keaops.kea contributors (@keaops)
description:
  - Sends one command to a Kea daemon, over its UNIX socket (the default) or over HTTP or HTTPS.
  - Understands every form of reply that Kea 2.2 to 3.0 give, and says what is wrong when there is none.
extends_documentation_fragment:
  - keaops.kea.connection
  - keaops.kea.attributes
  - keaops.kea.attributes.action_group
attributes:
  check_mode:
    support: full
    details:
      - Commands that only read are sent in check mode too. All others are not sent, and are reported as a change.
  diff_mode:
    support: none
  idempotent:
    support: N/A
    details:
      - Depends on the command. A command that does not only read is reported as a change each time.
options:
  command:
    description:
      - The command, for example V(lease4-get-all).
      - The commands that only read are V(build-report), V(config-test), V(ha-heartbeat), V(list-commands) and all whose
        name has the form V(*-get*), V(*-list) or V(*-select-test). Every other one counts as changing something.
      - On Kea before 3.0.4 V(config-test) stops the dedicated HA listener of a running server. Have a configuration
        checked by C(kea-dhcp4 -t) there.
    type: str
    required: true
  arguments:
    description:
      - The arguments of the command.
      - They appear in Ansible's verbose output. Use C(no_log) on a task that sends secrets.
    type: dict
  timeout:
    description:
      - Seconds the whole exchange may take.
    type: float
    default: 10
  show_secrets:
    description:
      - Whether passwords and secrets stay in the reply, which C(config-get) shows in clear text.
      - Needed to send a configuration back that was read before.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Ask for the leases of the running server
  keaops.kea.kea_command:
    command: lease4-get-all
    arguments:
      subnets: [1]
  become: true
  register: leases

- name: Ask the Control Agent of the partner for the version of its DHCP server
  keaops.kea.kea_command:
    command: version-get
    url: http://192.168.1.3:8000/
    user: kea-api
    password_file: /etc/kea/kea-api-password
  become: true

- name: Remove a lease, with certificates
  keaops.kea.kea_command:
    command: lease4-del
    arguments:
      ip-address: 192.168.1.117
    url: https://192.168.1.2:8000/
    ca_path: /etc/kea/tls/current/trust
    client_cert: /etc/kea/tls/current/cert.pem
    client_key: /etc/kea/tls/current/key.pem
  become: true
"""

RETURN = r"""
result:
  description:
    - Kea's result code, V(0) for success and V(3) for nothing found. Every other code fails the task.
    - Not returned when the command was not sent in check mode.
  returned: when Kea answered
  type: int
  sample: 0
text:
  description: Kea's words.
  returned: when Kea answered
  type: str
  sample: 2 IPv4 lease(s) found.
arguments:
  description: The data of the reply, V(null) when there is none.
  returned: when Kea answered
  type: raw
  sample: {"leases": [{"ip-address": "192.168.1.100", "hw-address": "1a:1b:1c:1d:1e:1f", "subnet-id": 1}]}
read_only:
  description: Whether the command counts as one that only reads.
  returned: always
  type: bool
  sample: true
url:
  description: The address asked, C(unix:) and the path for a UNIX socket.
  returned: always
  type: str
  sample: unix:/run/kea/kea4-ctrl-socket
kind:
  description:
    - What kind of failure it was, for use in C(failed_when) or C(rescue).
    - V(refused), V(timeout), V(unreachable), V(no_socket), V(permission), V(empty) when nothing answered;
      V(unauthorized), V(forbidden) when access was refused; V(not_kea), V(wrong_service), V(protocol) when the reply
      was not that of the daemon; V(command_failed), V(unsupported), V(offline) when Kea reports a failure; V(option)
      when options of the task cannot work.
    - V(tls_expired), V(tls_not_yet_valid), V(tls_untrusted), V(tls_name) or V(tls_purpose) when the server's
      certificate is no good; V(tls_client_cert) when the server wants one of its client and there is none;
      V(tls_client_expired), V(tls_client_untrusted) or V(tls_client_refused) when it refuses O(client_cert);
      V(tls_plain) for https to a port without TLS, V(tls_wanted) for http to a port with TLS; V(tls_version) or
      V(tls_handshake) when the two cannot agree; V(tls_files) when O(ca_path), O(client_cert) or O(client_key) cannot
      be used.
  returned: on failure
  type: str
  sample: refused
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keaops.kea.plugins.module_utils import _api


def run(params: dict, check_mode: bool) -> dict:
    """Send the command and return the result of the module.

    Raises:
        _api.KeaApiError: no usable reply.
        _api.CommandFailed: Kea reports a failure.
    """
    client = _api.client(params, params["timeout"])
    name = params["command"]
    read_only = _api.is_read_only(name)
    result = {"changed": False, "read_only": read_only, "url": client.url}
    if check_mode and not read_only:
        return dict(result, changed=True, msg=f"{client.url}: {name} would be sent.")
    reply = client.command(name, params["arguments"], check=True)
    shown = reply if params["show_secrets"] else _api.hide_secrets(reply._asdict())
    result.update(shown._asdict() if isinstance(shown, _api.Reply) else shown)
    result["changed"] = not read_only and reply.result == _api.RESULT_SUCCESS
    return result


def main() -> None:
    """Run the module."""
    spec = _api.connection_argument_spec()
    spec.update(
        command={"type": "str", "required": True},
        arguments={"type": "dict"},
        timeout={"type": "float", "default": 10},
        show_secrets={"type": "bool", "default": False, "no_log": False},
    )
    module = AnsibleModule(spec, supports_check_mode=True, **_api.connection_rules())
    try:
        module.exit_json(**run(module.params, module.check_mode))
    except _api.CommandFailed as exc:
        reply = exc.reply._asdict()
        if not module.params["show_secrets"]:
            reply = _api.hide_secrets(reply)
        module.fail_json(
            msg=str(exc), kind=exc.kind, url=exc.url, read_only=_api.is_read_only(module.params["command"]), **reply
        )
    except _api.KeaApiError as exc:
        module.fail_json(
            msg=str(exc), kind=exc.kind, url=exc.url, read_only=_api.is_read_only(module.params["command"])
        )


if __name__ == "__main__":
    main()
