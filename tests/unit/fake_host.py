# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host for the tests of the transaction: real files in a temporary folder, everything else played."""

from __future__ import annotations

import copy
import json
import os

from ansible_collections.keaops.kea.plugins.module_utils import _apply, _jsonc, _live_changes
from ansible_collections.keaops.kea.plugins.module_utils._api import KeaApiError, Reply

FATES = {
    "serves": "all is well",
    "refused": "refused by -t",
    "refused-hooks": "refused by -T",
    "false-alarm": "the false alarm of -T",
    "stillborn": "dead before anyone looks",
    "dies": "dead after one second",
    "dies-late": "dead after ten seconds, in HA state waiting until then",
    "flaps": "dead after one second and started again by systemd a second later",
    "flaps-at-once": "on its second start when anyone looks",
    "replaced": "after one second someone else has restarted it",
    "zombie": "no hooks, though its configuration wants them",
    "silent": "no API",
    "deaf": "no sockets for DHCP packets",
    "unheard": "no HA listener, though its configuration wants one",
    "waiting": "in HA state waiting, for good",
}


class Subnets:
    """Those of a server, as far as the commands go that change them live, by the rules seen on Kea 3.0.4."""

    def __init__(self, subnets: list[dict]) -> None:
        self.subnets = {subnet["id"]: copy.deepcopy(subnet) for subnet in subnets}

    def take(self, command: _live_changes.Command) -> None:
        getattr(self, command.name.replace("-", "_"))(**{k.replace("-", "_"): v for k, v in command.arguments.items()})

    def subnet4_add(self, subnet4):
        (subnet,) = subnet4
        assert "reservations" not in subnet
        assert subnet["id"] not in self.subnets
        assert subnet["subnet"] not in {each["subnet"] for each in self.subnets.values()}
        self.subnets[subnet["id"]] = {**subnet, "reservations": []}

    def subnet4_update(self, subnet4):
        (subnet,) = subnet4
        assert "reservations" not in subnet
        self.subnets[subnet["id"]] = {**subnet, "reservations": self.subnets[subnet["id"]]["reservations"]}

    def subnet4_del(self, id):
        del self.subnets[id]

    def reservation_add(self, reservation, operation_target):
        entry = {key: value for key, value in reservation.items() if key != "subnet-id"}
        there = self.subnets[reservation["subnet-id"]]["reservations"]
        assert entry["ip-address"] not in {each["ip-address"] for each in there}
        there.append(entry)

    def reservation_del(self, subnet_id, identifier_type, identifier, operation_target):
        there = self.subnets[subnet_id]["reservations"]
        (entry,) = [each for each in there if each.get(identifier_type) == identifier]
        there.remove(entry)

    def reservation_update(self, reservation, operation_target):
        (kind,) = {"hw-address", "client-id"} & set(reservation)
        self.reservation_del(reservation["subnet-id"], kind, reservation[kind], operation_target)
        self.reservation_add(reservation, operation_target)

    def state(self) -> list:
        found = [
            {**subnet, "reservations": sorted(subnet.get("reservations") or [], key=str)}
            for subnet in self.subnets.values()
        ]
        return sorted(found, key=lambda subnet: subnet["id"])


class Host(_apply.System):
    """Plays systemd, the journal, a Kea daemon and the clock.

    How a daemon fares with a configuration is written into that configuration, as ``user-context: {fate: ...}``; see
    ``FATES``, or into the file that ``user-context: {certificate: path}`` names, when the daemon starts.
    """

    def __init__(self, folder):
        self.etc = folder / "etc"
        self.etc.mkdir()
        super().__init__(str(folder / "run"), str(folder / "state"), str(folder / "units"), str(folder / "passing"))
        self.path = str(self.etc / "kea-dhcp4.conf")
        self.executable = str(folder / "kea-dhcp4")
        with open(self.executable, "w", encoding="utf-8"):
            pass
        self.clock = 1000.0
        self.commands = []
        self.running = None
        self.since = 0.0
        self.pid = 100
        self.boot = "enabled"
        self.load = "loaded"
        self.condition = True
        self.restart_rc = 0
        self.broken = self.doomed = False
        self.loaded = self.asked = None
        self.refusal = "refused"
        self.locked = self.unlockable = ""
        self.journal = []
        self.tampered = {}
        # Changed live, if it knows how: its subnets, what was sent, and what it makes of commands, by their name.
        self.live_hooks = False
        self.subnets = None
        self.sent = []
        self.whims = {}
        self.leases = []
        self.pages = 0
        self.systemd = True
        self.users = True
        # The partner: what it is from which moment on, and whether it notices what this server does.
        self.partner = [(0.0, "hot-standby")]
        self.attentive = True
        self.scopes = ["server1"]
        self.remote = {}
        self.drained = False
        self.notified = 0
        # Whether it serves alone; and whether it took the command to do so.
        self.alone = False
        self.taken_over = []

    # the configuration in place

    def put(self, content, mode=0o640, text=None):
        """Have *content* lie there."""
        with open(self.path, "w", encoding="utf-8") as stream:
            stream.write(_jsonc.dumps(content) if text is None else text)
        os.chmod(self.path, mode)

    def live(self):
        """What lies there."""
        data = self.read(self.path)
        return None if data is None else _jsonc.loads(data.decode("utf-8"))

    def certificates(self, *generations):
        """Have folders 1, 2 ... lie there, each with a certificate that decides how the daemon fares with it."""
        for number, fate in enumerate(generations, 1):
            folder = self.etc / "tls" / str(number)
            folder.mkdir(parents=True)
            (folder / "cert.pem").write_text(fate)
        return str(self.etc / "tls" / "current")

    def start(self):
        """Have the daemon run with what lies there."""
        self.running = self.live() if self.condition else None
        self.tampered = {}
        self.subnets = Subnets(((self.running or {}).get("Dhcp4") or {}).get("subnet4") or [])
        self.loaded = self.certificate_fate(self.running)
        self.since = self.clock
        self.doomed = self.broken
        self.pid += 1
        self.alone = False
        # A server that is back before its partner has noticed is told to go on keeping quiet.
        self.drained = self.partner_state() == "partner-in-maintenance"
        if self.partner_state() == "partner-down":
            self.partner.append((self.clock + 1, "hot-standby"))

    # the partner

    def partner_state(self):
        """What the partner is now."""
        return [state for moment, state in self.partner if moment <= self.clock][-1]

    def partner_sees(self, state):
        """Have the partner change with its next heartbeat, if it notices anything."""
        if self.attentive:
            self.partner.append((self.clock + 1, state))

    def converge(self, content, proven=True):
        """Have *content* lie there, served and proven."""
        self.put(content)
        self.start()
        self.clock += 100
        if proven:
            self.mark(content)

    def mark(self, content):
        """Have the marker tell of *content*."""
        self.make_folder(self.state_dir)
        with open(os.path.join(self.state_dir, "dhcp4.json"), "w", encoding="utf-8") as stream:
            json.dump({"digest": _apply.digest_of(content), "files": {}}, stream)

    def marker(self):
        """The digest of what was proven."""
        return _apply.read_marker(self, "dhcp4").get("digest")

    def snapshot(self):
        """Everything on the disk, with owner and mode."""
        found = {}
        for top in (str(self.etc), self.run_dir, self.state_dir, self.unit_dir):
            for folder, folders, names in os.walk(top):
                for path in (os.path.join(folder, name) for name in folders + names):
                    if os.path.islink(path):
                        found[path] = os.readlink(path)
                    elif os.path.isfile(path):
                        found[path] = (self.read(path), os.stat(path).st_mode, os.stat(path).st_uid)
        return found

    # systemd and the daemon

    def certificate_fate(self, content, absent="dies"):
        """What the file says that *content* names, *absent* if it is not there; None if none is named."""
        context = next(iter((content or {"": {}}).values())).get("user-context", {})
        if "certificate" not in context:
            return None
        return (self.read(context["certificate"]) or absent.encode("utf-8")).decode("utf-8")

    def fate(self):
        """How the running daemon fares."""
        context = next(iter((self.running or {"": {}}).values())).get("user-context", {})
        fate = self.loaded or context.get("fate", "serves")
        assert fate in FATES
        return "dies" if self.doomed else fate

    def unit(self):
        """(active, sub, pid, restarts) at this moment."""
        if self.running is None:
            return "inactive", "dead", 0, 0
        age = self.clock - self.since
        fate = self.fate()
        death = {"stillborn": 0, "dies": 1, "dies-late": 10, "flaps": 1}.get(fate)
        if death is not None and age >= death and fate != "flaps":
            return "failed", "failed", 0, 0
        if fate == "flaps" and age >= 1:
            return ("activating", "auto-restart", 0, 0) if age < 2 else ("active", "running", self.pid + 1, 1)
        if fate == "flaps-at-once":
            return "active", "running", self.pid, 1
        if fate == "replaced" and age >= 1:
            return "active", "running", self.pid + 1, 0
        return "active", "running", self.pid, 0

    def run(self, argv, uid=None, gid=None, timeout=120):
        self.commands.append(argv)
        if argv[0] == "systemctl":
            return self._systemctl(argv)
        if argv[0] == "journalctl":
            if "--show-cursor" in argv:
                return _apply.Done(0, f"-- cursor: s={len(self.journal)}\n", "")
            start = int(argv[-1].split("=")[-1])
            return _apply.Done(0, "\n".join(self.journal[start:]), "")
        if argv[0] == self.executable:
            return self._daemon(argv)
        return _apply.Done(127, "", argv[0] + ": No such file or directory")

    def _daemon(self, argv):
        if argv[1] == "-v":
            return _apply.Done(0, "2.6.3\n", "")
        assert os.stat(argv[2]).st_mode & 0o777 == 0o640
        content = _jsonc.loads(self.read(argv[2]).decode("utf-8"))
        fate = next(iter(content.values())).get("user-context", {}).get("fate")
        if argv[1] == "-T":
            fate = self.certificate_fate(content, "refused-hooks") or fate
        if argv[1] == "-t" and fate == "refused":
            line = "2026-11-24 00:13:38.605 ERROR [kea-dhcp4.dhcp4/704.1402] DHCP4_PARSER_FAIL the pool is bad (%s:3:7)"
            return _apply.Done(1, line % argv[2], "")
        if argv[1] == "-T" and fate == "refused-hooks":
            return _apply.Done(
                1, "", "2026-11-24 00:13:38 ERROR [kea-dhcp4.ha-hooks/1.2] HA_CONFIGURATION_FAILED no 'bogus'"
            )
        if argv[1] == "-T" and fate == "false-alarm":
            return _apply.Done(1, "", "Error encountered: Error initializing hooks: " + _apply.FALSE_ALARM)
        return _apply.Done(0, "", "")

    def _systemctl(self, argv):
        verb = argv[1]
        if verb == "start":
            return self._try_unit(argv[2])
        if verb == "show":
            if "RuntimeDirectory" in argv[-1]:
                return _apply.Done(0, "", "")
            active, sub, pid, restarts = self.unit()
            state = {
                "LoadState": self.load,
                "ActiveState": active,
                "SubState": sub,
                "MainPID": pid,
                "NRestarts": restarts,
                "ConditionResult": "yes" if self.condition else "no",
                "UnitFileState": self.boot,
            }
            return _apply.Done(0, "".join("{}={}\n".format(*item) for item in state.items()), "")
        if verb == "restart":
            if self.locked and self.locked in (self.settings() or ""):
                self.running, self.loaded = None, None
                self.journal.append("kea-dhcp4-server.service: Main process exited, code=exited, status=226/NAMESPACE")
                return _apply.Done(0, "", "")
            if self.restart_rc:
                return _apply.Done(self.restart_rc, "", "Job for kea-dhcp4-server.service failed.")
            self.start()
            if self.fate().startswith(("dies", "flaps", "stillborn")):
                words = "no lease database" if self.doomed else "no peer configuration specified for the 'bogus'"
                self.journal.append("2026-11-24 00:14:20 ERROR [kea-dhcp4.ha-hooks/7] HA_CONFIGURATION_FAILED " + words)
                self.journal.append(
                    "2026-11-24 00:14:20 ERROR [kea-dhcp4.dhcp4/7] DHCP4_INIT_FAIL failed to initialize"
                )
        if verb == "stop":
            self.running = None
            if self.partner_state() == "partner-in-maintenance":
                self.partner_sees("partner-down")
        if verb in ("enable", "disable"):
            self.boot = verb + "d"
        if verb == "cat":
            return _apply.Done(0, "[Unit]\nConditionFileNotEmpty=/etc/kea/kea-api-password\n", "")
        return _apply.Done(0, "", "")

    def _try_unit(self, name):
        text = self.read(os.path.join(self.passing_unit_dir, name + ".service")).decode("utf-8")
        assert "Type=oneshot\nUser=_kea\n" in text and f"ExecStart={self.executable} -v\n" in text
        assert "Restart=" not in text and "[Unit]" not in text
        if self.unlockable and self.unlockable in text:
            self.journal.append(
                f"{name}.service: Failed at step NAMESPACE spawning /usr/sbin/kea-dhcp4: No such device"
            )
            return _apply.Done(1, "", f"Job for {name}.service failed.")
        return _apply.Done(0, "", "")

    def settings(self):
        """The text of the unit's drop-in; None without one."""
        data = self.read(os.path.join(self.unit_dir, "kea-dhcp4-server.service.d", "keaops.conf"))
        return None if data is None else data.decode("utf-8")

    def api(self, path, command, timeout=5, arguments=None):
        active, _sub, pid, _restarts = self.unit()
        if active != "active" or self.fate() == "silent":
            raise KeaApiError("refused", "unix:" + path, "refused", "nobody listens on it")
        if command == "ha-maintenance-notify":
            assert arguments == {"cancel": False}
            self.notified += 1
            self.drained = True
            self.partner_sees("partner-in-maintenance")
        if command == "ha-maintenance-start":
            self.alone = self.fate() not in ("zombie", "waiting", "silent")
            self.taken_over.append(self.alone)
            return Reply(0 if self.alone else 1, "", None)
        if command == "config-get":
            subnets = {"subnet4": self.subnets.state()} if self.subnets.subnets else {}
            return Reply(0, "", {"Dhcp4": {"t1-percent": 0.5, **self.running["Dhcp4"], **subnets, **self.tampered}})
        if command == "list-commands":
            return Reply(0, "", sorted(_live_changes.COMMANDS) if self.live_hooks else ["config-get"])
        if command in _live_changes.COMMANDS:
            return self._follow(path, command, arguments)
        if command == "lease4-get-page":
            return self.page(**arguments)
        status = {"pid": pid, "uptime": 1, "sockets": {"status": "failed" if self.fate() == "deaf" else "ready"}}
        if _apply.uses_ha(self.running, "Dhcp4") and self.fate() != "zombie":
            state = "waiting" if self.fate() in ("waiting", "dies-late") else "hot-standby"
            local = {"role": "primary", "scopes": self.scopes, "state": state}
            if self.alone:
                local["state"] = "partner-down"
            if self.drained:
                local.update(scopes=[], state="in-maintenance")
            remote = {
                "role": "standby",
                "last-state": self.partner_state(),
                "last-scopes": [] if self.partner_state() == "hot-standby" else ["server1"],
                "age": 0,
                "in-touch": True,
                "communication-interrupted": False,
                **self.remote,
            }
            status["high-availability"] = [{"ha-mode": "hot-standby", "ha-servers": {"local": local, "remote": remote}}]
        return Reply(0, "", status)

    def _follow(self, path, command, arguments):
        """Change what runs; or refuse, forget to, be silent about it, or die of it."""
        self.sent.append(command)
        whims = self.whims.get(command) or [""]
        whim = whims.pop(0)
        if whim == "refuses":
            return Reply(1, "the pool is in the way", None)
        if whim == "dies":
            # systemd starts it again, with what lies there now.
            self.start()
        elif whim != "forgets":
            self.subnets.take(_live_changes.Command(command, arguments))
        if whim in ("dies", "silent"):
            raise KeaApiError("timeout", "unix:" + path, "timed out", "no answer within 30 s")
        return Reply(0, "", None)

    def page(self, limit, **after):
        """Some of the leases, in order."""
        known = sorted(self.leases, key=lambda lease: [int(part) for part in lease["ip-address"].split(".")])
        start = [lease["ip-address"] for lease in known].index(after["from"]) + 1 if after["from"] != "start" else 0
        self.pages += 1
        return Reply(0 if known[start:] else 3, "", {"leases": known[start : start + limit]})

    def knock(self, door, command, timeout=3):
        if command == "ha-heartbeat":
            if self.remote.get("last-state") == "unavailable":
                raise KeaApiError("refused", door.url, "refused", "nobody listens there.")
            return Reply(0, "", {"state": self.partner_state()})
        self.asked = door
        if self.fate() == "unheard":
            raise KeaApiError(self.refusal, door.url, "refused", "nobody listens there.")
        return Reply(0, "", {"pid": self.unit()[2]})

    def http(self, host, port, tls, timeout=5):
        return None if self.unit()[0] == "active" and self.fate() != "silent" else "Connection refused"

    # the rest of the host

    def has_systemd(self):
        return self.systemd

    def uid(self, user):
        return os.geteuid() if self.users else None

    def gid(self, group):
        return os.getegid() if self.users else None

    def now(self):
        return self.clock

    def epoch(self):
        return 1795479000.0 + self.clock

    def sleep(self, seconds):
        self.clock = round(self.clock + seconds, 6)


def config(lifetime=4000, fate=None, ha=True, certificate=None, listener=None):
    """A configuration of the DHCPv4 server; *certificate* is the path of a file that decides how it fares."""
    section = {"valid-lifetime": lifetime, "control-socket": {"socket-type": "unix", "socket-name": "/run/kea/x"}}
    if ha:
        relationship = {"this-server-name": "server1", "mode": "hot-standby", "heartbeat-delay": 1000}
        relationship["peers"] = [
            {"name": "server1", "url": listener or "http://192.168.1.2:8000/", "role": "primary"},
            {"name": "server2", "url": "http://192.168.1.3:8000/", "role": "standby"},
        ]
        if listener:
            relationship["multi-threading"] = {"enable-multi-threading": True, "http-dedicated-listener": True}
            relationship.update(
                {"trust-anchor": "/tls/trust", "cert-file": "/tls/cert.pem", "key-file": "/tls/key.pem"}
            )
        section["hooks-libraries"] = [
            {"library": "libdhcp_lease_cmds.so"},
            {"library": "libdhcp_ha.so", "parameters": {"high-availability": [relationship]}},
        ]
    if fate:
        section["user-context"] = {"fate": fate}
    if certificate:
        section["user-context"] = {"certificate": certificate}
    return {"Dhcp4": section}
