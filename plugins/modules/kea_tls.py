#!/usr/bin/python
# SPDX-FileCopyrightText: keaops.kea contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (Ansible wants the documentation above the imports)
"""Keys and certificates on a host. The work is done in module_utils/_tls_host.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_tls
short_description: Prepare keys and certificates for Kea on a host
version_added: 0.2.0
description:
  - Keeps keys and certificates on a host in numbered generations, folders below O(path). A link C(current) leads to the
    one in use, and Kea's configuration names its files through it.
  - V(request) makes a new generation with a private key and a request for its certificate. The key never leaves the
    host.
  - V(present) completes it with the certificate and the CAs to be trusted, and checks all of it the way Kea will use
    it. That is, the key belongs to the certificate, its chain ends at a trusted CA, it is valid by the clock of the
    host, it is for servers and for clients, and Kea can read it.
  - A generation in use is never changed. M(keaops.kea.kea_config) moves the link, together with the restart of the
    daemon; this module makes it only while there is none.
  - Generations other than the new one, the one in use, and the one before that are removed.
extends_documentation_fragment:
  - keaops.kea.attributes
  - keaops.kea.attributes.action_group
attributes:
  check_mode:
    support: full
    details:
      - Predicts RV(generation). No key is made, so RV(csr) is null where one would be.
  diff_mode:
    support: full
    details:
      - Shows serial numbers and dates of the certificates, never a key.
  idempotent:
    support: full
options:
  state:
    description:
      - V(request) returns a request for a certificate.
      - V(present) has a complete generation.
    type: str
    choices: [request, present]
    default: present
  path:
    description: The folder of all generations. The folder above it must be there.
    type: path
    default: /etc/kea/tls
  key_type:
    description: The kind of key that O(state=request) makes.
    type: str
    choices: [ecdsa-p256, rsa-2048, rsa-3072, rsa-4096]
    default: ecdsa-p256
  common_name:
    description: The common name to request. Required with O(state=request).
    type: str
  subject_alt_names:
    description: The alternative names to request, each beginning with C(IP:) or C(DNS:).
    type: list
    elements: str
    default: []
  generation:
    description: The generation that O(certificate) was requested for, as RV(generation) of O(state=request) named it.
    type: str
  certificate:
    description:
      - The host's certificate, then any intermediate ones, PEM.
      - Without O(certificate), O(private_key) and O(generation), a new generation keeps certificate and key of the one
        in use and takes O(trust).
    type: str
  private_key:
    description:
      - The private key of O(certificate), PEM and not encrypted, where it was not made on the host.
      - Not together with O(generation).
    type: str
  trust:
    description: The certificates of the CAs to be trusted, PEM. Required with O(state=present).
    type: list
    elements: str
    default: []
  user:
    description: The user Kea runs as, who must be able to read all of it.
    type: str
    default: _kea
  group:
    description: The group that may read the key, beside root.
    type: str
    default: _kea
  lock_timeout:
    description: Seconds to wait for another run that changes Kea on this host, before failing.
    type: int
    default: 0
requirements:
  - The program openssl, 1.1.1 or later, on the host.
notes:
  - Needs root.
  - Kea looks into the folder of trusted CAs whenever it meets a CA that it does not know, so a CA that is added may be
    accepted before the restart; one that is removed is trusted until the restart.
seealso:
  - module: keaops.kea.kea_config
  - module: keaops.kea.kea_host_info
  - module: community.crypto.x509_certificate_pipe
author:
  - keaops.kea contributors (@keaops)
"""

EXAMPLES = r"""
- name: Make a key and a request
  keaops.kea.kea_tls:
    state: request
    common_name: dhcp1
    subject_alt_names: ["IP:192.168.1.2", "DNS:dhcp1"]
  register: request
  become: true

- name: Sign it
  community.crypto.x509_certificate_pipe:
    csr_content: "{{ request.csr }}"
    provider: ownca
    ownca_path: pki/ca.pem
    ownca_privatekey_path: pki/ca.key
    ownca_privatekey_passphrase: "{{ passphrase }}"
    ownca_not_after: +90d
  register: signed
  delegate_to: localhost

- name: Put the certificate beside its key
  keaops.kea.kea_tls:
    generation: "{{ request.generation }}"
    certificate: "{{ signed.certificate }}"
    trust: ["{{ lookup('ansible.builtin.file', 'pki/ca.pem') }}"]
  become: true

- name: Install key and certificate of another CA
  keaops.kea.kea_tls:
    certificate: "{{ lookup('ansible.builtin.file', 'dhcp1.pem') }}"
    private_key: "{{ lookup('ansible.builtin.file', 'dhcp1.key') }}"
    trust: ["{{ lookup('ansible.builtin.file', 'ca.pem') }}"]
  become: true

- name: Trust a second CA, keeping key and certificate
  keaops.kea.kea_tls:
    trust:
      - "{{ lookup('ansible.builtin.file', 'old-ca.pem') }}"
      - "{{ lookup('ansible.builtin.file', 'new-ca.pem') }}"
  become: true
"""

RETURN = r"""
generation:
  description: The generation that the daemons shall use, for O(keaops.kea.kea_config#module:links).
  returned: success
  type: str
  sample: "3"
csr:
  description: The request, PEM; null in check mode where it would be made.
  returned: success, with O(state=request)
  type: str
  sample: "-----BEGIN CERTIFICATE REQUEST-----\n..."
linked:
  description: Whether there was no usable link C(current), so that it was made.
  returned: success, with O(state=present)
  type: bool
  sample: false
removed:
  description: The generations that were removed.
  returned: success, with O(state=present)
  type: list
  elements: str
  sample: ["1"]
"""

import contextlib

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keaops.kea.plugins.module_utils import _apply, _tls_host


def work(params, check_mode, system):
    """Do or predict what *params* ask for; returns the result with its diff.

    Raises:
        TlsError, ApplyError, OSError: it cannot be done.
    """
    store = _tls_host.Store(system, params["path"], params["user"], params["group"])
    about = {"daemon": "certificates"}
    lock = contextlib.nullcontext() if check_mode else _apply.host_lock(system, about, params["lock_timeout"])
    with lock:
        if params["state"] == "request":
            return _request(store, params, check_mode)
        return _present(store, params, check_mode)


def _request(store, params, check_mode):
    names = params["subject_alt_names"]
    result = store.request(params["key_type"], params["common_name"], names, check_mode)
    after = "generation: {}, requested\nkey: {}\ncommon name: {}\nnames: {}\n".format(
        result["generation"], params["key_type"], params["common_name"], ", ".join(names)
    )
    return dict(result, diff=_diff(store, "", after if result["changed"] else ""))


def _present(store, params, check_mode):
    current = store.current()
    before = _tls_host.in_words(current, store.material(current) if current else None)
    given = (params["generation"], params["certificate"], params["private_key"], params["trust"])
    result = store.present(*given, check_mode)
    after = _tls_host.in_words(result["generation"], result.pop("wanted"))
    return dict(result, diff=_diff(store, before, after))


def _diff(store, before, after):
    return {"before_header": store.path, "after_header": store.path, "before": before, "after": after}


def sentence(error):
    """Return what to tell users about an error."""
    if isinstance(error, OSError):
        where = error.filename or "a file"
        reason = error.strerror or error
        return f"cannot write {where}: {reason}. Install Kea first, and run the task as root (become: true)."
    return str(error) + "."


def argument_spec():
    """Return the module's options."""
    return {
        "state": {"type": "str", "choices": ["request", "present"], "default": "present"},
        "path": {"type": "path", "default": "/etc/kea/tls"},
        "key_type": {"type": "str", "choices": sorted(_tls_host.KEY_TYPES), "default": "ecdsa-p256", "no_log": False},
        "common_name": {"type": "str"},
        "subject_alt_names": {"type": "list", "elements": "str", "default": []},
        "generation": {"type": "str"},
        "certificate": {"type": "str"},
        "private_key": {"type": "str", "no_log": True},
        "trust": {"type": "list", "elements": "str", "default": []},
        "user": {"type": "str", "default": "_kea"},
        "group": {"type": "str", "default": "_kea"},
        "lock_timeout": {"type": "int", "default": 0},
    }


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec=argument_spec(),
        required_if=[("state", "request", ["common_name"])],
        mutually_exclusive=[("generation", "private_key")],
        supports_check_mode=True,
    )
    try:
        result = work(module.params, module.check_mode, _apply.System())
    except (_tls_host.TlsError, _apply.ApplyError, OSError) as exc:
        module.fail_json(msg=sentence(exc))
    if not module._diff:
        result.pop("diff")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
