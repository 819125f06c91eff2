"""A user's numbers in a room: 1, 2, 3, taken inside the transaction, given back by a rollback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine

from xinyu.storage.dialect import SQLITE
from xinyu.storage.versions import VersionCounter


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as opened:
        opened.exec_driver_sql(
            "CREATE TABLE room_version (user_id INTEGER PRIMARY KEY, version INTEGER, floor INTEGER DEFAULT 0)"
        )
        opened.commit()
        yield opened
    engine.dispose()


COUNTER = VersionCounter("room", SQLITE)


def test_each_user_counts_for_himself(connection: Connection) -> None:
    assert COUNTER.load(connection, 7) == (0, 0)
    assert [COUNTER.next(connection, 7) for _ in range(3)] == [1, 2, 3]
    assert COUNTER.next(connection, 8) == 1
    assert COUNTER.load(connection, 7) == (3, 0)


def test_a_rollback_gives_the_number_back(connection: Connection) -> None:
    with connection.begin():
        COUNTER.next(connection, 7)
    with connection.begin() as transaction:
        assert COUNTER.next(connection, 7) == 2
        transaction.rollback()
    with connection.begin():
        assert COUNTER.next(connection, 7) == 2


def test_the_floor_only_rises(connection: Connection) -> None:
    for _ in range(5):
        COUNTER.next(connection, 7)
    COUNTER.raise_floor(connection, 7, 3)
    COUNTER.raise_floor(connection, 7, 2)
    assert COUNTER.load(connection, 7) == (5, 3)
