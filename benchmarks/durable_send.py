"""Durable messages a second, end to end in the embedded form, beside a bare sqlite3 loop with the same statements.

    python -m benchmarks.durable_send [--rounds 5] [--seconds 2] [--client-cpu 1] [--json]

A message counts when the recipient's socket has it, and its sender's acknowledgement has come: sent over a WebSocket,
committed (SQLite, WAL, synchronous=FULL), pushed to the recipient's WebSocket. Each must come once, and in order. 64
in flight are measured in three shapes: all from one sender to one recipient, eight pairs with eight each, and 64 pairs
with one each, where nothing shares a system call, a talk or a row. The client is one process with raw sockets.

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
# Pairs, and how many messages of each are on their way.
SHAPES = ((1, 1), (1, 64), (8, 8), (PAIRS, 1))
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


class Pair:
    """A sender's and a recipient's socket. What was sent first must arrive first, everywhere."""

    def __init__(self, number: int, sender: RawConnection, recipient: RawConnection) -> None:
        self.sender = sender
        self.recipient = recipient
        self._number = number
        self._sent = 0
        self._acknowledged = self._delivered = 0  # numbers of the last that were
        self._sent_at_s: deque[float] = deque()  # of those that have not arrived everywhere

    @property
    def under_way(self) -> int:
        return len(self._sent_at_s)

    def send(self, count: int, now_s: float) -> None:
        frames = []
        for _ in range(count):
            self._sent += 1
            msg_id = b"%08d%08d" % (self._number, self._sent)
            frames.append(
                masked_frame(
                    b'{"event":"im.message.send","ackid":"%b","payload":{"msg_id":"%b","talk_mode":1,"to_from_id":%d,'
                    b'"type":"text","body":{"content":"%b"}}}' % (msg_id, msg_id, self._number + PAIRS, TEXT)
                )
            )
            self._sent_at_s.append(now_s)
        data = b"".join(frames)
        if self.sender.sock.send(data) != len(data):
            raise AssertionError("the socket did not take all")

    def receive(self, *, is_sender: bool, now_s: float, latencies: Latencies) -> int:
        """Reads one of the sockets; how many messages have arrived everywhere by that."""
        arrived = 0
        for payload in (self.sender if is_sender else self.recipient).received():
            if is_sender and payload.startswith(b'{"event":"ack"'):
                self._acknowledged += 1
                number, behind, times = self._acknowledged, self._delivered, latencies.acknowledged_s
            elif not is_sender and payload.startswith(b'{"event":"im.message"'):
                self._delivered += 1
                number, behind, times = self._delivered, self._acknowledged, latencies.delivered_s
            elif payload.startswith(b'{"event":"event_error"'):
                raise AssertionError(payload.decode())
            else:
                continue  # the sender's own copy
            if b'"msg_id":"%08d%08d"' % (self._number, number) not in payload:
                raise AssertionError(f"not message {number}: {payload!r}")
            if number <= behind:
                times.append(now_s - self._sent_at_s.popleft())
                arrived += 1
            else:
                times.append(now_s - self._sent_at_s[number - behind - 1])
        return arrived


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

    def run(self, pairs: int, in_flight_each: int, seconds: float, latencies: Latencies) -> float:
        """Messages a second that arrived."""
        began_s = time.perf_counter()
        for pair in self._pairs[:pairs]:
            pair.send(in_flight_each, began_s)
        ends_s = began_s + seconds
        arrived, elapsed_s = 0, 0.0
        while not elapsed_s or any(pair.under_way for pair in self._pairs[:pairs]):
            ready = self._poll.poll(ANSWER_DEADLINE_S)
            if not ready:
                raise AssertionError(f"nothing arrived for {ANSWER_DEADLINE_S:g} s")
            now_s = time.perf_counter()  # one look at the clock for what is here already
            for descriptor, _ in ready:
                pair, is_sender = self._by_descriptor[descriptor]
                count = pair.receive(is_sender=is_sender, now_s=now_s, latencies=latencies)
                if count and not elapsed_s:
                    arrived += count
                    pair.send(count, now_s)
            if not elapsed_s and now_s >= ends_s:
                elapsed_s = now_s - began_s
        return arrived / elapsed_s


def percentile_ms(values_s: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values_s, n=100)[percent - 1] * 1000


def measure(rounds: int, seconds: float, client_cpu: int | None) -> Report:
    with tempfile.TemporaryDirectory(prefix="xinyu-bench-") as scratch:
        tokens = create_data_directory(Path(scratch) / "data", users=2 * PAIRS, pairs=PAIRS)
        create_database(Path(scratch) / DATABASE_FILE, users=2 * PAIRS, pairs=PAIRS)
        loop = StatementLoop(Path(scratch) / DATABASE_FILE, PAIRS)
        with ServerProcess(Path(scratch) / "data", environment=UNLIMITED) as server:
            if client_cpu is not None:
                os.sched_setaffinity(0, {client_cpu})  # not before: the server would inherit it
            client = Client(server.websocket_port, [tokens.mint(user + 1, "pc") for user in range(2 * PAIRS)])
            try:
                loop.run(0.3)
                for shape in SHAPES:
                    client.run(*shape, 0.5, Latencies())
                loop_rates: list[float] = []
                rates: dict[tuple[int, int], list[float]] = {shape: [] for shape in SHAPES}
                latencies = {shape: Latencies() for shape in SHAPES}
                for _ in range(rounds):
                    loop_rates.append(loop.run(seconds))
                    for shape in SHAPES:
                        rates[shape].append(client.run(*shape, seconds, latencies[shape]))
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
                pairs=shape[0],
                in_flight_each=shape[1],
                messages_per_s=statistics.median(rates[shape]),
                # Of each round by itself: what slows a round slows both.
                ratio_to_loop=statistics.median(
                    rate / loop for rate, loop in zip(rates[shape], loop_rates, strict=True)
                ),
                acknowledged_p50_ms=percentile_ms(latencies[shape].acknowledged_s, 50),
                acknowledged_p99_ms=percentile_ms(latencies[shape].acknowledged_s, 99),
                delivered_p50_ms=percentile_ms(latencies[shape].delivered_s, 50),
                delivered_p99_ms=percentile_ms(latencies[shape].delivered_s, 99),
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
