"""A message to a large group: `python -m benchmarks.large_group [--members 20000] [--online 5000] [--messages 200]`.

    [--workers 2] [--in-flight 4] [--seconds 5] [--client-cpu 1] [--json]

The embedded server with WebSocket workers, each a gateway of its own; as many members as are online are connected over
`xinyu.v1.json`, and one of them sends. The load is that of `xinyu bench send`, which checks that each message comes to
every one of them, once and in order.

First, with a traced database, what one send costs is counted, in a pair and in the group: transactions, statements,
calls of Deliver. Then, without tracing, messages are sent one after another, each when the one before is at every
member: from the send to the acknowledgement, to each member, and to the last one. At last with several in flight.
CPU is of the rooms' process and of the gateways' processes together, by message.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.population import DATABASE_FILE, add_group, create_data_directory
from xinyu._fast.histogram import Histogram
from xinyu.bench import meter
from xinyu.bench.drive import DriveOptions, prepare
from xinyu.bench.exchange import Exchange, Member, Talk
from xinyu.bench.report import Report as Account

SINGLE, GROUP = 1, 2
PAIR_TALK, GROUP_ID, GROUP_TALK = 1, 7, 2
TEXT: Final = b"a message of about fifty bytes, as people write it"
WARM_MESSAGES: Final = 5
COUNTED_MESSAGES: Final = 20
STOP_DEADLINE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one message."""

    delivers: float
    transactions: float
    statements: float


@dataclass(frozen=True, slots=True)
class Report:
    """`one_*`: one message at a time; `several_*`: with more in flight. `rosters`: pages read by all gateways."""

    members: int
    online: int
    workers: int
    in_a_pair: Costs
    in_the_group: Costs
    rosters: int
    messages: int
    acknowledged_p50_ms: float
    acknowledged_p99_ms: float
    at_a_member_p50_ms: float
    at_a_member_p99_ms: float
    at_the_last_p50_ms: float
    at_the_last_p99_ms: float
    one_rooms_cpu_ms: float
    one_gateways_cpu_ms: float
    several_in_flight: int
    several_messages_per_s: float
    several_arrivals_per_s: float
    several_rooms_cpu_ms: float
    several_gateways_cpu_ms: float
    client_cpu_share: float


class Server:
    """A `counted_server` that is up."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.websocket_url = process.stdout.readline().strip()
        if not self.websocket_url:
            raise SystemExit("the server did not come up")
        self.rooms = (process.pid,)
        self.gateways = tuple(child.pid for child in psutil.Process(process.pid).children())

    def counts(self) -> dict[str, int]:
        """Since this was asked last."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        counts: dict[str, int] = json.loads(self._process.stdout.readline())
        return counts

    def cpu_ms(self) -> tuple[float, float]:
        """Of the rooms, of the gateways."""
        return meter.cpu_s(self.rooms) * 1e3, meter.cpu_s(self.gateways) * 1e3


@contextmanager
def serving(directory: Path, workers: int, *how: str) -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.large_group.counted_server", str(directory), str(workers), *how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Server(process)
    finally:
        process.terminate()
        try:
            process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def one_by_one(exchange: Exchange, messages: int) -> list[float]:
    """Milliseconds from the send to the last member, of each."""
    last_ms = []
    done = exchange.stats["received"]
    for number in range(1, messages + 1):
        began_s = time.perf_counter()
        exchange.load.start(limit=1)
        exchange.wait_for(done + number)
        last_ms.append((time.perf_counter() - began_s) * 1e3)
    return last_ms


def checked(exchange: Exchange, url: str) -> None:
    """AssertionError: a message was lost, came twice, out of order or to the wrong one, or was refused."""
    exchange.finish()
    account = Account("large_group", url)
    exchange.describe_account(account)
    exchange.describe_losses(account)
    if account.problems or account.value("refused"):
        raise AssertionError("; ".join(account.problems) or "messages were refused")


def count(server: Server, talk: Talk) -> tuple[Costs, int]:
    """What a message costs once everything is warm; pages of rosters that were read before."""
    with Exchange(DriveOptions(), server.websocket_url, [talk], text=TEXT) as exchange:
        one_by_one(exchange, WARM_MESSAGES)
        warm = server.counts()
        one_by_one(exchange, COUNTED_MESSAGES)
        costs: dict[str, Any] = server.counts()
        checked(exchange, server.websocket_url)
    names = ("delivers", "transactions", "statements")
    return Costs(*(costs.get(name, 0) / COUNTED_MESSAGES for name in names)), warm.get("rosters", 0)


def percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def measure(options: argparse.Namespace) -> Report:
    members, online = options.members, options.online
    with tempfile.TemporaryDirectory(prefix="xinyu-bench-") as scratch:
        directory = Path(scratch) / "data"
        tokens = create_data_directory(directory, users=members + 2, pairs=1)
        add_group(directory / DATABASE_FILE, GROUP_ID, GROUP_TALK, range(3, members + 3))
        pair = Talk(SINGLE, [Member(tokens.mint(1, "pc"), 2), Member(tokens.mint(2, "pc"), 1)])
        group = Talk(GROUP, [Member(tokens.mint(user, "pc"), GROUP_ID) for user in range(3, online + 3)])
        with serving(directory, options.workers, "traced") as server:
            prepare(DriveOptions(cpu=options.client_cpu), descriptors=online)
            in_a_pair, _ = count(server, pair)
            in_the_group, rosters = count(server, group)
        with serving(directory, options.workers) as server:
            with Exchange(
                DriveOptions(), server.websocket_url, [group], in_flight=options.in_flight, text=TEXT
            ) as exchange:
                one_by_one(exchange, WARM_MESSAGES)
                exchange.acknowledged.reset()
                exchange.arrived.reset()
                rooms_ms, gateways_ms = server.cpu_ms()
                last_ms = one_by_one(exchange, options.messages)
                rooms_one_ms, gateways_one_ms = server.cpu_ms()
                one_ms = (rooms_one_ms - rooms_ms, gateways_one_ms - gateways_ms)
                acknowledged, arrived = Histogram(), Histogram()
                acknowledged.add(exchange.acknowledged)
                arrived.add(exchange.arrived)
                exchange.load.start()
                exchange.run("warming up", 0.5)
                begin, (rooms_ms, gateways_ms) = exchange.read(), server.cpu_ms()
                exchange.run("send", options.seconds)
                end, (rooms_end_ms, gateways_end_ms) = exchange.read(), server.cpu_ms()
                checked(exchange, server.websocket_url)
    sent = end.stats["received"] - begin.stats["received"]
    seconds = end.time_s - begin.time_s
    return Report(
        members=members,
        online=online,
        workers=options.workers,
        in_a_pair=in_a_pair,
        in_the_group=in_the_group,
        rosters=rosters,
        messages=options.messages,
        acknowledged_p50_ms=acknowledged.percentile(50) / 1e6,
        acknowledged_p99_ms=acknowledged.percentile(99) / 1e6,
        at_a_member_p50_ms=arrived.percentile(50) / 1e6,
        at_a_member_p99_ms=arrived.percentile(99) / 1e6,
        at_the_last_p50_ms=percentile(last_ms, 50),
        at_the_last_p99_ms=percentile(last_ms, 99),
        one_rooms_cpu_ms=one_ms[0] / options.messages,
        one_gateways_cpu_ms=one_ms[1] / options.messages,
        several_in_flight=options.in_flight,
        several_messages_per_s=sent / seconds,
        several_arrivals_per_s=(end.stats["arrived"] - begin.stats["arrived"]) / seconds,
        several_rooms_cpu_ms=(rooms_end_ms - rooms_ms) / sent,
        several_gateways_cpu_ms=(gateways_end_ms - gateways_ms) / sent,
        client_cpu_share=(end.client_cpu_s - begin.client_cpu_s) / seconds,
    )


def print_report(report: Report) -> None:
    print(f"{report.members:,} members, {report.online:,} online over {report.workers} gateways")
    print("of one message        calls of Deliver  transactions  statements")
    for label, costs in (("in a pair", report.in_a_pair), ("in the group", report.in_the_group)):
        print(f"  {label:18}  {costs.delivers:16.2f}  {costs.transactions:12.2f}  {costs.statements:10.2f}")
    print(f"pages of the roster that the gateways read: {report.rosters}")
    print(f"one at a time, {report.messages} messages         p50, ms    p99, ms")
    for label, name in (
        ("acknowledged", "acknowledged"),
        ("at a member's socket", "at_a_member"),
        ("at the last member's", "at_the_last"),
    ):
        p50, p99 = getattr(report, f"{name}_p50_ms"), getattr(report, f"{name}_p99_ms")
        print(f"  {label:32}  {p50:8.2f}   {p99:8.2f}")
    print(
        f"  CPU a message: rooms {report.one_rooms_cpu_ms:.2f} ms, gateways {report.one_gateways_cpu_ms:.2f} ms"
    )
    print(
        f"{report.several_in_flight} in flight: {report.several_messages_per_s:,.1f} messages/s, "
        f"{report.several_arrivals_per_s:,.0f} arrivals/s; CPU a message: rooms {report.several_rooms_cpu_ms:.2f} ms, "
        f"gateways {report.several_gateways_cpu_ms:.2f} ms; client {report.client_cpu_share:.0%} of a core"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_group", description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=20_000)
    parser.add_argument("--online", type=int, default=5_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--messages", type=int, default=200, help="sent one after another")
    parser.add_argument("--in-flight", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0, help="with several in flight")
    parser.add_argument("--client-cpu", type=int, help="pin the client to this core")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args()
    if not 2 <= options.online <= options.members or options.workers < 2:
        parser.error("2 <= online <= members, and at least 2 workers")
    report = measure(options)
    print(json.dumps(asdict(report))) if options.json else print_report(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
