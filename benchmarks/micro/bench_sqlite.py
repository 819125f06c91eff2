"""A transaction on the C thread beside the standard library on a thread of Python's.

Alone the two differ by the hop to the thread. The last group has what a server has: a thread that goes on computing,
and gives the interpreter's lock away only when it must. Only the C thread works meanwhile.
"""

from __future__ import annotations

import select
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from xinyu._fast.sqlite import Statement, Writer

ROWS = 20
INSERT = "REPLACE INTO t VALUES " + ",".join(["(?, ?, ?)"] * ROWS)
SELECT = "SELECT * FROM t ORDER BY k"
VALUES = [value for k in range(ROWS) for value in (k, f"message {k}", b"0123456789abcdef")]
TABLE = "CREATE TABLE t (k INTEGER PRIMARY KEY, v, w)"
# No disk: what is measured is the way there and back.
PRAGMAS = ["PRAGMA journal_mode=WAL", "PRAGMA synchronous=OFF"]


def wait(writer: Writer, statement: Statement) -> Statement:
    while not statement.done:
        select.select([writer], [], [])
        writer.poll()
    assert statement.error is None
    return statement


@contextmanager
def open_compiled(path: Path, meanwhile: Callable[[], None] = lambda: None) -> Iterator[Callable[[], list[Any]]]:
    writer = Writer(str(path / "c.db"), PRAGMAS, 16)
    wait(writer, writer.execute(TABLE))

    def transaction() -> list[Any]:
        writer.begin()
        writer.execute(INSERT, VALUES)
        read = writer.execute(SELECT)
        committed = writer.commit()
        meanwhile()
        wait(writer, committed)
        return read.rows

    yield transaction
    writer.close()


@contextmanager
def open_plain(path: Path, meanwhile: Callable[[], None] = lambda: None) -> Iterator[Callable[[], list[Any]]]:
    connection = sqlite3.connect(path / "p.db", isolation_level=None, check_same_thread=False)
    for pragma in (*PRAGMAS, TABLE):
        connection.execute(pragma)
    thread = ThreadPoolExecutor(1)

    def work() -> list[Any]:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(INSERT, VALUES)
        rows = connection.execute(SELECT).fetchall()
        connection.execute("COMMIT")
        return rows

    def transaction() -> list[Any]:
        answer = thread.submit(work)
        meanwhile()
        return answer.result()

    yield transaction
    thread.shutdown()
    connection.close()


def measure(benchmark: Any, transaction: Callable[[], list[Any]]) -> None:
    rows = benchmark(transaction)
    assert len(rows) == ROWS and rows[3] == (3, "message 3", b"0123456789abcdef")


@pytest.mark.benchmark(group="a transaction of 20 rows, written and read")
def bench_compiled(benchmark: Any, tmp_path: Path) -> None:
    with open_compiled(tmp_path) as transaction:
        measure(benchmark, transaction)


@pytest.mark.benchmark(group="a transaction of 20 rows, written and read")
def bench_plain(benchmark: Any, tmp_path: Path) -> None:
    with open_plain(tmp_path) as transaction:
        measure(benchmark, transaction)


@pytest.mark.benchmark(group="five of its statements handed over: what the asking thread pays")
def bench_hand_over(benchmark: Any, tmp_path: Path) -> None:
    writer = Writer(str(tmp_path / "h.db"), PRAGMAS, 16)
    wait(writer, writer.execute(TABLE))

    def hand_over() -> None:
        writer.begin()
        for _ in range(5):
            writer.execute(INSERT, VALUES)
        writer.commit()

    def idle() -> None:
        wait(writer, writer.execute(SELECT))

    benchmark.pedantic(hand_over, setup=idle, rounds=500)
    writer.close()


def compute() -> None:
    """Some 300 us of Python, as the loop's other events."""
    for _ in range(400):
        sum(range(100))


@pytest.mark.benchmark(group="the transaction while the asking thread computes for 300 us")
def bench_overlap_compiled(benchmark: Any, tmp_path: Path) -> None:
    with open_compiled(tmp_path, compute) as transaction:
        measure(benchmark, transaction)


@pytest.mark.benchmark(group="the transaction while the asking thread computes for 300 us")
def bench_overlap_plain(benchmark: Any, tmp_path: Path) -> None:
    with open_plain(tmp_path, compute) as transaction:
        measure(benchmark, transaction)


@pytest.mark.benchmark(group="the transaction while the asking thread computes for 300 us")
def bench_overlap_nothing_but_computing(benchmark: Any) -> None:
    benchmark(compute)
