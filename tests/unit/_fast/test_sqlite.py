"""Statements on the C thread beside the same ones on the standard library's sqlite3."""

from __future__ import annotations

import asyncio
import gc
import math
import select
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinyu._fast.sqlite import MAX_WAITING, MAX_WAITING_BYTES, QueueFull, Statement, Writer, available

pytestmark = pytest.mark.skipif(not available(), reason="this interpreter's SQLite cannot be called from C")

DEADLINE_S = 60.0
FOR_EVER = "WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c) SELECT MAX(n) FROM c"


def wait(writer: Writer, *statements: Statement) -> Statement:
    """The last of `statements`, once all are done."""
    until_s = time.monotonic() + DEADLINE_S
    while not all(statement.done for statement in statements):
        assert select.select([writer], [], [], until_s - time.monotonic())[0], "nothing happened"
        writer.poll()
    return statements[-1]


def run(writer: Writer, sql: str, parameters: Any = ()) -> Statement:
    statement = wait(writer, writer.execute(sql, parameters))
    if statement.error is not None:
        raise statement.error
    return statement


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(str(tmp_path / "x.db"), ["PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"], 16)
    run(writer, "CREATE TABLE t (k INTEGER PRIMARY KEY, v)")
    yield writer
    assert writer.close()


# ---------------------------------------------------------------- the oracle

values = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.booleans(),
)


def same(one: Any, other: Any) -> bool:
    """Equal and of one type, -0.0 told from 0.0."""
    return type(one) is type(other) and one == other and (
        not isinstance(one, float) or math.copysign(1, one) == math.copysign(1, other)
    )  # fmt: skip


@given(rows=st.lists(st.lists(values, min_size=1, max_size=5), max_size=5), as_tuple=st.booleans())
@settings(max_examples=150)
def test_values_come_back_as_from_the_standard_library(rows: list[list[Any]], as_tuple: bool) -> None:
    # Without affinity columns give back what they were given.
    writer, oracle = Writer(":memory:", [], 4), sqlite3.connect(":memory:")
    try:
        for row in rows:
            sql = f"VALUES ({','.join('?' * len(row))}), (1{', NULL' * (len(row) - 1)})"
            parameters = tuple(row) if as_tuple else row
            got, expected = run(writer, sql, parameters).rows, oracle.execute(sql, parameters).fetchall()
            assert len(got) == len(expected) == 2
            for one, other in zip(got, expected, strict=True):
                assert type(one) is tuple and len(one) == len(other)
                assert all(same(a, b) for a, b in zip(one, other, strict=True)), (one, other)
    finally:
        writer.close()
        oracle.close()


KEYS = st.integers(1, 6)
steps = st.one_of(
    st.tuples(st.just("INSERT INTO t VALUES (?, ?)"), st.tuples(KEYS, values)),
    st.tuples(st.just("REPLACE INTO t VALUES (?, ?)"), st.tuples(KEYS, values)),
    st.tuples(st.just("INSERT INTO t (v) VALUES (?)"), st.tuples(values)),
    st.tuples(st.just("UPDATE t SET v = ? WHERE k < ?"), st.tuples(values, KEYS)),
    st.tuples(st.just("  delete FROM t WHERE k = ? -- gone"), st.tuples(KEYS)),
    st.tuples(st.just("SELECT k, v, typeof(v) FROM t WHERE k >= ? ORDER BY k"), st.tuples(KEYS)),
    st.tuples(st.just("SELECT * FROM t ORDER BY k; -- and nothing"), st.just(())),
    st.tuples(st.just("INSERT INTO t VALUES (?, NULL) RETURNING k"), st.tuples(KEYS)),
    st.tuples(st.just("SELECT 1; SELECT 2"), st.just(())),
    st.tuples(st.just("SELECT ?, ?"), st.tuples(KEYS)),
    st.tuples(st.just("-- only a comment"), st.just(())),
    st.tuples(st.just("NONSENSE"), st.just(())),
    st.tuples(st.just("SELECT CAST(x'ff' AS TEXT)"), st.just(())),
)  # fmt: skip


def plain(connection: sqlite3.Connection, sql: str, parameters: Any) -> Any:
    """What the standard library says: (rows, lastrowid, rowcount), or the error's class and code."""
    cursor = connection.cursor()
    try:
        rows = cursor.execute(sql, parameters).fetchall()
    except sqlite3.Error as error:
        return type(error), getattr(error, "sqlite_errorcode", None)
    return rows, cursor.lastrowid, cursor.rowcount


def compiled(writer: Writer, sql: str, parameters: Any) -> Any:
    try:
        statement = run(writer, sql, parameters)
    except sqlite3.Error as error:
        return type(error), getattr(error, "sqlite_errorcode", None)
    return statement.rows, statement.lastrowid, statement.rowcount


@given(script=st.lists(steps, max_size=12), cached=st.integers(1, 3))
@settings(max_examples=150)
def test_a_script_goes_as_it_does_with_the_standard_library(script: list[tuple[str, Any]], cached: int) -> None:
    writer, oracle = Writer(":memory:", [], cached), sqlite3.connect(":memory:", isolation_level=None)
    try:
        run(writer, "CREATE TABLE t (k INTEGER PRIMARY KEY, v)")
        oracle.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v)")
        for sql, parameters in script:
            got, expected = compiled(writer, sql, parameters), plain(oracle, sql, parameters)
            if sql.startswith("--"):  # runs nothing, so that a row number means nothing
                assert got[0] == expected[0] == []
            else:
                assert repr(got) == repr(expected), (sql, parameters)
    finally:
        writer.close()
        oracle.close()


class Colour(IntEnum):
    RED = 7


def test_subclasses_are_taken_for_what_they_are(writer: Writer) -> None:
    class Name(str):
        pass

    assert run(writer, "SELECT ?, ?, ?", (Colour.RED, True, Name("n"))).rows == [(7, 1, "n")]
    assert run(writer, "SELECT ?, ?", [math.inf, math.nan]).rows == [(math.inf, None)]
    assert run(writer, "SELECT ?, ?, length(?)", ("a\0b", b"\0", "a\0b")).rows == [("a\0b", b"\0", 1)]


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ((object(),), TypeError),
        ((bytearray(b"x"),), TypeError),
        (({},), TypeError),
        ((1, 2j), TypeError),
        ({"a": 1}, TypeError),
        ("a", TypeError),
        (None, TypeError),
        ((2**63,), OverflowError),
        ((-(2**63) - 1,), OverflowError),
        (("\ud800",), UnicodeEncodeError),
    ],
)
def test_values_that_sqlite_does_not_have_are_refused_at_once(
    writer: Writer, parameters: Any, error: type[Exception]
) -> None:
    for sql in ("SELECT ?", "SELECT ? -- another", "SELECT ?"):
        with pytest.raises(error):
            writer.execute(sql, parameters)
    assert run(writer, "SELECT ?", (1,)).rows == [(1,)]


def test_texts_that_are_none_are_refused_at_once(writer: Writer) -> None:
    for sql in ("SELECT 1\0", "SELECT '\ud800'"):
        with pytest.raises((sqlite3.ProgrammingError, UnicodeEncodeError)):
            writer.execute(sql)
    for sql in (None, b"SELECT 1", 1):
        with pytest.raises(TypeError):
            writer.execute(sql)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Statement()


@pytest.mark.parametrize("cached", [0, 100_001])
def test_the_number_of_cached_statements_has_bounds(cached: int) -> None:
    with pytest.raises(ValueError, match="cached_statements"):
        Writer(":memory:", [], cached)


@pytest.mark.parametrize("file", [None, "", "/no/such/library.so", "libc.so.6"])
def test_where_sqlite_s_functions_are_not_found_it_is_not_available(file: str | None) -> None:
    code = (
        f"import _sqlite3; _sqlite3.__file__ = {file!r}\n"
        "from xinyu._fast.sqlite import Writer, available\n"
        "print(available())\n"
        "try: Writer(':memory:', [], 1)\n"
        "except RuntimeError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("False\nthe interpreter's SQLite cannot be called from here\n", "")


# ---------------------------------------------------------------- the cache of statements


def test_more_texts_than_are_cached_and_a_changed_schema(tmp_path: Path) -> None:
    writer = Writer(str(tmp_path / "x.db"), [], 3)
    run(writer, "CREATE TABLE t (a)")
    run(writer, "INSERT INTO t VALUES (1)")
    for n in (0, 1, 2, 3, 2, 1, 0, 9, 8, 7, 0, 0, 3):
        statements = [writer.execute(f"SELECT {n + i}, * FROM t") for i in range(5)]
        wait(writer, *statements)
        assert [statement.rows for statement in statements] == [[(n + i, 1)] for i in range(5)]
    assert run(writer, "SELECT * FROM t").rows == [(1,)]
    run(writer, "ALTER TABLE t ADD COLUMN b DEFAULT 'x'")
    assert run(writer, "SELECT * FROM t").rows == [(1, "x")]
    # A text that could not be prepared is no worse for it.
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            run(writer, "SELECT * FROM later")
    run(writer, "CREATE TABLE later (a)")
    assert run(writer, "SELECT * FROM later").rows == []
    writer.close()


# ---------------------------------------------------------------- transactions


def test_a_transaction_is_committed_whole(writer: Writer, tmp_path: Path) -> None:
    reader = sqlite3.connect(tmp_path / "x.db")
    begun = writer.begin()
    inserted = [writer.execute("INSERT INTO t (v) VALUES (?)", (n,)) for n in range(3)]
    wait(writer, *inserted)
    assert reader.execute("SELECT COUNT(*) FROM t").fetchone() == (0,)
    committed = wait(writer, writer.commit())
    assert begun.done and begun.error is committed.error is None
    assert [(s.lastrowid, s.rowcount, s.rows) for s in inserted] == [(1, 1, []), (2, 1, []), (3, 1, [])]
    assert reader.execute("SELECT v FROM t ORDER BY k").fetchall() == [(0,), (1,), (2,)]
    reader.close()


def test_what_follows_an_error_fails_alike_and_nothing_is_kept(writer: Writer) -> None:
    begin = writer.begin()
    good = writer.execute("INSERT INTO t VALUES (1, 'a')")
    broken = writer.execute("INSERT INTO t VALUES (1, 'b')")
    skipped = writer.execute("INSERT INTO t VALUES (2, 'c')")
    commit = wait(writer, writer.commit())
    assert begin.error is None and good.error is None
    for statement in (broken, skipped, commit):
        assert isinstance(statement.error, sqlite3.IntegrityError)
        assert statement.error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
        assert str(statement.error) == "UNIQUE constraint failed: t.k"
        assert statement.rows == []
    assert run(writer, "SELECT COUNT(*) FROM t").rows == [(0,)]
    # An error outside of a transaction concerns nobody else, and the next transaction is a new one.
    with pytest.raises(sqlite3.OperationalError):
        run(writer, "NONSENSE")
    wait(writer, writer.begin(), writer.execute("INSERT INTO t VALUES (?, ?)", (1, "d")), writer.commit())
    assert run(writer, "SELECT * FROM t").rows == [(1, "d")]


def test_errors_that_are_not_sqlite_s_end_a_transaction_too(writer: Writer) -> None:
    writer.begin()
    wrong = writer.execute("INSERT INTO t VALUES (?, ?)", (1,))
    commit = wait(writer, writer.commit())
    assert isinstance(wrong.error, sqlite3.ProgrammingError) and isinstance(commit.error, sqlite3.ProgrammingError)
    assert str(wrong.error) == (
        "Incorrect number of bindings supplied. The current statement uses 2, and there are 1 supplied."
    )


def test_rolling_back_and_leaving_in_the_middle(writer: Writer) -> None:
    writer.begin()
    writer.execute("INSERT INTO t VALUES (1, 1)")
    assert wait(writer, writer.rollback()).error is None
    assert wait(writer, writer.rollback()).error is None
    writer.begin()
    writer.execute("INSERT INTO t VALUES (2, 2)")
    writer.begin()  # whoever began before has gone
    writer.execute("INSERT INTO t VALUES (3, 3)")
    assert wait(writer, writer.commit()).error is None
    assert run(writer, "SELECT k FROM t").rows == [(3,)]
    assert isinstance(wait(writer, writer.commit()).error, sqlite3.OperationalError)


def test_a_constraint_that_is_looked_at_by_the_commit(writer: Writer) -> None:
    run(writer, "PRAGMA foreign_keys=ON")
    run(writer, "CREATE TABLE child (k REFERENCES t (k) DEFERRABLE INITIALLY DEFERRED)")
    writer.begin()
    inserted = writer.execute("INSERT INTO child VALUES (9)")
    commit = wait(writer, writer.commit())
    assert inserted.error is None and isinstance(commit.error, sqlite3.IntegrityError)
    assert wait(writer, writer.begin(), writer.commit()).error is None
    assert run(writer, "SELECT COUNT(*) FROM child").rows == [(0,)]


# ---------------------------------------------------------------- the file


def test_a_file_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    writer = Writer(str(tmp_path / "later/x.db"), [], 4)
    for _ in range(2):
        begin = writer.begin()
        commit = wait(writer, writer.commit())
        for statement in (begin, commit):
            assert isinstance(statement.error, sqlite3.OperationalError)
            assert statement.error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CANTOPEN
    (tmp_path / "later").mkdir()
    assert run(writer, "SELECT 1").rows == [(1,)]
    writer.close()


def test_no_database_and_bad_pragmas(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"certainly no database" * 100)
    writer = Writer(str(tmp_path / "x.db"), ["PRAGMA journal_mode=WAL"], 4)
    with pytest.raises(sqlite3.DatabaseError, match="not a database") as caught:
        run(writer, "SELECT * FROM sqlite_master")
    assert caught.value.sqlite_errorcode == sqlite3.SQLITE_NOTADB
    writer.close()
    writer = Writer(":memory:", ["NONSENSE"], 4)
    with pytest.raises(sqlite3.OperationalError, match="NONSENSE"):
        run(writer, "SELECT 1")
    writer.close()
    with pytest.raises(ValueError, match="null"):
        Writer("a\0b", [], 4)


def test_another_s_lock_is_busy(writer: Writer, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer.begin()
    inserted = writer.execute("INSERT INTO t VALUES (1, 1)")
    commit = wait(writer, writer.commit())
    for statement in (inserted, commit):
        assert isinstance(statement.error, sqlite3.OperationalError)
        assert statement.error.sqlite_errorcode == sqlite3.SQLITE_BUSY
    other.execute("ROLLBACK")
    writer.begin()
    writer.execute("INSERT INTO t VALUES (1, 1)")
    assert wait(writer, writer.commit()).error is None
    assert other.execute("SELECT * FROM t").fetchall() == [(1, 1)]
    other.close()


def test_a_full_disk_rolls_back(writer: Writer) -> None:
    run(writer, f"PRAGMA max_page_count={run(writer, 'PRAGMA page_count').rows[0][0] + 2}")
    writer.begin()
    for n in range(3):
        writer.execute("INSERT INTO t VALUES (?, ?)", (n, b"x" * 5000))
    commit = wait(writer, writer.commit())
    assert isinstance(commit.error, sqlite3.OperationalError)
    assert commit.error.sqlite_errorcode == sqlite3.SQLITE_FULL
    assert run(writer, "SELECT COUNT(*) FROM t").rows == [(0,)]


# ---------------------------------------------------------------- bounds


def test_a_result_has_a_greatest_size(writer: Writer) -> None:
    with pytest.raises(sqlite3.DataError, match="too large") as caught:
        run(writer, "SELECT zeroblob(1 << 20) FROM (WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c "
            "LIMIT 100) SELECT n FROM c)")  # fmt: skip
    assert caught.value.sqlite_errorcode == sqlite3.SQLITE_TOOBIG
    assert run(writer, "SELECT length(zeroblob(1 << 20))").rows == [(1 << 20,)]
    # Results that nobody fetches count together.
    statements = [writer.execute("SELECT zeroblob(? << 20)", (30,)) for _ in range(5)]
    until_s = time.monotonic() + DEADLINE_S
    while not select.select([writer], [], [], 1)[0] and time.monotonic() < until_s:
        pass
    wait(writer, *statements)
    assert any(statement.error is None for statement in statements)


def test_the_queue_has_a_greatest_length_and_size(writer: Writer) -> None:
    busy = writer.execute(FOR_EVER)
    taken = []
    with pytest.raises(QueueFull) as caught:
        for _ in range(MAX_WAITING + 2):
            taken.append(writer.execute("SELECT 1"))
    assert caught.value.sqlite_errorcode == sqlite3.SQLITE_NOMEM
    assert MAX_WAITING - 1 <= len(taken) <= MAX_WAITING + 1
    assert writer.close()
    assert all(statement.done and statement.error is not None for statement in (busy, *taken))


def test_values_have_a_greatest_size(writer: Writer) -> None:
    busy = writer.execute(FOR_EVER)
    half = b"x" * (MAX_WAITING_BYTES // 2)
    with pytest.raises(sqlite3.DataError):
        writer.execute("SELECT ?, ?, ?", (half, half, half))
    with pytest.raises(QueueFull):
        for _ in range(3):
            writer.execute("SELECT length(?)", (half,))
    assert writer.close()
    assert isinstance(busy.error, sqlite3.OperationalError)
    assert busy.error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT


# ---------------------------------------------------------------- the end


def test_closing_interrupts_refuses_and_rolls_back(tmp_path: Path) -> None:
    writer = Writer(str(tmp_path / "x.db"), [], 4)
    run(writer, "CREATE TABLE t (k)")
    writer.begin()
    inserted = writer.execute("INSERT INTO t VALUES (1)")
    wait(writer, inserted)
    running, waiting = writer.execute(FOR_EVER), writer.commit()
    assert writer.close()
    for statement in (running, waiting):
        assert isinstance(statement.error, sqlite3.OperationalError)
        assert statement.error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT
    assert writer.close()
    writer.poll()
    for call in (lambda: writer.execute("SELECT 1"), writer.begin, writer.commit, writer.rollback, writer.fileno):
        with pytest.raises(sqlite3.ProgrammingError):
            call()
    other = sqlite3.connect(tmp_path / "x.db")
    assert other.execute("SELECT COUNT(*) FROM t").fetchone() == (0,)
    other.close()


def test_a_writer_that_was_only_dropped_lets_go_of_its_file(tmp_path: Path) -> None:
    writer = Writer(str(tmp_path / "x.db"), [], 4)
    run(writer, "CREATE TABLE t (k)")
    writer.begin()
    wait(writer, writer.execute("INSERT INTO t VALUES (1)"))
    left = writer.execute(FOR_EVER)
    del writer
    gc.collect()
    other = sqlite3.connect(tmp_path / "x.db", timeout=DEADLINE_S)
    other.execute("INSERT INTO t VALUES (2)")
    assert other.execute("SELECT * FROM t").fetchall() == [(2,)]
    other.close()
    assert not left.done


def test_a_program_may_end_with_work_in_flight(tmp_path: Path) -> None:
    code = (
        "import sys; from xinyu._fast.sqlite import Writer; w = Writer(sys.argv[1], [], 4); "
        f"w.begin(); w.execute({FOR_EVER!r}); print('out')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.db")], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "")


async def test_waiters_wake_up(writer: Writer) -> None:
    loop = asyncio.get_running_loop()
    loop.add_reader(writer, writer.poll)
    statement = writer.execute("SELECT 1")
    statement.waiter = loop.create_future()
    await asyncio.wait_for(statement.waiter, DEADLINE_S)
    assert statement.done and statement.rows == [(1,)] and statement.waiter is None
    statement = writer.execute("SELECT 2")
    statement.waiter = gone = loop.create_future()
    gone.cancel()
    other = writer.execute("SELECT 3")
    other.waiter = loop.create_future()
    await asyncio.wait_for(other.waiter, DEADLINE_S)
    assert statement.rows == [(2,)]
    loop.remove_reader(writer)


def test_a_waiter_that_breaks_harms_no_other(writer: Writer) -> None:
    first, second = writer.execute("SELECT 1"), writer.execute("SELECT 2")
    first.waiter = object()  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        wait(writer, first, second)
    assert wait(writer, second).rows == [(2,)] and first.done
    assert run(writer, "SELECT 3").rows == [(3,)]
