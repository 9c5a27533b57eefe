# SPDX-FileCopyrightText: keaops.kea contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change of one Kea daemon as one transaction on its host. Private to this collection.

Lock, compare, check with the real daemon, replace, restart, wait until it truly serves, and put the old state back when
it does not. ``systemctl restart`` returning 0 proves nothing: Kea's units are of ``Type=simple``, the daemon reads its
configuration afterwards and dies a moment later.

Everything that touches the host goes through :class:`System`, so that unit tests can produce faults at any point.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import hashlib
import http.client
import json
import os
import pwd
import re
import signal
import socket
import ssl
import stat
import subprocess
import time
from typing import Any, Callable, NamedTuple

from ansible_collections.keaops.kea.plugins.module_utils import _changes, _compare, _drift, _jsonc, _live_changes
from ansible_collections.keaops.kea.plugins.module_utils._api import (
    HttpTransport,
    KeaApiError,
    KeaClient,
    UnixTransport,
    hide_secrets,
    is_secret,
    read_password,
)
from ansible_collections.keaops.kea.plugins.module_utils._handover import (
    ALONE,
    DRAINED,
    NUDGE_SECONDS,
    Door,
    Partnership,
    doors_of,
    nudge,
)
from ansible_collections.keaops.kea.plugins.module_utils._journal import Busy, Journal, Run
from ansible_collections.keaops.kea.plugins.module_utils._live_apply import LiveChange
from ansible_collections.keaops.kea.plugins.module_utils._running import digest_of
from ansible_collections.keaops.kea.plugins.module_utils._state import NORMAL_STATES, describe, normalise

# A daemon must live this long before it counts as started: fatal configurations kill it 0.1 to 1 s after the start.
STABLE_SECONDS = 2.0
POLL_SECONDS = 0.25
# What shows that a port is not the HA listener's, by the kind of KeaApiError. A certificate that is refused is a sign
# of life, and a port that says nothing may be behind a packet filter.
_NO_LISTENER = {
    "refused": "nobody listens at {url}",
    "tls_plain": "what answers at {url} does not speak TLS",
    "tls_wanted": "what answers at {url} wants TLS",
    "unauthorized": "what answers at {url} asks for a password",
    "wrong_service": "what answers at {url} is a Control Agent",
    "not_kea": "what answers at {url} is not Kea",
}
# 2.6.3 says this of every good configuration with the dedicated HA listener, with -T only, never at the real start.
FALSE_ALARM = "CmdHttpListener cannot be started when multi-threading is disabled"
UNTOUCHED = "Nothing was changed; the service is as it was"
UNLOCK = "A host that cannot lock services in, as some containers, needs kea_unit_hardening: false"
CANDIDATE_SUFFIX = ".keaops-candidate"
PREVIOUS_SUFFIX = ".keaops-previous"

#: How a change reaches a server that runs.
AUTO, ROLLING, ONLY_LIVE = "auto", "rolling", "live"
#: The actions that bring another configuration into force, or the same once more.
APPLYING = ("start", "restart", "live")

_SECRET_LINE = re.compile(r"password|secret")
_IMPORTANT = re.compile(r"\b(FATAL|ERROR)\b")
# These repeat what went wrong before them.
_CONSEQUENCE = re.compile(
    r"\w+_(INIT_FAIL|CONFIG_LOAD_FAIL|PARSER_COMMIT_FAIL|CONFIG_FILE_LOAD_FAIL)\b|HOOKS_LOAD_ERROR\b"
)
_BOOST_PLACE = re.compile(r" \[system:\d+ at .*?\](?=$|\.|;)")
# What systemd says of a process it could not even start, or that a filter of system calls ended.
_NOT_STARTED = re.compile(r"Failed to set up|Failed at step [A-Z_]+ spawning|status=(2\d\d/[A-Z_]+|31/SYS)")
_HA_LINE = re.compile(r"\b(WARN|ERROR|FATAL)\b.*\bHA_")
_LOG_PREFIX = re.compile(r"^.*?\b(?:FATAL|ERROR|WARN|INFO)\s+(?:\[[^\]]*\]\s*)?")


class Daemon(NamedTuple):
    """What differs between Kea's daemons; the paths are Debian's and serve as defaults."""

    name: str
    key: str
    api: str
    unit: str
    executable: str
    path: str
    control_socket: str | None
    log_file: str


DAEMONS = {
    daemon.name: daemon
    for daemon in (
        Daemon(
            name="dhcp4",
            key="Dhcp4",
            api="unix",
            unit="kea-dhcp4-server",
            executable="/usr/sbin/kea-dhcp4",
            path="/etc/kea/kea-dhcp4.conf",
            control_socket="/run/kea/kea4-ctrl-socket",
            log_file="/var/log/kea/kea-dhcp4.log",
        ),
        Daemon(
            name="ctrl_agent",
            key="Control-agent",
            api="http",
            unit="kea-ctrl-agent",
            executable="/usr/sbin/kea-ctrl-agent",
            path="/etc/kea/kea-ctrl-agent.conf",
            control_socket=None,
            log_file="/var/log/kea/kea-ctrl-agent.log",
        ),
    )
}


class ApplyError(Exception):
    """The transaction stopped.

    Attributes:
        stage (str): prepare, check, hand_over, replace, live, restart, serve, ha or finish.
        reason (str): the daemon's or the system's own words.
        log (list[str]): lines the daemon and systemd wrote about it.
        rolled_back (bool | None): None when nothing had been changed yet.
    """

    stage = "prepare"

    def __init__(self, message: str, reason: str = "", log: list[str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.log = log or []
        self.rolled_back: bool | None = None


class BadInput(ApplyError):
    """The arguments contradict each other."""


class NotInstalled(ApplyError):
    """The daemon, its user, its unit or its directory is not there."""


class LockHeld(ApplyError):
    """Another run works on this host, or has not ended its work."""


class NoWayBack(ApplyError):
    """What was there before the run cannot be put back."""


class GateClosed(ApplyError):
    """The running server is in an HA state in which it must not be touched."""


class NotLive(ApplyError):
    """The change takes a restart, and none is allowed."""


class NotFollowed(ApplyError):
    """The running server does not run the new configuration after the commands."""

    stage = "live"


class Rejected(ApplyError):
    """The real daemon refuses the candidate."""

    stage = "check"


class ReplaceFailed(ApplyError):
    """A file could not be written."""

    stage = "replace"


class RestartFailed(ApplyError):
    """systemctl refused."""

    stage = "restart"


class DaemonDied(ApplyError):
    """The daemon ended, or is being restarted over and over."""

    stage = "serve"


class ConditionUnmet(ApplyError):
    """systemd skipped the start because a condition of the unit does not hold."""

    stage = "serve"


class NotServing(ApplyError):
    """The daemon lives but does not serve."""

    stage = "serve"


class HaNotReached(ApplyError):
    """The server serves its API but its HA state is not one of those asked for."""

    stage = "ha"


class NotHandedOver(ApplyError):
    """The partner did not take the clients over."""

    stage = "hand_over"


class StillDrained(HaNotReached):
    """The server was back before its partner had noticed that it was gone, and waits for somebody to end that."""


class Done(NamedTuple):
    """A finished command."""

    rc: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both streams, what the command has to say."""
        return "\n".join(part for part in (self.out.strip(), self.err.strip()) if part)


class System:
    """The host. The only thing here that runs commands, talks to sockets or asks for the time.

    Args:
        run_dir: folder of the lock, empty after a reboot.
        state_dir: folder of the markers.
        unit_dir: folder of the administrator's units.
        passing_unit_dir: folder of units that are gone after a reboot.
    """

    def __init__(
        self,
        run_dir: str = "/run/keaops",
        state_dir: str = "/var/lib/keaops",
        unit_dir: str = "/etc/systemd/system",
        passing_unit_dir: str = "/run/systemd/system",
    ) -> None:
        self.run_dir = run_dir
        self.state_dir = state_dir
        self.unit_dir = unit_dir
        self.passing_unit_dir = passing_unit_dir

    def run(self, argv: list[str], uid: int | None = None, gid: int | None = None, timeout: float = 120) -> Done:
        """Run a command, as another user if *uid* is given. Never raises for a failing command."""

        def become() -> None:
            # Not su: on newer releases _kea is a locked account that no login tool accepts.
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)

        env = dict(os.environ, LC_ALL="C", LANG="C", SYSTEMD_PAGER="", KEA_LOCKFILE_DIR="none")
        switch = uid is not None and os.geteuid() == 0
        try:
            done = subprocess.run(
                argv,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout,
                check=False,
                preexec_fn=become if switch else None,  # noqa: PLW1509 - single-threaded; user= needs Python 3.9
            )
        except subprocess.TimeoutExpired:
            return Done(124, "", f"{argv[0]} gave no answer within {timeout:.0f} s")
        except OSError as exc:
            return Done(127, "", f"{argv[0]}: {exc.strerror or exc}")
        return Done(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def exists(self, path: str) -> bool:
        """True if *path* is there."""
        return os.path.exists(path)

    def has_systemd(self) -> bool:
        """True if systemd runs this host."""
        return os.path.isdir("/run/systemd/system")

    def uid(self, user: str) -> int | None:
        """The number of *user*, or None."""
        try:
            return pwd.getpwnam(user).pw_uid
        except KeyError:
            return None

    def gid(self, group: str) -> int | None:
        """The number of *group*, or None."""
        try:
            return grp.getgrnam(group).gr_gid
        except KeyError:
            return None

    def now(self) -> float:
        """Seconds of a clock that never jumps."""
        return time.monotonic()

    def epoch(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def api(self, path: str, command: str, timeout: float = 5, arguments: dict[str, Any] | None = None) -> Any:
        """Ask the daemon behind the UNIX socket *path*; returns the reply, raises KeaApiError."""
        return self.client(path, timeout).command(command, arguments)

    def client(self, path: str, timeout: float = 5) -> KeaClient:
        """Return what asks the daemon behind the UNIX socket *path*."""
        return KeaClient(UnixTransport(path, timeout))

    def knock(self, door: Door, command: str, timeout: float = 3) -> Any:
        """Ask the server behind *door* as its partner would; returns the reply, raises KeaApiError."""
        password = read_password(door.password_file) if door.password_file else None
        transport = HttpTransport(
            door.url,
            user=door.user if password is not None else None,
            password=password,
            ca_path=door.ca_path,
            client_cert=door.cert,
            client_key=door.key,
            timeout=timeout,
            verify_hostname=False,
        )
        return KeaClient(transport).command(command)

    def http(self, host: str, port: int, tls: bool, timeout: float = 5) -> str | None:
        """None if something speaks HTTP, or TLS, there, else the reason why not.

        Any status counts, 401 included, and so does a TLS server that wants a certificate: this asks for a sign of
        life, not for permission.
        """
        return self._tls(host, port, timeout) if tls else self._plain_http(host, port, timeout)

    @staticmethod
    def _plain_http(host: str, port: int, timeout: float) -> str | None:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        try:
            connection.request(
                "POST", "/", body='{"command": "list-commands"}', headers={"Content-Type": "application/json"}
            )
            connection.getresponse()
        except (OSError, http.client.HTTPException) as exc:
            return getattr(exc, "strerror", None) or str(exc) or exc.__class__.__name__
        finally:
            connection.close()
        return None

    @staticmethod
    def _tls(host: str, port: int, timeout: float) -> str | None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            with socket.create_connection((host, port), timeout) as plain, context.wrap_socket(plain):
                return None
        except ssl.SSLError as exc:
            # Only a TLS server sends alerts; here, that it wants a certificate.
            return None if "ALERT" in (exc.reason or "") else f"it does not speak TLS ({exc.reason or exc})"
        except OSError as exc:
            return exc.strerror or str(exc) or exc.__class__.__name__

    def read(self, path: str) -> bytes | None:
        """The content of *path*, or None if there is no such file."""
        try:
            with open(path, "rb") as handle:
                return handle.read()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def listing(self, path: str) -> list[str] | None:
        """The sorted names of the files, and links to files, in the folder *path*; None if it is no folder."""
        try:
            return sorted(name for name in os.listdir(path) if not os.path.isdir(os.path.join(path, name)))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def target(self, path: str) -> str | None:
        """What the link *path* points to; None if there is nothing; raises OSError if it is no link."""
        try:
            return os.readlink(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def link(self, path: str, target: str) -> None:
        """Have the link *path* point to *target*, in one step and down to the disk."""
        name = os.path.basename(path)
        temporary = name + ".new"
        # Below a folder of the daemon's user: it could plant a link in place of this one.
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)
            os.symlink(target, temporary, dir_fd=folder)
            os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
        finally:
            os.close(folder)

    def stat(self, path: str) -> os.stat_result | None:
        """What the file system says about *path*, or None if there is no such file."""
        try:
            return os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, path: str, data: bytes, owner: tuple[int, int], mode: int) -> None:
        """Write a file that did not exist, with its final owner and mode, down to the disk."""
        self.remove(path)
        # O_EXCL, because on newer releases the folder belongs to the daemon's user, who could plant a link.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fchown(stream.fileno(), *owner)
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
        except BaseException:
            self.remove(path)
            raise

    def own(self, path: str, owner: tuple[int, int], mode: int) -> None:
        """Set owner and mode of an existing file or folder; never through a link."""
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            os.fchown(handle, *owner)
            os.fchmod(handle, mode)
        finally:
            os.close(handle)

    def replace(self, source: str, target: str) -> None:
        """Rename *source* over *target*, down to the disk."""
        os.replace(source, target)
        self._sync_folder(target)

    def remove(self, path: str) -> None:
        """Remove *path* if it is there."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.remove(path)

    def remove_for_good(self, path: str) -> None:
        """Remove *path*, down to the disk."""
        self.remove(path)
        self._sync_folder(path)

    def make_folder(self, path: str, mode: int = 0o700) -> None:
        """Make a folder, for root alone unless told otherwise."""
        os.makedirs(path, mode=mode, exist_ok=True)

    def remove_empty_folder(self, path: str) -> None:
        """Remove a folder, unless something is in it by now."""
        with contextlib.suppress(OSError):
            os.rmdir(path)

    def _sync_folder(self, path: str) -> None:
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


# --- configuration: meaning, secrets, text ---------------------------------------------------------------------------


def secrets_in(value: Any) -> list[str]:
    """Every secret text in *value*."""
    found: list[str] = []
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, list)):
                found.extend(secrets_in(item))
            elif is_secret(key, item):
                found.append(item)
    elif isinstance(value, list):
        for item in value:
            found.extend(secrets_in(item))
    return found


def pretty(content: Any) -> str:
    """Stable text for people and diffs: keys sorted, secrets blanked."""
    return json.dumps(hide_secrets(content), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def render(content: Any, header: list[str]) -> str:
    """The text of the configuration file: *header* as comment, then the JSON."""
    lines = [piece for line in header for piece in (line.splitlines() or [""])]
    return "".join((f"// {line}").rstrip() + "\n" for line in lines) + _jsonc.dumps(content)


def parsed(data: bytes | None) -> Any | None:
    """The meaning of a file, or None if there is none."""
    if data is None:
        return None
    try:
        return _jsonc.loads(data.decode("utf-8"))
    except ValueError:
        return None


def uses_ha(content: Any, key: str) -> bool:
    """True if *content* loads the HA hook with a relationship."""
    for hook in _section(content, key).get("hooks-libraries") or []:
        if isinstance(hook, dict) and (hook.get("parameters") or {}).get("high-availability"):
            return True
    return False


def listener_of(content: Any, key: str) -> Door | None:
    """The HA listener of its own that *content* has the server open, or None."""
    section = _section(content, key)
    threads = (_compare.high_availability(section) or {}).get("multi-threading") or {}
    if threads.get("enable-multi-threading") and threads.get("http-dedicated-listener"):
        return doors_of(section)[0]
    return None


def unix_socket(content: Any, key: str, default: str | None) -> str | None:
    """The control socket *content* opens; *default* stands for what it does not say."""
    section = _section(content, key)
    sockets = [section.get("control-socket")] + list(section.get("control-sockets") or [])
    for entry in sockets:
        if isinstance(entry, dict) and entry.get("socket-type") == "unix" and entry.get("socket-name"):
            name = entry["socket-name"]
            # 2.6 and later resolve a bare name in their run folder.
            return name if name.startswith("/") else os.path.join(os.path.dirname(default or "/run/kea/x"), name)
    return None


def behind(content: Any, links: dict[str, str]) -> Any:
    """*content* with its files named by what is behind *links* (path to absolute target), not through them."""
    if isinstance(content, dict):
        return {key: behind(item, links) for key, item in content.items()}
    if isinstance(content, list):
        return [behind(item, links) for item in content]
    if isinstance(content, str):
        for path, target in links.items():
            if content == path or content.startswith(path + "/"):
                return target + content[len(path) :]
    return content


def _section(content: Any, key: str) -> dict[str, Any]:
    section = content.get(key) if isinstance(content, dict) else None
    return section if isinstance(section, dict) else {}


# --- the daemon's own words ------------------------------------------------------------------------------------------


def important(lines: list[str], pattern: Any = _IMPORTANT) -> list[str]:
    """The messages worth repeating, each once, without time stamps and logger names."""
    found: list[str] = []
    for line in lines:
        if pattern.search(line):
            text = _BOOST_PLACE.sub("", _LOG_PREFIX.sub("", line)).strip()
            if text and text not in found:
                found.append(text)
    return found


def reason_in(lines: list[str]) -> str:
    """The shortest text that says why: the first errors that are not a mere consequence, else the last lines."""
    errors = important(lines)
    causes = [text for text in errors if not _CONSEQUENCE.match(text)]
    if errors:
        return "; ".join(causes[:3] or errors[:1])
    starts = important(lines, _NOT_STARTED)
    if starts:
        return "; ".join(starts[:2])
    rest = [line.strip() for line in lines if line.strip()]
    return "; ".join(rest[-3:])


def in_words(text: str, path: str, document: bytes, name: str) -> str:
    """Say what is in the line that ``path:136:9`` or ``path:136.9-12`` means: nobody can look it up later."""

    def words(match: Any) -> str:
        number = int(match.group(1))
        lines = document.decode("utf-8", "replace").splitlines()
        line = lines[number - 1].strip().rstrip(",") if 0 < number <= len(lines) else ""
        shown = f" ({line})" if len(line) > 2 and not _SECRET_LINE.search(line) else ""
        return f"line {number} of {name}{shown}"

    return re.sub(re.escape(path) + r":(\d+)[:.]\d+(?:-\d+)?", words, text)


class LogTail:
    """What a daemon writes from now on, in its log file and in the journal."""

    def __init__(self, system: System, unit: str, log_file: str | None) -> None:
        self._system = system
        self._unit = unit
        self._file = log_file
        # A place in the journal, not a time: the second in which a restart falls holds lines of both daemons.
        done = system.run(self._journal("-n", "1", "--show-cursor"), timeout=20)
        match = re.search(r"^-- cursor: (.+)$", done.out, re.MULTILINE)
        self._from = "--after-cursor=" + match.group(1) if match else f"--since=@{int(system.epoch())}"
        info = system.stat(log_file) if log_file else None
        self._offset = info.st_size if info else 0
        self._inode = info.st_ino if info else None

    def _journal(self, *arguments: str) -> list[str]:
        return ["journalctl", "-u", self._unit, "-o", "cat", "--no-pager", "-q", *arguments]

    def lines(self) -> list[str]:
        """The lines so far, the journal's first: errors before the log file is open are found only there."""
        journal = self._system.run(self._journal("-n", "200", self._from), timeout=20)
        lines = journal.out.splitlines() if journal.rc == 0 else []
        data = self._system.read(self._file) if self._file else None
        if data:
            info = self._system.stat(self._file)
            same = info is not None and info.st_ino == self._inode and info.st_size >= self._offset
            lines.extend(data[self._offset if same else 0 :].decode("utf-8", "replace").splitlines()[-200:])
        return [line for line in lines if line.strip()]


# --- systemd ---------------------------------------------------------------------------------------------------------


class UnitState(NamedTuple):
    """A unit as systemd sees it."""

    load: str
    active: str
    sub: str
    pid: int
    restarts: int
    condition: bool
    boot: str

    @property
    def running(self) -> bool:
        """True while systemd runs it or tries to."""
        return self.active in ("active", "activating", "reloading", "deactivating")

    @property
    def at_boot(self) -> bool:
        """True if it starts with the host."""
        return self.boot in ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")


class Unit:
    """One systemd unit."""

    def __init__(self, system: System, name: str) -> None:
        self._system = system
        self.name = name

    def state(self) -> UnitState:
        """Ask systemd."""
        values = self._properties("LoadState,ActiveState,SubState,MainPID,NRestarts,ConditionResult,UnitFileState")
        return UnitState(
            load=values.get("LoadState", "not-found"),
            active=values.get("ActiveState", "unknown"),
            sub=values.get("SubState", "unknown"),
            pid=int(values.get("MainPID") or 0),
            restarts=int(values.get("NRestarts") or 0),
            condition=values.get("ConditionResult", "yes") != "no",
            boot=values.get("UnitFileState", ""),
        )

    def restart(self) -> None:
        """Restart, or start; raises RestartFailed."""
        # Earlier failures must not make systemd refuse ("start request repeated too quickly"); resets NRestarts, too.
        self._call("reset-failed")
        done = self._call("restart")
        if done.rc != 0:
            raise RestartFailed(f"systemctl restart {self.name} failed", done.text)

    def stop(self) -> None:
        """Stop and forget failures; raises RestartFailed."""
        done = self._call("stop")
        if done.rc != 0:
            raise RestartFailed(f"systemctl stop {self.name} failed", done.text)
        self._call("reset-failed")

    def set_boot(self, enabled: bool) -> None:
        """Have the unit start with the host, or not; raises RestartFailed."""
        word = "enable" if enabled else "disable"
        done = self._call(word)
        if done.rc != 0:
            raise RestartFailed(f"systemctl {word} {self.name} failed", done.text)

    @property
    def settings_path(self) -> str:
        """Where our settings of the unit are kept."""
        return os.path.join(self._system.unit_dir, self.name + ".service.d", "keaops.conf")

    def write_settings(self, text: str | None) -> None:
        """Write our settings of the unit, or remove them, for its next start; raises RestartFailed or OSError."""
        if text is None:
            self._system.remove_for_good(self.settings_path)
        else:
            self._system.make_folder(os.path.dirname(self.settings_path), 0o755)
            temporary = self.settings_path + ".new"
            self._system.write(temporary, text.encode("utf-8"), (os.geteuid(), os.getegid()), 0o644)
            self._system.replace(temporary, self.settings_path)
        self._reload()

    def try_settings(self, text: str, user: str, argv: list[str]) -> None:
        """Have systemd run *argv* with these settings, in a unit of its own; raises Rejected or OSError.

        Nothing else would tell before the daemon's next start, and that may be the host's next boot.
        """
        name = f"keaops-try-{self.name}"
        path = os.path.join(self._system.passing_unit_dir, name + ".service")
        # What precedes a start may fail, and may take its time.
        left_out = ("Restart", "ExecStartPre=-")
        service = [line for line in _section_lines(text, "Service") if not line.startswith(left_out)]
        service += ["Type=oneshot", f"User={user}", "Environment=KEA_LOCKFILE_DIR=none", "ExecStart=" + " ".join(argv)]
        log = LogTail(self._system, name, None)
        try:
            self._system.make_folder(self._system.passing_unit_dir, 0o755)
            unit = "[Service]\n{}\n".format("\n".join(service))
            self._system.write(path, unit.encode("utf-8"), (os.geteuid(), os.getegid()), 0o644)
            self._reload()
            done = self._system.run(["systemctl", "start", name], timeout=60)
            if done.rc != 0:
                lines = log.lines()
                reason = reason_in(lines or done.text.splitlines())
                what = f"this host cannot run {self.name} with the settings of its unit"
                raise Rejected(f"{what}: {reason.rstrip('.')}. {UNTOUCHED}. {UNLOCK}", reason, lines)
        finally:
            self._system.remove(path)
            self._system.run(["systemctl", "reset-failed", name], timeout=30)
            self._reload()

    def _reload(self) -> None:
        done = self._system.run(["systemctl", "daemon-reload"], timeout=150)
        if done.rc != 0:
            raise RestartFailed("systemctl daemon-reload failed", done.text)

    def conditions(self) -> list[str]:
        """The unit's own Condition... lines, drop-ins included."""
        done = self._system.run(["systemctl", "cat", self.name], timeout=30)
        return [line.strip() for line in done.out.splitlines() if line.strip().startswith("Condition")]

    @contextlib.contextmanager
    def folders(self, owner: tuple[int, int]):
        """Have the folders systemd makes for the unit at its start, for as long as this lasts.

        Before the first start, and after a reboot, they are not there, and Kea 2.6 refuses a configuration whose socket
        would be in a folder that does not exist.
        """
        kinds = {"RuntimeDirectory": "/run", "StateDirectory": "/var/lib", "LogsDirectory": "/var/log"}
        names = ",".join(kind + end for kind in kinds for end in ("", "Mode"))
        values = self._properties(names)
        made = []
        try:
            for kind, root in kinds.items():
                mode = int(values.get(kind + "Mode") or "0755", 8)
                for entry in values.get(kind, "").split():
                    path = os.path.join(root, entry.split(":")[0])
                    if not self._system.exists(path):
                        self._system.make_folder(path, mode)
                        made.append(path)
                        self._system.own(path, owner, mode)
            yield
        finally:
            for path in reversed(made):
                self._system.remove_empty_folder(path)

    def _properties(self, names: str) -> dict[str, str]:
        done = self._system.run(["systemctl", "show", self.name, "--property=" + names], timeout=30)
        return dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)

    def _call(self, verb: str) -> Done:
        return self._system.run(["systemctl", verb, self.name], timeout=150)


def _section_lines(text: str, name: str) -> list[str]:
    """The settings in one section of a unit file."""
    found, inside = [], False
    for line in text.splitlines():
        if line.startswith("["):
            inside = line.strip() == f"[{name}]"
        elif inside and line.strip() and not line.startswith(("#", ";")):
            found.append(line)
    return found


# --- lock, signals, separate process ---------------------------------------------------------------------------------


@contextlib.contextmanager
def host_lock(system: System, about: dict[str, Any], patience: float = 0):
    """Hold the lock of this host; raises LockHeld with what is known of the holder.

    The lock is the kernel's, so a killed run never leaves one behind.
    """
    try:
        system.make_folder(system.run_dir)
        path = os.path.join(system.run_dir, "lock")
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise ApplyError(
            f"cannot open the lock in {system.run_dir} ({exc.strerror}): the module needs root, use become"
        ) from None
    try:
        deadline = system.now() + patience
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as exc:
                if exc.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
            if system.now() >= deadline:
                raise LockHeld(_holder(os.read(handle, 4096), path, system.epoch()))
            system.sleep(POLL_SECONDS * 2)
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(dict(about, pid=os.getpid(), since=int(system.epoch()))).encode("utf-8"), 0)
        try:
            yield
        finally:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _holder(data: bytes, path: str, epoch: float) -> str:
    try:
        about = json.loads(data.decode("utf-8"))
        pid, daemon, run_id = about["pid"], about["daemon"], about.get("run_id")
        age = int(max(0, epoch - about["since"]))
        who = f"process {pid}, for {daemon}, since {age} s ago" + (f", run {run_id}" if run_id else "")
    except (ValueError, KeyError, TypeError):
        who = "a process that left no note"
    return (
        f"another run is changing Kea on this host ({who}). Nothing was touched. Wait until it has finished and run "
        f"again; a run whose controller is gone still finishes by itself (lock: {path})"
    )


def detached(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run *work* in a process and session of its own and return its result.

    The connection from the controller may end at any moment, and what ends with it (sshd, sudo, the module) may be sent
    any signal. The transaction goes on to its end all the same; only its report is lost.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            os.setsid()
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGPIPE):
                signal.signal(number, signal.SIG_IGN)
            null = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(null, stream)
            outcome = json.dumps(work()).encode("utf-8")
            with contextlib.suppress(OSError), os.fdopen(writer, "wb") as pipe:
                pipe.write(outcome)
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    with os.fdopen(reader, "rb") as pipe:
        report = pipe.read()
    _pid, status = os.waitpid(child, 0)
    if not report:
        raise ApplyError(
            f"the process that applies the change ended without a report (wait status {status}). Run again: a "
            "configuration that was not proven to serve is applied again"
        )
    return json.loads(report.decode("utf-8"))


# --- the transaction -------------------------------------------------------------------------------------------------


class Wanted(NamedTuple):
    """What the daemon shall be like. See the options of the module kea_config."""

    daemon: Daemon
    content: dict[str, Any]
    header: list[str]
    path: str
    unit: str
    unit_settings: str | None
    executable: str
    user: str
    group: str
    mode: int
    control_socket: str | None
    log_file: str | None
    test_hooks: bool
    enabled: bool | None
    wait_ha_states: list[str]
    ha_timeout: float
    start_timeout: float
    gate_ha_states: list[str]
    hand_over: bool
    take_over: bool
    watch_files: list[str]
    links: dict[str, str]
    apply: str
    run: Run | None
    lock_timeout: float


class Before(NamedTuple):
    """The daemon as found."""

    data: bytes | None
    content: Any
    digest: str | None
    owner: tuple[int, int] | None
    mode: int | None
    unit: UnitState
    marker: dict[str, Any]
    problem: str | None
    ha: dict[str, Any] | None
    missing: list[str]
    settings: str | None
    links: dict[str, str | None]


class Fallback(NamedTuple):
    """What is put back when the new configuration fails."""

    kind: str
    data: bytes | None = None
    owner: tuple[int, int] = (0, 0)
    mode: int = 0


class Transaction:
    """One change of one daemon.

    Args:
        wanted: the goal.
        system: the host.
    """

    def __init__(self, wanted: Wanted, system: System) -> None:
        self.wanted = wanted
        self.system = system
        self.unit = Unit(system, wanted.unit)
        self.seconds: dict[str, float] = {}
        self.warnings: list[str] = []
        self.digest = digest_of(wanted.content)
        self.text = render(wanted.content, wanted.header).encode("utf-8")
        self._ha: dict[str, Any] | None = None
        # The partner that stands in for this server.
        self._left: Partnership | None = None
        self._journal: Journal | None = None
        self._settled = ""
        self._change = _changes.Change(_changes.NONE, ())
        # By commands, where that is the way.
        self._live: LiveChange | None = None

    # -- public

    def run(self, check_mode: bool = False) -> dict[str, Any]:
        """Do it, or predict it; returns the result, raises ApplyError."""
        if check_mode:
            return self._run(True)
        with self._locked():
            return self._run(False)

    @property
    def run_open(self) -> bool:
        """Whether the run has something on this host that is not ended."""
        return bool(self._journal and self._journal.open)

    def take_back(self, check_mode: bool = False) -> dict[str, Any]:
        """Bring the daemon back to what it was before this run; returns the result, raises ApplyError."""
        if check_mode:
            # A run in check mode has changed nothing.
            return self._result("none", [], [], None)
        with self._locked() as journal:
            old = journal.old(self.wanted.daemon.name)
            if old is None:
                return self._result("none", [], [], None)
            self._aim_at(old)
            return self._run(False)

    @contextlib.contextmanager
    def _locked(self):
        """Hold the lock of the host, and its journal unless that is another run's."""
        run = self.wanted.run
        about = {"daemon": self.wanted.daemon.name, "run_id": run.id if run else None}
        with host_lock(self.system, about, self.wanted.lock_timeout):
            self._journal = Journal(self.system, run)
            try:
                self._settled = self._journal.claim()
            except Busy as exc:
                raise LockHeld(str(exc)) from None
            except OSError as exc:
                raise ReplaceFailed(f"cannot write the journal: {exc.strerror or exc}. {UNTOUCHED}") from None
            yield self._journal

    def _aim_at(self, old: dict[str, Any]) -> None:
        """Want what the journal says was there before."""
        path = self._previous_path
        found = {path: self.system.read(path), self.wanted.path: self.system.read(self.wanted.path)}
        for data in found.values():
            content = parsed(data)
            if content is not None and digest_of(content) == old["digest"]:
                break
        else:
            raise NoWayBack(
                f"the configuration from before this run is not in {path} any more, so it cannot be put back"
                if old["digest"]
                else "there was no configuration before this run that was proven to serve"
            )
        links = {path: target for path, target in old["links"].items() if target is not None}
        # Whatever it takes: the pair is to be equal again.
        way = AUTO if self.wanted.apply == ONLY_LIVE else self.wanted.apply
        self.wanted = self.wanted._replace(content=content, links=links, unit_settings=old["settings"], apply=way)
        self.digest, self.text = old["digest"], data

    def away(self, check_mode: bool = False) -> dict[str, Any]:
        """Leave the clients to the partner and stop; what is on the disk, and the start at boot, is left as it is."""
        if check_mode:
            return self._away(True)
        with self._locked():
            return self._away(False)

    def _away(self, check_mode: bool) -> dict[str, Any]:
        with self._timed("inspect"):
            before = self._inspect()
        if not before.unit.running:
            return self._result("none", [], [], None)
        before = self._gate(before, check_mode)
        if not check_mode:
            # It comes back with another configuration, or with the one that lies there.
            proven = before.digest if before.marker.get("digest") == before.digest else None
            self._note_begin({"digest": proven, "links": {}, "settings": None}, {"digest": None})
            try:
                self._hand_over(before, whatever_lies_there=True)
            except NotHandedOver as exc:
                exc.message += f". {self._come_back(before)}"
                self._note(lambda journal, daemon: journal.undone(daemon))
                raise
            if self._left is None:
                self.unit.stop()
            self._note(lambda journal, daemon: journal.proven(daemon))
        return self._result("stop", ["its partner serves alone while the two change"], [], None)

    def stop(self, check_mode: bool = False) -> dict[str, Any]:
        """Have the daemon neither run nor start with the host."""
        state = self.unit.state()
        wanted_stop = state.running or state.active == "failed"
        disable = state.load == "loaded" and state.boot in ("enabled", "enabled-runtime")
        action = "stop" if wanted_stop else ("disable" if disable else "none")
        if action != "none" and not check_mode:
            with self._locked(), self._timed("restart"):
                found = parsed(self.system.read(self.wanted.path))
                old = {"digest": None if found is None else digest_of(found), "links": {}, "settings": None}
                self._note_begin(old, {"digest": None})
                if disable:
                    self.unit.set_boot(False)
                if wanted_stop:
                    self.unit.stop()
                self.system.remove(self._marker_path)
                self._note(lambda journal, daemon: journal.proven(daemon))
        before = "{}: {}, {}".format(self.wanted.unit, state.active, state.boot or "not installed")
        after = "{}: inactive, {}".format(self.wanted.unit, "disabled" if disable else state.boot or "not installed")
        diff = [{"before_header": "unit", "after_header": "unit", "before": before + "\n", "after": after + "\n"}]
        return self._result(action, [] if action == "none" else ["the daemon is not wanted"], diff, None)

    # -- steps

    def _run(self, check_mode: bool) -> dict[str, Any]:
        wanted = self.wanted
        if list(wanted.content) != [wanted.daemon.key]:
            raise BadInput(
                "content of {} must have the one top-level key {}, it has: {}".format(
                    wanted.daemon.name, wanted.daemon.key, ", ".join(sorted(map(str, wanted.content))) or "none"
                )
            )
        with self._timed("inspect"):
            before = self._inspect()
        action, reasons = self._decide(before)
        if action in APPLYING and before.digest != self.digest:
            self._change = _changes.classify(before.content, wanted.content)
            if before.marker.get("digest") != before.digest:
                # Somebody else's file: it would be a list of everything.
                self._change = self._change._replace(words=())
        diff = self._diff(before, action, reasons)
        if action in APPLYING:
            before = self._gate(before, check_mode)
        if before.missing:
            text = "; ".join(before.missing)
            if not check_mode:
                raise NotInstalled(f"cannot configure {wanted.daemon.name} on this host: {text}")
            self.warnings.append(f"check mode cannot try the configuration here yet: {text}")
            return self._result("start", reasons, diff, before)
        if not check_mode:
            self._find_targets()
        if action in APPLYING:
            candidate = wanted.path + CANDIDATE_SUFFIX
            if check_mode:
                candidate += f"-{os.getpid()}"
            try:
                with self._timed("check"):
                    self._check(before, candidate, check_mode)
                if not check_mode:
                    action = self._apply_somehow(before, candidate, action)
            finally:
                self.system.remove(candidate)
        elif action != "none":
            if self._settings_wrong(before) and before.unit.running:
                self.warnings.append(
                    f"the new settings of {wanted.unit} are in force from its next start on; this run does not restart "
                    "it for them"
                )
            if not check_mode:
                self._settle_unit(before)
                if not self._modes_right(before):
                    self.system.own(wanted.path, self._owner, wanted.mode)
        if not check_mode and self._boot_wrong(before):
            self.unit.set_boot(bool(wanted.enabled))
        return self._result(action, reasons, diff, before)

    def _inspect(self) -> Before:
        wanted = self.wanted
        system = self.system
        data = system.read(wanted.path)
        info = system.stat(wanted.path)
        # Our own file, byte by byte, needs no parsing: that is most of the time of a run without changes.
        content = wanted.content if data == self.text else parsed(data)
        settings = system.read(self.unit.settings_path)
        state = self.unit.state()
        ha: dict[str, Any] | None = None
        problem: str | None = f"its unit is {state.active}"
        if state.active == "active":
            problem = self._probe(content, state.pid)
            ha = self._ha
        return Before(
            data=data,
            content=content,
            digest=None if content is None else digest_of(content),
            owner=(info.st_uid, info.st_gid) if info else None,
            mode=stat.S_IMODE(info.st_mode) if info else None,
            unit=state,
            marker=self._read_marker(),
            problem=problem,
            ha=ha,
            missing=self._missing(state),
            settings=None if settings is None else settings.decode("utf-8", "replace"),
            links=self._present_links(),
        )

    def _missing(self, state: UnitState) -> list[str]:
        wanted, system = self.wanted, self.system
        missing = []
        if not system.has_systemd():
            missing.append("it is not run by systemd")
        elif state.load == "masked":
            missing.append(f"the unit {wanted.unit} is masked (systemctl unmask {wanted.unit})")
        elif state.load != "loaded":
            missing.append(f"there is no unit {wanted.unit}")
        if not system.exists(wanted.executable):
            missing.append(f"there is no {wanted.executable} (install the package that holds it)")
        if not system.exists(os.path.dirname(wanted.path)):
            missing.append(f"there is no folder {os.path.dirname(wanted.path)}")
        if system.uid(wanted.user) is None:
            missing.append(f"there is no user {wanted.user}")
        if system.gid(wanted.group) is None:
            missing.append(f"there is no group {wanted.group}")
        return missing

    def _decide(self, before: Before) -> tuple[str, list[str]]:
        """What has to be done, and why; the same for check mode and for the real run."""
        reasons = []
        if before.data is None:
            reasons.append("there is no configuration file yet")
        elif before.digest != self.digest:
            reasons.append("the configuration differs")
        elif before.marker.get("digest") != self.digest:
            reasons.append("the configuration in place was never proven to serve")
        reasons.extend(f"the files behind {path} change" for path in self._links_changed(before))
        if not reasons and before.marker.get("files", {}) != self._files():
            reasons.append("a file it uses has changed")
        if not reasons and before.problem:
            reasons.append(f"the daemon does not serve: {before.problem}")
        drift = [] if reasons else self._running_changes(before)
        if drift:
            reasons.append("somebody changed what the daemon runs: " + "; ".join(drift))
        if reasons:
            return self._way(before, reasons), reasons
        if not self._modes_right(before):
            return "permissions", [f"owner or mode of {self.wanted.path} differ"]
        if self._settings_wrong(before):
            return "settings", ["the unit's settings differ"]
        if self._boot_wrong(before):
            return ("enable" if self.wanted.enabled else "disable"), ["the unit's start at boot differs"]
        return "none", []

    def _way(self, before: Before, reasons: list[str]) -> str:
        """Return the action that brings the wanted configuration into force; raises NotLive."""
        wanted = self.wanted
        if not before.unit.running:
            return "start"
        if wanted.apply == ROLLING or wanted.daemon.api != "unix":
            return "restart"
        why = self._not_live(before, reasons)
        if not why:
            return "live"
        if wanted.apply == ONLY_LIVE:
            ha = _compare.high_availability(_section(wanted.content, wanted.daemon.key)) or {}
            name = ha.get("this-server-name") or wanted.unit
            raise NotLive(
                f"{name} cannot be changed while it runs, and kea_apply: live allows no restart: {why.rstrip('.')}. "
                f"{UNTOUCHED}. Leave that change out, or run with -e kea_apply=auto: the servers are then restarted "
                "one after the other, each while its partner serves"
            )
        return "restart"

    def _not_live(self, before: Before, reasons: list[str]) -> str:
        """Return why commands alone do not bring the server to the wanted configuration, or nothing."""
        wanted, marker = self.wanted, before.marker
        if before.digest == self.digest or before.content is None or self._links_changed(before):
            return "; ".join(reasons)
        if marker.get("digest") != before.digest:
            return "the configuration in place was never proven to serve"
        if before.problem:
            return f"it does not serve: {before.problem}"
        obstacle = _live_changes.obstacle(before.content, wanted.content)
        if obstacle:
            return obstacle
        if marker.get("files", {}) != self._files():
            return "a file has changed that it reads only when it starts"
        if self._settings_wrong(before):
            return "the settings of its unit change, too"
        if marker.get("kea_version") != self._version():
            return "another Kea was installed since it was started"
        socket = unix_socket(before.content, wanted.daemon.key, wanted.control_socket)
        runs = _drift.running(self.system, socket, wanted.daemon.key)
        if socket is None or runs is None or not marker.get(_drift.RUNNING):
            return "it is not known what it runs"
        drift = _drift.running_changes(self.system, wanted.daemon, marker, runs, wanted.executable)
        if drift:
            return "somebody changed what it runs: " + "; ".join(drift)
        self._live = LiveChange(self.system, socket, runs, before.content, wanted.content)
        return self._live.unable()

    def _version(self) -> str | None:
        return self.system.run([self.wanted.executable, "-v"], timeout=20).out.strip() or None

    def _gate(self, before: Before, check_mode: bool) -> Before:
        """Refuse to interrupt a server that its partner needs; one that does not serve can only gain."""
        gate = self.wanted.gate_ha_states
        if not gate or before.problem or not before.ha or not before.ha.get("ha"):
            return before
        with self._timed("gate"):
            ha, problem = self._partnership(before).wait_until_fit(gate, patient=not check_mode)
        if problem:
            raise GateClosed(
                f"the server may be changed only in the HA state {' or '.join(gate)}, so that the pair keeps serving. "
                f"{problem}. Nothing was touched. Mend the pair first, then run again"
            )
        return before._replace(ha=ha)

    def _partnership(self, before: Before) -> Partnership:
        """The server as it runs, and its partner."""
        key = self.wanted.daemon.key
        socket = unix_socket(before.content, key, self.wanted.control_socket)
        return Partnership(self.system, _section(before.content, key), socket)

    def _check(self, before: Before, candidate: str, check_mode: bool) -> None:
        """Have the real daemon read the candidate, as the user it runs as, and systemd start it with new settings."""
        wanted = self.wanted
        text, hooks = self._trial(before)
        self._write_candidate(candidate, text)
        owner = (self.system.uid(wanted.user) or 0, self.system.gid(wanted.group) or 0)
        with self.unit.folders(owner):
            for option in ["-t", "-T"] if hooks else ["-t"]:
                done = self.system.run([wanted.executable, option, candidate], uid=owner[0], gid=owner[1])
                if done.rc == 0 or (option == "-T" and FALSE_ALARM in done.text):
                    continue
                lines = [
                    in_words(line, candidate, text, "the new file").replace(candidate, "the new file")
                    for line in done.text.splitlines()
                    if line.strip()
                ]
                reason = reason_in(lines)
                raise Rejected(
                    f"{os.path.basename(wanted.executable)} refuses the new configuration: {reason.rstrip('.')}. "
                    f"{UNTOUCHED}",
                    reason,
                    lines[-50:],
                )
        if check_mode:
            return
        if self._settings_wrong(before):
            self._try_settings()
        if text != self.text:
            self._write_candidate(candidate, self.text)

    def _trial(self, before: Before) -> tuple[bytes, bool]:
        """The text the daemon is to check, and whether with its hooks, which load the files behind links.

        The links still point to the old files, or nowhere: the text names the new files themselves.
        """
        targets, hooks = {}, self.wanted.test_hooks
        for path, target in self.wanted.links.items():
            full = _full_target(path, target)
            if self.system.exists(full):
                targets[path] = full
            elif not self.system.exists(path):
                hooks = False
                self.warnings.append(
                    f"check mode cannot try the configuration with its hooks yet: there is no {full}, nor anything "
                    f"behind {path}"
                )
        if all(before.links[path] == self.wanted.links[path] for path in targets):
            return self.text, hooks
        content = behind(self.wanted.content, targets)
        return render(content, self.wanted.header).encode("utf-8"), hooks

    def _write_candidate(self, candidate: str, text: bytes) -> None:
        try:
            self.system.write(candidate, text, self._owner, self.wanted.mode)
        except OSError as exc:
            raise ReplaceFailed(f"cannot write {candidate}: {exc.strerror or exc}. {UNTOUCHED}", str(exc)) from None

    def _apply_somehow(self, before: Before, candidate: str, action: str) -> str:
        """Apply the candidate, with a restart if that may be where commands fail; returns the action."""
        try:
            self._apply(before, candidate, action == "live")
        except NotFollowed as exc:
            # One that could be taken back by a restart only has had enough.
            if self.wanted.apply == ONLY_LIVE or self.unit.state().pid != before.unit.pid:
                raise
            self.warnings.append(f"{exc.message}. It is restarted with the new configuration instead")
            self._write_candidate(candidate, self.text)
            self._apply(before, candidate, live=False)
            return "restart"
        return action

    def _apply(self, before: Before, candidate: str, live: bool) -> None:
        """Hand over, replace, restart, or send commands, and prove; on any failure put the old state back."""
        fallback = self._fallback(before)
        log = LogTail(self.system, self.wanted.unit, self.wanted.log_file)
        replaced = False
        try:
            self._note_begin(*self._old_and_new(before, fallback))
            if not live:
                self._hand_over(before)
            with self._timed("replace"):
                self._replace(before, fallback, candidate)
            replaced = True
            files = self._files()
            if live:
                self._follow(before)
            else:
                self._start(self.wanted.content, self.wanted.wait_ha_states)
        except Exception as exc:
            error = exc if isinstance(exc, ApplyError) else ApplyError(f"unexpected failure: {exc!r}", str(exc))
            if not replaced:
                error.message += f". {self._come_back(before) or UNTOUCHED}"
                self._note(lambda journal, daemon: journal.undone(daemon))
                raise error from exc
            self._explain(error, log, self.text, "the new file")
            if not (live and self._take_back_live(error, fallback, before)):
                self._roll_back(error, fallback, before)
            if error.rolled_back:
                self._note(lambda journal, daemon: journal.undone(daemon))
            if _NOT_STARTED.search(error.reason):
                error.message += f". {UNLOCK}"
            elif self._settings_wrong(before):
                error.message += ". If the new settings of its unit are the reason, set kea_unit_hardening: false"
            raise error from exc
        self._write_marker(files)
        self._note(lambda journal, daemon: journal.proven(daemon))

    def _follow(self, before: Before) -> None:
        """Have the running server follow the new file; raises NotFollowed."""
        assert self._live is not None
        with self._timed("live"):
            problem = self._live.make() or self._probe(self.wanted.content, before.unit.pid)
        if problem:
            raise NotFollowed(f"the change of the running server failed: {problem.rstrip('.')}")

    def _take_back_live(self, error: ApplyError, fallback: Fallback, before: Before) -> bool:
        """Take back by commands what commands have done, and say so in *error*; returns whether that is proven."""
        assert self._live is not None
        with self._timed("roll_back"):
            problem = self._live.take_back() or self._probe(before.content, before.unit.pid)
            if not problem:
                try:
                    self._configuration_back(fallback)
                except OSError as exc:
                    problem = f"cannot put the previous file back: {exc.strerror or exc}"
        if not problem:
            error.rolled_back = True
            error.message += (
                ". The previous configuration was put back, and what was sent was taken back: the server runs what it "
                "ran before and was not restarted"
            )
            return True
        error.message += f". By commands that could not be taken back ({problem.rstrip('.')}), so it was restarted"
        # One that does not even answer cannot hand over, and has nothing to lose.
        with contextlib.suppress(NotHandedOver, RestartFailed):
            self._hand_over(before)
        return False

    def _old_and_new(self, before: Before, fallback: Fallback) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the journal is to say of a change: how it was, as far as one may return to that, and how it will be."""
        content = self.wanted.content if fallback.kind == "same" else parsed(fallback.data)
        proven = before.marker.get("digest")
        digest = None if content is None else digest_of(content)
        links = {path: self._proven_target(before, path) for path in self.wanted.links}
        # Only what was proven to serve is worth to be returned to.
        old = {"digest": digest if digest == proven else None, "links": links, "settings": None}
        new = {"digest": self.digest, "links": self.wanted.links, "settings": None}
        if self._settings_wrong(before):
            old["settings"], new["settings"] = before.settings or "", self.wanted.unit_settings
        return old, new

    def _note_begin(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        """Note in the journal what is about to change, and how it was."""
        assert self._journal is not None
        try:
            self._journal.begin(self.wanted.daemon.name, old, new)
        except OSError as exc:
            raise ReplaceFailed(f"cannot write the journal: {exc.strerror or exc}", str(exc)) from None

    def _note(self, write: Callable[[Journal, str], None]) -> None:
        """Note something in the journal; the daemon is what it is, whether that works or not."""
        assert self._journal is not None
        try:
            write(self._journal, self.wanted.daemon.name)
        except OSError as exc:
            self.warnings.append(f"the journal of this host could not be written: {exc.strerror or exc}")

    def _hand_over(self, before: Before, whatever_lies_there: bool = False) -> None:
        """Have the partner do without this server; raises NotHandedOver.

        One that serves clients leaves them to it. Without one that stands by, the partner would give no leases until
        that counts as lost.
        """
        ha = before.ha or {}
        if not self.wanted.hand_over or self.wanted.take_over or before.problem or not ha.get("ha"):
            return
        if not whatever_lies_there and before.marker.get("digest", "") != before.digest:
            # What lies there may not be what runs, and could not bring the server back.
            return
        partnership = self._partnership(before)
        with self._timed("hand_over"):
            if ha.get("state") in NORMAL_STATES:
                self._left = partnership
                problem = partnership.leave()
                if problem:
                    raise NotHandedOver(f"the partner did not stand in for this server: {problem}")
            elif ha.get("state") == DRAINED:
                self._left = partnership
            if self._left is not None:
                # At once: until then the partner sends it leases, perhaps of subnets that it is about to learn.
                self._go_away()

    def _come_back(self, before: Before) -> str:
        """Have a server that was handed over serve again as it was; says so, or nothing if it was not handed over."""
        if self._left is None:
            return ""
        name = self.wanted.unit
        try:
            self._start(before.content, self.wanted.wait_ha_states)
        except ApplyError as exc:
            return f"{name} was restarted with its old configuration to serve again, and {_sentence(exc)}"
        return f"Nothing was changed; {name} was restarted with its old configuration and serves again"

    def _start(self, content: Any, ha_states: list[str]) -> None:
        """Restart the daemon and wait until it serves *content*; raises ApplyError."""
        for attempt in (1, 2):
            with self._timed("restart"):
                self._restart()
            if self.wanted.take_over:
                with self._timed("take_over"):
                    self._take_over(content)
            with self._timed("serve"):
                pid = self._wait_serving(content)
            if not ha_states:
                return
            try:
                with self._timed("ha"):
                    self._wait_ha(content, pid, ha_states)
                return
            except StillDrained:
                if attempt == 2:
                    raise

    def _restart(self) -> None:
        """Start the daemon; if it runs although its partner stands in, it goes away once more."""
        if self._left is not None and self.unit.state().running:
            self._go_away()
        self.unit.restart()

    def _take_over(self, content: Any) -> None:
        """Have a server whose partner is stopped serve as soon as it takes commands."""
        key = self.wanted.daemon.key
        partnership = Partnership(self.system, _section(content, key), unix_socket(content, key, None))
        deadline = self.system.now() + self.wanted.start_timeout
        # What is wrong with one that does not, is found out elsewhere.
        with contextlib.suppress(DaemonDied, ConditionUnmet):
            while not partnership.take_over() and self.system.now() < deadline:
                self._alive(0)
                self.system.sleep(NUDGE_SECONDS)

    def _go_away(self) -> None:
        """Stop the daemon until its partner has noticed: one that is back too early is kept quiet, for good."""
        self.unit.stop()
        if self._left is not None:
            self._left.wait_for_partner(ALONE)

    def _replace(self, before: Before, fallback: Fallback, candidate: str) -> None:
        """Put the new state on the disk, the configuration last; raises ApplyError when the old one is there still."""
        undo: list[Callable[[], None]] = []
        what = self.wanted.path
        try:
            self._keep(before, fallback)
            if self._settings_wrong(before):
                what = self.unit.settings_path
                undo.append(lambda: self.unit.write_settings(before.settings))
                self.unit.write_settings(self.wanted.unit_settings)
            for path, target in self.wanted.links.items():
                if before.links[path] != target:
                    what = path
                    undo.append(lambda path=path: self._set_link(path, before.links[path]))
                    self._set_link(path, target)
            what = self.wanted.path
            self.system.replace(candidate, self.wanted.path)
        except Exception as exc:
            for step in reversed(undo):
                with contextlib.suppress(OSError, ApplyError):
                    step()
            if isinstance(exc, OSError):
                raise ReplaceFailed(f"cannot replace {what}: {exc.strerror or exc}", str(exc)) from None
            raise

    def _fallback(self, before: Before) -> Fallback:
        """The configuration to return to: rather one that was proven than one that merely lies there."""
        proven = before.marker.get("digest")
        if before.digest == self.digest and proven == self.digest:
            return Fallback("same")
        previous = self.system.read(self._previous_path)
        previous_content = parsed(previous)
        previous_digest = None if previous_content is None else digest_of(previous_content)
        info = self.system.stat(self._previous_path)
        kept = Fallback("previous", previous, (info.st_uid, info.st_gid), stat.S_IMODE(info.st_mode)) if info else None
        live = None
        if before.data is not None and before.digest != self.digest:
            live = Fallback("live", before.data, before.owner or (0, 0), before.mode or 0o640)
        if live and before.digest == proven:
            return live
        if kept and proven and previous_digest == proven and proven != self.digest:
            return kept
        if live:
            return live
        if kept and previous_digest not in (None, self.digest):
            return kept
        return Fallback("none") if before.data is None else Fallback("same")

    def _keep(self, before: Before, fallback: Fallback) -> None:
        """Keep the old file, unless what is kept already is the better one to return to."""
        if fallback.kind == "live" and fallback.data is not None and not self._keeps_origin():
            temporary = self._previous_path + ".new"
            self.system.write(temporary, fallback.data, fallback.owner, fallback.mode)
            self.system.replace(temporary, self._previous_path)

    def _keeps_origin(self) -> bool:
        """Tell whether the file kept is that from before this run, which changes the daemon not for the first time."""
        old = self._journal.old(self.wanted.daemon.name) if self._journal else None
        kept = parsed(self.system.read(self._previous_path))
        return bool(old and old["digest"] and kept is not None and digest_of(kept) == old["digest"])

    def _roll_back(self, error: ApplyError, fallback: Fallback, before: Before) -> None:
        """Put the old state back and say in *error* how that went."""
        log = LogTail(self.system, self.wanted.unit, self.wanted.log_file)
        name = self.wanted.unit
        links = self._links_back(before)
        settings = self._settings_wrong(before)
        error.rolled_back = False
        if fallback.kind == "same" and not links and not settings:
            error.message += (
                ". There is no other configuration to return to, as the one in place is the same. "
                f"See journalctl -u {name}"
            )
            return
        done = []
        with self._timed("roll_back"):
            try:
                done.extend(self._configuration_back(fallback))
                for path, target in links.items():
                    self._set_link(path, target)
                    done.append(
                        f"the link {path} was removed, as there was none before"
                        if target is None
                        else f"the files behind {path} are those in {target} again"
                    )
                if settings:
                    self.unit.write_settings(before.settings)
                    done.append("the previous settings of its unit were put back")
                told = "; ".join(done)
                told = told[0].upper() + told[1:]
                if not before.unit.running:
                    self.unit.stop()
                    error.rolled_back = True
                    error.message += f". {told} and {name} is stopped, as it was before"
                    return
                old = self.wanted.content if fallback.kind == "same" else parsed(fallback.data)
                back = self._left is not None or self.wanted.take_over
                self._start(old, self.wanted.wait_ha_states if back else [])
                error.rolled_back = True
                error.message += f". {told} and {name} serves again"
            except (ApplyError, OSError) as exc:
                second = exc if isinstance(exc, ApplyError) else ApplyError("cannot put the old state back", str(exc))
                if not isinstance(exc, OSError):
                    self._explain(second, log, fallback.data or self.text, "the previous file")
                error.log = error.log + ["--- roll-back ---"] + second.log
                error.message += (
                    f". THE ROLL-BACK FAILED TOO: {_sentence(second)}. This daemon does not serve on this host; see "
                    f"journalctl -u {name}. The previous configuration is in {self._previous_path}"
                )

    def _configuration_back(self, fallback: Fallback) -> list[str]:
        """Put the old configuration back; returns what was done, in words."""
        if fallback.kind == "same":
            return []
        if fallback.data is None:
            self.system.remove_for_good(self.wanted.path)
            return ["the new file was removed, as there was none before"]
        temporary = self.wanted.path + CANDIDATE_SUFFIX
        self.system.write(temporary, fallback.data, fallback.owner, fallback.mode)
        self.system.replace(temporary, self.wanted.path)
        return ["the previous configuration was put back"]

    def _explain(self, error: ApplyError, log: LogTail, document: bytes, name: str) -> None:
        """Add the daemon's own words about *document* to *error*."""
        lines = [in_words(line, self.wanted.path, document, name) for line in log.lines()]
        error.log = lines[-60:]
        if isinstance(error, HaNotReached):
            words = "; ".join(important(lines, _HA_LINE)[-3:])
        elif isinstance(error, ConditionUnmet):
            words = ""
        elif isinstance(error, (NotServing, NotFollowed)):
            # It lives, so its last words say nothing.
            words = reason_in([line for line in lines if _IMPORTANT.search(line)])
        else:
            words = reason_in(lines)
        error.reason = "; ".join(part for part in (error.reason, words) if part)
        error.message = _sentence(error)

    # -- proof

    def _wait_serving(self, content: Any) -> int:
        """Wait until the restarted daemon serves *content*; returns its process id."""
        start = self.system.now()
        pid, since = 0, start
        while True:
            state = self._alive(pid)
            now = self.system.now()
            if not pid and state.pid and state.active == "active":
                pid, since = state.pid, now
            problem = self._probe(content, pid) if pid else f"its unit is {state.active}"
            now = self.system.now()
            if problem is None and now - since >= STABLE_SECONDS:
                self._alive(pid)
                return pid
            if now - start >= max(self.wanted.start_timeout, STABLE_SECONDS):
                raise NotServing(
                    f"{self.wanted.unit} runs but does not serve within {self.wanted.start_timeout} s of its start: "
                    f"{problem.rstrip('.')}"
                )
            self._pause(content, POLL_SECONDS)

    def _wait_ha(self, content: Any, pid: int, states: list[str]) -> None:
        """Wait for one of the HA states asked for, while the daemon goes on living."""
        wanted = self.wanted
        start = self.system.now()
        while True:
            problem = self._probe(content, pid)
            ha = self._ha
            if problem is None and ha and ha.get("state") in states:
                return
            self._alive(pid)
            if problem is None and ha and ha.get("state") == DRAINED:
                raise StillDrained(f"the server was back before its partner noticed, and is a {describe(ha)}")
            if self.system.now() - start >= wanted.ha_timeout:
                raise HaNotReached(
                    f"the server did not reach the HA state {' or '.join(states)} within {wanted.ha_timeout} s: "
                    f"{problem or 'it is a ' + describe(ha)}"
                )
            self._pause(content, POLL_SECONDS * 2)

    def _pause(self, content: Any, seconds: float) -> None:
        """Sleep while a daemon starts; one that is in a pair is kept awake, for its heartbeats to be in time."""
        key = self.wanted.daemon.key
        nudge(self.system, unix_socket(content, key, None) if uses_ha(content, key) else None, seconds)

    def _alive(self, pid: int) -> UnitState:
        """The unit's state; raises as soon as the daemon that was started is known to be dead."""
        state = self.unit.state()
        if not state.condition and not state.running:
            conditions = "; ".join(self.unit.conditions()) or f"see systemctl status {self.wanted.unit}"
            raise ConditionUnmet(
                f"systemd skipped the start of {self.wanted.unit}, because a condition of the unit does not hold: "
                f"{conditions}. Create what it asks for; the file must exist and not be empty",
                conditions,
            )
        flaps = state.restarts > 0 or state.sub == "auto-restart" or (pid and state.pid != pid)
        if flaps or state.active in ("failed", "inactive"):
            raise DaemonDied(f"{self.wanted.unit} died after its start")
        return state

    def _probe(self, content: Any, pid: int) -> str | None:
        """None if the daemon serves *content*, else what is wrong with it; remembers its HA state."""
        self._ha = None
        if self.wanted.daemon.api == "http":
            return self._probe_http(content)
        key = self.wanted.daemon.key
        path = unix_socket(content, key, self.wanted.control_socket)
        if path is None:
            # An old configuration without a control socket: that the process lives is all one can know.
            return None
        try:
            reply = self.system.api(path, "status-get")
        except KeaApiError as exc:
            return f"no answer on {path}: {exc}"
        if reply.result != 0:
            return f"status-get answers result {reply.result}: {reply.text}"
        status = reply.arguments or {}
        if pid and status.get("pid") not in (None, pid):
            return f"process {status.get('pid')} answers on {path}, not {pid}"
        expected = uses_ha(content, key)
        self._ha = normalise(status, ha_expected=expected)
        if expected and not self._ha.get("ha"):
            return (
                "it answers without high availability although its configuration asks for it: its hooks are not loaded "
                "and it serves no client"
            )
        if self._ha["sockets_ready"] is False:
            return "it has not opened its sockets for DHCP packets"
        return self._probe_listener(listener_of(content, key), pid)

    def _probe_listener(self, listener: Door | None, pid: int) -> str | None:
        """None unless the partner would not find this server: Kea 2.2 lives on when it cannot open the port."""
        if listener is None:
            return None
        try:
            reply = self.system.knock(listener, "status-get")
        except KeaApiError as exc:
            words = _NO_LISTENER.get(exc.kind)
            return "its HA listener is not there: " + words.format(url=listener.url) if words else None
        found = (reply.arguments or {}).get("pid")
        if pid and found not in (None, pid):
            return f"process {found} answers on {listener.url}, not its HA listener"
        return None

    def _probe_http(self, content: Any) -> str | None:
        section = _section(content, self.wanted.daemon.key)
        host = str(section.get("http-host", "127.0.0.1"))
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        port = int(section.get("http-port", 8000))
        problem = self.system.http(host, port, bool(section.get("cert-file")))
        return None if problem is None else f"no HTTP on {host} port {port}: {problem}"

    # -- small things

    @property
    def _previous_path(self) -> str:
        return self.wanted.path + PREVIOUS_SUFFIX

    @property
    def _marker_path(self) -> str:
        return os.path.join(self.system.state_dir, self.wanted.daemon.name + ".json")

    @property
    def _socket(self) -> str | None:
        return unix_socket(self.wanted.content, self.wanted.daemon.key, self.wanted.control_socket)

    @property
    def _owner(self) -> tuple[int, int]:
        return (self.system.uid("root") or 0, self.system.gid(self.wanted.group) or 0)

    def _running_changes(self, before: Before) -> list[str]:
        daemon = self.wanted.daemon
        asked = _drift.RUNNING in before.marker and daemon.api == "unix"
        config = _drift.running(self.system, self._socket, daemon.key) if asked else None
        return _drift.running_changes(self.system, daemon, before.marker, config, self.wanted.executable)

    def _modes_right(self, before: Before) -> bool:
        return before.owner == self._owner and before.mode == self.wanted.mode

    def _boot_wrong(self, before: Before) -> bool:
        return self.wanted.enabled is not None and before.unit.at_boot != self.wanted.enabled

    def _settings_wrong(self, before: Before) -> bool:
        return self.wanted.unit_settings is not None and (before.settings or "") != self.wanted.unit_settings

    def _try_settings(self) -> None:
        wanted = self.wanted
        try:
            self.unit.try_settings(wanted.unit_settings or "", wanted.user, [wanted.executable, "-v"])
        except OSError as exc:
            what = f"cannot write {exc.filename}: {exc.strerror or exc}"
            raise ReplaceFailed(f"{what}. {UNTOUCHED}", str(exc)) from None

    def _settle_unit(self, before: Before) -> None:
        """Give the unit its settings. A running daemon goes on: they are about its next start."""
        if not self._settings_wrong(before):
            return
        self._try_settings()
        try:
            self.unit.write_settings(self.wanted.unit_settings)
        except OSError as exc:
            path = self.unit.settings_path
            raise ReplaceFailed(f"cannot write {path}: {exc.strerror or exc}. {UNTOUCHED}", str(exc)) from None

    def _present_links(self) -> dict[str, str | None]:
        try:
            return {path: self.system.target(path) for path in self.wanted.links}
        except OSError as exc:
            raise BadInput(
                f"{exc.filename} cannot be switched to another target, as it is no link ({exc.strerror}). "
                f"Move it away. {UNTOUCHED}"
            ) from None

    def _find_targets(self) -> None:
        for path, target in self.wanted.links.items():
            if not self.system.exists(_full_target(path, target)):
                raise BadInput(
                    f"{path} cannot be switched to {target}: there is no {_full_target(path, target)}. Make it first. "
                    f"{UNTOUCHED}"
                )

    def _proven_target(self, before: Before, path: str) -> str | None:
        """What *path* pointed to when the daemon was last proven to serve, as far as that is known."""
        return before.marker.get("links", {}).get(path, before.links[path])

    def _links_changed(self, before: Before) -> list[str]:
        """The links that shall point elsewhere, or do so already but not since the daemon's start."""
        return [
            path
            for path, target in self.wanted.links.items()
            if before.links[path] != target or self._proven_target(before, path) != target
        ]

    def _links_back(self, before: Before) -> dict[str, str | None]:
        """Where each link goes when the new files fail: rather to what was proven than to what was merely there."""
        back = {}
        for path, target in self.wanted.links.items():
            proven, found = self._proven_target(before, path), before.links[path]
            if proven not in (None, target) and self.system.exists(_full_target(path, proven)):
                back[path] = proven
            elif found != target:
                back[path] = found
        return back

    def _set_link(self, path: str, target: str | None) -> None:
        if target is None:
            self.system.remove_for_good(path)
        else:
            self.system.link(path, target)

    def _files(self) -> dict[str, str]:
        """Fingerprints of the files the daemon reads at its start only."""
        return {path: self._fingerprint(path) for path in self.wanted.watch_files}

    def _fingerprint(self, path: str) -> str:
        names = self.system.listing(path)
        if names is not None:
            return digest_of([[name, self._fingerprint(os.path.join(path, name))] for name in names])
        data = self.system.read(path)
        return "absent" if data is None else hashlib.sha256(data).hexdigest()

    def _read_marker(self) -> dict[str, Any]:
        return read_marker(self.system, self.wanted.daemon.name)

    def _write_marker(self, files: dict[str, str]) -> None:
        note = {
            "digest": self.digest,
            "files": files,
            "links": self.wanted.links,
            "time": int(self.system.epoch()),
            "kea_version": self._version(),
            "run_id": self.wanted.run.id if self.wanted.run else None,
        }
        try:
            note["running"] = _drift.remember(self.system, self.wanted.daemon, self.wanted.content, self._socket)
            self.system.make_folder(self.system.state_dir)
            temporary = self._marker_path + ".new"
            self.system.write(temporary, json.dumps(note).encode("utf-8"), (os.geteuid(), os.getegid()), 0o600)
            self.system.replace(temporary, self._marker_path)
        except OSError as exc:
            self.warnings.append(
                f"the daemon serves the new configuration, but {self._marker_path} could not be written "
                f"({exc.strerror or exc}): the next run applies it again"
            )

    def _diff(self, before: Before, action: str, reasons: list[str]) -> list[dict[str, str]]:
        path = self.wanted.path
        parts = []
        if before.digest != self.digest:
            old = "" if before.data is None else pretty(before.content)
            if before.data is not None and before.content is None:
                old = f"(not readable as Kea's JSON, {len(before.data)} bytes)\n"
            parts.append((path, old, pretty(self.wanted.content)))
        elif action in ("start", "restart"):
            parts.append(
                (self.wanted.unit, "{}\n".format("; ".join(reasons)), f"{action} with the same configuration\n")
            )
        if before.data is not None and not self._modes_right(before):
            now, then = (
                f"owner {owner[0]}, group {owner[1]}, mode {mode:04o}\n"
                for owner, mode in ((before.owner or (0, 0), before.mode or 0), (self._owner, self.wanted.mode))
            )
            parts.append((f"{path} (permissions{' only' if action == 'permissions' else ''})", now, then))
        for path in self._links_changed(before):
            target = self.wanted.links[path]
            old = before.links[path] if before.links[path] != target else self._proven_target(before, path)
            parts.append((path, f"{old or '(nothing)'}\n", f"{target}\n"))
        if self._settings_wrong(before):
            parts.append((self.unit.settings_path, before.settings or "", self.wanted.unit_settings or ""))
        if self._boot_wrong(before):
            then = "enabled" if self.wanted.enabled else "disabled"
            parts.append(
                (self.wanted.unit + " (start at boot)", (before.unit.boot or "not installed") + "\n", then + "\n")
            )
        return [
            {"before_header": title, "after_header": title, "before": old, "after": new} for title, old, new in parts
        ]

    def _result(
        self, action: str, reasons: list[str], diff: list[dict[str, str]], before: Before | None
    ) -> dict[str, Any]:
        previous = self._previous_path
        return {
            "changed": action != "none",
            "action": action,
            "reasons": reasons,
            "backup": previous if self.system.exists(previous) else None,
            "digest": self.digest if self.wanted.content else None,
            "ha": self._ha if before is not None else None,
            "seconds": {stage: round(value, 2) for stage, value in self.seconds.items()},
            "rolled_back": False,
            "settled": self._settled,
            "change": self._change.as_dict(),
            "run_open": self.run_open,
            "log": [],
            "diff": diff,
            "warnings": self.warnings,
        }

    @contextlib.contextmanager
    def _timed(self, stage: str):
        start = self.system.now()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0) + self.system.now() - start


def _full_target(path: str, target: str) -> str:
    """The absolute path of what the link *path* points to."""
    return os.path.join(os.path.dirname(path), target)


def read_marker(system: System, daemon: str) -> dict[str, Any]:
    """What is known of the last configuration of *daemon* that was proven to serve; empty if nothing is."""
    content = parsed(system.read(os.path.join(system.state_dir, daemon + ".json")))
    return content if isinstance(content, dict) else {}


def ha_state(system: System, path: str | None, expected: bool = False) -> dict[str, Any] | None:
    """The normalised HA state of the daemon behind the UNIX socket *path*, or None if it does not answer.

    *expected* says whether its configuration asks for high availability; without its hooks it then serves nobody.
    """
    try:
        reply = system.api(path, "status-get") if path else None
    except KeaApiError:
        return None
    return normalise(reply.arguments or {}, ha_expected=expected) if reply and reply.result == 0 else None


def _sentence(error: ApplyError) -> str:
    if error.reason and error.reason not in error.message:
        return "{}: {}".format(error.message, error.reason.rstrip("."))
    return error.message


def finish(module: Any, result: dict[str, Any]) -> None:
    """End an AnsibleModule with *result*: its warnings as such, failed or not, with a diff only where one is wanted."""
    for warning in result.pop("warnings", []):
        module.warn(warning)
    if result.get("failed"):
        module.fail_json(**result)
    if not module._diff:
        result.pop("diff")
    module.exit_json(**result)


def failure(error: ApplyError, transaction: Transaction | None = None) -> dict[str, Any]:
    """What the module reports about *error*."""
    seconds = transaction.seconds if transaction else {}
    return {
        "failed": True,
        "msg": error.message + ("" if error.message.endswith(".") else "."),
        "stage": error.stage,
        "reason": error.reason,
        "rolled_back": bool(error.rolled_back),
        # The service was interrupted, even where everything is as before again.
        "changed": error.rolled_back is not None,
        "run_open": transaction.run_open if transaction else False,
        "log": error.log,
        "seconds": {stage: round(value, 2) for stage, value in seconds.items()},
        "warnings": transaction.warnings if transaction else [],
    }
