"""The Database contract on SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, exc

from xinyu.base.errors import XinYuError
from xinyu.storage.database import Duplicate, Retry, Unavailable, cursor
from xinyu.storage.sqlite import SqliteDatabase, translate
from xinyu.storage.transact import query, transact


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path / "test.db")
    await database.write(
        lambda c: (
            cursor(c).executescript("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT NOT NULL UNIQUE) WITHOUT ROWID")
            and None
        )
    )
    yield database
    await database.close()


def put(key: int, value: str | None = None) -> object:
    def work(connection: Connection) -> int:
        cursor(connection).execute("INSERT INTO t VALUES (?, ?)", (key, str(key) if value is None else value))
        return key

    return work


def count(connection: Connection) -> int:
    return int(cursor(connection).execute("SELECT COUNT(*) FROM t").fetchone()[0])


async def test_a_write_is_durable_and_answers_what_its_work_returned(database: SqliteDatabase, tmp_path: Path) -> None:
    assert await database.write(put(7)) == 7  # type: ignore[arg-type]
    other = sqlite3.connect(tmp_path / "test.db")
    assert other.execute("SELECT * FROM t").fetchall() == [(7, "7")]
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()
    pragmas = await database.write(lambda c: [cursor(c).execute(f"PRAGMA {p}").fetchone()[0] for p in (
        "synchronous", "foreign_keys")])  # fmt: skip
    assert pragmas == [2, 1]


async def test_a_reader_sees_one_snapshot_and_cannot_write(database: SqliteDatabase) -> None:
    reading, written = threading.Event(), threading.Event()

    def work(connection: Connection) -> tuple[int, int]:
        before = count(connection)
        reading.set()
        assert written.wait(10)
        return before, count(connection)

    read = asyncio.ensure_future(database.read(work))
    await asyncio.to_thread(reading.wait, 10)
    await database.write(put(1))  # type: ignore[arg-type]
    written.set()
    assert await read == (0, 0)
    assert await database.read(count) == 1
    with pytest.raises(Unavailable, match="readonly"):
        await database.read(put(2))  # type: ignore[arg-type]


async def test_work_that_raises_leaves_nothing(database: SqliteDatabase) -> None:
    def work(connection: Connection) -> None:
        cursor(connection).execute("INSERT INTO t VALUES (1, 'x')")
        raise KeyError("mine")

    with pytest.raises(KeyError):
        await database.write(work)
    assert await database.read(count) == 0
    await database.write(put(1))  # type: ignore[arg-type]


async def test_a_broken_key_is_a_duplicate_and_a_missing_value_a_mistake(database: SqliteDatabase) -> None:
    await database.write(put(1))  # type: ignore[arg-type]
    with pytest.raises(Duplicate):
        await database.write(put(1, "other"))  # type: ignore[arg-type]
    with pytest.raises(Duplicate):
        await database.write(put(2, "1"))  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        await database.write(lambda c: cursor(c).execute("INSERT INTO t VALUES (3, NULL)"))
    with pytest.raises(sqlite3.OperationalError):
        await database.write(lambda c: cursor(c).execute("NONSENSE"))


def sqlite_error(kind: type[sqlite3.Error], code: int) -> sqlite3.Error:
    error = kind("told by the engine")
    error.sqlite_errorcode = code
    return error


def test_the_driver_s_words_become_the_contract_s() -> None:
    busy = sqlite_error(sqlite3.OperationalError, sqlite3.SQLITE_BUSY_SNAPSHOT)
    assert isinstance(translate(busy), Retry)
    assert isinstance(translate(exc.OperationalError("SELECT", None, busy)), Retry)
    assert isinstance(translate(sqlite_error(sqlite3.OperationalError, sqlite3.SQLITE_FULL)), Unavailable)
    assert isinstance(translate(sqlite_error(sqlite3.OperationalError, sqlite3.SQLITE_IOERR_FSYNC)), Unavailable)
    assert isinstance(translate(sqlite_error(sqlite3.DatabaseError, sqlite3.SQLITE_CORRUPT)), Unavailable)
    assert translate(sqlite3.ProgrammingError("wrong number of bindings")) is None
    assert translate(ValueError()) is None


async def test_writes_run_in_the_order_of_the_calls(database: SqliteDatabase) -> None:
    order: list[int] = []

    def work(number: int) -> object:
        return lambda _connection: order.append(number)

    await asyncio.gather(*(database.write(work(n), lane=n % 3) for n in range(100)))  # type: ignore[arg-type]
    assert order == list(range(100))


async def test_a_closed_database_has_done_what_it_took_and_refuses_the_rest(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "closing.db")
    await database.write(lambda c: cursor(c).execute("CREATE TABLE t (k INTEGER, v TEXT)") and None)
    taken = [asyncio.ensure_future(database.write(put(n))) for n in range(20)]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await database.close()
    await database.close()
    assert await asyncio.gather(*taken) == list(range(20))
    for call in (database.read, database.write):
        with pytest.raises(Unavailable):
            await call(count)
    assert not (tmp_path / "closing.db-wal").exists()


async def test_a_busy_writer_outside_is_told_as_retry(database: SqliteDatabase, tmp_path: Path) -> None:
    await database.write(lambda c: cursor(c).execute("PRAGMA busy_timeout=1") and None)
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Retry):
        await database.write(put(1))  # type: ignore[arg-type]
    with pytest.raises(XinYuError) as caught:
        await transact(database, put(1))  # type: ignore[arg-type]
    assert caught.value.reason == "overloaded"
    other.execute("ROLLBACK")
    other.close()
    assert await transact(database, put(1)) == 1  # type: ignore[arg-type]


async def test_transact_runs_again_after_a_lost_race_and_gives_up_at_last(database: SqliteDatabase) -> None:
    tries: list[int] = []

    def once(connection: Connection) -> str:
        tries.append(1)
        if len(tries) == 1:
            raise Duplicate("lost the race")
        return "found"

    assert await transact(database, once) == "found"

    def never(connection: Connection) -> None:
        tries.append(1)
        raise Duplicate("for good")

    tries.clear()
    with pytest.raises(Duplicate):
        await transact(database, never)
    assert len(tries) == 3

    def away(connection: Connection) -> None:
        raise Unavailable

    for call in (transact, query):
        with pytest.raises(XinYuError) as caught:
            await call(database, away)
        assert caught.value.reason == "unavailable"
