"""Servers as processes of their own, pinned to a core: started, waited for, ended by their id."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from xinyu.bench import meter
from xinyu.bench.error import BenchError

ROOT: Final = Path(__file__).resolve().parents[2]
START_DEADLINE_S: Final = 20.0
QUIET_DEADLINE_S: Final = 10.0


def cores() -> tuple[int | None, int | None]:
    """For the server and for the client; (None, None) if there is but one."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


def placed(server_cpu: int | None) -> str:
    """A condition of the page."""
    return "server on one core, client on another" if server_cpu is not None else "not pinned: there is one core"


@contextmanager
def listening(name: str, command: Sequence[str], cpu: int | None) -> Iterator[tuple[int, int]]:
    """The process id and port of a server on 127.0.0.1, listening, on its core. `{port}` in the command is replaced.

    BenchError: it does not come up, or one from inside; with what the process said.
    """
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    own = os.sched_getaffinity(0)
    with tempfile.TemporaryFile() as log:
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})  # a child begins where its parent is
        try:
            filled = [each.replace("{port}", str(port)) for each in command]
            process = subprocess.Popen(filled, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        finally:
            os.sched_setaffinity(0, own)
        try:
            _wait_for(process, port)
            yield process.pid, port
        except BenchError as error:
            log.seek(0)
            said = " ".join(log.read().decode(errors="replace").split())[-300:]
            raise BenchError(f"{name}: {error}" + (f" (it said: {said})" if said else "")) from None
        finally:
            process.terminate()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline_s = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise BenchError(f"ended with {process.returncode} instead of listening")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise BenchError(f"does not listen after {START_DEADLINE_S:g} s")


def wait_until_quiet(pid: int) -> None:
    """What was closed is put away before the next scenario: no more than a fifth of the time is used any more."""
    deadline_s = time.monotonic() + QUIET_DEADLINE_S
    before = meter.cpu_s([pid])
    while time.monotonic() < deadline_s:
        time.sleep(0.05)
        now = meter.cpu_s([pid])
        if now - before < 0.01:
            return
        before = now
