"""What a batch of sends reads, asked for together, is what the three single questions find."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from xinyu._fast import sqlite
from xinyu.storage import schema
from xinyu.storage.dialect import SQLITE
from xinyu.storage.sqlite import SqliteDatabase
from xinyu_services.message.model import Member, StoredMessage, TalkKey, TalkMode
from xinyu_services.message.store import IN_VALUES, MessageStore


@pytest.fixture(params=[True, False], ids=["C thread", "Python thread"])
async def database(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SqliteDatabase]:
    if not request.param:
        monkeypatch.setattr(sqlite, "available", lambda: False)
    database = SqliteDatabase(tmp_path / "x.db")
    await database.write(schema.apply)
    yield database
    await database.close()


async def test_a_batch_is_read_as_the_single_questions_read_it(database: SqliteDatabase) -> None:
    store = MessageStore(SQLITE)

    def write(connection: Connection) -> None:
        for talk_id in (10, 11, 12):
            store.insert_talk(connection, talk_id, TalkKey(TalkMode.SINGLE, talk_id, talk_id + 100))
        store.save_members(
            connection, [Member(t, u, 3, 1, 0, 0, 1, None, 0, 0, 0, 0, 0, 0) for t in (10, 11) for u in (t, t + 100)]
        )
        store.insert_messages(connection, [(StoredMessage(10, 1, "m1", 10, 1, '{"content":"?"}', "{}", 5), b"h" * 32)])

    await database.write(write, statements_only=True)
    ids, pairs, keys = [12, 10, 10, 99], [(10, 10), (11, 111), (12, 1)], [("m1", 10, 10), ("m2", 10, 10)]

    def single(connection: Connection) -> object:
        return (
            store.load_talks(connection, ids, lock=True),
            store.load_members(connection, pairs),
            store.find_sent(connection, keys),
        )

    together = await database.write(
        lambda connection: store.load_batch(connection, ids, pairs, keys), statements_only=True
    )
    assert together == await database.read(single)
    assert [len(each) for each in together] == [2, 2, 1]
    assert await database.write(lambda c: store.load_batch(c, [], [], []), statements_only=True) == ({}, {}, {})
    with pytest.raises(ValueError, match="more than"):
        await database.write(lambda c: store.load_batch(c, range(1, IN_VALUES + 2), [], []), statements_only=True)
