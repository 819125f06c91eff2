"""Driving a compiled load generator: in steps, with deadlines, meters and a line of progress.

The load runs in steps of at most 100 ms, between which Ctrl-C is seen. Nothing here waits for ever: a wait that sees
no advance for `patience_s` ends.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self, TextIO

from xinyu.bench import meter
from xinyu.bench.error import BenchError, require
from xinyu.bench.report import Report

STEP_S: Final = 0.1
PROGRESS_S: Final = 1.0
BUSY: Final = 0.90  # of a core: above it the client may be what limits
_OWN_DESCRIPTORS: Final = 32


class Generator(Protocol):
    """What load.Load and send_load.SendLoad have in common. `stats` has "received" (what was asked for and has come),
    "open" and "lost" (connections)."""

    def step(self, seconds: float, received: int = 0) -> None: ...
    def stats(self) -> dict[str, int]: ...
    def failure(self) -> str | None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveOptions:
    """`server_pids`: processes to meter; `cpu`: the core that the client keeps to; `patience_s`: how long a wait may
    see no advance; `progress`: where to, None = nowhere."""

    server_pids: tuple[int, ...] = ()
    cpu: int | None = None
    patience_s: float = 15.0
    progress: TextIO | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """Clocks and the generator's counters at one moment; `server_cpu_s` is 0 without a process to meter."""

    time_s: float
    client_cpu_s: float
    server_cpu_s: float
    stats: dict[str, int]


def prepare(options: DriveOptions, descriptors: int) -> None:
    """Pins the process and raises its limit of descriptors. BenchError: not possible, or no process to meter."""
    require(0 < options.patience_s <= 3600, "the patience must lie above 0 and not above 3600 s")
    require(all(pid > 0 for pid in options.server_pids), "a process id is positive")
    if options.cpu is not None:
        _pin(options.cpu)
    _raise_descriptor_limit(descriptors + _OWN_DESCRIPTORS)
    if options.server_pids:
        meter.cpu_s(options.server_pids)  # says at once if there is no such process


class Driver:
    """Drives `generator`, and closes it at the end as a context manager.

    A subclass says what is wrong with a run that goes on (`_require_health`) and what a second of progress shows
    (`_progress`).
    """

    def __init__(self, options: DriveOptions, url: str, generator: Generator) -> None:
        self.url = url
        self._drive = options
        self._generator = generator
        self._phase = ""
        self._shown = self.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._generator.close()

    @property
    def stats(self) -> dict[str, int]:
        return self._generator.stats()

    def read(self) -> Reading:
        pids = self._drive.server_pids
        return Reading(
            time.monotonic(), time.process_time(), meter.cpu_s(pids) if pids else 0.0, self._generator.stats()
        )

    @property
    def meters_server(self) -> bool:
        return bool(self._drive.server_pids)

    def private_bytes(self) -> int:
        """Of the metered processes."""
        return meter.private_bytes(self._drive.server_pids)

    def run(self, phase: str, seconds: float) -> None:
        """Lets the load run for `seconds`. BenchError: it cannot go on."""
        ends_s = time.monotonic() + seconds
        while (left_s := ends_s - time.monotonic()) > 0:
            self._generator.step(min(left_s, STEP_S))
            self._show(phase)
            self._require_health(self._generator.stats())

    def until(
        self,
        phase: str,
        done: Callable[[dict[str, int]], bool],
        advance: Callable[[dict[str, int]], int],
        *,
        received: int = 0,
        stalled: str = "",
    ) -> None:
        """Lets the load run until `done`, looked at every 10 ms or, if given, as soon as so many messages have come.

        BenchError: a failure, or `advance` has not changed for `patience_s`.
        """
        if not self.settle(phase, done, advance, received=received):
            waiting = ", ".join(
                f"{self.stats[name]} {name.replace('_', ' ')}"
                for name in ("open", "connecting", "in_flight")
                if name in self.stats
            )
            raise BenchError(stalled or f"{phase}: nothing has moved for {self._drive.patience_s:g} s ({waiting})")

    def settle(
        self,
        phase: str,
        done: Callable[[dict[str, int]], bool],
        advance: Callable[[dict[str, int]], int],
        *,
        received: int = 0,
    ) -> bool:
        """`until`, but False when `advance` has not changed for `patience_s`."""
        looked_s, waited_s, last = time.monotonic(), 0.0, -1
        while not done(stats := self._generator.stats()):
            self._require_health(stats)
            now_s = time.monotonic()
            if (current := advance(stats)) != last:
                waited_s, last = 0.0, current
            # Waiting is what was looked at: a machine that was suspended for a minute has not waited.
            waited_s, looked_s = waited_s + min(now_s - looked_s, 1.0), now_s
            if waited_s > self._drive.patience_s:
                return False
            self._generator.step(STEP_S if received else 0.01, received)
            self._show(phase)
        return True

    def _require_health(self, stats: dict[str, int]) -> None:
        """BenchError: a run in this state cannot go on."""
        raise NotImplementedError

    def _progress(self, now: dict[str, int], before: dict[str, int], elapsed_s: float) -> str:
        raise NotImplementedError

    def _show(self, phase: str) -> None:
        """One line a second."""
        out = self._drive.progress
        if out is None:
            return
        elapsed_s = time.monotonic() - self._shown.time_s
        if elapsed_s < PROGRESS_S and phase == self._phase:
            return
        now = self.read()
        if phase == self._phase:
            server = (
                f", server {100 * (now.server_cpu_s - self._shown.server_cpu_s) / elapsed_s:.0f} %"
                if self.meters_server
                else ""
            )
            client = 100 * (now.client_cpu_s - self._shown.client_cpu_s) / elapsed_s
            print(
                f"{phase}: {self._progress(now.stats, self._shown.stats, elapsed_s)}, "
                f"client {client:.0f} % of a core{server}",
                file=out,
                flush=True,
            )
        self._phase, self._shown = phase, now

    def describe_use(self, report: Report, begin: Reading, end: Reading, count: int, what: str) -> None:
        """Adds the CPU figures of a window in which `count` times `what` (message, frame, handshake) happened."""
        elapsed_s = end.time_s - begin.time_s
        client = (end.client_cpu_s - begin.client_cpu_s) / elapsed_s
        report.add("client_cpu_percent", "client's CPU, % of a core", 100 * client)
        if client > BUSY:
            report.warnings.append(
                f"the client used {100 * client:.0f} % of a core: it may be the limit, not the server"
            )
        if self.meters_server:
            used_s = end.server_cpu_s - begin.server_cpu_s
            report.add("server_cpu_percent", "server's CPU, % of a core", 100 * used_s / elapsed_s)
            if count:
                report.add(f"server_cpu_us_per_{what}", f"server's CPU a {what}, us", 1e6 * used_s / count, 2)
                if used_s:
                    report.add(f"{what}s_per_server_cpu_s", f"{what}s a CPU second of the server", count / used_s)

    def describe_losses(self, report: Report) -> None:
        """A connection that did not live to the end is a problem of the run."""
        lost = self.stats["lost"]
        report.add("lost", "connections lost", lost)
        if lost:
            report.problems.append(f"{lost} connections were lost; the first: {self._generator.failure()}")


def _pin(cpu: int) -> None:
    try:
        os.sched_setaffinity(0, {cpu})
    except (OSError, ValueError, OverflowError):
        allowed = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        raise BenchError(f"core {cpu} is not one that this process may use ({allowed})") from None


def _raise_descriptor_limit(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return
    if hard == resource.RLIM_INFINITY or hard >= needed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
            return
        except (ValueError, OSError):  # a container may show a hard limit that it does not grant
            hard = soft
    raise BenchError(f"{needed} descriptors are needed, and the limit is {hard} (ulimit -n): ask for fewer connections")
