"""More idle, authenticated connections than one process may have descriptors: `python -m benchmarks.many_connections`.

    [--connections 200000] [--workers 11] [--seconds 600] [--heartbeat 30] [--json]

One `xinyu serve --workers N` with a data directory of its own; as many users as connections, each connected once over
`xinyu.v1.json` with a token of his own. The clients are as many processes as the server has workers, each with the
compiled load generator of `xinyu bench`, which answers pings. The window begins when all connections are up.

Memory is private pages (of all the server's processes) and what the kernel holds in slabs and TCP buffers, for both
ends of a connection, since both are on this machine; each divided by all connections, the server's empty processes
taken off. CPU is what the server's processes used in the window, pings and all.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import psutil

from benchmarks.population import create_data_directory
from tests.server_process import ServerProcess
from xinyu.base.token import AccessTokens
from xinyu.bench import meter
from xinyu.bench.clients import ClientOptions, Clients

OPEN_WITHIN_S: Final = 900.0
PATIENCE_S: Final = 60.0
SETTLE_S: Final = 5.0
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Report:
    """`cpu_percent`: of one core. `fullest` and `emptiest`: descriptors of a worker."""

    connections: int
    lost: int
    workers: int
    seconds: float
    pings_answered: int
    opened_per_s: float
    fullest: int
    emptiest: int
    workers_cpu_percent: float
    rooms_cpu_percent: float
    clients_cpu_percent: float
    workers_bytes: int
    rooms_bytes: int
    workers_bytes_per_connection: float
    rooms_bytes_per_connection: float
    kernel_bytes_per_connection: float


def run_client(url: str, tokens: AccessTokens, users: range, seconds: float, parent: Connection) -> None:
    """One process of clients. Says when it can begin, opens when it is told, says when all are up, holds them when it
    is told, says what became of them, and keeps them until it is told once more."""
    with tempfile.NamedTemporaryFile("w", encoding="ascii", suffix=".tokens") as file:
        file.write("\n".join(tokens.mint(user, "pc") for user in users))
        file.flush()
        options = ClientOptions(
            url=url, subprotocol="xinyu.v1.json", tokens_file=Path(file.name), patience_s=PATIENCE_S, at_once=32
        )
        clients = Clients(options, connections=len(users))
    with clients:
        parent.send("ready")  # signing is not what is measured
        parent.recv()
        clients.open_to(len(users))
        parent.send("open")
        held_s = time.monotonic()
        while not parent.poll():
            clients.run("waiting", 0.2)
            if time.monotonic() - held_s > OPEN_WITHIN_S:
                raise TimeoutError
        parent.recv()
        before, cpu_s = clients.stats["pings"], time.process_time()
        clients.run("idle", seconds)
        stats = clients.stats
        parent.send((stats["open"], stats["lost"], stats["pings"] - before, time.process_time() - cpu_s))
        parent.recv()


def measure(connections: int, workers: int, seconds: float, heartbeat_s: float) -> Report:
    with tempfile.TemporaryDirectory(prefix="xinyu-bench-") as scratch:
        directory = Path(scratch) / "data"
        tokens = create_data_directory(directory, users=connections)
        environment = {"XINYU_WEBSOCKET__HEARTBEAT_S": str(heartbeat_s)}
        with ServerProcess(directory, environment=environment, arguments=["--workers", str(workers)]) as server:
            return hold(server, tokens, connections, workers, seconds)


def hold(server: ServerProcess, tokens: AccessTokens, connections: int, workers: int, seconds: float) -> Report:
    gateways = [child.pid for child in psutil.Process(server.pid).children()]
    everything = [server.pid, *gateways]
    context = multiprocessing.get_context("fork")
    processes, lines = [], []
    bounds = [connections * part // workers for part in range(workers + 1)]
    for begin, end in itertools.pairwise(bounds):
        ours, theirs = context.Pipe()
        process = context.Process(
            target=run_client,
            args=(server.websocket_url, tokens, range(begin + 1, end + 1), seconds, theirs),
            daemon=True,
        )
        process.start()
        theirs.close()
        processes.append(process)
        lines.append(ours)
    try:
        for line in lines:
            line.recv()
        time.sleep(SETTLE_S)
        user_empty, rooms_empty = meter.private_bytes(gateways), meter.private_bytes([server.pid])
        kernel_empty = meter.kernel_bytes()
        began_s = time.monotonic()
        for line in lines:
            line.send("begin")
        for line in lines:
            line.recv()
        opened_per_s = connections / (time.monotonic() - began_s)
        print(f"{connections:,} are up, {opened_per_s:,.0f} a second; held for {seconds:.0f} s", file=sys.stderr)
        time.sleep(SETTLE_S)
        for line in lines:
            line.send("go")
        began_s, gateways_s, rooms_s = time.monotonic(), meter.cpu_s(gateways), meter.cpu_s([server.pid])
        answers = [line.recv() for line in lines]
        elapsed_s = time.monotonic() - began_s
        gateways_s, rooms_s = meter.cpu_s(gateways) - gateways_s, meter.cpu_s([server.pid]) - rooms_s
        user, rooms, kernel = meter.private_bytes(gateways), meter.private_bytes([server.pid]), meter.kernel_bytes()
        held = [psutil.Process(pid).num_fds() for pid in gateways]
        assert sorted(everything) == sorted([server.pid, *(c.pid for c in psutil.Process(server.pid).children())])
        for line in lines:
            line.send("end")
        for process in processes:
            process.join(60)
    finally:
        for process in processes:
            process.kill()
    return Report(
        connections=sum(answer[0] for answer in answers),
        lost=sum(answer[1] for answer in answers),
        workers=workers,
        seconds=elapsed_s,
        pings_answered=sum(answer[2] for answer in answers),
        opened_per_s=opened_per_s,
        fullest=max(held),
        emptiest=min(held),
        workers_cpu_percent=100 * gateways_s / elapsed_s,
        rooms_cpu_percent=100 * rooms_s / elapsed_s,
        clients_cpu_percent=100 * sum(answer[3] for answer in answers) / elapsed_s,
        workers_bytes=user,
        rooms_bytes=rooms,
        workers_bytes_per_connection=(user - user_empty) / connections,
        rooms_bytes_per_connection=(rooms - rooms_empty) / connections,
        kernel_bytes_per_connection=(kernel - kernel_empty) / connections,
    )


def print_table(report: Report) -> None:
    print(f"connections open at the end              {report.connections:12,}")
    print(f"lost                                     {report.lost:12,}")
    print(f"workers                                  {report.workers:12,}")
    print(f"  descriptors of the fullest, emptiest   {report.fullest:12,} {report.emptiest:,}")
    print(f"opened a second                          {report.opened_per_s:12,.0f}")
    print(f"held for, s                              {report.seconds:12,.0f}")
    print(f"pings answered meanwhile                 {report.pings_answered:12,}")
    print(f"CPU of all workers, % of one core        {report.workers_cpu_percent:12.1f}")
    print(f"CPU of the rooms' process                {report.rooms_cpu_percent:12.1f}")
    print(f"CPU of the clients                       {report.clients_cpu_percent:12.1f}")
    print(f"private memory of all workers, MiB       {report.workers_bytes / MIB:12,.0f}")
    print(f"private memory of the rooms, MiB         {report.rooms_bytes / MIB:12,.0f}")
    print(f"bytes a connection: workers              {report.workers_bytes_per_connection:12,.0f}")
    print(f"bytes a connection: rooms (the route)    {report.rooms_bytes_per_connection:12,.0f}")
    print(f"bytes a connection: kernel, both ends    {report.kernel_bytes_per_connection:12,.0f}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_connections", description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--heartbeat", type=float, default=30.0, help="seconds of silence after which the server pings")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args(arguments)
    report = measure(options.connections, options.workers, options.seconds, options.heartbeat)
    if options.json:
        print(json.dumps(asdict(report)))
    else:
        print_table(report)
    return 1 if report.lost or report.connections < options.connections else 0


if __name__ == "__main__":
    sys.exit(main())
