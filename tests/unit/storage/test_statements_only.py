"""Statements-only work on SQLite: the same outcome on the C thread as on the Python thread that stands in for it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, exc, text

from xinyu._fast import sqlite
from xinyu.storage.database import Duplicate, Retry, Unavailable, cursor
from xinyu.storage.sqlite import SqliteDatabase

TABLE = "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT NOT NULL UNIQUE)"
SLOW = "WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c LIMIT 300000) SELECT MAX(n) FROM c"
ON_C = pytest.mark.skipif(not sqlite.available(), reason="this interpreter's SQLite cannot be called from C")


@pytest.fixture(params=[pytest.param("C thread", marks=ON_C), "Python thread"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "Python thread":
        monkeypatch.setattr(sqlite, "available", lambda: False)
    return str(request.param)


@pytest.fixture
async def database(kind: str, tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path / "test.db")
    await run(database, TABLE)
    yield database
    await database.close()


async def run(database: SqliteDatabase, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
    """One statement, its transaction, its rows."""

    def work(connection: Connection) -> list[Any]:
        c = cursor(connection)
        c.execute(sql, parameters)
        return list(c.fetchall())

    return await database.write(work, statements_only=True)


def put(*keys: int) -> Callable[[Connection], tuple[int, ...]]:
    def work(connection: Connection) -> tuple[int, ...]:
        for key in keys:
            cursor(connection).execute("INSERT INTO t VALUES (?, ?)", (key, str(key)))
        return keys

    return work


async def keys(database: SqliteDatabase) -> list[int]:
    def work(connection: Connection) -> list[int]:
        return [row[0] for row in cursor(connection).execute("SELECT k FROM t ORDER BY k").fetchall()]

    return await database.read(work)


async def test_work_goes_where_it_should(database: SqliteDatabase, kind: str) -> None:
    assert (database._statements is not None) == (kind == "C thread")
    await database.write(put(1))
    assert await keys(database) == [1]


async def test_it_is_durable_and_answers_what_its_work_returned(database: SqliteDatabase, tmp_path: Path) -> None:
    assert await database.write(put(7, 8), statements_only=True) == (7, 8)
    other = sqlite3.connect(tmp_path / "test.db")
    assert other.execute("SELECT * FROM t").fetchall() == [(7, "7"), (8, "8")]
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()
    wanted = {"synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000, "cache_size": -65536, "temp_store": 2}
    assert {name: (await run(database, f"PRAGMA {name}"))[0][0] for name in wanted} == wanted
    assert await database.write(lambda _connection: "nothing", statements_only=True) == "nothing"


async def test_a_cursor_tells_what_a_driver_s_cursor_tells(database: SqliteDatabase) -> None:
    def work(connection: Connection) -> Any:
        a, b, c = cursor(connection), cursor(connection), cursor(connection)
        a.execute("INSERT INTO t VALUES (?, ?)", [5, "x"])
        b.execute("INSERT INTO t (v) VALUES (?), (?)", ("y", "z"))
        told = [b.rowcount, a.rowcount, a.lastrowid, b.lastrowid, a.fetchone(), a.fetchall()]
        c.execute("SELECT k, v FROM t ORDER BY k")
        told += [c.fetchone(), c.fetchone(), c.fetchall(), c.fetchone(), c.fetchall()]
        b.execute("UPDATE t SET v = v || v WHERE k > 5")
        a.execute("DELETE FROM t WHERE k = 5")
        told.append(b.rowcount)
        return told, a, c.execute("SELECT v FROM t ORDER BY k").fetchall(), cursor(connection).fetchall()

    told, after, rows, none = await database.write(work, statements_only=True)
    assert told == [2, 1, 5, 7, None, [], (5, "x"), (6, "y"), [(7, "z")], None, [], 2]
    assert (after.rowcount, after.lastrowid) == (1, 7)
    assert rows == [("yy",), ("zz",)]
    assert none == []


async def test_work_that_raises_leaves_nothing(database: SqliteDatabase) -> None:
    def work(connection: Connection) -> None:
        put(1)(connection)
        raise KeyError("mine")

    with pytest.raises(KeyError):
        await database.write(work, statements_only=True)
    await database.write(put(2), statements_only=True)
    assert await keys(database) == [2]


async def test_errors_come_in_the_contract_s_words_and_nothing_is_kept(database: SqliteDatabase) -> None:
    await database.write(put(1), statements_only=True)
    with pytest.raises(Duplicate):
        await database.write(put(2, 1, 3), statements_only=True)
    with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
        await run(database, "INSERT INTO t VALUES (3, NULL)")
    with pytest.raises(sqlite3.OperationalError, match="NONSENSE"):
        await run(database, "NONSENSE")
    with pytest.raises(sqlite3.ProgrammingError, match="bindings"):
        await run(database, "INSERT INTO t VALUES (?, ?)", (1,))
    with pytest.raises(OverflowError):
        await run(database, "INSERT INTO t VALUES (?, 'x')", (2**63,))

    def reads_after(connection: Connection) -> Any:
        c = cursor(connection)
        put(2)(connection)
        put(1)(connection)
        c.execute("SELECT * FROM t")
        return c.fetchall()

    with pytest.raises(Duplicate):
        await database.write(reads_after, statements_only=True)
    await database.write(put(9), statements_only=True)
    assert await keys(database) == [1, 9]


async def test_a_constraint_that_the_commit_looks_at(database: SqliteDatabase) -> None:
    await run(database, "CREATE TABLE child (k REFERENCES t (k) DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises((sqlite3.IntegrityError, exc.IntegrityError), match="FOREIGN KEY"):
        await run(database, "INSERT INTO child VALUES (9)")
    await database.write(put(1), statements_only=True)
    await database.write(put(2))
    assert await run(database, "SELECT COUNT(*) FROM child") == [(0,)]


async def test_both_kinds_run_in_the_order_of_the_calls_and_never_meet(database: SqliteDatabase) -> None:
    def impatient(connection: Connection) -> None:
        cursor(connection).execute("PRAGMA busy_timeout=0")

    for statements_only in (True, False):
        await database.write(impatient, statements_only=statements_only)

    def work(number: int) -> Callable[[Connection], int]:
        def run(connection: Connection) -> int:
            c = cursor(connection)
            c.execute("SELECT COUNT(*) FROM t")
            before = c.fetchone()[0]
            c.execute("INSERT INTO t VALUES (?, ?)", (number, str(number)))
            assert c.lastrowid == number
            return int(before)

        return run

    answers = [
        database.write(work(n), lane=n % 3, statements_only=bool(drawn))
        for n, drawn in enumerate(Random(1).choices((0, 1), k=100))
    ]
    assert await asyncio.gather(*answers) == list(range(100))


async def test_core_and_statements_share_one_file(database: SqliteDatabase) -> None:
    await database.write(put(1), statements_only=True)
    await database.write(lambda c: c.execute(text("INSERT INTO t VALUES (2, 'b')")) and None)
    assert await run(database, "SELECT k FROM t ORDER BY k") == [(1,), (2,)]


async def test_a_busy_writer_outside_is_told_as_retry(database: SqliteDatabase, tmp_path: Path) -> None:
    await run(database, "PRAGMA busy_timeout=1")
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Retry):
        await database.write(put(1), statements_only=True)
    with pytest.raises(Retry):
        await run(database, "SELECT COUNT(*) FROM t")
    other.execute("ROLLBACK")
    other.close()
    assert await database.write(put(1), statements_only=True) == (1,)


async def test_a_full_disk_is_unavailable_and_a_read_only_one_too(database: SqliteDatabase) -> None:
    pages = (await run(database, "PRAGMA page_count"))[0][0]
    await run(database, f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(Unavailable, match="full"):
        await run(database, "INSERT INTO t VALUES (1, ?)", ("x" * 50_000,))
    await run(database, "PRAGMA max_page_count=1000000")
    await database.write(put(2), statements_only=True)
    await run(database, "PRAGMA query_only=ON")
    with pytest.raises(Unavailable, match="readonly"):
        await database.write(put(1), statements_only=True)
    assert await keys(database) == [2]


async def test_a_file_that_is_not_there_is_unavailable_until_it_is(kind: str, tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "later/test.db")
    for _ in range(2):
        with pytest.raises(Unavailable, match="unable to open"):
            await run(database, TABLE)
    (tmp_path / "later").mkdir()
    await run(database, TABLE)
    assert await database.write(put(1), statements_only=True) == (1,)
    await database.close()


async def test_more_statements_than_the_queue_takes(database: SqliteDatabase) -> None:
    await database.write(put(*range(sqlite.MAX_WAITING * 2 + 1)), statements_only=True)
    assert await run(database, "SELECT COUNT(*) FROM t") == [(sqlite.MAX_WAITING * 2 + 1,)]


# ---------------------------------------------------------------- cancellation


def put_slowly(connection: Connection) -> str:
    put(1)(connection)
    c = cursor(connection)
    c.execute(SLOW)
    assert c.fetchall() == [(300_000,)]
    put(2)(connection)
    return "done"


async def test_cancelled_before_its_commit_it_is_whole_or_not_at_all(database: SqliteDatabase, kind: str) -> None:
    task = asyncio.create_task(database.write(put_slowly, statements_only=True))
    await asyncio.sleep(0)
    next_one = asyncio.create_task(database.write(put(3), statements_only=True))
    core = asyncio.create_task(database.write(put(4)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await next_one, await core) == ((3,), (4,))
    # The Python thread finishes what it was given.
    assert await keys(database) == ([3, 4] if kind == "C thread" else [1, 2, 3, 4])


async def test_cancelled_after_its_commit_was_sent_it_is_committed(database: SqliteDatabase) -> None:
    for key in range(20):
        task = asyncio.create_task(database.write(put(key), statements_only=True))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)  # a quick thread has answered already
        await database.write(put(100 + key), statements_only=bool(key % 2))
    assert await keys(database) == [*range(20), *range(100, 120)]


async def test_cancelled_again_and_again_it_still_leaves_in_order(database: SqliteDatabase) -> None:
    task = asyncio.create_task(database.write(put_slowly, statements_only=True))
    await asyncio.sleep(0)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    assert task.cancelled()
    assert await database.write(put(3)) == (3,)
    assert 3 in await keys(database)


async def test_cancelled_while_it_waits_its_turn_it_does_not_run(database: SqliteDatabase) -> None:
    first = asyncio.create_task(database.write(put_slowly, statements_only=True))
    waiting = [asyncio.create_task(database.write(put(n), statements_only=bool(n % 2))) for n in (10, 11, 12, 13)]
    await asyncio.sleep(0)
    for task in waiting[:3]:
        task.cancel()
    assert await first == "done"
    assert await waiting[3] == (13,)
    assert await keys(database) == [1, 2, 13]


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_is_cancelled_no_half_is_left(database: SqliteDatabase, seed: int) -> None:
    random = Random(seed)

    def pair(n: int, *, reads: bool, fails: bool) -> Callable[[Connection], int]:
        def work(connection: Connection) -> int:
            put(2 * n)(connection)
            if reads:
                c = cursor(connection)
                c.execute("SELECT COUNT(*) FROM t")
                assert c.fetchone()[0] % 2 == 1
            put(2 * n + 1)(connection)
            if fails:
                put(2 * n)(connection)
            return n

        return work

    tasks: dict[int, asyncio.Task[int]] = {}
    failing = set()
    for n in range(60):
        if random.random() < 0.2:
            failing.add(n)
        work = pair(n, reads=random.random() < 0.5, fails=n in failing)
        tasks[n] = asyncio.create_task(database.write(work, statements_only=random.random() < 0.7))
        for _ in range(random.randint(0, 3)):
            await asyncio.sleep(0)
        if random.random() < 0.3:
            tasks[random.randint(max(0, n - 3), n)].cancel()
    results = await asyncio.gather(*tasks.values(), return_exceptions=True)
    there = await keys(database)
    assert [key // 2 for key in there[::2]] == [key // 2 for key in there[1::2]]
    for n, result in enumerate(results):
        if n in failing:
            assert isinstance(result, Duplicate | asyncio.CancelledError) and 2 * n not in there
        elif not isinstance(result, asyncio.CancelledError):
            assert result == n and 2 * n in there


# ---------------------------------------------------------------- loops and the end


def test_one_loop_after_another(kind: str, tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "test.db")
    asyncio.run(run(database, TABLE))

    async def both(key: int) -> None:
        await asyncio.gather(
            database.write(put(key), statements_only=True),
            database.write(put(key + 1)),
            database.write(put(key + 2), statements_only=True),
        )

    for n in range(3):
        asyncio.run(both(10 * n))
    assert asyncio.run(keys(database)) == [10 * n + i for n in range(3) for i in range(3)]
    asyncio.run(database.close())


@ON_C
def test_a_loop_that_ends_in_the_middle_leaves_nothing_open(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "test.db")
    asyncio.run(run(database, TABLE))
    loop = asyncio.new_event_loop()
    left = database.write(put_slowly, statements_only=True)
    loop.call_soon(left.send, None)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    left.close()
    asyncio.run(database.write(put(3)))
    asyncio.run(database.write(put(4), statements_only=True))
    assert asyncio.run(keys(database)) == [3, 4]
    asyncio.run(database.close())


async def test_closed_it_has_done_what_it_took_and_refuses_the_rest(kind: str, tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "closing.db")
    await run(database, TABLE)
    taken = [asyncio.create_task(database.write(put(n), statements_only=bool(n % 3))) for n in range(20)]
    await asyncio.sleep(0)
    await asyncio.gather(database.close(), database.close())
    assert await asyncio.gather(*taken) == [(n,) for n in range(20)]
    with pytest.raises(Unavailable):
        await database.write(put(99), statements_only=True)
    assert not (tmp_path / "closing.db-wal").exists()
    other = sqlite3.connect(tmp_path / "closing.db")
    assert other.execute("SELECT COUNT(*) FROM t").fetchone() == (20,)
    other.close()
