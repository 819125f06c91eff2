"""What one user with a million messages in two thousand talks waits for, beside the bare statements of it.

    python -m benchmarks.million_messages [--messages 1000000] [--talks 2000] [--rounds 15] [--json]

A MariaDB of its own, with its own settings (128 MiB of buffer pool). Message and talk room run in this process, over
the in-process channel with every message serialised; names come from memory, as from a warm cache. After each call its
statements, with their values in place, are executed and fetched again as they are, in one transaction on the same
connection of `MySqlDatabase`: call and statements take turns, so that a busy machine slows both. Figures are medians.

`sync after a day`: in a tenth of the talks the device has not seen a day's messages (a 365th of all); it asks until
there are no more pages. `newest 50 heads`: what a conversation list shows of its first 50 entries. Searches look into
all talks, for a word that is in every message, in one of a thousand, in one of all, in none, and whose pairs are in all
but never side by side.

Exit code 1: a call took more than three times as long as its statements, or one of them scans a table or a whole
index. Plans are printed, one line a table and way.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import uvloop
from sqlalchemy import Connection

from tests.integration.services.rooms import Rooms, target
from tests.integration.services.traced_database import TracedDatabase
from xinyu.base.config import DatabaseSettings
from xinyu.storage import schema
from xinyu.storage.database import cursor
from xinyu.storage.mysql import MySqlDatabase, create_mysql_engine, run_transaction
from xinyu.wire.v1 import message_pb2
from xinyu_services.cli.local_servers.mariadb import MariaDbServer
from xinyu_services.cli.local_servers.server import free_port
from xinyu_services.message.search_text import place_of, terms_of

USER: Final = 1
YEAR_MS: Final = 365 * 86_400_000
BEGAN_AT_MS: Final = 1_750_000_000_000
MOST_TIMES: Final = 3.0
TALKS_A_FILE: Final = 100
# Talks of others, without messages: a planner that knew only the user's own would rightly read all there are.
STRANGERS: Final = 50_000
# Two characters each; a message has one of them before the word that is in all.
WORDS: Final = [chr(0x4E00 + 2 * n) + chr(0x4E01 + 2 * n) for n in range(500)]
EVERYWHERE, NOW_AND_THEN, ONCE, NOWHERE, APART = "你好", "偶尔", "珍禽", "无有", "abc"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report. `times`: of the statements' time."""

    what: str
    answered: int
    statements: int
    call_ms: float
    statements_ms: float
    times: float


MESSAGE_COLUMNS: Final = "talk_id, sequence, msg_id, sender_id, msg_type, body, quote, request_hash, sent_at_ms"
TERM_COLUMNS: Final = "talk_id, term, place, sequence"


@dataclass(slots=True)
class Report:
    messages: int
    talks: int
    rounds: int
    lines: list[Line] = field(default_factory=list)
    plans: list[str] = field(default_factory=list)
    scans: list[str] = field(default_factory=list)


def text_of(number: int, messages: int) -> str:
    """Of the `number`th message."""
    rare = ONCE if number == messages // 3 else NOW_AND_THEN if number % 1_000 == 500 else ""
    return f"{WORDS[number % len(WORDS)]}{EVERYWHERE}{rare} bc ab"


class Filling:
    """Rows of talks 1..talks, of user 1 with the users 2, 3, ..., in the order of their keys."""

    def __init__(self, messages: int, talks: int) -> None:
        self.messages, self.talks, self.each = messages, talks, messages // talks

    def sent_at_ms(self, talk: int, sequence: int) -> int:
        return BEGAN_AT_MS + YEAR_MS * ((sequence - 1) * self.talks + talk) // self.messages

    def texts(self, talk: int) -> Iterator[tuple[int, int, str]]:
        """(sequence, sent_at_ms, text)."""
        for sequence in range(1, self.each + 1):
            number = (sequence - 1) * self.talks + talk
            yield sequence, self.sent_at_ms(talk, sequence), text_of(number, self.messages)

    def message_rows(self, talk: int) -> Iterator[str]:
        for sequence, sent_at_ms, text in self.texts(talk):
            sender = USER if sequence % 2 else talk + 1
            body = f'{{"content":"{text}"}}'
            yield f"{talk}\t{sequence}\tm{talk}-{sequence}\t{sender}\t1\t{body}\t{{}}\t-\t{sent_at_ms}\n"

    def term_rows(self, talk: int) -> Iterator[str]:
        rows = sorted(
            (term, place_of(sent_at_ms, sequence), sequence)
            for sequence, sent_at_ms, text in self.texts(talk)
            for term in terms_of(text)
        )
        for term, place, sequence in rows:
            yield f"{talk}\t{term}\t{place}\t{sequence}\n"

    def small_tables(self) -> list[str]:
        """Statements for everything else. In each talk one message was recalled and one is hidden."""
        each, talks, seq = self.each, self.talks, f"seq_1_to_{self.talks}"
        last = f"{BEGAN_AT_MS} + {YEAR_MS} DIV {self.messages} * ({each - 1} * {talks} + seq)"
        return [
            "INSERT INTO talk (talk_id, talk_mode, peer_low, peer_high, last_sequence, last_change, last_sender_id, "
            f"last_msg_type, last_digest, last_at_ms) SELECT seq, 1, 1, seq + 1, {each}, 1, 1, 1, 'digest', {last} "
            f"FROM {seq}",
            "INSERT INTO talk_member (talk_id, user_id, role, state, joined_sequence, own) "
            f"SELECT seq, 1, 3, 1, 1, 1 FROM {seq}",
            "INSERT INTO talk_member (talk_id, user_id, role, state, joined_sequence) "
            f"SELECT seq, seq + 1, 3, 1, 1 FROM {seq}",
            "INSERT INTO message_change (talk_id, sequence, `change`, recalled_by) "
            f"SELECT seq, {each - 5}, 1, 1 FROM {seq}",
            f"INSERT INTO message_hidden (talk_id, user_id, sequence, own) SELECT seq, 1, {each - 3}, 1 FROM {seq}",
            f"INSERT INTO message_indexed (talk_id, sequence) SELECT seq, {each} FROM {seq}",
            "INSERT INTO talk_session (user_id, talk_id, version, talk_mode, to_from_id, state, created_at_ms, "
            f"changed_at_ms) SELECT 1, seq, seq, 1, seq + 1, 1, {BEGAN_AT_MS}, {BEGAN_AT_MS} FROM {seq}",
            f"INSERT INTO talk_version (user_id, version) VALUES (1, {talks})",
            *self._strangers(),
        ]


    def _strangers(self) -> list[str]:
        rows = f"FROM seq_{self.talks + 1}_to_{self.talks + STRANGERS}"
        return [
            "INSERT INTO talk (talk_id, talk_mode, peer_low, peer_high) "
            f"SELECT seq, 1, seq + 1, seq + {STRANGERS} {rows}",
            "INSERT INTO talk_member (talk_id, user_id, role, state, joined_sequence) "
            f"SELECT seq, seq + 1, 3, 1, 1 {rows}",
            f"INSERT INTO message_indexed (talk_id, sequence) SELECT seq, 0 {rows}",
            "INSERT INTO talk_session (user_id, talk_id, version, talk_mode, to_from_id, state, created_at_ms, "
            f"changed_at_ms) SELECT seq + 1, seq, 1, 1, seq + {STRANGERS}, 1, 1, 1 {rows}",
        ]


def fill(settings: DatabaseSettings, filling: Filling, scratch: Path, tell: Callable[[str], None]) -> None:
    """The schema and all rows; large tables by files that the server reads."""

    def create(connection: Connection) -> None:
        schema.apply(connection)

    def small(connection: Connection) -> None:
        c = cursor(connection)
        for statement in filling.small_tables():
            c.execute(statement)

    def load(table: str, columns: str, rows: Callable[[int], Iterator[str]], first: int) -> None:
        path = scratch / f"{table}.tsv"
        with path.open("w", encoding="utf-8") as file:
            for talk in range(first, min(first + TALKS_A_FILE, filling.talks + 1)):
                file.writelines(rows(talk))
        path.chmod(0o644)

        def work(connection: Connection) -> None:
            c = cursor(connection)
            c.execute("SET SESSION unique_checks = 0")
            c.execute(f"LOAD DATA INFILE '{path}' INTO TABLE {table} CHARACTER SET utf8mb4 ({columns})")

        run_transaction(connection, work)
        path.unlink()

    def analyse(connection: Connection) -> None:
        c = cursor(connection)
        for table in ("talk", "talk_member", "message", "message_term", "message_indexed", "talk_session"):
            c.execute(f"ANALYZE TABLE {table}")
            c.fetchall()

    engine = create_mysql_engine(settings)
    with engine.connect() as connection:
        run_transaction(connection, create)
        run_transaction(connection, small)
        for first in range(1, filling.talks + 1, TALKS_A_FILE):
            load("message", MESSAGE_COLUMNS, filling.message_rows, first)
            load("message_term", TERM_COLUMNS, filling.term_rows, first)
            tell(f"{min(first + TALKS_A_FILE - 1, filling.talks)} talks of {filling.talks} filled")
        run_transaction(connection, analyse)
    engine.dispose()


class Calls:
    """What is measured: each answers how many things it got."""

    def __init__(self, rooms: Rooms, filling: Filling) -> None:
        self._rooms = rooms
        self._filling = filling
        self._epoch = ""

    async def prepare(self) -> None:
        self._epoch = await self._rooms.talk_service.epoch()

    async def search(self, keyword: str, talk: int = 0) -> int:
        request = message_pb2.SearchMessagesRequest(user_id=USER, keyword=keyword)
        if talk:
            request.target.CopyFrom(target(1, talk + 1))
        return len(json.loads((await self._rooms.messages.search(request)).items))

    async def records(self) -> int:
        return len(await self._rooms.records(USER, 1, self._filling.talks // 2))

    async def heads(self) -> int:
        newest = range(self._filling.talks - 49, self._filling.talks + 1)
        page = await self._rooms.messages.load_heads(message_pb2.LoadHeadsRequest(user_id=USER, talk_ids=newest))
        return len(page.heads)

    async def list(self) -> int:
        return len(await self._rooms.list(USER))

    async def sync(self) -> int:
        """Records of all pages."""
        each, talks = self._filling.each, self._filling.talks
        missed = self._filling.messages // 365 // (talks // 10)
        held = {n: (n, each - missed if n % 10 == 0 else each, 1, 1) for n in range(1, talks + 1)}
        versions, next_, records = {"talk": talks, "contact": 0, "user": 0}, "", 0
        while True:
            page = await self._rooms.sync(
                USER, epoch=self._epoch, versions=versions, talks=held.values(), next_=next_
            )
            for talk in page["talks"]:
                records += len(talk["records"])
                held[talk["talk_id"]] = (talk["talk_id"], talk["last_sequence"], talk["last_change"], talk["own"])
            versions, next_ = page["versions"], page.get("next", "")
            if not next_:
                return records

    def all(self) -> dict[str, Callable[[], Awaitable[int]]]:
        return {
            "search: in every message": lambda: self.search(EVERYWHERE),
            "search: in one of 1,000": lambda: self.search(NOW_AND_THEN),
            "search: in one of all": lambda: self.search(ONCE),
            "search: in none": lambda: self.search(NOWHERE),
            "search: pairs in all, the word in none": lambda: self.search(APART),
            "search: in one talk": lambda: self.search(EVERYWHERE, self._filling.talks // 2),
            "records: a page of 30": self.records,
            "sync after a day": self.sync,
            "newest 50 heads": self.heads,
            "the whole conversation list": self.list,
        }


async def measure(settings: DatabaseSettings, filling: Filling, rounds: int, tell: Callable[[Line], None]) -> Report:
    report = Report(filling.messages, filling.talks, rounds)
    database = MySqlDatabase(settings)
    traced = TracedDatabase(database)
    rooms = Rooms(traced)
    rooms.neighbours.users = {user: f"user {user}" for user in range(1, filling.talks + 2)}
    calls = Calls(rooms, filling)
    await rooms.take_over()
    await calls.prepare()
    seen: dict[str, str] = {}
    for what, call in calls.all().items():
        answered = await call()
        took: list[tuple[float, float]] = []
        for _ in range(rounds):
            traced.transactions.clear()
            began_s = time.perf_counter()
            await call()
            call_s = time.perf_counter() - began_s
            statements = [statement for t in traced.transactions for statement in t.statements]
            began_s = time.perf_counter()
            await database.read(lambda connection, statements=statements: run_bare(connection, statements))  # type: ignore[misc]
            took.append((call_s, time.perf_counter() - began_s))
        call_ms, bare_ms = (statistics.median(each[n] for each in took) * 1_000 for n in (0, 1))
        # Of each round by itself: what slows a round slows both.
        times = statistics.median(call_s / bare_s for call_s, bare_s in took)
        line = Line(what, answered, len(statements), call_ms, bare_ms, times)
        report.lines.append(line)
        tell(line)
        for statement in statements:
            # One of a shape: lists of values are cut short.
            seen.setdefault(statement[:60] + what, statement)
    await database.read(lambda connection: explain(connection, list(seen.values()), report))
    await database.close()
    return report


def run_bare(connection: Connection, statements: Sequence[str]) -> None:
    c = cursor(connection)
    for statement in statements:
        c.execute(statement)
        c.fetchall()


def explain(connection: Connection, statements: Sequence[str], report: Report) -> None:
    """Tables by their aliases, the way each is read, by which key; and what reads a whole table or index."""
    c = cursor(connection)
    plans: set[str] = set()
    for statement in statements:
        c.execute("EXPLAIN " + statement)
        for _, _, table, kind, _, key, _, _, rows, extra in c.fetchall():
            if table is None or table.startswith(("<", "v")):
                continue  # of the statement's own lists and results
            plans.add(f"{table}: {kind} by {key}{' (index only)' if 'Using index' in (extra or '') else ''}")
            if kind in ("ALL", "index") and rows is not None:
                report.scans.append(f"{table} {kind} {rows}: {statement[:200]}")
    report.plans = sorted(plans)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million_messages", description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--talks", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args(arguments)
    filling = Filling(options.messages, options.talks)
    if filling.talks % 10 or filling.each < 30 or filling.messages != filling.each * filling.talks:
        parser.error("talks must be a multiple of ten, and messages at least thirty in each of them")
    scratch = Path(tempfile.mkdtemp(prefix="xinyu-bench-"))
    scratch.chmod(0o755)  # MariaDB does not run as root, and its own user must reach its files
    server = MariaDbServer(scratch / "mariadb", port=free_port())

    def tell(line: Line) -> None:
        if not options.json:
            print(
                f"{line.what:38}  {line.answered:8,}  {line.statements:10}  {line.call_ms:8.1f}"
                f"  {line.statements_ms:13.1f}  {line.times:5.2f}",
                flush=True,
            )

    try:
        server.start()
        settings = DatabaseSettings(url=server.url, statement_timeout_s=60)
        began_s = time.perf_counter()
        fill(settings, filling, scratch, lambda text: print(text, file=sys.stderr, flush=True))
        if not options.json:
            print(f"filled in {time.perf_counter() - began_s:.0f} s", flush=True)
            print(f"{'':38}  answered  statements   call ms  statements ms  times")
        report = uvloop.run(measure(settings, filling, options.rounds, tell))
    finally:
        server.kill()
        shutil.rmtree(scratch, ignore_errors=True)
    if options.json:
        print(json.dumps(asdict(report)))
    else:
        print("\nplans", *report.plans, sep="\n  ")
        print("\nfull scans:", *(report.scans or ["none"]), sep="\n  ")
    slow = [line.what for line in report.lines if line.times > MOST_TIMES]
    if slow:
        print("more than three times its statements:", ", ".join(slow), file=sys.stderr)
    return 1 if slow or report.scans else 0


if __name__ == "__main__":
    sys.exit(main())
