"""A whole server for tests: `xinyu serve` as a process of its own, on free ports and a data directory of the test's.

    with ServerProcess(tmp_path / "data") as server:
        ... server.http_url, server.websocket_url ...
        server.kill()       # SIGKILL, as a power cut would
        server.start()      # again, on the same ports and data

Password hashing is made cheap by the environment; everything else is as shipped. Blocking on purpose: in an async test
use `await asyncio.to_thread(server.start)` where the loop must go on meanwhile.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

START_DEADLINE_S: Final = 60.0
STOP_DEADLINE_S: Final = 20.0

CHEAP_ENVIRONMENT: Final[Mapping[str, str]] = {
    "XINYU_ACCOUNTS__ARGON2_TIME_COST": "1",
    "XINYU_ACCOUNTS__ARGON2_MEMORY_KIB": "64",
    "XINYU_ACCOUNTS__ARGON2_PARALLELISM": "1",
    # Many accounts are made from one address.
    "XINYU_LIMITS__ENTRIES_PER_MINUTE": "6000",
}

_HTTP_URL = re.compile(r"\bhttp://\S+:(\d+)")
_WEBSOCKET_URL = re.compile(r"\bws://\S+:(\d+)")


class ServerFailed(Exception):
    """The server did not come up; the text is what it said."""


class ServerProcess:
    """`http_url` (no slash at the end) and `websocket_url` (with `/ws`) are known after `start`."""

    def __init__(
        self,
        data_directory: Path,
        *,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        http_port: int = 0,
        websocket_port: int = 0,
    ) -> None:
        self.data_directory = data_directory
        self.http_port = http_port
        self.websocket_port = websocket_port
        self.environment = {**os.environ, **CHEAP_ENVIRONMENT, **(environment or {})}
        self.arguments = list(arguments)
        self.process: subprocess.Popen[str] | None = None
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - lives as long as this object
        weakref.finalize(self, self._log.close)
        self._reader: threading.Thread | None = None
        self.output = ""

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://127.0.0.1:{self.websocket_port}/ws"

    @property
    def legacy_websocket_url(self) -> str:
        """Without `?token=`."""
        return f"ws://127.0.0.1:{self.websocket_port}/wss/default.io"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        """What the server has written to standard error, over all of its lives."""
        self._log.flush()
        self._log.seek(0)
        return self._log.read()

    def start(self) -> None:
        """Starts and waits until the URLs have been printed. The second start uses the ports of the first."""
        assert self.process is None, "already running"
        self._log.seek(0, os.SEEK_END)
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "xinyu_services", "serve"),
                *("--data-directory", str(self.data_directory)),
                *("--http-port", str(self.http_port), "--ws-port", str(self.websocket_port)),
                *self.arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=self.environment,
        )
        process, self.output = self.process, ""
        up = threading.Event()

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                self.output += line
                if match := _HTTP_URL.search(line):
                    self.http_port = int(match[1])
                if match := _WEBSOCKET_URL.search(line):
                    self.websocket_port = int(match[1])
                if str(self.data_directory) in line:
                    up.set()
            up.set()

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()
        came_up = up.wait(START_DEADLINE_S) and str(self.data_directory) in self.output
        if not came_up:
            code = self.kill()
            raise ServerFailed(f"exit code {code}\n{self.output}\n{self.log}")

    def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        process = self.process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(number)
        try:
            code = process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
            raise AssertionError(f"the server did not stop within {STOP_DEADLINE_S} s\n{self.log}") from None
        finally:
            self.process = None
            if self._reader is not None:
                self._reader.join()
            if process.stdout is not None:
                process.stdout.close()
        return code

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
