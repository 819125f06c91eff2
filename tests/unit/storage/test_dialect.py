"""Statements that two engines spell differently."""

from __future__ import annotations

import sqlite3

import pytest

from xinyu.storage.dialect import MYSQL, SQLITE


@pytest.fixture
def table() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE pair (a INTEGER, b INTEGER, n TEXT NOT NULL, PRIMARY KEY (a, b)) WITHOUT ROWID")
    connection.executemany("INSERT INTO pair VALUES (?, ?, ?)", [(n, n * 2, str(n)) for n in range(100)])
    return connection


def test_among_finds_by_the_index(table: sqlite3.Connection) -> None:
    sql = f"SELECT p.n FROM {SQLITE.among('pair p', ('a', 'b'), 3)}"
    values = (3, 6, 5, 11, 99, 198)
    assert sorted(row[0] for row in table.execute(sql, values)) == ["3", "99"]
    plan = [row[3] for row in table.execute("EXPLAIN QUERY PLAN " + sql, values)]
    assert any("SEARCH p USING PRIMARY KEY" in step for step in plan)
    assert not any(step.startswith("SCAN p") for step in plan)
    assert MYSQL.among("pair p", ("a", "b"), 2) == (
        "(SELECT %s AS column1,%s AS column2 UNION ALL SELECT %s,%s) AS v STRAIGHT_JOIN pair p "
        "ON p.a = v.column1 AND p.b = v.column2"
    )


def test_upsert_overwrites_what_it_names_only(table: sqlite3.Connection) -> None:
    columns = ("a", "b", "n")
    table.execute(SQLITE.upsert("pair", columns, columns[:2], ("n",), 2), (1, 2, "one", 500, 1, "new"))
    assert table.execute("SELECT n FROM pair WHERE a IN (1, 500) ORDER BY a").fetchall() == [("one",), ("new",)]
    assert table.execute("SELECT COUNT(*) FROM pair").fetchone() == (101,)
    assert MYSQL.upsert("t", ("k", "v"), ("k",), ("v",), 2) == (
        "INSERT INTO t (`k`,`v`) VALUES (%s,%s),(%s,%s) ON DUPLICATE KEY UPDATE `v`=VALUES(`v`)"
    )


def test_placeholders() -> None:
    assert SQLITE.sql("a = ? AND b = ?") == "a = ? AND b = ?"
    assert MYSQL.sql("a = ? AND b = ?") == "a = %s AND b = %s"
    assert (SQLITE.marks(3), MYSQL.marks(2)) == ("?,?,?", "%s,%s")
