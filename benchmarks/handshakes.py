"""Logins a second: handshakes of authenticated users with the real server, beside a C server that asks for no token.

    python -m benchmarks.handshakes [--rounds 5] [--connections 5000] [--quick] [--json]

One `xinyu serve` (token verified, route made in the presence room, deadlines and heartbeats on, `session.ready` as the
first event) and `benchmarks/reference/epoll_server.c`, both pinned to one core; the load generator of
`xinyu bench connect` on the other. Every round opens the same number of connections three times: to the reference, to
XinYu with tokens that it has never seen, and to XinYu with the same tokens again. The servers live through all rounds
and are warmed up by one that is not counted. A ratio is that of one round to the reference of the same round; what is
printed is the median over the rounds. CPU is the server's user and system time from the first handshake to the last.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.population import create_data_directory
from benchmarks.raw_websocket import SUBPROTOCOL
from benchmarks.side_by_side.processes import cores, wait_until_quiet
from benchmarks.side_by_side.servers import REFERENCE_NAME, running, servers
from tests.server_process import ServerProcess
from xinyu.base.token import AccessTokens
from xinyu.bench import connect
from xinyu.bench.clients import ClientOptions
from xinyu.bench.error import BenchError

FIRST: Final = "XinYu, token verified for the first time"
BACK: Final = "XinYu, users coming back"
TARGETS: Final[Mapping[str, float]] = {FIRST: 0.6, BACK: 0.85}


@dataclass(frozen=True, slots=True)
class Handshakes:
    """Of one run. `client_percent`: the load generator's use of its core; near 100 it is what limits."""

    per_s: float
    per_cpu_s: float
    client_percent: float


Round = dict[str, Handshakes]


def measure(rounds: int, connections: int) -> list[Round]:
    """One Round each, of the reference, FIRST and BACK. BenchError: a server does not run, or lost a connection."""
    server_cpu, client_cpu = cores()
    own = os.sched_getaffinity(0)
    reference = next(server for server in servers() if server.name == REFERENCE_NAME)
    if reference.missing:
        raise BenchError(f"{REFERENCE_NAME}: {reference.missing}")
    with tempfile.TemporaryDirectory(prefix="xinyu-bench-") as scratch:
        tokens = create_data_directory(Path(scratch) / "data", users=connections)
        tokens_file = Path(scratch) / "tokens"
        with gateway(Path(scratch) / "data", server_cpu) as server, running(reference, server_cpu) as (pid, url):
            bare, users = ClientOptions(url=url, server_pids=(pid,)), authenticated(server, tokens_file)
            try:
                if client_cpu is not None:
                    os.sched_setaffinity(0, {client_cpu})
                found: list[Round] = []
                for _ in range(rounds + 1):
                    mint(tokens, connections, tokens_file)
                    found.append(
                        {
                            REFERENCE_NAME: open_all(bare, connections),
                            FIRST: open_all(users, connections),
                            BACK: open_all(users, connections),
                        }
                    )
                return found[1:]
            finally:
                os.sched_setaffinity(0, own)


@contextmanager
def gateway(data_directory: Path, cpu: int | None) -> Iterator[ServerProcess]:
    """`xinyu serve`, pinned: a child begins where its parent is."""
    own = os.sched_getaffinity(0)
    server = ServerProcess(data_directory)
    try:
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
        server.start()
    finally:
        os.sched_setaffinity(0, own)
    try:
        yield server
    finally:
        server.stop()


def authenticated(server: ServerProcess, tokens_file: Path) -> ClientOptions:
    """Clients that log in with a token of the file each."""
    return ClientOptions(
        url=server.websocket_url, subprotocol=SUBPROTOCOL, tokens_file=tokens_file, server_pids=(server.pid,)
    )


def mint(tokens: AccessTokens, users: int, tokens_file: Path) -> None:
    """Writes a token for each user, each another than before: its id is random. Signing is not what is measured."""
    minted = [tokens.mint(user, "pc") for user in range(1, users + 1)]
    tokens_file.write_text("\n".join(minted), encoding="ascii")


def open_all(client: ClientOptions, connections: int) -> Handshakes:
    report = connect.run(client, connect.ConnectOptions(connections=connections))
    if report.problems:
        raise BenchError(report.problems[0])
    wait_until_quiet(client.server_pids[0])
    return Handshakes(
        per_s=report.value("handshakes_per_s"),
        per_cpu_s=report.value("handshakes_per_server_cpu_s"),
        client_percent=report.value("client_cpu_percent"),
    )


def medians(rounds: Sequence[Round], name: str) -> Handshakes:
    return _median([found[name] for found in rounds])


def ratios(rounds: Sequence[Round], name: str) -> Handshakes:
    """By the reference of the same round."""
    each = []
    for found in rounds:
        own, base = found[name], found[REFERENCE_NAME]
        each.append(
            Handshakes(own.per_s / base.per_s, own.per_cpu_s / base.per_cpu_s, own.client_percent / base.client_percent)
        )
    return _median(each)


def _median(values: Sequence[Handshakes]) -> Handshakes:
    return Handshakes(
        statistics.median(value.per_s for value in values),
        statistics.median(value.per_cpu_s for value in values),
        statistics.median(value.client_percent for value in values),
    )


def markdown_table(rounds: Sequence[Round]) -> str:
    """Medians, and the ratio to the reference in brackets."""
    lines = [
        "| | handshakes a second | handshakes a CPU second of the server | client's CPU, % |",
        "|---|---:|---:|---:|",
    ]
    for name in (REFERENCE_NAME, FIRST, BACK):
        value, ratio = medians(rounds, name), ratios(rounds, name)
        by_s, by_cpu_s = (
            ("", "") if name == REFERENCE_NAME else (f" ({ratio.per_s:.2f})", f" ({ratio.per_cpu_s:.2f})")
        )
        lines.append(
            f"| {name} | {value.per_s:,.0f}{by_s} | {value.per_cpu_s:,.0f}{by_cpu_s} | {value.client_percent:.0f} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.handshakes", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=5000, help="opened in each run")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1,000")
    parser.add_argument("--json", action="store_true", help="print every round as one JSON array instead of the table")
    options = parser.parse_args(arguments)
    count, connections = (2, 1000) if options.quick else (options.rounds, options.connections)
    began_s = time.monotonic()
    try:
        rounds = measure(count, connections)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps([{name: asdict(value) for name, value in found.items()} for found in rounds]))
        return 0
    print(markdown_table(rounds))
    print(f"\n{connections:,} connections a run, {count} rounds, {time.monotonic() - began_s:.0f} s; targets: ", end="")
    print(", ".join(f"{name} >= {least}" for name, least in TARGETS.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
