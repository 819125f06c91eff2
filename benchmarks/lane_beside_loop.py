"""Transactions of a message lane beside a busy event loop: on the C thread, and on the Python thread it stands in for.

    python -m benchmarks.lane_beside_loop [--rounds 6] [--seconds 1]

A transaction is a batch of 20 sends by the message room's own store and outbox, through `SqliteDatabase.write`, one
after another, durable. The loop has nothing else to do, or runs callback after callback of some 50 us, as a server's
does. The two threads take turns in one run; figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop
from sqlalchemy import Connection

from benchmarks.population import DATABASE_FILE, create_database
from benchmarks.statement_loop import BATCH, BODY, DIGEST
from xinyu.base.clock import SystemClock
from xinyu.delivery.outbox import Event, Outbox
from xinyu.storage.dialect import SQLITE
from xinyu.storage.sqlite import SqliteDatabase
from xinyu_services.message.model import Member, StoredMessage
from xinyu_services.message.store import MessageStore

PAIRS = 64


@dataclass(frozen=True, slots=True)
class Round:
    messages_per_s: float
    callbacks_per_s: float
    loop_cpu: float  # of the loop's thread, as a part of one core


class BatchedSends:
    """Makes each next batch. Talk n is between user n and another, and n is its sender."""

    def __init__(self) -> None:
        self._store = MessageStore(SQLITE)
        self._outbox = Outbox("message", SQLITE, "benchmark", SystemClock())
        self._batches = 0

    async def run(self, database: SqliteDatabase, *, statements_only: bool) -> None:
        first = self._batches * BATCH
        self._batches += 1
        keys = [(f"{first + i:032x}", (first + i) % PAIRS + 1, (first + i) % PAIRS + 1) for i in range(BATCH)]
        batch = self._outbox.open()

        def work(connection: Connection) -> None:
            self._write(connection, keys)
            batch.write(connection, [Event("m", (talk_id, user_id, 0)) for _, talk_id, user_id in keys])

        await database.write(work, statements_only=statements_only)
        self._outbox.settled(batch)
        self._outbox.finished(batch.row_id)

    def _write(self, connection: Connection, keys: Sequence[tuple[str, int, int]]) -> None:
        store, written, senders = self._store, list[tuple[StoredMessage, bytes]](), list[Member]()
        pairs = [(talk_id, user_id) for _, talk_id, user_id in keys]
        talks, members, sent = store.load_batch(connection, [talk_id for talk_id, _ in pairs], pairs, keys)
        assert not sent
        for msg_id, talk_id, user_id in keys:
            talk, member = talks[talk_id], members[talk_id, user_id]
            talk.last_sequence = member.sent_sequence = talk.last_sequence + 1
            talk.last_digest = DIGEST
            message = StoredMessage(talk_id, talk.last_sequence, msg_id, user_id, 1, BODY, "{}", 0)
            written.append((message, b"0123456789abcdef" * 2))
            senders.append(member)
        store.insert_messages(connection, written)
        store.upsert_heads(connection, list(talks.values()))
        store.upsert_cursors(connection, senders, ("sent_sequence",))


async def measure_round(
    database: SqliteDatabase, sends: BatchedSends, seconds: float, *, statements_only: bool, busy: bool
) -> Round:
    loop = asyncio.get_running_loop()
    batches = callbacks = 0

    def turn() -> None:
        nonlocal callbacks
        callbacks += 1
        sum(range(4_000))
        if busy:
            loop.call_soon(turn)

    if busy:
        loop.call_soon(turn)
    began_s, cpu_s = time.perf_counter(), time.thread_time()
    while (elapsed_s := time.perf_counter() - began_s) < seconds:
        await sends.run(database, statements_only=statements_only)
        batches += 1
    cpu_s = time.thread_time() - cpu_s
    busy = False
    await asyncio.sleep(0.01)
    return Round(batches * BATCH / elapsed_s, callbacks / elapsed_s, cpu_s / elapsed_s)


async def measure(rounds: int, seconds: float, report: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="xinyu-bench-") as scratch:
        create_database(Path(scratch) / DATABASE_FILE, users=2 * PAIRS, pairs=PAIRS)
        database, sends = SqliteDatabase(Path(scratch) / DATABASE_FILE), BatchedSends()
        report("loop  statements on  messages/s  callbacks/s  loop's thread, of a core")
        for busy in (False, True):
            results: dict[bool, list[Round]] = {True: [], False: []}
            for number in range(rounds):
                for on_c in (True, False) if number % 2 else (False, True):
                    results[on_c].append(await measure_round(database, sends, seconds, statements_only=on_c, busy=busy))
            for on_c, done in results.items():
                messages, callbacks, cpu = (
                    statistics.median(getattr(each, name) for each in done)
                    for name in ("messages_per_s", "callbacks_per_s", "loop_cpu")
                )
                kind = "C thread" if on_c else "Python thread"
                report(f"{'busy' if busy else 'idle'}  {kind:13}  {messages:10,.0f}  {callbacks:11,.0f}  {cpu:.2f}")
        await database.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lane_beside_loop", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each kind in each round")
    options = parser.parse_args(arguments)
    uvloop.run(measure(options.rounds, options.seconds, print))
    return 0


if __name__ == "__main__":
    sys.exit(main())
