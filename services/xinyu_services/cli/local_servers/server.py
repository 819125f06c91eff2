"""One server of others as a process of ours: started, waited for, found again by a later command, and ended.

    server = RedisServer(directory, port=6380)
    server.start()      # up when it returns; raises CommandError with the last lines that it wrote
    server.stop()

Its files, log and pid file lie in its directory, so a command that comes later finds it by that (`pid`). It is in a
session of its own: a Ctrl-C in the terminal does not reach it, and it outlives the command that started it.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from xinyu_services.cli.failure import CommandError

START_S: Final = 60.0
STOP_S: Final = 20.0
LOOK_EVERY_S: Final = 0.05
FREE_PORTS: Sequence[int] = range(10_000, 32_000)
_given: set[int] = set()
LOG_LINES: Final = 15
LOG_BYTES: Final = 16_384


class LocalServer:
    """A kind of server says how it is prepared, started and asked whether it answers."""

    name: ClassVar[str]
    # The program, and the Debian package that brings it.
    program: ClassVar[str]
    package: ClassVar[str]

    def __init__(self, directory: Path, *, port: int) -> None:
        self.directory = directory.absolute()
        self.port = port
        self._child: subprocess.Popen[bytes] | None = None

    # ---------------------------------------------------------------- what a kind says

    def prepare(self) -> None:
        """Makes what must be there before the first start; does nothing where it is there."""

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it does its work by now. Asked again and again, so it may not wait long."""
        raise NotImplementedError

    # ---------------------------------------------------------------- life

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """Of the server that runs in this directory."""
        if self._child is not None:
            if self._child.poll() is None:
                return self._child.pid
            self._child = None
        try:
            pid = int((self.directory / f"{self.name}.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if self._is_ours(pid) else None

    def begin(self) -> None:
        """Starts it without waiting. Raises CommandError. Does nothing where it runs."""
        if self.pid is not None:
            return
        if find_program(self.program) is None:
            raise CommandError(f"{self.name} needs {self.program} (Debian: apt-get install {self.package})")
        self.directory.mkdir(parents=True, exist_ok=True)
        if is_port_taken(self.port):
            raise CommandError(f"{self.name} cannot use port {self.port}: it is taken")
        self.prepare()
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                list(self.command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
            )
        (self.directory / f"{self.name}.pid").write_text(f"{self._child.pid}\n")

    def start(self, timeout_s: float = START_S) -> None:
        """Up when it returns. Raises CommandError, with the last lines of its log, when it ends or does not answer."""
        self.begin()
        deadline_s = time.monotonic() + timeout_s
        while not self.answers():
            if self.pid is None:
                raise CommandError(f"{self.name} ended at its start; {self.log} says: {self.last_words()}")
            if time.monotonic() > deadline_s:
                self.kill()
                raise CommandError(f"{self.name} does not answer after {timeout_s:.0f} s: {self.last_words()}")
            time.sleep(LOOK_EVERY_S)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that does not help. Does nothing where none runs."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def last_words(self) -> str:
        return last_lines(self.log)

    def _end(self, number: signal.Signals) -> None:
        pid = self.pid
        if pid is not None:
            os.kill(pid, number)
            deadline_s = time.monotonic() + STOP_S
            while self.pid is not None:
                if time.monotonic() > deadline_s:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(LOOK_EVERY_S)
        if self._child is not None:
            self._child.wait()
            self._child = None
        (self.directory / f"{self.name}.pid").unlink(missing_ok=True)

    def _is_ours(self, pid: int) -> bool:
        """A pid file may be older than the machine's last start: the number may be somebody else's by now."""
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
            # A server may go down into its data directory.
            return Path(os.readlink(f"/proc/{pid}/cwd")).is_relative_to(self.directory.resolve())
        except OSError:
            return False


def last_lines(log: Path) -> str:
    """What a log ends with, in one line."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return "nothing"
    return " / ".join(line.strip() for line in lines[-LOG_LINES:] if line.strip()) or "nothing"


def find_program(program: str) -> str | None:
    """Debian keeps servers in sbin, which is not on everybody's path."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin:/sbin")


def is_port_taken(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def free_port(*above: int) -> int:
    """One of FREE_PORTS, with the ports that are so much `above` it. Never the same twice: the one to whom it was given
    may be away for a moment. Below those that the system gives to connections: whoever asks there again and again
    whether somebody listens yet might be given the very port as its own, and find itself."""
    while True:
        first = random.choice(FREE_PORTS)
        ports = {first, *(first + distance for distance in above)}
        if _given.isdisjoint(ports) and ports.issubset(FREE_PORTS) and not any(map(is_port_taken, ports)):
            _given.update(ports)
            return first


def exchange(host: str, port: int, question: bytes, timeout_s: float = 1.0) -> bytes:
    """What a server says at once to `question`, or nothing."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            if question:
                connection.sendall(question)
            return connection.recv(4096)
    except OSError:
        return b""
