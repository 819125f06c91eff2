"""The roles of a cluster on this machine, under a supervisor: started, watched, scaled, restarted one by one, ended.

A process is up when its operators' port says that it is ready. While a start is waited for, one that ends is a failure,
told with the last lines of its log; later the supervisor starts whatever ends again, at once.

nginx follows the topology: a new gateway gets connections when it is ready, one that goes is left out before it stops.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from xinyu_services.cli.cluster_directory import ClusterDirectory
from xinyu_services.cli.failure import CommandError
from xinyu_services.cli.local_servers.server import last_lines
from xinyu_services.cli.local_servers.supervisord import Program, SupervisorServer
from xinyu_services.cli.progress import Progress
from xinyu_services.cli.topology import ROLES, Process

READY_WITHIN_S: Final = 120.0
LOOK_EVERY_S: Final = 0.1
ASK_S: Final = 1.5
_FAILED: Final = ("BACKOFF", "FATAL", "EXITED")


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """`not_ready`: why not, "" = ready."""

    process: Process
    state: str
    pid: int
    uptime_s: int
    not_ready: str


class LocalCluster:
    """`command` says how a process is started (arguments of a program)."""

    def __init__(
        self, directory: ClusterDirectory, command: Callable[[ClusterDirectory, Process], Sequence[str]] | None = None
    ) -> None:
        self._directory = directory
        self._command = command or role_command
        self._supervisor = SupervisorServer(directory.path / "supervisor")

    @property
    def is_running(self) -> bool:
        return self._supervisor.pid is not None

    def start(self, progress: Progress) -> None:
        """All are ready when it returns. Does nothing for those that are."""
        self._write_programs()
        if not self.is_running:
            with progress.step("supervisor"):
                self._supervisor.start()
        else:
            self._supervisor.update()
            states = self._supervisor.states()
            for process in self._processes():
                if states[process.name].state in ("STOPPED", *_FAILED):
                    self._supervisor.start_program(process.name)
        for process in self._processes():
            with progress.step(f"{process.name} on {process.address}"):
                self._wait_ready(process)
        self._tell_nginx()

    def stop(self, progress: Progress) -> None:
        if not self.is_running:
            return
        # Gateways first: nobody may be sent to a room that has gone.
        for role in reversed(ROLES):
            names = [process.name for process in self._processes(role)]
            if names:
                with progress.step(f"{role} stopped"):
                    self._supervisor.stop_programs(names)
        with progress.step("supervisor stopped"):
            self._supervisor.stop()

    def restart(self, progress: Progress, role: str = "") -> None:
        """One process after the other, each ready before the next one stops."""
        self._need_running()
        if role and role not in ROLES:
            raise CommandError(f"there is no role {role!r}; roles are {', '.join(ROLES)}")
        for process in self._processes(role):
            with progress.step(f"{process.name} restarted"):
                self._supervisor.stop_programs([process.name])
                self._supervisor.start_program(process.name)
                self._wait_ready(process)

    def scale(self, progress: Progress, role: str, count: int) -> None:
        topology = self._directory.topology.scaled(role, count)
        before = self._processes(role)
        self._directory.change(topology)
        after = self._processes(role)
        if not self.is_running:
            progress.say(f"  {role}: {count} from the next start on")
            return
        gone = [process for process in before if process not in after]
        if gone:
            self._tell_nginx()
            with progress.step(f"{', '.join(process.name for process in gone)} stopped"):
                self._supervisor.stop_programs([process.name for process in gone])
        self._write_programs()
        self._supervisor.update()
        for process in after:
            if process not in before:
                with progress.step(f"{process.name} on {process.address}"):
                    self._wait_ready(process)
        self._tell_nginx()

    def status(self) -> list[ProcessStatus]:
        states = self._supervisor.states() if self.is_running else {}
        found = []
        for process in self._processes():
            state = states.get(process.name)
            if state is None:
                found.append(ProcessStatus(process, "STOPPED", 0, 0, "stopped"))
            else:
                reason = not_ready(process) if state.pid else state.description
                found.append(ProcessStatus(process, state.state, state.pid, state.uptime_s, reason))
        return found

    # ---------------------------------------------------------------- parts of it

    def _processes(self, role: str = "") -> list[Process]:
        return self._directory.topology.processes(role)

    def _need_running(self) -> None:
        if not self.is_running:
            raise CommandError("the cluster does not run: xinyu cluster start")

    def _write_programs(self) -> None:
        self._supervisor.write_programs(
            [
                Program(
                    process.name,
                    self._command(self._directory, process),
                    self._directory.path / "logs" / f"{process.name}.log",
                )
                for process in self._processes()
            ]
        )

    def _wait_ready(self, process: Process) -> None:
        log = self._directory.path / "logs" / f"{process.name}.log"
        deadline_s = time.monotonic() + READY_WITHIN_S
        first_pid = 0
        while True:
            state = self._supervisor.states()[process.name]
            first_pid = first_pid or state.pid
            # One that ended after supervisor's `startsecs` is not BACKOFF but started again, and again.
            if state.state in _FAILED or (state.pid and state.pid != first_pid):
                raise CommandError(f"{process.name} ended at its start; {log} says: {last_lines(log)}")
            reason = not_ready(process) if state.pid else state.state.lower()
            if not reason:
                return
            if time.monotonic() > deadline_s:
                waited = f"{process.name} is not ready after {READY_WITHIN_S:.0f} s ({reason})"
                raise CommandError(f"{waited}; {log} says: {last_lines(log)}")
            time.sleep(LOOK_EVERY_S)

    def _tell_nginx(self) -> None:
        if self._directory.write_site() and self._directory.nginx.pid is not None:
            self._directory.nginx.reload()


def role_command(directory: ClusterDirectory, process: Process) -> list[str]:
    """`xinyu run ROLE ...` by this very Python."""
    command = [sys.executable, "-m", "xinyu_services", "run", process.role, "--config", str(directory.config_file)]
    command += ["--host", process.host, "--port", str(process.port), "--ops-port", str(process.ops_port)]
    if process.rpc_port:
        command += ["--rpc-port", str(process.rpc_port)]
    if process.grpc_port:
        command += ["--grpc-port", str(process.grpc_port)]
    return command


def not_ready(process: Process) -> str:
    """Why a process should not get traffic, by its own word; "" = it should."""
    connection = http.client.HTTPConnection(process.host, process.ops_port, timeout=ASK_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read(65_536)
        if answer.status == 200:
            return ""
        reasons = json.loads(body)["reasons"]
        return ", ".join(f"{name}: {reason}" for name, reason in reasons.items())
    except OSError:
        return "does not answer yet"
    except (http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError):
        return "does not answer as a process of ours"
    finally:
        connection.close()
