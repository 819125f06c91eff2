"""Durable messages a second through a whole cluster, one-to-one, and the CPU of each process.

    python -m benchmarks.macro [--rounds 3] [--seconds 5] [--shapes 1x1,50x1] [--nginx] [--no-embedded] [--quick]
        [--json]

Of its own: MariaDB (`innodb_flush_log_at_trx_commit=1`), Redis, ZooKeeper, nginx, every role, two WebSocket gateways.
A message counts when its sender's acknowledgement has come and it is at the other's socket, who is connected to the
other gateway: sent over a WebSocket, committed, pushed. The load is that of `xinyu bench send`, which checks that each
comes once and in order; it goes to the gateways directly, or through nginx (`--nginx`). Shapes are pairs x messages in
flight of each: 1, 50 and 500 in flight, from many pairs with one each and from few with ten.

The embedded form (SQLite) takes turns with the cluster in one run. Figures are medians of the rounds, latencies are of
all rounds together. CPU is microseconds a message, by process. The rate limit of sends is lifted; everything else is as
shipped. Exit code 1: at 500 in flight less than six times the rate at 1, or a message was lost or doubled.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.population import TOKEN_TTL_S, create_data_directory, fill_mysql
from tests.cluster_process import ClusterProcess
from tests.server_process import ServerProcess
from xinyu._fast.histogram import Histogram
from xinyu.base.clock import SystemClock
from xinyu.base.config import load_config
from xinyu.base.token import AccessTokens
from xinyu.bench import meter
from xinyu.bench.drive import DriveOptions, prepare
from xinyu.bench.exchange import Exchange, Member, Talk
from xinyu.bench.report import Report as Account
from xinyu_services.cli.topology import WEBSOCKET_GATEWAY
from xinyu_services.user.keys import load_keys

# Pairs, and how many messages of each are on their way.
SHAPES: Final = ((1, 1), (50, 1), (5, 10), (500, 1), (50, 10))
PAIRS: Final = 500
WARMUP_S: Final = 1.0
TEXT: Final = b"a message of about fifty bytes, as people write it"
UNLIMITED: Final = {"XINYU_LIMITS__SENDS_PER_S": "1000000", "XINYU_LIMITS__SEND_BURST": "1000000"}
MANY_TIMES: Final = 6
CLIENT: Final = "client"

Shape = tuple[int, int]


@dataclass(slots=True)
class Form:
    """Where the load goes, and whose CPU is counted. `batches`: requests and commits of the lanes since the start."""

    name: str
    urls: Sequence[str]
    talks: Sequence[Talk]
    pids: Mapping[str, int]
    batches: Callable[[], tuple[float, float]] | None


@dataclass(slots=True)
class Measured:
    """Of one form and shape, round by round."""

    rates: list[float] = field(default_factory=list)
    batches: list[float] = field(default_factory=list)
    cpu_us: dict[str, list[float]] = field(default_factory=dict)
    busy_cores: list[float] = field(default_factory=list)
    acknowledged: Histogram = field(default_factory=Histogram)
    arrived: Histogram = field(default_factory=Histogram)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report. `cpu_us_per_message` by process; `busy_cores` of all of these together."""

    form: str
    pairs: int
    in_flight_each: int
    messages_per_s: float
    acknowledged_p50_ms: float
    acknowledged_p99_ms: float
    arrived_p50_ms: float
    arrived_p99_ms: float
    batch: float
    busy_cores: float
    cpu_us_per_message: dict[str, float]


def measure(form: Form, shape: Shape, seconds: float, measured: Measured) -> None:
    """AssertionError: a message was lost, came twice, out of order or to the wrong one, or was refused."""
    pairs, in_flight_each = shape
    with Exchange(
        DriveOptions(),
        form.urls[0],
        form.talks[:pairs],
        in_flight=in_flight_each,
        text=TEXT,
        further_urls=form.urls[1:],
    ) as exchange:
        exchange.load.start()
        exchange.run("warming up", WARMUP_S)
        exchange.acknowledged.reset()
        exchange.arrived.reset()
        batches = form.batches() if form.batches else (0.0, 0.0)
        begin, used_s = exchange.read(), cpu_s(form.pids)
        exchange.run("send", seconds)
        end, used_end_s = exchange.read(), cpu_s(form.pids)
        batches_end = form.batches() if form.batches else (0.0, 0.0)
        measured.acknowledged.add(exchange.acknowledged)
        measured.arrived.add(exchange.arrived)
        exchange.finish()
        account = Account("macro", form.urls[0])
        exchange.describe_account(account)
        exchange.describe_losses(account)
        if account.problems or account.value("refused"):
            raise AssertionError("; ".join(account.problems) or "messages were refused")
    count = end.stats["received"] - begin.stats["received"]
    elapsed_s = end.time_s - begin.time_s
    measured.rates.append(count / elapsed_s)
    if batches_end[1] > batches[1]:
        measured.batches.append((batches_end[0] - batches[0]) / (batches_end[1] - batches[1]))
    spent_s = {name: used_end_s[name] - used_s[name] for name in form.pids}
    spent_s[CLIENT] = end.client_cpu_s - begin.client_cpu_s
    for name, spent in spent_s.items():
        measured.cpu_us.setdefault(name, []).append(1e6 * spent / max(1, count))
    measured.busy_cores.append(sum(spent_s.values()) / elapsed_s)


def cpu_s(pids: Mapping[str, int]) -> dict[str, float]:
    return {name: meter.cpu_s((pid,)) for name, pid in pids.items()}


def line(form: str, shape: Shape, measured: Measured) -> Line:
    return Line(
        form=form,
        pairs=shape[0],
        in_flight_each=shape[1],
        messages_per_s=statistics.median(measured.rates),
        acknowledged_p50_ms=measured.acknowledged.percentile(50) / 1e6,
        acknowledged_p99_ms=measured.acknowledged.percentile(99) / 1e6,
        arrived_p50_ms=measured.arrived.percentile(50) / 1e6,
        arrived_p99_ms=measured.arrived.percentile(99) / 1e6,
        batch=statistics.median(measured.batches) if measured.batches else 0.0,
        busy_cores=statistics.median(measured.busy_cores),
        cpu_us_per_message={name: statistics.median(each) for name, each in measured.cpu_us.items()},
    )


# ---------------------------------------------------------------- the two forms


def talks_of(tokens: AccessTokens) -> list[Talk]:
    return [
        Talk(1, [Member(tokens.mint(one, "pc"), other), Member(tokens.mint(other, "pc"), one)])
        for one, other in ((pair, pair + PAIRS) for pair in range(1, PAIRS + 1))
    ]


def start_cluster(stack: ExitStack, through_nginx: bool) -> Form:
    cluster = stack.enter_context(ClusterProcess(environment=UNLIMITED))
    config = load_config(cluster.config_file)
    fill_mysql(config.database.url, users=2 * PAIRS, pairs=PAIRS)
    tokens = AccessTokens(load_keys(config.keys_directory).token_secret, TOKEN_TTL_S, SystemClock())
    gateways = [f"ws://{process.address}/ws" for process in cluster.of_role(WEBSOCKET_GATEWAY)]
    servers = [cluster.mariadb, cluster.redis, cluster.zookeeper]
    pids = {server.name: pid for server in servers if (pid := server.pid) is not None}
    pids |= {name: cluster.pid(name) for name in cluster.processes}

    def batches() -> tuple[float, float]:
        text = cluster.ops("svc-message-1", "metrics")[1]
        requests, commits = (
            re.search(rf"^xinyu_lane_batch_requests_{part} (\S+)$", text, re.MULTILINE) for part in ("sum", "count")
        )
        assert requests is not None and commits is not None, text
        return float(requests[1]), float(commits[1])

    return Form("cluster", [cluster.websocket_url] if through_nginx else gateways, talks_of(tokens), pids, batches)


def start_embedded(stack: ExitStack) -> Form:
    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xinyu-bench-")))
    tokens = create_data_directory(scratch / "data", users=2 * PAIRS, pairs=PAIRS)
    server = stack.enter_context(ServerProcess(scratch / "data", environment=UNLIMITED))
    assert server.process is not None
    return Form("embedded", [server.websocket_url], talks_of(tokens), {"xinyu serve": server.process.pid}, None)


def run(options: argparse.Namespace) -> list[Line]:
    with ExitStack() as stack:
        forms = [start_cluster(stack, options.nginx)]
        if not options.no_embedded:
            forms.append(start_embedded(stack))
        prepare(DriveOptions(cpu=options.client_cpu), descriptors=2 * PAIRS)
        for form in forms:  # names, rosters and routes are known, and pools are full
            measure(form, (PAIRS, 1), WARMUP_S, Measured())
        found: dict[tuple[str, Shape], Measured] = {}
        for number in range(options.rounds):
            for shape in options.shapes:
                for form in forms:
                    began_s = time.monotonic()
                    measure(form, shape, options.seconds, found.setdefault((form.name, shape), Measured()))
                    if not options.json:
                        print(
                            f"round {number + 1}: {form.name} {shape[0]} x {shape[1]}: "
                            f"{found[form.name, shape].rates[-1]:,.0f} messages/s ({time.monotonic() - began_s:.0f} s)",
                            file=sys.stderr,
                            flush=True,
                        )
        return [line(name, shape, measured) for (name, shape), measured in found.items()]


# ---------------------------------------------------------------- the report


def times_of_one(lines: Sequence[Line]) -> float | None:
    """The cluster's lowest rate at 500 in flight over that at 1; None where one was not measured."""
    rates: dict[int, list[float]] = {}
    for each in lines:
        if each.form == "cluster":
            rates.setdefault(each.pairs * each.in_flight_each, []).append(each.messages_per_s)
    return min(rates[500]) / max(rates[1]) if 1 in rates and 500 in rates else None


def print_report(lines: Sequence[Line]) -> None:
    print("                                     acknowledged, ms   at the other, ms            cores")
    print("form      pairs x each  messages/s      p50      p99      p50      p99    batch   busy")
    for each in lines:
        print(
            f"{each.form:8}  {each.pairs:5} x {each.in_flight_each:4}  {each.messages_per_s:10,.0f}"
            f"  {each.acknowledged_p50_ms:7.1f}  {each.acknowledged_p99_ms:7.1f}"
            f"  {each.arrived_p50_ms:7.1f}  {each.arrived_p99_ms:7.1f}  {each.batch:7.1f}  {each.busy_cores:5.2f}"
        )
    print("\nCPU a message, us (below 1 not shown)")
    for each in lines:
        shares = [(name, used) for name, used in each.cpu_us_per_message.items() if used >= 1.0]
        listed = ", ".join(f"{name} {used:.0f}" for name, used in sorted(shares, key=lambda share: -share[1]))
        total = sum(each.cpu_us_per_message.values())
        print(f"{each.form:8}  {each.pairs:5} x {each.in_flight_each:4}: {total:.0f} = {listed}")


def shapes(text: str) -> list[Shape]:
    found = [re.fullmatch(r"(\d+)x(\d+)", each) for each in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError("shapes are written as 1x1,50x1")
    pairs = [(int(each[1]), int(each[2])) for each in found if each is not None]
    if not all(1 <= count <= PAIRS and 1 <= each <= 1000 for count, each in pairs):
        raise argparse.ArgumentTypeError(f"1 to {PAIRS} pairs, with 1 to 1000 in flight each")
    return pairs


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.macro", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each shape in each round")
    parser.add_argument("--shapes", type=shapes, default=list(SHAPES), help="pairs x in flight each: 1x1,50x1,...")
    parser.add_argument("--nginx", action="store_true", help="connect through nginx, not to the gateways")
    parser.add_argument("--no-embedded", action="store_true", help="the cluster alone")
    parser.add_argument("--quick", action="store_true", help="one round of 1 s, the cluster alone")
    parser.add_argument("--client-cpu", type=int, help="pin the client to this core")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.seconds, options.no_embedded = 1, 1.0, True
    lines = run(options)
    times = times_of_one(lines)
    if options.json:
        print(json.dumps({"lines": [asdict(each) for each in lines], "times_of_one": times}))
    else:
        print_report(lines)
        if times is not None:
            print(f"\nat 500 in flight at least {times:.1f} times the rate at 1")
    return 0 if times is None or times >= MANY_TIMES else 1


if __name__ == "__main__":
    sys.exit(main())
