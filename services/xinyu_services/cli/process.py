"""A server process: its event loop, its signals, its limit of open files, its garbage collector."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop


def run_until_signal(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Runs `main(stop)` on uvloop. SIGTERM or SIGINT sets `stop`; a second one ends the process at once."""
    raise_file_limit()

    async def run() -> None:
        stop = asyncio.Event()

        def on_signal(number: int) -> None:
            if stop.is_set():
                sys.stderr.write("xinyu: quitting at once\n")
                sys.stderr.flush()
                os._exit(128 + number)
            stop.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal, number)
        await main(stop)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def raise_file_limit() -> None:
    """Each connection is an open file: take what the system grants."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):  # a container may show a hard limit that it does not grant
            pass


async def end_task(task: asyncio.Task[Any]) -> None:
    """Cancels it and waits for its end, whatever that is."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def settle_memory() -> None:
    """Called when everything that lives as long as the process is there: the collector need not look at that again and
    again."""
    gc.collect()
    gc.freeze()
    # A message in flight is some hundred objects that the next moment frees by itself. With the default of 700 the
    # collector would look at them again and again, and find nothing.
    gc.set_threshold(50_000, 20, 50)
