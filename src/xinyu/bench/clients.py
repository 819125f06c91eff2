"""The clients of a scenario: the compiled load generator with deadlines, meters and a line of progress around it.

The load runs in steps of at most 100 ms, between which Ctrl-C is seen. Nothing here waits for ever: a wait that sees
no advance for `patience_s` ends with a BenchError.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

from xinyu._fast import histogram, load
from xinyu.bench import meter
from xinyu.bench.error import BenchError, require
from xinyu.bench.report import Report
from xinyu.bench.target import Target, resolve

STEP_S: Final = 0.1
PROGRESS_S: Final = 1.0
MAX_CONNECTIONS: Final = 1 << 20
MAX_PAYLOAD_BYTES: Final = 16 * 1024 * 1024
MAX_DEPTH: Final = 65_536
MAX_STAMPS: Final = 1 << 26  # messages in flight over all connections; 8 bytes each
BUSY: Final = 0.90  # of a core: above it the client may be what limits
_SOURCE_ADDRESSES: Final = 250  # 127.0.0.2 to 127.0.0.251, 28,000 ports each
_OWN_DESCRIPTORS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """What every scenario lets one choose. `server_pids`: processes to meter; `cpu`: the core that the client keeps to;
    `at_once`: handshakes under way at a time; `connect_per_s`: 0 = no limit; `progress`: where to, None = nowhere."""

    url: str
    headers: tuple[str, ...] = ()
    subprotocol: str | None = None
    tokens_file: Path | None = None
    server_pids: tuple[int, ...] = ()
    cpu: int | None = None
    at_once: int = 64
    connect_per_s: float = 0.0
    patience_s: float = 15.0
    progress: TextIO | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """Clocks and counters at one moment; `server_cpu_s` is 0 without a process to meter."""

    time_s: float
    client_cpu_s: float
    server_cpu_s: float
    received: int
    opened: int


class Clients:
    """Up to `connections` clients. As a context manager it closes them at the end.

    BenchError: numbers out of range, an unknown host, too few descriptors.
    """

    def __init__(
        self,
        options: ClientOptions,
        *,
        connections: int,
        spare: int = 0,
        depth: int = 1,
        payload: bytes = b"",
        is_text: bool = True,
    ) -> None:
        require(1 <= connections <= MAX_CONNECTIONS, f"connections must lie between 1 and {MAX_CONNECTIONS}")
        require(1 <= depth <= MAX_DEPTH, f"the depth must lie between 1 and {MAX_DEPTH}")
        require((connections + spare) * depth <= MAX_STAMPS, f"no more than {MAX_STAMPS} messages may be in flight")
        require(len(payload) <= MAX_PAYLOAD_BYTES, f"a message has at most {MAX_PAYLOAD_BYTES} bytes")
        require(1 <= options.at_once <= 65_536, "handshakes at once must lie between 1 and 65536")
        require(0 <= options.connect_per_s < 1e9, "a rate is not negative and below 1e9")
        require(all(pid > 0 for pid in options.server_pids), "a process id is positive")
        self._options = options
        self.target: Target = resolve(
            options.url,
            headers=options.headers,
            subprotocol=options.subprotocol,
            tokens=_read_tokens(options.tokens_file),
        )
        if options.cpu is not None:
            _pin(options.cpu)
        _raise_descriptor_limit(connections + spare + _OWN_DESCRIPTORS)
        if options.server_pids:
            meter.cpu_s(options.server_pids)  # says at once if there is no such process
        self.latency = histogram.Histogram()
        self.handshake = histogram.Histogram()
        self._load = load.Load(
            self.target.family,
            self.target.host,
            self.target.port,
            self.target.requests,
            self.target.accept_key,
            self.latency,
            self.handshake,
            clients=connections + spare,
            depth=depth,
            payload=payload,
            is_text=is_text,
            mask=os.urandom(4),
            at_once=options.at_once,
            sources=_SOURCE_ADDRESSES if self.target.is_loopback else 0,
            handshake_timeout_s=options.patience_s,
        )
        self._phase = ""
        self._shown = self.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._load.close()

    @property
    def load(self) -> load.Load:
        return self._load

    @property
    def stats(self) -> dict[str, int]:
        return self._load.stats()

    def read(self) -> Reading:
        stats = self._load.stats()
        pids = self._options.server_pids
        server_cpu_s = meter.cpu_s(pids) if pids else 0.0
        return Reading(time.monotonic(), time.process_time(), server_cpu_s, stats["received"], stats["opened"])

    @property
    def meters_server(self) -> bool:
        return bool(self._options.server_pids)

    def private_bytes(self) -> int:
        """Of the metered processes."""
        return meter.private_bytes(self._options.server_pids)

    def open_to(self, count: int) -> None:
        """Returns when `count` connections are open. BenchError: the first failure or loss, or no advance."""
        self._load.open_to(count, self._options.connect_per_s)
        self.until("connecting", lambda stats: stats["open"] + stats["lost"] >= count, lambda stats: stats["opened"])
        if self._load.stats()["open"] < count:
            raise BenchError(f"{self.target.url}: {self._load.failure()}")

    def run(self, phase: str, seconds: float) -> None:
        """Lets the load run for `seconds`. BenchError: a handshake failed, or no connection is left."""
        ends_s = time.monotonic() + seconds
        while (left_s := ends_s - time.monotonic()) > 0:
            self._load.step(min(left_s, STEP_S))
            self._show(phase)
            self._require_health(self._load.stats())

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
        looked_s, waited_s, last = time.monotonic(), 0.0, -1
        while not done(stats := self._load.stats()):
            self._require_health(stats)
            now_s = time.monotonic()
            if (current := advance(stats)) != last:
                waited_s, last = 0.0, current
            # Waiting is what was looked at: a machine that was suspended for a minute has not waited.
            waited_s, looked_s = waited_s + min(now_s - looked_s, 1.0), now_s
            if waited_s > self._options.patience_s:
                state = f"{stats['open']} open, {stats['connecting']} connecting, {stats['in_flight']} in flight"
                raise BenchError(stalled or f"{phase}: nothing has moved for {self._options.patience_s:g} s ({state})")
            self._load.step(STEP_S if received else 0.01, received)
            self._show(phase)

    def _require_health(self, stats: dict[str, int]) -> None:
        if stats["failed"]:
            raise BenchError(f"{self.target.url}: {self._load.failure()}")
        if stats["lost"] and not stats["open"] and not stats["connecting"]:
            raise BenchError(f"{self.target.url}: all connections are lost; the first: {self._load.failure()}")

    def _show(self, phase: str) -> None:
        """One line a second."""
        out = self._options.progress
        if out is None:
            return
        elapsed_s = time.monotonic() - self._shown.time_s
        if elapsed_s < PROGRESS_S and phase == self._phase:
            return
        now = self.read()
        if phase == self._phase:
            stats = self._load.stats()
            server = (
                f", server {100 * (now.server_cpu_s - self._shown.server_cpu_s) / elapsed_s:.0f} %"
                if self.meters_server
                else ""
            )
            print(
                f"{phase}: {stats['open']:,} open, {(now.opened - self._shown.opened) / elapsed_s:,.0f} handshakes/s, "
                f"{(now.received - self._shown.received) / elapsed_s:,.0f} messages/s, {stats['lost']:,} lost, "
                f"client {100 * (now.client_cpu_s - self._shown.client_cpu_s) / elapsed_s:.0f} % of a core{server}",
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
        stats = self._load.stats()
        report.add("lost", "connections lost", stats["lost"])
        if stats["lost"]:
            report.problems.append(f"{stats['lost']} connections were lost; the first: {self._load.failure()}")


def _read_tokens(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        tokens = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeError) as error:
        raise BenchError(f"the tokens in {path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    require(bool(tokens), f"{path} has no tokens")
    return tokens


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
