# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every public inventory variable, in one table: defaults, argument specs, documentation and type checks use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PAIR = "pair"
HOST = "host"


@dataclass(frozen=True)
class Variable:
    """One public variable of the inventory."""

    name: str
    type: str
    """``str``, ``int``, ``bool``, ``list``, ``dict`` or ``raw``, as in a role's argument specs."""
    default: Any
    """None means unset."""
    description: str
    example: Any
    """A good value, quoted in messages."""
    scope: str = PAIR
    """``pair``: the same on both hosts. ``host``: each host has its own."""
    required: bool = False
    unit: str = ""
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    elements: str = ""
    secret: bool = False
    source: str = ""
    """Where Kea documents it."""


EXPIRED_LEASES_DEFAULT = {
    "reclaim_timer_wait_time": 3600,
    "hold_reclaimed_time": 172800,
    "max_reclaim_leases": 0,
    "max_reclaim_time": 0,
}
# With the largest number that Kea takes.
EXPIRED_LEASES_KEYS = {
    "reclaim-timer-wait-time": 65535,
    "flush-reclaimed-timer-wait-time": 65535,
    "hold-reclaimed-time": 4294967295,
    "max-reclaim-leases": 4294967295,
    "max-reclaim-time": 10000,
    "unwarned-reclaim-cycles": 65535,
}

MULTI_THREADING_DEFAULT = {"thread_pool_size": 0, "packet_queue_size": 64}

_HA = "Kea ARM, High Availability hook"
_DHCP4 = "Kea ARM, The DHCPv4 Server"
_SECONDS = 4294967295


AUTO, ROLLING, LIVE = "auto", "rolling", "live"
TEMPLATE, FAST, PATIENT = "template", "fast", "patient"
HA_PROFILES: dict[str, dict[str, int]] = {
    FAST: {
        "kea_ha_heartbeat_delay": 1000,
        "kea_ha_max_response_delay": 10000,
        "kea_ha_max_ack_delay": 2000,
        "kea_ha_max_unacked_clients": 2,
    },
    PATIENT: {
        "kea_ha_heartbeat_delay": 2000,
        "kea_ha_max_response_delay": 60000,
        "kea_ha_max_ack_delay": 5000,
        "kea_ha_max_unacked_clients": 5,
    },
    TEMPLATE: {
        "kea_ha_heartbeat_delay": 10000,
        "kea_ha_max_response_delay": 60000,
        "kea_ha_max_ack_delay": 5000,
        "kea_ha_max_unacked_clients": 5,
    },
}
"""What the timers of HA are where they are not set one by one. docs/timers.md says why."""


def _ha_timer(name: str, description: str, unit: str = "ms", minimum: int = 1, maximum: int | None = None) -> Variable:
    """A timer of the HA hook. The upper limit of delays depends on the Kea version and is checked there (P15)."""
    example = HA_PROFILES[FAST][name]
    values = ", ".join(f"{profile} {values[name]}" for profile, values in HA_PROFILES.items())
    text = f"{description} Unset: as kea_ha_profile says ({values})."
    return Variable(name, "int", None, text, example, unit=unit, minimum=minimum, maximum=maximum, source=_HA)


VARIABLES: tuple[Variable, ...] = (
    # required
    Variable(
        "kea_ha_role",
        "str",
        None,
        "Role of this host in the pair. Never guessed, because two primaries would both answer clients."
        " In load-balancing mode the second host is C(secondary).",
        "standby",
        scope=HOST,
        required=True,
        choices=("primary", "standby", "secondary", "backup"),
        source=_HA,
    ),
    Variable(
        "kea_interfaces",
        "list",
        None,
        "Network interfaces on which clients are served.",
        ["eth0"],
        scope=HOST,
        required=True,
        elements="str",
        source=_DHCP4,
    ),
    Variable(
        "kea_subnets",
        "list",
        None,
        "The subnets: id, subnet, interface or relay, pools, option_data, reservations, and any other key of Kea's"
        " subnet4 with _ for -.",
        [{"id": 1, "subnet": "192.168.1.0/24", "interface": "eth0", "pools": ["192.168.1.100-192.168.1.199"]}],
        required=True,
        elements="dict",
        source=_DHCP4,
    ),
    # the pair
    Variable("kea_pair", "str", "kea", "Inventory group whose members form the pair.", "kea"),
    Variable(
        "kea_segment",
        "str",
        None,
        "Name of the network that the pair is in, any word. Pairs of one segment must have different addresses, and"
        " subnets that do not overlap; where it is not said, this is not checked. Nothing else depends on it.",
        "headquarters",
    ),
    Variable(
        "kea_ha_address",
        "str",
        None,
        "IP address at which the partner reaches this host. Unset: ansible_host if that is an IP address, else the"
        " default IPv4 address of the host.",
        "192.168.1.2",
        scope=HOST,
        source=_HA,
    ),
    Variable(
        "kea_server_name",
        "str",
        None,
        "Name of this server within the pair. Unset: inventory_hostname.",
        "server1",
        scope=HOST,
        source=_HA,
    ),
    # DHCP
    Variable(
        "kea_option_data",
        "raw",
        {},
        "Options for all subnets: a mapping of option name to value or list of values, or Kea's own list.",
        {"domain-name-servers": ["1.1.1.1", "9.9.9.9"]},
        source=_DHCP4,
    ),
    Variable(
        "kea_valid_lifetime",
        "int",
        43200,
        "How long a lease is valid.",
        43200,
        unit="s",
        minimum=1,
        maximum=_SECONDS,
        source=_DHCP4,
    ),
    Variable(
        "kea_renew_timer",
        "int",
        21600,
        "When a client renews its lease (T1).",
        21600,
        unit="s",
        minimum=1,
        maximum=_SECONDS,
        source=_DHCP4,
    ),
    Variable(
        "kea_rebind_timer",
        "int",
        32400,
        "When a client asks any server to extend its lease (T2).",
        32400,
        unit="s",
        minimum=1,
        maximum=_SECONDS,
        source=_DHCP4,
    ),
    Variable(
        "kea_expired_leases_processing",
        "dict",
        EXPIRED_LEASES_DEFAULT,
        "How expired leases are cleaned up: Kea's keys with _ for -. Keys left out keep the default shown.",
        {"reclaim_timer_wait_time": 3600},
        unit="s",
        source=_DHCP4,
    ),
    # high availability
    Variable(
        "kea_ha_mode",
        "str",
        "hot-standby",
        "How the two servers share the work.",
        "hot-standby",
        choices=("hot-standby", "load-balancing"),
        source=_HA,
    ),
    Variable(
        "kea_ha_profile",
        "str",
        FAST,
        "A set of timers for high availability: C(fast) for servers in one network, C(patient) for a slow or lossy path"
        " between them, C(template) as in Kea's templates. Each timer can be set by itself, too.",
        PATIENT,
        choices=tuple(HA_PROFILES),
        source=_HA,
    ),
    _ha_timer(
        "kea_ha_heartbeat_delay",
        "Pause between two heartbeats; also the grain of every state change, and so what a planned change costs.",
    ),
    _ha_timer("kea_ha_max_response_delay", "Silence of the partner after which failure detection starts."),
    _ha_timer("kea_ha_max_ack_delay", "How long a client must have been trying before it counts as not served."),
    _ha_timer(
        "kea_ha_max_unacked_clients",
        "How many clients may stay unserved before the standby takes over. 0: take over as soon as the partner is"
        " silent, which makes both servers answer if only the link between them fails.",
        unit="",
        minimum=0,
        maximum=_SECONDS,
    ),
    Variable(
        "kea_ha_sync_timeout",
        "int",
        60000,
        "Longest time for copying the leases from the partner.",
        60000,
        unit="ms",
        minimum=1,
        maximum=_SECONDS,
        source=_HA,
    ),
    Variable(
        "kea_ha_transport",
        "str",
        None,
        "How the servers talk: C(control_agent) as in the home template, C(listener) as in the secure one: an HTTPS"
        " listener of the DHCP server itself. Unset: listener when every host of the pair has Kea 3.0 or later, else"
        " control_agent.",
        "listener",
        choices=("control_agent", "listener"),
        source=_HA,
    ),
    Variable(
        "kea_multi_threading",
        "dict",
        MULTI_THREADING_DEFAULT,
        "Threads and queue of a server with the transport C(listener): Kea's keys with _ for -. Keys left out keep the"
        " default shown. A C(thread_pool_size) of 0 lets Kea take one thread for each CPU of the host.",
        {"thread_pool_size": 4, "packet_queue_size": 64},
        source=_DHCP4,
    ),
    Variable(
        "kea_ha_port",
        "int",
        8000,
        "TCP port on which the partner is reached.",
        8000,
        minimum=1,
        maximum=65535,
        source=_HA,
    ),
    Variable(
        "kea_api_port",
        "int",
        8001,
        "TCP port of the API beside the HA listener; not used with the transport control_agent.",
        8001,
        minimum=1,
        maximum=65535,
    ),
    Variable(
        "kea_api_auth",
        "bool",
        True,
        "Ask for a password on the API (HTTP basic authentication). false gives the template's open agent.",
        True,
    ),
    Variable("kea_api_user", "str", "kea-api", "User name of the API.", "kea-api"),
    Variable(
        "kea_api_password",
        "str",
        None,
        "Password of the API, at least 16 characters. Unset: generated once, on the hosts. Keep it in a vault.",
        "{{ vault_kea_api_password }}",
        secret=True,
    ),
    Variable(
        "kea_api",
        "str",
        None,
        "Who offers the API on the network: the Control Agent, the DHCP server itself (C(control_socket), Kea 3.0 and"
        " later), or nobody, which leaves the UNIX socket. Unset: control_agent with that transport and up to Kea 2.6,"
        " else control_socket.",
        "none",
        choices=("control_agent", "control_socket", "none"),
        source="Kea ARM, Management API",
    ),
    Variable(
        "kea_accept_cleartext_api",
        "bool",
        False,
        "Allow a listener without TLS: it cannot ask for a password, so anybody on the network can stop DHCP.",
        False,
    ),
    # certificates
    Variable(
        "kea_tls_enabled",
        "bool",
        None,
        "Encrypt, and demand certificates from, everything that talks to the servers. Unset: on with the transport"
        " C(listener), off with C(control_agent).",
        True,
        source="Kea ARM, TLS/HTTPS Support",
    ),
    Variable(
        "kea_tls_source",
        "str",
        "ownca",
        "Where certificates come from: C(ownca), a private CA for this pair that the collection makes on the"
        " controller, or C(files) of your own.",
        "files",
        choices=("ownca", "files"),
    ),
    Variable(
        "kea_tls_ca_dir",
        "str",
        None,
        "Folder on the controller that holds the pair's own CA. Unset: C(.kea-pki), with a folder for each pair, beside"
        " the inventory; hidden, because Ansible reads everything else in an inventory folder as inventory. Keep it out"
        " of version control, and safe: whoever has it can command the servers.",
        "/srv/pki/kea-office",
    ),
    Variable(
        "kea_tls_ca_passphrase",
        "str",
        None,
        "Passphrase of the own CA's key, at least 16 characters. Unset: generated once, into a file beside the key that"
        " only its owner can read. Keep it in a vault.",
        "{{ vault_kea_tls_ca_passphrase }}",
        secret=True,
    ),
    Variable(
        "kea_tls_key_type",
        "str",
        "ecdsa-p256",
        "Kind of the keys that the collection makes.",
        "rsa-3072",
        choices=("ecdsa-p256", "rsa-2048", "rsa-3072", "rsa-4096"),
    ),
    Variable(
        "kea_tls_valid_days",
        "int",
        90,
        "How long a certificate of the own CA is valid.",
        90,
        unit="d",
        minimum=1,
        maximum=825,
    ),
    Variable(
        "kea_tls_renew_before",
        "int",
        30,
        "A run renews what expires within this time.",
        30,
        unit="d",
        minimum=0,
        maximum=824,
    ),
    Variable(
        "kea_tls_ca_valid_days",
        "int",
        3650,
        "How long the own CA is valid.",
        3650,
        unit="d",
        minimum=30,
        maximum=36500,
    ),
    Variable(
        "kea_tls_trust_anchor",
        "str",
        None,
        "File on the controller with the CA certificate, PEM. For kea_tls_source: files.",
        "files/pki/ca.pem",
        scope=HOST,
    ),
    Variable(
        "kea_tls_cert_file",
        "str",
        None,
        "File on the controller with this host's certificate, PEM. For kea_tls_source: files.",
        "files/pki/{{ inventory_hostname }}.pem",
        scope=HOST,
    ),
    Variable(
        "kea_tls_key_file",
        "str",
        None,
        "File on the controller with this host's private key, PEM; ansible-vault may encrypt it. For kea_tls_source:"
        " files.",
        "files/pki/{{ inventory_hostname }}.key",
        scope=HOST,
    ),
    Variable(
        "kea_tls_rotate",
        "str",
        None,
        "Renew the certificates in this run, however long they are still valid; set by rotate_certs.yml.",
        "leaf",
        choices=("leaf", "ca"),
    ),
    # locking the doors
    Variable(
        "kea_firewall",
        "str",
        "none",
        "Admit only the partner and kea_firewall_management to the ports of HA and API: C(nftables) loads a table of"
        " its own, C(snippet) writes the rules to a file for you to include.",
        "nftables",
        choices=("none", "nftables", "snippet"),
    ),
    Variable(
        "kea_firewall_management",
        "list",
        [],
        "Addresses or networks, beside the partner, that may reach the API.",
        ["192.168.1.50", "10.20.0.0/24"],
        elements="str",
    ),
    Variable(
        "kea_unit_hardening",
        "bool",
        True,
        "Lock Kea's services in: they see and write no more of the host than they need.",
        True,
        source="systemd.exec(5)",
    ),
    Variable(
        "kea_clock_wait",
        "int",
        120,
        "How long after a boot the DHCP server waits for a clock that a time server has set; then it starts all the"
        " same, with a warning in its log. For hosts whose clock stops without power, as a Raspberry Pi's. 0: no wait.",
        60,
        unit="s",
        minimum=0,
        maximum=120,
    ),
    # the host itself
    Variable(
        "kea_host_watchdog",
        "int",
        0,
        "Have systemd feed the hardware watchdog, which restarts a host that has hung for so long. A Raspberry Pi's"
        " counts to 15. 0: left alone.",
        15,
        scope=HOST,
        unit="s",
        minimum=0,
        maximum=600,
        source="systemd-system.conf(5)",
    ),
    Variable(
        "kea_host_journal",
        "str",
        None,
        "C(volatile): keep the journal of systemd in memory, to spare an SD card; a boot then forgets it. Unset: left"
        " alone. Kea's own logs and leases stay on the disk.",
        "volatile",
        scope=HOST,
        choices=("volatile",),
        source="journald.conf(5)",
    ),
    Variable(
        "kea_host_network",
        "str",
        None,
        "Make the address of this host (C(kea_ha_address), or C(ansible_host)) its fixed one, by the service that"
        " manages its network. It is added at once where it is missing; what the host has besides goes with its next"
        " boot. Unset: left alone.",
        "networkmanager",
        scope=HOST,
        choices=("networkd", "networkmanager"),
        source="systemd.network(5), nm-settings-keyfile(5)",
    ),
    Variable(
        "kea_host_gateway",
        "str",
        None,
        "Router of this host, with C(kea_host_network). Unset: the one that clients in its subnet get, unless the host"
        " has its router on another interface.",
        "192.168.1.1",
        scope=HOST,
    ),
    Variable(
        "kea_host_name_servers",
        "list",
        [],
        "Name servers of this host, with C(kea_host_network). Empty: those that clients in its subnet get, unless the"
        " host has its router on another interface.",
        ["192.168.1.1"],
        scope=HOST,
        elements="str",
    ),
    # raw Kea keys
    Variable(
        "kea_dhcp4_extra",
        "dict",
        {},
        "Further keys of Kea's Dhcp4 map, merged last. hooks-libraries are appended; what the collection owns is"
        " refused.",
        {"decline-probation-period": 3600},
        scope=HOST,
    ),
    Variable(
        "kea_ctrl_agent_extra",
        "dict",
        {},
        "Further keys of Kea's Control-agent map, merged last; what the collection owns is refused.",
        {"comment": "rack 4"},
        scope=HOST,
    ),
    Variable(
        "kea_hooks_dir",
        "str",
        None,
        "Folder of Kea's hook libraries. Unset: that of the distribution.",
        "/usr/lib/x86_64-linux-gnu/kea/hooks",
        scope=HOST,
    ),
    # running the playbooks
    Variable(
        "kea_version",
        "str",
        None,
        "Kea version to render for when no host is asked. On hosts the version is read from the host.",
        "2.6.3",
        scope=HOST,
    ),
    Variable(
        "kea_preflight_offline",
        "bool",
        False,
        "Let preflight.yml check the inventory alone and contact no host.",
        False,
        scope=HOST,
    ),
    Variable(
        "kea_preflight_report",
        "str",
        None,
        "File on the controller into which preflight.yml writes its findings, also if it fails and in check mode."
        " Its ending says the format: C(.json), C(.sarif) for code scanning, C(.xml) for JUnit test reports.",
        "preflight.sarif",
        scope=HOST,
    ),
    Variable(
        "kea_preflight_report_format",
        "str",
        None,
        "Format of that file, if its ending does not say it.",
        "sarif",
        scope=HOST,
        choices=("json", "sarif", "junit"),
    ),
    Variable("kea_render_dir", "str", "rendered", "Folder into which render.yml writes.", "rendered", scope=HOST),
    Variable(
        "kea_preflight_ignore",
        "raw",
        {},
        "Ids of preflight findings that are known and accepted, each with the reason; a list of ids will do, too. Any"
        " warning can be accepted, and the errors that docs/checks.md marks as a matter of judgement.",
        {"P31": "the second subnet comes in spring"},
    ),
    Variable(
        "kea_accept_outage",
        "bool",
        False,
        "Allow a change of how the two servers talk to each other, during which one of them serves alone, and restarts"
        " of a pair that is not well. Only for one run, on the command line.",
        False,
    ),
    Variable(
        "kea_rollback",
        "str",
        "auto",
        "What becomes of a server that was changed already when the change of its partner fails: C(auto) puts back what"
        " it had before, so that the two are equal again; C(hold) leaves it, to be looked at.",
        "hold",
        choices=("auto", "hold"),
    ),
    Variable(
        "kea_apply",
        "str",
        AUTO,
        "How a change reaches a running DHCPv4 server. C(rolling): it is restarted while its partner serves. C(live):"
        " by commands, without a restart and with no packet lost, which Kea 3.0 and later can for subnets and what is"
        " in them: pools, options, reservations; any other change is refused. C(auto): live where the whole change can"
        " be, else rolling.",
        LIVE,
        choices=(AUTO, ROLLING, LIVE),
        source="Kea ARM, Subnet Commands and Host Commands hooks",
    ),
    Variable(
        "kea_rollout",
        "raw",
        [],
        "The pairs of a run of site.yml in batches, as C(serial) does it with hosts: how many pairs each batch has, as"
        " numbers or percentages; the last one is repeated. After a batch with a broken pair, no other one begins."
        " Unset: all pairs at once. The same for all pairs of a run.",
        [1, "10%", "50%"],
    ),
    Variable(
        "kea_rollout_max_failures",
        "int",
        0,
        "With kea_rollout: so many pairs may break in a run before no other batch begins. In the first batch none may,"
        " and in no batch all.",
        3,
        minimum=0,
    ),
    Variable(
        "kea_settle_run",
        "str",
        None,
        "Id of a run of another user or controller that is over for certain, as a refused run names it. This run takes"
        " over what it has left on the hosts.",
        "control1-4711-8123456",
    ),
    Variable(
        "kea_serve",
        "str",
        None,
        "For switchover.yml: the host that is to serve alone, so that its partner may be stopped. Unset: both do their"
        " part.",
        "dhcp2",
    ),
    Variable(
        "kea_upgrade_release",
        "str",
        None,
        "For upgrade.yml: the release of the distribution from which Kea is taken, as for C(apt-get -t). Its sources"
        " must be on the hosts. Unset: what apt would take by itself.",
        "trixie",
    ),
    Variable(
        "kea_dead_host",
        "str",
        None,
        "For recover.yml: a host that is certainly off, though nothing proves it. Its partner then takes over at once.",
        "dhcp1",
    ),
    Variable(
        "kea_accept_drift",
        "bool",
        False,
        "Take back what somebody has changed on a host since the last run, in the configuration file or in the running"
        " server.",
        False,
    ),
    Variable(
        "kea_allow_subnet_removal",
        "bool",
        False,
        "Remove a subnet although clients have leases in it.",
        False,
    ),
    Variable(
        "kea_known_dhcp_servers",
        "list",
        [],
        "Addresses of other DHCP servers that may answer on the networks of a new pair, for example while the network"
        " is moved to it. Their pools and those of the pair must be apart.",
        ["192.168.1.1"],
        elements="str",
    ),
    Variable(
        "kea_expect",
        "list",
        [],
        "Expectations of your own for verify.yml: JMESPath queries over the configuration Kea really runs.",
        [{"query": 'Dhcp4."valid-lifetime"', "equals": 43200}],
        elements="dict",
    ),
)

BY_NAME: dict[str, Variable] = {variable.name: variable for variable in VARIABLES}


def default_of(name: str) -> Any:
    """Return the default of a public variable."""
    return BY_NAME[name].default
