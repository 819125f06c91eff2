"""The workers of one door: processes that share its port, started, watched and ended here.

Each worker has a listening socket of its own on the common port (`xinyu.gateway.listener.listen_shared`; measured
beside one shared socket and descriptors handed over: docs/decisions/0011). The parent keeps the sockets, so what
arrives while a worker is started anew waits in its queue. Each life of a worker has an instance name of its own:
nothing that is still under way for an earlier one can be taken for the new one's.

One that ends unasked is reported and started again, after a pause that grows while it keeps ending early. The first
start must succeed. `stop` closes their inputs, which they take as the order to go; who has not gone within `STOP_S` is
killed. When the parent dies the same input ends, so no worker is left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from xinyu.base.config import LogSettings
from xinyu_services.cli.failure import CommandError
from xinyu_services.cli.worker_process import Orders, Ready, Work

log = structlog.get_logger(__name__)

START_S: Final = 30.0
STOP_S: Final = 5.5
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
# One that has lived so long ended for a new reason.
SETTLED_AFTER_S: Final = 60.0


class WorkerPool:
    """`orders(number)` says what a worker, 1 .. N, is to do from now on; it is asked before each life. `on_ready` gets
    the same work and the port at which the rooms reach it, before the worker accepts its first connection."""

    def __init__(
        self,
        sockets: list[socket.socket],
        orders: Callable[[int], Work],
        logs: LogSettings,
        *,
        on_ready: Callable[[Work, int], None] = lambda _work, _port: None,
    ) -> None:
        self._sockets = sockets
        self._orders = orders
        self._logs = logs
        self._on_ready = on_ready
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._watching: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """All accept connections when it returns. Raises CommandError: one of them did not come up."""
        lives = await asyncio.gather(
            *(self._begin(number) for number in range(1, len(self._sockets) + 1)), return_exceptions=True
        )
        failures = [life for life in lives if isinstance(life, BaseException)]
        if failures:
            await self.stop()
            raise failures[0]
        self._watching = [
            asyncio.create_task(self._watch(number)) for number in range(1, len(self._sockets) + 1)
        ]

    def pids(self) -> list[int]:
        """Of the workers that run, by number."""
        return [process.pid for _, process in sorted(self._processes.items())]

    async def stop(self) -> None:
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        processes = list(self._processes.values())
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        if processes:
            await asyncio.wait([asyncio.create_task(process.wait()) for process in processes], timeout=STOP_S)
        for process in processes:
            if process.returncode is None:
                log.warning("worker_killed", pid=process.pid)
                _kill(process)
        await asyncio.gather(*(process.wait() for process in processes))
        self._processes.clear()

    async def _begin(self, number: int) -> None:
        """Starts one life of a worker. Raises CommandError where it does not come up."""
        listening = self._sockets[number - 1]
        work = self._orders(number)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "xinyu_services.cli.worker_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(listening.fileno(),),
        )
        self._processes[number] = process
        assert process.stdin is not None and process.stdout is not None
        orders = Orders(listening.fileno(), self._logs.level, self._logs.format, work)
        try:
            async with asyncio.timeout(START_S):
                process.stdin.write(msgspec.json.encode(orders) + b"\n")
                await process.stdin.drain()
                ready = msgspec.json.decode(await process.stdout.readline(), type=Ready)
                self._on_ready(work, ready.rpc_port)
                process.stdin.write(b"go\n")
                await process.stdin.drain()
        except (OSError, TimeoutError, msgspec.DecodeError):
            _kill(process)
            code = await process.wait()
            del self._processes[number]
            raise CommandError(f"worker {number} did not start ({_how_it_ended(code)})") from None
        except BaseException:
            _kill(process)
            raise

    async def _watch(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        pause_s = 0.0
        while True:
            process = self._processes.get(number)
            if process is not None:
                began_s = loop.time()
                code = await process.wait()
                log.error("worker_ended", worker=number, pid=process.pid, how=_how_it_ended(code))
                if loop.time() - began_s >= SETTLED_AFTER_S:
                    pause_s = 0.0
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2 or FIRST_PAUSE_S)
            try:
                await self._begin(number)
            except CommandError as error:
                log.error("worker_not_started", worker=number, error=str(error))
            else:
                log.info("worker_started", worker=number, pid=self._processes[number].pid)


def _kill(process: asyncio.subprocess.Process) -> None:
    """Of a process that may have ended by itself already: its own exit code stays the one that is known."""
    # Process.kill() of asyncio's loop looks first whether the child has ended; that takes the exit code from under the
    # thread that waits for it, which then reports 255 (CPython 3.11 and 3.12).
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def _how_it_ended(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"by {signal.Signals(-code).name}"
    return f"exit code {code}"
