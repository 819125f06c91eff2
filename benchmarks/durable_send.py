"""Durable messages a second, end to end in the embedded form, beside a bare sqlite3 loop with the same statements.

    python -m benchmarks.durable_send [--rounds 5] [--seconds 2] [--client-cpu 1] [--json]

A message counts when its sender's acknowledgement has come, and it has come to every member's socket: sent over a
WebSocket, committed (SQLite, WAL, synchronous=FULL), pushed. Each must come once, and in order: the load is that of
`xinyu bench send`, which checks it. 64 in flight are measured in three shapes: all from one sender to one recipient,
eight pairs with eight each, and 64 pairs with one each, where nothing shares a system call, a talk or a row.

Loop and server take turns in one run, so that a busy machine slows both; figures are medians of the rounds, latencies
are of all rounds together. The rate limit of sends is lifted; everything else is as shipped.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.population import DATABASE_FILE, create_data_directory, create_database
from benchmarks.statement_loop import BATCH, DIGEST, StatementLoop
from tests.server_process import ServerProcess
from xinyu._fast.histogram import Histogram
from xinyu.bench.drive import DriveOptions, prepare
from xinyu.bench.exchange import Exchange, Member, Talk
from xinyu.bench.report import Report as Account

PAIRS = 64
# Pairs, and how many messages of each are on their way.
SHAPES = ((1, 1), (1, 64), (8, 8), (PAIRS, 1))
WARMUP_S = 0.2
UNLIMITED = {"XINYU_LIMITS__SENDS_PER_S": "1000000", "XINYU_LIMITS__SEND_BURST": "1000000"}


@dataclass(slots=True)
class Latencies:
    """From the send to the acknowledgement, and to the recipient's socket."""

    acknowledged: Histogram = field(default_factory=Histogram)
    delivered: Histogram = field(default_factory=Histogram)


@dataclass(frozen=True, slots=True)
class Load:
    """One line of the report."""

    pairs: int
    in_flight_each: int
    messages_per_s: float
    ratio_to_loop: float
    acknowledged_p50_ms: float
    acknowledged_p99_ms: float
    delivered_p50_ms: float
    delivered_p99_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    loop_messages_per_s: float
    loop_commit_p50_ms: float
    loop_batch: int
    rounds: int
    loads: list[Load]


def exchange_messages(
    websocket_url: str, talks: Sequence[Talk], in_flight_each: int, seconds: float, latencies: Latencies
) -> float:
    """Messages a second that arrived. AssertionError: one was lost, came twice, or out of order."""
    with Exchange(DriveOptions(), websocket_url, talks, in_flight=in_flight_each, text=DIGEST.encode()) as exchange:
        exchange.load.start()
        exchange.run("warming up", WARMUP_S)
        exchange.acknowledged.reset()
        exchange.arrived.reset()
        begin = exchange.read()
        exchange.run("send", seconds)
        end = exchange.read()
        latencies.acknowledged.add(exchange.acknowledged)
        latencies.delivered.add(exchange.arrived)
        exchange.finish()
        account = Account("send", websocket_url)
        exchange.describe_account(account)
        exchange.describe_losses(account)
        if account.problems or account.value("refused"):
            raise AssertionError("; ".join(account.problems) or "messages were refused")
        return (end.stats["received"] - begin.stats["received"]) / (end.time_s - begin.time_s)


def measure(rounds: int, seconds: float, client_cpu: int | None) -> Report:
    with tempfile.TemporaryDirectory(prefix="xinyu-bench-") as scratch:
        tokens = create_data_directory(Path(scratch) / "data", users=2 * PAIRS, pairs=PAIRS)
        create_database(Path(scratch) / DATABASE_FILE, users=2 * PAIRS, pairs=PAIRS)
        loop = StatementLoop(Path(scratch) / DATABASE_FILE, PAIRS)
        talks = [
            Talk(1, [Member(tokens.mint(one, "pc"), other), Member(tokens.mint(other, "pc"), one)])
            for one, other in ((pair, pair + PAIRS) for pair in range(1, PAIRS + 1))
        ]
        loop_rates: list[float] = []
        rates: dict[tuple[int, int], list[float]] = {shape: [] for shape in SHAPES}
        latencies = {shape: Latencies() for shape in SHAPES}
        with ServerProcess(Path(scratch) / "data", environment=UNLIMITED) as server:
            # Not before: the server would inherit the core.
            prepare(DriveOptions(cpu=client_cpu), descriptors=2 * PAIRS)
            loop.run(0.3)
            for pairs, in_flight_each in SHAPES:
                exchange_messages(server.websocket_url, talks[:pairs], in_flight_each, 0.3, Latencies())
            for _ in range(rounds):
                loop_rates.append(loop.run(seconds))
                for shape in SHAPES:
                    pairs, in_flight_each = shape
                    rates[shape].append(
                        exchange_messages(
                            server.websocket_url, talks[:pairs], in_flight_each, seconds, latencies[shape]
                        )
                    )
        loop.close()
    return Report(
        loop_messages_per_s=statistics.median(loop_rates),
        loop_commit_p50_ms=statistics.median(loop.commits_s) * 1000,
        loop_batch=BATCH,
        rounds=rounds,
        loads=[
            Load(
                pairs=shape[0],
                in_flight_each=shape[1],
                messages_per_s=statistics.median(rates[shape]),
                # Of each round by itself: what slows a round slows both.
                ratio_to_loop=statistics.median(
                    rate / loop for rate, loop in zip(rates[shape], loop_rates, strict=True)
                ),
                acknowledged_p50_ms=latencies[shape].acknowledged.percentile(50) / 1e6,
                acknowledged_p99_ms=latencies[shape].acknowledged.percentile(99) / 1e6,
                delivered_p50_ms=latencies[shape].delivered.percentile(50) / 1e6,
                delivered_p99_ms=latencies[shape].delivered.percentile(99) / 1e6,
            )
            for shape in SHAPES
        ],
    )


def print_table(report: Report) -> None:
    print(f"bare sqlite3 loop, batches of {report.loop_batch}: {report.loop_messages_per_s:,.0f} messages/s")
    print(f"half of its commits took less than {report.loop_commit_p50_ms:.1f} ms")
    print(f"median of {report.rounds} rounds         acknowledged, ms     at the recipient, ms")
    print("  in flight  messages/s  of the loop    p50     p99        p50     p99")
    for load in report.loads:
        print(
            f"{load.pairs:6} x {load.in_flight_each:2}  {load.messages_per_s:10,.0f}  {load.ratio_to_loop:11.2f}"
            f"  {load.acknowledged_p50_ms:5.1f}  {load.acknowledged_p99_ms:6.1f}"
            f"      {load.delivered_p50_ms:5.1f}  {load.delivered_p99_ms:6.1f}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durable_send", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each load in each round")
    parser.add_argument("--client-cpu", type=int, help="pin client and loop to this core")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args(arguments)
    report = measure(options.rounds, options.seconds, options.client_cpu)
    if options.json:
        print(json.dumps(asdict(report)))
    else:
        print_table(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
