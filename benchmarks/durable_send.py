"""Durable messages a second, end to end in the embedded form, beside a bare sqlite3 loop with the same statements.

    python -m benchmarks.durable_send [--rounds 5] [--seconds 2] [--server-cpu 0 --client-cpu 1] [--json]

A message counts when the recipient's socket has it, and its sender's acknowledgement has come: sent over a WebSocket,
committed (SQLite, WAL, synchronous=FULL), pushed to the recipient's WebSocket. With N in flight, N pairs of users have
one message on its way each; with 1 in flight the pairs take turns. The client is one process with raw sockets.

Loop and server take turns in one run, so that a busy machine slows both; figures are medians of the rounds, latencies
are of all rounds together. The rate limit of sends is lifted; everything else is as shipped.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.population import DATABASE_FILE, create_data_directory, create_database
from benchmarks.raw_websocket import RawConnection, masked_frame, upgrade_request
from benchmarks.statement_loop import BATCH, DIGEST, StatementLoop
from tests.server_process import ServerProcess

PAIRS = 64
TEXT = DIGEST.encode()
ANSWER_DEADLINE_S = 30.0
UNLIMITED = {"XINYU_LIMITS__SENDS_PER_S": "1000000", "XINYU_LIMITS__SEND_BURST": "1000000"}


@dataclass(slots=True)
class Latencies:
    """Seconds from the send to the acknowledgement, and to the recipient's socket."""

    acknowledged_s: list[float] = field(default_factory=list)
    delivered_s: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Load:
    """One line of the report."""

    in_flight: int
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


class Pair:
    """A sender's and a recipient's socket, with at most one message on its way."""

    def __init__(self, number: int, sender: RawConnection, recipient: RawConnection) -> None:
        self.sender = sender
        self.recipient = recipient
        self._sent = 0
        self._number = number
        self._mark = b""
        self._sent_at_s = 0.0
        self._is_acknowledged = self._is_delivered = True

    def send(self, now_s: float) -> None:
        self._sent += 1
        msg_id = b"%08d%08d" % (self._number, self._sent)
        self._mark = b'"msg_id":"%b"' % msg_id
        self._is_acknowledged = self._is_delivered = False
        self._sent_at_s = now_s
        self.sender.sock.send(
            masked_frame(
                b'{"event":"im.message.send","ackid":"%b","payload":{"msg_id":"%b","talk_mode":1,"to_from_id":%d,'
                b'"type":"text","body":{"content":"%b"}}}' % (msg_id, msg_id, self._number + PAIRS, TEXT)
            )
        )

    def from_sender(self, now_s: float, latencies: Latencies) -> bool:
        """True when the message that was on its way has arrived everywhere."""
        for payload in self.sender.received():
            if payload.startswith(b'{"event":"ack"'):
                if self._mark not in payload:
                    raise AssertionError(f"the acknowledgement of another message: {payload!r}")
                self._is_acknowledged = True
                latencies.acknowledged_s.append(now_s - self._sent_at_s)
                if self._is_delivered:
                    return True
            elif payload.startswith(b'{"event":"event_error"'):
                raise AssertionError(payload.decode())
        return False

    def from_recipient(self, now_s: float, latencies: Latencies) -> bool:
        for payload in self.recipient.received():
            if payload.startswith(b'{"event":"im.message"'):
                if self._mark not in payload:
                    raise AssertionError(f"another message was delivered: {payload!r}")
                self._is_delivered = True
                latencies.delivered_s.append(now_s - self._sent_at_s)
                if self._is_acknowledged:
                    return True
        return False


class Client:
    """All pairs, connected. One epoll instance."""

    def __init__(self, port: int, tokens: Sequence[str]) -> None:
        """`tokens`: of users 1 .. 2 * PAIRS."""
        self._poll = select.epoll()
        self._by_descriptor: dict[int, tuple[Pair, bool]] = {}
        connections = [self._connect(port, token, n) for n, token in enumerate(tokens)]
        self._pairs = [Pair(n + 1, connections[n], connections[n + PAIRS]) for n in range(PAIRS)]
        for pair in self._pairs:
            for connection, is_sender in ((pair.sender, True), (pair.recipient, False)):
                connection.sock.setblocking(False)
                self._by_descriptor[connection.sock.fileno()] = (pair, is_sender)
                self._poll.register(connection.sock.fileno(), select.EPOLLIN)

    def _connect(self, port: int, token: str, number: int) -> RawConnection:
        sock = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_DEADLINE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = RawConnection(sock)
        sock.sendall(upgrade_request(token, f"bench-{number}"))
        while not any(b'"session.ready"' in payload for payload in connection.received()):
            pass
        return connection

    def close(self) -> None:
        for pair in self._pairs:
            pair.sender.sock.close()
            pair.recipient.sock.close()
        self._poll.close()

    def run(self, in_flight: int, seconds: float, latencies: Latencies) -> float:
        """Messages a second that arrived."""
        idle = deque(self._pairs)
        began_s = time.perf_counter()
        for _ in range(in_flight):
            idle.popleft().send(began_s)
        under_way, arrived = in_flight, 0
        ends_s = began_s + seconds
        counted, elapsed_s = 0, 0.0
        while under_way:
            ready = self._poll.poll(ANSWER_DEADLINE_S)
            if not ready:
                raise AssertionError(f"nothing arrived for {ANSWER_DEADLINE_S:g} s")
            now_s = time.perf_counter()  # one look at the clock for what is here already
            for descriptor, _ in ready:
                pair, is_sender = self._by_descriptor[descriptor]
                is_there = pair.from_sender if is_sender else pair.from_recipient
                if is_there(now_s, latencies):
                    arrived += 1
                    idle.append(pair)
                    if elapsed_s:
                        under_way -= 1
                    else:
                        idle.popleft().send(now_s)
            if not elapsed_s and now_s >= ends_s:
                counted, elapsed_s = arrived, now_s - began_s
        return counted / elapsed_s


def percentile_ms(values_s: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values_s, n=100)[percent - 1] * 1000


def measure(rounds: int, seconds: float, server_cpu: int | None, client_cpu: int | None) -> Report:
    in_flights = (1, PAIRS)
    with tempfile.TemporaryDirectory(prefix="xinyu-bench-") as scratch:
        tokens = create_data_directory(Path(scratch) / "data", users=2 * PAIRS, pairs=PAIRS)
        create_database(Path(scratch) / DATABASE_FILE, users=2 * PAIRS, pairs=PAIRS)
        if client_cpu is not None:
            os.sched_setaffinity(0, {client_cpu})
        loop = StatementLoop(Path(scratch) / DATABASE_FILE, PAIRS)
        with ServerProcess(Path(scratch) / "data", environment=UNLIMITED) as server:
            if server_cpu is not None:
                for thread in os.listdir(f"/proc/{server.pid}/task"):
                    os.sched_setaffinity(int(thread), {server_cpu})
            client = Client(server.websocket_port, [tokens.mint(user + 1, "pc") for user in range(2 * PAIRS)])
            try:
                loop.run(0.3)
                for in_flight in in_flights:
                    client.run(in_flight, 0.5, Latencies())
                loop_rates: list[float] = []
                rates: dict[int, list[float]] = {n: [] for n in in_flights}
                latencies = {n: Latencies() for n in in_flights}
                for _ in range(rounds):
                    loop_rates.append(loop.run(seconds))
                    for in_flight in in_flights:
                        rates[in_flight].append(client.run(in_flight, seconds, latencies[in_flight]))
            finally:
                client.close()
        loop.close()
    return Report(
        loop_messages_per_s=statistics.median(loop_rates),
        loop_commit_p50_ms=percentile_ms(loop.commits_s, 50),
        loop_batch=BATCH,
        rounds=rounds,
        loads=[
            Load(
                in_flight=n,
                messages_per_s=statistics.median(rates[n]),
                # Of each round by itself: what slows a round slows both.
                ratio_to_loop=statistics.median(rate / loop for rate, loop in zip(rates[n], loop_rates, strict=True)),
                acknowledged_p50_ms=percentile_ms(latencies[n].acknowledged_s, 50),
                acknowledged_p99_ms=percentile_ms(latencies[n].acknowledged_s, 99),
                delivered_p50_ms=percentile_ms(latencies[n].delivered_s, 50),
                delivered_p99_ms=percentile_ms(latencies[n].delivered_s, 99),
            )
            for n in in_flights
        ],
    )


def print_table(report: Report) -> None:
    print(f"bare sqlite3 loop, batches of {report.loop_batch}: {report.loop_messages_per_s:,.0f} messages/s")
    print(f"half of its commits took less than {report.loop_commit_p50_ms:.1f} ms")
    print(f"median of {report.rounds} rounds       acknowledged, ms     at the recipient, ms")
    print("in flight  messages/s  of the loop    p50     p99        p50     p99")
    for load in report.loads:
        print(
            f"{load.in_flight:9}  {load.messages_per_s:10,.0f}  {load.ratio_to_loop:11.2f}"
            f"  {load.acknowledged_p50_ms:5.1f}  {load.acknowledged_p99_ms:6.1f}"
            f"      {load.delivered_p50_ms:5.1f}  {load.delivered_p99_ms:6.1f}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durable_send", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each load in each round")
    parser.add_argument("--server-cpu", type=int, help="pin the server to this core")
    parser.add_argument("--client-cpu", type=int, help="pin client and loop to this core")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args(arguments)
    report = measure(options.rounds, options.seconds, options.server_cpu, options.client_cpu)
    if options.json:
        print(json.dumps(asdict(report)))
    else:
        print_table(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
