"""How long the event loop is held up while the connection engine works: lag of a timer under load.

    python -m benchmarks.loop_lag [--connections 15000] [--seconds 3] [--json]

A server process of its own runs the engine on uvloop, beside a timer that is due every 5 ms. How late it comes is the
lag that anything else on the loop would have seen; uvloop's timers count whole milliseconds, so a lag has up to 1 ms of
that in it, as the line without load shows. Where other processes want the core, too, the kernel makes this one wait;
that time (/proc/self/schedstat) is taken off and shown as a share of its own. The load comes from the client of
`xinyu bench` on another core:

- messages of 32 bytes to and fro over 100 connections, echoed in C and by a Python callback;
- one connection that has 4,000 tiny messages in flight at a time;
- handshakes, as fast as they are taken;
- one frame of 128 bytes after the other to all connections: as a broadcast of the engine's own, by one `fan_out()` with
  a list of all ids, and as the gateway delivers, between `hold()` and `flush()`. For these two the longest call is
  printed, too: a call is what no slice of `poll()` can interrupt;
- `close_all()` of all connections without a limit of the rate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.side_by_side.processes import ROOT, cores
from xinyu._fast import engine as fast
from xinyu._fast.histogram import Histogram
from xinyu.bench import connect, echo, fanout
from xinyu.bench.clients import ClientOptions, Clients
from xinyu.bench.report import Report
from xinyu.gateway.listener import bound_port, listen
from xinyu.gateway.ws.echo import EchoGateway
from xinyu_services.cli.process import raise_file_limit, run_until_signal

PERIOD_S: Final = 0.005
FRAME_BYTES: Final = 128


@dataclass(frozen=True, slots=True)
class Lag:
    """Of one kind of load, in ms. `core_wait_percent`: of the time in which the process could run, but its core was
    another's. `longest_call_ms` is 0 where no method of the engine was called for it."""

    load: str
    samples: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    core_wait_percent: float
    longest_call_ms: float = 0.0


# ---- the server process


def core_wait_ns() -> int:
    """How long this process has been ready to run while another one had its core."""
    with open("/proc/self/schedstat", "rb", buffering=0) as file:
        return int(file.read().split()[1])


class LagMeter:
    """Records by how much a timer that is due every PERIOD_S comes too late, waits for the core not counted."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.lags = Histogram()
        self._loop = loop
        self._due_s = loop.time() + PERIOD_S
        self._waited_ns = core_wait_ns()
        loop.call_at(self._due_s, self._sample)

    def _sample(self) -> None:
        now_s, waited_ns = self._loop.time(), core_wait_ns()
        foreign_ns, self._waited_ns = waited_ns - self._waited_ns, waited_ns
        # What was due while the loop was held up was late as well: each missed sample counts.
        while self._due_s <= now_s:
            self.lags.record(max(0, int((now_s - self._due_s) * 1e9) - foreign_ns))
            self._due_s += PERIOD_S
        self._loop.call_at(self._due_s, self._sample)


def serve(*, in_python: bool) -> None:
    """Prints the port, then answers each command of its input, a word a line, with a line of JSON."""
    raise_file_limit()
    listening = listen("127.0.0.1", 0)

    async def main(stop: asyncio.Event) -> None:
        gateway = EchoGateway(in_python=in_python)
        gateway.start(listening)
        loop = asyncio.get_running_loop()
        meter = LagMeter(loop)
        frame = fast.encode_frame(b"x" * FRAME_BYTES)
        engine = gateway.engine

        def deliver() -> None:
            engine.hold()
            engine.fan_out_all(frame)
            engine.flush()

        def fan_out(ids: list[int]) -> None:
            engine.fan_out(ids, frame)

        def timed(work: Callable[[], object]) -> dict[str, float]:
            began_ns, waited_ns = time.perf_counter_ns(), core_wait_ns()
            work()
            return {"call_ms": (time.perf_counter_ns() - began_ns - (core_wait_ns() - waited_ns)) / 1e6}

        reported_ns, reported_wait_ns = time.perf_counter_ns(), core_wait_ns()

        def report() -> dict[str, float]:
            nonlocal reported_ns, reported_wait_ns
            lags, now_ns, waited_ns = meter.lags, time.perf_counter_ns(), core_wait_ns()
            core_wait = (waited_ns - reported_wait_ns) / (now_ns - reported_ns)
            reported_ns, reported_wait_ns = now_ns, waited_ns
            found = {"samples": len(lags), "max_ms": lags.max / 1e6, "core_wait_percent": 100 * core_wait}
            found |= {f"p{percent}_ms": lags.percentile(percent) / 1e6 for percent in (50, 99)}
            lags.reset()
            return found

        def on_command() -> None:
            word = sys.stdin.readline().strip()
            answer: dict[str, float] = {}
            if word == "report":
                answer = report()
            elif word == "fan_out":
                ids = engine.connection_ids()
                answer = timed(lambda: fan_out(ids))
            elif word == "deliver":
                answer = timed(deliver)
            elif word == "close_all":
                engine.close_all(1001, rate_per_s=1_000_000)
            elif not word:
                stop.set()
            print(json.dumps(answer), flush=True)

        loop.add_reader(sys.stdin.fileno(), on_command)
        print(bound_port(listening), flush=True)
        await stop.wait()
        loop.remove_reader(sys.stdin.fileno())
        await gateway.stop()

    run_until_signal(main)


# ---- the client


class MeteredServer:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url = f"ws://127.0.0.1:{int(self._answer())}/"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the server has ended")
        return line

    def ask(self, word: str) -> dict[str, float]:
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        answer: dict[str, float] = json.loads(self._answer())
        return answer

    def lag(self, load: str, calls_ms: Sequence[float] = ()) -> Lag:
        """Since the last one."""
        found = self.ask("report")
        return Lag(
            load,
            int(found["samples"]),
            *(round(found[name], 2) for name in ("p50_ms", "p99_ms", "max_ms", "core_wait_percent")),
            round(max(calls_ms, default=0.0), 2),
        )


@contextmanager
def running(*, in_python: bool, cpu: int | None) -> Iterator[MeteredServer]:
    pinned = [] if cpu is None else ["taskset", "-c", str(cpu)]
    kind = "python" if in_python else "c"
    process = subprocess.Popen(
        [*pinned, sys.executable, "-m", "benchmarks.loop_lag", "--serve", kind],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield MeteredServer(process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def sound(report: Report) -> Report:
    if report.problems:
        raise RuntimeError(report.problems[0])
    return report


def to_all(server: MeteredServer, clients: Clients, word: str, connections: int, seconds: float) -> list[float]:
    """Commands one frame to all, again when all have it; how long the server's call took each time, in ms."""
    clients.load.expect_size(FRAME_BYTES)
    calls_ms = list[float]()
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        wanted = clients.stats["received"] + connections
        calls_ms.append(server.ask(word)["call_ms"])
        _receive(clients, wanted)
    return calls_ms


def _receive(clients: Clients, wanted: int) -> None:
    clients.until(
        "fan-out", lambda stats: stats["received"] >= wanted, lambda stats: stats["received"], received=wanted
    )


def measure(connections: int, seconds: float, report: Callable[[Lag], None]) -> None:
    server_cpu, client_cpu = cores()
    if client_cpu is not None:
        os.sched_setaffinity(0, {client_cpu})
    with running(in_python=True, cpu=server_cpu) as server:
        client = ClientOptions(url=server.url)
        sound(echo.run(client, echo.EchoOptions(seconds=0.2)))
        server.lag("warm")
        sound(echo.run(client, echo.EchoOptions(seconds=seconds)))
        report(server.lag("echo by a Python callback, 100 connections"))
    with running(in_python=False, cpu=server_cpu) as server:
        client = ClientOptions(url=server.url)
        time.sleep(0.2)
        server.lag("start")
        time.sleep(seconds)
        report(server.lag("no load"))
        sound(echo.run(client, echo.EchoOptions(seconds=seconds)))
        report(server.lag("echo in C, 100 connections"))
        flood = echo.EchoOptions(connections=1, depth=4000, size_bytes=1, seconds=seconds)
        sound(echo.run(client, flood))
        report(server.lag("one connection, 4,000 tiny messages in flight"))
        time.sleep(0.5)
        server.lag("pause")
        sound(connect.run(client, connect.ConnectOptions(connections=connections)))
        report(server.lag(f"{connections:,} handshakes"))
        time.sleep(1.0)
        server.lag("pause")
        with Clients(client, connections=connections) as clients:
            clients.open_to(connections)
            server.lag("handshakes")
            for word, name in (("fan_out", "fan_out() of a list"), ("deliver", "hold(), fan_out_all(), flush()")):
                calls_ms = to_all(server, clients, word, connections, seconds)
                report(server.lag(f"{name}, {connections:,} connections", calls_ms))
            server.ask("close_all")
            clients.until("closing", lambda stats: stats["open"] == 0, lambda stats: stats["lost"])
            report(server.lag(f"close_all() of {connections:,}"))
        time.sleep(1.0)
        sound(fanout.run(client, fanout.FanoutOptions(connections=connections, rounds=1)))
        server.lag("warm")
        rounds = max(1, int(seconds * 5))
        sound(fanout.run(client, fanout.FanoutOptions(connections=connections, rounds=rounds)))
        report(server.lag(f"{connections:,} handshakes, then {rounds + 1} broadcasts"))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loop_lag", description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=15_000)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load that has no end of its own")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", choices=("c", "python"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        serve(in_python=options.serve == "python")
        return 0
    found: list[dict[str, Any]] = []

    def report(lag: Lag) -> None:
        found.append(asdict(lag))
        if not options.json:
            call = f", longest call {lag.longest_call_ms:.2f}" if lag.longest_call_ms else ""
            print(
                f"{lag.load}: p50 {lag.p50_ms:.2f}, p99 {lag.p99_ms:.2f}, max {lag.max_ms:.2f} ms{call} "
                f"({lag.samples:,} samples, {lag.core_wait_percent:.0f} % waiting for the core)",
                flush=True,
            )

    measure(options.connections, options.seconds, report)
    if options.json:
        print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
