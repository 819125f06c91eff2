"""Several processes of the message and talk rooms on one MariaDB at once, each with connections and lanes of its
own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.database_storage import MariaDbStorage
from tests.integration.services.rooms import GATEWAY, Neighbours, Rooms
from tests.local_servers import MariaDbServer
from xinyu.base.config import MessageSettings
from xinyu.storage import lease
from xinyu.storage.database import Database, cursor
from xinyu.storage.dialect import MYSQL
from xinyu.storage.id_blocks import IdBlocks
from xinyu.wire.v1 import message_pb2, talk_pb2

LANES = 4


@pytest.fixture
def storage(mariadb: MariaDbServer) -> MariaDbStorage:
    return MariaDbStorage(mariadb)


class Processes:
    """As many lives as a test wants; they share users, and nothing else but the database."""

    def __init__(self, storage: MariaDbStorage) -> None:
        self._storage = storage
        self._lives: list[Rooms] = []
        self.neighbours = Neighbours()
        self.neighbours.users = {n: f"user {n}" for n in range(1, 200)}

    async def begin(self, incarnation: str, **settings: Any) -> Rooms:
        database = await self._storage.open()
        life = Rooms(
            database,
            incarnation=incarnation,
            neighbours=self.neighbours,
            settings=MessageSettings(**settings),
            lanes=LANES,
        )
        self._lives.append(life)
        await database.write(lambda c: lease.begin(c, MYSQL, incarnation))
        life.message_dispatcher.start()
        life.talk_dispatcher.start()
        return life

    async def end(self) -> None:
        for life in self._lives:
            await life.stop()
            await life.database.close()


@asynccontextmanager
async def processes(storage: MariaDbStorage) -> AsyncIterator[Processes]:
    made = Processes(storage)
    try:
        yield made
    finally:
        await made.end()


def kill(life: Rooms) -> None:
    """It hands nothing on any more; what it commits later stays in its outbox."""
    for dispatcher in (life.message_dispatcher, life.talk_dispatcher):
        for task in dispatcher._tasks:
            task.cancel()


async def rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    return await database.read(lambda c: [tuple(row) for row in c.execute(text(sql))])


async def test_sends_of_two_processes_into_the_same_talks_have_numbers_without_holes(storage: MariaDbStorage) -> None:
    talks, messages, senders = 6, 30, 2
    async with processes(storage) as made:
        lives = [await made.begin(name) for name in ("one", "two", "three")]
        for n in range(talks):
            await lives[0].befriend(1, 100 + n)
        await lives[0].roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)])
        sent = await asyncio.gather(
            *(
                lives[i % 3].send(*((1, 1, 100 + n) if by == 0 else (100 + n, 1, 1)), f"{by}-{i}")
                for i in range(messages)
                for n in range(talks)
                for by in range(senders)
            ),
            *(lives[i % 3].send(1 + i % 2, 2, 7, str(i)) for i in range(messages)),
            *(lives[i % 3].read(1, 1 + i % talks) for i in range(messages)),
        )
        records = [record for record in sent if isinstance(record, dict)]
        numbers: dict[int, list[int]] = {}
        for record in records:
            numbers.setdefault(record["talk_id"], []).append(record["sequence"])
        assert sorted(len(n) for n in numbers.values()) == [messages] + [messages * senders] * talks
        for sequences in numbers.values():
            assert sorted(sequences) == list(range(1, len(sequences) + 1))
        heads = await rows(lives[0].database, "SELECT talk_id, last_sequence FROM talk")
        assert dict(heads) == {talk_id: len(sequences) for talk_id, sequences in numbers.items()}
        # What a sender has sent counts as read by him; the head's last message is the last one.
        for talk_id, sequence in heads:
            ((sender, last),) = await rows(
                lives[0].database,
                f"SELECT m.sender_id, t.last_sender_id FROM message m, talk t "
                f"WHERE t.talk_id = {talk_id} AND m.talk_id = {talk_id} AND m.sequence = {sequence}",
            )
            assert sender == last


async def test_one_sender_s_messages_keep_their_order(storage: MariaDbStorage) -> None:
    async with processes(storage) as made:
        life, other = await made.begin("one"), await made.begin("two")
        for n in range(5):
            await life.befriend(1, 100 + n)
        noise = [asyncio.ensure_future(other.send(100 + n, 1, 1, "noise")) for n in range(5) for _ in range(20)]
        for n in range(5):
            sent = await asyncio.gather(*(life.send(1, 1, 100 + n, str(i)) for i in range(40)))
            sequences = [record["sequence"] for record in sent]
            assert sequences == sorted(sequences)
        await asyncio.gather(*noise)


async def test_a_pair_that_two_processes_make_at_once_is_made_once(storage: MariaDbStorage) -> None:
    async with processes(storage) as made:
        lives = [await made.begin(name, require_friendship=False) for name in ("one", "two", "three")]
        for peer in range(100, 110):
            sent = await asyncio.gather(
                *(life.send(*((1, 1, peer) if n % 2 else (peer, 1, 1)), "hi") for n, life in enumerate(lives)),
                *(life.befriend(1, peer) for life in lives),
                *(
                    life.talks.create_session(
                        talk_pb2.CreateSessionRequest(
                            user_id=1, target=message_pb2.TalkTarget(talk_mode=1, to_from_id=peer)
                        )
                    )
                    for life in lives
                ),
            )
            assert sorted(r["sequence"] for r in sent if isinstance(r, dict)) == [1, 2, 3]
        database = lives[0].database
        assert await rows(database, "SELECT COUNT(*) FROM talk") == [(10,)]
        assert await rows(database, "SELECT COUNT(*) FROM talk_member") == [(20,)]
        assert await rows(database, "SELECT COUNT(*) FROM talk_session WHERE user_id = 1") == [(10,)]
        # Each user's versions are his alone, and none was given out twice.
        versions = await rows(database, "SELECT version FROM talk_session WHERE user_id = 1")
        assert len(set(versions)) == 10


async def test_a_message_that_is_repeated_through_another_process_is_stored_once(storage: MariaDbStorage) -> None:
    async with processes(storage) as made:
        lives = [await made.begin(name) for name in ("one", "two", "three")]
        await lives[0].befriend(1, 2)
        for n in range(20):
            sent = await asyncio.gather(*(life.send(1, 1, 2, "once", msg_id=f"m{n}") for life in lives))
            assert {record["sequence"] for record in sent} == {n + 1}


async def test_commands_and_sends_of_many_processes_give_each_change_its_number(storage: MariaDbStorage) -> None:
    async with processes(storage) as made:
        lives = [await made.begin(name) for name in ("one", "two")]
        await lives[0].roster(7, [(n, 1, 1 if n == 1 else 3, 1) for n in range(1, 6)])
        sent = [await lives[0].send(1, 2, 7, str(n)) for n in range(20)]

        async def recall(n: int) -> None:
            await lives[n % 2].recall(1, 2, 7, sent[n]["msg_id"])

        await asyncio.gather(
            *(recall(n) for n in range(20)),
            *(lives[n % 2].send(2, 2, 7, "more") for n in range(20)),
            *(lives[n % 2].roster(7, [(10 + n, 1, 3, 2 + n)]) for n in range(10)),
            *(lives[n % 2].hide(3, 2, 7, sent[n]["msg_id"]) for n in range(20)),
        )
        database = lives[0].database
        changes = await rows(database, "SELECT `change` FROM message_change")
        assert len(set(changes)) == 20
        ((last,),) = await rows(database, "SELECT last_change FROM talk")
        assert last == 1 + 20 + 10
        owns = await rows(database, "SELECT own FROM message_hidden WHERE user_id = 3")
        assert sorted(owns) == [(n,) for n in range(1, 21)]


# -------------------------------------------------------------------- leases and outboxes


async def test_what_a_dead_process_left_is_claimed_once_by_many(storage: MariaDbStorage) -> None:
    async with processes(storage) as made:
        dead = await made.begin("dead")
        await dead.befriend(1, 2)
        await dead.settle()
        kill(dead)
        await asyncio.sleep(0)
        for n in range(30):
            await dead.send(1, 1, 2, str(n))
        living = [await made.begin(f"living-{n}") for n in range(4)]
        for life in living:
            await life.routes.connect([2], GATEWAY, 1)
            await life.message_dispatcher.recover()
        held = "SELECT incarnation, COUNT(*) FROM message_outbox GROUP BY incarnation"
        assert await rows(dead.database, held) == [("dead", 30)]  # its lease is alive
        await dead.database.write(run("UPDATE lease SET until_ms = until_ms - 20000 WHERE incarnation = 'dead'"))
        await asyncio.gather(*(life.message_dispatcher.recover() for life in living))
        for life in living:
            await life.settle()
        told = [p["sequence"] for life in living for p in life.gateway.of(2, 1, "im.message")]
        assert sorted(told) == list(range(1, 31))  # each once
        # It was declared dead: it is never alive again, and claims nothing.
        assert not await dead.database.write(lambda c: lease.renew(c, MYSQL, "dead"))
        assert await dead.database.write(dead.message_dispatcher.outbox.claim) == []


def run(sql: str) -> Callable[[Connection], None]:
    return lambda connection: cursor(connection).execute(sql) and None


async def test_claims_beside_sends_and_renewals_do_not_hinder_them(storage: MariaDbStorage) -> None:
    async with processes(storage) as made:
        lives = [await made.begin(f"life-{n}") for n in range(4)]
        await lives[0].befriend(1, 2)
        stop = asyncio.Event()

        async def claim(life: Rooms) -> int:
            claims = 0
            while not stop.is_set():
                await life.database.write(life.message_dispatcher.outbox.claim)
                assert await life.database.write(lambda c: lease.renew(c, MYSQL, life.incarnation))
                claims += 1
            return claims

        claiming = [asyncio.ensure_future(claim(life)) for life in lives]
        for n in range(10):
            await asyncio.gather(*(life.send(1, 1, 2, str(n)) for life in lives for _ in range(5)))
        stop.set()
        assert min(await asyncio.gather(*claiming)) > 0
        assert await rows(lives[0].database, "SELECT last_sequence FROM talk") == [(200,)]


async def test_a_lease_is_by_the_database_s_clock_and_an_expired_one_may_be_renewed_until_it_is_ended(
    storage: MariaDbStorage,
) -> None:
    database = await storage.open()
    await database.write(lambda c: lease.begin(c, MYSQL, "a"))
    await database.write(lambda c: lease.begin(c, MYSQL, "a"))  # its answer was lost: the same life
    await database.write(lambda c: lease.begin(c, MYSQL, "b"))
    until = "SELECT until_ms - CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) FROM lease WHERE incarnation = 'a'"
    ((left_ms,),) = await rows(database, until)
    assert 0 < left_ms <= lease.LEASE_MS
    expire = run("UPDATE lease SET until_ms = until_ms - 20000 WHERE incarnation = 'a'")
    await database.write(expire)
    assert await database.read(lambda c: lease.alive(c, MYSQL)) == ["b"]
    assert not await database.write(lambda c: lease.hold(c, MYSQL, "a"))
    assert await database.write(lambda c: lease.renew(c, MYSQL, "a"))
    assert await database.write(lambda c: lease.end_expired(c, MYSQL, ["a", "b", "never"])) == ["never"]
    assert await database.write(lambda c: lease.hold(c, MYSQL, "a"))
    await database.write(expire)
    assert await database.write(lambda c: lease.end_expired(c, MYSQL, ["a", "b"])) == ["a"]
    assert not await database.write(lambda c: lease.renew(c, MYSQL, "a"))
    await database.close()


async def test_processes_that_take_the_first_block_at_once_never_give_the_same_number(storage: MariaDbStorage) -> None:
    databases = [await storage.open() for _ in range(4)]
    for kind in ("talk", "user", "group", "media"):
        series = [IdBlocks(kind, database, MYSQL, block_size=5) for database in databases]
        taken = await asyncio.gather(*(series[n % 4].take() for n in range(200)))
        assert len(set(taken)) == 200
        assert min(taken) == 1
    for database in databases:
        await database.close()
