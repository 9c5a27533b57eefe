# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a template without any check would make of an inventory: values go into Kea's configuration as they stand."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.keaops.kea.plugins.module_utils._model import RawHost, build_pair
from ansible_collections.keaops.kea.plugins.module_utils._plan import host_plan
from ansible_collections.keaops.kea.plugins.module_utils._variables import default_of
from rendering import kea_check

_DHCP4 = {
    "kea_valid_lifetime": "valid-lifetime",
    "kea_renew_timer": "renew-timer",
    "kea_rebind_timer": "rebind-timer",
    "kea_expired_leases_processing": "expired-leases-processing",
}
_HA = {
    "kea_ha_mode": "mode",
    "kea_ha_heartbeat_delay": "heartbeat-delay",
    "kea_ha_max_response_delay": "max-response-delay",
    "kea_ha_max_ack_delay": "max-ack-delay",
    "kea_ha_max_unacked_clients": "max-unacked-clients",
    "kea_ha_sync_timeout": "sync-timeout",
    "kea_tls_trust_anchor": "trust-anchor",
    "kea_tls_cert_file": "cert-file",
    "kea_tls_key_file": "key-file",
}


def kebab(value: Any) -> Any:
    """Turn _ in keys into -, everywhere."""
    if isinstance(value, dict):
        return {str(key).replace("_", "-"): kebab(item) for key, item in value.items()}
    return [kebab(item) for item in value] if isinstance(value, list) else value


def text(value: Any) -> Any:
    """Return the value of an option as text."""
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def options(value: Any) -> Any:
    """Return option_data as Kea's list."""
    if not isinstance(value, dict):
        return kebab(value)
    return [{"name": str(name).replace("_", "-"), "data": text(item)} for name, item in value.items()]


def subnet(raw: Any) -> Any:
    """Return a subnet as Kea's."""
    if not isinstance(raw, dict):
        return raw
    body = {}
    for key, value in raw.items():
        name = str(key).replace("_", "-")
        if name == "option-data":
            value = options(value)
        elif name == "pools" and isinstance(value, list):
            value = [pool if isinstance(pool, dict) else {"pool": pool} for pool in value]
        body[name] = kebab(value)
    return body


def merge(base: dict[str, Any], more: dict[str, Any]) -> None:
    """Merge maps in place; lists are put behind each other."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        elif isinstance(value, list) and isinstance(base.get(key), list) and key != "subnet4":
            base[key] = base[key] + value
        else:
            base[key] = copy.deepcopy(value)


def configurations(good: list[RawHost], bad: list[RawHost], host: str) -> dict[str, dict[str, Any]]:
    """Return the configurations of a host, by program.

    Args:
        good: the pair without the mistake; what is the same in both is written as the collection writes it.
        bad: the pair with the mistake.
    """
    pair, _findings = build_pair("kea", good)
    daemons = {
        name: copy.deepcopy(entry["content"]) for name, entry in host_plan(pair, host)["daemons"].items() if entry
    }
    values = next(raw.vars for raw in bad if raw.name == host)
    body = daemons["dhcp4"]["Dhcp4"]
    relationship = body["hooks-libraries"][1]["parameters"]["high-availability"][0]
    if values.get("kea_tls_source") == "files":
        for key in ("trust-anchor", "cert-file", "key-file"):
            relationship.pop(key, None)
    for names, target in ((_DHCP4, body), (_HA, relationship)):
        target.update({key: kebab(values[name]) for name, key in names.items() if name in values})
    if "kea_interfaces" in values:
        body["interfaces-config"]["interfaces"] = values["kea_interfaces"]
    raw = values.get("kea_subnets")
    body["subnet4"] = [subnet(item) for item in raw] if isinstance(raw, list) else kebab(raw)
    if "kea_option_data" in values:
        body["option-data"] = options(values["kea_option_data"])
    if "kea_multi_threading" in values:
        body["multi-threading"].update(kebab(values["kea_multi_threading"]))
    if "kea_hooks_dir" in values:
        for hook in body["hooks-libraries"]:
            hook["library"] = f"{values['kea_hooks_dir']}/{hook['library'].rsplit('/', 1)[-1]}"
    _peers(relationship, bad, host)
    _api(daemons, values)
    merge(body, copy.deepcopy(values.get("kea_dhcp4_extra") or {}))
    if "ctrl_agent" in daemons:
        merge(daemons["ctrl_agent"]["Control-agent"], kebab(values.get("kea_ctrl_agent_extra") or {}))
    return {kea_check.PROGRAMS[name]: content for name, content in daemons.items()}


def address_of(values: dict[str, Any]) -> Any:
    """Return the address a host is said to have."""
    return values.get("kea_ha_address", values.get("ansible_host"))


def _peers(relationship: dict[str, Any], bad: list[RawHost], host: str) -> None:
    for peer, raw in zip(relationship["peers"], bad):
        scheme = peer["url"].partition(":")[0]
        port = raw.vars.get("kea_ha_port", default_of("kea_ha_port"))
        peer["name"] = raw.vars.get("kea_server_name", raw.name)
        peer["url"] = f"{scheme}://{address_of(raw.vars)}:{port}/"
        peer["role"] = raw.vars.get("kea_ha_role")
        if "basic-auth-user" in peer and "kea_api_user" in raw.vars:
            peer["basic-auth-user"] = raw.vars["kea_api_user"]
        if raw.name == host:
            relationship["this-server-name"] = peer["name"]


def _api(daemons: dict[str, Any], values: dict[str, Any]) -> None:
    """The agent listens where the partner asks; the user is whom it admits."""
    for socket in daemons["dhcp4"]["Dhcp4"].get("control-sockets", []):
        if "socket-port" in socket:
            socket["socket-port"] = values.get("kea_api_port", socket["socket-port"])
    agent = (daemons.get("ctrl_agent") or {}).get("Control-agent")
    if agent is None:
        return
    agent["http-host"] = address_of(values)
    listener = values.get("kea_ha_transport") == "listener"
    agent["http-port"] = values.get("kea_api_port" if listener else "kea_ha_port", 8001 if listener else 8000)
    if "authentication" in agent and "kea_api_user" in values:
        agent["authentication"]["clients"][0]["user"] = values["kea_api_user"]
