# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say how to reach Kea's API, written once."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation fragment with the connection options of the modules."""

    DOCUMENTATION = r"""
options:
  socket:
    description:
      - Path of the daemon's control socket on the managed host.
      - Only C(root) and Kea's own user may use it, so the task usually needs C(become).
    type: path
    default: /run/kea/kea4-ctrl-socket
  url:
    description:
      - Address and port of Kea's HTTP API as seen from the managed host, for example V(http://192.168.1.3:8000/).
      - That can be a Kea Control Agent, an HTTP control socket of Kea 3.0 and later, or a dedicated listener for HA.
      - With C(https) at least TLS 1.2 is spoken.
      - Proxies named in the environment are not used, and redirects are not followed.
    type: str
  service:
    description:
      - The daemon that shall answer.
      - Over HTTP a request always names its daemon, because a Kea Control Agent answers a request without a name
        itself, which looks like the healthy answer of the DHCP server. V(ctrl_agent) asks the agent itself.
    type: str
    choices: [dhcp4, dhcp6, d2, ctrl_agent]
    default: dhcp4
  user:
    description:
      - User of the basic authentication.
    type: str
  password:
    description:
      - Password of the basic authentication.
      - Mutually exclusive with O(password_file).
    type: str
  password_file:
    description:
      - File on the managed host with the password and nothing else. A newline at its end does not count.
      - Mutually exclusive with O(password).
    type: path
  ca_path:
    description:
      - The certificate authorities on the managed host of which one has signed the server's certificate. Either a PEM
        file, or a folder with hashed names as C(openssl rehash) makes it.
      - Without it the authorities of the operating system are trusted.
    type: path
  client_cert:
    description:
      - File on the managed host with the certificate to show to the server.
    type: path
  client_key:
    description:
      - File on the managed host with the key of O(client_cert). It must not have a passphrase.
    type: path
  verify_hostname:
    description:
      - Whether the server's certificate must name the address in the URL.
      - Kea itself checks the authority and the dates of its peers' certificates but never the names. Set this to
        V(false) for certificates that were made for Kea alone.
    type: bool
    default: true
"""
