"""Messages a second through MySqlDatabase's lanes, beside bare aiomysql with the same statements.

    python -m benchmarks.mysql_lanes [--rounds 5] [--seconds 1.5] [--batches 1,5,10,20,50] [--lanes 1,4] [--json]

A MariaDB of its own (innodb_flush_log_at_trx_commit=1), on the same machine. A batch is what a lane of the message room
commits: the store's eight statements on as many talks as it has messages, each lane in talks of its own. Three ways
take turns in each round, so that a busy machine slows all of them:

- `together`: MySqlDatabase, statements-only, as a lane does it: what is read, and what is written with its commit, go
to
  the server as one text each;
- `one by one`: MySqlDatabase, the same work through SQLAlchemy's cursor, which waits for each statement;
- `aiomysql`: connections of the driver alone, nothing else: each statement executed and fetched, then the commit.

Figures are medians of the rounds: messages a second, and the Python side's CPU for each message.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import aiomysql
import uvloop
from sqlalchemy import Connection, make_url

from benchmarks.statement_loop import BODY, DIGEST, lane_statements
from xinyu.base.clock import SystemClock
from xinyu.base.config import DatabaseSettings
from xinyu.delivery.outbox import Outbox
from xinyu.storage import lease, schema
from xinyu.storage.database import cursor
from xinyu.storage.dialect import MYSQL
from xinyu.storage.mysql import MySqlDatabase, create_mysql_engine, run_transaction
from xinyu_services.cli.local_servers.mariadb import MariaDbServer
from xinyu_services.cli.local_servers.server import free_port
from xinyu_services.message.lane import append_message, message_event
from xinyu_services.message.model import StoredMessage, Talk
from xinyu_services.message.store import MessageStore

TALKS: Final = 5_000
HASH: Final = b"0123456789abcdef" * 2
WARMUP_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report. `ratio`: messages a second of those of bare aiomysql, the median over the rounds."""

    way: str
    lanes: int
    batch: int
    messages_per_s: float
    cpu_us_per_message: float
    ratio: float


def create_tables(settings: DatabaseSettings) -> None:
    """The schema, and TALKS pairs: talk n of the users n and n + TALKS."""

    def work(connection: Connection) -> None:
        schema.apply(connection)
        c = cursor(connection)
        c.execute(
            "INSERT INTO talk (talk_id, talk_mode, peer_low, peer_high) "
            f"SELECT seq, 1, seq, seq + {TALKS} FROM seq_1_to_{TALKS}"
        )
        for user in ("seq", f"seq + {TALKS}"):
            c.execute(
                "INSERT INTO talk_member (talk_id, user_id, role, state, joined_sequence) "
                f"SELECT seq, {user}, 3, 1, 1 FROM seq_1_to_{TALKS}"
            )
        lease.begin(connection, MYSQL, "bench")

    engine = create_mysql_engine(settings)
    with engine.connect() as connection:
        run_transaction(connection, work)
    engine.dispose()


class Turns:
    """Which talks a lane writes next: batch after batch, around its own share of them."""

    def __init__(self, lanes: int, batch: int) -> None:
        share = TALKS // lanes
        self._talks = [itertools.cycle(range(lane * share + 1, (lane + 1) * share + 1)) for lane in range(lanes)]
        self._batch = batch

    def next(self, lane: int) -> list[int]:
        return sorted(itertools.islice(self._talks[lane], self._batch))


class Product:
    """A lane's transactions on MySqlDatabase."""

    def __init__(self, settings: DatabaseSettings, *, together: bool) -> None:
        self._database = MySqlDatabase(settings)
        self._together = together
        self._store = MessageStore(MYSQL)
        self._outbox = Outbox("message", MYSQL, "bench", SystemClock())

    async def commit(self, lane: int, talk_ids: list[int]) -> None:
        batch = self._outbox.open()
        msg_ids = [secrets.token_hex(16) for _ in talk_ids]
        now_ms = time.time_ns() // 1_000_000

        def work(connection: Connection) -> None:
            pairs = [(talk_id, talk_id) for talk_id in talk_ids]
            keys = [(msg_id, talk_id, talk_id) for msg_id, talk_id in zip(msg_ids, talk_ids, strict=True)]
            talks, members, known = self._store.load_batch(connection, talk_ids, pairs, keys)
            assert not known
            written: list[tuple[Talk, StoredMessage]] = []
            for msg_id, talk_id in zip(msg_ids, talk_ids, strict=True):
                talk = talks[talk_id]
                member = members[talk_id, talk_id]
                written.append((talk, append_message(talk, member, msg_id, talk_id, 1, BODY, "{}", now_ms)))
            self._store.insert_messages(connection, [(message, HASH) for _, message in written])
            self._store.upsert_heads(connection, list(talks.values()))
            self._store.upsert_cursors(connection, list(members.values()), ("sent_sequence",))
            batch.write(connection, [message_event(talk, message) for talk, message in written])

        await self._database.write(work, lane=lane, statements_only=self._together)
        self._outbox.settled(batch)
        self._outbox.finished(batch.row_id)

    async def close(self) -> None:
        await self._database.close()


class Bare:
    """The same statements on connections of the driver's."""

    def __init__(self, connections: list[Any]) -> None:
        self._connections = connections
        self._rows: list[int] = [0] * len(connections)

    @classmethod
    async def connected(cls, settings: DatabaseSettings, lanes: int) -> Bare:
        url = make_url(settings.url)
        return cls([
            await aiomysql.connect(
                host=url.host, port=url.port, user=url.username, password=url.password, db=url.database,
                charset="utf8mb4", init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            )
            for _ in range(lanes)
        ])  # fmt: skip

    async def commit(self, lane: int, talk_ids: list[int]) -> None:
        heads, members, known, insert, save_heads, save_cursors, outbox, done = lane_statements(len(talk_ids), MYSQL)
        connection = self._connections[lane]
        now_ms = time.time_ns() // 1_000_000
        msg_ids = [secrets.token_hex(16) for _ in talk_ids]
        async with connection.cursor() as c:
            await c.execute(heads, talk_ids)
            found = await c.fetchall()
            await c.execute(members, [value for talk in talk_ids for value in (talk, talk)])
            await c.fetchall()
            named = [value for talk, msg_id in zip(talk_ids, msg_ids, strict=True) for value in (msg_id, talk, talk)]
            await c.execute(known, named)
            await c.fetchall()
            sequences = {row[0]: row[7] + 1 for row in found}
            rows: list[Any] = []
            head_rows: list[Any] = []
            cursor_rows: list[Any] = []
            for talk, msg_id in zip(talk_ids, msg_ids, strict=True):
                rows += (talk, sequences[talk], msg_id, talk, 1, BODY, "{}", HASH, now_ms, 0)
                head_rows += (talk, 1, sequences[talk], 0, talk, 1, DIGEST, now_ms, 0, 0)
                cursor_rows += (talk, talk, 3, 1, 1, sequences[talk])
            await c.execute(insert, rows)
            await c.execute(save_heads, head_rows)
            await c.execute(save_cursors, cursor_rows)
            events = b"[" + b",".join(b'["m",%d,%d,0]' % (talk, sequences[talk]) for talk in talk_ids) + b"]"
            await c.execute(outbox, ("bench", now_ms, events))
            row_id = c.lastrowid
            await c.execute(done, (self._rows[lane],))
            await connection.commit()
        self._rows[lane] = row_id

    async def close(self) -> None:
        for connection in self._connections:
            connection.close()


async def run(way: Product | Bare, lanes: int, batch: int, seconds: float) -> tuple[float, float]:
    """(messages a second, CPU us of this process for each)."""
    turns = Turns(lanes, batch)
    messages = 0
    until_s = 0.0

    async def lane(number: int) -> None:
        nonlocal messages
        while time.perf_counter() < until_s:
            await way.commit(number, turns.next(number))
            messages += batch

    for span_s in (WARMUP_S, seconds):
        messages = 0
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        until_s = began_s + span_s
        await asyncio.gather(*(lane(number) for number in range(lanes)))
    elapsed_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    return messages / elapsed_s, cpu_s / messages * 1e6


@asynccontextmanager
async def ways(settings: DatabaseSettings, lanes: int) -> AsyncIterator[dict[str, Product | Bare]]:
    opened: dict[str, Product | Bare] = {
        "together": Product(settings, together=True),
        "one by one": Product(settings, together=False),
        "aiomysql": await Bare.connected(settings, lanes),
    }
    try:
        yield opened
    finally:
        for way in opened.values():
            await way.close()


async def measure(
    url: str, lanes: Sequence[int], batches: Sequence[int], rounds: int, seconds: float, tell: Callable[[Line], None]
) -> list[Line]:
    lines: list[Line] = []
    for count in lanes:
        settings = DatabaseSettings(url=url, lanes=count)
        async with ways(settings, count) as opened:
            for batch in batches:
                found: dict[str, list[tuple[float, float]]] = {name: [] for name in opened}
                for _ in range(rounds):
                    for name, way in opened.items():
                        found[name].append(await run(way, count, batch, seconds))
                for name, figures in found.items():
                    line = Line(
                        name,
                        count,
                        batch,
                        statistics.median(rate for rate, _ in figures),
                        statistics.median(cpu_us for _, cpu_us in figures),
                        statistics.median(
                            rate / bare for (rate, _), (bare, _) in zip(figures, found["aiomysql"], strict=True)
                        ),
                    )
                    lines.append(line)
                    tell(line)
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mysql_lanes", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each way in each round")
    parser.add_argument("--batches", default="1,5,10,20,50", help="messages a batch")
    parser.add_argument("--lanes", default="1,4")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args(arguments)
    scratch = Path(tempfile.mkdtemp(prefix="xinyu-bench-"))
    scratch.chmod(0o755)  # MariaDB does not run as root, and its own user must reach its files
    server = MariaDbServer(scratch / "mariadb", port=free_port())

    def tell(line: Line) -> None:
        if not options.json:
            print(
                f"{line.lanes:5}  {line.batch:5}  {line.way:10}  {line.messages_per_s:10,.0f}"
                f"  {line.cpu_us_per_message:12,.0f}  {line.ratio:11.2f}",
                flush=True,
            )

    try:
        server.start()
        create_tables(DatabaseSettings(url=server.url))
        if not options.json:
            print("lanes  batch  way         messages/s  CPU us a msg  of aiomysql")
        lanes, batches = ([int(n) for n in text.split(",")] for text in (options.lanes, options.batches))
        lines = uvloop.run(measure(server.url, lanes, batches, options.rounds, options.seconds, tell))
        if options.json:
            print(json.dumps([asdict(line) for line in lines]))
    finally:
        server.kill()
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
