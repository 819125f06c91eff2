"""The Database contract on MariaDB, and what becomes of it when connections, servers and callers go away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pymysql
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, make_url, text
from sqlalchemy.util.concurrency import await_

from tests.local_servers import MariaDbServer, free_port, local_server, new_database
from xinyu.base.config import DatabaseSettings
from xinyu.storage.database import Duplicate, Retry, Unavailable, Work, cursor
from xinyu.storage.mysql import MySqlDatabase

TABLE = "CREATE TABLE t (k BIGINT PRIMARY KEY, v VARCHAR(190) UNIQUE, b BLOB) ENGINE=InnoDB"


@pytest.fixture(scope="module")
def url(mariadb: MariaDbServer) -> str:
    """A database with one empty table `t`."""
    made = new_database(mariadb)
    with outside(made) as connection:
        connection.cursor().execute(TABLE)
    return made


def outside(url: str) -> Any:
    """A plain connection of somebody else's, in autocommit."""
    parsed = make_url(url)
    return pymysql.connect(
        host=parsed.host or "",
        port=parsed.port or 0,
        user=parsed.username,
        password=parsed.password or "",
        database=parsed.database,
        autocommit=True,
    )


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[MySqlDatabase]:
    database = MySqlDatabase(DatabaseSettings(url=url, **settings))
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def database(url: str) -> AsyncIterator[MySqlDatabase]:
    with outside(url) as connection:
        connection.cursor().execute("DELETE FROM t")
    async with opened(url, lanes=2, connections=3, connect_timeout_s=20, statement_timeout_s=30) as database:
        yield database


def put(key: int, value: str | None = None) -> Work[int]:
    def work(connection: Connection) -> int:
        cursor(connection).execute("INSERT INTO t (k, v) VALUES (%s, %s)", (key, str(key) if value is None else value))
        return key

    return work


def run(sql: str) -> Work[None]:
    return lambda connection: cursor(connection).execute(sql) and None


def both(first: Work[Any], second: Work[Any]) -> Work[None]:
    def work(connection: Connection) -> None:
        first(connection)
        second(connection)

    return work


def keys(connection: Connection) -> list[int]:
    c = cursor(connection)
    c.execute("SELECT k FROM t ORDER BY k")
    return [row[0] for row in c.fetchall()]


def kill_own(url: str, connection: Connection) -> None:
    """The server ends the connection, as an operator might."""
    c = cursor(connection)
    c.execute("SELECT CONNECTION_ID()")
    kill(url, [c.fetchone()[0]])


def kill(url: str, ids: list[int]) -> None:
    """They are gone when it returns."""
    with outside(url) as other:
        for id_ in ids:
            other.cursor().execute(f"KILL {id_}")
    while set(ids) & set(connection_ids(url)):
        time.sleep(0.001)


def connection_ids(url: str) -> list[int]:
    """Of everybody who is connected to this database, but oneself."""
    with outside(url) as other:
        c = other.cursor()
        c.execute("SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()")
        return [row[0] for row in c.fetchall()]


both_kinds = pytest.mark.parametrize("statements_only", [False, True], ids=["core", "statements"])


# -------------------------------------------------------------------- the contract


@both_kinds
async def test_a_write_answers_what_its_work_returned_and_stands(
    database: MySqlDatabase, statements_only: bool
) -> None:
    await database.open()
    assert await database.write(put(7), statements_only=statements_only) == 7
    assert await database.read(keys) == [7]


async def test_a_reader_sees_one_snapshot_and_cannot_write(database: MySqlDatabase, url: str) -> None:
    def work(connection: Connection) -> tuple[list[int], list[int]]:
        before = keys(connection)
        with outside(url) as other:
            other.cursor().execute("INSERT INTO t (k) VALUES (1)")
        return before, keys(connection)

    assert await database.read(work) == ([], [])
    assert await database.read(keys) == [1]
    with pytest.raises(pymysql.err.OperationalError, match="READ ONLY"):
        await database.read(put(2))


async def test_a_writer_sees_what_others_commit_meanwhile(database: MySqlDatabase, url: str) -> None:
    def work(connection: Connection) -> tuple[list[int], list[int]]:
        before = keys(connection)
        with outside(url) as other:
            other.cursor().execute("INSERT INTO t (k) VALUES (1)")
        return before, keys(connection)

    assert await database.write(work) == ([], [1])


@both_kinds
async def test_work_that_raises_leaves_nothing(database: MySqlDatabase, statements_only: bool) -> None:
    def work(connection: Connection) -> None:
        put(1)(connection)
        raise KeyError("mine")

    with pytest.raises(KeyError):
        await database.write(work, statements_only=statements_only)
    assert await database.read(keys) == []
    await database.write(put(1), statements_only=statements_only)


@both_kinds
async def test_a_broken_key_is_a_duplicate_and_a_mistake_stays_one(
    database: MySqlDatabase, statements_only: bool
) -> None:
    def twice(connection: Connection) -> None:
        put(1)(connection)
        put(2, "1")(connection)

    with pytest.raises(Duplicate):
        await database.write(twice, statements_only=statements_only)
    with pytest.raises(pymysql.err.ProgrammingError):
        await database.write(both(put(1), run("NONSENSE")), statements_only=statements_only)
    with pytest.raises(pymysql.err.DataError):  # strict: nothing is cut to fit
        await database.write(put(3, "x" * 191), statements_only=statements_only)
    assert await database.read(keys) == []


async def test_a_statement_after_one_that_failed_does_not_run(database: MySqlDatabase) -> None:
    """All are sent together; the server must stop at the first that fails, the commit included."""

    def work(connection: Connection) -> None:
        for key, value in ((1, "a"), (2, "a"), (3, "b")):
            put(key, value)(connection)

    with pytest.raises(Duplicate):
        await database.write(work, statements_only=True)
    assert await database.write(put(9), statements_only=True) == 9
    assert await database.read(keys) == [9]


async def test_a_cursor_tells_after_the_transaction_what_its_statement_did(url: str, database: MySqlDatabase) -> None:
    with outside(url) as other:
        other.cursor().execute("CREATE TABLE IF NOT EXISTS numbered (id BIGINT PRIMARY KEY AUTO_INCREMENT, v INT)")

    for statements_only in (False, True):

        def work(connection: Connection) -> tuple[Any, Any]:
            inserted, changed = cursor(connection), cursor(connection)
            inserted.execute("INSERT INTO numbered (v) VALUES (%s)", (1,))
            changed.execute("UPDATE numbered SET v = %s", (1,))
            return inserted, changed

        inserted, changed = await database.write(work, statements_only=statements_only)
        assert inserted.lastrowid == changed.rowcount  # rows that were found, changed or not


async def test_rows_come_as_python_values(database: MySqlDatabase) -> None:
    def work(connection: Connection) -> Any:
        c = cursor(connection)
        c.execute("SELECT %s, %s, %s, NULL, CAST(2 AS SIGNED), SUM(1), '50%%'", (2**53, "é", b"\xff\x00"))
        first, rest = c.fetchone(), c.fetchall()
        assert rest == [] and c.fetchone() is None
        return tuple(first)

    for statements_only in (False, True):
        row = await database.write(work, statements_only=statements_only)
        assert row == (2**53, "é", b"\xff\x00", None, 2, 1, "50%")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.binary(max_size=60))
async def test_text_and_bytes_arrive_as_they_are(url: str, value: str, data: bytes) -> None:
    def work(connection: Connection) -> None:
        c = cursor(connection)
        c.execute("SELECT %s, %s", (value, data))
        (row,) = c.fetchall()
        assert row == (value, data)

    async with opened(url, connect_timeout_s=20) as database:
        for statements_only in (False, True):
            await database.write(work, statements_only=statements_only)


async def test_work_of_a_lane_runs_in_the_order_of_the_calls(database: MySqlDatabase) -> None:
    order: list[int] = []

    def work(number: int) -> Work[None]:
        def run(connection: Connection) -> None:
            cursor(connection).execute("SELECT SLEEP(0.001)")
            order.append(number)

        return run

    await asyncio.gather(
        *(database.write(work(n), lane=n % 2, statements_only=bool(n % 3)) for n in range(60))
    )
    assert [n for n in order if n % 2] == list(range(1, 60, 2))
    assert [n for n in order if not n % 2] == list(range(0, 60, 2))


async def test_a_closed_database_has_done_what_it_took_and_refuses_the_rest(url: str, database: MySqlDatabase) -> None:
    taken = [asyncio.ensure_future(database.write(put(n))) for n in range(20)]
    await asyncio.sleep(0)
    await database.close()
    await database.close()
    assert sorted(await asyncio.gather(*taken)) == list(range(20))
    for call in (database.read, database.write):
        with pytest.raises(Unavailable):
            await call(keys)
    assert connection_ids(url) == []


# -------------------------------------------------------------------- locks


async def test_a_deadlock_is_told_as_retry_and_leaves_nothing(url: str, database: MySqlDatabase) -> None:
    await database.write(put(1))
    await database.write(put(2))
    both_hold = asyncio.Barrier(2)

    def lock(first: int, second: int) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            c = cursor(connection)
            c.execute("UPDATE t SET b = %s WHERE k = %s", (b"x", first))
            assert c.rowcount == 1
            await_(asyncio.wait_for(both_hold.wait(), 20))
            c.execute("UPDATE t SET b = %s WHERE k = %s", (b"x", second))
            assert c.rowcount == 1

        return work

    results = await asyncio.gather(
        database.write(lock(1, 2), lane=0, statements_only=True),
        database.write(lock(2, 1), lane=1, statements_only=True),
        return_exceptions=True,
    )
    assert {type(result) for result in results} == {Retry, type(None)}


@both_kinds
async def test_a_row_lock_that_is_not_given_is_told_as_retry(url: str, statements_only: bool) -> None:
    async with opened(url, statement_timeout_s=2.5) as database:
        with outside(url) as other:
            c = other.cursor()
            c.execute("REPLACE INTO t (k) VALUES (70)")
            c.execute("BEGIN")
            c.execute("UPDATE t SET b = 'held' WHERE k = 70")
            with pytest.raises(Retry):
                await database.write(
                    both(put(71), run("UPDATE t SET b = 'mine' WHERE k = 70")), statements_only=statements_only
                )
            c.execute("ROLLBACK")
        assert 71 not in await database.read(keys)


# -------------------------------------------------------------------- deadlines and bounds


@both_kinds
async def test_a_transaction_that_takes_too_long_is_unavailable_and_leaves_nothing(
    url: str, statements_only: bool
) -> None:
    async with opened(url, statement_timeout_s=0.5, lanes=1) as database:
        await database.write(run("DELETE FROM t"))

        def work(connection: Connection) -> None:
            c = cursor(connection)
            c.execute("INSERT INTO t (k) VALUES (1)")
            c.execute("SELECT SLEEP(600)")
            c.fetchall()

        with pytest.raises(Unavailable):
            await database.write(work, lane=0, statements_only=statements_only)
        assert await database.write(put(2), lane=0, statements_only=statements_only) == 2
        assert await database.read(keys) == [2]
        for id_ in connection_ids(url):
            kill(url, [id_])  # the server sleeps on


async def test_who_waits_too_long_for_a_connection_hears_it_and_lanes_keep_theirs(url: str) -> None:
    async with opened(url, connections=1, lanes=1, connect_timeout_s=1, statement_timeout_s=60) as database:
        holding = asyncio.Event()
        go_on = asyncio.Event()

        def hold(connection: Connection) -> None:
            holding.set()
            await_(go_on.wait())

        held = asyncio.ensure_future(database.write(hold))
        await holding.wait()
        with pytest.raises(Unavailable, match="no connection"):
            await database.write(put(80))
        await database.write(put(81), lane=0, statements_only=True)
        await database.read(keys)
        go_on.set()
        await held


async def test_nobody_there_and_not_let_in_are_unavailable(url: str) -> None:
    nobody = make_url(url).set(port=free_port()).render_as_string(hide_password=False)
    stranger = make_url(url).set(password="wrong").render_as_string(hide_password=False)
    for address, words in ((nobody, "Can't connect"), (stranger, "Access denied")):
        async with opened(address) as database:
            with pytest.raises(Unavailable, match=words):
                await database.open()
            with pytest.raises(Unavailable, match=words):
                await database.write(put(1), statements_only=True)


async def test_a_server_that_says_nothing_is_given_up(url: str) -> None:
    """Connected, but no greeting ever comes."""
    writers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _reader, writer: writers.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    address = make_url(url).set(port=port).render_as_string(hide_password=False)
    async with opened(address, connect_timeout_s=0.3) as database:
        with pytest.raises(Unavailable):
            await database.read(keys)
    silent.close()
    for writer in writers:
        writer.close()


# -------------------------------------------------------------------- cancellation


@both_kinds
async def test_a_caller_who_goes_leaves_no_half_transaction(
    url: str, database: MySqlDatabase, statements_only: bool
) -> None:
    for turns in range(0, 60, 3):
        call = asyncio.ensure_future(
            database.write(
                both(put(1), both(keys, put(2))), lane=0, statements_only=statements_only
            )
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        held = await database.write(keys, lane=0)
        assert held in ([], [1, 2])
        await database.write(run("DELETE FROM t"), lane=0)


async def test_a_cancelled_call_ends_as_cancelled_wherever_it_stands(url: str) -> None:
    for turns in range(60):
        async with opened(url, connections=1, connect_timeout_s=20) as database:
            call = asyncio.ensure_future(database.read(keys))
            for _ in range(turns):
                await asyncio.sleep(0)
            if call.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await call
            assert isinstance(await database.read(keys), list)


# -------------------------------------------------------------------- connections that are lost


@both_kinds
async def test_connections_that_were_ended_while_idle_fail_nobody(
    url: str, database: MySqlDatabase, statements_only: bool
) -> None:
    await database.write(put(1), lane=0, statements_only=statements_only)
    await database.read(keys)
    kill(url, connection_ids(url))
    await database.write(put(2), lane=0, statements_only=statements_only)
    assert await database.read(keys) == [1, 2]


@both_kinds
async def test_work_whose_connection_is_lost_before_the_commit_runs_once_more(
    url: str, database: MySqlDatabase, statements_only: bool
) -> None:
    await database.write(put(1), lane=0, statements_only=statements_only)
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(1)
        if len(tries) == 1:
            kill_own(url, connection)
        put(2)(connection)
        keys(connection)

    await database.write(work, lane=0, statements_only=statements_only)
    assert len(tries) == 2
    assert await database.read(keys) == [1, 2]

    def always(connection: Connection) -> None:
        kill_own(url, connection)
        keys(connection)

    with pytest.raises(Unavailable):
        await database.write(always, lane=0, statements_only=statements_only)
    await database.write(put(3), lane=0, statements_only=statements_only)


@both_kinds
async def test_a_commit_whose_answer_is_lost_is_unavailable_and_not_run_again(
    url: str, database: MySqlDatabase, statements_only: bool
) -> None:
    server = make_url(url)
    tries: list[int] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hands on until a COMMIT has passed; its answer does not."""
        behind_reader, behind_writer = await asyncio.open_connection(server.host, server.port)
        is_committing = asyncio.Event()

        async def forth() -> None:
            while data := await reader.read(65536):
                if b"COMMIT" in data and tries:
                    is_committing.set()
                behind_writer.write(data)
            behind_writer.close()

        async def back() -> None:
            while data := await behind_reader.read(65536):
                if is_committing.is_set():
                    break
                writer.write(data)
            writer.close()

        await asyncio.gather(forth(), back(), return_exceptions=True)

    proxy = await asyncio.start_server(relay, "127.0.0.1", 0)
    address = server.set(port=proxy.sockets[0].getsockname()[1]).render_as_string(hide_password=False)

    def work(connection: Connection) -> None:
        tries.append(1)
        put(5)(connection)

    async with opened(address, statement_timeout_s=10) as through:
        await through.write(lambda c: keys(c) and None, lane=0, statements_only=statements_only)
        with pytest.raises(Unavailable):
            await through.write(work, lane=0, statements_only=statements_only)
    proxy.close()
    assert len(tries) == 1
    assert await database.read(keys) == [5]


async def test_a_server_that_starts_again_is_found_again() -> None:
    with local_server(MariaDbServer) as server:
        url = server.url
        with outside(url) as connection:
            connection.cursor().execute(TABLE)
        async with opened(url, connect_timeout_s=20) as database:
            await database.write(put(1), lane=0, statements_only=True)
            await database.read(keys)
            await asyncio.to_thread(server.stop)
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await database.write(put(2), lane=0, statements_only=True)
                with pytest.raises(Unavailable):
                    await database.read(keys)
            await asyncio.to_thread(server.start)
            await database.write(put(2), lane=0, statements_only=True)
            assert await database.read(keys) == [1, 2]


async def test_the_session_does_not_depend_on_the_server_s_settings(database: MySqlDatabase) -> None:
    names = "@@sql_mode, @@collation_connection, @@autocommit, @@time_zone"
    (mode, collation, autocommit, zone) = await database.read(lambda c: c.execute(text(f"SELECT {names}")).one())
    assert "STRICT_ALL_TABLES" in mode and "NO_BACKSLASH_ESCAPES" not in mode
    assert (collation, autocommit, zone) == ("utf8mb4_bin", 0, "+00:00")
