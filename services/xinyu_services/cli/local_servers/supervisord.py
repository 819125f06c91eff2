"""supervisord, for the processes of a cluster: a private one, reached by a socket of its own.

Each program is a group of its own, so that adding or removing one touches no other. Its output is appended to one file.
"""

from __future__ import annotations

import http.client
import re
import shlex
import socket
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from xinyu_services.cli.failure import CommandError
from xinyu_services.cli.local_servers.server import LOOK_EVERY_S, LocalServer

ANSWER_WITHIN_S: Final = 5.0
# From SIGTERM to SIGKILL: a role needs up to 10 s to hand everything on.
PROGRAM_STOP_S: Final = 12
# sun_path of unix(7), with the byte that ends it.
MAX_SOCKET_PATH_BYTES: Final = 107


@dataclass(frozen=True, slots=True)
class Program:
    """`log`: where its output goes."""

    name: str
    command: Sequence[str]
    log: Path


@dataclass(frozen=True, slots=True)
class ProgramState:
    """`state` is supervisor's word: STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL or UNKNOWN."""

    state: str
    pid: int
    uptime_s: int
    description: str


class SupervisorServer(LocalServer):
    """`write_programs` before the start, or with `update` after it."""

    name = "supervisord"
    program = sys.executable
    package = "supervisor"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, port=0)
        if len(str(self._socket).encode()) > MAX_SOCKET_PATH_BYTES:
            raise CommandError(f"the path of the supervisor's socket is too long: {self._socket}")

    def write_programs(self, programs: Sequence[Program]) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        text = _SETTINGS.format(socket=_value(self._socket), directory=_value(self.directory))
        for program in programs:
            text += _PROGRAM.format(
                name=program.name,
                command=_value(shlex.join(program.command)),
                log=_value(program.log),
                stop_s=PROGRAM_STOP_S,
            )
        self._settings.write_text(text, encoding="utf-8")

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--configuration", str(self._settings)]

    def answers(self) -> bool:
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except CommandError:
            return False

    # ---------------------------------------------------------------- programs

    def states(self) -> Mapping[str, ProgramState]:
        """Of all programs that it knows, by name."""
        return {
            each["name"]: ProgramState(
                each["statename"],
                each["pid"],
                max(0, each["now"] - each["start"]) if each["pid"] else 0,
                each["spawnerr"] or each["description"],
            )
            for each in self._call("getAllProcessInfo")
        }

    def update(self) -> list[str]:
        """Takes programs that were written: new ones are started, changed ones started anew, those that are left out
        stopped. Answers the names of those that it started."""
        [[added, changed, removed]] = self._call("reloadConfig")
        self.stop_programs([*removed, *changed])
        for name in (*removed, *changed):
            self._call("removeProcessGroup", name)
        for name in (*added, *changed):
            self._call("addProcessGroup", name)
        return [*added, *changed]

    def start_program(self, name: str) -> None:
        self._call("startProcess", name, False)

    def stop_programs(self, names: Sequence[str]) -> None:
        """At the same time; they have ended when it returns."""
        for name in names:
            try:
                self._call("stopProcess", name, False)
            except CommandError as error:
                if "NOT_RUNNING" not in str(error):
                    raise
        deadline_s = time.monotonic() + PROGRAM_STOP_S + ANSWER_WITHIN_S
        while names and any(self.states()[name].pid for name in names):
            if time.monotonic() > deadline_s:
                raise CommandError(f"{', '.join(names)} did not stop")
            time.sleep(LOOK_EVERY_S)

    # ---------------------------------------------------------------- its own files

    @property
    def _settings(self) -> Path:
        return self.directory / "supervisord.conf"

    @property
    def _socket(self) -> Path:
        return self.directory / "supervisord.sock"

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = _UnixTransport(str(self._socket))
        try:
            with xmlrpc.client.ServerProxy("http://supervisor/RPC2", transport=transport) as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            raise CommandError(f"supervisord refuses {method}: {fault.faultString}") from None
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise CommandError(f"supervisord does not answer: {error}") from None


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _UnixConnection(self._path)
        self._connection = host, connection  # what the transport closes
        return connection


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("supervisor", timeout=ANSWER_WITHIN_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _value(text: object) -> str:
    """As supervisor's settings want it: a percent sign begins an expansion; ; or # after a blank a comment, which no
    quotes hold off."""
    value = str(text)
    if "\n" in value or _COMMENT.search(value):
        raise CommandError(f"{value!r} cannot stand in a configuration of supervisor")
    return value.replace("%", "%%")


_COMMENT: Final = re.compile(r"\s[;#]")
_SETTINGS: Final = """\
; Made by xinyu cluster; changes are lost.

[unix_http_server]
file={socket}
chmod=0700

[supervisord]
nodaemon=true
silent=false
directory={directory}
logfile=/dev/null
logfile_maxbytes=0
pidfile={directory}/master.pid
childlogdir={directory}
minfds=1024

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

# One that keeps failing is tried again with growing pauses for as long as the cluster is up.
_PROGRAM: Final = """
[program:{name}]
command={command}
autostart=true
autorestart=true
startsecs=1
startretries=1000000
stopsignal=TERM
stopwaitsecs={stop_s}
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=50MB
stdout_logfile_backups=3
"""
