"""The history of the schema, and the lease of a process."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, text

from xinyu.storage import lease, meta, schema
from xinyu.storage.dialect import SQLITE
from xinyu.storage.sqlite import SqliteDatabase
from xinyu.storage.versions import VersionCounter


@pytest.fixture
async def database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path / "x.db")


async def test_applying_twice_does_nothing_the_second_time(database: SqliteDatabase) -> None:
    before = await database.write(schema.status)
    assert before.current is None and len(before.pending) >= 7
    assert await database.write(schema.apply) == before.pending
    epoch = await database.read(lambda c: meta.load_epoch(c, SQLITE))
    assert await database.write(schema.apply) == ()
    after = await database.read(schema.status)
    assert (after.current, after.pending) == (after.head, ())
    assert await database.read(lambda c: meta.load_epoch(c, SQLITE)) == epoch
    await database.close()


async def test_what_crashes_in_the_middle_leaves_nothing(database: SqliteDatabase) -> None:
    def crashes(connection: Connection) -> None:
        schema.apply(connection)
        raise KeyError("power cut")

    with pytest.raises(KeyError):
        await database.write(crashes)
    assert await database.read(lambda c: inspect(c).get_table_names()) == []
    assert len(await database.write(schema.apply)) >= 7
    await database.close()


async def test_a_newer_schema_is_refused(database: SqliteDatabase) -> None:
    await database.write(schema.apply)

    def newer(connection: Connection) -> None:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    await database.write(newer)
    with pytest.raises(schema.SchemaError, match="9999"):
        await database.write(schema.apply)
    await database.close()


async def test_a_database_without_epoch_says_what_to_do(database: SqliteDatabase) -> None:
    await database.write(schema.apply)
    await database.write(lambda c: c.execute(text("DELETE FROM meta")) and None)
    with pytest.raises(LookupError, match="xinyu migrate"):
        await database.read(lambda c: meta.load_epoch(c, SQLITE))
    await database.write(lambda c: meta.begin_epoch(c, SQLITE))
    assert await database.read(lambda c: meta.load_epoch(c, SQLITE))
    await database.close()


async def test_unique_keys_and_indexes_stand(database: SqliteDatabase) -> None:
    await database.write(schema.apply)

    def found(connection: Connection) -> tuple[set[str | None], set[str | None]]:
        inspector = inspect(connection)
        unique = {u["name"] for table in ("talk", "message") for u in inspector.get_unique_constraints(table)}
        indexes = {
            i["name"]
            for table in ("talk_member", "message_change", "talk_session")
            for i in inspector.get_indexes(table)
        }
        return unique, indexes

    unique, indexes = await database.read(found)
    assert unique == {"talk_pair", "talk_group", "message_msg_id"}
    assert indexes == {"talk_member_change", "message_change_change", "talk_session_version", "talk_session_dead"}
    await database.close()


async def test_a_lease_that_was_taken_over_is_not_renewed(database: SqliteDatabase) -> None:
    await database.write(schema.apply)
    await database.write(lambda c: lease.take_over(c, SQLITE, "first"))
    assert await database.write(lambda c: lease.renew(c, SQLITE, "first"))
    await database.write(lambda c: lease.take_over(c, SQLITE, "second"))
    assert not await database.write(lambda c: lease.renew(c, SQLITE, "first"))
    await database.write(lambda c: lease.end(c, SQLITE, "second"))
    assert not await database.write(lambda c: lease.renew(c, SQLITE, "second"))
    await database.close()


async def test_who_begins_again_ends_his_earlier_life_and_no_others(database: SqliteDatabase) -> None:
    await database.write(schema.apply)
    await database.write(lambda c: lease.begin(c, SQLITE, "first", "svc-user@10.0.0.1:8073"))
    await database.write(lambda c: lease.begin(c, SQLITE, "other", "svc-user@10.0.0.2:8073"))
    await database.write(lambda c: lease.begin(c, SQLITE, "nameless"))
    await database.write(lambda c: lease.begin(c, SQLITE, "second", "svc-user@10.0.0.1:8073"))
    await database.write(lambda c: lease.begin(c, SQLITE, "second", "svc-user@10.0.0.1:8073"))  # its answer was lost
    assert sorted(await database.read(lambda c: lease.alive(c, SQLITE))) == ["nameless", "other", "second"]
    assert not await database.write(lambda c: lease.renew(c, SQLITE, "first"))
    await database.close()


async def test_versions_count_each_user_by_himself(database: SqliteDatabase) -> None:
    await database.write(schema.apply)
    counter = VersionCounter("talk", SQLITE)

    def work(connection: Connection) -> list[int]:
        return [counter.next(connection, user) for user in (1, 1, 2, 1)]

    assert await database.write(work) == [1, 2, 1, 3]
    await database.write(lambda c: counter.raise_floor(c, 1, 2))
    await database.write(lambda c: counter.raise_floor(c, 1, 1))
    assert await database.read(lambda c: [counter.load(c, u) for u in (1, 2, 3)]) == [(3, 2), (1, 0), (0, 0)]
    await database.close()
